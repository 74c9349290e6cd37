"""Approvers and writers at the same instant, each on a connection of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from publishing import approving
from publishing.fingerprints import exact
from publishing.models import Approval, Delivery, Review, draft_doc
from publishing.tests.test_approval import ask, mark, person, row_of

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["ask", "person"]

ROUNDS = 5


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each returned, or the exception that it ended with."""
    start = threading.Barrier(len(works))
    found: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            start.wait(30)
            found[number] = work()
        except Exception as exc:
            found[number] = exc
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_of_three_approvers_at_once_two_count_for_two_steps(
    ask: Any, person: Any
) -> None:
    people = [person(name) for name in ("rita", "tom", "zoe")]
    for turn in range(ROUNDS):
        post = ask(steps=2, text=f"Post {turn}")
        seen = mark(post)
        found = at_once(
            *[partial(approving.approve, one, post.pk, seen) for one in people]
        )
        refused = [one for one in found if isinstance(one, approving.Refused)]
        assert len(refused) == 1, found
        given = Approval.objects.filter(review__post=post)
        assert list(given.values_list("step", flat=True)) == [1, 2]
        assert row_of(post).status == "scheduled"


def test_an_edit_at_the_instant_of_its_approval_is_never_approved_with_it(
    ask: Any, person: Any, author: Any
) -> None:
    rita = person("rita")
    for turn in range(ROUNDS):
        post = ask(text=f"Post {turn}")
        seen, accounts = mark(post), list(post.accounts.all())
        post.refresh_from_db()
        approved, edited = at_once(
            partial(approving.approve, rita, post.pk, seen),
            partial(ask.edit, post, author, accounts, f"Edited {turn}"),
        )
        assert isinstance(approved, Review | approving.Refused), approved
        assert not isinstance(edited, Exception), edited
        row = row_of(post)
        assert (row.status, row.hold) == ("held", "approval")
        review = post.reviews.get(is_current=True)
        assert (review.state, review.approvals.count()) == ("waiting", 0)
        approving.approve(rita, post.pk, review.fingerprint)
        row = Delivery.objects.get(pk=row.pk)
        assert row.approved_as == exact(draft_doc(row.draft_now()))
