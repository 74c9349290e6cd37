"""Notices before an access ends: 21, 14, 7, 3 and 1 days ahead, one of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F, Q, QuerySet

from accounts import versions
from accounts.ends import End, EndKind
from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.models import ConnectedAccount, Credential
from platforms.errors import Cause

from . import people, telling, waiting
from .models import Alert, Incident, open_of
from .roots import Tree, give_apps, trees_of

ENDS = Incident.Kind.ENDS
DAYS = (1, 3, 7, 14, 21)
#: From here on deputies are told as well, and from there on admins, when nobody acts.
TO_DEPUTIES, TO_ADMINS = 7, 3
#: An end that moved by less is the same end: platforms count from each answer.
SAME_END = timedelta(hours=12)


@dataclass
class Ending:
    """The first end of one tree of accesses, or of the version that our app speaks.

    from_at: since when it was to end so; None: nobody knows. root: None for a version,
    which is the admins' matter. may_move: a renewal that puts it off is due right now.
    """

    key: str
    root: Credential | None
    ends_at: datetime
    from_at: datetime | None
    cause: str = Cause.TOKEN_EXPIRED
    accounts: dict[int, ConnectedAccount] = field(default_factory=dict)
    #: of a version: key and platform
    app: tuple[int, str] = (0, "")
    may_move: bool = False

    def was_never_further(self, days: int) -> bool:
        since = self.from_at
        return since is not None and self.ends_at - since <= timedelta(days=days)


def review(now: datetime) -> None:
    """Close what was renewed or is over. Cheap: looks only at what is open."""
    rows = open_of(ENDS)
    if not rows:
        return
    keys = [row.credential_id for row in rows if row.credential_id]
    endings = _endings(now, only=keys) if keys else []
    if len(keys) < len(rows):
        endings += _versions(now)
    known = {ending.key: ending for ending in endings}
    for row in rows:
        ending = known.get(row.dedup_key)
        if ending is None or row.ends_at is None or _is_other(ending, row):
            row.resolve(now)


def tell(now: datetime) -> None:
    """Open an incident per tree that ends soon, and write the notice that is due.

    A day that was missed is made up for by the nearest notice only.
    """
    review(now)
    versions_end = _versions(now)
    _name_accounts(versions_end)
    for ending in [*_endings(now), *versions_end]:
        days = days_left(ending.ends_at, now)
        step = next((step for step in DAYS if days <= step), None)
        if step is None or ending.was_never_further(step):
            continue  # far away, or it never was any further
        if ending.may_move and not _is_told(ending):
            continue  # after a standstill of ours, it is tried first
        incident = _open(ending, now)
        if incident is None:
            continue
        accounts = list(ending.accounts.values())
        new = [
            Alert(incident=incident, user=person, kind=Alert.Kind.NOTICE, days=step)
            for person in _audience(incident, accounts, step, now)
        ]
        new += [
            Alert(incident=incident, channel=channel, kind=Alert.Kind.NOTICE, days=step)
            for channel in telling.channels(accounts)
        ]
        # What still waits for somebody's daily mail has been overtaken.
        incident.alerts.filter(sent_at=None, tries=0, days__gt=step).delete()
        known = set(
            incident.alerts.filter(days=step).values_list("user_id", "channel_id")
        )
        telling.write([a for a in new if (a.user_id, a.channel_id) not in known], now)


def days_left(ends_at: datetime, now: datetime) -> int:
    """In days of the calendar: an end tomorrow morning is a day away all day long."""
    zone = ZoneInfo(settings.DEFAULT_READER_TIME_ZONE)
    return (ends_at.astimezone(zone).date() - now.astimezone(zone).date()).days


def _first_end(credential: Credential, now: datetime, platform: str = "") -> End | None:
    """The first end to come that needs a person. platform: as for `Credential.ends`."""
    ends = credential.ends(platform, now)
    return min((end for end in ends if end.at > now), default=None)


def _endings(now: datetime, only: Sequence[int] = ()) -> list[Ending]:
    """Trees with a living access that ends within the longest notice.

    only: of these roots; empty: all.
    """
    until = now + timedelta(days=DAYS[-1] + 1)
    if only:
        pks = list(only)
        candidates = _ending_of.objects(until, pks, pks, pks)
    else:
        candidates = _ending.objects(until)
    give_apps(candidates)
    by_member = trees_of(candidates)
    found: dict[int, Ending] = {}
    for row in candidates:
        root = by_member[row.pk].root
        # What was made from a person's token outlives the time of that token.
        if root.state == Credential.State.BROKEN and root.cause != Cause.TOKEN_EXPIRED:
            continue
        for end, accounts in _ends_of(row, by_member[row.pk], now):
            # An access token that is renewed puts off no other end.
            is_token_s = end.kind == EndKind.ACCESS and row.issued_at
            from_at = row.issued_at if is_token_s else row.connected_at
            cause = Cause.TOKEN_EXPIRED
            if is_token_s and row.renewal_refused_at:
                # It was to be renewed: nobody had been told of this end.
                from_at, cause = None, Cause.REFRESH_REFUSED
            ending = found.setdefault(
                root.pk, Ending(f"{ENDS}:{root.pk}", root, end.at, from_at, cause)
            )
            if end.at < ending.ends_at:
                ending.ends_at, ending.from_at = end.at, from_at
                ending.cause = cause
            if end.at == ending.ends_at:
                ending.may_move = _may_move(row, end, now)
            ending.accounts.update((account.pk, account) for account in accounts)
    return [ending for ending in found.values() if ending.accounts]


def _may_move(credential: Credential, end: End, now: datetime) -> bool:
    due = credential.refresh_after
    renews = end.kind == EndKind.RENEWAL and credential.app.spec.renewal_rotates
    return renews and due is not None and due <= now


def _ends_of(
    credential: Credential, tree: Tree, now: datetime
) -> Iterator[tuple[End, list[ConnectedAccount]]]:
    """Its own end with whom that concerns, and those of accounts of another platform
    that act with it: what ends for Instagram may not end for the Page before it."""
    own = _first_end(credential, now)
    if own:
        members = _made_from(credential, tree)
        yield own, [a for m in members for a in tree.accounts.get(m.pk, ())]
    for account in tree.accounts.get(credential.pk, ()):
        if account.platform != credential.app.platform:
            end = _first_end(credential, now, account.platform)
            if end and end != own:
                yield end, [account]


def _may_end(until: datetime) -> QuerySet[Credential]:
    """The refresh token tells whether an end matters."""
    return Credential.objects.filter(
        Q(refresh_token="", expires_at__lte=until)
        | ~Q(refresh_token="") & Q(refresh_expires_at__lte=until)
        # Once a look has told that it acts until then.
        | Q(renewal_refused_at__lte=F("looked_at"), expires_at__lte=until)
        | Q(data_access_ends_at__lte=until),
        state=Credential.State.ACTIVE,
    ).defer("access_token", "granted_scopes", "abilities", "extra")


_ending = FixedQuery(_may_end, SAMPLE_TIME)
_ending_of = FixedQuery(
    lambda until, own, parents, grandparents: _may_end(until).filter(
        Q(pk__in=own) | Q(parent__in=parents) | Q(parent__parent__in=grandparents)
    ),
    SAMPLE_TIME,
    [990_990_991],
    [990_990_992],
    [990_990_993],
)


def _versions(now: datetime) -> list[Ending]:
    """Versions that end within the longest notice, of apps that accounts live by; whose
    is left to those who tell it."""
    ends = versions.end_until(now + timedelta(days=DAYS[-1] + 1))
    return [
        Ending(
            f"{ENDS}:{platform}:{pk}",
            None,
            at,
            None,
            Cause.VERSION_ENDED,
            app=(pk, platform),
        )
        for (pk, platform), at in ends.items()
        if at > now
    ]


def _name_accounts(ends: Iterable[Ending]) -> None:
    for ending in ends:
        app, platform = ending.app
        theirs = ConnectedAccount.objects.connected().filter(
            credential__app=app, platform=platform
        )
        ending.accounts = {account.pk: account for account in theirs}


def _made_from(credential: Credential, tree: Tree) -> Iterable[Credential]:
    """It and all below it that still live."""
    keys = {credential.pk}
    for member in tree.members:  # parents stand before their children
        if member.pk == credential.pk or member.parent_id in keys:
            keys.add(member.pk)
            if member.is_active:
                yield member


def _is_other(ending: Ending, row: Incident) -> bool:
    assert row.ends_at is not None
    return abs(ending.ends_at - row.ends_at) > SAME_END


def _is_told(ending: Ending) -> bool:
    return Incident.objects.open().filter(dedup_key=ending.key).exists()


def _open(ending: Ending, now: datetime) -> Incident | None:
    """The open incident of this end, with what is known of it now; None when another
    worker was just first and has closed it."""
    rows = Incident.objects.open().filter(dedup_key=ending.key)
    count, first = waiting.figures(list(ending.accounts), since=ending.ends_at)
    facts = {
        "ends_at": ending.ends_at,
        "cause": ending.cause,
        "post_count": count,
        "first_due_at": first,
    }
    row = rows.first()
    if row is None:
        row = Incident.objects.begin(
            ending.accounts,
            dedup_key=ending.key,
            kind=ENDS,
            credential=ending.root,
            level=0 if ending.root else 2,
            opened_at=now,
            **facts,
        )
        return row or rows.first()
    row.name_accounts(set(ending.accounts))
    row.note(account_count=len(ending.accounts), **facts)
    return row


def _audience(
    incident: Incident, accounts: Sequence[ConnectedAccount], step: int, now: datetime
) -> list[Any]:
    if incident.cause == Cause.VERSION_ENDED:
        return people.admins()
    persons = people.owners(accounts)
    if not incident.is_taken(now):
        if step <= TO_DEPUTIES:
            persons += people.deputies(accounts)
        if step <= TO_ADMINS:
            persons += people.admins(accounts)
    return people.distinct(persons)
