"""What a message says, for mails, chat rooms and programs alike.

Each names the accounts, the posts that wait, the cause in plain words, and one button.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.causes import Action, explain
from accounts.links import may_send
from accounts.models import ConnectedAccount
from accounts.permissions import missing_to_post
from accounts.roles import is_admin
from platforms import registry
from platforms.errors import Cause

from . import notices, outages, people, waiting
from .models import Alert, Incident

Kind = Alert.Kind
#: What no message needs to read.
TOKENS = (
    "credential__access_token",
    "credential__refresh_token",
    "credential__app__client_secret",
    "credential__app__hook_secret",
    "credential__app__hook_token",
)
#: Accounts that a message names; the rest are counted.
NAMED = 20


@dataclass(frozen=True)
class Letter:
    """One message. posts: "" where none is concerned; reason: why the reader gets it."""

    subject: str
    head: str
    sentences: tuple[str, ...]
    accounts: tuple[str, ...]
    more_accounts: int
    posts: str
    cure: str
    button: str
    link: str
    reason: str
    #: numbers for programs
    account_rows: tuple[ConnectedAccount, ...] = ()
    account_count: int = 0
    post_count: int = 0
    first_due_at: datetime | None = None


def compose(alert: Alert, zone: ZoneInfo, now: datetime) -> Letter | None:
    """The message as of now; None when there is nothing to say any more."""
    with timezone.override(zone):
        return _Composer(alert, now).compose()


def headline(alert: Alert) -> str:
    """For lists: what was said, or what would be. Needs the incident."""
    if alert.subject:
        return alert.subject
    head = incident_head(alert.incident)
    if alert.kind == Kind.ESCALATED:
        return _("Nobody has acted yet. %(head)s") % {"head": head}
    if alert.kind == Kind.RESOLVED:
        return _("Solved: %(why)s") % {"why": head}
    return head


def incident_head(incident: Incident) -> str:
    """A few words that name it; no query when the credential's app is selected."""
    words = incident_words(incident)
    who = subject_of(incident)
    return f"{who}: {words}" if who else words


def incident_words(incident: Incident) -> str:
    """The same without whom it concerns."""
    if incident.kind == Incident.Kind.ENDS and incident.ends_at:
        words = _("Access ends on %(when)s")
        if incident.cause == Cause.VERSION_ENDED:
            words = _("The version that we use ends on %(when)s")
        return words % {"when": _day(incident.ends_at)}
    if incident.kind == Incident.Kind.STANDBY:
        return _("Standby access took over")
    if incident.kind == Incident.Kind.STANDBY_LOST:
        return _("The standby access no longer works")
    return str(explain(incident.cause).head)


def subject_of(incident: Incident) -> str:
    """ "Acme (Facebook)"; of what concerns a whole platform or our app there: "X"."""
    return incident.subject or _whose(incident)


def _whose(incident: Incident) -> str:
    """The same by the access alone, which several accounts may have."""
    credential = incident.credential
    if credential is None:
        # Keys of these name the platform: "app:x:3:app_suspended".
        word = incident.dedup_key.removeprefix(Incident.PART).split(":")[1:2]
        known = word[0] if word and word[0] in registry.PLATFORMS else ""
        return registry.spec(known).name if known else ""
    network = credential.app.spec.name
    name = credential.subject_name or credential.subject_id
    # Who had their data deleted has no name here any more.
    return f"{name} ({network})" if name else network


def way_to_reconnect(
    person: Any, accounts: Sequence[ConnectedAccount]
) -> tuple[str, str]:
    """(button, address) for the person, or None for a channel; one mends a whole tree.

    Who may not reconnect here, but looks after the account, sends a link to who can:
    also to themselves. ("", "") for others.
    """
    if accounts and (person is None or is_admin(person)):
        address = reverse("account_reconnect", args=[accounts[0].pk])
        return _("Reconnect"), settings.SITE_URL + address
    own = next((one for one in accounts if may_send(person, one)), None)
    if own is not None:
        address = reverse("account_links", args=[own.pk])
        return _("Send a link to reconnect"), settings.SITE_URL + address
    return "", ""


def posts_sentence(count: int, first: datetime | None) -> str:
    if not count or first is None:
        return _("No post is waiting at the moment.")
    words = ngettext(
        "%(n)d post waits; it is due %(due)s.",
        "%(n)d posts wait; the first is due %(due)s.",
        count,
    )
    return words % {"n": count, "due": _clock(first)}


def _clock(at: datetime) -> str:
    local = timezone.localtime(at)
    zone = timezone.get_current_timezone_name()
    shape = _("D j M Y, H:i")
    return f"{date_format(local, shape)} ({zone})"


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at), _("j M Y"))


def _urgency(
    account: ConnectedAccount, waits: Mapping[int, tuple[int, datetime]]
) -> tuple[bool, datetime]:
    _count, first = waits.get(account.pk, (0, None))
    return first is None, first or datetime.max.replace(tzinfo=UTC)


class _Composer:
    def __init__(self, alert: Alert, now: datetime) -> None:
        self.alert, self.incident, self.now = alert, alert.incident, now
        self.person = alert.user
        rows = (
            self.incident.accounts.connected()
            .select_related("owner", "deputy", "brand", "credential__app")
            .defer(*TOKENS)
        )
        accounts = list(rows.order_by("name", "pk"))
        if alert.kind in (Kind.OPENED, Kind.ESCALATED):
            accounts = [one for one in accounts if not self._is_well(one)] or accounts
        elif alert.kind == Kind.RESOLVED:
            # What is broken for another cause by now is told with that one.
            accounts = [one for one in accounts if one.health == "healthy"]
        if self.person is not None:
            accounts = people.own_part(self.person, accounts)
        elif alert.channel and alert.channel.brand_id:
            brand = alert.channel.brand_id
            accounts = [one for one in accounts if one.brand_id == brand]
        waits = waiting.by_account([one.pk for one in accounts])
        #: those whose posts are due first are named first
        self.accounts = sorted(accounts, key=lambda one: _urgency(one, waits))
        self.count = sum(count for count, _first in waits.values())
        self.first = min((first for _count, first in waits.values()), default=None)

    def compose(self) -> Letter | None:
        if self.person is not None and not self.person.is_active:
            return None  # left while it waited
        if self.incident.kind == Incident.Kind.BREAKER:
            return self._outage()
        if not self.accounts:
            return None
        make = {
            Kind.OPENED: self._opened,
            Kind.ESCALATED: self._escalated,
            Kind.NOTICE: self._notice,
            Kind.TAKEN_OVER: self._taken_over,
            Kind.STANDBY: self._standby_lost,
            Kind.RESOLVED: self._resolved,
        }
        return make[Kind(self.alert.kind)]()

    # -- parts

    def _is_well(self, account: ConnectedAccount) -> bool:
        """Proven able to post since it broke."""
        proven = account.credential.proven_at if account.credential else None
        since = self.incident.opened_at
        return account.health == "healthy" and bool(proven and proven >= since)

    @property
    def who(self) -> str:
        """ "Acme Tools (X)", or "52 accounts of Jo Weber (Facebook)"."""
        if len(self.accounts) == 1:
            return str(self.accounts[0])
        number = len(self.accounts)
        of = _whose(self.incident)
        if of and self.incident.credential is not None:
            return _("%(n)d accounts of %(who)s") % {"n": number, "who": of}
        return _("%(n)d accounts") % {"n": number}

    def _letter(self, subject: str, *sentences: str, **parts: Any) -> Letter:
        named = tuple(
            f"{one.name} ({one.spec.name}, {one.brand})" for one in self.accounts
        )
        values: dict[str, Any] = {
            "subject": " ".join(subject.split()),
            "head": parts.pop("head", subject),
            "sentences": tuple(line for line in sentences if line),
            "accounts": named[:NAMED],
            "more_accounts": max(0, len(named) - NAMED),
            "posts": posts_sentence(self.count, self.first),
            "cure": "",
            "button": _("Show what it is"),
            "link": settings.SITE_URL + self.incident.get_absolute_url(),
            "reason": "",
            "account_rows": tuple(self.accounts),
            "account_count": len(self.accounts),
            "post_count": self.count,
            "first_due_at": self.first,
        }
        return Letter(**{**values, **parts})

    def _way_out(self) -> dict[str, str]:
        """The one button: reconnect where that mends it and the reader may."""
        words = explain(self.incident.cause)
        one_login = self.incident.kind != Incident.Kind.APP
        way = {"cure": str(words.cure)}
        if words.action == Action.RECONNECT and one_login:
            button, link = way_to_reconnect(self.person, self.accounts)
            if button:
                way |= {"button": button, "link": link}
            if len(self.accounts) > 1:
                way["cure"] += " " + _("One reconnect renews all of them.")
        elif words.action == Action.DECIDE and len(self.accounts) == 1:
            link = settings.SITE_URL + self.accounts[0].get_absolute_url()
            way |= {"button": _("Open the account"), "link": link}
        return way

    # -- kinds

    def _opened(self) -> Letter:
        words = explain(self.incident.cause)
        return self._letter(
            f"{self.who}: {words.head}",
            str(words.sentence),
            missing_to_post(self.accounts),
            reason=_(
                "You get this message once for this trouble, because you look after it."
            ),
            **self._way_out(),
        )

    def _escalated(self) -> Letter:
        words = explain(self.incident.cause)
        since = _clock(self.incident.opened_at)
        head = f"{self.who}: {words.head}"
        return self._letter(
            _("Nobody has acted yet. %(head)s") % {"head": head},
            str(words.sentence),
            missing_to_post(self.accounts),
            _(
                "It has been so since %(since)s, and nobody has said that they are on it."
            )
            % {"since": since},
            reason=_(
                "You get this message because those who look after it have not acted."
            ),
            **self._way_out(),
        )

    def _notice(self) -> Letter | None:
        ends_at = self.incident.ends_at
        if ends_at is None or ends_at <= self.now:
            return None
        days = max(0, notices.days_left(ends_at, self.now))
        when = (
            ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
            if days
            else _("less than a day")
        )
        subject = _("Access ends in %(when)s: %(who)s") % {
            "when": when,
            "who": self.who,
        }
        keys = [one.pk for one in self.accounts]
        self.count, self.first = waiting.figures(keys, since=ends_at)
        posts = _("No post is planned for after that.")
        if self.count and self.first:
            posts = ngettext(
                "%(n)d post is planned for after that; it is due %(due)s.",
                "%(n)d posts are planned for after that; the first is due %(due)s.",
                self.count,
            ) % {"n": self.count, "due": _clock(self.first)}
        way = self._way_out()
        sentence = _(
            "The platform gives access for a limited time; this one ends %(when)s."
        )
        if self.incident.cause == Cause.VERSION_ENDED:
            subject = f"{subject_of(self.incident)}: " + _(
                "the version that we use ends in %(when)s"
            ) % {"when": when}
            sentence = _("The platform switches the version that we use off: %(when)s.")
        else:
            if self.incident.cause == Cause.REFRESH_REFUSED:
                sentence = _(
                    "The platform refused to renew our access. What we have still works; "
                    "it ends %(when)s."
                )
            way["cure"] = _("Reconnect before then, and nothing stops.")
        return self._letter(
            subject,
            sentence % {"when": _clock(ends_at)},
            posts=posts,
            reason=_("You get this message because you look after these accounts."),
            **way,
        )

    def _taken_over(self) -> Letter:
        words = explain(self.incident.cause)
        return self._letter(
            _("%(who)s: standby access took over") % {"who": self.who},
            _("The former access ended: %(why)s.") % {"why": str(words.head)},
            _(
                "Posts go out with the standby access from now on; nothing has to be "
                "done for them."
            ),
            cure=_(
                "Reconnect the former access when you can, so that there is a standby "
                "again."
            ),
            reason=_("You get this message because you look after these accounts."),
        )

    def _standby_lost(self) -> Letter:
        words = explain(self.incident.cause)
        number = len(self.accounts)
        who = str(self.accounts[0])
        if number > 1:
            who = ngettext("%(n)d account", "%(n)d accounts", number) % {"n": number}
        subject = _("The standby access of %(who)s no longer works") % {"who": who}
        way = {}
        if self.person is None or is_admin(self.person):
            address = reverse("account_standby", args=[self.accounts[0].pk])
            way = {
                "button": _("Add standby access"),
                "link": settings.SITE_URL + address,
            }
        return self._letter(
            subject,
            _("It was %(who)s’s. What happened: %(why)s.")
            % {"who": subject_of(self.incident), "why": str(words.head)},
            _(
                "Posts go out as before. But if the access in use ends as well, nothing "
                "steps in, and they are held."
            ),
            posts="",
            cure=_(
                "An admin connects a standby anew, or publishing has no second way."
            ),
            reason=_("You get this message because you look after these accounts."),
            **way,
        )

    def _resolved(self) -> Letter:
        words = explain(self.incident.cause)
        posts = _("No post is waiting.")
        if self.count and self.first:
            posts = ngettext(
                "%(n)d post goes out by itself; it is due %(due)s.",
                "%(n)d posts go out by themselves; the first is due %(due)s.",
                self.count,
            ) % {"n": self.count, "due": _clock(self.first)}
        return self._letter(
            _("Solved: %(who)s") % {"who": self.who},
            _("It is well again. It was: %(why)s.") % {"why": str(words.head)},
            posts=posts,
            button=_("Show what it was"),
            reason=_("You get this message because you were told that it broke."),
        )

    def _outage(self) -> Letter | None:
        incident = self.incident
        reason = _("You get this message because you are an admin of SocialHub.")
        link = settings.SITE_URL + incident.get_absolute_url()
        if self.alert.kind == Kind.RESOLVED:
            return self._letter(
                _("Solved: %(why)s") % {"why": incident_head(incident)},
                _("It is well again; what waits goes out by itself, in order."),
                posts="",
                button=_("Show what it was"),
                reason=reason,
            )
        pause = outages.pause_of(incident)
        if pause is None:
            return None
        self.count, self.first = incident.post_count, incident.first_due_at
        accounts = ngettext(
            "%(n)d account waits for it.",
            "%(n)d accounts wait for it.",
            incident.account_count,
        ) % {"n": incident.account_count}
        if is_admin(self.person) if self.person else True:
            link = settings.SITE_URL + reverse(
                "admin:accounts_circuitbreaker_changelist"
            )
        return self._letter(
            str(pause.words.head),
            str(pause.words.sentence),
            accounts,
            _(
                "Meanwhile one post at a time is tried, with growing waits. When one "
                "goes out, the others follow by themselves. Let nobody reconnect an "
                "account before our app has been looked at."
            ),
            cure=str(pause.words.cure),
            button=_("Show what is paused"),
            link=link,
            reason=reason,
            account_count=incident.account_count,
        )
