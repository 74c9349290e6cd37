"""Text as networks see it: graphemes, bytes, and where the addresses stand in it."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import regex

GRAPHEME = regex.compile(r"\X")
#: An address starts at a boundary, so that "xhttp://" and "@http://" are none.
_URL = regex.compile(r"(?<![\w@/])https?://[^\s<>\"“”«»`^{}|\\]+", regex.IGNORECASE)
_CLOSING = {")": "(", "]": "["}
_TRAILING = ".,;:!?'’…*。、！？」』）"


class Span(NamedTuple):
    """A piece of a text; start and end count code points, end is exclusive."""

    start: int
    end: int
    value: str


def graphemes(text: str) -> int:
    """User-perceived characters (Unicode extended grapheme clusters)."""
    return sum(1 for _ in GRAPHEME.finditer(text))


def utf8_bytes(text: str) -> int:
    return len(text.encode())


def tidy(text: str) -> str:
    """The text without the browser's \\r\\n, zero bytes, and space around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\x00", "").strip()


def find_urls(text: str) -> list[Span]:
    """http and https addresses, without the punctuation that ends a sentence.

    A closing bracket belongs to the address only when it was opened inside it.
    """
    found = []
    for match in _URL.finditer(text):
        url = match.group()
        while url:
            last = url[-1]
            opener = _CLOSING.get(last)
            unopened = opener is not None and url.count(last) > url.count(opener)
            if not unopened and last not in _TRAILING:
                break
            url = url[:-1]
        if is_web_link(url):
            found.append(Span(match.start(), match.start() + len(url), url))
    return found


def with_link(text: str, link: str) -> str:
    """The tidied text with the link as its last paragraph, unless it stands in it."""
    text, link = tidy(text), link.strip()
    if not link or any(span.value == link for span in find_urls(text)):
        return text
    return f"{text}\n\n{link}" if text else link


def is_web_link(link: str) -> bool:
    """An absolute http or https address with a host and without spaces."""
    if not link or any(c.isspace() for c in link):
        return False
    try:
        parts = urlsplit(link)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def web_host(link: str) -> str:
    """The host of an address, without "www."; "" when there is none."""
    try:
        host = urlsplit(link).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def read_date(typed: Any) -> date | None:
    """The day that YYYY-MM-DD names; None: none."""
    try:
        return datetime.strptime(str(typed), "%Y-%m-%d").date()
    except ValueError:
        return None


def cover_ms(typed: Any, length_s: float | None) -> int | None:
    """Milliseconds from a number of seconds; None: none within the video."""
    try:
        at = float(str(typed).replace(",", "."))
    except ValueError:
        return None
    if not math.isfinite(at) or at < 0 or (length_s is not None and at > length_s):
        return None
    return round(at * 1000)


def cover_index(typed: Any, photos: int) -> int | None:
    """From 0, of a number that people count from 1; None: there is no such photo."""
    word = str(typed).strip()
    number = int(word) if word.isascii() and word.isdigit() else 0
    return number - 1 if 1 <= number <= photos else None
