"""Tables and files that one process of a test run has made and the others copy.

A test run fills two dozen databases: of its sandboxes, and of pytest's workers. To
migrate each of them from zero costs seconds of a core, as it does to compress the files
of pages; the first one does, and what it has made is kept for the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

#: Names the folder of the run; without it every database is migrated.
FOLDER = "SOCIALHUB_READY_TABLES"
#: What is kept: the tables as migrations leave them, and those that a sandbox starts with.
MIGRATED, STARTED = "migrated", "started"
STATIC = "static"


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
                    for kind in (MIGRATED, STARTED):
                        name = _kept_name(folder, kind)
                        server.execute(f'DROP DATABASE IF EXISTS "{name}"')


def fill(url: str, make: Callable[[], None], kind: str = STARTED) -> None:
    """Give a database its tables: a copy, or what `make` makes of it.

    On PostgreSQL nobody may be connected to it, not even whoever has made it.
    """
    folder = os.environ.get(FOLDER, "")
    if not folder:
        make()
        return
    sqlite = url.startswith("sqlite")
    copy = _copy_sqlite if sqlite else _copy_postgres
    # One database of a kind waits for another one only on the same server.
    name = f"{kind}-{'sqlite' if sqlite else 'postgres'}"
    with (Path(folder) / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy(url, folder, kind, back=True):
            make()
            copy(url, folder, kind, back=False)


def fill_folder(own: Path, make: Callable[[], None], kind: str = STATIC) -> None:
    """Give a folder its files: a copy, or what `make` makes of it."""
    folder = os.environ.get(FOLDER, "")
    if not folder:
        make()
        return
    ready = Path(folder) / kind
    with (Path(folder) / f"{kind}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            make()
            shutil.copytree(own, ready)
            return
    shutil.copytree(ready, own, dirs_exist_ok=True)


def _copy_sqlite(url: str, folder: str, kind: str, *, back: bool) -> bool:
    """Between the database and the folder; False when the folder has none."""
    own, ready = url.removeprefix("sqlite:///"), str(Path(folder) / f"{kind}.sqlite3")
    if back and not Path(ready).exists():
        return False
    source, target = (ready, own) if back else (own, ready)
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
    return True


def _copy_postgres(url: str, folder: str, kind: str, *, back: bool) -> bool:
    """Between the database and one beside it; False when there is none."""
    own, ready = urlsplit(url).path.lstrip("/"), _kept_name(folder, kind)
    with _server(url) as server:
        found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [ready])
        if back and not found.fetchone():
            return False
        if back:
            server.execute(f'DROP DATABASE IF EXISTS "{own}"')
        source, target = (ready, own) if back else (own, ready)
        server.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
    return True


def _kept_name(folder: str, kind: str) -> str:
    return f"{Path(folder).name}_{kind}".replace("-", "_").lower()


@contextlib.contextmanager
def _server(url: str) -> Iterator[Any]:
    import psycopg

    server = urlunsplit(urlsplit(url)._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        yield connection
