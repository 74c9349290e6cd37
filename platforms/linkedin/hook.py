"""What LinkedIn tells us by itself: what people did with posts of Pages.

Every two hours it asks whether the address is still ours. Events come in batches, at
least once, in any order, again every five minutes for eight hours.
Source: https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from ..base import Hook, HookAnswer, HookEvent

EVENT_TYPE = "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS"
#: This stands before the body in what is signed, and not in the header.
SIGNED_BEFORE = b"hmacsha256="
#: Likes and shares change figures alone.
KINDS = {
    "COMMENT": Hook.COMMENTS,
    "ADMIN_COMMENT": Hook.COMMENTS,
    "COMMENT_EDIT": Hook.COMMENTS,
    "COMMENT_DELETE": Hook.COMMENTS,
    "LIKE": Hook.POST,
    "SHARE": Hook.POST,
}


def challenge(query: Mapping[str, str], secret: str) -> HookAnswer:
    """ValueError: it asks nothing, or to have an event signed: whoever asks gets what
    they name signed in the way in which events are."""
    code = query.get("challengeCode", "")
    if not code or len(code) > 200 or "{" in code:
        raise ValueError("there is no challenge code")
    response = hmac.new(secret.encode(), code.encode(), hashlib.sha256).hexdigest()
    body = json.dumps({"challengeCode": code, "challengeResponse": response})
    return HookAnswer(body, "application/json")


def events(body: bytes, headers: Mapping[str, str], secret: str) -> list[HookEvent]:
    """headers: names in lower case. ValueError: not from LinkedIn.

    Nothing in it says when it was signed: an old one again leads to a look more.
    """
    signed = SIGNED_BEFORE + body
    wanted = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    shown = headers.get("x-li-signature", "").removeprefix(SIGNED_BEFORE.decode())
    if not hmac.compare_digest(wanted.encode(), shown.encode()):
        raise ValueError("the signature is another app's")
    try:
        told = json.loads(body)
    except ValueError:
        raise ValueError("it is no JSON") from None
    rows = told.get("notifications") if isinstance(told, dict) else None
    found = []
    for row in rows if isinstance(rows, list) else []:
        if event := _event(row):
            found.append(event)
    return found


def _event(row: Any) -> HookEvent | None:
    if not isinstance(row, dict):
        return None
    kind = KINDS.get(str(row.get("action")))
    post = row.get("decoratedSourcePost")
    # The activity beside it has another number than the post that we know.
    entity = post.get("entity") if isinstance(post, dict) else None
    number = row.get("notificationId")
    if kind is None or not entity or number is None:
        return None
    page = str(row.get("organizationalEntity") or "")
    return HookEvent(f"notification {number}", kind, page, str(entity))
