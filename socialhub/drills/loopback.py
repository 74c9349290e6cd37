"""A world for benchmarks: many accounts on a stub server, and meters of the clusters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.models import (
    ConnectedAccount,
    Credential,
    Network,
    PlatformApp,
    RateBucket,
)
from platforms import registry
from platforms.mastodon.spec import SCOPES
from publishing.fingerprints import fingerprint
from publishing.models import Delivery, Post, Pump

from ..sandbox import BASE_DIR, PART, Sandbox, SandboxError, free_port, wait_for
from .runner import say
from .world import make_people

#: Names the stub's address to the processes of a sandbox.
STUB_URL = "SOCIALHUB_STUB_URL"
PLATFORM = "mastodon"
#: Larger than any run: the ledger counts, and holds nothing.
NO_LIMIT = 1_000_000
WORDS = (
    "Our autumn range is here: warm, light and made to last. See the new colours in "
    "all of our shops from Monday, or order at home and change your mind for free."
)


# ---------------------------------------------------------------- before


def start_stub(box: Sandbox) -> None:
    """Start the stub server and let the sandbox's processes call it."""
    port = free_port()
    box.env[STUB_URL] = f"http://127.0.0.1:{port}"
    box.env["ALLOWED_PRIVATE_HOSTS"] = f"127.0.0.1:{port}"
    box.spawn(
        "stub", sys.executable, "-m", "socialhub.drills.stub", "--port", str(port)
    )
    stub = Stub(box.env[STUB_URL])
    wait_for(stub.answers, 20, name="the stub server")


def start_clusters(box: Sandbox, clusters: int) -> None:
    """`clusters` publish clusters, as on as many hosts, and one for the rest.

    Each has a data folder of its own, so that they share nothing but the database.
    """
    if clusters > 1 and box.database_kind != "postgresql":
        raise SandboxError("several clusters need PostgreSQL: --database postgres")
    box.start_clusters(["publish", "monitor"])
    for number in range(2, clusters + 1):
        folder = box.dir / f"host{number}"
        folder.mkdir()
        box.spawn(
            f"cluster-publish{number}",
            sys.executable,
            "manage.py",
            "cluster",
            "publish",
            extra={"DATA_DIR": str(folder), "HOST_NAME": f"host{number}"},
        )


# ---------------------------------------------------------------- the stub


@dataclass(frozen=True)
class Arrival:
    """A post as the stub saw it; `at` in seconds since 1970."""

    at: float
    key: str
    token: str
    text: str


class Stub:
    """The stub server's own interface."""

    def __init__(self, url: str = "") -> None:
        self.url = url or os.environ[STUB_URL]

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/stub", timeout=2).ok
        except requests.RequestException:
            return False

    def reset(self, latency_ms: int, idle_s: float = 0) -> None:
        """Set how it answers, and forget all posts."""
        wanted = {"latency_ms": latency_ms, "idle_s": idle_s}
        requests.post(f"{self.url}/stub", json=wanted, timeout=20).raise_for_status()

    def arrivals(self) -> list[Arrival]:
        """All posts since the last reset, in order."""
        return [Arrival(*row) for row in self._told()["posts"]]

    def looks(self) -> int:
        """How often somebody asked whose a token is, since the last reset."""
        return int(self._told()["looks"])

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = requests.get(f"{self.url}/stub", timeout=60).json()
        return told


# ---------------------------------------------------------------- rows


def make_accounts(count: int, limits: Collection[str] = ()) -> list[ConnectedAccount]:
    """Accounts on the stub, each with a credential of its own, as lanes need it.

    limits: keys of the windows that get a row each, when not all do.
    """
    user, brand = make_people()
    url = os.environ[STUB_URL]
    host = url.partition("://")[2]
    app = PlatformApp.objects.create(
        platform=PLATFORM,
        network=Network.LIVE,
        instance_url=url,
        client_id="bench",
        client_secret=uuid.uuid4().hex,
        facts_at=timezone.now(),  # known: the stub announces nothing
    )
    now = timezone.now()
    credentials = Credential.objects.bulk_create(
        Credential(
            app=app,
            subject_id=f"{host}/{n}",
            subject_name=f"bench{n}@{host}",
            access_token=f"token-{n}-{uuid.uuid4().hex}",
            granted_scopes=["profile", *SCOPES],
            issued_at=now,
            connected_by=user,
            next_proof_at=now + timedelta(days=1),
        )
        for n in range(1, count + 1)
    )
    accounts = ConnectedAccount.objects.bulk_create(
        ConnectedAccount(
            brand=brand,
            credential=credential,
            platform=PLATFORM,
            network=Network.LIVE,
            external_id=credential.subject_id,
            name=f"Bench {n}",
            handle=credential.subject_name,
            owner=user,
        )
        for n, credential in enumerate(credentials, 1)
    )
    lift_limits(app, accounts, limits)
    return accounts


def lift_limits(
    app: PlatformApp, accounts: Sequence[ConnectedAccount], limits: Collection[str] = ()
) -> None:
    """Set the size of these windows, or all, so that they count and never are full."""
    subjects = {
        "app": [f"app:{app.pk}"],
        "ip": ["ip:live"],
        "token": [f"token:{a.credential_id}" for a in accounts],
        "account": [f"account:{a.pk}" for a in accounts],
    }
    RateBucket.objects.bulk_create(
        RateBucket(platform=PLATFORM, key=b.key, subject=subject, size_set=NO_LIMIT)
        for b in registry.spec(PLATFORM).buckets
        if not limits or b.key in limits
        for subject in subjects[b.partition]
    )


def make_deliveries(
    accounts: Sequence[ConnectedAccount], due_at: datetime, label: str
) -> list[Delivery]:
    """One post for each of these accounts (which may repeat), in this order.

    Written in a few statements, so that thousands may be due soon. Texts are unique.
    """
    author = accounts[0].owner
    assert author is not None
    useful_until = due_at + timedelta(hours=2)
    posts = Post.objects.bulk_create(
        Post(
            brand_id=account.brand_id,
            author=author,
            state=Post.State.SCHEDULED,
            text=f"{label} {n}. {WORDS}",
            due_at=due_at,
            useful_until=useful_until,
        )
        for n, account in enumerate(accounts)
    )
    through = Post.accounts.through
    through.objects.bulk_create(
        through(post_id=post.pk, connectedaccount_id=account.pk)
        for post, account in zip(posts, accounts, strict=True)
    )
    return Delivery.objects.bulk_create(
        Delivery(
            post=post,
            account=account,
            due_at=due_at,
            useful_until=useful_until,
            next_attempt_at=due_at,
            marker=uuid.uuid4().hex,
            fingerprint=fingerprint({"text": post.text, "link_url": "", "media": []}),
        )
        for post, account in zip(posts, accounts, strict=True)
    )


def wait_for_pumps(clusters: int = 1) -> int:
    """The number of pumps, once each cluster has all of its own."""
    wanted = clusters * settings.PUBLISH_PUMPS
    say(f"waiting for {wanted} pumps")

    def running() -> bool:
        return Pump.objects.running(timezone.now()).count() >= wanted

    wait_for(running, 90, name=f"{wanted} pumps")
    time.sleep(2.0)  # each counts the others once a second
    return wanted


# ---------------------------------------------------------------- the engine


@dataclass(frozen=True)
class Run:
    """What one instant with many posts came to. Times in seconds since 1970."""

    due_at: float
    #: when the last row was settled as published; None: not within the time
    ended_at: float | None
    arrivals: list[Arrival]
    #: posts that arrived more than once, counted once for each time too many
    doubled: int
    #: posts that never arrived, and rows that never were settled as published
    lost: int
    #: posts that arrived after a later one of the same account
    out_of_order: int

    def late(self) -> list[float]:
        """Seconds from due to arrival, sorted."""
        return sorted(a.at - self.due_at for a in self.arrivals)

    def per_s(self) -> float:
        return len(self.arrivals) / ((self.ended_at or float("inf")) - self.due_at)


def run_engine(
    accounts: Sequence[ConnectedAccount],
    stub: Stub,
    *,
    label: str,
    lead_s: float = 4.0,
    limit_s: float = 300.0,
) -> Run:
    """Let one post for each of these accounts be due at one instant; wait for the end."""
    due_at = timezone.now() + timedelta(seconds=lead_s + len(accounts) / 2000)
    rows = make_deliveries(accounts, due_at, label)
    if timezone.now() > due_at - timedelta(seconds=1):
        raise SandboxError("the rows were not written in time for their due instant")
    time.sleep(max(0.0, (due_at - timezone.now()).total_seconds()))
    ended_at = wait_until_published(rows[0].pk, rows[-1].pk, limit_s)
    arrivals = [a for a in stub.arrivals() if a.text.startswith(f"{label} ")]
    times = Counter(a.text for a in arrivals)
    unsettled = Delivery.objects.filter(pk__gte=rows[0].pk, pk__lte=rows[-1].pk)
    unsettled = unsettled.exclude(status=Delivery.Status.PUBLISHED)
    return Run(
        due_at=due_at.timestamp(),
        ended_at=ended_at,
        arrivals=arrivals,
        doubled=sum(n - 1 for n in times.values()),
        lost=len(rows) - len(times) + unsettled.count(),
        out_of_order=_out_of_order(arrivals),
    )


def wait_until_published(first: int, last: int, limit_s: float) -> float | None:
    # A look each 20 ms is a hundredth of one core, and the error of the end.
    end = time.monotonic() + limit_s
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute(
                "SELECT 1 FROM publishing_delivery WHERE id BETWEEN %s AND %s"
                " AND status <> 'published' LIMIT 1",
                [first, last],
            )
            if cursor.fetchone() is None:
                return time.time()
            time.sleep(0.02)
    return None


def _out_of_order(arrivals: Sequence[Arrival]) -> int:
    newest: dict[str, int] = {}
    count = 0
    for arrival in arrivals:
        number = int(arrival.text.split(" ", 2)[1].rstrip("."))
        count += number < newest.get(arrival.token, -1)
        newest[arrival.token] = max(number, newest.get(arrival.token, -1))
    return count


# ---------------------------------------------------------------- the bare loop


def run_bare_loop(stub: Stub, jobs: int, processes: int, threads: int) -> float:
    """Posts per second of a loop of `requests` with so many threads in each process."""
    body = [(f"token-{n}", uuid.uuid4().hex, f"bare {n}. {WORDS}") for n in range(jobs)]
    loops = [
        subprocess.Popen(
            [sys.executable, "-m", "socialhub.drills.bare_loop"],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for number, loop in enumerate(loops):
            orders = {
                "url": f"{stub.url}/api/v1/statuses",
                "threads": threads,
                "jobs": body[number::processes],
            }
            _tell(loop, json.dumps(orders))
        for loop in loops:
            assert loop.stdout is not None
            if loop.stdout.readline().strip() != "ready":
                raise SandboxError("the bare loop did not start")
        for loop in loops:
            _tell(loop, "go")
        ends = [loop.communicate(timeout=300)[0] for loop in loops]
        if any(loop.returncode for loop in loops):
            raise SandboxError("the bare loop failed")
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    told = [json.loads(end) for end in ends]
    took = max(t["ended"] for t in told) - min(t["began"] for t in told)
    return jobs / float(took)


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


# ---------------------------------------------------------------- meters


def cluster_pids(part: str = "cluster-") -> Iterator[int]:
    """Processes of this sandbox's clusters: supervisors, main processes, workers.

    part: how the name of the part begins that they belong to.
    """
    box = f"SOCIALHUB_SANDBOX={os.environ['SOCIALHUB_SANDBOX']}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):  # ended meanwhile, or somebody else's
            words = (entry / "environ").read_bytes().split(b"\0")
            if box in words and any(
                word.startswith(f"{PART}={part}".encode()) for word in words
            ):
                yield int(entry.name)


def memory_mb(part: str = "cluster-") -> float:
    """Proportional share of memory of all processes of the clusters, in megabytes.

    part: how the name of the part begins that they belong to.
    """
    total = 0
    for pid in cluster_pids(part):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(s.split()[1]) for s in lines if s.startswith("Pss:"))
    return total * 1024 / 1e6


def cpu_s() -> float:
    """CPU seconds that the clusters' processes have used so far, and the database's
    sessions where its server runs on this machine."""
    pids = set(cluster_pids())
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
            pids |= {int(row[0]) for row in cursor.fetchall()}
    return sum(map(_cpu_s, pids))


def _cpu_s(pid: int) -> float:
    """With the children that it has waited for; 0 for a process that is not here."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0.0
    user, system, user_of_children, system_of_children = map(
        int, stat.rpartition(")")[2].split()[11:15]
    )
    ticks = user + system + user_of_children + system_of_children
    return ticks / os.sysconf("SC_CLK_TCK")


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the sorted values that no more than 1 - share exceed."""
    return values[min(len(values) - 1, int(len(values) * share))]


def engine_settings(words: Sequence[str]) -> dict[str, str]:
    """As in production, where Django keeps no log of queries; `--set NAME=VALUE`."""
    return {"DEBUG": "false", **dict(word.split("=", 1) for word in words)}
