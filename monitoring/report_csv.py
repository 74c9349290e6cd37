"""The reliability report as CSV, and what its files are called."""

from __future__ import annotations

import csv
import io

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Network
from publishing.csv_cells import safe

from .reliability import Report

CSV_HEADS = (
    "week",
    "brand",
    "due",
    "on_time",
    "on_time_percent",
    "late",
    "failed",
    "not_out",
    "median_delay_s",
    "repaired",
    "median_repair_s",
    "causes",
)


def to_csv(found: Report) -> bytes:
    """A line per week and brand, UTF-8 with a mark, so that spreadsheets read it."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(CSV_HEADS)
    for line in found.lines:
        causes = "; ".join(f"{name}={n}" for name, n in sorted(line.causes.items()))
        writer.writerow(
            [
                line.week.isoformat(),
                safe(line.brand),
                line.due,
                line.on_time,
                "" if line.share is None else line.share,
                line.late,
                line.failed,
                line.waiting,
                "" if line.median_delay_s is None else line.median_delay_s,
                line.repaired,
                "" if line.median_repair_s is None else line.median_repair_s,
                causes,
            ]
        )
    return stream.getvalue().encode("utf-8-sig")


def title_of(found: Report) -> str:
    is_practice = found.network == Network.PRACTICE
    if found.brand is None:  # a sentence of its own: other languages bend "all brands"
        if is_practice:
            return _("Reliability of all brands, on the practice network")
        return _("Reliability of all brands")
    words = {"brand": found.brand.name}
    if is_practice:
        return _("Reliability of %(brand)s, on the practice network") % words
    return _("Reliability of %(brand)s") % words


def file_name(found: Report) -> str:
    """Without its ending."""
    practice = "practice-" if found.network == Network.PRACTICE else ""
    return f"reliability-{practice}{found.first}-{found.last}"


def period_of(found: Report) -> str:
    return _("Weeks of %(first)s to %(last)s") % {
        "first": date_format(found.first, _("j M Y")),
        "last": date_format(found.last, _("j M Y")),
    }
