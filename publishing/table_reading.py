"""From a CSV or XLSX file to rows of text. Knows nothing of posts.

Files of strangers: sizes are bounded before anything is unpacked, and a spreadsheet is
read by a bounded process of its own (`spreadsheet`); its XML may define nothing.
"""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from . import spreadsheet
from .csv_cells import plain
from .measuring import UploadRefused, ask

MB = 1 << 20
MOST_BYTES = 10 * MB
#: What a spreadsheet may take when it is unpacked, and how much more than packed.
MOST_UNPACKED = 60 * MB
MOST_PARTS = 2000
MOST_ROWS = 5000
MOST_COLUMNS = 200
MOST_CHARS = 60_000
#: Of all cells: a spreadsheet writes a text once and has it in any number of cells.
MOST_TEXT = 10_000_000
#: How much of a CSV file decides on its separator.
SAMPLE = 64 * 1024
XLSX = "[Content_Types].xml"
SEPARATORS = {
    ",": gettext_noop("comma"),
    ";": gettext_noop("semicolon"),
    "\t": gettext_noop("tab"),
    "|": gettext_noop("pipe"),
}
#: A formula that no spreadsheet has worked out: there is no value to take. It begins with
#: a character that stands in no text, and that a database takes (PostgreSQL no NUL).
NO_VALUE = "\ufdd0formula"


class Unreadable(Exception):
    """The file cannot be taken; the sentence names the cause and the cure."""


@dataclass
class Table:
    """rows: (number as a spreadsheet counts, cells); the first has the heads."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    encoding: str = ""
    separator: str = ""
    sheet: str = ""
    #: characters of all cells
    size: int = 0


def read(path: Path, name: str) -> Table:
    """Unreadable. At most MOST_ROWS rows besides the heads; empty rows are left out."""
    if path.stat().st_size > MOST_BYTES:
        raise Unreadable(
            _("%(name)s is larger than %(n)s MB. Split it, or take files out of it.")
            % {"name": name, "n": MOST_BYTES // MB}
        )
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        return _spreadsheet(path, name)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable(
            _("%(name)s is an old or locked Excel file. Save it as .xlsx or CSV.")
            % {"name": name}
        )
    return _text(path.read_bytes(), name)


# ---------------------------------------------------------------- CSV


def _text(raw: bytes, name: str) -> Table:
    text, encoding = decoded(raw, name)
    separator = ""
    if text[:4].lower() == "sep=" and len(text) > 4:
        separator, text = text[4], text[5:].lstrip("\r\n")
        skipped = 1
    else:
        skipped = 0
    separator = separator or guess_separator(text[:SAMPLE])
    table = Table(encoding=encoding, separator=separator)
    # A cell may have line breaks: the row is counted as a spreadsheet shows it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for number, cells in enumerate(reader, 1 + skipped):
            _add(table, number, [plain(cell) for cell in cells], name)
    except csv.Error as error:
        raise Unreadable(
            _("Line %(n)s of %(name)s cannot be read as CSV: %(why)s.")
            % {"n": reader.line_num, "name": name, "why": error}
        ) from None
    return _whole(table, name)


def decoded(raw: bytes, name: str) -> tuple[str, str]:
    """Text, and what it was written in."""
    marks = (
        (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    )
    tries = [(codec, said) for mark, codec, said in marks if raw.startswith(mark)]
    if not tries and raw[:200].count(0) > len(raw[:200]) // 4:
        even = raw[:200:2].count(0) > raw[1:200:2].count(0)
        tries = [("utf-16-be" if even else "utf-16-le", "UTF-16")]
    for codec, said in tries or [("utf-8", "UTF-8"), ("cp1252", "Windows-1252")]:
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text, said
    raise Unreadable(
        _("%(name)s is no text that can be read. Save it as CSV in UTF-8, or as .xlsx.")
        % {"name": name}
    )


def guess_separator(sample: str) -> str:
    """What most columns come of, in rows of one length."""
    best, most = ",", 0
    for separator in SEPARATORS:
        try:
            rows = list(
                csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
            )[:20]
        except csv.Error:
            continue
        widths = [len(row) for row in rows if any(row)]
        if not widths or widths[0] < 2:
            continue
        score = widths[0] + 100 * widths.count(widths[0]) // len(widths)
        if score > most:
            best, most = separator, score
    return best


# ---------------------------------------------------------------- spreadsheets


def _spreadsheet(path: Path, name: str) -> Table:
    check_unpacked(path, name)
    # One row more than there may be, besides the heads.
    limits = (MOST_ROWS + 1, MOST_COLUMNS, MOST_TEXT)
    try:
        found = ask(Path(spreadsheet.__file__), str(path), *map(str, limits), name=name)
    except UploadRefused as refused:
        raise Unreadable(str(refused)) from None
    table = Table(sheet=found["sheet"])
    for number, cells in found["rows"]:
        words = [NO_VALUE if cell is None else plain(cell) for cell in cells]
        _add(table, number, words, name)
    return _whole(table, name)


def check_unpacked(path: Path, name: str) -> None:
    """Unreadable where unpacking would fill the memory (a "zip bomb")."""
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
            names = {part.filename for part in parts}
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Unreadable(
            _("%(name)s is broken. Save it anew and choose it again.") % {"name": name}
        ) from None
    if XLSX not in names:
        raise Unreadable(
            _(
                "%(name)s is no table: a zip with files belongs into the second field, "
                "beside its table."
            )
            % {"name": name}
        )
    # Python unpacks no more of a part than its entry announces.
    if len(parts) > MOST_PARTS or sum(p.file_size for p in parts) > MOST_UNPACKED:
        raise Unreadable(
            _(
                "%(name)s unpacks to more than %(n)s MB. Take pictures and other sheets "
                "out of it, or save the sheet as CSV."
            )
            % {"name": name, "n": MOST_UNPACKED // MB}
        )


# ---------------------------------------------------------------- both


def _add(table: Table, number: int, cells: Sequence[str], name: str) -> None:
    cells = list(cells)
    while cells and not cells[-1].strip():
        cells.pop()
    if not cells:
        return
    if len(cells) > MOST_COLUMNS:
        raise Unreadable(
            _("%(name)s has more than %(n)s columns in row %(row)s.")
            % {"name": name, "n": MOST_COLUMNS, "row": number}
        )
    if long := next((cell for cell in cells if len(cell) > MOST_CHARS), None):
        raise Unreadable(
            _("A cell of row %(row)s has %(n)s characters: at most %(most)s.")
            % {"row": number, "n": len(long), "most": MOST_CHARS}
        )
    table.size += sum(map(len, cells))
    if table.size > MOST_TEXT:
        raise Unreadable(
            _("%(name)s has more than %(n)s million characters. Split it.")
            % {"name": name, "n": MOST_TEXT // 1_000_000}
        )
    if len(table.rows) > MOST_ROWS:
        raise Unreadable(
            _("%(name)s has more than %(n)s rows. Split it into several files.")
            % {"name": name, "n": MOST_ROWS}
        )
    table.rows.append((number, cells))


def _whole(table: Table, name: str) -> Table:
    if not table.rows:
        raise Unreadable(
            _("%(name)s is empty. Fill in the template and choose it again.")
            % {"name": name}
        )
    return table


def zip_files(path: Path) -> Iterator[zipfile.ZipInfo]:
    """The files of a zip with media, without folders and what systems add."""
    with zipfile.ZipFile(path) as packed:
        for part in packed.infolist():
            name = part.filename.rpartition("/")[2]
            hidden = part.filename.startswith("__MACOSX/") or name[:1] in ("", ".")
            is_locked = part.flag_bits & 0x1
            if not hidden and not is_locked:
                yield part
