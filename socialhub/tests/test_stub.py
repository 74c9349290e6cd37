"""The stub server of the benchmarks answers as the client expects, and keeps count."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest
import requests

from platforms import registry
from platforms.base import Access
from socialhub.drills.loopback import Arrival, Stub, _out_of_order
from socialhub.sandbox import BASE_DIR, free_port, wait_for


@pytest.fixture(scope="module")
def server():
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "socialhub.drills.stub", "--port", str(port)],
        cwd=BASE_DIR,
    )
    stub = Stub(f"http://127.0.0.1:{port}")
    try:
        wait_for(stub.answers, 20, name="the stub")
        yield stub
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def stub(server):
    server.reset(0)
    return server


def client(stub, token="t-1"):
    host = stub.url.partition("://")[2]
    environment = registry.environment(
        "mastodon", instance_url=stub.url, allow_private=True, private_hosts=[host]
    )
    return registry.platform("mastodon").client(environment, Access(token=token))


def test_our_client_reads_its_answer_as_a_post(stub):
    status = client(stub).post_status({"status": "Hello <you>"}, "key-1")
    assert status.id
    assert status.text == "Hello <you>"
    assert status.application == "SocialHub"


def test_it_tells_what_arrived_when_and_as_whom(stub):
    before = time.time()
    client(stub).post_status({"status": "Hello"}, "key-2")
    (arrival,) = stub.arrivals()
    assert (arrival.key, arrival.token, arrival.text) == ("key-2", "t-1", "Hello")
    assert before <= arrival.at <= time.time()


def test_a_known_key_gives_the_first_post_and_counts_as_arrived_twice(stub):
    ids = [client(stub).post_status({"status": "Hello"}, "key-3").id for _ in "ab"]
    assert ids[0] == ids[1]
    assert len(stub.arrivals()) == 2


def test_an_account_finds_its_own_posts_newest_first(stub):
    ours = client(stub)
    for text in ("One", "Two"):
        ours.post_status({"status": text}, f"key-{text}")
    other = client(stub, "t-2")
    other.post_status({"status": "Three"}, "key-3")
    assert [s.text for s in ours.account_statuses("1").statuses] == ["Two", "One"]


def test_it_tells_whose_a_token_is_and_how_often_that_was_asked(stub):
    host = stub.url.partition("://")[2]
    proof = client(stub, "token-7-secret").prove()
    assert proof.identity.external_id == f"{host}/7"
    assert stub.looks() == 1


def test_no_id_is_given_twice_even_after_a_reset(stub):
    first = client(stub).post_status({"status": "Hello"}, "key-4").id
    stub.reset(0)
    assert stub.arrivals() == []
    assert client(stub).post_status({"status": "Hello"}, "key-4").id != first


def test_a_request_in_pieces_is_taken_when_it_is_whole(stub):
    host, _, port = stub.url.partition("://")[2].partition(":")
    body = b'{"status": "In pieces"}'
    head = b"POST /api/v1/statuses HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection((host, int(port)), 5) as sock:
        for piece in (head[:20], head[20:], body[:5]):
            sock.sendall(piece)
            assert stub.arrivals() == []
        sock.sendall(body[5:])
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert [a.text for a in stub.arrivals()] == ["In pieces"]


def test_a_silent_connection_is_closed_when_that_is_wished(stub):
    stub.reset(0, idle_s=0.05)
    host, _, port = stub.url.partition("://")[2].partition(":")
    with socket.create_connection((host, int(port)), 5) as sock:
        sock.sendall(b"GET /stub HTTP/1.1\r\n\r\n")
        while sock.recv(65536):
            pass  # ends when the server closes


def test_other_paths_are_not_there(stub):
    assert requests.get(f"{stub.url}/nowhere", timeout=5).status_code == 404


def test_order_is_judged_account_by_account():
    def arrivals(*rows):
        return [Arrival(0.0, "k", token, f"Run {n}. words") for token, n in rows]

    assert _out_of_order(arrivals(("a", 1), ("b", 0), ("a", 3), ("b", 2))) == 0
    assert _out_of_order(arrivals(("a", 3), ("a", 1), ("a", 2), ("a", 4))) == 2
