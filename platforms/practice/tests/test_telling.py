"""What nobody takes is told again, as each platform does it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from platforms.practice.framework import World
from platforms.practice.server import TWINS, load_twins
from platforms.practice.telling import Again

HOUR = 3600
#: By platform: seconds from the event to each try, and to the end; None: it has none.
SHEETS = {
    "tiktok": ([0, 30, 90, 210], 72 * HOUR),
    "threads": ([0, 0, 60, 180], 36 * HOUR),
    "linkedin": ([0, 300, 600, 900], 8 * HOUR),
    "ayrshare": ([0, 30, 90, 210], 24 * HOUR),
    "outstand": ([0, 10, 35, 95], 525),
}


@pytest.fixture(params=SHEETS)
def twin(request, tmp_path, monkeypatch):
    """One that calls nobody by itself: `answer` is what a receiver would say."""
    slug = request.param
    world = World(tmp_path / "world.sqlite3")
    made = load_twins({slug: TWINS[slug]})[slug](world, "http://127.0.0.1:1")
    monkeypatch.setattr(made, "wake", lambda seconds: None)
    made.calls = []
    monkeypatch.setattr(
        made,
        "in_background",
        lambda work, id, event, headers: made.calls.append((id, event["kind"])),
    )
    with world.transaction():
        made.seed()
        if slug == "tiktok":
            made.set_switch("webhook_url", "http://127.0.0.1:9/")
    yield made
    world.close()


def at(twin, seconds):
    """So long after the first event."""
    with twin.world.transaction():
        twin.world.put("panel", "setting", "clock", {"shift_s": seconds})


def tell(twin, answer):
    """Send what is due, each answered like this; which kinds went out."""
    with twin.world.transaction():
        twin.tell_due()
        sent, twin.calls[:] = list(twin.calls), []
        for id, _kind in sent:
            twin.put("event", id, twin._after(twin.get("event", id), answer))
    return [kind for _id, kind in sent]


def happen(twin, *kinds):
    with twin.world.transaction():
        for kind in kinds:
            twin.note_event(kind, "http://127.0.0.1:9/", "{}", {})


def test_it_comes_as_often_as_the_sheet_says_and_then_no_more(twin):
    tries, end = SHEETS[twin.slug]
    happen(twin, "reply")
    for age in tries:
        if age:
            at(twin, age - 1)
            assert tell(twin, 503) == []
        # A moment passes between the event and its try.
        at(twin, age + 1)
        assert tell(twin, None) == ["reply"]
    (event,) = twin.told()
    assert (event["state"], event["tries"]) == ("waiting", len(tries))
    for age in range(int(tries[-1]), end + HOUR, 60):
        at(twin, age)
        tell(twin, 500)
    (event,) = twin.told()
    assert event["state"] == "dropped"
    # A look a minute puts each try off a little.
    assert event["next_at"] - event["at"] <= end + 5 * 60


def test_what_is_taken_does_not_come_again(twin):
    happen(twin, "reply")
    assert tell(twin, 200) == ["reply"]
    at(twin, HOUR)
    assert tell(twin, 200) == []
    assert twin.told()[0]["state"] == "told"


def test_events_that_wait_can_come_in_any_order(twin):
    happen(twin, "first", "second")
    if twin.ORDER:
        twin.set_switch(twin.ORDER, "newest_first")
    wanted = ["second", "first"] if twin.ORDER else ["first", "second"]
    assert tell(twin, 503) == wanted


@pytest.mark.parametrize("twin", ["ayrshare"], indirect=True)
@pytest.mark.parametrize(
    ("answer", "state"),
    [(404, "dropped"), (429, "waiting"), (503, "waiting"), (None, "waiting")],
)
def test_ayrshare_repeats_what_may_go_well_later(twin, answer, state):
    happen(twin, "social")
    tell(twin, answer)
    assert twin.told()[0]["state"] == state


def test_waits_grow_from_the_last_on():
    again = Again((1, 5), grows=3, ends_s=timedelta(minutes=5).total_seconds(), most=9)
    assert [again.wait_s(tries) for tries in range(1, 5)] == [1, 5, 15, 45]
    assert (again.is_over(8, 299), again.is_over(9, 1), again.is_over(1, 300)) == (
        False,
        True,
        True,
    )
