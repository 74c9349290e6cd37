"""What the monitor cluster runs. Safe to run twice; bounded far below the time-out."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.utils import timezone

from accounts import breakers, campaigns, data_requests, disconnect, health, refresh
from accounts.models import (
    Credential,
    DataRequest,
    PendingConnection,
    RefreshAttempt,
)

from . import ahead, incidents
from .models import CheckResult, Heartbeat, Incident
from .rounds import Renewals

logger = logging.getLogger(__name__)

#: A run stops taking new rows after so many seconds: two kinds of job side by side must
#: leave the heartbeat its turn.
BOUND_S = 20
#: Check results and renewals are kept for so long.
KEEP = timedelta(days=90)


def check_credentials() -> None:
    """Prove every credential whose time has come, broken ones included."""
    end = time.monotonic() + BOUND_S
    seen: set[int] = set()
    changed = False
    while time.monotonic() < end:
        credential = (
            Credential.objects.proof_due(timezone.now())
            .exclude(pk__in=seen)
            .select_related("app")
            .order_by("next_proof_at")
            .first()
        )
        if credential is None or not _take(credential):
            if credential is None:
                break
            seen.add(credential.pk)
            continue
        seen.add(credential.pk)
        changed |= _check(credential)
    if changed:
        incidents.review()


def check_credential(credential_id: int) -> None:
    """ "Check now": one credential, at once."""
    credential = (
        Credential.objects.select_related("app").filter(pk=credential_id).first()
    )
    if credential is None or credential.state == Credential.State.DISCONNECTED:
        return
    _check(credential)
    incidents.review()


def _take(credential: Credential) -> bool:
    """Two workers never look at the same credential for the same due time."""
    return bool(
        Credential.objects.filter(
            pk=credential.pk, next_proof_at=credential.next_proof_at
        ).update(next_proof_at=timezone.now() + timedelta(minutes=5))
    )


def _check(credential: Credential) -> bool:
    try:
        finding = health.check(credential)
    except Exception as exc:
        # One odd server must not keep the others from being looked at.
        logger.exception("check of credential %s", credential.pk)
        finding = health.Finding("unknown", evidence=type(exc).__name__)
    CheckResult.objects.create(
        credential=credential,
        verdict=finding.verdict,
        cause=finding.cause,
        evidence=finding.evidence[:2000],
        duration_ms=finding.duration_ms,
    )
    return finding.changed


def refresh_credentials() -> None:
    """Renew what is due or what the next posts need, one at a time per credential."""
    now = timezone.now()
    refresh.sweep(now)
    ahead.renew_for_posts(now)
    Renewals().run()
    incidents.review()


def review_incidents() -> None:
    incidents.review()


def tidy() -> None:
    """Forget what is over: old checks, unfinished connections, hosts that are gone."""
    from publishing.tasks import tidy_pumps

    now = timezone.now()
    CheckResult.objects.filter(at__lt=now - KEEP).delete()
    RefreshAttempt.objects.filter(started_at__lt=now - KEEP).delete()
    PendingConnection.objects.filter(expires_at__lt=now).delete()
    # Hosts come and go; the clusters' own rows stay.
    old = now - timedelta(days=7)
    Heartbeat.objects.filter(name__contains="@", beat_at__lt=old).delete()
    tidy_pumps()
    breakers.tidy(now)


def handle_data_request(pk: int) -> None:
    """What a platform told of a person who left: done, and said in an incident."""
    concerned = data_requests.work(pk)
    if not concerned:
        return
    if DataRequest.objects.filter(pk=pk, kind=DataRequest.Kind.DELETION).exists():
        # The platform's words about the person's access.
        CheckResult.objects.filter(credential__in=concerned).delete()
        Incident.objects.filter(credential__in=concerned).update(detail="")
    incidents.review()


def follow_up() -> None:
    """Once more what a lost task or a silent platform left undone."""
    for pk in data_requests.open_requests():
        handle_data_request(pk)
    disconnect.revoke_due(timezone.now())


def remind_campaigns() -> None:
    """Ask for reconnects and remind; whoever is done hears no more."""
    campaigns.run(timezone.now())
