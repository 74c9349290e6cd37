"""The clusters of a crash drill, each as on a host of its own, and how to hurt them.

Only processes that grew from a supervisor which was started here are ever signalled.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from monitoring.models import Heartbeat
from publishing.models import Delivery, Pump

from .. import processes
from ..sandbox import BASE_DIR, SandboxError, wait_for

#: Seconds that a process of ours may take to come by a crash point.
COME_BY_S = 12.0


class Host:
    """One publish cluster under its supervisor, with a name of its own."""

    def __init__(
        self, number: int, folder: Path, env: Mapping[str, str], seed: int
    ) -> None:
        """folder: of the sandbox; on PostgreSQL each host gets a data folder in it, so
        that locks on files cannot tell hosts apart."""
        self.name = f"drill-host-{number}"
        self.dice = random.Random(f"{seed} {number}")  # noqa: S311 - to be repeated
        self.log = folder / f"{self.name}.log"
        self.orders = folder / f"{self.name}-orders"
        self.orders.mkdir()
        data = folder
        if connection.vendor == "postgresql":
            data = folder / self.name
            data.mkdir()
            (data / "media").symlink_to(settings.MEDIA_ROOT)
        self.mark = processes.cluster_mark("publish", self.name, data)
        self.env = {
            **env,
            "HOST_NAME": self.name,
            "DATA_DIR": str(data),
            "SOCIALHUB_CRASH_ORDERS": str(self.orders),
        }
        self.supervisor: subprocess.Popen[bytes] | None = None

    # -- coming and going

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, "manage.py", "cluster", "publish"],
                env=self.env,
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def terminate(self) -> None:
        """SIGTERM to the supervisor, as a restart by an operator does it."""
        assert self.supervisor is not None
        self.supervisor.terminate()
        self.supervisor.wait(settings.PUMP_SECONDS + 30)

    def kill_supervisor(self) -> None:
        assert self.supervisor is not None
        self.supervisor.kill()
        self.supervisor.wait(10)

    def vanish(self) -> None:
        """The whole host is gone at once, supervisor included."""
        if self.supervisor is None:
            return
        self.supervisor.kill()
        self.supervisor.wait(10)
        processes.end_bearing(processes.CLUSTER_MARK, self.mark)
        self.supervisor = None

    # -- who is who

    @property
    def main(self) -> int:
        """The queue's main process; 0 while there is none."""
        assert self.supervisor is not None
        return next(iter(processes.children(self.supervisor.pid)), 0)

    @property
    def sentinel(self) -> int:
        return next(iter(processes.children(self.main)), 0) if self.main else 0

    def members(self) -> list[int]:
        """What the Sentinel guards: workers, pusher and monitor."""
        return processes.children(self.sentinel) if self.sentinel else []

    def pumps(self) -> dict[int, Pump]:
        """Process id -> its pump, for those that run now."""
        members = set(self.members())
        rows = Pump.objects.filter(host=self.name, ended_at=None).order_by("started_at")
        return {row.pid: row for row in rows if row.pid in members}

    def everything(self) -> list[int]:
        assert self.supervisor is not None
        return [self.supervisor.pid, *processes.descendants(self.supervisor.pid)]

    def idle_workers(self) -> list[int]:
        pumps = self.pumps()
        return [pid for pid in self.members() if pid not in pumps]

    # -- signs of life

    def works(self, since: datetime) -> bool:
        """Since then a beat came through its queue and workers, and all its pumps run."""
        from monitoring.beat import own_name

        name = own_name("publish").replace(settings.HOST_NAME, self.name)
        beat = Heartbeat.objects.filter(name=name, beat_at__gt=since).exists()
        fresh = [pump for pump in self.pumps().values() if pump.beat_at > since]
        return beat and len(fresh) >= settings.PUBLISH_PUMPS

    # -- orders to crash points

    def order(self, point: str, number: signal.Signals) -> int:
        """Hit whoever of ours comes by this point next; its process id.

        Raises SandboxError when nobody comes by.
        """
        path = self.orders / point
        draft = self.orders / f".{point}"
        draft.write_text(str(int(number)))
        draft.rename(path)

        def taken() -> Path | None:
            return next(self.orders.glob(f"{point}-*"), None)

        try:
            found = wait_for(taken, COME_BY_S, name=f"{point} on {self.name}")
        except SandboxError:
            path.unlink(missing_ok=True)
            if (found := taken()) is None:
                raise
        found.unlink()
        pid = int(found.name.rpartition("-")[2])
        wait_for(lambda: processes.is_hit(pid), 5, name=f"the end of {pid}")
        return pid


def leases_of(pumps: list[str]) -> bool:
    """Whether deliveries still belong to these pumps."""
    return Delivery.objects.filter(lease_owner__in=pumps).exists()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def freeze(pids: list[int], seconds: float) -> None:
    """They stand still for so long, and then go on where they were."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def database_busy() -> Iterator[None]:
    """SQLite: nobody else can write meanwhile."""
    import sqlite3

    name = str(settings.DATABASES["default"]["NAME"])
    with contextlib.closing(sqlite3.connect(name, timeout=20)) as database:
        database.isolation_level = None
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            database.execute("ROLLBACK")


def cut_connections(own: str) -> None:
    """PostgreSQL: end every connection to our database but those named `own`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name <> %s",
            [own],
        )


def empty_queue() -> None:
    """All messages are lost, as when a Redis without a file on disk restarts."""
    from django_q.brokers import get_broker

    get_broker("publish").delete_queue()
