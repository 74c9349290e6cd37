"""LinkedIn's versioned API: one method per call.

Rest.li wants its own encoding: a URN is percent-encoded, the structure of `List(a,b)`
and `(key:value)` is not. So addresses are built by hand and never given as params.
Source: https://learn.microsoft.com/en-us/linkedin/ (version 202609).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit
from zlib import crc32

from ..base import (
    Ability,
    After,
    Comment,
    CommentPage,
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
from ..captions import SRT
from ..errors import (
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformDown,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
)
from ..http import Answer, redact
from ..transport import FilePart, WholeBody
from . import hook
from .little_text import unescape
from .spec import NEEDED, POSTING_ROLES, SPEC, TOKEN_SETTLES_S

PAGE_SIZE = 100
LOOKUP_SIZE = 50
POST_URN = re.compile(r"urn:li:(?:share|ugcPost|activity):\d+")
COMMENT_URN = re.compile(r"urn:li:comment:\((urn:li:\w+:\d+),(\d+)\)")
COMMENTS_PAGE = 50
#: LinkedIn's name -> ours
PAGE_METRICS = {
    "impressionCount": Figure.IMPRESSIONS,
    "uniqueImpressionsCount": Figure.REACH,
    "clickCount": Figure.CLICKS,
    "likeCount": Figure.LIKES,
    "commentCount": Figure.COMMENTS,
    "shareCount": Figure.SHARES,
}
MEMBER_METRICS = {
    "IMPRESSION": Figure.IMPRESSIONS,
    "MEMBERS_REACHED": Figure.REACH,
    "REACTION": Figure.LIKES,
    "COMMENT": Figure.COMMENTS,
    "RESHARE": Figure.SHARES,
}
#: The country that a language of captions is taken for where they name none.
COUNTRIES = {
    "ar": "AE",
    "cs": "CZ",
    "da": "DK",
    "de": "DE",
    "en": "US",
    "es": "ES",
    "fr": "FR",
    "hi": "IN",
    "id": "ID",
    "it": "IT",
    "ja": "JP",
    "ko": "KR",
    "nl": "NL",
    "no": "NO",
    "pl": "PL",
    "pt": "BR",
    "ro": "RO",
    "ru": "RU",
    "sv": "SE",
    "th": "TH",
    "tr": "TR",
    "uk": "UA",
    "zh": "CN",
}
#: What is granted for a shorter time is asked for anew.
EVENTS_MARGIN = timedelta(days=2)
#: Calls of a new day begin within so long after midnight UTC.
DAY_BEGINS_WITHIN_S = 300
#: The refused field of a 403: an author or owner that this member may not act for.
AUTHOR_FIELD = re.compile(r"\[/(?:\w+/)*(?:author|owner)\]")

#: code of a 400 -> class and cause
BAD_REQUESTS: dict[str, tuple[type[PlatformError], Cause]] = {
    "FIELD_LENGTH_TOO_LONG": (InvalidContent, Cause.TEXT_TOO_LONG),
    "INVALID_URL": (InvalidContent, Cause.LINK_REFUSED),
    # Known words for a body that was refused whole: nothing was written.
    "MISSING_FIELD": (InvalidContent, Cause.TEXT_REFUSED),
    "INVALID_VALUE_FOR_FIELD": (InvalidContent, Cause.TEXT_REFUSED),
    "INVALID_VALUE_BLANK_FIELD": (InvalidContent, Cause.TEXT_REFUSED),
    "INVALID_CALL_TO_ACTION": (InvalidContent, Cause.TEXT_REFUSED),
    "INVALID_URN_TYPE": (InvalidContent, Cause.TEXT_REFUSED),
    "INVALID_URN_ID": (InvalidContent, Cause.TEXT_REFUSED),
    "INVALID_IMAGE_ID": (InvalidContent, Cause.MEDIA_EXPIRED),
    "INVALID_VIDEO_ID": (InvalidContent, Cause.MEDIA_EXPIRED),
    "MEDIA_ASSET_PROCESSING_FAILED": (InvalidContent, Cause.MEDIA_REFUSED),
    "MEDIA_ASSET_WAITING_UPLOAD": (TransientError, Cause.MEDIA_NOT_READY),
    "EXPIRED_UPLOAD_URL": (TransientError, Cause.MEDIA_EXPIRED),
    "UPDATING_ASSET_FAILED": (TransientError, Cause.MEDIA_EXPIRED),
}
#: How much of the account's newest posts is read at a time.
RECENT_PAGES, RECENT_PAGE = 3, 50


@dataclass(frozen=True)
class Upload:
    """Where a file goes to: one PUT of all its bytes before `ends_at`."""

    urn: str
    url: str
    ends_at: datetime | None


@dataclass(frozen=True)
class VideoUpload:
    """Where a video goes to: (address, first byte, last byte) of each part, in order;
    and what was announced beside it, "" for what was not."""

    urn: str
    token: str
    parts: tuple[tuple[str, int, int], ...]
    ends_at: datetime | None
    thumbnail: str = ""
    captions: str = ""


class LinkedInClient(PlatformClient):
    spec = SPEC

    # --- connecting

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        """Trade the code (30 min, once) for a token. AuthRevoked: code refused."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
        }
        return self._tokens(form, Cause.CODE_REFUSED)

    def refresh(self) -> TokenSet:
        """A new access token; the refresh token stays the same and its life shrinks.

        Safe to repeat. Self-serve apps have no refresh token: AuthRevoked.
        """
        if not self.access.refresh_token:
            raise AuthRevoked("no refresh token", cause=Cause.TOKEN_EXPIRED)
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.access.refresh_token,
        }
        return self._tokens(form, Cause.REFRESH_REFUSED)

    def revoke(self) -> None:
        try:
            self._oauth("revoke", {"token": self.access.token}, Cause.TOKEN_REVOKED)
        except AuthRevoked:
            return  # it was dead already

    def introspect(self) -> dict[str, Any]:
        """What LinkedIn knows of the token: active, status, scope, expires_at (epoch).

        Costs no member quota. {"active": False} for a token that is not this app's.
        """
        form = {"token": self.access.token}
        answer = self._oauth("introspectToken", form, Cause.TOKEN_INVALID)
        data = answer.data()
        if "active" not in data:
            raise _unreadable(answer, mutates=False)
        return data

    def _tokens(self, form: dict[str, str], refused: Cause) -> TokenSet:
        now = datetime.now(UTC)
        answer = self._oauth("accessToken", form, refused)
        data = answer.data()
        if not data.get("access_token"):
            raise _unreadable(answer, mutates=False)
        lives_s = life_s(data.get("expires_in"), self.spec.token_life_s)
        refresh_s = life_s(data.get("refresh_token_expires_in"))
        return TokenSet(
            access_token=str(data["access_token"]),
            refresh_token=str(data.get("refresh_token") or ""),
            issued_at=now,
            expires_at=now + timedelta(seconds=lives_s),
            refresh_expires_at=now + timedelta(seconds=refresh_s)
            if refresh_s
            else None,
            scopes=split_scopes(data.get("scope")),
        )

    def _oauth(self, name: str, form: dict[str, str], refused: Cause) -> Answer:
        key = self.spec.call(f"POST /oauth/v2/{name}").key
        answer = self.http.request(
            "POST",
            f"{self.host('www')}/oauth/v2/{name}",
            call=key,
            mutates=False,
            data={
                **form,
                "client_id": self.environment.client_id,
                "client_secret": self.environment.client_secret,
            },
        )
        if answer.ok:
            return answer
        raise self._oauth_error(answer, refused)

    def _oauth_error(self, answer: Answer, refused: Cause) -> PlatformError:
        data = answer.data()
        if answer.status in (426, 429) or answer.status >= 500 or not data:
            return self.error_from(answer, mutates=False)
        code = str(data.get("error") or "")
        # Judged before redaction, which takes words after "token:" for a secret.
        lower = str(data.get("error_description") or "").lower()
        text = redact(str(data.get("error_description") or ""))
        facts = _facts(answer, code)
        if (
            code in ("invalid_grant", "invalid_redirect_uri")
            or "refresh token is invalid, expired or revoked" in lower
            or "authorization code not found" in lower
        ):
            return AuthRevoked(text, cause=refused, **facts)
        return PermissionMissing(
            text or answer.text(), cause=Cause.APP_REFUSED, reach=Reach.APP, **facts
        )

    def identities(self) -> Sequence[Identity]:
        """The member, then the Pages that the member may post for."""
        member = self.member()
        if "rw_organization_admin" not in self.access.scopes:
            return [member]
        return [member, *self.pages()]

    def member(self) -> Identity:
        """Who the token belongs to. The id differs from app to app for one person."""
        if "openid" in self.access.scopes:
            answer = self._get("GET /v2/userinfo", "/v2/userinfo")
            data = answer.data()
            number, name = data.get("sub"), data.get("name")
            vanity = ""
        else:
            answer = self._get("GET /v2/me", "/v2/me")
            data = answer.data()
            number, vanity = data.get("id"), str(data.get("vanityName") or "")
            names = (data.get("localizedFirstName"), data.get("localizedLastName"))
            name = " ".join(str(part) for part in names if part)
        if not number:
            raise _unreadable(answer, mutates=False)
        return Identity(
            external_id=f"urn:li:person:{number}",
            kind="member",
            name=str(name or "LinkedIn member"),
            handle=vanity,
            url=f"{self.host('www')}/in/{quote(vanity)}/" if vanity else "",
            avatar_url=str(data.get("picture") or ""),
        )

    def pages(self) -> list[Identity]:
        """Pages for which the member holds a role that may post."""
        roles: dict[str, str] = {}
        for row in self._acls():
            # The field was renamed; both names are still seen.
            urn = str(row.get("organization") or row.get("organizationTarget") or "")
            role = str(row.get("role") or "")
            if urn and role in POSTING_ROLES and row.get("state") == "APPROVED":
                roles.setdefault(urn, role)
        cards: dict[str, Any] = {}
        numbers = [urn.rsplit(":", 1)[-1] for urn in roles]
        for at in range(0, len(numbers), LOOKUP_SIZE):
            cards |= self._lookup(numbers[at : at + LOOKUP_SIZE])
        return [self._page(urn, role, cards) for urn, role in roles.items()]

    def _page(self, urn: str, role: str, cards: Mapping[str, Any]) -> Identity:
        number = urn.rsplit(":", 1)[-1]
        card = cards.get(number) or {}
        vanity = str(card.get("vanityName") or "")
        return Identity(
            external_id=urn,
            kind="organization",
            name=str(card.get("localizedName") or number),
            handle=vanity,
            url=f"{self.host('www')}/company/{quote(vanity or number)}/",
            extra={"role": role},
        )

    def _acls(self) -> Iterator[Mapping[str, Any]]:
        start = 0
        while True:
            answer = self._get(
                "GET /rest/organizationAcls",
                "/rest/organizationAcls?q=roleAssignee&state=APPROVED"
                f"&start={start}&count={PAGE_SIZE}",
            )
            rows = answer.data().get("elements")
            if not isinstance(rows, list):
                raise _unreadable(answer, mutates=False)
            yield from rows
            if len(rows) < PAGE_SIZE:
                return
            start += PAGE_SIZE

    def _lookup(self, numbers: Sequence[str]) -> dict[str, Any]:
        answer = self._get(
            "GET /rest/organizationsLookup",
            f"/rest/organizationsLookup?ids=List({','.join(numbers)})",
        )
        return dict(answer.data().get("results") or {})

    # --- health

    def prove(self) -> Proof:
        """Introspection tells life and scopes; the identity call that it is served.

        For a Page the authorization call tells the role, and that the API version in
        use is alive; for a member nothing read-only tells the latter.
        """
        token = self.introspect()
        granted = split_scopes(token.get("scope")) or self.access.scopes
        self._judge(token)
        kind = self.access.kind if self.access.kind in self.spec.account_kinds else ""
        kind = kind or "member"
        abilities = {
            ability: self._verdict(kind, ability, granted) for ability in Ability
        }
        identity = self._served(granted, posts=abilities[Ability.PUBLISH].ok is True)
        if kind == "organization" and abilities[Ability.PUBLISH].ok and identity:
            abilities[Ability.PUBLISH] = self._role(identity.external_id, granted)
        return Proof(
            abilities=abilities,
            # The member is not the account when the account is a Page.
            identity=identity if kind == "member" else None,
            scopes=granted or None,
            expires_at=_epoch_s(token.get("expires_at")),
        )

    def _served(self, granted: tuple[str, ...], *, posts: bool) -> Identity | None:
        """Who the token is, as the API itself serves it.

        None: the right to read the profile is gone, which no post needs.
        """
        try:
            return self._as_granted(granted).member()
        except AuthExpired as error:
            if error.cause is not Cause.TOKEN_INVALID:
                raise
            # LinkedIn has just said that it lives: an odd 401 proves nothing.
            raise TransientError(error.detail, status=error.status) from error
        except PermissionMissing as error:
            if error.cause is not Cause.SCOPE_MISSING or not posts:
                raise
            return None

    def calls_of_proof(self) -> Mapping[str, int]:
        me = "GET /v2/userinfo" if "openid" in self.access.scopes else "GET /v2/me"
        calls = {"POST /oauth/v2/introspectToken": 1, me: 1}
        if self.access.kind == "organization":
            calls["GET /rest/organizationAuthorizations"] = 1
        return calls

    def _judge(self, token: Mapping[str, Any]) -> None:
        """Raise when introspection says that the token is dead."""
        if token.get("active"):
            return
        status = str(token.get("status") or "")
        if status == "expired":
            raise AuthExpired("introspection: expired")
        if self._is_fresh():
            raise TransientError("introspection: not active yet", retry_after=5)
        if status == "revoked":
            raise AuthRevoked("introspection: revoked", cause=Cause.TOKEN_REVOKED)
        raise AuthRevoked("introspection: not active", cause=Cause.TOKEN_INVALID)

    def _as_granted(self, granted: tuple[str, ...]) -> LinkedInClient:
        """This client with the scopes that introspection told."""
        if set(granted) == set(self.access.scopes):
            return self
        access = replace(self.access, scopes=granted)
        return LinkedInClient(self.environment, access, self.http)

    def _verdict(self, kind: str, ability: Ability, granted: Sequence[str]) -> Verdict:
        scope = NEEDED[kind, ability]
        if scope in granted:
            return Verdict(True)
        if scope == "r_member_social":
            return Verdict(None, detail="LinkedIn lets no app read members' posts")
        if not granted:
            return Verdict(None, detail="the granted scopes are not known")
        return Verdict(False, Cause.SCOPE_MISSING, scope)

    def _role(self, person: str, granted: Sequence[str]) -> Verdict:
        if "rw_organization_admin" not in granted:
            return Verdict(True, detail="the Page role could not be checked")
        try:
            allowed = self.may_post(person, self.access.external_id)
        except PermissionMissing as error:
            if error.cause is not Cause.ROLE_LOST:
                raise
            return Verdict(False, Cause.ROLE_LOST, error.detail)
        if allowed is None:
            return Verdict(None, detail="LinkedIn did not tell the Page role")
        if not allowed:
            return Verdict(False, Cause.ROLE_LOST, "posting for the Page is denied")
        return Verdict(True)

    def may_post(self, person: str, organization: str) -> bool | None:
        """Whether the member may post for the Page; None when LinkedIn does not say."""
        answer = self._get(
            "GET /rest/organizationAuthorizations",
            f"/rest/organizationAuthorizations/(impersonator:{encode(person)},"
            f"organization:{encode(organization)},"
            "action:(organizationContentAuthorizationAction:"
            "(actionType:ORGANIC_SHARE_CREATE)))",
        )
        for row in _authorizations(answer.data()):
            if row.get("organization") not in (None, organization):
                continue
            status = row["status"]
            words = list(status) if isinstance(status, dict) else [str(status)]
            # "approved" as well as "com.linkedin.organization.Approved"
            verdicts = {str(word).rsplit(".", 1)[-1].lower() for word in words}
            if verdicts & {"approved", "denied"}:
                return "approved" in verdicts
        return None

    # --- events

    def ask_for_events(
        self,
        account_id: str,
        callback: str,
        secret: str,
        *,
        app_number: str = "",
        app_token: str = "",
    ) -> datetime | None:
        """Of a Page, as its administrator. Up to four calls.

        PermissionMissing: no administrator, or an app without this use.
        """
        key = (
            f"(developerApplication:{encode(f'urn:li:developerApplication:{app_number}')}"
            f",user:{encode(self.member().external_id)},entity:{encode(account_id)}"
            f",eventType:{hook.EVENT_TYPE})"
        )
        path, now = f"/rest/eventSubscriptions/{key}", datetime.now(UTC)
        ends_at = self._events_until(path, callback)
        if ends_at is None or ends_at < now + EVENTS_MARGIN:
            self.send(
                "PUT /rest/eventSubscriptions/:key",
                self.host("api") + path,
                headers=self._headers("UPDATE"),
                json={"webhook": callback},
            )
            ends_at = self._events_until(path, callback)
        # It may end without a word, so nothing is relied on for longer than the next look.
        return ends_at or now + EVENTS_MARGIN

    def _events_until(self, path: str, callback: str) -> datetime | None:
        """None: nothing comes to this address."""
        key = "GET /rest/eventSubscriptions/:key"
        try:
            told = self._get(key, path, method="GET").data()
        except NotFound:
            return None
        if told.get("webhook", callback) != callback:
            return None
        return _epoch_ms(told.get("expiresAt"))

    # --- media

    def init_upload(self, kind: str, owner: str) -> Upload:
        """Open an upload of an image or document (kind). The owner has to be the author
        of the later post."""
        key = "POST /rest/images" if kind == "image" else "POST /rest/documents"
        value = self._initialize(key, kind, {"owner": owner})
        ends_at = _epoch_ms(value.get("uploadUrlExpiresAt"))
        return Upload(str(value[kind]), str(value["uploadUrl"]), ends_at)

    def init_video(
        self, owner: str, size: int, *, thumbnail: bool = False, captions: bool = False
    ) -> VideoUpload:
        """thumbnail, captions: what will be sent beside it, and has to be then."""
        asked = {
            "owner": owner,
            "fileSizeBytes": size,
            "uploadCaptions": captions,
            "uploadThumbnail": thumbnail,
        }
        value = self._initialize("POST /rest/videos", "video", asked)
        parts = [
            (str(part["uploadUrl"]), int(part["firstByte"]), int(part["lastByte"]))
            for part in value["uploadInstructions"]
        ]
        ends_at = _epoch_ms(value.get("uploadUrlsExpireAt"))
        return VideoUpload(
            str(value["video"]),
            str(value.get("uploadToken") or ""),
            tuple(parts),
            ends_at,
            str(value.get("thumbnailUploadUrl") or ""),
            str(value.get("captionsUploadUrl") or ""),
        )

    def _initialize(
        self, key: str, kind: str, asked: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        path = key.partition(" ")[2]
        answer = self.send(
            key,
            f"{self.host('api')}{path}?action=initializeUpload",
            headers=self._headers(),
            json={"initializeUploadRequest": dict(asked)},
        )
        value = answer.data().get("value")
        wanted = "uploadInstructions" if kind == "video" else "uploadUrl"
        if not isinstance(value, dict) or not value.get(kind) or not value.get(wanted):
            raise _unreadable(answer, mutates=False)
        return value

    def put_file(self, url: str, file: MediaFile) -> None:
        """Send all bytes. TransientError with MEDIA_EXPIRED: open a new upload."""
        with file.open() as stream:
            body = WholeBody(stream, file.size_bytes)
            self._put(url, body, self._bearer())

    def put_part(self, url: str, file: MediaFile, first: int, last: int) -> str:
        """Send the bytes from first to last; the ETag that stands for them.

        The address is signed and must not see the token. Sent again, a part gets a new
        ETag, which counts.
        """
        with file.open() as stream:
            stream.seek(first)
            answer = self._put(url, WholeBody(stream, last - first + 1), {})
        etag = answer.headers.get("etag", "").strip('"')
        if not etag:
            raise _unreadable(answer, mutates=False)
        return etag

    def put_thumbnail(self, url: str, file: MediaFile) -> None:
        """The image that stands for a video, to the address that was given with it."""
        with file.open() as stream:
            body = WholeBody(stream, file.size_bytes)
            headers = {**self._bearer(), "media-type-family": "STILLIMAGE"}
            self._put(url, body, headers)

    def put_captions(self, url: str, data: bytes, language: str) -> None:
        """SRT for a video. The names of the form's fields are those that clients of
        LinkedIn send: its documentation leaves them open."""
        self._guard_upload(url)
        spoken, _dash, country = language.partition("-")
        locale = {"language": spoken.upper()}
        if country := country or COUNTRIES.get(spoken, ""):
            locale["country"] = country
        about = {
            "format": "SRT",
            "formattedForEasyReader": True,
            "largeText": True,
            "source": "USER_PROVIDED",
            "locale": locale,
            "transcriptType": "CLOSED_CAPTION",
        }
        self.send(
            "POST {captionsUploadUrl}",
            url,
            headers=self._bearer(),
            data={"metadata": json.dumps(about)},
            upload=FilePart("file", BytesIO(data), len(data), "captions.srt", SRT),
        )

    def _put(self, url: str, body: WholeBody, headers: Mapping[str, str]) -> Answer:
        self._guard_upload(url)
        try:
            return self.send("PUT {uploadUrl}", url, headers=headers, upload=body)
        except TransientError as error:
            if error.status != 403:
                raise
            # The edge answers a signature that ran out without LinkedIn's JSON.
            raise TransientError(
                error.detail, cause=Cause.MEDIA_EXPIRED, status=403
            ) from error

    def finish_video(self, urn: str, token: str, etags: Sequence[str]) -> None:
        """Tell LinkedIn which parts make the video, in order."""
        request = {"video": urn, "uploadToken": token, "uploadedPartIds": list(etags)}
        self.send(
            "POST /rest/videos",
            self.host("api") + "/rest/videos?action=finalizeUpload",
            headers=self._headers(),
            json={"finalizeUploadRequest": request},
        )

    def state(self, kind: str, urn: str) -> tuple[str, str]:
        """(status, why it failed) of a video or document (kind): WAITING_UPLOAD,
        PROCESSING, AVAILABLE, PROCESSING_FAILED. PermissionMissing for most members."""
        is_video = kind == "video"
        key = "GET /rest/videos/:urn" if is_video else "GET /rest/documents/:urn"
        data = self._get(key, f"/rest/{kind}s/{encode(urn)}").data()
        reason = str(data.get("processingFailureReason") or "")
        return str(data.get("status") or ""), reason

    def _guard_upload(self, url: str) -> None:
        """The token may go with the bytes, so the address has to be LinkedIn's own."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        ours = {urlsplit(base).netloc for base in self.environment.hosts.values()}
        if host == "linkedin.com" or host.endswith(".linkedin.com"):
            if parts.scheme == "https":
                return
        elif parts.netloc in ours:
            return
        raise NotFound(
            f"upload address at a foreign host: {host}", cause=Cause.ADDRESS_REFUSED
        )

    # --- posts

    def create(self, body: Mapping[str, Any]) -> str:
        """Create a post; return its URN (share or ugcPost: not to be predicted).

        LinkedIn has no idempotency key. AmbiguousOutcome on 500, 504 and lost answers.
        """
        answer = self.send(
            "POST /rest/posts",
            self.host("api") + "/rest/posts",
            headers=self._headers(),
            json=dict(body),
        )
        urn = answer.headers.get("x-restli-id") or answer.headers.get("x-linkedin-id")
        if not urn:
            raise _unreadable(answer, mutates=True)
        return urn

    def post(self, urn: str) -> dict[str, Any]:
        """One post of a Page, as LinkedIn stores it. NotFound when it is gone."""
        return self._get(
            "GET /rest/posts/:urn", f"/rest/posts/{encode(urn)}?viewContext=AUTHOR"
        ).data()

    def posts_by(self, author: str, start: int, count: int) -> list[dict[str, Any]]:
        """A Page's posts, newest first. A new one may be missing for about a minute."""
        answer = self._get(
            "GET /rest/posts",
            f"/rest/posts?author={encode(author)}&q=author&start={start}"
            f"&count={count}&sortBy=CREATED",
            method="FINDER",
        )
        rows = answer.data().get("elements")
        if not isinstance(rows, list):
            raise _unreadable(answer, mutates=False)
        return rows

    def delete_post(self, external_id: str) -> None:
        """Delete a post; one that is gone already counts as deleted."""
        try:
            self.send(
                "DELETE /rest/posts/:urn",
                f"{self.host('api')}/rest/posts/{encode(external_id)}",
                headers=self._headers("DELETE"),
            )
        except NotFound:
            return

    # --- figures and comments

    def calls_of(self, what: After) -> Mapping[str, int]:
        is_page = self.access.kind == "organization"
        if is_page:
            figures = {
                "GET /rest/organizationalEntityShareStatistics": 1,
                "GET /rest/posts/:urn": 1,
            }
        else:
            figures = {"GET /rest/memberCreatorPostAnalytics": len(MEMBER_METRICS)}
        return {
            After.FIGURES: figures,
            After.COMMENTS: {"GET /rest/socialActions/:urn/comments": 1},
            After.ANSWER: {"POST /rest/socialActions/:urn/comments": 1},
            After.DELETE: {"DELETE /rest/posts/:urn": 1},
            After.REMOVE: {"DELETE /rest/socialActions/:urn/comments/:id": 1},
            After.RECENT: {"GET /rest/posts": RECENT_PAGES} if is_page else {},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Of a Page, fifty a page."""
        if self.access.kind != "organization":
            raise NotImplementedError("LinkedIn shows no app the posts of members")

        def page(start: int | None) -> tuple[list[dict[str, Any]], int]:
            first = start or 0
            rows = self.posts_by(self.access.external_id, first, RECENT_PAGE)
            return rows, first + RECENT_PAGE if len(rows) == RECENT_PAGE else 0

        def post_of(row: Mapping[str, Any]) -> RemotePost | None:
            urn = str(row.get("id") or "")
            if not urn or row.get("lifecycleState") not in (None, "PUBLISHED"):
                return None
            return RemotePost(
                external_id=urn,
                permalink=self.permalink(urn),
                text=unescape(str(row.get("commentary") or "")),
                published_at=_epoch_ms(row.get("publishedAt") or row.get("createdAt")),
            )

        return read_recent(since, RECENT_PAGES, page, post_of)

    def figures(self, external_id: str) -> Figures:
        """Of a Page one call, of a member one for each metric."""
        now = datetime.now(UTC)
        if self.access.kind == "organization":
            return Figures(self._page_figures(external_id), now)
        kind = "ugc" if ":ugcPost:" in external_id else "share"
        values = {}
        for metric, figure in MEMBER_METRICS.items():
            answer = self._get(
                "GET /rest/memberCreatorPostAnalytics",
                "/rest/memberCreatorPostAnalytics?q=entity"
                f"&entity=({kind}:{encode(external_id)})&queryType={metric}"
                "&aggregation=TOTAL",
            )
            row = next(iter(_elements(answer)), {})
            # LinkedIn's clients disagree about the name.
            count = row.get("count", row.get("value"))
            if isinstance(count, int):
                values[figure] = count
        return Figures(values, now)

    def _page_figures(self, urn: str) -> dict[Figure, int]:
        kind = "ugcPosts" if ":ugcPost:" in urn else "shares"
        answer = self._get(
            "GET /rest/organizationalEntityShareStatistics",
            "/rest/organizationalEntityShareStatistics?q=organizationalEntity"
            f"&organizationalEntity={encode(self.access.external_id)}"
            f"&{kind}=List({encode(urn)})",
        )
        name = kind.removesuffix("s")
        for row in _elements(answer):
            told = row.get("totalShareStatistics")
            if row.get(name) == urn and isinstance(told, dict):
                return {
                    figure: told[metric]
                    for metric, figure in PAGE_METRICS.items()
                    if isinstance(told.get(metric), int)
                }
        # Left out is a post that nobody has looked at, or one that is gone.
        with suppress(PermissionMissing):
            self.post(urn)
        return dict.fromkeys(PAGE_METRICS.values(), 0)

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """Comments below a post, or the answers below a comment by its URN.

        Names are not told to apps: `author` is ours or "".
        """
        start = int(after) if after.isdecimal() else 0
        answer = self._get(
            "GET /rest/socialActions/:urn/comments",
            f"/rest/socialActions/{encode(external_id)}/comments"
            f"?start={start}&count={COMMENTS_PAGE}",
        )
        rows = _elements(answer)
        found = tuple(c for row in rows if (c := self._comment(row)) is not None)
        more = str(start + len(rows)) if len(rows) == COMMENTS_PAGE else ""
        return CommentPage(found, more)

    def _comment(self, row: Mapping[str, Any]) -> Comment | None:
        urn = _comment_urn(row)
        message, created = row.get("message"), row.get("created")
        if not urn or not isinstance(message, dict):
            return None
        is_ours = row.get("actor") == self.access.external_id
        return Comment(
            external_id=urn,
            text=str(message.get("text") or ""),
            author=self.access.handle if is_ours else "",
            published_at=_epoch_ms(created.get("time"))
            if isinstance(created, dict)
            else None,
            parent_id=str(row.get("parentComment") or ""),
        )

    def comment(self, external_id: str, text: str) -> str:
        """Below a post by its URN. Plain text: an escape would be shown."""
        answer = self.send(
            "POST /rest/socialActions/:urn/comments",
            f"{self.host('api')}/rest/socialActions/{encode(external_id)}/comments",
            headers=self._headers(),
            json={
                "actor": self.access.external_id,
                "object": external_id,
                "message": {"text": text},
            },
        )
        number = answer.headers.get("x-restli-id") or answer.data().get("id")
        urn = _comment_urn({"object": external_id, "id": number, **answer.data()})
        if not urn:
            raise _unreadable(answer, mutates=True)
        return urn

    def reply(self, comment_id: str, text: str) -> str:
        """Answer below a comment; its URN. Plain text: an escape would be shown."""
        inside = COMMENT_URN.fullmatch(comment_id)
        if inside is None:
            raise NotFound("not the URN of a comment")
        answer = self.send(
            "POST /rest/socialActions/:urn/comments",
            f"{self.host('api')}/rest/socialActions/{encode(comment_id)}/comments",
            headers=self._headers(),
            json={
                "actor": self.access.external_id,
                # The activity that the comment hangs on, another number than the post's.
                "object": inside[1],
                "message": {"text": text},
                "parentComment": comment_id,
            },
        )
        number = answer.headers.get("x-restli-id") or answer.data().get("id")
        urn = _comment_urn({"object": inside[1], "id": number, **answer.data()})
        if not urn:
            raise _unreadable(answer, mutates=True)
        return urn

    def delete_comment(self, comment_id: str) -> None:
        """Below a post of this account; the answers to it go with it."""
        inside = COMMENT_URN.fullmatch(comment_id)
        if inside is None:
            raise NotFound("not the URN of a comment")
        post, number = encode(inside[1]), inside[2]
        try:
            self.send(
                "DELETE /rest/socialActions/:urn/comments/:id",
                f"{self.host('api')}/rest/socialActions/{post}/comments/{number}"
                f"?actor={encode(self.access.external_id)}",
                headers=self._headers("DELETE"),
            )
        except NotFound:
            return

    def permalink(self, urn: str) -> str:
        return f"{self.host('www')}/feed/update/{urn}/"

    def _get(self, key: str, path: str, method: str = "") -> Answer:
        headers = self._headers(method) if path.startswith("/rest/") else self._bearer()
        return self.send(key, self.host("api") + path, headers=headers)

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.token}"}

    def _headers(self, method: str = "") -> dict[str, str]:
        headers = {
            **self._bearer(),
            "Linkedin-Version": self.environment.api_version or self.spec.api_version,
            "X-Restli-Protocol-Version": "2.0.0",
        }
        if method:
            headers["X-RestLi-Method"] = method
        return headers

    def _is_fresh(self) -> bool:
        issued_at = self.access.issued_at
        if issued_at is None:
            return False
        return datetime.now(UTC) - issued_at < timedelta(seconds=TOKEN_SETTLES_S)

    # --- LinkedIn's table of errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        status, data = answer.status, answer.data()
        codes = _codes(data)
        said = "; ".join(_texts(data))
        lower = said.lower()
        text = redact(said) or answer.text()
        facts = _facts(answer, codes[-1] if codes else "")
        if status == 426 or "VERSION_MISSING" in codes:
            return PlatformDown(
                text, cause=Cause.VERSION_ENDED, reach=Reach.APP, **facts
            )
        if status == 429:
            return self._rate_limited(answer, text, facts)
        if "unable to obtain activity" in lower:
            # Under any status: the post is not indexed yet, and nothing was written.
            return TransientError(text, **facts)
        if status >= 500:
            return self._trouble(answer, mutates, codes, text, facts)
        if status == 401 and data:
            return self._refused_token(data, codes, text, facts)
        if status == 401:  # not in LinkedIn's words: something in between refused it
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 403:
            return self._forbidden(answer, said, text, facts)
        if status == 404:
            return NotFound(text, **facts)
        if status == 409 or status < 400:
            return TransientError(text, **facts)
        if status == 413:
            return InvalidContent(text, cause=Cause.MEDIA_TOO_LARGE, **facts)
        if status == 422 and "DUPLICATE_POST" in codes:
            match = POST_URN.search(said)
            extra = (
                {"external_id": match[0], "permalink": self.permalink(match[0])}
                if match
                else {}
            )
            return DuplicateContent(text, extra=extra, **facts)
        if status in (400, 422) and "media is still processing" in lower:
            return TransientError(
                text, cause=Cause.MEDIA_NOT_READY, retry_after=10, **facts
            )
        for code in codes:
            if code in BAD_REQUESTS:
                error, cause = BAD_REQUESTS[code]
                wait = 5 if cause is Cause.MEDIA_NOT_READY else None
                return error(text, cause=cause, retry_after=wait, **facts)
        return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)

    def _trouble(
        self,
        answer: Answer,
        mutates: bool,
        codes: Sequence[str],
        text: str,
        facts: dict[str, Any],
    ) -> PlatformError:
        if "UNDER_MAINTENANCE" in codes:
            return PlatformDown(text, retry_after=answer.retry_after, **facts)
        # Only LinkedIn's own 503 says that nothing ran; a proxy's does not.
        refused = answer.status == 503 and "SERVICE_UNAVAILABLE" in codes
        if mutates and not refused:
            return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
        return TransientError(
            text, reach=Reach.PLATFORM, retry_after=answer.retry_after, **facts
        )

    def _refused_token(
        self,
        data: Mapping[str, Any],
        codes: Sequence[str],
        text: str,
        facts: dict[str, Any],
    ) -> PlatformError:
        number = data.get("serviceErrorCode")
        if number == 65602 or "EXPIRED_ACCESS_TOKEN" in codes:
            return AuthExpired(text, **facts)
        if number == 65601 or "REVOKED_ACCESS_TOKEN" in codes:
            if self._is_fresh():
                return TransientError(text, retry_after=5, **facts)
            return AuthRevoked(text, cause=Cause.TOKEN_REVOKED, **facts)
        if number in (65600, 65604) or "INVALID_ACCESS_TOKEN" in codes:
            return AuthRevoked(text, cause=Cause.TOKEN_INVALID, **facts)
        # Not in LinkedIn's words: no proof that the grant is gone.
        return AuthExpired(text, cause=Cause.TOKEN_INVALID, **facts)

    def _forbidden(
        self, answer: Answer, said: str, text: str, facts: dict[str, Any]
    ) -> PlatformError:
        if not answer.data():
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        lower = said.lower()
        if AUTHOR_FIELD.search(said):
            is_page = self.access.kind == "organization"
            cause = Cause.ROLE_LOST if is_page else Cause.NOT_ALLOWED
            return PermissionMissing(text, cause=cause, **facts)
        if "unpermitted fields present in parameter" in lower:
            return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)
        if "resource is forbidden" in lower:
            # Of one image, not of the account; the step knows how new the upload is.
            return PermissionMissing(
                text, cause=Cause.MEDIA_REFUSED, reach=Reach.POST, **facts
            )
        if "application" in lower and "suspended" in lower:
            return PermissionMissing(
                text, cause=Cause.APP_SUSPENDED, reach=Reach.APP, **facts
            )
        if "not enough permissions" in lower:
            return PermissionMissing(text, cause=Cause.SCOPE_MISSING, **facts)
        return PermissionMissing(text, cause=Cause.NOT_ALLOWED, **facts)

    def _rate_limited(
        self, answer: Answer, text: str, facts: dict[str, Any]
    ) -> RateLimited:
        upper = text.upper()
        if "APPLICATION DAY" in upper or "MEMBER DAY" in upper:
            reach = Reach.APP if "APPLICATION DAY" in upper else Reach.TOKEN
            return RateLimited(
                text,
                cause=Cause.DAILY_LIMIT,
                reach=reach,
                # LinkedIn documents no Retry-After, but says to obey it where it comes.
                reset_at=self._next_day() if answer.retry_after is None else None,
                retry_after=answer.retry_after,
                **facts,
            )
        # A minute is what LinkedIn's short throttles last; it sends no time itself.
        wait = answer.retry_after if answer.retry_after is not None else 60
        return RateLimited(text, retry_after=wait, **facts)

    def _next_day(self) -> datetime:
        """All windows of all apps open at midnight UTC: each account comes at a moment
        of its own in the minutes after it."""
        day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        own_s = crc32(self.access.external_id.encode()) % DAY_BEGINS_WITHIN_S
        return day + timedelta(days=1, seconds=own_s)


def encode(urn: str) -> str:
    """A URN as it stands in a path or a query value."""
    return quote(urn, safe="")


def split_scopes(value: Any) -> tuple[str, ...]:
    """LinkedIn separates scopes by commas in one answer and by spaces in another."""
    return tuple(part for part in re.split(r"[\s,]+", str(value or "")) if part)


def _elements(answer: Answer) -> list[dict[str, Any]]:
    rows = answer.data().get("elements")
    if not isinstance(rows, list):
        raise _unreadable(answer, mutates=False)
    return [row for row in rows if isinstance(row, dict)]


def _comment_urn(row: Mapping[str, Any]) -> str:
    """By which a comment is answered; "" for what has neither URN nor number."""
    if urn := row.get("commentUrn"):
        return str(urn)
    number, above = str(row.get("id") or ""), row.get("object")
    if number.startswith("urn:li:comment:"):
        return number
    return f"urn:li:comment:({above},{number})" if number and above else ""


def _authorizations(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Rows with a verdict: one by itself, or lists within lists."""
    if "status" in data and "elements" not in data:
        yield data
    for inner in data.get("elements") or []:
        if isinstance(inner, dict):
            yield from _authorizations(inner)


def _codes(data: Mapping[str, Any]) -> list[str]:
    """LinkedIn's words for what is wrong, the outer one first."""
    codes = [data.get("code")]
    codes += [inner.get("code") for inner in _input_errors(data)]
    return [str(code) for code in codes if code]


def _texts(data: Mapping[str, Any]) -> list[str]:
    texts = [data.get("message")]
    texts += [inner.get("description") for inner in _input_errors(data)]
    return list(dict.fromkeys(str(text) for text in texts if text))


def _input_errors(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = data.get("errorDetails")
    inner = details.get("inputErrors") if isinstance(details, dict) else None
    return [row for row in inner or [] if isinstance(row, dict)]


def _facts(answer: Answer, code: str) -> dict[str, Any]:
    return {"status": answer.status, "code": code, "request_id": answer.request_id}


def _unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    return kind(
        "no usable data in it", cause=Cause.ANSWER_UNREADABLE, **_facts(answer, "")
    )


def _epoch_s(value: Any) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) else None


def _epoch_ms(value: Any) -> datetime | None:
    if not isinstance(value, int):
        return None
    return datetime.fromtimestamp(value / 1000, UTC)
