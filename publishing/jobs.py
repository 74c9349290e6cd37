"""Running long work in the monitor cluster, a turn at a time.

A turn ends after some seconds, so that jobs take turns and a stop waits for none of
them. One runs at a time: the cluster's other worker stays free for checks of health.
What a killed worker had in hand is taken up again when its lease has run out.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.reading import language_of

from .job_models import MOST_TRIES, Job
from .models import StaleState
from .waking import stop_wanted

logger = logging.getLogger(__name__)

TURN_S = 15.0
#: Between signs of life in a step that takes its time.
BEAT_S = 5.0

State = Job.State


class Cancelled(Exception):
    """The person does not want it any more."""


class Refused(Exception):
    """It cannot be done; the sentence says why, and the cure."""


class Turn:
    """One worker's turn at a job: when to stop, and signs of life in between."""

    def __init__(self, job: Job, seconds: float = TURN_S) -> None:
        self.job = job
        self._until = time.monotonic() + seconds
        self._beat_at = time.monotonic() + BEAT_S

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until or stop_wanted()

    def store(self, **changes: Any) -> None:
        """What is done so far, in one statement. Cancelled; StaleState."""
        self.job.store(**changes)
        self._heard()

    def beat(self) -> None:
        """May be called as often as one likes. Cancelled; StaleState."""
        if time.monotonic() >= self._beat_at:
            self.job.beat()
            self._heard()

    def _heard(self) -> None:
        self._beat_at = time.monotonic() + BEAT_S
        if self.job.cancel_asked_at is not None:
            raise Cancelled


@dataclass(frozen=True)
class Kind:
    """A sort of long work.

    title: for its row. work: goes on from `job.at` until the turn is over; True: there
    is more. ended: tidies up what belongs to it, however it ended; once at least.
    address: of the page that shows what came of it, "": the list alone. unit: of done
    and total, "bytes" or "". know: reads at once what title and address ask for each.
    """

    title: Callable[[Job], str]
    work: Callable[[Job, Turn], bool]
    ended: Callable[[Job], None] = lambda job: None
    address: Callable[[Job], str] = lambda job: ""
    cancel_note: Any = ""
    know: Callable[[Sequence[Job]], None] = lambda listed: None


_kinds: dict[str, Kind] = {}


def register(name: str, kind: Kind) -> None:
    _kinds[name] = kind


def kind_of(job: Job) -> Kind:
    return _kinds[job.kind]


def know(listed: Sequence[Job]) -> None:
    """Before a list shows them: a query for each kind of work, not for each row."""
    for name, kind in _kinds.items():
        if alike := [job for job in listed if job.kind == name]:
            kind.know(alike)


class Busy(Exception):
    """Of this kind a person has one at a time, and one is at work."""


def start(kind: str, person: Any, brand: Any = None, **asked: Any) -> Job:
    """Have it done; what is asked are JSON values. Busy, where a constraint of the
    table says so."""
    assert kind in _kinds
    try:
        with transaction.atomic():
            job = Job.objects.create(kind=kind, person=person, brand=brand, asked=asked)
    except IntegrityError as error:
        raise Busy from error
    wake()
    return job


def do_here(kind: str, person: Any, seconds: float, **asked: Any) -> Job:
    """What is short is done by the caller, outside of any transaction; what is left of
    it after so many seconds, or when the caller dies, is the cluster's."""
    return go_on_here(prepare(kind, person, **asked), seconds)


def prepare(kind: str, person: Any, **asked: Any) -> Job:
    """The job alone, for `go_on_here`. A worker that finds it first may take it."""
    assert kind in _kinds
    return Job.objects.create(kind=kind, person=person, asked=asked)


def go_on_here(job: Job, seconds: float) -> Job:
    try:
        job.claim(timezone.now())
        _do(job, seconds)
    except StaleState:
        job.refresh_from_db()  # a worker has it
    # What is left of it; and what found it in hand, and went back to wait.
    if Job.objects.live().exists():
        wake()
    return job


def wake() -> None:
    """A lost wake-up costs a minute: a schedule asks as well."""
    from django_q.tasks import async_task

    transaction.on_commit(
        lambda: async_task("publishing.tasks.do_long_work", cluster="monitor"),
        robust=True,
    )


def take_turn(seconds: float = TURN_S) -> bool:
    """Give one job a turn. True: there is more for somebody to do."""
    job = None if stop_wanted() else _claimed(timezone.now())
    if job is None:
        return False
    try:
        # What it says is for the person who asked.
        with translation.override(language_of(job.person)):
            _do(job, seconds)
    except StaleState:
        logger.info("%s was taken over", job)
    return Job.objects.ready(timezone.now()).exists()


def _claimed(now: datetime) -> Job | None:
    """The job whose turn it is; None: nothing waits, or a worker has one in hand."""
    with transaction.atomic():
        # Of two workers that ask in one instant, the second sees what the first took:
        # else two imports of one table would each find that nothing says the same yet.
        list(Job.objects.live().order_by("pk").select_for_update().values_list("pk"))
        if Job.objects.live().held(now).exists():
            return None
        job = Job.objects.ready(now).select_related("person", "brand").first()
        if job is None:
            return None
        try:
            job.claim(now)
        except StaleState:
            return None
    return job


def _do(job: Job, seconds: float) -> None:
    kind = _kinds.get(job.kind)
    if kind is None:
        job.end(State.FAILED, _("This version of SocialHub does not know such work."))
        return
    if job.cancel_asked_at is not None:
        _end(job, kind, State.CANCELLED)
        return
    if job.tries > MOST_TRIES:
        said = _("It broke off %(n)s times at the same place. Tell an operator.")
        _end(job, kind, State.FAILED, said % {"n": MOST_TRIES})
        return
    try:
        more = kind.work(job, Turn(job, seconds))
    except Cancelled:
        _end(job, kind, State.CANCELLED)
    except Refused as refused:
        _end(job, kind, State.FAILED, str(refused))
    except StaleState:
        raise
    except Exception:
        # A bug, or a database that was away: tried again in a minute, some times.
        logger.exception("%s", job)
    else:
        if more:
            job.let_go()
        else:
            _end(job, kind, State.DONE)


def _end(job: Job, kind: Kind, state: str, problem: str = "") -> None:
    with transaction.atomic():
        job.end(state, problem)
        kind.ended(job)
    if state != State.DONE:
        shutil.rmtree(job.folder, ignore_errors=True)
