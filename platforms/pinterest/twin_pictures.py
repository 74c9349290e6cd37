"""Pictures of Pins: fetched by Pinterest while the call waits, or sent as base64.

Source: https://developers.pinterest.com/docs/api/v5/pins-create/ (media_source, v5).
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Route, route
from ..practice.pulled import (
    Pulled,
    Still,
    in_hand,
    may_be_pulled,
    pull,
    stand_in,
    still,
)
from .twin_boards import Boards
from .twin_calls import Refused, invalid

CREATE = "POST /pins"
AGENT = "Pinterestbot/1.0"
ENVIRON = "pinterest.pictures"
MB = 1024 * 1024
BASE64 = re.compile(r"[a-zA-Z0-9+/=]+")
MIMES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
SENT_TYPES = ("image/jpeg", "image/png")
CAROUSEL = (2, 5)
UNREACHABLE = "Unable to reach the URL. Please check the URL and try again."


class Pictures(Boards):
    def prepare(self, route: Route, request: Request) -> None:
        """Fetch what the Pin's source names, while nobody else waits for it."""
        if route.call != CREATE:
            return
        body = request.get_json(silent=True)
        found: dict[str, Pulled | None] = {}
        for url in _addresses(body)[: CAROUSEL[1]]:
            with self.world.transaction():
                left = self.setting("fetch_fails")
                is_believed = self.setting("believe_the_address")
                most = self.setting("image_mb") * MB
                if left:
                    self.set_setting("fetch_fails", left - 1)
            if left or (is_believed and not may_be_pulled(url)):
                found[url] = None
            elif is_believed:
                found[url] = in_hand(stand_in())
            else:
                found[url] = pull(url, most, AGENT)
        request.environ[ENVIRON] = found

    def pictures_of(self, request: Request, source: Doc, pin: str) -> list[Doc]:
        """What the source of a Pin of pictures holds; the bytes are kept."""
        kind = source["source_type"]
        if not kind.startswith("multiple_"):
            return [self._picture(request, kind, source, f"{pin}-0")]
        items = source.get("items")
        if not isinstance(items, list):
            raise invalid("'items' is a required property")
        low, high = CAROUSEL
        if len(items) > high:
            raise invalid(f"items is too long, maxItems={high}")
        if len(items) < low:
            raise invalid(f"items is too short, minItems={low}")
        index = source.get("index", 0)
        if type(index) is not int or not 0 <= index < len(items):
            raise invalid(f"{index!r} is no index of an item")
        single = kind.removeprefix("multiple_").replace("urls", "url")
        made = []
        for number, item in enumerate(items):
            if not isinstance(item, dict):
                raise invalid(f"{item!r} is not of type 'object'")
            words = {name: item.get(name) for name in ("title", "description", "link")}
            for value in words.values():
                if value is not None and not isinstance(value, str):
                    raise invalid(f"{value!r} is not of type 'string'")
            picture = self._picture(request, single, item, f"{pin}-{number}")
            made.append(picture | words)
        if len({(doc["width"], doc["height"]) for doc in made}) > 1:
            raise Refused(400, 1, "All images of a carousel must have the same size.")
        return [made[index], *made[:index], *made[index + 1 :]]

    def _picture(self, request: Request, kind: str, source: Doc, id: str) -> Doc:
        if kind == "image_url":
            return self.fetched(request, source.get("url"), id)
        return self.sent(source.get("content_type"), source.get("data"), id)

    def fetched(self, request: Request, url: Any, id: str) -> Doc:
        if not isinstance(url, str) or not url:
            raise invalid("'url' is a required property")
        pulled = request.environ.get(ENVIRON, {}).get(url)
        if not isinstance(pulled, Pulled):
            raise Refused(400, 1, UNREACHABLE)
        picture = still(pulled.file)
        if pulled.too_long or not picture or picture.format not in MIMES:
            raise Refused(400, 1, "The image is too large or of an unknown type.")
        return self._keep(pulled, picture, id)

    def sent(self, content_type: Any, data: Any, id: str) -> Doc:
        if content_type not in SENT_TYPES:
            raise invalid(f"{content_type!r} is not one of {list(SENT_TYPES)}")
        if not isinstance(data, str) or not BASE64.fullmatch(data):
            raise invalid("data does not match '^[a-zA-Z0-9+\\\\/=]+$'")
        try:
            found = base64.b64decode(data, validate=True)
        except binascii.Error:
            raise invalid("data is not base64") from None
        picture = still(io.BytesIO(found))
        is_right = picture and MIMES.get(picture.format) == content_type
        if not picture or not is_right or len(found) > self.setting("image_mb") * MB:
            raise Refused(400, 1, "The image is too large or not what it says.")
        return self._keep(in_hand(found), picture, id) | {"was_sent": True}

    def _keep(self, pulled: Pulled, picture: Still, id: str) -> Doc:
        self.world.put_blob(self.slug, id, MIMES[picture.format], pulled.read())
        return {
            "id": id,
            "width": picture.width,
            "height": picture.height,
            "sha256": pulled.sha256,
        }

    def images_shown(self, picture: Doc) -> Doc:
        """One picture in the sizes that Pinterest makes of it."""
        url, width, height = (
            self.file_url(picture["id"]),
            picture["width"],
            picture["height"],
        )
        sizes = {"150x150": (150, 150), "400x300": (400, 300)}
        sizes |= {f"{w}x": (w, round(w * height / width)) for w in (600, 1200)}
        return {
            name: {"width": w, "height": h, "url": f"{url}?size={name}"}
            for name, (w, h) in sizes.items()
        }

    @route("GET", "/www/files/<id>", browser=True)
    def show_file(self, request: Request, id: str) -> Response:
        blob = self.world.get_blob(self.slug, id)
        if not blob:
            return pages.no_page(self)
        answer = Response(blob[1], content_type=blob[0])
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    @route("GET", "/www/<username>/picture", browser=True)
    def profile_picture(self, request: Request, username: str) -> Response:
        return Response(stand_in(), mimetype="image/jpeg")


def _addresses(body: Any) -> list[str]:
    source = body.get("media_source") if isinstance(body, dict) else None
    if not isinstance(source, Mapping):
        return []
    rows = [source.get("url"), source.get("cover_image_url")]
    items = source.get("items")
    for item in items if isinstance(items, list) else []:
        rows.append(item.get("url") if isinstance(item, dict) else None)
    return list(dict.fromkeys(row for row in rows if isinstance(row, str)))
