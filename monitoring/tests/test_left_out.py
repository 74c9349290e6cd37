"""What did not go along with a post is said in words, and captions are added later."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from monitoring import intervening
from monitoring.models import Intervention
from platforms import parts
from platforms.base import Draft, MediaFile, MediaKind, RemotePost
from platforms.errors import (
    AmbiguousOutcome,
    Cause,
    DuplicateContent,
    PermissionMissing,
    RateLimited,
)
from platforms.youtube.client import YouTubeClient
from platforms.youtube.spec import SPEC as YOUTUBE
from publishing.media import take_upload
from publishing.models import Delivery, draft_doc

from .test_intervening import again, answers, asked

__all__ = ["asked"]

pytestmark = pytest.mark.django_db

State = Intervention.State
SCOPES = [scope.name for scope in YOUTUBE.scopes if scope.asked]
SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHallo\n"


def left(what="captions", language="", cause=Cause.DAILY_LIMIT):
    return {"what": what, "language": language, "cause": str(cause)}


@pytest.fixture
def out(make_account, make_delivery, author):
    """A video that is out, of which captions in two languages were to go along."""

    def make(*rows, platform="youtube", scopes=SCOPES, comment="", **witness):
        account = make_account(platform, "UC1", scopes=scopes)
        delivery = make_delivery(account)
        files = []
        for language in ("de", "fr"):
            upload = SimpleUploadedFile(f"clip.{language}.srt", SRT)
            asset = take_upload(upload, delivery.post.brand, author)
            file = MediaFile(
                key=f"a{asset.pk}",
                mime_type="application/x-subrip",
                size_bytes=len(SRT),
                width=0,
                height=0,
                alt_text="",
                sha256=asset.sha256,
                file_name=asset.name,
                open=io.BytesIO,
                kind=MediaKind.CAPTIONS,
                language=language,
            )
            files.append(file)
        draft = Draft("Hello", captions=tuple(files), first_comment=comment)
        Delivery.objects.filter(pk=delivery.pk).update(
            status="published",
            external_id="v1",
            published_at=timezone.now() - timedelta(hours=1),
            next_attempt_at=None,
            witness={"without": list(rows), **witness},
            draft=draft_doc(draft),
        )
        delivery.refresh_from_db()
        return delivery

    return make


def page_of(client, delivery):
    return client.get(delivery.get_absolute_url()).content.decode()


def test_captions_that_were_left_out_are_named_with_the_reason_and_added(
    out, asked, client, monkeypatch
):
    delivery = out(left(language="de"), left(language="fr"))
    page = page_of(client, delivery)
    assert "What did not go along" in page
    assert "Captions (German)" in page
    assert "Captions (French)" in page
    sent = answers(monkeypatch, YouTubeClient, "add_captions")
    asked("captions_again", delivery.pk)
    asked("captions_again", delivery.pk)  # a second click
    assert intervening.run() == 1
    assert intervening.run() == 0
    assert [(one[0], one[2]) for one in sent] == [("v1", "de"), ("v1", "fr")]
    assert sent[0][1].startswith(b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHallo")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.external_id) == ("published", "v1")
    assert "What did not go along" not in page_of(client, delivery)
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert {"delivery.add_captions", "delivery.add_captions_done"} <= verbs


def test_what_is_there_already_is_not_added_twice(out, asked, monkeypatch):
    delivery = out(left(language="de"), left(language="fr"))
    there = DuplicateContent("captionExists")
    sent = answers(monkeypatch, YouTubeClient, "add_captions", there)
    asked("captions_again", delivery.pk)
    intervening.run()
    row = Intervention.objects.get()
    assert (row.state, row.done_ids) == (State.PUBLISHED, ["de", "fr"])
    assert len(sent) == 2


def test_after_a_lost_answer_the_languages_that_are_there_are_read(
    out, asked, monkeypatch
):
    delivery = out(left(language="de"), left(language="fr"))
    lost = [None, AmbiguousOutcome("lost")]
    sent = answers(monkeypatch, YouTubeClient, "add_captions", *lost)
    looks = answers(monkeypatch, YouTubeClient, "captions", ["de"], ["de", "fr"])
    asked("captions_again", delivery.pk)
    intervening.run()
    row = Intervention.objects.get()
    assert (row.state, row.done_ids) == (State.UNCERTAIN, ["de"])
    again()  # it is not there: once more
    again()
    row.refresh_from_db()
    assert (row.state, row.done_ids) == (State.PUBLISHED, ["de", "fr"])
    assert [one[2] for one in sent] == ["de", "fr", "fr"]
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (RateLimited("units", cause=Cause.DAILY_LIMIT), State.WAITING),
        (PermissionMissing("no", cause=Cause.NOT_ALLOWED), State.FAILED),
    ],
)
def test_a_refusal_leaves_the_post_out_and_can_be_tried_again(
    out, asked, client, monkeypatch, error, state
):
    delivery = out(left(language="de"))
    answers(monkeypatch, YouTubeClient, "add_captions", error)
    asked("captions_again", delivery.pk)
    intervening.run()
    assert Intervention.objects.get().state == state
    delivery.refresh_from_db()
    assert delivery.status == "published"
    page = page_of(client, delivery)
    assert "What did not go along" in page
    assert (reverse("captions_again", args=[delivery.pk]) in page) == (
        state == State.FAILED
    )


def test_a_lack_of_units_is_waited_for_before_anything_is_sent(
    out, asked, monkeypatch, settings
):
    delivery = out(left(language="de"), left(language="fr"))
    client = delivery.account.client()
    assert client.calls_of_captions(2) == {"POST captions.insert": 2}
    sent = answers(monkeypatch, YouTubeClient, "add_captions")
    denied = []

    def reserve(needs, now):
        denied.extend(need.draws["units"] for need in needs)
        from accounts.limits import Denied

        return {need.ref: Denied("units", now + timedelta(hours=5)) for need in needs}

    monkeypatch.setattr("monitoring.once.limits.reserve", reserve)
    asked("captions_again", delivery.pk)
    intervening.run()
    assert (denied, sent) == ([800], [])
    assert Intervention.objects.get().state == State.WAITING


def test_the_way_to_add_them_is_shown_to_those_who_may_where_it_is_possible(
    out, asked, client
):
    delivery = out(left(language="de"), scopes=SCOPES[:2])
    page = page_of(client, delivery)
    assert "A permission is missing" in page
    assert reverse("captions_again", args=[delivery.pk]) not in page
    asked("captions_again", delivery.pk)
    assert not Intervention.objects.exists()


def test_what_a_network_takes_only_while_it_publishes_is_said_to_be_added_there(
    out, asked, client
):
    rows = (left(language="de"), left("thumbnail", cause=Cause.MEDIA_REFUSED))
    delivery = out(*rows, platform="x", scopes=["tweet.read"])
    page = page_of(client, delivery)
    assert "Captions (German)" in page
    assert "Thumbnail" in page
    assert "Add it on X itself." in page
    asked("captions_again", delivery.pk)
    assert not Intervention.objects.exists()


def test_a_stranger_finds_nothing(out, client, django_user_model):
    delivery = out(left(language="de"))
    stranger = django_user_model.objects.create_user("stranger")
    client.force_login(stranger)
    answer = client.post(reverse("captions_again", args=[delivery.pk]))
    assert answer.status_code in (403, 404)
    assert not Intervention.objects.exists()


def test_what_was_left_out_is_kept_when_the_first_comment_follows(
    out, client, asked, monkeypatch
):
    now = timezone.now()
    draft = Draft("Hello", first_comment="First")
    witness = {"video": {"id": "v1"}, "without": [left(language="de")]}
    there = parts.arrived(draft, witness, RemotePost("v1", ""), now)
    there = parts.arrived(draft, there, RemotePost("c1", ""), now)
    assert [one.language for one in parts.left_out(there)] == ["de"]
    delivery = out(comment="First", **there)
    Delivery.objects.filter(pk=delivery.pk).update(witness=there)
    sent = answers(monkeypatch, YouTubeClient, "add_captions")
    assert "Captions (German)" in page_of(client, delivery)
    asked("captions_again", delivery.pk)
    intervening.run()
    assert [one[2] for one in sent] == ["de"]
