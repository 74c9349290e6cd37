"""What each answer, each death and each hold does to a delivery."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Credential
from platforms.base import Look, RemotePost, Sighting, StepResult
from platforms.errors import (
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    DuplicateContent,
    InvalidContent,
    PermissionMissing,
    PlatformDown,
    RateLimited,
    Reach,
    TransientError,
)
from publishing.engine import PumpRun
from publishing.models import (
    MAX_ATTEMPTS,
    MAX_COMMITS,
    Attempt,
    Delivery,
    InvalidTransition,
    Pump,
    StaleState,
    Stop,
)
from publishing.sweeps import recover_abandoned, release_held
from publishing.work import perform

pytestmark = pytest.mark.django_db
Status = Delivery.Status


class InlinePump(PumpRun):
    """A pump whose I/O happens at once in the same thread, so a test can look between."""

    def __init__(self) -> None:
        super().__init__(seconds=1, threads=10)
        self.pool = self

    def submit(self, call: Any) -> None:
        call()

    def turn(self) -> None:
        """Claim what is due and settle everything that comes back."""
        self.agenda.read(timezone.now())
        self._claim()
        while not self.results.empty():
            self.unsaved.append(self.results.get())
            self._save_results()
        self._settle_windows()


def turn(delivery: Delivery) -> Delivery:
    InlinePump().turn()
    delivery.refresh_from_db()
    return delivery


@pytest.mark.trap("linkedin", 5)
def test_a_due_post_is_published_with_id_and_link(delivery, script):
    turn(delivery)
    assert delivery.status == Status.PUBLISHED
    assert (delivery.external_id, delivery.permalink) == (
        "p1",
        "https://scripted.example/p1",
    )
    attempt = delivery.attempts.get()
    assert (attempt.outcome, attempt.step) == ("published", "post")
    assert attempt.closed_at is not None
    assert delivery.lease_expires_at is None


@pytest.mark.trap("bluesky", 3)
def test_what_is_published_is_never_sent_again(delivery, script):
    """Somebody may have deleted it there: a repeat would bring it back."""
    turn(delivery)
    early = timezone.now() - timedelta(hours=1)
    Delivery.objects.update(next_attempt_at=early, due_at=early)
    assert turn(delivery).status == Status.PUBLISHED
    with pytest.raises(InvalidTransition):
        delivery.retry()
    assert turn(delivery).status == Status.PUBLISHED
    assert script.asked == ["post"]


def test_a_post_that_is_not_due_stays(account, make_delivery, script):
    delivery = make_delivery(account, due_in=timedelta(minutes=1))
    turn(delivery)
    assert delivery.status == Status.SCHEDULED
    assert script.asked == []


def test_steps_store_their_witness_before_the_next_begins(delivery, script):
    script.steps = ["upload:1", "upload:2"]
    script.answers["upload:2"] = [TransientError()]
    turn(delivery)
    assert delivery.status == Status.SCHEDULED
    assert delivery.witness == {"upload:1": "done"}
    assert delivery.intent_at is None
    script.answers["upload:2"] = [StepResult(witness={"upload:2": "done"})]
    Delivery.objects.update(next_attempt_at=timezone.now())
    turn(delivery)
    assert delivery.status == Status.PUBLISHED
    assert script.asked.count("upload:1") == 1


@pytest.mark.parametrize(
    ("name", "status"), [("part", Status.SCHEDULED), ("upload", Status.FAILED)]
)
def test_a_part_that_arrives_ends_a_row_of_troubles(delivery, script, name, status):
    """A long upload may meet more of them than a post that gets nowhere."""
    Delivery.objects.update(transient_count=MAX_ATTEMPTS - 1)
    script.steps = [f"{name}:1", f"{name}:2"]
    script.answers[f"{name}:2"] = [TransientError()]
    turn(delivery)
    assert delivery.witness == {f"{name}:1": "done"}
    assert delivery.status == status
    assert delivery.transient_count == (1 if name == "part" else MAX_ATTEMPTS - 1)


def test_the_intent_is_stored_before_a_commit_leaves(delivery, script):
    class Spy(InlinePump):
        def submit(self, call):
            row = Delivery.objects.get(pk=delivery.pk)
            assert row.intent_at is not None
            assert row.commit_count == 1
            super().submit(call)

    Spy().turn()
    delivery.refresh_from_db()
    assert delivery.status == Status.PUBLISHED


@pytest.mark.parametrize(
    ("answer", "status", "hold"),
    [
        (InvalidContent("no"), Status.FAILED, ""),
        (DuplicateContent("twice"), Status.FAILED, ""),
        (PermissionMissing(reach=Reach.POST), Status.FAILED, ""),
        (TransientError(), Status.SCHEDULED, ""),
        (PlatformDown(), Status.SCHEDULED, ""),
        (PlatformDown(reach=Reach.APP), Status.HELD, "platform"),
        (RateLimited(retry_after=600), Status.HELD, "limit"),
        pytest.param(
            # Nobody knows when somebody pays: the post waits, and is not lost.
            RateLimited(cause=Cause.CREDITS_USED_UP, reach=Reach.APP),
            Status.HELD,
            "limit",
            marks=pytest.mark.trap("x", 8),
        ),
        (AuthRevoked(), Status.HELD, "access"),
        (AuthExpired(), Status.HELD, "access"),
        (PermissionMissing(), Status.HELD, "permission"),
        (AmbiguousOutcome(), Status.UNCERTAIN, ""),
        (RuntimeError("a bug"), Status.UNCERTAIN, ""),
    ],
)
def test_each_answer_leads_to_one_state(delivery, script, answer, status, hold):
    script.answers["post"] = [answer]
    turn(delivery)
    assert (delivery.status, delivery.hold) == (status, hold)
    assert delivery.lease_expires_at is None
    assert script.asked == ["post"]
    assert delivery.attempts.get().closed_at is not None


def test_a_dead_token_breaks_the_credential_and_holds_its_other_posts(
    account, make_delivery, script
):
    first, second = make_delivery(account), make_delivery(account, "Two")
    script.answers["post"] = [AuthRevoked()]
    pump = InlinePump()
    pump.turn()
    pump.turn()
    for delivery in (first, second):
        delivery.refresh_from_db()
        assert (delivery.status, delivery.hold) == (Status.HELD, "access")
    assert script.asked == ["post"], "no second call with a token known to be dead"
    account.credential.refresh_from_db()
    assert account.credential.state == Credential.State.BROKEN


def test_a_held_post_goes_out_after_the_reconnect(account, delivery, script):
    account.credential.break_for(AuthRevoked())
    assert turn(delivery).hold == "access"
    Credential.objects.update(state=Credential.State.ACTIVE)
    release_held(timezone.now())
    assert turn(delivery).status == Status.PUBLISHED


@pytest.mark.trap("instagram", 11)
@pytest.mark.parametrize(
    ("cause", "minutes", "status"),
    [
        (Cause.ACCOUNT_LOCKED, 30, Status.PUBLISHED),
        (Cause.ACCOUNT_SUSPENDED, 30, Status.PUBLISHED),
        # The look that its refusal called for; it may see less than a post does.
        (Cause.ACCOUNT_LOCKED, 1, Status.HELD),
        (Cause.SCOPE_MISSING, 30, Status.HELD),
    ],
)
def test_what_a_person_mended_at_the_platform_lets_posts_go_without_a_reconnect(
    delivery, script, cause, minutes, status
):
    out = StepResult(remote=RemotePost("p2", "https://e/p2"))
    script.answers["post"] = [PermissionMissing(cause=cause), out]
    assert turn(delivery).hold == "permission"
    now = timezone.now()
    Delivery.objects.update(held_at=now - timedelta(minutes=minutes))
    Credential.objects.update(proven_at=now)
    release_held(now)
    assert turn(delivery).status == status


def test_released_posts_of_one_account_keep_a_gap(account, make_delivery, script):
    rows = [make_delivery(account, f"Post {n}") for n in range(3)]
    account.credential.break_for(AuthRevoked())
    InlinePump().turn()
    pump = InlinePump()
    for _ in rows:
        pump.turn()
    Credential.objects.update(state=Credential.State.ACTIVE)
    release_held(timezone.now())
    times = sorted(Delivery.objects.values_list("next_attempt_at", flat=True))
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps == [timedelta(seconds=20)] * 2


def test_nothing_past_its_useful_time_goes_out_without_a_person(
    account, make_delivery, script
):
    delivery = make_delivery(account)
    Delivery.objects.update(useful_until=timezone.now() - timedelta(minutes=1))
    turn(delivery)
    assert (delivery.status, delivery.hold) == (Status.HELD, "too_late")
    release_held(timezone.now())
    assert turn(delivery).status == Status.HELD
    delivery.retry(despite_age=True)
    assert turn(delivery).status == Status.PUBLISHED


def test_a_limit_holds_until_the_platform_says(delivery, script):
    reset = timezone.now() + timedelta(minutes=10)
    script.answers["post"] = [RateLimited(reset_at=reset), None]
    turn(delivery)
    assert delivery.release_at == reset
    release_held(reset - timedelta(seconds=1))
    delivery.refresh_from_db()
    assert delivery.status == Status.HELD
    release_held(reset)
    delivery.refresh_from_db()
    assert delivery.status == Status.SCHEDULED


def test_a_clean_refusal_does_not_count_against_the_ceiling(delivery, script):
    script.answers["post"] = [PlatformDown()]
    for _ in range(MAX_COMMITS + 2):
        Delivery.objects.update(next_attempt_at=timezone.now())
        turn(delivery)
    assert delivery.status == Status.SCHEDULED
    assert delivery.commit_count == 0


def test_the_database_refuses_a_commit_over_the_ceiling(delivery):
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.update(commit_count=MAX_COMMITS + 1)


def look_soon(delivery: Delivery) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())
    return turn(delivery)


def test_a_lost_answer_is_looked_up_and_found(delivery, script):
    script.answers["post"] = [AmbiguousOutcome()]
    turn(delivery)
    wait = delivery.next_attempt_at - timezone.now()
    assert timedelta(seconds=3) < wait <= timedelta(seconds=5)
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("p9", "https://e/p9"))]
    look_soon(delivery)
    assert (delivery.status, delivery.external_id) == (Status.PUBLISHED, "p9")
    assert script.asked == ["post", "look"]
    assert [a.kind for a in delivery.attempts.all()] == ["publish", "look"]


def test_it_is_sent_again_only_after_all_looks_say_absent(delivery, script):
    script.answers["post"] = [
        AmbiguousOutcome(),
        StepResult(remote=RemotePost("p2", "https://e/p2")),
    ]
    turn(delivery)
    for _ in range(2):
        look_soon(delivery)
        assert delivery.status == Status.UNCERTAIN
    look_soon(delivery)
    assert delivery.status == Status.SCHEDULED
    turn(delivery)
    assert delivery.status == Status.PUBLISHED
    assert script.asked == ["post", "look", "look", "look", "post"]
    assert len(set(script.seen_markers)) == 1


def test_a_native_key_allows_the_repeat_after_one_look(delivery, script):
    script.answers["post"] = [
        AmbiguousOutcome(),
        StepResult(remote=RemotePost("p2", "https://e/p2")),
    ]
    script.answers["look"] = [Look(Sighting.ABSENT, safe_to_repeat=True)]
    turn(delivery)
    look_soon(delivery)
    assert turn(delivery).status == Status.PUBLISHED
    assert script.asked == ["post", "look", "post"]


def test_where_nobody_can_tell_a_person_decides(delivery, script):
    script.answers["post"] = [AmbiguousOutcome()]
    script.answers["look"] = [Look(Sighting.CANNOT_TELL)]
    turn(delivery)
    for _ in range(3):
        assert delivery.next_attempt_at is not None
        look_soon(delivery)
    assert delivery.status == Status.UNCERTAIN
    assert delivery.next_attempt_at is None
    assert delivery.waits_for_person
    assert delivery in Delivery.objects.needs_person()
    other = Delivery.objects.get(pk=delivery.pk)
    delivery.confirm_absent()
    with pytest.raises(StaleState):
        other.confirm_live("https://e/p1")


def test_a_step_that_finds_a_lost_commit_out_leaves_it_to_a_person(delivery, script):
    """Tried again it would only fail in the end, as if nothing had been sent."""
    lost = AmbiguousOutcome("gone", extra={"of_commit": "yes"})
    script.answers["post"] = [TransientError("busy", status=503)]
    turn(delivery)
    assert delivery.first_sent_at is not None
    script.steps, script.answers["wait"] = ["wait"], [lost]
    script.answers["look"] = [Look(Sighting.CANNOT_TELL)]
    look_soon(delivery)
    assert delivery.status == Status.UNCERTAIN
    for _ in range(3):
        look_soon(delivery)
    assert delivery.waits_for_person
    delivery.confirm_absent()
    assert delivery.witness["absent_at"]


def test_a_duplicate_refusal_after_our_own_attempt_is_success(delivery, script):
    script.answers["post"] = [
        AmbiguousOutcome(),
        DuplicateContent(extra={"external_id": "p7", "permalink": "https://e/p7"}),
    ]
    script.answers["look"] = [Look(Sighting.CANNOT_TELL, safe_to_repeat=True)]
    turn(delivery)
    look_soon(delivery)
    turn(delivery)
    assert (delivery.status, delivery.external_id) == (Status.PUBLISHED, "p7")


@pytest.mark.trap("linkedin", 12)
def test_a_duplicate_refusal_may_name_a_post_of_ours_that_was_deleted(
    account, make_delivery, script
):
    """It stays with the delivery that it came from."""
    first = make_delivery(account, "Same words")
    script.answers["post"] = [StepResult(remote=RemotePost("p1", "https://e/p1"))]
    turn(first)
    again = make_delivery(account, "Same words")
    Delivery.objects.filter(pk=again.pk).update(twice_allowed=True)
    script.answers["post"] = [
        AmbiguousOutcome(),
        DuplicateContent(extra={"external_id": "p1", "permalink": "https://e/p1"}),
    ]
    script.answers["look"] = [Look(Sighting.CANNOT_TELL, safe_to_repeat=True)]
    turn(again)
    look_soon(again)
    assert turn(again).status == Status.FAILED
    assert again.external_id == ""


@pytest.mark.trap("x", 9)
def test_a_duplicate_refusal_without_an_id_is_looked_up(delivery, script):
    script.answers["post"] = [AmbiguousOutcome(), DuplicateContent()]
    turn(delivery)
    for _ in range(3):
        look_soon(delivery)
    turn(delivery)
    assert delivery.status == Status.UNCERTAIN


def test_a_look_that_cannot_read_changes_nothing(delivery, script):
    script.answers["post"] = [AmbiguousOutcome()]
    script.answers["look"] = [PlatformDown()]
    turn(delivery)
    look_soon(delivery)
    assert delivery.status == Status.UNCERTAIN
    assert delivery.next_attempt_at > timezone.now()
    assert delivery.absent_count == 0


def test_a_worker_that_died_before_sending_gives_the_row_back(delivery, script):
    class Dies(InlinePump):
        def submit(self, call):
            pass

    script.steps = ["upload"]
    Dies().turn()
    delivery.refresh_from_db()
    assert delivery.status == Status.PUBLISHING
    recover_abandoned(timezone.now() + timedelta(minutes=5))
    delivery.refresh_from_db()
    assert delivery.status == Status.SCHEDULED
    assert delivery.attempts.get().outcome == "abandoned"
    assert look_soon(delivery).status == Status.PUBLISHED


def test_a_worker_that_died_after_its_intent_leads_to_a_look(delivery, script):
    class Dies(InlinePump):
        def submit(self, call):
            call()
            self.results.get()  # the answer dies with the process

    Dies().turn()
    recover_abandoned(timezone.now() + timedelta(minutes=5))
    delivery.refresh_from_db()
    assert delivery.status == Status.UNCERTAIN
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("p1", "https://e/p1"))]
    look_soon(delivery)
    assert delivery.status == Status.PUBLISHED
    assert script.asked == ["post", "look"]


def out_without_address(script):
    script.answers["post"] = [StepResult(witness={"post": "m1"})]
    script.answers["address"] = [StepResult(remote=RemotePost("m1", "https://e/m1"))]


def test_a_step_after_the_commit_tells_the_address(delivery, script):
    out_without_address(script)
    turn(delivery)
    assert delivery.status == Status.PUBLISHED
    assert (delivery.external_id, delivery.permalink) == ("m1", "https://e/m1")
    assert delivery.commit_count == 1
    assert script.asked == ["post", "address"]


def test_a_worker_that_died_after_the_commit_never_sends_again(delivery, script):
    class Dies(InlinePump):
        def submit(self, call):
            if not script.asked:
                call()

    out_without_address(script)
    Dies().turn()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.witness) == (Status.PUBLISHING, {"post": "m1"})
    recover_abandoned(timezone.now() + timedelta(minutes=5))
    delivery.refresh_from_db()
    assert delivery.status == Status.UNCERTAIN
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("m1", "https://e/m1"))]
    assert look_soon(delivery).status == Status.PUBLISHED
    assert script.asked == ["post", "look"]


def test_a_late_worker_cannot_overwrite_its_successor(delivery, script):
    late = InlinePump()
    late.submit = lambda call: None  # type: ignore[method-assign]
    late._claim()
    work = late.in_flight[delivery.pk]
    recover_abandoned(timezone.now() + timedelta(minutes=5))
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("right", "https://e/r"))]
    look_soon(delivery)
    assert delivery.external_id == "right"
    script.answers["post"] = [InvalidContent("late")]
    late.unsaved.append(perform(work))
    late._save_results()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.external_id) == (Status.PUBLISHED, "right")


def test_a_commit_is_not_begun_when_the_lease_is_nearly_over(delivery, script):
    pump = InlinePump()
    pump.submit = lambda call: None  # type: ignore[method-assign]
    pump._claim()
    work = pump.in_flight[delivery.pk]
    work.start_by = 0.0
    pump.unsaved.append(perform(work))
    pump._save_results()
    delivery.refresh_from_db()
    assert delivery.status == Status.SCHEDULED
    assert script.asked == []


def test_a_commit_does_not_leave_when_its_time_ends_between_look_and_call(
    delivery, script, monkeypatch
):
    """As after a stop (SIGSTOP) right before the call: somebody else may have the row."""
    pump = InlinePump()
    pump.submit = lambda call: None  # type: ignore[method-assign]
    pump._claim()
    work = pump.in_flight[delivery.pk]

    def stop(name: str) -> None:
        if name == "before_send":
            past = time.monotonic() - 1
            work.client.http.change_until = work.start_by = past

    monkeypatch.setattr("publishing.work.crash_point", stop)
    step = work.step

    def run() -> StepResult:
        work.client.http.request(
            "POST", "https://scripted.example/posts", call="post", mutates=True
        )
        raise AssertionError("it left")

    work.step = replace(step, run=run)
    pump.unsaved.append(perform(work))
    pump._save_results()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.commit_count) == (Status.SCHEDULED, 0)


def test_two_pumps_never_take_the_same_row(delivery, script):
    first, second = InlinePump(), InlinePump()
    first.submit = second.submit = lambda call: None  # type: ignore[method-assign]
    first._claim()
    second._claim()
    assert len(first.in_flight) == 1
    assert second.in_flight == {}
    assert Attempt.objects.count() == 1


def test_one_lane_goes_in_order_and_others_beside_it(
    account, make_account, make_delivery, script
):
    other = make_account("scripted", "other")
    late = make_delivery(account, "second", due_in=timedelta(seconds=-1))
    early = make_delivery(account, "first", due_in=timedelta(seconds=-9))
    beside = make_delivery(other, "beside")
    pump = InlinePump()
    pump.submit = lambda call: None  # type: ignore[method-assign]
    pump._claim()
    assert set(pump.in_flight) == {early.pk, beside.pk}
    assert late.pk not in pump.in_flight


def test_an_expired_token_is_renewed_before_the_post_goes(
    make_account, make_delivery, script
):
    account = make_account(
        "scripted",
        "r",
        refresh_token="old-refresh",
        expires_at=timezone.now() - timedelta(hours=1),
    )
    delivery = make_delivery(account)
    pump = InlinePump()
    pump.turn()
    pump.turn()
    delivery.refresh_from_db()
    assert delivery.status == Status.PUBLISHED
    assert script.asked == ["refresh", "post"]
    account.credential.refresh_from_db()
    assert account.credential.access_token == "renewed"


@pytest.mark.trap("snapchat", 10)
@pytest.mark.trap("x", 5)
def test_a_token_that_the_platform_calls_expired_is_renewed_once(
    make_account, make_delivery, script
):
    account = make_account("scripted", "r", refresh_token="old-refresh")
    delivery = make_delivery(account)
    script.answers["post"] = [AuthExpired()]
    pump = InlinePump()
    for _ in range(4):
        pump.turn()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.hold) == (Status.HELD, "access")
    assert script.asked == ["post", "refresh", "post"]


def test_what_the_platform_has_lost_is_sent_again(delivery, script):
    script.steps = ["upload"]
    script.answers["post"] = [
        TransientError(cause=Cause.MEDIA_EXPIRED, extra={"forget": "upload"}),
        StepResult(remote=RemotePost("p1", "https://e/p1")),
    ]
    turn(delivery)
    assert delivery.witness == {}
    Delivery.objects.update(next_attempt_at=timezone.now())
    turn(delivery)
    assert script.asked == ["upload", "post", "upload", "post"]


def test_what_a_published_post_goes_without_stands_in_the_attempts_log(
    delivery, script
):
    notes = {"notes": ["without thumbnail", "without playlist"]}
    remote = RemotePost("p1", "https://e/p1", extra=notes)
    script.answers["post"] = [StepResult(remote=remote)]
    turn(delivery)
    assert delivery.status == Status.PUBLISHED
    assert delivery.attempts.get().detail == "without thumbnail; without playlist"


def test_a_platform_that_works_on_it_is_polled_without_a_waiting_worker(
    delivery, script
):
    script.steps = ["wait"]
    script.answers["wait"] = [
        StepResult(wait_s=20),
        StepResult(witness={"wait": "ready"}),
    ]
    turn(delivery)
    assert delivery.status == Status.PROCESSING
    assert delivery.next_attempt_at > timezone.now() + timedelta(seconds=15)
    look_soon(delivery)
    assert delivery.status == Status.PUBLISHED


def test_what_a_platform_works_on_goes_out_as_it_was(delivery, script):
    """Whoever changes it now is told that it is too late."""
    script.steps = ["upload", "wait"]
    script.answers["upload"] = [StepResult(witness={"upload": "u1"})]
    script.answers["wait"] = [
        StepResult(wait_s=20),
        StepResult(witness={"wait": "ready"}),
    ]
    turn(delivery)
    assert delivery.status == Status.PROCESSING
    said, marker = delivery.draft["text"], delivery.marker
    type(delivery.post).objects.update(text="Hello again")
    look_soon(delivery)
    assert delivery.status == Status.PUBLISHED
    assert (delivery.draft["text"], delivery.marker) == (said, marker)
    assert script.asked == ["upload", "wait", "wait", "post"]


def test_what_a_platform_works_on_past_its_useful_time_waits_for_a_person(
    delivery, script
):
    script.steps = ["wait"]
    script.answers["wait"] = [
        StepResult(wait_s=20),
        StepResult(witness={"wait": "ready"}),
    ]
    turn(delivery)
    Delivery.objects.update(useful_until=timezone.now() - timedelta(minutes=1))
    look_soon(delivery)
    assert (delivery.status, delivery.hold) == (Status.HELD, "too_late")
    assert "post" not in script.asked
    delivery.retry(despite_age=True)
    look_soon(delivery)
    assert delivery.status == Status.PUBLISHED


def test_what_the_platform_has_is_only_asked_for_whatever_happens_meanwhile(
    delivery, script, author
):
    script.answers["post"] = [StepResult(witness={"post": "p1"}, wait_s=5)]
    script.answers["address"] = [
        TransientError(),
        StepResult(remote=RemotePost("p1", "https://e/p1")),
    ]
    turn(delivery)
    assert delivery.status == Status.PROCESSING
    with pytest.raises(InvalidTransition):
        delivery.cancel()
    # Another wording, an emergency stop, and its useful time is over.
    type(delivery.post).objects.update(text="Hello again")
    Stop.objects.create(scope="everything", reason="Storm", started_by=author)
    Delivery.objects.update(useful_until=timezone.now() - timedelta(minutes=1))
    look_soon(delivery)
    assert delivery.status == Status.SCHEDULED
    look_soon(delivery)
    assert (delivery.status, delivery.external_id) == (Status.PUBLISHED, "p1")
    assert script.asked == ["post", "address", "address"]


def test_an_account_that_was_disconnected_holds_its_posts(account, delivery, script):
    account.disconnected_at = timezone.now()
    account.save()
    assert turn(delivery).hold == "disconnected"
    assert script.asked == []


def test_cancelling_loses_against_a_claim(delivery, script):
    mine = Delivery.objects.get(pk=delivery.pk)
    pump = InlinePump()
    pump.submit = lambda call: None  # type: ignore[method-assign]
    pump._claim()
    with pytest.raises(StaleState):
        mine.cancel()


def test_one_row_that_cannot_be_prepared_does_not_stop_the_others(
    account, make_account, make_delivery, script, monkeypatch
):
    bad = make_delivery(account, "bad")
    good = make_delivery(make_account("scripted", "other"), "good")
    from publishing.models import Post

    real = Post.draft_for

    def draft_for(post, platform, account=None):
        if post.text == "bad":
            raise ValueError("broken row")
        return real(post, platform)

    monkeypatch.setattr(Post, "draft_for", draft_for)
    InlinePump().turn()
    good.refresh_from_db()
    bad.refresh_from_db()
    assert good.status == Status.PUBLISHED
    assert bad.status == Status.SCHEDULED
    assert bad.next_attempt_at > timezone.now()


@pytest.mark.django_db(transaction=True)
def test_a_real_pump_publishes_on_threads_and_hands_over(
    account, make_account, make_delivery, script
):
    rows = [
        make_delivery(make_account("scripted", f"a{n}"), f"Post {n}") for n in range(12)
    ]
    handed = []
    PumpRun(seconds=2.5, threads=4).run(hand_over=lambda: handed.append(1))
    assert handed == [1]
    assert Pump.objects.get().ended_at is not None
    for row in rows:
        row.refresh_from_db()
        assert row.status == Status.PUBLISHED


def test_backoff_never_comes_before_the_platforms_word():
    from publishing.work import backoff

    assert backoff(1, retry_after=900) >= timedelta(seconds=900)
    assert backoff(50) <= timedelta(seconds=720)


def test_useful_time_is_judged_when_it_comes_up(account, make_delivery, script):
    delivery = make_delivery(account, due_in=timedelta(minutes=5))
    with time_machine.travel(timezone.now() + timedelta(hours=3), tick=False):
        turn(delivery)
    assert delivery.hold == "too_late"


@pytest.mark.trap("linkedin", 12)
def test_the_post_of_another_delivery_is_never_taken_for_ours(
    account, make_delivery, script
):
    twins = [make_delivery(account, "Same words") for _ in range(2)]
    Delivery.objects.update(twice_allowed=True)
    script.answers["post"] = [
        StepResult(remote=RemotePost("p1", "https://e/p1")),
        AmbiguousOutcome(),
    ]
    pump = InlinePump()
    pump.turn()
    pump.turn()
    lost = next(
        d for d in twins if Delivery.objects.get(pk=d.pk).status == Status.UNCERTAIN
    )
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("p1", "https://e/p1"))]
    look_soon(lost)
    assert lost.status == Status.UNCERTAIN
    assert lost.external_id == ""


def test_an_answer_that_cannot_be_written_does_not_stop_the_pump(
    account, make_account, make_delivery, script
):
    first = make_delivery(account, "First")
    InlinePump().turn()
    second = make_delivery(account, "Second")
    other = make_delivery(make_account("scripted", "other"), "Other")
    pump = InlinePump()
    pump.turn()
    for row in (first, second, other):
        row.refresh_from_db()
    assert first.status == Status.PUBLISHED
    assert second.status == Status.PUBLISHING, "the same id twice: the lease decides"
    assert other.status == Status.PUBLISHED
    recover_abandoned(timezone.now() + timedelta(minutes=5))
    second.refresh_from_db()
    assert second.status == Status.UNCERTAIN


def test_a_pump_whose_process_is_gone_does_not_count_as_running(db, settings):
    import os
    import subprocess
    import sys

    from publishing.tasks import running_pumps

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    settings.HOST_NAME = "here"
    Pump.objects.create(host="here", pid=gone.pid)
    assert running_pumps() == 0
    Pump.objects.create(host="here", pid=os.getpid())
    Pump.objects.create(host="another-host", pid=gone.pid)
    assert running_pumps() == 1, "each host counts its own"
