"""What makes links, hashtags and mentions of a text work: facets.

The server finds nothing by itself. Offsets count bytes of the UTF-8 text, the end is
exclusive. Source: https://docs.bsky.app/docs/advanced-guides/post-richtext
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import regex

from ..text import Span, find_urls, graphemes
from .spec import MAX_TAG_GRAPHEMES

_INVISIBLE = r"\u00AD\u2060\u200A\u200B\u200C\u200D\u20E2"
_TAG = regex.compile(
    rf"(?:^|(?<=\s))[#＃](?!\ufe0f)([^\s{_INVISIBLE}]*[^\d\s\p{{P}}{_INVISIBLE}]"
    rf"[^\s{_INVISIBLE}]*)"
)
_MENTION = regex.compile(
    r"(?:^|(?<=[\s(]))@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)(?![\w@-])",
    regex.IGNORECASE,
)
_TRAILING_PUNCTUATION = regex.compile(r"\p{P}+$")


def find_mentions(text: str) -> list[Span]:
    """@handles; `value` is the handle in lower case, the span includes the @."""
    return [
        Span(m.start(), m.end(), m.group(1).lower()) for m in _MENTION.finditer(text)
    ]


def find_tags(text: str) -> list[Span]:
    """Hashtags; `value` is without #, the span includes it."""
    found = []
    for match in _TAG.finditer(text):
        tag = _TRAILING_PUNCTUATION.sub("", match.group(1))
        if tag and graphemes(tag) <= MAX_TAG_GRAPHEMES:
            found.append(Span(match.start(), match.start(1) + len(tag), tag))
    return found


def facets(text: str, dids: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Facets in the order of the text, without overlaps.

    dids: handle -> DID; a mention without one stays plain text.
    """
    found: list[tuple[Span, dict[str, str]]] = [
        (url, {"$type": "app.bsky.richtext.facet#link", "uri": url.value})
        for url in find_urls(text)
    ]
    for mention in find_mentions(text):
        if did := (dids or {}).get(mention.value):
            feature = {"$type": "app.bsky.richtext.facet#mention", "did": did}
            found.append((mention, feature))
    for tag in find_tags(text):
        found.append((tag, {"$type": "app.bsky.richtext.facet#tag", "tag": tag.value}))
    found.sort(key=lambda item: item[0].start)
    out: list[dict[str, Any]] = []
    end = 0
    for span, feature in found:
        if span.start < end:
            continue
        end = span.end
        start_byte = len(text[: span.start].encode())
        index = {
            "byteStart": start_byte,
            "byteEnd": start_byte + len(text[span.start : end].encode()),
        }
        out.append({"index": index, "features": [feature]})
    return out
