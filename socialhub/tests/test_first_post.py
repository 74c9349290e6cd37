"""The first post: a round on the practice network that can never leave it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from responses import matchers

from accounts.models import Network
from publishing.models import Delivery, Post
from socialhub import first_post

NETWORK = "http://127.0.0.1:9"
FAULTS = f"{NETWORK}/api/faults"
pytestmark = pytest.mark.django_db


def marks(user: Any) -> list[bool]:
    going_on = first_post.current(user)
    assert going_on is not None
    return [step.is_done for step in first_post.steps(user, going_on)]


def out(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Delivery.Status.PUBLISHED,
        external_id=str(delivery.pk),
        published_at=timezone.now(),
    )


@responses.activate
def test_a_round_goes_from_the_first_post_to_a_repaired_one_and_cleans_up(
    author: Any, client: Client, settings: Any, make_account: Any, make_delivery: Any
) -> None:
    settings.PRACTICE_NETWORK_URL = NETWORK
    real = make_account("x", "7")
    account = make_account("x", "8", network=Network.PRACTICE)
    client.force_login(author)
    assert "Go to the first post" in client.get(reverse("home")).content.decode()
    kept = make_delivery(real, "a real one, written before")
    assert "Go to the first post" not in client.get(reverse("home")).content.decode()
    client.post(reverse("first_post_begin"))
    assert marks(author) == [False] * 5
    page = client.get(reverse("first_post")).content.decode()
    assert f"account={account.pk}" in page
    # Neither a real account's post nor one that goes to both counts.
    make_delivery(real, "a real one, written meanwhile")
    assert marks(author) == [False] * 5
    mine = make_delivery(account, "hello")
    assert marks(author) == [True, *[False] * 4]
    client.post(reverse("first_post_stage"))
    assert Post.objects.count() == 3, "staged before the first was out"
    out(mine)
    assert marks(author) == [True, True, False, False, False]
    # Without its header the practice network refuses what comes from no page of its own.
    from_a_program = matchers.header_matcher({"X-Practice": "1"})
    responses.post(FAULTS, json={"id": "f1"}, status=201, match=[from_a_program])
    for _again in range(2):
        client.post(reverse("first_post_stage"))
    assert Post.objects.count() == 4
    [sent] = responses.calls
    assert json.loads(sent.request.body) == {
        "kind": "content_refused",
        "platform": "x",
        "account": "8",
        "times": 1,
    }
    staged = Delivery.objects.get(post=Post.objects.order_by("-pk").first())
    assert staged.account == account
    assert staged.due_at <= timezone.now()
    assert marks(author) == [True, True, True, False, False]
    # Some refusals are looked up before they count: it is not on the desk yet.
    unclear = Delivery.Status.UNCERTAIN
    Delivery.objects.filter(pk=staged.pk).update(status=unclear, attempt_count=1)
    assert marks(author) == [True, True, True, False, False]
    assert "SocialHub looks first" in client.get(reverse("first_post")).content.decode()
    Delivery.objects.filter(pk=staged.pk).update(status=Delivery.Status.FAILED)
    assert marks(author) == [True, True, True, True, False]
    Delivery.objects.filter(pk=staged.pk).update(attempt_count=2)
    out(staged)
    assert marks(author) == [True] * 5
    responses.delete(f"{FAULTS}/f1", status=404, json={})
    client.post(reverse("first_post_end"))
    assert first_post.current(author) is None
    left = Delivery.objects.filter(account=account).values_list("status", flat=True)
    assert set(left) == {Delivery.Status.PUBLISHED}, "they are at the network"
    assert Delivery.objects.filter(pk=kept.pk).exists()
    assert "Go to the first post" not in client.get(reverse("home")).content.decode()
    client.post(reverse("first_post_begin"))
    assert marks(author) == [False] * 5


def test_no_round_begins_without_a_practice_account(
    author: Any, client: Client, settings: Any, make_account: Any
) -> None:
    settings.PRACTICE_NETWORK_URL = NETWORK
    make_account("x")
    client.force_login(author)
    client.post(reverse("first_post_begin"))
    assert first_post.current(author) is None
    page = client.get(reverse("first_post")).content.decode()
    assert "No practice account yet" in page
    assert reverse("account_connect") in page


def test_what_is_still_on_its_way_is_cancelled_or_left(
    author: Any, client: Client, settings: Any, make_account: Any, make_delivery: Any
) -> None:
    settings.PRACTICE_NETWORK_URL = NETWORK
    account = make_account("x", network=Network.PRACTICE)
    client.force_login(author)
    client.post(reverse("first_post_begin"))
    make_delivery(account, "later", timedelta(hours=2))
    refused = make_delivery(account, "refused")
    Delivery.objects.filter(pk=refused.pk).update(status=Delivery.Status.FAILED)
    doubtful = make_delivery(account, "nobody knows")
    Delivery.objects.filter(pk=doubtful.pk).update(status=Delivery.Status.UNCERTAIN)
    client.post(reverse("first_post_end"))
    assert list(Delivery.objects.all()) == [doubtful]
