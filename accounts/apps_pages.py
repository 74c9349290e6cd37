"""Our registrations at the platforms, for admins."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from platforms import registry
from platforms.base import Scope

from . import budgets, hook_addresses, hooks
from .connect_views import admin_required
from .data_requests import addresses
from .forms import PlatformAppForm
from .models import AuditEvent, Network, PlatformApp
from .oauth import redirect_uri
from .radar import radar


def scopes_needed(app: PlatformApp) -> list[tuple[Scope, bool]]:
    """Every permission of the platform that we have a use for, and whether our app may
    ask for it."""
    may_ask = set(
        registry.platform(app.platform).scopes_to_ask(app.granted_scopes, app.facts)
    )
    return [(scope, scope.name in may_ask) for scope in app.spec.scopes]


@admin_required
def platform_apps(request: HttpRequest) -> HttpResponse:
    """One row per platform that wants a registration (made when missing), then others."""
    for spec in registry.all_specs():
        if spec.wants_app:
            PlatformApp.objects.get_or_create(
                platform=spec.slug, network=Network.LIVE, instance_url=""
            )
    apps = [
        app for app in PlatformApp.objects.all() if app.platform in registry.PLATFORMS
    ]
    in_use = (a for a in apps if a.client_id and a.network == Network.LIVE)
    context = {
        "no_budget": budgets.without(in_use),
        "own": [a for a in apps if _is_ours_to_fill(a)],
        "others": [a for a in apps if not _is_ours_to_fill(a)],
        "radar": radar(
            (a for a in apps if a.client_id and a.network == Network.LIVE),
            timezone.now(),
        ),
    }
    return render(request, "accounts/apps.html", context)


def _is_ours_to_fill(app: PlatformApp) -> bool:
    return app.spec.wants_app and app.network == Network.LIVE


@admin_required
def platform_app_edit(request: HttpRequest, pk: int) -> HttpResponse:
    app = get_object_or_404(PlatformApp, pk=pk, platform__in=registry.PLATFORMS)
    editable = _is_ours_to_fill(app)
    form = (
        PlatformAppForm(
            request.POST if request.method == "POST" else None, instance=app
        )
        if editable
        else None
    )
    if request.method == "POST" and form is not None and form.is_valid():
        form.save()
        AuditEvent.write(
            request.user, "app_changed", app, fields=sorted(form.changed_data)
        )
        messages.success(request, _("Saved."))
        return redirect("platform_apps")
    context = {
        "app": app,
        "spec": app.spec,
        "form": form,
        "redirect_uri": redirect_uri(app.platform) if app.spec.oauth else "",
        "scopes": scopes_needed(app),
        "callbacks": addresses(app),
        "event_addresses": hook_addresses.addresses(app),
        "events": hooks.events(app),
        # On the practice network nobody pays.
        "budget": budgets.of_app(app, timezone.now()) if editable else None,
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "accounts/app_edit.html", context, status=status)
