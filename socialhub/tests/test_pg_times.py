"""Times are read as Django reads them, only sooner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import DataError, connection

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no such reader"
    ),
]
NOON = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


def read(words: str, *values: object) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {words}", values)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    "time",
    [
        NOON,
        NOON.replace(microsecond=1),
        NOON.replace(microsecond=120_000),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 3, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        NOON.astimezone(ZoneInfo("Asia/Kathmandu")),
    ],
)
def test_a_time_is_what_it_was_and_in_utc(time):
    found = read("%s::timestamptz", time)
    assert found == time
    assert found.tzinfo is UTC


def test_times_in_lists_and_no_time_at_all():
    assert read("%s::timestamptz", None) is None
    assert read("%s::timestamptz[]", [NOON, NOON + timedelta(hours=1)]) == [
        NOON,
        NOON + timedelta(hours=1),
    ]


@pytest.mark.parametrize("words", ["infinity", "0044-03-15 BC"])
def test_what_python_has_no_time_for_is_refused_as_before(words):
    with pytest.raises((DataError, ValueError)):
        read("%s::timestamptz", words)


def test_a_connection_of_another_zone_keeps_it():
    other = connection.copy()
    other.settings_dict["TIME_ZONE"] = "Europe/Berlin"
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT %s::timestamptz", [NOON])
            found = cursor.fetchone()[0]
    finally:
        other.close()
    assert found == NOON
    assert found.tzinfo == ZoneInfo("Europe/Berlin")
