"""What Meta tells an app by itself: deauthorize and data-deletion callbacks.

Source: https://developers.facebook.com/docs/development/create-an-app/app-dashboard/
data-deletion-callback/ and .../facebook-login/guides (v26.0).
"""

from __future__ import annotations

import base64
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

from ..practice.framework import Doc, iso
from .twin_world import MetaWorld

logger = logging.getLogger(__name__)

#: Seconds to connect, then for each wait for bytes.
PATIENCE_S = (3, 5)
#: What is read of an answer.
ANSWER_BYTES = 10_000
#: Lines of the list of callbacks that are kept.
KEPT = 200


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_request(secret: str, payload: Mapping[str, Any]) -> str:
    """The signature covers the second part as it is sent: encoded, without padding."""
    body = unpadded(json.dumps(payload, separators=(",", ":")).encode())
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()
    return f"{unpadded(signature)}.{body}"


class Callbacks(MetaWorld):
    """Sends callbacks from threads of their own: a slow or dead receiver is its own
    problem, and no request to the practice network waits for it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sending: set[threading.Thread] = set()

    def tell_removed(self, app: str, user: str) -> None:
        """The person removed the app."""
        self._tell("deauthorize", self.setting("deauthorize_url"), app, user)

    def tell_deletion(self, app: str, user: str) -> None:
        """The person asks that their data be deleted."""
        more = {"expires": int(self.time()) + 3600}
        self._tell("data_deletion", self.setting("data_deletion_url"), app, user, more)

    def callbacks(self) -> list[Doc]:
        """What was sent and what came of it, oldest first."""
        return [{"id": id, **doc} for id, doc in self.all("callback")]

    def wait_for_callbacks(self, timeout_s: float = 30) -> None:
        for thread in list(self._sending):
            thread.join(timeout_s)

    def _tell(
        self, kind: str, url: str, app: str, user: str, more: Doc | None = None
    ) -> None:
        if not url:
            return
        payload = {
            "user_id": user,
            "algorithm": "HMAC-SHA256",
            "issued_at": int(self.time()),
            **(more or {}),
        }
        secret = str((self.get("app", app) or {})["secret"])
        id = secrets.token_hex(6)
        self.put(
            "callback",
            id,
            {"kind": kind, "url": url, "user": user, "app": app, "state": "sending"}
            | {"at": iso(self.world.now()), "status": None, "detail": ""},
        )
        for old, _doc in self.all("callback")[:-KEPT]:
            self.drop("callback", old)
        thread = threading.Thread(
            target=self._send,
            args=(id, kind, url, signed_request(secret, payload)),
            name=f"meta-callback-{id}",
            daemon=True,
        )
        self._sending = {t for t in self._sending if t.is_alive()} | {thread}
        thread.start()

    def _send(self, id: str, kind: str, url: str, signed: str) -> None:
        """Outside of the world's lock, until the result is written down."""
        status: int | None = None
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    url,
                    data={"signed_request": signed},
                    timeout=PATIENCE_S,
                    allow_redirects=False,
                    stream=True,
                )
                status = answer.status_code
                body = answer.raw.read(ANSWER_BYTES, decode_content=True)
                answer.close()
            state, detail = self._judge(kind, status, body)
        except (requests.RequestException, OSError, ValueError) as exc:
            state, detail = "failed", f"{type(exc).__name__}: no usable answer"
        try:
            with self.world.transaction():
                doc = self.get("callback", id)
                if doc:
                    done = {"state": state, "status": status, "detail": detail}
                    self.put("callback", id, {**doc, **done})
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before a callback ended")

    def _judge(self, kind: str, status: int, body: bytes) -> tuple[str, str]:
        if status != 200:
            return "failed", f"answered {status}"
        if kind == "deauthorize":
            return "done", ""
        try:
            told = json.loads(body)
            address, code = told["url"], told["confirmation_code"]
        except (ValueError, KeyError, TypeError):
            return "failed", "the answer is not JSON with url and confirmation_code"
        if not isinstance(address, str) or not isinstance(code, str):
            return "failed", "url and confirmation_code must be texts"
        return "done", f"{code} {address}"
