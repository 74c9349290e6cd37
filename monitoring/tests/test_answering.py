"""An answer to a comment leaves once, whatever happens on the way."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Credential
from monitoring import answering, once
from monitoring.models import Answer
from platforms.base import Comment, CommentPage
from platforms.errors import (
    AmbiguousOutcome,
    AuthExpired,
    Cause,
    InvalidContent,
    PermissionMissing,
    RateLimited,
    TransientError,
)
from platforms.x.client import XClient
from publishing.models import Delivery, InvalidTransition, StaleState, Stop

pytestmark = pytest.mark.django_db

State = Answer.State


@pytest.fixture
def answer(make_account, make_delivery, author):
    account = make_account("x", scopes=["tweet.read", "tweet.write", "users.read"])
    delivery = make_delivery(account)
    Delivery.objects.filter(pk=delivery.pk).update(
        status="published", external_id="900", published_at=timezone.now()
    )
    return Answer.objects.create(
        delivery=delivery,
        comment_id="7",
        text="Thanks a lot",
        author=author,
        form_key=uuid.uuid4(),
    )


@pytest.fixture
def replies(monkeypatch):
    """What X says to each answer in turn; a list of those that left."""
    sent = []

    def make(*results):
        left = list(results)

        def reply(self, comment_id, text):
            sent.append((comment_id, text))
            result = left.pop(0)
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(XClient, "reply", reply)
        return sent

    return make


@pytest.fixture
def below(monkeypatch):
    def make(*comments):
        page = CommentPage(tuple(comments))
        monkeypatch.setattr(XClient, "comments", lambda self, post, after="": page)

    make()
    return make


def again():
    """Its time has come, and another run begins."""
    Answer.objects.filter(next_at__isnull=False).update(next_at=timezone.now())
    answering.run()


def test_it_leaves_once_and_is_known_by_its_id(answer, replies):
    sent = replies("8", "9")
    assert answering.run() == 1
    assert answering.run() == 0
    answer.refresh_from_db()
    assert (answer.state, answer.external_id) == (State.PUBLISHED, "8")
    assert sent == [("7", "Thanks a lot")]


def test_the_intent_stands_before_anything_leaves(answer, replies, monkeypatch):
    seen = []

    def reply(self, comment_id, text):
        seen.append(Answer.objects.values_list("state", "sent_at").get())
        return "8"

    monkeypatch.setattr(XClient, "reply", reply)
    answering.run()
    [(state, sent_at)] = seen
    assert state == State.SENDING
    assert sent_at is not None


@pytest.mark.parametrize(
    "lost", [AmbiguousOutcome("lost"), ValueError("a bug of ours")], ids=["lost", "bug"]
)
def test_after_a_lost_answer_nothing_is_sent_and_a_person_decides(
    answer, replies, below, lost
):
    sent = replies(lost, "9")
    answering.run()
    answer.refresh_from_db()
    assert answer.state == State.UNCERTAIN
    assert not answer.waits_for_person  # it is looked for first
    again()
    again()
    answer.refresh_from_db()
    assert answer.waits_for_person
    assert len(sent) == 1
    answer.confirm_absent()
    answering.run()
    answer.refresh_from_db()
    assert (answer.state, answer.external_id, len(sent)) == (State.PUBLISHED, "9", 2)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, True),
        ({"text": "@ana Thanks  a lot"}, True),
        ({"author": ""}, True),
        ({"text": "Thanks"}, False),
        ({"author": "somebody"}, False),
        ({"parent_id": ""}, False),
        ({"published_at": timezone.now() - timedelta(days=1)}, False),
    ],
)
def test_a_lost_answer_is_found_among_the_comments(
    answer, replies, below, changes, found
):
    replies(AmbiguousOutcome("lost"))
    answering.run()
    facts = {
        "external_id": "8",
        "text": "Thanks a lot",
        "author": "acmetools",
        "parent_id": "7",
        "published_at": timezone.now(),
    }
    below(Comment(**{**facts, **changes}))
    again()
    answer.refresh_from_db()
    assert (answer.state == State.PUBLISHED) is found
    assert answer.waits_for_person is not found


def test_the_same_words_of_another_answer_are_not_taken_for_it(
    answer, replies, below, author
):
    Answer.objects.create(
        delivery=answer.delivery,
        comment_id="7",
        text="Thanks a lot",
        author=author,
        form_key=uuid.uuid4(),
        state=State.PUBLISHED,
        external_id="8",
        next_at=None,
    )
    replies(AmbiguousOutcome("lost"))
    answering.run()
    below(Comment("8", "Thanks a lot", "acmetools", timezone.now(), parent_id="7"))
    again()
    answer.refresh_from_db()
    assert answer.waits_for_person


def test_a_worker_that_died_while_sending_leaves_it_uncertain(answer, replies, below):
    sent = replies("9")
    answer.take(timezone.now())
    assert answering.run() == 0  # it may still be at it
    again()
    answer.refresh_from_db()
    assert answer.state == State.UNCERTAIN
    again()
    answer.refresh_from_db()
    assert answer.waits_for_person
    assert sent == []


def test_a_worker_that_slept_begins_nothing(answer, replies, time_machine):
    sent = replies("9")
    now = timezone.now()
    answer.take(now)
    time_machine.move_to(now + Answer.BEGIN_WITHIN + timedelta(seconds=1))
    error, number = once.in_time(
        answer,
        answer.delivery.account.client(),
        lambda client: client.reply("7", "Thanks a lot"),
        now,
    )
    assert isinstance(error, TransientError)
    assert (number, sent) == ("", [])


def test_a_call_that_would_leave_too_late_does_not_leave(answer, monkeypatch):
    left = []

    def reply(self, comment_id, text):
        left.append(self.http.change_until - time.monotonic())
        return "8"

    monkeypatch.setattr(XClient, "reply", reply)
    answering.run()
    assert 0 < left[0] <= Answer.BEGIN_WITHIN.total_seconds()


def test_a_no_that_says_little_may_have_left(answer, replies):
    replies(InvalidContent("?", cause=Cause.UNKNOWN_REFUSAL, status=400))
    answering.run()
    answer.refresh_from_db()
    assert answer.state == State.UNCERTAIN


def test_a_broken_answer_keeps_nobody_waiting(answer, replies, monkeypatch):
    handle = answering._handle

    def broken(row, hearing):
        if row.pk == answer.pk:
            raise ValueError("broken")
        handle(row, hearing)

    monkeypatch.setattr(answering, "_handle", broken)
    sent = replies("8")
    other = Answer.objects.create(
        delivery=answer.delivery,
        comment_id="9",
        text="Behind it",
        author=answer.author,
        form_key=uuid.uuid4(),
    )
    answering.run()
    other.refresh_from_db()
    assert (other.state, sent) == (State.PUBLISHED, [("9", "Behind it")])


def test_what_breaks_after_the_call_is_lost_in_its_own_time(
    answer, replies, monkeypatch
):
    replies("8")
    monkeypatch.setattr(
        answering, "_settle", lambda *args: (_ for _ in ()).throw(ValueError("broken"))
    )
    answering.run()
    answer.refresh_from_db()
    assert answer.state == State.SENDING
    assert answer.next_at == answer.sent_at + Answer.LOST_AFTER


def test_a_look_that_breaks_leaves_it_to_a_person(answer, replies, monkeypatch):
    replies(AmbiguousOutcome("lost"))
    answering.run()

    def broken(self, post, after=""):
        raise ValueError("broken")

    monkeypatch.setattr(XClient, "comments", broken)
    again()
    answer.refresh_from_db()
    assert answer.waits_for_person


def test_two_workers_do_not_take_the_same(answer):
    first, second = Answer.objects.get(), Answer.objects.get()
    first.take(timezone.now())
    with pytest.raises(StaleState):
        second.take(timezone.now())


@pytest.mark.parametrize(
    "error",
    [
        TransientError("oops"),
        RateLimited("slow down", retry_after=60),
        AuthExpired("over"),
    ],
)
def test_a_definite_no_that_may_pass_is_tried_again_a_few_times(answer, replies, error):
    sent = replies(*[error] * 9)
    answering.run()
    answer.refresh_from_db()
    assert answer.state == State.WAITING
    assert answer.next_at > timezone.now() + timedelta(minutes=1)
    for _ in range(8):
        again()
    answer.refresh_from_db()
    assert (answer.state, len(sent)) == (State.FAILED, once.MAX_TRIES)


@pytest.mark.parametrize(
    "error", [PermissionMissing("not mentioned"), InvalidContent("too long")]
)
def test_a_definite_no_that_stays_ends_it(answer, replies, error):
    sent = replies(error)
    answering.run()
    answer.refresh_from_db()
    assert (answer.state, answer.cause, len(sent)) == (State.FAILED, error.cause, 1)


def test_an_emergency_stop_holds_answers_as_well(answer, replies, author):
    sent = replies("8")
    stop = Stop.objects.create(
        scope=Stop.Scope.EVERYTHING, reason="Wait", started_by=author
    )
    answering.run()
    answer.refresh_from_db()
    assert (answer.state, sent) == (State.WAITING, [])
    assert answering.why(answer) == "Publishing is stopped"
    stop.ended_at = timezone.now()
    stop.save()
    again()
    answer.refresh_from_db()
    assert answer.state == State.PUBLISHED


def test_without_access_it_waits(answer, replies):
    sent = replies("8")
    Credential.objects.update(state="broken", cause="token_revoked")
    answering.run()
    answer.refresh_from_db()
    assert (answer.state, answer.cause, sent) == (State.WAITING, "token_revoked", [])


def test_only_what_nobody_can_check_is_decided_by_a_person(answer):
    for decide in (answer.confirm_there, answer.confirm_absent, answer.give_up):
        with pytest.raises(InvalidTransition):
            decide()
    Answer.objects.update(state=State.UNCERTAIN, next_at=None)
    for decide in ("confirm_there", "give_up"):
        row = Answer.objects.get()
        getattr(row, decide)()
        assert row.state in Answer.ENDED
        Answer.objects.update(state=State.UNCERTAIN, next_at=None)
