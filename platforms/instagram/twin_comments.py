"""What is written below a professional account's media: by it, and by others.

Answers stand below comments of the first level only.
Source: https://developers.facebook.com/docs/instagram-platform/comment-moderation .
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_fields import Field, is_true, listed, params, text_of
from ..facebook.twin_graph import Caller
from ..facebook.twin_world import reader_id
from ..practice.framework import Doc, route
from .twin_media import Media

MAX_COMMENT = 300
WRITE, LIST = "POST /:media/comments", "GET /:media/comments"
ANSWER, ANSWERS = "POST /:comment/replies", "GET /:comment/replies"
MADE_FIRST = 17_870_913_670_000_000


class Comments(Media):
    has_readers: ClassVar[bool] = True

    # ------------------------------------------------------------ writing

    @route("POST", "/graph/<version>/<id>/comments", call=WRITE, commit=True)
    @route("POST", "/ig/<version>/<id>/comments", call=WRITE, commit=True)
    def comment(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            media = self.visible_media(caller, id, "comments")
            return self._written(request, media, "")

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    @route("POST", "/graph/<version>/<id>/replies", call=ANSWER, commit=True)
    @route("POST", "/ig/<version>/<id>/replies", call=ANSWER, commit=True)
    def answer(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            media, comment = self._visible_comment(caller, id, "post")
            if comment["parent"]:
                text = "Answers can only be given to a comment of the first level"
                raise errors.wrong(text)
            return self._written(request, media, id)

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def _written(self, request: Request, media: Doc, parent: str) -> Any:
        values = params(request)
        text = text_of(values, "message")
        if not text.strip():
            raise errors.needed("message")
        if len(text) > MAX_COMMENT:
            raise errors.wrong(f"A comment has {MAX_COMMENT} characters at most")
        made = self._new_comment(media, text, parent)
        if text_of(values, "fields"):
            # The comment is there all the same.
            return self.refused(errors.format_unsupported())
        return {"id": made}

    def _new_comment(self, media: Doc, text: str, parent: str, by: str = "") -> str:
        id = self.next_id(MADE_FIRST)
        comment = {
            "id": id,
            "of": media["id"],
            "ig": media["ig"],
            "text": text,
            "parent": parent,
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
                "account": doc["ig"],
                "post": doc["of"],
                "text": doc["text"],
            }
            for id, doc in self.all("comment", deleted=False, by="")
            if "ig" in doc  # Facebook's stand beside them
        ]

    def comment_as_reader(self, post: str, by: str, text: str, under: str = "") -> str:
        media = self.get("media", post)
        if not media or media["deleted"]:
            raise ValueError("There is no such post.")
        if media["comments_off"]:
            raise ValueError("Comments are switched off below that post.")
        above = self._there(under) if under else None
        if under and (not above or above["of"] != post):
            raise ValueError("There is no such comment below that post.")
        parent = (above["parent"] or above["id"]) if above else ""
        return self._new_comment(media, text, parent, by.replace(" ", "_").lower())

    def _there(self, id: str) -> Doc | None:
        comment = self.get("comment", id)
        is_there = comment and comment.get("ig") and not comment["deleted"]
        return comment if is_there else None

    def _visible_comment(
        self, caller: Caller, id: str, method: str = "get"
    ) -> tuple[Doc, Doc]:
        """(its media, the comment), if this token reaches both."""
        comment = self._there(id)
        if not comment:
            raise errors.missing_object(id, method)
        return self.visible_media(caller, comment["of"], "comments"), comment

    def change_node(self, caller: Caller, id: str, values: Mapping[str, Any]) -> Any:
        if not self._there(id):
            return super().change_node(caller, id, values)
        _media, comment = self._visible_comment(caller, id, "post")
        if not text_of(values, "hide"):
            raise errors.needed("hide")
        self.put("comment", id, {**comment, "hidden": is_true(values["hide"])})
        return {"success": True}

    def delete_node(self, caller: Caller, id: str) -> Any:
        if not self._there(id):
            return super().delete_node(caller, id)
        media, comment = self._visible_comment(caller, id, "delete")
        for doc in (comment, *self.comments_on(media, parent=id)):
            self.put("comment", doc["id"], {**doc, "deleted": True})
        return {"success": True}

    # ------------------------------------------------------------ reading

    @route("GET", "/graph/<version>/<id>/comments", call=LIST)
    @route("GET", "/ig/<version>/<id>/comments", call=LIST)
    def comments(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            media = self.visible_media(caller, id, "comments")
            return self._list(request, media, "")

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    @route("GET", "/graph/<version>/<id>/replies", call=ANSWERS)
    @route("GET", "/ig/<version>/<id>/replies", call=ANSWERS)
    def answers(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            media, comment = self._visible_comment(caller, id)
            return self._list(request, media, comment["id"])

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def _list(self, request: Request, media: Doc, parent: str) -> Doc:
        fields = self.wanted(request, "id,text,timestamp")
        rows = [(doc["id"], doc) for doc in self.comments_on(media, parent=parent)]
        found = listed(request, self.address_of(request), rows)
        found["data"] = [
            self._comment_shown(doc, media, fields) for doc in found["data"]
        ]
        return found

    def node(self, caller: Caller, id: str, request: Request) -> Doc:
        if not self._there(id):
            return super().node(caller, id, request)
        media, comment = self._visible_comment(caller, id)
        return self._comment_shown(comment, media, self.wanted(request, "id,text"))

    def _comment_shown(
        self, comment: Doc, media: Doc, fields: Mapping[str, Field]
    ) -> Doc:
        username = comment["by"] or (self.get("ig", media["ig"]) or {})["username"]
        author = {
            "id": reader_id(username) if comment["by"] else comment["ig"],
            "username": username,
        }
        is_told = not (comment["by"] and self.setting("omit_from"))

        def answers(wanted: Field) -> Doc | None:
            inner = wanted.inner or {"id": Field(), "text": Field()}
            rows = self.comments_on(media, parent=comment["id"])
            shown = [self._comment_shown(doc, media, inner) for doc in rows]
            return {"data": shown} if shown else None

        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: comment["id"],
            "text": lambda f: comment["text"],
            "timestamp": lambda f: self.stamp(comment["created_at"]),
            "username": lambda f: username if is_told else None,
            "from": lambda f: author if is_told else None,
            "like_count": lambda f: 0,
            "hidden": lambda f: comment["hidden"],
            "parent_id": lambda f: comment["parent"] or None,
            "media": lambda f: {"id": media["id"]},
            "replies": answers,
        }
        return self.pick("IGComment", fields, known)
