"""A standby access that took over: its accounts' owners hear of it, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.models import AuditEvent, ConnectedAccount, Credential

from . import people, telling
from .models import Alert, Incident, open_of
from .roots import trees_of

STANDBY = Incident.Kind.STANDBY
VERB = "standby_took_over"
LOOK_BACK = timedelta(days=1)
#: Shown for so long, unless the former access comes back before.
SHOWN_FOR = timedelta(days=7)

#: However many accounts have a standby access, only what happened is read.
_lately = FixedQuery(
    lambda since: AuditEvent.objects.filter(verb=VERB, at__gte=since).order_by("at"),
    SAMPLE_TIME,
)


def review(now: datetime) -> None:
    """One incident per former access, however many accounts it gave up at once."""
    for row in open_of(STANDBY):
        former = row.credential
        # One that gave up a single page may be alive all the time.
        proven = former.proven_at if former and former.is_active else None
        is_back = former is None or bool(proven and proven >= row.opened_at)
        if is_back or now >= row.opened_at + SHOWN_FOR:
            row.resolve(now)
    events = _lately.objects(now - LOOK_BACK)
    if not events:
        return
    # The former access stands by afterwards: where none does, somebody took it away.
    accounts = ConnectedAccount.objects.connected().exclude(standby=None)
    watched = accounts.filter(pk__in={event.target_id for event in events})
    keys = {str(pk) for pk in watched.values_list("pk", flat=True)}
    events = [event for event in events if event.target_id in keys]
    link = Incident.accounts.through.objects.filter(incident__kind=STANDBY)
    taken_up: dict[str, list[datetime | None]] = {}
    for account, closed_at in link.filter(connectedaccount_id__in=keys).values_list(
        "connectedaccount_id", "incident__resolved_at"
    ):
        taken_up.setdefault(str(account), []).append(closed_at)
    fresh = [
        event
        for event in events
        if not any(
            closed_at is None or closed_at >= event.at
            for closed_at in taken_up.get(event.target_id, ())
        )
    ]
    for key, (former, group) in _by_root(fresh).items():
        _note(key, former, group, now)


def _by_root(
    events: Sequence[AuditEvent],
) -> dict[str, tuple[Credential, list[AuditEvent]]]:
    numbers = {event.pk: _number(event.detail.get("from")) for event in events}
    formers = Credential.objects.filter(
        pk__in={number for number in numbers.values() if number}
    )
    by_pk = {row.pk: row for row in formers.select_related("app")}
    trees = trees_of(list(by_pk.values()))
    groups: dict[str, tuple[Credential, list[AuditEvent]]] = {}
    for event in events:
        former = by_pk.get(numbers[event.pk] or 0)
        if former is not None:
            root = trees[former.pk].root
            entry = groups.setdefault(f"{STANDBY}:{root.pk}", (former, []))
            entry[1].append(event)
    return groups


def _number(value: Any) -> int | None:
    return int(value) if str(value).isdecimal() else None


def _note(
    key: str, former: Credential, events: Sequence[AuditEvent], now: datetime
) -> None:
    accounts = list(
        ConnectedAccount.objects.connected()
        .filter(pk__in=[event.target_id for event in events])
        .select_related("owner", "deputy", "brand")
    )
    if not accounts:
        return
    rows = Incident.objects.open().filter(dedup_key=key)
    incident = rows.first()
    try:
        with transaction.atomic():
            if incident is None:
                incident = Incident.objects.create(
                    dedup_key=key,
                    kind=STANDBY,
                    credential=former,
                    cause=former.cause or str(events[-1].detail.get("cause", "")),
                    opened_at=now,
                )
            named = set(incident.accounts.values_list("pk", flat=True))
            incident.name_accounts(named | {account.pk for account in accounts})
            incident.note(account_count=incident.accounts.count())
            kind = Alert.Kind.TAKEN_OVER
            new = [
                Alert(incident=incident, user=person, kind=kind)
                for person in people.owners(accounts)
            ]
            new += [
                Alert(incident=incident, channel=channel, kind=kind)
                for channel in telling.channels(accounts)
            ]
            telling.write(new, now)
    except IntegrityError:
        pass  # another worker was first
