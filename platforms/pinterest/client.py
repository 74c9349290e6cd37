"""Pinterest's API v5: one method per call.

Every failure of a token looks alike (401, code 2), and a missing scope is a 401 as well
(code 3). Ids are digits beyond 2^53 and stay texts.
Source: https://developers.pinterest.com/docs/api/v5/ (5.23, 2025-12).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any, cast
from urllib.parse import quote

from ..base import (
    BELOW,
    Ability,
    After,
    Figure,
    Figures,
    Identity,
    MediaFile,
    PlatformClient,
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    life_s,
    read_recent,
)
from ..errors import (
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
    as_kind,
)
from ..http import Answer, redact
from ..json_files import JsonWithFiles
from ..limits import header_number
from ..transport import FilePart, WholeBody
from .spec import LIMIT_WAIT_S, NEEDED, SPAM_WAIT_S, SPEC

BOARDS_PAGE = 250
#: 2,000 boards are the most that an account may have.
BOARDS_PAGES = 8
#: Boards whose sections are read, one call each.
SECTIONED = 20
#: Code of a board whose name is used already (unverified, so its words count as well).
NAME_TAKEN = "58"
#: Pinterest's name -> ours, of `lifetime_metrics`
METRICS = {
    "impression": Figure.IMPRESSIONS,
    "pin_click": Figure.CLICKS,
    "reaction": Figure.LIKES,
    "comment": Figure.COMMENTS,
    "save": Figure.SAVES,
}
#: Words of a 400, in lower case -> cause; what is not here is told as it stands.
WORDS = (
    ("maxitems", Cause.TOO_MANY_MEDIA),
    ("'board_id' is a required", Cause.OPTION_MISSING),
    ("is too long", Cause.TEXT_TOO_LONG),
    ("cover_image", Cause.MEDIA_REFUSED),
)
#: How much of the account's newest posts is read at a time.
RECENT_PAGES, RECENT_PAGE = 3, 50


@dataclass(frozen=True)
class Upload:
    """Where a video goes to: one form with these fields, the file last."""

    media_id: str
    url: str
    fields: Mapping[str, str]


class PinterestClient(PlatformClient):
    spec = SPEC
    proves_by_fixed_paths = True

    def api(self, key: str, path: str, **kwargs: Any) -> Answer:
        """One call with the account's token. path: below the version."""
        return self.send(
            key,
            self._url(path),
            headers={"Authorization": f"Bearer {self.access.token}"},
            **kwargs,
        )

    def _url(self, path: str) -> str:
        version = self.environment.api_version or self.spec.api_version
        return f"{self.host('api')}/{version}/{path}"

    # --- connecting

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            # Only apps from before 2025-09-25 need it; others always have it.
            "continuous_refresh": "true",
        }
        return self._tokens(form, Cause.CODE_REFUSED)

    def refresh(self) -> TokenSet:
        """New tokens; the refresh token that was used counts as dead."""
        if not self.access.refresh_token:
            raise AuthRevoked("no refresh token", cause=Cause.TOKEN_EXPIRED)
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.access.refresh_token,
        }
        return self._tokens(form, Cause.REFRESH_REFUSED)

    def _tokens(self, form: Mapping[str, str], refused: Cause) -> TokenSet:
        now = datetime.now(UTC)
        answer = self.http.request(
            "POST",
            self._url("oauth/token"),
            call=self.spec.call("POST /oauth/token").key,
            mutates=False,
            data=dict(form),
            auth=(self.environment.client_id, self.environment.client_secret),
        )
        if not answer.ok:
            raise self._token_error(answer, refused)
        data = answer.data()
        if not data.get("access_token"):
            raise unreadable(answer, mutates=False)
        lives_s = life_s(data.get("expires_in"), self.spec.token_life_s)
        left_s = life_s(data.get("refresh_token_expires_in"))
        words = str(data.get("scope") or "").replace(",", " ")
        return TokenSet(
            access_token=str(data["access_token"]),
            refresh_token=str(data.get("refresh_token") or ""),
            issued_at=now,
            expires_at=now + timedelta(seconds=lives_s),
            refresh_expires_at=now + timedelta(seconds=left_s) if left_s else None,
            scopes=tuple(words.split()),
        )

    def _token_error(self, answer: Answer, refused: Cause) -> PlatformError:
        """401: our id and secret, or the refresh token, which looks the same."""
        error = self.error_from(answer, mutates=False)
        if isinstance(error, AuthExpired) and refused is Cause.CODE_REFUSED:
            return as_kind(
                PermissionMissing, error, cause=Cause.APP_REFUSED, reach=Reach.APP
            )
        if isinstance(error, AuthExpired | InvalidContent):
            return as_kind(AuthRevoked, error, cause=refused)
        return error

    def identities(self) -> Sequence[Identity]:
        return [self.profile()]

    def profile(self) -> Identity:
        answer = self.api("GET /user_account", "user_account")
        data = answer.data()
        if not data.get("id"):
            raise unreadable(answer, mutates=False)
        number, handle = str(data["id"]), str(data.get("username") or "")
        kind = str(data.get("account_type") or "")
        return Identity(
            external_id=number,
            kind="user",
            name=str(data.get("business_name") or handle or number),
            handle=handle,
            url=f"{self.host('www')}/{quote(handle)}/" if handle else "",
            avatar_url=str(data.get("profile_image") or ""),
            extra={"account_type": kind} if kind else {},
        )

    # --- health

    def prove(self) -> Proof:
        """The profile tells life, the boards that the right to use them is there.

        Nothing that only reads tells whether our app may publish (Trial access).
        """
        abilities = {ability: self._verdict(ability) for ability in Ability}
        identity: Identity | None = None
        try:
            identity = self.profile()
        except PermissionMissing as error:
            if error.cause is not Cause.SCOPE_MISSING:
                raise  # the name is not shown to us any more; Pins may be
        try:
            self.boards_page("", 1)
        except PermissionMissing as error:
            if error.reach is Reach.APP:
                raise
            abilities = {
                ability: Verdict(False, error.cause, error.detail)
                for ability in abilities
            }
        return Proof(
            abilities=abilities, identity=identity, scopes=self.access.scopes or None
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {"GET /user_account": 1, "GET /boards": 1}

    def _verdict(self, ability: Ability) -> Verdict:
        if not self.access.scopes:
            return Verdict(None, detail="the granted scopes are not known")
        missing = [s for s in NEEDED[ability] if s not in self.access.scopes]
        if missing:
            return Verdict(False, Cause.SCOPE_MISSING, " ".join(missing))
        return Verdict(True)

    def server_limits(self) -> dict[str, Any]:
        """{"boards": id -> name} of what this account may put Pins on; a section of a
        board is "board/section".

        Only public ones: Pins on others cannot be found again with our scopes. Sections
        of the boards that were used last.
        """
        rows = [
            row
            for row in self._boards()
            if row.get("id")
            and row.get("privacy") in (None, "PUBLIC")
            and row.get("is_ads_only") is not True
        ]
        newest = sorted(rows, key=_used_at, reverse=True)[:SECTIONED]
        sections = {str(row["id"]): self._sections(str(row["id"])) for row in newest}
        boards = {}
        for row in rows:
            number, name = str(row["id"]), _board_name(row, self.access.handle)
            boards[number] = name
            for section, words in sections.get(number, {}).items():
                boards[f"{number}/{section}"] = f"{name}{BELOW}{words}"
        return {"boards": boards}

    def calls_of_limits(self) -> Mapping[str, int]:
        return {"GET /boards": BOARDS_PAGES, "GET /boards/:id/sections": SECTIONED}

    def _sections(self, board: str) -> dict[str, str]:
        """id -> name of the first hundred; {} of a board that does not show us any."""
        path = f"boards/{quote(board)}/sections"
        try:
            rows, _bookmark = self._rows(
                "GET /boards/:id/sections", path, {"page_size": "100"}, ""
            )
        except (NotFound, PermissionMissing):
            return {}
        return {
            str(row["id"]): str(row.get("name") or row["id"])
            for row in rows
            if row.get("id")
        }

    def make_choice(self, key: str, name: str, below: str = "") -> tuple[str, str]:
        """A public board, or a section of the board `below`. A name is used once, so that
        a repeat makes no second one."""
        if below:
            path = f"boards/{quote(below)}/sections"
            made = self.api("POST /boards/:id/sections", path, json={"name": name})
            row = made.data()
            if not row.get("id"):
                raise unreadable(made, mutates=False)
            return f"{below}/{row['id']}", str(row.get("name") or name)
        body = {"name": name, "privacy": "PUBLIC"}
        try:
            answer = self.api("POST /boards", "boards", json=body)
        except InvalidContent as error:
            if error.code == NAME_TAKEN or "already" in error.detail.lower():
                raise as_kind(
                    DuplicateContent, error, cause=Cause.ALREADY_THERE
                ) from error
            raise
        row = answer.data()
        if not row.get("id"):
            raise unreadable(answer, mutates=False)
        return str(row["id"]), _board_name(row, self.access.handle)

    def _boards(self) -> Iterator[Mapping[str, Any]]:
        bookmark = ""
        for _ in range(BOARDS_PAGES):
            rows, bookmark = self.boards_page(bookmark, BOARDS_PAGE)
            yield from rows
            if not bookmark:
                return

    def boards_page(self, bookmark: str, size: int) -> tuple[list[dict[str, Any]], str]:
        """Public boards, and where to go on ("": these were the last)."""
        query = {"page_size": str(size), "privacy": "PUBLIC"}
        return self._rows("GET /boards", "boards", query, bookmark)

    # --- videos

    def register(self) -> Upload:
        """Open an upload. Nobody sees it."""
        answer = self.api("POST /media", "media", json={"media_type": "video"})
        data = answer.data()
        fields = data.get("upload_parameters")
        if not (
            data.get("media_id") and data.get("upload_url") and isinstance(fields, dict)
        ):
            raise unreadable(answer, mutates=False)
        texts = {str(name): str(value) for name, value in fields.items()}
        return Upload(str(data["media_id"]), str(data["upload_url"]), texts)

    def upload(self, where: Upload, file: MediaFile) -> None:
        """Send the whole file in one form. It cannot be gone on with, only repeated.

        TransientError(MEDIA_EXPIRED): its time is over, register anew.
        """
        with file.open() as stream:
            part = FilePart(
                "file", stream, file.size_bytes, file.file_name, file.mime_type
            )
            # The storage refuses a request with our token.
            answer = self.http.request(
                "POST",
                where.url,
                call=self.spec.call("POST {upload_url}").key,
                mutates=False,
                data=where.fields,
                upload=part,
            )
        if not answer.ok:
            raise _storage_error(answer)

    def media_state(self, media_id: str) -> str:
        """registered, processing, succeeded or failed (no reason is told)."""
        try:
            answer = self.api("GET /media/:id", f"media/{quote(media_id)}")
        except NotFound as error:
            raise _not_ready(error) from error
        if not (state := answer.data().get("status")):
            raise unreadable(answer, mutates=False)
        return str(state)

    # --- Pins

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a Pin; the Pin as Pinterest has it. There is no key against doubles.

        body: files stand in it as they are. NotFound(OPTION_UNKNOWN): the board is gone.
        """
        document = JsonWithFiles(body)
        stream = cast(IO[bytes], document)
        upload = WholeBody(stream, document.length, "application/json")
        try:
            with closing(document):
                answer = self.api("POST /pins", "pins", upload=upload)
        except NotFound as error:
            if error.cause is Cause.NOT_THERE:
                raise _not_ready(error) from error
            raise
        data = answer.data()
        if not data.get("id"):
            raise unreadable(answer, mutates=True)
        return data

    def pins_of(
        self, board: str, bookmark: str, size: int
    ) -> tuple[list[dict[str, Any]], str]:
        """Pins of a board, in practice newest first, and where to go on ("": the end)."""
        path = f"boards/{quote(board)}/pins"
        return self._rows(
            "GET /boards/:id/pins", path, {"page_size": str(size)}, bookmark
        )

    def delete_post(self, external_id: str) -> None:
        try:
            self.api("DELETE /pins/:id", f"pins/{quote(external_id)}")
        except NotFound:
            return

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"GET /pins/:id": 1},
            After.DELETE: {"DELETE /pins/:id": 1},
            After.RECENT: {"GET /pins": RECENT_PAGES},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Pins of all public boards. That the newest come first is no promise."""

        def page(bookmark: str | None) -> tuple[list[dict[str, Any]], str]:
            query = {"page_size": str(RECENT_PAGE)}
            return self._rows("GET /pins", "pins", query, bookmark or "")

        def post_of(row: Mapping[str, Any]) -> RemotePost | None:
            if not row.get("id") or row.get("is_owner") is False:
                return None
            return remote_of(row, self)

        return read_recent(since, RECENT_PAGES, page, post_of)

    def figures(self, external_id: str) -> Figures:
        """Counted since it went out; hours or days behind, and none for some accounts."""
        answer = self.api(
            "GET /pins/:id",
            f"pins/{quote(external_id)}",
            params={"pin_metrics": "true"},
        )
        told = answer.data().get("pin_metrics")
        total = told.get("lifetime_metrics") if isinstance(told, dict) else None
        values = {
            METRICS[name]: value
            for name, value in (total if isinstance(total, dict) else {}).items()
            if name in METRICS and isinstance(value, int)
        }
        return Figures(values, datetime.now(UTC))

    def address(self, number: str) -> str:
        return f"{self.host('www')}/pin/{quote(number)}/"

    def _rows(
        self, key: str, path: str, query: Mapping[str, str], bookmark: str
    ) -> tuple[list[dict[str, Any]], str]:
        params = {**query, "bookmark": bookmark} if bookmark else dict(query)
        answer = self.api(key, path, params=params)
        items = answer.data().get("items")
        if not isinstance(items, list):
            raise unreadable(answer, mutates=False)
        rows = [row for row in items if isinstance(row, dict)]
        return rows, str(answer.data().get("bookmark") or "")

    # --- errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        data = answer.data()
        said, code = str(data.get("message") or ""), data.get("code")
        # Judged before redaction, which takes words after "token" for secrets.
        lower = f"{said} {data.get('message_detail') or ''}".lower()
        text = redact(said) or answer.text()
        facts = facts_of(answer)
        status = answer.status
        if status == 429:
            return _limited(answer, lower, text, facts)
        if status >= 500:
            if mutates:
                return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
            wait_s = answer.retry_after
            return TransientError(
                text, reach=Reach.PLATFORM, retry_after=wait_s, **facts
            )
        if not isinstance(code, int):
            # A proxy or a page, hence nothing of Pinterest's own.
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status in {401, 403}:
            return _refusal(status, code, lower, text, facts)
        if status == 404:
            cause = Cause.OPTION_UNKNOWN if code in {40, 2031} else Cause.NOT_THERE
            return NotFound(text, cause=cause, **facts)
        if status == 409:
            return DuplicateContent(text, cause=Cause.ALREADY_THERE, **facts)
        if "unable to reach" in lower:
            return TransientError(text, cause=Cause.MEDIA_NOT_PUBLIC, **facts)
        known = (cause for words, cause in WORDS if words in lower)
        cause = next(known, Cause.UNKNOWN_REFUSAL)
        return InvalidContent(text, cause=cause, **facts)


def _refusal(
    status: int, code: int, lower: str, text: str, facts: Mapping[str, Any]
) -> PlatformError:
    """401 and 403, by their code."""
    if (status, code) == (401, 2):
        # Expired, revoked, of the sandbox: a refresh tells.
        return AuthExpired(text, cause=Cause.TOKEN_INVALID, **facts)
    if (status, code) == (401, 3):
        return PermissionMissing(text, cause=Cause.SCOPE_MISSING, **facts)
    if (status, code) == (403, 3) or (code == 29 and "trial" in lower):
        return PermissionMissing(
            text, cause=Cause.APP_REFUSED, reach=Reach.APP, **facts
        )
    # One board or Pin (7, 29), or the whole account.
    reach = Reach.POST if code in {7, 29} else Reach.TOKEN
    return PermissionMissing(text, cause=Cause.NOT_ALLOWED, reach=reach, **facts)


def _limited(
    answer: Answer, lower: str, text: str, facts: Mapping[str, Any]
) -> PlatformError:
    if "spam" in lower:
        return RateLimited(
            text, cause=Cause.ACCOUNT_LOCKED, retry_after=SPAM_WAIT_S, **facts
        )
    wait_s = answer.retry_after
    if wait_s is None:
        wait_s = header_number(answer.headers.get("x-ratelimit-reset"))
    return RateLimited(
        text, retry_after=LIMIT_WAIT_S if wait_s is None else wait_s, **facts
    )


def _storage_error(answer: Answer) -> PlatformError:
    """The storage's XML: its time is over, the file is too large, or trouble."""
    text, facts = answer.text(), facts_of(answer)
    if "EntityTooLarge" in text:
        return InvalidContent(text, cause=Cause.VIDEO_TOO_LARGE, **facts)
    if answer.status in {400, 403}:
        return TransientError(text, cause=Cause.MEDIA_EXPIRED, **facts)
    return TransientError(text, reach=Reach.PLATFORM, **facts)


def facts_of(answer: Answer) -> dict[str, Any]:
    code = answer.data().get("code")
    return {
        "status": answer.status,
        "code": str(code) if isinstance(code, int) else "",
        "request_id": answer.request_id,
    }


def unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    return kind(
        "no usable data in it", cause=Cause.ANSWER_UNREADABLE, **facts_of(answer)
    )


def _not_ready(error: PlatformError) -> PlatformError:
    """Not there, said of a video that was registered a moment ago."""
    return as_kind(TransientError, error, cause=Cause.MEDIA_NOT_READY, retry_after=5)


def _board_name(row: Mapping[str, Any], handle: str) -> str:
    """Its name, with the owner's where it is another's (a group board)."""
    name, owner = str(row.get("name") or row["id"]), row.get("owner")
    whose = str(owner.get("username") or "") if isinstance(owner, dict) else ""
    return f"{name} ({whose})" if whose and handle and whose != handle else name


def _used_at(row: Mapping[str, Any]) -> str:
    """ISO times, which stand in their order as text."""
    return str(row.get("board_pins_modified_at") or row.get("created_at") or "")


def remote_of(row: Mapping[str, Any], api: PinterestClient) -> RemotePost:
    number = str(row["id"])
    return RemotePost(
        external_id=number,
        permalink=api.address(number),
        text=str(row.get("description") or ""),
        published_at=utc(row.get("created_at")),
    )


def utc(value: Any) -> datetime | None:
    """Pinterest's "2026-02-03T09:10:11", which has no zone and is UTC."""
    try:
        at = datetime.fromisoformat(str(value or ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
