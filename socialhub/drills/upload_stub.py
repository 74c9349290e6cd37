"""A server on loopback that takes large files and keeps none of their bytes.

Run as a process of its own: `python -m socialhub.drills.upload_stub --port N`. It answers

    PUT /bare                         a whole file
    POST /upload/youtube/v3/videos    a session, as YouTube opens it (resumable uploads)
    PUT /session/N                    its parts, with Content-Range; 308, then the video
    GET /youtube/v3/videos            videos that are ready
    POST /2/media/upload/...          X's initialize, append and finalize
    POST /2/tweets                    a post
    GET /stub                         {"began", "ended": seconds since 1970 of the first
                                      and last byte of file, "bytes": how many}
    DELETE /stub                      forgets all of it
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

BLOCK = 1 << 20
RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
Reply = tuple[str, dict[str, str], Any]


class Record:
    """What arrived. One file at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        #: bytes that each session holds
        self.sessions: dict[str, int] = {}
        self.forget()

    def forget(self) -> None:
        self.began = self.ended = 0.0
        self.bytes = 0

    def took(self, began: float, size: int) -> None:
        with self.lock:
            self.began = self.began or began
            self.ended = time.time()
            self.bytes += size

    def number(self) -> str:
        with self.lock:
            self.count += 1
            return str(7_000_000_000_000_000_000 + self.count)


class Connection:
    """One kept-alive connection: requests in a row."""

    def __init__(self, sock: socket.socket, record: Record, url: str) -> None:
        self.sock = sock
        self.record = record
        self.url = url
        self.buffer = bytearray(BLOCK)

    def serve(self) -> None:
        with suppress(OSError), self.sock, self.sock.makefile("rb") as file:
            while line := file.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers = {}
                while (field := file.readline()) not in (b"\r\n", b""):
                    name, _, value = field.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                size = int(headers.get("content-length", 0))
                began = time.time()
                self._drop(file, size)
                self._answer(*self.reply(method, target, headers, size, began))

    def _drop(self, file: Any, size: int) -> None:
        view = memoryview(self.buffer)
        while size:
            got = file.readinto(view[: min(size, BLOCK)])
            if not got:
                raise ConnectionError("the body is cut short")
            size -= got

    def _answer(self, status: str, headers: dict[str, str], body: Any) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.sock.sendall("\r\n".join([*lines, "\r\n"]).encode() + data)

    def reply(
        self, method: str, target: str, headers: dict[str, str], size: int, began: float
    ) -> Reply:
        record, path = self.record, urlsplit(target).path
        if path == "/stub":
            told = {"began": record.began, "ended": record.ended, "bytes": record.bytes}
            if method == "DELETE":
                record.forget()
            return "200 OK", {}, told
        if path == "/bare":
            record.took(began, size)
            return "200 OK", {}, {}
        if path.startswith("/session/"):
            return self._part(path, headers, size, began)
        if path == "/upload/youtube/v3/videos":
            address = f"/session/{record.number()}"
            record.sessions[address] = 0
            return "200 OK", {"Location": self.url + address}, None
        if path == "/youtube/v3/videos":
            status = {"uploadStatus": "processed", "privacyStatus": "public"}
            number = parse_qs(urlsplit(target).query)["id"][0]
            rows = [{"id": number, "status": status}]
            kind = "youtube#videoListResponse"
            return "200 OK", {}, {"kind": kind, "items": rows}
        return self._of_x(path, size, began)

    def _part(
        self, path: str, headers: dict[str, str], size: int, began: float
    ) -> Reply:
        found = RANGE.fullmatch(headers.get("content-range", ""))
        if not found or path not in self.record.sessions:
            return "404 Not Found", {}, {}
        held = self.record.sessions[path]
        if found[1] is not None and int(found[1]) == held:
            held = self.record.sessions[path] = held + size
            self.record.took(began, size)
        if held == int(found[3]):
            video = {"id": path.rpartition("/")[2], "kind": "youtube#video"}
            return "201 Created", {}, video
        ranges = {"Range": f"bytes=0-{held - 1}"} if held else {}
        return "308 Resume Incomplete", ranges, None

    def _of_x(self, path: str, size: int, began: float) -> Reply:
        if path.endswith("/append"):
            self.record.took(began, size)
            return "200 OK", {}, {"data": {"expires_at": int(time.time()) + 86_400}}
        if path == "/2/tweets":
            return "201 Created", {}, {"data": {"id": self.record.number(), "text": ""}}
        if path.startswith("/2/media/upload"):
            number = self.record.number()
            if path.endswith("/finalize"):
                number = path.split("/")[-2]
            media = {"id": number, "media_key": f"7_{number}"}
            return "200 OK", {}, {"data": {**media, "expires_after_secs": 86_400}}
        return "404 Not Found", {}, {"title": "Not Found"}


def serve(port: int) -> None:
    record = Record()
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            sock, _address = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one = Connection(sock, record, f"http://127.0.0.1:{port}")
            threading.Thread(target=one.serve, daemon=True).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port)
