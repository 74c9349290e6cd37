"""What X tells an app by itself: deleted posts, replies, and access taken away.

An app registers an address, which has to answer a question (CRC) that only the app's
secret answers, and subscribes it to events of accounts. Sent from threads of their own: a
slow receiver holds nobody up. Nothing says how often X tries again; here it never does.
Sources: https://docs.x.com/x-api/webhooks/quickstart,
https://docs.x.com/x-api/activity/introduction, .../quickstart, .../event-payloads
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from werkzeug.wrappers import Request, Response

from ..practice.calling import Calling
from ..practice.framework import Doc, Route, iso, route
from ..practice.switches import Switch
from .twin_calls import (
    APP_ONLY_TOKEN,
    ENDPOINTS,
    Caller,
    Calls,
    Refused,
    invalid,
    sent_json,
    unauthorized,
)

CONSUMER_SECRET = "practice-x-consumer-secret"
ENVIRON = "x.crc"
MAX_WEBHOOKS = 5
#: event -> whether X wants the token of the account itself for it
EVENTS = {
    "post.create": False,
    "post.delete": False,
    "post.reply.create": True,
    "post.mention.create": True,
}
EVENT_SWITCHES = (
    Switch("event_times", "How often each event is sent", 1),
    Switch("event_signed", "How events are signed", "rightly", ("rightly", "wrongly")),
    Switch("subscription_form", "Answer to a subscription", "one", ("one", "list")),
    Switch("revoke_is_told", "Every webhook is told of removed access", True),
)


class Events(Calls, Calling):
    # X waits for ten seconds.
    PATIENCE_S = (3, 10)

    def app_more(self) -> dict[str, str]:
        return {"hook_secret": CONSUMER_SECRET, "hook_token": APP_ONLY_TOKEN}

    def prepare(self, route: Route, request: Request) -> None:
        """The address is asked outside of the world's lock: it may be of a server that
        asks us something at the same moment."""
        super().prepare(route, request)
        url = ""
        if route.call == "POST /2/webhooks":
            body = request.get_json(force=True, silent=True)
            url = str(body.get("url") or "") if isinstance(body, dict) else ""
        elif route.call == "PUT /2/webhooks/:id":
            with self.world.transaction():
                known = self.get("webhook", request.path.rsplit("/", 1)[-1])
            url = known["url"] if known else ""
        if _is_address(url):
            request.environ[ENVIRON] = self._answers(url)

    def _answers(self, url: str) -> bool:
        token = secrets.token_urlsafe(24)
        joint = "&" if urlsplit(url).query else "?"
        answer = self.call_out("GET", f"{url}{joint}{urlencode({'crc_token': token})}")
        try:
            told = answer.json() if answer is not None and answer.ok else {}
        except ValueError:
            return False
        shown = str(told.get("response_token")) if isinstance(told, dict) else ""
        wanted = _signature(CONSUMER_SECRET, token.encode())
        return hmac.compare_digest(shown.encode(), wanted.encode())

    # ------------------------------------------------------------ addresses

    @route("POST", "/2/webhooks", call="POST /2/webhooks")
    def register_webhook(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            url = str(sent_json(request).get("url") or "")
            if not _is_address(url):
                raise _failed("UrlValidationFailed")
            rows = [row for _, row in self.all("webhook")]
            if url in {row["url"] for row in rows}:
                raise _failed("DuplicateUrlFailed")
            if len(rows) >= MAX_WEBHOOKS:
                raise _failed("WebhookLimitExceeded")
            if not request.environ.get(ENVIRON):
                raise _failed("CrcValidationFailed")
            id = str(secrets.randbelow(9 * 10**18) + 10**18)
            row = {"id": id, "url": url, "valid": True, "created_at": self._now()}
            self.put("webhook", id, row)
            return self._json({"data": row})

        return self._app_api(request, "POST /2/webhooks", work)

    @route("GET", "/2/webhooks", call="GET /2/webhooks")
    def webhooks(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            rows = [row for _, row in self.all("webhook")]
            meta = {"result_count": len(rows)}
            return self._json({"data": rows, "meta": meta} if rows else {"meta": meta})

        return self._app_api(request, "GET /2/webhooks", work)

    @route("PUT", "/2/webhooks/<id>", call="PUT /2/webhooks/:id")
    def validate_webhook(self, request: Request, id: str) -> Response:
        def work(caller: Caller) -> Response:
            row = self._webhook(id)
            row["valid"] = bool(request.environ.get(ENVIRON))
            self.put("webhook", id, row)
            if not row["valid"]:
                raise _failed("CrcValidationFailed")
            return self._json({"data": {"valid": True}})

        return self._app_api(request, "PUT /2/webhooks/:id", work)

    @route("DELETE", "/2/webhooks/<id>", call="DELETE /2/webhooks/:id")
    def drop_webhook(self, request: Request, id: str) -> Response:
        def work(caller: Caller) -> Response:
            self._webhook(id)
            self.drop("webhook", id)
            return self._json({"data": {"deleted": True}})

        return self._app_api(request, "DELETE /2/webhooks/:id", work)

    def _webhook(self, id: str) -> Doc:
        row = self.get("webhook", id)
        if not row:
            text = f"Could not find webhook with id: [{id}]."
            raise Refused(404, "Not Found Error", text, "resource-not-found")
        return row

    # ------------------------------------------------------------ subscriptions

    @route("POST", "/2/activity/subscriptions", call="POST /2/activity/subscriptions")
    def subscribe(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            body = sent_json(request)
            kind, wanted = str(body.get("event_type") or ""), body.get("filter")
            user = str(wanted.get("user_id") or "") if isinstance(wanted, dict) else ""
            if kind not in EVENTS:
                raise invalid((f"$.event_type: is not one of {list(EVENTS)}", {}))
            if not self.get("user", user):
                raise invalid(("$.filter.user_id: is no user", {}))
            if EVENTS[kind] and caller.id != user:
                raise Refused(403, "Forbidden", "Forbidden")
            hook = str(body.get("webhook_id") or "")
            self._webhook(hook)
            id = str(secrets.randbelow(9 * 10**18) + 10**18)
            row = {
                "subscription_id": id,
                "event_type": kind,
                "filter": {"user_id": user},
                "created_at": self._now(),
                "updated_at": self._now(),
                "tag": str(body.get("tag") or ""),
                "webhook_id": hook,
            }
            self.put("subscription", id, {**row, "user": user})
            data: Any = [row] if self.setting("subscription_form") == "list" else row
            total = len(self.all("subscription"))
            return self._json({"data": data, "meta": {"total_subscriptions": total}})

        key = "POST /2/activity/subscriptions"
        return self._app_api(request, key, work, users=True)

    @route("GET", "/2/activity/subscriptions", call="GET /2/activity/subscriptions")
    def subscriptions(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            rows = [dict(row) for _, row in self.all("subscription")]
            for row in rows:
                row.pop("user")
            meta = {"total_subscriptions": len(rows)}
            return self._json({"data": rows, "meta": meta} if rows else {"meta": meta})

        return self._app_api(request, "GET /2/activity/subscriptions", work)

    @route(
        "DELETE",
        "/2/activity/subscriptions/<id>",
        call="DELETE /2/activity/subscriptions/:id",
    )
    def unsubscribe(self, request: Request, id: str) -> Response:
        def work(caller: Caller) -> Response:
            self.drop("subscription", id)
            return self._json({"data": {"deleted": True}})

        return self._app_api(request, "DELETE /2/activity/subscriptions/:id", work)

    def _app_api(
        self,
        request: Request,
        key: str,
        work: Callable[[Caller], Response],
        users: bool = False,
    ) -> Response:
        """As `_api`, for the token of the app. users: one of an account will do."""
        endpoint, whose = ENDPOINTS[key], Caller({"id": "app"}, frozenset(), "")
        headers = self._rate_headers(self._windows(endpoint, None))
        try:
            caller = self._app_or_user(request, whose, users)
            headers = self._rate_headers(self._draw(self._windows(endpoint, whose)))
            response = work(caller)
        except Refused as refusal:
            response = self._problem(refusal)
        response.headers.extend(headers)
        return response

    def _app_or_user(self, request: Request, app: Caller, users: bool) -> Caller:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise unauthorized()
        if hmac.compare_digest(given.encode(), APP_ONLY_TOKEN.encode()):
            if self.setting("app_state") == "suspended":
                raise self._not_enrolled()
            return app
        caller = self._caller(request)
        if not users:
            raise Refused(
                403,
                "Unsupported Authentication",
                "Authenticating with OAuth 2.0 User Context is forbidden for this "
                "endpoint.  Supported authentication types are [OAuth 2.0 "
                "Application-Only].",
                "unsupported-authentication",
            )
        return caller

    # ------------------------------------------------------------ telling

    def tell(self, kind: str, user: str, payload: Doc) -> None:
        """Of what a user did, or what was done to their posts, who subscribed to it."""
        for _, row in self.all("subscription", user=user, event_type=kind):
            data = {
                "event_uuid": str(uuid.uuid4().int >> 65),
                "filter": row["filter"],
                "event_type": kind,
                "tag": row["tag"],
                "payload": payload,
                "includes": {},
            }
            self._deliver(self.get("webhook", row["webhook_id"]), {"data": data})

    def tell_revoked(self, user: str) -> None:
        """How one subscribes to it is documented nowhere."""
        if not self.setting("revoke_is_told"):
            return
        for _, hook in self.all("webhook"):
            payload = {"date_time": iso(self.world.now()), "user_id": user}
            data = {
                "event_uuid": str(uuid.uuid4().int >> 65),
                "filter": {},
                "event_type": "oauth.revoke",
                "payload": {**payload, "app_id": "29820954"},
            }
            self._deliver(hook, {"data": data})

    def _deliver(self, hook: Doc | None, event: Doc) -> None:
        if not hook or not hook["valid"]:
            return
        body = json.dumps(event).encode()
        is_right = self.setting("event_signed") == "rightly"
        key = CONSUMER_SECRET if is_right else f"not {CONSUMER_SECRET}"
        headers = {
            "Content-Type": "application/json",
            "x-twitter-webhooks-signature": _signature(key, body),
        }
        for _time in range(int(self.setting("event_times"))):
            self.in_background(self.call_out, "POST", hook["url"], body, headers)

    def _now(self) -> str:
        return iso(self.world.now())


def _signature(secret: str, message: bytes) -> str:
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return "sha256=" + base64.b64encode(digest).decode()


def _is_address(url: str) -> bool:
    """https without a port; on the machine that practises, anything goes."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if len(url) > 200 or parts.scheme not in ("http", "https"):
        return False
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return True
    return parts.scheme == "https" and port is None and bool(parts.hostname)


def _failed(reason: str) -> Refused:
    return invalid((reason, {}))
