"""A list of newest posts is read back to a time, and says how far it tells the truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from platforms.base import RemotePost, read_recent

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def post(hours, name=""):
    """One that was posted so many hours ago; None: no time is told."""
    at = None if hours is None else NOW - timedelta(hours=hours)
    return RemotePost(name or f"of-{hours}", "", published_at=at)


def read(*pages, back=48, most=3, left_out=()):
    asked = []

    def page(where):
        number = where or 0
        asked.append(number)
        return pages[number], number + 1 if number + 1 < len(pages) else ""

    told = read_recent(
        NOW - timedelta(hours=back),
        most,
        page,
        lambda row: None if row.external_id in left_out else row,
    )
    return [row.external_id for row in told.posts], told.reaches, len(asked)


def test_it_ends_where_the_list_ends_or_the_time():
    since = NOW - timedelta(hours=48)
    assert read([post(1), post(2)]) == (["of-1", "of-2"], since, 1)
    assert read([post(1)], [post(50)], [post(60)]) == (["of-1"], since, 2)
    assert read([]) == ([], since, 1)


def test_what_is_longer_than_is_read_reaches_to_its_oldest():
    assert read([post(1)], [post(2)], [post(3)], most=2) == (
        ["of-1", "of-2"],
        NOW - timedelta(hours=2),
        2,
    )


@pytest.mark.parametrize("rows", [[post(1), post(3), post(2)], [post(None)]])
def test_a_list_in_no_order_says_nothing_of_what_it_does_not_tell(rows):
    names, reaches, _ = read(rows, [post(4)], [post(5)], most=1)
    assert names == [row.external_id for row in rows]
    assert reaches is None


def test_what_is_left_out_ends_nothing_and_nothing_is_there_twice():
    names, _, asked = read(
        [post(1, "mine")], [post(1, "a"), post(2, "a")], left_out=("mine",)
    )
    assert (names, asked) == (["a"], 2)
