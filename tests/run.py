"""The whole test run: every tier that this machine can run, on every database it has.

Prints at the end what it could not run and what that would need. With REQUIRE_ALL=1
(as in CI) anything missing is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import needs

ROOT = Path(__file__).resolve().parent.parent
LIVE = "live or browser or bluesky_server"


def run(title: str, env: dict[str, str], *options: str) -> bool:
    """One pytest run; True when it passed."""
    print(f"\n=== {title}", flush=True)
    start = time.monotonic()
    argv = [sys.executable, "-m", "pytest", "-q", *options, *sys.argv[1:]]
    code = subprocess.call(argv, cwd=ROOT, env={**os.environ, **env})
    print(f"=== {title}: {time.monotonic() - start:.0f} s", flush=True)
    # 5: nothing selected, as with a path given on the command line.
    return code == 0 or (code == 5 and len(sys.argv) > 1)


def main() -> int:
    missing = needs.missing()
    strict = os.environ.get("REQUIRE_ALL") == "1"
    if strict and missing:
        print("Missing here, and required:")
        for name, cure in missing.items():
            print(f"- {name}: {cure}")
        return 1
    databases = {"SQLite": {"DATABASE_URL": ""}}
    if "postgres" not in missing:
        databases["PostgreSQL"] = {"DATABASE_URL": needs.postgres_url()}
    passed = True
    for name, env in databases.items():
        passed &= run(f"{name}: fast tests", env, "-n", "2", "-m", f"not ({LIVE})")
        # They wait more than they work; a file's tests share what it has started.
        side_by_side = ["-n", "2", "--dist", "loadfile", "--durations", "8"]
        if name != "SQLite":
            # How pages look and are used does not depend on the database; what they ask
            # of it is in the fast tests.
            side_by_side.append("--ignore=tests/browser/test_pages.py")
        passed &= run(
            f"{name}: real processes, browser, servers", env, *side_by_side, "-m", LIVE
        )
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
