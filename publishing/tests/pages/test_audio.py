"""Audio files: kept, heard in the library and the composer, and refused in plain words
where a network takes none."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from platforms.practice.tests.made_video import sound
from publishing.media import take_upload
from publishing.tests.made_files import picture, video

CHECK = "/posts/check/"


@pytest.fixture
def rain(world):
    file = SimpleUploadedFile("rain.mp3", sound("mp3", 2.0))
    return take_upload(file, world.brand, world.ana)


def test_what_was_measured_of_it_is_told_and_it_can_be_heard(ana, world, rain):
    assert (rain.kind, rain.details) == ("audio", "0:02, MP3")
    plain = SimpleUploadedFile("rain.wav", sound("wav", 2.0))
    assert take_upload(plain, world.brand, world.ana).details == "0:02, PCM"
    page = ana.get(f"/media/{rain.pk}/details/").content.decode()
    player = '<audio class="pub-file__sound" controls preload="metadata" src="/media/'
    assert f'{player}{rain.pk}/"' in page
    assert "Open the file" in page
    library = ana.get("/media/?kind=audio").content.decode()
    assert "rain.mp3" in library
    assert ">music_note<" in library
    answer = ana.get(f"/media/{rain.pk}/", headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer["Content-Type"]) == (206, "audio/mpeg")
    assert "media-src 'self'" in answer["Content-Security-Policy"]


def test_the_composer_plays_it_and_says_who_takes_none(ana, world, rain):
    data = {
        "brand": world.brand.pk,
        "text": "Listen",
        "accounts": [world.mastodon.pk, world.x.pk],
        "media": [rain.pk],
        f"alt_{rain.pk}": "Rain on a roof",
    }
    page = ana.post("/posts/new/", data | {"action": "earlier:0"}).content.decode()
    assert '<audio class="pub-file__sound" id="sound-' in page
    assert 'hx-preserve controls preload="none"' in page
    assert "what is heard, for people who cannot hear it" in page
    answer = ana.post(CHECK, data)
    panel = answer.content.decode()
    assert "X takes no audio files" in panel
    assert "Mastodon takes no audio files" not in panel
    preview = panel[panel.index('id="previews"') :]
    name = re.search(r'aria-labelledby="(sound-name-[\w-]+)"', preview)
    assert name
    assert re.search(f'id="{name[1]}"[^>]*>[^<]*Rain on a roof', preview)


def test_a_preview_shows_the_image_that_stands_for_it(ana, world, rain):
    cloud = take_upload(SimpleUploadedFile("a.jpg", picture()), world.brand, world.ana)
    film = take_upload(SimpleUploadedFile("b.mp4", video()), world.brand, world.ana)
    for played, mark in ((rain, "<audio"), (film, "play_arrow")):
        data = {
            "brand": world.brand.pk,
            "text": "Listen",
            "accounts": [world.mastodon.pk],
            "media": [cloud.pk, played.pk],
        }
        answer = ana.post(CHECK, data)
        ((piece,),) = [one.pieces for one in answer.context["panel"].previews]
        assert ([asset for asset, _alt in piece.files], piece.still) == (
            [played],
            cloud,
        )
        panel = answer.content.decode()
        shown = panel[panel.index('id="previews"') :]
        assert f"/media/{cloud.pk}/preview/" in shown
        assert mark in shown
