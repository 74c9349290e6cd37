"""What all our PDFs share: fonts for names of every script, the page and its foot."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import SimpleDocTemplate

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
LINE = colors.HexColor("#c8ced8")
MARGIN = 15 * mm

TEXT = ParagraphStyle("text", fontName=REGULAR, fontSize=9, leading=13)
HEAD = ParagraphStyle("head", fontName=BOLD, fontSize=17, leading=22)
PART = ParagraphStyle("part", fontName=BOLD, fontSize=11, leading=16)
SMALL = ParagraphStyle("small", parent=TEXT, fontSize=8, leading=10)
SMALL_BOLD = ParagraphStyle("small-bold", parent=SMALL, fontName=BOLD)


@cache
def fonts() -> None:
    """Make them known; a paragraph may be made only after that."""
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))


def document(
    title: str, subject: str, story: list[Any], size: tuple[float, float]
) -> bytes:
    """size: of a page, in points."""
    fonts()
    stream = io.BytesIO()
    page = SimpleDocTemplate(
        stream,
        pagesize=size,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        subject=subject,
        author="SocialHub",
        lang="en",
    )
    page.build(story, onFirstPage=_foot, onLaterPages=_foot)
    return stream.getvalue()


def _foot(canvas: Any, page: Any) -> None:
    canvas.saveState()
    canvas.setFont(REGULAR, 8)
    canvas.drawString(MARGIN, 8 * mm, "SocialHub")
    width = page.pagesize[0]
    canvas.drawRightString(width - MARGIN, 8 * mm, str(canvas.getPageNumber()))
    canvas.restoreState()
