"""What TikTok tells an app by itself: what became of a publish, and a removed app.

Sources: https://developers.tiktok.com/doc/webhooks-overview, .../webhooks-events,
.../webhooks-verification.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from ..practice.framework import Doc
from ..practice.telling import Again, Telling
from .twin_publishes import COMPLETE, FAILED, IN_INBOX, Publishes

#: why an authorization ended
USER_REMOVED, DEVELOPER_REVOKED = 1, 5


class Hooks(Publishes, Telling):
    AGAIN = Again((30,), grows=2, ends_s=72 * 3600)
    ORDER = "webhook_order"

    def takes(self, status: int | None) -> bool:
        return status == 200

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
            self.wake(at - self.time())

    def tell_due(self) -> None:
        """Note what has happened to publishes, and send the events that are due."""
        if not self.setting("webhook_url"):
            return
        for id, watched in self.all("watched"):
            publish = self.get("publish", id)
            if publish:
                self._note(publish, watched["told"])
        super().tell_due()

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
        key = next(iter(self.all("app")))[0]
        body = {
            "client_key": key,
            "event": name,
            "create_time": int(self.time()),
            "user_openid": user,
            "content": json.dumps(content),
        }
        for _ in range(self.setting("webhook_times")):
            self.note_event(
                name,
                self.setting("webhook_url"),
                json.dumps(body),
                {"Content-Type": "application/json"},
                delay_s=self.setting("webhook_delay_s"),
            )

    # ------------------------------------------------------------ telling

    def headers_of(self, event: Doc) -> dict[str, str]:
        """Signed with the time of the try."""
        _key, app = next(iter(self.all("app")))
        signature = self._signature(app["secret"], event["body"].encode())
        return {**super().headers_of(event), "TikTok-Signature": signature}

    def _signature(self, secret: str, raw: bytes) -> str:
        signed = self.setting("webhook_signed")
        at = int(self.time()) - (3600 if signed == "long_ago" else 0)
        key = secret if signed != "wrongly" else f"not {secret}"
        text = f"{at}.".encode() + raw
        return f"t={at},s={hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}"
