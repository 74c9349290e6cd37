"""TikTok's API: one method per call. Source: https://developers.tiktok.com/docs/en.

Success is a 2xx *and* `error.code` "ok": some refusals come with 200. The OAuth
addresses answer in another shape, errors with 200 as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from ..base import (
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
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
)
from ..http import Answer, redact
from ..transport import WholeBody
from .spec import PRIVACY, PRIVACY_LEVELS, SPEC

#: No header tells when a minute's window ends, nor a day's.
MINUTE_S, DAY_S = 60.0, 86_400.0
#: Upload addresses belong to these hosts.
UPLOAD_HOST = ".tiktokapis.com"
LIST_FIELDS = "id,create_time,title,video_description,duration,share_url"
FIGURE_FIELDS = "id,like_count,comment_count,share_count,view_count"
FIGURES = {
    "view_count": Figure.VIEWS,
    "like_count": Figure.LIKES,
    "comment_count": Figure.COMMENTS,
    "share_count": Figure.SHARES,
}
#: How much of the account's newest posts is read at a time.
RECENT_PAGES, RECENT_PAGE = 5, 20


@dataclass(frozen=True)
class Means:
    """What a code of TikTok's means for us. wait_s: until it may be different."""

    kind: type[PlatformError]
    cause: Cause
    reach: Reach | None = None
    wait_s: float | None = None

    def make(self, text: str, facts: Mapping[str, Any]) -> PlatformError:
        return self.kind(
            text, cause=self.cause, reach=self.reach, retry_after=self.wait_s, **facts
        )


_DAY = Means(RateLimited, Cause.DAILY_LIMIT, wait_s=DAY_S)
_BANNED = Means(PermissionMissing, Cause.ACCOUNT_SUSPENDED)
_REFUSED = Means(InvalidContent, Cause.TEXT_REFUSED)
_FILE = Means(InvalidContent, Cause.MEDIA_REFUSED)
_SCOPE = Means(PermissionMissing, Cause.SCOPE_MISSING)
_NOT_FETCHED = Means(TransientError, Cause.MEDIA_NOT_PUBLIC)

#: https://developers.tiktok.com/docs/en/content-posting-api-reference-direct-post
CODES: dict[str, Means] = {
    # Two spellings: the reference's, and the one that comes.
    "invalid_param": _REFUSED,
    "invalid_params": _REFUSED,
    "invalid_file_upload": _FILE,
    "app_version_check_failed": Means(
        PermissionMissing, Cause.NOT_ALLOWED, reach=Reach.POST
    ),
    "scope_permission_missed": _SCOPE,
    "scope_not_authorized": _SCOPE,
    "access_token_invalid": Means(AuthExpired, Cause.TOKEN_EXPIRED),
    "invalid_publish_id": Means(NotFound, Cause.NOT_THERE),
    "token_not_authorized_for_specified_publish_id": Means(
        PermissionMissing, Cause.NOT_ALLOWED, reach=Reach.POST
    ),
    "spam_risk_too_many_posts": _DAY,
    "spam_risk_too_many_pending_share": _DAY,
    "spam_risk_user_banned_from_posting": _BANNED,
    "spam_risk_text": _REFUSED,
    "spam_risk": _REFUSED,
    "reached_active_user_cap": Means(
        RateLimited, Cause.DAILY_LIMIT, Reach.APP, wait_s=DAY_S
    ),
    # Of our app, and mended by nobody while the post waits: a person is told.
    "unaudited_client_can_only_post_to_private_accounts": Means(
        PermissionMissing, Cause.APP_UNREVIEWED, Reach.POST
    ),
    "url_ownership_unverified": Means(PermissionMissing, Cause.APP_REFUSED, Reach.POST),
    "privacy_level_option_mismatch": Means(InvalidContent, Cause.OPTION_UNKNOWN),
    "rate_limit_exceeded": Means(RateLimited, Cause.TOO_MANY_REQUESTS, wait_s=MINUTE_S),
}
#: `fail_reason` of a publish that came to nothing.
FAILURES: dict[str, Means] = {
    "file_format_check_failed": Means(InvalidContent, Cause.MEDIA_TYPE),
    "duration_check_failed": _FILE,
    "frame_rate_check_failed": Means(InvalidContent, Cause.VIDEO_FRAME_RATE),
    "picture_size_check_failed": _FILE,
    "internal": Means(TransientError, Cause.PLATFORM_TROUBLE),
    "video_pull_failed": _NOT_FETCHED,
    "photo_pull_failed": _NOT_FETCHED,
    "auth_removed": Means(AuthRevoked, Cause.TOKEN_REVOKED),
    "spam_risk_too_many_posts": _DAY,
    "spam_risk_user_banned_from_posting": _BANNED,
    "spam_risk_text": _REFUSED,
    "spam_risk": _REFUSED,
}
#: Word of the OAuth addresses -> the grant is over, or they are in trouble. Any other
#: is about our app.
OAUTH_TROUBLE = {"server_error", "temporarily_unavailable"}

#: Of nobody: what TikTok says to it is about our app.
NO_TOKEN = "rft.none"

#: A draft that waits for its creator.
IN_INBOX = "SEND_TO_USER_INBOX"
PROCESSING_UPLOAD, COMPLETE, FAILED = "PROCESSING_UPLOAD", "PUBLISH_COMPLETE", "FAILED"


@dataclass(frozen=True)
class Creator:
    """What the account may do right now. levels: of who can see it, in TikTok's order."""

    username: str
    levels: tuple[str, ...]
    max_s: int
    comment_disabled: bool
    duet_disabled: bool
    stitch_disabled: bool


@dataclass(frozen=True)
class Begun:
    """A publish that was begun. upload_url: for an hour, "" where TikTok fetches."""

    publish_id: str
    upload_url: str = ""


@dataclass(frozen=True)
class State:
    """How far a publish is. uploaded: bytes, None: not told. post_ids: only of public
    posts, after their moderation."""

    status: str
    fail_reason: str = ""
    post_ids: tuple[str, ...] = ()
    uploaded: int | None = None


class TikTokClient(PlatformClient):
    spec = SPEC
    proves_by_fixed_paths = True

    # --- connecting

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
        }
        if verifier:
            form["code_verifier"] = verifier
        return self._tokens(form, Cause.CODE_REFUSED, mutates=False)

    def refresh(self) -> TokenSet:
        """Renew; the refresh token works once, and a new one comes with the answer.

        AmbiguousOutcome: the answer was lost, and with it perhaps the account.
        """
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.access.refresh_token,
        }
        return self._tokens(form, Cause.REFRESH_REFUSED, mutates=True)

    def revoke(self) -> None:
        """End the grant by its access token.

        One whose time is over is refused and ends nothing: then with a new one.
        """
        try:
            self._revoke(self.access.token)
        except (AuthRevoked, PermissionMissing):
            if not self.access.refresh_token:
                raise
            self._revoke(self.refresh().access_token)

    def _revoke(self, token: str) -> None:
        self._oauth("revoke", {"token": token}, Cause.TOKEN_REVOKED, mutates=False)

    def _tokens(self, form: dict[str, str], refused: Cause, mutates: bool) -> TokenSet:
        now = datetime.now(UTC)
        answer = self._oauth("token", form, refused, mutates)
        data = answer.data()
        if not data.get("access_token"):
            raise _unreadable(answer, mutates)
        lives_s = life_s(data.get("expires_in"), self.spec.token_life_s)
        # Both count what is left, also of a renewal: not the whole life of the grant.
        refresh_s = life_s(data.get("refresh_expires_in"))
        return TokenSet(
            access_token=str(data["access_token"]),
            refresh_token=str(data.get("refresh_token") or ""),
            issued_at=now,
            expires_at=now + timedelta(seconds=lives_s),
            refresh_expires_at=now + timedelta(seconds=refresh_s)
            if refresh_s
            else None,
            scopes=_scopes(data.get("scope")),
        )

    def _oauth(
        self, name: str, form: dict[str, str], refused: Cause, mutates: bool
    ) -> Answer:
        answer = self.http.request(
            "POST",
            f"{self.host('api')}/v2/oauth/{name}/",
            call=self.spec.call(f"POST /v2/oauth/{name}/").key,
            mutates=mutates,
            data={
                "client_key": self.environment.client_id,
                "client_secret": self.environment.client_secret,
                **form,
            },
        )
        word = answer.data().get("error")
        if answer.ok and not word:
            return answer
        if not isinstance(word, str) or answer.status == 429 or answer.status >= 500:
            raise self.error_from(answer, mutates)
        raise _oauth_error(answer, word, refused)

    def identities(self) -> Sequence[Identity]:
        return [self.me()]

    def me(self, creator: Creator | None = None) -> Identity:
        """The account of the token. Its handle comes with the choices for a post."""
        answer = self._call(
            "GET /v2/user/info/",
            "/v2/user/info/",
            params={"fields": "open_id,union_id,avatar_url,display_name"},
        )
        user = _data(answer).get("user")
        if not isinstance(user, dict) or not user.get("open_id"):
            raise _unreadable(answer, mutates=False)
        if creator is None and "video.publish" in self.access.scopes:
            creator = self._creator_if_told()
        handle = creator.username if creator else self.access.handle
        return Identity(
            external_id=str(user["open_id"]),
            kind="user",
            name=str(user.get("display_name") or handle or user["open_id"]),
            handle=handle,
            url=self.profile(handle) if handle else "",
            avatar_url=str(user.get("avatar_url") or ""),
            extra={"union_id": str(user.get("union_id") or "")},
        )

    def _creator_if_told(self) -> Creator | None:
        """A cap or a ban hides the handle, and says nothing against the identity."""
        try:
            return self.creator()
        except (RateLimited, PermissionMissing):
            return None

    # --- health

    def prove(self) -> Proof:
        """Identity by one call, the right to post by another, which posts nothing.

        Posts of the day that are used up, or people of an app that is not audited, come
        after the right has been looked at: they do not speak against it.
        """
        creator: Creator | None = None
        publish = Verdict(True)
        try:
            creator = self.creator()
        except RateLimited as error:
            if error.cause is not Cause.DAILY_LIMIT:
                raise
            publish = Verdict(True, detail=error.detail or error.code)
        except PermissionMissing as error:
            if error.reach is Reach.APP:
                raise
            publish = Verdict(False, error.cause, error.detail or error.code)
        reading = _verdict(self.access.scopes, "video.list")
        return Proof(
            abilities={
                Ability.PUBLISH: publish,
                Ability.READ: reading,
                Ability.FIGURES: reading,
            },
            identity=self.me(creator or _nobody(self.access.handle)),
            scopes=self.access.scopes or None,
            limits=_limits(creator) if creator else None,
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {
            "GET /v2/user/info/": 1,
            "POST /v2/post/publish/creator_info/query/": 1,
        }

    def server_limits(self) -> dict[str, Any]:
        return _limits(self.creator())

    def creator(self) -> Creator:
        """What the account may post right now (20 calls a minute)."""
        answer = self._call(
            "POST /v2/post/publish/creator_info/query/",
            "/v2/post/publish/creator_info/query/",
            json={},
        )
        data = _data(answer)
        levels = data.get("privacy_level_options")
        if not isinstance(levels, list):
            raise _unreadable(answer, mutates=False)
        return Creator(
            username=str(data.get("creator_username") or ""),
            levels=tuple(str(level) for level in levels),
            max_s=_number(data.get("max_video_post_duration_sec")),
            comment_disabled=bool(data.get("comment_disabled")),
            duet_disabled=bool(data.get("duet_disabled")),
            stitch_disabled=bool(data.get("stitch_disabled")),
        )

    # --- publishing

    def begin_upload(
        self, post: Mapping[str, Any] | None, source: Mapping[str, Any]
    ) -> Begun:
        """Open an upload of a video; nothing appears before its last byte is there.

        post: None for a draft, which takes no words along. source: "video_size",
        "chunk_size", "total_chunk_count".
        """
        sent = {"source_info": {"source": "FILE_UPLOAD", **source}}
        if post is None:
            answer = self._call(
                "POST /v2/post/publish/inbox/video/init/",
                "/v2/post/publish/inbox/video/init/",
                mutates=False,
                json=sent,
            )
        else:
            answer = self._call(
                "POST /v2/post/publish/video/init/",
                "/v2/post/publish/video/init/",
                mutates=False,
                json={"post_info": dict(post), **sent},
            )
        begun = _begun(answer, mutates=False)
        if not begun.upload_url:
            raise _unreadable(answer, mutates=False)
        return begun

    def put_part(
        self, url: str, file: MediaFile, start: int, length: int, *, last: bool
    ) -> int:
        """Send bytes of a file; TikTok's status: 206 wants more, 200 and 201 do not.

        TransientError with the status 416: these bytes are not the next ones; 403 and
        404: the upload is over. The last part publishes: without an answer to it nobody
        knows.
        """
        self._guard_upload(url)
        end = start + length - 1
        with file.open() as stream:
            stream.seek(start)
            answer = self.http.request(
                "PUT",
                url,
                call=self.spec.call("PUT {upload_url}").key,
                mutates=last,
                headers={"Content-Range": f"bytes {start}-{end}/{file.size_bytes}"},
                upload=WholeBody(stream, length, file.mime_type),
            )
        if answer.ok:
            return answer.status
        raise _put_error(answer, last)

    def _guard_upload(self, url: str) -> None:
        """A platform's word must not send a file to just anywhere."""
        parts = urlsplit(url)
        ours = {urlsplit(base).netloc for base in self.environment.hosts.values()}
        named = (parts.hostname or "").lower().endswith(UPLOAD_HOST)
        if parts.netloc not in ours and not (named and parts.scheme == "https"):
            raise NotFound(
                "an upload address that is not TikTok's", cause=Cause.ADDRESS_REFUSED
            )

    def pull_video(self, post: Mapping[str, Any], address: str) -> Begun:
        """Have a video fetched and published. AmbiguousOutcome: it may be."""
        answer = self._call(
            "POST /v2/post/publish/video/init/",
            "/v2/post/publish/video/init/",
            json={
                "post_info": dict(post),
                "source_info": {"source": "PULL_FROM_URL", "video_url": address},
            },
        )
        return _begun(answer, mutates=True)

    def pull_photos(self, body: Mapping[str, Any]) -> Begun:
        """Have photos fetched and published. AmbiguousOutcome: they may be."""
        answer = self._call(
            "POST /v2/post/publish/content/init/ (DIRECT_POST)",
            "/v2/post/publish/content/init/",
            json={"media_type": "PHOTO", "post_mode": "DIRECT_POST", **body},
        )
        return _begun(answer, mutates=True)

    def hand_over_photos(self, body: Mapping[str, Any]) -> Begun:
        """Have photos fetched as a draft. AmbiguousOutcome: they may be."""
        answer = self._call(
            "POST /v2/post/publish/content/init/ (MEDIA_UPLOAD)",
            "/v2/post/publish/content/init/",
            json={"media_type": "PHOTO", "post_mode": "MEDIA_UPLOAD", **body},
        )
        return _begun(answer, mutates=True)

    def state(self, publish_id: str) -> State:
        """How far it is (30 calls a minute). NotFound: there is no such publish."""
        answer = self._call(
            "POST /v2/post/publish/status/fetch/",
            "/v2/post/publish/status/fetch/",
            json={"publish_id": publish_id},
        )
        data = _data(answer)
        if not data.get("status"):
            raise _unreadable(answer, mutates=False)
        # So it is spelled.
        ids = data.get("publicaly_available_post_id")
        uploaded = data.get("uploaded_bytes")
        return State(
            status=str(data["status"]),
            fail_reason=str(data.get("fail_reason") or ""),
            post_ids=tuple(str(i) for i in ids if i) if isinstance(ids, list) else (),
            uploaded=_number(uploaded) if uploaded is not None else None,
        )

    # --- posts

    def videos(
        self, max_count: int, cursor: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """Public posts, newest first, and where to go on (0: the end)."""
        body = {"max_count": max_count} | ({"cursor": cursor} if cursor else {})
        answer = self._call(
            "POST /v2/video/list/",
            "/v2/video/list/",
            params={"fields": LIST_FIELDS},
            json=body,
        )
        data = _data(answer)
        more = _number(data.get("cursor")) if data.get("has_more") else 0
        return _videos(answer), more

    def video(self, post_id: str, fields: str = LIST_FIELDS) -> dict[str, Any]:
        """One public post. NotFound: deleted, or not public any more."""
        answer = self._call(
            "POST /v2/video/query/",
            "/v2/video/query/",
            params={"fields": fields},
            json={"filters": {"video_ids": [post_id]}},
        )
        for row in _videos(answer):
            if str(row.get("id")) == post_id:
                return row
        raise NotFound("not among the public posts", status=answer.status)

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {
                "POST /v2/post/publish/status/fetch/": 1,
                "POST /v2/video/query/": 1,
            },
            After.RECENT: {"POST /v2/video/list/": RECENT_PAGES},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """What everybody may see; no page says whether photos are among it."""

        def page(cursor: int | None) -> tuple[list[dict[str, Any]], int]:
            return self.videos(RECENT_PAGE, cursor or 0)

        return read_recent(since, RECENT_PAGES, page, listed)

    def figures(self, external_id: str) -> Figures:
        """Totals of a post's life. Nothing is told of one that is not public, nor of
        one that is gone; and perhaps not of photos: no page says that lists have them.
        """
        now = datetime.now(UTC)
        if not external_id.isdecimal():
            # It was published without a number yet; by now it may have one.
            ids = self.state(external_id).post_ids
            if not ids:
                return Figures({}, now)
            external_id = ids[0]
        try:
            row = self.video(external_id, FIGURE_FIELDS)
        except NotFound:
            return Figures({}, now)
        values = {
            figure: row[name]
            for name, figure in FIGURES.items()
            if isinstance(row.get(name), int)
        }
        return Figures(values, now)

    def profile(self, handle: str) -> str:
        return f"{self.host('www')}/@{quote(handle, safe='')}"

    # --- one call

    def _call(
        self,
        key: str,
        path: str,
        *,
        mutates: bool | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Answer:
        """A 2xx whose `error.code` is "ok", or the error."""
        headers = {"Authorization": f"Bearer {self.access.token}"}
        if json is not None:
            headers["Content-Type"] = "application/json; charset=UTF-8"
        try:
            answer = self.send(
                key,
                self.host("api") + path,
                mutates=mutates,
                headers=headers,
                params=dict(params) if params else None,
                json=json,
            )
            if _code(answer) == "ok":
                return answer
            changing = self.spec.call(key).mutates if mutates is None else mutates
            if not _code(answer):
                raise _unreadable(answer, changing)
            raise self.error_from(answer, changing)
        except PermissionMissing as error:
            if error.cause is Cause.SCOPE_MISSING:
                self._blame_app(error)
            raise

    def _blame_app(self, error: PlatformError) -> None:
        """Raise what is our app's fault: TikTok tells the accounts of an app that it has
        suspended what it tells one that lacks a permission. Asked to renew, it judges
        the app before the token, so that none has to be risked.
        """
        form = {"grant_type": "refresh_token", "refresh_token": NO_TOKEN}
        try:
            self._oauth("token", form, Cause.REFRESH_REFUSED, mutates=False)
        except PlatformError as told:
            if told.code == "invalid_client":
                raise told from error

    # --- TikTok's table of errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        status, code = answer.status, _code(answer)
        error = answer.data().get("error")
        said = str(error.get("message") or "") if isinstance(error, dict) else ""
        text = redact(said) or answer.text()
        facts = _facts(answer, code)
        if status >= 500 or code == "internal_error":
            if mutates:
                return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 429:
            wait_s = answer.retry_after or MINUTE_S
            return RateLimited(text, retry_after=wait_s, **facts)
        if status in (404, 410):
            # None of its codes comes with these: what is not there is the path.
            return NotFound(text, **facts)
        if means := CODES.get(code):
            return means.make(text, facts)
        if not code and status in (401, 403):
            # Not in TikTok's words: something in between refused it.
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 401 or status in (408, 409) or 300 <= status < 400:
            return TransientError(text, **facts)
        return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)


def failure(state: State, forget: Collection[str]) -> PlatformError:
    """Why a publish came to nothing. forget: witnesses without which it begins anew."""
    reason = state.fail_reason
    means = FAILURES.get(reason) or Means(InvalidContent, Cause.UNKNOWN_REFUSAL)
    error = means.make(reason, {"code": reason})
    error.extra["forget"] = ",".join(forget)
    return error


def _oauth_error(answer: Answer, word: str, refused: Cause) -> PlatformError:
    text = redact(str(answer.data().get("error_description") or word))
    facts = _facts(answer, word)
    if word in OAUTH_TROUBLE:
        return TransientError(text, reach=Reach.PLATFORM, **facts)
    if word == "invalid_grant":
        return AuthRevoked(text, cause=refused, **facts)
    if word == "access_denied":
        return AuthRevoked(text, cause=Cause.CONSENT_REFUSED, **facts)
    return PermissionMissing(text, cause=Cause.APP_REFUSED, reach=Reach.APP, **facts)


def _put_error(answer: Answer, last: bool) -> PlatformError:
    """Upload hosts answer without JSON."""
    text, facts = answer.text(), _facts(answer, "")
    if answer.status >= 500:
        kind = AmbiguousOutcome if last else TransientError
        return kind(text, cause=Cause.PLATFORM_TROUBLE, **facts)
    if answer.status in (403, 404):
        return TransientError(text, cause=Cause.MEDIA_EXPIRED, **facts)
    if answer.status == 429:
        wait_s = answer.retry_after or MINUTE_S
        return RateLimited(text, retry_after=wait_s, **facts)
    if answer.status in (400, 413):
        return InvalidContent(text, cause=Cause.MEDIA_REFUSED, **facts)
    return TransientError(text, cause=Cause.MEDIA_NOT_READY, **facts)


def _code(answer: Answer) -> str:
    error = answer.data().get("error")
    return str(error.get("code") or "") if isinstance(error, dict) else ""


def _facts(answer: Answer, code: str) -> dict[str, Any]:
    data = answer.data()
    error = data.get("error")
    inner = error if isinstance(error, dict) else data
    # Tables of the reference spell it "logid".
    told = inner.get("log_id") or inner.get("logid") or ""
    return {
        "status": answer.status,
        "code": code,
        "request_id": answer.request_id or str(told)[:200],
    }


def _data(answer: Answer) -> dict[str, Any]:
    data = answer.data().get("data")
    return data if isinstance(data, dict) else {}


def _videos(answer: Answer) -> list[dict[str, Any]]:
    rows = _data(answer).get("videos")
    return [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []


def _begun(answer: Answer, mutates: bool) -> Begun:
    data = _data(answer)
    if not data.get("publish_id"):
        raise _unreadable(answer, mutates)
    return Begun(str(data["publish_id"]), str(data.get("upload_url") or ""))


def _unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    facts = _facts(answer, "")
    return kind("no usable data in it", cause=Cause.ANSWER_UNREADABLE, **facts)


def _scopes(value: Any) -> tuple[str, ...]:
    """A text with commas, which may be a part of what was asked for."""
    names = (name.strip() for name in str(value or "").split(","))
    return tuple(name for name in names if name)


def _verdict(granted: Collection[str], scope: str) -> Verdict:
    if not granted:
        return Verdict(None, detail="the granted scopes are not known")
    if scope not in granted:
        return Verdict(False, Cause.SCOPE_MISSING, scope)
    return Verdict(True)


def _limits(creator: Creator) -> dict[str, Any]:
    return {
        PRIVACY_LEVELS: {level: PRIVACY.get(level, level) for level in creator.levels},
        "max_video_s": creator.max_s,
        "comment_disabled": creator.comment_disabled,
        "duet_disabled": creator.duet_disabled,
        "stitch_disabled": creator.stitch_disabled,
    }


def _nobody(handle: str) -> Creator:
    """The handle that we know, where TikTok does not tell it."""
    return Creator(handle, (), 0, False, False, False)


def _number(value: Any) -> int:
    """0 for what is no number."""
    try:
        return max(0, int(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def listed(row: Mapping[str, Any]) -> RemotePost:
    """A post of a list."""
    at = row.get("create_time")
    if not isinstance(at, int) or not 0 < at < 1 << 33:
        at = None
    return RemotePost(
        external_id=str(row.get("id") or ""),
        permalink=str(row.get("share_url") or ""),
        text=str(row.get("video_description") or row.get("title") or ""),
        published_at=datetime.fromtimestamp(at, UTC) if at else None,
    )
