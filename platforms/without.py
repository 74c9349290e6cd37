"""What was asked for beside a post and did not go along: the post matters more.

It stands in the witness under WITHOUT, and stays there when the post is out:
[{"what", "language" (of captions), "cause"}].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Cause, Outcome, PlatformError

WITHOUT = "without"
CAPTIONS, THUMBNAIL, PLAYLIST = "captions", "thumbnail", "playlist"
LINK_PICTURE = "the picture of the link"
PLACE = "place"
REPLY_CONTROL = "the limit on replies"
#: Answers that say nothing of what goes along: they speak of the whole post.
OF_ALL = {Outcome.AUTH_EXPIRED, Outcome.AUTH_REVOKED, Outcome.PLATFORM_DOWN}


@dataclass(frozen=True)
class Patience:
    """How long a post waits for what goes along with it: tries, and seconds between.

    for_limits: a used up limit is waited for as well; else it is gone without.
    """

    tries: int
    wait_s: float
    for_limits: bool = True

    def is_of_all(self, error: PlatformError) -> bool:
        """Whether the whole post waits; else it is a matter of what goes along alone."""
        is_waited_for = self.for_limits and error.outcome is Outcome.RATE_LIMITED
        is_lost = error.cause is Cause.UNREACHABLE
        return is_waited_for or is_lost or error.outcome in OF_ALL

    def pause_s(self, error: PlatformError) -> float:
        """Until the next try: no sooner than the platform said."""
        return max(self.wait_s, error.retry_after or 0)


#: Somebody wrote or made these: they are worth a minute.
FILES = Patience(tries=5, wait_s=15.0)
#: What a page shows of itself is not worth a wait for the next day.
CARD = Patience(tries=3, wait_s=5.0, for_limits=False)


@dataclass(frozen=True)
class Left:
    """what: one of the words above. cause: why, as a word of `Cause`."""

    what: str
    cause: str
    language: str = ""


def with_one_more(
    witness: Mapping[str, Any], what: str, error: PlatformError, language: str = ""
) -> dict[str, Any]:
    """What of a witness changes when this is left out; "notes" has the platform's words."""
    row = {"what": what, "language": language, "cause": str(error.cause)}
    named = f"{what} ({language})" if language else what
    return {
        WITHOUT: [*witness.get(WITHOUT, ()), row],
        "notes": [*witness.get("notes", ()), f"without {named}: {error}"],
    }


def read(rows: Any) -> tuple[Left, ...]:
    return tuple(
        Left(str(row["what"]), str(row["cause"]), str(row.get("language", "")))
        for row in rows or ()
    )
