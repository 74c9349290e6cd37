"""Pictures that Meta takes: uploaded, or fetched from an address that it is told.

An address is fetched before the handler runs, outside of the world's lock.
Source: https://developers.facebook.com/docs/graph-api/reference/page/photos/ (v26.0).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, ClassVar
from urllib.parse import urlsplit

import requests
from PIL import Image
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Route, route
from .twin_fields import params, text_of
from .twin_graph import Graph

#: Seconds to connect, then for each wait for bytes.
PATIENCE_S = (3, 5)
#: More than any picture may have.
MOST_BYTES = 12 * 1024 * 1024
BLOCK = 64 * 1024
ENVIRON = "meta.picture"
MIMES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
}


@dataclass(frozen=True)
class Picture:
    """format "" : no picture that can be read."""

    data: bytes
    format: str
    width: int = 0
    height: int = 0

    @property
    def mime(self) -> str:
        return MIMES.get(self.format, "application/octet-stream")


def look_at(data: bytes) -> Picture:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return Picture(data, str(image.format), image.width, image.height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture(data, "")


def stand_in() -> Picture:
    """What a believed address is taken to hold."""
    stream = io.BytesIO()
    Image.new("RGB", (320, 320), "#8899aa").save(stream, "JPEG")
    return Picture(stream.getvalue(), "JPEG", 320, 320)


def is_fetchable(url: str) -> bool:
    """Public http(s), US-ASCII, no user in it; loopback is what the practice has."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and url.isascii() and "@" not in parts.netloc


def fetch(url: str) -> bytes | None:
    """The bytes behind an address; None when there are none."""
    data = io.BytesIO()
    return data.getvalue() if fetch_into(url, data, MOST_BYTES) else None


def fetch_into(url: str, file: IO[bytes], most: int) -> bool:
    """Write what is behind an address; False: nothing is. No redirects.

    Of more than `most` bytes a little more than that is written.
    """
    if not is_fetchable(url):
        return False
    size = 0
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["User-Agent"] = "facebookexternalhit/1.1"
            answer = session.get(
                url, timeout=PATIENCE_S, allow_redirects=False, stream=True
            )
            with answer:
                if answer.status_code != 200:
                    return False
                for block in answer.iter_content(BLOCK):
                    file.write(block)
                    size += len(block)
                    if size > most:
                        break
    except (requests.RequestException, OSError, ValueError):
        return False
    return True


class Pictures(Graph):
    #: call -> the parameter that names the address of a picture
    FETCHES: ClassVar[Mapping[str, str]] = {}

    def prepare(self, route: Route, request: Request) -> None:
        url = text_of(params(request), self.FETCHES.get(route.call, ""))
        if not url:
            return
        with self.world.transaction():
            if left := self.setting("fetch_fails"):
                self.set_setting("fetch_fails", left - 1)
                request.environ[ENVIRON] = None
                return
        if not self.setting("believe_the_address"):
            request.environ[ENVIRON] = fetch(url)

    def picture_at(self, request: Request, url: str) -> Picture | None:
        """What is behind an address that `prepare` has fetched; None: nothing."""
        if not is_fetchable(url):
            return None
        if ENVIRON in request.environ:
            data = request.environ[ENVIRON]
            return look_at(data) if isinstance(data, bytes) else None
        return stand_in() if self.setting("believe_the_address") else None

    def keep_picture(self, id: str, picture: Picture) -> Doc:
        self.world.put_blob(self.STORE, id, picture.mime, picture.data)
        return {
            "width": picture.width,
            "height": picture.height,
            "sha256": hashlib.sha256(picture.data).hexdigest(),
        }

    def picture_url(self, id: str) -> str:
        return f"{self.url}/www/photo/{id}"

    @route("GET", "/www/photo/<id>", browser=True)
    def show_picture(self, request: Request, id: str) -> Response:
        blob = self.world.get_blob(self.STORE, id)
        if not blob:
            return pages.no_page(self)
        answer = Response(blob[1], mimetype=blob[0])
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    @route("GET", "/www/<id>/picture", browser=True)
    def profile_picture(self, request: Request, id: str) -> Response:
        if not self.kind_of(id):
            return pages.no_page(self)
        return Response(stand_in().data, mimetype="image/jpeg")
