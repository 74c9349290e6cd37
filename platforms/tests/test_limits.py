"""Windows against platforms that count by themselves, with their own clock."""

from __future__ import annotations

import copy
import heapq
import random
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from platforms.base import Bucket, Observation, WindowKind
from platforms.limits import (
    CLOCK_SLACK_S,
    HELD_S,
    PARTS,
    Counts,
    Window,
    header_number,
    header_time,
    meant_bucket,
    period,
    tightest,
)

SEEDS = 25
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()
DAY = 86_400


def rule(
    kind: WindowKind,
    size: int | None = 10,
    window_s: int = 900,
    partition: str = "account",
) -> Bucket:
    return Bucket("posts", partition, size, kind, window_s)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def told(window_end: float | None, limit: int, remaining: int, when: float):
    ends = datetime.fromtimestamp(window_end, UTC) if window_end is not None else None
    return Observation(
        "posts", limit, remaining, ends, datetime.fromtimestamp(when, UTC)
    )


class Pretended:
    """A platform that counts exactly as its rule says, by a clock of its own."""

    def __init__(self, rule: Bucket, size: int) -> None:
        self.rule, self.size = rule, size
        self.counts: dict[float, int] = {}
        self.until, self.used = 0.0, 0
        self.log: deque[tuple[float, int]] = deque()
        self.refused = 0

    def call(self, units: int, now: float) -> tuple[int, float]:
        """(remaining, end of the window) after the call; counts what it refused."""
        kind = self.rule.window
        if kind == WindowKind.ROLLING_LOG:
            while self.log and self.log[0][0] + self.rule.window_s <= now:
                self.used -= self.log.popleft()[1]
            if self.used + units > self.size:
                self.refused += 1
            else:
                self.log.append((now, units))
                self.used += units
            return self.size - self.used, now + self.rule.window_s
        if kind == WindowKind.FROM_FIRST_CALL:
            if now >= self.until:
                self.until, self.used = now + self.rule.window_s, 0
            if self.used + units > self.size:
                self.refused += 1
            else:
                self.used += units
            return self.size - self.used, self.until
        start, end = period(self.rule, now)
        used = self.counts.get(start, 0)
        if used + units > self.size:
            self.refused += 1
        else:
            self.counts[start] = used + units
        return self.size - self.counts.get(start, 0), end


RULES = [
    rule(WindowKind.FROM_FIRST_CALL),
    rule(WindowKind.FROM_FIRST_CALL, 25, 3 * 3600),
    rule(WindowKind.FIXED_FROM_EPOCH, 30, 300),
    rule(WindowKind.FIXED_FROM_EPOCH, 8, 1800),
    rule(WindowKind.ROLLING_LOG, 6, 60),
    rule(WindowKind.ROLLING_LOG, 20, 3600),
    rule(WindowKind.FIXED_UTC_DAY, 40, DAY),
    rule(WindowKind.FIXED_PACIFIC_DAY, 40, DAY),
    rule(WindowKind.MONTH, 40, 31 * DAY),
]
STARTS = {
    WindowKind.FIXED_UTC_DAY: ("2026-11-20T22:00+00:00", 4 * 3600),
    WindowKind.FIXED_PACIFIC_DAY: ("2026-11-01T06:00+00:00", 30 * 3600),
    WindowKind.MONTH: ("2026-11-30T22:00+00:00", 4 * 3600),
}


class Traffic:
    """Units reserved, used and told by chance: bursts, idle times, late answers."""

    def __init__(self, bucket: Bucket, seed: int, headers: bool) -> None:
        self.chance = random.Random(f"{seed} {bucket}")
        self.bucket, self.headers = bucket, headers
        begin, length = STARTS.get(bucket.window, ("2026-11-20T12:00+00:00", 0))
        self.now = at(begin)
        self.until = self.now + (length or bucket.window_s * 8)
        #: how far the platform's clock is ahead of ours
        self.skew = self.chance.uniform(-4.5, 4.5)
        self.platform = Pretended(bucket, bucket.size)
        self.window = Window(bucket)
        self.events: list[tuple[float, int, str, tuple]] = []
        self.admitted = self.denied = self.number = 0
        self.pace = 1.0
        self.regime_ends = self.now

    def run(self) -> None:
        while self.now < self.until:
            self.wait()
            self.catch_up()
            self.ask()

    def wait(self) -> None:
        if self.now >= self.regime_ends:
            self.pace = self.chance.choice([0.2, 2, 20, self.bucket.window_s / 3])
            length = self.chance.uniform(0.05, 1.2) * self.bucket.window_s
            self.regime_ends = self.now + min(length, self.pace * 400)
        self.now += self.chance.expovariate(1 / self.pace)

    def catch_up(self) -> None:
        while self.events and self.events[0][0] <= self.now:
            when, _, what, facts = heapq.heappop(self.events)
            getattr(self, what)(when, *facts)

    def later(self, when: float, what: str, *facts) -> None:
        self.number += 1
        heapq.heappush(self.events, (when, self.number, what, facts))

    def ask(self) -> None:
        units = self.chance.choice([1, 1, 1, 2, 3])
        free = self.window.free(self.now)
        assert free is not None
        if free < units:
            self.denied += 1
            opens = self.window.opens_at(units, self.now)
            assert opens is not None
            assert opens > self.now
            return
        self.window.take(units, self.now)
        self.admitted += 1
        if self.chance.random() < 0.03:
            return  # the worker died before its call, and nobody settles
        used = self.chance.choice([units, units, units, units, units - 1, 0])
        wait = self.chance.choice([0.01, 0.01, 0.5, 5, HELD_S])
        leaves = self.now + self.chance.uniform(0, wait * 0.99)
        self.later(leaves, "call", units, used, self.now)

    def call(self, when: float, reserved: int, used: int, since: float) -> None:
        seen = None
        if used:
            remaining, ends = self.platform.call(used, when + self.skew)
            seen = told(ends, self.bucket.size, remaining, when)
        # Not longer than the reservation may live.
        slow = self.chance.uniform(0, self.chance.choice([0.05, 0.3, 2, 20]))
        self.later(when + slow, "answer", reserved, used, since, seen)

    def answer(self, when: float, reserved: int, used: int, since: float, seen) -> None:
        window = self.window
        window.roll(when)
        before = copy.deepcopy(window.counts)
        quiet = not window.needs_settling(reserved, used, since, when)
        window.settle(reserved, used, since, when)
        assert not quiet or window.counts == before
        if self.headers and seen and self.bucket.window != WindowKind.ROLLING_LOG:
            before = copy.deepcopy(window.counts)
            quiet = not window.learns_from(seen, when)
            window.correct(seen, when)
            assert not quiet or window.counts == before


@pytest.mark.parametrize("headers", [True, False], ids=["headers", "silent"])
@pytest.mark.parametrize("bucket", RULES, ids=lambda b: f"{b.window}-{b.window_s}")
def test_no_platform_ever_refuses_what_its_window_admitted(bucket, headers):
    """Calls leave late or never, answers come out of order, the clocks differ."""
    denied = 0
    for seed in range(SEEDS):
        traffic = Traffic(bucket, seed, headers)
        traffic.run()
        assert traffic.platform.refused == 0, f"seed {seed}"
        assert traffic.admitted
        denied += traffic.denied
    assert denied


# ---------------------------------------------------------------- fixed windows


@pytest.mark.parametrize(
    ("when", "begins", "hours"),
    [
        ("2026-03-08T09:59+00:00", "2026-03-08T08:00+00:00", 23),  # clocks go forward
        ("2026-03-09T06:59+00:00", "2026-03-08T08:00+00:00", 23),
        ("2026-03-09T07:00+00:00", "2026-03-09T07:00+00:00", 24),
        ("2026-11-01T07:00+00:00", "2026-11-01T07:00+00:00", 25),  # and back
        ("2026-11-02T07:59+00:00", "2026-11-01T07:00+00:00", 25),
        ("2026-11-02T08:00+00:00", "2026-11-02T08:00+00:00", 24),
    ],
)
def test_a_pacific_day_is_as_long_as_the_wall_clock_says(when, begins, hours):
    start, end = period(rule(WindowKind.FIXED_PACIFIC_DAY), at(when))
    assert (start, end - start) == (at(begins), hours * 3600)


@pytest.mark.parametrize("time", ["00:00:00", "23:59:59"])
def test_a_utc_day_ends_at_midnight(time):
    days = (at("2026-11-20T00:00+00:00"), at("2026-11-21T00:00+00:00"))
    assert (
        period(rule(WindowKind.FIXED_UTC_DAY), at(f"2026-11-20T{time}+00:00")) == days
    )


@pytest.mark.parametrize(
    ("when", "begins", "ends"),
    [
        ("2026-12-31T23:59:59+00:00", "2026-12-01", "2027-01-01"),
        ("2028-02-29T12:00:00+00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_month_is_the_calendars(when, begins, ends):
    bounds = tuple(at(f"{day}T00:00+00:00") for day in (begins, ends))
    assert period(rule(WindowKind.MONTH), at(when)) == bounds


def test_a_month_may_begin_some_minutes_after_midnight():
    late = replace(rule(WindowKind.MONTH), begins_s=7 * 60)
    bounds = (at("2026-10-01T00:07+00:00"), at("2026-11-01T00:07+00:00"))
    assert period(late, at("2026-11-01T00:06:59+00:00")) == bounds
    assert period(late, at("2026-11-01T00:07+00:00"))[0] == bounds[1]


def test_windows_aligned_to_the_epoch_end_at_its_multiples():
    assert period(rule(WindowKind.FIXED_FROM_EPOCH, 1, 300), NOON + 1) == (
        NOON,
        NOON + 300,
    )


def test_a_burst_right_before_midnight_leaves_the_next_day_whole():
    window = Window(rule(WindowKind.FIXED_UTC_DAY, 10, DAY))
    late = at("2026-11-20T23:45+00:00")
    for _ in range(10):
        window.take(1, late)
        window.settle(1, 1, late, late + 1)
    midnight = at("2026-11-21T00:00+00:00")
    assert window.opens_at(1, late) == midnight + CLOCK_SLACK_S
    assert window.free(midnight + CLOCK_SLACK_S) == 10


def test_what_may_leave_on_either_side_of_midnight_counts_on_both():
    window = Window(rule(WindowKind.FIXED_UTC_DAY, 10, DAY))
    midnight = at("2026-11-21T00:00+00:00")
    window.take(2, midnight - 60)
    window.take(3, midnight - 30)
    window.settle(2, 2, midnight - 60, midnight - 20)  # certainly before
    assert window.free(midnight - 10) == 5
    assert window.free(midnight + 10) == 7
    window.settle(3, 0, midnight - 30, midnight + 20)  # and it never left
    assert window.free(midnight + 30) == 10


def test_a_call_that_left_far_too_late_counts_when_its_answer_is_there():
    window = Window(rule(WindowKind.FIXED_UTC_DAY, 10, DAY))
    midnight = at("2026-11-21T00:00+00:00")
    window.take(2, midnight - 600)
    assert window.needs_settling(2, 2, midnight - 600, midnight + 60)
    window.take(1, midnight + 30)
    window.settle(2, 2, midnight - 600, midnight + 60)
    assert window.free(midnight + 61) == 7


# ---------------------------------------------------------------- the first call opens


def first_call() -> Window:
    return Window(rule(WindowKind.FROM_FIRST_CALL, 10))


def test_the_end_is_not_known_before_an_answer_and_then_exactly():
    window = first_call()
    window.take(1, NOON)
    assert window.ends_at() == NOON + HELD_S + 900 + CLOCK_SLACK_S
    window.settle(1, 1, NOON, NOON + 2)
    assert window.ends_at() == NOON + 2 + 900 + CLOCK_SLACK_S
    window.correct(told(NOON + 901, 10, 9, NOON + 2), NOON + 2)
    assert window.ends_at() == NOON + 901 + CLOCK_SLACK_S


def test_a_slow_first_call_opens_the_window_late():
    window = first_call()
    window.take(1, NOON)
    window.settle(1, 1, NOON, NOON + 101)  # it left at 100
    assert window.free(NOON + 950) == 9


def test_a_call_after_one_that_never_left_may_open_the_window():
    window = first_call()
    window.take(1, NOON)  # its worker died
    window.take(1, NOON + 600)
    assert window.free(NOON + HELD_S + 900 + CLOCK_SLACK_S + 1) == 8


def test_nothing_used_opens_nothing():
    window = first_call()
    window.take(2, NOON)
    window.settle(2, 0, NOON, NOON + 5)
    assert window.ends_at() is None
    window.take(1, NOON + 300)
    window.settle(1, 1, NOON + 300, NOON + 301)
    assert window.ends_at() == NOON + 301 + 900 + CLOCK_SLACK_S


def test_a_late_answer_of_the_window_before_does_not_tell_when_this_one_opened():
    window = first_call()
    window.take(1, NOON)
    window.settle(1, 1, NOON, NOON + 1)
    window.take(1, NOON + 895)  # leaves at 899, so it belongs to the old window
    window.settle(1, 1, NOON + 895, NOON + 960)
    window.take(1, NOON + 1000)  # and this call opens the next, until 1900
    window.settle(1, 1, NOON + 1000, NOON + 1001)
    assert window.free(NOON + 1880) == 8


@pytest.mark.parametrize("gap", [899, 900, 901, 905, 1000])
def test_calls_of_windows_long_gone_do_not_add_up(gap):
    window = first_call()
    for step in range(200):
        when = NOON + step * gap
        assert window.free(when) >= 7
        window.take(1, when)
        window.settle(1, 1, when, when + 0.3)


# ---------------------------------------------------------------- a rolling window


def test_a_rolling_window_frees_unit_by_unit():
    window = Window(rule(WindowKind.ROLLING_LOG, 3, 3600))
    for minute in (0, 10, 20):
        when = NOON + minute * 60
        window.take(1, when)
        window.settle(1, 1, when, when)
    full = NOON + 1300
    assert window.free(full) == 0
    assert window.opens_at(1, full) == NOON + 3600 + CLOCK_SLACK_S
    assert window.opens_at(3, full) == NOON + 1200 + 3600 + CLOCK_SLACK_S
    assert window.free(NOON + 600 + 3600 + CLOCK_SLACK_S) == 2


def test_a_rate_forgets_units_whose_call_never_left():
    """Workers that were killed must not fill a window of a second for minutes."""
    window = Window(rule(WindowKind.ROLLING_LOG, 10, 1))
    window.take(10, NOON)
    assert window.free(NOON + 1) == 0
    assert window.opens_at(1, NOON) == NOON + 1 + CLOCK_SLACK_S
    assert window.free(NOON + 1 + CLOCK_SLACK_S) == 10
    # One that did leave so late counts from its answer on.
    window.settle(10, 3, NOON, NOON + 60)
    assert window.free(NOON + 60) == 7


def test_work_of_more_calls_than_a_rate_has_goes_when_all_of_it_is_free():
    """Its calls leave one after another: 38 parts of a film at 10 a second."""
    window = Window(rule(WindowKind.ROLLING_LOG, 10, 1))
    assert tightest([(window, 38)], NOON) is None
    window.take(38, NOON)
    assert window.free(NOON) == 0
    assert tightest([(window, 1)], NOON) is window
    assert window.opens_at(38, NOON) == NOON + 1 + CLOCK_SLACK_S
    window.settle(38, 38, NOON, NOON + 90)
    assert window.free(NOON + 90 + 1 + CLOCK_SLACK_S) == 10
    # Of a window that is no rate nobody can take more than it has.
    assert Window(rule(WindowKind.ROLLING_LOG, 10, 60)).opens_at(38, NOON) is None


def test_the_log_of_a_rolling_window_stays_small():
    window = Window(rule(WindowKind.ROLLING_LOG, 10**9, DAY))
    for step in range(20_000):
        when = NOON + step * 9.0
        window.take(1, when)
        window.settle(1, 1, when, when + 1)
    assert len(window.counts.log) <= PARTS + 2
    assert window.counts.used == sum(units for _, units in window.counts.log)


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize("kind", [k for k in WindowKind if k != WindowKind.ROLLING_LOG])
def test_an_answer_only_tightens_a_window_in_whatever_order_they_come(kind):
    answers = [(9, 1), (5, 2), (7, 3), (5, 4), (6, 5)]
    for seed in range(20):
        window = Window(rule(kind, 10))
        window.take(1, NOON)
        window.settle(1, 1, NOON, NOON + 1)
        mixed = random.Random(seed).sample(answers, len(answers))
        for left, second in mixed:
            window.correct(told(None, 10, left, NOON + second), NOON + 6)
        assert window.free(NOON + 7) == 5


def test_an_answer_about_a_window_that_is_over_tells_nothing():
    window = first_call()
    window.take(1, NOON)
    window.settle(1, 1, NOON, NOON + 1)
    window.correct(told(NOON - 100, 10, 0, NOON - 200), NOON + 2)
    assert window.free(NOON + 3) == 9


def test_an_answer_about_the_next_window_ends_this_one():
    window = first_call()
    window.take(10, NOON)
    window.settle(10, 10, NOON, NOON + 1)
    window.correct(told(NOON + 900, 10, 0, NOON + 1), NOON + 1)
    # Its clock is a little ahead: the next window has begun over there.
    window.correct(told(NOON + 1798, 10, 8, NOON + 899), NOON + 899)
    assert window.free(NOON + 900) == 8


def test_use_by_others_is_counted_even_if_we_have_taken_nothing():
    window = first_call()
    window.correct(told(NOON + 300, 10, 2, NOON), NOON)
    assert window.free(NOON + 1) == 2
    assert window.free(NOON + 300 + CLOCK_SLACK_S) == 10
    rolling = Window(rule(WindowKind.ROLLING_LOG, 10, 3600))
    rolling.correct(told(None, 10, 2, NOON), NOON)
    assert rolling.free(NOON + 1) == 2
    assert rolling.free(NOON + 3700) == 10


def test_a_size_is_learnt_in_both_directions_and_an_admins_goes_first():
    window = first_call()
    window.correct(told(None, 20, 20, NOON), NOON)
    assert window.free(NOON) == 20
    window.correct(told(None, 4, 4, NOON + 1), NOON + 1)
    assert window.free(NOON + 1) == 4
    window.set_size(7)
    assert window.free(NOON + 1) == 7
    window.set_size(None)
    assert window.free(NOON + 1) == 4


def test_one_server_does_not_tell_the_size_of_an_address_over_all_servers():
    window = Window(rule(WindowKind.FROM_FIRST_CALL, 10, partition="ip"))
    window.correct(told(None, 1000, 999, NOON), NOON)
    assert window.size == 10


def test_without_a_size_nothing_is_counted():
    window = Window(rule(WindowKind.MONTH, None))
    assert window.free(NOON) is None
    assert window.opens_at(1000, NOON) == NOON


def test_of_several_windows_the_one_that_opens_last_is_the_reason():
    soon, later = first_call(), Window(rule(WindowKind.FIXED_UTC_DAY, 10, DAY))
    open_one = Window(rule(WindowKind.MONTH, 10))
    for window in (soon, later):
        window.take(10, NOON)
    wanted = [(soon, 1), (later, 1), (open_one, 1)]
    assert tightest(wanted, NOON + 1) is later
    assert tightest([(open_one, 10)], NOON + 1) is None
    assert tightest([(later, 1), (open_one, 11)], NOON + 1) is open_one


@pytest.mark.parametrize("kind", list(WindowKind))
def test_a_count_is_the_same_after_it_was_stored(kind):
    window = Window(rule(kind, 10))
    window.take(3, NOON)
    window.settle(3, 2, NOON, NOON + 1)
    again = Window(rule(kind, 10), Counts(**vars_of(window.counts)))
    for when in (NOON + 2, NOON + 4000, NOON + 2 * DAY):
        assert again.free(when) == window.free(when)


def vars_of(counts: Counts) -> dict:
    return {name: getattr(counts, name) for name in counts.__slots__}


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("text", "number"),
    [("42", 42), (" 0 ", 0), (None, None), ("", None), ("-1", None), ("1.5", None)],
)
def test_a_header_that_is_no_number_tells_nothing(text, number):
    assert header_number(text) == number


def test_a_time_far_away_tells_nothing():
    assert header_time("1770110400") == datetime(2026, 2, 3, 9, 20, tzinfo=UTC)
    assert header_time("9" * 12) is None


@pytest.mark.parametrize(
    ("limit", "left_s", "window_s", "key"),
    [
        (300, None, None, "short"),
        (1500, 200, None, "wide"),
        (600, 200, None, "short"),  # not a size of ours: the likeliest
        (600, 3000, None, "long"),  # and so far away only this one can end
        (9, None, 3600, "long"),
        (9, None, 300, None),  # two windows of that length, neither of that size
        (300, 4000, 300, None),
    ],
)
def test_which_bucket_a_header_means(limit, left_s, window_s, key):
    rules = [
        Bucket("short", "token", 300, WindowKind.FIXED_FROM_EPOCH, 300),
        Bucket("wide", "account", 1500, WindowKind.FIXED_FROM_EPOCH, 300),
        Bucket("long", "account", 30, WindowKind.FIXED_FROM_EPOCH, 3600),
    ]
    found = meant_bucket(rules, limit, left_s, window_s)
    assert (found.key if found else None) == key


# ---------------------------------------------------------------- until when


@pytest.mark.parametrize(
    ("kind", "window_s", "now", "until"),
    [
        (WindowKind.FIXED_UTC_DAY, DAY, "2026-11-20T12:00", "2026-11-21T00:00"),
        (WindowKind.FIXED_UTC_DAY, DAY, "2026-11-20T23:59:30", "2026-11-22T00:00"),
        # Right after midnight our clock may be ahead: yesterday may not be over.
        (WindowKind.FIXED_UTC_DAY, DAY, "2026-11-21T00:00:02", "2026-11-22T00:00"),
        (WindowKind.FIXED_PACIFIC_DAY, DAY, "2026-11-01T20:00", "2026-11-02T08:00"),
        (WindowKind.FIXED_FROM_EPOCH, 900, "2026-11-20T12:01", "2026-11-20T12:15"),
        (WindowKind.FIXED_FROM_EPOCH, 900, "2026-11-20T12:14", "2026-11-20T12:30"),
        (WindowKind.FROM_FIRST_CALL, 900, "2026-11-20T12:00", "2026-11-20T12:17"),
        (WindowKind.ROLLING_LOG, 3600, "2026-11-20T12:00", "2026-11-20T13:02"),
        (WindowKind.MONTH, 31 * DAY, "2026-10-31T23:59:59", "2026-12-01T00:00"),
    ],
)
def test_it_tells_until_when_a_unit_taken_now_may_count(kind, window_s, now, until):
    window = Window(rule(kind, window_s=window_s))
    expected = at(f"{until}+00:00") + CLOCK_SLACK_S
    assert window.counts_until(at(f"{now}+00:00")) == expected


def test_an_open_window_counts_to_its_own_end_until_that_is_near():
    window = Window(rule(WindowKind.FROM_FIRST_CALL))
    window.take(1, NOON)
    window.settle(1, 1, NOON, NOON + 1)
    assert window.counts_until(NOON + 60) == window.ends_at()
    assert window.counts_until(NOON + 890) == window.ends_at() + 900 + HELD_S
