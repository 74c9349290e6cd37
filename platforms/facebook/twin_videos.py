"""Videos that Meta takes: fetched from an address, or sent to its upload host.

Source: https://developers.facebook.com/docs/video-api/guides/reels-publishing ;
https://developers.facebook.com/docs/instagram-platform/content-publishing/ (v26.0).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import IO, ClassVar, cast

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Route, body_of
from ..practice.moving import KEPT_BYTES, Moving, measured
from .twin_errors import GraphError
from .twin_fields import params, text_of
from .twin_graph import Caller
from .twin_pictures import Pictures, fetch_into

#: Of a fetched video so much is read; longer than any may be.
MOST_VIDEO_BYTES = 320 * 1024 * 1024
IN_MEMORY = 1024 * 1024
ENVIRON = "meta.video"
NOTHING_SENT = {"size": 0, "got": 0}


@dataclass(frozen=True)
class Film:
    """found None: nothing that can be played. data: of a short one, to be shown."""

    size: int
    sha256: str
    found: Moving | None
    index_first: bool
    data: bytes = b""

    def facts(self) -> Doc:
        """What is remembered of it."""
        found = asdict(self.found) if self.found else {}
        facts = {"size": self.size, "sha256": self.sha256, **found}
        return facts | {"rate": str(found.get("rate", 0)), "moving": True}


def look_into(file: IO[bytes]) -> Film:
    seen, size = hashlib.sha256(), 0
    file.seek(0)
    while block := file.read(IN_MEMORY):
        seen.update(block)
        size += len(block)
    file.seek(0)
    found = measured(file)
    index_first = _index_first(file)
    file.seek(0)
    data = file.read() if size <= KEPT_BYTES else b""
    return Film(size, seen.hexdigest(), found, index_first, data)


def _index_first(file: IO[bytes]) -> bool:
    """Whether the box with the index stands before that with the pictures."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8 or head[4:8] == b"mdat":
            return False
        if head[4:8] == b"moov":
            return True
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:16], "big") if size == 1 else size
        if size < 8:
            return False
        at += size


def stand_in() -> Film:
    """What a believed address is taken to hold."""
    found = Moving("mov,mp4", 1080, 1920, 10.0, Fraction(30), 300, "h264", "aac")
    return Film(1_000_000, "0" * 64, found, index_first=True)


class Videos(Pictures):
    #: call -> the parameter that names the address of a video
    FETCHED_VIDEOS: ClassVar[Mapping[str, str]] = {}

    def prepare(self, route: Route, request: Request) -> None:
        super().prepare(route, request)
        url = text_of(params(request), self.FETCHED_VIDEOS.get(route.call, ""))
        if not url:
            return
        with self.world.transaction():
            if left := self.setting("fetch_fails"):
                self.set_setting("fetch_fails", left - 1)
                return
            if self.setting("believe_the_address"):
                request.environ[ENVIRON] = stand_in()
                return
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
            file = cast(IO[bytes], spool)
            if fetch_into(url, file, MOST_VIDEO_BYTES):
                request.environ[ENVIRON] = look_into(file)

    def video_at(self, request: Request) -> Film | None:
        """What `prepare` has fetched; None: nothing was there."""
        film = request.environ.get(ENVIRON)
        return film if isinstance(film, Film) else None

    def keep_video(self, id: str, film: Film) -> Doc:
        if film.data:
            self.world.put_blob(self.STORE, id, "video/mp4", film.data)
        return film.facts()

    # ------------------------------------------------------------ the upload host

    def rupload(
        self,
        request: Request,
        version: str,
        take: Callable[[Caller], tuple[str, Doc]],
        done: Callable[[Film], None],
    ) -> Response:
        """Bytes from an offset on, to the end of the file.

        take: finds what they are for, (kind, document), or raises a GraphError. done:
        is told of the whole file.
        """
        try:
            self._check_version(version)
            caller = self._caller(request, self.host_of(request))
            kind, doc = take(caller)
        except GraphError:
            inner = {
                "success": False,
                "error": {"message": "unauthorized user request"},
            }
            return self._upload_refused("ProcessingFailedError", json.dumps(inner))
        sent = doc.get("upload") or NOTHING_SENT
        got, size = int(sent["got"]), _number(request.headers.get("file_size"))
        if size < 1 or sent["size"] not in (0, size):
            return self._upload_refused("PartialRequestError", "Invalid file_size")
        if _number(request.headers.get("offset")) != got:
            return self._upload_refused(
                "OffsetInvalidError", f"Request starting offset is invalid, want {got}"
            )
        more = request.content_length or 0
        if got + more > size:
            return self._upload_refused("PartialRequestError", "Too many bytes")
        kept: int | None = self.setting("upload_keeps")
        if kept is not None:
            self.set_setting("upload_keeps", None)
            more = min(more, kept)
        path = self.world.file(self.STORE, doc["id"])
        with path.open("r+b" if got else "wb") as file:
            file.seek(got)
            copy(body_of(request), file, more)
        got += more
        self.put(kind, doc["id"], {**doc, "upload": {"size": size, "got": got}})
        if got < size:
            text = "Partial request (did not match length of file)"
            return self._upload_refused("PartialRequestError", text)
        with path.open("rb") as file:
            film = look_into(file)
        path.unlink()
        done(film)
        return self.json({"success": True, "message": "Upload successful."})

    def _upload_refused(self, type: str, message: str) -> Response:
        retriable = type != "ProcessingFailedError"
        told = {"retriable": retriable, "type": type, "message": message}
        return self.json({"debug_info": told}, 400)


def uploading_phase(upload: Doc | None, spelled: str) -> Doc:
    """How far an upload is. spelled: the name that the count of bytes goes by."""
    sent = upload or NOTHING_SENT
    phase = "in_progress" if sent["got"] else "not_started"
    phase = "complete" if sent["got"] and sent["got"] == sent["size"] else phase
    return {"status": phase, spelled: sent["got"], "source_file_size": sent["size"]}


def copy(source: IO[bytes], file: IO[bytes], count: int) -> None:
    while count and (block := source.read(min(IN_MEMORY, count))):
        file.write(block)
        count -= len(block)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 15 else -1
