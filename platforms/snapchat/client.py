"""Snapchat's Public Profile API: one method per call.

Success is a 2xx *and* `request_status` "SUCCESS"; an error comes with 200 at times, and
one item of a list may fail alone. Source: https://developers.snap.com/api/marketing-api
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import IO, Any, cast
from urllib.parse import quote

from ..base import (
    Ability,
    After,
    Figure,
    Figures,
    Identity,
    MediaFile,
    MediaKind,
    PlatformClient,
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    life_s,
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
from ..transport import FilePart
from .sealed import Seal, SealedPart
from .spec import SAVED, SPEC, SPOTLIGHT, STORY

PROFILES = "/v1/public_profiles"
#: Pages of an organization's profiles that are read.
PAGES, PAGE_SIZE = 10, 50
#: The platform names no time; growing waits with jitter are the engine's.
LIMIT_WAIT_S = 2.0
#: What a list calls one of its items.
ITEMS = {STORY: "story", SPOTLIGHT: "spotlight", SAVED: "saved_story"}
NUMBERS = {"views": Figure.VIEWS, "shares": Figure.SHARES}
#: Of nobody: what Snap says to it is about our app.
NO_TOKEN = "none"
DENIED = (
    "our app is not on Snap's list, a permission is missing, or the role on the profile "
    "was lost: Snap does not say which"
)
#: State of a spotlight that is shown.
LIVE = "LIVE"
#: So many of each kind of the account's newest posts are read at a time.
RECENT_PAGE = 20


@dataclass(frozen=True)
class Media:
    """A file that was announced, and where its parts and its end go."""

    media_id: str
    add_path: str
    finalize_path: str


@dataclass(frozen=True)
class Item:
    """One entry of a list. text: description or title. status: of spotlights only."""

    id: str
    text: str
    status: str
    made_at: datetime | None


class SnapchatClient(PlatformClient):
    spec = SPEC

    # --- connecting

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
        }
        return self._tokens(form, Cause.CODE_REFUSED, mutates=False)

    def refresh(self) -> TokenSet:
        """Renew. A new refresh token may come, and takes the place of the old one."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.access.refresh_token,
        }
        return self._tokens(form, Cause.REFRESH_REFUSED, mutates=True)

    def _tokens(self, form: dict[str, str], refused: Cause, mutates: bool) -> TokenSet:
        now = datetime.now(UTC)
        answer = self.http.request(
            "POST",
            f"{self.host('accounts')}/login/oauth2/access_token",
            call=self.spec.call("POST /login/oauth2/access_token").key,
            mutates=mutates,
            data={
                "client_id": self.environment.client_id,
                "client_secret": self.environment.client_secret,
                **form,
            },
        )
        data = answer.data()
        word = data.get("error")
        if isinstance(word, str) and answer.status < 500 and answer.status != 429:
            raise _oauth_error(answer, word, refused)
        if not answer.ok:
            raise self.error_from(answer, mutates)
        if not data.get("access_token"):
            raise _unreadable(answer, mutates)
        lives_s = life_s(data.get("expires_in"), self.spec.token_life_s)
        return TokenSet(
            access_token=str(data["access_token"]),
            refresh_token=str(data.get("refresh_token") or ""),
            issued_at=now,
            expires_at=now + timedelta(seconds=lives_s),
            scopes=tuple(str(data.get("scope") or "").split()),
        )

    def identities(self) -> Sequence[Identity]:
        """The person's own profile, then those of its organization with a role.

        None: the person has no public profile.
        """
        try:
            answer = self._call(
                "GET /public_profiles/my_profile", f"{PROFILES}/my_profile"
            )
        except (NotFound, InvalidContent):
            return []
        own = _profile(answer)
        found = {str(own["id"]): self._identity(own)}
        if organization := str(own.get("organization_id") or ""):
            for row in self._of_organization(organization):
                found.setdefault(str(row["id"]), self._identity(row))
        return list(found.values())

    def _of_organization(self, organization: str) -> list[Mapping[str, Any]]:
        """Some setups want another permission for this list: then there is none."""
        path = f"/v1/organizations/{quote(organization, safe='')}/public_profiles"
        found: list[Mapping[str, Any]] = []
        query = {"limit": str(PAGE_SIZE)}
        for _ in range(PAGES):
            try:
                answer = self._call(
                    "GET /organizations/:id/public_profiles", path, params=query
                )
            except (PermissionMissing, NotFound):
                break
            found += _entities(answer, "public_profiles", "public_profile")
            paging = answer.data().get("paging")
            cursor = paging.get("next_page_id") if isinstance(paging, dict) else None
            if not cursor:
                break
            query = {**query, "cursor": str(cursor)}
        return found

    def _identity(self, row: Mapping[str, Any]) -> Identity:
        handle = str(row.get("snap_user_name") or "")
        logos = row.get("logo_urls")
        logo = logos.get("original_logo_url") if isinstance(logos, dict) else ""
        return Identity(
            external_id=str(row["id"]),
            kind="profile",
            name=str(row.get("display_name") or handle or row["id"]),
            handle=handle,
            url="",  # no page names one
            avatar_url=str(logo or ""),
            extra={"organization_id": str(row.get("organization_id") or "")},
        )

    # --- health

    def prove(self) -> Proof:
        """The profile tells that the token lives, its list of spotlights that we may
        act for it; the two are read with the same permission and role as posting."""
        identity: Identity | None = None
        acting = Verdict(True)
        try:
            answer = self._call(
                "GET /public_profiles/:id", f"{PROFILES}/{self._profile_id}"
            )
            identity = self._identity(_profile(answer))
            self.list_posts(SPOTLIGHT, 1)
        except PermissionMissing as error:
            if error.reach is Reach.APP:
                raise
            acting = Verdict(False, error.cause, error.detail)
        except NotFound as error:
            if error.status == 410:
                self._whether_version_ended()
            raise NotFound(
                error.detail,
                cause=Cause.ACCOUNT_GONE,
                reach=Reach.TOKEN,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        return Proof(
            abilities={ability: acting for ability in Ability},
            identity=identity,
            scopes=self.access.scopes or None,
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {
            "GET /public_profiles/:id": 1,
            "GET /public_profiles/:id/spotlights": 1,
        }

    def _whether_version_ended(self) -> None:
        """Raise when a path without an id is gone for good as well. One call more, of
        which no room is taken ahead: hardly any look makes it.

        Snap has announced no end of a version and no code for one. Its 404 tells nothing:
        so it answers for a profile that was deleted, and to people who have none.
        """
        try:
            self._call("GET /public_profiles/my_profile", f"{PROFILES}/my_profile")
        except NotFound as error:
            if error.status == 410:
                raise as_kind(
                    PermissionMissing, error, cause=Cause.VERSION_ENDED, reach=Reach.APP
                ) from error

    @property
    def _profile_id(self) -> str:
        return quote(self.access.external_id, safe="")

    # --- media

    def announce(self, file: MediaFile, seal: Seal) -> Media:
        """Tell Snap of a file and how it is encrypted. Nobody sees it."""
        kind = "VIDEO" if file.kind is MediaKind.VIDEO else "IMAGE"
        answer = self._call(
            "POST /public_profiles/:id/media",
            f"{PROFILES}/{self._profile_id}/media",
            json={
                "type": kind,
                "name": file.file_name,
                "key": base64.b64encode(seal.key).decode(),
                "iv": base64.b64encode(seal.iv).decode(),
            },
        )
        data = answer.data()
        paths = [str(data.get(name) or "") for name in ("add_path", "finalize_path")]
        if not data.get("media_id") or not all(_is_path(path) for path in paths):
            raise _unreadable(answer, mutates=False)
        return Media(str(data["media_id"]), *paths)

    def add_part(self, path: str, number: int, part: SealedPart, length: int) -> None:
        """Send a part, from 1. Sent again it is taken to replace the one that is there."""
        stream = cast(IO[bytes], part)
        self._call(
            "POST {add_path}",
            path,
            data={"action": "ADD", "part_number": str(number)},
            upload=FilePart("file", stream, length, "part", "application/octet-stream"),
        )

    def finalize(self, path: str) -> None:
        self._call("POST {finalize_path}", path, files={"action": (None, "FINALIZE")})

    # --- posts

    def post_story(self, media_id: str, lasts: str) -> str:
        """Publish; the id, which most answers do not tell ("")."""
        answer = self._call(
            "POST /public_profiles/:id/stories",
            f"{PROFILES}/{self._profile_id}/stories",
            json={"media_id": media_id, "customized_ttl": {"ttl": lasts}},
        )
        return str(answer.data().get("story_id") or "")

    def post_spotlight(self, body: Mapping[str, Any]) -> str:
        """Hand a spotlight to Snap's moderation; its id."""
        answer = self._call(
            "POST /public_profiles/:id/spotlights",
            f"{PROFILES}/{self._profile_id}/spotlights",
            json=dict(body),
        )
        if not answer.data().get("spotlight_id"):
            raise _unreadable(answer, mutates=True)
        return str(answer.data()["spotlight_id"])

    def save_story(self, title: str, media_ids: Sequence[str]) -> str:
        """Publish a saved story; its id, "" when it is not told."""
        sources = [{"media_id": number} for number in media_ids]
        story = {"title": title, "snap_sources": sources}
        answer = self._call(
            "POST /public_profiles/:id/saved_stories",
            f"{PROFILES}/{self._profile_id}/saved_stories",
            json={"saved_stories": [story]},
        )
        rows = _entities(answer, SAVED, ITEMS[SAVED])
        return str(rows[0].get("id") or "") if rows else ""

    def list_posts(self, place: str, limit: int) -> list[Item]:
        """Posts of a kind; a new one may be missing for a minute."""
        if place == STORY:
            key = "GET /public_profiles/:id/stories"
        elif place == SPOTLIGHT:
            key = "GET /public_profiles/:id/spotlights"
        else:
            key = "GET /public_profiles/:id/saved_stories"
        path = f"{PROFILES}/{self._profile_id}/{place}"
        answer = self._call(key, path, params={"limit": str(limit)})
        return [_item(row) for row in _entities(answer, place, ITEMS[place])]

    def spotlight(self, spotlight_id: str) -> Item:
        answer = self._call(
            "GET /public_profiles/:id/spotlights/:id",
            self._asset(SPOTLIGHT, spotlight_id),
        )
        rows = _entities(answer, SPOTLIGHT, ITEMS[SPOTLIGHT])
        if not rows:
            raise _unreadable(answer, mutates=False)
        return _item(rows[0])

    def delete_post(self, external_id: str) -> None:
        """Third parties know this call; one that is gone counts as deleted."""
        place, number = self._named(external_id)
        try:
            self._call(
                "DELETE /public_profiles/:id/:kind/:id", self._asset(place, number)
            )
        except NotFound:
            return

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"GET /public_profiles/:id/:kind/:id/stats": 1},
            After.DELETE: {"DELETE /public_profiles/:id/:kind/:id": 1},
            After.RECENT: {
                "GET /public_profiles/:id/spotlights": 1,
                "GET /public_profiles/:id/saved_stories": 1,
            },
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Spotlights and saved stories, a page of each. Stories, which live for a day,
        are left out."""
        found: list[RemotePost] = []
        reaches: datetime | None = since
        for place in (SPOTLIGHT, SAVED):
            rows = self.list_posts(place, RECENT_PAGE)
            if len(rows) == RECENT_PAGE:
                reaches = None
            for row in rows:
                if row.made_at is not None and row.made_at < since:
                    continue
                post = self.remote_of(place, row)
                if place == SPOTLIGHT and row.status != LIVE:
                    post = replace(post, extra={"hidden": True})
                found.append(post)
        return RecentPosts(tuple(found), reaches)

    def figures(self, external_id: str) -> Figures:
        """Totals of a post's life. The shape of the answer is not documented: figures
        are taken from wherever they stand in it."""
        place, number = self._named(external_id)
        now = datetime.now(UTC)
        answer = self._call(
            "GET /public_profiles/:id/:kind/:id/stats",
            f"{self._asset(place, number)}/stats",
            params={"fields": "VIEWS,SHARES", "granularity": "LIFETIME"},
        )
        return Figures(_numbers(answer.data()), now)

    def _named(self, external_id: str) -> tuple[str, str]:
        place, _, number = external_id.partition("/")
        if place not in ITEMS or not number:
            raise NotImplementedError("Snapchat has told no id of this story")
        return place, number

    def _asset(self, place: str, number: str) -> str:
        return f"{PROFILES}/{self._profile_id}/{place}/{quote(number, safe='')}"

    def remote_of(self, place: str, row: Item) -> RemotePost:
        permalink = self.permalink(row.id) if place == SPOTLIGHT else ""
        return RemotePost(f"{place}/{row.id}", permalink, row.text, row.made_at)

    def permalink(self, spotlight_id: str) -> str:
        return f"{self.host('www')}/spotlight/{quote(spotlight_id, safe='')}"

    # --- one call

    def _call(self, key: str, path: str, **kwargs: Any) -> Answer:
        """A 2xx whose `request_status` is "SUCCESS", or the error."""
        try:
            answer = self.send(
                key,
                self.host("api") + path,
                headers={"Authorization": f"Bearer {self.access.token}"},
                **kwargs,
            )
            mutates = self.spec.call(key).mutates
            status = answer.data().get("request_status")
            if status == "SUCCESS" and not _reason(answer.data()):
                return answer
            if not status:
                raise _unreadable(answer, mutates)
            raise self.error_from(answer, mutates)
        except PermissionMissing as error:
            if error.cause is Cause.NOT_ALLOWED:
                self._blame_app(error)
            raise

    def _blame_app(self, error: PlatformError) -> None:
        """Raise what is our app's fault: Snap tells a lost role, a missing permission and
        an app that it has ended alike. Asked to renew, it judges the app before the
        token, so that none has to be risked.
        """
        form = {"grant_type": "refresh_token", "refresh_token": NO_TOKEN}
        try:
            self._tokens(form, Cause.REFRESH_REFUSED, mutates=False)
        except PlatformError as told:
            if told.code == "invalid_client":
                raise told from error

    # --- Snap's table of errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        status, data = answer.status, answer.data()
        code = _code(data)
        text = redact(_said(data)) or answer.text()
        facts = _facts(answer, code)
        if status >= 500:
            if mutates:
                return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 429:
            wait_s = answer.retry_after or LIMIT_WAIT_S
            return RateLimited(text, retry_after=wait_s, **facts)
        if code == "MEDIA_PROCESSING":
            return TransientError(text, cause=Cause.MEDIA_NOT_READY, **facts)
        if code == "MEDIA_EXPIRED":
            return TransientError(text, cause=Cause.MEDIA_EXPIRED, **facts)
        if code == "MEDIA_POSTING_ALREADY_IN_PROGRESS":
            # An earlier try of ours: what becomes of it is looked up.
            return AmbiguousOutcome(text, cause=Cause.ALREADY_THERE, **facts)
        if code in ("E3002", "invalid_token") or (status == 401 and _is_snaps(answer)):
            return AuthExpired(text, **facts)
        if code == "AUTHORIZATION_PERMISSION_DENIED" or (
            status == 403 and _is_snaps(answer)
        ):
            words = f"{DENIED}. {text}"
            return PermissionMissing(words, cause=Cause.NOT_ALLOWED, **facts)
        if code == "E3003" or status == 410 or (status == 404 and _is_snaps(answer)):
            return NotFound(text, **facts)
        if status == 409:
            return DuplicateContent(text, **facts)
        if status == 413:
            return InvalidContent(text, cause=Cause.MEDIA_TOO_LARGE, **facts)
        if status in (401, 403, 404):  # not in Snap's words: something in between
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 408 or 300 <= status < 400:
            return TransientError(text, **facts)
        if mutates and data.get("request_status") == "PARTIAL" and not code:
            # Of what some of it came about nobody tells.
            return AmbiguousOutcome(text, cause=Cause.ANSWER_UNREADABLE, **facts)
        cause = Cause.TEXT_REFUSED if _is_snaps(answer) else Cause.UNKNOWN_REFUSAL
        return InvalidContent(text, cause=cause, **facts)


def _oauth_error(answer: Answer, word: str, refused: Cause) -> PlatformError:
    text = redact(str(answer.data().get("error_description") or word))
    facts = _facts(answer, word)
    if word == "invalid_grant":
        return AuthRevoked(text, cause=refused, **facts)
    if word == "access_denied":
        return AuthRevoked(text, cause=Cause.CONSENT_REFUSED, **facts)
    return PermissionMissing(text, cause=Cause.APP_REFUSED, reach=Reach.APP, **facts)


def _is_snaps(answer: Answer) -> bool:
    """Snap's own words, and no page of something in between."""
    data = answer.data()
    challenge = answer.headers.get("www-authenticate", "")
    return bool(
        data.get("request_status") or _code(data) or "invalid_token" in challenge
    )


def _code(data: Mapping[str, Any]) -> str:
    """The error's code, or that of the one item that failed."""
    word = data.get("error")
    if code := data.get("error_code") or (word if isinstance(word, str) else ""):
        return str(code)
    return _reason(data)


def _reason(data: Mapping[str, Any]) -> str:
    """Why one item of several failed; "": none did."""
    for rows in data.values():
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and (
                row.get("sub_request_status", "SUCCESS") != "SUCCESS"
            ):
                return str(row.get("sub_request_error_reason") or "ERROR")
    return ""


def _said(data: Mapping[str, Any]) -> str:
    names = ("display_message", "debug_message", "error_description")
    return str(next((data[name] for name in names if data.get(name)), ""))


def _facts(answer: Answer, code: str) -> dict[str, Any]:
    told = answer.data().get("request_id")
    return {
        "status": answer.status,
        "code": code,
        "request_id": str(told or answer.request_id)[:200],
    }


def _unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    facts = _facts(answer, "")
    return kind("no usable data in it", cause=Cause.ANSWER_UNREADABLE, **facts)


def _entities(answer: Answer, many: str, one: str) -> list[Mapping[str, Any]]:
    """The items of a list, each of which may be wrapped once more."""
    found: list[Mapping[str, Any]] = []
    rows = answer.data().get(many)
    for row in rows if isinstance(rows, list) else ():
        inner = row.get(one, row) if isinstance(row, dict) else None
        if isinstance(inner, dict) and inner.get("id"):
            found.append(inner)
    return found


def _profile(answer: Answer) -> Mapping[str, Any]:
    """One profile: alone, or as a list of one."""
    alone = answer.data().get("public_profile")
    if isinstance(alone, dict) and alone.get("id"):
        return alone
    if rows := _entities(answer, "public_profiles", "public_profile"):
        return rows[0]
    raise _unreadable(answer, mutates=False)


def _item(row: Mapping[str, Any]) -> Item:
    return Item(
        id=str(row["id"]),
        text=str(row.get("caption") or row.get("title") or ""),
        status=str(row.get("status") or ""),
        made_at=_moment(row.get("created_at")),
    )


def _is_path(path: str) -> bool:
    """As Snap gave it, region and all; it may lead to no other host."""
    return path.startswith("/") and not path.startswith("//")


def _numbers(value: Any) -> dict[Figure, int]:
    found: dict[Figure, int] = {}
    if isinstance(value, list):
        for item in value:
            found |= _numbers(item)
    elif isinstance(value, dict):
        for name, inner in value.items():
            figure = NUMBERS.get(str(name).lower())
            if figure and isinstance(inner, int | str) and str(inner).isdecimal():
                found[figure] = int(inner)
            else:
                found |= _numbers(inner)
    return found


def _moment(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
