"""Who reaches which page of the shell, and what it shows to whom."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import Brand, Credential, Profile
from accounts.roles import ADMIN, MARKETING, REVIEWER
from monitoring.models import Alert, Heartbeat, Incident
from platforms.errors import Cause

ADMIN_PAGES = ["system_check", "people", "person_add", "brands", "brand_add"]
ADMIN_PAGES += ["fire_drill", "channel_list", "channel_add"]
STAFF_PAGES = ["home", "profile", "incident_list", "alert_list", "alert_preferences"]


@pytest.fixture
def person(db: Any) -> Any:
    def make(role: str = "", **fields: Any) -> User:
        name = fields.pop("username", role.lower() or "nobody")
        user = User.objects.create_user(name, f"{name}@example.com", "pw", **fields)
        if role:
            user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def sign_in(client: Client) -> Any:
    def enter(user: User) -> Client:
        client.force_login(user)
        return client

    return enter


@pytest.fixture
def broken_account(make_account: Any) -> Any:
    account = make_account("x", name="Broken Tools")
    Credential.objects.filter(pk=account.credential_id).update(
        state=Credential.State.BROKEN, cause=Cause.TOKEN_REVOKED
    )
    return account


@pytest.mark.django_db
@pytest.mark.parametrize("name", [*STAFF_PAGES, *ADMIN_PAGES])
def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client, name: str) -> None:
    answer = client.get(reverse(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("role", ["", MARKETING, REVIEWER])
@pytest.mark.parametrize("name", ADMIN_PAGES)
def test_pages_of_admins_are_closed_to_other_roles(
    person: Any, sign_in: Any, role: str, name: str
) -> None:
    answer = sign_in(person(role)).get(reverse(name))
    assert answer.status_code == 403
    assert "Not for your role" in answer.content.decode()


@pytest.mark.parametrize("name", [*STAFF_PAGES, *ADMIN_PAGES])
def test_an_admin_reaches_every_page(person: Any, sign_in: Any, name: str) -> None:
    assert sign_in(person(ADMIN)).get(reverse(name)).status_code == 200


@pytest.mark.parametrize("role", [MARKETING, REVIEWER])
def test_staff_reach_home_and_their_own_settings(
    person: Any, sign_in: Any, role: str
) -> None:
    client = sign_in(person(role))
    for name in STAFF_PAGES:
        assert client.get(reverse(name)).status_code == 200


@pytest.mark.parametrize(
    ("role", "seen", "hidden"),
    [
        ("", ["home"], ["calendar", "compose", "failure_desk", "people"]),
        (
            MARKETING,
            ["calendar", "compose", "account_list", "failure_desk"],
            ["people", "system_check", "admin:index"],
        ),
        (REVIEWER, ["calendar", "failure_desk"], ["compose", "people", "admin:index"]),
        (ADMIN, ["compose", "people", "platform_apps", "system_check"], []),
    ],
)
def test_the_sidebar_has_the_links_of_the_role(
    person: Any, sign_in: Any, role: str, seen: list[str], hidden: list[str]
) -> None:
    answer = sign_in(person(role)).get(reverse("profile"))
    groups = answer.context["shell"].navigation
    links = {item["link"] for group in groups for item in group["items"]}
    assert {reverse(name) for name in seen} <= links
    assert not {reverse(name) for name in hidden} & links


def test_staff_get_the_link_to_the_admin(person: Any, sign_in: Any) -> None:
    answer = sign_in(person(ADMIN, is_staff=True)).get(reverse("home"))
    assert f'href="{reverse("admin:index")}"' in answer.content.decode()


def test_the_current_page_is_marked_once(person: Any, sign_in: Any) -> None:
    answer = sign_in(person(ADMIN)).get(reverse("person_add"))
    groups = answer.context["shell"].navigation
    current = [i for group in groups for i in group["items"] if i["active"]]
    assert [item["link"] for item in current] == [reverse("people")]


def test_the_sidebar_names_broken_accounts_of_the_readers_brands_only(
    person: Any, sign_in: Any, brand: Brand, broken_account: Any
) -> None:
    insider, stranger = person(MARKETING), person(REVIEWER)
    brand.members.add(insider)
    mark = reverse("account_detail", args=[broken_account.pk])
    assert mark in sign_in(insider).get(reverse("profile")).content.decode()
    page = sign_in(stranger).get(reverse("profile")).content.decode()
    assert mark not in page
    assert "Broken Tools" not in page


def test_a_silent_engine_is_told_on_every_page(person: Any, sign_in: Any) -> None:
    client = sign_in(person(MARKETING))
    page = client.get(reverse("profile")).content.decode()
    assert "Publishing engine: never seen" in page
    Heartbeat.beat("publish")
    assert "Publishing engine" not in client.get(reverse("profile")).content.decode()
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=5))
    page = client.get(reverse("profile")).content.decode()
    assert "Publishing engine: last seen 5 min ago" in page


def test_what_is_kept_of_the_shell_serves_each_reader_their_own(
    person: Any, brand: Brand, broken_account: Any
) -> None:
    incident = lost_access(broken_account)
    pages = []
    for name in ("anastasia", "<ben>"):
        user = person(MARKETING, username=name)
        brand.members.add(user)
        Alert.objects.create(incident=incident, user=user, kind=Alert.Kind.OPENED)
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        address = reverse("profile") + f"?of={user.pk}&amp"
        page = client.get(address).content.decode()
        assert f'<span class="sh-user__name">{escape(name)}</span>' in page
        assert f'name="next" value="{escape(address)}"' in page
        (token,) = set(re.findall('name="csrfmiddlewaretoken" value="([^"]+)"', page))
        assert token not in "".join(pages)
        pages.append(page)
        # Whoever dismisses it no longer sees it; others do.
        sent = {"csrfmiddlewaretoken": token, "next": reverse("profile")}
        answer = client.post(reverse("incident_dismiss", args=[incident.pk]), sent)
        assert answer["Location"] == reverse("profile")
        assert "Access that was lost" not in client.get(address).content.decode()
        assert "Broken Tools" in client.get(address).content.decode()
    assert "anastasia" not in pages[1]
    Credential.objects.update(state=Credential.State.ACTIVE)
    assert "Broken Tools" not in client.get(address).content.decode()


def lost_access(account: Any, key: str = "one") -> Incident:
    incident = Incident.objects.create(
        dedup_key=f"access:{key}",
        kind=Incident.Kind.ACCESS,
        credential=account.credential,
        cause="token_revoked",
        account_count=1,
    )
    incident.accounts.add(account)
    return incident


@pytest.mark.parametrize("count", [1, 10])
def test_the_shell_adds_two_queries_whatever_there_is(
    person: Any, sign_in: Any, brand: Brand, broken_account: Any, count: int
) -> None:
    user = person(MARKETING)
    brand.members.add(user)
    for number in range(count):
        incident = lost_access(broken_account, str(number))
        Alert.objects.create(incident=incident, user=user, kind=Alert.Kind.OPENED)
    client = sign_in(user)
    client.get("/no-such-page/")
    with CaptureQueriesContext(connection) as seen:
        page = client.get("/no-such-page/")
    assert page.status_code == 404
    assert "Access that was lost" in page.content.decode()
    # Before the shell: the session, the person, the person's time zone. Then what the
    # person may do, and all that there is to tell them.
    assert len(seen) == 3 + 2, [query["sql"] for query in seen]


def test_times_are_shown_in_the_readers_zone(
    person: Any, sign_in: Any, brand: Brand, make_account: Any, make_delivery: Any
) -> None:
    user = person(MARKETING)
    brand.members.add(user)
    Profile.objects.create(user=user, time_zone="Asia/Tokyo")
    make_delivery(make_account("x"), due_in=timedelta(seconds=1))
    page = sign_in(user).get(reverse("home")).content.decode()
    assert "Asia/Tokyo" in page


def test_a_zone_that_is_known_no_more_does_not_break_pages(
    person: Any, sign_in: Any
) -> None:
    user = person(MARKETING)
    Profile.objects.create(user=user, time_zone="Mars/Olympus")
    assert sign_in(user).get(reverse("profile")).status_code == 200


def test_one_can_choose_a_time_zone_and_only_a_real_one(
    person: Any, sign_in: Any
) -> None:
    user = person(MARKETING)
    client = sign_in(user)
    client.post(reverse("profile"), {"time_zone": "Europe/Berlin"})
    assert Profile.objects.get(user=user).time_zone == "Europe/Berlin"
    page = client.get(reverse("profile")).content.decode()
    assert page.count('<option value="Europe/Berlin" selected>') == 1
    assert '<optgroup label="Asia"><option value="Asia/Aden">' in page
    answer = client.post(reverse("profile"), {"time_zone": "Mars/Olympus"})
    assert answer.status_code == 200
    assert Profile.objects.get(user=user).time_zone == "Europe/Berlin"


def test_a_page_that_is_not_there_says_so_in_the_shell(
    person: Any, sign_in: Any, client: Client
) -> None:
    assert "Sign in" in client.get("/no-such-page/").content.decode()
    answer = sign_in(person(MARKETING)).get("/no-such-page/")
    assert answer.status_code == 404
    assert "Calendar" in answer.content.decode()
