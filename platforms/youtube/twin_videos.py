"""Videos on YouTube: their states after the upload, reading, editing, deleting.

Source: https://developers.google.com/youtube/v3/docs/videos.
"""

from __future__ import annotations

import secrets
from typing import IO

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from ..practice.moving import Moving, measured
from ..practice.switches import Switch
from .twin_calls import (
    Caller,
    Refused,
    digest,
    forbidden,
    google_time,
    invalid,
    listed,
    missing,
    not_found,
    sent_json,
)
from .twin_hub import Hub
from .twin_metadata import CATEGORIES, NOT_ASSIGNABLE, checked

API = "/api/youtube/v3"
MAX_SHORT_S = 180
MAX_VIDEO_S = 12 * 3600
#: for a channel that was not confirmed by telephone
MAX_UNCONFIRMED_S = 15 * 60
FAILURES = (
    "conversion",
    "codec",
    "emptyFile",
    "invalidFile",
    "tooSmall",
    "uploadAborted",
)
REJECTIONS = (
    "duplicate",
    "claim",
    "copyright",
    "inappropriate",
    "legal",
    "length",
    "termsOfUse",
    "trademark",
)
VIDEO_SWITCHES = (
    Switch("processing_s", "Processing of a video (seconds)", 20),
    Switch(
        "processing_ends",
        "Processing of a video ends",
        "by_content",
        ("by_content", "failed", "rejected", "never"),
    ),
    Switch("failure_reason", "Why it failed", "conversion", FAILURES),
    Switch("rejection_reason", "Why it was rejected", "duplicate", REJECTIONS),
    Switch("video_lag_s", "A new video is found by its id after (seconds)", 0),
    Switch("force_private", "Account settings make every upload private", False),
    Switch("slug_is_file_name", "The file name sent is shown to the owner", True),
)
PARTS = {
    "id",
    "snippet",
    "status",
    "contentDetails",
    "statistics",
    "processingDetails",
    "fileDetails",
    "localizations",
    "recordingDetails",
}
FOR_OWNERS = {"processingDetails", "fileDetails"}
THUMBNAILS = {
    "default": (120, 90),
    "medium": (320, 180),
    "high": (480, 360),
    "standard": (640, 480),
    "maxres": (1280, 720),
}


def parts_of(request: Request, known: set[str]) -> list[str]:
    parts = listed(request, "part")
    if unknown := [part for part in parts if part not in known]:
        where = ("part", "parameter")
        text = f"'{unknown[0]}' is not a part of this resource."
        raise Refused(400, "unknownPart", text, "youtube.part", where)
    return parts


def iso_duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    pieces = [(hours, "H"), (minutes, "M"), (rest, "S")]
    return "PT" + ("".join(f"{n}{unit}" for n, unit in pieces if n) or "0S")


class Videos(Hub):
    # ------------------------------------------------------------ the life of a video

    def new_video(self, session: Doc, file: IO[bytes], arrived: str) -> Doc:
        """The last byte is there: look into the file and begin to process it."""
        found = measured(file)
        now = self.time()
        id = secrets.token_urlsafe(8)
        privacy = session["metadata"].get("privacyStatus", "public")
        if self.setting("force_private"):
            privacy = "private"
        video = {
            "description": "",
            "tags": [],
            "categoryId": "22",
            "license": "youtube",
            "embeddable": True,
            "publicStatsViewable": True,
            **session["metadata"],
            "privacyStatus": privacy,
            "was_public": privacy == "public",
            "id": id,
            "channel": session["channel"],
            "created_at": now,
            "arrived_at": arrived,
            "size": session["size"],
            "file_name": session["file_name"],
            "sha256": session["sha256"],
            "width": found.width if found else 0,
            "height": found.height if found else 0,
            "duration_s": found.duration_s if found else 0.0,
            "fate": self._fate(session, found),
            "thumbnail": "",
            "deleted": False,
        }
        self.put("video", id, video)
        return video

    def _fate(self, session: Doc, found: Moving | None) -> list[str]:
        """[uploadStatus, reason] that processing will end with."""
        ends = self.setting("processing_ends")
        if ends in ("failed", "rejected"):
            reason = "failure" if ends == "failed" else "rejection"
            return [ends, self.setting(f"{reason}_reason")]
        if not found or not found.video:
            return ["failed", "invalidFile"]
        channel = self.get("channel", session["channel"]) or {}
        longest = MAX_VIDEO_S if channel["confirmed"] else MAX_UNCONFIRMED_S
        return ["rejected", "length"] if found.duration_s > longest else ["processed"]

    def share_done(self, video: Doc) -> float:
        """How far processing is, by the practice clock: 1 is the end."""
        whole = self.setting("processing_s")
        spent = self.time() - video["created_at"]
        share = 1.0 if spent >= whole else spent / whole
        if self.setting("processing_ends") == "never":
            share = min(share, 0.99)
        return share

    def upload_status(self, video: Doc) -> str:
        return str(video["fate"][0]) if self.share_done(video) >= 1 else "uploaded"

    def privacy(self, video: Doc) -> str:
        """As of now: a scheduled video becomes public at its time."""
        at = video.get("publish_at")
        return "public" if at and at <= self.time() else str(video["privacyStatus"])

    def is_short(self, video: Doc) -> bool:
        return 0 < video["width"] <= video["height"] and (
            video["duration_s"] <= MAX_SHORT_S
        )

    def is_shown(self, video: Doc) -> bool:
        """To those who are not its owner, by its address."""
        is_done = self.upload_status(video) == "processed"
        return is_done and self.privacy(video) != "private"

    def videos_of(self, channel: str) -> list[Doc]:
        """Newest first."""
        rows = self.all("video", channel=channel, deleted=False)
        return [video for _, video in reversed(rows)]

    def found_video(self, caller: Caller, id: str, parameter: str = "id") -> Doc:
        """A video that the caller may know of."""
        video = self.get("video", id)
        is_there = video and not video["deleted"] and self._is_old_enough(video)
        if not video or not is_there:
            raise not_found("video", parameter)
        if video["channel"] != caller.id and not self.is_shown(video):
            raise not_found("video", parameter)
        return video

    def own_video(self, caller: Caller, id: str, parameter: str = "id") -> Doc:
        video = self.found_video(caller, id, parameter)
        if video["channel"] != caller.id:
            raise forbidden("The request is not authorized to change this video.")
        return video

    def _is_old_enough(self, video: Doc) -> bool:
        lag: float = self.setting("video_lag_s")
        return lag <= self.time() - video["created_at"]

    # ------------------------------------------------------------ resources

    def shown(self, video: Doc, parts: list[str]) -> Doc:
        found: Doc = {"kind": "youtube#video", "id": video["id"]}
        for part in parts:
            if part != "id":
                found[part] = getattr(self, f"_show_{part}")(video)
        shown = {name: value for name, value in found.items() if value is not None}
        shown["etag"] = digest(repr(shown))[:27]
        return shown

    def _show_snippet(self, video: Doc) -> Doc:
        channel = self.get("channel", video["channel"]) or {}
        snippet = {
            "publishedAt": google_time(video.get("publish_at") or video["created_at"])
            if self.privacy(video) == "public"
            else google_time(video["created_at"]),
            "channelId": video["channel"],
            "title": video["title"],
            "description": video["description"],
            "thumbnails": self.thumbnails(video["id"]),
            "channelTitle": channel["title"],
            "categoryId": video["categoryId"],
            "liveBroadcastContent": "none",
            "localized": {
                "title": video["title"],
                "description": video["description"],
            },
        }
        if video["tags"]:
            snippet["tags"] = video["tags"]
        if "defaultLanguage" in video:
            snippet["defaultLanguage"] = video["defaultLanguage"]
        return snippet

    def thumbnails(self, id: str) -> Doc:
        return {
            name: {
                "url": f"{self.url}/web/vi/{id}/{name}.jpg",
                "width": width,
                "height": height,
            }
            for name, (width, height) in THUMBNAILS.items()
        }

    def _show_status(self, video: Doc) -> Doc:
        state = self.upload_status(video)
        is_for_kids = bool(video.get("selfDeclaredMadeForKids"))
        status = {
            "uploadStatus": state,
            "privacyStatus": self.privacy(video),
            "license": video["license"],
            "embeddable": video["embeddable"],
            "publicStatsViewable": video["publicStatsViewable"],
            "madeForKids": is_for_kids,
        }
        for name in ("selfDeclaredMadeForKids", "containsSyntheticMedia"):
            if name in video:
                status[name] = video[name]
        if self.privacy(video) == "private" and "publish_at" in video:
            status["publishAt"] = google_time(video["publish_at"])
        if state in ("failed", "rejected"):
            word = "failureReason" if state == "failed" else "rejectionReason"
            status[word] = video["fate"][1]
        return status

    def _show_contentDetails(self, video: Doc) -> Doc:
        is_done = self.share_done(video) >= 1
        return {
            "duration": iso_duration(video["duration_s"] if is_done else 0),
            "dimension": "2d",
            "definition": "hd" if video["height"] >= 720 else "sd",
            "caption": "true" if video.get("tracks") else "false",
            "licensedContent": False,
            "contentRating": {},
            "projection": "rectangular",
        }

    def _show_processingDetails(self, video: Doc) -> Doc:
        share, state = self.share_done(video), self.upload_status(video)
        words = {"uploaded": "processing", "failed": "failed", "rejected": "terminated"}
        details: Doc = {
            "processingStatus": words.get(state, "succeeded"),
            "fileDetailsAvailability": "available",
            "processingIssuesAvailability": "available",
            "tagSuggestionsAvailability": "inProgress",
            "editorSuggestionsAvailability": "inProgress",
            "thumbnailsAvailability": "available" if share >= 1 else "inProgress",
        }
        if state == "uploaded":
            left = (1 - share) * self.setting("processing_s") * 1000
            details["processingProgress"] = {
                "partsTotal": "100",
                "partsProcessed": str(int(share * 100)),
                "timeLeftMs": str(int(left)),
            }
        if state == "failed":
            is_upload = video["fate"][1] in ("emptyFile", "uploadAborted")
            reason = "uploadFailed" if is_upload else "transcodeFailed"
            details["processingFailureReason"] = reason
        return details

    def _show_fileDetails(self, video: Doc) -> Doc:
        details = {
            "fileSize": str(video["size"]),
            "fileType": "video",
            "durationMs": str(round(video["duration_s"] * 1000)),
        }
        if video["file_name"] and self.setting("slug_is_file_name"):
            details["fileName"] = video["file_name"]
        return details

    def _show_localizations(self, video: Doc) -> Doc | None:
        return video.get("localizations")

    def _show_recordingDetails(self, video: Doc) -> Doc:
        date = video.get("recordingDate")
        return {"recordingDate": date} if date else {}

    # ------------------------------------------------------------ calls

    @route("GET", f"{API}/videos", call="GET videos.list")
    def list_videos(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts = parts_of(request, PARTS)
            ids = listed(request, "id", needed=False)
            if not ids:
                text = "No filter selected. Expected one of: id, chart, myRating"
                domain = "youtube.parameter"
                raise Refused(400, "missingRequiredParameter", text, domain)
            if len(ids) > 50:
                text = "The request specifies too many ids."
                raise Refused(400, "invalidFilters", text, "youtube.parameter")
            items = []
            for id in ids:
                video = self.get("video", id)
                if not video or video["deleted"] or not self._is_old_enough(video):
                    continue
                if video["channel"] != caller.id:
                    if FOR_OWNERS & set(parts):
                        raise forbidden(
                            "The request is not authorized to access video file or"
                            " processing information."
                        )
                    if not self.is_shown(video):
                        continue
                items.append(self.shown(video, parts))
            size = {"totalResults": len(items), "resultsPerPage": len(items)}
            return self.answer("videoListResponse", {"items": items, "pageInfo": size})

        return self.api(request, "GET videos.list", work)

    @route("PUT", f"{API}/videos", call="PUT videos.update")
    def update_video(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts = parts_of(request, PARTS)
            body = sent_json(request)
            if not isinstance(body.get("id"), str):
                raise missing("id")
            video = self.own_video(caller, body["id"])
            snippet = body.get("snippet")
            if "snippet" in parts and (
                not isinstance(snippet, dict)
                or not {"title", "categoryId"} <= set(snippet)
            ):
                text = "The request metadata is invalid: snippet.title and"
                text += " snippet.categoryId are needed."
                raise invalid("invalidVideoMetadata", text)
            changes = checked(body, parts, self.time())
            self._check_schedule(video, body.get("status") or {}, parts)
            if "snippet" in parts:
                video.pop("defaultLanguage", None)
            if "status" in parts:
                privacy = self.privacy(video)
                video |= {
                    "privacyStatus": privacy,
                    "was_public": video["was_public"] or privacy == "public",
                    "license": "youtube",
                    "embeddable": True,
                    "publicStatsViewable": True,
                }
                for name in ("publish_at", "containsSyntheticMedia"):
                    video.pop(name, None)
            self.put("video", video["id"], {**video, **changes})
            changed = self.get("video", video["id"]) or {}
            if self.privacy(changed) == "public":
                self.tell_video(changed)
            return self.answer("video", self.shown(changed, parts))

        return self.api(request, "PUT videos.update", work)

    def _check_schedule(self, video: Doc, status: Doc, parts: list[str]) -> None:
        if "status" in parts and "publishAt" in status:
            if self.privacy(video) != "private" or video["was_public"]:
                text = "A video that was published cannot be scheduled."
                raise invalid("invalidPublishAt", text)

    @route("DELETE", f"{API}/videos", call="DELETE videos.delete", commit=True)
    def delete_video(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            if not request.args.get("id"):
                raise missing("id")
            video = self.own_video(caller, request.args["id"])
            self.put("video", video["id"], {**video, "deleted": True})
            if self.is_shown(video) and self.privacy(video) == "public":
                self.tell_video(video, gone=True)
            return Response(status=204)

        return self.api(request, "DELETE videos.delete", work)

    @route("GET", f"{API}/videoCategories", call="GET videoCategories.list")
    def list_categories(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts_of(request, {"snippet"})
            if not request.args.get("regionCode") and not request.args.get("id"):
                raise missing("regionCode")
            items = [
                {
                    "kind": "youtube#videoCategory",
                    "id": id,
                    "snippet": {
                        "title": title,
                        "assignable": id not in NOT_ASSIGNABLE,
                        "channelId": "UCBR8-60-B28hp2BmDPdntcQ",
                    },
                }
                for id, title in CATEGORIES.items()
            ]
            return self.answer("videoCategoryListResponse", {"items": items})

        return self.api(request, "GET videoCategories.list", work)
