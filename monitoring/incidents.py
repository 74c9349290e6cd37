"""Incidents: one per root cause, opened, kept up to date, closed by themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import ConnectedAccount
from accounts.paused import Paused
from platforms.errors import Cause

from . import (
    escalation,
    lost_standbys,
    notices,
    outages,
    roots,
    sending,
    takeovers,
    telling,
    waiting,
)
from .models import Alert, Incident, named_accounts, open_of, open_with
from .roots import Root

Waits = Mapping[int, tuple[int, datetime]]


def review(now: datetime | None = None) -> None:
    """Open what is wrong, close what is well again, tell and send what is due.

    Two workers at once do no harm: an incident is open once per key, a message exists
    once per person, and each is taken by one worker.
    """
    now = now or timezone.now()
    pauses = outages.lasting()
    found = _find(pauses)
    outages.review(pauses, now)
    known = {incident.dedup_key for incident in open_with(found)}
    waits = waiting.by_account({pk for root in found.values() for pk in root.accounts})
    for key in found.keys() - known:
        if not _goes_on(found, key):
            _open(found[key], waits, now)
    _keep_up_to_date(found, waits)
    _close_gone(found, pauses, now)
    _tell(found, now)
    takeovers.review(now)
    lost_standbys.review(now)
    notices.review(now)
    escalation.review(now)
    telling.say_solved(now)
    sending.send_mails(now)


def close_mended(accounts: Sequence[ConnectedAccount]) -> None:
    """Close at once what a reconnect has mended as a whole: who reads "52 accounts are
    back" is not to read beside it that they cannot post. The next review says so to
    those who were told."""
    keys = [account.pk for account in accounts]
    rows = open_of(Incident.Kind.ACCESS)
    concerned = Incident.accounts.through.objects.filter(
        incident__in=rows, connectedaccount__in=keys
    )
    theirs = set(concerned.values_list("incident", flat=True))
    for incident in rows:
        if incident.pk in theirs and not incident.accounts.broken().exists():
            incident.resolve()


def _find(pauses: Sequence[Paused]) -> dict[str, Root]:
    return roots.find([pause for pause in pauses if pause.needs_admin])


def _goes_on(found: Mapping[str, Root], key: str) -> bool:
    """Of roles that were lost at once, the one that was found first is back: what is
    open about them goes on, under the name of the next."""
    root = found[key]
    if root.cause != Cause.ROLE_LOST:
        return False
    rows = Incident.objects.open().filter(kind=Incident.Kind.ACCESS, cause=root.cause)
    others = rows.exclude(dedup_key__in=found).filter(accounts__in=root.accounts)
    pk = others.values_list("pk", flat=True).first()
    if pk is None:
        return False
    with contextlib.suppress(IntegrityError), transaction.atomic():
        rows.filter(pk=pk).update(dedup_key=key)
    return True


def _open(root: Root, waits: Waits, now: datetime) -> None:
    Incident.objects.begin(
        root.accounts,
        dedup_key=root.key,
        kind=root.kind,
        credential=root.credential,
        opened_at=now,
        # Where only admins can act, they are told first: there is no way up.
        level=2 if root.needs_admin else 0,
        **_facts(root, waits),
    )


def _facts(root: Root, waits: Waits) -> dict[str, Any]:
    """What is stored of it besides its accounts, and may change while it is open."""
    theirs = [waits[pk] for pk in root.accounts if pk in waits]
    return {
        "subject": root.subject,
        "post_count": sum(count for count, _first in theirs),
        "first_due_at": min((first for _count, first in theirs), default=None),
        "cause": root.cause,
        "detail": root.detail,
    }


def _close_gone(
    found: Mapping[str, Root], pauses: Sequence[Paused], now: datetime
) -> None:
    """Close what is well again; what turned out to be part of a larger cause joins it."""
    gone = [
        incident
        for incident in open_of(Incident.Kind.ACCESS, Incident.Kind.APP)
        if incident.dedup_key not in found
    ]
    if not gone:
        return
    covers: dict[int, tuple[str, datetime]] = {}
    for pause in pauses:
        if pause.needs_admin and pause.since:
            held = outages.behind(pause).broken().values_list("pk", flat=True)
            covers |= dict.fromkeys(held, (outages.key_of(pause), pause.since))
    for key, root in found.items():
        if root.covers_others:
            covers |= dict.fromkeys(root.accounts, (key, root.since))
    for incident in gone:
        theirs = set(incident.accounts.broken().values_list("pk", flat=True))
        within = {covers.get(pk) for pk in theirs}
        larger = within.pop() if len(within) == 1 else None
        if larger is None:
            if not incident.give_way(now):
                incident.resolve(now)
            continue
        key, since = larger
        into = Incident.objects.open().filter(dedup_key=key).first()
        if into is None or incident.opened_at < since - roots.SAME_TIME:
            # Another trouble came on top of an old one: that is told anew.
            incident.become_part_of(key, now)
            continue
        # Another worker may tell somebody just now: then the next review looks again.
        with contextlib.suppress(IntegrityError):
            _absorb(incident, into, now)


def _absorb(part: Incident, into: Incident, now: datetime) -> None:
    """What was told of the part counts as told of the whole: nobody hears it twice."""
    with transaction.atomic():
        rows = Incident.objects.select_for_update().open()
        if not rows.filter(pk=part.pk).exists():
            return
        part.alerts.filter(sent_at=None, tries=0).delete()
        known = set(into.alerts.values_list("user", "channel", "kind", "days"))
        was_told = part.alerts.exists()
        for alert in part.alerts.all():
            who = (alert.user_id, alert.channel_id, alert.kind, alert.days)
            if who not in known:
                Alert.objects.filter(pk=alert.pk).update(incident=into)
        if was_told:  # its page is linked from a message
            part.become_part_of(into.dedup_key, now)
        else:
            part.delete()


def _keep_up_to_date(found: Mapping[str, Root], waits: Waits) -> None:
    """The cause as well: the first finding may have been one member's, before the
    root's."""
    rows = open_with(found)
    named = named_accounts(rows)
    for row in rows:
        root = found[row.dedup_key]
        row.name_accounts(set(root.accounts), named[row.pk])
        row.note(account_count=len(root.accounts), **_facts(root, waits))


def _tell(found: Mapping[str, Root], now: datetime) -> None:
    rows = open_with(found)
    unasked = telling.unasked_apps(rows, found, now)
    settled = [
        row
        for row in rows
        if telling.has_settled(row, found[row.dedup_key], now, unasked)
    ]
    new = telling.untold(settled, found)
    if not new:
        return
    # Looked at again: another worker may have closed meanwhile what we found open.
    still = _find(outages.lasting())
    telling.write([alert for alert in new if alert.incident.dedup_key in still], now)
