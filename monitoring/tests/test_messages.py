"""Messages about posts, by mail when their reader wants to be mailed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail

from accounts.models import Profile
from monitoring import messages
from monitoring.models import AlertPreference, Message

pytestmark = pytest.mark.django_db

#: half past ten in Berlin
NIGHT = datetime(2026, 12, 1, 21, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def reader(author: Any) -> Any:
    Profile.objects.create(user=author, time_zone="Europe/Berlin")
    AlertPreference.objects.create(
        user=author, quiet_from=time(22), quiet_until=time(7), digest_at=time(9)
    )
    return author


@pytest.fixture
def message(reader: Any) -> Message:
    return Message.objects.create(
        user=reader, key="k", subject="Hello", link="/", created_at=NIGHT
    )


def subjects(now: datetime) -> list[str]:
    del mail.outbox[:]
    messages.send(now)
    return [one.subject for one in mail.outbox]


def test_a_message_of_the_night_comes_in_the_morning(message: Message) -> None:
    assert subjects(NIGHT) == []
    assert subjects(NIGHT + 8 * HOUR) == []
    assert subjects(NIGHT + 9 * HOUR) == ["Hello"]
    assert subjects(NIGHT + 10 * HOUR) == []


def test_what_waits_for_the_morning_follows_its_reader_into_another_zone(
    message: Message, reader: Any
) -> None:
    assert subjects(NIGHT) == []
    Profile.objects.update(time_zone="America/New_York")  # afternoon
    assert subjects(NIGHT + MINUTE) == ["Hello"]


def test_what_waits_for_the_daily_mail_follows_its_reader_into_another_zone(
    message: Message, reader: Any
) -> None:
    AlertPreference.objects.update(mail=AlertPreference.Mail.DIGEST)
    assert subjects(NIGHT) == []
    Profile.objects.update(time_zone="Asia/Tokyo")  # half past six in the morning
    assert subjects(NIGHT + 2 * HOUR) == []
    assert subjects(NIGHT + 3 * HOUR) == ["Hello"]


def test_what_waits_for_the_daily_mail_leaves_when_its_reader_wants_it_at_once(
    message: Message, reader: Any
) -> None:
    AlertPreference.objects.update(mail=AlertPreference.Mail.DIGEST, quiet_from=None)
    assert subjects(NIGHT) == []
    AlertPreference.objects.update(mail=AlertPreference.Mail.AT_ONCE)
    assert subjects(NIGHT + MINUTE) == ["Hello"]


def test_what_waits_holds_up_nothing_that_is_due(
    message: Message, django_user_model: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(messages, "MOST", 1)
    other = django_user_model.objects.create_user("eva", "eva@example.com")
    Message.objects.create(
        user=other, key="k", subject="Now", link="/", created_at=NIGHT + MINUTE
    )
    assert subjects(NIGHT + 2 * MINUTE) == ["Now"]


def test_a_refused_mail_waits_before_it_is_tried_again(
    message: Message, monkeypatch: Any
) -> None:
    morning = NIGHT + 10 * HOUR

    def refuse(self: Any) -> int:
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", refuse)
        assert subjects(morning) == []
    assert subjects(morning + MINUTE) == []
    assert subjects(morning + messages.AGAIN_AFTER) == ["Hello"]
