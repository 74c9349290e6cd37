"""What the checks told, for an account's timeline through `accounts.hooks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from accounts.causes import explain
from accounts.hooks import Happening
from accounts.models import ConnectedAccount

from .models import CheckResult, Incident

LINES = 30
#: So many incidents stand above the accounts; the rest has a page.
INCIDENTS = 10


def open_incidents(reader: Any) -> Sequence[tuple[str, Any]]:
    """What is wrong now, first due first, as the page of incidents shows it.

    Three queries. What holds nothing up yet stands in the rows, and on the incidents' page.
    """
    from .incident_views import cards, rows_for

    rows = (
        rows_for(reader)
        .open()
        .exclude(kind__in=Incident.QUIET)
        .order_by(F("first_due_at").asc(nulls_last=True), "pk")
    )
    return [
        ("monitoring/_incident_card.html", card)
        for card in cards(list(rows[:INCIDENTS]), reader)
    ]


def check_happenings(account: ConnectedAccount) -> Sequence[Happening]:
    """The newest checks of the account's credential. One query."""
    if account.credential_id is None:
        return []
    rows = CheckResult.objects.filter(credential=account.credential_id)[:LINES]
    return [_happening(row) for row in rows]


def _happening(row: CheckResult) -> Happening:
    why = str(explain(row.cause).head) if row.cause else ""
    if row.verdict == "proven":
        return Happening(row.at, "ok", "verified", _("Proven able to post"))
    if row.verdict == "failing":
        return Happening(row.at, "bad", "link_off", _("Found unable to post"), why)
    return Happening(row.at, "muted", "help", _("The check told nothing"), why)
