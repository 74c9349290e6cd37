"""What the accounts page says of each account: one row, one word, one urgency.

A fixed number of queries for all accounts together, so that 500 of them stay quick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from platforms import registry
from platforms.base import MONEY, Ability

from . import hooks, paused
from .breakers import Caller, Key, Kind, kind_of_cause
from .causes import mends_by_reconnect
from .ends import End
from .limit_pages import WindowLine, subjects_of, windows
from .models import GRANT_IS_OVER, AccountQuerySet, ConnectedAccount, PlatformApp
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


@dataclass(frozen=True)
class Row:
    """One account as the list shows it."""

    account: ConnectedAccount
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
        return self.account.health == "broken" and mends_by_reconnect(
            self.account.cause
        )

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
    def hit_at(self) -> datetime | None:
        """When the next post is hit, if one is."""
        at: datetime | None = self.queue.get("first_at_risk_at")
        if at is None and self.account.health == "broken":
            at = self.queue.get("next_at")
        return at


#: What all accounts of a list are judged by; the rest is read of those that are shown.
_JUDGED_BY = (
    "platform",
    "network",
    "name",
    "connected_at",
    "disconnected_at",
    "trouble",
    *(
        f"credential__{name}"
        for name in (
            "app",
            "state",
            "refresh_token",
            "issued_at",
            "expires_at",
            "refresh_expires_at",
            "data_access_ends_at",
            "proven_at",
        )
    ),
)


def to_judge(rows: AccountQuerySet, *more: str) -> list[ConnectedAccount]:
    """Accounts with what `make_rows` judges them by, and `more` fields. Two queries."""
    found = list(rows.select_related("credential").only(*_JUDGED_BY, *more))
    credentials = [one.credential for one in found if one.credential is not None]
    apps = PlatformApp.objects.defer("client_secret", "hook_secret", "hook_token")
    by_key = apps.in_bulk({one.app_id for one in credentials})
    for credential in credentials:
        credential.app = by_key[credential.app_id]
    return found


def in_full(rows: Sequence[Row], accounts: AccountQuerySet) -> list[Row]:
    """The same rows with all that is shown of their accounts. One query."""
    whole = accounts.in_bulk([row.account.pk for row in rows])
    return [
        replace(row, account=whole[row.account.pk])
        for row in rows
        if row.account.pk in whole
    ]


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
    drawn = {slug: _drawn_by_posts(slug) for slug in {a.platform for a in accounts}}
    if lines is None:
        lines = windows(now, subjects_of(accounts), drawn, named=False)
    full = _fullest(
        line for line in lines if line.bucket.key in drawn.get(line.bucket.platform, ())
    )
    return [
        _row(account, queues[account.pk], pauses, full, now) for account in accounts
    ]


def urgency(row: Row) -> tuple[bool, datetime, bool, datetime, str]:
    """The account whose next post is hit first on top; then what is broken, what ends."""
    far = datetime.max.replace(tzinfo=timezone.get_default_timezone())
    return (
        row.hit_at is None,
        row.hit_at or far,
        row.account.health != "broken",
        row.ends_at or far,
        row.account.name.lower(),
    )


def _row(
    account: ConnectedAccount,
    queue: dict[str, Any],
    pauses: Mapping[Key, Paused],
    full: Mapping[tuple[str, str], WindowLine],
    now: datetime,
) -> Row:
    credential = account.credential
    live = credential is not None and account.health != "disconnected"
    ends = account.ends(now) if live else []
    ends_at = min((end.at for end in ends if end.stops_publishing), default=None)
    pause = _pause_of(account, pauses) if live and pauses else None
    window = _window_of(account, full) if live else None
    healths = {account.health}
    if credential is not None and account.health == "healthy":
        if ends_at and ends_at <= now + SOON:
            healths.add("ending")
        # Who was connected a moment ago is about to be proven for the first time.
        if (credential.proven_at or account.connected_at) < now - STALE:
            healths.add("unproven")
        if _is_limit(pause) or (window is not None and window.free == 0):
            healths.add("limited")
    left = max(0, (ends_at - now).days) if ends_at else None
    return Row(
        account, queue, ends, ends_at, left, frozenset(healths), window, pause, now
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
    caller = Caller(
        account.platform, credential.app.network, credential.app_id, credential.pk
    )
    found = [pauses[key] for key in caller.keys if key in pauses]
    return next((pause for pause in found if pause.is_current), None)


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
        if before is None or line.share > before.share:
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
    return max(lines, key=lambda line: line.share, default=None)


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
    from .models import Credential

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
