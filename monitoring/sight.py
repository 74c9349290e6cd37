"""An incident may reach over several brands: each reader sees the part that is theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models import Count, Min, Q

from accounts.fixed_query import FixedQuery, Reader
from accounts.models import ConnectedAccount
from accounts.roles import is_admin

from . import waiting
from .models import Incident


class Part(NamedTuple):
    """An incident's accounts of one platform: how many it names, how many of them the
    reader sees, and the first of these whose access the reader may see to."""

    incident_id: int
    platform: str
    named: int
    seen: int
    first: int | None


def parts_of(incidents: Sequence[Incident], reader: Any) -> list[Part]:
    """What the reader sees of each incident, by platform. One query."""
    keys = [incident.pk for incident in incidents]
    if reader.is_superuser:
        rows = _of_all.rows(keys)
    else:
        rows = (_of_admin if is_admin(reader) else _of_member).rows(keys, reader.pk)
    return [Part(*row) for row in rows]


def _parts(incidents: list[int], reader: Reader, *, sees_to_all: bool) -> Any:
    seen = ConnectedAccount.objects.visible_to(reader)
    theirs = seen.connected()
    if not sees_to_all:  # who may send links: as accounts.links.may_send
        theirs = theirs.filter(Q(owner=reader.pk) | Q(deputy=reader.pk))
    return (
        Incident.accounts.through.objects.filter(incident__in=incidents)
        .order_by()
        .values_list("incident", "connectedaccount__platform")
        .annotate(
            named=Count("pk"),
            seen=Count("pk", filter=Q(connectedaccount__in=seen.values("pk"))),
            first=Min(
                "connectedaccount", filter=Q(connectedaccount__in=theirs.values("pk"))
            ),
        )
    )


_KEYS, _KEY = [-7], -8
_of_all: FixedQuery[Any] = FixedQuery(
    lambda keys: _parts(keys, Reader(0, True), sees_to_all=True), _KEYS, keeps_plan=True
)
_of_admin, _of_member = (
    FixedQuery[Any](
        lambda keys, pk, is_admin=is_admin: _parts(
            keys, Reader(pk), sees_to_all=is_admin
        ),
        _KEYS,
        _KEY,
        keeps_plan=True,
    )
    for is_admin in (True, False)
)


def own_part(
    incidents: Sequence[Incident], reader: Any, parts: Iterable[Part] | None = None
) -> None:
    """Count, in these rows and not in the database, what the reader sees and no more.

    A platform's own trouble names no account; its numbers stay. parts: those of
    `parts_of`, where they are read already.
    """
    if not incidents or reader.is_superuser:
        return
    if parts is None:
        parts = parts_of(incidents, reader)
    named, seen = Counter[int](), Counter[int]()
    for part in parts:
        named[part.incident_id] += part.named
        seen[part.incident_id] += part.seen
    inside = ConnectedAccount.objects.visible_to(reader).values("pk")
    for incident in incidents:
        if seen[incident.pk] == named[incident.pk]:
            continue
        link = Incident.accounts.through.objects.filter(incident=incident)
        mine = link.filter(connectedaccount__in=inside)
        since = incident.ends_at if incident.kind == Incident.Kind.ENDS else None
        incident.account_count = seen[incident.pk]
        incident.post_count, incident.first_due_at = waiting.figures(
            mine.values("connectedaccount"), since
        )
