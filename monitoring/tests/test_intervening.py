"""Posts are taken down and comments hidden or deleted once a person wants it so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.roles import MARKETING, REVIEWER
from monitoring import intervening
from monitoring.models import Intervention, PostComment, Watch
from platforms.base import Comment, CommentPage, Figures
from platforms.errors import (
    AmbiguousOutcome,
    InvalidContent,
    NotFound,
    TransientError,
)
from platforms.facebook.client import FacebookClient
from platforms.facebook.spec import SPEC as FACEBOOK
from platforms.x.client import XClient
from publishing.models import Delivery, Stop

pytestmark = pytest.mark.django_db

Kind, State = Intervention.Kind, Intervention.State
SCOPES = [scope.name for scope in FACEBOOK.scopes]
X = ["tweet.read", "tweet.write", "users.read"]


def part(number):
    return {"id": number, "link": "", "at": None, "extra": {}}


@pytest.fixture
def out(make_account, make_delivery):
    def make(platform="facebook", scopes=SCOPES, **changes):
        number = Delivery.objects.count()
        account = make_account(platform, f"acme-{number}", scopes=scopes)
        delivery = make_delivery(account)
        facts = {
            "status": "published",
            "external_id": f"90{number}",
            "published_at": timezone.now() - timedelta(hours=1),
            "next_attempt_at": None,
        }
        Delivery.objects.filter(pk=delivery.pk).update(**{**facts, **changes})
        delivery.refresh_from_db()
        return delivery

    return make


@pytest.fixture
def delivery(out):
    return out()


@pytest.fixture
def comment(delivery):
    return PostComment.objects.create(
        delivery=delivery,
        external_id="7",
        text="Buy gold",
        author="spam",
        read_at=timezone.now(),
    )


@pytest.fixture
def asked(client, author, monkeypatch):
    """What a signed-in person posts; nothing runs by itself."""
    client.force_login(author)
    monkeypatch.setattr("monitoring.intervention_views.async_task", lambda *a, **k: "")

    def post(name, pk, **data):
        return client.post(reverse(name, args=[pk]), data)

    return post


def answers(monkeypatch, cls, name, *results):
    """What the platform says to each call in turn; a list of those that left."""
    sent, left = [], list(results)

    def call(self, *args):
        sent.append(args)
        result = left.pop(0) if left else None
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(cls, name, call)
    return sent


def again():
    Intervention.objects.filter(next_at__isnull=False).update(next_at=timezone.now())
    intervening.run()


# ---------------------------------------------------------------- posts


def test_a_post_is_deleted_there_and_its_history_stays(
    delivery, asked, client, monkeypatch
):
    Watch.objects.create(delivery=delivery, next_at=timezone.now())
    sent = answers(monkeypatch, FacebookClient, "delete_post")
    page = client.get(reverse("delete_there", args=[delivery.pk])).content.decode()
    assert "What is lost" in page
    assert not Intervention.objects.exists()  # looking changes nothing
    asked("delete_there", delivery.pk)
    asked("delete_there", delivery.pk)  # a second click
    assert intervening.run() == 1
    assert intervening.run() == 0
    delivery.refresh_from_db()
    assert sent == [(delivery.external_id,)]
    assert delivery.status == "published"
    assert delivery.taken_down_at is not None
    watch = Watch.objects.get()
    assert watch.gone_at is not None
    assert watch.next_at is None
    shown = client.get(delivery.get_absolute_url()).content.decode()
    assert "Deleted at Facebook by" in shown
    assert "Proof of publication" in shown
    assert "Delete at Facebook" not in shown
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert {"delivery.delete_post", "delivery.delete_post_done"} <= verbs


def test_the_intent_stands_before_anything_leaves(delivery, asked, monkeypatch):
    seen = []

    def delete_post(self, number):
        seen.append(Intervention.objects.values_list("state", "sent_at").get())

    monkeypatch.setattr(FacebookClient, "delete_post", delete_post)
    asked("delete_there", delivery.pk)
    intervening.run()
    [(state, sent_at)] = seen
    assert state == State.SENDING
    assert sent_at is not None


def test_a_lost_answer_is_looked_up_and_found_gone(delivery, asked, monkeypatch):
    sent = answers(monkeypatch, FacebookClient, "delete_post", AmbiguousOutcome("lost"))
    looks = answers(monkeypatch, FacebookClient, "figures", NotFound("gone"))
    asked("delete_there", delivery.pk)
    intervening.run()
    row = Intervention.objects.get()
    assert (row.state, row.done_at) == (State.UNCERTAIN, None)
    assert row.next_at > timezone.now()  # not before the platform has settled
    again()
    row.refresh_from_db()
    assert (row.state, len(sent), len(looks)) == (State.PUBLISHED, 1, 1)
    assert Delivery.objects.get(pk=delivery.pk).taken_down_at is not None


def test_what_is_still_there_after_a_lost_answer_is_deleted_again(
    delivery, asked, monkeypatch
):
    sent = answers(monkeypatch, FacebookClient, "delete_post", AmbiguousOutcome("lost"))
    there = Figures({}, timezone.now())
    answers(monkeypatch, FacebookClient, "figures", there)
    asked("delete_there", delivery.pk)
    for _ in range(3):
        again()
    assert len(sent) == 2
    assert Intervention.objects.get().state == State.PUBLISHED


def test_a_person_says_what_became_of_it_where_nothing_tells(
    delivery, asked, client, monkeypatch
):
    lost = [AmbiguousOutcome("lost")] * intervening.MAX_TRIES
    sent = answers(monkeypatch, FacebookClient, "delete_post", *lost)
    answers(monkeypatch, FacebookClient, "figures", *[TransientError("no")] * 9)
    asked("delete_there", delivery.pk)
    for _ in range(2 * intervening.MAX_TRIES + 2):
        again()
    row = Intervention.objects.get()
    assert row.waits_for_person
    assert len(sent) == intervening.MAX_TRIES
    assert "It is done" in client.get(delivery.get_absolute_url()).content.decode()
    asked("intervention_decide", row.pk, decision="there")
    row.refresh_from_db()
    assert row.state == State.PUBLISHED
    assert Delivery.objects.get(pk=delivery.pk).taken_down_at is not None


def test_a_worker_that_died_leaves_it_to_a_look(delivery, asked, monkeypatch):
    answers(monkeypatch, FacebookClient, "figures", NotFound("gone"))
    asked("delete_there", delivery.pk)
    Intervention.objects.get().take(timezone.now())
    assert intervening.run() == 0  # it may still be at it
    again()
    again()
    assert Intervention.objects.get().state == State.PUBLISHED


def test_a_refusal_is_told_and_may_be_tried_anew(delivery, asked, client, monkeypatch):
    no = InvalidContent("no", cause="not_allowed")
    sent = answers(monkeypatch, FacebookClient, "delete_post", no)
    asked("delete_there", delivery.pk)
    intervening.run()
    assert Intervention.objects.get().state == State.FAILED
    shown = client.get(delivery.get_absolute_url()).content.decode()
    assert "Delete the post: not done" in shown
    assert "Delete at Facebook" in shown
    assert "Deleting and hiding" in client.get(reverse("home")).content.decode()
    asked("delete_there", delivery.pk)
    intervening.run()
    assert len(sent) == 2
    assert Delivery.objects.get(pk=delivery.pk).taken_down_at is not None


def test_parts_of_a_thread_go_from_its_end_and_none_twice(out, asked, monkeypatch):
    ids = ["900", "901", "902"]
    witness = {"parts_out": [part(number) for number in ids]}
    delivery = out("x", X, external_id="900", witness=witness)
    results = [None, TransientError("pause"), None, None]
    sent = answers(monkeypatch, XClient, "delete_post", *results)
    asked("delete_there", delivery.pk)
    again()
    again()
    assert sent == [("902",), ("901",), ("901",), ("900",)]
    assert Delivery.objects.get(pk=delivery.pk).taken_down_at is not None


def test_an_emergency_stop_does_not_keep_anything_up(
    delivery, asked, author, monkeypatch
):
    Stop.objects.create(scope=Stop.Scope.EVERYTHING, reason="crisis", started_by=author)
    sent = answers(monkeypatch, FacebookClient, "delete_post")
    asked("delete_there", delivery.pk)
    intervening.run()
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("platform", "scopes", "changes", "reason"),
    [
        ("tiktok", [], {}, "TikTok lets no app delete posts"),
        ("x", ["tweet.read"], {}, "A permission is missing: tweet.write"),
        # To delete what the platform does not know would count as done.
        ("x", X, {"external_id": "https://x.com/a/1"}, "was not told the id"),
        ("x", X, {"external_id": "unnamed:17"}, "was not told the id"),
        (
            "x",
            X,
            {"witness": {"parts_out": [part("90"), part("https://x.com/a/2")]}},
            "was not told the id",
        ),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_leaves(
    out, asked, client, platform, scopes, changes, reason
):
    delivery = out(platform, scopes, **changes)
    assert reason in client.get(delivery.get_absolute_url()).content.decode()
    asked("delete_there", delivery.pk)
    assert not Intervention.objects.exists()


@pytest.mark.parametrize("role", [MARKETING, REVIEWER])
def test_strangers_and_readers_delete_nothing(
    delivery, comment, client, django_user_model, role
):
    """Marketing of another brand, and a reviewer of this one."""
    person = django_user_model.objects.create_user("bo", "bo@example.com", "x")
    person.groups.add(Group.objects.get(name=role))
    if role == REVIEWER:
        delivery.account.brand.members.add(person)
    client.force_login(person)
    for name, pk in [("delete_there", delivery.pk), ("comment_delete", comment.pk)]:
        assert client.post(reverse(name, args=[pk])).status_code in (403, 404)
    assert not Intervention.objects.exists()


def test_a_posts_page_asks_the_database_no_more_often_for_more_accounts(
    delivery, out, client, author
):
    client.force_login(author)

    def count():
        client.get(delivery.post.get_absolute_url())
        with CaptureQueriesContext(
            connection,
        ) as found:
            client.get(delivery.post.get_absolute_url())
        return len(found)

    few = count()
    for _ in range(2):
        Delivery.objects.filter(pk=out("x", X).pk).update(post=delivery.post)
    assert count() == few


# ---------------------------------------------------------------- comments


def test_a_comment_is_hidden_and_shown_again(
    delivery, comment, asked, client, monkeypatch
):
    sent = answers(monkeypatch, FacebookClient, "set_hidden")
    asked("comment_visibility", comment.pk)
    intervening.run()
    comment.refresh_from_db()
    assert comment.is_hidden
    assert "Show again" in client.get(delivery.get_absolute_url()).content.decode()
    asked("comment_visibility", comment.pk, show="1")
    intervening.run()
    comment.refresh_from_db()
    assert not comment.is_hidden
    assert sent == [("7", True), ("7", False)]


@pytest.mark.parametrize(
    ("below", "times"), [([Comment("7", "", "", hidden=True)], 1), ([], 2)]
)
def test_a_lost_hiding_is_looked_up_among_the_comments(
    comment, asked, monkeypatch, below, times
):
    sent = answers(monkeypatch, FacebookClient, "set_hidden", AmbiguousOutcome("lost"))
    answers(monkeypatch, FacebookClient, "comments", CommentPage(tuple(below)))
    asked("comment_visibility", comment.pk)
    for _ in range(3):
        again()
    assert len(sent) == times
    assert Intervention.objects.get().state == State.PUBLISHED


def test_a_comment_is_deleted_with_the_answers_to_it(
    delivery, comment, asked, client, monkeypatch
):
    PostComment.objects.create(
        delivery=delivery, external_id="8", parent_id="7", read_at=timezone.now()
    )
    sent = answers(monkeypatch, FacebookClient, "delete_comment")
    shown = client.get(reverse("comment_delete", args=[comment.pk])).content.decode()
    assert "1 answer to it goes too" in shown
    asked("comment_delete", comment.pk)
    intervening.run()
    assert sent == [("7",)]
    assert not PostComment.objects.exists()
