"""The reliability report as CSV and as PDF."""

from __future__ import annotations

import csv
import io
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from .reliability import (
    NAMED_CAUSES,
    Line,
    Report,
    cause_words,
    share_words,
    span_words,
    summary,
)

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
GREEN, RED, LINE = (colors.HexColor(c) for c in ("#2f855a", "#b83232", "#c8ced8"))
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
                _safe(line.brand),
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


def _safe(text: str) -> str:
    """A name that a spreadsheet would run as a formula is marked as text."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


# ---------------------------------------------------------------- PDF


@cache
def _fonts() -> None:
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))


def title_of(found: Report) -> str:
    return _("Reliability of %(brand)s") % {
        "brand": found.brand.name if found.brand else _("all brands")
    }


def period_of(found: Report) -> str:
    return _("Weeks of %(first)s to %(last)s") % {
        "first": date_format(found.first, "j M Y"),
        "last": date_format(found.last, "j M Y"),
    }


def to_pdf(found: Report) -> bytes:
    """Pages in A4 across: what it says in a sentence, two charts, the table."""
    _fonts()
    stream = io.BytesIO()
    page = SimpleDocTemplate(
        stream,
        pagesize=landscape(A4),
        leftMargin=15 * mm,
        rightMargin=15 * mm,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=title_of(found),
        author="SocialHub",
        subject=period_of(found),
        lang="en",
    )
    text = ParagraphStyle("text", fontName=REGULAR, fontSize=9, leading=13)
    head = ParagraphStyle("head", fontName=BOLD, fontSize=17, leading=22)
    part = ParagraphStyle("part", fontName=BOLD, fontSize=11, leading=16)
    story: list[Any] = [
        Paragraph(escape(title_of(found)), head),
        Paragraph(escape(period_of(found)), text),
        Spacer(1, 3 * mm),
        Paragraph(escape(summary(found)), text),
        Spacer(1, 4 * mm),
    ]
    if found.total.due:
        charts = [[_share_chart(found), _cause_chart(found)]]
        heads = [
            [
                Paragraph(_("On time, per cent, by week"), part),
                Paragraph(_("Trouble by cause"), part),
            ]
        ]
        story += [Table(heads + charts, colWidths=[133 * mm, 133 * mm])]
        story += [Spacer(1, 3 * mm), _table(found, text)]
    page.build(story, onFirstPage=_foot, onLaterPages=_foot)
    return stream.getvalue()


def _foot(canvas: Any, page: Any) -> None:
    canvas.saveState()
    canvas.setFont(REGULAR, 8)
    canvas.drawString(15 * mm, 8 * mm, "SocialHub")
    width = page.pagesize[0]
    canvas.drawRightString(width - 15 * mm, 8 * mm, str(canvas.getPageNumber()))
    canvas.restoreState()


def _share_chart(found: Report) -> Drawing:
    drawing = Drawing(125 * mm, 48 * mm)
    chart: Any = VerticalBarChart()
    chart.x, chart.y = 10 * mm, 8 * mm
    chart.width, chart.height = 112 * mm, 36 * mm
    weeks = found.weeks
    chart.data = [[line.share or 0 for line in weeks]]
    every = max(1, len(weeks) // 9)
    chart.categoryAxis.categoryNames = [
        date_format(line.week, "j M") if number % every == 0 else ""
        for number, line in enumerate(weeks)
    ]
    chart.valueAxis.valueMin, chart.valueAxis.valueMax = 0, 100
    chart.valueAxis.valueStep = 25
    chart.bars[0].fillColor = GREEN
    _dress(drawing, chart)
    return drawing


def _cause_chart(found: Report) -> Any:
    causes = found.causes[:NAMED_CAUSES]
    if not causes:
        style = ParagraphStyle("none", fontName=REGULAR, fontSize=9)
        return Paragraph(_("There was no trouble."), style)
    drawing = Drawing(125 * mm, 48 * mm)
    chart: Any = HorizontalBarChart()
    chart.x, chart.y = 62 * mm, 6 * mm
    chart.width, chart.height = 58 * mm, 40 * mm
    shown = causes[::-1]
    chart.data = [[count for _name, count in shown]]
    chart.categoryAxis.categoryNames = [_cut(name) for name, _count in shown]
    chart.valueAxis.valueMin = 0
    chart.valueAxis.valueMax = max(count for _name, count in shown)
    chart.valueAxis.valueStep = max(1, chart.valueAxis.valueMax // 4)
    chart.bars[0].fillColor = RED
    _dress(drawing, chart)
    return drawing


def _dress(drawing: Drawing, chart: Any) -> None:
    chart.bars[0].strokeColor = None
    chart.barLabelFormat = None
    for axis in (chart.categoryAxis, chart.valueAxis):
        axis.labels.fontName = REGULAR
        axis.labels.fontSize = 7
        axis.strokeColor = LINE
    drawing.add(chart)


def _cut(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _table(found: Report, style: ParagraphStyle) -> Table:
    small = ParagraphStyle("small", parent=style, fontSize=8, leading=10)
    bold = ParagraphStyle("bold", parent=small, fontName=BOLD)
    heads = [
        *(_("Week of"), _("Brand"), _("Due"), _("On time"), _("Late"), _("Failed")),
        *(_("Not out"), _("Median delay"), _("Repaired"), _("Time to repair")),
        _("Causes"),
    ]
    rows = [[Paragraph(escape(head), bold) for head in heads]]
    rows += [
        [Paragraph(escape(cell), small) for cell in _cells(line)]
        for line in found.lines
    ]
    widths = [22, 34, 13, 17, 14, 15, 15, 22, 18, 22, 75]
    table = Table(rows, colWidths=[width * mm for width in widths], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ("LEFTPADDING", (0, 0), (-1, -1), 2),
                ("RIGHTPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )
    return table


def _cells(line: Line) -> list[str]:
    causes = sorted(line.causes.items(), key=lambda pair: -pair[1])
    return [
        date_format(line.week, "j M Y"),
        line.brand,
        str(line.due),
        share_words(line.share),
        str(line.late),
        str(line.failed),
        str(line.waiting),
        span_words(line.median_delay_s),
        str(line.repaired),
        span_words(line.median_repair_s),
        ", ".join(f"{cause_words(name)} ({count})" for name, count in causes) or "–",
    ]
