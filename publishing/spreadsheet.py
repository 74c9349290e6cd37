"""Reads the first sheet of a spreadsheet. Run as a program, in a process of its own.

    python -I spreadsheet.py PATH MOST_ROWS MOST_COLUMNS MOST_TEXT

A few KB of XML can keep the library that reads it busy for hours, or fill the memory:
here both are bounded, as `examine` bounds them, whose answer this is. Its facts: `sheet`,
the title, and `rows`, each its number as a spreadsheet counts and its cells: texts, and
null for a formula that no spreadsheet has worked out; what is merged over rows stands in
each of them. Empty rows are left out. It stops
with what is more than MOST_ROWS rows or MOST_TEXT characters. What the library cannot
read is refused ("no_sheet").
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

#: No program makes a sheet with more rows.
LAST_ROW = 1_048_576
#: More merged cells than this are taken as they are written: the first row alone has them.
MOST_MERGED = 20_000


def cell_text(value: Any) -> str:
    """A spreadsheet's value as it would be typed: dates and times as ISO has them."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        if value.time() == time():
            return value.date().isoformat()
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def merged(sheet: Any) -> dict[int, list[tuple[int, int]]]:
    """Cells that are merged over rows: first row -> (column from 0, last row).

    Of a sheet that is only read the library does not tell them.
    """
    from openpyxl.utils.cell import range_boundaries
    from openpyxl.xml.functions import iterparse

    found: dict[int, list[tuple[int, int]]] = {}
    number = 0
    with sheet._get_source() as source:
        for _event, element in iterparse(source):
            if element.tag.endswith("}mergeCell"):
                left, top, _right, bottom = range_boundaries(element.get("ref", ""))
                if None not in (left, top, bottom) and bottom > top:
                    found.setdefault(top, []).append((left - 1, bottom))
                    number += 1
                if number > MOST_MERGED:
                    return {}
            element.clear()
    return found


def sheet(path: Path, most_rows: int, most_columns: int, most_text: int) -> Any:
    from openpyxl import load_workbook

    # Files, for the library goes by the endings of names.
    with path.open("rb") as one, path.open("rb") as other:
        known = load_workbook(one, read_only=True, data_only=True, keep_links=False)
        written = load_workbook(other, read_only=True, keep_links=False)
        first = known.worksheets[0]
        if max(first.max_row or 0, first.max_column or 0) > LAST_ROW:
            raise ValueError("there is no such row")
        columns = {"max_col": most_columns + 1, "values_only": True}
        pairs = zip(
            first.iter_rows(**columns),
            written.worksheets[0].iter_rows(**columns),
            strict=False,
        )
        starts, above = merged(first), dict[int, tuple[int, Any]]()
        rows, size = [], 0
        for number, (values, formulas) in enumerate(pairs, 1):
            if number > LAST_ROW:
                raise ValueError("there is no such row")
            cells = [
                None if value is None and formula is not None else cell_text(value)
                for value, formula in zip(values, formulas, strict=False)
            ]
            if any(cell != "" for cell in cells):
                for column, (last, cell) in above.items():
                    if number <= last and cells[column] == "":
                        cells[column] = cell
            for column, last in starts.get(number, ()):
                if column < len(cells):
                    above[column] = (last, cells[column])
            while cells and cells[-1] == "":
                cells.pop()
            if not cells:
                continue
            rows.append([number, cells])
            size += sum(len(cell or "") for cell in cells)
            if len(rows) > most_rows or size > most_text:
                break
        return {"sheet": first.title, "rows": rows}


def read(examine: Any, *arguments: Any) -> Any:
    try:
        return sheet(*arguments)
    except MemoryError:
        raise
    except Exception:
        # Whatever a broken file makes of the library: it is the file's fault.
        raise examine.Refused("no_sheet") from None


def main() -> None:
    # Started alone (-I), a program does not find its neighbours by name.
    beside = Path(__file__).with_name("examine.py")
    found = importlib.util.spec_from_file_location("examine", beside)
    assert found is not None
    assert found.loader is not None
    examine = importlib.util.module_from_spec(found)
    found.loader.exec_module(examine)
    path, limits = Path(sys.argv[1]), [int(word) for word in sys.argv[2:5]]
    examine.answer_with(lambda: read(examine, path, *limits))


if __name__ == "__main__":
    main()
