"""Ways in which a post could go out twice, get lost or stay without an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone

from accounts import refresh
from accounts.models import CircuitBreaker, Credential
from platforms.base import (
    Look,
    MediaFile,
    RemotePost,
    Sighting,
    StepResult,
    TokenSet,
)
from platforms.errors import (
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    DuplicateContent,
    InvalidContent,
    PlatformDown,
    RateLimited,
    TransientError,
)
from publishing import liveness, work
from publishing.engine import PumpRun
from publishing.liveness import Life
from publishing.models import (
    MAX_COMMITS,
    Delivery,
    InvalidTransition,
    Post,
    draft_doc,
    draft_from,
)
from publishing.sweeps import recover_abandoned, release_held

pytestmark = pytest.mark.django_db
Status = Delivery.Status

SAFE = Look(Sighting.CANNOT_TELL, safe_to_repeat=True)


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


def turn(delivery: Delivery) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk, next_attempt_at__isnull=False).update(
        next_attempt_at=timezone.now()
    )
    InlinePump().turn()
    delivery.refresh_from_db()
    return delivery


def in_doubt(delivery: Delivery, script: Any, *then: Any) -> Delivery:
    """Its answer was lost, and the platform would now notice a repeat."""
    script.answers["post"] = [AmbiguousOutcome(), *then]
    script.answers["look"] = [SAFE]
    turn(delivery)
    turn(delivery)
    assert (delivery.status, delivery.repeat_is_safe) == (Status.SCHEDULED, True)
    return delivery


def edit(delivery: Delivery, text: str) -> None:
    Post.objects.filter(pk=delivery.post_id).update(text=text)


# ---------------------------------------------------------------- wording and keys


def test_a_look_searches_for_what_was_sent_not_for_what_was_written_since(
    delivery, script, monkeypatch
):
    from tests.scripted_platform import Scripted

    sought = []

    def look(self, job, client):
        sought.append(job.draft.text)
        return Look(Sighting.FOUND, RemotePost("p1", "https://e/p1"))

    monkeypatch.setattr(Scripted, "look", look)
    script.answers["post"] = [AmbiguousOutcome()]
    turn(delivery)
    edit(delivery, "Another wording")
    assert turn(delivery).status == Status.PUBLISHED
    assert sought == ["Hello"]


@pytest.mark.trap("mastodon", 1)
def test_a_changed_wording_never_goes_out_under_a_used_key(delivery, script):
    script.answers["post"] = [
        InvalidContent("no"),
        StepResult(remote=RemotePost("p2", "https://e/p2")),
    ]
    turn(delivery)
    edit(delivery, "Mended")
    delivery.retry()
    assert turn(delivery).status == Status.PUBLISHED
    first, second = script.seen_markers
    assert first != second
    assert delivery.marker == second
    assert delivery.draft["text"] == "Mended"


def test_the_same_wording_keeps_its_key_and_its_uploads(delivery, script):
    script.steps = ["upload"]
    script.answers["post"] = [
        TransientError(),
        StepResult(remote=RemotePost("p2", "https://e/p2")),
    ]
    turn(delivery)
    assert turn(delivery).status == Status.PUBLISHED
    assert len(set(script.seen_markers)) == 1
    assert script.asked == ["upload", "post", "post"]


def test_uploads_of_another_wording_are_not_used(delivery, script):
    script.steps = ["upload"]
    script.answers["post"] = [
        TransientError(),
        StepResult(remote=RemotePost("p2", "https://e/p2")),
    ]
    turn(delivery)
    edit(delivery, "With other pictures")
    assert turn(delivery).status == Status.PUBLISHED
    assert script.asked == ["upload", "post", "upload", "post"]


def test_a_duplicate_of_another_wording_is_no_evidence(delivery, script):
    script.answers["post"] = [AmbiguousOutcome(), InvalidContent("no")]
    turn(delivery)
    for _ in range(4):
        turn(delivery)
    assert delivery.status == Status.FAILED
    edit(delivery, "Mended")
    delivery.retry()
    script.answers["post"] = [DuplicateContent(extra={"external_id": "of-others"})]
    assert turn(delivery).status == Status.FAILED
    assert delivery.external_id == ""


def test_a_draft_comes_back_as_it_was_stored(delivery):
    draft = delivery.post.draft_for("scripted")
    assert draft_from(draft_doc(draft)) == draft


def test_a_focus_is_stored_where_one_was_chosen(delivery):
    draft = delivery.post.draft_for("scripted")
    file = MediaFile("a1", "image/png", 1, 1, 1, "", "", "a.png", BytesIO)
    chosen = replace(file, focus=(0.25, 1.0))
    doc = draft_doc(replace(draft, media=(file, chosen)))
    assert "focus" not in doc["media"][0]
    found = draft_from(doc).media
    assert [one.focus for one in found] == [(0.5, 0.5), (0.25, 1.0)]


# ---------------------------------------------------------------- repeats in doubt


def test_nobody_cancels_or_moves_what_may_be_live(delivery, script):
    in_doubt(delivery, script)
    with pytest.raises(InvalidTransition):
        delivery.cancel()
    with pytest.raises(InvalidTransition):
        delivery.reschedule(timezone.now(), timezone.now() + timedelta(hours=1))


@pytest.mark.parametrize(
    "refusal",
    [
        RateLimited(retry_after=3600),
        InvalidContent("no"),
        PlatformDown(),
        AuthRevoked(),
        AuthExpired(),
        TransientError(),
    ],
)
def test_a_refused_repeat_says_nothing_of_the_first(delivery, script, refusal):
    in_doubt(delivery, script, refusal)
    turn(delivery)
    assert (delivery.status, delivery.repeat_is_safe) == (Status.UNCERTAIN, False)
    assert delivery.next_attempt_at is not None


def test_a_repeat_that_cannot_go_at_once_is_looked_up_again(account, delivery, script):
    in_doubt(delivery, script)
    Credential.objects.update(state=Credential.State.BROKEN)
    turn(delivery)
    assert delivery.status == Status.UNCERTAIN
    release_held(timezone.now())
    Credential.objects.update(state=Credential.State.ACTIVE)
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("p1", "https://e/p1"))]
    assert turn(delivery).status == Status.PUBLISHED
    assert script.asked.count("post") == 1


def test_a_repeat_that_came_too_late_is_looked_up_again(delivery, script):
    in_doubt(delivery, script)
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=5))
    InlinePump().turn()
    delivery.refresh_from_db()
    assert delivery.status == Status.UNCERTAIN
    assert script.asked.count("post") == 1


def test_a_repeat_uses_the_wording_and_key_of_the_first(delivery, script):
    in_doubt(
        delivery, script, DuplicateContent(extra={"external_id": "p1", "permalink": ""})
    )
    edit(delivery, "Changed too early")
    assert turn(delivery).external_id == "p1"
    assert len(set(script.seen_markers)) == 1


def test_a_repeat_past_its_useful_time_is_a_persons_decision(delivery, script):
    in_doubt(delivery, script)
    Delivery.objects.update(useful_until=timezone.now() - timedelta(seconds=1))
    turn(delivery)
    assert (delivery.status, delivery.next_attempt_at) == (Status.UNCERTAIN, None)


def test_refusals_of_repeats_end_with_a_person(delivery, script):
    in_doubt(delivery, script, InvalidContent("no"))
    for _ in range(2 * MAX_COMMITS + 2):
        turn(delivery)
    assert (delivery.status, delivery.next_attempt_at) == (Status.UNCERTAIN, None)
    assert delivery.commit_count == MAX_COMMITS


# ---------------------------------------------------------------- tokens that changed


class RenewedMeanwhile(InlinePump):
    """Before the answer is written, somebody else stores a new token."""

    def _save_results(self) -> None:
        credential = Credential.objects.get()
        if credential.access_token != "brand-new":
            credential.store(TokenSet("brand-new", "next-refresh"))
            credential.save()
        super()._save_results()


@pytest.mark.parametrize("error", [AuthExpired(), AuthRevoked()])
def test_a_refusal_of_the_old_token_does_not_break_the_new_one(
    make_account, make_delivery, script, error
):
    delivery = make_delivery(make_account("scripted", "r", refresh_token="old"))
    script.answers["post"] = [error, None]
    pump = RenewedMeanwhile()
    pump.turn()
    assert Credential.objects.get().state == Credential.State.ACTIVE
    script.answers["post"] = []
    assert turn(delivery).status == Status.PUBLISHED


def test_a_check_with_the_old_token_does_not_break_the_reconnected_account(account):
    before = Credential.objects.get(pk=account.credential_id)
    after = Credential.objects.get(pk=account.credential_id)
    after.store(TokenSet("brand-new"))
    after.save()
    assert not before.break_for(AuthRevoked())
    assert Credential.objects.get(pk=after.pk).is_active


def test_a_renewal_that_comes_late_is_kept(make_account, script):
    """The platform has ended the old refresh token: dropping the new one loses all."""
    account = make_account("scripted", "r", refresh_token="old")
    Credential.objects.update(refresh_after=timezone.now())
    slow = refresh.begin(account.credential_id)
    Credential.objects.update(refresh_lease_until=timezone.now())
    Credential.objects.update(refresh_lease_until=timezone.now() - timedelta(seconds=1))
    second = refresh.begin(account.credential_id)
    assert slow is not None
    assert second is not None
    assert refresh.finish(slow, TokenSet("brand-new", "next-refresh"))
    assert not refresh.finish(second, AuthRevoked("used refresh token"))
    credential = Credential.objects.get()
    assert credential.is_active
    assert (credential.access_token, credential.refresh_token) == (
        "brand-new",
        "next-refresh",
    )


# ---------------------------------------------------------------- who lives


class Claims(InlinePump):
    """Claims, and then stands still."""

    def submit(self, call: Any) -> None:
        pass


def test_a_pump_that_stands_still_keeps_what_it_may_send(delivery, script):
    pump = Claims()
    with liveness.hold(pump.id) as holder:
        pump._claim()
        assert recover_abandoned(timezone.now() + timedelta(hours=1)) == 0
        delivery.refresh_from_db()
        assert delivery.status == Status.PUBLISHING
        holder.clean = False
    assert recover_abandoned(timezone.now()) == 1
    delivery.refresh_from_db()
    assert delivery.status == Status.UNCERTAIN


def test_a_pump_that_died_gives_its_rows_back_at_once(delivery, script):
    script.steps = ["upload"]
    pump = Claims()
    with liveness.hold(pump.id):
        pump._claim()
    assert liveness.lives(pump.id) == Life.GONE
    recover_abandoned(timezone.now())
    delivery.refresh_from_db()
    assert delivery.status == Status.SCHEDULED
    assert delivery.next_attempt_at <= timezone.now()


def test_a_pump_that_died_keeps_nobody_waiting_for_its_trial(delivery, script):
    """A breaker waits minutes for a trial's answer; that of the dead never comes."""
    script.steps = ["upload"]
    now = timezone.now()
    breaker = CircuitBreaker.objects.create(
        platform=delivery.account.platform,
        subject=f"platform:{delivery.account.network}",
        state=CircuitBreaker.State.OPEN,
        open_count=3,
        retry_at=now,
        cause=Cause.ANSWER_LOST,
    )
    pump = Claims()
    with liveness.hold(pump.id):
        pump._claim()
        breaker.refresh_from_db()
        assert breaker.state == CircuitBreaker.State.HALF_OPEN
    later = timezone.now()
    recover_abandoned(later)
    breaker.refresh_from_db()
    assert breaker.state == CircuitBreaker.State.OPEN
    assert breaker.retry_at == later
    assert breaker.open_count == 3
    assert turn(delivery).status == Status.PUBLISHED


def test_a_pump_that_ended_well_leaves_nothing(db):
    with liveness.hold("a" * 32) as holder:
        assert liveness.lives("a" * 32) == Life.LIVES
        holder.clean = True
    assert liveness.lives("a" * 32) in {Life.UNKNOWN, Life.UNSEEN}


def test_a_pump_does_not_take_its_own_rows_in_flight(delivery, script):
    pump = Claims()
    pump._claim()
    later = timezone.now() + timedelta(hours=1)
    assert recover_abandoned(later, pump.id, pump.in_flight) == 0
    pump.in_flight.clear()
    assert recover_abandoned(later, pump.id, pump.in_flight) == 1


# ---------------------------------------------------------------- no end, or no turn


def test_too_many_commits_end_even_after_uploads(delivery, script):
    script.steps = ["upload"]
    Delivery.objects.update(commit_count=MAX_COMMITS)
    assert turn(delivery).status == Status.FAILED
    assert "post" not in script.asked


@pytest.mark.trap("linkedin", 12)
def test_a_first_refusal_as_duplicate_may_be_tried_again(delivery, script):
    script.answers["post"] = [DuplicateContent(extra={"external_id": "of-others"})]
    assert turn(delivery).status == Status.FAILED
    assert delivery.commit_count == 0
    delivery.retry()
    assert turn(delivery).status == Status.FAILED
    assert delivery.external_id == ""


def test_a_row_that_the_database_refuses_does_not_stop_the_others(
    account, make_account, make_delivery, script
):
    bad = make_delivery(account, "bad")
    good = make_delivery(make_account("scripted", "other"), "good")
    bad.attempts.create(number=1)  # as if its counter had been set back
    InlinePump().turn()
    for row in (bad, good):
        row.refresh_from_db()
    assert good.status == Status.PUBLISHED
    assert bad.status == Status.SCHEDULED


def test_a_crowded_lane_does_not_hide_the_others(
    account, make_account, make_delivery, script
):
    for number in range(50):
        make_delivery(account, f"Many {number}", due_in=timedelta(seconds=-60))
    alone = make_delivery(make_account("scripted", "other"), "One")
    pump = Claims()
    pump._claim()
    pump._claim()
    assert alone.pk in pump.in_flight


def test_rows_whose_renewal_waits_do_not_hide_the_others(
    make_account, make_delivery, script
):
    for number in range(45):
        waiting = make_account(
            "scripted",
            f"w{number}",
            refresh_token="r",
            expires_at=timezone.now() - timedelta(hours=1),
        )
        make_delivery(waiting, due_in=timedelta(seconds=-60))
    Credential.objects.update(refresh_lease_until=timezone.now() + timedelta(hours=1))
    alone = make_delivery(make_account("scripted", "other"), "One")
    pump = Claims()
    for _ in range(5):  # ten threads: ten lanes at a time
        pump._claim()
    assert alone.pk in pump.in_flight


def test_an_account_that_lost_its_credential_meanwhile_is_held(delivery, script):
    class Disconnected(InlinePump):
        def _save_results(self) -> None:
            Delivery.objects.get(pk=delivery.pk).account.credential.delete()
            super()._save_results()

    script.answers["post"] = [AuthRevoked()]
    Disconnected().turn()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.hold) == (Status.HELD, "disconnected")


def test_what_is_left_to_do_to_a_post_that_was_found_is_done(delivery, script):
    """A thumbnail, a playlist: the answer to the post's last byte was lost."""
    script.answers["post"] = [AmbiguousOutcome()]
    turn(delivery)
    there = RemotePost("p1", "https://e/p1")
    found = Look(Sighting.FOUND, there, "it is there", witness={"post": "p1"})
    script.answers |= {"look": [found], "address": [StepResult(remote=there)]}
    assert turn(delivery).status == Status.PROCESSING
    assert (delivery.cause, delivery.intent_at) == ("", None)
    assert turn(delivery).status == Status.PUBLISHED
    assert script.asked == ["post", "look", "address"]


def test_look_times_may_be_shortened_for_drills(settings, delivery, script):
    settings.PUBLISH_LOOK_AFTER_S = [1.0, 2.0]
    assert work.look_times("scripted") == (1.0, 2.0)


# ---------------------------------------------------------------- refusals of a kind


def unknown(status: int = 400) -> InvalidContent:
    return InvalidContent("?", cause=Cause.UNKNOWN_REFUSAL, status=status)


def test_a_refusal_in_unknown_words_is_looked_up_before_it_counts(delivery, script):
    script.answers["post"] = [unknown()]
    turn(delivery)
    assert delivery.status == Status.UNCERTAIN
    script.answers["look"] = [Look(Sighting.FOUND, RemotePost("p1", "https://e/p1"))]
    assert turn(delivery).status == Status.PUBLISHED
    assert delivery.cause == ""


def test_a_refusal_in_unknown_words_stands_when_nothing_is_there(delivery, script):
    script.answers["post"] = [unknown()]
    for _ in range(4):
        turn(delivery)
    assert (delivery.status, delivery.cause) == (Status.FAILED, "unknown_refusal")
    assert delivery.failed_at is not None
    assert script.asked == ["post", "look", "look", "look"]
    assert turn(delivery).status == Status.FAILED


def test_a_plain_refusal_needs_no_look(delivery, script):
    script.answers["post"] = [unknown(403)]
    assert turn(delivery).status == Status.FAILED


def test_a_duplicate_after_a_busy_answer_is_ours(delivery, script):
    """The platform said that it did nothing, and had written it all the same."""
    script.answers["post"] = [
        TransientError(status=503),
        DuplicateContent(extra={"external_id": "p1", "permalink": "https://e/p1"}),
    ]
    turn(delivery)
    assert turn(delivery).status == Status.PUBLISHED


def test_a_try_that_never_left_is_no_evidence(delivery, script):
    script.answers["post"] = [
        PlatformDown("refused"),
        DuplicateContent(extra={"external_id": "of-others"}),
    ]
    turn(delivery)
    assert turn(delivery).status == Status.FAILED
