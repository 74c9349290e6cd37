"""What others left behind, and what may go again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts import breakers
from accounts.models import Credential
from platforms.errors import Cause, Outcome

from . import liveness, valve
from .liveness import Life
from .models import Attempt, Delivery, DeliveryQuerySet, InvalidTransition, StaleState
from .senders import caller_of
from .waking import wake_review
from .work import LAST_START, look_times

#: What goes out by itself after a hold, of one account and hour at most.
PER_ACCOUNT_HOUR = 60
#: Rows that are looked at in one pass.
MOST_RELEASED = 500

Status = Delivery.Status
Hold = Delivery.Hold
#: A person mends these at the platform; the token stays good.
MENDED_THERE = [Cause.ACCOUNT_LOCKED, Cause.ACCOUNT_SUSPENDED]
#: A look that comes sooner is the one that the refusal called for, and may see less of
#: the account than a post does: it lets nothing go, or both would go round in circles.
LOOKED_AT_AFTER = timedelta(minutes=10)
#: Holds that end at a time.
TIMED = [Hold.LIMIT, Hold.PLATFORM]


def recover_abandoned(
    now: datetime, owner: str = "", in_flight: Collection[int] = ()
) -> int:
    """Rows whose worker died: a look when it may have sent, else back into the queue.

    A row is given up when its owner is certainly gone, or when its lease ran out and
    its owner cannot be seen to live. What stands still keeps its rows: it may send them
    when it goes on. owner, in_flight: the pump that asks, and its own rows.
    """
    # By their leases, which have an index of what is leased: in their usual order SQLite
    # reads every delivery there is.
    rows = abandoned(now, owner, in_flight).order_by("lease_expires_at", "pk")
    count = 0
    for row in rows.select_related("account__credential__app")[:200]:
        common = {"fence": F("fence") + 1, **Delivery._no_lease()}
        assert row.lease_expires_at is not None
        # Where the owner is only not seen, a call of it may be under way until then.
        ended = max(now, row.lease_expires_at)
        try:
            with transaction.atomic():
                if row.is_carried:
                    # It was only being prepared: its time stays as it is.
                    row._write(row.status, **common)
                elif row.status == Status.UNCERTAIN:
                    row._move(Status.UNCERTAIN, next_attempt_at=ended, **common)
                elif row.intent_at or row.repeat_is_safe:
                    wait = look_times(
                        row.account.platform, is_comment=row.is_at_comment
                    )[0]
                    row._move(
                        Status.UNCERTAIN,
                        first_sent_at=row.first_sent_at or row.intent_at,
                        next_attempt_at=max(now + timedelta(seconds=wait), ended),
                        look_count=0,
                        absent_count=0,
                        repeat_is_safe=False,
                        outcome=Outcome.AMBIGUOUS,
                        cause=Cause.ANSWER_LOST,
                        **common,
                    )
                else:
                    row._move(Status.SCHEDULED, next_attempt_at=now, **common)
                _close_attempts(row, now)
                count += 1
        except (StaleState, InvalidTransition):
            continue
    return count


def _close_attempts(row: Delivery, now: datetime) -> None:
    """Nobody will, and a breaker that waits for one of them waits in vain."""
    left = row.attempts.filter(closed_at=None)
    tries = left.exclude(kind=Attempt.Kind.LOOK).values_list("opened_at", flat=True)
    if credential := row.account.credential:
        for begun_at in tries:
            caller = caller_of(credential, row.account.platform)
            breakers.forget_trial(caller, begun_at, now)
    left.update(closed_at=now, outcome="abandoned", cause=Cause.ANSWER_LOST)


def abandoned(
    now: datetime, owner: str = "", in_flight: Collection[int] = ()
) -> DeliveryQuerySet:
    """Claimed rows that nobody will bring to an end."""
    claimed = Delivery.objects.filter(lease_expires_at__isnull=False)
    if owner:
        claimed = claimed.exclude(lease_owner=owner, pk__in=list(in_flight))
    owners = set(claimed.order_by().values_list("lease_owner", flat=True).distinct())
    life: dict[Life, list[str]] = {state: [] for state in Life}
    for other in owners - {owner, ""}:
        life[liveness.lives(other)].append(other)
    # Its own that it knows nothing of: the claim was written, its answer was lost.
    life[Life.GONE].append(owner)
    expired = Q(lease_expires_at__lt=now) & ~Q(lease_owner__in=life[Life.LIVES])
    # Without its lock and too late to begin a send: the rest of the lease only covers
    # a call that is under way.
    unseen = Q(lease_owner__in=life[Life.UNSEEN], lease_expires_at__lt=now + LAST_START)
    return claimed.filter(expired | unseen | Q(lease_owner__in=life[Life.GONE]))


def release_held(now: datetime, since: datetime | None = None) -> int:
    """Holds whose reason is gone: by time, by a reconnect, by a breaker that closed, or
    by a look at an account that was locked.

    Never in a burst: posts of one account keep a gap. since: when this was last asked.
    """
    _bring_forward(since or now, now)
    able = Q(
        account__credential__state=Credential.State.ACTIVE,
        account__disconnected_at=None,
        account__trouble="",
    )
    free = (
        Q(hold__in=TIMED, release_at__lte=now)
        | (Q(hold__in=[Hold.ACCESS, Hold.DISCONNECTED]) & able)
        | (
            Q(hold=Hold.PERMISSION, account__credential__issued_at__gt=F("held_at"))
            & able
        )
        | (
            Q(
                hold=Hold.PERMISSION,
                cause__in=MENDED_THERE,
                account__credential__proven_at__gt=F("held_at") + LOOKED_AT_AFTER,
            )
            & able
        )
    )
    found = (
        Delivery.objects.filter(free, status=Status.HELD)
        .select_related("account__credential__app")
        .order_by("due_at", "pk")[:MOST_RELEASED]
    )
    rows = _without_refused(list(found), now)
    if not rows:
        return 0
    taken = valve.planned({row.account_id for row in rows}, now)
    times = valve.spread(
        rows, start=now, taken=taken, per_account_hour=PER_ACCOUNT_HOUR
    )
    count = 0
    for row in rows:
        try:
            row.release(times[row.pk])
            count += 1
        except (StaleState, InvalidTransition):
            continue
    if count:
        wake_review()
    return count


def _bring_forward(since: datetime, now: datetime) -> None:
    """A breaker closed before its time: those behind it need not wait for it."""
    for breaker in breakers.lifted(since - timedelta(seconds=10), now):
        reasons = [Hold.LIMIT] if breaker.subject.startswith("token:") else TIMED
        Delivery.objects.filter(
            status=Status.HELD,
            hold__in=reasons,
            release_at__gt=now,
            **breakers.accounts_behind(breaker, "account__"),
        ).update(release_at=now)


def _without_refused(rows: list[Delivery], now: datetime) -> list[Delivery]:
    """Those whom no breaker would stop at once; the others wait for its next trial."""
    asks = []
    for row in rows:
        credential = row.account.credential
        if row.hold in TIMED and credential is not None:
            asks.append((row.pk, caller_of(credential, row.account.platform), False))
    foreseen = breakers.foresee(asks, now) if asks else {}
    left = []
    for row in rows:
        admission = foreseen.get(row.pk)
        if admission is None or admission.refusal is None:
            left.append(row)
            continue
        at = admission.refusal.retry_at
        Delivery.objects.filter(pk=row.pk, status=Status.HELD).update(release_at=at)
    return left
