"""Reading what became of posts that are out: figures and comments, side by side.

Only with what the window's scheduled posts will not need (`Importance.FIGURES`), in
another cluster than publishing, and seldomer the older a post is (`CADENCE`). A batch
takes its room in one transaction. What is not told is never taken for zero: a missing
permission, no data yet, and a post that is gone are three different things.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.errands import asking
from accounts.models import ConnectedAccount
from platforms import parts, registry
from platforms.base import (
    After,
    Comment,
    Figure,
    Figures,
    PlatformClient,
    is_id,
)
from platforms.errors import Cause, NotFound, PermissionMissing, PlatformError
from publishing.models import Delivery

from .asking import (
    LONGEST_WAIT,
    Asking,
    Reading,
    client_of,
    credential_of,
    draws_of,
    missing_scopes,
    need_of,
    next_try,
)
from .figure_models import (
    CADENCE,
    VOTERS,
    VOTES,
    MetricSnapshot,
    PostComment,
    Watch,
    next_reading,
)

logger = logging.getLogger(__name__)

#: New deliveries that are taken up at a time.
TAKE_UP = 2_000
#: Pages of comments that are read of one post at a time.
MAX_PAGES = 3
#: Comments that are kept of one post: the newest.
MAX_COMMENTS = 500


def take_up(now: datetime) -> int:
    """Watch what was published since the last time. Two statements; safe to run twice."""
    since = now - CADENCE[-1]
    fresh = Delivery.objects.filter(
        status=Delivery.Status.PUBLISHED, published_at__gt=since, watch=None
    ).exclude(external_id="")
    rows = [
        Watch(delivery_id=pk, next_at=next_reading(at, now))
        for pk, at, number in fresh.order_by("pk").values_list(
            "pk", "published_at", "external_id"
        )[:TAKE_UP]
        # Of some nobody has told us the platform's own id.
        if at is not None and is_id(number)
    ]
    Watch.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


@dataclass(frozen=True)
class Told:
    """What one reading came to. None: not asked.

    figures: or why there are none. more: there are older comments than these.
    """

    figures: Figures | PlatformError
    comments: Sequence[Comment] | PlatformError | None = None


@dataclass(eq=False)
class PostReading(Reading):
    """The figures of one post, and the comments below it."""

    asks: frozenset[After]
    #: how many comments there were at the last reading; None: not known
    counted: int | None

    def call(self) -> Told:
        number = self.row.delivery.external_id
        figures = _asked(lambda: self.client.figures(number))
        if not isinstance(figures, Figures) or After.COMMENTS not in self.asks:
            return Told(figures)
        if figures.values.get(Figure.COMMENTS, -1) == self.counted:
            return Told(figures)  # nobody has written since
        return Told(figures, _asked(self._comments))

    def _comments(self) -> Sequence[Comment]:
        found: list[Comment] = []
        after = ""
        for _ in range(MAX_PAGES):
            page = self.client.comments(self.row.delivery.external_id, after)
            found += page.comments
            after = page.after
            if not after:
                break
        return found

    def error_of(self, told: Told) -> PlatformError | None:
        return told.figures if isinstance(told.figures, PlatformError) else None


def _asked(call: Any) -> Any:
    """The call, with a refusal as its result. Of some posts no id is known that figures
    could be asked with (`NotImplementedError`): there are none."""

    def ask() -> Any:
        try:
            return call()
        except NotImplementedError:
            return Figures({}, timezone.now())

    return asking(ask)()


class Collecting(Asking):
    """Posts that are out, the longest due first."""

    model, road, beside = Watch, "delivery__account", ("delivery__post",)

    def account(self, row: Watch) -> ConnectedAccount:
        return row.delivery.account

    def may_ask(self, row: Watch, now: datetime) -> bool:
        return _may_ask(row, now)

    def readings(self, rows: Sequence[Watch], now: datetime) -> list[PostReading]:
        counted = _counted(rows)
        return [_reading(row, counted.get(row.pk), now) for row in rows]

    def put_off(self, row: Watch, at: datetime, now: datetime) -> None:
        _put_off(row, at, now)

    def keep(self, reading: PostReading, told: Told, now: datetime) -> None:
        keep(reading.row, told, now)


def _may_ask(row: Watch, now: datetime) -> bool:
    """Whether there is anything to ask, and somebody to ask as; else it is put off."""
    account, credential = row.delivery.account, credential_of(row.delivery.account)
    if account.disconnected_at is not None or not credential.is_active:
        _put_off(row, now + LONGEST_WAIT, now)
        return False
    client = client_of(account)
    kind, extra = account.kind, client.access.extra
    if client.spec.why_not(After.FIGURES, kind, extra):
        Watch.objects.filter(pk=row.pk).update(next_at=None)
        return False
    if missing := missing_scopes(account, client, After.FIGURES):
        _store(row, now, Watch.State.MISSING, Cause.SCOPE_MISSING, missing)
        # Nobody was asked, so a reconnect may be waited for at no cost.
        _put_off(row, now + LONGEST_WAIT, now)
        return False
    return True


def _reading(row: Watch, counted: int | None, now: datetime) -> PostReading:
    account = row.delivery.account
    client = client_of(account)
    asks = {After.FIGURES}
    calls = dict(client.calls_of(After.FIGURES))
    if wants_comments(row, client, now):
        asks.add(After.COMMENTS)
        for key, times in client.calls_of(After.COMMENTS).items():
            calls[key] = calls.get(key, 0) + times * MAX_PAGES
    need = need_of(account, row.pk, draws_of(account, calls))
    return PostReading(row, account, client, need, now, frozenset(asks), counted)


def wants_comments(row: Watch, client: PlatformClient, now: datetime) -> bool:
    account, spec = row.delivery.account, client.spec
    if spec.why_not(After.COMMENTS, account.kind, client.access.extra):
        return False
    missing = missing_scopes(account, client, After.COMMENTS)[:200]
    if missing != row.comments_missing:
        Watch.objects.filter(pk=row.pk).update(comments_missing=missing)
        row.comments_missing = missing
    published_at = row.delivery.published_at
    too_old = (
        spec.comments_for is not None
        and published_at is not None
        and now - published_at > spec.comments_for
    )
    return not missing and not too_old


def _counted(rows: Sequence[Watch]) -> dict[int, int]:
    """By watch how many comments there were when comments were read last. One query.

    Without those of platforms whose comments we may keep for a short time only.
    """
    known = {
        row.delivery_id: row
        for row in rows
        if row.comments_read_at is not None
        and registry.spec(row.delivery.account.platform).comments_kept is None
    }
    if not known:
        return {}
    found: dict[int, int] = {}
    for snapshot in MetricSnapshot.objects.filter(delivery__in=known).order_by("at"):
        row, count = known[snapshot.delivery_id], snapshot.value(Figure.COMMENTS)
        read_at = row.comments_read_at
        if count is not None and read_at is not None and snapshot.at <= read_at:
            found[row.pk] = count
    return found


# ---------------------------------------------------------------- what became of it


def keep(row: Watch, told: Told, now: datetime) -> None:
    """Write down what a reading told, and when the next one comes."""
    figures = told.figures
    if isinstance(figures, Figures):
        values = _values(figures)
        state = Watch.State.TOLD if values else Watch.State.NO_DATA
        with transaction.atomic():
            if values:
                MetricSnapshot.objects.create(
                    delivery_id=row.delivery_id, at=now, values=values
                )
            if told.comments is not None:
                _keep_comments(row, told.comments, now)
            _store(row, now, state, gone_at=None)
        return
    if isinstance(figures, NotFound) and figures.cause == Cause.NOT_THERE:
        _store(row, now, row.state, gone_at=row.gone_at or now)
    elif isinstance(figures, PermissionMissing):
        _store(row, now, Watch.State.MISSING, figures.cause, figures.detail)
    else:
        at = next_try(figures, credential_of(row.delivery.account), now)
        _put_off(row, at, now, figures)


def _values(figures: Figures) -> dict[str, Any]:
    """As `MetricSnapshot.values` holds them."""
    values: dict[str, Any] = {figure.value: n for figure, n in figures.values.items()}
    if figures.votes:
        values[VOTES] = [[one.answer, one.count] for one in figures.votes]
        values[VOTERS] = figures.voters
    return values


def _keep_comments(
    row: Watch, found: Sequence[Comment] | PlatformError, now: datetime
) -> None:
    if isinstance(found, PermissionMissing):
        Watch.objects.filter(pk=row.pk).update(
            comments_missing=(found.detail or found.cause)[:200]
        )
        return
    if isinstance(found, PlatformError):
        return  # the figures were told: the next reading asks again
    # Further parts of a thread of ours stand below its first one as well.
    silent = registry.spec(row.delivery.account.platform).hides_silently
    own_parts = {part.external_id for part in parts.out(row.delivery.witness)}
    PostComment.objects.bulk_create(
        [
            PostComment(
                delivery_id=row.delivery_id,
                external_id=one.external_id,
                parent_id=one.parent_id[:300],
                text=one.text,
                author=one.author[:300],
                permalink=one.permalink[:1000],
                published_at=one.published_at,
                is_hidden=one.hidden,
                read_at=now,
            )
            for one in _once(found)[:MAX_COMMENTS]
            if one.external_id not in own_parts
        ],
        update_conflicts=True,
        unique_fields=["delivery", "external_id"],
        update_fields=[
            *("parent_id", "text", "author", "permalink", "read_at"),
            *([] if silent else ["is_hidden"]),
        ],
    )
    Watch.objects.filter(pk=row.pk).update(comments_read_at=now, comments_missing="")
    if len(found) < MAX_COMMENTS:
        # What is not told any more was deleted there, and goes here as well.
        old = PostComment.objects.filter(delivery=row.delivery_id, read_at__lt=now)
        # Except what we hid where lists leave that out.
        (old.filter(is_hidden=False) if silent else old).delete()


def _once(found: Sequence[Comment]) -> list[Comment]:
    """Each once: pages may overlap while people write. Ids that fit no column are left
    out, for they could not be answered."""
    rows = {one.external_id: one for one in found if 0 < len(one.external_id) <= 300}
    return [replace(one, text=one.text.replace("\x00", "")) for one in rows.values()]


def _store(
    row: Watch,
    now: datetime,
    state: str,
    cause: str = "",
    detail: str = "",
    **changes: Any,
) -> None:
    at = row.delivery.published_at or now
    Watch.objects.filter(pk=row.pk).update(
        state=state,
        cause=cause,
        detail=detail,
        read_at=now,
        next_at=next_reading(at, now),
        **changes,
    )


def _put_off(
    row: Watch, at: datetime, now: datetime, error: PlatformError | None = None
) -> None:
    """Nothing was told; it is tried again, but not beyond the last point of CADENCE."""
    at = min(max(at, now + timedelta(minutes=5)), now + LONGEST_WAIT)
    last = (row.delivery.published_at or now) + CADENCE[-1]
    told = {"cause": error.cause, "detail": error.detail} if error else {}
    Watch.objects.filter(pk=row.pk).update(
        next_at=at if at <= last + LONGEST_WAIT else None, **told
    )


def forget(now: datetime) -> None:
    """Nothing is kept for longer than its platform's rules allow: comments of others,
    and what an account that was disconnected has told."""
    for spec in registry.all_specs():
        if spec.readings_kept is not None:
            left = {
                "delivery__account__platform": spec.slug,
                "delivery__account__disconnected_at__lt": now - spec.readings_kept,
            }
            MetricSnapshot.objects.filter(**left).delete()
            PostComment.objects.filter(**left).delete()
        if spec.comments_kept is not None:
            PostComment.objects.filter(
                delivery__account__platform=spec.slug,
                read_at__lt=now - spec.comments_kept,
            ).delete()
