"""What TikTok tells an app by itself: what became of a publish, and a removed app.

An event is a document that waits for its time on the practice clock. Whatever call
reaches the twin sends what is due, and so does a timer of real time. Sent from threads
of their own, so that a slow receiver holds nobody up.
Sources: https://developers.tiktok.com/doc/webhooks-overview, .../webhooks-events,
.../webhooks-verification.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import sqlite3
import threading
import uuid
from typing import Any

import requests

from ..practice.framework import Doc
from .twin_publishes import COMPLETE, FAILED, IN_INBOX, Publishes

logger = logging.getLogger(__name__)

#: Seconds to connect, then for each wait for bytes.
PATIENCE_S = (3, 5)
#: TikTok gives up after it.
GIVES_UP_S = 72 * 3600
FIRST_WAIT_S = 30
#: Events that are kept.
KEPT = 500
#: why an authorization ended
USER_REMOVED, DEVELOPER_REVOKED = 1, 5


class Hooks(Publishes):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sending: set[threading.Thread] = set()

    # ------------------------------------------------------------ what happened

    def got_bytes(self, publish: Doc, files: list[Doc], fail: str, at: float) -> Doc:
        publish = super().got_bytes(publish, files, fail, at)
        self._watch(publish)
        return publish

    def authorization_ended(self, user: str, reason: int) -> None:
        self.fail_running(user, "auth_removed")
        self._happened("authorization.removed", user, {"reason": reason})

    def _watch(self, publish: Doc) -> None:
        if not self.setting("webhook_url"):
            return
        self.put("watched", publish["id"], {"told": []})
        waits = (publish["done_at"], publish["done_at"] + self.setting("moderation_s"))
        for at in waits:
            self._wake(at - self.time())

    def _wake(self, seconds: float) -> None:
        """Look again after so much real time, should no call come before."""
        timer = threading.Timer(max(0.0, seconds) + 0.01, self._woken)
        timer.daemon = True
        timer.start()

    def _woken(self) -> None:
        try:
            with self.world.transaction():
                self.tell_due()
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before it was told")

    def tell_due(self) -> None:
        """Note what has happened to publishes, and send the events that are due."""
        if not self.setting("webhook_url"):
            return
        for id, watched in self.all("watched"):
            publish = self.get("publish", id)
            if publish:
                self._note(publish, watched["told"])
        now = self.time()
        due = [
            (id, event)
            for id, event in self.all("event", state="waiting")
            if event["next_at"] <= now
        ]
        if self.setting("webhook_order") == "newest_first":
            due.reverse()
        for id, event in due:
            self.put("event", id, {**event, "state": "sending"})
            self._start(id, event)

    def _note(self, publish: Doc, told: list[str]) -> None:
        status, reason = self.status_of(publish)
        type_ = "DIRECT_POST" if publish["mode"] == "direct" else "INBOX_SHARE"
        common = {"publish_id": publish["id"], "publish_type": type_}
        public = "post.publish.publicly_available"
        if self.setting("webhook_spelling") == "old":
            public = "post.publish.publicaly_available"
        found: list[tuple[str, Doc]] = []
        if status == IN_INBOX:
            found.append(("post.publish.inbox_delivered", common))
        if status == FAILED:
            found.append(("post.publish.failed", {**common, "reason": reason}))
        if status == COMPLETE:
            found.append(("post.publish.complete", common))
        if self.is_public(publish):
            found.append((public, {**common, "post_id": publish["post_id"]}))
        for name, content in found:
            if name not in told:
                told.append(name)
                self._happened(name, publish["user"], content)
        if status == FAILED or public in told:
            self.drop("watched", publish["id"])
        else:
            self.put("watched", publish["id"], {"told": told})

    def _happened(self, name: str, user: str, content: Doc) -> None:
        if not self.setting("webhook_url"):
            return
        event = {
            "event": name,
            "user": user,
            "content": json.dumps(content),
            "at": self.time(),
            "next_at": self.time() + self.setting("webhook_delay_s"),
            "tries": 0,
            "state": "waiting",
            "status": None,
        }
        for _ in range(self.setting("webhook_times")):
            self.put("event", uuid.uuid4().hex, event)
        for old, _doc in self.all("event")[:-KEPT]:
            self.drop("event", old)
        self._wake(self.setting("webhook_delay_s"))

    # ------------------------------------------------------------ telling

    def _start(self, id: str, event: Doc) -> None:
        key, app = next(iter(self.all("app")))
        body = {
            "client_key": key,
            "event": event["event"],
            "create_time": int(event["at"]),
            "user_openid": event["user"],
            "content": event["content"],
        }
        raw = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        headers["TikTok-Signature"] = self._signature(app["secret"], raw)
        thread = threading.Thread(
            target=self._send,
            args=(id, self.setting("webhook_url"), raw, headers),
            name=f"tiktok-hook-{id[:8]}",
            daemon=True,
        )
        thread.start()
        self._sending = {t for t in self._sending if t.is_alive()} | {thread}

    def _signature(self, secret: str, raw: bytes) -> str:
        signed = self.setting("webhook_signed")
        at = int(self.time()) - (3600 if signed == "long_ago" else 0)
        key = secret if signed != "wrongly" else f"not {secret}"
        text = f"{at}.".encode() + raw
        return f"t={at},s={hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}"

    def _send(self, id: str, url: str, raw: bytes, headers: dict[str, str]) -> None:
        """Outside of the world's lock, until the result is written down."""
        status: int | None = None
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    url,
                    data=raw,
                    headers=headers,
                    timeout=PATIENCE_S,
                    allow_redirects=False,
                )
                status = answer.status_code
        except (requests.RequestException, OSError, ValueError):
            logger.debug("nobody took what TikTok told")
        try:
            with self.world.transaction():
                if event := self.get("event", id):
                    self.put("event", id, self._after(event, status))
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before it was told")

    def _after(self, event: Doc, status: int | None) -> Doc:
        """An event once it was sent: told, waiting for another try, or given up."""
        event |= {"status": status, "tries": event["tries"] + 1}
        if status == 200:
            return {**event, "state": "told"}
        wait = FIRST_WAIT_S * 2 ** event["tries"]
        if self.time() + wait >= event["at"] + GIVES_UP_S:
            return {**event, "state": "dropped"}
        self._wake(wait)
        return {**event, "state": "waiting", "next_at": self.time() + wait}

    def told(self) -> list[Doc]:
        """Every event and what came of it, oldest first."""
        return [{"id": id, **doc} for id, doc in self.all("event")]

    def wait_for_hooks(self, timeout_s: float = 30) -> None:
        for thread in list(self._sending):
            thread.join(timeout_s)
