"""Only a definite answer breaks a credential; a refresh loses nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import health, refresh
from accounts.models import Credential
from platforms.base import Ability, Proof, TokenSet, Verdict
from platforms.errors import (
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    PermissionMissing,
    PlatformDown,
    RateLimited,
    TransientError,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(script, make_account):
    return make_account("scripted", "me")


@pytest.fixture
def renewable(script, make_account):
    return make_account(
        "scripted",
        "me",
        refresh_token="first-refresh",
        expires_at=timezone.now() - timedelta(minutes=1),
    ).credential


def test_a_living_credential_is_proven_and_looked_at_again_in_a_day(account):
    credential = account.credential
    assert health.check(credential).verdict == "proven"
    assert credential.proven_at is not None
    wait = credential.next_proof_at - timezone.now()
    assert timedelta(hours=21) < wait < timedelta(hours=27)
    assert credential.ability(Ability.PUBLISH) is True


@pytest.mark.parametrize(
    "error",
    [
        TransientError(),
        PlatformDown(),
        RateLimited(retry_after=60),
        AmbiguousOutcome(),
    ],
)
def test_trouble_of_network_or_platform_breaks_nothing(account, script, error):
    script.answers["prove"] = [error]
    finding = health.check(account.credential)
    assert finding.verdict == "unknown"
    assert account.credential.is_active
    assert account.credential.next_proof_at > timezone.now()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (AuthRevoked(), Cause.TOKEN_REVOKED),
        (AuthExpired(), Cause.TOKEN_EXPIRED),
        (PermissionMissing(cause=Cause.SCOPE_MISSING), Cause.SCOPE_MISSING),
    ],
)
def test_a_definite_answer_breaks_it_with_its_cause(account, script, error, cause):
    script.answers["prove"] = [error]
    finding = health.check(account.credential)
    assert (finding.verdict, finding.changed) == ("failing", True)
    assert account.credential.state == Credential.State.BROKEN
    assert account.credential.cause == cause
    account.refresh_from_db()
    assert account.health == "broken"


def test_a_broken_credential_is_looked_at_too_and_may_come_back(account, script):
    account.credential.break_for(AuthRevoked())
    Credential.objects.update(next_proof_at=timezone.now())
    assert Credential.objects.proof_due(timezone.now()).count() == 1
    assert health.check(account.credential).changed
    assert account.credential.is_active


def test_the_posting_right_is_what_is_proven(account, script):
    script.answers["prove"] = [
        Proof(
            {
                Ability.READ: Verdict(True),
                Ability.PUBLISH: Verdict(False, Cause.SCOPE_MISSING),
            }
        )
    ]
    health.check(account.credential)
    assert account.credential.state == Credential.State.BROKEN
    assert account.credential.ability(Ability.READ) is True


def test_a_lost_page_role_leaves_the_person_and_other_pages_alone(
    account, script, make_account
):
    page = make_account("scripted", "page", kind="organization")
    page.credential.delete()
    page.credential = account.credential
    page.save()
    fine = Proof({Ability.PUBLISH: Verdict(True)})
    lost = Proof({Ability.PUBLISH: Verdict(False, Cause.ROLE_LOST)})
    script.answers["prove"] = [fine, lost, fine]
    finding = health.check(account.credential)
    page.refresh_from_db()
    assert finding.changed
    assert (account.credential.is_active, page.trouble) == (True, Cause.ROLE_LOST)
    assert page.health == "broken"
    health.check(account.credential)
    page.refresh_from_db()
    assert page.health == "healthy"


def test_an_expired_token_is_renewed_before_it_is_judged(renewable, script):
    assert health.check(renewable).verdict == "proven"
    assert script.asked == ["refresh", "prove"]
    assert renewable.access_token == "renewed"


def test_an_empty_refresh_token_never_overwrites_one(renewable, script):
    script.answers["refresh"] = [TokenSet("renewed")]
    Credential.objects.update(refresh_after=timezone.now())
    assert refresh.refresh(renewable.pk)
    renewable.refresh_from_db()
    assert renewable.refresh_token == "first-refresh"


def test_only_one_worker_renews_at_a_time(renewable, script):
    Credential.objects.update(refresh_after=timezone.now())
    first = refresh.begin(renewable.pk)
    assert first is not None
    assert refresh.begin(renewable.pk) is None
    assert refresh.finish(first, first.call())
    assert refresh.begin(renewable.pk) is None, "renewed already"
    assert script.asked == ["refresh"]


def test_a_late_renewal_cannot_overwrite_a_newer_one(renewable, script):
    Credential.objects.update(refresh_after=timezone.now())
    late = refresh.begin(renewable.pk)
    assert late is not None
    past = timezone.now() - timedelta(minutes=5)
    Credential.objects.update(refresh_lease_until=past)
    newer = refresh.begin(renewable.pk)
    assert newer is not None
    assert refresh.finish(newer, TokenSet("newer", "newer-refresh"))
    assert not refresh.finish(late, TokenSet("late", "late-refresh"))
    renewable.refresh_from_db()
    assert (renewable.access_token, renewable.refresh_token) == (
        "newer",
        "newer-refresh",
    )


def test_a_refused_refresh_breaks_it_and_trouble_only_waits(renewable, script):
    Credential.objects.update(refresh_after=timezone.now())
    script.answers["refresh"] = [TransientError(), AuthRevoked()]
    assert not refresh.refresh(renewable.pk)
    renewable.refresh_from_db()
    assert renewable.is_active
    assert renewable.refresh_after > timezone.now()
    Credential.objects.update(refresh_after=timezone.now())
    refresh.refresh(renewable.pk)
    renewable.refresh_from_db()
    assert renewable.state == Credential.State.BROKEN
    outcomes = renewable.refresh_attempts.values_list("outcome", flat=True)
    assert sorted(outcomes) == ["auth_revoked", "transient"]


def test_a_lost_answer_to_a_refresh_asks_for_a_look_at_once(renewable, script):
    Credential.objects.update(refresh_after=timezone.now())
    script.answers["refresh"] = [AmbiguousOutcome()]
    refresh.refresh(renewable.pk)
    renewable.refresh_from_db()
    assert renewable.is_active
    assert renewable.next_proof_at <= timezone.now()


def test_no_token_stands_readable_in_the_database_or_in_text(account):
    credential = account.credential
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_token FROM accounts_credential")
        stored = cursor.fetchone()[0]
    assert credential.access_token not in stored
    for shown in (str(credential), repr(credential), repr(credential.access())):
        assert credential.access_token not in shown


def test_network_trouble_may_not_break_a_credential(account):
    with pytest.raises(ValueError):
        account.credential.break_for(PlatformDown())
