"""Who hears of an incident: one message per cause, person and channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts.models import ConnectedAccount

from . import people
from .models import Alert, AlertChannel, Incident
from .roots import Root

Kind = Incident.Kind

#: A tree's members are all looked at when the first one fails. The message waits for
#: that, so that it is one message with the right numbers; but not longer than this.
SETTLE = timedelta(minutes=5)
#: ... and not longer than this when a post is due soon.
SETTLE_URGENT = timedelta(minutes=1)
SOON = timedelta(hours=2)
#: "Solved" is said for so long after the end, whatever came between.
SAID_FOR = timedelta(hours=2)
#: Trouble that comes and goes is mailed once in so long.
MAILED_ONCE_IN = timedelta(hours=6)
#: ... and called solved when it has kept away for so long.
KEPT_AWAY = timedelta(minutes=15)
#: A message of these says that it broke.
BROKE = (Alert.Kind.OPENED, Alert.Kind.ESCALATED)


def has_settled(incident: Incident, root: Root, now: datetime) -> bool:
    if root.is_complete:
        return True
    first = incident.first_due_at
    urgent = first is not None and first <= now + SOON
    return now >= incident.opened_at + (SETTLE_URGENT if urgent else SETTLE)


def untold(rows: Sequence[Incident], found: Mapping[str, Root]) -> list[Alert]:
    """Not saved: a message each to those who look after what broke, and to channels."""
    if not rows:
        return []
    alerts = Alert.objects.filter(incident__in=rows, kind__in=BROKE)
    told = set(alerts.values_list("incident", "user", "channel"))
    active = list(AlertChannel.objects.filter(is_active=True))
    new: list[Alert] = []
    for row in rows:
        root = found[row.dedup_key]
        accounts = list(root.accounts.values())
        if root.needs_admin:
            # To the accounts' owners it would be a message without anything to do:
            # their pages and posts say what happens, and what is held goes by itself.
            persons = people.admins()
        else:
            persons = people.owners(accounts)
        new += [
            Alert(incident=row, user=person)
            for person in persons
            if (row.pk, person.pk, None) not in told
        ]
        new += [
            Alert(incident=row, channel=channel)
            for channel in active
            if (row.pk, None, channel.pk) not in told and concerns(channel, accounts)
        ]
    return new


def concerns(channel: AlertChannel, accounts: Iterable[ConnectedAccount]) -> bool:
    brand = channel.brand_id
    return brand is None or any(account.brand_id == brand for account in accounts)


def channels(accounts: Sequence[ConnectedAccount]) -> list[AlertChannel]:
    active = AlertChannel.objects.filter(is_active=True)
    return [channel for channel in active if concerns(channel, accounts)]


def write(alerts: Sequence[Alert], now: datetime) -> None:
    """Store them, each at most once, and have the channels' ones sent."""
    for alert in alerts:
        alert.created_at = now
    Alert.objects.bulk_create(alerts, ignore_conflicts=True)
    if any(alert.channel_id for alert in alerts):
        wake_channels()


def wake_channels() -> None:
    """Have them sent now, not in a minute. A lost wake-up costs that minute."""
    from django_q.tasks import async_task

    task = "monitoring.tasks.send_to_channels"
    transaction.on_commit(lambda: async_task(task, cluster="monitor"), robust=True)


def mailed_lately(key: str, now: datetime) -> bool:
    before = Alert.objects.filter(
        incident__dedup_key=key, created_at__gte=now - MAILED_ONCE_IN
    )
    return before.exists()


def say_solved(now: datetime) -> None:
    """To those who were told that it broke, and to nobody else."""
    over = Incident.objects.filter(
        state=Incident.State.RESOLVED,
        resolved_at__gte=now - SAID_FOR,
        kind__in=[Kind.ACCESS, Kind.APP, Kind.BREAKER],
    ).exclude(dedup_key__startswith=Incident.PART)
    new: list[Alert] = []
    for incident in over:
        same = _same_trouble(incident, now)
        if same is None:
            continue
        solved = Alert.objects.filter(same, kind=Alert.Kind.RESOLVED)
        said = set(solved.values_list("user", "channel"))
        told = Alert.objects.filter(same, kind__in=BROKE).exclude(sent_at=None)
        new += [
            Alert(
                incident=incident,
                user_id=user,
                channel_id=channel,
                kind=Alert.Kind.RESOLVED,
            )
            for user, channel in set(told.values_list("user", "channel")) - said
        ]
    if new:
        write(new, now)


def _same_trouble(incident: Incident, now: datetime) -> Q | None:
    """Messages about the incident's trouble; None when it is too early to call it over."""
    if incident.kind != Kind.BREAKER:
        return Q(incident=incident)
    assert incident.resolved_at is not None
    again = Incident.objects.filter(
        dedup_key=incident.dedup_key, opened_at__gt=incident.opened_at
    )
    if now < incident.resolved_at + KEPT_AWAY or again.exists():
        return None
    since = incident.opened_at - MAILED_ONCE_IN
    return Q(incident__dedup_key=incident.dedup_key, created_at__gte=since)
