"""Pictures and videos that Threads fetches, and what it finds wrong with them.

Source: https://developers.facebook.com/docs/threads/overview (media specifications).
"""

from __future__ import annotations

from fractions import Fraction
from typing import IO

from werkzeug.wrappers import Request, Response

from ..facebook.twin_errors import GraphError, instagram
from ..facebook.twin_fields import params, text_of
from ..practice import pages
from ..practice.framework import Doc, Route, route
from ..practice.moving import KEPT_BYTES, Moving, measured
from ..practice.pulled import Pulled, in_hand, may_be_pulled, pull, stand_in, still
from .twin_graph import ThreadsGraph

CREATE = "POST /:user/threads"
AGENT = "facebookexternalhit/1.1"
ENVIRON = "threads.file"
MIMES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png"}
IMAGE_BYTES = 8 * 1024 * 1024
VIDEO_BYTES = 1024 * 1024 * 1024
VIDEO_BITS = 25_000_000
SECONDS = 300
RATES = (23, 60)
WIDEST = 1920
#: media_type -> (the parameter with the address, most bytes)
SOURCES = {"IMAGE": ("image_url", IMAGE_BYTES), "VIDEO": ("video_url", VIDEO_BYTES)}


def unreachable(url: str) -> GraphError:
    return instagram(
        9004,
        2207052,
        "Only photo or video can be accepted as media type.",
        "Media download has failed",
        f"The media could not be fetched from this URI: {url}",
    )


def wrong_with_image(size: int, format: str, width: int, height: int) -> str:
    """What the container shows as its error, "" when all is well. Width is scaled."""
    if size > IMAGE_BYTES or format not in MIMES:
        return "UNKNOWN"
    long, short = max(width, height), min(width, height)
    return "INVALID_ASPEC_RATIO" if long > 10 * short else ""


def wrong_with_video(size: int, found: Moving | None) -> str:
    if not found or found.video not in ("h264", "hevc") or size > VIDEO_BYTES:
        return "FAILED_PROCESSING_VIDEO"
    if found.audio not in ("", "aac"):
        return "FAILED_PROCESSING_AUDIO"
    if not 0 < found.duration_s <= SECONDS:
        return "INVALID_DURATION"
    if not RATES[0] <= round(found.rate, 2) <= RATES[1]:
        return "INVALID_FRAME_RATE"
    is_odd = not Fraction(1, 100) <= Fraction(found.width, found.height) <= 10
    if is_odd or found.width > WIDEST:
        return "INVALID_ASPEC_RATIO"
    bits = 8 * size / found.duration_s
    return "INVALID_BIT_RATE" if bits > VIDEO_BITS else ""


def index_is_last(file: IO[bytes]) -> bool:
    """Whether the frames of an MP4 come before their index (mdat before moov)."""
    file.seek(0)
    while head := file.read(8):
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if name in (b"moov", b"mdat"):
            return name == b"mdat"
        if size < 8:
            return False
        file.seek(size - 8, 1)
    return False


class Files(ThreadsGraph):
    def prepare(self, route: Route, request: Request) -> None:
        """Fetch the file that a container names, while nobody waits."""
        super().prepare(route, request)
        values = params(request)
        source = SOURCES.get(text_of(values, "media_type"))
        if route.call != CREATE or not source:
            return
        url = text_of(values, source[0])
        with self.world.transaction():
            if left := self.setting("fetch_fails"):
                self.set_setting("fetch_fails", left - 1)
                return
            is_believed = self.setting("believe_the_address")
        if not is_believed:
            request.environ[ENVIRON] = pull(url, source[1], AGENT)
        elif may_be_pulled(url):
            request.environ[ENVIRON] = in_hand(stand_in())

    def file_of(self, request: Request, media_type: str, url: str, id: str) -> Doc:
        """What a container holds: {"error"} or the file's facts, with its bytes kept.

        Raises GraphError when a picture cannot be fetched.
        """
        pulled = request.environ.get(ENVIRON)
        facts: Doc = {"kind": media_type.lower(), "sha256": "", "error": ""}
        if not isinstance(pulled, Pulled):
            if media_type == "VIDEO":
                return {**facts, "error": "FAILED_DOWNLOADING_VIDEO"}
            if self.setting("unreachable_image") == "in_status":
                return {**facts, "error": "UNKNOWN"}
            raise unreachable(url)
        facts |= {"sha256": pulled.sha256, "width": 1000, "height": 1500}
        mime = "image/jpeg"
        if media_type == "IMAGE":
            picture = still(pulled.file)
            if not picture:
                raise unreachable(url)
            facts |= {"width": picture.width, "height": picture.height}
            facts["error"] = wrong_with_image(
                pulled.size, picture.format, picture.width, picture.height
            )
            mime = MIMES.get(picture.format, "application/octet-stream")
        elif not self.setting("believe_the_address"):
            pulled.file.seek(0)
            found = measured(pulled.file)
            facts["error"] = wrong_with_video(pulled.size, found)
            if found:
                facts |= {"width": found.width, "height": found.height}
            if self.setting("moov_first") and index_is_last(pulled.file):
                facts["error"] = "FAILED_PROCESSING_VIDEO"
            mime = "video/mp4"
        if not facts["error"] and pulled.size <= KEPT_BYTES:
            self.world.put_blob(self.slug, id, mime, pulled.read())
        return facts

    def file_url(self, id: str) -> str:
        return f"{self.url}/www/files/{id}"

    @route("GET", "/www/files/<id>", browser=True)
    def show_file(self, request: Request, id: str) -> Response:
        blob = self.world.get_blob(self.slug, id)
        if not blob:
            return pages.no_page(self)
        answer = Response(blob[1], content_type=blob[0])
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    @route("GET", "/www/<id>/picture", browser=True)
    def profile_picture(self, request: Request, id: str) -> Response:
        return Response(stand_in(), mimetype="image/jpeg")
