"""What waits for each account, told to the account pages through `accounts.hooks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Count, Min, Q
from django.utils import timezone

from accounts.models import ConnectedAccount

from .models import Delivery
from .threatened import explained, threatened

#: Holds that only a person ends.
BY_HAND = (Delivery.Hold.STOPPED, Delivery.Hold.TOO_LATE, Delivery.Hold.TWICE)
WAITING = (*Delivery.WAITING, Delivery.Status.PUBLISHING, Delivery.Status.HELD)


def account_queue(
    accounts: Sequence[ConnectedAccount], *, why: bool = True
) -> Mapping[int, dict[str, Any]]:
    """By account: next_at (aware, UTC), waiting, held, at_risk, first_at_risk_at, and
    with `why` also `risk`, the gravest reason of the first one at risk; what goes by
    itself once the account can post: following, first_at.

    A fixed number of queries, however many accounts and posts. At risk is what
    `publishing.threatened` says.
    """
    now = timezone.now()
    by_itself = Q(useful_until__gt=now) & ~(
        Q(status=Delivery.Status.HELD) & Q(hold__in=BY_HAND)
    )
    rows = Delivery.objects.filter(account__in=[account.pk for account in accounts])
    counted = (
        rows.filter(status__in=WAITING)
        .order_by()
        .values("account")
        .annotate(
            next_at=Min("due_at", filter=Q(due_at__gte=timezone.now())),
            waiting=Count("pk"),
            held=Count("pk", filter=Q(status=Delivery.Status.HELD)),
            following=Count("pk", filter=by_itself),
            first_at=Min("due_at", filter=by_itself),
        )
    )
    facts: dict[int, dict[str, Any]] = {
        row["account"]: {**row, "at_risk": 0, "first_at_risk_at": None}
        for row in counted
    }
    if not facts:
        return facts
    firsts = []
    for one in threatened(rows):
        fact = facts[one.account_id]
        fact["at_risk"] += 1
        if fact["first_at_risk_at"] is None:
            fact["first_at_risk_at"] = one.due_at
            firsts.append(one)
    reasons = explained(firsts) if why else {}
    for one in firsts:
        if one.pk in reasons:
            facts[one.account_id]["risk"] = reasons[one.pk]
    return facts
