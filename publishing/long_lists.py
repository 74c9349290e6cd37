"""Lists that may be very long: counted up to a bound, shown a page at a time.

To count a hundred thousand rows takes longer than to show fifty of them, and nobody
reads the number to its last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection

#: What a page counts is counted up to here; beyond it says "1000+".
MOST_COUNTED = 1000


def count(rows: Any) -> int:
    """How many rows the query has; one more than MOST_COUNTED stands for any number
    more."""
    number: int = rows.order_by()[: MOST_COUNTED + 1].count()
    return number


def counts(lists: Sequence[Any]) -> list[int]:
    """The same of several lists: one query."""
    return answer(*words(lists))


def words(lists: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """The query of `counts` and its values, for `answer`."""
    asked: list[str] = []
    params: list[Any] = []
    for rows in lists:
        bounded = rows.order_by().values("pk")[: MOST_COUNTED + 1]
        try:
            sql, values = bounded.query.sql_with_params()
        except EmptyResultSet:
            asked.append("0")
            continue
        asked.append(f"(SELECT COUNT(*) FROM ({sql}) counted)")  # noqa: S608 (the ORM's)
        params += values
    return f"SELECT {', '.join(asked)}", tuple(params)


def answer(sql: str, params: Sequence[Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchone())


def in_words(number: int) -> str:
    """What `count` found: "17", or "1000+"."""
    return f"{MOST_COUNTED}+" if number > MOST_COUNTED else str(number)


@dataclass(frozen=True)
class Leaf:
    """A page of a list. last: number of the last page; None: not counted that far."""

    number: int
    rows: Sequence[Any]
    has_next: bool
    last: int | None

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def is_one_of_many(self) -> bool:
        return self.has_next or self.has_previous

    @property
    def next_number(self) -> int:
        return self.number + 1

    @property
    def previous_number(self) -> int:
        return self.number - 1


def leaf(rows: Any, counted: int, size: int, wanted: str | None) -> Leaf:
    """The page that the address asks for; the first for what is no page of the list.

    rows: a query or a list; counted: what `count` found of it; wanted: as typed.
    """
    last = None if counted > MOST_COUNTED else max(1, -(-counted // size))
    text = wanted or ""
    number = int(text) if text.isdecimal() and 0 < len(text) <= 9 else 1
    number = max(1, number if last is None else min(number, last))
    found = _cut(rows, number, size)
    if not found and number > 1:
        number = 1
        found = _cut(rows, number, size)
    return Leaf(number, found[:size], len(found) > size, last)


def _cut(rows: Any, number: int, size: int) -> list[Any]:
    """One row more than the page has: whether there is another."""
    return list(rows[(number - 1) * size : number * size + 1])
