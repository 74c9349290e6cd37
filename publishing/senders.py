"""As whom a pump sends: accounts with credential and app, kept from claim to claim.

Building the rows, opening the tokens and working out the addresses costs more than the
rest of a claim. So it is only asked each time whether one of them has changed, and all
the rest is read when that is so.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFault
from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet

from accounts.breakers import Caller
from accounts.fixed_query import FixedQuery
from accounts.models import ConnectedAccount, Credential, PlatformApp
from platforms import registry
from platforms.base import (
    Access,
    Environment,
    Identity,
    Platform,
    PlatformClient,
)
from platforms.http import Http

from .models import Delivery, Post, PostMedia, Variant, prefetch_parts

logger = logging.getLogger(__name__)

#: More accounts than one installation has; the oldest go first.
MOST_KEPT = 2000
LEARN_AT_ONCE = 10


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
    """By account. Nothing old is ever handed out: it is compared each time."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[Any, ...], ConnectedAccount]] = {}
        self._senders: dict[int, Sender] = {}
        #: by `learn`
        self._met: set[int] = set()

    def attach(self, rows: Collection[Delivery]) -> None:
        """Give each row its account, credential and app, as they are now."""
        wanted = {row.account_id for row in rows}
        columns = _as_they_are(wanted)
        stale = [
            pk for pk in wanted if self._known.get(pk, (None, None))[0] != columns[pk]
        ]
        if stale:
            self._read(stale, columns)
        for row in rows:
            row.account = self._known[row.account_id][1]

    def learn(self, account_ids: Iterable[int]) -> None:
        """Get to know some of these before their posts are due.

        Only a few at a time: somebody else's post may be due right now. Each is tried
        once; what is wrong with it, the claim of its post tells.
        """
        unmet = (pk for pk in account_ids if pk not in self._met)
        new = list(dict.fromkeys(islice(unmet, LEARN_AT_ONCE)))
        if not new:
            return
        self._met.update(new)
        try:
            columns = _as_they_are(new)
            self._read(columns, columns)
            for pk in columns:
                account = self._known[pk][1]
                if account.credential is not None:
                    self.sender(account)
        except DatabaseFault:
            raise
        except Exception:
            logger.info("one of the accounts %s is told of when it is due", new)

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


#: All columns of accounts, their credentials and apps: as the driver gives them they
#: are cheap to read, and good for nothing but to be compared.
_columns = FixedQuery(lambda pks: _accounts(pks).order_by(), [0])


def _as_they_are(pks: Collection[int]) -> dict[int, tuple[Any, ...]]:
    """By account: what differs after any change of it, its credential or app."""
    if connection.vendor != "postgresql":
        return {row[0]: row for row in _columns.rows(list(pks))}
    # PostgreSQL knows it by itself: each change writes the row anew, in another place
    # or by another transaction.
    account, credential, app = (
        connection.ops.quote_name(model._meta.db_table)
        for model in (ConnectedAccount, Credential, PlatformApp)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, a.xmin, a.ctid, c.xmin, c.ctid, p.xmin, p.ctid"  # noqa: S608
            f" FROM {account} AS a LEFT JOIN {credential} AS c ON c.id = a.credential_id"
            f" LEFT JOIN {app} AS p ON p.id = c.app_id WHERE a.id = ANY(%s)",
            [list(pks)],
        )
        return {row[0]: row for row in cursor.fetchall()}


def _sender(account: ConnectedAccount) -> Sender:
    credential = account.credential
    assert credential is not None
    app = credential.app
    return Sender(
        account=account,
        platform=registry.platform(account.platform),
        identity=account.identity(),
        environment=app.environment(account.platform),
        access=credential.access(account),
        caller=caller_of(credential, account.platform),
    )


def caller_of(credential: Credential, platform: str) -> Caller:
    """Whom breakers know this credential by."""
    return Caller(
        platform,
        credential.app.network,
        credential.app_id,
        credential.pk,
        credential.parent_id or 0,
    )


def _wordings(pks: list[int]) -> QuerySet[Post]:
    of_post = {"post_id": OuterRef("pk")}
    return (
        Post.objects.filter(pk__in=pks)
        .only("text", "link_url", "link_title", "link_description", "poll", "link_tags")
        .annotate(
            has_variants=Exists(Variant.objects.filter(**of_post)),
            has_media=Exists(PostMedia.objects.filter(**of_post)),
            asks_for=F("brand__approval_steps"),
        )
        .order_by()
    )


_posts: FixedQuery[Any] = FixedQuery(_wordings, [0])


def attach_posts(rows: Collection[Delivery]) -> None:
    """Give each row its post with variants and files, as they are now."""
    posts = {post.pk: post for post in _posts.objects([row.post_id for row in rows])}
    # Most posts have neither, which is told with them.
    varied = [pk for pk, post in posts.items() if post.has_variants]
    illustrated = [pk for pk, post in posts.items() if post.has_media]
    variants: dict[int, list[Variant]] = {pk: [] for pk in posts}
    if varied:
        for variant in Variant.objects.filter(post_id__in=varied):
            variants[variant.post_id].append(variant)
    media: dict[int, list[PostMedia]] = {pk: [] for pk in posts}
    if illustrated:
        files = PostMedia.objects.filter(post_id__in=illustrated)
        for file in files.select_related("asset").order_by("position"):
            media[file.post_id].append(file)
    for pk, post in posts.items():
        # What `post.variants.all()` and `post.media.all()` answer from now on.
        post._prefetched_objects_cache = {
            "variants": variants[pk],
            "media": media[pk],
        }
    prefetch_parts(posts[pk] for pk in varied)
    for row in rows:
        row.post = posts[row.post_id]
