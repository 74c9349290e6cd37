"""Apps on servers that people name: made known on the fly and looked after."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from platforms import registry

from .models import Network, PlatformApp
from .oauth import redirect_uri

#: What a server announces of itself is read anew after this.
FACTS_LIVE = timedelta(days=1)
#: The redirect address that the app was registered with, among its facts.
REGISTERED_FOR = "registered_for"


def ensure_app(platform: str, network: Network, instance_url: str) -> PlatformApp:
    """Our app on this server, registered when it is new there or no longer known.

    Up to seven calls, none inside a transaction. Raises the platform's PlatformError:
    NotFound(NOT_THIS_PLATFORM) when the server is of another kind.
    """
    where: dict[str, Any] = {
        "platform": platform,
        "network": network,
        "instance_url": instance_url,
    }
    app = PlatformApp.objects.filter(**where).first() or PlatformApp(**where)
    now = timezone.now()
    if not app.facts_at or app.facts_at < now - FACTS_LIVE:
        kept = app.facts.get(REGISTERED_FOR, "")
        app.facts = {**app.client().instance_facts(), REGISTERED_FOR: kept}
        app.facts_at = now
    scopes = list(registry.platform(platform).scopes_to_ask((), app.facts))
    address = redirect_uri(platform)
    fits = app.granted_scopes == scopes and app.facts.get(REGISTERED_FOR) == address
    if not (app.client_id and fits and app.client().app_is_known()):
        # An app cannot be given more scopes or another address afterwards.
        app.client_id, app.client_secret = app.client().register_app(address, scopes)
        app.granted_scopes = scopes
        app.facts[REGISTERED_FOR] = address
    if app.pk:
        app.save()
        return app
    stored, _made = PlatformApp.objects.update_or_create(
        **where,
        defaults={
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "granted_scopes": app.granted_scopes,
            "facts": app.facts,
            "facts_at": app.facts_at,
        },
    )
    return stored


def forget_app(app: PlatformApp) -> None:
    """The server no longer knows our app: the next connection registers a new one."""
    app.client_id = app.client_secret = ""
    app.save(update_fields=["client_id", "client_secret"])
