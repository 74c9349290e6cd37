"""Figures of videos, Analytics reports, and comments on YouTube.

Sources: https://developers.google.com/youtube/data/reference/rest/v3/commentThreads,
https://developers.google.com/youtube/analytics.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, json_response, route
from ..practice.switches import Switch
from .twin_calls import (
    Caller,
    Refused,
    forbidden,
    google_time,
    invalid,
    listed,
    missing,
    not_found,
    sent_json,
)
from .twin_videos import API, Videos, parts_of

MAX_COMMENT = 10_000
VIEWS_PER_HOUR = 12
FIGURE_SWITCHES = (
    Switch("comments_off", "Comments are switched off everywhere", False),
    Switch("cannot_comment", "The account may not comment", False),
    Switch("comments_fail", "So many next comments are refused (processing)", 0),
    Switch("comment_lag_s", "Lists show a comment after (seconds)", 0),
    Switch("analytics_lag_days", "Reports are behind by (days)", 2),
)
THREAD = "youtube.commentThread"
#: metric -> its share of the views
REPORTED = {
    "views": 1.0,
    "estimatedMinutesWatched": 0.5,
    "averageViewPercentage": 0.0,
    "averageViewDuration": 0.0,
    "likes": 0.05,
    "comments": 0.01,
    "shares": 0.01,
    "subscribersGained": 0.002,
}


class Figures(Videos):
    # ------------------------------------------------------------ figures

    def _show_statistics(self, video: Doc) -> Doc:
        return self.statistics(video)

    def statistics(self, video: Doc) -> Doc:
        """Views grow with the practice clock, once others can see the video."""
        views = 0
        if self.is_shown(video):
            since = video.get("publish_at") or video["created_at"]
            views = int((self.time() - since) / 3600 * VIEWS_PER_HOUR)
        figures = {"viewCount": str(views), "favoriteCount": "0"}
        if video["publicStatsViewable"]:
            figures["likeCount"] = str(views // 20)
        if not self._comments_refused(video):
            figures["commentCount"] = str(len(self._comments(video["id"])))
        return figures

    @route("GET", f"{API}/videos:batchGetStats", call="GET videos.batchGetStats")
    def batch_stats(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            known = {"id", "snippet", "statistics", "contentDetails"}
            parts = parts_of(request, known)
            ids = listed(request, "id")
            if len(ids) > 50:
                text = "The request specifies too many ids."
                raise Refused(400, "invalidFilters", text, "youtube.parameter")
            items = []
            for id in ids:
                video = self.get("video", id)
                if not video or video["deleted"]:
                    continue
                if video["channel"] == caller.id or self.is_shown(video):
                    items.append(self._show_stats(video, parts))
            return self.answer("batchGetStatsResponse", {"items": items})

        return self.api(request, "GET videos.batchGetStats", work)

    def _show_stats(self, video: Doc, parts: list[str]) -> Doc:
        figures = self.statistics(video)
        figures.pop("favoriteCount")
        known: dict[str, Any] = {
            "snippet": {"publishTime": google_time(video["created_at"])},
            "statistics": figures,
            "contentDetails": {"duration": f"{int(video['duration_s'])}s"},
        }
        item: Doc = {"kind": "youtube#videoStats", "id": video["id"]}
        return item | {part: known[part] for part in parts if part in known}

    @route("GET", "/analytics/v2/reports", call="GET reports")
    def reports(self, request: Request) -> Response:
        return self.api(request, "GET reports", self._report)

    def _report(self, request: Request, caller: Caller) -> Response:
        if request.args.get("ids") not in ("channel==MINE", f"channel=={caller.id}"):
            raise Refused(400, "badRequest", "The query is not supported.")
        days = [self._day(request, name) for name in ("startDate", "endDate")]
        metrics = listed(request, "metrics")
        dimensions = request.args.get("dimensions", "")
        if set(metrics) - set(REPORTED) or dimensions not in ("", "video"):
            raise Refused(400, "badRequest", "The query is not supported.")
        videos = self.videos_of(caller.id)
        filters = request.args.get("filters", "")
        if filters:
            found = re.fullmatch(r"video==([\w,-]+)", filters)
            if not found or len(found[1].split(",")) > 500:
                raise Refused(400, "badRequest", "Unknown identifier in filters.")
            videos = [v for v in videos if v["id"] in found[1].split(",")]
        rows = [(v["id"], self._views_within(v, *days)) for v in videos]
        rows = [row for row in rows if row[1]]
        shown: list[list[Any]]
        if dimensions:
            shown = [[id, *self._figures(metrics, views)] for id, views in rows]
        else:
            shown = [self._figures(metrics, sum(views for _, views in rows))]
        heads = [("video", "DIMENSION", "STRING")] if dimensions else []
        heads += [(name, "METRIC", "INTEGER") for name in metrics]
        columns = [
            {"name": name, "columnType": kind, "dataType": type}
            for name, kind, type in heads
        ]
        body = {
            "kind": "youtubeAnalytics#resultTable",
            "columnHeaders": columns,
            "rows": shown,
        }
        return json_response(body)

    def _day(self, request: Request, name: str) -> date:
        try:
            return date.fromisoformat(request.args.get(name, ""))
        except ValueError:
            raise missing(name) from None

    def _views_within(self, video: Doc, first: date, last: date) -> int:
        """Whole days only, and none of the last few."""
        if not self.is_shown(video):
            return 0
        lag = timedelta(days=self.setting("analytics_lag_days"))
        newest = self.world.now().date() - lag
        since = video.get("publish_at") or video["created_at"]
        day = datetime.fromtimestamp(since, UTC).date()
        begins, ends = max(first, day), min(last, newest)
        return max(0, (ends - begins).days + 1) * 24 * VIEWS_PER_HOUR

    def _figures(self, metrics: list[str], views: int) -> list[int]:
        fixed = {"averageViewPercentage": 41, "averageViewDuration": 30}
        return [fixed.get(name, int(views * REPORTED[name])) for name in metrics]

    # ------------------------------------------------------------ comments

    def _comments(self, video: str, **only: Any) -> list[Doc]:
        """Published ones that lists show by now, newest first."""
        old = self.time() - self.setting("comment_lag_s")
        rows = [doc for _, doc in self.all("comment", video=video, **only)]
        return [
            doc
            for doc in reversed(rows)
            if doc["state"] == "published" and doc["created_at"] <= old
        ]

    def _comments_refused(self, video: Doc) -> bool:
        return bool(
            self.setting("comments_off")
            or self.privacy(video) == "private"
            or video.get("selfDeclaredMadeForKids")
        )

    def own_comments(self) -> list[Doc]:
        return [
            {
                "id": id,
                "account": doc["author"],
                "post": doc["video"],
                "text": doc["text"],
            }
            for id, doc in self.all("comment")
            if doc["author"] == doc["channel"] and doc["state"] != "deleted"
        ]

    def _show_comment(self, doc: Doc) -> Doc:
        author = self.get("channel", doc["author"]) or {}
        snippet = {
            "channelId": doc["channel"],
            "videoId": doc["video"],
            "textDisplay": doc["text"],
            "textOriginal": doc["text"],
            "authorDisplayName": author["handle"],
            "authorProfileImageUrl": f"{self.url}/web/vi/channel/default.jpg",
            "authorChannelUrl": f"{self.url}/web/channel/{doc['author']}",
            "authorChannelId": {"value": doc["author"]},
            "canRate": True,
            "viewerRating": "none",
            "likeCount": 0,
            "publishedAt": google_time(doc["created_at"]),
            "updatedAt": google_time(doc["updated_at"]),
        }
        if doc["parent"]:
            snippet["parentId"] = doc["parent"]
        return {"kind": "youtube#comment", "id": doc["id"], "snippet": snippet}

    def _show_thread(self, doc: Doc, parts: list[str]) -> Doc:
        replies = self._comments(doc["video"], parent=doc["id"])
        thread: Doc = {
            "kind": "youtube#commentThread",
            "id": doc["id"],
            "snippet": {
                "channelId": doc["channel"],
                "videoId": doc["video"],
                "topLevelComment": self._show_comment(doc),
                "canReply": True,
                "totalReplyCount": len(replies),
                "isPublic": True,
            },
        }
        if "replies" in parts and replies:
            some = [self._show_comment(reply) for reply in reversed(replies[-5:])]
            thread["replies"] = {"comments": some}
        return thread

    @route("GET", f"{API}/commentThreads", call="GET commentThreads.list")
    def list_threads(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts = parts_of(request, {"id", "snippet", "replies"})
            video_id = request.args.get("videoId")
            channel = request.args.get("allThreadsRelatedToChannelId")
            if video_id:
                video = self.found_video(caller, video_id, "videoId")
                if self._comments_refused(video):
                    raise self._no_comments()
                videos = [video]
            elif channel:
                if not self.get("channel", channel):
                    raise not_found("channel", "allThreadsRelatedToChannelId")
                videos = self.videos_of(channel)
            else:
                raise missing("videoId")
            rows = [doc for v in videos for doc in self._comments(v["id"], parent="")]
            rows.sort(key=lambda doc: -doc["created_at"])
            page, about = self.page_of(request, rows, default=20, most=100)
            items = [self._show_thread(doc, parts) for doc in page]
            return self.answer("commentThreadListResponse", {**about, "items": items})

        return self.api(request, "GET commentThreads.list", work)

    def _no_comments(self) -> Refused:
        text = "The video identified by the videoId parameter has disabled comments."
        return Refused(403, "commentsDisabled", text, THREAD)

    @route("GET", f"{API}/comments", call="GET comments.list")
    def list_comments(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts_of(request, {"id", "snippet"})
            parent = request.args.get("parentId")
            if parent:
                thread = self.get("comment", parent)
                if not thread:
                    raise not_found("parentComment", "parentId")
                rows = self._comments(thread["video"], parent=parent)
            else:
                found = [self.get("comment", id) for id in listed(request, "id")]
                rows = [doc for doc in found if doc and doc["state"] == "published"]
            page, about = self.page_of(request, rows, default=20, most=100)
            items = [self._show_comment(doc) for doc in page]
            return self.answer("commentListResponse", {**about, "items": items})

        return self.api(request, "GET comments.list", work)

    @route(
        "POST", f"{API}/commentThreads", call="POST commentThreads.insert", commit=True
    )
    def insert_thread(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts_of(request, {"id", "snippet"})
            snippet = sent_json(request).get("snippet")
            if not isinstance(snippet, dict):
                words = "The request metadata is invalid."
                raise invalid("invalidCommentThreadMetadata", words, THREAD)
            if not snippet.get("videoId"):
                words = "The request must name a channel and a video."
                raise invalid("channelOrVideoIdMissing", words, THREAD)
            top = snippet.get("topLevelComment")
            inner = top.get("snippet") if isinstance(top, dict) else None
            text = inner.get("textOriginal") if isinstance(inner, dict) else None
            self._check_text(text)
            channel = snippet.get("channelId")
            if channel and not self.get("channel", channel):
                raise not_found("channel", "channelId")
            video = self.found_video(caller, str(snippet["videoId"]), "videoId")
            if channel and video["channel"] != channel:
                raise not_found("video", "videoId")
            doc = self._new_comment(caller, video, str(text), "")
            return self.answer("commentThread", self._show_thread(doc, []))

        return self.api(request, "POST commentThreads.insert", work)

    @route("POST", f"{API}/comments", call="POST comments.insert", commit=True)
    def insert_reply(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts_of(request, {"id", "snippet"})
            snippet = sent_json(request).get("snippet")
            snippet = snippet if isinstance(snippet, dict) else {}
            self._check_text(snippet.get("textOriginal"))
            thread = self.get("comment", str(snippet.get("parentId", "")))
            if not thread or thread["state"] != "published" or thread["parent"]:
                raise not_found("parentComment", "parentId")
            video = self.found_video(caller, thread["video"], "parentId")
            text = str(snippet["textOriginal"])
            doc = self._new_comment(caller, video, text, thread["id"])
            return self.answer("comment", self._show_comment(doc))

        return self.api(request, "POST comments.insert", work)

    def _check_text(self, text: object) -> None:
        if not isinstance(text, str) or not text.strip():
            words = "The comment that is being inserted is empty."
            raise invalid("commentTextRequired", words, THREAD)
        if len(text) > MAX_COMMENT:
            words = "The comment that is being inserted is too long."
            raise invalid("commentTextTooLong", words, THREAD)

    def _new_comment(self, caller: Caller, video: Doc, text: str, parent: str) -> Doc:
        if self.setting("cannot_comment"):
            words = "The account cannot comment."
            raise Refused(403, "ineligibleAccount", words, THREAD)
        if self._comments_refused(video):
            raise self._no_comments()
        if self.take("comments_fail"):
            raise comment_failed()
        mark = "." + secrets.token_urlsafe(16)[:22] if parent else ""
        id = parent + mark if parent else "Ugx" + secrets.token_urlsafe(17)[:23]
        doc = {
            "id": id,
            "video": video["id"],
            "channel": video["channel"],
            "author": caller.id,
            "text": text,
            "parent": parent,
            "state": "published",
            "created_at": self.time(),
            "updated_at": self.time(),
        }
        self.put("comment", id, doc)
        return doc

    @route("PUT", f"{API}/comments", call="PUT comments.update", commit=True)
    def update_comment(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            parts_of(request, {"id", "snippet"})
            body = sent_json(request)
            text = (body.get("snippet") or {}).get("textOriginal")
            self._check_text(text)
            doc = self._known(body.get("id"))
            if doc["author"] != caller.id:
                raise forbidden("The comment is not yours.", "youtube.comment")
            doc |= {"text": text, "updated_at": self.time()}
            self.put("comment", doc["id"], doc)
            return self.answer("comment", self._show_comment(doc))

        return self.api(request, "PUT comments.update", work)

    @route("DELETE", f"{API}/comments", call="DELETE comments.delete", commit=True)
    def delete_comment(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            doc = self._known(request.args.get("id"))
            if caller.id not in (doc["author"], doc["channel"]):
                raise forbidden("The comment is not yours.", "youtube.comment")
            self.put("comment", doc["id"], {**doc, "state": "deleted"})
            return Response(status=204)

        return self.api(request, "DELETE comments.delete", work)

    @route(
        "POST",
        f"{API}/comments/setModerationStatus",
        call="POST comments.setModerationStatus",
    )
    def moderate(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            state = request.args.get("moderationStatus")
            if state not in ("published", "heldForReview", "rejected"):
                raise missing("moderationStatus")
            for doc in [self._known(id) for id in listed(request, "id")]:
                if doc["channel"] != caller.id:
                    raise forbidden("The comment is not yours.", "youtube.comment")
                self.put("comment", doc["id"], {**doc, "state": state})
            return Response(status=204)

        return self.api(request, "POST comments.setModerationStatus", work)

    def _known(self, id: object) -> Doc:
        if not isinstance(id, str) or not id:
            raise missing("id")
        doc = self.get("comment", id)
        if not doc or doc["state"] == "deleted":
            raise not_found("comment", "id")
        return doc


def comment_failed() -> Refused:
    text = "The API server failed to successfully process the request."
    return invalid("processingFailure", text, THREAD)
