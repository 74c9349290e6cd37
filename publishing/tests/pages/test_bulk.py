"""Many posts of the list at once: looked at first, then done, one by one."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from publishing import bulk_runs, jobs, moving
from publishing.models import Delivery, Job, Post, Review

from .conftest import make_delivery, make_person


def bulk(client, rows, action, **fields):
    picks = [
        f"d{row.pk}" if isinstance(row, Delivery) else f"p{row.pk}" for row in rows
    ]
    return client.post(
        reverse("post_bulk"), {"pick": picks, "action": action, **fields}, follow=True
    )


def effects(answer):
    return {effect.post.text: effect for effect in answer.context["effects"]}


def three(world):
    return [
        make_delivery(world.x, world.ana, text="Waits", hours=100),
        make_delivery(
            world.x, world.ana, text="Leaves", hours=101, status="publishing"
        ),
        make_delivery(
            world.x, world.ana, text="Is out", status="published", external_id="1"
        ),
    ]


def test_a_move_is_looked_at_first_and_names_what_stays(world, ana):
    rows = three(world)
    due = {row.pk: row.due_at for row in rows}
    look = bulk(ana, rows, "move", days="7")
    found = effects(look)
    assert found["Waits"].then
    assert "has begun" in found["Leaves"].refused
    assert "is published" in found["Is out"].refused
    assert {r.pk: r.due_at for r in Delivery.objects.all()} == due
    assert "Move: 1 post" in " ".join(look.content.decode().split())
    done = bulk(ana, rows, "move", days="7", do="1").content.decode()
    assert "1 post is done." in done
    assert "has begun" in done
    moved = Delivery.objects.get(pk=rows[0].pk)
    assert moved.due_at - due[moved.pk] == timedelta(days=7)
    assert moved.due_at == Post.objects.get(pk=moved.post_id).due_at


def test_a_move_that_is_sent_twice_is_made_once(world, ana):
    row = make_delivery(world.x, world.ana, text="Waits", hours=100)
    due = row.due_at
    seen = bulk(ana, [row], "move", days="7").context["seen"]
    for _click in range(2):
        page = bulk(ana, [row], "move", days="7", do="1", seen=seen).content.decode()
    assert "Somebody has moved it meanwhile" in page
    row.refresh_from_db()
    assert row.due_at == due + timedelta(days=7)
    # The first one can still be taken back.
    run = Job.objects.filter(kind="bulk_do").last()
    ana.post(reverse("bulk_run_undo", args=[run.pk]))
    row.refresh_from_db()
    assert row.due_at == due


def test_a_time_of_day_is_set_for_all(world, ana):
    rows = [
        make_delivery(world.x, world.ana, text=f"n{n}", hours=99 + n * 30)
        for n in range(2)
    ]
    bulk(ana, rows, "move", days="0", time="06:45", do="1")
    for row in rows:
        row.refresh_from_db()
        local = timezone.localtime(row.due_at)
        assert (local.hour, local.minute) == (6, 45)


def test_a_post_to_two_accounts_is_moved_once(world, ana):
    first = make_delivery(world.x, world.ana, text="Both", hours=100)
    second = make_delivery(world.mastodon, world.ana, text="-", hours=100)
    Delivery.objects.filter(pk=second.pk).update(post=first.post, due_at=first.due_at)
    look = bulk(ana, [first, second], "move", days="1")
    assert len(look.context["effects"]) == 1
    bulk(ana, [first, second], "move", days="1", do="1")
    times = set(first.post.deliveries.values_list("due_at", flat=True))
    assert times == {first.due_at + timedelta(days=1)}


def test_cancelling_says_what_is_too_late(world, ana):
    rows = three(world)
    draft = Post.objects.create(brand=world.brand, author=world.ana, text="Draft")
    look = effects(bulk(ana, [*rows, draft], "cancel"))
    assert look["Waits"].then
    assert "Too late" in look["Leaves"].refused
    assert look["Draft"].then == "is thrown away"
    assert not Delivery.objects.filter(status="cancelled").exists()
    bulk(ana, [*rows, draft], "cancel", do="1")
    assert Delivery.objects.get(status="cancelled").post.text == "Waits"
    states = dict(Post.objects.values_list("text", "state"))
    assert states["Waits"] == states["Draft"] == Post.State.CANCELLED
    assert states["Leaves"] == Post.State.SCHEDULED


def test_posts_are_given_to_somebody_who_sees_the_brand(world, ana):
    rows = three(world)
    ben = make_person("ben", brand=world.brand)
    found = effects(bulk(ana, rows, "reassign", person=ben.pk))
    assert (found["Waits"].now, found["Waits"].then) == ("ana", "ben")
    bulk(ana, rows, "reassign", person=ben.pk, do="1")
    assert set(Post.objects.values_list("owner__username", flat=True)) == {"ben"}
    shown = ana.get(reverse("post_list"), {"tab": "all", "owner": ben.pk})
    assert len(shown.context["rows"]) == 3
    shown = ana.get(reverse("post_list"), {"tab": "all", "owner": world.ana.pk})
    assert shown.context["rows"] == []
    refused = bulk(ana, rows, "reassign", person=world.stranger.pk, do="1")
    assert "choose somebody of your brands" in refused.content.decode()


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("move", {"days": "x"}, "Days: write a whole number"),
        ("move", {"days": "9999"}, "Days: at most 366"),
        ("move", {"days": ""}, "Days: write a number other than 0"),
        ("move", {"days": "1", "time": "soon"}, "Time: write one such as 09:00."),
        ("sell", {}, "Choose what to do"),
        ("reassign", {"person": "x"}, "New owner: choose"),
    ],
)
def test_what_cannot_be_read_is_said_and_changes_nothing(
    world, ana, action, fields, said
):
    row = make_delivery(world.x, world.ana, hours=100)
    page = bulk(ana, [row], action, do="1", **fields).content.decode()
    assert said in page
    due = row.due_at
    row.refresh_from_db()
    assert (row.due_at, row.status) == (due, "scheduled")


def test_nothing_ticked_is_said(world, ana):
    assert "Tick at least one post." in bulk(ana, [], "cancel").content.decode()
    page = ana.post(
        reverse("post_bulk"), {"pick": ["x1", "d", "d999999"], "action": "cancel"}
    )
    assert page.status_code == 302


def test_others_posts_are_out_of_reach(world, sign_in):
    row = make_delivery(world.x, world.ana, hours=100)
    assert bulk(sign_in(world.rita), [row], "cancel", do="1").status_code == 403
    said = bulk(sign_in(world.stranger), [row], "cancel", do="1").content.decode()
    assert "Tick at least one post." in said
    row.refresh_from_db()
    assert row.status == "scheduled"


def test_the_list_shows_boxes_to_those_who_may_write_only(world, ana, sign_in):
    make_delivery(world.x, world.ana, hours=100)
    address = reverse("post_list") + "?tab=upcoming"
    assert 'name="pick"' in ana.get(address).content.decode()
    assert 'name="pick"' not in sign_in(world.rita).get(address).content.decode()


def test_many_are_put_before_those_who_approve(world, ana):
    waits = make_delivery(world.x, world.ana, text="Scheduled before", hours=100)
    world.brand.approval_steps = 1
    world.brand.save()
    day = timezone.localdate() + timedelta(days=3)

    def draft(text, accounts=(), on=day):
        post = Post.objects.create(brand=world.brand, author=world.ana, text=text)
        if on:
            post.set_time(on, time(9), "UTC")
            post.save()
        post.accounts.set(accounts)
        return post

    rows = [
        waits,
        draft("Ready", [world.x]),
        draft("No account"),
        draft("No time", [world.x], on=None),
        draft("Too long " * 60, [world.x]),
    ]
    found = effects(bulk(ana, rows, "ask"))
    assert "waits for approval" in found["Ready"].then
    assert "waits for approval" in found["Scheduled before"].then
    assert "no account" in found["No account"].refused
    assert "no time" in found["No time"].refused
    assert "Open it and mend that" in found[rows[4].text].refused
    assert Delivery.objects.filter(hold="approval").count() == 0
    bulk(ana, rows, "ask", do="1")
    held = Delivery.objects.filter(hold="approval", approvals_missing=1)
    assert set(held.values_list("post__text", flat=True)) == {
        "Ready",
        "Scheduled before",
    }
    assert Review.objects.waiting().count() == 2
    again = effects(bulk(ana, [waits], "ask"))
    assert "asked for already" in again["Scheduled before"].refused


# ---------------------------------------------------------------- all of a list

LIST = "/posts/?tab=upcoming"


@pytest.fixture
def turns(monkeypatch):
    """Long work, a turn at a time: `turns()` does all of it."""
    monkeypatch.setattr(jobs, "wake", lambda: None)

    def finish() -> None:
        for _turn in range(100):
            if not jobs.take_turn():
                return
        pytest.fail("long work has no end")

    return finish


def many(world, number=30):
    return [
        make_delivery(world.x, world.ana, text=f"Waits {n}", hours=100 + n)
        for n in range(number)
    ]


def all_of(client, action, address=LIST, **fields):
    values = {"every": "1", "action": action, "next": address, **fields}
    return client.post(reverse("post_bulk"), values, follow=True)


def test_all_of_a_list_is_looked_at_and_moved_as_long_work(world, ana, turns):
    rows = many(world)
    stays = make_delivery(
        world.x, world.ana, text="Leaves", hours=101, status="publishing"
    )
    page = ana.get(LIST).content.decode()
    assert "All 31 of this list" in " ".join(page.split())
    due = {row.pk: row.due_at for row in Delivery.objects.all()}
    address = all_of(ana, "move", days="7").redirect_chain[-1][0]
    assert "Waits for its turn" in ana.get(address).content.decode()
    turns()
    look = " ".join(ana.get(address).content.decode().split())
    assert "Move: 30 posts" in look
    assert "1 × Sending to Acme X has begun" in look
    assert dict(Delivery.objects.values_list("pk", "due_at")) == due
    # Meanwhile somebody moves one of them.
    moving.move(world.ana, rows[3].post_id, timezone.localdate() + timedelta(days=40))
    ana.post(address)
    ana.post(address)
    turns()
    done = " ".join(ana.get(address, follow=True).content.decode().split())
    assert "29 posts are done." in done
    assert "Somebody has moved it meanwhile" in done
    week = timedelta(days=7)
    after = dict(Delivery.objects.values_list("pk", "due_at"))
    assert sum(after[row.pk] - due[row.pk] == week for row in rows) == 29
    assert after[stays.pk] == due[stays.pk]
    assert Job.objects.filter(kind="bulk_do").count() == 1


def test_work_on_all_of_a_list_goes_on_after_a_kill_and_can_be_stopped(
    world, ana, turns, monkeypatch
):
    rows = many(world)
    address = all_of(ana, "cancel").redirect_chain[-1][0]
    turns()
    ana.post(address)
    job = Job.objects.get(kind="bulk_do")
    count = iter(range(1000))

    def die(name):
        if next(count) in (4, 9):
            raise SystemExit("killed")

    monkeypatch.setattr(bulk_runs, "crash_point", die)
    for _death in range(2):
        with pytest.raises(SystemExit):
            jobs.take_turn()
        Job.objects.update(lease_expires_at=None)
    job.refresh_from_db()
    gone = Delivery.objects.filter(status="cancelled")
    assert (job.done, gone.count()) == (10, 10)
    ana.post(reverse("job_cancel", args=[job.pk]))
    turns()
    job.refresh_from_db()
    assert (job.state, gone.count()) == ("cancelled", 10)
    page = " ".join(ana.get(address, follow=True).content.decode().split())
    assert "10 posts are done." in page
    assert len(rows) - gone.count() == 20


def test_a_list_of_drafts_is_given_away_and_nobody_elses_page_shows_it(
    world, ana, turns, sign_in
):
    other = make_person("otto", "Marketing", brand=world.brand)
    for n in range(3):
        Post.objects.create(brand=world.brand, author=world.ana, text=f"Draft {n}")
    answer = all_of(ana, "reassign", "/posts/?tab=drafts", person=other.pk)
    address = answer.redirect_chain[-1][0]
    turns()
    assert sign_in(other).get(address).status_code == 404
    ana.post(address)
    turns()
    assert Post.objects.filter(owner=other).count() == 3


def test_posts_stay_with_whom_they_are_when_the_other_has_left_meanwhile(
    world, ana, turns
):
    many(world, 3)
    other = make_person("otto", "Marketing", brand=world.brand)
    address = all_of(ana, "reassign", person=other.pk).redirect_chain[-1][0]
    turns()
    type(other).objects.filter(pk=other.pk).update(is_active=False)
    ana.post(address)
    turns()
    page = " ".join(ana.get(address, follow=True).content.decode().split())
    assert "0 posts are done." in page
    assert "3 × Who was to get it has left" in page
    assert not Post.objects.filter(owner=other).exists()


@pytest.mark.parametrize(
    ("address", "action", "fields", "said"),
    [
        (LIST, "move", {"days": "0"}, "write a number other than 0"),
        (LIST, "", {}, "Choose what to do"),
        ("/posts/?tab=upcoming&account=999", "cancel", {}, "This list has no posts"),
        ("/posts/?tab=native", "cancel", {}, "This list has no posts"),
    ],
)
def test_what_cannot_be_done_with_a_list_is_said(
    world, ana, turns, address, action, fields, said
):
    many(world, 2)
    assert said in all_of(ana, action, address, **fields).content.decode()
    assert not Job.objects.exists()


def test_a_list_that_is_too_long_is_refused(world, ana, turns, monkeypatch):
    monkeypatch.setattr(bulk_runs, "MOST", 2)
    many(world, 3)
    assert "more than 2: narrow" in all_of(ana, "cancel").content.decode()
