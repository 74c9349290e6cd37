"""TikTok in the practice network, written from TikTok's documentation alone.

Hosts below this twin's address: `/www` is www.tiktok.com (sign-in, and pages for
readers), `/api` open.tiktokapis.com, `/upload` the host that upload addresses name.
Sources: https://developers.tiktok.com/doc/login-kit-web,
https://developers.tiktok.com/docs/en/content-posting-api-reference-direct-post.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from markupsafe import Markup
from PIL import Image
from werkzeug.wrappers import Request, Response

from ..practice import html, pages
from ..practice.framework import Doc, Person, Route, iso, route
from .twin_calls import digest
from .twin_figures import Figures
from .twin_login import CLIENT_KEY, CLIENT_SECRET, SCOPES, Login
from .twin_media import PUT, BadChunk
from .twin_posts import CONTENT, INBOX, VIDEO
from .twin_publishes import IN_INBOX, PUBLIC

OPTIONS = (
    "private",
    "banned",
    "comment_disabled",
    "duet_disabled",
    "stitch_disabled",
    "max_duration_s",
)
SEEN_BY = {
    "MUTUAL_FOLLOW_FRIENDS": "Only friends see this.",
    "FOLLOWER_OF_CREATOR": "Only followers see this.",
    "SELF_ONLY": "Only the creator sees this.",
}


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


class TikTokTwin(Login, Figures):
    slug: ClassVar[str] = "tiktok"
    name: ClassVar[str] = "TikTok"
    endings = (
        ("expire", "Let the access token expire"),
        ("revoke", "Remove the app"),
        ("password_changed", "Password changed"),
        ("suspend", "Ban from posting"),
        ("go_private", "Make the account private"),
        ("go_public", "Make the account public"),
        ("restore", "Undo"),
    )

    # ------------------------------------------------------------ world

    def seed(self) -> None:
        if self.get("app", CLIENT_KEY):
            return
        app = {"name": "SocialHub", "secret": CLIENT_SECRET, "redirect_uris": []}
        self.put("app", CLIENT_KEY, app)
        first, second = ("723f24d7-e717-40f8-a2b6-00000000000" + n for n in "12")
        self._add_user(first, "ada_bakes", "Ada Bakes", {"stitch_disabled": True})
        self._add_user(second, "kai.quiet", "Kai Quiet", {"private": True})

    def _add_user(self, id: str, username: str, name: str, options: Doc) -> Doc:
        user = {
            "open_id": id,
            "union_id": str(uuid.uuid5(uuid.NAMESPACE_OID, id)),
            "username": username,
            "name": name,
            **dict.fromkeys(OPTIONS, False),
            "max_duration_s": 600,
            **options,
        }
        self.put("user", id, user)
        self.put("username", username.lower(), {"user": id})
        return user

    def people(self) -> list[Person]:
        return [
            Person(
                id,
                user["name"],
                f"@{user['username']}",
                "Private account" if user["private"] else "Public account",
            )
            for id, user in self.all("user")
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: scopes; private, banned, comment_disabled, duet_disabled,
        stitch_disabled (true or false), max_duration_s.

        What a handle cannot have (hyphen, space) becomes an underscore. A handle that
        exists already gets one more pair of tokens.
        """
        username = re.sub(r"[- ]", "_", handle.removeprefix("@"))
        if not re.fullmatch(r"[\w.]{2,24}", username, re.ASCII):
            raise ValueError(
                f"TikTok takes 2 to 24 letters, digits, _ or ., not {handle!r}"
            )
        scopes = [str(scope) for scope in options.pop("scopes", SCOPES)]
        if wrong := {*options} - {*OPTIONS} or {*scopes} - {*SCOPES}:
            raise ValueError(f"TikTok has no {', '.join(sorted(wrong))}")
        known = self.get("username", username.lower())
        user = self.get("user", known["user"]) if known else None
        if not user:
            user = self._add_user(str(uuid.uuid4()), username, name, options)
        answer = self.issue(user["open_id"], scopes, uuid.uuid4().hex)
        return {
            "external_id": user["open_id"],
            "handle": f"@{user['username']}",
            "name": user["name"],
            "kind": "user",
            "url": f"{self.web}/@{user['username']}",
            "access_token": answer["access_token"],
            "refresh_token": answer["refresh_token"],
            "expires_in": answer["expires_in"],
            "refresh_expires_in": answer["refresh_expires_in"],
            "scopes": scopes,
            "extra": {},
        }

    def app_credentials(self) -> tuple[str, str]:
        app = self.get("app", CLIENT_KEY)
        return CLIENT_KEY, app["secret"] if app else ""

    def tokens(self) -> list[Doc]:
        names = {id: user["name"] for id, user in self.all("user")}
        return [
            {
                "id": id[:12],
                "account": token["user"],
                "person": names.get(token["user"], token["user"]),
                "kind": token["use"],
                "state": self.state(token),
                "issued_at": exact(token["issued_at"]),
                "expires_at": exact(token["expires_at"]),
                "scopes": token["scopes"],
            }
            for id, token in self.all("token")
        ]

    def account_of(self, request: Request) -> str:
        if "/upload/" in request.path:
            publish = self.upload_of(request)
            return str(publish["user"]) if publish else ""
        secret = request.headers.get("Authorization", "").partition(" ")[2]
        if "/v2/oauth/" in request.path:
            form = request.form
            secret = form.get("refresh_token") or form.get("token", "")
        token = self.get("token", digest(secret))
        return str(token["user"]) if token else ""

    def call_of(self, route: Route, request: Request) -> Route:
        """A file is published by its last chunk; what is pulled, by its init."""
        if route.call == PUT:
            return replace(route, commit=self._is_last_chunk(request))
        if route.call.removeprefix("POST ") not in (VIDEO, INBOX, CONTENT):
            return route
        body = request.get_json(force=True, silent=True)
        body = body if isinstance(body, dict) else {}
        if route.call.endswith(CONTENT):
            return replace(route, call=f"{route.call} ({body.get('post_mode')})")
        source = body.get("source_info")
        is_pull = isinstance(source, dict) and source.get("source") == "PULL_FROM_URL"
        return replace(route, commit=is_pull)

    def _is_last_chunk(self, request: Request) -> bool:
        try:
            return self.chunk_of(request).is_last
        except BadChunk:
            return False

    # ------------------------------------------------------------ for readers

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = self.live_posts()[-50:]
        return self._show("latest posts", reversed(newest))

    @route("GET", "/www/@<username>", browser=True)
    def profile(self, request: Request, username: str) -> Response:
        known = self.get("username", username.lower())
        if not known:
            return pages.no_page(self)
        return self._show(f"@{username}", reversed(self.live_posts(user=known["user"])))

    @route("GET", "/www/@<username>/video/<id>", browser=True)
    @route("GET", "/www/@<username>/photo/<id>", browser=True)
    def permalink_page(self, request: Request, username: str, id: str) -> Response:
        known = self.get("post", id)
        publish = self.get("publish", known["publish"]) if known else None
        if not publish or not self.is_live(publish):
            return pages.no_page(self)
        return self._show("a post", [publish])

    def _show(self, title: str, posts: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, posts))

    def _view(self, publish: Doc) -> pages.PostView:
        user = self.get("user", publish["user"]) or {}
        kind = "video" if publish["kind"] == "video" else "image"
        shown = [file for file in publish["files"] if file["is_kept"]]
        seen_by = SEEN_BY.get(publish["privacy"], "")
        hidden = len(publish["files"]) - len(shown)
        notes = [seen_by] if seen_by else []
        if hidden:
            notes.append(f"Files too long to be kept here: {hidden}.")
        return pages.PostView(
            author=user["name"],
            handle=f"@{user['username']}",
            text=self.caption(publish),
            when=exact(self.live_at(publish)),
            url=self.post_url(publish),
            pictures=[
                pages.Picture(f"{self.web}/media/{file['id']}", "", kind)
                for file in shown
            ],
            notes=notes,
        )

    @route("GET", "/www/avatar/<id>", browser=True)
    def avatar(self, request: Request, id: str) -> Response:
        stream = io.BytesIO()
        Image.new("RGB", (96, 96), f"#{digest(id)[:6]}").save(stream, "PNG")
        return Response(stream.getvalue(), mimetype="image/png")

    # ------------------------------------------------------------ the inbox

    @route("GET", "/www/inbox", browser=True)
    def inbox(self, request: Request) -> Response:
        """Drafts that wait in the phones of their creators, to be posted by hand."""
        form = Markup(
            '<form method="post" action="">{}<p>{} of {}: {}</p>'
            "<p><button>Post it</button></p></form>"
        )
        rows = html.join(
            form.format(
                html.hidden([("publish_id", id)]),
                "Photos" if draft["kind"] == "photo" else "A video",
                (self.get("user", draft["user"]) or {})["name"],
                self.caption(draft) or "no text yet",
            )
            for id, draft in self.all("publish", mode="draft")
            if self.status_of(draft)[0] == IN_INBOX
        )
        empty = Markup('<p class="quiet">No draft is waiting.</p>')
        return html.page("TikTok: inbox", rows or empty, self.base_url)

    @route("POST", "/www/inbox", browser=True)
    def post_draft(self, request: Request) -> Response:
        id = request.form.get("publish_id", "")
        draft = self.get("publish", id)
        if not draft or self.status_of(draft)[0] != IN_INBOX:
            return pages.no_page(self)
        posted = {**draft, "posted_at": self.time(), "privacy": PUBLIC}
        self.put("publish", id, posted)
        self.tell_due()
        return self._show("posted", [posted])

    def posts(self) -> list[Doc]:
        return [
            {
                "id": publish["post_id"],
                "account": publish["user"],
                "text": self.caption(publish),
                "url": self.post_url(publish),
                "created_at": exact(self.live_at(publish)),
                "arrived_at": publish["arrived_at"],
                "media": len(publish["files"]),
                "alt_texts": [""] * len(publish["files"]),
                "link": "",
                "marker": "",
                "media_kinds": [
                    "video" if publish["kind"] == "video" else "image"
                    for _ in publish["files"]
                ],
                "media_sha256": [file["sha256"] for file in publish["files"]],
            }
            for publish in self.live_posts()
        ]
