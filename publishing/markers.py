"""Markers of deliveries: what every idempotency key is made of.

Source: RFC 9562, section 5.7 (UUID version 7).
"""

from __future__ import annotations

import os
import time


def new_marker() -> str:
    """32 hex digits: a UUID of version 7, which begins with the time in milliseconds.

    Each change of a delivery writes its marker's index anew. Markers of one hour lie
    side by side there; at random, a million deliveries would have as many places. 74 of
    its bits are random: two that are made in one millisecond do not meet.
    """
    at_ms = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10))
    bits = (at_ms & (1 << 48) - 1) << 80 | chance
    bits = bits & ~(0xF << 76) | 7 << 76
    return f"{bits & ~(3 << 62) | 2 << 62:032x}"
