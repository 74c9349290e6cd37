"""Events that a twin tells an app: again and again, until somebody takes them.

An event is a document that waits for its time on the practice clock. Whatever call
reaches the twin sends what is due, and so does a timer of real time.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from werkzeug.wrappers import Request

from .calling import Calling
from .framework import Doc, Route
from .switches import Switch

logger = logging.getLogger(__name__)

#: Events that are kept.
KEPT = 500
OLDEST, NEWEST = "oldest_first", "newest_first"


@dataclass(frozen=True)
class Again:
    """When an event that nobody took comes again.

    waits_s: before the second try, the third, and so on; from the last on each wait is
    `grows` times the one before. ends_s: after the event it is dropped; most: tries.
    """

    waits_s: tuple[float, ...]
    grows: float = 1
    ends_s: float | None = None
    most: int | None = None

    def wait_s(self, tries: int) -> float:
        """After so many tries."""
        beyond = max(0, tries - len(self.waits_s))
        return self.waits_s[min(tries, len(self.waits_s)) - 1] * self.grows**beyond

    def is_over(self, tries: int, age_s: float) -> bool:
        """Whether a try at that age is one too many."""
        return (self.most is not None and tries >= self.most) or (
            self.ends_s is not None and age_s >= self.ends_s
        )


def order_switch(name: str) -> Switch:
    return Switch(name, "Events that wait are told", OLDEST, (OLDEST, NEWEST))


class Telling(Calling):
    AGAIN: ClassVar[Again]
    #: name of the switch that `order_switch` made, "": they go out as they happened
    ORDER: ClassVar[str] = ""

    def takes(self, status: int | None) -> bool:
        """Whether this answer ends it. None: there was none."""
        return status is not None and 200 <= status < 300

    def tries_again(self, status: int | None) -> bool:
        """Whether an event that was answered like this comes again."""
        return True

    def headers_of(self, event: Doc) -> dict[str, str]:
        """Of the try that comes now; `event["tries"]` went before."""
        return dict(event["headers"])

    def prepare(self, route: Route, request: Request) -> None:
        super().prepare(route, request)
        with self.world.transaction():
            self.tell_due()

    # ------------------------------------------------------------ inside a transaction

    def note_event(
        self,
        kind: str,
        url: str,
        body: str,
        headers: Mapping[str, str],
        *,
        delay_s: float = 0,
    ) -> None:
        """Have it told, from `tell_due` on. No url: nobody wants to know."""
        if not url:
            return
        at = self._time()
        event = {
            "kind": kind,
            "url": url,
            "body": body,
            "headers": dict(headers),
            "at": at,
            "next_at": at + delay_s,
            "tries": 0,
            "state": "waiting",
            "status": None,
        }
        self.put("event", uuid.uuid4().hex, event)
        for old, _event in self.all("event")[:-KEPT]:
            self.drop("event", old)
        self.wake(delay_s)

    def tell_due(self) -> None:
        now = self._time()
        waiting = self.all("event", state="waiting")
        due = [(id, event) for id, event in waiting if event["next_at"] <= now]
        if self.ORDER and self.setting(self.ORDER) == NEWEST:
            due.reverse()
        for id, event in due:
            self.put("event", id, {**event, "state": "sending"})
            self.in_background(self._tell, id, event, self.headers_of(event))

    def told(self) -> list[Doc]:
        """Every event and what came of it, oldest first."""
        return [{"id": id, **event} for id, event in self.all("event")]

    def _time(self) -> float:
        return self.world.now().timestamp()

    # ------------------------------------------------------------ outside of one

    def wake(self, seconds: float) -> None:
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

    def _tell(self, id: str, event: Doc, headers: Mapping[str, str]) -> None:
        answer = self.call_out("POST", event["url"], event["body"].encode(), headers)
        status = None if answer is None else answer.status_code
        try:
            with self.world.transaction():
                if known := self.get("event", id):
                    self.put("event", id, self._after(known, status))
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before it was told")

    def _after(self, event: Doc, status: int | None) -> Doc:
        """An event once it was sent: told, waiting for another try, or given up."""
        event = {**event, "status": status, "tries": event["tries"] + 1}
        if self.takes(status):
            return {**event, "state": "told"}
        wait = self.AGAIN.wait_s(event["tries"])
        next_at = self._time() + wait
        if not self.tries_again(status) or self.AGAIN.is_over(
            event["tries"], next_at - event["at"]
        ):
            return {**event, "state": "dropped"}
        self.wake(wait)
        return {**event, "state": "waiting", "next_at": next_at}
