"""One of two hosts stands still, then dies: who has its posts, and when?

Two clusters share nothing but a database on PostgreSQL. The stub lets each call wait, so
that what is stopped and killed is in the middle of its work, with posts that are live
already and whose answers nobody will read.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.utils import timezone

from publishing.models import Delivery, Pump

from ..sandbox import Sandbox, SandboxError, wait_for
from .loopback import (
    Stub,
    cluster_pids,
    engine_settings,
    make_accounts,
    make_deliveries,
    start_clusters,
    start_stub,
    wait_for_pumps,
)
from .runner import Part, say

OTHER = "cluster-publish2"
#: The name that `start_clusters` gives to the second host.
OTHER_HOST = "host2"
#: More at once than the pumps of one host have threads for: those that have no share of
#: the lanes take the rest, whichever host they are on.
POSTS = 160
CALL_MS = 20_000
#: Longer than any lease: what stands still keeps its posts even then.
STILL_S = settings.PUBLISH_LEASE_S + 10.0
LIMIT_S = 300.0


class Takeover(Part):
    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        return engine_settings(options["set"])

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        box.migrate()
        start_stub(box)
        start_clusters(box, 2)

    def inside(self, options: dict[str, Any]) -> None:
        self.stub = Stub()
        self.stub.reset(CALL_MS)
        self.accounts = make_accounts(POSTS)
        wait_for_pumps(2)
        stopped, taken = self._stand_still()
        died, taken_over_s, published_s = self._die()
        arrived = Counter(a.text for a in self.stub.arrivals())
        open_rows = Delivery.objects.exclude(status=Delivery.Status.PUBLISHED).count()
        figures = {
            "taken_over_s": taken_over_s,
            "published_s": published_s,
            "posts_of_dead_cluster": died,
            "posts_of_stopped_cluster": stopped,
            "taken_while_stopped": taken,
            "lease_s": settings.PUBLISH_LEASE_S,
            "doubled": sum(n - 1 for n in arrived.values()),
            "lost": 2 * POSTS - len(arrived) + open_rows,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        if figures["doubled"] or figures["lost"] or taken:
            raise SystemExit(1)

    def _stand_still(self) -> tuple[int, int]:
        """How many posts the stopped cluster had, and how many it was robbed of."""
        rows = self._in_flight("Still")
        say(
            f"the other cluster stands still with {len(rows)} posts, {STILL_S:g} s long"
        )
        self._signal(signal.SIGSTOP)
        try:
            time.sleep(STILL_S)
            kept = Delivery.objects.filter(pk__in=rows, lease_owner__in=rows.values())
            taken = len(rows) - kept.count()
        finally:
            self._signal(signal.SIGCONT)
        say(f"{taken} of them were taken; it goes on")
        self._all_published()
        return len(rows), taken

    def _die(self) -> tuple[int, float, float]:
        """How many posts it had; seconds until they had no dead owner, and until all
        were known to be published."""
        rows = self._in_flight("Dead")
        say(f"the other cluster is killed with {len(rows)} posts")
        began = time.monotonic()
        while self._signal(signal.SIGKILL):
            time.sleep(0.05)
        owned = Delivery.objects.filter(lease_owner__in=set(rows.values()))
        self._wait("a new owner", lambda: not owned.exists())
        taken_over_s = round(time.monotonic() - began, 1)
        say(f"taken over after {taken_over_s} s")
        self._all_published()
        return len(rows), taken_over_s, round(time.monotonic() - began, 1)

    def _in_flight(self, label: str) -> dict[int, str]:
        """Send posts by both clusters, and return those that the other has under way,
        with their owners."""
        before = len(self.stub.arrivals())
        make_deliveries(self.accounts, timezone.now(), label)
        self._wait("all calls", lambda: len(self.stub.arrivals()) == before + POSTS)
        pumps = Pump.objects.filter(host=OTHER_HOST).values_list("pk", flat=True)
        owners = [pk.hex for pk in pumps]
        rows = dict(
            Delivery.objects.filter(lease_owner__in=owners).values_list(
                "pk", "lease_owner"
            )
        )
        if not rows:
            raise SandboxError("the other cluster has none of the posts")
        return rows

    @staticmethod
    def _signal(number: int) -> int:
        """To all processes of the other cluster, its supervisor first; how many."""
        pids = sorted(cluster_pids(OTHER))
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return len(pids)

    def _all_published(self) -> None:
        rows = Delivery.objects.exclude(status=Delivery.Status.PUBLISHED)
        self._wait("the end of all posts", lambda: not rows.exists())

    @staticmethod
    def _wait(name: str, what: Any) -> None:
        wait_for(what, LIMIT_S, name=name, every=0.2)
