"""Queries whose SQL is worked out once, for what a pump asks many times a second.

The ORM puts a query's words together anew each time, which for a dozen rows takes
several times as long as the database needs for its answer. Here the ORM does so once;
afterwards only the values change. A list is bound as one value, so that the words stay
the same whatever its length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import DateTimeField, JSONField, Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.expressions import Col
from django.utils.dateparse import parse_datetime

from socialhub import planner

#: Found again among the values of the query that was put together with it.
SAMPLE_KEY = -7
SAMPLE_TIME = datetime(1999, 9, 9, 9, 9, 9, tzinfo=UTC)
SAMPLE_DAY = date(1999, 9, 9)
ONE_LISTED = "IN (%s)"
AMONG = {
    "postgresql": "= ANY(%s)",
    "sqlite": "IN (SELECT value FROM json_each(%s))",
}

M = TypeVar("M", bound=Model)

#: SQLite's functions take no more arguments.
MOST_ARGUMENTS = 100


def in_one_row(sql: str, columns: int) -> str:
    """For SQLite: the query so that all of its rows come as one, for `out_of_one`.

    The driver lets go of Python's lock for each row, and dozens of I/O threads of a
    pump wait to take it, while all others wait for the pump's transaction to end. Times
    come as texts.
    """
    names = [f"c{n}" for n in range(columns)]
    parts = [
        ", ".join(names[n : n + MOST_ARGUMENTS])
        for n in range(0, columns, MOST_ARGUMENTS)
    ]
    documents = ", ".join(f"json_group_array(json_array({part}))" for part in parts)
    return f"WITH rows({', '.join(names)}) AS ({sql}) SELECT {documents} FROM rows"  # noqa: S608


def out_of_one(row: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of a query that was asked `in_one_row`, in their order."""
    if len(row) == 1:
        return list(map(tuple, json.loads(row[0])))
    return [tuple(chain(*parts)) for parts in zip(*map(json.loads, row), strict=True)]


@dataclass(frozen=True)
class _Words(Generic[M]):
    model: type[M]
    sql: str
    #: what each placeholder gets: one of the values, by its number, or always the same
    places: Sequence[tuple[int | None, Any]]
    #: names of the columns, when the rows come in one
    columns: Sequence[str] | None

    def bind(self, values: tuple[Any, ...]) -> list[Any]:
        bound = [_bound(value) for value in values]
        return [always if n is None else bound[n] for n, always in self.places]


def instance(
    model: type[M], values: dict[str, Any], named: dict[str, Model] | None = None
) -> M:
    """What the database has of a row, by attribute; the rest is read when it is asked
    for. As `from_db` makes it, which asks each field whether it is there: of some
    hundred rows that is most of what they cost.

    named: rows that it names, by field; their keys stand in `values`. For models whose
    making nobody listens to.
    """
    made = model.__new__(model)
    made.__dict__ = values
    made._state = state = ModelState()
    state.adding = False
    state.db = DEFAULT_DB_ALIAS
    if named is not None:
        state.fields_cache = named
    return made


class _Maker(Generic[M]):
    """Makes instances of the rows of one query. `raw()` would look at the columns anew
    each time, which for a row or none is most of its work."""

    def __init__(
        self, model: type[M], columns: Sequence[str], *, texts: bool = False
    ) -> None:
        """texts: times come as texts although the driver would read them."""
        self.model = model
        known = {field.column: field for field in model._meta.concrete_fields}
        # `from_db` wants the values in the order of the model's fields.
        self.names: list[str] = []
        self.places: list[int] = []
        #: where times are that have to be read
        self.times: list[int] = []
        self.converters: list[tuple[int, Any, Any]] = []
        for field in model._meta.concrete_fields:
            if field.column in columns:
                place = columns.index(field.column)
                column = field.get_col(model._meta.db_table)
                self.names.append(field.attname)
                self.places.append(place)
                if isinstance(field, DateTimeField) and connection.vendor == "sqlite":
                    # Django's own way to the same takes ten times as long.
                    self.times.append(place)
                    continue
                if texts and isinstance(field, DateTimeField):
                    self.converters.append((place, _read_time, column))
                self.converters += _converters_of(column, place)
        self.extras = [(n, name) for n, name in enumerate(columns) if name not in known]

    def values(self, row: tuple[Any, ...]) -> list[Any]:
        values = list(row)
        for place in self.times:
            if values[place] is not None:
                values[place] = as_time(values[place])
        for place, convert, column in self.converters:
            values[place] = convert(values[place], column, connection)
        return values

    def make(self, row: tuple[Any, ...]) -> M:
        values = self.values(row)
        made = instance(
            self.model,
            {
                name: values[place]
                for name, place in zip(self.names, self.places, strict=True)
            },
        )
        for place, name in self.extras:
            setattr(made, name, values[place])
        return made


#: (place, converter, column): what a field makes of what the database has.
Converters = Sequence[tuple[int, Any, Any]]


def _converters_of(column: Any, place: int) -> Converters:
    field = column.output_field
    if (
        type(column) is Col
        and type(field) is JSONField
        and field.decoder is None
        and connection.vendor == "sqlite"
    ):
        return [(place, _read_document, column)]
    return [
        (place, convert, column)
        for convert in (
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        )
    ]


@dataclass(frozen=True, eq=False)
class _Node:
    """One of the rows that a query joins: where its columns are, and how the one that
    names it gets it."""

    model: type[Model]
    names: Sequence[str]
    places: Sequence[int]
    key: int
    converters: Converters
    give: Callable[[Any, Any], None] | None
    below: Sequence[_Node]


class _Joint(Generic[M]):
    """As `_Maker`, of a query with `select_related`. What many rows name is made once."""

    def __init__(self, queryset: QuerySet[M, Any]) -> None:
        compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        compiler.setup_query()
        self.columns = [column for column, _sql, _alias in compiler.select]
        self.top = self._node(compiler.klass_info, None)
        self.extras = list((compiler.annotation_col_map or {}).items())
        self.converters = self._converters([place for _name, place in self.extras])

    def _converters(self, places: Sequence[int]) -> Converters:
        found: list[tuple[int, Any, Any]] = []
        for place in places:
            column = self.columns[place]
            field = column.output_field
            if isinstance(field, DateTimeField) and connection.vendor == "sqlite":
                found.append((place, _read_utc, column))
                continue
            found += _converters_of(column, place)
        return found

    def _node(self, info: Any, give: Any) -> _Node:
        model, places = info["model"], info["select_fields"]
        names = [self.columns[place].target.attname for place in places]
        return _Node(
            model,
            names,
            places,
            places[names.index(model._meta.pk.attname)],
            self._converters(places),
            give,
            [
                self._node(below, below["local_setter"])
                for below in info.get("related_klass_infos", ())
            ],
        )

    def made(self, rows: Sequence[tuple[Any, ...]]) -> list[M]:
        found = []
        named: dict[tuple[_Node, Any], Model] = {}
        for row in rows:
            values = list(row)
            one: Any = _made(self.top, values, named)
            for place, convert, column in self.converters:
                values[place] = convert(values[place], column, connection)
            for name, place in self.extras:
                setattr(one, name, values[place])
            found.append(one)
        return found


def _made(
    node: _Node, values: list[Any], named: dict[tuple[_Node, Any], Model]
) -> Model | None:
    """named: what other rows have named."""
    key = values[node.key]
    if key is None:
        return None
    if node.give is not None and (known := named.get((node, key))) is not None:
        return known
    for place, convert, column in node.converters:
        values[place] = convert(values[place], column, connection)
    found = zip(node.names, [values[place] for place in node.places], strict=True)
    made = instance(node.model, dict(found))
    named[node, key] = made
    for below in node.below:
        assert below.give is not None
        below.give(made, _made(below, values, named))
    return made


class FixedQuery(Generic[M]):
    """One query of the ORM.

    make: gets the values in order and returns the queryset. It runs once for each
    database, with the samples, so no value may choose between different queries.
    samples: for each value one of its type, unlike all others; of a list one item in a
    list. ValueError where a sample is not to be found in the query, or a list not once,
    or where a time stands in it that is none of the values.
    keeps_plan: PostgreSQL may answer all values after the same plan. For what is asked
    by few keys, or always for the same: a plan for any period, or for keys of any
    number, may take many times as long as one for those that are asked for.
    """

    def __init__(
        self,
        make: Callable[..., QuerySet[M, Any]],
        *samples: Any,
        keeps_plan: bool = False,
    ) -> None:
        self._make = make
        self._keeps_plan = keeps_plan
        self._samples = samples
        #: of a query with `select_related`, by the database's vendor
        self._joints: dict[str, _Joint[M]] = {}
        #: by the database's vendor
        self._known: dict[str, _Words[M]] = {}
        self._makers: dict[tuple[str, bool], _Maker[M]] = {}

    @property
    def model(self) -> type[M]:
        return self._words().model

    def rows(self, *values: Any) -> list[tuple[Any, ...]]:
        """As the database has them: not all types are what a field makes of them."""
        rows, _columns = self._answer(values)
        return rows

    def objects(self, *values: Any) -> list[M]:
        """Instances, without the fields that the queryset leaves out (`only`)."""
        if (joint := self._joint()) is not None:
            return joint.made(self.rows(*values))
        maker, rows = self._made_of(values)
        return [maker.make(row) for row in rows] if maker else []

    def lazily(self, *values: Any) -> tuple[list[tuple[Any, ...]], Callable[..., M]]:
        """The rows as the database has them, and what makes an instance of one: where
        few of many are wanted. Columns stand in the order of the model's fields."""
        rows, columns = self._answer(values)
        return rows, self._maker(columns).make

    def values(self, *values: Any) -> list[list[Any]]:
        """What the fields make of the rows of a `values_list` of columns."""
        maker, rows = self._made_of(values)
        return [maker.values(row) for row in rows] if maker else []

    def _joint(self) -> _Joint[M] | None:
        self._words()
        return self._joints.get(connection.vendor)

    def _made_of(
        self, values: tuple[Any, ...]
    ) -> tuple[_Maker[M] | None, list[tuple[Any, ...]]]:
        """The rows, and who makes something of them; None without any."""
        rows, columns = self._answer(values)
        if not rows:
            return None, rows
        return self._maker(columns), rows

    def _maker(self, columns: Sequence[str], *, texts: bool = False) -> _Maker[M]:
        kind = (connection.vendor, texts)
        if kind not in self._makers:
            model = self._words().model
            self._makers[kind] = _Maker(model, columns, texts=texts)
        return self._makers[kind]

    def _answer(
        self, values: tuple[Any, ...]
    ) -> tuple[list[tuple[Any, ...]], Sequence[str]]:
        """The rows and the names of their columns."""
        words = self._words()
        with _cursor(self._keeps_plan) as cursor:
            cursor.execute(words.sql, words.bind(values))
            if words.columns:
                return out_of_one(cursor.fetchone()), words.columns
            return cursor.fetchall(), [column[0] for column in cursor.description]

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
        places: list[tuple[int | None, Any]] = [
            (numbers[param], None) if param in numbers else (None, param)
            for param in params
        ]
        found = [n for n, _always in places if n is not None]
        once = all(
            found.count(n) == 1
            for n, sample in enumerate(self._samples)
            if isinstance(sample, list)
        )
        whole = set(found) == set(range(len(each)))
        if not whole or not once or sql.count(ONE_LISTED) != len(lists):
            raise ValueError(f"not each sample, or not each list once: {sql} {params}")
        if any(_is_time(always) for _n, always in places):
            # As it was when the query was first asked.
            raise ValueError(f"a time that never changes: {sql} {params}")
        sql = sql.replace(ONE_LISTED, AMONG[vendor])
        columns = None
        sql, places = _written_out(sql, places)
        if vendor == "sqlite":
            columns = _columns_of(sql, len(places))
            sql = in_one_row(sql, len(columns))
        if queryset.query.select_related:
            self._joints[vendor] = _Joint(queryset)
        return _Words(queryset.model, sql, places, columns)


# ---------------------------------------------------------------- what a person sees


@dataclass(frozen=True)
class Reader:
    """As much of a person as queries ask that narrow down to what is seen."""

    pk: int
    is_superuser: bool = False


class Seen(Generic[M]):
    """A query of what a person sees.

    make: gets the reader, then the samples. for_all: a superuser's query does not name
    the person.
    """

    def __init__(
        self,
        make: Callable[..., QuerySet[M, Any]],
        *samples: Any,
        for_all: bool = False,
        keeps_plan: bool = False,
    ) -> None:
        self._for_all = for_all

        def query(make: Callable[..., Any], *samples: Any) -> FixedQuery[M]:
            return FixedQuery(make, *samples, keeps_plan=keeps_plan)

        self._members = query(
            lambda pk, *more: make(Reader(pk, False), *more), SAMPLE_KEY, *samples
        )
        self._superusers = (
            query(lambda *more: make(Reader(0, True), *more), *samples)
            if for_all
            else query(
                lambda pk, *more: make(Reader(pk, True), *more), SAMPLE_KEY, *samples
            )
        )

    def of(self, reader: Any, *values: Any) -> tuple[FixedQuery[M], tuple[Any, ...]]:
        if not reader.is_superuser:
            return self._members, (reader.pk, *values)
        return self._superusers, values if self._for_all else (reader.pk, *values)

    def rows(self, reader: Any, *values: Any) -> list[tuple[Any, ...]]:
        query, bound = self.of(reader, *values)
        return query.rows(*bound)

    def objects(self, reader: Any, *values: Any) -> list[M]:
        query, bound = self.of(reader, *values)
        return query.objects(*bound)


def _cursor(keeps_plan: bool) -> Any:
    return planner.cursor(connection) if keeps_plan else connection.cursor()


# ---------------------------------------------------------------- several at once


@dataclass(frozen=True)
class Told(Generic[M]):
    """What one of several queries found. Rows are those of `FixedQuery.rows`, but times
    stand in them as texts."""

    query: FixedQuery[M]
    rows: list[tuple[Any, ...]]
    columns: Sequence[str]

    def objects(self) -> list[M]:
        if not self.rows:
            return []
        texts = connection.vendor == "postgresql"
        maker = self.query._maker(self.columns, texts=texts)
        return [maker.make(row) for row in self.rows]


def at_once(
    *asked: tuple[FixedQuery[Any], tuple[Any, ...]], keeps_plan: bool = False
) -> list[Told[Any]]:
    """Answers of several queries, each with its values, in one statement.

    For what every page asks: a dozen small answers cost one way to the database. Their
    columns hold numbers, texts and times. keeps_plan: as of a `FixedQuery`.
    """
    sql = _joined(tuple(query for query, _values in asked), connection.vendor)
    params = [param for query, values in asked for param in query._words().bind(values)]
    with _cursor(keeps_plan) as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchone()
    return [
        _told(query, document)
        for (query, _values), document in zip(asked, found, strict=True)
    ]


@cache
def _joined(queries: tuple[FixedQuery[Any], ...], vendor: str) -> str:
    words = [query._words() for query in queries]
    if vendor == "sqlite":
        if any(len(one.columns or ()) > MOST_ARGUMENTS for one in words):
            raise ValueError("too many columns for one of several queries")
        return "SELECT " + ", ".join(f"({one.sql})" for one in words)
    # Whole rows, each an object with the names of its columns.
    parts = (f"(SELECT json_agg(r)::text FROM ({one.sql}) AS r)" for one in words)  # noqa: S608
    return "SELECT " + ", ".join(parts)


def _told(query: FixedQuery[M], document: str | None) -> Told[M]:
    columns = query._words().columns
    if columns is not None:
        return Told(
            query, [tuple(row) for row in json.loads(document or "[]")], columns
        )
    rows = json.loads(document or "[]", object_pairs_hook=tuple)
    columns = [name for name, _value in rows[0]] if rows else ()
    return Told(query, [tuple(value for _name, value in row) for row in rows], columns)


def as_time(value: Any) -> datetime | None:
    """A computed time of `rows`: SQLite has it as a text without a zone."""
    return _in_utc(value) if value.__class__ is str else value


# Pages show the same rows again, each with half a dozen times.
@lru_cache(maxsize=20_000)
def _in_utc(text: str) -> datetime:
    # Told the zone at once: to replace it takes several times as long as to read.
    return datetime.fromisoformat(text + "+00:00")


def as_day(value: Any) -> Any:
    """A day of `rows`: SQLite has it as a text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def _read_utc(value: Any, _column: Any, _connection: Any) -> Any:
    return as_time(value)


def _read_document(value: Any, _column: Any, _connection: Any) -> Any:
    # Most are empty.
    if value == "{}":
        return {}
    if value == "[]":
        return []
    return None if value is None else json.loads(value)


def _read_time(value: Any, _column: Any, _connection: Any) -> Any:
    return parse_datetime(value) if isinstance(value, str) else value


#: What stands in SQL as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_.: -]*")


def _written_out(
    sql: str, places: Sequence[tuple[int | None, Any]]
) -> tuple[str, list[tuple[int | None, Any]]]:
    """The query with the values in it that never change, and the places of the others.

    SQLite plans a query anew each time that a value is bound to what an index's
    condition speaks of; planning these takes it longer than answering them. PostgreSQL
    cannot keep a plan for all values that uses such an index.
    """
    bound = []
    left = iter(places)

    def write(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return found[0]
        number, value = place = next(left)
        if number is None and isinstance(value, int):
            # SQLite knows no true or false.
            return str(int(value) if connection.vendor == "sqlite" else value)
        if number is None and isinstance(value, str) and _PLAIN.fullmatch(str(value)):
            return f"'{value!s}'"
        bound.append(place)
        return found[0]

    return re.sub("%%|%s", write, sql), bound


def _columns_of(sql: str, params: int) -> list[str]:
    """Asked of the driver itself, so that the first of many costs no query more."""
    connection.ensure_connection()
    asked = f"SELECT * FROM ({sql % (('NULL',) * params)}) LIMIT 0"  # noqa: S608
    return [column[0] for column in connection.connection.execute(asked).description]


def _is_time(param: Any) -> bool:
    """SQLite gets times as texts."""
    if isinstance(param, str):
        return re.match(r"\d{4}-\d\d-\d\d", param) is not None
    return isinstance(param, date)


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, date):
        return connection.ops.adapt_datefield_value(value)
    if isinstance(value, list):
        if connection.vendor == "sqlite":
            return json.dumps(value)
        # As an array is spelled: the driver takes several times as long over its items.
        if value and all(type(item) is int for item in value):
            return f"{{{','.join(map(str, value))}}}"
    return value
