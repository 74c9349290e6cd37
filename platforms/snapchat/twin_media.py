"""Uploads to a public profile: encrypted, in parts, decrypted and looked into.

Parts wait in files of their own; FINALIZE joins and decrypts them outside of the
world's lock. What is wrong with a file is told by the call that posts it.
Source: https://developers.snap.com/api/marketing-api/Public-Profile-API/
ProfileAssetManagement .
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Route, route
from ..practice.moving import KEPT_BYTES, measured
from ..practice.pulled import still
from .twin_calls import (
    INVALID,
    PROCESSING,
    Caller,
    Calls,
    Refused,
    api,
    invalid,
    missing,
    sent_json,
    text_of,
)

MAX_PARTS = 35
#: A larger body holds a part.
SMALL_BYTES = 4096
BLOCK = 1024 * 1024
ADD, FINALIZE = "POST {add_path}", "POST {finalize_path}"
PATH = "/us/v1/public_profiles/<id>/media/<media_id>/multipart-upload"
IMAGE_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png"}
STORED = "snapchat.stored"
FOUND = "snapchat.found"


class Undecipherable(Exception):
    """The parts are not what the key and the IV have encrypted."""


def decrypted(parts: Iterator[IO[bytes]], key: bytes, iv: bytes) -> Iterator[bytes]:
    """AES-256-CBC with PKCS#7, block after block; Undecipherable for anything else."""
    opened = Cipher(AES256(key), CBC(iv)).decryptor()
    unpadded = PKCS7(128).unpadder()
    try:
        for part in parts:
            while block := part.read(BLOCK):
                yield unpadded.update(opened.update(block))
        yield unpadded.update(opened.finalize())
        yield unpadded.finalize()
    except ValueError as error:
        raise Undecipherable from error


def looked_into(file: IO[bytes]) -> Doc:
    """kind, mime, pixels, and of a video its seconds and codecs; kind "" for neither."""
    file.seek(0)
    picture = still(file)
    if picture:
        mime = IMAGE_TYPES.get(picture.format, "")
        sides = {"width": picture.width, "height": picture.height}
        return {"kind": "IMAGE", "mime": mime, **sides}
    file.seek(0)
    moving = measured(file)
    if not moving or not moving.video:
        return {"kind": "", "mime": ""}
    is_mp4 = "mp4" in moving.container
    is_known = is_mp4 and moving.video == "h264" and moving.audio in ("", "aac")
    return {
        "kind": "VIDEO",
        "mime": "video/mp4" if is_known else "",
        "width": moving.width,
        "height": moving.height,
        "duration_s": moving.duration_s,
    }


def _secret(body: Doc, name: str, size: int) -> str:
    """A key or an IV in base64, as it was sent."""
    value = text_of(body, name, 100, 1)
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{name}: it is not base64") from None
    if len(data) != size:
        raise invalid(f"{name}: {size} bytes are wanted")
    return value


class Media(Calls):
    @api("POST", "/v1/public_profiles/<id>/media", "POST /public_profiles/:id/media")
    def create_media(self, request: Request, caller: Caller, id: str) -> Doc:
        self.profile_for(caller, id)
        body = sent_json(request)
        if body.get("type") not in ("VIDEO", "IMAGE"):
            raise invalid("type: VIDEO or IMAGE is wanted")
        media = str(uuid.uuid4())
        doc = {
            "id": media,
            "profile": id,
            "type": body["type"],
            "name": text_of(body, "name", 255, 1),
            "key": _secret(body, "key", 32),
            "iv": _secret(body, "iv", 16),
            "parts": {},
            "created_at": self.time(),
            "ready_at": None,
            "stuck": False,
            "problem": "",
            "posted_at": None,
        }
        self.put("media", media, doc)
        path = PATH.replace("<id>", id).replace("<media_id>", media)
        return {"media_id": media, "add_path": path, "finalize_path": path}

    # ------------------------------------------------------------ parts

    def call_of(self, route: Route, request: Request) -> Route:
        """One path stands for both steps of an upload; the action tells them apart."""
        if route.call != ADD or (request.content_length or 0) > SMALL_BYTES:
            return route
        is_end = request.form.get("action") == "FINALIZE"
        return replace(route, call=FINALIZE) if is_end else route

    def prepare(self, route: Route, request: Request) -> None:
        if route.call not in (ADD, FINALIZE):
            return
        media_id, size = request.path.split("/")[-2], request.content_length or 0
        try:
            if size <= self.setting("part_bytes"):
                _ = request.form  # read while nobody is held up
            with self.world.transaction():
                caller = self.caller(request)
                media = self._open(caller, request.path.split("/")[-4], media_id)
                if route.call == ADD:
                    number = self._part_number(request, media)
                else:
                    self._sizes(media)
        except (Refused, HTTPException):
            return  # the handler says so
        if route.call == FINALIZE:
            request.environ[FOUND] = self._join(media)
            return
        with self._part(media_id, number).open("wb") as kept:
            shutil.copyfileobj(request.files["file"].stream, kept, BLOCK)
            request.environ[STORED] = (number, kept.tell())

    def _part(self, media: str, number: int) -> Any:
        return self.world.file(self.slug, f"{media}-{number}")

    @api("POST", PATH, ADD, large=True)
    def upload(self, request: Request, caller: Caller, id: str, media_id: str) -> Doc:
        self.profile_for(caller, id)
        is_small = (request.content_length or 0) <= SMALL_BYTES
        if is_small and request.form.get("action") == "FINALIZE":
            return self._finalize(request, caller, id, media_id)
        media = self._open(caller, id, media_id)
        number = self._part_number(request, media)
        stored, size = request.environ.get(STORED, (0, 0))
        if stored != number:
            raise invalid("part_number: parts came side by side")
        media["parts"][str(number)] = size
        if sum(media["parts"].values()) > self.setting("video_bytes") + 16:
            raise Refused(413, INVALID, "The file is too large")
        self.put("media", media_id, media)
        return {}

    def _open(self, caller: Caller, profile: str, media_id: str) -> Doc:
        media = self.get("media", media_id)
        if not media or media["profile"] != profile:
            raise missing(f"media {media_id}")
        if media["ready_at"] is not None:
            raise invalid("The upload is finalized already")
        return media

    def _part_number(self, request: Request, media: Doc) -> int:
        if (request.content_length or 0) > self.setting("part_bytes"):
            raise Refused(413, INVALID, "The request is too large")
        if request.form.get("action") != "ADD":
            raise invalid("action: ADD or FINALIZE is wanted")
        told = request.form.get("part_number", "")
        if not re.fullmatch(r"[1-9][0-9]?", told) or int(told) > MAX_PARTS:
            raise invalid(f"part_number: 1 to {MAX_PARTS} is wanted")
        if "file" not in request.files:
            raise invalid("file: it is missing")
        number, following = int(told), len(media["parts"]) + 1
        is_again = number < following and self.setting("part_again") == "overwrites"
        if number != following and not is_again:
            raise invalid(f"part_number: {following} is wanted")
        return number

    # ------------------------------------------------------------ the whole

    def _sizes(self, media: Doc) -> list[int]:
        if not media["parts"]:
            raise invalid("No part has come")
        return list(media["parts"].values())

    def _join(self, media: Doc) -> Doc:
        """Decrypt the parts into one file, and look into it."""
        key, iv = (base64.b64decode(media[name]) for name in ("key", "iv"))
        seen, path = hashlib.sha256(), self.world.file(self.slug, media["id"])

        def parts() -> Iterator[IO[bytes]]:
            for number in range(1, len(media["parts"]) + 1):
                with self._part(media["id"], number).open("rb") as part:
                    yield part

        with path.open("w+b") as whole:
            try:
                for block in decrypted(parts(), key, iv):
                    seen.update(block)
                    whole.write(block)
            except Undecipherable:
                return {"size": 0, "sha256": "", "kind": "", "mime": ""}
            found = {"size": whole.tell(), "sha256": seen.hexdigest()}
            return found | looked_into(whole)

    def _finalize(
        self, request: Request, caller: Caller, id: str, media_id: str
    ) -> Doc:
        known = self.get("media", media_id)
        is_again = known and known["profile"] == id and known["ready_at"] is not None
        if is_again and self.setting("finalize_again") == "same_answer":
            return {}
        media = self._open(caller, id, media_id)
        self._sizes(media)
        found = request.environ.get(FOUND)
        if found is None:
            raise invalid("FINALIZE came together with a part")
        for number in media["parts"]:
            self._part(media_id, int(number)).unlink(missing_ok=True)
        found["is_kept"] = bool(found["kind"]) and found["size"] <= KEPT_BYTES
        if not found["is_kept"]:
            self.world.file(self.slug, media_id).unlink(missing_ok=True)
        ends = self.setting("processing_ends")
        is_video = media["type"] == "VIDEO"
        media |= {
            "key": "",
            "iv": "",
            "file": found,
            "ready_at": self.time() + is_video * self.setting("processing_s"),
            "stuck": ends == "never",
            "problem": "Transcoding failed" if ends == "failed" else "",
        }
        self.put("media", media_id, media)
        return {}

    # ------------------------------------------------------------ to be posted

    def postable(self, profile: Doc, media_id: object) -> Doc:
        """An upload that may be posted now; what its file is like is asked later."""
        media = self.get("media", media_id) if isinstance(media_id, str) else None
        if not isinstance(media_id, str) or not media_id:
            raise invalid("media_id: it is missing")
        if not media or media["profile"] != profile["id"]:
            raise missing(f"media {media_id}")
        now = self.time()
        if now >= media["created_at"] + self.setting("media_life_s"):
            raise Refused(0, "MEDIA_EXPIRED")
        if media["ready_at"] is None:
            raise invalid("media_id: the upload is not finalized")
        if media["stuck"] or now < media["ready_at"]:
            raise Refused(0, PROCESSING)
        posted = media["posted_at"]
        if posted is not None and now - posted < self.setting("posting_s"):
            raise Refused(0, "MEDIA_POSTING_ALREADY_IN_PROGRESS")
        if posted is not None and self.setting("media_twice") == "refused":
            raise invalid("media_id: it has been posted already")
        return media

    def check_file(self, media: Doc, kinds: tuple[str, ...], shortest_s: float) -> None:
        """Hold the decrypted file to what a post of this sort may have."""
        file = media["file"]
        if media["problem"]:
            raise invalid(media["problem"])
        if not file["mime"] or file["kind"] != media["type"]:
            raise invalid("The media could not be read")
        if media["type"] not in kinds:
            raise invalid(f"The media type {media['type']} is not taken here")
        most = "image_bytes" if file["kind"] == "IMAGE" else "video_bytes"
        if file["size"] > self.setting(most):
            raise invalid("The media is too large")
        is_video = file["kind"] == "VIDEO"
        if is_video and not shortest_s <= round(file["duration_s"], 1) <= 60:
            raise invalid(f"The video must be {shortest_s:g} to 60 seconds long")

    @route("GET", "/www/media/<id>", browser=True)
    def show_file(self, request: Request, id: str) -> Response:
        media = self.get("media", id)
        if not media or not media.get("file", {}).get("is_kept"):
            return pages.no_page(self)
        mime = media["file"]["mime"] or "application/octet-stream"
        data = self.world.file(self.slug, id).read_bytes()
        headers = {"X-Content-Type-Options": "nosniff"}
        return Response(data, headers=headers, content_type=mime)
