"""What a twin is written with: a world that survives a restart, routes, and faults.

A twin is one class per platform, in `platforms/<slug>/twin.py`, written from the
platform's fact sheet and never from our client. The server (server.py) mounts every
twin below `/<slug>`, applies the faults of the panel around its handlers, and keeps
the record of what arrived.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, ClassVar, cast

from werkzeug.wrappers import Request, Response

Doc = dict[str, Any]

#: Lines of the record that are kept.
NOTES_KEPT = 20_000


def iso(at: datetime) -> str:
    """UTC with microseconds and Z, so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def arrived_at(request: Request) -> str:
    """When the request reached the server (ISO, UTC, microseconds, practice clock),
    before any slowness, queueing or delay of the panel."""
    value = request.environ.get("practice.arrived_at")
    return value if isinstance(value, str) else iso(datetime.now(UTC))


def body_of(request: Request) -> IO[bytes]:
    """The request's body from its beginning, as a file: on disk when it is large."""
    body = cast(IO[bytes], request.environ["wsgi.input"])
    body.seek(0)
    return body


class World:
    """Documents by (platform, kind, id) in one SQLite file, and a clock that can shift.

    Every request runs inside `with world.transaction():` (one at a time), so a handler
    may read and write without thinking of others.
    """

    def __init__(self, path: str | Path) -> None:
        self._files = Path(path).with_suffix(".files")
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            str(path), check_same_thread=False, isolation_level=None
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS doc (platform TEXT, kind TEXT, id TEXT, seq INTEGER,"
            " body TEXT, PRIMARY KEY (platform, kind, id)) WITHOUT ROWID"
        )
        self._db.execute(
            "CREATE INDEX IF NOT EXISTS doc_seq ON doc (platform, kind, seq)"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS blob (platform TEXT, id TEXT, mime TEXT,"
            " body BLOB, PRIMARY KEY (platform, id))"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, platform TEXT,"
            " call TEXT, account TEXT, status INTEGER, arrived_at TEXT,"
            " applied INTEGER, fault TEXT, commits INTEGER)"
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one at a time; inside another one, a part that can fail alone."""
        with self._lock:
            if self._db.in_transaction:
                self._db.execute("SAVEPOINT inner_part")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK TO inner_part")
                    raise
                finally:
                    self._db.execute("RELEASE inner_part")
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def now(self) -> datetime:
        """The practice network's clock: UTC plus the shift set in the panel."""
        return datetime.now(UTC) + timedelta(seconds=self.shift_s)

    @property
    def shift_s(self) -> float:
        doc = self.get("panel", "setting", "clock")
        return float(doc["shift_s"]) if doc else 0.0

    def get(self, platform: str, kind: str, id: str) -> Doc | None:
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM doc WHERE platform=? AND kind=? AND id=?",
                (platform, kind, str(id)),
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, platform: str, kind: str, id: str, doc: Mapping[str, Any]) -> None:
        """Insert or replace; a replaced document keeps its place in the order."""
        with self._lock:
            self._db.execute(
                "INSERT INTO doc (platform, kind, id, seq, body) VALUES (?,?,?,"
                " (SELECT COALESCE(MAX(seq),0)+1 FROM doc WHERE platform=? AND kind=?),?)"
                " ON CONFLICT (platform, kind, id) DO UPDATE SET body=excluded.body",
                (platform, kind, str(id), platform, kind, json.dumps(doc)),
            )

    def delete(self, platform: str, kind: str, id: str) -> None:
        with self._lock:
            self._db.execute(
                "DELETE FROM doc WHERE platform=? AND kind=? AND id=?",
                (platform, kind, str(id)),
            )

    def all(self, platform: str, kind: str, **equals: Any) -> list[tuple[str, Doc]]:
        """(id, document) in the order of creation; equals: top-level fields (JSON values)."""
        sql = "SELECT id, body FROM doc WHERE platform=? AND kind=?"
        values: list[Any] = [platform, kind]
        for name, value in equals.items():
            sql += f" AND json_extract(body, '$.{name}') IS ?"
            values.append(value)
        with self._lock:
            rows = self._db.execute(sql + " ORDER BY seq", values).fetchall()
        return [(row[0], json.loads(row[1])) for row in rows]

    def page(
        self,
        platform: str,
        kind: str,
        limit: int,
        *,
        below: str = "",
        above: str = "",
        oldest_first: bool = False,
    ) -> list[tuple[str, Doc]]:
        """(id, document) by id, greatest id first; the bounds are exclusive.

        Quick at any size, for ids that grow with time and have one length.
        """
        sql = "SELECT id, body FROM doc WHERE platform=? AND kind=?"
        values: list[Any] = [platform, kind]
        if below:
            sql += " AND id < ?"
            values.append(below)
        if above:
            sql += " AND id > ?"
            values.append(above)
        sql += f" ORDER BY id {'ASC' if oldest_first else 'DESC'} LIMIT ?"
        with self._lock:
            rows = self._db.execute(sql, [*values, limit]).fetchall()
        return [(row[0], json.loads(row[1])) for row in rows]

    def count(self, platform: str, kind: str) -> int:
        with self._lock:
            row = self._db.execute(
                "SELECT COUNT(*) FROM doc WHERE platform=? AND kind=?", (platform, kind)
            ).fetchone()
        return int(row[0])

    def put_blob(self, platform: str, id: str, mime: str, body: bytes) -> None:
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO blob (platform, id, mime, body)"
                " VALUES (?,?,?,?)",
                (platform, str(id), mime, body),
            )

    def get_blob(self, platform: str, id: str) -> tuple[str, bytes] | None:
        """(MIME type, bytes), or None."""
        with self._lock:
            row = self._db.execute(
                "SELECT mime, body FROM blob WHERE platform=? AND id=?",
                (platform, str(id)),
            ).fetchone()
        return (row[0], row[1]) if row else None

    def delete_blob(self, platform: str, id: str) -> None:
        with self._lock:
            self._db.execute(
                "DELETE FROM blob WHERE platform=? AND id=?", (platform, str(id))
            )

    def file(self, platform: str, id: str) -> Path:
        """Where a twin keeps bytes that are too many for the database, under an id of
        its own making. No part of a transaction: a document says how much of it counts.
        """
        self._files.mkdir(exist_ok=True)
        return self._files / f"{platform}-{id}"

    def note(
        self,
        platform: str,
        call: str,
        account: str,
        status: int | None,
        arrived_at: str,
        applied: bool,
        fault: str,
        commit: bool,
    ) -> None:
        """Add a line to the record of what arrived, which keeps its newest lines.

        status None: the connection was closed without an answer.
        """
        with self._lock:
            cursor = self._db.execute(
                "INSERT INTO note (platform, call, account, status, arrived_at, applied,"
                " fault, commits) VALUES (?,?,?,?,?,?,?,?)",
                (
                    platform,
                    call,
                    account,
                    status,
                    arrived_at,
                    applied,
                    fault,
                    commit,
                ),
            )
            last = cursor.lastrowid or 0
            if last % 500 == 0:
                self._db.execute("DELETE FROM note WHERE id <= ?", (last - NOTES_KEPT,))

    def notes(
        self, platform: str = "", since: str = "", limit: int = 20_000
    ) -> list[Doc]:
        """The newest `limit` lines of the record that arrived after `since` (an ISO
        time as the record writes it), oldest first."""
        sql = (
            "SELECT id, platform, call, account, status, arrived_at, applied, fault,"
            " commits FROM note WHERE arrived_at > ?"
        )
        values: list[Any] = [since]
        if platform:
            sql += " AND platform=?"
            values.append(platform)
        with self._lock:
            rows = self._db.execute(
                sql + " ORDER BY id DESC LIMIT ?", [*values, min(limit, NOTES_KEPT)]
            ).fetchall()
        return [
            {
                "id": row[0],
                "platform": row[1],
                "call": row[2],
                "account": row[3],
                "status": row[4],
                "arrived_at": row[5],
                "applied": bool(row[6]),
                "fault": row[7],
                "commit": bool(row[8]),
            }
            for row in reversed(rows)
        ]

    def clear(self) -> None:
        with self._lock:
            for table in ("doc", "blob", "note"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - fixed names
            shutil.rmtree(self._files, ignore_errors=True)

    def close(self) -> None:
        with self._lock:
            self._db.close()


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in at a twin and be connected.

    token_kinds: what the panel's account API hands out for tests without a browser.
    """

    id: str
    name: str
    handle: str
    detail: str = ""


@dataclass(frozen=True)
class Route:
    """One path of a twin. `call` is the name of the call as the sheet's registry has it.

    commit: the audience would see it (the panel's "accept and drop the answer", "400
    after writing", "refuse as duplicate" apply to these only).
    browser: a page for a person (sign-in, consent, permalink): faults leave it alone.
    large: takes a body of any length, which it reads with `body_of` alone.
    """

    method: str
    path: str  # werkzeug rule below "/<slug>", e.g. "/2/tweets/<id>"
    handler: Callable[..., Response]
    call: str
    commit: bool = False
    browser: bool = False
    large: bool = False


def route(
    method: str,
    path: str,
    *,
    call: str = "",
    commit: bool = False,
    browser: bool = False,
    large: bool = False,
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Mark a twin's method as the handler of a path: `handler(self, request, **path_values)`."""

    def mark(handler: Callable[..., Response]) -> Callable[..., Response]:
        marks = getattr(handler, "_routes", [])
        marks.append((method, path, call or f"{method} {path}", commit, browser, large))
        handler._routes = marks  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass
class Refusal:
    """What a fault of the panel asks a twin to answer in its platform's own words.

    kind: rate_limited, rate_limited_no_headers, server_error, bad_request_after_write,
    duplicate, version_ended, app_suspended, no_credits, content_refused,
    html_error (a proxy's page).
    """

    kind: str
    call: str = ""
    retry_after_s: float | None = None
    #: for server_error: 500, 502, 503 or 504
    status: int = 500


class Twin:
    """One platform's side of the practice network.

    A subclass adds handlers with `@route`. `world` is shared; `self.docs(kind)` etc.
    are this platform's part of it.
    """

    slug: ClassVar[str]
    name: ClassVar[str]
    #: what `end_tokens` understands, as the panel's buttons: (how, words)
    endings: ClassVar[tuple[tuple[str, str], ...]] = (
        ("expire", "Let it expire"),
        ("revoke", "Revoke"),
        ("password_changed", "Password changed"),
        ("role_lost", "Role lost"),
        ("suspend", "Suspend the account"),
        ("restore", "Restore"),
    )

    def has_version(self, request: Request) -> bool:
        """Whether what is asked for is part of a version, and ends with it."""
        return True

    #: whether `end_tokens` understands scope_lost:<scope>
    loses_scopes: ClassVar[bool] = True
    #: whether `comment_as_reader` is there
    has_readers: ClassVar[bool] = False

    def __init__(self, world: World, base_url: str) -> None:
        """base_url: the practice network's own address, no trailing slash."""
        self.world = world
        self.base_url = base_url

    @property
    def url(self) -> str:
        return f"{self.base_url}/{self.slug}"

    def routes(self) -> list[Route]:
        found = []
        for name in dir(type(self)):
            handler = getattr(type(self), name, None)
            for method, path, *more in getattr(handler, "_routes", []):
                found.append(Route(method, path, getattr(self, name), *more))
        return found

    # documents of this platform
    def get(self, kind: str, id: str) -> Doc | None:
        return self.world.get(self.slug, kind, id)

    def put(self, kind: str, id: str, doc: Mapping[str, Any]) -> None:
        self.world.put(self.slug, kind, id, doc)

    def drop(self, kind: str, id: str) -> None:
        self.world.delete(self.slug, kind, id)

    def all(self, kind: str, **equals: Any) -> list[tuple[str, Doc]]:
        return self.world.all(self.slug, kind, **equals)

    # what the server asks of a twin; the defaults are right for a simple one
    def account_of(self, request: Request) -> str:
        """The `external_id` of the account that the request acts for, "" when it cannot
        be told. Faults of one account and the record go by it. No side effects."""
        return ""

    def call_of(self, route: Route, request: Request) -> Route:
        """The route as this request uses it, where one path stands for several calls:
        its `call` and `commit` are what faults and the record go by. No side effects."""
        return route

    def prepare(self, route: Route, request: Request) -> None:
        """What takes time, such as fetching a picture, before the handler runs: it is
        called outside of the world's transaction and holds nobody up. What it finds it
        leaves in `request.environ`."""

    def succeeded(self, response: Response) -> bool:
        """Whether the answer says that the platform did what it was asked; some tell
        their refusals with status 200."""
        return response.status_code < 400

    def not_found(self, request: Request) -> Response:
        """The platform's own answer for a path that it has not."""
        return json_response({"error": "Not found"}, 404)

    def switches(self) -> list[Doc]:
        """What the panel may set: {"name", "label", "value", "choices": [...]} where
        choices are (value, words) pairs, or [] for a free value."""
        return []

    def set_switch(self, name: str, value: str) -> None:
        """ValueError for a name or value that this platform has not."""
        raise ValueError(f"{self.name} has no switch {name!r}")

    # what the panel and the drills need of every twin
    def seed(self) -> None:
        """Create the people, pages and apps that a fresh practice network has. Idempotent."""
        raise NotImplementedError

    def people(self) -> list[Person]:
        """Who can sign in here, for the panel and the sign-in page."""
        raise NotImplementedError

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """Create one more account with a live token, as if it had been connected.

        Returns {"external_id", "handle", "name", "kind", "url", "access_token",
        "refresh_token", "expires_in", "refresh_expires_in", "scopes": [...],
        "extra": {...}} (absent values: "" or None).
        """
        raise NotImplementedError

    def app_credentials(self) -> tuple[str, str]:
        """(client id, client secret) of the practice app; ("", "") where there is none."""
        return "", ""

    def app_more(self) -> dict[str, str]:
        """What else our side has to know of the practice app, by the names that it has
        there: number_there, hook_secret, hook_token."""
        return {}

    def tokens(self) -> list[Doc]:
        """Live and dead tokens: {"id", "account", "person", "state", "issued_at", ...}.

        state: live, expired, revoked. Never the token itself.
        """
        raise NotImplementedError

    def end_tokens(self, account: str, how: str) -> int:
        """End the tokens that can act for an account. how: expire, revoke,
        password_changed, role_lost, scope_lost:<scope>, suspend, restore. Returns how
        many were touched; ValueError for a `how` that this platform has not."""
        raise NotImplementedError

    def comment_as_reader(self, post: str, by: str, text: str, under: str = "") -> str:
        """Somebody called `by` writes below a post, or answers the comment `under`.

        post: an id of `posts()`. Returns the comment's id as the platform shows it;
        ValueError where that cannot be.
        """
        raise ValueError(f"Readers of {self.name} do not write here")

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The platform's own answer (status, headers, body) for a fault of the panel."""
        raise NotImplementedError

    def posts(self) -> list[Doc]:
        """Every post that is live: {"id", "account", "text", "url", "created_at" (ISO,
        UTC, microseconds), "arrived_at" (the same, when the request came in), "media":
        number, "alt_texts": [...], "link": "", "marker": ""}, oldest first. A twin that
        takes more than images adds "media_kinds" (image, gif, video, audio, document) and
        "media_sha256", both in the order of the post; one that has threads adds
        "reply_to" (id, "": it stands alone)."""
        raise NotImplementedError

    def own_comments(self) -> list[Doc]:
        """What our accounts wrote below posts, where that is no post of its own: {"id",
        "account", "post" (an id of `posts()`), "text"}, oldest first."""
        return []


@dataclass
class Token:
    """Make ids and secrets that look like nothing real."""

    prefix: str = "practice"
    size: int = 24
    made: str = field(init=False)

    def __post_init__(self) -> None:
        self.made = f"{self.prefix}-{secrets.token_urlsafe(self.size)}"


def json_response(
    data: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    response = Response(json.dumps(data), status, mimetype="application/json")
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response
