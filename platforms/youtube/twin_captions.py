"""Captions of videos on YouTube: one track for each language and name.

Source: https://developers.google.com/youtube/v3/docs/captions.
"""

from __future__ import annotations

import json
import secrets
from email import message_from_bytes

from werkzeug.wrappers import Request, Response

from .. import captions
from ..practice.framework import Doc, route
from ..practice.switches import Switch
from .twin_calls import Caller, Refused, google_time, invalid, missing
from .twin_videos import API, Videos, parts_of

MAX_NAME = 150
DOMAIN = "youtube.caption"
CAPTION_SWITCHES = (
    Switch(
        "captions_refused",
        "Captions are refused",
        "no",
        ("no", "forbidden", "invalid"),
    ),
)


class Captions(Videos):
    @route("GET", f"{API}/captions", call="GET captions.list")
    def list_captions(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts_of(request, {"id", "snippet"})
            id = request.args.get("videoId") or ""
            if not id:
                raise missing("videoId")
            video = self.own_video(caller, id, "videoId")
            items = [_shown(video, track) for track in video.get("tracks", [])]
            return self.answer("captionListResponse", {"items": items})

        return self.api(request, "GET captions.list", work)

    @route("POST", f"{API.replace('/api/', '/api/upload/')}/captions")
    def insert_captions(self, request: Request) -> Response:
        return self.api(request, "POST captions.insert", self._insert_captions)

    def _insert_captions(self, request: Request, caller: Caller) -> Response:
        parts_of(request, {"snippet"})
        about, data = _related(request)
        snippet = about.get("snippet")
        if not isinstance(snippet, dict):
            raise invalid("invalidMetadata", "The snippet is missing.", DOMAIN)
        for name in ("videoId", "language", "name"):
            if not isinstance(snippet.get(name), str):
                text = f"The request metadata does not specify {name}."
                raise invalid("invalidMetadata", text, DOMAIN)
        if not snippet["language"]:
            raise invalid("invalidMetadata", "The language is invalid.", DOMAIN)
        if len(snippet["name"]) > MAX_NAME:
            raise invalid("nameTooLong", "The name is too long.", DOMAIN)
        video = self.own_video(caller, snippet["videoId"], "videoId")
        if self.setting("captions_refused") == "forbidden":
            text = "The permissions of the request are not sufficient."
            raise Refused(403, "forbidden", text, DOMAIN)
        if not data:
            text = "The request does not contain the contents of the track."
            raise invalid("contentRequired", text, DOMAIN)
        if self.setting("captions_refused") == "invalid" or not _is_readable(data):
            raise invalid("invalidMetadata", "The track cannot be read.", DOMAIN)
        tracks = video.get("tracks", [])
        named = (snippet["language"], snippet["name"])
        if named in [(track["language"], track["name"]) for track in tracks]:
            text = "The video has a track with this language and name."
            raise Refused(409, "captionExists", text, DOMAIN)
        track = {
            "id": secrets.token_urlsafe(24),
            "language": named[0],
            "name": named[1],
            "is_draft": bool(snippet.get("isDraft", False)),
            "at": self.time(),
        }
        self.put("video", video["id"], {**video, "tracks": [*tracks, track]})
        return self.answer("caption", _shown(video, track))


def _is_readable(data: bytes) -> bool:
    try:
        captions.read(data)
    except captions.NotCaptions:
        return False
    return True


def _shown(video: Doc, track: Doc) -> Doc:
    return {
        "kind": "youtube#caption",
        "id": track["id"],
        "snippet": {
            "videoId": video["id"],
            "lastUpdated": google_time(track["at"]),
            "trackKind": "standard",
            "language": track["language"],
            "name": track["name"],
            "audioTrackType": "unknown",
            "isCC": False,
            "isDraft": track["is_draft"],
            "status": "serving",
        },
    }


def _related(request: Request) -> tuple[Doc, bytes]:
    """(metadata, file) of a body of multipart/related."""
    kind = request.headers.get("Content-Type", "")
    if request.args.get("uploadType") != "multipart" or "related" not in kind:
        text = "The request does not contain the contents of the track."
        raise invalid("contentRequired", text, DOMAIN)
    head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1")
    whole = message_from_bytes(head + request.get_data())
    parts = [part.get_payload(decode=True) for part in whole.walk()][1:]
    about, *files = [part for part in parts if isinstance(part, bytes)] or [b""]
    if len(files) != 1:
        raise Refused(400, "badRequest", "Malformed multipart body.")
    try:
        found = json.loads(about)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(400, "parseError", "Parse Error")
    return found, files[0]
