"""What does it cost to look after very many credentials, and does publishing notice?

Two worlds, of few credentials and of many, take turns, as those of `growth`. In each
turn the monitor cluster's own job looks at as many in the one as in the other, so that
what a round costs by itself weighs the same. Then all are overdue, as after a long stop:
whatever reads all that is due shows in time and memory. Last, among the many, single
posts go out alone, beside looks at a hundred times the pace that a day's cadence asks
for, and once beside rounds without a pause.

Turns that are compared follow each other, and ratios are medians of theirs: a machine
that is slower for a while is so for both.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, cycle, islice
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone
from django_q.models import Schedule, Task
from django_q.tasks import async_task

from accounts.models import ConnectedAccount, Credential
from monitoring import history as health_history
from monitoring.models import CheckResult
from publishing.models import Delivery

from ..sandbox import Sandbox, SandboxError, wait_for
from .history import vacuum
from .loopback import (
    WORDS,
    Stub,
    cpu_s,
    engine_settings,
    make_accounts,
    memory_mb,
    start_clusters,
    start_stub,
    wait_for_pumps,
)
from .runner import Part, run_again, say, server_url
from .world import make_delivery

FEW = 500
#: Looks before the measured ones: what is done once is done then.
WARM_UP = 20
OVERDUE = timedelta(days=3)
ROUND = "monitoring.tasks.check_credentials"
#: a job that does nothing
NOTHING = "builtins.len"
ROUND_LIMIT_S = 120.0
#: What a world is asked to do: "fill", "measure", "flood" or "publish".
STEP = "SOCIALHUB_HEALTH_STEP"
SIZE = "SOCIALHUB_HEALTH_SIZE"
CLUSTERS = ("cluster-publish", "cluster-monitor")
#: windows that a look draws on
LIMITS = ("token", "user")
#: Single posts, the seconds between them (which share no beat with any poll of the
#: engine), before the first, and between two blocks of them, in which rounds end.
BLOCK = 16
GAP_S = 0.23
LEAD_S = 3.0
REST_S = 1.1
#: Pairs of blocks for each of the rounds that are asked for: a machine that is slower for
#: some seconds is so for one of many.
PAIRS = 4
#: Posts while all are overdue.
FLOODED = 60
PUBLISH_LIMIT_S = 120.0
#: Beside posts come so many times the looks that a day's cadence asks for, this many a
#: round at the least, in so many rounds a block that begin so long after one another.
HASTE = 100
FEWEST_A_ROUND = 4
ROUNDS_A_BLOCK = 3
ROUND_EVERY_S = 1.0
DAY_S = 86_400
#: CPU seconds per second of clusters that wait for work, at most.
CALM = 0.25


@dataclass(frozen=True)
class Turn:
    """What one step of one world told."""

    looks: int
    unproven: int
    cpu_ms: float = 0.0
    wall_ms: float = 0.0
    memory_mb: float = 0.0


class HealthBench(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        """Nothing: the sizes have sandboxes of their own."""

    def inside(self, options: dict[str, Any]) -> None:
        if step := os.environ.get(STEP):
            steps = {
                "fill": _fill,
                "measure": _measure,
                "flood": _flood,
                "publish": _publish,
            }
            print(json.dumps(steps[step](options)), flush=True)  # noqa: T201
            return
        many: int = options["credentials"]
        sizes = [min(FEW, many), many]
        with ExitStack() as stack:
            boxes = [stack.enter_context(_world(size, options)) for size in sizes]
            pairs = [
                _pair(sizes, boxes, "measure", turned=number % 2 == 1)
                for number in range(options["rounds"])
            ]
            floods = _pair(sizes, boxes, "flood", turned=False)
            published = _turn(boxes[-1], "publish")
        turns = [turn for pair in [*pairs, floods] for turn in pair]
        figures = {
            **_costs(sizes, pairs, floods, published["memory_mb"]),
            **_lateness(published),
            "credentials": many,
            "rounds": options["rounds"],
            "unproven": sum(t.unproven for t in turns) + published["unproven"],
            "doubled": published["doubled"],
            "lost": published["lost"],
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        if figures["unproven"] or figures["doubled"] or figures["lost"]:
            raise SystemExit(1)


def _pair(
    sizes: Sequence[int], boxes: Sequence[Sandbox], step: str, *, turned: bool
) -> tuple[Turn, Turn]:
    """One turn of each world: of the few, of the many. turned: the many go first."""
    told: dict[int, Turn] = {}
    for number in (1, 0) if turned else (0, 1):
        told[number] = Turn(**_turn(boxes[number], step))
        say(f"{step}, {sizes[number]} credentials: {told[number]}")
    return told[0], told[1]


def _costs(
    sizes: Sequence[int],
    pairs: Sequence[tuple[Turn, Turn]],
    floods: tuple[Turn, Turn],
    memory_beside: float,
) -> dict[str, Any]:
    """What is compared are turns that followed each other; medians of the ratios."""

    def growth(of: Callable[[Turn], float]) -> float:
        return round(statistics.median(of(b) / of(a) for a, b in pairs), 3)

    looks = {turn.looks for pair in pairs for turn in pair}
    if len(looks) > 1:
        raise SandboxError(f"rounds that are compared looked at {sorted(looks)}")
    cpu = [statistics.median(pair[n].cpu_ms for pair in pairs) for n in (0, 1)]
    return {
        "calls_per_s": round(1000 / floods[1].wall_ms, 1),
        "memory_mb": round(max(floods[1].memory_mb, memory_beside)),
        "memory_growth": round(floods[1].memory_mb / floods[0].memory_mb, 3),
        "cost_growth": growth(lambda turn: turn.cpu_ms),
        "wall_growth": growth(lambda turn: turn.wall_ms),
        "cpu_ms_per_look": dict(zip(map(str, sizes), cpu, strict=True)),
        "cpu_ms_when_overdue": floods[1].cpu_ms,
        "looks": looks.pop(),
        "looks_when_overdue": floods[1].looks,
    }


def _lateness(told: dict[str, Any]) -> dict[str, Any]:
    """Each block's median beside looks over that of its neighbour without any."""
    alone, beside = told["alone"], told["beside"]
    ratios = [with_ / without for with_, without in zip(beside, alone, strict=True)]
    return {
        "publishing_lateness_ratio": round(statistics.median(ratios), 3),
        "lateness_with_s": round(statistics.median(beside), 4),
        "lateness_without_s": round(statistics.median(alone), 4),
        "lateness_when_overdue_s": round(told["flooded"], 4),
        "looks_beside": told["looks"],
        "posts": told["posts"],
    }


# ---------------------------------------------------------------- one world


def _world(size: int, options: dict[str, Any]) -> Sandbox:
    box = Sandbox(
        server_url("same") if connection.vendor == "postgresql" else "",
        {STEP: "", **engine_settings(options["set"])},
    )
    try:
        box.migrate()
        start_stub(box)
        box.env[SIZE] = str(size)
        say(f"making {size} credentials")
        run_again(box, "stub", {STEP: "fill"})
    except BaseException:
        box.close()
        raise
    return box


def _turn(box: Sandbox, step: str) -> dict[str, Any]:
    start_clusters(box, 1)
    try:
        return run_again(box, "cluster-monitor", {STEP: step})
    finally:
        for name in CLUSTERS:
            box.stop(name)


def _fill(options: dict[str, Any]) -> dict[str, Any]:
    """Credentials that were looked at once. None is due before it is made due, or rounds
    would look at some more among many."""
    make_accounts(int(os.environ[SIZE]), LIMITS)
    now = timezone.now()
    dice = random.Random(1)  # noqa: S311 - a spread, no secret
    rows = list(Credential.objects.only("pk"))
    checks = []
    for row in rows:
        spread = timedelta(days=1) * dice.random()
        row.next_proof_at = now + timedelta(days=1) + spread
        row.looked_at = row.proven_at = at = now - timedelta(days=1) + spread
        checks.append(CheckResult(credential=row, at=at, verdict="proven"))
    Credential.objects.bulk_update(
        rows, ["next_proof_at", "looked_at", "proven_at"], batch_size=500
    )
    CheckResult.objects.bulk_create(checks, batch_size=5000)
    health_history.note()  # the first note ever reads all checks
    # Rounds begin when this bench wants them.
    Schedule.objects.filter(func=ROUND).update(next_run=now + timedelta(days=1))
    vacuum()
    return {}


def _make_due(rows: QuerySet[Credential]) -> None:
    """In the order in which they would be, those of before first."""
    rows.update(next_proof_at=F("next_proof_at") - OVERDUE)


def _put_off_overdue() -> None:
    """What an earlier step has left: nobody is due then."""
    overdue = Credential.objects.filter(next_proof_at__lte=timezone.now())
    overdue.update(next_proof_at=F("next_proof_at") + OVERDUE)


def _begin_round() -> str:
    return str(async_task(ROUND, cluster="monitor"))


def _has_ended(task: str) -> bool:
    found = Task.objects.filter(pk=task).first()
    if found and not found.success:
        raise SandboxError(f"a round broke off: {found.result}")
    return found is not None


def _see_end(task: str) -> None:
    wait_for(
        lambda: _has_ended(task), ROUND_LIMIT_S, name="the end of a round", every=0.02
    )


def _wait_until_calm() -> None:
    """Hourly jobs run at once in a cluster that is new."""
    say("waiting until nothing else runs")
    before = cpu_s()

    def calm() -> bool:
        nonlocal before
        time.sleep(1)
        spent, before = cpu_s() - before, cpu_s()
        return spent < CALM

    wait_for(calm, 120, name="calm", every=0)


def _unproven(after: int) -> int:
    """Checks after that one that did not find all well."""
    return CheckResult.objects.filter(pk__gt=after).exclude(verdict="proven").count()


def _newest_check() -> int:
    return CheckResult.objects.order_by("-pk").values_list("pk", flat=True)[0]


# ---------------------------------------------------------------- what looks cost


def _measure(options: dict[str, Any]) -> dict[str, Any]:
    """A round with as many looks in each world; nobody else is due.

    As in a day's work, no credential is looked at twice by one process: what it still
    knows of the last look would help among few, and not among many.
    """
    size = int(os.environ[SIZE])
    warm, rest = _warm_up(size)
    pks = list(rest.values_list("pk", flat=True)[: min(FEW, size) - warm])
    _make_due(Credential.objects.filter(pk__in=pks))
    return _round(len(pks))


def _flood(options: dict[str, Any]) -> dict[str, Any]:
    """A round while all are overdue, as long as rounds are."""
    _warm, rest = _warm_up(int(os.environ[SIZE]))
    _make_due(rest)
    return _round()


def _warm_up(size: int) -> tuple[int, QuerySet[Credential]]:
    """Let a few be looked at: how many, and who is not due until now, the next first."""
    Stub().reset(0)
    wait_for_pumps()
    _put_off_overdue()
    rows = Credential.objects.order_by("next_proof_at")
    warm = list(rows.values_list("pk", flat=True)[: min(WARM_UP, size // 2)])
    _make_due(Credential.objects.filter(pk__in=warm))
    _see_end(_begin_round())
    _wait_until_calm()
    return len(warm), rows.exclude(pk__in=warm)


def _round(wanted: int = 0) -> dict[str, Any]:
    """wanted: so many looks, where the machine is too slow for them within one round."""
    stub = Stub()
    newest, before, known = _newest_check(), cpu_s(), stub.looks()
    start, looks, wall_s = time.monotonic(), 0, 0.0
    while looks < max(wanted, 1):
        if wall_s > ROUND_LIMIT_S:
            raise SandboxError(f"{looks} looks in {wall_s:.0f} s")
        _see_end(_begin_round())
        wall_s, looks = time.monotonic() - start, stub.looks() - known
    return {
        "cpu_ms": round((cpu_s() - before) / looks * 1000, 3),
        "wall_ms": round(wall_s / looks * 1000, 3),
        "memory_mb": round(memory_mb(), 1),
        "looks": looks,
        "unproven": _unproven(newest),
    }


# ---------------------------------------------------------------- posts beside looks


def _publish(options: dict[str, Any]) -> dict[str, Any]:
    """Posts without a pause: blocks alone and blocks beside looks, in turns; then some
    while all are overdue."""
    stub = Stub()
    stub.reset(options["latency_ms"])
    _put_off_overdue()
    pairs = PAIRS * options["rounds"] if int(os.environ[SIZE]) > FEW else 1
    kinds = list(chain(*([("alone", "beside"), ("beside", "alone")] * pairs)[:pairs]))
    count = max(len(kinds) * BLOCK, FLOODED)
    accounts = list(
        ConnectedAccount.objects.order_by("pk").select_related("owner")[:count]
    )
    # A look an hour before their posts would be one more, beside the first block.
    Credential.objects.filter(accounts__in=accounts).update(looked_at=timezone.now())
    wait_for_pumps()
    _wait_until_calm()
    newest = _newest_check()
    whose = cycle(accounts)
    # Written before the first is due, some 50 a second on a slow machine.
    start = timezone.now() + timedelta(seconds=LEAD_S + len(kinds) * BLOCK / 50)
    due: dict[str, datetime] = {}
    starts = []
    for number, kind in enumerate(kinds):
        starts.append(start + number * timedelta(seconds=BLOCK * GAP_S + REST_S))
        due |= _posts(list(islice(whose, BLOCK)), f"{kind} {number}", starts[-1])
    rounds = _Rounds()
    for kind, at in zip(kinds, starts, strict=True):
        time.sleep(max(0.0, (at - timezone.now()).total_seconds() - GAP_S))
        rounds.begin_some(kind)
    _see_out()
    arrivals, looks = stub.arrivals(), stub.looks()
    if looks != rounds.looks:
        raise SandboxError(f"{looks} looks beside posts, and not {rounds.looks}")
    memory = memory_mb()
    stub.reset(options["latency_ms"])
    _make_due(Credential.objects.all())
    start = timezone.now() + timedelta(seconds=LEAD_S)
    due |= _posts(accounts[:FLOODED], "flooded 0", start)
    _flood_beside()
    arrivals += stub.arrivals()
    by_block: dict[str, list[float]] = defaultdict(list)
    for one in arrivals:
        by_block[one.text.partition(".")[0].rpartition(" ")[0]].append(
            one.at - due[one.text].timestamp()
        )
    late = {block: statistics.median(found) for block, found in by_block.items()}
    return {
        "alone": [late[f"{k} {n}"] for n, k in enumerate(kinds) if k == "alone"],
        "beside": [late[f"{k} {n}"] for n, k in enumerate(kinds) if k == "beside"],
        "flooded": late["flooded 0"],
        "posts": sum(len(found) for found in by_block.values()),
        "looks": looks,
        "memory_mb": max(memory, memory_mb()),
        "unproven": _unproven(newest),
        "lost": len(due.keys() - {one.text for one in arrivals}),
        "doubled": len(arrivals) - len({one.text for one in arrivals}),
    }


def _posts(
    accounts: Sequence[ConnectedAccount], label: str, start: datetime
) -> dict[str, datetime]:
    """Schedule single posts; their texts with their due times."""
    due = {
        f"{label} {n}. {WORDS}": start + timedelta(seconds=n * GAP_S)
        for n in range(len(accounts))
    }
    for account, (text, at) in zip(accounts, due.items(), strict=True):
        make_delivery(account, text, at)
    return due


def _see_out(meanwhile: Callable[[], None] = lambda: None) -> None:
    """Until all posts are out."""
    waiting = Delivery.objects.exclude(status=Delivery.Status.PUBLISHED)
    end = time.monotonic() + PUBLISH_LIMIT_S
    while waiting.exists() and time.monotonic() < end:
        meanwhile()
        time.sleep(0.1)


class _Rounds:
    """Rounds of as many looks as the pace asks for."""

    def __init__(self) -> None:
        size = int(os.environ[SIZE])
        self.few = max(FEWEST_A_ROUND, round(size * HASTE / DAY_S * ROUND_EVERY_S))
        self.few = min(self.few, size)
        pks = Credential.objects.order_by("-pk").values_list("pk", flat=True)
        self.pks = cycle(pks[: 100 * self.few])
        self.looks = 0

    def begin_some(self, kind: str) -> None:
        """Those of one block, to the end of the last. Of one without looks as many jobs
        that do nothing: what it costs to ask the queue is no part of a look."""
        for _ in range(ROUNDS_A_BLOCK):
            start = time.monotonic()
            if kind == "beside":
                some = list(islice(self.pks, self.few))
                _make_due(Credential.objects.filter(pk__in=some))
                self.looks += len(some)
                _see_end(_begin_round())
            else:
                _see_end(str(async_task(NOTHING, (), cluster="monitor")))
            time.sleep(max(0.0, ROUND_EVERY_S - (time.monotonic() - start)))


def _flood_beside() -> None:
    """Rounds without a pause, as after a long stop."""
    task = _begin_round()

    def begin_again() -> None:
        nonlocal task
        if _has_ended(task):
            _make_due(Credential.objects.all())
            task = _begin_round()

    _see_out(begin_again)
    _see_end(task)
