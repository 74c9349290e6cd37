"""The simulation finds nothing while the ledger is right, and something when not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.core.management.base import CommandError

from accounts import limits as ledger
from platforms import limits as arithmetic
from platforms.base import WindowKind
from platforms.limits import Window
from socialhub.simulation import days as simulation
from socialhub.simulation import limits as part
from socialhub.simulation.days import Days, Tally
from socialhub.simulation.limits import Limits, moment, total

# Committed as in production: PostgreSQL walks over every version that a row has had in
# an open transaction, and these write the same rows thousands of times.
pytestmark = pytest.mark.django_db(transaction=True)

MARCH = datetime(2026, 3, 8, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def rules_of_the_registry_only(monkeypatch):
    monkeypatch.setattr(ledger, "_declared", {})


def one_day(start: datetime, *only: str) -> Tally:
    return total(list(Days(start, 1, 1, lambda text: None, only=only).run().values()))


@pytest.mark.parametrize("start", [MARCH, NOVEMBER])
def test_nobody_refuses_us_on_the_days_when_clocks_change(start):
    found = one_day(start, "youtube", "linkedin")
    assert found.refused_by_platform == 0
    assert found.late_because_of_figures == 0
    assert found.held > 0
    assert found.figures_read > 0
    assert found.admitted + found.held <= found.posts


@pytest.mark.parametrize(
    "platform",
    ["facebook", "instagram", "threads", "tiktok", "pinterest", "snapchat", "outstand"],
)
def test_nobody_refuses_us_where_sizes_are_known_or_told(platform):
    found = one_day(MARCH, platform)
    assert found.refused_by_platform == 0
    assert found.late_because_of_figures == 0
    assert found.held > 0
    assert found.figures_read > 0


def test_a_month_that_begins_some_minutes_late_is_waited_for():
    run = Days(datetime(2026, 10, 31, tzinfo=UTC), 2, 1, print, only=("ayrshare",))
    found = run.run()["ayrshare"]
    assert found.refused_by_platform == 0
    assert found.held > found.released > 0  # those of the first day, in the new month


def test_sizes_that_nobody_knew_are_learnt_and_held_posts_go_later():
    found = one_day(MARCH, "mastodon")
    assert found.refused_by_platform == 0
    assert found.released == found.held > 0
    assert found.refused_while_unknown <= 4


def test_a_seed_gives_the_same_days_again():
    assert one_day(MARCH, "linkedin") == one_day_again("linkedin")


def one_day_again(*only: str) -> Tally:
    ledger.RateBucket.objects.all().delete()
    return one_day(MARCH, *only)


def test_a_ledger_that_believes_in_twice_the_size_is_found_out(monkeypatch):
    right = Window._size

    def doubled(window: Window) -> int | None:
        size = right(window)
        return None if size is None else 2 * size

    monkeypatch.setattr(Window, "_size", doubled)
    assert one_day(MARCH, "linkedin").refused_by_platform > 0


def test_a_ledger_that_knows_no_summer_time_is_found_out(monkeypatch):
    right = arithmetic.period

    def winter(rule, at):
        if rule.window != WindowKind.FIXED_PACIFIC_DAY:
            return right(rule, at)
        start = at - (at - 8 * 3600) % 86_400
        return start, start + 86_400

    monkeypatch.setattr(arithmetic, "period", winter)
    # The last day of summer began at seven; ours at eight, and forgot an hour's uploads.
    assert one_day(NOVEMBER, "youtube").refused_by_platform > 0


def test_figures_that_leave_nothing_to_posts_are_found_out(monkeypatch):
    monkeypatch.setattr(ledger, "FIGURES_LEAVE", 0)
    monkeypatch.setattr(Days, "kept", lambda self, ends, now: {})
    assert one_day(MARCH, "youtube").late_because_of_figures > 0


@pytest.fixture
def small(monkeypatch):
    """The part with one platform, so that it is quick."""

    class Small(Days):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, only=("mastodon",), **kwargs)

    monkeypatch.setattr(part, "Days", Small)
    return {"start": ["2026-03-07T00:00"], "days": 1, "seed": 1}


def test_the_command_ends_with_one_line_of_figures(small, capsys):
    Limits().inside(small)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["refused_by_platform"] == 0
    assert figures["late_because_of_figures"] == 0
    assert figures["held"] == figures["released"] + figures["still_held"]
    assert figures["posts"] >= figures["admitted"] + figures["held"]
    assert (figures["days"], figures["seed"]) == (1, 1)


@pytest.mark.parametrize("goal", ["refused_by_platform", "late_because_of_figures"])
def test_the_command_fails_when_a_goal_is_missed(small, capsys, monkeypatch, goal):
    right = simulation.Days.run

    def missed(self):
        tallies = right(self)
        setattr(tallies["mastodon"], goal, 1)
        return tallies

    monkeypatch.setattr(simulation.Days, "run", missed)
    with pytest.raises(SystemExit) as ended:
        Limits().inside(small)
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])[goal] == 1


def test_a_run_in_which_nothing_was_put_to_the_test_fails(small, capsys, monkeypatch):
    monkeypatch.setattr(simulation.Days, "read_figures", lambda self, now: None)
    with pytest.raises(SystemExit):
        Limits().inside(small)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["figures_read"] == 0


def test_a_start_is_in_utc_unless_it_says_otherwise():
    assert moment("2026-03-07T00:00") == datetime(2026, 3, 7, tzinfo=UTC)
    assert moment("2026-03-07T02:00+02:00") == datetime(2026, 3, 7, tzinfo=UTC)
    with pytest.raises(CommandError, match="no date and time"):
        moment("soon")
