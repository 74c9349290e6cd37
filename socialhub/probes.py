"""Deep looks of the system check: what asks other machines or writes to the disk.

They run when somebody presses "Look now" (or `manage.py system_check`), never when a
page is opened. What they found is remembered as data, so that every reader gets it in
their own language, with the time of the look beside it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime
from typing import Any

import requests
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone, translation

from accounts.fields import SecretUnreadable
from accounts.models import ConnectedAccount, Credential, Network, PlatformApp
from platforms import registry
from platforms.errors import PlatformError
from platforms.http import Http
from publishing import public_media

from .supervisor import broker_errors

#: A remembered look is shown for so long, with its time.
KEPT_S = 30 * 86_400
#: What a look waits for another machine at most.
PATIENCE_S = 5.0

#: What all looks together take at most.
BOUND_S = 8.0

#: JSON values only; {"ok": bool} and what the sentence needs.
Finding = dict[str, Any]
#: Nothing was told in time.
LATE: Finding = {
    "ok": False,
    "late": True,
    "error": "",
    "platform": "",
    "version": "",
    "policy": "",
    "tried": 0,
}


def storage() -> Finding:
    """Write a file, read it back, delete it."""
    text = secrets.token_hex(8).encode()
    try:
        name = default_storage.save("system-check/probe.txt", ContentFile(text))
        try:
            with default_storage.open(name) as file:
                same = file.read() == text
        finally:
            default_storage.delete(name)
    except OSError as exc:
        return {"ok": False, "error": exc.strerror or str(exc)}
    return {"ok": same}


def practice() -> Finding:
    """One bounded look whether the practice network is up."""
    try:
        answer = requests.get(
            f"{settings.PRACTICE_NETWORK_URL}/api/state",
            timeout=(2, 3),
            allow_redirects=False,
        )
    except requests.RequestException:
        return {"ok": False}
    return {"ok": answer.ok}


def redis() -> Finding:
    """Whether Redis answers and keeps what the queue puts there."""
    import redis as client

    server = client.Redis.from_url(
        settings.REDIS_URL, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S
    )
    try:
        server.ping()
        facts = server.info()
    except client.RedisError as exc:
        return {"ok": False, "error": type(exc).__name__}
    finally:
        server.close()
    evicts = facts.get("maxmemory") and facts.get("maxmemory_policy") != "noeviction"
    return {
        "ok": True,
        "version": str(facts.get("redis_version", "")),
        "policy": str(facts.get("maxmemory_policy", "")) if evicts else "",
    }


def platforms_in_use() -> list[str]:
    """Slugs of those that we post to."""
    rows = ConnectedAccount.objects.filter(network=Network.LIVE, disconnected_at=None)
    slugs = rows.order_by("platform").values_list("platform", flat=True)
    return list(slugs.distinct())


def clock(slugs: Sequence[str]) -> Finding:
    """Our clock against the Date header of the first of these platforms that answers."""
    until = time.monotonic() + PATIENCE_S
    for slug in slugs:
        if time.monotonic() > until:
            break
        hosts = registry.spec(slug).hosts if slug in registry.PLATFORMS else {}
        for url in list(hosts.values())[:1]:
            try:
                answer = Http(total_s=PATIENCE_S).request(
                    "GET", url, call="clock", mutates=False
                )
            except PlatformError:
                continue
            if answer.headers.get("date"):
                apart = answer.clock_offset.total_seconds()
                return {"ok": True, "platform": slug, "apart_s": apart}
    return {"ok": True, "platform": ""}


def keys() -> Finding:
    """The newest and the oldest secret of each kind can be opened."""
    tried = 0
    try:
        for model, field in (
            (Credential, "access_token"),
            (Credential, "refresh_token"),
            (PlatformApp, "client_secret"),
            (PlatformApp, "hook_secret"),
            (PlatformApp, "hook_token"),
        ):
            stored = model._default_manager.exclude(**{field: ""})
            for order in ("pk", "-pk"):
                value = stored.order_by(order).values_list(field, flat=True).first()
                tried += value is not None
        factor = Authenticator.objects.filter(type=Authenticator.Type.TOTP).last()
        if factor is not None:
            decrypt(factor.data["secret"])
            tried += 1
    except SecretUnreadable as exc:
        return {"ok": False, "error": str(exc)}
    return {"ok": True, "tried": tried}


def public() -> Finding:
    """Read our own signed address, the way around by the outside."""
    verdict = public_media.look(fresh=True)
    return {"ok": verdict is None or not verdict.why}


#: By key of the line.
LOOKS: dict[str, Callable[..., Finding]] = {
    "storage": storage,
    "practice": practice,
    "redis": redis,
    "clock_outside": clock,
    "public_media": public,
    "keys": keys,
}
#: These read rows alone.
OF_ROWS = ("keys",)
#: What a look wants to know of rows, read before it is made beside the others: no thread
#: of theirs shall hold a connection.
READS: dict[str, Callable[[], Any]] = {"clock_outside": platforms_in_use}


def asked(*, reads_rows: bool = True) -> list[str]:
    """The looks that this installation has a use for.

    reads_rows False: those alone that go without the database.
    """
    wanted = ["storage", "public_media"]
    if reads_rows:
        wanted += ["clock_outside", "keys"]
    if settings.PRACTICE_NETWORK_URL:
        wanted.append("practice")
    if settings.REDIS_URL:
        wanted.append("redis")
    return wanted


def look_at_all(*, reads_rows: bool = True) -> dict[str, Finding]:
    """Look now, at all side by side, and remember it. Within BOUND_S: what has told
    nothing by then is `late`."""
    chosen = asked(reads_rows=reads_rows)
    language = translation.get_language()

    def ask(key: str, *known: Any) -> Finding:
        with translation.override(language):
            return LOOKS[key](*known)

    beside = [key for key in chosen if key not in OF_ROWS]
    pool = ThreadPoolExecutor(len(beside), thread_name_prefix="look")
    try:
        asking = {
            key: pool.submit(ask, key, *([READS[key]()] if key in READS else []))
            for key in beside
        }
        found = {key: ask(key) for key in chosen if key in OF_ROWS}
        wait(asking.values(), timeout=BOUND_S)
    finally:
        # Nobody waits for those that are late.
        pool.shutdown(wait=False, cancel_futures=True)
    for key, future in asking.items():
        found[key] = future.result() if future.done() else dict(LATE)
    for key, one in found.items():
        remember(key, one)
    return {key: found[key] for key in chosen}


def remember(key: str, found: Finding) -> None:
    """A cache that is away costs the memory, not the look."""
    with suppress(OSError, *broker_errors()):
        kept = {**found, "at": timezone.now().isoformat()}
        cache.set(f"system-check:{key}", kept, KEPT_S)


def remembered(keys: list[str]) -> dict[str, Finding]:
    """What the last looks found; a key is missing where there was none lately."""
    names = {f"system-check:{key}": key for key in keys}
    found: dict[str, Finding] = {}
    with suppress(OSError, *broker_errors()):
        found = cache.get_many(names)
    return {names[name]: value for name, value in found.items()}


def at_of(found: Finding | None) -> datetime | None:
    return datetime.fromisoformat(found["at"]) if found and "at" in found else None
