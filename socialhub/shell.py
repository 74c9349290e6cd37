"""The one shell around staff pages and admin: navigation and what every page shows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F, Func, IntegerField, QuerySet, Subquery
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from accounts.models import ConnectedAccount
from accounts.roles import can_review, can_write, is_admin, roles_of
from monitoring.letters import incident_head
from monitoring.models import Alert, Heartbeat, Incident, Message
from monitoring.sight import own_part
from publishing import approving, stops
from publishing.models import Delivery, Stop

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


def _count(rows: QuerySet[Any]) -> Subquery:
    """How many, as a part of another query."""
    number = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(number=number).values("number"))


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
        return {beat.name: beat for beat in Heartbeat.objects.all()}

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
        return stops.active_for(self.user) if self.knows_reader else ()

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
        kinds = [Incident.Kind.ACCESS, Incident.Kind.APP]
        rows = (
            Incident.objects.open()
            .filter(kind__in=kinds)
            .visible_to(self.user)
            .of_person(self.user)
            .exclude(hidden_for=self.user)
            .select_related("credential__app")
            .only(
                "kind",
                "dedup_key",
                "cause",
                "account_count",
                "post_count",
                "ends_at",
                "credential__subject_name",
                "credential__subject_id",
                "credential__app__platform",
            )
            .order_by(F("first_due_at").asc(nulls_last=True), "pk")
        )
        found = list(rows)
        own_part(found[:SHOWN_INCIDENTS], self.user)
        for row in found:
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
        alerts, messages, asked = (
            get_user_model()
            .objects.filter(pk=self.user.pk)
            .values_list(
                _count(Alert.objects.unread_by(self.user)),
                _count(Message.unread_by(self.user)),
                _count(approving.waiting_for(self.user)),
            )
            .get()
        )
        return (alerts or 0) + (messages or 0), asked or 0

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
        rows = Delivery.objects.visible_to(self.user).awake(timezone.now())
        return rows.needs_person().count()

    @cached_property
    def _broken(self) -> list[dict[str, Any]]:
        if not self.knows_reader:
            return []
        rows = ConnectedAccount.objects.visible_to(self.user).broken()
        return [
            {
                "name": account.name,
                "platform": account.platform,
                "is_practice": account.is_practice,
                "link": reverse("account_detail", args=[account.pk]),
            }
            for account in rows.only("name", "platform", "network").order_by("name")
        ]

    @property
    def broken_accounts(self) -> list[dict[str, Any]]:
        return self._broken[:SHOWN_BROKEN]

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
        daily: list[dict[str, Any]] = [_item(_("Home"), "home", "home")]
        bell: dict[str, Any] = {"badge": self.unread_count, "badge_words": _("unread")}
        daily.append(_item(_("Messages"), "notifications", "alert_list") | bell)
        if self.has_role:
            daily += [
                _item(_("Calendar"), "calendar_month", "calendar"),
                _item(_("Posts"), "article", "post_list"),
                _item(_("Queues"), "playlist_play", "queue_list"),
                _item(_("Series"), "repeat", "series_list"),
            ]
        if self.can_write:
            daily.append(_item(_("New post"), "edit_square", "compose"))
            daily.append(_item(_("Media"), "perm_media", "media_library"))
            daily.append(_item(_("Texts and links"), "text_snippet", "text_list"))
            daily.append(_item(_("Import"), "upload_file", "import_list"))
            daily.append(_item(_("Export"), "download", "export_list"))
            daily.append(_item(_("Work in progress"), "pending_actions", "job_list"))
        if self.has_role:
            daily.append(_item(_("Accounts"), "group", "account_list"))
            daily.append(_item(_("Incidents"), "e911_emergency", "incident_list"))
        if self.can_review:
            asked = _item(_("Waiting for me"), "how_to_reg", "review_list")
            wait: dict[str, Any] = {
                "badge": self.review_count,
                "badge_words": _("wait for your approval"),
            }
            daily.append(asked | wait)
            desk = _item(_("Failure desk"), "build_circle", "failure_desk")
            words: dict[str, Any] = {
                "badge": self.desk_count,
                "badge_words": _("need a person"),
            }
            daily.append(desk | words)
            daily.append(_item(_("Reliability"), "monitoring", "reliability"))
            daily.append(_item(_("Emergency stop"), "front_hand", "stop_list"))
        if self.has_role:
            daily.append(_item(_("Limits"), "speed", "limits"))
        running: list[dict[str, Any]] = []
        if self.is_admin:
            running = [
                _item(_("Platforms"), "hub", "platform_apps"),
                _item(_("People"), "badge", "people"),
                _item(_("Brands"), "sell", "brands"),
                _item(_("Alert channels"), "campaign", "channel_list"),
                _item(_("Fire drill"), "local_fire_department", "fire_drill"),
                _item(_("System check"), "monitor_heart", "system_check"),
            ]
        if self.user.is_staff:
            running.append(_item(_("Admin"), "database", "admin:index"))
        groups: list[dict[str, Any]] = [
            {"title": "", "items": daily},
            {"title": _("Set-up"), "items": running},
        ]
        self._mark_current([item for group in groups for item in group["items"]])
        return [group for group in groups if group["items"]]

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


def _item(title: str, icon: str, view: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(view), "active": False}


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
