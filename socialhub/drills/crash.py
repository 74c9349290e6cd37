"""Does every post go out once, whatever dies, stops or breaks meanwhile?

Real clusters under their supervisors publish to the practice network, which answers
badly now and then. Processes are killed and stopped at seeded moments, at random and at
named points. In the end the practice network's own record decides.

A kill counts as recovered when the host that it hit works as before: a beat sent after
it came back through queue and workers, all its pumps run, and no delivery belongs to a
dead one any more. A host that is killed for good is recovered when others have taken
all its deliveries over.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import Error, connection, transaction
from django.utils import timezone
from PIL import Image

from accounts.models import Brand, ConnectedAccount, Credential
from platforms import registry
from publishing import crash_points, media
from publishing.models import Delivery, MediaAsset, Post, Variant, schedule

from ..sandbox import Sandbox, SandboxError, wait_for
from . import crash_fleet as fleet
from . import crash_record
from .crash_fleet import Host
from .runner import Part, say
from .world import Practice, adopt, bring_near, lift_shared_limits, make_people

Status = Delivery.Status

#: One whole call; platforms that are slower than this are given up.
TIMEOUT_S = 3
LEASE_S = 8
#: Looks after a lost answer. Whatever the practice network does late, it has done
#: before the last of them.
LOOKS_S = (2, 4, 8)
#: How late a platform applies what it was sent.
LATE_S = TIMEOUT_S + 1.5
ENVIRONMENT = {
    "HTTP_TIMEOUT_S": str(TIMEOUT_S),
    "PUBLISH_LEASE_S": str(LEASE_S),
    "PUBLISH_LOOK_AFTER_S": ",".join(map(str, LOOKS_S)),
    "PUMP_SECONDS": "20",
    "PUBLISH_THREADS": "25",
    "CLUSTER_SILENT_AFTER_S": "10",
}
#: Longer than a lease and all looks after it: whoever took it from a pump that only
#: stands still would have sent by then.
STOPPED_S = (LEASE_S + LOOKS_S[-1] + 4, LEASE_S + LOOKS_S[-1] + 7)
#: Seconds that a cluster may need to work again; the watchdog alone takes a third.
RECOVER_S = 60.0
#: Seconds that deliveries may take to come to rest after the last is due.
QUIET_S = 120.0
#: Name of our own connections, which are not cut.
OWN = "socialhub-crash-drill"

#: platform -> options of its accounts that can be read
PLATFORMS: dict[str, dict[str, Any]] = {
    "mastodon": {},
    "bluesky": {},
    "x": {},
    "linkedin": {"kind": "organization"},
    "facebook": {},
    "threads": {},
}
#: One account in ten of this platform is one that no app may read. Where networks
#: forget, there are none: such posts are repeated on the strength of the network's own
#: refusal of duplicates, and nothing else could keep them apart.
UNREADABLE: dict[str, dict[str, Any]] = {"linkedin": {"kind": "member"}}

#: What makes networks forget what they had: then nothing but we keeps posts apart.
FORGET = (
    ("mastodon", "flavour", "gotosocial"),
    ("x", "duplicate_window_s", "0"),
    ("linkedin", "duplicate_live_s", "0"),
    ("facebook", "duplicate_s", "0"),
)
#: What a Mastodon server tells of itself that keeps an idempotency key.
KEEPS_KEYS = {"software": "mastodon", "api_level": 10}
#: One post in so many carries a picture, which takes steps before its commit.
PICTURE_EACH = 10
#: Of those that a platform can continue, one in so many has further parts: a thread of
#: two or three, or a first comment.
PARTS_EACH = 3

#: (weight, kind, settings): what the network does to one request in eight
FAULTS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (6, "drop_answer", {}),
    (3, "cut", {"call": "commit"}),
    (2, "cut", {}),
    (3, "slow_answer", {"call": "commit", "seconds": LATE_S}),
    (2, "latency", {"call": "commit", "seconds": LATE_S}),
    (1, "slow_answer", {"seconds": 1}),
    (3, "delayed_apply", {"seconds": 3}),
    (2, "rate_limited", {"call": "commit", "retry_after_s": 3}),
    (1, "rate_limited_no_headers", {"call": "commit"}),
    (2, "server_error", {"call": "commit", "status": 503}),
    (3, "server_error_after_write", {"status": 500}),
    (1, "html_error", {"call": "commit", "status": 502}),
    (3, "bad_request_after_write", {}),
    (1, "duplicate", {}),
    (1, "content_refused", {}),
)
#: A record's address is ours alone there: "it is there already" is never a lie.
NEVER = {("bluesky", "duplicate")}


@dataclass
class Kill:
    """One SIGKILL, or one blow to many processes at once."""

    name: str
    host: Host
    #: ids of the pumps that died of it
    pumps: list[str]
    recovered_s: float | None = None


class Crash(Part):
    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        redis = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
        return {
            **ENVIRONMENT,
            "REDIS_URL": redis if options["broker"] == "redis" else "",
        }

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        if not os.path.isdir("/proc"):
            raise SandboxError("this drill finds its processes in /proc (Linux)")
        box.migrate()
        box.start_practice()

    def inside(self, options: dict[str, Any]) -> None:
        # libpq reads it at each connection; the clusters do not inherit it.
        os.environ["PGAPPNAME"] = OWN
        Drill(
            options["deliveries"], options["seed"], options["clusters"] or 2
        ).run_and_tell()


class Drill:
    def __init__(self, deliveries: int, seed: int, clusters: int) -> None:
        self.deliveries = deliveries
        self.seed = seed
        #: Every third seed tries the networks' own protections as well.
        self.forgetful = seed % 3 != 0
        self.dice = random.Random(seed)  # noqa: S311 - to be repeated, not secret
        self.practice = Practice()
        env = {k: v for k, v in os.environ.items() if k != "PGAPPNAME"}
        box = settings.DATA_DIR
        self.hosts = [Host(n, box, env, seed) for n in range(1, clusters + 1)]
        self.gone: Host | None = None
        self.kills: list[Kill] = []
        self.blows: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.unreadable: set[int] = set()
        self.started = time.monotonic()

    def run_and_tell(self) -> None:
        try:
            verdict = self._run()
        finally:
            for host in self.hosts:
                host.vanish()
        crash_record.tell(verdict, self.practice)
        recovered = sorted(
            kill.recovered_s for kill in self.kills if kill.recovered_s is not None
        )
        say(f"blows: {dict(sorted(self.blows.items()))}")
        if self.missed:
            say(f"not done, because nobody was there: {dict(self.missed)}")
        say(f"answers spoiled: {dict(crash_record.faults_met(self.practice))}")
        figures = {
            "deliveries": Delivery.objects.count(),
            "parts": verdict.parts,
            "parts_live": verdict.parts_live,
            "published": verdict.published,
            "held": verdict.held,
            "waiting": verdict.waiting,
            "refused": verdict.refused,
            "person_decides": verdict.person_decides,
            "uncertain_left": verdict.uncertain_left,
            "doubled": verdict.doubled,
            "lost": verdict.lost,
            "misplaced": verdict.misplaced,
            "kills": len(self.kills),
            "not_recovered": len(self.kills) - len(recovered),
            "recovery_p50_s": round(quantile(recovered, 0.5), 1),
            "recovery_p99_s": round(quantile(recovered, 0.99), 1),
            "database": connection.vendor,
            "broker": "redis" if settings.REDIS_URL else "orm",
            "clusters": len(self.hosts),
            "networks_forget": self.forgetful,
            "seed": self.seed,
            "seconds": round(time.monotonic() - self.started),
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        goals = ("doubled", "lost", "misplaced", "uncertain_left", "not_recovered")
        if any(figures[goal] for goal in goals):
            raise SystemExit(1)

    def _run(self) -> crash_record.Verdict:
        accounts = self._make_accounts()
        plans = self._plan()
        window = max(8.0, self.deliveries / 22, *map(seconds_for, plans))
        far = timezone.now() + timedelta(days=1)
        self._make_deliveries(accounts, far, window)
        say(f"{self._clock()} starting {len(self.hosts)} publish clusters")
        begin = timezone.now()
        for host in self.hosts:
            host.start()
        for host in self.hosts:
            wait_for(partial(host.works, begin), 90, name=host.name)
        bring_near(far - timezone.now() - timedelta(seconds=2))
        blows = sum(map(len, plans))
        say(
            f"{self._clock()} {self.deliveries} deliveries within {window:.0f} s,"
            f" {blows} blows"
        )
        over = threading.Event()
        threads = [
            threading.Thread(target=self._act, args=(host, plan, over))
            for host, plan in zip(self.hosts, plans, strict=True)
        ]
        threads.append(
            threading.Thread(target=self._weather, args=(accounts, window, over))
        )
        for thread in threads:
            thread.start()
        try:
            self._watch(threads, window)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.practice.clear_faults()
        rest_at = self._until_quiet()
        for host in self.hosts:
            host.vanish()
        # What the network still does with requests that nobody waits for any more.
        time.sleep(LATE_S)
        return crash_record.judge(
            self.practice, list(PLATFORMS), self.unreadable, rest_at
        )

    # -- the world

    def _make_accounts(self) -> dict[str, list[ConnectedAccount]]:
        """Enough of each platform that no network's window is ever full."""
        each = min(30, max(5, self.deliveries // 64))
        say(f"{each} accounts on each of {len(PLATFORMS)} networks")
        user, brand = make_people()
        made: dict[str, list[ConnectedAccount]] = {}
        for platform, options in PLATFORMS.items():
            for n in range(each):
                rare = n % 10 == 9 and not self.forgetful
                odd = UNREADABLE.get(platform) if rare else None
                account = adopt(
                    platform,
                    self.practice.add_account(
                        platform, f"crash{n}", **(odd if odd else options)
                    ),
                    brand,
                    user,
                )
                made.setdefault(platform, []).append(account)
                if odd:
                    self.unreadable.add(account.pk)
        # Connected a while ago: a token of seconds may be refused without meaning it.
        Credential.objects.update(issued_at=timezone.now() - timedelta(days=1))
        for platform in ("mastodon", "bluesky"):
            self.practice.switch(platform, "rate_limits", "off")
        if self.forgetful:
            for platform, name, value in FORGET:
                self.practice.switch(platform, name, value)
        else:
            ConnectedAccount.objects.filter(platform="mastodon").update(
                server_limits=KEEPS_KEYS
            )
        lift_shared_limits(made)
        return made

    def _make_deliveries(
        self,
        accounts: dict[str, list[ConnectedAccount]],
        start: datetime,
        window: float,
    ) -> None:
        """As many on each platform, due within the window; each text is unique."""
        author = next(iter(accounts.values()))[0].owner
        brand = next(iter(accounts.values()))[0].brand
        assert author is not None
        count = 0
        number = 0
        picture = self._make_picture(brand, author)
        with transaction.atomic():
            while count < self.deliveries:
                number += 1
                due = start + timedelta(seconds=self.dice.uniform(0, window))
                for platform, there in accounts.items():
                    if count == self.deliveries:
                        break
                    account = self.dice.choice(there)
                    post = Post.objects.create(
                        brand=brand,
                        author=author,
                        text=f"Crash drill {self.seed}, post {number} for {platform}",
                        due_at=due,
                        useful_until=due + timedelta(hours=2),
                    )
                    post.accounts.add(account)
                    if count % PICTURE_EACH == number % PICTURE_EACH:
                        post.media.create(asset=picture, position=1)
                    self._continue(post, platform)
                    schedule(post, [account])
                    count += 1

    def _continue(self, post: Post, platform: str) -> None:
        """Give some posts further parts; their texts are unique as well."""
        spec = registry.spec(platform)
        if self.dice.randrange(PARTS_EACH) or not (spec.thread or spec.first_comment):
            return
        variant = Variant(post=post, platform=platform, has_text=False)
        if spec.thread:
            last = self.dice.choice((2, 3))
            variant.parts = [f"{post.text}, part {n}" for n in range(2, last + 1)]
        else:
            variant.first_comment = f"{post.text}, first comment"
        variant.save()

    @staticmethod
    def _make_picture(brand: Brand, author: Any) -> MediaAsset:
        data = io.BytesIO()
        Image.new("RGB", (64, 64), "teal").save(data, "PNG")
        file = SimpleUploadedFile("teal.png", data.getvalue(), "image/png")
        return media.take_upload(file, brand, author)

    # -- blows

    def _plan(self) -> list[list[tuple[str, Callable[[Host], None]]]]:
        """For each host its blows in order; a small drill gets some of them."""
        blows: list[tuple[str, Callable[[Host], None]]] = [
            (f"killed {point}", partial(self._kill_at, point))
            for point in crash_points.POINTS
        ]
        # Right before the send is where nothing but the liveness lock helps.
        stopped = ("before_send", self.dice.choice(crash_points.POINTS))
        blows += [
            (f"stopped {point}", partial(self._stop_at, point)) for point in stopped
        ]
        blows += [
            ("pump killed", self._kill_pump),
            ("pump killed", self._kill_pump),
            ("pump stopped", self._stop_pump),
            ("idle worker killed", self._kill_idle),
            ("idle worker killed", self._kill_idle),
            ("Sentinel killed", self._kill_sentinel),
            ("main killed", self._kill_main),
            ("supervisor killed", self._kill_supervisor),
            ("host frozen", self._freeze_host),
            ("restarted", self._restart),
            ("database cut", self._cut_database),
            ("database cut", self._cut_database),
            ("queue emptied", self._empty_queue),
        ]
        self.dice.shuffle(blows)
        blows = blows[: max(3, self.deliveries // 40)]
        plans = [blows[n :: len(self.hosts)] for n in range(len(self.hosts))]
        if len(self.hosts) > 1:
            # Late in its row, and early enough that the others have its work for long.
            plan = plans[self.dice.randrange(len(plans))]
            at = (2 * len(plan) + 1) // 3
            rest, plan[at:] = plan[at:], [("host killed for good", self._kill_host)]
            for n, blow in enumerate(rest):
                others = [other for other in plans if other is not plan]
                others[n % len(others)].append(blow)
        return plans

    def _act(
        self,
        host: Host,
        plan: list[tuple[str, Callable[[Host], None]]],
        over: threading.Event,
    ) -> None:
        try:
            for name, blow in plan:
                if over.wait(host.dice.uniform(1.0, 3.5)):
                    return
                try:
                    blow(host)
                except SandboxError as exc:
                    self.missed[name] += 1
                    say(f"{self._clock()} {host.name}: {name}: not done: {exc}")
                else:
                    self.blows[name] += 1
        finally:
            connection.close()

    def _kill_at(self, point: str, host: Host) -> None:
        pumps = {pid: pump.id.hex for pid, pump in host.pumps().items()}
        pid = host.order(point, signal.SIGKILL)
        self._note(f"killed {point}", host, [pumps[pid]] if pid in pumps else [])

    def _stop_at(self, point: str, host: Host) -> None:
        pid = host.order(point, signal.SIGSTOP)
        seconds = host.dice.uniform(*STOPPED_S)
        self._say(host, f"pump {pid} stands still {point} for {seconds:.0f} s")
        fleet.freeze([pid], seconds)

    def _kill_pump(self, host: Host) -> None:
        pid = self._a_pump(host)
        pumps = [pump.id.hex for at, pump in host.pumps().items() if at == pid]
        fleet.kill(pid)
        self._note("pump killed", host, pumps)

    def _stop_pump(self, host: Host) -> None:
        pid = self._a_pump(host)
        seconds = host.dice.uniform(*STOPPED_S)
        self._say(host, f"pump {pid} stands still for {seconds:.0f} s")
        fleet.freeze([pid], seconds)

    def _kill_idle(self, host: Host) -> None:
        idle = wait_for(host.idle_workers, 20, name="an idle worker")
        fleet.kill(host.dice.choice(sorted(idle)))
        self._note("idle worker killed", host, [])

    def _kill_sentinel(self, host: Host) -> None:
        pid = wait_for(lambda: host.sentinel, 20, name="a Sentinel")
        pumps = [pump.id.hex for pump in host.pumps().values()]
        fleet.kill(pid)
        self._note("Sentinel killed", host, pumps)

    def _kill_main(self, host: Host) -> None:
        pid = wait_for(lambda: host.main, 20, name="a main process")
        pumps = [pump.id.hex for pump in host.pumps().values()]
        fleet.kill(pid)
        self._note("main killed", host, pumps)

    def _kill_supervisor(self, host: Host) -> None:
        """Its cluster goes on as orphans; a service manager starts a new one."""
        pumps = [pump.id.hex for pump in host.pumps().values()]
        host.kill_supervisor()
        time.sleep(host.dice.uniform(0.2, 2))
        host.start()
        self._note("supervisor killed", host, pumps)

    def _kill_host(self, host: Host) -> None:
        pumps = [pump.id.hex for pump in host.pumps().values()]
        self.gone = host
        host.vanish()
        self._note("host killed for good", host, pumps)

    def _freeze_host(self, host: Host) -> None:
        """As when a virtual machine is moved: everything of it stands still."""
        seconds = host.dice.uniform(*STOPPED_S)
        self._say(host, f"the whole host stands still for {seconds:.0f} s")
        fleet.freeze(host.everything(), seconds)

    def _restart(self, host: Host) -> None:
        self._say(host, "restarted with SIGTERM")
        host.terminate()
        host.start()
        begin = timezone.now()
        wait_for(lambda: host.works(begin), RECOVER_S, name=f"{host.name} back")

    def _cut_database(self, host: Host) -> None:
        if connection.vendor == "postgresql":
            self._say(host, "every connection to the database is cut")
            fleet.cut_connections(OWN)
            return
        self._say(host, "the database is locked for 3 s")
        with fleet.database_busy():
            time.sleep(3)

    def _empty_queue(self, host: Host) -> None:
        self._say(host, "all messages in the queue are lost")
        fleet.empty_queue()

    def _a_pump(self, host: Host) -> int:
        """One that runs, sooner or later; SandboxError when none comes."""
        pumps = wait_for(host.pumps, 20, name=f"a pump of {host.name}")
        return host.dice.choice(sorted(pumps))

    def _note(self, name: str, host: Host, pumps: list[str]) -> None:
        """A kill has just happened: wait until it is overcome, and say how long."""
        kill = Kill(name, host, pumps)
        self.kills.append(kill)
        at, start = timezone.now(), time.monotonic()
        self._say(host, name)

        def overcome() -> bool:
            try:
                if fleet.leases_of(pumps):
                    return False
                return host is self.gone or host.works(at)
            except Error:
                connection.close()  # the database is being cut, too
                return False

        try:
            wait_for(overcome, RECOVER_S, name="recovery", every=0.25)
        except SandboxError:
            say(f"NOT RECOVERED within {RECOVER_S:.0f} s: {host.name}, {name}")
            return
        kill.recovered_s = time.monotonic() - start
        self._say(host, f"{name}: works again after {kill.recovered_s:.1f} s")

    # -- the network's moods

    def _weather(
        self,
        accounts: dict[str, list[ConnectedAccount]],
        window: float,
        over: threading.Event,
    ) -> None:
        """Spoil about one delivery in eight, spread over the window."""
        dice = random.Random(f"{self.seed} weather")  # noqa: S311
        weights = [weight for weight, _, _ in FAULTS]
        number = max(8, self.deliveries // 8)
        for _ in range(number):
            _, kind, more = dice.choices(FAULTS, weights)[0]
            platform = dice.choice(list(accounts))
            if (platform, kind) in NEVER:
                continue
            self.practice.fault(
                platform=platform,
                account=dice.choice(accounts[platform]).external_id,
                kind=kind,
                times=1,
                **more,
            )
            if over.wait(dice.uniform(0, 2 * window / number)):
                return

    # -- waiting

    def _watch(self, threads: list[threading.Thread], window: float) -> None:
        """Until all is due and every thread is done; each blow is bounded."""
        end = time.monotonic() + window + 3
        while time.monotonic() < end or any(t.is_alive() for t in threads):
            time.sleep(5)
            self._say_progress()

    def _until_quiet(self) -> datetime:
        """Wait for what still moves by itself; until when was waited at most."""
        until = timezone.now() + timedelta(seconds=QUIET_S)
        moving = (
            Delivery.objects.exclude(status__in=Delivery.ENDED)
            .exclude(status=Status.UNCERTAIN, next_attempt_at=None)
            .exclude(status=Status.HELD, release_at=None)
            .exclude(status=Status.HELD, release_at__gt=until)
            .exclude(
                status__in=[Status.SCHEDULED, Status.UNCERTAIN],
                next_attempt_at__gt=until,
            )
        )
        say(f"{self._clock()} waiting for what is still on its way")
        said = 0.0
        while timezone.now() < until:
            try:
                if not moving.exists():
                    return until
            except Error:
                connection.close()
            if time.monotonic() > said + 5:
                said = time.monotonic()
                self._say_progress()
            time.sleep(0.5)
        say(f"no rest within {QUIET_S:.0f} s")
        return until

    def _say_progress(self) -> None:
        try:
            states = Counter(Delivery.objects.values_list("status", flat=True))
        except Error:
            connection.close()
            return
        told = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
        say(f"{self._clock()} {told}")

    def _say(self, host: Host, text: str) -> None:
        say(f"{self._clock()} {host.name}: {text}")

    def _clock(self) -> str:
        return f"{time.monotonic() - self.started:6.1f} s"


def seconds_for(plan: list[tuple[str, Callable[[Host], None]]]) -> float:
    """About how long a host's blows take, recovery included."""
    still = STOPPED_S[1] + 3
    return sum(still if "stopped" in n or "frozen" in n else 6.5 for n, _ in plan)


def quantile(values: list[float], share: float) -> float:
    """Of sorted values; 0 when there are none."""
    if not values:
        return 0.0
    return values[min(len(values) - 1, int(share * len(values)))]
