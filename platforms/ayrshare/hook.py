"""What Ayrshare tells us by itself: read from the signed bytes, and only then believed.

`scheduled` comes of our posts when TikTok has told the number of one (immediate posts
have their outcome in the answer), `social` when a network was linked, unlinked or wants
a new consent. At least once, in any order.
Source: https://www.ayrshare.com/docs/apis/webhooks/overview, .../actions (2026-10).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from ..base import Hook, HookEvent, json_object

#: The time is no part of what is signed, and deliveries go on for more than an hour.
TOLERANCE_S = 24 * 3600
#: action -> what it is about; those that we ask for
ACTIONS = {"scheduled": Hook.PUBLISH, "social": Hook.ACCESS}
#: the second one while a secret is changed
SIGNATURES = ("x-authorization-content-sha256", "x-authorization-content-sha256-v2")


def events(
    body: bytes, headers: Mapping[str, str], secret: str, now: datetime
) -> list[HookEvent]:
    """headers: names in lower case. ValueError: not from Ayrshare, or not lately."""
    told = [headers[name] for name in SIGNATURES if headers.get(name)]
    if not told:
        raise ValueError("there is no signature")
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    # Its documentation does not say which of both it is.
    wanted = (digest.hex(), base64.b64encode(digest).decode())
    if not any(_same(one, word) for one in told for word in wanted):
        raise ValueError("the signature is another one's")
    at = headers.get("x-authorization-timestamp", "")
    if not at.isdecimal() or abs(now.timestamp() - int(at)) > TOLERANCE_S:
        raise ValueError("it was signed too long ago")
    said = json_object(body)
    kind = ACTIONS.get(str(said.get("action")))
    profile = str(said.get("refId") or "")
    if kind is None or not profile:
        return []
    number = str(said.get("id") or "") if kind is Hook.PUBLISH else ""
    # Of what is signed: the number of a delivery stands in a header, which is not, so
    # that whoever has one event could send it as many.
    key = str(said.get("hookId") or hashlib.sha256(body).hexdigest())
    return [HookEvent(f"{said['action']} {key}", kind, profile, number)]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
