"""What travels between a pump's database thread and its I/O threads."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from accounts import refresh
from accounts.breakers import Caller
from accounts.limits import Need
from platforms import parts, registry
from platforms.base import (
    Look,
    Platform,
    PlatformClient,
    PublishJob,
    Step,
    StepKind,
    StepResult,
    TokenSet,
)
from platforms.errors import (
    AmbiguousOutcome,
    NotStarted,
    PlatformError,
    TransientError,
)

from . import public_media
from .crash_points import crash_point
from .models import Attempt, Delivery
from .public_media import Unreadable
from .writes import Opened

logger = logging.getLogger(__name__)

#: A claim holds for so long; each stored step renews it. Longer than any whole call.
LEASE = timedelta(seconds=settings.PUBLISH_LEASE_S)
#: A commit is not begun with less of the lease left than a whole call may take.
LAST_START = timedelta(seconds=settings.HTTP_TIMEOUT_S) + LEASE / 10
#: A file beside its lane is sent on without a word to the database for so long.
RUN_ON_S = 3.0
#: Waits after refusals that may mend themselves, in seconds.
BACKOFF_S = (5, 15, 30, 60, 120, 300, 600)


def backoff(count: int, retry_after: float | None = None) -> timedelta:
    """Growing and jittered; never before the platform's own word."""
    base = BACKOFF_S[min(max(count, 1), len(BACKOFF_S)) - 1]
    wait = base * random.uniform(0.8, 1.2)  # noqa: S311
    return timedelta(seconds=max(wait, retry_after or 0))


def look_times(platform: str, *, is_comment: bool = False) -> tuple[float, ...]:
    """Seconds after a lost answer at which is looked."""
    spec = registry.spec(platform)
    rule = spec.first_comment if is_comment else None
    own = rule.look_after_s if rule else ()
    return tuple(settings.PUBLISH_LOOK_AFTER_S) or own or spec.look_after_s


def last_start() -> float:
    """Monotonic time after which nothing may be begun under a lease of now."""
    return time.monotonic() + (LEASE - LAST_START).total_seconds()


@dataclass(eq=False)
class Work:
    """One claimed delivery on its way. The I/O threads leave `row` alone."""

    row: Delivery
    fence: int
    lane: int
    kind: str  # Attempt.Kind
    attempt: Opened
    platform: Platform
    client: PlatformClient
    job: PublishJob
    #: what was reserved of the platform's windows when it was claimed
    need: Need
    claimed_at: datetime
    caller: Caller
    #: breakers that wait for what becomes of this one
    trials: tuple[int, ...]
    #: monotonic time after which nothing may be begun under this lease
    start_by: float
    step: Step | None = None
    #: the commit of this work has been allowed by a stored intent
    may_commit: bool = False
    #: files of a post that waits: it keeps no lane, renews its lease, and never commits
    carried: bool = False
    #: its row was taken up anew and is due: its lane waits for the end of this
    is_old: bool = False
    #: bytes of its files that were there before this step, and what the client had read
    #: for sending by then
    sent_before: int = 0
    read_before: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)
    #: usage headers of the last answer to each call
    usage: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def delivery_id(self) -> int:
        return self.row.pk

    @property
    def sent_bytes(self) -> int:
        """Of its files, by now. A form's texts are not among them."""
        return self.sent_before + self.client.http.sent_bytes - self.read_before

    @property
    def looking(self) -> bool:
        return self.kind == Attempt.Kind.LOOK

    @property
    def committing(self) -> bool:
        return self.step is not None and self.step.kind == StepKind.COMMIT


@dataclass(eq=False)
class Done:
    """What an I/O thread brings back."""

    work: Work
    result: StepResult | Look | PlatformError
    #: a bug of ours, or nothing left at all: it says nothing of the platform
    is_ours: bool = False


@dataclass(eq=False)
class Renewed:
    lane: int
    ticket: refresh.Ticket
    result: TokenSet | PlatformError


def _run_on(work: Work) -> StepResult:
    """A step, and the pieces of the file that follow on it for a moment: a word to the
    database after each would cost more than a piece does on a fast line."""
    assert work.step is not None
    step, job = work.step, work.job
    witness: dict[str, Any] = {}
    end = time.monotonic() + RUN_ON_S
    result = step.run()
    while step.kind is StepKind.RESUMABLE and time.monotonic() < end:
        witness |= result.witness
        if result.wait_s is not None or work.client.http.is_cut:
            break
        job = replace(job, witness={**job.witness, **result.witness})
        step = parts.next_step(work.platform, job, work.client)
        if step.kind is not StepKind.RESUMABLE:
            break
        try:
            result = step.run()
        except PlatformError as error:
            # What came before it stands. It is made again, and then it counts.
            logger.info("%s of delivery %s: %s", step.name, work.delivery_id, error)
            break
    return replace(result, witness={**witness, **result.witness})


def way_of(step: Step) -> Callable[[], StepResult]:
    """What runs: our addresses are read first, and some steps can go without."""
    try:
        public_media.must_be_readable(step.gives_out)
    except Unreadable:
        if step.instead is None:
            raise
        return step.instead
    return step.run


def perform(work: Work) -> Done:
    """Run one step or one look. Called in an I/O thread: HTTP only."""
    name, is_ours = "look", False
    began = time.monotonic()
    try:
        if work.looking:
            result: StepResult | Look | PlatformError = parts.look(
                work.platform, work.job, work.client
            )
        else:
            assert work.step is not None
            name = work.step.name
            run = way_of(work.step)
            if work.committing:
                assert work.may_commit
                if time.monotonic() > work.start_by:
                    raise NotStarted("the lease ends too soon")
                # Asked once more when the call leaves: this process may be stopped
                # anywhere between, and the post be somebody else's when it goes on.
                work.client.http.change_until = work.start_by
                crash_point("before_send")
            result = _run_on(work) if work.carried else run()
            if work.committing:
                crash_point("after_answer")
    except PlatformError as error:
        result, is_ours = error, isinstance(error, NotStarted | Unreadable)
    except Exception as exc:  # a bug of ours: the row must not suffer for it
        logger.exception("step %s of delivery %s", name, work.delivery_id)
        kind = AmbiguousOutcome if work.committing else TransientError
        result, is_ours = kind(f"{type(exc).__name__}: {exc}"[:300]), True
    if time.monotonic() - began > work.client.http.longest_s * 1.5:
        # No call may take so long: this process stood still, not the platform.
        is_ours = True
    number = len(parts.out(work.job.witness)) + 1
    for log in work.client.http.drain():
        work.calls.append(
            {
                "step": name,
                "part": number,
                "call": log.call,
                "at": log.at.isoformat(timespec="milliseconds"),
                "ms": log.duration_ms,
                "status": log.status,
                "request_id": log.request_id,
            }
        )
    work.usage.update(work.client.http.usage)
    return Done(work, result, is_ours)
