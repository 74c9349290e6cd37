"""What all our PDFs share: fonts, words in every script, the page and its foot."""

from __future__ import annotations

import io
import re
import unicodedata
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from django.utils.translation import get_language
from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import SimpleDocTemplate

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
#: What writes these has a font of its own for them; ours has none.
JAPANESE, KOREAN, CHINESE = "HeiseiKakuGo-W5", "HYGothic-Medium", "STSong-Light"
KANA, HANGUL = re.compile("[\u3040-\u30ff]"), re.compile("[\u1100-\u11ff\uac00-\ud7af]")
EAST_ASIAN = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0002ffff]+"
)
#: They change how the sign before them looks, and are nothing by themselves.
JOINERS = {"\ufe0e", "\ufe0f", "\u200d", *map(chr, range(0x1F3FB, 0x1F400))}
FLAG = 0x1F1E6
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
    for name in (JAPANESE, KOREAN, CHINESE):
        pdfmetrics.registerFont(UnicodeCIDFont(name))


def words(text: str) -> str:
    """As markup of a paragraph. Signs that no font of ours draws, which would be empty
    boxes, are told by their name: "[croissant]"."""
    fonts()
    font = CHINESE
    if KANA.search(text):
        font = JAPANESE
    elif HANGUL.search(text):
        font = KOREAN
    parts, at = [], 0
    for run in EAST_ASIAN.finditer(text):
        parts.append(escape(_told(text[at : run.start()])))
        parts.append(f'<font name="{font}">{escape(run[0])}</font>')
        at = run.end()
    return "".join([*parts, escape(_told(text[at:]))])


def _told(text: str) -> str:
    drawn: Any = pdfmetrics.getFont(REGULAR)
    told = ""
    for sign in text:
        if sign.isspace() or ord(sign) in drawn.face.charToGlyph:
            told += sign
        elif sign in JOINERS:
            continue
        elif FLAG <= ord(sign) < FLAG + 26:  # two of them are a country's flag
            told += chr(ord("A") + ord(sign) - FLAG)
        else:
            told += f"[{unicodedata.name(sign, f'U+{ord(sign):04X}').lower()}]"
    return told


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
        lang=get_language() or "en",
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
