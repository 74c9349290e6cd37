"""A platform's trouble is one incident, mails nobody in vain, and closes by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import breakers
from accounts.breakers import Caller, Heard
from accounts.models import CircuitBreaker
from accounts.roles import ADMIN
from monitoring import incidents, telling
from monitoring.models import Incident
from platforms.errors import Cause, PlatformDown, PlatformError, RateLimited, Reach

pytestmark = pytest.mark.django_db
CREDITS = RateLimited(cause=Cause.CREDITS_USED_UP, reach=Reach.APP)


@pytest.fixture(autouse=True)
def _nothing_heard_yet() -> None:
    breakers.lately.seen.clear()


@pytest.fixture
def account(make_account: Any) -> Any:
    return make_account("x")


@pytest.fixture
def admin() -> User:
    user = User.objects.create_user("ada", "ada@example.com", "pw")
    user.groups.add(Group.objects.get(name=ADMIN))
    return user


def fail(account: Any, error: PlatformError, *tokens: int) -> None:
    now = timezone.now()
    app = account.credential.app_id
    told = [Heard(Caller("x", "live", app, token), error, now) for token in tokens]
    breakers.hear(told, now)
    incidents.review()


def mend() -> None:
    """The trial goes out and through."""
    CircuitBreaker.objects.update(retry_at=timezone.now())
    who = Caller("x", "live", 0, 0)
    for row in CircuitBreaker.objects.all():
        if row.scope == "app":
            who = Caller("x", "live", row.subject_id, 0)
    now = timezone.now()
    (admission,) = breakers.admit([(1, who, False)], now).values()
    breakers.hear([Heard(who, None, now, admission.trials)], now)
    incidents.review()


def test_an_outage_is_one_incident_that_mails_nobody_and_closes_by_itself(account):
    fail(account, PlatformDown(), 101, 102, 103)
    incidents.review()
    incident = Incident.objects.get()
    assert incident.kind == "breaker"
    assert incident.credential is None
    mend()
    incident.refresh_from_db()
    assert incident.state == Incident.State.RESOLVED
    assert mail.outbox == []


def test_an_outage_that_nobody_could_try_again_is_not_open_for_ever(account):
    fail(account, PlatformDown(), 101, 102, 103)
    CircuitBreaker.objects.update(retry_at=timezone.now() - timedelta(hours=2))
    incidents.review()
    assert not Incident.objects.open().exists()


def test_a_paused_token_is_no_incident(account):
    token = account.credential_id
    fail(account, RateLimited(), token, token)
    assert CircuitBreaker.objects.get().state == breakers.State.OPEN
    assert not Incident.objects.exists()


def test_what_an_admin_must_mend_is_mailed_to_each_admin_once(
    account, admin, make_delivery
):
    make_delivery(account, due_in=timedelta(hours=3))
    fail(account, CREDITS, account.credential_id)
    incidents.review()
    assert sorted(m.to[0] for m in mail.outbox) == [
        "ada@example.com",
        "ana@example.com",
    ]
    sent = mail.outbox[0]
    assert sent.subject == "X: The platform's credits are used up"
    assert "buy credits" in sent.body
    assert "1 account waits" in sent.body
    assert "1 post waits" in sent.body
    assert "Let nobody reconnect" in sent.body
    html = sent.alternatives[0][0]
    assert reverse("admin:accounts_circuitbreaker_changelist") in html


def test_trouble_that_comes_and_goes_is_a_mail_in_hours(account):
    for _n in range(3):
        fail(account, CREDITS, account.credential_id)
        mend()
    assert Incident.objects.count() == 3
    assert len(mail.outbox) == 1
    later = timezone.now() + telling.KEPT_AWAY
    incidents.review(later)
    incidents.review(later)
    _opened, solved = mail.outbox
    assert solved.subject == "Solved: X: The platform's credits are used up"


def test_an_outage_that_ends_in_a_refusal_of_our_app_is_told_as_such(make_account):
    account = make_account("mastodon")
    app = account.credential.app_id
    row = CircuitBreaker.objects.create(
        platform="mastodon",
        subject=f"app:{app}",
        state="open",
        cause=Cause.TIMED_OUT,
        opened_at=timezone.now(),
        retry_at=timezone.now() + timedelta(minutes=5),
    )
    incidents.review()
    row.cause = Cause.APP_REFUSED
    row.save()
    incidents.review()
    states = dict(Incident.objects.values_list("cause", "state"))
    assert states == {Cause.TIMED_OUT: "resolved", Cause.APP_REFUSED: "open"}
    assert len(mail.outbox) == 1


def test_home_says_it_to_everybody(account, client: Client, admin, brand):
    fail(account, PlatformDown(), 101, 102, 103)
    brand.members.add(admin)
    client.force_login(admin)
    page = client.get(reverse("home")).content.decode()
    assert "X is having trouble" in page
    assert "Nobody needs to reconnect" in page
    mend()
    assert "having trouble" not in client.get(reverse("home")).content.decode()


def test_home_leads_an_admin_to_the_action(account, author, client: Client):
    fail(account, CREDITS, account.credential_id)
    client.force_login(author)
    page = client.get(reverse("home")).content.decode()
    assert "credits are used up" in page
    assert reverse("admin:accounts_circuitbreaker_changelist") in page


def test_an_admin_of_one_brand_finds_the_incident_in_the_admin(
    account, client: Client, admin
):
    fail(account, PlatformDown(), 101, 102, 103)
    admin.is_staff = True
    admin.save()
    client.force_login(admin)
    page = client.get(reverse("admin:monitoring_incident_changelist"))
    assert "breaker: platform_trouble" in page.content.decode()
