"""What Threads tells us by itself: replies to our posts.

The payload is another than that of Meta's other products.
Source: https://developers.facebook.com/docs/threads/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..base import Hook, HookEvent, json_object

#: field -> what it is about
FIELDS = {"replies": Hook.COMMENTS, "delete": Hook.POST}


def events(
    body: bytes, headers: Mapping[str, str], secret: str, now: datetime
) -> list[HookEvent]:
    """headers: names in lower case. ValueError: not from Threads.

    Nothing in it says when it was signed: an old one again leads to a look more.
    """
    wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    told_signature = headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(wanted.encode(), told_signature.encode()):
        raise ValueError("the signature is another app's")
    told = json_object(body)
    values = told.get("values")
    found = []
    for one in values if isinstance(values, list) else [values]:
        if event := _event(told, one):
            found.append(event)
    return found


def _event(told: Mapping[str, Any], one: Any) -> HookEvent | None:
    if not isinstance(one, dict) or not isinstance(one.get("value"), dict):
        return None
    field, value = str(one.get("field")), one["value"]
    kind = FIELDS.get(field)
    root = value.get("root_post")
    post = root.get("id") if isinstance(root, dict) else value.get("id")
    if kind is None or not post:
        return None
    parts = (field, str(value.get("id")), str(told.get("time")))
    return HookEvent(json.dumps(parts), kind, str(told.get("target_id")), str(post))


def challenge(query: Mapping[str, str], verify_token: str) -> str:
    """What answers the handshake. ValueError: somebody else asks."""
    shown = query.get("hub.verify_token", "")
    is_ours = hmac.compare_digest(shown.encode(), verify_token.encode())
    if query.get("hub.mode") != "subscribe" or not is_ours:
        raise ValueError("the verify token is another one")
    return query.get("hub.challenge", "")
