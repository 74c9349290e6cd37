"""Does the pump that holds a lease still live?

A lease that ran out proves nothing: its owner may only stand still (a stopped process, a
frozen machine) and send when it goes on. So a pump holds locks that the system drops at
its death and not at a stop: `flock` on a file for those who share its data folder, and
a session advisory lock for other hosts on the same PostgreSQL.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

#: Files of pumps that died so long ago are thrown away.
KEEP_S = 24 * 3600


class Life(Enum):
    """What can be told of a pump.

    GONE is certain: what it held may be taken at once. UNSEEN: its lock in the database
    is not there, so it died on another host, or has lost its connection for a moment.
    UNKNOWN: only its lease tells.
    """

    LIVES = "lives"
    GONE = "gone"
    UNSEEN = "unseen"
    UNKNOWN = "unknown"


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "run" / "pumps"


def _key(pump_id: str) -> int:
    """The pump's number among PostgreSQL's advisory locks (63 bits)."""
    return int(pump_id[:16], 16) >> 1


class Holder:
    """The locks of one living pump."""

    def __init__(self, pump_id: str) -> None:
        self.pump_id = pump_id
        self.path = _folder() / pump_id
        self.clean = False
        self._locked_on: Any = None

    def renew(self) -> None:
        """Take the database's lock again after a lost connection."""
        if connection.vendor != "postgresql":
            return
        connection.ensure_connection()
        if self._locked_on is connection.connection:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_key(self.pump_id)])
        self._locked_on = connection.connection

    def release(self) -> None:
        """Give the database's lock back, if its connection still stands."""
        if self._locked_on is None or self._locked_on is not connection.connection:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_key(self.pump_id)])


@contextmanager
def hold(pump_id: str) -> Iterator[Holder]:
    """Be alive. Without `clean` at the end the file stays, as proof of the death."""
    holder = Holder(pump_id)
    holder.path.parent.mkdir(parents=True, exist_ok=True)
    with holder.path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield holder
        if holder.clean:
            holder.path.unlink(missing_ok=True)


def lives(pump_id: str) -> Life:
    """Look whether this pump's locks stand."""
    try:
        with (_folder() / pump_id).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Life.LIVES
            return Life.GONE
    except OSError:
        pass  # not of this data folder: another host's, or from an orderly end
    if connection.vendor != "postgresql":
        return Life.UNKNOWN
    return Life.LIVES if _is_locked(_key(pump_id)) else Life.UNSEEN


def _is_locked(key: int) -> bool:
    # objsubid 1: a key of 64 bits, in two halves.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND objsubid = 1 AND classid = %s AND objid = %s AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            [key >> 32, key & 0xFFFFFFFF],
        )
        return cursor.fetchone() is not None


def free_lanes(lanes: Iterable[int]) -> set[int]:
    """Keep other pumps out of these lanes until the transaction ends; those we got.

    SQLite has one writer at a time, so all of them are ours there.
    """
    wanted = {lane for lane in lanes if lane}
    if connection.vendor != "postgresql" or not wanted:
        return wanted
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lane FROM unnest(%s::bigint[]) AS lane"
            " WHERE pg_try_advisory_xact_lock(7401, (lane %% 2147483647)::int)",
            [sorted(wanted)],
        )
        return {int(row[0]) for row in cursor.fetchall()}


def tidy() -> None:
    """Throw the files of pumps away that died long ago."""
    for path in _folder().glob("*"):
        if lives(path.name) == Life.GONE:
            if time.time() - path.stat().st_mtime > KEEP_S:
                path.unlink(missing_ok=True)
