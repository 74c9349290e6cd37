"""What the accounts page says of each account: one row, one word, one urgency.

A fixed number of queries for all accounts together, so that 500 of them stay quick.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Case, DateTimeField, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from platforms import registry
from platforms.base import MONEY, Ability

from . import hooks, paused
from .breakers import Caller, Key, Kind, kind_of_cause
from .causes import mends_by_reconnect
from .ends import End
from .fixed_query import FixedQuery, Seen, as_time, instance
from .limit_pages import Used, WindowLine, subjects_of
from .models import (
    ACCESS_TOLD_BY,
    APP_TOLD_BY,
    GRANT_IS_OVER,
    AccountQuerySet,
    Brand,
    ConnectedAccount,
    Credential,
    PlatformApp,
)
from .names import name_of
from .paused import Paused
from .permissions import Able, abilities
from .reading import told

#: Ends within this time are worth a notice.
SOON = timedelta(days=21)
#: A credential is looked at once a day; two days without a proof is worth a word.
STALE = timedelta(days=2)

#: name in the address -> words on the tile
HEALTHS = {
    "healthy": gettext_lazy("Able to post"),
    "ending": gettext_lazy("End within 21 days"),
    "broken": gettext_lazy("Cannot post"),
    "limited": gettext_lazy("Paused by limit"),
    "unproven": gettext_lazy("Not proven for 2 days"),
}


@dataclass(frozen=True)
class Word:
    """The one word of a row, with its colour and icon."""

    tone: str
    icon: str
    words: str
    note: str = ""


class Shown(NamedTuple):
    """All that a row of the list says, so that the same is drawn once."""

    pk: int
    url: str
    name: str
    handle: str
    brand: str
    owner: str
    platform: str
    is_practice: bool
    health: str
    word: Word
    comments: Able
    figures: Able
    proven_at: datetime | None
    has_ended: bool
    ends_at: datetime | None
    is_ending: bool
    days_left: int | None
    window: WindowLine | None
    window_tone: str
    next_at: datetime | None
    at_risk: int
    needs_reconnect: bool


# Not frozen: of hundreds that are judged a page shows a few, and such are made slowly.
@dataclass
class Row:
    """One account as the list shows it. Nothing of it is changed."""

    account: ConnectedAccount
    #: the account's: healthy, broken or disconnected
    health: str
    queue: dict[str, Any]
    ends: Sequence[End]
    ends_at: datetime | None
    days_left: int | None
    healths: frozenset[str]
    #: the fullest of the windows that its posts draw on; None: nothing is used
    window: WindowLine | None
    pause: Paused | None
    now: datetime

    @cached_property
    def able(self) -> Mapping[Ability, Able]:
        return abilities(self.account)

    @cached_property
    def word(self) -> Word:
        return _word(self)

    @property
    def proven_at(self) -> datetime | None:
        credential = self.account.credential
        return credential.proven_at if credential else None

    @property
    def has_ended(self) -> bool:
        """Nothing is left of the permission: a new one has to be given."""
        credential = self.account.credential
        return (
            credential is not None
            and not credential.is_active
            and credential.cause in GRANT_IS_OVER
        )

    @property
    def needs_reconnect(self) -> bool:
        return self.health == "broken" and mends_by_reconnect(self.account.cause)

    @property
    def comments(self) -> Able:
        return self.able[Ability.READ]

    @property
    def figures(self) -> Able:
        return self.able[Ability.FIGURES]

    @property
    def window_tone(self) -> str:
        if self.window is None or self.window.share < 80:
            return "ok"
        return "warn" if self.window.share < 100 else "bad"

    @property
    def is_ending(self) -> bool:
        return "ending" in self.healths

    @property
    def shown(self) -> Shown:
        account = self.account
        return Shown(
            pk=account.pk,
            url=account.get_absolute_url(),
            name=account.name,
            handle=account.handle,
            brand=account.brand.name,
            owner=name_of(account.owner) if account.owner else "",
            platform=account.platform,
            is_practice=account.is_practice,
            health=self.health,
            word=self.word,
            comments=self.comments,
            figures=self.figures,
            proven_at=self.proven_at,
            has_ended=self.has_ended,
            ends_at=self.ends_at,
            is_ending=self.is_ending,
            days_left=self.days_left,
            window=self.window,
            window_tone=self.window_tone,
            next_at=self.queue.get("next_at"),
            at_risk=self.queue.get("at_risk", 0),
            needs_reconnect=self.needs_reconnect,
        )

    @property
    def hit_at(self) -> datetime | None:
        """When the next post is hit, if one is."""
        at: datetime | None = self.queue.get("first_at_risk_at")
        if at is None and self.health == "broken":
            at = self.queue.get("next_at")
        return at


#: What all accounts of a list are judged by; the rest is read of those that are shown.
_JUDGED_BY = (
    "id",
    "platform",
    "network",
    "name",
    "kind",
    "connected_at",
    "disconnected_at",
    "trouble",
    "credential_id",
)
_ACCESS_JUDGED_BY = ("app_id", *ACCESS_TOLD_BY)
#: What else a row of the list shows.
_SHOWN = ("id", "handle", "brand_id", "brand__name", "owner_id")
_ACCESS_SHOWN = ("abilities", "granted_scopes", "connected_at", "next_proof_at")
_OF_OWNER = ("username", "first_name", "last_name")
_TIMES = {
    field.name
    for model in (ConnectedAccount, Credential)
    for field in model._meta.get_fields()
    if isinstance(field, DateTimeField)
}

#: Of a renewal's token only whether there is one: it is long, and a secret.
_IS_RENEWED = Case(
    When(credential__refresh_token__gt="", then=Value("…")), default=Value("")
)


def _judged(keys: list[int], *more: str) -> Any:
    return (
        ConnectedAccount.objects.filter(pk__in=keys)
        .order_by("platform", "name")
        .values_list(
            *_JUDGED_BY,
            *(
                _IS_RENEWED if name == "refresh_token" else f"credential__{name}"
                for name in _ACCESS_JUDGED_BY
            ),
            *(f"credential__app__{name}" for name in APP_TOLD_BY),
            *more,
        )
    )


_to_judge = FixedQuery(_judged, [-7])
_with_scopes = FixedQuery(
    lambda keys: _judged(keys, "credential__granted_scopes"), [-7]
)
_to_show = FixedQuery(
    lambda keys: (
        ConnectedAccount.objects.filter(pk__in=keys)
        .order_by()
        .values_list(
            *_SHOWN,
            *(f"credential__{name}" for name in _ACCESS_SHOWN),
            *(f"owner__{name}" for name in _OF_OWNER),
        )
    ),
    [-7],
    keeps_plan=True,
)


def _read(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Columns of a fixed query as attributes."""
    found = dict(zip(names, values, strict=True))
    for name in _times_among(names):
        if found[name] is not None:
            found[name] = as_time(found[name])
    return found


@cache
def _times_among(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in _TIMES)


def _document(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def keys_of(rows: AccountQuerySet) -> list[int]:
    return list(rows.order_by().values_list("pk", flat=True))


def all_seen_by(reader: Any) -> list[int]:
    """Keys of the accounts that the reader sees. One query."""
    return [pk for (pk,) in _seen.rows(reader)]


_seen = Seen(
    lambda reader: (
        ConnectedAccount.objects.visible_to(reader).order_by().values_list("pk")
    ),
    for_all=True,
)


def to_judge(keys: Sequence[int], *, scopes: bool = False) -> list[ConnectedAccount]:
    """Accounts with what `make_rows` judges them by, by platform and name. One query.

    scopes: with those that were granted. Of a refresh token is known only whether there
    is one.
    """
    apps: dict[int, PlatformApp] = {}
    found = []
    first, second = len(_JUDGED_BY), len(_JUDGED_BY) + len(_ACCESS_JUDGED_BY)
    third = second + len(APP_TOLD_BY)
    for row in (_with_scopes if scopes else _to_judge).rows(list(keys)):
        of_account = _read(_JUDGED_BY, row[:first])
        if (key := of_account["credential_id"]) is None:
            found.append(instance(ConnectedAccount, of_account))
            continue
        access = _read(_ACCESS_JUDGED_BY, row[first:second])
        access["id"] = key
        if scopes:
            access["granted_scopes"] = _document(row[third])
        app = access["app_id"]
        if app not in apps:
            of_app = dict(zip(APP_TOLD_BY, row[second:third], strict=True))
            apps[app] = instance(PlatformApp, {"id": app, **of_app})
        credential = instance(Credential, access, {"app": apps[app]})
        found.append(instance(ConnectedAccount, of_account, {"credential": credential}))
    return found


def in_full(rows: Sequence[Row], windows: Used) -> list[Row]:
    """The same rows with all that is shown of their accounts. Two queries.

    windows: as `used_by_posts` has them.
    """
    fullest = _fullest(windows.of(subjects_of(row.account for row in rows)))
    known = {row[0]: row for row in _to_show.rows([row.account.pk for row in rows])}
    full = []
    first, second = len(_SHOWN), len(_SHOWN) + len(_ACCESS_SHOWN)
    for row in rows:
        account = row.account
        values = known.get(account.pk)
        if values is None:
            continue
        _pk, account.handle, brand_id, brand, owner_id = values[:first]
        account.brand = instance(Brand, {"id": brand_id, "name": brand})
        if (credential := account.credential) is not None:
            access = _read(_ACCESS_SHOWN, values[first:second])
            for name in ("abilities", "granted_scopes"):
                access[name] = _document(access[name])
            credential.__dict__ |= access
        account.owner = None
        if owner_id is not None:
            person = dict(zip(_OF_OWNER, values[second:], strict=True))
            account.owner = instance(get_user_model(), {"id": owner_id, **person})
        window = None
        if row.health != "disconnected":
            window = _window_of(account, fullest)
        full.append(replace(row, window=window))
    return full


def used_by_posts(now: datetime, accounts: Sequence[ConnectedAccount]) -> Used:
    """Windows that posts of such accounts draw on."""
    drawn = {slug: _drawn_by_posts(slug) for slug in {a.platform for a in accounts}}
    return Used(now, drawn)


def make_rows(
    accounts: Sequence[ConnectedAccount],
    now: datetime,
    *,
    why: bool = True,
    lines: Iterable[WindowLine] | None = None,
) -> list[Row]:
    """Facts for the list; accounts have to come with credential and app.

    why: what waits with the reason for which the first post is at risk. lines: all
    windows of these accounts, where they are read already.
    """
    queues = hooks.queues(accounts, why=why)
    pauses = {
        (pause.breaker.platform, pause.breaker.subject): pause
        for pause in paused.not_closed(now=now, named=False)
    }
    if lines is None:
        lines = used_by_posts(now, accounts).of(subjects_of(accounts))
    full = _fullest(
        line
        for line in lines
        if line.bucket.platform in registry.PLATFORMS
        and line.bucket.key in _drawn_by_posts(line.bucket.platform)
    )
    return [
        _row(account, queues[account.pk], pauses, full, now) for account in accounts
    ]


def urgency(row: Row) -> tuple[bool, datetime, bool, datetime, str]:
    """The account whose next post is hit first on top; then what is broken, what ends."""
    hit_at = row.hit_at
    return (
        hit_at is None,
        hit_at or _FAR,
        row.health != "broken",
        row.ends_at or _FAR,
        row.account.name.lower(),
    )


_FAR = datetime.max.replace(tzinfo=UTC)


def _row(
    account: ConnectedAccount,
    queue: dict[str, Any],
    pauses: Mapping[Key, Paused],
    full: Mapping[tuple[str, str], WindowLine],
    now: datetime,
) -> Row:
    credential, health = account.credential, account.health
    live = credential is not None and health != "disconnected"
    ends = account.ends(now) if live else []
    ends_at = min((end.at for end in ends if end.stops_publishing), default=None)
    pause = _pause_of(account, pauses) if live and pauses else None
    window = _window_of(account, full) if live and full else None
    healths = {health}
    if credential is not None and health == "healthy":
        if ends_at and ends_at <= now + SOON:
            healths.add("ending")
        # Who was connected a moment ago is about to be proven for the first time.
        if (credential.proven_at or account.connected_at) < now - STALE:
            healths.add("unproven")
        if _is_limit(pause) or (window is not None and window.free == 0):
            healths.add("limited")
    left = max(0, (ends_at - now).days) if ends_at else None
    return Row(
        account,
        health,
        queue,
        ends,
        ends_at,
        left,
        frozenset(healths),
        window,
        pause,
        now,
    )


def _word(row: Row) -> Word:
    """The gravest thing that there is to say."""
    publish = row.able[Ability.PUBLISH]
    credential, now = row.account.credential, row.now
    pause, window = row.pause, row.window
    if credential is None or publish.tone != "ok":
        return Word(publish.tone, publish.icon, publish.words, publish.note)
    if pause is not None:
        until = pause.retry_at
        words = _("Paused")
        if until:
            words = _("Paused until %(when)s") % {"when": _clock(until, now)}
        return Word("warn", "pause_circle", words, pause.by_itself)
    if "limited" in row.healths and window is not None and window.opens_at:
        when = {"when": _clock(window.opens_at, now)}
        return Word("warn", "pause_circle", _("Paused until %(when)s") % when)
    if "ending" in row.healths and row.days_left is not None:
        words = _("Ends within a day")
        if row.days_left:
            words = ngettext("Ends in %(n)s day", "Ends in %(n)s days", row.days_left)
            words %= {"n": row.days_left}
        return Word("warn", "timer", words)
    proven = credential.proven_at
    renewed = credential.issued_at or credential.connected_at
    if credential.next_proof_at <= now and (proven is None or proven < renewed):
        return Word("info", "sync", _("Proving…"))
    if proven is None:
        return Word("muted", "help", _("Not proven yet"))
    if "unproven" in row.healths:
        days = (now - proven).days
        words = ngettext("Not proven for %(n)s day", "Not proven for %(n)s days", days)
        return Word("warn", "help", words % {"n": days})
    return Word(publish.tone, publish.icon, publish.words)


def _clock(at: datetime, now: datetime) -> str:
    """A time in the reader's zone, with its day when that is not today."""
    local = timezone.localtime(at)
    same = local.date() == timezone.localtime(now).date()
    return told(at, "H:i" if same else _("D j M, H:i"))


# ---------------------------------------------------------------- pauses and limits


def _pause_of(account: ConnectedAccount, pauses: Mapping[Key, Paused]) -> Paused | None:
    credential = account.credential
    assert credential is not None
    token = (account.platform, f"token:{account.credential_id}")
    shared = _shared(account.platform, credential.app.network, credential.app_id)
    for key in (token, *shared):
        if (pause := pauses.get(key)) is not None and pause.is_current:
            return pause
    return None


@lru_cache(maxsize=1000)
def _shared(platform: str, network: str, app_id: int) -> tuple[Key, ...]:
    """Breakers that concern all who come through an app."""
    return Caller(platform, network, app_id, 0).keys[1:]


def _is_limit(pause: Paused | None) -> bool:
    return pause is not None and kind_of_cause(pause.breaker.cause) == Kind.LIMIT


@cache
def _drawn_by_posts(platform: str) -> frozenset[str]:
    """Buckets that publishing draws on, budgets left out: they have a page."""
    spec = registry.spec(platform)
    keys = {
        key
        for call in spec.calls
        if call.mutates and call.ability is Ability.PUBLISH and not call.later
        for key in call.draws
    }
    return frozenset(key for key in keys if spec.rules[key].unit != MONEY)


def _fullest(lines: Iterable[WindowLine]) -> dict[tuple[str, str], WindowLine]:
    """(platform, subject) -> the fullest of these windows."""
    found: dict[tuple[str, str], WindowLine] = {}
    for line in lines:
        platform, _key, subject = line.bucket
        if line.size is None or not line.used:
            continue
        before = found.get((platform, subject))
        if before is None or _fullness(line) > _fullness(before):
            found[platform, subject] = line
    return found


def _window_of(
    account: ConnectedAccount, full: Mapping[tuple[str, str], WindowLine]
) -> WindowLine | None:
    lines = [
        full[account.platform, subject]
        for subject in subjects_of([account])
        if (account.platform, subject) in full
    ]
    return max(lines, key=_fullness, default=None)


def _fullness(line: WindowLine) -> tuple[bool, int]:
    """A share is rounded up: of those with all of it some have still one free."""
    return not line.free, line.share


# ---------------------------------------------------------------- the tree


@dataclass(frozen=True)
class Branch:
    """One access and the accounts that act through it. is_here: the page's account."""

    name: str
    kind: str
    word: Word
    accounts: Sequence[tuple[ConnectedAccount, Word, bool]]


def tree(account: ConnectedAccount, reader: Any, now: datetime) -> list[Branch]:
    """The person's access and all that hangs on it, the root first; () without others.

    Only accounts that the reader may see. Two queries.
    """
    credential = account.credential
    if credential is None:
        return []
    root = credential.root
    members = Credential.objects.filter(pk=root.pk) | Credential.objects.filter(
        parent=root
    )
    members = members | Credential.objects.filter(parent__parent=root)
    rows = {row.pk: row for row in members.select_related("app")}
    seen = (
        ConnectedAccount.objects.visible_to(reader)
        .connected()
        .filter(credential__in=rows)
        .distinct()
        .order_by("platform", "name")
    )
    below: dict[int, list[ConnectedAccount]] = {}
    for one in seen:
        assert one.credential_id is not None
        one.credential = rows[one.credential_id]
        below.setdefault(one.credential_id, []).append(one)
    if len(rows) == 1 and sum(map(len, below.values())) <= 1:
        return []
    order = sorted(rows.values(), key=lambda row: (row.pk != root.pk, row.pk))
    return [
        Branch(
            name=row.subject_name or row.subject_id or _("Somebody"),
            kind=row.kind,
            word=Word("ok", "check_circle", _("Able to act"))
            if row.is_active
            else Word("bad", "link_off", str(row.get_state_display())),
            accounts=[
                (one, _account_word(one), one.pk == account.pk)
                for one in below.get(row.pk, ())
            ],
        )
        for row in order
        if row.pk == root.pk or row.pk in below
    ]


def _account_word(account: ConnectedAccount) -> Word:
    able = abilities(account)[Ability.PUBLISH]
    return Word(able.tone, able.icon, able.words, able.note)
