"""Bytes at TikTok: chunks that are put to it, files that it fetches, what is in them.

Chunks go to the disk before the world is held; what they are is looked at there too.
Source: https://developers.tiktok.com/docs/en/content-posting-api-media-transfer-guide
(2026-09-11).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Route, arrived_at, body_of, route
from ..practice.moving import KEPT_BYTES, animation, measured
from ..practice.pulled import pull
from .twin_calls import digest
from .twin_hooks import Hooks
from .twin_publishes import UPLOAD_LIFE_S

PUT = "PUT upload_url"
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")
MB = 1_000_000
MAX_VIDEO_BYTES = 4 * 1024**3
MAX_PHOTO_BYTES = 20 * MB
MIN_CHUNK, MAX_CHUNK = 5 * MB, 64 * MB
MAX_CHUNKS = 1000
CODECS = ("h264", "hevc", "vp8", "vp9")
SIDES = (360, 4096)
RATES = (23, 60)
PHOTO_TYPES = {"jpeg": "image/jpeg", "mpo": "image/jpeg", "webp": "image/webp"}
PHOTO_SIDES = (1080, 1920)
BLOCK = 1024 * 1024
STORED = "tiktok.stored"
PULLED = "tiktok.pulled"


def plan_problem(size: int, chunk: int, count: int, *, is_strict: bool) -> str:
    """What is wrong with a plan of chunks; "" when it is one."""
    if not 1 <= size <= MAX_VIDEO_BYTES:
        return "The video size is invalid"
    is_whole = chunk == size and size <= MAX_CHUNK
    if not is_whole and not MIN_CHUNK <= chunk <= min(MAX_CHUNK, size):
        return "The chunk size is invalid"
    fitting = size // chunk
    if is_strict and size > MAX_CHUNK and fitting == 1:
        return "The chunk size is invalid"
    if count != fitting or count > MAX_CHUNKS:
        return "The total chunk count is invalid"
    return ""


@dataclass(frozen=True)
class Chunk:
    publish: Doc
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size

    @property
    def is_last(self) -> bool:
        return self.end == int(self.publish["size"])


class BadChunk(Exception):
    def __init__(self, status: int, publish: Doc | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.publish = publish


def hashed(file: IO[bytes]) -> str:
    seen = hashlib.sha256()
    file.seek(0)
    while block := file.read(BLOCK):
        seen.update(block)
    return seen.hexdigest()


def looked_into(id: str, file: IO[bytes], size: int, sha256: str) -> Doc:
    """What a file is: kind, mime, size, sha256, pixels, and of a video its format."""
    found: Doc = {"id": id, "size": size, "sha256": sha256, "mime": ""}
    file.seek(0)
    picture = animation(file) if size <= MAX_PHOTO_BYTES else None
    if picture:
        mime = PHOTO_TYPES.get(picture.container, f"image/{picture.container}")
        sides = {"width": picture.width, "height": picture.height}
        return found | sides | {"kind": "image", "mime": mime}
    file.seek(0)
    moving = measured(file)
    if not moving or not moving.video:
        return found | {"kind": "unknown"}
    is_webm = "webm" in moving.container
    return found | {
        "kind": "video",
        "mime": "video/webm" if is_webm else "video/mp4",
        "is_known": is_webm or "mp4" in moving.container,
        "codec": moving.video,
        "rate": float(moving.rate),
        "duration_s": moving.duration_s,
        "width": moving.width,
        "height": moving.height,
    }


def video_problem(found: Doc, longest_s: int) -> str:
    """The fail_reason of a video, judged when all of it is there."""
    if found["kind"] == "believed":
        return ""
    is_video = found["kind"] == "video" and found["is_known"]
    if not is_video or found["codec"] not in CODECS:
        return "file_format_check_failed"
    if found["duration_s"] > longest_s:
        return "duration_check_failed"
    if not RATES[0] <= round(found["rate"], 2) <= RATES[1]:
        return "frame_rate_check_failed"
    if not all(SIDES[0] <= found[side] <= SIDES[1] for side in ("width", "height")):
        return "picture_size_check_failed"
    return ""


def photo_problem(found: Doc) -> str:
    if found["kind"] == "believed":
        return ""
    if found["kind"] != "image" or found["mime"] not in PHOTO_TYPES.values():
        return "file_format_check_failed"
    sides = sorted((found["width"], found["height"]))
    if any(side > most for side, most in zip(sides, PHOTO_SIDES, strict=True)):
        return "picture_size_check_failed"
    return ""


def is_near(host: str) -> bool:
    """Of this machine or its own network, where practising has no https."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".test", ".internal"))


class Media(Hooks):
    # ------------------------------------------------------------ chunks

    def upload_url(self, publish: Doc, token: str) -> str:
        id = publish["upload"]
        return f"{self.url}/upload/video/?upload_id={id}&upload_token={token}"

    def upload_of(self, request: Request) -> Doc | None:
        """The publish that an upload address belongs to."""
        known = self.get("upload", request.args.get("upload_id", ""))
        given = digest(request.args.get("upload_token", ""))
        if not known or not hmac.compare_digest(given, known["token"]):
            return None
        return self.get("publish", known["publish"])

    def chunk_of(self, request: Request) -> Chunk:
        publish = self.upload_of(request)
        if not publish:
            raise BadChunk(404)
        if self.time() >= publish["created_at"] + UPLOAD_LIFE_S:
            raise BadChunk(403, publish)
        told = re.fullmatch(
            r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12})",
            request.headers.get("Content-Range", ""),
        )
        if not told or request.mimetype not in VIDEO_TYPES:
            raise BadChunk(400, publish)
        start, last, total = map(int, told.groups())
        size = last - start + 1
        if total != publish["size"] or size < 1 or size != request.content_length:
            raise BadChunk(400, publish)
        if start != publish["received"]:
            raise BadChunk(416, publish)
        is_last = start == publish["chunk"] * (publish["count"] - 1)
        planned = total - start if is_last else publish["chunk"]
        if size != planned:
            raise BadChunk(400, publish)
        return Chunk(publish, start, size)

    def _store_chunk(self, request: Request) -> None:
        try:
            with self.world.transaction():
                chunk = self.chunk_of(request)
        except BadChunk:
            return  # the handler says so
        id, found = chunk.publish["upload"], None
        path = self.world.file(self.slug, id)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(chunk.start)
            shutil.copyfileobj(body_of(request), file, BLOCK)
            if chunk.is_last:
                found = looked_into(id, file, file.tell(), hashed(file))
        request.environ[STORED] = (chunk.start, found)

    @route("PUT", "/upload/video/", call=PUT, large=True)
    def put_chunk(self, request: Request) -> Response:
        try:
            chunk = self.chunk_of(request)
            start, found = request.environ.get(STORED, (-1, None))
            if start != chunk.start:
                raise BadChunk(416, chunk.publish)
        except BadChunk as bad:
            return self._chunk_answer(bad.status, bad.publish)
        publish = {**chunk.publish, "received": chunk.end}
        if not chunk.is_last:
            self.put("publish", publish["id"], publish)
            return self._chunk_answer(206, publish)
        publish["arrived_at"] = arrived_at(request)
        user = self.get("user", publish["user"]) or {}
        fail = video_problem(found, user["max_duration_s"])
        self.got_bytes(publish, self.kept([found]), fail, self.time())
        return self._chunk_answer(201, publish)

    def _chunk_answer(self, status: int, publish: Doc | None) -> Response:
        answer = Response("", status)
        if publish:
            done = publish["received"]
            if self.setting("uploaded_bytes_as") == "last_index":
                done = max(0, done - 1)
            answer.headers["Content-Range"] = f"bytes 0-{done}/{publish['size']}"
        return answer

    # ------------------------------------------------------------ pulls

    def address_problem(self, url: object) -> str:
        """ "" or why TikTok does not fetch from there: "invalid" or "unverified"."""
        if not isinstance(url, str) or not url.isascii():
            return "invalid"
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return "invalid"
        is_web = parts.scheme == "https" or (parts.scheme == "http" and is_near(host))
        if not is_web or not host or "@" in parts.netloc:
            return "invalid"
        verified = self.setting("verified_prefixes")
        is_own = any(
            url.startswith(own)
            if own.endswith("/")
            else host == own or host.endswith(f".{own}")
            for own in verified
        )
        return "" if is_own or not verified else "unverified"

    def prepare(self, route: Route, request: Request) -> None:
        super().prepare(route, request)
        if route.call == PUT:
            self._store_chunk(request)
            return
        urls = sent_addresses(request)
        with self.world.transaction():
            failing = self.setting("fetch_fails")
            is_fetched = not self.setting("believe_the_address")
            ready = [url for url in urls if not self.address_problem(url)]
            if urls and failing:
                self.set_setting("fetch_fails", max(0, failing - len(urls)))
        if len(ready) == len(urls) and is_fetched:
            request.environ[PULLED] = [
                None if number < failing else self._fetch(url)
                for number, url in enumerate(urls)
            ]

    def _fetch(self, url: str) -> Doc | None:
        got = pull(url, MAX_VIDEO_BYTES, "TikTok-PullFromUrl/1.0")
        if got is None or got.too_long:
            return None
        id = secrets.token_hex(8)
        with got.file:
            found = looked_into(id, got.file, got.size, got.sha256)
            if got.size <= KEPT_BYTES:
                self.world.file(self.slug, id).write_bytes(got.read())
        return found

    def pulled(self, request: Request, urls: list[str]) -> list[Doc | None]:
        """What is behind the addresses; None for nothing."""
        if self.setting("believe_the_address"):
            nothing = {"size": 0, "mime": "", "kind": "believed"}
            return [
                {
                    **nothing,
                    "id": "",
                    "sha256": hashlib.sha256(url.encode()).hexdigest(),
                }
                for url in urls
            ]
        found: list[Doc | None] = request.environ.get(PULLED, [None] * len(urls))
        return found

    def forget_pulled(self, request: Request) -> None:
        for found in request.environ.get(PULLED, []):
            if found:
                self.world.file(self.slug, found["id"]).unlink(missing_ok=True)

    def kept(self, files: Iterable[Doc]) -> list[Doc]:
        """The same, without the bytes of long ones; what is kept can be shown."""
        shown = []
        for file in files:
            is_kept = bool(file["id"]) and file["size"] <= KEPT_BYTES
            if file["id"] and not is_kept:
                self.world.file(self.slug, file["id"]).unlink(missing_ok=True)
            self.put("file", file["id"], {"mime": file["mime"], "is_kept": is_kept})
            shown.append({**file, "is_kept": is_kept})
        return shown

    @route("GET", "/www/media/<id>", browser=True)
    def show_file(self, request: Request, id: str) -> Response:
        file = self.get("file", id)
        if not file or not file["is_kept"]:
            return pages.no_page(self)
        data = self.world.file(self.slug, id).read_bytes()
        headers = {"X-Content-Type-Options": "nosniff"}
        mime = file["mime"] or "application/octet-stream"
        return Response(data, headers=headers, content_type=mime)


def sent_addresses(request: Request) -> list[str]:
    """What a call asks TikTok to fetch; [] also for a body that is none."""
    if request.method != "POST" or "/publish/" not in request.path:
        return []
    try:
        source = json.loads(request.get_data())["source_info"]
        if source["source"] != "PULL_FROM_URL":
            return []
        urls = source.get("photo_images") or [source["video_url"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return urls if isinstance(urls, list) and len(urls) <= 35 else []
