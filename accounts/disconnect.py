"""Ending our access: what is no longer used is revoked at the platform and forgotten.

The rows change first and at once. The platform is told afterwards, outside of
transactions; where it cannot be reached, the token waits for the next try and goes then.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from platforms.errors import Outcome, PlatformError

from . import hooks
from .fixed_query import SAMPLE_TIME, FixedQuery
from .models import AuditEvent, ConnectedAccount, Credential

logger = logging.getLogger(__name__)

#: Waits between tries to tell the platform. After the last one the token is forgotten.
WAITS = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=2),
)
#: Answers that say nothing of this access: worth another try.
PASSING = {
    Outcome.TRANSIENT,
    Outcome.RATE_LIMITED,
    Outcome.PLATFORM_DOWN,
    Outcome.AMBIGUOUS,
}


@dataclass(frozen=True)
class Disconnected:
    """shared: other accounts use the sign-in, so it stays. told: the platform knows;
    False: it could not be told yet and is tried again; None: it has no way to be told."""

    shared: bool = False
    told: bool | None = None


def disconnect(account: ConnectedAccount, user: Any) -> Disconnected:
    """End our access and keep the account's history. Telling the platform may fail.

    Links that were sent before bring it back no more.
    """
    with transaction.atomic():
        now = timezone.now()
        account.reconnect_links.open(now).update(withdrawn_at=now)
        # What it acts through by now: a reconnect of this moment has put other access
        # there, which is to end as well.
        same = ConnectedAccount.objects.filter(pk=account.pk)
        list(same.select_for_update(no_key=True).values_list("pk"))
        account.refresh_from_db(fields=["credential", "standby"])
        account.disconnected_at = now
        standby, account.standby = account.standby, None
        account.save(update_fields=["disconnected_at", "standby"])
        ended = [
            root
            for credential in (account.credential, standby)
            if credential is not None and (root := retire(credential, tell=True))
        ]
        hooks.forget(account)
        AuditEvent.write(user, "disconnected", account)
    told = [revoke(root) for root in ended]
    if account.credential is None or account.credential.root not in ended:
        return Disconnected(shared=True, told=told[0] if told else None)
    return Disconnected(told=False if False in told else told[0])


def is_used(credential: Credential) -> bool:
    """Whether an account acts through it, waits for it, or a page of it is used."""
    return (
        credential.accounts.connected().exists()
        or credential.standby_for.connected().exists()
        or credential.children.exclude(state=Credential.State.DISCONNECTED).exists()
    )


def retire(credential: Credential, *, tell: bool = False) -> Credential | None:
    """Forget a credential that nothing uses any more; a consent goes with its last page.

    Returns the consent that ended, if one did. tell: it keeps its tokens until
    `revoke` has told the platform; a page's own token ends with its consent there.
    """
    if credential.state == Credential.State.DISCONNECTED or is_used(credential):
        return None
    parent = credential.parent
    if parent is None and tell and credential.access_token:
        credential.revoke_after = timezone.now()
        _end(credential)
        return credential
    _forget(credential)
    if parent is None:
        return credential
    return retire(parent, tell=tell)


def _end(credential: Credential) -> None:
    credential.state = Credential.State.DISCONNECTED
    credential.refresh_after = credential.renewal_refused_at = None
    credential.expires_at = credential.refresh_expires_at = None
    credential.data_access_ends_at = None
    credential.refresh_fence += 1
    credential.save(
        update_fields=[
            "access_token",
            "refresh_token",
            "state",
            "refresh_after",
            "renewal_refused_at",
            "expires_at",
            "refresh_expires_at",
            "data_access_ends_at",
            "refresh_fence",
            "revoke_after",
        ]
    )


def _forget(credential: Credential) -> None:
    credential.access_token = credential.refresh_token = ""
    credential.revoke_after = None
    _end(credential)


def revoke(credential: Credential) -> bool | None:
    """Tell the platform, then forget the tokens. False: not reached, tried again.

    None: there was nothing to tell, or no way to.
    """
    if credential.revoke_after is None:
        return None
    told: bool | None = True
    try:
        credential.app.client(credential.access()).revoke()
    except NotImplementedError:
        told = None
    except PlatformError as error:
        logger.info("revoking at %s: %s", credential.app, error)
        # Every other refusal says that this access is not good for anything any more.
        told = error.outcome not in PASSING
    rows = Credential.objects.filter(
        pk=credential.pk,
        state=Credential.State.DISCONNECTED,
        revoke_tries=credential.revoke_tries,
    )
    if told is False and credential.revoke_tries < len(WAITS):
        wait = WAITS[credential.revoke_tries]
        rows.update(
            revoke_after=timezone.now() + wait,
            revoke_tries=credential.revoke_tries + 1,
        )
        return False
    # Not when the person has come back meanwhile: then there are other tokens.
    ended = rows.update(
        access_token="", refresh_token="", revoke_after=None, revoke_tries=0
    )
    if ended and told is False:
        _note_not_told(credential)
    return told


def _note_not_told(credential: Credential) -> None:
    """What lives on there only the person can end: their accounts' history says so."""
    mine = Q(credential=credential) | Q(credential__parent=credential)
    accounts = ConnectedAccount.objects.filter(mine).exclude(disconnected_at=None)
    AuditEvent.objects.bulk_create(
        AuditEvent.about(None, "not_told", account) for account in accounts
    )


_due = FixedQuery(
    lambda until: (
        Credential.objects.filter(
            state=Credential.State.DISCONNECTED, revoke_after__lte=until
        )
        .order_by("revoke_after")
        .values_list("pk")[:50]
    ),
    SAMPLE_TIME,
)


def revoke_due(now: datetime) -> int:
    """Try again what could not be told; how many platforms were reached by now."""
    pks = [pk for (pk,) in _due.rows(now)]
    if not pks:
        return 0
    due = Credential.objects.filter(pk__in=pks).select_related("app")
    return sum(revoke(credential) is not False for credential in due)
