"""What the checks told, for an account's timeline through `accounts.hooks`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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
    """The newest checks of the account's credential, and what ails the account alone.
    One query."""
    if account.credential_id is None:
        return []
    rows = CheckResult.objects.filter(credential=account.credential_id)[:LINES]
    lines = [_happening(row, account.trouble_at) for row in rows]
    if account.trouble_at:
        lines.append(_unable(account.trouble_at, account.trouble))
    return lines


def _happening(row: CheckResult, trouble_at: datetime | None) -> Happening:
    if row.verdict == "failing":
        return _unable(row.at, row.cause)
    if row.verdict == "proven":
        words = _("Proven able to post")
        if trouble_at and row.at >= trouble_at:
            words = _("The access works, but not for this account")
        return Happening(row.at, "ok", "verified", words)
    why = str(explain(row.cause).head) if row.cause else ""
    return Happening(row.at, "muted", "help", _("The check told nothing"), why)


def _unable(at: datetime, cause: str) -> Happening:
    why = str(explain(cause).head) if cause else ""
    return Happening(at, "bad", "link_off", _("Found unable to post"), why)
