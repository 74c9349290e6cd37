"""Figures of Pages and of their posts.

Sources: https://developers.facebook.com/docs/graph-api/reference/insights ;
https://developers.facebook.com/documentation/pages-api/posts (v26.0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Route, route
from . import twin_errors as errors
from .twin_comments import Comments
from .twin_fields import Field, params, text_of, time_of
from .twin_graph import DAY_S, Caller

OF_PAGE = (
    *("page_media_view", "page_total_media_view_unique", "page_follows"),
    *("page_daily_follows", "page_post_engagements", "page_views_total"),
)
OF_POST = (
    *("post_media_view", "post_total_media_view_unique", "post_clicks"),
    *("post_clicks_by_type", "post_reactions_by_type_total"),
)
OF_POSTS = "GET /:post/insights"
#: of a video or reel the counts of its post
OF_VIDEO = (*OF_POST,)
#: Days of figures end at midnight there.
PACIFIC = ZoneInfo("America/Los_Angeles")
MOST_DAYS = 90
HISTORY_DAYS = 730
FEWEST_LIKES = 100


class Figures(Comments):
    def call_of(self, route: Route, request: Request) -> Route:
        if route.call == OF_POSTS and self.kind_of(self.id_in(request)) != "post":
            return replace(route, call="GET /:page/insights")
        return super().call_of(route, request)

    def counted(self, post: Doc) -> dict[str, Callable[[Field], Any]]:
        counts = self._counts(post)
        return {
            # Absent where there is none.
            "shares": lambda f: (
                {"count": counts["shares"]} if counts["shares"] else None
            ),
            "comments": lambda f: _edge(f, len(self._comments(post["id"]))),
            "reactions": lambda f: _edge(f, counts["likes"]),
        }

    def _counts(self, post: Doc) -> dict[str, int]:
        seen = int(self.setting("impressions"))
        return {
            "views": seen,
            "viewers": seen * 4 // 5,
            "clicks": seen // 20,
            "likes": seen // 25,
            "loves": seen // 100,
            "shares": seen // 60,
        }

    def _of_post(self, post: Doc, name: str) -> Any:
        counts = self._counts(post)
        return {
            "post_media_view": counts["views"],
            "post_total_media_view_unique": counts["viewers"],
            "post_clicks": counts["clicks"],
            "post_clicks_by_type": {"other clicks": counts["clicks"]},
            "post_reactions_by_type_total": {
                "like": counts["likes"] - counts["loves"],
                "love": counts["loves"],
            },
        }[name]

    @route("GET", "/graph/<version>/<id>/insights", call=OF_POSTS)
    def insights(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            if self.get("post", id):
                post = self._visible_post(caller, id)
                self._need_figures(caller, post["page"])
                return self._lifetime(request, id, post, OF_POST)
            page = self._me(caller, id)
            if not self.sees_page(caller, page):
                raise errors.missing_object(id)
            self._need_figures(caller, page)
            return self._days(request, page)

        return self.graph(request, version, work)

    @route("GET", "/graph/<version>/<id>/video_insights", call="GET /:video/insights")
    def video_insights(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            video = self.get("video", id) or {"post": ""}
            post = self._visible_post(caller, video["post"] or id)
            self._need_figures(caller, post["page"])
            return self._lifetime(request, id, post, OF_VIDEO)

        return self.graph(request, version, work)

    def _need_figures(self, caller: Caller, page: str) -> None:
        self.need_to_read(caller, page)
        self.need(caller, "read_insights", page, code=10)

    def _metrics(self, request: Request, known: Sequence[str]) -> list[str]:
        asked = text_of(params(request), "metric")
        names = [name.strip() for name in asked.split(",") if name.strip()]
        if any(name not in known for name in names):
            raise errors.wrong("The value must be a valid insights metric")
        return names or list(known)

    def _lifetime(
        self, request: Request, id: str, post: Doc, known: Sequence[str]
    ) -> Doc:
        names = self._metrics(request, known)
        page = self.get("page", post["page"])
        if not page or page["followers"] < FEWEST_LIKES:
            return {"data": []}
        rows = [
            self._row(id, name, "lifetime", [{"value": self._of_post(post, name)}])
            for name in names
        ]
        return {"data": rows, "paging": self._paging(request)}

    def _row(self, id: str, name: str, period: str, values: list[Doc]) -> Doc:
        return {
            "name": name,
            "period": period,
            "values": values,
            "title": name.replace("_", " ").capitalize(),
            "description": f"Practice figures of {name}",
            "id": f"{id}/insights/{name}/{period}",
        }

    def _days(self, request: Request, page: str) -> Doc:
        names = self._metrics(request, OF_PAGE)
        values = params(request)
        period = text_of(values, "period", "day")
        if period not in ("day", "week", "days_28"):
            raise errors.wrong("period must be one of day, week, days_28")
        now = self.time()
        until = time_of(values, "until") or now
        since = time_of(values, "since")
        since = until - 2 * DAY_S if since is None else since
        if since > until:
            raise errors.wrong("since must be before until")
        if until - since > MOST_DAYS * DAY_S:
            raise errors.wrong(
                "There cannot be more than 90 days between since and until"
            )
        doc = self.get("page", page)
        if not doc or doc["followers"] < FEWEST_LIKES:
            return {"data": []}
        ends = [
            end
            for end in _day_ends(max(since, now - HISTORY_DAYS * DAY_S), until)
            if end.timestamp() <= now
        ]
        width = {"day": 1, "week": 7, "days_28": 28}[period]
        posts = [post for post in self._posts_of(page, 500) if post["published"]]
        rows = [
            self._row(
                page,
                name,
                period,
                [
                    {
                        "value": self._of_page(doc, posts, name, end, width),
                        "end_time": self.stamp(end.timestamp()),
                    }
                    for end in ends
                ],
            )
            for name in names
        ]
        return {"data": rows, "paging": self._paging(request, since, until)}

    def _of_page(
        self, page: Doc, posts: list[Doc], name: str, end: datetime, days: int
    ) -> int:
        if name == "page_follows":
            return int(page["followers"])
        since = (end - timedelta(days=days)).timestamp()
        new = [p for p in posts if since <= p["created_at"] < end.timestamp()]
        counts = [self._counts(post) for post in new]
        share = {
            "page_media_view": "views",
            "page_total_media_view_unique": "viewers",
            "page_post_engagements": "likes",
            "page_views_total": "clicks",
        }
        return sum(row[share[name]] for row in counts) if name in share else 0

    def _paging(
        self, request: Request, since: float | None = None, until: float | None = None
    ) -> Doc:
        """The links to the stretch of time before and after."""
        if since is None or until is None:
            until = self.time()
            since = until - 2 * DAY_S
        width = until - since
        kept = {k: v for k, v in params(request).items() if k not in ("since", "until")}

        def link(start: float) -> str:
            span = {"since": int(start), "until": int(start + width)}
            return f"{self.address_of(request)}?{urlencode({**kept, **span})}"

        return {"previous": link(since - width), "next": link(since + width)}


def _day_ends(since: float, until: float) -> list[datetime]:
    """Midnights in Pacific time after `since` and not after `until`."""
    at = datetime.fromtimestamp(since, PACIFIC)
    day = at.date() + timedelta(days=1)
    found: list[datetime] = []
    while True:
        end = datetime(day.year, day.month, day.day, tzinfo=PACIFIC).astimezone(UTC)
        if end.timestamp() > until:
            return found
        found.append(end)
        day += timedelta(days=1)


def _edge(wanted: Field, total: int) -> Doc:
    shown: Doc = {"data": []}
    summary = {"total_count": total}
    asked = wanted.modifiers.get("summary", "")
    return shown | ({"summary": summary} if asked.lower() in ("true", "1") else {})
