"""What the filters of calendar and list offer to a person: one query, put together once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import (
    BigIntegerField,
    CharField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Cast, Coalesce

from accounts.fixed_query import FixedQuery, Reader
from accounts.models import Brand, ConnectedAccount

from .models import Label, Post, SavedView

_SAMPLE_KEY = -7
_SAMPLE_PAGE = "a page"
#: In the order in which rows come.
BRANDS, ACCOUNTS, OWNERS, LABELS, VIEWS, PEOPLE = range(1, 7)
#: People whom posts can be given to; nobody looks through a longer select.
MOST_PEOPLE = 500

#: (key, two names to sort by, another text)
Line = tuple[int, str, str, str]


@dataclass(frozen=True)
class Offered:
    """Rows of the reader's brands, by name. people: only where they were asked for."""

    brands: list[Brand] = field(default_factory=list)
    #: with the platform
    accounts: list[Line] = field(default_factory=list)
    #: first name, user name, last name
    owners: list[Line] = field(default_factory=list)
    #: with the brand
    labels: list[Line] = field(default_factory=list)
    views: list[SavedView] = field(default_factory=list)
    #: as owners
    people: list[Line] = field(default_factory=list)


def to(user: Any, page: str, *, with_people: bool = False) -> Offered:
    """page: whose saved views are offered; with_people: those as well whom posts can be
    given to."""
    query = _query(bool(user.is_superuser), with_people)
    found = Offered()
    lines = {
        ACCOUNTS: found.accounts,
        OWNERS: found.owners,
        LABELS: found.labels,
        PEOPLE: found.people,
    }
    for kind, key, one, two, three, whose, shared in query.rows(user.pk, page):
        if kind == BRANDS:
            found.brands.append(Brand(pk=key, name=one, time_zone=three))
        elif kind == VIEWS:
            found.views.append(
                SavedView(
                    pk=key,
                    name=one,
                    query=three,
                    page=page,
                    person_id=whose,
                    brand_id=shared or None,
                )
            )
        else:
            lines[kind].append((key, one, two, three))
    del found.people[MOST_PEOPLE:]
    return found


@cache
def _query(is_superuser: bool, with_people: bool) -> FixedQuery[Any]:
    def make(pk: int, page: str) -> QuerySet[Any, Any]:
        first, *others = _parts(Reader(pk, is_superuser), page, with_people)
        return first.union(*others, all=True).order_by("sort", "one", "two", "key")

    return FixedQuery(make, _SAMPLE_KEY, _SAMPLE_PAGE, keeps_plan=True)


def _parts(reader: Reader, page: str, with_people: bool) -> Iterator[QuerySet[Any]]:
    brands = Brand.objects.visible_to(reader).values("pk")
    yield _lines(BRANDS, Brand.objects.filter(pk__in=brands), "name", "", "time_zone")
    accounts = ConnectedAccount.objects.filter(brand__in=brands)
    yield _lines(ACCOUNTS, accounts, "name", "", "platform")
    # Whether there is any post of theirs: a join would read all posts there are. Asked
    # of those alone who are no members.
    wrote = Post.objects.filter(_by(OuterRef("pk")), brand__in=brands)
    theirs = Brand.members.through.objects.filter(brand__in=brands).values("user")
    people = get_user_model().objects.all()
    owners = people.filter(Q(pk__in=theirs) | Exists(wrote.order_by()))
    yield _lines(OWNERS, owners, *_PERSON)
    labels = Label.objects.filter(brand__in=brands)
    yield _lines(LABELS, labels, "name", "", "brand__name")
    views = SavedView.objects.visible_to(reader).filter(page=page)
    yield _lines(
        VIEWS, views, "name", "", "query", F("person"), Coalesce("brand", _no_key())
    )
    if with_people:
        given = people.filter(is_active=True)
        if not reader.is_superuser:
            given = given.filter(pk__in=theirs)
        yield _lines(PEOPLE, given, *_PERSON)


def _by(author: OuterRef) -> Q:
    """Posts of one author.

    PostgreSQL reckons that anybody wrote as many as each author has on average, and goes
    through all posts of the brands to meet one soon: of who wrote none it reads them all.
    Of a range it expects few, and takes the index of authors.
    """
    if connection.vendor == "postgresql":
        return Q(author__gte=author, author__lte=author)
    return Q(author=author)


_PERSON = ("first_name", "username", "last_name")


def _lines(
    kind: int,
    rows: QuerySet[Any],
    one: str,
    two: str,
    three: str,
    whose: Any = None,
    shared: Any = None,
) -> QuerySet[Any]:
    """All parts have the same columns. one, two, three: names of columns, "" for none."""
    return (
        rows.order_by()
        .annotate(
            sort=Value(kind, output_field=BigIntegerField()),
            key=Cast("pk", BigIntegerField()),
            one=_text(one),
            two=_text(two),
            three=_text(three),
            whose=_no_key() if whose is None else whose,
            shared=_no_key() if shared is None else shared,
        )
        .values_list("sort", "key", "one", "two", "three", "whose", "shared")
    )


def _text(name: str) -> Any:
    return F(name) if name else Value("", output_field=CharField())


def _no_key() -> Any:
    return Value(0, output_field=BigIntegerField())
