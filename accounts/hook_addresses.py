"""Where platforms send their events, and the word by which a handshake is known."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from .models import PlatformApp


def verify_token(platform: str, network: str) -> str:
    """Ours alone, and the same as long as SECRET_KEY is."""
    text = f"webhook {platform} {network}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256).hexdigest()[:32]


def secret_of(app: PlatformApp) -> str:
    """What signs the events of an app; "": none can come yet."""
    if app.spec.hook_by_account:
        return verify_token(app.platform, app.network) if app.client_secret else ""
    return app.hook_secret if app.spec.hook_secret_name else app.client_secret


def address(platform: str, network: str) -> str:
    path = reverse("platform_hook", args=[network, platform])
    return str(settings.SITE_URL).rstrip("/") + path


def addresses(app: PlatformApp) -> list[tuple[Any, str]]:
    """What to enter at the platform, ready to copy; empty where it sends nothing."""
    spec = app.spec
    # What is asked for by ourselves nobody has to enter.
    if not spec.hook_is_entered:
        return []
    rows: list[tuple[Any, str]] = [(spec.hook_name, address(app.platform, app.network))]
    if spec.hook_has_verify_token:
        rows.append((_("Verify token"), verify_token(app.platform, app.network)))
    return rows
