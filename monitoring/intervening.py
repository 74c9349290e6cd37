"""Posts are taken down, comments hidden or deleted, and captions added, where a person
wants it so.

Each call may run twice without harm, so after a lost answer the platform is read: is it
gone, is it hidden? Where it is not, or cannot be told, the call leaves again, and after
some tries a person says what became of it. An emergency stop holds none of this back:
taking something down is what people want then.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts import limits
from accounts.hearing import Hearing
from accounts.models import AuditEvent
from platforms import captions, parts, without
from platforms.base import After, MediaFile, PlatformClient
from platforms.errors import (
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
)
from publishing.models import Delivery, draft_from

from . import once
from .figure_models import Intervention, PostComment, Watch
from .once import AGAIN_AFTER, MAX_TRIES

logger = logging.getLogger(__name__)

Kind, State = Intervention.Kind, Intervention.State
#: Pages of comments that are looked through for what became of one.
LOOK_PAGES = 5


def run() -> int:
    """Send what waits, look for what was lost; how many were handled."""
    return once.run(Intervention, lambda row, hearing: _handle(row, hearing))


def _handle(row: Intervention, hearing: Hearing) -> None:
    now = timezone.now()
    if barrier := once.barrier(row.delivery.account):
        if row.state == State.WAITING:
            row.wait_more(now + AGAIN_AFTER, barrier)
        else:
            row.doubt(barrier, row.detail, now + AGAIN_AFTER)
    elif row.state == State.WAITING:
        _send(row, hearing, now)
    elif row.state == State.SENDING:
        # Its worker is gone, and may have sent it.
        row.doubt(Cause.ANSWER_LOST, "", now)
    elif row.state == State.UNCERTAIN:
        _look(row, now)


def ids_of(delivery: Delivery) -> list[str]:
    """What has to go so that nothing of it is left, in order: what replies goes first.

    A first comment of its own kind goes with its post.
    """
    spec = delivery.account.spec
    out = parts.out(delivery.witness) if spec.thread else ()
    after = [part.external_id for part in reversed(out)]
    parts_of_it = dict.fromkeys(n for n in after if n != delivery.external_id)
    return [*parts_of_it, delivery.external_id]


def _send(row: Intervention, hearing: Hearing, now: datetime) -> None:
    client = once.client_for(row)
    errand = once.Errand(
        _calls(row, client),
        lambda client: _call(row, client),
        lambda error, _number: _settle(row, error),
    )
    once.send(row, client, errand, hearing, now)


def _calls(row: Intervention, client: PlatformClient) -> dict[str, int]:
    if row.kind == Kind.ADD_CAPTIONS:
        return dict(client.calls_of_captions(len(captions_left(row.delivery))))
    times = len(_left(row)) if row.kind == Kind.DELETE_POST else 1
    calls = client.calls_of(Intervention.AFTER[row.kind])
    return {key: count * times for key, count in calls.items()}


def captions_left(delivery: Delivery) -> list[MediaFile]:
    """Those that did not go along with a post, and were not added since."""
    tried = Intervention.objects.filter(delivery=delivery, kind=Kind.ADD_CAPTIONS)
    added = {one for done in tried.values_list("done_ids", flat=True) for one in done}
    wanted = {
        left.language
        for left in parts.left_out(delivery.witness)
        if left.what == without.CAPTIONS
    }
    if not wanted - added:
        return []
    files = draft_from(delivery.draft).captions
    return [file for file in files if file.language in wanted - added]


def _add_captions(row: Intervention, client: PlatformClient) -> None:
    for file in captions_left(row.delivery):
        try:
            said = captions.as_sent(file, client.spec)
        except FileNotFoundError as exc:
            raise InvalidContent(str(exc), cause=Cause.MEDIA_REFUSED) from exc
        try:
            client.add_captions(row.delivery.external_id, said, file.language)
        except DuplicateContent:
            logger.info("captions (%s) are there already", file.language)
        row.note_done(file.language)


def _left(row: Intervention) -> list[str]:
    return [one for one in ids_of(row.delivery) if one not in row.done_ids]


def _call(row: Intervention, client: PlatformClient) -> str:
    try:
        if row.kind == Kind.DELETE_POST:
            for number in _left(row):
                client.delete_post(number)
                row.note_done(number)
        elif row.kind == Kind.DELETE_COMMENT:
            client.delete_comment(row.comment_id)
        elif row.kind == Kind.ADD_CAPTIONS:
            _add_captions(row, client)
        else:
            client.set_hidden(row.comment_id, row.kind == Kind.HIDE)
    except NotImplementedError as exc:
        # Of some posts no id is known that could be named.
        raise PermissionMissing(str(exc), cause=Cause.NOT_ALLOWED) from exc
    return ""


def _settle(row: Intervention, error: PlatformError | None) -> None:
    if error is None:
        done(row)
    elif once.is_lost(error):
        looks = row.delivery.account.spec.look_after_s
        at = timezone.now() + timedelta(seconds=looks[-1])
        row.doubt(error.cause, error.detail, at)
    else:
        once.settle_refusal(row, error)


def done(row: Intervention, *, seen_by_person: bool = False) -> None:
    """It is so at the platform: what hangs on it here is brought into line."""
    now = timezone.now()
    comments = PostComment.objects.filter(delivery=row.delivery_id)
    one = comments.filter(external_id=row.comment_id)
    with transaction.atomic():
        if seen_by_person:
            row.confirm_there()
        else:
            row.went_out("")
        Intervention.objects.filter(pk=row.pk).update(done_at=now)
        row.done_at = now
        if row.kind == Kind.DELETE_POST:
            out = Delivery.objects.filter(pk=row.delivery_id, taken_down_at=None)
            out.update(taken_down_at=now)
            watch = Watch.objects.filter(delivery=row.delivery_id)
            watch.update(gone_at=now, next_at=None)
        elif row.kind == Kind.ADD_CAPTIONS:
            for file in captions_left(row.delivery):
                row.note_done(file.language)
        elif row.kind == Kind.DELETE_COMMENT:
            one.delete()
            comments.filter(parent_id=row.comment_id).delete()
        elif row.kind in (Kind.HIDE, Kind.SHOW):
            one.update(is_hidden=row.kind == Kind.HIDE)
        AuditEvent.write(row.author, f"delivery.{row.kind}_done", row.delivery)


# ---------------------------------------------------------------- looking


def _look(row: Intervention, now: datetime) -> None:
    client = once.client_for(row)
    is_so: bool | None = None
    try:
        is_so = _is_so(row, client)
    except PlatformError as error:
        logger.info("look for %s: %s", row, error)
    except NotImplementedError:
        logger.info("%s cannot tell of %s", row.delivery.account.platform, row)
    except DatabaseError:
        raise
    except Exception:
        # The call itself may be repeated, so that nothing waits for a mended program.
        logger.exception("look for %s", row)
    credential = row.delivery.account.credential
    assert credential is not None
    limits.count(client, credential, row.delivery.account)
    if is_so:
        done(row)
    elif row.tries < MAX_TRIES:
        row.wait(now, row.cause, row.detail)
    else:
        row.doubt(row.cause, row.detail, None)


def _is_so(row: Intervention, client: PlatformClient) -> bool | None:
    """None: the platform does not tell."""
    if row.kind == Kind.DELETE_POST:
        return all(_is_gone(number, client) for number in _left(row))
    if row.kind == Kind.ADD_CAPTIONS:
        wanted = {file.language for file in captions_left(row.delivery)}
        return wanted <= set(client.captions(row.delivery.external_id))
    if row.kind in (Kind.HIDE, Kind.SHOW) and client.spec.hides_silently:
        return None
    after = ""
    for _page in range(LOOK_PAGES):
        page = client.comments(row.delivery.external_id, after)
        for one in page.comments:
            if one.external_id == row.comment_id:
                if row.kind == Kind.DELETE_COMMENT:
                    return False
                return one.hidden is (row.kind == Kind.HIDE)
        after = page.after
        if not after:
            # With answers listed elsewhere, one of them is in no list that was read.
            whole = not client.spec.answers_apart
            return row.kind == Kind.DELETE_COMMENT if whole else None
    return None


def _is_gone(number: str, client: PlatformClient) -> bool:
    if not client.calls_of(After.FIGURES):
        return False
    try:
        client.figures(number)
    except NotFound as error:
        return error.cause == Cause.NOT_THERE
    return False
