"""Media on an instance: pictures, animated GIFs, videos and sound."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError
from werkzeug.wrappers import Request, Response

from platforms.practice.framework import Doc, json_response, route
from platforms.practice.pages import error_page

from .twin_calls import ApiError, Calls, Who, api, sent_fields

#: How often a media file answers 206 before it is ready, when the switch says so.
POLLS_UNTIL_READY = 2
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
IMAGE_BYTES = 16 * 1024 * 1024
IMAGE_PIXELS = 33_177_600
VIDEO_BYTES = 103_809_024
DESCRIPTION = 1500


class Media(Calls):
    @api("POST", "/api/v2/media", "POST /api/v2/media", "write:media")
    def upload(self, request: Request, who: Who) -> Response:
        id, doc = self._take_file(request, who)
        ready = doc["state"] == "ready"
        return json_response(self._media_json(id, doc), 200 if ready else 202)

    @api("POST", "/api/v1/media", "POST /api/v1/media", "write:media")
    def upload_v1(self, request: Request, who: Who) -> Response:
        id, doc = self._take_file(request, who)
        self.put("media", id, {**doc, "state": "ready"})
        return json_response(self._media_json(id, {**doc, "state": "ready"}))

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
        mime, width, height = _measure(body, file.mimetype or "")
        kind = mime.partition("/")[0]
        if not mime:
            raise ApiError(
                422,
                "Validation failed: File content type is invalid, File is invalid",
            )
        limit = IMAGE_BYTES if kind == "image" else VIDEO_BYTES
        if len(body) > limit:
            megabytes = limit // (1024 * 1024)
            raise ApiError(
                422,
                f"Validation failed: File file size must be less than {megabytes} MB",
            )
        if width * height > IMAGE_PIXELS:
            raise ApiError(422, f"{width}x{height} images are not supported")
        later = kind != "image" or self._is("media") == "later"
        later = later and not self._gotosocial
        id = self._new_id()
        doc = {
            "account": who.id,
            "mime": mime,
            "size": len(body),
            "width": width,
            "height": height,
            "description": description,
            "focus": _focus(request.form.get("focus", "")),
            "state": "processing" if later else "ready",
            "polls_left": POLLS_UNTIL_READY,
            "status": None,
        }
        self.put("media", id, doc)
        self.world.put_blob(self.slug, id, mime, body)
        return id, doc

    def _own_media(self, id: str, who: Who) -> Doc:
        doc = self.get("media", id)
        if doc is None or doc["account"] != who.id or doc["status"] is not None:
            raise ApiError(404, "Record not found")
        return doc

    @api("GET", "/api/v1/media/<id>", "GET /api/v1/media/:id", "write:media")
    def poll_media(self, request: Request, who: Who, id: str) -> Response:
        doc = self._own_media(id, who)
        if doc["state"] == "processing":
            doc["polls_left"] -= 1
            if doc["polls_left"] < 0:
                doc["state"] = "ready"
            self.put("media", id, doc)
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
        size = {"width": doc["width"], "height": doc["height"]}
        if doc["height"]:
            size["size"] = f"{doc['width']}x{doc['height']}"
            size["aspect"] = doc["width"] / doc["height"]
        return {
            "id": id,
            "type": doc["mime"].partition("/")[0],
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
            if doc and doc["account"] == who.id and doc["status"] is None:
                found[id] = doc
        missing = [id for id in ids if id not in found]
        if missing and self._is("unknown_media") == "refused":
            raise ApiError(
                422,
                f"Media {', '.join(missing)} not found or already attached to another"
                " post",
            )
        kinds = [doc["mime"].partition("/")[0] for doc in found.values()]
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


def _measure(body: bytes, declared: str) -> tuple[str, int, int]:
    """(MIME type by the bytes, width, height); ("", 0, 0) for what the server refuses."""
    try:
        with Image.open(io.BytesIO(body)) as image:
            mime = IMAGE_TYPES.get(image.format or "", "")
            return (mime, *image.size) if mime else ("", 0, 0)
    except Image.DecompressionBombError:
        return "image/png", 1 << 16, 1 << 16
    except (UnidentifiedImageError, OSError, ValueError):
        pass
    if body[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "image/heic", 0, 0
    if body[4:8] == b"ftyp" and declared in (*VIDEO_TYPES, *AUDIO_TYPES):
        return declared, 0, 0
    starts = (b"\x1aE\xdf\xa3", b"OggS", b"RIFF", b"ID3", b"\xff\xfb", b"fLaC")
    if body.startswith(starts) and declared in (*VIDEO_TYPES, *AUDIO_TYPES):
        return declared, 0, 0
    return "", 0, 0
