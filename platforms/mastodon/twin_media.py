"""Media on an instance: pictures, animated GIFs, videos and sound.

Source: https://docs.joinmastodon.org/methods/media/ .
"""

from __future__ import annotations

import hashlib
import io
import math

from werkzeug.wrappers import Request, Response

from platforms.practice.framework import Doc, json_response, route
from platforms.practice.moving import KEPT_BYTES, Moving, animation, measured
from platforms.practice.pages import error_page

from .twin_calls import VIDEO_LIMITS, ApiError, Calls, Who, api, sent_fields

IMAGE_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}
VIDEO_TYPES = ("video/webm", "video/mp4", "video/quicktime", "video/ogg")
AUDIO_TYPES = (
    "audio/wave",
    "audio/wav",
    "audio/ogg",
    "audio/mpeg",
    "audio/mp3",
    "audio/webm",
    "audio/flac",
    "audio/aac",
    "audio/m4a",
    "audio/mp4",
    "audio/3gpp",
)
MIME_TYPES = [*IMAGE_TYPES.values(), "image/heic", "image/heif"]
MIME_TYPES += [*VIDEO_TYPES, *AUDIO_TYPES]
#: second byte of MP3 (layer III) and of AAC, of each version, with and without a sum
SOUND_STARTS = (0xFB, 0xFA, 0xF3, 0xF2, 0xF1, 0xF0, 0xF9, 0xF8)
IMAGE_BYTES = 16 * 1024 * 1024
IMAGE_PIXELS = 33_177_600
VIDEO_BYTES = 103_809_024
VIDEO_PIXELS = 8_294_400
VIDEO_RATE = 120
DESCRIPTION = 1500
UNUSABLE = "Error processing thumbnail for uploaded media"


class Media(Calls):
    @api("POST", "/api/v2/media", "POST /api/v2/media", "write:media")
    def upload(self, request: Request, who: Who) -> Response:
        id, doc = self._take_file(request, who)
        ready = doc["state"] == "ready"
        return json_response(self._media_json(id, doc), 200 if ready else 202)

    @api("POST", "/api/v1/media", "POST /api/v1/media", "write:media")
    def upload_v1(self, request: Request, who: Who) -> Response:
        id, doc = self._take_file(request, who)
        doc["state"] = doc["outcome"]
        self.put("media", id, doc)
        if doc["state"] == "failed":
            raise ApiError(422, UNUSABLE)
        return json_response(self._media_json(id, doc))

    def _take_file(self, request: Request, who: Who) -> tuple[str, Doc]:
        file = request.files.get("file")
        if file is None:
            raise ApiError(422, "Validation failed: File can't be blank")
        body = file.read()
        description = request.form.get("description") or None
        if description and len(description) > DESCRIPTION:
            raise ApiError(
                422,
                "Validation failed: Description is too long"
                f" (maximum is {DESCRIPTION} characters)",
            )
        mime, found = _looked_into(body, file.mimetype or "")
        if not mime:
            raise ApiError(
                422,
                "Validation failed: File content type is invalid, File is invalid",
            )
        self._check_file(mime, len(body), found)
        if self._is("processing") == "trouble":
            raise ApiError(500, UNUSABLE)
        thumbnail = self._thumbnail(request)
        kind = _kind(mime, found)
        later = kind != "image" or self._is("media") == "later"
        is_good = found is not None and self._is("processing") != "fails"
        outcome = "ready" if is_good or kind == "image" else "failed"
        if self._gotosocial and outcome == "failed":
            raise ApiError(422, UNUSABLE)
        id = self._new_id()
        doc = {
            "account": who.id,
            "mime": mime,
            "kind": kind,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "width": found.width if found else 0,
            "height": found.height if found else 0,
            "duration_s": found.duration_s if found else 0.0,
            "rate": str(found.rate) if found else "0",
            "description": description,
            "focus": _focus(request.form.get("focus", "")),
            "thumbnail": hashlib.sha256(thumbnail).hexdigest() if thumbnail else "",
            "state": "processing" if later and not self._gotosocial else "ready",
            "outcome": outcome,
            "polls_left": int(self._is("media_polls")),
            "status": None,
            "at": self.world.now().timestamp(),
        }
        self.put("media", id, doc)
        if len(body) <= KEPT_BYTES or kind == "image":
            self.world.put_blob(self.slug, id, mime, body)
        return id, doc

    def _thumbnail(self, request: Request) -> bytes:
        """What stands for a video or sound until it is played; b"": the server's own.

        Another file than an image is refused; the words are Mastodon's of other files.
        """
        file = request.files.get("thumbnail")
        if file is None:
            return b""
        body = file.read()
        image = animation(io.BytesIO(body))
        mime = IMAGE_TYPES.get(image.container.upper(), "") if image else ""
        if not mime or self._is("thumbnails") == "refused":
            raise ApiError(422, "Validation failed: Thumbnail content type is invalid")
        self._check_file(mime, len(body), image)
        return body

    def _media_limits(self) -> dict[str, int]:
        """What the instance tells of itself, and holds files to."""
        limits = {
            "image_size_limit": IMAGE_BYTES,
            "image_matrix_limit": IMAGE_PIXELS,
            "video_size_limit": VIDEO_BYTES,
            "video_matrix_limit": VIDEO_PIXELS,
            "video_frame_rate_limit": VIDEO_RATE,
        }
        own = {name: int(self._is(name)) for name in limits if name in VIDEO_LIMITS}
        return {name: own.get(name) or value for name, value in limits.items()}

    def _check_file(self, mime: str, size: int, found: Moving | None) -> None:
        limits = self._media_limits()
        is_image = mime.startswith("image/")
        limit = limits["image_size_limit" if is_image else "video_size_limit"]
        if size > limit:
            shown = f"{limit // (1024 * 1024)} MB" if limit >> 20 else f"{limit} Bytes"
            raise ApiError(
                422, f"Validation failed: File file size must be less than {shown}"
            )
        if not found:
            return
        matrix = limits["image_matrix_limit" if is_image else "video_matrix_limit"]
        if found.width * found.height > matrix:
            what = "images" if is_image else "videos"
            raise ApiError(
                422, f"{found.width}x{found.height} {what} are not supported"
            )
        if math.floor(found.rate) > limits["video_frame_rate_limit"]:
            raise ApiError(422, f"{math.floor(found.rate)}fps videos are not supported")

    def _own_media(self, id: str, who: Who) -> Doc:
        doc = self.get("media", id)
        if doc is None or not self._is_free(doc, who):
            raise ApiError(404, "Record not found")
        return doc

    def _is_free(self, doc: Doc, who: Who) -> bool:
        """The caller's, in no post, and not cleared away meanwhile."""
        life = int(self._is("media_life_s"))
        now = self.world.now().timestamp()
        is_kept = not life or doc.get("at", now) + life > now
        return doc["account"] == who.id and doc["status"] is None and is_kept

    @api("GET", "/api/v1/media/<id>", "GET /api/v1/media/:id", "write:media")
    def poll_media(self, request: Request, who: Who, id: str) -> Response:
        doc = self._own_media(id, who)
        if doc["state"] == "processing":
            doc["polls_left"] -= 1
            if doc["polls_left"] < 0 and self._is("processing") != "never":
                doc["state"] = doc.get("outcome", "ready")
            self.put("media", id, doc)
        if doc["state"] == "failed":
            raise ApiError(422, UNUSABLE)
        ready = doc["state"] == "ready"
        return json_response(self._media_json(id, doc), 200 if ready else 206)

    @api("PUT", "/api/v1/media/<id>", "PUT /api/v1/media/:id", "write:media")
    def edit_media(self, request: Request, who: Who, id: str) -> Response:
        doc = self._own_media(id, who)
        sent = sent_fields(request)
        if "description" in sent:
            doc["description"] = str(sent["description"])[:DESCRIPTION] or None
        if "focus" in sent:
            doc["focus"] = _focus(str(sent["focus"]))
        self.put("media", id, doc)
        return json_response(self._media_json(id, doc))

    @api("DELETE", "/api/v1/media/<id>", "DELETE /api/v1/media/:id", "write:media")
    def delete_media(self, request: Request, who: Who, id: str) -> Response:
        self._own_media(id, who)
        self.drop("media", id)
        self.world.delete_blob(self.slug, id)
        return json_response({})

    def _media_json(self, id: str, doc: Doc) -> Doc:
        url = f"{self.url}/media/{id}" if doc["state"] == "ready" else None
        size: Doc = {"width": doc["width"], "height": doc["height"]}
        if doc["height"]:
            size["size"] = f"{doc['width']}x{doc['height']}"
            size["aspect"] = doc["width"] / doc["height"]
        if doc.get("duration_s"):
            size |= {"frame_rate": doc["rate"], "duration": doc["duration_s"]}
        return {
            "id": id,
            "type": kind_of(doc),
            "url": url,
            "preview_url": url,
            "remote_url": None,
            "text_url": None,
            "meta": {"focus": doc["focus"], "original": size},
            "description": doc["description"],
            "blurhash": "UFBWY:8_0Jxv4mx]t8t64.%M-:IUWGWAt6M}",
        }

    @route("GET", "/media/<id>", browser=True)
    def media_file(self, request: Request, id: str) -> Response:
        found = self.world.get_blob(self.slug, id)
        if found is None:
            return error_page(self, "Not here", "There is no such file.", 404)
        response = Response(found[1], mimetype=found[0])
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _attachable(self, ids: list[str], has_poll: bool, who: Who) -> list[str]:
        limit = self._content_limits()["media"]
        if len(ids) > limit or (ids and has_poll):
            if self._gotosocial:
                raise ApiError(
                    400, f"Bad Request: media files exceed max count ({limit})"
                )
            raise ApiError(422, f"Cannot attach more than {limit} files")
        found = {}
        for id in ids:
            doc = self.get("media", id)
            if doc and self._is_free(doc, who):
                found[id] = doc
        missing = [id for id in ids if id not in found]
        if missing and self._is("unknown_media") == "refused":
            raise ApiError(
                422,
                f"Media {', '.join(missing)} not found or already attached to another"
                " post",
            )
        kinds = [kind_of(doc) for doc in found.values()]
        if len(kinds) > 1 and set(kinds) != {"image"}:
            raise ApiError(
                422, "Cannot attach a video to a post that already contains images"
            )
        if any(doc["state"] != "ready" for doc in found.values()):
            raise ApiError(
                422,
                "Cannot attach files that have not finished processing. Try again in a"
                " moment!",
            )
        return [id for id in ids if id in found]


def _focus(value: str) -> dict[str, float]:
    try:
        x, y = (max(-1.0, min(1.0, float(part))) for part in value.split(","))
    except ValueError:
        x, y = 0.0, 0.0
    return {"x": x, "y": y}


def _kind(mime: str, found: Moving | None) -> str:
    """As the attachment's `type` has it."""
    is_moving = mime == "image/gif" and found is not None and found.frames > 1
    return "gifv" if is_moving else mime.partition("/")[0]


def kind_of(doc: Doc) -> str:
    return str(doc.get("kind") or doc["mime"].partition("/")[0])


def _looked_into(body: bytes, declared: str) -> tuple[str, Moving | None]:
    """(MIME type by the bytes, what was found); ("", None) for what is refused at once.

    A type with nothing found: it begins well, and shows in processing that it is broken.
    """
    image = animation(io.BytesIO(body))
    if image:
        mime = IMAGE_TYPES.get(image.container.upper(), "")
        return (mime, image) if mime else ("", None)
    if body[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "image/heic", Moving("heic")
    sounds = [b"\xff" + bytes([kind]) for kind in SOUND_STARTS]
    starts = (b"\x1aE\xdf\xa3", b"OggS", b"RIFF", b"ID3", b"fLaC", *sounds)
    is_known = body[4:8] == b"ftyp" or body.startswith(starts)
    if not is_known or declared not in (*VIDEO_TYPES, *AUDIO_TYPES):
        return "", None
    found = measured(io.BytesIO(body))
    if found and declared in VIDEO_TYPES and not found.video:
        return "audio" + declared.removeprefix("video"), found
    return declared, found
