"""Told ahead: which planned posts a limit will hold, since when, and when they go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any

from django.db.models import prefetch_related_objects
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.fixed_query import SAMPLE_TIME, FixedQuery, as_time
from accounts.limit_pages import bucket_name
from accounts.limits import (
    BucketId,
    Forecast,
    Planned,
    outlook,
    rules,
    scarce,
)
from accounts.models import ConnectedAccount
from accounts.reading import told
from platforms import registry
from platforms.base import (
    MONEY,
    Draft,
    Identity,
    MediaFile,
    MediaKind,
    MediaRule,
    PublishJob,
)

from . import link_facts
from .kept import need_for, planned, waiting
from .models import Delivery, DeliveryQuerySet, Post

#: So many posts that might meet a limit are followed, those that are due first; what
#: comes later is not forecast. 1000 take about half a second.
MAX_PLANNED = 1000
#: So many are looked at to find those that might.
MAX_COUNTED = 20_000
#: Nor what is due later: windows and plans change too much until then.
HORIZON = timedelta(days=31)
#: Files are taken for so large where their calls are counted; hardly one is larger.
LARGE_BYTES = 100_000_000
#: A limit that holds a post for less than this is nobody's worry.
LATE = timedelta(minutes=1)


def foresee(
    until: datetime,
    now: datetime,
    besides: Iterable[Planned] = (),
    without: Post | None = None,
) -> dict[Hashable, Forecast]:
    """Of all that goes out by itself before `until`, and besides: what will be held.

    By delivery's key, or the ref of what comes besides. without: a post whose
    deliveries do not count, because it is being changed. Ten queries at most.
    """
    until = min(until, now + HORIZON)
    rows = waiting(until)
    if without is None:
        going = _going.rows(until)
        if len(going) == MAX_COUNTED:
            going = _first_going.rows(until)
    else:
        rows = rows.exclude(post=without)
        going = list(_in_order(_times_of(rows)))
    besides = list(besides)
    concerned = _concerned(_times(going, besides), now)
    if not concerned:
        return {}
    rows = rows.filter(account__in=concerned).order_by("due_at", "pk")
    return outlook([*planned(rows[:MAX_PLANNED]), *besides], now)


def _concerned(times: Mapping[int, Sequence[Any]], now: datetime) -> set[int]:
    """Keys of the accounts whose posts might meet a limit: mostly none.

    Each post is counted as the largest that there is, so no forecast is missed; and a
    page need not work out post by post what hardly ever happens. Two queries.
    """
    drawing: defaultdict[BucketId, list[int]] = defaultdict(list)
    units: dict[BucketId, int] = {}
    for bucket, account_id, most in _largest(times.keys()):
        drawing[bucket].append(account_id)
        units[bucket] = most
    # Even all at once: of most there is enough for that.
    at_once = {
        bucket: units[bucket] * sum(len(times[pk]) for pk in accounts)
        for bucket, accounts in drawing.items()
    }
    found: set[int] = set()
    going: dict[int, list[float]] = {}
    # Many posts go at the same times.
    seconds: dict[Any, float] = {}
    for bucket, free in scarce(at_once, now).items():
        accounts = drawing[bucket]
        for pk in accounts:
            if pk in going:
                continue
            for at in times[pk]:
                if at not in seconds:
                    seconds[at] = (as_time(at) or now).timestamp()
            going[pk] = [seconds[at] for at in times[pk]]
        merged = sorted(at for pk in accounts for at in going[pk])
        length = rules(bucket.platform)[bucket.key].window_s
        if _are_crowded(merged, length, free // units[bucket]):
            found.update(accounts)
    return found


def _times_of(rows: DeliveryQuerySet) -> Any:
    next_ones = rows.annotate(at=Coalesce("next_attempt_at", "release_at", "due_at"))
    return next_ones.order_by().values_list("account_id", "at")


def _in_order(times: Any) -> Any:
    """The first of them."""
    return times.order_by("at")[:MAX_COUNTED]


#: In any order, for to sort them takes the database as long as to find them.
_going = FixedQuery(lambda until: _times_of(waiting(until))[:MAX_COUNTED], SAMPLE_TIME)
_first_going = FixedQuery(
    lambda until: _in_order(_times_of(waiting(until))), SAMPLE_TIME
)


def _times(
    going: Iterable[Sequence[Any]], besides: Iterable[Planned]
) -> Mapping[int, list[Any]]:
    """When posts go, by account; for `as_time`, which few of them need. going: as
    `_times_of` has it."""
    times: defaultdict[int, list[Any]] = defaultdict(list)
    for account_id, at in going:
        times[account_id].append(at)
    for plan in besides:
        times[plan.need.account_id].append(plan.at)
    return times


def _largest(accounts: Collection[int]) -> Iterator[tuple[BucketId, int, int]]:
    """What one post takes at most, on each of those that have an access: the bucket,
    the account's key, units. One query."""
    for pk, platform, credential, app, network in _accesses.rows(list(accounts)):
        subjects = {
            "account": f"account:{pk}",
            "token": f"token:{credential}",
            "app": f"app:{app}",
            "ip": f"ip:{network}",
        }
        known = rules(platform)
        for key, units in _most(platform).items():
            if units:
                subject = subjects[known[key].partition]
                yield BucketId(platform, key, subject), pk, units


_accesses = FixedQuery(
    lambda accounts: (
        ConnectedAccount.objects.filter(pk__in=accounts, credential__isnull=False)
        .order_by()
        .values_list(
            "pk",
            "platform",
            "credential",
            "credential__app",
            "credential__app__network",
        )
    ),
    [-7],
)


def _are_crowded(times: Sequence[float], length: float, most: int) -> bool:
    """Whether more than so many of these times, in order, lie within any span of that
    length; both in seconds."""
    return any(
        last - first <= length for first, last in zip(times, times[most:], strict=False)
    )


@cache
def _most(platform: str) -> Mapping[str, int]:
    """Units per bucket that one post draws at most, whatever it shows and wherever, and
    whatever is chosen for it."""
    spec, most = registry.spec(platform), Counter[str]()
    choices = [{row.key: value} for row in spec.options for value in row.choices]
    jobs = []
    for kind, rule in (
        (MediaKind.IMAGE, spec.images),
        (MediaKind.GIF, spec.gifs),
        (MediaKind.VIDEO, spec.videos),
        (MediaKind.AUDIO, spec.audios),
        (MediaKind.DOCUMENT, spec.documents),
    ):
        if rule is not None:
            every = [{}, *choices]
            jobs += [_showing(platform, rule, kind, options) for options in every]
    for job in jobs:
        most |= Counter(registry.platform(platform).draws(job, looking=False))
    return most


@cache
def _images(platform: str) -> PublishJob:
    """All images that a post can have, with alt texts, and a link."""
    return _showing(platform, registry.spec(platform).images, MediaKind.IMAGE, {})


def _showing(
    platform: str, rule: MediaRule, kind: MediaKind, options: Mapping[str, str]
) -> PublishJob:
    image = kind is MediaKind.IMAGE
    file = MediaFile(
        "1",
        rule.mime_types[0],
        1 if image else min(rule.max_bytes, LARGE_BYTES),
        1,
        1,
        "alt",
        "",
        "1",
        BytesIO,
        kind=kind,
    )
    draft = Draft(
        text="https://example.com/",
        media=tuple(replace(file, key=str(n)) for n in range(rule.max_count)),
        options=options,
    )
    who = Identity("1", registry.spec(platform).account_kinds[0], "", "", "")
    return PublishJob("0" * 32, datetime(2026, 1, 1, tzinfo=UTC), draft, who)


def of_draft(
    accounts: Sequence[ConnectedAccount],
    draft_for: Callable[[str], Draft],
    due_at: datetime,
    useful_until: datetime,
    post: Post | None,
    now: datetime,
) -> dict[int, str]:
    """What the composer says of a post that is being written: account's key -> words.

    draft_for: the draft for a platform's slug. Only accounts that a limit would hold.
    """
    prefetch_related_objects(accounts, "credential__app")
    besides = []
    for account in accounts:
        if account.health != "healthy":
            continue
        draft = draft_for(account.platform)
        if account.spec.card_picture:
            picture = link_facts.expected([draft.link_url]).get(draft.link_url)
            draft = replace(draft, link_picture=picture)
        job = PublishJob("0" * 32, now, draft, account.identity())
        need = need_for(account, job, ("draft", account.pk))
        besides.append(Planned(max(due_at, now), need, useful_until))
    if not besides:
        return {}
    found = foresee(due_at + timedelta(seconds=1), now, besides, post)
    return {
        account.pk: sentence(held, due_at, useful_until)
        for account in accounts
        if (held := found.get(("draft", account.pk))) and is_late(held, due_at)
    }


def is_late(found: Forecast, due_at: datetime) -> bool:
    return found.goes_at is None or found.goes_at >= due_at + LATE


def forecasts(rows: Iterable[Delivery]) -> Mapping[Hashable, Forecast]:
    """For the scheduled ones of these rows; no query when there is none."""
    due = [row.due_at for row in rows if row.status == Delivery.Status.SCHEDULED]
    if not due:
        return {}
    return foresee(max(due) + timedelta(seconds=1), timezone.now())


def sentence(found: Forecast, due_at: datetime, useful_until: datetime) -> str:
    """ "X’s limit for “Publish” (our app) is used up by 14:00: this post would go at
    Tue 24 Nov, 00:00." in the reader's zone."""
    denied = found.denied
    rule = rules(denied.platform)[denied.key]
    name = registry.spec(denied.platform).name
    if rule.unit == MONEY:
        what = _("The budget for %(platform)s") % {"platform": name}
    else:
        what = _("%(platform)s’s limit for “%(what)s” (%(whose)s)") % {
            "platform": name,
            "what": bucket_name(denied.platform, rule),
            "whose": _whose(rule.partition),
        }
    if found.goes_at is None:
        return _("%(what)s is smaller than what this post needs: it would be held.") % {
            "what": what
        }
    words = {"what": what, "goes": clock(found.goes_at, beside=due_at)}
    if found.full_at is None:
        used_up = _("%(what)s is used up") % words
    else:
        words["full"] = clock(found.full_at, beside=due_at)
        used_up = _("%(what)s is used up by %(full)s") % words
    words["used_up"] = used_up
    if found.goes_at > useful_until:
        return (
            _(
                "%(used_up)s: this post could go at %(goes)s, after its useful time, so "
                "it would wait for a person’s decision."
            )
            % words
        )
    return _("%(used_up)s: this post would go at %(goes)s.") % words


def _whose(partition: str) -> str:
    if partition == "app":
        return _("our app, all accounts together")
    if partition == "ip":
        return _("this server, all accounts together")
    return _("this account")


def clock(at: datetime, beside: datetime) -> str:
    """A time in the reader's zone; with its day when that is another than `beside`'s."""
    local = timezone.localtime(at)
    same = local.date() == timezone.localtime(beside).date()
    return told(at, "H:i" if same else _("D j M, H:i"))
