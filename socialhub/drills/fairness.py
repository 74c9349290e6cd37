"""Does one account with very much to say make the others wait?"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.models import ConnectedAccount
from publishing.models import Delivery

from ..sandbox import Sandbox, SandboxError
from .loopback import (
    Arrival,
    Stub,
    engine_settings,
    make_accounts,
    make_deliveries,
    quantile,
    start_clusters,
    start_stub,
    wait_for_pumps,
    wait_until_published,
)
from .runner import Part, say

NOISY_POSTS = 500
OTHERS = 50
#: A p99 of 50 posts is one post: rounds with and without take turns, and the median of
#: their p99s counts.
PAIRS = 7
LIMIT_S = 120.0


class Fairness(Part):
    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        return engine_settings(options["set"])

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        box.migrate()
        start_stub(box)
        start_clusters(box, options["clusters"])

    def inside(self, options: dict[str, Any]) -> None:
        stub = Stub()
        noisy, *others = make_accounts(1 + OTHERS)
        wait_for_pumps(options["clusters"])
        stub.reset(options["latency_ms"])
        alone: list[list[float]] = []
        beside: list[list[float]] = []
        _round(stub, others, None, "Warm-up")
        for number in range(PAIRS):
            alone.append(_round(stub, others, None, f"Alone{number}"))
            beside.append(_round(stub, others, noisy, f"Beside{number}"))
            say(
                f"pair {number + 1} of {PAIRS}: p99 {quantile(alone[-1], 0.99):.3f} s"
                f" alone, {quantile(beside[-1], 0.99):.3f} s beside"
            )
        arrivals = stub.arrivals()
        doubled = len(arrivals) - len({a.text for a in arrivals})
        without, with_it = _median(alone, 0.99), _median(beside, 0.99)
        figures = {
            "p99_ratio": round(with_it / without, 3),
            "p50_ratio": round(_median(beside, 0.5) / _median(alone, 0.5), 3),
            "p99_with_s": round(with_it, 3),
            "p99_without_s": round(without, 3),
            "noisy_posts": NOISY_POSTS,
            "accounts": OTHERS,
            "pairs": PAIRS,
            "latency_ms": options["latency_ms"],
            "threads": settings.PUBLISH_PUMPS * settings.PUBLISH_THREADS,
            "doubled": doubled,
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        if doubled:
            raise SystemExit(1)


def _round(
    stub: Stub,
    others: Sequence[ConnectedAccount],
    noisy: ConnectedAccount | None,
    label: str,
) -> list[float]:
    """Seconds that the others' posts came after their due instant, sorted."""
    due_at = timezone.now() + timedelta(seconds=4)
    # The noisy account's are the older rows: what sorts by age would take them first.
    if noisy:
        make_deliveries([noisy] * NOISY_POSTS, due_at, f"Noisy{label}")
    rows = make_deliveries(others, due_at, label)
    time.sleep(max(0.0, (due_at - timezone.now()).total_seconds()))
    if wait_until_published(rows[0].pk, rows[-1].pk, LIMIT_S) is None:
        raise SandboxError(f"{label}: not all was published in {LIMIT_S:g} s")
    if noisy:
        _call_off(noisy)
    found: list[Arrival] = [
        a for a in stub.arrivals() if a.text.startswith(f"{label} ")
    ]
    return sorted(a.at - due_at.timestamp() for a in found)


def _median(rounds: Sequence[Sequence[float]], share: float) -> float:
    return statistics.median(quantile(late, share) for late in rounds)


def _call_off(account: ConnectedAccount) -> None:
    """Cancel what has not begun, and see the rest out: the next round begins clean."""
    rows = Delivery.objects.filter(account=account)
    rows.filter(status=Delivery.Status.SCHEDULED, lease_expires_at=None).update(
        status=Delivery.Status.CANCELLED, next_attempt_at=None
    )
    end = time.monotonic() + LIMIT_S
    while rows.open().exists():
        if time.monotonic() > end:
            raise SandboxError("the noisy account's posts did not end")
        time.sleep(0.1)
