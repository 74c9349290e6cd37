"""Answers to comments leave once, whatever happens on the way.

The intent is written and committed before the call. An answer that was lost is looked
for among the comments; where it is not found, a person decides. Nothing here repeats a
call that may have run.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import limits
from accounts.causes import explain
from accounts.hearing import Hearing, caller_of
from accounts.limits import Importance
from accounts.models import ConnectedAccount, Credential
from platforms.base import After, Comment, PlatformClient
from platforms.errors import (
    AmbiguousOutcome,
    AuthExpired,
    Cause,
    PlatformError,
    RateLimited,
    TransientError,
)
from publishing import stops
from publishing.models import InvalidTransition, StaleState
from publishing.settlement import says_little

from .collecting import client_of, draws_of, need_of
from .figure_models import Answer

logger = logging.getLogger(__name__)

State = Answer.State
#: A run begins nothing new after so many seconds.
BOUND_S = 30.0
#: A definite refusal that may pass is met so often at most.
MAX_TRIES = 5
AGAIN_AFTER = timedelta(minutes=2)
LONGEST_WAIT = timedelta(hours=6)
#: Pages of comments that are looked through for a lost answer.
LOOK_PAGES = 5
#: What two clocks may differ without a word.
CLOCK_SLACK = timedelta(minutes=2)


def run() -> int:
    """Send what waits, look for what was lost; how many were handled."""
    start, handled = time.monotonic(), 0
    due = Answer.objects.filter(next_at__lte=timezone.now()).order_by("next_at")
    hearing = Hearing()
    for pk in list(due.values_list("pk", flat=True)[:200]):
        if time.monotonic() - start > BOUND_S:
            break
        row = (
            Answer.objects.filter(pk=pk, next_at__lte=timezone.now())
            .select_related("delivery__account__credential__app")
            .first()
        )
        if row is None:
            continue
        as_it_was = Answer.objects.filter(pk=pk, state=row.state, tries=row.tries)
        try:
            _handle(row, hearing)
        except (InvalidTransition, StaleState):
            continue  # another worker was first
        except DatabaseError:
            raise
        except Exception:
            # One broken answer must not stop those behind it.
            logger.exception("answer %s", pk)
            # What was taken keeps the time at which it counts as lost.
            as_it_was.update(next_at=timezone.now() + AGAIN_AFTER)
        handled += 1
    return handled


def _handle(row: Answer, hearing: Hearing) -> None:
    now = timezone.now()
    if row.state == State.WAITING:
        _send(row, hearing, now)
    elif row.state == State.SENDING:
        # Its worker is gone, and may have sent it.
        row.doubt(Cause.ANSWER_LOST, "", now)
    elif row.state == State.UNCERTAIN:
        _look(row, now)


# ---------------------------------------------------------------- sending


def _send(row: Answer, hearing: Hearing, now: datetime) -> None:
    account = row.delivery.account
    if barrier := _barrier(account):
        row.wait_more(now + AGAIN_AFTER, barrier)
        return
    credential = account.credential
    assert credential is not None
    client = client_of(account)
    calls = client.calls_of(After.ANSWER)
    need = need_of(
        account,
        row.pk,
        draws_of(account, calls, row.text),
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
    error, number = _reply(row, client, now)
    limits.count(client, credential, account, reserved=need, reserved_at=now)
    hearing.tell(caller, error, admission, timezone.now())
    _settle(row, credential, number, error)


def _barrier(account: ConnectedAccount) -> str:
    """Why nothing may go out for it just now; "": nothing stands in the way."""
    if account.disconnected_at is not None or account.credential is None:
        return Cause.ACCOUNT_GONE
    if stops.covering(account, stops.active()):
        return "stopped"
    if not account.credential.is_active:
        return account.credential.cause or Cause.TOKEN_INVALID
    return ""


def _reply(
    row: Answer, client: PlatformClient, taken_at: datetime
) -> tuple[PlatformError | None, str]:
    left = Answer.BEGIN_WITHIN - (timezone.now() - taken_at)
    # Asked once more when the call leaves: this process may stand still in between, and
    # somebody else have it when it goes on.
    client.http.change_until = time.monotonic() + left.total_seconds()
    if left < timedelta():
        return TransientError("not begun in time", cause=Cause.TIMED_OUT), ""
    try:
        return None, client.reply(row.comment_id, row.text)
    except PlatformError as error:
        return error, ""
    except Exception as exc:
        # A bug of ours after the call, perhaps: nobody knows.
        logger.exception("an answer")
        return AmbiguousOutcome(type(exc).__name__), ""


def _settle(
    row: Answer, credential: Credential, number: str, error: PlatformError | None
) -> None:
    now = timezone.now()
    if error is None:
        row.went_out(number[:300])
    elif isinstance(error, AmbiguousOutcome) or says_little(error):
        looks = row.delivery.account.spec.look_after_s
        row.doubt(error.cause, error.detail, now + timedelta(seconds=looks[-1]))
    elif isinstance(error, RateLimited | TransientError | AuthExpired) and (
        row.tries < MAX_TRIES
    ):
        if isinstance(error, AuthExpired):
            Credential.objects.filter(pk=credential.pk).update(refresh_after=now)
        wait = timedelta(seconds=error.retry_after or 0)
        at = error.reset_at or now + wait
        at = min(max(at, now + AGAIN_AFTER), now + LONGEST_WAIT)
        row.wait(at, error.cause, error.detail)
    else:
        row.fail(error.cause, error.detail)


# ---------------------------------------------------------------- looking


def _look(row: Answer, now: datetime) -> None:
    """Is it among the comments? Where it is not, that proves nothing: a person looks."""
    account = row.delivery.account
    found = None
    if not _barrier(account):
        client = client_of(account)
        try:
            found = _find(row, client)
        except PlatformError as error:
            logger.info("look for answer %s: %s", row.pk, error)
        except NotImplementedError:
            logger.info("%s lists no comments: a person looks", account.platform)
        except DatabaseError:
            raise
        except Exception:
            # A person can still tell: it must not wait for a mended program.
            logger.exception("look for answer %s", row.pk)
        credential = account.credential
        assert credential is not None
        limits.count(client, credential, account)
    if found is not None:
        row.went_out(found.external_id)
    else:
        row.doubt(row.cause, row.detail, None)


def _find(row: Answer, client: PlatformClient) -> Comment | None:
    account = row.delivery.account
    place = row.comment_id if client.spec.answers_apart else row.delivery.external_id
    others = set(
        Answer.objects.filter(delivery=row.delivery_id)
        .exclude(pk=row.pk)
        .values_list("external_id", flat=True)
    )
    after = ""
    for _page in range(LOOK_PAGES):
        page = client.comments(place, after)
        for one in page.comments:
            if one.external_id not in others and _is_it(row, one, account):
                return one
        after = page.after
        if not after:
            break
    return None


def _is_it(row: Answer, one: Comment, account: ConnectedAccount) -> bool:
    """Ours by words, place, time, and by name where one is told."""
    words, wanted = " ".join(one.text.split()), " ".join(row.text.split())
    sent_at = row.sent_at or row.created_at
    names = {account.handle.lstrip("@"), account.name, ""}
    return (
        # Some platforms put the name of whom it answers before it.
        words.endswith(wanted)
        and one.parent_id == row.comment_id
        and one.author.lstrip("@") in names
        and (one.published_at is None or one.published_at >= sent_at - CLOCK_SLACK)
    )


def why(row: Answer) -> str:
    """In words, what stands in its way; "": nothing."""
    if row.cause == "stopped":
        return _("Publishing is stopped")
    return str(explain(row.cause).head) if row.cause else ""
