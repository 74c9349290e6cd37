"""What does a delivery cost when very many others are finished?

For each size a world of its own stands ready, and takes its turn again and again, so
that a machine that is slower for a while is so for all of them. Counted is CPU time, of
the clusters and of the database's sessions, which does not grow while somebody else has
the processor; the least of all turns, for everything that disturbs only adds to it.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import Any

from django.db import connection

from ..sandbox import Sandbox
from .history import fill
from .loopback import (
    Stub,
    cpu_s,
    engine_settings,
    make_accounts,
    run_engine,
    start_clusters,
    start_stub,
    wait_for_pumps,
)
from .runner import Part, run_again, say, server_url

SIZES = (1_000, 100_000, 1_000_000)
#: What a world of one size is asked to do: "fill" or "measure".
STEP = "SOCIALHUB_GROWTH_STEP"
#: Posts before the measured ones: what is done once is done then.
WARM_UP = 200


class Growth(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        """Nothing: the sizes have sandboxes of their own."""

    def inside(self, options: dict[str, Any]) -> None:
        if step := os.environ.get(STEP):
            told = self._fill(options) if step == "fill" else self._measure(options)
            print(json.dumps(told), flush=True)  # noqa: T201
            return
        sizes = [size for size in SIZES if size <= (options["rows"] or SIZES[-1])]
        with ExitStack() as stack:
            boxes = {
                size: stack.enter_context(self._world(size, options)) for size in sizes
            }
            turns: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
            for number in range(options["rounds"]):
                for size, box in boxes.items():
                    turns[size].append(self._turn(box, size, options))
                    say(f"turn {number + 1}, {size} finished: {turns[size][-1]}")
        least = {
            size: {key: min(turn[key] for turn in turns[size]) for key in COSTS}
            for size in sizes
        }
        first, last = sizes[0], sizes[-1]
        doubled = int(sum(t["doubled"] for ts in turns.values() for t in ts))
        lost = int(sum(t["lost"] for ts in turns.values() for t in ts))
        figures: dict[str, Any] = {
            "cost_growth": round(least[last]["cpu_ms"] / least[first]["cpu_ms"], 3),
            "wall_growth": round(least[last]["wall_ms"] / least[first]["wall_ms"], 3),
            "cpu_ms_per_delivery": {str(s): least[s]["cpu_ms"] for s in sizes},
            "wall_ms_per_delivery": {str(s): least[s]["wall_ms"] for s in sizes},
            "wal_kb_per_delivery": {str(s): least[s]["wal_kb"] for s in sizes},
            "deliveries": options["deliveries"],
            "rounds": options["rounds"],
            "doubled": doubled,
            "lost": lost,
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        if doubled or lost:
            raise SystemExit(1)

    # -- one size

    def _world(self, size: int, options: dict[str, Any]) -> Sandbox:
        vendor = connection.vendor
        box = Sandbox(
            server_url("same") if vendor == "postgresql" else "",
            {STEP: "", **engine_settings(options["set"])},
        )
        try:
            box.migrate()
            start_stub(box)
            box.env["SOCIALHUB_GROWTH_SIZE"] = str(size)
            run_again(box, "cluster-publish", {STEP: "fill"})
        except BaseException:
            box.close()
            raise
        return box

    def _turn(
        self, box: Sandbox, size: int, options: dict[str, Any]
    ) -> dict[str, float]:
        start_clusters(box, 1)
        try:
            return run_again(box, "cluster-publish", {STEP: "measure"})
        finally:
            for name in ("cluster-publish", "cluster-monitor"):
                box.stop(name)

    def _fill(self, options: dict[str, Any]) -> dict[str, float]:
        size = int(os.environ["SOCIALHUB_GROWTH_SIZE"])
        fill(make_accounts(options["accounts"]), size)
        return {}

    def _measure(self, options: dict[str, Any]) -> dict[str, float]:
        from accounts.models import ConnectedAccount

        stub = Stub()
        stub.reset(options["latency_ms"])
        wait_for_pumps()
        accounts = list(ConnectedAccount.objects.order_by("pk"))
        many = [accounts[n % len(accounts)] for n in range(options["deliveries"])]
        turn = os.getpid()
        run_engine(many[:WARM_UP], stub, label=f"Warm-up-{turn}")
        before, logged = cpu_s(), _wal_bytes()
        run = run_engine(many, stub, label=f"Turn-{turn}")
        spent = cpu_s() - before
        wall = (run.ended_at or float("inf")) - run.due_at
        return {
            "cpu_ms": round(spent / len(many) * 1000, 3),
            "wall_ms": round(wall / len(many) * 1000, 3),
            "wal_kb": round((_wal_bytes() - logged) / len(many) / 1024, 2),
            "doubled": run.doubled,
            "lost": run.lost,
        }


COSTS = ("cpu_ms", "wall_ms", "wal_kb")


def _wal_bytes() -> int:
    """Written to PostgreSQL's log since its beginning, by all of its databases: more
    where changes are scattered over many pages. 0 on SQLite."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return int(cursor.fetchone()[0])
