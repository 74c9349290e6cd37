"""What people post at the networks themselves is read, and never what is ours."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import disconnect, limits
from accounts.models import ConnectedAccount
from monitoring import asking, native_posts, tasks
from monitoring.models import NativeReading
from platforms.base import RecentPosts, RemotePost
from platforms.errors import AuthRevoked, Cause, PermissionMissing, TransientError
from platforms.linkedin.client import LinkedInClient
from platforms.mastodon.client import MastodonClient
from platforms.x.client import XClient
from publishing import natives
from publishing.models import Delivery, NativePost

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
State = NativeReading.State
WHOLE = object()


@pytest.fixture
def account(make_account):
    return make_account("mastodon", "social.example/42")


@pytest.fixture
def lists(monkeypatch):
    """What the network lists of an account: (id, hours ago, text) or a refusal."""
    asked = []

    def make(*rows, error=None, reaches=WHOLE, client=MastodonClient):
        def tell(self, since):
            asked.append(self.access.external_id)
            if error is not None:
                raise error
            now = timezone.now()
            posts = tuple(
                RemotePost(
                    number,
                    f"https://social.example/@acme/{number}",
                    text[0] if text else f"Post {number}",
                    now - hours * HOUR,
                    text[1] if len(text) > 1 else {},
                )
                for number, hours, *text in rows
            )
            return RecentPosts(posts, since if reaches is WHOLE else reaches)

        monkeypatch.setattr(client, "recent_posts", tell)
        return asked

    return make


def read():
    native_posts.take_up(timezone.now())
    NativeReading.objects.filter(next_at__isnull=False).update(next_at=timezone.now())
    tasks.read_native_posts()


def shown():
    return [row.external_id for row in NativePost.objects.all()]


def reading():
    return NativeReading.objects.get()


def next_h():
    return round((reading().next_at - timezone.now()) / HOUR, 1)


@pytest.fixture
def ours(account, make_delivery):
    """A delivery to the account, as it stands so many hours after it left."""

    def make(status, hours=1.0, text="Hello", **fields):
        at = timezone.now() - hours * HOUR
        delivery = make_delivery(account, text)
        fields = {
            "status": status,
            "first_sent_at": at,
            "next_attempt_at": None,
            "draft": {"text": text},
            **({"published_at": at} if status == "published" else {}),
            **fields,
        }
        Delivery.objects.filter(pk=delivery.pk).update(**fields)
        delivery.refresh_from_db()
        return delivery

    return make


# ---------------------------------------------------------------- what is shown


def test_what_somebody_posted_there_is_kept_with_its_link_and_time(account, lists):
    lists(("7", 3, "Open today until eight"), ("6", 50))
    read()
    newest, older = NativePost.objects.all()
    assert (newest.external_id, newest.text) == ("7", "Open today until eight")
    assert newest.permalink == "https://social.example/@acme/7"
    assert round((timezone.now() - newest.posted_at) / HOUR, 1) == 3
    assert older.account == account
    assert (reading().state, reading().undecided) == (State.TOLD, 0)


def test_an_edit_there_is_followed_and_the_first_sight_stays(account, lists):
    lists(("7", 3, "Opn"))
    read()
    first = NativePost.objects.get().seen_at
    lists(("7", 3, "Open"))
    read()
    row = NativePost.objects.get()
    assert (row.text, row.seen_at) == ("Open", first)


def test_what_was_deleted_there_is_gone_after_the_next_reading(account, lists):
    lists(("7", 3), ("6", 50))
    read()
    lists(("7", 3))
    read()
    assert shown() == ["7"]


def test_a_list_that_does_not_reach_so_far_deletes_nothing_beyond(account, lists):
    lists(("7", 3), ("6", 50), ("5", 60))
    read()
    lists(("7", 3), reaches=timezone.now() - 55 * HOUR)
    read()
    assert shown() == ["7", "5"]
    lists(reaches=None)
    read()
    assert shown() == ["7", "5"]


def test_what_is_old_hidden_or_has_no_time_is_not_shown(account, lists, monkeypatch):
    lists(("9", 43 * 24), ("8", 1, "For friends", {"hidden": True}), ("7", 1))
    read()
    assert shown() == ["7"]
    # Made private there, it goes.
    lists(("7", 1, "Post 7", {"hidden": True}))
    read()
    assert shown() == []


def test_of_one_account_the_newest_are_kept(account, lists, monkeypatch):
    monkeypatch.setattr(natives, "MOST", 3)
    lists(*((str(n), n) for n in range(1, 6)), reaches=None)
    read()
    assert shown() == ["1", "2", "3"]
    lists(("0", 0.5), reaches=None)
    read()
    assert shown() == ["0", "1", "2"]


def test_of_a_long_text_the_beginning_is_kept(account, lists):
    lists(("7", 1, "word \x00" * 400))
    read()
    text = NativePost.objects.get().text
    assert len(text) <= 500
    assert text.endswith("…")
    assert "\x00" not in text


# ---------------------------------------------------------------- what is ours


def test_what_is_published_is_never_shown_as_somebody_elses(account, lists, ours):
    ours("published", external_id="7")
    ours("published", external_id="https://social.example/@acme/8", text="By hand")
    ours(
        "published",
        external_id="5",
        witness={
            "parts_out": [
                {"id": "5", "link": "", "at": None, "extra": {}},
                {"id": "6", "link": "", "at": None, "extra": {}},
            ]
        },
        text="A thread",
    )
    lists(("8", 1), ("7", 1), ("6", 1), ("5", 1), ("4", 1))
    read()
    assert shown() == ["4"]


def test_what_is_published_under_another_id_is_known_by_its_words(account, lists, ours):
    ours("published", external_id="publish-1", text="Hello there, https://a.example/x")
    lists(("7", 1, "hello there: https://t.example/q"), ("6", 1, "Another"))
    read()
    assert shown() == ["6"]


def test_once_it_is_met_the_same_words_again_are_somebody_elses(account, lists, ours):
    ours("published", external_id="7")
    lists(("8", 0.5, "Hello"), ("7", 1, "Hello"))
    read()
    assert shown() == ["8"]


@pytest.mark.parametrize("status", ["publishing", "processing", "uncertain"])
def test_while_nobody_knows_what_may_be_ours_is_not_shown_and_counted(
    account, lists, ours, status
):
    """The text that the network shows may be another: nothing but the time tells."""
    delivery = ours(status)
    lists(("8", 0.9, "Reworded"), ("7", 2))
    read()
    assert shown() == ["7"]
    assert reading().undecided == 1
    assert next_h() == 0.5
    # It was ours.
    Delivery.objects.filter(pk=delivery.pk).update(status="published", external_id="8")
    read()
    assert (shown(), reading().undecided) == (["7"], 0)


def test_what_was_not_ours_is_shown_once_that_is_known(account, lists, ours):
    delivery = ours("uncertain")
    lists(("8", 0.9, "Another"))
    read()
    assert shown() == []
    Delivery.objects.filter(pk=delivery.pk).update(status="failed")
    read()
    assert shown() == ["8"]


def test_a_question_that_nobody_answers_hides_the_posts_of_hours_only(
    account, lists, ours
):
    ours("uncertain", hours=20)
    lists(("9", 1), ("8", 19), ("7", 21))
    read()
    assert shown() == ["9", "7"]


def test_what_was_seen_before_ours_left_stays(account, lists, ours):
    lists(("7", 0.01, "Hello"))
    read()
    ours("uncertain", hours=-0.01)
    read()
    assert shown() == ["7"]


def told(*texts):
    """A list that has been read, and is not kept yet."""
    now = timezone.now()
    posts = (RemotePost(str(n), "", text, now) for n, text in enumerate(texts, 1))
    return RecentPosts(tuple(posts), now - 24 * HOUR)


def test_what_leaves_while_the_list_is_read_is_ours(account, ours):
    """The intent stands in its row before it can be seen there."""
    listed = told("Hello", "Reworded")
    ours("publishing", hours=0)
    kept = natives.keep(account, listed, timezone.now())
    assert (shown(), kept.undecided) == ([], 1)


def test_a_refused_post_that_a_person_then_made_by_hand_is_shown(account, lists, ours):
    ours("failed", hours=3)
    lists(("7", 1, "Hello"))
    read()
    assert shown() == ["7"]


def test_what_turns_out_to_be_ours_is_taken_away_at_once(account, lists, ours):
    delivery = ours("uncertain", hours=20)
    lists(("7", 1, "Reworded"))
    read()
    assert shown() == ["7"]
    delivery.confirm_live("https://social.example/@acme/7")
    assert shown() == []


def test_our_own_post_by_another_road_is_none_of_somebody_else(
    account, lists, ours, make_account, make_delivery
):
    profile = make_account("ayrshare", "profile-1")
    delivery = make_delivery(profile, "By the road")
    Delivery.objects.filter(pk=delivery.pk).update(
        status="published",
        external_id="ay-1",
        permalink="https://social.example/@acme/7/",
        first_sent_at=timezone.now() - HOUR,
        published_at=timezone.now() - HOUR,
        draft={"text": "By the road"},
    )
    lists(("8", 3), ("7", 1, "Cut"))
    read()
    assert shown() == ["8"]


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("hours", "next_in"), [(2, 2), (30, 6), (10 * 24, 12), (30 * 24, 24)]
)
def test_it_is_read_seldomer_the_longer_nobody_posted_there(
    account, lists, hours, next_in
):
    lists(("7", hours))
    read()
    assert next_h() == next_in


def test_where_nobody_posts_or_reading_costs_money_it_is_read_daily(
    account, lists, make_account
):
    lists()
    read()
    assert next_h() == 24
    NativeReading.objects.all().delete()
    account.delete()
    make_account("x", "900", scopes=["tweet.read", "users.read", "tweet.write"])
    lists(("7", 1), client=XClient)
    read()
    assert next_h() == 24


def test_what_posts_will_need_is_left_alone(lists, make_account, make_delivery):
    asked = lists(("7", 1), client=XClient)
    account = make_account("x", "900", scopes=["tweet.read", "users.read"])
    need = asking.need_of(account, "x", {"credits": 1})
    bucket = limits.BucketId(
        "x", "credits", limits.subject_of(limits.rules("x")["credits"], need)
    )
    limits.set_size(bucket, 40, None)
    make_delivery(account, due_in=HOUR)  # 15 of them; ten posts to read cost 50
    read()
    assert (asked, reading().state) == ([], State.WAITING)
    assert reading().next_at > timezone.now() + 4 * MINUTE
    limits.set_size(bucket, 10_000, None)
    limits.forget()
    read()
    assert (asked, reading().state) == (["900"], State.TOLD)


@pytest.mark.parametrize(
    ("error", "state", "next_in"),
    [
        (PermissionMissing("no", cause=Cause.SCOPE_MISSING), State.MISSING, 12),
        (TransientError("oops"), State.TROUBLE, 0.5),
        (AuthRevoked("gone"), State.TROUBLE, 0.5),
    ],
)
def test_a_refusal_keeps_what_is_known(account, lists, error, state, next_in):
    lists(("7", 1))
    read()
    lists(error=error)
    read()
    assert (shown(), reading().state) == (["7"], state)
    assert next_h() == next_in


def test_who_may_not_be_asked_is_not(make_account, lists):
    asked = lists(client=LinkedInClient)
    make_account("linkedin", "m", kind="member", scopes=["w_member_social"])
    make_account("linkedin", "o", kind="organization", scopes=["w_organization_social"])
    read()
    assert asked == []
    member, page = NativeReading.objects.order_by("account__external_id")
    assert member.next_at is None
    assert (page.state, page.detail) == (State.MISSING, "r_organization_social")


# ---------------------------------------------------------------- forgetting


def test_disconnecting_an_account_deletes_what_was_read_of_it(account, lists, author):
    lists(("7", 1))
    read()
    disconnect.disconnect(account, author)
    assert shown() == []
    read()
    assert shown() == []


def test_what_is_read_while_an_account_is_disconnected_is_not_kept(account, author):
    listed = told("Hello")
    disconnect.disconnect(ConnectedAccount.objects.get(pk=account.pk), author)
    natives.keep(account, listed, timezone.now())
    assert shown() == []


def test_what_has_become_old_goes_by_itself(account, lists):
    lists(("7", 41 * 24))
    read()
    natives.forget(timezone.now() + 2 * 24 * HOUR)
    assert shown() == []


def test_what_could_not_be_read_anew_for_long_is_forgotten(account, lists):
    lists(("7", 1))
    read()
    lists(error=TransientError("oops"))
    NativeReading.objects.update(read_at=timezone.now() - timedelta(days=29))
    read()
    assert shown() == []
