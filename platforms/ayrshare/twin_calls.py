"""What comes before every call of Ayrshare in the practice network: the two keys, the
plan, the window of 300 requests, refusals.

Sources: https://www.ayrshare.com/docs/apis/overview,
https://www.ayrshare.com/docs/errors/errors-ayrshare.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import Aggregator, Network, digest
from ..practice.framework import Doc, json_response
from ..practice.switches import Switch

API_KEY = "PRACTICE-AYRSHARE-API-KEY"
WINDOW_S = 300
DAY_S = 86_400
PLANS = ("basic", "premium", "launch", "business")

NETWORKS = {
    "bluesky": Network("Bluesky", 300),
    "facebook": Network("Facebook", 63_206),
    "gmb": Network("Google Business", 1500),
    "instagram": Network("Instagram", 2200, "media", 50, deletes=False),
    "linkedin": Network("LinkedIn", 3000, most=150),
    "pinterest": Network("Pinterest", 500, "media"),
    "reddit": Network("Reddit", 40_000),
    "snapchat": Network("Snapchat", 160, "media"),
    "telegram": Network("Telegram", 4096),
    "threads": Network("Threads", 500, most=250, deletes=False),
    "tiktok": Network("TikTok", 2200, "media", 15, deletes=False),
    "twitter": Network("X", 280),
    "youtube": Network("YouTube", 5000, "video"),
}

CALL_SWITCHES = (
    Switch("plan", "Our plan", "business", PLANS),
    Switch("api_key", "Our API key", "valid", ("valid", "regenerated")),
    Switch("requests_per_window", "Requests of a profile in 5 minutes", WINDOW_S),
    Switch("refusals_per_day", "Answers of 429 in 24 h that suspend a profile", 1000),
    Switch("window", "The 5 minutes are", "fixed", ("fixed", "rolling")),
    Switch("bad_profile_key", "Status for a wrong Profile-Key", 403, ("403", "401")),
)


@dataclass
class Refused(Exception):
    """An error of a call; that of a post stands in a list, as several networks may
    have one each."""

    status: int
    code: int
    message: str
    action: str = "request"

    def response(self) -> Response:
        row = {
            "action": self.action,
            "status": "error",
            "code": self.code,
            "message": self.message,
        }
        if self.action != "post":
            return json_response(row, self.status)
        body = {"status": "error", "errors": [row], "postIds": []}
        return json_response(body, self.status)


def wrong(message: str, action: str = "request") -> Refused:
    """A missing or wrong parameter."""
    return Refused(400, 101, message, action)


def sent_json(request: Request) -> Doc:
    try:
        body = json.loads(request.get_data() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise wrong("The body is not a JSON object.")
    return body


@dataclass(frozen=True)
class Caller:
    """by_key: a Profile-Key was sent, so answers about posts come wrapped."""

    profile: Doc
    by_key: bool

    @property
    def id(self) -> str:
        return str(self.profile["id"])


class Calls(Aggregator):
    NETWORKS: ClassVar[Mapping[str, Network]] = NETWORKS
    AGENT: ClassVar[str] = "AyrshareBot/1.0"

    def profile_of(self, request: Request) -> Doc | None:
        """The profile that a request's keys stand for."""
        secret = request.headers.get("Profile-Key", "")
        if secret:
            known = self.get("key", digest(secret))
            return self.get("profile", known["profile"]) if known else None
        return next((doc for _, doc in self.all("profile", primary=True)), None)

    def account_of(self, request: Request) -> str:
        profile = self.profile_of(request)
        return str(profile["id"]) if profile else ""

    def api(
        self,
        request: Request,
        work: Callable[[Request, Caller], Response],
        *,
        plans: tuple[str, ...] = PLANS,
    ) -> Response:
        """Answer a call, or refuse it in Ayrshare's words."""
        headers: dict[str, str] = {}
        try:
            caller = self._caller(request)
            self._count(caller.profile, headers)
            if self.setting("plan") not in plans:
                text = "A Premium or Business Plan is required to access this endpoint."
                raise Refused(403, 169, text)
            answer = work(request, caller)
        except Refused as refused:
            answer = refused.response()
        for name, value in headers.items():
            answer.headers[name] = value
        return answer

    def _caller(self, request: Request) -> Caller:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        secret = secret.strip()
        if kind.lower() == "bearer" and self.get("key", digest(secret)):
            text = "Send the Profile Key in the Profile-Key header."
            raise Refused(400, 101, text, "authorization")
        is_valid = secret == API_KEY and self.setting("api_key") == "valid"
        if kind.lower() != "bearer" or not is_valid:
            text = "API Key not valid. Please verify your key in the dashboard."
            raise Refused(401, 102, text, "authorization")
        by_key = "Profile-Key" in request.headers
        if by_key and self.setting("plan") not in ("launch", "business"):
            text = "A Launch or Business Plan is required for user profiles."
            raise Refused(403, 169, text, "authorization")
        profile = self.profile_of(request)
        if not profile or profile["removed"]:
            text = "The Profile Key is not valid."
            raise Refused(self._bad_key_status(), 144, text, "authorization")
        if profile["suspended"]:
            text = "The profile is suspended."
            raise Refused(403, 145, text, "authorization")
        return Caller(profile, by_key)

    def _bad_key_status(self) -> int:
        return int(self.setting("bad_profile_key"))

    def _count(self, profile: Doc, headers: dict[str, str]) -> None:
        now, most = self.time(), self.setting("requests_per_window")
        usage = self.get("usage", profile["id"]) or {"at": [], "refused": []}
        begins = now - WINDOW_S
        if self.setting("window") == "fixed":
            begins = now - now % WINDOW_S
        recent = [at for at in usage["at"] if at >= begins]
        headers["x-ratelimit-max"] = str(most)
        headers["x-ratelimit-count"] = str(min(len(recent) + 1, most))
        refused = [at for at in usage["refused"] if at > now - DAY_S]
        if len(recent) < most:
            usage = {"at": [*recent, now], "refused": refused}
            self.put("usage", profile["id"], usage)
            return
        refused.append(now)
        self.put("usage", profile["id"], {"at": recent, "refused": refused})
        if len(refused) >= self.setting("refusals_per_day"):
            self.put("profile", profile["id"], {**profile, "suspended": True})
        text = "Too many requests. The limit is 300 requests in 5 minutes."
        raise Refused(429, 429, text)
