"""What our PDFs draw: read from their pages, sign by sign, from left to right."""

import io
import re
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import ContentStream
from reportlab.lib.pagesizes import A4
from reportlab.platypus import Table

from publishing import pdf

WIDE, NARROW = 500, 90
FOOT = 40
HEBREW = "מאפייה קטנה"


def drawn(data: bytes) -> list[tuple[float, str]]:
    """Lines as (left edge, signs as they stand from left to right), without the foot."""
    rows: dict[tuple[int, float], list[tuple[float, str]]] = {}
    reader = PdfReader(io.BytesIO(data))
    for number, page in enumerate(reader.pages):
        fonts = page["/Resources"]["/Font"]
        signs = {name: _signs_of(font.get_object()) for name, font in fonts.items()}
        stack, x0, y0, x, y, leading, font = [], 0.0, 0.0, 0.0, 0.0, 0.0, {}
        for operands, operator in ContentStream(page.get_contents(), reader).operations:
            if operator == b"q":
                stack.append((x0, y0))
            elif operator == b"Q":
                x0, y0 = stack.pop()
            elif operator == b"cm":
                x0, y0 = x0 + float(operands[4]), y0 + float(operands[5])
            elif operator == b"Tm":
                x, y = x0 + float(operands[4]), y0 + float(operands[5])
            elif operator == b"TL":
                leading = float(operands[0])
            elif operator == b"T*":
                y -= leading
            elif operator == b"Tf":
                font = signs[operands[0]]
            elif operator in (b"Tj", b"TJ") and y > FOOT:
                parts = operands[0] if operator == b"TJ" else operands
                strings = [part for part in parts if hasattr(part, "original_bytes")]
                text = "".join(
                    font[byte] for one in strings for byte in one.original_bytes
                )
                rows.setdefault((number, -round(y, 1)), []).append((x, text))
    return [
        (rows[row][0][0], "".join(text for _x, text in rows[row]).strip())
        for row in sorted(rows)
    ]


def _signs_of(font: Any) -> dict[int, str]:
    if "/ToUnicode" not in font:
        return {}
    table = font["/ToUnicode"].get_data().decode()
    found = re.findall(r"<([0-9A-F]{2})> <([0-9A-F]{4})>", table)
    return {int(byte, 16): chr(int(sign, 16)) for byte, sign in found}


def lines_of(text: str, width: float = WIDE) -> list[str]:
    return [line for _x, line in placed(text, width)]


def placed(text: str, width: float = WIDE) -> list[tuple[float, str]]:
    cell = pdf.paragraph(text, pdf.TEXT)
    table = Table([[cell]], colWidths=[width], hAlign="LEFT")
    return drawn(pdf.document("t", "s", [table], A4))


def test_hebrew_stands_from_right_to_left() -> None:
    assert lines_of(HEBREW) == [HEBREW[::-1]]


def test_arabic_letters_are_joined() -> None:
    (line,) = lines_of("مخبز")
    # from the right: as it begins a word, twice within one, and as it ends one
    assert line[::-1] == "\ufee3\ufea8\ufe92\ufeb0"


@pytest.mark.parametrize("text", ["مخبز", "Acme مخبز", "مخبز Acme", "(مخبز) 12"])
def test_letters_are_joined_in_whatever_company(text: str) -> None:
    (line,) = lines_of(text)
    assert "\ufeb0\ufe92\ufea8\ufee3" in line


def test_lam_and_alef_are_one_sign() -> None:
    (line,) = lines_of("سلام")
    assert line[::-1] == "\ufeb3\ufefc\u0645"


SHALOM = "שלום"
MOLAHS = SHALOM[::-1]
MAKAN = "مكان"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{SHALOM} (ABC) 12:30", f"12:30 (ABC) {MOLAHS}"),
        (f"ABC ({SHALOM}) 12", f"ABC ({MOLAHS}) 12"),
        (f"ABC ({SHALOM}) {SHALOM}!", f"ABC ({MOLAHS}) {MOLAHS}!"),
        (f"{SHALOM} 20% (א-5)!", f"!(5-א) 20% {MOLAHS}"),
        (f"Café {SHALOM} 🥐", f"Café {MOLAHS} [croissant]"),
        (f"{SHALOM} 👍🏽 x", f"x [thumbs up sign] {MOLAHS}"),
        (f"\u2068{SHALOM}\u2069: \u200eABC", f"{MOLAHS}: ABC"),
        (f"ABC {SHALOM}", f"ABC {MOLAHS}"),
        (f"{SHALOM} (ABC)", f"(ABC) {MOLAHS}"),
        (f"{SHALOM} ABC 🥐 DEF", f"ABC [croissant] DEF {MOLAHS}"),
    ],
)
def test_both_directions_in_one_line(text: str, shown: str) -> None:
    assert lines_of(text) == [shown]


def test_signs_that_only_steer_directions_are_not_drawn_nor_named() -> None:
    assert lines_of("\u2068Acme\u2069 \u200e\u202a1\u202c") == ["Acme 1"]


def test_each_line_begins_on_the_side_that_it_is_read_from() -> None:
    (left, first), (right, second) = placed(f"Acme {SHALOM}\n{SHALOM} Acme")
    assert (first, second) == (f"Acme {MOLAHS}", f"Acme {MOLAHS}")
    assert right > left + WIDE / 2


@pytest.mark.parametrize("word", [SHALOM, "مخبز", "Acme"])
def test_lines_are_broken_where_they_are_read_on(word: str) -> None:
    words = [f"{word}{number}" for number in range(30)]
    text = f"{SHALOM} {' '.join(words)}"
    lines = lines_of(text, NARROW)
    assert len(lines) > 5
    numbers = []
    for line in lines:
        row = [int(number) for number in re.findall("[0-9]+", line)]
        numbers += row if word == "Acme" else row[::-1]
    assert numbers == list(range(30))


@pytest.mark.parametrize("width", [90, 110, 130, 150])
def test_a_number_that_begins_a_line_goes_with_the_words_before_it(width: int) -> None:
    tokens = [MAKAN, "123"] * 12
    first, *others = lines_of(" ".join(["Acme", *tokens]), width)
    assert first.startswith("Acme ")
    rows = [first.split()[1:], *(line.split() for line in others)]
    assert any(row[-1] == "123" for row in rows)
    read = [token for row in rows for token in row[::-1]]
    assert [token == "123" for token in read] == [token == "123" for token in tokens]


def test_a_word_that_no_line_holds_is_cut() -> None:
    lines = lines_of(SHALOM * 10, 60)
    assert len(lines) > 1
    assert "".join(line[::-1] for line in lines) == SHALOM * 10


def test_a_long_text_goes_on_on_the_next_page() -> None:
    text = "\n".join(f"{SHALOM} {number}" for number in range(150))
    story = [pdf.paragraph(text, pdf.TEXT)]
    data = pdf.document("t", "s", story, A4)
    assert len(PdfReader(io.BytesIO(data)).pages) == 3
    assert [line for _x, line in drawn(data)] == [
        f"{number} {MOLAHS}" for number in range(150)
    ]


def test_vowels_stay_with_their_letters() -> None:
    lamed = "\u05dc\u05b8"  # with a vowel below
    (line,) = lines_of(f"\u05d0{lamed}\u05d1")
    assert line == "\u05d1\u05b8\u05dc\u05d0"


def test_letters_that_our_font_lacks_are_named() -> None:
    assert lines_of("\u06d2") == ["[arabic letter yeh barree]"]
    assert lines_of("\u0710") == ["[syriac letter alaph]"]
    # A number that shaping gives to a glyph without one is nobody's letter.
    lines_of("مُحَمَّد")
    assert lines_of("\ue000") == ["[u+e000]"]


@pytest.mark.parametrize("blank", ["", " ", "\r", "\u200f", "\u2029"])
def test_blank_lines_stand_between_the_others(blank: str) -> None:
    text = f"{HEBREW}\n{blank}\n{HEBREW}"
    assert [line for line in lines_of(text) if line] == [HEBREW[::-1]] * 2
    cell = pdf.paragraph(text, pdf.TEXT)
    assert cell.wrap(WIDE, 800)[1] == 3 * pdf.TEXT.leading


def test_lines_end_as_forms_of_pages_send_them() -> None:
    assert lines_of(f"{HEBREW}\r\n{HEBREW}") == [HEBREW[::-1]] * 2
