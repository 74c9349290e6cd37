"""Figures of Pages, posts and members, and what is written and felt below a post.

Comments hang on an activity, whose URN has a number of its own.
Sources, under https://learn.microsoft.com/en-us/linkedin/marketing/community-management/ :
organizations/share-statistics, organizations/follower-statistics,
organizations/page-statistics, members/post-statistics, shares/comments-api,
shares/social-metadata-api, shares/reactions-api.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from ..practice.switches import Switch
from .twin_calls import (
    ENDPOINTS,
    FEED_READ,
    FEED_WRITE,
    ORGANIZATION,
    PERSON,
    POST_ROLES,
    Caller,
    Endpoint,
    Refused,
    denied,
    digest,
    missing,
    not_found,
    sent_json,
    wrong_query,
    wrong_schema,
)
from .twin_events import Events
from .twin_media import Media

FIGURE_SWITCHES = (
    Switch("impressions", "Views that every post has", 120),
    Switch("followers", "Followers of every Page", 1_200),
    Switch("activity_delay_s", "A post takes comments after (seconds)", 0),
    Switch("comments_per_minute", "Comments of one member in a minute", 30),
    Switch("metric_form", "Form of a member's figure", "object", ("object", "text")),
    Switch("metric_name", "Name of a member's figure", "count", ("count", "value")),
)
ENTITY = re.compile(r"\((share|ugc):(urn:li:(?:share|ugcPost):[0-9]+)\)")
COMMENT = re.compile(r"urn:li:comment:\((urn:li:\w+:[0-9]+),([0-9]+)\)")
INTERVALS = re.compile(
    r"\(timeRange:\(start:([0-9]{1,14}),end:([0-9]{1,14})\),"
    r"timeGranularityType:(DAY|MONTH)\)"
)
DAY_PART = r"\(year:([0-9]{4}),month:([0-9]{1,2}),day:([0-9]{1,2})\)"
DATES = re.compile(rf"\(start:{DAY_PART},end:{DAY_PART}\)")
HISTORY_DAYS = 365
DAY_MS = 86_400_000
#: queryType -> what is counted
MEMBER_METRICS = {
    "IMPRESSION": "impressionCount",
    "MEMBERS_REACHED": "uniqueImpressionsCount",
    "RESHARE": "shareCount",
    "REACTION": "likeCount",
    "COMMENT": "commentCount",
}
METRIC_TYPE = (
    "com.linkedin.adsexternalapi.memberanalytics.v1.CreatorPostAnalyticsMetricTypeV1"
)
REACTIONS = (
    *("LIKE", "PRAISE", "EMPATHY", "INTEREST", "APPRECIATION"),
    "ENTERTAINMENT",
)
COMMENTS = "/api/rest/socialActions/<urn>/comments"


class Figures(Events, Media):
    has_readers: ClassVar[bool] = True

    # ------------------------------------------------------------ counts

    def _live_post(self, urn: str) -> Doc:
        post = self.get("post", urn)
        if not post or post["deleted_at"]:
            raise not_found()
        return post

    def _counts(self, post: Doc) -> dict[str, float]:
        seen = int(self.setting("impressions"))
        likes = len(self._reactions(post))
        counts: dict[str, float] = {
            "impressionCount": seen,
            "uniqueImpressionsCount": seen * 4 // 5,
            "clickCount": seen // 30,
            "likeCount": seen // 40 + likes,
            "commentCount": len(self._comments(post)),
            "shareCount": seen // 60,
        }
        names = ("clickCount", "likeCount", "commentCount", "shareCount")
        engaged = sum(counts[name] for name in names)
        return counts | {"engagement": round(engaged / seen, 4) if seen else 0.0}

    def _posts_between(self, author: str, start: float, end: float) -> list[Doc]:
        """start, end: milliseconds."""
        rows = [post for _, post in self.all("post", author=author, deleted_at=None)]
        return [row for row in rows if start <= row["created_at"] * 1000 < end]

    def _sum(self, posts: Iterable[Doc]) -> dict[str, float]:
        found: dict[str, float] = dict.fromkeys(MEMBER_METRICS.values(), 0)
        found |= {"clickCount": 0, "engagement": 0.0}
        for post in posts:
            for name, value in self._counts(post).items():
                found[name] += value
        return found

    # ------------------------------------------------------------ Pages

    @route(
        "GET",
        "/api/rest/organizationalEntityShareStatistics",
        call="GET /rest/organizationalEntityShareStatistics",
    )
    def share_statistics(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            names = ("q", "organizationalEntity", "shares", "ugcPosts", "timeIntervals")
            query = self._query(request, *names, "start", "count")
            page = self._own_page(caller, query, "organizationalEntity")
            urns = [
                urn
                for name in ("shares", "ugcPosts")
                if name in query
                for urn in self._listed(query, name)
            ]
            if urns:
                elements = [
                    self._share_element(page, urn)
                    for urn in urns
                    if self._is_active(page, urn)
                ]
            elif "timeIntervals" in query:
                elements = [
                    {
                        "organizationalEntity": page,
                        "timeRange": {"start": start, "end": end},
                        "totalShareStatistics": self._sum(
                            self._posts_between(page, start, end)
                        ),
                    }
                    for start, end in self._intervals(query)
                ]
            else:
                now = self.time() * 1000
                posts = self._posts_between(page, now - HISTORY_DAYS * DAY_MS, now + 1)
                total = {"totalShareStatistics": self._sum(posts)}
                elements = [{"organizationalEntity": page} | total]
            return self._elements(query, elements)

        key = "GET /rest/organizationalEntityShareStatistics"
        return self._api(request, key, work)

    def _is_active(self, page: str, urn: str) -> bool:
        """A post that nobody saw is left out, as is one of somebody else."""
        post = self.get("post", urn)
        if not post or post["deleted_at"] or post["author"] != page:
            return False
        return any(self._counts(post).values())

    def _share_element(self, page: str, urn: str) -> Doc:
        post = self.get("post", urn) or {}
        name = "ugcPost" if ":ugcPost:" in urn else "share"
        shown = {"organizationalEntity": page, name: urn}
        return shown | {"totalShareStatistics": self._counts(post)}

    @route(
        "GET",
        "/api/rest/organizationalEntityFollowerStatistics",
        call="GET /rest/organizationalEntityFollowerStatistics",
    )
    def follower_statistics(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            names = ("q", "organizationalEntity", "timeIntervals", "start", "count")
            query = self._query(request, *names)
            page = self._own_page(caller, query, "organizationalEntity")
            about = {"organizationalEntity": page}
            if "timeIntervals" not in query:
                counts = {"organicFollowerCount": self.setting("followers")}
                counts["paidFollowerCount"] = 0
                row = {"seniority": "urn:li:seniority:3", "followerCounts": counts}
                return self._elements(
                    query, [about | {"followerCountsBySeniority": [row]}]
                )
            gains = {"organicFollowerGain": 1, "paidFollowerGain": 0}
            return self._elements(
                query,
                [
                    about
                    | {"timeRange": {"start": start, "end": end}}
                    | {"followerGains": gains}
                    for start, end in self._intervals(query)
                ],
            )

        key = "GET /rest/organizationalEntityFollowerStatistics"
        return self._api(request, key, work)

    @route(
        "GET",
        "/api/rest/organizationPageStatistics",
        call="GET /rest/organizationPageStatistics",
    )
    def page_statistics(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            query = self._query(request, "q", "organization", "timeIntervals")
            page = self._own_page(caller, query, "organization")
            views = {"allPageViews": {"pageViews": self.setting("followers") // 10}}
            total = {"totalPageStatistics": {"views": views}}
            return self._elements(query, [{"organization": page} | total])

        return self._api(request, "GET /rest/organizationPageStatistics", work)

    @route("GET", "/api/rest/networkSizes/<urn>", call="GET /rest/networkSizes/{urn}")
    def network_sizes(self, request: Request, urn: str) -> Response:
        def work(caller: Caller) -> Response:
            query = self._query(request, "edgeType")
            if query.get("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER":
                raise wrong_query("Query parameter edgeType has an unknown value")
            page = self.get("page", urn.rsplit(":", 1)[-1])
            if not ORGANIZATION.fullmatch(urn) or not page:
                raise not_found()
            return self._json({"firstDegreeSize": self.setting("followers")})

        return self._api(request, "GET /rest/networkSizes/{urn}", work)

    def _own_page(self, caller: Caller, query: dict[str, str], name: str) -> str:
        """The Page that a finder is about, of which the member is an administrator."""
        if query.get("q") != name:
            raise wrong_query("Query parameter q must name a finder")
        page = self._urn(query, name, ORGANIZATION)
        if self._role(caller, page) != "ADMINISTRATOR":
            raise denied(
                "Unpermitted fields present in PARAMETER: Data Processing Exception "
                f"while processing fields [/{name}]"
            )
        return page

    def _intervals(self, query: dict[str, str]) -> list[tuple[int, int]]:
        """Whole days (milliseconds), at most the last twelve months."""
        match = INTERVALS.fullmatch(query["timeIntervals"])
        if not match or int(match[1]) >= int(match[2]):
            raise wrong_query("Query parameter timeIntervals is invalid")
        oldest = (self.time() - HISTORY_DAYS * 86_400) * 1000
        start = max(int(match[1]), int(oldest))
        start -= start % DAY_MS
        width = DAY_MS if match[3] == "DAY" else 30 * DAY_MS
        return [(at, at + width) for at in range(start, int(match[2]), width)]

    def _elements(self, query: dict[str, str], elements: list[Doc]) -> Response:
        start = self._number(query, "start", 0, 0, 10_000)
        count = self._number(query, "count", 10, 1, 1_000)
        # Statistics come whole; only lists are cut.
        paging = {"start": start, "count": count, "links": []}
        return self._json({"paging": paging, "elements": elements})

    # ------------------------------------------------------------ members

    @route(
        "GET",
        "/api/rest/memberCreatorPostAnalytics",
        call="GET /rest/memberCreatorPostAnalytics",
    )
    def member_analytics(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            names = ("q", "entity", "queryType", "aggregation", "dateRange")
            query = self._query(request, *names)
            metric = query.get("queryType", "")
            if metric not in MEMBER_METRICS:
                raise wrong_query("Query parameter queryType has an unknown value")
            posts = self._analysed(caller, query)
            aggregation = query.get("aggregation", "TOTAL")
            if aggregation not in ("TOTAL", "DAILY"):
                raise wrong_query("Query parameter aggregation has an unknown value")
            days = self._dates(query)
            if aggregation == "TOTAL":
                total = self._sum(posts)[MEMBER_METRICS[metric]]
                return self._elements({}, [self._metric(metric, total)])
            if metric == "MEMBERS_REACHED":
                raise wrong_query("MEMBERS_REACHED has no DAILY aggregation")
            elements = []
            for day in days:
                new = [
                    post
                    for post in posts
                    if datetime.fromtimestamp(post["created_at"], UTC).date() == day
                ]
                value = self._sum(new)[MEMBER_METRICS[metric]]
                ends = {"start": _day(day), "end": _day(day + timedelta(days=1))}
                elements.append(self._metric(metric, value) | {"dateRange": ends})
            return self._elements({}, elements)

        return self._api(request, "GET /rest/memberCreatorPostAnalytics", work)

    def _analysed(self, caller: Caller, query: dict[str, str]) -> list[Doc]:
        if query.get("q") == "me":
            now = self.time() * 1000
            return self._posts_between(caller.urn, 0, now + 1)
        match = ENTITY.fullmatch(query.get("entity", ""))
        if query.get("q") != "entity" or not match:
            raise wrong_query("Query parameter entity is missing or invalid")
        if (match[1] == "ugc") is not (":ugcPost:" in match[2]):
            raise wrong_query("Query parameter entity is missing or invalid")
        post = self._live_post(match[2])
        if post["author"] != caller.urn:
            raise denied("The member is not the author of this post")
        return [post]

    def _dates(self, query: dict[str, str]) -> list[date]:
        if "dateRange" not in query:
            if query.get("aggregation") == "DAILY":
                raise wrong_query("Query parameter dateRange is missing")
            return []
        match = DATES.fullmatch(query["dateRange"])
        try:
            numbers = [int(part) for part in match.groups()] if match else []
            start, end = date(*numbers[:3]), date(*numbers[3:])
        except (TypeError, ValueError):
            raise wrong_query("Query parameter dateRange is invalid") from None
        return [start + timedelta(days=n) for n in range((end - start).days)]

    def _metric(self, metric: str, value: float) -> Doc:
        is_object = self.setting("metric_form") == "object"
        return {
            self.setting("metric_name"): value,
            "metricType": {METRIC_TYPE: metric} if is_object else metric,
        }

    # ------------------------------------------------------------ comments

    def _comments(self, post: Doc, **only: Any) -> list[Doc]:
        """Oldest first."""
        rows = self.all("comment", post=post["urn"], deleted=False, **only)
        return [doc for _, doc in rows]

    def _activity(self, post: Doc) -> str:
        """The URN of what happened: other numbers than those of the post."""
        number = int(post["urn"].rsplit(":", 1)[-1]) + 7_777
        urn = f"urn:li:activity:{number}"
        if not self.get("activity", urn):
            self.put("activity", urn, {"post": post["urn"]})
        return urn

    def _post_behind(self, urn: str) -> str:
        """The post that an activity, a comment or the post's own URN is about."""
        if match := COMMENT.fullmatch(urn):
            return self._post_behind(match[1])
        known = self.get("activity", urn)
        return str(known["post"]) if known else urn

    def _place(
        self, caller: Caller, urn: str, key: str, scopes: dict[str, str]
    ) -> tuple[Doc, Doc | None]:
        """(post, the comment that the URN names), if the member may; scopes: by the
        kind of the post's author."""
        post = self._live_post(self._post_behind(urn))
        author = post["author"]
        is_page = bool(ORGANIZATION.fullmatch(author))
        if scopes["page" if is_page else "member"] not in caller.scopes:
            raise self._no_scope(ENDPOINTS[key], caller)
        if not is_page and author != caller.urn:
            raise denied("The member is not the author of this post")
        if is_page and self._role(caller, author) not in POST_ROLES:
            raise denied("The member has no role at this organization")
        if self.time() < post["created_at"] + self.setting("activity_delay_s"):
            raise Refused(404, "NOT_FOUND", "Unable to obtain activity")
        match = COMMENT.fullmatch(urn)
        comment = self.get("comment", match[2]) if match else None
        if match and (not comment or comment["deleted"]):
            raise not_found()
        return post, comment

    @route("GET", COMMENTS, call="GET /rest/socialActions/{urn}/comments")
    def read_comments(self, request: Request, urn: str) -> Response:
        key = "GET /rest/socialActions/{urn}/comments"

        def work(caller: Caller) -> Response:
            query = self._query(request, "start", "count")
            start = self._number(query, "start", 0, 0, 100_000)
            count = self._number(query, "count", 10, 1, 100)
            post, parent = self._place(caller, urn, key, FEED_READ)
            rows = self._comments(post, parent=parent["id"] if parent else "")
            page = rows[start : start + count]
            paging = {"start": start, "count": count, "links": [], "total": len(rows)}
            shown = [self._comment_json(post, doc) for doc in page]
            return self._json({"paging": paging, "elements": shown})

        return self._api(request, key, work)

    @route(
        "POST", COMMENTS, call="POST /rest/socialActions/{urn}/comments", commit=True
    )
    def comment(self, request: Request, urn: str) -> Response:
        key = "POST /rest/socialActions/{urn}/comments"

        def work(caller: Caller) -> Response:
            body = sent_json(request)
            message = body.get("message")
            text = message.get("text") if isinstance(message, dict) else None
            lost = [missing(f"/{n}") for n in ("actor", "object") if not body.get(n)]
            if not isinstance(text, str) or not text.strip():
                lost.append(missing("/message/text"))
            if lost:
                raise wrong_schema(*lost)
            post, parent = self._place(caller, urn, key, FEED_WRITE)
            self._check_actor(caller, str(body["actor"]), ENDPOINTS[key])
            if self._post_behind(str(body["object"])) != post["urn"]:
                raise wrong_schema("ERROR :: /object :: is not what the path names")
            named = COMMENT.fullmatch(str(body.get("parentComment", "")))
            if parent and (not named or named[2] != parent["id"] or parent["parent"]):
                raise wrong_schema("ERROR :: /parentComment :: is no comment to answer")
            if post.get("comments_closed"):
                raise denied("Comments are closed on this post")
            self._throttle(caller)
            above = parent["id"] if parent else ""
            doc = self._new_comment(post, str(body["actor"]), str(text), above)
            response = self._json(self._comment_json(post, doc), 201)
            response.headers["x-restli-id"] = doc["id"]
            return response

        return self._api(request, key, work)

    def _check_actor(self, caller: Caller, actor: str, endpoint: Endpoint) -> None:
        if PERSON.fullmatch(actor):
            is_right = actor == caller.urn
        else:
            is_right = self._role(caller, actor) in POST_ROLES
        if not is_right:
            raise denied(
                "Unpermitted fields present in REQUEST_BODY: Data Processing Exception "
                "while processing fields [/actor]"
            )
        whose = "member" if PERSON.fullmatch(actor) else "page"
        if FEED_WRITE[whose] not in caller.scopes:
            raise self._no_scope(endpoint, caller)

    def _throttle(self, caller: Caller) -> None:
        id = f"comments {caller.member['id']} {int(self.time() // 60)}"
        used = (self.get("bucket", id) or {"used": 0})["used"]
        if used >= self.setting("comments_per_minute"):
            text = "Comment create throttled: creation rate limit exceeded for member"
            raise Refused(429, "TOO_MANY_REQUESTS", text, service_code=101)
        self.put("bucket", id, {"used": used + 1})

    def _new_comment(self, post: Doc, actor: str, text: str, parent: str) -> Doc:
        number = self.time_ms() << 22
        while self.get("comment", str(number)):
            number += 1
        doc = {
            "id": str(number),
            "post": post["urn"],
            "parent": parent,
            "actor": actor,
            "text": text,
            "created_at": self.time(),
            "deleted": False,
        }
        self.put("comment", str(number), doc)
        self._told("ADMIN_COMMENT" if actor == post["author"] else "COMMENT", post, doc)
        return doc

    def _told(self, action: str, post: Doc, comment: Doc) -> None:
        what = {
            "urn": self._comment_urn(post, comment),
            "by": comment["actor"],
            "text": comment["text"],
        }
        self.tell(action, post, self._activity(post), what)

    def own_comments(self) -> list[Doc]:
        posts = {post["urn"]: post for _, post in self.all("post")}
        ours = {post["author"] for post in posts.values()}
        return [
            {
                "id": self._comment_urn(posts[doc["post"]], doc),
                "account": doc["actor"],
                "post": doc["post"],
                "text": doc["text"],
            }
            for _, doc in self.all("comment", deleted=False)
            if doc["actor"] in ours
        ]

    def comment_as_reader(self, post: str, by: str, text: str, under: str = "") -> str:
        found = self.get("post", post)
        if not found or found["deleted_at"]:
            raise ValueError("There is no such post.")
        above = COMMENT.fullmatch(under)
        parent = self.get("comment", above[2]) if above else None
        if under and (not parent or parent["post"] != post):
            raise ValueError("There is no such comment below that post.")
        top = (parent["parent"] or parent["id"]) if parent else ""
        doc = self._new_comment(found, f"urn:li:person:{digest(by)[:10]}", text, top)
        return self._comment_urn(found, doc)

    def _comment_urn(self, post: Doc, comment: Doc) -> str:
        return f"urn:li:comment:({self._activity(post)},{comment['id']})"

    def _comment_json(self, post: Doc, comment: Doc) -> Doc:
        at = {
            "actor": comment["actor"],
            "time": int(comment["created_at"] * 1000),
        }
        answers = len(self._comments(post, parent=comment["id"]))
        shown = {
            "id": comment["id"],
            "commentUrn": self._comment_urn(post, comment),
            "actor": comment["actor"],
            "object": self._activity(post),
            "message": {"text": comment["text"], "attributes": []},
            "created": at,
            "lastModified": at,
            "likesSummary": {"totalLikes": 0, "likedByCurrentUser": False},
            "commentsSummary": {
                "totalFirstLevelComments": answers,
                "aggregatedTotalComments": answers,
            },
        }
        if comment["parent"]:
            above = {"id": comment["parent"]}
            shown["parentComment"] = self._comment_urn(post, above)
        return shown

    @route(
        "DELETE",
        f"{COMMENTS}/<id>",
        call="DELETE /rest/socialActions/{urn}/comments/{id}",
    )
    def delete_comment(self, request: Request, urn: str, id: str) -> Response:
        key = "DELETE /rest/socialActions/{urn}/comments/{id}"

        def work(caller: Caller) -> Response:
            query = self._query(request, "actor")
            post, _ = self._place(caller, urn, key, FEED_WRITE)
            self._check_actor(caller, query.get("actor", ""), ENDPOINTS[key])
            comment = self.get("comment", id)
            if not comment or comment["deleted"] or comment["post"] != post["urn"]:
                raise not_found()
            for doc in (comment, *self._comments(post, parent=id)):
                self.put("comment", doc["id"], {**doc, "deleted": True})
                self._told("COMMENT_DELETE", post, doc)
            return self._empty(204)

        return self._api(request, key, work)

    # ------------------------------------------------------------ what is felt

    def _reactions(self, post: Doc) -> list[Doc]:
        return [doc for _, doc in self.all("reaction", post=post["urn"])]

    @route("GET", "/api/rest/socialActions/<urn>", call="GET /rest/socialActions/{urn}")
    def social_actions(self, request: Request, urn: str) -> Response:
        key = "GET /rest/socialActions/{urn}"

        def work(caller: Caller) -> Response:
            post, _ = self._place(caller, urn, key, FEED_READ)
            own = [r for r in self._reactions(post) if r["actor"] == caller.urn]
            return self._json(
                {
                    "target": post["urn"],
                    "likesSummary": {
                        "totalLikes": self._counts(post)["likeCount"],
                        "likedByCurrentUser": bool(own),
                    },
                    "commentsSummary": {
                        "totalFirstLevelComments": len(self._comments(post, parent="")),
                        "aggregatedTotalComments": len(self._comments(post)),
                    },
                }
            )

        return self._api(request, key, work)

    @route(
        "GET", "/api/rest/socialMetadata/<urn>", call="GET /rest/socialMetadata/{urn}"
    )
    def social_metadata(self, request: Request, urn: str) -> Response:
        key = "GET /rest/socialMetadata/{urn}"

        def work(caller: Caller) -> Response:
            post, _ = self._place(caller, urn, key, FEED_READ)
            counts: dict[str, float] = {"LIKE": self.setting("impressions") // 40}
            for row in self._reactions(post):
                counts[row["type"]] = counts.get(row["type"], 0) + 1
            return self._json(
                {
                    "entity": post["urn"],
                    "commentsState": "CLOSED"
                    if post.get("comments_closed")
                    else "OPEN",
                    "commentSummary": {
                        "count": len(self._comments(post)),
                        "topLevelCount": len(self._comments(post, parent="")),
                    },
                    "reactionSummaries": {
                        name: {"reactionType": name, "count": count}
                        for name, count in counts.items()
                        if count
                    },
                }
            )

        return self._api(request, key, work)

    @route(
        "POST",
        "/api/rest/socialMetadata/<urn>",
        call="POST /rest/socialMetadata/{urn}",
    )
    def open_or_close(self, request: Request, urn: str) -> Response:
        key = "POST /rest/socialMetadata/{urn}"

        def work(caller: Caller) -> Response:
            patch = sent_json(request).get("patch")
            change = patch.get("$set") if isinstance(patch, dict) else None
            state = change.get("commentsState") if isinstance(change, dict) else None
            if state not in ("OPEN", "CLOSED"):
                raise wrong_schema(missing("/patch/$set/commentsState"))
            post, _ = self._place(caller, urn, key, FEED_WRITE)
            is_closed = state == "CLOSED"
            self.put("post", post["urn"], {**post, "comments_closed": is_closed})
            for doc in self._comments(post) if is_closed else []:
                self.put("comment", doc["id"], {**doc, "deleted": True})
            return self._empty(204)

        return self._api(request, key, work)

    @route("POST", "/api/rest/reactions", call="POST /rest/reactions")
    def react(self, request: Request) -> Response:
        key = "POST /rest/reactions"

        def work(caller: Caller) -> Response:
            query = self._query(request, "actor")
            body = sent_json(request)
            if body.get("reactionType") not in REACTIONS:
                raise wrong_schema(missing("/reactionType"))
            actor, root = query.get("actor", ""), str(body.get("root", ""))
            self._check_actor(caller, actor, ENDPOINTS[key])
            post = self._live_post(self._post_behind(root))
            id = f"{actor} {post['urn']}"
            row = {"post": post["urn"], "actor": actor, "type": body["reactionType"]}
            self.put("reaction", id, row)
            liked = {"urn": f"urn:li:like:({actor},{root})", "by": actor, "text": ""}
            self.tell("LIKE", post, self._activity(post), liked)
            return self._empty(201, x_restli_id=f"({actor},{root})")

        return self._api(request, key, work)


def _day(day: date) -> Doc:
    return {"year": day.year, "month": day.month, "day": day.day}
