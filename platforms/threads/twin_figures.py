"""Figures of posts and profiles, and the conversation below a post.

Sources: https://developers.facebook.com/docs/threads/insights ;
https://developers.facebook.com/docs/threads/reply-management (v1.0).
"""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_fields import is_true, text_of, time_of
from ..facebook.twin_fields import params as sent
from ..practice.framework import Doc, route
from .twin_graph import Caller, not_there
from .twin_posts import Posts
from .twin_world import DAY_S

OF_POST = ("views", "likes", "replies", "reposts", "quotes", "shares")
OF_PROFILE = (
    *("views", "likes", "replies", "reposts", "quotes", "clicks"),
    *("followers_count", "follower_demographics"),
)
BREAKDOWNS = {"country": "US", "city": "Berlin", "age": "25-34", "gender": "F"}
#: No figures before this moment (Unix seconds).
FIRST_MOMENT = 1_712_991_600
FEWEST_FOLLOWERS = 100
INSIGHTS = "threads_manage_insights"


class Figures(Posts):
    # ------------------------------------------------------------ figures

    @route("GET", "/graph/<version>/<id>/insights", call="GET /:media/insights")
    def post_insights(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            post = self.own_post(caller, id)
            self.need(caller, INSIGHTS)
            metrics = _metrics(request, OF_POST)
            if post["repost_of"]:
                return {"data": []}
            counts = self._counts(post)
            return {
                "data": [
                    self._row(id, name, "lifetime")
                    | {"values": [{"value": counts[name]}]}
                    for name in metrics
                ]
            }

        return self.graph(request, version, work)

    def _counts(self, post: Doc) -> dict[str, int]:
        quotes = [p for _, p in self.all("post", quotes=post["id"])]
        reposts = [p for _, p in self.all("post", repost_of=post["id"])]
        return {
            "views": int(self.setting("impressions")),
            "likes": int(self.setting("impressions")) // 10,
            "replies": len(self.answers_to(post)),
            "reposts": sum(map(self.is_there, reposts)),
            "quotes": sum(map(self.is_there, quotes)),
            "shares": 0,
        }

    def _row(self, id: str, name: str, period: str) -> Doc:
        return {
            "name": name,
            "period": period,
            "title": name.replace("_", " ").capitalize(),
            "description": f"Practice figures of {name}",
            "id": f"{id}/insights/{name}/{period}",
        }

    @route(
        "GET",
        "/graph/<version>/<id>/threads_insights",
        call="GET /:user/threads_insights",
    )
    def profile_insights(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            user = self.me(caller, id)
            self.need(caller, INSIGHTS)
            values = sent(request)
            metrics = _metrics(request, OF_PROFILE)
            since, until = (time_of(values, name) for name in ("since", "until"))
            if any(at is not None and at < FIRST_MOMENT for at in (since, until)):
                raise errors.wrong(f"since and until must be {FIRST_MOMENT} or later")
            is_period_missing = not text_of(values, "period")
            if self.setting("period_required") and is_period_missing:
                raise errors.wrong("The period param is required for this metric")
            until = until or self.time()
            posts = [
                post
                for post in self.posts_of(user["id"])
                if (since or 0) <= post["created_at"] <= until
            ]
            rows = [self._profile_row(request, user, n, posts) for n in metrics]
            return {"data": [row for row in rows if row]}

        return self.graph(request, version, work)

    def _profile_row(
        self, request: Request, user: Doc, name: str, posts: list[Doc]
    ) -> Doc:
        if name == "follower_demographics":
            return self._demographics(request, user)
        row = self._row(user["id"], name, "day")
        if name == "followers_count":
            return row | {"total_value": {"value": user["followers"]}}
        if name == "clicks":
            return row | {"total_value": {"value": 0}}
        counts = [(post, self._counts(post)[name]) for post in posts]
        if name != "views":
            return row | {"total_value": {"value": sum(n for _, n in counts)}}
        days: dict[int, int] = {}
        for post, number in counts:
            end = int(post["created_at"] // DAY_S + 1) * DAY_S
            days[end] = days.get(end, 0) + number
        values = [
            {"value": number, "end_time": self.stamp(end)}
            for end, number in sorted(days.items())
        ]
        return row | {"values": values}

    def _demographics(self, request: Request, user: Doc) -> Doc:
        breakdown = text_of(sent(request), "breakdown")
        if breakdown not in BREAKDOWNS:
            raise errors.wrong("breakdown must be one of country, city, age, gender")
        if user["followers"] < FEWEST_FOLLOWERS:
            return {}
        result = {
            "dimension_values": [BREAKDOWNS[breakdown]],
            "value": user["followers"],
        }
        shown = {"dimension_keys": [breakdown], "results": [result]}
        row = self._row(user["id"], "follower_demographics", "lifetime")
        return row | {"total_value": {"breakdowns": [shown]}}

    # ------------------------------------------------------------ the conversation

    @route("GET", "/graph/<version>/<id>/replies", call="GET /:media/replies")
    def replies(self, request: Request, version: str, id: str) -> Response:
        if id == "me" or self.get("user", id):
            return self.own_list(request, version, id, "replies")
        return self._answer_list(request, version, id, all_levels=False)

    @route("GET", "/graph/<version>/<id>/conversation", call="GET /:media/conversation")
    def conversation(self, request: Request, version: str, id: str) -> Response:
        return self._answer_list(request, version, id, all_levels=True)

    def _answer_list(
        self, request: Request, version: str, id: str, *, all_levels: bool
    ) -> Response:
        def work(caller: Caller) -> Doc:
            post = self.in_reach(caller, id)
            self.need(caller, "threads_read_replies")
            found = self.answers_to(post, all_levels=all_levels)
            if not is_true(sent(request).get("reverse"), default=True):
                found.reverse()
            return self.listed_posts(request, caller, [(p["id"], p) for p in found])

        return self.graph(request, version, work)

    @route(
        "POST",
        "/graph/<version>/<id>/manage_reply",
        call="POST /:reply/manage_reply",
    )
    def manage_reply(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            reply = self.in_reach(caller, id)
            self.need(caller, "threads_manage_replies")
            root = self.get("post", reply["root"]) if reply["root"] else None
            if not root or root["user"] != caller.user:
                raise not_there()
            hide = text_of(self.values(request), "hide")
            if hide not in ("true", "false"):
                raise errors.wrong("The parameter hide must be true or false")
            status = "HIDDEN" if hide == "true" else "UNHUSHED"
            self.put("post", id, {**reply, "hide_status": status})
            return {"success": True}

        return self.graph(request, version, work)


def _metrics(request: Request, known: tuple[str, ...]) -> list[str]:
    metrics = [m for m in text_of(sent(request), "metric").split(",") if m]
    if not metrics:
        raise errors.needed("metric")
    if wrong := [name for name in metrics if name not in known]:
        raise errors.wrong(f"metric[0] must be one of {known}, not {wrong[0]}")
    return metrics
