"""Many pumps ask and tell at the same moment: one trial, and no failure forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import breakers
from accounts.breakers import Caller, Heard
from accounts.models import CircuitBreaker
from platforms.errors import PlatformDown

pytestmark = pytest.mark.django_db(transaction=True)
State = CircuitBreaker.State
PUMPS = 4


@pytest.fixture(autouse=True)
def _nothing_heard_yet() -> None:
    breakers.lately.seen.clear()


def side_by_side(what: Callable[[int], Any]) -> list[Any]:
    """What each of several threads came to, each in a transaction of its own."""
    gate = threading.Barrier(PUMPS)
    results: list[Any] = [None] * PUMPS

    def run(n: int) -> None:
        try:
            gate.wait(timeout=20)
            with transaction.atomic():
                results[n] = what(n)
        except Exception as exc:
            results[n] = exc
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(PUMPS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not [result for result in results if isinstance(result, Exception)], results
    return results


def caller(token: int) -> Caller:
    return Caller("x", "live", 7, token)


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_OPEN])
def test_of_many_pumps_one_gets_the_trial(state):
    for _round in range(5):
        now = timezone.now()
        CircuitBreaker.objects.update_or_create(
            platform="x",
            subject="platform:live",
            defaults={
                "state": state,
                "cause": "platform_trouble",
                "retry_at": now - timedelta(minutes=10),
                # a trial that was lost long ago
                "trial_at": now - timedelta(minutes=10),
                "open_count": 1,
            },
        )
        asks = [(n, caller(n), False) for n in range(5)]
        answers = side_by_side(lambda _n: breakers.admit(asks, now))  # noqa: B023
        admitted = [a for each in answers for a in each.values() if not a.refusal]
        assert len(admitted) == 1
        assert len(admitted[0].trials) == 1


def test_of_many_pumps_one_look_is_let_through():
    now = timezone.now()
    CircuitBreaker.objects.create(
        platform="x",
        subject="platform:live",
        state=State.OPEN,
        cause="platform_trouble",
        retry_at=now + timedelta(minutes=10),
    )
    answers = side_by_side(lambda n: breakers.admit([(n, caller(n), True)], now))
    let = [a for each in answers for a in each.values() if not a.refusal]
    assert len(let) == 1


def test_failures_that_come_at_the_same_moment_are_all_counted():
    """Three failures open it, and each pump brings one: the last of them must see all,
    and their rows are made, locked and written without a deadlock."""
    now = timezone.now()

    def tell(n: int) -> list[breakers.Change]:
        own = [Heard(caller(100 + n), PlatformDown(), now)]
        # The practice network's row as well, in another order each.
        other = [Heard(Caller("x", "practice", 8, 200 + n), PlatformDown(), now)]
        return breakers.hear(own + other if n % 2 else other + own, now)

    answers = side_by_side(tell)
    opened = [c.breaker.subject for changes in answers for c in changes]
    assert sorted(opened) == ["platform:live", "platform:practice"]
    assert CircuitBreaker.objects.filter(state=State.OPEN).count() == 2
