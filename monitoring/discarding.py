"""Deleting at the networks what was uploaded there and no post will show.

What may be deleted `publishing.left_uploads` notes, after its delivery is over. With what
posts leave of the windows; what cannot be deleted for days is said, and left there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.errands import asking
from accounts.models import ConnectedAccount
from accounts.permissions import lacks
from platforms.errors import (
    AuthRevoked,
    Cause,
    Outcome,
    PermissionMissing,
    PlatformError,
)
from publishing import left_uploads
from publishing.models import LeftUpload

from .asking import (
    LONGEST_WAIT,
    Asking,
    Reading,
    client_of,
    credential_of,
    draws_of,
    need_of,
    next_try,
)

#: Tried for so long.
PATIENCE = timedelta(days=7)
#: Answers that another try would not change.
FINAL = (Outcome.INVALID_CONTENT, Outcome.NOT_FOUND)

NO_ACCESS = AuthRevoked(cause=Cause.TOKEN_INVALID)

State = LeftUpload.State


@dataclass(eq=False)
class Discard(Reading):
    def call(self) -> PlatformError | None:
        number = self.row.external_id
        told: PlatformError | None = asking(
            lambda: self.client.discard_upload(number)
        )()
        return told

    def error_of(self, told: Any) -> PlatformError | None:
        return told if isinstance(told, PlatformError) else None


class Discarding(Asking):
    """Uploads without a post, the longest due first."""

    model, road = LeftUpload, "delivery__account"

    def account(self, row: LeftUpload) -> ConnectedAccount:
        return row.delivery.account

    def may_ask(self, row: LeftUpload, now: datetime) -> bool:
        account = row.delivery.account
        credential = credential_of(account)
        if account.disconnected_at is not None or not credential.is_active:
            _try_later(row, now + LONGEST_WAIT, now, NO_ACCESS)
            return False
        call = account.spec.call(account.spec.discard_call)
        granted = credential.granted_scopes
        missing = lacks(account.spec, call, account.kind, granted) if granted else ()
        if missing:
            error = PermissionMissing(" ".join(missing), cause=Cause.SCOPE_MISSING)
            _try_later(row, now + LONGEST_WAIT, now, error)
            return False
        return True

    def readings(self, rows: Sequence[LeftUpload], now: datetime) -> list[Discard]:
        found = []
        for row in rows:
            account = row.delivery.account
            draws = draws_of(account, {account.spec.discard_call: 1})
            need = need_of(account, row.pk, draws)
            found.append(Discard(row, account, client_of(account), need, now))
        return found

    def put_off(self, row: LeftUpload, at: datetime, now: datetime) -> None:
        _try_later(row, at, now)

    def keep(self, reading: Discard, told: Any, now: datetime) -> None:
        row, error = reading.row, reading.error_of(told)
        if error is None:
            _store(
                row, state=State.GONE, next_at=None, ended_at=now, cause="", detail=""
            )
        elif error.outcome in FINAL:
            _give_up(row, now, error)
        else:
            at = next_try(error, credential_of(reading.account), now)
            _try_later(row, at, now, error)


def _try_later(
    row: LeftUpload, at: datetime, now: datetime, error: PlatformError | None = None
) -> None:
    if now - row.noted_at > PATIENCE:
        _give_up(row, now, error)
        return
    at = min(max(at, now + timedelta(minutes=5)), now + LONGEST_WAIT)
    told = {"cause": error.cause, "detail": error.detail} if error else {}
    _store(row, next_at=at, **told)


def _give_up(row: LeftUpload, now: datetime, error: PlatformError | None) -> None:
    told = {"cause": error.cause, "detail": error.detail} if error else {}
    _store(row, state=State.STAYS, next_at=None, ended_at=now, **told)


def _store(row: LeftUpload, **changes: Any) -> None:
    LeftUpload.objects.filter(pk=row.pk).update(**changes)


def _give_up_lost(now: datetime) -> None:
    """Of accounts that have been without any access for all that time."""
    rows = LeftUpload.objects.filter(
        next_at__isnull=False,
        noted_at__lt=now - PATIENCE,
        delivery__account__credential=None,
    )
    for row in rows:
        _give_up(row, now, NO_ACCESS)


def run() -> None:
    now = timezone.now()
    left_uploads.note_all(now)
    Discarding().run()
    _give_up_lost(now)
