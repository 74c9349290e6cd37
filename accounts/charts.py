"""What the charts of the accounts page show, and the same in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from .health_rows import Row
from .hooks import HealthOn
from .reading import told

WEEKS = 12


@dataclass(frozen=True, eq=False)
class Chart:
    """data: for the script that draws; bars that have "across" lie, beside their names.
    summary: for those who do not see it.

    Of the same figures it is the same one, so that it is drawn once.
    """

    data: dict[str, Any]
    summary: str
    heads: Sequence[str]
    lines: Sequence[Sequence[Any]]

    @property
    def table(self) -> list[list[tuple[str, Any]]]:
        """Each cell with the head of its column."""
        return [list(zip(self.heads, line, strict=True)) for line in self.lines]


def health_over_time(days: Sequence[HealthOn]) -> Chart | None:
    """None where less than two days are known: a dot is no line."""
    if len(days) < 2:
        return None
    return _over_time(tuple(days), get_language())


@lru_cache(maxsize=100)
def _over_time(days: tuple[HealthOn, ...], _language: str | None) -> Chart:
    first, last = days[0], days[-1]
    sets = [
        (_("Able to post"), "ok", [day.able for day in days]),
        (_("End within 21 days"), "warn", [day.ending for day in days]),
        (_("Cannot post"), "bad", [day.broken for day in days]),
        (_("Not proven"), "soft", [day.unproven for day in days]),
    ]
    summary = _(
        "%(from)s to %(to)s: able to post %(able0)s, then %(able)s; reconnect needed "
        "%(broken0)s, then %(broken)s; at most %(worst)s on one day."
    ) % {
        "from": told(first.day, _("j M Y")),
        "to": told(last.day, _("j M Y")),
        "able0": first.able,
        "able": last.able,
        "broken0": first.broken,
        "broken": last.broken,
        "worst": max(day.broken for day in days),
    }
    return Chart(
        {
            "type": "line",
            "labels": [told(day.day, _("j M")) for day in days],
            "sets": [
                {"label": label, "tone": tone, "values": values}
                for label, tone, values in sets
            ],
        },
        summary,
        [_("Day"), *(label for label, _tone, _values in sets)],
        [
            (
                told(day.day, _("j M Y")),
                day.able,
                day.ending,
                day.broken,
                day.unproven,
            )
            for day in reversed(days)
        ],
    )


def ends_by_week(rows: Iterable[Row], now: datetime) -> Chart | None:
    """Accounts whose access ends in each of the next weeks; None where none does.

    Weeks begin on Monday in the reader's zone; the first is the one that runs.
    """
    zone = timezone.get_current_timezone()
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    # Whatever the zone, none of the weeks reaches as far.
    far = now + timedelta(weeks=WEEKS + 1)
    counts = [0] * WEEKS
    for row in rows:
        if row.ends_at is None or row.ends_at > far or row.health != "healthy":
            continue
        week = (row.ends_at.astimezone(zone).date() - monday).days // 7
        if 0 <= week < WEEKS:
            counts[week] += 1
    if not any(counts):
        return None
    return _by_week(monday, tuple(counts), get_language())


@lru_cache(maxsize=100)
def _by_week(monday: date, counts: tuple[int, ...], _language: str | None) -> Chart:
    weeks = [monday + timedelta(days=7 * number) for number in range(WEEKS)]
    worst = max(range(WEEKS), key=lambda number: counts[number])
    summary = ngettext(
        "%(n)s account ends in the next 12 weeks, most of them in the week of %(week)s "
        "(%(most)s).",
        "%(n)s accounts end in the next 12 weeks, most of them in the week of %(week)s "
        "(%(most)s).",
        sum(counts),
    ) % {
        "n": sum(counts),
        "week": told(weeks[worst], _("j M")),
        "most": counts[worst],
    }
    return Chart(
        {
            "type": "bar",
            "labels": [told(week, _("j M")) for week in weeks],
            "sets": [
                {"label": _("Accounts that end"), "tone": "warn", "values": [*counts]}
            ],
        },
        summary,
        [_("Week of"), _("Accounts that end")],
        [
            (told(week, _("j M Y")), count)
            for week, count in zip(weeks, counts, strict=True)
        ],
    )
