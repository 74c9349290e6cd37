"""What a hostile server, name or answer cannot make the HTTP layer do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import responses

from platforms import registry
from platforms.base import Identity, RemotePost
from platforms.errors import (
    AmbiguousOutcome,
    Cause,
    NotFound,
    PlatformDown,
    PlatformError,
    TransientError,
)
from platforms.http import Answer, Http, is_public, redact, without


@pytest.mark.trap("mastodon", 13)
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "224.0.0.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fe80::1%eth0",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "5f00::1",
    ],
)
def test_an_address_inside_a_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]
)
def test_a_public_address_is_public_also_through_nat64(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("value", ["inf", "nan", "1e300", "99999999999"])
def test_an_absurd_retry_after_is_a_time_that_can_be_counted_with(value: str) -> None:
    wait = Answer(429, {"retry-after": value}).retry_after

    assert wait is None or 0 <= wait <= 31 * 86_400


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000])
def test_a_deeply_nested_answer_is_no_data_and_no_crash(body: bytes) -> None:
    assert Answer(200, {}, body).data() == {}


@pytest.fixture
def trickle() -> Iterator[Callable[[bytes], str]]:
    """Serve a few bytes at once and the rest in drops; returns the address."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(start: bytes) -> None:
        connection, _address = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(start)
            for _drop in range(100):
                if ended.wait(0.05):
                    return
                connection.sendall(b"x")

    def begin(start: bytes) -> str:
        thread = threading.Thread(target=serve, args=(start,), daemon=True)
        thread.start()
        threads.append(thread)
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield begin
    ended.set()
    for thread in threads:
        thread.join(10)
    listener.close()


@pytest.mark.trap("mastodon", 13)
@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"],
    ids=["headers", "body"],
)
@pytest.mark.parametrize("mutates", [True, False])
def test_a_server_that_sends_drop_by_drop_cannot_hold_a_call(
    trickle: Callable[[bytes], str], start: bytes, mutates: bool
) -> None:
    url = trickle(start)
    kind = AmbiguousOutcome if mutates else TransientError

    with pytest.raises(kind) as caught:
        Http(allow_private=True, total_s=0.4).request(
            "GET", url, call="GET /", mutates=mutates
        )

    assert caught.value.cause is Cause.TIMED_OUT


def test_only_the_practice_network_may_be_private_in_the_practice_network() -> None:
    where = registry.environment("bluesky", practice_url="http://127.0.0.1:9")
    client = registry.platform("bluesky").client(where)

    for did in ("did:web:127.0.0.1%3A5432", "did:web:localhost%3A8000"):
        with pytest.raises(NotFound) as caught:
            client.did_document(did)  # type: ignore[attr-defined]
        assert caught.value.cause is Cause.ADDRESS_REFUSED
    with pytest.raises(NotFound) as caught:
        client.sign_in("ana.example", "pass-word", "http://169.254.169.254")
    assert caught.value.cause is Cause.ADDRESS_REFUSED
    assert not client.http.log


def test_a_trusted_server_opens_no_way_to_other_private_ones() -> None:
    where = registry.environment(
        "mastodon",
        instance_url="http://127.0.0.1:9",
        allow_private=True,
        private_hosts=["127.0.0.1:9"],
    )
    client = registry.platform("mastodon").client(where)

    with pytest.raises(PlatformDown):  # it is called, and nobody is there
        client.send("GET {nodeinfo}", "http://127.0.0.1:9/nodeinfo")
    with pytest.raises(NotFound):
        client.send("GET {nodeinfo}", "http://127.0.0.1:10/nodeinfo")


@pytest.mark.parametrize(
    "text",
    [
        r'{"error": "{\"access_token\":\"EAABsecret77\"}"}',
        r'{"token": "abc\"secret77"}',
        '{"refresh_token": "secret77',
        "client_secret=secret77&x=1",
        "Authorization: Bearer secret77",
    ],
)
def test_what_looks_like_a_secret_is_taken_out_of_a_text(text: str) -> None:
    assert "secret77" not in redact(text)


def test_a_long_text_is_cut_before_it_is_searched() -> None:
    assert len(redact("token" * 1_000_000)) <= 10_000


SENT = "s3cr3t-value-of-ours"


@pytest.mark.parametrize(
    "sent",
    [
        {"headers": {"Authorization": f"Bearer {SENT}"}},
        {"auth": ("client", SENT)},
        {"data": {"grant_type": "authorization_code", "code": SENT}},
        {"json": {"identifier": "ana", "password": SENT}},
        {"params": {"access_token": SENT}},
    ],
    ids=["header", "basic", "form", "json", "query"],
)
@responses.activate
def test_a_refusal_that_repeats_a_secret_that_we_sent_comes_without_it(
    sent: dict[str, Any],
) -> None:
    responses.post(
        "https://social.example/x", status=400, body=f"I dislike {SENT} very much"
    )
    answer = Http().request(
        "POST", "https://social.example/x", call="POST /x", mutates=True, **sent
    )
    assert answer.text() == "I dislike [removed] very much"


def test_an_error_of_the_connection_names_neither_address_nor_secret() -> None:
    with pytest.raises(PlatformDown) as caught:
        Http(allow_private=True).request(
            "PUT", f"http://127.0.0.1:9/up?sig={SENT}", call="PUT", mutates=False
        )
    assert SENT not in caught.value.detail
    with pytest.raises(PlatformError) as other:
        Http(allow_private=True).request(
            "GET",
            "http://127.0.0.1:9/",
            call="GET /",
            mutates=False,
            headers={"Authorization": f"Bearer {SENT}\nX: y"},
        )
    assert SENT not in other.value.detail


def test_a_token_that_no_header_can_hold_is_an_error_of_ours() -> None:
    with pytest.raises(TransientError):
        Http(allow_private=True).request(
            "GET",
            "http://127.0.0.1:9/",
            call="GET /",
            mutates=True,
            headers={"Authorization": "Bearer töken€"},
        )


def test_no_repr_shows_a_secret() -> None:
    where = registry.environment("x", client_id="id", client_secret=SENT)
    assert SENT not in repr(where)


def test_no_text_of_an_answer_breaks_the_database_that_stores_it() -> None:
    body = rb'{"na\u0000me": "a\u0000b", "list": ["\ud800", {"x": "\ud83d\ude00"}]}'

    data = Answer(200, {"x-request-id": "a\x00b"}, body).data()

    assert data == {"na�me": "a�b", "list": ["?", {"x": "😀"}]}
    assert "\x00" not in Answer(500, {}, b"a\x00b").text()
    assert "\x00" not in Answer(500, {"x-request-id": "a\x00b"}).request_id


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", " JavaScript:x", "//evil", "http"],
)
def test_only_web_addresses_come_from_a_platform(url: str) -> None:
    assert RemotePost("1", url).permalink == ""
    who = Identity("1", "user", "Ana", "ana", url, url)
    assert (who.url, who.avatar_url) == ("", "")


def test_a_web_address_of_a_platform_is_kept() -> None:
    assert RemotePost("1", "https://x.com/a/1").permalink == "https://x.com/a/1"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "99999999999999999999"])
@responses.activate
def test_a_server_with_absurd_numbers_gives_a_token_or_an_error_of_ours(
    number: str,
) -> None:
    responses.post(
        "https://social.example/oauth/token",
        body='{"access_token": "t", "created_at": N, "expires_in": N}'.replace(
            "N", number
        ),
    )
    where = registry.environment("mastodon", instance_url="https://social.example")
    client = registry.platform("mastodon").client(where)

    tokens = client.exchange_code("code", "https://site.example/back", None)

    assert tokens.access_token == "t"
    assert tokens.expires_at is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_secret_that_holds_another_is_taken_out_whole(order: int) -> None:
    address = "https://hooks.example/in/key"
    secrets = dict.fromkeys([address, "in/key"][::order])
    assert without(secrets, f"no {address}") == "no [removed]"
