"""The same post to the same account within a day is noticed before it leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Brand, ConnectedAccount
from platforms.base import Draft, MediaFile, Poll
from publishing import composing, twice
from publishing.fingerprints import fingerprint
from publishing.models import Delivery, draft_doc, schedule

Status = Delivery.Status
HOUR = timedelta(hours=1)


def picture(sha256: str, alt_text: str = "") -> MediaFile:
    return MediaFile(
        key=f"a{sha256}",
        mime_type="image/png",
        size_bytes=1,
        width=1,
        height=1,
        alt_text=alt_text,
        sha256=sha256,
        file_name="a.png",
        open=lambda: None,
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Draft("Good  news\r\n today "), Draft("Good news today")),
        (Draft("Caf\u00e9"), Draft("Cafe\u0301")),
        (Draft("A", link_title="One"), Draft("A", link_title="Two")),
        (Draft("A", media=(picture("1", "x"),)), Draft("A", media=(picture("1"),))),
        (Draft("A", poll=Poll(("b", "c"))), Draft("A", poll=Poll(("b", "c"), 60))),
    ],
)
def test_what_readers_take_for_the_same_has_one_fingerprint(one, other):
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Draft("Good news"), Draft("good news")),
        (Draft("A b"), Draft("Ab")),
        (Draft("A", link_url="https://a.example"), Draft("A")),
        (Draft("A https://a.example"), Draft("A", link_url="https://a.example")),
        (Draft("A", media=(picture("1"),)), Draft("A")),
        (Draft("A", poll=Poll(("b", "c"))), Draft("A")),
        (Draft("A", poll=Poll(("b", "c"))), Draft("A", poll=Poll(("c", "b")))),
        (
            Draft("A", media=(picture("1"), picture("2"))),
            Draft("A", media=(picture("2"), picture("1"))),
        ),
    ],
)
def test_what_readers_take_for_another_post_has_another(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_a_stored_draft_has_the_fingerprint_of_the_draft_itself():
    draft = Draft("A", link_url="https://a.example", media=(picture("1"),))
    asked = replace(draft, poll=Poll(("b", "c"), question="d"))
    assert fingerprint(draft_doc(asked)) == fingerprint(asked)
    assert fingerprint(draft_doc(draft)) == fingerprint(draft) != ""
    assert fingerprint(Draft(" ")) == ""


@pytest.fixture
def published(db, account, make_delivery):
    """ "Hello" went out to the account an hour ago."""
    row = make_delivery(account, "Hello")
    Delivery.objects.filter(pk=row.pk).update(
        status=Status.PUBLISHED,
        external_id="p1",
        published_at=timezone.now() - HOUR,
    )
    row.refresh_from_db()
    return row


def test_the_same_words_within_a_day_name_the_first(published, account, make_delivery):
    again = make_delivery(account, " Hello ")
    found = twice.others([again], timezone.now())
    assert found == {again.pk: twice.Other(published.pk, published.published_at)}


def test_after_a_day_or_elsewhere_or_with_a_yes_it_may_go(
    published, account, make_account, make_delivery
):
    again = make_delivery(account, "Hello")
    elsewhere = make_delivery(make_account("linkedin", "8"), "Hello")
    another = make_delivery(account, "Hello you")
    now = timezone.now()
    assert list(twice.others([again, elsewhere, another], now)) == [again.pk]
    assert twice.others([again], now + 24 * HOUR) == {}
    again.twice_allowed = True
    assert twice.others([again], now) == {}


@pytest.mark.parametrize(
    ("fields", "is_in_the_way"),
    [
        ({"status": Status.PUBLISHING}, True),
        ({"status": Status.PROCESSING}, True),
        ({"status": Status.UNCERTAIN}, True),
        ({"status": Status.SCHEDULED, "repeat_is_safe": True}, True),
        ({"status": Status.SCHEDULED, "witness": {"post": "done"}}, True),
        ({"status": Status.HELD, "witness": {"post": "done"}}, True),
        ({"status": Status.SCHEDULED, "witness": {"upload": "done"}}, False),
        ({"status": Status.SCHEDULED}, False),
        ({"status": Status.HELD}, False),
        ({"status": Status.FAILED}, False),
        ({"status": Status.CANCELLED}, False),
    ],
)
def test_what_may_be_live_already_is_in_the_way(
    account, make_delivery, fields, is_in_the_way
):
    first, again = make_delivery(account), make_delivery(account)
    Delivery.objects.filter(pk=first.pk).update(**fields)
    found = twice.others([again], timezone.now())
    assert found == ({again.pk: twice.Other(first.pk, None)} if is_in_the_way else {})


@pytest.mark.parametrize(("minutes", "is_in_the_way"), [(-1, True), (30, False)])
def test_large_files_of_a_due_post_are_in_the_way_and_those_sent_ahead_are_not(
    account, make_delivery, minutes, is_in_the_way
):
    first, again = make_delivery(account), make_delivery(account)
    now = timezone.now()
    Delivery.objects.filter(pk=first.pk).update(
        lease_owner="a" * 32,
        lease_expires_at=now + timedelta(minutes=1),
        next_attempt_at=now + timedelta(minutes=minutes),
    )
    assert bool(twice.others([again], now)) is is_in_the_way


def test_of_two_in_one_batch_the_first_may_go(
    account, make_delivery, django_assert_num_queries
):
    first, second, third = (make_delivery(account) for _ in range(3))
    with django_assert_num_queries(1):
        found = twice.others([first, second, third], timezone.now())
    assert found == {
        second.pk: twice.Other(first.pk, None),
        third.pk: twice.Other(first.pk, None),
    }


def test_a_network_of_its_own_wording_has_its_own_fingerprint(
    account, make_account, make_delivery
):
    row = make_delivery(account, "Hello")
    row.post.variants.create(platform="linkedin", text="Good day")
    other = schedule(row.post, [make_account("linkedin", "8")])[0]
    assert other.fingerprint == fingerprint(Draft("Good day"))
    assert row.fingerprint == fingerprint(Draft("Hello"))


def test_two_roads_to_one_network_are_named_before_anything_is_scheduled(
    brand, make_account
):
    direct = make_account("linkedin", "urn:li:organization:1", name="Acme Page")
    detour = make_account("outstand", "77", name="Acme there", kind="linkedin")
    other = make_account("outstand", "78", name="Acme clips", kind="tiktok")
    made = composing.Composition(brand, text="Hello", accounts=[direct, detour, other])
    said = {
        row.account.name: [line.sentence for line in row.lines if not line.refused]
        for row in composing.check(made)
    }
    words = "The same network is reached through Acme Page (LinkedIn) as well"
    assert words in said["Acme there"]
    assert not [one for one in said["Acme clips"] if "as well" in one]
    assert words not in said["Acme Page"]


@pytest.mark.trap("x", 15)
def test_several_accounts_that_would_say_the_same_are_named_where_that_is_forbidden(
    brand, make_account
):
    one, two = (make_account("x", n, name=f"Acme {n}") for n in "12")
    pages = [make_account("linkedin", n, name=f"Page {n}") for n in "34"]
    made = composing.Composition(brand, text="Hello", accounts=[one, two, *pages])
    said = {row.account: row.lines for row in composing.check(made)}
    (line,) = said[one]
    assert (
        line.sentence == "X forbids the same text on several accounts: Acme 2 as well"
    )
    assert not line.refused
    assert not said[pages[0]]
    made.accounts.remove(two)
    assert not [line for row in composing.check(made) for line in row.lines]


def test_another_post_that_says_the_same_on_another_account_is_named_there_too(
    brand, author, client, make_account, make_delivery
):
    one, two = (make_account("x", n, name=f"Acme {n}") for n in "12")
    page, other_page = (make_account("linkedin", n, name=f"Page {n}") for n in "34")
    elsewhere = Brand.objects.create(name="Elsewhere", time_zone="UTC")
    foreign = make_account("x", "5", name="Foreign")
    ConnectedAccount.objects.filter(pk=foreign.pk).update(brand=elsewhere)
    near = timedelta(hours=3)
    for account in (two, other_page, foreign):
        make_delivery(account, "Hello", near)
    make_delivery(two, "Another", near)
    made = composing.Composition(brand, text="Hello", accounts=[one, page])
    due = timezone.now() + timedelta(hours=5)
    found = composing.said_elsewhere(made, due, None)
    assert set(found) == {one.pk}
    assert found[one.pk].sentence == (
        "X forbids the same text on several accounts: within a day another post says it "
        "on Acme 2"
    )
    assert not found[one.pk].refused
    assert not composing.said_elsewhere(made, due + timedelta(days=2), None)
    made.text = "Hello, X"
    assert not composing.said_elsewhere(made, due, None)

    client.force_login(author)
    wall = timezone.localtime(due, ZoneInfo("Europe/Berlin"))
    asked = {
        "brand": brand.pk,
        "text": "Hello",
        "accounts": [one.pk],
        "when": "at",
        "date": f"{wall:%Y-%m-%d}",
        "time": f"{wall:%H:%M}",
        "zone": "Europe/Berlin",
    }
    said = client.post(reverse("compose_check"), asked).content.decode()
    assert "another post says it on Acme 2" in said
