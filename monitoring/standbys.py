"""Standby access: another person's, which takes over when the first one ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from accounts import health
from accounts.errands import Errand
from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.hearing import Hearing
from accounts.models import AccountQuerySet, ConnectedAccount, Credential
from publishing.models import Delivery

#: A standby that could not take over is asked again after so long.
AGAIN_AFTER = timedelta(minutes=10)


def wanted(now: datetime) -> AccountQuerySet:
    """Accounts that could post again with their standby access. One query."""
    return _wanted(now - AGAIN_AFTER)


def _wanted(asked_before: datetime) -> AccountQuerySet:
    return (
        ConnectedAccount.objects.without_access()
        .filter(_news(asked_before))
        .select_related("standby__app", "standby__parent", "credential")
        .order_by("pk")
    )


def _news(asked_before: datetime) -> Q:
    looked = F("standby__looked_at")
    news = Q(standby__looked_at=None) | Q(standby__looked_at__lte=asked_before)
    return news | Q(credential__broken_at__gt=looked) | Q(trouble_at__gt=looked)


def _one(asked_before: datetime, **ended: Any) -> QuerySet[ConnectedAccount, Any]:
    """`_wanted` for one way in which the own access is over, so that a database reads
    what is over, and not all that lives: it would begin with the standbys' state."""
    over = {Credential.State.BROKEN, Credential.State.DISCONNECTED}
    return (
        ConnectedAccount.objects.connected()
        .filter(_news(asked_before), standby__isnull=False, **ended)
        .exclude(standby__state__in=over)
        .order_by()
        .values_list("pk")[:1]
    )


_of_broken = FixedQuery(
    lambda before: _one(before, credential__state=Credential.State.BROKEN), SAMPLE_TIME
)
_in_trouble = FixedQuery(
    lambda before: _one(before, trouble_at__isnull=False), SAMPLE_TIME
)


def anybody(now: datetime) -> bool:
    """Whether there may be one `wanted`: cheap, for what asks each minute."""
    before = now - AGAIN_AFTER
    return bool(_of_broken.rows(before) or _in_trouble.rows(before))


def errand(account: ConnectedAccount, hearing: Hearing) -> Errand[bool]:
    """Prove it, swap, and let go what waits. True when it took over."""
    took_over = yield from health.prove_standby(account, hearing)
    if took_over:
        Delivery.objects.access_renewed(account.pk)
    return took_over
