"""One round of looks or of renewals: what is due, side by side, within some seconds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts import refresh
from accounts.errands import Running, SideBySide
from accounts.hearing import Hearing
from accounts.models import Credential

#: A round begins nothing new after so many seconds: two kinds of job side by side must
#: leave the heartbeat its turn.
BOUND_S = 20.0
#: What is on its way then asks nothing more after so many seconds in all.
DROP_AFTER_S = 40.0


class Round:
    """`take` says who is due; subclasses make errands of them."""

    def __init__(self, seconds: float = BOUND_S, threads: int = 0) -> None:
        self.seconds = seconds
        self.threads = threads or settings.HEALTH_THREADS
        #: calls to one app's platform at once: it takes four that hang until others wait
        self.share = max(1, self.threads // 4)
        self.hearing = Hearing()
        self.seen: set[int] = set()

    def run(self) -> int:
        """How many came to an end."""
        start = time.monotonic()
        until, drop_after = start + self.seconds, start + self.seconds + DROP_AFTER_S
        return SideBySide(self.threads, self.share).run(self.take, until, drop_after)

    def take(self, room: int, full: Collection[Hashable]) -> Sequence[Running]:
        raise NotImplementedError

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


class Renewals(Round):
    """What is to be renewed, longest due first."""

    def take(self, room: int, full: Collection[Hashable]) -> Sequence[Running]:
        due = (
            Credential.objects.refresh_due(timezone.now())
            .exclude(app__in=list(full))
            .exclude(pk__in=self.seen)
            .order_by("refresh_after")
            .values_list("pk", "app")
        )
        chosen = self.choose(due[: room * 4], room, full)
        rows = Credential.objects.select_related("app", "parent").in_bulk(chosen)
        return [self._renewal(rows[pk]) for pk in chosen if pk in rows]

    def _renewal(self, row: Credential) -> Running:
        return Running(row.app_id, refresh.scheduled(row, self.hearing), _nothing)


def _nothing(_value: Any) -> None:
    """What came of a renewal stands in its own row."""
