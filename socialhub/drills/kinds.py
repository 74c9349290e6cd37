"""Does every platform publish every kind of post, also when it breaks in the middle?

Every platform and every kind that its spec offers goes out through real clusters to the
practice network. Of each kind some deliveries lose their worker to SIGKILL at a step of
the flow, others a connection or an answer; whatever is left of it goes on. In the end
the practice network's own record decides.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import requests
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import ConnectedAccount, Credential
from platforms import registry
from platforms.base import Draft, MediaFile, PublishJob
from platforms.errors import PlatformError
from platforms.quotes import QUOTE
from publishing import polls
from publishing.models import Delivery, MediaAsset, Post, PostMedia, Variant, schedule

from ..sandbox import Sandbox, SandboxError, wait_for
from . import kinds_files, kinds_record
from .crash_fleet import Host
from .kinds_breaks import AHEAD, Break, Breaker, Chooser, Step
from .kinds_ways import ADDRESS, Offer, Planner, Sort, Way
from .runner import Part, say
from .world import Practice, adopt, lift_shared_limits, make_people

Status = Delivery.Status

#: One whole call; answers are kept back for less than this.
TIMEOUT_S = 11
LEASE_S = 17
LOOKS_S = (2, 4, 8)
ENVIRONMENT = {
    "HTTP_TIMEOUT_S": str(TIMEOUT_S),
    "PUBLISH_LEASE_S": str(LEASE_S),
    "PUBLISH_LOOK_AFTER_S": ",".join(map(str, LOOKS_S)),
    "PUBLISH_THREADS": "40",
    "CLUSTER_SILENT_AFTER_S": "10",
    "REDIS_URL": "",
}
#: Seconds between two of one platform: were many broken at once and hardly one had come
#: through, its breaker would open, and rightly so.
GAP_S = 0.7
#: So long before its post what leaves ahead leaves here.
HEAD_START = AHEAD / 2
#: Seconds without any news after which nobody waits any longer, unless something waits
#: for a time that is still to come.
QUIET_S = 150.0
#: A host is given up that does not work after so long.
START_S = 300
#: Between two looks for news.
NEWS_S = 5.0
#: So often is tried again to break what was to be broken and was not.
MOST_ROUNDS = 3

#: platform -> sorts of account: what the practice network makes them by
SORTS: dict[str, tuple[dict[str, Any], ...]] = {
    "linkedin": ({"kind": "organization"}, {"kind": "member"}),
    "instagram": ({"variant": "facebook"}, {"variant": "instagram"}),
    "outstand": tuple(
        {"network": network}
        for network in registry.spec("outstand").account_kinds
        if network != "organization"
    ),
    "ayrshare": (
        {"networks": list(registry.spec("ayrshare").options_by_key["network"].choices)},
    ),
}
#: Kinds of account that bring others along and take no posts themselves.
NO_PLACES = {("facebook", "user"), ("outstand", "organization")}
#: Only an account's own posts can be quoted there, and each here has one post.
QUOTES_ITSELF = {"threads"}
#: of a post that is made without the engine
MOST_STEPS = 20
#: Accounts whose posts no app may read.
UNREADABLE = {("linkedin", "member")}

#: How fast the networks work here, and limits of an app that this drill shares among
#: more accounts than a day has.
PACE: dict[str, dict[str, str]] = {
    "x": {"plan": "enterprise"},
    "mastodon": {"rate_limits": "off"},
    "bluesky": {"rate_limits": "off"},
    "facebook": {"video_processing_s": "3"},
    "instagram": {"processing_s": "3"},
    "threads": {"processing_s": "3"},
    "youtube": {
        "processing_s": "3",
        "units_per_day": "1000000",
        "uploads_per_day": "10000",
    },
    "tiktok": {"moderation_s": "2", "processing_s": "2"},
    # Images that cannot be fetched are sent.
    "pinterest": {"video_processing_s": "2", "fetch_fails": "12"},
    "snapchat": {
        "app_calls": "10000",
        "token_calls": "1000",
        "posting_s": "1",
        "processing_s": "2",
        "moderation_s": "2",
    },
    "ayrshare": {
        "requests_per_window": "100000",
        "tiktok_id_after_s": "2",
        "history_cache_s": "0",
    },
    "outstand": {"requests_per_minute": "100000", "publish_after_s": "1"},
}


@dataclass(eq=False)
class Flow:
    """Ways of one kind that make the same calls. is_learnt: its others are on their way."""

    ways: list[Way] = field(default_factory=list)
    is_learnt: bool = False
    whole: Delivery = field(init=False)


class AllKinds(Part):
    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        return ENVIRONMENT

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        if not os.path.isdir("/proc"):
            raise SandboxError("this drill finds its processes in /proc (Linux)")
        unknown = set(options["only"] or ()) - set(registry.PLATFORMS)
        if unknown:
            raise SandboxError(f"there is no platform {', '.join(sorted(unknown))}")
        box.migrate()
        box.start_practice()
        # Some platforms fetch the files from us.
        box.start_web()

    def inside(self, options: dict[str, Any]) -> None:
        Drill(
            options["only"] or list(registry.PLATFORMS),
            options["seed"],
            options["clusters"],
        ).run_and_tell()


class Drill:
    def __init__(self, platforms: list[str], seed: int, clusters: int) -> None:
        self.platforms = platforms
        self.seed = seed
        self.practice = Practice()
        self.hosts = [
            Host(n, settings.DATA_DIR, os.environ, seed) for n in range(1, clusters + 1)
        ]
        self.user, self.brand = make_people()
        self.assets: dict[str, MediaAsset] = {}
        self.shelf: dict[str, MediaFile] = {}
        self.handles = 0
        self.offers: dict[str, Offer] = {}
        self.flows: list[Flow] = []
        #: delivery -> how it is made, and its break if it has one
        self.ways: dict[int, Way] = {}
        self.breaks: dict[int, Break] = {}
        self.breaker = Breaker(self.practice, self.hosts)
        self.chooser = Chooser()
        #: platform -> when its latest delivery is due
        self.last_due: dict[str, datetime] = {}
        #: to be made and broken: way, manner, call, fault
        self.planned: deque[tuple[Way, str, str, str]] = deque()
        self.rounds = 0
        self.started = time.monotonic()

    def run_and_tell(self) -> None:
        try:
            self._run()
        finally:
            for host in self.hosts:
                host.vanish()
        verdict = kinds_record.judge(self.practice, self.ways, self.assets)
        figures = kinds_record.tell(
            verdict, self.practice, self.offers, self.ways, self.breaks, self.breaker
        )
        figures |= {
            "database": connection.vendor,
            "clusters": len(self.hosts),
            "seed": self.seed,
            "seconds": round(time.monotonic() - self.started),
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        if any(figures[goal] for goal in ("failed", "doubled", "lost", "unbroken")):
            raise SystemExit(1)

    def _run(self) -> None:
        self._prepare_network()
        self._plan()
        say(f"{self._clock()} starting {len(self.hosts)} publish clusters")
        begin = timezone.now()
        for host in self.hosts:
            host.start()
        for flow in self.flows:
            self._deliver_whole(flow)
        for host in self.hosts:
            wait_for(partial(host.works, begin), START_S, name=host.name)
        self.breaker.start()
        try:
            self._until_quiet()
        finally:
            self.breaker.over.set()
            self.breaker.join()
        self.practice.clear_faults()

    # -- the world

    def _prepare_network(self) -> None:
        for platform, pace in PACE.items():
            if platform in self.platforms:
                for name, value in pace.items():
                    self.practice.switch(platform, name, value)
        self.assets = kinds_files.make_all(self.brand, self.user)
        kinds_files.make_card(ADDRESS)
        self.shelf = {
            name: PostMedia(
                asset=asset, alt_text=f"Alternative text of {name}"
            ).as_file()
            for name, asset in self.assets.items()
        }

    def _new_account(self, platform: str, made_by: dict[str, Any]) -> ConnectedAccount:
        self.handles += 1
        made = self.practice.add_account(platform, f"kind{self.handles}", **made_by)
        account: ConnectedAccount = adopt(platform, made, self.brand, self.user)
        return account

    def _plan(self) -> None:
        for platform in self.platforms:
            sorts = [self._sort(platform, by) for by in SORTS.get(platform, ({},))]
            quotable = self._quotable(platform, sorts[0].account)
            offer = Planner(platform, sorts, self.shelf, quotable).offer()
            have = {sort.account.kind for sort in sorts}
            for kind in registry.spec(platform).account_kinds:
                if kind not in have and (platform, kind) not in NO_PLACES:
                    offer.missing.append(f"accounts of kind {kind}: none was made")
            self.offers[platform] = offer
            self.flows += self._flows_of(offer.ways)
            lift_shared_limits({platform: [sort.account for sort in sorts]})
        ways = sum(len(flow.ways) for flow in self.flows)
        say(
            f"{self._clock()} {ways} ways in {len(self.flows)} flows on"
            f" {len(self.platforms)} platforms"
        )

    def _flows_of(self, ways: Sequence[Way]) -> list[Flow]:
        """Ways of one kind that make the same calls go together."""
        found: dict[tuple[str, frozenset[str]], Flow] = {}
        for way in ways:
            platform, account = registry.platform(way.platform), way.sort.account
            draft = way.draft("A drill", self.shelf, account)
            job = PublishJob("0" * 32, timezone.now(), draft, account.identity())
            calls = frozenset(platform.calls_ahead(job, looking=False))
            if way.comment and (rule := platform.spec.first_comment):
                calls |= {rule.call}
            found.setdefault((way.kind, calls), Flow()).ways.append(way)
        return list(found.values())

    def _sort(self, platform: str, made_by: dict[str, Any]) -> Sort:
        """With what the account's own server announces, as it is asked on connecting."""
        account = self._new_account(platform, made_by)
        try:
            account.server_limits = dict(account.client().server_limits())
        except PlatformError as error:
            raise SandboxError(f"{platform} tells no limits: {error}") from error
        named = [v for v in made_by.values() if isinstance(v, str)]
        return Sort(" ".join(named) or account.kind, made_by, account)

    def _quotable(self, platform: str, account: ConnectedAccount) -> str:
        """The address of a post that others may quote, made for them; "": they may not."""
        acting, spec = registry.platform(platform), registry.spec(platform)
        if QUOTE not in spec.options_by_key or platform in QUOTES_ITSELF:
            return ""
        client, now = account.client(), timezone.now()
        draft = Draft("A word of others")
        job = PublishJob(uuid.uuid4().hex, now, draft, account.identity())
        for _ in range(MOST_STEPS):
            result = acting.next_step(job, client).run()
            if result.remote:
                return result.remote.permalink
            job = replace(job, witness={**job.witness, **result.witness})
        raise SandboxError(f"{platform}: a post took more than {MOST_STEPS} steps")

    # -- deliveries

    def _deliver_whole(self, flow: Flow) -> None:
        """One that nothing breaks, from which is learnt how the flow goes."""
        flow.whole = self._deliver(flow.ways[0])

    def _break_flows(self) -> None:
        """Once the first of a flow is out, the others follow, each broken at a step."""
        waiting = {flow.whole.pk: flow for flow in self.flows if not flow.is_learnt}
        out = Delivery.objects.filter(pk__in=waiting, status=Status.PUBLISHED)
        for pk in out.values_list("pk", flat=True):
            flow = waiting[pk]
            steps = self._steps_of(flow)
            flow.is_learnt = True
            platform = flow.ways[0].platform
            chosen = self.chooser.breaks_of(platform, steps, len(flow.ways) - 1)
            # The first way has had its turn.
            ways = itertools.cycle([*flow.ways[1:], flow.ways[0]])
            for (how, step), way in zip(chosen, ways, strict=False):
                fault = self.chooser.fault(platform, how, step)
                self.planned.append((way, how, step.call, fault))
        while self.planned:
            self._break(*self.planned[0])
            self.planned.popleft()

    def _break(self, way: Way, how: str, call: str, fault: str) -> None:
        delivery = self._deliver(way)
        one = Break(
            how=how,
            delivery=delivery.pk,
            platform=way.platform,
            account=delivery.account.external_id,
            due_at=delivery.due_at,
            call=call,
            fault=fault,
        )
        self.breaks[delivery.pk] = one
        self.breaker.waiting.append(one)

    def _break_again(self) -> bool:
        """What came through whole and was to be broken, once more: a breaker may have
        held it, or its call went out before there was anything in its way. Each with a
        whole one before it, so that no breaker opens. False: nothing is left to do."""
        self.rounds += 1
        if self.rounds > MOST_ROUNDS:
            return False
        missed = kinds_record.missed(self.ways, self.breaks)
        for pk in missed:
            one, way = self.breaks[pk], self.ways[pk]
            self._deliver(way)
            self._break(way, one.how, one.call, one.fault)
        return bool(missed)

    def _steps_of(self, flow: Flow) -> list[Step]:
        """The calls of the flow in order, as the practice network's record has them."""
        account = flow.whole.account
        since = flow.whole.created_at
        steps = dict.fromkeys(
            Step(line["call"], line["commit"])
            for line in self.practice.record(account.platform, account.external_id)
            if datetime.fromisoformat(line["arrived_at"]) > since
        )
        if (account.platform, account.kind) in UNREADABLE:
            # Nobody could tell afterwards whether it went out.
            return [step for step in steps if not step.is_seen] or list(steps)
        return list(steps)

    def _deliver(self, way: Way) -> Delivery:
        """For an account of its own, so that the network tells whose a post is."""
        account = self._new_account(way.platform, dict(way.sort.made_by))
        limits = self._limits_of(account, way)
        ConnectedAccount.objects.filter(pk=account.pk).update(server_limits=limits)
        account.server_limits = limits
        # Connected a while ago: a token of seconds may be refused without meaning it.
        assert account.credential is not None
        Credential.objects.filter(pk=account.credential.pk).update(
            issued_at=timezone.now() - timedelta(days=1)
        )
        delivery = self._post(way, account, self._next_due(way.platform))
        self.ways[delivery.pk] = way
        return delivery

    @staticmethod
    def _limits_of(account: ConnectedAccount, way: Way) -> dict[str, Any]:
        """Of its own where the choices are its own; else those of its sort."""
        spec = registry.spec(way.platform)
        if any(spec.options_by_key[key].choices_from for key in way.choices):
            return dict(account.client().server_limits())
        return dict(way.sort.account.server_limits)

    def _next_due(self, platform: str) -> datetime:
        soon = timezone.now() + timedelta(seconds=4)
        before = self.last_due.get(platform)
        due = max(soon, before + timedelta(seconds=GAP_S)) if before else soon
        self.last_due[platform] = due
        return due

    def _post(self, way: Way, account: ConnectedAccount, due: datetime) -> Delivery:
        words = (
            f"Drill {self.seed} {uuid.uuid4().hex[:8]}: {way.kind} for {way.platform}"
        )
        draft = self._own(way, account).draft(words, self.shelf, account)
        with transaction.atomic():
            post = Post.objects.create(
                brand=self.brand,
                author=self.user,
                text=draft.text,
                link_url=draft.link_url,
                poll=polls.doc(draft.poll),
                due_at=due,
                useful_until=due + timedelta(hours=2),
            )
            post.accounts.add(account)
            for position, name in enumerate((*way.files, *way.captions), 1):
                post.media.create(
                    asset=self.assets[name],
                    position=position,
                    alt_text=self.shelf[name].alt_text,
                )
            Variant.objects.create(
                post=post,
                platform=way.platform,
                has_text=False,
                options=draft.options,
                first_comment=way.comment,
            )
            delivery = schedule(post, [account])[0]
            if delivery.prepare_at:
                # Its files would leave before anything is in their way.
                delivery.prepare_at = due - HEAD_START
                delivery.save(update_fields=["prepare_at"])
            return delivery

    @staticmethod
    def _own(way: Way, account: ConnectedAccount) -> Way:
        """The same with this account's own choices: boards have other numbers there."""
        spec = registry.spec(way.platform)
        choices = dict(way.choices)
        for key, value in choices.items():
            own = account.server_limits.get(spec.options_by_key[key].choices_from)
            if own and value not in own:
                choices[key] = next(iter(own))
        return replace(way, choices=choices)

    # -- waiting

    def _until_quiet(self) -> None:
        """Until all have ended, or nothing has moved for long that had its time."""
        seen, quiet_s, before = time.monotonic(), 0.0, ""
        open_ones = Delivery.objects.exclude(status__in=Delivery.ENDED)
        while quiet_s < QUIET_S:
            try:
                self._break_flows()
                self._decide_as_a_person()
                if not open_ones.exists() and not self._break_again():
                    return
                if time.monotonic() > seen + NEWS_S:
                    seen, now = time.monotonic(), self._states()
                    say(f"{self._clock()} {now}; {self.breaker.kills} pumps killed")
                    # By looks and not by the clock: where a machine stands still for
                    # a while, so does everybody.
                    waits = now == before and not self._is_to_come()
                    quiet_s = quiet_s + NEWS_S if waits else 0.0
                    before = now
            except requests.RequestException as error:
                say(f"the practice network does not answer: {error}")
                quiet_s += NEWS_S
            except Error:
                connection.close()
                quiet_s += NEWS_S
            time.sleep(0.5)
        say(f"nothing moved for {QUIET_S:.0f} s")

    @staticmethod
    def _is_to_come() -> bool:
        """Something waits for its time, such as the next trial of a breaker."""
        soon = timezone.now() + timedelta(seconds=NEWS_S)
        waiting = Delivery.objects.exclude(status__in=Delivery.ENDED)
        return waiting.filter(
            Q(release_at__gt=soon) | Q(next_attempt_at__gt=soon)
        ).exists()

    def _decide_as_a_person(self) -> None:
        """Where a platform cannot tell, somebody looks and presses one of two buttons.
        And whoever got a draft publishes it in the platform's app."""
        if "tiktok" in self.platforms:
            self.practice.post_drafts()
        asked = Delivery.objects.filter(
            status=Status.UNCERTAIN, next_attempt_at=None
        ).select_related("account")
        for row in asked:
            live = kinds_record.live_of(self.practice, row.account)
            if row.is_at_comment and not kinds_record.below(self.practice, row.account):
                live = []
            if live:
                row.confirm_live(live[0]["url"])
            else:
                row.confirm_absent()
            self.offers[row.account.platform].decided += 1

    @staticmethod
    def _states() -> str:
        states = Counter(Delivery.objects.values_list("status", flat=True))
        return ", ".join(f"{n} {state}" for state, n in sorted(states.items()))

    def _clock(self) -> str:
        return f"{time.monotonic() - self.started:6.1f} s"
