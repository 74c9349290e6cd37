"""The accounts page: one word per account, the most urgent on top, quick for many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import hooks
from accounts.health_rows import keys_of, make_rows, to_judge, tree, urgency
from accounts.models import (
    Brand,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    RateBucket,
)
from accounts.views import PAGE_SIZE
from platforms.errors import Cause

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LIST = "account_list"


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def proven(make_account: Any) -> Any:
    """An account that was proven this morning."""

    def make(*args: Any, **fields: Any) -> ConnectedAccount:
        account = make_account(*args, **fields)
        Credential.objects.filter(pk=account.credential_id).update(
            proven_at=NOON - timedelta(hours=4)
        )
        account.credential.refresh_from_db()
        return account

    return make


def row_of(account: ConnectedAccount) -> Any:
    fresh = ConnectedAccount.objects.with_health().get(pk=account.pk)
    return make_rows([fresh], NOON)[0]


def pause(account: ConnectedAccount, cause: str, subject: str = "") -> None:
    CircuitBreaker.objects.create(
        platform=account.platform,
        subject=subject or f"token:{account.credential_id}",
        state=CircuitBreaker.State.OPEN,
        opened_at=NOON,
        retry_at=NOON + timedelta(minutes=150),
        cause=cause,
    )


@pytest.mark.parametrize(
    ("credential", "words", "healths"),
    [
        ({}, "Able to post", {"healthy"}),
        (
            {"expires_at": NOON + 9 * DAY + timedelta(hours=1)},
            "Ends in 9 days",
            {"healthy", "ending"},
        ),
        (
            {"expires_at": NOON + timedelta(hours=20)},
            "Ends within a day",
            {"healthy", "ending"},
        ),
        ({"expires_at": NOON + 22 * DAY}, "Able to post", {"healthy"}),
        (
            {"state": "broken", "cause": "token_revoked"},
            "Reconnect needed",
            {"broken"},
        ),
        ({"state": "broken", "cause": "account_locked"}, "Cannot post", {"broken"}),
        (
            {"proven_at": NOON - 3 * DAY},
            "Not proven for 3 days",
            {"healthy", "unproven"},
        ),
        # Connected a moment ago.
        ({"proven_at": None}, "Not proven yet", {"healthy"}),
        (
            {"proven_at": NOON - 2 * DAY, "next_proof_at": NOON},
            "Proving…",
            {"healthy"},
        ),
    ],
)
def test_each_account_has_one_word(
    proven: Any, credential: dict[str, Any], words: str, healths: set[str]
) -> None:
    account = proven("linkedin")
    Credential.objects.update(**credential)
    row = row_of(account)
    assert row.word.words == words
    assert row.healths == healths


def test_who_was_never_proven_counts_from_the_day_it_was_connected(
    proven: Any,
) -> None:
    account = proven("linkedin")
    Credential.objects.update(proven_at=None)
    ConnectedAccount.objects.update(connected_at=NOON - 3 * DAY)
    row = row_of(account)
    assert row.word.words == "Not proven yet"
    assert row.healths == {"healthy", "unproven"}


@pytest.mark.parametrize(
    ("cause", "is_limit"),
    [(Cause.TOO_MANY_REQUESTS, True), (Cause.PLATFORM_TROUBLE, False)],
)
def test_a_pause_says_until_when_and_a_limit_is_told_apart(
    proven: Any, cause: Cause, is_limit: bool
) -> None:
    account = proven("x")
    pause(account, cause)
    row = row_of(account)
    assert row.word.words == "Paused until 14:30"
    assert ("limited" in row.healths) == is_limit


def test_the_fullest_window_of_posts_is_the_one_that_is_shown(proven: Any) -> None:
    account = proven("x")
    for key, used in (
        ("posts:user:24h", 40),
        ("POST /2/tweets:user", 100),
        ("GET /2/users/me:user", 75),
    ):
        RateBucket.objects.create(
            platform="x",
            key=key,
            subject=f"account:{account.pk}",
            used=used,
            started_at=NOON,
            opened_by=NOON,
            resets_at=NOON + timedelta(minutes=15),
        )
    row = row_of(account)
    assert row.window.bucket.key == "POST /2/tweets:user"
    assert (row.window.free, row.window_tone) == (0, "bad")
    assert "limited" in row.healths
    assert row.word.words.startswith("Paused until ")


def test_the_account_whose_post_is_hit_first_stands_on_top(
    proven: Any, make_delivery: Any
) -> None:
    ends_soon = proven("linkedin", "1", name="B ends", expires_at=NOON + DAY)
    broken = proven("x", "2", name="C broken, nothing waits")
    waits = proven("x", "3", name="D broken, post waits")
    fine = proven("x", "4", name="A fine")
    Credential.objects.filter(
        pk__in=[broken.credential_id, waits.credential_id]
    ).update(state="broken", cause="token_revoked")
    make_delivery(ends_soon, "late", 3 * DAY)
    make_delivery(waits, "soon", timedelta(hours=2))
    make_delivery(fine, "sooner", timedelta(hours=1))
    rows = make_rows(list(ConnectedAccount.objects.with_health()), NOON)
    names = [row.account.name for row in sorted(rows, key=urgency)]
    assert names == [waits.name, ends_soon.name, broken.name, fine.name]


@pytest.mark.parametrize(
    ("words", "found"),
    [("shop", ["Acme Shop"]), ("acme", ["Acme Shop", "Acme Tools"]), ("ana x", [])],
)
def test_accounts_are_found_by_their_names(
    proven: Any, client: Client, author: Any, words: str, found: list[str]
) -> None:
    proven("x", "1", name="Acme Shop", handle="shop")
    proven("x", "2", name="Acme Tools", handle="tools")
    client.force_login(author)
    rows = client.get(reverse(LIST), {"q": words}).context["rows"]
    assert sorted(row.account.name for row in rows) == found


def test_five_hundred_accounts_cost_as_many_queries_as_five(
    brand: Brand, make_account: Any, client: Client, author: Any
) -> None:
    def fill(first: int, count: int) -> None:
        app = make_account("x", f"app {first}").credential.app
        credentials = Credential.objects.bulk_create(
            Credential(app=app, subject_id=str(first + n), issued_at=NOON)
            for n in range(count)
        )
        ConnectedAccount.objects.bulk_create(
            ConnectedAccount(
                brand=brand,
                credential=credential,
                platform="x",
                external_id=credential.subject_id,
                name=f"Account {credential.subject_id}",
                owner=author,
            )
            for credential in credentials
        )

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(reverse(LIST)).status_code == 200
        return len(seen)

    client.force_login(author)
    fill(0, 4)
    queries()  # the first request of a session costs more
    few = queries()
    fill(1000, 494)
    assert queries() == few <= 20
    answer = client.get(reverse(LIST))
    assert answer.context["page"].paginator.count == 500
    assert len(answer.context["rows"]) == PAGE_SIZE
    assert f"Page 1 of {500 // PAGE_SIZE}" in answer.content.decode()


def test_the_tree_shows_all_that_hangs_on_one_access(proven: Any, author: Any) -> None:
    person = proven("linkedin", "1", name="Jo")
    page = proven("linkedin", "2", name="Page", kind="organization")
    Credential.objects.filter(pk=page.credential_id).update(
        parent=person.credential_id,
        subject_name="The page",
        state="broken",
        cause="role_lost",
    )
    page.credential.refresh_from_db()
    branches = tree(page, author, NOON)
    assert [branch.name for branch in branches] == ["Acme", "The page"]
    assert branches[0].word.words == "Able to act"
    ((shown, word, is_here),) = branches[1].accounts
    assert (shown, is_here) == (page, True)
    assert word.words == "Reconnect needed"
    assert tree(proven("x", "3"), author, NOON) == []


def test_a_tree_keeps_accounts_of_other_brands_to_itself(
    proven: Any, django_user_model: Any, brand: Brand
) -> None:
    person = proven("linkedin", "1", name="Jo")
    other = Brand.objects.create(name="Other")
    page = proven("linkedin", "2", name="Secret page")
    ConnectedAccount.objects.filter(pk=page.pk).update(
        brand=other, credential=person.credential
    )
    reader = django_user_model.objects.create_user("tom")
    brand.members.add(reader)
    assert tree(person, reader, NOON) == []


def test_incidents_stand_first_as_those_who_know_them_show_them(
    proven: Any, client: Client, author: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven("x")
    source = lambda reader: [("accounts/_queue.html", {"words": str(reader)})]  # noqa: E731
    monkeypatch.setattr(hooks, "_incident_sources", [source])
    client.force_login(author)
    answer = client.get(reverse(LIST))
    assert answer.context["incidents"] == source(author)
    page = answer.content.decode()
    assert page.index("What is wrong") < page.index("Accounts by health")


def test_an_account_with_a_full_window_is_listed_as_limited(
    proven: Any, client: Client, author: Any
) -> None:
    account = proven("x")
    for key, used in (("posts:user:3h", 300), ("POST /2/tweets:user", 100)):
        RateBucket.objects.create(
            platform="x",
            key=key,
            subject=f"account:{account.pk}",
            used=used,
            started_at=NOON,
            opened_by=NOON,
            resets_at=NOON + timedelta(minutes=15),
        )
    client.force_login(author)
    answer = client.get(reverse(LIST), {"health": "limited"})
    (row,) = answer.context["rows"]
    assert row.window.free == 0
    assert "Paused until" in answer.content.decode()


@pytest.mark.parametrize(
    ("used", "sizes", "is_full"),
    [
        (2, {}, False),
        (2, {"size_told": 2}, True),
        (2, {"size_set": 1}, True),
        (2, {"size_told": 2, "size_set": 3}, False),
        (100, {}, True),
        (100, {"size_set": 101}, False),
    ],
)
def test_a_window_is_full_by_the_size_that_counts_for_it(
    proven: Any,
    client: Client,
    author: Any,
    used: int,
    sizes: dict[str, int],
    is_full: bool,
) -> None:
    account = proven("x")
    RateBucket.objects.create(
        platform="x",
        key="POST /2/tweets:user",
        subject=f"account:{account.pk}",
        used=used,
        started_at=NOON,
        opened_by=NOON,
        resets_at=NOON + timedelta(minutes=15),
        **sizes,
    )
    client.force_login(author)
    answer = client.get(reverse(LIST), {"health": "limited"})
    assert bool(answer.context["rows"]) == is_full
    (row,) = client.get(reverse(LIST)).context["rows"]
    assert row.window.used == used
    assert (row.window.free == 0) == is_full


def test_what_a_row_says_follows_its_account(
    proven: Any, client: Client, author: Any, make_delivery: Any
) -> None:
    """Although most of it is drawn once."""
    account = proven("x", name="Acme")
    client.force_login(author)

    def page() -> str:
        return client.get(reverse(LIST)).content.decode().partition("<tbody>")[2]

    assert "Acme" in page()
    ConnectedAccount.objects.update(name="<b>Other", handle="other", owner=author)
    Brand.objects.update(name="Brand & Co")
    text = page()
    assert "&lt;b&gt;Other" in text
    assert "Brand &amp; Co" in text
    assert "<b>Other" not in text
    assert author.get_username() in text
    make_delivery(account, "soon", timedelta(hours=2))
    assert "24 Nov, 1" in page()
    Credential.objects.update(state="broken", cause="token_revoked")
    text = page()
    assert "Reconnect needed" in text
    assert "1 at risk" in text


def test_judging_knows_of_a_refresh_token_and_not_which(proven: Any) -> None:
    proven("x", refresh_token="refresh-42-secret")
    proven("linkedin", "2", refresh_token="")
    tokens = [
        account.credential.refresh_token
        for account in to_judge(keys_of(ConnectedAccount.objects.all()))
        if account.credential
    ]
    assert [bool(token) for token in tokens] == [False, True]
    assert "refresh-42-secret" not in tokens
