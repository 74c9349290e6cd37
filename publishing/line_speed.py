"""How fast files leave from here, measured by those that left, and what is too large for
that where a network gives an upload its time."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ConnectedAccount
from platforms.base import Draft, MediaKind

from . import carrying
from .models import Attempt, Delivery

#: Of the newest large uploads so many are looked at, back to then.
MEASURED = 20
BACK = timedelta(days=30)
KEPT_S = 600
#: Below so much time a measurement says nothing of a line.
LEAST_S = 1.0


def speed(network: str) -> float:
    """Bytes a second, the middle of what was measured lately; 0: nothing was."""
    key = f"line_speed:{network}"
    known = cache.get(key)
    if known is None:
        known = _measured(network, timezone.now())
        cache.set(key, known, KEPT_S)
    return float(known)


def _measured(network: str, now: datetime) -> float:
    newest = Delivery.objects.filter(
        published_at__gt=now - BACK,
        sent_bytes__gte=carrying.HEAVY_BYTES,
        account__network=network,
    ).order_by("-published_at")
    sizes = dict(newest.values_list("pk", "sent_bytes")[:MEASURED])
    spent = dict.fromkeys(sizes, 0.0)
    rows = Attempt.objects.filter(delivery__in=sizes, kind=Attempt.Kind.PUBLISH)
    for pk, calls in rows.values_list("delivery", "calls"):
        spent[pk] += sum(call["ms"] or 0 for call in calls) / 1000
    rates = sorted(
        size / spent[pk] for pk, size in sizes.items() if spent[pk] > LEAST_S
    )
    return rates[len(rates) // 2] if rates else 0.0


def too_slow(account: ConnectedAccount, draft: Draft) -> str:
    """Why a video will not be there in the time that its network gives, in a sentence;
    "": it will, or nothing is known."""
    within_s = account.spec.upload_within_s
    size = sum(m.size_bytes for m in draft.media if m.kind is MediaKind.VIDEO)
    rate = speed(account.network) if within_s and size else 0
    if not within_s or not rate or size / rate < within_s * carrying.SHARE:
        return ""
    return _(
        "%(size)d MB need about %(minutes)d minutes at the speed at which files left here "
        "lately (%(rate)s MB a second), and %(platform)s ends an upload after %(within)d "
        "minutes"
    ) % {
        "size": size // 1_000_000,
        "minutes": ceil(size / rate / 60),
        "rate": f"{rate / 1_000_000:.1f}",
        "platform": account.spec.name,
        "within": within_s // 60,
    }
