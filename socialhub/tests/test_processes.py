"""Processes are found by what they were started with, and by who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from publishing.crash_points import POINTS, crash_point
from socialhub import processes
from socialhub.sandbox import wait_for

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")

#: Starts a child of its own and says its number.
PARENT = (
    "import subprocess, sys; child = subprocess.Popen(['sleep', '60']);"
    "print(child.pid, flush=True); child.wait()"
)


@pytest.fixture
def mark() -> Iterator[str]:
    mark = uuid.uuid4().hex
    yield mark
    processes.end_bearing("TEST_MARK", mark)


@pytest.fixture
def family(mark: str) -> Iterator[tuple[int, int]]:
    """(parent, child) that bear the mark."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "TEST_MARK": mark},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    yield parent.pid, int(parent.stdout.readline())
    parent.kill()
    parent.wait(5)
    parent.stdout.close()


def test_children_and_descendants_are_told(family):
    parent, child = family
    assert processes.children(parent) == [child]
    assert {parent, child} <= set(processes.descendants(os.getpid()))


def test_an_orphan_is_found_by_what_it_was_started_with(family, mark):
    parent, child = family
    os.kill(parent, signal.SIGKILL)
    wait_for(lambda: processes.is_hit(parent), 5, name="the parent's end")
    assert processes.bearing(["TEST_MARK"], mark) == [child]
    assert processes.end_bearing("TEST_MARK", mark) == []
    assert processes.is_hit(child)


def test_a_stopped_process_is_told_from_a_running_one(family):
    _, child = family
    assert not processes.is_hit(child)
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: processes.is_hit(child), 5, name="a stop")


def test_an_order_is_obeyed_once_and_tells_by_whom(tmp_path, monkeypatch):
    hit: list[int] = []
    monkeypatch.setenv("SOCIALHUB_CRASH_ORDERS", str(tmp_path))
    monkeypatch.setattr(os, "kill", lambda pid, number: hit.append(number))
    (tmp_path / "before_send").write_text("19")
    for point in POINTS:
        crash_point(point)
        crash_point(point)
    assert hit == [19]
    assert [path.name for path in tmp_path.iterdir()] == [f"before_send-{os.getpid()}"]


def test_who_gives_way_stands_back_by_so_much():
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os; from socialhub import processes; os.setsid();"
            "before = os.nice(0); processes.give_way(0); processes.give_way(2);"
            "print(os.nice(0) - before if before < 18 else 2)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "2"
