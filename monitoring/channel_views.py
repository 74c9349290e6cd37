"""Chat rooms and programs that incidents are told to, for admins."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.connect_views import admin_required
from accounts.models import AuditEvent, Brand

from . import webhooks
from .forms import ChannelForm
from .models import Alert, AlertChannel


def _visible_to(user: Any) -> QuerySet[AlertChannel]:
    """Channels of the admin's brands and of all brands."""
    rows = AlertChannel.objects.select_related("brand")
    if user.is_superuser:
        return rows
    brands = Brand.objects.visible_to(user)
    return rows.filter(brand__in=brands) | rows.filter(brand=None)


def _open_to(user: Any) -> QuerySet[AlertChannel]:
    """Channels that the admin may change: whoever points one of all brands somewhere
    else hears of accounts that they do not see."""
    rows = _visible_to(user)
    return rows if Brand.all_visible_to(user) else rows.exclude(brand=None)


def _get(request: HttpRequest, pk: int) -> AlertChannel:
    return get_object_or_404(_open_to(request.user), pk=pk)


@admin_required
def channel_list(request: HttpRequest) -> HttpResponse:
    channels = list(_visible_to(request.user))
    waiting = Alert.objects.pending().filter(channel__in=channels, tries__gt=0)
    late = set(waiting.values_list("channel", flat=True))
    may_all = Brand.all_visible_to(request.user)
    rows = [
        {
            "channel": row,
            "is_late": row.pk in late,
            "may_change": may_all or row.brand_id is not None,
        }
        for row in channels
    ]
    return render(request, "monitoring/channel_list.html", {"rows": rows})


@admin_required
@never_cache
def channel_add(request: HttpRequest) -> HttpResponse:
    form = ChannelForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        channel = form.save(commit=False)
        channel.secret = AlertChannel.new_secret() if channel.is_signed else ""
        channel.save()
        AuditEvent.write(request.user, "channel added", channel, host=channel.host)
        if channel.is_signed:
            return _show_secret(request, channel)
        messages.success(request, _("Added. Send a test message next."))
        return redirect("channel_list")
    status = 422 if form.errors else 200
    return render(
        request, "monitoring/channel_form.html", {"form": form}, status=status
    )


def _show_secret(request: HttpRequest, channel: AlertChannel) -> HttpResponse:
    """Once, in the answer itself: it is kept encrypted and shown nowhere again."""
    context = {"channel": channel, "secret": channel.secret}
    return render(request, "monitoring/channel_secret.html", context)


@admin_required
def channel_edit(request: HttpRequest, pk: int) -> HttpResponse:
    channel = _get(request, pk)
    form = ChannelForm(request.POST or None, instance=channel, user=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        AuditEvent.write(
            request.user,
            "channel changed",
            channel,
            fields=sorted(form.changed_data),
            host=channel.host,
        )
        messages.success(request, _("Saved."))
        return redirect("channel_list")
    status = 422 if form.errors else 200
    stored = _get(request, pk)
    context = {"form": form, "channel": stored}
    return render(request, "monitoring/channel_form.html", context, status=status)


@admin_required
@require_POST
def channel_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test message now and say what came of it."""
    channel = _get(request, pk)
    try:
        webhooks.post(channel, *webhooks.test_event(channel))
    except webhooks.Refused as refused:
        channel.note_error(str(refused))
        messages.error(
            request,
            _("%(name)s: the test message did not arrive. %(why)s")
            % {"name": channel.name, "why": refused},
        )
    else:
        channel.note_ok()
        messages.success(
            request, _("%(name)s: the test message arrived.") % {"name": channel.name}
        )
    return redirect("channel_list")


@admin_required
@require_POST
def channel_switch(request: HttpRequest, pk: int) -> HttpResponse:
    channel = _get(request, pk)
    channel.switch(on=not channel.is_active)
    word = "channel switched on" if channel.is_active else "channel switched off"
    AuditEvent.write(request.user, word, channel)
    return redirect("channel_list")


@admin_required
@never_cache
@require_POST
def channel_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """A new secret; the old one signs nothing from now on."""
    channel = _get(request, pk)
    if not channel.is_signed:
        messages.error(request, _("Only signed webhooks have a secret."))
        return redirect("channel_list")
    channel.secret = AlertChannel.new_secret()
    channel.save(update_fields=["secret"])
    AuditEvent.write(request.user, "channel secret renewed", channel)
    return _show_secret(request, channel)


@admin_required
@require_POST
def channel_delete(request: HttpRequest, pk: int) -> HttpResponse:
    channel = _get(request, pk)
    AuditEvent.write(request.user, "channel deleted", channel, host=channel.host)
    name = channel.name
    channel.delete()
    messages.success(request, _("%(name)s was deleted.") % {"name": name})
    return redirect("channel_list")
