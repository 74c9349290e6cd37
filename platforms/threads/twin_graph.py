"""Around every call to graph.threads.net: version, token, limits, permission, answer.

The order of checks is Meta's: version, a token is there, it parses, it lives, throttles
(which count refused calls as well), object, permission, parameters, content.
Source: https://developers.facebook.com/docs/threads/troubleshooting (v1.0).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_errors import GraphError
from ..facebook.twin_fields import Field, parse_fields, text_of
from ..facebook.twin_fields import params as sent
from ..practice.framework import Doc, Refusal
from .twin_tokens import ThreadsTokens
from .twin_world import DAY_S, digest

#: A window is counted in so many slots.
SLOTS = 24
VERSION = "v1.0"
#: What a JSON body still carries when Threads drops the rest of it.
KEPT_OF_JSON = (
    *("access_token", "media_type", "text", "image_url", "video_url", "children"),
    *("is_carousel_item", "creation_id", "hide"),
)


@dataclass(frozen=True)
class Caller:
    """Whose token it is; user "" for an app token."""

    secret: str
    app: str
    token: Doc

    @property
    def user(self) -> str:
        return str(self.token.get("user", ""))


def not_there(status: int = 400) -> GraphError:
    """A container or post that is missing, or not known everywhere yet."""
    return GraphError(
        24,
        "The requested resource does not exist",
        subcode=4279009,
        status=status,
        title="Media Not Found",
        text="The media could not be found. Cannot find media with the given ID",
    )


def restricted() -> GraphError:
    text = "The account is restricted. Sign in to the Threads app and do what it asks."
    return GraphError(
        100,
        "Invalid parameter",
        subcode=4279013,
        title="Account restricted",
        text=text,
    )


def suspected_spam() -> GraphError:
    text = "We restrict certain activity to protect our community"
    return errors.instagram(4, 2207051, text, "Action Blocked")


class ThreadsGraph(ThreadsTokens):
    # ------------------------------------------------------------ the frame of a call

    def graph(
        self, request: Request, version: str, work: Callable[[Caller], Any]
    ) -> Response:
        """Run the checks, then `work`, whose answer is sent as JSON."""
        caller: Caller | None = None
        try:
            self.check_version(version)
            caller = self.caller_of(request)
            self._draw(caller)
            with self.world.transaction():
                answer = work(caller)
            response = answer if isinstance(answer, Response) else self.json(answer)
        except GraphError as refused:
            response = self.refused(refused)
        if caller and caller.user:
            self._usage(response, caller.user)
        return response

    def json(self, data: Any, status: int = 200) -> Response:
        response = Response(json.dumps(data), status, mimetype="application/json")
        response.headers["x-fb-trace-id"] = "practice"
        return response

    def refused(self, error: GraphError) -> Response:
        return self.json(error.body(), self._status_of(error))

    def _status_of(self, error: GraphError) -> int:
        if error.status:
            return error.status
        if error.code in (102, 190):
            return int(self.setting("status_190"))
        if error.throttles and error.subcode is None:
            return int(self.setting("status_throttled"))
        if error.is_permission:
            return 403
        return {1: 500, 2: 500, 104: 401}.get(error.code, 400)

    def not_found(self, request: Request) -> Response:
        return self.refused(errors.unknown_path(request.path))

    def check_version(self, version: str) -> None:
        if version != VERSION:
            raise errors.unknown_path(f"/{version}")

    def values(self, request: Request) -> Mapping[str, Any]:
        """What was sent, less what a JSON body loses on its way."""
        values = sent(request)
        if not request.is_json or not self.setting("json_drops_optional"):
            return values
        return {k: v for k, v in values.items() if k in (*KEPT_OF_JSON, *request.args)}

    # ------------------------------------------------------------ who calls

    def secret_of(self, request: Request) -> str:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() in ("bearer", "oauth") and secret:
            return secret.strip()
        return text_of(sent(request), "access_token")

    def caller_of(self, request: Request) -> Caller:
        secret = self.secret_of(request)
        if not secret:
            raise errors.no_token(104)
        if self.setting("app_state") == "disabled":
            raise errors.blocked()
        token = self.get("token", digest(secret))
        if not token:
            app = self.app_of_secret(secret)
            if not app:
                raise errors.cannot_parse()
            return Caller(secret, app, {})
        if subcode := self.death(token):
            raise errors.dead_token(self.death_text(token, subcode), subcode)
        return Caller(secret, token["app"], token)

    def me(self, caller: Caller, id: str) -> Doc:
        """The profile behind `me` or its id; another's cannot be reached."""
        if not caller.user or id not in ("me", caller.user):
            raise errors.missing_object(id)
        return self.user(caller.user)

    def need(self, caller: Caller, *scopes: str) -> None:
        held = self.scopes_of(caller.token) if caller.user else []
        for scope in ("threads_basic", *scopes):
            if scope not in held:
                code = int(self.setting("missing_scope_code"))
                text = "Application does not have permission for this action"
                raise GraphError(code, f"(#{code}) {text}")

    # ------------------------------------------------------------ limits

    def _draw(self, caller: Caller) -> None:
        """Count the call; refuse it when the window is full or the panel says so."""
        wanted = self.setting("throttle")
        used = self._use(caller.user, draw=True) if caller.user else 0
        if wanted != "no":
            raise errors.throttled(int(wanted))
        if used > self.setting("calls"):
            raise errors.throttled(int(self.setting("full_code")))

    def _use(self, user: str, *, draw: bool = False) -> int:
        """Calls of the 24 hours that end now, this one included if it is drawn."""
        slot = int(self.time() // (DAY_S / SLOTS))
        bucket = self.get("bucket", user) or {"slots": {}}
        slots = {
            key: count
            for key, count in bucket["slots"].items()
            # Later ones: the practice network's clock was set back.
            if slot - SLOTS < int(key) <= slot
        }
        if draw:
            slots[str(slot)] = slots.get(str(slot), 0) + 1
            self.put("bucket", user, {"slots": slots})
        return sum(slots.values())

    def _usage(self, response: Response, user: str) -> None:
        used = math.ceil(100 * self._use(user) / max(1, self.setting("calls")))
        is_full = used > 100 or self.setting("throttle") != "no"
        minutes = self.setting("regain_minutes") if is_full else 0
        self._tell_usage(response, user, max(1, used), minutes)

    def _tell_usage(
        self, response: Response, user: str, used: int, minutes: int
    ) -> None:
        row = {
            "type": "threads",
            "call_count": max(used, 100) if minutes else used,
            "total_cputime": 1,
            "total_time": 1,
            "estimated_time_to_regain_access": minutes,
        }
        usage = json.dumps({user: [row]})
        response.headers["x-business-use-case-usage"] = usage

    # ------------------------------------------------------------ what is shown

    def wanted(self, request: Request, default: str) -> dict[str, Field]:
        return parse_fields(text_of(sent(request), "fields") or default)

    def pick(
        self,
        node: str,
        fields: Mapping[str, Field],
        known: Mapping[str, Callable[[], Any]],
    ) -> Doc:
        """The wanted fields of a node; what is None is left out, `id` always comes."""
        shown: Doc = {}
        for name in fields:
            if name not in known:
                raise errors.no_field(name, node)
            value = known[name]()
            if value is not None:
                shown[name] = value
        if "id" not in shown and "id" in known:
            shown["id"] = known["id"]()
        return shown

    # ------------------------------------------------------------ faults

    def account_of(self, request: Request) -> str:
        values = sent(request)
        for secret in (text_of(values, "input_token"), self.secret_of(request)):
            token = self.get("token", digest(secret)) if secret else None
            if token:
                return str(token["user"])
        code = self.get("code", digest(text_of(values, "code")))
        return str(code["user"]) if code else ""

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        if not refusal.kind.startswith("rate_limited"):
            return self.refused(self._fault(refusal))
        response = self.refused(errors.throttled(int(self.setting("full_code"))))
        user = self.account_of(request)
        if user and refusal.kind == "rate_limited":
            minutes = math.ceil((refusal.retry_after_s or 60) / 60)
            self._tell_usage(response, user, 100, minutes)
        return response

    def _fault(self, refusal: Refusal) -> GraphError:
        answers = {
            "server_error": errors.trouble(2),
            "bad_request_after_write": GraphError(
                1, "An unknown error has occurred.", status=400
            ),
            "duplicate": suspected_spam(),
            "content_refused": errors.wrong(
                "The post goes against the Community Guidelines"
            ),
            "version_ended": errors.version_ended(VERSION),
            "app_suspended": errors.blocked(),
            "no_credits": GraphError(
                3,
                "(#3) Application does not have the capability to make this API call.",
            ),
        }
        return answers[refusal.kind]
