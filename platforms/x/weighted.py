"""Count a post as X does: twitter-text configuration v3.

Source: https://docs.x.com/fundamentals/counting-characters
"""

from __future__ import annotations

import pkgutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import idna
import regex
from tldextract.suffix_list import extract_tlds_from_suffix_list

URL_WEIGHT = 23
MAX_URL_LENGTH = 4096
MAX_HOST_LENGTH = 253
#: Ranges of code points that weigh 1; every other one weighs 2.
LIGHT = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
FORBIDDEN = frozenset("\ufffe\ufeff\uffff")

# © and ® are plain text unless U+FE0F asks for the picture.
_ELEMENT = (
    r"(?:[\u00a9\u00ae]\ufe0f|(?![\u00a9\u00ae])"
    r"[\p{Extended_Pictographic}\p{Emoji_Modifier}](?!\ufe0e)"
    r"\ufe0f?\p{Emoji_Modifier}?[\U000e0020-\U000e007f]*)"
)
EMOJI = regex.compile(
    r"\p{Regional_Indicator}{2}"
    r"|[0-9#*]\ufe0f?\u20e3"
    rf"|{_ELEMENT}(?:\u200d{_ELEMENT})*"
)

# Letters that may stand in a host without a protocol: ASCII and accented Latin.
_LATIN = r"A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_DIRECTION = r"\u202a-\u202e\u061c\u200e\u200f\u2066-\u2069"
_WITH_PROTOCOL = regex.compile(
    rf"(?<![A-Za-z0-9@＠$#＃{_DIRECTION}])(?i:https?://)"
    rf"(?P<host>[^\s\p{{Cc}}!'#%&()*+,/:;<=>?@\[\]\^{{|}}~$\"\\{_DIRECTION}]+)"
)
_BARE = regex.compile(
    rf"(?<![{_LATIN}@＠$#＃_./\-{_DIRECTION}])"
    rf"(?P<host>[{_LATIN}._\-]+)"
)
_LABEL = regex.compile(r"[^\-_](?:.*[^\-_])?", regex.DOTALL)
_PORT = regex.compile(r":[0-9]+")
_SLUG = regex.compile(r"/[A-Za-z0-9]{1,40}")
_PATH_CHAR = rf"[{_LATIN}\p{{Cyrillic}}!*';:=+,.$/%#\[\]\-\u2013_~@|&]"
_PATH_RUN = regex.compile(_PATH_CHAR + "+")
_PATH_END = regex.compile(rf"[{_LATIN}\p{{Cyrillic}}+\-=_#/]")
_QUERY = regex.compile(
    r"\?[A-Za-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[A-Za-z0-9\-_&=#/]",
)


@dataclass(frozen=True)
class Span:
    """A URL as X sees it: text[start:end] == url."""

    start: int
    end: int
    url: str


@cache
def known_tlds() -> frozenset[str]:
    """Top-level domains, Unicode and punycode, of the list that ships with tldextract."""
    snapshot = pkgutil.get_data("tldextract", ".tld_set_snapshot")
    assert snapshot is not None
    # Its own way to ask builds a tree of all suffixes: a tenth of what a cluster's start
    # costs, and nobody here needs it.
    listed, _private = extract_tlds_from_suffix_list(snapshot.decode())
    tlds = {suffix.rsplit(".", 1)[-1].lower() for suffix in listed}
    for tld in list(tlds):
        if not tld.isascii():
            tlds.add(idna.encode(tld).decode())
    return frozenset(tlds)


def find_urls(text: str) -> list[Span]:
    """URLs in the order in which they stand; they never overlap."""
    found = list(_spans(text, _WITH_PROTOCOL, protocol=True))
    for span in _spans(text, _BARE, protocol=False):
        if not any(
            span.start < other.end and other.start < span.end for other in found
        ):
            found.append(span)
    return sorted(found, key=lambda span: span.start)


def weight(text: str) -> int:
    """The length of `text` as X counts it (limit 280; Premium accounts 25,000)."""
    text = unicodedata.normalize("NFC", text)
    total = 0
    at = 0
    for span in find_urls(text):
        total += _weight_without_urls(text[at : span.start]) + URL_WEIGHT
        at = span.end
    return total + _weight_without_urls(text[at:])


def has_forbidden(text: str) -> bool:
    """True when a code point is in it that X refuses whatever the length."""
    return any(char in FORBIDDEN for char in text)


def _weight_without_urls(text: str) -> int:
    total = 0
    at = 0
    for match in EMOJI.finditer(text):
        total += sum(map(_char_weight, text[at : match.start()])) + 2
        at = match.end()
    return total + sum(map(_char_weight, text[at:]))


def _char_weight(char: str) -> int:
    point = ord(char)
    return 1 if any(low <= point <= high for low, high in LIGHT) else 2


def _spans(text: str, pattern: regex.Pattern[str], *, protocol: bool) -> Iterator[Span]:
    at = 0
    while match := pattern.search(text, at):
        at = match.end()
        host = match["host"][:MAX_HOST_LENGTH]
        length = _host_length(host)
        if not length:
            continue
        host_end = match.start("host") + length
        if not protocol and text[host_end : host_end + 1] in ("@", "＠"):
            continue
        end = _tail_end(text, host_end, host[:length].lower() == "t.co" and protocol)
        url = text[match.start() : end]
        at = end
        if len(url) <= MAX_URL_LENGTH:
            yield Span(match.start(), end, url)


def _host_length(host: str) -> int:
    """How much of `host` is a valid host that ends in a known TLD; 0 for none of it."""
    labels = host.split(".")
    for last in range(len(labels) - 1, 0, -1):
        tld = _tld_prefix(labels[last])
        if tld and _labels_valid(labels[:last]):
            return sum(map(len, labels[:last])) + last + len(tld)
    return 0


def _tld_prefix(label: str) -> str:
    """The TLD that a label is, or that it starts with where another script follows."""
    if label.lower() in known_tlds():
        return label
    if match := regex.match(r"[A-Za-z]+(?=[^\x00-\x7f])", label):
        if match[0].lower() in known_tlds():
            return str(match[0])
    return ""


def _labels_valid(labels: list[str]) -> bool:
    if "_" in labels[-1]:  # allowed in a subdomain only
        return False
    for label in labels:
        if not _LABEL.fullmatch(label):
            return False
        try:
            # The plain codec: X counts hosts that strict IDNA 2008 refuses (☃.net).
            encoded = (
                label
                if label.isascii()
                else "xn--" + label.encode("punycode").decode("ascii")
            )
        except UnicodeError:
            return False
        if len(encoded) > 63:
            return False
    return True


def _tail_end(text: str, at: int, is_short: bool) -> int:
    """Where port, path and query that belong to a URL end."""
    if match := _PORT.match(text, at):
        at = match.end()
    if is_short:  # X's own short links take no more than their slug
        match = _SLUG.match(text, at)
        return match.end() if match else at
    if text[at : at + 1] == "/":
        at = _path_end(text, at)
    if match := _QUERY.match(text, at):
        at = match.end()
    return at


def _path_end(text: str, at: int) -> int:
    """The path ends in a letter, digit, one of + - = _ # / or a closed parenthesis."""
    best = at + 1
    open_since: int | None = None
    while at < len(text):
        char = text[at]
        if char == "(" and open_since is None:
            open_since = at
        elif char == ")" and open_since is not None:
            open_since = None
            best = at + 1
        elif not _PATH_RUN.match(char):
            break
        elif open_since is None and _PATH_END.match(char):
            best = at + 1
        at += 1
    return best
