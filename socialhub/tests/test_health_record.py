"""What the drill of health counts as found, as late and as a false alarm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from monitoring.management.commands.make_schedules import SCHEDULES
from platforms import registry
from platforms.practice.server import TWINS, load_twins
from socialhub.drills.health import OF_POSTS, Weeks
from socialhub.drills.health_record import Death, Record, percentile
from socialhub.drills.health_script import (
    ENDINGS,
    SORTS,
    TREE_ENDINGS,
    TURN,
    Ending,
    beginning_with,
    cast,
)

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def death(**changes: object) -> Death:
    values = {
        "kind": "revoked",
        "platform": "x",
        "at": T0,
        "accounts": frozenset({1}),
        "causes": frozenset({"token_revoked"}),
        "next_due_at": T0 + 5 * HOUR,
    }
    return Death(**{**values, **changes})  # type: ignore[arg-type]


def test_found_before_the_next_post_counts_as_detected() -> None:
    record = Record([death(found_at=T0 + 4 * HOUR, found_cause="token_revoked")])
    figures = record.figures()
    assert figures["detected_share"] == 1.0
    assert figures["delay_p99_h"] == 4.0
    assert figures["kinds"]["x.revoked"]["named_share"] == 1.0


def test_found_after_the_post_or_never_is_missed() -> None:
    late = death(found_at=T0 + 6 * HOUR, found_cause="token_revoked")
    figures = Record([late, death()]).figures()
    assert figures["detected_share"] == 0.0
    assert figures["never_found"] == 1


def test_what_dies_after_the_last_look_is_counted_apart() -> None:
    record = Record([death(next_due_at=T0 + HOUR / 2, found_at=T0 + HOUR)])
    figures = record.figures()
    assert figures["detected_share"] is None
    assert figures["in_last_hour"] == 1


def test_what_no_look_could_tell_as_the_platform_stumbled_is_counted_apart() -> None:
    record = Record([death(found_at=T0 + 6 * HOUR, in_trouble=True)])
    figures = record.figures()
    assert figures["detected_share"] is None
    assert figures["in_trouble"] == 1


def test_an_end_that_was_told_and_kept_from_coming_is_found_and_no_delay() -> None:
    kept = death(averted=True, found_at=T0 - 90 * HOUR, cured_at=T0, next_due_at=None)
    record = Record([kept, death(found_at=T0 + HOUR, found_cause="token_revoked")])
    figures = record.figures()
    assert (figures["deaths"], figures["averted"]) == (2, 1)
    assert (figures["counted"], figures["detected_share"]) == (2, 1.0)
    assert (figures["delay_p99_h"], figures["named_share"]) == (1.0, 1.0)
    assert record.missing([Ending("x", "revoked", frozenset())]) == []


def test_another_cause_than_the_right_one_lowers_the_share_of_named_ones() -> None:
    wrong = death(found_at=T0 + HOUR, found_cause="not_allowed")
    assert Record([wrong]).figures()["named_share"] == 0.0


def test_an_account_suffers_from_the_oldest_death_that_is_not_over() -> None:
    over, first, second = death(cured_at=T0), death(kind="a"), death(kind="b")
    record = Record([over, first, second])
    assert record.of(1) is first
    assert record.of(2) is None


def test_an_end_right_before_a_post_puts_nothing_to_the_test() -> None:
    ending = Ending("x", "revoked", frozenset())
    late = death(next_due_at=T0 + HOUR / 2)
    assert Record([late]).missing([ending]) == ["x.revoked"]
    assert Record([late, death()]).missing([ending]) == []


def test_the_way_that_was_put_to_the_test_least_comes_next() -> None:
    ways = [Ending("x", how, frozenset()) for how in ("revoked", "suspend", "expire")]
    assert Record().rarest(ways) is ways[0]
    assert Record([death()]).rarest(ways) is ways[1]
    once = [death(), death(kind="suspend"), death(kind="expire"), death()]
    assert Record(once).rarest(ways) is ways[1]
    too_late = death(next_due_at=T0 + HOUR / 2)
    assert Record([too_late]).rarest(ways) is ways[0]


def test_a_way_waits_for_a_time_at_which_it_is_put_to_the_test_once() -> None:
    ending = Ending("x", "revoked", frozenset())
    soon, later = T0 + HOUR / 2, T0 + 2 * HOUR
    assert not Record().may_end_now(ending, T0, soon)
    assert not Record().may_end_now(ending, T0, None)
    assert Record().may_end_now(ending, T0, later)
    assert Record([death()]).may_end_now(ending, T0, soon)
    only_a_post_tells = Ending("x", "spam", frozenset(), can_be_told=False)
    assert Record().may_end_now(only_a_post_tells, T0, soon)


def test_worlds_begin_with_other_ways_and_leave_none_out() -> None:
    first, second = beginning_with(0, TREE_ENDINGS), beginning_with(TURN, TREE_ENDINGS)
    assert first[0] != second[0]
    assert {*second} == {*TREE_ENDINGS}
    assert len(second) == len(TREE_ENDINGS)
    assert beginning_with(len(TREE_ENDINGS) + 1, TREE_ENDINGS)[0] == TREE_ENDINGS[1]


#: What the practice network knows besides, and why nothing dies of it in the drill.
NO_DEATHS = {
    # We renew it by ourselves.
    **dict.fromkeys(
        [
            (slug, "expire")
            for slug in ("bluesky", "x", "tiktok", "snapchat", "youtube", "pinterest")
        ],
        "renewed",
    ),
    ("facebook", "expire"): "the tokens of Pages live on",
    ("youtube", "password_changed"): "ends what has rights in Gmail only",
    ("tiktok", "password_changed"): "nobody has said that it ends anything",
    ("tiktok", "go_private"): "can post",
    ("tiktok", "go_public"): "can post",
    ("threads", "private"): "can post",
    ("pinterest", "boards_deleted"): "another board can be chosen",
    ("threads", "delete_data"): "a removal like any other",
    # As Threads' `suspend`: what can be read stays the same.
    **dict.fromkeys(
        [
            ("facebook", "suspend"),
            ("instagram", "suspend"),
            ("threads", "spam"),
            ("pinterest", "spam"),
            ("ayrshare", "role_lost"),
        ],
        "only a post tells",
    ),
}


def test_the_drill_lets_access_die_in_every_way_of_every_platform() -> None:
    ways = {(ending.platform, ending.how) for ending in ENDINGS + TREE_ENDINGS}
    tree = {how for platform, how in ways if platform == "facebook"} | {"expire"}
    for slug, twin in load_twins(TWINS).items():
        known = {how for how, _words in twin.endings} - {"restore"}
        if slug in ("facebook", "instagram"):
            known -= tree
        assert {(slug, how) for how in known} <= ways | NO_DEATHS.keys(), slug
    assert not ways & NO_DEATHS.keys()


def test_every_platform_and_each_of_its_endings_takes_part() -> None:
    counts, trees = cast(200)
    assert sum(counts.values()) + sum(trees) + len(trees) == 200
    assert {*counts, "facebook"} == set(registry.PLATFORMS)
    for slug, count in counts.items():
        sorts = len(SORTS.get(slug, ({},)))
        fitting = [ending for ending in ENDINGS if ending.platform == slug]
        assert count // sorts >= len({ending.how for ending in fitting}) / sorts, slug


def test_what_the_drill_leaves_out_are_jobs_of_the_monitor_cluster() -> None:
    names = {job.name for job in SCHEDULES if job.cluster == "monitor"}
    assert names > OF_POSTS


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.99) is None


def test_records_of_several_worlds_become_one() -> None:
    found = death(
        found_at=T0 + HOUR, found_cause="token_revoked", cured_at=T0 + 2 * HOUR
    )
    one = Record([found], [(T0, "me", "why")])
    other = Record([death(next_due_at=None)])
    whole = Record.load([{"record": r.dump()} for r in (one, other)])
    assert whole.deaths == [*one.deaths, *other.deaths]
    assert whole.false_alarms == one.false_alarms


@pytest.mark.parametrize(
    ("since_min", "until_min", "platform", "hindered"),
    [
        (-120, 5, "x", True),
        # The look a moment before its end met it, and the next one comes too late.
        (-120, -10, "x", True),
        (-120, -30, "x", False),
        (-20, 5, "x", False),  # the look an hour before was answered
        (-120, 5, "threads", False),
    ],
)
def test_trouble_counts_where_it_left_no_look_before_the_post(
    since_min: int, until_min: int, platform: str, hindered: bool
) -> None:
    minute = timedelta(minutes=1)
    trouble = (platform, T0 + since_min * minute, T0 + until_min * minute)
    weeks = SimpleNamespace(_troubles={"rule": trouble}, _lasts=lambda rule: False)
    assert Weeks.stumbled_all_hour(weeks, {"x"}, T0) is hindered  # type: ignore[arg-type]
