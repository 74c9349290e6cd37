"""Each kind of account, connected over real HTTP at the practice network's own pages."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import ConnectedAccount, Credential, Network, PlatformApp
from accounts.roles import ADMIN
from platforms.practice.server import start_practice
from socialhub.drills.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.live]

#: The practice network sends people back to loopback addresses only.
HERE = "http://127.0.0.1:9"
PASSWORD = "prac-tice-pass-word"


@pytest.fixture
def network(tmp_path, settings):
    server = start_practice(tmp_path)
    settings.PRACTICE_NETWORK_URL = server.url
    settings.SITE_URL = HERE
    cache.clear()
    yield server
    server.stop()


@pytest.fixture
def browser(brand, django_user_model):
    user = django_user_model.objects.create_user("ida", "ida@example.com", "pw-ida-1")
    user.groups.add(Group.objects.get(name=ADMIN))
    brand.members.add(user)
    client = Client()
    client.force_login(user)
    return client


def text(answer):
    return answer.content.decode()


def walk(browser, answer, *, person, decision="allow", untick=()):
    """From our redirect over the platform's pages and back to us."""
    url = answer["Location"]
    at_platform = requests.Session()
    visitor = Visitor(url)
    for _ in range(6):
        page = at_platform.get(url, allow_redirects=False, timeout=10)
        while not page.is_redirect:
            visitor.page = page
            form = visitor.form("decision")
            fields = dict(form.fields)
            fields["decision"] = [decision]
            fields["scope"] = [s for s in fields.get("scope", []) if s not in untick]
            for name in ("page", "instagram"):
                ticked = fields.get(name, [])
                fields[name] = [t for t in ticked if t.split(":")[-1] not in untick]
            people = [v for name, v in form.choices if name == "person"]
            if people:
                fields["person"] = [people[person]]
            page = at_platform.post(
                urljoin(page.url, form.action or page.url),
                data=[(n, v) for n, values in fields.items() for v in values],
                allow_redirects=False,
                timeout=10,
            )
        url = urljoin(page.url, page.headers["Location"])
        if url.startswith(HERE):
            parts = urlsplit(url)
            return browser.get(f"{parts.path}?{parts.query}")
    raise AssertionError(f"did not come back: {url}")


def begin(browser, platform, brand, **form):
    browser.get(reverse("account_connect"))  # asks for the practice apps
    url = f"{reverse('connect_start', args=[platform])}?network=practice"
    return browser.post(url, {"brand": brand.pk, **form})


def connect(browser, network, platform, brand, person=0, **how):
    form = {}
    if platform == "mastodon":
        form["address"] = f"{network.url}/mastodon"
    return walk(browser, begin(browser, platform, brand, **form), person=person, **how)


def pick(browser, answer, brand, *numbers):
    picks = {f"pick-{n}": "1" for n in numbers}
    picks |= {f"brand-{n}": str(brand.pk) for n in numbers}
    return browser.post(answer["Location"], picks)


def people(network, platform):
    state = requests.get(f"{network.url}/api/state", timeout=10).json()
    return state["platforms"][platform]["people"]


def end_access(network, platform, account, how="revoke"):
    answer = requests.post(
        f"{network.url}/api/tokens",
        json={"platform": platform, "account": account, "how": how},
        headers={"X-Practice": "1"},
        timeout=10,
    )
    answer.raise_for_status()


def set_switch(network, platform, name, value):
    answer = requests.post(
        f"{network.url}/api/switches",
        json={"platform": platform, "name": name, "value": value},
        headers={"X-Practice": "1"},
        timeout=10,
    )
    answer.raise_for_status()


def stored_text():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT access_token, refresh_token, extra FROM accounts_credential"
        )
        return str(cursor.fetchall())


def test_a_channel_is_connected_with_its_playlists_to_choose_from(
    browser, network, brand
):
    connect(browser, network, "youtube", brand)
    account = ConnectedAccount.objects.get()
    assert (account.platform, account.kind) == ("youtube", "channel")
    assert account.credential.refresh_token
    assert account.credential.proven_at is not None
    assert "Our videos" in account.server_limits["playlists"].values()


def test_a_profile_behind_a_key_is_connected_with_its_networks(browser, network, brand):
    with network.world.transaction():
        made = network.twins["ayrshare"].add_account("harbour", "Harbour")
    answer = begin(browser, "ayrshare", brand, key="no such key")
    assert answer.status_code == 422
    assert "does not accept this key" in text(answer)
    answer = begin(browser, "ayrshare", brand, key=made["access_token"])
    account = ConnectedAccount.objects.get()
    assert answer["Location"] == account.get_absolute_url()
    assert account.external_id == made["external_id"]
    assert account.credential.access_token == made["access_token"]
    assert made["access_token"] not in stored_text()
    assert account.server_limits["networks"]["facebook"] == "Facebook"
    assert account.credential.proven_at is not None


def test_x_is_connected_and_proven(browser, network, brand):
    answer = connect(browser, network, "x", brand)
    account = ConnectedAccount.objects.get()
    assert answer["Location"] == account.get_absolute_url()
    assert account.network == Network.PRACTICE
    assert account.credential.proven_at is not None
    assert account.credential.access_token not in stored_text()
    page = text(browser.get(account.get_absolute_url()))
    assert "Able to post" in page
    assert "Practice" in page
    assert account.credential.access_token not in page


def test_mastodon_is_connected_with_the_limits_of_its_server(browser, network, brand):
    connect(browser, network, "mastodon", brand, person=1)
    account = ConnectedAccount.objects.get()
    assert account.external_id.startswith(f"{network.url.split('//')[1]}/mastodon/")
    assert account.server_limits["max_characters"] > 0
    assert account.credential.proven_at is not None
    app = PlatformApp.objects.get(platform="mastodon")
    assert (app.network, app.is_practice) == (Network.PRACTICE, True)
    assert app.client_id


def test_bluesky_is_connected_by_app_password(browser, network, brand):
    handle = people(network, "bluesky")[0]["handle"]
    answer = begin(browser, "bluesky", brand, identifier=handle, app_password=PASSWORD)
    account = ConnectedAccount.objects.get()
    assert answer["Location"] == account.get_absolute_url()
    assert account.external_id.startswith("did:")
    assert account.credential.proven_at is not None
    assert PASSWORD not in stored_text()
    assert PASSWORD not in str(dict(browser.session))


def test_a_wrong_practice_app_password_is_a_field_error(browser, network, brand):
    handle = people(network, "bluesky")[0]["handle"]
    answer = begin(
        browser, "bluesky", brand, identifier=handle, app_password="not-this-one"
    )
    assert answer.status_code == 422
    assert "does not know this handle with this app password" in text(answer)
    unknown = begin(
        browser,
        "bluesky",
        brand,
        identifier="nobody.practice.example",
        app_password=PASSWORD,
    )
    assert unknown.status_code == 422
    assert not ConnectedAccount.objects.exists()


def test_instagram_is_connected_by_its_own_sign_in_and_renewed_by_itself(
    browser, network, brand
):
    connect(browser, network, "instagram", brand)
    account = ConnectedAccount.objects.get()
    assert (account.platform, account.kind) == ("instagram", "instagram")
    assert account.extra["variant"] == "instagram"
    credential = account.credential
    assert credential.proven_at is not None
    assert credential.refresh_token == credential.access_token
    assert credential.refresh_after is not None
    assert credential.refresh_after < credential.expires_at


def test_threads_is_connected_and_soon_renewed_by_itself(browser, network, brand):
    connect(browser, network, "threads", brand)
    account = ConnectedAccount.objects.get()
    assert (account.platform, account.url.rsplit("/", 1)[-1]) == (
        "threads",
        f"@{account.handle}",
    )
    credential = account.credential
    assert credential.proven_at is not None
    assert credential.refresh_token == credential.access_token
    age = credential.refresh_after - credential.issued_at
    assert timedelta(hours=24) < age < timedelta(hours=36)
    assert "threads_manage_replies" in credential.granted_scopes
    assert credential.ends_at() is None or credential.ends_at() > credential.expires_at


def test_tiktok_is_connected_with_what_the_creator_may_choose_from(
    browser, network, brand
):
    connect(browser, network, "tiktok", brand)
    account = ConnectedAccount.objects.get()
    assert "SELF_ONLY" in account.server_limits["privacy_levels"]
    assert account.url == f"{network.url}/tiktok/www/@{account.handle}"
    credential = account.credential
    assert credential.proven_at is not None
    assert credential.refresh_expires_at > credential.expires_at
    refused = connect(browser, network, "tiktok", brand, untick={"video.publish"})
    assert "The permission to post is missing" in text(refused)


def test_pinterest_is_connected_with_its_boards_to_choose_from(browser, network, brand):
    connect(browser, network, "pinterest", brand)
    account = ConnectedAccount.objects.get()
    assert account.platform == "pinterest"
    assert all(account.server_limits["boards"].values())
    credential = account.credential
    assert credential.proven_at is not None
    assert credential.refresh_token != credential.access_token
    assert credential.refresh_after < credential.expires_at


def test_snapchat_offers_the_profiles_that_the_person_has_a_role_on(
    browser, network, brand
):
    answer = connect(browser, network, "snapchat", brand)
    assert answer["Location"].startswith(reverse("connect_choose"))
    page = text(browser.get(answer["Location"]))
    assert "Acme Garden" in page
    pick(browser, answer, brand, 0, 1)
    names = set(ConnectedAccount.objects.values_list("name", flat=True))
    assert names == {"Acme Garden", "Acme Kitchen"}
    assert Credential.objects.get().proven_at is not None


def test_linkedin_offers_the_member_and_the_pages(browser, network, brand):
    answer = connect(browser, network, "linkedin", brand)
    app = PlatformApp.objects.get(platform="linkedin")
    assert {"number_there": app.number_there} == network.twins["linkedin"].app_more()
    assert answer["Location"].startswith(reverse("connect_choose"))
    page = text(browser.get(answer["Location"]))
    for name in ("Ana Lopez", "Acme Tools", "Acme Bakery"):
        assert name in page
    pick(browser, answer, brand, 0, 1)
    kinds = set(ConnectedAccount.objects.values_list("kind", flat=True))
    assert kinds == {"member", "organization"}
    assert Credential.objects.count() == 1
    assert Credential.objects.get().proven_at is not None


def test_linkedin_choosing_nothing_is_said(browser, network, brand):
    answer = connect(browser, network, "linkedin", brand)
    nothing = browser.post(answer["Location"], {})
    assert nothing.status_code == 422
    assert "Choose at least one" in text(nothing)
    stopped = browser.post(answer["Location"], {"do": "stop"}, follow=True)
    assert "Nothing was changed" in text(stopped)
    assert browser.get(answer["Location"]).status_code == 400


@pytest.mark.parametrize("platform", ["x", "mastodon", "linkedin"])
def test_cancelling_has_its_page(browser, network, brand, platform):
    answer = connect(browser, network, platform, brand, decision="cancel")
    assert answer.status_code == 200
    assert "was cancelled, so nothing was changed" in text(answer)
    assert "Start again" in text(answer)
    assert not ConnectedAccount.objects.exists()


def test_a_permission_that_was_unticked_is_named_before_connecting(
    browser, network, brand
):
    answer = connect(browser, network, "x", brand, untick={"media.write"})
    page = text(browser.get(answer["Location"]))
    assert "Without these permissions something will not work" in page
    assert "media.write" in page
    refused = connect(browser, network, "x", brand, untick={"tweet.write"})
    assert "The permission to post is missing" in text(refused)
    assert not ConnectedAccount.objects.exists()


@pytest.mark.parametrize("platform", ["x", "mastodon"])
def test_reconnecting_as_somebody_else_changes_nothing(
    browser, network, brand, platform
):
    connect(browser, network, platform, brand, person=0)
    account = ConnectedAccount.objects.get()
    token = account.credential.access_token
    answer = browser.post(reverse("account_reconnect", args=[account.pk]))
    answer = walk(browser, answer, person=1)
    page = text(answer)
    assert answer.status_code == 409
    assert "You signed in as" in page
    assert account.handle in page
    assert "Nothing was changed" in page
    assert Credential.objects.get().access_token == token


@pytest.mark.parametrize("platform", ["x", "mastodon"])
def test_reconnecting_mends_revoked_access_in_place(browser, network, brand, platform):
    from accounts import health

    connect(browser, network, platform, brand)
    account = ConnectedAccount.objects.get()
    end_access(network, platform, account.external_id)
    health.check(account.credential)
    account = ConnectedAccount.objects.get()
    assert account.health == "broken"
    answer = browser.post(reverse("account_reconnect", args=[account.pk]))
    answer = walk(browser, answer, person=0)
    assert answer["Location"] == account.get_absolute_url()
    mended = ConnectedAccount.objects.get()
    assert (mended.pk, mended.health) == (account.pk, "healthy")
    assert "is connected again" in text(browser.get(answer["Location"]))


def test_bluesky_is_reconnected_with_a_new_app_password(browser, network, brand):
    first, second = people(network, "bluesky")[:2]
    begin(
        browser,
        "bluesky",
        brand,
        identifier=first["handle"],
        app_password=PASSWORD,
    )
    account = ConnectedAccount.objects.get()
    url = reverse("account_reconnect", args=[account.pk])
    assert f'value="{first["handle"]}"' in text(browser.get(url))
    other = browser.post(
        url, {"identifier": second["handle"], "app_password": PASSWORD}
    )
    assert other.status_code == 409
    same = browser.post(url, {"identifier": first["handle"], "app_password": PASSWORD})
    assert same["Location"] == account.get_absolute_url()


def test_disconnecting_revokes_at_the_platform(browser, network, brand):
    connect(browser, network, "mastodon", brand)
    account = ConnectedAccount.objects.get()
    client = account.client()
    browser.post(reverse("account_disconnect", args=[account.pk]))
    from platforms.errors import AuthRevoked

    with pytest.raises(AuthRevoked):
        client.prove()
    again = connect(browser, network, "mastodon", brand)
    assert again["Location"] == account.get_absolute_url()
    assert ConnectedAccount.objects.get().health == "healthy"


# -- a person, forty pages and what acts through them


def by_name(network, platform, name):
    return next(
        number
        for number, person in enumerate(people(network, platform))
        if person["name"] == name
    )


def handle_of(network, platform, name):
    rows = people(network, platform)
    return next(row["handle"] for row in rows if row["name"] == name)


def plant(browser, network, brand, name):
    """Everything that this person may act for, connected."""
    answer = connect(
        browser, network, "facebook", brand, by_name(network, "facebook", name)
    )
    page = browser.get(answer["Location"])
    numbers = [row["number"] for row in page.context["rows"]]
    return browser.post(
        answer["Location"],
        {f"pick-{n}": "1" for n in numbers}
        | {f"brand-{n}": str(brand.pk) for n in numbers},
    )


def test_one_reconnect_brings_forty_pages_and_twelve_instagram_accounts_back(
    browser, network, brand
):
    from accounts import health

    plant(browser, network, brand, "Dora Chen")
    assert ConnectedAccount.objects.filter(platform="facebook").count() == 40
    assert ConnectedAccount.objects.filter(platform="instagram").count() == 12
    assert Credential.objects.count() == 41
    account = ConnectedAccount.objects.filter(platform="instagram").first()
    dora = handle_of(network, "facebook", "Dora Chen")
    end_access(network, "facebook", dora, "password_changed")
    health.check(account.credential)
    health.check(account.credential.parent)
    account.refresh_from_db()
    assert account.cause == "password_changed"
    answer = browser.post(reverse("account_reconnect", args=[account.pk]))
    answer = walk(browser, answer, person=by_name(network, "facebook", "Dora Chen"))
    assert answer["Location"] == account.get_absolute_url()
    said = text(browser.get(answer["Location"]))
    assert "40 Facebook accounts and 12 Instagram accounts are back." in said
    for credential in Credential.objects.exclude(parent=None)[:3]:
        assert health.check(credential).verdict == "proven"


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("data_access_ended", "data_access_ended"),
        ("scope_lost:instagram_content_publish", "scope_missing"),
    ],
)
def test_one_reconnect_opens_what_only_a_question_anew_opens(
    browser, network, brand, how, cause
):
    """Facebook asks for what was declined, and for 90 more days, only when told to."""
    from accounts import health

    set_switch(network, "facebook", "rerequest_needed", "yes")
    plant(browser, network, brand, "Ana Lopez")
    account = ConnectedAccount.objects.filter(platform="instagram").first()
    end_access(network, "facebook", handle_of(network, "facebook", "Ana Lopez"), how)
    health.check(account.credential)
    account.refresh_from_db()
    assert account.cause == cause
    answer = browser.post(reverse("account_reconnect", args=[account.pk]))
    answer = walk(browser, answer, person=by_name(network, "facebook", "Ana Lopez"))
    assert answer["Location"] == account.get_absolute_url()
    account = ConnectedAccount.objects.get(pk=account.pk)
    health.check(account.credential)
    assert ConnectedAccount.objects.get(pk=account.pk).health == "healthy"


def test_pages_left_out_at_the_platform_are_named_and_a_second_admin_may_stand_by(
    browser, network, brand
):
    from accounts import health

    plant(browser, network, brand, "Ana Lopez")
    cafe = ConnectedAccount.objects.get(name="Acme Cafe")
    account = ConnectedAccount.objects.get(platform="facebook", name="Acme Tools")
    again = reverse("account_reconnect", args=[account.pk])
    ana = by_name(network, "facebook", "Ana Lopez")
    asked = walk(browser, browser.post(again), person=ana, untick={cafe.external_id})
    page = text(browser.get(asked["Location"]))
    assert "Not every account comes back" in page
    assert "Acme Cafe" in page
    browser.post(asked["Location"], {"do": "stop"})
    cafe.refresh_from_db()
    assert cafe.health == "healthy"

    ben = by_name(network, "facebook", "Ben Okafor")
    asked = walk(browser, browser.post(again), person=ben)
    page = text(browser.get(asked["Location"]))
    assert "You signed in as <strong>Ben Okafor</strong>" in page
    assert "Until now <strong>Ana Lopez</strong> gave the permission" in page
    browser.post(asked["Location"], {"do": "standby"})
    account = ConnectedAccount.objects.get(pk=account.pk)
    assert account.credential.root.subject_name == "Ana Lopez"
    assert account.standby.root.subject_name == "Ben Okafor"
    assert health.check(account.standby).verdict == "proven"
    through = ConnectedAccount.objects.get(platform="instagram", name="Acme Tools")
    assert through.standby == account.standby


@pytest.fixture
def told():
    """What the platform sends by itself, caught instead of answered by a real site."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from urllib.parse import parse_qs

    caught, came = [], threading.Event()

    class Catch(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            caught.append((self.path, parse_qs(body)))
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Catch)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", caught, came
    server.shutdown()
    server.server_close()


def test_who_removes_the_app_at_the_platform_is_believed_at_once(
    browser, network, brand, told, monkeypatch
):
    from accounts import data_requests
    from monitoring.tasks import follow_up

    monkeypatch.setattr("accounts.data_request_views.async_task", lambda *a, **o: None)
    plant(browser, network, brand, "Ana Lopez")
    app = PlatformApp.objects.get(platform="facebook", network=Network.PRACTICE)
    ours = dict(zip(("left", "deletion"), data_requests.addresses(app), strict=True))
    root, caught, came = told
    path = urlsplit(ours["left"][1]).path
    requests.post(
        f"{network.url}/api/switches",
        json={"platform": "facebook", "name": "deauthorize_url", "value": root + path},
        headers={"X-Practice": "1"},
        timeout=10,
    ).raise_for_status()
    end_access(network, "facebook", handle_of(network, "facebook", "Ana Lopez"))
    assert came.wait(20)
    address, form = caught[0]
    answer = Client(enforce_csrf_checks=True).post(
        address, {"signed_request": form["signed_request"][0]}
    )
    assert answer.status_code == 200
    follow_up()
    assert not ConnectedAccount.objects.healthy().exists()
    assert {a.cause for a in ConnectedAccount.objects.all()} == {"token_revoked"}


def test_the_practice_side_takes_no_real_server(browser, network, brand):
    answer = begin(browser, "mastodon", brand, address="mastodon.social")
    assert answer.status_code == 422
    assert "not the practice network" in text(answer)


def test_the_practice_page_names_who_can_sign_in(browser, network, brand):
    url = f"{reverse('connect_start', args=['bluesky'])}?network=practice"
    page = text(browser.get(url))
    assert PASSWORD in page  # the example that the practice network itself shows
    assert people(network, "bluesky")[0]["handle"] in page
