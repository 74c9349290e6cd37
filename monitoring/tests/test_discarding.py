"""Uploads that no post will show are deleted at the networks, and never others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Credential
from monitoring import discarding, tasks
from platforms.errors import Cause, InvalidContent, TransientError
from platforms.facebook.client import FacebookClient
from platforms.mastodon.client import MastodonClient
from publishing.models import Delivery, LeftUpload
from publishing.tests.test_carrying import HeldPump
from tests.scripted_platform import Scripted

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = timezone.now()
PHOTOS = {
    "photo:1": {"id": "71", "sha256": "a"},
    "photo:2": {"id": "72", "sha256": "b"},
}
STORED = {"media": [{"id": "81", "ready": True, "at": "2026-11-28T10:00:00+00:00"}]}
SAID = {"text": "Hello", "media": [{"size_bytes": 4}]}


@pytest.fixture
def deleted(monkeypatch):
    """Ids that the networks were asked to delete, in order; `deleted.error` refuses."""

    class Deleted(list):
        error = None

    found = Deleted()

    def discard(self, external_id):
        found.append(external_id)
        if found.error:
            raise found.error

    for client in (FacebookClient, MastodonClient):
        monkeypatch.setattr(client, "discard_upload", discard)
    return found


@pytest.fixture
def over(make_account, make_delivery):
    """A delivery that has had a try and ended, with what it left."""
    account = make_account("facebook", "1044", kind="page")

    def make(status="cancelled", witness=PHOTOS, at=account, **fields):
        delivery = make_delivery(at, "Hello")
        fields = {
            "status": status,
            "witness": witness,
            "draft": SAID,
            "attempt_count": 1,
            "next_attempt_at": None,
            **fields,
        }
        Delivery.objects.filter(pk=delivery.pk).update(**fields)
        delivery.refresh_from_db()
        return delivery

    return make


def states():
    return list(LeftUpload.objects.values_list("external_id", "state"))


def test_photos_of_a_cancelled_post_are_deleted_once(over, deleted):
    delivery = over()
    tasks.discard_uploads()
    tasks.discard_uploads()
    assert sorted(deleted) == ["71", "72"]
    assert states() == [("71", "gone"), ("72", "gone")]
    delivery.refresh_from_db()
    assert delivery.witness == {}


def test_after_a_failure_they_are_kept_for_a_day_for_who_sends_it_again(over, deleted):
    now = timezone.now()
    over("failed", failed_at=now - timedelta(hours=23))
    tasks.discard_uploads()
    assert deleted == []
    dismissed = over("failed", failed_at=now, dismissed_at=now)
    old = over("failed", {"photo:1": {"id": "9", "sha256": "c"}}, failed_at=now - DAY)
    tasks.discard_uploads()
    assert sorted(deleted) == ["71", "72", "9"]
    # Sent again, they are uploaded anew.
    for row in (dismissed, old):
        row.refresh_from_db()
        row.retry()
        assert row.witness == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"first_sent_at": NOW},
        {"intent_at": NOW},
        {"commit_count": 1},
        {"repeat_is_safe": True},
        {"outcome": "duplicate"},
        {"status": "published", "external_id": "5", "published_at": NOW},
        {"status": "uncertain"},
        {"status": "held"},
        {"status": "scheduled"},
        {"attempt_count": 0},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_a_post_may_show_or_need_is_never_deleted(over, deleted, fields):
    delivery = over(**fields)
    tasks.discard_uploads()
    assert (deleted, states()) == ([], [])
    delivery.refresh_from_db()
    assert delivery.witness == PHOTOS


def test_who_sends_it_again_meanwhile_keeps_its_files(over, deleted, monkeypatch):
    delivery = over("failed", failed_at=timezone.now() - 2 * DAY)
    noted = discarding.left_uploads.noted

    def late(row, now):
        Delivery.objects.get(pk=row.pk).retry()
        return noted(row, now)

    monkeypatch.setattr(discarding.left_uploads, "noted", late)
    tasks.discard_uploads()
    assert (deleted, states()) == ([], [])
    delivery.refresh_from_db()
    assert (delivery.status, delivery.witness) == ("scheduled", PHOTOS)


def test_trouble_is_tried_again_and_a_refusal_is_not(over, deleted):
    over(witness={"photo:1": {"id": "71", "sha256": "a"}})
    deleted.error = TransientError("busy", cause=Cause.UNREACHABLE)
    tasks.discard_uploads()
    row = LeftUpload.objects.get()
    assert (row.state, row.cause) == ("waiting", "unreachable")
    assert row.next_at > timezone.now()
    LeftUpload.objects.update(next_at=timezone.now())
    deleted.error = InvalidContent("no", cause=Cause.UNKNOWN_REFUSAL)
    tasks.discard_uploads()
    row.refresh_from_db()
    assert (row.state, row.next_at) == ("stays", None)


def test_what_cannot_be_deleted_for_a_week_is_given_up(over, deleted):
    over()
    deleted.error = TransientError("busy", cause=Cause.UNREACHABLE)
    tasks.discard_uploads()
    week_ago = timezone.now() - 8 * DAY
    LeftUpload.objects.update(next_at=week_ago, noted_at=week_ago)
    tasks.discard_uploads()
    assert {state for _id, state in states()} == {"stays"}


@pytest.mark.parametrize("how", ["broken", "gone"])
def test_without_access_they_wait_for_a_week(over, deleted, how):
    delivery = over(witness={"photo:1": {"id": "71", "sha256": "a"}})
    account = delivery.account
    if how == "broken":
        Credential.objects.update(state=Credential.State.BROKEN)
    else:
        type(account).objects.filter(pk=account.pk).update(credential=None)
    tasks.discard_uploads()
    assert states() == [("71", "waiting")]
    week_ago = timezone.now() - 8 * DAY
    LeftUpload.objects.update(next_at=week_ago, noted_at=week_ago)
    tasks.discard_uploads()
    assert states() == [("71", "stays")]
    assert LeftUpload.objects.get().cause == "token_invalid"
    assert deleted == []


def test_a_permission_that_is_missing_is_waited_for(over, deleted, make_account):
    scopes = ["pages_show_list"]
    account = make_account("facebook", "1055", kind="page", scopes=scopes)
    over(at=account)
    tasks.discard_uploads()
    assert deleted == []
    assert {row.cause for row in LeftUpload.objects.all()} == {"scope_missing"}


@pytest.mark.parametrize(("level", "expected"), [(4, ["81"]), (3, []), (0, [])])
def test_mastodon_is_asked_where_the_server_has_the_call(
    over, deleted, make_account, level, expected
):
    limits = {"software": "mastodon", "api_level": level}
    account = make_account("mastodon", "social.example/42", server_limits=limits)
    over(at=account, witness=STORED)
    tasks.discard_uploads()
    assert deleted == expected


# ---------------------------------------------------------------- another wording


def test_files_of_another_wording_are_noted_when_it_is_sent_anew(
    script, make_account, make_delivery, monkeypatch
):
    script.steps = ["upload"]
    delivery = make_delivery(make_account("scripted"), "New words")
    Delivery.objects.filter(pk=delivery.pk).update(
        draft={"text": "Old words"}, witness={"upload": "u1"}, attempt_count=1
    )
    _names_uploads(monkeypatch)
    HeldPump().turn()
    delivery.refresh_from_db()
    assert delivery.status == "published"
    assert states() == [("u1", "waiting")]


def test_files_of_another_wording_that_may_be_out_are_left_alone(
    script, make_account, make_delivery, monkeypatch
):
    script.steps = ["upload"]
    delivery = make_delivery(make_account("scripted"), "New words")
    Delivery.objects.filter(pk=delivery.pk).update(
        draft={"text": "Old words"},
        witness={"upload": "u1"},
        attempt_count=1,
        first_sent_at=timezone.now(),
    )
    _names_uploads(monkeypatch)
    HeldPump().turn()
    assert states() == []


def _names_uploads(monkeypatch):
    def unused(self, witness, limits):
        return tuple(witness.values())

    monkeypatch.setattr(Scripted, "unused_uploads", unused)


# ---------------------------------------------------------------- the page


def page(client, author, delivery):
    client.force_login(author)
    return client.get(reverse("delivery_detail", args=[delivery.pk])).content.decode()


def test_the_page_says_what_becomes_of_files_without_a_post(
    over, deleted, client, author, make_account
):
    delivery = over()
    assert "deleted there in a few minutes" in page(client, author, delivery)
    tasks.discard_uploads()
    words = "2 files that no post shows are deleted at Facebook"
    assert words in page(client, author, delivery)
    failed = over("failed", failed_at=timezone.now())
    assert "A day after the failure" in page(client, author, failed)
    doubt = over("failed", failed_at=timezone.now(), first_sent_at=timezone.now())
    assert "SocialHub does not delete what a post may show" in page(
        client, author, doubt
    )
    x = over(at=make_account("x", "7"), witness={"media:1": {"id": "3"}})
    assert "after about 24 hours" in page(client, author, x)


def test_a_file_that_stays_is_said_with_its_reason(over, deleted, client, author):
    delivery = over(witness={"photo:1": {"id": "71", "sha256": "a"}})
    deleted.error = InvalidContent("no", cause=Cause.UNKNOWN_REFUSAL)
    tasks.discard_uploads()
    assert "could not be deleted at Facebook" in page(client, author, delivery)
