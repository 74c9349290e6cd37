"""The reliability report as a PDF.

Imported where one is made: what writes PDFs takes 18 MB and half a second to load.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Paragraph, Spacer, Table, TableStyle

from publishing import pdf

from .reliability import (
    Line,
    Report,
    cause_words,
    share_words,
    span_words,
    summary,
)
from .report_csv import period_of, title_of

#: More of them would touch each other below the chart.
MOST_DAYS_NAMED = 8
PADDING = 2
GREEN, RED = colors.HexColor("#2f855a"), colors.HexColor("#b83232")


def to_pdf(found: Report) -> bytes:
    """Pages in A4 across: what it says in a sentence, two charts, the table."""
    pdf.fonts()
    story: list[Any] = [
        pdf.paragraph(title_of(found), pdf.HEAD),
        pdf.paragraph(period_of(found), pdf.TEXT),
        Spacer(1, 3 * mm),
        pdf.paragraph(summary(found), pdf.TEXT),
        Spacer(1, 4 * mm),
    ]
    if found.total.due:
        charts = [[_share_chart(found), _cause_chart(found)]]
        heads = [
            [
                Paragraph(_("On time, per cent, by week"), pdf.PART),
                Paragraph(_("Trouble by cause"), pdf.PART),
            ]
        ]
        story += [Table(heads + charts, colWidths=[133 * mm, 133 * mm])]
        story += [Spacer(1, 3 * mm), _table(found)]
    return pdf.document(title_of(found), period_of(found), story, landscape(A4))


def _share_chart(found: Report) -> Drawing:
    drawing = Drawing(125 * mm, 48 * mm)
    chart: Any = VerticalBarChart()
    chart.x, chart.y = 10 * mm, 8 * mm
    chart.width, chart.height = 112 * mm, 36 * mm
    weeks = found.weeks
    chart.data = [[line.share or 0 for line in weeks]]
    every = -(-len(weeks) // MOST_DAYS_NAMED)
    chart.categoryAxis.categoryNames = [
        date_format(line.week, _("j M")) if number % every == 0 else ""
        for number, line in enumerate(weeks)
    ]
    chart.valueAxis.valueMin, chart.valueAxis.valueMax = 0, 100
    chart.valueAxis.valueStep = 25
    chart.bars[0].fillColor = GREEN
    _dress(drawing, chart)
    return drawing


def _cause_chart(found: Report) -> Any:
    causes = found.drawn_causes
    if not causes:
        return Paragraph(_("There was no trouble."), pdf.TEXT)
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
        axis.labels.fontName = pdf.REGULAR
        axis.labels.fontSize = 7
        axis.strokeColor = pdf.LINE
    drawing.add(chart)


def _cut(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _table(found: Report) -> Table:
    heads = [
        *(_("Week of"), _("Brand"), _("Due"), _("On time"), _("Late"), _("Failed")),
        *(_("Not out"), _("Median delay"), _("Repaired"), _("Time to repair")),
        _("Causes"),
    ]
    rows = [[pdf.paragraph(head, pdf.SMALL_BOLD) for head in heads]]
    rows += [
        [pdf.paragraph(cell, pdf.SMALL) for cell in _cells(line)]
        for line in found.lines
    ]
    table = Table(rows, colWidths=_widths(heads), repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, pdf.LINE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
                ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
            ]
        )
    )
    return table


def _widths(heads: list[str]) -> list[float]:
    """No word of a heading is broken, in whatever language; causes get the rest."""
    style = pdf.SMALL_BOLD
    usual = [22, 34, 13, 17, 14, 15, 15, 20, 15, 20]
    widths = [
        max(
            width * mm,
            max(
                stringWidth(word, style.fontName, style.fontSize)
                for word in head.split()
            )
            + 2 * PADDING
            + 1,
        )
        for width, head in zip(usual, heads, strict=False)
    ]
    return [*widths, 267 * mm - sum(widths)]


def _cells(line: Line) -> list[str]:
    causes = Counter[str]()
    for name, count in line.causes.items():
        causes[cause_words(name)] += count
    return [
        date_format(line.week, _("j M Y")),
        line.brand,
        str(line.due),
        share_words(line.share),
        str(line.late),
        str(line.failed),
        str(line.waiting),
        span_words(line.median_delay_s),
        str(line.repaired),
        span_words(line.median_repair_s),
        ", ".join(f"{name} ({count})" for name, count in causes.most_common()) or "–",
    ]
