"""Quiet hours and daily mails by the person's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitoring import quiet
from monitoring.models import Alert, AlertPreference, Incident

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def pref(start: str = "", end: str = "", **fields: object) -> AlertPreference:
    return AlertPreference(
        quiet_from=time.fromisoformat(start) if start else None,
        quiet_until=time.fromisoformat(end) if end else None,
        **fields,
    )


@pytest.mark.parametrize(
    ("start", "end", "now", "until"),
    [
        # Berlin is an hour ahead in November.
        ("22:00", "07:00", "2026-11-28 20:59", None),
        ("22:00", "07:00", "2026-11-28 21:00", "2026-11-29 06:00"),
        ("22:00", "07:00", "2026-11-28 23:30", "2026-11-29 06:00"),
        ("22:00", "07:00", "2026-11-29 05:59", "2026-11-29 06:00"),
        ("22:00", "07:00", "2026-11-29 06:00", None),
        ("12:00", "13:00", "2026-11-28 11:30", "2026-11-28 12:00"),
        ("12:00", "13:00", "2026-11-28 23:30", None),
        # The night of 25 October 2026 has an hour more: 07:00 is 06:00 UTC, not 05:00.
        ("22:00", "07:00", "2026-10-24 21:00", "2026-10-25 06:00"),
        ("22:00", "07:00", "2026-10-25 05:30", "2026-10-25 06:00"),
        # The hour that the clock shows twice is quiet both times.
        ("22:00", "02:30", "2026-10-25 00:45", "2026-10-25 01:30"),
        ("22:00", "02:30", "2026-10-25 01:15", "2026-10-25 01:30"),
        # On 28 March 2027 there is no 02:30: it is as long after the last hour.
        ("22:00", "02:30", "2027-03-28 00:59", "2027-03-28 01:30"),
        ("22:00", "07:00", "2027-03-28 01:00", "2027-03-28 05:00"),
        ("", "", "2026-11-28 23:30", None),
    ],
)
def test_quiet_hours_end_by_the_readers_clock(
    start: str, end: str, now: str, until: str | None
) -> None:
    found = quiet.quiet_until(pref(start, end), BERLIN, at(now))
    assert found == (at(until) if until else None)


def alert(kind: str = "opened", **incident: object) -> Alert:
    return Alert(
        incident=Incident(kind="access", **incident),
        kind=kind,
        created_at=at("2026-11-28 22:00"),
    )


NIGHT = at("2026-11-28 22:00")
MORNING = at("2026-11-29 06:00")
DAILY = at("2026-11-29 07:00")  # 08:00 in Berlin


@pytest.mark.parametrize(
    ("fields", "kind", "due", "until"),
    [
        ({}, "opened", None, None),
        ({"start": "22:00", "end": "07:00"}, "opened", None, MORNING),
        # A post at 6 and nobody told before 7: rather wake somebody.
        ({"start": "22:00", "end": "07:00"}, "opened", at("2026-11-29 05:00"), None),
        ({"start": "22:00", "end": "07:00"}, "opened", at("2026-11-29 06:59"), None),
        ({"start": "22:00", "end": "07:00"}, "opened", at("2026-11-29 09:00"), MORNING),
        (
            {"start": "22:00", "end": "07:00", "urgent_breaks_quiet": False},
            "escalated",
            at("2026-11-29 05:00"),
            MORNING,
        ),
        (
            {"start": "22:00", "end": "07:00"},
            "resolved",
            at("2026-11-29 05:00"),
            MORNING,
        ),
        ({"mail": "digest"}, "opened", None, DAILY),
        ({"mail": "digest"}, "opened", at("2026-11-29 07:30"), None),
        ({"mail": "digest"}, "resolved", None, DAILY),
        # What ends in days comes with the daily mail.
        ({}, "notice", None, DAILY),
    ],
)
def test_when_a_mail_leaves(
    fields: dict[str, object], kind: str, due: datetime | None, until: datetime | None
) -> None:
    wish = pref(**fields)  # type: ignore[arg-type]
    found = quiet.hold_until(alert(kind, first_due_at=due), wish, BERLIN, NIGHT)
    assert found == until


def test_a_notice_does_not_wait_for_a_daily_mail_after_the_end() -> None:
    ends = at("2026-11-29 07:30")
    held = quiet.hold_until(alert("notice", ends_at=ends), pref(), BERLIN, NIGHT)
    assert held is None


def test_there_is_one_daily_mail_a_day() -> None:
    noon = at("2026-11-29 11:00")
    late = alert("notice", ends_at=at("2026-12-05 07:30"))
    late.created_at = at("2026-11-29 06:00")
    sent = DAILY + timedelta(seconds=20)
    held = quiet.hold_until(late, pref(), BERLIN, noon, last_daily=sent)
    assert held == DAILY + timedelta(days=1)
