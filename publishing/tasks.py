"""What the publish cluster runs. Safe to run twice, in any order, or not at all."""

from __future__ import annotations

import os
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from . import (
    importing,
    job_models,
    jobs,
    leftovers,
    link_facts,
    liveness,
    repeating,
    threatened,
)
from . import upload_models as uploads
from .engine import CARRY_MOST_S, PumpRun
from .models import Pump
from .waking import stop_wanted

#: Hosts share one queue: a wake-up that reaches the wrong one is sent on so often.
MAX_HOPS = 20
#: A pump ends long before, or its large files do.
PUMP_TIMEOUT_S = CARRY_MOST_S + settings.Q_CLUSTER["timeout"]


def running_pumps() -> int:
    """This host's pumps that gave a sign of life lately and whose process is there."""
    pumps = Pump.objects.running(timezone.now()).filter(host=settings.HOST_NAME)
    return sum(_lives(pump.pid) for pump in pumps)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's process with that number
    return True


def ensure_pumps() -> None:
    """Start this host's pumps. Called with each heartbeat and by a schedule."""
    for _ in range(settings.PUBLISH_PUMPS - running_pumps()):
        _start(settings.HOST_NAME, 0)


def _start(host: str, hops: int) -> None:
    from django_q.tasks import async_task

    # The cluster's own limit is for all that ends within a minute.
    async_task(
        "publishing.tasks.pump", host, hops, cluster="publish", timeout=PUMP_TIMEOUT_S
    )


def pump(host: str = "", hops: int = 0) -> None:
    """Work for less than a minute, then hand over to a successor.

    host: whose pump it is; the workers of another host send it on.
    """
    if stop_wanted():
        return
    if host and host != settings.HOST_NAME:
        if hops < MAX_HOPS:
            _start(host, hops + 1)
        return
    if running_pumps() < settings.PUBLISH_PUMPS:
        PumpRun().run(hand_over=ensure_pumps)


def tidy_pumps() -> None:
    """Forget pumps of yesterday."""
    Pump.objects.filter(beat_at__lt=timezone.now() - timedelta(days=1)).delete()
    liveness.tidy()


def tidy_uploads() -> None:
    """Forget files that were begun and have not moved for a day, and files that came
    in and that nobody used."""
    uploads.tidy(timezone.now())
    leftovers.tidy(timezone.now())
    link_facts.tidy(timezone.now())


def read_link(pk: int) -> str:
    """What the page behind a link says, for previews."""
    return link_facts.read(pk)


def read_links_ahead() -> None:
    """What the pages say whose picture goes out soon."""
    link_facts.ask_ahead(timezone.now())


def make_occurrences() -> None:
    """Posts of series, for the weeks ahead."""
    repeating.make_all(timezone.now())


def judge_scheduled() -> None:
    """Which scheduled posts will not go out, for the pages that count them."""
    threatened.renew()


def do_long_work() -> None:
    """A turn for one job; whoever waits has the next."""
    if jobs.take_turn():
        jobs.wake()


def tidy_jobs() -> None:
    """Forget long work that ended a week ago, and its files."""
    job_models.tidy(timezone.now())
    importing.tidy(timezone.now())
