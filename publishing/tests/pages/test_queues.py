"""Queues: slots on a wall clock, the next free one, open ones, another order."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Brand
from publishing import moving, slots
from publishing.models import Delivery, Post, Queue, QueueSlot, Series, schedule

from .conftest import make_account
from .test_calendar import ask


def make_queue(brand, *walls: str, zone="UTC", days=range(7), accounts=(), name="News"):
    queue = Queue.objects.create(brand=brand, name=name, zone=zone)
    queue.accounts.set(accounts)
    QueueSlot.objects.bulk_create(
        QueueSlot(queue=queue, weekday=day, wall=time.fromisoformat(wall))
        for day in days
        for wall in walls
    )
    return queue


def put(world, at: datetime, text="Hello", account=None) -> Post:
    account = account or world.x
    post = Post.objects.create(brand=world.brand, author=world.ana, text=text)
    post.set_time(at.date(), at.time(), "UTC")
    post.save()
    post.accounts.add(account)
    schedule(post, [account])
    return post


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        # (zone, a day before the clocks change, UTC hours of 09:00 before and after)
        ("Europe/Berlin", date(2027, 3, 27), [8, 7]),
        ("Europe/Berlin", date(2027, 10, 30), [7, 8]),
        ("Australia/Sydney", date(2027, 4, 3), [22, 23]),
        ("Australia/Sydney", date(2027, 10, 2), [23, 22]),
    ],
)
def test_slots_keep_their_wall_time_over_clock_changes(world, zone, first, hours):
    queue = make_queue(world.brand, "09:00", zone=zone)
    found = slots.times(queue, first, first + timedelta(days=1))
    assert [slot.due_at.hour for slot in found] == hours
    assert {slot.when.wall for slot in found} == {time(9)}


def test_a_slot_that_the_clocks_skip_is_there_once(world):
    # 02:30 does not exist on 28 March 2027 in Berlin: it is the slot of 03:30.
    queue = make_queue(world.brand, "02:30", "03:30", zone="Europe/Berlin")
    found = slots.times(queue, date(2027, 3, 28), date(2027, 3, 28))
    assert [slot.due_at.hour for slot in found] == [1]


def test_the_next_free_slot_is_free_for_the_chosen_accounts(world):
    queue = make_queue(world.brand, "09:00", "15:00", accounts=[world.x])
    now = datetime.combine(timezone.localdate() + timedelta(days=3), time(8), UTC)
    morning, noon = now.replace(hour=9), now.replace(hour=15)
    keys = [world.x.pk]
    assert slots.next_free(queue, keys, now).due_at == morning
    post = put(world, morning)
    assert slots.next_free(queue, keys, now).due_at == noon
    assert slots.next_free(queue, [world.mastodon.pk], now).due_at == morning
    assert slots.next_free(queue, keys, now, post.pk).due_at == morning
    # A post a few minutes beside takes it too; one that will not go takes nothing.
    put(world, noon + timedelta(minutes=3), "Near")
    assert slots.next_free(queue, keys, now).due_at == morning + timedelta(days=1)
    Delivery.objects.filter(post=post).update(status="cancelled")
    assert slots.next_free(queue, keys, now).due_at == morning
    # A slot that is all but here leaves no time to write.
    late = morning - timedelta(minutes=1)
    assert slots.next_free(queue, keys, late).due_at > morning
    assert slots.next_free(make_queue(world.brand, name="Empty"), keys, now) is None


def compose(client, world, **fields):
    return client.post(
        reverse("compose"),
        {
            "brand": world.brand.pk,
            "text": "In a queue",
            "when": "at",
            "zone": "Europe/Berlin",
            "action": "slot",
            **fields,
        },
    )


def test_a_queue_of_many_slots_is_asked_about_by_two_queries(
    world, django_assert_num_queries
):
    walls = [f"{hour:02}:00" for hour in range(24)]
    queue = make_queue(world.brand, *walls, accounts=[world.x])
    now = datetime.combine(timezone.localdate() + timedelta(days=3), time(8), UTC)
    for hour in range(9, 21):
        put(world, now.replace(hour=hour), f"Post {hour}")
    with django_assert_num_queries(2):
        found = slots.next_free(queue, [world.x.pk], now)
    assert found.due_at == now.replace(hour=21)


@pytest.mark.parametrize(
    ("apart", "is_free"),
    [
        (slots.NEAR, False),
        (slots.NEAR + timedelta(seconds=1), True),
        (-slots.NEAR, False),
        (-slots.NEAR - timedelta(seconds=1), True),
    ],
)
def test_a_slot_is_taken_by_what_goes_near_it_among_other_posts(world, apart, is_free):
    now = datetime.combine(timezone.localdate() + timedelta(days=3), time(6), UTC)
    queue = make_queue(world.brand, "09:00")
    at = now.replace(hour=9)
    # Written down in no order.
    for hours in (8, -2, 5, 2):
        put(world, at + timedelta(hours=hours), f"Beside {hours}")
    assert slots.next_free(queue, [world.x.pk], now).due_at == at
    put(world, at + apart)
    assert (slots.next_free(queue, [world.x.pk], now).due_at == at) == is_free


def test_no_slot_is_free_beyond_the_horizon(world):
    queue = make_queue(world.brand, "09:00", accounts=[world.x])
    now = datetime.combine(timezone.localdate() + timedelta(days=3), time(8), UTC)
    for day in range(slots.HORIZON.days + 1):
        put(world, now.replace(hour=9) + timedelta(days=day), f"Day {day}")
    assert slots.next_free(queue, [world.x.pk], now) is None


def test_the_composer_takes_the_next_free_slot_and_keeps_what_was_typed(world, ana):
    queue = make_queue(
        world.brand, "11:15", zone="America/New_York", accounts=[world.x]
    )
    page = compose(ana, world, queue=queue.pk)
    form = page.context["form"]
    assert form["time"].value() == "11:15"
    assert form["zone"].value() == "America/New_York"
    assert form["text"].value() == "In a queue"
    assert [account.name for account in form.chosen] == ["Acme X"]
    assert not Post.objects.exists()
    taken = compose(
        ana,
        world,
        queue=queue.pk,
        accounts=[world.x.pk],
        date=form["date"].value(),
        time="11:15",
        zone="America/New_York",
        action="schedule",
    )
    assert taken.status_code == 302
    next_page = compose(ana, world, queue=queue.pk, text="Another")
    later = next_page.context["form"]["date"].value()
    assert later > form["date"].value()


def test_a_queue_of_another_brand_is_not_taken(world, ana):
    from accounts.models import Brand

    other = make_queue(Brand.objects.create(name="Globex"), "09:00")
    page = compose(ana, world, queue=other.pk).content.decode()
    assert "Choose a queue first." in page


def test_open_slots_are_in_the_week_and_lead_to_the_composer(world, ana, sign_in):
    make_queue(world.brand, "09:00", accounts=[world.x])
    day = timezone.localdate() + timedelta(days=2)
    put(world, datetime.combine(day, time(9), UTC))
    found = ask(ana, view="week", days=7).json()["open"]
    days = [start[:10] for start, _name, _url in found]
    assert day.isoformat() not in days
    assert (day + timedelta(days=1)).isoformat() in days
    _start, name, url = found[-1]
    assert name == "News"
    query = parse_qs(urlsplit(url).query)
    assert query["account"] == [str(world.x.pk)]
    page = ana.get(url).context["form"]
    assert page["date"].value() == query["date"][0]
    assert page["time"].value() == "09:00"
    assert [account.pk for account in page.chosen] == [world.x.pk]
    assert ask(ana, view="week", days=7, platform="mastodon").json()["open"] == []
    stranger = sign_in(world.stranger)
    assert ask(stranger, view="week", days=7).json()["open"] == []


def test_the_page_of_queues_needs_no_more_queries_for_more_queues(world, ana):
    def count() -> int:
        with CaptureQueriesContext(connection) as caught:
            page = ana.get(reverse("queue_list")).content.decode()
        assert "Next free slot:" in page
        return len(caught)

    for number in range(2):
        make_queue(world.brand, "09:00", accounts=[world.x], name=f"Q{number}")
    ana.get(reverse("queue_list"))
    before = count()
    for number in range(2, 6):
        make_queue(world.brand, "10:00", accounts=[world.x], name=f"Q{number}")
    assert count() == before


def save(client, world, pk=None, **fields):
    address = reverse("queue_edit", args=[pk]) if pk else reverse("queue_new")
    return client.post(
        address,
        {
            "brand": world.brand.pk,
            "name": "News",
            "zone": "Europe/Berlin",
            "accounts": [world.x.pk],
            "day0": "9:00, 14:30 9:00",
            **fields,
        },
        follow=True,
    )


def test_a_queue_is_written_and_changed(world, ana):
    save(ana, world)
    queue = Queue.objects.get()
    assert queue.week == [("Mon", "09:00, 14:30")]
    page = ana.get(reverse("queue_list")).content.decode()
    assert "Next free slot:" in page
    assert "Europe/Berlin" in page
    page = save(ana, world, queue.pk, day0="", day2="10:00, 10:20").content.decode()
    assert "less than an hour" in page
    assert Queue.objects.get().week == [("Wed", "10:00, 10:20")]
    ana.post(reverse("queue_delete", args=[queue.pk]))
    assert not Queue.objects.exists()


def test_a_slot_in_an_hour_that_clocks_skip_or_repeat_is_told(world, ana):
    page = save(ana, world, day0="", day6="02:30").content.decode()
    assert page.count("in Europe/Berlin") >= 2
    assert "The clocks go forward: 02:30 does not exist on" in page
    assert "The clocks go back: 02:30 comes twice on" in page
    assert "The clocks" not in save(ana, world, name="Later").content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"day0": "9:00, 25:00"}, "“25:00” is no time."),
        ({"zone": "Mars/Base"}, "Unknown time zone."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_a_refused_queue_says_what_is_wrong_and_keeps_the_rest(
    world, ana, fields, said
):
    page = save(ana, world, **fields).content.decode()
    assert said in page
    assert not Queue.objects.exists()
    if "day0" not in fields:
        assert 'value="9:00, 14:30 9:00"' in page


def test_who_may_not_write_changes_no_queue(world, sign_in):
    queue = make_queue(world.brand, "09:00")
    for user, status in ((world.rita, 403), (world.stranger, 404)):
        client = sign_in(user)
        assert save(client, world, queue.pk).status_code == status
        shuffle = reverse("queue_shuffle", args=[queue.pk])
        assert client.post(shuffle).status_code == status


def waiting(world, number=5):
    queue = make_queue(world.brand, "09:00", accounts=[world.x])
    first = datetime.combine(timezone.localdate() + timedelta(days=2), time(9), UTC)
    posts = [
        put(world, first + timedelta(days=n), text=f"Queued {n}") for n in range(number)
    ]
    put(world, first + timedelta(hours=2), text="Not in a slot")
    other = make_account(world.brand, "x", "Elsewhere")
    put(world, first + timedelta(days=9), text="Not of the queue", account=other)
    return queue, posts


def take(page, **fields):
    shown = {name: page.context[name] for name in ("seed", "posts")}
    return {"action": "take", "keep": list(page.context["kept"]), **shown, **fields}


def test_a_reshuffle_is_looked_at_first_and_keeps_the_slots(world, ana):
    queue, posts = waiting(world)
    address = reverse("queue_shuffle", args=[queue.pk])
    page = ana.get(address)
    assert "Not in a slot" not in page.content.decode()
    before = {post.pk: post.due_at for post in posts}
    assert len(page.context["swaps"]) == len(posts)
    planned = {swap.post.pk: swap.when.due_at for swap in page.context["swaps"]}
    assert sorted(planned.values()) == sorted(before.values())
    ana.post(address, take(page))
    after = dict(Post.objects.filter(pk__in=before).values_list("pk", "due_at"))
    assert after == planned
    rows = Delivery.objects.filter(post__in=before)
    assert all(row.due_at == after[row.post_id] for row in rows)


def test_a_queue_that_changed_meanwhile_is_not_reshuffled(world, ana):
    queue, posts = waiting(world)
    address = reverse("queue_shuffle", args=[queue.pk])
    page = ana.get(address)
    day = timezone.localdate() + timedelta(days=30)
    moving.move(world.ana, posts[0].pk, day)
    said = ana.post(address, take(page), follow=True).content.decode()
    assert "The order is another one by now" in said


def test_what_is_to_keep_its_place_is_not_reshuffled(world, ana):
    queue, posts = waiting(world, 6)
    address = reverse("queue_shuffle", args=[queue.pk])
    kept = [posts[0].pk, posts[3].pk]
    before = dict(Post.objects.values_list("pk", "due_at"))
    # Ticked after the order was worked out: the new one is shown first.
    said = ana.post(address, take(ana.get(address), keep=kept))
    assert "The order is another one by now" in said.content.decode()
    assert dict(Post.objects.values_list("pk", "due_at")) == before
    for _look in range(5):
        page = ana.post(address, {"action": "look", "keep": kept})
        stays = {swap.post.pk for swap in page.context["swaps"] if not swap.moves}
        assert set(kept) <= stays
    ana.post(address, take(page))
    after = dict(Post.objects.values_list("pk", "due_at"))
    assert all(after[pk] == before[pk] for pk in kept)
    assert sorted(after.values()) == sorted(before.values())


def test_a_post_of_a_series_keeps_its_place_unless_a_person_says_so(world, ana):
    queue, posts = waiting(world)
    Post.objects.filter(pk=posts[2].pk).update(
        series=Series.objects.create(
            brand=world.brand,
            author=world.ana,
            pattern=posts[4],
            kind="weekly",
            wall=time(9),
            zone="UTC",
            first_on=timezone.localdate(),
        )
    )
    page = ana.get(reverse("queue_shuffle", args=[queue.pk]))
    assert page.context["kept"] == {posts[2].pk}
    assert "(of a series)" in page.content.decode()


def test_a_refused_order_names_the_post_and_the_way_out(world, ana, monkeypatch):
    queue, _posts = waiting(world)
    address = reverse("queue_shuffle", args=[queue.pk])
    page = ana.get(address)
    stuck = next(swap for swap in page.context["swaps"] if swap.moves).post
    put_one = moving.put

    def put(user, pk, when, **more):
        if pk == stuck.pk:
            raise moving.Refused("LinkedIn access ends before.")
        return put_one(user, pk, when, **more)

    monkeypatch.setattr(moving, "put", put)
    said = ana.post(address, take(page)).content.decode()
    assert f"“{stuck}”: LinkedIn access ends before. Keep that post" in said
    assert ana.post(address, {"action": "look", "keep": [stuck.pk]}).status_code == 200


def test_the_only_brand_is_chosen_for_a_new_queue(world, ana, sign_in):
    page = ana.get(reverse("queue_new")).content.decode()
    assert f'<option value="{world.brand.pk}" selected>' in page
    make_account(Brand.objects.create(name="Globex"), "x", "Globex X")
    Brand.objects.get(name="Globex").members.add(world.ana)
    page = ana.get(reverse("queue_new")).content.decode()
    assert f'<option value="{world.brand.pk}" selected>' not in page
    assert "Globex: Globex X (X)" in page


def test_all_of_a_reshuffle_is_written_or_nothing(world):
    queue, posts = waiting(world)
    now = timezone.now()
    swaps = slots.shuffled(slots.queued(world.ana, queue, now), "some seed")
    moved = [swap for swap in swaps if swap.moves]
    assert len(moved) > 1
    Delivery.objects.filter(post=moved[-1].post).update(status="publishing")
    with pytest.raises(moving.Refused):
        slots.reshuffle(world.ana, queue, swaps)
    for post in posts:
        due = post.due_at
        post.refresh_from_db()
        assert post.due_at == due


def test_the_composer_says_what_stands_close_by(world, ana):
    at = datetime.combine(timezone.localdate() + timedelta(days=4), time(9), UTC)
    put(world, at)
    put(world, at + timedelta(hours=2), text="Far")

    def said(minutes: int) -> str:
        then = (at + timedelta(minutes=minutes)).astimezone(ZoneInfo("UTC"))
        return ana.post(
            reverse("compose_check"),
            {
                "brand": world.brand.pk,
                "text": "Something else",
                "accounts": [world.x.pk],
                "when": "at",
                "date": then.date().isoformat(),
                "time": f"{then:%H:%M}",
                "zone": "UTC",
            },
        ).content.decode()

    assert "Acme X has another post 10 min before" in said(10)
    assert "Acme X has another post 10 min later" in said(-10)
    assert "Acme X has another post at that time" in said(0)
    assert "another post" not in said(45)
