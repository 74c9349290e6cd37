"""The version of each platform's interface that our apps speak, and when it ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from platforms.base import PlatformSpec

from .models import PlatformApp
from .permissions import specs_of

#: Days before the end at which it is time to plan the move, and to make it.
PLAN, ACT = 90, 30


@dataclass(frozen=True)
class VersionLine:
    """One app's version at one platform. ends_on None: it has no end that is known."""

    app: PlatformApp
    spec: PlatformSpec
    version: str
    ends_on: date | None
    days_left: int | None

    @property
    def is_tested(self) -> bool:
        """It is the one that SocialHub was tested with."""
        return self.version == self.spec.api_version

    @property
    def tone(self) -> str:
        if self.days_left is None:
            return "muted"
        if self.days_left <= ACT:
            return "bad"
        return "warn" if self.days_left <= PLAN else "ok"

    @property
    def icon(self) -> str:
        icons = {"muted": "help", "bad": "event_busy", "warn": "timer"}
        return icons.get(self.tone, "check_circle")

    @property
    def words(self) -> str:
        if self.days_left is None:
            return _("No end is known")
        if self.days_left <= 0:
            return _("Switched off")
        return ngettext("%(n)s day left", "%(n)s days left", self.days_left) % {
            "n": self.days_left
        }

    @property
    def advice(self) -> str:
        if self.days_left is None or self.days_left > PLAN:
            return ""
        if not self.is_tested:
            return _(
                "Empty the app’s version: SocialHub was tested with %(version)s."
            ) % {"version": self.spec.api_version}
        return _("Update SocialHub, or enter a newer version with the app.")


def radar(apps: Iterable[PlatformApp], now: datetime) -> list[VersionLine]:
    """What ends first on top; apps whose platform has no versions are left out."""
    today = now.astimezone(UTC).date()
    lines = []
    for app in apps:
        for spec in specs_of(app):
            if not spec.api_version:
                continue
            end = app.version_end(spec.slug)
            day = end.at.date() if end else None
            left = (day - today).days if day else None
            version = app.api_version or spec.api_version
            lines.append(VersionLine(app, spec, version, day, left))
    far = date.max
    return sorted(lines, key=lambda line: (line.ends_on or far, line.spec.name))
