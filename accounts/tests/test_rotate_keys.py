"""Keys can be changed while everything works, and a lost key is said."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.fields import SecretUnreadable
from accounts.models import Credential

pytestmark = pytest.mark.django_db


@pytest.fixture
def credential(script, make_account):
    return make_account("scripted", "me", refresh_token="renewing").credential


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_token FROM accounts_credential")
        return cursor.fetchone()[0]


def test_after_rotation_the_old_key_is_no_longer_needed(credential, settings):
    old = settings.CREDENTIAL_KEYS
    new = [Fernet.generate_key().decode()]
    before = stored()
    settings.CREDENTIAL_KEYS = new + old
    call_command("rotate_keys")
    call_command("rotate_keys")
    settings.CREDENTIAL_KEYS = new
    read = Credential.objects.get(pk=credential.pk)
    assert (read.access_token, read.refresh_token) == ("access-me", "renewing")
    assert stored() != before


def test_a_key_that_is_gone_is_said_and_nothing_is_changed(credential, settings):
    before = stored()
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="no key in CREDENTIAL_KEYS"):
        call_command("rotate_keys")
    assert stored() == before
    with pytest.raises(SecretUnreadable, match="CREDENTIAL_KEYS"):
        Credential.objects.get(pk=credential.pk)


def test_second_factors_are_rotated_too(author, settings):
    from allauth.mfa.adapter import get_adapter
    from allauth.mfa.models import Authenticator

    secret = get_adapter().encrypt("totp-secret")
    row = Authenticator.objects.create(
        user=author, type=Authenticator.Type.TOTP, data={"secret": secret}
    )
    new = [Fernet.generate_key().decode()]
    settings.CREDENTIAL_KEYS = new + settings.CREDENTIAL_KEYS
    call_command("rotate_keys")
    settings.CREDENTIAL_KEYS = new
    row.refresh_from_db()
    assert get_adapter().decrypt(row.data["secret"]) == "totp-secret"


def test_a_page_that_needs_a_lost_key_names_the_setting(
    credential, settings, client, author
):
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    client.force_login(author)
    client.raise_request_exception = False
    answer = client.get(f"/accounts/apps/{credential.app_id}/")
    assert answer.status_code == 500
    assert "CREDENTIAL_KEYS" in answer.content.decode()
