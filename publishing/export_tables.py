"""Tables of an export: what is in them, for whom, and in which words.

Each is written twice: as CSV for spreadsheets and the import, and as JSON Lines for
programs. Later layers register theirs here, because we may not import them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent, Brand, ConnectedAccount

from . import csv_cells
from .care_models import Note
from .models import (
    Attempt,
    Delivery,
    LinkRule,
    MediaAsset,
    NativePost,
    PartMedia,
    Post,
    PostMedia,
    Queue,
    Remark,
    Review,
    Series,
    Snippet,
)

#: What a person chooses from -> what it says. Files of media are no table.
WHAT: Mapping[str, Any] = {
    "posts": _("Posts, with labels, wording per network, threads, and files by name"),
    "deliveries": _("Deliveries with every attempt, links, and notes of people"),
    "comments": _("Comments below posts, answers, and what was hidden or deleted"),
    "figures": _("Figures, as they were read"),
    "natives": _("Posts that somebody made at the networks themselves"),
    "media": _("Media files, as they were added, with their alternative texts"),
    "plans": _("Text templates, hashtag sets, link rules, queues, series, accounts"),
    "approvals": _("Approvals, and what people said about posts"),
    "audit": _("Who did what (for admins only)"),
}
#: Keys of an audit's details that nobody is shown, should one ever hold such.
SECRET = ("token", "secret", "password", "authorization", "credential")


@dataclass(frozen=True)
class Scope:
    """What is asked for. brands: keys; begin and end: the end is not in it any more;
    is_all: whatever there is, also of what is gone and belongs to no brand."""

    brands: tuple[int, ...]
    what: frozenset[str]
    begin: datetime | None = None
    end: datetime | None = None
    is_all: bool = False

    def during(self, name: str) -> Q:
        """The time of a row is in it."""
        found = Q()
        if self.begin is not None:
            found &= Q(**{f"{name}__gte": self.begin})
        if self.end is not None:
            found &= Q(**{f"{name}__lt": self.end})
        return found

    @property
    def has_time(self) -> bool:
        return self.begin is not None or self.end is not None

    def posts(self) -> QuerySet[Post]:
        rows = Post.objects.filter(brand__in=self.brands)
        rows = rows.exclude(state=Post.State.PATTERN)
        undated = Q(due_at=None) & self.during("created_at")
        return rows.filter(self.during("due_at") & Q(due_at__isnull=False) | undated)

    def media(self) -> QuerySet[MediaAsset]:
        """Of the time, and those that posts of the time have."""
        rows = MediaAsset.objects.filter(brand__in=self.brands)
        if not self.has_time:
            return rows
        posts = self.posts().values("pk")
        in_post = PostMedia.objects.filter(asset=OuterRef("pk"), post__in=posts)
        in_part = PartMedia.objects.filter(
            asset=OuterRef("pk"), variant__post__in=posts
        )
        wanted = Q(Exists(in_post.order_by())) | Q(Exists(in_part.order_by()))
        return rows.filter(self.during("created_at") | wanted)


Record = dict[str, Any]
#: a column's name -> what it holds, in words
Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """rows: those of a scope, read in the order of `order`, which is unique together.
    records: of some rows, in their order, a record each (JSON values and aware times);
    None leaves a row out. cells: what the CSV has of a record, where that is another.
    """

    name: str
    what: str
    about: Any
    columns: Columns
    rows: Callable[[Scope], QuerySet[Any]]
    records: Callable[[Sequence[Any], Scope], Iterable[Record | None]]
    order: tuple[str, ...] = ("pk",)
    cells: Callable[[Record], Record] | None = None
    #: more columns that depend on what there is
    further: Callable[[Scope], Columns] = field(default=lambda scope: {})
    #: a CSV that is to be imported again: its rows and bytes; 0: any number
    most_rows: int = 0
    most_bytes: int = 0

    def after(self, scope: Scope, last: Sequence[str]) -> QuerySet[Any]:
        """The rows behind one, given by its values of `order` as text; []: all."""
        rows = self.rows(scope).order_by(*self.order)
        behind = Q()
        for place, name in enumerate(self.order if last else ()):
            same = dict(zip(self.order[:place], last, strict=False))
            behind |= Q(**same, **{f"{name}__gt": last[place]})
        return rows.filter(behind)

    def key(self, row: Model) -> list[str]:
        values = (getattr(row, name) for name in self.order)
        return [v.isoformat() if isinstance(v, datetime) else str(v) for v in values]


_tables: list[Table] = []


def register(*tables: Table) -> None:
    for table in tables:
        if table.name not in {known.name for known in _tables}:
            _tables.append(table)


def tables(what: Iterable[str]) -> list[Table]:
    """Of what is asked for, in the order of WHAT."""
    chosen = set(what)
    found = [table for table in _tables if table.what in chosen]
    return sorted(found, key=lambda table: list(WHAT).index(table.what))


# ---------------------------------------------------------------- values


def utc(at: datetime | None) -> str | None:
    """ISO 8601, with a Z."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def on_wall(at: datetime | None, zone: str) -> str:
    """Date and time on the clock of a zone."""
    if at is None:
        return ""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d} {clock(local.time())}"


def clock(wall: time | None) -> str:
    if wall is None:
        return ""
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return value


def cell(value: Any) -> str:
    """As CSV has it: no spreadsheet runs it."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return csv_cells.safe(json.dumps(value, ensure_ascii=False)) if value else ""
    if isinstance(value, int | float):
        return str(value)
    return csv_cells.safe(str(value))


def who(person: Any) -> str | None:
    """What people are called in an export."""
    return str(person.get_username()) if person else None


def account_key(account: ConnectedAccount) -> str:
    """Stable over reconnects, renaming, and from one SocialHub to another."""
    return f"{account.platform}:{account.external_id}"


def cleaned(found: Any) -> Any:
    """Without anything that calls itself a secret."""
    if isinstance(found, dict):
        return {
            key: cleaned(value)
            for key, value in found.items()
            if not any(word in str(key).lower() for word in SECRET)
        }
    return [cleaned(value) for value in found] if isinstance(found, list) else found


# ---------------------------------------------------------------- words of columns

POST = _("Number of the post here.")
DELIVERY = _("Number of the delivery here.")
BRAND = _("Name of the brand.")
ACCOUNT = _("The account: its network and its id there.")
ACCOUNT_NAME = _("Name of the account.")
PERSON = _("Name with which the person signs in.")
AT = _("Time in UTC.")
WALL = _("The same time on the clock of the post’s zone.")
ZONE = _("Time zone by its name in the IANA database.")
TEXT = _("Text.")
NUMBER = _("Number of the row here.")
CREATED = _("When it was made, in UTC.")
STATE = _("State, in SocialHub’s words.")
ID_THERE = _("Its id at the network.")
LINK_THERE = _("Its address at the network.")
CAUSE = _("Cause of the last refusal, in SocialHub’s words.")
DETAIL = _("The network’s own answer, secrets removed.")
JSON = _("Further values, as JSON.")


# ---------------------------------------------------------------- deliveries


def _deliveries(scope: Scope) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(post__brand__in=scope.brands)
    return rows.filter(scope.during("due_at")).select_related(
        "post__brand", "account", "care__assignee"
    )


def _delivery_records(rows: Sequence[Delivery], scope: Scope) -> Iterable[Record]:
    for row in rows:
        care, zone = getattr(row, "care", None), row.post.zone
        yield {
            "delivery": row.pk,
            "post": row.post_id,
            "brand": row.post.brand.name,
            "account": account_key(row.account),
            "account_name": row.account.name,
            "status": row.status,
            "hold": row.hold,
            "due_at": row.due_at,
            "due_wall": on_wall(row.due_at, zone),
            "useful_until": row.useful_until,
            "published_at": row.published_at,
            "published_wall": on_wall(row.published_at, zone),
            "zone": zone,
            "permalink": row.permalink,
            "external_id": row.external_id,
            "taken_down_at": row.taken_down_at,
            "attempts": row.attempt_count,
            "outcome": row.outcome,
            "cause": row.cause,
            "detail": row.detail,
            "failed_at": row.failed_at,
            "dismissed_at": row.dismissed_at,
            "assigned_to": who(care.assignee) if care else None,
            "said": _as_sent(row.draft),
            "created_at": row.created_at,
        }


def _as_sent(draft: Mapping[str, Any]) -> Record:
    """What left, without what only this installation can read."""
    if not draft:
        return {}
    parts = [draft, *draft.get("parts", ())]
    texts = [part["text"] for part in parts]
    sums = [[file["sha256"] for file in part["media"]] for part in parts]
    return {
        "texts": texts,
        "link": draft["link_url"],
        "media_sha256": sums,
        "first_comment": draft.get("first_comment", ""),
    }


DELIVERIES = Table(
    "deliveries",
    "deliveries",
    _("A post on its way to one account, and what became of it."),
    {
        "delivery": DELIVERY,
        "post": POST,
        "brand": BRAND,
        "account": ACCOUNT,
        "account_name": ACCOUNT_NAME,
        "status": STATE,
        "hold": _("Why it could not go, where it is held."),
        "due_at": AT,
        "due_wall": WALL,
        "useful_until": _("Later it is not sent without a person’s yes; UTC."),
        "published_at": AT,
        "published_wall": WALL,
        "zone": ZONE,
        "permalink": LINK_THERE,
        "external_id": ID_THERE,
        "taken_down_at": AT,
        "attempts": _("How often it was tried."),
        "outcome": _("Kind of the last refusal."),
        "cause": CAUSE,
        "detail": DETAIL,
        "failed_at": AT,
        "dismissed_at": _("When a person took it off the failure desk, in UTC."),
        "assigned_to": PERSON,
        "said": _("What left at the last try: texts, link, checksums of files; JSON."),
        "created_at": CREATED,
    },
    _deliveries,
    _delivery_records,
)


def _of_delivery(scope: Scope) -> Q:
    during = scope.during("delivery__due_at")
    return Q(delivery__post__brand__in=scope.brands) & during


ATTEMPTS = Table(
    "attempts",
    "deliveries",
    _("Each try of a delivery, and each look whether it went out."),
    {
        "delivery": DELIVERY,
        "number": _("Of the delivery’s tries, which."),
        "kind": _("“publish”: a try; “look”: a look whether it is there."),
        "opened_at": AT,
        "closed_at": AT,
        "outcome": _("What came of it."),
        "cause": CAUSE,
        "step": _("The last step that was begun."),
        "http_status": _("Status of the network’s answer."),
        "code": _("The network’s own code."),
        "request_id": _("The network’s id of the call, for its support."),
        "detail": DETAIL,
        "calls": _("Each call: step, time (UTC), milliseconds, status, id; JSON."),
    },
    lambda scope: Attempt.objects.filter(_of_delivery(scope)),
    lambda rows, scope: (
        {
            "delivery": row.delivery_id,
            "number": row.number,
            "kind": row.kind,
            "opened_at": row.opened_at,
            "closed_at": row.closed_at,
            "outcome": row.outcome,
            "cause": row.cause,
            "step": row.step,
            "http_status": row.http_status,
            "code": row.code,
            "request_id": row.request_id,
            "detail": row.detail,
            "calls": row.calls,
        }
        for row in rows
    ),
)

NOTES = Table(
    "delivery_notes",
    "deliveries",
    _("What people said about a delivery."),
    {"delivery": DELIVERY, "author": PERSON, "at": AT, "text": TEXT},
    lambda scope: Note.objects.filter(_of_delivery(scope)).select_related("author"),
    lambda rows, scope: (
        {
            "delivery": row.delivery_id,
            "author": who(row.author),
            "at": row.at,
            "text": row.text,
        }
        for row in rows
    ),
)

# ---------------------------------------------------------------- plans


def _of_brand(model: type[Any]) -> Callable[[Scope], QuerySet[Any]]:
    return lambda scope: model._default_manager.filter(
        brand__in=scope.brands
    ).select_related("brand")


SNIPPETS = Table(
    "texts",
    "plans",
    _("Text templates and hashtag sets."),
    {
        "brand": BRAND,
        "kind": _("“template” or “hashtags”."),
        "name": _("Name."),
        "text": TEXT,
    },
    _of_brand(Snippet),
    lambda rows, scope: (
        {"brand": r.brand.name, "kind": r.kind, "name": r.name, "text": r.text}
        for r in rows
    ),
)

LINK_RULES = Table(
    "link_rules",
    "plans",
    _("What is added to links in posts of a brand."),
    {
        "brand": BRAND,
        "is_on": _("Whether anything is added."),
        **{
            f"utm_{name}": _("Pattern of this parameter.")
            for name in LinkRule.PARAMETERS
        },
        "only_own": _("Only to links to the brand’s own sites."),
        "own_hosts": _("The brand’s own sites."),
    },
    _of_brand(LinkRule),
    lambda rows, scope: (
        {
            "brand": row.brand.name,
            "is_on": row.is_on,
            **{f"utm_{name}": getattr(row, name) for name in LinkRule.PARAMETERS},
            "only_own": row.only_own,
            "own_hosts": row.own_hosts,
        }
        for row in rows
    ),
)

ACCOUNTS = Table(
    "accounts",
    "plans",
    _("Connected accounts, without any access."),
    {
        "account": ACCOUNT,
        "brand": BRAND,
        "name": ACCOUNT_NAME,
        "handle": _("Its handle there."),
        "url": LINK_THERE,
        "kind": _("Kind of the account."),
        "owner": PERSON,
        "deputy": PERSON,
        "connected_at": AT,
        "disconnected_at": AT,
    },
    lambda scope: _of_brand(ConnectedAccount)(scope).select_related(
        "brand", "owner", "deputy"
    ),
    lambda rows, scope: (
        {
            "account": account_key(row),
            "brand": row.brand.name,
            "name": row.name,
            "handle": row.handle,
            "url": row.url,
            "kind": row.kind,
            "owner": who(row.owner),
            "deputy": who(row.deputy),
            "connected_at": row.connected_at,
            "disconnected_at": row.disconnected_at,
        }
        for row in rows
    ),
)

NATIVES = Table(
    "native_posts",
    "natives",
    _(
        "What somebody posted at a network itself in the last six weeks, as its list told."
    ),
    {
        "account": ACCOUNT,
        "external_id": ID_THERE,
        "text": _("The beginning of its text."),
        "permalink": LINK_THERE,
        "posted_at": AT,
        "seen_at": _("When it was first read, in UTC."),
    },
    lambda scope: NativePost.objects.filter(
        scope.during("posted_at"), account__brand__in=scope.brands
    ).select_related("account"),
    lambda rows, scope: (
        {
            "account": account_key(row.account),
            "external_id": row.external_id,
            "text": row.text,
            "permalink": row.permalink,
            "posted_at": row.posted_at,
            "seen_at": row.seen_at,
        }
        for row in rows
    ),
)

QUEUES = Table(
    "queues",
    "plans",
    _("Queues with their weekly slots."),
    {
        "brand": BRAND,
        "name": _("Name."),
        "zone": ZONE,
        "accounts": _("Its accounts; JSON."),
        "slots": _("Weekday (0: Monday) and time on the clock of the zone; JSON."),
    },
    lambda scope: _of_brand(Queue)(scope).prefetch_related("slots", "accounts"),
    lambda rows, scope: (
        {
            "brand": row.brand.name,
            "name": row.name,
            "zone": row.zone,
            "accounts": [account_key(account) for account in row.accounts.all()],
            "slots": [[slot.weekday, clock(slot.wall)] for slot in row.slots.all()],
        }
        for row in rows
    ),
)

# ---------------------------------------------------------------- approvals

REVIEWS = Table(
    "reviews",
    "approvals",
    _("A wording of a post that people were asked to approve, and what they said."),
    {
        "review": NUMBER,
        "post": POST,
        "state": STATE,
        "is_current": _("Whether the post still says this."),
        "asked_by": PERSON,
        "asked_at": AT,
        "decided_at": AT,
        "approvals": _("Who has said yes, in which step and when (UTC); JSON."),
        "fingerprint": _("Of the wording that was asked about."),
        "says": _("The wording for each network, accounts and time; JSON."),
    },
    lambda scope: (
        Review.objects.filter(scope.during("asked_at"), post__brand__in=scope.brands)
        .select_related("asked_by")
        .prefetch_related("approvals__person")
    ),
    lambda rows, scope: (
        {
            "review": row.pk,
            "post": row.post_id,
            "state": row.state,
            "is_current": row.is_current,
            "asked_by": who(row.asked_by),
            "asked_at": row.asked_at,
            "decided_at": row.decided_at,
            "approvals": [
                {"step": yes.step, "person": who(yes.person), "at": utc(yes.at)}
                for yes in row.approvals.all()
            ],
            "fingerprint": row.fingerprint,
            "says": row.says,
        }
        for row in rows
    ),
)

REMARKS = Table(
    "remarks",
    "approvals",
    _("What people said about a post to those who work on it."),
    {
        "post": POST,
        "kind": _("“comment”, “approved” or “sent_back”."),
        "author": PERSON,
        "at": AT,
        "text": TEXT,
    },
    lambda scope: Remark.objects.filter(
        scope.during("at"), post__brand__in=scope.brands
    ).select_related("author"),
    lambda rows, scope: (
        {
            "post": row.post_id,
            "kind": row.kind,
            "author": who(row.author),
            "at": row.at,
            "text": row.text,
        }
        for row in rows
    ),
)

# ---------------------------------------------------------------- audit


@dataclass
class Owners:
    """Which of the rows that events name belong to the brands of a scope."""

    brands: tuple[int, ...]
    events: Sequence[AuditEvent]

    #: model -> the road to its brand
    ROADS = {
        Brand: "pk",
        ConnectedAccount: "brand",
        Post: "brand",
        Delivery: "post__brand",
        MediaAsset: "brand",
        Queue: "brand",
        Series: "brand",
        Snippet: "brand",
        LinkRule: "brand",
    }

    @cached_property
    def mine(self) -> set[tuple[str, str]]:
        named: dict[str, set[int]] = {}
        for event in self.events:
            if event.target_id.isdecimal():
                named.setdefault(event.target_type, set()).add(int(event.target_id))
        found: set[tuple[str, str]] = set()
        for model, road in self.ROADS.items():
            label = model._meta.label_lower
            if label not in named:
                continue
            rows = model._default_manager.filter(pk__in=named[label])
            rows = rows.filter(**{f"{road}__in": self.brands})
            found |= {(label, str(pk)) for pk in rows.values_list("pk", flat=True)}
        return found


def _events(rows: Sequence[AuditEvent], scope: Scope) -> Iterable[Record | None]:
    owners = Owners(scope.brands, rows)
    for row in rows:
        named = (row.target_type, row.target_id)
        if not scope.is_all and named not in owners.mine:
            yield None
            continue
        yield {
            "id": str(row.pk),
            "at": row.at,
            "actor": who(row.actor),
            "verb": row.verb,
            "target_type": row.target_type,
            "target": row.target_id,
            "target_text": row.target_text,
            "detail": cleaned(row.detail),
        }


AUDIT = Table(
    "audit",
    "audit",
    _(
        "Who did what to which row. Of rows that are gone, in exports of everything only."
    ),
    {
        "id": NUMBER,
        "at": AT,
        "actor": _("Who did it, as they sign in; empty: SocialHub itself."),
        "verb": _("What was done."),
        "target_type": _("Kind of the row."),
        "target": NUMBER,
        "target_text": _("What the row was called."),
        "detail": JSON,
    },
    lambda scope: AuditEvent.objects.filter(scope.during("at")).select_related("actor"),
    _events,
    order=("at", "pk"),
)
