"""Days of posts against pretended platforms, through the real ledger, by events.

The clock is a number that jumps from event to event: nothing sleeps. Our side is the
ledger on its database; the other side (`pretended`) counts for itself. Calls take
their time, some answers come late and so out of order, and some are lost.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from accounts import limits
from accounts.limits import BucketId, Denied, Importance, Need, Use
from accounts.models import RateBucket
from platforms import registry
from platforms.base import Observation
from platforms.limits import Window

from . import load
from .load import FIGURES, GREED, HEALTH, LOOK, Post
from .pretended import Ask, Reply, Who

#: The pump looks at what is due, and writes down what came, at most this often.
TICK_S = 5
BATCH = 100
FIGURES_EVERY_S = 600
NETWORK = "live"
#: What a post does that a bucket without a known end has stopped, or the platform.
TRY_AGAIN_S = 900
TRY_AGAIN_AFTER_REFUSAL_S = 60
#: Parts of the answers that come much later than the others, and that never come.
LATE_ANSWERS = 0.03
LOST_ANSWERS = 0.01
LOST_AFTER_S = 60
LOOK_AFTER_S = 65


@dataclass
class Work:
    """Calls that go together: what was reserved for them, and what came of it."""

    need: Need
    who: Who
    asks: tuple[Ask, ...]
    post: Post | None = None
    #: how often figures want the same once more
    again: int = 0
    reserved_at: datetime = datetime.min
    made: list[Ask] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    told: list[tuple[str, object]] = field(default_factory=list)

    def use(self, taken: Mapping[str, int]) -> Use:
        return Use(self.need, taken, self.reserved_at, self.observations)

    @property
    def is_figures(self) -> bool:
        return self.need.importance == Importance.FIGURES


@dataclass
class Tally:
    """What happened on one platform."""

    posts: int = 0
    admitted: int = 0
    held: int = 0
    released: int = 0
    overheld: int = 0
    overheld_max_s: int = 0
    late_because_of_figures: int = 0
    refused_by_platform: int = 0
    refused_while_unknown: int = 0
    figures_read: int = 0
    figures_refused: int = 0
    held_by: Counter[str] = field(default_factory=Counter)


class Days:
    """One run. `tallies` by platform after `run`."""

    def __init__(
        self,
        start: datetime,
        days: int,
        seed: int,
        say: Callable[[str], None],
        *,
        only: Collection[str] = tuple(load.CAST),
    ) -> None:
        self.start = start.timestamp()
        self.end = self.start + days * load.DAY
        self.days = days
        self.say = say
        self.rng = random.Random(seed)  # noqa: S311
        self.cast = {slug: load.CAST[slug] for slug in only}
        everything = load.pretended(self.rng)
        self.platforms = {slug: everything[slug] for slug in only}
        chance = random.Random(seed)  # noqa: S311
        self.posts = load.Posts(chance, start, days, self.cast).make()
        self.tallies = {slug: Tally() for slug in self.platforms}
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.numbers = itertools.count()
        self.ticks: set[float] = set()
        self.ready: list[Work] = []
        self.finished: list[Work] = []
        #: windows whose size the ledger was told by an answer, and when
        self.told: dict[tuple[str, str, object], datetime] = {}
        self.waiting: dict[tuple[str, str], list[Post]] = {}
        #: until when what figures took of a bucket can count in it
        self.figures_until: dict[BucketId, float] = {}

    # -- the clock

    def at(self, when: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (when, next(self.numbers), event))

    def wake(self, when: float) -> None:
        """Let the pump look at the first tick that is not before `when`."""
        tick = -(-when // TICK_S) * TICK_S
        if tick not in self.ticks:
            self.ticks.add(tick)
            self.at(tick, self.pump)

    def run(self) -> dict[str, Tally]:
        limits.forget()
        for size in load.sizes_set():
            if size.platform in self.cast:
                self._set_size(size)
        for post in self.posts:
            self.tallies[post.platform].posts += 1
            for subject in self._subjects(post):
                self.waiting.setdefault(subject, []).append(post)
            self.at(post.due, partial(self.come_due, post))
        for day in range(self.days):
            self.at(self.start + day * load.DAY + 1, self.prove_all)
        self.at(self.start, self.read_figures)
        with limits.kept_only_by(self.kept):
            self._run()
        return self.tallies

    def _run(self) -> None:
        day = 0
        while self.events and self.events[0][0] < self.end:
            now, _, event = heapq.heappop(self.events)
            if now >= self.start + day * load.DAY:
                day += 1
                sent = sum(post.sent_at is not None for post in self.posts)
                self.say(f"{_time(now):%Y-%m-%d %H:%M} UTC: {sent} posts are out")
            event(now)

    # -- our side

    def need(
        self,
        platform: str,
        who: Who,
        draws: Mapping[str, int],
        importance: Importance,
    ) -> Need:
        ref = next(self.numbers)
        app, token, account = who
        return Need(ref, platform, NETWORK, app, token, account, draws, importance)

    def come_due(self, post: Post, now: float) -> None:
        need = self.need(post.platform, post.who, post.draws, Importance.PUBLISH)
        self.ready.append(Work(need, post.who, post.asks, post))
        self.wake(now)

    def ask_besides(
        self,
        table: Mapping[str, Sequence[Ask]],
        importance: Importance,
        now: float,
        again: int = 0,
    ) -> None:
        for platform, cast in self.cast.items():
            # Each call by itself: a window that is used up stops no other.
            for who, ask in itertools.product(cast, table[platform]):
                draws = load.drawn(platform, [ask])
                need = self.need(platform, who, draws, importance)
                self.ready.append(Work(need, who, (ask,), again=again))
        self.wake(now)

    def prove_all(self, now: float) -> None:
        self.ask_besides(HEALTH, Importance.REFRESH_AND_HEALTH, now)

    def read_figures(self, now: float) -> None:
        self.ask_besides(FIGURES, Importance.FIGURES, now, GREED - 1)
        self.at(now + FIGURES_EVERY_S, self.read_figures)

    def read_more(self, work: Work, now: float) -> None:
        """A reader that got what it wanted wants more; one that was denied stops."""
        platform, who = work.need.platform, work.who
        need = self.need(platform, who, work.need.draws, Importance.FIGURES)
        self.ready.append(Work(need, who, work.asks, again=work.again - 1))
        self.wake(now + TICK_S)

    def pump(self, now: float) -> None:
        """Write down what came; then reserve for what is due, and let it go."""
        self.ticks.discard(now)
        moment = _time(now)
        while self.finished:
            batch, self.finished = self.finished[:BATCH], self.finished[BATCH:]
            with transaction.atomic():
                limits.settle([work.use(self._taken(work)) for work in batch], moment)
            for work in batch:
                for which in work.told:
                    self.told.setdefault((work.need.platform, *which), moment)
        # The most important first, the longest due first, as the engine claims them.
        works = sorted(self.ready, key=_rank)
        self.ready = []
        for start in range(0, len(works), BATCH):
            some = works[start : start + BATCH]
            with transaction.atomic():
                answers = limits.reserve([work.need for work in some], moment)
            for work in some:
                if denied := answers[work.need.ref]:
                    self.hold(work, denied, now)
                else:
                    self.let_go(work, now)

    def let_go(self, work: Work, now: float) -> None:
        tally = self.tallies[work.need.platform]
        if work.is_figures:
            tally.figures_read += 1
            for bucket, _units in work.need.wanted:
                rule = limits.rules(bucket.platform)[bucket.key]
                self.figures_until[bucket] = Window(rule).counts_until(now)
        if work.again:
            self.read_more(work, now)
        work.reserved_at = _time(now)
        self.platforms[work.need.platform].expect(work.asks, work.who)
        wait = self.rng.uniform(0.05, 1.5)
        if self.rng.random() < LATE_ANSWERS:
            wait += self.rng.uniform(5, 40)
        self.at(now + wait, partial(self.arrive, work, 0))

    def hold(self, work: Work, denied: Denied, now: float) -> None:
        tally = self.tallies[work.need.platform]
        if work.is_figures:
            tally.figures_refused += 1
            return
        if work.post is None:
            return
        self._judge_hold(work, work.post, denied, now)
        opens = denied.opens_at.timestamp() if denied.opens_at else now + TRY_AGAIN_S
        self.hold_until(work.post, max(opens, now + TICK_S))

    def _judge_hold(self, work: Work, post: Post, denied: Denied, now: float) -> None:
        """Was it right to hold it? The platform's own count tells."""
        tally = self.tallies[work.need.platform]
        platform = self.platforms[work.need.platform]
        if not post.was_held:
            tally.held += 1
            tally.held_by[denied.key] += 1
        post.was_held = True
        if platform.would_admit(post.asks, post.who, now):
            tally.overheld += not post.was_overheld
            post.was_overheld = True
            if denied.opens_at:
                wait = int(denied.opens_at.timestamp() - now)
                tally.overheld_max_s = max(tally.overheld_max_s, wait)
        if (
            not post.figures_in_the_way
            and now < self.figures_until.get(_bucket(denied), 0)
            and platform.figures_took(post.asks, post.who, now)
            and platform.would_admit(post.asks, post.who, now, without_figures=True)
        ):
            post.figures_in_the_way = True
            tally.late_because_of_figures += 1

    def hold_until(self, post: Post, until: float) -> None:
        self.at(until, partial(self.come_due, post))

    # -- their side

    def arrive(self, work: Work, index: int, now: float) -> None:
        """A call reaches the platform, and its answer starts back."""
        platform = self.platforms[work.need.platform]
        ask = work.asks[index]
        platform.expect([ask], work.who, -1)
        reply = platform.answer(ask, work.who, now, figures=work.is_figures)
        work.made.append(ask)
        back = now + self.rng.uniform(0.1, 1.5)
        self._note(work, ask, reply, back)
        if reply.status == 200 and index + 1 < len(work.asks):
            self.at(back, partial(self.arrive, work, index + 1))
            return
        if reply.status != 200:
            platform.expect(work.asks[index + 1 :], work.who, -1)
            self._refused(work, reply, now)
        elif work.post is not None:
            self._sent(work.post, now)
        self._answer_comes(work, back)

    def _note(self, work: Work, ask: Ask, reply: Reply, at: float) -> None:
        real = registry.platform(work.need.platform)
        work.observations += real.observe(ask.key, reply.headers, _time(at))
        work.told += reply.tells

    def _sent(self, post: Post, now: float) -> None:
        post.sent_at = now
        tally = self.tallies[post.platform]
        if post.was_held:
            tally.released += 1
        else:
            tally.admitted += 1

    def _refused(self, work: Work, reply: Reply, now: float) -> None:
        slug = work.need.platform
        platform, tally = self.platforms[slug], self.tallies[slug]
        # Nobody could know a size that no answer had told when this was reserved.
        never = datetime.max.replace(tzinfo=UTC)
        unknown = [
            which
            for which in reply.full
            if platform.is_private(*which)
            and self.told.get((slug, *which), never) >= work.reserved_at
        ]
        if unknown:
            tally.refused_while_unknown += 1
        else:
            tally.refused_by_platform += 1
            self.say(
                f"{_time(now):%m-%d %H:%M:%S}: {slug} refused {work.made[-1].key}: "
                + ", ".join(f"{name} of {whose}" for name, whose in reply.full)
            )
        if post := work.post:
            post.refused += 1
            if not post.was_held:
                post.was_held = True
                tally.held += 1
                tally.held_by["refused by the platform"] += 1
            self.hold_until(post, now + TRY_AGAIN_AFTER_REFUSAL_S)

    def _answer_comes(self, work: Work, at: float) -> None:
        chance = self.rng.random()
        if work.post is not None and chance < LOST_ANSWERS:
            work.observations, work.told = [], []
            at += LOST_AFTER_S
            self.at(at + LOOK_AFTER_S, partial(self.look, work))
        elif chance < LOST_ANSWERS + LATE_ANSWERS:
            at += self.rng.uniform(5, 45)
        self.at(at, partial(self.note_answer, work))

    def note_answer(self, work: Work, now: float) -> None:
        """The answer is there: give back, and learn from it at the next tick."""
        self.finished.append(work)
        self.wake(now)

    def _taken(self, work: Work) -> Mapping[str, int]:
        if work.post is None:
            return load.drawn(work.need.platform, work.made)
        return load.taken(work.post, work.made)

    def look(self, work: Work, now: float) -> None:
        """Reconciliation: is the post there whose answer was lost?"""
        platform = work.need.platform
        asks = tuple(LOOK[platform])
        draws = load.drawn(platform, asks)
        need = self.need(platform, work.who, draws, Importance.RECONCILE)
        self.ready.append(Work(need, work.who, asks))
        self.wake(now)

    # -- what the ledger asks

    def _subjects(self, post: Post) -> Iterable[tuple[str, str]]:
        app, token, account = post.who
        for whose in (f"app:{app}", f"token:{token}", f"account:{account}"):
            yield post.platform, whose
        yield post.platform, f"ip:{NETWORK}"

    def kept(
        self, ends: Mapping[BucketId, datetime], now: datetime
    ) -> Mapping[BucketId, int]:
        """Units that posts which have not gone yet will need in these windows."""
        found: dict[BucketId, int] = {}
        by_subject: dict[tuple[str, str], list[Post]] = {}
        for bucket in ends:
            which = bucket.platform, bucket.subject
            if which not in by_subject:
                # In order of due time; those that went are left behind for good.
                rows = self.waiting.get(which, [])
                rows = [post for post in rows if post.sent_at is None]
                self.waiting[which] = by_subject[which] = rows
            end, units = ends[bucket].timestamp(), 0
            for post in by_subject[which]:
                if post.due >= end:
                    break
                units += post.draws.get(bucket.key, 0)
            found[bucket] = units
        return found

    def _set_size(self, size: load.SetSize) -> None:
        need = self.need(size.platform, size.who, {}, Importance.PUBLISH)
        rule = limits.rules(size.platform)[size.key]
        subject = limits.subject_of(rule, need)
        RateBucket.objects.create(
            platform=size.platform, key=size.key, subject=subject, size_set=size.size
        )

    @property
    def still_held(self) -> int:
        return len([p for p in self.posts if p.was_held and p.sent_at is None])


def _rank(work: Work) -> tuple[Any, ...]:
    post = work.post
    return (work.need.importance, post.due if post else 0.0, work.need.ref)


def _bucket(denied: Denied) -> BucketId:
    return BucketId(denied.platform, denied.key, denied.subject)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
