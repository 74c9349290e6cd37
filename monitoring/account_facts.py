"""What the checks told, for an account's timeline through `accounts.hooks`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.causes import explain
from accounts.fixed_query import Reader, Seen, instance
from accounts.hooks import Happening
from accounts.models import ConnectedAccount, Credential, PlatformApp

from .models import CheckResult, Incident

LINES = 30
#: So many incidents stand above the accounts; the rest has a page.
INCIDENTS = 10


def open_incidents(reader: Any) -> Sequence[tuple[str, Any]]:
    """What is wrong now, first due first, as the page of incidents shows it.

    Three queries. What holds nothing up yet stands in the rows, and on the incidents' page.
    """
    from .incident_views import cards

    found = _seen.objects(reader)
    for incident in found:
        _name(incident)
    return [("monitoring/_incident_card.html", card) for card in cards(found, reader)]


#: What a card says of an incident besides its own columns.
_ACCESS = ("subject_name", "subject_id", "app_id")
_PERSON = ("username", "first_name", "last_name")


def _open(reader: Reader) -> Any:
    from .incident_views import rows_for

    return (
        rows_for(reader)
        .select_related(None)
        .defer(None)
        .open()
        .exclude(kind__in=Incident.QUIET)
        .order_by(F("first_due_at").asc(nulls_last=True), "pk")
        .annotate(
            **{f"access_{name}": F(f"credential__{name}") for name in _ACCESS},
            **{f"taker_{name}": F(f"acknowledged_by__{name}") for name in _PERSON},
            app_platform=F("credential__app__platform"),
        )[:INCIDENTS]
    )


_seen: Seen[Incident] = Seen(_open, for_all=True, keeps_plan=True)


def _name(incident: Any) -> None:
    """Its access and who took it, as far as they are named."""
    if incident.credential_id is not None:
        access = {name: getattr(incident, f"access_{name}") for name in _ACCESS}
        credential = instance(Credential, {"id": incident.credential_id, **access})
        app = {"id": credential.app_id, "platform": incident.app_platform}
        credential.app = instance(PlatformApp, app)
        incident.credential = credential
    if incident.acknowledged_by_id is not None:
        person = {name: getattr(incident, f"taker_{name}") for name in _PERSON}
        key = incident.acknowledged_by_id
        incident.acknowledged_by = instance(get_user_model(), {"id": key, **person})


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
