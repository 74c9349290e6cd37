"""What does each page cost when there is very much behind it?

Each page is asked for through the whole of Django, in turns with an empty view that
reads session and user: the ratio of the medians says what it costs, whatever else the
machine has to do. Queries are counted in a small world first, and in the large one that
it grows into: a page of which the number grows reads row by row.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from ..sandbox import Sandbox
from ..settle import settle
from .history import vacuum
from .page_list import Address, addresses
from .page_rows import Size, World
from .runner import Part, say

SMALL = Size(accounts=40, deliveries=1_000, posts=100)
#: Finished deliveries, unless `--rows` says otherwise.
FINISHED = 100_000
TURNS = 9
#: As often as the monitor cluster does it, which does not run here.
JUDGED_EACH_S = 60
EMPTY = "/an-empty-view/"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def empty(request: HttpRequest) -> HttpResponse:
    """Session and user, and nothing else."""
    return HttpResponse(f"{request.user.pk}{request.session.session_key}")


class Addresses:
    """Those of the site, and one more."""

    def __init__(self) -> None:
        from .. import urls

        self.urlpatterns = [path(EMPTY[1:], empty), *urls.urlpatterns]


@dataclass(frozen=True)
class Cost:
    """What one page costs. few and many: its queries in the small and the large world."""

    name: str
    ratio: float
    ms: float
    few: int
    many: int
    size_kb: float

    @property
    def is_constant(self) -> bool:
        return self.many <= self.few


class Visitors:
    """Two people who ask for pages: an admin of SocialHub, and a superuser."""

    def __init__(self, world: World) -> None:
        self._clients = [Client(), Client()]
        for client, person in zip(
            self._clients, (world.reader, world.root), strict=True
        ):
            client.force_login(person, backend=BACKEND)

    def client(self, page: Address) -> Client:
        return self._clients[page.for_root]

    def ask(self, page: Address) -> Any:
        answer = self.client(page).get(page.url)
        if answer.status_code != 200:
            raise ValueError(f"{page.name} ({page.url}) answers {answer.status_code}")
        return answer

    def queries(self, page: Address) -> int:
        # What is read once in the life of a process is not counted.
        self.ask(page)
        with CaptureQueriesContext(connection) as caught:
            self.ask(page)
        return len(caught)

    def ratio(self, page: Address) -> tuple[float, float]:
        """To the empty view, and the page's own milliseconds: medians of the turns."""
        client = self.client(page)
        bare, whole = [], []
        for _turn in range(TURNS):
            bare.append(_ms(lambda: client.get(EMPTY)))
            whole.append(_ms(lambda: client.get(page.url)))
        took = statistics.median(whole)
        return took / statistics.median(bare), took


def _ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


class PagesBench(Part):
    account_count = 200

    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        # As in production: the network of the drills would be asked by some pages.
        return {
            "DEBUG": "false",
            "LOG_LEVEL": "ERROR",
            "PRACTICE_NETWORK_URL": "",
            "ALLOWED_HOSTS": "testserver",
        }

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        box.migrate()
        box.collect_static()

    def inside(self, options: dict[str, Any]) -> None:
        settings.ROOT_URLCONF = Addresses()
        settle()
        world = World()
        world.grow(SMALL)
        visitors = Visitors(world)
        wanted = options["page"]
        few = {page.name: visitors.queries(page) for page in chosen(wanted)}
        say(f"{len(few)} pages counted in the small world")
        large = Size(
            max(options["accounts"], SMALL.accounts * 2),
            max(options["rows"] or FINISHED, SMALL.deliveries * 2),
            max(options["posts"], SMALL.posts * 2),
        )
        world.grow(large)
        vacuum()
        costs = []
        judged = time.monotonic()
        for page in chosen(wanted):
            if time.monotonic() - judged > JUDGED_EACH_S:
                world.judge()
                judged = time.monotonic()
            many = visitors.queries(page)
            size = len(visitors.ask(page).content) / 1024
            ratio, took = visitors.ratio(page)
            costs.append(Cost(page.name, ratio, took, few[page.name], many, size))
        table(costs)
        print(json.dumps(told(costs, large)), flush=True)  # noqa: T201


def chosen(wanted: Sequence[str]) -> list[Address]:
    """The pages whose names fit one of these patterns; without any, all."""
    found = [
        page
        for page in addresses()
        if not wanted or any(fnmatchcase(page.name, one) for one in wanted)
    ]
    if not found:
        raise CommandError(f"no page is called {', '.join(wanted)}")
    return found


def table(costs: list[Cost]) -> None:
    """For people: the dearest first."""
    say("  ratio       ms  queries       kB  page")
    for cost in sorted(costs, key=lambda cost: -cost.ratio):
        grown = "" if cost.is_constant else f"  (queries were {cost.few})"
        say(
            f"{cost.ratio:7.1f} {cost.ms:8.1f} {cost.many:8} {cost.size_kb:8.1f}"
            f"  {cost.name}{grown}"
        )


def told(costs: list[Cost], size: Size) -> dict[str, Any]:
    worst = max(costs, key=lambda cost: cost.ratio)
    most = max(costs, key=lambda cost: cost.many)
    month = [cost for cost in costs if cost.name == "calendar_posts view=month"]
    return {
        "worst_ratio": round(worst.ratio, 1),
        "worst_page": worst.name,
        "median_ratio": round(statistics.median(cost.ratio for cost in costs), 1),
        "worst_queries": most.many,
        "most_queries_page": most.name,
        "calendar_month_kb": round(month[0].size_kb, 1) if month else None,
        "pages": len(costs),
        "within_12": sum(cost.ratio <= 12 for cost in costs),
        "not_constant": sorted(c.name for c in costs if not c.is_constant),
        "accounts": size.accounts,
        "deliveries": size.deliveries,
        "posts": size.posts,
        "database": connection.vendor,
    }
