"""What a person chose for one platform goes the whole way: our rows, our engine, our
public address, and the practice network on the other side."""

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
from platforms.errors import Cause
from platforms.practice.server import TWINS, start_practice
from publishing.media import take_upload
from publishing.models import Delivery, PostMedia, Variant
from publishing.tests.test_engine import InlinePump

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]
SLUGS = ("threads", "pinterest")


@pytest.fixture
def network(tmp_path, settings, live_server):
    twins = {slug: TWINS[slug] for slug in SLUGS}
    server = start_practice(tmp_path / "practice", twins=twins)
    settings.PRACTICE_NETWORK_URL = server.url
    settings.SITE_URL = live_server.url
    settings.MEDIA_ROOT = tmp_path / "media"
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def accounts(network, brand, author):
    """One account on each."""
    found = {}
    for slug in SLUGS:
        twin = network.twins[slug]
        with network.world.transaction():
            twin.seed()
            made = twin.add_account("acme", "Acme")
            number, secret = twin.app_credentials()
        app = PlatformApp.objects.create(
            platform=slug,
            network=Network.PRACTICE,
            client_id=number,
            client_secret=secret,
        )
        tokens = TokenSet(
            made["access_token"],
            refresh_token=made["refresh_token"],
            issued_at=datetime.now(UTC),
            scopes=tuple(made["scopes"]),
        )
        grant = receive(app, tokens, tokens.scopes)
        [found[slug]] = connect(grant, [(grant.identities[0], brand)], author)
    return found


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


@pytest.fixture
def asset(network, brand, author):
    out = BytesIO()
    Image.new("RGB", (400, 600), "teal").save(out, "JPEG")
    return take_upload(SimpleUploadedFile("a.jpg", out.getvalue()), brand, author)


def test_a_thread_has_its_topic_and_a_pin_its_board(
    network, accounts, make_delivery, asset
):
    (board,) = accounts["pinterest"].server_limits["boards"]
    choices = {
        "threads": {"topic_tag": "Bread", "reply_control": "followers_only"},
        "pinterest": {
            "board": {accounts["pinterest"].external_id: board},
            "title": "Bread",
        },
    }
    said = {"threads": "Out of the oven", "pinterest": "Bread\n\nOut of the oven"}
    for slug, account in accounts.items():
        delivery = make_delivery(account, "Out of the oven")
        post = delivery.post
        Variant.objects.create(
            post=post, platform=slug, text=post.text, options=choices[slug]
        )
        PostMedia.objects.create(post=post, asset=asset, position=1, alt_text="Teal")
        until_it_rests(delivery)
        assert delivery.status == Delivery.Status.PUBLISHED, delivery.detail
        assert delivery.commit_count == 1
        twin = network.twins[slug]
        with network.world.transaction():
            (there,) = [p for p in twin.posts() if p["account"] == account.external_id]
            kind, chosen = {
                "threads": ("post", {"topic": "Bread"}),
                "pinterest": ("pin", {"board": board}),
            }[slug]
            assert chosen.items() <= twin.get(kind, there["id"]).items()
        assert (there["id"], there["url"]) == (delivery.external_id, delivery.permalink)
        assert (there["text"], there["alt_texts"]) == (said[slug], ["Teal"])
        assert there["media_sha256"] == [asset.sha256]


def test_a_pin_without_a_board_waits_for_a_person(
    network, accounts, make_delivery, asset
):
    delivery = make_delivery(accounts["pinterest"], "Hello")
    PostMedia.objects.create(post=delivery.post, asset=asset, position=1)
    until_it_rests(delivery)
    assert (delivery.status, delivery.cause) == (
        Delivery.Status.FAILED,
        Cause.OPTION_MISSING,
    )
    assert network.twins["pinterest"].posts() == []
