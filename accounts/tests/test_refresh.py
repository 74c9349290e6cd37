"""Renewals: when, how often, and what a process that dies in one leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts import refresh
from accounts.disconnect import disconnect, revoke_due
from accounts.models import Credential, RefreshAttempt
from platforms.base import TokenSet
from platforms.errors import (
    AmbiguousOutcome,
    AuthRevoked,
    Cause,
    PermissionMissing,
    PlatformDown,
    Reach,
    TransientError,
)
from tests.scripted_platform import SPEC, Scripted, ScriptedClient

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "life", "refresh_token", "refresh_life", "expected"),
    [
        ("X: its token lives for two hours", 2 * HOUR, "r", None, 2 * DAY),
        ("Bluesky: the session for 90 days", 2 * HOUR, "r", 90 * DAY, 2 * DAY),
        ("a session that ends in a day", HOUR, "r", DAY, 18 * HOUR),
        ("Google: an hour, renewed for ever", HOUR, "r", None, 2 * DAY),
        ("Mastodon: without end", None, "", None, None),
        ("LinkedIn without renewal", 60 * DAY, "", None, None),
        ("LinkedIn with it", 60 * DAY, "r", 365 * DAY, 53 * DAY),
        ("LinkedIn, its last one", 20 * DAY, "r", 20 * DAY, 15 * DAY),
        ("Meta: 60 days, no renewal", 60 * DAY, "", None, None),
        ("TikTok: a day", DAY, "r", 365 * DAY, 18 * HOUR),
    ],
)
def test_each_kind_of_token_is_renewed_in_time_and_not_needlessly(
    name, life, refresh_token, refresh_life, expected
):
    credential = Credential()
    tokens = TokenSet(
        "access",
        refresh_token,
        issued_at=NOW,
        expires_at=NOW + life if life else None,
        refresh_expires_at=NOW + refresh_life if refresh_life else None,
    )
    credential.store(tokens, now=NOW)
    wanted = NOW + expected if expected else None
    assert credential.refresh_after == wanted, name


# ---------------------------------------------------------------- with rows


@pytest.fixture
def renewable(script, make_account):
    credential = make_account(
        "scripted", "me", refresh_token="first", expires_at=timezone.now()
    ).credential
    Credential.objects.update(refresh_after=timezone.now())
    return credential


@pytest.fixture
def rotating(monkeypatch):
    monkeypatch.setattr(Scripted, "spec", replace(SPEC, renewal_rotates=True))


def again(credential: Credential) -> bool:
    Credential.objects.update(refresh_after=timezone.now())
    return refresh.refresh(credential.pk)


def die_in_a_renewal(credential: Credential) -> RefreshAttempt:
    """Began two minutes ago, asked the platform, and was never heard of again."""
    assert refresh.begin(credential.pk)
    past = timezone.now() - timedelta(minutes=2)
    RefreshAttempt.objects.update(started_at=past)
    Credential.objects.update(refresh_lease_until=past + refresh.LEASE)
    return RefreshAttempt.objects.get()


@pytest.mark.django_db
def test_waits_between_tries_double_up_to_an_hour_and_differ(renewable, script):
    script.answers["refresh"] = [TransientError()]
    waits = []
    for _ in range(9):
        again(renewable)
        renewable.refresh_from_db()
        waits.append((renewable.refresh_after - timezone.now()).total_seconds() / 60)
    for wait, base in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert 0.75 * base < wait < 1.25 * base
    assert len({round(wait, 3) for wait in waits[-3:]}) == 3, "jitter"


@pytest.mark.django_db
def test_the_platform_s_own_word_outlasts_our_wait(renewable, script):
    script.answers["refresh"] = [TransientError(retry_after=7200)]
    again(renewable)
    renewable.refresh_from_db()
    assert renewable.refresh_after > timezone.now() + timedelta(minutes=119)


@pytest.mark.django_db
def test_no_word_of_a_platform_puts_a_renewal_off_past_the_end(renewable, script):
    """A page for maintenance may name a day weeks ahead, when nothing is left to renew."""
    Credential.objects.update(expires_at=timezone.now() + timedelta(days=7))
    script.answers["refresh"] = [TransientError(retry_after=31 * 86_400)]
    again(renewable)
    renewable.refresh_from_db()
    assert renewable.refresh_after < timezone.now() + timedelta(days=1, minutes=1)


@pytest.mark.django_db
def test_an_interrupted_renewal_is_closed_as_lost_and_tried_at_once(renewable, script):
    attempt = die_in_a_renewal(renewable)
    Credential.objects.update(refresh_after=timezone.now() + DAY)
    assert refresh.sweep(timezone.now()) == 1
    attempt.refresh_from_db()
    assert (attempt.outcome, bool(attempt.finished_at)) == (refresh.LOST, True)
    assert Credential.objects.refresh_due(timezone.now()).count() == 1
    assert Credential.objects.proof_due(timezone.now()).count() == 1
    assert refresh.refresh(renewable.pk)
    assert refresh.sweep(timezone.now() + DAY) == 0


@pytest.mark.trap("x", 1)
@pytest.mark.trap("tiktok", 2)
@pytest.mark.django_db
def test_a_renewal_that_is_on_its_way_is_left_alone(renewable):
    assert refresh.begin(renewable.pk)
    assert refresh.begin(renewable.pk) is None
    assert refresh.sweep(timezone.now()) == 0
    assert RefreshAttempt.objects.unfinished().count() == 1


@pytest.mark.django_db
def test_an_interrupted_renewal_says_nothing_of_newer_tokens(renewable, script):
    die_in_a_renewal(renewable)
    assert again(renewable)
    renewable.refresh_from_db()
    before = renewable.refresh_after, renewable.next_proof_at
    assert refresh.sweep(timezone.now()) == 1
    renewable.refresh_from_db()
    assert (renewable.refresh_after, renewable.next_proof_at) == before


@pytest.mark.trap("tiktok", 2)
@pytest.mark.django_db
@pytest.mark.parametrize(
    "lost_by",
    [
        None,
        AmbiguousOutcome(),
        TransientError(cause=Cause.TIMED_OUT),
        TransientError("closed without an answer", cause=Cause.UNREACHABLE),
        ValueError("an answer that nobody thought of"),
    ],
    ids=["death", "silence", "time-out", "cut", "bug"],
)
def test_a_refusal_after_a_lost_rotation_says_what_was_lost(
    renewable, script, rotating, lost_by
):
    if lost_by is None:
        die_in_a_renewal(renewable)
        refresh.sweep(timezone.now())
    else:
        script.answers["refresh"] = [lost_by]
        again(renewable)
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    again(renewable)
    renewable.refresh_from_db()
    assert (renewable.state, renewable.cause) == ("broken", Cause.ROTATION_LOST)


@pytest.mark.django_db
def test_a_renewal_that_never_left_rotated_nothing(renewable, script, rotating):
    script.answers["refresh"] = [PlatformDown(cause=Cause.UNREACHABLE)]
    again(renewable)
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    again(renewable)
    renewable.refresh_from_db()
    assert renewable.cause == Cause.REFRESH_REFUSED


@pytest.mark.django_db
def test_a_renewal_that_is_refused_because_of_the_account_says_what_is_wrong_with_it(
    renewable, script
):
    error = PermissionMissing("taken down", cause=Cause.ACCOUNT_SUSPENDED)
    script.answers["refresh"] = [error]
    assert not again(renewable)
    renewable.refresh_from_db()
    assert (renewable.state, renewable.cause) == ("broken", Cause.ACCOUNT_SUSPENDED)


@pytest.mark.django_db
def test_a_renewal_that_is_refused_because_of_our_app_breaks_no_access(
    renewable, script
):
    error = PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP)
    script.answers["refresh"] = [error]
    assert not again(renewable)
    renewable.refresh_from_db()
    assert renewable.is_active
    assert renewable.refresh_after > timezone.now()


@pytest.mark.django_db
def test_where_nothing_rotates_nothing_was_lost(renewable, script):
    die_in_a_renewal(renewable)
    refresh.sweep(timezone.now())
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    again(renewable)
    renewable.refresh_from_db()
    assert (renewable.state, renewable.cause) == ("broken", Cause.REFRESH_REFUSED)


@pytest.mark.django_db
def test_a_loss_before_the_last_renewal_explains_no_later_refusal(
    renewable, script, rotating
):
    die_in_a_renewal(renewable)
    refresh.sweep(timezone.now())
    assert again(renewable)
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    again(renewable)
    renewable.refresh_from_db()
    assert renewable.cause == Cause.REFRESH_REFUSED


@pytest.mark.django_db
def test_who_only_stood_still_may_store_its_tokens(renewable):
    ticket = refresh.begin(renewable.pk)
    past = timezone.now() - timedelta(minutes=5)
    RefreshAttempt.objects.update(started_at=past)
    Credential.objects.update(refresh_lease_until=past + refresh.LEASE)
    refresh.sweep(timezone.now())
    assert refresh.finish(ticket, TokenSet("late but whole", "next"))
    renewable.refresh_from_db()
    assert renewable.refresh_token == "next"


@pytest.mark.django_db
def test_what_was_taken_for_lost_and_comes_after_all_mends_it(
    renewable, script, rotating
):
    """Another tried the token that it replaces in between, and was refused."""
    ticket = refresh.begin(renewable.pk)
    past = timezone.now() - timedelta(minutes=5)
    RefreshAttempt.objects.update(started_at=past)
    Credential.objects.update(
        refresh_lease_until=past + refresh.LEASE, issued_at=past - DAY
    )
    refresh.sweep(timezone.now())
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    assert not refresh.refresh(renewable.pk)
    renewable.refresh_from_db()
    assert (renewable.state, renewable.cause) == ("broken", Cause.ROTATION_LOST)
    assert refresh.finish(ticket, TokenSet("late but whole", "next"))
    renewable.refresh_from_db()
    assert (renewable.state, renewable.refresh_token) == ("active", "next")


@pytest.mark.django_db
def test_tokens_that_come_after_a_disconnect_are_revoked_as_well(
    renewable, author, monkeypatch
):
    ended = []
    monkeypatch.setattr(
        ScriptedClient, "revoke", lambda self: ended.append(self.access.token)
    )
    before = renewable.access_token
    ticket = refresh.begin(renewable.pk)
    assert disconnect(renewable.accounts.get(), author).told
    assert not refresh.finish(ticket, TokenSet("late", "next"))
    revoke_due(timezone.now())
    assert ended == [before, "late"]
    renewable.refresh_from_db()
    assert renewable.state == "disconnected"
    assert (renewable.access_token, renewable.refresh_token) == ("", "")


@pytest.mark.trap("x", 1)
@pytest.mark.trap("tiktok", 2)
@pytest.mark.django_db
def test_a_renewal_that_names_no_end_of_the_same_permission_leaves_the_end_that_is_known(
    renewable, script
):
    """LinkedIn's permission to renew stays the same for a year, and its end with it."""
    end = timezone.now() + timedelta(days=20)
    Credential.objects.update(refresh_expires_at=end)
    script.answers["refresh"] = [TokenSet("second", "first")]
    assert again(renewable)
    renewable.refresh_from_db()
    assert (renewable.access_token, renewable.refresh_expires_at) == ("second", end)
    script.answers["refresh"] = [TokenSet("third", "another")]
    assert again(renewable)
    renewable.refresh_from_db()
    assert renewable.refresh_expires_at is None, "of this one nothing is known"


@pytest.mark.django_db
def test_new_tokens_outwait_a_database_that_does_not_answer(
    renewable, script, monkeypatch
):
    whole, tries = refresh.finish, []

    def failing(ticket, result):
        tries.append(result)
        if len(tries) < 3:
            raise OperationalError("the database is away")
        return whole(ticket, result)

    monkeypatch.setattr(refresh, "finish", failing)
    monkeypatch.setattr(refresh, "STORE_AGAIN_S", (0, 0, 0))
    monkeypatch.setattr(refresh.connection, "close", lambda: None)
    old = (renewable.access_token, renewable.refresh_token)
    assert refresh.refresh(renewable.pk)
    assert script.asked == ["refresh"]
    renewable.refresh_from_db()
    assert not {renewable.access_token, renewable.refresh_token} & {*old}


@pytest.mark.django_db
def test_new_tokens_are_stored_before_anything_else_may_fail(
    renewable, script, monkeypatch
):
    def broken(*args):
        raise ValueError("a row of the ledger is odd")

    monkeypatch.setattr(refresh.limits, "count", broken)
    old = (renewable.access_token, renewable.refresh_token)
    with pytest.raises(ValueError, match="odd"):
        refresh.refresh(renewable.pk)
    renewable.refresh_from_db()
    assert not {renewable.access_token, renewable.refresh_token} & {*old}


@pytest.mark.django_db
def test_an_account_s_timeline_tells_of_an_interrupted_renewal(
    renewable, client, author
):
    die_in_a_renewal(renewable)
    refresh.sweep(timezone.now())
    client.force_login(author)
    page = client.get(renewable.accounts.get().get_absolute_url())
    assert "A renewal of access was interrupted" in page.content.decode()
