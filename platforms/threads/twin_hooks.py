"""What Threads tells an app by itself: removed apps, data to delete, replies.

What nobody takes comes again at once, then less and less often for 36 hours.
Source: https://developers.facebook.com/docs/threads/webhooks .
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ..facebook.twin_callbacks import signed_request
from ..practice.framework import Doc
from ..practice.telling import Again, Telling
from .twin_world import APP_ID, ThreadsWorld


class Hooks(ThreadsWorld, Telling):
    AGAIN = Again((0, 60), grows=2, ends_s=36 * 3600)
    ORDER = "webhook_order"

    def takes(self, status: int | None) -> bool:
        return status == 200

    def tell_removed(self, user: str, *, deletion: bool) -> None:
        """The person removed the app, and may ask that their data be deleted too."""
        now = int(self.time())
        payload = {"user_id": user, "algorithm": "HMAC-SHA256", "issued_at": now}
        self._tell_signed("deauthorize", self.setting("deauthorize_url"), payload)
        if deletion:
            payload = {**payload, "expires": now + 3600}
            self._tell_signed(
                "data_deletion", self.setting("data_deletion_url"), payload
            )

    def tell_reply(self, owner: Doc, reply: Doc) -> None:
        """A reply to a post of `owner`, who must have a public profile.

        reply: the fields that the webhook shows.
        """
        if owner["is_private"]:
            return
        payload = {
            "app_id": APP_ID,
            "topic": "moderate",
            "target_id": owner["id"],
            "time": int(self.time()),
            "subscription_id": "234567",
            "has_uid_field": False,
            "values": {"value": reply, "field": "replies"},
        }
        body = json.dumps(payload)
        made = hmac.new(self._secret(), body.encode(), hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": f"sha256={made.hexdigest()}",
        }
        self.note_event("replies", self.setting("webhook_url"), body, headers)
        self.tell_due()

    def _secret(self) -> bytes:
        return str((self.get("app", APP_ID) or {})["secret"]).encode()

    def _tell_signed(self, kind: str, url: str, payload: Mapping[str, Any]) -> None:
        signed = signed_request(self._secret().decode(), payload)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.note_event(kind, url, urlencode({"signed_request": signed}), headers)
        self.tell_due()
