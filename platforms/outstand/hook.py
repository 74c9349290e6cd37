"""What Outstand tells us by itself: read from the signed bytes, and only then believed.

`post.published` says that one account at least has it, `post.error` that none has: of
both the post is read. At least once, in any order, for some minutes.
Source: https://www.outstand.so/docs/webhooks (as quoted up to 2026-10).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping

from ..base import Hook, HookEvent, json_object

SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
POSTS = frozenset({"post.published", "post.error"})
EXPIRED = "account.token_expired"


def events(body: bytes, headers: Mapping[str, str], secret: str) -> list[HookEvent]:
    """headers: names in lower case. ValueError: not from Outstand."""
    match = SIGNATURE.fullmatch(headers.get("x-outstand-signature", ""))
    if match is None:
        raise ValueError("there is no signature")
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, match[1]):
        raise ValueError("the signature is another one's")
    told = json_object(body)
    event, data = str(told.get("event")), told.get("data")
    if not isinstance(data, dict):
        return []
    at = str(told.get("timestamp") or "")
    if event == EXPIRED and data.get("accountId"):
        account = str(data["accountId"])
        key = json.dumps([event, account, at])
        return [HookEvent(key, Hook.ACCESS, account)]
    post = str(data.get("postId") or "")
    if event not in POSTS or not post:
        return []
    rows = data.get("socialAccounts")
    accounts = [
        str(row["accountId"])
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and row.get("accountId")
    ]
    return [
        HookEvent(json.dumps([event, post, account, at]), Hook.PUBLISH, account, post)
        for account in accounts
    ]
