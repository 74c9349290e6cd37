"""The weeks on the page of reliability, written in Python as the rows of lists are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.markup import NOTHING, fill, fill_each
from accounts.reading import told

register = template.Library()


@register.simple_tag
def report_rows(lines: Sequence[Mapping[str, Any]]) -> SafeString:
    """lines: as `monitoring.report_views` has them."""
    heads = [
        _("Week of"),
        _("Brand"),
        _("Due"),
        _("On time"),
        _("Late"),
        _("Failed"),
        _("Not out"),
        _("Median delay"),
        _("Time to repair"),
        _("Causes"),
    ]
    # The same in all rows, with the places of what is told.
    row = fill(
        "<tr>"
        + '<th scope="row" data-label="{}">{{}}</th>'
        + '<td data-label="{}">{{}}</td>' * 8
        + '<td class="sh-words" data-label="{}">{{}}</td>'
        + "</tr>",
        *(head.replace("{", "{{").replace("}", "}}") for head in heads),
    )
    pattern = _("j M Y")
    return fill_each(row, (_told(line, pattern) for line in lines))


def _told(row: Mapping[str, Any], pattern: str) -> tuple[Any, ...]:
    line = row["line"]
    repaired = NOTHING
    if line.repaired:
        repaired = fill(' <span class="sh-muted">({})</span>', line.repaired)
    return (
        told(line.week, pattern),
        line.brand,
        line.due,
        row["share"],
        line.late,
        line.failed,
        line.waiting,
        row["delay"],
        fill("{}{}", row["repair"], repaired),
        ", ".join(f"{name} ({count})" for name, count in row["causes"]) or "–",
    )
