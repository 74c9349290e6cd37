"""Only a definite answer breaks a credential; a refresh loses nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts import causes, health, limits, refresh
from accounts.ends import EndKind
from accounts.errands import alone
from accounts.hearing import Hearing, caller_of
from accounts.limits import BucketId
from accounts.models import CircuitBreaker, Credential, RateBucket
from monitoring import tasks
from platforms.base import (
    Ability,
    Bucket,
    Call,
    Identity,
    Proof,
    TokenSet,
    Verdict,
    WindowKind,
)
from platforms.errors import (
    OF_OUR_APP,
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    NotFound,
    PermissionMissing,
    PlatformDown,
    RateLimited,
    Reach,
    TransientError,
)
from tests.scripted_platform import SPEC, Scripted, ScriptedClient

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


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
    assert timedelta(minutes=59) < wait <= timedelta(hours=25)
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


@pytest.mark.trap("x", 8)
@pytest.mark.parametrize(
    "error",
    [
        PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP),
        PermissionMissing(cause=Cause.APP_SUSPENDED, reach=Reach.APP),
        AuthRevoked(cause=Cause.TOKEN_INVALID, reach=Reach.APP),
        PlatformDown(cause=Cause.VERSION_ENDED, reach=Reach.APP),
        PermissionMissing(cause=Cause.VERSION_ENDED),
        RateLimited(cause=Cause.CREDITS_USED_UP, reach=Reach.APP),
    ],
)
def test_what_lies_with_our_app_breaks_no_credential(account, script, error):
    script.answers["prove"] = [error]
    assert health.check(account.credential).verdict == "unknown"
    assert not account.credential.break_for(AuthRevoked(reach=Reach.APP))
    assert account.credential.is_active
    opened = list(CircuitBreaker.objects.filter(state="open"))
    assert len(opened) == (error.reach == Reach.APP and error.cause in OF_OUR_APP)
    assert all(breaker.scope == "app" for breaker in opened)


@pytest.mark.trap("mastodon", 11)
def test_a_registration_that_is_gone_is_mended_account_by_account(account, script):
    script.answers["prove"] = [AuthRevoked(cause=Cause.APP_GONE, reach=Reach.APP)]
    assert health.check(account.credential).verdict == "failing"


def test_an_account_that_is_gone_is_broken(account, script):
    script.answers["prove"] = [NotFound(cause=Cause.ACCOUNT_GONE, reach=Reach.TOKEN)]
    assert health.check(account.credential).verdict == "failing"
    assert account.credential.cause == Cause.ACCOUNT_GONE


def test_something_else_that_is_not_found_says_nothing(account, script):
    script.answers["prove"] = [NotFound()]
    assert health.check(account.credential).verdict == "unknown"


def test_lost_figures_are_seen_and_keep_no_post_back(account, script):
    lost = Verdict(False, Cause.SCOPE_MISSING, "read_insights")
    script.answers["prove"] = [
        Proof({Ability.PUBLISH: Verdict(True), Ability.FIGURES: lost})
    ]
    assert health.check(account.credential).verdict == "proven"
    assert account.credential.is_active
    assert account.credential.ability(Ability.FIGURES) is False
    assert account.credential.abilities["figures"]["cause"] == Cause.SCOPE_MISSING


def test_an_end_of_data_access_that_a_look_tells_is_kept(account, script):
    at = timezone.now() + timedelta(days=20)
    script.answers["prove"] = [
        Proof({Ability.PUBLISH: Verdict(True)}, data_access_ends_at=at)
    ]
    health.check(account.credential)
    assert Credential.objects.get().data_access_ends_at == at


def test_a_suspension_that_is_over_is_seen_with_a_renewed_token(renewable, script):
    """The access token lives for hours, the suspension lasted for days."""
    renewable.break_for(PermissionMissing(cause=Cause.ACCOUNT_SUSPENDED))
    script.answers["prove"] = [
        PermissionMissing(cause=Cause.ACCOUNT_SUSPENDED),
        Proof({Ability.PUBLISH: Verdict(True)}),
    ]
    assert health.check(renewable).verdict == "failing"
    assert renewable.access_token == "renewed"
    assert renewable.cause == Cause.ACCOUNT_SUSPENDED, "renewed, and not mended by it"
    Credential.objects.update(expires_at=timezone.now())
    renewable.refresh_from_db()
    assert health.check(renewable).verdict == "proven"
    assert renewable.is_active


@pytest.mark.parametrize(
    ("left", "cause"),
    [(timedelta(hours=1), Cause.TOKEN_INVALID), (-DAY, Cause.REFRESH_REFUSED)],
)
def test_a_token_that_is_refused_before_its_time_did_not_run_out(
    renewable, script, left, cause
):
    """X answers the same to expired and revoked ones; its time tells them apart. Who
    withdrew it, or whether it was a new password, nobody can tell."""
    Credential.objects.update(expires_at=timezone.now() + left)
    renewable.refresh_from_db()
    script.answers["prove"] = [AuthExpired()]
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    health.check(renewable)
    assert (renewable.state, renewable.cause) == ("broken", cause)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (Cause.REFRESH_REFUSED, Cause.TOKEN_EXPIRED),
        (Cause.TOKEN_INVALID, Cause.TOKEN_EXPIRED),
        (Cause.SIGN_IN_WANTED, Cause.SIGN_IN_WANTED),
    ],
)
def test_a_permission_to_renew_whose_time_is_over_has_expired(
    renewable, script, said, cause
):
    """Pinterest gives one answer to all: the end that it told us tells this one."""
    Credential.objects.update(refresh_expires_at=timezone.now() - timedelta(hours=1))
    renewable.refresh_from_db()
    script.answers["prove"] = [AuthExpired(cause=Cause.TOKEN_INVALID)]
    script.answers["refresh"] = [AuthRevoked(cause=said)]
    health.check(renewable)
    assert (renewable.state, renewable.cause) == ("broken", cause)


def test_a_grant_that_is_over_is_not_asked_to_be_renewed(renewable, script):
    renewable.break_for(AuthRevoked())
    script.answers["prove"] = [AuthExpired()]
    health.check(renewable)
    assert script.asked == ["prove"]


@pytest.fixture
def outlived(renewable, script):
    """A grant that is over, whose access token lives on for half an hour."""
    now, half = timezone.now(), timedelta(minutes=30)
    Credential.objects.update(issued_at=now - half, expires_at=now + half)
    renewable.refresh_from_db()
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    return renewable


def test_whoever_has_it_checked_by_hand_hears_of_a_grant_that_its_token_outlives(
    outlived, script
):
    assert health.check(outlived).verdict == "proven", "as much as the token can tell"
    tasks.check_credential(outlived.pk)
    outlived.refresh_from_db()
    assert (outlived.state, outlived.cause) == ("broken", Cause.REFRESH_REFUSED)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (AuthRevoked(cause=Cause.TOKEN_REVOKED), Cause.TOKEN_REVOKED),
        (AuthExpired(), Cause.TOKEN_INVALID),
        (TransientError(), Cause.REFRESH_REFUSED),
        (PermissionMissing(), Cause.REFRESH_REFUSED),
    ],
)
def test_a_refused_renewal_has_the_token_asked_for_the_reason(
    outlived, script, said, cause
):
    """TikTok says to a look that the person removed the app, to a renewal nothing."""
    script.answers["prove"] = [said]
    health.check(outlived, needed_for=health.BY_HAND)
    assert (outlived.state, outlived.cause) == ("broken", cause)
    assert script.asked == ["refresh", "prove"]


def test_a_living_token_does_not_revive_a_grant_that_is_over(outlived, script):
    health.check(outlived, needed_for=health.BY_HAND)
    script.asked.clear()
    assert health.check(outlived).verdict == "failing"
    assert (outlived.state, outlived.cause) == ("broken", Cause.REFRESH_REFUSED)
    assert script.asked == ["refresh"], "it may be granted again, and is not"
    assert outlived.next_proof_at - timezone.now() > timedelta(minutes=59)


def test_a_grant_that_was_refused_and_is_given_back_is_seen(outlived, script):
    health.check(outlived, needed_for=health.BY_HAND)
    script.answers["refresh"] = [TransientError()]
    assert health.check(outlived).verdict == "failing"
    assert outlived.next_proof_at - timezone.now() < timedelta(minutes=15)
    del script.answers["refresh"]
    assert health.check(outlived).verdict == "proven"
    assert outlived.is_active


# ---------------------------------------------------------------- refused, and alive


@pytest.fixture
def last_token(renewable, script):
    """Its permission to renew is gone; its access token, of thirty days, has seven left."""
    now = timezone.now()
    Credential.objects.update(
        issued_at=now - 23 * DAY, expires_at=now + 7 * DAY, refresh_after=now
    )
    renewable.refresh_from_db()
    script.answers["refresh"] = [AuthRevoked(cause=Cause.REFRESH_REFUSED)]
    return renewable


def test_a_token_that_lives_for_days_outlives_its_renewal(last_token, script):
    assert not refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    assert last_token.is_active
    assert last_token.next_proof_at <= timezone.now(), "asked at once whether it acts"
    assert health.check(last_token).verdict == "proven"
    [end] = last_token.ends()
    assert (end.kind, end.at) == (EndKind.ACCESS, last_token.expires_at)
    assert last_token.refresh_after > timezone.now() + timedelta(hours=19)
    assert script.asked == ["refresh", "prove"]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (AuthRevoked(cause=Cause.TOKEN_REVOKED), Cause.TOKEN_REVOKED),
        (AuthExpired(), Cause.TOKEN_INVALID),
        (PermissionMissing(cause=Cause.SCOPE_MISSING), Cause.SCOPE_MISSING),
    ],
)
def test_a_last_token_that_is_refused_as_well_is_over(last_token, script, said, cause):
    refresh.refresh(last_token.pk)
    script.answers["prove"] = [said]
    last_token.refresh_from_db()
    assert health.check(last_token).verdict == "failing"
    assert (last_token.state, last_token.cause) == ("broken", cause)


@pytest.mark.parametrize(
    "error",
    [
        AuthRevoked(cause=Cause.TOKEN_REVOKED),
        PermissionMissing(cause=Cause.ACCOUNT_SUSPENDED),
    ],
)
def test_a_renewal_that_is_refused_with_a_reason_ends_the_token(
    last_token, script, error
):
    script.answers["refresh"] = [error]
    refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    assert (last_token.state, last_token.cause) == ("broken", error.cause)


def test_a_last_token_is_over_with_its_time(last_token, script):
    refresh.refresh(last_token.pk)
    with time_machine.travel(last_token.expires_at, tick=False):
        assert [row.pk for row in Credential.objects.refresh_due(timezone.now())]
        refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    assert (last_token.state, last_token.cause) == ("broken", Cause.REFRESH_REFUSED)


def test_what_is_renewed_after_all_has_no_end(last_token, script):
    """A platform may refuse while our app is suspended, and grant it again."""
    refresh.refresh(last_token.pk)
    del script.answers["refresh"]
    Credential.objects.update(refresh_after=timezone.now())
    assert refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    assert (last_token.renewal_refused_at, last_token.ends()) == (None, [])


def test_a_last_token_that_is_taken_back_by_the_platform_is_alive(last_token, script):
    refresh.refresh(last_token.pk)
    script.answers["prove"] = [AuthExpired(), Proof({Ability.PUBLISH: Verdict(True)})]
    last_token.refresh_from_db()
    assert health.check(last_token).verdict == "failing"
    assert health.check(last_token).verdict == "proven"
    assert last_token.is_active
    assert last_token.ends_at() == last_token.expires_at


def test_a_renewal_that_brings_the_access_of_somebody_else_is_found(renewable, script):
    """Nothing goes out in another name: neither now nor after the next look."""
    other = Identity("somebody", "user", "Somebody Else", "", "")
    script.answers["prove"] = [Proof({Ability.PUBLISH: Verdict(True)}, other)] * 2
    finding = health.check(renewable)
    assert (finding.verdict, finding.cause) == ("failing", Cause.OTHER_ACCOUNT)
    renewable.refresh_from_db()
    assert (renewable.state, renewable.cause) == ("broken", Cause.OTHER_ACCOUNT)
    assert health.check(renewable).verdict == "failing"
    me = replace(other, external_id="me")
    script.answers["prove"] = [Proof({Ability.PUBLISH: Verdict(True)}, me)]
    assert health.check(renewable).verdict == "proven"


@pytest.mark.parametrize("life", [timedelta(hours=2), timedelta(hours=23)])
def test_a_token_of_hours_ends_with_its_renewal(last_token, life):
    """It is renewed when it is needed, and may outlive what a person withdrew."""
    now = timezone.now()
    Credential.objects.update(issued_at=now, expires_at=now + life)
    refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    assert not last_token.is_active


def test_a_rotation_that_was_lost_leaves_the_token_that_there_is(
    last_token, script, monkeypatch
):
    monkeypatch.setattr(Scripted, "spec", replace(SPEC, renewal_rotates=True))
    script.answers["refresh"] = [
        TransientError(cause=Cause.TIMED_OUT),
        AuthRevoked(cause=Cause.REFRESH_REFUSED),
    ]
    for _ in range(2):
        Credential.objects.update(refresh_after=timezone.now())
        refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    assert last_token.is_active
    Credential.objects.update(expires_at=timezone.now(), refresh_after=timezone.now())
    refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    assert (last_token.state, last_token.cause) == ("broken", Cause.ROTATION_LOST)


@pytest.mark.parametrize(
    ("lived_on", "cause"),
    [(True, Cause.TOKEN_INVALID), (False, Cause.ROTATION_LOST)],
)
def test_what_ends_a_last_token_later_was_not_the_lost_rotation(
    last_token, script, monkeypatch, lived_on, cause
):
    monkeypatch.setattr(Scripted, "spec", replace(SPEC, renewal_rotates=True))
    script.answers["refresh"] = [
        TransientError(cause=Cause.TIMED_OUT),
        AuthRevoked(cause=Cause.REFRESH_REFUSED),
    ]
    for _ in range(2):
        Credential.objects.update(refresh_after=timezone.now())
        refresh.refresh(last_token.pk)
    last_token.refresh_from_db()
    if lived_on:
        assert health.check(last_token).verdict == "proven"
    script.answers["prove"] = [AuthExpired()]
    health.check(last_token)
    assert (last_token.state, last_token.cause) == ("broken", cause)


@pytest.mark.parametrize(
    ("cause", "asked"),
    [
        (Cause.TOKEN_EXPIRED, ["prove"]),
        # A renewal whose answer was lost may have ended it: that is for a renewal to tell.
        (Cause.TOKEN_INVALID, ["prove", "refresh"]),
    ],
)
def test_an_expired_token_that_was_its_own_renewal_is_over(
    renewable, script, cause, asked
):
    """Threads renews none that is younger than a day, and none that has expired."""
    renewable.refresh_token = renewable.access_token
    renewable.expires_at = timezone.now() + 30 * DAY
    renewable.save()
    script.answers["prove"] = [AuthExpired(cause=cause)]
    script.answers["refresh"] = [TransientError()]
    found = health.check(renewable)
    assert script.asked == asked
    assert (found.verdict, renewable.is_active) == (
        ("failing", False) if cause == Cause.TOKEN_EXPIRED else ("unknown", True)
    )


# ---------------------------------------------------------------- spread over the day


def test_fifty_thousand_looks_make_no_peak():
    now = timezone.now()
    minutes: Counter[int] = Counter()
    for pk in range(1, 50_001):
        wait = Credential(pk=pk).proof_gap(now).total_seconds()
        assert 3600 < wait <= 25 * 3600
        minutes[int((wait - 1) // 60)] += 1
    mean = 50_000 / (24 * 60)
    assert max(minutes.values()) <= mean * 1.1
    assert min(minutes.values()) >= mean * 0.9


def test_numbers_with_gaps_make_no_peak_either():
    """Every second one, as where two kinds of account are connected in turn."""
    now = timezone.now()
    minutes = Counter(
        int(Credential(pk=pk).proof_gap(now).total_seconds() // 600)
        for pk in range(2, 20_001, 2)
    )
    assert max(minutes.values()) <= 1.25 * 10_000 / 144


def test_looks_come_a_day_apart_and_stay_spread():
    now = timezone.now()
    for pk in (1, 2, 77, 4711):
        row = Credential(pk=pk)
        at = now + row.proof_gap(now)
        assert abs(row.proof_gap(at) - timedelta(days=1)) < timedelta(seconds=2)


def test_what_is_due_is_found_by_its_index():
    due = Credential.objects.proof_due(timezone.now()).order_by("next_proof_at")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert "credential_proof_due" in due.explain()


# ---------------------------------------------------------------- limits and breakers


def draw_on(monkeypatch, partition, *, size, units):
    """Let each look take so many units of one window."""
    rule = Bucket("few", partition, size, WindowKind.FIXED_UTC_DAY, 86400)
    call = Call("GET /me", "health", draws={"few": units})
    spec = replace(SPEC, buckets=(*SPEC.buckets, rule), calls=(*SPEC.calls, call))
    monkeypatch.setattr(Scripted, "spec", spec)
    monkeypatch.setattr(ScriptedClient, "spec", spec)
    monkeypatch.setattr(ScriptedClient, "calls_of_proof", lambda self: {"GET /me": 1})


def test_a_look_leaves_what_posts_need_and_is_made_up_for(
    account, script, monkeypatch, django_capture_on_commit_callbacks
):
    draw_on(monkeypatch, "token", size=4, units=3)
    bucket = BucketId("scripted", "few", f"token:{account.credential_id}")
    kept = {bucket: 2}
    with limits.kept_only_by(lambda ends, now: {b: kept[b] for b in ends}):
        now = timezone.now()
        RateBucket.objects.create(
            **bucket._asdict(), used=1, started_at=now, resets_at=now + DAY, size_set=4
        )
        with django_capture_on_commit_callbacks(execute=True):
            health.check(account.credential)
        assert script.asked == ["prove"], "half of the window was free"
        assert RateBucket.objects.get().used == 1, "what it did not call is given back"
        RateBucket.objects.update(used=3)
        limits.forget()
        looked_at = Credential.objects.get().looked_at
        finding = health.check(account.credential)
    assert (finding.verdict, finding.waits) == ("unknown", True)
    assert finding.cause == Cause.DAILY_LIMIT
    assert script.asked == ["prove"]
    credential = Credential.objects.get()
    assert credential.looked_at == looked_at, "nobody looked"
    wait = credential.next_proof_at - timezone.now()
    assert timedelta(0) < wait <= health.LONGEST_WAIT


def test_while_an_app_is_refused_its_looks_wait_together(account, script, make_account):
    others = [make_account("scripted", f"other{n}").credential for n in range(3)]
    Credential.objects.update(next_proof_at=timezone.now())
    script.answers["prove"] = [
        PermissionMissing(cause=Cause.APP_SUSPENDED, reach=Reach.APP)
    ]
    health.check(account.credential)
    assert not health.check(others[0]).waits, "one look goes through each breaker"
    assert health.check(others[1]).waits
    assert script.asked == ["prove", "prove"]
    assert not Credential.objects.proof_due(timezone.now()).exists()


def test_a_broken_credential_is_looked_at_too_and_may_come_back(account, script):
    account.credential.break_for(AuthRevoked())
    Credential.objects.update(next_proof_at=timezone.now())
    assert Credential.objects.proof_due(timezone.now()).count() == 1
    assert health.check(account.credential).changed
    assert account.credential.is_active


@pytest.mark.trap("instagram", 11)
def test_who_unlocks_the_account_at_the_platform_need_not_reconnect(account, script):
    script.answers["prove"] = [PermissionMissing(cause=Cause.ACCOUNT_LOCKED)]
    health.check(account.credential)
    assert not account.credential.is_active
    said = causes.explain(account.credential.cause)
    assert said.action is not causes.Action.RECONNECT
    assert "check again here" in str(said.cure)
    del script.answers["prove"]
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


@pytest.mark.trap("youtube", 3)
@pytest.mark.trap("linkedin", 7)
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


# ---------------------------------------------------------------- what a look costs


def test_a_look_that_finds_all_well_costs_three_statements(
    account, script, django_assert_num_queries
):
    """What is stored by now, the accounts, and the write."""
    hearing = Hearing()
    [errand] = health.errands([(account.credential, health.AT_ONCE)], hearing)
    health.check(account.credential)  # words of fixed queries are worked out once
    with django_assert_num_queries(3):
        assert alone(errand).verdict == "proven"


@pytest.mark.parametrize("count", [1, 9])
def test_room_for_many_looks_is_taken_at_once(
    script, make_account, monkeypatch, count, django_assert_num_queries
):
    draw_on(monkeypatch, "token", size=100, units=1)
    whom = [
        (make_account("scripted", f"who{n}").credential, None) for n in range(count)
    ]
    health.ask_all(whom, Hearing())  # makes the windows' rows
    # own accounts; begin, windows, write, commit; breakers
    with django_assert_num_queries(6):
        found = health.ask_all(whom, Hearing())
    assert [question.credential for question in found] == [row for row, _ in whom]


def test_of_many_looks_those_without_room_wait_and_the_others_go(
    script, make_account, monkeypatch
):
    draw_on(monkeypatch, "app", size=2, units=1)
    rows = [make_account("scripted", f"who{n}").credential for n in range(5)]
    found = health.ask_all([(row, None) for row in rows], Hearing())
    assert [isinstance(one, health.Question) for one in found] == [1, 1, 0, 0, 0]
    assert {one.waits for one in found[2:]} == {True}


def test_an_answer_about_tokens_that_were_replaced_meanwhile_is_not_kept(
    account, script
):
    [errand] = health.errands([(account.credential, health.AT_ONCE)], Hearing())
    [call] = next(errand)
    Credential.objects.update(issued_at=timezone.now(), cause="kept")
    with pytest.raises(StopIteration) as end:
        errand.send([call()])
    assert end.value.value.verdict == "unknown"
    stored = Credential.objects.get()
    assert (stored.cause, stored.proven_at) == ("kept", None)


def test_a_good_answer_where_looks_pass_already_is_no_news_and_a_bad_one_is(
    account, django_assert_num_queries
):
    credential = account.credential
    row = CircuitBreaker.objects.create(
        platform="scripted",
        subject=f"token:{credential.pk}",
        state="open",
        cause=Cause.TOO_MANY_REQUESTS,
        looks_pass=True,
    )
    hearing, now = Hearing(), timezone.now()
    admission = hearing.admit(caller_of(credential), now)
    assert (admission.refusal, admission.trials) == (None, (row.pk,))
    with django_assert_num_queries(0):
        hearing.tell(caller_of(credential), None, admission, now)
    hearing.tell(caller_of(credential), RateLimited(), admission, now)
    row.refresh_from_db()
    assert row.looks_pass is False


# ---------------------------------------------------------------- limits and choices


@pytest.fixture
def announced(monkeypatch):
    """What the scripted platform tells of its limits; how often it was asked."""
    told = {"boards": {"1": "First"}, "asked": 0}

    def server_limits(client):
        told["asked"] += 1
        if isinstance(told["boards"], Exception):
            raise told["boards"]
        return {"boards": told["boards"]}

    monkeypatch.setattr(ScriptedClient, "server_limits", server_limits)
    return told


def test_the_first_look_of_a_day_brings_what_may_be_chosen(account, announced):
    Credential.objects.update(looked_at=timezone.now() - DAY)
    for _number in range(2):
        health.check(Credential.objects.get())
    account.refresh_from_db()
    assert account.server_limits == {"boards": {"1": "First"}}
    assert announced["asked"] == 1


def test_limits_that_cannot_be_read_leave_the_old_ones_and_break_nothing(
    account, announced
):
    announced["boards"] = AuthRevoked("not for this question")
    account.server_limits = {"boards": {"1": "Old"}}
    account.save()
    finding = health.check(Credential.objects.get())
    account.refresh_from_db()
    assert finding.verdict == "proven"
    assert account.server_limits == {"boards": {"1": "Old"}}


def test_what_the_look_told_anyway_is_not_asked_again(script, account, announced):
    script.answers["prove"] = [
        Proof({Ability.PUBLISH: Verdict(True)}, limits={"boards": {"2": "Told"}})
    ]
    health.check(Credential.objects.get())
    account.refresh_from_db()
    assert account.server_limits == {"boards": {"2": "Told"}}
    assert announced["asked"] == 0


def test_a_server_is_asked_once_a_day_for_all_of_its_accounts(
    make_account, monkeypatch
):
    accounts = [make_account("mastodon", str(n)) for n in range(2)]
    asked = []

    def server_limits(client):
        asked.append(client)
        return {"max_characters": 5000}

    client = accounts[0].credential.app.client()
    proof = Proof({Ability.PUBLISH: Verdict(True)})
    monkeypatch.setattr(type(client), "prove", lambda client: proof)
    monkeypatch.setattr(type(client), "server_limits", server_limits)
    for row in Credential.objects.select_related("app"):
        health.check(Credential.objects.get(pk=row.pk))
    for account in accounts:
        account.refresh_from_db()
        assert account.server_limits == {"max_characters": 5000}
    assert len(asked) == 1
    app = accounts[0].credential.app
    app.refresh_from_db()
    assert app.facts["max_characters"] == 5000
