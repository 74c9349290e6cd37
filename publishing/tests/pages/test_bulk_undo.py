"""What was done with many posts is taken back, as far as nobody touched them since."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from publishing import approving, bulk_runs, bulk_undo, job_models, jobs, moving
from publishing.models import (
    BulkChange,
    Delivery,
    Job,
    Post,
    Queue,
    QueueSlot,
    Review,
    Series,
    StaleState,
)

from .conftest import make_delivery, make_person
from .test_bulk import LIST, all_of, bulk, many, turns  # noqa: F401

WEEK = timedelta(days=7)


def words(answer) -> str:
    return " ".join(answer.content.decode().split())


def times() -> dict[int, object]:
    return dict(Delivery.objects.values_list("pk", "due_at"))


def run_of(client, rows, action, **fields) -> Job:
    """What was ticked, done at once."""
    bulk(client, rows, action, do="1", **fields)
    return Job.objects.filter(kind="bulk_do").first()


def undo(client, run, **fields):
    return client.post(reverse("bulk_run_undo", args=[run.pk]), fields, follow=True)


def page_of(client, run) -> str:
    return words(client.get(reverse("bulk_run", args=[run.pk]), {"undo": "1"}))


def notes(run) -> dict[str, str]:
    """By text of the post: why it stays, or what else became of it."""
    return dict(run.changes.exclude(note="").values_list("post__text", "note"))


def states(run) -> dict[str, str]:
    return dict(run.changes.values_list("post__text", "state"))


def done_to_all(client, turns, action, **fields) -> Job:  # noqa: F811
    address = all_of(client, action, **fields).redirect_chain[-1][0]
    turns()
    client.post(address)
    turns()
    return Job.objects.get(kind="bulk_do")


# ---------------------------------------------------------------- moving


def test_a_whole_list_goes_back_but_for_what_somebody_changed(world, ana, turns):  # noqa: F811
    rows = many(world, 60)
    before = times()
    run = done_to_all(ana, turns, "move", days="7")
    ben = make_person("ben", "Marketing", brand=world.brand)
    day = timezone.localdate() + timedelta(days=40)
    for row in rows[:2]:
        moving.move(ben, row.post_id, day)
    page = page_of(ana, run)
    assert (
        "58 of 60 moved posts would go back to their former times. 2 would stay" in page
    )
    assert "2 × Somebody has changed it since." in page
    moved = times()
    answer = undo(ana, run)
    assert times() == moved, "that is long work"
    turns()
    page = words(ana.get(answer.redirect_chain[-1][0]))
    assert "58 posts are as before." in page
    assert "2 × Somebody has changed it since." in page
    now = times()
    assert {pk for pk, at in now.items() if at == before[pk]} == {
        row.pk for row in rows[2:]
    }
    assert all(now[row.pk] == moved[row.pk] for row in rows[:2])
    posts = dict(Post.objects.values_list("deliveries__pk", "due_at"))
    assert posts == now
    assert AuditEvent.objects.filter(verb="post.move_undone").count() == 58
    # Once.
    assert "It was undone." in page_of(ana, run)
    assert "can no longer be undone" in words(undo(ana, run))
    assert Job.objects.filter(kind="bulk_undo").count() == 1


def test_ticked_posts_go_back_at_once_from_the_list(world, ana):
    rows = many(world, 3)
    before = times()
    page = words(bulk(ana, rows, "move", days="7", do="1"))
    assert "3 of 3 moved posts would go back to their former times." in page
    run = Job.objects.get(kind="bulk_do")
    Post.objects.get(pk=rows[0].post_id).save()
    assert "2 of 3 moved posts would go back" in words(ana.get("/posts/"))
    page = words(undo(ana, run, next="list"))
    assert "2 posts are as before." in page
    assert "Waits 0: Somebody has changed it since." in page
    assert "moved posts would go back" not in page
    now = times()
    assert [now[row.pk] - before[row.pk] for row in rows] == [WEEK, WEEK * 0, WEEK * 0]


def test_it_is_offered_for_a_day_and_in_the_list_for_minutes(world, ana):
    rows = many(world, 2)
    begun = timezone.now()
    with time_machine.travel(begun, tick=False):
        run = run_of(ana, rows, "move", days="7")
    with time_machine.travel(begun + timedelta(minutes=11), tick=False):
        assert "moved posts would go back" not in words(ana.get("/posts/"))
        assert "2 of 2 moved posts would go back" in page_of(ana, run)
    with time_machine.travel(begun + timedelta(hours=24), tick=False):
        assert "moved posts would go back" not in page_of(ana, run)
        assert "can no longer be undone" in words(undo(ana, run))
    job_models.tidy(timezone.now() + timedelta(days=8))
    assert not BulkChange.objects.exists()


def test_what_leaves_or_would_come_too_soon_stays_where_it_is(world, ana):
    rows = [
        make_delivery(world.x, world.ana, text="Leaves", hours=100),
        make_delivery(world.x, world.ana, text="Is out", hours=101),
        make_delivery(world.x, world.ana, text="Soon", hours=0.05),
        make_delivery(world.x, world.ana, text="Goes", hours=103),
    ]
    run = run_of(ana, rows, "move", days="7")
    Delivery.objects.filter(pk=rows[0].pk).update(status="publishing")
    Delivery.objects.filter(pk=rows[1].pk).update(
        status="published", external_id="1", published_at=timezone.now()
    )
    with time_machine.travel(timezone.now() + timedelta(minutes=4), tick=False):
        undo(ana, run)
    found = notes(run)
    assert "has begun" in found["Leaves"]
    assert "is published" in found["Is out"]
    assert found["Soon"] == "Its former time is over, or too near."
    assert set(found) == {"Leaves", "Is out", "Soon"}
    assert states(run)["Goes"] == "undone"


def test_a_delivery_that_was_given_a_time_of_its_own_stays(world, ana):
    row = make_delivery(world.x, world.ana, text="Later", hours=100)
    run = run_of(ana, [row], "move", days="7")
    Delivery.objects.filter(pk=row.pk).update(due_at=row.due_at + timedelta(days=9))
    assert "1 × Somebody has changed it since." in page_of(ana, run)


@pytest.fixture
def queue(world):
    """Of X, with a slot in 100 hours; and the hours that are left until then."""
    at = (timezone.now() + timedelta(hours=100)).replace(second=0, microsecond=0)
    made = Queue.objects.create(brand=world.brand, name="News", zone="UTC")
    made.accounts.add(world.x)
    QueueSlot.objects.create(queue=made, weekday=at.weekday(), wall=at.time())
    return made


def in_slot(world, text) -> Delivery:
    row = make_delivery(world.x, world.ana, text=text, hours=100)
    at = row.post.due_at.replace(second=0, microsecond=0)
    Post.objects.filter(pk=row.post_id).update(due_at=at)
    Delivery.objects.filter(pk=row.pk).update(due_at=at, next_attempt_at=at)
    return row


@pytest.mark.parametrize(
    ("action", "fields"), [("move", {"days": "7"}), ("cancel", {})]
)
def test_a_slot_that_is_taken_by_now_is_not_taken_back(
    world, ana, queue, action, fields
):
    row = in_slot(world, "Mine")
    run = run_of(ana, [row], action, **fields)
    in_slot(world, "Another one")
    page = page_of(ana, run)
    assert "1 × Its former slot in the queue News is taken by now." in page
    assert "Nothing of it can be undone any more." in page
    assert "moved posts would go" not in words(ana.get("/posts/"))
    undo(ana, run)
    assert states(run) == {"Mine": "done"}


def test_two_that_stood_in_one_slot_stand_there_again(world, ana, queue):
    rows = [in_slot(world, text) for text in ("Moved", "Moved as well")]
    in_slot(world, "Stood there all the time")
    before = times()
    run = run_of(ana, rows, "move", days="7")
    undo(ana, run)
    assert times() == before


def test_an_earlier_run_can_be_undone_once_a_later_one_is(world, ana):
    rows = many(world, 2)
    before = times()
    first = run_of(ana, rows, "move", days="7")
    second = run_of(ana, rows, "move", days="1")
    assert first.pk != second.pk
    assert "Nothing of it can be undone" in page_of(ana, first)
    undo(ana, second)
    undo(ana, first)
    assert times() == before


def test_what_was_held_before_it_was_moved_is_judged_anew(world, ana):
    row = make_delivery(
        world.x,
        world.ana,
        hours=100,
        status="held",
        hold="access",
        next_attempt_at=None,
    )
    run = run_of(ana, [row], "move", days="7")
    undo(ana, run)
    due = row.due_at
    row.refresh_from_db()
    assert (row.status, row.hold, row.next_attempt_at) == ("scheduled", "", due)


# ---------------------------------------------------------------- cancelling


def test_what_was_cancelled_is_scheduled_again(world, ana):
    rows = many(world, 3)
    assert "It can be undone for 24 hours" in words(bulk(ana, rows, "cancel"))
    page = words(bulk(ana, rows, "cancel", do="1"))
    assert "3 of 3 cancelled posts would be scheduled again." in page
    stale = Delivery.objects.get(pk=rows[0].pk)
    run = Job.objects.get(kind="bulk_do")
    assert set(Post.objects.values_list("state", flat=True)) == {"cancelled"}
    undo(ana, run)
    for was in rows:
        row = Delivery.objects.get(pk=was.pk)
        assert (row.status, row.hold) == ("scheduled", "")
        assert row.due_at == row.next_attempt_at == was.due_at
        # Whoever had it in hand before can write nothing into it.
        assert row.fence > was.fence
    stale.status = "scheduled"
    with pytest.raises(StaleState):
        stale.hold_for("limit")
    assert set(Post.objects.values_list("state", flat=True)) == {"scheduled"}
    assert AuditEvent.objects.filter(verb="delivery.uncancelled").count() == 3
    history = words(ana.get(rows[0].get_absolute_url()))
    assert "scheduled again, its cancellation undone" in history
    verbs = AuditEvent.objects.filter(
        target_id=rows[0].post_id, verb__startswith="post."
    )
    assert list(verbs.order_by("at").values_list("verb", flat=True)) == [
        "post.cancelled",
        "post.bulk_undone",
    ]


def test_what_has_passed_its_time_waits_for_a_person(world, ana):
    late = make_delivery(world.x, world.ana, text="Late", hours=1)
    ahead = make_delivery(world.x, world.ana, text="Ahead", hours=100)
    run = run_of(ana, [late, ahead], "cancel")
    with time_machine.travel(timezone.now() + timedelta(minutes=90), tick=False):
        page = page_of(ana, run)
        assert "2 of 2 cancelled posts would be scheduled again." in page
        assert "1 is past its time: it would be held until somebody decides." in page
        page = words(undo(ana, run))
        assert "Is back, but is not sent by itself" in page
        assert "1 × It is past its time: somebody decides" in page
        assert Delivery.objects.needs_person().get() == late
    late.refresh_from_db()
    ahead.refresh_from_db()
    assert (late.status, late.hold, late.next_attempt_at) == ("held", "too_late", None)
    assert ahead.status == "scheduled"


def test_some_accounts_of_a_post_come_back_beside_the_others(world, ana):
    first = make_delivery(world.x, world.ana, text="Both", hours=100)
    second = make_delivery(world.mastodon, world.ana, text="-", hours=100)
    Delivery.objects.filter(pk=second.pk).update(post=first.post, due_at=first.due_at)
    run = run_of(ana, [first], "cancel")
    assert first.post.deliveries.filter(status="cancelled").get() == first
    undo(ana, run)
    assert set(first.post.deliveries.values_list("status", flat=True)) == {"scheduled"}


def test_a_copy_that_says_the_same_keeps_the_cancelled_one_away(world, ana):
    row = make_delivery(world.x, world.ana, text="Sale", hours=100)
    run = run_of(ana, [row], "cancel")
    make_delivery(world.x, world.ana, text="Sale", hours=101)
    undo(ana, run)
    assert "says the same" in notes(run)["Sale"]
    row.refresh_from_db()
    assert row.status == "cancelled"


def test_the_rest_of_a_thread_that_was_left_is_not_sent_after_all(world, ana):
    row = make_delivery(
        world.x,
        world.ana,
        text="Thread",
        status="failed",
        draft={"text": "Thread", "parts": [{"text": "two", "media": []}]},
        witness={"parts_out": [{"external_id": "1", "permalink": ""}]},
        external_id="1",
        published_at=timezone.now(),
    )
    Delivery.objects.filter(pk=row.pk).update(status="held", hold="limit")
    page = words(bulk(ana, [row], "cancel"))
    assert "its rest cannot be called back later" in page
    run = run_of(ana, [row], "cancel")
    assert "A part of it is out: its rest cannot be called back." in page_of(ana, run)
    row.refresh_from_db()
    assert row.status == "published"


def test_a_post_of_a_series_that_has_ended_since_stays_cancelled(world, ana):
    row = make_delivery(world.x, world.ana, text="Weekly", hours=100)
    pattern = Post.objects.create(
        brand=world.brand, author=world.ana, text="Weekly", state="pattern"
    )
    series = Series.objects.create(
        brand=world.brand,
        author=world.ana,
        pattern=pattern,
        wall="09:00",
        zone="UTC",
        first_on=timezone.localdate(),
    )
    Post.objects.filter(pk=row.post_id).update(
        series=series, occurrence_on=timezone.localdate()
    )
    run = run_of(ana, [row], "cancel")
    assert "1 of 1 cancelled posts would be scheduled again" in page_of(ana, run)
    AuditEvent.write(world.adam, "series.ended", series, posts=0)
    assert "Its series was changed or ended since." in page_of(ana, run)


def test_drafts_that_were_thrown_away_come_back(world, ana):
    drafts = [
        Post.objects.create(brand=world.brand, author=world.ana, text=f"Draft {n}")
        for n in range(2)
    ]
    page = words(bulk(ana, drafts, "cancel", do="1"))
    assert "2 of 2 drafts that were thrown away would come back." in page
    undo(ana, Job.objects.get(kind="bulk_do"))
    assert set(Post.objects.values_list("state", flat=True)) == {"draft"}


# ---------------------------------------------------------------- approval


@pytest.fixture
def approved(world):
    """A post that somebody has approved as it stands."""
    row = make_delivery(world.x, world.ana, text="Sale", hours=100)
    world.brand.approval_steps = 1
    world.brand.save()
    review = approving.bind(row.post, world.ana)
    approving.approve(world.rita, row.post_id, review.fingerprint)
    row.refresh_from_db()
    assert row.status == "scheduled"
    assert row.approved_as
    return row


@pytest.mark.parametrize(
    ("action", "fields"), [("move", {"days": "7"}), ("cancel", {})]
)
def test_what_was_approved_is_approved_when_just_that_comes_back(
    world, ana, approved, action, fields
):
    run = run_of(ana, [approved], action, **fields)
    assert "would be approved again" in page_of(ana, run)
    yes = approved.approved_as
    if action == "move":
        row = Delivery.objects.get(pk=approved.pk)
        assert (row.status, row.hold, row.approved_as) == ("held", "approval", "")
    undo(ana, run)
    row = Delivery.objects.get(pk=approved.pk)
    assert (row.status, row.approved_as) == ("scheduled", yes)
    assert row.approvals_missing == 0
    assert row.next_attempt_at == approved.due_at
    assert Review.objects.get(post=row.post_id, is_current=True).state == "approved"


def test_what_nobody_approved_waits_for_approval_again(world, ana):
    row = make_delivery(world.x, world.ana, text="Sale", hours=100)
    world.brand.approval_steps = 1
    world.brand.save()
    approving.bind(row.post, world.ana)
    run = run_of(ana, [row], "cancel")
    undo(ana, run)
    row.refresh_from_db()
    assert (row.status, row.hold, row.next_attempt_at) == ("held", "approval", None)
    assert notes(run) == {"Sale": "It waits for approval."}


def test_a_brand_that_asks_for_approval_since_is_asked(world, ana):
    row = make_delivery(world.x, world.ana, text="Sale", hours=100)
    run = run_of(ana, [row], "cancel")
    world.brand.approval_steps = 1
    world.brand.save()
    undo(ana, run)
    row.refresh_from_db()
    assert (row.status, row.hold, row.approvals_missing) == ("held", "approval", 1)


def test_asking_for_approval_says_that_it_cannot_be_undone(world, ana):
    row = make_delivery(world.x, world.ana, text="Sale", hours=100)
    world.brand.approval_steps = 1
    world.brand.save()
    assert "Asking cannot be undone" in words(bulk(ana, [row], "ask"))
    page = words(bulk(ana, [row], "ask", do="1"))
    assert "1 post is done." in page
    assert "would" not in page
    run = Job.objects.get(kind="bulk_do")
    assert "Asking cannot be undone" in page_of(ana, run)
    assert "can no longer be undone" in words(undo(ana, run))


# ---------------------------------------------------------------- owners and rights


def test_posts_go_back_to_who_looked_after_them(world, ana):
    cleo = make_person("cleo", brand=world.brand)
    rows = many(world, 4)
    Post.objects.filter(pk=rows[1].post_id).update(owner=cleo)
    Post.objects.filter(pk=rows[2].post_id).update(owner=cleo)
    run = run_of(ana, rows, "reassign", person=world.adam.pk)
    assert "4 of 4 posts would go back to who looked after them" in page_of(ana, run)
    # One is given on and comes back: that was somebody's choice.
    for other in (cleo, world.adam):
        run_of(ana, [rows[3]], "reassign", person=other.pk)
    undo(ana, run)
    owners = dict(Post.objects.values_list("text", "owner__username"))
    assert owners == {
        "Waits 0": None,
        "Waits 1": "cleo",
        "Waits 2": "cleo",
        "Waits 3": "adam",
    }
    assert notes(run) == {"Waits 3": "Somebody has changed it since."}


def test_nothing_is_given_back_to_who_has_left(world, ana):
    rows = many(world, 2)
    cleo = make_person("cleo", brand=world.brand)
    dora = make_person("dora", brand=world.brand)
    Post.objects.filter(pk=rows[0].post_id).update(owner=cleo)
    Post.objects.filter(pk=rows[1].post_id).update(owner=dora)
    run = run_of(ana, rows, "reassign", person=world.adam.pk)
    type(cleo).objects.filter(pk=cleo.pk).update(is_active=False)
    world.brand.members.remove(dora)
    page = page_of(ana, run)
    assert "Who looked after it before has left." in page
    assert "dora does not see this brand." in page


def test_nobody_else_undoes_it_nor_who_may_not_write_any_more(
    world,
    ana,
    sign_in,
    turns,  # noqa: F811
):
    rows = many(world, 60)
    run = done_to_all(ana, turns, "move", days="7")
    moved = times()
    assert undo(sign_in(world.adam), run).status_code == 404
    assert undo(sign_in(world.rita), run).status_code == 403
    answer = undo(ana, run)
    world.ana.groups.clear()
    turns()
    assert Job.objects.get(kind="bulk_undo").state == "failed"
    assert times() == moved
    assert answer.status_code == 200
    assert len(rows) == run.changes.filter(state="done").count()


def test_posts_of_a_brand_that_is_not_yours_any_more_stay(world, ana):
    row = make_delivery(world.x, world.ana, hours=100)
    run = run_of(ana, [row], "move", days="7")
    world.brand.members.remove(world.ana)
    assert "belongs to a brand that is not yours" in page_of(ana, run)


# ---------------------------------------------------------------- as long work


def test_an_undo_goes_on_after_a_kill_and_can_be_stopped_and_taken_up(
    world,
    ana,
    turns,  # noqa: F811
    monkeypatch,
):
    many(world, 60)
    before = times()
    run = done_to_all(ana, turns, "move", days="7")
    undo(ana, run)
    job = Job.objects.get(kind="bulk_undo")
    count = iter(range(1000))

    def die(name):
        if next(count) in (4, 9):
            raise SystemExit(f"killed at {name}")

    monkeypatch.setattr(bulk_runs, "crash_point", die)
    for _death in range(2):
        with pytest.raises(SystemExit):
            jobs.take_turn()
        Job.objects.update(lease_expires_at=None)
    job.refresh_from_db()
    back = sum(times()[pk] == at for pk, at in before.items())
    assert job.done == back == run.changes.filter(state="undone").count() > 0
    ana.post(reverse("job_cancel", args=[job.pk]))
    turns()
    job.refresh_from_db()
    assert job.state == "cancelled"
    page = page_of(ana, run)
    assert "Undoing it was broken off." in page
    assert f"{60 - back} of {60 - back} moved posts would go back" in page
    undo(ana, run)
    turns()
    assert times() == before
    assert AuditEvent.objects.filter(verb="post.move_undone").count() == 60


def test_two_presses_make_one_undo(world, ana, turns):  # noqa: F811
    many(world, 60)
    run = done_to_all(ana, turns, "cancel")
    for _press in range(2):
        undo(ana, run)
    turns()
    assert Job.objects.filter(kind="bulk_undo").count() == 1
    assert AuditEvent.objects.filter(verb="delivery.uncancelled").count() == 60


def test_what_a_page_ticked_goes_on_in_the_cluster_if_it_takes_long(
    world,
    ana,
    turns,  # noqa: F811
    monkeypatch,
):
    monkeypatch.setattr(bulk_runs, "WAITED_S", 0)
    rows = many(world, 3)
    before = times()
    answer = bulk(ana, rows, "move", days="7", do="1")
    assert answer.redirect_chain[-1][0].startswith("/posts/bulk/")
    turns()
    assert all(times()[row.pk] - before[row.pk] == WEEK for row in rows)
    run = Job.objects.get(kind="bulk_do")
    undo(ana, run)
    turns()
    assert times() == before


def test_an_offer_asks_no_more_of_many_than_of_few(world, ana):
    cost = []
    for number in (2, 12):
        run = run_of(ana, many(world, number), "cancel")
        with CaptureQueriesContext(connection) as caught:
            assert bulk_undo.offer(run).number == number
        cost.append(len(caught))
        Delivery.objects.all().update(fingerprint="")
    assert cost[0] == cost[1]


def test_what_an_undo_of_many_would_do_is_worked_out_when_it_is_asked_for(
    world, ana, monkeypatch
):
    run = run_of(ana, many(world, 4), "cancel")
    address = reverse("bulk_run", args=[run.pk])
    offered = "Undo: 4 posts"
    assert offered in words(ana.get(address))
    monkeypatch.setattr(bulk_undo, "MOST", 3)
    page = words(ana.get(address))
    assert offered not in page
    assert 'href="?undo=1#undo-head"' in page
    assert offered in page_of(ana, run)
    undo(ana, run)
    page = words(ana.get(address))
    assert "?undo=1" not in page
    assert "It was undone." in page


def test_the_list_is_found_again_by_its_address(world, ana):
    bulk(ana, many(world, 1), "move", days="7", do="1", next=LIST)
    answer = undo(ana, Job.objects.get(kind="bulk_do"), next="list")
    assert answer.redirect_chain[-1][0] == LIST
