"""A server with files, for networks that fetch what they publish, and a letter box for
what they tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Shelf(ThreadingHTTPServer):
    """files: path -> (MIME type, bytes). letters: (headers, body), oldest first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, tuple[str, bytes]] = {}
        self.letters: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        mime, data = self.server.files.get(self.path, ("", b""))
        self._answer(200 if mime else 404, mime or "text/plain", data)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.letters.append((dict(self.headers), body))
        self._answer(200, "text/plain", b"")

    def _answer(self, status: int, mime: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def a_shelf() -> Iterator[Shelf]:
    with Shelf() as shelf:
        serve = {"poll_interval": 0.01}
        threading.Thread(target=shelf.serve_forever, kwargs=serve, daemon=True).start()
        yield shelf
        shelf.shutdown()
