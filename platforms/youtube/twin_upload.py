"""The resumable upload of a video to YouTube, and its thumbnail.

Nothing exists before the last byte; a session answers what came of it to who asks
again. The bytes lie in a file of the world, and the session says how many count.
Source: https://developers.google.com/youtube/data/guides/using_resumable_upload_protocol.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import IO
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Route, arrived_at, body_of, route
from ..practice.moving import KEPT_BYTES
from ..practice.switches import Switch
from .twin_calls import DAY_S, Caller, Refused, forbidden, invalid, missing, sent_json
from .twin_metadata import checked
from .twin_videos import PARTS, THUMBNAILS, Videos, parts_of

VIDEOS = "/api/upload/youtube/v3/videos"
THUMBNAIL = "/api/upload/youtube/v3/thumbnails/set"
UNIT = 262_144
MAX_FILE_BYTES = 274_877_906_944
MAX_THUMBNAIL_BYTES = 52_428_800
RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")

UPLOAD_SWITCHES = (
    Switch("session_life_s", "Life of an upload session (seconds)", 7 * DAY_S),
    Switch("uploads_per_channel", "Uploads of a channel in 24 h (empty: any)", None),
    Switch("thumbnails_per_channel", "Thumbnails of a channel in 24 h", None),
    Switch("privacy_refused", "Privacy settings that are refused", []),
    Switch("licenses_refused", "Licences that are refused", []),
    Switch("short_chunks", "Of so many next chunks half is kept", 0),
    Switch("lost_chunks", "Of so many next chunks nothing is kept", 0),
    Switch("troubled_chunks", "After so many next chunks: kept, and answered 503", 0),
    Switch("unauthorized_chunks", "So many next chunks are answered 401", 0),
    Switch("lost_sessions", "So many next chunks end their session", 0),
    Switch("no_session", "Status of a session that ended", 404, ("404", "410")),
)


@dataclass(frozen=True)
class Piece:
    """What a PUT says that it brings: bytes from `start`, of `total`. None: a question
    for the state."""

    start: int | None
    size: int
    total: int

    @property
    def is_last(self) -> bool:
        return self.start is not None and self.start + self.size == self.total


def piece_of(request: Request) -> Piece | None:
    """None when its headers contradict each other, the file or the 256 KiB."""
    sent = int(request.environ["CONTENT_LENGTH"])
    header = request.headers.get("Content-Range")
    if header is None:
        return Piece(0, sent, sent)
    found = RANGE.fullmatch(header.strip())
    if not found:
        return None
    first, last, total = found.groups()
    if first is None:
        return Piece(None, 0, int(total)) if sent == 0 else None
    piece = Piece(int(first), int(last) - int(first) + 1, int(total))
    is_whole = piece.is_last or piece.size % UNIT == 0
    fits = piece.size == sent > 0 and int(last) < piece.total and is_whole
    return piece if fits else None


class Upload(Videos):
    def call_of(self, route: Route, request: Request) -> Route:
        """Only the last byte makes something that others see."""
        if route.call != "PUT videos.insert":
            return route
        session = self.get("session", request.args.get("upload_id", ""))
        piece = piece_of(request) if session else None
        is_commit = (
            session is not None
            and piece is not None
            and piece.is_last
            and piece.start == session["received"]
        )
        return replace(route, commit=is_commit)

    # ------------------------------------------------------------ the session

    @route("POST", VIDEOS, call="POST videos.insert")
    def start_upload(self, request: Request) -> Response:
        return self.api(request, "POST videos.insert", self._start)

    def _start(self, request: Request, caller: Caller) -> Response:
        if request.args.get("uploadType") != "resumable":
            text = "The practice network takes resumable uploads only."
            raise Refused(400, "unexpectedParameter", text, "youtube.parameter")
        parts = parts_of(request, PARTS)
        if request.args.get("notifySubscribers", "true") not in ("true", "false"):
            text = "Invalid boolean value."
            where = ("notifySubscribers", "parameter")
            raise Refused(400, "invalidParameter", text, location=where)
        body = sent_json(request)
        if "snippet" not in parts:
            body, parts = {**body, "snippet": {}}, [*parts, "snippet"]
        metadata = checked(body, parts, self.time())
        self._check_settings(metadata)
        size, mime, name = self._announced(request)
        self._within_day(caller, "uploads", self._too_many_videos)
        self._forget_old_sessions()
        id = "practice-" + secrets.token_urlsafe(32)
        now = self.time()
        session = {
            "id": id,
            "file": secrets.token_hex(16),
            "channel": caller.id,
            "metadata": metadata,
            "parts": parts,
            "size": size,
            "mime": mime,
            "file_name": name,
            "received": 0,
            "expires_at": now + self.setting("session_life_s"),
            "video": "",
            "sha256": "",
        }
        self.put("session", id, session)
        query = f"uploadType=resumable&part={quote(','.join(parts), safe=',')}"
        location = f"{self.url}{VIDEOS}?{query}&upload_id={id}"
        return Response(
            status=200, headers={"Location": location, "X-GUploader-UploadID": id}
        )

    def _forget_old_sessions(self) -> None:
        for id, session in self.all("session"):
            if session["expires_at"] <= self.time():
                self.world.file(self.slug, session["file"]).unlink(missing_ok=True)
                self.drop("session", id)

    def _check_settings(self, metadata: Doc) -> None:
        metadata.setdefault("privacyStatus", "public")
        if metadata["privacyStatus"] in self.setting("privacy_refused"):
            text = "The request attempts to set an invalid privacy setting."
            raise Refused(403, "forbiddenPrivacySetting", text, "youtube.video")
        if metadata.get("license") in self.setting("licenses_refused"):
            text = "The request attempts to set an invalid license for the video."
            raise Refused(403, "forbiddenLicenseSetting", text, "youtube.video")

    def _announced(self, request: Request) -> tuple[int | None, str, str]:
        """(bytes or None, MIME type, file name) of the file to come."""
        size = request.headers.get("X-Upload-Content-Length")
        if size is not None and not size.isdecimal():
            text = "X-Upload-Content-Length is not a number."
            raise Refused(400, "badRequest", text)
        if size is not None and int(size) > MAX_FILE_BYTES:
            raise Refused(413, "uploadTooLarge", "The media is too large.")
        default = "application/octet-stream"
        mime = request.headers.get("X-Upload-Content-Type", default)
        if mime != default and not mime.startswith("video/"):
            text = f"Media type '{mime}' is not supported. Valid media types:"
            text += " [video/*, application/octet-stream]"
            raise Refused(400, "badContent", text)
        name = request.headers.get("Slug", "")
        if name and not FILE_NAME.fullmatch(name):
            text = "The request metadata specifies an invalid filename."
            raise invalid("invalidFilename", text)
        return int(size) if size is not None else None, mime, name

    def _within_day(
        self, caller: Caller, what: str, refused: Callable[[], Refused]
    ) -> None:
        """The channel's own cap, over the last 24 hours."""
        now, most = self.time(), self.setting(f"{what}_per_channel")
        known = self.get(what, caller.id) or {"at": []}
        recent = [at for at in known["at"] if at > now - DAY_S]
        if most is not None and len(recent) >= most:
            raise refused()
        self.put(what, caller.id, {"at": [*recent, now]})

    def _too_many_videos(self) -> Refused:
        text = "The user has exceeded the number of videos they may upload."
        return Refused(400, "uploadLimitExceeded", text, "youtube.video")

    # ------------------------------------------------------------ the bytes

    @route("PUT", VIDEOS, call="PUT videos.insert", commit=True, large=True)
    def put_bytes(self, request: Request) -> Response:
        return self.api(request, "PUT videos.insert", self._put)

    def _put(self, request: Request, caller: Caller) -> Response:
        session = self.get("session", request.args.get("upload_id", ""))
        if not session or session["expires_at"] <= self.time():
            return self._no_session()
        if session["channel"] != caller.id:
            raise forbidden("The session belongs to another channel.")
        if session["video"]:
            return self._made(session, 200)
        piece = piece_of(request)
        if piece is None or session["size"] not in (None, piece.total):
            return self._plain(400, "Failed to parse Content-Range header.")
        session["size"] = piece.total
        if piece.start is None:
            return self._incomplete(session)
        if not piece.size:
            raise invalid("mediaBodyRequired", "The request does not include media.")
        return self._take(request, session, piece)

    def _take(self, request: Request, session: Doc, piece: Piece) -> Response:
        if self.take("unauthorized_chunks"):
            return Refused(401, "authError", "Invalid Credentials").response()
        if self.take("lost_sessions"):
            self.put("session", session["id"], {**session, "expires_at": self.time()})
            return self._no_session()
        kept = 0 if piece.start != session["received"] else piece.size
        if self.take("lost_chunks"):
            kept = 0
        elif kept and self.take("short_chunks"):
            kept = kept // 2 // UNIT * UNIT
        if kept:
            self._write(session, body_of(request), kept)
        session["received"] += kept
        is_whole = session["received"] == session["size"]
        if is_whole:
            self._finish(session, arrived_at(request))
        self.put("session", session["id"], session)
        if self.take("troubled_chunks"):
            text = "Backend Error"
            return Refused(503, "backendError", text, state="UNAVAILABLE").response()
        return self._made(session, 201) if is_whole else self._incomplete(session)

    def _write(self, session: Doc, body: IO[bytes], size: int) -> None:
        path = self.world.file(self.slug, session["file"])
        path.touch()
        with path.open("r+b") as file:
            file.seek(session["received"])
            file.truncate()
            left = size
            while left:
                block = body.read(min(1 << 20, left))
                file.write(block)
                left -= len(block)

    def _finish(self, session: Doc, arrived: str) -> None:
        path = self.world.file(self.slug, session["file"])
        path.touch()
        with path.open("rb") as file:
            session["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            video = self.new_video(session, file, arrived)
        session["video"] = video["id"]
        if self.privacy(video) == "public":
            self.tell_video(video)
        if session["size"] <= KEPT_BYTES:
            mime = session["mime"]
            self.world.put_blob(self.slug, video["id"], mime, path.read_bytes())
        path.unlink()

    def _made(self, session: Doc, status: int) -> Response:
        video = self.get("video", session["video"]) or {}
        return self.answer("video", self.shown(video, session["parts"]), status)

    def _incomplete(self, session: Doc) -> Response:
        response = Response(status=308)
        if session["received"]:
            response.headers["Range"] = f"bytes=0-{session['received'] - 1}"
        response.headers["X-GUploader-UploadID"] = session["id"]
        return response

    def _no_session(self) -> Response:
        return self._plain(int(self.setting("no_session")), "Not Found")

    def _plain(self, status: int, text: str) -> Response:
        """The upload server's own words are no JSON."""
        return Response(text, status, mimetype="text/html")

    # ------------------------------------------------------------ thumbnails

    @route("POST", THUMBNAIL, call="POST thumbnails.set", large=True)
    def set_thumbnail(self, request: Request) -> Response:
        return self.api(request, "POST thumbnails.set", self._set_thumbnail)

    def _set_thumbnail(self, request: Request, caller: Caller) -> Response:
        if not request.args.get("videoId"):
            raise missing("videoId")
        video = self.own_video(caller, request.args["videoId"], "videoId")
        domain = "youtube.thumbnail"
        if not caller.channel["confirmed"]:
            text = "The thumbnail can't be set for the specified video."
            raise forbidden(text, domain)
        if self.is_short(video) and self.share_done(video) < 1:
            text = "A thumbnail of a Short can be set when it is processed."
            raise Refused(400, "failedPrecondition", text, domain)
        size = int(request.environ["CONTENT_LENGTH"])
        if not size:
            text = "The request does not include the image content."
            raise invalid("mediaBodyRequired", text, domain)
        if not self._is_picture(request, size):
            text = "The provided image content is invalid."
            raise invalid("invalidImage", text, domain)
        self._within_day(caller, "thumbnails", self._too_many_thumbnails)
        data = body_of(request).read()
        if size <= KEPT_BYTES:
            self.world.put_blob(
                self.slug, f"thumbnail-{video['id']}", request.mimetype, data
            )
        laid = hashlib.sha256(data).hexdigest()
        self.put("video", video["id"], {**video, "thumbnail": laid})
        items = [self.thumbnails(video["id"])]
        return self.answer("thumbnailSetResponse", {"items": items})

    def _is_picture(self, request: Request, size: int) -> bool:
        named = ("image/jpeg", "image/png", "application/octet-stream")
        if request.mimetype not in named or size > MAX_THUMBNAIL_BYTES:
            return False
        try:
            with Image.open(body_of(request)) as image:
                return image.format in ("JPEG", "PNG")
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            return False

    def _too_many_thumbnails(self) -> Refused:
        text = "The channel has uploaded too many thumbnails recently."
        return Refused(429, "uploadRateLimitExceeded", text, "youtube.thumbnail")

    @route("GET", "/web/vi/<id>/<name>.jpg", browser=True)
    def picture(self, request: Request, id: str, name: str) -> Response:
        """The thumbnail that was set, or a plain one."""
        found = self.world.get_blob(self.slug, f"thumbnail-{id}")
        video = self.get("video", id)
        is_gone = not video or video["deleted"]
        if (is_gone and id != "channel") or name not in THUMBNAILS:
            return pages.no_page(self)
        mime, data = found or ("image/jpeg", plain_picture())
        safe = {"X-Content-Type-Options": "nosniff"}
        return Response(data, headers=safe, content_type=mime)


def plain_picture() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (480, 360), "grey").save(stream, "JPEG")
    return stream.getvalue()
