"""The backlog valve keeps its rules for any backlog."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from publishing import valve
from publishing.models import Delivery

START = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Row:
    pk: int
    account_id: int
    due_at: datetime


def backlog(rng: random.Random, count: int = 60) -> list[Row]:
    ago = [timedelta(seconds=rng.randrange(-1800, 6 * 3600)) for _ in range(count)]
    rows = [Row(pk, rng.randrange(1, 6), START - ago[pk]) for pk in range(count)]
    rng.shuffle(rows)
    return rows


def times_taken(rng: random.Random) -> dict[int, list[datetime]]:
    return {
        account: [START + timedelta(seconds=rng.randrange(-3600, 7200))]
        for account in rng.sample(range(1, 9), 5)
    }


def most_in_an_hour(times: list[datetime], new: set[datetime]) -> int:
    """The fullest hour that holds a new time. Hours are half-open."""
    return max(
        sum(first <= at < first + HOUR for at in times)
        for first in times
        if any(first <= at < first + HOUR for at in new)
    )


@pytest.mark.parametrize("seed", range(40))
def test_any_backlog_keeps_gap_caps_and_order(seed):
    rng = random.Random(seed)
    rows, taken = backlog(rng), times_taken(rng)
    gap = timedelta(seconds=rng.choice([0, 1, 20, 300]))
    per_hour = rng.choice([None, 1, 7, 30])
    per_account = rng.choice([None, 1, 3, 12])

    at = valve.spread(
        rows,
        start=START,
        gap=gap,
        per_hour=per_hour,
        per_account_hour=per_account,
        taken=taken,
    )

    assert set(at) == {row.pk for row in rows}
    assert all(at[row.pk] >= max(START, row.due_at) for row in rows)
    mine: dict[int, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.due_at, row.pk)):
        mine[row.account_id].append(row)
    for account, posts in mine.items():
        own = [at[row.pk] for row in posts]
        assert own == sorted(own), "order of due times"
        new, every = set(own), sorted([*own, *taken.get(account, [])])
        assert all(
            after - before >= gap
            for before, after in pairwise(every)
            if before in new or after in new
        )
        if per_account:
            assert most_in_an_hour(every, new) <= per_account
    everything = [*at.values(), *(one for times in taken.values() for one in times)]
    if per_hour:
        assert most_in_an_hour(everything, set(at.values())) <= per_hour


def test_without_rules_in_the_way_all_go_at_once():
    rows = [Row(pk, account_id=pk, due_at=START - HOUR) for pk in range(5)]
    assert set(valve.spread(rows, start=START).values()) == {START}


def test_posts_of_one_account_follow_each_other_at_the_gap():
    rows = [Row(pk, 1, START - HOUR + timedelta(seconds=pk)) for pk in range(3)]
    found = valve.spread(rows, start=START, gap=timedelta(seconds=20))
    assert [(found[pk] - START).seconds for pk in range(3)] == [0, 20, 40]


def test_a_post_fits_between_two_that_are_planned():
    taken = {1: [START, START + timedelta(seconds=60)]}
    row = Row(1, 1, START - HOUR)
    found = valve.spread([row], start=START, gap=timedelta(seconds=20), taken=taken)
    assert found == {1: START + timedelta(seconds=20)}


def test_the_hour_rolls_and_is_no_clock_hour():
    rows = [Row(pk, pk, START - HOUR + timedelta(seconds=pk)) for pk in range(5)]
    found = valve.spread(rows, start=START + timedelta(minutes=50), per_hour=2)
    assert [(found[pk] - START) / timedelta(minutes=1) for pk in range(5)] == [
        50,
        50,
        110,
        110,
        170,
    ]


def test_a_cap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        valve.spread([], start=START, per_hour=0)


@pytest.mark.django_db
def test_planned_and_leaving_posts_are_kept_clear_of(
    account, make_delivery, django_assert_num_queries
):
    now = timezone.now()
    soon = make_delivery(account, due_in=timedelta(minutes=5))
    make_delivery(account, due_in=timedelta(days=3))
    overdue = make_delivery(account, due_in=timedelta(minutes=-5))
    sending = make_delivery(account)
    out = make_delivery(account)
    Delivery.objects.filter(pk=sending.pk).update(status="publishing")
    Delivery.objects.filter(pk=out.pk).update(status="published", external_id="p1")
    with django_assert_num_queries(1):
        found = valve.planned([account.pk], now)
    assert sorted(found[account.pk]) == [now, now, soon.next_attempt_at]
    assert overdue.next_attempt_at < now
