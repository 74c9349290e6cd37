"""What goes wrong in the middle of a publish, and who sees to it.

Each broken delivery has an account of its own, so that one request of it can be met: the
practice network keeps its answer back while the pump that waits for it is killed, or
cuts the connection, or does what it was asked and drops the answer.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests
from django.db import Error, connection
from django.utils import timezone

from publishing.models import Delivery

from . import crash_fleet as fleet
from .crash_fleet import Host
from .runner import say
from .world import Practice

Status = Delivery.Status
KILLED, CUT = "killed", "cut"
MANNERS = (KILLED, CUT)
#: So long an answer is kept back: somebody is sure to be killed meanwhile.
SLOW_S = 9
#: Pumps are killed when so much time has passed since the first of their calls stood
#: still: then others stand still as well, and one kill is enough for all.
GATHER_S = 2.0
#: A rule waits for its request from so long before the delivery is due.
AHEAD = timedelta(seconds=4)
#: Between two kills on one host.
PAUSE_S = 2.0
#: A call that the audience sees, whichever it is.
COMMIT = "commit"


@dataclass
class Break:
    """One delivery that is to be broken. call: where; "commit" if it does not come by.

    fault: what the network does to the request. met: the call at which it happened.
    """

    how: str
    delivery: int
    platform: str
    account: str
    due_at: datetime
    call: str
    fault: str
    met: str = ""
    #: the pump died while it had this delivery
    died: bool = False

    @property
    def happened(self) -> bool:
        return bool(self.met) and (self.how != KILLED or self.died)

    def rules(self) -> dict[str, dict[str, object]]:
        """Call -> the rule for the practice network."""
        seconds = {"seconds": SLOW_S}
        common = {"platform": self.platform, "account": self.account, "times": 1}
        found = {self.call: {**common, "kind": self.fault, "call": self.call}}
        if self.call != COMMIT:
            kind = "slow_answer" if self.how == KILLED else "drop_answer"
            found[COMMIT] = {**common, "kind": kind, "call": COMMIT}
        if self.how == KILLED:
            found = {call: rule | seconds for call, rule in found.items()}
        return found


class Breaker(threading.Thread):
    """Puts the rules in place as deliveries come due, and kills whose call stands."""

    def __init__(self, practice: Practice, hosts: Sequence[Host]) -> None:
        super().__init__()
        self.practice = practice
        self.hosts = hosts
        #: broken ones that are not yet due
        self.waiting: deque[Break] = deque()
        #: those whose rules wait for a request: call -> the rule's id
        self.armed: list[tuple[Break, dict[str, str]]] = []
        #: those whose call stands still; since when by the monotonic clock
        self.standing: list[tuple[float, Break]] = []
        #: deliveries that a killed pump had, planned or not
        self.killed: Counter[int] = Counter()
        self.kills = 0
        #: host -> when a pump of it was killed last, by the monotonic clock
        self._killed_at: dict[Host, float] = {}
        self.over = threading.Event()

    def run(self) -> None:
        try:
            while not self.over.wait(0.2):
                try:
                    self._arm()
                    self._see()
                    self._spare()
                    self._kill()
                except requests.RequestException as error:
                    # On a machine that stands still. What it missed is tried again.
                    say(f"the practice network does not answer: {error}")
                except Error:
                    connection.close()
        finally:
            connection.close()

    def _arm(self) -> None:
        soon = timezone.now() + AHEAD
        for _ in range(len(self.waiting)):
            one = self.waiting.popleft()
            if one.due_at > soon:
                self.waiting.append(one)
                continue
            rules = one.rules().items()
            self.armed.append(
                (one, {c: self.practice.fault(**rule) for c, rule in rules})
            )

    def _see(self) -> None:
        """Which rules have met their request; the other one of each is taken back."""
        if not self.armed:
            return
        active = {fault["id"] for fault in self.practice.faults()}
        left = []
        for one, ids in self.armed:
            one.met = next((call for call, id in ids.items() if id not in active), "")
            if not one.met:
                left.append((one, ids))
                continue
            for id in ids.values():
                self.practice.remove_fault(id)
            if one.how == KILLED:
                self.standing.append((time.monotonic(), one))
        self.armed = left

    def _spare(self) -> None:
        """Whom an open breaker holds goes whole: was every trial broken, and then all
        that it lets go at once, it would open for longer each time, and rightly."""
        on_their_way = [*self.waiting, *(one for one, _ in self.armed)]
        pks = {one.delivery for one in on_their_way}
        held = set(
            Delivery.objects.filter(pk__in=pks, status=Status.HELD).values_list(
                "pk", flat=True
            )
        )
        for _ in range(len(self.waiting)):
            one = self.waiting.popleft()
            if one.delivery not in held:
                self.waiting.append(one)
        for one, ids in self.armed:
            if one.delivery in held:
                for id in ids.values():
                    self.practice.remove_fault(id)
        self.armed = [pair for pair in self.armed if pair[0].delivery not in held]

    # -- killing

    def _kill(self) -> None:
        now = time.monotonic()
        self.standing = [(at, b) for at, b in self.standing if now < at + SLOW_S - 1]
        if not self.standing or now < self.standing[0][0] + GATHER_S:
            return
        owners = dict(
            Delivery.objects.filter(
                pk__in=[one.delivery for _, one in self.standing]
            ).values_list("pk", "lease_owner")
        )
        for host in self.hosts:
            for pid, pump in host.pumps().items():
                pause_over = now > self._killed_at.get(host, 0) + PAUSE_S
                if pump.id.hex in owners.values() and pause_over:
                    self._kill_pump(host, pid, pump.id.hex)

    def _kill_pump(self, host: Host, pid: int, pump: str) -> None:
        had = set(
            Delivery.objects.filter(lease_owner=pump).values_list("pk", flat=True)
        )
        self._killed_at[host] = time.monotonic()
        fleet.kill(pid)
        self.kills += 1
        self.killed.update(had)
        hit = [one for _, one in self.standing if one.delivery in had]
        for one in hit:
            one.died = True
        self.standing = [s for s in self.standing if s[1].delivery not in had]
        say(
            f"{host.name}: pump {pid} killed with {len(had)} deliveries, {len(hit)} asked"
        )


@dataclass(frozen=True)
class Step:
    """A call of a flow, as the network saw it. is_seen: the audience sees what it does."""

    call: str
    is_seen: bool


class Chooser:
    """Where each delivery breaks: every call of a platform is to be met in both manners,
    and each flow at least once in each."""

    def __init__(self) -> None:
        #: (platform, call, manner) -> how many are to break so
        self.planned: Counter[tuple[str, str, str]] = Counter()

    def breaks_of(
        self, platform: str, steps: Sequence[Step], least: int
    ) -> list[tuple[str, Step]]:
        """Manner and step of each delivery of a flow that is to be broken.

        least: so many at least.
        """
        chosen: list[tuple[str, Step]] = []
        while len(chosen) < max(least, len(MANNERS)) or self._open(platform, steps):
            how = MANNERS[len(chosen) % len(MANNERS)]
            step = min(steps, key=lambda s: self.planned[platform, s.call, how])
            self.planned[platform, step.call, how] += 1
            chosen.append((how, step))
        return chosen

    def _open(self, platform: str, steps: Sequence[Step]) -> bool:
        return any(
            not self.planned[platform, step.call, how]
            for step in steps
            for how in MANNERS
        )

    def fault(self, platform: str, how: str, step: Step) -> str:
        """What the network does there: by turns before and after it did its work."""
        after = self.planned[platform, step.call, how] % 2 == 0
        if how == CUT:
            return "drop_answer" if after else "cut"
        # What the network does with a request after its sender died comes too late for
        # looks that are as quick as here.
        return "slow_answer" if after or step.is_seen else "latency"
