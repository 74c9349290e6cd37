"""Which scheduled posts are at risk, among thousands: counted, grouped, and kept.

What is kept is believed as `judgements` says. That an account is broken and that
publishing is stopped is asked of the rows as they are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from accounts.fixed_query import SAMPLE_TIME, FixedQuery, Reader, Seen
from accounts.models import ConnectedAccount

from . import ahead, stops
from .judgements import BELIEVED, doubted, doubted_by_itself
from .models import Delivery, DeliveryQuerySet, Judgement, Stop
from .risk import ACCESS, UNREAD, Risk, Sky, gravest, judge, read_files

logger = logging.getLogger(__name__)

#: So many that are doubted are judged for one page, those that are due first.
MOST_DOUBTED = 2_000
#: So many are judged at a time, and a round takes up no others after so long.
CHUNK = 500
ROUND_S = 30.0
#: What a round leaves alone, because another has judged it a moment ago: rounds begin
#: each minute, and each judges about half.
LATELY = timedelta(seconds=90)
#: In the place of a root: nothing puts it at risk.
GOES = "goes"

Status = Delivery.Status


class Found(NamedTuple):
    """A delivery at risk. root: what has to be mended (`Risk.root`), never None
    outside of here; risk: its gravest reason, where it had to be judged just now."""

    pk: int
    due_at: datetime
    account_id: int
    root: str | None
    risk: Risk | None = None


def threatened(deliveries: DeliveryQuerySet, sky: Sky | None = None) -> list[Found]:
    """The scheduled ones among them that will not go out as things stand, by due time.

    Two queries, and those of judging where judgements are doubted or know nothing of
    what has come since.
    """
    now = timezone.now()
    active = sky.active if sky else stops.active()
    return _judged(_listed(deliveries, now, active), now, sky)


def threatened_seen(reader: Any) -> list[Found]:
    """The same of all that the reader sees."""
    now = timezone.now()
    if active := stops.active():
        rows = Delivery.objects.visible_to(reader)
        return _judged(_listed(rows, now, active), now)
    query, values = _seen.of(reader, now - BELIEVED)
    return _judged(query.values(*values), now)


def threatened_of(accounts: list[int]) -> list[Found]:
    """The same of all deliveries of these accounts (keys)."""
    now = timezone.now()
    if active := stops.active():
        return _judged(_listed(of_accounts(accounts), now, active), now)
    return _judged(_of_accounts.values(accounts, now - BELIEVED), now)


def reasons_among(keys: list[int], sky: Sky | None = None) -> dict[int, Risk]:
    """Of those of these deliveries (keys) that will not go out, by key, why."""
    now = timezone.now()
    sky = sky or Sky.now_seen(now)
    if sky.active:
        found = threatened(Delivery.objects.filter(pk__in=keys), sky)
    else:
        found = _judged(_among.values(keys, now - BELIEVED), now)
    return explained(found, sky)


def threatened_for(reader: Any, until: datetime, sky: Sky) -> list[Found]:
    """The same of all that the reader sees and that is due before `until`."""
    if sky.active or reader.is_superuser:
        rows = Delivery.objects.visible_to(reader).filter(due_at__lt=until)
        return threatened(rows, sky)
    now = timezone.now()
    return _judged(_of_reader.values(reader.pk, until, now - BELIEVED), now, sky)


def _listed(
    deliveries: DeliveryQuerySet, now: datetime, active: Sequence[Stop]
) -> QuerySet[Delivery, Any]:
    """What `Found` begins with, of those at risk and those that are doubted, and of
    some that will go (`GOES`): of accounts that were renewed a moment ago."""
    # Said by lists of accounts: to look at the account of each row, and its access,
    # would take as long as all else.
    unable = ConnectedAccount.objects.unable()
    renewed = ConnectedAccount.objects.filter(credential__issued_at__gt=now - BELIEVED)
    stopped = _is_stopped(now, active)
    at_risk = ~Q(judgement__root="")
    return (
        deliveries.filter(status=Status.SCHEDULED)
        .filter(
            doubted_by_itself(now)
            | at_risk
            | Q(account__in=(unable | renewed).values("pk"))
            | stopped
        )
        .order_by("due_at", "pk")
        .values_list(
            "pk",
            "due_at",
            "account",
            Case(
                When(doubted(now), then=Value(None)),
                When(at_risk, then=F("judgement__root")),
                # What needs no judging, for the account or a stop says it.
                When(Q(account__in=unable.values("pk")) | stopped, then=Value("")),
                default=Value(GOES),
            ),
        )
    )


def of_accounts(accounts: list[int]) -> DeliveryQuerySet:
    """For queries that also ask for a state that few are in: by the account SQLite would
    find all that ever went out."""
    rows = Delivery.objects.alias(whose=F("account") + 0)
    return rows.filter(whose__in=accounts)


_seen = Seen(
    lambda reader, since: _listed(
        Delivery.objects.visible_to(reader), since + BELIEVED, ()
    ),
    SAMPLE_TIME,
    for_all=True,
)


_of_accounts = FixedQuery(
    lambda accounts, since: _listed(of_accounts(accounts), since + BELIEVED, ()),
    [-7],
    SAMPLE_TIME,
)


_among = FixedQuery(
    lambda keys, since: _listed(
        Delivery.objects.filter(pk__in=keys), since + BELIEVED, ()
    ),
    [-7],
    SAMPLE_TIME,
)


_due = FixedQuery(
    lambda keys: (
        Delivery.objects.filter(pk__in=keys).order_by().only("due_at", "account")
    ),
    [-7],
)


_of_reader = FixedQuery(
    lambda pk, until, since: _listed(
        Delivery.objects.visible_to(Reader(pk)).filter(due_at__lt=until),
        since + BELIEVED,
        (),
    ),
    -7,
    SAMPLE_TIME + timedelta(days=1),
    SAMPLE_TIME,
)


def _judged(
    rows: Iterable[Sequence[Any]], now: datetime, sky: Sky | None = None
) -> list[Found]:
    listed = [Found(*row) for row in rows if row[3] != GOES]
    unknown = [row for row in listed if not row.root][:MOST_DOUBTED]
    if unknown:
        why = _why(unknown, now, sky)
        listed = [
            row if row.root else row._replace(root=why[row.pk].root, risk=why[row.pk])
            for row in listed
            if row.root or row.pk in why
        ]
    return listed


def _why(
    some: Sequence[Found], now: datetime, sky: Sky | None = None
) -> dict[int, Risk]:
    """By key the gravest reason, as the rows are now; without what will go."""
    kept = {one.pk: one.root for one in some if one.root is not None}
    rows = _due.objects([one.pk for one in some])
    if not rows:
        return {}
    return gravest(rows, kept, sky or Sky.now_seen(now), light=True)


def explained(found: Sequence[Found], sky: Sky | None = None) -> dict[int, Risk]:
    """Of some of them, by key, their gravest reasons; without those that were mended a
    moment ago."""
    why = {one.pk: one.risk for one in found if one.risk}
    unknown = [one for one in found if one.risk is None]
    return why | _why(unknown, timezone.now(), sky) if unknown else why


def _is_stopped(now: datetime, active: Sequence[Stop]) -> Q:
    """Over deliveries: what a stop will hold, if it lasts."""
    found = Q()
    for stop in active:
        found |= stop.covered() & Q(due_at__lt=now + stops.AHEAD)
    return found


@dataclass(frozen=True)
class Group:
    """All that one thing puts at risk. risk: of the one that is due first."""

    risk: Risk
    first: Delivery
    posts: int
    accounts: int


_firsts = FixedQuery(
    lambda keys: (
        Delivery.objects.filter(pk__in=keys)
        .order_by()
        .select_related(
            "post__brand", *(f"account__credential__{name}" for name in ACCESS)
        )
        .defer(*(f"account__credential__{name}" for name in UNREAD))
    ),
    [-7],
)


def by_root(found: Iterable[Found], most: int, sky: Sky | None = None) -> list[Group]:
    """What has to be mended, that whose first post is due first on top.

    found: as `threatened` gives it, by due time. A fixed number of queries: whether
    posts have to be judged by what they say shows only once they are read.
    """
    roots: dict[str | None, list[Found]] = {}
    for one in found:
        roots.setdefault(one.root, []).append(one)
    chosen = list(roots.values())[:most]
    heads = [members[0] for members in chosen]
    firsts = {row.pk: row for row in _firsts.objects([one.pk for one in heads])}
    read_files([row.post for row in firsts.values()])
    kept = {one.pk: one.root for one in heads if one.root}
    sky = sky or Sky.now_seen(timezone.now())
    why = gravest(list(firsts.values()), kept, sky)
    return [
        Group(
            risk=why[members[0].pk],
            first=firsts[members[0].pk],
            posts=len(members),
            accounts=len({one.account_id for one in members}),
        )
        for members in chosen
        if members[0].pk in why
    ]


# ---------------------------------------------------------------- keeping


def renew() -> int:
    """Judge all that is scheduled, what is due first before the rest, and keep it.

    How many were judged. Nothing but judgements is written.
    """
    begun = time.monotonic()
    Judgement.objects.exclude(delivery__status=Status.SCHEDULED).delete()
    now = timezone.now()
    fresh = Q(judgement__judged_at__gt=now - LATELY) & ~doubted(now)
    rows = Delivery.objects.filter(status=Status.SCHEDULED).exclude(fresh)
    # What is doubted costs pages their time.
    late = Q(judgement=None) | Q(judgement__judged_at__lte=now - BELIEVED / 2)
    first = Case(When(late, then=Value(0)), default=Value(1))
    keys = list(rows.order_by(first, "due_at", "pk").values_list("pk", flat=True))
    held = ahead.foresee(now + ahead.HORIZON, now) if keys else {}
    count = 0
    for start in range(0, len(keys), CHUNK):
        if time.monotonic() - begun > ROUND_S:
            logger.warning("%s posts are judged later", len(keys) - start)
            break
        now = timezone.now()
        read = list(
            Delivery.objects.filter(
                pk__in=keys[start : start + CHUNK], status=Status.SCHEDULED
            ).prefetch_related("post")
        )
        found = judge(read, Sky.now_seen(now), held)
        _keep(read, {pk: reasons[0].root for pk, reasons in found.items()}, now)
        count += len(read)
    return count


def _keep(rows: Sequence[Delivery], roots: dict[int, str], now: datetime) -> None:
    kept = {
        key: (due_at, root)
        for key, due_at, root in Judgement.objects.filter(
            delivery__in=[row.pk for row in rows]
        ).values_list("delivery", "due_at", "root")
    }
    # Mostly all is as it was.
    same = [row.pk for row in rows if kept.get(row.pk) == (row.due_at, _of(row, roots))]
    Judgement.objects.filter(delivery__in=same).update(judged_at=now)
    known = set(same)
    new = [
        Judgement(
            delivery_id=row.pk, judged_at=now, due_at=row.due_at, root=_of(row, roots)
        )
        for row in rows
        if row.pk not in known
    ]
    try:
        with transaction.atomic():
            Judgement.objects.bulk_create(
                new,
                update_conflicts=True,
                unique_fields=["delivery"],
                update_fields=["judged_at", "due_at", "root"],
            )
    except IntegrityError:
        # One of the deliveries went away meanwhile: the next round judges the others.
        logger.info("judgements are kept in the next round", exc_info=True)


def _of(row: Delivery, roots: dict[int, str]) -> str:
    width = Judgement._meta.get_field("root").max_length
    return roots.get(row.pk, "")[:width]
