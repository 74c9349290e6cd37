"""Facebook's Graph API for Pages: one method per call.

A person signs in; each Page has a token of its own, which is derived from the person's
and has no end date when theirs was a long-lived one. It dies with the person's grant.
Source: https://developers.facebook.com/docs/pages-api (v26.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ..base import (
    Ability,
    After,
    Comment,
    CommentPage,
    Figure,
    Figures,
    Identity,
    MediaFile,
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    read_recent,
    web_address,
)
from ..errors import (
    AmbiguousOutcome,
    AuthRevoked,
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
)
from ..http import Answer, redact
from ..transport import FilePart
from . import spec
from .graph import Granted, graph_time, not_ours, total_of, unreadable, values_of
from .spec import (
    FIGURES,
    INBOX,
    INSTAGRAM,
    POSTING_TASKS,
    PUBLISH,
    READ,
    SPEC,
)
from .upload import UploadClient

PAGE_FIELDS = "id,name,username,access_token,tasks,category,picture{url}"
INSTAGRAM_FIELDS = "instagram_business_account{id,username,name,profile_picture_url}"
POST_FIELDS = (
    "id,message,created_time,permalink_url,status_type,application,"
    "attachments{media_type,target,subattachments}"
)
#: Facebook's name -> ours. Others of the kind are dead; asked for, they fail the call.
METRICS = {
    "post_media_view": Figure.IMPRESSIONS,
    "post_total_media_view_unique": Figure.REACH,
    "post_clicks": Figure.CLICKS,
}
COUNTED = "shares,comments.limit(0).summary(true),reactions.limit(0).summary(true)"
COMMENT_FIELDS = (
    "id,message,created_time,from{id,name},parent{id},permalink_url,is_hidden"
)
COMMENTS_PAGE = 50
#: How much of the account's newest posts is read at a time.
RECENT_PAGES, RECENT_PAGE = 3, 50


@dataclass(frozen=True)
class Begun:
    """A video's upload: bytes start to end are wanted first. "", 0: all of them."""

    id: str
    session: str = ""
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Video:
    """A video on its way. word: `video_status`; said and code: what was wrong with it."""

    id: str
    word: str
    bytes: int
    has_all: bool
    is_accepted: bool
    is_published: bool
    post_id: str = ""
    permalink: str = ""
    said: str = ""
    code: int = 0


class FacebookClient(UploadClient):
    spec = SPEC

    # --- connecting

    def authorize_url(self) -> str:
        return f"{self.host('www')}/{self.version}/dialog/oauth"

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        """Trade the code for a token, and that at once for a long-lived one (60 days).

        People can untick permissions and Pages: the scopes are those that Meta says
        were given. AuthRevoked: the code was refused.
        """
        short = self._token(
            {"client_id": self.environment.client_id, "redirect_uri": redirect_uri}
            | {"client_secret": self.environment.client_secret, "code": code}
        )
        return self._with_grant(self._long_lived(short.access_token))

    def refresh(self) -> TokenSet:
        """Facebook renews no tokens: a person has to sign in again before the end.

        With RENEWS_LONG_LIVED a person's living token is traded for a new one.
        """
        if not spec.RENEWS_LONG_LIVED or self.access.kind != "user":
            raise AuthRevoked(
                "Facebook renews no tokens; sign in again", cause=Cause.TOKEN_EXPIRED
            )
        return self._with_grant(self._long_lived(self.access.token))

    def revoke(self) -> None:
        """Take back everything that the person granted to our app.

        A Page's token cannot be taken back by itself: NotImplementedError.
        """
        if self.access.kind != "user":
            raise NotImplementedError("a Page's token ends with the person's grant")
        try:
            self.graph("DELETE /me/permissions", "me/permissions")
        except AuthRevoked:
            return  # it was dead already

    def _token(self, params: Mapping[str, str]) -> TokenSet:
        url = f"{self.host('graph')}/{self.version}/oauth/access_token"
        return self.token_answer("GET /oauth/access_token", url, params)

    def _long_lived(self, token: str) -> TokenSet:
        return self._token(
            {
                "grant_type": "fb_exchange_token",
                "client_id": self.environment.client_id,
                "client_secret": self.environment.client_secret,
                "fb_exchange_token": token,
            }
        )

    def _with_grant(self, tokens: TokenSet) -> TokenSet:
        """The tokens with what was granted, read back from Meta."""
        token = tokens.access_token
        grant = self.debug_token(token)
        granted = self.permissions(token)
        return replace(
            tokens,
            scopes=tuple(granted),
            expires_at=tokens.expires_at or grant.expires_at,
            data_access_ends_at=grant.data_access_ends_at,
            # Renewed before its end, where that is switched on.
            refresh_token=token if spec.RENEWS_LONG_LIVED else "",
        )

    def permissions(self, token: str = "") -> list[str]:
        """Permissions that the person granted; declined and expired ones are left out."""
        answer = self.graph("GET /me/permissions", "me/permissions", token=token)
        rows = answer.data().get("data")
        if not isinstance(rows, list):
            raise unreadable(answer, mutates=False)
        return [
            str(row["permission"])
            for row in rows
            if isinstance(row, dict) and row.get("status") == "granted"
        ]

    # --- whom a person may act for

    def identities(self) -> Sequence[Identity]:
        """The person, then each Page with its own token and, behind it, its Instagram.

        Pages come from the person's list, from business portfolios, and from the grant
        itself: none of the three is complete. One whose token cannot be had cannot be
        published to.
        """
        grant = self.debug_token()
        me = self.me()
        found = [me]
        seen: set[str] = set()
        for row in self._pages(grant):
            page = self._page(row, grant)
            found.append(page)
            account = self._instagram(row, page, grant)
            if account is not None and account.external_id not in seen:
                seen.add(account.external_id)
                found.append(account)
        return found

    def me(self) -> Identity:
        """The person, or with a Page's token the Page."""
        answer = self.graph("GET /me", "me", {"fields": "id,name"})
        data = answer.data()
        if not data.get("id"):
            raise unreadable(answer, mutates=False)
        kind = "page" if self.access.kind == "page" else "user"
        return Identity(
            external_id=str(data["id"]),
            kind=kind,
            name=str(data.get("name") or "Facebook"),
            handle="",
            url=self.address(str(data["id"])),
            # Facebook lets apps publish to Pages only.
            can_publish=kind == "page",
        )

    def _pages(self, grant: Granted) -> list[dict[str, Any]]:
        """Every Page once, with its token if there is a way to it."""
        fields = PAGE_FIELDS
        if "instagram_basic" in grant.scopes:
            fields += f",{INSTAGRAM_FIELDS}"
        rows: dict[str, dict[str, Any]] = {}
        for row in self._listed(fields, grant):
            number = str(row.get("id") or "")
            if number and number not in rows:
                rows[number] = row
            elif number:
                # The same Page by two ways: each may know what the other does not.
                known = {k: v for k, v in rows[number].items() if v}
                rows[number] = {**row, **known}
        named = {
            number
            for scope in ("pages_show_list", "pages_manage_posts")
            for number in grant.targets.get(scope, ())
        }
        for number in [*rows, *sorted(named - set(rows))]:
            if rows.get(number, {}).get("access_token"):
                continue
            try:
                row = self.page(number, fields)
            except (NotFound, InvalidContent, PermissionMissing):
                continue  # not theirs any more, or not ours to see
            rows[number] = {**rows.get(number, {}), **row}
        return list(rows.values())

    def _listed(self, fields: str, grant: Granted) -> Iterator[dict[str, Any]]:
        wanted = {"fields": fields}
        if "pages_show_list" in grant.scopes:
            for rows in self.pages_of("GET /me/accounts", "me/accounts", wanted):
                yield from rows
        if "business_management" not in grant.scopes:
            return
        for businesses in self.pages_of(
            "GET /me/businesses", "me/businesses", {"fields": "id,name"}
        ):
            for business in businesses:
                yield from self._of_business(str(business.get("id") or ""), wanted)

    def _of_business(
        self, business: str, wanted: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        for key, edge in (
            ("GET /:business/owned_pages", "owned_pages"),
            ("GET /:business/client_pages", "client_pages"),
        ):
            try:
                for rows in self.pages_of(key, f"{business}/{edge}", wanted):
                    yield from rows
            except (PermissionMissing, NotFound):
                # A portfolio in which the person has another task: its Pages are not
                # theirs, and the others are.
                continue

    def page(self, number: str, fields: str = PAGE_FIELDS) -> dict[str, Any]:
        """One Page's card; `access_token` is absent for a person without a role."""
        answer = self.graph("GET /:page", number, {"fields": fields})
        if not answer.data().get("id"):
            raise unreadable(answer, mutates=False)
        return answer.data()

    def _page(self, row: Mapping[str, Any], grant: Granted) -> Identity:
        number = str(row["id"])
        token = str(row.get("access_token") or "")
        account = row.get("instagram_business_account")
        linked = str(account.get("id") or "") if isinstance(account, dict) else ""
        scopes = _held(grant, number, linked)
        tasks = row.get("tasks")
        handle = str(row.get("username") or "")
        picture = row.get("picture")
        picture = picture.get("data") if isinstance(picture, dict) else None
        return Identity(
            external_id=number,
            kind="page",
            name=str(row.get("name") or number),
            handle=handle,
            url=self.address(handle or number),
            avatar_url=str(picture.get("url") or "")
            if isinstance(picture, dict)
            else "",
            can_publish=bool(token)
            and _may_post(row)
            and not grant.lacking(PUBLISH, number),
            extra={"tasks": tasks} if isinstance(tasks, list) else {},
            tokens=TokenSet(
                access_token=token,
                issued_at=datetime.now(UTC),
                scopes=scopes,
                # Derived from a long-lived token: it has no end of its own.
                expires_at=None,
                data_access_ends_at=grant.data_access_ends_at,
            )
            if token
            else None,
        )

    def _instagram(
        self, row: Mapping[str, Any], page: Identity, grant: Granted
    ) -> Identity | None:
        """The Instagram account of a Page; it has no token of its own."""
        account = row.get("instagram_business_account")
        if not isinstance(account, dict) or not account.get("id"):
            return None
        number = str(account["id"])
        handle = str(account.get("username") or "")
        return Identity(
            external_id=number,
            kind="instagram",
            name=str(account.get("name") or handle or number),
            handle=handle,
            url=f"{self.host('instagram')}/{handle}/" if handle else "",
            avatar_url=str(account.get("profile_picture_url") or ""),
            can_publish=page.tokens is not None
            and _may_post(row)
            and grant.covers("pages_read_engagement", page.external_id)
            and not grant.lacking(INSTAGRAM, number),
            extra={"variant": "facebook"},
            via=page.external_id,
            platform="instagram",
        )

    def address(self, name: str) -> str:
        return f"{self.host('www')}/{name}"

    # --- health

    def prove(self) -> Proof:
        """debug_token tells life, scopes and targets; `me` that the token is served.

        With a Page's token `me` is the Page, and answers 190/492 when the person behind
        it has lost the role. Of figures only the scope tells: without it Meta answers
        with empty lists, as for a Page that nobody has seen.
        """
        grant = self.debug_token()
        is_page = self.access.kind == "page"
        identity = self.me()
        objects = (self.access.external_id,) if is_page else ()

        def verdict(scopes: Sequence[str]) -> Verdict:
            missing = (
                grant.lacking(scopes, *objects)
                if objects
                else [scope for scope in scopes if scope not in grant.scopes]
            )
            if missing:
                return Verdict(False, Cause.SCOPE_MISSING, " ".join(missing))
            return Verdict(True)

        return Proof(
            abilities={
                Ability.PUBLISH: verdict(PUBLISH),
                Ability.READ: verdict(READ),
                Ability.FIGURES: verdict(FIGURES),
            },
            identity=identity,
            scopes=_held(grant, *objects) if objects else grant.scopes,
            expires_at=grant.expires_at,
            data_access_ends_at=grant.data_access_ends_at,
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {"GET /debug_token": 1, "GET /me": 1}

    # --- photos and posts

    def add_photo(self, page: str, file: MediaFile) -> str:
        """Store a photo that nobody sees; its id. Only a post shows it."""
        form = {"published": "false"}
        if alt := file.alt_text.strip():
            form["alt_text_custom"] = alt
        with file.open() as stream:
            answer = self._on_page(
                "POST /:page/photos",
                f"{page}/photos",
                data=form,
                files={"source": (file.file_name, stream, file.mime_type)},
            )
        number = answer.data().get("id")
        if not number:
            raise unreadable(answer, mutates=False)
        return str(number)

    def create_post(self, page: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Publish; `id` and, read after writing, `permalink_url`.

        There is no idempotency key: AmbiguousOutcome on code 1, 2, any 5xx and lost
        answers, all of which have been seen to publish.
        """
        answer = self._commit(
            "POST /:page/feed",
            f"{page}/feed",
            params={"fields": "id,permalink_url"},
            data=dict(form),
        )
        if not answer.data().get("id"):
            raise unreadable(answer, mutates=True)
        return answer.data()

    def _commit(self, key: str, path: str, **kwargs: Any) -> Answer:
        """A call on the Page that readers see."""
        try:
            return self._written(key, path, **kwargs)
        except NotFound as error:
            raise not_ours(error) from error

    def _written(self, key: str, path: str, **kwargs: Any) -> Answer:
        """A call that readers see. AmbiguousOutcome on any 5xx."""
        try:
            return self.graph(key, path, **kwargs)
        except DuplicateContent:
            raise
        except PlatformError as error:
            if (error.status or 0) < 500 or isinstance(error, AmbiguousOutcome):
                raise
            # Whatever its words say, it may have been written before the trouble.
            raise AmbiguousOutcome(
                error.detail,
                cause=Cause.PLATFORM_TROUBLE,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error

    # --- videos, reels and stories

    def begin_video(self, page: str, edge: str, size: int) -> Begun:
        """Open an upload of so many bytes; its video's id stands from now on."""
        form = {"upload_phase": "start"}
        if edge == spec.VIDEOS:
            form["file_size"] = str(size)
        answer = self._on_page(
            f"POST /:page/{edge}?upload_phase=start", f"{page}/{edge}", data=form
        )
        data = answer.data()
        if not data.get("video_id"):
            raise unreadable(answer, mutates=False)
        start, end = _bounds(data) or (0, 0)
        session = str(data.get("upload_session_id") or "")
        return Begun(str(data["video_id"]), session, start, end)

    def send_chunk(
        self, page: str, session: str, file: MediaFile, start: int, end: int
    ) -> tuple[int, int]:
        """Send the bytes from start to end; what is wanted next, equal when none is."""
        with file.open() as stream:
            stream.seek(start)
            answer = self._on_page(
                "POST /:page/videos?upload_phase=transfer",
                f"{page}/videos",
                data={
                    "upload_phase": "transfer",
                    "upload_session_id": session,
                    "start_offset": str(start),
                },
                upload=FilePart(
                    "video_file_chunk",
                    stream,
                    min(end, file.size_bytes) - start,
                    file.file_name,
                    file.mime_type,
                ),
            )
        bounds = _bounds(answer.data())
        if bounds is None:
            raise unreadable(answer, mutates=False)
        return bounds

    def send_video(self, number: str, file: MediaFile, offset: int) -> None:
        """Send the bytes of a reel or story from an offset on."""
        path = f"video-upload/{self.version}/{number}"
        self.send_file("POST rupload /video-upload/:video", path, file, offset)

    def finish_video(self, page: str, edge: str, form: Mapping[str, str]) -> str:
        """Publish what was sent; the post's id where it is told, else "".

        Accepted is not visible yet: the video's status goes on.
        """
        key = f"POST /:page/{edge}?upload_phase=finish"
        form = {"upload_phase": "finish", **form}
        answer = self._commit(key, f"{page}/{edge}", data=form)
        if answer.data().get("success") is not True:
            raise unreadable(answer, mutates=True)
        return str(answer.data().get("post_id") or "")

    def video(self, number: str) -> Video:
        """How far a video is. NotFound when there is none (any more)."""
        fields = {"fields": "id,status,published,post_id,permalink_url"}
        answer = self.graph("GET /:video", number, fields)
        data = answer.data()
        status = data.get("status")
        if not isinstance(status, dict):
            raise unreadable(answer, mutates=False)
        up, work, out = (
            phase if isinstance(phase := status.get(f"{name}_phase"), dict) else {}
            for name in ("uploading", "processing", "publishing")
        )
        word = str(status.get("video_status") or "")
        # The guide and the SDK spell it differently.
        count = up.get("bytes_transfered", up.get("bytes_transferred", 0))
        code, said = max(_phase_error(phase) for phase in (up, work, out))
        state = str(out.get("publish_status") or "")
        has_all = str(up.get("status") or "").startswith("complete")
        return Video(
            id=number,
            word=word,
            bytes=count if isinstance(count, int) else 0,
            has_all=has_all or word in {"upload_complete", "processing", "ready"},
            is_accepted=str(out.get("status") or "not_started") != "not_started"
            or state not in {"", "draft"},
            is_published=state == "published" or data.get("published") is True,
            post_id=str(data.get("post_id") or ""),
            permalink=web_address(str(data.get("permalink_url") or "")),
            said=said,
            code=code,
        )

    def publish_photo_story(self, page: str, photo: str) -> str:
        """Show a stored photo as a story; the id of its post."""
        answer = self._commit(
            "POST /:page/photo_stories",
            f"{page}/photo_stories",
            data={"photo_id": photo},
        )
        if not answer.data().get("post_id"):
            raise unreadable(answer, mutates=True)
        return str(answer.data()["post_id"])

    def stories(self, page: str, since: datetime) -> list[dict[str, Any]]:
        """Stories of the last 24 hours since then."""
        query = {"since": str(int(since.timestamp()))}
        answer = self._on_page("GET /:page/stories", f"{page}/stories", params=query)
        return self.rows_of(answer)[0]

    def delete_post(self, external_id: str) -> None:
        """Delete a post; one that is gone counts as deleted. Meta may refuse it."""
        try:
            self.graph("DELETE /:post", external_id)
        except NotFound:
            return

    def discard_upload(self, external_id: str) -> None:
        try:
            self.graph("DELETE /:photo", external_id)
        except NotFound:
            return

    # --- figures and comments

    def calls_of(self, what: After) -> Mapping[str, int]:
        asks_grant = {"GET /debug_token": 1}
        asks_video = {"GET /:video": 1}
        return {
            After.FIGURES: {
                "GET /:post/insights": 1 + len(METRICS),
                "GET /:video/insights": 1,
                "GET /:post": 1,
                **asks_video,
                **asks_grant,
            },
            After.COMMENTS: {"GET /:post/comments": 1, **asks_video, **asks_grant},
            After.ANSWER: {"POST /:post/comments": 1},
            After.DELETE: {"DELETE /:post": 1},
            After.HIDE: {"POST /:comment": 1},
            After.REMOVE: {"DELETE /:comment": 1},
            After.RECENT: {
                "GET /:page/published_posts": RECENT_PAGES,
                "GET /:page/video_reels": 1,
            },
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Posts, and reels, which stand in a list of their own. Stories, which live for
        a day, are left out."""
        page = self.access.external_id

        def posts(cursor: str | None) -> tuple[list[dict[str, Any]], str]:
            return self.published(page, since, RECENT_PAGE, cursor or "")

        told = read_recent(since, RECENT_PAGES, posts, self._recent)
        query = {"since": str(int(since.timestamp())), "limit": str(RECENT_PAGE)}
        answer = self._on_page(
            "GET /:page/video_reels", f"{page}/video_reels", params=query
        )
        rows, more = self.rows_of(answer)
        reels = map(self._recent, rows)
        return RecentPosts((*told.posts, *reels), None if more else told.reaches)

    def _recent(self, row: Mapping[str, Any]) -> RemotePost:
        """Of a reel no address is told, and when it changed last."""
        number = str(row.get("id") or "")
        is_reel = "updated_time" in row
        address = self.address(f"reel/{number}" if is_reel else number)
        return RemotePost(
            external_id=number,
            permalink=str(row.get("permalink_url") or "") or address,
            text=str(row.get("message") or row.get("description") or ""),
            published_at=graph_time(row.get("created_time") or row.get("updated_time")),
        )

    def figures(self, external_id: str) -> Figures:
        """Counted since it went out. Pages that few people like have counts only.

        PermissionMissing: without the permission Facebook answers with an empty list,
        as for a post that nobody has seen; what was granted tells them apart.
        """
        try:
            post = self._post_of(external_id)
            told = self._insights(external_id)
            if not told:
                self._must_have(FIGURES)
            row = self._counts(post, external_id)
        except NotFound:
            self._must_have(READ)
            raise
        shares = row.get("shares")
        counts = {
            Figure.LIKES: total_of(row, "reactions"),
            Figure.COMMENTS: total_of(row, "comments"),
            Figure.SHARES: shares.get("count") if isinstance(shares, dict) else None,
            **{METRICS[name]: told[name] for name in METRICS if name in told},
        }
        values = {
            figure: count for figure, count in counts.items() if isinstance(count, int)
        }
        return Figures(values, datetime.now(UTC))

    def _insights(self, external_id: str) -> dict[str, Any]:
        if _is_of_page(external_id):
            key, path = "GET /:post/insights", f"{external_id}/insights"
            return self.insights(key, path, list(METRICS))
        key, path = "GET /:video/insights", f"{external_id}/video_insights"
        try:
            return values_of(self.rows_of(self.graph(key, path))[0])
        except InvalidContent:
            return {}  # this kind of video has none

    def _counts(self, post: str, external_id: str) -> dict[str, Any]:
        """{}: a video's post is not told, or not shown; the video is there."""
        if not post:
            return {}
        try:
            return self.graph("GET /:post", post, {"fields": COUNTED}).data()
        except NotFound:
            if post == external_id:
                raise
            return {}

    def _post_of(self, external_id: str) -> str:
        """The id of the post that shows a video, "" as long as the video tells none; of
        a post its own. NotFound: the video is gone.

        Comments and counts are the post's. A Page's id before a video's names nothing.
        """
        if _is_of_page(external_id):
            return external_id
        number = self.video(external_id).post_id
        if not number or _is_of_page(number):
            return number
        return f"{self.access.external_id}_{number}"

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """Comments and answers to them in one list, the newest first."""
        query = {
            "fields": COMMENT_FIELDS,
            "filter": "stream",
            "order": "reverse_chronological",
            "limit": str(COMMENTS_PAGE),
        } | ({"after": after} if after else {})
        try:
            post = self._post_of(external_id) or external_id
            answer = self.graph("GET /:post/comments", f"{post}/comments", query)
        except NotFound:
            self._must_have(INBOX)
            raise
        rows, more = self.rows_of(answer)
        found = (_comment(row, post) for row in rows if row.get("id"))
        return CommentPage(tuple(found), more)

    def comment(self, external_id: str, text: str) -> str:
        """Comments and answers are one call."""
        return self.reply(self._post_of(external_id) or external_id, text)

    def reply(self, comment_id: str, text: str) -> str:
        """Answer below a comment; there are two levels only (`flat_answers`)."""
        # Asked for fields, Facebook writes the comment and answers with an error.
        answer = self._written(
            "POST /:post/comments", f"{comment_id}/comments", data={"message": text}
        )
        if not answer.data().get("id"):
            raise unreadable(answer, mutates=True)
        return str(answer.data()["id"])

    def set_hidden(self, comment_id: str, hidden: bool) -> None:
        """Only comments of others; who wrote it, and their friends, still see it."""
        value = "true" if hidden else "false"
        self.graph("POST /:comment", comment_id, data={"is_hidden": value})

    def delete_comment(self, comment_id: str) -> None:
        """With the answers to it. The person needs the task MODERATE on the Page."""
        try:
            self.graph("DELETE /:comment", comment_id)
        except NotFound:
            return

    def _must_have(self, scopes: Sequence[str]) -> None:
        """PermissionMissing when one of them is not granted (any more)."""
        grant = self.debug_token()
        if missing := grant.lacking(scopes, self.access.external_id):
            raise PermissionMissing(" ".join(missing), cause=Cause.SCOPE_MISSING)

    def published(
        self, page: str, since: datetime, limit: int, after: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """Posts of a Page since then, newest first, and where to go on ("": the end)."""
        query = {
            "fields": POST_FIELDS,
            "since": str(int(since.timestamp())),
            "limit": str(limit),
        }
        if after:
            query["after"] = after
        answer = self._on_page(
            "GET /:page/published_posts", f"{page}/published_posts", params=query
        )
        return self.rows_of(answer)

    def _on_page(self, key: str, path: str, **kwargs: Any) -> Answer:
        """A call on the Page itself: were it not found, it is not ours to see any more."""
        try:
            return self.graph(key, path, **kwargs)
        except NotFound as error:
            raise not_ours(error) from error


def _is_of_page(external_id: str) -> bool:
    """Ids of posts begin with their Page's; those of videos stand alone."""
    return "_" in external_id


def _comment(row: Mapping[str, Any], post: str) -> Comment:
    """`from` is absent for people who have hidden themselves."""
    who, above = row.get("from"), row.get("parent")
    parent = str(above.get("id") or "") if isinstance(above, dict) else ""
    return Comment(
        external_id=str(row["id"]),
        text=str(row.get("message") or ""),
        author=str(who.get("name") or "") if isinstance(who, dict) else "",
        published_at=graph_time(row.get("created_time")),
        permalink=str(row.get("permalink_url") or ""),
        parent_id="" if parent == post else parent,
        hidden=row.get("is_hidden") is True,
    )


def _held(grant: Granted, *objects: str) -> tuple[str, ...]:
    """Scopes of a Page's token. Those of Instagram name its accounts as targets."""
    return tuple(
        scope
        for scope in grant.scopes
        if scope.startswith("instagram_") or grant.covers(scope, *objects)
    )


def _may_post(row: Mapping[str, Any]) -> bool:
    """What the person's tasks say; a portfolio's list may come without them."""
    tasks = row.get("tasks")
    return not isinstance(tasks, list) or bool(POSTING_TASKS & set(map(str, tasks)))


def _bounds(data: Mapping[str, Any]) -> tuple[int, int] | None:
    """Facebook's numbers in texts: which bytes it wants next."""
    try:
        return int(data["start_offset"]), int(data["end_offset"])
    except (KeyError, TypeError, ValueError):
        return None


def _phase_error(phase: Mapping[str, Any]) -> tuple[int, str]:
    """(code, words) of what went wrong in a phase; (0, "") when nothing did.

    The guide has one `error`, the SDK a list of `errors`.
    """
    rows = phase.get("errors")
    row = rows[0] if isinstance(rows, list) and rows else phase.get("error")
    if not isinstance(row, dict):
        return 0, ""
    code = row.get("code")
    return code if isinstance(code, int) else 0, redact(str(row.get("message") or ""))


def form_of(message: str, link: str, photos: Sequence[str]) -> dict[str, str]:
    """The form of the call that publishes."""
    form = {"published": "true"} | ({"message": message} if message else {})
    if link and not photos:
        form["link"] = link
    for number, photo in enumerate(photos):
        form[f"attached_media[{number}]"] = json.dumps({"media_fbid": photo})
    return form
