"""Does SocialHub notice in time that an access has died, and cry wolf never?

Weeks pass on a clock of its own, in one process: the practice network, whose accesses
end in every way that it knows, whose answers are lost and whose servers stumble; and
the jobs of the monitor cluster as its schedules run them, with the real clients over
real HTTP. Posts are rows only: what is asked is whether their account was known to be
dead before they were due.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import math
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from accounts import connect, health
from accounts.connect import ConnectRefused, Grant
from accounts.fixed_query import FixedQuery
from accounts.models import ConnectedAccount, Credential, Network, PlatformApp
from accounts.practice import ensure_practice_apps
from monitoring.management.commands.make_schedules import DAY as DAY_MIN
from monitoring.management.commands.make_schedules import SCHEDULES
from monitoring.models import Alert, Incident
from platforms.base import TokenSet
from platforms.errors import Cause, PlatformError
from platforms.practice.server import start_practice
from publishing.models import Delivery

from ..sandbox import BASE_DIR, Sandbox
from .health_apps import Apps
from .health_last import LastTokens
from .health_record import LAST_LOOK, Death, Record, share_of
from .health_script import (
    APP_ENDINGS,
    DAY,
    ENDINGS,
    INSTAGRAM,
    REACTS_H,
    RENEWALS,
    STEP,
    TREE_AGAIN,
    TREE_ENDINGS,
    TREE_EVERY,
    TROUBLE,
    TROUBLE_EVERY,
    TURN,
    Ending,
    Reach,
    beginning_with,
    cast,
    death_of,
    next_gap,
    sort_of,
    tree_deaths,
)
from .runner import Part, say, server_url
from .world import Practice, adopt, make_delivery, make_people

logger = logging.getLogger(__name__)

Status = Delivery.Status
#: The drill never skips more than this: incidents are reviewed by the clock.
LONGEST_STEP = timedelta(minutes=20)
#: A look that met trouble is repeated by then, and seen at the next step.
LOOKS_AGAIN = health.AGAIN_AFTER * 1.2 + STEP
#: What a platform tells of an end is whole seconds, and counted on its own clock.
SAME_END = timedelta(minutes=5)
#: One in so many lets an announced end pass.
FORGETS_EACH = 4
#: Jobs of the monitor cluster that concern posts, which are rows only here: no platform
#: has figures of them, and no week is worth a fifth of the drill's time.
OF_POSTS = {
    "judge scheduled",
    "read links ahead",
    "do long work",
    "tidy jobs",
    "read native posts",
    "collect figures",
    "send answers",
    "count weeks",
    "mail reports",
    "tidy uploads",
    "make occurrences",
}
#: Their accesses are of several networks, whose consents end one by one.
LINKS_NETWORKS = {"ayrshare"}
#: Looks ahead of a post, by which a credential has to have been asked.
AHEAD = (timedelta(hours=24), timedelta(minutes=60))
ACCESS = Incident.Kind.ACCESS
#: A world's share of the credentials and its seed, as JSON.
SHARE = "SOCIALHUB_HEALTH_SHARE"
#: Fewer credentials than this are not worth a world.
SMALLEST_WORLD = 50
#: So many, for so many days, see every kind of death.
ALL_KINDS, ALL_DAYS = 400, 60
#: Seeds of worlds do not meet those of other runs.
MOST_WORLDS = 1000


#: Asked at each step, thousands of times.
_broken = FixedQuery(
    lambda: (
        ConnectedAccount.objects.broken()
        .order_by()
        .values_list("pk", "credential__state", "credential__cause", "trouble")
    )
)
_next_proof = FixedQuery(
    lambda: (
        Credential.objects.exclude(state=Credential.State.DISCONNECTED)
        .order_by("next_proof_at")
        .values_list("next_proof_at")[:1]
    )
)
_next_renewal = FixedQuery(
    lambda: (
        Credential.objects.filter(state=Credential.State.ACTIVE)
        .exclude(refresh_token="")
        .exclude(refresh_after=None)
        .order_by("refresh_after")
        .values_list("refresh_after")[:1]
    )
)


class Health(Part):
    """One world for each core, each with its share of the credentials and a seed of its
    own: accesses of different people have nothing to do with each other."""

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        try:
            import time_machine  # noqa: F401
        except ImportError:
            raise CommandError(
                "This drill moves the clock with the package time-machine, which "
                "`make setup` installs with the packages of the tests."
            ) from None

    def inside(self, options: dict[str, Any]) -> None:
        if share := os.environ.get(SHARE):
            print(json.dumps(_live_through({**options, **json.loads(share)})))  # noqa: T201
            return
        told = self._all_worlds(options)
        record = Record.load(told)
        missing = record.missing(ENDINGS + TREE_ENDINGS + APP_ENDINGS)
        figures = {
            **record.figures(),
            "kinds_missing": missing,
            **_of_incidents(told),
            "days": options["days"],
            "seed": options["seed"],
            "worlds": len(told),
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        is_whole = options["credentials"] >= ALL_KINDS and options["days"] >= ALL_DAYS
        wrong = (
            figures["false_alarms"] > 0,
            figures["lost_by_refresh"] > 0,
            (figures["detected_share"] or 0) < 1,
            # One that only came right before a post is bad luck, and is told.
            is_whole and not {*missing} <= {death.name for death in record.deaths},
        )
        if any(wrong):
            raise SystemExit(1)

    def _all_worlds(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        """What each world told, as `_live_through` returns it."""
        credentials: int = options["credentials"]
        count = max(1, min(os.cpu_count() or 1, credentials // SMALLEST_WORLD))
        with ExitStack() as stack:
            running = []
            for number in range(count):
                share = {
                    # The first ones take what cannot be divided.
                    "credentials": credentials // count
                    + (number < credentials % count),
                    "seed": options["seed"] * MOST_WORLDS + number,
                }
                server = "same" if connection.vendor == "postgresql" else "sqlite"
                # Without DEBUG nobody keeps a list of all queries.
                box = Sandbox(server_url(server), {"DEBUG": "false"})
                stack.enter_context(box)
                box.migrate()
                running.append(stack.enter_context(self._world(box, share)))
            told = []
            for world in running:
                out, _ = world.communicate()
                if world.returncode:
                    raise SystemExit(world.returncode)
                told.append(json.loads(out.splitlines()[-1]))
        return told

    @staticmethod
    @contextmanager
    def _world(box: Sandbox, share: dict[str, int]) -> Iterator[subprocess.Popen[str]]:
        world = subprocess.Popen(  # noqa: S603 - this very command, for one share
            [sys.executable, *sys.argv],
            env={**box.env, SHARE: json.dumps(share)},
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield world
        finally:
            if world.poll() is None:
                world.terminate()
                world.wait()


def _live_through(options: dict[str, Any]) -> dict[str, Any]:
    import time_machine

    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # The practice network runs in this very process, so that it has the same clock.
    port = urlsplit(settings.PRACTICE_NETWORK_URL).port
    assert port is not None
    with time_machine.travel(start, tick=True) as clock:
        network = start_practice(Path(settings.DATA_DIR), port)
        try:
            return Weeks(options, start, clock.move_to).run()
        finally:
            network.stop()


def _of_incidents(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all worlds together, and the shares that come from them."""
    sums: Counter[str] = Counter()
    for world in told:
        sums.update(world["counts"])
    return {
        "alerts_per_incident": share_of(sums["alerts"], sums["incidents_told"], 3),
        "incidents_per_death": share_of(sums["incidents"], sums["found"], 3),
        "ends_announced_share": share_of(sums["ends_announced"], sums["ends"]),
        **{
            key: sums[key]
            for key in (
                "credentials",
                "accounts",
                "incidents",
                "posts",
                "held",
                "troubles",
                "renewals_cut",
                "app_incidents",
                "reconnects",
                "not_mended",
            )
        },
    }


class Weeks:
    """The time that passes, what happens in it, and what SocialHub made of it."""

    def __init__(
        self,
        options: dict[str, Any],
        start: datetime,
        move_to: Callable[[datetime], None],
    ) -> None:
        self.credentials: int = options["credentials"]
        self.days: int = options["days"]
        self.start, self.end = start, start + self.days * DAY
        self.move_to = move_to
        #: tells worlds apart, where each begins with another of several
        self.turn = options["seed"] % MOST_WORLDS
        self.dice = random.Random(options["seed"])  # noqa: S311 - a script, no secret
        self.practice = Practice()
        self.user, self.brand = make_people()
        self.record = Record()
        self.accounts: dict[int, ConnectedAccount] = {}
        #: (when, tie-breaker, what)
        self._events: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._numbers = itertools.count()
        self._next_due: dict[int, datetime] = {}
        self._ran: dict[str, datetime] = {}
        #: account -> how its person signs in
        self._sign_ins: dict[int, dict[str, Any]] = {}
        #: account -> since when the answer to its renewal may have been lost, by which
        #: rule of the practice network
        self.cut: dict[int, tuple[datetime, str]] = {}
        #: rule of the practice network -> whose servers stumble or did until the rule's
        #: end, since when, until when
        self._troubles: dict[str, tuple[str, datetime, datetime | None]] = {}
        self.last_tokens = LastTokens(self)
        self._said_day = -1
        self.figures: dict[str, Any] = defaultdict(int)

    # -- the whole

    def run(self) -> dict[str, Any]:
        say("making accounts")
        self._make_cast()
        now = self.start
        while now < self.end:
            now = min(self._next_time(now), self.end)
            self.move_to(now)
            self._happen(now)
            self._posts_due(now)
            self._jobs(now)
            self._observe(now)
            self._tell(now)
        return self._result()

    def _tell(self, now: datetime) -> None:
        day = (now - self.start).days
        if day != self._said_day and day % 5 == 0:
            self._said_day = day
            found = sum(d.found_at is not None for d in self.record.deaths)
            say(f"day {day}: {len(self.record.deaths)} deaths, {found} found")

    def at(self, when: datetime, what: Callable[[datetime], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), what))

    # -- who takes part

    def _make_cast(self) -> None:
        counts, trees = cast(self.credentials)
        for platform, count in counts.items():
            for number in range(count):
                self._make_account(platform, number)
        for number, pages in enumerate(trees):
            self._make_tree(number, pages)
        moment = self.start
        self._platforms = sorted({a.platform for a in self.accounts.values()})
        while (moment := moment + TROUBLE_EVERY) < self.end:
            self.at(moment, self._trouble)
        self.apps = Apps(self, self._platforms)

    def _make_account(self, platform: str, number: int) -> None:
        handle, options = f"{platform[:4]}{number}", sort_of(platform, number)
        made = self.practice.add_account(platform, handle, **options)
        account = adopt(platform, made, self.brand, self.user)
        self._begin(account)
        self._sign_ins[account.pk] = {"handle": handle, **options}
        at, ending = death_of(
            platform, account.kind, self.dice, self.start, self.days, number
        )
        self.at(at, partial(self._die, account.pk, ending))
        if platform in RENEWALS and number % 3 == 0:
            at = self.start + DAY + (self.days - 3) * DAY * self.dice.random()
            self.at(at, partial(self._cut_renewal, account.pk))
        self.plan_renewal(account.pk)

    def _begin(self, account: ConnectedAccount) -> None:
        """Its first look and its first post, at any time of the first day and after."""
        spread = self.dice.random() * DAY
        assert account.credential_id is not None
        Credential.objects.filter(pk=account.credential_id).update(
            next_proof_at=self.start + spread
        )
        self.accounts[account.pk] = account
        self._plan_post(account.pk, self.start + spread)

    def _make_tree(self, number: int, pages: int) -> None:
        """One person with Pages and Instagram accounts, connected as people do it."""
        linked = min(INSTAGRAM, pages // 3)
        sign_in = {
            "handle": f"person{number}",
            "kind": "user",
            "pages": pages,
            "instagram": linked,
        }
        ensure_practice_apps()
        app = PlatformApp.objects.get(platform="facebook", network=Network.PRACTICE)
        grant = self._grant(app, sign_in)
        picks = [(i, self.brand) for i in grant.identities if i.kind != "user"]
        accounts = connect.connect(grant, picks, self.user)
        for account in accounts:
            self._begin(account)
            self._sign_ins[account.pk] = sign_in
        members = frozenset(account.pk for account in accounts)
        person = grant.subject.external_id
        # Another beginning for each tree of each world, and none near another.
        turn = (2 * self.turn + number) * TURN
        endings = beginning_with(turn, TREE_ENDINGS)
        for at in tree_deaths(self.dice, self.start, self.days):
            die = partial(self._die_in_tree, members, person, endings, at + TREE_EVERY)
            self.at(at, die)

    # -- what happens

    def _happen(self, now: datetime) -> None:
        while self._events and self._events[0][0] <= now:
            _when, _number, what = heapq.heappop(self._events)
            what(now)

    def _die(self, pk: int, ending: Ending, now: datetime) -> None:
        if self.record.of(pk):
            return  # it is dead already
        account = self.fresh(pk)
        hit = [account] if ending.reach == Reach.ONE else self.sharing(account)
        due = None if ending.outlived else self.first_due(hit, now)
        if due and not self.record.may_end_now(ending, now, due):
            self.at(due + STEP, partial(self._die, pk, ending))
            return
        causes = ending.causes
        if pk in self.cut:  # one thing at a time, so that it can be told what it was
            self.practice.remove_fault(self.cut.pop(pk)[1])
            self.last_tokens.forget(pk)
            # An answer may be lost already: then both have ended it.
            causes |= {Cause.ROTATION_LOST.value}
        self.practice.end_tokens(account.platform, account.external_id, ending.how)
        if ending.outlived:
            self.last_tokens.begin(account, ending.name, causes)
            return
        death = self.died(ending.name, account.platform, causes, hit, now)
        death.can_be_told = ending.can_be_told
        if ending.restored:
            death.restore = account.external_id
        if not ending.can_be_told and death.next_due_at:
            # Its post is refused and held, and somebody looks into it.
            wait = timedelta(hours=self.dice.uniform(*REACTS_H))
            self.at(death.next_due_at + wait, partial(self._cure, death))

    def _die_in_tree(
        self,
        members: frozenset[int],
        person: str,
        endings: Sequence[Ending],
        until: datetime,
        now: datetime,
    ) -> None:
        """The way that was put to the test least so far; until: its turn is over then."""
        again = partial(self._die_in_tree, members, person, endings, until)
        if any(self.record.of(pk) for pk in members):
            # The last one is not mended yet.
            self.once_more(now + TREE_AGAIN, until, again)
            return
        rows = ConnectedAccount.objects.filter(pk__in=members).order_by("pk")
        accounts = list(rows.select_related("credential__app"))
        linked = any(account.platform == "instagram" for account in accounts)
        ending = self.record.rarest([e for e in endings if linked or not e.of_linked])
        hit, whose = self._hit_in_tree(accounts, person, ending)
        due = self.first_due(hit, now)
        if due and not self.record.may_end_now(ending, now, due):
            self.once_more(due + STEP, until, again)
            return
        self.practice.end_tokens(ending.platform, whose, ending.how)
        death = self.died(ending.name, ending.platform, ending.causes, hit, now)
        if ending.restored:
            death.restore = whose

    def once_more(
        self, at: datetime, until: datetime, what: Callable[[datetime], None]
    ) -> None:
        if at < min(until, self.end - DAY):
            self.at(at, what)

    def _hit_in_tree(
        self, accounts: list[ConnectedAccount], person: str, ending: Ending
    ) -> tuple[list[ConnectedAccount], str]:
        """Who cannot post after it, and whom the practice network has to be told."""
        pages = [a for a in accounts if a.platform == "facebook"]
        linked = [a for a in accounts if a.platform != "facebook"]
        if ending.reach == Reach.PAGES:
            return pages, person
        if ending.reach == Reach.INSTAGRAM:
            return linked, person
        if ending.reach == Reach.BEHIND:
            [page] = [a for a in self.sharing(linked[0]) if a.platform == "facebook"]
            return linked[:1], f"{person}/{page.external_id}"
        if ending.reach == Reach.ACCESS:
            page = self.dice.choice(pages)
            return self.sharing(page), f"{person}/{page.external_id}"
        return accounts, person

    def died(
        self,
        kind: str,
        platform: str,
        causes: frozenset[str],
        hit: list[ConnectedAccount],
        now: datetime,
    ) -> Death:
        pks = frozenset(account.pk for account in hit)
        due = self.first_due(hit, now)
        death = Death(kind, platform, now, pks, causes, due)
        self.record.deaths.append(death)
        return death

    def first_due(
        self, accounts: Iterable[ConnectedAccount], now: datetime
    ) -> datetime | None:
        due = (self._next_due.get(account.pk) for account in accounts)
        return min((at for at in due if at and at > now), default=None)

    def next_due_of(self, platform: str, now: datetime) -> datetime | None:
        """When the next post of any account of a platform is due."""
        rows = self.accounts.values()
        return self.first_due((row for row in rows if row.platform == platform), now)

    def sharing(self, account: ConnectedAccount) -> list[ConnectedAccount]:
        """All accounts that act with the same access."""
        rows = ConnectedAccount.objects.connected()
        return list(rows.filter(credential=account.credential_id))

    def _cut_renewal(self, pk: int, now: datetime) -> None:
        """The answer to the next renewal is lost after the platform has rotated."""
        if self.record.of(pk) or pk in self.last_tokens:
            return
        account = self.fresh(pk)
        rule = self.practice.fault(
            kind="drop_answer",
            platform=account.platform,
            account=account.external_id,
            call=RENEWALS[account.platform],
            times=1,
        )
        self.cut[pk] = now, rule
        self.figures["renewals_cut"] += 1

    def _trouble(self, now: datetime) -> None:
        kind, more = self.dice.choice(TROUBLE)
        platform = self.dice.choice(self._platforms)
        times = self.dice.randint(1, 40)
        rule = self.practice.fault(
            kind=kind, platform=platform, call="any", times=times, **more
        )
        self.figures["troubles"] += 1
        self.begin_trouble(rule, platform, now)
        self.at(now + timedelta(hours=2), partial(self.calm, rule))

    def begin_trouble(self, rule: str, platform: str, now: datetime) -> None:
        """From now on a rule of the practice network hinders looks at a platform."""
        self._troubles[rule] = platform, now, None

    def calm(self, rule: str, now: datetime) -> None:
        platform, since, _until = self._troubles.pop(rule)
        if self._lasts(rule):
            self._troubles[rule] = platform, since, now
        self.practice.remove_fault(rule)

    def _lasts(self, rule: str) -> bool:
        """Rules that have been used up do not wait for a request any more."""
        return rule in {fault["id"] for fault in self.practice.faults()}

    def stumbled_all_hour(
        self, platforms: set[str], due: datetime, but: str = ""
    ) -> bool:
        """No look at them in the last hour before a post got an answer: the trouble was
        there when the hour began, and its end left no time to look again.

        but: a rule of the practice network that is not what is asked for.
        """
        return any(
            platform in platforms
            and rule != but
            and since <= due - LAST_LOOK + STEP
            and (self._lasts(rule) if until is None else until > due - LOOKS_AGAIN)
            for rule, (platform, since, until) in self._troubles.items()
        )

    # -- ends that are known ahead

    def plan_renewal(self, pk: int) -> None:
        """Somebody reconnects when the message of the third day before has come."""
        account = self.fresh(pk)
        ends_at = account.credential.ends_at() if account.credential else None
        if ends_at is None or ends_at >= self.end:
            return
        if pk % FORGETS_EACH == 0:
            self.at(ends_at, partial(self._ran_out, pk, ends_at))
        else:
            wait = timedelta(hours=self.dice.uniform(*REACTS_H))
            early = ends_at - 3 * DAY + wait
            self.at(early, partial(self._renew_ahead, pk, ends_at))

    def _still_ends(self, pk: int, ends_at: datetime) -> bool:
        """Whether this is still its end; looks may have corrected it by seconds."""
        credential = self.fresh(pk).credential
        end = credential.ends_at() if credential else None
        return end is not None and abs(end - ends_at) < SAME_END

    def announced(self, pk: int, ends_at: datetime) -> bool:
        """Whether a message told of this end before it came."""
        found = Alert.objects.filter(
            kind=Alert.Kind.NOTICE,
            incident__accounts=pk,
            created_at__lt=ends_at,
            created_at__gte=ends_at - 22 * DAY,
        ).exists()
        if not found:
            say(f"{self.fresh(pk)} ends on {ends_at:%d %b %H:%M} without a word")
        return found

    def _renew_ahead(self, pk: int, ends_at: datetime, now: datetime) -> None:
        if self.record.of(pk):
            return
        if not self._still_ends(pk, ends_at):
            return  # reconnected meanwhile
        account = self.fresh(pk)
        again = partial(self._renew_ahead, pk, ends_at)
        if not self.reconnect(account, now, again):
            return
        self.figures["ends"] += 1
        self.figures["ends_announced"] += self.announced(pk, ends_at)
        if self._still_ends(pk, ends_at):
            return  # renewed at the platform alone (`LINKS_NETWORKS`)
        self.plan_renewal(pk)

    def _ran_out(self, pk: int, ends_at: datetime, now: datetime) -> None:
        if self.record.of(pk) or not self._still_ends(pk, ends_at):
            return
        account = self.fresh(pk)
        self.figures["ends"] += 1
        self.figures["ends_announced"] += self.announced(pk, ends_at)
        if account.platform in LINKS_NETWORKS:
            return  # the consent of one network: it goes on with the others
        causes = frozenset({Cause.TOKEN_EXPIRED.value})
        self.died("ran_out", account.platform, causes, self.sharing(account), now)

    # -- posts

    def _plan_post(self, pk: int, after: datetime) -> None:
        due = after + next_gap(self.dice)
        if due >= self.end:
            self._next_due.pop(pk, None)
            return
        make_delivery(self.accounts[pk], f"Post of {due:%j %H:%M} for {pk}", due)
        self._next_due[pk] = due
        self.figures["posts"] += 1

    def _posts_due(self, now: datetime) -> None:
        """Due ones leave the queue, as the engine would have it."""
        broken = self._broken()
        for pk, due in list(self._next_due.items()):
            if due > now:
                continue
            death = self.record.of(pk)
            if death and death.found_at is None and due == death.next_due_at:
                whose = {death.platform, self.accounts[pk].platform}
                death.in_trouble = self.stumbled_all_hour(whose, due)
            rows = Delivery.objects.filter(account=pk, status=Status.SCHEDULED)
            if pk not in broken:
                rows.update(
                    status=Status.PUBLISHED,
                    published_at=due,
                    external_id=F("marker"),
                    next_attempt_at=None,
                )
            else:
                rows.update(status=Status.HELD, hold=Delivery.Hold.ACCESS)
                self.figures["held"] += 1
            self._plan_post(pk, due)

    # -- the monitor cluster

    def _jobs(self, now: datetime) -> None:
        for job in SCHEDULES:
            if job.cluster != "monitor" or job.name in OF_POSTS:
                continue
            last = self._ran.get(job.name)
            if (
                last
                and now - last < timedelta(minutes=job.minutes)
                and job.minutes < DAY_MIN
            ):
                continue
            if last and job.minutes >= DAY_MIN and now - last < DAY:
                continue
            self._ran[job.name] = now
            import_string(job.function)()
        self._drain()

    def _drain(self) -> None:
        """What was put into the queue is done at once, as a worker would."""
        waiting = list(OrmQ.objects.order_by("pk"))
        OrmQ.objects.filter(pk__in=[row.pk for row in waiting]).delete()
        for row in waiting:
            if row.key == "monitor":
                task = row.task()
                func = task["func"]
                (import_string(func) if isinstance(func, str) else func)(*task["args"])

    def _next_time(self, now: datetime) -> datetime:
        """The next step at which anything can be due."""
        first = now + LONGEST_STEP
        if self._events:
            first = min(first, self._events[0][0])
        found = [*_next_proof.values(), *_next_renewal.values()]
        times = [at for (at,) in found if at]
        for due in self._next_due.values():
            times += [due - ahead for ahead in AHEAD if due - ahead > now]
            times.append(due)
        first = min([first, *times])
        steps = max(1, math.ceil((first - self.start) / STEP))
        return max(self.start + steps * STEP, now + STEP)

    # -- what was found

    def _observe(self, now: datetime) -> None:
        self.apps.observe(now)
        self.last_tokens.observe(now)
        broken = self._broken()
        for death in self.record.open():
            if death.found_at is None and death.accounts:
                hit = [pk for pk in death.accounts if pk in broken]
                if not hit:
                    continue
                death.found_at = now
                death.found_cause = broken[hit[0]]
                if death.found_cause not in death.causes:
                    say(f"{death.name} is called {death.found_cause}")
                wait = timedelta(hours=self.dice.uniform(*REACTS_H))
                self.at(now + wait, partial(self._cure, death))
        for pk in broken:
            of_app = self.apps.explains(self.accounts[pk].platform, broken[pk], now)
            if self.record.of(pk) is None and not of_app:
                self._unexplained(self.fresh(pk), now)

    def _unexplained(self, account: ConnectedAccount, now: datetime) -> None:
        """Broken although nothing was done to it: by our own renewal, or by mistake."""
        line = (now, str(account), account.cause)
        if account.pk in self.cut:
            if account.cause != Cause.ROTATION_LOST:
                self.record.lost_by_refresh.append(line)
                say(f"{now:%d %b %H:%M} a lost renewal: {account} {account.cause}")
            causes = frozenset({Cause.ROTATION_LOST.value})
            at, _rule = self.cut.pop(account.pk)
            self.died("renewal_cut", account.platform, causes, [account], at)
            death = self.record.deaths[-1]
            death.can_be_told = False  # it dies when it is renewed, not when we say
            death.found_at, death.found_cause = now, account.cause
            wait = timedelta(hours=self.dice.uniform(*REACTS_H))
            self.at(now + wait, partial(self._cure, death))
            return
        by_refresh = account.cause == Cause.REFRESH_REFUSED
        (
            self.record.lost_by_refresh if by_refresh else self.record.false_alarms
        ).append(line)
        say(f"{now:%d %b %H:%M} without a reason: {account} {account.cause}")
        death = Death(
            "false_alarm",
            account.platform,
            now,
            frozenset({account.pk}),
            frozenset(),
            can_be_told=False,
            found_at=now,
        )
        self.record.deaths.append(death)
        self._cure(death, now)

    # -- what people do then

    def _cure(self, death: Death, now: datetime) -> None:
        """A person puts it right at the platform and reconnects here."""
        accounts = [self.fresh(pk) for pk in sorted(death.accounts)]
        if death.restore:
            self.practice.end_tokens(death.platform, death.restore, "restore")
        if not self.reconnect(accounts[0], now, partial(self._cure, death)):
            return
        death.cured_at = now
        for account in accounts:
            if self.fresh(account.pk).health != "healthy":
                self.figures["not_mended"] += 1
                say(f"{account} is not well after a reconnect: {account.cause}")
            self.plan_renewal(account.pk)

    def reconnect(
        self,
        account: ConnectedAccount,
        now: datetime,
        again: Callable[[datetime], None],
    ) -> bool:
        """False when the platform hinders it: `again` is called in half an hour."""
        assert account.credential is not None
        try:
            grant = self._grant(account.credential.app, self._sign_ins[account.pk])
            connect.reconnect(grant, account, self.user, yes=True)
        except (ConnectRefused, PlatformError) as exc:
            # A server may stumble in this very moment: people try again.
            logger.info("reconnecting %s: %s", account, exc)
            self.figures["tried_again"] += 1
            self.at(now + timedelta(minutes=30), again)
            return False
        self.cut.pop(account.pk, None)
        self.last_tokens.forget(account.pk)
        self.figures["reconnects"] += 1
        return True

    def _grant(self, app: PlatformApp, sign_in: dict[str, Any]) -> Grant:
        """The sign-in of a person, from the token exchange on."""
        options = dict(sign_in)
        handle = options.pop("handle")
        made = self.practice.add_account(app.platform, handle, **options)
        now = timezone.now()

        def at(seconds: Any) -> datetime | None:
            return now + timedelta(seconds=float(seconds)) if seconds else None

        extra = dict(made.get("extra") or {})
        if options.get("kind") == "user":
            extra = {}  # a tree's list of Pages: the client reads them by itself
        tokens = TokenSet(
            access_token=made["access_token"],
            refresh_token=made.get("refresh_token") or "",
            issued_at=now,
            expires_at=at(made.get("expires_in")),
            refresh_expires_at=at(made.get("refresh_expires_in")),
            scopes=tuple(made.get("scopes") or ()),
            extra=extra,
        )
        return connect.receive(app, tokens, tokens.scopes)

    # -- rows

    def fresh(self, pk: int) -> ConnectedAccount:
        found = ConnectedAccount.objects.select_related("credential__app").get(pk=pk)
        return found

    @staticmethod
    def _broken() -> dict[int, str]:
        """Of each account that SocialHub calls broken the cause, as its page tells it."""
        return {
            pk: trouble if state == Credential.State.ACTIVE else cause
            for pk, state, cause, trouble in _broken.rows()
        }

    # -- the end

    def _result(self) -> dict[str, Any]:
        """What a world tells: the record, and numbers that can be added up."""
        opened = Alert.objects.filter(
            kind=Alert.Kind.OPENED, incident__kind=ACCESS, channel=None
        )
        counts = Counter(
            {
                **self.figures,
                "credentials": Credential.objects.count(),
                "accounts": len(self.accounts),
                "incidents": Incident.objects.filter(kind=ACCESS).count(),
                "incidents_told": opened.values("incident").distinct().count(),
                "alerts": opened.count(),
                "found": sum(
                    d.found_at is not None and bool(d.accounts) and not d.averted
                    for d in self.record.deaths
                ),
            }
        )
        return {"record": self.record.dump(), "counts": counts}
