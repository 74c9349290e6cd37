"""A bare loop of `requests`: what an engine without rows, order and memory would reach.

Run as a process of its own: `python -m socialhub.drills.bare_loop`. Its first line of
standard input is {"url", "threads", "jobs": [[token, key, text], ...]}; it answers
"ready", starts at the next line, and ends with {"began": s, "ended": s} (since 1970).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque

import requests


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    url = orders["url"]
    jobs: deque[tuple[str, str, str]] = deque(map(tuple, orders["jobs"]))
    failed: list[str] = []

    def work() -> None:
        session = requests.Session()
        session.trust_env = False
        session.headers["User-Agent"] = "SocialHub/1.0"
        while True:
            try:
                token, key, text = jobs.popleft()
            except IndexError:
                return
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
            try:
                answer = session.post(
                    url, json={"status": text}, headers=headers, timeout=30
                )
                if not answer.json()["id"]:
                    failed.append("no id")
            except (requests.RequestException, KeyError, ValueError) as exc:
                failed.append(f"{type(exc).__name__}: {exc}")

    threads = [threading.Thread(target=work) for _ in range(orders["threads"])]
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    began = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = time.time()
    if failed:
        sys.exit(f"{len(failed)} posts failed, such as: {failed[0]}")
    print(json.dumps({"began": began, "ended": ended}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
