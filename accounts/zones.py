"""The time zones that this machine knows."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def zone_names() -> frozenset[str]:
    """Read once in the life of a process: the library opens 600 files each time."""
    return frozenset(available_timezones())
