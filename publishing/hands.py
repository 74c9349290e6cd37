"""The I/O threads of a pump: they take calls from a queue, and nothing comes back here.

A `ThreadPoolExecutor` makes a future with a lock of its own for each call, which at
thousands of short calls is a tenth of a pump's whole work.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

Call = Callable[[], Any]


class Hands:
    """At most `count` threads, begun when they are needed. Leaving waits for all calls."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        #: one entry for each thread that waits and has not been counted on yet
        self._free: deque[None] = deque()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Hands:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, call: Call) -> None:
        """Have it called by one of the threads, as soon as one is free."""
        self._calls.put(call)
        try:
            self._free.pop()
        except IndexError:
            if len(self._threads) < self.count:
                name = f"pump_{len(self._threads)}"
                thread = threading.Thread(target=self._work, name=name)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except BaseException:
                logger.exception("a call of the pump ended in an error")
            del call  # it holds a whole work, and the wait may be long
            self._free.append(None)
