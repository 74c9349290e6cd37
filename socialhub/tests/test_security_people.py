"""Nobody reaches a brand that they do not belong to through somebody who does."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from accounts.models import Brand
from accounts.roles import ADMIN, MARKETING

pytestmark = pytest.mark.django_db


def person(name: str, role: str, *brands: Brand) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", "pw", first_name=name)
    user.groups.add(Group.objects.get(name=role))
    user.brands.set(brands)
    return user


@pytest.fixture
def own() -> Brand:
    return Brand.objects.create(name="Own")


@pytest.fixture
def as_admin(client: Client, own: Brand) -> Client:
    """An admin of one brand, no superuser."""
    client.force_login(person("adam", ADMIN, own))
    return client


def form_of(**changes: Any) -> dict[str, Any]:
    return {
        "first_name": "Bea",
        "last_name": "",
        "email": "taken-over@example.com",
        "roles": [ADMIN],
        **changes,
    }


def test_an_admin_cannot_take_over_a_person_of_a_brand_out_of_sight(
    as_admin: Client, own: Brand
) -> None:
    other = Brand.objects.create(name="Other")
    bea = person("bea", MARKETING, own, other)

    as_admin.post(reverse("person_edit", args=[bea.pk]), form_of(brands=[own.pk]))

    bea.refresh_from_db()
    assert bea.email == "bea@example.com"
    assert bea.is_active
    assert [group.name for group in bea.groups.all()] == [MARKETING]
    assert set(bea.brands.all()) == {own, other}


def test_an_admin_may_still_take_such_a_person_out_of_an_own_brand(
    as_admin: Client, own: Brand
) -> None:
    other = Brand.objects.create(name="Other")
    bea = person("bea", MARKETING, own, other)

    answer = as_admin.post(reverse("person_edit", args=[bea.pk]), form_of(brands=[]))

    assert answer.status_code == 302
    assert set(bea.brands.all()) == {other}


def test_the_page_says_why_those_fields_are_closed(as_admin: Client) -> None:
    bea = person("bea", MARKETING, Brand.objects.create(name="Other"))

    page = as_admin.get(reverse("person_edit", args=[bea.pk])).content.decode()

    assert "brands that you do not see" in page
    assert "Other" not in page


def test_a_person_of_own_brands_only_is_changed_as_before(
    as_admin: Client, own: Brand
) -> None:
    bea = person("bea", MARKETING, own)

    as_admin.post(
        reverse("person_edit", args=[bea.pk]),
        form_of(email="new@example.com", brands=[own.pk], is_active="on"),
    )

    bea.refresh_from_db()
    assert bea.email == "new@example.com"
    assert [group.name for group in bea.groups.all()] == [ADMIN]
