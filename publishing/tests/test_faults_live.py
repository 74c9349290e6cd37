"""Real pumps against the practice network, killed, stopped and cut off; then the
practice network's own posts are compared with our rows: doubled 0, lost 0."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests

from socialhub.drills.runner import server_url
from socialhub.drills.world import HEADERS
from socialhub.sandbox import Sandbox, wait_for

pytestmark = pytest.mark.live

PLATFORMS = ("mastodon", "bluesky", "x", "linkedin")
LEASE_S = 5
TIMEOUT_S = 2
#: a lost answer is looked up after these seconds
LOOKS_S = "1,2,5"
#: Bluesky has a step before its commit. Nothing keeps the others' repeats apart: see
#: `forgetful`.
STEPS_OF = {"after_claim": "bluesky"}
POINTS = ("before_send", "after_answer", "before_write", "after_claim", "after_intent")

PUMP = (
    "import sys, django; django.setup();"
    "from publishing.engine import PumpRun; PumpRun(float(sys.argv[1]), 8).run()"
)
#: Runs what it is told, a line of JSON at a time, with the sandbox's own settings.
SERVER = """
import json, sys, django
django.setup()
from datetime import timedelta
from django.db import close_old_connections, connection
from django.utils import timezone
from accounts import breakers, health
from accounts.models import *
from publishing.models import *
from socialhub.drills.world import *
user, brand = make_people()
practice = Practice()
for line in sys.stdin:
    close_old_connections()
    asked = json.loads(line)
    scope = {**globals(), **asked["values"]}
    exec(asked["code"], scope)
    print(json.dumps(scope.get("result"), default=str), flush=True)
"""


class Scene:
    """A sandbox with pumps that can be hurt, and a way to ask its rows."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.inside = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env=box.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._number = 0
        self._lock = threading.Lock()

    def ask(self, code: str, **values: Any) -> Any:
        """Run code in the sandbox; its `result`."""
        assert self.inside.stdin
        assert self.inside.stdout
        with self._lock:
            asked = json.dumps({"code": code, "values": values})
            self.inside.stdin.write(asked + "\n")
            self.inside.stdin.flush()
            answer = self.inside.stdout.readline()
        assert answer, f"the sandbox's helper died in: {code}"
        return json.loads(answer)

    def close(self) -> None:
        assert self.inside.stdin
        self.inside.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.inside.wait(5)
        self.inside.kill()
        self.inside.wait(5)

    # -- the world

    def account(self, platform: str, **options: Any) -> dict[str, Any]:
        """{"pk", "external_id"} of a new account."""
        self._number += 1
        if platform == "linkedin":
            options.setdefault("kind", "organization")
        return dict(
            self.ask(
                """
made = practice.add_account(platform, handle, **options)
account = adopt(platform, made, brand, user)
account.credential.issued_at = timezone.now() - timedelta(days=1)
account.credential.save()
result = {"pk": account.pk, "external_id": account.external_id}
""",
                platform=platform,
                handle=f"who{self._number}",
                options=options,
            )
        )

    def post(self, account: dict[str, Any], text: str, in_s: float = 0) -> int:
        return int(
            self.ask(
                """
account = ConnectedAccount.objects.get(pk=pk)
due = timezone.now() + timedelta(seconds=in_s)
result = make_delivery(account, text, due).pk
""",
                pk=account["pk"],
                text=text,
                in_s=in_s,
            )
        )

    def rows(self, pks: list[int]) -> dict[int, dict[str, Any]]:
        found = self.ask(
            """
names = ["pk", "status", "hold", "cause", "detail", "external_id", "commit_count",
         "next_attempt_at", "due_at"]
result = [
    {**row, "network_id": row["account__external_id"], "text": row["post__text"]}
    for row in Delivery.objects.filter(pk__in=pks).values(
        *names, "account__external_id", "post__text")
]
""",
            pks=pks,
        )
        return {row["pk"]: row for row in found}

    def practice(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = requests.request(
            method, self.box.practice_url + path, headers=HEADERS, timeout=20, **kwargs
        )
        answer.raise_for_status()
        return answer.json()

    def fault(self, platform: str, account: dict[str, Any], kind: str, **more: Any):
        rule = {"platform": platform, "account": account["external_id"], "kind": kind}
        self.practice("POST", "/api/faults", json={"times": 1, **rule, **more})

    def live(self, *texts: str) -> Counter[str]:
        """How often each of these texts is to be seen on the networks."""
        seen: Counter[str] = Counter({text: 0 for text in texts})
        for platform in PLATFORMS:
            found = self.practice("GET", f"/api/posts?platform={platform}")
            for row in found["posts"]:
                if row["text"] in seen:
                    seen[row["text"]] += 1
        return seen

    # -- pumps

    def pump(self, seconds: float = 60, **extra: str) -> subprocess.Popen[bytes]:
        self._number += 1
        return self.box.spawn(
            f"pump{self._number}",
            sys.executable,
            "-c",
            PUMP,
            str(seconds),
            extra=extra,
        )

    def crashing_pump(
        self, point: str, number: signal.Signals, mark: Path
    ) -> subprocess.Popen[bytes]:
        return self.pump(
            SOCIALHUB_CRASH_AT=point,
            SOCIALHUB_CRASH_SIGNAL=str(int(number)),
            SOCIALHUB_CRASH_ONCE=str(mark),
        )

    def stop_pumps(self) -> None:
        for name, process in list(self.box.processes.items()):
            if name.startswith("pump"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
                del self.box.processes[name]

    def try_again_now(self) -> None:
        self.ask(
            """
for breaker in CircuitBreaker.objects.filter(state="open"):
    breakers.try_now(breaker, user)
"""
        )

    def until(
        self,
        pks: list[int],
        done: Callable[[dict[str, Any]], bool],
        s: float,
        meanwhile: Callable[[], object] = int,
    ):
        """All rows of which `done` holds; fails with what they say."""

        def there() -> Any:
            meanwhile()
            rows = self.rows(pks)
            return rows if all(map(done, rows.values())) else None

        try:
            return wait_for(there, s, name="the end of all rows", every=0.3)
        except Exception as exc:
            logs = [self.box.log(n) for n in self.box.processes if n.startswith("pump")]
            rows = "\n".join(map(str, self.rows(pks).values()))
            open_ones = self.ask("result = list(CircuitBreaker.objects.values())")
            rows += "\n" + "\n".join(map(str, open_ones))
            pytest.fail(f"{exc}\n{rows}\n" + "\n".join(logs))

    def until_published(self, pks: list[int], s: float = 40) -> dict[int, Any]:
        return self.until(pks, lambda row: row["status"] == "published", s)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    extra = {
        "PUBLISH_LEASE_S": str(LEASE_S),
        "HTTP_TIMEOUT_S": str(TIMEOUT_S),
        "PUBLISH_LOOK_AFTER_S": LOOKS_S,
    }
    with Sandbox(server_url("same"), extra) as box:
        box.migrate()
        box.start_practice()
        yield box


@pytest.fixture(scope="module")
def everything(box: Sandbox) -> Iterator[Scene]:
    scene = Scene(box)
    try:
        yield scene
    finally:
        scene.stop_pumps()
        scene.close()


@pytest.fixture
def scene(everything: Scene) -> Iterator[Scene]:
    yield everything
    everything.stop_pumps()
    # What waits on would meet the next test's clock, and its breakers those of this.
    everything.ask(
        """
waiting = Delivery.objects.exclude(status__in=["published", "failed", "cancelled"])
waiting.update(status="cancelled", next_attempt_at=None, release_at=None, hold="")
CircuitBreaker.objects.all().delete()
"""
    )
    faults = everything.practice("GET", "/api/state")["faults"]
    for fault in faults:
        everything.practice("DELETE", f"/api/faults/{fault['id']}")


def ended(row: dict[str, Any]) -> bool:
    """Nothing happens to it any more by itself."""
    if row["status"] in ("published", "failed", "cancelled"):
        return True
    return row["status"] in ("held", "uncertain") and row["next_attempt_at"] is None


# ---------------------------------------------------------------- deaths and stops


@pytest.fixture
def forgetful(scene: Scene) -> Iterator[None]:
    """A server that knows neither keys nor duplicates, so that each sending is seen."""

    def switch(value: str) -> None:
        rule = {"platform": "mastodon", "name": "flavour", "value": value}
        scene.practice("POST", "/api/switches", json=rule)

    switch("gotosocial")
    yield
    switch("mastodon")


@pytest.mark.usefixtures("forgetful")
def test_no_death_doubles_or_loses_a_post(scene: Scene, tmp_path: Path) -> None:
    """kill -9 at each crash point, each time with a post in the works."""
    pks, texts = [], []
    for point in POINTS:
        texts.append(f"killed {point}")
        platform = STEPS_OF.get(point, "mastodon")
        pks.append(scene.post(scene.account(platform), texts[-1]))
        pump = scene.crashing_pump(point, signal.SIGKILL, tmp_path / point)
        assert pump.wait(30) == -signal.SIGKILL
    scene.pump()
    scene.until_published(pks)
    assert scene.live(*texts) == Counter({text: 1 for text in texts})


@pytest.mark.usefixtures("forgetful")
def test_a_worker_that_stands_still_longer_than_its_lease_doubles_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    """SIGSTOP at each crash point; others go on; then SIGCONT."""
    pks, texts, stopped = [], [], []
    for point in POINTS:
        texts.append(f"stopped {point}")
        platform = STEPS_OF.get(point, "mastodon")
        pks.append(scene.post(scene.account(platform), texts[-1]))
        mark = tmp_path / point
        stopped.append(scene.crashing_pump(point, signal.SIGSTOP, mark))
        wait_for(mark.exists, 30, name=f"a stop {point}")
    beside = scene.post(scene.account("x"), "goes on beside")
    scene.pump()
    scene.until_published([beside])
    # Well beyond the lease and all looks: nobody may decide for those who stand.
    time.sleep(LEASE_S + 10)
    for pump in stopped:
        os.kill(pump.pid, signal.SIGCONT)
    scene.until_published(pks)
    assert scene.live(*texts) == Counter({text: 1 for text in texts})


# ---------------------------------------------------------------- bad networks

#: kind -> settings. Each hits one commit of an account of its own.
FAULTS: dict[str, dict[str, Any]] = {
    "drop_answer": {},
    "cut": {"call": "commit"},
    "slow_answer": {"call": "commit", "seconds": TIMEOUT_S + 2},
    "latency": {"call": "commit", "seconds": TIMEOUT_S + 2},
    "delayed_apply": {"seconds": 2},
    "rate_limited": {"call": "commit", "retry_after_s": 1},
    "rate_limited_no_headers": {"call": "commit"},
    "server_error": {"call": "commit", "status": 500},
    "server_error_after_write": {"status": 503},
    "html_error": {"call": "commit", "status": 502},
    "bad_request_after_write": {},
    "duplicate": {},
    "content_refused": {},
}


def test_no_answer_of_a_network_doubles_or_loses_a_post(scene: Scene) -> None:
    texts: dict[int, str] = {}
    for platform in PLATFORMS:
        for kind, more in FAULTS.items():
            account = scene.account(platform)
            scene.fault(platform, account, kind, **more)
            text = f"{platform} with {kind}"
            texts[scene.post(account, text)] = text
    scene.pump(160)

    def settled(row: dict[str, Any]) -> bool:
        # A limit without a time is waited for longer than this test lasts.
        return ended(row) or row["hold"] == "limit"

    # So many faults at once are a platform in trouble, which is given its time: here
    # somebody presses "Try again now" all the while.
    rows = scene.until(list(texts), settled, 150, meanwhile=scene.try_again_now)
    live = scene.live(*texts.values())
    wrong = []
    for pk, text in texts.items():
        status, seen = rows[pk]["status"], live[text]
        expected = {"published": {1}, "uncertain": {0, 1}}.get(status, {0})
        if seen not in expected:
            wrong.append(f"{text}: {status}, live {seen} times: {rows[pk]}")
    assert not wrong, "\n".join(wrong)
    unsolved = [texts[pk] for pk, row in rows.items() if row["status"] == "uncertain"]
    assert unsolved == []


@pytest.mark.parametrize("shift_s", [-600, 600])
def test_clocks_that_differ_double_nothing(scene: Scene, shift_s: int) -> None:
    """The platform's clock is ten minutes off ours, and the answer is lost."""
    scene.practice("POST", "/api/clock", json={"shift_s": shift_s})
    try:
        texts: dict[int, str] = {}
        for platform in PLATFORMS:
            account = scene.account(platform)
            scene.fault(platform, account, "drop_answer")
            text = f"{platform} {shift_s} s apart"
            texts[scene.post(account, text)] = text
        scene.pump()
        scene.until_published(list(texts))
        live = scene.live(*texts.values())
        assert live == Counter({text: 1 for text in texts.values()})
    finally:
        scene.practice("POST", "/api/clock", json={"shift_s": 0})


def test_the_same_words_twice_are_two_posts_or_one_and_a_refusal(scene: Scene) -> None:
    """Both answers are lost: neither row takes the other's post for its own."""
    pairs = {}
    for platform in PLATFORMS:
        account = scene.account(platform)
        scene.fault(platform, account, "drop_answer", times=2)
        text = f"{platform} says it twice"
        pairs[text] = [scene.post(account, text) for _ in range(2)]
    scene.pump()
    rows = scene.until([pk for pair in pairs.values() for pk in pair], ended, 60)
    live = scene.live(*pairs)
    for text, pair in pairs.items():
        ids = [rows[pk]["external_id"] for pk in pair if rows[pk]["external_id"]]
        assert len(ids) == len(set(ids)) == live[text], [rows[pk] for pk in pair]
        assert live[text] >= 1


# ---------------------------------------------------------------- our own troubles


def test_two_pumps_at_once_send_each_post_once_and_in_order(scene: Scene) -> None:
    texts: dict[int, str] = {}
    accounts = [scene.account("x") for _ in range(4)]
    # Not for all of them: X would seem to be in trouble, and a breaker would open.
    scene.fault("x", accounts[0], "drop_answer", times=1)
    for account in accounts:
        for number in range(5):
            text = f"{account['pk']} number {number}"
            texts[scene.post(account, text, in_s=number * 0.05)] = text
    scene.pump()
    scene.pump()
    scene.until_published(list(texts), 60)
    live = scene.live(*texts.values())
    assert live == Counter({text: 1 for text in texts.values()})
    posts = scene.practice("GET", "/api/posts?platform=x")["posts"]
    for account in accounts:
        mine = [p["text"] for p in posts if p["account"] == account["external_id"]]
        assert mine == sorted(mine), "each account's posts in order"


def test_results_wait_for_a_database_that_is_gone(scene: Scene) -> None:
    texts: dict[int, str] = {}
    for number in range(6):
        account = scene.account("x")
        scene.fault("x", account, "slow_answer", call="commit", seconds=1)
        text = f"written later {number}"
        texts[scene.post(account, text)] = text
    scene.pump()
    wait_for(lambda: sum(scene.live(*texts.values()).values()), 30, name="a post")
    with database_gone(scene.box):
        time.sleep(3)
    rows = scene.until_published(list(texts))
    assert all(row["commit_count"] == 1 for row in rows.values())
    live = scene.live(*texts.values())
    assert live == Counter({text: 1 for text in texts.values()})


@contextlib.contextmanager
def database_gone(box: Sandbox) -> Iterator[None]:
    """No statement succeeds meanwhile."""
    if box.database_kind == "sqlite":
        import sqlite3

        # Our own time-out is 20 s: the writers wait.
        database = sqlite3.connect(box.dir / "socialhub.sqlite3", timeout=20)
        database.isolation_level = None
        database.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            database.execute("ROLLBACK")
            database.close()
        return
    import psycopg

    parts = urlsplit(box.env["DATABASE_URL"])
    name = parts.path.lstrip("/")
    server = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as database:
        database.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s",
                [name],
            )
            yield
        finally:
            database.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_many_posts_and_a_check_renew_an_ended_token_once(scene: Scene) -> None:
    account = scene.account("x")
    texts = {}
    for number in range(4):
        text = f"with a renewed token {number}"
        texts[scene.post(account, text)] = text
    body = {"platform": "x", "account": account["external_id"], "how": "expire"}
    scene.practice("POST", "/api/tokens", json=body)
    scene.pump()
    scene.pump()
    for _ in range(3):
        scene.ask(
            "account = ConnectedAccount.objects.get(pk=pk);"
            "health.check(account.credential)",
            pk=account["pk"],
        )
    scene.until_published(list(texts))
    state, renewals = scene.ask(
        "account = ConnectedAccount.objects.get(pk=pk);"
        "tries = account.credential.refresh_attempts.filter(outcome='renewed');"
        "result = [account.credential.state, tries.count()]",
        pk=account["pk"],
    )
    assert (state, renewals) == ("active", 1)
    live = scene.live(*texts.values())
    assert live == Counter({text: 1 for text in texts.values()})


#: The platform has answered with new tokens; nothing of them is stored.
RENEWAL = """
import sys, time, django; django.setup()
from pathlib import Path
from accounts import refresh
ticket = refresh.begin(int(sys.argv[1]))
answer = ticket.call()
Path(sys.argv[2]).write_text(type(answer).__name__)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("platform", "outcomes", "state", "cause"),
    [
        # Its refresh tokens work once: what was lost is lost, and said to be.
        ("x", ["auth_revoked", "lost"], "broken", "rotation_lost"),
        # The used one leads to the same successor for two hours.
        ("bluesky", ["lost", "renewed"], "active", ""),
    ],
)
def test_a_renewal_killed_between_answer_and_commit_is_found_and_told(
    scene: Scene, tmp_path: Path, platform, outcomes, state, cause
) -> None:
    account = scene.account(platform)
    due = "credential.refresh_after = timezone.now(); credential.save()"
    read = "credential = ConnectedAccount.objects.get(pk=pk).credential"
    credential = scene.ask(f"{read}; {due}; result = credential.pk", pk=account["pk"])
    mark = tmp_path / "answered"
    process = scene.box.spawn(
        f"renewal-{platform}", sys.executable, "-c", RENEWAL, str(credential), str(mark)
    )
    wait_for(mark.exists, 30, name="the platform's answer")
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert mark.read_text() == "TokenSet"
    found = scene.ask(
        f"""
from accounts import refresh
past = timezone.now() - timedelta(minutes=2)
{read}
credential.refresh_attempts.update(started_at=past)
Credential.objects.filter(pk=credential.pk).update(
    refresh_lease_until=past, expires_at=past)
refresh.sweep(timezone.now())
for pk in Credential.objects.refresh_due(timezone.now()).values_list("pk", flat=True):
    refresh.refresh(pk)
credential.refresh_from_db()
tries = credential.refresh_attempts.values_list("outcome", flat=True)
result = [sorted(tries), credential.state, credential.cause]
if credential.is_active:
    result.append(health.check(credential).verdict)
""",
        pk=account["pk"],
    )
    told = ["proven"] if state == "active" else []
    assert found == [outcomes, state, cause, *told]


# ---------------------------------------------------------------- files ahead of time


def test_a_video_that_is_sent_ahead_outlives_its_workers_and_appears_once(
    scene: Scene, tmp_path: Path
) -> None:
    """kill -9 after the claim of its file and before what came of it is written."""
    text = "a video ahead"
    account = scene.account("mastodon")
    pk = scene.ask(
        """
from publishing import incoming, media
from publishing.tests.made_files import video
path = incoming.folder() / "clip.mp4"
path.write_bytes(video(sound="aac"))
asset = media.keep(path, "clip.mp4", brand, user)
account = ConnectedAccount.objects.get(pk=account_pk)
due = timezone.now() + timedelta(minutes=20)
post = Post.objects.create(brand=brand, author=user, text=text, due_at=due,
                           useful_until=due + timedelta(hours=2))
PostMedia.objects.create(post=post, asset=asset, position=0)
result = schedule(post, [account])[0].pk
""",
        account_pk=account["pk"],
        text=text,
    )
    for point in ("after_claim", "before_write"):
        pump = scene.crashing_pump(point, signal.SIGKILL, tmp_path / point)
        assert pump.wait(30) == -signal.SIGKILL
    scene.pump()

    def is_there() -> bool:
        asked = "result = Delivery.objects.get(pk=pk).prepared_at is not None"
        return bool(scene.ask(asked, pk=pk))

    wait_for(is_there, 90, name="the video ahead of its post", every=0.3)
    assert scene.live(text) == Counter({text: 0})
    scene.ask(
        """
now = timezone.now()
Delivery.objects.get(pk=pk).reschedule(now, now + timedelta(hours=2))
""",
        pk=pk,
    )
    scene.until_published([pk])
    outcomes = scene.ask(
        "result = [a.outcome for a in Delivery.objects.get(pk=pk).attempts.all()]",
        pk=pk,
    )
    assert outcomes[:2] == ["abandoned", "abandoned"]
    assert outcomes[-1] == "published"
    assert scene.live(text) == Counter({text: 1})
