"""PostgreSQL reckons for solid disks and short answers, unless it was told otherwise,
and plans once what it is asked again and again."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.db import connection

from socialhub import planner

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no such settings"
    ),
]


@contextmanager
def connected(**options):
    """Another connection, as each process has its own."""
    other = connection.copy()
    other.settings_dict["OPTIONS"] = options
    try:
        yield other
    finally:
        other.close()


def settings_of(other) -> dict[str, str]:
    with other.cursor() as cursor:
        return {
            name: cursor.execute("SELECT current_setting(%s)", [name]).fetchone()[0]
            for name in planner.OURS
        }


def test_each_connection_is_told():
    with connected() as other:
        assert settings_of(other) == planner.OURS


def test_what_somebody_set_stays():
    with connected(options="-c random_page_cost=2.5") as other:
        assert settings_of(other) == {**planner.OURS, "random_page_cost": "2.5"}


ASKED = "SELECT word FROM (VALUES (1, 'one'), (2, 'two')) AS n (k, word) WHERE k = %s"
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"


def ask(other, key, times: int = 1) -> list[tuple]:
    found = []
    for _turn in range(times):
        with planner.cursor(other) as cursor:
            cursor.execute(ASKED, [key])
            found = cursor.fetchall()
    return found


def prepared(other) -> int:
    with other.cursor() as cursor:
        return cursor.execute(PREPARED, ["%AS n (k, word)%$1"]).fetchone()[0]


def test_what_is_asked_again_and_again_is_prepared():
    with connected() as other:
        assert ask(other, 1, times=planner.UNPREPARED) == [("one",)]
        assert prepared(other) == 0
        assert ask(other, 2) == [("two",)]
        assert prepared(other) == 1
        # The driver sends small numbers as small ones: another type, another plan.
        assert ask(other, 70_000, times=9) == []
        assert ask(other, 5_000_000_000, times=9) == []
        assert ask(other, None, times=9) == []
        assert prepared(other) == 4


def test_a_rollback_forgets_it_and_it_is_asked_on():
    with connected() as other:
        ask(other, 1, times=9)
        other.set_autocommit(False)
        ask(other, 1)
        other.rollback()
        other.set_autocommit(True)
        assert ask(other, 2, times=9) == [("two",)]


def test_a_lost_connection_is_made_anew():
    with connected() as other:
        other.health_check_enabled = True
        ask(other, 1, times=9)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(%s)", [other.connection.info.backend_pid]
            )
        other.health_check_done = False
        assert ask(other, 2) == [("two",)]


def test_a_table_that_changes_is_planned_anew():
    count = "SELECT note FROM planned WHERE id = %s"
    with connected() as other:
        with other.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE planned (id int, note text)")
            cursor.execute("INSERT INTO planned VALUES (1, 'kept')")
        for turn in range(20):
            with planner.cursor(other) as cursor:
                cursor.execute(count, [1])
                assert cursor.fetchall() == [("kept",)]
            if turn == 12:
                with other.cursor() as cursor:
                    cursor.execute("ALTER TABLE planned ADD COLUMN more int")
                    cursor.execute("CREATE INDEX ON planned (id)")
