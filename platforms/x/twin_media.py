"""Pictures, animated GIFs and videos on X.

A file is taken in segments, joined, looked into, and processed for a while. X refuses
what it cannot read in processing, and what is out of its limits when a post is created.
Sources: https://docs.x.com/x-api/media/quickstart/media-upload-chunked,
https://docs.x.com/x-api/media/quickstart/best-practices.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from typing import IO

from PIL import Image
from werkzeug.wrappers import Request, Response

from .. import captions
from ..practice import pages
from ..practice.framework import Doc, route
from ..practice.moving import KEPT_BYTES, Moving, animation, joined, measured
from ..practice.switches import Switch
from .twin_calls import (
    ID,
    PREMIUM_PLANS,
    Caller,
    Refused,
    forbidden,
    invalid,
    sent_json,
)
from .twin_events import Events

IMAGE_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_GIF_BYTES = 15 * 1024 * 1024
MAX_VIDEO_BYTES = 17_179_869_184
MAX_SUBTITLES_BYTES = 1024 * 1024
MAX_SEGMENT_BYTES = 8 * 1024 * 1024
SUBTITLE_TYPES = {"text/srt": captions.SRT, "text/vtt": captions.VTT}
#: "The language code should be a BCP47 code", of which only the language is used
LANGUAGE = re.compile(r"[A-Z]{2,3}")
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm", "video/mp2t")
MEDIA_KEYS = {
    "tweet_image": "3",
    "dm_image": "3",
    "tweet_gif": "16",
    "tweet_video": "7",
    "subtitles": "13",
}
#: picture and sound; the second half is what WebM holds
CODECS = {
    *(("h264", sound) for sound in ("", "aac")),
    *((video, sound) for video in ("vp8", "vp9") for sound in ("", "opus", "vorbis")),
}
#: There is nothing to be done to these.
AT_ONCE = ("tweet_image", "dm_image", "subtitles")
#: category of an upload -> what it is to those who see it
KINDS = {"tweet_image": "image", "tweet_gif": "gif", "tweet_video": "video"}
MEDIA_SWITCHES = (
    Switch("media_makes_unique", "Other media make the same text another post", False),
    Switch("media_lag_s", "An upload can be attached after (seconds)", 0),
    Switch("media_life_s", "Life of an upload (seconds)", 86400),
    Switch("video_processing_s", "Processing of a video (seconds)", 2),
    Switch("video_polls", "Or so many looks until it is ready (empty: time)", None),
    Switch("check_after_s", "Asks to look again after (seconds)", 1),
    Switch(
        "processing_ends",
        "Processing of a video ends",
        "by_content",
        ("by_content", "failed", "never"),
    ),
    Switch(
        "video_out_of_spec",
        "A video out of the limits is refused",
        "at_create",
        ("at_create", "fails_in_processing"),
    ),
    Switch("video_minutes", "Longest video (minutes)", 20),
    Switch("video_minutes_premium", "Longest video with Premium (minutes)", 125),
    Switch("subtitles_refused", "Captions are refused", False),
    Switch(
        "finalize_again",
        "A repeated finalize is",
        "refused",
        ("refused", "same_answer"),
    ),
)
BAD_MEDIA = "Your media IDs are invalid."


def bad_media() -> Refused:
    return Refused(400, "Invalid Request", BAD_MEDIA)


def invalid_media(message: str) -> Doc:
    return {"code": 1, "name": "InvalidMedia", "message": message}


def spoken(media: Sequence[Doc]) -> list[str]:
    """The languages of the captions of a post's video."""
    return [code for doc in media for code in doc.get("subtitles", {})]


def is_paying(caller: Caller) -> bool:
    return caller.user["subscription_type"] in PREMIUM_PLANS


def fits_as_gif(found: Moving) -> bool:
    return (
        found.width <= 1280
        and found.height <= 1080
        and found.frames <= 350
        and found.width * found.height * found.frames <= 300_000_000
    )


def fits_as_video(found: Moving, is_paying: bool) -> bool:
    """An upright one has the limits of a lying one, turned."""
    long, short = sorted((found.width, found.height), reverse=True)
    widest, highest = (1920, 1080) if is_paying else (1280, 1024)
    return (
        short >= 32
        and long <= widest
        and short <= highest
        and long <= 3 * short
        and found.rate <= 60
        and found.duration_s >= 0.5
    )


class Media(Events):
    def _attachable(self, body: Doc, caller: Caller) -> list[Doc]:
        """The uploads that a post names: one user's, alive, ready, and fitting."""
        ids = body.get("media", {}).get("media_ids", [])
        media = [self._usable(id, caller) for id in ids]
        moving = [doc for doc in media if doc["category"] != "tweet_image"]
        if (moving and len(media) > 1) or len(set(ids)) < len(ids):
            raise bad_media()
        for doc in media:
            self._check_length_of(doc, caller)
        return media

    def _usable(self, id: str, caller: Caller) -> Doc:
        now = self.time()
        doc = self.get("media", id)
        usable = (
            doc
            and doc["user"] == caller.id
            and doc["expires_at"] > now
            and doc["category"] in ("tweet_image", "tweet_gif", "tweet_video")
            and self._processing(doc)["state"] == "succeeded"
            and not doc.get("out_of_spec")
            and self._done_at(doc) + self.setting("media_lag_s") <= now
        )
        if not doc or not usable:
            raise bad_media()
        return doc

    def _check_length_of(self, media: Doc, caller: Caller) -> None:
        """What was processed well can still be too long for who posts it."""
        minutes = self.setting(
            "video_minutes_premium" if is_paying(caller) else "video_minutes"
        )
        if media.get("duration_s", 0) > minutes * 60:
            raise forbidden(
                f"This user is not allowed to post a video longer than {minutes} "
                "minutes."
            )

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
        if kind == "video":
            values["duration_ms"] = round(media.get("duration_s", 0) * 1000)
            values["public_metrics"] = {"view_count": 0}
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
        media["sha256"] = hashlib.sha256(data).hexdigest()
        self.put("media", media["id"], media)
        self.world.put_blob(self.slug, media["id"], mime, data)
        return self._json(
            {
                "data": {
                    "id": media["id"],
                    "media_key": media["media_key"],
                    "size": len(data),
                    "expires_after_secs": self.setting("media_life_s"),
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
            "sha256": "",
            "ready_at": now,
            "expires_at": now + self.setting("media_life_s"),
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
            "subtitles": tuple(SUBTITLE_TYPES),
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
        limits = {
            "tweet_image": MAX_IMAGE_BYTES,
            "tweet_gif": MAX_GIF_BYTES,
            "subtitles": MAX_SUBTITLES_BYTES,
        }
        video = MAX_VIDEO_BYTES if is_paying(caller) else MAX_VIDEO_BYTES // 2
        limit = limits.get(str(category), video)
        if size > limit:
            raise invalid((f"File size exceeds {limit} bytes.", {}))
        media = self._new_media(caller, str(category), str(mime), size)
        self.put("media", media["id"], {**media, "ready_at": None, "segments": {}})
        return self._json(
            {
                "data": {
                    "id": media["id"],
                    "media_key": media["media_key"],
                    "expires_after_secs": self.setting("media_life_s"),
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
            # A segment that comes again takes the place of the first.
            media.setdefault("segments", {})[str(int(index))] = len(data)
            self.put("media", id, media)
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
            known = self.get("media", id)
            is_again = known and known["user"] == caller.id and known["ready_at"]
            if known and is_again and self.setting("finalize_again") == "same_answer":
                return self._json({"data": self._upload_state(known)})
            media = self._open_upload(id, caller)
            self._join(media, caller)
            self.put("media", id, media)
            return self._json({"data": self._upload_state(media)})

        return self._api(request, "POST /2/media/upload/:id/finalize", work)

    def _join(self, media: Doc, caller: Caller) -> None:
        """Make one file of the segments from 0 on, up to the first that is missing."""
        id, sent = media["id"], media.pop("segments", {})
        sizes: list[int] = []
        while str(len(sizes)) in sent:
            sizes.append(sent[str(len(sizes))])
        if sum(sizes) != media["size"]:
            raise invalid(
                (
                    "Segments do not add up to provided total file size: "
                    f"{sum(sizes)} of {media['size']} bytes.",
                    {},
                )
            )

        def part(index: int) -> bytes:
            found = self.world.get_blob(self.slug, f"{id}:{index}")
            return found[1] if found else b""

        media |= {"ready_at": self.time(), "looks": 0}
        self._look_into(media, joined(sizes, part), caller)
        seen = hashlib.sha256()
        for index in range(len(sizes)):
            seen.update(part(index))
        media["sha256"] = seen.hexdigest()
        if media["size"] <= KEPT_BYTES:
            data = b"".join(map(part, range(len(sizes))))
            self.world.put_blob(self.slug, id, media["type"], data)
        for index in sent:
            self.world.delete_blob(self.slug, f"{id}:{index}")

    def _look_into(self, media: Doc, file: IO[bytes], caller: Caller) -> None:
        """Measure the file; what is wrong with it shows in processing, or at create."""
        if media["category"] == "tweet_image":
            _, media["width"], media["height"] = self._measure(file.read())
            return
        if media["category"] == "subtitles":
            data = file.read()
            try:
                captions.read(data)
                is_such = captions.kind_of(data) == SUBTITLE_TYPES[media["type"]]
            except captions.NotCaptions:
                is_such = False
            if not is_such:
                media["error"] = invalid_media("Invalid subtitles file")
            return
        is_video = media["category"] == "tweet_video"
        found = measured(file) if is_video else animation(file)
        if not found or not (found.video if is_video else found.container == "gif"):
            media["error"] = invalid_media(
                f"Unsupported {'video' if is_video else 'image'} format"
            )
            return
        media |= {"width": found.width, "height": found.height}
        if not is_video:
            if not fits_as_gif(found):
                media["error"] = invalid_media("Unsupported image dimensions")
            return
        media["duration_s"] = found.duration_s
        if (found.video, found.audio) not in CODECS:
            media["error"] = invalid_media("Unsupported video format")
        elif not fits_as_video(found, is_paying(caller)):
            if self.setting("video_out_of_spec") == "fails_in_processing":
                media["error"] = invalid_media("Unsupported video format")
            media["out_of_spec"] = True

    def _done_at(self, media: Doc) -> float:
        """When processing ended by the practice clock, if it did."""
        is_at_once = (
            media["category"] in AT_ONCE or self.setting("video_polls") is not None
        )
        whole = 0 if is_at_once else self.setting("video_processing_s")
        return float(media["ready_at"] + whole)

    def _processing(self, media: Doc) -> Doc:
        """`processing_info` of now; uploads that need no work have succeeded."""
        soon = {"check_after_secs": self.setting("check_after_s")}
        if media["ready_at"] is None:
            return {"state": "pending", **soon}
        share = self._share_done(media)
        end = (
            "by_content"
            if media["category"] in AT_ONCE
            else self.setting("processing_ends")
        )
        if end == "never":
            share = min(share, 0.99)
        if share >= 1:
            error = media["error"]
            if end == "failed":
                error = invalid_media("Unsupported video format")
            if error:
                return {"state": "failed", "error": error}
            return {"state": "succeeded", "progress_percent": 100}
        if share < 0.25:
            return {"state": "pending", **soon}
        return {
            "state": "in_progress",
            **soon,
            "progress_percent": int(100 * share),
        }

    def _share_done(self, media: Doc) -> float:
        """By the looks at it where a switch counts them, otherwise by the clock."""
        if media["category"] in AT_ONCE:
            return 1.0
        polls = self.setting("video_polls")
        if polls is not None:
            return 1.0 if not polls else media.get("looks", 0) / polls
        whole = self.setting("video_processing_s")
        spent = self.time() - media["ready_at"]
        return 1.0 if spent >= whole else spent / whole

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
        if (
            not media
            or media["user"] != caller.id
            or media["expires_at"] <= self.time()
        ):
            raise bad_media()
        if media["ready_at"] is not None:
            media["looks"] = media.get("looks", 0) + 1
            self.put("media", id, media)
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

    @route("POST", "/2/media/subtitles")
    def subtitles(self, request: Request) -> Response:
        return self._api(request, "POST /2/media/subtitles", self._subtitles)

    def _subtitles(self, request: Request, caller: Caller) -> Response:
        """Tie uploaded captions to an uploaded video; each language once."""
        body = sent_json(request)
        said = body.get("subtitles")
        said = said if isinstance(said, dict) else {}
        where = [("$.", body, ("id", "media_category", "subtitles"))]
        where += [("$.subtitles.", said, ("id", "language_code", "display_name"))]
        wrong = [
            f"{place}{name}: is not defined in the schema and the schema does not allow "
            "additional properties"
            for place, doc, known in where
            for name in doc
            if name not in known
        ]
        if body.get("media_category") != "TweetVideo":
            wrong.append("$.media_category: does not have a value in the enumeration")
        numbers = [body.get("id"), said.get("id")]
        for place, id in zip(("$.id", "$.subtitles.id"), numbers, strict=True):
            if not isinstance(id, str) or not ID.fullmatch(id):
                wrong.append(f"{place}: is missing but it is required")
        language, name = said.get("language_code"), said.get("display_name")
        if not isinstance(language, str) or not LANGUAGE.fullmatch(language):
            wrong.append("$.subtitles.language_code: does not match the regex pattern")
        if not isinstance(name, str) or not name:
            wrong.append("$.subtitles.display_name: is missing but it is required")
        if wrong:
            raise invalid(*((message, {}) for message in wrong))
        self._permit(caller, "POST /2/media/subtitles")
        video, spoken = (self.get("media", str(id)) for id in numbers)
        for doc, category in ((video, "tweet_video"), (spoken, "subtitles")):
            if (
                not doc
                or doc["user"] != caller.id
                or doc["category"] != category
                or doc["ready_at"] is None
                or doc["expires_at"] <= self.time()
            ):
                raise bad_media()
        assert video is not None
        assert spoken is not None
        if spoken["error"] or self.setting("subtitles_refused"):
            raise invalid(("Invalid subtitles file", {}))
        tied = {**video.get("subtitles", {}), str(language): [spoken["id"], name]}
        self.put("media", video["id"], {**video, "subtitles": tied})
        shown = [
            {"id": id, "language_code": code, "display_name": name}
            for code, (id, name) in tied.items()
        ]
        answer = {"id": video["id"], "media_category": "TweetVideo"}
        return self._json({"data": {**answer, "associated_subtitles": shown}})

    @route("GET", "/web/media/<id>", browser=True)
    def picture(self, request: Request, id: str) -> Response:
        found = self.world.get_blob(self.slug, id)
        if not found or not found[0].startswith(("image/", "video/")):
            return pages.no_page(self)
        return Response(
            found[1],
            headers={"X-Content-Type-Options": "nosniff"},
            content_type=found[0],
        )
