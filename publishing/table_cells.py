"""Dates, times and lists as people type them into tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.dates import MONTHS, MONTHS_3, MONTHS_AP
from django.utils.translation import gettext as _

from .listing import FIRST_YEAR, LAST_YEAR

YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2\s?(\d{4})")
#: with full stops alone: of 03/04/26 any of the three might be the year
SHORT_YEAR = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{2})")
#: "3. Dezember 2026", "3 Dec 2026", "Dec 3, 2026"
NAMED = re.compile(
    r"(?:(?P<day>\d{1,2})\.?[ -](?P<month>[^\W\d]{3,})\.?,?[ -](?P<year>\d{4})"
    r"|(?P<month2>[^\W\d]{3,})\.? (?P<day2>\d{1,2})(?:st|nd|rd|th)?,? (?P<year2>\d{4}))"
    r"(?=$|,? )"
)
#: How a spreadsheet counts days (1982 to 2119), where a date lost its format.
SERIAL = re.compile(r"([3-7]\d{4})(\.\d+)?")
SERIAL_FROM = date(1899, 12, 30)
CLOCK = re.compile(
    r"(\d{1,2})(?:[:.h](\d{2}))?(?::(\d{2})(?:\.\d+)?)?\s*"
    r"(a\.?m\.?|p\.?m\.?|uhr|h)?",
    re.I,
)
#: As machines write it: on UTC's clock, or so many hours beside it.
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})")
#: A part of a day, as a spreadsheet counts hours.
PART_OF_DAY = re.compile(r"0?\.\d+")


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
    if match := SHORT_YEAR.fullmatch(text):
        return _date(text, 2000 + int(match[3]), int(match[2]), int(match[1]))
    if match := SERIAL.fullmatch(text):
        return SERIAL_FROM + timedelta(days=int(match[1]))
    if named := _named(text):
        return _date(text, *named)
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


@cache
def _months() -> Mapping[str, int]:
    """Every language's names of months, whole and short."""
    found: dict[str, int] = {}
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            for names in (MONTHS, MONTHS_3, MONTHS_AP):
                for number, name in names.items():
                    found.setdefault(str(name).lower().rstrip("."), int(number))
    return found


def _named(text: str) -> tuple[int, int, int] | None:
    """Year, month and day of a date whose month is a word; None: it is none."""
    match = NAMED.fullmatch(text)
    if match is None:
        return None
    month = _months().get((match["month"] or match["month2"]).lower())
    if month is None:
        return None
    return (
        int(match["year"] or match["year2"]),
        month,
        int(match["day"] or match["day2"]),
    )


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
    if PART_OF_DAY.fullmatch(text):
        # Of "0.25" nobody knows whether it is 6 o'clock or 25 past midnight.
        match = None
        if len(text.partition(".")[2]) != 2:
            return _part_of_day(float(text))
    if match and (match[2] or match[4]):
        hour, minute, second = (int(match[n] or 0) for n in (1, 2, 3))
        half = (match[4] or "")[:1].lower()
        half = half if half in "ap" else ""
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


def _part_of_day(part: float) -> time:
    seconds = min(round(part * 86400), 86399)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60)


def moment(text: str, order: str, zone: tzinfo) -> tuple[date, time | None]:
    """Date and time in one cell; None: no time in it. Unclear; Ambiguous.

    zone: on whose clock they are meant, and on which an instant is told.
    """
    if INSTANT.fullmatch(text.strip()):
        found, wall = _on_clock(text.strip(), zone)
        return _near(found, text), wall
    text = " ".join(re.sub(r"(?<=\d)T(?=\d)", " ", text).split())
    match = SERIAL.fullmatch(text)
    if match and match[2]:
        found = day(match[1], order)
        return _near(found, text), _part_of_day(float(f"0{match[2]}"))
    if match := NAMED.match(text):
        first, rest = match[0], text[match.end() :].lstrip(", ")
    else:
        first, _sep, rest = text.partition(" ")
        first = first.removesuffix(",")
    return _near(day(first, order), first), clock(rest) if rest else None


def _near(found: date, text: str) -> date:
    if not FIRST_YEAR <= found.year < LAST_YEAR:
        raise Unclear(
            _("“%(text)s” is too far away.") % {"text": text[:40]},
            _("Choose a date of this century."),
        )
    return found


def _on_clock(text: str, zone: tzinfo) -> tuple[date, time]:
    """What the clock shows at an instant."""
    try:
        at = datetime.fromisoformat(text).astimezone(zone)
    except (ValueError, OverflowError):
        raise Unclear(
            _("“%(text)s” is no date.") % {"text": text[:40]},
            _("Write it as 2026-12-03 18:00."),
        ) from None
    if at.fold:
        raise Unclear(
            _("The clock shows %(time)s twice that day, and the second is meant.")
            % {"time": f"{at:%H:%M}"},
            _("Write it on the clock of UTC, and UTC as its zone."),
        )
    return at.date(), at.time()


def naive(text: str, order: str, zone: tzinfo) -> datetime:
    """Unclear; Ambiguous."""
    found, wall = moment(text, order, zone)
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
