"""Connections: opened, bounded as a whole call, kept alive, shared by all threads.

The adapter of `requests` stands on top, so that its errors, and tests that replace its
`send`, stay as everybody knows them. Below it urllib3's pools are replaced: what they do
for proxies, retries, redirects and cookies is never wanted here, and costs more time
than the rest of a call. A TLS context, which takes 60 ms to make, and idle connections
belong to the process: pumps and their threads come and go.
"""

from __future__ import annotations

import errno
import http.client
import io
import ipaddress
import os
import re
import secrets
import socket
import ssl
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from json import dumps
from typing import IO, Any, NamedTuple, Protocol

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import parse_url, wait_for_read

CONNECT_TIMEOUT_S = 5.0
#: The longest wait for the next bytes, in either direction.
READ_TIMEOUT_S = 30.0
#: A changing call takes no connection that was idle for longer: a server that closes it
#: at this very moment would leave us not knowing. Servers keep them for 5 s and more.
FRESH_S = 4.0
#: Idle connections are closed after so long.
IDLE_S = 30.0
BLOCK = 65_536
#: A body of so many bytes is sent in one piece.
SMALL = 4 * BLOCK
#: Of a file is read and sent at a time: between two blocks another thread may take the
#: interpreter and keep it for 5 ms, in which a fast line sends more than that.
FILE_BLOCK = 1 << 19
USER_AGENT = "SocialHub/1.0"
DEFAULT_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept-Encoding": "gzip",
    "Accept": "*/*",
    "Connection": "keep-alive",
}
#: As in http.client: more is no answer but an attack.
MAX_LINE = 65_536
MAX_HEADERS = 100
#: Interim answers (100, 103) before the real one.
MAX_INTERIM = 10

# ---------------------------------------------------------------- where to


class AddressRefused(NewConnectionError):
    """The name leads into a private network; nothing was sent."""


#: IPv6 that is routed at all (RFC 4291); everything else is special.
_UNICAST6 = ipaddress.IPv6Network("2000::/3")
#: IPv6-only hosts reach an IPv4 address under this prefix (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Named global by the registry, and metadata services of clouds all the same.
_INSIDE = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("168.63.129.16/32"),
)


def is_public(address: str) -> bool:
    """A globally routable unicast address (no loopback, private, link-local ...).

    An IPv6 address that carries an IPv4 one is judged by that, or not public.
    """
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        elif ip not in _UNICAST6 or ip.sixtofour or ip.teredo:
            return False
    if isinstance(ip, ipaddress.IPv4Address) and any(ip in net for net in _INSIDE):
        return False
    return ip.is_global and not ip.is_multicast


class Address(NamedTuple):
    """An address as it is called."""

    url: str
    scheme: str
    host: str  # without brackets
    port: int
    host_header: str


@lru_cache(maxsize=1024)
def address_of(url: str) -> Address:
    """Quoted and with an international name encoded, as `requests` would call it.

    Raises its exceptions for what is no address.
    """
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    assert prepared.url is not None
    parts = parse_url(prepared.url)
    scheme, host = parts.scheme or "", parts.host or ""
    usual = 443 if scheme == "https" else 80
    port = parts.port or usual
    header = host if port == usual else f"{host}:{port}"
    return Address(prepared.url, scheme, host.strip("[]"), port, header)


#: What would end a header, or the head as a whole, before its time.
BREAKS_A_HEADER = re.compile(r"[\r\n\0]")


def full_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """With those that every request has. Raises InvalidHeader."""
    for name, value in headers.items():
        if BREAKS_A_HEADER.search(name) or BREAKS_A_HEADER.search(value):
            raise requests.exceptions.InvalidHeader("a header with a line break")
    return {**DEFAULT_HEADERS, **headers}


class UploadCut(Exception):
    """We do not want it any more: somebody changed the post, or this process ends."""


#: Told of each block that is read for sending: its bytes. It may raise UploadCut.
Watch = Callable[[int], None]


class FileChanged(Exception):
    """A file has fewer bytes than it was measured with: no network is at fault."""


@dataclass(frozen=True)
class FilePart:
    """A file of a form: `length` bytes of the stream, from where it stands.

    field: name in the form. Sent as it is read, so that it never sits in memory.
    after: another file of the same form, which follows.
    """

    field: str
    stream: IO[bytes]
    length: int
    file_name: str
    mime_type: str
    after: FilePart | None = None

    @property
    def files(self) -> list[FilePart]:
        return [self, *(self.after.files if self.after else ())]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(part.length for part in self.files)


@dataclass(frozen=True)
class WholeBody:
    """A file as a request's whole body: `length` bytes, from where the stream stands."""

    stream: IO[bytes]
    length: int
    mime_type: str = "application/octet-stream"

    @property
    def size(self) -> int:
        return self.length


class FileBody:
    """The bytes of a file, read in blocks."""

    def __init__(self, part: WholeBody, watch: Watch | None = None) -> None:
        self._stream = part.stream
        self._watch = watch
        self._left = self.length = part.length
        self.content_type = BREAKS_A_HEADER.sub("", part.mime_type)

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, b"" after the last; -1: all. Raises FileChanged."""
        if size < 0:
            return b"".join(iter(lambda: self.read(BLOCK), b""))
        if not self._left:
            return b""
        block = self._stream.read(min(size, self._left))
        if not block:
            raise FileChanged(f"{self._left} bytes of the file are missing")
        self._left -= len(block)
        if self._watch:
            self._watch(len(block))
        return block


class FormBody:
    """A form with its files, read in blocks from first to last byte."""

    def __init__(
        self, fields: Mapping[str, str], part: FilePart, watch: Watch | None = None
    ) -> None:
        self._boundary = secrets.token_hex(16)
        before = "".join(self._text(name, value) for name, value in fields.items())
        self._pieces: list[io.BytesIO | FileBody] = []
        self.length = part.size
        for file in part.files:
            self._add(before + self._file_head(file))
            whole = WholeBody(file.stream, file.length)
            self._pieces.append(FileBody(whole, watch))
            before = "\r\n"
        self._add(f"\r\n--{self._boundary}--\r\n")

    def _add(self, text: str) -> None:
        data = text.encode()
        self.length += len(data)
        self._pieces.append(io.BytesIO(data))

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, b"" after the last; -1: all. Raises FileChanged."""
        if size < 0:
            return b"".join(iter(lambda: self.read(BLOCK), b""))
        while self._pieces:
            if block := self._pieces[0].read(size):
                return block
            self._pieces.pop(0)
        return b""

    def _text(self, name: str, value: str) -> str:
        return self._head(f'name="{quoted(name)}"') + f"\r\n{value}\r\n"

    def _file_head(self, part: FilePart) -> str:
        names = f'name="{quoted(part.field)}"; filename="{quoted(part.file_name)}"'
        kind = BREAKS_A_HEADER.sub("", part.mime_type)
        return self._head(names) + f"Content-Type: {kind}\r\n\r\n"

    def _head(self, names: str) -> str:
        return f"--{self._boundary}\r\nContent-Disposition: form-data; {names}\r\n"


def quoted(name: str) -> str:
    """A name inside of a part's head, as browsers write it."""
    escapes = {'"': "%22", "\r": "%0D", "\n": "%0A", "\0": ""}
    return "".join(escapes.get(letter, letter) for letter in name)


class Outgoing(requests.PreparedRequest):
    """A request on its way, with what its connection has to know."""

    #: monotonic time at which the whole call must be over
    until: float
    #: a repeat would be seen
    mutates: bool

    @classmethod
    def make(
        cls,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: Any,
        *,
        until: float,
        mutates: bool,
    ) -> Outgoing:
        """A request with a JSON body, or with none: most of ours.

        In a tenth of the time that `requests` needs for it.
        """
        made = cls()
        made.method = method
        made.url = address_of(url).url
        made.headers = CaseInsensitiveDict(full_headers(headers))
        made.body = None
        if json is not None:
            try:
                made.body = dumps(json, allow_nan=False).encode()
            except ValueError as exc:
                raise requests.exceptions.InvalidJSONError(exc) from exc
            made.headers.setdefault("Content-Type", "application/json")
        if json is not None or method not in {"GET", "HEAD"}:
            made.headers["Content-Length"] = str(len(made.body or b""))
        made.until, made.mutates = until, mutates
        return made

    @classmethod
    def upload(
        cls,
        method: str,
        url: str,
        headers: Mapping[str, str],
        fields: Mapping[str, str],
        part: FilePart | WholeBody,
        *,
        until: float,
        mutates: bool,
        watch: Watch | None = None,
    ) -> Outgoing:
        """A file, alone or in a form; a small one in one piece, any other as it is read."""
        made = cls()
        made.method = method
        made.url = address_of(url).url
        body: FormBody | FileBody
        if isinstance(part, FilePart):
            body = FormBody(fields, part, watch)
        else:
            body = FileBody(part, watch)
        made.headers = CaseInsensitiveDict(full_headers(headers))
        made.headers["Content-Type"] = body.content_type
        made.headers["Content-Length"] = str(body.length)
        whole = body.length <= SMALL
        made.body = body.read() if whole else body  # type: ignore[assignment]
        made.until, made.mutates = until, mutates
        return made

    @classmethod
    def from_parts(
        cls, request: requests.Request, *, until: float, mutates: bool
    ) -> Outgoing:
        """Forms, files, queries: encoded by `requests`."""
        made = cls()
        made.prepare(
            method=request.method,
            url=request.url,
            headers=full_headers(request.headers),
            files=request.files,
            data=request.data,
            params=request.params,
            json=request.json,
            # Never from the address.
            auth=request.auth or (lambda sent: sent),
        )
        made.until, made.mutates = until, mutates
        return made


# ---------------------------------------------------------------- what comes back


class _UntilDeadline(io.RawIOBase):
    """A socket's bytes, until the call has had its whole time.

    A time-out of the socket alone starts anew with every byte that trickles in. What
    has arrived when the time is over is still read, without any wait: of a process that
    stood still it may be the whole answer, and knowing is better than looking.
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        super().__init__()
        self._sock = sock
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        self._sock.settimeout(min(max(left, 0.0), READ_TIMEOUT_S))
        try:
            return self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError) as exc:
            raise TimeoutError("the whole call took too long") from exc

    def makefile(self, mode: str) -> io.BufferedReader:
        """The one thing that an answer of http.client asks of its socket."""
        return io.BufferedReader(self)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the whole call took too long")
    return min(left, READ_TIMEOUT_S)


class Reply(http.client.HTTPResponse):
    """An answer whose headers are a plain dict: http.client makes a mail of them.

    `stream`, `close` and `release_conn` are those of urllib3, which `requests` uses.
    """

    _kept: _Connection | None = None

    def __init__(self, kept: _Connection, method: str, until: float) -> None:
        reader: Any = _UntilDeadline(kept.sock, until)
        super().__init__(reader, method=method)
        self._kept = kept

    def begin(self) -> None:
        for _ in range(MAX_INTERIM):
            version, status, reason = self._read_status()  # type: ignore[attr-defined]
            found = read_headers(self.fp)
            if status >= 200 or status == http.client.SWITCHING_PROTOCOLS:
                break
        else:
            raise http.client.HTTPException("only interim answers")
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = found  # type: ignore[assignment]
        self.chunked = found.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None if self.chunked else _length(found)
        if status in {204, 304} or status < 200 or self._method == "HEAD":  # type: ignore[attr-defined]
            self.length = 0
        options = found.get("connection", "").lower()
        asked = "close" in options or (
            self.version == 10 and "keep-alive" not in options
        )
        self.will_close = asked or (self.length is None and not self.chunked)

    def stream(
        self, amt: int = BLOCK, decode_content: bool | None = None
    ) -> Iterator[bytes]:
        """The body in blocks, unpacked; raises urllib3's errors."""
        try:
            blocks = self._blocks()
            packed = self.headers.get("content-encoding", "").lower()
            yield from unpack(blocks) if packed in {"gzip", "x-gzip"} else blocks
        except zlib.error as exc:
            raise DecodeError(f"the answer cannot be unpacked: {exc}") from exc
        except TimeoutError as exc:
            raise ReadTimeoutError(None, None, "Read timed out.") from exc  # type: ignore[arg-type]
        except (OSError, http.client.HTTPException) as exc:
            raise ProtocolError(f"Connection broken: {exc!r}", exc) from exc

    def _blocks(self) -> Iterator[bytes]:
        while block := self.read(BLOCK):
            yield block
        if self.length:
            raise http.client.IncompleteRead(b"", self.length)
        if not self.will_close:
            self.release_conn()

    def release_conn(self) -> None:
        """Keep the connection when all of the answer has been read, else close it."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        if self.isclosed() and not self.will_close and not self.length:
            kept.keep(self.headers.get("keep-alive", ""))
        else:
            kept.sock.close()

    def close(self) -> None:
        if self._kept is not None:
            self._kept.sock.close()
            self._kept = None
        super().close()


def read_headers(file: IO[bytes]) -> dict[str, str]:
    """Lower-case names; a repeated header's values are joined, as the standard has it."""
    found: dict[str, str] = {}
    name = ""
    for _ in range(MAX_HEADERS + 1):
        line = file.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise http.client.LineTooLong("header line")
        if line in {b"\r\n", b"\n", b""}:
            return found
        text = line.decode("latin-1")
        if text[0] in " \t" and name:  # goes on from the line before
            found[name] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        name, value = name.strip().lower(), value.strip()
        if colon:
            found[name] = f"{found[name]}, {value}" if name in found else value
    raise http.client.HTTPException(f"more than {MAX_HEADERS} headers")


def _length(headers: Mapping[str, str]) -> int | None:
    """The body's bytes; None: until the connection ends."""
    told = {word.strip() for word in headers.get("content-length", "").split(",")}
    if len(told) > 1:
        raise http.client.HTTPException("more than one length")
    word = told.pop()
    return int(word) if word.isascii() and word.isdigit() else None


def unpack(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Gzip to bytes, in blocks of bounded size however much is packed into little."""
    opener = zlib.decompressobj(16 + zlib.MAX_WBITS)
    begun = False
    for data in blocks:
        begun = True
        while data and not opener.eof:
            if out := opener.decompress(data, BLOCK):
                yield out
            data = opener.unconsumed_tail
    if out := opener.flush():
        yield out
    if begun and not opener.eof:
        raise zlib.error("cut short")


# ---------------------------------------------------------------- connections


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies certificate and name. May be used by all threads at once."""
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Connection:
    """An open socket to a server, and since when it waits for the next call."""

    def __init__(self, pool: _Pool, sock: socket.socket) -> None:
        self.pool = pool
        self.sock = sock
        self.idle_since = 0.0
        self.idle_at_most = IDLE_S

    def keep(self, keep_alive: str) -> None:
        """keep_alive: the server's header, such as "timeout=5, max=100"."""
        if told := re.search(r"timeout=(\d{1,6})", keep_alive):
            self.idle_at_most = min(IDLE_S, int(told[1]) - 1.0)
        self.idle_since = time.monotonic()
        self.pool.idle.append(self)
        tidy(self.idle_since)

    def is_usable(self, now: float, mutates: bool) -> bool:
        most = min(self.idle_at_most, FRESH_S) if mutates else self.idle_at_most
        # What can be read before we have asked is the end, or nothing for us.
        return now - self.idle_since <= most and not wait_for_read(self.sock, 0.0)


class _Pool:
    """Idle connections to one server, for all threads. `guarded`: public addresses only.

    The newest is taken first, so that those of a past rush come of age.
    """

    def __init__(self, address: Address, guarded: bool) -> None:
        self.address = address
        self.guarded = guarded
        self.idle: deque[_Connection] = deque()

    def __str__(self) -> str:
        return f"{self.address.scheme} connection to port {self.address.port}"

    def take(self, mutates: bool) -> _Connection | None:
        now = time.monotonic()
        while True:
            try:
                found = self.idle.pop()
            except IndexError:
                return None
            if found.is_usable(now, mutates):
                return found
            found.sock.close()

    def drop_old(self, now: float) -> None:
        while True:
            try:
                oldest = self.idle.popleft()
            except IndexError:
                return
            if now - oldest.idle_since <= IDLE_S:
                self.idle.appendleft(oldest)
                return
            oldest.sock.close()

    def connect(self, until: float) -> _Connection:
        """Open a new one. Whatever fails in here, nothing of a request has left."""
        sock = self._connect(until)
        if self.address.scheme != "https":
            return _Connection(self, sock)
        try:
            sock.settimeout(min(_left(until), CONNECT_TIMEOUT_S))
            name = self.address.host.rstrip(".")
            return _Connection(
                self, tls_context().wrap_socket(sock, server_hostname=name)
            )
        except BaseException:
            sock.close()
            raise

    def _connect(self, until: float) -> socket.socket:
        host, port = self.address.host, self.address.port
        here: Any = self
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as e:
            raise NameResolutionError(host, here, socket.gaierror(str(e))) from e
        # Connected is only to addresses that were looked at, so that a name cannot
        # change its mind in between.
        if self.guarded and not all(is_public(str(info[4][0])) for info in infos):
            raise AddressRefused(here, "the name leads into a private network")
        last: OSError | None = None
        for family, kind, protocol, _name, where in dict.fromkeys(infos):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(min(_left(until), CONNECT_TIMEOUT_S))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(where)
                return sock
            except OSError as e:
                sock.close()
                last = e
        if isinstance(last, TimeoutError):
            raise last
        raise NewConnectionError(here, f"no connection: {last}") from last


_pools: dict[tuple[bool, str, str, int], _Pool] = {}
_tidied_at = 0.0


def tidy(now: float) -> None:
    """Close what has been idle for long, everywhere, from time to time."""
    global _tidied_at
    if now - _tidied_at > IDLE_S / 2:
        _tidied_at = now
        for pool in list(_pools.values()):
            pool.drop_old(now)


# A child must never speak on its parent's connections.
os.register_at_fork(after_in_child=_pools.clear)


# ---------------------------------------------------------------- one call


class _Body(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Call:
    """Stands where `requests` expects urllib3's pool, for one request."""

    def __init__(self, pool: _Pool, until: float, mutates: bool) -> None:
        self.pool = pool
        self.until = until
        self.mutates = mutates

    def urlopen(
        self,
        *,
        method: str,
        url: str,
        body: bytes | str | _Body | None,
        headers: Mapping[str, str],
        **_ours: Any,
    ) -> Reply:
        """Send once and read the head of the answer."""
        head = self._head(method, url, headers)
        here: Any = self.pool
        kept = self.pool.take(self.mutates) or self._connect(url)
        try:
            self._send(kept.sock, head, body)
            reply = Reply(kept, method, self.until)
            reply.begin()
        except TimeoutError as exc:
            kept.sock.close()
            raise ReadTimeoutError(here, url, "Read timed out.") from exc
        except (OSError, http.client.HTTPException) as exc:
            kept.sock.close()
            raise ProtocolError("Connection aborted.", exc) from exc
        except BaseException:
            kept.sock.close()
            raise
        return reply

    def _connect(self, url: str) -> _Connection:
        here: Any = self.pool
        try:
            return self.pool.connect(self.until)
        except NewConnectionError as exc:
            reason: Exception = exc
        except TimeoutError:
            reason = ConnectTimeoutError(here, "connect timeout")
        except ssl.SSLError as exc:
            reason = SSLError(exc)
        except OSError as exc:
            reason = NewConnectionError(here, f"no connection: {exc}")
        raise MaxRetryError(here, url, reason) from reason

    def _head(self, method: str, url: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {url} HTTP/1.1", f"Host: {self.pool.address.host_header}"]
        for name, value in headers.items():
            lines.append(f"{name}: {value}")
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1")

    def _send(
        self, sock: socket.socket, head: bytes, body: bytes | str | _Body | None
    ) -> None:
        try:
            for block in _blocks(head, body):
                sock.settimeout(_left(self.until))
                sock.sendall(block)
        except OSError as exc:
            # Refused before it had all (413 and closed): its answer may be there.
            if exc.errno not in {errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE}:
                raise


def _blocks(head: bytes, body: bytes | str | _Body | None) -> Iterator[bytes]:
    """The head and the start of the body in one: each block may wake the server up."""
    if isinstance(body, str):
        body = body.encode()
    if body is None or isinstance(body, bytes):
        whole = head + (body or b"")
        for start in range(0, len(whole), BLOCK):
            yield whole[start : start + BLOCK]
        return
    yield head
    while block := body.read(FILE_BLOCK):
        yield block


class Adapter(HTTPAdapter):
    """guarded: only public addresses are called."""

    def __init__(self, *, guarded: bool) -> None:
        super().__init__(max_retries=0)
        self.guarded = guarded

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> Any:
        assert isinstance(request, Outgoing)
        assert request.url is not None
        address = address_of(request.url)
        key = (self.guarded, address.scheme, address.host, address.port)
        pool = _pools.get(key) or _pools.setdefault(key, _Pool(address, self.guarded))
        return _Call(pool, request.until, request.mutates)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to choose: `tls_context` verifies always."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return request.path_url


OPEN = Adapter(guarded=False)
GUARDED = Adapter(guarded=True)
