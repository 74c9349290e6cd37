"""Many errands side by side: nobody waits for a server that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from accounts.errands import Running, SideBySide, alone, asking
from platforms.errors import Cause, Outcome, RateLimited

FAR = 10**9


def source_of(runnings: list[Running], share: int = 2) -> Any:
    def source(room: int, full: Sequence[Any]) -> list[Running]:
        able = [one for one in runnings if one.lane not in full][:room]
        for one in able:
            runnings.remove(one)
        return able

    return source


def run(runnings: list[Running], threads: int = 4, share: int = 2, **times: float):
    until = times.get("until", time.monotonic() + FAR)
    drop = times.get("drop_after", time.monotonic() + FAR)
    return SideBySide(threads, share).run(source_of(runnings), until, drop)


def test_an_errand_gets_its_results_in_order_and_its_end_is_told():
    def errand():
        first = yield [lambda: 1, lambda: 2]
        second = yield [lambda: 3]
        return first + second

    ended: list[Any] = []
    assert alone(errand()) == [1, 2, 3]
    assert run([Running("lane", errand(), ended.append)]) == 1
    assert ended == [[1, 2, 3]]


def test_a_hanging_server_holds_up_only_those_who_ask_it():
    released, ended = threading.Event(), []

    def errand(name: str, call: Any):
        yield [call]
        if name == "quick 9":
            released.set()
        return name

    runnings = [
        Running(
            "hanging", errand(f"hanging {n}", lambda: released.wait(20)), ended.append
        )
        for n in range(6)
    ]
    runnings += [
        Running("quick", errand(f"quick {n}", int), ended.append) for n in range(10)
    ]
    assert run(runnings) == 16
    assert set(ended[:10]) == {f"quick {n}" for n in range(10)}


def test_never_more_calls_at_once_than_threads_or_a_lane_s_share():
    lock, now, most = threading.Lock(), {"a": 0, "b": 0, "c": 0}, []

    def call(lane: str):
        def counted() -> None:
            with lock:
                now[lane] += 1
                most.append((sum(now.values()), now[lane]))
            time.sleep(0.002)
            with lock:
                now[lane] -= 1

        return counted

    def errand(lane: str):
        yield [call(lane)] * 5

    run([Running(ln, errand(ln), int) for ln in "abc" for _ in range(4)], 5, 2)
    assert len(most) == 60
    assert max(total for total, _ in most) <= 5
    assert max(own for _, own in most) <= 2


def test_what_was_asked_is_taken_home_although_the_time_is_over():
    ended: list[Any] = []

    def errand():
        [tokens] = yield [lambda: "tokens"]
        ended.append(tokens)
        yield [lambda: "one more"]
        ended.append("asked on")

    now = time.monotonic()
    running = [Running("lane", errand(), lambda value: ended.append(type(value)))]
    pool = SideBySide(2, 2)
    source, begun = source_of(running), []

    def once(room: int, full: Sequence[Any]) -> list[Running]:
        found = source(room, full)
        begun.extend(found)
        return found

    original = pool._take

    def late(*args: Any) -> None:
        pool._drop_after = now - 1
        original(*args)

    pool._take = late  # type: ignore[method-assign]
    pool.run(once, now + FAR, now + FAR)
    assert ended == ["tokens", TimeoutError]


def test_one_that_breaks_off_does_not_stop_the_others():
    ended: list[Any] = []

    def broken():
        yield [int]
        raise ValueError("a bug")

    def fine():
        yield [int]
        return "fine"

    runnings = [Running("x", e(), ended.append) for e in (broken, fine)]
    assert run(runnings) == 2
    assert sorted(map(str, ended)) == ["a bug", "fine"]


@pytest.mark.parametrize(
    ("raised", "outcome", "cause"),
    [
        (RateLimited(), Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
        (KeyError("ours"), Outcome.TRANSIENT, Cause.UNKNOWN_REFUSAL),
    ],
)
def test_a_refusal_is_a_result_and_a_bug_of_ours_blames_no_platform(
    raised, outcome, cause
):
    def call():
        raise raised

    result = asking(call)()
    assert (result.outcome, result.cause) == (outcome, cause)
