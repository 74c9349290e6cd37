"""What is due next, lane by lane: a pump's own short list, read anew again and again.

A hint, never the truth: the claim decides under the row's lock. It is there so that a
backlog of one account neither hides the others nor is read again for each post.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from accounts.fixed_query import SAMPLE_TIME, FixedQuery

from .models import Delivery

#: Rows that are read at a time, shared among the lanes; each gets some.
MOST = 1000
LEAST_OF_LANE = 10
#: More lanes than one host has threads for.
MOST_LANES = 500
#: Rows are read so long before they are due, so that they leave on the instant.
AHEAD = timedelta(seconds=1.5)
#: Read again after so many seconds when threads are idle, and when all have work, or
#: when others share the lanes among themselves.
READ_IDLE_S = 0.2
READ_BUSY_S = 1.0
#: A lane of another pump's share is taken when its next row has been due, and next, for
#: so long: a long backlog is overdue as well, but moves.
OVERDUE = timedelta(seconds=3)
#: A lane in which somebody else is sending is left alone for a moment.
BAR_S = 0.25


def _time(text: str) -> datetime:
    """A time as SQLite has it."""
    return datetime.fromisoformat(f"{text}+00:00")


class Entry(NamedTuple):
    due: datetime
    pk: int
    account_id: int


def due_until(
    until: datetime, depth: int
) -> QuerySet[Any, tuple[int | None, datetime | None, int, int]]:
    """Unclaimed rows that are due until then, oldest first: (lane, due, pk, account).

    At most `depth` of each lane. Only the index of waiting rows is read, however many
    finished ones there are.
    """
    # Without their states, which the claim looks at: SQLite would rather read all that
    # is scheduled, for ever ahead, by the index of states.
    waiting = Delivery.objects.filter(next_attempt_at__lte=until, lease_expires_at=None)
    ranked = waiting.annotate(
        place=Window(
            RowNumber(),
            partition_by=F("account__credential_id"),
            order_by=[F("next_attempt_at"), F("pk")],
        ),
    )
    found = ranked.filter(place__lte=depth).order_by("next_attempt_at", "pk")
    return found.values_list(
        "account__credential_id", "next_attempt_at", "pk", "account_id"
    )


def ahead_soon(now: datetime) -> QuerySet[Any, int]:
    """Keys of unclaimed rows whose files may leave by now, the longest waiting first."""
    rows = Delivery.objects.filter(prepare_at__lte=now, lease_expires_at=None)
    return rows.order_by("prepare_at", "pk").values_list("pk", flat=True)


_due_until = FixedQuery(
    lambda until, depth: due_until(until, depth)[: MOST_LANES * LEAST_OF_LANE],
    SAMPLE_TIME,
    987_654_321,
)


class Agenda:
    """Lane 0 holds the rows without a credential; they do not wait for each other."""

    def __init__(self) -> None:
        self._lanes: dict[int, deque[Entry]] = {}
        #: when a lane had its last turn, so that each gets one
        self._served: dict[int, datetime] = {}
        self._barred: dict[int, float] = {}
        #: the next row of each lane, and since when it is known to be that
        self._heads: dict[int, tuple[int, datetime]] = {}
        self._read_at = 0.0

    @property
    def breadth(self) -> int:
        """How many lanes have something to send now or in a moment."""
        return len(self._lanes)

    def read_if_old(self, now: datetime, *, idle: bool) -> None:
        wait = READ_IDLE_S if idle else READ_BUSY_S
        if time.monotonic() - self._read_at >= wait:
            self.read(now)

    def read(self, now: datetime) -> None:
        self._read_at = time.monotonic()
        depth = max(LEAST_OF_LANE, MOST // max(1, len(self._lanes)))
        lanes: dict[int, deque[Entry]] = {}
        for lane, at, pk, account_id in _due_until.rows(now + AHEAD, depth):
            due = at if isinstance(at, datetime) else _time(at)
            lanes.setdefault(lane or 0, deque()).append(Entry(due, pk, account_id))
        self._lanes = lanes
        self._served = {k: v for k, v in self._served.items() if k in lanes}
        self._barred = {k: v for k, v in self._barred.items() if k in lanes}
        seen, self._heads = self._heads, {}
        for lane, entries in lanes.items():
            pk, since = seen.get(lane, (0, now))
            head = entries[0].pk
            self._heads[lane] = (head, since if pk == head else now)

    def pick(
        self,
        room: int,
        now: datetime,
        busy: Collection[int],
        is_mine: Callable[[int], bool],
    ) -> list[int]:
        """Primary keys of the next rows, one of each free lane, and out of the list.

        Whose lane waited longest comes first: since it was due or had its last turn.
        """
        ready: list[tuple[datetime, int, int]] = []
        for lane, entries in self._lanes.items():
            if lane == 0:
                ready += [(e.due, e.pk, 0) for e in entries if e.due <= now]
            elif entries and self._may_start(lane, entries[0], now, busy, is_mine):
                since = max(entries[0].due, self._served.get(lane, entries[0].due))
                ready.append((since, entries[0].pk, lane))
        ready.sort()
        for _, pk, lane in ready[:room]:
            if lane:
                self._serve(lane, now)
            else:
                rest = [entry for entry in self._lanes[0] if entry.pk != pk]
                self._lanes[0] = deque(rest)
        return [pk for _, pk, _ in ready[:room]]

    def _serve(self, lane: int, now: datetime) -> None:
        entries = self._lanes[lane]
        entries.popleft()
        self._served[lane] = now
        if entries:
            # Moved by us, which does not tell that its own pump comes for it.
            self._heads[lane] = (entries[0].pk, self._heads[lane][1])

    def bar(self, lane: int) -> None:
        """Somebody else is sending there.

        The row that was picked is out of the list, so the rest must wait for the next
        reading: it would overtake.
        """
        self._lanes.pop(lane, None)
        self._barred[lane] = time.monotonic() + BAR_S

    def expire(self) -> None:
        """Rows of the list are no longer as they were read: read before the next."""
        self._read_at = 0.0

    def accounts(self, is_mine: Callable[[int], bool]) -> Iterator[int]:
        """Whose posts come next in each lane that this pump serves."""
        for lane, entries in self._lanes.items():
            if entries and is_mine(lane):
                yield entries[0].account_id

    def next_at(
        self, now: datetime, busy: Collection[int], is_mine: Callable[[int], bool]
    ) -> datetime | None:
        """When the next row of the list may start; None: none of it."""
        times = [
            max(self._opens_at(lane, entries[0], is_mine), now)
            for lane, entries in self._lanes.items()
            if entries and lane not in busy and not self._is_barred(lane)
        ]
        return min(times, default=None)

    def _may_start(
        self,
        lane: int,
        head: Entry,
        now: datetime,
        busy: Collection[int],
        is_mine: Callable[[int], bool],
    ) -> bool:
        if lane in busy or self._is_barred(lane):
            return False
        return self._opens_at(lane, head, is_mine) <= now

    def _opens_at(
        self, lane: int, head: Entry, is_mine: Callable[[int], bool]
    ) -> datetime:
        """From when on this pump may take the lane's next row."""
        if is_mine(lane):
            return head.due
        _, since = self._heads[lane]
        return max(head.due, since) + OVERDUE

    def _is_barred(self, lane: int) -> bool:
        return self._barred.get(lane, 0.0) > time.monotonic()
