"""What a Page publishes: text, link, photos, comments; reading back and deleting.

Videos, reels and stories: `twin_films.py`.
Sources: https://developers.facebook.com/documentation/pages-api/posts ;
https://developers.facebook.com/docs/graph-api/reference/page/feed/ , /page/photos/ .
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Route, arrived_at, route
from . import twin_errors as errors
from .twin_accounts import Accounts
from .twin_errors import GraphError
from .twin_fields import (
    Field,
    is_true,
    listed,
    nested,
    params,
    text_of,
    time_of,
)
from .twin_graph import Caller
from .twin_pictures import Picture, Pictures, look_at
from .twin_world import digest

MAX_TEXT = 63_206
MAX_PHOTOS = 10
MAX_PHOTO_BYTES = 4 * 1024 * 1024
PHOTO_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF")
#: A Page in a text, by its number and perhaps a name.
NAMED = re.compile(r"@\[(\d+)(?::[^\]\n]*)?\]")
PHOTOS, STAGED = "POST /:page/photos", "POST /:page/photos?published=false"
#: Posts that a list is made of, at most.
LISTED = 500


class Posts(Accounts, Pictures):
    FETCHES: ClassVar[Mapping[str, str]] = {PHOTOS: "url", STAGED: "url"}

    def call_of(self, route: Route, request: Request) -> Route:
        """Staging a photo is seen by nobody."""
        if route.call == PHOTOS and not is_true(
            params(request).get("published"), default=True
        ):
            return replace(route, call=STAGED, commit=False)
        return super().call_of(route, request)

    # ------------------------------------------------------------ publishing

    @route("POST", "/graph/<version>/<id>/feed", call="POST /:page/feed", commit=True)
    def feed(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            page = self._page_to_post(caller, id)
            values = params(request)
            text, link = text_of(values, "message"), text_of(values, "link")
            photos = self._attached(caller, page, nested(values, "attached_media"))
            self._check_feed(values, text, link, photos)
            published = is_true(values.get("published"), default=True)
            if published and not photos:
                self._refuse_repeat(page, text, link)
            post = self._new_post(
                caller, request, page, text, link, photos, published=published
            )
            fields = self.wanted(request, "id")
            return self._post_shown(post, fields)

        return self.graph(request, version, work)

    def _page_to_post(self, caller: Caller, id: str) -> Doc:
        page = self.get("page", self._me(caller, id))
        if not page or not self.sees_page(caller, page["id"]):
            raise errors.missing_object(id, "post")
        self.need_to_post(caller, page["id"])
        return page

    def _check_feed(
        self, values: Mapping[str, Any], text: str, link: str, photos: list[str]
    ) -> None:
        if text_of(values, "scheduled_publish_time"):
            raise errors.wrong("The practice network does not play scheduled posts")
        if not text.strip() and not link and not photos:
            raise errors.wrong("Missing message or attachment")
        if len(text) > MAX_TEXT:
            raise errors.wrong("Your message is too long")
        if not link:
            return
        try:
            parts = urlsplit(link)
            is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_web = False
        if not is_web:
            raise errors.wrong("The url you supplied is invalid", 2061006)
        host = parts.hostname or ""
        if host == "facebook.com" or host.endswith(".facebook.com"):
            raise errors.wrong("Links to facebook.com cannot be shared", 1609008)

    def _attached(self, caller: Caller, page: Doc, rows: list[Any]) -> list[str]:
        if len(rows) > MAX_PHOTOS:
            raise errors.wrong(f"A post takes {MAX_PHOTOS} photos at most")
        found = []
        for row in rows:
            id = str(row.get("media_fbid", "")) if isinstance(row, dict) else ""
            photo = self.get("photo", id)
            if not photo or photo["deleted"] or photo["page"] != page["id"]:
                raise errors.wrong(f"Invalid media_fbid {id}")
            if photo["post"]:
                raise errors.wrong("These photos were already posted.", 1366051)
            found.append(id)
        return found

    def _refuse_repeat(self, page: Doc, text: str, link: str) -> None:
        """Two identical posts in a row are refused; another one between lets it pass."""
        newest = self._newest(page["id"])
        if not newest or newest["photos"] or newest.get("video"):
            return
        age = self.time() - newest["created_at"]
        said = self._mentioned(page, text)
        same = (newest["message"], newest["link"]) == (said, link)
        if same and age < self.setting("duplicate_s"):
            raise errors.duplicate()

    def _mentioned(self, page: Doc, text: str) -> str:
        """As readers see it: a Page that is named by its number has its name there.

        What becomes of others, for an app without the feature, is told by developers only.
        """

        def shown(found: re.Match[str]) -> str:
            named = self.get("page", found[1])
            may = found[1] == page["id"] or self.setting("page_mentioning")
            how = "is linked" if may else self.setting("others_named")
            if named is None or how == "stays as typed":
                return found[0]
            return str(named["name"]) if how == "is linked" else ""

        return NAMED.sub(shown, text)

    def _newest(self, page: str) -> Doc | None:
        for post in self._posts_of(page, 20):
            return post
        return None

    def _new_post(
        self,
        caller: Caller,
        request: Request,
        page: Doc,
        text: str,
        link: str,
        photos: list[str],
        *,
        published: bool = True,
    ) -> Doc:
        number = self.next_id(122_100_000_000_000_000)
        id = f"{page['id']}_{number}"
        text = self._mentioned(page, text)
        post = {
            "id": id,
            "page": page["id"],
            "message": text,
            "link": link,
            "photos": photos,
            "app": caller.app,
            "person": caller.person,
            "pfbid": f"pfbid0{digest(id)[:20]}{secrets.token_hex(8)}",
            "published": published,
            "deleted": False,
            "created_at": self.time(),
            "arrived_at": arrived_at(request),
        }
        self.put("post", id, post)
        self.put("pfbid", post["pfbid"], {"id": id})
        self.put(f"timeline:{page['id']}", number, {"id": id})
        for photo in photos:
            doc = self.get("photo", photo) or {}
            self.put("photo", photo, {**doc, "post": id})
        return post

    @route("POST", "/graph/<version>/<id>/photos", call=PHOTOS, commit=True)
    def photos(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            page = self._page_to_post(caller, id)
            values = params(request)
            published = is_true(values.get("published"), default=True)
            caption = text_of(values, "caption") or text_of(values, "message")
            caption = caption or text_of(values, "name")
            if len(caption) > MAX_TEXT:
                raise errors.wrong("Your caption is too long")
            if text_of(values, "scheduled_publish_time"):
                raise errors.wrong("The practice network does not play scheduled posts")
            picture = self._sent_picture(request, values)
            photo = self.next_id(122_200_000_000_000_000)
            doc = {
                "id": photo,
                "page": page["id"],
                "caption": caption,
                "alt": text_of(values, "alt_text_custom"),
                "post": "",
                "deleted": False,
                "created_at": self.time(),
            } | self.keep_picture(photo, picture)
            self.put("photo", photo, doc)
            if not published:
                return {"id": photo}
            post = self._new_post(caller, request, page, caption, "", [photo])
            return {"id": photo, "post_id": post["id"]}

        return self.graph(request, version, work)

    def _sent_picture(self, request: Request, values: Mapping[str, Any]) -> Picture:
        sent = request.files.get("source")
        url = text_of(values, "url")
        if sent:
            picture: Picture | None = look_at(sent.read())
        elif url:
            picture = self.picture_at(request, url)
        else:
            raise errors.bad_photo("Requires upload file")
        if picture is None:
            raise errors.bad_photo("Missing or invalid image file")
        if picture.format not in PHOTO_FORMATS or len(picture.data) >= MAX_PHOTO_BYTES:
            raise errors.bad_photo("Missing or invalid image file", 1366046)
        return picture

    # ------------------------------------------------------------ reading back

    def _visible_post(self, caller: Caller, id: str, method: str = "get") -> Doc:
        post = self.get("post", id)
        if not post or post["deleted"] or not self.sees_page(caller, post["page"]):
            raise errors.missing_object(id, method)
        return post

    def node(self, caller: Caller, id: str, request: Request) -> Doc:
        kind = self.kind_of(id)
        if kind == "post":
            post = self._visible_post(caller, id)
            self.need_to_read(caller, post["page"])
            fields = self.wanted(request, "created_time,message,id")
            return self._post_shown(post, fields)
        if kind == "photo":
            photo = self._visible_photo(caller, id, "get")
            self.need_to_read(caller, photo["page"])
            return self._photo_shown(photo, self.wanted(request, "id,created_time"))
        return super().node(caller, id, request)

    def change_node(self, caller: Caller, id: str, values: Mapping[str, Any]) -> Any:
        if not self.get("post", id):
            return super().change_node(caller, id, values)
        post = self._visible_post(caller, id, "post")
        self.need_to_post(caller, post["page"])
        if post["app"] != caller.app:
            raise errors.wrong("Only posts of the same app can be edited")
        text = text_of(values, "message")
        self._check_feed({}, text, "", post["photos"])
        page = self.get("page", post["page"]) or {}
        self.put("post", id, {**post, "message": self._mentioned(page, text)})
        return {"success": True}

    def delete_node(self, caller: Caller, id: str) -> Any:
        kind = self.kind_of(id)
        if kind == "photo":
            photo = self._visible_photo(caller, id, "delete")
            self.need_to_post(caller, photo["page"])
            self.put("photo", id, {**photo, "deleted": True})
            self.world.delete_blob(self.STORE, id)
            return {"success": True}
        if kind == "post":
            post = self._visible_post(caller, id, "delete")
            self.need_to_post(caller, post["page"])
            if self.setting("delete_refused"):
                raise GraphError(
                    10, "(#10) Application does not have permission for this action"
                )
            self.put("post", id, {**post, "deleted": True})
            self.drop(f"timeline:{post['page']}", id.rpartition("_")[2])
            return {"success": True}
        return super().delete_node(caller, id)

    def _visible_photo(self, caller: Caller, id: str, method: str) -> Doc:
        photo = self.get("photo", id)
        if not photo or photo["deleted"] or not self.sees_page(caller, photo["page"]):
            raise errors.missing_object(id, method)
        return photo

    @route(
        "GET",
        "/graph/<version>/<id>/published_posts",
        call="GET /:page/published_posts",
    )
    @route("GET", "/graph/<version>/<id>/posts", call="GET /:page/published_posts")
    def published_posts(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            return self._list(caller, request, id, published_only=True)

        return self.graph(request, version, work)

    @route("GET", "/graph/<version>/<id>/feed", call="GET /:page/feed")
    def read_feed(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            self.need(caller, "pages_read_user_content", self._me(caller, id), code=10)
            return self._list(caller, request, id, published_only=False)

        return self.graph(request, version, work)

    def _list(
        self, caller: Caller, request: Request, id: str, *, published_only: bool
    ) -> Doc:
        page = self._me(caller, id)
        if not self.sees_page(caller, page):
            raise errors.missing_object(id)
        self.need_to_read(caller, page)
        self.settle()
        values = params(request)
        since, until = time_of(values, "since"), time_of(values, "until")
        fields = self.wanted(request, "created_time,message,id")
        seen_until = self.time() - self.setting("list_delay_s")
        posts = [
            post
            for post in self._posts_of(page, LISTED)
            if (post["published"] or not published_only)
            and post.get("edge", "videos") == "videos"
            and post["created_at"] <= seen_until
            and (since is None or post["created_at"] >= since)
            and (until is None or post["created_at"] <= until)
        ]
        rows = [(post["id"], post) for post in posts]
        found = listed(request, self.address_of(request), rows)
        found["data"] = [self._post_shown(post, fields) for post in found["data"]]
        return found

    def settle(self) -> None:
        """Publish what has been finished and worked on."""

    def _posts_of(self, page: str, limit: int) -> list[Doc]:
        """Posts that are there, newest first."""
        rows = self.world.page(self.STORE, f"timeline:{page}", limit)
        posts = [self.get("post", row["id"]) for _, row in rows]
        return [post for post in posts if post and not post["deleted"]]

    # ------------------------------------------------------------ as it is shown

    def permalink(self, post: Doc) -> str:
        if post.get("edge") == "video_reels":
            return f"{self.url}/www/reel/{post['video']}"
        if post.get("edge") in ("video_stories", "photo_stories"):
            return f"{self.url}/www/stories/{post['id']}"
        username = (self.get("page", post["page"]) or {})["username"]
        return f"{self.url}/www/{username}/posts/{post['pfbid']}"

    def _post_shown(self, post: Doc, fields: Mapping[str, Field]) -> Doc:
        page = self.get("page", post["page"]) or {}
        app = self.get("app", post["app"]) or {}
        status = "shared_story" if post["link"] else "mobile_status_update"
        status = "added_photos" if post["photos"] else status
        status = "added_video" if post.get("video") else status
        when = self.stamp(post["created_at"])
        author = {"id": post["page"], "name": page.get("name", "")}
        application = {"id": post["app"], "name": app.get("name", "")}
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: post["id"],
            "message": lambda f: post["message"] or None,
            "created_time": lambda f: when,
            "updated_time": lambda f: when,
            "permalink_url": lambda f: self.permalink(post),
            "status_type": lambda f: status,
            "is_published": lambda f: post["published"],
            "application": lambda f: self._inner(application, f),
            "from": lambda f: self._inner(author, f),
            "attachments": lambda f: self._attachments(post),
            "full_picture": lambda f: (
                self.picture_url(post["photos"][0]) if post["photos"] else None
            ),
            **self.counted(post),
        }
        return self.pick("Post", fields, known)

    def counted(self, post: Doc) -> dict[str, Callable[[Field], Any]]:
        """The fields of a post that count what readers did."""
        return {}

    def _inner(self, doc: Doc, wanted: Field) -> Doc:
        return {
            name: value
            for name, value in doc.items()
            if name == "id" or not wanted.inner or name in wanted.inner
        }

    def _attachments(self, post: Doc) -> Doc | None:
        rows = [
            {
                "media_type": "photo",
                "target": {"id": photo, "url": self.picture_url(photo)},
            }
            for photo in post["photos"]
        ]
        if video := post.get("video"):
            url = f"{self.url}/www/reel/{video}"
            shown = {"media_type": "video", "target": {"id": video, "url": url}}
            return {"data": [shown]}
        if len(rows) > 1:
            album = {"media_type": "album", "target": {"id": post["id"]}}
            return {"data": [{**album, "subattachments": {"data": rows}}]}
        if rows:
            return {"data": rows}
        if not post["link"]:
            return None
        target = {"url": post["link"]}
        shown = {"media_type": "link", "target": target, "unshimmed_url": post["link"]}
        return {"data": [shown]}

    def _photo_shown(self, photo: Doc, fields: Mapping[str, Field]) -> Doc:
        source = {"source": self.picture_url(photo["id"])}
        size = {"width": photo["width"], "height": photo["height"]}
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: photo["id"],
            "created_time": lambda f: self.stamp(photo["created_at"]),
            "name": lambda f: photo["caption"] or None,
            "alt_text_custom": lambda f: photo["alt"] or None,
            "images": lambda f: [{**source, **size}],
            "page_story_id": lambda f: photo["post"] or None,
            "link": lambda f: source["source"],
        }
        return self.pick("Photo", fields, known)
