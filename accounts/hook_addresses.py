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


def addresses(app: PlatformApp) -> list[tuple[Any, str]]:
    """What to enter at the platform, ready to copy; empty where it sends nothing."""
    spec = app.spec
    if not spec.hook_name:
        return []
    root = str(settings.SITE_URL).rstrip("/")
    rows: list[tuple[Any, str]] = [
        (
            spec.hook_name,
            root + reverse("platform_hook", args=[app.network, app.platform]),
        )
    ]
    if spec.hook_has_handshake:
        rows.append((_("Verify token"), verify_token(app.platform, app.network)))
    return rows
