"""How a Mastodon server counts a text and turns it into HTML (the practice network's own
reading of https://docs.joinmastodon.org/user/posting/)."""

from __future__ import annotations

from typing import Any

import regex
from markupsafe import Markup, escape

#: An http(s) address with a domain; what may not end it is cut off by `urls_in`.
URL = regex.compile(r"(?<![\w@/])https?://[^\s<>\"]+", regex.I)
DOMAIN = regex.compile(
    r"^(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+"
    r"(?:\p{L}{2,}|xn--[a-z0-9-]+)(?::\d+)?$",
    regex.I,
)
ENDING = ".,;:!?'\"*~”’»…"
MENTION = regex.compile(
    r"(?<![\w/=])(@[a-z0-9_]+(?:[a-z0-9_.-]*[a-z0-9_])?)@[\p{L}\p{N}]"
    r"[\p{L}\p{N}.:-]*[\p{L}\p{N}]",
    regex.I,
)
HASHTAG = regex.compile(
    r"(?<![\w/#&])#([\p{L}\p{N}\p{M}_]*[\p{L}_][\p{L}\p{N}\p{M}_]*)"
)
GRAPHEME = regex.compile(r"\X")


def urls_in(text: str) -> list[tuple[int, int]]:
    """(start, end) of each address that counts as one, in order."""
    found = []
    for match in URL.finditer(text):
        end = match.end()
        while end > match.start():
            last = text[end - 1]
            inside = text[match.start() : end]
            unpaired = last in ")]" and inside.count(last) > inside.count(
                "(" if last == ")" else "["
            )
            if last not in ENDING and not unpaired:
                break
            end -= 1
        rest = text[match.start() : end].partition("://")[2]
        domain = regex.split(r"[/?#]", rest, maxsplit=1)[0]
        if DOMAIN.match(domain):
            found.append((match.start(), end))
    return found


def count(text: str, spoiler: str = "", per_url: int = 23) -> int:
    """Grapheme clusters of both; each address is `per_url`, a mention's domain is free."""
    total = len(GRAPHEME.findall(spoiler))
    rest: list[str] = []
    at = 0
    for start, end in urls_in(text):
        rest.append(text[at:start])
        total += per_url
        at = end
    rest.append(text[at:])
    # Joined by something that is no grapheme of its own text, and not counted.
    for part in rest:
        total += len(GRAPHEME.findall(MENTION.sub(r"\1", part)))
    return total


def content(text: str, base_url: str, *, spans: bool = True) -> str:
    """The HTML that the server answers with. spans: Mastodon's shortened addresses."""
    return "".join(
        f"<p>{_inline(part, base_url, spans)}</p>"
        for part in regex.split(r"\n{2,}", text.strip("\n"))
        if part or not text
    )


def _inline(text: str, base_url: str, spans: bool) -> Markup:
    done: list[Markup] = []
    at = 0
    for start, end in urls_in(text):
        done += [_words(text[at:start], base_url), _link(text[start:end], spans)]
        at = end
    done.append(_words(text[at:], base_url))
    return Markup("").join(done)


def _words(text: str, base_url: str) -> Markup:
    done: list[Markup] = []
    at = 0
    tag_link = Markup(
        '<a href="{}/tags/{}" class="mention hashtag" rel="tag">#<span>{}</span></a>'
    )
    for match in HASHTAG.finditer(text):
        tag = match.group(1)
        done += [escape(text[at : match.start()])]
        done += [tag_link.format(base_url, tag.lower(), tag)]
        at = match.end()
    done.append(escape(text[at:]))
    return Markup("<br />").join(Markup("").join(done).split("\n"))


def _link(url: str, spans: bool) -> Markup:
    if not spans:
        return Markup(
            '<a href="{0}" rel="nofollow noreferrer noopener" target="_blank">{0}</a>'
        ).format(url)
    match = regex.match(r"https?://(?:www\.)?", url, regex.I)
    assert match is not None
    prefix, shown, rest = (
        match.group(),
        url[match.end() :][:30],
        url[match.end() + 30 :],
    )
    return Markup(
        '<a href="{0}" target="_blank" rel="nofollow noopener" translate="no">'
        '<span class="invisible">{1}</span><span class="{2}">{3}</span>'
        '<span class="invisible">{4}</span></a>'
    ).format(url, prefix, "ellipsis" if rest else "", shown, rest)


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Form fields as the server reads them: `a[]=1` makes a list, `a[b]=1` an object."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        keys = regex.findall(r"[^\[\]]+|\[\]", name.replace("[]", "[[]]"))
        keys = ["" if key == "[]" else key for key in keys]
        place: Any = result
        for number, key in enumerate(keys):
            last = number == len(keys) - 1
            if last:
                place[key] = value
            elif keys[number + 1] == "":
                place.setdefault(key, [])
                if isinstance(place[key], list):
                    place[key].append(value)
                break
            else:
                place = place.setdefault(key, {})
                if not isinstance(place, dict):
                    break
    return result
