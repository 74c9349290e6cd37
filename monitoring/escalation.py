"""What nobody acts on goes up: owners, then deputies, then admins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min

from accounts.models import ConnectedAccount

from . import people, telling
from .models import Alert, Incident, open_of

#: Unacknowledged and unsolved for so long: with a post due within a day, and without.
WITH_A_POST = timedelta(hours=2)
WITHOUT = timedelta(days=1)
POST_DUE_IN = timedelta(days=1)
DEPUTIES, ADMINS = 1, 2


def review(now: datetime) -> None:
    rows = Incident.objects.open()
    known = open_of(*Incident.Kind.values)
    # "I am on it" holds for a day.
    if any(row.state == Incident.State.ACKNOWLEDGED for row in known):
        rows.filter(
            state=Incident.State.ACKNOWLEDGED,
            acknowledged_at__lte=now - Incident.ACKNOWLEDGED_FOR,
        ).update(state=Incident.State.OPEN)
    if not any(row.opened_at <= now - WITH_A_POST for row in known):
        return  # nobody was told so long ago
    told = (
        rows.filter(
            kind__in=[Incident.Kind.ACCESS, Incident.Kind.APP],
            state=Incident.State.OPEN,
            level__lt=ADMINS,
            alerts__kind=Alert.Kind.OPENED,
        )
        .annotate(told_at=Min("alerts__created_at"))
        .order_by("pk")
    )
    for incident in told:
        since = incident.escalated_at or incident.told_at
        if now >= since + patience(incident, now):
            _go_up(incident, now)


def patience(incident: Incident, now: datetime) -> timedelta:
    first = incident.first_due_at
    return WITH_A_POST if first and first <= now + POST_DUE_IN else WITHOUT


def _go_up(incident: Incident, now: datetime) -> None:
    accounts = list(incident.accounts.select_related("owner", "deputy", "brand"))
    known = set(
        incident.alerts.exclude(user=None).values_list("user", flat=True).distinct()
    )
    level = incident.level + 1
    persons = _new(_at(level, accounts), known)
    if not persons and level == DEPUTIES:
        level = ADMINS
        persons = _new(_at(level, accounts), known)
    with transaction.atomic():
        if not incident.escalate(level, now):
            return
        kind = Alert.Kind.ESCALATED
        new = [Alert(incident=incident, user=who, kind=kind) for who in persons]
        new += [
            # `days` tells the two steps apart: a channel hears of each.
            Alert(incident=incident, channel=channel, kind=kind, days=level)
            for channel in telling.channels(accounts)
        ]
        telling.write(new, now)


def _at(level: int, accounts: Sequence[ConnectedAccount]) -> list[Any]:
    return people.deputies(accounts) if level == DEPUTIES else people.admins(accounts)


def _new(persons: Sequence[Any], known: set[int]) -> list[Any]:
    return [person for person in persons if person.pk not in known]
