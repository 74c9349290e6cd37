"""Reconnect links: one account, once, for whoever can; and nothing besides."""

from __future__ import annotations

import logging
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.contrib.auth.models import Group
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import links
from accounts.connect import LinkOver, reconnect
from accounts.disconnect import disconnect
from accounts.models import (
    AuditEvent,
    Brand,
    ConnectedAccount,
    Credential,
    PendingConnection,
    ReconnectLink,
)
from accounts.roles import ADMIN, MARKETING
from accounts.tests.test_oauth import (
    SCOPES,
    platform_answers,
)
from accounts.tests.trees import BEN
from accounts.tests.trees import planted as planted
from accounts.tests.trees import sign_in as sign_in
from accounts.tests.trees import tree as tree
from accounts.tests.trees import tree_app as tree_app

pytestmark = pytest.mark.django_db

PAGE = "/accounts/link/"


@pytest.fixture(autouse=True)
def no_counted_tries():
    cache.clear()


@pytest.fixture
def api():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def account(make_account):
    account = make_account("x", "9001", scopes=SCOPES.split())
    Credential.objects.update(state="broken", cause="token_revoked")
    return ConnectedAccount.objects.get(pk=account.pk)


@pytest.fixture
def link(account, author):
    return links.make(account, author, email="jo@agency.example")


@pytest.fixture
def visitor(link):
    """Somebody without a login who has opened the link."""
    client = Client()
    client.get(urlsplit(link[1]).path)
    return client


def person(brand, name, role):
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.create_user(name, f"{name}@example.com", "pw-1")
    user.groups.add(Group.objects.get(name=role))
    if brand:
        brand.members.add(user)
    client = Client()
    client.force_login(user)
    return client, user


def text(answer):
    return answer.content.decode()


def go_on(client, **params):
    """Through the platform and back."""
    answer = client.post(PAGE)
    assert answer.status_code == 302, text(answer)
    query = parse_qs(urlsplit(answer["Location"]).query)
    given = {"state": query["state"][0], "code": "code-1", **params}
    return client.get("/accounts/callback/x/", given)


# -- sending one


def test_an_admin_sends_a_link_to_an_address_in_plain_text_and_html(account, brand):
    client, _user = person(brand, "ida", ADMIN)
    url = reverse("account_links", args=[account.pk])
    page = text(client.post(url, {"email": "jo@agency.example"}))
    [message] = mail.outbox
    link = ReconnectLink.objects.get()
    assert message.to == ["jo@agency.example"]
    address = next(w for w in message.body.split() if "/accounts/link/" in w)
    assert address in page
    assert address in message.alternatives[0].content
    secret = address.rstrip("/").rsplit("/", 1)[-1]
    assert link.secret_hash == ReconnectLink.fingerprint(secret)
    assert link.sent_at is not None
    assert timedelta(days=6) < link.expires_at - timezone.now() < timedelta(days=8)
    assert secret not in text(client.get(url))
    assert "Reconnect link sent to jo@agency.example by ida" in text(
        client.get(account.get_absolute_url())
    )


def test_an_owner_without_the_role_may_send_one_and_others_may_not(account, brand):
    client, user = person(brand, "tom", MARKETING)
    url = reverse("account_links", args=[account.pk])
    assert client.get(url).status_code == 403
    ConnectedAccount.objects.update(owner=user)
    assert client.get(url).status_code == 200
    stranger, _user = person(Brand.objects.create(name="Other"), "eve", ADMIN)
    assert stranger.get(url).status_code == 404
    assert stranger.post(url, {"email": "eve@example.com"}).status_code == 404


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({}, "Choose a person, or write a mail address."),
        ({"email": "no address"}, "Enter a valid email address."),
        ({"email": "a@b.example", "person": "ida"}, "Choose one of the two"),
        ({"person": "99999"}, "Select a valid choice"),
    ],
)
def test_a_link_goes_to_one_person_or_address(account, brand, form, words):
    client, user = person(brand, "ida", ADMIN)
    if form.get("person") == "ida":
        form = form | {"person": user.pk}
    answer = client.post(reverse("account_links", args=[account.pk]), form)
    assert answer.status_code == 422
    assert words in text(answer)
    assert not ReconnectLink.objects.exists()


def test_a_mail_that_does_not_leave_is_said_and_the_address_stays(
    account, brand, monkeypatch
):
    def refuse(self, fail_silently=False):
        raise ConnectionRefusedError("no")

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
    client, user = person(brand, "ida", ADMIN)
    page = text(
        client.post(reverse("account_links", args=[account.pk]), {"person": user.pk})
    )
    assert "The mail did not leave (ConnectionRefusedError)" in page
    assert "/accounts/link/" in page
    assert ReconnectLink.objects.get().send_error == "ConnectionRefusedError"


# -- opening it


def test_opening_uses_nothing_up_and_leads_away_from_the_secret(link, account):
    path = urlsplit(link[1]).path
    for _ in range(3):  # a scanner, a preview, the person
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"]) == (302, PAGE)
    row = ReconnectLink.objects.get()
    assert (row.used_at, row.opened_at) == (None, None)
    assert row.is_open()


def test_the_page_says_what_is_needed_and_allowed(visitor, account):
    page = text(visitor.get(PAGE))
    assert "Reconnect Acme Tools" in page
    assert "ana asks you to renew" in page
    assert "Last time it was Acme." in page
    assert "works once, until" in page
    assert "access-9001" not in page


def test_the_link_opens_no_other_page(visitor, account):
    for name in ("account_list", "home", "post_list", "account_connect"):
        assert visitor.get(reverse(name)).status_code == 302
    for name in ("detail", "reconnect", "links", "standby", "disconnect"):
        answer = visitor.get(reverse(f"account_{name}", args=[account.pk]))
        assert answer["Location"].startswith(reverse("account_login"))
    page = text(visitor.get(PAGE))
    assert f'href="{account.get_absolute_url()}' not in page
    assert 'href="/"' not in page


@pytest.mark.parametrize("end", ["used", "withdrawn", "old", "unknown"])
def test_a_link_that_is_over_opens_nothing_and_does_not_say_why(link, end):
    if end == "used":
        assert link[0].use()
    elif end == "withdrawn":
        assert link[0].withdraw()
    elif end == "old":
        ReconnectLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    client = Client()
    path = urlsplit(link[1]).path
    answer = client.get(path if end != "unknown" else f"{PAGE}{'x' * 43}/")
    assert answer["Location"] == PAGE
    page = client.get(PAGE)
    assert page.status_code == 410
    assert "This link is over" in text(page)
    assert "Acme" not in text(page)
    assert client.post(PAGE).status_code == 410


def test_disconnecting_an_account_ends_its_links(link, account, author, visitor):
    disconnect(account, author)
    assert visitor.get(PAGE).status_code == 410
    assert ReconnectLink.objects.get().withdrawn_at is not None


def test_a_link_ends_with_the_login_of_the_person_that_it_was_for(account, author):
    _client, leaver = person(account.brand, "lea", MARKETING)
    _link, url = links.make(account, author, person=leaver)
    client = Client()
    client.get(urlsplit(url).path)
    assert client.get(PAGE).status_code == 200
    leaver.is_active = False
    leaver.save()
    assert client.get(PAGE).status_code == 410


def test_a_link_ends_when_its_person_leaves_the_brand(account, author):
    _client, leaver = person(account.brand, "lea", MARKETING)
    _link, url = links.make(account, author, person=leaver)
    client = Client()
    client.get(urlsplit(url).path)
    assert client.get(PAGE).status_code == 200
    account.brand.members.remove(leaver)
    assert client.get(PAGE).status_code == 410
    assert client.post(PAGE).status_code == 410


def test_only_following_the_link_opens_it(link):
    """A form of another site reaches this without cookies: were a session begun, its
    cookie would take the place of the one that the person is signed in with."""
    path = urlsplit(link[1]).path
    answer = Client(enforce_csrf_checks=True).post(path)
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert not answer.cookies


def test_the_secret_is_in_no_log_and_no_row(link, account, caplog):
    caplog.set_level(logging.DEBUG)
    secret = urlsplit(link[1]).path.rstrip("/").rsplit("/", 1)[-1]
    client = Client(enforce_csrf_checks=True)
    path = urlsplit(link[1]).path
    for odd in (path, path.rstrip("/"), path + "more/", path + ")."):
        assert client.get(odd).status_code == 302
        assert client.post(odd).status_code == 302
    client.get(path)
    assert client.post(PAGE).status_code == 403
    assert secret not in caplog.text
    row = ReconnectLink.objects.filter(pk=link[0].pk).values().get()
    assert secret not in str(row) + str(list(AuditEvent.objects.values()))


def test_a_guesser_is_slowed_down(link):
    client = Client()
    for number in range(60):
        client.get(f"{PAGE}guess-{number}/")
    client.get(urlsplit(link[1]).path)
    assert client.get(PAGE).status_code == 410


# -- reconnecting with it


def test_somebody_without_a_login_reconnects_and_the_sender_sees_it(
    api, visitor, link, account, brand, make_delivery
):
    make_delivery(account, due_in=timedelta(hours=2))
    platform_answers(api)
    answer = go_on(visitor)
    assert answer["Location"] == reverse("reconnect_link_done")
    page = text(visitor.get(answer["Location"]))
    assert "Acme Tools is connected again." in page
    assert "1 post follows, at " in page
    account.refresh_from_db()
    assert account.health == "healthy"
    assert Credential.objects.get().connected_by is None
    assert ReconnectLink.objects.get().used_at is not None
    client, _user = person(brand, "ida", ADMIN)
    timeline = text(client.get(account.get_absolute_url()))
    assert "Reconnected by acmetools, with the link to jo@agency.example" in timeline
    # And that was that.
    assert visitor.get(PAGE).status_code == 410
    assert visitor.get(account.get_absolute_url()).status_code == 302


def test_signing_in_as_somebody_else_changes_nothing_and_uses_nothing_up(
    api, visitor, link, account
):
    platform_answers(api, user_id="777", username="other")
    answer = go_on(visitor)
    assert answer.status_code == 409
    assert "You signed in as other; this account belongs to acmetools." in text(answer)
    assert 'href="/accounts/' not in text(answer).replace(f'href="{PAGE}"', "")
    assert Credential.objects.get().access_token == "access-9001"
    assert ReconnectLink.objects.get().is_open()
    assert visitor.get(PAGE).status_code == 200


def test_cancelling_leads_back_to_the_link(api, visitor, link):
    answer = go_on(visitor, error="access_denied")
    assert f'href="{PAGE}"' in text(answer)
    assert "To the accounts" not in text(answer)
    assert ReconnectLink.objects.get().is_open()


def test_a_link_that_ends_on_the_way_changes_nothing(api, visitor, link, account):
    platform_answers(api)
    query = parse_qs(urlsplit(visitor.post(PAGE)["Location"]).query)
    link[0].withdraw()
    answer = visitor.get(
        "/accounts/callback/x/", {"state": query["state"][0], "code": "code-1"}
    )
    assert answer["Location"].startswith(reverse("account_login"))
    assert Credential.objects.get().access_token == "access-9001"


def test_a_sign_in_begun_with_one_link_does_not_serve_another(
    api, visitor, account, author, make_account
):
    platform_answers(api)
    query = parse_qs(urlsplit(visitor.post(PAGE)["Location"]).query)
    other = links.make(make_account("x", "9002"), author, email="jo@agency.example")
    visitor.get(urlsplit(other[1]).path)
    answer = visitor.get(
        "/accounts/callback/x/", {"state": query["state"][0], "code": "code-1"}
    )
    assert answer.status_code == 404
    assert not ReconnectLink.objects.exclude(used_at=None).exists()


def test_two_at_once_use_it_once(planted, sign_in, author):
    account = ConnectedAccount.objects.get(external_id="page1")
    link, _url = links.make(account, author, email="jo@agency.example")
    again = ReconnectLink.objects.get(pk=link.pk)
    reconnect(sign_in(by="one"), account, None, link=link)
    account = ConnectedAccount.objects.get(external_id="page1")
    with pytest.raises(LinkOver):
        reconnect(sign_in(by="two"), account, None, link=again)
    assert ConnectedAccount.objects.get(pk=account.pk).credential.access_token == (
        "one-page1"
    )


def test_questions_are_asked_of_whoever_came_by_the_link_alone(
    planted, sign_in, author
):
    from accounts.connect import park

    account = ConnectedAccount.objects.get(external_id="page1")
    link, url = links.make(account, author, email="ben@agency.example")
    row = park(sign_in(BEN), None, account=account, link=link)
    page = f"{reverse('reconnect_link_choose')}?id={row.pk}"
    assert Client().get(page)["Location"] == PAGE
    staff = Client()
    staff.force_login(author)
    assert "This sign-in is over" in text(
        staff.get(f"{reverse('connect_choose')}?id={row.pk}")
    )
    client = Client()
    client.get(urlsplit(url).path)
    asked = text(client.get(page))
    assert "You signed in as <strong>Ben Okri</strong>" in asked
    assert "Until now <strong>Ana Lopez</strong> gave the permission" in asked
    answer = client.post(page, {"do": "standby"})
    assert answer["Location"] == reverse("reconnect_link_done")
    account.refresh_from_db()
    assert account.standby.parent.subject_id == "ben"
    assert not PendingConnection.objects.exists()
    assert ReconnectLink.objects.get().used_at is not None


def test_stopping_changes_nothing_and_keeps_the_link(planted, sign_in, author):
    from accounts.connect import park

    account = ConnectedAccount.objects.get(external_id="page1")
    link, url = links.make(account, author, email="ben@agency.example")
    row = park(sign_in(BEN), None, account=account, link=link)
    client = Client()
    client.get(urlsplit(url).path)
    client.post(f"{reverse('reconnect_link_choose')}?id={row.pk}", {"do": "stop"})
    assert "Nothing was changed." in text(client.get(PAGE))
    assert not PendingConnection.objects.exists()


def test_a_withdrawn_link_says_so(account, link, brand):
    client, _user = person(brand, "ida", ADMIN)
    url = reverse("link_withdraw", args=[account.pk, link[0].pk])
    assert client.get(url).status_code == 405
    assert "Withdrawn" in text(client.post(url, follow=True))
    assert not ReconnectLink.objects.get().is_open()
    stranger, _user = person(Brand.objects.create(name="Other"), "eve", ADMIN)
    assert stranger.post(url).status_code == 404


# -- with an app password


@pytest.fixture
def handle(make_account):
    return make_account("bluesky", "did:plc:abc", handle="acme.example.com")


def test_an_app_password_is_enough_for_a_link(api, handle, author):
    session = {
        "did": "did:plc:abc",
        "handle": "acme.example.com",
        "accessJwt": "eyJhbGciOiJIUzI1NiJ9.eyJzY29wZSI6ImNvbS5hdHByb3RvLmFwcFBhc3MifQ.x",
        "refreshJwt": "eyJhbGciOiJIUzI1NiJ9.e30.y",
        "active": True,
    }
    pds = "https://pds.example.com"
    api.post(f"{pds}/xrpc/com.atproto.server.createSession", json=session)
    api.get(f"{pds}/xrpc/com.atproto.server.getSession", json=session)
    service = {
        "id": "#atproto_pds",
        "type": "AtprotoPersonalDataServer",
        "serviceEndpoint": pds,
    }
    document = {
        "id": "did:plc:abc",
        "alsoKnownAs": ["at://acme.example.com"],
        "service": [service],
    }
    api.get("https://plc.directory/did:plc:abc", json=document)
    _link, url = links.make(handle, author, email="jo@agency.example")
    client = Client()
    client.get(urlsplit(url).path)
    assert 'value="acme.example.com"' in text(client.get(PAGE))
    form = {
        "identifier": "acme.example.com",
        "app_password": "abcd-efgh-ijkl-mnop",
        "server": "pds.example.com",
    }
    answer = client.post(PAGE, form)
    assert answer.status_code == 302, text(answer)
    assert answer["Location"] == reverse("reconnect_link_done")
    handle.refresh_from_db()
    assert handle.credential.access_token == session["accessJwt"]


def test_wrong_app_passwords_are_counted_for_strangers_too(api, handle, author):
    pds = "https://pds.example.com/xrpc/com.atproto.server.createSession"
    api.post(pds, status=401, json={"error": "AuthenticationRequired", "message": ""})
    _link, url = links.make(handle, author, email="jo@agency.example")
    client = Client()
    client.get(urlsplit(url).path)
    form = {
        "identifier": "acme.example.com",
        "app_password": "abcd-efgh-ijkl-mnop",
        "server": "pds.example.com",
    }
    for _ in range(5):
        assert client.post(PAGE, form).status_code == 422
    assert "Too many tries" in text(client.post(PAGE, form))
    api.assert_call_count(pds, 5)
