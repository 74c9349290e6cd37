"""PostgreSQL reckons for solid disks and short answers, unless it was told otherwise."""

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
