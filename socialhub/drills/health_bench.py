"""What does it cost to look after very many credentials, and does publishing notice?

Two worlds, of few credentials and of many, take turns, as those of `growth`. All their
credentials are overdue, as after a long stop, so that whatever reads all that is due
shows; the monitor cluster's own job looks at them, one round after the other. Then, among
the many, single posts go out while rounds run without a pause, and while none do.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
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
OVERDUE = timedelta(days=2)
ROUND = "monitoring.tasks.check_credentials"
ROUND_LIMIT_S = 120.0
#: What a world is asked to do: "fill", "measure" or "publish".
STEP = "SOCIALHUB_HEALTH_STEP"
SIZE = "SOCIALHUB_HEALTH_SIZE"
CLUSTERS = ("cluster-publish", "cluster-monitor")
#: windows that a look draws on
LIMITS = ("token", "user")
#: Single posts, each to an account of its own, the seconds between them (which share no
#: beat with any poll of the engine) and before the first: as long as a round of looks.
POSTS = 36
GAP_S = 0.41
LEAD_S = 3.0
PUBLISH_LIMIT_S = 120.0
#: CPU seconds per second of clusters that wait for work, at most.
CALM = 0.25


Turns = list[dict[str, Any]]


class HealthBench(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        """Nothing: the sizes have sandboxes of their own."""

    def inside(self, options: dict[str, Any]) -> None:
        if step := os.environ.get(STEP):
            steps = {"fill": _fill, "measure": _measure, "publish": _publish}
            print(json.dumps(steps[step](options)), flush=True)  # noqa: T201
            return
        many: int = options["credentials"]
        sizes = [min(FEW, many), many]
        with ExitStack() as stack:
            boxes = [stack.enter_context(_world(size, options)) for size in sizes]
            turns: tuple[Turns, Turns] = ([], [])
            for number in range(options["rounds"]):
                for size, box, told in zip(sizes, boxes, turns, strict=True):
                    told.append(_turn(box, "measure"))
                    say(f"turn {number + 1}, {size} credentials: {told[-1]}")
            published = _turn(boxes[-1], "publish")
        figures = {
            **_costs(sizes, turns, published["memory_mb"]),
            **_lateness(published),
            "credentials": many,
            "rounds": options["rounds"],
            "unproven": sum(t["unproven"] for t in [*turns[0], *turns[1], published]),
            "doubled": published["doubled"],
            "lost": published["lost"],
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        if figures["unproven"] or figures["doubled"] or figures["lost"]:
            raise SystemExit(1)


def _costs(
    sizes: Sequence[int], turns: tuple[Turns, Turns], memory_beside: float
) -> dict[str, Any]:
    """The least of all turns: whatever disturbs only adds to it."""
    cpu, wall = (
        [min(turn[key] for turn in some) for some in turns]
        for key in ("cpu_ms", "wall_ms")
    )
    memory = [max(turn["memory_mb"] for turn in some) for some in turns]
    return {
        "calls_per_s": round(1000 / wall[1], 1),
        "memory_mb": round(max(memory[1], memory_beside)),
        "memory_growth": round(memory[1] / memory[0], 3),
        "cost_growth": round(cpu[1] / cpu[0], 3),
        "wall_growth": round(wall[1] / wall[0], 3),
        "cpu_ms_per_look": dict(zip(map(str, sizes), cpu, strict=True)),
        "looks": sum(turn["looks"] for turn in turns[1]),
    }


def _lateness(told: dict[str, Any]) -> dict[str, Any]:
    """Medians of the rounds' medians."""
    alone, beside = (
        statistics.median(statistics.median(late) for late in told[key])
        for key in ("alone", "beside")
    )
    return {
        "publishing_lateness_ratio": round(beside / alone, 3),
        "lateness_with_s": round(beside, 4),
        "lateness_without_s": round(alone, 4),
        "looks_beside": told["looks"],
        "posts": sum(len(late) for late in [*told["alone"], *told["beside"]]),
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
    """Credentials that were looked at once, and whose next look comes some time."""
    make_accounts(int(os.environ[SIZE]), LIMITS)
    now = timezone.now()
    dice = random.Random(1)  # noqa: S311 - a spread, no secret
    rows = list(Credential.objects.only("pk"))
    checks = []
    for row in rows:
        row.next_proof_at = now + timedelta(days=1) * dice.random()
        row.looked_at = row.proven_at = at = row.next_proof_at - timedelta(days=1)
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
    """One round. As in a day's work, no credential is looked at twice by one process:
    what it still knows of the last look would help among few, and not among many."""
    stub = Stub()
    wait_for_pumps()
    overdue = Credential.objects.filter(next_proof_at__lte=timezone.now())
    overdue.update(next_proof_at=F("next_proof_at") + OVERDUE)
    first = Credential.objects.order_by("pk").values_list("pk", flat=True)
    warm = list(first[: min(WARM_UP, int(os.environ[SIZE]) // 2)])
    _make_due(Credential.objects.filter(pk__in=warm))
    _see_end(_begin_round())
    _wait_until_calm()
    _make_due(Credential.objects.exclude(pk__in=warm))
    newest, before, known = _newest_check(), cpu_s(), stub.looks()
    start = time.monotonic()
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
    stub = Stub()
    stub.reset(options["latency_ms"])
    accounts = list(
        ConnectedAccount.objects.order_by("pk").select_related("owner")[:POSTS]
    )
    wait_for_pumps()
    _wait_until_calm()
    newest = _newest_check()
    late: dict[str, list[list[float]]] = {"alone": [], "beside": []}
    looks, memory, lost, doubled = 0, 0.0, 0, 0
    for number in range(options["rounds"]):
        for key in ("alone", "beside") if number % 2 else ("beside", "alone"):
            _make_due(Credential.objects.all())
            stub.reset(options["latency_ms"])
            due = _posts(accounts, f"{key}{number}")
            _see_out(checks=key == "beside")
            memory = max(memory, memory_mb())
            arrivals = stub.arrivals()
            late[key].append(sorted(a.at - due[a.text].timestamp() for a in arrivals))
            lost += len(due.keys() - {a.text for a in arrivals})
            doubled += len(arrivals) - len({a.text for a in arrivals})
            looks += stub.looks()
            say(f"posts {key}: p50 {statistics.median(late[key][-1]):.4f} s")
    return {
        **late,
        "looks": looks,
        "memory_mb": memory,
        "unproven": _unproven(newest),
        "lost": lost,
        "doubled": doubled,
    }


def _posts(accounts: Sequence[ConnectedAccount], label: str) -> dict[str, datetime]:
    """Schedule single posts; their texts with their due times."""
    start = timezone.now() + timedelta(seconds=LEAD_S)
    due = {
        f"{label} {n}. {WORDS}": start + timedelta(seconds=n * GAP_S)
        for n in range(len(accounts))
    }
    for account, (text, at) in zip(accounts, due.items(), strict=True):
        make_delivery(account, text, at)
    return due


def _see_out(*, checks: bool) -> None:
    """Until all posts are out, with rounds of looks without a pause or without any."""
    task = _begin_round() if checks else ""
    waiting = Delivery.objects.exclude(status=Delivery.Status.PUBLISHED)
    end = time.monotonic() + PUBLISH_LIMIT_S
    while waiting.exists() and time.monotonic() < end:
        if task and _has_ended(task):
            _make_due(Credential.objects.all())
            task = _begin_round()
        time.sleep(0.1)
    if task:
        _see_end(task)
