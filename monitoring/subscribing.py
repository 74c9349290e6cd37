"""Asking for events account by account, where they come for a time only.

A hub grants them by asking back (WebSub); others say in their answer until when they
come. What is granted is asked for anew long before it ends, and looked at each day where
it may end without a word; what was never granted, later and later. Without any of it
nothing is lost: figures and comments are read on their cadence.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import F, Q

from accounts.hook_addresses import address, secret_of, verify_token
from accounts.models import ConnectedAccount, Network, PlatformApp
from platforms import registry
from platforms.base import HookAnswer
from platforms.checks import is_outside
from platforms.errors import PlatformError

from .asking import client_of
from .hook_models import HookSubscription

logger = logging.getLogger(__name__)

#: Of one run: each is a call.
MOST = 20
#: After an unanswered question; doubled each time, up to a day.
WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(days=1)
#: What was granted in an answer may end without a word.
LOOK_AGAIN = timedelta(days=1)
#: The share of the granted time after which it is asked for anew.
RENEW_AFTER = 0.75
#: An answer comes within moments; later ones belong to no question of ours.
ANSWER_WITHIN = timedelta(days=2)


def keep(now: datetime) -> int:
    """Ask for what is due; how many were asked. Safe to run twice.

    Where our app alone can, what comes of accounts that were disconnected is ended: the
    platform may charge for it.
    """
    _stop(now)
    accounts = ConnectedAccount.objects.connected().filter(_with_events())
    new = accounts.filter(hook_subscription=None).values_list("pk", flat=True)
    HookSubscription.objects.bulk_create(
        [HookSubscription(account_id=pk, next_at=now) for pk in new],
        ignore_conflicts=True,
    )
    rows = HookSubscription.objects.filter(account__in=accounts, next_at__lte=now)
    count = 0
    for row in rows.select_related("account__credential__app").order_by("next_at")[
        :MOST
    ]:
        count += _ask(row, now)
    return count


def _stop(now: datetime) -> None:
    slugs = [spec.slug for spec in registry.all_specs() if spec.hook_token_name]
    left = HookSubscription.objects.filter(
        account__platform__in=slugs,
        account__disconnected_at__isnull=False,
        account__credential__isnull=False,
        next_at__lte=now,
    )
    for row in left.select_related("account__credential__app")[:MOST]:
        account = row.account
        assert account.credential is not None
        app = account.credential.app
        try:
            if row.granted_at and app.hook_token:
                app.client(platform=account.platform).stop_events(
                    account.external_id,
                    address(account.platform, account.network),
                    app_token=app.hook_token,
                )
        except PlatformError as error:
            logger.info("events of account %s do not end: %s", account.pk, error)
            later = HookSubscription.objects.filter(pk=row.pk)
            later.update(next_at=now + WAIT)
            continue
        row.delete()


def _with_events() -> Q:
    found = Q(pk__in=())
    for spec in registry.all_specs():
        if spec.hook_by_account or spec.hook_asked:
            kinds = {"kind__in": spec.hook_account_kinds}
            found |= Q(platform=spec.slug, **(kinds if spec.hook_account_kinds else {}))
    return found


def missing(app: PlatformApp) -> list[str]:
    """What the platform calls that without which nothing can be asked for."""
    wanted = {
        app.spec.hook_app_number_name: app.number_there,
        app.spec.hook_token_name: app.hook_token,
    }
    return [name for name, value in wanted.items() if name and not value]


def _ask(row: HookSubscription, now: datetime) -> bool:
    wait = min(LONGEST_WAIT, WAIT * 2 ** min(row.tries, 10))
    mine = HookSubscription.objects.filter(pk=row.pk, next_at=row.next_at)
    # Before the call: its answer may be here before it has ended.
    if not mine.update(asked_at=now, next_at=now + wait, tries=F("tries") + 1):
        return False
    account = row.account
    if account.credential is None:
        return False
    app, spec = account.credential.app, account.spec
    if not secret_of(app) or missing(app):
        return False
    url = address(account.platform, account.network)
    if account.network == Network.LIVE and not is_outside(url):
        return False
    if spec.hook_by_account:
        token = verify_token(account.platform, account.network)
        url = f"{url}?{urlencode({'token': token})}"
    try:
        until = client_of(account).ask_for_events(
            account.external_id,
            url,
            secret_of(app),
            app_number=app.number_there,
            app_token=app.hook_token,
        )
    except PlatformError as error:
        logger.info("events of account %s: %s", account.pk, error)
        return True
    if until is not None:
        rows = HookSubscription.objects.filter(pk=row.pk)
        again = max(now + WAIT, min(now + LOOK_AGAIN, until))
        rows.update(granted_at=now, ends_at=until, next_at=again, tries=0)
    return True


def granted(platform: str, network: str, answer: HookAnswer, now: datetime) -> None:
    """The hub grants what we asked for. LookupError: we did not."""
    rows = HookSubscription.objects.filter(
        account__platform=platform,
        account__network=network,
        account__external_id=answer.account_id,
        account__disconnected_at=None,
        asked_at__gt=now - ANSWER_WITHIN,
    )
    lease = timedelta(seconds=answer.lease_s)
    done = rows.update(
        granted_at=now, ends_at=now + lease, next_at=now + lease * RENEW_AFTER, tries=0
    )
    if not done:
        raise LookupError(answer.account_id)
