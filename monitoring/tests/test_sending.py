"""Each message leaves once, when its reader wants it, in a form that programs know."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.utils import timezone
from django.utils.translation import get_language

from accounts.models import AuditEvent, Credential, Profile
from monitoring import incidents, sending
from monitoring.models import Alert, AlertPreference, Incident

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]

EVENING = datetime(2026, 12, 1, 22, 0, tzinfo=UTC)


@pytest.fixture
def broken(make_account: Any) -> Any:
    account = make_account("scripted", "a")
    _break(account)
    return account


def _break(account: Any) -> None:
    Credential.objects.filter(pk=account.credential_id).update(
        state="broken", cause="token_revoked", broken_at=timezone.now()
    )


def mend() -> None:
    Credential.objects.update(state="active", cause="")


def wants(person: Any, **fields: Any) -> None:
    AlertPreference.objects.update_or_create(user=person, defaults=fields)


def test_a_mail_tells_programs_what_it_is(broken: Any) -> None:
    incidents.review()
    (sent,) = mail.outbox
    message = sent.message()
    alert = Alert.objects.get()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "SocialHub <alerts.testserver>"
    assert message["Message-ID"] == f"<{alert.event_id}@testserver>"
    assert "/health/me/" in message["List-Unsubscribe"]
    text, html = sent.body, sent.alternatives[0][0]
    for words in ("Access was withdrawn", "Acme Tools (Scripted, Acme)"):
        assert words in text + sent.subject
        assert words in html


def test_a_mail_names_the_permission_that_is_missing(make_account: Any) -> None:
    make_account("x", scopes=["tweet.read", "users.read"], trouble="scope_missing")
    incidents.review()
    (sent,) = mail.outbox
    for part in (sent.body, sent.alternatives[0][0]):
        assert "tweet.write (create and delete posts)" in part


def test_a_mail_is_written_in_its_readers_language(broken: Any, author: Any) -> None:
    Profile.objects.create(user=author, language="de")
    incidents.review()
    (sent,) = mail.outbox
    html = sent.alternatives[0][0]
    assert "Der Zugang wurde entzogen" in sent.subject
    assert "Neu verbinden" in sent.body
    assert '<html lang="de">' in html
    assert get_language() == "en"


def test_names_of_accounts_are_no_markup_in_a_mail(broken: Any) -> None:
    broken.name = "<b>Acme</b>\nBcc: x@example.com"
    broken.save()
    incidents.review()
    (sent,) = mail.outbox
    assert "\n" not in sent.subject
    assert "<b>Acme" in sent.body
    assert "<b>Acme" not in sent.alternatives[0][0]


def test_quiet_hours_hold_a_mail_and_not_the_page(broken: Any, author: Any) -> None:
    wants(author, quiet_from=time(21), quiet_until=time(7))
    incidents.review(EVENING)
    alert = Alert.objects.get()
    assert mail.outbox == []
    assert alert.send_after == datetime(2026, 12, 2, 7, 0, tzinfo=UTC)
    assert Alert.objects.unread_by(author).count() == 1
    incidents.review(EVENING + timedelta(hours=9))
    assert len(mail.outbox) == 1


def test_a_post_that_is_planned_later_wakes_the_reader(
    broken: Any, author: Any, make_delivery: Any
) -> None:
    wants(author, quiet_from=time(21), quiet_until=time(7))
    incidents.review(EVENING)
    late = make_delivery(broken)
    type(late).objects.update(due_at=EVENING + timedelta(hours=5))
    incidents.review(EVENING + timedelta(minutes=1))
    assert len(mail.outbox) == 1


def test_what_is_solved_before_the_quiet_hours_end_is_not_mailed(
    broken: Any, author: Any
) -> None:
    wants(author, quiet_from=time(21), quiet_until=time(7))
    incidents.review(EVENING)
    mend()
    for hours in (1, 2, 10):
        incidents.review(EVENING + timedelta(hours=hours))
    assert mail.outbox == []
    assert not Alert.objects.exists()


def test_who_has_left_while_a_message_waits_is_not_mailed(
    broken: Any, author: Any
) -> None:
    wants(author, quiet_from=time(21), quiet_until=time(7))
    incidents.review(EVENING)
    type(author).objects.update(is_active=False)
    incidents.review(EVENING + timedelta(hours=9))
    assert mail.outbox == []
    assert not Alert.objects.exists()


def test_who_has_left_does_not_read_that_it_is_solved(broken: Any, author: Any) -> None:
    incidents.review()
    type(author).objects.update(is_active=False)
    mend()
    incidents.review()
    assert len(mail.outbox) == 1


def test_a_digest_is_one_mail_of_all(
    broken: Any, author: Any, make_account: Any
) -> None:
    wants(author, mail="digest", digest_at=time(8))
    _break(make_account("scripted", "b", name="Beta"))
    incidents.review(EVENING)
    assert mail.outbox == []
    incidents.review(EVENING + timedelta(hours=10, minutes=1))
    (sent,) = mail.outbox
    assert "Acme Tools" in sent.body
    assert "Beta" in sent.body
    assert sent.body.count("Reconnect: http") == 2


def test_who_wants_no_mail_has_it_on_the_pages(broken: Any, author: Any) -> None:
    wants(author, mail="never")
    incidents.review()
    assert mail.outbox == []
    alert = Alert.objects.get()
    assert alert.sent_at
    assert not alert.left
    assert alert.subject == "Acme Tools (Scripted): Access was withdrawn"
    mend()
    incidents.review()
    assert set(Alert.objects.values_list("kind", flat=True)) == {"opened", "resolved"}


def test_a_person_without_an_address_has_it_on_the_pages(
    broken: Any, author: Any
) -> None:
    author.email = ""
    author.save()
    incidents.review()
    assert (mail.outbox, Alert.objects.get().left) == ([], False)


def test_one_message_that_cannot_be_made_does_not_hold_up_the_others(
    broken: Any, make_account: Any, monkeypatch: Any
) -> None:
    _break(make_account("scripted", "b", name="Beta"))
    send = EmailMultiAlternatives.send

    def odd(self: Any, *args: Any) -> Any:
        if "Beta" in self.subject:
            raise ValueError("odd")
        return send(self, *args)

    monkeypatch.setattr(EmailMultiAlternatives, "send", odd)
    incidents.review()
    assert [m.subject.partition(":")[0] for m in mail.outbox] == [
        "Acme Tools (Scripted)"
    ]
    failed = Alert.objects.get(sent_at=None)
    assert (failed.tries, failed.error) == (1, "ValueError")


def test_a_mail_server_that_is_away_is_not_asked_for_each_message(
    make_account: Any, monkeypatch: Any
) -> None:
    for number in range(6):
        _break(make_account("scripted", f"a{number}"))
    asked: list[int] = []

    def refuse(self: Any, *args: Any) -> None:
        asked.append(1)
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", refuse)
        incidents.review()
    assert len(asked) == sending.REFUSALS
    incidents.review(timezone.now() + timedelta(minutes=3))
    assert len(mail.outbox) == 6


def test_what_a_dead_worker_took_is_sent_by_another(broken: Any) -> None:
    now = timezone.now()
    incident = Incident.objects.create(
        dedup_key=f"access:{broken.credential_id}", kind="access", cause="token_revoked"
    )
    incident.accounts.add(broken)
    alert = Alert.objects.create(incident=incident, user=broken.owner)
    assert alert.take(now)
    incidents.review(now + timedelta(minutes=1))
    assert mail.outbox == []
    incidents.review(now + Alert.LEASE + timedelta(seconds=1))
    assert len(mail.outbox) == 1


def test_an_alert_is_taken_once(broken: Any) -> None:
    incident = Incident.objects.create(dedup_key="x", kind="access", cause="y")
    one = Alert.objects.create(incident=incident, user=broken.owner)
    other = Alert.objects.get()
    assert one.take(timezone.now())
    assert not other.take(timezone.now())


def test_a_standby_that_took_over_is_told_once_for_all_its_accounts(
    make_tree: Any, author: Any
) -> None:
    tree = make_tree(pages=3)
    other = Credential.objects.create(app=tree.root.app, subject_name="Eve")
    formers = {page.pk: page.credential_id for page in tree.pages}
    tree.kill_all()
    for page in tree.pages:
        page.credential, page.standby = other, page.credential
        page.save()
        AuditEvent.write(
            None,
            "standby_took_over",
            page,
            **{"from": formers[page.pk], "to": other.pk, "cause": "password_changed"},
        )
    for minutes in range(3):
        incidents.review(timezone.now() + timedelta(minutes=minutes))
    (sent,) = mail.outbox
    assert "standby access took over" in sent.subject
    assert "Page 2" in sent.body
    tree.mend()
    incidents.review(timezone.now() + timedelta(minutes=5))
    incidents.review(timezone.now() + timedelta(minutes=6))
    assert len(mail.outbox) == 1
    assert not Incident.objects.open().exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_one_mail(broken: Any) -> None:
    start = threading.Barrier(2)
    faults: list[Exception] = []

    def work() -> None:
        try:
            start.wait(20)
            incidents.review()
        except Exception as exc:
            faults.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    incidents.review()
    assert faults == []
    assert (Incident.objects.count(), len(mail.outbox)) == (1, 1)
