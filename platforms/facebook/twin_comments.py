"""What is written below a Page's posts: by the Page, and by its readers.

Two levels: comments on a post, and answers to a comment.
Sources: https://developers.facebook.com/docs/graph-api/reference/object/comments ;
https://developers.facebook.com/documentation/pages-api/posts (v26.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from . import twin_errors as errors
from .twin_fields import Field, is_true, listed, params, text_of
from .twin_graph import Caller
from .twin_posts import Posts
from .twin_world import reader_id

ENGAGE, READ_USERS = "pages_manage_engagement", "pages_read_user_content"


class Comments(Posts):
    has_readers: ClassVar[bool] = True

    # ------------------------------------------------------------ writing

    @route(
        "POST",
        "/graph/<version>/<id>/comments",
        call="POST /:post/comments",
        commit=True,
    )
    def comment(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            post, parent = self._place(caller, id, "post")
            self.need(caller, ENGAGE, post["page"], code=200)
            if parent and parent["parent"]:
                text = "Answers can only be given to a comment of the first level"
                raise errors.wrong(text)
            values = params(request)
            text = text_of(values, "message")
            if not text.strip() and not text_of(values, "attachment_url"):
                raise errors.needed("message")
            made = self._new_comment(post, text, parent)
            if text_of(values, "fields"):
                # The comment is there all the same.
                return self.refused(errors.format_unsupported())
            return {"id": made}

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def _place(
        self, caller: Caller, id: str, method: str = "get"
    ) -> tuple[Doc, Doc | None]:
        """The post that an id is about, and the comment if it names one."""
        comment = self._there(id)
        if comment:
            return self._visible_post(caller, comment["of"], method), comment
        return self._visible_post(caller, id, method), None

    def _there(self, id: str) -> Doc | None:
        comment = self.get("comment", id)
        is_there = comment and comment.get("page") and not comment["deleted"]
        return comment if is_there else None

    def _new_comment(
        self, post: Doc, text: str, parent: Doc | None, by: str = ""
    ) -> str:
        number = post["id"].rpartition("_")[2]
        id = f"{number}_{self.next_id(900_000_000_000_000)}"
        comment = {
            "id": id,
            "of": post["id"],
            "page": post["page"],
            "text": text,
            "parent": parent["id"] if parent else "",
            "by": by,
            "hidden": False,
            "deleted": False,
            "created_at": self.time(),
        }
        self.put("comment", id, comment)
        return id

    def own_comments(self) -> list[Doc]:
        return [
            {
                "id": id,
                "account": doc["page"],
                "post": doc["of"],
                "text": doc["text"],
            }
            for id, doc in self.all("comment", deleted=False, by="")
            if "page" in doc  # Instagram's stand beside them
        ]

    def comment_as_reader(self, post: str, by: str, text: str, under: str = "") -> str:
        doc = self.get("post", post)
        if not doc or doc["deleted"]:
            raise ValueError("There is no such post.")
        parent = self._there(under) if under else None
        if under and (not parent or parent["of"] != post):
            raise ValueError("There is no such comment below that post.")
        if parent and parent["parent"]:
            parent = self._there(parent["parent"])
        return self._new_comment(doc, text, parent, by)

    def change_node(self, caller: Caller, id: str, values: Mapping[str, Any]) -> Any:
        if not self._there(id):
            return super().change_node(caller, id, values)
        post, comment = self._place(caller, id, "post")
        assert comment is not None
        self.need(caller, ENGAGE, post["page"], code=200)
        if text_of(values, "is_hidden"):
            if not comment["by"]:
                raise errors.wrong("This comment cannot be hidden")
            self.put("comment", id, {**comment, "hidden": is_true(values["is_hidden"])})
        elif text_of(values, "message"):
            if comment["by"]:
                raise errors.lacks(ENGAGE, 200)
            self.put("comment", id, {**comment, "text": text_of(values, "message")})
        else:
            raise errors.needed("message")
        return {"success": True}

    def delete_node(self, caller: Caller, id: str) -> Any:
        if not self._there(id):
            return super().delete_node(caller, id)
        post, comment = self._place(caller, id, "delete")
        assert comment is not None
        if comment["by"]:
            self.need(caller, READ_USERS, post["page"], code=10)
            self.need_task(caller, post["page"], "MODERATE")
        else:
            self.need(caller, ENGAGE, post["page"], code=200)
        for doc in (comment, *self._comments(post["id"], parent=id)):
            self.put("comment", doc["id"], {**doc, "deleted": True})
        return {"success": True}

    # ------------------------------------------------------------ reading

    def _comments(self, post: str, **only: Any) -> list[Doc]:
        """Oldest first."""
        return [doc for _, doc in self.all("comment", of=post, deleted=False, **only)]

    @route("GET", "/graph/<version>/<id>/comments", call="GET /:post/comments")
    def read_comments(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            post, parent = self._place(caller, id)
            self.need_to_read(caller, post["page"])
            self.need(caller, READ_USERS, post["page"], code=10)
            values = params(request)
            if parent:
                rows = self._comments(post["id"], parent=parent["id"])
            elif text_of(values, "filter") == "stream":
                rows = self._comments(post["id"])
            else:
                rows = self._comments(post["id"], parent="")
            if text_of(values, "order") == "reverse_chronological":
                rows.reverse()
            fields = self.wanted(request, "created_time,from,message,id")
            pairs = [(doc["id"], doc) for doc in rows]
            found = listed(request, self.address_of(request), pairs)
            found["data"] = [
                self._comment_shown(caller, doc, fields) for doc in found["data"]
            ]
            return found

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def node(self, caller: Caller, id: str, request: Request) -> Doc:
        if not self._there(id):
            return super().node(caller, id, request)
        post, comment = self._place(caller, id)
        assert comment is not None
        self.need_to_read(caller, post["page"])
        if comment["by"]:
            self.need(caller, READ_USERS, post["page"], code=10)
        fields = self.wanted(request, "created_time,message,id")
        return self._comment_shown(caller, comment, fields)

    def _comment_shown(
        self, caller: Caller, comment: Doc, fields: Mapping[str, Field]
    ) -> Doc:
        page = self.get("page", comment["page"]) or {}
        author = {"id": comment["page"], "name": page.get("name", "")}
        if by := comment["by"]:
            author = {"id": reader_id(by), "name": by}
        is_known = caller.kind == "PAGE" and not (by and self.setting("omit_from"))
        post = self.get("post", comment["of"])
        parent = {"id": comment["parent"]} if comment["parent"] else None
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: comment["id"],
            "message": lambda f: comment["text"],
            "created_time": lambda f: self.stamp(comment["created_at"]),
            "from": lambda f: self._inner(author, f) if is_known else None,
            "permalink_url": lambda f: (
                f"{self.permalink(post)}?comment_id={comment['id']}" if post else None
            ),
            "is_hidden": lambda f: comment["hidden"],
            "parent": lambda f: self._inner(parent, f) if parent else None,
            "comment_count": lambda f: len(
                self._comments(comment["of"], parent=comment["id"])
            ),
            "like_count": lambda f: 0,
        }
        return self.pick("Comment", fields, known)
