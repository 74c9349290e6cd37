"""docs/traps.md: where platforms behave otherwise than one expects, and which test
proves that we know.

Each platform lists its traps in `platforms/<slug>/traps.py`; a test says which one it is
about with the mark `@pytest.mark.trap("x", 3)`, on itself or on one of its parameters.
`manage.py write_coverage` writes the page; a test compares, and wants each trap tested.
"""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from platforms import registry

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "traps.md"
TESTED = ("platforms", "accounts", "publishing", "monitoring", "socialhub", "tests")
HEAD = """\
# Traps of the platforms

Where a platform behaves otherwise than one expects, and the tests that hold us to it.
Written by `manage.py write_coverage` from `platforms/*/traps.py` and the marks of the
tests: do not edit it, run the command.
"""
#: platform and number
Trap = tuple[str, int]


def listed(slug: str) -> dict[int, str]:
    """A platform's traps by their number, each in a few words."""
    return dict(import_module(f"platforms.{slug}.traps").TRAPS)


def marks(source: str, name: str = "<source>") -> Iterator[tuple[str, Trap]]:
    """Names of the tests in a source that are marked, and what with; in its order.

    SyntaxError: a mark that is not spelt `trap("platform", number)`, for it would be
    overlooked.
    """
    for node in ast.walk(ast.parse(source, name)):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        for decorator in node.decorator_list:
            for call in ast.walk(decorator):
                if isinstance(call, ast.Call) and _is_mark(call.func):
                    yield node.name, _trap(call, name)


def _is_mark(called: ast.expr) -> bool:
    return ast.unparse(called).endswith("mark.trap")


def _trap(call: ast.Call, name: str) -> Trap:
    match [getattr(arg, "value", None) for arg in call.args], call.keywords:
        case [str(slug), int(number)], []:
            return slug, number
    raise SyntaxError(f"{name}:{call.lineno}: a mark is spelt trap('x', 3)")


def proofs(root: Path = ROOT) -> dict[Trap, list[tuple[str, str]]]:
    """Per trap the tests that are marked with it: (path below root, name)."""
    found: dict[Trap, list[tuple[str, str]]] = defaultdict(list)
    for path in _test_files(root):
        source = path.read_text(encoding="utf-8")
        if "mark.trap" in source:
            where = path.relative_to(root).as_posix()
            for test, trap in dict.fromkeys(marks(source, where)):
                found[trap].append((where, test))
    return dict(found)


def _test_files(root: Path) -> Iterator[Path]:
    for top in TESTED:
        for folder, inner, names in os.walk(root / top):
            inner[:] = sorted(set(inner) - {"node_modules", "__pycache__"})
            for name in sorted(names):
                if name.startswith("test_") and name.endswith(".py"):
                    yield Path(folder, name)


def page(proved: Mapping[Trap, list[tuple[str, str]]] | None = None) -> str:
    """The whole document, as Markdown. proved: what `proofs` has found already."""
    proved = proofs() if proved is None else proved
    parts = [HEAD]
    for spec in registry.all_specs():
        parts += [f"## {spec.name}\n", _table(spec.slug, proved)]
    return "\n".join(parts)


def _table(slug: str, proved: Mapping[Trap, list[tuple[str, str]]]) -> str:
    lines = ["| | Trap | Tests |", "| --- | --- | --- |"]
    for number, words in sorted(listed(slug).items()):
        tests = ", ".join(_link(*one) for one in proved.get((slug, number), []))
        lines.append(f"| {number} | {words} | {tests or '**none**'} |")
    return "\n".join(lines) + "\n"


def _link(path: str, test: str) -> str:
    return f"[{test.removeprefix('test_').replace('_', ' ')}](../{path})"
