"""Reconnecting with another account, or with less than before: nothing is overwritten.

Over real HTTP at the practice network's own pages, for each way of signing in.
"""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts import connect as connecting
from accounts.connect import ChangedMeanwhile, OtherIdentity, add_standby, reconnect
from accounts.models import ConnectedAccount, Credential, Network, PlatformApp
from accounts.tests.test_connect_practice import (
    browser as browser,
)
from accounts.tests.test_connect_practice import (
    by_name,
    connect,
    pick,
    plant,
    text,
    walk,
)
from accounts.tests.test_connect_practice import (
    network as network,
)
from platforms.base import Identity, TokenSet
from publishing.models import Attempt, Delivery

pytestmark = pytest.mark.django_db

#: platform -> which of the first person's profiles and pages is connected
OAUTH = {
    "facebook": 0,
    "instagram": 0,
    "linkedin": 1,
    "mastodon": 0,
    "pinterest": 0,
    "snapchat": 0,
    "threads": 0,
    "tiktok": 0,
    "x": 0,
    "youtube": 0,
}
#: platform -> a permission without which there is no post, and one that may be missing.
#: LinkedIn's people allow all or nothing.
WITHOUT = {
    "mastodon": ("write:statuses", "read:notifications"),
    "pinterest": ("pins:write", ""),  # it takes all of them to post
    "threads": ("threads_content_publish", "threads_manage_insights"),
    "tiktok": ("video.publish", "video.list"),
    "x": ("tweet.write", "media.write"),
}


def rows(model, *without):
    """All of a table; without columns that the mere asking changes."""
    found = []
    for row in model.objects.order_by("pk").values():
        found.append({k: v for k, v in row.items() if k not in without})
    return found


def everything():
    return [
        rows(ConnectedAccount),
        rows(Credential),
        rows(Delivery),
        rows(Attempt),
    ]


@pytest.fixture
def connected(browser, network, brand, make_delivery):
    """An account of the first person, with a post that waits and one that went out."""

    def make(platform, number=0):
        answer = connect(browser, network, platform, brand, person=0)
        if not ConnectedAccount.objects.exists():
            pick(browser, answer, brand, number)
        account = ConnectedAccount.objects.get()
        make_delivery(account, "Waits")
        out = make_delivery(account, "Went out")
        Delivery.objects.filter(pk=out.pk).update(
            status="published", external_id="1", next_attempt_at=None
        )
        return account

    return make


def again(browser, account, **how):
    answer = browser.post(reverse("account_reconnect", args=[account.pk]))
    return walk(browser, answer, **how)


@pytest.mark.live
@pytest.mark.parametrize("platform", OAUTH)
@pytest.mark.parametrize("ended", [False, True], ids=["living", "ended"])
def test_somebody_else_changes_nothing_anywhere(
    browser, network, connected, platform, ended
):
    account = connected(platform, OAUTH[platform])
    if ended:
        Credential.objects.update(state="broken", cause="token_revoked")
    before = everything()
    stranger = 1
    if platform == "facebook":  # the second person looks after the same Page
        stranger = by_name(network, "facebook", "Dora Chen")
    answer = again(browser, account, person=stranger)
    page = text(answer)
    assert answer.status_code == 409, page
    assert "You signed in as" in page
    assert (account.handle or account.name) in page
    assert "Nothing was changed" in page
    assert everything() == before


@pytest.mark.live
def test_a_colleague_who_may_act_for_the_page_is_asked_first(
    browser, network, connected
):
    account = connected("facebook")
    before = everything()
    question = again(browser, account, person=1)["Location"]
    page = text(browser.get(question))
    assert account.name in page
    assert everything() == before
    browser.post(question, {"do": "stop"})
    assert everything() == before


@pytest.mark.live
def test_an_instagram_account_behind_a_page_is_nobody_elses(
    browser, network, brand, make_delivery
):
    plant(browser, network, brand, "Ana Lopez")
    account = ConnectedAccount.objects.filter(platform="instagram").first()
    make_delivery(account, "Waits")
    Credential.objects.update(state="broken", cause="password_changed")
    before = everything()
    dora = by_name(network, "facebook", "Dora Chen")
    answer = again(browser, account, person=dora)
    assert answer.status_code == 409
    assert "Nothing was changed" in text(answer)
    assert everything() == before


# ---------------------------------------------------------------- at the same time


@pytest.fixture
def page(make_account):
    """A page of Scripted that Ana's sign-in acts for."""
    return make_account("scripted", "page", name="Acme Tools")


def sign_in(app, who, token):
    ana = Identity(who, "member", who.title(), who, "")
    acme = Identity("page", "organization", "Acme Tools", "", "")
    return connecting.receive(
        app, TokenSet(token, scopes=("all",)), ("all",), [ana, acme]
    )


def test_of_two_people_who_reconnect_at_once_the_slower_one_changes_nothing(
    script, page, author, make_delivery, monkeypatch
):
    """Both said yes to being somebody else than before."""
    make_delivery(page, "Waits")
    Credential.objects.update(state="broken", cause="token_revoked", subject_id="gone")
    app = page.credential.app
    slow, quick = (
        ConnectedAccount.objects.select_related("credential__app").get() for _ in "12"
    )
    look = connecting.look_at

    def and_meanwhile(grant, wanted):
        if grant.tokens.access_token == "ana's":
            reconnect(sign_in(app, "ben", "ben's"), quick, author, yes=True)
        return look(grant, wanted)

    monkeypatch.setattr(connecting, "look_at", and_meanwhile)
    with pytest.raises(ChangedMeanwhile):
        reconnect(sign_in(app, "ana", "ana's"), slow, author, yes=True)
    page = ConnectedAccount.objects.select_related("credential").get()
    assert page.credential.access_token == "ben's"
    assert page.health == "healthy"
    assert not Credential.objects.filter(subject_id="ana").exists()
    assert page.deliveries.count() == 1


# ---------------------------------------------------------------- the same number elsewhere


def test_the_same_number_on_another_network_is_somebody_else(script, page, author):
    """The practice network gives its accounts numbers as well."""
    practice = PlatformApp.objects.create(
        platform="scripted", network=Network.PRACTICE, client_id="p"
    )
    before = everything()
    with pytest.raises(OtherIdentity):
        reconnect(sign_in(practice, "me", "practice"), page, author, yes=True)
    with pytest.raises(OtherIdentity):
        add_standby(sign_in(practice, "ben", "practice"), page, author)
    assert everything() == before


def test_the_same_number_on_another_server_is_somebody_else(make_account, author):
    """Numbers of Mastodon's accounts are those of one server."""
    apps = [
        PlatformApp.objects.create(platform="mastodon", instance_url=url)
        for url in ("https://one.example", "https://two.example")
    ]
    account = make_account("mastodon", "one.example/7", handle="@ana@one.example")
    account.credential.app = apps[0]
    account.credential.save()
    ana = Identity("two.example/7", "user", "Ana", "@ana@two.example", "")
    grant = connecting.receive(
        apps[1], TokenSet("two", scopes=("write",)), ("write",), [ana]
    )
    before = everything()
    with pytest.raises(OtherIdentity) as refused:
        reconnect(grant, account, author, yes=True)
    assert refused.value.signed_in_as == "@ana@two.example"
    assert refused.value.belongs_to == "@ana@one.example"
    assert everything() == before


# ---------------------------------------------------------------- with less


@pytest.mark.live
@pytest.mark.parametrize("platform", WITHOUT)
def test_a_sign_in_that_may_not_post_changes_nothing(
    browser, network, connected, platform
):
    account = connected(platform)
    before = everything()
    needed, _more = WITHOUT[platform]
    answer = again(browser, account, person=0, untick={needed})
    assert "The permission to post is missing" in text(answer)
    assert needed in text(answer)
    assert everything() == before


@pytest.mark.live
@pytest.mark.parametrize("platform", [slug for slug in WITHOUT if WITHOUT[slug][1]])
def test_less_than_before_is_asked_first(browser, network, connected, platform):
    account = connected(platform)
    before = everything()
    _needed, more = WITHOUT[platform]
    answer = again(browser, account, person=0, untick={more})
    assert answer.status_code == 302, text(answer)
    question = answer["Location"]
    assert more in text(browser.get(question))
    assert everything() == before
    browser.post(question, {"do": "stop"})
    assert everything() == before
