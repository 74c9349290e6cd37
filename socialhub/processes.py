"""The process table: find and end what belongs to one run, also after its head died.

Plain Python, no Django: the start-up uses it before settings are known to be good.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

#: Children inherit it; its value says which run they belong to.
MARK = "SOCIALHUB_MARK"
#: The same for a cluster and its supervisor, which keep the run's own mark beside it.
CLUSTER_MARK = "SOCIALHUB_CLUSTER_MARK"
_PROC = Path("/proc")


def cluster_mark(cluster: str, host: str, data_dir: Path) -> str:
    """The mark of a cluster's processes. With the host's name, because hosts may share
    both a folder and a process table, as containers can."""
    return f"{cluster}@{host}:{data_dir}"


def marked(mark: str) -> list[int]:
    """Ids of this machine's living processes with this mark, except our own.

    A process that was forked keeps its parent's mark, so this finds orphans whose
    group leader is gone. Empty where there is no /proc (macOS).
    """
    return bearing([MARK, CLUSTER_MARK], mark)


def bearing(names: Collection[str], value: str) -> list[int]:
    """The same for any variables that processes were started with."""
    wanted = {f"{name}={value}".encode() for name in names}
    found = []
    for pid in _all_pids():
        if pid == os.getpid():
            continue
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue  # ended meanwhile, or somebody else's
        if not wanted.isdisjoint(environment.split(b"\0")):
            found.append(pid)
    return found


def in_group(group: int) -> list[int]:
    """Ids of the living processes of a process group. Empty without /proc."""
    return [pid for pid in _all_pids() if _stat(pid).group == group]


def children(parent: int) -> list[int]:
    """Ids of the living processes that a process started itself, oldest first."""
    found = [(_stat(pid), pid) for pid in _all_pids()]
    ours = sorted((stat.started, pid) for stat, pid in found if stat.parent == parent)
    return [pid for _, pid in ours]


def descendants(parent: int) -> list[int]:
    """The same with their children, and so on."""
    found: list[int] = []
    for pid in children(parent):
        found += [pid, *descendants(pid)]
    return found


def end_group(group: int, mark: str, *, within_s: float = 10) -> list[int]:
    """SIGKILL a group and everything with the mark; returns who is still there.

    Somebody may remain only while the system holds them in an uninterruptible wait.
    """
    deadline = time.monotonic() + within_s
    while True:
        if group:
            # Nobody is left, or only what is already dead.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        for pid in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        left = sorted({*marked(mark), *(in_group(group) if group else [])})
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def end_bearing(name: str, value: str, *, within_s: float = 10) -> list[int]:
    """SIGKILL all that were started with this variable; returns who is still there."""
    deadline = time.monotonic() + within_s
    while left := bearing([name], value):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return left


def _all_pids() -> list[int]:
    if not _PROC.is_dir():
        return []
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def is_hit(pid: int) -> bool:
    """Whether a process is dead, or stands still because of a signal."""
    return _stat(pid).state in ("", "T")


class _Stat(NamedTuple):
    #: "" when it is gone or a zombie; T: stopped
    state: str
    parent: int
    group: int
    #: clock ticks since the machine started
    started: int


def _stat(pid: int) -> _Stat:
    """Zeros when the process is gone or a zombie."""
    nobody = _Stat("", 0, 0, 0)
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return nobody
    # The name in parentheses may hold anything, spaces and parentheses too.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return nobody
    return _Stat(fields[0], int(fields[1]), int(fields[2]), int(fields[19]))


def give_way(nice: int) -> None:
    """Let others of this machine have the processor first; 0: not. After `setsid`.

    Where Linux shares the processor among sessions, a process's own number counts among
    those of its session only, and the session has one as well (sched(7), "autogroup").
    """
    if not nice:
        return
    os.nice(nice)
    with suppress(
        OSError
    ):  # the session is new: what we inherited is not in its number
        Path("/proc/self/autogroup").write_text(str(nice))
