"""What may keep a due post back: a stop, a full window, an open breaker, itself twice."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts import breakers, limits
from accounts.limits import Need, Use
from accounts.models import CircuitBreaker, Credential, RateBucket
from platforms.base import Bucket, Look, RemotePost, Sighting, StepResult, WindowKind
from platforms.errors import AmbiguousOutcome, Cause, PermissionMissing, RateLimited
from publishing import valve
from publishing.engine import PumpRun
from publishing.models import Delivery, Stop
from publishing.sweeps import release_held
from tests.scripted_platform import Scripted

pytestmark = pytest.mark.django_db
Status = Delivery.Status


class InlinePump(PumpRun):
    """A pump whose I/O happens at once in the same thread."""

    def __init__(self) -> None:
        super().__init__(seconds=1, threads=10)
        self.pool = self

    def submit(self, call: Any) -> None:
        call()

    def turn(self) -> None:
        self.agenda.read(timezone.now())
        self._claim()
        while not self.results.empty():
            self.unsaved.append(self.results.get())
            self._save_results()
        self._settle_windows()


def turn(*deliveries: Delivery) -> None:
    InlinePump().turn()
    for delivery in deliveries:
        delivery.refresh_from_db()


def due_now(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())


@pytest.fixture(autouse=True)
def _nothing_heard_yet() -> None:
    breakers.lately.seen.clear()


@pytest.fixture
def posts_go(script: Any) -> Any:
    """Each post is published under an id of its own."""
    ids = iter(range(1000))

    def answer(name: str) -> StepResult:
        script.asked.append(name)
        number = next(ids)
        return StepResult(remote=RemotePost(f"p{number}", f"https://e/{number}"))

    script.answer = answer
    return script


# ---------------------------------------------------------------- the emergency stop


@pytest.fixture
def stop(author: Any, brand: Any) -> Any:
    def make(**scope: Any) -> Stop:
        return Stop.objects.create(
            scope=scope.pop("scope", "everything"),
            reason="A wrong price",
            started_by=author,
            **scope,
        )

    return make


def test_a_stopped_post_is_held_and_nothing_is_sent(delivery, script, stop):
    stop()
    turn(delivery)
    assert (delivery.status, delivery.hold) == (Status.HELD, "stopped")
    assert delivery.release_at is None
    assert script.asked == []


def test_the_end_of_a_stop_releases_nothing_by_itself(delivery, script, stop):
    made = stop()
    turn(delivery)
    made.ended_at = timezone.now()
    made.save()
    release_held(timezone.now())
    turn(delivery)
    assert (delivery.status, script.asked) == (Status.HELD, [])


@pytest.mark.parametrize("scope", ["brand", "platform", "account"])
def test_a_stop_holds_only_what_it_names(
    scope, account, make_account, make_delivery, script, stop
):
    named = {
        "brand": {"brand": account.brand},
        "platform": {"platform": "scripted"},
        "account": {"account": account},
    }[scope]
    other = make_account("scripted", "other")
    if scope == "account":
        free = make_delivery(other)
    else:
        free = None
    held = make_delivery(account)
    stop(scope=scope, **named)
    turn(held)
    assert held.hold == "stopped"
    if free is not None:
        free.refresh_from_db()
        assert free.status == Status.PUBLISHED


def test_a_stop_that_begins_during_an_upload_keeps_the_post_back(
    delivery, script, stop
):
    script.steps = ["upload"]
    given = script.answer

    def answer(name: str) -> Any:
        if name == "upload":
            stop()
        return given(name)

    script.answer = answer
    turn(delivery)
    assert (delivery.status, delivery.hold) == (Status.HELD, "stopped")
    assert delivery.witness == {"upload": "done"}
    assert script.asked == ["upload"]
    assert delivery.lease_expires_at is None
    assert delivery.commit_count == 0
    assert delivery.attempts.get().outcome == "held"


def test_what_may_be_live_is_looked_at_during_a_stop(delivery, script, stop):
    script.answers["post"] = [AmbiguousOutcome()]
    turn(delivery)
    stop()
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("p1", "https://e/p1"))]
    due_now(delivery)
    turn(delivery)
    assert delivery.status == Status.PUBLISHED


# ---------------------------------------------------------------- the platform's windows


@pytest.fixture
def two_a_day(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted platform takes two posts of one account in a UTC day."""
    bucket = Bucket("posts", "account", 2, WindowKind.FIXED_UTC_DAY, 86_400)
    monkeypatch.setitem(limits._declared, "scripted", {"posts": bucket})
    monkeypatch.setattr(Scripted, "draws", lambda *args, **kwargs: {"posts": 1})
    monkeypatch.setattr(Scripted, "draws_of_calls", lambda *args: {"posts": 1})


def used() -> int:
    return RateBucket.objects.get(key="posts").used


def test_a_full_window_holds_until_it_opens(
    account, make_delivery, posts_go, two_a_day
):
    with time_machine.travel("2026-03-10 12:00:00+00:00", tick=False) as clock:
        rows = [make_delivery(account, f"Post {n}") for n in range(3)]
        Delivery.objects.update(useful_until=timezone.now() + timedelta(days=3))
        for _ in rows:
            turn(*rows)
        assert [row.status for row in rows] == ["published", "published", "held"]
        last = rows[-1]
        assert (last.hold, last.cause) == ("limit", Cause.DAILY_LIMIT)
        assert last.release_at is not None
        assert last.release_at.isoformat()[:16] == "2026-03-11T00:00"
        release_held(timezone.now())
        turn(last)
        assert posts_go.asked == ["post", "post"], "not before the window opens"
        clock.move_to(last.release_at)
        release_held(timezone.now())
        turn(last)
        assert last.status == Status.PUBLISHED


def test_what_may_be_live_is_looked_at_when_the_window_opens(
    account, delivery, script, two_a_day
):
    script.answers["post"] = [AmbiguousOutcome()]
    turn(delivery)
    RateBucket.objects.update(used=2)
    due_now(delivery)
    turn(delivery)
    assert delivery.status == Status.UNCERTAIN
    assert delivery.next_attempt_at > timezone.now()
    assert script.asked == ["post"]


def test_units_of_calls_that_never_left_are_given_back(
    delivery, script, two_a_day, monkeypatch
):
    monkeypatch.setattr(Scripted, "draws_of_calls", lambda *args: {})
    script.answers["post"] = [RateLimited(retry_after=60)]
    turn(delivery)
    assert used() == 0


def test_the_next_claim_settles_what_answers_told(
    account, make_delivery, script, two_a_day, monkeypatch
):
    monkeypatch.setattr(Scripted, "draws_of_calls", lambda *args: {})
    script.answers["post"] = [RateLimited(retry_after=60)]
    pump = InlinePump()
    make_delivery(account, "First")
    pump._settle_windows, settle = (lambda: None), pump._settle_windows
    pump.turn()
    assert (used(), len(pump._uses)) == (1, 1)
    make_delivery(account, "Second")
    pump.agenda.read(timezone.now())
    pump._claim()
    assert (used(), pump._uses) == (1, []), "one given back, one taken"
    settle()
    assert used() == 1, "nothing is given back twice"


def test_a_use_that_cannot_be_settled_hinders_no_claim(
    account, make_delivery, script, posts_go, two_a_day, caplog
):
    delivery, pump = make_delivery(account, "First"), InlinePump()
    stray = Use(Need("", "scripted", "live", 0, 0, 0, {"gone": 1}), {}, timezone.now())
    pump._uses = [stray]
    pump.turn()
    delivery.refresh_from_db()
    assert delivery.status == Status.PUBLISHED
    assert pump._uses == []
    assert "does not take" in caplog.text


# ---------------------------------------------------------------- breakers


@pytest.fixture
def tired(account: Any, make_delivery: Any, script: Any) -> Any:
    """The token was told "too many" twice: its breaker is open."""
    script.answers["post"] = [RateLimited(retry_after=300)]
    for number in range(2):
        turn(make_delivery(account, f"Early {number}"))
    assert CircuitBreaker.objects.get().state == "open"
    script.asked.clear()
    return account


def test_behind_an_open_breaker_a_post_is_held_without_a_call(
    tired, make_delivery, script
):
    delivery = make_delivery(tired, "Next")
    turn(delivery)
    assert (delivery.status, delivery.hold) == (Status.HELD, "limit")
    assert delivery.release_at == CircuitBreaker.objects.get().retry_at
    assert script.asked == []


def test_what_goes_on_after_a_repeat_in_doubt_is_looked_at_behind_an_open_breaker(
    tired, make_delivery, script
):
    """The platform had asked for patience: so it is not scheduled but in its works."""
    delivery = make_delivery(tired, "Next")
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Status.PROCESSING, repeat_is_safe=True, next_attempt_at=timezone.now()
    )
    turn(delivery)
    assert (delivery.status, delivery.repeat_is_safe) == (Status.UNCERTAIN, False)
    assert delivery.next_attempt_at == CircuitBreaker.objects.get().retry_at
    assert script.asked == []


def test_what_goes_on_too_long_after_a_repeat_in_doubt_is_looked_at_first(
    delivery, script
):
    long_ago = timezone.now() - timedelta(minutes=3)
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Status.PROCESSING, repeat_is_safe=True, next_attempt_at=long_ago
    )
    turn(delivery)
    assert (delivery.status, delivery.repeat_is_safe) == (Status.UNCERTAIN, False)
    assert script.asked == []


def test_what_an_open_breaker_refuses_takes_no_units(
    tired, make_delivery, script, two_a_day
):
    pump = InlinePump()
    delivery = make_delivery(tired, "Next")
    pump.turn()
    delivery.refresh_from_db()
    assert delivery.status == Status.HELD
    assert used() == 0


def test_what_a_process_that_stood_still_heard_says_nothing_of_the_platform(
    account, make_delivery, script, settings
):
    settings.HTTP_TIMEOUT_S = 0  # so that each call has taken longer than any may
    script.answers["post"] = [RateLimited(retry_after=300)]
    for number in range(2):
        turn(make_delivery(account, f"Early {number}"))
    assert script.asked == ["post", "post"]
    assert not CircuitBreaker.objects.exists()


def test_one_trial_goes_and_its_success_frees_the_others(
    tired, make_delivery, posts_go
):
    rows = [make_delivery(tired, f"Next {n}") for n in range(3)]
    for _ in rows:
        turn(*rows)
    waiting = Delivery.objects.filter(status=Status.HELD)
    assert waiting.count() == 5
    breaker = CircuitBreaker.objects.get()
    with time_machine.travel(breaker.retry_at + timedelta(seconds=1), tick=False):
        before = timezone.now()
        release_held(before)
        assert waiting.count() == 4, "one trial, not all of them"
        turn()
        assert posts_go.asked == ["post"]
        breaker.refresh_from_db()
        assert breaker.state == "closed"
        release_held(timezone.now(), since=before)
        assert waiting.count() == 0
        times = sorted(
            Delivery.objects.exclude(status=Status.PUBLISHED).values_list(
                "next_attempt_at", flat=True
            )
        )
        assert times[-1] - times[0] >= timedelta(seconds=60), "and without a burst"


# ---------------------------------------------------------------- the same post again


@pytest.mark.trap("x", 9)
def test_the_same_post_to_the_same_account_waits_for_a_yes(
    account, make_account, make_delivery, posts_go
):
    first, again = make_delivery(account, "Same"), make_delivery(account, "Same ")
    elsewhere = make_delivery(make_account("scripted", "other"), "Same")
    for _ in range(2):
        turn(first, again, elsewhere)
    assert first.status == elsewhere.status == Status.PUBLISHED
    assert (again.status, again.hold) == (Status.HELD, "twice")
    Delivery.objects.filter(pk=again.pk).update(twice_allowed=True)
    again.refresh_from_db()
    again.retry()
    turn(again)
    assert again.status == Status.PUBLISHED


def test_what_the_platform_has_is_not_held_for_saying_what_another_said(
    account, make_delivery, script
):
    first, there = make_delivery(account), make_delivery(account)
    now = timezone.now()
    Delivery.objects.filter(pk=first.pk).update(
        status=Status.PUBLISHED,
        published_at=now,
        external_id="p0",
        next_attempt_at=None,
    )
    Delivery.objects.filter(pk=there.pk).update(witness={"post": "done"})
    script.answers["address"] = [StepResult(remote=RemotePost("p1", "https://e/1"))]
    turn(there)
    assert (there.status, there.external_id) == (Status.PUBLISHED, "p1")


def test_while_the_same_is_on_its_way_the_second_only_waits(
    account, make_delivery, script
):
    first = make_delivery(account, "Same")
    script.answers["post"] = [AmbiguousOutcome()]
    turn(first)
    again = make_delivery(account, "Same")
    turn(again)
    assert again.status == Status.SCHEDULED
    assert again.next_attempt_at > timezone.now()
    assert script.asked == ["post"]


@pytest.mark.parametrize(
    ("of_first", "of_second"),
    [
        ({"next_attempt_at": None}, {}),
        ({}, {"useful_until": timedelta(seconds=4)}),
    ],
    ids=["a person decides of the first", "the second would be too late"],
)
def test_the_second_says_that_it_is_one_before_it_waits_until_it_is_too_late(
    account, make_delivery, script, of_first, of_second
):
    first = make_delivery(account, "Same")
    script.answers["post"] = [AmbiguousOutcome()]
    turn(first)
    Delivery.objects.filter(pk=first.pk).update(**of_first)
    again = make_delivery(account, "Same")
    Delivery.objects.filter(pk=again.pk).update(
        **{name: timezone.now() + span for name, span in of_second.items()}
    )
    turn(again)
    assert (again.status, again.hold) == (Status.HELD, "twice")
    assert script.asked == ["post"]


def test_wording_that_was_changed_to_the_same_is_noticed(
    account, make_delivery, posts_go
):
    first, other = make_delivery(account, "Same"), make_delivery(account, "Other")
    turn(first)
    other.post.text = "Same"
    other.post.save()
    turn(other)
    assert (other.status, other.hold) == (Status.HELD, "twice")


def test_a_broken_credential_is_asked_for_before_any_unit_is_taken(
    account, delivery, two_a_day
):
    Credential.objects.update(state=Credential.State.BROKEN)
    turn(delivery)
    assert delivery.hold == "access"
    assert not RateBucket.objects.exists()


# ---------------------------------------------------------------- a backlog


def left_behind(delivery: Delivery, *, held: bool = False, minutes: int = 30) -> None:
    """As an engine finds it that has stood still for so long."""
    past = timezone.now() - timedelta(minutes=minutes)
    Delivery.objects.filter(pk=delivery.pk).update(
        due_at=past, next_attempt_at=past, held_at=past if held else None
    )


@pytest.mark.parametrize("held", [True, False], ids=["released", "never held"])
def test_what_an_outage_left_behind_goes_out_at_a_gap(
    make_account, make_delivery, script, posts_go, held
):
    account = make_account("scripted", "me")
    rows = [make_delivery(account, f"post {n}") for n in range(3)]
    for number, row in enumerate(rows):
        left_behind(row, held=held, minutes=40 - 10 * number)
    start = timezone.now()
    for seconds in range(0, 60, 4):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            turn(*rows)
    gaps = [b.published_at - a.published_at for a, b in itertools.pairwise(rows)]
    assert all(valve.GAP <= gap <= timedelta(seconds=28) for gap in gaps), gaps


@pytest.mark.parametrize("status", [Status.HELD, Status.FAILED])
def test_what_a_person_let_out_keeps_its_gaps_when_the_engine_is_late(
    make_account, make_delivery, script, posts_go, author, status
):
    account = make_account("scripted", "me")
    rows = [make_delivery(account, f"post {n}") for n in range(4)]
    now = timezone.now()
    past = now - timedelta(minutes=40)
    held = {"hold": "stopped", "held_at": past} if status == Status.HELD else {}
    Delivery.objects.update(
        status=status, due_at=past, next_attempt_at=None, attempt_count=1, **held
    )
    found = Delivery.objects.filter(status=status)
    rules = valve.Rules(gap=timedelta(minutes=2), per_account_hour=3)
    pks = [row.pk for row in rows]
    done = valve.send(author, found, pks, rules, now, pks, "delivery.let_out")
    assert done.sent == 4
    # It stands still until most of their planned times are over.
    for minutes in range(50, 180):
        with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
            turn(*rows)
    assert [row.status for row in rows] == ["published"] * 4
    rows.sort(key=lambda row: row.published_at)
    gaps = [b.published_at - a.published_at for a, b in itertools.pairwise(rows)]
    assert all(gap >= timedelta(minutes=2) for gap in gaps), gaps
    # The cap as well: the fourth goes when the hour of the first is over.
    assert rows[3].published_at - rows[0].published_at >= timedelta(hours=1)


def test_late_posts_that_were_meant_to_go_together_do_so(
    make_account, make_delivery, script, posts_go
):
    account = make_account("scripted", "me")
    pair = [make_delivery(account, "one"), make_delivery(account, "two")]
    past = timezone.now() - timedelta(minutes=30)
    Delivery.objects.update(due_at=past, next_attempt_at=past)
    turn()
    turn(*pair)
    assert [row.status for row in pair] == ["published", "published"]


def test_late_posts_of_other_accounts_do_not_wait_for_each_other(
    make_account, make_delivery, script, posts_go
):
    rows = [make_delivery(make_account("scripted", str(n)), "hi") for n in range(2)]
    for number, row in enumerate(rows):
        left_behind(row, held=True, minutes=30 - number)
    turn(*rows)
    assert [row.status for row in rows] == ["published", "published"]


def test_what_is_on_time_asks_for_no_gap(
    make_account, make_delivery, script, posts_go, monkeypatch
):
    account = make_account("scripted", "me")
    pair = [make_delivery(account, "one"), make_delivery(account, "two")]
    monkeypatch.setattr(valve, "last_sent", None)  # to be called would break it
    turn()
    turn(*pair)
    assert [row.status for row in pair] == ["published", "published"]


def test_a_backlog_goes_out_in_order_whatever_was_written_first(
    make_account, make_delivery, script, posts_go
):
    account = make_account("scripted", "me")
    rows = [make_delivery(account, f"post {n}") for n in range(4)]
    # Written last, due first.
    in_order = [rows[0], rows[3], rows[2], rows[1]]
    for number, row in enumerate(in_order):
        left_behind(row, minutes=40 - 5 * number)
    start = timezone.now()
    for seconds in range(0, 100, 4):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            turn(*rows)
    assert [row.status for row in rows] == ["published"] * 4
    assert sorted(rows, key=lambda row: row.published_at) == in_order


def test_a_post_on_time_does_not_overtake_a_late_one_that_waits_for_its_gap(
    make_account, make_delivery, script, posts_go
):
    account = make_account("scripted", "me")
    start = timezone.now()
    first, late, fresh = (make_delivery(account, f"post {n}") for n in range(3))
    left_behind(first, minutes=40)
    left_behind(late, minutes=20)
    on_time = start + timedelta(seconds=8)
    Delivery.objects.filter(pk=fresh.pk).update(due_at=on_time, next_attempt_at=on_time)
    for seconds in range(0, 80, 4):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            turn(first, late, fresh)
    assert first.published_at < late.published_at < fresh.published_at
    assert fresh.published_at - late.published_at >= valve.GAP - timedelta(seconds=2)


def test_a_post_on_time_that_would_be_useless_behind_late_ones_keeps_its_time(
    make_account, make_delivery, script, posts_go
):
    account = make_account("scripted", "me")
    start = timezone.now()
    first, late, fresh = (make_delivery(account, f"post {n}") for n in range(3))
    left_behind(first, minutes=40)
    left_behind(late, minutes=20)
    on_time = start + timedelta(seconds=8)
    Delivery.objects.filter(pk=fresh.pk).update(
        due_at=on_time,
        next_attempt_at=on_time,
        useful_until=on_time + timedelta(seconds=10),
    )
    for seconds in range(0, 16, 4):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            turn(first, late, fresh)
    assert [fresh.status, late.status] == ["published", "scheduled"]


@pytest.mark.parametrize("state", ["processing", "uncertain"])
def test_late_posts_keep_their_gap_from_one_that_may_appear_at_any_moment(
    make_account, make_delivery, script, posts_go, state
):
    account = make_account("scripted", "me")
    before, late = make_delivery(account, "one"), make_delivery(account, "two")
    left_behind(before, minutes=40)
    left_behind(late, minutes=20)
    now = timezone.now()
    Delivery.objects.filter(pk=before.pk).update(
        status=state,
        next_attempt_at=now + timedelta(seconds=15),
        first_sent_at=now if state == "uncertain" else None,
    )
    turn(late)
    assert late.status == "scheduled"
    assert not script.asked
    assert late.next_attempt_at > now + timedelta(seconds=15)


def test_a_late_post_does_not_wait_for_one_that_a_person_has_to_look_for(
    make_account, make_delivery, script, posts_go
):
    account = make_account("scripted", "me")
    before, late = make_delivery(account, "one"), make_delivery(account, "two")
    left_behind(before, minutes=40)
    left_behind(late, minutes=20)
    Delivery.objects.filter(pk=before.pk).update(
        status="uncertain",
        next_attempt_at=None,
        first_sent_at=timezone.now() - timedelta(minutes=5),
    )
    turn(late)
    assert late.status == "published"


# ---------------------------------------------------------------- another credential


def test_an_account_that_changes_its_credential_still_sends_one_after_the_other(
    make_account, make_delivery, script, posts_go
):
    """A reconnect or a standby takeover, while a call of the account is under way."""
    account = make_account("scripted", "me")
    first, second = make_delivery(account, "one"), make_delivery(account, "two")
    pump = InlinePump()
    calls = []
    pump.submit = calls.append
    pump.turn()
    assert list(pump.in_flight) == [first.pk]
    account.move_to(make_account("scripted", "other").credential)
    pump.turn()
    assert list(pump.in_flight) == [first.pk]

    calls.pop()()
    pump.turn()
    turn(first, second)
    assert [first.status, second.status] == ["published", "published"]


def test_a_permission_that_the_former_access_lacked_holds_nothing_back(
    make_account, make_delivery, script
):
    """A standby took over while the call was under way."""
    account = make_account("scripted", "me")
    delivery = make_delivery(account)
    standby = make_account("scripted", "other").credential
    sent = iter([PermissionMissing(), RemotePost("p1", "https://e/1")])

    def answer(name: str) -> StepResult:
        account.move_to(standby)
        told = next(sent)
        if isinstance(told, PermissionMissing):
            raise told
        return StepResult(remote=told)

    script.answer = answer
    for _ in range(2):
        turn(delivery)
    assert delivery.status == Status.PUBLISHED


def test_a_post_that_may_be_live_is_not_taken_for_another_one_when_it_is_sent_again(
    make_account, make_delivery, script, posts_go, monkeypatch
):
    """A step may find that a commit without an answer has published it."""
    account = make_account("scripted", "me")
    other, delivery = make_delivery(account, "one"), make_delivery(account, "two")
    turn(other)
    Delivery.objects.filter(pk=delivery.pk).update(first_sent_at=timezone.now())
    jobs = []
    next_step = Scripted.next_step

    def noted(self, job, client):
        jobs.append(job)
        return next_step(self, job, client)

    monkeypatch.setattr(Scripted, "next_step", noted)
    turn(delivery)
    assert [job.taken for job in jobs] == [frozenset({other.external_id})]
