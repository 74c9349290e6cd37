"""The permission registry is exact: no call without a row, no row without its call.

Every module of a platform is read (not run): the keys that it names, directly or by a
template such as f"POST /oauth/{name}", are what it can call. Rows that only the roadmap
needs say so.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import platforms
from platforms.base import Ability, Call, PlatformSpec
from platforms.registry import PLATFORMS

HOME = Path(platforms.__file__).parent
#: All that have a client, those too that are not in the registry yet.
SLUGS = sorted(path.parent.name for path in HOME.glob("*/client.py"))
KEY = re.compile(r"(GET|POST|PUT|PATCH|DELETE) \S")
#: These name calls and make none.
TALKS_OF_CALLS = {"calls_ahead", "price", "observe", "draws", "draws_of_calls"}
#: The other side of the conversation, and the rows themselves.
NOT_OURS = re.compile(r"^(spec|windows|twin\w*)\.py$")
#: Ways to the network besides `platforms.http`.
OTHER_WAYS = {"requests", "httpx", "urllib3", "aiohttp", "socket", "http.client"}


def spec(slug: str) -> PlatformSpec:
    facts = import_module(f"platforms.{slug}.spec").SPEC
    assert isinstance(facts, PlatformSpec)
    return facts


def modules(slug: str) -> list[Path]:
    found = [
        path for path in (HOME / slug).glob("*.py") if not NOT_OURS.match(path.name)
    ]
    assert found, slug
    return [*found, *{path for own in found for path in shared_by(own)}]


@functools.cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def shared_by(path: Path) -> Iterator[Path]:
    """Modules of another platform that this one builds on (`from ..facebook.graph`)."""
    for node in ast.walk(parsed(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            inner = HOME.joinpath(*(node.module or "").split(".")).with_suffix(".py")
            if inner.exists() and inner.parent != HOME:
                yield inner


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name not in TALKS_OF_CALLS:
            yield node


def names_in(function: ast.FunctionDef) -> dict[str, str]:
    """Local names that stand for one text: `key, path = "GET /me", ...`."""
    found = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=True))
        for name, text in pairs:
            if isinstance(name, ast.Name) and isinstance(text, ast.Constant):
                found[name.id] = str(text.value)
    return found


def template(node: ast.AST, names: dict[str, str]) -> str:
    """A text as a regular expression; what is filled in later may be anything."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part, names) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        inner = node.value
        if isinstance(inner, ast.Name) and inner.id in names:
            return re.escape(names[inner.id])
        return "[^ ]+"
    return ""


@functools.cache
def keys_named(source: str) -> set[str]:
    """Regular expressions of the calls that the module's functions name."""
    found = set()
    for function in functions(parsed(source)):
        names = names_in(function)
        inside = {
            id(part)
            for node in ast.walk(function)
            if isinstance(node, ast.JoinedStr | ast.Expr)  # docstrings
            and not isinstance(getattr(node, "value", None), ast.Call)
            for part in ast.walk(node)
            if part is not node
        }
        for node in ast.walk(function):
            if id(node) in inside:
                continue
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                # row += "?page"
                begun = names.get(node.target.id, "")
                if KEY.match(begun):
                    found.add(re.escape(begun) + template(node.value, names))
            text = template(node, names) if not isinstance(node, ast.Name) else ""
            if KEY.match(text.replace("\\ ", " ")):
                found.add(text)
    return found


@functools.cache
def sends_without_key(source: str) -> list[int]:
    """Lines on which something is sent whose key cannot be traced to a text."""
    lines = []
    for node in ast.walk(parsed(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        key: ast.AST | None
        if node.func.attr == "send":
            key = node.args[0] if node.args else None
        elif node.func.attr == "request":
            key = next((k.value for k in node.keywords if k.arg == "call"), None)
        else:
            continue
        if isinstance(key, ast.Attribute) and key.attr == "key":
            key = key.value  # self.spec.call(key).key
            key = key.args[0] if isinstance(key, ast.Call) and key.args else None
        if not isinstance(key, ast.Constant | ast.JoinedStr | ast.Name | ast.IfExp):
            lines.append(node.lineno)
    return lines


@functools.cache
def other_ways(source: str) -> list[str]:
    found = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append(node.module or "")
    return [n for n in found if n in OTHER_WAYS or n.split(".")[0] in OTHER_WAYS]


def made_by(slug: str) -> set[str]:
    return {key for path in modules(slug) for key in keys_named(path.read_text())}


# ---------------------------------------------------------------- the platforms


@pytest.mark.parametrize("slug", SLUGS)
def test_every_call_that_code_makes_has_a_row(slug: str) -> None:
    rows = [call.key for call in spec(slug).calls]
    without = [
        key for key in made_by(slug) if not any(re.fullmatch(key, row) for row in rows)
    ]
    assert without == [], f"{slug}: add rows to spec.py for these calls"


@pytest.mark.parametrize("slug", SLUGS)
def test_rows_that_no_code_uses_are_marked_as_the_roadmaps(slug: str) -> None:
    made = made_by(slug)
    used = {
        call.key: any(re.fullmatch(key, call.key) for key in made)
        for call in spec(slug).calls
    }
    wrong = {c.key for c in spec(slug).calls if c.later == used[c.key]}
    assert wrong == set(), f"{slug}: `later` is not what the code says of these"


@pytest.mark.parametrize("slug", SLUGS)
def test_nothing_leaves_but_by_the_registry(slug: str) -> None:
    for path in modules(slug):
        source = path.read_text()
        assert sends_without_key(source) == [], path.name
        assert other_ways(source) == [], path.name


@pytest.mark.parametrize("slug", SLUGS)
def test_scopes_of_the_roadmap_are_those_that_no_code_needs_yet(slug: str) -> None:
    facts = spec(slug)
    for scope in facts.scopes:
        calls = [c for c in facts.calls if scope.name in (*c.scopes, *c.any_scopes)]
        if calls and all(call.later for call in calls):
            assert scope.later, f"{scope.name}: name the feature that will need it"
        if scope.later:
            today = [c.key for c in calls if scope.name in c.scopes and not c.later]
            assert today == [], f"{scope.name}: code needs it today"


# ---------------------------------------------------------------- the reading itself

CLIENT = '''
class Client:
    def me(self):
        """GET /docstring is no call."""
        return self.send("GET /me", self.host)
    def token(self, name):
        key = self.spec.call(f"POST /oauth/{name}").key
        return self.http.request("POST", self.url, call=key)
    def posts(self, more):
        row = "GET /posts"
        if more:
            row += "?more"
        return self.send(f"{row}?page" if more else row, self.url)
    def calls_ahead(self, job):
        return {"GET /never": 1}
'''


def test_reading_finds_keys_wherever_they_stand() -> None:
    rows = ["GET /me", "POST /oauth/token", "GET /posts", "GET /posts?page"]
    rows.append("GET /posts?more")
    found = keys_named(CLIENT)
    assert len(found) == 5
    assert all(any(re.fullmatch(key, row) for key in found) for row in rows)


@pytest.mark.parametrize(
    "line",
    ["self.send(self.key_of(x), url)", 'self.http.request("GET", url)', "c.send()"],
)
def test_reading_finds_what_leaves_without_a_key(line: str) -> None:
    assert sends_without_key(f"def f(self): {line}") == [1]
    assert other_ways("import requests\nfrom http.client import x") == [
        "requests",
        "http.client",
    ]


def test_a_call_without_a_row_cannot_be_made() -> None:
    with pytest.raises(KeyError, match="no permission row for the call 'GET /x'"):
        spec("x").call("GET /x")


def test_scopes_name_kinds_that_the_platform_has() -> None:
    for slug in SLUGS:
        facts = spec(slug)
        for scope in facts.scopes:
            assert set(scope.kinds) <= set(facts.account_kinds), scope.name


def test_no_platform_is_left_out() -> None:
    assert set(PLATFORMS) <= set(SLUGS)


def test_a_row_is_todays_unless_it_says_otherwise() -> None:
    assert Call("GET /x", "X", ability=Ability.READ).later is False
