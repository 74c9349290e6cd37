"""One sign-in at Facebook, a Page and an Instagram account, one image to both: our rows,
our engine, our public address, and the practice network on the other side."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from accounts.connect import connect, receive
from accounts.models import Network, PlatformApp
from platforms.base import TokenSet
from platforms.practice.server import TWINS, start_practice
from publishing.media import take_upload
from publishing.models import Delivery, PostMedia
from publishing.tests.test_engine import InlinePump

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]
META = {slug: TWINS[slug] for slug in ("facebook", "instagram")}


@pytest.fixture
def network(tmp_path, settings, live_server):
    server = start_practice(tmp_path / "practice", twins=META)
    settings.PRACTICE_NETWORK_URL = server.url
    settings.SITE_URL = live_server.url
    settings.MEDIA_ROOT = tmp_path / "media"
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def accounts(network, brand, author):
    """The Page and the Instagram account behind it, connected by one person."""
    with network.world.transaction():
        twin = network.twins["facebook"]
        twin.seed()
        network.twins["instagram"].seed()
        made = twin.add_account("ana", "Ana", kind="user", pages=1, instagram=1)
        number, secret = twin.app_credentials()
    app = PlatformApp.objects.create(
        platform="facebook",
        network=Network.PRACTICE,
        client_id=number,
        client_secret=secret,
    )
    tokens = TokenSet(
        made["access_token"],
        issued_at=datetime.now(UTC),
        scopes=tuple(made["scopes"]),
    )
    grant = receive(app, tokens, tokens.scopes)
    _person, page, instagram = grant.identities
    return connect(grant, [(page, brand), (instagram, brand)], author)


def until_it_rests(delivery: Delivery) -> Delivery:
    for _ in range(12):
        InlinePump().turn()
        delivery.refresh_from_db()
        if delivery.status in Delivery.ENDED:
            break
        Delivery.objects.filter(pk=delivery.pk).exclude(next_attempt_at=None).update(
            next_attempt_at=timezone.now()
        )
    return delivery


def test_an_image_reaches_the_page_and_the_instagram_account_behind_it(
    network, accounts, make_delivery, brand, author
):
    page, instagram = accounts
    assert (instagram.platform, instagram.credential) == ("instagram", page.credential)
    out = BytesIO()
    Image.new("RGB", (400, 400), "teal").save(out, "JPEG")
    file = SimpleUploadedFile("a.jpg", out.getvalue())
    asset = take_upload(file, brand, author)
    for account in accounts:
        delivery = make_delivery(account, "Hello #world")
        PostMedia.objects.create(
            post=delivery.post, asset=asset, position=1, alt_text="Teal"
        )
        until_it_rests(delivery)
        assert delivery.status == Delivery.Status.PUBLISHED, delivery.detail
        assert delivery.commit_count == 1
        twin = network.twins[account.platform]
        with network.world.transaction():
            (post,) = [p for p in twin.posts() if p["account"] == account.external_id]
        assert (post["text"], post["media"]) == ("Hello #world", 1)
        assert post["alt_texts"] == ["Teal"]
        assert (post["id"], post["url"]) == (delivery.external_id, delivery.permalink)
