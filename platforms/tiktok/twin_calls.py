"""TikTok as a caller meets it, whatever is called: envelope, tokens, scopes, limits.

The order of checks on a call is ours, for TikTok documents none: token, scope, rate,
then what the call itself looks at. What TikTok leaves open is a switch.
Sources: https://developers.tiktok.com/doc/tiktok-api-v2-error-handling,
https://developers.tiktok.com/doc/tiktok-api-v2-rate-limit.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Refusal, route
from ..practice.switches import Switch, SwitchedTwin
from ..practice.telling import order_switch

MINUTE_S = 60
DAY_S = 24 * 3600

FAIL_REASONS = (
    "file_format_check_failed",
    "duration_check_failed",
    "frame_rate_check_failed",
    "picture_size_check_failed",
    "internal",
    "video_pull_failed",
    "photo_pull_failed",
    "spam_risk_too_many_posts",
    "spam_risk_user_banned_from_posting",
    "spam_risk_text",
    "spam_risk",
)

SWITCHES = (
    Switch("app_state", "State of the app", "active", ("active", "rejected")),
    Switch("app_type", "Kind of the app", "web", ("web", "desktop")),
    Switch("audited", "The app has passed the audit", True),
    Switch("sandbox_targets", "In a sandbox, only for (handles; empty: none)", []),
    Switch("app_scopes", "Scopes that the app is approved for (empty: all)", []),
    Switch("code_life_s", "Life of a code (seconds)", 300),
    Switch("access_life_s", "Life of an access token (seconds)", 7200),
    Switch("refresh_life_s", "Life of a refresh token (seconds)", 180 * DAY_S),
    Switch(
        "rotation",
        "A refresh brings a new refresh token",
        "always",
        ("always", "never"),
    ),
    Switch("rotation_keeps_end", "The new refresh token ends with the old", False),
    Switch("refresh_grace_s", "A used refresh token lives on for (seconds)", 0),
    Switch("refresh_ends_old_access", "A refresh ends the old access token", False),
    Switch("password_change_ends_tokens", "A new password ends tokens", False),
    Switch(
        "oauth_error_status",
        "Status of a sign-in error",
        200,
        ("200", "400", "401"),
    ),
    Switch(
        "invalid_code",
        "Code for a wrong parameter",
        "invalid_params",
        ("invalid_params", "invalid_param"),
    ),
    Switch("limits", 'Other limits, as {"POST /v2/video/list/": 5}', {}),
    Switch("posts_per_day", "Direct posts of one creator in 24 hours", 15),
    Switch("posts_elsewhere", "Of these, made with other apps already", 0),
    Switch("drafts_per_day", "Drafts that may wait for one creator", 5),
    Switch("user_cap", "Creators a day (empty: 5 before the audit)", None),
    Switch("old_phone", "The creators' app is too old for photo drafts", False),
    Switch("strict_chunks", "One chunk over 64 MB is refused", True),
    Switch(
        "uploaded_bytes_as",
        "Answers to a chunk tell",
        "count",
        ("count", "last_index"),
    ),
    Switch("verified_prefixes", "Verified addresses (empty: every address is)", []),
    Switch("believe_the_address", "Do not fetch files, believe their address", False),
    Switch("fetch_fails", "So many next files cannot be fetched", 0),
    Switch("download_s", "Fetching files takes (seconds)", 2),
    Switch("processing_s", "Processing takes (seconds)", 5),
    Switch(
        "processing_ends",
        "Processing ends",
        "by_content",
        ("by_content", "never", *FAIL_REASONS),
    ),
    Switch("moderation_s", "A public post has its id after (seconds)", 20),
    Switch("photos_listed", "Lists show photo posts too", False),
    Switch("webhook_url", "Address that learns of events", ""),
    Switch("webhook_delay_s", "Events are told after (seconds)", 0),
    Switch("webhook_times", "Each event is told (times)", 1),
    order_switch("webhook_order"),
    Switch(
        "webhook_signed",
        "Events are signed",
        "rightly",
        ("rightly", "wrongly", "long_ago"),
    ),
    Switch("webhook_spelling", "publicly_available", "new", ("new", "old")),
    Switch("short_pages", "Pages of lists are shorter than asked for", False),
)

#: call -> (calls in a minute, whether each token has its own minute)
LIMITS: dict[str, tuple[int, bool]] = {
    "POST /v2/post/publish/video/init/": (6, True),
    "POST /v2/post/publish/inbox/video/init/": (6, True),
    "POST /v2/post/publish/content/init/": (6, True),
    "POST /v2/post/publish/creator_info/query/": (20, True),
    "POST /v2/post/publish/status/fetch/": (30, True),
    "GET /v2/user/info/": (600, False),
    "POST /v2/video/list/": (600, False),
    "POST /v2/video/query/": (600, False),
}

TEXTS = {
    "access_token_invalid": "The access token is invalid or not found in the request.",
    "scope_not_authorized": (
        "The user did not authorize the scope required for completing this request."
    ),
    "rate_limit_exceeded": "The API rate limit was exceeded. Please try again later.",
    "spam_risk_too_many_posts": (
        "The daily post cap from the API is reached for the current user."
    ),
    "spam_risk_user_banned_from_posting": "The user is banned from making new posts.",
    "spam_risk_too_many_pending_share": (
        "There may be at most 5 pending shares within any 24-hour period."
    ),
    "reached_active_user_cap": (
        "The daily quota for active publishing users from your client is reached."
    ),
    "unaudited_client_can_only_post_to_private_accounts": (
        "Unaudited clients can only post to a private account. The publish attempt "
        "will be blocked when calling."
    ),
    "url_ownership_unverified": (
        "To use PULL_FROM_URL, you must verify your ownership of the URL prefix."
    ),
    "privacy_level_option_mismatch": (
        "privacy_level is not specified or not among the options of the creator."
    ),
    "app_version_check_failed": "The user's TikTok app is older than 31.8.",
    "scope_permission_missed": (
        "Additional permissions are required to get the fields requested."
    ),
    "invalid_publish_id": "The publish_id does not exist.",
    "token_not_authorized_for_specified_publish_id": (
        "The access_token does not have authorization for the publish_id."
    ),
    "publish_not_cancellable": "The publish can no longer be cancelled.",
    "invalid_file_upload": "The file does not meet our API specification.",
    "internal_error": "Something went wrong. Please try again later.",
}


class Refused(Exception):
    """A refusal in the envelope of open.tiktokapis.com."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or TEXTS.get(code, code)


def invalid(message: str) -> Refused:
    return Refused(400, "invalid_params", message)


@dataclass(frozen=True)
class Caller:
    user: Doc
    scopes: frozenset[str]
    token: str

    @property
    def id(self) -> str:
        return str(self.user["open_id"])


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def units(text: str) -> int:
    """UTF-16 code units, as TikTok counts texts."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def sent_json(request: Request) -> Doc:
    """The body; {} for none."""
    data = request.get_data()
    if not data:
        return {}
    if request.mimetype != "application/json":
        raise invalid("Content-Type must be application/json")
    try:
        body = json.loads(data)
    except ValueError:
        raise invalid("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise invalid("The request body must be an object")
    return body


def part_of(body: Mapping[str, Any], name: str) -> Doc:
    part = body.get(name)
    if not isinstance(part, dict):
        raise invalid(f"{name} is invalid")
    return part


Work = Callable[[Any, Request, Caller], Doc | None]
Scopes = Callable[[Request], tuple[str, ...]] | tuple[str, ...]


def api(
    method: str, path: str, scopes: Scopes, *, commit: bool = False
) -> Callable[[Work], Callable[..., Response]]:
    """A path of open.tiktokapis.com; `work` returns the envelope's data, None for none.

    scopes: one of them is needed; a function tells them by the request.
    """
    key = f"{method} {path}"

    def mark(work: Work) -> Callable[..., Response]:
        @route(method, f"/api{path}", call=key, commit=commit)
        @wraps(work)
        def handler(twin: Calls, request: Request) -> Response:
            try:
                caller = twin.caller(request)
                wanted = scopes(request) if callable(scopes) else scopes
                if not caller.scopes & set(wanted):
                    raise Refused(401, "scope_not_authorized")
                twin.draw(key, caller)
                data = work(twin, request, caller)
            except Refused as refusal:
                return twin.refused(refusal)
            return twin.envelope(data)

        return handler

    return mark


class Calls(SwitchedTwin):
    SWITCHES = SWITCHES

    def time(self) -> float:
        return self.world.now().timestamp()

    @property
    def web(self) -> str:
        """www.tiktok.com"""
        return f"{self.url}/www"

    # ------------------------------------------------------------ answers

    def log_id(self) -> str:
        return f"{self.world.now():%Y%m%d%H%M%S}{secrets.token_hex(9).upper()}"

    def json(self, body: Any, status: int, log_id: str) -> Response:
        return Response(
            json.dumps(body),
            status,
            headers={"x-tt-logid": log_id},
            content_type="application/json; charset=utf-8",
        )

    def envelope(
        self, data: Doc | None, status: int = 200, code: str = "ok", message: str = ""
    ) -> Response:
        log_id = self.log_id()
        body: Doc = {} if data is None else {"data": data}
        body["error"] = {"code": code, "message": message, "log_id": log_id}
        return self.json(body, status, log_id)

    def refused(self, refusal: Refused) -> Response:
        code = refusal.code
        if code == "invalid_params":
            code = self.setting("invalid_code")
        return self.envelope({}, refusal.status, code, refusal.message)

    def oauth_error(self, error: str, text: str, status: int = 0) -> Response:
        log_id = self.log_id()
        body = {"error": error, "error_description": text, "log_id": log_id}
        return self.json(
            body, status or int(self.setting("oauth_error_status")), log_id
        )

    def succeeded(self, response: Response) -> bool:
        """Caps and refusals of the sign-in come with status 200."""
        body = (response.get_json(silent=True) if response.is_json else None) or {}
        error = body.get("error", "")
        code = error["code"] if isinstance(error, dict) else error
        return super().succeeded(response) and code in ("", "ok")

    def not_found(self, request: Request) -> Response:
        return self.refused(Refused(404, "invalid_params", "Unsupported path"))

    # ------------------------------------------------------------ who and how often

    def caller(self, request: Request) -> Caller:
        if not request.path.endswith("/"):
            raise Refused(404, "invalid_params", "Unsupported path")
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        id = digest(secret)
        token = self.get("token", id)
        is_access = token is not None and token["use"] == "access"
        if scheme != "Bearer" or not token or not is_access:
            raise Refused(401, "access_token_invalid")
        user = self.get("user", token["user"])
        if self.state(token) != "live" or not user:
            raise Refused(401, "access_token_invalid")
        if self.setting("app_state") == "rejected":
            raise Refused(401, "scope_not_authorized")
        return Caller(user, frozenset(token["scopes"]), id)

    def state(self, token: Mapping[str, Any]) -> str:
        if token["state"] != "live":
            return "revoked"
        return "expired" if token["expires_at"] <= self.time() else "live"

    def draw(self, key: str, caller: Caller) -> None:
        size, is_own = LIMITS.get(key, (0, True))
        size = self.setting("limits").get(key, size)
        if key not in LIMITS:
            return
        id = f"{key} {caller.token if is_own else 'app'}"
        since = self.time() - MINUTE_S
        times = [at for at in (self.get("rate", id) or {}).get("at", []) if at > since]
        if len(times) >= size:
            raise Refused(429, "rate_limit_exceeded")
        self.put("rate", id, {"at": [*times, self.time()]})

    # ------------------------------------------------------------ faults of the panel

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """TikTok knows neither duplicates nor credits: the nearest that it has."""
        kind = refusal.kind
        if "/upload/" in request.path:
            if kind.startswith("rate_limited"):
                return Response("", 429)
            return Response("", 500 if kind == "server_error" else 400)
        if "/v2/oauth/" in request.path:
            return self._oauth_refused(kind)
        status, code = {
            "rate_limited": (429, "rate_limit_exceeded"),
            "rate_limited_no_headers": (429, "rate_limit_exceeded"),
            "server_error": (500, "internal_error"),
            "duplicate": (403, "spam_risk_too_many_posts"),
            "content_refused": (400, "invalid_file_upload"),
            "app_suspended": (401, "scope_not_authorized"),
            "no_credits": (403, "reached_active_user_cap"),
            "version_ended": (404, "invalid_params"),
        }.get(kind, (400, "invalid_params"))
        answer = self.refused(Refused(status, code))
        if kind == "rate_limited" and refusal.retry_after_s is not None:
            reset = self.time() + refusal.retry_after_s
            answer.headers["x-ratelimit-reset"] = str(int(reset))
        return answer

    def _oauth_refused(self, kind: str) -> Response:
        if kind.startswith("rate_limited"):
            return self.oauth_error(
                "temporarily_unavailable", "Too many requests.", 429
            )
        if kind == "server_error":
            return self.oauth_error("server_error", "Something went wrong.", 500)
        if kind == "app_suspended":
            return self.oauth_error("invalid_client", "The client is not active.")
        text = "The request parameters are malformed."
        return self.oauth_error("invalid_request", text)
