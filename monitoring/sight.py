"""An incident may reach over several brands: each reader sees the part that is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q

from accounts.models import ConnectedAccount

from . import waiting
from .models import Incident


def own_part(incidents: Sequence[Incident], reader: Any) -> None:
    """Count, in these rows and not in the database, what the reader sees and no more.

    A platform's own trouble names no account; its numbers stay.
    """
    if not incidents or reader.is_superuser:
        return
    inside = ConnectedAccount.objects.visible_to(reader).values("pk")
    link = Incident.accounts.through.objects.filter(incident__in=incidents)
    counted = (
        link.order_by()
        .values_list("incident")
        .annotate(
            named=Count("pk"), seen=Count("pk", filter=Q(connectedaccount__in=inside))
        )
    )
    parts = {pk: seen for pk, named, seen in counted if seen < named}
    for incident in incidents:
        if incident.pk not in parts:
            continue
        mine = link.filter(incident=incident, connectedaccount__in=inside)
        since = incident.ends_at if incident.kind == Incident.Kind.ENDS else None
        incident.account_count = parts[incident.pk]
        incident.post_count, incident.first_due_at = waiting.figures(
            mine.values("connectedaccount"), since
        )
