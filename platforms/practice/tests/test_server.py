from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from platforms.practice.server import load_twins

REPOSITORY = Path(__file__).parents[3]


def arm(http, server, **fault):
    answer = http.post(f"{server.url}/api/faults", json={"platform": "toy", **fault})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def say(http, server, text="hello", account="1"):
    return http.post(
        f"{server.url}/toy/say", data=text, headers={"X-Account": account}, timeout=10
    )


def texts(server):
    return [post["text"] for post in server.twins["toy"].posts()]


def record(http, server, **query):
    return http.get(f"{server.url}/api/record", params=query).json()["record"]


def test_one_connection_serves_many_requests(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for number in range(3):
            connection.sendall(
                b"POST /toy/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"
                b"\r\nn%d" % number
            )
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert texts(server) == ["n0", "n1", "n2"]


def test_a_body_that_nobody_wanted_does_not_spoil_the_next_request(server, http):
    assert (
        http.post(f"{server.url}/toy/nowhere", data=b"x" * 300_000).status_code == 404
    )
    assert say(http, server).status_code == 200


def test_a_chunked_body_arrives_whole(server, http):
    assert http.post(f"{server.url}/toy/say", data=iter([b"one ", b"two"])).ok
    assert texts(server) == ["one two"]


def test_only_a_route_for_large_bodies_takes_one(server, http, monkeypatch):
    monkeypatch.setattr("platforms.practice.server.MAX_BODY_BYTES", 2_000_000)
    data = b"0123456789" * 300_000
    assert say(http, server, text=data).status_code == 413
    assert http.put(f"{server.url}/toy/file", data=data).json() == {"size": 3_000_000}
    kept = server.world.file("toy", "kept")
    assert kept.read_bytes() == data
    kept.unlink()
    arm(http, server, kind="delayed_apply", seconds=0.2, times=1)
    with pytest.raises(requests.ConnectionError):
        http.put(f"{server.url}/toy/file", data=data)
    server.settle()
    assert kept.read_bytes() == data
    assert http.post(f"{server.url}/api/reset").ok
    assert not kept.exists()


def test_an_unknown_path_and_a_wrong_method_get_json(server, http):
    assert http.get(f"{server.url}/nowhere").json() == {"error": "Not found"}
    wrong = http.get(f"{server.url}/toy/say")
    assert wrong.status_code == 405
    assert wrong.headers["Allow"] == "POST"


def test_a_bug_in_a_twin_answers_500_and_writes_nothing(server, http):
    assert http.post(f"{server.url}/toy/broken").status_code == 500
    assert texts(server) == []
    assert record(http, server)[-1]["applied"] is False


def test_everything_that_arrives_is_recorded(server, http):
    say(http, server)
    say(http, server, text="")
    first, second = record(http, server, platform="toy")
    assert (first["call"], first["account"], first["status"]) == ("POST /say", "1", 200)
    assert first["applied"]
    assert first["commit"]
    assert first["arrived_at"].endswith("Z")
    assert (second["status"], second["applied"]) == (422, False)
    assert record(http, server, since=first["arrived_at"]) == [second]
    assert http.get(f"{server.url}/api/record?since=soon").status_code == 400


def test_the_record_keeps_its_newest_lines(server):
    with server.world.transaction():
        for number in range(20_500):
            server.world.note("toy", "c", "", 200, f"{number:06}", True, "", False)
    kept = server.world.notes("toy")
    assert len(kept) == 20_000
    assert kept[-1]["arrived_at"] == "020499"


def test_state_and_faults_survive_a_restart(start, http):
    first = start()
    say(http, first)
    arm(http, first, kind="server_error", times=2)
    first.stop()
    second = start()
    assert texts(second) == ["hello"]
    assert say(http, second).status_code == 500
    left = http.get(f"{second.url}/api/faults").json()["faults"]
    assert [fault["left"] for fault in left] == [1]


def test_a_cut_connection_gets_no_answer_and_does_nothing(server, http):
    arm(http, server, kind="cut", times=1)
    with pytest.raises(requests.ConnectionError):
        say(http, server)
    assert texts(server) == []
    assert say(http, server).status_code == 200
    first = record(http, server)[0]
    assert (first["status"], first["applied"], first["fault"]) == (None, False, "cut")


def test_a_dropped_answer_hides_a_post_that_went_out(server, http):
    arm(http, server, kind="drop_answer", times=1)
    assert http.get(f"{server.url}/toy/heard").json() == {"posts": 0}  # no commit
    with pytest.raises(requests.ConnectionError):
        say(http, server)
    assert texts(server) == ["hello"]
    line = record(http, server)[-1]
    assert (line["status"], line["applied"]) == (None, True)


@pytest.mark.parametrize(
    ("kind", "status", "applied"),
    [
        ("rate_limited", 400, False),
        ("server_error", 503, False),
        ("server_error_after_write", 503, True),
        ("html_error", 503, False),
        ("bad_request_after_write", 400, True),
        ("duplicate", 400, False),
        ("content_refused", 400, False),
        ("version_ended", 400, False),
        ("app_suspended", 400, False),
        ("no_credits", 400, False),
    ],
)
def test_each_refusal_answers_once_and_says_whether_it_ran(
    server, http, kind, status, applied
):
    wants_status = kind in ("server_error", "server_error_after_write", "html_error")
    arm(http, server, kind=kind, times=1, **({"status": 503} if wants_status else {}))
    assert say(http, server).status_code == status
    assert texts(server) == (["hello"] if applied else [])
    assert say(http, server).status_code == 200


def test_an_error_after_writing_does_not_hide_a_refusal(server, http):
    arm(http, server, kind="bad_request_after_write", times=1)
    assert say(http, server, text="").status_code == 422


def test_slowness_does_not_hold_others_up(server, http):
    arm(http, server, kind="latency", account="slow", seconds=1.5)
    order = []

    def slow():
        say(http, server, account="slow")
        order.append("slow")

    thread = threading.Thread(target=slow)
    thread.start()
    with requests.Session() as other:
        assert say(other, server, text="quick", account="quick").ok
        order.append("quick")
    thread.join(timeout=20)
    assert order == ["quick", "slow"]


def test_a_slow_answer_comes_after_the_post_went_out(server, http):
    arm(http, server, kind="slow_answer", seconds=20)
    with pytest.raises(requests.ReadTimeout):
        http.post(f"{server.url}/toy/say", data="x", timeout=(5, 1))
    assert texts(server) == ["x"]


def test_a_delayed_request_is_applied_after_the_caller_gave_up(server, http):
    arm(http, server, kind="delayed_apply", seconds=1.5, times=1)
    with pytest.raises(requests.ConnectionError):
        say(http, server, text="late")
    assert texts(server) == []
    server.settle()
    assert texts(server) == ["late"]
    cut, late = record(http, server)
    assert (cut["fault"], cut["applied"]) == ("delayed_apply", False)
    assert (late["fault"], late["applied"]) == ("applied_late", True)


def test_a_delayed_request_outlives_a_restart(start, http):
    first = start()
    arm(http, first, kind="delayed_apply", seconds=2, times=1)
    with pytest.raises(requests.ConnectionError):
        say(http, first, text="late")
    assert http.get(f"{first.url}/api/state").json()["delayed"] == 1
    first.stop()
    second = start()
    second.settle()
    assert texts(second) == ["late"]


def test_a_fault_of_one_account_or_call_leaves_the_others_alone(server, http):
    arm(http, server, kind="server_error", account="2")
    assert say(http, server, account="1").status_code == 200
    assert say(http, server, account="2").status_code == 500
    arm(http, server, kind="server_error", call="GET /heard")
    assert http.get(f"{server.url}/toy/heard").status_code == 500
    assert say(http, server, account="1").status_code == 200


def test_one_path_can_stand_for_several_calls(server, http):
    arm(http, server, kind="server_error", call="commit")
    assert http.post(f"{server.url}/toy/say/draft").status_code == 200
    assert http.post(f"{server.url}/toy/say/final").status_code == 500
    calls = [(note["call"], note["commit"]) for note in record(http, server)]
    assert calls == [("POST /say/:draft", False), ("POST /say/:id", True)]


def test_what_takes_time_is_prepared_while_nobody_is_held_up(server, http):
    assert http.post(f"{server.url}/toy/say/final").json() == {"prepared": 0}


def test_pages_for_people_and_the_panel_are_never_touched(server, http):
    arm(http, server, kind="server_error")
    assert http.get(f"{server.url}/toy/page").text == "a page"
    assert http.get(f"{server.url}/").status_code == 200


def test_a_missing_twin_is_an_error_that_names_it():
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        load_twins({"nowhere": "platforms.nowhere.twin.Nowhere"})


def start_process(tmp_path, port, *more):
    command = [sys.executable, "-m", "platforms.practice", "--port", str(port)]
    return subprocess.Popen(
        [*command, "--data", str(tmp_path / "world"), *more],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_when_it_is_ready_and_stops_cleanly(tmp_path, number):
    process = start_process(tmp_path, 0)
    try:
        line = process.stdout.readline()
        assert line.startswith("Practice network ready on http://127.0.0.1:")
        url = line.split()[-1]
        assert requests.get(f"{url}/healthz", timeout=10).json() == {"status": "ok"}
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "", "")


def test_a_taken_port_gives_one_sentence(tmp_path, server):
    port = int(server.url.rpartition(":")[2])
    process = start_process(tmp_path, port)
    _out, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert err == (
        f"Port {port} is in use by another program; stop it or choose another with"
        " --port.\n"
    )


def test_a_folder_that_cannot_be_used_gives_one_sentence(tmp_path):
    (tmp_path / "world").write_text("a file")
    process = start_process(tmp_path, 0)
    _out, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert err.startswith("The practice network cannot use the folder ")
    assert err.count("\n") == 1
