"""Who hears of an incident: one message per cause, person and channel."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.models import ConnectedAccount, Credential

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
#: a person's key or a channel's
Who = tuple[int | None, int | None]


def unasked_apps(
    rows: Sequence[Incident], found: Mapping[str, Root], now: datetime
) -> Collection[int]:
    """Apps of whose other accesses a few are still to be asked: what looks like one
    person's withdrawal may be the app's suspension. No query when nothing is new."""
    new = now - SETTLE
    if any(found[r.dedup_key].may_be_the_app and r.opened_at > new for r in rows):
        return Credential.objects.strangers_by_app(now)
    return ()


def has_settled(
    incident: Incident, root: Root, now: datetime, unasked: Collection[int] = ()
) -> bool:
    """unasked: as `unasked_apps` tells."""
    waits = root.may_be_the_app_of(unasked)
    if root.is_complete and not waits:
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
    people.with_owners(
        [one for row in rows for one in found[row.dedup_key].accounts.values()]
    )
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


_over_since = FixedQuery(
    lambda since: Incident.objects.filter(
        state=Incident.State.RESOLVED,
        resolved_at__gte=since,
        kind__in=[Kind.ACCESS, Kind.APP, Kind.BREAKER, Kind.UNPROVEN],
    ).exclude(dedup_key__startswith=Incident.PART),
    SAMPLE_TIME,
)


def say_solved(now: datetime) -> None:
    """To those who were told that it broke, and to nobody else."""
    over = _over_since.objects(now - SAID_FOR)
    if not over:
        return
    told, said = _knows(over)
    new: list[Alert] = []
    for incident in over:
        if incident.kind == Kind.BREAKER:
            who = _of_outage(incident, now)
        else:
            who = told.get(incident.pk, set()) - said.get(incident.pk, set())
        new += [
            Alert(
                incident=incident,
                user_id=user,
                channel_id=channel,
                kind=Alert.Kind.RESOLVED,
            )
            for user, channel in who
        ]
    if new:
        write(new, now)


def _knows(over: Iterable[Incident]) -> tuple[dict[int, set[Who]], dict[int, set[Who]]]:
    """By incident: who was told that it broke, and who that it is solved. One query."""
    told: dict[int, set[Who]] = {}
    said: dict[int, set[Who]] = {}
    sent = Alert.objects.filter(incident__in=over).exclude(sent_at=None, kind__in=BROKE)
    for pk, user, channel, kind in sent.values_list(
        "incident", "user", "channel", "kind"
    ):
        if kind == Alert.Kind.RESOLVED:
            said.setdefault(pk, set()).add((user, channel))
        elif kind in BROKE:
            told.setdefault(pk, set()).add((user, channel))
    return told, said


def _of_outage(incident: Incident, now: datetime) -> set[Who]:
    """Who was told of it lately and not yet that it is over, once it has kept away."""
    assert incident.resolved_at is not None
    again = Incident.objects.filter(
        dedup_key=incident.dedup_key, opened_at__gt=incident.opened_at
    )
    if now < incident.resolved_at + KEPT_AWAY or again.exists():
        return set()
    same = Alert.objects.filter(
        incident__dedup_key=incident.dedup_key,
        created_at__gte=incident.opened_at - MAILED_ONCE_IN,
    )
    told = same.filter(kind__in=BROKE).exclude(sent_at=None)
    said = same.filter(kind=Alert.Kind.RESOLVED)
    who: set[Who] = set(told.values_list("user", "channel"))
    return who - set(said.values_list("user", "channel"))
