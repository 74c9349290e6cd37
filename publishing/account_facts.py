"""What waits for each account, told to the account pages through `accounts.hooks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, OuterRef, Q, Subquery
from django.utils import timezone

from accounts.fixed_query import SAMPLE_TIME, FixedQuery, as_time
from accounts.models import ConnectedAccount

from .models import Delivery
from .threatened import explained, of_accounts, threatened_of

#: Holds that only a person ends.
BY_HAND = (Delivery.Hold.STOPPED, Delivery.Hold.TOO_LATE, Delivery.Hold.TWICE)
WAITING = (*Delivery.WAITING, Delivery.Status.PUBLISHING, Delivery.Status.HELD)


#: Of an account none of whose posts is at risk.
_SAFE = {"at_risk": 0, "first_at_risk_at": None}


def _count(accounts: list[int], now: datetime) -> Any:
    by_itself = Q(useful_until__gt=now) & ~(
        Q(status=Delivery.Status.HELD) & Q(hold__in=BY_HAND)
    )
    return (
        of_accounts(accounts)
        .filter(status__in=WAITING)
        .order_by()
        .values_list("account")
        .annotate(
            next_at=Min("due_at", filter=Q(due_at__gte=now)),
            waiting=Count("pk"),
            held=Count("pk", filter=Q(status=Delivery.Status.HELD)),
            following=Count("pk", filter=by_itself),
            first_at=Min("due_at", filter=by_itself),
        )
    )


_counted = FixedQuery(_count, [-7], SAMPLE_TIME)


def _first_of_each(accounts: list[int], now: datetime) -> Any:
    """Found account by account: one step into the index of each."""
    waits = Delivery.objects.filter(
        account=OuterRef("pk"), status__in=WAITING, due_at__gte=now
    )
    first = Subquery(waits.order_by("due_at").values("due_at")[:1])
    rows = ConnectedAccount.objects.filter(pk__in=accounts)
    return rows.order_by().values_list("pk", first)


_next = FixedQuery(_first_of_each, [-7], SAMPLE_TIME)


def account_queue(
    accounts: Sequence[ConnectedAccount], *, why: bool = True
) -> Mapping[int, dict[str, Any]]:
    """By account: next_at (aware, UTC), at_risk, first_at_risk_at, and with `why` also
    waiting, held, `risk`, the gravest reason of the first one at risk, and what goes by
    itself once the account can post: following, first_at.

    A fixed number of queries, however many accounts and posts. At risk is what
    `publishing.threatened` says.
    """
    keys = [account.pk for account in accounts]
    now = timezone.now()
    facts: dict[int, dict[str, Any]] = {}
    if why:
        for pk, next_at, waiting, held, following, first_at in _counted.rows(keys, now):
            facts[pk] = {
                "next_at": as_time(next_at),
                "waiting": waiting,
                "held": held,
                "following": following,
                "first_at": as_time(first_at),
                **_SAFE,
            }
    else:
        for pk, next_at in _next.rows(keys, now):
            if next_at is not None:
                facts[pk] = {"next_at": as_time(next_at), **_SAFE}
    firsts = []
    for one in threatened_of(keys):
        fact = facts.setdefault(one.account_id, {"next_at": None, **_SAFE})
        if not fact["at_risk"]:
            fact["first_at_risk_at"] = one.due_at
            firsts.append(one)
        fact["at_risk"] += 1
    reasons = explained(firsts) if why else {}
    for one in firsts:
        if one.pk in reasons:
            facts[one.account_id]["risk"] = reasons[one.pk]
    return facts
