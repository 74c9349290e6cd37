"""The publishing engine: one database thread, many threads that do HTTP only.

A pump claims due deliveries in batches, hands each to an I/O thread as a `Work`, and
writes what came of it, in batches as well. Rows are the truth: a pump that dies loses
nothing, because a lease that runs out leads to a look (when an intent was written) or
back into the queue.

    agenda -> claim -> step -> step -> intent -> commit -> settle

Order inside a lane (one credential) is by due time; lanes run side by side. Large files
go beside their lanes, ahead of their post's time where they may (`carrying`); a pump
that still sends some works on until they are there.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.utils import InterfaceError
from django.utils import timezone

from accounts import breakers, limits, refresh
from accounts.breakers import Heard
from accounts.limits import Use
from accounts.models import Credential
from platforms import parts
from platforms.base import StepResult
from platforms.errors import Outcome, PlatformError

from . import claiming, liveness, stops
from .agenda import Agenda, ahead_soon
from .claiming import Ahead, Claim
from .crash_points import crash_point
from .hands import Hands
from .liveness import Life
from .models import Attempt, Delivery, Pump, StaleState
from .senders import Senders
from .settlement import Carried, Settlement
from .sweeps import recover_abandoned, release_held
from .waking import stop_wanted, wake_review
from .work import LEASE, Done, Renewed, Work, perform
from .writes import Writes

logger = logging.getLogger(__name__)

#: How often held and abandoned rows are looked through.
SWEEP_EVERY_S = 1.0
#: The longest nap: a post that is written "now" waits no longer than this.
NAP_S = 0.2
#: With more than a few posts on their way, results are awaited for a moment longer, so
#: that one transaction writes several.
CROWD = 4
GATHER_S = 0.004
#: The moment is half of what the last writing took, so that pumps which wait for a busy
#: database write more at a time; at most this.
GATHER_MOST_S = 0.05


#: No pump sends large files for longer: what it has not ended then begins anew, or goes
#: on in another where the platform can.
CARRY_MOST_S = 12 * 3600


def enough_pumps(lanes: int, threads: int, living: int) -> int:
    """How many of the living pumps share the lanes; the others wait for what they leave.

    A lane sends one post at a time, so there is no use in more threads than lanes, and
    each pump more makes everybody's transactions smaller: on one machine two clusters
    sent half of what one sent. One cluster's pumps always share.
    """
    return min(living, max(settings.PUBLISH_PUMPS, math.ceil(lanes / threads)))


class PumpRun:
    """One run of the pump, for less than a minute."""

    def __init__(
        self, seconds: float | None = None, threads: int | None = None
    ) -> None:
        self.seconds = seconds if seconds is not None else settings.PUMP_SECONDS
        self.threads = threads or settings.PUBLISH_THREADS
        self.id = uuid.uuid4().hex
        self.results: queue.SimpleQueue[Done | Renewed] = queue.SimpleQueue()
        self.in_flight: dict[int, Work] = {}
        self.renewing: set[int] = set()
        self.unsaved: list[Done | Renewed] = []
        self.handled = 0
        self.agenda = Agenda()
        self.senders = Senders()
        #: What became of reserved units. The next claim tells the ledger, which has the
        #: same windows before it; where there is none, the end of the turn.
        self._uses: list[Use] = []
        #: fewer rows were ready than there are threads
        self._hungry = True
        #: seconds that the last turn spent with the database
        self._spent_s = 0.0
        self._swept_at = 0.0
        self._released_at = timezone.now()
        #: this pump's place among all that run, and how many of them share the lanes
        self._place, self._pumps = 0, 1

    # -- the loop

    def run(self, hand_over: Callable[[], None] | None = None) -> None:
        """Work until the time is over, then finish what is in flight.

        hand_over: called once, shortly before the end, to start the successor, so that
        no due post waits for it.
        """
        Pump.objects.create(
            id=uuid.UUID(self.id), host=settings.HOST_NAME, pid=os.getpid()
        )
        end = time.monotonic() + self.seconds
        most = time.monotonic() + CARRY_MOST_S
        closed_at: float | None = None
        handed = False
        with liveness.hold(self.id) as self.life:
            with Hands(self.threads + settings.PUBLISH_UPLOADS) as pool:
                self.pool = pool
                while True:
                    now = time.monotonic()
                    if self._carried() and not handed:
                        # Nobody else can go on with what one call sends.
                        end = min(max(end, now + 3), most)
                    if not handed and (now > end - 2 or stop_wanted()):
                        handed = self._guarded(lambda: self._hand_over(hand_over))
                    closing = now > end or stop_wanted()
                    left = self.in_flight or self.renewing or self.unsaved or self._uses
                    if closing and not left:
                        break
                    if closing:
                        closed_at = closed_at or now
                        for work in self._carried():
                            work.client.http.is_cut = True
                        if now > closed_at + LEASE.total_seconds():
                            break  # results stay with their leases: the sweep decides
                    self._turn(closing)
            self.life.clean = not (self.in_flight or self.unsaved)
            self._guarded(lambda: self._mark(ended=True))
            self._guarded(self.life.release)

    def _hand_over(self, hand_over: Callable[[], None] | None) -> None:
        self._mark(ended=True)
        if hand_over and not stop_wanted():
            hand_over()

    def _guarded(self, what: Callable[[], object]) -> bool:
        """Do it; False when the database hindered it. What is in flight must not be
        forgotten because of that."""
        try:
            what()
        except (OperationalError, InterfaceError):
            logger.warning("the database does not answer; trying again")
        except Exception:
            logger.exception("the pump stumbled")
        else:
            return True
        connection.close()
        return False

    def _turn(self, closing: bool) -> None:
        nap = 0.0

        def work() -> None:
            nonlocal nap
            self._save_results()
            if not closing:
                self._sweep()
                self._claim()
            self._settle_windows()
            nap = self._nap()

        began = time.monotonic()
        if not self._guarded(work):
            time.sleep(0.5)
            return
        self._spent_s = time.monotonic() - began
        try:
            self.unsaved.append(self.results.get(timeout=max(nap, 0.001)))
            self._gather()
            while True:
                self.unsaved.append(self.results.get_nowait())
        except queue.Empty:
            pass

    def _carried(self) -> list[Work]:
        return [work for work in self.in_flight.values() if work.carried]

    def _sending(self) -> list[Work]:
        """What has its turn in a lane."""
        return [work for work in self.in_flight.values() if not work.carried]

    def _room(self) -> int:
        """For so many more there are threads. Some are kept for what is carried."""
        carried = len(self._carried())
        beside = min(carried, settings.PUBLISH_UPLOADS)
        return self.threads - (len(self.in_flight) - beside)

    def _gather(self) -> None:
        """Let more results come, if more are on their way than a few."""
        coming = len(self._sending())
        if coming <= CROWD:
            return
        end = time.monotonic() + min(self._spent_s / 2, GATHER_MOST_S)
        time.sleep(GATHER_S)
        while self.results.qsize() + len(self.unsaved) < coming:
            if time.monotonic() >= end:
                return
            time.sleep(GATHER_S)

    def _nap(self) -> float:
        """Seconds until something can be due, at most NAP_S."""
        if self.unsaved:
            return 0.0
        if self._room() <= 0:
            return NAP_S
        now = timezone.now()
        upcoming = self.agenda.next_at(now, self._busy_lanes(), self._is_mine)
        if upcoming is None:
            return NAP_S
        return min(NAP_S, max(0.0, (upcoming - now).total_seconds()))

    def _mark(self, *, ended: bool = False) -> None:
        changes: dict[str, Any] = {"beat_at": timezone.now(), "handled": self.handled}
        if ended:
            changes["ended_at"] = timezone.now()
        Pump.objects.filter(pk=uuid.UUID(self.id)).update(**changes)

    # -- sweeping: what others left, and what may go again

    def _sweep(self) -> None:
        if time.monotonic() - self._swept_at < SWEEP_EVERY_S:
            return
        self._swept_at = time.monotonic()
        self.life.renew()
        self._mark()
        now = timezone.now()
        recover_abandoned(now, self.id, self.in_flight)
        running = Pump.objects.running(now).values_list("pk", flat=True)
        others = {pk.hex for pk in running} - {self.id}
        living = [pump for pump in others if liveness.lives(pump) == Life.LIVES]
        self._place = sum(pump < self.id for pump in living)
        self._pumps = enough_pumps(self.agenda.breadth, self.threads, len(living) + 1)
        if self._place == 0:
            release_held(now, since=self._released_at)
            self._released_at = now
        self._keep_carrying(now)
        self._send_ahead(now)

    # -- files beside their lanes

    def _keep_carrying(self, now: datetime) -> None:
        """Renew the leases of what is carried, note how far it is, and give up what
        nobody wants any more."""
        carried = self._carried()
        if not carried:
            return
        stopped = stops.active()
        for work in carried:
            mine = Delivery.objects.filter(
                pk=work.delivery_id,
                status=Delivery.Status.SCHEDULED,
                fence=work.fence,
                lease_owner=self.id,
            )
            wanted = not stops.covering(work.row.account, stopped) and mine.update(
                lease_expires_at=now + LEASE, sent_bytes=work.sent_bytes
            )
            if not wanted:
                work.client.http.is_cut = True

    def _send_ahead(self, now: datetime) -> None:
        room = settings.PUBLISH_UPLOADS - len(self._carried())
        if room <= 0:
            return
        pks = self._without_old(list(ahead_soon(now)[:room]))
        if pks:
            self._begin(self._take(pks, Ahead))

    def _without_old(self, pks: Sequence[int]) -> list[int]:
        """Those of which nothing is on its way from here any more.

        An edit discards what is carried at once, and its call may last: it is cut, and
        the row is taken anew when its end is known.
        """
        old = [work for pk in pks if (work := self.in_flight.get(pk))]
        for work in old:
            if work.carried:
                work.client.http.is_cut = True
        return [pk for pk in pks if pk not in self.in_flight]

    def _is_mine(self, lane: int) -> bool:
        """The first pumps share the lanes among themselves, so that they do not race.

        The claim's locks decide; another's share is taken when nobody comes for it.
        """
        return lane % self._pumps == self._place

    def _busy_lanes(self) -> set[int]:
        ending = {work.lane for work in self._carried() if work.is_old}
        return {work.lane for work in self._sending()} | self.renewing | ending

    # -- claiming

    def _claim(self) -> None:
        room = self._room()
        if room <= 0:
            return
        now = timezone.now()
        shares = self._place < self._pumps
        self.agenda.read_if_old(now, idle=self._hungry and shares)
        picked = self.agenda.pick(room, now, self._busy_lanes(), self._is_mine)
        pks = self._without_old(picked)
        for pk in set(picked) - set(pks):
            # It comes again, before the rest of its lane.
            self.in_flight[pk].is_old = True
            self.agenda.expire()
        self._hungry = len(pks) < room
        if not pks:
            # Nothing is due this instant: get ready for what is in a moment.
            self.senders.learn(self.agenda.accounts(self._is_mine))
            return
        self._begin(self._take(pks))

    def _begin(self, works: Sequence[Work]) -> None:
        for work in works:
            self.in_flight[work.delivery_id] = work
            self._submit(work)

    def _take(self, pks: Sequence[int], kind: type[Claim] = Claim) -> list[Work]:
        """Claim a batch; where the database refuses it, each row alone."""
        now = timezone.now()
        me = claiming.Pump(
            self.id,
            self.senders,
            self._renew,
            self.renewing.__contains__,
            self.agenda.bar,
            self.agenda.expire,
            {work.row.account_id for work in self._sending()},
        )
        uses = list(self._uses)
        claim = kind(me, now, uses)
        try:
            with transaction.atomic():
                works = claim.take(pks)
        except (OperationalError, InterfaceError):
            raise
        except StaleState:
            if len(pks) == 1:
                return []
        except Exception:
            if uses:
                # Not these rows may be to blame, but what they were to be claimed with.
                self._settle_windows()
            elif len(pks) == 1:
                logger.exception("delivery %s cannot be claimed", pks[0])
                Delivery.objects.filter(pk=pks[0], lease_expires_at=None).update(
                    **kind.put_off(now + claiming.BROKEN_NAP)
                )
                return []
        else:
            if claim.settled:
                del self._uses[: len(uses)]
            self._uses += claim.unused
            return works
        return [work for pk in pks for work in self._take([pk], kind)]

    def _settle_windows(self) -> None:
        """Tell the ledger what the last claim did not."""
        now = timezone.now()
        try:
            if limits.has_news(self._uses, now):
                with transaction.atomic():
                    limits.settle(self._uses, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # Their units stay taken: too much is counted, never too little.
            logger.exception("the ledger of limits does not take %s", self._uses)
        self._uses.clear()

    def _renew(self, credential: Credential) -> None:
        """Renew in an I/O thread; the lane waits for it."""
        now = timezone.now()
        if not credential.refresh_after or credential.refresh_after > now:
            if not credential.refresh_attempts.filter(
                started_at__gt=now - timedelta(minutes=1)
            ).exists():
                Credential.objects.filter(pk=credential.pk).update(refresh_after=now)
        ticket = refresh.begin(credential.pk)
        if ticket is None:
            return
        lane = credential.pk
        self.renewing.add(lane)
        self.pool.submit(lambda: self.results.put(Renewed(lane, ticket, ticket.call())))

    def _submit(self, work: Work) -> None:
        crash_point("after_intent" if work.may_commit else "after_claim")
        self.pool.submit(lambda: self.results.put(perform(work)))

    # -- settling

    def _save_results(self) -> None:
        """Write what came back. What cannot be written now is kept and tried again."""
        for renewed in [d for d in self.unsaved if isinstance(d, Renewed)]:
            self._save_renewal(renewed)
            self.unsaved.remove(renewed)
        dones = [d for d in self.unsaved if isinstance(d, Done)]
        if not dones:
            return
        crash_point("before_write")
        for done, follow in zip(dones, self._settle(dones), strict=True):
            self.unsaved.remove(done)
            if follow is None:
                if self.in_flight.get(done.work.delivery_id) is done.work:
                    del self.in_flight[done.work.delivery_id]
                self.handled += 1
            else:
                self.in_flight[follow.delivery_id] = follow
                self._submit(follow)

    def _save_renewal(self, done: Renewed) -> None:
        try:
            refresh.finish(done.ticket, done.result)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("renewal of credential %s", done.lane)
        self.renewing.discard(done.lane)
        wake_review()

    def _settle(self, dones: Sequence[Done]) -> list[Work | None]:
        """Write results; the work that follows at once on each, if any.

        Where the database refuses the batch, each is written alone.
        """
        writes, now = Writes(), timezone.now()
        try:
            with transaction.atomic():
                rows = self._rows(dones)
                follows = [
                    (Carried if done.work.carried else Settlement)(
                        rows[done.work.delivery_id], done.work, writes
                    ).apply(done.result)
                    for done in dones
                ]
                writes.write()
                ended = [
                    done
                    for done, follow in zip(dones, follows, strict=True)
                    if follow is None
                ]
                uses = [use(done.work, now) for done in ended]
                # Deliveries before breakers, as a claim does, so that two pumps never
                # wait for each other.
                self._tell_breakers(ended, now)
        except (OperationalError, InterfaceError):
            writes.undo()
            raise
        except Exception as exc:
            writes.undo()
            if len(dones) == 1:
                self._log_lost(dones[0].work, exc)
                return [None]
        else:
            self._uses += uses
            return follows
        return [self._settle([done])[0] for done in dones]

    @staticmethod
    def _tell_breakers(dones: Sequence[Done], now: datetime) -> None:
        heard = []
        for done in dones:
            work, result = done.work, done.result
            if done.is_ours:
                if not work.looking:
                    breakers.give_trial_back(work.trials, now)
                continue
            error = result if isinstance(result, PlatformError) else None
            if error is not None and error.outcome == Outcome.DUPLICATE:
                error = None  # an answer as good as any: it reads what we send
            heard.append(
                Heard(work.caller, error, now, work.trials, looking=work.looking)
            )
        if breakers.hear(heard, now):
            wake_review()

    @staticmethod
    def _rows(dones: Sequence[Done]) -> dict[int, Delivery]:
        """The rows of these results, by primary key. StaleState when one is gone.

        After a step that went well the row that was claimed is good enough: the fencing
        token keeps everybody else from writing to it. What a refusal or a look means
        depends on the account and its credential as they are now.
        """
        rows = {done.work.delivery_id: done.work.row for done in dones}
        anew = {
            done.work.delivery_id: done.work
            for done in dones
            if done.work.carried or not isinstance(done.result, StepResult)
        }
        if anew:
            fresh = Delivery.objects.select_related("account__credential").in_bulk(anew)
            for pk, work in anew.items():
                row = fresh[pk]
                # People may cancel or edit what is carried.
                if row.fence != work.fence or (work.carried and not row.is_carried):
                    raise StaleState("taken over")
            rows |= fresh
        return rows

    @staticmethod
    def _log_lost(work: Work, exc: Exception) -> None:
        """A result that cannot be written: the row's next owner decides."""
        if not isinstance(exc, StaleState):
            # The lease decides: a look when it was sent, else once more.
            logger.error("delivery %s", work.delivery_id, exc_info=exc)
            return
        # Our lease was taken over: what we know goes into the attempt's log only.
        logger.warning("delivery %s was taken over", work.delivery_id)
        Attempt.objects.filter(
            delivery_id=work.delivery_id, number=work.attempt.number, calls=[]
        ).update(calls=work.calls)


def use(work: Work, now: datetime) -> Use:
    """What the platform's windows were charged for, of what had been reserved."""
    platform = work.platform
    return Use(
        work.need,
        parts.draws_of_calls(
            platform, [(call["call"], call["part"]) for call in work.calls], work.job
        ),
        work.claimed_at,
        [
            observation
            for call, headers in work.usage.items()
            for observation in platform.observe(call, headers, now)
        ],
    )
