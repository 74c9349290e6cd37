"""Circuit breakers: per token, per app and per platform; closed, open, half-open.

A pump asks `admit` for the batch that it claims and tells `hear` what came back; both
run inside its transactions. While all is well nothing is written, and a success costs
no statement at all.

What opens which:

- 429 again and again: the token's, until the platform's own reset, whatever its other
  headers say. A 429 of the whole app opens the app's at once.
- Errors of our app (suspended, version ended, credits used up): the app's, at once.
  Nothing of that kind mends itself within seconds, so its trials are slow.
- Many tokens without access all at once: the app's. That points to our registration,
  and each further try would break one more credential and send one more owner to
  reconnect in vain. Trials go on, so that a mere coincidence costs a minute.
- Errors and silence for many different tokens, with hardly a success: the platform's.
  Where each server stands for itself (`SignIn.OAUTH_INSTANCE`) there is no platform
  that could be down as a whole: its app row, one per server, takes that part.

After `retry_at` one trial goes out, over all pumps and hosts; its answer decides.

Looks (reconciliation) are neither held back for long nor trials: an uncertain post must
not wait for a day until a limit of *posting* ends, and a platform that can be read may
still take no posts. One look goes through each breaker that is not closed, and while
it fails the next a minute later; as soon as one gets its answer they all pass, until
one fails again: an outage leaves hundreds of posts behind that nobody knows of.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from platforms import registry
from platforms.base import SignIn
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.limits import Window

from . import limits
from .fixed_query import FixedQuery
from .models import (
    LIKE_THE_APP,
    SHAKEN_FOR,
    AuditEvent,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    RateBucket,
)

State = CircuitBreaker.State
#: (platform, subject): what a row is found by
Key = tuple[str, str]

#: A trial without an answer is lost when its worker's lease must be over.
TRIAL_LOST = timedelta(seconds=settings.PUBLISH_LEASE_S * 1.2)
#: Who comes while the trial is out asks again after so long.
ANSWER_IN = timedelta(seconds=20)
#: A trial whose answer told nothing about the breaker is repeated after so long.
TOLD_NOTHING = timedelta(seconds=60)
#: Opened again so soon after it closed: still the same trouble, so the waits grow on.
SAME_TROUBLE = timedelta(minutes=10)
#: The platform's clock may be behind ours when it names a time.
AFTER_RESET_S = (1.0, 3.0)
#: Failures and successes that a row keeps, so that it stays small in a storm.
KEPT = 60


class Kind(StrEnum):
    """What a failure is to a breaker."""

    LIMIT = "limit"
    REFUSED = "refused"  # our app
    ACCESS = "access"  # many tokens of our app at once
    TROUBLE = "trouble"


#: Not our app is refused: calls, for a while.
PASSING = {Kind.LIMIT, Kind.TROUBLE}

#: Stored as the cause of a breaker that many lost tokens opened.
MANY_LOST_ACCESS = "many_lost_access"

#: Seconds until the next trial, by how often in a row it opened.
WAITS_S: Mapping[Kind, tuple[float, ...]] = {
    Kind.LIMIT: (60, 120, 300, 600, 1800),
    Kind.REFUSED: (900, 1800, 3600),
    Kind.ACCESS: (60, 300, 900, 1800, 3600),
    Kind.TROUBLE: (30, 60, 120, 300),
}
LOOK_GAP: Mapping[Kind, timedelta] = {
    Kind.LIMIT: timedelta(minutes=1),
    Kind.REFUSED: timedelta(minutes=15),
    Kind.ACCESS: timedelta(minutes=15),
    Kind.TROUBLE: timedelta(minutes=1),
}
#: Looks that are put off ask again one after the other.
LOOKS_APART = timedelta(seconds=0.1)
#: Whatever time a platform names: a trial costs one call, and its clock may be wrong.
LONGEST: Mapping[Kind, timedelta] = {
    Kind.LIMIT: timedelta(hours=24),
    Kind.REFUSED: timedelta(hours=24),
    Kind.ACCESS: timedelta(hours=1),
    Kind.TROUBLE: timedelta(minutes=30),
}
#: Failures older than this count no more.
WINDOW: Mapping[Kind, timedelta] = {
    Kind.LIMIT: timedelta(minutes=10),
    Kind.ACCESS: timedelta(minutes=5),
    Kind.TROUBLE: timedelta(minutes=2),
}
#: So many 429s without a success between them are a repetition.
REPEATED = 2
#: So many different tokens are many. Where only two are in use, both must have failed
#: more than once: one post that upsets the platform may well go to two accounts.
MANY = 3
FEW_FAILED = 4
#: "Hardly a success": of the tokens that were tried, at most this part got through.
HARDLY = 0.2

LIMITS = {Cause.TOO_MANY_REQUESTS, Cause.DAILY_LIMIT}
TROUBLES = {
    Cause.UNREACHABLE,
    Cause.TIMED_OUT,
    Cause.PLATFORM_TROUBLE,
    Cause.ANSWER_UNREADABLE,
    Cause.ANSWER_LOST,
}
#: A platform that says so of our app, or of all that it has access to, lets it read no
#: more than post.
REFUSES_READING = {
    Cause.APP_REFUSED,
    Cause.APP_SUSPENDED,
    Cause.VERSION_ENDED,
    MANY_LOST_ACCESS,
}
TROUBLED = {Outcome.TRANSIENT, Outcome.PLATFORM_DOWN, Outcome.AMBIGUOUS}
AUTH = {Outcome.AUTH_EXPIRED, Outcome.AUTH_REVOKED}


@dataclass(frozen=True)
class Caller:
    """As whom a call goes out."""

    platform: str
    network: str
    app_id: int
    credential_id: int
    #: the credential that it was derived from (a Page's token: the person's); 0: none
    parent_id: int = 0

    def counted(self, kind: Kind) -> int:
        """As whom a failure counts: one person's new password ends forty Pages, and
        is one loss; trouble of forty Pages is that of forty tokens."""
        if kind == Kind.ACCESS and self.parent_id:
            return self.parent_id
        return self.credential_id

    @property
    def token(self) -> Key:
        return (self.platform, f"token:{self.credential_id}")

    @property
    def app(self) -> Key:
        return (self.platform, f"app:{self.app_id}")

    @property
    def shared(self) -> Key:
        """The breaker of errors that everybody gets: the platform's or the server's."""
        if registry.spec(self.platform).sign_in == SignIn.OAUTH_INSTANCE:
            return self.app
        return (self.platform, f"platform:{self.network}")

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(dict.fromkeys((self.token, self.app, self.shared)))


@dataclass(frozen=True)
class Refusal:
    """Not now. scope: "token", "app" or "platform". retry_at: ask again then."""

    breaker_subject: str
    scope: str
    retry_at: datetime
    cause: str

    @property
    def is_limit(self) -> bool:
        """It waits for a limit; else for the platform or for our app."""
        return kind_of_cause(self.cause) == Kind.LIMIT


@dataclass(frozen=True)
class Admission:
    """`refusal` None: it may go.

    trials: primary keys of the breakers whose one trial it is. Hand them to `hear` with
    the answer, or to `give_trial_back` when nothing is sent after all. Of a look: those
    that it passed although they are not closed, for `hear` alone. passing: these let
    looks through already, so that one more that gets its answer is no news.
    """

    refusal: Refusal | None = None
    trials: tuple[int, ...] = ()
    passing: bool = False


@dataclass(frozen=True)
class Heard:
    """What an attempt came to. error None: the post went out.

    trials: from its Admission. looking: it was a look, which tells of reading only.
    """

    caller: Caller
    error: PlatformError | None
    at: datetime
    trials: tuple[int, ...] = ()
    looking: bool = False


@dataclass(frozen=True)
class Change:
    """A breaker that `hear` brought from one state to another."""

    breaker: CircuitBreaker
    before: str

    @property
    def has_opened(self) -> bool:
        """Until now its calls passed."""
        return self.before == State.CLOSED

    @property
    def has_closed(self) -> bool:
        return self.breaker.state == State.CLOSED


# ---------------------------------------------------------------- what an error means


def kind_of(error: PlatformError | None) -> Kind | None:
    """What an error is to the breakers; None: nothing (a refused text, say)."""
    if error is None:
        return None
    if error.outcome in AUTH:
        # A registration that is gone is no riddle: every account reconnects, and each
        # reconnect works at once (Cause.APP_GONE). Expiry is each token's own.
        known = error.outcome == Outcome.AUTH_EXPIRED or error.cause == Cause.APP_GONE
        return None if known else Kind.ACCESS
    if error.outcome == Outcome.RATE_LIMITED:
        of_app = error.reach == Reach.APP and error.cause not in LIMITS
        return Kind.REFUSED if of_app else Kind.LIMIT
    if error.outcome in TROUBLED and error.cause in TROUBLES:
        return Kind.TROUBLE
    return Kind.REFUSED if error.reach == Reach.APP else None


def kind_of_cause(cause: str) -> Kind:
    """What opened a breaker, by the cause that is stored with it."""
    if cause in LIMITS:
        return Kind.LIMIT
    if cause in TROUBLES:
        return Kind.TROUBLE
    return Kind.ACCESS if cause == MANY_LOST_ACCESS else Kind.REFUSED


def key_of(caller: Caller, error: PlatformError, kind: Kind) -> Key:
    """The breaker that an error of this kind concerns."""
    if kind == Kind.LIMIT:
        return caller.app if error.reach == Reach.APP else caller.token
    return caller.shared if kind == Kind.TROUBLE else caller.app


def told_until(error: PlatformError, at: datetime) -> datetime | None:
    """The platform's own word on when it takes calls again; None: not told."""
    told = [error.reset_at] if error.reset_at else []
    if error.retry_after:
        told.append(at + timedelta(seconds=min(error.retry_after, 10 * 86_400)))
    return max((time for time in told if time > at), default=None)


class Verdict(StrEnum):
    """What the answer to a trial says of its breaker."""

    FINE = "fine"
    FAILED = "failed"
    NOTHING = "nothing"


def judge(row: CircuitBreaker, heard: Heard) -> Verdict:
    error, kind = heard.error, kind_of(heard.error)
    if error is None:
        return Verdict.FINE
    opened_by = kind_of_cause(row.cause)
    if kind and key_of(heard.caller, error, kind) == (row.platform, row.subject):
        # One lost token more says nothing of a limit or of credits, and a limit nothing
        # of what refuses our app.
        alone = kind == Kind.ACCESS and opened_by != Kind.ACCESS
        short = kind in PASSING and opened_by not in PASSING
        if not (alone or short):
            return Verdict.FAILED
    if opened_by == Kind.TROUBLE:
        return Verdict.FINE  # a refusal as well is an answer
    if error.outcome in AUTH or kind:
        return Verdict.NOTHING  # it did not come as far as what this breaker is about
    return Verdict.FINE


# ---------------------------------------------------------------- asking


def admit(
    asks: Sequence[tuple[Hashable, Caller, bool]], now: datetime
) -> dict[Hashable, Admission]:
    """Who may go, in the order of `asks`: (your reference, caller, whether it looks).

    Call it inside the transaction that claims, after all else that might refuse: who is
    admitted as a trial keeps everybody else waiting. One SELECT; where a trial or a
    look is let through, one more that locks and one UPDATE.
    """
    rows = _not_closed()
    if not rows:
        return {ref: Admission() for ref, _caller, _looking in asks}
    plan = _decide(asks, rows, now)
    if not plan.taken:
        return plan.admissions
    with transaction.atomic(savepoint=False):
        # Read again under a lock: of all pumps and hosts one gets the trial. Whoever
        # finds the row locked was not first, and does not wait for it.
        locked = _lock(Q(pk__in=plan.taken), skip_locked=True)
        for row in rows.values():
            if row.pk in plan.taken and (row.platform, row.subject) not in locked:
                row.state, row.trial_at, row.looked_at = State.HALF_OPEN, now, now
        rows = {**rows, **locked}
        free = {row.pk for row in locked.values()}
        plan = _decide(asks, rows, now, free)
        _write([row for row in locked.values() if row.pk in plan.taken], now)
    return plan.admissions


def foresee(
    asks: Sequence[tuple[Hashable, Caller, bool]], now: datetime
) -> dict[Hashable, Admission]:
    """What `admit` would say, without taking a trial: for releasing held posts.

    Of those behind one breaker that is due for its trial only the first is let go.
    One SELECT.
    """
    rows = _not_closed()
    return _decide(asks, rows, now).admissions


def give_trial_back(trials: Iterable[int], now: datetime) -> None:
    """Nothing was sent: the next who asks is the trial. One UPDATE, none for ()."""
    pks = list(trials)
    if pks:
        CircuitBreaker.objects.filter(pk__in=pks, state=State.HALF_OPEN).update(
            state=State.OPEN, trial_at=None, retry_at=now, changed_at=now
        )


def let_look(caller: Caller, now: datetime) -> None:
    """A person wants to know now, perhaps because our app was just put right: the next
    look goes, however long ago the last one was, but for the one that is out."""
    mine = Q()
    for platform, subject in caller.keys:
        mine |= Q(platform=platform, subject=subject)
    CircuitBreaker.objects.filter(mine, looked_at__lt=now - ANSWER_IN).exclude(
        state=State.CLOSED
    ).update(looked_at=None)


def forget_trial(caller: Caller, begun_at: datetime, now: datetime) -> None:
    """The worker that was let through for this caller at that time is gone.

    Its end says nothing of the platform, so the next who asks is the trial, if it was
    one. One UPDATE. begun_at: the `now` of its `admit`.
    """
    mine = Q()
    for platform, subject in caller.keys:
        mine |= Q(platform=platform, subject=subject)
    CircuitBreaker.objects.filter(
        mine, state=State.HALF_OPEN, trial_at=begun_at
    ).update(state=State.OPEN, trial_at=None, retry_at=now, changed_at=now)


@dataclass
class _Plan:
    admissions: dict[Hashable, Admission]
    #: rows that are changed by it
    taken: set[int]


def _decide(
    asks: Sequence[tuple[Hashable, Caller, bool]],
    rows: Mapping[Key, CircuitBreaker],
    now: datetime,
    free: set[int] | None = None,
) -> _Plan:
    """free: the only rows that may be taken; None: any. Rows of `taken` are changed."""
    plan = _Plan({}, set())
    later: dict[int, int] = {}
    trying: set[int] = set()
    for ref, caller, looking in asks:
        mine = [rows[key] for key in caller.keys if key in rows]
        barring = [row for row in mine if not (looking and row.looks_pass)]
        waits = [
            (_look_at(row, now) if looking else _trial_at(row, now), row)
            for row in barring
        ]
        for n, (at, row) in enumerate(waits):
            lost = free is not None and row.pk not in free and at <= now
            if lost or (row.pk in trying and not looking):
                waits[n] = (now + ANSWER_IN, row)
        if waits and (last := max(waits, key=lambda wait: wait[0]))[0] > now:
            at, row = last
            if looking:
                # The answer to the one that is out decides for all: they ask again
                # before the next would go, and not all at once.
                behind = later[row.pk] = later.get(row.pk, -1) + 1
                at = min(at, now + _look_gap(row) / 4) + behind * LOOKS_APART
            plan.admissions[ref] = Admission(
                Refusal(row.subject, row.scope, at, row.cause)
            )
        elif looking:
            for row in barring:
                row.looked_at = now
                plan.taken.add(row.pk)
            plan.admissions[ref] = Admission(
                trials=tuple(row.pk for row in mine), passing=not barring
            )
        else:
            trials = tuple(row.pk for row in mine)
            trying.update(trials)
            plan.taken.update(trials)
            plan.admissions[ref] = Admission(trials=trials)
    for row in rows.values():
        if row.pk in trying:
            if row.state == State.HALF_OPEN:
                row.open_count += 1  # the trial before was lost: that counts as failed
            row.state, row.trial_at = State.HALF_OPEN, now
    return plan


def _trial_at(row: CircuitBreaker, now: datetime) -> datetime:
    """When a trial of this breaker may go; not after `now`: at once."""
    if row.state == State.OPEN or row.trial_at is None:
        return row.retry_at or now
    lost_at = row.trial_at + TRIAL_LOST
    if now < lost_at:
        return max(row.trial_at + ANSWER_IN, now + ANSWER_IN / 4)
    wait = _wait_s(kind_of_cause(row.cause), row.open_count + 1)
    return max(lost_at, row.trial_at + timedelta(seconds=wait))


def _look_gap(row: CircuitBreaker) -> timedelta:
    return LOOK_GAP[kind_of_cause(row.cause)]


def _look_at(row: CircuitBreaker, now: datetime) -> datetime:
    return row.looked_at + _look_gap(row) if row.looked_at else now


# ---------------------------------------------------------------- listening


class Lately:
    """When each credential last got a post through this process, by breaker.

    In memory, because a success must cost no statement. What other processes saw is
    stored with a breaker's row once failures are written there.
    """

    def __init__(self) -> None:
        self.seen: dict[Key, dict[int, float]] = {}

    def note(self, caller: Caller, at: datetime) -> None:
        for key in caller.keys:
            self.seen.setdefault(key, {})[caller.credential_id] = at.timestamp()

    def since(self, key: Key, start: float) -> dict[str, float]:
        """Credential (as JSON spells a key) -> time, after `start`; forgets the rest."""
        found = {pk: at for pk, at in self.seen.pop(key, {}).items() if at > start}
        if found:
            self.seen[key] = found
        return {str(pk): at for pk, at in found.items()}


lately = Lately()


def hear(events: Sequence[Heard], now: datetime) -> list[Change]:
    """Learn from a batch of answers; returns the breakers that changed their state.

    Leave out what never reached the platform (an own bug, a lease too short): give its
    trial back instead. Call it inside the transaction that writes the results, as its
    last part: it locks rows that other pumps want, too. Without a failure that counts
    and without a trial no statement is made; else one SELECT and one UPDATE, and an
    INSERT when a breaker's first failure comes.
    """
    for event in events:
        if event.error is None and not event.looking:
            lately.note(event.caller, event.at)
    aims = {n: aim for n, event in enumerate(events) if (aim := _aim(event))}
    trials = {pk for event in events for pk in event.trials}
    if not aims and not trials:
        return []
    with transaction.atomic(savepoint=False):
        rows = _locked_rows(set(aims.values()), trials)
        before = {key: row.state for key, row in rows.items()}
        touched: dict[Key, CircuitBreaker] = {}
        for key in rows.keys() & set(aims.values()):
            if before[key] == State.CLOSED:
                _learn_successes(key, rows[key], now)
        for n in sorted(range(len(events)), key=lambda n: events[n].at):
            event = events[n]
            for key, row in rows.items():
                if row.pk in event.trials and row.state != State.CLOSED:
                    if event.looking:
                        if not _looked(row, event, now):
                            continue
                    else:
                        _tried(row, event, now)
                    touched[key] = row
                elif aims.get(n) == key and _failed(row, event, now):
                    touched[key] = row
        _write(list(touched.values()), now)
    return [
        Change(row, before[key])
        for key, row in touched.items()
        if row.state != before[key]
    ]


def _aim(event: Heard) -> Key | None:
    """The breaker that an answer speaks against; None: it counts nowhere."""
    error, kind = event.error, kind_of(event.error)
    if error is None or kind is None:
        return None
    if event.looking and kind == Kind.LIMIT and error.reach != Reach.APP:
        return None  # reading has limits of its own
    if event.looking and error.cause == Cause.ANSWER_UNREADABLE:
        return None  # that one page of theirs is odd: posts may well go out
    return key_of(event.caller, error, kind)


def _looked(row: CircuitBreaker, event: Heard, now: datetime) -> bool:
    """Can it be read? That closes nothing, but lets the other looks through. True: news.

    A platform that has suspended our app refuses reading as well: there a look that gets
    through closes, or the incident would stand until the next post is due.
    """
    verdict = judge(row, event)
    fine = verdict == Verdict.FINE
    if verdict == Verdict.FAILED and _worsened(row, event, now):
        return True
    if fine and row.cause in REFUSES_READING:
        _close(row, now)
        return True
    if verdict == Verdict.NOTHING or row.looks_pass == fine:
        return False
    row.looks_pass = fine
    return True


def _worsened(row: CircuitBreaker, event: Heard, now: datetime) -> bool:
    """Is our app refused, where a limit or a trouble kept posts waiting until now?

    That needs a person, and nobody would be told of it while the row says that it passes
    by itself: without a post to try it, it may say so for weeks.
    """
    error = event.error
    if kind_of(error) != Kind.REFUSED or kind_of_cause(row.cause) == Kind.REFUSED:
        return False
    assert error is not None
    row.open_count, row.opened_at, row.looks_pass = 1, now, False
    _open(row, error, event.at, now)
    return True


def _tried(row: CircuitBreaker, event: Heard, now: datetime) -> None:
    """The trial's answer is here."""
    verdict = judge(row, event)
    if verdict == Verdict.FINE:
        _close(row, now)
    elif row.state == State.OPEN:
        return  # it was given up for lost, and another has answered meanwhile
    elif verdict == Verdict.NOTHING:
        row.state, row.trial_at, row.retry_at = State.OPEN, None, now + TOLD_NOTHING
        if event.error and (until := told_until(event.error, event.at)):
            until = min(until, now + LONGEST[kind_of_cause(row.cause)])
            row.retry_at = max(row.retry_at, until)
    else:
        assert event.error is not None
        row.open_count += 1
        _open(row, event.error, event.at, now)


def _failed(row: CircuitBreaker, event: Heard, now: datetime) -> bool:
    """Count a failure, and open the breaker when it is one too many. True: changed."""
    error, kind = event.error, kind_of(event.error)
    assert error is not None
    assert kind is not None
    if row.state != State.CLOSED:
        if _worsened(row, event, now):
            return True
        # What was on its way when it opened. Only a later reset is news.
        until = told_until(error, event.at)
        if row.state == State.HALF_OPEN or kind != Kind.LIMIT or until is None:
            return False
        until = min(until, now + LONGEST[kind])
        if row.retry_at and until <= row.retry_at:
            return False
        row.retry_at = until
        return True
    if kind in WINDOW and not (kind == Kind.LIMIT and row.scope == "app"):
        start = (event.at - WINDOW[kind]).timestamp()
        _remember(row, event, kind, start)
        if not _too_many(row, kind, start):
            return True
    flaps = row.closed_at is not None and now - row.closed_at < SAME_TROUBLE
    row.open_count = row.open_count + 1 if flaps else 1
    row.opened_at, row.many_lost_at = now, None
    _open(row, error, event.at, now)
    return True


def _remember(row: CircuitBreaker, event: Heard, kind: Kind, start: float) -> None:
    at = event.at.timestamp()
    others = [seen for seen in row.failures if seen[2] != kind or seen[0] > start]
    row.failures = [*others, [at, event.caller.counted(kind), kind]][-KEPT:]


def _learn_successes(key: Key, row: CircuitBreaker, now: datetime) -> None:
    """What this process saw, added to what others stored."""
    oldest = (now - max(WINDOW.values())).timestamp()
    known = {pk: then for pk, then in row.successes.items() if then > oldest}
    for pk, then in lately.since(key, oldest).items():
        known[pk] = max(then, known.get(pk, then))
    row.successes = dict(sorted(known.items(), key=lambda item: item[1])[-KEPT:])


def _too_many(row: CircuitBreaker, kind: Kind, start: float) -> bool:
    failures = [seen for seen in row.failures if seen[2] == kind and seen[0] > start]
    if kind == Kind.LIMIT:
        fine_at = max(row.successes.values(), default=start)
        return sum(at > fine_at for at, *_rest in failures) >= REPEATED
    last = {str(pk): at for at, pk, _kind in failures}
    fine = {pk for pk, at in row.successes.items() if at > last.get(pk, start)}
    failing = last.keys() - fine
    if len(fine) > HARDLY * len(failing | fine):
        return False
    if len(failing) >= MANY:
        return True
    return kind == Kind.TROUBLE and len(failing) > 1 and len(failures) >= FEW_FAILED


def _open(
    row: CircuitBreaker, error: PlatformError, at: datetime, now: datetime
) -> None:
    kind = kind_of(error)
    assert kind is not None
    row.cause = error.cause
    if kind == Kind.ACCESS:
        row.cause = MANY_LOST_ACCESS
        row.many_lost_at = row.many_lost_at or row.opened_at
    row.detail = error.detail
    row.state, row.trial_at = State.OPEN, None
    row.failures, row.successes = [], {}
    row.retry_at = min(_next_trial(row, kind, error, at, now), now + LONGEST[kind])


def _next_trial(
    row: CircuitBreaker, kind: Kind, error: PlatformError, at: datetime, now: datetime
) -> datetime:
    """The platform's own time, else the end of a used-up window, else a growing wait."""
    wait = _wait_s(kind, row.open_count) * random.uniform(0.8, 1.2)  # noqa: S311
    until = told_until(error, at)
    if kind == Kind.TROUBLE:
        return max(now + timedelta(seconds=wait), until or now)
    if until is None and kind == Kind.LIMIT:
        until = _window_end(row, now)
    if until is None or until <= now:
        return now + timedelta(seconds=wait)
    return until + timedelta(seconds=random.uniform(*AFTER_RESET_S))  # noqa: S311


def _wait_s(kind: Kind, count: int) -> float:
    waits = WAITS_S[kind]
    return waits[min(max(count, 1), len(waits)) - 1]


def _window_end(row: CircuitBreaker, now: datetime) -> datetime | None:
    """When the first used-up window of this token or app opens again.

    The first, although the 429 may have been about another: then the trial tells.
    """
    subjects = [row.subject]
    if row.scope == "token":
        accounts = ConnectedAccount.objects.filter(credential_id=row.subject_id)
        subjects += [f"account:{pk}" for pk in accounts.values_list("pk", flat=True)]
    known, at = limits.rules(row.platform), now.timestamp()
    windows = [
        Window(known[bucket.key], bucket.counts())
        for bucket in RateBucket.objects.filter(
            platform=row.platform, subject__in=subjects
        )
        if bucket.key in known
    ]
    ends = [window.opens_at(1, at) for window in windows if window.free(at) == 0]
    first = min((end for end in ends if end is not None and end > at), default=None)
    return datetime.fromtimestamp(first, UTC) if first else None


def _close(row: CircuitBreaker, now: datetime) -> None:
    row.state, row.closed_at = State.CLOSED, now
    row.retry_at = row.trial_at = row.looked_at = None
    row.looks_pass = False
    row.failures, row.successes = [], {}


# ---------------------------------------------------------------- afterwards


def taken_back(now: datetime) -> list[CircuitBreaker]:
    """Of apps that are well again since lately, after many accesses seemed withdrawn.
    One cheap query."""
    return list(
        CircuitBreaker.objects.filter(
            state=State.CLOSED,
            many_lost_at__isnull=False,
            closed_at__gte=now - SHAKEN_FOR,
        )
    )


def mistaken(now: datetime) -> list[int]:
    """Accesses that were taken for withdrawn shortly before or while their whole app was
    refused, and were not looked at since it is taken back. One cheap query, and one more
    for each such app.
    """
    found: list[int] = []
    for row in taken_back(now):
        assert row.many_lost_at is not None
        found += Credential.objects.filter(
            Q(looked_at=None) | Q(looked_at__lt=row.closed_at),
            app=row.subject_id,
            state=Credential.State.BROKEN,
            cause__in=LIKE_THE_APP,
            broken_at__gte=row.many_lost_at - SHAKEN_FOR,
        ).values_list("pk", flat=True)
    return found


# ---------------------------------------------------------------- rows


_other_than_closed = FixedQuery(
    lambda: CircuitBreaker.objects.exclude(state=State.CLOSED).order_by()
)


def not_closed() -> list[CircuitBreaker]:
    """Cheap, for what asks often."""
    return _other_than_closed.objects()


def _not_closed() -> dict[Key, CircuitBreaker]:
    return {(row.platform, row.subject): row for row in not_closed()}


def _lock(which: Q, *, skip_locked: bool = False) -> dict[Key, CircuitBreaker]:
    """In one order everywhere, so that two pumps cannot wait for each other.

    SQLite needs no lock of a row: its transactions begin with the lock on everything.
    """
    rows = CircuitBreaker.objects.filter(which).order_by("platform", "subject")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=skip_locked)
    return {(row.platform, row.subject): row for row in rows}


def _locked_rows(keys: set[Key], pks: set[int]) -> dict[Key, CircuitBreaker]:
    """Rows of the keys, made where there are none, and of the primary keys."""
    rows = _lock(_any_of(keys) | Q(pk__in=pks))
    missing = sorted(keys - rows.keys())
    if missing:
        # Two pumps may meet here: the second takes the row that the first made.
        CircuitBreaker.objects.bulk_create(
            [CircuitBreaker(platform=p, subject=s) for p, s in missing],
            ignore_conflicts=True,
        )
        rows |= _lock(_any_of(missing))
    return rows


def _any_of(keys: Iterable[Key]) -> Q:
    found = Q(pk__in=[])
    by_platform: dict[str, list[str]] = {}
    for platform, subject in keys:
        by_platform.setdefault(platform, []).append(subject)
    for platform, subjects in by_platform.items():
        found |= Q(platform=platform, subject__in=subjects)
    return found


WRITTEN = [
    "state",
    "failures",
    "successes",
    "open_count",
    "opened_at",
    "many_lost_at",
    "retry_at",
    "trial_at",
    "looked_at",
    "looks_pass",
    "closed_at",
    "cause",
    "detail",
    "changed_at",
]


def _write(rows: list[CircuitBreaker], now: datetime) -> None:
    for row in rows:
        row.changed_at = now
    if len(rows) == 1:  # nearly always, and a tenth of the work
        values = {name: getattr(rows[0], name) for name in WRITTEN}
        CircuitBreaker.objects.filter(pk=rows[0].pk).update(**values)
    elif rows:
        CircuitBreaker.objects.bulk_update(rows, WRITTEN)


# ---------------------------------------------------------------- people and pages


def try_now(breaker: CircuitBreaker, by: Any) -> bool:
    """ "Try again now": the next post is the trial. False: closed, or one is out.

    It is not simply closed: when the trouble is not over, one post finds out and not
    all that wait.
    """
    now = timezone.now()
    changed = CircuitBreaker.objects.filter(
        pk=breaker.pk, state=State.OPEN, retry_at__gt=now
    ).update(retry_at=now, changed_at=now)
    if changed:
        AuditEvent.write(by, "breaker.tried_now", breaker, retry_at=str(now))
    return bool(changed)


def lifted(since: datetime, now: datetime) -> list[CircuitBreaker]:
    """Closed, or set to be tried at once, since then: what they held may go now.

    `since` needs some seconds of overlap with the last time that you asked: a change is
    seen when its transaction ends, and dated when it began. One SELECT.
    """
    # Only where a trial was put forward both times are the same.
    ready = Q(state=State.OPEN, retry_at__lte=now, retry_at=F("changed_at"))
    return list(
        CircuitBreaker.objects.filter(
            ready | Q(state=State.CLOSED, closed_at__gte=since), changed_at__gte=since
        )
    )


def accounts_behind(breaker: CircuitBreaker, prefix: str = "") -> dict[str, Any]:
    """Look-ups of the accounts that it holds: `filter(**accounts_behind(row))`.

    prefix: the way to the account, such as "account__".
    """
    if breaker.scope == "token":
        found: dict[str, Any] = {"credential_id": breaker.subject_id}
    elif breaker.scope == "app":
        found = {"credential__app_id": breaker.subject_id}
    else:
        found = {"platform": breaker.platform, "network": breaker.network}
    return {prefix + name: value for name, value in found.items()}


def tidy(now: datetime) -> int:
    """Forget what has been closed for a day."""
    old = now - timedelta(days=1)
    gone, _each = CircuitBreaker.objects.filter(
        state=State.CLOSED, changed_at__lt=old
    ).delete()
    return gone
