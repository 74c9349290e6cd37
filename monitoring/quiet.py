"""When a person wants to be mailed: quiet hours and the daily mail, in their own zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .models import Alert, AlertPreference

#: A post so soon after the message would come leaves nobody time to act.
TIME_TO_ACT = timedelta(hours=1)
DAY = timedelta(days=1)
Mail = AlertPreference.Mail


def _instant(day: date, at: time, zone: ZoneInfo, fold: int = 0) -> datetime:
    """In UTC, because two times of one zone are compared by their clocks alone.

    A time that the clock leaves out is as much later (without fold); of one that it
    shows twice, fold chooses.
    """
    return datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC)


def quiet_until(
    pref: AlertPreference, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """The end of the quiet hours that `now` lies in; None outside of them."""
    start, end = pref.quiet_from, pref.quiet_until
    if start is None or end is None or start == end:
        return None
    today = now.astimezone(zone).date()
    over_midnight = DAY if end < start else timedelta()
    for day in (today - DAY, today):
        begins = _instant(day, start, zone)
        last = day + over_midnight
        ends = max(_instant(last, end, zone), _instant(last, end, zone, fold=1))
        if begins <= now < ends:
            return ends
    return None


def next_daily(pref: AlertPreference, zone: ZoneInfo, since: datetime) -> datetime:
    """The first daily mail at `since` or after it."""
    day = since.astimezone(zone).date()
    at = _instant(day, pref.digest_at, zone)
    return at if at >= since else _instant(day + DAY, pref.digest_at, zone)


def hold_until(
    alert: Alert,
    pref: AlertPreference,
    zone: ZoneInfo,
    now: datetime,
    *,
    last_daily: datetime | None = None,
) -> datetime | None:
    """Not to be mailed before this; None: now.

    last_daily: when this person's last daily mail left; there is one a day.
    """
    if is_daily(alert, pref):
        since = alert.created_at
        if last_daily and last_daily > since - DAY:
            # Not in the minute of the last one, which would be the same day's again.
            since = max(since, last_daily + timedelta(minutes=1))
        until = next_daily(pref, zone, since)
    else:
        until = quiet_until(pref, zone, now) or now
    if until <= now:
        return None
    if alert.kind == Alert.Kind.NOTICE:
        ends = alert.incident.ends_at
        return None if ends and ends <= until + TIME_TO_ACT else until
    first = alert.incident.first_due_at
    broke = alert.kind in (Alert.Kind.OPENED, Alert.Kind.ESCALATED)
    if broke and pref.urgent_breaks_quiet and first and first <= until + TIME_TO_ACT:
        return None
    return until


def is_daily(alert: Alert, pref: AlertPreference) -> bool:
    """It comes with the daily mail. What ends in days, or holds no post up, is never so
    urgent as to ring."""
    calm = (Alert.Kind.NOTICE, Alert.Kind.STANDBY)
    return pref.mail == Mail.DIGEST or alert.kind in calm
