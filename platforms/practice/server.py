"""The practice network's server: mounts the twins, applies faults, keeps the record.

Requests run one at a time inside `world.transaction()`; only waiting (slowness, the
network) happens outside of it. It is a toy for one team on one machine: no TLS, no
users, loopback unless told otherwise.
"""

from __future__ import annotations

import functools
import logging
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.serving import (
    DechunkedInput,
    ThreadedWSGIServer,
    WSGIRequestHandler,
)
from werkzeug.test import EnvironBuilder
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from .faults import Fault, Faults
from .framework import Refusal, Route, Twin, World, body_of, iso, json_response
from .panel import Panel

logger = logging.getLogger(__name__)

#: slug -> dotted path of the Twin class
TWINS: dict[str, str] = {
    "mastodon": "platforms.mastodon.twin.MastodonTwin",
    "bluesky": "platforms.bluesky.twin.BlueskyTwin",
    "x": "platforms.x.twin.XTwin",
    "linkedin": "platforms.linkedin.twin.LinkedInTwin",
    "facebook": "platforms.facebook.twin.FacebookTwin",
    "instagram": "platforms.instagram.twin.InstagramTwin",
    "threads": "platforms.threads.twin.ThreadsTwin",
    "youtube": "platforms.youtube.twin.YouTubeTwin",
    "tiktok": "platforms.tiktok.twin.TikTokTwin",
    "pinterest": "platforms.pinterest.twin.PinterestTwin",
    "snapchat": "platforms.snapchat.twin.SnapchatTwin",
    "ayrshare": "platforms.ayrshare.twin.AyrshareTwin",
    "outstand": "platforms.outstand.twin.OutstandTwin",
}

#: Larger bodies are answered with 413, but where a route takes any.
MAX_BODY_BYTES = 128 * 1024 * 1024
#: Larger bodies wait on the disk.
MAX_BYTES_IN_MEMORY = 1024 * 1024

#: Names of this computer.
LOOPBACK = {"127.0.0.1", "::1", "localhost"}

#: Faults after which the platform did what it was asked.
AFTER_WRITE = ("drop_answer", "bad_request_after_write", "server_error_after_write")


def load_twins(paths: Mapping[str, str]) -> dict[str, type[Twin]]:
    """Import the Twin classes; a missing one is an error that names it."""
    found = {}
    for slug, path in paths.items():
        module, name = path.rsplit(".", 1)
        twin = getattr(import_module(module), name)
        if not issubclass(twin, Twin) or twin.slug != slug:
            raise TypeError(f"{path} is not the twin of {slug}")
        found[slug] = twin
    return found


@functools.cache
def map_of(*routes: tuple[str, str]) -> Map:
    """Finds the number of a route (method, path) for a request. To read the paths is most
    of what a start of one twin costs, and they are the same at each start."""
    rules = [
        Rule(path, methods=[method], endpoint=number)
        for number, (method, path) in enumerate(routes)
    ]
    # Ids and URNs hold slashes and colons; a path is taken as it was sent.
    return Map(rules, strict_slashes=False, merge_slashes=False)


class PracticeApp:
    """From a request to a response, or to None: close the connection without one."""

    def __init__(
        self, world: World, twins: Mapping[str, Twin], base_url: str, *, loopback: bool
    ) -> None:
        self.world = world
        self.base_url = base_url
        self.twins = dict(twins)
        self.faults = Faults(world)
        self.panel = Panel(world, self.twins, self.faults, base_url, loopback=loopback)
        self._timers: set[threading.Timer] = set()
        self._stopping = threading.Event()
        routes: list[tuple[str, str, tuple[str, Any]]] = [
            (route.method, f"/{slug}{route.path}", (slug, route))
            for slug, twin in self.twins.items()
            for route in twin.routes()
        ]
        routes += [
            (method, path, ("", handler))
            for method, path, handler in self.panel.routes()
        ]
        self._targets = [target for _method, _path, target in routes]
        self._map = map_of(*((method, path) for method, path, _target in routes))

    def start(self) -> None:
        """Seed a fresh world and take up what a stopped server still had to do."""
        with self.world.transaction():
            self.panel.seed()
            waiting = self.world.all("panel", "delayed")
        for id, _doc in waiting:
            self._schedule(id)

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        self._stopping.set()
        for timer in list(self._timers):
            timer.cancel()
            timer.join(timeout=5)

    def answer(
        self, environ: dict[str, Any], body: IO[bytes], size: int
    ) -> Response | None:
        now = datetime.now(UTC)
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        environ["CONTENT_LENGTH"] = str(size)
        request = Request(environ)
        slug = request.path.split("/", 2)[1]
        twin = self.twins.get(slug)
        try:
            number, values = self._map.bind(request.host or "localhost").match(
                request.path, request.method
            )
            owner, target = self._targets[number]
        except RequestRedirect as exc:
            return exc.get_response()
        except MethodNotAllowed as exc:
            return json_response(
                {"error": "Method not allowed"},
                405,
                {"Allow": ", ".join(sorted(exc.valid_methods or []))},
            )
        except NotFound:
            if twin is None:
                return json_response({"error": "Not found"}, 404)
            with self.world.transaction():
                return twin.not_found(request)
        if owner == "" or not target.large:
            if size > MAX_BODY_BYTES:
                return proxy_page(413)
            request.get_data(cache=True)
        for_programs = request.path.startswith(("/api/", "/healthz"))
        for_people = not for_programs if owner == "" else target.browser
        if for_people and (elsewhere := self._own_name(request)):
            return elsewhere
        if owner == "":
            return self.panel.answer(request, target, values)
        assert twin is not None
        shift = timedelta(seconds=self.world.shift_s)
        environ["practice.arrived_at"] = iso(now + shift)
        if target.browser:
            return self._handle(twin, target, request, values)
        return self._api(twin, target, request, values)

    def _own_name(self, request: Request) -> Response | None:
        """Send a browser that said `localhost` to the address that pages name, because
        they show images and styles of their own address only."""
        own = urlsplit(self.base_url)
        asked = urlsplit(f"//{request.host}")
        if request.method != "GET" or asked.netloc == own.netloc:
            return None
        if not {asked.hostname, own.hostname} <= LOOPBACK or asked.port != own.port:
            return None
        path = request.full_path if request.query_string else request.path
        return redirect_to(f"{self.base_url}{path}")

    # ------------------------------------------------------------ calls of programs

    def _api(
        self, twin: Twin, route: Route, request: Request, values: Mapping[str, Any]
    ) -> Response | None:
        with self.world.transaction():
            route = twin.call_of(route, request)
            account = twin.account_of(request)
            taken = self.faults.take(
                twin.slug, route, account, has_version=twin.has_version(request)
            )
        slow = {f.kind: f for f in taken if f.kind in ("latency", "slow_answer")}
        fault = next((f for f in taken if f.kind not in slow), None)
        if "latency" in slow and self._stopping.wait(slow["latency"].value("seconds")):
            return None
        if fault is None or fault.kind in AFTER_WRITE:
            twin.prepare(route, request)
        response = self._under(fault, twin, route, request, values, account)
        if "slow_answer" in slow:
            self._stopping.wait(slow["slow_answer"].value("seconds"))
        return response

    def _under(
        self,
        fault: Fault | None,
        twin: Twin,
        route: Route,
        request: Request,
        values: Mapping[str, Any],
        account: str,
    ) -> Response | None:
        """Answer with one deciding fault (or none), and write the record's line."""
        with self.world.transaction():
            applied = False
            response: Response | None = None
            if fault is None or fault.kind in AFTER_WRITE:
                response = self._handle(twin, route, request, values)
                applied = twin.succeeded(response)
                account = account or twin.account_of(request)
            if fault is not None:
                response = self._spoil(fault, twin, route, request, response)
            self.world.note(
                twin.slug,
                route.call,
                account,
                response.status_code if response else None,
                str(request.environ["practice.arrived_at"]),
                applied,
                fault.kind if fault else "",
                route.commit,
            )
            return response

    def _spoil(
        self,
        fault: Fault,
        twin: Twin,
        route: Route,
        request: Request,
        response: Response | None,
    ) -> Response | None:
        """What the caller gets to see; `response` is the twin's answer, if it ran."""
        if fault.kind in ("cut", "drop_answer"):
            return None
        if fault.kind == "delayed_apply":
            self._delay(request, fault.value("seconds"))
            return None
        if fault.kind == "html_error":
            return proxy_page(int(fault.value("status")))
        if response is not None and not twin.succeeded(response):
            return response  # there was no write that an error could come after
        kind = fault.kind.removesuffix("_after_write")
        if fault.kind == "bad_request_after_write":
            kind = fault.kind
        status = int(fault.params.get("status", 500))
        refusal = Refusal(kind, route.call, fault.params.get("retry_after_s"), status)
        refused = twin.refuse(request, refusal)
        if kind == "server_error":
            refused.status_code = status
        return refused

    def _handle(
        self, twin: Twin, route: Route, request: Request, values: Mapping[str, Any]
    ) -> Response:
        try:
            with self.world.transaction():
                return route.handler(request, **values)
        except HTTPException as exc:
            return exc.get_response(request.environ)
        except Exception:
            logger.exception("%s: %s failed", twin.slug, route.call)
            return json_response({"error": "The practice network has a bug here"}, 500)

    # ------------------------------------------------------------ applied later

    def _delay(self, request: Request, seconds: float) -> None:
        id = secrets.token_hex(8)
        doc = {
            "due": time.time() + seconds,
            "method": request.method,
            "path": request.path,
            "query": request.query_string.decode(),
            "headers": [[k, v] for k, v in request.headers if k != "Content-Length"],
            "address": request.remote_addr or "127.0.0.1",
        }
        with self._delayed_body(id).open("wb") as kept:
            shutil.copyfileobj(body_of(request), kept)
        self.world.put("panel", "delayed", id, doc)
        self._schedule(id, seconds)

    def _delayed_body(self, id: str) -> Path:
        return self.world.file("panel", f"delayed-{id}")

    def _schedule(self, id: str, seconds: float | None = None) -> None:
        if seconds is None:
            doc = self.world.get("panel", "delayed", id)
            seconds = max(0.0, float(doc["due"]) - time.time()) if doc else 0.0
        timer = threading.Timer(seconds, self._apply_delayed, (id,))
        timer.daemon = True
        self._timers = {t for t in self._timers if not t.finished.is_set()}
        self._timers.add(timer)
        timer.start()

    def _apply_delayed(self, id: str) -> None:
        doc = self.world.get("panel", "delayed", id)
        if doc is None or self.stopped:
            return
        kept = self._delayed_body(id)
        with kept.open("rb") as body:
            environ = EnvironBuilder(
                path=doc["path"],
                method=doc["method"],
                query_string=doc["query"],
                headers=doc["headers"],
                input_stream=body,
                content_length=kept.stat().st_size,
                environ_base={"REMOTE_ADDR": doc["address"]},
            ).get_environ()
            shift = timedelta(seconds=self.world.shift_s)
            environ["practice.arrived_at"] = iso(datetime.now(UTC) + shift)
            self._apply(id, Request(environ))
        if self.world.get("panel", "delayed", id) is None:
            kept.unlink(missing_ok=True)

    def _apply(self, id: str, request: Request) -> None:
        number, values = self._map.bind("localhost").match(request.path, request.method)
        slug, route = self._targets[number]
        if not route.large:
            request.get_data(cache=True)
        twin = self.twins[slug]
        with self.world.transaction():
            route = twin.call_of(route, request)
        twin.prepare(route, request)
        if self.stopped:
            return  # the next start takes it up
        with self.world.transaction():
            if self.world.get("panel", "delayed", id) is None:
                return
            self.world.delete("panel", "delayed", id)
            response = self._handle(twin, route, request, values)
            self.world.note(
                slug,
                route.call,
                twin.account_of(request),
                None,
                request.environ["practice.arrived_at"],
                twin.succeeded(response),
                "applied_late",
                route.commit,
            )


def redirect_to(url: str) -> Response:
    response = redirect(url, 302)
    assert isinstance(response, Response)
    return response


def proxy_page(status: int) -> Response:
    """What a machine in front of a platform shows instead of the platform's answer."""
    words = f"{status} {HTTPStatus(status).phrase}"
    return Response(
        f"<html>\r\n<head><title>{words}</title></head>\r\n<body>\r\n"
        f"<center><h1>{words}</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n",
        status,
        mimetype="text/html",
    )


# ---------------------------------------------------------------- HTTP/1.1


class _Handler(WSGIRequestHandler):
    """One connection. Werkzeug's own handler closes after each answer; this one reads
    every body to its end, so the connection can stay open for the next request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: the platforms' clock, which the panel may shift."""
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now + self.server.practice.world.shift_s)

    def make_environ(self) -> dict[str, Any]:
        """With headers that have an underscore in their name, as some of Meta's."""
        environ = super().make_environ()
        for name, value in self.headers.items():
            if "_" in name:
                key = "HTTP_" + name.upper().replace("-", "_")
                environ.setdefault(key, value)
        return environ

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self.make_environ()
        with tempfile.SpooledTemporaryFile(MAX_BYTES_IN_MEMORY) as body:
            try:
                size = self._read_body(environ, body)
            except ValueError:
                self.close_connection = True
                self._send(json_response({"error": "Bad request"}, 400), environ)
                return
            response = self.server.practice.answer(environ, body, size)
        if response is None:
            self._hang_up()
        else:
            self._send(response, environ)

    def _read_body(self, environ: dict[str, Any], body: IO[bytes]) -> int:
        """Fill `body` and set it to its beginning; return its length."""
        stream = environ["wsgi.input"]
        left: int | None = None
        if not isinstance(stream, DechunkedInput):
            left = int(environ.get("CONTENT_LENGTH") or 0)
            if left < 0:
                raise ValueError("negative length")
        while left is None or left > 0:
            block = stream.read(min(1 << 20, left) if left is not None else 1 << 20)
            if not block:
                if left:
                    raise ConnectionAbortedError("the body ended early")
                break
            if left is not None:
                left -= len(block)
            body.write(block)
        size = body.tell()
        body.seek(0)
        return size

    def _send(self, response: Response, environ: dict[str, Any]) -> None:
        body = b"" if self.command == "HEAD" else response.get_data()
        self.send_response(response.status_code, response.status.partition(" ")[2])
        for name, value in response.get_wsgi_headers(environ):
            if name.lower() not in ("date", "server", "connection"):
                self.send_header(name, value)
        if "Content-Length" not in response.headers:
            self.send_header("Content-Length", str(len(response.get_data())))
        if self.close_connection:
            self.send_header("Connection", "close")
        # One write: a head that leaves alone would wait for the other side's ACK.
        self._headers_buffer.append(b"\r\n" + body)
        self.flush_headers()

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("the other side was gone already")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The record of the panel is the log."""


class _Server(ThreadedWSGIServer):
    practice: PracticeApp
    connections: set[socket.socket]

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.exception("a connection ended with an error")


class PracticeServer:
    """A running practice network. `url` has no trailing slash."""

    def __init__(self, server: _Server, world: World, url: str) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="practice-network",
            daemon=True,
        )
        self.world = world
        self.url = url

    @property
    def twins(self) -> dict[str, Twin]:
        return self._server.practice.twins

    @property
    def faults(self) -> Faults:
        return self._server.practice.faults

    def start(self) -> None:
        self._server.practice.start()
        self._thread.start()

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until what `delayed_apply` put off has been done."""
        for timer in list(self._server.practice._timers):
            timer.join(timeout=timeout_s)

    def stop(self) -> None:
        """Stop at once; whatever is under way gets no answer. Safe to repeat."""
        if self._server.practice.stopped:
            return
        self._server.shutdown()
        self._server.practice.stop()
        for connection in list(self._server.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("a connection was closed already")
        self._server.server_close()
        self._thread.join(timeout=10)
        with self.world.transaction():
            pass  # whoever is inside finishes first
        self.world.close()


def start_practice(
    data_dir: str | Path,
    port: int = 0,
    twins: Mapping[str, str | type[Twin]] | None = None,
    *,
    bind: str = "127.0.0.1",
    public_url: str = "",
) -> PracticeServer:
    """Start a practice network in a thread of its own.

    port 0: any free one. twins: slug -> class or dotted path, by default all. Raises
    OSError when the port is taken or the folder cannot be written.
    """
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    listener = socket.create_server((bind, port), family=family, backlog=256)
    try:
        folder = Path(data_dir)
        folder.mkdir(parents=True, exist_ok=True)
        world = World(folder / "practice.sqlite3")
        actual = listener.getsockname()[1]
        host = bind if bind not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        url = (public_url or f"http://{host}:{actual}").rstrip("/")
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{public_url!r} is not an http(s) address")
        chosen = twins if twins is not None else TWINS
        paths = {slug: t for slug, t in chosen.items() if isinstance(t, str)}
        classes = {s: t for s, t in chosen.items() if not isinstance(t, str)}
        classes.update(load_twins(paths))
        made = {slug: classes[slug](world, url) for slug in chosen}
        app = PracticeApp(world, made, url, loopback=bind in LOOPBACK)
        server = _Server(bind, actual, _no_wsgi, _Handler, fd=listener.fileno())
        server.practice = app
        server.connections = set()
    finally:
        listener.close()  # the server holds a copy of it
    running = PracticeServer(server, world, url)
    running.start()
    return running


def _no_wsgi(environ: Any, start_response: Any) -> Any:
    raise NotImplementedError("the handler answers by itself")
