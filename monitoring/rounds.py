"""One round of looks or of renewals: what is due, side by side, within some seconds."""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Collection, Container, Hashable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from itertools import count, islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import breakers, health, refresh
from accounts.errands import Running, SideBySide
from accounts.hearing import Hearing
from accounts.models import ConnectedAccount, Credential

from . import ahead, standbys
from .models import CheckResult

#: A round begins nothing new after so many seconds: two kinds of job side by side must
#: leave the heartbeat its turn.
BOUND_S = 20.0
#: What is on its way then asks nothing more after so many seconds in all.
DROP_AFTER_S = 40.0
#: A look that was begun belongs to its worker for so long.
TAKEN = timedelta(minutes=5)
#: Of those who are due so many are read at once, in their order.
READ_AHEAD = 200
#: When there were fewer, it is looked for others after so long, or after so many times
#: what the reading took.
READ_AGAIN_S = 1.0
READ_AGAIN_TIMES = 50


class Round:
    """`take` says who is due; subclasses make errands of them."""

    def __init__(self, seconds: float = BOUND_S, threads: int = 0) -> None:
        self.seconds = seconds
        self.threads = threads or settings.HEALTH_THREADS
        #: calls to one app's platform at once: it takes four that hang until others wait
        self.share = max(1, self.threads // 4)
        self.hearing = Hearing()
        self.seen: set[int] = set()
        #: those of an app who are due, as they were read: (running number, primary key,
        #: app), in the order of their due times
        self._ahead: dict[int, deque[tuple[int, int, int]]] = {}
        self._numbers = count()
        #: a reading without these apps found no more; until when (monotonic) that holds
        self._all_read: dict[frozenset[Hashable], float] = {}
        #: seen already, and due all the same
        self._stuck: set[int] = set()

    def run(self) -> int:
        """How many came to an end."""
        start = time.monotonic()
        until, drop_after = start + self.seconds, start + self.seconds + DROP_AFTER_S
        return SideBySide(self.threads, self.share).run(self.take, until, drop_after)

    def take(self, room: int, full: Collection[Hashable]) -> Sequence[Running]:
        raise NotImplementedError

    def due(self) -> QuerySet[Any]:
        """Whose turn it is, the first first; rows with an `app`."""
        raise NotImplementedError

    def next_due(self, room: int, full: Collection[Hashable]) -> list[int]:
        """Of those who are due so many for whom there is room; now and then a query."""
        chosen = self._choose_ahead(room, full)
        if len(chosen) < room:
            # Who is still ahead belongs to apps with no room for more just now.
            without = frozenset({*full, *self._ahead})
            if self._may_be_more(without):
                self._read(without)
                chosen += self._choose_ahead(room - len(chosen), without)
        return chosen

    def _choose_ahead(self, room: int, full: Collection[Hashable]) -> list[int]:
        open_apps = [some for app, some in self._ahead.items() if app not in full]
        firsts = heapq.merge(*(islice(some, self.share) for some in open_apps))
        chosen = self.choose([(pk, app) for _n, pk, app in firsts], room, full)
        for some in open_apps:
            while some and some[0][1] in self.seen:
                some.popleft()
        self._ahead = {app: some for app, some in self._ahead.items() if some}
        return chosen

    def read_anew(self) -> None:
        self._ahead, self._all_read = {}, {}

    def _may_be_more(self, without: frozenset[Hashable]) -> bool:
        now = time.monotonic()
        self._all_read = {w: t for w, t in self._all_read.items() if t > now}
        return not any(read_without <= without for read_without in self._all_read)

    def _read(self, without: frozenset[Hashable]) -> None:
        start = time.monotonic()
        due = self.due().exclude(app__in=list(without)).exclude(pk__in=self._stuck)
        found = list(due.values_list("pk", "app")[:READ_AHEAD])
        for pk, app in found:
            if pk in self.seen:
                self._stuck.add(pk)
            else:
                some = self._ahead.setdefault(app, deque())
                some.append((next(self._numbers), pk, app))
        if len(found) < READ_AHEAD:
            # While one app's thousands are due, finding nobody else takes a look at all
            # of them.
            now = time.monotonic()
            wait = max(READ_AGAIN_S, READ_AGAIN_TIMES * (now - start))
            self._all_read[without] = now + wait

    def choose(
        self, found: Iterable[tuple[int, int]], room: int, full: Collection[Hashable]
    ) -> list[int]:
        """Of (primary key, app) those for whom there is room, no app with too many."""
        per_app: Counter[int] = Counter()
        chosen: list[int] = []
        for pk, app in found:
            if len(chosen) == room:
                break
            if pk not in self.seen and app not in full and per_app[app] < self.share:
                per_app[app] += 1
                chosen.append(pk)
        self.seen.update(chosen)
        return chosen


class Takeovers(Round):
    """Accounts whose own access is over, and whose standby access may take its place."""

    def __init__(self, seconds: float = BOUND_S, threads: int = 0) -> None:
        super().__init__(seconds, threads)
        #: incidents should be looked through
        self.changed = False
        self._tried_standbys: set[int] = set()
        self._standbys: list[ConnectedAccount] = []
        self._look_for_standbys()

    def take(self, room: int, full: Collection[Hashable]) -> Sequence[Running]:
        return self._takeovers(room, full)

    def _look_for_standbys(self) -> None:
        self._standbys, now = [], timezone.now()
        if standbys.anybody(now):
            wanted = standbys.wanted(now).exclude(pk__in=self._tried_standbys)
            self._standbys = list(wanted[: ahead.MOST_URGENT])

    def _takeovers(self, room: int, full: Collection[Hashable]) -> list[Running]:
        begun: list[Running] = []
        for account in list(self._standbys):
            assert account.standby is not None
            lane = account.standby.app_id
            if len(begun) < room and lane not in full:
                self._standbys.remove(account)
                self._tried_standbys.add(account.pk)
                errand = standbys.errand(account, self.hearing)
                begun.append(Running(lane, errand, self._took_over))
        return begun

    def _took_over(self, done: bool | Exception) -> None:
        self.changed |= done is True


class Looks(Takeovers):
    """Who is due, and before them those who cannot wait: whose next post comes near,
    the parents and siblings of what was just found broken, and a few others of its app."""

    def __init__(self, seconds: float = BOUND_S, threads: int = 0) -> None:
        super().__init__(seconds, threads)
        ahead_of_posts = ahead.looks_before_posts(timezone.now())
        self._urgent = dict.fromkeys(ahead_of_posts, ahead.LIVES_ON)
        self._shake()

    def _shake(self) -> None:
        """What just broke has its tree looked at, and a few others of its app; and what
        only seemed so is looked at as soon as the app is taken back."""
        now = timezone.now()
        credentials = Credential.objects
        shaken = [
            *credentials.strangers(now),
            *credentials.shaken(now),
            *breakers.mistaken(now),
        ]
        shaken = shaken[: ahead.MOST_URGENT]
        for pk in shaken:
            self._urgent.setdefault(pk, health.AT_ONCE)
        # Looked at in this round already, but before the breakage.
        self.seen.difference_update(shaken)

    def take(self, room: int, full: Collection[Hashable]) -> Sequence[Running]:
        takeovers = self._takeovers(room, full)
        if len(takeovers) == room:
            return takeovers
        room -= len(takeovers)
        looks = self._looks(list(self._urgent), room, full) if self._urgent else []
        needed_for = {pk: self._urgent.pop(pk) for pk in looks}
        if len(looks) < room:
            looks += self.next_due(room - len(looks), full)
        rows = taken(looks, at_any_time=needed_for)
        if len(rows) < len(looks):  # another worker is at what was read ahead
            self.read_anew()
        if looks and not rows:
            return [*takeovers, *self.take(room, full)]
        whom = [(row, needed_for.get(row.pk, health.AT_ONCE)) for row in rows]
        looking = [
            Running(row.app_id, errand, partial(self._looked, row))
            for (row, _for), errand in zip(
                whom, health.errands(whom, self.hearing), strict=True
            )
        ]
        return [*takeovers, *looking]

    def due(self) -> QuerySet[Credential]:
        return Credential.objects.proof_due(timezone.now()).order_by("next_proof_at")

    def _looks(
        self, pks: list[int], room: int, full: Collection[Hashable]
    ) -> list[int]:
        """Of the urgent ones those for whom there is room; who is gone is forgotten."""
        apps = dict(
            Credential.objects.filter(pk__in=pks)
            .exclude(state=Credential.State.DISCONNECTED)
            .values_list("pk", "app")
        )
        for pk in pks:
            if pk not in apps or pk in self.seen:
                self._urgent.pop(pk, None)
        return self.choose([(pk, apps[pk]) for pk in pks if pk in apps], room, full)

    def _looked(self, row: Credential, found: health.Finding | Exception) -> None:
        finding = record(row, found)
        if finding.changed:
            self.changed = True
            self._shake()
            if row.accounts.filter(standby__isnull=False).exists():
                self._look_for_standbys()


class Renewals(Round):
    """What is to be renewed, longest due first."""

    def take(self, room: int, full: Collection[Hashable]) -> Sequence[Running]:
        chosen = self.next_due(room, full)
        if not chosen:
            return []
        rows = Credential.objects.select_related("app", "parent").in_bulk(chosen)
        return [self._renewal(rows[pk]) for pk in chosen if pk in rows]

    def due(self) -> QuerySet[Credential]:
        return Credential.objects.refresh_due(timezone.now()).order_by("refresh_after")

    def _renewal(self, row: Credential) -> Running:
        return Running(row.app_id, refresh.scheduled(row, self.hearing), _nothing)


def taken(pks: Sequence[int], at_any_time: Container[int] = ()) -> list[Credential]:
    """Claim these for a look, in this order; without those that another worker has.

    Two workers never look at the same credential for the same due time. at_any_time:
    those that may be taken before they are due. Two statements.
    """
    if not pks:
        return []
    now = timezone.now()
    with transaction.atomic():
        # Who is being written by somebody else is left for the next round.
        free = Credential.objects.select_for_update(skip_locked=True, of=("self",))
        rows = {
            row.pk: row
            for row in free.exclude(state=Credential.State.DISCONNECTED)
            .select_related("app", "parent")
            .filter(pk__in=pks)
            if row.pk in at_any_time or row.next_proof_at <= now
        }
        Credential.objects.filter(pk__in=rows).update(next_proof_at=now + TAKEN)
    return [rows[pk] for pk in pks if pk in rows]


def record(credential: Credential, found: health.Finding | Exception) -> health.Finding:
    """Keep what a look told. One that had to wait told nothing, and is no look."""
    if isinstance(found, Exception):
        # One odd server must not keep the others from being looked at.
        found = health.Finding("unknown", evidence=type(found).__name__)
    if not found.waits:
        CheckResult.objects.create(
            credential=credential,
            verdict=found.verdict,
            cause=found.cause,
            evidence=found.evidence[:2000],
            duration_ms=found.duration_ms,
        )
    return found


def _nothing(_value: Any) -> None:
    """What came of a renewal stands in its own row."""
