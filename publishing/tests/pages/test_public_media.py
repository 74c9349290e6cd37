"""Addresses at which platforms fetch files: for whoever holds them, and for a day."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from platforms.base import Draft
from publishing import public_media
from publishing.media import take_upload
from publishing.models import PostMedia, draft_doc, draft_from
from publishing.tests.pages.conftest import picture


@pytest.fixture
def asset(world, settings):
    settings.SITE_URL = "https://hub.example.com/"
    file = SimpleUploadedFile("Größe 1.jpg", picture())
    return take_upload(file, world.brand, world.ana)


@pytest.fixture
def url(asset):
    return PostMedia(asset=asset, position=1).as_file().public_url


def path(url: str) -> str:
    return urlsplit(url).path


def test_the_address_is_ascii_at_our_own_and_names_no_file_of_ours(url, asset):
    assert url.startswith("https://hub.example.com/media/public/")
    assert url.isascii()
    assert url.endswith(f"/{asset.sha256[:12]}.jpg")
    assert "%" not in url
    match = resolve(path(url))
    assert path(url) == reverse(match.view_name, kwargs=match.kwargs)


@pytest.mark.trap("tiktok", 12)
@pytest.mark.parametrize("method", ["get", "head"])
def test_who_holds_it_gets_the_bytes_without_signing_in(url, method):
    answer = getattr(Client(), method)(path(url))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Length"] == str(len(picture()))
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies
    body = b"".join(answer.streaming_content) if method == "get" else b""
    assert body == (picture() if method == "get" else b"")


@pytest.mark.trap("ayrshare", 8)
@pytest.mark.parametrize(("minutes", "status"), [(-1, 200), (1, 404)])
def test_a_day_later_it_is_over_and_not_before(url, minutes, status):
    """It is fetched when the network's turn has come, and again when that failed."""
    gap = timedelta(hours=24, minutes=minutes).total_seconds()
    later = timezone.now().timestamp() + gap
    with mock.patch("django.core.signing.time.time", return_value=later):
        assert Client().get(path(url)).status_code == status


def test_nothing_else_is_reached(world, asset, url):
    folder, token, name = path(url).rsplit("/", 2)
    other = signing.dumps(asset.pk, salt="another")
    unknown = public_media.address(asset.pk + 1000, name)
    strange = signing.dumps({"pk": asset.pk}, salt=public_media.SALT)
    for tried in (
        f"{folder}/{token}x/{name}",
        f"{folder}/{token}/other.jpg",
        f"{folder}/{token}/",
        f"{folder}/{token}",
        f"{folder}/{other}/{name}",
        f"{folder}/{strange}/{name}",
        f"{folder}/",
        path(unknown),
    ):
        assert Client().get(tried).status_code == 404, tried


def test_it_only_hands_out(url):
    assert Client().post(path(url)).status_code == 405


def test_a_file_that_is_gone_is_not_there(asset, url):
    asset.file.storage.delete(asset.file.name)
    assert Client().get(path(url)).status_code == 404


@pytest.mark.trap("ayrshare", 8)
def test_a_stored_draft_gets_a_new_address(asset):
    doc = draft_doc(Draft("Hi", media=(PostMedia(asset=asset, position=1).as_file(),)))
    assert "public" not in str(doc)
    (file,) = draft_from(doc).media
    assert Client().get(path(file.public_url)).status_code == 200
    asset.delete()
    (gone,) = draft_from(doc).media
    assert gone.public_url == ""
