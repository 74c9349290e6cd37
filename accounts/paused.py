"""What is paused by a breaker, in words: for pages, banners, incidents and mails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from platforms import registry

from . import breakers
from .breakers import TRIAL_LOST, Kind, kind_of_cause
from .causes import Action, Explanation, explain_pause
from .fixed_query import Reader, Seen
from .models import CircuitBreaker, ConnectedAccount, Network, PlatformApp

State = CircuitBreaker.State
#: After its trial was due for so long nobody has had a post to try with: what was wrong
#: then says nothing of now.
UNTRIED = timedelta(hours=1)


@dataclass(frozen=True)
class Paused:
    """One breaker that is not closed. who: "X", "@acme (X)", "Mastodon (server)"."""

    breaker: CircuitBreaker
    who: str
    words: Explanation
    by_itself: str
    #: False: nothing was tried since long, so no banner should say that it is so now
    is_current: bool

    @property
    def scope(self) -> str:
        return self.breaker.scope

    @property
    def since(self) -> datetime | None:
        return self.breaker.opened_at

    @property
    def retry_at(self) -> datetime | None:
        """The countdown's end; None while the trial is out."""
        return None if self.is_trying else self.breaker.retry_at

    @property
    def is_trying(self) -> bool:
        return self.breaker.state == State.HALF_OPEN

    @property
    def needs_admin(self) -> bool:
        return self.words.action == Action.OPERATOR


def not_closed(
    reader: Any = None,
    now: datetime | None = None,
    *,
    tokens: bool = True,
    named: bool = True,
) -> list[Paused]:
    """All that is paused: platforms first, then apps, then single accounts; oldest first.

    reader: only accounts of this person's brands; None: all. tokens: single accounts as
    well; not named: without saying which ones. Three queries at most.
    """
    now = now or timezone.now()
    rows = [row for row in breakers.not_closed() if tokens or row.scope != "token"]
    if not rows:
        return []
    names = _names([row for row in rows if named or row.scope != "token"], reader)
    shown = [
        _paused(row, who, now)
        for row in rows
        if (who := names.get((row.scope, row.subject_id)) or _platform_name(row))
        or (row.scope == "token" and not named)
    ]
    order = {"platform": 0, "app": 1, "token": 2}
    return sorted(shown, key=lambda p: (order[p.scope], p.since or now, p.who))


def _paused(row: CircuitBreaker, who: str, now: datetime) -> Paused:
    kind = kind_of_cause(row.cause)
    key = f"{kind}.{row.scope}" if kind == Kind.LIMIT else kind.value
    name = registry.spec(row.platform).name
    words = explain_pause(key, row.cause, who=who, platform=name)
    if row.state == State.HALF_OPEN and row.trial_at:
        last = row.trial_at + TRIAL_LOST
    else:
        last = row.retry_at or now
    return Paused(row, who, words, _by_itself(row, now), now < last + UNTRIED)


def _by_itself(row: CircuitBreaker, now: datetime) -> str:
    if row.state == State.HALF_OPEN:
        return _(
            "One post is being tried right now. When it goes out, the others follow by "
            "themselves, in order."
        )
    if row.retry_at and row.retry_at > now:
        return _(
            "One post is tried at %(when)s. When it goes out, the others follow by "
            "themselves, in order."
        ) % {"when": _clock(row.retry_at)}
    return _("The next post that is due is tried. When it goes out, it is over.")


def _clock(at: datetime) -> str:
    """A time in the reader's zone, with the zone's name."""
    local = timezone.localtime(at)
    pattern = "H:i" if local.date() == timezone.localdate() else _("D j M, H:i")
    return f"{date_format(local, pattern)} ({timezone.get_current_timezone_name()})"


def _platform_name(row: CircuitBreaker) -> str:
    """ "" for what is no platform."""
    if row.scope != "platform":
        return ""
    name = registry.spec(row.platform).name
    if row.network == Network.PRACTICE:
        return f"{name} ({Network.PRACTICE.label})"
    return name


def _names(rows: Iterable[CircuitBreaker], reader: Any) -> dict[tuple[str, int], str]:
    """(scope, primary key) -> name, of the tokens and apps that the reader may see."""
    wanted: dict[str, set[int]] = {"token": set(), "app": set(), "platform": set()}
    for row in rows:
        wanted[row.scope].add(row.subject_id)
    found: dict[tuple[str, int], str] = {}
    if wanted["app"]:
        apps = PlatformApp.objects.defer(
            "client_secret", "hook_secret", "hook_token"
        ).in_bulk(wanted["app"])
        found |= {("app", pk): str(app) for pk, app in apps.items()}
    if wanted["token"]:
        seen = reader or Reader(0, is_superuser=True)
        named = _accounts_with.rows(seen, list(wanted["token"]))
        for credential, name, platform in named:
            key = ("token", credential)
            whole = f"{name} ({registry.spec(platform).name})"
            found[key] = f"{found[key]}, {whole}" if key in found else whole
    return found


_accounts_with: Seen[ConnectedAccount] = Seen(
    lambda reader, keys: (
        ConnectedAccount.objects.connected()
        .visible_to(reader)
        .filter(credential__in=keys)
        .order_by("name")
        .values_list("credential_id", "name", "platform")
    ),
    [-9],
    for_all=True,
)
