"""Posts of several parts in the engine: each part is out once, and the rest goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from platforms import parts as parts_of
from platforms.base import (
    UNNAMED,
    CommentPage,
    CommentRule,
    Look,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
    ThreadRule,
)
from platforms.errors import AmbiguousOutcome, InvalidContent, TransientError
from publishing import twice
from publishing.models import (
    MAX_COMMITS,
    MAX_REPEATS,
    Delivery,
    InvalidTransition,
    MediaAsset,
    PartMedia,
    Stop,
    Variant,
    draft_doc,
    draft_from,
)
from publishing.sweeps import recover_abandoned
from publishing.tests.test_engine import InlinePump, turn
from publishing.wording import parts_words, state_sentence
from tests.scripted_platform import Scripted, ScriptedClient

pytestmark = pytest.mark.django_db
Status = Delivery.Status


def out(number: int) -> StepResult:
    link = f"https://scripted.example/p{number}"
    return StepResult(
        remote=RemotePost(f"p{number}", link, extra={"cid": f"c{number}"})
    )


@pytest.fixture
def thread(delivery):
    """Of three parts: "Hello", "Second", "Third"."""
    write(delivery, ["Second", "Third"])
    return delivery


def write(delivery, texts, **fields):
    Variant.objects.update_or_create(
        post=delivery.post,
        platform="scripted",
        defaults={"has_text": False, "parts": texts, **fields},
    )


def again(delivery):
    """The next turn, whenever it is due."""
    Delivery.objects.update(next_attempt_at=timezone.now())
    return turn(delivery)


def ids(delivery):
    return [one.external_id for one in parts_of.out(delivery.witness)]


def test_all_parts_go_out_in_one_attempt_each_under_a_key_of_its_own(thread, script):
    script.answers["post"] = [out(1), out(2), out(3)]
    turn(thread)
    assert thread.status == Status.PUBLISHED
    assert ids(thread) == ["p1", "p2", "p3"]
    assert (thread.external_id, thread.permalink) == (
        "p1",
        "https://scripted.example/p1",
    )
    assert len(set(script.seen_markers)) == 3
    assert script.seen_markers[0] == thread.marker
    assert not thread.is_partly_out
    assert thread.attempts.get().outcome == "published"


def test_each_part_has_its_intent_before_it_leaves(thread, script):
    script.answers["post"] = [out(1), out(2), out(3)]
    seen = []

    class Spy(InlinePump):
        def submit(self, call):
            row = Delivery.objects.get(pk=thread.pk)
            assert row.intent_at is not None
            seen.append((row.parts_out, row.commit_count, row.first_sent_at))
            super().submit(call)

    Spy().turn()
    assert seen == [(0, 1, None), (1, 1, None), (2, 1, None)]


def test_the_ceiling_of_commits_is_one_of_each_part(delivery, script):
    more = MAX_COMMITS + 2
    write(delivery, [f"Part {number}" for number in range(more)])
    script.answers["post"] = [out(number) for number in range(1, more + 2)]
    turn(delivery)
    assert delivery.status == Status.PUBLISHED
    assert len(ids(delivery)) == more + 1
    assert (delivery.total_commit_count, delivery.part_count) == (more + 1, more + 1)


def test_all_parts_together_have_a_ceiling_in_the_database(thread, script):
    most = 3 + MAX_REPEATS
    Delivery.objects.update(total_commit_count=most, part_count=3)
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.update(total_commit_count=most + 1)
    # A part whose count begins anew, again and again, ends there.
    turn(thread)
    assert (thread.status, script.asked) == (Status.FAILED, [])


@pytest.mark.trap("x", 14)
def test_a_refused_part_leaves_the_post_partly_out_and_goes_on_after_mending(
    thread, script
):
    script.answers["post"] = [out(1), InvalidContent("no")]
    turn(thread)
    assert thread.status == Status.FAILED
    assert (thread.parts_out, thread.parts_total) == (1, 3)
    assert thread.is_partly_out
    assert thread.external_id == "p1"
    write(thread, ["Mended", "Third"])
    script.answers["post"] = [out(2), out(3)]
    thread.retry()
    turn(thread)
    assert thread.status == Status.PUBLISHED
    assert ids(thread) == ["p1", "p2", "p3"]
    texts = [part["text"] for part in thread.draft["parts"]]
    assert texts == ["Mended", "Third"]
    assert len(set(script.seen_markers)) == 4, "the mended part has a new key"


def test_what_is_out_stays_as_it_was_sent_whatever_is_written_since(thread, script):
    script.answers["post"] = [out(1), InvalidContent("no")]
    turn(thread)
    thread.post.text = "Another beginning"
    thread.post.save()
    script.answers["post"] = [out(2), out(3)]
    thread.retry()
    turn(thread)
    assert thread.draft["text"] == "Hello"
    assert ids(thread) == ["p1", "p2", "p3"]


def test_a_post_whose_missing_parts_were_removed_is_whole(thread, script):
    script.answers["post"] = [out(1), out(2), InvalidContent("no")]
    turn(thread)
    write(thread, ["Second"])
    thread.retry()
    turn(thread)
    assert thread.status == Status.PUBLISHED
    assert ids(thread) == ["p1", "p2"]
    assert not thread.is_partly_out
    assert script.asked.count("post") == 3


@pytest.mark.trap("x", 14)
@pytest.mark.parametrize("sighting", [Sighting.FOUND, Sighting.ABSENT])
def test_a_lost_answer_is_looked_up_for_its_part_alone(thread, script, sighting):
    script.answers["post"] = [out(1), AmbiguousOutcome("lost"), out(2), out(3)]
    turn(thread)
    assert thread.status == Status.UNCERTAIN
    assert thread.first_sent_at is not None
    if sighting is Sighting.FOUND:
        script.answers["look"] = [Look(sighting, out(2).remote)]
        script.answers["post"] = [out(3)]
    for _ in range(10):
        again(thread)
        if thread.status == Status.PUBLISHED:
            break
    assert ids(thread) == ["p1", "p2", "p3"]
    sent = script.seen_markers
    # The first part once, the second as often as it was not there, under one key.
    assert sent.count(sent[0]) == 1
    assert sent.count(sent[1]) == (1 if sighting is Sighting.FOUND else 2)


def test_a_worker_that_dies_with_a_part_in_its_hands_resumes_at_that_part(
    thread, script
):
    script.answers["post"] = [out(1)]
    pump = InlinePump()
    held = []
    pump.submit = held.append
    pump.agenda.read(timezone.now())
    pump._claim()
    held.pop()()  # the first part
    pump.unsaved.append(pump.results.get())
    pump._save_results()
    thread.refresh_from_db()
    assert (thread.parts_out, thread.status) == (1, Status.PUBLISHING)
    assert recover_abandoned(timezone.now() + timedelta(hours=1)) == 1
    thread.refresh_from_db()
    assert thread.status == Status.UNCERTAIN
    script.answers["look"] = [Look(Sighting.FOUND, out(2).remote)]
    script.answers["post"] = [out(3)]
    for _ in range(3):
        again(thread)
    assert thread.status == Status.PUBLISHED
    assert ids(thread) == ["p1", "p2", "p3"]


def test_trouble_of_a_part_that_mends_itself_repeats_that_part(thread, script):
    script.answers["post"] = [out(1), TransientError("busy"), out(2), out(3)]
    turn(thread)
    assert (thread.status, thread.parts_out) == (Status.SCHEDULED, 1)
    again(thread)
    assert ids(thread) == ["p1", "p2", "p3"]


def test_a_stop_holds_what_follows(thread, script, author):
    class Stops(InlinePump):
        def submit(self, call):
            super().submit(call)
            if not Stop.objects.exists():
                Stop.objects.create(
                    scope=Stop.Scope.EVERYTHING, reason="wrong", started_by=author
                )

    script.answers["post"] = [out(1), out(2), out(3)]
    Stops().turn()
    thread.refresh_from_db()
    assert (thread.status, thread.hold) == (Status.HELD, Delivery.Hold.STOPPED)
    assert ids(thread) == ["p1"]


@pytest.mark.parametrize("verb", ["leave", "cancel"])
def test_what_is_out_may_be_left_as_it_is(thread, script, verb):
    script.answers["post"] = [out(1), InvalidContent("no")]
    turn(thread)
    getattr(thread, verb)()
    thread.refresh_from_db()
    assert thread.status == Status.PUBLISHED
    assert thread.is_partly_out
    again(thread)
    assert ids(thread) == ["p1"]


def test_nothing_is_left_as_it_is_of_which_nothing_is_out(thread, script):
    with pytest.raises(InvalidTransition):
        thread.leave()
    thread.cancel()
    assert thread.status == Status.CANCELLED


def test_a_thread_that_halted_has_said_its_words(
    thread, script, account, make_delivery
):
    script.answers["post"] = [out(1), InvalidContent("no")]
    turn(thread)
    same = make_delivery(account)
    write(same, ["Second", "Third"])
    same.fingerprint = thread.fingerprint
    assert twice.others([same], timezone.now())[same.pk].delivery_id == thread.pk


def test_a_thread_says_something_else_than_its_first_part_alone(thread):
    post = type(thread.post).objects.get(pk=thread.post_id)
    said = twice.fingerprint(post.draft_for("scripted"))
    assert said == twice.fingerprint(draft_doc(post.draft_for("scripted")))
    assert said != twice.fingerprint(post.draft_for("x"))


def test_a_file_of_a_part_cannot_be_deleted_and_goes_with_it(thread, brand, script):
    asset = MediaAsset.objects.create(
        brand=brand, name="a.png", mime_type="image/png", size_bytes=3, sha256="a" * 64
    )
    variant = thread.post.variants.get()
    PartMedia.objects.create(variant=variant, part=3, asset=asset, position=0)
    with pytest.raises(ProtectedError):
        asset.delete()
    draft = type(thread.post).objects.get(pk=thread.post_id).draft_for("scripted")
    assert [len(part.media) for part in draft.parts] == [0, 1]
    again = draft_from(draft_doc(draft))
    assert again == draft
    script.answers["post"] = [out(1), out(2), out(3)]
    turn(thread)
    assert thread.draft == draft_doc(draft)


def test_a_post_of_one_part_is_stored_as_it_always_was(delivery, script):
    """Else an upgrade would take what waits for reworded, and lose its key."""
    turn(delivery)
    assert not {"parts", "first_comment"} & delivery.draft.keys()
    assert parts_of.OUT not in delivery.witness


def test_a_person_tells_where_a_part_is(thread, script):
    script.answers["post"] = [out(1), AmbiguousOutcome("lost")]
    turn(thread)
    script.answers["look"] = [Look(Sighting.CANNOT_TELL)]
    for _ in range(4):
        again(thread)
    Delivery.objects.update(next_attempt_at=None)
    thread.refresh_from_db()
    assert thread.status == Status.UNCERTAIN
    thread.confirm_live("https://scripted.example/seen")
    # The address does not tell the id that the next part would reply to.
    assert thread.status == Status.PUBLISHED
    assert thread.external_id == "p1"
    assert thread.is_partly_out


def test_a_thread_that_goes_out_at_once_is_whole_where_a_person_saw_it(
    thread, script, monkeypatch
):
    """Else the page asks for the rest, which stands below the first part already."""
    spec = replace(Scripted.spec, thread=ThreadRule(9, "POST /posts", at_once=True))
    monkeypatch.setattr(Scripted, "spec", spec)
    monkeypatch.setattr(ScriptedClient, "spec", spec)
    script.answers["post"] = [AmbiguousOutcome("lost")]
    script.answers["look"] = [Look(Sighting.CANNOT_TELL)]
    turn(thread)
    for _ in range(4):
        again(thread)
    Delivery.objects.update(next_attempt_at=None)
    thread.refresh_from_db()
    thread.confirm_live("https://scripted.example/seen")
    assert thread.status == Status.PUBLISHED
    assert thread.permalink == "https://scripted.example/seen"
    assert (thread.parts_out, thread.is_partly_out) == (3, False)
    assert parts_words(thread) == ""
    assert script.asked.count("post") == 1


def test_what_is_out_is_not_said_to_have_failed_as_a_whole(delivery, script):
    """People would write it anew, and it would be there twice."""
    script.answers["post"] = [StepResult({"post": "p1"})]
    script.answers["address"] = [InvalidContent("no")]
    turn(delivery)
    assert (delivery.status, delivery.is_out) == (Status.FAILED, True)
    assert state_sentence(delivery).startswith("It was sent")
    script.answers["address"] = [out(1)]
    delivery.retry()
    turn(delivery)
    assert delivery.status == Status.PUBLISHED
    assert script.asked.count("post") == 1


@pytest.fixture
def commented(delivery):
    write(delivery, [], first_comment="What do you think?")
    return delivery


def test_a_refused_first_comment_leaves_the_post_out(commented, script, monkeypatch):
    written = []

    def comment(self, external_id, text):
        written.append((external_id, text))
        if len(written) == 1:
            raise InvalidContent("comments are off")
        return "c1"

    monkeypatch.setattr(ScriptedClient, "comment", comment)
    turn(commented)
    assert commented.status == Status.FAILED
    assert (commented.parts_out, commented.parts_total) == (1, 2)
    assert parts_words(commented) == "The post is out, its first comment is not"
    commented.retry()
    turn(commented)
    assert commented.status == Status.PUBLISHED
    assert ids(commented) == ["p1", "c1"]
    assert script.asked.count("post") == 1
    assert written == [("p1", "What do you think?")] * 2


@pytest.fixture
def at_once(monkeypatch):
    """The platform sends a thread with its first part."""
    rule = ThreadRule(25, "POST /posts", at_once=True)
    spec = replace(Scripted.spec, thread=rule)
    usual, later = Scripted.next_step, []

    def next_step(self, job, client):
        if job.earlier:
            number = f"{UNNAMED}{job.earlier[0].external_id}:{len(job.earlier) + 1}"
            follows = StepResult(remote=RemotePost(number, ""))
            return Step("follows", StepKind.REPEATABLE, lambda: follows)
        later.append([part.text for part in job.later])
        return usual(self, job, client)

    monkeypatch.setattr(Scripted, "spec", spec)
    monkeypatch.setattr(Scripted, "next_step", next_step)
    return later


def test_a_thread_that_goes_at_once_is_one_commit(thread, script, at_once):
    script.answers["post"] = [out(1)]
    turn(thread)
    assert thread.status == Status.PUBLISHED
    assert ids(thread) == ["p1", "unnamed:p1:2", "unnamed:p1:3"]
    assert script.asked.count("post") == 1
    assert thread.total_commit_count == 1
    assert at_once[0] == ["Second", "Third"]
    assert not thread.is_partly_out


def test_what_went_at_once_stays_as_it_was_sent(thread, script, at_once):
    script.answers["post"] = [out(1)]
    turn(thread)
    # As if the process had ended with the first part.
    first = {parts_of.OUT: thread.witness[parts_of.OUT][:1]}
    Delivery.objects.filter(pk=thread.pk).update(witness=first)
    write(thread, ["Something else"])
    thread.refresh_from_db()
    said = [part.text for part in thread.draft_now().parts]
    assert said == ["Second", "Third"]


def test_a_comment_is_looked_for_when_lists_are_no_longer_old(
    commented, script, monkeypatch
):
    rule = CommentRule("POST /posts", "POST /posts", 100, look_after_s=(7, 500, 600))
    monkeypatch.setattr(Scripted, "spec", replace(Scripted.spec, first_comment=rule))
    lost = AmbiguousOutcome("lost")
    monkeypatch.setattr(ScriptedClient, "comment", lambda *_args: raise_it(lost))
    monkeypatch.setattr(ScriptedClient, "comments", lambda *_args: CommentPage(()))
    before = timezone.now()
    turn(commented)
    assert commented.status == Status.UNCERTAIN
    assert commented.is_at_comment
    waits = [(commented.next_attempt_at - before).total_seconds()]
    for _look in range(2):
        now = timezone.now()
        again(commented)
        if commented.next_attempt_at:
            waits.append((commented.next_attempt_at - now).total_seconds())
    assert [round(wait, -1) for wait in waits] == [10, 490, 100]


def raise_it(error):
    raise error
