"""Runs a drill or benchmark in a child process whose settings are the sandbox's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ..sandbox import BASE_DIR, Sandbox, SandboxError


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def server_url(choice: str) -> str:
    """The database address for `--database`: "" is SQLite; "same" is as configured."""
    if choice == "sqlite":
        return ""
    config = settings.DATABASES["default"]
    if "postgresql" in config["ENGINE"]:
        user = config.get("USER") or ""
        secret = f":{config['PASSWORD']}" if config.get("PASSWORD") else ""
        at = f"{user}{secret}@" if user else ""
        host, port = config.get("HOST") or "127.0.0.1", config.get("PORT") or 5432
        return f"postgres://{at}{host}:{port}/{config['NAME']}"
    if choice == "same":
        return ""
    return os.environ.get(
        "TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
    )


class SandboxedCommand(BaseCommand):
    """`manage.py <drill|bench> NAME [options]`: sets the sandbox up, then runs itself in it.

    Subclasses give `parts`: name -> (prepare, inside). `prepare(sandbox, options)` starts
    what the part needs; `inside(options)` runs in the child and prints one JSON line.
    """

    word = ""
    parts: dict[str, Any] = {}

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(self.parts))
        parser.add_argument(
            "--database",
            choices=["same", "sqlite", "postgres"],
            default="same",
            help="which kind of database the sandbox uses (default: as configured)",
        )
        parser.add_argument("--keep-logs", metavar="DIR", help="copy the logs there")

    def handle(self, *args: Any, **options: Any) -> None:
        part = self.parts[options["name"]]
        # So that sandboxes end with us, whoever asks for it.
        signal.signal(signal.SIGTERM, _end)
        if os.environ.get("SOCIALHUB_SANDBOX"):
            part.inside(options)
            return
        with Sandbox(server_url(options["database"]), part.extra_env(options)) as box:
            try:
                say(f"{self.word} {options['name']} on {box.database_kind}")
                part.prepare(box, options)
                code = _run([sys.executable, *sys.argv], box.env)
            except SandboxError as exc:
                raise CommandError(str(exc)) from exc
            finally:
                if options["keep_logs"]:
                    keep_logs(box, options["keep_logs"])
        if code:
            raise SystemExit(code)


def _end(number: int, frame: object) -> None:
    """Once: a second signal must not break the tidying off."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _run(argv: list[str], env: dict[str, str]) -> int:
    """To its end; asked to end when we are, as it may have sandboxes of its own."""
    with subprocess.Popen(argv, env=env, cwd=BASE_DIR) as child:  # noqa: S603
        try:
            return child.wait()
        except BaseException:
            child.terminate()
            raise


def keep_logs(box: Sandbox, folder: str) -> None:
    """Copy the logs of a sandbox before it goes."""
    import shutil
    from pathlib import Path

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for log in box.dir.glob("*.log"):
        shutil.copy(log, target / log.name)


def run_again(box: Sandbox, log: str, extra: Mapping[str, str]) -> dict[str, Any]:
    """This very command in another sandbox; what its last line says.

    log: the part of the sandbox whose last lines are told when it fails.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, *sys.argv],
        env={**box.env, **extra},
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SandboxError(f"{dict(extra)} failed:\n{box.log(log)}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


class Part:
    """One drill or benchmark. account_count: how many, unless `--accounts` says otherwise."""

    account_count = 100

    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        return {}

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        raise NotImplementedError

    def inside(self, options: dict[str, Any]) -> None:
        raise NotImplementedError
