"""Everything that ends at a known time, told before it does.

An end is told only where a person has to act: what we renew ourselves, again and again,
has none until a renewal is long overdue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from django.utils import timezone

from platforms.base import Ability, PlatformSpec

if TYPE_CHECKING:
    from .models import Credential


#: The columns of a credential that its ends are told by.
TOLD_BY = (
    "refresh_token",
    "issued_at",
    "expires_at",
    "refresh_expires_at",
    "renewal_refused_at",
    "data_access_ends_at",
)
#: A renewal that is late by so much is no hiccup any more.
STUCK_AFTER = timedelta(days=2)


class EndKind(StrEnum):
    """What ends. All but the last are mended by a reconnect."""

    ACCESS = "access"  # the permission itself, which nothing renews
    RENEWAL = "renewal"  # the permission to renew, and so all access
    DATA_ACCESS = "data_access"  # the platform's trust in a person who never came back
    VERSION = "version"  # the interface that our app speaks: an admin's matter


@dataclass(frozen=True, order=True)
class End:
    """`at`: aware, UTC; from then on the abilities in `stops` are gone."""

    at: datetime
    kind: EndKind
    stops: tuple[Ability, ...] = tuple(Ability)

    @property
    def stops_publishing(self) -> bool:
        return Ability.PUBLISH in self.stops


def of_credential(
    credential: Credential, spec: PlatformSpec, now: datetime | None = None
) -> list[End]:
    """The ends of one credential, for an account of that platform; the first first."""
    found = []
    access, renewal = credential.expires_at, credential.refresh_expires_at
    if not credential.refresh_token or credential.renewal_refused_at:
        if access:
            found.append(End(access, EndKind.ACCESS))
    elif renewal and not _moves_on(credential, spec, now or timezone.now()):
        # The last access token may outlive the permission to renew it.
        found.append(End(max(renewal, access or renewal), EndKind.RENEWAL))
    if credential.data_access_ends_at and spec.data_access_stops:
        stops = spec.data_access_stops
        found.append(End(credential.data_access_ends_at, EndKind.DATA_ACCESS, stops))
    return sorted(found)


def _moves_on(credential: Credential, spec: PlatformSpec, now: datetime) -> bool:
    """Each renewal puts the end off, unless they have not come about for days."""
    due = credential.due_for_renewal()
    return spec.renewal_rotates and due is not None and now < due + STUCK_AFTER


def of_version(spec: PlatformSpec, version: str = "") -> End | None:
    """When the interface that an app speaks is switched off; None: nobody has said.

    version: as the app has it; "" is the one that we tested with.
    """
    day = spec.version_end(version)
    return _of_day(day) if day else None


@cache
def _of_day(day: date) -> End:
    return End(datetime.combine(day, time(), UTC), EndKind.VERSION)


def first_that_stops_publishing(ends: Sequence[End]) -> datetime | None:
    return min((end.at for end in ends if end.stops_publishing), default=None)
