"""`make run`: check, prepare, start all of the Procfile, stop it without a trace.

Whatever hinders the start is one sentence that names cause and cure.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from honcho.environ import parse_procfile
from honcho.printer import Message, Printer
from honcho.process import Popen

from . import make_env, processes
from .env import Env, SettingError
from .supervisor import AlreadyRunning, only_one

BASE_DIR = Path(__file__).resolve().parent.parent
#: The sign-in page must answer within so many seconds of the start.
READY_WITHIN_S = 90.0
#: Time for web and practice network beside the clusters' own grace.
MARGIN_S = 10.0
CLUSTERS = ("publish", "monitor")
COLOURS = {"web": "36", "publish": "32", "monitor": "33", "practice": "35"}


class CannotStart(Exception):
    """One sentence: what is wrong, and what to do."""


@dataclass(frozen=True)
class Setup:
    """What the start must know before Django is asked."""

    port: int
    practice_port: int
    bind: str
    data_dir: Path
    host: str

    @property
    def address(self) -> str:
        """Where this machine reaches the app."""
        host = "127.0.0.1" if self.bind in {"", "0.0.0.0"} else self.bind  # noqa: S104
        return f"http://{host}:{self.port}"

    @property
    def mark(self) -> str:
        return f"house:{self.data_dir}"

    @property
    def marks(self) -> list[str]:
        """Of all processes that this start is to end, the clusters' too."""
        clusters = [
            processes.cluster_mark(name, self.host, self.data_dir) for name in CLUSTERS
        ]
        return [self.mark, *clusters]


def read_setup(env_file: Path) -> Setup:
    """Read `.env` into the environment; make the keys that a first start lacks."""
    try:
        env = Env(env_file)
        data_dir = (BASE_DIR / Path(env.text("DATA_DIR", "var")).expanduser()).resolve()
        if not all(has_value(name) for name in ("SECRET_KEY", "CREDENTIAL_KEYS")):
            add_keys(env_file, data_dir)
            env = Env(env_file)
        setup = Setup(
            port=env.number("PORT", 8000, low=1, high=65535),
            practice_port=env.number("PRACTICE_PORT", 8801, low=1, high=65535),
            bind=env.text("BIND", "127.0.0.1"),
            data_dir=data_dir,
            host=env.host("HOST_NAME"),
        )
    except SettingError as exc:
        raise CannotStart(str(exc)) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise CannotStart(
            f"{env_file} cannot be read or written ({exc}): make the file and its "
            "folder writable."
        ) from exc
    if setup.port == setup.practice_port:
        raise CannotStart(
            f"PORT and PRACTICE_PORT are both {setup.port}: give each its own."
        )
    return setup


def has_value(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def add_keys(env_file: Path, data_dir: Path) -> None:
    database = data_dir / "socialhub.sqlite3"
    if database.exists() and not has_value("CREDENTIAL_KEYS"):
        raise CannotStart(
            f"{database} exists, but the CREDENTIAL_KEYS that its secrets were "
            f"encrypted with are not in {env_file}: put the former file back, or move "
            f"{data_dir} away to start afresh."
        )
    if make_env.make_env(env_file):
        say(f"Made fresh keys in {env_file}; keep a copy of that file.")


def check_folder(folder: Path) -> None:
    try:
        # Password hashes, sessions and mails with invitations lie in it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
    except OSError as exc:
        raise CannotStart(
            f"The data folder {folder} cannot be written ({exc.strerror}): make it "
            "writable, or set DATA_DIR to another folder."
        ) from exc


def check_port(name: str, host: str, port: int) -> None:
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the servers do: a port that only waits for old connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                other = port + 1000 if port < 60000 else port - 1000
                raise CannotStart(
                    f"Port {port} is in use by another program: stop that program, "
                    f"or choose another port, as in `make run {name}={other}`."
                ) from exc
            raise CannotStart(
                f"Port {port} on {host} cannot be opened ({exc.strerror or exc}): "
                f"set {name} to a port of 1024 or more, or mend BIND."
            ) from exc


def prepare() -> dict[str, Any]:
    """Run `manage.py first_run`; its answer, or CannotStart with its sentence."""
    done = subprocess.run(
        [sys.executable, "manage.py", "first_run", "--json"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        if "Traceback" in done.stderr:
            sys.stderr.write(done.stderr)
            raise CannotStart("Preparing the database failed as shown above.")
        words = done.stderr.strip().splitlines() or ["first_run failed."]
        raise CannotStart(
            words[-1].removeprefix("CommandError: ").removeprefix("Setting error: ")
        )
    sys.stderr.write(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


class House:
    """Everything of the Procfile, side by side; when one ends, all are stopped."""

    def __init__(
        self,
        commands: Mapping[str, str],
        environment: Mapping[str, str],
        grace_s: float,
    ) -> None:
        self.commands = commands
        self.environment = dict(environment)
        self.grace_s = grace_s
        #: how often we were told to stop; the second time means at once
        self.asked = 0
        #: why all was stopped although nobody asked
        self.failure = ""
        self._children: dict[str, Popen] = {}
        self._lines: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._printer = Printer(sys.stdout, width=max(map(len, commands)))

    def run(self, watch: Greeter) -> int:
        """0 when it was stopped as asked."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)
        for name, command in self.commands.items():
            self._start(name, command)
        watch.start()
        while not self.asked and not self.failure:
            self._print(0.2)
            for name, child in self._children.items():
                if child.poll() is not None and not self.failure:
                    self.failure = (
                        f"{name} ended by itself (exit code {child.returncode}); its "
                        "last lines above say why. Everything was stopped."
                    )
            self.failure = self.failure or watch.failure
        watch.end()
        self._stop()
        return 1 if self.failure else 0

    def _ask(self, number: int, frame: object) -> None:
        self.asked += 1

    def _start(self, name: str, command: str) -> None:
        child = Popen(command, env=self.environment, cwd=BASE_DIR)
        self._children[name] = child

        def read() -> None:
            for line in child.stdout:
                self._lines.put(
                    Message("line", line, datetime.now(), name, COLOURS.get(name))
                )

        # A daemon: a grandchild that outlives its parent may hold the pipe open.
        threading.Thread(target=read, name=f"lines-{name}", daemon=True).start()

    def _print(self, wait_s: float) -> None:
        """Print the lines that are there; wait so long for the first."""
        try:
            self._printer.write(self._lines.get(timeout=wait_s))
            while True:
                self._printer.write(self._lines.get_nowait())
        except queue.Empty:
            return

    def _stop(self) -> None:
        say("Stopping: running work is ended first. Ctrl-C again stops at once.")
        hurried = False
        deadline = time.monotonic() + self.grace_s + MARGIN_S
        self._signal(signal.SIGTERM)
        while any(child.poll() is None for child in self._children.values()):
            self._print(0.1)
            if self.asked > 1 and not hurried:
                hurried = True
                deadline = min(deadline, time.monotonic() + MARGIN_S)
                self._signal(signal.SIGTERM)
            if time.monotonic() > deadline:
                self._signal(signal.SIGKILL)
        self._print(0.1)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children.values():
            if child.poll() is None:
                # Each began a session of its own, so its id is its group's.
                os.killpg(child.pid, number)


class Greeter(threading.Thread):
    """Waits until the pages answer, then says where they are."""

    def __init__(self, pages: Mapping[str, str], host: str, words: str) -> None:
        """pages: name -> address that must answer; host: the Host header to send."""
        super().__init__(name="greeter", daemon=True)
        self.pages = pages
        self.host = host
        self.words = words
        self.failure = ""
        self.greeted = False
        self._ended = threading.Event()

    def end(self) -> None:
        self._ended.set()

    def run(self) -> None:
        began = time.monotonic()
        waiting = dict(self.pages)
        trouble = ""
        while waiting and not self._ended.wait(0.1):
            name, address = next(iter(waiting.items()))
            trouble = self._ask(address)
            if not trouble:
                del waiting[name]
            elif time.monotonic() - began > READY_WITHIN_S:
                self.failure = (
                    f"The {name} at {address} did not answer within "
                    f"{READY_WITHIN_S:.0f} s ({trouble}). Everything was stopped."
                )
                return
        if not waiting:
            self.greeted = True
            say(self.words)

    def _ask(self, address: str) -> str:
        """What is wrong with the answer; "" when it is a page."""
        request = urllib.request.Request(address, headers={"Host": self.host})  # noqa: S310
        # No proxy: these pages are on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10):
                return ""
        except urllib.error.HTTPError as exc:
            return f"HTTP {exc.code}"
        except OSError as exc:
            return str(exc)


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def greeting(site: str, practice: str, answer: Mapping[str, Any]) -> str:
    if answer["password"]:
        sign_in = (
            f"user {answer['user']}, password {answer['password']}"
            "  (shown only this once)"
        )
    else:
        sign_in = (
            "as before  (forgotten? .venv/bin/python manage.py changepassword "
            f"{answer['user']})"
        )
    return (
        "\n"
        "  SocialHub is running.\n\n"
        f"    Address           {site}\n"
        f"    {'First sign-in' if answer['password'] else 'Sign-in      '}"
        f"     {sign_in}\n"
        f"    Practice network  {practice}\n"
        "    Stop              Ctrl-C stops everything\n"
    )


def keep_house(setup: Setup) -> int:
    if processes.marked(setup.mark):
        say("Ending what an earlier start had left behind.")
        processes.end_group(0, setup.mark)
    check_port("PORT", setup.bind, setup.port)
    check_port("PRACTICE_PORT", "127.0.0.1", setup.practice_port)
    os.environ["SITE_URL"] = site = os.environ.get("SITE_URL") or setup.address
    os.environ["PRACTICE_NETWORK_URL"] = practice = (
        os.environ.get("PRACTICE_NETWORK_URL")
        or f"http://127.0.0.1:{setup.practice_port}"
    )
    say("Preparing the database and files ...")
    answer = prepare()
    environment = {
        **os.environ,
        "PORT": str(setup.port),
        "PRACTICE_PORT": str(setup.practice_port),
        "BIND": setup.bind,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        processes.MARK: setup.mark,
    }
    commands = parse_procfile((BASE_DIR / "Procfile").read_text(encoding="utf-8"))
    house = House(commands.processes, environment, answer["grace_s"])
    pages = {
        "sign-in page": setup.address + answer["sign_in_path"],
        "practice network": f"http://127.0.0.1:{setup.practice_port}/",
    }
    greeter = Greeter(pages, urlsplit(site).netloc, greeting(site, practice, answer))
    code = house.run(greeter)
    for mark in setup.marks:
        if left := processes.end_group(0, mark):
            house.failure += f" These processes cannot be killed: {left}."
            code = 1
    if house.failure:
        sys.stderr.write(f"{house.failure.strip()}\n")
        if answer["password"] and not greeter.greeted:
            say(
                f"The first sign-in is user {answer['user']}, password "
                f"{answer['password']} (shown only this once)."
            )
    else:
        say("Everything is stopped; all data is kept.")
    return code


def main() -> int:
    os.chdir(BASE_DIR)
    # Until the house stands, SIGTERM and a closed terminal are as good as Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        setup = read_setup(make_env.env_path())
        check_folder(setup.data_dir)
        os.environ["DATA_DIR"] = str(setup.data_dir)
        with only_one(setup.data_dir / "run" / "house.lock"):
            return keep_house(setup)
    except AlreadyRunning as exc:
        sys.stderr.write(
            f"SocialHub runs already from {setup.data_dir} ({exc}): use that one, or "
            "stop it with Ctrl-C first.\n"
        )
        return 2
    except CannotStart as exc:
        sys.stderr.write(f"SocialHub cannot start. {exc}\n")
        return 2
    except KeyboardInterrupt:
        say("Stopped before it had started.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
