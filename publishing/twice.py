"""The same post to the same account again within a day needs a person's yes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.fixed_query import FixedQuery
from platforms import registry

from .fingerprints import fingerprint as fingerprint
from .models import Delivery

WINDOW = timedelta(hours=24)

Status = Delivery.Status
#: A part of it may be seen on the platform at any moment.
LEAVING = (Status.PUBLISHING, Status.PROCESSING, Status.UNCERTAIN)
WAITING = (Status.SCHEDULED, Status.HELD)


@dataclass(frozen=True)
class Other:
    """The delivery that says the same. at: when it went out; None: it is leaving now.

    asks_person: only a person can tell whether it went out.
    """

    delivery_id: int
    at: datetime | None
    asks_person: bool = False


# States and times are judged afterwards: among the query's words, they lead SQLite to
# read all that was ever published.
_with_words = FixedQuery(
    lambda accounts, words: (
        Delivery.objects.filter(account_id__in=accounts, fingerprint__in=words)
        .order_by("published_at", "pk")
        .values_list(
            "id",
            "account_id",
            "fingerprint",
            "published_at",
            "status",
            "repeat_is_safe",
            "next_attempt_at",
            "lease_expires_at",
            "witness",
        )
    ),
    [0],
    ["sample"],
)


def others(rows: Iterable[Delivery], now: datetime) -> dict[int, Other]:
    """By primary key: what has said the same to the same account within 24 h.

    Only of rows with a fingerprint and without a person's yes. Of two rows that say the
    same, the later one in `rows` names the earlier: so give those that are about to be
    sent, in order. One query.
    """
    asked = [row for row in rows if row.fingerprint and not row.twice_allowed]
    if not asked:
        return {}
    ours = {row.pk for row in asked}
    slugs = {row.account_id: row.account.platform for row in asked}
    words = list({row.fingerprint for row in asked})
    by_words: dict[tuple[int, str], list[Other]] = {}
    for (
        pk,
        account_id,
        said,
        at,
        status,
        safe,
        next_at,
        lease,
        witness,
    ) in _with_words.values(list(slugs), words):
        # A thread that came to a halt has said its first part.
        lately = bool(at and at > now - WINDOW)
        # The large files of one that is due go while it stays scheduled.
        carried = lease is not None and next_at is not None and next_at <= now
        leaving = status in LEAVING or (
            status == Status.SCHEDULED and (safe or (carried and pk not in ours))
        )
        # Asking what became of it is put off, while readers see it.
        if status in WAITING and witness:
            leaving |= registry.platform(slugs[account_id]).is_out(witness)
        if lately or leaving:
            asks = status == Status.UNCERTAIN and next_at is None and lease is None
            by_words.setdefault((account_id, said), []).append(Other(pk, at, asks))
    found: dict[int, Other] = {}
    for row in asked:
        same = by_words.setdefault((row.account_id, row.fingerprint), [])
        other = next((one for one in same if one.delivery_id != row.pk), None)
        if other is not None:
            found[row.pk] = other
        else:
            same.append(Other(row.pk, None))
    return found


def near(
    words: Iterable[tuple[int, str]], at: datetime, post_id: int | None = None
) -> list[Delivery]:
    """What says, said or will say the same within 24 h of `at`, by due time.

    words: (account, fingerprint) of each account. post_id: left out. Failed and
    cancelled ones say nothing. One query.
    """
    asked = {(account_id, said) for account_id, said in words if said}
    if not asked:
        return []
    span = (at - WINDOW, at + WINDOW)
    rows = (
        Delivery.objects.filter(
            Q(published_at__range=span) | Q(published_at=None, due_at__range=span),
            account_id__in={account_id for account_id, _said in asked},
            fingerprint__in={said for _account, said in asked},
        )
        .exclude(status__in=(Status.FAILED, Status.CANCELLED))
        .exclude(post=post_id)
        .select_related("post__author", "account")
        .order_by("due_at", "pk")
    )
    return [row for row in rows if (row.account_id, row.fingerprint) in asked]


def same(delivery: Delivery) -> list[Delivery]:
    """What a delivery repeats, for its page. One query."""
    words = [(delivery.account_id, delivery.fingerprint)]
    return near(words, timezone.now(), delivery.post_id)
