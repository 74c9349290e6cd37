"""Runs one cluster of the queue, watches its sign of life, leaves no process behind.

The queue's own guard is not enough: a worker that dies while it reads the queue
freezes its cluster with every process looking alive, and when the cluster's main
process or its Sentinel dies, the workers go on without guard, time-outs or schedules.
"""

from __future__ import annotations

import fcntl
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

from django import db
from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from . import processes

log = logging.getLogger(__name__)

#: seconds between two signs of life, when each is answered
BEAT_EVERY_S = 5.0
#: A watch that was itself away for longer does not count the time it missed.
AWAY_S = 5.0
#: Seconds before the first, second, ... restart in a row; the last one repeats.
BACKOFF_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
#: A cluster that ran so long begins the row of waits anew.
STABLE_S = 60.0
#: Seconds that a restart waits for the watch to let go of the database: longer than
#: SQLite waits for a lock.
REST_S = 25.0
#: What the processes of each cluster would load by themselves, each for itself.
LOADED_BEFORE = {
    "publish": ("publishing.tasks", "monitoring.beat"),
    "monitor": ("monitoring.tasks", "monitoring.beat"),
}


class AlreadyRunning(Exception):
    """This cluster has a supervisor already; the text says which process."""


def broker_errors() -> tuple[type[Exception], ...]:
    """What the broker raises when its server is away.

    Redis' client takes six megabytes: only those who use it load it.
    """
    if not settings.REDIS_URL:
        return ()
    from redis.exceptions import RedisError

    return (RedisError,)


def grace_s() -> float:
    """Seconds that a cluster may take to end its work when it is asked to stop."""
    return float(settings.PUMP_SECONDS + 15)


@contextmanager
def only_one(path: Path) -> Iterator[IO[str]]:
    """Hold a lock file that the system drops at our death; AlreadyRunning.

    A process that was forked meanwhile has to close the file, or it holds it as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.seek(0)
            raise AlreadyRunning(f"process {file.read().strip() or '?'}") from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield file


class Pulse:
    """Puts beats into the cluster's queue and watches them come back.

    A thread of its own, so that a database that hangs never keeps the supervisor from
    seeing a dead process or a signal.
    """

    def __init__(self, cluster: str) -> None:
        from monitoring.beat import own_name

        self.cluster = cluster
        self.own_name = own_name(cluster)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._looked_at = self._sign_at = time.monotonic()
        #: when the newest beat was sent; None: none since the cluster began
        self._sent_at: float | None = None
        self._outstanding = False
        self._own_beat: datetime | None = None
        self._any_beat: datetime | None = None
        self._restarts: list[datetime] = []
        self._reachable = True

    def silent_s(self) -> float:
        """Seconds without a sign of life, as the database last told us.

        Does not grow while the database cannot be asked: that proves nothing.
        """
        with self._lock:
            return self._looked_at - self._sign_at

    def begin(self) -> None:
        """A fresh cluster starts now: it gets the whole time for its first sign."""
        with self._lock:
            self._looked_at = self._sign_at = time.monotonic()
            self._sent_at = None
            self._outstanding = False

    def note_restart(self, at: datetime) -> None:
        """The cluster was killed at this time; written when the database answers."""
        with self._lock:
            self._restarts.append(at)

    def start(self) -> None:
        """Look once a second from now on."""
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._run,
            args=[self._ended],
            name=f"pulse-{self.cluster}",
            daemon=True,
        )
        self._thread.start()

    def end(self) -> None:
        """Look no more; the thread ends as soon as the database lets it."""
        self._ended.set()

    def has_ended(self) -> bool:
        """Whether there is neither a thread nor a connection of it."""
        return self._thread is None or not self._thread.is_alive()

    def _run(self, ended: threading.Event) -> None:
        unreachable: tuple[Any, ...] = (db.Error, OSError, *broker_errors())
        while not ended.wait(1):
            try:
                db.close_old_connections()
                self.look()
            except unreachable as exc:
                if self._reachable:
                    log.warning("Cluster %s: no database: %s", self.cluster, exc)
                self._reachable = False
            except Exception:
                # Without this thread nobody watches: a fault in it is told, not fatal.
                log.exception("Cluster %s: the watch stumbled", self.cluster)
                self._reachable = False
        db.connections.close_all()

    def look(self) -> None:
        """Read the signs of life, note restarts, send the next beat when it is due."""
        from monitoring.models import Heartbeat

        names = [self.cluster, self.own_name]
        beats = dict(
            Heartbeat.objects.filter(name__in=names).values_list("name", "beat_at")
        )
        number = self._judge(beats.get(self.own_name), beats.get(self.cluster))
        self._write_restarts(bool(beats))
        for _ in range(number):
            self._send()
        if number:
            Heartbeat.objects.filter(name__in=names).update(sent_at=timezone.now())
            with self._lock:
                self._sent_at = time.monotonic()
                self._outstanding = True

    def _judge(self, own: datetime | None, anyone: datetime | None) -> int:
        """Take in what the database says; return how many beats to send now."""
        now = time.monotonic()
        with self._lock:
            away = not self._reachable or now - self._looked_at > AWAY_S
            answered = own != self._own_beat
            elsewhere = anyone != self._any_beat and not answered
            if away or answered:
                self._sign_at = now
            if answered or elsewhere:
                self._outstanding = False
            self._own_beat, self._any_beat = own, anyone
            self._looked_at = now
            self._reachable = True
            if self._sent_at is None:
                return 1
            waited = now - self._sent_at
        if self._outstanding:
            # Lost with a worker, or stuck behind long work: one more does no harm.
            return int(waited > settings.CLUSTER_SILENT_AFTER_S)
        if elsewhere:
            # Workers of other hosts took it from the shared queue: send enough that
            # one of them comes to ours.
            return min(1 + len(self._other_hosts()), 20)
        return int(waited >= BEAT_EVERY_S)

    def _send(self) -> None:
        from django_q.tasks import async_task

        async_task(
            "monitoring.beat.beat", self.cluster, cluster=self.cluster, save=False
        )

    def _write_restarts(self, has_rows: bool) -> None:
        from monitoring.models import Heartbeat

        with self._lock:
            restarts = list(self._restarts)
        if not restarts or not has_rows:
            return
        self._give_back(restarts[-1])
        Heartbeat.objects.filter(name__in=[self.cluster, self.own_name]).update(
            restarts=F("restarts") + len(restarts), restarted_at=restarts[-1]
        )
        with self._lock:
            del self._restarts[: len(restarts)]

    def _give_back(self, killed_at: datetime) -> None:
        """Free what the killed cluster had fetched, which else waits for `retry`.

        Not while other hosts work on the queue: what they fetched looks the same.
        """
        from django_q.conf import Conf
        from django_q.models import OrmQ

        if not Conf.ORM or self._other_hosts():
            return
        fetched = OrmQ.objects.using(Conf.ORM).filter(
            key=self.cluster,
            lock__gt=timezone.now(),
            lock__lte=killed_at + timedelta(seconds=Conf.RETRY),
        )
        fetched.update(lock=killed_at)

    def _other_hosts(self) -> list[str]:
        """Names of the rows of other hosts with a fresh sign of life."""
        from monitoring.models import Heartbeat

        fresh = timezone.now() - timedelta(seconds=settings.CLUSTER_SILENT_AFTER_S)
        rows = Heartbeat.objects.filter(
            name__startswith=f"{self.cluster}@", beat_at__gt=fresh
        )
        return list(rows.exclude(name=self.own_name).values_list("name", flat=True))


class Supervisor:
    """Starts, watches, restarts and stops one cluster on this host."""

    def __init__(self, cluster: str) -> None:
        from monitoring.beat import host_name

        folder = settings.DATA_DIR / "run"
        self.cluster = cluster
        self.mark = processes.cluster_mark(cluster, host_name(), settings.DATA_DIR)
        self.lock_file = folder / f"{cluster}-{host_name()}.lock"
        #: exists while pumps are asked to end
        self.stop_file = folder / f"{cluster}-{host_name()}.stop"
        self.pulse = Pulse(cluster)
        #: how often we were told to stop; the second time means at once
        self.asked = 0

    def environment(self) -> dict[str, str]:
        """What supervisor and cluster have to be started with."""
        return {
            **os.environ,
            "Q_CLUSTER_NAME": self.cluster,
            processes.CLUSTER_MARK: self.mark,
            "SOCIALHUB_STOP_FILE": str(self.stop_file),
            # Else each of a pump's threads gets a heap of its own.
            "MALLOC_ARENA_MAX": "2",
        }

    def run(self) -> int:
        """Until SIGTERM or SIGINT; 0 when the cluster ended its work in time.

        Begins once more with the cluster's environment where it has another: the cluster
        is forked, and what a process was started with cannot be changed afterwards.
        Raises AlreadyRunning.
        """
        if os.environ.get(processes.CLUSTER_MARK) != self.mark:
            with only_one(self.lock_file):
                pass
            os.execve(  # noqa: S606 - our own program
                sys.executable, [sys.executable, *sys.orig_argv[1:]], self.environment()
            )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        with only_one(self.lock_file) as self._lock:
            # We hold the lock, so whoever bears our mark has lost its supervisor.
            if orphans := processes.marked(self.mark):
                log.warning("Cluster %s: ending %s orphans", self.cluster, len(orphans))
                processes.end_group(0, self.mark)
            self.stop_file.unlink(missing_ok=True)
            for name in LOADED_BEFORE[self.cluster]:
                importlib.import_module(name)
            try:
                return self._keep_running()
            finally:
                self.pulse.end()
                self.stop_file.unlink(missing_ok=True)

    def _ask(self, number: int, frame: object) -> None:
        self.asked += 1

    def _keep_running(self) -> int:
        failures = 0
        while True:
            started = time.monotonic()
            main = self._start()
            try:
                reason = self._watch(main)
                if not reason:
                    return self._stop(main)
            finally:
                self._end_all(main)
            self.pulse.note_restart(timezone.now())
            if time.monotonic() - started > STABLE_S:
                failures = 0
            wait = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            log.error(
                "Cluster %s: %s; starting it anew in %.0f s", self.cluster, reason, wait
            )
            until = time.monotonic() + wait
            while time.monotonic() < until and not self.asked:
                time.sleep(0.1)
            if self.asked:
                return 0

    def _start(self) -> BaseProcess:
        """Fork the cluster: its processes and we share the memory of what is loaded."""
        # Without the watch's thread and connection, which must not be in two processes.
        # Where the database hangs so long, the driver sees by itself whose they are.
        self.pulse.end()
        until = time.monotonic() + REST_S
        while not self.pulse.has_ended() and time.monotonic() < until:
            time.sleep(0.05)
        main = multiprocessing.get_context("fork").Process(target=self._be_cluster)
        main.start()
        self.pulse.begin()
        self.pulse.start()
        return main

    def _be_cluster(self) -> None:
        """In the new process: the queue's main process, as `manage.py qcluster` is."""
        os.setsid()
        if self.cluster != "publish":
            processes.give_way(settings.MONITOR_NICE)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self._lock.close()
        call_command("qcluster", skip_checks=True)

    def _watch(self, main: BaseProcess) -> str:
        """Why the cluster must be started anew, or "" when we are asked to stop."""
        while not self.asked:
            if main.exitcode is not None:
                return f"its main process ended (exit code {main.exitcode})"
            silent = self.pulse.silent_s()
            if silent > settings.CLUSTER_SILENT_AFTER_S:
                return f"no sign of life for {silent:.0f} s"
            time.sleep(0.2)
        return ""

    def _stop(self, main: BaseProcess) -> int:
        # To main only: a signal to the group would cut running work off and leave
        # main waiting for good.
        self.stop_file.touch()
        main.terminate()
        deadline = time.monotonic() + grace_s()
        while main.is_alive() and time.monotonic() < deadline and self.asked < 2:
            time.sleep(0.1)
        if main.is_alive():
            log.error("Cluster %s: did not end its work in time, killed", self.cluster)
            return 1
        return 0

    def _end_all(self, main: BaseProcess) -> None:
        assert main.pid
        left = processes.end_group(main.pid, self.mark)
        main.join(5)
        if main.is_alive():
            left = sorted({*left, main.pid})
        if left:
            log.error("Cluster %s: cannot be killed: %s", self.cluster, left)
