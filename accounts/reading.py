"""How a person reads: in which time zone, and in which language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language


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


def told(at: date, pattern: str) -> str:
    """A day, or a time by the reader's clock: `date_format`, of which lists show
    hundreds, and most of them each time that they are shown."""
    return _told(at, pattern, timezone.get_current_timezone_name(), get_language())


def telling() -> Callable[[date, str], str]:
    """`told`, for a page that tells hundreds: whose clock and language is asked for
    once."""
    zone, language = timezone.get_current_timezone_name(), get_language()
    return lambda at, pattern: _told(at, pattern, zone, language)


@lru_cache(maxsize=10_000)
def _told(at: date, pattern: str, zone: str, language: str | None) -> str:
    """zone and language: the active ones."""
    return date_format(
        timezone.localtime(at) if isinstance(at, datetime) else at, pattern
    )
