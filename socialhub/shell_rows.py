"""What the shell asks the database on every page, each query put together once.

Of the reader are asked `pk` and `is_superuser`; superusers see all brands, so theirs
are other queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.contrib.auth import get_user_model
from django.db.models import (
    Count,
    F,
    Func,
    IntegerField,
    Model,
    Q,
    QuerySet,
    Subquery,
)

from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.models import ConnectedAccount, Credential, PlatformApp
from monitoring.models import Alert, Heartbeat, Incident, Message
from monitoring.sight import own_part
from publishing import approving
from publishing.long_lists import MOST_COUNTED
from publishing.models import Delivery, Stop

_SAMPLE_KEY = -7
_SAMPLE_ROW = -8

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class _Reader:
    """As much of a person as the queries ask."""

    pk: int
    is_superuser: bool


class _Seen(Generic[M]):
    """A query of what a person sees.

    make: gets the reader, then the samples. for_all: a superuser's query does not name
    the person.
    """

    def __init__(
        self,
        make: Callable[..., QuerySet[M, Any]],
        *samples: Any,
        for_all: bool = False,
    ) -> None:
        self._for_all = for_all
        self._members = FixedQuery(
            lambda pk, *more: make(_Reader(pk, False), *more), _SAMPLE_KEY, *samples
        )
        self._superusers = (
            FixedQuery(lambda *more: make(_Reader(0, True), *more), *samples)
            if for_all
            else FixedQuery(
                lambda pk, *more: make(_Reader(pk, True), *more), _SAMPLE_KEY, *samples
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


# ---------------------------------------------------------------- signs of life

_beats = FixedQuery(lambda: Heartbeat.objects.order_by())


def beats() -> dict[str, Heartbeat]:
    return {beat.name: beat for beat in _beats.objects()}


# ---------------------------------------------------------------- counts


def _count(rows: QuerySet[Any]) -> Subquery:
    """How many, as a part of another query."""
    number = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(number=number).values("number"))


_unread = _Seen(
    lambda reader: (
        get_user_model()
        .objects.filter(pk=reader.pk)
        .values_list(
            _count(Alert.objects.unread_by(reader)),
            _count(Message.unread_by(reader)),
            _count(approving.undecided_by(reader)),
        )
    )
)


def unread_and_asked(reader: Any) -> tuple[int, int]:
    """Unread messages, and posts that wait for the approval of one who may review."""
    ((alerts, messages, asked),) = _unread.rows(reader)
    return (alerts or 0) + (messages or 0), asked or 0


_desk = _Seen(
    lambda reader, now: (
        Delivery.objects.visible_to(reader)
        .awake(now)
        .needs_person()
        .order_by()
        .values_list("pk")[: MOST_COUNTED + 1]
    ),
    SAMPLE_TIME,
    for_all=True,
)


def desk_count(reader: Any, now: datetime) -> int:
    """What needs a person, counted as `long_lists.count` does."""
    return len(_desk.rows(reader, now))


# ---------------------------------------------------------------- what broke

_broken = _Seen(
    lambda reader: (
        ConnectedAccount.objects.visible_to(reader)
        .broken()
        .order_by("name")
        .values_list("pk", "name", "platform", "network")
    ),
    for_all=True,
)


def broken_accounts(reader: Any) -> list[tuple[int, str, str, str]]:
    """(key, name, platform, network), by name."""
    rows = _broken.rows(reader)
    return [(pk, name, platform, network) for pk, name, platform, network in rows]


_stopped = _Seen(
    lambda reader: (
        Stop.objects.active().visible_to(reader).order_by().values_list("pk")
    ),
    for_all=True,
)


def is_anything_stopped(reader: Any) -> bool:
    return bool(_stopped.rows(reader))


_lost = _Seen(
    lambda reader: (
        Incident.objects.open()
        .filter(kind__in=[Incident.Kind.ACCESS, Incident.Kind.APP])
        .visible_to(reader)
        .of_person(reader)
        .exclude(hidden_for=reader.pk)
        .only(
            "kind",
            "dedup_key",
            "subject",
            "cause",
            "account_count",
            "post_count",
            "ends_at",
            "credential",
        )
        .annotate(
            subject_name=F("credential__subject_name"),
            subject_id=F("credential__subject_id"),
            app_platform=F("credential__app__platform"),
        )
        .order_by(F("first_due_at").asc(nulls_last=True), "pk")
    )
)


def lost_accesses(reader: Any, shown: int) -> list[Incident]:
    """Open incidents of what the reader looks after or was told of, unless they
    dismissed it; the first `shown` with the reader's own part of the numbers."""
    found = _lost.objects(reader)
    for row in found[:shown]:
        if row.credential_id is not None:
            row.credential = Credential(
                pk=row.credential_id,
                subject_name=row.subject_name,
                subject_id=row.subject_id,
                app=PlatformApp(platform=row.app_platform),
            )
    partly = _seen_in_part(found[:shown], reader)
    if partly:
        own_part(partly, reader)
    return list(found)


_parts = FixedQuery(
    lambda reader, listed: (
        Incident.accounts.through.objects.filter(incident__in=listed)
        .order_by()
        .values_list("incident")
        .annotate(
            named=Count("pk"),
            seen=Count(
                "pk",
                filter=Q(
                    connectedaccount__in=ConnectedAccount.objects.visible_to(
                        _Reader(reader, False)
                    ).values("pk")
                ),
            ),
        )
    ),
    _SAMPLE_KEY,
    [_SAMPLE_ROW],
)


def _seen_in_part(incidents: Sequence[Incident], reader: Any) -> list[Incident]:
    """Those that concern accounts of other brands as well."""
    if not incidents or reader.is_superuser:
        return []
    counted = _parts.rows(reader.pk, [row.pk for row in incidents])
    partly = {pk for pk, named, seen in counted if seen < named}
    return [row for row in incidents if row.pk in partly]
