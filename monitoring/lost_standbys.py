"""A standby access that ended by itself: no post waits for it, and nobody would notice
until the access in use ends as well, when nothing steps in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from accounts.fixed_query import FixedQuery
from accounts.models import AuditEvent, ConnectedAccount, Credential

from . import people, takeovers, telling
from .models import Alert, Incident, open_of
from .roots import OUR_APP, trees_of

LOST = Incident.Kind.STANDBY_LOST

_any = FixedQuery(
    lambda: (
        ConnectedAccount.objects.connected()
        .filter(standby__state=Credential.State.BROKEN)
        .order_by()
        .values_list("pk")[:1]
    )
)


@dataclass
class Lost:
    """All that one person's access stood by for. credential: the topmost dead one."""

    credential: Credential
    accounts: list[ConnectedAccount] = field(default_factory=list)


def review(now: datetime) -> None:
    """One incident per person who stood by; closed when that access is back or gone."""
    found = _find() if _any.rows() else {}
    rows = {row.dedup_key: row for row in open_of(LOST)}
    for key, row in rows.items():
        if key not in found:
            row.resolve(now)
    for key, lost in found.items():
        keys = {account.pk for account in lost.accounts}
        incident = rows.get(key)
        if incident is None:
            incident = _open(key, lost, keys, now)
        else:
            incident.name_accounts(keys)
            incident.note(account_count=len(keys), cause=lost.credential.cause)
        if incident is not None:
            # The rest of a tree is looked at within minutes: one message for all.
            if now >= incident.opened_at + telling.SETTLE:
                _tell(incident, lost.accounts, now)


def _find() -> dict[str, Lost]:
    accounts = list(
        ConnectedAccount.objects.connected()
        .filter(standby__state=Credential.State.BROKEN)
        .exclude(standby__cause__in=OUR_APP)
        .select_related("standby__app", "owner", "deputy", "brand")
        .order_by("name", "pk")
    )
    former = _gave_way(accounts)
    alone = [account for account in accounts if account.pk not in former]
    standbys = {a.standby.pk: a.standby for a in alone if a.standby is not None}
    trees = trees_of(list(standbys.values()))
    found: dict[str, Lost] = {}
    for account in alone:
        assert account.standby is not None
        root = trees[account.standby.pk].root
        dead = account.standby if root.is_active else root
        lost = found.setdefault(f"{LOST}:{root.pk}", Lost(dead))
        lost.accounts.append(account)
    return found


def _gave_way(accounts: Iterable[ConnectedAccount]) -> set[int]:
    """Those whose standby is what was in use before: that was told when it gave way."""
    by_key = {str(account.pk): account for account in accounts}
    events = AuditEvent.objects.filter(
        verb=takeovers.VERB,
        target_type=ConnectedAccount._meta.label_lower,
        target_id__in=by_key,
    )
    former = set()
    for event in events:
        account = by_key[event.target_id]
        standby = account.standby
        if standby is not None and event.detail.get("from") == standby.pk:
            if standby.broken_at is None or standby.broken_at <= event.at:
                former.add(account.pk)
    return former


def _open(key: str, lost: Lost, keys: set[int], now: datetime) -> Incident | None:
    """None when another worker was first."""
    return Incident.objects.begin(
        keys,
        dedup_key=key,
        kind=LOST,
        credential=lost.credential,
        cause=lost.credential.cause,
        opened_at=now,
    )


def _tell(
    incident: Incident, accounts: Sequence[ConnectedAccount], now: datetime
) -> None:
    kind = Alert.Kind.STANDBY
    told = set(incident.alerts.filter(kind=kind).values_list("user", "channel"))
    new = [
        *(Alert(incident=incident, user=p, kind=kind) for p in people.owners(accounts)),
        *(
            Alert(incident=incident, channel=channel, kind=kind)
            for channel in telling.channels(accounts)
        ),
    ]
    new = [one for one in new if (one.user_id, one.channel_id) not in told]
    if new:
        telling.write(new, now)
