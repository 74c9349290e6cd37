"""Every page opens for those it is for, and for nobody else."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from publishing.models import Delivery, Post
from publishing.tests.pages.conftest import make_account, make_delivery

READING = ["calendar", "post_list", "failure_desk"]
ACTS = [
    "delivery_cancel",
    "delivery_retry",
    "delivery_dismiss",
    "delivery_confirm_live",
    "delivery_confirm_absent",
]


@pytest.mark.parametrize("name", [*READING, "compose"])
def test_pages_ask_for_a_sign_in(client, db, name):
    answer = client.get(reverse(name))
    assert answer.status_code == 302
    assert "sign-in" in answer["Location"]


@pytest.mark.parametrize("name", READING)
def test_people_without_a_role_may_read(world, sign_in, name):
    make_delivery(world.x, world.ana)
    assert sign_in(world.guest).get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", READING)
def test_a_stranger_sees_nothing_of_another_brand(world, sign_in, name):
    make_delivery(world.x, world.ana, text="Secret launch", status="failed")
    for query in ({}, {"tab": "all"}):
        page = sign_in(world.stranger).get(reverse(name), query)
        assert page.status_code == 200
        assert "Secret launch" not in page.content.decode()


def test_a_stranger_gets_not_found_everywhere(world, sign_in):
    delivery = make_delivery(world.x, world.ana)
    stranger = sign_in(world.stranger)
    for name, pk in [
        ("post_detail", delivery.post_id),
        ("post_edit", delivery.post_id),
        ("delivery_detail", delivery.pk),
    ]:
        assert stranger.get(reverse(name, args=[pk])).status_code == 404, name
    for name in ACTS:
        assert stranger.post(reverse(name, args=[delivery.pk])).status_code == 404, name
    assert stranger.post(
        reverse("post_cancel", args=[delivery.post_id])
    ).status_code == (404)
    assert (
        stranger.get(reverse("compose"), {"copy": delivery.post_id}).status_code == 404
    )
    delivery.refresh_from_db()
    assert delivery.status == Delivery.Status.SCHEDULED


@pytest.mark.parametrize("name", ACTS)
def test_without_a_role_nothing_can_be_done(world, sign_in, name):
    delivery = make_delivery(world.x, world.ana)
    guest = sign_in(world.guest)
    assert guest.post(reverse(name, args=[delivery.pk])).status_code == 403


def test_a_reviewer_does_not_write(world, sign_in):
    delivery = make_delivery(world.x, world.ana)
    rita = sign_in(world.rita)
    assert rita.get(reverse("compose")).status_code == 403
    assert rita.get(reverse("post_edit", args=[delivery.post_id])).status_code == 403
    assert rita.post(reverse("delivery_cancel", args=[delivery.pk])).status_code == 403
    assert rita.post(reverse("media_upload")).status_code == 403
    assert rita.post(reverse("compose_check")).status_code == 403


@pytest.mark.parametrize("name", ACTS)
def test_verbs_answer_to_post_only(world, ana, name):
    delivery = make_delivery(world.x, world.ana)
    assert ana.get(reverse(name, args=[delivery.pk])).status_code == 405


def test_text_is_shown_and_never_run(world, ana):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    delivery = make_delivery(
        world.x,
        world.ana,
        text=evil,
        status="failed",
        cause="text_refused",
        detail=evil,
    )
    delivery.attempts.create(
        number=1, detail=evil, code="<b>", calls=[{"call": evil, "step": "post"}]
    )
    pages = [
        reverse("calendar") + "?plain=1",
        f"{reverse('calendar_day')}?day={timezone.localtime(delivery.due_at).date()}",
        reverse("post_list") + "?tab=all",
        reverse("failure_desk"),
        delivery.get_absolute_url(),
        delivery.post.get_absolute_url(),
        reverse("post_edit", args=[delivery.post_id]),
    ]
    for address in pages:
        page = ana.get(address).content.decode()
        assert "&lt;script&gt;" in page, address
        assert "<script>alert(1)" not in page, address
        assert "<img src=x" not in page, address


@pytest.mark.parametrize("name", READING)
def test_the_number_of_queries_does_not_grow(world, ana, name):
    def count() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert ana.get(reverse(name), {"tab": "needs_me"}).status_code == 200
        return len(caught)

    owned = make_account(world.brand, "x", "Owned", owner=world.ana)
    for number in range(3):
        make_delivery(
            owned, world.ana, text=f"n{number}", hours=number, status="failed"
        )
    before = count()
    for number in range(12):
        account = make_account(world.brand, "x", f"X {number}", owner=world.adam)
        make_delivery(
            account, world.ana, hours=number, status="failed", cause="timed_out"
        )
    assert count() == before


def test_no_page_shows_a_token(world, ana):
    delivery = make_delivery(world.x, world.ana)
    for address in [
        reverse("compose"),
        reverse("calendar"),
        delivery.get_absolute_url(),
    ]:
        assert "secret-token" not in ana.get(address).content.decode()


def test_the_calendar_names_the_zone_and_keeps_its_address(world, ana):
    page = ana.get(
        reverse("calendar"),
        {"plain": "1", "view": "week", "date": "2026-11-24", "platform": "x"},
    ).content.decode()
    assert "UTC" in page
    assert "?plain=1&amp;view=week&amp;date=2026-11-30&amp;platform=x" in page
    assert "?plain=1&amp;view=month&amp;date=2026-11-24&amp;platform=x" in page


@pytest.mark.parametrize(
    "date", ["", "nonsense", "9999-99-99", "0001-01-01", "9999-12-31"]
)
def test_a_broken_date_shows_today(world, ana, date):
    for plain in ("", "1"):
        asked = {"date": date, "brand": "x", "status": "?", "plain": plain}
        assert ana.get(reverse("calendar"), asked).status_code == 200


def test_a_full_day_leads_to_its_list(world, ana):
    start = timezone.now().replace(hour=10, minute=0, second=0, microsecond=0)
    hours = (start - timezone.now()).total_seconds() / 3600
    for number in range(5):
        make_delivery(world.x, world.ana, text=f"Number {number}", hours=hours)
    page = ana.get(reverse("calendar"), {"plain": "1"}).content.decode()
    assert "+2 more" in page
    day = start.date().isoformat()
    listed = ana.get(reverse("post_list"), {"tab": "all", "day": day}).content.decode()
    assert all(f"Number {n}" in listed for n in range(5))
    other = (start + timedelta(days=1)).date().isoformat()
    assert (
        "Number"
        not in ana.get(
            reverse("post_list"), {"tab": "all", "day": other}
        ).content.decode()
    )


def test_posts_at_risk_say_why(world, ana):
    world.x.credential.expires_at = timezone.now() + timedelta(hours=1)
    world.x.credential.save()
    post = make_delivery(world.x, world.ana, hours=5).post
    make_delivery(world.mastodon, world.ana, hours=5)
    day = timezone.localtime(post.due_at).date()  # may be in the next week
    page = ana.get(
        reverse("calendar"), {"plain": "1", "view": "week", "date": day.isoformat()}
    ).content.decode()
    assert "At risk" in page
    assert "before it is due" in page
    assert "1 post at risk" in page
    listed = ana.get(reverse("post_list"), {"tab": "upcoming", "status": "at_risk"})
    assert len(listed.context["rows"]) == 1


def test_drafts_have_a_tab_of_their_own(world, ana):
    Post.objects.create(brand=world.brand, author=world.ana, text="Half a thought")
    page = ana.get(reverse("post_list"), {"tab": "drafts"}).content.decode()
    assert "Half a thought" in page


def test_long_lists_have_pages(world, ana):
    for number in range(27):
        make_delivery(world.x, world.ana, text=f"n{number}", hours=number + 1)
    page = ana.get(reverse("post_list"), {"tab": "upcoming"})
    assert len(page.context["rows"]) == 25
    second = ana.get(reverse("post_list"), {"tab": "upcoming", "page": "2"})
    assert len(second.context["rows"]) == 2


def test_a_post_without_a_wall_time_shows_no_empty_one(world, sign_in):
    post = make_delivery(world.x, world.ana).post
    address = reverse("post_detail", args=[post.pk])
    Post.objects.filter(pk=post.pk).update(
        local_date=date(2026, 11, 30), local_time=time(9)
    )
    assert "As written" in sign_in(world.ana).get(address).content.decode()
    Post.objects.filter(pk=post.pk).update(local_date=None, local_time=None)
    page = sign_in(world.ana).get(address).content.decode()
    assert "As written" not in page
    assert "In your zone" in page


def test_a_post_costs_no_more_queries_for_more_accounts(world, ana):
    delivery = make_delivery(world.x, world.ana)
    url = reverse("post_detail", args=[delivery.post_id])
    ana.get(url)
    with CaptureQueriesContext(connection) as few:
        ana.get(url)
    for number in range(4):
        account = make_account(world.brand, "mastodon", f"More {number}")
        Delivery.objects.create(
            post=delivery.post,
            account=account,
            due_at=delivery.due_at,
            useful_until=delivery.useful_until,
            next_attempt_at=delivery.next_attempt_at,
        )
    with CaptureQueriesContext(connection) as many:
        page = ana.get(url)
    assert len(page.context["rows"]) == 5
    assert len(many) == len(few) <= 20, [query["sql"] for query in many]
