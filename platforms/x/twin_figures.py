"""Figures of posts, replies to them, mentions, and hiding replies.

Sources: https://docs.x.com/x-api/posts/search/introduction,
https://docs.x.com/x-api/posts/get-post-analytics,
https://docs.x.com/x-api/posts/hide-replies/introduction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from ..practice.switches import Switch
from . import twin_text
from .twin_calls import DAY, Caller, Refused, forbidden, invalid, sent_json
from .twin_reading import TWEET_READS, Reads, words, x_time

FIGURE_SWITCHES = (
    Switch("impressions", "Views that every post has", 120),
    Switch("search_finds_root", "A search for replies finds the post itself too", True),
    Switch("search_delay_s", "A search finds a reply after (seconds)", 0),
)
SEARCH_DAYS = 7
MENTIONS_KEPT = 800
PAGING = words("max_results since_id until_id start_time end_time")
GRANULARITIES = {"total": None, "daily": DAY, "hourly": 3600, "weekly": 7 * DAY}
ANALYTICS = {
    "impressions": "impressions",
    "likes": "likes",
    "replies": "replies",
    "retweets": "reposts",
    "quote_tweets": "quotes",
    "bookmarks": "bookmarks",
    "url_clicks": "clicks",
    "user_profile_clicks": "profile_clicks",
}
#: Points of one answer, at most.
MOST_POINTS = 1_000
#: One part of a query: `-from:acme`, `conversation_id:42`, `is:reply`.
PART = re.compile(r"(-?)(conversation_id|from|to|in_reply_to_tweet_id|is):(\S+)")


class Figures(Reads):
    has_readers: ClassVar[bool] = True

    # ------------------------------------------------------------ analytics

    @route("GET", "/2/tweets/analytics")
    def analytics(self, request: Request) -> Response:
        return self._api(request, "GET /2/tweets/analytics", self._analytics)

    def _analytics(self, request: Request, caller: Caller) -> Response:
        needed = ("ids", "start_time", "end_time", "granularity")
        query = self._query(request, {*needed, "analytics.fields"})
        if missing := [name for name in needed if not query.get(name)]:
            raise invalid(
                *(
                    (f"The `{name}` query parameter can not be empty", {name: []})
                    for name in missing
                )
            )
        ids = [self._id("ids", id) for id in query["ids"].split(",")]
        start, end = self._moment(query, "start_time"), self._moment(query, "end_time")
        assert start is not None
        assert end is not None
        granularity = query["granularity"]
        problems = {
            "granularity": granularity not in GRANULARITIES,
            "end_time": end <= start,
            "ids": len(ids) > 100,
        }
        for name, is_wrong in problems.items():
            if is_wrong:
                text = (
                    f"The `{name}` query parameter value [{query[name]}] is not valid"
                )
                raise invalid((text, {name: [query[name]]}))
        known = frozenset({*ANALYTICS, "engagements", "follows"})
        wanted = self._list(query, "analytics.fields", known) or known
        self._permit(caller, "GET /2/tweets/analytics")
        data, errors = [], []
        for id in ids:
            tweet = self.get("tweet", id)
            if not tweet or tweet["deleted"]:
                errors.append(self._not_found("tweet", "ids", id))
            elif tweet["user"] != caller.id:
                errors.append(self._not_authorized(id, "organic_metrics"))
            else:
                self._bill(5, f"tweet {id}")
                points = self._points(tweet, start, end, GRANULARITIES[granularity])
                rows = [
                    {"timestamp": x_time(at), "metrics": self._metrics(counts, wanted)}
                    for at, counts in points
                ]
                data.append({"id": id, "timestamped_metrics": rows})
        answer: Doc = {"data": data} if data else {}
        return self._json(answer | ({"errors": errors} if errors else {}))

    def _points(
        self, tweet: Doc, start: int, end: int, width_s: int | None
    ) -> list[tuple[int, dict[str, int]]]:
        """(milliseconds, counts): all of it falls on the moment of the post."""
        counts = self.figures_of(tweet)
        nothing = dict.fromkeys(counts, 0)
        if width_s is None:
            is_in = start <= tweet["created_ms"] < end
            return [(start, counts if is_in else nothing)]
        width = width_s * 1000
        found = []
        for at in range(start - start % width, end, width):
            is_in = at <= tweet["created_ms"] < at + width
            found.append((at, counts if is_in else nothing))
            if len(found) == MOST_POINTS:
                break
        return found

    def _metrics(self, counts: dict[str, int], wanted: Iterable[str]) -> Doc:
        shown: Doc = {name: counts[key] for name, key in ANALYTICS.items()}
        names = ("likes", "replies", "retweets", "quote_tweets", "url_clicks")
        shown |= {"engagements": sum(shown[name] for name in names), "follows": 0}
        return {name: value for name, value in shown.items() if name in wanted}

    # ------------------------------------------------------------ replies

    @route("GET", "/2/tweets/search/recent")
    def search(self, request: Request) -> Response:
        return self._api(request, "GET /2/tweets/search/recent", self._search)

    def _search(self, request: Request, caller: Caller) -> Response:
        names = {"query", "next_token", "pagination_token", "sort_order"}
        query = self._query(request, {*names, *PAGING, *TWEET_READS})
        text = query.get("query", "")
        if not text.strip():
            empty = "The `query` query parameter can not be empty"
            raise invalid((empty, {"query": []}))
        tests = self._tests(text)
        if "next_token" in query:
            query["pagination_token"] = query["next_token"]

        def fits(tweet: Doc) -> bool:
            return all(test(tweet) is wanted for wanted, test in tests)

        since = (self.time() - SEARCH_DAYS * DAY) * 1000
        least = 10
        return self._matching(
            caller, "GET /2/tweets/search/recent", query, fits, least, since
        )

    def _tests(self, query: str) -> list[tuple[bool, Callable[[Doc], bool]]]:
        """(what the test has to say, test) for each part of a query."""
        found = []
        for part in query.split():
            match = PART.fullmatch(part)
            if not match or (match[2] == "is" and match[3] not in ("reply", "retweet")):
                text = f"There were errors processing your request: no viable '{part}'"
                raise invalid((text, {"query": [query]}))
            found.append((not match[1], self._test(match[2], match[3])))
        return found

    def _test(self, operator: str, value: str) -> Callable[[Doc], bool]:
        def user_of(id: str | None) -> str:
            user = self.get("user", id) if id else None
            return str(user["username"]).lower() if user else ""

        name = value.removeprefix("@").lower()
        finds_root = self.setting("search_finds_root")
        tests: dict[str, Callable[[Doc], bool]] = {
            "conversation_id": lambda t: (
                t["conversation"] == value and (finds_root or t["id"] != value)
            ),
            "in_reply_to_tweet_id": lambda t: t["reply_to"] == value,
            "from": lambda t: name in (t["user"], user_of(t["user"])),
            "to": lambda t: name in (t["reply_to_user"], user_of(t["reply_to_user"])),
            "is": lambda t: value == "reply" and bool(t["reply_to"]),
        }
        return tests[operator]

    @route("GET", "/2/users/<id>/mentions", call="GET /2/users/:id/mentions")
    def mentions(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            names = {"pagination_token", *PAGING, *TWEET_READS}
            query = self._query(request, names)
            user = self.get("user", self._id("id", id))
            if not user:
                return self._json({"errors": [self._not_found("user", "id", id)]})

            def fits(tweet: Doc) -> bool:
                named = twin_text.mentions(tweet["sent"], user["username"])
                return bool(named) and tweet["user"] != id

            key = "GET /2/users/:id/mentions"
            return self._matching(caller, key, query, fits, 5, 0, MENTIONS_KEPT)

        return self._api(request, "GET /2/users/:id/mentions", work)

    def _matching(
        self,
        caller: Caller,
        key: str,
        query: dict[str, str],
        fits: Callable[[Doc], bool],
        least: int,
        oldest_ms: float,
        most: int | None = None,
    ) -> Response:
        """A page of the posts that fit, newest first."""
        reading = self._reading(query)
        size = self._number(query, "max_results", least, 100, 10)
        since = int(self._id("since_id", query.get("since_id", "0")))
        until = int(self._id("until_id", query.get("until_id", "9" * 19)))
        start = self._moment(query, "start_time")
        end = self._moment(query, "end_time")
        before = self._page(query)
        self._permit(caller, key)
        newest = (self.time() - self.setting("search_delay_s")) * 1000
        found = [
            tweet
            for id, tweet in self.all("tweet", deleted=False)
            if oldest_ms <= tweet["created_ms"] <= newest
            and tweet["history"][-1] == id
            and fits(tweet)
        ]
        found.sort(key=lambda tweet: int(tweet["id"]), reverse=True)
        rest = [
            tweet
            for tweet in found[:most]
            if since < int(tweet["id"]) < until
            and (before is None or int(tweet["id"]) < before)
            and (start is None or tweet["created_ms"] >= start)
            and (end is None or tweet["created_ms"] < end)
        ]
        shown = rest[:size]
        meta: Doc = {"result_count": len(shown)}
        answer: Doc = {}
        if shown:
            answer["data"] = [self._tweet_json(t, reading, caller) for t in shown]
            meta |= {"newest_id": shown[0]["id"], "oldest_id": shown[-1]["id"]}
        if len(rest) > size:
            meta["next_token"] = f"7140dibdnow{int(shown[-1]['id']):x}"
        answer = self._included(answer, reading)
        return self._json(answer | {"meta": meta})

    @route("PUT", "/2/tweets/<id>/hidden", call="PUT /2/tweets/:id/hidden")
    def hide(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            self._query(request, ())
            hidden: Any = sent_json(request).get("hidden")
            if not isinstance(hidden, bool):
                raise invalid(("$.hidden: is missing but it is required", {}))
            self._permit(caller, "PUT /2/tweets/:id/hidden")
            reply = self.get("tweet", self._id("id", id))
            if not reply or reply["deleted"]:
                missing = self._not_found("tweet", "id", id)
                raise Refused(
                    404, missing["title"], missing["detail"], "resource-not-found"
                )
            root = self.get("tweet", reply["conversation"])
            if not reply["reply_to"] or not root or root["user"] != caller.id:
                raise forbidden("You are not permitted to perform this action.")
            self.put("tweet", id, {**reply, "hidden": hidden})
            self._bill(10)
            return self._json({"data": {"hidden": hidden}})

        return self._api(request, "PUT /2/tweets/:id/hidden", work)
