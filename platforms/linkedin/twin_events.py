"""What LinkedIn tells an app by itself: what people do with posts of Pages.

A subscription belongs to an app, a member and a Page. Its address is asked whether it is
ours; until it has answered nothing is sent. What nobody takes comes every five minutes
for eight hours.
Sources, under https://learn.microsoft.com/en-us/linkedin/ :
marketing/community-management/organizations/organization-social-action-notifications,
shared/api-guide/webhook-validation
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import sqlite3
import uuid
from urllib.parse import urlencode, urlsplit

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from ..practice.switches import Switch
from ..practice.telling import Again, Telling, order_switch
from .twin_calls import (
    ORGANIZATION,
    Caller,
    Calls,
    denied,
    missing,
    not_found,
    sent_json,
    wrong_query,
    wrong_schema,
)

logger = logging.getLogger(__name__)

EVENT_TYPE = "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS"
KEY = re.compile(
    r"\(developerApplication:urn:li:developerApplication:(?P<app>[0-9]+),"
    r"user:(?P<user>urn:li:person:[\w-]+),"
    r"entity:(?P<page>urn:li:organization:[0-9]+),"
    rf"eventType:{EVENT_TYPE}\)"
)
PLACE = "/api/rest/eventSubscriptions/<path:key>"
EVENT_SWITCHES = (
    Switch("application_id", "Application ID of the app", "200117777"),
    Switch("events_life_s", "Seconds for which events are granted", 7_776_000),
    Switch("event_times", "How often each event is sent", 1),
    order_switch("event_order"),
    Switch("event_signed", "How events are signed", "rightly", ("rightly", "wrongly")),
)


class Events(Calls, Telling):
    AGAIN = Again((300,), ends_s=8 * 3600)
    ORDER = "event_order"
    # An address has three seconds to answer in.
    PATIENCE_S = (3, 3)

    def app_more(self) -> dict[str, str]:
        return {"number_there": str(self.setting("application_id"))}

    # ------------------------------------------------------------ subscriptions

    @route("PUT", PLACE, call="PUT /rest/eventSubscriptions/{key}")
    def subscribe(self, request: Request, key: str) -> Response:
        def work(caller: Caller) -> Response:
            page = self._asked_page(caller, key)
            url = str(sent_json(request).get("webhook") or "")
            if not url:
                raise wrong_schema(missing("/webhook"))
            if urlsplit(url).scheme not in ("http", "https") or len(url) > 1000:
                raise wrong_schema("ERROR :: /webhook :: is not a valid URL")
            ends_at = self.time() + float(self.setting("events_life_s"))
            # What an address has answered before still holds.
            known = self.get("subscription", key) or {}
            row = {
                "page": page,
                "user": caller.urn,
                "webhook": url,
                "ends_at": ends_at,
                "answered": known.get("webhook") == url and known.get("answered"),
            }
            self.put("subscription", key, row)
            self.in_background(self._challenge, key, url)
            return self._empty(204)

        return self._api(request, "PUT /rest/eventSubscriptions/{key}", work)

    @route("GET", PLACE, call="GET /rest/eventSubscriptions/{key}")
    def subscription(self, request: Request, key: str) -> Response:
        def work(caller: Caller) -> Response:
            page = self._asked_page(caller, key)
            row = self.get("subscription", key)
            if not row or row["ends_at"] <= self.time():
                raise not_found()
            shown = {
                "entity": page,
                "user": caller.urn,
                "eventType": EVENT_TYPE,
                "webhook": row["webhook"],
                "expiresAt": int(row["ends_at"] * 1000),
            }
            return self._json(shown)

        return self._api(request, "GET /rest/eventSubscriptions/{key}", work)

    @route("DELETE", PLACE, call="DELETE /rest/eventSubscriptions/{key}")
    def unsubscribe(self, request: Request, key: str) -> Response:
        def work(caller: Caller) -> Response:
            self._asked_page(caller, key)
            self.drop("subscription", key)
            return self._empty(204)

        return self._api(request, "DELETE /rest/eventSubscriptions/{key}", work)

    def _asked_page(self, caller: Caller, key: str) -> str:
        match = KEY.fullmatch(key)
        if not match:
            raise wrong_query("Invalid key for eventSubscriptions")
        if self.setting("tier") == "development":
            raise denied("Webhooks are not part of the Development tier")
        if match["app"] != str(self.setting("application_id")):
            raise denied("The application is not that of this token")
        if match["user"] != caller.urn:
            raise denied("The user is not the member of this token")
        if self._role(caller, match["page"]) != "ADMINISTRATOR":
            raise denied("The member is no administrator of this organization")
        return match["page"]

    def _challenge(self, key: str, url: str) -> None:
        """Ask the address whether it is ours; it answers with what only we can sign."""
        code = str(uuid.uuid4())
        wanted = hmac.new(self._secret(), code.encode(), hashlib.sha256).hexdigest()
        joint = "&" if urlsplit(url).query else "?"
        asked = urlencode({"challengeCode": code})
        answer = self.call_out("GET", f"{url}{joint}{asked}")
        try:
            told = answer.json() if answer is not None and answer.ok else {}
        except ValueError:
            told = {}
        is_ours = isinstance(told, dict) and (
            told.get("challengeCode") == code
            and hmac.compare_digest(
                str(told.get("challengeResponse")).encode(), wanted.encode()
            )
        )
        try:
            with self.world.transaction():
                if row := self.get("subscription", key):
                    self.put("subscription", key, {**row, "answered": is_ours})
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before it was answered")

    def _secret(self) -> bytes:
        return self.app_credentials()[1].encode()

    # ------------------------------------------------------------ telling

    def tell(self, action: str, post: Doc, activity: str, what: Doc) -> None:
        """action: COMMENT, COMMENT_DELETE, ADMIN_COMMENT, LIKE. what: "urn", "by" and
        "text" of what was done. Only of public posts of Pages."""
        author = post["author"]
        if not ORGANIZATION.fullmatch(author):
            return
        if action in ("LIKE", "COMMENT") and post["visibility"] != "PUBLIC":
            return
        for _, row in self.all("subscription", page=author, answered=True):
            if row["ends_at"] > self.time():
                self._send(row, self._notice(action, post, activity, what, row))

    def _notice(
        self, action: str, post: Doc, activity: str, what: Doc, row: Doc
    ) -> Doc:
        return {
            "notificationId": uuid.uuid4().int >> 75,
            "organizationalEntity": post["author"],
            "action": action,
            "sourcePost": activity,
            "decoratedSourcePost": {
                "entity": post["urn"],
                "owner": post["author"],
                "text": post["commentary"],
                "mediaCategory": "NONE",
            },
            "generatedActivity": what["urn"],
            "decoratedGeneratedActivity": {
                "comment": {
                    "entity": what["urn"],
                    "owner": what["by"],
                    "text": what["text"],
                    "object": activity,
                }
            },
            "lastModifiedAt": self.time_ms(),
            "subscriber": row["user"],
        }

    def _send(self, row: Doc, notice: Doc) -> None:
        body = json.dumps({"type": EVENT_TYPE, "notifications": [notice]})
        secret = self._secret()
        if self.setting("event_signed") == "wrongly":
            secret = b"not " + secret
        signed = hmac.new(secret, f"hmacsha256={body}".encode(), hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "X-LI-Signature": signed.hexdigest(),
        }
        for _time in range(int(self.setting("event_times"))):
            self.note_event(EVENT_TYPE, row["webhook"], body, headers)
        self.tell_due()
