"""What each platform can publish, worked out from its spec and its own checks.

A *kind* is what a person puts into a post: text, a link, one image, several, a video,
and so on, wherever the spec has a rule for it. A *way* is a kind on one sort of account
and, where the platform has different places for a post, at one of them. A choice is such
a place when its values take different kinds; of any other choice each value is tried
once. What a spec offers and this drill has no file or value for is told by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accounts.models import ConnectedAccount
from platforms import parts, registry
from platforms.base import (
    Draft,
    Finding,
    Level,
    MediaFile,
    MediaKind,
    Option,
    OptionKind,
    Platform,
    Poll,
)
from platforms.errors import Cause
from platforms.kinds import LINK, POLL, kinds_of
from platforms.quotes import QUOTE

ADDRESS = "https://example.com/drill/"
#: What the platform does not take at all. Any other refusal is one of our file or value.
NOT_OFFERED = frozenset(
    {
        Cause.MEDIA_MISSING,
        Cause.VIDEO_MISSING,
        Cause.TEXT_EMPTY,
        Cause.TOO_MANY_MEDIA,
        Cause.MEDIA_MIXED,
        Cause.MEDIA_KIND,
        Cause.COVER_MISSING,
        Cause.NOT_A_REEL,
        Cause.TEXT_NOT_SHOWN,
        Cause.LINK_REFUSED,
        Cause.OPTION_LEFT_OUT,
    }
)
#: what is chosen as the place is not there
NO_SUCH_PLACE = Cause.OPTION_LEFT_OUT
#: a poll that every platform with polls takes
ASKED = Poll(("Tea", "Coffee", "Water"), question="What do you drink?")
COMMENT = "What do you think?"
#: option -> what a person might write into it; the specs tell only how long it may be
SAMPLES: dict[str, Any] = {
    "title": "A drill",
    "topic_tag": "drills",
    "spoiler_text": "A drill",
    "tags": ["drill", "practice"],
    "locale": "de_DE",
    "cover_at": "1.5",
    "cover_photo": "1",
    "item_titles": ["First", "", "Third"],
    "item_descriptions": ["How it begins", "How it goes on", "How it ends"],
    "item_links": [f"{ADDRESS}1", f"{ADDRESS}2", f"{ADDRESS}3"],
    "dominant_color": "#6E7874",
    "subreddit": "practice",
    "board": "Ideas",
    "collaborators": ["anna", "ben"],
    "user_tags": ["@carla 25 75"],
    "recorded_on": "2026-10-01",
    "location": "104923456789",
    "audio_name": "A drill's own sound",
}


@dataclass(frozen=True)
class Sort:
    """One sort of account. account: stands for all of it, and posts nothing."""

    name: str
    #: for the practice network, which makes such accounts
    made_by: Mapping[str, Any]
    account: ConnectedAccount


@dataclass(frozen=True)
class Way:
    """How one post is to be made. files: keys of the shelf. choices: option -> value."""

    platform: str
    kind: str
    sort: Sort
    files: tuple[str, ...] = ()
    #: of the video among the files
    captions: tuple[str, ...] = ()
    link: bool = False
    text: bool = True
    poll: Poll | None = None
    #: written below it when it is out; "": nothing
    comment: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    #: what tells it from others of its kind, for people
    detail: str = ""

    def options(self, account: ConnectedAccount) -> dict[str, Any]:
        """As `Draft.options` holds them: an account's own choices by its id."""
        spec = registry.spec(self.platform)
        return {
            key: {account.external_id: value}
            if spec.options_by_key[key].choices_from
            else value
            for key, value in self.choices.items()
        }

    def draft(
        self, words: str, shelf: Mapping[str, MediaFile], account: ConnectedAccount
    ) -> Draft:
        return Draft(
            text=words if self.text else "",
            link_url=ADDRESS if self.link else "",
            media=tuple(shelf[name] for name in self.files),
            captions=tuple(shelf[name] for name in self.captions),
            options=self.options(account),
            poll=self.poll,
            first_comment=self.comment,
        )


@dataclass
class Offer:
    """All ways of one platform; `missing`: what it offers and the drill cannot make."""

    ways: list[Way] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    #: posts of which the platform could not tell, and a person did
    decided: int = 0


class Planner:
    """Works out the ways of one platform."""

    def __init__(
        self,
        slug: str,
        sorts: Sequence[Sort],
        shelf: Mapping[str, MediaFile],
        quotable: str = "",
    ) -> None:
        """quotable: the address of a post of somebody else that is out there."""
        self.samples = {**SAMPLES, **({QUOTE: quotable} if quotable else {})}
        self.platform: Platform = registry.platform(slug)
        self.spec = self.platform.spec
        self.sorts = sorts
        self.shelf = shelf
        self.kinds = kinds_of(self.spec)
        #: options that are places for a post, once those are known
        self.where: set[str] = set()

    def offer(self) -> Offer:
        found = Offer()
        for sort in self.sorts:
            places = self._places(sort)
            for kind in self.kinds:
                ways, reasons = [], set()
                self.where = set(places)
                for place in _combinations(places):
                    way, why = self._way(kind, sort, place)
                    ways += [way] if way else []
                    reasons |= why
                found.ways += ways
                if why := reasons - NOT_OFFERED:
                    told = ", ".join(sorted(map(str, why)))
                    found.missing.append(f"{kind} on {sort.name}: {told}")
                elif not ways and len(self.sorts) == 1:
                    found.missing.append(f"{kind} on {sort.name}: not at any place")
        self._try_captions(found)
        self._try_choices(found)
        self._try_comment(found)
        # More posts than one on an account, which the drill's judge cannot tell apart.
        if self.spec.thread:
            found.missing.append("threads of several parts")
        return found

    # -- the places for a post

    def _places(self, sort: Sort) -> dict[str, list[Any]]:
        """Options of which each value takes other kinds, with their values."""
        found = {}
        for option in self.spec.options:
            values = self._values(option, sort)
            if option.kind is not OptionKind.CHOICE or len(values) < 2:
                continue
            taken = {
                frozenset(
                    k for k in self.kinds if self._way(k, sort, {option.key: v})[0]
                )
                for v in values
            }
            if len(taken) > 1:
                found[option.key] = values
        return found

    def _values(self, option: Option, sort: Sort) -> list[Any]:
        """All that can be chosen; of free text, one that a person might write."""
        if option.kind is OptionKind.FLAG:
            return [not option.default]
        if option.kind is OptionKind.CHOICE:
            own = sort.account.server_limits.get(option.choices_from) or {}
            return list(own or option.choices)
        return [self.samples[option.key]] if option.key in self.samples else []

    # -- one way

    def _way(
        self, kind: str, sort: Sort, choices: Mapping[str, Any]
    ) -> tuple[Way | None, set[Cause]]:
        """A way that the platform's checks let through, else why not.

        Words and files are tried in turn; what has to be chosen is, and more only
        where the checks ask for it.
        """
        needed = self._filled(sort, choices, required=True)
        reasons: set[Cause] = set()
        for more in (needed, self._filled(sort, choices, required=False)):
            for files in self._files(kind):
                for text in (True, False):
                    way = Way(
                        self.spec.slug,
                        kind,
                        sort,
                        files,
                        link=kind == LINK,
                        text=text,
                        poll=ASKED if kind == POLL else None,
                        choices=more,
                        detail=" ".join([sort.name, *map(str, choices.values())]),
                    )
                    refused = self._refusals(way)
                    if not refused:
                        return way, set()
                    # The nearest miss says best why.
                    if not reasons or len(refused) < len(reasons):
                        reasons = refused
        return None, reasons

    def _filled(
        self, sort: Sort, choices: Mapping[str, Any], *, required: bool
    ) -> dict[str, Any]:
        filled = dict(choices)
        for option in self.spec.options:
            if option.key in {*filled, QUOTE} or option.kind is OptionKind.FLAG:
                continue
            values = self._values(option, sort)
            wanted = option.required and option.default is None
            if values and (wanted or (not required and option.default is None)):
                filled[option.key] = values[0]
        return filled

    def _files(self, kind: str) -> Iterator[tuple[str, ...]]:
        """Files of the shelf for this kind, each only once, in every order of shapes."""
        wanted = self.kinds[kind]
        by_kind = {
            media: [n for n, file in self.shelf.items() if file.kind is media]
            for media in set(wanted)
        }
        for turn in range(max(map(len, by_kind.values()), default=1)):
            rows = {k: itertools.cycle(v[turn:] + v[:turn]) for k, v in by_kind.items()}
            yield tuple(next(rows[media]) for media in wanted)

    def _refusals(self, way: Way) -> set[Cause]:
        refused = [f for f in self._findings(way) if f.level is Level.REFUSED]
        return {
            # A network behind an aggregator has not every place.
            NO_SUCH_PLACE if f.field.removeprefix("option:") in self.where else f.cause
            for f in refused
        }

    def _findings(self, way: Way) -> list[Finding]:
        account = way.sort.account
        draft = way.draft("Words of a drill", self.shelf, account)
        who, served = account.identity(), account.server_limits
        return parts.check(self.platform, draft, who, served)

    # -- captions

    def _try_captions(self, found: Offer) -> None:
        """Once, beside a video: as many files as there are languages on the shelf."""
        if self.spec.captions is None:
            return
        listed = [n for n, f in self.shelf.items() if f.kind is MediaKind.CAPTIONS]
        said = tuple(listed[: self.spec.captions.max_count])
        for way in found.ways:
            if MediaKind.VIDEO in {self.shelf[name].kind for name in way.files}:
                detail = f"{way.detail} captions"
                spoken = replace(way, captions=said, detail=detail)
                if said and not self._refusals(spoken):
                    found.ways.append(spoken)
                    return
        found.missing.append("captions: beside no video")

    # -- a first comment

    def _try_comment(self, found: Offer) -> None:
        """Once, below the first way that may have one."""
        if self.spec.first_comment is None:
            return
        for way in found.ways:
            detail = f"{way.detail} comment"
            said = replace(way, comment=COMMENT, detail=detail)
            if not self._refusals(said):
                found.ways.append(said)
                return
        found.missing.append("a first comment: below no post")

    # -- choices that change no kind

    def _try_choices(self, found: Offer) -> None:
        for option in self.spec.options:
            sort = self.sorts[0]
            if any(option.key in way.choices for way in found.ways) and (
                option.kind is not OptionKind.CHOICE or option.key in self._places(sort)
            ):
                continue
            values = self._values(option, sort)
            if not values:
                found.missing.append(f"option {option.key}: nothing to choose or write")
            for value in values:
                if way := self._chosen(found.ways, option, value):
                    found.ways.append(way)
                else:
                    found.missing.append(f"option {option.key}={value}: nowhere taken")

    def _chosen(self, ways: Sequence[Way], option: Option, value: Any) -> Way | None:
        for way in ways:
            shown = {self.shelf[name].kind for name in way.files}
            if option.media and shown.isdisjoint(option.media):
                continue
            if option.of_poll and way.poll is None:
                continue
            chosen = replace(
                way,
                choices={**way.choices, option.key: value},
                detail=f"{way.detail} {option.key}={value}",
            )
            if not self._refusals(chosen) and not self._is_left_out(chosen, option):
                return chosen
        return None

    def _is_left_out(self, way: Way, option: Option) -> bool:
        """Whether the platform has no such thing with these files, or at this place."""
        said = Cause.OPTION_LEFT_OUT, f"option:{option.key}"
        return said in {(f.cause, f.field) for f in self._findings(way)}


def _combinations(places: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*places.values()):
        yield dict(zip(places, values, strict=True))
