"""How X reads a post's text: addresses in it, its weighted length, what comes back.

Written for the practice network only, apart from the publishing code's counting, so
that one checks the other. Rules: https://docs.x.com/fundamentals/counting-characters
and twitter-text configuration v3.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import regex
import tldextract

URL_WEIGHT = 23
EMOJI_WEIGHT = 2
LIGHT_RANGES = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
INVALID = frozenset("\ufffe\ufeff\uffff")
MAX_URL_LENGTH = 4096
MAX_LABEL_LENGTH = 63

_ACCENT = r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_PATH_CHAR = rf"[a-z0-9\u0400-\u04ff!*';:=+,.$/%#\[\]\-\u2013_~@|&{_ACCENT}]"
_PATH_END = rf"[a-z0-9\u0400-\u04ff=_#/+\-{_ACCENT}]"
_PARENS = rf"\({_PATH_CHAR}*(?:\({_PATH_CHAR}*\))?{_PATH_CHAR}*\)"
# Bounded, or a long text without a dot would be read again from each of its parts.
_LABEL = r"[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}_-]{0,250}[\p{L}\p{M}\p{N}])?"
_URL = regex.compile(
    rf"""
    (?<![a-z0-9@＠$#＃])
    (?P<protocol>https?://)?
    (?P<host>{_LABEL}(?:\.{_LABEL})+)
    (?P<port>:[0-9]+)?
    (?P<path>/(?:(?:{_PATH_CHAR}|{_PARENS})*(?:{_PATH_END}|{_PARENS}))?)?
    (?P<query>\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/])?
    """,
    regex.VERBOSE | regex.IGNORECASE,
)
_PROTOCOL = regex.compile("https?://", regex.IGNORECASE)
_BAD_BEFORE_BARE = frozenset("-_./")
_BAD_AFTER_BARE = frozenset({"@", "+", "-"})
_BARE_HOST = regex.compile(
    rf"[a-z0-9_{_ACCENT}-]+(?:\.[a-z0-9_{_ACCENT}-]+)+", regex.IGNORECASE
)
#: the start of a label that could be a TLD: no ASCII letter, digit or hyphen follows
_TLD = regex.compile(r"[a-z0-9]++(?!-)", regex.IGNORECASE)
_EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|\p{Emoji}\uFE0F|[0-9#*]\uFE0F?\u20E3"
    r"|\p{Extended_Pictographic}\u200D|\p{Regional_Indicator}{2}"
)
_CASHTAG = regex.compile(r"(?<![\w$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?!\w)")


@dataclass(frozen=True)
class Url:
    start: int
    end: int
    text: str

    @property
    def expanded(self) -> str:
        has_protocol = self.text.lower().startswith(("http://", "https://"))
        return self.text if has_protocol else f"http://{self.text}"


@cache
def top_level_domains() -> frozenset[str]:
    """The last labels of the public suffix list that tldextract carries with it."""
    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    return frozenset(suffix.rsplit(".", 1)[-1] for suffix in extract.tlds)


def urls(text: str) -> list[Url]:
    """The parts of a text that X makes into links, in order."""
    found: list[Url] = []
    at = 0
    while match := _URL.search(text, at):
        start, end = match.span()
        host = match["host"]
        # A name that is no link may run into one that is: "Hello.http://a.example".
        inner = _PROTOCOL.search(text, start + 1, end + len("://"))
        at = inner.start() if inner else end
        if not match["protocol"]:
            if start and text[start - 1] in _BAD_BEFORE_BARE:
                continue
            part = _known_part(host)
            if not part:
                continue
            start += part[0]
            if part[1] < len(host):
                end = match.start("host") + part[1]
            elif text[match.end("host") :][:1] in _BAD_AFTER_BARE:
                continue
        at = end
        is_number = host.rsplit(".", 1)[-1].isdecimal()
        if not is_number and not _too_long(host) and end - start <= MAX_URL_LENGTH:
            found.append(Url(start, end, text[start:end]))
    return found


def _known_part(host: str) -> tuple[int, int] | None:
    """(start, end) of the part of a host that needs no protocol to be a link.

    It ends in a known TLD; other scripts around it do not belong to it. twitter-text
    takes Latin letters with accents for ASCII here.
    """
    for match in _BARE_HOST.finditer(host):
        labels = match.group().split(".")
        for size in range(len(labels), 1, -1):
            last = _TLD.match(labels[size - 1])
            if last and last.group().lower() in top_level_domains():
                if "_" in labels[size - 2]:
                    return None
                name = ".".join([*labels[: size - 1], last.group()])
                return match.start(), match.start() + len(name)
    return None


def _too_long(host: str) -> bool:
    for label in host.split("."):
        try:
            coded = label if label.isascii() else "xn--" + _punycode(label)
        except UnicodeError:
            return True
        if len(coded) > MAX_LABEL_LENGTH:
            return True
    return False


def _punycode(label: str) -> str:
    return label.lower().encode("punycode").decode("ascii")


def weighted_length(text: str) -> int:
    """The length X counts, of 280 (25,000 with Premium)."""
    text = unicodedata.normalize("NFC", text)
    total = 0
    at = 0
    for url in urls(text):
        total += _weight(text[at : url.start]) + URL_WEIGHT
        at = url.end
    return total + _weight(text[at:])


def _weight(part: str) -> int:
    total = 0
    for cluster in regex.findall(r"\X", part):
        if _EMOJI.search(cluster):
            total += EMOJI_WEIGHT
        else:
            total += sum(1 if _is_light(char) else 2 for char in cluster)
    return total


def _is_light(char: str) -> bool:
    return any(low <= ord(char) <= high for low, high in LIGHT_RANGES)


def cashtags(text: str) -> list[str]:
    return [match.group() for match in _CASHTAG.finditer(text)]


def mentions(text: str, username: str) -> bool:
    pattern = rf"(?<![\w@]){regex.escape('@' + username)}(?!\w)"
    return regex.search(pattern, text, regex.IGNORECASE) is not None


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def rewrite(
    text: str, shorten: Callable[[str], str]
) -> tuple[str, list[dict[str, Any]]]:
    """The text as X gives it back, and its `entities.urls`.

    Addresses become what `shorten(expanded)` returns; `&`, `<` and `>` are escaped.
    Offsets are code points of the returned text.
    """
    parts: list[str] = []
    entities: list[dict[str, Any]] = []
    at = length = 0
    for url in urls(text):
        before = escape(text[at : url.start])
        short = shorten(url.expanded)
        start = length + len(before)
        entities.append(
            {
                "start": start,
                "end": start + len(short),
                "url": short,
                "expanded_url": url.expanded,
                "display_url": display(url.expanded),
            }
        )
        parts += [before, short]
        length = start + len(short)
        at = url.end
    return "".join(parts) + escape(text[at:]), entities


def display(address: str) -> str:
    bare = address.split("://", 1)[-1].removeprefix("www.")
    return bare if len(bare) <= 27 else bare[:26] + "…"
