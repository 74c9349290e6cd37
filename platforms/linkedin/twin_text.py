"""How LinkedIn reads the little text of a `commentary`.

Written for the practice network only, apart from the publishing code's escaping, so
that one checks the other. A reserved character that is neither escaped nor part of an
element cuts the text there, without an error (seen many times on the real platform).
Source: https://learn.microsoft.com/en-us/linkedin/marketing/community-management/
shares/little-text-format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RESERVED = frozenset("|{}@[]()<>#\\*_~")
_HASHTAG = re.compile(r"#(?P<word>[^\W_]+)")
_HASHTAG_TEMPLATE = re.compile(r"\{hashtag\|\\?#\|(?P<word>[^{}|\\]+)\}")
_MENTION = re.compile(
    r"@\[(?P<name>(?:\\.|[^\\\[\]])+)\]\((?P<urn>urn:li:(?:organization|person):[\w-]+)\)"
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class LittleText:
    """`stored`: the commentary as LinkedIn keeps it; `shown`: what a reader sees."""

    stored: str
    shown: str
    was_cut: bool


def parse(commentary: str) -> LittleText:
    shown: list[str] = []
    at = 0
    while at < len(commentary):
        char = commentary[at]
        if char not in RESERVED:
            shown.append(char)
            at += 1
            continue
        element = _element(commentary, at)
        if element is None:
            return LittleText(commentary[:at], "".join(shown), True)
        text, at = element
        shown.append(text)
    return LittleText(commentary, "".join(shown), False)


def _element(text: str, at: int) -> tuple[str, int] | None:
    """(what the element at `at` shows, where it ends); None for a bare character."""
    if text[at] == "\\":
        following = text[at + 1 : at + 2]
        return (following, at + 2) if following in RESERVED and following else None
    for pattern in (_HASHTAG, _HASHTAG_TEMPLATE):
        if match := pattern.match(text, at):
            return "#" + match["word"], match.end()
    if match := _MENTION.match(text, at):
        return _ESCAPE.sub(r"\1", match["name"]), match.end()
    return None


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2
