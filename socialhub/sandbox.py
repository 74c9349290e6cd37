"""A world of its own for drills, benchmarks and live tests: database, files, ports.

Everything lies in one temporary folder and ends with it. Only processes that were
started here are ended, by the process groups that were made for them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from cryptography.fernet import Fernet

from . import processes, ready_tables

BASE_DIR = Path(__file__).resolve().parent.parent
NODE_DIR = BASE_DIR / "tests" / "node"
#: Names the part of a sandbox that a process and its children belong to.
PART = "SOCIALHUB_SANDBOX_PART"
#: What its processes know of ours; a drill may make further sandboxes in one.
INHERITED = {
    *("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "REDIS_URL"),
    ready_tables.FOLDER,
}


class SandboxError(Exception):
    """Something did not start; the message says what and shows its last lines."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def bluesky_installed() -> bool:
    return (NODE_DIR / "node_modules" / "@atproto" / "dev-env").is_dir() and bool(
        shutil.which("node")
    )


def wait_for(
    what: Callable[[], Any], seconds: float, *, name: str, every: float = 0.1
) -> Any:
    """The first true answer of `what`; SandboxError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        if answer := what():
            return answer
        if time.monotonic() > end:
            raise SandboxError(f"{name} did not come about within {seconds:g} s")
        time.sleep(every)


class Sandbox:
    """Use as a context manager; `env` is what its processes run with.

    database_url: "" for SQLite in the sandbox; a postgres:// address names the server,
    on which a database of its own is made and dropped again.
    """

    def __init__(
        self, database_url: str = "", extra: Mapping[str, str] | None = None
    ) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="socialhub-sandbox-"))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.practice_port = free_port()
        self.practice_url = f"http://127.0.0.1:{self.practice_port}"
        self._server_url = ""
        self._database = ""
        if database_url.startswith("postgres"):
            database_url = self._create_database(database_url)
        self.database_kind = "postgresql" if database_url else "sqlite"
        inherited = {k: v for k, v in os.environ.items() if k in INHERITED}
        self.env: dict[str, str] = {
            **inherited,
            "PYTHONPATH": str(BASE_DIR),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "socialhub.settings",
            "SOCIALHUB_ENV_FILE": str(self.dir / "none"),
            "SOCIALHUB_SANDBOX": str(self.dir),
            "SECRET_KEY": uuid.uuid4().hex * 2,
            "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
            "DATA_DIR": str(self.dir),
            "DATABASE_URL": database_url
            or f"sqlite:///{self.dir / 'socialhub.sqlite3'}",
            "PRACTICE_NETWORK_URL": self.practice_url,
            "SITE_URL": "http://testserver",
            "DEBUG": "true",
            "LOG_LEVEL": "WARNING",
            **(extra or {}),
        }
        if self.env.get("REDIS_URL"):
            self.env["REDIS_PREFIX"] = f"sandbox-{uuid.uuid4().hex}"

    # -- databases

    def _create_database(self, url: str) -> str:
        import psycopg

        parts = urlsplit(url)
        self._server_url = urlunsplit(parts._replace(path="/postgres"))
        self._database = f"socialhub_sandbox_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._server_url, autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{self._database}"')
        return urlunsplit(parts._replace(path=f"/{self._database}"))

    def _drop_database(self) -> None:
        if not self._database:
            return
        import psycopg

        with psycopg.connect(self._server_url, autocommit=True) as db:
            db.execute(f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)')

    def _empty_redis(self) -> None:
        """Take our own keys away; whoever else uses that Redis keeps theirs."""
        if not self.env.get("REDIS_URL"):
            return
        import redis

        with contextlib.closing(redis.Redis.from_url(self.env["REDIS_URL"])) as server:
            for key in server.scan_iter(f"{self.env['REDIS_PREFIX']}:*"):
                server.delete(key)

    # -- processes

    def run(self, *argv: str) -> None:
        """A command to its end; SandboxError with its last lines when it fails."""
        done = subprocess.run(  # noqa: S603
            argv, env=self.env, cwd=BASE_DIR, capture_output=True, timeout=300
        )
        if done.returncode:
            tail = (done.stdout + done.stderr).decode(errors="replace")[-3000:]
            raise SandboxError(f"{' '.join(argv)} failed:\n{tail}")

    def manage(self, *argv: str) -> None:
        self.run(sys.executable, "manage.py", *argv)

    def spawn(
        self, name: str, *argv: str, extra: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own; its output goes to NAME.log."""
        with (self.dir / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                argv,
                env={**self.env, PART: name, **(extra or {})},
                cwd=BASE_DIR,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def log(self, name: str, size: int = 3000) -> str:
        path = self.dir / f"{name}.log"
        return path.read_text(errors="replace")[-size:] if path.exists() else ""

    def stop(self, name: str, grace_s: float = 25) -> None:
        """SIGTERM to the process, then SIGKILL to its group."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    # -- the parts of a running SocialHub

    def migrate(self) -> None:
        """Tables and schedules, copied where this run has made them already."""

        url = self.env["DATABASE_URL"]

        def migrate() -> None:
            self.manage("migrate", "--verbosity", "0")

        def make() -> None:
            ready_tables.fill(url, migrate, ready_tables.MIGRATED)
            self.manage("make_schedules")

        ready_tables.fill(url, make)

    def collect_static(self) -> None:
        """The files of pages, copied where this run has collected them already."""
        ready_tables.fill_folder(
            self.dir / "static",
            lambda: self.manage("collectstatic", "--noinput", "--verbosity", "0"),
        )

    def start_practice(self) -> None:
        self.spawn(
            "practice",
            sys.executable,
            "-m",
            "platforms.practice",
            "--port",
            str(self.practice_port),
            "--data",
            str(self.dir),
        )
        self._wait_http("practice", f"{self.practice_url}/healthz")

    def start_clusters(self, names: Sequence[str] = ("publish", "monitor")) -> None:
        for name in names:
            self.spawn(f"cluster-{name}", sys.executable, "manage.py", "cluster", name)

    def start_web(self) -> str:
        """The web server on a port of its own; returns its address."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.env["SITE_URL"] = url
        self.spawn(
            "web",
            sys.executable,
            "-m",
            "gunicorn",
            "socialhub.wsgi:application",
            "--bind",
            f"127.0.0.1:{port}",
            "--threads",
            "4",
            "--worker-class",
            "gthread",
            "--no-control-socket",
        )
        self._wait_http("web", f"{url}/healthz")
        return url

    def start_bluesky(self) -> dict[str, str]:
        """The official Bluesky server; returns {"pds": url, "plc": url}."""
        self.spawn("bluesky", "node", str(NODE_DIR / "bluesky-server.mjs"))

        def address() -> dict[str, str] | None:
            for line in self.log("bluesky").splitlines():
                if line.startswith("{"):
                    found: dict[str, str] = json.loads(line)
                    return found
            if self.processes["bluesky"].poll() is not None:
                raise SandboxError(f"bluesky ended:\n{self.log('bluesky')}")
            return None

        found: dict[str, str] = wait_for(address, 60, name="the Bluesky server")
        return found

    def _wait_http(self, name: str, url: str) -> None:
        def answers() -> bool:
            if self.processes[name].poll() is not None:
                raise SandboxError(f"{name} ended:\n{self.log(name)}")
            try:
                return requests.get(url, timeout=2).ok
            except requests.RequestException:
                return False

        try:
            wait_for(answers, 40, name=name)
        except SandboxError as exc:
            raise SandboxError(f"{exc}\n{self.log(name)}") from exc

    # -- the end

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for name in reversed(list(self.processes)):
            self.stop(name)
        # What a process that was killed left behind; all of ours bear this name.
        processes.end_bearing("SOCIALHUB_SANDBOX", str(self.dir))
        self._drop_database()
        self._empty_redis()
        shutil.rmtree(self.dir, ignore_errors=True)
