"""Threads in the practice network, written from Meta's documentation.

Hosts below this twin's address: `/www` is threads.net (dialog, and pages for readers),
`/graph` graph.threads.net. Each subject has a module of its own (`twin_*.py`); Meta's
error envelope and the Graph API's lists are those of Facebook's twin.
Source: https://developers.facebook.com/documentation/threads/overview (v1.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, route
from .twin_figures import Figures
from .twin_login import ThreadsLogin
from .twin_world import SCOPES, exact

OPTIONS = {"scopes", "short", "private", "followers"}


class ThreadsTwin(ThreadsLogin, Figures):
    slug: ClassVar[str] = "threads"
    name: ClassVar[str] = "Threads"

    # ------------------------------------------------------------ for the panel

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: scopes, short (a token of an hour), private, followers (a number).

        What a handle cannot have (hyphen, space) becomes an underscore. A handle that
        exists already gets one more token.
        """
        if strange := set(options) - OPTIONS:
            raise ValueError(f"Threads does not take {', '.join(sorted(strange))}")
        scopes = [str(scope) for scope in options.get("scopes", SCOPES)]
        if wrong := set(scopes) - SCOPES.keys():
            raise ValueError(f"Threads has no permission {', '.join(sorted(wrong))}")
        username = re.sub(r"[- ]", "_", handle.removeprefix("@"))
        known = self.get("username", username.lower())
        user = self.user(known["id"]) if known else self.add_user(username, name)
        for option, key in (("private", "is_private"), ("followers", "followers")):
            user[key] = options.get(option, user[key])
        self.put("user", user["id"], user)
        self.give(user["id"], scopes)
        is_long = not options.get("short")
        secret, life = self.issue(user["id"], scopes, long=is_long)
        return {
            "external_id": user["id"],
            "handle": f"@{user['username']}",
            "name": user["name"],
            "kind": "user",
            "url": self.profile_url(user["username"]),
            "access_token": secret,
            # The token renews itself: it is its own refresh credential.
            "refresh_token": secret if is_long else "",
            "expires_in": life,
            "refresh_expires_in": life if is_long else None,
            "scopes": scopes,
            "extra": {},
        }

    def posts(self) -> list[Doc]:
        found = []
        for id, post in self.all("post", deleted=False):
            if not self.is_there(post):
                continue
            files = self._files(post)
            found.append(
                {
                    "id": id,
                    "account": post["user"],
                    "text": post["text"],
                    "url": self.permalink(post),
                    "created_at": exact(post["created_at"]),
                    "arrived_at": post["arrived_at"],
                    "media": len(files),
                    "alt_texts": [doc["alt"] for doc in files],
                    "media_kinds": [doc["file"]["kind"] for doc in files],
                    "media_sha256": [doc["file"]["sha256"] for doc in files],
                    "link": post["link"],
                    "poll": post["poll"],
                    "marker": "",
                    "reply_to": post["reply_to"],
                    "quotes": post["quotes"],
                }
            )
        return found

    def _files(self, post: Doc) -> list[Doc]:
        """The containers of what is shown with a post."""
        docs = [self.get("container", id) for id in post["files"]]
        return [doc for doc in docs if doc]

    # ------------------------------------------------------------ for readers

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = [post for _, post in self.all("post", deleted=False)][-50:]
        return self._show("latest posts", filter(self.is_there, reversed(newest)))

    @route("GET", "/www/@<username>", browser=True)
    def profile(self, request: Request, username: str) -> Response:
        user = self.user_named(username)
        if not user:
            return pages.no_page(self)
        return self._show(user["name"], self.posts_of(user["id"])[:50])

    @route("GET", "/www/@<username>/post/<shortcode>", browser=True)
    def permalink_page(
        self, request: Request, username: str, shortcode: str
    ) -> Response:
        known = self.get("shortcode", shortcode)
        post = self.get("post", known["id"]) if known else None
        if not post or not self.is_there(post):
            return pages.no_page(self)
        answers = self.answers_to(post, all_levels=not post["root"])
        return self._show("a post", [post, *reversed(answers)])

    def _show(self, title: str, posts: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, posts))

    def _view(self, post: Doc) -> pages.PostView:
        user = self.user(post["user"])
        return pages.PostView(
            author=user["name"],
            handle=f"@{user['username']}",
            text=post["text"],
            when=exact(post["created_at"]),
            url=self.permalink(post),
            pictures=[
                pages.Picture(self.file_url(doc["id"]), doc["alt"], doc["file"]["kind"])
                for doc in self._files(post)
            ],
            link=(post["link"], "") if post["link"] else None,
            notes=list(self._notes(post)),
        )

    def _notes(self, post: Doc) -> Iterable[str]:
        for words, key in (
            ("Reply to", "reply_to"),
            ("Quotes", "quotes"),
            ("Repost of", "repost_of"),
        ):
            if post[key]:
                yield f"{words} {post[key]}"
        if post["topic"]:
            yield f"Topic: {post['topic']}"
        if post["attached"]:
            yield f"Attached text: {post['attached']['text'][:500]}"
        if post["gif"]:
            yield f"GIF: {post['gif']}"
        for option in post["poll"]:
            yield f"Poll: {option}"
        if post["reply_control"] != "everyone":
            yield f"Replies: {post['reply_control'].replace('_', ' ')}"
        if post["hide_status"] == "HIDDEN":
            yield "Hidden reply"
