"""Queries whose SQL is worked out once, for what a pump asks many times a second.

The ORM puts a query's words together anew each time, which for a dozen rows takes
several times as long as the database needs for its answer. Here the ORM does so once;
afterwards only the values change. A list is bound as one value, so that the words stay
the same whatever its length.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

#: Found again among the values of the query that was put together with it.
SAMPLE_TIME = datetime(1999, 9, 9, 9, 9, 9, tzinfo=UTC)
ONE_LISTED = "IN (%s)"
AMONG = {
    "postgresql": "= ANY(%s)",
    "sqlite": "IN (SELECT value FROM json_each(%s))",
}

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class _Words(Generic[M]):
    model: type[M]
    sql: str
    #: what each placeholder gets: one of the values, by its number, or always the same
    places: Sequence[tuple[int | None, Any]]

    def bind(self, values: tuple[Any, ...]) -> list[Any]:
        bound = [_bound(value) for value in values]
        return [always if n is None else bound[n] for n, always in self.places]


class FixedQuery(Generic[M]):
    """One query of the ORM.

    make: gets the values in order and returns the queryset. It runs once for each
    database, with the samples, so no value may choose between different queries.
    samples: for each value one of its type, unlike all others; of a list one item in a
    list. ValueError where a sample is not to be found exactly once in the query.
    """

    def __init__(self, make: Callable[..., QuerySet[M, Any]], *samples: Any) -> None:
        self._make = make
        self._samples = samples
        self._known: dict[str, _Words[M]] = {}

    def rows(self, *values: Any) -> list[tuple[Any, ...]]:
        """As the driver gives them: not all types are what a field makes of them."""
        words = self._words()
        with connection.cursor() as cursor:
            cursor.execute(words.sql, words.bind(values))
            return cursor.fetchall()

    def objects(self, *values: Any) -> list[M]:
        """Instances, without the fields that the queryset leaves out (`only`)."""
        words = self._words()
        return list(words.model._base_manager.raw(words.sql, words.bind(values)))

    def _words(self) -> _Words[M]:
        vendor = connection.vendor
        if vendor not in self._known:
            self._known[vendor] = self._work_out(vendor)
        return self._known[vendor]

    def _work_out(self, vendor: str) -> _Words[M]:
        queryset = self._make(*self._samples)
        sql, params = queryset.query.sql_with_params()
        lists = [sample for sample in self._samples if isinstance(sample, list)]
        each = [s[0] if isinstance(s, list) else s for s in self._samples]
        numbers = {_bound(sample): n for n, sample in enumerate(each)}
        places = [
            (numbers[param], None) if param in numbers else (None, param)
            for param in params
        ]
        found = sorted(n for n, _always in places if n is not None)
        if found != list(range(len(each))) or sql.count(ONE_LISTED) != len(lists):
            raise ValueError(f"not each sample once: {sql} {params}")
        return _Words(queryset.model, sql.replace(ONE_LISTED, AMONG[vendor]), places)


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, list):
        return json.dumps(value) if connection.vendor == "sqlite" else value
    return value
