"""What can be shown in a post of LinkedIn: images, videos, documents.

An image or a document goes by one PUT with the token, a video in parts without it.
Sources, under https://learn.microsoft.com/en-us/linkedin/ :
marketing/community-management/shares/images-api, .../videos-api, .../documents-api.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import secrets
import string
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from pypdf import PdfReader
from pypdf.errors import PyPdfError
from werkzeug.wrappers import Request, Response

from .. import captions
from ..practice import pages
from ..practice.framework import Doc, route
from ..practice.moving import KEPT_BYTES, measured
from .twin_calls import (
    ENDPOINTS,
    IMAGE_REFUSAL,
    POST_ROLES,
    Caller,
    Calls,
    Refused,
    denied,
    missing,
    no_role,
    not_found,
    sent_json,
    unknown,
    wrong_field,
    wrong_query,
    wrong_schema,
)

MAX_PIXELS = 36_152_320
MAX_GIF_FRAMES = 250
IMAGE_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif"}
#: kind -> how its assets begin
ASSETS = {"image": "C4E10AQ", "video": "C5F10AQ", "document": "D5E10AQ"}
PART_BYTES = 4_194_304
MAX_VIDEO_BYTES = 500_000_000
#: what may go beside a video
THUMBNAIL, SAID = "thumbnail", "captions"
MAX_DOCUMENT_BYTES, MAX_DOCUMENT_PAGES = 100_000_000, 300
#: how documents begin: PDF, then DOCX and PPTX, then DOC and PPT
DOCUMENT_STARTS = {
    b"%PDF-": "application/pdf",
    b"PK\x03\x04": "application/zip",
    b"\xd0\xcf\x11\xe0": "application/msword",
}


def wrong_with_video(file: io.BufferedReader, size: int) -> str:
    """Why LinkedIn cannot use a video, "" when it can."""
    found = measured(file)
    if found is None or not found.video or "mp4" not in found.container:
        return "VIDEO_FORMAT_UNSUPPORTED"
    if not 75_000 <= size <= MAX_VIDEO_BYTES:
        return "FILE_SIZE_OUT_OF_RANGE"
    if not 3 <= found.duration_s <= 30 * 60:
        return "DURATION_OUT_OF_RANGE"
    ratio = found.width / max(1, found.height)
    fits = 1 / 2.4 <= ratio <= 2.4 and 10 <= found.rate <= 60
    fits = fits and found.width >= 144 and found.height >= 144
    return "" if fits else "DIMENSIONS_UNSUPPORTED"


def wrong_with_document(data: bytes) -> tuple[str, str]:
    """(MIME type, why LinkedIn cannot use the file); one of the two is empty."""
    kinds = [mime for start, mime in DOCUMENT_STARTS.items() if data.startswith(start)]
    if not kinds:
        return "", "neither PDF, PPT nor DOC"
    if len(data) > MAX_DOCUMENT_BYTES:
        return "", "too many bytes"
    if kinds[0] == "application/pdf":
        try:
            count = len(PdfReader(io.BytesIO(data)).pages)
        except (PyPdfError, ValueError, OSError, KeyError):
            return "", "not a whole PDF"
        if count > MAX_DOCUMENT_PAGES:
            return "", "too many pages"
    return kinds[0], ""


class Media(Calls):
    # ------------------------------------------------------------ opening an upload

    @route("POST", "/api/rest/images", call="POST /rest/images?action=initializeUpload")
    def initialize_image(self, request: Request) -> Response:
        return self._initialize(request, "image", ("mediaLibraryMetadata",))

    @route(
        "POST",
        "/api/rest/documents",
        call="POST /rest/documents?action=initializeUpload",
    )
    def initialize_document(self, request: Request) -> Response:
        return self._initialize(request, "document")

    @route("POST", "/api/rest/videos", call="POST /rest/videos")
    def initialize_or_finalize_video(self, request: Request) -> Response:
        if request.args.get("action") == "finalizeUpload":
            return self._finalize(request)
        known = ("fileSizeBytes", "uploadCaptions", "uploadThumbnail")
        return self._initialize(request, "video", known)

    def _initialize(
        self, request: Request, kind: str, known: tuple[str, ...] = ()
    ) -> Response:
        key = f"POST /rest/{kind}s?action=initializeUpload"

        def work(caller: Caller) -> Response:
            inner = self._action(request, "initializeUpload", ("owner", *known))
            owner = inner.get("owner")
            if not isinstance(owner, str):
                raise wrong_schema(missing("/initializeUploadRequest/owner"))
            self._check_author(caller, owner, ENDPOINTS[key])
            is_content_admin = self._role(caller, owner) == POST_ROLES[1]
            if is_content_admin and not self.setting("content_admin_may_upload"):
                raise no_role()
            asset = self._new_asset(kind, owner)
            if kind == "video":
                return self._json({"value": self._parts_of(asset, inner)})
            return self._json({"value": self._address_of(asset)})

        return self._api(request, key, work)

    def _action(
        self, request: Request, action: str, known: tuple[str, ...]
    ) -> Mapping[str, Any]:
        """The inside of an action's body; its name is that of the action."""
        if self._query(request, "action").get("action") != action:
            raise wrong_query("Query parameter action must name an action")
        body, name = sent_json(request), f"{action}Request"
        inner = body.get(name)
        if not isinstance(inner, dict):
            raise wrong_schema(missing(f"/{name}"))
        wrong = [unknown(f"/{other}") for other in body if other != name]
        wrong += [unknown(f"/{name}/{field}") for field in inner if field not in known]
        if wrong:
            raise wrong_schema(*wrong)
        return inner

    def _new_asset(self, kind: str, owner: str) -> Doc:
        letters = string.ascii_letters + string.digits
        name = ASSETS[kind] + "".join(secrets.choice(letters) for _ in range(12))
        asset = {
            "urn": f"urn:li:{kind}:{name}",
            "kind": kind,
            "asset": name,
            "owner": owner,
            "signature": secrets.token_urlsafe(12),
            "url_ends_at": self.time() + self.setting("upload_url_life_s"),
            "uploaded_at": None,
            "fault": "",
            "type": "",
            "sha256": "",
        }
        self.put(kind, asset["urn"], asset)
        return asset

    def _address_of(self, asset: Doc) -> Doc:
        query = {
            "ca": "vector_feedshare",
            "cn": "uploads",
            "sync": "0",
            "v": "beta",
            "ut": asset["signature"],
        }
        kind = asset["kind"]
        path = f"dms-uploads/{asset['asset']}/uploaded-{kind}/0"
        return {
            "uploadUrlExpiresAt": int(asset["url_ends_at"] * 1000),
            "uploadUrl": f"{self.www}/{path}?{urlencode(query)}",
            kind: asset["urn"],
        }

    def _parts_of(self, asset: Doc, inner: Mapping[str, Any]) -> Doc:
        size = inner.get("fileSizeBytes")
        if type(size) is not int:
            raise wrong_schema(missing("/initializeUploadRequest/fileSizeBytes"))
        if not 0 < size <= 5_000_000_000:
            raise wrong_field(
                "INVALID_VALUE_FOR_FIELD", "fileSizeBytes", "The file has a wrong size"
            )
        ends = self.time() + self.setting("video_url_life_s")
        announced = [
            name
            for flag, name in (("uploadThumbnail", THUMBNAIL), ("uploadCaptions", SAID))
            if inner.get(flag) is True
        ]
        facts = {"size": size, "etags": {}, "url_ends_at": ends, "beside": {}}
        self.put("video", asset["urn"], {**asset, **facts, "announced": announced})
        base = f"{self.www}/dms-uploads/{asset['asset']}"
        query = urlencode({"sau": asset["signature"]})
        return {
            **{f"{name}UploadUrl": f"{base}/{name}?{query}" for name in announced},
            "uploadUrlsExpireAt": int(ends * 1000),
            "video": asset["urn"],
            "uploadToken": self.setting("upload_token"),
            "uploadInstructions": [
                {
                    "uploadUrl": f"{base}/{number}?{query}",
                    "firstByte": first,
                    "lastByte": min(size, first + PART_BYTES) - 1,
                }
                for number, first in enumerate(range(0, size, PART_BYTES), 1)
            ],
        }

    # ------------------------------------------------------------ sending bytes

    def asset(self, urn: str) -> Doc | None:
        """An image, video or document by its URN."""
        kind = urn.split(":")[2] if urn.count(":") == 3 else ""
        return self.get(kind, urn) if kind in ASSETS else None

    def _signed(self, kind: str, name: str, given: str) -> Doc:
        """The asset that an upload's address is for, if its signature is right."""
        asset = self.asset(f"urn:li:{kind}:{name}")
        signature = str(asset["signature"]).encode() if asset else b""
        if not asset or not hmac.compare_digest(given.encode(), signature):
            raise denied("The upload address is not valid")
        if asset["url_ends_at"] <= self.time():
            raise Refused(400, "EXPIRED_UPLOAD_URL", "The upload address has expired")
        return asset

    @route("PUT", "/www/dms-uploads/<name>/uploaded-image/0", call="PUT {uploadUrl}")
    @route("PUT", "/www/dms-uploads/<name>/uploaded-document/0", call="PUT {uploadUrl}")
    def put_file(self, request: Request, name: str) -> Response:
        kind = "image" if "uploaded-image" in request.path else "document"
        try:
            asset = self._signed(kind, name, request.args.get("ut", ""))
            self._caller(request)
        except Refused as refusal:
            return self._json(refusal.body, refusal.status)
        data = request.get_data()
        look = self._measure if kind == "image" else wrong_with_document
        mime, fault = look(data)
        sha256 = hashlib.sha256(data).hexdigest()
        change = {"uploaded_at": self.time(), "fault": fault, "type": mime}
        self.put(kind, asset["urn"], {**asset, **change, "sha256": sha256})
        self.world.put_blob(self.slug, name, mime, data)
        return self._empty(201)

    @route("PUT", "/www/dms-uploads/<name>/<int:number>", call="PUT {uploadUrl} part")
    def put_part(self, request: Request, name: str, number: int) -> Response:
        """One part of a video; sent again it takes the place of the first."""
        try:
            video = self._signed("video", name, request.args.get("sau", ""))
            if request.headers.get("Authorization"):
                raise denied("A signed address takes no Authorization")
            if video["uploaded_at"] is not None:
                raise denied("The upload has been finalized")
            first = (number - 1) * PART_BYTES
            size = min(video["size"], first + PART_BYTES) - first
            data = request.get_data()
            if number < 1 or len(data) != size:
                raise Refused(400, "BAD_REQUEST", "The part has a wrong length")
        except Refused as refusal:
            return self._json(refusal.body, refusal.status)
        path = self.world.file(self.slug, name)
        path.touch()
        with path.open("r+b") as file:
            file.seek(first)
            file.write(data)
        etag = f"/ambry-videoei/signedId/{secrets.token_urlsafe(9)}.bin"
        etags = {**video["etags"], str(number): etag}
        self.put("video", video["urn"], {**video, "etags": etags})
        return self._empty(200, ETag=f'"{etag}"')

    @route("PUT", "/www/dms-uploads/<name>/thumbnail", call="PUT {uploadUrl} thumbnail")
    def put_thumbnail(self, request: Request, name: str) -> Response:
        """The image that stands for a video until it is played."""

        def work(video: Doc) -> None:
            if request.headers.get("media-type-family") != "STILLIMAGE":
                raise Refused(400, "BAD_REQUEST", "No media-type-family: STILLIMAGE")
            data = request.get_data()
            mime, fault = self._measure(data)
            if fault:
                raise Refused(400, "BAD_REQUEST", f"The thumbnail is {fault}")
            self.world.put_blob(self.slug, f"{name}-thumbnail", mime, data)
            self._lay_beside(video, THUMBNAIL, data)

        return self._beside(request, name, THUMBNAIL, work, 201)

    @route("POST", "/www/dms-uploads/<name>/captions", call="POST {captionsUploadUrl}")
    def post_captions(self, request: Request, name: str) -> Response:
        """SRT in a form. What stands beside it there is not documented: only that it is
        said to be SRT is looked at."""

        def work(video: Doc) -> None:
            file = request.files.get("file")
            try:
                about = json.loads(request.form.get("metadata", ""))
                data = file.read() if file else b""
                is_srt = captions.kind_of(data) == captions.SRT
                cues = captions.read(data)
            except (ValueError, RecursionError):
                raise Refused(400, "BAD_REQUEST", "The captions cannot be read")
            if (
                not is_srt
                or not isinstance(about, dict)
                or about.get("format") != "SRT"
            ):
                raise Refused(400, "BAD_REQUEST", "The captions are not SRT")
            locale = about.get("locale") or {}
            said = {"language": locale.get("language", ""), "cues": len(cues)}
            self._lay_beside(video, SAID, data, said)

        return self._beside(request, name, SAID, work, 200)

    def _beside(
        self,
        request: Request,
        name: str,
        what: str,
        work: Callable[[Doc], None],
        status: int,
    ) -> Response:
        try:
            video = self._signed("video", name, request.args.get("sau", ""))
            # Whether it wants the token is not documented: one that is sent has to live.
            if request.headers.get("Authorization"):
                self._caller(request)
            if what not in video["announced"]:
                raise denied("It was not announced")
            if video["uploaded_at"] is not None:
                raise denied("The upload has been finalized")
            if what in self.setting("beside_refused"):
                raise Refused(422, "BAD_REQUEST", f"The {what} cannot be used")
            work(video)
        except Refused as refusal:
            return self._json(refusal.body, refusal.status)
        return self._empty(status)

    def _lay_beside(
        self, video: Doc, what: str, data: bytes, more: Mapping[str, Any] | None = None
    ) -> None:
        laid = {"sha256": hashlib.sha256(data).hexdigest(), **(more or {})}
        beside = {**video["beside"], what: laid}
        self.put("video", video["urn"], {**video, "beside": beside})

    def _finalize(self, request: Request) -> Response:
        key = "POST /rest/videos?action=finalizeUpload"

        def work(caller: Caller) -> Response:
            known = ("video", "uploadToken", "uploadedPartIds")
            inner = self._action(request, "finalizeUpload", known)
            lost = [name for name in known if inner.get(name) is None]
            if lost:
                raise wrong_schema(
                    *(missing(f"/finalizeUploadRequest/{name}") for name in lost)
                )
            video = self.asset(str(inner["video"]))
            if not video or video["kind"] != "video":
                raise not_found()
            self._check_author(caller, video["owner"], ENDPOINTS[key])
            again = video["uploaded_at"] is not None
            count = -(-video["size"] // PART_BYTES)
            wanted = [video["etags"].get(str(n)) for n in range(1, count + 1)]
            fits = inner["uploadedPartIds"] == wanted and None not in wanted
            fits = fits and inner["uploadToken"] == self.setting("upload_token")
            if self.setting("finalize_wants_announced"):
                fits = fits and set(video["announced"]) <= set(video["beside"])
            if not fits or (again and self.setting("finalize_again") == "refused"):
                raise wrong_field(
                    "INVALID_VALUE_FOR_FIELD",
                    "finalizeUploadRequest/uploadedPartIds",
                    "The parts are not those that were uploaded",
                )
            if not again:
                self._join(video)
            return self._empty(200)

        return self._api(request, key, work)

    def _join(self, video: Doc) -> None:
        """Look into the file that the parts make."""
        path = self.world.file(self.slug, video["asset"])
        with path.open("rb") as file:
            fault = wrong_with_video(file, video["size"])
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if video["size"] <= KEPT_BYTES:
            data = path.read_bytes()
            self.world.put_blob(self.slug, video["asset"], "video/mp4", data)
        path.unlink()
        facts = {"uploaded_at": self.time(), "fault": fault, "type": "video/mp4"}
        self.put("video", video["urn"], {**video, **facts, "sha256": sha256})

    def _measure(self, data: bytes) -> tuple[str, str]:
        """(MIME type, why LinkedIn cannot use the image); one of the two is empty."""
        try:
            with Image.open(io.BytesIO(data)) as image:
                mime = IMAGE_TYPES.get(image.format or "")
                width, height = image.size
                frames = getattr(image, "n_frames", 1)
                image.verify()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return "", "not an image"
        if mime is None:
            return "", "neither JPG, PNG nor GIF"
        if width * height >= MAX_PIXELS:
            return "", "too many pixels"
        if frames > MAX_GIF_FRAMES:
            return "", "too many frames"
        return mime, ""

    # ------------------------------------------------------------ reading back

    @route("GET", "/api/rest/images/<urn>", call="GET /rest/images/{urn}")
    def image(self, request: Request, urn: str) -> Response:
        return self._read_asset(request, urn, "image")

    @route("GET", "/api/rest/videos/<urn>", call="GET /rest/videos/{urn}")
    def video(self, request: Request, urn: str) -> Response:
        return self._read_asset(request, urn, "video")

    @route("GET", "/api/rest/documents/<urn>", call="GET /rest/documents/{urn}")
    def document(self, request: Request, urn: str) -> Response:
        return self._read_asset(request, urn, "document")

    def _read_asset(self, request: Request, urn: str, kind: str) -> Response:
        key = f"GET /rest/{kind}s/{{urn}}"

        def work(caller: Caller) -> Response:
            is_member = "w_organization_social" not in caller.scopes
            if kind == "video" and is_member and not self.setting("members_read"):
                raise denied(ENDPOINTS[key].refusal)
            shown = self._asset_json(urn, kind, caller)
            if not shown:
                raise not_found()
            return self._json(shown)

        return self._api(request, key, work)

    @route("GET", "/api/rest/images", call="GET /rest/images")
    def images(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            urns = self._listed(self._query(request, "ids"), "ids")
            docs = {urn: self._asset_json(urn, "image", caller) for urn in urns}
            return self._json(self._found(docs))

        return self._api(request, "GET /rest/images", work)

    def _asset_json(self, urn: str, kind: str, caller: Caller) -> Doc | None:
        asset = self.get(kind, urn)
        if not asset:
            return None
        owner = asset["owner"]
        if owner != caller.urn and self._role(caller, owner) not in POST_ROLES:
            raise denied(IMAGE_REFUSAL.replace("image", kind))
        shown = {"id": urn, "owner": owner, "status": self._asset_status(asset)}
        if shown["status"] == "AVAILABLE":
            ends = int((self.time() + 86400) * 1000)
            shown |= {
                "downloadUrl": self._asset_url(asset),
                "downloadUrlExpiresAt": ends,
            }
        if kind == "video" and shown["status"] == "PROCESSING_FAILED":
            shown["processingFailureReason"] = asset["fault"]
        return shown

    def _asset_status(self, asset: Doc) -> str:
        if asset["uploaded_at"] is None:
            return "WAITING_UPLOAD"
        is_video = asset.get("kind") == "video"
        wait_s = self.setting(
            "video_processing_s" if is_video else "image_processing_s"
        )
        if self.time() < asset["uploaded_at"] + wait_s:
            return "PROCESSING"
        return "PROCESSING_FAILED" if asset["fault"] else "AVAILABLE"

    def _asset_url(self, asset: Doc) -> str:
        return f"{self.www}/dms/{asset.get('kind', 'image')}/{asset['asset']}"

    @route("GET", "/www/dms/<kind>/<asset>", browser=True)
    def picture(self, request: Request, kind: str, asset: str) -> Response:
        found = self.world.get_blob(self.slug, asset)
        if not found or not found[0]:
            return pages.no_page(self)
        return Response(
            found[1],
            headers={"X-Content-Type-Options": "nosniff"},
            content_type=found[0],
        )
