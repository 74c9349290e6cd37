"""Posts of Threads: publishing, reading back, lists, reposts, deletion, quotas.

Source: https://developers.facebook.com/documentation/threads/posts (v1.0).
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_errors import GraphError, instagram
from ..facebook.twin_fields import Field, is_true, listed, text_of, time_of
from ..facebook.twin_fields import params as sent
from ..practice.framework import Doc, Route, arrived_at, route
from .twin_containers import Containers
from .twin_files import CREATE
from .twin_graph import Caller, not_there, restricted, suspected_spam
from .twin_world import DAY_S

LISTED = 1_000
LETTERS = string.ascii_letters + string.digits + "-_"
#: Nothing is listed before this moment (Unix seconds).
FIRST_MOMENT = 1_688_540_400
FIRST_POST = 18_010_000_000_000_000
READ_BACK = {
    "TEXT": "TEXT_POST",
    "IMAGE": "IMAGE",
    "VIDEO": "VIDEO",
    "CAROUSEL": "CAROUSEL_ALBUM",
}
#: name in the answer -> (what is counted, switch with the size or the size, scope)
QUOTAS: dict[str, tuple[str, str | int, str]] = {
    "": ("posts", "quota_total", ""),
    "reply_": ("replies", "reply_quota_total", "threads_manage_replies"),
    "delete_": ("deletes", "delete_quota_total", "threads_delete"),
    "location_search_": ("locations", 500, "threads_location_tagging"),
}
PUBLISH = "threads_content_publish"


def quota_full() -> GraphError:
    return instagram(
        9,
        2207042,
        "Application request limit reached",
        "Publishing Limit Reached",
        "You reached the maximum number of posts that can be published in 24 hours",
    )


class Posts(Containers):
    def call_of(self, route: Route, request: Request) -> Route:
        """`/:id` is called by what stands there; some calls are seen only sometimes."""
        if route.call == CREATE:
            auto = is_true(self.values(request).get("auto_publish_text"))
            return replace(route, commit=auto)
        if route.call == "POST /:user/threads_publish":
            id = text_of(sent(request), "creation_id")
            if (self.get("container", id) or {}).get("reply_to"):
                return replace(route, call=f"{route.call} (reply)")
        if route.call == "GET /:media/replies":
            id = request.path.split("/")[-2]
            is_own = id == "me" or self.get("user", id)
            return replace(route, call="GET /me/replies") if is_own else route
        if not route.call.endswith("/:id"):
            return route
        id = request.path.rsplit("/", 1)[-1]
        is_me = id == "me" or self.get("user", id)
        word = "me" if is_me else ":media"
        word = ":container" if self.get("container", id) else word
        return replace(route, call=route.call.replace("/:id", f"/{word}"))

    # ------------------------------------------------------------ going out

    @route("POST", "/graph/<version>/<id>/threads", call=CREATE)
    def create(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            self.may_publish(caller, id)
            values = self.values(request)
            if text_of(values, "location_id"):
                self.need(caller, "threads_location_tagging")
            who_replies = text_of(values, "reply_control") or "everyone"
            if text_of(values, "reply_to_id") or who_replies != "everyone":
                self.need(caller, "threads_manage_replies")
            container = self.new_container(request, values, caller.user)
            for name in ("reply_to", "quotes"):
                if container[name]:
                    self.post_there(container[name])
            if container["reply_to"]:
                self._check_may_reply(container)
            if is_true(values.get("auto_publish_text")):
                return {"id": self._goes_out(request, container)}
            return {"id": container["id"]}

        return self.graph(request, version, work)

    @route(
        "POST",
        "/graph/<version>/<id>/threads_publish",
        call="POST /:user/threads_publish",
        commit=True,
    )
    def publish(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            self.may_publish(caller, id)
            creation_id = text_of(self.values(request), "creation_id")
            if not creation_id:
                raise errors.needed("creation_id")
            container = self.publishable(caller, creation_id)
            if container["reply_to"]:
                self.need(caller, "threads_manage_replies")
            if self.setting("first_publish_not_found") and not container["refused"]:
                self.put("container", creation_id, {**container, "refused": True})
                return self.refused(not_there())
            return {"id": self._goes_out(request, container)}

        return self.graph(request, version, work)

    def may_publish(self, caller: Caller, id: str) -> None:
        user = self.me(caller, id)
        self.need(caller, PUBLISH)
        if user["restricted"] == "spam":
            raise suspected_spam()
        if user["restricted"]:
            raise restricted()

    def _check_may_reply(self, container: Doc) -> None:
        post = self.post_there(container["reply_to"])
        owner, control = post["user"], post["reply_control"]
        if owner == container["user"] or control == "everyone":
            return
        parent = self.get("post", post["reply_to"]) if post["reply_to"] else None
        username = self.user(container["user"])["username"]
        may = {
            "mentioned_only": f"@{username.lower()}" in post["text"].lower(),
            "parent_post_author_only": parent and parent["user"] == container["user"],
        }
        # Nobody follows anybody here.
        if not may.get(control):
            raise errors.wrong("You cannot reply to this post")

    def _goes_out(self, request: Request, container: Doc) -> str:
        kind = "replies" if container["reply_to"] else "posts"
        self._draw_quota(container["user"], kind)
        words = (
            *("text", "link", "alt", "poll", "attached", "gif", "is_spoiler"),
            *("topic", "reply_control", "reply_to", "quotes"),
        )
        kept = {name: container[name] for name in words}
        children = container["children"]
        files = children or ([container["id"]] if container["file"] else [])
        kept |= {
            "kind": READ_BACK[container["type"]],
            "files": files,
            "children": [self.next_id(FIRST_POST) for _ in children],
        }
        if container["is_ghost"]:
            kept["gone_at"] = self.time() + DAY_S
        post = self._new_post(request, container["user"], kept)
        published = {**container, "published": post["id"]}
        self.put("container", container["id"], published)
        return str(post["id"])

    def _new_post(self, request: Request, user: str, kept: Mapping[str, Any]) -> Doc:
        id = self.next_id(FIRST_POST)
        replied = self.get("post", kept["reply_to"]) if kept["reply_to"] else None
        post = {
            "id": id,
            "user": user,
            "shortcode": "D" + "".join(secrets.choice(LETTERS) for _ in range(10)),
            "root": (replied["root"] or replied["id"]) if replied else "",
            "repost_of": "",
            "gone_at": 0.0,
            "hide_status": "NOT_HUSHED",
            "deleted": False,
            "created_at": self.time(),
            "arrived_at": arrived_at(request),
            **kept,
        }
        self.put("post", id, post)
        self.put("shortcode", post["shortcode"], {"id": id})
        self.put(f"{'replies' if replied else 'posts'} of {user}", id, {})
        if replied:
            self.put(f"answers {post['root']}", id, {})
            self._tell_owner(post, replied)
        return post

    def _tell_owner(self, post: Doc, replied: Doc) -> None:
        root = self.get("post", post["root"]) or replied
        if root["user"] == post["user"]:
            return
        self.tell_reply(
            self.user(root["user"]),
            {
                "id": post["id"],
                "username": self.user(post["user"])["username"],
                "text": post["text"],
                "media_type": post["kind"],
                "permalink": self.permalink(post),
                "replied_to": {"id": replied["id"]},
                "root_post": {"id": root["id"]},
                "shortcode": post["shortcode"],
                "timestamp": self.stamp(post["created_at"]),
            },
        )

    # ------------------------------------------------------------ quotas

    def _draw_quota(self, user: str, kind: str) -> None:
        size = next(size for name, size, _ in QUOTAS.values() if name == kind)
        if self._used(user, kind) >= self._size(size):
            raise quota_full()
        self.put(f"used {kind} {user}", self.next_id(10**12), {"at": self.time()})

    def _size(self, size: str | int) -> int:
        return size if isinstance(size, int) else int(self.setting(size))

    def _used(self, user: str, kind: str) -> int:
        rows = self.world.page(self.slug, f"used {kind} {user}", LISTED)
        now = self.time()
        return sum(1 for _, row in rows if now - DAY_S < row["at"] <= now)

    @route(
        "GET",
        "/graph/<version>/<id>/threads_publishing_limit",
        call="GET /:user/threads_publishing_limit",
    )
    def publishing_limit(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            user = self.me(caller, id)["id"]
            self.need(caller, PUBLISH)
            fields = self.wanted(request, "quota_usage")
            known: dict[str, Any] = {}
            for start, (kind, size, scope) in QUOTAS.items():
                names = (f"{start}quota_usage", f"{start}config")
                if scope and set(names) & set(fields):
                    self.need(caller, scope)
                config = {
                    "quota_total": self._size(size),
                    "quota_duration": DAY_S,
                }
                known[names[0]] = self._used(user, kind)
                known["config" if not start else names[1]] = config
            shown = {name: (lambda value=value: value) for name, value in known.items()}
            return {"data": [self.pick("ThreadsPublishingLimit", fields, shown)]}

        return self.graph(request, version, work)

    # ------------------------------------------------------------ reading back

    def post_there(self, id: str) -> Doc:
        """A post that somebody can see; raises GraphError 24/4279009 otherwise."""
        post = self.get("post", id)
        if not post or not self.is_there(post):
            raise not_there()
        return post

    def is_there(self, post: Doc) -> bool:
        is_over = post["gone_at"] and post["gone_at"] <= self.time()
        return not post["deleted"] and not is_over

    def own_post(self, caller: Caller, id: str) -> Doc:
        post = self.post_there(id)
        if post["user"] != caller.user:
            raise not_there()
        return post

    def in_reach(self, caller: Caller, id: str) -> Doc:
        """An own post, or an answer to one."""
        post = self.post_there(id)
        root = self.get("post", post["root"]) if post["root"] else None
        if caller.user not in (post["user"], (root or post)["user"]):
            raise not_there()
        return post

    @route("GET", "/graph/<version>/<id>", call="GET /:id")
    def read(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            container = self.get("container", id)
            if container and container["user"] == caller.user:
                self.need(caller, PUBLISH)
                return self.container_shown(container, self.wanted(request, "id"))
            if id == "me" or self.get("user", id):
                user = self.me(caller, id)
                self.need(caller)
                return self._user_shown(user, self.wanted(request, "id"))
            if not id.isdecimal():
                raise errors.missing_object(id)
            post = self.in_reach(caller, id)
            self.need(caller)
            return self.post_shown(caller, post, self.wanted(request, "id"))

        return self.graph(request, version, work)

    def _user_shown(self, user: Doc, fields: Mapping[str, Field]) -> Doc:
        picture = f"{self.url}/www/{user['id']}/picture"
        return self.pick(
            "ThreadsUser",
            fields,
            {
                "id": lambda: user["id"],
                "username": lambda: user["username"],
                "name": lambda: user["name"],
                "threads_profile_picture_url": lambda: picture,
                "threads_biography": lambda: "Practice only",
                "is_verified": lambda: user["is_verified"],
            },
        )

    def permalink(self, post: Doc) -> str:
        username = self.user(post["user"])["username"]
        return f"{self.profile_url(username)}/post/{post['shortcode']}"

    def post_shown(self, caller: Caller, post: Doc, fields: Mapping[str, Field]) -> Doc:
        url = self.file_url(post["files"][0]) if post["files"] else None
        children = [{"id": id} for id in post["children"]]
        others = {
            name: {"id": post[key]} if post[key] else None
            for name, key in (
                ("quoted_post", "quotes"),
                ("reposted_post", "repost_of"),
                ("root_post", "root"),
                ("replied_to", "reply_to"),
            )
        }
        shown: dict[str, Any] = {
            "id": post["id"],
            "media_product_type": "THREADS",
            "media_type": post["kind"],
            "permalink": self.permalink(post),
            "shortcode": post["shortcode"],
            "username": self.user(post["user"])["username"],
            "owner": {"id": post["user"]},
            "timestamp": self.stamp(post["created_at"]),
            "text": post["text"] or None,
            "media_url": None if children else url,
            "alt_text": post["alt"] or None,
            "children": {"data": children} if children else None,
            "link_attachment_url": post["link"] or None,
            "topic_tag": post["topic"] or None,
            "is_quote_post": bool(post["quotes"]),
            "is_reply": bool(post["reply_to"]),
            "is_reply_owned_by_me": post["user"] == caller.user,
            "has_replies": bool(self.answers_to(post)),
            "reply_audience": post["reply_control"].upper(),
            "hide_status": post["hide_status"] if post["reply_to"] else None,
            **others,
        }
        known = {name: (lambda value=value: value) for name, value in shown.items()}
        return self.pick("ThreadsMedia", fields, known)

    def answers_to(self, post: Doc, *, all_levels: bool = False) -> list[Doc]:
        """Replies that are there, newest first."""
        rows = self.world.page(
            self.slug, f"answers {post['root'] or post['id']}", LISTED
        )
        docs = [self.get("post", id) for id, _ in rows]
        found = [doc for doc in docs if doc and self.is_there(doc)]
        if all_levels:
            return found
        return [doc for doc in found if doc["reply_to"] == post["id"]]

    @route("GET", "/graph/<version>/<id>/threads", call="GET /me/threads")
    def own_posts(self, request: Request, version: str, id: str) -> Response:
        return self.own_list(request, version, id, "posts")

    def own_list(self, request: Request, version: str, id: str, kind: str) -> Response:
        def work(caller: Caller) -> Doc:
            user = self.me(caller, id)["id"]
            self.need(caller, *(["threads_read_replies"] if kind == "replies" else []))
            values = sent(request)
            since, until = (time_of(values, name) for name in ("since", "until"))
            if any(at is not None and at < FIRST_MOMENT for at in (since, until)):
                raise errors.wrong(f"since and until must be {FIRST_MOMENT} or later")
            seen_until = self.time() - self.setting("list_delay_s")
            rows = [
                (post["id"], post)
                for post in self.posts_of(user, kind)
                if post["created_at"] <= min(seen_until, until or seen_until)
                and post["created_at"] >= (since or 0)
            ]
            return self.listed_posts(request, caller, rows)

        return self.graph(request, version, work)

    def listed_posts(
        self, request: Request, caller: Caller, rows: list[tuple[str, Doc]]
    ) -> Doc:
        fields = self.wanted(request, "id")
        found = listed(request, f"{self.base_url}{request.path}", rows)
        found["data"] = [self.post_shown(caller, doc, fields) for doc in found["data"]]
        return found

    def posts_of(self, user: str, kind: str = "posts") -> list[Doc]:
        """Posts (or replies) that are there, newest first."""
        rows = self.world.page(self.slug, f"{kind} of {user}", LISTED)
        docs = [self.get("post", id) for id, _ in rows]
        return [post for post in docs if post and self.is_there(post)]

    # ------------------------------------------------------------ repost, delete

    @route(
        "POST",
        "/graph/<version>/<id>/repost",
        call="POST /:media/repost",
        commit=True,
    )
    def repost(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            self.may_publish(caller, "me")
            post = self.post_there(id)
            self._draw_quota(caller.user, "posts")
            nothing = dict.fromkeys(("text", "link", "alt", "gif", "topic"), "")
            nothing |= dict.fromkeys(("reply_to", "quotes"), "")
            made = self._new_post(
                request,
                caller.user,
                {
                    **nothing,
                    "kind": "REPOST_FACADE",
                    "repost_of": post["id"],
                    "files": [],
                    "children": [],
                    "poll": [],
                    "attached": None,
                    "is_spoiler": False,
                    "reply_control": "everyone",
                },
            )
            return {"id": made["id"]}

        return self.graph(request, version, work)

    @route("DELETE", "/graph/<version>/<id>", call="DELETE /:media")
    def delete(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            post = self.own_post(caller, id)
            self.need(caller, "threads_delete")
            self._draw_quota(caller.user, "deletes")
            self.put("post", id, {**post, "deleted": True})
            return {"success": True, "deleted_id": id}

        return self.graph(request, version, work)
