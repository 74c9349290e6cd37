"""`manage.py drill health`, small: some days of a few accesses on this run's database."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.live


def test_each_dead_access_is_found_before_its_next_post_and_no_other(run_command):
    figures = run_command(
        "drill", "health", "--credentials", "14", "--days", "4", "--seed", "3"
    )
    assert figures["deaths"] >= 5
    assert (figures["false_alarms"], figures["lost_by_refresh"]) == (0, 0)
    assert (figures["detected_share"], figures["named_share"]) == (1.0, 1.0)
    assert figures["alerts_per_incident"] == 1.0
    assert figures["not_mended"] == 0
