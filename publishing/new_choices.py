"""One more choice of an account's own, made at its network: a board.

Visible to everybody there at once, so only a person's press makes one. The name is the
key: what exists under it is used, and nothing is made twice.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import limits
from accounts.causes import explain
from accounts.models import AuditEvent, ConnectedAccount
from accounts.permissions import lacks
from platforms.base import BELOW, Option, PlatformClient
from platforms.errors import DuplicateContent, PlatformError
from platforms.text import tidy

#: Letters of a name; no network that we know takes more.
MAX_NAME = 50
PATIENCE_S = 15.0
#: what people write for BELOW
BELOW_SIGN = re.compile(r"\s*[›>]\s*")


class NotMade(Exception):
    """Its text is a sentence for the person who asked."""


def make(account: ConnectedAccount, option: Option, name: str, user: Any) -> str:
    """The value of the choice with this name, made where there is none. NotMade.

    name: "Board › Section" for one below another, where the option has such.
    """
    name, above = tidy(name), ""
    if option.below_by and (parts := BELOW_SIGN.split(name, 1))[1:]:
        above, name = parts
    for word in (name, *([above] if above else [])):
        _check(word)
    below = _named(account.server_limits, option, above) if above else ""
    if above and not below:
        raise NotMade(_("There is no “%(name)s” yet: make it first.") % {"name": above})
    whole = f"{above}{BELOW}{name}" if above else name
    if known := _named(account.server_limits, option, whole):
        return known
    client = _client(account, option.below_by if below else option.made_by)
    credential = account.credential
    assert credential is not None
    try:
        value, words = client.make_choice(option.key, name, below)
        if below:
            own = account.server_limits[option.choices_from]
            words = f"{own[below]}{BELOW}{words}"
    except DuplicateContent:
        return _take_up(account, option, whole, client)
    except PlatformError as error:
        found = explain(error.cause)
        raise NotMade(f"{found.head}. {found.cure}") from error
    finally:
        limits.count(client, credential, account)
    _keep(account, option, {value: words})
    AuditEvent.write(user, "account.choice_made", account, name=words)
    return value


def _check(name: str) -> None:
    if not name:
        raise NotMade(_("Write a name first."))
    if len(name) > MAX_NAME:
        raise NotMade(
            _("“%(name)s” is longer than %(n)s characters: write a shorter one.")
            % {"name": name[:MAX_NAME], "n": MAX_NAME}
        )


def _client(account: ConnectedAccount, call_key: str) -> PlatformClient:
    credential = account.credential
    if account.disconnected_at or credential is None or not credential.is_active:
        raise NotMade(_("The account's access has ended. Reconnect it first."))
    call, granted = account.spec.call(call_key), credential.granted_scopes
    if granted and (missing := lacks(account.spec, call, account.kind, granted)):
        raise NotMade(
            _("A permission is missing: %(scopes)s. Reconnect the account.")
            % {"scopes": " ".join(missing)}
        )
    client = account.client()
    client.http.total_s = min(client.http.total_s, PATIENCE_S)
    return client


def _named(served: dict[str, Any], option: Option, name: str) -> str:
    """The value of what has this name; "" for nothing."""
    own = (served.get(option.choices_from) or {}).items()
    return next((str(v) for v, words in own if words.casefold() == name.casefold()), "")


def _take_up(
    account: ConnectedAccount, option: Option, name: str, client: PlatformClient
) -> str:
    """It is there, and we had not heard of it."""
    try:
        served = client.server_limits()
    except PlatformError as error:
        raise NotMade(f"{explain(error.cause).head}.") from error
    _keep(account, option, served.get(option.choices_from) or {})
    if found := _named(served, option, name):
        return found
    raise NotMade(
        _(
            "“%(name)s” exists at %(platform)s already, but is not shown to us: it may not "
            "be public. Choose another name."
        )
        % {"name": name, "platform": account.spec.name}
    )


def _keep(account: ConnectedAccount, option: Option, more: dict[str, str]) -> None:
    """Beside what a check of the account may have stored meanwhile."""
    with transaction.atomic():
        row = ConnectedAccount.objects.select_for_update().get(pk=account.pk)
        own = {**(row.server_limits.get(option.choices_from) or {}), **more}
        row.server_limits = {**row.server_limits, option.choices_from: own}
        row.save(update_fields=["server_limits"])
    account.server_limits = row.server_limits
