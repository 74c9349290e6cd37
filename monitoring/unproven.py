"""Access that lives by all that we know, and of which the platform has said nothing for
days: a version that was switched off, a server that answers oddly. Nothing of it is
definite, so it breaks nobody; and it must not go on in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from accounts.health_rows import STALE
from accounts.models import AccountQuerySet, ConnectedAccount
from platforms.errors import Cause

from . import people, telling, waiting
from .models import Alert, Incident, open_of

UNPROVEN = Incident.Kind.UNPROVEN
#: Who was not looked at lately tells nothing: we may have stood still.
LOOKED_WITHIN = timedelta(days=1)
#: What admins were told already.
TOLD_BY = (Incident.Kind.BREAKER, Incident.Kind.APP)


@dataclass(frozen=True)
class Silent:
    """All accounts of one platform by one of our apps."""

    platform: str
    accounts: Sequence[ConnectedAccount]


def review(now: datetime) -> None:
    """One incident per app, for admins; closed when all are proven, or known broken.

    Reads all that live: for once an hour.
    """
    found = _find(now)
    rows = {row.dedup_key: row for row in open_of(UNPROVEN)}
    for key, row in rows.items():
        if key not in found and not _stood_still(row, now):
            if not row.give_way(now):
                row.resolve(now)
    told = {row.dedup_key.split(":")[1] for row in open_of(*TOLD_BY)}
    for key, silent in found.items():
        incident = rows.get(key)
        if incident is None and silent.platform not in told:
            incident = _open(key, silent.accounts, now)
        elif incident is not None:
            _keep_up_to_date(incident, silent.accounts)
        if incident is not None:
            _tell(incident, silent.accounts, now)


def _unproven(now: datetime) -> AccountQuerySet:
    since = now - STALE
    return ConnectedAccount.objects.healthy().filter(
        Q(credential__proven_at__lt=since)
        | Q(credential__proven_at=None, connected_at__lt=since)
    )


def _stood_still(row: Incident, now: datetime) -> bool:
    """Nothing was proven since, because nothing was looked at."""
    named = row.accounts.values("pk")
    before = now - LOOKED_WITHIN
    return (
        _unproven(now).filter(pk__in=named, credential__looked_at__lt=before).exists()
    )


def _find(now: datetime) -> Mapping[str, Silent]:
    rows = (
        _unproven(now)
        .filter(credential__looked_at__gte=now - LOOKED_WITHIN)
        .select_related("brand", "credential")
        .defer("credential__access_token", "credential__refresh_token")
        .order_by("name", "pk")
    )
    groups: dict[str, list[ConnectedAccount]] = {}
    for account in rows:
        assert account.credential is not None
        key = f"{UNPROVEN}:{account.platform}:{account.credential.app_id}"
        groups.setdefault(key, []).append(account)
    return {key: Silent(some[0].platform, some) for key, some in groups.items()}


def _open(
    key: str, accounts: Sequence[ConnectedAccount], now: datetime
) -> Incident | None:
    """None when another worker was first."""
    keys = [account.pk for account in accounts]
    count, first = waiting.figures(keys)
    return Incident.objects.begin(
        keys,
        dedup_key=key,
        kind=UNPROVEN,
        cause=Cause.NOT_PROVEN,
        post_count=count,
        first_due_at=first,
        opened_at=now,
        level=2,
    )


def _keep_up_to_date(incident: Incident, accounts: Sequence[ConnectedAccount]) -> None:
    incident.name_accounts({account.pk for account in accounts})
    count, first = waiting.figures([account.pk for account in accounts])
    incident.note(account_count=len(accounts), post_count=count, first_due_at=first)


def _tell(
    incident: Incident, accounts: Sequence[ConnectedAccount], now: datetime
) -> None:
    told = set(incident.alerts.values_list("user_id", "channel_id"))
    new = [Alert(incident=incident, user=who) for who in people.admins(accounts)]
    new += [
        Alert(incident=incident, channel=channel)
        for channel in telling.channels(accounts)
    ]
    telling.write(
        [one for one in new if (one.user_id, one.channel_id) not in told], now
    )
