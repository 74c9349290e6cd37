"""What cannot go out meanwhile: the posts that wait for an account."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Count, Min

from publishing.models import Delivery, DeliveryQuerySet


def waiting(accounts: Any) -> DeliveryQuerySet:
    """Posts that wait; what is being checked is not among them, for it has not failed.

    accounts: rows, primary keys or a query.
    """
    return Delivery.objects.filter(
        account__in=accounts,
        status__in=[Delivery.Status.SCHEDULED, Delivery.Status.HELD],
    )


def by_account(accounts: Collection[int]) -> dict[int, tuple[int, datetime]]:
    """How many wait, and when the first is due, by account; one query."""
    if not accounts:
        return {}
    rows = (
        waiting(accounts)
        .order_by()
        .values_list("account")
        .annotate(n=Count("pk"), first=Min("due_at"))
    )
    return {pk: (count, first) for pk, count, first in rows}


def figures(
    accounts: Any, since: datetime | None = None
) -> tuple[int, datetime | None]:
    """How many wait, and when the first is due; since: only those due from then on."""
    rows = waiting(accounts)
    if since:
        rows = rows.filter(due_at__gte=since)
    found = rows.aggregate(n=Count("pk"), first=Min("due_at"))
    return found["n"], found["first"]
