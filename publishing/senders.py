"""As whom a pump sends: accounts with credential and app, kept from claim to claim.

Building the rows, opening the tokens and working out the addresses costs more than the
rest of a claim. So the bare columns are read each time, and all the rest only when one
of them has changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from accounts.breakers import Caller
from accounts.models import ConnectedAccount, Credential
from platforms import registry
from platforms.base import (
    Access,
    Environment,
    Identity,
    Platform,
    PlatformClient,
)
from platforms.http import Http

from .models import Delivery, Post, PostMedia, Variant

#: More accounts than one installation has; the oldest go first.
MOST_KEPT = 2000


@dataclass(frozen=True)
class Sender:
    """An account whose credential is there."""

    account: ConnectedAccount
    platform: Platform
    identity: Identity
    environment: Environment
    access: Access
    caller: Caller

    def client(self) -> PlatformClient:
        """A new one: each attempt has a log of its own."""
        environment = self.environment
        http = Http(
            allow_private=environment.allow_private, total_s=settings.HTTP_TIMEOUT_S
        )
        return self.platform.client(environment, self.access, http)


class Senders:
    """By account. Nothing old is ever handed out: the columns are compared each time."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[Any, ...], ConnectedAccount]] = {}
        self._senders: dict[int, Sender] = {}

    def attach(self, rows: Collection[Delivery]) -> None:
        """Give each row its account, credential and app, as they are now."""
        wanted = {row.account_id for row in rows}
        columns = _columns(wanted)
        stale = [
            pk for pk in wanted if self._known.get(pk, (None, None))[0] != columns[pk]
        ]
        if stale:
            self._read(stale, columns)
        for row in rows:
            row.account = self._known[row.account_id][1]

    def sender(self, account: ConnectedAccount) -> Sender:
        """Of an attached account that has a credential."""
        if account.pk not in self._senders:
            self._senders[account.pk] = _sender(account)
        return self._senders[account.pk]

    def _read(self, pks: Collection[int], columns: dict[int, tuple[Any, ...]]) -> None:
        while len(self._known) + len(pks) > MOST_KEPT and self._known:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._senders.pop(oldest, None)
        found = _accounts(pks).in_bulk()
        for pk in pks:
            self._known.pop(pk, None)
            self._senders.pop(pk, None)
            self._known[pk] = (columns[pk], found[pk])


def _accounts(pks: Collection[int]) -> Any:
    return ConnectedAccount.objects.select_related("credential__app").filter(pk__in=pks)


def _columns(pks: Collection[int]) -> dict[int, tuple[Any, ...]]:
    """All columns of these accounts, their credentials and apps, as the driver gives
    them: cheap to read, and good for nothing but to be compared."""
    sql, params = _accounts(pks).order_by().query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {row[0]: row for row in cursor.fetchall()}


def _sender(account: ConnectedAccount) -> Sender:
    credential = account.credential
    assert credential is not None
    app = credential.app
    return Sender(
        account=account,
        platform=registry.platform(account.platform),
        identity=account.identity(),
        environment=app.environment(),
        access=credential.access(account),
        caller=caller_of(credential, account.platform),
    )


def caller_of(credential: Credential, platform: str) -> Caller:
    """Whom breakers know this credential by."""
    return Caller(platform, credential.app.network, credential.app_id, credential.pk)


def attach_posts(rows: Collection[Delivery]) -> None:
    """Give each row its post with variants and files, as they are now."""
    wording = ("text", "link_url", "link_title", "link_description")
    posts = Post.objects.only(*wording).in_bulk({row.post_id for row in rows})
    variants: dict[int, list[Variant]] = {pk: [] for pk in posts}
    for variant in Variant.objects.filter(post_id__in=posts):
        variants[variant.post_id].append(variant)
    media: dict[int, list[PostMedia]] = {pk: [] for pk in posts}
    files = PostMedia.objects.filter(post_id__in=posts).select_related("asset")
    for file in files.order_by("position"):
        media[file.post_id].append(file)
    for pk, post in posts.items():
        # What `post.variants.all()` and `post.media.all()` answer from now on.
        post._prefetched_objects_cache = {  # type: ignore[attr-defined]
            "variants": variants[pk],
            "media": media[pk],
        }
    for row in rows:
        row.post = posts[row.post_id]
