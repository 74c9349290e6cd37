"""Tables that one sandbox of a test run has made and the others copy.

A test run starts a dozen sandboxes on each database. To migrate each of them from zero
costs seconds of a core; the first one does, and what it has made is kept for the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

#: Names the folder of the run; without it every sandbox migrates.
FOLDER = "SOCIALHUB_READY_TABLES"


@contextlib.contextmanager
def kept(*server_urls: str) -> Iterator[dict[str, str]]:
    """The environment of processes that share what they make; it goes at the end.

    server_urls: the PostgreSQL servers on which a database may have been kept.
    """
    with tempfile.TemporaryDirectory(prefix="socialhub-tables-") as folder:
        try:
            yield {FOLDER: folder}
        finally:
            for url in server_urls:
                with _server(url) as server:
                    server.execute(f'DROP DATABASE IF EXISTS "{_kept_name(folder)}"')


def fill(url: str, make: Callable[[], None]) -> None:
    """Give an empty database its tables: a copy, or what `make` makes of it."""
    folder = os.environ.get(FOLDER, "")
    if not folder:
        make()
        return
    copy = _copy_sqlite if url.startswith("sqlite") else _copy_postgres
    with (Path(folder) / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy(url, folder, back=True):
            make()
            copy(url, folder, back=False)


def _copy_sqlite(url: str, folder: str, *, back: bool) -> bool:
    """Between the database and the folder; False when the folder has none."""
    own, ready = url.removeprefix("sqlite:///"), str(Path(folder) / "ready.sqlite3")
    if back and not Path(ready).exists():
        return False
    source, target = (ready, own) if back else (own, ready)
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
    return True


def _copy_postgres(url: str, folder: str, *, back: bool) -> bool:
    """Between the database and one beside it; False when there is none."""
    own, ready = urlsplit(url).path.lstrip("/"), _kept_name(folder)
    with _server(url) as server:
        found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [ready])
        if back and not found.fetchone():
            return False
        if back:
            server.execute(f'DROP DATABASE "{own}"')
        source, target = (ready, own) if back else (own, ready)
        server.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
    return True


def _kept_name(folder: str) -> str:
    return Path(folder).name.replace("-", "_").lower()


@contextlib.contextmanager
def _server(url: str) -> Iterator[Any]:
    import psycopg

    server = urlunsplit(urlsplit(url)._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        yield connection
