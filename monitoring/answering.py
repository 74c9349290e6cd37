"""Answers to comments leave once, whatever happens on the way.

The intent is written and committed before the call. An answer that was lost is looked
for among the comments; where it is not found, a person decides. Nothing here repeats a
call that may have run.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import limits
from accounts.causes import explain
from accounts.hearing import Hearing
from accounts.models import ConnectedAccount
from platforms.base import After, Comment, PlatformClient
from platforms.errors import Cause, PlatformError
from publishing import stops

from . import once
from .asking import client_of
from .figure_models import Answer, Sent
from .once import AGAIN_AFTER

logger = logging.getLogger(__name__)

State = Answer.State
#: Pages of comments that are looked through for a lost answer.
LOOK_PAGES = 5
#: What two clocks may differ without a word.
CLOCK_SLACK = timedelta(minutes=2)


def run() -> int:
    """Send what waits, look for what was lost; how many were handled."""
    return once.run(Answer, lambda row, hearing: _handle(row, hearing))


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
    if barrier := _barrier(row.delivery.account):
        row.wait_more(now + AGAIN_AFTER, barrier)
        return
    client = once.client_for(row)
    errand = once.Errand(
        client.calls_of(After.ANSWER),
        lambda client: client.reply(row.comment_id, row.text),
        lambda error, number: _settle(row, error, number),
        row.text,
    )
    once.send(row, client, errand, hearing, now)


def _barrier(account: ConnectedAccount) -> str:
    """Why nothing may go out for it just now; "": nothing stands in the way."""
    if stops.covering(account, stops.active()):
        return "stopped"
    return once.barrier(account)


def _settle(row: Answer, error: PlatformError | None, number: str) -> None:
    if error is None:
        row.went_out(number[:300])
    elif once.is_lost(error):
        looks = row.delivery.account.spec.look_after_s
        at = timezone.now() + timedelta(seconds=looks[-1])
        row.doubt(error.cause, error.detail, at)
    else:
        once.settle_refusal(row, error)


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


def why(row: Sent) -> str:
    """In words, what stands in its way; "": nothing."""
    if row.cause == "stopped":
        return _("Publishing is stopped")
    return str(explain(row.cause).head) if row.cause else ""
