"""Whether there is anybody behind the names in a text: asked when a person wants it.

Nothing is asked while somebody types. What was found out is kept for a while, and the
checks read that; a name that nobody looked up is named as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.utils.translation import gettext as _

from accounts import limits
from accounts.models import ConnectedAccount
from platforms import mentions
from platforms.base import Draft
from platforms.errors import NotFound, PlatformError

#: Asked for one press of the button at most; each may take seconds.
MOST = 10
PATIENCE_S = 5.0
#: A name that is there stays so; one that is not may be taken at any time.
THERE_FOR = timedelta(days=1)
NOBODY_FOR = timedelta(minutes=15)


def _key(account: ConnectedAccount, handle: str) -> str:
    return f"handle:{account.platform}:{account.network}:{handle}"


def handles(account: ConnectedAccount, draft: Draft) -> list[str]:
    """What can be looked up there, in lower case and without the @."""
    rule = account.spec.mentions
    if rule is None or not rule.looked_up:
        return []
    text = "\n".join([draft.text, *(part.text for part in draft.parts)])
    names = (name[1:].lower() for name in mentions.links(account.spec, text))
    # Keys of some caches take nothing else.
    return [name for name in dict.fromkeys(names) if name.isascii()]


def known(account: ConnectedAccount, wanted: Sequence[str]) -> Mapping[str, str]:
    """handle -> id, "" where there is nobody; those not looked up are left out."""
    if not wanted:
        return {}
    keys = {_key(account, handle): handle for handle in wanted}
    return {keys[key]: value for key, value in cache.get_many(keys).items()}


def limits_for(account: ConnectedAccount, draft: Draft) -> dict[str, Any]:
    """What `check` takes, with what is known of the names in the text."""
    served = account.server_limits
    if names := handles(account, draft):
        served = {**served, mentions.KNOWN: known(account, names)}
    rule, credential = account.spec.mentions, account.credential
    if rule and rule.permission and credential:
        served = {**served, mentions.PERMITTED: credential.app.may_mention}
    return served


def not_looked_up(account: ConnectedAccount, draft: Draft) -> list[str]:
    names = handles(account, draft)
    found = known(account, names)
    return [f"@{name}" for name in names if name not in found]


def look_up(pairs: Iterable[tuple[ConnectedAccount, Draft]]) -> str:
    """Ask for those that are not known. Why some could not be asked, in words."""
    left, trouble = MOST, ""
    for account, draft in pairs:
        names = [name[1:] for name in not_looked_up(account, draft)][:left]
        credential = account.credential
        if not names or credential is None or account.disconnected_at is not None:
            continue
        left -= len(names)
        client = account.client()
        client.http.total_s = min(client.http.total_s, PATIENCE_S)
        try:
            for name in names:
                trouble = _ask(account, client, name) or trouble
        finally:
            limits.count(client, credential, account)
    return trouble


def _ask(account: ConnectedAccount, client: Any, name: str) -> str:
    try:
        found, life = client.resolve_handle(name), THERE_FOR
    except NotFound:
        found, life = "", NOBODY_FOR
    except PlatformError:
        return _("%(network)s did not say whether there is @%(name)s.") % {
            "network": account.spec.name,
            "name": name,
        }
    cache.set(_key(account, name), found, life.total_seconds())
    return ""
