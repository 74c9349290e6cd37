"""Real clusters under kill -9: what is enqueued afterwards runs, and no orphan stays."""

import base64
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitoring.beat import host_name
from socialhub import processes, ready_tables

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc"),
]
ROOT = Path(__file__).resolve().parents[2]
CLUSTER = "monitor"
WORKERS = 3
SILENT_AFTER_S = 10
#: silence, restart of Python and Django on a busy machine
RECOVERS_WITHIN_S = 90


def until(condition, within_s, what):
    """The first true answer of the condition; fails after so long."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {within_s} s")


def environment(data_dir):
    values = {k: v for k, v in os.environ.items() if not k.endswith("_URL")}
    return values | {
        "DJANGO_SETTINGS_MODULE": "socialhub.settings",
        "SOCIALHUB_ENV_FILE": "/nonexistent",
        "SECRET_KEY": "only-for-tests-" + "x" * 40,
        "CREDENTIAL_KEYS": base64.urlsafe_b64encode(b"k" * 32).decode(),
        "DATA_DIR": str(data_dir),
        "CLUSTER_SILENT_AFTER_S": str(SILENT_AFTER_S),
    }


def manage(data_dir, *arguments):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def fresh_database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")

    def migrate():
        done = manage(folder, "migrate", "--skip-checks", "--verbosity", "0")
        assert done.returncode == 0, done.stderr

    url = f"sqlite:///{folder / 'socialhub.sqlite3'}"
    ready_tables.fill(url, migrate, ready_tables.MIGRATED)
    # Into the main file, so that it can be copied alone.
    with sqlite3.connect(folder / "socialhub.sqlite3") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "socialhub.sqlite3"


class Cluster:
    """A supervised cluster with its own database, and a look into the process table."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        self.mark = processes.cluster_mark(CLUSTER, host_name(), data_dir)
        self.start()

    def start(self):
        self.supervisor = subprocess.Popen(
            [sys.executable, "manage.py", "cluster", CLUSTER],
            cwd=ROOT,
            env=environment(self.data_dir),
            start_new_session=True,
        )

    def rows(self, sql, *values):
        database = sqlite3.connect(self.data_dir / "socialhub.sqlite3", timeout=20)
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def has_beaten(self, name):
        return self.rows("SELECT 1 FROM monitoring_heartbeat WHERE name=?", name)

    def restarts(self):
        rows = self.rows(
            "SELECT restarts FROM monitoring_heartbeat WHERE name=?", CLUSTER
        )
        return rows[0][0] if rows else 0

    def enqueue(self, function, *arguments):
        code = (
            "from django_q.tasks import async_task;"
            f"async_task({function!r}, *{arguments!r}, cluster={CLUSTER!r})"
        )
        done = manage(self.data_dir, "shell", "--verbosity", "0", "-c", code)
        assert done.returncode == 0, done.stderr

    @property
    def main(self):
        (main,) = children(self.supervisor.pid)
        return main

    @property
    def sentinel(self):
        (sentinel,) = children(self.main)
        return sentinel

    @property
    def workers(self):
        # They are forked first; pusher and monitor come after them.
        return children(self.sentinel)[:WORKERS]


def children(pid):
    """Living children, oldest first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] not in "ZX":
            found.append((int(fields[19]), int(path.parent.name)))
    return [child for _, child in sorted(found)]


@pytest.fixture
def cluster(fresh_database, tmp_path):
    shutil.copy(fresh_database, tmp_path / "socialhub.sqlite3")
    cluster = Cluster(tmp_path)
    try:
        until(lambda: cluster.has_beaten(CLUSTER), 60, "first sign of life")
        yield cluster
    finally:
        cluster.supervisor.kill()
        cluster.supervisor.wait(10)
        processes.end_group(0, cluster.mark)


def busy_worker(cluster):
    """The id of a worker in the middle of a task."""
    note = cluster.data_dir / "busy"
    cluster.enqueue(
        "builtins.exec",
        f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text("
        "str(os.getpid())); time.sleep(60)",
    )
    return int(until(lambda: note.exists() and note.read_text(), 30, "a busy worker"))


VICTIMS = {
    # One of them holds the queue's read lock and takes it along.
    "idle workers": lambda cluster: cluster.workers,
    "a busy worker": lambda cluster: [busy_worker(cluster)],
    "the Sentinel": lambda cluster: [cluster.sentinel],
    "main": lambda cluster: [cluster.main],
}
#: A busy worker alone is replaced by the queue's own guard.
RESTARTS = {"idle workers", "the Sentinel", "main"}


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_enqueued_after_a_kill_runs_and_no_orphan_stays(cluster, victim):
    group = cluster.main
    assert len(cluster.workers) == WORKERS
    for pid in VICTIMS[victim](cluster):
        os.kill(pid, signal.SIGKILL)
    cluster.enqueue("monitoring.beat.beat", "probe")
    until(lambda: cluster.has_beaten("probe"), RECOVERS_WITHIN_S, "the task after it")
    if victim in RESTARTS:
        until(cluster.restarts, 30, "the note of the restart")
        assert cluster.restarts() == 1
        assert processes.in_group(group) == []
        assert cluster.main != group
    assert set(processes.marked(cluster.mark)) == {
        cluster.supervisor.pid,
        *processes.in_group(cluster.main),
    }


def test_a_stop_lets_running_work_end_and_leaves_nobody(cluster):
    note = cluster.data_dir / "ended"
    started = cluster.data_dir / "started"
    cluster.enqueue(
        "builtins.exec",
        "import os, pathlib, time\n"
        f"pathlib.Path({str(started)!r}).touch()\n"
        "end = time.monotonic() + 30\n"
        "stop = pathlib.Path(os.environ['SOCIALHUB_STOP_FILE'])\n"
        "while not stop.exists() and time.monotonic() < end: time.sleep(0.1)\n"
        f"stop.exists() and pathlib.Path({str(note)!r}).touch()\n",
    )
    until(started.exists, 30, "the start of the task")
    cluster.supervisor.send_signal(signal.SIGTERM)
    assert cluster.supervisor.wait(40) == 0
    assert note.exists(), "the task was told to stop and came to its end"
    assert processes.marked(cluster.mark) == []


def test_a_new_supervisor_ends_what_a_killed_one_left_behind(cluster):
    group = cluster.main
    cluster.supervisor.kill()
    cluster.supervisor.wait(10)
    assert group in processes.marked(cluster.mark), "it outlives its supervisor"
    cluster.start()
    until(lambda: group not in processes.marked(cluster.mark), 30, "end of the orphans")
    cluster.enqueue("monitoring.beat.beat", "probe")
    until(lambda: cluster.has_beaten("probe"), RECOVERS_WITHIN_S, "the task after it")
    assert processes.in_group(group) == []


def test_a_second_supervisor_of_the_same_cluster_is_refused_in_one_sentence(cluster):
    done = manage(cluster.data_dir, "cluster", CLUSTER)
    assert done.returncode == 1
    assert f"runs already on this host from {cluster.data_dir}" in done.stderr
    assert "Traceback" not in done.stderr
