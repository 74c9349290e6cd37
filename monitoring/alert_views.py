"""One's own messages, and how one wants to be told."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from . import letters
from .forms import PreferenceForm
from .models import Alert, AlertPreference, Message

PER_PAGE = 30
#: kind -> tone, icon
LOOKS = {
    Alert.Kind.OPENED: ("bad", "error"),
    Alert.Kind.NOTICE: ("warn", "schedule"),
    Alert.Kind.ESCALATED: ("bad", "priority_high"),
    Alert.Kind.TAKEN_OVER: ("info", "swap_horiz"),
    Alert.Kind.STANDBY: ("warn", "schedule"),
    Alert.Kind.RESOLVED: ("ok", "check_circle"),
}


@login_required
def alert_list(request: HttpRequest) -> HttpResponse:
    """The reader's messages, unread ones marked; whatever was mailed, all stand here."""
    alerts = (
        Alert.objects.filter(user=request.user.pk)
        .select_related("incident__credential__app")
        .defer(
            "body",
            "incident__credential__access_token",
            "incident__credential__refresh_token",
            "incident__credential__app__client_secret",
            "incident__credential__app__hook_secret",
            "incident__credential__app__hook_token",
        )
        .order_by("-created_at", "-pk")
    )
    page = Paginator(alerts, PER_PAGE).get_page(request.GET.get("page"))
    lines = []
    for alert in page.object_list:
        tone, icon = LOOKS[Alert.Kind(alert.kind)]
        label = alert.get_kind_display()
        if alert.kind == Alert.Kind.TAKEN_OVER:
            label = _("Standby access")  # its head says the rest
        line = {"alert": alert, "tone": tone, "icon": icon, "label": label}
        lines.append(line | {"head": letters.headline(alert)})
    context = {
        "page": page,
        "lines": lines,
        "about_posts": Message.objects.filter(user=request.user.pk)[:PER_PAGE],
    }
    return render(request, "monitoring/alert_list.html", context)


@login_required
def alert_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what it is about, and mark it as read."""
    alert = get_object_or_404(Alert, pk=pk, user=request.user.pk)
    Alert.objects.filter(pk=alert.pk, read_at=None).update(read_at=timezone.now())
    return redirect("incident_detail", alert.incident_id)


@login_required
def message_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the post that it is about, and mark it as read."""
    row = get_object_or_404(Message, pk=pk, user=request.user.pk)
    Message.objects.filter(pk=row.pk, read_at=None).update(read_at=timezone.now())
    return redirect(row.link)


@login_required
@require_POST
def alerts_read(request: HttpRequest) -> HttpResponse:
    Alert.objects.unread_by(request.user).update(read_at=timezone.now())
    Message.unread_by(request.user).update(read_at=timezone.now())
    return redirect("alert_list")


@login_required
def alert_preferences(request: HttpRequest) -> HttpResponse:
    reader: Any = request.user
    row = AlertPreference.of(reader)
    form = PreferenceForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("alert_preferences")
    status = 422 if form.errors else 200
    context = {"form": form, "email": reader.email}
    return render(request, "monitoring/alert_preferences.html", context, status=status)
