"""How Threads counts a text, and which addresses it finds in it."""

from __future__ import annotations

import regex

_EMOJI = regex.compile(
    r"[\p{Emoji_Presentation}\p{Extended_Pictographic}\p{Emoji_Modifier}"
    r"\p{Regional_Indicator}]"
)
_LINK = regex.compile(r"https?://[^\s<>\"]+", regex.IGNORECASE)


def length(text: str) -> int:
    """One for each code point; one that is an emoji counts as its UTF-8 bytes."""
    more = sum(len(found.encode()) - 1 for found in _EMOJI.findall(text))
    return len(text) + more


def links(text: str) -> list[str]:
    return [str(found).rstrip(".,;:!?)") for found in _LINK.findall(text)]
