"""Pins: made, read, listed and deleted.

Source: https://developers.pinterest.com/docs/api/v5/pins-create/ (v5).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, arrived_at, route
from ..practice.pulled import stand_in
from .twin_calls import NOT_PERMITTED, SPAM_TEXT, Caller, Refused, invalid, over_limit
from .twin_login import PLACE
from .twin_media import Media
from .twin_world import DAY_S

#: text field -> most code points
TEXTS = {"title": 100, "description": 800, "alt_text": 500, "link": 2048}
DIGITS = ("board_id", "board_section_id", "parent_pin_id")
OF_PICTURES = (
    *("image_url", "image_base64", "multiple_image_urls", "multiple_image_base64"),
)
SOURCES = (*OF_PICTURES, "video_id", "pin_url")
FILTERS = ("exclude_native", "exclude_repins", "has_been_promoted")
FIRST_PIN = 813_744_226_420_795_885


class Pins(Media):
    # ------------------------------------------------------------ making one

    @route("POST", f"{PLACE}/pins", call="POST /pins", commit=True)
    def create_pin(self, request: Request, place: str) -> Response:
        def work(caller: Caller) -> Response:
            body = self.body(request)
            self._check_schema(body)
            self._check_spam(caller)
            board = self.board(caller, body["board_id"], scope="pins:write_secret")
            section = body.get("board_section_id")
            found = self.get("section", section) if section else None
            if section and (not found or found["board"] != board["id"]):
                raise Refused(404, 2031, "Board section not found.")
            pin = self._new_pin(request, caller, body, board)
            return self.json(self.pin_shown(pin), 201)

        return self.api(request, place, "POST /pins", work)

    def _check_schema(self, body: Doc) -> None:
        for name, most in TEXTS.items():
            value = body.get(name)
            if value is not None and not isinstance(value, str):
                raise invalid(f"{value!r} is not of type 'string'")
            if value and len(value) > most:
                raise invalid(f"'{value[:20]}...' is too long")
        if body.get("board_id") is None:
            raise invalid("'board_id' is a required property")
        for name in DIGITS:
            value = body.get(name)
            if value is None:
                continue
            if not isinstance(value, str):
                raise invalid(f"{value!r} is not of type 'string'")
            if not re.fullmatch(r"[0-9]+", value):
                raise invalid(f"{value!r} does not match '^\\\\d+$'")
        colour = body.get("dominant_color")
        if colour is not None and not re.fullmatch(r"#[0-9A-Fa-f]{6}", str(colour)):
            raise invalid(f"{colour!r} is not a colour")
        self._check_link(body.get("link"))
        source = body.get("media_source")
        if source is None:
            raise invalid("'media_source' is a required property")
        kind = source.get("source_type") if isinstance(source, dict) else None
        if kind not in SOURCES:
            raise invalid(f"{kind!r} is not one of {list(SOURCES)}")
        if kind == "pin_url":
            raise Refused(403, 29, NOT_PERMITTED)  # a beta

    def _check_link(self, link: str | None) -> None:
        if not link:
            return
        try:
            parts = urlsplit(link)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise invalid(f"{link[:50]!r} is not a valid URL")

    def _check_spam(self, caller: Caller) -> None:
        if self.setting("spam_block") or caller.user["spam"]:
            raise Refused(429, 8, SPAM_TEXT)
        most, since = self.setting("pins_per_day"), self.time() - DAY_S
        if most is None:
            return
        kind = f"pins of {caller.id} {caller.place}"
        newest = self.world.page(self.slug, kind, max(1, most))
        if sum(1 for _, row in newest if row["at"] > since) >= most:
            raise over_limit()

    def _new_pin(self, request: Request, caller: Caller, body: Doc, board: Doc) -> Doc:
        id, source = self.next_id(FIRST_PIN), body["media_source"]
        kind, video = source["source_type"], ""
        if kind == "video_id":
            media = self._ready_video(caller, source.get("media_id"))
            video = media["id"]
            pictures = [self._cover(request, source, media, f"{id}-cover")]
            self.put("media", video, {**media, "used": True})
        else:
            pictures = self.pictures_of(request, source, id)
        is_carousel = kind.startswith("multiple_")
        creative = "CAROUSEL" if is_carousel else "VIDEO" if video else "REGULAR"
        pin: Doc = {
            "id": id,
            "place": caller.place,
            "user": caller.id,
            "board": board["id"],
            "section": body.get("board_section_id"),
            "title": body.get("title") or "",
            "description": body.get("description") or "",
            "alt": body.get("alt_text") or "",
            "link": self._link_kept(body.get("link") or ""),
            "color": body.get("dominant_color") or "#6E7874",
            "parent": body.get("parent_pin_id"),
            "creative": creative,
            "pictures": pictures,
            "video": video,
            "deleted": False,
            "created_at": self.time(),
            "arrived_at": arrived_at(request),
        }
        self.put("pin", id, pin)
        self.put(f"pins of {caller.id} {caller.place}", id, {"at": self.time()})
        return pin

    def _link_kept(self, link: str) -> str:
        if not link or not self.setting("normalise_link"):
            return link
        parts = urlsplit(link)
        kept = parts._replace(netloc=parts.netloc.lower(), path=parts.path or "/")
        return kept._replace(fragment="").geturl()

    def _ready_video(self, caller: Caller, id: Any) -> Doc:
        if not isinstance(id, str) or not re.fullmatch(r"[0-9]+", id):
            raise invalid(f"{id!r} does not match '^\\\\d+$'")
        media = self.media_there(caller, id)
        state = self.state_of_media(media)
        is_spent = media["used"] and not self.setting("media_reuse")
        if state == "failed":
            raise Refused(400, 1, "The video could not be processed.")
        if state != "succeeded" or is_spent:
            raise Refused(404, 404, "media not found")
        return media

    def _cover(self, request: Request, source: Doc, media: Doc, id: str) -> Doc:
        if url := source.get("cover_image_url"):
            return self.fetched(request, url, id)
        if source.get("cover_image_content_type") or source.get("cover_image_data"):
            return self.sent(
                source.get("cover_image_content_type"),
                source.get("cover_image_data"),
                id,
            )
        second = source.get("cover_image_key_frame_time")
        if second is None:
            raise invalid(
                "one of cover_image_url or cover_image_content_type is required"
            )
        if type(second) is not int or second < 0:
            raise invalid(f"{second!r} is not of type 'integer'")
        # No frame is decoded here.
        self.world.put_blob(self.slug, id, "image/jpeg", stand_in())
        size = {name: media["facts"][name] for name in ("width", "height")}
        return {"id": id, "sha256": "", **size}

    # ------------------------------------------------------------ reading

    def own_pin(self, caller: Caller, id: str, *, scope: str) -> Doc:
        pin = self.get("pin", id)
        is_there = pin and not pin["deleted"] and pin["place"] == caller.place
        if not pin or not is_there or not self.board_is_there(pin["board"]):
            raise Refused(404, 50, "Pin not found.")
        if pin["user"] != caller.id:
            raise Refused(401, 7, "You are not authorized to access this Pin.")
        if self._is_secret(pin):
            self.need(caller, scope)
        return pin

    def _is_secret(self, pin: Doc) -> bool:
        board = self.get("board", pin["board"]) or {}
        return bool(board["privacy"] == "SECRET")

    def pin_shown(self, pin: Doc, *, metrics: bool = False) -> Doc:
        return {
            "id": pin["id"],
            "created_at": self.stamp(pin["created_at"]),
            "link": pin["link"] or None,
            "title": pin["title"] or None,
            "description": pin["description"] or None,
            "dominant_color": pin["color"],
            "alt_text": pin["alt"] or None,
            "board_id": pin["board"],
            "board_section_id": pin["section"],
            "board_owner": {"username": self.user(pin["user"])["username"]},
            "parent_pin_id": pin["parent"],
            "is_owner": True,
            "is_standard": True,
            "has_been_promoted": False,
            "creative_type": pin["creative"],
            "note": None,
            "pin_metrics": self.metrics_of(pin) if metrics else None,
            "media": self._media_of_pin(pin),
        }

    def metrics_of(self, pin: Doc) -> Doc:
        """Figures of a Pin at once: those of 90 days, and those of its whole life."""
        seen = int(self.setting("impressions"))
        counts = {
            "pin_click": seen // 12,
            "impression": seen,
            "clickthrough": seen // 60,
        }
        lifetime = {**counts, "reaction": seen // 20, "comment": seen // 120}
        return {"90d": counts, "lifetime_metrics": lifetime}

    def _media_of_pin(self, pin: Doc) -> Doc:
        images = [self.images_shown(picture) for picture in pin["pictures"]]
        if pin["creative"] == "REGULAR":
            return {"media_type": "image", "images": images[0]}
        if pin["video"]:
            facts = (self.get("media", pin["video"]) or {})["facts"]
            return {
                "media_type": "video",
                "images": images[0],
                "cover_image_url": self.file_url(pin["pictures"][0]["id"]),
                "video_url": None,
                "duration": facts["duration_ms"],
                "height": facts["height"],
                "width": facts["width"],
            }
        items = [
            {
                "item_type": "image",
                "title": picture.get("title"),
                "description": picture.get("description"),
                "link": picture.get("link"),
                "images": shown,
            }
            for picture, shown in zip(pin["pictures"], images, strict=True)
        ]
        return {"media_type": "multiple_images", "items": items}

    @route("GET", f"{PLACE}/pins/<id>", call="GET /pins/:id")
    def read_pin(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            metrics = request.args.get("pin_metrics") == "true"
            pin = self.own_pin(caller, id, scope="pins:read_secret")
            return self.pin_shown(pin, metrics=metrics)

        return self.api(request, place, "GET /pins/:id", work)

    @route("GET", f"{PLACE}/pins", call="GET /pins")
    def pins(self, request: Request, place: str) -> Response:
        def work(caller: Caller) -> Doc:
            return self._pin_list(request, caller, self.pins_of(place, caller.id))

        return self.api(request, place, "GET /pins", work)

    @route("GET", f"{PLACE}/boards/<id>/pins", call="GET /boards/:id/pins")
    def board_pins(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            board = self.board(caller, id, scope="boards:read_secret")
            pins = self.pins_of(place, caller.id)
            of_board = [pin for pin in pins if pin["board"] == board["id"]]
            return self._pin_list(request, caller, of_board)

        return self.api(request, place, "GET /boards/:id/pins", work)

    def _pin_list(self, request: Request, caller: Caller, pins: list[Doc]) -> Doc:
        query = request.args
        wanted = query.get("pin_filter", "")
        if wanted and wanted not in FILTERS:
            raise invalid(f"{wanted!r} is not one of {list(FILTERS)}")
        creatives = query.get("creative_types", "").replace(",", " ").split()
        only_secret = query.get("pin_type") == "PRIVATE"
        with_secret = only_secret or query.get("include_protected_pins") == "true"
        with_secret = with_secret or "/boards/" in request.path
        shows_secret = with_secret and caller.has("pins:read_secret")
        seen_until = self.time() - self.setting("list_delay_s")
        found = [
            pin
            for pin in pins
            if pin["created_at"] <= seen_until
            and (not creatives or pin["creative"] in creatives)
            # Nothing here was saved from another's Pin, and nothing is promoted.
            and wanted in ("", "exclude_repins")
            and (shows_secret if self._is_secret(pin) else not only_secret)
        ]
        if self.setting("list_order") == "newest":
            found.reverse()
        metrics = query.get("pin_metrics") == "true"
        return self.listed(
            request, found, lambda pin: self.pin_shown(pin, metrics=metrics)
        )

    # ------------------------------------------------------------ changing

    @route("DELETE", f"{PLACE}/pins/<id>", call="DELETE /pins/:id")
    def delete_pin(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Response:
            pin = self.own_pin(caller, id, scope="pins:write_secret")
            self.put("pin", id, {**pin, "deleted": True})
            self.drop(f"pins of {caller.id} {place}", id)
            return self.json(None, 204)

        return self.api(request, place, "DELETE /pins/:id", work)

    @route("PATCH", f"{PLACE}/pins/<id>", call="PATCH /pins/:id")
    def change_pin(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Response:
            raise Refused(403, 29, NOT_PERMITTED)  # a closed beta

        return self.api(request, place, "PATCH /pins/:id", work)
