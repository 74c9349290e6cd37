"""YouTube Data API v3 and Google's OAuth: one method per call.

Source: https://developers.google.com/youtube/v3/docs and
https://developers.google.com/identity/protocols/oauth2/web-server (2026-11).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit

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
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
)
from ..http import Answer, redact
from ..limits import period
from ..transport import WholeBody
from . import hook
from .spec import FRESH_TOKEN_S, NEEDED, REGION, SPEC

PAGE = 50
COMMENT_PAGE = 100
#: Pages of playlists that are offered.
PLAYLIST_PAGES = 4
DAY_S = 24 * 3600.0
#: After a refusal that names no time: a minute is what its short windows last.
SHORT_WAIT_S = 60.0
RANGE = re.compile(r"bytes=0-(\d{1,15})")

_ACCOUNT, _POST, _APP = Reach.TOKEN, Reach.POST, Reach.APP
#: reason of a 403 -> cause and reach of PermissionMissing
REFUSALS: dict[str, tuple[Cause, Reach]] = {
    "insufficientPermissions": (Cause.SCOPE_MISSING, _ACCOUNT),
    "forbidden": (Cause.NOT_ALLOWED, _POST),
    "accountDelegationForbidden": (Cause.ROLE_LOST, _ACCOUNT),
    "authenticatedUserNotChannel": (Cause.ROLE_LOST, _ACCOUNT),
    "youtubeSignupRequired": (Cause.ROLE_LOST, _ACCOUNT),
    "authenticatedUserAccountSuspended": (Cause.ACCOUNT_SUSPENDED, _ACCOUNT),
    "channelSuspended": (Cause.ACCOUNT_SUSPENDED, _ACCOUNT),
    "authenticatedUserAccountClosed": (Cause.ACCOUNT_GONE, _ACCOUNT),
    "channelClosed": (Cause.ACCOUNT_GONE, _ACCOUNT),
    "accessNotConfigured": (Cause.APP_REFUSED, _APP),
    "authorizationRequired": (Cause.APP_REFUSED, _APP),
    "commentsDisabled": (Cause.NOT_ALLOWED, _POST),
    "ineligibleAccount": (Cause.NOT_ALLOWED, _POST),
}
#: reason of a 400 or 403 -> cause of InvalidContent
INVALID: dict[str, Cause] = {
    "invalidTitle": Cause.TEXT_REFUSED,
    "invalidDescription": Cause.TEXT_REFUSED,
    "invalidTags": Cause.TOO_MANY_TAGS,
    "invalidCategoryId": Cause.OPTION_UNKNOWN,
    "invalidRecordingDetails": Cause.OPTION_UNKNOWN,
    "invalidVideoMetadata": Cause.TEXT_REFUSED,
    "mediaBodyRequired": Cause.MEDIA_REFUSED,
    "contentRequired": Cause.MEDIA_REFUSED,
    "invalidMetadata": Cause.MEDIA_REFUSED,
    "nameTooLong": Cause.MEDIA_REFUSED,
    "forbiddenPrivacySetting": Cause.OPTION_UNKNOWN,
    "forbiddenLicenseSetting": Cause.OPTION_UNKNOWN,
    "invalidImage": Cause.MEDIA_REFUSED,
    "imageFormatUnsupported": Cause.MEDIA_TYPE,
    "imageTooTall": Cause.MEDIA_SHAPE,
    "imageTooWide": Cause.MEDIA_SHAPE,
    "commentTextRequired": Cause.TEXT_EMPTY,
    "commentTextTooLong": Cause.TEXT_TOO_LONG,
}
#: The account is well, its token's time is over.
EXPIRED = frozenset({"authError", "expired", "required"})
#: Units of the whole project, until the day ends.
USED_UP = frozenset({"quotaExceeded", "dailyLimitExceeded"})
#: Per minute, or per day when the words say so.
TOO_FAST = {"rateLimitExceeded": _APP, "userRateLimitExceeded": _ACCOUNT}
#: Of one channel, over 24 hours.
CHANNEL_FULL = frozenset({"uploadLimitExceeded", "uploadRateLimitExceeded"})
#: Pages of the account's newest posts that are read at a time.
RECENT_PAGES = 3


@dataclass(frozen=True)
class Progress:
    """What a session says. video: the finished one's resource, else None.

    stored: bytes that it holds. url: where it goes on, "" where it was.
    """

    stored: int = 0
    video: Mapping[str, Any] | None = None
    url: str = ""


class YouTubeClient(PlatformClient):
    spec = SPEC
    proves_by_fixed_paths = True

    # --- connecting

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        """Trade the code (once) for tokens. AuthRevoked: code refused."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
        }
        return self._tokens(form, Cause.CODE_REFUSED)

    def refresh(self) -> TokenSet:
        """A new access token; the permission to renew stays. Safe to repeat."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.access.refresh_token,
        }
        return self._tokens(form, Cause.REFRESH_REFUSED)

    def revoke(self) -> None:
        """End the whole grant: all channels that the person connected through it."""
        token = self.access.refresh_token or self.access.token
        key = "POST /revoke"
        try:
            self._oauth(key, "/revoke", {"token": token}, Cause.TOKEN_REVOKED)
        except AuthRevoked:
            return  # it was dead already

    def _tokens(self, form: dict[str, str], refused: Cause) -> TokenSet:
        now = datetime.now(UTC)
        whole = {
            **form,
            "client_id": self.environment.client_id,
            "client_secret": self.environment.client_secret,
        }
        answer = self._oauth("POST /token", "/token", whole, refused)
        data = answer.data()
        if not data.get("access_token"):
            raise _unreadable(answer, mutates=False)
        lives_s = life_s(data.get("expires_in"), self.spec.token_life_s)
        # Told where access is limited in time: by the person, or while our app is
        # in Testing (unverified).
        refresh_s = life_s(data.get("refresh_token_expires_in"))
        return TokenSet(
            access_token=str(data["access_token"]),
            refresh_token=str(data.get("refresh_token") or ""),
            issued_at=now,
            expires_at=now + timedelta(seconds=lives_s),
            refresh_expires_at=now + timedelta(seconds=refresh_s)
            if refresh_s
            else None,
            scopes=tuple(str(data.get("scope") or "").split()),
        )

    def _oauth(
        self, key: str, path: str, form: dict[str, str], refused: Cause
    ) -> Answer:
        answer = self.http.request(
            "POST",
            self.host("oauth") + path,
            call=self.spec.call(key).key,
            mutates=False,
            data=form,
        )
        if answer.ok:
            return answer
        raise self._oauth_error(answer, refused)

    def _oauth_error(self, answer: Answer, refused: Cause) -> PlatformError:
        data = answer.data()
        code = data.get("error")
        trouble = answer.status in (408, 429) or answer.status >= 500
        if trouble or not isinstance(code, str):
            return self.error_from(answer, mutates=False)
        said = str(data.get("error_description") or "")
        facts = _facts(answer, code)
        if code in ("invalid_grant", "invalid_token"):
            cause = refused
            if data.get("error_subtype") == "invalid_rapt":
                cause = Cause.SIGN_IN_WANTED
            elif "expired or revoked" in said.lower():
                cause = Cause.TOKEN_INVALID  # which of both it does not say
            return AuthRevoked(redact(said), cause=cause, **facts)
        if code == "admin_policy_enforced":
            return PermissionMissing(redact(said), cause=Cause.ADMIN_RESTRICTS, **facts)
        # Everything else is about our client id and secret; no account is at fault.
        return PermissionMissing(
            redact(said) or answer.text(),
            cause=Cause.APP_REFUSED,
            reach=Reach.APP,
            **facts,
        )

    def ask_for_events(
        self,
        account_id: str,
        callback: str,
        secret: str,
        *,
        app_number: str = "",
        app_token: str = "",
    ) -> datetime | None:
        """Ask the hub for what happens to a channel's videos. Safe to repeat.

        It answers 202 and asks the callback by itself, where its time is told.
        """
        self.send(
            "POST /subscribe",
            self.host("hub") + "/subscribe",
            data={
                "hub.mode": "subscribe",
                "hub.callback": callback,
                "hub.topic": hook.TOPIC + account_id,
                "hub.verify": "async",
                "hub.secret": secret,
                "hub.lease_seconds": str(hook.LONGEST_S),
            },
        )
        return None

    def identities(self) -> Sequence[Identity]:
        """The channel that was chosen at the sign-in; none for an account without one."""
        try:
            return self.channels()
        except PermissionMissing as error:
            if error.code == "youtubeSignupRequired":
                return []
            raise

    def channels(self) -> list[Identity]:
        answer = self._get(
            "GET channels.list",
            "/youtube/v3/channels",
            {"part": "id,snippet,contentDetails,statistics,status", "mine": "true"},
        )
        return [self._channel(row) for row in _items(answer) if row.get("id")]

    def _channel(self, row: Mapping[str, Any]) -> Identity:
        snippet = _dict(row, "snippet")
        number = str(row["id"])
        uploads = _dict(row, "contentDetails", "relatedPlaylists").get("uploads")
        handle = str(snippet.get("customUrl") or "").removeprefix("@")
        return Identity(
            external_id=number,
            kind="channel",
            name=str(snippet.get("title") or number),
            handle=handle,
            url=f"{self.host('www')}/channel/{quote(number)}",
            avatar_url=str(_dict(snippet, "thumbnails", "default").get("url") or ""),
            extra={
                "uploads": str(uploads or ""),
                "long_uploads": str(
                    _dict(row, "status").get("longUploadsStatus") or ""
                ),
            },
        )

    # --- health

    def prove(self) -> Proof:
        """Scopes (free of charge), and the channel (one unit) where it may be read."""
        token = self.token_info()
        granted = tuple(str(token.get("scope") or "").split())
        abilities = {
            ability: _verdict(granted, needed) for ability, needed in NEEDED.items()
        }
        identity = None
        if abilities[Ability.READ].ok:
            identity = self._still_mine()
            if identity is None:
                lost = Verdict(False, Cause.ROLE_LOST, "it is not this channel's token")
                abilities = dict.fromkeys(abilities, lost)
        return Proof(
            abilities=abilities,
            identity=identity,
            scopes=granted,
            expires_at=_epoch(token.get("exp")),
        )

    def _still_mine(self) -> Identity | None:
        """The channel as long as the person may act for it: else YouTube names another,
        or none, or forbids the question (which of these is not documented)."""
        try:
            mine = self.identities()
        except PermissionMissing as error:
            if error.code != "forbidden":
                raise
            return None
        wanted = self.access.external_id
        return next((one for one in mine if wanted in ("", one.external_id)), None)

    def calls_of_proof(self) -> Mapping[str, int]:
        return {"GET /tokeninfo": 1, "GET channels.list": 1}

    def token_info(self) -> dict[str, Any]:
        """What Google knows of the access token: scope, exp. AuthExpired: it is dead."""
        answer = self.http.request(
            "GET",
            self.host("oauth") + "/tokeninfo",
            call=self.spec.call("GET /tokeninfo").key,
            mutates=False,
            params={"access_token": self.access.token},
        )
        data = answer.data()
        if answer.ok and "scope" in data:
            return data
        if answer.ok:
            raise _unreadable(answer, mutates=False)
        if answer.status == 400 and data.get("error") == "invalid_token":
            said = redact(str(data.get("error_description") or ""))
            raise self._dead(said, _facts(answer, "invalid_token"))
        raise self.error_from(answer, mutates=False)

    def server_limits(self) -> dict[str, Any]:
        """The channel's playlists, and the categories that may be chosen."""
        return {"playlists": self.playlists(), "categories": self.categories()}

    def calls_of_limits(self) -> Mapping[str, int]:
        return {"GET playlists.list": PLAYLIST_PAGES, "GET videoCategories.list": 1}

    def playlists(self) -> dict[str, str]:
        """Playlist id -> title, of the first two hundred."""
        found: dict[str, str] = {}
        page = ""
        for _number_of_page in range(PLAYLIST_PAGES):
            params = {"part": "snippet", "mine": "true", "maxResults": str(PAGE)}
            rows, page = self._list("GET playlists.list", "playlists", params, page)
            for row in rows:
                title = str(_dict(row, "snippet").get("title") or row.get("id"))
                found[str(row.get("id"))] = title
            if not page:
                break
        return found

    def categories(self) -> dict[str, str]:
        params = {"part": "snippet", "regionCode": REGION}
        rows, _page = self._list(
            "GET videoCategories.list", "videoCategories", params, ""
        )
        return {
            str(row.get("id")): str(_dict(row, "snippet").get("title") or "")
            for row in rows
            if _dict(row, "snippet").get("assignable")
        }

    # --- uploads

    def begin_upload(
        self, body: Mapping[str, Any], file: MediaFile, file_name: str, *, notify: bool
    ) -> str:
        """Open a session; return its address. Nobody sees anything before its end."""
        answer = self.send(
            "POST videos.insert",
            f"{self.host('api')}/upload/youtube/v3/videos?uploadType=resumable"
            f"&part={quote(','.join(sorted(body)))}&notifySubscribers="
            f"{'true' if notify else 'false'}",
            headers={
                **self._bearer(),
                "X-Upload-Content-Length": str(file.size_bytes),
                "X-Upload-Content-Type": file.mime_type,
                "Slug": file_name,
            },
            json=dict(body),
        )
        url = answer.headers.get("location", "")
        if not url:
            raise _unreadable(answer, mutates=False)
        self._guard(url)
        return url

    def send_part(self, url: str, file: MediaFile, start: int, length: int) -> Progress:
        """Send bytes. With the last one the video is there: AmbiguousOutcome then.

        NotFound: the session is over.
        """
        self._guard(url)
        total = file.size_bytes
        end = start + length
        with file.open() as stream:
            stream.seek(start)
            answer = self.http.request(
                "PUT",
                url,
                call=self.spec.call("PUT {session}").key,
                mutates=end == total,
                headers={
                    **self._bearer(),
                    "Content-Range": f"bytes {start}-{end - 1}/{total}",
                },
                upload=WholeBody(stream, length, file.mime_type),
            )
        return self._progress(answer, mutates=end == total)

    def upload_state(self, url: str, total: int) -> Progress:
        """Ask a session what it holds. NotFound: it is over."""
        self._guard(url)
        answer = self.http.request(
            "PUT",
            url,
            call=self.spec.call("PUT {session}?status").key,
            mutates=False,
            headers={**self._bearer(), "Content-Range": f"bytes */{total}"},
        )
        return self._progress(answer, mutates=False)

    def _progress(self, answer: Answer, *, mutates: bool) -> Progress:
        if answer.status == 308:
            found = RANGE.fullmatch(answer.headers.get("range", ""))
            url = answer.headers.get("location", "")
            if url:
                self._guard(url)
            return Progress(int(found[1]) + 1 if found else 0, url=url)
        if answer.ok:
            video = answer.data()
            if not video.get("id"):
                raise _unreadable(answer, mutates)
            return Progress(video=video)
        raise self.error_from(answer, mutates)

    def _guard(self, url: str) -> None:
        """The token goes with the bytes, so the address has to be Google's own."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        ours = {urlsplit(base).netloc for base in self.environment.hosts.values()}
        if parts.netloc in ours:
            return
        if parts.scheme == "https" and host.endswith(".googleapis.com"):
            return
        raise NotFound(
            f"upload address at a foreign host: {host}", cause=Cause.ADDRESS_REFUSED
        )

    def set_thumbnail(self, video_id: str, file: MediaFile) -> None:
        """Replaces the one that is there. NotFound: just uploaded videos lag."""
        with file.open() as stream:
            self.send(
                "POST thumbnails.set",
                f"{self.host('api')}/upload/youtube/v3/thumbnails/set"
                f"?videoId={quote(video_id)}&uploadType=media",
                headers=self._bearer(),
                upload=WholeBody(stream, file.size_bytes, file.mime_type),
            )

    def calls_of_captions(self, count: int) -> Mapping[str, int]:
        return {"POST captions.insert": count}

    def captions(self, external_id: str) -> list[str]:
        """The languages of what is there, automatic ones left out (50 units)."""
        params = {"part": "snippet", "videoId": external_id}
        rows, _page = self._list("GET captions.list", "captions", params, "")
        about = [_dict(row, "snippet") for row in rows]
        made = [one for one in about if str(one.get("trackKind")).lower() != "asr"]
        return [str(one.get("language") or "") for one in made]

    def add_captions(self, external_id: str, data: bytes, language: str) -> None:
        """SRT for a video (400 units). DuplicateContent: it has some in this language
        already. NotFound: just uploaded videos lag."""
        snippet = {
            "videoId": external_id,
            "language": language,
            # Viewers read the language's name; this would stand behind it.
            "name": "",
            "isDraft": False,
        }
        boundary = f"captions-{secrets.token_hex(16)}"
        head, middle = f"--{boundary}\r\nContent-Type: ", f"\r\n--{boundary}\r\n"
        body = b"".join(
            (
                f"{head}application/json; charset=UTF-8\r\n\r\n".encode(),
                json.dumps({"snippet": snippet}).encode(),
                f"{middle}Content-Type: {SRT}\r\n\r\n".encode(),
                data,
                f"\r\n--{boundary}--\r\n".encode(),
            )
        )
        kind = f"multipart/related; boundary={boundary}"
        self.send(
            "POST captions.insert",
            f"{self.host('api')}/upload/youtube/v3/captions"
            "?part=snippet&uploadType=multipart",
            headers=self._bearer(),
            upload=WholeBody(BytesIO(body), len(body), kind),
        )

    # --- videos

    def videos(self, ids: Sequence[str], part: str) -> list[dict[str, Any]]:
        """Up to 50 of them; unknown, deleted and foreign private ones are missing."""
        params = {"part": part, "id": ",".join(ids), "maxResults": str(PAGE)}
        rows, _page = self._list("GET videos.list", "videos", params, "")
        return rows

    def playlist_items(
        self, playlist_id: str, page: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """Fifty items and the token of the next page ("": none).

        Uploads come newest first in practice, and late at times.
        """
        params = {
            "part": "snippet,contentDetails,status",
            "playlistId": playlist_id,
            "maxResults": str(PAGE),
        }
        return self._list("GET playlistItems.list", "playlistItems", params, page)

    def add_to_playlist(self, playlist_id: str, video_id: str) -> None:
        """A repeat adds it twice."""
        resource = {"kind": "youtube#video", "videoId": video_id}
        self._post(
            "POST playlistItems.insert",
            "playlistItems",
            {"snippet": {"playlistId": playlist_id, "resourceId": resource}},
        )

    def permalink(self, video_id: str, *, short: bool = False) -> str:
        if short:
            return f"{self.host('www')}/shorts/{quote(video_id)}"
        return f"{self.host('www')}/watch?v={quote(video_id)}"

    # --- after publishing

    def delete_post(self, external_id: str) -> None:
        try:
            self.send(
                "DELETE videos.delete",
                f"{self.host('api')}/youtube/v3/videos?id={quote(external_id)}",
                headers=self._bearer(),
            )
        except NotFound:
            return

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"GET videos.list": 1},
            After.COMMENTS: {"GET commentThreads.list": 1},
            After.ANSWER: {"POST comments.insert": 1},
            After.DELETE: {"DELETE videos.delete": 1},
            After.HIDE: {"POST comments.setModerationStatus": 1},
            After.REMOVE: {"POST comments.setModerationStatus": 1},
            After.RECENT: {"GET playlistItems.list": RECENT_PAGES},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """The channel's uploads, fifty for one unit. One that never uploaded has no
        such list."""
        told = str(self.access.extra.get("uploads") or "")
        uploads = told or f"UU{self.access.external_id.removeprefix('UC')}"

        def page(token: str | None) -> tuple[list[dict[str, Any]], str]:
            return self.playlist_items(uploads, token or "")

        def post_of(row: Mapping[str, Any]) -> RemotePost | None:
            details, snippet = _dict(row, "contentDetails"), _dict(row, "snippet")
            number = str(details.get("videoId") or "")
            if not number:
                return None
            state = str(_dict(row, "status").get("privacyStatus") or "public")
            return RemotePost(
                external_id=number,
                permalink=self.permalink(number),
                text=str(snippet.get("title") or ""),
                published_at=moment(details.get("videoPublishedAt"))
                or moment(snippet.get("publishedAt")),
                extra={} if state == "public" else {"hidden": True},
            )

        try:
            return read_recent(since, RECENT_PAGES, page, post_of)
        except NotFound:
            return RecentPosts((), since)

    def figures(self, external_id: str) -> Figures:
        """Views, likes, comments; those that the channel hides are missing."""
        rows = self.videos([external_id], "statistics")
        if not rows:
            raise NotFound("YouTube does not list the video")
        told = _dict(rows[0], "statistics")
        names = {
            Figure.VIEWS: "viewCount",
            Figure.LIKES: "likeCount",
            Figure.COMMENTS: "commentCount",
        }
        values = {
            figure: number
            for figure, name in names.items()
            if (number := _number(told.get(name))) is not None
        }
        return Figures(values, datetime.now(UTC))

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """A page of threads, newest first, with those answers that come along."""
        params = {
            "part": "snippet,replies",
            "videoId": external_id,
            "maxResults": str(COMMENT_PAGE),
            "order": "time",
            "textFormat": "plainText",
        }
        rows, page = self._list(
            "GET commentThreads.list", "commentThreads", params, after
        )
        found = [one for row in rows for one in self._thread(row, external_id)]
        return CommentPage(tuple(found), page)

    def _thread(self, row: Mapping[str, Any], video_id: str) -> Iterator[Comment]:
        snippet = _dict(row, "snippet")
        top = _dict(snippet, "topLevelComment")
        hidden = snippet.get("isPublic") is False
        yield self._comment(top, video_id, "", hidden)
        replies = _dict(row, "replies").get("comments")
        for reply in replies if isinstance(replies, list) else []:
            yield self._comment(reply, video_id, str(top.get("id") or ""), hidden)

    def _comment(
        self, row: Mapping[str, Any], video_id: str, parent_id: str, hidden: bool
    ) -> Comment:
        snippet, number = _dict(row, "snippet"), str(row.get("id") or "")
        text = snippet.get("textOriginal") or snippet.get("textDisplay") or ""
        return Comment(
            external_id=number,
            text=str(text),
            author=str(snippet.get("authorDisplayName") or ""),
            published_at=moment(snippet.get("publishedAt")),
            permalink=f"{self.permalink(video_id)}&lc={quote(number)}",
            parent_id=parent_id,
            hidden=hidden,
        )

    def comment(self, external_id: str, text: str) -> str:
        """As `reply`, below the video itself."""
        answer = self._post(
            "POST commentThreads.insert",
            "commentThreads",
            {
                "snippet": {
                    "channelId": self.access.external_id,
                    "videoId": external_id,
                    "topLevelComment": {"snippet": {"textOriginal": text}},
                }
            },
        )
        number = _dict(_dict(answer.data(), "snippet"), "topLevelComment").get("id")
        if not number:
            raise _unreadable(answer, mutates=True)
        return str(number)

    def reply(self, comment_id: str, text: str) -> str:
        """AmbiguousOutcome also on a 400 (`processingFailure`): list before repeating."""
        answer = self._post(
            "POST comments.insert",
            "comments",
            {"snippet": {"parentId": comment_id, "textOriginal": text}},
        )
        number = answer.data().get("id")
        if not number:
            raise _unreadable(answer, mutates=True)
        return str(number)

    def set_hidden(self, comment_id: str, hidden: bool) -> None:
        """Held for review: out of everybody's sight, and it can come back."""
        self._moderate(comment_id, "heldForReview" if hidden else "published")

    def delete_comment(self, comment_id: str) -> None:
        """Rejected, with the answers to it: `comments.delete` is for one's own."""
        try:
            self._moderate(comment_id, "rejected")
        except NotFound:
            return

    def _moderate(self, comment_id: str, status: str) -> None:
        self.send(
            "POST comments.setModerationStatus",
            f"{self.host('api')}/youtube/v3/comments/setModerationStatus"
            f"?id={quote(comment_id)}&moderationStatus={status}",
            headers=self._bearer(),
        )

    # --- how it is sent

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.token}"}

    def _get(self, key: str, path: str, params: Mapping[str, str]) -> Answer:
        return self.send(
            key, self.host("api") + path, headers=self._bearer(), params=dict(params)
        )

    def _post(self, key: str, name: str, body: Mapping[str, Any]) -> Answer:
        return self.send(
            key,
            f"{self.host('api')}/youtube/v3/{name}?part=snippet",
            headers=self._bearer(),
            json=dict(body),
        )

    def _list(
        self, key: str, name: str, params: Mapping[str, str], page: str
    ) -> tuple[list[dict[str, Any]], str]:
        """Rows and the token of the next page. Each page is charged."""
        more = {"pageToken": page} if page else {}
        answer = self._get(key, f"/youtube/v3/{name}", {**params, **more})
        return _items(answer), str(answer.data().get("nextPageToken") or "")

    def _is_fresh(self) -> bool:
        issued_at = self.access.issued_at
        if issued_at is None:
            return False
        return datetime.now(UTC) - issued_at < timedelta(seconds=FRESH_TOKEN_S)

    def _dead(self, text: str, facts: dict[str, Any]) -> PlatformError:
        """Only the refusal of a renewal ends an access; a refused token is renewed.

        One that has just been renewed cannot be over: Google is in trouble.
        """
        if self._is_fresh():
            return TransientError(
                text, reach=Reach.PLATFORM, retry_after=SHORT_WAIT_S, **facts
            )
        return AuthExpired(text, **facts)

    # --- YouTube's table of errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        status = answer.status
        reason, said = _reason(answer.data())
        text = redact(said) or answer.text()
        facts = _facts(answer, reason)
        if status >= 500 or status == 408:
            if mutates:
                return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
            return TransientError(
                text, reach=Reach.PLATFORM, retry_after=answer.retry_after, **facts
            )
        if status == 429 or reason in {*USED_UP, *TOO_FAST, *CHANNEL_FULL}:
            return _limited(answer, reason, said, text, facts)
        if reason == "processingFailure":
            kind = AmbiguousOutcome if mutates else TransientError
            return kind(text, cause=Cause.PLATFORM_TROUBLE, **facts)
        if status == 401 and reason in EXPIRED:
            return self._dead(text, facts)
        if status in (401, 403) and reason in REFUSALS:
            cause, reach = REFUSALS[reason]
            return PermissionMissing(text, cause=cause, reach=reach, **facts)
        if status in (400, 403) and reason in INVALID:
            return InvalidContent(text, cause=INVALID[reason], **facts)
        if reason == "captionExists":
            return DuplicateContent(text, **facts)
        if status in (404, 410):
            return NotFound(text, **facts)
        if (status in (401, 403) and not reason) or status < 400:
            # Not in YouTube's words: something in between refused it.
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 401:
            return self._dead(text, facts)
        if status == 403:
            return PermissionMissing(text, reach=Reach.POST, **facts)
        return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)


def pacific_midnight(now: datetime) -> datetime:
    """When the day of YouTube's quotas ends."""
    _start, end = period(SPEC.rules["units"], now.timestamp())
    return datetime.fromtimestamp(end, UTC)


def moment(value: Any) -> datetime | None:
    """A time as YouTube writes it; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _limited(
    answer: Answer, reason: str, said: str, text: str, facts: dict[str, Any]
) -> RateLimited:
    """Whom a refusal concerns: everybody until midnight, one channel, or a minute."""
    if reason in CHANNEL_FULL:
        wait_s = answer.retry_after or DAY_S
        return RateLimited(
            text, cause=Cause.DAILY_LIMIT, reach=_ACCOUNT, retry_after=wait_s, **facts
        )
    if reason in USED_UP or "per day" in said.lower():
        # It reads like a minute's limit and is not: only the day's end mends it.
        return RateLimited(
            text,
            cause=Cause.DAILY_LIMIT,
            reach=_APP,
            reset_at=pacific_midnight(datetime.now(UTC)),
            **facts,
        )
    reach = TOO_FAST.get(reason, _ACCOUNT)
    wait_s = answer.retry_after or SHORT_WAIT_S
    return RateLimited(text, reach=reach, retry_after=wait_s, **facts)


def _verdict(granted: Sequence[str], needed: Sequence[str]) -> Verdict:
    if set(granted) & set(needed):
        return Verdict(True)
    return Verdict(False, Cause.SCOPE_MISSING, needed[0])


def _reason(data: Mapping[str, Any]) -> tuple[str, str]:
    """The first error's reason and the words; "" for what is not YouTube's."""
    error = data.get("error")
    if not isinstance(error, dict):
        return "", ""
    rows = error.get("errors")
    first = rows[0] if isinstance(rows, list) and rows else {}
    first = first if isinstance(first, dict) else {}
    said = error.get("message") or first.get("message") or ""
    return str(first.get("reason") or ""), str(said)


def _items(answer: Answer) -> list[dict[str, Any]]:
    """Rows of a list; it has none where there are none. Other answers are no list."""
    data = answer.data()
    rows = data.get("items", [])
    if "kind" not in data or not isinstance(rows, list):
        raise _unreadable(answer, mutates=False)
    return [row for row in rows if isinstance(row, dict)]


def _dict(data: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The object below these names; {} when there is none."""
    for name in names:
        inner = data.get(name)
        data = inner if isinstance(inner, dict) else {}
    return data


def _number(value: Any) -> int | None:
    """Counts come as texts."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _epoch(value: Any) -> datetime | None:
    seconds = _number(value)
    if seconds is None or seconds > 10**11:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _facts(answer: Answer, code: str) -> dict[str, Any]:
    return {"status": answer.status, "code": code, "request_id": answer.request_id}


def _unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    return kind(
        "no usable data in it", cause=Cause.ANSWER_UNREADABLE, **_facts(answer, "")
    )
