"""People of an Instagram post: who made it together, and who is seen in it.

Typed as "@anna", or "2: @anna 30 70" for a place in the second file: per cent from the
left and from the top.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NAME = re.compile(r"@?([A-Za-z0-9_](?:[A-Za-z0-9_.]{0,28}[A-Za-z0-9_])?)")
_TAG = re.compile(
    rf"(?:([1-9]\d?)\s*:\s*)?{NAME.pattern}"
    r"(?:\s+(\d{1,2}|100)\s*%?\s+(\d{1,2}|100)\s*%?)?"
)


@dataclass(frozen=True)
class Tag:
    """file: its number, from 1. x, y: from the left and the top, 0 to 1."""

    name: str
    file: int = 1
    x: float = 0.5
    y: float = 0.5

    def as_sent(self, *, with_place: bool) -> dict[str, Any]:
        place = {"x": self.x, "y": self.y} if with_place else {}
        return {"username": self.name, **place}


def read_name(typed: Any) -> str:
    """Without its @; "": it is no name."""
    found = NAME.fullmatch(str(typed).strip())
    return found[1] if found else ""


def read_tag(typed: Any) -> Tag | None:
    found = _TAG.fullmatch(str(typed).strip())
    if found is None:
        return None
    number, name, across, down = found.groups()
    if across is None:
        return Tag(name, int(number or 1))
    return Tag(name, int(number or 1), int(across) / 100, int(down) / 100)


def by_file(typed: Iterable[Any]) -> Mapping[int, list[Tag]]:
    """What can be read, by the number of the file; each person once in each."""
    found: dict[int, dict[str, Tag]] = {}
    for tag in filter(None, map(read_tag, typed)):
        found.setdefault(tag.file, {})[tag.name.lower()] = tag
    return {number: list(tags.values()) for number, tags in found.items()}
