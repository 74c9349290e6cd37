"""Nights lived through in steps of ten minutes: what a reader finds in the morning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.models import Credential, Profile
from monitoring import tasks
from monitoring.models import Alert, AlertPreference, Incident
from publishing.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]

BERLIN = ZoneInfo("Europe/Berlin")
STEP = timedelta(minutes=10)
NIGHT = {"quiet_from": time(22), "quiet_until": time(7)}


def at(day: int, clock: str) -> datetime:
    return datetime.combine(datetime(2026, 12, day), time.fromisoformat(clock), BERLIN)


def live(
    start: datetime,
    end: datetime,
    happens: Mapping[datetime, Callable[[], None]] | None = None,
) -> dict[str, list[str]]:
    """The jobs of the monitor cluster as their schedules run them; the subjects of the
    mails by the hour and minute at which they left."""
    todo, told, now = dict(happens or {}), dict[str, list[str]](), start
    with time_machine.travel(start, tick=False) as clock:
        while now <= end:
            clock.move_to(now)
            for moment in sorted(when for when in todo if when <= now):
                todo.pop(moment)()
            before = len(mail.outbox)
            tasks.tell_ends()
            tasks.review_incidents()
            for message in mail.outbox[before:]:
                told.setdefault(f"{now.astimezone(BERLIN):%H:%M}", []).append(
                    f"{message.to[0]}: {message.subject}"
                )
            now += STEP
    return told


@pytest.fixture
def account(make_account: Any, author: Any) -> Any:
    Profile.objects.create(user=author, time_zone="Europe/Berlin")
    AlertPreference.objects.create(user=author, **NIGHT)
    return make_account("scripted", "a", name="Acme Tools")


@pytest.fixture
def plan(make_delivery: Any) -> Callable[[Any, datetime], None]:
    def plan(account: Any, due_at: datetime) -> None:
        row = make_delivery(account)
        Delivery.objects.filter(pk=row.pk).update(due_at=due_at)

    return plan


def lose(account: Any) -> None:
    Credential.objects.filter(pk=account.credential_id).update(
        state="broken", cause="token_revoked", broken_at=timezone.now()
    )


def mend(account: Any) -> None:
    Credential.objects.filter(pk=account.credential_id).update(state="active", cause="")


def test_what_comes_and_goes_in_the_night_wakes_nobody_and_is_no_news(
    account: Any, plan: Any
) -> None:
    plan(account, at(2, "10:00"))
    told = live(
        at(1, "21:30"),
        at(2, "12:00"),
        {
            at(1, "23:10"): lambda: lose(account),
            at(2, "04:40"): lambda: mend(account),
        },
    )
    assert told == {}
    assert not Alert.objects.exists()
    assert Incident.objects.get().state == "resolved"


def test_what_lasts_is_one_mail_in_the_morning_that_names_the_first_post(
    account: Any, plan: Any
) -> None:
    told = live(
        at(1, "21:30"),
        at(2, "12:00"),
        {
            at(1, "23:10"): lambda: lose(account),
            # Planned while it was lost already.
            at(2, "01:00"): lambda: plan(account, at(2, "14:00")),
            at(2, "05:00"): lambda: plan(account, at(2, "09:30")),
        },
    )
    subject = "ana@example.com: Acme Tools (Scripted): Access was withdrawn"
    assert told == {"07:00": [subject]}
    (sent,) = mail.outbox
    for part in (sent.body, sent.alternatives[0][0]):
        assert "2 posts" in part
        assert "9:30" in part
    assert sent.body.count("Reconnect: http") == 1


def test_what_breaks_again_before_the_morning_is_one_mail(
    account: Any, plan: Any
) -> None:
    plan(account, at(2, "10:00"))
    told = live(
        at(1, "21:30"),
        at(2, "12:00"),
        {
            at(1, "23:10"): lambda: lose(account),
            at(2, "02:00"): lambda: mend(account),
            at(2, "05:00"): lambda: lose(account),
        },
    )
    assert [*told] == ["07:00"]
    assert len(mail.outbox) == 1
    assert Incident.objects.count() == 2


def test_who_was_told_at_once_hears_that_it_is_solved_and_who_slept_hears_nothing(
    account: Any, brand: Any, django_user_model: Any
) -> None:
    awake = django_user_model.objects.create_user("mia", "mia@example.com")
    brand.members.add(awake)
    account.deputy, account.owner = account.owner, awake
    account.save()
    told = live(
        at(1, "21:30"),
        at(2, "12:00"),
        {
            at(1, "23:10"): lambda: lose(account),
            at(2, "00:40"): lambda: mend(account),
        },
    )
    assert told == {
        "23:10": ["mia@example.com: Acme Tools (Scripted): Access was withdrawn"],
        "00:40": ["mia@example.com: Solved: Acme Tools (Scripted)"],
    }


def test_a_post_before_the_morning_is_worth_a_night_s_mail(
    account: Any, plan: Any
) -> None:
    """Nobody could act any more if it came at seven."""
    plan(account, at(2, "06:30"))
    told = live(at(1, "21:30"), at(2, "12:00"), {at(1, "23:10"): lambda: lose(account)})
    assert [*told] == ["23:10"]
    assert len(mail.outbox) == 1


def test_the_daily_mail_of_a_night_tells_what_lasts_and_does_not_repeat_it(
    account: Any, make_account: Any, author: Any, plan: Any
) -> None:
    AlertPreference.objects.update(mail="digest", digest_at=time(8))
    beta = make_account("scripted", "b", name="Beta Tools")
    gamma = make_account("scripted", "c", name="Gamma Tools")
    plan(beta, at(2, "18:00"))
    told = live(
        at(1, "21:30"),
        at(3, "12:00"),
        {
            at(1, "23:10"): lambda: lose(account),
            at(2, "01:10"): lambda: lose(beta),
            at(2, "02:10"): lambda: lose(gamma),
            at(2, "04:40"): lambda: mend(account),
            # After the mail: solved is told with the next one.
            at(2, "15:00"): lambda: mend(gamma),
        },
    )
    first, second = mail.outbox
    assert [*told] == ["08:00"]
    assert len(told["08:00"]) == 2
    assert "Acme Tools" not in first.body
    assert "Beta Tools" in first.body
    assert "Gamma Tools" in first.body
    assert "Solved: Gamma Tools" in second.body + second.subject
    assert "Beta Tools" not in second.body


def test_an_end_that_is_announced_in_quiet_hours_comes_with_the_morning(
    account: Any,
) -> None:
    """Notices come with the daily mail, by the reader's own clock."""
    AlertPreference.objects.update(digest_at=time(9))
    Credential.objects.update(
        expires_at=at(15, "23:30"), issued_at=at(1, "12:00") - timedelta(days=50)
    )
    told = live(at(1, "00:00"), at(2, "12:00"))
    assert told == {
        "09:00": ["ana@example.com: Access ends in 14 days: Acme Tools (Scripted)"]
    }
