"""Renewing credentials: one at a time each, the old token kept until the new is whole.

`begin` takes the lease in the database, `call` does the HTTP and touches no database,
`finish` stores what came of it. Whoever holds an older fence writes nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from platforms.base import PlatformClient, TokenSet
from platforms.errors import (
    AmbiguousOutcome,
    AuthRevoked,
    Outcome,
    PlatformError,
    TransientError,
)

from . import limits
from .models import Credential, RefreshAttempt

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)
#: waits between tries that proved nothing, in minutes
BACKOFF_MIN = (1, 2, 5, 15, 30, 60)


@dataclass(frozen=True)
class Ticket:
    """The right to renew one credential now."""

    credential_id: int
    fence: int
    attempt_id: int
    client: PlatformClient

    def call(self) -> TokenSet | PlatformError:
        """Ask the platform. HTTP only."""
        try:
            return self.client.refresh()
        except PlatformError as error:
            return error
        except Exception as exc:
            logger.exception("refresh of credential %s", self.credential_id)
            return TransientError(f"{type(exc).__name__}")


def begin(credential_id: int) -> Ticket | None:
    """Take the lease and re-read inside it; None when there is nothing to do."""
    now = timezone.now()
    with transaction.atomic():
        free = Q(refresh_lease_until=None) | Q(refresh_lease_until__lt=now)
        taken = (
            Credential.objects.filter(
                free,
                pk=credential_id,
                state=Credential.State.ACTIVE,
                refresh_after__lte=now,
            )
            .exclude(refresh_token="")
            .update(
                refresh_lease_until=now + LEASE, refresh_fence=F("refresh_fence") + 1
            )
        )
        if not taken:
            return None
        credential = Credential.objects.select_related("app").get(pk=credential_id)
        attempt = RefreshAttempt.objects.create(credential=credential)
    client = credential.app.client(credential.access())
    return Ticket(credential.pk, credential.refresh_fence, attempt.pk, client)


def finish(ticket: Ticket, result: TokenSet | PlatformError) -> bool:
    """Store the new tokens, or what hinders. True when the credential was renewed."""
    asked = Credential.objects.select_related("app").filter(pk=ticket.credential_id)
    if credential := asked.first():
        limits.count(ticket.client, credential)
    return _store(ticket, result)


def _store(ticket: Ticket, result: TokenSet | PlatformError) -> bool:
    now = timezone.now()
    with transaction.atomic():
        credential = (
            Credential.objects.select_for_update()
            .filter(pk=ticket.credential_id)
            .exclude(state=Credential.State.DISCONNECTED)
            .first()
        )
        if credential and credential.refresh_fence != ticket.fence:
            # Somebody else came after us. A granted token still counts as long as no
            # newer one is stored: the platform has ended the one that it replaces.
            used = ticket.client.access.refresh_token
            granted = isinstance(result, TokenSet)
            if not granted or credential.refresh_token != used:
                credential = None
        attempt = RefreshAttempt.objects.filter(pk=ticket.attempt_id)
        if isinstance(result, TokenSet):
            attempt.update(finished_at=now, outcome="renewed")
            if credential is None:
                return False
            credential.store(result, now=now)
            # Whoever asks with the former token right now may say nothing of this one.
            credential.refresh_fence += 1
            credential.save()
            return True
        attempt.update(
            finished_at=now,
            outcome=result.outcome,
            cause=result.cause,
            detail=result.detail,
        )
        if credential is None:
            return False
        credential.refresh_lease_until = None
        if result.outcome in {Outcome.AUTH_REVOKED, Outcome.AUTH_EXPIRED}:
            credential.save(update_fields=["refresh_lease_until"])
            credential.break_for(
                AuthRevoked(result.detail, cause=result.cause, status=result.status)
            )
            return False
        tries = credential.refresh_attempts.filter(
            started_at__gte=credential.issued_at or credential.connected_at
        ).count()
        wait = timedelta(minutes=BACKOFF_MIN[min(tries, len(BACKOFF_MIN)) - 1])
        if result.retry_after:
            wait = max(wait, timedelta(seconds=result.retry_after))
        credential.refresh_after = now + wait
        credential.save(update_fields=["refresh_lease_until", "refresh_after"])
        if isinstance(result, AmbiguousOutcome):
            # The answer may have carried a rotated token that we shall never see: the
            # next look tells whether the stored one still works.
            credential.next_proof_at = now
            credential.save(update_fields=["next_proof_at"])
        return False


def refresh(credential_id: int) -> bool:
    """Begin, call and finish in one go. True when it was renewed."""
    ticket = begin(credential_id)
    return finish(ticket, ticket.call()) if ticket else False
