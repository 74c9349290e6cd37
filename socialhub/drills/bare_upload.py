"""A bare streaming upload with `requests`: `python -m socialhub.drills.bare_upload FILE URL`."""

from __future__ import annotations

import sys

import requests


def main() -> None:
    path, url = sys.argv[1:]
    session = requests.Session()
    session.trust_env = False
    with open(path, "rb") as file:
        session.put(url, data=file, timeout=600).raise_for_status()


if __name__ == "__main__":
    main()
