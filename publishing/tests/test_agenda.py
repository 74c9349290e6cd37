"""Whose turn it is, and that finding it out reads no finished row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, connection
from django.utils import timezone

from publishing.agenda import AHEAD, LEAST_OF_LANE, OVERDUE, Agenda, due_until
from publishing.models import Delivery, InvalidTransition, Post, StaleState
from publishing.twice import others
from publishing.writes import Writes

pytestmark = pytest.mark.django_db
Status = Delivery.Status


def everybody(lane: int) -> bool:
    return True


def nobody(lane: int) -> bool:
    return False


@pytest.fixture
def lanes(make_account: Any, make_delivery: Any, script: Any) -> Any:
    """Deliveries of several accounts, due some seconds ago: {lane: [pk, ...]}."""

    def make(**counts: int) -> dict[int, list[int]]:
        found = {}
        for name, count in counts.items():
            account = make_account("scripted", name)
            found[account.credential_id] = [
                make_delivery(account, f"{name} {n}", timedelta(seconds=n - 90)).pk
                for n in range(count)
            ]
        return found

    return make


def test_each_lane_gets_one_row_at_a_time_the_oldest_first(lanes):
    rows = lanes(a=3, b=1)
    (first, *_), (other,) = rows.values()
    agenda, now = Agenda(), timezone.now()
    agenda.read(now)
    assert set(agenda.pick(10, now, (), everybody)) == {first, other}


def test_a_backlog_never_takes_all_threads_again_and_again(lanes):
    rows = lanes(noisy=30, a=1, b=1)
    agenda, now = Agenda(), timezone.now()
    agenda.read(now)
    picked = [agenda.pick(1, now, (), everybody)[0] for _ in range(3)]
    assert {pk for pks in rows.values() for pk in pks[:1]} == set(picked)


def test_a_lane_in_which_somebody_sends_is_passed_over(lanes):
    (busy, _), (_, (pk,)) = lanes(a=1, b=1).items()
    agenda, now = Agenda(), timezone.now()
    agenda.read(now)
    assert agenda.pick(10, now, {busy}, everybody) == [pk]


def test_after_a_race_was_lost_the_lane_is_read_anew_before_it_goes_on(lanes):
    ((lane, (first, *_)),) = lanes(a=3).items()
    agenda, now = Agenda(), timezone.now()
    agenda.read(now)
    assert agenda.pick(10, now, (), everybody) == [first]
    agenda.bar(lane)
    assert agenda.pick(10, now, (), everybody) == [], "the next would overtake"


def test_the_share_of_another_pump_is_left_to_it_for_a_while(lanes):
    ((_, (pk,)),) = lanes(a=1).items()
    agenda, now = Agenda(), timezone.now()
    Delivery.objects.update(next_attempt_at=now)
    agenda.read(now)
    assert agenda.pick(10, now, (), nobody) == []
    later = now + timedelta(seconds=10)
    assert agenda.pick(10, later, (), nobody) == [pk]


def test_a_backlog_that_moves_is_left_to_the_pump_that_sends_it(lanes):
    ((_, pks),) = lanes(a=4).items()
    agenda, now = Agenda(), timezone.now()
    agenda.read(now)
    for pk in pks[:2]:  # all are overdue; another pump takes one each two seconds
        Delivery.objects.filter(pk=pk).update(next_attempt_at=None)
        now += timedelta(seconds=2)
        agenda.read(now)
        assert agenda.pick(10, now, (), nobody) == []
        assert agenda.next_at(now, (), nobody) == now + OVERDUE


def test_a_backlog_that_stands_still_is_taken_row_by_row(lanes):
    ((_, pks),) = lanes(a=4).items()
    agenda, now = Agenda(), timezone.now()
    agenda.read(now)
    now += OVERDUE
    for pk in pks[:3]:
        agenda.read(now)
        assert agenda.pick(10, now, (), nobody) == [pk]
        Delivery.objects.filter(pk=pk).update(next_attempt_at=None)


def test_rows_that_are_due_in_a_moment_tell_when_to_wake(account, make_delivery):
    delivery = make_delivery(account, due_in=timedelta(seconds=1))
    agenda, now = Agenda(), timezone.now()
    agenda.read(now)
    assert agenda.pick(10, now, (), everybody) == []
    assert agenda.next_at(now, (), everybody) == delivery.due_at


def test_of_a_long_backlog_only_a_part_is_read(lanes):
    lanes(a=LEAST_OF_LANE + 5)
    assert len(due_until(timezone.now() + AHEAD, LEAST_OF_LANE)) == LEAST_OF_LANE


def plan(queryset: Any) -> str:
    return plan_of(*queryset.query.sql_with_params())


def plan_of(sql: str, params: Any) -> str:
    """How the database would find the rows."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A few rows are best read in sequence; what counts is that it can do else.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}", params)
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_finding_what_is_due_uses_the_index_of_waiting_rows(lanes):
    lanes(a=3)
    assert "delivery_due" in plan(due_until(timezone.now() + AHEAD, 10))


def test_finding_the_same_post_uses_an_index(lanes):
    lanes(a=2)
    asked: list[Any] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    rows = list(Delivery.objects.select_related("account"))
    posts = Post.objects.bulk_create(
        Post(brand=rows[0].post.brand, author=rows[0].post.author) for _ in range(500)
    )
    Delivery.objects.bulk_create(
        Delivery(
            post=post,
            account=rows[0].account,
            due_at=timezone.now(),
            useful_until=timezone.now(),
            marker=f"old {post.pk}",
            fingerprint=f"old {post.pk}",
        )
        for post in posts
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with connection.execute_wrapper(note):
        others(rows, timezone.now())
    ((sql, params),) = asked
    assert "delivery_same_again" in plan_of(sql, params)


# ---------------------------------------------------------------- writing in batches


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite reads JSON")
def test_a_batch_is_taken_apart_once_and_not_for_each_of_its_rows(
    account, make_delivery
):
    asked: list[Any] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    writes = Writes()
    for n in range(2):
        row = make_delivery(account, f"Post {n}")
        writes.move(row, Status.PUBLISHING, fence=row.fence + 1)
    with connection.execute_wrapper(note):
        writes.write()
    ((sql, params),) = asked
    plan = plan_of(sql, params)
    assert "MATERIALIZE v" in plan
    assert "SEARCH t USING INTEGER PRIMARY KEY" in plan


def test_a_row_that_was_taken_over_stops_the_whole_batch(account, make_delivery):
    rows = [make_delivery(account, f"Post {n}") for n in range(2)]
    writes = Writes()
    for row in rows:
        writes.move(row, Status.PUBLISHING, fence=row.fence + 1)
    Delivery.objects.filter(pk=rows[0].pk).update(fence=7)
    with pytest.raises(StaleState):
        writes.write()


def test_undone_changes_leave_the_rows_as_they_were(delivery):
    before = {k: v for k, v in vars(delivery).items() if k != "_state"}
    writes = Writes()
    writes.move(delivery, Status.PUBLISHING, fence=1, draft={"a": 1})
    writes.undo()
    writes.write()
    assert {k: v for k, v in vars(delivery).items() if k != "_state"} == before
    delivery.refresh_from_db()
    assert delivery.status == Status.SCHEDULED


def test_what_was_not_read_is_not_read_to_be_undone(
    delivery, django_assert_num_queries
):
    row = Delivery.objects.only("status", "fence").get(pk=delivery.pk)
    writes = Writes()
    with django_assert_num_queries(0):
        writes.set(row, permalink="https://e/1")
        writes.undo()
    assert "permalink" not in vars(row)


def test_the_table_of_roads_holds_for_batches_too(delivery):
    with pytest.raises(InvalidTransition):
        Writes().move(delivery, Status.PUBLISHED)


@pytest.mark.parametrize(
    "text",
    ["", "plain", 'a "quote" and a \\ backslash', "émoji 🎉", "%s", "line\nbreak"],
)
def test_every_text_arrives_as_it_was(delivery, text):
    writes = Writes()
    now = timezone.now()
    writes.set(
        delivery,
        detail=text,
        witness={"a": [text, None, 1.5]},
        first_sent_at=now,
        intent_at=None,
        repeat_is_safe=True,
    )
    writes.write()
    row = Delivery.objects.get(pk=delivery.pk)
    assert (row.detail, row.witness) == (text, {"a": [text, None, 1.5]})
    assert (row.first_sent_at, row.intent_at, row.repeat_is_safe) == (now, None, True)


def test_a_text_that_is_too_long_is_never_cut(delivery):
    writes = Writes()
    writes.set(delivery, cause="x" * 500)
    if connection.vendor == "postgresql":
        with pytest.raises(DataError):
            writes.write()
    else:
        writes.write()
        assert Delivery.objects.get(pk=delivery.pk).cause == "x" * 500
