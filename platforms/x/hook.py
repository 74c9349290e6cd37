"""What X tells us by itself: answers to posts, deleted posts, and access taken away.

It asks again and again whether the address is ours; a wrong answer ends the events at
once. Events are doubled at times, and come in any order.
Source: https://docs.x.com/x-api/webhooks/quickstart, .../activity/introduction
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from ..base import Hook, HookAnswer, HookEvent


def signature(secret: str, message: bytes) -> str:
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return "sha256=" + base64.b64encode(digest).decode()


def challenge(query: Mapping[str, str], secret: str) -> HookAnswer:
    """The "CRC". ValueError: it asks nothing, or to have an event signed: whoever asks
    gets what they name signed in the way in which events are."""
    token = query.get("crc_token", "")
    if not token or len(token) > 500 or "{" in token:
        raise ValueError("there is no crc_token")
    body = json.dumps({"response_token": signature(secret, token.encode())})
    return HookAnswer(body, "application/json")


def events(body: bytes, headers: Mapping[str, str], secret: str) -> list[HookEvent]:
    """headers: names in lower case. ValueError: not from X.

    Nothing in it says when it was signed: an old one again leads to a look more.
    """
    shown = headers.get("x-twitter-webhooks-signature", "")
    if not hmac.compare_digest(signature(secret, body).encode(), shown.encode()):
        raise ValueError("the signature is another app's")
    try:
        told = json.loads(body)
    except ValueError:
        raise ValueError("it is no JSON") from None
    data = told.get("data") if isinstance(told, dict) else None
    event = _event(data) if isinstance(data, dict) else None
    return [event] if event else []


def _event(data: Mapping[str, Any]) -> HookEvent | None:
    payload, asked = _dict(data.get("payload")), _dict(data.get("filter"))
    key, kind = str(data.get("event_uuid") or ""), data.get("event_type")
    user = str(asked.get("user_id") or "")
    if not key:
        return None
    if kind == "oauth.revoke":
        return HookEvent(key, Hook.ACCESS, str(payload.get("user_id") or user))
    if kind == "post.delete":
        return HookEvent(key, Hook.POST, user, str(payload.get("id") or ""))
    if kind == "post.reply.create":
        # The thread's first post, where X names it; else the one that was answered.
        post = payload.get("conversation_id") or _answered(payload)
        return HookEvent(key, Hook.COMMENTS, user, str(post)) if post else None
    return None


def _answered(payload: Mapping[str, Any]) -> Any:
    rows = payload.get("referenced_tweets")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("type") == "replied_to":
            return row.get("id")
    return payload.get("in_reply_to_tweet_id")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
