"""Captions are added like any file, and go to the networks that show them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from platforms.base import Draft
from publishing.media import UploadRefused, take_upload
from publishing.models import MediaAsset, Post, assets_of, draft_doc, draft_from
from publishing.tests.made_files import video
from publishing.tests.pages.conftest import make_account

NEW, CHECK = "/posts/new/", "/posts/check/"
SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHallo\n"


@pytest.fixture
def linkedin(world):
    return make_account(world.brand, "linkedin", "Acme L", kind="member")


@pytest.fixture
def take(world):
    def make(name: str, data: bytes) -> MediaAsset:
        return take_upload(SimpleUploadedFile(name, data), world.brand, world.ana)

    return make


@pytest.fixture
def film(take):
    data = video(size=(256, 144), frames=120)
    # A box that nobody reads: LinkedIn takes no smaller ones.
    return take(
        "clip.mp4", data + (80_000).to_bytes(4, "big") + b"free" + bytes(79_992)
    )


@pytest.fixture
def filled(world):
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()

    def make(account, *files, **changes):
        data = {
            "token": "t1",
            "brand": world.brand.pk,
            "text": "Hello world",
            "when": "at",
            "date": tomorrow,
            "time": "09:00",
            "zone": "Europe/Berlin",
            "accounts": [account.pk],
            "media": [file.pk for file in files],
            "action": "schedule",
        }
        return {**data, **changes}

    return make


def test_captions_stand_after_the_files_and_tell_their_language(
    ana, filled, linkedin, film, take
):
    said = take("clip.de.srt", SRT)
    ana.post(NEW, filled(linkedin, said, film))
    post = Post.objects.get()
    assert [use.asset for use in post.media.all()] == [film, said]
    draft = post.draft_for("linkedin")
    assert [file.kind for file in draft.media] == ["video"]
    (captions,) = draft.captions
    assert (captions.language, captions.mime_type) == ("de", "application/x-subrip")
    doc = draft_doc(draft)
    assert assets_of(doc) == {film.pk, said.pk}
    assert draft_from(doc) == draft
    # What was stored before there were any is still the same.
    assert "captions" not in draft_doc(Draft("Hello"))


def test_a_language_is_asked_for_and_kept_with_the_file(
    ana, filled, linkedin, film, take
):
    said = take("clip.srt", SRT)
    page = ana.post(NEW, filled(linkedin, film, said)).content.decode()
    assert "The captions have no language" in page
    assert 'href="#media-2"' in page
    assert f'name="language_{said.pk}"' in page
    assert f'name="alt_{said.pk}"' not in page
    assert not Post.objects.exists()
    ana.post(NEW, filled(linkedin, film, said, **{f"language_{said.pk}": "pt-BR"}))
    said.refresh_from_db()
    assert said.language == "pt-BR"
    assert Post.objects.get().draft_for("linkedin").captions[0].language == "pt-BR"
    wrong = {f"language_{said.pk}": "<b>", "token": "t2", "text": "Other"}
    ana.post(NEW, filled(linkedin, film, said, **wrong))
    said.refresh_from_db()
    assert said.language == "pt-BR"


def test_where_they_are_not_shown_the_post_goes_without_them(
    ana, world, filled, film, take
):
    mastodon = make_account(world.brand, "mastodon", "Acme N")
    said = take("clip.en.srt", SRT)
    page = ana.post(NEW, filled(mastodon, film, said, action="check"))
    assert "These captions are not sent" in page.content.decode()
    ana.post(NEW, filled(mastodon, film, said))
    draft = Post.objects.get().draft_for("mastodon")
    assert (len(draft.media), len(draft.captions)) == (1, 1)


def test_captions_are_saved_and_not_shown(ana, take):
    said = take("clip.en.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n<script>x\n")
    answer = ana.get(f"/media/{said.pk}/")
    assert answer["Content-Disposition"].startswith("attachment")
    details = ana.get(f"/media/{said.pk}/details/")
    assert "English" in details.content.decode()


@pytest.mark.parametrize(
    ("name", "data"),
    [("clip.srt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n"), ("a.txt", SRT)],
)
def test_the_name_has_to_be_honest_about_them(take, name, data):
    with pytest.raises(UploadRefused):
        take(name, data)
