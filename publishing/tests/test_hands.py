"""The pump's I/O threads, and how many results it waits for."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from publishing import engine
from publishing.engine import CROWD, GATHER_S, PumpRun
from publishing.hands import Hands


def test_each_call_is_made_once_and_leaving_waits_for_all() -> None:
    made: SimpleQueue[int] = SimpleQueue()
    with Hands(4) as hands:
        for n in range(100):
            hands.submit(lambda n=n: made.put(n))  # type: ignore[misc]
    assert sorted(made.get() for _ in range(made.qsize())) == list(range(100))


def test_calls_run_side_by_side_but_no_more_than_there_are_threads() -> None:
    together = threading.Barrier(3, timeout=10)
    names: SimpleQueue[str] = SimpleQueue()

    def call() -> None:
        together.wait()
        names.put(threading.current_thread().name)

    with Hands(3) as hands:
        for _ in range(9):
            hands.submit(call)
    assert {names.get() for _ in range(9)} == {"pump_0", "pump_1", "pump_2"}


def test_a_call_that_breaks_does_not_take_its_thread_along(caplog: Any) -> None:
    made: SimpleQueue[str] = SimpleQueue()

    def breaks() -> None:
        raise SystemExit("no")

    with Hands(1) as hands:
        hands.submit(breaks)
        hands.submit(lambda: made.put("made"))
    assert made.get(timeout=1) == "made"
    assert "ended in an error" in caplog.text


class Clock:
    """Stands for `time`: sleeping moves it on, and a result comes now and then."""

    def __init__(self, pump: PumpRun, results_per_nap: int) -> None:
        self.now, self.pump, self.each = 0.0, pump, results_per_nap
        self.naps = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps += 1
        for _ in range(self.each):
            self.pump.results.put(None)  # type: ignore[arg-type]


def gathered(monkeypatch: Any, spent_s: float, per_nap: int, on_way: int = 20) -> Clock:
    pump = PumpRun(seconds=1, threads=on_way)
    work: Any = SimpleNamespace(carried=False)
    pump.in_flight = dict.fromkeys(range(on_way), work)
    pump._spent_s = spent_s
    clock = Clock(pump, per_nap)
    monkeypatch.setattr(engine, "time", clock)
    pump._gather()
    return clock


def test_a_busy_database_gets_more_results_at_a_time(monkeypatch: Any) -> None:
    assert gathered(monkeypatch, 0.0, 1).naps == 1
    assert gathered(monkeypatch, 10 * GATHER_S, 1).naps == 5


def test_no_pump_waits_longer_than_for_all_of_its_results(monkeypatch: Any) -> None:
    assert gathered(monkeypatch, 10.0, 10).naps == 2
    assert gathered(monkeypatch, 10.0, 0).now <= engine.GATHER_MOST_S + GATHER_S
    assert gathered(monkeypatch, 10.0, 0, on_way=CROWD).naps == 0


@pytest.mark.parametrize(
    ("lanes", "living", "share"),
    [
        (0, 4, 2),  # one cluster's pumps, whatever there is
        (0, 1, 1),
        (100, 4, 2),  # 50 threads each are enough for 100 accounts
        (101, 4, 3),
        (1000, 4, 4),
    ],
)
def test_more_pumps_than_the_accounts_need_wait(settings, lanes, living, share):
    settings.PUBLISH_PUMPS = 2
    assert engine.enough_pumps(lanes, 50, living) == share
