"""Posts made at the network itself: which are none of ours, and what they say to us.

Before a commit of ours leaves, its intent is written. So whoever reads an account's list
first and our rows after it finds a row for every post of ours in it; only its id may not
be known yet.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts.models import ConnectedAccount
from platforms import parts, registry
from platforms.base import RecentPosts, RemotePost
from platforms.text import find_urls

from .models import Delivery, NativePost

#: So far back posts are shown, and read: what a month of the calendar has room for.
BACK = timedelta(days=42)
#: Of one account at most, the newest.
MOST = 300
#: While nobody knows whether one of ours is there, what was posted so long after it left
#: may be it. A platform that still works on it may take any time.
MAY_BE_OURS = timedelta(hours=6)
#: Clocks of platforms and ours differ by less. What one of ours said that did not go
#: out, a person may have posted by hand soon after.
SLACK = timedelta(minutes=5)
#: Networks cut, complete and reword links; so much of the beginning tells two texts apart.
TELLING = 140

Status = Delivery.Status
#: Nobody knows yet what became of it.
OPEN = (Status.PUBLISHING, Status.PROCESSING, Status.UNCERTAIN)


def beginning(text: str) -> str:
    """What two spellings of one text have in common: words without links."""
    said, at = [], 0
    for url in find_urls(text):
        said.append(text[at : url.start])
        at = url.end
    plain = unicodedata.normalize("NFC", " ".join([*said, text[at:]])).casefold()
    return "".join(c for c in plain if c.isalnum())[:TELLING]


def alike(one: str, other: str) -> bool:
    """Of two beginnings. What was cut short says the same as far as it goes."""
    short, long = sorted((one, other), key=len)
    return bool(short) and (
        short == long or (len(short) >= 60 and long.startswith(short))
    )


# ---------------------------------------------------------------- what is ours


@dataclass(frozen=True)
class Sent:
    """A delivery that left, or may have: all that tells whether a post is it."""

    ids: frozenset[str]
    links: frozenset[str]
    words: str
    #: when its first and its last commit left; its answer came at `until`
    since: datetime
    until: datetime
    is_open: bool
    is_worked_on: bool
    is_out: bool
    is_own_account: bool

    def is_named(self, post: RemotePost) -> bool:
        """By its id or address."""
        is_id = self.is_own_account and post.external_id in self.ids
        return is_id or _link(post.permalink) in self.links

    def says_it(self, post: RemotePost, seen_at: datetime | None) -> bool:
        """It was posted as ours left, and says the same. seen_at: when the post was
        first read here; before ours left, it is another."""
        at = post.published_at
        if at is None or (seen_at is not None and seen_at < self.since):
            return False
        wait = MAY_BE_OURS if self.is_open or self.is_out else SLACK
        if not self.since - SLACK <= at <= self.until + wait:
            return False
        said = beginning(post.text)
        return alike(said, self.words) or said == self.words == ""

    def may_be(self, post: RemotePost) -> bool:
        """Nobody can tell yet."""
        at = post.published_at
        if not self.is_open or not self.is_own_account or at is None:
            return False
        ends = at if self.is_worked_on else self.until + MAY_BE_OURS
        return self.since - SLACK <= at <= ends


def _link(permalink: str) -> str:
    return permalink.partition("://")[2].rstrip("/") or "-"


def sent_of(account: ConnectedAccount, since: datetime) -> list[Sent]:
    """What left for the account since then, by this road or an aggregator's. Two
    queries."""
    aggregators = Q(brand=account.brand_id, platform__in=registry.aggregators())
    roads = ConnectedAccount.objects.filter(Q(pk=account.pk) | aggregators)
    rows = Delivery.objects.filter(account__in=list(roads)).filter(
        Q(first_sent_at__gte=since - MAY_BE_OURS)
        | Q(published_at__gte=since - MAY_BE_OURS)
        | Q(status__in=OPEN)
    )
    return [_sent(row, account) for row in rows.order_by("pk")]


def _sent(row: Delivery, account: ConnectedAccount) -> Sent:
    own = row.account_id == account.pk
    out = parts.out(row.witness)
    ids = {row.external_id, *(part.external_id for part in out)} - {""}
    links = {row.permalink, *(part.permalink for part in out)}
    if row.external_id.startswith("http"):  # the word of a person
        links.add(row.external_id)
    if own:
        platform = registry.platform(account.platform)
        found = (
            platform.id_of_link(link, account.identity()) for link in links if link
        )
        ids |= {one for one in found if one}
    first = row.first_sent_at or row.published_at or row.intent_at or row.due_at
    return Sent(
        ids=frozenset(ids),
        links=frozenset(_link(link) for link in links if link),
        words=beginning(str(row.draft.get("text") or "")),
        since=first,
        until=max(first, row.published_at or first, row.intent_at or first),
        is_open=row.status in OPEN or row.intent_at is not None or row.repeat_is_safe,
        is_worked_on=row.status == Status.PROCESSING,
        is_out=row.status == Status.PUBLISHED,
        is_own_account=own,
    )


# ---------------------------------------------------------------- what is kept


@dataclass(frozen=True)
class Kept:
    """undecided: posts that may be ours, which are not shown before that is known."""

    shown: int
    undecided: int
    newest_at: datetime | None


def keep(account: ConnectedAccount, told: RecentPosts, now: datetime) -> Kept:
    """Make the account's rows what its list has told, which was read before this.

    Safe to run twice. Four statements, and one more for what is gone.
    """
    since = now - BACK
    known = {row.external_id: row for row in account.native_posts.all()}
    sent = sent_of(account, since)
    found: dict[str, RemotePost] = {}
    ours: set[str] = set()
    undecided = 0
    met = [one for one in sent if any(map(one.is_named, told.posts))]
    # What has been met is in the list once: its words may be said by another as well.
    sought = [one for one in sent if one not in met]
    for post in told.posts:
        old = known.get(post.external_id)
        seen_at = old.seen_at if old else None
        at = post.published_at
        if at is None or at < since or not 0 < len(post.external_id) <= 300:
            continue
        if any(one.is_named(post) for one in met) or any(
            one.says_it(post, seen_at) for one in sought
        ):
            ours.add(post.external_id)
        elif post.extra.get("hidden"):
            continue
        elif old is None and any(one.may_be(post) for one in sought):
            undecided += 1
        else:
            found[post.external_id] = post
    newest = sorted(found.values(), key=lambda post: _at(post), reverse=True)[:MOST]
    gone = [
        row.pk
        for number, row in known.items()
        if number in ours
        or row.posted_at < since
        or (
            number not in found
            and told.reaches is not None
            and row.posted_at >= told.reaches
        )
    ]
    with transaction.atomic():
        NativePost.objects.filter(pk__in=gone).delete()
        same = ConnectedAccount.objects.select_for_update().filter(pk=account.pk)
        if not same.connected().exists():
            return Kept(0, 0, None)  # disconnected while it was read
        NativePost.objects.bulk_create(
            [
                NativePost(
                    account=account,
                    external_id=post.external_id,
                    text=_excerpt(post.text),
                    permalink=post.permalink[:1000],
                    posted_at=_at(post),
                    seen_at=now,
                )
                for post in newest
            ],
            update_conflicts=True,
            unique_fields=["account", "external_id"],
            update_fields=["text", "permalink", "posted_at"],
        )
        extra = account.native_posts.order_by("-posted_at", "-pk")[MOST:]
        if too_many := list(extra.values_list("pk", flat=True)):
            NativePost.objects.filter(pk__in=too_many).delete()
    return Kept(len(newest), undecided, _at(newest[0]) if newest else None)


def _at(post: RemotePost) -> datetime:
    assert post.published_at is not None
    return post.published_at


def _excerpt(text: str) -> str:
    text = text.replace("\x00", "").strip()
    most = NativePost.EXCERPT
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def forget(now: datetime) -> None:
    """What has become old, and all of accounts that are connected no more."""
    NativePost.objects.filter(posted_at__lt=now - BACK).delete()
    NativePost.objects.exclude(account__disconnected_at=None).delete()


def forget_account(account: ConnectedAccount) -> None:
    account.native_posts.all().delete()


# ---------------------------------------------------------------- what they say to us


def near(
    accounts: Sequence[ConnectedAccount], at: datetime, within: timedelta
) -> list[NativePost]:
    """What somebody posted there shortly before or after, the oldest first. One query."""
    rows = NativePost.objects.filter(
        account__in=[account.pk for account in accounts],
        posted_at__gt=at - within,
        posted_at__lt=at + within,
    )
    return list(rows.select_related("account").order_by("posted_at", "pk")[:MOST])


def repeats(
    accounts: Sequence[ConnectedAccount],
    texts: Mapping[str, str],
    at: datetime,
    within: timedelta,
) -> list[NativePost]:
    """Those near it that say the same. texts: by platform, as it is written here."""
    says = {slug: beginning(text) for slug, text in texts.items()}
    return [
        row
        for row in near(accounts, at, within)
        if alike(beginning(row.text), says[row.account.platform])
    ]
