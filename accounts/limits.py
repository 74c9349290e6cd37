"""The ledger of limits: units are reserved before a call leaves, and settled after it.

Every call draws on buckets of our app, of a token, of an account and of our address at
once (`spec.py`), and goes only when all of them admit it. `reserve` and `settle` work
on whole batches inside of the caller's transaction: one SELECT and at most one UPDATE,
whatever the size of the batch. What is counted how is told in `platforms.limits`.

One transaction calls either of them at most once: buckets are locked in one order
within a call, and two calls could lock them crosswise.
"""

from __future__ import annotations

import heapq
import json
import logging
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from platforms import registry
from platforms.base import Bucket, Observation, PlatformClient, WindowKind
from platforms.limits import Counts, Window, tightest

from .fixed_query import FixedQuery, in_one_row, out_of_one
from .models import AuditEvent, ConnectedAccount, Credential, RateBucket

logger = logging.getLogger(__name__)

#: What figures never take of a window, besides what scheduled posts will need: room for
#: looks, health, and a post that somebody writes just now.
FIGURES_LEAVE = 0.1
#: A forecast follows one post through so many windows.
FORECAST_WINDOWS = 60


class Importance(IntEnum):
    """The order under any shortage; a smaller number goes first."""

    PUBLISH = 0
    RECONCILE = 1
    REFRESH_AND_HEALTH = 2
    FIGURES = 3


class BucketId(NamedTuple):
    """One count. subject: "app:3", "token:12", "account:55" or "ip:live"."""

    platform: str
    key: str
    subject: str


@dataclass(frozen=True)
class Need:
    """Units that a piece of work will take at most, all or nothing.

    draws: bucket key -> units. account_id 0: no account (a credential's own look).
    """

    ref: Hashable
    platform: str
    network: str
    app_id: int
    credential_id: int
    account_id: int
    draws: Mapping[str, int]
    importance: Importance = Importance.PUBLISH

    @cached_property
    def wanted(self) -> list[tuple[BucketId, int]]:
        """The units by bucket, without those of which it needs none."""
        known = rules(self.platform)
        return [
            (BucketId(self.platform, key, subject), units)
            for key, units in self.draws.items()
            if units and (subject := subject_of(known[key], self))
        ]


@dataclass(frozen=True)
class Denied:
    """The bucket that said no, and when it will hold. None: never at its size."""

    platform: str
    key: str
    subject: str
    opens_at: datetime | None


@dataclass(frozen=True)
class Use:
    """What became of a need that was reserved at `reserved_at`.

    taken: units of the calls that really left. Calls that nobody reserved are told
    with a need of no draws and the time of the first of them.
    """

    need: Need
    taken: Mapping[str, int]
    reserved_at: datetime
    observations: Sequence[Observation] = ()


@dataclass(frozen=True)
class Planned:
    """A need that will come at a time; after `useful_until` it is not sent by itself."""

    at: datetime
    need: Need
    useful_until: datetime | None = None


@dataclass(frozen=True)
class Forecast:
    """A planned need will not be admitted when it is due.

    denied: what it meets first. full_at: when the last unit that is in its way will be
    taken; None: it is taken already. goes_at: when the need will be admitted, or could
    be if it were still useful then; None: never at the bucket's size.
    """

    denied: Denied
    full_at: datetime | None
    goes_at: datetime | None


# ---------------------------------------------------------------- the rules

_declared: dict[str, Mapping[str, Bucket]] = {}


def declare(platform: str, buckets: Iterable[Bucket]) -> None:
    """Rules of a platform that is not in the registry (simulation, tests)."""
    _declared[platform] = {bucket.key: bucket for bucket in buckets}


def rules(platform: str) -> Mapping[str, Bucket]:
    return _declared.get(platform) or registry.spec(platform).rules


def subject_of(rule: Bucket, need: Need) -> str:
    """Whom a bucket counts for this need; "" when the need has nobody of that kind."""
    if rule.partition == "account":
        return f"account:{need.account_id}" if need.account_id else ""
    if rule.partition == "token":
        return f"token:{need.credential_id}"
    if rule.partition == "app":
        return f"app:{need.app_id}"
    return f"ip:{need.network}"


# ---------------------------------------------------------------- kept for publishing

KeptSource = Callable[[Mapping[BucketId, datetime], datetime], Mapping[BucketId, int]]
_kept_sources: list[KeptSource] = []


def register_kept(source: KeptSource) -> KeptSource:
    """A source tells what posts will need: windows with their ends -> units of each.

    It is asked when figures want units, and never takes any itself.
    """
    if source not in _kept_sources:
        _kept_sources.append(source)
    return source


@contextmanager
def kept_only_by(source: KeptSource) -> Iterator[None]:
    """In this process only this source tells meanwhile (simulation, tests)."""
    before = list(_kept_sources)
    _kept_sources[:] = [source]
    try:
        yield
    finally:
        _kept_sources[:] = before


def kept_for_publishing(
    ends: Mapping[BucketId, datetime], now: datetime
) -> dict[BucketId, int]:
    """Units of each window that scheduled posts will need before it ends."""
    kept: dict[BucketId, int] = {}
    for source in _kept_sources:
        for bucket, units in source(ends, now).items():
            kept[bucket] = kept.get(bucket, 0) + units
    return kept


# ---------------------------------------------------------------- reserving

#: Windows as a transaction of this process left them last, with its time; None: no
#: size is known. Most answers tell nothing that is new to them, and need no row then.
#: That is right whatever others did to the row since: it is as if the answer had been
#: settled in that transaction, and an answer may come as early as that.
_left: dict[BucketId, tuple[float, Window | None]] = {}
MAX_LEFT = 10_000
NEVER = (0.0, None)


def forget() -> None:
    """Drop what this process remembers, for a world that begins anew (simulation)."""
    _left.clear()
    _pks.clear()
    _lately.clear()


def reserve(
    needs: Sequence[Need], now: datetime, uses: Sequence[Use] = ()
) -> dict[Hashable, Denied | None]:
    """Take the units of each need, or none of it; earlier ones in the list win.

    None for a need that was admitted. Inside of the caller's transaction, and before
    it locks anything that another transaction may hold while it waits for a bucket.
    uses: settled first, as `settle` does, with the same statements.
    """
    _must_be_in_transaction()
    at = now.timestamp()
    news = _news(uses, at)
    buckets = {bucket for need in needs for bucket, _ in need.wanted} | news.buckets
    windows = _load(buckets, lock=True, learnt=news.informative)
    news.tell(windows, at)
    kept = _kept(needs, windows, now)
    answers: dict[Hashable, Denied | None] = {}
    for need in needs:
        draws = [
            (bucket, units, windows[bucket])
            for bucket, units in need.wanted
            if bucket in windows
        ]
        yields = need.importance >= Importance.REFRESH_AND_HEALTH
        answers[need.ref] = denied = _denied(
            draws, at, kept[need.importance] if yields else {}
        )
        if denied is None:
            for _, units, window in draws:
                window.take(units, at)
    _store(windows)
    _remember(buckets, windows, at)
    return answers


def settle(uses: Sequence[Use], now: datetime) -> None:
    """Give back what was reserved and not used, and learn from the answers' headers.

    Inside of the caller's transaction.
    """
    _must_be_in_transaction()
    at = now.timestamp()
    news = _news(uses, at)
    windows = _load(news.buckets, lock=True, learnt=news.informative)
    news.tell(windows, at)
    _store(windows)
    _remember(news.buckets, windows, at)


def has_news(uses: Sequence[Use], now: datetime) -> bool:
    """False when settling them would change nothing, as most answers do. No query."""
    return bool(_news(uses, now.timestamp()).buckets)


@dataclass(frozen=True)
class _News:
    """What some uses tell that windows do not know yet."""

    #: (bucket, reserved at) -> units reserved and units taken
    sums: dict[tuple[BucketId, float], list[int]]
    seen: list[tuple[BucketId, Observation]]

    @property
    def buckets(self) -> set[BucketId]:
        return {bucket for bucket, _ in (*self.sums, *self.seen)}

    @property
    def informative(self) -> set[BucketId]:
        return {bucket for bucket, told in self.seen if told.limit is not None}

    def tell(self, windows: Mapping[BucketId, Window], at: float) -> None:
        for (bucket, since), (reserved, taken) in self.sums.items():
            if found := windows.get(bucket):
                if found.size is not None:
                    found.settle(reserved, taken, since, at)
        for bucket, told in sorted(self.seen, key=lambda pair: pair[1].at):
            if found := windows.get(bucket):
                found.correct(told, at)


def _news(uses: Sequence[Use], at: float) -> _News:
    sums: dict[tuple[BucketId, float], list[int]] = {}
    seen: list[tuple[BucketId, Observation]] = []
    for use in uses:
        need, since = use.need, use.reserved_at.timestamp()
        for bucket, reserved, taken in _reserved_and_taken(use):
            left_at, window = _left.get(bucket, NEVER)
            if left_at >= since and not (
                window and window.needs_settling(reserved, taken, since, at)
            ):
                continue
            units = sums.setdefault((bucket, since), [0, 0])
            units[0] += reserved
            units[1] += taken
        for told in use.observations:
            subject = subject_of(rules(need.platform)[told.bucket_key], need)
            bucket = BucketId(need.platform, told.bucket_key, subject)
            left_at, window = _left.get(bucket, NEVER)
            if left_at < since or not window or window.learns_from(told, at):
                if subject:
                    seen.append((bucket, told))
    return _News(sums, seen)


def _reserved_and_taken(use: Use) -> Iterator[tuple[BucketId, int, int]]:
    need, taken = use.need, use.taken
    if taken == need.draws:
        for bucket, units in need.wanted:
            yield bucket, units, units
        return
    reserved = dict(need.wanted)
    used = dict(replace(need, draws=taken).wanted)
    for bucket in reserved | used:
        yield bucket, reserved.get(bucket, 0), used.get(bucket, 0)


def _remember(
    buckets: Iterable[BucketId], windows: Mapping[BucketId, Window], at: float
) -> None:
    """Keep how these windows were left, once that is certain."""
    left = {bucket: (at, windows.get(bucket)) for bucket in buckets}

    def keep() -> None:
        if len(_left) > MAX_LEFT:
            _left.clear()
        _left.update(left)

    if left:
        transaction.on_commit(keep)


def _denied(
    draws: Sequence[tuple[BucketId, int, Window]],
    at: float,
    kept: Mapping[BucketId, int],
) -> Denied | None:
    for bucket, _, window in draws:
        if window.is_rate and kept.get(bucket):
            # It is free again in some seconds: those whose posts are due go first.
            return Denied(*bucket, _time(window.lasts_until(at)))
    short = tightest(
        ((window, units + kept.get(bucket, 0)) for bucket, units, window in draws), at
    )
    if short is None:
        return None
    bucket, units = next((b, units) for b, units, window in draws if window is short)
    opens = short.opens_at(units + kept.get(bucket, 0), at)
    if opens is None and kept.get(bucket) and units <= (short.size or 0):
        opens = short.lasts_until(at)  # the next window may have fewer posts
    return Denied(*bucket, _time(opens))


def _kept(
    needs: Sequence[Need],
    windows: Mapping[BucketId, Window],
    now: datetime,
) -> Mapping[Importance, Mapping[BucketId, int]]:
    """What looks and figures have to leave in the windows that they want units of.

    Both leave what posts will need, and figures some room for looks besides. A look
    takes a unit or two, and asking costs to read all posts of a window: it asks once
    half of the window is used, and believes an answer of the last minute.
    """
    at = now.timestamp()
    looks: dict[BucketId, datetime] = {}
    figures: dict[BucketId, datetime] = {}
    for need in needs:
        if need.importance < Importance.REFRESH_AND_HEALTH:
            continue
        for bucket, _ in need.wanted:
            if (window := windows.get(bucket)) is None:
                continue
            end = datetime.fromtimestamp(window.counts_until(at), UTC)
            if need.importance == Importance.FIGURES:
                figures[bucket] = end
            elif 2 * (window.free(at) or 0) < (window.size or 0):
                looks[bucket] = end
    for_looks = _known_lately(looks, now) if looks else {}
    for_figures = kept_for_publishing(figures, now) if figures else {}
    for bucket in figures:
        if windows[bucket].is_rate:
            continue  # looks need not wait for longer than some seconds
        floor = int((windows[bucket].size or 0) * FIGURES_LEAVE)
        for_figures[bucket] = for_figures.get(bucket, 0) + floor
    return {Importance.REFRESH_AND_HEALTH: for_looks, Importance.FIGURES: for_figures}


#: What posts need of a window, and until when that is believed.
_lately: dict[BucketId, tuple[float, int]] = {}
BELIEVED_S = 60.0


def _known_lately(
    ends: Mapping[BucketId, datetime], now: datetime
) -> Mapping[BucketId, int]:
    at = now.timestamp()
    unknown = {b: end for b, end in ends.items() if _lately.get(b, (0.0, 0))[0] <= at}
    if unknown:
        if len(_lately) > MAX_LEFT:
            _lately.clear()
        told = kept_for_publishing(unknown, now)
        _lately.update({b: (at + BELIEVED_S, told.get(b, 0)) for b in unknown})
    return {bucket: _lately[bucket][1] for bucket in ends}


# ---------------------------------------------------------------- calls not reserved


def count(
    client: PlatformClient,
    credential: Credential,
    account: ConnectedAccount | None = None,
    *,
    reserved: Need | None = None,
    reserved_at: datetime | None = None,
) -> None:
    """Count what the client has called since this was last asked, after the commit.

    For calls that must not wait for a limit (sign-in, renewal), or whose units were
    reserved at a time: then what was not used is given back. account: for whom; else the
    credential's own. Two statements more at most, and never an error.
    """
    logs, usage = client.http.drain(), dict(client.http.usage)
    client.http.usage.clear()
    if not logs and not (reserved and reserved.draws):
        return
    platform, now = registry.platform(client.spec.slug), timezone.now()
    taken: dict[str, int] = {}
    for log in logs:
        for key, units in platform.spec.call(log.call).draws.items():
            taken[key] = taken.get(key, 0) + units
    seen = [
        o for key, headers in usage.items() for o in platform.observe(key, headers, now)
    ]

    def write() -> None:
        need = reserved or Need(
            "",
            platform.spec.slug,
            credential.app.network,
            credential.app_id,
            credential.pk,
            account.pk if account else own_account(credential),
            {},
            Importance.REFRESH_AND_HEALTH,
        )
        uses = [Use(need, taken, reserved_at or logs[0].at, seen)]
        if has_news(uses, now):
            with transaction.atomic():
                settle(uses, now)

    # On its own: the caller may hold rows that somebody wants who holds a bucket.
    transaction.on_commit(write, robust=True)


def own_account(credential: Credential) -> int:
    """`own_accounts` of one."""
    return own_accounts([credential])[credential.pk]


def own_accounts(credentials: Collection[Credential]) -> dict[int, int]:
    """By credential the account that is its own subject, as primary keys; 0: none."""
    found = dict.fromkeys((row.pk for row in credentials), 0)
    if not found:
        return found
    subjects = {row.pk: row.subject_id for row in credentials}
    for pk, of, subject in _accounts_of.rows(list(found)):
        if of is not None and subject == subjects[of]:
            found[of] = pk
    return found


_accounts_of = FixedQuery(
    lambda pks: (
        ConnectedAccount.objects.filter(credential__in=pks)
        .order_by("-pk")
        .values_list("pk", "credential", "external_id")
    ),
    [0],
)


def give_back(needs: Iterable[Need], reserved_at: datetime) -> None:
    """Nothing was called after all."""
    if uses := [Use(need, {}, reserved_at) for need in needs if need.draws]:
        with transaction.atomic():
            settle(uses, timezone.now())


# ---------------------------------------------------------------- looking ahead


def scarce(wanted: Mapping[BucketId, int], now: datetime) -> dict[BucketId, int]:
    """Units free at the moment of the buckets that have fewer than are wanted of them.

    Without those whose size is not known. One query.
    """
    if not wanted:
        return {}
    at, seconds = now.timestamp(), _seconds_of()
    known = {platform: rules(platform) for platform in {b.platform for b in wanted}}
    missing, free = dict(wanted), {}
    for bucket, row in _rows(wanted, lock=False):
        units = missing.pop(bucket)
        rule = known[bucket.platform][bucket.key]
        if _has_free(rule, row, units):
            continue
        left = _window(rule, row, seconds).free(at)
        if left is not None and left < units:
            free[bucket] = left
    for bucket, units in missing.items():
        size = known[bucket.platform][bucket.key].size
        if size is not None and size < units:
            free[bucket] = size
    return free


def _has_free(rule: Bucket, row: Sequence[Any], units: int) -> bool:
    """Whether it is plain that so many are free, without regard to what is over by now:
    only more can be."""
    _pk, _platform, _key, _subject, used, *_times, log, told, by_hand = row
    if log != "[]" and rule.window != WindowKind.ROLLING_LOG:
        return False  # what is carried into the next window
    size = rule.size if told is None or rule.partition == "ip" else told
    size = size if by_hand is None else by_hand
    return size is None or used + units <= size


def outlook(planned: Iterable[Planned], now: datetime) -> dict[Hashable, Forecast]:
    """Which of the planned needs will be denied when they are due, by ref.

    The windows as they are counted now, and then all that is planned, in order; a need
    that is denied comes again when its bucket opens, as long as it is useful. Takes
    nothing. One query.
    """
    queue = [
        (max(plan.at, now).timestamp(), number, plan)
        for number, plan in enumerate(planned)
    ]
    heapq.heapify(queue)
    wanted = {number: plan.need.wanted for _, number, plan in queue}
    buckets = {bucket for draws in wanted.values() for bucket, _ in draws}
    windows: dict[BucketId, Window] = dict(_load(buckets, lock=False))
    for bucket in buckets - windows.keys():
        windows[bucket] = Window(rules(bucket.platform)[bucket.key])
    first: dict[int, tuple[Denied, datetime | None]] = {}
    tries: dict[int, int] = {}
    last_taken: dict[tuple[str, str, str], float] = {}
    found: dict[Hashable, Forecast] = {}
    while queue:
        at, number, plan = heapq.heappop(queue)
        draws = [(b, units, windows[b]) for b, units in wanted[number]]
        denied = _denied(draws, at, {})
        if denied is None:
            for bucket, units, window in draws:
                window.take(units, at)
                window.settle(units, units, at, at)
                last_taken[bucket] = at
            if number in first:
                found[plan.need.ref] = Forecast(*first[number], _time(at))
            continue
        full_at = last_taken.get((denied.platform, denied.key, denied.subject))
        first.setdefault(number, (denied, _time(full_at)))
        tries[number] = tries.get(number, 0) + 1
        again = denied.opens_at
        ends = plan.useful_until
        if again is None or (ends and again > ends) or tries[number] > FORECAST_WINDOWS:
            found[plan.need.ref] = Forecast(*first[number], again)
            continue
        heapq.heappush(queue, (max(again.timestamp(), at + 1), number, plan))
    return found


# ---------------------------------------------------------------- by hand


def set_size(
    bucket: BucketId, size: int | None, by: Any, reason: str = ""
) -> RateBucket:
    """An admin's size for one bucket; None: back to what was told or published."""
    if size is not None and size < 0:
        raise ValueError("a size cannot be below 0")
    rules(bucket.platform)[bucket.key]  # KeyError: there is no such bucket
    with transaction.atomic():
        RateBucket.objects.bulk_create(
            [RateBucket(**bucket._asdict())], ignore_conflicts=True
        )
        row = RateBucket.objects.select_for_update().get(**bucket._asdict())
        before, row.size_set = row.size_set, size
        row.set_by = by if size is not None else None
        row.set_at = timezone.now() if size is not None else None
        row.set_reason = reason if size is not None else ""
        row.save(update_fields=["size_set", "set_by", "set_at", "set_reason"])
        AuditEvent.write(
            by, "set limit", row, size_before=before, size=size, reason=reason
        )
    return row


# ---------------------------------------------------------------- rows

#: Primary keys of the buckets that this process has met.
_pks: dict[BucketId, int] = {}
MAX_PKS = 50_000


class _Stored(Window):
    """A window with the row that it came from."""

    __slots__ = ("log_was", "pk", "was")

    def __init__(
        self, pk: int, rule: Bucket, counts: Counts, log_was: str = "[]"
    ) -> None:
        super().__init__(rule, counts)
        self.pk = pk
        self.was = self._besides()
        self.log_was = log_was

    def _besides(self) -> tuple[float | None, ...]:
        counts = self.counts
        times = (counts.started_at, counts.opened_by, counts.resets_at)
        return (*times, counts.size_told)

    def log_now(self) -> str:
        return json.dumps(self.counts.log) if self.counts.log else "[]"

    def only_used_changed(self) -> bool:
        return self.was == self._besides() and self.log_was == self.log_now()


def _must_be_in_transaction() -> None:
    if not connection.in_atomic_block:
        raise TransactionManagementError("limits are counted inside of a transaction")


def _load(
    buckets: Collection[BucketId],
    *,
    lock: bool,
    learnt: Collection[BucketId] = (),
) -> dict[BucketId, _Stored]:
    """The windows of these buckets. Without a size and a row there is none.

    lock: lock the rows, and make those that are missing. learnt: buckets that have a
    row also when no size is known, because an answer is about to tell it.
    """
    if not buckets:
        return {}
    if not lock:
        return _read(buckets, lock=False)
    needed = {
        b for b in buckets if b in learnt or rules(b.platform)[b.key].size is not None
    }
    # Rows are made before any is locked, always in one order: so no two workers ever
    # wait for each other.
    if new := [bucket for bucket in needed if bucket not in _pks]:
        _make(new)
    found = _read(buckets, lock=True)
    if gone := needed - found.keys():
        # Only after somebody has deleted rows, or put an older database back. Locked
        # out of order: a deadlock is possible this once, and the database ends it.
        for bucket in gone:
            _pks.pop(bucket, None)
        _make(gone)
        found |= _read(gone, lock=True)
    return found


def _make(buckets: Collection[BucketId]) -> None:
    """See to it that these rows are there, and learn their primary keys."""
    missing = set(buckets) - _read(buckets, lock=False).keys()
    if missing:
        RateBucket.objects.bulk_create(
            [RateBucket(**bucket._asdict()) for bucket in sorted(missing)],
            ignore_conflicts=True,
        )
        _read(missing, lock=False)


def _read(buckets: Collection[BucketId], *, lock: bool) -> dict[BucketId, _Stored]:
    """One query; lock: the rows are locked in the order of their primary keys."""
    known = {platform: rules(platform) for platform in {b.platform for b in buckets}}
    seconds = _seconds_of()
    return {
        bucket: _window(known[bucket.platform][bucket.key], row, seconds)
        for bucket, row in _rows(buckets, lock=lock)
    }


def _window(
    rule: Bucket, row: Sequence[Any], seconds: Callable[[Any], float | None]
) -> _Stored:
    pk, _platform, _key, _subject, used, started, opened, resets, log, told, by_hand = (
        row
    )
    counts = Counts(
        used,
        seconds(started),
        seconds(opened),
        seconds(resets),
        [] if log == "[]" else json.loads(log),
        told,
        by_hand,
    )
    return _Stored(pk, rule, counts, log)


def _rows(
    buckets: Collection[BucketId], *, lock: bool
) -> list[tuple[BucketId, tuple[Any, ...]]]:
    """Those that are there, as the database has them: `SELECTED` columns. One query."""
    named = {_pks[bucket]: bucket for bucket in buckets if bucket in _pks}
    postgres = connection.vendor == "postgresql"
    where: list[str] = []
    params: list[Any] = []
    if named:
        where.append("id = ANY(%s::bigint[])" if postgres else f"id {AMONG_SQLITE}")
        params.append(_array(named) if postgres else json.dumps(list(named)))
    unmet = [bucket for bucket in buckets if bucket not in _pks]
    for platform in {bucket.platform for bucket in unmet}:
        among = "= ANY(%s)" if postgres else AMONG_SQLITE
        where.append(f"platform = %s AND key {among} AND subject {among}")
        keys = list({b.key for b in unmet if b.platform == platform})
        subjects = list({b.subject for b in unmet if b.platform == platform})
        lists = (keys, subjects)
        params += [platform, *(lists if postgres else map(json.dumps, lists))]
    select = SELECT_POSTGRES if postgres else SELECT_SQLITE
    end = " ORDER BY id FOR UPDATE" if lock and postgres else ""
    sql = f"{select} WHERE {' OR '.join(where)}{end}"
    with connection.cursor() as cursor:
        if postgres:
            cursor.execute(sql, params)
            rows = cursor.fetchall()
        else:
            cursor.execute(in_one_row(sql, SELECTED), params)
            rows = out_of_one(cursor.fetchone())
    if len(_pks) > MAX_PKS:
        _pks.clear()
    found: list[tuple[BucketId, tuple[Any, ...]]] = []
    for row in rows:
        pk, *names = row[:4]
        bucket = named.get(pk)
        if bucket is None or [*bucket] != names:
            bucket = BucketId(*names)
            if bucket not in buckets:
                continue
            _pks[bucket] = pk
        found.append((bucket, row))
    if gone := named.keys() - {row[0] for _bucket, row in found}:
        # Deleted, or from before an older database was put back: there may be another
        # row by that name, and with it a size.
        stale = [named[pk] for pk in gone]
        for bucket in stale:
            del _pks[bucket]
        found += _rows(stale, lock=lock)
    return found


def _seconds_of() -> Callable[[Any], float | None]:
    """What reads the times of `_rows`."""
    return _same if connection.vendor == "postgresql" else _seconds


def _same(seconds: float | None) -> float | None:
    return seconds


@lru_cache(maxsize=1000)  # windows of one rule often begin and end together
def _seconds(text: str | None) -> float | None:
    """A time as SQLite has it."""
    return None if text is None else datetime.fromisoformat(f"{text}+00:00").timestamp()


def _array(values: Iterable[object]) -> str:
    """An array of numbers, or of JSON without strings, as PostgreSQL spells it."""
    return "{" + ",".join("NULL" if v is None else str(v) for v in values) + "}"


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


# The ORM and the driver turn each value over by themselves: with 150 rows of one batch
# that takes three times the processor time of times as numbers and of arrays as text.
SELECT_POSTGRES = """
SELECT id, platform, key, subject, used, extract(epoch FROM started_at)::float8,
    extract(epoch FROM opened_by)::float8, extract(epoch FROM resets_at)::float8,
    log::text, size_told, size_set
FROM accounts_ratebucket
"""
SELECT_SQLITE = """
SELECT id, platform, key, subject, used, started_at, opened_by, resets_at, log,
    size_told, size_set
FROM accounts_ratebucket
"""
#: columns of both
SELECTED = 11
AMONG_SQLITE = "IN (SELECT value FROM json_each(%s))"
USED_POSTGRES = """
UPDATE accounts_ratebucket AS row SET used = new.used, changed_at = now()
FROM unnest(%s::bigint[], %s::bigint[]) AS new(id, used)
WHERE row.id = new.id
"""
# One value with all rows, as when they are read: see `in_one_row`. It is taken apart
# once: else for each row that it changes.
USED_SQLITE = """
UPDATE accounts_ratebucket AS row SET used = new.used, changed_at = %s
FROM (WITH new AS MATERIALIZED (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS used
    FROM json_each(%s)) SELECT * FROM new) AS new
WHERE row.id = new.id AND row.id IN (SELECT value FROM json_each(%s))
"""
ALL_POSTGRES = """
UPDATE accounts_ratebucket AS row SET used = new.used,
    started_at = to_timestamp(new.started_at), opened_by = to_timestamp(new.opened_by),
    resets_at = to_timestamp(new.resets_at), log = new.log::jsonb,
    size_told = new.size_told, changed_at = now()
FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[],
    %s::text[], %s::bigint[])
    AS new(id, used, started_at, opened_by, resets_at, log, size_told)
WHERE row.id = new.id
"""
ALL_SQLITE = """
UPDATE accounts_ratebucket AS row SET used = new.used, started_at = new.started_at,
    opened_by = new.opened_by, resets_at = new.resets_at, log = new.log,
    size_told = new.size_told, changed_at = %s
FROM (WITH new AS MATERIALIZED (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS used,
        json_extract(value, '$[2]') AS started_at,
        json_extract(value, '$[3]') AS opened_by,
        json_extract(value, '$[4]') AS resets_at, json_extract(value, '$[5]') AS log,
        json_extract(value, '$[6]') AS size_told
    FROM json_each(%s)) SELECT * FROM new) AS new
WHERE row.id = new.id AND row.id IN (SELECT value FROM json_each(%s))
"""


def _store(windows: Mapping[BucketId, _Stored]) -> None:
    """Write the counts that changed, in one statement."""
    changed = [window for window in windows.values() if window.changed]
    if not changed:
        return
    only_used = all(window.only_used_changed() for window in changed)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns: list[list[Any]] = [
                [w.pk for w in changed],
                [w.counts.used for w in changed],
            ]
            if not only_used:
                counts = [window.counts for window in changed]
                columns += [
                    [c.started_at for c in counts],
                    [c.opened_by for c in counts],
                    [c.resets_at for c in counts],
                    [f'"{window.log_now()}"' for window in changed],
                    [c.size_told for c in counts],
                ]
            statement = USED_POSTGRES if only_used else ALL_POSTGRES
            cursor.execute(statement, [_array(column) for column in columns])
            return
        rows: list[tuple[Any, ...]] = [(w.pk, w.counts.used) for w in changed]
        if not only_used:
            rows = [
                (
                    window.pk,
                    window.counts.used,
                    _text(window.counts.started_at),
                    _text(window.counts.opened_by),
                    _text(window.counts.resets_at),
                    window.log_now(),
                    window.counts.size_told,
                )
                for window in changed
            ]
        cursor.execute(
            USED_SQLITE if only_used else ALL_SQLITE,
            [
                _text(datetime.now(UTC).timestamp()),
                json.dumps(rows),
                json.dumps([window.pk for window in changed]),
            ],
        )


@lru_cache(maxsize=1000)
def _text(seconds: float | None) -> str | None:
    """A time as SQLite has it."""
    time = _time(seconds)
    return None if time is None else str(time.replace(tzinfo=None))
