"""Little text, the format of a post's commentary.

LinkedIn answers 201 to an unescaped reserved character and cuts the text there, so
everything reserved is escaped, but a `#` that starts a hashtag.
Source: https://learn.microsoft.com/en-us/linkedin/marketing/community-management/
shares/little-text-format
"""

from __future__ import annotations

import re
import unicodedata

RESERVED = r"|{}@[]()<>#\*_~"
_RESERVED = re.compile(r"[|{}@\[\]()<>#\\*_~]")
_ESCAPED = re.compile(r"\\([|{}@\[\]()<>#\\*_~])")
# Not inside a word, a URL or an entity; a word of letters or digits follows.
_HASHTAG = re.compile(r"(?<![\w/&=?#.\-])#(?=[^\W_])")
_HASHTAG_TEMPLATE = re.compile(r"\{hashtag\|\\?#\|([^{}|]+)\}")
#: As a person writes one; a member's URN has letters.
WRITTEN_MENTION = re.compile(
    r"@\[([^\[\]\n]{1,100})\]\((urn:li:(?:organization:\d+|person:[\w-]+))\)"
)
_MENTION = re.compile(r"@\[((?:\\.|[^\]\\])*)\]\(urn:li:[^()\s]+\)")


def escape(text: str) -> str:
    """Plain text as commentary; typed hashtags and mentions keep working."""
    out, at = [], 0
    for mention in WRITTEN_MENTION.finditer(text):
        name, urn = mention.groups()
        out += [_escaped(text[at : mention.start()]), f"@[{_escaped(name)}]({urn})"]
        at = mention.end()
    return "".join([*out, _escaped(text[at:])])


def _escaped(text: str) -> str:
    tags = {match.start() for match in _HASHTAG.finditer(text)}
    return _RESERVED.sub(
        lambda match: match[0] if match.start() in tags else "\\" + match[0], text
    )


def as_read(text: str) -> str:
    """What a person wrote, as the reader sees it: of a mention the name alone."""
    return WRITTEN_MENTION.sub(r"\1", text)


def unescape(commentary: str) -> str:
    """Commentary as the reader sees it: templates resolved, backslashes gone."""
    commentary = _HASHTAG_TEMPLATE.sub(r"#\1", commentary)
    commentary = _MENTION.sub(r"\1", commentary)
    return _ESCAPED.sub(r"\1", commentary)


def normalise(commentary: str) -> str:
    """What two spellings of one commentary have in common."""
    return " ".join(unicodedata.normalize("NFC", unescape(commentary)).split())


def length(text: str) -> int:
    """Length as sent, in UTF-16 units, backslashes counted: the safe side of a limit
    whose unit LinkedIn does not document."""
    return len(escape(text).encode("utf-16-le", "surrogatepass")) // 2
