"""One door: sign-in, the second factor, no sign-up, nothing to connect."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.fields import box
from accounts.roles import ADMIN, MARKETING

PASSWORD = "a-fine-long-password-7"


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def person(db: Any) -> Any:
    def make(role: str, **fields: Any) -> User:
        name = role.lower()
        user = User.objects.create_user(name, f"{name}@x.example", PASSWORD, **fields)
        user.groups.add(Group.objects.get(name=role))
        return user

    return make


def code_for(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return f"{hotp_value(secret, counter):06d}"


@pytest.mark.parametrize("login", ["marketing", "marketing@x.example"])
def test_one_signs_in_by_name_or_mail(client: Client, person: Any, login: str) -> None:
    person(MARKETING)
    form = {"login": login, "password": PASSWORD}
    answer = client.post(reverse("account_login"), form)
    assert answer["Location"] == reverse("home")


@pytest.mark.django_db
def test_nobody_can_sign_up(client: Client) -> None:
    page = client.get(reverse("account_login")).content.decode()
    assert "sign-in/signup" not in page
    form = {"username": "eve", "email": "eve@x.example", "password1": PASSWORD}
    answer = client.post(
        reverse("account_signup"), {**form, "password2": PASSWORD}, follow=True
    )
    assert "By invitation only" in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_admin_has_no_sign_in_of_its_own(client: Client) -> None:
    answer = client.get("/admin/login/?next=/admin/")
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))
    posted = client.post("/admin/login/", {"username": "a", "password": "b"})
    assert posted["Location"].startswith(reverse("account_login"))


def test_the_admin_is_closed_to_who_is_no_staff(client: Client, person: Any) -> None:
    client.force_login(person(MARKETING))
    assert client.get("/admin/", follow=True).status_code == 403


def test_many_wrong_passwords_are_slowed_down(client: Client, person: Any) -> None:
    person(MARKETING)
    form = {"login": "marketing", "password": "wrong"}
    for _try in range(12):
        answer = client.post(reverse("account_login"), form)
    right = client.post(reverse("account_login"), {**form, "password": PASSWORD})
    assert "Location" not in right
    assert "Too many failed login attempts" in answer.content.decode()


def test_nobody_takes_a_second_mail_address(client: Client, person: Any) -> None:
    user = person(MARKETING)
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    client.force_login(user)
    form = {"action_add": "", "email": "victim@x.example"}
    client.post(reverse("account_email"), form)
    assert list(EmailAddress.objects.values_list("email", flat=True)) == [user.email]


def test_signing_out_takes_a_post(client: Client, person: Any) -> None:
    client.force_login(person(MARKETING))
    client.get(reverse("account_logout"))
    assert "_auth_user_id" in client.session
    client.post(reverse("account_logout"))
    assert "_auth_user_id" not in client.session


def test_an_unknown_address_gets_no_mail_and_the_page_does_not_tell(
    client: Client, person: Any
) -> None:
    known = person(ADMIN)
    url = reverse("account_reset_password")
    unknown = client.post(url, {"email": "eve@x.example"})
    assert mail.outbox == []
    answer = client.post(url, {"email": known.email})
    assert len(mail.outbox) == 1
    assert (answer.status_code, answer["Location"]) == (
        unknown.status_code,
        unknown["Location"],
    )


@pytest.mark.parametrize(
    "name", ["home", "profile", "people", "system_check", "account_email", "mfa_index"]
)
def test_an_admin_without_a_second_factor_is_led_to_its_set_up(
    client: Client, person: Any, settings: Any, name: str
) -> None:
    settings.MFA_REQUIRED_FOR_ADMINS = True
    client.force_login(person(ADMIN, is_staff=True))
    answer = client.get(reverse(name))
    assert (answer.status_code, answer["Location"]) == (
        302,
        reverse("mfa_activate_totp"),
    )
    assert client.get("/admin/")["Location"] == reverse("mfa_activate_totp")
    assert client.post(reverse("person_add"))["Location"] == answer["Location"]


def test_a_superuser_needs_the_second_factor_too(
    client: Client, author: Any, settings: Any
) -> None:
    settings.MFA_REQUIRED_FOR_ADMINS = True
    client.force_login(author)
    assert client.get("/admin/")["Location"] == reverse("mfa_activate_totp")


def test_the_way_to_the_second_factor_and_out_stays_open(
    client: Client, person: Any, settings: Any
) -> None:
    settings.MFA_REQUIRED_FOR_ADMINS = True
    person(ADMIN)
    form = {"login": "admin", "password": PASSWORD}
    client.post(reverse("account_login"), form)
    asked = client.get(reverse("mfa_activate_totp"), follow=True)
    assert asked.resolver_match.view_name == "account_reauthenticate"
    again = {"password": PASSWORD, "next": reverse("mfa_activate_totp")}
    page = client.post(reverse("account_reauthenticate"), again, follow=True)
    assert page.resolver_match.view_name == "mfa_activate_totp"
    secret = page.context["form"].secret
    client.post(reverse("mfa_activate_totp"), {"code": code_for(secret)})
    stored = Authenticator.objects.get(type="totp").data["secret"]
    assert secret not in stored
    assert box().decrypt(stored.encode()).decode() == secret
    assert client.get(reverse("home")).status_code == 200
    client.post(reverse("account_logout"))
    assert "_auth_user_id" not in client.session


def test_an_address_that_was_never_confirmed_is_no_obstacle(
    client: Client, person: Any, settings: Any
) -> None:
    settings.MFA_REQUIRED_FOR_ADMINS = True
    user = person(ADMIN)
    EmailAddress.objects.create(user=user, email=user.email, verified=False)
    client.force_login(user)
    led = client.get(reverse("home"), follow=True)
    assert led.resolver_match.view_name == "account_reauthenticate"
    again = {"password": PASSWORD, "next": reverse("mfa_activate_totp")}
    page = client.post(reverse("account_reauthenticate"), again, follow=True)
    assert page.resolver_match.view_name == "mfa_activate_totp"


def test_others_and_installations_without_the_rule_go_on_without_it(
    client: Client, person: Any, settings: Any
) -> None:
    settings.MFA_REQUIRED_FOR_ADMINS = True
    client.force_login(person(MARKETING))
    assert client.get(reverse("home")).status_code == 200
    settings.MFA_REQUIRED_FOR_ADMINS = False
    client.force_login(person(ADMIN))
    assert client.get(reverse("home")).status_code == 200


def test_with_a_second_factor_the_password_alone_opens_nothing(
    client: Client, person: Any
) -> None:
    user = person(MARKETING)
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    form = {"login": "marketing", "password": PASSWORD}
    answer = client.post(reverse("account_login"), form)
    assert answer["Location"].startswith(reverse("mfa_authenticate"))
    assert client.get(reverse("home")).status_code == 302
    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert client.get(reverse("home")).status_code == 302
    client.post(reverse("mfa_authenticate"), {"code": code_for(secret)})
    assert client.get(reverse("home")).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "account_change_password",
        "account_logout",
        "mfa_index",
        "socialaccount_connections",
    ],
)
def test_pages_about_ones_sign_in_wear_the_shell(
    client: Client, person: Any, name: str
) -> None:
    client.force_login(person(MARKETING))
    page = client.get(reverse(name), follow=True).content.decode()
    assert 'class="sh-shell"' in page
    assert "sh-page" in page


def test_no_page_offers_to_connect_a_sign_in(client: Client, person: Any) -> None:
    client.force_login(person(ADMIN))
    for name in ("home", "profile", "mfa_index"):
        page = client.get(reverse(name)).content.decode()
        assert reverse("socialaccount_connections") not in page
    page = client.get(reverse("socialaccount_connections")).content.decode()
    assert "Nothing to connect here" in page


# ---------------------------------------------------------------- company sign-in

COMPANY = "https://id.company.example"


@pytest.fixture
def company(settings: Any) -> Any:
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "APPS": [
                {
                    "provider_id": "company",
                    "name": "Company sign-in",
                    "client_id": "hub",
                    "secret": "s",
                    "settings": {"server_url": COMPANY},
                }
            ],
            "OAUTH_PKCE_ENABLED": True,
        }
    }
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        api.get(
            f"{COMPANY}/.well-known/openid-configuration",
            json={
                "issuer": COMPANY,
                "authorization_endpoint": f"{COMPANY}/authorize",
                "token_endpoint": f"{COMPANY}/token",
                "userinfo_endpoint": f"{COMPANY}/userinfo",
                "jwks_uri": f"{COMPANY}/jwks",
            },
        )
        api.post(f"{COMPANY}/token", json={"access_token": "t", "token_type": "Bearer"})
        yield api


def come_back(
    client: Client, api: Any, *, process: str = "login", **claims: Any
) -> Any:
    """Go to the company's server and return with these claims."""
    api.get(f"{COMPANY}/userinfo", json={"sub": "u1", **claims})
    start = f"/sign-in/oidc/company/login/?process={process}"
    away = client.post(start)
    state = parse_qs(urlsplit(away["Location"]).query)["state"][0]
    url = f"/sign-in/oidc/company/login/callback/?code=c&state={state}"
    return client.get(url, follow=True)


def test_the_sign_in_page_offers_company_sign_in_where_it_is_set(
    client: Client, company: Any, db: Any
) -> None:
    page = client.get(reverse("account_login")).content.decode()
    assert "Company sign-in" in page


def test_company_sign_in_lets_an_invited_person_in_by_mail(
    client: Client, company: Any, person: Any
) -> None:
    user = person(MARKETING)
    come_back(client, company, email=user.email, email_verified=True)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_company_sign_in_lets_nobody_else_in_and_makes_nobody(
    client: Client, company: Any, person: Any
) -> None:
    user = person(MARKETING)
    come_back(client, company, email="eve@x.example", email_verified=True)
    assert "_auth_user_id" not in client.session
    come_back(Client(), company, email=user.email, email_verified=False)
    assert "_auth_user_id" not in client.session
    assert User.objects.count() == 1


def test_a_company_sign_in_cannot_be_connected(
    client: Client, company: Any, person: Any
) -> None:
    from allauth.socialaccount.models import SocialAccount

    user = person(MARKETING)
    client.force_login(user)
    answer = come_back(
        client, company, process="connect", email=user.email, email_verified=True
    )
    assert "Nothing to connect here" in answer.content.decode()
    assert not SocialAccount.objects.exists()
