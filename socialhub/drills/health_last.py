"""A permission to renew that is gone, and an access token that acts until its own end.

Nothing is dead before that end: whoever is called broken until then is a false alarm.
It is to be announced as soon as a renewal was refused, and somebody reconnects before
it comes, or forgets to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from accounts.fixed_query import FixedQuery
from accounts.models import AS_GOOD_AS_OVER, ConnectedAccount
from platforms.errors import Cause

from .health_record import Death
from .health_script import DAY, REACTS_H, STEP

if TYPE_CHECKING:
    from .health import Weeks

#: One in so many lets an announced end pass.
FORGETS_EACH = 3
#: Somebody acts when the message of this day before has come, where there is time.
ACTS_BEFORE = 3 * DAY
CUT = "renewal_cut"

_refused = FixedQuery(
    lambda: (
        ConnectedAccount.objects.healthy()
        .exclude(credential__renewal_refused_at=None)
        .order_by()
        .values_list("pk")
    )
)


@dataclass
class Last:
    """seen_at: when its end was there to be told."""

    kind: str
    causes: frozenset[str]
    ends_at: datetime
    seen_at: datetime | None = None


class LastTokens:
    def __init__(self, weeks: Weeks) -> None:
        self.weeks = weeks
        self._of: dict[int, Last] = {}

    def __contains__(self, pk: int) -> bool:
        return pk in self._of

    def begin(
        self, account: ConnectedAccount, kind: str, causes: Iterable[str]
    ) -> Last:
        """From now on nothing renews it; its death comes with its own end."""
        assert account.credential is not None
        ends_at = account.credential.expires_at
        assert ends_at is not None
        last = self._of[account.pk] = Last(kind, frozenset(causes), ends_at)
        # With so little left it counts as over.
        self.weeks.at(ends_at - AS_GOOD_AS_OVER, partial(self._end, account.pk, last))
        return last

    def forget(self, pk: int) -> None:
        """Somebody reconnected, or it came otherwise."""
        self._of.pop(pk, None)

    def observe(self, now: datetime) -> None:
        for (pk,) in _refused.rows():
            last = self._of.get(pk)
            if last is None and pk in self.weeks.cut:
                # The answer to its renewal was lost, and the tokens in it.
                lost = {Cause.ROTATION_LOST.value}
                last = self.begin(self.weeks.fresh(pk), CUT, lost)
            if last is not None and last.seen_at is None:
                last.seen_at = now
                self._plan(pk, last, now)

    def _plan(self, pk: int, last: Last, now: datetime) -> None:
        if pk % FORGETS_EACH == 0:
            return
        wait = timedelta(hours=self.weeks.dice.uniform(*REACTS_H))
        at = max(now, last.ends_at - ACTS_BEFORE) + wait
        if at < last.ends_at - STEP:
            self.weeks.at(at, partial(self._avert, pk, last))

    def _is_over(self, pk: int, last: Last) -> bool:
        return self._of.get(pk) is not last or self.weeks.record.of(pk) is not None

    def _avert(self, pk: int, last: Last, now: datetime) -> None:
        if self._is_over(pk, last) or now >= last.ends_at:
            return
        account = self.weeks.fresh(pk)
        if not self.weeks.reconnect(account, now, partial(self._avert, pk, last)):
            return
        self._count(pk, last)
        self.weeks.record.deaths.append(
            Death(
                last.kind,
                account.platform,
                last.ends_at,
                frozenset({pk}),
                last.causes,
                found_at=last.seen_at,
                cured_at=now,
                averted=True,
            )
        )
        self.weeks.plan_renewal(pk)

    def _end(self, pk: int, last: Last, now: datetime) -> None:
        if self._is_over(pk, last):
            return
        self.forget(pk)
        self._count(pk, last)
        account = self.weeks.fresh(pk)
        hit = self.weeks.sharing(account)
        self.weeks.died(last.kind, account.platform, last.causes, hit, now)
        if last.kind == CUT:
            self.weeks.cut.pop(pk, None)

    def _count(self, pk: int, last: Last) -> None:
        self.weeks.figures["ends"] += 1
        self.weeks.figures["ends_announced"] += self.weeks.announced(pk, last.ends_at)
