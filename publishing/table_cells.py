"""Dates, times and lists as people type them into tables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.utils.translation import gettext as _

from .listing import FIRST_YEAR, LAST_YEAR

YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2\s?(\d{4})")
CLOCK = re.compile(
    r"(\d{1,2})(?:[:.h](\d{2}))?(?::(\d{2})(?:\.\d+)?)?\s*(a\.?m\.?|p\.?m\.?)?", re.I
)


class Unclear(ValueError):
    """The sentence says what is wrong, `cure` what to write."""

    def __init__(self, said: str, cure: str) -> None:
        super().__init__(said)
        self.cure = cure


@dataclass(frozen=True)
class Ambiguous(Exception):
    """Both are dates: which one is meant has to be asked."""

    day_first: date
    month_first: date


def day(text: str, order: str) -> date:
    """order: "dmy", "mdy" or "" (not said). Unclear; Ambiguous.

    A date with full stops has its day first: nobody writes it otherwise.
    """
    text = text.strip()
    if match := YEAR_FIRST.fullmatch(text):
        return _date(text, int(match[1]), int(match[2]), int(match[3]))
    match = YEAR_LAST.fullmatch(text)
    if match is None:
        raise Unclear(
            _("“%(text)s” is no date.") % {"text": text[:40]},
            _("Write it as 2026-12-03, with four digits for the year."),
        )
    one, two, year = int(match[1]), int(match[3]), int(match[4])
    if match[2] == ".":
        return _date(text, year, two, one)
    as_day, as_month = _maybe(year, two, one), _maybe(year, one, two)
    if as_day and as_month and as_day != as_month:
        if order == "dmy":
            return as_day
        if order == "mdy":
            return as_month
        raise Ambiguous(as_day, as_month)
    found = as_day or as_month
    if found is None:
        return _date(text, year, two, one)
    if (order == "dmy" and not as_day) or (order == "mdy" and not as_month):
        raise Unclear(
            _("“%(text)s” is no date as the others of this table are written.")
            % {"text": text},
            _("Write it as %(iso)s if that is meant.") % {"iso": found.isoformat()},
        )
    return found


def tells_order(text: str) -> str:
    """ "dmy" or "mdy" where a date can be read one way only, else ""."""
    match = YEAR_LAST.fullmatch(text.strip().split(" ")[0])
    if match is None or match[2] == ".":
        return ""
    one, two = int(match[1]), int(match[3])
    if one > 12 >= two:
        return "dmy"
    return "mdy" if two > 12 >= one else ""


def _maybe(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def _date(text: str, year: int, month: int, number: int) -> date:
    found = _maybe(year, month, number)
    if found is None:
        raise Unclear(
            _("“%(text)s” is a day that there is not.") % {"text": text},
            _("Write a day of the calendar as 2026-12-03."),
        )
    return found


def clock(text: str) -> time:
    """Unclear."""
    text = text.strip()
    match = CLOCK.fullmatch(text)
    if match and (match[2] or match[4]):
        hour, minute, second = (int(match[n] or 0) for n in (1, 2, 3))
        half = (match[4] or "")[:1].lower()
        if half and 1 <= hour <= 12:
            hour = hour % 12 + (12 if half == "p" else 0)
        elif half:
            hour = 99
        if hour < 24 and minute < 60 and second < 60:
            return time(hour, minute, second)
    raise Unclear(
        _("“%(text)s” is no time.") % {"text": text[:40]},
        _("Write it as 09:00 or 9:00 am."),
    )


def moment(text: str, order: str) -> tuple[date, time | None]:
    """Date and time in one cell; None: no time in it. Unclear; Ambiguous."""
    text = " ".join(text.replace("T", " ").split())
    if text.endswith(("Z", "+00:00")):
        raise Unclear(
            _("“%(text)s” is on the clock of UTC.") % {"text": text[:40]},
            _("Write date and time without the Z, and UTC as its zone."),
        )
    first, _sep, rest = text.partition(" ")
    found = day(first, order)
    if not FIRST_YEAR <= found.year < LAST_YEAR:
        raise Unclear(
            _("“%(text)s” is too far away.") % {"text": first[:40]},
            _("Choose a date of this century."),
        )
    return found, clock(rest) if rest else None


def naive(text: str, order: str) -> datetime:
    """Unclear; Ambiguous."""
    found, wall = moment(text, order)
    if wall is None:
        raise Unclear(
            _("“%(text)s” has no time.") % {"text": text[:40]},
            _("Write it as 2026-12-03 18:00."),
        )
    return datetime.combine(found, wall)


def listed(text: str) -> list[Any] | None:
    """A cell that is a JSON list, for texts that hold the usual marks themselves; None:
    it is none."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def words(text: str, marks: str = ";|\n") -> list[str]:
    """What stands between the marks."""
    found = re.split(f"[{re.escape(marks)}]", text)
    return [word.strip() for word in found if word.strip()]
