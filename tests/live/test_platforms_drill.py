"""`manage.py drill platforms`, small: one platform, killed and cut."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.live


def test_each_kind_comes_through_whatever_dies_meanwhile(run_command):
    figures = run_command(
        "drill", "platforms", "--only", "pinterest", "--clusters", "1"
    )
    assert (figures["platforms"], figures["kinds"]) == (1, 4)
    assert figures["published"] == figures["deliveries"]
    assert figures["resumed"] >= 6
    assert figures["kills"] >= 1
    assert (figures["failed"], figures["doubled"], figures["lost"]) == (0, 0, 0)
    assert figures["not_made"] == 0
