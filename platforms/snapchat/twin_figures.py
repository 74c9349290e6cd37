"""Profiles as the API shows them, and the figures of profiles and posts.

Source: https://developers.snap.com/api/marketing-api/Public-Profile-API/Metrics .
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from .twin_calls import Caller, Refused, api, invalid, missing
from .twin_posts import PAGE, PROFILE, Posts

HOUR_S = 3600
DAYS_BACK = 90
POST_FIELDS = ("VIEWS", "SHARES", "SCREENSHOTS", "UNIQUE_VIEWERS", "VIEW_TIME")
#: asset type -> its fields
FIELDS = {
    "PROFILE": ("VIEWS", "SUBSCRIBERS"),
    "STORY": POST_FIELDS,
    "SAVED_STORY": POST_FIELDS,
    "SPOTLIGHT": POST_FIELDS,
    "LENS": ("VIEWS", "SHARES"),
}
TYPES = {"stories": "STORY", "spotlights": "SPOTLIGHT", "saved_stories": "SAVED_STORY"}
GRANULARITIES = ("LIFETIME", "TOTAL", "DAY")
DIMENSIONS = ("COUNTRY", "AGE", "GENDER")


class Figures(Posts):
    # ------------------------------------------------------------ profiles

    @api("GET", "/v1/public_profiles/my_profile", "GET /public_profiles/my_profile")
    def my_profile(self, request: Request, caller: Caller) -> Doc:
        own = next((d for _, d in self.all("profile", owner=caller.person)), None)
        if not own or own["suspended"]:
            raise missing("the user has no public profile")
        shown = self._profile_shown(own)
        if self.setting("my_profile_as") == "object":
            return {"public_profile": shown}
        return self._listed([shown])

    @api("GET", PROFILE, "GET /public_profiles/:id")
    def read_profile(self, request: Request, caller: Caller, id: str) -> Doc:
        return {"public_profile": self._profile_shown(self.profile_for(caller, id))}

    @api(
        "GET",
        "/v1/organizations/<id>/public_profiles",
        "GET /organizations/:id/public_profiles",
    )
    def profiles_of(self, request: Request, caller: Caller, id: str) -> Doc:
        rows = [doc for _, doc in self.all("profile", organization=id)]
        if not rows:
            raise missing(f"organization {id}")
        seen = [doc for doc in rows if caller.person in doc["roles"]]
        if not seen:
            raise Refused(403, "AUTHORIZATION_PERMISSION_DENIED")
        told = request.args.get("limit", str(PAGE))
        if not told.isdecimal() or not 1 <= int(told) <= PAGE:
            raise invalid(f"limit: 1 to {PAGE} is wanted")
        ids = [doc["id"] for doc in seen]
        cursor = request.args.get("cursor", ids[0])
        if cursor not in ids:
            raise invalid("cursor: it is not known")
        start = ids.index(cursor)
        end = start + int(told)
        answer = self._listed([self._profile_shown(doc) for doc in seen[start:end]])
        if end < len(ids):
            link = f"{request.base_url}?limit={told}&cursor={ids[end]}"
            answer["paging"] = {"next_page_id": ids[end], "next_link": link}
        return answer

    def _listed(self, profiles: list[Doc]) -> Doc:
        entries = [
            {"sub_request_status": "SUCCESS", "public_profile": shown}
            for shown in profiles
        ]
        return {"public_profiles": entries}

    def _profile_shown(self, profile: Doc) -> Doc:
        logo = f"{self.web}/logo/{profile['id']}"
        return {
            "id": profile["id"],
            "organization_id": profile["organization"],
            "display_name": profile["name"],
            "snap_user_name": profile["username"],
            "profile_type": "PUBLIC_PROFILE",
            "profile_tier": profile["tier"],
            "description": f"{profile['name']}, practising",
            "category": "CATEGORY_V3_PRODUCT_BRAND",
            "website": "",
            "email": "",
            "subscriber_count": str(profile["subscribers"]),
            "logo_urls": {
                f"{name}_logo_url": logo
                for name in (
                    "original",
                    "discover_feed",
                    "mega_profile",
                    "manage_profile",
                )
            },
        }

    @route(
        "GET",
        "/api/public/v1/public_profiles/<id>",
        call="GET /public/public_profiles/:id",
    )
    def public_profile(self, request: Request, id: str) -> Response:
        profile = self.get("profile", id)
        if not profile or profile["suspended"]:
            return self.refused(missing(f"public profile {id}"))
        shown = self._profile_shown(profile)
        open_to_all = ("id", "display_name", "snap_user_name", "subscriber_count")
        return self.envelope({"public_profile": {n: shown[n] for n in open_to_all}})

    # ------------------------------------------------------------ figures

    @api(
        "GET",
        f"{PROFILE}/<any(stories, spotlights, saved_stories):sort>/<post_id>/stats",
        "GET /public_profiles/:id/:sort/:post/stats",
    )
    def post_stats(
        self, request: Request, caller: Caller, id: str, sort: str, post_id: str
    ) -> Doc:
        post = self.own_post(caller, id, sort, post_id)
        return self._stats(request, post_id, TYPES[sort], [post])

    @api("GET", f"{PROFILE}/stats", "GET /public_profiles/:id/stats")
    def profile_stats(self, request: Request, caller: Caller, id: str) -> Doc:
        self.profile_for(caller, id)
        sort = request.args.get("assetType", "PROFILE")
        if sort not in FIELDS:
            raise invalid(f"assetType: it is one of {', '.join(FIELDS)}")
        posts = [
            doc for doc in self.posts_of(id) if sort in ("PROFILE", TYPES[doc["sort"]])
        ]
        return self._stats(request, id, sort, posts)

    def _stats(self, request: Request, id: str, sort: str, posts: list[Doc]) -> Doc:
        asked = [name for name in request.args.get("fields", "").split(",") if name]
        fields = asked or list(FIELDS[sort])
        if wrong := [name for name in fields if name not in FIELDS[sort]]:
            raise invalid(f"fields: {sort} has no {', '.join(wrong)}")
        how = request.args.get("granularity", "LIFETIME")
        if how not in GRANULARITIES:
            raise invalid(f"granularity: it is one of {', '.join(GRANULARITIES)}")
        told = request.args.get("breakdownDimensions", "")
        if any(
            name.upper() not in DIMENSIONS for name in filter(None, told.split(","))
        ):
            raise invalid("breakdownDimensions: country, age and gender are known")
        stat: Doc = {"id": id, "type": sort, "granularity": how}
        if how == "LIFETIME":
            stat["stats"] = self._totals(id, fields, posts, self.time())
        else:
            first, last = self._span(request)
            step = last - first if how == "TOTAL" else timedelta(days=1)
            stat["timeseries"] = [
                self._between(id, fields, posts, first + n * step, step)
                for n in range((last - first) // step)
            ]
        entry = {"sub_request_status": "SUCCESS", "timeseries_stat": stat}
        return {"timeseries_stats": [entry]}

    def _span(self, request: Request) -> tuple[datetime, datetime]:
        ends = []
        for name in ("startTime", "endTime"):
            text = request.args.get(name, "").removesuffix(".000Z")
            try:
                at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
            except ValueError:
                raise invalid(f"{name}: it is missing or no time") from None
            if (at.hour, at.minute, at.second) != (0, 0, 0):
                raise invalid(f"{name}: midnight UTC is wanted")
            ends.append(at)
        first, last = ends
        if first < self.world.now() - timedelta(days=DAYS_BACK) or last <= first:
            raise invalid(f"startTime: within {DAYS_BACK} days, before endTime")
        return first, last

    def _between(
        self,
        id: str,
        fields: list[str],
        posts: list[Doc],
        start: datetime,
        step: timedelta,
    ) -> Doc:
        before = self._totals(id, fields, posts, start.timestamp())
        after = self._totals(id, fields, posts, (start + step).timestamp())
        return {
            "start_time": self.stamp(start.timestamp()),
            "end_time": self.stamp((start + step).timestamp()),
            "stats": {name: after[name] - before[name] for name in after},
        }

    def _totals(self, id: str, fields: list[str], posts: list[Doc], at: float) -> Doc:
        """Sums at a time, by field in lower case."""
        at = min(at, self.time())
        views = sum(self._views(post, at) for post in posts)
        profile = self.get("profile", id) or {"subscribers": 0}
        known = {
            "VIEWS": views,
            "SHARES": views // 30,
            "SCREENSHOTS": views // 200,
            "UNIQUE_VIEWERS": views * 4 // 5,
            "VIEW_TIME": views * 6_400,
            "SUBSCRIBERS": profile["subscribers"],
        }
        return {name.lower(): known[name] for name in fields}

    def _views(self, post: Doc, at: float) -> int:
        """They grow fast at first, then slower, and are the same for all."""
        hours = max(0.0, at - post["created_at"]) / HOUR_S
        reach = 300 + zlib.crc32(post["id"].encode()) % 900
        return int(reach * hours / (hours + 12))
