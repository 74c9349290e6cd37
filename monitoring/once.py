"""What a person has done on a post that is out leaves once, whatever happens on the way.

The intent is written and committed before the call (`Sent.take`). Nothing here repeats a
call that may have run: what became of a lost one, each kind finds out in its own way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts import limits
from accounts.hearing import Hearing, caller_of
from accounts.limits import Importance
from accounts.models import ConnectedAccount, Credential
from platforms.base import PlatformClient
from platforms.errors import (
    AmbiguousOutcome,
    AuthExpired,
    Cause,
    PlatformError,
    RateLimited,
    TransientError,
)
from publishing.models import InvalidTransition, StaleState
from publishing.settlement import says_little

from .asking import client_of, draws_of, need_of
from .figure_models import Sent

logger = logging.getLogger(__name__)

#: A run begins nothing new after so many seconds.
BOUND_S = 30.0
#: A definite refusal that may pass is met so often at most.
MAX_TRIES = 5
AGAIN_AFTER = timedelta(minutes=2)
LONGEST_WAIT = timedelta(hours=6)


@dataclass(frozen=True)
class Errand:
    """calls: as `PlatformClient.calls_of`. call: sends it; the id of what it made.
    settle: what came of it, an error or None, and the id. text: what it writes."""

    calls: Mapping[str, int]
    call: Callable[[PlatformClient], str]
    settle: Callable[[PlatformError | None, str], None]
    text: str = ""


def run(model: type[Sent], handle: Callable[[Any, Hearing], None]) -> int:
    """Hand over each row whose time has come; how many there were."""
    start, handled = time.monotonic(), 0
    rows: Any = model._default_manager
    due = rows.filter(next_at__lte=timezone.now()).order_by("next_at")
    hearing = Hearing()
    for pk in list(due.values_list("pk", flat=True)[:200]):
        if time.monotonic() - start > BOUND_S:
            break
        row = (
            rows.filter(pk=pk, next_at__lte=timezone.now())
            .select_related("delivery__account__credential__app")
            .first()
        )
        if row is None:
            continue
        as_it_was = rows.filter(pk=pk, state=row.state, tries=row.tries)
        try:
            handle(row, hearing)
        except (InvalidTransition, StaleState):
            continue  # another worker was first
        except DatabaseError:
            raise
        except Exception:
            # A broken one must not stop those behind it.
            logger.exception("%s %s", model.__name__.lower(), pk)
            # What was taken keeps the time at which it counts as lost.
            as_it_was.update(next_at=timezone.now() + AGAIN_AFTER)
        handled += 1
    return handled


def send(
    row: Sent,
    client: PlatformClient,
    errand: Errand,
    hearing: Hearing,
    now: datetime,
) -> None:
    """With room in the windows, past the breakers, and with its intent written."""
    account = row.delivery.account
    credential = account.credential
    assert credential is not None
    need = need_of(
        account,
        row.pk,
        draws_of(account, errand.calls, errand.text),
        Importance.REFRESH_AND_HEALTH,
    )
    with transaction.atomic():
        denied = limits.reserve([need], now)[row.pk]
    if denied:
        at = min(denied.opens_at or now + LONGEST_WAIT, now + LONGEST_WAIT)
        row.wait_more(max(at, now + AGAIN_AFTER), Cause.TOO_MANY_REQUESTS)
        return
    caller = caller_of(credential, account.platform)
    admission = hearing.admit(caller, now)
    if refusal := admission.refusal:
        limits.give_back([need], now)
        row.wait_more(max(refusal.retry_at, now + AGAIN_AFTER), refusal.cause)
        return
    try:
        row.take(now)
    except (InvalidTransition, StaleState):
        limits.give_back([need], now)
        raise
    error, number = in_time(row, client, errand.call, now)
    limits.count(client, credential, account, reserved=need, reserved_at=now)
    hearing.tell(caller, error, admission, timezone.now())
    errand.settle(error, number)


def barrier(account: ConnectedAccount) -> str:
    """Why nothing can be said there as this account; "": nothing stands in the way."""
    if account.disconnected_at is not None or account.credential is None:
        return Cause.ACCOUNT_GONE
    if not account.credential.is_active:
        return account.credential.cause or Cause.TOKEN_INVALID
    return ""


def in_time(
    row: Sent,
    client: PlatformClient,
    call: Callable[[PlatformClient], str],
    taken_at: datetime,
) -> tuple[PlatformError | None, str]:
    left = row.BEGIN_WITHIN - (timezone.now() - taken_at)
    # Asked once more when the call leaves: this process may stand still in between, and
    # somebody else have it when it goes on.
    client.http.change_until = time.monotonic() + left.total_seconds()
    if left < timedelta():
        return TransientError("not begun in time", cause=Cause.TIMED_OUT), ""
    try:
        return None, call(client)
    except PlatformError as error:
        return error, ""
    except Exception as exc:
        # A bug of ours after the call, perhaps: nobody knows.
        logger.exception("what a person sent")
        return AmbiguousOutcome(type(exc).__name__), ""


def is_lost(error: PlatformError) -> bool:
    """It may have run all the same."""
    return isinstance(error, AmbiguousOutcome) or says_little(error)


def settle_refusal(row: Sent, error: PlatformError) -> None:
    """A definite no: again later where that may help, else for good."""
    now = timezone.now()
    credential = row.delivery.account.credential
    assert credential is not None
    may_pass = isinstance(error, RateLimited | TransientError | AuthExpired)
    if not may_pass or row.tries >= MAX_TRIES:
        row.fail(error.cause, error.detail)
        return
    if isinstance(error, AuthExpired):
        Credential.objects.filter(pk=credential.pk).update(refresh_after=now)
    at = error.reset_at or now + timedelta(seconds=error.retry_after or 0)
    at = min(max(at, now + AGAIN_AFTER), now + LONGEST_WAIT)
    row.wait(at, error.cause, error.detail)


def client_for(row: Sent) -> PlatformClient:
    return client_of(row.delivery.account)
