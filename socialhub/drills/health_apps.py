"""Our app is refused by a platform for some hours: whose trouble is that?

No access is at fault then: one incident of the app is wanted, none of an account, and
nobody has to reconnect when it is over. What dies at the platform meanwhile can be told
by no look.

Pinterest answers as if each account had withdrawn its access: there some are taken for
that until others tell the same, and are found well again by their next look.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from accounts.breakers import MANY_LOST_ACCESS
from accounts.models import LIKE_THE_APP
from monitoring.models import Incident
from monitoring.roots import OUR_APP

from .health_record import Death
from .health_script import (
    APP_ENDINGS,
    APP_EVERY,
    DAY,
    REACTS_H,
    STEP,
    TURN,
    Ending,
    beginning_with,
)
from .runner import say

if TYPE_CHECKING:
    from .health import Weeks

#: Nobody waits longer than this for what is never found.
LONGEST = timedelta(hours=48)
#: After the platform takes our app back, so long until no incident is left.
CLOSED_WITHIN = timedelta(hours=25)


class Apps:
    """Platforms in turn refuse our app, each until an admin has settled it."""

    def __init__(self, weeks: Weeks, platforms: Iterable[str]) -> None:
        self.weeks = weeks
        self.dice: random.Random = weeks.dice
        #: platform -> until when accounts may be taken for dead because of it
        self.mends: dict[str, datetime] = {}
        #: platform -> its death, the rule of the practice network that makes it
        self.refused: dict[str, tuple[Death, str]] = {}
        there = [ending for ending in APP_ENDINGS if ending.platform in {*platforms}]
        at = weeks.start + 2 * DAY
        while there and at < weeks.end - 3 * DAY:
            begins = at + APP_EVERY / 2 * self.dice.random()
            endings = beginning_with(weeks.turn * TURN, there)
            weeks.at(begins, partial(self._end, endings, at + APP_EVERY))
            at += APP_EVERY

    def explains(self, platform: str, cause: str, now: datetime) -> bool:
        """Whether it is this that an account is said to suffer from."""
        if platform not in self.refused:
            return now <= self.mends.get(platform, now - DAY)
        death, _rule = self.refused[platform]
        return cause in OUR_APP or (
            MANY_LOST_ACCESS in death.causes and cause in LIKE_THE_APP
        )

    def observe(self, now: datetime) -> None:
        for platform, (death, rule) in self.refused.items():
            due = death.next_due_at
            if death.found_at is None and due and due <= now and not death.in_trouble:
                death.in_trouble = self.weeks.stumbled_all_hour({platform}, due, rule)
            if death.found_at is None and (found := _open_incidents(platform)):
                death.found_at, death.found_cause = now, found[0].cause
                self.weeks.figures["app_incidents"] += len(found)
                wait = timedelta(hours=self.dice.uniform(*REACTS_H))
                self.weeks.at(now + wait, partial(self._take_back, death))

    def _end(self, endings: Sequence[Ending], until: datetime, now: datetime) -> None:
        """The platform's turn that was put to the test least; over when `until` comes."""
        free = [e for e in endings if e.platform not in self.refused]
        if not free:
            return
        ending = self.weeks.record.rarest(free)
        platform = ending.platform
        due = self.weeks.next_due_of(platform, now)
        if due and not self.weeks.record.may_end_now(ending, now, due):
            self.weeks.once_more(due + STEP, until, partial(self._end, endings, until))
            return
        rule = self.weeks.practice.fault(kind=ending.how, platform=platform, call="any")
        self.weeks.begin_trouble(rule, platform, now)
        death = Death(ending.name, platform, now, frozenset(), ending.causes, due)
        self.refused[platform] = death, rule
        self.weeks.record.deaths.append(death)
        self.weeks.at(now + LONGEST, partial(self._take_back, death))

    def _take_back(self, death: Death, now: datetime) -> None:
        """The platform and we are well with each other again."""
        found = self.refused.get(death.platform)
        if found is None or found[0] is not death:
            return  # done already
        del self.refused[death.platform]
        self.weeks.calm(found[1], now)
        death.cured_at = now
        if MANY_LOST_ACCESS in death.causes:
            self.mends[death.platform] = now + CLOSED_WITHIN
        self.weeks.at(now + CLOSED_WITHIN, partial(self._see_end, death))

    def _see_end(self, death: Death, now: datetime) -> None:
        if death.platform in self.refused:
            return  # of the next one
        for incident in _open_incidents(death.platform):
            self.weeks.figures["not_mended"] += 1
            say(f"{death.name} is over, and still there: {incident.dedup_key}")


def _open_incidents(platform: str) -> list[Incident]:
    """Those that say that this platform refuses our app."""
    rows = Incident.objects.open().filter(
        dedup_key__regex=rf"^({Incident.Kind.APP}|{Incident.Kind.BREAKER}):{platform}:",
        cause__in=[*OUR_APP, MANY_LOST_ACCESS],
    )
    return list(rows.order_by("pk"))
