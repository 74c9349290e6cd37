"""Composer, calendar and home say in advance when a limit will not hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.fixed_query import SAMPLE_TIME, FixedQuery, as_time
from accounts.limits import BucketId, set_size
from platforms import registry
from publishing import ahead
from publishing.listing import rows_of
from publishing.models import Delivery
from publishing.risk import risks
from publishing.tests.pages.conftest import make_account, make_delivery
from publishing.threatened import threatened

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
POST = "POST /rest/posts"


def page_of(answer) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def linkedin(world):
    """An account whose app may post twice until midnight UTC."""
    account = make_account(world.brand, "linkedin", "Acme L")
    subject = f"app:{account.credential.app_id}"
    set_size(BucketId("linkedin", f"{POST}:app", subject), 2, world.adam, "Two a day")
    return account


def at_risk():
    """Those that pages count, with what pages say of them."""
    keys = [one.pk for one in threatened(Delivery.objects.all())]
    rows = (
        Delivery.objects.filter(pk__in=keys).order_by("due_at").select_related("post")
    )
    found = risks(rows)
    return [(row, found[row.pk][0]) for row in rows]


def test_a_post_beyond_the_limit_is_at_risk_and_told_when_it_goes(world, linkedin):
    rows = [make_delivery(linkedin, world.ana, hours=n) for n in (1, 2, 11)]
    found = at_risk()
    assert [row.pk for row, _ in found] == [rows[2].pk]
    assert found[0][1].cause == "limit"
    # The window's end, and the seconds by which two clocks may differ.
    assert found[0][1].sentence == (
        "LinkedIn’s limit for “Publish” (our app, all accounts together) is used up by "
        "14:00: this post would go at Wed 25 Nov, 00:00."
    )


def test_the_times_are_the_readers(world, linkedin):
    for n in (1, 2, 11):
        make_delivery(linkedin, world.ana, hours=n)
    with timezone.override("Asia/Tokyo"):
        (found,) = at_risk()
    # Due in the morning in Tokyo: the other time is that of the day before.
    assert "by Tue 24 Nov, 23:00: this post would go at 09:00." in found[1].sentence


def test_what_could_go_only_after_its_useful_time_waits_for_a_person(world, linkedin):
    for n in (1, 2, 3):
        make_delivery(linkedin, world.ana, hours=n)
    (found,) = at_risk()
    assert found[1].sentence.endswith(
        "this post could go at Wed 25 Nov, 00:00, after its useful time, so it would "
        "wait for a person’s decision."
    )


def test_a_limit_that_is_used_up_already_says_so(world, linkedin):
    subject = f"app:{linkedin.credential.app_id}"
    set_size(BucketId("linkedin", f"{POST}:app", subject), 0, world.adam, "None")
    make_delivery(linkedin, world.ana, hours=1)
    (found,) = at_risk()
    assert "is smaller than what this post needs: it would be held." in (
        found[1].sentence
    )


def test_money_is_called_a_budget(world):
    subject = f"app:{world.x.credential.app_id}"
    set_size(BucketId("x", "credits", subject), 20, world.adam, "A little")
    for n in (1, 2):
        make_delivery(world.x, world.ana, text=f"Post {n}", hours=n)
    (found,) = at_risk()
    assert found[1].sentence == (
        "The budget for X is used up by 13:00: this post could go at Tue 1 Dec, 00:00, "
        "after its useful time, so it would wait for a person’s decision."
    )


def test_posts_of_other_brands_take_their_share_of_the_apps_window(world, linkedin):
    other = make_account(world.brand, "linkedin", "Other")
    for n in (1, 2):
        make_delivery(other, world.ana, hours=n)
    mine = make_delivery(linkedin, world.ana, hours=3)
    assert risks([mine])[mine.pk][0].cause == "limit"


def test_what_fits_is_at_no_risk(world, linkedin):
    for hours in (1, 2, 13):
        make_delivery(linkedin, world.ana, hours=hours)
    assert at_risk() == []


def test_rows_of_a_page_cost_as_many_queries_whatever_their_number(world, linkedin):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            rows_of(
                Delivery.objects.select_related("post", "account__credential").order_by(
                    "due_at"
                )
            )
        return len(seen)

    for n in range(3):
        make_delivery(linkedin, world.ana, text=f"Post {n}", hours=1 + n)
    first = queries()
    for n in range(3, 20):
        make_delivery(linkedin, world.ana, text=f"Post {n}", hours=1 + n / 4)
    assert queries() == first <= 16


def test_far_from_any_limit_no_post_is_worked_out(world, linkedin, monkeypatch):
    def never(*args):
        raise AssertionError("nothing is near a limit")

    monkeypatch.setattr(ahead, "outlook", never)
    rows = [make_delivery(linkedin, world.ana, hours=n) for n in (1, 2)]
    assert ahead.forecasts(rows) == {}


def test_of_too_many_those_that_are_due_first_are_looked_at(
    world, linkedin, monkeypatch
):
    monkeypatch.setattr(ahead, "MAX_COUNTED", 2)
    for name in ("_going", "_first_going"):
        again = FixedQuery(getattr(ahead, name)._make, SAMPLE_TIME)
        monkeypatch.setattr(ahead, name, again)
    seen = []
    monkeypatch.setattr(ahead, "_concerned", lambda times, now: seen.append(times))
    rows = [make_delivery(linkedin, world.ana, hours=n) for n in (9, 2, 1)]
    later = NOON + timedelta(hours=5)
    Delivery.objects.filter(pk=rows[2].pk).update(next_attempt_at=later)
    ahead.forecasts(rows)
    times = [as_time(at) for at in seen[0][linkedin.pk]]
    assert times == [rows[1].due_at, later]


def test_more_than_are_free_within_a_span_are_a_crowd():
    times = [0.0, 1.0, 2.0, 30.0, 31.0, 90.0]
    assert ahead._are_crowded(times, 5, 2)
    assert not ahead._are_crowded(times, 5, 3)
    assert ahead._are_crowded(times, 31, 4)
    assert not ahead._are_crowded(times, 31, 5)
    assert ahead._are_crowded(times, 1, 1)  # both ends belong to the span
    assert ahead._are_crowded(times, 5, 0)
    assert not ahead._are_crowded(times, 1000, 6)
    assert not ahead._are_crowded([], 5, 0)


@pytest.mark.parametrize(
    ("platform", "bucket"),
    [
        ("facebook", "reels"),
        ("bluesky", "video"),
        ("bluesky", "upload_blob"),
        ("linkedin", "POST /rest/videos:member"),
        ("linkedin", "POST /rest/documents:member"),
    ],
)
def test_a_post_counts_with_whatever_it_might_show_and_wherever(platform, bucket):
    assert ahead._most(platform)[bucket]


@pytest.mark.parametrize("platform", sorted(registry.PLATFORMS))
def test_a_post_of_images_counts_no_less_than_they_draw(platform):
    images = registry.platform(platform).draws(ahead._images(platform), looking=False)
    most = ahead._most(platform)
    assert all(most[bucket] >= units for bucket, units in images.items())


@pytest.mark.parametrize("slug", registry.PLATFORMS)
def test_a_post_counts_with_every_choice_that_makes_calls(slug):
    """Who may reply on Bluesky is a record of its own, and costs as much as a post."""
    platform, most = registry.platform(slug), ahead._most(slug)
    for option in platform.spec.options:
        for value in option.choices:
            job = ahead._images(slug)
            job = replace(job, draft=replace(job.draft, options={option.key: value}))
            drawn = platform.draws(job, looking=False)
            assert all(units <= most[key] for key, units in drawn.items())
    if slug == "bluesky":
        assert most["writes_hour"] == 4


def test_without_a_scheduled_row_nothing_is_asked(world, linkedin):
    row = make_delivery(linkedin, world.ana, status=Delivery.Status.CANCELLED)
    with CaptureQueriesContext(connection) as seen:
        assert ahead.forecasts([row]) == {}
    assert len(seen) == 0


def typed(world, account, **fields):
    due = timezone.now() + timedelta(hours=5)
    return {
        "brand": world.brand.pk,
        "text": "Something new",
        "accounts": [account.pk],
        "date": f"{due:%Y-%m-%d}",
        "time": f"{due:%H:%M}",
        "time_zone": "UTC",
        "when": "at",
        **fields,
    }


def test_the_composer_says_that_the_limit_will_not_hold(world, linkedin, ana):
    for n in (1, 2):
        make_delivery(linkedin, world.ana, text=f"Post {n}", hours=n)
    page = page_of(ana.post("/posts/check/", typed(world, linkedin)))
    assert "is used up by" in page
    assert "this post could go at" in page
    # It may be scheduled all the same: it goes by itself.
    assert "cannot be scheduled" not in page


def test_the_composer_does_not_count_the_post_that_is_being_changed(
    world, linkedin, ana
):
    make_delivery(linkedin, world.ana, text="Post 1", hours=1)
    own = make_delivery(linkedin, world.ana, text="Mine", hours=2)
    answer = ana.post("/posts/check/", typed(world, linkedin, post=own.post_id))
    assert "used up" not in page_of(answer)
