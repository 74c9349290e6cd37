"""How a person reads: in which time zone, and in which language."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.conf import settings


def zone_of(user: object) -> ZoneInfo:
    """The person's zone; the installation's for none or one that is known no more."""
    name = getattr(getattr(user, "profile", None), "time_zone", "")
    try:
        return ZoneInfo(name or settings.DEFAULT_READER_TIME_ZONE)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(settings.DEFAULT_READER_TIME_ZONE)


def language_of(user: object) -> str:
    """The code of the person's language; the installation's for none or an old one."""
    code = getattr(getattr(user, "profile", None), "language", "")
    return code if code in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
