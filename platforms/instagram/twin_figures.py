"""Figures of professional accounts and of their media.

Source: https://developers.facebook.com/documentation/instagram-platform/insights .
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_fields import params, text_of, time_of
from ..facebook.twin_graph import DAY_S, Caller
from ..practice.framework import Doc, Route, route
from .twin_comments import Comments

OF_MEDIA = (
    *("views", "reach", "likes", "comments", "saved", "shares"),
    "total_interactions",
)
#: what a product has besides
MORE = {
    "REELS": (
        *("ig_reels_avg_watch_time", "ig_reels_video_view_total_time"),
        *("reels_skip_rate", "reposts"),
    ),
    "STORY": ("replies", "navigation", "follows", "profile_visits"),
}
TOTALS = (
    *("views", "reach", "accounts_engaged", "total_interactions", "likes"),
    *("comments", "saves", "shares", "replies"),
)
DEMOGRAPHICS = "follower_demographics"
OF_ACCOUNT = (*TOTALS, DEMOGRAPHICS)
BREAKDOWNS = {"country": "US", "city": "Berlin", "age": "25-34", "gender": "F"}
#: as an account's figure is called among those of its media
IN_MEDIA = {"accounts_engaged": "reach", "saves": "saved"}
FEWEST_FOLLOWERS = 100
KEPT_DAYS = 90
OF_POSTS, OF_ACCOUNTS = "GET /:media/insights", "GET /:ig/insights"


class Figures(Comments):
    def call_of(self, route: Route, request: Request) -> Route:
        if route.call == OF_POSTS and self.kind_of(self.id_in(request)) != "media":
            return replace(route, call=OF_ACCOUNTS)
        return super().call_of(route, request)

    @route("GET", "/graph/<version>/<id>/insights", call=OF_POSTS)
    @route("GET", "/ig/<version>/<id>/insights", call=OF_POSTS)
    def insights(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            if self.get("media", id):
                media = self.visible_media(caller, id, "figures")
                return self._of_media(request, media)
            ig = self.own_id(caller, id)
            account = self.reach_account(caller, ig, "figures")
            return self._of_account(request, account)

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def _metrics(self, request: Request, known: tuple[str, ...]) -> list[str]:
        asked = text_of(params(request), "metric").split(",")
        names = [name.strip() for name in asked if name.strip()]
        if not names:
            raise errors.needed("metric")
        for number, name in enumerate(names):
            if name not in known:
                one_of = ", ".join(known)
                raise errors.wrong(
                    f"metric[{number}] must be one of the following values: {one_of}"
                )
        return names

    def _counts(self, media: Doc) -> dict[str, float]:
        seen = int(self.setting("impressions"))
        counts = {
            "views": seen,
            "reach": seen * 4 // 5,
            "likes": seen // 10,
            "comments": len(self.comments_on(media)),
            "saved": seen // 40,
            "shares": seen // 60,
            "replies": 0,
            "reposts": seen // 120,
            "navigation": seen // 2,
            "follows": seen // 120,
            "profile_visits": seen // 30,
            # thousandths of a second
            "ig_reels_avg_watch_time": 4_200,
            "ig_reels_video_view_total_time": 4_200 * seen,
            "reels_skip_rate": 0.25,
        }
        parts = ("likes", "comments", "saved", "shares")
        return counts | {"total_interactions": sum(counts[name] for name in parts)}

    def _of_media(self, request: Request, media: Doc) -> Doc:
        product = media.get("product", "FEED")
        names = self._metrics(request, (*OF_MEDIA, *MORE.get(product, ())))
        if not self.setting("impressions"):
            return {"data": []}  # nothing is known: not 0
        counts = self._counts(media)
        rows = [
            self._row(media["id"], name, "lifetime")
            | {"values": [{"value": counts[name]}]}
            for name in names
        ]
        return {"data": rows}

    def _row(self, id: str, name: str, period: str) -> Doc:
        return {
            "name": name,
            "period": period,
            "title": name.replace("_", " ").capitalize(),
            "description": f"Practice figures of {name}",
            "id": f"{id}/insights/{name}/{period}",
        }

    def _of_account(self, request: Request, account: Doc) -> Doc:
        names = self._metrics(request, OF_ACCOUNT)
        values = params(request)
        total = text_of(values, "metric_type") == "total_value"
        if DEMOGRAPHICS in names:
            return self._demographics(request, account, names)
        if text_of(values, "period") != "day":
            raise errors.wrong("period must be one of the following values: day")
        if not total and any(name != "reach" for name in names):
            raise errors.wrong("metric_type must be total_value for these metrics")
        now = self.time()
        until = time_of(values, "until") or now
        since = time_of(values, "since")
        since = until - DAY_S if since is None else since
        if since > until:
            raise errors.wrong("since must be before until")
        since = max(since, now - KEPT_DAYS * DAY_S)
        media = [
            row
            for shelf in ("grid", "stories")
            for row in self.media_of(account["id"], 1_000, shelf)
            if since <= row["created_at"] <= until
        ]
        if not media or not self.setting("impressions"):
            return {"data": []}
        if total:
            sums = self._sums(media)
            rows = [
                self._row(account["id"], name, "day")
                | {"total_value": {"value": sums[IN_MEDIA.get(name, name)]}}
                for name in names
            ]
            return {"data": rows}
        row = self._row(account["id"], "reach", "day")
        return {"data": [row | {"values": self._daily_reach(media, since, until)}]}

    def _sums(self, media: list[Doc]) -> dict[str, float]:
        counts = [self._counts(row) for row in media]
        return {name: sum(row[name] for row in counts) for name in counts[0]}

    def _daily_reach(self, media: list[Doc], since: float, until: float) -> list[Doc]:
        found = []
        start = datetime.fromtimestamp(since, UTC)
        while start.timestamp() < until:
            end = start + timedelta(days=1)
            new = [
                row
                for row in media
                if start.timestamp() <= row["created_at"] < end.timestamp()
            ]
            value: Any = sum(self._counts(row)["reach"] for row in new)
            found.append({"value": value, "end_time": self.stamp(end.timestamp())})
            start = end
        return found

    def _demographics(self, request: Request, account: Doc, names: list[str]) -> Doc:
        values = params(request)
        breakdown = text_of(values, "breakdown")
        if text_of(values, "period") != "lifetime" or len(names) > 1:
            raise errors.wrong("follower_demographics wants period=lifetime, alone")
        if text_of(values, "metric_type") != "total_value":
            raise errors.wrong("metric_type must be total_value for these metrics")
        if breakdown not in BREAKDOWNS:
            raise errors.wrong("breakdown must be one of age, city, country, gender")
        followers = int(self.setting("followers"))
        if followers < FEWEST_FOLLOWERS:
            return {"data": []}
        result = {"dimension_values": [BREAKDOWNS[breakdown]], "value": followers}
        shown = {"dimension_keys": [breakdown], "results": [result]}
        row = self._row(account["id"], DEMOGRAPHICS, "lifetime")
        return {"data": [row | {"total_value": {"breakdowns": [shown]}}]}
