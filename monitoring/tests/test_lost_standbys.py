"""A standby access that ends by itself is told without haste, before it is needed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.models import ConnectedAccount, Credential
from monitoring import incidents, telling
from monitoring.models import Alert, AlertPreference, Incident
from platforms.base import Ability, Proof, Verdict
from platforms.errors import AuthRevoked, Cause

pytestmark = pytest.mark.django_db
LOST = Incident.Kind.STANDBY_LOST
PASSWORD = AuthRevoked(cause=Cause.PASSWORD_CHANGED)


@pytest.fixture
def backed(script, make_account):
    """An account with Ben's access standing by."""
    account = make_account("scripted", "me", name="Acme Tools")
    now = timezone.now()
    account.standby = Credential.objects.create(
        app=account.credential.app,
        subject_id="ben",
        subject_name="Ben Okafor",
        access_token="of-ben",
        issued_at=now - timedelta(days=1),
        next_proof_at=now + timedelta(days=1),
    )
    account.save()
    return account


def review_until_settled() -> None:
    incidents.review()
    incidents.review(timezone.now() + telling.SETTLE)


def test_it_is_one_incident_and_one_daily_message_and_closes_by_itself(backed, author):
    AlertPreference.objects.create(user=author, digest_at="12:00")
    backed.standby.break_for(PASSWORD)
    incidents.review()
    assert not Alert.objects.exists(), "what hangs together is looked at first"
    review_until_settled()
    incidents.review(timezone.now() + timedelta(days=1, minutes=10))
    (message,) = mail.outbox
    assert (
        message.subject == "The standby access of Acme Tools (Scripted) no longer works"
    )
    assert "Ben Okafor" in message.body
    assert "/standby/" in message.body
    incident = Incident.objects.get()
    assert (incident.kind, incident.state, incident.level) == (LOST, "open", 0)
    incidents.review(timezone.now() + timedelta(days=9))
    assert (len(mail.outbox), Incident.objects.get().level) == (1, 0), "no escalation"
    backed.standby.take_proof(Proof({Ability.PUBLISH: Verdict(True)}), timezone.now())
    backed.standby.save()
    incidents.review()
    assert Incident.objects.get().state == "resolved"


def test_the_former_access_that_stands_by_since_it_gave_way_is_told_once(backed):
    backed.credential.break_for(PASSWORD)
    assert backed.take_standby()
    review_until_settled()
    kinds = Incident.objects.values_list("kind", flat=True)
    assert list(kinds) == [Incident.Kind.STANDBY]
    former = ConnectedAccount.objects.get().standby
    assert former is not None
    former.mend(timezone.now())
    former.save()
    former.break_for(PASSWORD)
    review_until_settled()
    assert Incident.objects.filter(kind=LOST).count() == 1, "it came back, and broke"


def test_one_person_who_stood_by_for_many_is_one_incident(backed, make_account):
    for number in range(3):
        other = make_account("scripted", f"page{number}")
        other.standby = backed.standby
        other.save()
    backed.standby.break_for(PASSWORD)
    review_until_settled()
    incident = Incident.objects.get()
    assert incident.accounts.count() == incident.account_count == 4
    assert Alert.objects.get().kind == Alert.Kind.STANDBY


@pytest.mark.parametrize("how", ["lives", "removed", "our app", "disconnected"])
def test_nothing_is_told_where_nobody_has_to_connect_a_standby(backed, how):
    if how != "lives":
        backed.standby.break_for(PASSWORD)
    if how == "our app":
        Credential.objects.filter(pk=backed.standby_id).update(cause=Cause.APP_GONE)
    elif how == "removed":
        ConnectedAccount.objects.update(standby=None)
    elif how == "disconnected":
        ConnectedAccount.objects.update(disconnected_at=timezone.now())
    review_until_settled()
    assert not Incident.objects.filter(kind=LOST).exists()


def test_its_page_offers_the_standby_anew_and_no_other_way(backed, author, client):
    backed.standby.break_for(PASSWORD)
    incidents.review()
    client.force_login(author)
    page = client.get(reverse("incident_list") + "?tab=ends").content.decode()
    assert reverse("account_standby", args=[backed.pk]) in page
    assert reverse("account_reconnect", args=[backed.pk]) not in page
    assert "no post waits" not in page
    detail = client.get(Incident.objects.get().get_absolute_url()).content.decode()
    assert "publishing has no second way" in detail
