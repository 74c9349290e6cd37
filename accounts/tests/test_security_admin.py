"""What an admin of one brand cannot do to the others through Django's admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from accounts.models import Brand, Network, PlatformApp
from accounts.roles import ADMIN, MARKETING

pytestmark = pytest.mark.django_db


@pytest.fixture
def app() -> PlatformApp:
    return PlatformApp.objects.create(
        platform="x", network=Network.LIVE, client_id="id", client_secret="stored"
    )


@pytest.fixture
def admin_person(brand: Brand) -> User:
    user = User.objects.create_user("adam", "adam@example.com", "pw", is_staff=True)
    user.groups.add(Group.objects.get(name=ADMIN))
    brand.members.add(user)
    return user


def form_of(**changes: Any) -> dict[str, Any]:
    return {
        "platform": "x",
        "network": "live",
        "instance_url": "",
        "client_id": "new-id",
        "new_secret": "",
        "state": "active",
        "api_version": "",
        "granted_scopes": "[]",
        "hosts": "{}",
        **changes,
    }


def test_an_admin_cannot_lead_the_tokens_of_all_brands_to_another_host(
    client: Client, admin_person: User, app: PlatformApp
) -> None:
    client.force_login(admin_person)
    url = reverse("admin:accounts_platformapp_change", args=[app.pk])

    client.post(
        url,
        form_of(
            network="practice",
            instance_url="https://evil.example",
            hosts='{"api": "https://evil.example"}',
        ),
    )

    app.refresh_from_db()
    assert (app.hosts, app.instance_url, app.network) == ({}, "", Network.LIVE)
    assert (app.client_id, app.client_secret) == ("new-id", "stored")


@pytest.mark.parametrize(
    "hosts",
    ["[]", '{"api": 5}', '{"api": "http://10.0.0.5"}', '{"api": "javascript:x"}'],
)
def test_a_host_that_cannot_be_called_is_refused(
    client: Client, author: Any, app: PlatformApp, hosts: str
) -> None:
    client.force_login(author)
    url = reverse("admin:accounts_platformapp_change", args=[app.pk])

    answer = client.post(url, form_of(hosts=hosts))

    assert answer.status_code == 200
    app.refresh_from_db()
    assert app.hosts == {}


def test_a_superuser_names_hosts_and_private_ones_that_are_allowed(
    client: Client, author: Any, app: PlatformApp, settings: Any
) -> None:
    settings.ALLOWED_PRIVATE_HOSTS = ["10.0.0.5:3000"]
    client.force_login(author)
    url = reverse("admin:accounts_platformapp_change", args=[app.pk])

    client.post(url, form_of(hosts='{"api": "http://10.0.0.5:3000"}'))

    app.refresh_from_db()
    assert app.hosts == {"api": "http://10.0.0.5:3000"}


def test_an_account_gets_no_owner_from_outside_of_the_readers_brands(
    client: Client, admin_person: User, make_account: Any
) -> None:
    account = make_account()
    stranger = User.objects.create_user("zoe", "zoe@example.com", "pw")
    stranger.groups.add(Group.objects.get(name=MARKETING))
    client.force_login(admin_person)
    url = reverse("admin:accounts_connectedaccount_change", args=[account.pk])

    assert "zoe" not in client.get(url).content.decode()
    client.post(url, {"owner": stranger.pk, "deputy": ""})

    account.refresh_from_db()
    assert account.owner != stranger
