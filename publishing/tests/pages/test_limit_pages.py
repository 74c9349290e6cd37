"""The page of limits, who sees what on it, and a size set by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts.limit_pages import roomy, windows
from accounts.limits import BucketId, Importance, Need, reserve, set_size
from accounts.models import AuditEvent, Brand, CircuitBreaker, RateBucket
from platforms.base import MONEY
from publishing.limit_views import SHOWN_FROM_SHARE, amount, stands_out
from publishing.models import Delivery
from publishing.tests.pages.conftest import make_account, make_delivery, make_person

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PAGE = "/limits/"
POST = "POST /2/tweets"


def page_of(answer) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(NOON, tick=False):
        yield


def use(account, **draws) -> None:
    """As the engine reserves calls."""
    credential = account.credential
    need = Need(
        "n",
        account.platform,
        "live",
        credential.app_id,
        credential.pk,
        account.pk,
        draws,
        Importance.PUBLISH,
    )
    with transaction.atomic():
        assert reserve([need], timezone.now()) == {"n": None}


def user_window(account) -> BucketId:
    return BucketId("x", f"{POST}:user", f"account:{account.pk}")


def credits_of(account) -> BucketId:
    return BucketId("x", "credits", f"app:{account.credential.app_id}")


def size_url(bucket: BucketId) -> str:
    key = bucket.key.replace(" ", "%20")
    return (
        f"/limits/size/?platform={bucket.platform}&key={key}&subject={bucket.subject}"
    )


# ---------------------------------------------------------------- seeing


def test_a_window_is_told_with_its_use_end_and_source(world, ana):
    use(world.x, **{f"{POST}:user": 60})
    page = page_of(ana.get(PAGE))
    assert "60 of 100" in page
    assert "15 minutes, from the first call" in page
    assert "published by the platform" in page
    assert "Posts go when they are due." in page


def test_windows_with_much_room_stand_on_a_page_of_their_platform(world, ana):
    use(world.x, **{f"{POST}:user": 10})
    page = page_of(ana.get(PAGE))
    assert "Show 1 window with much room" in page
    assert "10 of 100" not in page
    assert "10 of 100" in page_of(ana.get(PAGE, {"platform": "x"}))
    assert "10 of 100" not in page_of(ana.get(PAGE, {"platform": "nothing"}))


def test_where_no_window_has_much_room_there_is_no_empty_table(world, ana):
    use(world.x, **{f"{POST}:user": 60})
    page = page_of(ana.get(PAGE, {"platform": "x"}))
    assert "60 of 100" in page
    assert "Windows with much room" not in page


def test_a_full_window_says_when_it_opens_and_that_it_goes_on_by_itself(world, ana):
    use(world.x, **{f"{POST}:user": 100})
    page = page_of(ana.get(PAGE))
    assert "100 of 100" in page
    assert "what waits then goes by itself" in page


def test_times_are_in_the_readers_zone(world, ana):
    use(world.x, **{f"{POST}:user": 100})
    told = page_of(ana.get(PAGE))
    zone = timezone.get_current_timezone_name()
    assert f"({zone})" in told


def test_planned_posts_that_will_wait_are_counted(world, ana):
    subject = f"app:{world.x.credential.app_id}"
    set_size(BucketId("x", f"{POST}:app", subject), 1, world.adam, "Our plan")
    for hours in (1, 2, 3):
        make_delivery(world.x, world.ana, text=f"Post {hours}", hours=hours)
    page = page_of(ana.get(PAGE))
    assert "2 planned posts will wait for a limit." in page
    assert "2 planned posts will wait." in page
    assert "Used up by 13:00" in page


def test_a_size_set_by_hand_says_by_whom_and_why(world, ana):
    world.adam.first_name = "Adam"
    world.adam.save()
    set_size(user_window(world.x), 40, world.adam, "The support told us")
    page = page_of(ana.get(PAGE))
    assert "set by Adam" in page
    assert "The support told us" in page


def test_money_is_told_in_dollars_with_what_planned_posts_need(world, ana):
    set_size(credits_of(world.x), 12_500, world.adam, "Per month")
    make_delivery(world.x, world.ana, text="See https://example.com/a", hours=2)
    use(world.x, credits=35)
    page = page_of(ana.get(PAGE))
    assert "$0.035 of $12.50" in page
    assert "Planned posts need $0.20 more." in page


def test_windows_of_other_brands_accounts_are_not_shown(world, sign_in):
    other = make_account(Brand.objects.create(name="Other"), "mastodon", "Foreign name")
    use(other, user=1000, token=200)
    apps = BucketId("x", "credits", f"app:{world.x.credential.app_id}")
    set_size(apps, 1000, world.adam, "Our plan")
    for person in (world.ana, world.adam):
        assert "Foreign name" not in page_of(sign_in(person).get(PAGE))
    assert "Our plan" in page_of(sign_in(world.adam).get(PAGE))
    Brand.objects.get(name="Other").members.add(world.adam)
    assert "Foreign name" in page_of(sign_in(world.adam).get(PAGE))


def test_an_admin_of_another_brand_sets_no_size_of_an_account(world, sign_in):
    Brand.objects.create(name="Other").members.add(world.stranger)
    url = size_url(user_window(world.x))
    answer = sign_in(world.stranger).post(url, {"size": "0", "reason": "No reason"})
    assert answer.status_code == 404
    assert not RateBucket.objects.exclude(size_set=None).exists()


def test_a_stranger_sees_nothing_of_it(world, sign_in):
    use(world.x, **{f"{POST}:user": 60})
    lone = make_person("lone", "Marketing")
    page = page_of(sign_in(lone).get(PAGE))
    assert "Acme X" not in page
    assert "60 of 100" not in page


def test_without_a_role_there_is_no_page(world, sign_in, client):
    assert sign_in(world.guest).get(PAGE).status_code == 403
    assert client.get(PAGE).status_code == 302


def test_it_costs_as_many_queries_whatever_the_number_of_windows(world, sign_in):
    adam = sign_in(world.adam)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            adam.get(PAGE)
        return len(seen)

    use(world.x, **{f"{POST}:user": 60})
    adam.get(PAGE)
    first = queries()
    for n in range(5):
        use(make_account(world.brand, "x", f"More {n}"), **{f"{POST}:user": 60})
    assert queries() == first


def test_only_admins_are_asked_for_what_only_they_can_tell(world, sign_in):
    assert "Set a budget" in page_of(sign_in(world.adam).get(PAGE))
    assert "Set a budget" not in page_of(sign_in(world.ana).get(PAGE))


@pytest.mark.parametrize("later", [0, 10, 20, 60 * 24])
def test_what_is_only_counted_is_what_would_not_be_shown(world, later):
    """By rows alone, without what each window makes of the time that has gone by."""
    now = timezone.now()
    accounts = [make_account(world.brand, "x", f"More {n}") for n in range(8)]
    for used, account in zip((0, 1, 49, 50, 51, 99, 100), accounts, strict=False):
        if used:
            use(account, **{f"{POST}:user": used})
    set_size(user_window(accounts[0]), 40, world.adam, "By hand")
    use(make_account(world.brand, "mastodon", "Rolling"), user=10)
    RateBucket.objects.filter(subject=f"account:{accounts[1].pk}").update(size_told=3)
    at = now + timedelta(minutes=later)
    waited = {user_window(accounts[2])}
    lines = windows(at)
    expected = Counter(
        line.bucket.platform
        for line in lines
        if not stands_out(line, line.bucket in waited)
    )
    counted, others = roomy(at, None, below=SHOWN_FROM_SHARE, besides=waited)
    rest = windows(at, among=others)
    for line in rest:
        if not stands_out(line, line.bucket in waited):
            counted[line.bucket.platform] += 1
    assert counted == expected
    shown = [line for line in lines if stands_out(line, line.bucket in waited)]
    assert shown == [line for line in rest if stands_out(line, line.bucket in waited)]
    names = {line.bucket.subject for line in lines}
    counted, others = roomy(at, names, below=SHOWN_FROM_SHARE, not_of="x")
    assert "x" not in counted
    assert {line for line in windows(at, among=others)} >= {
        line for line in lines if line.bucket.platform == "x"
    }


@pytest.mark.parametrize("what", ["size_set", "size_told", "besides", "not_of", "log"])
def test_a_window_is_looked_at_where_its_rule_does_not_say_all(world, what):
    first, second = (make_account(world.brand, "x", name) for name in ("A", "B"))
    for account in (first, second):
        use(account, **{f"{POST}:user": 3})
    bucket = user_window(second)
    row = RateBucket.objects.filter(**bucket._asdict())
    asked: dict[str, Any] = {}
    if what == "besides":
        asked = {"besides": {bucket}}
    elif what == "not_of":
        asked = {"not_of": "x"}
    else:
        change = [[timezone.now().timestamp() - 60, 3]] if what == "log" else 5
        row.update(**{what: change})
    counted, others = roomy(timezone.now(), None, below=SHOWN_FROM_SHARE, **asked)
    if what == "log":  # it has as much room, whatever is carried on
        assert (counted["x"], others) == (2, [])
    elif what == "not_of":
        assert (counted["x"], len(others)) == (0, 2)
    else:
        assert (counted["x"], others) == (1, [row.get().pk])


# ---------------------------------------------------------------- paused


@pytest.fixture
def breaker(world):
    return CircuitBreaker.objects.create(
        platform="x",
        subject="platform:live",
        state=CircuitBreaker.State.OPEN,
        cause="unreachable",
        open_count=1,
        opened_at=timezone.now() - timedelta(minutes=5),
        retry_at=timezone.now() + timedelta(minutes=12),
    )


def test_what_is_paused_has_a_countdown_and_what_waits(world, ana, breaker):
    row = make_delivery(world.x, world.ana, hours=-0.1)
    row.hold_for(Delivery.Hold.PLATFORM, release_at=breaker.retry_at)
    page = page_of(ana.get(PAGE))
    assert "Paused" in page
    assert "in 12 minutes" in page
    assert "<dt>Posts that wait</dt><dd>1</dd>" in page
    assert "Try again now" not in page


def test_an_admin_lets_the_next_one_through_at_once(world, sign_in, breaker):
    adam = sign_in(world.adam)
    assert "Try again now" in page_of(adam.get(PAGE))
    answer = adam.post(f"/limits/try/{breaker.pk}/", follow=True)
    assert "The next post that waits is tried now." in page_of(answer)
    breaker.refresh_from_db()
    assert breaker.retry_at == NOON
    again = adam.post(f"/limits/try/{breaker.pk}/", follow=True)
    assert "Nothing waits for a later trial any more." in page_of(again)


def test_an_admin_of_another_brand_neither_sees_nor_ends_an_accounts_pause(
    world, sign_in, breaker
):
    token = f"token:{world.x.credential_id}"
    CircuitBreaker.objects.update(subject=token)
    Brand.objects.create(name="Other").members.add(world.stranger)
    stranger = sign_in(world.stranger)
    assert "Acme X" not in page_of(stranger.get(PAGE))
    answer = stranger.post(reverse("limit_try", args=[breaker.pk]))
    assert answer.status_code == 404
    adam = sign_in(world.adam)
    assert "Acme X" in page_of(adam.get(PAGE))
    assert adam.post(reverse("limit_try", args=[breaker.pk])).status_code == 302


def test_nobody_else_may_and_a_link_does_nothing(world, sign_in, breaker):
    assert sign_in(world.rita).post(f"/limits/try/{breaker.pk}/").status_code == 403
    assert sign_in(world.adam).get(f"/limits/try/{breaker.pk}/").status_code == 405
    assert sign_in(world.adam).post("/limits/try/99999/").status_code == 404
    breaker.refresh_from_db()
    assert breaker.retry_at > NOON


# ---------------------------------------------------------------- sizes


@pytest.fixture
def adam(world, sign_in):
    return sign_in(world.adam)


def test_an_admin_sets_a_size_with_a_reason(world, adam):
    bucket = user_window(world.x)
    assert "published by the platform" in page_of(adam.get(size_url(bucket)))
    answer = adam.post(size_url(bucket), {"size": "40", "reason": "Our plan"})
    assert answer.status_code == 302
    row = RateBucket.objects.get(**bucket._asdict())
    assert (row.size_set, row.set_by, row.set_reason) == (40, world.adam, "Our plan")
    assert AuditEvent.objects.filter(actor=world.adam, verb="set limit").exists()


def test_it_is_taken_back_without_filling_in_the_form(world, adam):
    bucket = user_window(world.x)
    set_size(bucket, 40, world.adam, "Our plan")
    page = page_of(adam.get(size_url(bucket)))
    assert 'value="40"' in page
    assert 'value="Our plan"' in page
    adam.post(size_url(bucket), {"action": "take_back"})
    assert RateBucket.objects.get(**bucket._asdict()).size_set is None


def test_a_budget_is_typed_in_dollars(world, adam):
    bucket = credits_of(world.x)
    adam.post(size_url(bucket), {"size": "12.5", "reason": "As agreed"})
    assert RateBucket.objects.get(**bucket._asdict()).size_set == 12_500
    assert 'value="12.5"' in page_of(adam.get(size_url(bucket)))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"size": "-1", "reason": "x"}, "It cannot be below 0."),
        ({"size": "many", "reason": "x"}, "Enter a whole number."),
        ({"size": "9" * 30, "reason": "x"}, "It cannot be above"),
        ({"size": "40", "reason": ""}, "This field is required."),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(world, adam, typed, said):
    bucket = user_window(world.x)
    answer = adam.post(size_url(bucket), typed)
    page = page_of(answer)
    assert answer.status_code == 200
    assert said in page
    for value in filter(None, typed.values()):
        assert f'value="{value}"' in page
    assert not RateBucket.objects.exclude(size_set=None).exists()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?platform=nowhere&key=a&subject=app:1",
        "?platform=x&key=nothing&subject=app:1",
        "?platform=x&key=credits&subject=app:99999",
        "?platform=x&key=credits&subject=account:1",
        "?platform=x&key=credits&subject=app:" + "9" * 40,
        "?platform=mastodon&key=ip&subject=ip:mars",
        "?platform=x&key=credits&subject=app:1%00",
    ],
)
def test_a_window_that_does_not_exist_has_no_form(world, adam, query):
    assert adam.get(f"/limits/size/{query}").status_code == 404


@pytest.mark.parametrize("who", ["ana", "rita", "guest"])
def test_only_admins_set_sizes(world, sign_in, who):
    client = sign_in(getattr(world, who))
    url = size_url(user_window(world.x))
    assert client.get(url).status_code == 403
    assert client.post(url, {"size": "1", "reason": "x"}).status_code == 403
    assert not RateBucket.objects.exclude(size_set=None).exists()


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ["0", "999", "12,345"]), ("de", ["0", "999", "12.345"])],
)
def test_units_are_grouped_as_the_language_groups_digits(language, words):
    with translation.override(language):
        assert [amount(units, "calls") for units in (0, 999, 12_345)] == words
        assert amount(12_400, MONEY) == "$12.40"
