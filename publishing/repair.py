"""Bulk repair: what would happen to chosen deliveries of the failure desk, and doing it.

Each verb reads the rows anew inside its transaction, does what still fits, and says how
many it left as they were. Only targets that did not go out are ever sent.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.causes import Action, explain
from accounts.models import AuditEvent
from accounts.names import name_of
from accounts.roles import ROLES

from . import hooks, stops, valve
from .desk import can_send_again
from .fingerprints import exact
from .models import (
    USEFUL_FOR,
    Care,
    Delivery,
    DeliveryQuerySet,
    InvalidTransition,
    Note,
    StaleState,
)
from .wording import clock
from .writes import Writes

Status, Hold = Delivery.Status, Delivery.Hold


def can_move(row: Delivery) -> bool:
    """Whether another time makes sense: it is not its content that stands in the way,
    and nothing of it can be live."""
    if row.is_out or row.repeat_is_safe:
        return False
    if row.status == Status.HELD:
        return row.release_at is None and row.hold != Hold.APPROVAL
    is_open = row.status == Status.FAILED and not row.dismissed_at
    return is_open and explain(row.cause).action not in {Action.EDIT, Action.DECIDE}


def can_dismiss(row: Delivery) -> bool:
    return row.status == Status.FAILED and not row.dismissed_at


@dataclass
class Line:
    """A row before anything is done. goes_at: when it would, if it is sent now."""

    delivery: Delivery
    is_picked: bool
    sends: bool
    moves: bool
    dismisses: bool
    is_stopped: bool
    is_late: bool
    #: its brand began to ask for approval since, and nobody was asked about it
    is_unapproved: bool
    #: left out at first, because its turn would come after its useful time
    is_too_slow: bool = False
    goes_at: datetime | None = None

    @property
    def gets_late(self) -> bool:
        """In time now, but not when its turn comes."""
        at = self.goes_at
        return bool(not self.is_late and at and at >= self.delivery.useful_until)


def lines(
    rows: Sequence[Delivery],
    picked: Container[int] | None,
    gap: timedelta,
    now: datetime,
) -> list[Line]:
    """picked None: what can be sent and is in time, when its turn comes too; if none can
    be sent, everything.

    A fixed number of queries.
    """
    running = stops.active()
    found = []
    for row in rows:
        stopped = stops.covering(row.account, running) is not None
        sends = can_send_again(row) and not stopped
        late = row.useful_until <= now
        chosen = sends and not late if picked is None else row.pk in picked
        found.append(
            Line(
                delivery=row,
                is_picked=chosen,
                sends=sends,
                moves=can_move(row),
                dismisses=can_dismiss(row),
                is_stopped=stopped,
                is_late=late,
                is_unapproved=sends and _is_unapproved(row),
            )
        )
    if picked is None and not any(line.is_picked for line in found):
        for line in found:
            line.is_picked = not line.sends
    _plan(found, gap, now)
    if picked is None and any(line.gets_late for line in found):
        for line in found:
            if line.gets_late:
                line.is_picked, line.is_too_slow = False, True
        _plan(found, gap, now)
    return found


def _plan(lines: Sequence[Line], gap: timedelta, now: datetime) -> None:
    """Write down when each chosen one would go."""
    going = [line.delivery for line in lines if line.is_picked and line.sends]
    plan = valve.plan(going, rules(gap), now)
    for line in lines:
        line.goes_at = plan.at.get(line.delivery.pk)


def _is_unapproved(row: Delivery) -> bool:
    """As the engine will find: then people are asked before it goes."""
    if row.approved_as or row.repeat_is_safe or row.parts_out or row.is_out:
        return False
    return bool(row.post.brand.approval_steps)


def rules(gap: timedelta) -> valve.Rules:
    return valve.Rules(gap, per_account_hour=None)


# ---------------------------------------------------------------- verbs


@dataclass
class Done:
    """count: rows that were changed; left: those that did not fit (any more)."""

    count: int = 0
    left: int = 0
    last_at: datetime | None = None


def send(
    user: Any,
    rows: DeliveryQuerySet,
    pks: Iterable[int],
    gap: timedelta,
    now: datetime,
    yes: Container[int],
) -> valve.Let:
    """Send failed ones again; see `valve.send`."""
    failed = rows.filter(status=Status.FAILED)
    verb = "delivery.sent_again"
    return valve.send(user, failed, pks, rules(gap), now, yes, verb, can_send_again)


def move(
    user: Any,
    rows: DeliveryQuerySet,
    pks: Sequence[int],
    start: datetime,
    gap: timedelta,
    now: datetime,
) -> Done:
    """To `start` and after it, a gap apart per account; each is useful for as long
    after its new time as posts are by default."""
    with transaction.atomic():
        found = [row for row in _locked(rows, pks) if can_move(row)]
        plan = valve.plan(found, rules(gap), now, start)
        writes, events = Writes(), []
        for row in found:
            at = plan.at[row.pk]
            changes = row.retry_changes(at)
            times = {"due_at": at, "useful_until": at + USEFUL_FOR}
            writes.move(row, Status.SCHEDULED, **changes, **times)
            detail = {"due_at": at.isoformat()}
            events.append(AuditEvent.about(user, "delivery.moved", row, **detail))
        writes.write()
        AuditEvent.objects.bulk_create(events)
    return Done(len(found), len(pks) - len(found), plan.last_at)


def dismiss(user: Any, rows: DeliveryQuerySet, pks: Sequence[int], reason: str) -> Done:
    def act(row: Delivery) -> None:
        if row.dismissed_at:
            raise InvalidTransition("dismissed already")
        row.dismiss()

    return _each(user, rows, pks, act, "delivery.dismissed", reason=reason)


def _each(
    user: Any,
    rows: DeliveryQuerySet,
    pks: Sequence[int],
    act: Callable[[Delivery], None],
    verb: str,
    **detail: Any,
) -> Done:
    done, events = Done(), []
    with transaction.atomic():
        for row in _locked(rows, pks):
            try:
                act(row)
            except (InvalidTransition, StaleState):
                continue
            done.count += 1
            events.append(AuditEvent.about(user, verb, row, **detail))
        AuditEvent.objects.bulk_create(events)
    done.left = len(pks) - done.count
    return done


def _locked(rows: DeliveryQuerySet, pks: Iterable[int]) -> list[Delivery]:
    found = rows.filter(pk__in=list(pks)).select_related("account__credential", "post")
    ordered = found.order_by("due_at", "pk")
    return list(ordered.select_for_update(of=("self",), no_key=True))


# ---------------------------------------------------------------- who cares for it


def helpers(brand_ids: Iterable[int]) -> Any:
    """People with a role who see posts of at least one of these brands."""
    people = get_user_model().objects.filter(is_active=True)
    named = Q(brands__in=list(brand_ids), groups__name__in=ROLES)
    return (
        people.filter(named | Q(is_superuser=True))
        .distinct()
        .order_by("first_name", "last_name", "username")
    )


def assign(user: Any, rows: DeliveryQuerySet, pks: Sequence[int], person: Any) -> Done:
    """person None: to nobody. Left: what that person may not see."""
    found = list(rows.filter(pk__in=list(pks)).select_related("post", "account"))
    if person is not None and not person.is_superuser:
        brands = set(person.brands.values_list("pk", flat=True))
        found = [row for row in found if row.post.brand_id in brands]
    _care(found, assignee=person)
    name = name_of(person) if person else ""
    _tell(user, found, "delivery.assigned", to=name)
    if person is not None and person.pk != user.pk and found:
        _say_assigned(user, found, person)
    return Done(len(found), len(pks) - len(found))


def _say_assigned(user: Any, rows: Sequence[Delivery], person: Any) -> None:
    """One message for all of them, and never a second one about the same."""
    first, others = rows[0], len(rows) - 1

    def words() -> tuple[str, str]:
        subject = _("%(who)s gave you a post to repair: %(post)s")
        if others:
            subject = ngettext(
                "%(who)s gave you posts to repair: %(post)s, and %(n)d more",
                "%(who)s gave you posts to repair: %(post)s, and %(n)d more",
                others,
            )
        named = {"who": name_of(user), "post": first.post, "n": others}
        text = _("Due %(when)s on %(account)s.") % {
            "when": clock(first.due_at),
            "account": first.account.name,
        }
        return subject % named, text

    link = first.get_absolute_url() if not others else reverse("failure_desk")
    # The same rows given again after another failure are news.
    told = [[row.pk, row.attempt_count] for row in rows]
    hooks.tell([person], f"assigned:{exact(told)}", words, link)


def snooze(
    user: Any, rows: DeliveryQuerySet, pks: Sequence[int], until: datetime | None
) -> Done:
    """Off the first tab until then; None: back on it now."""
    found = list(rows.filter(pk__in=list(pks)).select_related("post", "account"))
    _care(found, snoozed_until=until)
    _tell(user, found, "delivery.snoozed", until=until.isoformat() if until else "")
    return Done(len(found), len(pks) - len(found))


def _care(rows: Sequence[Delivery], **fields: Any) -> None:
    """One statement for all rows."""
    Care.objects.bulk_create(
        [Care(delivery=row, **fields) for row in rows],
        update_conflicts=True,
        unique_fields=["delivery"],
        update_fields=[*fields],
    )


def _tell(user: Any, rows: Sequence[Delivery], verb: str, **detail: Any) -> None:
    AuditEvent.objects.bulk_create(
        [AuditEvent.about(user, verb, row, **detail) for row in rows]
    )


def comment(user: Any, delivery: Delivery, text: str) -> Note:
    return Note.objects.create(delivery=delivery, author=user, text=text)
