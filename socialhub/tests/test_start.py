"""`make run`: what hinders it is one sentence; what it starts, it also stops."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from socialhub import processes, start
from socialhub.start import CannotStart, Setup

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 120
STOPS_WITHIN_S = 90


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """The environment of a fresh clone; what the start adds to ours is undone."""
    before = dict(os.environ)
    for name in before:
        if name.endswith(("_URL", "_KEY", "_KEYS", "_KEY_FILE", "_KEYS_FILE")):
            del os.environ[name]
    os.environ["SOCIALHUB_ENV_FILE"] = str(tmp_path / ".env")
    os.environ["DATA_DIR"] = str(tmp_path / "var")
    yield os.environ
    os.environ.clear()
    os.environ.update(before)


def test_a_first_start_makes_keys_and_a_second_one_keeps_them(environ, tmp_path):
    setup = start.read_setup(tmp_path / ".env")
    assert setup == Setup(
        8000, 8801, "127.0.0.1", tmp_path / "var", socket.gethostname()[:40]
    )
    made = environ["SECRET_KEY"], environ["CREDENTIAL_KEYS"]
    del environ["SECRET_KEY"], environ["CREDENTIAL_KEYS"]
    start.read_setup(tmp_path / ".env")
    assert (environ["SECRET_KEY"], environ["CREDENTIAL_KEYS"]) == made


def test_lost_keys_are_told_before_the_data_becomes_unreadable(environ, tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "socialhub.sqlite3").touch()
    with pytest.raises(CannotStart, match="put the former file back"):
        start.read_setup(tmp_path / ".env")
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("PORT=eighty\n", "PORT is 'eighty'; write a whole number from 1 to 65535."),
        ("PORT=8801\n", "PORT and PRACTICE_PORT are both 8801: give each its own."),
        ("nonsense here\n", "line 1: expected NAME=value"),
        ("PORT=70000\n", "PORT is '70000'"),
    ],
)
def test_a_broken_env_file_is_named(environ, tmp_path, text, words):
    (tmp_path / ".env").write_text(text)
    with pytest.raises(CannotStart) as caught:
        start.read_setup(tmp_path / ".env")
    assert words in str(caught.value)


def test_a_taken_port_is_named_with_a_free_one_to_try():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"Port {port} is in use.*make run PORT="):
            start.check_port("PORT", "127.0.0.1", port)
    start.check_port("PORT", "127.0.0.1", port)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    start.check_folder(tmp_path / "new" / "var")
    assert list((tmp_path / "new" / "var").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"data folder .* cannot be written"):
        start.check_folder(tmp_path / "file" / "var")


def run_house(commands, signals=(), greeter=None, grace_s=5.0):
    """Exit code and failure of a house with these shell commands.

    signals: sent to ourselves one after the other once everything runs.
    """
    house = start.House(commands, os.environ, grace_s)
    greeter = greeter or start.Greeter({}, "", "ready")
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    ended = threading.Event()

    def send():
        for count, number in enumerate(signals, 1):
            if ended.wait(0.5):
                return
            os.kill(os.getpid(), number)
            # Two of a kind that come before one is looked at are one.
            while house.asked < count and not ended.wait(0.05):
                pass

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return house.run(greeter), house
    finally:
        ended.set()
        sender.join()
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_every_process_and_is_no_failure(number):
    code, house = run_house({"a": "exec sleep 60", "b": "sleep 61 & wait"}, [number])
    assert (code, house.failure) == (0, "")
    for child in house._children.values():
        assert processes.in_group(child.pid) == []


def test_when_one_process_ends_all_are_stopped_and_the_cause_is_named(capsys):
    code, house = run_house({"a": "exec sleep 60", "b": "echo broken; exit 3"})
    assert code == 1
    assert house.failure.startswith("b ended by itself (exit code 3)")
    assert re.search(r"b \| broken", capsys.readouterr().out)
    assert processes.in_group(house._children["a"].pid) == []


def test_a_second_stop_does_not_wait_for_stubborn_work(monkeypatch):
    monkeypatch.setattr(start, "MARGIN_S", 0.5)
    stubborn = "trap '' TERM; while :; do sleep 0.1; done"
    code, house = run_house(
        {"a": stubborn}, [signal.SIGINT, signal.SIGINT], grace_s=3600
    )
    assert code == 0
    assert processes.in_group(house._children["a"].pid) == []


def test_pages_that_never_answer_stop_the_start(monkeypatch):
    monkeypatch.setattr(start, "READY_WITHIN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    greeter = start.Greeter({"sign-in page": f"http://127.0.0.1:{port}/"}, "x", "ready")
    code, house = run_house({"a": "exec sleep 60"}, greeter=greeter)
    assert code == 1
    assert "sign-in page at http://127.0.0.1" in house.failure
    assert not greeter.greeted


def test_an_old_python_is_refused_in_one_sentence_and_nothing_is_made(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements-dev.txt").touch()
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHONS={old} {tmp_path}/python-none"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    first, *rest = done.stderr.splitlines()
    assert first.startswith("SocialHub needs Python 3.11 or newer")
    assert all(line.startswith("make: ***") for line in rest)
    assert not (tmp_path / ".venv").exists()


class Running:
    """`python -m socialhub.start` in a session of its own, on free ports."""

    def __init__(self, folder):
        self.folder = folder
        self.port, self.practice_port = free_ports(2)
        keep = {
            name: value
            for name, value in os.environ.items()
            if not name.endswith(("_URL", "_KEY", "_KEYS"))
            and name != "DJANGO_SETTINGS_MODULE"
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "socialhub.start"],
            cwd=ROOT,
            env=keep
            | {
                "SOCIALHUB_ENV_FILE": str(folder / ".env"),
                "DATA_DIR": str(folder / "var"),
                "PORT": str(self.port),
                "PRACTICE_PORT": str(self.practice_port),
            },
            stdout=(folder / "out").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self):
        return (self.folder / "out").read_text()

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while "Ctrl-C stops everything" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def ours(self):
        """Ids of all processes of this start, whatever session they are in."""
        wanted = f"DATA_DIR={self.folder / 'var'}".encode()
        found = set()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if wanted in path.read_bytes().split(b"\0"):
                    found.add(int(path.parent.name))
            except OSError:
                continue
        return found

    def sessions(self):
        return {os.getsid(pid) for pid in self.ours()}


def free_ports(number):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def living_in(sessions):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) in sessions and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found


@pytest.mark.live
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_it_starts_everything_stops_everything_and_keeps_all_data(tmp_path):
    first = Running(tmp_path)
    try:
        first.wait_until_ready()
        assert re.search(
            r"First sign-in     user admin, password \S{12,}", first.output
        )
        page = f"http://127.0.0.1:{first.port}/sign-in/login/"
        assert urllib.request.urlopen(page, timeout=30).status == 200
        # the start, web, practice network, two supervisors, two clusters; web answers
        # before the supervisors have begun theirs
        end = time.monotonic() + 60
        while len(sessions := first.sessions()) < 7 and time.monotonic() < end:
            time.sleep(0.2)
        assert len(sessions) == 7
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(STOPS_WITHIN_S) == 0, first.output
        assert first.ours() == set()
        assert living_in(sessions) == []
    finally:
        kill(first)

    second = Running(tmp_path)
    try:
        second.wait_until_ready()
        assert "First sign-in" not in second.output
        assert "as before" in second.output
        sessions = second.sessions()
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(STOPS_WITHIN_S) == 0, second.output
        assert living_in(sessions) == []
    finally:
        kill(second)


def kill(running):
    running.process.kill()
    running.process.wait(10)
    for pid in running.ours():
        os.kill(pid, signal.SIGKILL)
