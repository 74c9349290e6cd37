"""What does the calendar's answer cost when the visible month is full?

Beside many finished deliveries, the month holds `--posts` posts. Each view is asked for
through the whole of Django, in turns with a bare query of the same rows; the least of
all turns is told, for everything that disturbs only adds to it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from datetime import time as wall
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ..sandbox import Sandbox
from .history import fill, vacuum
from .loopback import STUB_URL, make_accounts, make_deliveries
from .runner import Part, say

#: Finished deliveries around the month, unless `--rows` says otherwise.
FINISHED = 20_000
#: Waking hours over which a day's posts are spread.
HOURS = range(7, 22)
TURNS = 7


class CalendarBench(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        box.migrate()
        box.env[STUB_URL] = "http://127.0.0.1:9"  # nothing is sent

    def inside(self, options: dict[str, Any]) -> None:
        settings.ALLOWED_HOSTS = ["testserver"]
        accounts = make_accounts(options["accounts"])
        fill(accounts, options["rows"] or FINISHED)
        # A month ahead, so that every one of them is judged.
        first = (timezone.localdate().replace(day=1) + timedelta(days=63)).replace(
            day=1
        )
        spread(accounts, first, options["posts"])
        vacuum()
        user = accounts[0].owner
        assert user is not None
        client = Client()
        client.force_login(user)
        figures: dict[str, Any] = {}
        for view, days in (("month", 35), ("week", 7), ("list", 7)):
            figures |= self._view(client, view, first, first + timedelta(days=days))
        page = least(lambda: client.get(reverse("calendar")))
        told = {
            "ratio": figures["month_ratio"],
            "month_kb": figures["month_kb"],
            **figures,
            "page_ms": round(page, 1),
            "posts": options["posts"],
            "accounts": options["accounts"],
            "finished": options["rows"] or FINISHED,
            "database": connection.vendor,
        }
        print(json.dumps(told), flush=True)  # noqa: T201

    def _view(
        self, client: Client, view: str, first: date, end: date
    ) -> dict[str, float]:
        from publishing.listing import instants
        from publishing.models import Delivery

        start, stop = instants(first, end - timedelta(days=1))
        asked = {"view": view, "start": first.isoformat(), "end": end.isoformat()}
        rows = Delivery.objects.filter(
            status__in=Delivery.Status.values, due_at__gte=start, due_at__lt=stop
        )
        answer = client.get(reverse("calendar_posts"), asked)
        assert answer.status_code == 200, answer.content
        with CaptureQueriesContext(connection) as caught:
            client.get(reverse("calendar_posts"), asked)
            queries = len(caught)
        whole = least(lambda: client.get(reverse("calendar_posts"), asked))
        bare = least(lambda: list(rows.all()))
        found = {
            f"{view}_ms": round(whole, 1),
            f"{view}_bare_ms": round(bare, 1),
            f"{view}_ratio": round(whole / bare, 2),
            f"{view}_kb": round(len(answer.content) / 1024, 1),
            f"{view}_queries": queries,
            f"{view}_posts": answer.json()["total"],
            f"{view}_cards": len(answer.json()["cards"]),
        }
        say(f"{view}: {found}")
        return found


def least(work: Callable[[], object]) -> float:
    """Milliseconds of the quickest of some turns."""
    took = []
    for _turn in range(TURNS):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return min(took) * 1000


def spread(accounts: Any, first: date, count: int) -> None:
    """So many posts over the days and hours of four weeks."""
    zone = timezone.get_current_timezone()
    times = [
        datetime.combine(first + timedelta(days=day), wall(hour), zone)
        for day in range(28)
        for hour in HOURS
    ]
    each, rest = divmod(count, len(times))
    used = 0
    for place, at in enumerate(times):
        number = each + (place < rest)
        if number:
            some = [accounts[(used + n) % len(accounts)] for n in range(number)]
            make_deliveries(some, at, f"Planned {place}")
            used += number
