"""Pictures, animated GIFs and videos on X."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping

from PIL import Image
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, route
from .twin_calls import ID, Caller, Calls, Refused, invalid, sent_json

MEDIA_LIFE_S = 86400
IMAGE_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_GIF_BYTES = 15 * 1024 * 1024
MAX_VIDEO_BYTES = 17_179_869_184
MAX_SEGMENT_BYTES = 8 * 1024 * 1024
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm", "video/mp2t")
MEDIA_KEYS = {
    "tweet_image": "3",
    "dm_image": "3",
    "tweet_gif": "16",
    "tweet_video": "7",
}
BAD_MEDIA = "Your media IDs are invalid."


def bad_media() -> Refused:
    return Refused(400, "Invalid Request", BAD_MEDIA)


class Media(Calls):
    def _attachable(self, body: Doc, caller: Caller) -> list[Doc]:
        """The uploads that a post names: one user's, alive, ready, and fitting."""
        ids = body.get("media", {}).get("media_ids", [])
        media = []
        now = self.time()
        for id in ids:
            doc = self.get("media", id)
            usable = (
                doc
                and doc["user"] == caller.id
                and doc["expires_at"] > now
                and doc["category"] in ("tweet_image", "tweet_gif", "tweet_video")
                and self._processing(doc)["state"] == "succeeded"
                and doc["ready_at"] + self.setting("media_lag_s") <= now
            )
            if not doc or not usable:
                raise bad_media()
            media.append(doc)
        moving = [doc for doc in media if doc["category"] != "tweet_image"]
        if (moving and len(media) > 1) or len(set(ids)) < len(ids):
            raise bad_media()
        return media

    def _media_json(self, media: Doc, wanted: frozenset[str]) -> Doc:
        kinds = {"tweet_gif": "animated_gif", "tweet_video": "video"}
        kind = kinds.get(media["category"], "photo")
        shown: Doc = {"media_key": media["media_key"], "type": kind}
        values = {
            "alt_text": media["alt"],
            "width": media["width"],
            "height": media["height"],
            "url": f"{self.web}/media/{media['id']}" if kind == "photo" else None,
        }
        shown |= {
            name: value for name, value in values.items() if name in wanted and value
        }
        return shown

    @route("POST", "/2/media/upload")
    def upload(self, request: Request) -> Response:
        return self._api(request, "POST /2/media/upload", self._upload)

    def _upload(self, request: Request, caller: Caller) -> Response:
        self._query(request, ())
        data, category = self._uploaded(request)
        self._permit(caller, "POST /2/media/upload")
        if category not in ("tweet_image", "dm_image"):
            raise invalid(
                (f"media_category [{category}] is not valid for a simple upload", {})
            )
        if len(data) > MAX_IMAGE_BYTES:
            raise invalid((f"File size exceeds {MAX_IMAGE_BYTES} bytes.", {}))
        mime, width, height = self._measure(data)
        media = self._new_media(caller, category, mime, len(data), width, height)
        self.world.put_blob(self.slug, media["id"], mime, data)
        return self._json(
            {
                "data": {
                    "id": media["id"],
                    "media_key": media["media_key"],
                    "size": len(data),
                    "expires_after_secs": MEDIA_LIFE_S,
                    "image": {"image_type": mime, "w": width, "h": height},
                }
            }
        )

    def _uploaded(self, request: Request) -> tuple[bytes, str]:
        """(bytes, category) of a multipart form or of JSON with base64."""
        if request.mimetype == "multipart/form-data":
            category = request.form.get("media_category", "")
            if "media" in request.files:
                data = request.files["media"].read()
            else:
                data = request.form.get("media", "").encode()
        else:
            body = sent_json(request)
            category = str(body.get("media_category", ""))
            try:
                data = base64.b64decode(str(body.get("media", "")), validate=True)
            except binascii.Error:
                raise invalid(("$.media: is not base64", {})) from None
        wrong: list[tuple[str, Mapping[str, list[str]]]] = []
        if not data:
            wrong.append(("$.media: is missing but it is required", {}))
        if not category:
            wrong.append(("$.media_category: is missing but it is required", {}))
        if wrong:
            raise invalid(*wrong)
        return data, category

    def _measure(self, data: bytes) -> tuple[str, int, int]:
        try:
            with Image.open(io.BytesIO(data)) as image:
                mime = IMAGE_TYPES.get(image.format or "")
                width, height = image.size
                image.verify()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            mime, width, height = None, 0, 0
        if mime is None:
            raise invalid(("media type unrecognized.", {}))
        return mime, width, height

    def _new_media(
        self,
        caller: Caller,
        category: str,
        mime: str,
        size: int,
        width: int = 0,
        height: int = 0,
    ) -> Doc:
        id = self._new_id("media")
        now = self.time()
        media = {
            "id": id,
            "media_key": f"{MEDIA_KEYS[category]}_{id}",
            "user": caller.id,
            "category": category,
            "type": mime,
            "size": size,
            "width": width,
            "height": height,
            "alt": "",
            "ready_at": now,
            "expires_at": now + MEDIA_LIFE_S,
            "error": None,
        }
        self.put("media", id, media)
        return media

    @route("POST", "/2/media/upload/initialize")
    def initialize(self, request: Request) -> Response:
        return self._api(request, "POST /2/media/upload/initialize", self._initialize)

    def _initialize(self, request: Request, caller: Caller) -> Response:
        body = sent_json(request)
        known = {
            "media_type",
            "total_bytes",
            "media_category",
            "shared",
            "additional_owners",
        }
        wrong = [
            f"$.{name}: is not defined in the schema and the schema does not allow "
            "additional properties"
            for name in body
            if name not in known
        ]
        category = body.get("media_category")
        mime = body.get("media_type")
        size = body.get("total_bytes")
        types = {
            "tweet_image": tuple(IMAGE_TYPES.values()),
            "tweet_gif": ("image/gif",),
            "tweet_video": VIDEO_TYPES,
        }
        if category not in types:
            wrong.append("$.media_category: does not have a value in the enumeration")
        elif mime not in types[category]:
            wrong.append("$.media_type: does not have a value in the enumeration")
        if type(size) is not int or not 1 <= size <= MAX_VIDEO_BYTES:
            wrong.append(f"$.total_bytes: must be between 1 and {MAX_VIDEO_BYTES}")
        if wrong:
            raise invalid(*((message, {}) for message in wrong))
        self._permit(caller, "POST /2/media/upload/initialize")
        assert isinstance(size, int)
        limits = {"tweet_image": MAX_IMAGE_BYTES, "tweet_gif": MAX_GIF_BYTES}
        if size > limits.get(str(category), MAX_VIDEO_BYTES):
            raise invalid((f"File size exceeds {limits[str(category)]} bytes.", {}))
        media = self._new_media(caller, str(category), str(mime), size)
        self.put("media", media["id"], {**media, "ready_at": None})
        return self._json(
            {
                "data": {
                    "id": media["id"],
                    "media_key": media["media_key"],
                    "expires_after_secs": MEDIA_LIFE_S,
                }
            }
        )

    @route(
        "POST",
        "/2/media/upload/<id>/append",
        call="POST /2/media/upload/:id/append",
    )
    def append(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            index = request.form.get("segment_index", "")
            if not re.fullmatch(r"[0-9]{1,3}", index):
                raise invalid(("$.segment_index: must be between 0 and 999", {}))
            if "media" not in request.files:
                raise invalid(("$.media: is missing but it is required", {}))
            data = request.files["media"].read()
            self._permit(caller, "POST /2/media/upload/:id/append")
            if len(data) > MAX_SEGMENT_BYTES:
                raise Refused(413, "Payload Too Large", "Segment too large")
            media = self._open_upload(id, caller)
            self.world.put_blob(self.slug, f"{id}:{int(index)}", "", data)
            return self._json({"data": {"expires_at": int(media["expires_at"])}})

        return self._api(request, "POST /2/media/upload/:id/append", work)

    def _open_upload(self, id: str, caller: Caller) -> Doc:
        media = self.get("media", id)
        is_open = (
            media
            and media["user"] == caller.id
            and media["ready_at"] is None
            and media["expires_at"] > self.time()
        )
        if not media or not is_open:
            raise bad_media()
        return media

    @route(
        "POST",
        "/2/media/upload/<id>/finalize",
        call="POST /2/media/upload/:id/finalize",
    )
    def finalize(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            self._permit(caller, "POST /2/media/upload/:id/finalize")
            media = self._open_upload(id, caller)
            data = self._joined(id)
            if len(data) != media["size"]:
                raise invalid(
                    (
                        f"Segments do not add up to provided total file size: "
                        f"{len(data)} of {media['size']} bytes.",
                        {},
                    )
                )
            media |= {"ready_at": self.time(), "error": self._fault_of(media, data)}
            if media["category"] == "tweet_image":
                _, media["width"], media["height"] = self._measure(data)
            self.put("media", id, media)
            self.world.put_blob(self.slug, id, media["type"], data)
            for index in range(1000):
                self.world.delete_blob(self.slug, f"{id}:{index}")
            return self._json({"data": self._upload_state(media)})

        return self._api(request, "POST /2/media/upload/:id/finalize", work)

    def _joined(self, id: str) -> bytes:
        """The segments from 0 on, up to the first that is missing."""
        parts = []
        for index in range(1000):
            segment = self.world.get_blob(self.slug, f"{id}:{index}")
            if not segment:
                break
            parts.append(segment[1])
        return b"".join(parts)

    def _fault_of(self, media: Doc, data: bytes) -> Doc | None:
        is_fine = {
            "tweet_gif": data[:4] == b"GIF8",
            "tweet_video": data[4:8] == b"ftyp"
            or data[:4] == b"\x1a\x45\xdf\xa3"
            or data[:1] == b"G",
        }
        if is_fine.get(media["category"], True):
            return None
        kind = "video" if media["category"] == "tweet_video" else "image"
        return {
            "code": 1,
            "name": "InvalidMedia",
            "message": f"Unsupported {kind} format",
        }

    def _processing(self, media: Doc) -> Doc:
        """`processing_info` of now; uploads that need no work have succeeded."""
        if media["ready_at"] is None:
            return {"state": "pending", "check_after_secs": 1}
        whole = self.setting("video_processing_s")
        if media["category"] in ("tweet_image", "dm_image") or whole <= 0:
            spent = whole = 1.0
        else:
            spent = self.time() - media["ready_at"]
        if spent >= whole:
            if media["error"]:
                return {"state": "failed", "error": media["error"]}
            return {"state": "succeeded", "progress_percent": 100}
        if spent < whole / 4:
            return {"state": "pending", "check_after_secs": 1}
        return {
            "state": "in_progress",
            "check_after_secs": 1,
            "progress_percent": int(100 * spent / whole),
        }

    def _upload_state(self, media: Doc) -> Doc:
        shown = {
            "id": media["id"],
            "media_key": media["media_key"],
            "size": media["size"],
            "expires_after_secs": max(0, int(media["expires_at"] - self.time())),
        }
        if media["category"] in ("tweet_gif", "tweet_video"):
            shown["processing_info"] = self._processing(media)
        return shown

    @route("GET", "/2/media/upload")
    def upload_status(self, request: Request) -> Response:
        return self._api(request, "GET /2/media/upload", self._upload_status)

    def _upload_status(self, request: Request, caller: Caller) -> Response:
        query = self._query(request, {"command", "media_id"})
        if query.get("command") != "STATUS":
            raise invalid(("The `command` query parameter must be STATUS", {}))
        id = self._id("media_id", query.get("media_id", ""))
        self._permit(caller, "GET /2/media/upload")
        media = self.get("media", id)
        if not media or media["user"] != caller.id:
            raise bad_media()
        return self._json({"data": self._upload_state(media)})

    @route("POST", "/2/media/metadata")
    def metadata(self, request: Request) -> Response:
        return self._api(request, "POST /2/media/metadata", self._metadata)

    def _metadata(self, request: Request, caller: Caller) -> Response:
        body = sent_json(request)
        about = body.get("metadata")
        alt = about.get("alt_text") if isinstance(about, dict) else None
        text = alt.get("text") if isinstance(alt, dict) else None
        wrong = [
            f"$.{name}: is not defined in the schema and the schema does not allow "
            "additional properties"
            for name in body
            if name not in ("id", "metadata")
        ]
        id = body.get("id")
        if not isinstance(id, str) or not ID.fullmatch(id):
            wrong.append("$.id: is missing but it is required")
        if not isinstance(text, str):
            wrong.append("$.metadata.alt_text.text: is missing but it is required")
        elif len(text) > 1000:
            wrong.append(
                "$.metadata.alt_text.text: must be at most 1000 characters long"
            )
        if wrong:
            raise invalid(*((message, {}) for message in wrong))
        self._permit(caller, "POST /2/media/metadata")
        media = self.get("media", str(id))
        if (
            not media
            or media["user"] != caller.id
            or media["expires_at"] <= self.time()
            or media["category"] == "tweet_video"
        ):
            raise bad_media()
        self.put("media", str(id), {**media, "alt": text})
        self._bill(5)
        return self._json(
            {"data": {"id": id, "associated_metadata": {"alt_text": {"text": text}}}}
        )

    @route("GET", "/web/media/<id>", browser=True)
    def picture(self, request: Request, id: str) -> Response:
        found = self.world.get_blob(self.slug, id)
        if not found or not found[0].startswith("image/"):
            return pages.no_page(self)
        return Response(
            found[1],
            headers={"X-Content-Type-Options": "nosniff"},
            content_type=found[0],
        )
