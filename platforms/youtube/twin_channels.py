"""Channels and playlists on YouTube; the list of uploads is how a lost video is found.

Source: https://developers.google.com/youtube/v3/docs/channels/list,
https://developers.google.com/youtube/v3/docs/playlistItems.
"""

from __future__ import annotations

import secrets
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from ..practice.switches import Switch
from .twin_calls import (
    Caller,
    Refused,
    digest,
    forbidden,
    google_time,
    missing,
    not_found,
    sent_json,
)
from .twin_figures import Figures
from .twin_videos import API, parts_of

CHANNEL_SWITCHES = (
    Switch(
        "no_channel_as",
        "The channel list of an account without one is",
        "empty",
        ("empty", "401"),
    ),
    Switch(
        "role_lost_as",
        "Calls for a channel whose role was lost get",
        "403",
        ("403", "no channel"),
    ),
    Switch("playlist_lag_s", "The uploads list shows a video after (seconds)", 0),
    Switch("empty_uploads_are_404", "Without uploads their list is not found", True),
    Switch("playlist_404", "So many next additions to a list say 404", 0),
    Switch("playlist_404_added", "So many next ones say 404 and add it even so", 0),
)
CHANNEL_PARTS = {
    "id",
    "snippet",
    "contentDetails",
    "statistics",
    "status",
    "brandingSettings",
}
ITEM_PARTS = {"id", "snippet", "contentDetails", "status"}


def uploads_of(channel: str) -> str:
    return f"UU{channel.removeprefix('UC')}"


class Channels(Figures):
    def add_google(self, id: str, name: str) -> None:
        self.put("google", id, {"name": name, "policy": ""})

    def add_channel(
        self, id: str, google: str, title: str, handle: str, *, confirmed: bool = True
    ) -> Doc:
        """confirmed: by telephone, which long videos and thumbnails want."""
        channel = {
            "id": id,
            "google": google,
            "title": title,
            "handle": handle,
            "confirmed": confirmed,
            "state": "",
            "subscribers": 120,
            "created_at": "2019-05-01T10:00:00Z",
        }
        self.put("channel", id, channel)
        self.put("handle", handle.lower(), {"channel": id})
        list_id = f"PL{digest(id)[:32]}"
        self.put(
            "playlist",
            list_id,
            {"id": list_id, "channel": id, "title": "Our videos", "items": []},
        )
        return channel

    # ------------------------------------------------------------ channels

    @route("GET", f"{API}/channels", call="GET channels.list")
    def list_channels(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts = parts_of(request, CHANNEL_PARTS)
            wanted = [request.args.get(name) for name in ("mine", "id", "forHandle")]
            mine, ids, handle = wanted
            if sum(value is not None for value in wanted) != 1:
                text = "No filter selected. Expected one of: mine, id, forHandle"
                if any(wanted):
                    text = "Incompatible parameters specified in the request"
                reason = (
                    "incompatibleParameters"
                    if any(wanted)
                    else "missingRequiredParameter"
                )
                raise Refused(400, reason, text, "youtube.parameter")
            if mine is not None:
                found = [caller.id] if mine == "true" else []
            elif handle is not None:
                name = "@" + handle.removeprefix("@").lower()
                found = [(self.get("handle", name) or {}).get("channel", "")]
            else:
                found = (ids or "").split(",")
            channels = [self.get("channel", id) for id in found if id]
            items = [self._show_channel(doc, parts) for doc in channels if doc]
            body: Doc = {"pageInfo": {"totalResults": len(items), "resultsPerPage": 5}}
            if items:
                body["items"] = items
            return self.answer("channelListResponse", body)

        return self.api(request, "GET channels.list", work)

    def _show_channel(self, channel: Doc, parts: list[str]) -> Doc:
        videos = self.videos_of(channel["id"])
        shown = [video for video in videos if self.is_shown(video)]
        views = sum(int(self.statistics(video)["viewCount"]) for video in shown)
        picture = f"{self.url}/web/vi/channel/default.jpg"
        known: dict[str, Any] = {
            "snippet": {
                "title": channel["title"],
                "description": "",
                "customUrl": channel["handle"],
                "publishedAt": channel["created_at"],
                "thumbnails": {"default": {"url": picture, "width": 88, "height": 88}},
            },
            "contentDetails": {
                "relatedPlaylists": {
                    "likes": "LL",
                    "uploads": uploads_of(channel["id"]),
                }
            },
            "statistics": {
                "viewCount": str(views),
                "subscriberCount": str(channel["subscribers"]),
                "hiddenSubscriberCount": False,
                "videoCount": str(len(shown)),
            },
            "status": {
                "privacyStatus": "public",
                "isLinked": True,
                "longUploadsStatus": "allowed" if channel["confirmed"] else "eligible",
                "madeForKids": False,
            },
            "brandingSettings": {"channel": {"title": channel["title"]}},
        }
        item: Doc = {"kind": "youtube#channel", "id": channel["id"]}
        item |= {part: known[part] for part in parts if part in known}
        return {"etag": digest(repr(item))[:27], **item}

    # ------------------------------------------------------------ playlists

    @route("GET", f"{API}/playlists", call="GET playlists.list")
    def list_playlists(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts_of(request, {"id", "snippet", "contentDetails", "status"})
            if request.args.get("mine") != "true":
                raise missing("mine")
            rows = [doc for _, doc in self.all("playlist", channel=caller.id)]
            page, about = self.page_of(request, rows, default=5, most=50)
            items = [
                {
                    "kind": "youtube#playlist",
                    "id": doc["id"],
                    "snippet": {"title": doc["title"], "channelId": doc["channel"]},
                    "contentDetails": {"itemCount": len(doc["items"])},
                    "status": {"privacyStatus": "public"},
                }
                for doc in page
            ]
            return self.answer("playlistListResponse", {**about, "items": items})

        return self.api(request, "GET playlists.list", work)

    @route("GET", f"{API}/playlistItems", call="GET playlistItems.list")
    def list_items(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts = parts_of(request, ITEM_PARTS)
            id = request.args.get("playlistId", "")
            if not id:
                raise missing("playlistId")
            rows = self._entries(caller, id)
            if only := request.args.get("videoId"):
                rows = [row for row in rows if row[1]["id"] == only]
            page, about = self.page_of(request, rows, default=5, most=50)
            items = [self._show_item(id, at, video, parts) for at, video in page]
            return self.answer("playlistItemListResponse", {**about, "items": items})

        return self.api(request, "GET playlistItems.list", work)

    def _entries(self, caller: Caller, id: str) -> list[tuple[int, Doc]]:
        """(position, video) of a list, without what the caller may not see."""
        if id.startswith("UU"):
            channel = f"UC{id.removeprefix('UU')}"
            if not self.get("channel", channel):
                raise not_found("playlist", "playlistId")
            old = self.time() - self.setting("playlist_lag_s")
            every = self.videos_of(channel)
            if not every and self.setting("empty_uploads_are_404"):
                raise not_found("playlist", "playlistId")
            videos = [video for video in every if video["created_at"] <= old]
        else:
            channel, videos = self._listed(id)
        return [
            (position, video)
            for position, video in enumerate(videos)
            if channel == caller.id or self.is_shown(video)
        ]

    def _listed(self, id: str) -> tuple[str, list[Doc]]:
        known = self.get("playlist", id)
        if not known:
            raise not_found("playlist", "playlistId")
        videos = [self.get("video", video) for video in known["items"]]
        return known["channel"], [doc for doc in videos if doc and not doc["deleted"]]

    def _show_item(self, id: str, position: int, video: Doc, parts: list[str]) -> Doc:
        at = google_time(video["created_at"])
        known: dict[str, Any] = {
            "snippet": {
                "publishedAt": at,
                "channelId": video["channel"],
                "title": video["title"],
                "description": video["description"],
                "thumbnails": self.thumbnails(video["id"]),
                "playlistId": id,
                "position": position,
                "resourceId": {"kind": "youtube#video", "videoId": video["id"]},
            },
            "contentDetails": {"videoId": video["id"]},
            "status": {"privacyStatus": self.privacy(video)},
        }
        if self.privacy(video) != "private":
            known["contentDetails"]["videoPublishedAt"] = at
        item: Doc = {
            "kind": "youtube#playlistItem",
            "id": f"VVU{digest(id + video['id'])[:40]}",
        }
        return item | {part: known[part] for part in parts if part in known}

    @route(
        "POST", f"{API}/playlistItems", call="POST playlistItems.insert", commit=True
    )
    def insert_item(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts = parts_of(request, ITEM_PARTS)
            snippet = sent_json(request).get("snippet")
            snippet = snippet if isinstance(snippet, dict) else {}
            id, resource = snippet.get("playlistId"), snippet.get("resourceId") or {}
            if not isinstance(id, str):
                raise missing("snippet.playlistId")
            if resource.get("kind") != "youtube#video" or not resource.get("videoId"):
                raise missing("snippet.resourceId")
            known = self.get("playlist", id)
            if not known:
                raise not_found("playlist", "playlistId")
            if known["channel"] != caller.id:
                raise forbidden("The playlist is not yours.", "youtube.playlistItem")
            video = self.found_video(caller, str(resource["videoId"]), "videoId")
            is_kept = not self.take("playlist_404")
            if is_kept:
                known["items"].append(video["id"])
                self.put("playlist", id, known)
            if not is_kept or self.take("playlist_404_added"):
                raise not_found("video", "videoId")
            position = len(known["items"]) - 1
            item = self._show_item(id, position, video, [*parts, "snippet"])
            return self.answer("playlistItem", item)

        return self.api(request, "POST playlistItems.insert", work)


def new_channel_id() -> str:
    return f"UC{secrets.token_urlsafe(16)[:22]}"
