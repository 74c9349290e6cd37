"""What Threads tells an app by itself: removed apps, data to delete, replies.

Sent from threads of their own: a slow or dead receiver is its own problem, and no
request to the practice network waits for it.
Source: https://developers.facebook.com/docs/threads/webhooks .
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Mapping
from typing import Any

import requests

from ..facebook.twin_callbacks import signed_request
from ..practice.framework import Doc, iso
from .twin_world import APP_ID, ThreadsWorld

logger = logging.getLogger(__name__)

#: Seconds to connect, then for each wait for bytes.
PATIENCE_S = (3, 5)
#: Lines of the list of what was told that are kept.
KEPT = 200


class Hooks(ThreadsWorld):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sending: set[threading.Thread] = set()

    def told(self) -> list[Doc]:
        """What was sent and what came of it, oldest first."""
        return [{"id": id, **doc} for id, doc in self.all("told")]

    def wait_for_hooks(self, timeout_s: float = 30) -> None:
        for thread in list(self._sending):
            thread.join(timeout_s)

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
        body = json.dumps(payload).encode()
        signature = hmac.new(self._secret(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        self._tell("replies", self.setting("webhook_url"), body, headers)

    def _secret(self) -> bytes:
        return str((self.get("app", APP_ID) or {})["secret"]).encode()

    def _tell_signed(self, kind: str, url: str, payload: Mapping[str, Any]) -> None:
        signed = signed_request(self._secret().decode(), payload)
        self._tell(kind, url, {"signed_request": signed}, {})

    def _tell(
        self,
        kind: str,
        url: str,
        data: bytes | Mapping[str, str],
        headers: Mapping[str, str],
    ) -> None:
        if not url:
            return
        id = secrets.token_hex(6)
        at = iso(self.world.now())
        row = {"kind": kind, "url": url, "at": at, "state": "sending", "status": None}
        self.put("told", id, row)
        for old, _doc in self.all("told")[:-KEPT]:
            self.drop("told", old)
        thread = threading.Thread(
            target=self._send,
            args=(id, url, data, headers),
            name=f"threads-hook-{id}",
            daemon=True,
        )
        self._sending = {t for t in self._sending if t.is_alive()} | {thread}
        thread.start()

    def _send(
        self,
        id: str,
        url: str,
        data: bytes | Mapping[str, str],
        headers: Mapping[str, str],
    ) -> None:
        """Outside of the world's lock, until the result is written down."""
        status: int | None = None
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    url,
                    data=data,
                    headers=dict(headers),
                    timeout=PATIENCE_S,
                    allow_redirects=False,
                )
                status = answer.status_code
        except (requests.RequestException, OSError, ValueError):
            logger.debug("nobody took what Threads told")
        try:
            with self.world.transaction():
                if doc := self.get("told", id):
                    state = "done" if status == 200 else "failed"
                    self.put("told", id, {**doc, "state": state, "status": status})
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before it was told")
