"""Record keys of posts: 13 characters that hold a time. Source: atproto.com/specs/tid."""

from __future__ import annotations

from datetime import datetime

ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


def tid(at: datetime, marker: str) -> str:
    """The same key for the same arguments. marker: 32 hex digits.

    The time is true to the second; the microseconds and the clock id come from the
    marker, so that posts made in one moment do not meet.
    """
    bits = int(marker, 16)
    micros = int(at.timestamp()) * 1_000_000 + (bits >> 10) % 1_000_000
    number = (micros << 10) | (bits & 0x3FF)
    digits = []
    for _ in range(13):
        digits.append(ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(digits))
