"""Renewing credentials: one at a time each, the old token kept until the new is whole.

`begin` takes the lease in the database, `call` does the HTTP and touches no database,
`finish` stores what came of it. Whoever holds an older fence writes nothing.

Where a renewal ends the token that it was made with, an answer that nobody stored is a
loss: the process may die between the platform's answer and our commit. The attempt was
stored before the call, so `sweep` finds it unfinished and has the stored token tried
again at once: some platforms give the same successor for a while (Bluesky: two hours),
others refuse it, and then a person is told what happened (Cause.ROTATION_LOST).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.utils import InterfaceError
from django.utils import timezone

from platforms.base import PlatformClient, TokenSet
from platforms.errors import (
    ABOUT_ACCESS,
    AmbiguousOutcome,
    AuthRevoked,
    Cause,
    Outcome,
    PlatformError,
)

from . import limits
from .errands import Errand, alone, asking
from .fixed_query import SAMPLE_TIME, FixedQuery
from .hearing import Hearing, caller_of
from .models import Credential, RefreshAttempt

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)
#: Waits between tries that proved nothing double from the first to the longest.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
#: A platform's own word is followed for so long at most: tokens that renew themselves
#: have a week left, and longer windows of renewals there are none.
LONGEST_WORD = timedelta(days=1)
#: Outcome of an attempt whose process died before it stored the answer.
LOST = "lost"
#: The platform may have done it although we got no answer that we could use. What never
#: left this machine has an outcome of its own (PLATFORM_DOWN): as a transient error,
#: "unreachable" is a line that was cut after the request.
UNANSWERED = {
    Cause.TIMED_OUT,
    Cause.UNREACHABLE,
    Cause.ANSWER_LOST,
    Cause.ANSWER_UNREADABLE,
    # As a transient error, it is what `asking` calls a bug of ours after the answer.
    Cause.UNKNOWN_REFUSAL,
}
#: The platform says no more than no: there the time that the permission had tells.
NO_REASON = {Cause.REFRESH_REFUSED, Cause.TOKEN_INVALID}
#: The permission to renew is gone, which says nothing of the access token.
OF_RENEWAL = NO_REASON | {Cause.TOKEN_EXPIRED, Cause.ROTATION_LOST}
#: What was refused is tried again after so long.
REFUSED_AGAIN = timedelta(days=1)
#: What a renewal of something broken leaves as it is.
JUDGED = ("state", "cause", "detail", "broken_at", "next_proof_at")
#: Seconds between tries to store new tokens in a database that does not answer: what
#: is not stored is lost, so this waits longer than anything else would.
STORE_AGAIN_S = (0.5, 1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Ticket:
    """The right to renew one credential now."""

    credential_id: int
    fence: int
    attempt_id: int
    client: PlatformClient
    #: the access token was refused just now: with its renewal all is over
    is_last: bool = False

    def call(self) -> TokenSet | PlatformError:
        """Ask the platform. HTTP only."""
        return asking(self.client.refresh)()


def begin(
    credential_id: int, *, even_broken: bool = False, is_last: bool = False
) -> Ticket | None:
    """Take the lease and re-read inside it; None when there is nothing to do.

    even_broken: for a look at what may have mended itself (a suspension that is over).
    is_last: as the ticket has it.
    """
    now = timezone.now()
    states = [Credential.State.ACTIVE]
    if even_broken:
        states.append(Credential.State.BROKEN)
    with transaction.atomic():
        free = Q(refresh_lease_until=None) | Q(refresh_lease_until__lt=now)
        taken = (
            Credential.objects.filter(
                free,
                pk=credential_id,
                state__in=states,
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
    fence = credential.refresh_fence
    return Ticket(credential.pk, fence, attempt.pk, client, is_last)


def finish(ticket: Ticket, result: TokenSet | PlatformError) -> bool:
    """Store the new tokens, or what hinders. True when the credential was renewed."""
    renewed = _store(ticket, result)
    asked = Credential.objects.select_related("app").filter(pk=ticket.credential_id)
    if credential := asked.first():
        limits.count(ticket.client, credential)
    return renewed


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
                _leave_to_revocation(ticket, result, now)
                return False
            found = {name: getattr(credential, name) for name in JUDGED}
            credential.store(result, now=now)
            is_broken = found["state"] == Credential.State.BROKEN
            # These are what was taken for lost, where that is what broke it.
            if is_broken and found["cause"] != Cause.ROTATION_LOST:
                # What broke it is for the look to judge, which asked for this.
                for name, value in found.items():
                    setattr(credential, name, value)
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
        if result.ends_access:
            credential.save(update_fields=["refresh_lease_until"])
            ending = _ending(credential, result)
            if ending.cause in OF_RENEWAL and credential.outlives_renewal(now):
                credential.lose_renewal(now, _jittered(REFUSED_AGAIN))
                if not ticket.is_last:
                    return False
            credential.break_for(ending)
            return False
        credential.refresh_after = now + _wait(credential, result.retry_after)
        credential.save(update_fields=["refresh_lease_until", "refresh_after"])
        if isinstance(result, AmbiguousOutcome):
            # The answer may have carried a rotated token that we shall never see: the
            # next look tells whether the stored one still works.
            credential.next_proof_at = now
            credential.save(update_fields=["next_proof_at"])
        return False


def _leave_to_revocation(ticket: Ticket, tokens: TokenSet, now: datetime) -> None:
    """The person disconnected meanwhile: what the platform was told of was the token that
    these replaced, and they live on there."""
    gone = Credential.objects.filter(
        pk=ticket.credential_id, state=Credential.State.DISCONNECTED, parent=None
    ).first()
    if gone is not None:
        gone.access_token = tokens.access_token
        gone.refresh_token = tokens.refresh_token or gone.refresh_token
        gone.revoke_after, gone.revoke_tries = now, 0
        gone.save(
            update_fields=[
                "access_token",
                "refresh_token",
                "revoke_after",
                "revoke_tries",
            ]
        )


def _ending(credential: Credential, refusal: PlatformError) -> PlatformError:
    """What the refusal of a renewal means: the grant is over, or the account is at
    fault (suspended), which the grant outlives."""
    if refusal.outcome not in {Outcome.AUTH_REVOKED, Outcome.AUTH_EXPIRED}:
        return refusal
    cause = Cause.ROTATION_LOST if _was_lost(credential) else refusal.cause
    end = credential.refresh_expires_at
    if cause in NO_REASON and end is not None and end <= timezone.now():
        cause = Cause.TOKEN_EXPIRED
    return AuthRevoked(refusal.detail, cause=cause, status=refusal.status)


def _tries(credential: Credential) -> QuerySet[RefreshAttempt]:
    """Since the tokens that are stored came."""
    since = credential.issued_at or credential.connected_at
    return credential.refresh_attempts.filter(started_at__gte=since)


def was_refused(credential: Credential) -> bool:
    """A try to renew the stored tokens met a definite no."""
    return _tries(credential).filter(outcome__in=ABOUT_ACCESS).exists()


def _wait(credential: Credential, retry_after: float | None) -> timedelta:
    """Doubling and jittered; not before the platform's own word, which counts a day."""
    tries = min(_tries(credential).count(), 20)
    base = min(FIRST_WAIT * 2 ** max(tries - 1, 0), LONGEST_WAIT)
    word = timedelta(seconds=retry_after or 0)
    return max(_jittered(base), min(word, LONGEST_WORD))


def _jittered(wait: timedelta) -> timedelta:
    return wait * random.uniform(0.8, 1.2)  # noqa: S311


def _was_lost(credential: Credential) -> bool:
    """An earlier try may have rotated the token that was just refused."""
    if not credential.app.spec.renewal_rotates:
        return False
    unknown = Q(outcome__in=[LOST, Outcome.AMBIGUOUS]) | Q(
        outcome=Outcome.TRANSIENT, cause__in=UNANSWERED
    )
    return _tries(credential).filter(unknown).exists()


def errand(
    credential_id: int,
    *,
    even_broken: bool = False,
    is_last: bool = False,
    heard: Callable[[PlatformError | None], None] | None = None,
) -> Errand[bool]:
    """Begin, call and finish. True when it was renewed.

    even_broken, is_last: as for `begin`. heard: gets what the platform refused, None for nothing, when it was asked.
    """
    ticket = begin(credential_id, even_broken=even_broken, is_last=is_last)
    if ticket is None:
        return False
    [result] = yield [ticket.call]
    renewed = _surely(lambda: finish(ticket, result))
    if heard:
        heard(result if isinstance(result, PlatformError) else None)
    return renewed


def scheduled(credential: Credential, hearing: Hearing) -> Errand[bool]:
    """The same for a renewal that may wait: where a breaker is open it does."""
    now = timezone.now()
    caller = caller_of(credential)
    admission = hearing.admit(caller, now)
    if refusal := admission.refusal:
        at = max(refusal.retry_at, now + FIRST_WAIT)
        Credential.objects.filter(pk=credential.pk).update(
            refresh_after=min(at, now + LONGEST_WAIT)
        )
        return False
    ticket = begin(credential.pk)
    if ticket is None:
        return False
    [result] = yield [ticket.call]
    renewed = _surely(lambda: finish(ticket, result))
    error = result if isinstance(result, PlatformError) else None
    hearing.tell(caller, error, admission, timezone.now())
    return renewed


def _surely(store: Callable[[], bool]) -> bool:
    for wait in STORE_AGAIN_S:
        try:
            return store()
        except (OperationalError, InterfaceError):
            logger.warning("the database does not answer; new tokens wait")
            connection.close()
            time.sleep(wait)
    return store()


def refresh(credential_id: int) -> bool:
    """Begin, call and finish in one go. True when it was renewed."""
    return alone(errand(credential_id))


_left_unfinished = FixedQuery(
    lambda before: (
        RefreshAttempt.objects.unfinished()
        .filter(started_at__lt=before)
        .values_list("pk")[:1]
    ),
    SAMPLE_TIME,
)


def sweep(now: datetime) -> int:
    """Close the tries whose process died, and have what they leave behind looked into.

    The stored refresh token is tried again at once, and not when the access token ends:
    a platform that gives the same successor does so for a short while only, and where
    the token is dead a person should hear of it while there is time. Who only stood
    still and comes back may store its tokens as long as nobody else has.
    """
    if not _left_unfinished.rows(now - LEASE):
        return 0
    open_tries = RefreshAttempt.objects.unfinished().filter(started_at__lt=now - LEASE)
    count = 0
    for attempt in open_tries.select_related("credential__app")[:500]:
        with transaction.atomic():
            closed = RefreshAttempt.objects.filter(pk=attempt.pk, finished_at=None)
            if not closed.update(
                finished_at=now, outcome=LOST, cause=Cause.ANSWER_LOST
            ):
                continue
            count += 1
            Credential.objects.filter(
                Q(issued_at=None) | Q(issued_at__lt=attempt.started_at),
                Q(refresh_lease_until=None) | Q(refresh_lease_until__lte=now),
                pk=attempt.credential_id,
                state=Credential.State.ACTIVE,
            ).update(refresh_lease_until=None, refresh_after=now, next_proof_at=now)
            logger.warning(
                "a renewal of credential %s was interrupted", attempt.credential_id
            )
    return count
