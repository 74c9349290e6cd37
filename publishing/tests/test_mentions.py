"""Names are looked up when a person wants it, and never while somebody types."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.urls import reverse

from platforms.base import Draft
from platforms.bluesky.client import BlueskyClient
from platforms.errors import NotFound, TransientError
from publishing import mentions

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def asked(monkeypatch):
    """What Bluesky says of each name; a list of those it was asked for."""
    names = []
    people = {"ana.bsky.social": "did:plc:ana"}

    def resolve(self, handle):
        names.append(handle)
        if handle == "slow.bsky.social":
            raise TransientError("no answer")
        if handle not in people:
            raise NotFound("nobody")
        return people[handle]

    monkeypatch.setattr(BlueskyClient, "resolve_handle", resolve)
    return names


def test_each_name_is_asked_for_once(make_account, asked):
    account = make_account("bluesky")
    draft = Draft("@ana.bsky.social @Nobody.bsky.social @ana")
    assert mentions.not_looked_up(account, draft) == [
        "@ana.bsky.social",
        "@nobody.bsky.social",
    ]
    assert mentions.look_up([(account, draft), (account, draft)]) == ""
    assert asked == ["ana.bsky.social", "nobody.bsky.social"]
    assert mentions.not_looked_up(account, draft) == []
    served = mentions.limits_for(account, draft)
    assert served["handles"] == {
        "ana.bsky.social": "did:plc:ana",
        "nobody.bsky.social": "",
    }


def test_that_our_app_may_mention_others_is_an_admins_word(
    make_account, client, author
):
    account = make_account("facebook", kind="page")
    app = account.credential.app
    assert mentions.limits_for(account, Draft("Hi")) == {"may_mention": False}
    client.force_login(author)
    page = reverse("platform_app_edit", args=[app.pk])
    assert "Our app has “Page Mentioning”" in client.get(page).content.decode()
    told = {"client_id": "1", "secret": "s", "state": "active", "may_mention": "on"}
    assert client.post(page, told).status_code == 302
    account.refresh_from_db()
    assert mentions.limits_for(account, Draft("Hi")) == {"may_mention": True}
    other = make_account("x", "7").credential.app
    page = reverse("platform_app_edit", args=[other.pk])
    assert "may_mention" not in client.get(page).content.decode()


def test_what_could_not_be_asked_is_said_and_stays_open(make_account, asked):
    account = make_account("bluesky")
    draft = Draft("@slow.bsky.social")
    assert "did not say whether there is @slow" in mentions.look_up([(account, draft)])
    assert mentions.not_looked_up(account, draft) == ["@slow.bsky.social"]


def test_one_press_asks_for_a_few_only(make_account, asked):
    account = make_account("bluesky")
    text = " ".join(f"@n{number}.bsky.social" for number in range(30))
    mentions.look_up([(account, Draft(text))])
    assert len(asked) == mentions.MOST


def test_the_composers_checks_ask_on_the_button_alone(
    make_account, asked, author, client
):
    account = make_account("bluesky")
    client.force_login(author)
    form = {
        "brand": account.brand_id,
        "accounts": [account.pk],
        "text": "Hi @nobody.bsky.social",
    }
    check = reverse("compose_check")
    page = client.post(check, form).content.decode()
    assert "Not looked up yet: @nobody.bsky.social" in page
    assert asked == []
    page = client.post(check, {**form, "action": "names"}).content.decode()
    assert asked == ["nobody.bsky.social"]
    assert "There is nobody of this name: @nobody.bsky.social" in page
    assert "Not looked up yet" not in page
