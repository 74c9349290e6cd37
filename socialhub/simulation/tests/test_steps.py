"""What the documents have a post ask is what our publishing code reserves for it."""

from __future__ import annotations

from collections import Counter

import pytest

from platforms import parts, registry
from socialhub.simulation import load
from socialhub.simulation.steps import STEPS, Kind, job, kind_on, steps

KINDS = (Kind(), Kind(1), Kind(4), Kind(2, link=True), Kind(film=True), Kind(parts=3))


@pytest.mark.parametrize("platform", STEPS)
def test_no_publish_of_these_days_asks_more_than_was_reserved(platform):
    real = registry.platform(platform)
    for kind in {kind_on(platform, kind) for kind in KINDS}:
        made = job(platform, kind)
        asked = Counter[tuple[str, int]]()
        for ask in steps(platform, kind):
            asked[ask.key, ask.part] += ask.times
        used = parts.draws_of_calls(real, asked.elements(), made)
        reserved = parts.draws(real, made, looking=False)
        assert used.keys() <= reserved.keys(), kind
        assert all(units <= reserved[key] for key, units in used.items()), kind


def test_every_platform_that_counts_calls_is_simulated():
    counted = {slug for slug in registry.PLATFORMS if registry.spec(slug).buckets}
    assert counted <= set(load.CAST)
    for table in (load.FIGURES, load.HEALTH, load.LOOK, STEPS):
        assert set(table) == set(load.CAST)
