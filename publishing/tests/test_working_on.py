"""Networks that work on a post after they have it, by the engine and over HTTP."""

from __future__ import annotations

from functools import cache

import pytest
import requests
from django.core.files.base import ContentFile
from django.utils import timezone

from platforms.practice.server import TWINS, start_practice
from platforms.practice.tests.made_video import video
from publishing.models import Delivery, MediaAsset, PostMedia, Variant
from publishing.tests.test_engine import InlinePump
from socialhub.drills.world import Practice, adopt

pytestmark = [pytest.mark.django_db, pytest.mark.live]
Status = Delivery.Status

CHOICES = {
    "tiktok": {"privacy_level": "PUBLIC_TO_EVERYONE"},
    "snapchat": {"place": "spotlights"},
}


@cache
def clip() -> bytes:
    return video(150, size=(540, 960), rate=25)


@pytest.fixture(params=sorted(CHOICES))
def slug(request):
    return request.param


@pytest.fixture
def practice(slug, tmp_path, settings):
    server = start_practice(tmp_path, twins={slug: TWINS[slug]})
    settings.PRACTICE_NETWORK_URL = server.url
    settings.MEDIA_ROOT = tmp_path
    yield server
    server.stop()


@pytest.fixture
def delivery(slug, practice, brand, author, make_delivery):
    made = Practice().add_account(slug, "acme")
    account = adopt(slug, made, brand, author)
    found = make_delivery(account, "Hello")
    data = clip()
    asset = MediaAsset.objects.create(
        brand=brand,
        name="a.mp4",
        kind="video",
        mime_type="video/mp4",
        size_bytes=len(data),
        width=540,
        height=960,
        sha256="ab" * 32,
        file=ContentFile(data, "a.mp4"),
        facts={"duration_s": 6.0, "frame_rate": 25.0, "video_codec": "h264"},
    )
    PostMedia.objects.create(post=found.post, asset=asset, position=0)
    Variant.objects.create(
        post=found.post, platform=slug, text="Hello", options=CHOICES[slug]
    )
    return found


def go_on(practice, delivery):
    """Until nothing is due by itself any more; time is the practice network's."""
    for _ in range(30):
        InlinePump().turn()
        delivery.refresh_from_db()
        if delivery.next_attempt_at is None:
            return
        wait = delivery.next_attempt_at - timezone.now()
        world = practice.world
        with world.transaction():
            later = {"shift_s": world.shift_s + max(wait.total_seconds(), 0)}
            world.put("panel", "setting", "clock", later)
        Delivery.objects.update(next_attempt_at=timezone.now())


@pytest.mark.parametrize("kind", ["", "drop_answer", "server_error_after_write"])
def test_a_post_is_followed_until_it_is_out(practice, delivery, slug, kind):
    if kind:
        Practice().fault(platform=slug, kind=kind, call="commit", times=1)
    go_on(practice, delivery)
    assert (delivery.status, delivery.detail) == (Status.PUBLISHED, "")
    (post,) = Practice().posts(slug)
    assert delivery.external_id.endswith(post["id"])
    assert requests.get(delivery.permalink, timeout=10).ok
    assert post["text"] == "Hello"
