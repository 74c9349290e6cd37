"""What comes before every call of Outstand in the practice network: the one key of the
organisation, its subscription, its windows, refusals.

Source: https://www.outstand.so/docs/getting-started.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import Aggregator, Network
from ..practice.framework import Doc, json_response
from ..practice.switches import Switch

API_KEY = "ost_practice_outstand_key"
ORG = "org_practice"
API = "/api/v1"
MINUTE_S, DAY_S = 60, 86_400

NETWORKS = {
    "x": Network("X", 280),
    "linkedin": Network("LinkedIn", 3000),
    "instagram": Network("Instagram", 2200, "media", 100, deletes=False),
    "tiktok": Network("TikTok", 2200, "media"),
    "facebook": Network("Facebook", 63_206),
    "threads": Network("Threads", 500),
    "bluesky": Network("Bluesky", 300),
    "youtube": Network("YouTube", 5000, "video"),
    "pinterest": Network("Pinterest", 800, "media"),
    "google_business": Network("Google Business", 1500),
}

CALL_SWITCHES = (
    Switch("api_key", "Our API key", "valid", ("valid", "revoked")),
    Switch("subscription", "Our subscription", "active", ("active", "inactive")),
    Switch("requests_per_minute", "Requests in a minute (20 to 500)", 120),
    Switch("requests_per_day", "Requests in a day", 50_000),
    Switch("wrapped", "Answers about files and pages stand in data", True),
)


@dataclass
class Refused(Exception):
    status: int
    error: str
    message: str = ""
    details: Mapping[str, Any] | None = None

    def response(self) -> Response:
        body: Doc = {"success": False, "error": self.error}
        if self.message:
            body["message"] = self.message
        if self.details:
            body["details"] = self.details
        return json_response(body, self.status)


def invalid(field: str, text: str) -> Refused:
    return Refused(400, "Invalid payload", details={field: {"_errors": [text]}})


def sent_json(request: Request) -> Doc:
    try:
        body = json.loads(request.get_data() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "Invalid payload", "The body is not a JSON object.")
    return body


def short_id() -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(8))


class Calls(Aggregator):
    NETWORKS: ClassVar[Mapping[str, Network]] = NETWORKS
    AGENT: ClassVar[str] = "Outstand-Media/1.0"

    def api(self, request: Request, work: Callable[[Request], Response]) -> Response:
        """Answer a call of the organisation's key, or refuse it in Outstand's words."""
        headers: dict[str, str] = {}
        try:
            self._check_key(request)
            self._count(headers)
            answer = work(request)
        except Refused as refused:
            answer = refused.response()
        for name, value in headers.items():
            answer.headers[name] = value
        return answer

    def _check_key(self, request: Request) -> None:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        is_valid = secret.strip() == API_KEY and self.setting("api_key") == "valid"
        if kind.lower() != "bearer" or not is_valid:
            raise Refused(401, "Unauthorized", "Invalid or missing API key")
        if self.setting("subscription") != "active":
            text = "An active subscription is required."
            raise Refused(402, "subscription_inactive", text)

    def _count(self, headers: dict[str, str]) -> None:
        now = self.time()
        minute, day = int(now // MINUTE_S), int(now // DAY_S)
        known = self.get("usage", ORG) or {}
        in_minute = known["in_minute"] if known.get("minute") == minute else 0
        in_day = known["in_day"] if known.get("day") == day else 0
        most = self.setting("requests_per_minute")
        is_day_full = in_day >= self.setting("requests_per_day")
        is_full = in_minute >= most or is_day_full
        used = in_minute + (not is_full)
        ends = (day + 1) * DAY_S if is_day_full else (minute + 1) * MINUTE_S
        headers["X-RateLimit-Limit"] = str(most)
        headers["X-RateLimit-Remaining"] = str(most - used)
        headers["X-RateLimit-Reset"] = str(ends)
        if is_full:
            headers["Retry-After"] = str(max(1, int(ends - now)))
            raise Refused(429, "Too many requests", "Rate limit exceeded")
        counted = {"minute": minute, "day": day, "in_day": in_day + 1}
        self.put("usage", ORG, {**counted, "in_minute": used})

    def wrapped(self, data: Mapping[str, Any], status: int = 200) -> Response:
        body = {"data": data} if self.setting("wrapped") else dict(data)
        return json_response({"success": True, **body}, status)

    def window_of(self, request: Request) -> tuple[int, int]:
        """(limit, offset) of a list."""
        found = []
        for name, default, least, most in (
            ("limit", 50, 1, 100),
            ("offset", 0, 0, 10**9),
        ):
            value = request.args.get(name, str(default))
            if not value.isdecimal() or not least <= int(value) <= most:
                raise invalid(name, f"Expected a number of {least} to {most}")
            found.append(int(value))
        return found[0], found[1]
