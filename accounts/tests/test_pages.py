"""The account pages: who sees what, and the forms of each way of signing in."""

from __future__ import annotations

from datetime import timedelta

import pytest
import responses
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import (
    AuditEvent,
    Brand,
    ConnectedAccount,
    Credential,
    Network,
    PlatformApp,
)
from accounts.roles import ADMIN, MARKETING
from platforms.errors import AuthRevoked
from publishing.models import Delivery

pytestmark = pytest.mark.django_db

PDS = "https://pds.example.com"
SESSION_URL = f"{PDS}/xrpc/com.atproto.server.createSession"
SECRET = "abcd-efgh-ijkl-mnop"


@pytest.fixture(autouse=True)
def no_counted_tries():
    cache.clear()


@pytest.fixture
def api():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def person(brand, name, role):
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.create_user(name, f"{name}@example.com", "pw-1")
    user.groups.add(Group.objects.get(name=role))
    if brand:
        brand.members.add(user)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(brand):
    return person(brand, "ida", ADMIN)


@pytest.fixture
def writer(brand):
    return person(brand, "tom", MARKETING)


@pytest.fixture
def stranger(db):
    return person(Brand.objects.create(name="Other"), "eve", ADMIN)


@pytest.fixture
def account(make_account):
    return make_account("x", "9001", scopes=["tweet.read", "users.read", "tweet.write"])


def text(answer):
    return answer.content.decode()


# -- who sees what


@pytest.mark.parametrize(
    "name", ["detail", "reconnect", "disconnect", "people", "standby", "links"]
)
def test_a_stranger_finds_nothing(account, stranger, name):
    assert (
        stranger.get(reverse(f"account_{name}", args=[account.pk])).status_code == 404
    )


def test_a_stranger_sees_an_empty_list(account, stranger):
    page = text(stranger.get(reverse("account_list")))
    assert "Acme Tools" not in page
    assert "No accounts yet" in page


def test_staff_look_and_admins_change(account, writer):
    page = text(writer.get(reverse("account_detail", args=[account.pk])))
    assert "Acme Tools" in page
    assert reverse("account_disconnect", args=[account.pk]) not in page
    for name in ("reconnect", "disconnect", "people", "standby", "links"):
        url = reverse(f"account_{name}", args=[account.pk])
        assert writer.get(url).status_code == 403
        assert writer.post(url).status_code == 403


def test_who_is_signed_out_is_sent_to_the_sign_in(account):
    for url in (reverse("account_list"), account.get_absolute_url()):
        assert Client().get(url)["Location"].startswith(reverse("account_login"))


# -- the list


def test_the_list_says_health_next_post_and_who(
    account, admin, make_delivery, make_account
):
    make_delivery(account, due_in=timedelta(hours=3))
    broken = make_account("linkedin", "urn:li:person:1", name="Ana Lopez")
    Credential.objects.filter(pk=broken.credential_id).update(
        state="broken", cause="token_revoked"
    )
    page = text(admin.get(reverse("account_list")))
    assert page.index("Ana Lopez</a>\n    <div") < page.index(
        "Acme Tools</a>\n    <div"
    )
    assert "Reconnect needed" in page
    assert "Able to post" in page
    assert reverse("account_reconnect", args=[broken.pk]) in page


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("platform=x", "Acme Tools", "Ana Lopez"),
        ("platform=linkedin", "Ana Lopez", "Acme Tools"),
        ("health=ending", "Ana Lopez", "Acme Tools"),
        ("health=broken", "No connected account fits", "Ana Lopez"),
        ("brand=0&platform=nowhere&health=odd", "Ana Lopez", "No connected"),
    ],
)
def test_filters_stand_in_the_address(
    account, admin, make_account, query, shown, hidden
):
    make_account(
        "linkedin",
        "urn:li:person:1",
        name="Ana Lopez",
        expires_at=timezone.now() + timedelta(days=5),
    )
    page = text(admin.get(f"{reverse('account_list')}?{query}")).split("<main")[1]
    assert shown in page
    assert hidden not in page


def test_the_list_costs_the_same_for_many_accounts(
    admin, make_account, django_assert_max_num_queries
):
    for number in range(12):
        make_account("x", str(number), name=f"Account {number}")
    with django_assert_max_num_queries(18):
        admin.get(reverse("account_list"))


def test_disconnected_accounts_stand_apart_and_can_come_back(account, admin):
    ConnectedAccount.objects.update(disconnected_at=timezone.now())
    page = text(admin.get(reverse("account_list")))
    assert "Disconnected" in page
    assert reverse("account_reconnect", args=[account.pk]) in page
    assert "<table" in page


# -- one account


def test_a_broken_account_says_why_and_what_mends_it(account, admin):
    Credential.objects.update(
        state="broken",
        cause="token_revoked",
        detail="The platform's very own words",
        broken_at=timezone.now(),
    )
    page = text(admin.get(account.get_absolute_url()))
    assert "Access was withdrawn" in page
    assert "Reconnect the account" in page
    assert "The platform&#x27;s very own words" in page


def test_permissions_say_what_is_missing_and_what_it_costs(account, writer):
    page = text(writer.get(account.get_absolute_url()))
    assert "media.write" in page
    assert (
        "off: Images, Videos and GIFs, Alt text, Captions; other posts unaffected"
        in page
    )


def test_no_page_of_an_account_shows_a_token(account, admin):
    Credential.objects.update(refresh_token="unused")
    for name in ("detail", "reconnect", "disconnect", "people"):
        page = text(admin.get(reverse(f"account_{name}", args=[account.pk])))
        assert "access-9001" not in page
        assert "app-secret" not in page


def test_what_waits_and_is_at_risk_is_counted(account, admin, make_delivery):
    make_delivery(account, due_in=timedelta(days=3))
    make_delivery(account, due_in=timedelta(hours=1))
    Credential.objects.update(
        refresh_token="", expires_at=timezone.now() + timedelta(days=1)
    )
    assert Delivery.objects.count() == 2
    page = text(admin.get(account.get_absolute_url()))
    assert "1 at risk" in page


def test_the_timeline_tells_what_was_done_and_found(account, admin, author):
    from monitoring.models import CheckResult

    AuditEvent.write(author, "connected", account)
    CheckResult.objects.create(
        credential=account.credential, verdict="failing", cause="token_revoked"
    )
    page = text(admin.get(account.get_absolute_url()))
    assert "Connected by ana" in page
    assert "Found unable to post: Access was withdrawn" in page


def test_what_ails_one_account_alone_stands_in_its_timeline(account, admin):
    """A lost role is the Page's: the access that its siblings share is proven on."""
    from monitoring.models import CheckResult

    CheckResult.objects.create(
        credential=account.credential,
        verdict="proven",
        at=timezone.now() - timedelta(hours=1),
    )
    account.set_trouble("role_lost", "")
    CheckResult.objects.create(credential=account.credential, verdict="proven")
    page = text(admin.get(account.get_absolute_url()))
    timeline = page.partition("What happened")[2]
    assert timeline.count("Proven able to post") == 1
    assert "Found unable to post: The role on the page was lost" in timeline
    assert "The access works, but not for this account" in timeline


def test_people_are_called_by_their_names(account, admin, brand):
    ida = brand.members.get(username="ida")
    ida.first_name, ida.last_name = "Ida", "Weber"
    ida.save()
    account.owner = ida
    account.save()
    assert admin.post(reverse("account_check", args=[account.pk])).status_code == 302
    page = text(admin.get(account.get_absolute_url()))
    assert "<dd>Ida Weber</dd>" in page
    assert "Ida Weber had it checked" in page
    assert "Ida Weber" in text(admin.get(reverse("account_list")))
    for name in ("account_people", "account_links"):
        form = text(admin.get(reverse(name, args=[account.pk])))
        assert "Ida Weber (ida@example.com)" in form


def test_owner_and_deputy_are_people_of_the_brand(account, admin, brand):
    url = reverse("account_people", args=[account.pk])
    ida = brand.members.get(username="ida")
    outsider = person(None, "out", MARKETING)
    assert outsider.get(url).status_code == 404
    admin.post(url, {"owner": ida.pk, "deputy": ""})
    account.refresh_from_db()
    assert (account.owner, account.deputy) == (ida, None)
    same = admin.post(url, {"owner": ida.pk, "deputy": ida.pk})
    assert same.status_code == 422
    from django.contrib.auth import get_user_model

    other = get_user_model().objects.get(username="out")
    assert admin.post(url, {"owner": other.pk}).status_code == 422


def test_disconnecting_asks_then_tells_the_platform_and_keeps_history(
    api, account, admin, make_delivery
):
    make_delivery(account, due_in=timedelta(days=1))
    api.post("https://api.x.com/2/oauth2/revoke", json={"revoked": True})
    url = reverse("account_disconnect", args=[account.pk])
    assert "1 waiting post is held" in text(admin.get(url))
    assert not api.calls
    page = text(admin.post(url, follow=True))
    account.refresh_from_db()
    assert account.health == "disconnected"
    assert "Its history stays" in page
    assert Delivery.objects.count() == 1
    assert Credential.objects.get().access_token == ""


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("x", "SocialHub tells the platform that it no longer wants access"),
        ("threads", "Threads has no way to be told of it"),
        ("pinterest", "Pinterest has no way to be told of it"),
        ("ayrshare", "SocialHub deletes its access to the account."),
    ],
)
def test_disconnecting_promises_only_what_the_platform_can_do(
    make_account, admin, platform, words
):
    account = make_account(platform, "7")
    page = text(admin.get(reverse("account_disconnect", args=[account.pk])))
    assert words in page


def test_whom_else_the_end_of_a_consent_may_end_is_said_before(make_account, admin):
    """At Google it ends all that the person has given our app, channels that were
    connected one by one as well."""
    first = make_account("youtube", "UC1", name="Acme")
    second = make_account("youtube", "UC2", name="Acme Kids")
    make_account("x", "7", name="Acme X")
    url = reverse("account_disconnect", args=[first.pk])
    page = text(admin.get(url))
    assert "If the same person has connected Acme Kids, reconnect it" in page
    assert "Acme X" not in page
    ConnectedAccount.objects.filter(pk=second.pk).update(disconnected_at=timezone.now())
    assert "the same person" not in text(admin.get(url))


def test_accounts_of_other_brands_are_not_named_where_a_consent_ends(
    make_account, admin
):
    first = make_account("youtube", "UC1", name="Acme")
    second = make_account("youtube", "UC2", name="Secret of others")
    url = reverse("account_disconnect", args=[first.pk])
    others = Brand.objects.create(name="Others")
    ConnectedAccount.objects.filter(pk=second.pk).update(brand=others)
    page = text(admin.get(url))
    assert "If the same person has connected 1 other account, reconnect it" in page
    assert "Secret" not in page
    for number in range(3, 11):
        make_account("youtube", f"UC{number}", name=f"Channel {number:02}")
    page = text(admin.get(url))
    assert "connected Channel 03, Channel 04, Channel 05 and 6 others, " in page


def test_an_access_that_has_ended_is_not_said_to_have_no_end(make_account, admin):
    account = make_account("mastodon", "7")
    url = account.get_absolute_url()
    assert "has no end" in text(admin.get(url))
    account.credential.break_for(AuthRevoked())
    assert "has ended" in text(admin.get(url))
    ConnectedAccount.objects.update(disconnected_at=timezone.now())
    page = text(admin.get(url))
    assert "has no end" not in page
    assert "has ended" not in page


def test_a_platform_that_does_not_answer_cannot_hinder_disconnecting(
    api, account, admin
):
    api.post("https://api.x.com/2/oauth2/revoke", status=503, json={})
    admin.post(reverse("account_disconnect", args=[account.pk]))
    account.refresh_from_db()
    assert account.health == "disconnected"


# -- servers of the user's choice


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "localhost",
        "http://10.0.0.3",
        "https://192.168.1.4/",
        "[::1]",
        "2130706433",
        "server.internal",
        "social.example:8443",
        "",
    ],
)
def test_an_address_inside_a_private_network_is_a_field_error(
    api, admin, brand, address
):
    answer = admin.post(
        "/accounts/connect/mastodon/", {"brand": brand.pk, "address": address}
    )
    assert answer.status_code == 422
    assert 'class="sh-error"' in text(answer)
    assert not PlatformApp.objects.exists()
    assert not api.calls


def test_a_name_that_leads_into_a_private_network_is_not_called(
    admin, brand, monkeypatch
):
    def lookup(*args, **kwargs):
        return [(2, 1, 6, "", ("10.1.2.3", 443))]

    monkeypatch.setattr("platforms.transport.socket.getaddrinfo", lookup)
    answer = admin.post(
        "/accounts/connect/mastodon/",
        {"brand": brand.pk, "address": "inside.example.org"},
    )
    assert answer.status_code == 422
    assert "private network" in text(answer)


@pytest.mark.trap("mastodon", 14)
def test_who_connects_is_told_that_servers_have_rules_for_automated_posts(admin):
    page = text(admin.get("/accounts/connect/mastodon/"))
    assert "some forbid automated posts" in page


def mastodon_answers(api, base="https://social.example.org"):
    api.get(
        f"{base}/.well-known/oauth-authorization-server",
        json={
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["profile", "read", "write"],
        },
    )
    api.get(
        f"{base}/api/v2/instance",
        json={
            "domain": "social.example.org",
            "version": "4.6.0",
            "title": "Social",
            "api_versions": {"mastodon": 10},
            "configuration": {"statuses": {"max_characters": 777}},
        },
    )
    api.get(f"{base}/.well-known/nodeinfo", status=404, json={})
    api.post(
        f"{base}/api/v1/apps", json={"client_id": "made-there", "client_secret": "sss"}
    )


def test_the_app_is_registered_on_the_fly_and_once(api, admin, brand):
    mastodon_answers(api)
    api.post("https://social.example.org/oauth/token", json={"access_token": "app"})
    form = {"brand": brand.pk, "address": "@acme@social.example.org"}
    for _ in range(2):
        answer = admin.post("/accounts/connect/mastodon/", form)
        assert answer["Location"].startswith(
            "https://social.example.org/oauth/authorize?"
        )
    api.assert_call_count("https://social.example.org/api/v1/apps", 1)
    app = PlatformApp.objects.get()
    assert (app.client_id, app.facts["max_characters"]) == ("made-there", 777)


def test_an_app_that_the_server_has_forgotten_is_registered_anew(api, admin, brand):
    mastodon_answers(api)
    api.post(
        "https://social.example.org/oauth/token",
        status=401,
        json={"error": "invalid_client"},
    )
    form = {"brand": brand.pk, "address": "social.example.org"}
    for _ in range(2):
        admin.post("/accounts/connect/mastodon/", form)
    api.assert_call_count("https://social.example.org/api/v1/apps", 2)


def test_a_server_of_another_kind_is_a_field_error(api, admin, brand):
    for path in (
        "/.well-known/oauth-authorization-server",
        "/api/v2/instance",
        "/api/v1/instance",
    ):
        api.get("https://blog.example.org" + path, status=404, body="<html>no</html>")
    answer = admin.post(
        "/accounts/connect/mastodon/",
        {"brand": brand.pk, "address": "blog.example.org"},
    )
    assert answer.status_code == 422
    assert "does not answer as this platform does" in text(answer)
    assert 'value="blog.example.org"' in text(answer)


def test_a_server_with_trouble_has_its_page(api, admin, brand):
    api.get(
        "https://social.example.org/.well-known/oauth-authorization-server",
        status=503,
        body="<html>down</html>",
    )
    answer = admin.post(
        "/accounts/connect/mastodon/",
        {"brand": brand.pk, "address": "social.example.org"},
    )
    assert answer.status_code == 503
    assert "Try again" in text(answer)
    assert f"brand={brand.pk}" in text(answer)


# -- handle and app password


def bluesky_form(brand, **changes):
    return {
        "brand": brand.pk,
        "identifier": "@Acme.example.com",
        "app_password": SECRET,
        "server": "pds.example.com",
    } | changes


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("AuthenticationRequired", "does not know this handle with this app password"),
        ("AuthFactorTokenRequired", "app password"),
    ],
)
def test_a_wrong_app_password_is_a_field_error_and_not_shown_again(
    api, admin, brand, error, words, caplog
):
    caplog.set_level("DEBUG")
    api.post(SESSION_URL, status=401, json={"error": error, "message": "no"})
    answer = admin.post("/accounts/connect/bluesky/", bluesky_form(brand))
    assert answer.status_code == 422
    assert words in text(answer)
    assert SECRET not in text(answer) + caplog.text
    assert 'value="@Acme.example.com"' in text(answer)
    assert not Credential.objects.exists()


def test_too_many_wrong_app_passwords_are_stopped_here(api, admin, brand):
    api.post(
        SESSION_URL, status=401, json={"error": "AuthenticationRequired", "message": ""}
    )
    for _ in range(5):
        admin.post("/accounts/connect/bluesky/", bluesky_form(brand))
    answer = admin.post("/accounts/connect/bluesky/", bluesky_form(brand))
    assert "Too many tries" in text(answer)
    assert SECRET not in text(answer)
    api.assert_call_count(SESSION_URL, 5)


@pytest.mark.parametrize("server", ["http://10.0.0.1", "127.0.0.1:2583", "localhost"])
def test_a_private_server_is_refused_unless_the_operator_trusts_it(
    api, admin, brand, server
):
    answer = admin.post(
        "/accounts/connect/bluesky/", bluesky_form(brand, server=server)
    )
    assert answer.status_code == 422
    assert not api.calls


def session_of(handle):
    return {
        "did": "did:plc:abc",
        "handle": handle,
        "accessJwt": "eyJhbGciOiJIUzI1NiJ9.eyJzY29wZSI6ImNvbS5hdHByb3RvLmFwcFBhc3MifQ.x",
        "refreshJwt": "eyJhbGciOiJIUzI1NiJ9.e30.y",
        "active": True,
    }


def test_a_private_server_that_the_operator_trusts_gets_a_row_of_its_own(
    api, admin, brand, settings
):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1:2583"]
    where = "http://127.0.0.1:2583/xrpc/com.atproto.server."
    api.post(f"{where}createSession", json=session_of("acme.example.com"))
    api.get(f"{where}getSession", json=session_of("acme.example.com"))
    answer = admin.post(
        "/accounts/connect/bluesky/", bluesky_form(brand, server="127.0.0.1:2583")
    )
    account = ConnectedAccount.objects.get()
    assert answer["Location"] == account.get_absolute_url()
    assert account.credential.app.instance_url == "http://127.0.0.1:2583"
    assert account.network == Network.LIVE


def test_a_network_of_the_operators_own_keeps_its_one_row(api, admin, brand, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1:2583"]
    base = "http://127.0.0.1:2583"
    app = PlatformApp.objects.create(
        platform="bluesky",
        hosts={"entryway": base, "public": base, "plc": base},
    )
    where = f"{base}/xrpc/com.atproto.server."
    api.post(f"{where}createSession", json=session_of("acme.example.com"))
    api.get(f"{where}getSession", json=session_of("acme.example.com"))
    admin.post("/accounts/connect/bluesky/", bluesky_form(brand, server=base))
    assert ConnectedAccount.objects.get().credential.app == app
    assert PlatformApp.objects.count() == 1


def test_another_address_than_our_own_is_said_before_it_goes_wrong(
    admin, brand, settings
):
    PlatformApp.objects.create(platform="x", client_id="c", client_secret="s")
    settings.SITE_URL = "https://hub.example.com"
    page = text(admin.get("/accounts/connect/x/"))
    assert "under another address" in page
    assert "https://hub.example.com" in page


# -- our own apps


def test_an_apps_secret_is_written_and_never_read_back(admin):
    admin.get(reverse("platform_apps"))
    app = PlatformApp.objects.get(platform="x", network=Network.LIVE)
    url = reverse("platform_app_edit", args=[app.pk])
    form = {"client_id": " id-1 ", "state": "active", "api_version": ""}
    assert admin.post(url, form).status_code == 422
    admin.post(url, form | {"secret": "very-secret-1"})
    app.refresh_from_db()
    assert (app.client_id, app.client_secret) == ("id-1", "very-secret-1")
    for page in (url, reverse("platform_apps")):
        assert "very-secret-1" not in text(admin.get(page))
    admin.post(url, form | {"client_id": "id-2"})
    app.refresh_from_db()
    assert (app.client_id, app.client_secret) == ("id-2", "very-secret-1")
    assert "very-secret-1" not in str(AuditEvent.objects.first().detail)


def test_the_permissions_of_a_reviewed_app_decide_what_is_asked_for(admin):
    admin.get(reverse("platform_apps"))
    app = PlatformApp.objects.get(platform="linkedin")
    url = reverse("platform_app_edit", args=[app.pk])
    assert "http://testserver/accounts/callback/linkedin/" in text(admin.get(url))
    admin.post(
        url,
        {
            "client_id": "id",
            "secret": "s",
            "state": "active",
            "scopes": ["openid", "profile", "w_member_social"],
        },
    )
    app.refresh_from_db()
    assert app.granted_scopes == ["openid", "profile", "w_member_social"]


def test_the_practice_network_is_offered_only_where_there_is_one(admin, settings):
    settings.PRACTICE_NETWORK_URL = ""
    assert "Practice network" not in text(admin.get(reverse("account_connect")))
    assert admin.get("/accounts/connect/x/?network=practice").status_code == 404


def test_a_silent_practice_network_is_said(api, admin, settings):
    settings.PRACTICE_NETWORK_URL = "http://127.0.0.1:9"
    page = text(admin.get(reverse("account_connect")))
    assert "does not answer" in page
