"""Queues and their weekly slots: which are free, which is next, how close posts stand.

A slot is a weekday and a wall time in its queue's zone, so it keeps its hour over clock
changes. It is taken when one of the accounts in question has a post there already.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.addresses import address
from accounts.fixed_query import SAMPLE_TIME, FixedQuery, Seen
from accounts.models import AuditEvent, ConnectedAccount
from accounts.zones import zone_called

from . import moving, natives
from .composing import CHANGEABLE, Timing, clock_note, timing
from .listing import Filters, instants
from .models import USEFUL_FOR, Delivery, DeliveryQuerySet, Post, Queue, QueueSlot

#: A free slot is looked for so far ahead.
HORIZON = timedelta(weeks=12)
#: It has to leave time to finish the post.
SOONEST = timedelta(minutes=5)
#: A post so near to a slot takes it.
NEAR = timedelta(minutes=5)
#: Posts of one account that stand closer than this are pointed out.
CLOSE = timedelta(minutes=30)
#: Slots of a queue that stand closer than this are pointed out.
APART = timedelta(hours=1)
#: Posts that one reshuffle moves.
MOST = 100

Status = Delivery.Status
SILENT = (Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True)
class SlotTime:
    """One coming occurrence of a slot."""

    queue: Queue
    when: Timing
    #: keys, where they were read beside the queue
    accounts: tuple[int, ...] | None = None

    @property
    def due_at(self) -> datetime:
        return self.when.due_at

    @property
    def compose_url(self) -> str:
        """The composer at this time, for the queue's accounts. Reads them."""
        keys = self.accounts
        if keys is None:
            keys = tuple(account.pk for account in self.queue.accounts.all())
        whose = _whose(self.queue.brand_id, *keys)
        when = self.when
        at = (
            f"date={when.day.isoformat()}&time={when.wall.hour:02}%3A"
            f"{when.wall.minute:02}&{_in_zone(when.zone)}"
        )
        return f"{address('compose')}?{at}&{whose}"


@lru_cache(maxsize=1_000)
def _whose(brand: int, *accounts: int) -> str:
    """The part of an address that is the same for all slots of a queue."""
    return urlencode([("brand", brand), *(("account", pk) for pk in accounts)])


@lru_cache(maxsize=1_000)
def _in_zone(zone: str) -> str:
    return urlencode({"zone": zone})


def times(queue: Queue, first: date, last: date) -> list[SlotTime]:
    """The queue's slots on these days of its own zone, in order. Reads queue.slots."""
    walls = [(slot.weekday, slot.wall) for slot in queue.slots.all()]
    return _times(queue, walls, first, last)


def _times(
    queue: Queue,
    walls: Iterable[tuple[int, time]],
    first: date,
    last: date,
    accounts: tuple[int, ...] | None = None,
) -> list[SlotTime]:
    by_weekday: dict[int, list[time]] = {}
    for weekday, wall in walls:
        by_weekday.setdefault(weekday, []).append(wall)
    found: dict[datetime, SlotTime] = {}
    day = first
    while day <= last:
        for wall in by_weekday.get(day.weekday(), ()):
            when = timing(day, wall, queue.zone)
            # An hour that a clock change skips may fall onto another slot.
            found.setdefault(when.due_at, SlotTime(queue, when, accounts))
        day += timedelta(days=1)
    return [found[at] for at in sorted(found)]


def _busy(accounts: Any, since: datetime, until: datetime) -> DeliveryQuerySet:
    return Delivery.objects.filter(
        account_id__in=accounts, due_at__gte=since, due_at__lte=until
    ).exclude(status__in=SILENT)


_all_busy = FixedQuery(
    lambda accounts, since, until: (
        _busy(accounts, since, until).order_by().values_list("account_id", "due_at")
    ),
    [-7],
    SAMPLE_TIME,
    SAMPLE_TIME + NEAR,
)


def _taken(
    account_ids: Collection[int], start: datetime, stop: datetime, post_id: int | None
) -> dict[int, list[datetime]]:
    """By account when something goes or went out there, in order. One query."""
    since, until = start - NEAR, stop + NEAR
    rows: Iterable[Sequence[Any]]
    if post_id is None:
        rows = _all_busy.values(list(account_ids), since, until)
    else:
        others = _busy(account_ids, since, until).exclude(post=post_id)
        rows = others.values_list("account_id", "due_at")
    found: dict[int, list[datetime]] = {}
    for account, at in rows:
        found.setdefault(account, []).append(at)
    for busy in found.values():
        busy.sort()
    return found


def next_free(
    queue: Queue,
    account_ids: Collection[int],
    now: datetime,
    post_id: int | None = None,
) -> SlotTime | None:
    """The first slot in which none of the accounts has a post; None: all are taken.

    post_id: the post that looks for one, which is not in its own way. One query, besides
    the queue's slots.
    """
    return next_free_of({queue: account_ids}, now, post_id)[queue.pk]


def next_free_of(
    asked: Mapping[Queue, Collection[int]], now: datetime, post_id: int | None = None
) -> dict[int, SlotTime | None]:
    """The same for several queues, by their keys. One query."""
    soonest = now + SOONEST
    prefetch_related_objects(list(asked), "slots")
    busy: dict[int, list[datetime]] = {}
    if any(queue.slots.all() for queue in asked):
        every = {pk for keys in asked.values() for pk in keys}
        # Wherever the queue's midnight lies.
        last = soonest + HORIZON + timedelta(days=2)
        busy = _taken(every, now, last, post_id)
    return {
        queue.pk: next(
            (
                slot
                for slot in _coming(queue, soonest)
                if not any(_near(slot.due_at, busy.get(pk, ())) for pk in keys)
            ),
            None,
        )
        for queue, keys in asked.items()
    }


def _coming(queue: Queue, soonest: datetime) -> Iterator[SlotTime]:
    """In order up to the horizon; mostly one of the first is wanted."""
    first = soonest.astimezone(zone_called(queue.zone)).date()
    last = first + HORIZON
    while first <= last:
        end = min(first + timedelta(days=6), last)
        for slot in times(queue, first, end):
            if slot.due_at >= soonest:
                yield slot
        first = end + timedelta(days=1)


def taken_since(
    wanted: Mapping[int, tuple[datetime, Collection[int]]],
    since: datetime,
    but: Container[int],
) -> dict[int, Queue]:
    """Of places that posts had (key: the post; when, accounts): those that are slots of
    a queue, in which another post has been put meanwhile. but: posts that are in nobody's
    way. Four queries.
    """
    every = {pk for _at, keys in wanted.values() for pk in keys}
    queues = list(
        Queue.objects.filter(accounts__in=every)
        .distinct()
        .prefetch_related("slots", "accounts")
    )
    members = {queue: {one.pk for one in queue.accounts.all()} for queue in queues}
    places = [
        (post, at, queue, members[queue] & set(keys))
        for post, (at, keys) in wanted.items()
        for queue in queues
        if members[queue] & set(keys) and _is_slot(queue, at)
    ]
    if not places:
        return {}
    times = [at for _post, at, _queue, _keys in places]
    busy: dict[int, list[datetime]] = {}
    rows = _busy(every, min(times) - NEAR, max(times) + NEAR)
    rows = rows.filter(post__changed_at__gt=since).order_by("due_at", "pk")
    for account, at, other in rows.values_list("account_id", "due_at", "post_id"):
        if other not in but:
            busy.setdefault(account, []).append(at)
    return {
        post: queue
        for post, at, queue, keys in places
        if any(_near(at, busy.get(pk, ())) for pk in keys)
    }


def _is_slot(queue: Queue, at: datetime) -> bool:
    day = at.astimezone(zone_called(queue.zone)).date()
    return any(slot.due_at == at for slot in times(queue, day, day))


def _near(at: datetime, busy: Sequence[datetime]) -> bool:
    """busy: in order."""
    next_one = bisect_left(busy, at - NEAR)
    return next_one < len(busy) and busy[next_one] <= at + NEAR


#: In an order that holds over both databases, as the queues themselves have it.
_queues = Seen(lambda reader: Queue.objects.visible_to(reader).distinct(), for_all=True)
_walls: FixedQuery[QueueSlot] = FixedQuery(
    lambda queues: QueueSlot.objects.filter(queue__in=queues), [-7]
)
_members = FixedQuery(
    lambda queues: (
        Queue.accounts.through.objects.filter(queue__in=queues)
        .order_by("pk")
        .values_list("queue", "connectedaccount", "connectedaccount__platform")
    ),
    [-7],
)


def open_slots(user: Any, first: date, last: date, filters: Filters) -> list[SlotTime]:
    """Slots on these days of the reader in which none of the queue's accounts (or the
    one that is filtered for) has a post yet. Four queries."""
    queues = {
        queue.pk: queue
        for queue in _queues.objects(user)
        if not filters.brand or queue.brand_id == int(filters.brand)
    }
    walls: dict[int, list[tuple[int, time]]] = {}
    for slot in _walls.objects(list(queues)):
        walls.setdefault(slot.queue_id, []).append((slot.weekday, slot.wall))
    members: dict[int, list[int]] = {}
    whose: dict[int, set[int]] = {}
    for pk, account, platform in _members.rows(list(walls)):
        members.setdefault(pk, []).append(account)
        if (not filters.account or account == int(filters.account)) and (
            not filters.platform or platform == filters.platform
        ):
            whose.setdefault(pk, set()).add(account)
    start, stop = instants(first, last)
    soonest = max(start, timezone.now() + SOONEST)
    day = timedelta(days=1)
    coming = [
        slot
        for pk, queue in queues.items()
        if pk in whose
        for slot in _times(
            queue, walls[pk], first - day, last + day, tuple(members[pk])
        )
        if soonest <= slot.due_at < stop
    ]
    if not coming:
        return []
    every = {pk for keys in whose.values() for pk in keys}
    busy = _taken(every, start, stop, None)
    return [
        slot
        for slot in coming
        if not any(_near(slot.due_at, busy.get(pk, ())) for pk in whose[slot.queue.pk])
    ]


# ---------------------------------------------------------------- spacing


def close_by(
    accounts: Sequence[ConnectedAccount], at: datetime, post: Post | None
) -> list[str]:
    """What else these accounts publish within half an hour, in words. Two queries."""
    if not accounts:
        return []
    rows = (
        Delivery.objects.filter(
            account__in=accounts, due_at__gt=at - CLOSE, due_at__lt=at + CLOSE
        )
        .exclude(status__in=SILENT)
        .exclude(post=post.pk if post else None)
        .select_related("account")
        .order_by("account__name", "due_at")
    )
    said = []
    for row in rows[:5]:
        minutes = round((row.due_at - at) / timedelta(minutes=1))
        words = {"account": row.account.name, "when": moving.said(row.due_at)}
        if minutes == 0:
            said.append(_("%(account)s has another post at that time.") % words)
        elif minutes > 0:
            words["n"] = str(minutes)
            text = _("%(account)s has another post %(n)s min later, %(when)s.")
            said.append(text % words)
        else:
            words["n"] = str(-minutes)
            text = _("%(account)s has another post %(n)s min before, %(when)s.")
            said.append(text % words)
    for there in natives.near(accounts, at, CLOSE)[: 5 - len(said)]:
        words = {"account": there.account.name, "when": moving.said(there.posted_at)}
        text = _("%(account)s: somebody posted at the network itself, %(when)s.")
        said.append(text % words)
    return said


def advice(slots: Iterable[tuple[int, Any]]) -> list[str]:
    """What to think of slots that stand close together: (weekday, wall time)."""
    week = sorted(
        timedelta(days=day, hours=wall.hour, minutes=wall.minute) for day, wall in slots
    )
    near = sum(1 for a, b in pairwise(week) if b - a < APART)
    if not near:
        return []
    return [
        _(
            "%(n)s slots stand less than an hour behind another one: posts of one account "
            "that close take attention from each other."
        )
        % {"n": near}
    ]


def clock_notes(queue: Queue, first: date) -> list[str]:
    """Slots of the coming year that a clock does not show, or shows twice, in words."""
    walls = [(slot.weekday, slot.wall) for slot in queue.slots.all()]
    days = [first + timedelta(days=n) for n in range(366)]
    told = (
        clock_note(day, wall, queue.zone)
        for day in days
        for weekday, wall in walls
        if weekday == day.weekday()
    )
    return [note for note in told if note]


# ---------------------------------------------------------------- reshuffling


@dataclass(frozen=True)
class Swap:
    """A post, and the slot that it gets."""

    post: Post
    when: Timing

    @property
    def moves(self) -> bool:
        return self.post.due_at != self.when.due_at


def queued(user: Any, queue: Queue, now: datetime) -> list[Post]:
    """Posts that wait in the queue's slots, by time: all of their accounts are the
    queue's, and sending of none has begun. Three queries."""
    zone = zone_called(queue.zone)
    today = now.astimezone(zone).date()
    slots = {
        slot.due_at
        for slot in times(queue, today, today + HORIZON)
        if slot.due_at > now + SOONEST
    }
    if not slots:
        return []
    # Of hundreds a few stand in its slots: those alone are read whole.
    times_of = (
        Post.objects.visible_to(user)
        .filter(
            brand=queue.brand_id,
            state=Post.State.SCHEDULED,
            due_at__gt=now + SOONEST,
            due_at__lte=max(slots),
        )
        .order_by("due_at", "pk")
        .values_list("pk", "due_at")
    )
    keys = [pk for pk, due_at in times_of if due_at in slots]
    mine = {account.pk for account in queue.accounts.all()}
    waits: dict[int, bool] = {}
    for pk, account, status in _going.rows(keys):
        waits[pk] = waits.get(pk, True) and account in mine and status in CHANGEABLE
    chosen = [pk for pk in keys if waits.get(pk)][:MOST]
    posts = Post.objects.in_bulk(chosen)
    return [posts[pk] for pk in chosen if pk in posts]


_going = FixedQuery(
    lambda posts: (
        Delivery.objects.filter(post__in=posts)
        .order_by()
        .values_list("post", "account", "status")
    ),
    [-7],
)


def shuffled(posts: Sequence[Post], seed: str, kept: Container[int] = ()) -> list[Swap]:
    """The same slots in another order; the same seed gives the same order.

    kept: keys of those that stay in their place.
    """
    whole = [
        post for post in posts if post.due_at and post.local_date and post.local_time
    ]
    places = [post for post in whole if post.pk not in kept]
    random.Random(seed).shuffle(places)  # noqa: S311
    coming = iter(places)
    return [_swap(post, post if post.pk in kept else next(coming)) for post in whole]


def _swap(post: Post, place: Post) -> Swap:
    """The post at the other one's time, useful for as long as it was."""
    assert place.due_at is not None
    assert place.local_date is not None
    assert place.local_time is not None
    assert post.due_at is not None
    useful = (post.useful_until or post.due_at + USEFUL_FOR) - post.due_at
    when = Timing(
        place.due_at,
        place.due_at + useful,
        place.local_date,
        place.local_time,
        place.zone,
    )
    return Swap(post, when)


def reshuffle(user: Any, queue: Queue, swaps: Sequence[Swap]) -> int:
    """Move all of them or none: Refused names the post that cannot go and why."""
    with transaction.atomic():
        number = 0
        for swap in swaps:
            if not swap.moves:
                continue
            try:
                moving.put(user, swap.post.pk, swap.when, seen=swap.post.due_at)
            except moving.Refused as refused:
                words = {"post": str(swap.post), "why": str(refused)}
                raise moving.Refused(_("“%(post)s”: %(why)s") % words) from None
            number += 1
        AuditEvent.write(user, "queue.reshuffled", queue, posts=number)
    return number
