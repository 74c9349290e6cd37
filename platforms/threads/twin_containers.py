"""Containers: what a post will be, checked, and worked at until it may go out.

Source: https://developers.facebook.com/documentation/threads/posts (v1.0).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request

from ..facebook import twin_errors as errors
from ..facebook.twin_errors import GraphError
from ..facebook.twin_fields import Field, is_true, nested, text_of
from ..practice.framework import Doc
from .twin_files import SOURCES, Files
from .twin_graph import Caller, not_there
from .twin_text import length, links
from .twin_world import DAY_S

MAX_TEXT = 500
MAX_LINKS = 5
MAX_ALT = 1_000
MAX_ATTACHED_TEXT = 10_000
MAX_OPTION = 25
CHILDREN = (2, 20)
OPTIONS = ("option_a", "option_b", "option_c", "option_d")
REPLY_CONTROLS = (
    *("everyone", "accounts_you_follow", "mentioned_only"),
    *("parent_post_author_only", "followers_only"),
)
#: What only a text may have.
OF_TEXT = (
    *("link_attachment", "poll_attachment", "text_attachment", "gif_attachment"),
    *("is_ghost_post", "auto_publish_text"),
)


class Containers(Files):
    # ------------------------------------------------------------ making one

    def new_container(
        self, request: Request, values: Mapping[str, Any], user: str
    ) -> Doc:
        media_type = text_of(values, "media_type")
        if media_type not in ("TEXT", "IMAGE", "VIDEO", "CAROUSEL"):
            raise errors.wrong(f"Invalid media_type {media_type!r}")
        is_child = is_true(values.get("is_carousel_item"))
        if is_child and media_type not in SOURCES:
            raise errors.wrong("is_carousel_item goes with IMAGE and VIDEO only")
        container: Doc = {
            "user": user,
            "type": media_type,
            "is_child": is_child,
            "children": [],
            "file": None,
            "polls": 0,
            "refused": False,
            "published": "",
            "created_at": self.time(),
            **self._words(values, media_type, is_child),
            **self._relations(values),
        }
        if media_type == "CAROUSEL":
            container["children"] = self._children(values, user)
        id = self.next_id(17_990_000_000_000_000)
        if media_type in SOURCES:
            name = SOURCES[media_type][0]
            url = text_of(values, name)
            if not url:
                raise errors.needed(name)
            container["file"] = self.file_of(request, media_type, url, id)
        self.put("container", id, {**container, "id": id})
        return {**container, "id": id}

    def _words(self, values: Mapping[str, Any], media_type: str, is_child: bool) -> Doc:
        """Texts and what is attached to them, checked."""
        given = [name for name in OF_TEXT if text_of(values, name)]
        if given and media_type != "TEXT":
            raise errors.wrong(f"{given[0]} can be used with media_type TEXT only")
        text = "" if is_child else text_of(values, "text")
        if length(text) > MAX_TEXT:
            raise errors.wrong(f"text must be at most {MAX_TEXT} characters")
        link = text_of(values, "link_attachment")
        if link and not links(link):
            raise errors.wrong("link_attachment must be an absolute URL")
        if len({*links(text), *links(link)}) > MAX_LINKS:
            raise errors.wrong("THREADS_API__LINK_LIMIT_EXCEEDED")
        alt = text_of(values, "alt_text")
        if len(alt) > MAX_ALT:
            raise errors.wrong(f"alt_text must be at most {MAX_ALT} characters")
        poll, attached = self._poll(values), self._attached_text(values)
        if attached and (poll or link):
            text_ = "text_attachment cannot be used with polls or link attachments"
            raise errors.wrong(text_)
        gif = self._gif(values)
        if media_type == "TEXT" and not (
            text.strip() or link or poll or attached or gif
        ):
            raise errors.needed("text")
        return {
            "text": text,
            "link": link,
            "alt": alt,
            "poll": poll,
            "attached": attached,
            "gif": gif,
            "is_ghost": is_true(values.get("is_ghost_post")),
            "is_spoiler": is_true(values.get("is_spoiler_media")),
            "spoilers": self._spoilers(values, text),
            "topic": self._topic(text_of(values, "topic_tag")),
        }

    def _poll(self, values: Mapping[str, Any]) -> list[str]:
        """The options in their order; [] without a poll."""
        poll = _object(values, "poll_attachment")
        if poll is None:
            return []
        options = [poll[name] for name in OPTIONS if name in poll]
        is_whole = list(poll) and set(poll) == set(OPTIONS[: len(poll)])
        if not is_whole or not 2 <= len(options) <= len(OPTIONS):
            raise errors.wrong("poll_attachment needs option_a to option_d, 2 to 4")
        if not all(isinstance(o, str) and 0 < len(o) <= MAX_OPTION for o in options):
            text = f"Poll options must be 1 to {MAX_OPTION} characters"
            raise errors.wrong(text)
        return options

    def _attached_text(self, values: Mapping[str, Any]) -> Doc | None:
        attached = _object(values, "text_attachment")
        if attached is None:
            return None
        text = attached.get("plaintext")
        if not isinstance(text, str) or not 0 < len(text) <= MAX_ATTACHED_TEXT:
            raise errors.wrong(
                f"text_attachment.plaintext must be 1 to {MAX_ATTACHED_TEXT} characters"
            )
        return {"text": text, "link": str(attached.get("link_attachment_url", ""))}

    def _gif(self, values: Mapping[str, Any]) -> str:
        gif = _object(values, "gif_attachment")
        if gif is None:
            return ""
        if gif.get("provider") != "GIPHY" or not gif.get("gif_id"):
            raise errors.wrong("gif_attachment needs gif_id and provider GIPHY")
        return str(gif["gif_id"])

    def _topic(self, tag: str) -> str:
        if len(tag) > 50 or {".", "&"} & set(tag):
            text = "topic_tag must be 1 to 50 characters without periods and ampersands"
            raise errors.wrong(text)
        return tag

    def _spoilers(self, values: Mapping[str, Any], text: str) -> list[Doc]:
        if not values.get("text_entities"):
            return []
        rows = nested(values, "text_entities")
        for row in rows:
            is_row = isinstance(row, dict) and row.get("entity_type") == "SPOILER"
            numbers = [row.get(n) for n in ("offset", "length")] if is_row else []
            fits = all(type(number) is int and number >= 0 for number in numbers)
            if not is_row or not fits or sum(numbers) > len(text):
                raise errors.wrong("text_entities holds an entity that does not fit")
        return rows

    def _relations(self, values: Mapping[str, Any]) -> Doc:
        """Whom it answers or quotes, and who may answer it."""
        control = text_of(values, "reply_control") or "everyone"
        if control not in REPLY_CONTROLS:
            raise errors.wrong(f"reply_control must be one of {REPLY_CONTROLS}")
        return {
            "reply_control": control,
            "reply_to": text_of(values, "reply_to_id"),
            "quotes": text_of(values, "quote_post_id"),
            "location": text_of(values, "location_id"),
        }

    def _children(self, values: Mapping[str, Any], user: str) -> list[str]:
        given = text_of(values, "children")
        if given.lstrip().startswith("["):
            ids = [str(id) for id in nested(values, "children")]
        else:
            ids = [part.strip() for part in given.split(",") if part.strip()]
        if not CHILDREN[0] <= len(ids) <= CHILDREN[1] or len(set(ids)) < len(ids):
            raise errors.wrong("children must name 2 to 20 containers")
        for id in ids:
            child = self.get("container", id)
            if not child or child["user"] != user or self._is_unknown_yet(child):
                raise not_there()
            if not child["is_child"]:
                raise errors.wrong(f"{id} was not made with is_carousel_item")
        return ids

    # ------------------------------------------------------------ what becomes of it

    def state_of(self, container: Doc) -> str:
        if container["published"]:
            return "PUBLISHED"
        if self.time() - container["created_at"] >= DAY_S:
            return "EXPIRED"
        children = [self.get("container", id) for id in container["children"]]
        states = [self.state_of(child) for child in children if child]
        if {"ERROR", "EXPIRED"} & set(states):
            return "ERROR"
        if "IN_PROGRESS" in states or self._is_at_work(container):
            return "IN_PROGRESS"
        return "ERROR" if self._error_of(container) else "FINISHED"

    def _is_at_work(self, container: Doc) -> bool:
        """For so many looks, or until the clock says that it is time."""
        kind = container["type"].lower()
        needed = self.setting(f"{kind}_polls" if container["file"] else "text_polls")
        if container["file"] and self.setting("processing_ends") == "never":
            return True
        age = self.time() - container["created_at"]
        is_seen = not needed or container["polls"] > needed
        return not is_seen and bool(age < self.setting("processing_s"))

    def _error_of(self, container: Doc) -> str:
        if container["children"]:
            return ""
        forced = self.setting("processing_error") if container["file"] else ""
        return str(forced or (container["file"] or {}).get("error", ""))

    def _is_unknown_yet(self, container: Doc) -> bool:
        age = self.time() - container["created_at"]
        return bool(age < self.setting("propagation_s"))

    def container_shown(self, container: Doc, fields: Mapping[str, Field]) -> Doc:
        """As this look sees it; the first looks see it at work."""
        container = {**container, "polls": container["polls"] + 1}
        self.put("container", container["id"], container)
        state = self.state_of(container)
        error = self._error_of(container) or "UNKNOWN"
        return self.pick(
            "ThreadsMediaContainer",
            fields,
            {
                "id": lambda: container["id"],
                "status": lambda: state,
                "error_message": lambda: error if state == "ERROR" else None,
            },
        )

    def publishable(self, caller: Caller, id: str) -> Doc:
        """The container that may go out now; raises GraphError otherwise."""
        container = self.get("container", id)
        if not container or container["user"] != caller.user:
            raise not_there()
        if container["is_child"]:
            raise errors.wrong("A carousel item cannot be published alone")
        state = self.state_of(container)
        if state == "ERROR":
            raise errors.wrong("The container ended in ERROR and cannot be published")
        if state != "FINISHED" or self._is_unknown_yet(container):
            raise not_there()
        return container


def _object(values: Mapping[str, Any], name: str) -> Doc | None:
    """A JSON object, as text or as it is; None when it was not sent."""
    value = values.get(name)
    if value in (None, ""):
        return None
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise GraphError(100, f"(#100) Param {name} must be a JSON object")
    return found
