"""What the calendar's script asks for: cards of a period, a day, a move, its undo."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import CircuitBreaker
from publishing.models import Delivery, Post

from .conftest import make_account, make_delivery


def ask(client, view="month", first=-1, days=9, **filters):
    start = timezone.localdate() + timedelta(days=first)
    return client.get(
        reverse("calendar_posts"),
        {
            "view": view,
            "start": f"{start}T00:00:00Z",
            "end": f"{start + timedelta(days=days)}T00:00:00Z",
            **filters,
        },
    )


def cards(client, **asked):
    return ask(client, **asked).json()["cards"]


def share(post, account, **fields) -> Delivery:
    """The same post to another account."""
    other = make_delivery(account, post.author, text="-", **fields)
    extra = other.post
    other.post = post
    other.due_at = post.due_at
    other.save()
    Post.objects.filter(pk=extra.pk).delete()
    return other


@pytest.mark.trap("snapchat", 6)
def test_a_story_is_published_without_a_link(world, ana):
    account = make_account(world.brand, "snapchat", "Acme S")
    row = make_delivery(
        account,
        world.ana,
        status="published",
        external_id="unnamed:m-1",
        permalink="",
        published_at=timezone.now(),
        next_attempt_at=None,
    )
    (card,) = cards(ana)
    assert card["w"] == "Published"
    page = ana.get(row.get_absolute_url()).content.decode()
    assert "Published" in page
    assert "See it on" not in page


def test_a_card_says_when_where_what_and_how_it_stands(world, ana):
    row = make_delivery(world.x, world.ana, text="Hello " + "long " * 30)
    (card,) = cards(ana)
    local = timezone.localtime(row.due_at)
    assert card["id"] == row.post_id
    assert card["s"] == f"{local:%Y-%m-%dT%H:%M}"
    assert card["t"] == f"{local:%H:%M} {local:%Z}"
    assert (card["p"], card["a"]) == (["x"], "Acme X")
    assert len(card["x"]) <= 60
    assert (card["c"], card["w"]) == (["info", "schedule"], "Scheduled")
    assert card["v"] == row.due_at.isoformat()


@pytest.mark.parametrize(
    ("fields", "word", "why"),
    [
        ({"status": "failed", "cause": "text_too_long"}, "Failed", "The text is too"),
        ({"status": "held", "hold": "access"}, "Held", "Access has ended"),
        ({"status": "uncertain"}, "Checking", "May be live; we are looking."),
        ({"status": "published", "external_id": "1"}, "Published", None),
        ({"status": "publishing"}, "Sending", None),
    ],
)
def test_each_state_has_its_word_and_reason(world, ana, fields, word, why):
    make_delivery(world.x, world.ana, **fields)
    (card,) = cards(ana)
    assert card["w"] == word
    if why is None:
        assert "y" not in card
    else:
        assert card["y"].startswith(why)
    assert ("v" in card) == (fields["status"] == "held")


def test_one_post_to_three_accounts_is_one_card(world, ana):
    row = make_delivery(world.x, world.ana, status="published", external_id="1")
    share(row.post, world.mastodon, status="published", external_id="2")
    share(row.post, make_account(world.brand, "x", "Third"))
    (card,) = cards(ana)
    assert card["w"] == "Partly published 2/3"
    assert card["a"] == "3 accounts"
    assert set(card["p"]) == {"x", "mastodon"}
    (card,) = cards(ana, platform="mastodon")
    assert (card["a"], card["w"]) == ("Acme M", "Published")


def test_a_post_at_risk_says_why_and_can_be_asked_for(world, ana):
    world.x.credential.expires_at = timezone.now() + timedelta(hours=1)
    world.x.credential.save()
    make_delivery(world.x, world.ana, hours=5)
    make_delivery(world.mastodon, world.ana, hours=5)
    assert sorted(card["w"] for card in cards(ana)) == ["At risk", "Scheduled"]
    (card,) = cards(ana, status="at_risk")
    assert "before it is due" in card["y"]
    (note,) = ana.get(reverse("calendar_notes")).json()["notes"]
    assert note["said"] == "1 post at risk in the next 7 days."
    assert "status=at_risk" in note["url"]


def test_what_is_to_be_said_above_the_calendar_comes_with_its_page(world, ana):
    """Or it would push down what is read and pressed already when it arrives."""
    world.x.credential.expires_at = timezone.now() + timedelta(hours=1)
    world.x.credential.save()
    make_delivery(world.x, world.ana, hours=5)
    for query in ({}, {"platform": "x"}):
        page = ana.get(reverse("calendar"), query).content.decode()
        (note,) = ana.get(reverse("calendar_notes"), query).json()["notes"]
        line = page.partition('id="cal-notes"')[2].partition("</p>")[0]
        assert f'href="{note["url"].replace("&", "&amp;")}"' in line
        assert note["said"] in line
    page = ana.get(reverse("calendar"), {"platform": "mastodon"}).content.decode()
    line = page.partition('id="cal-notes"')[2].partition("</p>")[0]
    assert "<a" not in line


def test_what_is_judged_for_the_notes_leaves_the_page_within_its_queries(world, ana):
    for hours in range(1, 6):  # nobody has judged these yet: it is the dearest case
        make_delivery(world.x, world.ana, hours=hours)
    ana.get(reverse("calendar"))  # what is done once is done
    with CaptureQueriesContext(connection) as caught:
        ana.get(reverse("calendar"))
    assert len(caught) <= 20


def test_a_platform_in_trouble_is_named_above_the_calendar(world, ana):
    now = timezone.now()
    CircuitBreaker.objects.create(
        platform="x",
        subject="platform:live",
        state=CircuitBreaker.State.OPEN,
        cause="unreachable",
        opened_at=now,
        retry_at=now + timedelta(minutes=5),
    )
    (note,) = ana.get(reverse("calendar_notes")).json()["notes"]
    assert note["said"].startswith("X is having trouble since ")


def test_a_cell_shows_three_and_counts_the_rest(world, ana):
    start = timezone.now().replace(hour=10, minute=0, second=0, microsecond=0)
    hours = (start - timezone.now()).total_seconds() / 3600
    for number in range(7):
        make_delivery(world.x, world.ana, text=f"Number {number}", hours=hours)
    found = ask(ana).json()
    day = timezone.localtime(start).date().isoformat()
    assert [card["x"] for card in found["cards"]] == [f"Number {n}" for n in range(3)]
    assert (found["more"], found["total"]) == ([[day, 4]], 7)
    # An hour of the week: the count takes the place of the third.
    found = ask(ana, view="week", days=7).json()
    hour = f"{timezone.localtime(start):%Y-%m-%dT%H:00}"
    assert (len(found["cards"]), found["more"]) == (2, [[hour, 5]])
    assert len(ask(ana, view="list", days=7).json()["cards"]) == 7
    panel = ana.get(reverse("calendar_day"), {"day": day}).content.decode()
    assert all(f"Number {n}" in panel for n in range(7))
    # A new post begins on the clock that is shown.
    later = (start + timedelta(days=3)).date().isoformat()
    shown = ana.get(reverse("calendar_day"), {"day": later, "zone": "Asia/Tokyo"})
    assert "&amp;zone=Asia%2FTokyo" in shown.content.decode()


@pytest.mark.parametrize("query", [{}, {"brand": "own"}])
def test_the_plain_calendar_shows_the_first_of_a_day_and_counts_all(world, ana, query):
    """Drafts and deliveries in one order; whether they are filtered or not."""
    noon = (timezone.now() + timedelta(days=2)).replace(hour=12, minute=0, second=0)
    late, early, third = (
        make_delivery(
            world.x, world.ana, text=text, due_at=noon + timedelta(minutes=minutes)
        )
        for text, minutes in (("Late", 50), ("Early", 10), ("Third", 30))
    )
    second, later = (
        Post.objects.create(
            brand=world.brand,
            author=world.ana,
            text=text,
            due_at=noon + timedelta(minutes=minutes),
        )
        for text, minutes in (("Second", 20), ("Later", 40))
    )
    if query:
        query = {"brand": world.brand.pk}
    address = reverse("calendar"), {"plain": 1, "day": noon.date().isoformat(), **query}
    weeks = ana.get(*address).context["calendar"].weeks
    [day] = [day for week in weeks for day in week if day.date == noon.date()]
    assert [row.post for row in day.cards] == [early.post, second, third.post]
    assert [row.delivery for row in day.cards] == [early, None, third]
    assert (day.count, day.more) == (5, 2)
    Post.objects.filter(pk__in=[second.pk, later.pk]).delete()
    weeks = ana.get(*address).context["calendar"].weeks
    [day] = [day for week in weeks for day in week if day.date == noon.date()]
    assert [row.delivery for row in day.cards] == [early, third, late]


def test_drafts_with_a_time_are_on_the_calendar(world, ana):
    post = Post.objects.create(brand=world.brand, author=world.ana, text="Half")
    due = timezone.now() + timedelta(days=1)
    post.set_time(due.date(), due.time(), "UTC")
    post.save()
    (card,) = cards(ana)
    assert (card["w"], card["a"]) == ("Draft", "Acme")
    assert "v" in card


def test_strangers_see_nothing(world, sign_in):
    make_delivery(world.x, world.ana)
    client = sign_in(world.stranger)
    assert cards(client) == []
    day = (timezone.localdate() + timedelta(days=1)).isoformat()
    assert (
        "Hello"
        not in client.get(reverse("calendar_day"), {"day": day}).content.decode()
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"view": "year"},
        {"view": "month", "days": 60},
        {"view": "month", "days": 0},
        {"view": "month", "start": "x", "end": "y"},
        {"view": "month", "start": "0001-01-01", "end": "0001-01-08"},
    ],
)
def test_a_period_that_cannot_be_shown_is_refused_in_words(world, ana, asked):
    answer = ask(ana, **asked)
    assert answer.status_code == 400
    assert "cannot be shown" in answer.json()["said"]


@pytest.mark.parametrize("view", ["month", "week", "list"])
def test_the_number_of_queries_does_not_grow_with_the_posts(world, ana, view):
    def count() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert ask(ana, view=view, days=7).status_code == 200
        return len(caught)

    def fill(number: int) -> None:
        account = make_account(world.brand, "x", f"X {number}")
        for status in ("failed", "scheduled", "held"):
            make_delivery(account, world.ana, hours=number, status=status)

    fill(1)
    ask(ana, view=view, days=7)  # what is done once is done
    before = count()
    for number in range(2, 12):
        fill(number)
    assert count() <= before


def move(client, post, **fields):
    return client.post(reverse("post_move", args=[post.pk]), fields)


def test_a_post_is_moved_and_moved_back(world, ana):
    post = make_delivery(world.x, world.ana, hours=100).post
    was = post.due_at
    day = timezone.localtime(was).date() + timedelta(days=2)
    answer = move(ana, post, date=day, seen=was.isoformat()).json()
    assert answer["said"].startswith("Moved to ")
    assert timezone.get_current_timezone_name() in answer["said"]
    post.refresh_from_db()
    assert post.due_at - was == timedelta(days=2)
    undone = ana.post(reverse("post_move_undo"), {"undo": answer["undo"]})
    assert undone.json()["id"] == post.pk
    post.refresh_from_db()
    assert post.due_at == was
    again = ana.post(reverse("post_move_undo"), {"undo": answer["undo"]})
    assert again.status_code == 409
    events = ana.get(post.get_absolute_url()).content.decode()
    assert "moved back" in events


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"date": "nonsense"}, "Choose a date"),
        ({"date": "9999-12-31"}, "of this century"),
        ({"date": "2001-01-01"}, "is past"),
        ({"date": "2050-01-01", "time": "25:00"}, "Choose a date"),
        ({"date": "2050-01-01", "time": "10:00+05:00"}, "Choose a date"),
        ({"date": "2050-01-01", "seen": "2020-01-01T00:00:00+00:00"}, "meanwhile"),
    ],
)
def test_a_move_is_refused_in_words_and_leads_to_the_composer(world, ana, fields, said):
    post = make_delivery(world.x, world.ana, hours=100).post
    answer = move(ana, post, **fields)
    assert answer.status_code == 409
    assert said in answer.json()["said"]
    assert answer.json()["edit"] == reverse("post_edit", args=[post.pk])


def test_readers_and_strangers_move_nothing(world, sign_in):
    post = make_delivery(world.x, world.ana, hours=100).post
    day = (timezone.localdate() + timedelta(days=9)).isoformat()
    for user in (world.rita, world.guest, world.stranger):
        assert move(sign_in(user), post, date=day).status_code == 409
    due = post.due_at
    post.refresh_from_db()
    assert post.due_at == due


def test_the_composer_opens_at_the_time_that_was_clicked(world, ana):
    page = ana.get(
        reverse("compose"),
        {"date": "2050-03-01", "time": "14:00", "zone": "America/New_York"},
    ).content.decode()
    for words in (
        'value="2050-03-01"',
        'value="14:00"',
        '<option value="America/New_York" selected>',
    ):
        assert words in page


def test_an_address_that_names_a_zone_shows_everybody_the_same(world, ana):
    row = make_delivery(world.x, world.ana, hours=48)
    tokyo = row.due_at.astimezone(ZoneInfo("Asia/Tokyo"))
    (card,) = cards(ana, zone="Asia/Tokyo")
    assert card["s"] == f"{tokyo:%Y-%m-%dT%H:%M}"
    assert card["t"].endswith("JST")
    page = ana.get(reverse("calendar"), {"zone": "Asia/Tokyo"}).content.decode()
    assert "Times in Asia/Tokyo (UTC+09:00)" in page
    assert "zone=Asia%2FTokyo" in page
    listed = ana.get(
        reverse("post_list"), {"tab": "upcoming", "zone": "Asia/Tokyo"}
    ).content.decode()
    assert f"{tokyo:%H:%M}" in listed
    # A move is read on that clock, too, and the post keeps its own zone.
    day = tokyo.date() + timedelta(days=1)
    answer = move(ana, row.post, date=day, time="05:30", zone="Asia/Tokyo").json()
    assert "05:30 (Asia/Tokyo)" in answer["said"]
    row.refresh_from_db()
    assert f"{row.due_at.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}" == "05:30"
    assert Post.objects.get(pk=row.post_id).zone == "UTC"
    assert cards(ana, zone="Mars/Base")[0]["t"].endswith("UTC")
