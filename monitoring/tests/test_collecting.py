"""What is read of posts that are out, when, and what each answer is called."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import limits
from accounts.models import ConnectedAccount, Credential
from monitoring import asking, collecting, tasks
from monitoring.models import MetricSnapshot, PostComment, Watch
from platforms.base import Comment, CommentPage, Figure, Figures, RemotePost, Vote
from platforms.errors import (
    AuthRevoked,
    Cause,
    NotFound,
    PermissionMissing,
    RateLimited,
    TransientError,
)
from platforms.linkedin.client import LinkedInClient
from platforms.mastodon.client import MastodonClient
from platforms.pinterest.client import PinterestClient
from platforms.snapchat.client import SnapchatClient
from platforms.x.client import XClient
from publishing.models import Delivery

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
SCOPES = ["tweet.read", "users.read", "tweet.write"]
State = Watch.State


@pytest.fixture
def published(make_account, make_delivery):
    """A delivery that went out so many hours ago, and its account."""

    def make(hours=2.0, platform="x", external_id="900", account=None, **fields):
        fields.setdefault("scopes", SCOPES if platform == "x" else [])
        account = account or make_account(platform, f"of-{external_id}", **fields)
        delivery = make_delivery(account)
        Delivery.objects.filter(pk=delivery.pk).update(
            status="published",
            external_id=external_id,
            published_at=timezone.now() - hours * HOUR,
            next_attempt_at=None,
        )
        delivery.refresh_from_db()
        return delivery

    return make


@pytest.fixture
def says(monkeypatch):
    """What X answers: figures (or an error) and comments; notes who was asked what."""
    asked = []

    def make(figures=None, comments=(), client=XClient):
        def tell(self, number):
            asked.append(("figures", number, threading.current_thread().name))
            if isinstance(figures, Exception):
                raise figures
            return Figures(figures or {}, timezone.now())

        def page(self, number, after=""):
            asked.append(("comments", number, after))
            if isinstance(comments, Exception):
                raise comments
            return CommentPage(tuple(comments))

        monkeypatch.setattr(client, "figures", tell)
        monkeypatch.setattr(client, "comments", page)
        return asked

    return make


def collect():
    Watch.objects.filter(next_at__isnull=False).update(next_at=timezone.now())
    collecting.take_up(timezone.now())
    Watch.objects.filter(state=State.WAITING).update(next_at=timezone.now())
    collecting.Collecting().run()


def watch(delivery):
    return Watch.objects.get(delivery=delivery)


def hours_until(at):
    return round((at - timezone.now()) / HOUR, 1)


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("age_h", "next_h"),
    [(0.1, 0.9), (2, 4), (7, 17), (30, 42), (100, 68), (200, 472), (671, 1)],
)
def test_readings_come_seldomer_the_older_a_post_is(published, age_h, next_h):
    delivery = published(age_h)
    assert collecting.take_up(timezone.now()) == 1
    assert collecting.take_up(timezone.now()) == 0
    assert hours_until(watch(delivery).next_at) == next_h


def test_what_is_old_not_out_or_has_no_id_of_the_platforms_is_not_watched(
    published, make_account, make_delivery
):
    published(700)
    published(1, external_id="https://x.example/told-by-a-person")
    published(1, external_id="unnamed:17")
    make_delivery(make_account("x", "other"))
    assert collecting.take_up(timezone.now()) == 0


def test_the_job_takes_up_reads_and_forgets(published, says):
    asked = says({Figure.LIKES: 3})
    delivery = published()
    tasks.collect_figures()
    assert asked == []  # its time has not come
    Watch.objects.update(next_at=timezone.now())
    tasks.collect_figures()
    assert watch(delivery).state == State.TOLD
    assert [what for what, *_ in asked] == ["figures", "comments"]
    assert hours_until(watch(delivery).next_at) == 4


def test_platforms_are_asked_by_threads_that_hold_no_connection(published, says):
    asked = says({})
    published()
    collect()
    assert all(name.startswith("errand") for _, _, name in asked[:1])


# ---------------------------------------------------------------- what it is called


def test_figures_are_kept_with_their_time_and_what_is_not_told_is_not_zero(
    published, says
):
    says({Figure.LIKES: 0, Figure.IMPRESSIONS: 120})
    delivery = published()
    collect()
    (snapshot,) = MetricSnapshot.objects.all()
    assert (snapshot.delivery, snapshot.values) == (
        delivery,
        {"likes": 0, "impressions": 120},
    )
    assert snapshot.value(Figure.LIKES) == 0
    assert snapshot.value(Figure.SAVES) is None


def test_votes_are_kept_with_the_words_of_the_answers(published, monkeypatch):
    """Under keys of their own: they are no figure of the post."""
    votes = (Vote("Tea", 6), Vote("Coffee", None))
    told = Figures({Figure.LIKES: 3}, timezone.now(), votes, 4)
    monkeypatch.setattr(MastodonClient, "figures", lambda self, number: told)
    monkeypatch.setattr(
        MastodonClient, "comments", lambda self, number, after="": CommentPage(())
    )
    published(platform="mastodon")
    collect()
    (snapshot,) = MetricSnapshot.objects.all()
    assert (snapshot.votes, snapshot.voters) == (list(votes), 4)
    assert snapshot.values == {
        "likes": 3,
        "votes": [["Tea", 6], ["Coffee", None]],
        "voters": 4,
    }


def test_no_data_and_a_missing_permission_are_never_mixed(published, says):
    delivery = published()
    says({})
    collect()
    assert watch(delivery).state == State.NO_DATA
    says(PermissionMissing("read_insights", cause=Cause.SCOPE_MISSING))
    collect()
    row = watch(delivery)
    assert (row.state, row.cause) == (State.MISSING, Cause.SCOPE_MISSING)
    assert row.detail == "read_insights"
    assert not MetricSnapshot.objects.exists()
    says({Figure.LIKES: 1})
    collect()
    assert (watch(delivery).state, watch(delivery).cause) == (State.TOLD, "")


def test_a_permission_that_was_not_granted_is_missing_without_a_question(
    published, says
):
    asked = says({}, client=LinkedInClient)
    delivery = published(
        platform="linkedin", kind="member", scopes=["openid", "w_member_social"]
    )
    collect()
    assert asked == []
    row = watch(delivery)
    assert (row.state, row.detail) == (State.MISSING, "r_member_postAnalytics")
    assert hours_until(row.next_at) == 12  # a reconnect may bring it
    assert row.read_at is not None


def test_a_post_that_is_gone_says_so_since_when_and_may_come_back(published, says):
    delivery = published()
    says({Figure.LIKES: 1})
    collect()
    says(NotFound("Could not find tweet"))
    collect()
    gone_at = watch(delivery).gone_at
    assert gone_at is not None
    assert watch(delivery).state == State.TOLD  # what was known stays known
    collect()
    assert watch(delivery).gone_at == gone_at
    says({Figure.LIKES: 2})
    collect()
    assert watch(delivery).gone_at is None


def test_an_account_that_is_gone_is_no_deleted_post(published, says):
    delivery = published()
    says(NotFound("no such user", cause=Cause.ACCOUNT_GONE))
    collect()
    assert watch(delivery).gone_at is None


@pytest.mark.parametrize(
    ("error", "next_h"),
    [
        (TransientError("oops"), 0.5),
        (RateLimited("slow down", retry_after=2 * 3600), 2),
        (RateLimited("come back next month", retry_after=400_000), 12),
    ],
)
def test_trouble_changes_nothing_but_the_time(published, says, error, next_h):
    delivery = published()
    says({Figure.LIKES: 1})
    collect()
    says(error)
    collect()
    row = watch(delivery)
    assert (row.state, row.cause) == (State.TOLD, error.cause)
    assert hours_until(row.next_at) == next_h


def test_a_refused_token_is_looked_at_at_once(published, says):
    delivery = published()
    says(AuthRevoked("gone"))
    collect()
    credential = Credential.objects.get()
    assert credential.next_proof_at <= timezone.now()
    assert credential.is_active  # its own look decides
    assert watch(delivery).state == State.WAITING


def test_what_cannot_be_read_now_is_put_off(published, says):
    asked = says({})
    broken, left = published(external_id="1"), published(external_id="2")
    Credential.objects.filter(accounts=broken.account).update(state="broken")
    ConnectedAccount.objects.filter(pk=left.account_id).update(
        disconnected_at=timezone.now()
    )
    collect()
    assert asked == []
    assert {hours_until(row.next_at) for row in Watch.objects.all()} == {12}


def test_many_that_cannot_be_read_leave_their_turn_to_the_next(published, says):
    asked = says({})
    account = published(external_id="1").account
    for number in range(2, 12):
        published(external_id=str(number), account=account)
    Credential.objects.update(state="broken")
    fine = published(external_id="99")
    collecting.take_up(timezone.now())
    Watch.objects.update(next_at=timezone.now() - HOUR)
    Watch.objects.filter(delivery=fine).update(next_at=timezone.now())
    collecting.Collecting(threads=1).run()
    assert [number for _, number, _ in asked] == ["99", "99"]


def test_trouble_does_not_prolong_the_watch_for_ever(published, says):
    delivery = published(671)
    says(TransientError("oops"))
    collect()
    assert watch(delivery).next_at is not None
    Delivery.objects.update(published_at=timezone.now() - 700 * HOUR)
    collect()
    assert watch(delivery).next_at is None


def test_what_a_platform_never_tells_is_not_asked_again(published, says, monkeypatch):
    monkeypatch.setattr(
        "platforms.base.PlatformSpec.why_not", lambda *args: "It tells none."
    )
    asked = says({})
    delivery = published()
    collect()
    assert asked == []
    assert watch(delivery).next_at is None


def test_a_story_without_an_id_has_no_data(published):
    delivery = published(platform="snapchat", external_id="story-of-ours")
    with pytest.raises(NotImplementedError):
        SnapchatClient.figures(delivery.account.client(), "story-of-ours")
    collect()
    assert watch(delivery).state == State.NO_DATA


# ---------------------------------------------------------------- never in the way


def test_what_posts_will_need_is_left_alone(published, says, make_delivery):
    """X's window of posts read is the app's: as full as posts leave it."""
    asked = says({Figure.LIKES: 1})
    delivery = published()
    account = delivery.account
    need = asking.need_of(account, "x", {"credits": 1})
    bucket = limits.BucketId(
        "x", "credits", limits.subject_of(limits.rules("x")["credits"], need)
    )
    limits.set_size(bucket, 40, None)
    make_delivery(account, due_in=HOUR)  # 15 of them
    collect()
    assert asked == []
    row = watch(delivery)
    assert row.state == State.WAITING
    assert row.next_at > timezone.now() + timedelta(minutes=4)
    limits.set_size(bucket, 10_000, None)
    limits.forget()
    collect()
    assert [what for what, *_ in asked] == ["figures", "comments"]


def test_a_batch_takes_its_room_in_one_transaction(published, says, monkeypatch):
    says({})
    account = published(external_id="1").account
    for number in range(2, 6):
        published(external_id=str(number), account=account)
    sizes = []
    reserve = limits.reserve
    monkeypatch.setattr(
        limits,
        "reserve",
        lambda needs, now: sizes.append(len(needs)) or reserve(needs, now),
    )
    collect()
    assert sum(sizes) == 5
    assert len(sizes) < 5


def test_a_reading_that_was_begun_belongs_to_one_worker(published, says):
    published()
    collecting.take_up(timezone.now())
    Watch.objects.update(next_at=timezone.now())
    pks = list(Watch.objects.values_list("pk", flat=True))
    assert len(collecting.Collecting().taken(pks)) == 1
    assert collecting.Collecting().taken(pks) == []


# ---------------------------------------------------------------- comments


def comment(number, text="Nice", **more):
    return Comment(number, text, "ana", timezone.now(), **more)


def test_comments_are_kept_and_go_with_the_post_below_which_they_stood(published, says):
    delivery = published()
    says({Figure.LIKES: 1}, [comment("1"), comment("2", parent_id="1"), comment("1")])
    collect()
    kept = PostComment.objects.values_list("external_id", "parent_id", "author")
    assert set(kept) == {("1", "", "ana"), ("2", "1", "ana")}
    says({Figure.LIKES: 1}, [comment("2", "Nicer")])
    collect()
    (row,) = PostComment.objects.all()
    assert (row.external_id, row.text, row.delivery) == ("2", "Nicer", delivery)


@pytest.mark.trap("youtube", 15)
@pytest.mark.parametrize(
    ("platform", "ago", "left"),
    [
        ("youtube", timedelta(days=8), 0),
        ("youtube", timedelta(days=6), 1),
        ("youtube", None, 1),
        ("x", timedelta(days=8), 1),
    ],
)
def test_what_a_disconnected_account_told_goes_when_its_platform_wants_that(
    published, platform, ago, left
):
    delivery, now = published(platform=platform), timezone.now()
    MetricSnapshot.objects.create(delivery=delivery, at=now, values={"likes": 1})
    PostComment.objects.create(
        delivery=delivery, external_id="1", text="Nice", read_at=now
    )
    ConnectedAccount.objects.update(disconnected_at=ago and now - ago)
    collecting.forget(now)
    assert MetricSnapshot.objects.count() == PostComment.objects.count() == left


def test_nobody_is_asked_for_comments_when_their_number_is_the_same(published, says):
    """On X each one that is read costs money."""
    published()
    says({Figure.COMMENTS: 1}, [comment("1")])
    collect()
    asked = says({Figure.COMMENTS: 1}, [comment("1")])
    asked.clear()
    collect()
    assert [what for what, *_ in asked] == ["figures"]
    asked = says({Figure.COMMENTS: 2}, [comment("1"), comment("2")])
    collect()
    assert PostComment.objects.count() == 2


def test_further_parts_of_our_own_thread_are_no_comments(published, says, monkeypatch):
    published()
    ours = (RemotePost("2", ""),)
    monkeypatch.setattr(collecting.parts, "out", lambda witness: ours)
    says({Figure.COMMENTS: 2}, [comment("2"), comment("3")])
    collect()
    assert [row.external_id for row in PostComment.objects.all()] == ["3"]


def test_comments_that_could_not_be_read_are_asked_for_again(published, says):
    published()
    says({Figure.COMMENTS: 1}, TransientError("oops"))
    collect()
    assert MetricSnapshot.objects.count() == 1
    says({Figure.COMMENTS: 1}, [comment("1")])
    collect()
    assert PostComment.objects.count() == 1


def test_without_their_permission_comments_are_missing_and_figures_are_not(
    published, says
):
    delivery = published(
        platform="linkedin",
        kind="organization",
        scopes=["rw_organization_admin", "w_organization_social"],
    )
    asked = says({Figure.LIKES: 1}, client=LinkedInClient)
    collect()
    assert [what for what, *_ in asked] == ["figures"]
    row = watch(delivery)
    assert row.state == State.TOLD
    assert row.comments_missing == "r_organization_social_feed"


def test_of_an_old_post_x_finds_no_replies_so_none_are_asked_for(published, says):
    published(8 * 24)
    asked = says({Figure.LIKES: 1})
    collect()
    assert [what for what, *_ in asked] == ["figures"]


def test_a_platform_without_comments_is_asked_for_none(published, says):
    published(platform="pinterest", scopes=["boards:read", "pins:read"])
    asked = says({Figure.LIKES: 1}, client=PinterestClient)
    collect()
    assert [what for what, *_ in asked] == ["figures"]


def test_linkedin_comments_are_forgotten_after_two_days(published, says):
    scopes = ["rw_organization_admin", "r_organization_social_feed"]
    published(platform="linkedin", kind="organization", scopes=scopes)
    says({Figure.COMMENTS: 1}, [comment("1")], client=LinkedInClient)
    collect()
    now = timezone.now()
    collecting.forget(now + 47 * HOUR)
    assert PostComment.objects.exists()
    collecting.forget(now + 49 * HOUR)
    assert not PostComment.objects.exists()
    # And then read again, though their number is the same.
    collect()
    assert PostComment.objects.exists()
