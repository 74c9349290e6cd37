"""Changes of many deliveries and attempts, written in a few statements.

A pump decides about dozens of rows at a time; a statement for each of them would cost
more than the posts themselves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

from django.db import connection, models

from accounts.fixed_query import AMONG

from .models import Attempt, Delivery, InvalidTransition, LeftUpload, StaleState

UNREAD = object()


class Opened(NamedTuple):
    """An attempt as it is opened. Making the model's own object costs twenty times as
    much, and nobody asks it anything."""

    delivery_id: int
    number: int
    kind: str  # Attempt.Kind
    worker: str
    opened_at: datetime
    step: str


class Writes:
    """Collects changes, then writes them all or none. Use inside a transaction.

    A row is written under the state and the fencing token that it had when it was
    read. The rows in memory are changed at once; `undo` gives them back as they were.
    """

    def __init__(self) -> None:
        self._rows: dict[int, Delivery] = {}
        self._before: dict[int, dict[str, Any]] = {}
        self._changes: dict[int, dict[str, Any]] = {}
        self._opened: list[Opened] = []
        self._left: list[LeftUpload] = []
        #: by delivery and number
        self._closed: dict[tuple[int, int], dict[str, Any]] = {}

    def move(self, row: Delivery, to: str, **changes: Any) -> None:
        """To another state; InvalidTransition where the table has no such road."""
        if to not in Delivery.TRANSITIONS.get(row.status, ()):
            raise InvalidTransition(f"{row.status} -> {to}")
        self.set(row, status=to, **changes)

    def set(self, row: Delivery, **changes: Any) -> None:
        before = self._before.setdefault(
            row.pk, {"status": row.status, "fence": row.fence}
        )
        self._rows[row.pk] = row
        self._changes.setdefault(row.pk, {}).update(changes)
        loaded = row.__dict__
        for name, value in changes.items():
            # Asked of the object itself, a field that was not read would be read now.
            before.setdefault(name, loaded.get(name, UNREAD))
            setattr(row, name, value)

    def open_attempt(self, attempt: Opened) -> None:
        self._opened.append(attempt)

    def change_attempt(self, attempt: Opened, **changes: Any) -> None:
        """Only one that is still open: a closed attempt is never edited."""
        key = (attempt.delivery_id, attempt.number)
        self._closed.setdefault(key, {}).update(changes)

    def leave(self, uploads: Sequence[LeftUpload]) -> None:
        """Uploads that no witness names any more."""
        self._left += uploads

    def undo(self, row: Delivery | None = None) -> None:
        """Forget the changes of one row, or of all."""
        for pk in [row.pk] if row else list(self._before):
            before = self._before.pop(pk, {})
            changed = self._changes.pop(pk, {})
            if known := self._rows.pop(pk, None):
                for name in changed:
                    if before[name] is UNREAD:
                        delattr(known, name)
                    else:
                        setattr(known, name, before[name])
            self._opened = [a for a in self._opened if a.delivery_id != pk]
            self._left = [one for one in self._left if one.delivery_id != pk]

    def write(self) -> None:
        """StaleState when one of the rows is no longer what it was: nothing is kept
        then that the surrounding transaction does not keep."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for pk, changes in self._changes.items():
            groups.setdefault(tuple(sorted(changes)), []).append(pk)
        for names, pks in sorted(groups.items()):
            values = [
                (
                    *(self._changes[pk][name] for name in names),
                    pk,
                    self._before[pk]["status"],
                    self._before[pk]["fence"],
                )
                for pk in sorted(pks)
            ]
            if _update(Delivery, names, ("id", "status", "fence"), values) != len(pks):
                raise StaleState(f"one of the deliveries {pks} was taken over")
        if self._opened:
            blank = _blank(Attempt, Opened._fields)
            names = (*Opened._fields, *blank)
            rest = tuple(blank.values())
            _insert(Attempt, names, [(*opened, *rest) for opened in self._opened])
        if self._left:
            LeftUpload.objects.bulk_create(self._left, ignore_conflicts=True)
        closed: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        for key, changes in self._closed.items():
            closed.setdefault(tuple(sorted(changes)), []).append(key)
        for names, keys in sorted(closed.items()):
            _update(
                Attempt,
                names,
                ("delivery_id", "number"),
                [(*(self._closed[k][n] for n in names), *k) for k in sorted(keys)],
                only="closed_at IS NULL",
            )


@cache
def _blank(model: type[models.Model], given: tuple[str, ...]) -> dict[str, Any]:
    """By column: what a new row has besides its primary key and what is given."""
    return {
        field.attname: field.get_default()
        for field in model._meta.concrete_fields
        if not field.primary_key and field.attname not in given
    }


# The ORM prepares each value by itself and spells each row out in the statement. For
# dozens of rows that costs more than the database does, so they go as one value, a JSON
# document. SQLite's executemany is no way out: it lets go of Python's lock for every
# row, and dozens of I/O threads wait to take it.


class _Columns:
    """Columns of a model as statements name them."""

    def __init__(
        self, model: type[models.Model], names: Sequence[str], vendor: str
    ) -> None:
        found = [_field(model, name) for name in names]
        self.table = connection.ops.quote_name(model._meta.db_table)
        self.names = [connection.ops.quote_name(field.column) for field in found]
        if vendor == "postgresql":
            listed = ", ".join(f"c{n} {_kind(field)}" for n, field in enumerate(found))
            self.rows = f"json_to_recordset(%s) AS v({listed})"
            self._time = _as_postgres_reads
        else:
            listed = ", ".join(
                f"json_extract(value, '$.c{n}') AS c{n}" for n in range(len(found))
            )
            # Read once: else all of the document is read for each row that it changes.
            self.rows = (
                f"(WITH v AS MATERIALIZED (SELECT {listed} FROM json_each(%s))"  # noqa: S608
                " SELECT * FROM v) AS v"
            )
            self._time = _as_sqlite_stores

    def document(self, rows: Sequence[tuple[Any, ...]]) -> str:
        """What `rows` of a statement reads."""
        plain = [{f"c{n}": value for n, value in enumerate(row)} for row in rows]
        return json.dumps(plain, default=self._time)


@lru_cache(maxsize=500)
def _columns(
    model: type[models.Model], names: tuple[str, ...], vendor: str
) -> _Columns:
    return _Columns(model, names, vendor)


def _field(model: type[models.Model], name: str) -> Any:
    """By its name, or that of its column (`delivery_id`)."""
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    raise LookupError(f"{model.__name__} has no column {name}")


def _kind(field: Any) -> str:
    """The column's type; without its length, because a cast cuts silently."""
    return str(field.rel_db_type(connection)).split("(")[0]


def _as_postgres_reads(value: datetime) -> str:
    return value.isoformat()


def _as_sqlite_stores(value: datetime) -> str:
    """As Django's own backend writes it."""
    return str(value.astimezone(UTC).replace(tzinfo=None))


def _update(
    model: type[models.Model],
    names: tuple[str, ...],
    where: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    only: str = "",
) -> int:
    """One UPDATE for many rows, each with values of its own; how many were changed.

    rows: the new values in the order of `names`, then those of `where`.
    """
    columns = _columns(model, names + where, connection.vendor)
    new, old = columns.names[: len(names)], columns.names[len(names) :]
    sets = ", ".join(f"{name} = v.c{n}" for n, name in enumerate(new))
    match = " AND ".join(f"t.{name} = v.c{n}" for n, name in enumerate(old, len(new)))
    # The planner takes every document for a hundred rows long and would rather read all
    # of a table that is not large yet.
    first = f" AND t.{old[0]} {AMONG[connection.vendor]}"
    listed: Any = [row[len(names)] for row in rows]
    if connection.vendor == "sqlite":
        listed = json.dumps(listed)
    more = f" AND t.{only}" if only else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {columns.table} AS t SET {sets}"  # noqa: S608
            f" FROM {columns.rows} WHERE {match}{first}{more}",
            [columns.document(rows), listed],
        )
        return int(cursor.rowcount)


def _insert(
    model: type[models.Model], names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    columns = _columns(model, names, connection.vendor)
    values = ", ".join(f"v.c{n}" for n in range(len(names)))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {columns.table} ({', '.join(columns.names)})"  # noqa: S608
            f" SELECT {values} FROM {columns.rows}",
            [columns.document(rows)],
        )
