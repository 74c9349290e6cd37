"""What the next posts need of their accounts' access, derived from the posts' own rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import Credential, RefreshAttempt
from publishing.models import Delivery

#: An access token that would be over by then is renewed before the post is due.
RENEWED_BEFORE = timedelta(minutes=15)
#: After a try that did not renew it, its own backoff decides for so long.
TRIED = timedelta(minutes=2)
#: How long before its next post an account is looked at, and for how long after that
#: time a look is made up for. After a longer stop of ours the daily look and the one an
#: hour before tell as much.
LOOKS: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(hours=24), timedelta(hours=2)),
    (timedelta(minutes=60), timedelta(minutes=60)),
)
#: What a token is to live on for at least, when it is looked at before a post.
LIVES_ON = timedelta(minutes=65)


def renew_for_posts(now: datetime) -> int:
    """Have access renewed that would be over when its next post is due. 2 statements.

    Tokens that live for hours are left to end while nobody needs them; a post should
    not wait for its renewal all the same.
    """
    tried = RefreshAttempt.objects.filter(
        credential=OuterRef("account__credential"), started_at__gt=now - TRIED
    )
    ending = _scheduled(now, now + RENEWED_BEFORE).filter(
        ~Exists(tried),
        account__credential__state=Credential.State.ACTIVE,
        account__credential__refresh_after__gt=now,
        account__credential__expires_at__lte=F("due_at") + timedelta(minutes=1),
    )
    pks = set(ending.values_list("account__credential", flat=True))
    if not pks:
        return 0
    return Credential.objects.filter(pk__in=pks, refresh_after__gt=now).update(
        refresh_after=now
    )


def looks_before_posts(now: datetime) -> QuerySet[Delivery, int]:
    """Credentials whose next post comes near and that were not looked at for it yet."""
    wanted = Q()
    for lead, made_up in LOOKS:
        looked = Q(account__credential__looked_at__gte=F("due_at") - lead)
        soon = Q(due_at__gt=now + lead - made_up, due_at__lte=now + lead)
        wanted |= soon & ~looked
    # By account and not by credential: one index finds it, whatever waits elsewhere.
    sooner = Delivery.objects.filter(
        account=OuterRef("account"),
        status=Delivery.Status.SCHEDULED,
        due_at__gt=now,
        due_at__lt=OuterRef("due_at"),
    ).order_by()
    farthest = now + max(lead for lead, _made_up in LOOKS)
    return (
        _scheduled(now, farthest)
        .filter(wanted, ~Exists(sooner), account__credential__isnull=False)
        .exclude(account__credential__state=Credential.State.DISCONNECTED)
        .order_by("due_at")
        .values_list("account__credential", flat=True)
    )


def _scheduled(after: datetime, until: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        status=Delivery.Status.SCHEDULED,
        due_at__gt=after,
        due_at__lte=until,
        account__disconnected_at=None,
    ).order_by()
