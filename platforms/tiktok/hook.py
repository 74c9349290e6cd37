"""What TikTok tells us by itself: read from the signed bytes, and only then believed.

`content` is JSON within JSON. Events come at least once, in any order, for up to 72
hours. Source: https://developers.tiktok.com/doc/webhooks-events, .../webhooks-verification
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime

from ..base import Hook, HookEvent, json_object

SIGNATURE = re.compile(r"t=(\d{1,12}),\s*s=([0-9a-f]{64})")
#: How far the time that was signed may be from ours.
TOLERANCE_S = 300
#: name of the event -> what it is about; older spellings are still sent
KINDS = {
    "post.publish.failed": Hook.PUBLISH,
    "post.publish.complete": Hook.PUBLISH,
    "post.publish.inbox_delivered": Hook.PUBLISH,
    "post.publish.publicly_available": Hook.PUBLISH,
    "post.publish.publicaly_available": Hook.PUBLISH,
    "post.publish.no_longer_publicaly_available": Hook.POST,
    "post.publish.no_longer_publicly_available": Hook.POST,
    "authorization.removed": Hook.ACCESS,
}


def events(
    body: bytes, headers: Mapping[str, str], secret: str, now: datetime
) -> list[HookEvent]:
    """headers: names in lower case. ValueError: not from TikTok, or not lately."""
    match = SIGNATURE.fullmatch(headers.get("tiktok-signature", ""))
    if match is None:
        raise ValueError("there is no signature")
    signed = match[1].encode() + b"." + body
    wanted = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, match[2]):
        raise ValueError("the signature is another app's")
    if abs(now.timestamp() - int(match[1])) > TOLERANCE_S:
        raise ValueError("it was signed too long ago")
    told = json_object(body)
    kind = KINDS.get(str(told.get("event")))
    if kind is None:
        return []
    content = json_object(str(told.get("content") or "{}"))
    user = str(told.get("user_openid") or "")
    publish, post = str(content.get("publish_id") or ""), content.get("post_id")
    post_id = str(post) if post else ""
    parts = (told["event"], user, publish, post_id, told.get("create_time"))
    about = post_id if kind is Hook.POST else publish
    return [HookEvent(json.dumps(parts), kind, user, about)]
