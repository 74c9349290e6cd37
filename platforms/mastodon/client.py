"""One method per call of the API of Mastodon-compatible servers.

Source: https://docs.joinmastodon.org (2026-07), and for the texts of other software
the code of GoToSocial and Takahe.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import quote, urljoin, urlsplit

from ..base import (
    CENTRE,
    Ability,
    After,
    Call,
    Comment,
    CommentPage,
    Figure,
    Figures,
    Identity,
    MediaFile,
    MediaKind,
    PlatformClient,
    PlatformSpec,
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    Vote,
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
from ..http import Answer, FilePart, parse_json, redact
from . import spec as facts_of
from .spec import SPEC

#: Mastodon's name -> ours
METRICS = {
    "favourites_count": Figure.LIKES,
    "replies_count": Figure.COMMENTS,
    "reblogs_count": Figure.SHARES,
    "quotes_count": Figure.SHARES,
}
#: Pages of the account's newest posts that are read at a time.
RECENT_PAGES = 3
#: From where everybody may read it to where only those named may.
VISIBILITIES = ("public", "unlisted", "private", "direct")
#: "4.2.1 (compatible; Foo 1.0)" names the software that answers.
COMPATIBLE = re.compile(r"\(compatible; ([A-Za-z]+)")


@dataclass(frozen=True)
class Media:
    """An uploaded file. ready False: still being processed, ask again."""

    id: str
    ready: bool


@dataclass(frozen=True)
class Status:
    """A post as the server shows it. `text` is plain, made of `content` (HTML)."""

    id: str
    url: str
    created_at: datetime | None
    text: str
    media_ids: tuple[str, ...] = ()
    alt_texts: tuple[str, ...] = ()
    application: str = ""
    is_reblog: bool = False
    #: the id of the post that it answers
    replies_to: str = ""
    visibility: str = ""
    #: None: the server does not say
    has_poll: bool | None = None


@dataclass(frozen=True)
class StatusPage:
    """Newest first; server_time is the answer's Date, when there was one."""

    statuses: tuple[Status, ...]
    server_time: datetime | None = None


class MastodonClient(PlatformClient):
    spec: ClassVar[PlatformSpec] = SPEC
    proves_by_fixed_paths = True

    @property
    def base(self) -> str:
        return self.host("instance")

    @property
    def instance_key(self) -> str:
        """The part before the id in `external_id`: what follows "://"."""
        return self.base.split("://", 1)[-1]

    def _user(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.token}"}

    # ------------------------------------------------------------ the server

    def instance_facts(self) -> dict[str, Any]:
        """What the server announces of itself; costs 3 to 5 unauthenticated calls.

        Keys: software, version, api_level (int, 0 unknown), title, max_characters,
        reserved_per_url, max_media, image_size_limit (bytes), image_matrix_limit
        (pixels), the same of videos and video_frame_rate_limit, mime_types,
        description_limit, poll_options, poll_characters, poll_min_s and poll_max_s (0:
        not told), supports_pkce, supports_profile_scope.
        Raises NotFound(NOT_THIS_PLATFORM) for a server that does not speak this API.
        """
        discovery = self._discovery()
        about = self._instance()
        version = str(about.get("version") or "")
        levels = _dict(about.get("api_versions"))
        configuration = _dict(about.get("configuration"))
        statuses = _dict(configuration.get("statuses"))
        media = _dict(configuration.get("media_attachments"))
        polls = _dict(configuration.get("polls"))
        api_level = _int(levels.get("mastodon"), 0)
        max_characters = _int(
            statuses.get("max_characters") or about.get("max_toot_chars"),
            facts_of.MAX_CHARACTERS,
        )
        types = media.get("supported_mime_types")
        return {
            "software": self._software(version, api_level),
            "version": version,
            "api_level": api_level,
            "title": str(about.get("title") or ""),
            "max_characters": max_characters,
            "reserved_per_url": _int(
                statuses.get("characters_reserved_per_url"), facts_of.RESERVED_PER_URL
            ),
            "max_media": _int(
                statuses.get("max_media_attachments"), facts_of.MAX_MEDIA
            ),
            "image_size_limit": _int(
                media.get("image_size_limit"), facts_of.IMAGE_SIZE_LIMIT
            ),
            "image_matrix_limit": _int(
                media.get("image_matrix_limit"), facts_of.IMAGE_MATRIX_LIMIT
            ),
            "video_size_limit": _int(
                media.get("video_size_limit"), facts_of.VIDEO_SIZE_LIMIT
            ),
            "video_matrix_limit": _int(
                media.get("video_matrix_limit"), facts_of.VIDEO_MATRIX_LIMIT
            ),
            "video_frame_rate_limit": _int(
                media.get("video_frame_rate_limit"), facts_of.VIDEO_FRAME_RATE_LIMIT
            ),
            "mime_types": [str(t) for t in types]
            if isinstance(types, list) and types
            else [
                *facts_of.IMAGE_TYPES,
                *facts_of.VIDEO_TYPES,
                *facts_of.AUDIO_NAMES,
            ],
            "description_limit": _int(
                media.get("description_limit"), facts_of.DESCRIPTION_LIMIT
            ),
            "poll_options": _int(polls.get("max_options"), facts_of.POLLS.max_options),
            "poll_characters": _int(
                polls.get("max_characters_per_option"), facts_of.POLLS.max_option
            ),
            "poll_min_s": _int(polls.get("min_expiration"), 0),
            "poll_max_s": _int(polls.get("max_expiration"), 0),
            "supports_pkce": "S256"
            in (discovery.get("code_challenge_methods_supported") or ()),
            "supports_profile_scope": facts_of.PROFILE
            in (discovery.get("scopes_supported") or ()),
        }

    def server_limits(self) -> dict[str, Any]:
        return self.instance_facts()

    def _discovery(self) -> dict[str, Any]:
        """The OAuth metadata (4.3 and later); {} on servers without."""
        key = "GET /.well-known/oauth-authorization-server"
        try:
            return self.send(
                key, self.base + "/.well-known/oauth-authorization-server"
            ).data()
        except PlatformError as error:
            if not _lacks_the_path(error):
                raise
            return {}

    def _instance(self) -> dict[str, Any]:
        for version in ("v2", "v1"):
            try:
                about = self.send(
                    f"GET /api/{version}/instance",
                    f"{self.base}/api/{version}/instance",
                ).data()
            except PlatformError as error:
                if not _lacks_the_path(error):
                    raise
                continue
            if about.get("version") and (about.get("domain") or about.get("uri")):
                return about
        raise NotFound(
            "no Mastodon-compatible server answers there",
            cause=Cause.NOT_THIS_PLATFORM,
            reach=Reach.APP,
        )

    def _software(self, version: str, api_level: int) -> str:
        """Lower-case name from nodeinfo, else from the version; "" when unknown."""
        if name := self._nodeinfo_name():
            return name
        if named := COMPATIBLE.search(version):
            return named.group(1).lower()
        return "mastodon" if api_level else ""

    def _nodeinfo_name(self) -> str:
        try:
            info = self.send(
                "GET /.well-known/nodeinfo", self.base + "/.well-known/nodeinfo"
            ).data()
            if "software" not in info and (href := self._nodeinfo_link(info)):
                info = self.send("GET {nodeinfo}", href).data()
        except PlatformError as error:
            if not _lacks_the_path(error):
                raise
            return ""
        return str(_dict(info.get("software")).get("name") or "").lower()

    def _nodeinfo_link(self, info: Mapping[str, Any]) -> str:
        """The document's address, only when it lies on the same server."""
        links = info.get("links")
        for link in reversed(links if isinstance(links, list) else []):
            named = str(_dict(link).get("href") or "")
            href = urljoin(self.base + "/", named)
            if named and _origin(href) == _origin(self.base):
                return href
        return ""

    # ------------------------------------------------------------ connecting

    def register_app(self, redirect_uri: str, scopes: Sequence[str]) -> tuple[str, str]:
        """Make our app known to this server; returns (client id, client secret)."""
        form = {
            "client_name": self.environment.app_name,
            "redirect_uris": redirect_uri,
            "scopes": " ".join(scopes),
        }
        if self.environment.app_url:
            form["website"] = self.environment.app_url
        data = self.send(
            "POST /api/v1/apps", self.base + "/api/v1/apps", data=form
        ).data()
        client_id, secret = data.get("client_id"), data.get("client_secret")
        if not client_id or not secret:
            raise NotFound(
                "the server registered no app", cause=Cause.NOT_THIS_PLATFORM
            )
        return str(client_id), str(secret)

    def app_is_known(self) -> bool:
        """Ask for a token of the app itself; a server that gives none says nothing."""
        try:
            self.send(
                "POST /oauth/token",
                self.base + "/oauth/token",
                data={
                    "grant_type": "client_credentials",
                    "client_id": self.environment.client_id,
                    "client_secret": self.environment.client_secret,
                },
            )
        except AuthRevoked as error:
            return error.cause is not Cause.APP_GONE
        except (PermissionMissing, InvalidContent):
            return True
        return True

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.environment.client_id,
            "client_secret": self.environment.client_secret,
            "redirect_uri": redirect_uri,
        }
        if verifier:
            form["code_verifier"] = verifier
        return self._token(form)

    def refresh(self) -> TokenSet:
        """Only for servers that sent a refresh token; Mastodon's tokens do not end."""
        if not self.access.refresh_token:
            raise AuthRevoked(
                "this server gave no refresh token", cause=Cause.TOKEN_EXPIRED
            )
        try:
            return self._token(
                {
                    "grant_type": "refresh_token",
                    "refresh_token": self.access.refresh_token,
                    "client_id": self.environment.client_id,
                    "client_secret": self.environment.client_secret,
                }
            )
        except (PermissionMissing, AuthExpired) as error:
            raise AuthRevoked(
                error.detail,
                cause=Cause.REFRESH_REFUSED,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error

    def _token(self, form: Mapping[str, str]) -> TokenSet:
        answer = self.send("POST /oauth/token", self.base + "/oauth/token", data=form)
        data = answer.data()
        token = data.get("access_token")
        if not isinstance(token, str) or not token:
            raise TransientError(
                "no access token in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        issued = _instant(data.get("created_at")) or datetime.now(UTC)
        life = life_s(data.get("expires_in"))
        return TokenSet(
            access_token=token,
            refresh_token=str(data.get("refresh_token") or ""),
            issued_at=issued,
            expires_at=issued + timedelta(seconds=life) if life else None,
            scopes=tuple(str(data.get("scope") or "").split()),
        )

    def revoke(self) -> None:
        self.send(
            "POST /oauth/revoke",
            self.base + "/oauth/revoke",
            data={
                "client_id": self.environment.client_id,
                "client_secret": self.environment.client_secret,
                "token": self.access.token,
            },
        )

    # ------------------------------------------------------------ identity

    def identities(self) -> Sequence[Identity]:
        return [self._identity(self._verify_credentials())]

    def prove(self) -> Proof:
        """One call. A frozen or unconfirmed account is refused by it (403).

        The server does not tell a token's scopes: those that it granted at the
        exchange are judged, and nothing is said of a right when none are known.
        """
        account = self._verify_credentials()
        abilities = {ability: self._verdict(ability) for ability in Ability}
        if account.get("moved"):
            # After a Move the old account still reads; posts are refused.
            abilities[Ability.PUBLISH] = Verdict(False, Cause.ACCOUNT_MOVED)
        return Proof(
            abilities,
            identity=self._identity(account),
            scopes=self.access.scopes or None,
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {"GET /api/v1/accounts/verify_credentials": 1}

    def _verify_credentials(self) -> dict[str, Any]:
        key = "GET /api/v1/accounts/verify_credentials"
        url = self.base + "/api/v1/accounts/verify_credentials"
        account = self.send(key, url, headers=self._user()).data()
        if not account.get("id"):
            raise TransientError(
                "no account in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        return account

    def _identity(self, account: Mapping[str, Any]) -> Identity:
        username = str(account.get("username") or account.get("acct") or "")
        source = _dict(account.get("source"))
        return Identity(
            external_id=f"{self.instance_key}/{account['id']}",
            kind="user",
            name=str(account.get("display_name") or username),
            handle=f"{username}@{self.instance_key.split('/', 1)[0]}",
            url=str(account.get("url") or ""),
            avatar_url=str(account.get("avatar") or ""),
            can_publish=not account.get("moved"),
            extra={"default_visibility": str(source.get("privacy") or "")},
        )

    def _verdict(self, ability: Ability) -> Verdict:
        if not self.access.scopes:
            return Verdict(None)
        lacking = [
            c for c in self.spec.calls if c.ability is ability and self._lacks(c)
        ]
        if not lacking:
            return Verdict(True)
        features = ", ".join(dict.fromkeys(call.feature for call in lacking))
        return Verdict(False, Cause.SCOPE_MISSING, features)

    def _lacks(self, call: Call) -> bool:
        granted = self.access.scopes
        return not set(call.scopes).issubset(granted) or (
            bool(call.any_scopes) and not set(call.any_scopes).intersection(granted)
        )

    # ------------------------------------------------------------ media

    def upload_media(
        self, media: MediaFile, thumbnail: MediaFile | None = None
    ) -> Media:
        """Send a file with its alt text, as it is read from where it is stored.

        There are no parts and no resuming; a repeat makes a second, harmless one.
        thumbnail: what stands for it until it is played.
        """
        with ExitStack() as opened:

            def part(field: str, file: MediaFile, after: FilePart | None) -> FilePart:
                # An ASCII name: some front proxies refuse the encoded form of others.
                name = re.sub(r"[^A-Za-z0-9._-]", "_", file.file_name) or "file"
                stream = opened.enter_context(file.open())
                size, kind = file.size_bytes, file.mime_type
                return FilePart(field, stream, size, name, kind, after)

            still = part("thumbnail", thumbnail, None) if thumbnail else None
            answer = self.send(
                "POST /api/v2/media",
                self.base + "/api/v2/media",
                headers=self._user(),
                upload=part("file", media, still),
                data=_said_of(media),
            )
        id = answer.data().get("id")
        if not id:
            raise TransientError(
                "no media id in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        return Media(str(id), ready=answer.status == 200)

    def media(self, id: str) -> Media:
        """NotFound: not ours, gone, or already attached to a post."""
        answer = self.send(
            "GET /api/v1/media/:id",
            f"{self.base}/api/v1/media/{quote(id, safe='')}",
            headers=self._user(),
        )
        # 206 means "still processing", and is a success to any HTTP library.
        return Media(id, ready=answer.status == 200)

    # ------------------------------------------------------------ posts

    def post_status(self, fields: Mapping[str, Any], key: str) -> Status:
        """Publish. The same key within an hour gives the first post again, with 200.

        GoToSocial and Takahe ignore the key.
        """
        answer = self.send(
            "POST /api/v1/statuses",
            self.base + "/api/v1/statuses",
            headers=self._user() | {"Idempotency-Key": key},
            json=dict(fields),
        )
        status = _status(answer.data())
        if not status.id:
            raise AmbiguousOutcome(
                "no post in the answer",
                cause=Cause.ANSWER_UNREADABLE,
                status=answer.status,
                request_id=answer.request_id,
            )
        return status

    def account_statuses(self, account_id: str, max_id: str = "") -> StatusPage:
        """The account's posts without reblogs, newest first, up to 40 (20 elsewhere).

        Own posts appear at once. max_id: only older ones than this.
        """
        row = "GET /api/v1/accounts/:id/statuses"
        params = {"limit": "40", "exclude_reblogs": "true"}
        if max_id:
            row += "?max_id"
            params["max_id"] = max_id
        answer = self.send(
            row,
            f"{self.base}/api/v1/accounts/{quote(account_id, safe='')}/statuses",
            headers=self._user(),
            params=params,
        )
        return StatusPage(
            tuple(_status(item) for item in _list(answer)), _server_time(answer)
        )

    def status_source(self, id: str) -> str:
        """The text as it was written, not as HTML."""
        answer = self.send(
            "GET /api/v1/statuses/:id/source",
            f"{self.base}/api/v1/statuses/{quote(id, safe='')}/source",
            headers=self._user(),
        )
        return str(answer.data().get("text") or "")

    def delete_post(self, external_id: str) -> None:
        """Safe to repeat: a post that is gone already is no error."""
        try:
            self.send(
                "DELETE /api/v1/statuses/:id",
                f"{self.base}/api/v1/statuses/{quote(external_id, safe='')}",
                headers=self._user(),
            )
        except NotFound as error:
            if error.cause is not Cause.NOT_THERE:
                raise

    def discard_upload(self, external_id: str) -> None:
        """404 stands for one that is gone and for one that a status has taken."""
        try:
            self.send(
                "DELETE /api/v1/media/:id",
                f"{self.base}/api/v1/media/{quote(external_id, safe='')}",
                headers=self._user(),
            )
        except NotFound as error:
            if error.cause is not Cause.NOT_THERE:
                raise

    # ------------------------------------------------------------ figures and comments

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"GET /api/v1/statuses/:id": 1},
            After.COMMENTS: {"GET /api/v1/statuses/:id/context": 1},
            After.ANSWER: {"GET /api/v1/statuses/:id": 1, "POST /api/v1/statuses": 1},
            After.DELETE: {"DELETE /api/v1/statuses/:id": 1},
            After.RECENT: {
                "GET /api/v1/accounts/:id/statuses": 1,
                "GET /api/v1/accounts/:id/statuses?max_id": RECENT_PAGES - 1,
            },
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Forty a page. Messages to single people are nobody else's business."""
        account_id = self.access.external_id.rsplit("/", 1)[-1]

        def page(max_id: str | None) -> tuple[Sequence[Status], str]:
            rows = self.account_statuses(account_id, max_id or "").statuses
            return rows, rows[-1].id if rows else ""

        def post_of(row: Status) -> RemotePost | None:
            if row.is_reblog or row.replies_to or row.visibility == "direct":
                return None
            hidden = {"hidden": True} if row.visibility == "private" else {}
            return RemotePost(row.id, row.url, row.text, row.created_at, hidden)

        return read_recent(since, RECENT_PAGES, page, post_of)

    def figures(self, external_id: str) -> Figures:
        """What this server has seen of it; other servers may have seen more."""
        row = self._of_post("GET /api/v1/statuses/:id", external_id, "").data()
        if not row.get("id"):
            raise TransientError("no post in the answer", cause=Cause.ANSWER_UNREADABLE)
        values: dict[Figure, int] = {}
        for name, figure in METRICS.items():
            if isinstance(row.get(name), int):
                values[figure] = values.get(figure, 0) + row[name]
        votes, voters = _votes(row.get("poll"))
        return Figures(values, datetime.now(UTC), votes, voters)

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """Replies of every depth that this server knows, on one page."""
        key = "GET /api/v1/statuses/:id/context"
        rows = self._of_post(key, external_id, "/context").data().get("descendants")
        if not isinstance(rows, list):
            raise TransientError(
                "no replies in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        found = (_comment(_dict(row), external_id) for row in rows)
        return CommentPage(tuple(one for one in found if one.external_id))

    def reply(self, comment_id: str, text: str) -> str:
        """Answer by naming the author, seen by no more people than the comment.

        The same words to the same comment are one answer: repeated within an hour they
        are not doubled, where the server honours the key.
        """
        row = self._of_post("GET /api/v1/statuses/:id", comment_id, "").data()
        acct = str(_dict(row.get("account")).get("acct") or "")
        seen = str(row.get("visibility") or "")
        mine = _dict(row.get("account")).get("id") == self._own_number
        mention = f"@{acct} " if acct and not mine and f"@{acct}" not in text else ""
        intent = f"{self.access.external_id} {comment_id} {text}"
        status = self.post_status(
            {
                "status": mention + text,
                "in_reply_to_id": comment_id,
                "visibility": seen if seen in VISIBILITIES else "direct",
            },
            hashlib.sha256(intent.encode()).hexdigest(),
        )
        return status.id

    @property
    def _own_number(self) -> str:
        return self.access.external_id.rsplit("/", 1)[-1]

    def _of_post(self, key: str, number: str, rest: str) -> Answer:
        """A call about one post. NotFound only in the server's own words."""
        try:
            return self.send(
                key,
                f"{self.base}/api/v1/statuses/{quote(number, safe='')}{rest}",
                headers=self._user(),
            )
        except NotFound as error:
            if error.extra.get("said"):
                raise
            raise as_kind(TransientError, error) from error

    # ------------------------------------------------------------ errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        """There are no numeric codes: status, and where needed the text, decide.

        A page that is not JSON comes from a proxy in front of the server; it says
        nothing about the token.
        """
        data = answer.data()
        error = data.get("error")
        word = error if isinstance(error, str) else ""
        more = data.get("error_description")
        text = f"{word}: {more}" if isinstance(more, str) and more else word
        about: dict[str, Any] = {
            "status": answer.status,
            "code": word[:60] if re.fullmatch(r"[a-z_]+", word) else "",
            "request_id": answer.request_id,
        }
        detail = redact(text) if word else answer.text()
        status = answer.status
        if status == 429:
            return RateLimited(
                detail,
                retry_after=answer.retry_after,
                reset_at=_reset_at(answer),
                **about,
            )
        if status >= 500:
            return _server_error(answer, word, detail, mutates, about)
        if status == 413:
            return InvalidContent(detail, cause=Cause.MEDIA_TOO_LARGE, **about)
        if 300 <= status < 400:
            return NotFound(
                "the server sends on to another address",
                cause=Cause.NOT_THIS_PLATFORM,
                **about,
            )
        if not word:
            if status in {404, 405, 409, 410}:
                return NotFound(detail, **about)
            return TransientError(detail, cause=Cause.PLATFORM_TROUBLE, **about)
        if word == "invalid_client":
            return AuthRevoked(detail, cause=Cause.APP_GONE, reach=Reach.APP, **about)
        if status == 401:
            return _unauthorised(word, detail, about)
        if status == 403:
            return _forbidden(word, detail, about)
        if status in {404, 405, 409, 410}:
            return NotFound(detail, extra={"said": word}, **about)
        return _refusal(word, detail, about)


# ---------------------------------------------------------------- tables of texts


def _server_error(
    answer: Answer, word: str, detail: str, mutates: bool, about: dict[str, Any]
) -> PlatformError:
    if "processing thumbnail" in word.lower():
        return TransientError(detail, cause=Cause.MEDIA_REFUSED, **about)
    # A 503 in the server's own words, or with a time to come back, was turned away
    # before it did anything; a proxy's 503 says nothing of what lies behind.
    turned_away = answer.status == 503 and (
        bool(word) or "retry-after" in answer.headers
    )
    if mutates and not turned_away:
        return AmbiguousOutcome(detail, cause=Cause.PLATFORM_TROUBLE, **about)
    return TransientError(detail, retry_after=answer.retry_after, **about)


def _unauthorised(word: str, detail: str, about: dict[str, Any]) -> PlatformError:
    low = word.lower()
    if word == "access_denied":  # Takahe's word for a bad or old code
        return PermissionMissing(detail, cause=Cause.CODE_REFUSED, **about)
    if "access token expired" in low:
        return AuthExpired(detail, **about)
    if "requires an authenticated user" in low:
        return PermissionMissing(detail, **about)
    if "user not supplied or not authorized" in low:  # GoToSocial: disabled, suspended
        return PermissionMissing(detail, cause=Cause.ACCOUNT_SUSPENDED, **about)
    cause = Cause.TOKEN_REVOKED if "revoked" in low else Cause.TOKEN_INVALID
    return AuthRevoked(detail, cause=cause, **about)


def _forbidden(word: str, detail: str, about: dict[str, Any]) -> PlatformError:
    low = word.lower()
    cause = Cause.NOT_ALLOWED
    if "outside the authorized scopes" in low or "insufficient scope" in low:
        cause = Cause.SCOPE_MISSING
    elif "login is currently disabled" in low:
        cause = Cause.ACCOUNT_SUSPENDED
    elif "your login is" in low:  # e-mail not confirmed, sign-up pending
        cause = Cause.ACCOUNT_LOCKED
    elif "moved" in low:
        cause = Cause.ACCOUNT_MOVED
    if cause is Cause.NOT_ALLOWED:
        # "This action is not allowed": this post, not the account as a whole.
        return PermissionMissing(detail, cause=cause, reach=Reach.POST, **about)
    return PermissionMissing(detail, cause=cause, **about)


OAUTH_WORDS = {
    "invalid_grant": Cause.CODE_REFUSED,
    "invalid_scope": Cause.SCOPE_MISSING,
    "invalid_grant_type": Cause.CODE_REFUSED,
    "unauthorized_client": Cause.APP_REFUSED,
    "access_denied": Cause.CONSENT_REFUSED,
}

#: part of the text (lower case) -> cause; the first that fits counts
REFUSALS: tuple[tuple[str, Cause], ...] = (
    ("text can't be blank", Cause.TEXT_EMPTY),
    ("status is empty", Cause.TEXT_EMPTY),
    ("contains no text", Cause.TEXT_EMPTY),
    ("character limit", Cause.TEXT_TOO_LONG),
    ("exceed max chars", Cause.TEXT_TOO_LONG),
    ("status is too long", Cause.TEXT_TOO_LONG),
    ("cannot attach more than", Cause.TOO_MANY_MEDIA),
    ("media files exceed max", Cause.TOO_MANY_MEDIA),
    ("cannot attach a video", Cause.MEDIA_MIXED),
    ("file size must be less", Cause.MEDIA_TOO_LARGE),
    ("content type is invalid", Cause.MEDIA_TYPE),
    ("file is invalid", Cause.MEDIA_REFUSED),
    ("description", Cause.ALT_TEXT_TOO_LONG),
    ("poll", Cause.TEXT_REFUSED),
    ("scheduled", Cause.TEXT_REFUSED),
)
DUPLICATES = ("duplicate", "has already been taken")


def _refusal(word: str, detail: str, about: dict[str, Any]) -> PlatformError:
    low = word.lower()
    if cause := OAUTH_WORDS.get(word):
        return PermissionMissing(detail, cause=cause, **about)
    if "requires an authenticated user" in low:
        return PermissionMissing(detail, **about)
    if "not finished processing" in low:
        return TransientError(detail, cause=Cause.MEDIA_NOT_READY, **about)
    if "not found or already attached" in low:
        return AmbiguousOutcome(detail, cause=Cause.MEDIA_EXPIRED, **about)
    if any(part in low for part in DUPLICATES):
        return DuplicateContent(detail, **about)
    for part, cause in REFUSALS:
        if part in low:
            return InvalidContent(detail, cause=cause, **about)
    return InvalidContent(detail, cause=Cause.UNKNOWN_REFUSAL, **about)


def _said_of(media: MediaFile) -> dict[str, str]:
    """Beside the file: its words, and what stays where an image is shown cut."""
    said = {"description": media.alt_text} if media.alt_text else {}
    if media.focus != CENTRE and media.kind is not MediaKind.VIDEO:
        # From -1 (left, bottom) to 1; ours is from 0 (left, top) to 1.
        x, y = (min(1.0, max(0.0, share)) for share in media.focus)
        said["focus"] = f"{2 * x - 1:.2f},{1 - 2 * y:.2f}"
    return said


def _lacks_the_path(error: PlatformError) -> bool:
    """The server answered, but not to this path: another software or version.

    These calls carry no token, so a refusal of one is about the path as well.
    """
    return error.status is not None and isinstance(
        error, (NotFound, InvalidContent, AuthRevoked)
    )


def _reset_at(answer: Answer) -> datetime | None:
    """X-RateLimit-Reset is an ISO 8601 time here, not a number of seconds."""
    return _time(answer.headers.get("x-ratelimit-reset"))


# ---------------------------------------------------------------- reading answers


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _int(value: Any, default: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default


def _instant(value: Any) -> datetime | None:
    """From seconds since 1970; None for anything that is no time."""
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _server_time(answer: Answer) -> datetime | None:
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _list(answer: Answer) -> list[dict[str, Any]]:
    """The JSON array of the body. Anything else is no answer, and not "no posts"."""
    value = parse_json(answer.body)
    if not isinstance(value, list):
        raise TransientError(
            "no list in the answer", cause=Cause.ANSWER_UNREADABLE, status=answer.status
        )
    return [item for item in value if isinstance(item, dict)]


def _status(data: Mapping[str, Any]) -> Status:
    attached = data.get("media_attachments")
    media = [_dict(m) for m in (attached if isinstance(attached, list) else [])]
    return Status(
        id=str(data.get("id") or ""),
        url=str(data.get("url") or data.get("uri") or ""),
        created_at=_time(data.get("created_at")),
        text=plain_text(str(data.get("content") or "")),
        media_ids=tuple(str(m.get("id") or "") for m in media),
        alt_texts=tuple(str(m.get("description") or "") for m in media),
        application=str(_dict(data.get("application")).get("name") or ""),
        is_reblog=bool(data.get("reblog")),
        replies_to=str(data.get("in_reply_to_id") or ""),
        visibility=str(data.get("visibility") or ""),
        has_poll=bool(data["poll"]) if "poll" in data else None,
    )


def _votes(poll: Any) -> tuple[tuple[Vote, ...], int | None]:
    """Of a status' poll, and how many people chose. An answer has no count as long as
    its author hides what was chosen.

    Source: https://docs.joinmastodon.org/entities/Poll/ (2026-07).
    """
    options, voters = _dict(poll).get("options"), _dict(poll).get("voters_count")
    found = tuple(
        Vote(str(one.get("title") or ""), count if isinstance(count, int) else None)
        for one in (options if isinstance(options, list) else [])
        if isinstance(one, dict)
        for count in [one.get("votes_count")]
    )
    return found, voters if isinstance(voters, int) else None


def _comment(row: Mapping[str, Any], post: str) -> Comment:
    status, parent = _status(row), str(row.get("in_reply_to_id") or "")
    return Comment(
        external_id=status.id,
        text=status.text,
        author=str(_dict(row.get("account")).get("acct") or ""),
        published_at=status.created_at,
        permalink=status.url,
        parent_id="" if parent == post else parent,
    )


class _Plain(HTMLParser):
    """Paragraphs and lines as they were typed, links by their whole address."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.in_link = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "p" and self.parts:
            self.parts.append("\n\n")
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "a":
            kinds = (values.get("class") or "").split()
            rel = (values.get("rel") or "").split()
            # A mention or hashtag reads as its text; a link is shown shortened.
            if not {"mention", "hashtag"}.intersection(kinds) and "tag" not in rel:
                self.parts.append(values.get("href") or "")
                self.in_link = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self.in_link = False

    def handle_data(self, data: str) -> None:
        if not self.in_link:
            self.parts.append(data)


def plain_text(content: str) -> str:
    """The text of a status' HTML."""
    parser = _Plain()
    parser.feed(content)
    parser.close()
    return "".join(parser.parts).strip()
