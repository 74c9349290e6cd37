"""Kept judgements: which of them a page may believe.

The monitor cluster judges every scheduled post every two minutes. A page believes
what is not older than BELIEVED and was said of post and access as they are now, and
judges the rest itself: so nothing is called safe for longer than that, whatever has
changed and whether or not the cluster runs; and a post that was saved a moment ago is
right at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q

from accounts.fixed_query import SAMPLE_TIME, FixedQuery

from .models import Delivery, Judgement

BELIEVED = timedelta(minutes=5)


def doubted(now: datetime) -> Q:
    """Over deliveries: those whose judgement is not believed, or that have none."""
    # Reconnected or renewed since.
    renewed = Q(account__credential__issued_at__gte=F("judgement__judged_at"))
    return doubted_by_itself(now) | renewed


def doubted_by_itself(now: datetime) -> Q:
    """The same without regard to their accounts."""
    return (
        Q(judgement=None)
        | Q(judgement__judged_at__lte=now - BELIEVED)
        | ~Q(judgement__due_at=F("due_at"))
        | Q(post__changed_at__gte=F("judgement__judged_at"))
    )


_kept = FixedQuery(
    lambda keys, since: Judgement.objects.filter(
        delivery__in=keys, judged_at__gt=since
    ).order_by(),
    [-7],
    SAMPLE_TIME,
)


def believed(rows: Sequence[Delivery], now: datetime) -> dict[int, str]:
    """By delivery's key its judgement's root, "" for what will go; without those that
    are doubted. Rows come with their posts, accounts and credentials. One query."""
    kept = {
        one.delivery_id: one
        for one in _kept.objects([row.pk for row in rows], now - BELIEVED)
    }
    found = {}
    for row in rows:
        if (one := kept.get(row.pk)) is None or one.due_at != row.due_at:
            continue
        credential = row.account.credential
        issued_at = credential.issued_at if credential else None
        changes = [at for at in (row.post.changed_at, issued_at) if at]
        if max(changes) < one.judged_at:
            found[row.pk] = one.root
    return found
