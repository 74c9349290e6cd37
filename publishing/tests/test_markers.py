"""Markers are in order of time, and never the same twice."""

from __future__ import annotations

import time
import uuid

from publishing.markers import new_marker


def test_a_marker_is_a_uuid_that_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    marker = new_marker()
    after = time.time_ns() // 1_000_000
    read = uuid.UUID(marker)
    assert read.hex == marker
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert before <= int(marker[:12], 16) <= after


def test_markers_of_one_instant_differ() -> None:
    assert len({new_marker() for _ in range(10_000)}) == 10_000


def test_later_markers_come_later_in_an_index() -> None:
    earlier = new_marker()
    time.sleep(0.002)
    assert earlier < new_marker()
