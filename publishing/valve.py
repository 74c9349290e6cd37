"""The backlog valve: what was held goes out spread over time, never in a burst."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.db import transaction
from django.db.models import Q

from accounts.models import AuditEvent, ConnectedAccount

from . import stops
from .models import Delivery, DeliveryQuerySet, StaleState
from .twice import LEAVING
from .writes import Writes

#: Between two released posts of one account, unless a person chooses otherwise.
GAP = timedelta(seconds=20)
HOUR = timedelta(hours=1)

Status, Hold = Delivery.Status, Delivery.Hold
#: Holds that a person ends, many at once, after looking at the list.
LISTED = (Hold.STOPPED, Hold.TOO_LATE)


class Due(Protocol):
    """What `spread` reads of a delivery."""

    @property
    def pk(self) -> int: ...
    @property
    def account_id(self) -> int: ...
    @property
    def due_at(self) -> datetime: ...


class Times:
    """Instants in order, and how near a new one may come to them."""

    def __init__(self, times: Iterable[datetime] = ()) -> None:
        self.sorted = sorted(times)

    def add(self, at: datetime) -> None:
        insort(self.sorted, at)

    def after_gap(self, at: datetime, gap: timedelta) -> datetime:
        """`at`, or the end of the gap that it falls into; another may begin there."""
        place = bisect_left(self.sorted, at)
        if place and at - self.sorted[place - 1] < gap:
            return self.sorted[place - 1] + gap
        if place < len(self.sorted) and self.sorted[place] - at < gap:
            return self.sorted[place] + gap
        return at

    def after_crowd(self, at: datetime, per_hour: int | None) -> datetime:
        """`at`, or when the hour that it would overfill is over."""
        if per_hour is None or len(self.sorted) < per_hour:
            return at
        times, place = self.sorted, bisect_right(self.sorted, at)
        first = max(0, place - per_hour)
        last = min(place, len(times) - per_hour)
        for start in range(last, first - 1, -1):
            ends = max(times[start + per_hour - 1], at)
            if ends - min(times[start], at) < HOUR:
                # With these it would be one too many in an hour. Only later helps.
                return times[start] + HOUR
        return at


def spread(
    rows: Iterable[Due],
    *,
    start: datetime,
    gap: timedelta = GAP,
    per_hour: int | None = None,
    per_account_hour: int | None = None,
    taken: Mapping[int, Sequence[datetime]] | None = None,
) -> dict[int, datetime]:
    """When each row may go, by primary key: as early as the rules allow.

    None goes before `start` or its own due time. Posts of one account keep the order of
    their due times and stay `gap` apart from each other and from `taken` (by account:
    what has gone out lately or is planned already, of accounts without a row as well).
    In any hour at most `per_hour` go out over all accounts, and `per_account_hour` for
    one. Pure; less than 1 ms for 100 rows.
    """
    if any(cap is not None and cap < 1 for cap in (per_hour, per_account_hour)):
        raise ValueError("a cap per hour is at least 1")
    of_account = {pk: Times(times) for pk, times in (taken or {}).items()}
    everywhere = Times(at for times in (taken or {}).values() for at in times)
    latest: dict[int, datetime] = {}
    found: dict[int, datetime] = {}
    for row in sorted(rows, key=lambda row: (row.due_at, row.pk)):
        own = of_account.setdefault(row.account_id, Times())
        at = max(start, row.due_at, latest.get(row.account_id, start))
        while True:
            later = own.after_gap(at, gap)
            later = own.after_crowd(later, per_account_hour)
            later = everywhere.after_crowd(later, per_hour)
            if later == at:
                break
            at = later
        own.add(at)
        everywhere.add(at)
        found[row.pk] = latest[row.account_id] = at
    return found


def planned(
    account_ids: Iterable[int], now: datetime, until: datetime | None = None
) -> dict[int, list[datetime]]:
    """Times that `spread` must keep clear of: what is planned, and what is being sent.

    By account, up to `until` (a day from now). One query over open rows only, however
    many have gone out.
    """
    until = until or now + timedelta(days=1)
    waiting = Q(status=Status.SCHEDULED, next_attempt_at__lt=until)
    leaving = Q(status__in=LEAVING)
    rows = Delivery.objects.filter(waiting | leaving, account_id__in=list(account_ids))
    taken: dict[int, list[datetime]] = {}
    for account_id, status, at in rows.values_list(
        "account_id", "status", "next_attempt_at"
    ):
        # What is leaving may appear at any moment; its next poll says nothing of that.
        if at is None or status in LEAVING:
            at = now
        taken.setdefault(account_id, []).append(max(at, now))
    return taken


class Sent(NamedTuple):
    """When an account's newest post went out, and when it was due."""

    at: datetime
    due_at: datetime


def last_sent(account_ids: Iterable[int], now: datetime) -> dict[int, Sent]:
    """The newest post of each account that went out within the gap, or may have. What a
    platform is still working at counts as sent now: it may appear at any moment.

    Two queries.
    """
    accounts = list(account_ids)
    out = Delivery.objects.filter(
        account_id__in=accounts,
        status=Status.PUBLISHED,
        published_at__gt=now - GAP,
        # What is older cannot be found by an index; it went out long after its time.
        due_at__gt=now - timedelta(days=7),
    ).values_list("account_id", "published_at", "due_at")
    # Some platforms tell the time of a post, by a clock that may be ahead of ours.
    seen = [(account, Sent(min(at, now), due)) for account, at, due in out if at]
    leaving = Delivery.objects.filter(account_id__in=accounts, status__in=LEAVING)
    for row in leaving.only(*_OF_LEAVING):
        taken = row.lease_expires_at is not None and row.lease_expires_at > now
        at = row.first_sent_at or row.intent_at
        if row.status == Status.PROCESSING or (
            row.status == Status.PUBLISHING and taken
        ):
            at = now
        if at is not None and at > now - GAP:
            seen.append((row.account_id, Sent(at, row.due_at)))
    return dict(sorted(seen, key=lambda one: one[1]))


_OF_LEAVING = (
    "account",
    "status",
    "due_at",
    "lease_expires_at",
    "first_sent_at",
    "intent_at",
)


# ---------------------------------------------------------------- by a person's hand


@dataclass(frozen=True)
class Rules:
    """How fast a person lets a backlog out. None: no cap."""

    gap: timedelta = GAP
    per_account_hour: int | None = 12
    per_hour: int | None = None


@dataclass(frozen=True)
class Plan:
    """When chosen posts would go, and which scheduled ones would wait for their turn.

    Both by primary key; `later` holds only what goes later than it was to.
    """

    at: Mapping[int, datetime]
    later: Mapping[int, datetime]

    @property
    def last_at(self) -> datetime | None:
        return max(self.at.values(), default=None)


def plan(
    rows: Sequence[Delivery],
    rules: Rules,
    now: datetime,
    start: datetime | None = None,
) -> Plan:
    """Spread rows that wait for a person, from `start` on (now); nothing is written.
    Three queries.

    What an account has scheduled for the same time waits behind its older posts, at the
    gap; but where it would pass its useful time so, it keeps its own time, and the held
    ones go around it.
    """
    accounts = {row.account_id for row in rows}
    chosen = {row.pk for row in rows}
    lately = _sent_lately(accounts, now)
    scheduled = Delivery.objects.filter(
        status=Status.SCHEDULED,
        account_id__in=accounts,
        next_attempt_at__lt=(start or now) + timedelta(days=1),
    ).order_by("next_attempt_at", "pk")
    coming = [row for row in scheduled if row.pk not in chosen]
    # What goes at another time, later, goes around all that is planned.
    fixed = {
        row.pk for row in coming if start or row.repeat_is_safe or row.lease_expires_at
    }
    while True:
        taken = {pk: list(times) for pk, times in lately.items()}
        for row in coming:
            if row.pk in fixed and row.next_attempt_at:
                taken.setdefault(row.account_id, []).append(row.next_attempt_at)
        at = spread(
            rows,
            start=start or now,
            gap=rules.gap,
            per_hour=rules.per_hour,
            per_account_hour=rules.per_account_hour,
            taken=taken,
        )
        turns = {account: Times(times) for account, times in taken.items()}
        last: dict[int, datetime] = {}
        for row in rows:
            turns.setdefault(row.account_id, Times()).add(at[row.pk])
            last[row.account_id] = max(at[row.pk], last.get(row.account_id, now))
        later = _behind([r for r in coming if r.pk not in fixed], last, turns, rules)
        spoilt = {r.pk for r in coming if later.get(r.pk, now) >= r.useful_until}
        spoilt &= later.keys()
        if not spoilt:
            return Plan(at, later)
        fixed |= spoilt


def _behind(
    coming: Sequence[Delivery],
    last: Mapping[int, datetime],
    turns: Mapping[int, Times],
    rules: Rules,
) -> dict[int, datetime]:
    """When scheduled rows go that would overtake the last one let out, or crowd it."""
    ends = dict(last)
    found: dict[int, datetime] = {}
    for row in coming:
        before, wanted = ends.get(row.account_id), row.next_attempt_at
        if before is None or wanted is None:
            continue
        if wanted >= before + rules.gap:
            del ends[row.account_id]  # caught up: the rest goes as it was to
            continue
        at = turns[row.account_id].after_gap(before + rules.gap, rules.gap)
        found[row.pk] = ends[row.account_id] = at
        turns[row.account_id].add(at)
    return found


def _sent_lately(accounts: Iterable[int], now: datetime) -> dict[int, list[datetime]]:
    """What counts in this hour already: published in the last one, or leaving now."""
    out = Q(
        status=Status.PUBLISHED,
        published_at__gt=now - HOUR,
        # What is far older than its release cannot be told by an index; let it go.
        due_at__gt=now - timedelta(days=30),
    )
    leaving = Q(status__in=LEAVING)
    found: dict[int, list[datetime]] = {}
    rows = Delivery.objects.filter(out | leaving, account_id__in=list(accounts))
    for account_id, at in rows.values_list("account_id", "published_at"):
        found.setdefault(account_id, []).append(at or now)
    return found


@dataclass
class Let:
    """What letting out did. late: past their useful time, without a yes."""

    sent: int = 0
    late: int = 0
    stopped: int = 0
    gone: int = 0
    put_off: int = 0
    last_at: datetime | None = None


def let_out(
    user: Any, pks: Iterable[int], rules: Rules, now: datetime, yes: Container[int]
) -> Let:
    """Send held rows by the plan; one AuditEvent each.

    yes: those that may go although their useful time is over by then. Left held: others
    of that kind, and what another stop covers.
    """
    held = Delivery.objects.filter(status=Status.HELD)
    return send(user, held, pks, rules, now, yes, "delivery.let_out")


def send(
    user: Any,
    among: DeliveryQuerySet,
    pks: Iterable[int],
    rules: Rules,
    now: datetime,
    yes: Container[int],
    verb: str,
    may: Callable[[Delivery], bool] = lambda row: True,
) -> Let:
    """As `let_out`, for those of `among` that `may` go; the rest counts as gone."""
    done = Let()
    wanted = set(pks)
    with transaction.atomic():
        # One plan at a time for an account: two of them would not know of each other.
        accounts = ConnectedAccount.objects.filter(deliveries__in=wanted).values("pk")
        list(
            ConnectedAccount.objects.filter(pk__in=accounts)
            .order_by("pk")
            .select_for_update(no_key=True)
            .values_list("pk")
        )
        found = (
            among.filter(pk__in=wanted)
            .select_related("account__credential", "post")
            .order_by("pk")
            .select_for_update(of=("self",), no_key=True)
        )
        rows = [row for row in found if may(row)]
        done.gone = len(wanted) - len(rows)
        running = stops.active()
        free = [row for row in rows if stops.covering(row.account, running) is None]
        done.stopped = len(rows) - len(free)
        made = plan(free, rules, now)
        going = [r for r in free if r.pk in yes or made.at[r.pk] < r.useful_until]
        if len(going) < len(free):
            done.late = len(free) - len(going)
            made = plan(going, rules, now)
        _write(user, going, made, yes, verb)
        done.sent, done.last_at = len(going), made.last_at
        for row in Delivery.objects.filter(pk__in=list(made.later)):
            try:
                row.put_off(made.later[row.pk])
            except StaleState:
                continue
            done.put_off += 1
    return done


def _write(
    user: Any, going: Sequence[Delivery], made: Plan, yes: Container[int], verb: str
) -> None:
    """All rows in a few statements: they are locked, and an engine waits for them."""
    writes, events = Writes(), []
    for row in going:
        at = made.at[row.pk]
        late = row.pk in yes and at >= row.useful_until
        writes.move(row, Status.SCHEDULED, **row.retry_changes(at, despite_age=late))
        events.append(AuditEvent.about(user, verb, row, at=at.isoformat()))
    writes.write()
    AuditEvent.objects.bulk_create(events)
