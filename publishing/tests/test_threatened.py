"""What is kept of judgements is believed for a short time, and never against the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ConnectedAccount, Credential
from platforms.base import TokenSet
from platforms.errors import Cause
from publishing.account_facts import account_queue
from publishing.judgements import BELIEVED
from publishing.models import Delivery, Judgement, Stop
from publishing.risk import risks
from publishing.threatened import by_root, renew, threatened

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def row(noon: Any, make_account: Any, make_delivery: Any) -> Delivery:
    """One that will go, written a second ago and judged just now."""
    row: Delivery = make_delivery(make_account("mastodon"), "Hello", timedelta(hours=3))
    noon.shift(SECOND)
    assert renew() == 1
    noon.shift(SECOND)
    return row


def found() -> list[int]:
    """Those counted; what is said of each row agrees."""
    keys = [one.pk for one in threatened(Delivery.objects.all())]
    assert keys == list(risks(Delivery.objects.select_related("post")))
    return keys


def allow(characters: int) -> None:
    """What a server tells of itself, which leaves no trace on the post."""
    ConnectedAccount.objects.update(server_limits={"max_characters": characters})


def test_what_is_kept_is_believed_for_some_minutes(row: Delivery, noon: Any) -> None:
    allow(3)
    assert found() == []
    noon.shift(BELIEVED)
    assert found() == [row.pk]


def test_the_next_round_keeps_what_has_changed(row: Delivery, noon: Any) -> None:
    allow(3)
    assert renew() == 0  # it was judged just now
    noon.shift(BELIEVED / 2)
    assert renew() == 1
    assert row.judgement.root == f"post:{row.post_id}"
    noon.shift(SECOND)
    assert found() == [row.pk]


def test_a_post_that_was_saved_is_judged_at_once(row: Delivery) -> None:
    row.post.text = "Hello " * 200
    row.post.save()
    assert found() == [row.pk]
    assert renew() == 1  # and does not wait for its turn


def test_a_post_that_was_moved_is_judged_for_its_new_time(
    row: Delivery, noon: Any
) -> None:
    Credential.objects.update(expires_at=NOON + timedelta(days=1))
    assert found() == []
    Delivery.objects.update(due_at=NOON + timedelta(days=2))
    assert found() == [row.pk]


def test_a_post_that_came_since_is_judged(
    row: Delivery, make_account: Any, make_delivery: Any
) -> None:
    ended = make_account("linkedin", "2", expires_at=NOON)
    new = make_delivery(ended, "New", timedelta(hours=1))
    assert found() == [new.pk]


@pytest.mark.parametrize(
    "what", ["broken", "trouble", "disconnected", "gone", "stopped"]
)
def test_what_holds_all_is_told_at_once(row: Delivery, author: Any, what: str) -> None:
    if what == "broken":
        Credential.objects.update(
            state=Credential.State.BROKEN, cause=Cause.TOKEN_REVOKED
        )
    elif what == "trouble":
        ConnectedAccount.objects.update(trouble=Cause.ROLE_LOST)
    elif what == "disconnected":
        ConnectedAccount.objects.update(disconnected_at=NOON)
    elif what == "gone":
        ConnectedAccount.objects.update(credential=None)
    else:
        Stop.objects.create(
            scope=Stop.Scope.EVERYTHING, reason="Storm", started_by=author
        )
    assert found() == [row.pk]
    (group,) = by_root(threatened(Delivery.objects.all()), 5)
    assert group.first == row


def test_what_was_mended_is_named_no_more(row: Delivery, noon: Any) -> None:
    Credential.objects.update(state=Credential.State.BROKEN, cause=Cause.TOKEN_REVOKED)
    noon.shift(BELIEVED)
    renew()
    noon.shift(SECOND)
    assert len(by_root(threatened(Delivery.objects.all()), 5)) == 1
    Credential.objects.update(state=Credential.State.ACTIVE, cause="")
    assert by_root(threatened(Delivery.objects.all()), 5) == []
    assert risks([row]) == {}


def test_access_that_was_given_anew_is_judged_at_once(row: Delivery, noon: Any) -> None:
    Credential.objects.update(expires_at=NOON)
    noon.shift(BELIEVED)
    renew()
    noon.shift(SECOND)
    assert found() == [row.pk]
    tokens = TokenSet("new", expires_at=NOON + timedelta(days=9))
    credential = Credential.objects.get()
    credential.store(tokens)
    credential.save()
    assert found() == []


def test_what_is_over_is_forgotten(row: Delivery) -> None:
    row.cancel()
    assert renew() == 0
    assert not Judgement.objects.exists()


def test_pages_ask_little_where_all_is_kept(
    row: Delivery, noon: Any, make_account: Any, make_delivery: Any
) -> None:
    ended = make_account("linkedin", "2", expires_at=NOON)
    for n in range(3):
        make_delivery(ended, f"New {n}", timedelta(hours=n + 1))
    noon.shift(SECOND)
    renew()
    noon.shift(SECOND)
    with CaptureQueriesContext(connection) as seen:
        assert len(threatened(Delivery.objects.all())) == 3
    assert len(seen) == 2
    facts = account_queue([row.account, ended])
    assert facts[ended.pk]["at_risk"] == 3
    assert facts[ended.pk]["risk"].cause == Cause.TOKEN_EXPIRED
    assert facts[row.account_id]["at_risk"] == 0


def test_what_was_judged_since_its_access_was_renewed_is_believed(
    row: Delivery, noon: Any
) -> None:
    Credential.objects.update(issued_at=NOON)
    with CaptureQueriesContext(connection) as seen:
        assert threatened(Delivery.objects.all()) == []
    assert len(seen) == 2
    # With a break in the access that pages tell at once.
    ConnectedAccount.objects.update(trouble=Cause.ROLE_LOST)
    assert found() == [row.pk]
