"""Each scheduled post is told at risk for what will stop it at its own due time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import CircuitBreaker, Credential, PlatformApp
from platforms import registry
from platforms.base import Draft
from platforms.errors import Cause
from publishing import light, listing
from publishing.account_facts import account_queue
from publishing.models import (
    Delivery,
    MediaAsset,
    Post,
    PostMedia,
    Stop,
    Variant,
)
from publishing.risk import Risk, of_draft, risks
from publishing.threatened import by_root, threatened

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ALL_X = ["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"]


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def make_post(make_delivery: Any, brand: Any) -> Any:
    """A scheduled delivery, with an image if asked for."""

    def make(account: Any, text: str = "Hello", due_in: timedelta = DAY, **image: Any):
        row = make_delivery(account, text, due_in)
        if image:
            asset = MediaAsset.objects.create(
                brand=brand,
                file="a.jpg",
                name="a.jpg",
                **{
                    "mime_type": "image/jpeg",
                    "size_bytes": 1000,
                    "width": 10,
                    "height": 10,
                    "sha256": "0" * 64,
                    "alt_text": "A house",
                    **image,
                },
            )
            PostMedia.objects.create(post=row.post, asset=asset, position=0)
        return row

    return make


def why(row: Delivery) -> tuple[Risk, ...]:
    """The calendar's cards say the gravest of them and the list all, and read no row by
    itself for it."""
    found = risks([Delivery.objects.get(pk=row.pk)]).get(row.pk, ())
    with CaptureQueriesContext(connection) as caught:
        assert [one.risks for one in listing.listed_rows([row.pk])] == [found]
        shown, _partly = light.deliveries([row.pk])
    assert [one.risk for one in shown] == [found[0] if found else None]
    # As rows are read that came without a column.
    alone = [query["sql"] for query in caught if "LIMIT 21" in query["sql"]]
    assert alone == []
    return found


def causes(row: Delivery) -> list[str]:
    return [risk.cause for risk in why(row)]


# ---------------------------------------------------------------- access


def test_what_can_go_is_at_no_risk(make_account: Any, make_post: Any) -> None:
    assert why(make_post(make_account("x", scopes=ALL_X), width=10)) == ()


@pytest.mark.trap("linkedin", 6)
def test_access_is_judged_at_the_posts_own_time(
    make_account: Any, make_post: Any
) -> None:
    account = make_account("linkedin", expires_at=NOON + 2 * DAY)
    before = make_post(account, due_in=2 * DAY - timedelta(seconds=1))
    after = make_post(account, "Later", due_in=2 * DAY)
    assert why(before) == ()
    (risk,) = why(after)
    assert risk.cause == Cause.TOKEN_EXPIRED
    assert "ends on 26 Nov 2026, before it is due" in risk.sentence
    assert risk.url == f"/accounts/{account.pk}/reconnect/"
    assert risk.for_admins


def test_the_last_token_of_an_access_carries_what_is_due_before_its_end(
    make_account: Any, make_post: Any
) -> None:
    """Its renewal was refused, and it lives on for some days."""
    end = NOON + 3 * DAY
    account = make_account("linkedin", refresh_token="r", expires_at=end)
    Credential.objects.update(issued_at=end - 30 * DAY, renewal_refused_at=NOON)
    early, late = make_post(account), make_post(account, "Later", due_in=4 * DAY)
    assert why(early) == ()
    (risk,) = why(late)
    assert risk.cause == Cause.TOKEN_EXPIRED
    assert "before that day" in risk.cure


def test_what_renews_itself_lives_on(make_account: Any, make_post: Any) -> None:
    account = make_account("x", expires_at=NOON + timedelta(hours=2), refresh_token="r")
    assert why(make_post(account)) == ()


@pytest.mark.trap("linkedin", 9)
def test_a_role_that_was_lost_is_the_accounts_own_trouble(
    make_account: Any, make_post: Any
) -> None:
    account = make_account("linkedin", trouble=Cause.ROLE_LOST)
    (risk,) = why(make_post(account))
    assert (risk.cause, risk.root) == (Cause.ROLE_LOST, f"account:{account.pk}")


def test_a_disconnected_account_is_told_with_nothing_else(
    make_account: Any, make_post: Any
) -> None:
    account = make_account("x", disconnected_at=NOON, scopes=["tweet.read"])
    assert causes(make_post(account)) == [Cause.ACCOUNT_GONE]


def test_a_stop_is_a_risk_to_what_is_due_within_a_day(
    make_account: Any, make_post: Any, author: Any
) -> None:
    account = make_account("x")
    soon = make_post(account, due_in=timedelta(hours=23))
    late = make_post(account, "Later", due_in=timedelta(hours=25))
    Stop.objects.create(scope=Stop.Scope.EVERYTHING, reason="Storm", started_by=author)
    assert causes(soon) == ["stopped"]
    assert why(late) == ()


# ---------------------------------------------------------------- permissions


@pytest.mark.trap("x", 6)
def test_a_scope_is_missed_only_by_posts_that_need_it(
    make_account: Any, make_post: Any
) -> None:
    scopes = [scope for scope in ALL_X if scope != "media.write"]
    account = make_account("x", scopes=scopes)
    assert why(make_post(account)) == ()
    (risk,) = why(make_post(account, "With an image", width=10))
    assert risk.cause == Cause.SCOPE_MISSING
    assert "(media.write), which this post needs" in risk.sentence


@pytest.mark.parametrize(("who", "told"), [("", False), ("followers_only", True)])
def test_a_choice_may_need_a_permission_of_its_own(
    make_account: Any, make_post: Any, who: str, told: bool
) -> None:
    scopes = ["threads_basic", "threads_content_publish"]
    post = make_post(make_account("threads", scopes=scopes))
    options = {"reply_control": who} if who else {}
    Variant.objects.create(post=post.post, platform="threads", options=options)
    found = [risk for risk in why(post) if risk.cause == Cause.SCOPE_MISSING]
    assert ["(threads_manage_replies)" in risk.sentence for risk in found] == (
        [True] * told
    )


@pytest.mark.parametrize(
    ("kind", "scope", "missing"),
    [
        ("member", "w_member_social", ""),
        ("organization", "w_member_social", "w_organization_social"),
        ("organization", "w_organization_social", ""),
    ],
)
def test_a_page_needs_the_permission_of_pages(
    make_account: Any, make_post: Any, kind: str, scope: str, missing: str
) -> None:
    account = make_account("linkedin", kind=kind, scopes=[scope])
    found = why(make_post(account))
    assert [missing in risk.sentence for risk in found] == ([True] if missing else [])


def test_where_no_grant_is_known_none_is_missed(
    make_account: Any, make_post: Any
) -> None:
    assert why(make_post(make_account("x", scopes=[]), width=10)) == ()


def test_a_permission_that_our_app_loses_is_missed_from_that_day_on(
    make_account: Any, make_post: Any
) -> None:
    account = make_account("x", scopes=ALL_X)
    app = account.credential.app
    app.reviews = {"tweet.write": {"state": "refused", "at": "2026-11-26"}}
    app.save()
    assert why(make_post(account)) == ()
    (risk,) = why(make_post(account, "Later", 3 * DAY))
    assert risk.cause == Cause.APP_REFUSED
    assert risk.url == f"/accounts/apps/{app.pk}/"


# ---------------------------------------------------------------- our app


def test_a_suspended_app_puts_all_at_risk(make_account: Any, make_post: Any) -> None:
    account = make_account("x")
    row = make_post(account)
    PlatformApp.objects.update(state=PlatformApp.State.SUSPENDED)
    assert causes(row) == [Cause.APP_SUSPENDED]


@pytest.mark.parametrize("proven", [True, False])
def test_an_app_in_review_is_no_risk_to_what_was_proven(
    make_account: Any, make_post: Any, proven: bool
) -> None:
    row = make_post(make_account("x"))
    PlatformApp.objects.update(state=PlatformApp.State.IN_REVIEW)
    Credential.objects.update(proven_at=NOON if proven else None)
    assert causes(row) == ([] if proven else ["app_in_review"])


@pytest.mark.trap("linkedin", 1)
@pytest.mark.parametrize(
    ("version", "days", "expected"),
    [
        ("", 300, ["version_ended"]),  # 2027-09-20: that of the spec ended on the 15th
        ("", 290, []),
        ("202601", 60, ["version_ended"]),
        ("202601", 50, []),
        ("209901", 300, []),  # whose end nobody knows
    ],
)
def test_a_post_after_the_versions_end_is_at_risk(
    make_account: Any, make_post: Any, version: str, days: int, expected: list[str]
) -> None:
    account = make_account("linkedin")
    PlatformApp.objects.update(api_version=version)
    assert registry.spec("linkedin").version_end() == date(2027, 9, 15)
    assert causes(make_post(account, due_in=days * DAY)) == expected


@pytest.mark.parametrize(
    ("cause", "retry_in", "expected"),
    [
        (Cause.APP_SUSPENDED, timedelta(minutes=15), "Will be held: "),
        (Cause.TOO_MANY_REQUESTS, timedelta(hours=30), "Will be late: "),
        (Cause.TOO_MANY_REQUESTS, timedelta(minutes=15), ""),
    ],
)
def test_a_pause_is_a_risk_while_it_reaches_the_post(
    make_account: Any,
    make_post: Any,
    cause: Cause,
    retry_in: timedelta,
    expected: str,
) -> None:
    account = make_account("x")
    CircuitBreaker.objects.create(
        platform="x",
        subject=f"app:{account.credential.app_id}",
        state=CircuitBreaker.State.OPEN,
        opened_at=NOON,
        retry_at=NOON + retry_in,
        cause=cause,
    )
    found = why(make_post(account))
    assert [risk.sentence[: len(expected)] for risk in found] == (
        [expected] if expected else []
    )


# ---------------------------------------------------------------- content


def test_limits_that_changed_since_it_was_scheduled_are_seen(
    make_account: Any, make_post: Any
) -> None:
    account = make_account("mastodon")
    row = make_post(account, "Hello, world")
    assert why(row) == ()
    account.server_limits = {"max_characters": 5}
    account.save()
    (risk,) = why(row)
    assert risk.sentence.startswith("Will be refused: The text is too long: 12 / 5")
    assert risk.url == f"/posts/{row.post_id}/edit/"


def test_a_file_that_the_platform_does_not_take_is_seen(
    make_account: Any, make_post: Any
) -> None:
    row = make_post(make_account("linkedin"), mime_type="image/webp")
    assert ["The file type is not accepted" in risk.sentence for risk in why(row)] == [
        True
    ]


# ---------------------------------------------------------------- many


def test_what_one_access_breaks_is_one_group(make_account: Any, make_post: Any) -> None:
    """A person's access and the pages under it: one thing to mend."""
    person = make_account("linkedin", "1", name="Jo")
    page = make_account("linkedin", "2", kind="organization", name="Page")
    Credential.objects.filter(pk=page.credential_id).update(parent=person.credential_id)
    Credential.objects.update(
        state=Credential.State.BROKEN, cause=Cause.PASSWORD_CHANGED
    )
    other = make_account("x", "3", expires_at=NOON, name="Other")
    for n, account in enumerate((page, person, other)):
        make_post(account, f"Post {n}", due_in=timedelta(hours=5 - n))
    groups = by_root(threatened(Delivery.objects.all()), 5)
    assert [(group.posts, group.accounts) for group in groups] == [(1, 1), (2, 2)]
    assert groups[1].risk.root == f"credential:{person.credential_id}"
    assert groups[1].first.account == person
    assert "The password was changed" in groups[1].risk.head


def test_the_composer_is_told_the_same(make_account: Any, author: Any) -> None:
    account = make_account("linkedin", expires_at=NOON + DAY, scopes=["r_basicprofile"])

    def draft(slug: str) -> Draft:
        return Draft("Hello")

    found = of_draft([account], draft, NOON + 2 * DAY, NOON + 3 * DAY, None, NOON)
    assert [risk.cause for risk in found[account.pk]] == [
        Cause.TOKEN_EXPIRED,
        Cause.SCOPE_MISSING,
    ]
    sooner = of_draft([account], draft, NOON, NOON + DAY, None, NOON)
    assert [risk.cause for risk in sooner[account.pk]] == [Cause.SCOPE_MISSING]


def test_two_thousand_posts_cost_as_many_queries_as_ten(
    make_account: Any, brand: Any, author: Any
) -> None:
    accounts = [make_account("x", str(n), scopes=["tweet.read"]) for n in range(5)] + [
        make_account("mastodon", str(n)) for n in range(5)
    ]

    def fill(count: int, start: int) -> None:
        # An hour apart, so that no window is near its end.
        posts = Post.objects.bulk_create(
            Post(
                brand=brand,
                author=author,
                text=f"Post {start + n}",
                due_at=NOON + timedelta(hours=start + n + 1),
                useful_until=NOON + timedelta(hours=start + n + 3),
            )
            for n in range(count)
        )
        Delivery.objects.bulk_create(
            Delivery(
                post=post,
                account=account,
                due_at=post.due_at,
                useful_until=post.useful_until,
                next_attempt_at=post.due_at,
                marker=f"{account.pk:08d}{post.pk:024d}",
            )
            for post in posts
            for account in accounts
        )

    def queries(judge: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            judge()
        return len(seen)

    judges = [
        lambda: risks(Delivery.objects.select_related("post")),
        lambda: threatened(Delivery.objects.all()),
        lambda: account_queue(accounts),
    ]
    fill(1, 0)
    few = [queries(judge) for judge in judges]
    fill(199, 1)
    assert Delivery.objects.count() == 2000
    assert [queries(judge) for judge in judges] == few
    assert max(few) <= 20
    assert len(threatened(Delivery.objects.all())) == 1000


def test_the_account_pages_count_what_is_judged_here(
    make_account: Any, make_post: Any
) -> None:
    account = make_account("linkedin", expires_at=NOON + DAY)
    make_post(account, "In time", timedelta(hours=1))
    first = make_post(account, "Late", 2 * DAY)
    make_post(account, "Later", 3 * DAY)
    facts = account_queue([account])[account.pk]
    assert facts["waiting"] == 3
    assert facts["at_risk"] == 2
    assert facts["first_at_risk_at"] == first.due_at
    assert facts["risk"].cause == Cause.TOKEN_EXPIRED


def test_what_an_account_cannot_send_anyhow_is_not_put_together(
    make_account: Any, make_delivery: Any, monkeypatch: Any
) -> None:
    broken = make_account("mastodon", "1", trouble=Cause.ROLE_LOST)
    able = make_account("mastodon", "2")
    rows = [
        make_delivery(broken, "x" * 9000, timedelta(hours=1)),
        make_delivery(able, "y" * 9000, timedelta(hours=1)),
    ]
    drafted = []
    draft_for = Post.draft_for

    def spy(post: Post, *args: Any) -> Any:
        drafted.append(post.pk)
        return draft_for(post, *args)

    monkeypatch.setattr(Post, "draft_for", spy)
    found = risks(rows)
    causes = [found[row.pk][0].cause for row in rows]
    assert causes == [Cause.ROLE_LOST, Cause.TEXT_REFUSED]
    assert drafted == [rows[1].post_id]
