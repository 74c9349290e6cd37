"""One incident per cause, one mail per person, closed by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Credential
from monitoring import incidents, tasks
from monitoring.models import Alert, CheckResult, Incident
from platforms.base import Ability, Proof, Verdict
from platforms.errors import AuthRevoked, Cause, PlatformDown

FINE = Verdict(True)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(script, make_account):
    return make_account("scripted", "me")


def test_a_dead_token_mails_the_owner_once(account, make_delivery, script):
    make_delivery(account, due_in=timedelta(hours=3))
    script.answers["prove"] = [AuthRevoked()]
    for _ in range(3):
        tasks.check_credential(account.credential_id)
    tasks.review_incidents()
    (sent,) = mail.outbox
    assert sent.to == ["ana@example.com"]
    assert "Acme Tools" in sent.subject
    assert "Reconnect" in sent.body
    assert "1 post waits" in sent.body
    assert f"/accounts/{account.pk}/reconnect/" in sent.body
    assert Incident.objects.count() == 1


@pytest.fixture
def fellows(account, make_account):
    """Three others of the same app, who were looked at before."""
    fellows = [make_account("scripted", name, name=name) for name in ("b", "c", "d")]
    before = timezone.now() - timedelta(minutes=10)
    Credential.objects.update(looked_at=before, proven_at=before)
    return [fellow.credential for fellow in fellows]


def find_withdrawn(credential):
    now = timezone.now()
    Credential.objects.filter(pk=credential.pk).update(
        state="broken", cause=Cause.TOKEN_REVOKED, broken_at=now, looked_at=now
    )


def test_what_may_be_the_app_is_mailed_once_others_of_it_were_asked(account, fellows):
    """Some networks answer a suspended app as they answer a withdrawn access."""
    find_withdrawn(account.credential)
    incidents.review()
    assert Incident.objects.open().count() == 1
    assert mail.outbox == []
    now = timezone.now()
    fellows[0].looked_at = fellows[0].proven_at = now
    fellows[0].save()
    incidents.review()
    (sent,) = mail.outbox
    assert "Acme Tools" in sent.subject
    incidents.review()
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(("due_in_h", "minutes"), [(24, 5), (1, 1)])
def test_that_mail_does_not_wait_for_others_who_are_never_asked(
    account, fellows, make_delivery, due_in_h, minutes
):
    make_delivery(account, due_in=timedelta(hours=due_in_h))
    find_withdrawn(account.credential)
    now = timezone.now()
    for at in (now, now + timedelta(minutes=minutes - 0.5)):
        incidents.review(at)
        assert mail.outbox == []
    incidents.review(now + timedelta(minutes=minutes, seconds=5))
    (sent,) = mail.outbox
    assert "Acme Tools" in sent.subject


def test_a_cause_that_no_app_has_waits_for_nobody(account, fellows):
    find_withdrawn(account.credential)
    Credential.objects.filter(state="broken").update(cause=Cause.PASSWORD_CHANGED)
    incidents.review()
    assert len(mail.outbox) == 1


def test_what_no_sign_in_mends_leads_to_the_account(account, script, client, author):
    script.answers["prove"] = [AuthRevoked(cause=Cause.ACCOUNT_LOCKED)]
    tasks.check_credential(account.credential_id)
    tasks.review_incidents()
    (sent,) = mail.outbox
    link = account.get_absolute_url()
    assert f"Open the account: {settings.SITE_URL}{link}" in sent.body
    client.force_login(author)
    page = client.get(Incident.objects.get().get_absolute_url()).content.decode()
    assert f'sh-btn--primary" href="{link}">Open the account' in page
    assert "Reconnect" not in page.partition("<main")[2]


def test_two_accounts_of_one_login_are_one_incident_and_one_mail(
    account, make_account, script
):
    page = make_account("scripted", "page", name="Acme Page")
    page.credential = account.credential
    page.save()
    Credential.objects.exclude(pk=account.credential_id).delete()
    script.answers["prove"] = [AuthRevoked()]
    tasks.check_credential(account.credential_id)
    assert Incident.objects.open().count() == 1
    (sent,) = mail.outbox
    assert "Acme Page" in sent.body


def test_an_incident_closes_by_itself_when_access_is_back(account, script):
    account.credential.break_for(AuthRevoked())
    incidents.review()
    assert Incident.objects.open().count() == 1
    tasks.check_credential(account.credential_id)
    assert Incident.objects.open().count() == 0
    account.credential.refresh_from_db()
    account.credential.break_for(AuthRevoked())
    incidents.review()
    assert Incident.objects.count() == 2, "a second death is a new incident"


def test_network_trouble_alerts_nobody(account, script):
    script.answers["prove"] = [PlatformDown()]
    tasks.check_credential(account.credential_id)
    assert (Incident.objects.count(), len(mail.outbox)) == (0, 0)
    assert CheckResult.objects.get().verdict == "unknown"


def test_a_mail_server_that_refuses_is_tried_again(account, monkeypatch):
    account.credential.break_for(AuthRevoked())

    def refuse(*args):
        raise ConnectionRefusedError("no mail server")

    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", refuse)
        incidents.review()
    alert = Alert.objects.get()
    assert alert.sent_at is None
    assert "ConnectionRefusedError" in alert.error
    incidents.review()
    assert mail.outbox == [], "not again at once"
    incidents.review(timezone.now() + timedelta(minutes=2))
    assert len(mail.outbox) == 1


def test_an_account_without_an_owner_tells_who_connected_it(account, author):
    account.owner = None
    account.save()
    account.credential.break_for(AuthRevoked())
    incidents.review()
    assert mail.outbox[0].to == [author.email]


def test_disconnected_accounts_alert_nobody(account):
    account.disconnected_at = timezone.now()
    account.save()
    account.credential.break_for(AuthRevoked())
    incidents.review()
    assert mail.outbox == []


def test_due_credentials_are_checked_each_once(account, make_account, script):
    make_account("scripted", "two")
    Credential.objects.update(next_proof_at=timezone.now() - timedelta(hours=1))
    tasks.check_credentials()
    tasks.check_credentials()
    assert script.asked == ["prove", "prove"]


def test_one_odd_server_does_not_stop_the_other_checks(account, make_account, script):
    make_account("scripted", "two")
    Credential.objects.update(next_proof_at=timezone.now() - timedelta(hours=1))
    script.answers["prove"] = [RuntimeError("odd"), Proof({Ability.PUBLISH: FINE})]
    tasks.check_credentials()
    verdicts = CheckResult.objects.values_list("verdict", flat=True)
    assert sorted(verdicts) == ["proven", "unknown"]


def test_check_now_is_refused_to_strangers(account, client, django_user_model):
    stranger = django_user_model.objects.create_user("eve", password="x")
    client.force_login(stranger)
    url = f"/health/accounts/{account.pk}/check/"
    assert client.post(url).status_code == 404
    assert client.get(url).status_code == 405


@pytest.mark.parametrize(
    ("minutes", "more"),
    [
        # Whether others of the app were asked.
        (0, 16),
        (6, 12),
    ],
)
def test_a_review_that_finds_nothing_new_costs_the_same_however_much_is_broken(
    script, make_account, minutes, more
):
    later = timezone.now() + timedelta(minutes=minutes)

    def review() -> int:
        incidents.review()
        incidents.review(later)
        with CaptureQueriesContext(connection) as seen:
            incidents.review(later)
        return len(seen)

    calm = review()
    spent = set()
    for number in range(4):
        make_account("scripted", f"who{number}").credential.break_for(AuthRevoked())
        spent.add(review())
    assert len(spent) == 1
    assert max(spent) <= calm + more
