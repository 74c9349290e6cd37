"""A network that suspends our app says to each account what it says to one that lost a
permission: it is one incident for the app all the same, and no account is broken."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from accounts.models import CircuitBreaker, ConnectedAccount, Credential
from accounts.roles import ADMIN
from monitoring import incidents, tasks
from monitoring.models import CheckResult, Incident
from platforms.practice.server import start_practice
from publishing.models import Delivery
from socialhub.drills.world import Practice, adopt, make_delivery

pytestmark = [pytest.mark.django_db, pytest.mark.live]


@pytest.fixture
def network(tmp_path, settings):
    server = start_practice(tmp_path)
    settings.PRACTICE_NETWORK_URL = server.url
    cache.clear()
    yield Practice()
    server.stop()


@pytest.fixture
def people(brand, django_user_model):
    """ida is an admin, mia looks after the accounts."""
    ida, mia = (
        django_user_model.objects.create_user(name, f"{name}@example.com")
        for name in ("ida", "mia")
    )
    ida.groups.add(Group.objects.get(name=ADMIN))
    brand.members.add(ida, mia)
    return SimpleNamespace(ida=ida, mia=mia)


def look() -> None:
    Credential.objects.update(next_proof_at=timezone.now())
    tasks.check_credentials()
    incidents.review()


@pytest.mark.parametrize("platform", ["tiktok", "snapchat"])
def test_a_suspended_app_is_one_incident_and_comes_back_by_itself(
    network, people, brand, platform
):
    accounts = []
    for number in range(3):
        made = network.add_account(platform, f"acme{number}")
        accounts.append(adopt(platform, made, brand, people.mia))
    due = timezone.now() + timedelta(hours=5)
    for account in accounts:
        make_delivery(account, f"Hello {account.pk}", due)
    look()
    assert not Incident.objects.exists()

    rule = network.fault(kind="app_suspended", platform=platform, call="any")
    look()
    look()
    assert not ConnectedAccount.objects.broken().exists()
    incident = Incident.objects.get()
    assert (incident.kind, incident.cause) == ("breaker", "app_refused")
    assert (incident.account_count, incident.post_count) == (3, 3)
    told = sorted(address for message in mail.outbox for address in message.to)
    assert told == ["ana@example.com", "ida@example.com"]  # a superuser, and an admin
    assert Delivery.objects.filter(status="scheduled").count() == 3

    network.remove_fault(rule)
    # The next look may go.
    CircuitBreaker.objects.update(looked_at=timezone.now() - timedelta(hours=1))
    look()
    assert not Incident.objects.open().exists()
    assert not ConnectedAccount.objects.broken().exists()


def test_who_has_it_checked_after_putting_the_app_right_need_not_wait(
    network, people, brand
):
    """Looks at a refused app are a quarter of an hour apart; a person asks now."""
    made = network.add_account("threads", "acme")
    account = adopt("threads", made, brand, people.mia)
    rule = network.fault(kind="app_suspended", platform="threads", call="any")
    look()
    assert Incident.objects.open().exists()

    told = CheckResult.objects.count()
    tasks.check_credential(account.credential_id)
    assert CheckResult.objects.count() == told + 1, "it is said why nothing is known"
    assert CheckResult.objects.latest("at").cause == "app_suspended"

    network.remove_fault(rule)
    some_time_ago = timezone.now() - timedelta(minutes=1)
    CircuitBreaker.objects.update(looked_at=some_time_ago)
    tasks.check_credential(account.credential_id)
    assert CheckResult.objects.latest("at").verdict == "proven"
    assert not Incident.objects.open().exists()


@pytest.mark.parametrize(
    ("platform", "call", "kind"),
    [
        ("ayrshare", "any", ""),
        ("bluesky", "any", ""),
        ("facebook", "any", ""),
        ("linkedin", "any", "organization"),
        ("mastodon", "any", ""),
        ("outstand", "any", ""),
        ("pinterest", "any", ""),
        ("snapchat", "any", ""),
        ("threads", "any", ""),
        ("tiktok", "any", ""),
        ("x", "any", ""),
        # Its tokens are not those of one version.
        ("youtube", "GET channels.list", ""),
    ],
)
def test_an_interface_that_was_switched_off_is_told_to_admins(
    network, people, brand, platform, call, kind
):
    sort = {"kind": kind} if kind else {}
    made = network.add_account(platform, "acme", **sort)
    account = adopt(platform, made, brand, people.mia)
    network.fault(kind="version_ended", platform=platform, call=call)
    look()
    incident = Incident.objects.get()
    assert (incident.kind, incident.cause) == ("breaker", "version_ended")
    account.refresh_from_db()
    assert account.health == "healthy", "no account is at fault"
    told = {address for message in mail.outbox for address in message.to}
    assert told == {"ana@example.com", "ida@example.com"}


def test_a_member_of_linkedin_outlives_a_version_until_a_post_tells(
    network, people, brand
):
    """What is read of a member has no version: only dates and posts tell its end."""
    adopt("linkedin", network.add_account("linkedin", "acme"), brand, people.mia)
    network.fault(kind="version_ended", platform="linkedin", call="any")
    look()
    assert CheckResult.objects.latest("at").verdict == "proven"
    assert not Incident.objects.exists()


def test_a_page_in_between_that_is_not_there_ends_no_version(
    network, people, brand, monkeypatch
):
    """A server in repair answers with pages of its proxy."""
    from werkzeug.wrappers import Response

    from platforms.mastodon.twin import MastodonTwin

    adopt("mastodon", network.add_account("mastodon", "acme"), brand, people.mia)
    page = Response("<h1>Not here</h1>", 404, mimetype="text/html")
    monkeypatch.setattr(MastodonTwin, "refuse", lambda *args: page)
    network.fault(kind="version_ended", platform="mastodon", call="any")
    look()
    assert CheckResult.objects.latest("at").verdict == "unknown"
    assert not Incident.objects.exists()
