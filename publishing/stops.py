"""The emergency stop: who may call it, what it holds, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Min, Q
from django.utils.translation import gettext as _

from accounts.fixed_query import FixedQuery
from accounts.models import AuditEvent, Brand, ConnectedAccount
from accounts.roles import can_review, is_admin

from .models import Delivery, Stop

#: How far ahead pages say what a stop would hold.
AHEAD = timedelta(hours=24)
#: Clocks of several hosts: a post held so long after its stop's end was held by it.
SKEW = timedelta(minutes=1)

#: The widest first: it is the one to name, and the one to end first.
_WIDTH = {
    Stop.Scope.EVERYTHING: 0,
    Stop.Scope.PLATFORM: 1,
    Stop.Scope.BRAND: 2,
    Stop.Scope.ACCOUNT: 3,
}

Status, Hold = Delivery.Status, Delivery.Hold


_active = FixedQuery(lambda: Stop.objects.active().order_by())


def active() -> tuple[Stop, ...]:
    """The stops that last, the widest first. One query, whose index holds only them."""
    return _widest_first(_active.objects())


def active_for(user: Any) -> tuple[Stop, ...]:
    """Those that concern the person, ready for a page. One query."""
    return _widest_first(Stop.objects.active().visible_to(user).for_pages())


def _widest_first(found: Iterable[Stop]) -> tuple[Stop, ...]:
    return tuple(
        sorted(
            found,
            key=lambda stop: (_WIDTH[Stop.Scope(stop.scope)], stop.started_at, stop.pk),
        )
    )


def covering(account: ConnectedAccount, active: Iterable[Stop]) -> Stop | None:
    """The first of these stops that holds the account's posts. No query."""
    return next((stop for stop in active if stop.covers(account)), None)


def will_be_held(stop: Stop) -> str:
    """For pages on which a post is planned. Names no brand or account."""
    return _("Will be held: publishing is stopped. Reason: %(why)s") % {
        "why": stop.reason
    }


# ---------------------------------------------------------------- people


def may_decide(user: Any, stop: Stop) -> bool:
    """May start and end it: admins what reaches over brands, the rest their brands'."""
    if stop.scope in Stop.OF_EVERYBODY:
        return is_admin(user)
    if not can_review(user):
        return False
    brand = stop.brand_reached
    assert brand is not None  # the scopes of everybody are behind us
    return Brand.objects.visible_to(user).filter(pk=brand).exists()


def start(user: Any, stop: Stop) -> tuple[Stop, bool]:
    """Begin it; with False the one that lasts already for the same scope."""
    stop.started_by = user
    try:
        with transaction.atomic():
            stop.save(force_insert=True)
            AuditEvent.write(user, "stop.started", stop, reason=stop.reason)
    except IntegrityError:
        same = Stop.objects.active().filter(
            scope=stop.scope,
            brand=stop.brand_id,
            platform=stop.platform,
            account=stop.account_id,
        )
        lasting = same.for_pages().first()
        if lasting is None:
            raise  # it ended in this very moment, or the reason is not that
        return lasting, False
    return stop, True


def end(user: Any, stop: Stop) -> bool:
    """End it; False when somebody was first. What it held waits for a person."""
    with transaction.atomic():
        if not stop.end(user):
            return False
        AuditEvent.write(user, "stop.ended", stop)
    return True


# ---------------------------------------------------------------- what it holds


@dataclass(frozen=True)
class Reach:
    """What a stop means for the queue. coming: due within `AHEAD`, and overdue."""

    coming: int
    accounts: int
    first_at: datetime | None
    sending: int
    held: int


def reach(stop: Stop, now: datetime) -> Reach:
    """Numbers over all brands, for those who decide. One query."""
    coming = Q(
        status__in=(Status.SCHEDULED, Status.PROCESSING),
        next_attempt_at__lt=now + AHEAD,
    )
    open_rows = (*Delivery.WAITING, Status.PUBLISHING, Status.HELD)
    rows = Delivery.objects.filter(stop.covered(), status__in=open_rows)
    found = rows.aggregate(
        coming=Count("pk", filter=coming),
        accounts=Count("account", filter=coming, distinct=True),
        first_at=Min("next_attempt_at", filter=coming),
        sending=Count("pk", filter=Q(status=Status.PUBLISHING)),
        held=Count("pk", filter=Q(status=Status.HELD, hold=Hold.STOPPED)),
    )
    return Reach(**found)


def name_holds(rows: Sequence[Delivery]) -> None:
    """Give each row that a stop holds its `stop`, for what pages say of it.

    One query, and only when there is such a row.
    """
    held = [row for row in rows if row.status == Status.HELD and row.held_at]
    held = [row for row in held if row.hold == Hold.STOPPED]
    if not held:
        return
    times = [row.held_at for row in held if row.held_at]
    lasting = Q(ended_at=None) | Q(ended_at__gte=min(times) - SKEW)
    known = _widest_first(
        Stop.objects.filter(lasting, started_at__lte=max(times) + SKEW).for_pages()
    )
    for row in held:
        row.stop = covering(row.account, [s for s in known if s.ended_at is None])
        if row.stop is None:
            row.stop = covering(
                row.account, [stop for stop in known if _lasted(stop, row.held_at)]
            )


def _lasted(stop: Stop, at: datetime | None) -> bool:
    if at is None or stop.ended_at is None:
        return False
    return stop.started_at - SKEW <= at <= stop.ended_at + SKEW
