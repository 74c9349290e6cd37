"""A round of renewals: all that is due, and what the next posts need."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.breakers import Admission
from accounts.hearing import Hearing, caller_of
from accounts.models import CircuitBreaker, Credential, RefreshAttempt
from monitoring import ahead, tasks
from platforms.base import TokenSet
from platforms.errors import (
    AuthExpired,
    AuthRevoked,
    Cause,
    PermissionMissing,
    Reach,
    TransientError,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(script, make_account):
    """Twelve people whose access is over, and can be renewed."""
    past = timezone.now() - timedelta(minutes=1)
    rows = [
        make_account(
            "scripted", f"who{n}", refresh_token="first", expires_at=past
        ).credential
        for n in range(12)
    ]
    Credential.objects.update(refresh_after=past)
    return rows


def states() -> set[str]:
    return set(Credential.objects.values_list("state", flat=True))


def test_all_that_is_due_is_renewed_in_one_round_each_once(many, script):
    tasks.refresh_credentials()
    assert script.asked == ["refresh"] * 12
    assert not Credential.objects.exclude(access_token="").filter(
        refresh_after__lte=timezone.now()
    )
    assert set(RefreshAttempt.objects.values_list("outcome", flat=True)) == {"renewed"}


def test_a_round_closes_what_a_dead_process_left_and_tries_it_again(many, script):
    RefreshAttempt.objects.create(
        credential=many[0], started_at=timezone.now() - timedelta(minutes=5)
    )
    tasks.refresh_credentials()
    tries = many[0].refresh_attempts.values_list("outcome", flat=True)
    assert sorted(tries) == ["lost", "renewed"]


def test_an_app_that_is_refused_breaks_nobody_and_is_told_once(many, script):
    script.answers["refresh"] = [
        PermissionMissing(cause=Cause.APP_SUSPENDED, reach=Reach.APP)
    ]
    tasks.refresh_credentials()
    assert states() == {"active"}
    breaker = CircuitBreaker.objects.get()
    assert (breaker.scope, breaker.cause) == ("app", Cause.APP_SUSPENDED)
    # Those that were not on their way yet are not even tried.
    asked = len(script.asked)
    Credential.objects.update(refresh_after=timezone.now())
    tasks.refresh_credentials()
    assert len(script.asked) == asked
    assert not Credential.objects.refresh_due(timezone.now()).exists()


def test_a_post_that_is_due_soon_has_its_access_renewed_before(
    script, make_account, make_delivery
):
    now = timezone.now()
    later = now + timedelta(days=1)
    ends = {"over": -5, "ends before": 9, "lives on": 60, "no post": -5, "tried": -5}
    rows = {}
    for name, minutes in ends.items():
        account = make_account(
            "scripted",
            name,
            refresh_token="first",
            expires_at=now + timedelta(minutes=minutes),
        )
        rows[name] = account.credential
        if name != "no post":
            make_delivery(account, due_in=timedelta(minutes=10))
    Credential.objects.update(refresh_after=later)
    RefreshAttempt.objects.create(credential=rows["tried"], finished_at=now)
    assert ahead.renew_for_posts(now) == 2
    due = Credential.objects.refresh_due(now).values_list("subject_id", flat=True)
    assert set(due) == {"over", "ends before"}


# ---------------------------------------------------------------- what breakers hear


def tell(hearing: Hearing, credential: Credential, error: Exception | None) -> None:
    hearing.tell(caller_of(credential), error, Admission(), timezone.now())  # type: ignore[arg-type]


def opened() -> list[str]:
    return list(
        CircuitBreaker.objects.filter(state="open").values_list("cause", flat=True)
    )


def test_some_trouble_among_many_looks_holds_no_post_back(many):
    hearing = Hearing()
    for number, credential in enumerate(many):
        tell(hearing, credential, TransientError() if number % 3 == 2 else None)
    assert opened() == []


def test_trouble_with_hardly_an_answer_is_the_platform_s(many):
    hearing = Hearing()
    for credential in many[:4]:
        tell(hearing, credential, TransientError())
    assert opened() == [Cause.PLATFORM_TROUBLE]


def test_one_person_s_forty_pages_are_one_person(many):
    parent, *pages = many
    Credential.objects.exclude(pk=parent.pk).update(parent=parent)
    hearing = Hearing()
    for page in pages:
        page.refresh_from_db()
        tell(hearing, page, AuthRevoked())
    assert opened() == []


def test_trouble_of_one_person_s_pages_is_trouble_all_the_same(many):
    parent, *pages = many
    Credential.objects.exclude(pk=parent.pk).update(parent=parent)
    hearing = Hearing()
    for page in pages[:4]:
        page.refresh_from_db()
        tell(hearing, page, TransientError())
    assert opened() == [Cause.PLATFORM_TROUBLE]


def test_many_people_without_access_at_once_point_to_our_app(many):
    hearing = Hearing()
    for credential in many[:4]:
        tell(hearing, credential, AuthRevoked())
    assert opened() == ["many_lost_access"]


@pytest.mark.parametrize("had_time", [True, False])
def test_many_whose_renewal_is_refused_in_a_look_point_to_our_app(
    many, script, had_time
):
    """Where access tokens are short the platform says "expired", whatever happened."""
    left = timedelta(hours=1 if had_time else -1)
    Credential.objects.update(
        expires_at=timezone.now() + left, next_proof_at=timezone.now()
    )
    script.answers["prove"] = [AuthExpired()] * 12
    script.answers["refresh"] = [AuthRevoked()] * 12
    tasks.check_credentials()
    assert "broken" in states()
    assert opened() == ["many_lost_access"]


def test_an_empty_refresh_token_overwrites_none_in_a_round(many, script):
    script.answers["refresh"] = [TokenSet("new", "")]
    tasks.refresh_credentials()
    kept = {row.refresh_token for row in Credential.objects.all()}
    assert kept == {"first"}
