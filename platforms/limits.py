"""Arithmetic of the platforms' windows: what is free, when it opens, what was learnt.

No clock and no database here: every function is told the time. The count is careful
where something cannot be known, so that a platform never has to refuse us:

- A unit is taken before its call leaves and settled after the answer. Between the two
  nobody knows when the platform counts it: near the end of a window it may fall into
  this one or the next, and is counted in both.
- Clocks differ: a window counts as ended only `CLOCK_SLACK_S` after its end.
- Where a window opens with its first call (X), the platform alone knows when that was;
  we know bounds, until an answer tells the end.

A window of some seconds is a rate, and counted otherwise: no work makes all its calls in
one moment, and what was taken for a call that never left is forgotten with the window.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .base import Bucket, Observation, WindowKind

#: The longest time from taking units to the call that uses them: a claim's lease.
HELD_S = 120.0
#: How far our clock and a platform's may differ.
CLOCK_SLACK_S = 5.0
#: Units taken near the end of a window are noted in steps of so many seconds.
GRAIN_S = 10
#: A rolling window of at most so many seconds is a rate: an average over a moment.
RATE_S = 10
#: A rolling window is noted in so many parts, so that its log stays small.
PARTS = 240
PACIFIC = ZoneInfo("America/Los_Angeles")
DAY_S = 86_400.0

FIXED = frozenset(
    {
        WindowKind.FIXED_UTC_DAY,
        WindowKind.FIXED_PACIFIC_DAY,
        WindowKind.FIXED_FROM_EPOCH,
        WindowKind.MONTH,
    }
)


@dataclass(slots=True)
class Counts:
    """What is stored of one window. Times are seconds since 1970.

    used: units taken in the window that is open, reserved ones included.
    started_at: when it began; where the first call opens it, the earliest possible.
    opened_by: the latest possible, once an answer has proven it.
    resets_at: when it ends at the latest, as far as is known.
    log: a rolling window: [second, units] of all that counts, by the latest moment at
    which it can have left; else [second, units] taken near the end, when it may fall
    into the next window, and [second, units, 1] for what was carried from the last.
    """

    used: int = 0
    started_at: float | None = None
    opened_by: float | None = None
    resets_at: float | None = None
    log: list[list[int]] = field(default_factory=list)
    size_told: int | None = None
    size_set: int | None = None


def period(rule: Bucket, at: float) -> tuple[float, float]:
    """Begin and end of the fixed window that `at` lies in."""
    if rule.window == WindowKind.FIXED_UTC_DAY:
        start = at - at % DAY_S
        return start, start + DAY_S
    if rule.window == WindowKind.FIXED_FROM_EPOCH:
        start = at - at % rule.window_s
        return start, start + rule.window_s
    if rule.window == WindowKind.MONTH:
        first = datetime.fromtimestamp(at - rule.begins_s, UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        after = (first + timedelta(days=32)).replace(day=1)
        return first.timestamp() + rule.begins_s, after.timestamp() + rule.begins_s
    # A day of 23, 24 or 25 hours: both ends by the wall clock.
    day = datetime.fromtimestamp(at, PACIFIC).date()
    midnights = (
        datetime(d.year, d.month, d.day, tzinfo=PACIFIC).timestamp()
        for d in (day, day + timedelta(days=1))
    )
    start, end = midnights
    return start, end


class Window:
    """One partition's window: a platform's rule and our count of it.

    Call with times that do not run backwards by more than the slack. `changed` tells
    whether the count has to be stored.
    """

    __slots__ = ("changed", "counts", "held_s", "is_rate", "kind", "rule", "size")

    def __init__(self, rule: Bucket, counts: Counts | None = None) -> None:
        self.rule = rule
        self.kind = rule.window
        self.is_rate = self.kind == WindowKind.ROLLING_LOG and rule.window_s <= RATE_S
        #: until when a call that units were taken for may leave
        self.held_s = 0.0 if self.is_rate else HELD_S
        self.counts = counts or Counts()
        self.changed = False
        self.size = self._size()

    def _size(self) -> int | None:
        """Units per window: as an admin set, else as told, else as published."""
        counts = self.counts
        if counts.size_set is not None:
            return counts.size_set
        # Answers of one server say nothing of an address's count over all of them.
        if counts.size_told is not None and self.rule.partition != "ip":
            return counts.size_told
        return self.rule.size

    # -- asking

    def free(self, now: float) -> int | None:
        """Units that may be taken; None: no size is known, nothing is counted."""
        if self.size is None:
            return None
        self.roll(now)
        return max(0, self.size - self.counts.used)

    def at_once(self, units: int) -> int:
        """How many of the units of a work count together: of a rate, at most all that
        there are, since its calls leave one after another."""
        return min(units, self.size) if self.is_rate and self.size else units

    def ends_at(self) -> float | None:
        """When what is counted now is over for us; None while nothing is."""
        counts = self.counts
        if self.kind == WindowKind.ROLLING_LOG:
            if not counts.log:
                return None
            return counts.log[-1][0] + self.rule.window_s + CLOCK_SLACK_S
        if counts.started_at is None or counts.resets_at is None:
            return None
        return counts.resets_at + CLOCK_SLACK_S

    def lasts_until(self, now: float) -> float:
        """When the window that is open ends, or one that would begin now."""
        self.roll(now)
        if (end := self.ends_at()) is not None:
            return end
        if self.kind in FIXED:
            return period(self.rule, now)[1] + CLOCK_SLACK_S
        return now + self.rule.window_s + CLOCK_SLACK_S

    def counts_until(self, now: float) -> float:
        """Until when, at the latest, units count that are taken now."""
        self.roll(now)
        if self.kind == WindowKind.ROLLING_LOG:
            return now + self.held_s + self.rule.window_s + CLOCK_SLACK_S
        if self.counts.started_at is None:
            if self.kind not in FIXED:
                return now + HELD_S + self.rule.window_s + CLOCK_SLACK_S
            lower = period(self.rule, now - CLOCK_SLACK_S)[1]
            end = lower + CLOCK_SLACK_S
        else:
            lower, end = self._lower_end(), self.lasts_until(now)
        if now < lower - HELD_S - CLOCK_SLACK_S - GRAIN_S:
            return end
        # They straddle its end, and so may fill the next one as well.
        if self.kind in FIXED:
            return period(self.rule, end)[1] + CLOCK_SLACK_S
        return end + self.rule.window_s + HELD_S

    def opens_at(self, units: int, now: float) -> float | None:
        """When so many units will be free, if nobody takes any; None: never.

        `now` when they are.
        """
        if self.size is None:
            return now
        units = self.at_once(units)
        if units > self.size:
            return None
        self.roll(now)
        missing = self.counts.used + units - self.size
        if missing <= 0:
            return now
        if self.kind == WindowKind.ROLLING_LOG:
            for second, freed in self.counts.log:
                missing -= freed
                if missing <= 0:
                    # A second to come stands for a call that is under way.
                    at = min(float(second), now)
                    return at + self.rule.window_s + CLOCK_SLACK_S
            return now
        # Where the end is not known yet it will be soon: the earliest one is told, and
        # whoever comes then too early hears the right one.
        end = self._lower_end() + CLOCK_SLACK_S
        return end if end > now else self.ends_at()

    # -- time

    def roll(self, now: float) -> None:
        """Leave behind what no longer counts at `now`."""
        counts = self.counts
        if self.kind == WindowKind.ROLLING_LOG:
            gone = now - self.rule.window_s - CLOCK_SLACK_S
            if counts.log and counts.log[0][0] <= gone:
                cut = bisect.bisect_right(counts.log, gone, key=lambda entry: entry[0])
                counts.used -= sum(units for _, units in counts.log[:cut])
                counts.log = counts.log[cut:]
                self.changed = True
            return
        if counts.started_at is None:
            return
        assert counts.resets_at is not None
        if now >= counts.resets_at + CLOCK_SLACK_S:
            self._next(now)

    def _next(self, now: float) -> None:
        """The window has ended: what straddles its end is carried into the next."""
        counts = self.counts
        self.changed = True
        lower = self._lower_end()
        if self.kind in FIXED:
            start, end = period(self.rule, now - CLOCK_SLACK_S)
            carried = self._carry(start - CLOCK_SLACK_S)
            counts.started_at, counts.resets_at = start, end
            counts.opened_by, counts.used = None, carried
            return
        # What is open now has not been open for longer than a window lasts.
        lower = max(lower, now - self.rule.window_s - CLOCK_SLACK_S)
        carried = self._carry(lower - CLOCK_SLACK_S)
        counts.used, counts.opened_by = carried, None
        if not carried:
            counts.started_at = counts.resets_at = None
            return
        latest = counts.log[-1][0] + GRAIN_S + HELD_S
        counts.started_at = lower
        counts.resets_at = latest + self.rule.window_s

    def _carry(self, since: float) -> int:
        """Keep of the log what can have left after that, and tell how much it is."""
        counts = self.counts
        first = since - HELD_S - GRAIN_S
        counts.log = [[*entry[:2], 1] for entry in counts.log if entry[0] >= first]
        return sum(entry[1] for entry in counts.log)

    def _lower_end(self) -> float:
        """When the open window ends at the earliest."""
        counts = self.counts
        assert counts.started_at is not None
        if self.kind in FIXED:
            assert counts.resets_at is not None
            return counts.resets_at
        return counts.started_at + self.rule.window_s

    # -- taking and settling

    def take(self, units: int, now: float) -> None:
        """Count units of a call that will leave within `HELD_S`."""
        self.roll(now)
        counts = self.counts
        self.changed = True
        if self.kind == WindowKind.ROLLING_LOG:
            self._enter(self._part(now + self.held_s), self.at_once(units))
            return
        if self.kind in FIXED:
            if counts.started_at is None:
                bounds = period(self.rule, now - CLOCK_SLACK_S)
                counts.started_at, counts.resets_at = bounds
        else:
            if counts.started_at is None:
                counts.started_at = now
            if counts.opened_by is None:
                # Perhaps no call of those before ever left, and this one opens it.
                counts.resets_at = now + HELD_S + self.rule.window_s
        counts.used += units
        if now >= self._lower_end() - HELD_S - CLOCK_SLACK_S - GRAIN_S:
            self._note(now, units)

    def settle(self, reserved: int, taken: int, reserved_at: float, now: float) -> None:
        """Units taken at `reserved_at` are done with: `taken` were really used.

        reserved 0: nothing was taken before; the calls left since `reserved_at`.
        """
        self.roll(now)
        if self.kind == WindowKind.ROLLING_LOG:
            self._settle_rolling(reserved, taken, reserved_at, now)
            return
        counts = self.counts
        noted = self._noted(reserved_at, reserved)
        if noted is not None or self._is_of_this_window(reserved_at):
            self._settle_noted(noted, reserved, taken, now)
            if taken < reserved:
                counts.used = max(0, counts.used - (reserved - taken))
                self.changed = True
        else:
            # Under way for longer than a call should be: it may have left just now.
            reserved = 0
        if taken > reserved:
            self._add(taken - reserved, reserved_at, now)
        if self.kind == WindowKind.FROM_FIRST_CALL:
            self._settle_opening(taken, reserved_at, now)

    def needs_settling(
        self, reserved: int, taken: int, reserved_at: float, now: float
    ) -> bool:
        """False when settling would change nothing."""
        if self.kind == WindowKind.ROLLING_LOG or reserved != taken:
            return True
        if not self._is_of_this_window(reserved_at):
            return True
        if self.kind == WindowKind.FROM_FIRST_CALL and self.counts.opened_by is None:
            return True
        if now >= self._lower_end() - CLOCK_SLACK_S:
            return True
        return self._noted(reserved_at, reserved) is not None

    def _settle_noted(
        self, noted: int | None, reserved: int, taken: int, now: float
    ) -> None:
        if noted is None:
            return
        if now < self._lower_end() - CLOCK_SLACK_S:
            self._unnote(noted, reserved)  # certainly of this window
        else:
            self._unnote(noted, max(0, reserved - taken))

    def _settle_opening(self, taken: int, reserved_at: float, now: float) -> None:
        """An answer proves that the window is open; nothing used: that it is not."""
        counts = self.counts
        if counts.started_at is None or counts.opened_by is not None:
            return
        if counts.used == 0:
            counts.started_at = counts.resets_at = None
            counts.log = []
            self.changed = True
        elif taken and self._is_fresh(reserved_at):
            counts.opened_by = now
            counts.resets_at = now + self.rule.window_s
            self.changed = True

    def _add(self, units: int, since: float, now: float) -> None:
        """Count units of calls that have left between `since` and now."""
        counts = self.counts
        if counts.started_at is None:
            if self.kind in FIXED:
                bounds = period(self.rule, now - CLOCK_SLACK_S)
                counts.started_at, counts.resets_at = bounds
            else:
                counts.started_at = since
                counts.resets_at = now + self.rule.window_s
        counts.used += units
        self.changed = True
        if now >= self._lower_end() - CLOCK_SLACK_S:
            self._note(now, units)

    def _settle_rolling(
        self, reserved: int, taken: int, reserved_at: float, now: float
    ) -> None:
        reserved, taken = self.at_once(reserved), self.at_once(taken)
        was, at = self._part(reserved_at + self.held_s), self._part(now)
        if was == at and reserved == taken:
            return
        index = bisect.bisect_left(self.counts.log, was, key=lambda entry: entry[0])
        if index < len(self.counts.log) and self.counts.log[index][0] == was:
            found = min(reserved, self.counts.log[index][1])
            self._unnote(index, found)
            self.counts.used -= found
        if taken:
            self._enter(at, taken)
        self.changed = True

    def _is_of_this_window(self, reserved_at: float) -> bool:
        # Those of the window before that can matter stand in the log.
        started = self.counts.started_at
        return started is not None and (reserved_at >= started - HELD_S - CLOCK_SLACK_S)

    def _is_fresh(self, reserved_at: float) -> bool:
        """Taken in this window, and not carried into it."""
        counts = self.counts
        assert counts.started_at is not None
        return reserved_at >= counts.started_at and not any(
            len(entry) == 3 and entry[0] + GRAIN_S > reserved_at for entry in counts.log
        )

    def _note(self, now: float, units: int) -> None:
        at = int(now - now % GRAIN_S)
        log = self.counts.log
        if log and log[-1][0] >= at and len(log[-1]) == 2:
            log[-1][1] += units
        else:
            log.append([at, units])

    def _noted(self, at: float, units: int) -> int | None:
        """Where in the log units taken at that time stand."""
        if not units or not self.counts.log:
            return None
        grain = int(at - at % GRAIN_S)
        for index, entry in enumerate(self.counts.log):
            if entry[0] == grain and entry[1] >= units:
                return index
        return None

    def _unnote(self, index: int, units: int) -> None:
        if not units:
            return
        log = self.counts.log
        log[index][1] -= units
        if log[index][1] <= 0:
            del log[index]
        self.changed = True

    def _part(self, at: float) -> int:
        """The end of the part of a rolling window that `at` lies in."""
        grain = max(1, self.rule.window_s // PARTS)
        return int(-(-at // grain) * grain)

    def _enter(self, second: int, units: int) -> None:
        log = self.counts.log
        index = bisect.bisect_left(log, second, key=lambda entry: entry[0])
        if index < len(log) and log[index][0] == second:
            log[index][1] += units
        else:
            log.insert(index, [second, units])
        self.counts.used += units

    # -- learning

    def correct(self, seen: Observation, now: float) -> None:
        """What an answer told. Within a window it only tightens; a size is for good.

        An answer that is about a window of the past is left aside.
        """
        counts = self.counts
        resets = seen.resets_at.timestamp() if seen.resets_at else None
        self.roll(now)
        if self.kind != WindowKind.ROLLING_LOG and resets is not None:
            if not self._is_now(resets, now):
                return
        if self._is_another_size(seen):
            counts.size_told = seen.limit
            self.size = self._size()
            self.changed = True
        if self.size is None:
            return
        if self.kind == WindowKind.ROLLING_LOG:
            self._correct_rolling(seen, now)
            return
        if resets is not None:
            self._set_end(resets, now)
        if seen.remaining is None:
            return
        missing = self.size - seen.remaining - counts.used
        if missing > 0:
            self._open(now)
            counts.used += missing
            self.changed = True

    def learns_from(self, seen: Observation, now: float) -> bool:
        """False when the answer tells nothing that this count does not know."""
        counts, size = self.counts, self.size
        if self.kind == WindowKind.ROLLING_LOG or size is None:
            return True
        if counts.started_at is None or now >= self._lower_end() - CLOCK_SLACK_S:
            return True
        if self._is_another_size(seen):
            return True
        if seen.remaining is None or seen.remaining < size - counts.used:
            return True
        if seen.resets_at is None:
            return False
        if counts.resets_at is None:
            return True
        if self.kind == WindowKind.FROM_FIRST_CALL:
            if counts.opened_by != counts.started_at:
                return True  # the end is not exact yet
        return seen.resets_at.timestamp() > counts.resets_at + 1

    def _is_another_size(self, seen: Observation) -> bool:
        if seen.limit is None or self.rule.partition == "ip":
            return False
        told = self.counts.size_told
        return seen.limit != (self.rule.size if told is None else told)

    def _is_now(self, resets: float, now: float) -> bool:
        """Is an end that was told the end of the window that is open (or the next)?"""
        if resets + CLOCK_SLACK_S <= now:
            return False
        started = self.counts.started_at
        return started is None or resets > started + self.rule.window_s / 2

    def _open(self, now: float) -> None:
        """Begin a window in which others than us have taken units."""
        counts = self.counts
        if counts.started_at is not None:
            return
        if self.kind in FIXED:
            bounds = period(self.rule, now - CLOCK_SLACK_S)
            counts.started_at, counts.resets_at = bounds
        else:
            counts.started_at, counts.opened_by = now - self.rule.window_s, now
            counts.resets_at = now + self.rule.window_s

    def _set_end(self, resets: float, now: float) -> None:
        counts = self.counts
        half = self.rule.window_s / 2
        if counts.resets_at is not None and resets > counts.resets_at + half:
            self._next(max(now, counts.resets_at + CLOCK_SLACK_S))
        if self.kind in FIXED:
            self._open(now)
            assert counts.resets_at is not None
            if resets > counts.resets_at + 1:
                counts.resets_at = resets
                self.changed = True
            return
        exact = counts.opened_by is not None and counts.opened_by == counts.started_at
        if exact and counts.resets_at is not None and resets <= counts.resets_at:
            return
        counts.resets_at = resets
        counts.started_at = counts.opened_by = resets - self.rule.window_s
        self.changed = True

    def _correct_rolling(self, seen: Observation, now: float) -> None:
        if seen.remaining is None or self.size is None:
            return
        at = min(seen.at.timestamp(), now)
        gone = at - self.rule.window_s
        counted = sum(units for second, units in self.counts.log if second > gone)
        missing = self.size - seen.remaining - counted
        if missing <= 0:
            return
        leaves = seen.resets_at.timestamp() if seen.resets_at else None
        counts_at = leaves - self.rule.window_s if leaves else at
        if counts_at > now - self.rule.window_s:
            self._enter(self._part(counts_at), missing)
            self.changed = True

    def set_size(self, size: int | None) -> None:
        """An admin's size; None: back to what was told or published."""
        self.counts.size_set = size
        self.size = self._size()
        self.changed = True


def header_number(value: str | None) -> int | None:
    """A header's number of units or seconds; None for anything else."""
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 13 else None


def header_time(value: str | None) -> datetime | None:
    """A header's time in seconds since 1970."""
    seconds = header_number(value)
    if seconds is None or seconds > 10**11:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def meant_bucket(
    rules: Iterable[Bucket],
    limit: int | None,
    left_s: float | None,
    window_s: int | None = None,
) -> Bucket | None:
    """Which of the buckets that a call draws on an answer's headers are about.

    Platforms tell the tightest one and do not name it. rules: in the order in which
    they are likely. left_s: seconds until the end that was told. window_s: the length
    of its window, where it is told; else the size tells, and where that is one that we
    have not heard of, the first whose window is long enough.
    """
    fitting = [
        rule
        for rule in rules
        if (window_s is None or rule.window_s == window_s)
        and (left_s is None or left_s <= rule.window_s + CLOCK_SLACK_S)
    ]
    for rule in fitting:
        if rule.size == limit:
            return rule
    if window_s is not None and len(fitting) > 1:
        return None
    return fitting[0] if fitting else None


def tightest(windows: Iterable[tuple[Window, int]], now: float) -> Window | None:
    """Of windows and units wanted, the one that opens last; None: all admit them."""
    worst: Window | None = None
    worst_at = 0.0
    for window, units in windows:
        free = window.free(now)
        if free is None or free >= window.at_once(units):
            continue
        at = window.opens_at(units, now)
        if worst is None or at is None or at > worst_at:
            worst, worst_at = window, float("inf") if at is None else at
    return worst
