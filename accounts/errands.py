"""Errands: work that asks platforms in between, many side by side.

An errand is a generator. What it does itself may use the database; the calls that it
yields, all of one batch at once, are made by I/O threads, which never touch it; it is
sent their results in order. So one thread with one connection keeps many calls in
flight, and a server that hangs holds nobody up but those who ask it.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from platforms.errors import Cause, PlatformError, TransientError

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
#: gives its result, a platform's refusal included; raises nothing
Call = Callable[[], Any]
Errand = Generator[Sequence[Call], list[Any], T]


def asking(call: Callable[[], R]) -> Callable[[], R | PlatformError]:
    """The call, with a platform's refusal as its result."""

    def ask() -> R | PlatformError:
        try:
            return call()
        except PlatformError as error:
            return error
        except Exception as exc:
            # A bug of ours says nothing of the platform, and no breaker hears of it.
            logger.exception("a call of an errand")
            return TransientError(type(exc).__name__, cause=Cause.UNKNOWN_REFUSAL)

    return ask


def alone(errand: Errand[T]) -> T:
    """Run one errand here and now, its calls one after the other."""
    try:
        calls = next(errand)
        while True:
            calls = errand.send([call() for call in calls])
    except StopIteration as end:
        return end.value


@dataclass(eq=False)
class Running:
    """An errand on its way. lane: whom its calls go to; each has a share of threads.

    done: gets its value, or the exception that ended it; in the database thread.
    """

    lane: Hashable
    errand: Errand[Any]
    done: Callable[[Any], None]
    #: of the batch that is out; None: not begun
    results: list[Any] | None = None
    open_calls: int = 0


#: Gets the room that is left and the lanes that are full, returns who may begin.
Source = Callable[[int, Collection[Hashable]], Sequence[Running]]


class SideBySide:
    """Runs errands from a source until a time, then those that are on their way.

    threads: calls in flight at once. lane_share: of them, calls to one lane; so it
    takes several servers that hang before others have to wait.
    """

    NAP_S = 0.2

    def __init__(self, threads: int, lane_share: int) -> None:
        self.threads = threads
        self.lane_share = lane_share
        #: Errands begin so many at a time, for what they ask first costs them one
        #: statement together; others are on their way meanwhile.
        self._together = max(1, threads // 4)
        self._results: queue.Queue[tuple[Running, int, Any]] = queue.Queue()
        self._lanes: Counter[Hashable] = Counter()
        self._calls = 0
        self._handled = 0
        #: calls beyond their lane's share
        self._waiting: list[tuple[Running, int, Call]] = []

    def run(self, source: Source, until: float, drop_after: float) -> int:
        """until: monotonic time after which no errand begins. drop_after: after which
        those on their way ask nothing more (their results are still taken). Returns how
        many came to an end."""
        self._drop_after = drop_after
        with ThreadPoolExecutor(
            self.threads, thread_name_prefix="errand"
        ) as self._pool:
            while True:
                if time.monotonic() < until:
                    self._begin(source)
                self._submit_waiting()
                if not self._calls and not self._waiting:
                    break
                try:
                    self._take(*self._results.get(timeout=self.NAP_S))
                    while True:
                        self._take(*self._results.get_nowait())
                except queue.Empty:
                    continue
        return self._handled

    def _begin(self, source: Source) -> None:
        """Until there is no room, or nobody who may begin."""
        if self._calls and self.threads - self._calls < self._together:
            return
        while (room := self.threads - self._calls) > 0:
            asking = self._lanes + Counter(one.lane for one, *_ in self._waiting)
            full = [lane for lane, n in asking.items() if n >= self.lane_share]
            found = source(room, full)
            if not found:
                return
            for running in found:
                self._advance(running)

    def _advance(self, running: Running) -> None:
        """Give it what its calls brought, and start those that it wants next."""
        try:
            if running.results is None:
                calls = next(running.errand)
            else:
                calls = running.errand.send(running.results)
        except StopIteration as end:
            self._end(running, end.value)
            return
        except Exception as exc:
            logger.exception("an errand broke off")
            self._end(running, exc)
            return
        if time.monotonic() > self._drop_after:
            running.errand.close()
            self._end(running, TimeoutError("no time left"))
            return
        assert calls, "an errand that asks nothing never goes on"
        running.results = [None] * len(calls)
        running.open_calls = len(calls)
        self._waiting += [(running, n, call) for n, call in enumerate(calls)]
        self._submit_waiting()

    def _submit_waiting(self) -> None:
        left = []
        for running, n, call in self._waiting:
            if self._calls < self.threads and self._lanes[running.lane] < (
                self.lane_share
            ):
                self._calls += 1
                self._lanes[running.lane] += 1
                self._pool.submit(self._make, running, n, call)
            else:
                left.append((running, n, call))
        self._waiting = left

    def _make(self, running: Running, n: int, call: Call) -> None:
        try:
            result = call()
        except Exception as exc:  # `asking` leaves none
            result = exc
        self._results.put((running, n, result))

    def _take(self, running: Running, n: int, result: Any) -> None:
        self._calls -= 1
        self._lanes[running.lane] -= 1
        assert running.results is not None
        running.results[n] = result
        running.open_calls -= 1
        if not running.open_calls:
            self._advance(running)

    def _end(self, running: Running, value: Any) -> None:
        self._handled += 1
        try:
            running.done(value)
        except Exception:
            logger.exception("what an errand came to could not be kept")
