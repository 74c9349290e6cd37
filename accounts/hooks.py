"""What later layers know of accounts: they register here, because we may not import them.

A source takes accounts and returns facts by primary key, in a fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from .models import ConnectedAccount, PlatformApp


class QueueSource(Protocol):
    """why: also what costs queries of its own and only an account's own page shows."""

    def __call__(
        self, accounts: Sequence[ConnectedAccount], *, why: bool
    ) -> Mapping[int, Mapping[str, Any]]: ...


@dataclass(frozen=True)
class Happening:
    """One line of an account's timeline. tone: ok, warn, bad, info or muted."""

    at: datetime
    tone: str
    icon: str
    words: str
    detail: str = ""


#: What is wrong, for a reader: each with the template that shows it as `card`.
IncidentSource = Callable[[Any], Sequence[tuple[str, Any]]]


@dataclass(frozen=True)
class HealthOn:
    """How many accounts were in which state on a day (UTC)."""

    day: date
    able: int
    ending: int
    broken: int
    unproven: int

    @property
    def total(self) -> int:
        return self.able + self.ending + self.broken + self.unproven


HistorySource = Callable[[Sequence[int], datetime], Sequence[HealthOn]]
TimelineSource = Callable[[ConnectedAccount], Sequence[Happening]]

#: What came by itself from the platform of an app: (words, when or None)
EventsSource = Callable[[PlatformApp], Sequence[tuple[str, datetime | None]]]

#: Of an account, for a reader: each with the template that shows it as `card`.
SectionSource = Callable[[ConnectedAccount, Any], Sequence[tuple[str, Any]]]
Forgetting = Callable[[ConnectedAccount], None]
Mending = Callable[[Sequence[ConnectedAccount]], None]

_section_sources: list[SectionSource] = []
_forgettings: list[Forgetting] = []
_mendings: list[Mending] = []
_events_sources: list[EventsSource] = []
_queue_sources: list[QueueSource] = []
_incident_sources: list[IncidentSource] = []
_history_sources: list[HistorySource] = []
_timeline_sources: list[TimelineSource] = []


def register_queue(source: QueueSource) -> QueueSource:
    """Facts of what waits: next_at, next_url, waiting, held, at_risk, first_at_risk_at,
    following, first_at (what goes by itself once the account can post)."""
    if source not in _queue_sources:
        _queue_sources.append(source)
    return source


def register_timeline(source: TimelineSource) -> TimelineSource:
    if source not in _timeline_sources:
        _timeline_sources.append(source)
    return source


def register_incidents(source: IncidentSource) -> IncidentSource:
    """Open incidents that the reader may see, those with the first due post on top."""
    if source not in _incident_sources:
        _incident_sources.append(source)
    return source


def register_events(source: EventsSource) -> EventsSource:
    if source not in _events_sources:
        _events_sources.append(source)
    return source


def register_section(source: SectionSource) -> SectionSource:
    """Sections of an account's page, for a reader."""
    if source not in _section_sources:
        _section_sources.append(source)
    return source


def sections(account: ConnectedAccount, reader: Any) -> list[tuple[str, Any]]:
    return [found for source in _section_sources for found in source(account, reader)]


def register_forgetting(forget: Forgetting) -> Forgetting:
    """What is deleted when an account is disconnected: what was read of it, and is kept
    for no other reason."""
    if forget not in _forgettings:
        _forgettings.append(forget)
    return forget


def forget(account: ConnectedAccount) -> None:
    for work in _forgettings:
        work(account)


def register_mending(work: Mending) -> Mending:
    """What is done as soon as somebody has reconnected accounts."""
    if work not in _mendings:
        _mendings.append(work)
    return work


def mended(accounts: Sequence[ConnectedAccount]) -> None:
    for work in _mendings:
        work(accounts)


def events(app: PlatformApp) -> list[tuple[str, datetime | None]]:
    return [line for source in _events_sources for line in source(app)]


def incidents(reader: Any) -> list[tuple[str, Any]]:
    return [found for source in _incident_sources for found in source(reader)]


def register_history(source: HistorySource) -> HistorySource:
    """Health over time of some brands (primary keys), oldest day first."""
    if source not in _history_sources:
        _history_sources.append(source)
    return source


def history(brands: Sequence[int], now: datetime) -> list[HealthOn]:
    return [day for source in _history_sources for day in source(brands, now)]


def queues(
    accounts: Sequence[ConnectedAccount], *, why: bool = True
) -> dict[int, dict[str, Any]]:
    """Facts of every source by account; {} for an account without any."""
    found: dict[int, dict[str, Any]] = {account.pk: {} for account in accounts}
    for source in _queue_sources:
        for pk, facts in source(accounts, why=why).items():
            found[pk].update(facts)
    return found


def timeline(account: ConnectedAccount) -> list[Happening]:
    return [line for source in _timeline_sources for line in source(account)]
