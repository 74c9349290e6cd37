"""An incident is right from the first moment in which anybody can read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ConnectedAccount, Credential
from monitoring import incidents, notices, unproven
from monitoring.models import Incident

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]

DAY = timedelta(days=1)


@pytest.fixture
def account(make_account: Any) -> ConnectedAccount:
    return make_account("scripted", "me")


@pytest.fixture
def first_seen() -> Iterator[list[tuple[Any, ...]]]:
    """Each incident as the transaction that opened it left it: what a page reads that is
    asked for in that moment."""
    seen: list[tuple[Any, ...]] = []
    depth, written = 0, False

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal depth, written
        result = execute(sql, params, many, context)
        if sql.startswith("SAVEPOINT"):
            depth += 1
        elif sql.startswith("RELEASE SAVEPOINT"):
            depth -= 1
            if written and not depth:
                written = False
                row = Incident.objects.latest("pk")
                named = row.accounts.count()
                seen.append(
                    (named, row.account_count, row.post_count, row.first_due_at)
                )
        elif sql.startswith('INSERT INTO "monitoring_incident" '):
            written = True
        return result

    with connection.execute_wrapper(watch):
        yield seen


def test_what_is_lost_says_at_once_how_many_posts_wait(
    account: Any, make_delivery: Any, first_seen: Any
) -> None:
    first = make_delivery(account, due_in=timedelta(hours=3))
    make_delivery(account, due_in=DAY)
    Credential.objects.update(
        state="broken", cause="token_revoked", broken_at=timezone.now()
    )
    incidents.review()
    assert first_seen == [(1, 1, 2, first.due_at)]
    (sent,) = mail.outbox
    assert "2 posts wait" in sent.body


def test_a_notice_counts_at_once_what_is_planned_after_the_end(
    account: Any, make_delivery: Any, first_seen: Any
) -> None:
    now = timezone.now()
    Credential.objects.update(issued_at=now - 60 * DAY, expires_at=now + 5 * DAY)
    make_delivery(account, due_in=DAY)
    after = make_delivery(account, due_in=6 * DAY)
    notices.tell(now)
    assert first_seen == [(1, 1, 1, after.due_at)]


def test_what_nothing_proves_says_at_once_how_many_posts_wait(
    account: Any, make_delivery: Any, first_seen: Any
) -> None:
    now = timezone.now()
    Credential.objects.update(
        proven_at=now - 3 * DAY, looked_at=now - timedelta(hours=1)
    )
    one = make_delivery(account, due_in=DAY)
    unproven.review(now)
    assert first_seen == [(1, 1, 1, one.due_at)]


def test_a_lost_standby_names_at_once_whom_it_stood_by(
    account: Any, first_seen: Any
) -> None:
    account.standby = Credential.objects.create(
        app=account.credential.app, subject_id="ben", state="broken"
    )
    account.save()
    incidents.review()
    assert first_seen == [(1, 1, 0, None)]


def test_many_that_open_at_once_are_counted_together(
    make_account: Any, make_delivery: Any, monkeypatch: Any
) -> None:
    # A mail counts for its own reader.
    monkeypatch.setattr("monitoring.sending.send_mails", lambda now: None)
    for number in range(4):
        make_delivery(make_account("scripted", f"n{number}"), due_in=DAY)
    Credential.objects.update(
        state="broken", cause="token_expired", broken_at=timezone.now()
    )
    with CaptureQueriesContext(connection) as queries:
        incidents.review()
    assert Incident.objects.filter(post_count=1).count() == 4
    by_account = 'MIN("publishing_delivery"."due_at") AS "first"'
    counts = [q for q in queries if by_account in q["sql"] and "GROUP BY" in q["sql"]]
    assert len(counts) == 1
