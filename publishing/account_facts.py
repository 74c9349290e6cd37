"""What waits for each account, told to the account pages through `accounts.hooks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import Case, Count, DateTimeField, F, Min, Q, When
from django.utils import timezone

from accounts.models import ConnectedAccount
from platforms import registry
from platforms.base import Ability, PlatformSpec

from . import stops
from .models import Delivery

WAITING = (*Delivery.WAITING, Delivery.Status.PUBLISHING, Delivery.Status.HELD)


def account_queue(accounts: Sequence[ConnectedAccount]) -> Mapping[int, dict[str, Any]]:
    """By account: next_at (aware, UTC), waiting, held, at_risk, first_at_risk_at.

    Two queries, however many accounts. At risk is what `risk.risk` says of one delivery.
    """
    now = timezone.now()
    dead = [account.pk for account in accounts if account.health != "healthy"]
    ends_at = Case(
        When(
            account__credential__refresh_token="",
            then=F("account__credential__expires_at"),
        ),
        # What each renewal puts off ends only where renewals are stuck for weeks, and
        # notices of the credential tell of that.
        When(
            account__credential__app__platform__in=_where(
                lambda spec: spec.renewal_rotates
            ),
            then=None,
        ),
        default=F("account__credential__refresh_expires_at"),
        output_field=DateTimeField(),
    )
    trust_ends_at = Case(
        When(
            account__platform__in=_where(
                lambda spec: Ability.PUBLISH in spec.data_access_stops
            ),
            then=F("account__credential__data_access_ends_at"),
        ),
        output_field=DateTimeField(),
    )
    active = stops.active()
    stopped = [account.pk for account in accounts if stops.covering(account, active)]
    soon = Q(account__in=stopped, due_at__lt=now + stops.AHEAD)
    scheduled = Q(status=Delivery.Status.SCHEDULED)
    ended = Q(due_at__gte=F("ends_at")) | Q(due_at__gte=F("trust_ends_at"))
    risky = scheduled & (Q(account__in=dead) | ended | soon)
    rows = (
        Delivery.objects.filter(
            account__in=[account.pk for account in accounts], status__in=WAITING
        )
        .annotate(ends_at=ends_at, trust_ends_at=trust_ends_at)
        .order_by()
        .values("account")
        .annotate(
            next_at=Min("due_at", filter=Q(due_at__gte=now)),
            waiting=Count("pk"),
            held=Count("pk", filter=Q(status=Delivery.Status.HELD)),
            at_risk=Count("pk", filter=risky),
            first_at_risk_at=Min("due_at", filter=risky),
        )
    )
    return {row["account"]: {**row} for row in rows}


def _where(is_so: Callable[[PlatformSpec], bool]) -> list[str]:
    """Slugs of the platforms of which that is true."""
    return [spec.slug for spec in registry.all_specs() if is_so(spec)]
