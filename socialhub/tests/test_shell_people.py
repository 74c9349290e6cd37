"""People and brands: who may be added, changed and invited by whom."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Brand
from accounts.roles import ADMIN, MARKETING, REVIEWER


@pytest.fixture
def admin_person(db: Any) -> User:
    """An admin who is no superuser."""
    user = User.objects.create_user("adam", "adam@example.com", "pw", first_name="Adam")
    user.groups.add(Group.objects.get(name=ADMIN))
    return user


@pytest.fixture
def as_admin(client: Client, admin_person: User) -> Client:
    client.force_login(admin_person)
    return client


@pytest.fixture
def own_brand(admin_person: User) -> Brand:
    brand = Brand.objects.create(name="Own")
    brand.members.add(admin_person)
    return brand


def form_of(**changes: Any) -> dict[str, Any]:
    return {
        "first_name": "Mia",
        "last_name": "Klein",
        "email": "Mia@Example.com",
        "roles": [MARKETING],
        **changes,
    }


def test_an_added_person_gets_roles_brands_and_an_invitation(
    as_admin: Client, own_brand: Brand
) -> None:
    answer = as_admin.post(reverse("person_add"), form_of(brands=[own_brand.pk]))
    assert answer.status_code == 302
    mia = User.objects.get(email="mia@example.com")
    assert [group.name for group in mia.groups.all()] == [MARKETING]
    assert list(mia.brands.all()) == [own_brand]
    assert (mia.is_staff, mia.has_usable_password()) == (False, False)
    assert [message.to for message in mail.outbox] == [["mia@example.com"]]
    assert "Adam" in mail.outbox[0].body
    assert AuditEvent.objects.filter(verb="person added").exists()


def test_the_invited_person_chooses_a_password_and_signs_in_by_mail(
    as_admin: Client,
) -> None:
    as_admin.post(reverse("person_add"), form_of())
    link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)
    assert link is not None
    person = Client()
    form = person.get(link[1], follow=True)
    assert "Choose a password" in form.content.decode()
    path = form.redirect_chain[-1][0]
    password = "a-fine-long-password-7"
    person.post(path, {"password1": password, "password2": password})
    answer = person.post(
        reverse("account_login"), {"login": "mia@example.com", "password": password}
    )
    assert answer["Location"] == reverse("home")
    used = Client().get(link[1], follow=True)
    assert "This link no longer works" in used.content.decode()


def test_an_admin_role_opens_the_admin_and_taking_it_closes_it(
    as_admin: Client,
) -> None:
    as_admin.post(reverse("person_add"), form_of(roles=[ADMIN]))
    mia = User.objects.get(email="mia@example.com")
    assert mia.is_staff
    edit = form_of(roles=[REVIEWER], is_active="on")
    as_admin.post(reverse("person_edit", args=[mia.pk]), edit)
    mia.refresh_from_db()
    assert not mia.is_staff
    assert [group.name for group in mia.groups.all()] == [REVIEWER]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"email": "ADAM@example.com"}, "Somebody has this address already."),
        ({"email": "no address"}, "valid email"),
        ({"roles": []}, "Choose at least one role."),
        ({"roles": ["Emperor"]}, "Select a valid choice"),
        ({"first_name": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_with_a_person_is_said_and_nobody_is_made(
    as_admin: Client, changes: dict[str, Any], words: str
) -> None:
    answer = as_admin.post(reverse("person_add"), form_of(**changes))
    assert words in answer.content.decode()
    assert User.objects.count() == 1
    assert not mail.outbox


def test_an_admin_gives_only_brands_of_their_own_and_takes_no_others(
    as_admin: Client, own_brand: Brand
) -> None:
    foreign = Brand.objects.create(name="Foreign")
    mia = User.objects.create_user("mia@example.com", "mia@example.com", "pw")
    foreign.members.add(mia)
    url = reverse("person_edit", args=[mia.pk])
    refused = as_admin.post(url, form_of(is_active="on", brands=[foreign.pk]))
    assert refused.status_code == 200
    assert "Foreign" not in refused.content.decode()
    as_admin.post(url, form_of(is_active="on", brands=[own_brand.pk]))
    assert set(mia.brands.all()) == {foreign, own_brand}


def test_a_person_who_may_not_sign_in_is_out_at_once(as_admin: Client) -> None:
    mia = User.objects.create_user("mia@example.com", "mia@example.com", "pw")
    hers = Client()
    hers.force_login(mia)
    assert hers.get(reverse("home")).status_code == 200
    as_admin.post(reverse("person_edit", args=[mia.pk]), form_of())
    assert hers.get(reverse("home")).status_code == 302
    mia.refresh_from_db()
    assert not mia.is_active


def test_a_changed_mail_address_is_the_one_to_sign_in_with(as_admin: Client) -> None:
    mia = User.objects.create_user("mia@example.com", "mia@example.com", "pw-mia-123")
    EmailAddress.objects.create(user=mia, email=mia.email, primary=True, verified=True)
    new = form_of(email="klein@example.com", is_active="on")
    as_admin.post(reverse("person_edit", args=[mia.pk]), new)
    addresses = EmailAddress.objects.filter(user=mia).values_list("email", flat=True)
    assert list(addresses) == ["klein@example.com"]
    answer = Client().post(
        reverse("account_login"),
        {"login": "klein@example.com", "password": "pw-mia-123"},
    )
    assert answer["Location"] == reverse("home")


def test_an_admin_cannot_lock_themselves_out(
    as_admin: Client, admin_person: User
) -> None:
    url = reverse("person_edit", args=[admin_person.pk])
    own = form_of(first_name="Adam", email="adam@example.com", roles=[ADMIN])
    assert "You cannot lock yourself out." in as_admin.post(url, own).content.decode()
    own |= {"roles": [MARKETING], "is_active": "on"}
    page = as_admin.post(url, own).content.decode()
    assert "You cannot take your own admin role" in page
    admin_person.refresh_from_db()
    assert admin_person.is_active


def test_an_admin_cannot_change_a_superuser(as_admin: Client) -> None:
    root = User.objects.create_superuser("root", "root@example.com", "pw")
    url = reverse("person_edit", args=[root.pk])
    assert as_admin.get(url).status_code == 403
    taken = as_admin.post(url, form_of(email="evil@example.com", is_active="on"))
    assert taken.status_code == 403
    invite = as_admin.post(reverse("person_invite", args=[root.pk]))
    assert invite.status_code == 403
    root.refresh_from_db()
    assert root.email == "root@example.com"


def test_an_invitation_that_cannot_be_sent_is_told_and_can_be_repeated(
    as_admin: Client,
) -> None:
    with mock.patch("socialhub.views.send_mail", side_effect=OSError("no route")):
        answer = as_admin.post(reverse("person_add"), form_of(), follow=True)
    assert "The invitation was not sent: no route" in answer.content.decode()
    mia = User.objects.get(email="mia@example.com")
    as_admin.post(reverse("person_invite", args=[mia.pk]))
    assert len(mail.outbox) == 1


def test_the_list_of_people_hides_brands_that_the_reader_is_not_in(
    as_admin: Client, own_brand: Brand, admin_person: User
) -> None:
    foreign = Brand.objects.create(name="Foreign")
    foreign.members.add(admin_person)
    stranger = User.objects.create_user("sam", "sam@example.com", "pw")
    hidden = Brand.objects.create(name="Hidden brand")
    hidden.members.add(stranger)
    page = as_admin.get(reverse("people")).content.decode()
    assert "Foreign" in page
    assert "Hidden brand" not in page


def test_who_makes_a_brand_belongs_to_it(as_admin: Client, admin_person: User) -> None:
    form = {
        "name": "Acme",
        "time_zone": "Europe/Berlin",
        "approval_steps": 0,
        "members": [],
    }
    as_admin.post(reverse("brand_add"), form)
    brand = Brand.objects.get(name="Acme")
    assert list(brand.members.all()) == [admin_person]
    assert brand.time_zone == "Europe/Berlin"
    assert AuditEvent.objects.filter(verb="brand added").exists()


def test_a_brand_of_others_is_not_found(as_admin: Client) -> None:
    foreign = Brand.objects.create(name="Foreign")
    url = reverse("brand_edit", args=[foreign.pk])
    assert as_admin.get(url).status_code == 404
    form = {"name": "Taken", "time_zone": "UTC", "approval_steps": 0}
    assert as_admin.post(url, form).status_code == 404
    assert "Foreign" not in as_admin.get(reverse("brands")).content.decode()


def test_a_brand_can_be_changed(
    as_admin: Client, own_brand: Brand, admin_person: User
) -> None:
    mia = User.objects.create_user("mia", "mia@example.com", "pw")
    form = {
        "name": "Renamed",
        "time_zone": "Asia/Tokyo",
        "approval_steps": 0,
        "members": [admin_person.pk, mia.pk],
    }
    as_admin.post(reverse("brand_edit", args=[own_brand.pk]), form)
    own_brand.refresh_from_db()
    assert (own_brand.name, own_brand.time_zone) == ("Renamed", "Asia/Tokyo")
    assert set(own_brand.members.all()) == {admin_person, mia}


def test_a_brand_needs_a_real_zone_and_a_free_name(
    as_admin: Client, own_brand: Brand
) -> None:
    url = reverse("brand_add")
    bad_zone = as_admin.post(
        url, {"name": "New", "time_zone": "Mars/Olympus", "approval_steps": 0}
    )
    assert "Select a valid choice" in bad_zone.content.decode()
    taken = as_admin.post(url, {"name": "Own", "time_zone": "UTC", "approval_steps": 0})
    assert "already exists" in taken.content.decode()
    assert Brand.objects.count() == 1


def test_names_cannot_smuggle_markup(as_admin: Client, own_brand: Brand) -> None:
    own_brand.name = "<script>alert(1)</script>"
    own_brand.save()
    page = as_admin.get(reverse("brands")).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
