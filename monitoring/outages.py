"""A platform's or an app's trouble: one incident each while its breaker is open.

Only admins are mailed, and only where somebody has to act: an outage passes by itself,
and what is late because of it says so. A token's breaker is no incident: a limit is
reached, and the time when it ends is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts import paused
from accounts.breakers import accounts_behind
from accounts.models import AccountQuerySet, ConnectedAccount
from accounts.paused import Paused

from . import people, telling, waiting
from .models import Alert, AlertChannel, Incident, open_of

BREAKER = Incident.Kind.BREAKER


def lasting() -> list[Paused]:
    """What is wrong now, or stays wrong until a person acts."""
    return [
        pause
        for pause in paused.not_closed(tokens=False)
        if pause.is_current or pause.needs_admin
    ]


def key_of(pause: Paused) -> str:
    """Another cause is another incident: an outage may end in a refusal of our app."""
    row = pause.breaker
    word = row.cause if pause.needs_admin else "passing"
    return f"{BREAKER}:{row.platform}:{row.subject}:{word}"


def pause_of(incident: Incident) -> Paused | None:
    """The breaker behind an incident; None when it is over."""
    return next((p for p in lasting() if key_of(p) == incident.dedup_key), None)


def behind(pause: Paused) -> AccountQuerySet:
    """The accounts that wait for it."""
    connected = ConnectedAccount.objects.connected()
    return connected.filter(**accounts_behind(pause.breaker))


def review(pauses: Sequence[Paused], now: datetime) -> None:
    by_key = {key_of(pause): pause for pause in pauses}
    rows = {row.dedup_key: row for row in open_of(BREAKER)}
    for key in by_key.keys() - rows.keys():
        _open(key, by_key[key], now)
    for incident in rows.values():
        pause = by_key.get(incident.dedup_key)
        if pause is None:
            incident.resolve(now)
            continue
        held = behind(pause)
        count, first = waiting.figures(held)
        incident.note(account_count=held.count(), post_count=count, first_due_at=first)


def _open(key: str, pause: Paused, now: datetime) -> None:
    held = behind(pause)
    count, first = waiting.figures(held)
    found = Incident(
        dedup_key=key,
        kind=BREAKER,
        cause=pause.breaker.cause,
        detail=pause.breaker.detail,
        account_count=held.count(),
        post_count=count,
        first_due_at=first,
        level=2,
    )
    new: list[Alert] = []
    if pause.needs_admin and not telling.mailed_lately(key, now):
        everywhere = AlertChannel.objects.filter(is_active=True, brand=None)
        new = [Alert(incident=found, user=person) for person in people.admins()]
        new += [Alert(incident=found, channel=channel) for channel in everywhere]
    try:
        with transaction.atomic():
            found.save(force_insert=True)
            telling.write(new, now)
    except IntegrityError:
        pass  # another worker was first
