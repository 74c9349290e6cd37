"""Emergency stops: what each covers, and which one is named."""

from __future__ import annotations

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import Brand
from publishing import stops
from publishing.models import Delivery, Stop

pytestmark = pytest.mark.django_db


def stop(author, scope="everything", **fields):
    return Stop.objects.create(
        scope=scope, reason="A storm", started_by=author, **fields
    )


@pytest.fixture
def neighbour(make_account):
    """An account of another brand and platform."""
    found = make_account("linkedin", "77")
    found.brand = Brand.objects.create(name="Other")
    found.save()
    return found


def test_each_scope_covers_its_accounts_and_no_other(account, neighbour, author, brand):
    for scope, fields in (
        ("brand", {"brand": brand}),
        ("platform", {"platform": account.platform}),
        ("account", {"account": account}),
    ):
        found = stop(author, scope, **fields)
        assert stops.covering(account, [found]) == found
        assert stops.covering(neighbour, [found]) is None
    everything = stop(author)
    assert stops.covering(neighbour, [everything]) == everything


@pytest.mark.parametrize(
    ("platform", "fields"),
    [
        ("outstand", {"kind": "x"}),
        ("ayrshare", {"extra": {"networks": ["linkedin", "twitter"]}}),
    ],
)
def test_a_stop_of_a_network_covers_the_roads_of_aggregators_to_it(
    make_account, make_delivery, author, platform, fields
):
    account = make_account(platform, "road", **fields)
    delivery = make_delivery(account)
    ours, others = (stop(author, "platform", platform=s) for s in ("x", "threads"))
    assert stops.covering(account, [others, ours]) == ours
    assert list(Delivery.objects.filter(ours.covered())) == [delivery]
    assert not Delivery.objects.filter(others.covered()).exists()


def test_the_widest_stop_is_named_first(account, author, brand):
    narrow = stop(author, "account", account=account)
    middle = stop(author, "brand", brand=brand)
    assert stops.covering(account, stops.active()) == middle
    wide = stop(author)
    assert stops.active() == (wide, middle, narrow)


def test_a_stop_that_has_ended_covers_nothing(account, author):
    ended = stop(author)
    Stop.objects.update(ended_at=timezone.now(), ended_by=author)
    assert stops.active() == ()
    assert stops.covering(account, stops.active()) is None
    assert Stop.objects.get() == ended


def test_the_engine_learns_of_all_stops_with_one_query(
    account, author, brand, django_assert_num_queries
):
    stop(author, "brand", brand=brand)
    stop(author, "account", account=account)
    with django_assert_num_queries(1):
        assert stops.covering(account, stops.active()) is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "brand"},
        {"scope": "everything", "platform": "x"},
        {"scope": "platform"},
        {"scope": "everything", "reason": ""},
    ],
)
def test_the_database_refuses_a_stop_without_scope_or_reason(author, fields):
    with pytest.raises(IntegrityError):
        Stop.objects.create(**{"reason": "Why", "started_by": author, **fields})
