"""What the checks told, for an account's timeline through `accounts.hooks`."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from accounts.causes import explain
from accounts.hooks import Happening
from accounts.models import ConnectedAccount

from .models import CheckResult

LINES = 30


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
