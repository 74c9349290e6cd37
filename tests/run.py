"""The whole test run: every tier that this machine can run, on every database it has.

Two lanes run side by side: tests that work, and tests that mostly wait (for processes,
browsers, leases that end). Prints at the end how long each part took, and what it could
not run and what that would need. With REQUIRE_ALL=1 (as in CI) anything missing is a
failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from socialhub import ready_tables
from tests import needs

ROOT = Path(__file__).resolve().parent.parent
LIVE_MARKS = ("live", "browser", "bluesky_server")
LIVE = " or ".join(LIVE_MARKS)
#: A file's tests share what it has started. Three files at once wait side by side on
#: two cores.
WAITING = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
#: The long ones among them come first, by their measured lengths, so that none is left
#: over at the end (the root conftest.py sorts).
LONG_FIRST = [
    "tests/browser/test_composer.py",
    "tests/live/test_health_bench.py",
    "tests/browser/test_keys.py",
    "tests/browser/test_pages.py",
    "tests/browser/test_rounds.py",
    "tests/live/test_platforms_drill.py",
    "tests/browser/test_story.py",
    "publishing/tests/test_faults_live.py",
    "tests/live/test_health_drill.py",
    "tests/browser/test_afterwards.py",
    "tests/browser/test_lists.py",
    "tests/browser/test_calendar.py",
    "tests/browser/test_files.py",
    "socialhub/tests/test_start.py",
    "monitoring/tests/test_supervisor_live.py",
    "tests/live/test_crash.py",
    "tests/live/test_story.py",
    "publishing/tests/test_jobs.py",
    "publishing/tests/pages/test_recoding.py",
    "accounts/tests/test_connect_practice.py",
    "accounts/tests/test_wrong_sign_ins.py",
]
#: What does not know of DATABASE_URL, and so would only be repeated: platforms are plain
#: Python (the root conftest.py refuses tests there that ask for a database), what the
#: next two start takes every *_URL out and has a SQLite file of its own, and SQLite's
#: backend is SQLite's. How pages look and are used does not depend on the database
#: (what they ask of it is in the fast tests, and the story is told by a drill on each),
#: nor does what platforms are sent.
SAME_ON_EVERY_DATABASE = [
    "--ignore-glob=platforms/*",
    "--ignore=monitoring/tests/test_supervisor_live.py",
    "--ignore=socialhub/tests/test_start.py",
    "--ignore=socialhub/tests/test_sqlite.py",
    "--ignore=tests/live/test_platforms_drill.py",
    "--ignore=tests/live/test_health_bench.py",
    # Sign-in, an app's suspension, what one page shows of a post, and the official
    # Bluesky server: what these ask of the database is in the fast tests, and in the
    # drills and faults that run on each.
    "--ignore=accounts/tests/test_connect_practice.py",
    "--ignore=accounts/tests/test_wrong_sign_ins.py",
    "--ignore=monitoring/tests/test_app_suspended.py",
    "--ignore=publishing/tests/test_working_on.py",
    "--ignore=tests/live/test_bluesky_server.py",
    # What it asks of the database is in the fast tests of monitoring and accounts.
    "--ignore=tests/live/test_health_drill.py",
    "--ignore=tests/browser",
    # What is said, and in which language.
    "--ignore=socialhub/tests/test_languages.py",
    # Each page is opened on every database all the same, by the list of all pages.
    "--ignore-glob=publishing/tests/pages/*",
]


def has_live_tests(path: Path) -> bool:
    source = path.read_text(encoding="utf-8")
    return any(f"pytest.mark.{mark}" in source for mark in LIVE_MARKS)


#: Set where fast tests have run on one database and run on another: what asks for none
#: would only be repeated (the root conftest.py leaves it out).
ANOTHER_DATABASE = "SOCIALHUB_ANOTHER_DATABASE"


@dataclass
class Part:
    title: str
    env: dict[str, str]
    options: list[str]
    #: steps back for whatever runs beside it and keeps to a clock
    gives_way: bool = False
    seconds: float = 0
    passed: bool = False
    #: pytest's own line for each test that failed: its name and the first of its reason
    failures: list[str] = field(default_factory=list)

    def run(self, printing: threading.Lock) -> None:
        """Its output comes in one piece when it has ended."""
        print(f"=== {self.title}: started", flush=True)
        start = time.monotonic()
        argv = [sys.executable, "-m", "pytest", "-q", *self.options, *sys.argv[1:]]
        if self.gives_way and (nice := shutil.which("nice")):
            argv = [nice, "-n", "5", *argv]
        done = subprocess.run(
            argv,
            cwd=ROOT,
            # As wide as a reason is long: pytest cuts its lines at the screen's edge.
            env={**os.environ, "COLUMNS": "240", **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.seconds = time.monotonic() - start
        # 5: nothing selected, as with a path given on the command line.
        nothing_there = done.returncode == 5 and len(sys.argv) > 1
        self.passed = done.returncode == 0 or nothing_there
        self.failures = re.findall(r"^(?:FAILED|ERROR) \S+\.py.*", done.stdout, re.M)
        with printing:
            print(f"\n=== {self.title}\n{done.stdout}", flush=True)


def lanes(databases: dict[str, str], shared: dict[str, str]) -> list[list[Part]]:
    """The parts of a run: lanes side by side, the parts of each one after the other."""
    working: list[Part] = []
    waiting: list[Part] = []
    for number, (name, url) in enumerate(databases.items()):
        # Compiled tests are kept, or each worker of each part compiles them anew.
        env = {"DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "", **shared}
        again = SAME_ON_EVERY_DATABASE if number else []
        fast = ["-n", "2", "-m", f"not ({LIVE})", *again]
        title = f"{name}: fast tests"
        other = {ANOTHER_DATABASE: "1"} if number else {}
        working.append(Part(title, env | own("fast") | other, fast, gives_way=True))
        slow = [*WAITING, "--durations", "8", "-m", LIVE, *again]
        title = f"{name}: real processes, browser, servers"
        waiting.append(Part(title, env | own("slow"), slow))
    return [working, waiting]


def own(part: str) -> dict[str, str]:
    """A database of its own on a server that is shared: lanes come to it side by side."""
    return {"TEST_DATABASE_NAME": f"test_socialhub_{part}"}


def run(databases: dict[str, str]) -> bool:
    """True when every part has passed; ends with a table of all."""
    start = time.monotonic()
    printing = threading.Lock()

    def one_after_the_other(lane: list[Part]) -> None:
        for part in lane:
            part.run(printing)

    servers = [url for url in databases.values() if url]
    with ready_tables.kept(*servers) as shared:
        side_by_side = lanes(databases, shared)
        with ThreadPoolExecutor(len(side_by_side)) as pool:
            list(pool.map(one_after_the_other, side_by_side))
    parts = [part for lane in side_by_side for part in lane]
    print(f"\n{'part':<50} {'seconds':>8}")
    for part in parts:
        verdict = "passed" if part.passed else "FAILED"
        print(f"{part.title:<50} {part.seconds:>8.0f}  {verdict}")
        # Once more where a reader ends up: a log may be kept by its last lines alone.
        for failure in part.failures:
            print(f"    {failure}")
    print(f"{'all of it, side by side':<50} {time.monotonic() - start:>8.0f}")
    return all(part.passed for part in parts)


def main() -> int:
    missing = needs.missing()
    strict = os.environ.get("REQUIRE_ALL") == "1"
    if strict and missing:
        print("Missing here, and required:")
        for name, cure in missing.items():
            print(f"- {name}: {cure}")
        return 1
    databases = {"SQLite": ""}
    if "postgres" not in missing:
        databases["PostgreSQL"] = needs.postgres_url()
    passed = run(databases)
    if missing:
        print("\nNot run here:")
        for name, cure in missing.items():
            print(f"- {name}: {cure}")
    else:
        print("\nEverything was run: nothing was missing on this machine.")
    print("PASSED" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
