"""Around every call of Pinterest's API: token, app, limits, permissions, answer.

Sources: https://developers.pinterest.com/docs/reference/rate-limits/ ;
https://developers.pinterest.com/docs/reference/error-codes/ (v5).
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Refusal
from .twin_tokens import PinterestTokens
from .twin_world import API, APP_ID, DAY_S, digest

READ, WRITE, ANALYTICS = "org_read", "org_write", "org_analytics"
_BOARDS = ("boards:read", "boards:write")
_PINS = ("boards:read", "pins:read")
_ALL = (*_BOARDS, "pins:read", "pins:write")
#: call -> (category of its limit, permissions that it needs)
CALLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "GET /user_account": (READ, ("user_accounts:read",)),
    "GET /boards": (READ, ("boards:read",)),
    "POST /boards": (WRITE, _BOARDS),
    "GET /boards/:id/sections": (READ, ("boards:read",)),
    "POST /boards/:id/sections": (WRITE, _BOARDS),
    "GET /boards/:id/pins": (READ, _PINS),
    "POST /media": (WRITE, ("pins:read", "pins:write")),
    "GET /media": (READ, ("pins:read",)),
    "GET /media/:id": (READ, ("pins:read",)),
    "POST /pins": (WRITE, _ALL),
    "GET /pins": (READ, _PINS),
    "GET /pins/:id": (READ, _PINS),
    "PATCH /pins/:id": (WRITE, _ALL),
    "DELETE /pins/:id": (WRITE, _ALL),
    "GET /pins/:id/analytics": (ANALYTICS, _PINS),
    "GET /user_account/analytics": (ANALYTICS, ("user_accounts:read",)),
}
#: calls of a minute by one person with one app
MINUTE = {READ: 1_000, WRITE: 100, ANALYTICS: 60}
UNIVERSAL = 100
#: calls of a day by an app in Trial access
TRIAL = {"trial": 1_000, "trial_writes": 300}
LIMIT_TEXT = (
    "This request exceeded a rate limit. This can happen if the client exceeds one of "
    "the published rate limits or if multiple write operations are applied to an object "
    "within a short time window."
)
SCOPE_TEXT = (
    "Your token does not have sufficient permissions to perform this operation. Please "
    "ensure your token is authorized with the correct set of scopes."
)
NOT_PERMITTED = "You are not permitted to access that resource."
TRIAL_TEXT = (
    "Apps with Trial access may not create Pins in production "
    "https://api.pinterest.com - use API Sandbox https://api-sandbox.pinterest.com "
    "instead."
)
SPAM_TEXT = "This action was blocked to help protect our community from spam."


class Refused(Exception):
    """One refusal in Pinterest's shape."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def invalid(text: str) -> Refused:
    return Refused(400, 1, f"Invalid request: {text}")


def no_access() -> Refused:
    return Refused(401, 2, "Authentication failed.")


def over_limit() -> Refused:
    return Refused(429, 8, LIMIT_TEXT)


@dataclass(frozen=True)
class Window:
    """A fixed window of the practice clock. key: what it is counted under."""

    name: str
    key: str
    size: int
    width_s: int


@dataclass(frozen=True)
class Caller:
    place: str
    token: Doc
    user: Doc

    @property
    def id(self) -> str:
        return str(self.user["id"])

    def has(self, scope: str) -> bool:
        return scope in self.token["scopes"]


class Calls(PinterestTokens):
    # ------------------------------------------------------------ the frame of a call

    def api(
        self, request: Request, place: str, call: str, work: Callable[[Caller], Any]
    ) -> Response:
        """Run the checks, then `work`, whose answer is sent as JSON."""
        category, scopes = CALLS[call]
        windows: list[Window] = []
        try:
            caller = self._caller(request, place)
            windows = self._windows(caller.id, category)
            self._draw(windows)
            if self.setting("tier") == "trial" and (call, place) == ("POST /pins", API):
                raise Refused(403, 29, TRIAL_TEXT)
            for scope in scopes:
                self.need(caller, scope)
            if "ad_account_id" in request.args:
                raise Refused(403, 403, "Not authorized to access the user account.")
            with self.world.transaction():
                answer = work(caller)
            response = answer if isinstance(answer, Response) else self.json(answer)
        except Refused as refused:
            response = self.refused(refused)
        if windows and self.setting("limit_headers"):
            self._tell_limit(response, windows[0])
        return response

    def json(self, data: Any, status: int = 200) -> Response:
        body = "" if data is None else json.dumps(data)
        response = Response(body, status, mimetype="application/json")
        response.headers["x-pinterest-rid"] = secrets.token_hex(8)
        return response

    def refused(self, refused: Refused) -> Response:
        body: Doc = {"code": refused.code, "message": refused.message}
        if self.setting("old_bodies"):
            body["status"] = "failure"
        return self.json(body, refused.status)

    def not_found(self, request: Request) -> Response:
        return self.refused(Refused(404, 404, "The path was not found."))

    # ------------------------------------------------------------ who calls

    def secret_of(self, request: Request) -> str:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        return secret.strip() if scheme.lower() == "bearer" else ""

    def _caller(self, request: Request, place: str) -> Caller:
        token = self.live_token(self.secret_of(request), "access", place)
        if not token or self.setting("app_state") == "deactivated":
            raise no_access()
        if self.setting("tier") == "none":
            raise Refused(403, 3, "Your consumer type is not supported.")
        return Caller(place, token, self.user(token["user"]))

    def need(self, caller: Caller, scope: str) -> None:
        if caller.has(scope):
            return
        if self.setting("missing_scope") == "403/29":
            raise Refused(403, 29, NOT_PERMITTED)
        raise Refused(401, 3, SCOPE_TEXT)

    # ------------------------------------------------------------ limits

    def _windows(self, user: str, category: str) -> list[Window]:
        """The one that headers tell of comes first."""
        other = self.setting("limits")
        if self.setting("tier") == "trial":
            names = ["trial_writes", "trial"] if category == WRITE else ["trial"]
            return [
                Window(name, APP_ID, other.get(name, TRIAL[name]), DAY_S)
                for name in names
            ]
        size = other.get(category, MINUTE[category])
        universal = other.get("universal", UNIVERSAL)
        return [
            Window(category, user, size, 60),
            Window("universal", user, universal, 1),
        ]

    def _used(self, window: Window) -> int:
        bucket = self.get("bucket", f"{window.name} {window.key}")
        is_this = bucket and bucket["slot"] == int(self.time() // window.width_s)
        return int(bucket["used"]) if bucket and is_this else 0

    def _draw(self, windows: Sequence[Window]) -> None:
        full = [window for window in windows if self._used(window) >= window.size]
        if full:
            raise over_limit()
        for window in windows:
            row = {"slot": int(self.time() // window.width_s)}
            used = self._used(window) + 1
            self.put("bucket", f"{window.name} {window.key}", {**row, "used": used})

    def _tell_limit(self, response: Response, window: Window) -> None:
        left = window.size - self._used(window)
        reset = window.width_s - self.time() % window.width_s
        response.headers["x-ratelimit-limit"] = str(window.size)
        response.headers["x-ratelimit-remaining"] = str(max(0, left))
        response.headers["x-ratelimit-reset"] = str(max(1, int(reset)))

    # ------------------------------------------------------------ parameters, lists

    def body(self, request: Request) -> Doc:
        """The JSON object that was sent."""
        found = request.get_json(silent=True)
        if not isinstance(found, dict):
            raise invalid("the body is not a JSON object")
        return found

    def listed(
        self, request: Request, rows: Sequence[Doc], shown: Callable[[Doc], Doc]
    ) -> Doc:
        """A page of documents; bookmark None: it was the last one."""
        size = self._page_size(request.args)
        ids = [row["id"] for row in rows]
        start = 0
        if bookmark := request.args.get("bookmark", ""):
            last = _behind(bookmark)
            start = ids.index(last) + 1 if last in ids else len(ids)
        page = rows[start : start + size]
        is_more = start + size < len(rows)
        return {
            "items": [shown(row) for row in page],
            "bookmark": _bookmark(page[-1]["id"]) if is_more else None,
        }

    def _page_size(self, query: Mapping[str, str]) -> int:
        text = query.get("page_size", "25")
        if not text.isdecimal() or not 1 <= int(text[:9]) <= 250:
            raise invalid(f"{text!r} is not between 1 and 250")
        return int(text)

    # ------------------------------------------------------------ faults

    def account_of(self, request: Request) -> str:
        if request.path.endswith("/oauth/token"):
            for name, kind in (("refresh_token", "token"), ("code", "code")):
                doc = self.get(kind, digest(request.form.get(name, "")))
                if doc:
                    return str(doc["user"])
        token = self.get("token", digest(self.secret_of(request)))
        return str(token["user"]) if token else ""

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        answers = {
            "rate_limited": over_limit(),
            "rate_limited_no_headers": over_limit(),
            "duplicate": over_limit(),
            "server_error": Refused(500, 12, "Something went wrong on our end."),
            "bad_request_after_write": Refused(400, 11, "Something went wrong."),
            "content_refused": Refused(400, 1, "This Pin goes against our guidelines."),
            "version_ended": Refused(404, 404, "This version is no longer served."),
            "app_suspended": no_access(),
            "no_credits": Refused(403, 29, NOT_PERMITTED),
        }
        response = self.refused(answers[refusal.kind])
        if refusal.kind == "rate_limited":
            response.headers["x-ratelimit-limit"] = str(MINUTE[WRITE])
            response.headers["x-ratelimit-remaining"] = "0"
            seconds = int(refusal.retry_after_s or 60)
            response.headers["x-ratelimit-reset"] = str(seconds)
        return response


def _bookmark(id: str) -> str:
    return base64.urlsafe_b64encode(f"practice|{id}".encode()).decode()


def _behind(bookmark: str) -> str:
    try:
        head, _, id = base64.urlsafe_b64decode(bookmark).decode().partition("|")
    except ValueError:
        head, id = "", ""
    if head != "practice":
        raise Refused(400, 1, "Invalid bookmark.")
    return id
