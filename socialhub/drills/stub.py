"""A server on loopback that takes posts as Mastodon does, and costs next to no time.

Run as a process of its own: `python -m socialhub.drills.stub --port N`. It answers

    POST /api/v1/statuses    a post, after the set latency; a known key gives the first
    GET /api/v1/accounts/N/statuses   the posts of this token, newest first, at once
    GET /api/v1/accounts/verify_credentials   the account of a token "token-N-...", at once
    GET /stub                {"posts": [[arrived_at, key, token, text], ...], in order,
                             "looks": how often verify_credentials was asked}
    POST /stub               {"latency_ms": 300, "idle_s": 5} sets; forgets all of it

`arrived_at` is the time at which the request was whole (seconds since 1970). `idle_s`:
a connection that is silent for so long is closed (0: never).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from datetime import UTC, datetime
from email.utils import formatdate
from html import escape
from typing import Any

#: What the ledger of limits learns from: nothing here is ever used up.
LIMIT = 1_000_000


class Record:
    """What arrived, and how it is answered."""

    def __init__(self) -> None:
        self.latency_s = 0.0
        self.idle_s = 0.0
        #: posts ever taken: an id is given once
        self.count = 0
        self.forget()

    def forget(self) -> None:
        self.posts: list[tuple[float, str, str, str]] = []
        self.looks = 0
        #: key -> number of the post that it made
        self.numbers: dict[str, int] = {}
        #: token -> its posts as documents, oldest first
        self.live: dict[str, list[dict[str, Any]]] = {}

    def take(self, key: str, token: str, text: str) -> dict[str, Any]:
        """Note an arrival; the new post, or the one that this key made before."""
        now = time.time()
        self.posts.append((now, key, token, text))
        live = self.live.setdefault(token, [])
        if key in self.numbers:
            return live[self.numbers[key]]
        self.count += 1
        self.numbers[key] = len(live)
        live.append(post(self.count, text, now))
        return live[-1]

    def told(self) -> dict[str, Any]:
        return {"posts": self.posts, "looks": self.looks}


class Connection(asyncio.Protocol):
    """One kept-alive connection: requests in a row, none before the last answer."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.buffer = b""
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.idle:
            self.idle.cancel()
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        line, *fields = head.split(b"\r\n")
        headers = {}
        for field in fields:
            name, _, value = field.partition(b":")
            headers[name.lower()] = value.strip().decode("latin-1")
        size = int(headers.get(b"content-length", 0))
        if len(rest) < size:
            return
        self.buffer = rest[size:]
        self.take(line.decode("latin-1").rpartition(" ")[0], headers, rest[:size])

    def take(self, line: str, headers: dict[bytes, str], body: bytes) -> None:
        token = headers.get(b"authorization", "").partition(" ")[2]
        if line == "POST /api/v1/statuses":
            text = str(json.loads(body)["status"])
            key = headers.get(b"idempotency-key", "")
            answer = whole(json.dumps(self.record.take(key, token, text)))
            if self.record.latency_s:
                self.loop.call_later(self.record.latency_s, self.write, answer)
            else:
                self.write(answer)
        elif line == "GET /api/v1/accounts/verify_credentials":
            self.record.looks += 1
            self.write(whole(json.dumps(account(token.split("-")[1]))))
        elif line.startswith("GET /api/v1/accounts/"):
            newest = self.record.live.get(token, [])[-1:-41:-1]
            self.write(whole(json.dumps(newest)))
        elif line == "GET /stub":
            self.write(whole(json.dumps(self.record.told())))
        elif line == "POST /stub":
            wanted = json.loads(body)
            self.record.latency_s = wanted["latency_ms"] / 1000
            self.record.idle_s = wanted.get("idle_s", 0)
            self.record.forget()
            self.write(whole("{}"))
        else:
            self.write(whole('{"error":"Record not found"}', "404 Not Found"))

    def write(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        if self.record.idle_s:
            self.idle = self.loop.call_later(self.record.idle_s, self.transport.close)


def whole(text: str, status: str = "200 OK") -> bytes:
    """An answer with the headers that servers send."""
    body = text.encode()
    now = time.time()
    head = (
        f"HTTP/1.1 {status}\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: keep-alive\r\n"
        "Server: Mastodon\r\n"
        "X-Frame-Options: DENY\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "X-XSS-Protection: 0\r\n"
        "Referrer-Policy: same-origin\r\n"
        f"X-RateLimit-Limit: {LIMIT}\r\n"
        f"X-RateLimit-Remaining: {LIMIT - 1}\r\n"
        f"X-RateLimit-Reset: {instant(now + 300)}\r\n"
        f"X-Request-Id: {int(now * 1e6):032x}\r\n"
        "Cache-Control: private, no-store\r\n"
        "Vary: Authorization, Origin\r\n"
        "Strict-Transport-Security: max-age=63072000; includeSubDomains\r\n\r\n"
    )
    return head.encode() + body


def instant(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")


SITE = "https://social.example"


def account(id: str) -> dict[str, Any]:
    """An account with all that a server tells of it."""
    return {
        "id": id,
        "username": "bench",
        "acct": "bench",
        "display_name": "Bench",
        "locked": False,
        "bot": False,
        "discoverable": True,
        "indexable": True,
        "group": False,
        "created_at": "2024-01-15T00:00:00.000Z",
        "note": "<p>News, dates and offers. We answer on working days.</p>",
        "url": f"{SITE}/@bench",
        "uri": f"{SITE}/users/bench",
        "avatar": f"{SITE}/system/accounts/avatars/110/original/0123456789abcdef.png",
        "avatar_static": f"{SITE}/system/accounts/avatars/110/original/0123456.png",
        "header": f"{SITE}/system/accounts/headers/110/original/0123456789abcdef.png",
        "header_static": f"{SITE}/system/accounts/headers/110/original/0123456.png",
        "followers_count": 4211,
        "following_count": 137,
        "statuses_count": 2890,
        "last_status_at": "2026-01-15",
        "hide_collections": False,
        "noindex": False,
        "emojis": [],
        "roles": [],
        "fields": [
            {
                "name": "Web",
                "value": f'<a href="{SITE}" rel="me nofollow noopener">{SITE}</a>',
                "verified_at": "2024-02-01T10:00:00.000+00:00",
            }
        ],
    }


def post(number: int, text: str, now: float) -> dict[str, Any]:
    """A post with all that a server tells of it."""
    id = str(113_000_000_000_000_000 + number)
    return {
        "id": id,
        "created_at": instant(now),
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "uri": f"{SITE}/users/bench/statuses/{id}",
        "url": f"{SITE}/@bench/{id}",
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": 0,
        "edited_at": None,
        "favourited": False,
        "reblogged": False,
        "muted": False,
        "bookmarked": False,
        "pinned": False,
        "content": f"<p>{escape(text)}</p>",
        "filtered": [],
        "reblog": None,
        "application": {"name": "SocialHub", "website": "http://testserver"},
        "account": account("110000000000000001"),
        "media_attachments": [],
        "mentions": [],
        "tags": [],
        "emojis": [],
        "card": None,
        "poll": None,
    }


async def serve(port: int) -> None:
    record = Record()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(record), "127.0.0.1", port, backlog=2048
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(serve(parser.parse_args().port))
