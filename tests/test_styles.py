"""Our own style sheets are whole: a lost brace hides all rules that follow it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parent.parent / "static"
SHEETS = sorted(
    path for app in ("publishing", "socialhub") for path in (STATIC / app).glob("*.css")
)
#: Comments and strings may hold braces.
QUIET = re.compile(r"/\*.*?\*/|\"[^\"]*\"|'[^']*'", re.DOTALL)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_each_rule_ends_before_the_next_begins(sheet):
    depth = 0
    rules = QUIET.sub("", sheet.read_text())
    for line in rules.splitlines():
        if line and not line.startswith((" ", "\t", "}")):
            assert depth == 0, f"{sheet.name}: a brace is missing above {line!r}"
        depth += line.count("{") - line.count("}")
        assert depth >= 0, f"{sheet.name}: a brace too many at {line!r}"
    assert depth == 0, f"{sheet.name}: the last rule does not end"
    assert SHEETS
