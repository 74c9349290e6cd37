"""The practice network's apps and people, asked for when a page needs them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from platforms import registry
from platforms.base import SignIn
from platforms.errors import PlatformError
from platforms.http import Http

from .models import Network, PlatformApp

logger = logging.getLogger(__name__)

#: It runs on this machine or next to it; a page does not wait longer for it.
PATIENCE_S = 5.0
#: without it the practice network refuses what changes something: a foreign web page
#: cannot send it
FROM_A_PROGRAM = {"X-Practice": "1"}


@dataclass(frozen=True)
class PracticePerson:
    """Somebody who can sign in at the practice network. `detail`: what else helps."""

    name: str
    handle: str
    detail: str


#: What the practice network tells of its apps where an admin enters it elsewhere.
TOLD_OF_EVENTS = ("number_there", "hook_secret", "hook_token")


def is_configured() -> bool:
    return bool(settings.PRACTICE_NETWORK_URL)


def ensure_practice_apps() -> bool:
    """Create or mend the PlatformApp rows of the practice network.

    False when there is no practice network or it does not answer. Servers on which an
    app registers itself get their row when the first account is connected.
    """
    apps = _ask("/api/apps")
    if apps is None:
        return False
    for spec in registry.all_specs():
        if spec.sign_in is SignIn.OAUTH_INSTANCE or spec.slug not in apps:
            continue
        facts = apps[spec.slug]
        wanted = {
            "client_id": str(facts.get("client_id") or ""),
            "client_secret": str(facts.get("client_secret") or ""),
            **{name: str(facts.get(name) or "") for name in TOLD_OF_EVENTS},
            # The practice network reviews nothing: its apps may ask for everything.
            "granted_scopes": [scope.name for scope in spec.scopes],
        }
        app, made = PlatformApp.objects.get_or_create(
            platform=spec.slug,
            network=Network.PRACTICE,
            instance_url="",
            defaults=wanted,
        )
        changed = [
            name for name, value in wanted.items() if getattr(app, name) != value
        ]
        if changed and not made:
            for name in changed:
                setattr(app, name, wanted[name])
            app.save(update_fields=changed)
    return True


def people(platform: str) -> list[PracticePerson]:
    """Who can sign in at this platform's twin; empty when it does not answer."""
    state = _ask("/api/state") or {}
    rows = state.get("platforms", {}).get(platform, {}).get("people", [])
    return [
        PracticePerson(str(p["name"]), str(p["handle"]), str(p.get("detail") or ""))
        for p in rows
    ]


def refuse_once(platform: str, external_id: str) -> str:
    """Let the practice network refuse the next post of this account; the fault's id.

    "" when it does not answer. Nothing but the practice network can be reached here.
    """
    wanted = {
        "kind": "content_refused",
        "platform": platform,
        "account": external_id,
        "times": 1,
    }
    return str((_ask("/api/faults", wanted) or {}).get("id") or "")


def forget_fault(fault: str) -> None:
    """Take a staged fault away; one that has acted is away already."""
    _ask(f"/api/faults/{fault}", method="DELETE")


def _ask(
    path: str, body: dict[str, Any] | None = None, method: str = ""
) -> dict[str, Any] | None:
    """GET, or POST where there is a body. None when it refuses or does not answer."""
    if not is_configured():
        return None
    method = method or ("GET" if body is None else "POST")
    url = settings.PRACTICE_NETWORK_URL.rstrip("/") + path
    try:
        answer = Http(allow_private=True, total_s=PATIENCE_S).request(
            method,
            url,
            call=f"{method} {path}",
            mutates=method != "GET",
            headers=FROM_A_PROGRAM,
            json=body,
        )
    except PlatformError as error:
        logger.warning("the practice network does not answer: %s", error)
        return None
    return answer.data() if answer.ok else None
