"""A video that the line is too slow for is seen before it is scheduled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from platforms.base import Draft, MediaFile, MediaKind
from publishing import composing, line_speed
from publishing.composing import Composition
from publishing.models import Attempt, Delivery

pytestmark = pytest.mark.django_db
MB = 1_000_000


@pytest.fixture(autouse=True)
def forgotten():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def tiktok(make_account):
    return make_account("tiktok")


@pytest.fixture
def went(tiktok, make_delivery):
    """A large upload that took so many seconds in all, over two tries."""

    def make(size_mb, seconds, days=1.0):
        delivery = make_delivery(tiktok, f"{size_mb} in {seconds}")
        Delivery.objects.filter(pk=delivery.pk).update(
            status="published",
            external_id=str(delivery.pk),
            published_at=timezone.now() - timedelta(days=days),
            sent_bytes=size_mb * MB,
        )
        for number in (1, 2):
            calls = [{"ms": seconds * 500}, {"ms": None}]
            Attempt.objects.create(delivery=delivery, number=number, calls=calls)

    return make


def film(size_mb, kind=MediaKind.VIDEO):
    file = MediaFile(
        key="a",
        mime_type="video/mp4",
        size_bytes=size_mb * MB,
        width=1080,
        height=1920,
        alt_text="",
        sha256="a" * 64,
        file_name="a.mp4",
        open=lambda: None,
        kind=kind,
    )
    return Draft("Hello", media=(file,))


def test_the_speed_is_the_middle_of_what_was_measured_lately(went, tiktok):
    assert line_speed.speed(tiktok.network) == 0
    cache.clear()
    for size, seconds, days in ((100, 100, 1), (100, 200, 2), (900, 10, 3)):
        went(size, seconds, days)
    went(50, 1000, 40)  # too old
    went(5, 1000)  # too small
    went(100, 1)  # too quick to be measured
    assert line_speed.speed(tiktok.network) == 1 * MB
    assert line_speed.speed("practice") == 0


@pytest.mark.parametrize(("size_mb", "is_said"), [(1300, False), (1400, True)])
def test_a_video_that_needs_more_than_its_time_is_said(went, tiktok, size_mb, is_said):
    went(100, 200)
    said = line_speed.too_slow(tiktok, film(size_mb))
    assert bool(said) is is_said
    if is_said:
        assert said == (
            "1400 MB need about 47 minutes at the speed at which files left here lately "
            "(0.5 MB a second), and TikTok ends an upload after 60 minutes"
        )


def test_nothing_is_said_of_images_and_networks_without_such_an_end(
    went, tiktok, make_account
):
    went(100, 200)
    assert line_speed.too_slow(tiktok, film(9000, MediaKind.IMAGE)) == ""
    assert line_speed.too_slow(make_account("youtube", "7"), film(9000)) == ""


def test_the_composer_says_it(went, tiktok, brand, monkeypatch):
    went(100, 200)
    monkeypatch.setattr(Composition, "draft_for", lambda self, slug, who: film(2000))
    (row,) = composing.check(Composition(brand, "Hello", accounts=[tiktok]))
    said = [line for line in row.lines if "ends an upload" in line.sentence]
    assert [(line.refused, line.anchor) for line in said] == [(False, "media")]
