"""Finished deliveries for benchmarks are as the engine leaves them, only many."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from publishing.models import Attempt, Delivery, Post
from socialhub.drills import history, loopback

pytestmark = pytest.mark.django_db


@pytest.fixture
def accounts(monkeypatch):
    monkeypatch.setenv(loopback.STUB_URL, "http://127.0.0.1:9")
    return loopback.make_accounts(3)


def test_a_history_has_as_many_posts_deliveries_and_attempts_as_asked(
    accounts, monkeypatch
):
    monkeypatch.setattr(history, "STEP", 4)  # several statements
    monkeypatch.setattr(history, "vacuum", lambda: None)  # not inside a transaction
    history.fill(accounts, 10)
    assert [model.objects.count() for model in (Post, Delivery, Attempt)] == [10] * 3
    rows = list(Delivery.objects.order_by("pk").select_related("post"))
    assert {row.status for row in rows} == {Delivery.Status.PUBLISHED}
    assert len({row.marker for row in rows}) == 10
    assert [row.attempts.get().outcome for row in rows] == ["published"] * 10
    assert {row.account_id for row in rows} == {account.pk for account in accounts}
    gaps = {b.published_at - a.published_at for a, b in itertools.pairwise(rows)}
    assert gaps == {timedelta(seconds=history.EVERY_S)}
    assert rows[-1].published_at < timezone.now()
    assert rows[0].post.text != rows[1].post.text


def test_what_is_written_after_a_history_gets_numbers_of_its_own(accounts, monkeypatch):
    monkeypatch.setattr(history, "vacuum", lambda: None)
    history.fill(accounts, 5)
    (row,) = loopback.make_deliveries(accounts[:1], timezone.now(), "New")
    assert row.pk > Delivery.objects.exclude(pk=row.pk).order_by("-pk")[0].pk
    assert Delivery.objects.due(timezone.now()).get() == row
