"""Cells of CSV files that a spreadsheet would run as formulas, and back."""

from __future__ import annotations

import re

#: With marks in front: so that the way back takes exactly one away.
RISKY = re.compile(r"'*[=+\-@\t\r\n]")


def safe(text: str) -> str:
    """Text that a spreadsheet would run as a formula is marked as text."""
    return f"'{text}" if RISKY.match(text) else text


def plain(cell: str) -> str:
    """What `safe` was given."""
    return cell[1:] if cell.startswith("'") and RISKY.match(cell) else cell
