"""Addresses at which platforms fetch files themselves: signed, and over after a day.

Whoever has such an address may read that one file; none can be guessed, none leads to
another, and each is made anew whenever a post is sent.

Before an address is given out we read it ourselves, the way around by the outside: a
proxy that lets nobody in, a certificate that ended or a wrong SITE_URL is then known as
ours, with its reason, and not as the platform's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _

from platforms.checks import is_outside
from platforms.errors import Cause, PlatformError, TransientError
from platforms.http import Answer, Http

SALT = "publishing.public_media"
#: What stands before token and name. Django's own `reverse` would load all pages into
#: each pump, 16 MB of them.
PREFIX = "media/public/"
#: As long as Instagram keeps a container that it has not finished fetching.
LIFE = timedelta(hours=24)
#: What stands at the address that is read to see whether any can be: no file has its id.
PROBE, PROBE_NAME, PROBE_TEXT = 0, "probe.txt", "SocialHub"
#: A verdict is believed for so long; a bad one shorter, for somebody may be mending it.
GOOD_FOR = timedelta(minutes=10)
BAD_FOR = timedelta(minutes=1)
#: What is shown of the last verdict, however old: the time stands beside it.
SHOWN_FOR = timedelta(days=2)
#: One whole look. A platform is not more patient.
PATIENCE_S = 10.0
VERDICT, ROBOTS = "public-media:verdict", "public-media:robots"
#: Who asks robots.txt before it fetches: Facebook's, Instagram's and Threads' fetcher.
FETCHER = "facebookexternalhit"


def address(asset: int, file_name: str) -> str:
    """Where the file is found by anybody who is told. ASCII only.

    file_name: for platforms that judge a file by its ending.
    """
    token = signing.dumps(asset, salt=SALT)
    return f"{settings.SITE_URL.rstrip('/')}/{PREFIX}{token}/{quote(file_name)}"


def asset_of(token: str) -> int | None:
    """The asset that an address was made for; None: never made, changed, or over."""
    try:
        found = signing.loads(token, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        return None
    return found if isinstance(found, int) else None


def probe_address() -> str:
    return address(PROBE, PROBE_NAME)


# ---------------------------------------------------------------- read by ourselves


class Unreadable(TransientError):
    """We could not read our own address; `detail` says why. Nothing was given out."""

    default_cause = Cause.MEDIA_NOT_PUBLIC


@dataclass(frozen=True)
class Verdict:
    """why "": our addresses can be read from outside."""

    at: datetime
    why: str = ""


def can_tell() -> bool:
    """Whether a look says anything: only of addresses that the whole internet may call,
    and not where an operator says that this machine cannot call itself."""
    return bool(settings.PUBLIC_MEDIA_SELF_CHECK) and is_outside(settings.SITE_URL)


def last_verdict() -> Verdict | None:
    """What the last look told. Asks nobody; None: there was none lately."""
    found = cache.get(VERDICT)
    return found if isinstance(found, Verdict) else None


def look(*, fresh: bool = False) -> Verdict | None:
    """Read the probe, unless that was done a moment ago. None: a look says nothing.

    fresh: whatever was found lately.
    """
    if not can_tell():
        return None
    last = last_verdict()
    if last is not None and not fresh:
        life = BAD_FOR if last.why else GOOD_FOR
        if timezone.now() - last.at < life:
            return last
    why = _read(probe_address(), PROBE_TEXT)
    if not why:
        # Said, and keeps nothing back: not every platform asks it.
        cache.set(ROBOTS, _forbidden(), SHOWN_FOR.total_seconds())
    return _keep(why)


def must_be_readable(addresses: Iterable[str]) -> None:
    """Raise Unreadable unless we can read each. Of each file once in a while only.

    No database: it is called where steps run.
    """
    if not can_tell():
        return
    for url in addresses:
        # The token has the time in it: the file is what stands before that.
        path = urlsplit(url).path
        key = f"public-media:{hashlib.sha256(_stem(path).encode()).hexdigest()[:32]}"
        why = cache.get(key)
        if why is None:
            why = _read(url)
            life = BAD_FOR if why else GOOD_FOR
            cache.set(key, why, life.total_seconds())
            _keep(why)
        if why:
            raise Unreadable(why)


def _stem(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    found = [asset_of(piece) for piece in path.split("/") if ":" in piece]
    return f"{found}{name}" if found else path


def _keep(why: str) -> Verdict:
    verdict = Verdict(timezone.now(), why or cache.get(ROBOTS) or "")
    cache.set(VERDICT, verdict, SHOWN_FOR.total_seconds())
    return verdict


def _read(url: str, text: str = "") -> str:
    """Why it cannot be read, in words; "": it can. text: what has to stand there."""
    began = time.monotonic()
    try:
        answer = _get(url, {"Range": "bytes=0-1023"})
    except PlatformError as error:
        return _words(error, time.monotonic() - began)
    if not answer.ok:
        return _("SITE_URL answers %(status)d where a file stands.") % {
            "status": answer.status
        }
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/html") or (text and answer.text(100) != text):
        return _("Something else than SocialHub answers at SITE_URL.")
    return ""


def _get(url: str, headers: dict[str, str]) -> Answer:
    http = Http(total_s=PATIENCE_S)
    # An address on a list of own servers may be behind the same door as we.
    http.allow_private = True
    http.private_hosts = frozenset(h.lower() for h in settings.ALLOWED_PRIVATE_HOSTS)
    return http.request(
        "GET",
        url,
        call="own public address",
        mutates=False,
        headers=headers,
        max_bytes=1 << 20,
    )


def _forbidden() -> str:
    """That robots.txt forbids to fetch our files, in words; "": it does not."""
    url = probe_address()
    try:
        answer = _get(urljoin(url, "/robots.txt"), {})
    except PlatformError:
        return ""
    if not answer.ok:
        return ""
    rules = RobotFileParser()
    rules.parse(answer.body.decode("utf-8", "replace").splitlines())
    if rules.can_fetch(FETCHER, url):
        return ""
    return _("The file robots.txt at SITE_URL forbids Facebook and Instagram to fetch.")


def _words(error: PlatformError, seconds: float) -> str:
    if error.cause == Cause.ADDRESS_REFUSED:
        return _("SITE_URL is not https, or leads into a private network.")
    if error.cause == Cause.TIMED_OUT:
        return _("SITE_URL did not answer within %(n)d seconds.") % {"n": seconds}
    if error.cause == Cause.ANSWER_UNREADABLE:
        return _("SITE_URL sends more than was asked for: a proxy leaves Range out.")
    return _("SITE_URL cannot be reached: %(detail)s.") % {"detail": error.detail[:150]}
