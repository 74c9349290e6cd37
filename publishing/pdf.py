"""What all our PDFs share: fonts, words in every script, the page and its foot."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from html import escape
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, NamedTuple

from bidi import get_base_level, get_display
from bidi.mirror import MIRRORED
from django.utils.translation import get_language
from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import ShapedStr, TTFont, shapeStr
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
#: What writes these has a font of its own for them; ours has none.
JAPANESE, KOREAN, CHINESE = "HeiseiKakuGo-W5", "HYGothic-Medium", "STSong-Light"
KANA, HANGUL = re.compile("[\u3040-\u30ff]"), re.compile("[\u1100-\u11ff\uac00-\ud7af]")
EAST_ASIAN = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0002ffff]+"
)
EAST_ASIAN_PARTS = re.compile(f"({EAST_ASIAN.pattern})")
#: They change how the sign before them looks, and are nothing by themselves.
JOINERS = {"\ufe0e", "\ufe0f", "\u200d", *map(chr, range(0x1F3FB, 0x1F400))}
FLAG = 0x1F1E6
#: Letters of right-to-left scripts that our font draws; it joins those of one script.
SHAPED = re.compile(
    "([\u0590-\u05ff\ufb1d-\ufb4f]+|[\u07c0-\u07ff]+"
    "|[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\u200c\ufb50-\ufdff\ufe70-\ufeff]+)"
)
#: They steer directions, and are never seen.
STEERING = "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
UNSEEN = re.compile(f"[{STEERING}]")
#: Such signs as stand for a letter of that direction.
SIDES = {"L": "\u200e", "R": "\u200f", "AL": "\u061c"}
MARKER = "\u200b"
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
    font = _east_asian_font(text)
    text = UNSEEN.sub("", text)
    parts, at = [], 0
    for run in EAST_ASIAN.finditer(text):
        parts.append(escape(_told(text[at : run.start()])))
        parts.append(f'<font name="{font}">{escape(run[0])}</font>')
        at = run.end()
    return "".join([*parts, escape(_told(text[at:]))])


def paragraph(text: str, style: ParagraphStyle) -> Flowable:
    """Its lines in their scripts, each from the side that it is read from."""
    fonts()
    if any(unicodedata.bidirectional(sign) in {"R", "AL"} for sign in text):
        return BothWays([Line.of(line) for line in text.split("\n")], style)
    return Paragraph("<br/>".join(words(line) for line in text.split("\n")), style)


class Line(NamedTuple):
    text: str
    #: what it belongs to is read from right to left
    is_rtl: bool
    #: one of SIDES each: of the nearest letters of its paragraph in other lines
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, text: str) -> Line:
        text = "".join(
            part if EAST_ASIAN.fullmatch(part) else _told(part)
            for part in EAST_ASIAN_PARTS.split(text)
        )
        # It knows no direction of nothing.
        is_rtl = bool(text.strip() and get_base_level(text))
        return cls(text.replace(MARKER, ""), is_rtl)


class BothWays(Flowable):
    """Lines of which some are read from right to left.

    Paragraph's own way for that needs rlbidi, which pip does not find (2026-11).
    """

    def __init__(self, lines: list[Line], style: ParagraphStyle) -> None:
        super().__init__()
        self.lines, self.style = lines, style
        self.width = -1.0

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        if width != self.width:
            rows = (_rows(line, width, self.style) for line in self.lines)
            self.lines, self.width = list(chain.from_iterable(rows)), width
        self.height = len(self.lines) * self.style.leading
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        self.wrap(width, height)
        fitting = int(height // self.style.leading)
        parts = []
        for lines in (self.lines[:fitting], self.lines[fitting:]):
            part = BothWays(lines, self.style)
            part.width = width
            parts.append(part)
        return [part for part in parts if part.lines] if fitting else []

    def draw(self) -> None:
        style = self.style
        y = self.height - style.fontSize
        self.canv.setFillColor(style.textColor)
        for line in self.lines:
            pieces = list(_pieces(line, style))
            x = self.width - sum(piece.width for piece in pieces) if line.is_rtl else 0
            for piece in pieces:
                self.canv.setFont(piece.font, style.fontSize)
                self.canv.drawString(x, y, piece.text)
                x += piece.width
            y -= style.leading


class Piece(NamedTuple):
    font: str
    text: str
    width: float


def _pieces(line: Line, style: ParagraphStyle) -> Iterator[Piece]:
    """From left to right."""
    name, size = style.fontName, style.fontSize
    for run, is_rtl in _runs(line):
        parts = (SHAPED if is_rtl else EAST_ASIAN_PARTS).split(run)
        for number, part in enumerate(parts):
            if is_rtl and number % 2:
                shown = _shaped(part[::-1], name, size)
                yield Piece(name, shown, sum(_advances(part[::-1], style)))
            elif part:
                if is_rtl:
                    part = "".join(MIRRORED.get(sign, sign) for sign in part)
                font = _east_asian_font(line.text) if number % 2 else name
                yield Piece(font, part, stringWidth(part, font, size))


@lru_cache(2_000)
def _shaped(text: str, font: str, size: float) -> str:
    shown: str = shapeStr(text, font, size)
    return shown


def _advances(text: str, style: ParagraphStyle) -> Iterator[float]:
    """How far each sign goes on from where the one before it ends."""
    name, size = style.fontName, style.fontSize
    for number, part in enumerate(SHAPED.split(text)):
        shown = _shaped(part, name, size) if number % 2 else part
        if isinstance(shown, ShapedStr):
            far = [0.0] * len(part)
            glyphs: Any = shown
            for glyph in glyphs.__shapeData__:
                far[glyph.cluster] += glyph.x_advance * size / 1000
            yield from far
        else:
            for sign in part:
                font = _east_asian_font(text) if EAST_ASIAN.match(sign) else name
                yield stringWidth(sign, font, size)


def _runs(line: Line) -> list[tuple[str, bool]]:
    """From left to right: signs as they stand, and whether they are read backwards."""
    # The marker takes part in nothing and stays behind its sign: where it comes
    # to stand tells how the sign is read. At the end of all it would be moved.
    signs = "".join(f"{sign}{MARKER}" for sign in line.before + line.text + line.after)
    if line.is_rtl:
        shown = get_display(signs + SIDES["R"], base_dir="R")[1:]
    else:
        shown = get_display(signs + SIDES["L"], base_dir="L")[:-1]
    runs: list[tuple[str, bool]] = []
    for first, second in zip(shown[::2], shown[1::2], strict=True):
        is_rtl = first == MARKER
        sign = second if is_rtl else first
        if UNSEEN.match(sign):
            continue
        if runs and runs[-1][1] == is_rtl:
            sign = runs.pop()[0] + sign
        runs.append((sign, is_rtl))
    return runs


def _rows(line: Line, width: float, style: ParagraphStyle) -> list[Line]:
    """The line, broken into such as fit."""
    rows, filled = [""], 0.0
    space = stringWidth(" ", style.fontName, style.fontSize)
    for word in line.text.split():
        for part, needed in _parts(word, width, style):
            if rows[-1] and filled + space + needed > width:
                rows.append("")
            filled = filled + space + needed if rows[-1] else needed
            rows[-1] = f"{rows[-1]} {part}" if rows[-1] else part
    befores = accumulate(
        (_side(row[::-1]) for row in rows), _latest, initial=line.before
    )
    afters = accumulate(
        (_side(row) for row in reversed(rows)), _latest, initial=line.after
    )
    # Of each the last one is behind all rows.
    sides = zip(rows, list(befores)[:-1], list(afters)[-2::-1], strict=True)
    return [Line(row, line.is_rtl, before, after) for row, before, after in sides]


def _latest(former: str, side: str) -> str:
    return side or former


def _parts(
    word: str, width: float, style: ParagraphStyle
) -> Iterator[tuple[str, float]]:
    """A word that is wider than a line is cut between its signs."""
    advances = list(_advances(word, style))
    if sum(advances) <= width:
        yield word, sum(advances)
        return
    # A letter may be wider where it ends a part than it was within the word.
    most = width - style.fontSize
    part, filled = "", 0.0
    for sign, needed in zip(word, advances, strict=True):
        if part and filled + needed > most:
            yield part, filled
            part, filled = "", 0.0
        part, filled = part + sign, filled + needed
    yield part, filled


def _side(text: str) -> str:
    """What stands for the first letter of the text."""
    sides = (SIDES.get(unicodedata.bidirectional(sign), "") for sign in text)
    return next(filter(None, sides), "")


def _east_asian_font(text: str) -> str:
    if KANA.search(text):
        return JAPANESE
    return KOREAN if HANGUL.search(text) else CHINESE


def _told(text: str) -> str:
    drawn: Any = pdfmetrics.getFont(REGULAR)
    told = ""
    for sign in text:
        # What joins letters of Arabic takes numbers of private use for its glyphs.
        known = (
            ord(sign) in drawn.face.charToGlyph and unicodedata.category(sign) != "Co"
        )
        if sign.isspace() or known or UNSEEN.match(sign):
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
