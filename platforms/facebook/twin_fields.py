"""The Graph API's `fields`, lists with cursors, and parameters in all their forms."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from werkzeug.wrappers import Request

from ..practice.framework import Doc
from . import twin_errors as errors

_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
_MODIFIER = re.compile(r"\.([a-z_]+)\(([^()]*)\)")
DEPTH = 4


@dataclass
class Field:
    """One wanted field: `comments.limit(0).summary(true){id}`."""

    modifiers: dict[str, str] = field(default_factory=dict)
    inner: dict[str, Field] = field(default_factory=dict)


def parse_fields(text: str) -> dict[str, Field]:
    found, at = _parse(text, 0, 0)
    if at != len(text):
        raise errors.wrong(f"Syntax error in fields at {text[at : at + 20]!r}")
    return found


def _parse(text: str, at: int, depth: int) -> tuple[dict[str, Field], int]:
    if depth > DEPTH:
        raise errors.wrong("fields are nested too deeply")
    found: dict[str, Field] = {}
    while at < len(text) and text[at] != "}":
        if text[at] in ", ":
            at += 1
            continue
        match = _NAME.match(text, at)
        if not match:
            raise errors.wrong(f"Syntax error in fields at {text[at : at + 20]!r}")
        wanted, at = Field(), match.end()
        while modifier := _MODIFIER.match(text, at):
            wanted.modifiers[modifier[1]] = modifier[2]
            at = modifier.end()
        if text[at : at + 1] == "{":
            wanted.inner, at = _parse(text, at + 1, depth + 1)
            if text[at : at + 1] != "}":
                raise errors.wrong("Syntax error in fields: a brace is missing")
            at += 1
        found[match[0]] = wanted
    return found, at


def params(request: Request) -> dict[str, Any]:
    """Query, form and JSON body in one; nested values of JSON stay what they are."""
    known = request.environ.get("meta.params")
    if isinstance(known, dict):
        return known
    values: dict[str, Any] = dict(request.args)
    values |= dict(request.form)
    if request.is_json:
        body = request.get_json(silent=True)
        if isinstance(body, dict):
            values |= body
    request.environ["meta.params"] = values
    return values


def text_of(values: Mapping[str, Any], name: str, default: str = "") -> str:
    value = values.get(name, default)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def is_true(value: Any, default: bool = False) -> bool:
    if value is None or value == "":
        return default
    return str(value).lower() in ("true", "1", "yes")


def nested(values: Mapping[str, Any], name: str) -> list[Any]:
    """A list: as JSON, as JSON in a text, or as `name[0]=`, `name[1]=`."""
    value = values.get(name)
    if isinstance(value, str) and value.strip():
        value = _json(name, value)
    if value is None:
        rows = [(key, values[key]) for key in values if key.startswith(f"{name}[")]
        rows.sort(key=lambda row: [int(n) for n in re.findall(r"\d+", row[0])])
        value = [_json(name, row) if isinstance(row, str) else row for _, row in rows]
    if not isinstance(value, list):
        raise errors.wrong(f"Param {name} must be an array.")
    return value


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise errors.wrong(f"Param {name} must be a JSON-encoded value.") from None


def number_of(values: Mapping[str, Any], name: str, default: int, most: int) -> int:
    text = text_of(values, name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise errors.wrong(f"Param {name} must be an integer.")
    return min(int(text), most)


def time_of(values: Mapping[str, Any], name: str) -> float | None:
    text = text_of(values, name)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise errors.wrong(f"Param {name} must be a Unix timestamp.") from None


def cursor(id: str) -> str:
    return base64.urlsafe_b64encode(f"practice:{id}".encode()).decode()


def id_behind(text: str) -> str:
    try:
        head, _, id = base64.urlsafe_b64decode(text.encode()).decode().partition(":")
    except ValueError:
        head, id = "", ""
    if head != "practice":
        raise errors.wrong("Invalid cursors values")
    return id


def listed(
    request: Request,
    url: str,
    rows: Sequence[tuple[str, Any]],
    *,
    limit: int = 25,
    most: int = 100,
) -> Doc:
    """A page of `rows` (id, what is shown) as the Graph API answers a list.

    The end is a missing `next`, which carries the token as the real one does.
    """
    values = params(request)
    size = number_of(values, "limit", limit, most)
    ids = [id for id, _ in rows]
    start = 0
    if after := text_of(values, "after"):
        last = id_behind(after)
        start = ids.index(last) + 1 if last in ids else len(ids)
    elif before := text_of(values, "before"):
        first = id_behind(before)
        end = ids.index(first) if first in ids else 0
        start, size = max(0, end - size), min(size, end)
    shown = rows[start : start + size]
    answer: Doc = {"data": [doc for _, doc in shown]}
    if not shown:
        return answer
    ends = {"before": cursor(shown[0][0]), "after": cursor(shown[-1][0])}
    paging: Doc = {"cursors": ends}
    kept = {k: v for k, v in values.items() if k not in ("after", "before")}
    token = request.headers.get("Authorization", "").partition(" ")[2]
    if token:
        kept.setdefault("access_token", token)
    if start + size < len(rows):
        paging["next"] = f"{url}?{urlencode({**kept, 'after': ends['after']})}"
    if start > 0:
        paging["previous"] = f"{url}?{urlencode({**kept, 'before': ends['before']})}"
    return {**answer, "paging": paging}
