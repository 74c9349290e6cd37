"""Files that leave before their post does, and beside the lane of its account."""

from __future__ import annotations

import uuid
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Credential
from platforms.base import (
    Draft,
    MediaFile,
    MediaKind,
    RemotePost,
    StepResult,
    TokenSet,
)
from platforms.errors import (
    AuthExpired,
    AuthRevoked,
    Cause,
    InvalidContent,
    PermissionMissing,
    RateLimited,
    TransientError,
)
from publishing import carrying, composing, stops
from publishing.agenda import ahead_soon
from publishing.engine import PumpRun
from publishing.models import Attempt, Delivery, Stop
from publishing.sweeps import recover_abandoned
from publishing.wording import next_sentence, state_sentence
from publishing.work import LEASE

from .test_agenda import plan

pytestmark = pytest.mark.django_db
Status = Delivery.Status
HOUR = timedelta(hours=1)


class HeldPump(PumpRun):
    """A pump whose calls are made when the test says so."""

    def __init__(self) -> None:
        super().__init__(seconds=1, threads=10)
        self.pool = self
        self.calls: list[Any] = []

    def submit(self, call: Any) -> None:
        self.calls.append(call)

    def claim(self) -> HeldPump:
        """Take what is due, and what may leave ahead."""
        self._send_ahead(timezone.now())
        self.agenda.read(timezone.now())
        self._claim()
        return self

    def finish(self) -> None:
        """Make all calls, those that follow as well."""
        while self.calls:
            self.calls.pop(0)()
            self.unsaved.append(self.results.get())
            self._save_results()
        self._settle_windows()

    def turn(self) -> None:
        self.claim().finish()


@pytest.fixture(autouse=True)
def films(monkeypatch: pytest.MonkeyPatch) -> None:
    """A post about a film has large files."""
    monkeypatch.setattr(carrying, "is_heavy", lambda draft: "film" in draft.text)


@pytest.fixture
def film(account: Any, make_delivery: Any, script: Any) -> Delivery:
    """Due in an hour; its file may leave for half an hour before that."""
    script.steps = ["upload"]
    return make_delivery(account, "A film", due_in=HOUR)


def fresh(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_related("account__credential", "post").get(
        pk=delivery.pk
    )


def at(delivery: Delivery, **before: float) -> Any:
    """So long before its due time."""
    return time_machine.travel(delivery.due_at - timedelta(**before), tick=False)


# ---------------------------------------------------------------- beside the lane


def test_a_large_file_on_its_way_makes_no_other_post_of_its_account_late(
    account, make_delivery, script
):
    script.steps = ["upload"]
    film = make_delivery(account, "A film")
    news = make_delivery(account, "News")
    pump = HeldPump().claim()
    assert fresh(film).is_carried
    pump.claim()
    assert fresh(news).status == Status.PUBLISHING
    assert HeldPump().claim().calls == []  # each of them is somebody's
    pump.finish()
    assert fresh(news).status == Status.PUBLISHED
    assert fresh(film).prepared_at
    two = RemotePost("p2", "https://scripted.example/p2")
    script.answers["post"] = [StepResult(remote=two)]
    pump.turn()
    assert fresh(film).status == Status.PUBLISHED


def test_another_pump_sees_a_free_lane_beside_a_large_file(
    account, make_delivery, script
):
    script.steps = ["upload"]
    make_delivery(account, "A film")
    news = make_delivery(account, "News")
    HeldPump().claim()
    HeldPump().turn()
    assert fresh(news).status == Status.PUBLISHED


def test_a_post_whose_file_has_arrived_goes_before_what_was_due_after_it(
    account, make_delivery, script
):
    script.steps = ["upload"]
    film = make_delivery(account, "A film")
    news = make_delivery(account, "News", due_in=timedelta(seconds=2))
    HeldPump().turn()
    with at(news, seconds=-1):
        HeldPump().turn()
        assert fresh(film).status == Status.PUBLISHED
        assert fresh(news).status == Status.SCHEDULED


def test_its_file_is_there_before_its_commit_and_the_commit_is_the_lanes(
    account, make_delivery, script
):
    script.steps = ["upload"]
    film = make_delivery(account, "A film")
    pump = HeldPump()
    pump.turn()
    assert script.asked == ["upload"]
    row = fresh(film)
    assert (row.status, row.commit_count, row.lease_expires_at) == (
        Status.SCHEDULED,
        0,
        None,
    )
    pump.turn()
    assert script.asked == ["upload", "post"]
    assert fresh(film).status == Status.PUBLISHED
    kinds = [a.outcome for a in Attempt.objects.filter(delivery=film)]
    assert kinds == ["sent_ahead", "published"]


def test_parts_follow_each_other_without_a_word_to_the_database(
    account, make_delivery, script, django_assert_max_num_queries
):
    script.steps = [f"part:{n}" for n in range(50)]
    film = make_delivery(account, "A film")
    pump = HeldPump().claim()
    with django_assert_max_num_queries(25):
        pump.finish()
    assert len(script.asked) == 50
    assert fresh(film).prepared_at


def test_a_part_that_fails_takes_nothing_back_from_those_before_it(
    account, make_delivery, script
):
    script.steps = ["part:1", "part:2", "part:3"]
    script.answers["part:2"] = [TransientError(), StepResult({"part:2": "done"})]
    film = make_delivery(account, "A film")
    HeldPump().turn()
    assert script.asked == ["part:1", "part:2", "part:2", "part:3"]
    assert set(fresh(film).witness) == {"part:1", "part:2", "part:3"}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (InvalidContent(cause=Cause.MEDIA_REFUSED), Status.FAILED),
        (RateLimited(retry_after=60), Status.HELD),
        (TransientError(), Status.SCHEDULED),
        (StepResult({}, wait_s=30), Status.PROCESSING),
    ],
)
def test_of_a_post_that_is_due_each_answer_counts_at_once(
    account, make_delivery, script, answer, status
):
    script.steps = ["upload"]
    script.answers["upload"] = [answer]
    film = make_delivery(account, "A film")
    HeldPump().turn()
    row = fresh(film)
    assert row.status == status
    assert row.lease_expires_at is None
    if status == Status.SCHEDULED:
        assert row.next_attempt_at > timezone.now()
        assert row.transient_count == 1


def test_trouble_that_stays_ends_although_each_try_begins_well(
    account, make_delivery, script
):
    script.steps = ["begin", "upload"]
    script.answers["upload"] = [TransientError(extra={"forget": "begin"})]
    film = make_delivery(account, "A film")
    for _ in range(3):
        Delivery.objects.filter(pk=film.pk).update(next_attempt_at=timezone.now())
        HeldPump().turn()
    assert fresh(film).transient_count == 3


# ---------------------------------------------------------------- ahead of its time


def test_a_file_leaves_ahead_and_its_post_on_time(film, script):
    with at(film, minutes=31):
        HeldPump().turn()
        assert script.asked == []
    with at(film, minutes=29):
        HeldPump().turn()
        assert script.asked == ["upload"]
        assert fresh(film).prepared_at
        HeldPump().turn()
        assert script.asked == ["upload"]
    with at(film, seconds=-1):
        HeldPump().turn()
        assert script.asked == ["upload", "post"]
        row = fresh(film)
        assert (row.status, row.prepare_at) == (Status.PUBLISHED, None)


def test_a_small_post_leaves_with_its_time(account, make_delivery, script):
    script.steps = ["upload"]
    news = make_delivery(account, "News", due_in=HOUR)
    assert news.prepare_at is None
    with at(news, minutes=1):
        HeldPump().turn()
    assert script.asked == []


def film_of(size: int) -> Draft:
    file = MediaFile(
        "a1", "video/mp4", size, 1, 1, "", "", "a.mp4", BytesIO, kind=MediaKind.VIDEO
    )
    return Draft("", media=(file,))


def test_how_long_ahead_follows_from_size_and_from_the_networks_memory():
    small, large = film_of(20 << 20), film_of(2 << 30)
    assert carrying.lead_s("x", small) < carrying.lead_s("x", large)
    assert carrying.lead_s("tiktok", large) < 3600
    assert carrying.lead_s("ayrshare", large) == 0


def test_a_cancelled_post_takes_its_file_with_it(film, script):
    with at(film, minutes=29):
        pump = HeldPump().claim()
        fresh(film).cancel()
        pump._keep_carrying(timezone.now())
        assert [work.client.http.is_cut for work in pump._carried()] == [True]
        pump.finish()
    row = fresh(film)
    assert (row.status, row.witness, row.lease_expires_at) == (
        Status.CANCELLED,
        {},
        None,
    )
    with at(film, seconds=-1):
        HeldPump().turn()
    assert script.asked == ["upload"]


def edit(delivery: Delivery, text: str) -> None:
    post = delivery.post
    composition = composing.saved_composition(post)
    composition.text = text
    day, wall = post.due_at.date(), post.due_at.time()
    composing.save(
        composition,
        post.author,
        post=post,
        token=uuid.uuid4().hex,
        when=composing.Timing(post.due_at, post.useful_until, day, wall, "UTC"),
        wall=(day, wall, "UTC"),
        go=True,
    )


def test_an_edit_discards_what_was_sent_and_it_is_sent_anew(film, script):
    with at(film, minutes=29):
        HeldPump().turn()
        marker = fresh(film).marker
        edit(fresh(film), "Another film")
        row = fresh(film)
        assert (row.prepared_at, row.sent_bytes) == (None, 0)
        HeldPump().turn()
        assert script.asked == ["upload", "upload"]
        row = fresh(film)
        assert row.prepared_at
        assert row.marker != marker
    with at(film, seconds=-1):
        HeldPump().turn()
    assert script.seen_markers == [fresh(film).marker]


def test_an_edit_while_the_file_is_on_its_way_leaves_no_trace_of_the_old_one(
    film, script
):
    script.answers["upload"] = [
        StepResult({"upload": "old"}),
        StepResult({"upload": "new"}),
    ]
    with at(film, minutes=29):
        pump = HeldPump().claim()
        edit(fresh(film), "Another film")
        pump.finish()
        assert fresh(film).witness == {}
        HeldPump().turn()
        assert fresh(film).witness == {"upload": "new"}


def test_an_edit_while_the_file_is_on_its_way_is_taken_anew_when_that_has_ended(
    film, script
):
    with at(film, minutes=29):
        pump = HeldPump().claim()
        old = pump.in_flight[film.pk]
        edit(fresh(film), "Another film")
        pump.claim()
        assert len(pump.calls) == 1
        assert old.client.http.is_cut
        pump.finish()
        assert not pump.in_flight
        pump.turn()
        row = fresh(film)
        assert row.prepared_at
        assert script.asked == ["upload", "upload"]
        assert recover_abandoned(timezone.now(), pump.id, pump.in_flight) == 0


def test_what_an_old_call_brings_does_not_make_the_new_one_forgotten(
    account, make_delivery, script
):
    script.steps = ["upload"]
    film = make_delivery(account, "A film")
    pump = HeldPump().claim()
    assert fresh(film).is_carried
    script.steps = []
    edit(fresh(film), "Small")
    later = make_delivery(account, "Behind it")
    pump.claim()
    # It keeps its place, and the pump does not read for it over and over.
    assert pump._nap() > 0
    pump.claim()
    assert len(pump.calls) == 1
    assert fresh(later).lease_expires_at is None
    pump.finish()
    pump.turn()
    assert fresh(film).status == Status.PUBLISHED


def test_a_moved_post_keeps_what_is_there_and_is_looked_at_before_its_new_time(
    film, script
):
    with at(film, minutes=29):
        HeldPump().turn()
        later = film.due_at + 3 * HOUR
        fresh(film).reschedule(later, later + 2 * HOUR)
    with at(film, seconds=-60):
        HeldPump().turn()
        assert script.asked == ["upload"]
    with at(fresh(film), minutes=29):
        HeldPump().turn()
        assert fresh(film).prepare_at is None
    with at(fresh(film), seconds=-1):
        HeldPump().turn()
        assert fresh(film).status == Status.PUBLISHED
    assert script.asked == ["upload", "post"]


def stop(author: Any) -> Stop:
    made, _new = stops.start(
        author, Stop(scope=Stop.Scope.EVERYTHING, reason="Wrong price")
    )
    return made


def test_nothing_leaves_ahead_while_publishing_is_stopped(film, author, script):
    with at(film, minutes=29):
        stop(author)
        HeldPump().turn()
        assert script.asked == []
    with at(film, seconds=-1):
        HeldPump().turn()
        assert fresh(film).hold == Delivery.Hold.STOPPED


def test_a_stop_cuts_what_is_on_its_way(film, author, script):
    script.steps = ["begin", "upload"]
    with at(film, minutes=29):
        pump = HeldPump().claim()
        stop(author)
        pump._keep_carrying(timezone.now())
        assert pump._carried()[0].client.http.is_cut
        pump.finish()
        row = fresh(film)
        assert (row.status, row.lease_expires_at) == (Status.SCHEDULED, None)
        assert row.witness == {"begin": "done"}
    assert script.asked == ["begin"]


def test_a_refusal_ahead_is_shown_and_changes_no_plan(film, script):
    script.answers["upload"] = [InvalidContent("no", cause=Cause.MEDIA_REFUSED)]
    with at(film, minutes=29):
        HeldPump().turn()
        row = fresh(film)
        assert (row.status, row.cause) == (Status.SCHEDULED, Cause.MEDIA_REFUSED)
        HeldPump().turn()
        assert script.asked == ["upload"]
    with at(film, seconds=-1):
        HeldPump().turn()
        assert fresh(film).status == Status.FAILED


def test_another_file_makes_a_refusal_ahead_forgotten(film, script):
    script.answers["upload"] = [
        InvalidContent("no", cause=Cause.MEDIA_REFUSED),
        StepResult({"upload": "done"}),
    ]
    with at(film, minutes=29):
        HeldPump().turn()
        edit(fresh(film), "A better film")
        assert fresh(film).cause == ""
        HeldPump().turn()
        assert fresh(film).prepared_at


def test_an_account_that_is_disconnected_while_its_file_leaves_is_told_at_its_time(
    film, script
):
    def answer(name):
        type(film.account).objects.update(credential=None)
        raise PermissionMissing

    script.answer = answer
    with at(film, minutes=29):
        HeldPump().turn()
        assert fresh(film).lease_expires_at is None
    with at(film, seconds=-1):
        HeldPump().turn()
        assert fresh(film).hold == "disconnected"


def test_trouble_ahead_is_tried_again_and_never_after_its_time(film, script):
    script.answers["upload"] = [
        TransientError(),
        RateLimited(retry_after=600),
        TransientError(retry_after=7200),
    ]
    with at(film, minutes=29):
        HeldPump().turn()
        row = fresh(film)
        assert timezone.now() < row.prepare_at < film.due_at
        assert (row.transient_count, row.next_attempt_at) == (0, film.due_at)
    with at(film, minutes=20):
        HeldPump().turn()
        assert fresh(film).prepare_at >= timezone.now() + timedelta(seconds=600)
    with at(film, minutes=2):
        HeldPump().turn()
        assert fresh(film).prepare_at is None


def test_a_network_that_works_on_it_is_asked_again_ahead(film, script):
    script.answers["upload"] = [
        StepResult({"begun": 1}, wait_s=60),
        StepResult({"upload": "done"}),
    ]
    with at(film, minutes=29):
        HeldPump().turn()
        row = fresh(film)
        assert (row.status, row.witness) == (Status.SCHEDULED, {"begun": 1})
        HeldPump().turn()
        assert script.asked == ["upload"]
    with at(film, minutes=27):
        HeldPump().turn()
        assert fresh(film).prepared_at


def test_a_dead_token_is_told_ahead_and_holds_nothing_before_its_time(film, script):
    script.answers["upload"] = [AuthRevoked()]
    with at(film, minutes=29):
        HeldPump().turn()
        row = fresh(film)
        assert not row.account.credential.is_active
        assert row.status == Status.SCHEDULED


@pytest.mark.trap("x", 5)
def test_a_token_that_is_called_expired_is_renewed_ahead(film, script):
    Credential.objects.update(refresh_token="r")
    script.answers["upload"] = [AuthExpired(), StepResult({"upload": "done"})]
    script.answers["refresh"] = [TokenSet("renewed", "next")]
    with at(film, minutes=29):
        HeldPump().turn()
        assert fresh(film).account.credential.expires_at == timezone.now()
    with at(film, minutes=28):
        pump = HeldPump().claim()
        for call in [*pump.calls]:
            call()
        pump.unsaved.append(pump.results.get())
        pump._save_results()
    with at(film, minutes=20):
        HeldPump().turn()
        assert fresh(film).prepared_at


# ---------------------------------------------------------------- deaths


def test_a_dead_pump_gives_a_file_back_and_changes_no_plan(film, script):
    with at(film, minutes=29):
        HeldPump().claim()  # and never heard of again
        assert recover_abandoned(timezone.now() + LEASE + timedelta(seconds=1)) == 1
        row = fresh(film)
        assert (row.status, row.next_attempt_at) == (Status.SCHEDULED, film.due_at)
        assert row.attempts.get().outcome == "abandoned"
        HeldPump().turn()
        assert fresh(film).prepared_at


def test_a_late_pump_writes_nothing_over_its_successor(film, script):
    script.answers["upload"] = [
        StepResult({"upload": "second"}),
        StepResult({"upload": "first"}),
    ]
    with at(film, minutes=29):
        late = HeldPump().claim()
        recover_abandoned(timezone.now() + LEASE + timedelta(seconds=1))
        HeldPump().turn()
        late.finish()
        assert fresh(film).witness == {"upload": "second"}


def test_a_file_on_its_way_keeps_its_lease_for_as_long_as_its_pump_lives(film):
    with at(film, minutes=29):
        pump = HeldPump().claim()
    with at(film, minutes=20):
        pump._keep_carrying(timezone.now())
        assert fresh(film).lease_expires_at == timezone.now() + LEASE
        assert recover_abandoned(timezone.now()) == 0


def test_a_pump_that_ends_gives_back_what_it_carries(film, script):
    script.steps = ["begin", "upload"]
    with at(film, minutes=29):
        pump = HeldPump().claim()
        pump._carried()[0].client.http.is_cut = True
        pump.finish()
        assert script.asked == ["begin"]
        HeldPump().turn()
        assert script.asked == ["begin", "upload"]
        assert fresh(film).prepared_at


def test_one_pump_carries_no_more_than_its_share(
    account, make_delivery, script, settings
):
    settings.PUBLISH_UPLOADS = 2
    script.steps = ["upload"]
    films = [make_delivery(account, f"A film {n}", due_in=HOUR) for n in range(3)]
    with at(films[0], minutes=20):
        assert len(HeldPump().claim().calls) == 2


def test_pages_say_how_far_its_file_is(film):
    draft = {"media": [{"kind": "video", "size_bytes": 200}]}
    lease = timezone.now() + LEASE
    row = fresh(film)
    assert "goes out by itself" in next_sentence(row)
    row.draft, row.sent_bytes, row.lease_expires_at = draft, 90, lease
    for words in (state_sentence(row), next_sentence(row)):
        assert words.startswith(
            "The video is on its way to Scripted ahead of time: 45 %"
        )
    row.lease_expires_at, row.prepared_at = None, timezone.now()
    for words in (state_sentence(row), next_sentence(row)):
        assert words.startswith("The video is at Scripted already; it goes out at ")
        assert words.endswith("(UTC).")
    row.lease_expires_at, row.due_at = lease, timezone.now()
    assert "It goes out when it is there." in state_sentence(row)


def test_pages_say_what_was_refused_ahead_of_time(film, script):
    script.answers["upload"] = [InvalidContent("no", cause=Cause.MEDIA_REFUSED)]
    with at(film, minutes=29):
        HeldPump().turn()
        assert "out by itself" not in next_sentence(fresh(film))


def test_finding_what_may_leave_ahead_uses_its_own_index(film):
    assert "delivery_ahead" in plan(ahead_soon(timezone.now()))
