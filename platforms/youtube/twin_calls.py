"""What comes before and around every call of the YouTube Data API in the practice
network: who calls, what the token allows, the quota of the project, refusals.

The order of checks: token, API enabled, scope, bucket (charged even when a later check
fails), channel, its state, and only then what was asked.
Sources: https://developers.google.com/youtube/data/determine_quota_cost,
https://developers.google.com/youtube/data/reference/rest/v3/errors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, iso, json_response
from ..practice.switches import SwitchedTwin

PACIFIC = ZoneInfo("America/Los_Angeles")
DAY_S = 86_400
PROJECT = "123456789012"
SCOPE = "https://www.googleapis.com/auth/"
UPLOAD = f"{SCOPE}youtube.upload"
READONLY = f"{SCOPE}youtube.readonly"
MANAGE = f"{SCOPE}youtube"
FORCE_SSL = f"{SCOPE}youtube.force-ssl"
ANALYTICS = f"{SCOPE}yt-analytics.readonly"

READ = (READONLY, MANAGE, FORCE_SSL)
SEND = (UPLOAD, MANAGE, FORCE_SSL)
EDIT = (MANAGE, FORCE_SSL)
COMMENT = (FORCE_SSL,)

#: bucket -> (switch with its size per Pacific day, metric as the refusal names it)
BUCKETS = {
    "uploads": ("uploads_per_day", "Video Uploads"),
    "stats": ("batch_stats_per_day", "Batch Get Stats"),
    "units": ("units_per_day", "Queries"),
    "none": ("", ""),
}


@dataclass(frozen=True)
class Call:
    """Any one of `scopes` suffices; `units` are drawn from `bucket`."""

    scopes: tuple[str, ...]
    units: int = 1
    bucket: str = "units"


CALLS = {
    "POST videos.insert": Call(SEND, 1, "uploads"),
    "PUT videos.insert": Call(SEND, 0, "none"),
    "POST thumbnails.set": Call(SEND, 50),
    "GET channels.list": Call(READ),
    "GET videos.list": Call(READ),
    "PUT videos.update": Call(EDIT, 50),
    "DELETE videos.delete": Call(EDIT, 50),
    "GET videos.batchGetStats": Call(READ, 1, "stats"),
    "GET videoCategories.list": Call(READ),
    "GET playlists.list": Call(READ),
    "GET playlistItems.list": Call(READ),
    "POST playlistItems.insert": Call(EDIT, 50),
    "GET commentThreads.list": Call(COMMENT),
    "GET comments.list": Call(COMMENT),
    "POST commentThreads.insert": Call(COMMENT, 50),
    "POST comments.insert": Call(COMMENT, 50),
    "PUT comments.update": Call(COMMENT, 50),
    "DELETE comments.delete": Call(COMMENT, 50),
    "POST comments.setModerationStatus": Call(COMMENT, 50),
    "GET captions.list": Call(COMMENT, 50),
    "POST captions.insert": Call(COMMENT, 400),
    "GET reports": Call((ANALYTICS,), 0, "none"),
}


@dataclass
class Refused(Exception):
    """An error as Google's APIs write it. top: the message above `errors`, when it
    differs; state: the word in `status`."""

    status: int
    reason: str
    message: str
    domain: str = "global"
    location: tuple[str, str] | None = None
    top: str = ""
    state: str = ""
    info: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        row: Doc = {
            "message": self.message,
            "domain": self.domain,
            "reason": self.reason,
        }
        if self.location:
            row["location"], row["locationType"] = self.location
        error: Doc = {
            "code": self.status,
            "message": self.top or self.message,
            "errors": [row],
        }
        if self.state:
            error["status"] = self.state
        if self.info:
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": self.info,
                    "domain": "googleapis.com",
                    "metadata": {"service": "youtube.googleapis.com"},
                }
            ]
        return json_response({"error": error}, self.status, self.headers)


def invalid(reason: str, message: str, domain: str = "youtube.video") -> Refused:
    """A 400 about what the body says."""
    return Refused(400, reason, message, domain, ("body", "other"))


def wrong_parameter(reason: str, message: str, name: str) -> Refused:
    return Refused(400, reason, message, "youtube.parameter", (name, "parameter"))


def missing(name: str) -> Refused:
    text = f"The request is missing a required parameter: {name}."
    return wrong_parameter("missingRequiredParameter", text, name)


def not_found(kind: str, parameter: str) -> Refused:
    """kind: video, channel, playlist, commentThread, parentComment, comment."""
    text = f"The {kind} that you are trying to use cannot be found."
    domain = f"youtube.{kind}"
    return Refused(404, f"{kind}NotFound", text, domain, (parameter, "parameter"))


def forbidden(message: str, domain: str = "youtube.video") -> Refused:
    return Refused(403, "forbidden", message, domain)


def bad_token() -> Refused:
    return Refused(
        401,
        "authError",
        "Invalid Credentials",
        location=("Authorization", "header"),
        top="Request had invalid authentication credentials. Expected OAuth 2 access"
        " token, login cookie or other valid authentication credential. See"
        " https://developers.google.com/identity/sign-in/web/devconsole-project.",
        state="UNAUTHENTICATED",
    )


def no_token() -> Refused:
    return Refused(
        401,
        "required",
        "Login Required.",
        location=("Authorization", "header"),
        state="UNAUTHENTICATED",
        info="CREDENTIALS_MISSING",
    )


def lacks_scope(scopes: tuple[str, ...]) -> Refused:
    return Refused(
        403,
        "insufficientPermissions",
        "Insufficient Permission",
        top="Request had insufficient authentication scopes.",
        state="PERMISSION_DENIED",
        info="ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        headers={
            "WWW-Authenticate": 'Bearer realm="https://accounts.google.com/",'
            f' error="insufficient_scope", scope="{" ".join(scopes)}"'
        },
    )


def api_off() -> Refused:
    text = (
        f"YouTube Data API v3 has not been used in project {PROJECT} before or it is"
        " disabled. Enable it by visiting https://console.developers.google.com then"
        " retry."
    )
    return Refused(
        403,
        "accessNotConfigured",
        text,
        "usageLimits",
        state="PERMISSION_DENIED",
        info="SERVICE_DISABLED",
    )


def units_used_up() -> Refused:
    text = (
        "The request cannot be completed because you have exceeded your"
        ' <a href="/youtube/v3/getting-started#quota">quota</a>.'
    )
    return Refused(403, "quotaExceeded", text, "youtube.quota")


def bucket_used_up(metric: str) -> Refused:
    text = (
        f"Quota exceeded for quota metric '{metric}' and limit '{metric} per day' of"
        " service 'youtube.googleapis.com' for consumer"
        f" 'project_number:{PROJECT}'."
    )
    return Refused(429, "rateLimitExceeded", text, state="RESOURCE_EXHAUSTED")


def no_channel() -> Refused:
    where = ("Authorization", "header")
    return Refused(
        401, "youtubeSignupRequired", "Unauthorized", "youtube.header", where
    )


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


def google_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sent_json(request: Request) -> Doc:
    try:
        body = json.loads(request.get_data() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "parseError", "Parse Error")
    return body


def listed(request: Request, name: str, *, needed: bool = True) -> list[str]:
    """A comma list of the query; the parameter may also come several times."""
    given = ",".join(request.args.getlist(name))
    values = [value.strip() for value in given.split(",") if value.strip()]
    if needed and not values:
        raise missing(name)
    return values


@dataclass(frozen=True)
class Caller:
    """channel: the channel's document, with its id."""

    token: Doc
    channel: Doc

    @property
    def id(self) -> str:
        return str(self.channel["id"])


class Calls(SwitchedTwin):
    def time(self) -> float:
        return self.world.now().timestamp()

    def state(self, token: Doc) -> str:
        """live, expired or revoked."""
        if token["state"] != "live":
            return "revoked"
        ends = token["expires_at"]
        return "expired" if ends is not None and ends <= self.time() else "live"

    def bearer(self, request: Request) -> str:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        return secret.strip() if kind.lower() == "bearer" else ""

    def account_of(self, request: Request) -> str:
        secret = self.bearer(request)
        if "/oauth2/" in request.path:
            given = ("refresh_token", "token", "access_token")
            secret = next((request.values[n] for n in given if n in request.values), "")
        token = self.get("token", digest(secret)) if secret else None
        return str(token["channel"] or token["google"]) if token else ""

    def api(
        self, request: Request, key: str, work: Callable[[Request, Caller], Response]
    ) -> Response:
        """Answer a call, or refuse it in Google's words."""
        try:
            return work(request, self._caller(request, key))
        except Refused as refused:
            return refused.response()

    def _caller(self, request: Request, key: str) -> Caller:
        call = CALLS[key]
        token = self._token(request)
        if not self.setting("api_enabled"):
            raise api_off()
        if not set(call.scopes) & set(token["scopes"]):
            raise lacks_scope(call.scopes)
        self._draw(call)
        channel = self.get("channel", token["channel"]) if token["channel"] else None
        if not channel:
            return Caller(token, self._nobody(key))
        if channel["state"] == "role_lost":
            if self.setting("role_lost_as") == "403":
                raise forbidden("Access forbidden.", "youtube.common")
            return Caller(token, self._nobody(key))
        if channel["state"] in ("Suspended", "Closed"):
            raise Refused(
                403,
                f"authenticatedUserAccount{channel['state']}",
                f"The authenticated user's account is {channel['state'].lower()}.",
                "youtube.common",
            )
        return Caller(token, channel)

    def _nobody(self, key: str) -> Doc:
        """channels.list may answer without items; every other call wants a channel."""
        if key == "GET channels.list" and self.setting("no_channel_as") == "empty":
            return {"id": ""}
        raise no_channel()

    def _token(self, request: Request) -> Doc:
        secret = self.bearer(request)
        if not secret:
            if request.args.get("key") and "mine" in request.args:
                text = "The request uses the mine parameter but is not authorized."
                where = ("mine", "parameter")
                domain = "youtube.parameter"
                raise Refused(401, "authorizationRequired", text, domain, where)
            raise no_token()
        token = self.get("token", digest(secret))
        is_live = token and token["type"] == "access" and self.state(token) == "live"
        if not token or not is_live or self.take("storm_of_401"):
            raise bad_token()
        return token

    def _draw(self, call: Call) -> None:
        """Charge the project's bucket; what is over it is refused and costs nothing."""
        switch, metric = BUCKETS[call.bucket]
        if not switch:
            return
        day = self.world.now().astimezone(PACIFIC).date().isoformat()
        known = self.get("usage", call.bucket)
        used = known["used"] if known and known["day"] == day else 0
        if used + call.units > self.setting(switch):
            raise units_used_up() if call.bucket == "units" else bucket_used_up(metric)
        self.put("usage", call.bucket, {"day": day, "used": used + call.units})

    def take(self, name: str) -> bool:
        """Whether one of the trouble's turns is left; it is used up."""
        left = self.setting(name)
        if left:
            self.set_setting(name, left - 1)
        return bool(left)

    def page_of(
        self, request: Request, found: list[Any], *, default: int, most: int
    ) -> tuple[list[Any], Doc]:
        """(the items of this page, what the list's answer says about pages)."""
        wanted = request.args.get("maxResults", str(default))
        if not wanted.isdecimal() or not 1 <= int(wanted) <= most:
            text = f"Invalid value '{wanted}'. Values must be within 1 to {most}."
            raise wrong_parameter("invalidParameter", text, "maxResults")
        size, token = int(wanted), request.args.get("pageToken", "")
        start = token.removeprefix("CAPRAC")
        if token and (not token.startswith("CAPRAC") or not start.isdecimal()):
            text = "The request specifies an invalid page token."
            raise wrong_parameter("invalidPageToken", text, "pageToken")
        first = int(start or 0)
        about: Doc = {"pageInfo": {"totalResults": len(found), "resultsPerPage": size}}
        if first + size < len(found):
            about["nextPageToken"] = f"CAPRAC{first + size}"
        return found[first : first + size], about

    def answer(self, kind: str, body: Mapping[str, Any], status: int = 200) -> Response:
        etag = digest(json.dumps(body, sort_keys=True))[:27]
        shown = {"kind": f"youtube#{kind}", "etag": etag, **body}
        return json_response(shown, status)
