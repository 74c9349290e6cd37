"""Snapchat's Public Profile API as a caller meets it, whatever is called.

The order of checks is ours: token, rate, allow-list and scope, profile and role, then
what the call itself looks at. The platform is thinly documented, so much is a switch.
Sources: https://developers.snap.com/api/marketing-api/Public-Profile-API/GetStarted,
https://developers.snap.com/api/marketing-api/Ads-API/rate-limits.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Refusal, json_response, route
from ..practice.switches import Switch, SwitchedTwin

PROFILE_SCOPE = "snapchat-profile-api"
DAY_S = 24 * 3600
#: over which the calls per second are averaged
RATE_WINDOW_S = 10
DENIED = "AUTHORIZATION_PERMISSION_DENIED"
NOT_FOUND = "E3003"
INVALID = "INVALID_REQUEST"
PROCESSING = "MEDIA_PROCESSING"

SWITCHES = (
    Switch("allow_listed", "Snap has allow-listed the app", True),
    Switch("code_life_s", "Life of a code (seconds)", 600),
    Switch("access_life_s", "Life of an access token (seconds)", 3600),
    Switch(
        "rotation",
        "A refresh brings a new refresh token",
        "new",
        ("new", "none", "new_and_old_ends"),
    ),
    Switch("invalid_grant_status", "Status of a dead grant", 400, ("400", "401")),
    Switch("password_change_ends_tokens", "A new password ends tokens", True),
    Switch(
        "unauthorized_as",
        "Answer to a dead token",
        "envelope",
        ("envelope", "invalid_token", "E3002"),
    ),
    Switch("my_profile_as", "my_profile comes as", "object", ("object", "list")),
    Switch("logical_status", "Status of MEDIA_... errors", 200, ("200", "400")),
    Switch("tells_story_id", "A story's answer tells its id", False),
    Switch("text_in", "Text of a spotlight is in", "caption", ("caption", "title")),
    Switch("app_calls", "Calls of the app in a second, on average", 20),
    Switch("token_calls", "Calls of one token in a second, on average", 10),
    Switch("posts_per_day", "Posts of one profile in 24 hours (empty: any)", None),
    Switch("part_bytes", "Largest request of an upload (bytes)", 32_000_000),
    Switch("video_bytes", "Largest video (bytes)", 1_000_000_000),
    Switch("image_bytes", "Largest image (bytes)", 20_000_000),
    Switch("spotlight_min_s", "Shortest spotlight (seconds)", 6),
    Switch(
        "part_again",
        "A part that comes again",
        "overwrites",
        ("overwrites", "refused"),
    ),
    Switch(
        "finalize_again",
        "A repeated FINALIZE is",
        "refused",
        ("refused", "same_answer"),
    ),
    Switch("media_life_s", "An upload can be posted for (seconds)", DAY_S),
    Switch("processing_s", "Transcoding of a video takes (seconds)", 8),
    Switch(
        "processing_ends",
        "Transcoding ends",
        "by_content",
        ("by_content", "never", "failed"),
    ),
    Switch("posting_s", "A post counts as under way for (seconds)", 30),
    Switch(
        "media_twice",
        "The same upload posted again later is",
        "accepted",
        ("accepted", "refused"),
    ),
    Switch("list_lag_s", "Lists show a new post after (seconds)", 0),
    Switch("moderation_s", "Moderation of a spotlight takes (seconds)", 60),
    Switch("moderation_ends", "It ends", "LIVE", ("LIVE", "REJECTED")),
    Switch("can_delete", "Posts can be deleted", True),
)


class Refused(Exception):
    """A refusal in Snap's envelope; status 0: that of the switch `logical_status`."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or code or "The request was refused"


def invalid(message: str) -> Refused:
    return Refused(400, INVALID, message)


def missing(what: str) -> Refused:
    return Refused(404, NOT_FOUND, f"Resource not found: {what}")


@dataclass(frozen=True)
class Caller:
    person: str
    scopes: frozenset[str]
    token: str


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def sent_json(request: Request) -> Doc:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise invalid("The body is not valid JSON") from None
    if not isinstance(body, dict):
        raise invalid("The body must be an object")
    return body


def text_of(part: Mapping[str, Any], name: str, most: int, least: int = 0) -> str:
    value = part.get(name, "" if not least else None)
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise invalid(f"{name}: {least} to {most} characters are wanted")
    return value


Work = Callable[..., Doc]


def api(
    method: str,
    path: str,
    call: str,
    *,
    commit: bool = False,
    large: bool = False,
) -> Callable[[Work], Callable[..., Response]]:
    """A path of businessapi.snapchat.com; `work` returns what stands in the envelope."""

    def mark(work: Work) -> Callable[..., Response]:
        @route(method, f"/api{path}", call=call, commit=commit, large=large)
        @wraps(work)
        def handler(twin: Calls, request: Request, **values: str) -> Response:
            try:
                caller = twin.caller(request)
                twin.draw(caller)
                if not twin.setting("allow_listed"):
                    raise Refused(403, DENIED)
                if PROFILE_SCOPE not in caller.scopes:
                    raise Refused(403, DENIED)
                return twin.envelope(work(twin, request, caller, **values))
            except Refused as refusal:
                return twin.refused(refusal)

        return handler

    return mark


class Calls(SwitchedTwin):
    SWITCHES = SWITCHES

    def time(self) -> float:
        return self.world.now().timestamp()

    def stamp(self, at: float) -> str:
        moment = datetime.fromtimestamp(at, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"

    @property
    def web(self) -> str:
        """www.snapchat.com"""
        return f"{self.url}/www"

    # ------------------------------------------------------------ answers

    def envelope(self, data: Mapping[str, Any]) -> Response:
        common = {"request_status": "SUCCESS", "request_id": uuid.uuid4().hex}
        return json_response({**common, **data})

    def refused(self, refusal: Refused) -> Response:
        if refusal.status == 401:
            return self._unauthorized(refusal)
        status = refusal.status or int(self.setting("logical_status"))
        return json_response(self._error(refusal.code, refusal.message), status)

    def _error(self, code: str, message: str) -> Doc:
        return {
            "request_status": "ERROR",
            "request_id": uuid.uuid4().hex,
            "debug_message": message,
            "display_message": "We're sorry, but the request could not be done",
            "error_code": code,
        }

    def _unauthorized(self, refusal: Refused) -> Response:
        shape = self.setting("unauthorized_as")
        body: Doc = {"error": "invalid_token"}
        if shape != "invalid_token":
            code = "E3002" if shape == "E3002" else refusal.code
            body = self._error(code, refusal.message)
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return json_response(body, 401, challenge)

    def succeeded(self, response: Response) -> bool:
        is_error = b'"request_status": "ERROR"' in response.get_data()
        return super().succeeded(response) and not is_error

    def not_found(self, request: Request) -> Response:
        return self.refused(missing(request.path))

    # ------------------------------------------------------------ who and how often

    def caller(self, request: Request) -> Caller:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        id = digest(secret)
        token = self.get("token", id)
        is_access = token is not None and token["use"] == "access"
        if scheme != "Bearer" or not token or not is_access:
            raise Refused(401, "UNAUTHORIZED", "The access token is not known")
        if self.state(token) != "live":
            raise Refused(401, "UNAUTHORIZED", "The access token has ended")
        return Caller(token["person"], frozenset(token["scopes"]), id)

    def state(self, token: Mapping[str, Any]) -> str:
        if token["state"] != "live":
            return "revoked"
        is_over = token["expires_at"] is not None and token["expires_at"] <= self.time()
        return "expired" if is_over else "live"

    def draw(self, caller: Caller) -> None:
        now = self.time()
        for id, size in (
            ("app", self.setting("app_calls")),
            (caller.token, self.setting("token_calls")),
        ):
            known = (self.get("rate", id) or {"at": []})["at"]
            times = [at for at in known if now - RATE_WINDOW_S < at <= now]
            if len(times) >= size * RATE_WINDOW_S:
                raise Refused(429, "", "Too Many Requests")
            self.put("rate", id, {"at": [*times, now]})

    def profile_for(self, caller: Caller, id: str) -> Doc:
        """The profile, if the caller's person has a role on it."""
        profile = self.get("profile", id)
        if not profile:
            raise missing(f"public profile {id}")
        if caller.person not in profile["roles"] or profile["suspended"]:
            raise Refused(403, DENIED)
        return profile

    # ------------------------------------------------------------ faults of the panel

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Snap documents neither headers of a limit nor most codes."""
        if "/login/oauth2/" in request.path:
            return self._oauth_refused(refusal.kind)
        status, code = {
            "rate_limited": (429, ""),
            "rate_limited_no_headers": (429, ""),
            "server_error": (500, ""),
            "duplicate": (409, ""),
            "app_suspended": (403, DENIED),
            "no_credits": (403, DENIED),
            "version_ended": (410, NOT_FOUND),
        }.get(refusal.kind, (400, INVALID))
        return self.refused(Refused(status, code))

    def _oauth_refused(self, kind: str) -> Response:
        if kind.startswith("rate_limited"):
            return json_response({"error": "temporarily_unavailable"}, 429)
        if kind == "server_error":
            return json_response({"error": "server_error"}, 500)
        if kind == "app_suspended":
            return json_response({"error": "invalid_client"}, 401)
        return json_response({"error": "invalid_request"}, 400)
