"""What a drill of health did to credentials, against what SocialHub found of it."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .health_script import Ending

#: The last look before a post is an hour before it: what dies later is told by the post
#: itself, which is held.
LAST_LOOK = timedelta(minutes=60)
TIMES = ("at", "next_due_at", "found_at", "cured_at")


@dataclass
class Death:
    """One end of an access, as the drill let it happen.

    accounts: primary keys of those that cannot post because of it. causes: the words
    that are right for it. next_due_at: the first post of any of them after it.
    """

    kind: str
    platform: str
    at: datetime
    accounts: frozenset[int]
    causes: frozenset[str]
    next_due_at: datetime | None = None
    found_at: datetime | None = None
    found_cause: str = ""
    cured_at: datetime | None = None
    #: False: no read-only call tells it
    can_be_told: bool = True
    #: told before it came, and somebody acted: no post was ever in its way
    averted: bool = False
    #: the platform answered no look in the last hour before the post
    in_trouble: bool = False
    #: whose ending has to be taken back at the platform before anybody can reconnect
    restore: str = ""

    @property
    def name(self) -> str:
        return f"{self.platform}.{self.kind}"

    @property
    def is_over(self) -> bool:
        return self.cured_at is not None

    @property
    def counts(self) -> bool:
        """Whether some look that was answered lies between it and the next post."""
        return self.averted or (
            self.can_be_told
            and not self.in_trouble
            and self.next_due_at is not None
            and self.next_due_at - self.at > LAST_LOOK
        )

    @property
    def in_time(self) -> bool:
        return self.averted or (
            self.found_at is not None
            and self.next_due_at is not None
            and self.found_at <= self.next_due_at
        )

    @property
    def delay_h(self) -> float | None:
        if self.found_at is None:
            return None
        return max(0.0, (self.found_at - self.at).total_seconds() / 3600)


@dataclass
class Record:
    deaths: list[Death] = field(default_factory=list)
    #: (when, whose, cause) of what was called broken although nothing had happened
    false_alarms: list[tuple[datetime, str, str]] = field(default_factory=list)
    #: the same, where it was our own renewal that ended it, or nobody was told why
    lost_by_refresh: list[tuple[datetime, str, str]] = field(default_factory=list)

    def open(self) -> list[Death]:
        return [death for death in self.deaths if not death.is_over]

    def of(self, account: int) -> Death | None:
        """The open death that an account suffers from; the oldest of several."""
        return next((d for d in self.open() if account in d.accounts), None)

    def dump(self) -> dict[str, Any]:
        """As JSON has it, for another process."""
        return json.loads(json.dumps(asdict(self), default=_plain))

    @classmethod
    def load(cls, told: Iterable[dict[str, Any]]) -> Record:
        """One record of what several worlds told (`{"record": dump()}`)."""
        whole = cls()
        for world in told:
            record = world["record"]
            whole.deaths += [_death_of(row) for row in record["deaths"]]
            for name in ("false_alarms", "lost_by_refresh"):
                lines = [(_at(at), who, why) for at, who, why in record[name]]
                getattr(whole, name).extend(lines)
        return whole

    def missing(self, endings: Iterable[Ending]) -> list[str]:
        """The ways in which nothing died, or only right before a post."""
        return sorted({ending.key for ending in endings} - self._seen().keys())

    def rarest(self, endings: Sequence[Ending]) -> Ending:
        """Which of them was put to the test least so far; the first of several."""
        seen = self._seen()
        return min(endings, key=lambda ending: seen[ending.key])

    def may_end_now(
        self, ending: Ending, now: datetime, next_due_at: datetime | None
    ) -> bool:
        """Right before a post it would put nothing to the test: it may come there as
        well, once the drill has seen what becomes of it."""
        if self._seen()[ending.key] or not ending.can_be_told:
            return True
        return next_due_at is not None and next_due_at - now > LAST_LOOK

    def _seen(self) -> Counter[str]:
        """How often each way was put to the test, by the names of deaths."""
        return Counter(d.name for d in self.deaths if _was_put_to_the_test(d))

    def figures(self) -> dict[str, Any]:
        """The keys of the drill's JSON line that come from deaths."""
        by_kind: dict[str, list[Death]] = defaultdict(list)
        for death in self.deaths:
            by_kind[death.name].append(death)
        return {
            **_summary(self.deaths),
            "false_alarms": len(self.false_alarms),
            "lost_by_refresh": len(self.lost_by_refresh),
            "kinds": {name: _summary(by_kind[name]) for name in sorted(by_kind)},
        }


def _was_put_to_the_test(death: Death) -> bool:
    """A look could have told it in time, or it is one that none can tell."""
    return death.counts or not death.can_be_told


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value.isoformat()


def _at(word: str) -> datetime:
    return datetime.fromisoformat(word)


def _death_of(row: dict[str, Any]) -> Death:
    times = {name: _at(at) for name, at in row.items() if name in TIMES and at}
    sets = {name: frozenset(row[name]) for name in ("accounts", "causes")}
    return Death(**{**row, **times, **sets})


def _summary(deaths: Iterable[Death]) -> dict[str, Any]:
    deaths = list(deaths)
    counted = [death for death in deaths if death.counts]
    came = [death for death in deaths if not death.averted]
    found = [death for death in came if death.found_at is not None]
    named = [death for death in found if death.found_cause in death.causes]
    return {
        "deaths": len(deaths),
        "averted": len(deaths) - len(came),
        "counted": len(counted),
        "detected_share": share_of(sum(d.in_time for d in counted), len(counted)),
        "delay_p99_h": percentile([d.delay_h or 0.0 for d in found], 0.99),
        "never_found": sum(d.found_at is None and d.can_be_told for d in deaths),
        "in_last_hour": sum(
            d.next_due_at is not None and d.next_due_at - d.at <= LAST_LOOK
            for d in deaths
        ),
        "in_trouble": sum(death.in_trouble for death in deaths),
        "named_share": share_of(len(named), len(found)),
    }


def share_of(part: int, whole: int, digits: int = 4) -> float | None:
    """None: there was nothing to take a share of."""
    return round(part / whole, digits) if whole else None


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that so large a share does not exceed; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2)
