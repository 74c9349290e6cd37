"""Incidents: what is wrong now, what ends soon, what was solved, and who acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.addresses import address
from accounts.causes import Action, explain
from accounts.models import AuditEvent, ConnectedAccount
from accounts.permissions import missing_to_post
from accounts.roles import is_admin
from platforms import registry
from platforms.errors import Cause

from . import letters, outages, waiting
from .models import Alert, Incident, IncidentQuerySet
from .sight import own_part, parts_of

PER_PAGE = 25
#: Accounts that the page of one incident lists; the rest is counted.
LISTED = 60
#: state -> tone, icon
LOOKS = {
    Incident.State.OPEN: ("bad", "error"),
    Incident.State.ACKNOWLEDGED: ("info", "person_check"),
    Incident.State.RESOLVED: ("ok", "check_circle"),
}


def rows_for(reader: Any) -> IncidentQuerySet:
    """What the reader may see, without what turned out to be part of another."""
    rows = Incident.objects.visible_to(reader)
    return (
        rows.exclude(dedup_key__startswith=Incident.PART)
        .select_related("credential__app", "acknowledged_by")
        .defer(*letters.TOKENS)
    )


class Card:
    """One incident as the reader sees it."""

    def __init__(
        self, incident: Incident, parts: str, account: int | None, reader: Any
    ) -> None:
        self.incident, self.parts = incident, parts
        words = explain(incident.cause)
        self.head = letters.incident_head(incident)
        self.sentence, self.cure = str(words.sentence), str(words.cure)
        if incident.kind == Incident.Kind.ENDS:
            self.sentence = _("The platform gives access for a limited time.")
            self.cure = _("Reconnect before then, and nothing stops.")
            if incident.cause == Cause.VERSION_ENDED:
                self.sentence = _("The platform switches the version that we use off.")
                self.cure = str(words.cure)
        elif incident.kind == Incident.Kind.STANDBY:
            self.sentence = _(
                "Posts go out with the standby access; the former access ended: %(why)s."
            ) % {"why": str(words.head)}
            self.cure = _("Reconnect, so that there is a standby again.")
        elif incident.kind == Incident.Kind.STANDBY_LOST:
            self.sentence = _(
                "Posts go out as before, but the access that stands by ended: %(why)s. "
                "If the one in use ends as well, nothing steps in."
            ) % {"why": str(words.head)}
            self.cure = _(
                "An admin connects a standby anew, or publishing has no second way."
            )
        self.tone, self.icon = LOOKS[Incident.State(incident.state)]
        self.state = incident.get_state_display()
        if incident.state == Incident.State.OPEN and incident.kind in Incident.QUIET:
            self.tone, self.icon = "warn", "schedule"
            self.state = incident.get_kind_display()
        self.tells_posts = incident.kind not in (
            Incident.Kind.STANDBY,
            Incident.Kind.STANDBY_LOST,
        )
        self.reconnect = self.links = self.standby = self.account = self.paused = ""
        if incident.kind == Incident.Kind.STANDBY_LOST:
            if account and incident.is_open and is_admin(reader):
                self.standby = address("account_standby", account)
        elif account and incident.is_open and words.action == Action.RECONNECT:
            if is_admin(reader):
                self.reconnect = address("account_reconnect", account)
            self.links = address("account_links", account)
        elif account and incident.is_open and words.action == Action.DECIDE:
            if incident.account_count == 1:
                self.account = address("account_detail", account)
        elif incident.kind == Incident.Kind.BREAKER and incident.is_open:
            if is_admin(reader):
                self.paused = reverse("admin:accounts_circuitbreaker_changelist")
        self.posts = _posts(incident) if incident.is_open else ""
        self.is_for_admins = words.action == Action.OPERATOR
        self.may_take = incident.is_open and incident.acknowledged_by_id != reader.pk
        if incident.state == Incident.State.OPEN:
            self.may_take = incident.is_open


def _posts(incident: Incident) -> str:
    """How many it concerns."""
    count = incident.post_count
    if incident.kind == Incident.Kind.ENDS:
        words = ngettext(
            "%(n)s post is planned for after that",
            "%(n)s posts are planned for after that",
            count,
        )
    else:
        words = ngettext("%(n)s post waits", "%(n)s posts wait", count)
    return words % {"n": count}


def cards(incidents: Sequence[Incident], reader: Any) -> list[Card]:
    """With how many of the reader's accounts of each platform; one query for all, and
    one more for each that reaches into brands that the reader does not see."""
    found = parts_of(incidents, reader)
    own_part(incidents, reader, found)
    first: dict[int, int] = {}
    parts: dict[int, list[str]] = {}
    for pk, platform, _named, number, account in sorted(
        found, key=lambda part: -part.seen
    ):
        if account is not None:
            first[pk] = min(account, first.get(pk, account))
        if not number:
            continue
        name = (
            registry.spec(platform).name if platform in registry.PLATFORMS else platform
        )
        words = ngettext("%(n)d %(name)s account", "%(n)d %(name)s accounts", number)
        parts.setdefault(pk, []).append(words % {"n": number, "name": name})
    made = []
    for incident in incidents:
        words = ", ".join(parts.get(incident.pk, ()))
        if not words and incident.account_count:
            words = ngettext(
                "%(n)d account", "%(n)d accounts", incident.account_count
            ) % {"n": incident.account_count}
        made.append(Card(incident, words, first.get(incident.pk), reader))
    return made


@login_required
def incident_list(request: HttpRequest) -> HttpResponse:
    rows = rows_for(request.user)
    ends = Q(kind__in=Incident.QUIET)
    tabs = {
        "open": (
            _("Open"),
            rows.open()
            .exclude(ends)
            .order_by(F("first_due_at").asc(nulls_last=True), "pk"),
        ),
        "ends": (_("Soon"), rows.open().filter(ends).order_by("ends_at", "pk")),
        "solved": (
            _("Solved"),
            rows.filter(state=Incident.State.RESOLVED).order_by("-resolved_at"),
        ),
    }
    chosen = request.GET.get("tab", "open")
    if chosen not in tabs:
        chosen = "open"
    page = Paginator(tabs[chosen][1], PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "tabs": [
            {
                "key": key,
                "label": label,
                "count": found.count(),
                "is_current": key == chosen,
            }
            for key, (label, found) in tabs.items()
        ],
        "tab": chosen,
        "page": page,
        "cards": cards(list(page.object_list), request.user),
    }
    return render(request, "monitoring/incident_list.html", context)


@login_required
def incident_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One incident: what it concerns, what waits, who was told when."""
    incident = get_object_or_404(
        Incident.objects.visible_to(request.user)
        .select_related("credential__app", "acknowledged_by")
        .defer(*letters.TOKENS),
        pk=pk,
    )
    if incident.dedup_key.startswith(Incident.PART):
        key = incident.dedup_key.removeprefix(Incident.PART)
        whole = rows_for(request.user).filter(dedup_key=key).first()
        if whole is not None:
            return redirect(whole)
    if incident.kind == Incident.Kind.BREAKER:
        pause = outages.pause_of(incident)
        accounts = outages.behind(pause) if pause else ConnectedAccount.objects.none()
    else:
        pause, accounts = None, ConnectedAccount.objects.filter(incidents=incident)
    accounts = accounts.visible_to(request.user).with_health().order_by("name", "pk")
    listed = list(accounts.distinct()[:LISTED])
    waits = waiting.by_account([account.pk for account in listed])
    context = {
        "card": cards([incident], request.user)[0],
        "incident": incident,
        "pause": pause,
        "missing_to_post": missing_to_post(listed),
        "accounts": [
            {"account": account, "waits": waits.get(account.pk)} for account in listed
        ],
        "more_accounts": accounts.distinct().count() - len(listed),
        "told": _told(incident, request.user),
    }
    return render(request, "monitoring/incident_detail.html", context)


def _told(incident: Incident, reader: Any) -> list[Alert]:
    """Who was told when, as far as the reader knows them."""
    alerts = Alert.objects.within_sight_of(reader).filter(incident=incident)
    return list(alerts.select_related("user", "channel").order_by("created_at", "pk"))


@login_required
@require_POST
def incident_acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.visible_to(request.user), pk=pk)
    if incident.acknowledge(request.user):
        AuditEvent.write(request.user, "incident acknowledged", incident)
        messages.success(
            request,
            _("Good. For a day nobody further is told, unless it is solved before."),
        )
    else:
        messages.info(request, _("It is solved already."))
    return redirect(_back(request, incident))


@login_required
@require_POST
def incident_dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Take its banner away, for this person."""
    incident = get_object_or_404(Incident.objects.visible_to(request.user), pk=pk)
    reader: Any = request.user
    incident.hidden_for.add(reader)
    return redirect(_back(request, incident))


def _back(request: HttpRequest, incident: Incident) -> str:
    """The page that the button stood on."""
    wanted = request.POST.get("next", "")
    hosts = {request.get_host()}
    if url_has_allowed_host_and_scheme(wanted, hosts, request.is_secure()):
        return wanted
    return incident.get_absolute_url()
