"""Connecting by OAuth: the state, the way back, and what must never happen on it."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import (
    AuditEvent,
    ConnectedAccount,
    Credential,
    PendingConnection,
    PlatformApp,
)
from accounts.roles import ADMIN, MARKETING

pytestmark = pytest.mark.django_db

TOKEN_URL = "https://api.x.com/2/oauth2/token"
ME_URL = "https://api.x.com/2/users/me"
SCOPES = (
    "tweet.read users.read tweet.write media.write offline.access tweet.moderate.write"
)
ACCESS, REFRESH = "access-token-of-acme-1", "refresh-token-of-acme-1"
CALLBACK = "/accounts/callback/x/"


@pytest.fixture
def api():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def x_app(db):
    return PlatformApp.objects.create(
        platform="x", client_id="our-client", client_secret="our-secret"
    )


@pytest.fixture
def admin(brand, django_user_model):
    user = django_user_model.objects.create_user("ida", "ida@example.com", "pw-ida-1")
    user.groups.add(Group.objects.get(name=ADMIN))
    brand.members.add(user)
    return user


@pytest.fixture
def browser(admin):
    client = Client()
    client.force_login(admin)
    return client


def begin(browser, brand, **data):
    """Start at our form; returns the query that the platform would get."""
    answer = browser.post(
        "/accounts/connect/x/?network=live", {"brand": brand.pk, **data}
    )
    assert answer.status_code == 302, answer.content.decode()
    assert answer["Location"].startswith("https://x.com/i/oauth2/authorize?")
    return parse_qs(urlsplit(answer["Location"]).query)


def come_back(browser, query, **params):
    given = {"state": query["state"][0], "code": "code-1", **params}
    given = {name: value for name, value in given.items() if value is not None}
    return browser.get(CALLBACK, given)


def platform_answers(api, scope=SCOPES, user_id="9001", username="acmetools"):
    api.post(
        TOKEN_URL,
        json={
            "token_type": "bearer",
            "access_token": ACCESS,
            "refresh_token": REFRESH,
            "expires_in": 7200,
            "scope": scope,
        },
    )
    me = {"id": user_id, "name": "Acme Tools", "username": username}
    api.get(ME_URL, json={"data": me})


def test_the_platform_is_asked_in_order_with_state_and_proof_key(browser, brand, x_app):
    answer = browser.post("/accounts/connect/x/", {"brand": brand.pk})
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert query["scope"] == [SCOPES]
    assert "%20" in answer["Location"]
    assert query["client_id"] == ["our-client"]
    assert query["redirect_uri"] == ["http://testserver/accounts/callback/x/"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["state"][0]) >= 16


@pytest.mark.trap("tiktok", 8)
@pytest.mark.parametrize(
    ("site", "has_key"),
    [("https://social.example.com", False), ("http://localhost:8000", True)],
)
def test_a_platform_may_want_another_spelling_of_all_of_it(
    browser, brand, settings, site, has_key
):
    """TikTok: commas, another name for the client, and a proof key in hexadecimal
    digits, of apps on this machine only."""
    settings.SITE_URL = site
    PlatformApp.objects.create(
        platform="tiktok", client_id="aw1k2", client_secret="our-secret"
    )
    answer = browser.post("/accounts/connect/tiktok/", {"brand": brand.pk})
    address, _, query = answer["Location"].partition("?")
    assert address == "https://www.tiktok.com/v2/auth/authorize/"
    asked = parse_qs(query)
    assert asked["client_key"] == ["aw1k2"]
    assert "client_id" not in asked
    assert asked["scope"] == ["user.info.basic,video.publish,video.list"]
    assert asked["disable_auto_auth"] == ["1"]
    key = asked.get("code_challenge", [""])[0]
    assert bool(re.fullmatch("[0-9a-f]{64}", key)) == has_key
    if has_key:
        states = browser.session["socialaccount_states"].values()
        verifier = next(s[0]["pkce_code_verifier"] for s in states)
        assert hashlib.sha256(verifier.encode()).hexdigest() == key


def test_a_code_becomes_an_account_with_encrypted_tokens(
    api, browser, brand, admin, x_app, caplog
):
    caplog.set_level(logging.DEBUG)
    platform_answers(api)
    query = begin(browser, brand)
    answer = come_back(browser, query)
    account = ConnectedAccount.objects.get()
    assert answer["Location"] == account.get_absolute_url()
    assert (account.external_id, account.brand, account.owner) == ("9001", brand, admin)
    credential = account.credential
    assert (credential.access_token, credential.refresh_token) == (ACCESS, REFRESH)
    assert credential.granted_scopes == SCOPES.split()
    assert credential.proven_at is not None
    assert AuditEvent.objects.get().verb == "connected"
    sent = parse_qs(api.calls[0].request.body)
    challenge = hashlib.sha256(sent["code_verifier"][0].encode()).digest()
    expected = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
    assert query["code_challenge"] == [expected]
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_token, refresh_token FROM accounts_credential")
        stored = str(cursor.fetchall())
    page = browser.get(account.get_absolute_url()).content.decode()
    assert "Able to post" in page
    for text in (stored, page, caplog.text, str(AuditEvent.objects.get().detail)):
        assert ACCESS not in text
        assert REFRESH not in text


def test_the_callback_meets_neither_users_nor_allauths_tables(
    api, browser, brand, admin, x_app
):
    before = get_user_model().objects.count()
    platform_answers(api)
    come_back(browser, begin(browser, brand))
    assert get_user_model().objects.count() == before
    assert not SocialAccount.objects.exists()
    assert not SocialToken.objects.exists()
    assert browser.session["_auth_user_id"] == str(admin.pk)


def test_no_platform_stands_on_the_sign_in_page(x_app):
    page = Client().get(reverse("account_login")).content.decode()
    assert CALLBACK not in page
    assert "connect/x" not in page
    assert "Sign in with X" not in page


@pytest.mark.trap("x", 4)
def test_a_state_works_once(api, browser, brand, x_app):
    platform_answers(api)
    query = begin(browser, brand)
    come_back(browser, query)
    again = come_back(browser, query)
    assert again.status_code == 400
    assert "This sign-in is over" in again.content.decode()
    api.assert_call_count(TOKEN_URL, 1)


def test_a_state_of_another_session_is_refused(api, browser, brand, admin, x_app):
    query = begin(browser, brand)
    other = Client()
    other.force_login(admin)
    assert come_back(other, query).status_code == 400
    assert not ConnectedAccount.objects.exists()
    assert not api.calls


def test_a_state_of_one_platform_is_no_state_of_another(browser, brand, x_app):
    query = begin(browser, brand)
    answer = browser.get(
        "/accounts/callback/linkedin/", {"state": query["state"][0], "code": "c"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("state", ["", "made-up"])
def test_a_callback_without_our_state_is_refused(browser, x_app, state):
    answer = browser.get(CALLBACK, {"state": state, "code": "c"})
    assert answer.status_code == 400
    assert "Start again" in answer.content.decode()


def test_a_state_is_over_after_ten_minutes(browser, brand, x_app, monkeypatch):
    query = begin(browser, brand)
    late = time.time() + 601
    monkeypatch.setattr(
        "allauth.socialaccount.internal.statekit.time.time", lambda: late
    )
    assert come_back(browser, query).status_code == 400


def test_a_callback_of_somebody_signed_out_signs_nobody_in(api, browser, brand, x_app):
    query = begin(browser, brand)
    browser.logout()
    users = get_user_model().objects.count()
    answer = come_back(browser, query)
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))
    assert reverse("account_connect") in answer["Location"]
    assert "_auth_user_id" not in browser.session
    assert get_user_model().objects.count() == users
    assert not api.calls


def test_cancelling_at_the_platform_is_said_and_costs_nothing(browser, brand, x_app):
    query = begin(browser, brand)
    answer = come_back(browser, query, code=None, error="access_denied")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "cancelled" in page
    assert f"brand={brand.pk}" in page
    assert not ConnectedAccount.objects.exists()


@pytest.mark.trap("linkedin", 20)
def test_a_refused_scope_leads_to_the_apps_settings(browser, brand, x_app):
    query = begin(browser, brand)
    page = come_back(
        browser, query, code=None, error="invalid_scope", error_description="No <b>!"
    ).content.decode()
    assert reverse("platform_apps") in page
    assert "No &lt;b&gt;!" in page


def test_an_unknown_error_of_the_platform_stands_under_details(browser, brand, x_app):
    query = begin(browser, brand)
    answer = come_back(browser, query, code=None, error="server_error")
    assert answer.status_code == 400
    assert "server_error" in answer.content.decode()


def test_a_refused_code_says_that_it_took_too_long(api, browser, brand, x_app):
    api.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    answer = come_back(browser, begin(browser, brand))
    assert "took too long" in answer.content.decode()
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (503, {}, "Try again in a moment"),
        (429, {"Retry-After": "120"}, "Try again in 2 minutes"),
    ],
)
def test_trouble_of_the_platform_asks_to_try_again(
    api, browser, brand, x_app, status, headers, words
):
    api.post(TOKEN_URL, status=status, json={"title": "trouble"}, headers=headers)
    answer = come_back(browser, begin(browser, brand))
    assert answer.status_code == 503
    assert words in answer.content.decode()


def test_without_the_permission_to_post_nothing_is_stored(api, browser, brand, x_app):
    platform_answers(api, scope="tweet.read users.read offline.access")
    answer = come_back(browser, begin(browser, brand))
    page = answer.content.decode()
    assert "The permission to post is missing" in page
    assert "tweet.write" in page
    assert not Credential.objects.exists()
    assert not PendingConnection.objects.exists()
    api.assert_call_count(ME_URL, 0)


def test_a_smaller_refusal_asks_before_connecting(api, browser, brand, x_app):
    platform_answers(api, scope="tweet.read users.read tweet.write offline.access")
    answer = come_back(browser, begin(browser, brand))
    assert answer["Location"].startswith(reverse("connect_choose"))
    assert not ConnectedAccount.objects.exists()
    page = browser.get(answer["Location"]).content.decode()
    assert "media.write" in page
    for secret in (ACCESS, REFRESH):
        assert secret not in page
        assert secret not in str(dict(browser.session))
    with connection.cursor() as cursor:
        cursor.execute('SELECT "grant" FROM accounts_pendingconnection')
        assert ACCESS not in str(cursor.fetchall())
    done = browser.post(
        answer["Location"], {"pick-0": "1", "brand-0": str(brand.pk)}, follow=True
    )
    assert "is connected" in done.content.decode()
    credential = ConnectedAccount.objects.get().credential
    assert "media.write" not in credential.granted_scopes
    assert not PendingConnection.objects.exists()


def test_a_second_connection_names_the_first(api, browser, brand, x_app):
    platform_answers(api)
    come_back(browser, begin(browser, brand))
    account = ConnectedAccount.objects.get()
    answer = come_back(browser, begin(browser, brand))
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Reconnect it" in page
    assert reverse("account_reconnect", args=[account.pk]) in page
    assert ConnectedAccount.objects.count() == 1


def test_an_account_of_an_unseen_brand_is_told_without_details(
    api, browser, brand, x_app
):
    platform_answers(api)
    come_back(browser, begin(browser, brand))
    secret_brand = type(brand).objects.create(name="Secret plans")
    ConnectedAccount.objects.update(brand=secret_brand)
    page = come_back(browser, begin(browser, brand)).content.decode()
    assert "a brand that you do not belong to" in page
    assert "Secret plans" not in page
    assert "Reconnect it" not in page


def test_failing_to_prove_for_network_reasons_is_no_failure(api, browser, brand, x_app):
    platform_answers(api)
    api.get(ME_URL, status=503, json={})
    come_back(browser, begin(browser, brand))
    credential = ConnectedAccount.objects.get().credential
    assert credential.is_active
    assert credential.proven_at is None


def test_only_admins_connect(brand, x_app, django_user_model):
    user = django_user_model.objects.create_user("tom", "t@example.com", "pw-tom-1")
    user.groups.add(Group.objects.get(name=MARKETING))
    brand.members.add(user)
    client = Client()
    client.force_login(user)
    for path in ("/accounts/connect/", "/accounts/connect/x/", "/accounts/apps/"):
        assert client.get(path).status_code == 403
    assert client.get(CALLBACK, {"state": "s", "code": "c"}).status_code == 403


def test_a_missing_app_says_what_to_register_where(browser, brand):
    page = browser.get("/accounts/connect/x/").content.decode()
    assert "http://testserver/accounts/callback/x/" in page
    assert "console.x.com" in page
    assert reverse("platform_apps") in page
    answer = browser.post("/accounts/connect/x/", {"brand": brand.pk})
    assert answer.status_code == 200
    assert "not yet registered" in answer.content.decode()


def test_an_unknown_platform_is_not_found(browser):
    assert browser.get("/accounts/connect/nowhere/").status_code == 404
    assert browser.get("/accounts/callback/nowhere/").status_code == 404
