"""Connections are kept, bounded, verified; and what left is told truthfully."""

from __future__ import annotations

import gzip
import io
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from platforms import transport
from platforms.errors import AmbiguousOutcome, Cause, PlatformDown, TransientError
from platforms.http import SLOWEST_LINE, Answer, Http
from platforms.transport import FileChanged, FilePart, WholeBody

CLOSE = b"(close)"


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "\r\n"]
    return "\r\n".join(lines).encode() + body


class Server:
    """Answers each request with the next of `answers`, the last one again and again.

    CLOSE in place of an answer: the connection ends there.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: list[bytes] = [answer()]
        self.connections = 0
        self.requests: list[bytes] = []
        #: seconds after an answer at which the connection is closed; 0: never
        self.idle_s = 0.0
        self.closed = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.context = context
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}/posts"
        self.threads: list[threading.Thread] = []
        self._start(self.accept)

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _address = self.listener.accept()
                self.connections += 1
                self._start(self.serve, sock)

    def serve(self, sock: socket.socket) -> None:
        with suppress(OSError):
            sock.settimeout(10)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock, sock.makefile("rb") as file:
                while self._take(file):
                    reply = self.answers[0]
                    if len(self.answers) > 1:
                        self.answers.pop(0)
                    if reply == CLOSE:
                        break
                    sock.sendall(reply.removesuffix(CLOSE))
                    if reply.endswith(CLOSE):
                        break
                    if self.idle_s:
                        time.sleep(self.idle_s)
                        break
        self.closed.set()

    def _take(self, file: Any) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return False
            head += line
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        body = file.read(int(fields.get(b"Content-Length", 0)))
        self.requests.append(head + body)
        return True

    def end(self) -> None:
        # A shutdown wakes the thread that accepts; a close alone does not.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


def post(server: Server, mutates: bool = True, **kwargs: Any) -> Answer:
    kwargs.setdefault("json", {"status": "Hello"})
    http = Http(allow_private=True, total_s=kwargs.pop("total_s", 10))
    return http.request(
        "POST", server.url, call="POST /posts", mutates=mutates, **kwargs
    )


# ---------------------------------------------------------------- kept connections


def test_a_request_is_sent_as_one_piece_with_its_length_and_type(server):
    post(server, headers={"Authorization": "Bearer t"})
    (sent,) = server.requests
    head, _, body = sent.partition(b"\r\n\r\n")
    assert body == b'{"status": "Hello"}'
    assert head.splitlines()[0] == b"POST /posts HTTP/1.1"
    host = server.url.split("/")[2].encode()
    for line in (
        b"Host: " + host,
        b"Content-Type: application/json",
        b"Content-Length: 19",
        b"Authorization: Bearer t",
    ):
        assert line in head.splitlines()


class Counting(io.BytesIO):
    """A file that notes how much of it was asked for at once."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked.append(-1 if size is None else size)
        return super().read(size)


@pytest.mark.parametrize("size", [0, 1, 1000, 2_000_000])
def test_a_file_is_sent_as_it_is_read_never_whole(server, size):
    data = bytes(range(251)) * (size // 251 + 2)
    stream = Counting(data)
    stream.seek(7)
    part = FilePart("media", stream, size, 'a"b\r\n.mp4', "video/mp4")
    post(server, json=None, data={"segment_index": "3"}, upload=part)
    (sent,) = server.requests
    head, _, body = sent.partition(b"\r\n\r\n")
    boundary = head.partition(b"boundary=")[2].split(b"\r\n")[0]
    _, text, file, rest = body.split(b"--" + boundary)
    assert text == (
        b'\r\nContent-Disposition: form-data; name="segment_index"\r\n\r\n3\r\n'
    )
    assert file == (
        b'\r\nContent-Disposition: form-data; name="media"; '
        b'filename="a%22b%0D%0A.mp4"\r\nContent-Type: video/mp4\r\n\r\n'
        + data[7 : 7 + size]
        + b"\r\n"
    )
    assert rest == b"--\r\n"
    assert all(0 < asked <= transport.FILE_BLOCK for asked in stream.asked)


@pytest.mark.parametrize("sizes", [(5, 3), (0, 1), (1_000_000, 2_000_000)])
def test_two_files_go_in_one_form_one_after_the_other(server, sizes):
    datas = [bytes([n + 1]) * size for n, size in enumerate(sizes)]
    streams = [Counting(data) for data in datas]
    last = FilePart("thumbnail", streams[1], sizes[1], "b.png", "image/png")
    part = FilePart("file", streams[0], sizes[0], "a.mp4", "video/mp4", last)
    assert part.size == sum(sizes)
    post(server, json=None, data={"description": "x"}, upload=part)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    assert length == len(body)
    boundary = head.partition(b"boundary=")[2].split(b"\r\n")[0]
    _, text, first, second, rest = body.split(b"--" + boundary)
    assert text.endswith(b"\r\n\r\nx\r\n")
    assert (b'name="file"' in first, first.endswith(datas[0] + b"\r\n")) == (True, True)
    assert b'name="thumbnail"; filename="b.png"\r\nContent-Type: image/png' in second
    assert (second.endswith(datas[1] + b"\r\n"), rest) == (True, b"--\r\n")


@pytest.mark.parametrize("size", [0, 1, 2_000_000])
def test_a_file_alone_is_the_whole_body_from_where_it_stands(server, size):
    data = bytes(range(251)) * (size // 251 + 2)
    stream = Counting(data)
    stream.seek(7)
    post(server, json=None, upload=WholeBody(stream, size, "video/mp4"))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: video/mp4\r\n" in head + b"\r\n"
    assert body == data[7 : 7 + size]
    assert all(0 < asked <= transport.FILE_BLOCK for asked in stream.asked)


def test_a_file_that_has_lost_bytes_is_not_the_networks_fault(server):
    part = FilePart("file", io.BytesIO(b"short"), 1_000_000, "a.mp4", "video/mp4")
    with pytest.raises(FileChanged, match="999995 bytes"):
        post(server, json=None, upload=part)
    assert post(server).ok


def test_a_connection_is_used_again_by_threads_that_come_later(server):
    for _ in range(3):
        thread = threading.Thread(target=post, args=(server,))
        thread.start()
        thread.join()
    assert len(server.requests) == 3
    assert server.connections == 1


def test_a_connection_that_the_server_closed_while_idle_costs_no_doubt(server):
    server.idle_s = 0.01
    post(server)
    assert server.closed.wait(10)
    time.sleep(0.05)  # its end travels to us
    assert post(server).ok
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_connection_that_ends_as_the_request_arrives_leaves_doubt(server):
    """The server may have taken it: nothing is sent again."""
    server.answers = [answer(), CLOSE]
    post(server)
    with pytest.raises(AmbiguousOutcome) as caught:
        post(server)
    assert caught.value.cause is Cause.ANSWER_LOST
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_change_takes_no_connection_that_was_idle_for_long(server, monkeypatch):
    post(server)
    monkeypatch.setattr(transport, "FRESH_S", -1.0)
    post(server, mutates=False)
    assert server.connections == 1
    post(server, mutates=True)
    assert server.connections == 2


def test_the_servers_word_on_idle_connections_is_kept(server):
    server.answers = [answer(b"{}", "Keep-Alive: timeout=0, max=100")]
    post(server, mutates=False)
    post(server, mutates=False)
    assert server.connections == 2


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"{}", "Connection: close"),
        answer(b"{}").replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"HTTP/1.1 200 OK\r\n\r\n{}" + CLOSE,
    ],
    ids=["asked", "old", "no length"],
)
def test_a_connection_that_is_not_to_be_kept_is_not(server, reply):
    server.answers = [reply]
    assert post(server).data() == {}
    post(server)
    assert server.connections == 2


def test_bytes_that_nobody_asked_for_are_never_the_next_ones_answer(server):
    server.answers = [answer(b'{"id": 1}'), answer(b'{"id": 2}')]
    stray = answer(b'{"id": "stray"}')
    server.answers[0] += stray
    assert post(server).data() == {"id": 1}
    assert post(server).data() == {"id": 2}


def test_an_answer_that_is_left_half_read_ends_its_connection(server):
    server.answers = [answer(b"x" * 300_000), answer(b"{}")]
    with pytest.raises(AmbiguousOutcome):
        post(server, max_bytes=1000)
    assert post(server).data() == {}
    assert server.connections == 2


def test_connections_that_are_idle_for_long_are_closed(server):
    post(server)
    transport.tidy(time.monotonic() + 2 * transport.IDLE_S)
    assert server.closed.wait(10)


def test_a_child_process_has_none_of_its_parents_connections(server):
    post(server)
    assert transport._pools
    pid = os.fork()
    if not pid:
        os._exit(len(transport._pools))
    assert os.waitpid(pid, 0)[1] == 0


# ---------------------------------------------------------------- what comes back


def chunked(*parts: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (*parts, b""))


PACKED = "Content-Encoding: gzip"
GOOD = {
    "in parts": chunked(b'{"id"', b": 7}"),
    "packed": answer(gzip.compress(b'{"id": 7}'), PACKED),
    "after hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    + answer(b'{"id": 7}'),
    "two equal lengths": answer(b'{"id": 7}', "Content-Length: 9"),
    "without a reason": answer(b'{"id": 7}', status="200"),
}


@pytest.mark.parametrize("reply", GOOD.values(), ids=GOOD)
def test_an_answer_is_read_in_every_form_and_its_connection_kept(server, reply):
    server.answers = [reply]
    assert [post(server).data() for _ in "ab"] == [{"id": 7}, {"id": 7}]
    assert server.connections == 1


def test_headers_that_come_twice_are_joined_and_names_are_lower_case(server):
    server.answers = [answer(b"{}", "X-Limit: a", "x-limit: b", "X-Long: c", "  d")]
    got = post(server).headers
    assert (got["x-limit"], got["x-long"]) == ("a, b", "c d")


BAD = {
    "cut short": answer(b"{}" * 50)[:-10] + CLOSE,
    "cut in a part": chunked(b"{}" * 50)[:-30] + CLOSE,
    "packed and cut short": answer(gzip.compress(b"{}" * 50)[:-9], PACKED),
    "not packed": answer(b"{}", PACKED),
    "two lengths": answer(b"{}", "Content-Length: 3"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n" + CLOSE,
    "headers without end": answer(b"{}", *(f"X-{n}: 1" for n in range(200))),
    "a line without end": answer(b"{}", "X: " + "1" * 70_000),
    "only hints": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + CLOSE,
}


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
@pytest.mark.parametrize("mutates", [True, False])
def test_an_answer_that_cannot_be_read_leaves_doubt_only_after_a_change(
    server, reply, mutates
):
    server.answers = [reply]
    with pytest.raises(AmbiguousOutcome if mutates else TransientError):
        post(server, mutates)
    assert len(server.requests) == 1


def test_much_that_is_packed_into_little_is_cut_off(server):
    server.answers = [answer(gzip.compress(b"0" * 50_000_000), PACKED)]
    with pytest.raises(AmbiguousOutcome) as caught:
        post(server, max_bytes=100_000)
    assert caught.value.cause is Cause.ANSWER_UNREADABLE


def test_a_refusal_that_comes_before_all_was_sent_is_read():
    """413 and closed, with the rest of a large file still on its way."""
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        sock, _address = listener.accept()
        with sock:
            sock.recv(1000)
            sock.sendall(answer(b"too large", status="413 Content Too Large"))

    thread = threading.Thread(target=refuse, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    got = Http(allow_private=True).request(
        "PUT", url, call="PUT", mutates=True, data=b"x" * 20_000_000
    )
    assert got.status == 413
    thread.join(10)
    listener.close()


def test_an_answer_that_came_while_we_stood_still_is_read_without_a_wait():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        over = time.monotonic() - 60
        file = transport._UntilDeadline(ours, over).makefile("rb")
        theirs.sendall(b"HTTP/1.1 200 OK\r\n")
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        with pytest.raises(TimeoutError):
            file.readline()


# ---------------------------------------------------------------- what never left


@pytest.mark.parametrize(
    "headers",
    [{"X-Key": "a\r\nX-Other: b"}, {"X-Key\n": "a"}, {"X-Key": "a\0b"}],
)
def test_a_header_that_would_end_early_is_not_sent(server, headers):
    with pytest.raises(PlatformDown):
        post(server, headers=headers)
    assert server.connections == 0


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://a..b/"])
def test_what_is_no_address_is_not_called(url):
    with pytest.raises(PlatformDown):
        Http(allow_private=True).request("POST", url, call="POST", mutates=True)


def test_a_server_that_accepts_nobody_was_sent_nothing():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        where = full.getsockname()
        with socket.create_connection(where), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(where)
            with pytest.raises(PlatformDown) as caught:
                Http(allow_private=True, total_s=0.3).request(
                    "POST", f"http://127.0.0.1:{where[1]}/", call="POST", mutates=True
                )
    assert caught.value.cause is Cause.UNREACHABLE


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The path of a certificate for 127.0.0.1 and its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def tls_server(certificate) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = Server(context)
    yield made
    made.end()


def test_a_server_that_cannot_prove_its_name_is_sent_nothing(tls_server):
    with pytest.raises(PlatformDown) as caught:
        post(tls_server)
    assert caught.value.cause is Cause.UNREACHABLE
    assert tls_server.requests == []


def test_a_proven_server_is_called_and_its_connection_kept(
    tls_server, certificate, monkeypatch
):
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(transport, "tls_context", lambda: trusting)
    assert [post(tls_server).ok for _ in "abc"] == [True] * 3
    assert (tls_server.connections, len(tls_server.requests)) == (1, 3)


def test_a_name_that_is_not_in_the_certificate_is_refused(
    tls_server, certificate, monkeypatch
):
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(transport, "tls_context", lambda: trusting)
    tls_server.url = tls_server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(PlatformDown):
        post(tls_server)
    assert tls_server.requests == []


# ---------------------------------------------------------------- large files


class Slow(Server):
    """Reads a body in halves, with a pause that is longer than a call's usual limit."""

    pause_s = 1.0

    def _take(self, file: Any) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return False
            head += line
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        size = int(fields.get(b"Content-Length", 0))
        file.read(size // 2)
        time.sleep(self.pause_s)
        self.requests.append(head + file.read(size - size // 2))
        return True


#: More than sockets hold by themselves.
LARGE = 16 << 20


def send_large(http: Http, server: Server, *, mutates: bool, form: bool) -> Answer:
    stream = io.BytesIO(bytes(LARGE))
    part = FilePart("file", stream, LARGE, "a.mp4", "video/mp4")
    body = part if form else WholeBody(stream, LARGE)
    return http.request("POST", server.url, call="x", mutates=mutates, upload=body)


@pytest.fixture
def slow() -> Iterator[Server]:
    made = Slow()
    yield made
    made.end()


@pytest.mark.parametrize("form", [True, False])
def test_a_large_file_on_a_slow_line_gets_the_time_that_it_needs(slow, form):
    http = Http(allow_private=True, total_s=0.5)
    assert send_large(http, slow, mutates=False, form=form).ok
    assert http.sent_bytes == LARGE
    assert http.longest_s > LARGE / SLOWEST_LINE


def test_a_call_that_could_publish_gets_no_more_time_for_its_file(slow):
    http = Http(allow_private=True, total_s=0.5)
    with pytest.raises(AmbiguousOutcome) as caught:
        send_large(http, slow, mutates=True, form=False)
    assert caught.value.cause == Cause.TIMED_OUT


def test_an_upload_that_nobody_wants_any_more_ends(server):
    http = Http(allow_private=True)
    http.is_cut = True
    with pytest.raises(TransientError):
        send_large(http, server, mutates=False, form=True)
    assert server.closed.wait(10)
    assert http.sent_bytes < LARGE


def test_what_may_publish_is_never_cut(server):
    http = Http(allow_private=True)
    http.is_cut = True
    assert send_large(http, server, mutates=True, form=False).ok
