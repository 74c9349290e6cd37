"""How long a text is on Threads: emoji count as their UTF-8 bytes, all else as one."""

from __future__ import annotations

import regex

_GRAPHEME = regex.compile(r"\X")
#: Also what makes an emoji of a digit: the variation selector and the keycap.
_EMOJI = regex.compile(r"[\p{Emoji_Presentation}\p{Extended_Pictographic}\uFE0F\u20E3]")


def length(text: str) -> int:
    """Never less than Threads counts: of an emoji of several parts, joiners count too."""
    return sum(
        len(found.encode()) if _EMOJI.search(found) else len(found)
        for found in (match.group() for match in _GRAPHEME.finditer(text))
    )
