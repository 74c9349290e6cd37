"""`manage.py bench health`, small: real clusters look after a few credentials."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.live


def test_looks_and_posts_side_by_side_are_counted_and_all_come_to_an_end(run_command):
    figures = run_command("bench", "health", "--credentials", "8", "--rounds", "1")
    assert (figures["unproven"], figures["doubled"], figures["lost"]) == (0, 0, 0)
    assert (figures["credentials"], figures["posts"]) == (8, 2 * 16 + 8)
    assert figures["looks"] == 4, "the others were the warm-up"
    assert figures["looks_when_overdue"] == 4
    assert figures["looks_beside"] == 3 * 4, "rounds of four while posts are due"
    assert figures["memory_mb"] > 50
    measured = ("calls_per_s", "cost_growth", "publishing_lateness_ratio")
    assert all(figures[key] > 0 for key in measured)
