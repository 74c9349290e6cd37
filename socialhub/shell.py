"""The one shell around staff pages and admin: navigation and what every page shows."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language
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
#: Lost accesses that every page spells out; the rest are counted.
SHOWN_INCIDENTS = 2
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
    """What the pages around a request show. Each part costs one query, once (two or
    three where an access of the reader's is lost)."""

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

    # -- signs of life

    @cached_property
    def beats(self) -> dict[str, Heartbeat]:
        return shell_rows.beats()

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
        if not self.knows_reader or not shell_rows.is_anything_stopped(self.user):
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
    def _incidents(self) -> list[Incident]:
        """Of what the reader looks after or was told of, unless they dismissed it."""
        if not self.knows_reader:
            return []
        found = shell_rows.lost_accesses(self.user, SHOWN_INCIDENTS)
        for row in found[:SHOWN_INCIDENTS]:
            row.head = incident_head(row)  # type: ignore[attr-defined]
        return found

    @property
    def incidents(self) -> list[Incident]:
        return self._incidents[:SHOWN_INCIDENTS]

    @property
    def more_incidents(self) -> int:
        return max(0, len(self._incidents) - SHOWN_INCIDENTS)

    @cached_property
    def _counts(self) -> tuple[int, int]:
        """Unread messages, and posts that wait for the reader's approval: one query."""
        if not self.knows_reader:
            return 0, 0
        unread, asked = shell_rows.unread_and_asked(self.user)
        return unread, asked if self.can_review else 0

    @property
    def unread_count(self) -> int:
        return self._counts[0]

    @property
    def review_count(self) -> int:
        return self._counts[1]

    # -- what waits for the reader

    @cached_property
    def desk_count(self) -> int:
        if not self.knows_reader:
            return 0
        return shell_rows.desk_count(self.user, timezone.now())

    @property
    def desk_words(self) -> str:
        return long_lists.in_words(self.desk_count)

    @cached_property
    def _broken(self) -> list[tuple[int, str, str, str]]:
        if not self.knows_reader:
            return []
        return shell_rows.broken_accounts(self.user)

    @cached_property
    def broken_accounts(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "platform": platform,
                "is_practice": network == Network.PRACTICE,
                "link": reverse("account_detail", args=[pk]),
            }
            for pk, name, platform, network in self._broken[:SHOWN_BROKEN]
        ]

    @property
    def broken_count(self) -> int:
        return len(self._broken)

    @property
    def more_broken(self) -> int:
        return max(0, self.broken_count - SHOWN_BROKEN)

    @property
    def accounts_link(self) -> str:
        return reverse("account_list")

    # -- navigation

    @cached_property
    def navigation(self) -> list[dict[str, Any]]:
        """Groups of links that the reader's roles reach, the current one marked."""
        if not self.knows_reader:
            return []
        pages = _pages(get_language() or "", roles_of(self.user), self.user.is_staff)
        groups: list[dict[str, Any]] = [
            {
                "title": title,
                "items": [
                    {"title": words, "icon": icon, "link": link, "active": False}
                    | self._badge(link)
                    for words, icon, link in items
                ],
            }
            for title, items in pages
        ]
        self._mark_current([item for group in groups for item in group["items"]])
        return groups

    @cached_property
    def _badges(self) -> dict[str, tuple[str, str]]:
        """By address: how many wait there, and what they are."""
        counts = {"alert_list": (str(self.unread_count or ""), _("unread"))}
        if self.can_review:
            waiting = str(self.review_count or "")
            counts["review_list"] = (waiting, _("wait for your approval"))
            desk = self.desk_words if self.desk_count else ""
            counts["failure_desk"] = (desk, _("need a person"))
        return {reverse(view): badge for view, badge in counts.items()}

    def _badge(self, link: str) -> dict[str, str]:
        badge, words = self._badges.get(link, ("", ""))
        return {"badge": badge, "badge_words": words} if badge else {}

    def _mark_current(self, items: list[dict[str, Any]]) -> None:
        """The longest link that the address starts with; home only when it is home."""
        path = self.request.path
        home = reverse("home")
        fitting = [
            item
            for item in items
            if path == item["link"]
            or (item["link"] != home and path.startswith(item["link"]))
        ]
        if fitting:
            max(fitting, key=lambda item: len(item["link"]))["active"] = True


#: (title, icon, address)
Link = tuple[str, str, str]


@lru_cache(maxsize=200)
def _pages(
    language: str, roles: frozenset[str], is_staff: bool
) -> tuple[tuple[str, tuple[Link, ...]], ...]:
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
        "styles": [stylesheet(request)],
        "site_title": "SocialHub",
        "site_header": "SocialHub",
    }
