"""How fast do many posts leave that are due at one instant?

Beside it, in the same run and before and after each round, a bare loop of `requests`
sends the same to the same stub: a machine is never as fast twice.
"""

from __future__ import annotations

import itertools
import json
import statistics
from typing import Any

from django.conf import settings
from django.db import connection

from ..sandbox import Sandbox
from .history import fill
from .loopback import (
    Stub,
    engine_settings,
    make_accounts,
    memory_mb,
    quantile,
    run_bare_loop,
    run_engine,
    start_clusters,
    start_stub,
    wait_for_pumps,
)
from .runner import Part, say


class PublishBench(Part):
    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        return engine_settings(options["set"])

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        box.migrate()
        start_stub(box)
        start_clusters(box, options["clusters"])

    def inside(self, options: dict[str, Any]) -> None:
        stub = Stub()
        accounts = make_accounts(options["accounts"])
        if options["rows"]:
            fill(accounts, options["rows"])
        wanted = [accounts[n % len(accounts)] for n in range(options["deliveries"])]
        pumps = wait_for_pumps(options["clusters"])
        threads = settings.PUBLISH_THREADS

        def bare() -> float:
            stub.reset(options["latency_ms"])
            rate = run_bare_loop(stub, len(wanted), pumps, threads)
            say(f"bare loop, {pumps} x {threads} threads: {rate:.0f} posts/s")
            return rate

        stub.reset(options["latency_ms"])
        runs, loops, memory = [], [bare()], 0.0
        for number in range(1, options["rounds"] + 1):
            stub.reset(options["latency_ms"])
            run = run_engine(wanted, stub, label=f"Round{number}")
            memory = max(memory, memory_mb())
            say(
                f"engine: {run.per_s():.0f} posts/s, p99 {quantile(run.late(), 0.99):.2f} s"
            )
            runs.append(run)
            loops.append(bare())
        beside = [(a + b) / 2 for a, b in itertools.pairwise(loops)]
        late = sorted(s for run in runs for s in run.late())
        figures = {
            "deliveries_per_s": round(statistics.median(r.per_s() for r in runs), 1),
            "bare_loop_per_s": round(statistics.median(beside), 1),
            "ratio_to_bare_loop": round(
                statistics.median(
                    r.per_s() / b for r, b in zip(runs, beside, strict=True)
                ),
                3,
            ),
            "lateness_p50_s": round(quantile(late, 0.5), 3),
            "lateness_p99_s": round(quantile(late, 0.99), 3),
            "memory_mb": round(memory),
            "database": connection.vendor,
            "deliveries": len(wanted),
            "accounts": len(accounts),
            "rows": options["rows"] or 0,
            "rounds": len(runs),
            "latency_ms": options["latency_ms"],
            "clusters": options["clusters"],
            "threads": pumps * threads,
            "doubled": sum(r.doubled for r in runs),
            "lost": sum(r.lost for r in runs),
            "out_of_order": sum(r.out_of_order for r in runs),
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        if figures["doubled"] or figures["lost"]:
            raise SystemExit(1)
