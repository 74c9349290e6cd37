"""Videos: registered, sent to a form of the storage, worked at, then used by a Pin.

Sources: https://developers.pinterest.com/docs/api/v5/media-create/ (v5) ;
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html .
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO
from xml.sax.saxutils import escape

from werkzeug.exceptions import HTTPException
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)
from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Route, body_of, route
from ..practice.moving import KEPT_BYTES, measured
from .twin_calls import Caller, Refused, invalid
from .twin_login import PLACE
from .twin_pictures import Pictures

UPLOAD = "POST upload"
ENVIRON = "pinterest.form"
MOST_BYTES = 2 * 1024**3
SECONDS = (4, 15 * 60)
RATIOS = (1 / 2, 1.91)
IN_MEMORY = 8 * 1024 * 1024
MAX_FIELD = 20_000
CONTENT_TYPE = "multipart/form-data"


@dataclass
class Form:
    """A form as the storage reads it: what comes after the file does not count."""

    fields: dict[str, str] = field(default_factory=dict)
    file: IO[bytes] | None = None
    size: int = 0
    sha256: str = ""


class BadForm(Exception):
    """The body is no form that can be read."""


def read_form(body: IO[bytes], boundary: str) -> Form:
    """BadForm when it is none; reading ends with the file, which must be the last."""
    # Its own limit is one for what it holds, and that may be a block of the file.
    decoder = MultipartDecoder(boundary.encode())
    form, seen = Form(), hashlib.sha256()
    name, is_file = "", False
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                block = body.read(256 * 1024)
                decoder.receive_data(block or None)
            elif isinstance(event, File | Field):
                if form.file:
                    return form
                name, is_file = event.name or "", event.name == "file"
                if is_file:
                    # The handler reads it and drops it.
                    form.file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
            elif isinstance(event, Data) and is_file and form.file:
                form.file.write(event.data)
                seen.update(event.data)
                form.size += len(event.data)
                form.sha256 = seen.hexdigest()
            elif isinstance(event, Data):
                known = form.fields.get(name, "")
                form.fields[name] = known + event.data.decode(errors="replace")
                if len(form.fields[name]) > MAX_FIELD:
                    raise BadForm
            elif isinstance(event, Epilogue):
                return form
    except (ValueError, HTTPException):
        raise BadForm from None


def is_fine(form: Form, facts: Doc) -> bool:
    """Whether Pinterest can make a video of the file; measures it into `facts`."""
    assert form.file is not None
    form.file.seek(0)
    found = measured(form.file)
    if not found or found.container != "mp4" or not found.video:
        return False
    facts |= {"width": found.width, "height": found.height}
    facts["duration_ms"] = round(found.duration_s * 1000)
    return (
        (found.video in ("h264", "hevc") and found.audio in ("", "aac"))
        and SECONDS[0] <= found.duration_s <= SECONDS[1]
        and RATIOS[0] <= found.width / found.height <= RATIOS[1]
    )


class Media(Pictures):
    # ------------------------------------------------------------ registering, looking

    @route("POST", f"{PLACE}/media", call="POST /media")
    def register(self, request: Request, place: str) -> Response:
        def work(caller: Caller) -> Response:
            kind = self.body(request).get("media_type")
            if kind != "video":
                raise invalid(f"{kind!r} is not one of ['video']")
            media: Doc = {
                "id": self.next_id(5_212_123_920_968_240_771),
                "place": place,
                "user": caller.id,
                "created_at": self.time(),
                "sent_at": 0.0,
                "looks": 0,
                "is_fine": False,
                "used": False,
                "facts": {},
            }
            media["parameters"] = self._parameters(media)
            self.put("media", media["id"], media)
            answer = {
                "media_id": media["id"],
                "media_type": "video",
                "upload_url": f"{self.url}/upload/",
                "upload_parameters": media["parameters"],
            }
            return self.json(answer, 201)

        return self.api(request, place, "POST /media", work)

    def _parameters(self, media: Doc) -> dict[str, str]:
        at = datetime.fromtimestamp(media["created_at"], UTC)
        ends = media["created_at"] + self.setting("upload_life_s")
        policy = {"expiration": self.stamp(ends) + "Z", "media": media["id"]}
        return {
            "x-amz-date": at.strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-signature": secrets.token_hex(32),
            "x-amz-security-token": secrets.token_urlsafe(48),
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "key": f"uploads/{secrets.token_hex(3)}/{media['id']}:video",
            "policy": base64.b64encode(json.dumps(policy).encode()).decode(),
            "x-amz-credential": f"ASIAPRACTICE/{at:%Y%m%d}/us-east-1/s3/aws4_request",
            "Content-Type": CONTENT_TYPE,
        }

    def media_there(self, caller: Caller, id: str) -> Doc:
        media = self.get("media", id)
        is_own = media and media["user"] == caller.id
        if not media or not is_own or media["place"] != caller.place:
            raise Refused(404, 404, "media not found")
        return media

    def state_of_media(self, media: Doc) -> str:
        if not media["sent_at"]:
            return "registered"
        polls, end = self.setting("video_polls"), self.setting("processing_ends")
        if polls is None:
            spent = self.time() - media["sent_at"]
            is_done = spent >= self.setting("video_processing_s")
        else:
            is_done = media["looks"] > polls
        if not is_done or end == "never":
            return "processing"
        return "succeeded" if media["is_fine"] and end != "failed" else "failed"

    @route("GET", f"{PLACE}/media/<id>", call="GET /media/:id")
    def media(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            media = self.media_there(caller, id)
            media = {**media, "looks": media["looks"] + bool(media["sent_at"])}
            self.put("media", id, media)
            return self._media_shown(media)

        return self.api(request, place, "GET /media/:id", work)

    def _media_shown(self, media: Doc) -> Doc:
        return {
            "media_id": media["id"],
            "media_type": "video",
            "status": self.state_of_media(media),
        }

    @route("GET", f"{PLACE}/media", call="GET /media")
    def media_list(self, request: Request, place: str) -> Response:
        def work(caller: Caller) -> Doc:
            rows = self.all("media", place=place, user=caller.id)
            return self.listed(request, [doc for _, doc in rows], self._media_shown)

        return self.api(request, place, "GET /media", work)

    # ------------------------------------------------------------ the storage's form

    def account_of(self, request: Request) -> str:
        form = request.environ.get(ENVIRON)
        media = self._media_of(form) if isinstance(form, Form) else None
        return str(media["user"]) if media else super().account_of(request)

    def prepare(self, route: Route, request: Request) -> None:
        if route.call != UPLOAD:
            super().prepare(route, request)
            return
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype == CONTENT_TYPE and boundary:
            try:
                request.environ[ENVIRON] = read_form(body_of(request), boundary)
            except BadForm:
                request.environ[ENVIRON] = None

    @route("POST", "/upload/", call=UPLOAD, large=True)
    def upload(self, request: Request) -> Response:
        form = request.environ.get(ENVIRON)
        if "Authorization" in request.headers:
            text = "Only one auth mechanism allowed"
            return _storage_error(400, "InvalidArgument", text)
        if not isinstance(form, Form):
            text = (
                "The body of your POST request is not well-formed multipart/form-data."
            )
            return _storage_error(400, "MalformedPOSTRequest", text)
        if form.file is None:
            text = "POST requires exactly one file upload per request."
            return _storage_error(400, "InvalidArgument", text)
        media = self._media_of(form)
        if not media:
            text = "Invalid according to Policy: Policy Condition failed"
            return _storage_error(403, "AccessDenied", text)
        if self.time() >= media["created_at"] + self.setting("upload_life_s"):
            text = "Invalid according to Policy: Policy expired."
            return _storage_error(403, "AccessDenied", text)
        if form.size > MOST_BYTES:
            text = "Your proposed upload exceeds the maximum allowed size"
            return _storage_error(400, "EntityTooLarge", text)
        self._take(media, form)
        return Response("", 204, headers={"ETag": f'"{secrets.token_hex(16)}"'})

    def _media_of(self, form: Form) -> Doc | None:
        """The registered media whose parameters all came before the file."""
        name = form.fields.get("key", "").rpartition("/")[2]
        media = self.get("media", name.partition(":")[0])
        if not media or media["parameters"] != form.fields:
            return None
        return media

    def _take(self, media: Doc, form: Form) -> None:
        assert form.file is not None
        facts: Doc = {"sha256": form.sha256, "size": form.size}
        fine = is_fine(form, facts)
        self.put(
            "media",
            media["id"],
            {
                **media,
                "sent_at": self.time(),
                "looks": 0,
                "is_fine": fine,
                "facts": facts,
            },
        )
        if fine and form.size <= KEPT_BYTES:
            form.file.seek(0)
            self.world.put_blob(self.slug, media["id"], "video/mp4", form.file.read())


def _storage_error(status: int, code: str, message: str) -> Response:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
        f"<RequestId>{secrets.token_hex(8).upper()}</RequestId></Error>"
    )
    return Response(body, status, mimetype="application/xml")
