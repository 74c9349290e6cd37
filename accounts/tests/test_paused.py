"""What people read about a breaker that is not closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import breakers
from accounts.models import AuditEvent, CircuitBreaker
from accounts.paused import UNTRIED, not_closed
from accounts.roles import ADMIN
from platforms.errors import Cause

pytestmark = pytest.mark.django_db
State = CircuitBreaker.State
NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


def make(subject: str, cause: str, platform: str = "x", **fields: Any) -> Any:
    values: dict[str, Any] = {
        "state": State.OPEN,
        "opened_at": NOW - timedelta(minutes=5),
        "retry_at": NOW + timedelta(minutes=10),
    }
    return CircuitBreaker.objects.create(
        platform=platform, subject=subject, cause=cause, **values | fields
    )


def test_nothing_is_paused_while_all_is_well(django_assert_num_queries):
    make("token:1", Cause.TOO_MANY_REQUESTS, state=State.CLOSED)
    with django_assert_num_queries(1):
        assert not_closed(now=NOW) == []


def test_a_platforms_trouble_names_it_and_nobody_is_told_to_reconnect():
    make("platform:live", Cause.UNREACHABLE)
    (pause,) = not_closed(now=NOW)
    assert pause.words.head == "X is having trouble"
    assert "Nobody needs to reconnect" in str(pause.words.sentence)
    assert "One post is tried at" in pause.by_itself
    assert pause.retry_at == NOW + timedelta(minutes=10)
    assert not pause.needs_admin
    assert pause.is_current


def test_the_practice_network_is_told_apart():
    make("platform:practice", Cause.TIMED_OUT)
    (pause,) = not_closed(now=NOW)
    assert pause.words.head == "X (Practice network) is having trouble"


def test_a_server_is_named_by_its_address(make_account):
    account = make_account("mastodon")
    make(f"app:{account.credential.app_id}", Cause.TIMED_OUT, platform="mastodon")
    (pause,) = not_closed(now=NOW)
    assert pause.words.head == "Mastodon (https://social.example) is having trouble"


def test_a_paused_token_is_named_by_its_accounts(make_account):
    account = make_account("x")
    make(f"token:{account.credential_id}", Cause.TOO_MANY_REQUESTS)
    (pause,) = not_closed(now=NOW)
    assert pause.words.head == "Acme Tools (X) is paused: a limit is reached"


@pytest.mark.parametrize("cause", [Cause.CREDITS_USED_UP, breakers.MANY_LOST_ACCESS])
def test_what_an_admin_has_to_mend_says_so(make_account, cause):
    account = make_account("x")
    make(f"app:{account.credential.app_id}", cause)
    (pause,) = not_closed(now=NOW)
    assert pause.needs_admin
    assert pause.words.head.startswith("X: ")
    assert "Try again now" in pause.words.cure


@pytest.mark.parametrize("cause", [*Cause, breakers.MANY_LOST_ACCESS])
@pytest.mark.parametrize("scope", ["platform:live", "app", "token"])
def test_every_cause_has_whole_sentences(make_account, cause, scope):
    account = make_account("x")
    pks = {"app": account.credential.app_id, "token": account.credential_id}
    make(f"{scope}:{pks[scope]}" if scope in pks else scope, cause)
    (pause,) = not_closed(now=NOW)
    words = pause.words
    for text in (words.head, words.sentence, words.cure, pause.by_itself):
        assert text
        assert "%(" not in str(text)


def test_a_trial_that_is_out_is_said():
    make("platform:live", Cause.TIMED_OUT, state=State.HALF_OPEN, trial_at=NOW)
    (pause,) = not_closed(now=NOW)
    assert pause.is_trying
    assert pause.retry_at is None
    assert "being tried right now" in pause.by_itself


def test_what_nobody_has_tried_for_long_is_no_longer_said_to_be_so():
    make("platform:live", Cause.TIMED_OUT)
    (pause,) = not_closed(now=NOW + timedelta(minutes=11))
    assert pause.is_current
    assert "The next post that is due is tried" in pause.by_itself
    (pause,) = not_closed(now=NOW + timedelta(minutes=11) + UNTRIED)
    assert not pause.is_current


def test_a_person_sees_pauses_of_own_accounts_and_of_what_concerns_everybody(
    make_account, author
):
    account = make_account("x")
    make(f"token:{account.credential_id}", Cause.TOO_MANY_REQUESTS)
    make("platform:live", Cause.TIMED_OUT)
    stranger = User.objects.create_user("eve")
    assert [p.scope for p in not_closed(stranger, NOW)] == ["platform"]
    assert [p.scope for p in not_closed(author, NOW)] == ["platform", "token"]


# ---------------------------------------------------------------- the admin


@pytest.fixture
def admin(brand: Any) -> User:
    """In the role, but no superuser, and with a brand."""
    user = User.objects.create_user("ada", "ada@example.com", "pw", is_staff=True)
    user.groups.add(Group.objects.get(name=ADMIN))
    brand.members.add(user)
    return user


LIST = "admin:accounts_circuitbreaker_changelist"


def test_an_admin_tries_again_now(client: Client, admin: User):
    row = make("platform:live", Cause.TIMED_OUT)
    CircuitBreaker.objects.update(retry_at=timezone.now() + timedelta(hours=1))
    client.force_login(admin)
    form = {"action": "try_now", "_selected_action": [row.pk]}
    page = client.post(reverse(LIST), form, follow=True).content.decode()
    assert "1 will be tried with the next post" in page
    row.refresh_from_db()
    assert row.retry_at <= timezone.now()
    assert AuditEvent.objects.get().actor == admin
    page = client.post(reverse(LIST), form, follow=True).content.decode()
    assert "1 left as they are" in page
    assert AuditEvent.objects.count() == 1


def test_an_admin_sees_no_tokens_of_other_brands(
    client: Client, admin: User, make_account
):
    account = make_account("x")
    make(f"token:{account.credential_id}", Cause.TOO_MANY_REQUESTS)
    make("token:987654", Cause.TOO_MANY_REQUESTS)
    make("platform:live", Cause.TIMED_OUT)
    client.force_login(admin)
    page = client.get(reverse(LIST)).content.decode()
    assert f"token:{account.credential_id}" in page
    assert "platform:live" in page
    assert "token:987654" not in page
