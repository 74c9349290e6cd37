"""What the shell asks the database on every page: one statement, put together once.

Of the reader are asked `pk` and `is_superuser`; superusers see all brands, so theirs
are other queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F, Func, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.fixed_query import SAMPLE_TIME, FixedQuery, Seen, at_once
from accounts.models import ConnectedAccount, Credential, PlatformApp
from monitoring.models import Alert, Heartbeat, Incident, IncidentQuerySet, Message
from monitoring.sight import own_part
from publishing import approving
from publishing.long_lists import MOST_COUNTED
from publishing.models import Delivery, Stop

# ---------------------------------------------------------------- signs of life

_beats = FixedQuery(lambda: Heartbeat.objects.order_by())


def beats() -> dict[str, Heartbeat]:
    return {beat.name: beat for beat in _beats.objects()}


# ---------------------------------------------------------------- counts


def _count(rows: QuerySet[Any]) -> Subquery:
    """How many, as a part of another query."""
    number = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(number=number).values("number"))


_unread = Seen(
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

#: What needs a person, counted as `long_lists.count` does.
_desk = Seen(
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


# ---------------------------------------------------------------- what broke

_broken = Seen(
    lambda reader: (
        ConnectedAccount.objects.visible_to(reader)
        .broken()
        .order_by("name")
        .values_list("pk", "name", "platform", "network")
    ),
    for_all=True,
)

_stopped = Seen(
    lambda reader: (
        Stop.objects.active().visible_to(reader).order_by().values_list("pk")
    ),
    for_all=True,
)


def _lost_by(reader: Any) -> IncidentQuerySet:
    """Open incidents of what the reader looks after or was told of, unless they
    dismissed it."""
    return (
        Incident.objects.open()
        .filter(kind__in=[Incident.Kind.ACCESS, Incident.Kind.APP])
        .visible_to(reader)
        .of_person(reader)
        .exclude(hidden_for=reader.pk)
    )


def _of_accounts(**which: Any) -> Coalesce:
    """How many of an incident's accounts, as a column of its row."""
    link = Incident.accounts.through.objects.filter(incident=OuterRef("pk"), **which)
    return Coalesce(_count(link), 0)


#: Incidents that every page spells out; the rest are counted.
SHOWN_INCIDENTS = 2

_lost = Seen(
    lambda reader: (
        _lost_by(reader)
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
            named=_of_accounts(),
            seen=_of_accounts(
                connectedaccount__in=ConnectedAccount.objects.visible_to(reader).values(
                    "pk"
                )
            ),
        )
        .order_by(F("first_due_at").asc(nulls_last=True), "pk")[:SHOWN_INCIDENTS]
    )
)
_all_lost = Seen(lambda reader: _lost_by(reader).order_by().values_list("pk"))


# ---------------------------------------------------------------- all of it


@dataclass(frozen=True)
class Facts:
    """What every page shows a reader.

    asked: posts that wait for the approval of one who may review. broken: (key, name,
    platform, network), by name. lost: the first incidents, with the reader's own part
    of the numbers; all_lost: how many there are.
    """

    beats: dict[str, Heartbeat]
    unread: int
    asked: int
    desk_count: int
    broken: list[tuple[int, str, str, str]]
    is_stopped: bool
    lost: list[Incident]
    all_lost: int


def facts(reader: Any, now: datetime) -> Facts:
    """One statement; more for incidents that concern accounts of other brands as well."""
    beating, unread, desk, broken, stopped, lost, all_lost = at_once(
        (_beats, ()),
        _unread.of(reader),
        _desk.of(reader, now),
        _broken.of(reader),
        _stopped.of(reader),
        _lost.of(reader),
        _all_lost.of(reader),
        keeps_plan=True,
    )
    ((alerts, messages, asked),) = unread.rows
    return Facts(
        beats={beat.name: beat for beat in beating.objects()},
        unread=(alerts or 0) + (messages or 0),
        asked=asked or 0,
        desk_count=len(desk.rows),
        broken=[
            (pk, name, platform, network) for pk, name, platform, network in broken.rows
        ],
        is_stopped=bool(stopped.rows),
        lost=_as_seen(lost.objects(), reader),
        all_lost=len(all_lost.rows),
    )


def _as_seen(incidents: list[Any], reader: Any) -> list[Incident]:
    for row in incidents:
        if row.credential_id is not None:
            row.credential = Credential(
                pk=row.credential_id,
                subject_name=row.subject_name,
                subject_id=row.subject_id,
                app=PlatformApp(platform=row.app_platform),
            )
    partly = [row for row in incidents if row.seen < row.named]
    if partly:
        own_part(partly, reader)
    return incidents
