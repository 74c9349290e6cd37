"""As whom a pump sends: kept from claim to claim, and never out of date."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.fields import SecretUnreadable
from accounts.models import Credential
from publishing.agenda import AHEAD
from publishing.models import Delivery, MediaAsset, Post, PostMedia, Variant
from publishing.senders import LEARN_AT_ONCE, Senders, attach_posts

from .test_engine import InlinePump

pytestmark = pytest.mark.django_db


def queries(what: Any) -> int:
    with CaptureQueriesContext(connection) as seen:
        what()
    return len(seen.captured_queries)


def test_who_was_met_before_needs_one_query_only(account, make_delivery, script):
    delivery, senders = make_delivery(account), Senders()
    senders.learn([account.pk])
    assert queries(lambda: senders.attach([delivery])) == 1
    assert (
        senders.sender(delivery.account).access.token == f"access-{account.external_id}"
    )


def test_what_changed_since_is_seen(account, make_delivery, script):
    delivery, senders = make_delivery(account), Senders()
    senders.learn([account.pk])
    credential = Credential.objects.get(pk=account.credential_id)
    credential.access_token = "another"
    credential.save()
    senders.attach([delivery])
    assert senders.sender(delivery.account).access.token == "another"


def test_it_learns_a_few_at_a_time_and_none_that_is_gone(account):
    senders = Senders()
    senders.learn([*range(10**6, 10**6 + LEARN_AT_ONCE - 1), account.pk, 10**7])
    assert list(senders._known) == [account.pk]
    assert queries(lambda: senders.learn([account.pk])) == 0


def test_a_token_that_no_key_opens_is_left_to_its_post_and_tried_once(
    account, make_delivery, script, settings
):
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    senders = Senders()
    senders.learn([account.pk])
    assert queries(lambda: senders.learn([account.pk])) == 0
    with pytest.raises(SecretUnreadable):
        senders.attach([make_delivery(account)])


def test_a_pump_gets_to_know_the_accounts_of_posts_that_are_due_in_a_moment(
    account, make_delivery, script
):
    make_delivery(account, due_in=AHEAD / 2)
    pump = InlinePump()
    pump.turn()
    assert script.asked == []
    assert list(pump.senders._known) == [account.pk]


def test_a_plain_post_costs_one_query_and_others_get_what_belongs_to_them(
    account, make_delivery, brand
):
    asset = MediaAsset.objects.create(
        brand=brand, name="a.png", mime_type="image/png", size_bytes=1, sha256="0" * 64
    )
    plain, varied, illustrated = (make_delivery(account) for _ in range(3))
    assert queries(lambda: attach_posts([plain])) == 1
    Variant.objects.create(post=varied.post, platform="scripted", text="Other words")
    PostMedia.objects.create(post=illustrated.post, asset=asset, position=0)
    attach_posts([plain, varied, illustrated])
    assert [v.text for v in varied.post.variants.all()] == ["Other words"]
    assert [m.asset for m in illustrated.post.media.all()] == [asset]
    assert not plain.post.variants.all()
    assert not plain.post.media.all()


@pytest.mark.django_db
def test_a_draft_asks_the_database_for_nothing_more(
    make_account, make_delivery, django_assert_num_queries
):
    """What is read of posts is all that their drafts need: else each costs a query."""
    row = make_delivery(make_account("mastodon"))
    tags = {"params": {"utm_source": "{account}"}, "hosts": []}
    Post.objects.update(text="Look: https://acme.example/a", link_tags=tags)
    (read,) = Delivery.objects.select_related("account").filter(pk=row.pk)
    attach_posts([read])
    with django_assert_num_queries(0):
        draft = read.post.draft_for("mastodon", read.account)
    assert "utm_source=acmetools" in draft.text
