"""The one shell around staff pages and admin: navigation and what every page shows."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from accounts.models import Network
from accounts.roles import (
    ADMIN,
    MARKETING,
    can_review,
    can_write,
    is_admin,
    roles_of,
)
from monitoring.letters import incident_head
from monitoring.models import Heartbeat, Incident
from publishing import long_lists, stops
from publishing.models import Stop

from . import shell_rows

#: Broken accounts that the sidebar names; the rest are counted.
SHOWN_BROKEN = 6
#: Emergency stops that every page spells out; the rest are counted.
SHOWN_STOPS = 3


def seconds_in_words(seconds: float) -> str:
    """How long ago, in the largest unit that keeps the number readable."""
    whole = max(0, int(seconds))
    if whole < 120:
        return _("%(n)d s") % {"n": whole}
    if whole < 7200:
        return _("%(n)d min") % {"n": whole // 60}
    if whole < 172_800:
        return _("%(n)d h") % {"n": whole // 3600}
    return _("%(n)d days") % {"n": whole // 86_400}


def _last_seen(head: str, beat: Heartbeat | None) -> str:
    """ "Publishing engine: last seen 3 s ago"."""
    if beat is None:
        return _("%(head)s: never seen") % {"head": head}
    ago = seconds_in_words(beat.age_s)
    return _("%(head)s: last seen %(ago)s ago") % {"head": head, "ago": ago}


class Shell:
    """What the pages around a request show. All of it costs one query, once; another
    while something is stopped."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.user: Any = getattr(request, "user", None)

    @property
    def knows_reader(self) -> bool:
        return bool(self.user and self.user.is_authenticated)

    # -- roles

    @cached_property
    def is_admin(self) -> bool:
        return self.knows_reader and is_admin(self.user)

    @cached_property
    def can_write(self) -> bool:
        return self.knows_reader and can_write(self.user)

    @cached_property
    def can_review(self) -> bool:
        return self.knows_reader and can_review(self.user)

    @cached_property
    def has_role(self) -> bool:
        return self.knows_reader and bool(roles_of(self.user))

    @cached_property
    def _facts(self) -> shell_rows.Facts | None:
        """None for a stranger."""
        if not self.knows_reader:
            return None
        return shell_rows.facts(self.user, timezone.now())

    # -- signs of life

    @cached_property
    def beats(self) -> dict[str, Heartbeat]:
        return self._facts.beats if self._facts else shell_rows.beats()

    @property
    def engine_is_silent(self) -> bool:
        beat = self.beats.get("publish")
        return beat is None or beat.is_silent

    @property
    def engine_sentence(self) -> str:
        return _last_seen(_("Publishing engine"), self.beats.get("publish"))

    @property
    def monitor_is_silent(self) -> bool:
        beat = self.beats.get("monitor")
        return beat is None or beat.is_silent

    @property
    def monitor_sentence(self) -> str:
        return _last_seen(_("Health checks"), self.beats.get("monitor"))

    # -- what is stopped

    @cached_property
    def _stops(self) -> tuple[Stop, ...]:
        if not self._facts or not self._facts.is_stopped:
            return ()
        return stops.active_for(self.user)

    @property
    def stops(self) -> tuple[Stop, ...]:
        return self._stops[:SHOWN_STOPS]

    @property
    def more_stops(self) -> int:
        return max(0, len(self._stops) - SHOWN_STOPS)

    # -- what broke

    @cached_property
    def incidents(self) -> list[Incident]:
        """Of what the reader looks after or was told of, unless they dismissed it."""
        found = self._facts.lost if self._facts else []
        for row in found:
            row.head = incident_head(row)  # type: ignore[attr-defined]
        return found

    @property
    def more_incidents(self) -> int:
        return max(0, self._facts.all_lost - len(self.incidents)) if self._facts else 0

    @property
    def unread_count(self) -> int:
        return self._facts.unread if self._facts else 0

    @property
    def review_count(self) -> int:
        return self._facts.asked if self._facts and self.can_review else 0

    # -- what waits for the reader

    @property
    def desk_count(self) -> int:
        return self._facts.desk_count if self._facts else 0

    @property
    def desk_words(self) -> str:
        return long_lists.in_words(self.desk_count)

    @property
    def _broken(self) -> list[tuple[int, str, str, str]]:
        return self._facts.broken if self._facts else []

    @property
    def broken_accounts(self) -> list[dict[str, Any]]:
        return broken_lines(self._broken[:SHOWN_BROKEN])

    @property
    def broken_count(self) -> int:
        return len(self._broken)

    @property
    def more_broken(self) -> int:
        return max(0, self.broken_count - SHOWN_BROKEN)

    # -- navigation

    @cached_property
    def side(self) -> Side | None:
        """What stands in the sidebar; None for a stranger."""
        if not self.knows_reader:
            return None
        roles, is_staff = roles_of(self.user), self.user.is_staff
        language = get_language() or ""
        waiting = [("alert_list", str(self.unread_count or ""), _("unread"))]
        if self.can_review:
            asked = str(self.review_count or "")
            desk = self.desk_words if self.desk_count else ""
            waiting += [
                (
                    "review_list",
                    asked,
                    ngettext(
                        "waits for your approval",
                        "wait for your approval",
                        self.review_count,
                    ),
                ),
                (
                    "failure_desk",
                    desk,
                    ngettext("needs a person", "need a person", self.desk_count),
                ),
            ]
        return Side(
            language=language,
            roles=roles,
            is_staff=is_staff,
            current=self._current(_pages(language, roles, is_staff)),
            badges=tuple(one for one in waiting if one[1]),
            broken=tuple(self._broken[:SHOWN_BROKEN]),
            more_broken=self.more_broken,
        )

    @property
    def navigation(self) -> list[dict[str, Any]]:
        return self.side.navigation if self.side else []

    def _current(self, groups: Groups) -> str:
        """The longest link that the address starts with; home only when it is home."""
        path, home = self.request.path, reverse("home")
        fitting = [
            link
            for _title, items in groups
            for _words, _icon, link in items
            if path == link or (link != home and path.startswith(link))
        ]
        return max(fitting, key=len, default="")


#: Stand in what is kept for the token of forms, for the page that they lead back to, and
#: for the reader's name. Nobody could have written them.
TOKEN, NEXT, NAME = (secrets.token_hex(16) for _mark in range(3))


class Side(NamedTuple):
    """All that the sidebar is made of, so that the same need not be made anew.

    language: the active one. badges: of views by name, how many wait there, and what
    they are. broken: (key, name, platform, network) of those that are named.
    """

    language: str
    roles: frozenset[str]
    is_staff: bool
    current: str
    badges: tuple[tuple[str, str, str], ...]
    broken: tuple[tuple[int, str, str, str], ...]
    more_broken: int

    @property
    def navigation(self) -> list[dict[str, Any]]:
        """Groups of links that the reader's roles reach, the current one marked."""
        badges = {reverse(view): badge for view, *badge in self.badges}
        return [
            {
                "title": title,
                "items": [
                    {
                        "title": words,
                        "icon": icon,
                        "link": link,
                        "active": link == self.current,
                    }
                    | dict(
                        zip(
                            ("badge", "badge_words"), badges.get(link, ()), strict=False
                        )
                    )
                    for words, icon, link in items
                ],
            }
            for title, items in _pages(self.language, self.roles, self.is_staff)
        ]

    @property
    def broken_accounts(self) -> list[dict[str, Any]]:
        return broken_lines(self.broken)


class Lost(NamedTuple):
    """An incident as the banner tells of it."""

    pk: int
    head: str
    account_count: int
    post_count: int


@lru_cache(maxsize=500)
def sidebar(side: Side) -> str:
    """With TOKEN and NAME."""
    context = {"side": side, "name": NAME, "csrf_token": TOKEN}
    return render_to_string("_partials/sidebar.html", context)


@lru_cache(maxsize=500)
def banner(
    language: str, incidents: tuple[Lost, ...], more: int, leads_back: bool
) -> str:
    """With TOKEN and NEXT. language: the active one."""
    context = {
        "incidents": incidents,
        "more": more,
        "next": NEXT if leads_back else "",
        "csrf_token": TOKEN,
    }
    return render_to_string("_partials/incident_banner.html", context)


def broken_lines(
    rows: Iterable[tuple[int, str, str, str]],
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "platform": platform,
            "is_practice": network == Network.PRACTICE,
            "link": reverse("account_detail", args=[pk]),
        }
        for pk, name, platform, network in rows
    ]


#: (title, icon, address)
Link = tuple[str, str, str]
#: (title, links)
Groups = tuple[tuple[str, tuple[Link, ...]], ...]


@lru_cache(maxsize=200)
def _pages(language: str, roles: frozenset[str], is_staff: bool) -> Groups:
    """Groups of links for people with these roles: the same on every page.

    language: the active one, in which they are named.
    """
    writes, works = bool(roles & {MARKETING, ADMIN}), bool(roles)
    daily = [_item(_("Home"), "home", "home")]
    daily.append(_item(_("Messages"), "notifications", "alert_list"))
    if works:
        daily += [
            _item(_("Calendar"), "calendar_month", "calendar"),
            _item(_("Posts"), "article", "post_list"),
            _item(_("Queues"), "playlist_play", "queue_list"),
            _item(_("Series"), "repeat", "series_list"),
        ]
    if writes:
        daily += [
            _item(_("New post"), "edit_square", "compose"),
            _item(_("Media"), "perm_media", "media_library"),
            _item(_("Texts and links"), "text_snippet", "text_list"),
            _item(_("Import"), "upload_file", "import_list"),
            _item(_("Export"), "download", "export_list"),
            _item(_("Work in progress"), "pending_actions", "job_list"),
        ]
    if works:
        daily += [
            _item(_("Accounts"), "group", "account_list"),
            _item(_("Incidents"), "e911_emergency", "incident_list"),
            _item(_("Waiting for me"), "how_to_reg", "review_list"),
            _item(_("Failure desk"), "build_circle", "failure_desk"),
            _item(_("Reliability"), "monitoring", "reliability"),
            _item(_("Emergency stop"), "front_hand", "stop_list"),
            _item(_("Limits"), "speed", "limits"),
        ]
    running = []
    if ADMIN in roles:
        running += [
            _item(_("Platforms"), "hub", "platform_apps"),
            _item(_("People"), "badge", "people"),
            _item(_("Brands"), "sell", "brands"),
            _item(_("Alert channels"), "campaign", "channel_list"),
            _item(_("Fire drill"), "local_fire_department", "fire_drill"),
            _item(_("System check"), "monitor_heart", "system_check"),
        ]
    if is_staff:
        running.append(_item(_("Admin"), "database", "admin:index"))
    groups = (("", tuple(daily)), (_("Set-up"), tuple(running)))
    return tuple(group for group in groups if group[1])


def _item(title: str, icon: str, view: str) -> Link:
    return title, icon, reverse(view)


def shell_of(request: HttpRequest) -> Shell:
    """The request's own Shell, so that several templates share its queries."""
    shell: Shell | None = getattr(request, "_shell", None)
    if shell is None:
        shell = request._shell = Shell(request)  # type: ignore[attr-defined]
    return shell


def stylesheet(request: HttpRequest) -> str:
    return static("socialhub/socialhub.css")


def context(request: HttpRequest) -> dict[str, Any]:
    """For every template: `shell`, and what unfold's skeleton asks its admin for."""
    return {
        "shell": SimpleLazyObject(lambda: shell_of(request)),
        "site_title": "SocialHub",
        "site_header": "SocialHub",
    }
