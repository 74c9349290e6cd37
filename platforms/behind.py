"""What networks behind an aggregator take of a post: their limits, counted and checked
alike for every aggregator."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from .base import Count, Draft, Finding, Level, MediaKind, Option, OptionKind
from .errors import Cause

#: The longest text that any network takes: for those without a limit in a sheet.
LONGEST = 63_206
FILE = (MediaKind.IMAGE, MediaKind.VIDEO)
HASHTAG = re.compile(r"(?<![\w&#])#\w+")
MENTION = re.compile(r"(?<![\w.@])@\w+")


@dataclass(frozen=True)
class Behind:
    """text: characters. needs: kinds of files of which there has to be one, (): none.
    hashtags, mentions: so many at most, None: any number."""

    text: int = LONGEST
    needs: tuple[MediaKind, ...] = ()
    hashtags: int | None = None
    mentions: int | None = None

    def counts(self, text: str) -> list[Count]:
        found = [Count("characters", len(text), self.text)]
        if self.hashtags is not None:
            found.append(Count("hashtags", len(HASHTAG.findall(text)), self.hashtags))
        if self.mentions is not None:
            found.append(Count("mentions", len(MENTION.findall(text)), self.mentions))
        return found

    def findings(self, text: str, draft: Draft) -> list[Finding]:
        """text: as it is sent."""
        found = []
        for count in self.counts(text):
            if count.over:
                is_length = count.unit == "characters"
                cause = Cause.TEXT_TOO_LONG if is_length else Cause.TOO_MANY_TAGS
                values = {"used": count.used, "limit": count.limit, "unit": count.unit}
                found.append(Finding(Level.REFUSED, cause, "text", values))
        if not text and not draft.media:
            found.append(Finding(Level.REFUSED, Cause.TEXT_EMPTY, "text"))
        if self.needs and {file.kind for file in draft.media}.isdisjoint(self.needs):
            only_video = self.needs == (MediaKind.VIDEO,)
            cause = Cause.VIDEO_MISSING if only_video else Cause.MEDIA_MISSING
            found.append(Finding(Level.REFUSED, cause, "media"))
        return found


#: A network that the sheet does not name.
UNKNOWN = Behind()

#: where a post appears, as both of Meta's networks have it
POST, REEL, STORY = "post", "reel", "story"
PLACEMENT = "placement"
#: of a post on Instagram
MAX_COLLABORATORS = 3
PLACES = {POST: "Post", REEL: "Reel", STORY: "Story (24 hours)"}


#: of an Instagram account, as both aggregators take it
_NAME = re.compile(r"@?([A-Za-z0-9_](?:[A-Za-z0-9_.]{0,28}[A-Za-z0-9_])?)")


def read_name(typed: object) -> str:
    """Without its @; "": it is no name."""
    found = _NAME.fullmatch(str(typed).strip())
    return found[1] if found else ""


def collaborators() -> Option:
    return Option(
        "collaborators",
        "Published together with",
        OptionKind.LIST,
        default=(),
        max_length=MAX_COLLABORATORS,
        help="Of Instagram only: names of accounts, at most 3. They are asked there.",
        is_read=True,
    )


def placement(places: Collection[str], help: str) -> Option:
    return Option(
        PLACEMENT,
        "Placement",
        OptionKind.CHOICE,
        {key: name for key, name in PLACES.items() if key in places},
        default=POST,
        help=help,
        media=FILE,
    )


def placement_findings(
    draft: Draft, place: str, places: Collection[str]
) -> list[Finding]:
    """places: those that the network behind has."""
    if place == POST or not draft.media:
        return []
    if place not in places:
        values = {"option": "Placement"}
        return [
            Finding(Level.REFUSED, Cause.OPTION_UNKNOWN, f"option:{PLACEMENT}", values)
        ]
    found = []
    if (count := len(draft.media)) > 1:
        many = {"count": count, "limit": 1}
        found.append(Finding(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media", many))
    if place == REEL and draft.media[0].kind is not MediaKind.VIDEO:
        found.append(Finding(Level.REFUSED, Cause.VIDEO_MISSING, "media"))
    if place == STORY and draft.text.strip():
        found.append(Finding(Level.WARNING, Cause.TEXT_NOT_SHOWN, "text"))
    return found
