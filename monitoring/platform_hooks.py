"""Events that platforms send: checked, kept once, and taken as a hint where to look.

Whatever an event says, the platform is asked: one that is late, doubled, out of order or
lost costs a look or a wait, and never a wrong state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext as _

from accounts.hook_addresses import secret_of, verify_token
from accounts.models import ConnectedAccount, Credential, PlatformApp
from platforms import registry
from platforms.base import Hook, HookAnswer, HookEvent, PlatformSpec
from publishing.models import Delivery

from . import subscribing
from .hook_models import HookAddress, HookSubscription, WebhookEvent
from .models import Watch

#: Of one request at most; the platforms send far fewer.
MOST = 200
KEPT_FOR = timedelta(days=30)
#: However many events come, a post is read once in so long.
READ_AGAIN = timedelta(minutes=2)
#: Anybody may call the address: refusals are written down no oftener.
REFUSALS_APART = timedelta(minutes=1)
#: An access is proven at once in so long.
PROVE_AGAIN = timedelta(minutes=5)


def apps(platform: str, network: str) -> list[PlatformApp]:
    rows = PlatformApp.objects.filter(platform=platform, network=network)
    return [app for app in rows if secret_of(app)]


def challenge(
    platform: str, network: str, query: Mapping[str, str], now: datetime
) -> HookAnswer:
    """ValueError: refused. LookupError: nothing of ours is there."""
    ours = apps(platform, network)
    if not ours:
        raise LookupError(platform)
    answer = registry.platform(platform).hook_challenge(
        query, verify_token(platform, network), secret_of(ours[0])
    )
    if answer.account_id:
        subscribing.granted(platform, network, answer, now)
    _note(ours[0], asked_at=now)
    return answer


def _note(app: PlatformApp, **what: Any) -> None:
    HookAddress.objects.update_or_create(app=app, defaults=what)


def take_in(
    platform: str,
    network: str,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
) -> int:
    """Check and keep what was told; how many events are new.

    ValueError: no app of ours signed it. LookupError: nothing of ours is there.
    """
    ours = apps(platform, network)
    if not ours:
        raise LookupError(platform)
    try:
        app, told = _read(ours, body, headers, now)
    except ValueError as refused:
        lately = HookAddress.objects.filter(
            app=ours[0], refused_at__gt=now - REFUSALS_APART
        )
        if not lately.exists():
            _note(ours[0], refused_at=now, refused_why=str(refused)[:200])
        raise
    _note(app, received_at=now)
    rows = {}
    for event in told[:MOST]:
        text = f"{platform} {network} {event.key}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        rows[digest] = WebhookEvent(
            app=app,
            digest=digest,
            what=event.what.value,
            account_id_there=event.account_id[:300],
            object_id=event.object_id[:300],
            received_at=now,
        )
    known = set(
        WebhookEvent.objects.filter(digest__in=rows).values_list("digest", flat=True)
    )
    fresh = [row for digest, row in rows.items() if digest not in known]
    WebhookEvent.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


def told(app: PlatformApp) -> list[tuple[str, datetime | None]]:
    """Whether anything comes from the platform by itself, in words, and when."""
    spec = app.spec
    if not spec.hook_name:
        return []
    row = HookAddress.objects.filter(app=app).first() or HookAddress()
    lines: list[tuple[str, datetime | None]] = []
    if spec.hook_secret_name and not app.hook_secret:
        lines.append((_("None is taken until this is entered: ") + _secret(spec), None))
    if spec.hook_has_handshake:
        never = _("It has not yet asked whether the address is ours.")
        asked = _("It asked whether the address is ours, and was answered:")
        lines.append((asked, row.asked_at) if row.asked_at else (never, None))
    if left := subscribing.missing(app):
        words = _("None is asked for until this is entered: ")
        lines += [(words + gettext(name), None) for name in left]
    elif spec.hook_by_account or spec.hook_asked:
        lines += _by_account(app)
    never = _("No event has arrived yet.")
    last = _("The last event arrived:")
    lines.append((last, row.received_at) if row.received_at else (never, None))
    if row.refused_at:
        words = _("One was refused (%(why)s):") % {"why": row.refused_why}
        lines.append((words, row.refused_at))
    return lines


def _secret(spec: PlatformSpec) -> str:
    return gettext(spec.hook_secret_name)


def _by_account(app: PlatformApp) -> list[tuple[str, datetime | None]]:
    now = timezone.now()
    rows = HookSubscription.objects.filter(
        account__credential__app=app, account__disconnected_at=None
    )
    good = rows.filter(ends_at__gt=now)
    words = _("Granted for %(n)s of %(total)s accounts.")
    lines: list[tuple[str, datetime | None]] = [
        (words % {"n": good.count(), "total": rows.count()}, None)
    ]
    if first := good.order_by("ends_at").first():
        lines.append((_("Renewed by itself before it ends:"), first.ends_at))
    return lines


def _read(
    ours: Sequence[PlatformApp],
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
) -> tuple[PlatformApp, Sequence[HookEvent]]:
    refused = ValueError("there is no signature")
    for app in ours:
        platform = registry.platform(app.platform)
        try:
            return app, platform.hook_events(body, headers, secret_of(app), now)
        except ValueError as error:
            refused = error
    raise refused


def handle(now: datetime | None = None) -> int:
    """Look where events say; how many were handled. Safe to run twice."""
    now = now or timezone.now()
    rows = WebhookEvent.objects.filter(handled_at=None).select_related("app")
    count = 0
    for row in rows.order_by("received_at")[:500]:
        _act(row, now)
        WebhookEvent.objects.filter(pk=row.pk).update(handled_at=now)
        count += 1
    return count


def _act(row: WebhookEvent, now: datetime) -> None:
    accounts = ConnectedAccount.objects.filter(
        platform=row.app.platform,
        network=row.app.network,
        external_id=row.account_id_there,
    )
    if row.what == Hook.PUBLISH:
        waiting = Delivery.objects.filter(account__in=accounts)
        path = "__".join(("witness", *row.app.spec.hook_publish))
        waiting.filter(**{path: row.object_id}).ask_now(now)
    elif row.what == Hook.ACCESS:
        lately = now - PROVE_AGAIN
        Credential.objects.filter(accounts__in=accounts, next_proof_at__gt=now).exclude(
            looked_at__gt=lately
        ).update(next_proof_at=now)
    else:
        _read_again(accounts.values("pk"), row, now)


def _read_again(accounts: Any, row: WebhookEvent, now: datetime) -> None:
    watch = (
        Watch.objects.filter(
            delivery__account__in=accounts,
            delivery__external_id=row.object_id,
            next_at__gt=now,
        )
        .only("pk", "read_at")
        .first()
    )
    if watch is None:
        return  # not one of ours, or read in a moment anyway
    at = max(now, watch.read_at + READ_AGAIN) if watch.read_at else now
    changes = {"comments_read_at": None} if row.what == Hook.COMMENTS else {}
    Watch.objects.filter(pk=watch.pk, next_at__gt=at).update(next_at=at, **changes)


def tidy(now: datetime) -> None:
    WebhookEvent.objects.filter(received_at__lt=now - KEPT_FOR).delete()
