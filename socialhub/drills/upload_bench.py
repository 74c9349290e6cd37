"""What does a large file cost on its way to a network, and how fast is it?

The file goes through the real clusters, as a video of a post that is due later, to a stub
of YouTube (one session, parts of 8 MB) and of X (parts of 4 to 8 MB in forms). In between a
bare streaming upload with `requests` sends the same file to the same stub: a machine is
never as fast twice. Then a browser's upload into SocialHub, in its parts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from accounts.models import ConnectedAccount, Credential, Network, PlatformApp
from platforms import registry
from publishing.models import Delivery, MediaAsset, Post, PostMedia, Variant, schedule
from publishing.upload_views import PART_BYTES

from ..sandbox import BASE_DIR, Sandbox, SandboxError, free_port, wait_for
from .loopback import STUB_URL, engine_settings, memory_mb, wait_for_pumps
from .runner import Part, say
from .world import make_people

WEB_URL = "SOCIALHUB_WEB_URL"
#: what its form asks for besides the file
OPTIONS: dict[str, dict[str, Any]] = {
    "youtube": {"title": "Bench", "made_for_kids": "no", "privacy": "public"},
    "x": {},
}
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
MB = 1e6
#: Kept free besides the file, for database and logs.
SPARE = 256 << 20
LIMIT_S = 600.0
#: A file that is sent before anything is measured.
WARM_BYTES = 16 << 20


def bytes_of(word: str) -> int:
    """ "2G" -> 2147483648. CommandError for what is no size."""
    found = re.fullmatch(r"(\d+)([KMG]?)", word.strip().upper())
    if not found or not int(found[1]):
        raise CommandError(f"--size {word}: write a number with K, M or G, such as 2G.")
    return int(found[1]) * UNITS[found[2]]


def check_room(folder: Path, size: int) -> None:
    """CommandError when the browser's upload, which is written, does not fit there."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        raise CommandError(
            f"The bench needs {(size + SPARE) / MB:.0f} MB of room in {folder}, and"
            f" {free / MB:.0f} MB are free. Make room, name another folder in TMPDIR, or"
            " choose a smaller --size."
        )


class UploadBench(Part):
    def extra_env(self, options: dict[str, Any]) -> dict[str, str]:
        size = bytes_of(options["size"])
        return {
            **engine_settings(options["set"]),
            "MEDIA_MAX_MB": str(size // (1 << 20) + 1),
            "MEDIA_DAILY_MB": "0",
            "MEDIA_KEEP_FREE_MB": "0",
        }

    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        check_room(box.dir, bytes_of(options["size"]))
        box.migrate()
        port = free_port()
        box.env[STUB_URL] = f"http://127.0.0.1:{port}"
        box.env["ALLOWED_PRIVATE_HOSTS"] = f"127.0.0.1:{port}"
        module = "socialhub.drills.upload_stub"
        box.spawn("stub", sys.executable, "-m", module, "--port", str(port))
        wait_for(lambda: answers(box.env[STUB_URL]), 20, name="the stub server")
        box.env[WEB_URL] = box.start_web()
        box.start_clusters(["publish", "monitor"])

    def inside(self, options: dict[str, Any]) -> None:
        size = bytes_of(options["size"])
        user, brand = make_people()
        asset = sparse_asset(brand, size)
        accounts = [make_account(slug, brand, user) for slug in OPTIONS]
        wait_for_pumps(1)
        # What a pump loads with its first video is no cost of the large one.
        warm = sparse_asset(brand, WARM_BYTES, "warm.mp4")
        for account in accounts:
            send(account, warm, f"{account.platform} before")
        meter, publishing = Meter("cluster-"), Meter("cluster-publish")
        bares, rates = [bare(asset)], dict[str, list[float]]()
        with meter, publishing:
            for number in range(1, options["rounds"] + 1):
                for account in accounts:
                    rate = send(account, asset, f"{account.platform} {number}")
                    rates.setdefault(account.platform, []).append(rate)
                    say(f"{account.platform}: {rate:.0f} MB/s")
                    bares.append(bare(asset))
        browser = Meter("web")
        with browser:
            browser_rate = upload_as_a_browser(user, brand, size)
        # Each stands between two bare ones.
        ratios = {
            account.platform: round(
                statistics.median(
                    rate * 2 / (bares[at] + bares[at + 1])
                    for at, rate in zip(
                        range(place, len(bares) - 1, len(accounts)),
                        rates[account.platform],
                        strict=True,
                    )
                ),
                3,
            )
            for place, account in enumerate(accounts)
        }
        figures = {
            "memory_above_idle_mb": round(meter.above_idle, 1),
            # Beside it the other cluster loads what its own jobs need, when they are due.
            "publish_memory_above_idle_mb": round(publishing.above_idle, 1),
            "ratio_to_bare_upload": min(ratios.values()),
            "bare_mb_per_s": round(statistics.median(bares), 1),
            **{f"ratio_{slug}": ratio for slug, ratio in ratios.items()},
            **{
                f"{slug}_mb_per_s": round(statistics.median(found), 1)
                for slug, found in rates.items()
            },
            "idle_mb": round(meter.idle, 1),
            "browser_memory_above_idle_mb": round(browser.above_idle, 1),
            "browser_mb_per_s": round(browser_rate, 1),
            "size_mb": round(size / MB),
            "rounds": options["rounds"],
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201


@dataclass
class Meter:
    """The most memory that the processes of a part had, above what they had before."""

    part: str
    idle: float = 0.0
    most: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Meter:
        self.idle = self.most = memory_mb(self.part)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            self.most = max(self.most, memory_mb(self.part))

    @property
    def above_idle(self) -> float:
        return self.most - self.idle


# ---------------------------------------------------------------- rows and the file


def sparse_asset(brand: Any, size: int, file_name: str = "bench.mp4") -> MediaAsset:
    """A video of so many bytes, as far as rows tell. It takes no room on the disk."""
    name = f"assets/{file_name}"
    path = Path(settings.MEDIA_ROOT) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return MediaAsset.objects.create(
        brand=brand,
        file=name,
        name=file_name,
        kind=MediaAsset.Kind.VIDEO,
        mime_type="video/mp4",
        size_bytes=size,
        width=1920,
        height=1080,
        sha256=uuid.uuid4().hex * 2,
        facts={"duration_s": 60, "video_codec": "h264", "container": "mp4"},
    )


def make_account(slug: str, brand: Any, user: Any) -> ConnectedAccount:
    """An account of that network, all of whose addresses are the stub's."""
    url = os.environ[STUB_URL]
    app = PlatformApp.objects.create(
        platform=slug,
        network=Network.LIVE,
        client_id="bench",
        client_secret=uuid.uuid4().hex,
        hosts=dict.fromkeys(registry.spec(slug).hosts, url),
    )
    now = timezone.now()
    credential = Credential.objects.create(
        app=app,
        subject_id=f"{slug}-1",
        subject_name="bench",
        access_token=uuid.uuid4().hex,
        granted_scopes=[scope.name for scope in registry.spec(slug).scopes],
        issued_at=now,
        connected_by=user,
        next_proof_at=now + timedelta(days=1),
    )
    return ConnectedAccount.objects.create(
        brand=brand,
        credential=credential,
        platform=slug,
        network=Network.LIVE,
        external_id=f"{slug}-1",
        name="Bench",
        handle="bench",
        owner=user,
    )


# ---------------------------------------------------------------- the ways


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/stub", timeout=2).ok
    except requests.RequestException:
        return False


@contextmanager
def measured(size: int) -> Iterator[list[float]]:
    """Gets megabytes per second, from the first byte to the last, as the stub saw it."""
    url = f"{os.environ[STUB_URL]}/stub"
    requests.delete(url, timeout=20).raise_for_status()
    found: list[float] = []
    yield found
    told = requests.get(url, timeout=20).json()
    # The last part of a video on YouTube waits for its post's time.
    if told["bytes"] < size - (2 << 20):
        raise SandboxError(f"only {told['bytes']} of {size} bytes arrived")
    found.append(told["bytes"] / MB / (told["ended"] - told["began"]))


def bare(asset: MediaAsset) -> float:
    """Megabytes per second of a streaming upload with `requests`."""
    with measured(asset.size_bytes) as found:
        subprocess.run(  # noqa: S603
            [
                sys.executable,
                "-m",
                "socialhub.drills.bare_upload",
                str(Path(settings.MEDIA_ROOT) / str(asset.file.name)),
                f"{os.environ[STUB_URL]}/bare",
            ],
            cwd=BASE_DIR,
            check=True,
            timeout=LIMIT_S,
        )
    say(f"bare upload: {found[0]:.0f} MB/s")
    return found[0]


def send(account: ConnectedAccount, asset: MediaAsset, text: str) -> float:
    """Megabytes per second of the same file ahead of its post; then the post goes out."""
    assert account.owner is not None
    due_at = timezone.now() + timedelta(minutes=20)
    with measured(asset.size_bytes) as found:
        post = Post.objects.create(
            brand=account.brand,
            author=account.owner,
            text=text,
            due_at=due_at,
            useful_until=due_at + timedelta(hours=2),
        )
        PostMedia.objects.create(post=post, asset=asset, position=0)
        Variant.objects.create(
            post=post,
            platform=account.platform,
            has_text=False,
            options={**OPTIONS[account.platform], "title": text},
        )
        (row,) = schedule(post, [account])
        until(row, lambda: row.prepared_at is not None)
    now = timezone.now()
    row.reschedule(now, now + timedelta(hours=2))
    until(row, lambda: row.status == Delivery.Status.PUBLISHED)
    return found[0]


def until(row: Delivery, done: Any) -> None:
    end = time.monotonic() + LIMIT_S
    while True:
        row.refresh_from_db()
        if done():
            return
        if row.status in (Delivery.Status.FAILED, Delivery.Status.HELD) or row.cause:
            raise SandboxError(f"{row.status} {row.hold} {row.cause}: {row.detail}")
        if time.monotonic() > end:
            raise SandboxError(f"{row}: not done within {LIMIT_S:g} s")
        time.sleep(0.1)


def upload_as_a_browser(user: Any, brand: Any, size: int) -> float:
    """Megabytes per second of the page's own way: parts, each kept before the next."""
    browser = signed_in(user)
    url = os.environ[WEB_URL]
    token = uuid.uuid4().hex
    browser.cookies.set("csrftoken", token)
    browser.headers["X-CSRFToken"] = token
    form = {"brand": brand.pk, "name": "bench.mp4", "size": size, "changed": "1"}
    begun = browser.post(f"{url}/media/uploads/", data=form, timeout=60)
    if begun.status_code != 201:
        raise SandboxError(f"the upload did not begin: {begun.status_code}")
    address = url + begun.json()["address"]
    part = bytes(PART_BYTES)
    began = time.monotonic()
    for offset in range(0, size, PART_BYTES):
        sent = browser.put(
            address,
            data=part[: size - offset],
            headers={"Upload-Offset": str(offset)},
            timeout=120,
        )
        if sent.status_code != 204:
            raise SandboxError(f"a part was refused: {sent.status_code} {sent.text}")
    rate = size / MB / (time.monotonic() - began)
    browser.delete(address, timeout=60).raise_for_status()
    say(f"browser: {rate:.0f} MB/s")
    return rate


def signed_in(user: Any) -> requests.Session:
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    session = requests.Session()
    session.trust_env = False
    session.cookies.set(settings.SESSION_COOKIE_NAME, store.session_key)
    return session
