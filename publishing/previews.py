"""What readers will see: a post as each network shows it, as far as that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import regex
from django.utils.translation import gettext as _

from accounts.causes import length_words
from accounts.models import ConnectedAccount
from platforms import parts, registry
from platforms.base import (
    Count,
    Draft,
    Option,
    OptionKind,
    PlatformSpec,
    PollRule,
    Shape,
    chosen,
    lines_of,
)
from platforms.text import find_urls, web_host

from . import link_facts, tagging
from .composing import AccountChecks, Composition
from .models import LinkFacts, MediaAsset

#: Files that a network shows before "+3".
TILES = 4
_MARKED = regex.compile(r"(?<![\w/])[#@][\p{L}\p{N}_][\p{L}\p{N}_.@-]*")


@dataclass(frozen=True)
class Run:
    """A piece of a text. is_mark: a link, hashtag or mention, shown in colour."""

    text: str
    is_mark: bool = False


@dataclass(frozen=True)
class Card:
    """A link as networks show it. host: without "www."; url: where it leads, when that
    is not what was typed."""

    host: str
    title: str
    description: str
    url: str = ""
    #: whose picture it shows
    facts: LinkFacts | None = None


@dataclass(frozen=True)
class Ballot:
    """A poll as the network shows it. length: how long, "" where it decides itself."""

    question: str
    answers: Sequence[str]
    several: bool
    length: str


@dataclass(frozen=True)
class Piece:
    """One part of the thread. rest: what readers see after they have chosen "more"."""

    shown: Sequence[Run]
    rest: Sequence[Run]
    files: Sequence[tuple[MediaAsset, str]]
    more_files: int
    counts: Sequence[Count]
    card: Card | None = None
    poll: Ballot | None = None
    #: an image that is shown in the place of what is played
    still: MediaAsset | None = None


@dataclass(frozen=True)
class Preview:
    """Of one network; `account` is the first of those that were chosen there."""

    spec: PlatformSpec
    account: ConnectedAccount
    others: int
    title: str
    pieces: Sequence[Piece] = field(default_factory=tuple)
    comment: str = ""
    #: what stands beside the text besides: name and words
    beside: Sequence[tuple[str, str]] = ()

    @property
    def files_first(self) -> bool:
        return self.spec.shape in (Shape.PICTURE, Shape.VIDEO)


def of_checks(composition: Composition, rows: Sequence[AccountChecks]) -> list[Preview]:
    """One per network, in the order of its accounts. One query where there are links."""
    urls = {composition.link_url} if rows else set()
    for text in (composition.text, *composition.own.values()) if rows else ():
        urls |= {span.value for span in find_urls(text)}
    facts = link_facts.known(urls)
    by_slug: dict[str, list[AccountChecks]] = {}
    for row in rows:
        by_slug.setdefault(row.account.platform, []).append(row)
    return [
        _preview(composition, slug, found, facts) for slug, found in by_slug.items()
    ]


def _preview(
    composition: Composition,
    slug: str,
    rows: Sequence[AccountChecks],
    facts: Mapping[str, LinkFacts],
) -> Preview:
    platform = registry.platform(slug)
    draft = composition.draft_for(slug, rows[0].account)
    files = [composition.files]
    files += [list(part.files) for part in composition.parts.get(slug, ())]
    made = []
    for number, all_of_it in enumerate(files, 1):
        piece = parts.piece(draft, number)
        keys = {file.key for file in platform.shown(piece)}
        laid = [one for one in all_of_it if not one[0].is_captions]
        mine = [one for one in laid if f"a{one[0].pk}" in keys]
        stills = [asset for asset, _alt in laid if f"a{asset.pk}" not in keys]
        text = platform.text_as_sent(piece)
        shown, rest = folded(text, platform.spec.folds_after)
        made.append(
            Piece(
                runs(shown),
                runs(rest),
                mine[:TILES],
                max(0, len(mine) - TILES),
                rows[0].counts[number - 1],
                card_of(piece, platform.spec, facts) if number == 1 else None,
                ballot_of(piece, platform.spec.poll),
                stills[0] if stills else None,
            )
        )
    return Preview(
        spec=platform.spec,
        account=rows[0].account,
        others=len(rows) - 1,
        title=str(draft.options.get("title") or ""),
        pieces=made,
        comment=draft.first_comment,
        beside=_beside(platform.spec, draft),
    )


def _beside(spec: PlatformSpec, draft: Draft) -> list[tuple[str, str]]:
    found = []
    for option in spec.options:
        value = chosen(spec, draft, None, option.key) if option.is_read else None
        if value and value != option.default:
            found.append((_(option.name), _words_of(option, value)))
    return found


def _words_of(option: Option, value: Any) -> str:
    if option.kind is OptionKind.LINES:
        rows = (f"{n}. {line}" for n, line in enumerate(lines_of(value), 1) if line)
        return " · ".join(rows)
    if option.kind is OptionKind.FLAG:
        return _("Yes")
    words = (
        ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    )
    if option.kind is OptionKind.CHOICE and words in option.choices:
        return _(option.choices[words])
    return words


def folded(text: str, after: int | None) -> tuple[str, str]:
    """What is seen at once and what after "more", cut between words."""
    if after is None or len(text) <= after:
        return text, ""
    cut = max(text.rfind(" ", 0, after), text.rfind("\n", 0, after))
    cut = cut if cut > after // 2 else after
    return text[:cut], text[cut:]


def runs(text: str) -> list[Run]:
    """The text in pieces, links, hashtags and mentions apart."""
    marks = [(span.start, span.end) for span in find_urls(text)]
    for match in _MARKED.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in marks):
            marks.append(match.span())
    found, at = [], 0
    for start, end in sorted(marks):
        found += [Run(text[at:start]), Run(text[start:end], is_mark=True)]
        at = end
    found.append(Run(text[at:]))
    return [run for run in found if run.text]


def ballot_of(draft: Draft, rule: PollRule | None) -> Ballot | None:
    if draft.poll is None or rule is None or not draft.poll.options:
        return None
    poll = draft.poll
    return Ballot(
        poll.question if rule.max_question else "",
        poll.options,
        poll.multiple and rule.has_multiple,
        length_words(poll.minutes) if rule.has_length else "",
    )


def card_of(
    draft: Draft,
    spec: PlatformSpec,
    facts: Mapping[str, LinkFacts] = MappingProxyType({}),
) -> Card | None:
    """Beside files no network shows one; nor do those that show files first.

    facts: of pages, by address; what was typed comes before them, and is all that is
    shown besides the picture where the network does not read the page.
    """
    if draft.poll and spec.poll and not spec.poll.has_card:
        return None
    if draft.media or spec.shape in (Shape.PICTURE, Shape.VIDEO):
        return None
    links = [draft.link_url] if draft.link_url else []
    if spec.reads_links:
        links += [span.value for span in find_urls(draft.text)]
    if not links:
        return None
    url, bare = links[0], tagging.untagged(links[0])
    page = facts.get(bare) or facts.get(url)
    said = page if spec.reads_links else None
    return Card(
        host=web_host(url),
        title=draft.link_title or (said.title if said else ""),
        description=draft.link_description or (said.description if said else ""),
        url=url if bare != url else "",
        facts=page if page and page.has_picture else None,
    )
