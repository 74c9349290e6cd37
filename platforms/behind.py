"""What networks behind an aggregator take of a post: their limits, counted and checked
alike for every aggregator."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .base import Count, Draft, Finding, Level, MediaKind
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
