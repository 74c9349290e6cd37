"""Incidents stand above the accounts that they concern, once per cause."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ConnectedAccount, Credential
from monitoring import incidents
from monitoring.account_facts import open_incidents
from platforms.errors import Cause

pytestmark = pytest.mark.django_db


def test_one_broken_login_is_one_block_with_its_button(
    make_account: Any, make_delivery: Any, client: Client, author: Any
) -> None:
    person = make_account("x", "1")
    for number in (2, 3):
        page = make_account("x", str(number), name=f"Page {number}")
        ConnectedAccount.objects.filter(pk=page.pk).update(credential=person.credential)
    make_delivery(person)
    Credential.objects.filter(pk=person.credential_id).update(
        state="broken", cause=Cause.PASSWORD_CHANGED
    )
    incidents.review()
    ((_template, card),) = open_incidents(author)
    assert card.incident.account_count == 3
    client.force_login(author)
    page = client.get(reverse("account_list")).content.decode()
    before_rows = page[page.index("What is wrong") : page.index("Accounts by health")]
    assert before_rows.count("<article") == 1
    assert "3 X accounts" in before_rows
    assert "1 post waits" in before_rows
    assert "Reconnect" in before_rows


def test_a_stranger_is_shown_no_incident(
    make_account: Any, django_user_model: Any
) -> None:
    account = make_account("x")
    Credential.objects.filter(pk=account.credential_id).update(state="broken")
    incidents.review()
    assert open_incidents(django_user_model.objects.create_user("eve")) == []
