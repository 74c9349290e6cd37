"""What home asks the database for a reader, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Func, IntegerField, QuerySet

from accounts.fixed_query import SAMPLE_TIME, at_once
from accounts.models import Brand
from monitoring.incident_views import rows_for
from monitoring.models import Answer, Incident, Intervention
from publishing.listing import WhenDue
from publishing.models import Delivery, DeliveryQuerySet

from .shell_rows import Seen

#: Lines in each of home's lists; the rest is behind a link.
SHOWN = 8
LOST = (Incident.Kind.ACCESS, Incident.Kind.APP)


@dataclass(frozen=True)
class Facts:
    """Keys in the order in which they are shown, and how many there are."""

    answers: Sequence[int]
    interventions: Sequence[int]
    incidents: Sequence[int]
    incident_count: int
    went: Sequence[int]
    went_count: int
    comes: Sequence[int]
    comes_count: int
    has_brand: bool


def _went(reader: Any, since: datetime) -> DeliveryQuerySet:
    # Said by what it is not: by its status SQLite would find all that ever went out.
    others = set(Delivery.Status.values) - {Delivery.Status.PUBLISHED}
    rows = Delivery.objects.visible_to(reader).filter(published_at__gte=since)
    return rows.exclude(status__in=sorted(others))


def _comes(reader: Any, until: datetime) -> DeliveryQuerySet:
    rows = Delivery.objects.visible_to(reader).open().filter(due_at__lt=until)
    return rows.exclude(Delivery.needs_person_if())


def _lost(reader: Any) -> QuerySet[Incident]:
    return rows_for(reader).open().filter(kind__in=LOST)


def _keys(rows: QuerySet[Any], *order: Any) -> QuerySet[Any, Any]:
    return rows.order_by(*order).values_list("pk")[:SHOWN]


def _number(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    number = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return rows.order_by().annotate(number=number).values_list("number")


_first_due = F("first_due_at").asc(nulls_last=True)

#: These get the time since which refused ones are told of.
_answers, _interventions = (
    Seen(
        lambda reader, since, sent=sent: _keys(
            sent.objects.needs(reader, since + sent.TOLD_FOR), "-created_at"
        ),
        SAMPLE_TIME,
    )
    for sent in (Answer, Intervention)
)
_incidents = Seen(lambda reader: _keys(_lost(reader), _first_due, "pk"), for_all=True)
_incident_count = Seen(lambda reader: _number(_lost(reader)), for_all=True)
_went_keys, _went_count, _comes_keys, _comes_count = (
    Seen(make, SAMPLE_TIME, for_all=True)
    for make in (
        lambda reader, since: _keys(_went(reader, since), "-published_at"),
        lambda reader, since: _number(_went(reader, since)),
        lambda reader, until: _keys(_comes(reader, until), WhenDue("due_at")),
        lambda reader, until: _number(_comes(reader, until)),
    )
)
_a_brand = Seen(
    lambda reader: Brand.objects.visible_to(reader).order_by().values_list("pk")[:1],
    for_all=True,
)


def facts(reader: Any, now: datetime, midnight: datetime) -> Facts:
    """midnight: when the reader's day began."""
    tomorrow = midnight + timedelta(days=1)
    found = at_once(
        _answers.of(reader, now - Answer.TOLD_FOR),
        _interventions.of(reader, now - Intervention.TOLD_FOR),
        _incidents.of(reader),
        _incident_count.of(reader),
        _went_keys.of(reader, midnight),
        _went_count.of(reader, midnight),
        _comes_keys.of(reader, tomorrow),
        _comes_count.of(reader, tomorrow),
        _a_brand.of(reader),
    )
    answers, interventions, incidents, lost, went, out, comes, still, brand = (
        [row[0] for row in one.rows] for one in found
    )
    return Facts(
        answers=answers,
        interventions=interventions,
        incidents=incidents,
        incident_count=lost[0],
        went=went,
        went_count=out[0],
        comes=comes,
        comes_count=still[0],
        has_brand=bool(brand),
    )


def in_order(rows: QuerySet[Any], keys: Sequence[int]) -> list[Any]:
    """The rows with these keys; no query without keys."""
    if not keys:
        return []
    found = rows.in_bulk(list(keys))
    return [found[key] for key in keys if key in found]
