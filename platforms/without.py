"""What was asked for beside a post and did not go along: the post matters more.

It stands in the witness under WITHOUT, and stays there when the post is out:
[{"what", "language" (of captions), "cause"}].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import PlatformError

WITHOUT = "without"
CAPTIONS, THUMBNAIL, PLAYLIST = "captions", "thumbnail", "playlist"
LINK_PICTURE = "the picture of the link"


@dataclass(frozen=True)
class Left:
    """what: CAPTIONS, THUMBNAIL, PLAYLIST or LINK_PICTURE. cause: why, as a word of `Cause`."""

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
