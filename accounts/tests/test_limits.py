"""The ledger on the database: all or nothing, given back, learnt, and cheap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import limits
from accounts.limit_pages import (
    bucket_name,
    kind_words,
    subjects_of,
    unsized,
    windows,
)
from accounts.limits import (
    BucketId,
    Denied,
    Importance,
    Need,
    Planned,
    Use,
    outlook,
    reserve,
    set_size,
    settle,
)
from accounts.models import AuditEvent, RateBucket
from platforms import registry
from platforms.base import MONEY, Bucket, Observation, WindowKind
from platforms.http import CallLog

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY_S = 86_400
TOY = (
    Bucket("app_day", "app", 10, WindowKind.FIXED_UTC_DAY, DAY_S),
    Bucket("own", "account", 3, WindowKind.FROM_FIRST_CALL, 900),
    Bucket("token", "token", 100, WindowKind.FIXED_FROM_EPOCH, 300),
    Bucket("unknown", "account", None, WindowKind.FROM_FIRST_CALL, 900),
    Bucket("money", "app", None, WindowKind.MONTH, 31 * DAY_S),
    Bucket("address", "ip", 50, WindowKind.FIXED_FROM_EPOCH, 300),
)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(limits._declared, "toy", {b.key: b for b in TOY})


def need(ref, account=1, importance=Importance.PUBLISH, **draws) -> Need:
    return Need(
        ref, "toy", "live", 7, account, account, draws or {"own": 1}, importance
    )


def take(*needs: Need, now: datetime = NOW):
    with transaction.atomic():
        return reserve(needs, now)


def give(*uses: Use, now: datetime = NOW) -> None:
    with transaction.atomic():
        settle(uses, now)


def used(key: str, subject: str) -> int:
    row = RateBucket.objects.filter(platform="toy", key=key, subject=subject).first()
    return row.used if row else 0


def test_a_need_is_taken_from_all_of_its_buckets_or_from_none():
    answers = take(need("a", own=3, app_day=1), need("b", own=1, app_day=1))
    assert answers["a"] is None
    assert (answers["b"].key, answers["b"].subject) == ("own", "account:1")
    assert (used("own", "account:1"), used("app_day", "app:7")) == (3, 1)


def test_earlier_needs_win_and_smaller_ones_behind_them_may_still_fit():
    answers = take(
        need("a", own=2), need("b", own=2), need("c", own=1), need("d", account=2)
    )
    assert [ref for ref, denied in answers.items() if denied is None] == ["a", "c", "d"]


def test_the_denial_names_the_bucket_that_opens_last():
    take(need("a", own=3, app_day=10))
    denied = take(need("b", own=1, app_day=1))["b"]
    assert (denied.key, denied.subject) == ("app_day", "app:7")
    assert denied.opens_at == datetime(2026, 11, 21, 0, 0, 5, tzinfo=UTC)


def test_more_than_a_window_ever_holds_never_opens():
    assert take(need("a", own=4))["a"].opens_at is None


def test_what_was_not_used_is_given_back():
    one = need("a", own=3, app_day=2)
    take(one)
    give(Use(one, {"own": 1}, NOW))
    assert (used("own", "account:1"), used("app_day", "app:7")) == (1, 0)
    assert take(need("b", own=2))["b"] is None


def test_what_was_used_on_top_is_counted():
    one = need("a", own=1)
    take(one)
    give(Use(one, {"own": 2, "token": 1}, NOW))
    assert (used("own", "account:1"), used("token", "token:1")) == (2, 1)


def test_giving_back_late_does_not_touch_the_next_window():
    one, two = need("a", app_day=9), need("b", app_day=9)
    late = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    next_day = late + timedelta(hours=2)
    take(one, now=late)
    take(two, now=next_day)
    give(Use(one, {}, late), now=next_day)
    assert used("app_day", "app:7") == 9


def test_headers_tighten_and_never_loosen_within_a_window():
    one = need("a", own=1)
    take(one)
    ends = NOW + timedelta(seconds=900)
    tight = Observation("own", 3, 0, ends, NOW)
    loose = Observation("own", 3, 2, ends, NOW)
    give(Use(one, {"own": 1}, NOW, (tight,)))
    give(Use(need("b", own=0), {}, NOW, (loose,)))
    denied = take(need("c", own=1))["c"]
    assert denied.opens_at == ends + timedelta(seconds=5)


def test_a_size_that_headers_tell_counts_in_both_directions():
    for size in (5, 2):
        give(Use(need("a"), {}, NOW, (Observation("own", size, size, None, NOW),)))
        assert take(need("b", own=size + 1))["b"].opens_at is None
    assert take(need("c", own=2))["c"] is None


def test_a_bucket_of_unknown_size_costs_no_row_until_an_answer_tells_it():
    take(need("a", unknown=5, money=100))
    assert not RateBucket.objects.exists()
    told = Observation("unknown", 4, 1, NOW + timedelta(seconds=600), NOW)
    give(Use(need("a"), {}, NOW, (told,)))
    assert take(need("b", unknown=2))["b"].key == "unknown"
    assert take(need("c", unknown=1))["c"] is None


def test_a_need_without_an_account_draws_on_the_others_only():
    look = Need("a", "toy", "live", 7, 1, 0, {"own": 1, "token": 1})
    assert take(look) == {"a": None}
    assert set(RateBucket.objects.values_list("subject", flat=True)) == {"token:1"}


def test_the_networks_have_an_address_each():
    practice = Need("b", "toy", "practice", 8, 2, 2, {"address": 50})
    assert take(need("a", address=50), practice) == {"a": None, "b": None}


def test_outside_of_a_transaction_nothing_is_counted(transactional_db):
    with pytest.raises(transaction.TransactionManagementError):
        reserve([need("a")], NOW)
    with pytest.raises(transaction.TransactionManagementError):
        settle([], NOW)


#: how statements begin that read
READS = {"SELECT", "WITH"}


def statements(count: int, step: int) -> list[str]:
    """What it costs to reserve for so many accounts that have their rows already."""
    needs = [need(n, account=n, own=1, token=1, app_day=0) for n in range(1, count + 1)]
    for second in (0, step):
        with CaptureQueriesContext(connection) as captured:
            take(*needs, now=NOW + timedelta(seconds=second))
    return [query["sql"].split()[0] for query in captured]


def test_a_batch_costs_as_many_statements_whatever_its_size():
    one, many = statements(1, 1), statements(100, 1)
    assert len(one) == len(many)
    assert sum(name in READS for name in many) == 1


def test_a_bucket_that_was_met_before_is_read_by_its_primary_key_alone():
    take(need("a", own=1, token=1))
    with CaptureQueriesContext(connection) as captured:
        take(need("b", own=1, token=1))
    selects = [q["sql"] for q in captured if q["sql"].split()[0] in READS]
    assert len(selects) == 1
    assert "platform =" not in selects[0]


def test_rows_that_are_gone_or_anothers_are_found_anew():
    """A database was put back, and the worker went on."""
    take(need("a", own=1, app_day=1), need("b", account=2, own=1))
    old = dict(RateBucket.objects.values_list("key", "pk").exclude(subject="account:2"))
    RateBucket.objects.all().delete()
    RateBucket.objects.create(
        pk=old["own"], platform="toy", key="app_day", subject="app:7", used=9
    )
    take(need("c", own=2, app_day=1), need("d", account=2, own=1))
    assert (used("own", "account:1"), used("app_day", "app:7")) == (2, 10)
    assert used("own", "account:2") == 1


# ---------------------------------------------------------------- what needs no row

#: Far from the ends of all windows.
THEN = NOW + timedelta(seconds=60)
LATE = THEN + timedelta(seconds=3)
ENDS = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
#: "own" opens with its first call: its end has to be told once.
OWN_ENDS = THEN + timedelta(seconds=900)


def told(key: str, limit: int | None, remaining: int, ends=ENDS) -> Observation:
    return Observation(key, limit, remaining, ends, LATE)


def settled(*uses: Use, now: datetime = LATE) -> int:
    """How many statements it took."""
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        settle(uses, now)
    return len(captured)


def changed_elsewhere(key: str, **fields) -> None:
    """As another worker would, who shares nothing with this process but the rows."""
    RateBucket.objects.filter(platform="toy", key=key).update(**fields)


@pytest.fixture
def taken(transactional_db) -> Need:
    """A need whose units are taken, for good."""
    one = need("a", app_day=2, token=1, unknown=1)
    take(one, now=THEN)
    return one


def test_settling_what_is_as_it_was_reserved_makes_no_statement(taken):
    told_before = told("app_day", 10, 8)
    assert settled(Use(taken, dict(taken.draws), THEN, (told_before,))) == 0
    assert (used("app_day", "app:7"), used("token", "token:1")) == (2, 1)


def test_the_end_of_a_window_that_opens_with_its_first_call_is_learnt_once(
    transactional_db,
):
    answer = told("own", 3, 2, OWN_ENDS)
    one, two = need("a", own=1), need("b", own=1)
    take(one, now=THEN)
    assert settled(Use(one, {"own": 1}, THEN, (answer,))) > 0
    row = RateBucket.objects.get(key="own")
    assert row.resets_at == OWN_ENDS
    take(two, now=LATE)
    answer = told("own", 3, 1, OWN_ENDS)
    assert settled(Use(two, {"own": 1}, LATE, (answer,))) == 0


@pytest.mark.parametrize(
    ("answer", "free"),
    [
        (told("app_day", 10, 3), 3),
        (told("app_day", None, 3), 3),
        (told("app_day", 4, 2), 2),
        (told("app_day", 20, 18), 18),
    ],
    ids=["less left", "less left of a size not told", "smaller", "larger"],
)
def test_what_an_answer_tells_anew_goes_to_the_row(taken, answer, free):
    assert settled(Use(taken, dict(taken.draws), THEN, (answer,))) > 0
    at = LATE + timedelta(seconds=1)
    assert take(need("b", app_day=free + 1), now=at)["b"] is not None
    assert take(need("c", app_day=free), now=at)["c"] is None


def test_a_size_that_nobody_knew_goes_to_a_row_of_its_own(taken):
    answer = told("unknown", 4, 3, OWN_ENDS)
    assert settled(Use(taken, dict(taken.draws), THEN, (answer,))) > 0
    assert RateBucket.objects.get(key="unknown").size_told == 4


@pytest.mark.parametrize("now_used", [2, 7])
def test_what_is_given_back_is_taken_from_the_row_as_it_is_now(taken, now_used):
    changed_elsewhere("app_day", used=now_used)
    assert settled(Use(taken, {"app_day": 1, "token": 1}, THEN)) > 0
    assert used("app_day", "app:7") == now_used - 1


def test_what_was_given_back_is_known_when_the_next_answer_comes(transactional_db):
    """Of four units two are free again; an answer that counts three tells news."""
    one, two = need("a", app_day=2), need("b", app_day=2)
    take(one, two, now=THEN)
    assert settled(Use(one, {}, THEN)) > 0
    answer = told("app_day", 10, 7)
    assert settled(Use(two, {"app_day": 2}, THEN, (answer,))) > 0
    assert used("app_day", "app:7") == 3


def test_an_answer_that_is_no_news_leaves_what_others_wrote_meanwhile(taken, author):
    changed_elsewhere("app_day", used=9, size_told=12)
    set_size(BucketId("toy", "token", "token:1"), 1, author)
    assert settled(Use(taken, dict(taken.draws), THEN, (told("app_day", 10, 8),))) == 0
    row = RateBucket.objects.get(key="app_day")
    assert (row.used, row.size_told) == (9, 12)
    assert take(need("b", token=1), now=LATE)["b"].key == "token"


def test_news_are_weighed_against_the_row_as_others_left_it(taken):
    changed_elsewhere("app_day", used=9)
    assert settled(Use(taken, dict(taken.draws), THEN, (told("app_day", 10, 3),))) > 0
    assert used("app_day", "app:7") == 9


def test_an_answer_of_the_next_window_goes_to_the_row(taken):
    later = ENDS + timedelta(minutes=1)
    answer = Observation("app_day", 10, 8, None, later)
    assert settled(Use(taken, dict(taken.draws), THEN, (answer,)), now=later) > 0
    assert RateBucket.objects.get(key="app_day").started_at == ENDS


def test_units_taken_near_the_end_of_a_window_are_settled_in_the_row(transactional_db):
    """They count in both windows until it is certain that it was this one."""
    one, late = need("a", app_day=2), ENDS - timedelta(seconds=30)
    take(one, now=late)
    assert RateBucket.objects.get(key="app_day").log
    assert settled(Use(one, {"app_day": 2}, late), now=late) > 0
    assert RateBucket.objects.get(key="app_day").log == []


def test_a_claim_settles_what_came_before_it_with_its_own_statements(transactional_db):
    at = ENDS - timedelta(seconds=60)  # noted for the next window as well
    first = need(1, token=1)
    take(first, now=at)
    later = at + timedelta(seconds=1)
    use = Use(first, {}, at)
    assert limits.has_news([use], later)
    with CaptureQueriesContext(connection) as seen, transaction.atomic():
        reserve([need(2, token=5)], later, [use])
    ours = [q for q in seen.captured_queries if "ratebucket" in q["sql"]]
    assert len(ours) == 2
    assert used("token", "token:1") == 5
    assert not limits.has_news([], later)


def test_what_is_given_back_may_be_taken_by_the_same_claim(transactional_db):
    first = need(1, own=3)
    take(first)
    with transaction.atomic():
        answers = reserve([need(2, own=3)], LATE, [Use(first, {}, NOW)])
    assert answers == {2: None}
    assert used("own", "account:1") == 3


def test_a_reservation_that_was_rolled_back_is_not_remembered(taken):
    """Else an answer would be held for known that the row has never heard of."""
    with transaction.atomic():
        reserve([need("b", app_day=8)], LATE)
        transaction.set_rollback(True)
    answer = told("app_day", 10, 5)
    assert settled(Use(taken, dict(taken.draws), THEN, (answer,))) > 0
    assert used("app_day", "app:7") == 5


def test_units_that_another_process_reserved_are_settled_in_the_row(taken):
    limits._left.clear()
    assert settled(Use(taken, dict(taken.draws), THEN)) > 0
    assert used("app_day", "app:7") == 2


# ---------------------------------------------------------------- kept for publishing


@pytest.fixture
def kept(monkeypatch):
    """What posts will need, as a source tells it; asked holds the windows' ends."""
    told: dict = {}
    asked: list = []

    def source(ends, now):
        asked.append(dict(ends))
        return {bucket: units for bucket, units in told.items() if bucket in ends}

    monkeypatch.setattr(limits, "_kept_sources", [source])
    return told, asked


def test_figures_leave_what_scheduled_posts_will_need(kept):
    told, asked = kept
    told[BucketId("toy", "token", "token:1")] = 85
    figures = need("f", importance=Importance.FIGURES, token=6)
    denied = take(figures)["f"]
    assert denied.key == "token"
    assert asked[0].keys() == {BucketId("toy", "token", "token:1")}
    assert take(need("f2", importance=Importance.FIGURES, token=5))["f2"] is None
    # A look and a post that nobody planned still fit beside those that were.
    assert take(need("look", importance=Importance.RECONCILE, token=1))["look"] is None
    assert take(need("new", token=9))["new"] is None
    assert take(need("p", token=85))["p"] is None


def test_figures_that_straddle_the_end_of_a_window_leave_what_the_next_one_needs(kept):
    """Our clock says 12:04:59; on the platform's it may be 12:05 already."""
    _, asked = kept
    late = NOW + timedelta(minutes=4, seconds=59)
    take(need("f", importance=Importance.FIGURES, token=1), now=late)
    (ends,) = asked
    assert ends[BucketId("toy", "token", "token:1")] >= NOW + timedelta(minutes=10)


def test_looks_at_accounts_leave_what_posts_need_once_half_of_a_window_is_used(kept):
    told, asked = kept
    told[BucketId("toy", "token", "token:1")] = 45
    health = Importance.REFRESH_AND_HEALTH
    assert take(need("a", importance=health, token=50))["a"] is None
    assert not asked, "reading what posts need is dear"
    assert take(need("post", token=1))["post"] is None
    assert take(need("b", importance=health, token=4))["b"] is None
    denied = take(need("c", importance=health, token=1))["c"]
    assert denied.key == "token"
    assert len(asked) == 1, "and believed for a minute"
    assert take(need("p", token=45))["p"] is None


@pytest.mark.parametrize("importance", [Importance.PUBLISH, Importance.RECONCILE])
def test_nothing_else_is_held_back_for_posts(kept, importance):
    told, asked = kept
    told[BucketId("toy", "token", "token:1")] = 100
    assert take(need("a", importance=importance, token=100))["a"] is None
    assert not asked


def test_figures_leave_room_for_a_post_that_nobody_planned():
    assert take(need("f", importance=Importance.FIGURES, token=91))["f"]
    assert take(need("g", importance=Importance.FIGURES, token=90))["g"] is None
    assert take(need("p", token=10))["p"] is None


def test_figures_leave_a_rate_to_the_posts_of_its_seconds(kept, monkeypatch):
    """A work of many calls counts as all that a second has: with posts, it is too much."""
    rate = Bucket("rate", "token", 10, WindowKind.ROLLING_LOG, 1)
    monkeypatch.setitem(limits._declared, "toy", {"rate": rate})
    told, _ = kept
    told[BucketId("toy", "rate", "token:1")] = 4
    denied = take(need("f", importance=Importance.FIGURES, rate=40))["f"]
    assert denied.opens_at <= NOW + timedelta(seconds=10)
    assert take(need("p", rate=4))["p"] is None
    told.clear()
    later = NOW + timedelta(seconds=10)
    reading = need("g", importance=Importance.FIGURES, rate=40)
    assert take(reading, now=later)["g"] is None


def test_figures_come_again_when_the_window_ends_if_posts_need_all_of_this_one(kept):
    told, _ = kept
    told[BucketId("toy", "app_day", "app:7")] = 10
    denied = take(need("f", importance=Importance.FIGURES, app_day=1))["f"]
    assert denied.opens_at == datetime(2026, 11, 21, 0, 0, 5, tzinfo=UTC)


# ---------------------------------------------------------------- looking ahead


def plans(*times: datetime, **more) -> list[Planned]:
    return [
        Planned(at, need(n, app_day=1, own=0), **more) for n, at in enumerate(times)
    ]


def test_a_forecast_tells_what_will_be_full_since_when_and_when_it_goes():
    hours = [NOW.replace(hour=13) + timedelta(minutes=n) for n in range(12)]
    found = outlook(plans(*hours), NOW)
    midnight = datetime(2026, 11, 21, 0, 0, 5, tzinfo=UTC)
    assert found.keys() == {10, 11}
    assert found[10].denied == Denied("toy", "app_day", "app:7", midnight)
    assert found[10].full_at == hours[9]
    assert found[10].goes_at == midnight


def test_a_forecast_counts_what_is_taken_already_and_takes_nothing():
    take(need("a", app_day=10, own=0))
    found = outlook(plans(NOW), NOW)
    assert found[0].full_at is None
    assert used("app_day", "app:7") == 10
    assert outlook(plans(NOW + timedelta(days=1)), NOW) == {}


def test_a_post_that_is_not_useful_any_more_takes_nothing_of_the_next_window():
    late = NOW.replace(hour=20)
    today = plans(*[late] * 20, useful_until=late + timedelta(hours=2))
    tomorrow = [
        Planned(NOW + timedelta(days=1), need(f"t{n}", app_day=1, own=0))
        for n in range(10)
    ]
    found = outlook([*today, *tomorrow], NOW)
    assert found.keys() == set(range(10, 20))


def test_those_that_wait_go_before_those_of_the_next_day():
    late = NOW.replace(hour=20)
    tomorrow = Planned(NOW + timedelta(days=1), need("t", app_day=1, own=0))
    found = outlook([*plans(*[late] * 20), tomorrow], NOW)
    assert found["t"].goes_at == datetime(2026, 11, 22, 0, 0, 5, tzinfo=UTC)


def test_what_never_fits_has_no_time():
    found = outlook([Planned(NOW, need("a", own=4))], NOW)
    assert found["a"].goes_at is None


def test_money_runs_out_like_any_window(author):
    set_size(BucketId("toy", "money", "app:7"), 1000, author)
    posts = [
        Planned(NOW + timedelta(hours=n), need(n, money=300, own=0)) for n in range(4)
    ]
    found = outlook(posts, NOW)
    assert found.keys() == {3}
    assert found[3].full_at == NOW + timedelta(hours=2)
    assert found[3].goes_at == datetime(2026, 12, 1, 0, 0, 5, tzinfo=UTC)


# ---------------------------------------------------------------- by hand


def test_an_admin_may_set_a_size_and_take_it_back(author):
    bucket = BucketId("toy", "own", "account:1")
    row = set_size(bucket, 1, author, "their support said so")
    assert (row.set_by, row.set_reason) == (author, "their support said so")
    assert take(need("a", own=2))["a"].opens_at is None
    assert take(need("b", own=1))["b"] is None
    row = set_size(bucket, None, author)
    assert (row.set_by, row.set_at, row.set_reason) == (None, None, "")
    assert take(need("c", own=2))["c"] is None
    details = [event.detail for event in AuditEvent.objects.order_by("at")]
    assert [(d["size_before"], d["size"]) for d in details] == [(None, 1), (1, None)]


def test_an_admins_size_does_not_make_us_deaf_for_what_is_left(author):
    set_size(BucketId("toy", "own", "account:1"), 50, author)
    ends = NOW + timedelta(seconds=900)
    give(Use(need("a"), {}, NOW, (Observation("own", 3, 1, ends, NOW),)))
    answers = take(need("b", own=1), need("c", own=1))
    assert answers["b"] is None
    assert answers["c"].opens_at == ends + timedelta(seconds=5)


@pytest.mark.parametrize("size", [-1, -100])
def test_a_size_below_zero_is_refused(author, size):
    with pytest.raises(ValueError, match="below 0"):
        set_size(BucketId("toy", "own", "account:1"), size, author)
    with pytest.raises(KeyError):
        set_size(BucketId("toy", "nothing", "account:1"), 1, author)


# ---------------------------------------------------------------- calls not reserved


def test_calls_that_wait_for_no_limit_are_counted(
    make_account, monkeypatch, django_capture_on_commit_callbacks
):
    account = make_account("x", "42")
    client = account.client()
    client.http.log.append(CallLog("GET /2/users/me", NOW, 5, 200))
    client.http.usage["GET /2/users/me"] = {
        "x-rate-limit-limit": "75",
        "x-rate-limit-remaining": "70",
        "x-rate-limit-reset": str(int(datetime.now(UTC).timestamp()) + 900),
    }
    with django_capture_on_commit_callbacks(execute=True):
        limits.count(client, account.credential)
    row = RateBucket.objects.get(key="GET /2/users/me:user")
    assert (row.subject, row.used) == (f"account:{account.pk}", 5)
    assert client.http.log == []
    with django_capture_on_commit_callbacks() as none:
        limits.count(client, account.credential)
    assert none == []


# ---------------------------------------------------------------- as people read it


def test_windows_are_told_with_whose_they_are_and_when_they_open(make_account, author):
    account = make_account("x", "42", name="Acme Tools")
    app = account.credential.app
    draws = {"POST /2/tweets:user": 60, "POST /2/tweets:app": 60, "posts:user:3h": 60}
    one = Need(1, "x", "live", app.pk, account.credential_id, account.pk, draws)
    take(one)
    set_size(BucketId("x", "credits", f"app:{app.pk}"), 5000, author, "a budget")
    lines = {line.bucket.key: line for line in windows(NOW)}
    own = lines["POST /2/tweets:user"]
    assert (own.name, own.whose, own.used, own.size) == (
        "Publish",
        "Acme Tools",
        60,
        100,
    )
    assert (own.source, own.share, own.free, own.opens_at) == (
        "published",
        60,
        40,
        None,
    )
    assert own.ends_at > NOW + timedelta(seconds=900)
    assert lines["POST /2/tweets:app"].whose == "Our app at X"
    budget = lines["credits"]
    assert (budget.unit, budget.source, budget.set_by) == (MONEY, "set", author)
    assert (budget.kind, own.kind) == (
        "each month, from the 1st, UTC",
        "15 minutes, from the first call",
    )


def test_a_person_sees_the_windows_of_their_accounts(make_account):
    ours, theirs = make_account("x", "1"), make_account("x", "2")
    for account in (ours, theirs):
        take(
            Need(
                account.pk,
                "x",
                "live",
                account.credential.app_id,
                account.credential_id,
                account.pk,
                {"POST /2/tweets:user": 1, "POST /2/tweets:app": 1},
            )
        )
    seen = windows(NOW, subjects_of([ours]))
    assert {line.bucket.subject for line in seen} == {
        f"account:{ours.pk}",
        f"app:{ours.credential.app_id}",
    }


def test_a_window_that_is_over_is_not_listed_any_more():
    take(need("a", own=2))
    assert [line.bucket.key for line in windows(NOW)] == ["own"]
    assert windows(NOW + timedelta(hours=1)) == []


def test_budgets_that_nobody_has_set_are_offered_money_first(make_account, author):
    make_account("x", "1")
    offered = [line.bucket for line in unsized()]
    assert offered[0].key == "credits"
    set_size(offered[0], 1000, author)
    assert offered[0] not in [line.bucket for line in unsized()]


@pytest.mark.parametrize("slug", sorted(registry.PLATFORMS))
def test_every_bucket_has_a_name_that_is_no_code(slug):
    for rule in registry.spec(slug).buckets:
        name = bucket_name(slug, rule)
        assert "_" not in name
        assert "/" not in name
        assert kind_words(rule)


def test_a_row_that_was_deleted_and_made_anew_is_found_again(author):
    """As after an older database was put back while this process ran on."""
    money = BucketId("toy", "money", "app:7")
    set_size(money, 100, author, "Budget")
    assert take(need("a", money=60))["a"] is None
    RateBucket.objects.all().delete()
    RateBucket.objects.create(**money._asdict(), size_set=50)
    assert take(need("b", money=51))["b"].key == "money"
    assert take(need("c", money=50))["c"] is None


def test_only_what_has_less_than_is_wanted_is_scarce(django_assert_num_queries):
    """As the windows themselves have it, whatever was counted, told, set, or is over."""
    size_of = {bucket.key: bucket.size for bucket in TOY}
    buckets = []
    for n, key in enumerate(["app_day", "own", "token", "unknown", "money", "address"]):
        for used_up in (0, 1, 3):
            for told, by_hand in ((None, None), (2, None), (2, 4), (None, 0)):
                subject = f"app:{len(buckets)}"
                buckets.append(BucketId("toy", key, subject))
                RateBucket.objects.create(
                    platform="toy",
                    key=key,
                    subject=subject,
                    used=used_up,
                    started_at=NOW - timedelta(hours=1),
                    resets_at=NOW + timedelta(minutes=30 * (-1) ** len(buckets)),
                    log=[[int(NOW.timestamp()) - 10, 2]] if n % 2 and used_up else [],
                    size_told=told,
                    size_set=by_hand,
                )
        buckets.append(BucketId("toy", key, f"app:9{n}"))  # no row
    windows = limits._load(buckets, lock=False)
    free = {
        bucket: windows[bucket].free(NOW.timestamp())
        if bucket in windows
        else size_of[bucket.key]
        for bucket in buckets
    }
    for units in (1, 2, 3, 5, 40):
        with django_assert_num_queries(1):
            found = limits.scarce(dict.fromkeys(buckets, units), NOW)
        assert found == {
            bucket: left
            for bucket, left in free.items()
            if left is not None and left < units
        }
    with django_assert_num_queries(0):
        assert limits.scarce({}, NOW) == {}
