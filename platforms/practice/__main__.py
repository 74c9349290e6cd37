"""`python -m platforms.practice`: run the practice network until it is told to stop."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sqlite3
import sys
import threading

from .server import start_practice


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 stopped as asked, 2 could not start."""
    parser = argparse.ArgumentParser(
        prog="python -m platforms.practice",
        description="A local network of pretended platforms with a fault panel.",
    )
    parser.add_argument("--port", type=int, default=8801)
    parser.add_argument("--data", required=True, help="folder that keeps its state")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--public-url", default="", help="address that browsers use")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        server = start_practice(
            options.data,
            options.port,
            bind=options.bind,
            public_url=options.public_url,
        )
    except (OSError, OverflowError, ValueError, sqlite3.Error) as exc:
        sys.stderr.write(_sentence(exc, options) + "\n")
        return 2
    sys.stdout.write(f"Practice network ready on {server.url}\n")
    sys.stdout.flush()
    stopping.wait()
    server.stop()
    return 0


def _sentence(exc: Exception, options: argparse.Namespace) -> str:
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        return (
            f"Port {options.port} is in use by another program; stop it or choose"
            " another with --port."
        )
    if isinstance(exc, PermissionError | FileExistsError | sqlite3.Error):
        return f"The practice network cannot use the folder {options.data}: {exc}."
    return f"The practice network cannot start: {exc}."


if __name__ == "__main__":
    raise SystemExit(main())
