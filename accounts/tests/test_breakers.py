"""What opens a breaker, who is the one trial, and what its answer does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import breakers
from accounts.breakers import Caller, Heard, admit, foresee, give_trial_back, hear
from accounts.models import AuditEvent, CircuitBreaker, Credential, RateBucket
from platforms import registry
from platforms.errors import (
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    InvalidContent,
    PermissionMissing,
    PlatformDown,
    RateLimited,
    Reach,
    TransientError,
)

pytestmark = pytest.mark.django_db
State = CircuitBreaker.State
NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_heard_yet() -> None:
    breakers.lately.seen.clear()


def caller(token: int = 1, app: int = 7, platform: str = "x", network: str = "live"):
    return Caller(platform, network, app, token)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def fail(error, *tokens, at=NOW, trials=(), looking=False, **who):
    """Each token gets this error. Returns the changes."""
    events = [Heard(caller(t, **who), error, at, trials, looking) for t in tokens]
    return hear(events, at)


def succeed(*tokens, at=NOW, trials=(), looking=False, **who):
    events = [Heard(caller(t, **who), None, at, trials, looking) for t in tokens]
    return hear(events, at)


def ask(*tokens, at=NOW, looking=False, **who):
    """Admissions in the order of the tokens."""
    asks = [(n, caller(t, **who), looking) for n, t in enumerate(tokens)]
    return list(admit(asks, at).values())


def row(subject: str, platform: str = "x") -> CircuitBreaker:
    return CircuitBreaker.objects.get(platform=platform, subject=subject)


def trouble_for_all() -> None:
    fail(PlatformDown(), 1, 2, 3)
    assert row("platform:live").state == State.OPEN


# ---------------------------------------------------------------- all is well


def test_successes_of_the_healthy_cost_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert succeed(*range(1, 101)) == []


def test_asking_costs_one_statement_and_writes_nothing(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert {a.refusal for a in ask(*range(1, 101))} == {None}
    assert not CircuitBreaker.objects.exists()


@pytest.mark.parametrize(
    "error",
    [InvalidContent(), AuthExpired(), PermissionMissing(), RateLimited()],
    ids=lambda error: error.outcome,
)
def test_a_lone_refusal_opens_nothing(error):
    assert fail(error, 1) == []
    assert ask(1, 2)[0].refusal is None


# ---------------------------------------------------------------- limits of a token


def test_repeated_429s_pause_the_token_until_the_platforms_reset_and_no_other():
    reset = after(1800)
    fail(RateLimited(), 1)
    (change,) = fail(RateLimited(reset_at=reset, retry_after=60), 1, at=after(5))
    assert change.has_opened
    assert change.breaker.subject == "token:1"
    mine, other = ask(1, 2, at=after(6))
    assert mine.refusal
    assert mine.refusal.scope == "token"
    assert mine.refusal.is_limit
    assert reset <= mine.refusal.retry_at <= reset + timedelta(seconds=5)
    assert other.refusal is None


def test_a_429_after_a_success_is_a_lone_one_again():
    fail(RateLimited(), 1)
    succeed(1, at=after(10))
    assert fail(RateLimited(), 1, at=after(20)) == []
    assert fail(RateLimited(), 1, at=after(30)) != []


def test_429s_far_apart_are_no_repetition():
    fail(RateLimited(), 1)
    assert fail(RateLimited(), 1, at=after(1200)) == []


def test_without_a_time_told_the_used_up_window_decides(make_account):
    account = make_account("x")
    windows = {"POST /2/tweets:user": (100, 880), "GET /2/users/me:user": (3, 300)}
    for key, (used, seconds) in windows.items():
        start = after(seconds - registry.spec("x").rules[key].window_s)
        RateBucket.objects.create(
            platform="x",
            key=key,
            subject=f"account:{account.pk}",
            used=used,
            size_told=100,
            started_at=start,
            opened_by=start,
            resets_at=after(seconds),
        )
    token = account.credential_id
    fail(RateLimited(), token, token)
    assert after(880) <= row(f"token:{token}").retry_at <= after(900)


def test_without_any_time_the_wait_grows_with_each_failed_trial():
    fail(RateLimited(), 1, 1)
    waits = []
    at = NOW
    for _n in range(3):
        waits.append((row("token:1").retry_at - at).total_seconds())
        at = row("token:1").retry_at
        (admission,) = ask(1, at=at)
        fail(RateLimited(), 1, at=at, trials=admission.trials)
    assert waits[0] < waits[1] < waits[2]


def test_a_reset_in_a_far_year_still_gets_a_trial_a_day():
    fail(RateLimited(reset_at=after(9e8)), 1, 1)
    assert row("token:1").retry_at == after(86_400)


def test_a_429_of_a_look_says_nothing_of_posting():
    assert fail(RateLimited(), 1, 1, 1, looking=True) == []
    assert not CircuitBreaker.objects.exists()


def test_a_later_reset_told_by_what_was_on_its_way_counts():
    fail(RateLimited(reset_at=after(60)), 1, 1)
    fail(RateLimited(reset_at=after(600)), 1, at=after(1))
    assert row("token:1").retry_at == after(600)
    fail(RateLimited(reset_at=after(30)), 1, at=after(2))
    assert row("token:1").retry_at == after(600)


# ---------------------------------------------------------------- our app


@pytest.mark.trap("x", 8)
@pytest.mark.parametrize(
    "error",
    [
        PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP),
        PlatformDown(cause=Cause.VERSION_ENDED, reach=Reach.APP),
        RateLimited(cause=Cause.CREDITS_USED_UP, reach=Reach.APP),
    ],
    ids=lambda error: error.cause,
)
def test_an_error_of_our_app_pauses_all_its_tokens_for_a_quarter_of_an_hour(error):
    (change,) = fail(error, 1)
    assert (change.breaker.subject, change.breaker.cause) == ("app:7", error.cause)
    (mine,) = ask(2)
    assert mine.refusal
    assert mine.refusal.scope == "app"
    assert not mine.refusal.is_limit
    assert after(700) < mine.refusal.retry_at < after(1100)
    assert ask(3, app=8)[0].refusal is None


def test_a_limit_of_the_whole_app_pauses_it_at_once_until_the_reset():
    error = RateLimited(
        cause=Cause.DAILY_LIMIT, reach=Reach.APP, reset_at=after(36_000)
    )
    fail(error, 1)
    (mine,) = ask(2)
    assert mine.refusal
    assert mine.refusal.is_limit
    assert after(36_000) <= mine.refusal.retry_at <= after(36_005)


def test_many_tokens_without_access_at_once_point_to_the_app():
    assert fail(AuthRevoked(), 1, 2) == []
    (change,) = fail(AuthRevoked(), 3, at=after(60))
    assert change.breaker.subject == "app:7"
    assert change.breaker.cause == breakers.MANY_LOST_ACCESS
    assert not CircuitBreaker.objects.filter(subject="platform:live").exists()


def test_one_token_refused_again_and_again_does_not_point_to_the_app():
    assert fail(AuthRevoked(), 1, 1, 1, 1) == []


def test_lost_tokens_beside_working_ones_do_not_point_to_the_app():
    succeed(4, 5)
    assert fail(AuthRevoked(), 1, 2, 3) == []


def test_a_registration_that_is_gone_is_mended_by_reconnecting():
    error = AuthRevoked(cause=Cause.APP_GONE, reach=Reach.APP)
    assert fail(error, 1, 2, 3, platform="mastodon") == []


# ---------------------------------------------------------------- the platform


@pytest.mark.trap("ayrshare", 10)
@pytest.mark.parametrize(
    "error",
    [
        PlatformDown(),
        TransientError(cause=Cause.UNREACHABLE),
        AmbiguousOutcome(cause=Cause.TIMED_OUT),
    ],
    ids=lambda error: error.outcome,
)
def test_many_tokens_failing_alike_within_minutes_are_the_platforms_trouble(error):
    assert fail(error, 1, 2) == []
    (change,) = fail(error, 3, at=after(60))
    assert change.has_opened
    assert change.breaker.subject == "platform:live"
    (other,) = ask(99, app=8, at=after(61))
    assert other.refusal
    assert other.refusal.scope == "platform"
    assert not other.refusal.is_limit
    assert ask(99, network="practice", at=after(61))[0].refusal is None
    assert ask(99, platform="linkedin", at=after(61))[0].refusal is None


def test_a_page_of_theirs_that_makes_no_sense_to_looks_stops_no_posts():
    odd = TransientError(cause=Cause.ANSWER_UNREADABLE)
    assert fail(odd, 1, 2, 3, looking=True) == []
    assert not CircuitBreaker.objects.exists()
    (change,) = fail(odd, 1, 2, 3)
    assert change.has_opened


def test_one_token_alone_cannot_tell_that_the_platform_has_trouble():
    for n in range(20):
        assert fail(PlatformDown(), 1, at=after(n)) == []


def test_two_tokens_tell_it_when_they_are_all_and_fail_again():
    assert fail(PlatformDown(), 1, 2) == []
    assert fail(PlatformDown(), 1, at=after(5)) == []
    assert fail(PlatformDown(), 2, at=after(5)) != []


def test_failures_hours_apart_are_no_outage():
    for n in range(5):
        assert fail(PlatformDown(), n + 1, at=after(n * 3600)) == []


def test_many_successes_beside_the_failures_are_no_outage():
    succeed(*range(10, 30))
    assert fail(PlatformDown(), 1, 2, 3) == []
    assert fail(PlatformDown(), *range(10, 30), at=after(10)) != []


def test_a_token_that_got_through_after_its_failure_is_not_failing():
    fail(PlatformDown(), 1, 2)
    succeed(1, 2, at=after(5))
    assert fail(PlatformDown(), 3, at=after(10)) == []


def test_successes_that_another_process_saw_count_as_well():
    succeed(*range(10, 30))
    fail(PlatformDown(), 1)
    breakers.lately.seen.clear()  # as in another process
    assert fail(PlatformDown(), 2, 3, at=after(5)) == []


def test_an_upload_that_is_not_ready_is_no_trouble():
    error = TransientError(cause=Cause.MEDIA_NOT_READY)
    assert fail(error, 1, 2, 3) == []


def test_a_server_of_many_stands_for_itself():
    (change,) = fail(PlatformDown(), 1, 2, 3, platform="mastodon")
    assert change.breaker.subject == "app:7"
    assert ask(4, platform="mastodon")[0].refusal
    assert ask(4, app=8, platform="mastodon")[0].refusal is None


def test_trouble_is_written_once_and_not_for_each_further_failure(
    django_assert_num_queries,
):
    trouble_for_all()
    with django_assert_num_queries(1):
        fail(PlatformDown(), 4, 5, 6, at=after(1))


def test_a_storm_leaves_a_small_row():
    for n in range(30):
        succeed(*range(1000, 1300), at=after(n))
        fail(PlatformDown(), *range(1, 20), at=after(n))
    assert row("platform:live").state == State.CLOSED
    assert len(row("platform:live").failures) == breakers.KEPT
    assert len(row("platform:live").successes) == breakers.KEPT


# ---------------------------------------------------------------- the one trial


def test_before_its_time_nobody_and_after_it_exactly_one_is_let_through():
    trouble_for_all()
    retry_at = row("platform:live").retry_at
    early = ask(1, 2, at=retry_at - timedelta(seconds=1))
    assert [a.refusal.retry_at for a in early] == [retry_at, retry_at]
    first, second = ask(1, 2, at=retry_at)
    assert first.refusal is None
    assert first.trials == (row("platform:live").pk,)
    assert second.refusal
    assert second.trials == ()
    (third,) = ask(3, at=retry_at + timedelta(seconds=1))
    assert third.refusal
    assert third.refusal.retry_at > retry_at + timedelta(seconds=1)


def test_a_trial_that_goes_well_closes_it_and_all_may_go():
    trouble_for_all()
    at = row("platform:live").retry_at
    (trial,) = ask(1, at=at)
    (change,) = succeed(1, at=at, trials=trial.trials)
    assert change.has_closed
    assert [a.refusal for a in ask(1, 2, 3, at=at)] == [None, None, None]


def test_a_refused_text_is_an_answer_too_and_closes_it():
    trouble_for_all()
    at = row("platform:live").retry_at
    (trial,) = ask(1, at=at)
    (change,) = fail(InvalidContent(), 1, at=at, trials=trial.trials)
    assert change.has_closed


def test_a_trial_that_fails_opens_it_again_for_longer():
    trouble_for_all()
    first_wait = row("platform:live").retry_at - NOW
    at = row("platform:live").retry_at
    (trial,) = ask(1, at=at)
    assert [
        c.breaker.state for c in fail(PlatformDown(), 1, at=at, trials=trial.trials)
    ]
    assert row("platform:live").state == State.OPEN
    assert row("platform:live").retry_at - at > first_wait
    assert row("platform:live").opened_at == NOW, "it is the same trouble"


def test_a_success_that_was_no_trial_does_not_close_a_limit():
    fail(RateLimited(reset_at=after(600)), 1, 1)
    succeed(1, at=after(1))
    assert row("token:1").state == State.OPEN


def test_a_trial_that_never_answers_counts_as_failed():
    trouble_for_all()
    at = row("platform:live").retry_at
    ask(1, at=at)
    just_before = at + breakers.TRIAL_LOST - timedelta(seconds=1)
    assert ask(2, at=just_before)[0].refusal
    (next_trial,) = ask(2, at=at + breakers.TRIAL_LOST)
    assert next_trial.trials
    assert row("platform:live").open_count == 2


def test_a_lost_trial_of_our_app_waits_for_its_longer_time():
    fail(PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP), 1)
    at = row("app:7").retry_at
    ask(1, at=at)
    assert ask(2, at=at + breakers.TRIAL_LOST)[0].refusal
    assert ask(2, at=at + timedelta(minutes=31))[0].trials


def test_a_trial_that_was_not_sent_is_given_back(django_assert_num_queries):
    trouble_for_all()
    at = row("platform:live").retry_at
    (trial,) = ask(1, at=at)
    give_trial_back(trial.trials, at)
    assert ask(2, at=at)[0].trials == trial.trials
    with django_assert_num_queries(0):
        give_trial_back((), at)


def test_a_trial_whose_answer_tells_nothing_is_repeated_without_a_longer_wait():
    fail(RateLimited(cause=Cause.CREDITS_USED_UP, reach=Reach.APP), 1)
    at = row("app:7").retry_at
    (trial,) = ask(1, at=at)
    fail(TransientError(cause=Cause.TIMED_OUT), 1, at=at, trials=trial.trials)
    assert row("app:7").state == State.OPEN
    assert row("app:7").open_count == 1
    assert row("app:7").retry_at == at + breakers.TOLD_NOTHING


def refuse_our_app() -> None:
    fail(PermissionMissing(cause=Cause.APP_SUSPENDED, reach=Reach.APP), 1)


def lose_many() -> None:
    fail(AuthRevoked(), 1, 2, 3)


@pytest.mark.parametrize("refuse", [refuse_our_app, lose_many])
def test_a_trial_that_meets_a_limit_hides_nothing_of_what_refused_our_app(refuse):
    """It did not come so far; admins would read that it passes by itself."""
    refuse()
    before = row("app:7").cause
    at = row("app:7").retry_at
    (trial,) = ask(4, at=at)
    limit = RateLimited(reach=Reach.APP, retry_after=120)
    fail(limit, 4, at=at, trials=trial.trials)
    found = row("app:7")
    assert (found.state, found.cause, found.open_count) == (State.OPEN, before, 1)
    assert found.retry_at == at + timedelta(seconds=120), "the platform's own time"


def test_who_seemed_withdrawn_is_asked_again_whatever_the_app_was_refused_with_then(
    make_account,
):
    lost = make_account("x", "lost").credential
    Credential.objects.filter(pk=lost.pk).update(
        state="broken", cause="token_revoked", broken_at=NOW, looked_at=NOW
    )
    fail(AuthRevoked(), 1, 2, 3, app=lost.app_id)
    app = f"app:{lost.app_id}"
    at = after(5 * 3600)
    (trial,) = ask(4, at=at, app=lost.app_id)
    fail(SUSPENDED, 4, at=at, trials=trial.trials, app=lost.app_id)
    assert row(app).cause == Cause.APP_SUSPENDED
    assert breakers.mistaken(at) == []
    at = row(app).retry_at
    (trial,) = ask(4, at=at, app=lost.app_id)
    succeed(4, at=at, trials=trial.trials, app=lost.app_id)
    assert breakers.mistaken(at) == [lost.pk]
    # Refused again, long after: none of those that were lost before.
    fail(SUSPENDED, 4, at=at + timedelta(minutes=1), app=lost.app_id)
    assert row(app).many_lost_at is None


def test_one_trial_serves_all_breakers_in_its_way():
    fail(RateLimited(reset_at=after(20)), 1, 1)
    trouble_for_all()
    at = after(120)
    (trial,) = ask(1, at=at)
    assert len(trial.trials) == 2
    changes = succeed(1, at=at, trials=trial.trials)
    assert {c.breaker.subject for c in changes} == {"token:1", "platform:live"}


def test_who_waits_for_his_own_token_takes_no_trial_from_others():
    fail(RateLimited(reset_at=after(9000)), 1, 1)
    trouble_for_all()
    mine, other = ask(1, 2, at=after(120))
    assert mine.refusal
    assert mine.refusal.breaker_subject == "token:1"
    assert other.trials == (row("platform:live").pk,)


def test_a_late_answer_of_a_lost_trial_does_not_lengthen_the_wait():
    trouble_for_all()
    at = row("platform:live").retry_at
    (lost,) = ask(1, at=at)
    later = at + breakers.TRIAL_LOST
    (trial,) = ask(2, at=later)
    fail(PlatformDown(), 2, at=later, trials=trial.trials)
    before = row("platform:live")
    fail(PlatformDown(), 1, at=later, trials=lost.trials)
    assert row("platform:live").open_count == before.open_count
    assert row("platform:live").retry_at == before.retry_at


def test_opening_again_soon_after_closing_is_the_same_trouble():
    trouble_for_all()
    at = row("platform:live").retry_at
    (trial,) = ask(1, at=at)
    succeed(1, at=at, trials=trial.trials)
    breakers.lately.seen.clear()
    fail(PlatformDown(), 1, 2, 3, at=at + timedelta(seconds=30))
    assert row("platform:live").open_count == 2
    at = row("platform:live").retry_at
    (trial,) = ask(1, at=at)
    succeed(1, at=at, trials=trial.trials)
    breakers.lately.seen.clear()
    fail(PlatformDown(), 1, 2, 3, at=at + timedelta(hours=1))
    assert row("platform:live").open_count == 1


def test_foreseeing_lets_the_first_go_and_changes_nothing(django_assert_num_queries):
    trouble_for_all()
    at = row("platform:live").retry_at
    asks = [(n, caller(n), False) for n in (1, 2, 3)]
    with django_assert_num_queries(1):
        seen = foresee(asks, at)
    assert [a.refusal is None for a in seen.values()] == [True, False, False]
    assert row("platform:live").state == State.OPEN


# ---------------------------------------------------------------- looks


def test_one_look_passes_an_open_breaker_and_is_no_trial():
    trouble_for_all()
    first, second, third = ask(1, 2, 3, looking=True, at=after(1))
    assert first.refusal is None
    assert row("platform:live").state == State.OPEN
    # Its answer decides for the others, so they ask again before the minute is over.
    assert second.refusal.retry_at == after(16)
    assert third.refusal.retry_at == after(16.1)
    assert ask(2, looking=True, at=after(30))[0].refusal


def test_looks_that_fail_come_one_a_minute():
    trouble_for_all()
    (look,) = ask(1, looking=True, at=after(1))
    fail(PlatformDown(), 1, looking=True, trials=look.trials, at=after(5))
    assert ask(2, looking=True, at=after(30))[0].refusal
    assert ask(2, looking=True, at=after(61))[0].refusal is None


def test_a_look_that_is_answered_lets_all_looks_through_until_one_fails():
    trouble_for_all()
    (look,) = ask(1, looking=True, at=after(1))
    succeed(1, looking=True, trials=look.trials, at=after(2))
    several = ask(2, 3, 4, looking=True, at=after(16))
    assert [one.refusal for one in several] == [None] * 3
    assert ask(5, at=after(16))[0].refusal, "posting waits for its own trial"
    fail(PlatformDown(), 3, looking=True, trials=several[1].trials, at=after(17))
    assert [one.refusal is None for one in ask(4, 5, looking=True, at=after(62))] == [
        True,
        False,
    ]


def test_a_look_without_access_tells_nothing_of_an_app_that_was_refused():
    fail(PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP), 1)
    (look,) = ask(1, looking=True)
    fail(AuthRevoked(), 1, looking=True, trials=look.trials, at=after(1))
    assert ask(2, looking=True, at=after(2))[0].refusal


def test_looks_have_to_be_tried_anew_when_a_breaker_opens_again():
    trouble_for_all()
    (look,) = ask(1, looking=True, at=after(1))
    succeed(1, looking=True, trials=look.trials, at=after(2))
    at = row("platform:live").retry_at
    (trial,) = ask(1, at=at)
    succeed(1, trials=trial.trials, at=at)
    breakers.lately.seen.clear()
    again = at + timedelta(seconds=60)
    fail(PlatformDown(), 1, 2, 3, at=again)
    first, second = ask(1, 2, looking=True, at=again)
    assert first.refusal is None
    assert second.refusal


def test_what_a_look_reads_does_not_close_a_breaker():
    trouble_for_all()
    (look,) = ask(1, looking=True, at=after(1))
    succeed(1, looking=True, trials=look.trials, at=after(5))
    assert row("platform:live").state == State.OPEN


@pytest.mark.parametrize(
    "error",
    [
        PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP),
        PermissionMissing(cause=Cause.APP_SUSPENDED, reach=Reach.APP),
        PermissionMissing(cause=Cause.VERSION_ENDED, reach=Reach.APP),
    ],
    ids=lambda error: error.cause.value,
)
def test_what_a_look_reads_closes_where_reading_was_refused_as_well(error):
    fail(error, 1)
    (look,) = ask(1, looking=True, at=after(900))
    succeed(1, looking=True, trials=look.trials, at=after(901))
    assert row("app:7").state == State.CLOSED


def test_an_access_that_can_be_read_tells_that_the_app_is_not_lost():
    for number in (1, 2, 3):
        fail(AuthRevoked(), number)
    assert row("app:7").cause == breakers.MANY_LOST_ACCESS
    (look,) = ask(4, looking=True, at=after(900))
    fail(AuthRevoked(), 4, looking=True, trials=look.trials, at=after(901))
    assert row("app:7").state != State.CLOSED
    (look,) = ask(5, looking=True, at=after(1900))
    succeed(5, looking=True, trials=look.trials, at=after(1901))
    assert row("app:7").state == State.CLOSED


def test_reading_does_not_tell_that_credits_were_bought():
    fail(RateLimited(cause=Cause.CREDITS_USED_UP, reach=Reach.APP), 1)
    (look,) = ask(1, looking=True, at=after(900))
    succeed(1, looking=True, trials=look.trials, at=after(901))
    assert row("app:7").state == State.OPEN


SUSPENDED = PermissionMissing(cause=Cause.APP_SUSPENDED, reach=Reach.APP)
LIMITED = RateLimited(cause=Cause.TOO_MANY_REQUESTS, reach=Reach.APP)


def test_a_look_that_is_told_that_the_app_is_suspended_says_so_behind_an_old_limit():
    fail(LIMITED, 1)
    (look,) = ask(1, looking=True, at=after(90))
    succeed(1, looking=True, trials=look.trials, at=after(91))
    week = 7 * 86_400
    (look,) = ask(2, looking=True, at=after(week))
    fail(SUSPENDED, 2, looking=True, trials=look.trials, at=after(week + 1))
    found = row("app:7")
    assert (found.state, found.cause) == (State.OPEN, Cause.APP_SUSPENDED)
    assert (found.opened_at, found.looks_pass) == (after(week + 1), False)
    # ... and what is told after that in other words changes nothing.
    fail(LIMITED, 3, at=after(week + 2))
    other = PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP)
    fail(other, 3, at=after(week + 3))
    assert row("app:7").cause == Cause.APP_SUSPENDED


def test_a_post_on_its_way_that_is_told_so_says_it_as_well():
    fail(LIMITED, 1)
    fail(SUSPENDED, 2, at=after(1))
    assert row("app:7").cause == Cause.APP_SUSPENDED


def test_trouble_of_the_whole_platform_stays_that_when_one_app_is_suspended():
    trouble_for_all()
    (look,) = ask(1, looking=True, at=after(1))
    fail(SUSPENDED, 1, looking=True, trials=look.trials, at=after(2))
    assert row("platform:live").cause == Cause.PLATFORM_TROUBLE
    assert row("app:7").cause == Cause.APP_SUSPENDED


def test_looks_do_not_hammer_with_an_app_that_was_refused():
    fail(PermissionMissing(cause=Cause.APP_REFUSED, reach=Reach.APP), 1)
    assert ask(1, looking=True)[0].refusal is None
    assert ask(1, looking=True, at=after(300))[0].refusal
    assert ask(1, looking=True, at=after(900))[0].refusal is None


# ---------------------------------------------------------------- costs, people, rows


def test_a_batch_costs_one_reading_and_one_writing(django_assert_num_queries):
    fail(PlatformDown(), 1, 2)
    with django_assert_num_queries(2):
        fail(PlatformDown(), *range(3, 100))


def test_the_first_failure_makes_its_row_on_the_way(connection_queries):
    fail(PlatformDown(), 1, 2)
    verbs = [q["sql"].split()[0] for q in connection_queries]
    assert verbs == ["SELECT", "INSERT", "SELECT", "UPDATE"]


@pytest.fixture
def connection_queries():
    from django.db import connection

    with CaptureQueriesContext(connection) as queries:
        yield queries


def test_try_again_now_lets_the_next_be_the_trial_and_is_written_down(author):
    now = timezone.now()
    fail(RateLimited(cause=Cause.CREDITS_USED_UP, reach=Reach.APP), 1, at=now)
    assert breakers.try_now(row("app:7"), author)
    assert [b.subject for b in breakers.lifted(now, timezone.now())] == ["app:7"]
    first, second = ask(1, 2, at=timezone.now())
    assert first.trials
    assert second.refusal
    event = AuditEvent.objects.get()
    assert (event.actor, event.verb) == (author, "breaker.tried_now")
    assert not breakers.try_now(row("app:7"), author), "one trial is out already"


def test_what_has_closed_is_told_so_that_its_posts_can_go():
    trouble_for_all()
    at = row("platform:live").retry_at
    assert breakers.lifted(NOW, at) == []
    (trial,) = ask(1, at=at)
    succeed(1, at=at, trials=trial.trials)
    (closed,) = breakers.lifted(at, at)
    assert breakers.accounts_behind(closed, "account__") == {
        "account__platform": "x",
        "account__network": "live",
    }
    assert breakers.lifted(at + timedelta(seconds=1), at) == []


def test_closed_rows_are_forgotten_after_a_day_and_open_ones_never():
    fail(RateLimited(), 1, 1)
    fail(PlatformDown(), 5)
    assert breakers.tidy(NOW + timedelta(hours=23)) == 0
    assert breakers.tidy(NOW + timedelta(hours=25)) == 1
    assert row("token:1").state == State.OPEN


def test_who_needs_a_row_that_was_not_locked_is_no_trial(monkeypatch):
    """The first loses its token's row to another pump; the second, who comes into its
    place at the platform, would need a row that nobody has locked."""
    fail(RateLimited(), 1, 1)
    fail(RateLimited(), 2, 2)
    trouble_for_all()
    real = breakers._lock

    def lose_one(which, **options):
        locked = real(which, **options)
        locked.pop(("x", "token:1"), None)
        return locked

    monkeypatch.setattr(breakers, "_lock", lose_one)
    first, second, third = ask(1, 2, 3, at=after(600))
    assert first.refusal
    assert second.refusal
    assert third.trials == (row("platform:live").pk,)
    assert row("token:2").state == State.OPEN


def test_forty_pages_of_one_person_are_one_loss(db):
    """A new password ends them all at once: nothing points to our app."""
    lost = AuthRevoked()
    pages = [Caller("x", "live", 1, pk, parent_id=7) for pk in range(100, 140)]
    breakers.hear([Heard(page, lost, NOW) for page in pages], NOW)
    assert not CircuitBreaker.objects.filter(state="open").exists()
    others = [Caller("x", "live", 1, pk) for pk in (8, 9)]
    breakers.hear([Heard(other, lost, NOW) for other in others], NOW)
    assert CircuitBreaker.objects.get(state="open").cause == breakers.MANY_LOST_ACCESS
