"""What comes before and around every call of X: tokens, credits, windows, refusals."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc
from ..practice.switches import SwitchedTwin

APP_ONLY_TOKEN = "practice-x-app-only"
QUARTER = 900
DAY = 86400
EPOCH_MS = 1288834974657
PREMIUM_PLANS = ("Basic", "Premium", "PremiumPlus")
NEW_NAMES = {
    "edit_history_tweet_ids": "edit_history_post_ids",
    "referenced_tweets": "referenced_posts",
    "note_tweet": "note_post",
    "most_recent_tweet_id": "most_recent_post_id",
    "pinned_tweet_id": "pinned_post_id",
    "retweet_count": "repost_count",
    "tweet_count": "post_count",
    "tweet.fields": "post.fields",
    "referenced_tweets.id": "referenced_posts.id",
}
OLD_NAMES = {new: old for old, new in NEW_NAMES.items()}
ID = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True)
class Endpoint:
    """One row of the rate limit table: (calls, seconds) per user and per app."""

    key: str
    scopes: tuple[str, ...]
    user: tuple[int, int] | None = None
    app: tuple[int, int] | None = None


READ = ("tweet.read", "users.read")
WRITE = ("tweet.write", *READ)
MODERATE = ("tweet.moderate.write", *READ)
UPLOAD = ("media.write",)
ENDPOINTS = {
    row.key: row
    for row in (
        Endpoint("POST /2/tweets", WRITE, (100, QUARTER), (10_000, DAY)),
        Endpoint("DELETE /2/tweets/:id", WRITE, (50, QUARTER)),
        Endpoint("GET /2/tweets", READ, (5000, QUARTER), (3500, QUARTER)),
        Endpoint("GET /2/tweets/:id", READ, (900, QUARTER), (450, QUARTER)),
        Endpoint("GET /2/tweets/analytics", READ, (300, QUARTER), (300, QUARTER)),
        Endpoint("GET /2/tweets/search/recent", READ, (300, QUARTER), (450, QUARTER)),
        Endpoint("GET /2/users/:id/mentions", READ, (300, QUARTER), (450, QUARTER)),
        Endpoint("PUT /2/tweets/:id/hidden", MODERATE, (50, QUARTER)),
        Endpoint("GET /2/users/me", READ, (75, QUARTER)),
        Endpoint("GET /2/users/:id/tweets", READ, (900, QUARTER), (10_000, QUARTER)),
        Endpoint("POST /2/media/upload", UPLOAD, (500, QUARTER), (50_000, DAY)),
        Endpoint("GET /2/media/upload", UPLOAD, (1000, QUARTER), (100_000, DAY)),
        Endpoint(
            "POST /2/media/upload/initialize", UPLOAD, (1875, QUARTER), (180_000, DAY)
        ),
        Endpoint(
            "POST /2/media/upload/:id/append", UPLOAD, (1875, QUARTER), (180_000, DAY)
        ),
        Endpoint(
            "POST /2/media/upload/:id/finalize",
            UPLOAD,
            (1875, QUARTER),
            (180_000, DAY),
        ),
        Endpoint("POST /2/media/metadata", UPLOAD, (500, QUARTER), (50_000, DAY)),
        Endpoint("POST /2/media/subtitles", UPLOAD, (100, QUARTER), (10_000, DAY)),
        *(
            Endpoint(key, (), None, (450, QUARTER))
            for key in (
                "POST /2/webhooks",
                "GET /2/webhooks",
                "PUT /2/webhooks/:id",
                "DELETE /2/webhooks/:id",
            )
        ),
        *(
            Endpoint(f"{verb} /2/activity/subscriptions{of}", (), None, (500, QUARTER))
            for verb, of in (("POST", ""), ("GET", ""), ("DELETE", "/:id"))
        ),
    )
}


class Refused(Exception):
    """A refusal in X's words.

    problem: the last part of its type, a whole address, or "" for about:blank.
    body: instead of the usual shape.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        problem: str = "",
        *,
        body: Doc | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.problem = problem
        self.body = body
        self.more = more


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def forbidden(detail: str = "Forbidden", problem: str = "") -> Refused:
    return Refused(403, "Forbidden", detail, problem)


def invalid(*errors: tuple[str, Mapping[str, list[str]]]) -> Refused:
    """A validation error; errors: (message, the parameters that it is about)."""
    return Refused(
        400,
        "Invalid Request",
        "One or more parameters to your request was invalid.",
        "invalid-request",
        errors=[
            {"parameters": dict(parameters), "message": message}
            for message, parameters in errors
        ],
    )


@dataclass(frozen=True)
class Window:
    """One bucket as it stands: `kind` is user, app, user_day or cap."""

    kind: str
    id: str
    size: int
    length_s: int
    opened_at: int
    used: int

    @property
    def reset_at(self) -> int:
        return self.opened_at + self.length_s

    @property
    def left(self) -> int:
        return max(0, self.size - self.used)


@dataclass(frozen=True)
class Caller:
    user: Doc
    scopes: frozenset[str]
    client: str

    @property
    def id(self) -> str:
        return str(self.user["id"])


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def sent_json(request: Request) -> Doc:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise invalid(("Could not parse the request body as JSON.", {})) from None
    if not isinstance(body, dict):
        raise invalid(("$: an object is expected", {}))
    return body


class Calls(SwitchedTwin):
    """X as a caller meets it, whatever is called."""

    def time(self) -> float:
        return self.world.now().timestamp()

    @cached_property
    def web(self) -> str:
        return f"{self.url}/web"

    def _state(self, token: Doc) -> str:
        if token["state"] != "live":
            return "revoked"
        return "expired" if token["expires_at"] <= self.time() else "live"

    def _api(
        self,
        request: Request,
        key: str,
        work: Callable[[Request, Caller], Response],
    ) -> Response:
        """Run the checks that come before the schema, then `work`.

        The rate headers stand on every answer, refusals included.
        """
        endpoint = ENDPOINTS[key]
        headers: dict[str, str] = self._rate_headers(self._windows(endpoint, None))
        try:
            caller = self._caller(request)
            windows = self._windows(endpoint, caller)
            headers = self._rate_headers(windows)
            self._check_credits(caller)
            windows = self._draw(windows)
            headers = self._rate_headers(windows)
            response = work(request, caller)
        except Refused as refusal:
            response = self._problem(refusal)
        response.headers.extend(headers)
        return response

    def _json(self, data: Any, status: int = 200) -> Response:
        is_problem = isinstance(data, dict) and "title" in data
        return Response(
            json.dumps(data),
            status,
            headers={
                "x-transaction-id": secrets.token_hex(8),
                "x-access-level": "read-write",
                "api-version": "2.168",
            },
            content_type=(
                "application/problem+json" if is_problem else "application/json"
            ),
        )

    def _type(self, problem: str) -> str:
        if not problem:
            return "about:blank"
        if problem.startswith("https://"):
            return problem
        is_new = self.setting("field_names") == "new"
        host = "api.x.com" if is_new else "api.twitter.com"
        return f"https://{host}/2/problems/{problem}"

    def _problem(self, refusal: Refused) -> Response:
        if refusal.body is not None:
            return self._json(refusal.body, refusal.status)
        body = {
            **refusal.more,
            "title": refusal.title,
            "detail": refusal.detail,
            "type": self._type(refusal.problem),
        }
        if refusal.problem != "invalid-request":
            body["status"] = refusal.status
        return self._json(body, refusal.status)

    def _caller(self, request: Request) -> Caller:
        header = request.headers.get("Authorization", "")
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise unauthorized()
        if hmac.compare_digest(secret.encode(), APP_ONLY_TOKEN.encode()):
            raise Refused(
                403,
                "Unsupported Authentication",
                "Authenticating with OAuth 2.0 Application-Only is forbidden for this "
                "endpoint.  Supported authentication types are [OAuth 1.0a User "
                "Context, OAuth 2.0 User Context].",
                "unsupported-authentication",
            )
        token = self.get("token", digest(secret))
        if not token or token["kind"] != "access" or self._state(token) != "live":
            raise unauthorized()
        if self.setting("app_state") == "suspended":
            raise self._not_enrolled()
        user = self.get("user", token["user"])
        if not user:
            raise unauthorized()
        return Caller(user, frozenset(token["scopes"]), token["client"])

    def _not_enrolled(self) -> Refused:
        return Refused(
            403,
            "Client Forbidden",
            "When authenticating requests to the X API v2 endpoints, you must use keys "
            "and tokens from an app that is enrolled and in good standing.",
            "client-forbidden",
            reason="client-not-enrolled",
            registration_url="https://developer.x.com/en/docs/projects/overview",
        )

    def _permit(self, caller: Caller, key: str) -> None:
        if not caller.scopes.issuperset(ENDPOINTS[key].scopes):
            raise forbidden()
        if caller.user["suspended"]:
            raise Refused(
                403,
                "Forbidden",
                "Your account is suspended and is not permitted to access this feature",
                "user-suspended",
            )

    def _check_credits(self, caller: Caller) -> None:
        credits = self.setting("credits_milli_usd")
        if credits is not None and credits <= 0:
            raise self._no_credits()

    def _no_credits(self) -> Refused:
        if self.setting("credits_body") == "credits-depleted":
            return Refused(
                402,
                "Payment Required",
                "credits depleted",
                "https://api.x.com/2/problems/credits-depleted",
            )
        return Refused(
            402,
            "CreditsDepleted",
            "Your enrolled account [1500000000000000001] does not have any credits to "
            "fulfill this request.",
            "https://api.x.com/2/problems/credits",
        )

    def _bill(self, price: int, once_a_day: str = "") -> None:
        """Take thousandths of a dollar; a resource read twice on a UTC day costs once."""
        credits = self.setting("credits_milli_usd")
        if credits is None:
            return
        if once_a_day:
            id = f"{self.world.now():%Y-%m-%d} {once_a_day}"
            if self.get("billed", id) is not None:
                return
            self.put("billed", id, {})
        self.set_setting("credits_milli_usd", credits - price)

    def _windows(self, endpoint: Endpoint, caller: Caller | None) -> list[Window]:
        """The buckets of a call as they stand; full ones for a caller nobody knows."""
        sizes: list[tuple[str, str, tuple[int, int]]] = []
        user = caller.id if caller else "?"
        if endpoint.user:
            sizes.append(("user", user, endpoint.user))
        if endpoint.app:
            sizes.append(("app", "app", endpoint.app))
        if endpoint.key == "POST /2/tweets":
            daily = self.setting("user_posts_per_day")
            if daily is not None:
                sizes.append(("user_day", user, (daily, DAY)))
            cap = self.setting("posts_per_3_hours")
            if cap is not None:
                sizes.append(("cap", user, (cap, 3 * 3600)))
        changed = self.setting("limits")
        now = int(self.time())
        windows = []
        for kind, partition, (size, length) in sizes:
            id = f"{endpoint.key} {kind} {partition}"
            doc = self.get("bucket", id) if caller else None
            if not doc or now >= doc["opened_at"] + length:
                doc = {"opened_at": now, "used": 0}
            size = changed.get(f"{endpoint.key} {kind}", size)
            windows.append(
                Window(kind, id, size, length, doc["opened_at"], doc["used"])
            )
        return windows

    def _draw(self, windows: list[Window]) -> list[Window]:
        if any(window.left == 0 for window in windows):
            raise self._too_many()
        drawn = []
        for window in windows:
            used = window.used + 1
            self.put("bucket", window.id, {"opened_at": window.opened_at, "used": used})
            drawn.append(
                Window(
                    window.kind,
                    window.id,
                    window.size,
                    window.length_s,
                    window.opened_at,
                    used,
                )
            )
        return drawn

    def _rate_headers(self, windows: Iterable[Window]) -> dict[str, str]:
        headers: dict[str, str] = {}
        short = [
            window
            for window in windows
            if window.kind in ("user", "app") and window.length_s == QUARTER
        ]
        if short:
            tight = min(short, key=lambda window: window.left)
            headers |= self._rate_header("x-rate-limit", tight)
        for window in windows:
            if window.length_s == DAY:
                whose = "user" if window.kind == "user_day" else "app"
                headers |= self._rate_header(f"x-{whose}-limit-24hour", window)
        return headers

    def _rate_header(self, prefix: str, window: Window) -> dict[str, str]:
        return {
            f"{prefix}-limit": str(window.size),
            f"{prefix}-remaining": str(window.left),
            f"{prefix}-reset": str(window.reset_at),
        }

    def _too_many(self) -> Refused:
        refused = Refused(429, "Too Many Requests", "Too Many Requests")
        shape = self.setting("rate_limit_body")
        if shape == "usage_capped":
            return Refused(
                429,
                "UsageCapExceeded",
                "Usage cap exceeded: Monthly product cap",
                "usage-capped",
                period="Monthly",
                scope="Product",
            )
        limit: Doc = {"code": 88, "message": "Rate limit exceeded"}
        if shape == "code_88":
            refused.body = {"errors": [limit]}
        elif shape == "simulator":
            named = {
                "title": "Rate Limit Exceeded",
                "type": self._type("rate-limit-exceeded"),
            }
            detail = {"detail": "Rate limit exceeded"}
            refused.body = {"errors": [limit | named], **named, **detail}
        return refused

    def _query(self, request: Request, allowed: Iterable[str]) -> dict[str, str]:
        """The query in the old names; refuses names that the endpoint has not."""
        known = {self._spelled(name) for name in allowed}
        wrong = [
            (
                f"The query parameter '{name}' is not valid for this endpoint",
                {name: [v]},
            )
            for name, v in request.args.items()
            if name not in known
        ]
        if wrong:
            raise invalid(*wrong)
        return {self._unspelled(name): value for name, value in request.args.items()}

    def _spelled(self, name: str) -> str:
        return NEW_NAMES.get(name, name) if self._is_new else name

    def _unspelled(self, name: str) -> str:
        return OLD_NAMES.get(name, name) if self._is_new else name

    @property
    def _is_new(self) -> bool:
        return bool(self.setting("field_names") == "new")

    def _id(self, name: str, value: str) -> str:
        if not ID.fullmatch(value):
            raise invalid(
                (
                    f"The `{name}` query parameter value [{value}] is not valid",
                    {name: [value]},
                )
            )
        return value

    def _new_id(self, kind: str) -> str:
        """A snowflake of this millisecond that no document of the kind has yet."""
        id = (int(self.time() * 1000) - EPOCH_MS) << 22
        while self.get(kind, str(id)):
            id += 1
        return str(id)
