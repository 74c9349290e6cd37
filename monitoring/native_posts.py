"""Reading what people post at the networks themselves.

With what posts leave of the windows, and seldomer the longer nobody has posted there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.causes import explain
from accounts.errands import asking
from accounts.models import ConnectedAccount
from platforms.base import MONEY, After, RecentPosts
from platforms.errors import Cause, PermissionMissing, PlatformError
from publishing import listing, natives
from publishing.listing import NativeRow
from publishing.models import NativePost

from .asking import (
    AGAIN_AFTER,
    LONGEST_WAIT,
    Asking,
    Reading,
    client_of,
    credential_of,
    draws_of,
    missing_scopes,
    need_of,
    next_try,
)
from .native_models import NativeReading

HOUR = timedelta(hours=1)
#: The newest post that was made there is so old -> it is read again after so long.
CADENCE = (
    (timedelta(days=1), 2 * HOUR),
    (timedelta(days=7), 6 * HOUR),
    (timedelta(days=21), 12 * HOUR),
)
SELDOM = 24 * HOUR
#: Where each post that is read costs money, it is not read more often.
PRICED = 24 * HOUR
#: What could not be read anew for so long is forgotten: nobody knows whether it is there,
#: and networks' rules have what is not refreshed deleted.
STALE = timedelta(days=28)
#: New accounts that are taken up at a time.
TAKE_UP = 500

State = NativeReading.State


def take_up(now: datetime) -> int:
    """Read what is connected from now on. Two statements; safe to run twice."""
    fresh = ConnectedAccount.objects.connected().filter(native_reading=None)
    rows = [
        NativeReading(account_id=pk, next_at=now)
        for pk in fresh.order_by("pk").values_list("pk", flat=True)[:TAKE_UP]
    ]
    NativeReading.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def next_reading(
    newest_at: datetime | None, now: datetime, *, undecided: int, priced: bool
) -> datetime:
    wait = SELDOM
    if newest_at is not None:
        age = now - newest_at
        wait = next((gap for until, gap in CADENCE if age <= until), SELDOM)
    if undecided:
        wait = AGAIN_AFTER
    return now + (max(wait, PRICED) if priced else wait)


@dataclass(eq=False)
class ListReading(Reading):
    def call(self) -> RecentPosts | PlatformError:
        since = self.asked_at - natives.BACK
        found: RecentPosts | PlatformError = asking(
            lambda: self.client.recent_posts(since)
        )()
        return found

    def error_of(self, told: Any) -> PlatformError | None:
        return told if isinstance(told, PlatformError) else None

    @property
    def is_priced(self) -> bool:
        rules = self.client.spec.rules
        return any(rules[key].unit == MONEY for key in self.need.draws)


class NativeRound(Asking):
    """Accounts, the longest due first."""

    model, road = NativeReading, "account"

    def account(self, row: NativeReading) -> ConnectedAccount:
        return row.account

    def may_ask(self, row: NativeReading, now: datetime) -> bool:
        account = row.account
        if account.disconnected_at is not None:
            _store(row, next_at=now + LONGEST_WAIT)
            return False
        if not credential_of(account).is_active:
            self.put_off(row, now + LONGEST_WAIT, now)
            return False
        client = client_of(account)
        if client.spec.why_not(After.RECENT, account.kind, client.access.extra):
            _store(row, next_at=None)
            return False
        if missing := missing_scopes(account, client, After.RECENT):
            _store(
                row,
                state=State.MISSING,
                cause=Cause.SCOPE_MISSING,
                detail=missing,
                next_at=now + LONGEST_WAIT,
            )
            return False
        return True

    def readings(
        self, rows: Sequence[NativeReading], now: datetime
    ) -> list[ListReading]:
        found = []
        for row in rows:
            client = client_of(row.account)
            draws = draws_of(row.account, client.calls_of(After.RECENT))
            need = need_of(row.account, row.pk, draws)
            found.append(ListReading(row, row.account, client, need, now))
        return found

    def put_off(self, row: NativeReading, at: datetime, now: datetime) -> None:
        at = min(max(at, now + timedelta(minutes=5)), now + LONGEST_WAIT)
        _store(row, next_at=at)

    def keep(self, reading: ListReading, told: Any, now: datetime) -> None:
        row = reading.row
        if isinstance(told, PermissionMissing):
            _store(
                row,
                state=State.MISSING,
                cause=told.cause,
                detail=told.detail,
                next_at=now + LONGEST_WAIT,
            )
        elif isinstance(told, PlatformError):
            at = next_try(told, credential_of(row.account), now)
            _store(row, state=State.TROUBLE, cause=told.cause, detail=told.detail)
            self.put_off(row, at, now)
        else:
            kept = natives.keep(row.account, told, now)
            _store(
                row,
                state=State.TOLD,
                cause="",
                detail="",
                read_at=now,
                undecided=min(kept.undecided, 999),
                next_at=next_reading(
                    kept.newest_at,
                    now,
                    undecided=kept.undecided,
                    priced=reading.is_priced,
                ),
            )


def _store(row: NativeReading, **changes: Any) -> None:
    NativeReading.objects.filter(pk=row.pk).update(**changes)


def run() -> None:
    now = timezone.now()
    natives.forget(now)
    NativePost.objects.filter(account__native_reading__read_at__lt=now - STALE).delete()
    take_up(now)
    NativeRound().run()


# ---------------------------------------------------------------- the account's page

#: Of the newest so many stand on the account's page.
SHOWN = 5


@dataclass(frozen=True)
class Card:
    """What was made at the network itself, and what is in the way of reading it."""

    account: ConnectedAccount
    reading: NativeReading | None
    rows: Sequence[NativeRow]
    number: int

    @property
    def why_not(self) -> str:
        """Why the network lists nothing to us, "": it does."""
        client = self.account.client()
        kind, extra = self.account.kind, client.access.extra
        why = client.spec.why_not(After.RECENT, kind, extra)
        return _(why) if why else ""

    @property
    def sentence(self) -> str:
        """What the last reading means, and what to do; "" where there is nothing to say."""
        row = self.reading
        if why := self.why_not:
            return why
        if row is None or row.state == State.WAITING:
            return _("Not read yet. That goes by itself.")
        if row.state == State.MISSING and row.cause == Cause.SCOPE_MISSING:
            return _(
                "A permission is missing: %(scopes)s. Reconnect the account and grant it; "
                "then these posts are read."
            ) % {"scopes": row.detail or "–"}
        if row.state == State.MISSING:
            return _("The network does not show them to us: %(why)s.") % {
                "why": explain(row.cause).head
            }
        if row.state == State.TROUBLE:
            return _(
                "The last reading did not come about: %(why)s. It is tried again by itself."
            ) % {"why": explain(row.cause).head}
        return ""

    @property
    def undecided(self) -> int:
        return self.reading.undecided if self.reading else 0

    @property
    def query(self) -> str:
        return listing.Filters(account=str(self.account.pk)).query(tab=listing.NATIVE)


def section(account: ConnectedAccount, reader: Any) -> Sequence[tuple[str, Any]]:
    """Three queries."""
    if account.disconnected_at is not None or account.credential is None:
        return []
    found = listing.native_rows(account.native_posts.all()[:SHOWN])
    reading = NativeReading.objects.filter(account=account.pk).first()
    card = Card(account, reading, found, account.native_posts.count())
    return [("monitoring/_native_posts.html", card)]
