"""Posts made at the network itself: on the calendar, in lists, and in what advises."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from monitoring.models import NativeReading
from publishing import export_tables, exporting
from publishing.models import NativePost, Post

from .conftest import make_delivery
from .test_calendar import ask, cards

HOUR = timedelta(hours=1)


@pytest.fixture
def there(world):
    """Somebody posted at the network so many hours ago."""

    def make(text="Open until eight", hours=1.0, account=None, **fields):
        account = account or world.x
        number = str(NativePost.objects.count() + 1)
        return NativePost.objects.create(
            **{
                "account": account,
                "external_id": number,
                "text": text,
                "permalink": f"https://x.example/acme/{number}",
                "posted_at": timezone.now() - hours * HOUR,
                **fields,
            }
        )

    return make


def test_a_card_leads_to_the_network_and_cannot_be_moved(world, ana, there):
    row = there("Open " + "late " * 30)
    local = timezone.localtime(row.posted_at)
    (card,) = cards(ana)
    assert card["id"] == f"n{row.pk}"
    assert card["s"] == f"{local:%Y-%m-%dT%H:%M}"
    assert (card["p"], card["a"]) == (["x"], "Acme X")
    assert len(card["x"]) <= 60
    assert (card["c"], card["w"]) == (["muted", "public"], "Made at the network")
    assert card["u"] == row.permalink
    assert "v" not in card


def test_without_an_address_it_leads_to_the_account(world, ana, there):
    there(permalink="", text="")
    (card,) = cards(ana)
    assert card["u"] == world.x.get_absolute_url()
    assert card["x"] == "Without text"


def test_the_address_says_whether_they_stand_among_the_others(world, ana, there):
    there("By hand")
    make_delivery(world.x, world.ana, text="Planned")

    def texts(**filters):
        return {card["x"] for card in cards(ana, **filters)}

    assert texts() == {"By hand", "Planned"}
    assert texts(native="without") == {"Planned"}
    assert texts(native="only") == {"By hand"}
    assert texts(native="nonsense") == {"By hand", "Planned"}
    assert texts(platform="mastodon") == set()
    assert texts(account=world.x.pk, native="only") == {"By hand"}
    assert texts(brand=world.brand.pk, native="only") == {"By hand"}
    # They have no state, owner or label of ours.
    assert texts(status="scheduled") == {"Planned"}
    assert texts(owner=world.ana.pk) == {"Planned"}
    page = ana.get(reverse("calendar"), {"native": "only"}).content.decode()
    assert '<option value="only" selected>' in page


def test_where_there_is_no_room_for_all_what_is_our_own_comes_first(world, ana, there):
    now = timezone.now()
    start = now.replace(hour=12, minute=0, second=0, microsecond=0)
    for number in range(2):
        make_delivery(
            world.x,
            world.ana,
            text=f"Ours {number}",
            hours=(start - now) / HOUR,
        )
    for number in range(3):
        there(f"There {number}", posted_at=start - (number + 1) * HOUR / 10)
    found = ask(ana).json()
    texts = [card["x"] for card in found["cards"]]
    assert texts == ["There 2", "Ours 0", "Ours 1"]
    day = timezone.localtime(start).date().isoformat()
    assert (found["more"], found["total"]) == ([[day, 2]], 5)
    plain = ana.get(reverse("calendar"), {"plain": 1}).content.decode()
    assert plain.count("pub-card--native") == 1
    assert "Made at the network" in plain
    assert "+2 more" in plain
    panel = ana.get(reverse("calendar_day"), {"day": day}).content.decode()
    assert all(f"There {n}" in panel for n in range(3))
    assert panel.count("See it there") == 3
    assert panel.count("data-move-post") == 2


def test_the_list_has_them_under_a_tab_of_their_own(world, ana, there):
    row = there("By hand")
    there("Long ago", hours=100)
    listed = reverse("post_list")
    page = ana.get(listed, {"tab": "native"}).content.decode()
    assert page.index("By hand") < page.index("Long ago")
    assert row.permalink in page
    assert "See it on X" in page
    day = timezone.localtime(row.posted_at).date().isoformat()
    one = ana.get(listed, {"tab": "native", "day": day}).content.decode()
    assert "By hand" in one
    assert "Long ago" not in one
    # The calendar's own filter leads there.
    assert (
        "By hand" in ana.get(listed, {"tab": "all", "native": "only"}).content.decode()
    )
    empty = ana.get(listed, {"tab": "native", "platform": "mastodon"}).content.decode()
    assert "Nothing here with these filters." in empty
    NativePost.objects.all().delete()
    assert "Nobody has posted" in ana.get(listed, {"tab": "native"}).content.decode()


def test_strangers_see_none(world, sign_in, there):
    there("By hand")
    client = sign_in(world.stranger)
    assert cards(client) == []
    for page in (
        client.get(reverse("post_list"), {"tab": "native"}),
        client.get(reverse("calendar"), {"plain": 1}),
    ):
        assert "By hand" not in page.content.decode()


def test_the_account_says_what_was_made_there_and_what_is_in_the_way(world, ana, there):
    page = world.x.get_absolute_url()
    assert "Not read yet. That goes by itself." in ana.get(page).content.decode()
    reading = NativeReading.objects.create(
        account=world.x, state="told", read_at=timezone.now(), undecided=1
    )
    there("By hand")
    said = ana.get(page).content.decode()
    assert "By hand" in said
    assert "Show 1 post" in said
    assert "1 more post there may be one of yours" in said
    reading.state, reading.cause, reading.detail = (
        "missing",
        "scope_missing",
        "tweet.read",
    )
    reading.save()
    assert "A permission is missing: tweet.read." in ana.get(page).content.decode()
    reading.state, reading.cause = "trouble", "unreachable"
    reading.save()
    assert "The last reading did not come about" in ana.get(page).content.decode()


def test_the_composer_asks_before_the_same_is_said_again(world, ana, there):
    row = there("Fresh bread, https://t.example/abc")
    due = timezone.now() + 2 * HOUR

    def panel(text, **more):
        return ana.post(
            reverse("compose_check"),
            {
                "brand": world.brand.pk,
                "text": text,
                "accounts": [world.x.pk, world.mastodon.pk],
                "when": "at",
                "date": due.date().isoformat(),
                "time": f"{due:%H:%M}",
                "zone": "UTC",
                **more,
            },
        ).content.decode()

    said = panel("fresh bread https://acme.example/bread")
    assert "made by somebody at the network itself" in said
    assert row.permalink in said
    words = "The same was posted on the same account by hand within a day."
    assert words in said
    assert "within a day" not in panel("Fresh bread", repeat_ok="1")
    assert "network itself" not in panel("Fresh rolls")
    NativePost.objects.update(posted_at=timezone.now() - 30 * HOUR)
    assert "network itself" not in panel("Fresh bread")


def test_the_composer_says_what_was_posted_there_just_now(world, ana, there):
    there("Something else", hours=0.1)
    said = ana.post(
        reverse("compose_check"),
        {
            "brand": world.brand.pk,
            "text": "Hello",
            "accounts": [world.x.pk],
            "when": "now",
            "zone": "UTC",
        },
    ).content.decode()
    assert "Acme X: somebody posted at the network itself" in said


def test_an_export_has_them_of_its_brands_and_time(world, there):
    there("Early", hours=300)
    row = there("Late")
    Post.objects.create(brand=world.brand, author=world.ana, text="Ours")
    scope = exporting.scope_of(
        [world.brand.pk],
        {"what": ["natives"], "begin": (timezone.now() - 24 * HOUR).isoformat()},
        is_all=False,
    )
    (table,) = export_tables.tables(scope.what)
    rows = list(table.rows(scope))
    assert rows == [row]
    (record,) = table.records(rows, scope)
    assert record.keys() == table.columns.keys()
    assert (record["account"], record["text"]) == ("x:x-Acme X", "Late")
