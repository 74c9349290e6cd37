"""What the next posts need of their accounts' access, derived from the posts' own rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.models import Credential, RefreshAttempt
from publishing.models import Delivery

#: An access token that would be over by then is renewed before the post is due.
RENEWED_BEFORE = timedelta(minutes=15)
#: After a try that did not renew it, its own backoff decides for so long.
TRIED = timedelta(minutes=2)
#: How long before its next post an account is looked at, the longest first, and for how
#: long after that time a look is made up for. After a longer stop of ours the daily look
#: and the one an hour before tell as much.
LOOKS: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(hours=24), timedelta(hours=2)),
    (timedelta(minutes=60), timedelta(minutes=60)),
)
#: Before all others go so many at most, so that others have their turn as well.
MOST_URGENT = 1000
#: What a token is to live on for at least, when it is looked at before a post.
LIVES_ON = timedelta(minutes=65)


def renew_for_posts(now: datetime) -> int:
    """Have access renewed that would be over when its next post is due. 2 statements.

    Tokens that live for hours are left to end while nobody needs them; a post should
    not wait for its renewal all the same.
    """
    pks = {pk for (pk,) in _ending.rows(now, now + RENEWED_BEFORE, now - TRIED)}
    if not pks:
        return 0
    return Credential.objects.filter(pk__in=pks, refresh_after__gt=now).update(
        refresh_after=now
    )


def looks_before_posts(now: datetime) -> list[int]:
    """Credentials whose next post comes near and that were not looked at for it yet.
    One statement."""
    return [pk for (pk,) in _near.rows(now, *bounds_of_looks(now))]


def near_posts(now: datetime, *bounds: datetime) -> QuerySet[Delivery, Any]:
    """What `looks_before_posts` asks, at most MOST_URGENT. bounds: those of `bounds_of_looks`."""
    wanted = Q()
    for (lead, _made_up), after, until in zip(
        LOOKS, bounds[::2], bounds[1::2], strict=True
    ):
        looked = Q(account__credential__looked_at__gte=F("due_at") - lead)
        wanted |= Q(due_at__gt=after, due_at__lte=until) & ~looked
    # By account and not by credential: one index finds it, whatever waits elsewhere.
    sooner = Delivery.objects.filter(
        account=OuterRef("account"),
        status=Delivery.Status.SCHEDULED,
        due_at__gt=now,
        due_at__lt=OuterRef("due_at"),
    ).order_by()
    return (
        _scheduled(now, bounds[1])  # the longest lead stands first
        .filter(wanted, ~Exists(sooner), account__credential__isnull=False)
        .exclude(account__credential__state=Credential.State.DISCONNECTED)
        .order_by("due_at")
        .values_list("account__credential")[:MOST_URGENT]
    )


def bounds_of_looks(now: datetime) -> list[datetime]:
    """Of each of LOOKS: posts that are due after this, and until that."""
    return [at for lead, made_up in LOOKS for at in (now + lead - made_up, now + lead)]


def _without_renewal(
    now: datetime, until: datetime, tried_after: datetime
) -> QuerySet[Delivery, Any]:
    tried = RefreshAttempt.objects.filter(
        credential=OuterRef("account__credential"), started_at__gt=tried_after
    )
    return (
        _scheduled(now, until)
        .filter(
            ~Exists(tried),
            account__credential__state=Credential.State.ACTIVE,
            account__credential__refresh_after__gt=now,
            account__credential__renewal_refused_at=None,
            account__credential__expires_at__lte=F("due_at") + timedelta(minutes=1),
        )
        .values_list("account__credential")
    )


def _scheduled(after: datetime, until: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        status=Delivery.Status.SCHEDULED,
        due_at__gt=after,
        due_at__lte=until,
        account__disconnected_at=None,
    ).order_by()


_samples = [SAMPLE_TIME + timedelta(days=n) for n in range(1 + 2 * len(LOOKS))]
_near = FixedQuery(near_posts, *_samples)
_ending = FixedQuery(_without_renewal, *_samples[:3])
