"""Figures leave what scheduled posts will need before a window ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.limits import BucketId, Importance, Need, reserve
from accounts.models import RateBucket
from platforms.x.spec import PRICE_CREATE, PRICE_CREATE_WITH_LINK
from publishing.kept import kept_for_posts, planned, waiting
from publishing.models import Delivery

pytestmark = pytest.mark.django_db
POST = "POST /2/tweets"
HOUR = timedelta(hours=1)


def ids(account, key, partition):
    pk = {"account": account.pk, "app": account.credential.app_id}[partition]
    return BucketId("x", key, f"{partition}:{pk}")


def test_posts_before_the_end_of_a_window_are_kept_for(make_account, make_delivery):
    now = timezone.now()
    one, two = make_account("x", "1"), make_account("x", "2")
    for account, due_in in ((one, HOUR), (one, 2 * HOUR), (one, 4 * HOUR), (two, HOUR)):
        make_delivery(account, f"Post in {due_in}", due_in)
    ends = {
        ids(one, f"{POST}:user", "account"): now + 3 * HOUR,
        ids(one, f"{POST}:app", "app"): now + 24 * HOUR,
        ids(two, "GET /2/tweets:user", "account"): now + HOUR,
    }
    kept = kept_for_posts(ends, now)
    assert kept == {
        ids(one, f"{POST}:user", "account"): 2,
        ids(one, f"{POST}:app", "app"): 4,
    }


@pytest.mark.trap("x", 7)
def test_money_is_kept_at_the_price_of_each_post(make_account, make_delivery):
    account = make_account("x", "1")
    make_delivery(account, "plain", HOUR)
    make_delivery(account, "see https://example.com/a", HOUR)
    credits = ids(account, "credits", "app")
    kept = kept_for_posts({credits: timezone.now() + 2 * HOUR}, timezone.now())
    assert kept == {credits: PRICE_CREATE + PRICE_CREATE_WITH_LINK}


def test_what_is_held_for_a_time_is_kept_for_and_what_waits_for_a_person_is_not(
    make_account, make_delivery
):
    account, now = make_account("x", "1"), timezone.now()
    rows = [make_delivery(account, f"Post {n}", HOUR) for n in range(3)]
    for row, hold, release_at in (
        (rows[0], Delivery.Hold.LIMIT, now + 2 * HOUR),
        (rows[1], Delivery.Hold.STOPPED, None),
    ):
        Delivery.objects.filter(pk=row.pk).update(
            status="held", hold=hold, release_at=release_at, next_attempt_at=None
        )
    plans = planned(waiting(now + 3 * HOUR))
    assert [plan.need.ref for plan in plans] == [rows[2].pk, rows[0].pk]
    assert [plan.at for plan in plans] == [rows[2].due_at, now + 2 * HOUR]


def test_planning_costs_the_same_for_one_post_and_for_many(
    make_account, make_delivery, django_assert_num_queries
):
    accounts = [make_account("x", str(n)) for n in range(5)]
    for account in accounts:
        make_delivery(account, f"Post of {account.external_id}", HOUR)
    with django_assert_num_queries(4):
        assert len(planned(waiting(timezone.now() + 2 * HOUR))) == 5


def test_a_reader_of_figures_waits_for_the_posts_of_the_window(
    make_account, make_delivery
):
    account, now = make_account("x", "1"), timezone.now()
    credential = account.credential
    credits = ids(account, "credits", "app")
    RateBucket.objects.create(**credits._asdict(), size_set=10 * PRICE_CREATE)
    for number in range(8):
        make_delivery(account, f"Post {number}")

    def ask(units, importance):
        need = Need(
            units,
            "x",
            "live",
            credential.app_id,
            credential.pk,
            account.pk,
            {"credits": units},
            importance,
        )
        with transaction.atomic():
            return reserve([need], now)[units]

    # Of ten posts' money eight are planned, and a tenth is for what nobody planned.
    assert ask(PRICE_CREATE + 1, Importance.FIGURES).key == "credits"
    assert ask(PRICE_CREATE, Importance.FIGURES) is None
    assert ask(9 * PRICE_CREATE, Importance.PUBLISH) is None
