"""A twin that calls addresses of an app: from threads of their own, so that a slow or
dead receiver holds up nobody who talks to the practice network."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import requests

from .switches import SwitchedTwin

logger = logging.getLogger(__name__)


class Calling(SwitchedTwin):
    #: seconds to connect, then for each wait for bytes
    PATIENCE_S: ClassVar[tuple[float, float]] = (3, 5)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sending: set[threading.Thread] = set()

    def in_background(self, work: Callable[..., Any], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._sending = {t for t in self._sending if t.is_alive()} | {thread}
        thread.start()

    def wait_for_hooks(self, timeout_s: float = 30) -> None:
        for thread in list(self._sending):
            thread.join(timeout_s)

    def call_out(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response | None:
        """One call, without following a redirect; None: nobody took it."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.request(
                    method,
                    url,
                    data=body,
                    headers=dict(headers or {}),
                    timeout=self.PATIENCE_S,
                    allow_redirects=False,
                )
        except (requests.RequestException, OSError, ValueError):
            logger.debug("nobody took what %s told", self.name)
            return None
