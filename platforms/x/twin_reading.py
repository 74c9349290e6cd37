"""Posts and people as X shows them: fields, expansions, timelines, partial answers.

Sources: https://docs.x.com/x-api/fundamentals/fields,
https://docs.x.com/x-api/posts/timelines/introduction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, iso, route
from .twin_calls import DAY, PREMIUM_PLANS, Caller, invalid
from .twin_media import Media


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TWEET_FIELDS = words(
    "article attachments author_id card_uri community_id context_annotations "
    "conversation_id created_at display_text_range edit_controls "
    "edit_history_tweet_ids entities geo id in_reply_to_user_id lang "
    "non_public_metrics note_tweet organic_metrics possibly_sensitive "
    "promoted_metrics public_metrics referenced_tweets reply_settings source text "
    "withheld"
)
USER_FIELDS = words(
    "affiliation created_at description entities id location most_recent_tweet_id "
    "name pinned_tweet_id profile_banner_url profile_image_url protected "
    "public_metrics subscription_type url username verified verified_type withheld"
)
MEDIA_FIELDS = words(
    "alt_text duration_ms height media_key non_public_metrics organic_metrics "
    "preview_image_url public_metrics type url variants width"
)
TWEET_EXPANSIONS = words(
    "attachments.media_keys author_id referenced_tweets.id in_reply_to_user_id"
)
TWEET_READS = frozenset({"tweet.fields", "expansions", "media.fields", "user.fields"})


@dataclass
class Reading:
    """What a read wants besides the defaults, in the old names."""

    tweet: frozenset[str] = frozenset()
    user: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()
    expansions: frozenset[str] = frozenset()
    tweets: dict[str, Doc] = field(default_factory=dict)
    users: dict[str, Doc] = field(default_factory=dict)
    pictures: dict[str, Doc] = field(default_factory=dict)
    errors: list[Doc] = field(default_factory=list)


def x_time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


class Reads(Media):
    def _list(
        self, query: Mapping[str, str], name: str, allowed: frozenset[str]
    ) -> frozenset[str]:
        """A comma list of a query in the old names, each value known."""
        if name not in query:
            return frozenset()
        spelled = self._spelled(name)
        if not query[name]:
            raise invalid(
                (f"The `{spelled}` query parameter can not be empty", {spelled: []})
            )
        known = {self._spelled(value): value for value in allowed}
        chosen = query[name].split(",")
        wrong = [value for value in chosen if value not in known]
        if wrong:
            raise invalid(
                (
                    f"The `{spelled}` query parameter value [{wrong[0]}] is not one of "
                    f"[{','.join(sorted(known))}]",
                    {spelled: [query[name]]},
                )
            )
        return frozenset(known[value] for value in chosen)

    def _reading(
        self,
        query: Mapping[str, str],
        expansions: frozenset[str] = TWEET_EXPANSIONS,
    ) -> Reading:
        return Reading(
            tweet=self._list(query, "tweet.fields", TWEET_FIELDS),
            user=self._list(query, "user.fields", USER_FIELDS),
            media=self._list(query, "media.fields", MEDIA_FIELDS),
            expansions=self._list(query, "expansions", expansions),
        )

    def _number(
        self, query: Mapping[str, str], name: str, low: int, high: int, default: int
    ) -> int:
        value = query.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise invalid(
                (
                    f"The `{name}` query parameter value [{value}] is not between "
                    f"{low} and {high}",
                    {name: [value]},
                )
            )
        return int(value)

    def _moment(self, query: Mapping[str, str], name: str) -> int | None:
        """An RFC 3339 time as epoch milliseconds."""
        value = query.get(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or "T" not in value:
            raise invalid(
                (
                    f"The `{name}` query parameter value [{value}] is not a valid "
                    "RFC 3339 date-time",
                    {name: [value]},
                )
            )
        if moment < datetime(2010, 11, 6, tzinfo=UTC):
            raise invalid(
                (
                    f"The `{name}` query parameter value [{value}] must be on or after "
                    "2010-11-06T00:00Z",
                    {name: [value]},
                )
            )
        return round(moment.timestamp() * 1000)

    def _not_found(self, kind: str, name: str, value: str) -> Doc:
        return {
            "value": value,
            "detail": f"Could not find {kind} with {name}: [{value}].",
            "title": "Not Found Error",
            "resource_type": kind,
            "parameter": name,
            "resource_id": value,
            "type": self._type("resource-not-found"),
        }

    def _tweet_json(self, tweet: Doc, reading: Reading, caller: Caller) -> Doc:
        """A post in the fields asked for; empty fields are left out."""
        wanted = reading.tweet
        shown: Doc = {
            "id": tweet["id"],
            "text": tweet["text"],
            self._spelled("edit_history_tweet_ids"): tweet["history"],
        }
        user = tweet["user"]
        media = [self.get("media", id) for id in tweet["media"]]
        keys = [doc["media_key"] for doc in media if doc]
        references = []
        if tweet["reply_to"]:
            references = [{"type": "replied_to", "id": tweet["reply_to"]}]
        if tweet.get("quotes"):
            references.append({"type": "quoted", "id": tweet["quotes"]})
        figures = self.figures_of(tweet)
        public = {
            self._spelled("retweet_count"): figures["reposts"],
            "reply_count": figures["replies"],
            "like_count": figures["likes"],
            "quote_count": figures["quotes"],
            "bookmark_count": figures["bookmarks"],
            "impression_count": figures["impressions"],
        }
        values: Doc = {
            "author_id": user,
            "created_at": x_time(tweet["created_ms"]),
            "conversation_id": tweet["conversation"],
            "entities": {"urls": tweet["urls"]} if tweet["urls"] else None,
            "attachments": {"media_keys": keys} if keys else None,
            "referenced_tweets": references,
            "in_reply_to_user_id": tweet["reply_to_user"],
            "note_tweet": tweet["note"],
            "public_metrics": public,
            "reply_settings": tweet["reply_settings"] or "everyone",
            "lang": "und",
            "possibly_sensitive": False,
        }
        for name in ("non_public_metrics", "organic_metrics"):
            if name not in wanted:
                continue
            is_recent = tweet["created_ms"] > (self.time() - 30 * DAY) * 1000
            if user != caller.id or not is_recent:
                reading.errors.append(self._not_authorized(tweet["id"], name))
            elif name == "non_public_metrics":
                values[name] = {
                    "impression_count": figures["impressions"],
                    "url_link_clicks": figures["clicks"],
                    "user_profile_clicks": figures["profile_clicks"],
                    "engagements": figures["clicks"] + figures["profile_clicks"],
                }
            else:
                values[name] = public
        for name, value in values.items():
            if name in wanted and value not in (None, [], {}):
                shown[self._spelled(name)] = value
        if "attachments.media_keys" in reading.expansions:
            for doc in media:
                if doc:
                    reading.pictures[doc["media_key"]] = self._media_json(
                        doc, reading.media
                    )
        if "author_id" in reading.expansions:
            author = self.get("user", user)
            assert author is not None
            reading.users[user] = self._user_json(author, reading.user)
        if "referenced_tweets.id" in reading.expansions and tweet["reply_to"]:
            parent = self.get("tweet", tweet["reply_to"])
            if parent and not parent["deleted"]:
                inner = Reading(tweet=wanted)
                reading.tweets[parent["id"]] = self._tweet_json(parent, inner, caller)
        self._bill(5, f"tweet {tweet['id']}")
        return shown

    def figures_of(self, tweet: Doc) -> dict[str, int]:
        """What readers did: all by how often the post was seen, but for the replies."""
        seen = int(self.setting("impressions"))
        return {
            "impressions": seen,
            "likes": seen // 25,
            "reposts": seen // 60,
            "quotes": seen // 120,
            "bookmarks": seen // 100,
            "clicks": seen // 30,
            "profile_clicks": seen // 60,
            "replies": self.world.count(self.slug, f"replies:{tweet['id']}"),
        }

    def _not_authorized(self, id: str, name: str) -> Doc:
        return {
            "resource_id": id,
            "parameter": name,
            "resource_type": "tweet",
            "field": name,
            "section": "data",
            "title": "Field Authorization Error",
            "detail": f"Sorry, you are not authorized to access '{name}' on the Tweet"
            f" with id: [{id}].",
            "type": self._type("not-authorized-for-field"),
        }

    def _user_json(self, user: Doc, wanted: frozenset[str]) -> Doc:
        is_paying = user["subscription_type"] in PREMIUM_PLANS
        shown: Doc = {
            "id": user["id"],
            "name": user["name"],
            "username": user["username"],
        }
        values: Doc = {
            "created_at": user["created_at"],
            "profile_image_url": "https://pbs.twimg.com/profile_images/1/a_normal.jpg",
            "protected": user["protected"],
            "verified": is_paying,
            "verified_type": "blue" if is_paying else "none",
            "subscription_type": user["subscription_type"],
            "most_recent_tweet_id": user["most_recent"],
            "public_metrics": {
                "followers_count": 5502,
                "following_count": 652,
                self._spelled("tweet_count"): user["count"],
                "listed_count": 47,
            },
        }
        for name, value in values.items():
            if name in wanted and value is not None:
                shown[self._spelled(name)] = value
        return shown

    def _included(self, answer: Doc, reading: Reading) -> Doc:
        includes: Doc = {}
        for name, docs in (
            ("media", reading.pictures),
            ("users", reading.users),
            ("tweets", reading.tweets),
        ):
            if docs:
                includes[name] = list(docs.values())
        if includes:
            answer["includes"] = includes
        if reading.errors:
            answer["errors"] = reading.errors
        return answer

    @route("GET", "/2/users/me")
    def me(self, request: Request) -> Response:
        return self._api(request, "GET /2/users/me", self._me)

    def _me(self, request: Request, caller: Caller) -> Response:
        query = self._query(request, {"user.fields", "tweet.fields", "expansions"})
        reading = self._reading(
            query, frozenset({"most_recent_tweet_id", "pinned_tweet_id"})
        )
        self._permit(caller, "GET /2/users/me")
        answer: Doc = {"data": self._user_json(caller.user, reading.user)}
        newest = caller.user["most_recent"]
        if newest and "most_recent_tweet_id" in reading.expansions:
            tweet = self.get("tweet", newest)
            assert tweet is not None
            reading.tweets[newest] = self._tweet_json(tweet, reading, caller)
        self._bill(10, f"user {caller.id}")
        return self._json(self._included(answer, reading))

    @route("GET", "/2/tweets")
    def lookup(self, request: Request) -> Response:
        return self._api(request, "GET /2/tweets", self._lookup)

    def _lookup(self, request: Request, caller: Caller) -> Response:
        query = self._query(request, {"ids", *TWEET_READS})
        if not query.get("ids"):
            raise invalid(("The `ids` query parameter can not be empty", {"ids": []}))
        ids = query["ids"].split(",")
        if len(ids) > 100:
            raise invalid(
                (
                    "The number of values in the `ids` query parameter list "
                    f"[{len(ids)}] is not between 1 and 100",
                    {"ids": ids},
                )
            )
        for id in ids:
            self._id("ids", id)
        reading = self._reading(query)
        self._permit(caller, "GET /2/tweets")
        return self._found(ids, reading, caller, "ids", many=True)

    @route("GET", "/2/tweets/<id>", call="GET /2/tweets/:id")
    def one(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            reading = self._reading(self._query(request, TWEET_READS))
            self._id("id", id)
            self._permit(caller, "GET /2/tweets/:id")
            return self._found([id], reading, caller, "id", many=False)

        return self._api(request, "GET /2/tweets/:id", work)

    def _found(
        self, ids: list[str], reading: Reading, caller: Caller, name: str, *, many: bool
    ) -> Response:
        """Posts by id: a missing one is an entry of `errors` in a 200."""
        shown = []
        for id in ids:
            tweet = self.get("tweet", id)
            if tweet and not tweet["deleted"]:
                shown.append(self._tweet_json(tweet, reading, caller))
            else:
                missing = self._not_found("tweet", name, id)
                reading.errors.append(
                    {**missing, "detail": f"Could not find tweet with {name}: [{id}]."}
                )
        answer: Doc = {}
        if shown:
            answer["data"] = shown if many else shown[0]
        return self._json(self._included(answer, reading))

    @route("GET", "/2/users/<id>/tweets", call="GET /2/users/:id/tweets")
    def timeline(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            return self._timeline(request, caller, id)

        return self._api(request, "GET /2/users/:id/tweets", work)

    def _timeline(self, request: Request, caller: Caller, user: str) -> Response:
        names = (
            "max_results pagination_token since_id until_id start_time end_time exclude"
        )
        query = self._query(request, {*names.split(), *TWEET_READS})
        reading = self._reading(query)
        size = self._number(query, "max_results", 5, 100, 10)
        since = int(self._id("since_id", query.get("since_id", "0")))
        until = int(self._id("until_id", query.get("until_id", "9" * 19)))
        start = self._moment(query, "start_time")
        end = self._moment(query, "end_time")
        excluded = self._list(query, "exclude", frozenset({"replies", "retweets"}))
        before = self._page(query)
        self._id("id", user)
        self._permit(caller, "GET /2/users/:id/tweets")
        if not self.get("user", user):
            return self._json({"errors": [self._not_found("user", "id", user)]})
        seen_until = (self.time() - self.setting("visible_after_s")) * 1000
        oldest_seen = 800 if "replies" in excluded else 3200
        newest = self.world.page(self.slug, f"timeline:{user}", oldest_seen)
        fitting = [
            id
            for id, row in newest
            if since < int(id) < until
            and (before is None or int(id) < before)
            and (start is None or row["at"] >= start)
            and (end is None or row["at"] < end)
            and row["at"] <= seen_until
            and not ("replies" in excluded and row["is_reply"])
        ]
        ids = fitting[:size]
        meta: Doc = {"result_count": len(ids)}
        answer: Doc = {}
        if ids:
            tweets = [self.get("tweet", id) for id in ids]
            answer["data"] = [
                self._tweet_json(tweet, reading, caller) for tweet in tweets if tweet
            ]
            meta |= {"newest_id": ids[0], "oldest_id": ids[-1]}
        if len(fitting) > size:
            meta["next_token"] = f"7140dibdnow{int(ids[-1]):x}"
        answer = self._included(answer, reading)
        answer["meta"] = meta
        return self._json(answer)

    def _page(self, query: Mapping[str, str]) -> int | None:
        token = query.get("pagination_token")
        if token is None:
            return None
        match = re.fullmatch(r"7140dibdnow([0-9a-f]{1,16})", token)
        if not match:
            raise invalid(
                (
                    f"The `pagination_token` query parameter value [{token}] is not "
                    "valid",
                    {"pagination_token": [token]},
                )
            )
        return int(match[1], 16)
