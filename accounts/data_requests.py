"""What a platform tells us of people who left our app or want their data deleted.

The request is checked, written down and answered at once; the work is a task's, which
may run twice. A request is one row, however often the platform sends it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from platforms import registry
from platforms.base import PersonLeft
from platforms.errors import AuthRevoked, Cause

from .fixed_query import FixedQuery
from .models import (
    AuditEvent,
    ConnectedAccount,
    Credential,
    DataRequest,
    PendingConnection,
    PlatformApp,
    RefreshAttempt,
)

Kind = DataRequest.Kind
#: Platforms say whole seconds, and clocks differ a little.
LENIENCE = timedelta(seconds=5)

#: What the platform's own settings call the two addresses, and their names here.
ADDRESSES = (
    (_("Deauthorize callback URL"), "person_left"),
    (_("Data deletion request URL"), "data_deletion"),
)


def addresses(app: PlatformApp) -> list[tuple[Any, str]]:
    """What to enter at the platform, ready to copy; empty where it tells nothing."""
    if not app.spec.tells_who_left:
        return []
    root = str(settings.SITE_URL).rstrip("/")
    return [
        (label, root + reverse(name, args=[app.network, app.platform]))
        for label, name in ADDRESSES
    ]


def take_in(platform: str, network: str, kind: Kind, signed: str) -> DataRequest:
    """Check a signed request and write it down, once. ValueError says what is wrong.

    LookupError when no app of ours is there that the platform could mean.
    """
    apps = PlatformApp.objects.filter(platform=platform, network=network)
    ours = [app for app in apps if app.client_secret]
    if not ours:
        raise LookupError(f"no app of {platform} has a secret here")
    app, told = _read(ours, signed)
    # A signature can be written in several ways; what it signs cannot.
    what = signed.partition(".")[2]
    row, _made = DataRequest.objects.get_or_create(
        digest=hashlib.sha256(
            f"{kind} {platform} {network} {what}".encode()
        ).hexdigest(),
        defaults={
            "platform": platform,
            "app": app,
            "kind": kind,
            "subject_id": told.subject_id[:200],
            "code": secrets.token_hex(12),
            "result": {"said_at": told.at.isoformat() if told.at else ""},
        },
    )
    return row


def _read(apps: list[PlatformApp], signed: str) -> tuple[PlatformApp, PersonLeft]:
    refused = ValueError("there is no signed request")
    for app in apps:
        platform = registry.platform(app.platform)
        try:
            return app, platform.person_left(signed, app.client_secret)
        except ValueError as error:
            refused = error
    raise refused


def status_url(row: DataRequest) -> str:
    root = str(settings.SITE_URL).rstrip("/")
    return root + reverse("data_deletion_status", args=[row.code])


# ---------------------------------------------------------------- the work


def open_requests() -> list[int]:
    """Also those whose task got lost."""
    return [pk for (pk,) in _open_ones.rows()]


_open_ones = FixedQuery(
    lambda: (
        DataRequest.objects.filter(done_at=None)
        .order_by("received_at")
        .values_list("pk")[:100]
    )
)


def work(pk: int) -> list[int]:
    """Do what was asked; primary keys of the credentials that it concerned."""
    with transaction.atomic():
        row = (
            DataRequest.objects.select_for_update(of=("self",))
            .select_related("app")
            .filter(pk=pk, done_at=None)
            .first()
        )
        if row is None:
            return []
        credentials = _concerned(row)
        accounts = list(
            ConnectedAccount.objects.connected().filter(credential__in=credentials)
        )
        if row.kind == Kind.DEAUTHORIZED:
            for credential in credentials:
                credential.break_for(AuthRevoked(cause=Cause.TOKEN_REVOKED))
            verb = "access_withdrawn"
        else:
            _delete(row, credentials)
            verb = "data_deleted"
        AuditEvent.objects.bulk_create(
            AuditEvent.about(None, verb, account) for account in accounts
        )
        row.done_at = timezone.now()
        row.result |= {"credentials": len(credentials), "accounts": len(accounts)}
        row.save(update_fields=["done_at", "result", "subject_id"])
    return [credential.pk for credential in credentials]


def _concerned(row: DataRequest) -> list[Credential]:
    """Consents of the person at this app with all their pages; not a later consent.

    A request may come late or twice, and the person may be back by then: a consent that
    is newer than the request is looked at instead, at once.
    """
    said = row.result.get("said_at") or ""
    said_at = datetime.fromisoformat(said) if said else row.received_at
    roots = Credential.objects.filter(
        app=row.app, parent=None, subject_id=row.subject_id
    )
    found: list[Credential] = []
    for root in roots.select_for_update():
        family = [root, *root.children.select_for_update()]
        if root.connected_at > said_at.astimezone(UTC) + LENIENCE:
            Credential.objects.filter(pk__in=[c.pk for c in family]).update(
                next_proof_at=timezone.now()
            )
            continue
        found += family
    if row.kind == Kind.DEAUTHORIZED:
        gone = Credential.State.DISCONNECTED
        found = [credential for credential in found if credential.state != gone]
    return found


def _delete(row: DataRequest, credentials: list[Credential]) -> None:
    """Tokens, and all that names or describes the person. Posts and pages stay."""
    names = {c.subject_name for c in credentials if c.parent_id is None} - {""}
    ids = [credential.pk for credential in credentials]
    own = ConnectedAccount.objects.filter(
        credential__in=ids, external_id=row.subject_id
    )
    touched = ConnectedAccount.objects.filter(credential__in=ids)
    targets = [str(pk) for pk in touched.values_list("pk", flat=True)]
    for event in AuditEvent.objects.filter(
        target_type=ConnectedAccount._meta.label_lower, target_id__in=targets
    ):
        if event.detail.get("signed_in_as") in names:
            del event.detail["signed_in_as"]
            event.save(update_fields=["detail"])
    own.update(
        name=str(_("Deleted profile")),
        handle="",
        url="",
        avatar_url="",
        extra={},
        trouble_detail="",
    )
    RefreshAttempt.objects.filter(credential__in=ids).delete()
    PendingConnection.objects.filter(app=row.app).delete()
    for credential in credentials:
        if credential.state != Credential.State.DISCONNECTED:
            credential.state = Credential.State.BROKEN
            credential.cause = Cause.TOKEN_REVOKED
            credential.broken_at = credential.broken_at or timezone.now()
        if credential.parent_id is None:
            credential.subject_id = credential.subject_name = ""
        credential.access_token = credential.refresh_token = ""
        credential.detail = ""
        credential.extra, credential.abilities = {}, {}
        credential.refresh_after = credential.revoke_after = None
        credential.expires_at = credential.refresh_expires_at = None
        credential.data_access_ends_at = None
        credential.refresh_fence += 1
        credential.save()
    # Earlier words of the platform about this person are done, and name them as well.
    DataRequest.objects.filter(
        app=row.app, subject_id=row.subject_id, done_at__isnull=False
    ).update(subject_id="")
    row.subject_id = ""
