"""What comes before every call of an instance: limits, token, scope; and its switches."""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request, Response

from platforms.practice.framework import Doc, Twin, iso, json_response, route

from . import twin_text

#: (size, seconds) of each bucket; windows are fixed and aligned to the epoch.
LIMITS = {
    "token": (300, 300),
    "user": (1500, 300),
    "ip": (300, 300),
    "media": (30, 1800),
    "delete": (30, 1800),
    "paging": (300, 900),
    "apps": (5, 600),
    "statuses": (300, 10_800),
}
ON_OFF = [("on", "On"), ("off", "Off")]
#: switches named as the instance's answer names the limits
VIDEO_LIMITS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "video_size_limit": ("Largest video in bytes (0: as usual)", "0", []),
    "video_matrix_limit": ("Most pixels of a video (0: as usual)", "0", []),
    "video_frame_rate_limit": ("Most pictures a second (0: as usual)", "0", []),
}
#: name -> (label, default, choices); [] takes a number.
SWITCHES: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "flavour": (
        "Software",
        "mastodon",
        [("mastodon", "Mastodon 4.6"), ("gotosocial", "GoToSocial 0.20")],
    ),
    "discovery": (
        "Discovery document, PKCE and the scope profile (off: Mastodon 4.2)",
        "on",
        ON_OFF,
    ),
    "media": (
        "Uploaded images are ready",
        "at_once",
        [("at_once", "At once"), ("later", "After a while")],
    ),
    "unknown_media": (
        "A post with an unknown or used image is",
        "refused",
        [("refused", "Refused"), ("ignored", "Posted without it (older servers)")],
    ),
    "media_polls": ("What is not ready at once is so after (looks)", "2", []),
    "processing": (
        "Work on uploaded videos and animations",
        "by_content",
        [
            ("by_content", "Ends as the file deserves"),
            ("fails", "Fails"),
            ("never", "Never ends"),
            ("trouble", "Cannot begin (500)"),
        ],
    ),
    "thumbnails": (
        "Thumbnails of videos and sound",
        "taken",
        [("taken", "Taken"), ("refused", "Refused")],
    ),
    "media_life_s": ("Files in no post are kept for (seconds; 0: always)", "86400", []),
    **VIDEO_LIMITS,
    "rate_limits": ("Limits on how often", "on", ON_OFF),
    "app_limit": ("Limit on registering apps (5 in 10 minutes)", "off", ON_OFF),
    "favourites": ("Favourites that every post has", "4", []),
    "poll_votes": ("Votes for the first answer of every poll", "0", []),
    "followers": ("Followers that every account has", "0", []),
    "max_characters": ("Longest text (0: as the software has it)", "0", []),
}


class ApiError(Exception):
    def __init__(self, status: int, text: str, description: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.body = {"error": text}
        if description:
            self.body["error_description"] = description


class Who:
    """The caller: a token with its user, an app alone, or nobody."""

    def __init__(self, token: Doc | None, account_id: str, account: Doc | None) -> None:
        self.token = token
        self.id = account_id
        self.account = account or {}

    def has(self, *any_scopes: str) -> bool:
        granted = self.token["scopes"] if self.token else []
        return any(s in granted or s.split(":")[0] in granted for s in any_scopes)


def api(
    method: str,
    path: str,
    call: str,
    *any_scopes: str,
    commit: bool = False,
    anonymous: bool = False,
    app_token: bool = False,
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """A call of the REST API: limits, token and scope are checked before the handler.

    any_scopes: one of them is enough. anonymous: works without a token, too.
    app_token: a token without a user will do.
    """

    def mark(handler: Callable[..., Response]) -> Callable[..., Response]:
        @functools.wraps(handler)
        def guarded(self: Calls, request: Request, **values: Any) -> Response:
            return self._guarded(
                request, handler, any_scopes, anonymous, app_token, values
            )

        return route(method, path, call=call, commit=commit)(guarded)

    return mark


class Calls(Twin):
    """An instance as a caller meets it, whatever is called."""

    def __init__(self, world: Any, base_url: str) -> None:
        super().__init__(world, base_url)
        self._last_id = 0

    def _is(self, name: str) -> str:
        doc = self.get("setting", name)
        return str(doc["value"]) if doc else SWITCHES[name][1]

    @property
    def _gotosocial(self) -> bool:
        return self._is("flavour") == "gotosocial"

    @property
    def _modern(self) -> bool:
        """Has a discovery document, PKCE and the scope `profile` as Mastodon 4.3 has."""
        return self._is("discovery") == "on" and not self._gotosocial

    def _content_limits(self) -> dict[str, int]:
        own = int(self._is("max_characters"))
        if self._gotosocial:
            return {"characters": own or 5000, "media": 6, "per_url": 25, "poll": 6}
        return {"characters": own or 500, "media": 4, "per_url": 23, "poll": 4}

    def _new_id(self) -> str:
        """Grows with time; 18 digits, or 26 characters where the software has ULIDs."""
        milliseconds = int(self.world.now().timestamp() * 1000)
        self._last_id = max(self._last_id + 1, milliseconds << 16)
        if not self._gotosocial:
            return str(self._last_id)
        number = self._last_id << 64 | secrets.randbits(64)
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        return "".join(digits[number >> shift & 31] for shift in range(125, -1, -5))

    def _token(self, request: Request) -> Doc | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        found = self.get("token", token.strip())
        return {**found, "token": token.strip()} if found else None

    def _guarded(
        self,
        request: Request,
        handler: Callable[..., Response],
        any_scopes: tuple[str, ...],
        anonymous: bool,
        app_token: bool,
        values: Mapping[str, Any],
    ) -> Response:
        token = self._token(request)
        headers, over = self._throttle(request, token)
        if over:
            return json_response({"error": "Too many requests"}, 429, headers)
        try:
            who = self._who(request, token, any_scopes, anonymous, app_token)
            response = handler(self, request, who=who, **values)
        except ApiError as exc:
            response = json_response(exc.body, exc.status)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    def _who(
        self,
        request: Request,
        token: Doc | None,
        any_scopes: tuple[str, ...],
        anonymous: bool,
        app_token: bool,
    ) -> Who:
        sent = "Authorization" in request.headers
        if anonymous and not sent:
            return Who(None, "", None)
        gts = self._gotosocial
        if token is None or token["state"] != "live":
            words = {"revoked": "was revoked", "expired": "expired"}
            state = words.get(token["state"], "is invalid") if token else "is invalid"
            if gts:
                raise ApiError(401, "Unauthorized: token not supplied")
            raise ApiError(401, f"The access token {state}")
        account = self.get("account", token["account"]) if token["account"] else None
        who = Who(token, token["account"], account)
        if any_scopes and not who.has(*any_scopes):
            raise ApiError(
                403,
                "Forbidden: token has insufficient scope permission"
                if gts
                else "This action is outside the authorized scopes",
            )
        if account is None and not app_token:
            raise ApiError(422, "This method requires an authenticated user")
        if account is not None and account["state"] == "disabled":
            if gts:
                raise ApiError(401, "Unauthorized: user not supplied or not authorized")
            raise ApiError(403, "Your login is currently disabled")
        return who

    def _throttle(
        self, request: Request, token: Doc | None
    ) -> tuple[dict[str, str], bool]:
        """Count this request; (headers of the tightest bucket, whether it is too many)."""
        if self._is("rate_limits") == "off":
            return {}, False
        path = request.path.removeprefix(f"/{self.slug}")
        address = request.remote_addr or "unknown"
        if self._gotosocial:
            group = "/".join(path.split("/")[:4])
            draws = [("ip", f"{address}{group}")]
        elif token is None:
            draws = [("ip", address)]
        else:
            user = token["account"] or token["app"]
            draws = [("token", token["serial"]), ("user", user)]
            if request.method == "POST" and path in ("/api/v1/media", "/api/v2/media"):
                draws.append(("media", user))
            if request.method == "DELETE" and path.startswith("/api/v1/statuses/"):
                draws.append(("delete", user))
        paging = {"page", "min_id", "max_id", "since_id"} & set(request.args)
        if paging and not self._gotosocial:
            draws.append(("paging", token["account"] if token else address))
        if path == "/api/v1/apps" and self._is("app_limit") == "on":
            draws.append(("apps", address))
        counted = [self._draw(key, partition) for key, partition in draws]
        size, used, reset = min(counted, key=lambda c: (c[0] - c[1], c[2]))
        headers = rate_headers(size, max(0, size - used), reset)
        return headers, used > size

    def _draw(self, key: str, partition: str, units: int = 1) -> tuple[int, int, str]:
        """(size, used, reset) of a bucket after taking `units`."""
        size, period = LIMITS[key]
        now = self.world.now().timestamp()
        start = int(now - now % period)
        doc = self.get("bucket", f"{key}:{partition}")
        used = doc["used"] if doc and doc["start"] == start else 0
        used += units
        if units:
            self.put("bucket", f"{key}:{partition}", {"start": start, "used": used})
        return size, used, iso(datetime.fromtimestamp(start + period, UTC))


def rate_headers(size: int, remaining: int, reset: str) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(size),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": reset,
    }


def sent_fields(request: Request) -> Doc:
    """The fields of a form or a JSON object, query string included."""
    kind, _ = parse_options_header(request.headers.get("Content-Type", ""))
    if kind == "application/json":
        try:
            value = json.loads(request.get_data() or b"{}")
        except ValueError:
            raise ApiError(400, "Error occurred while parsing request parameters")
        return value if isinstance(value, dict) else {}
    pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
    return twin_text.nested(pairs)
