"""Standby access: another person's, which takes over when the first one ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q

from accounts import health
from accounts.errands import Errand
from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.hearing import Hearing
from accounts.models import AccountQuerySet, ConnectedAccount
from publishing.models import Delivery

#: A standby that could not take over is asked again after so long.
AGAIN_AFTER = timedelta(minutes=10)


def wanted(now: datetime) -> AccountQuerySet:
    """Accounts that could post again with their standby access. One query."""
    return _wanted(now - AGAIN_AFTER)


def _wanted(asked_before: datetime) -> AccountQuerySet:
    looked = F("standby__looked_at")
    news = Q(standby__looked_at=None) | Q(standby__looked_at__lte=asked_before)
    news |= Q(credential__broken_at__gt=looked) | Q(trouble_at__gt=looked)
    return (
        ConnectedAccount.objects.without_access()
        .filter(news)
        .select_related("standby__app", "standby__parent", "credential")
        .order_by("pk")
    )


_any = FixedQuery(
    lambda asked_before: (
        _wanted(asked_before).select_related(None).order_by().values_list("pk")[:1]
    ),
    SAMPLE_TIME,
)


def anybody(now: datetime) -> bool:
    """Whether there may be one `wanted`: cheap, for what asks each minute."""
    return bool(_any.rows(now - AGAIN_AFTER))


def errand(account: ConnectedAccount, hearing: Hearing) -> Errand[bool]:
    """Prove it, swap, and let go what waits. True when it took over."""
    took_over = yield from health.prove_standby(account, hearing)
    if took_over:
        Delivery.objects.access_renewed(account.pk)
    return took_over
