"""The time zones that this machine knows."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones


@cache
def zone_names() -> frozenset[str]:
    """Read once in the life of a process: the library opens 600 files each time."""
    return frozenset(available_timezones())


@cache
def zone_called(name: str) -> ZoneInfo:
    """Kept for the life of a process: the library keeps eight, and reads a file anew for
    each of the others, as often as it is asked for. ZoneInfoNotFoundError: none is."""
    return ZoneInfo(name)
