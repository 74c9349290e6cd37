"""What YouTube tells us by itself: a channel's videos are new, changed or gone.

A hub sends it (WebSub), for each channel for which we asked, until the time that it
grants ends. Doubled, out of order, and lost at times: a hint where to look.
Source: https://developers.google.com/youtube/v3/guides/push_notifications
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from ..base import Hook, HookAnswer, HookEvent

TOPIC = "https://www.youtube.com/xml/feeds/videos.xml?channel_id="
#: of which ours can tell that it is the hub that we asked, not a guess
TOKEN = "token"
#: What the hub grants at most; longer is no honest answer.
LONGEST_S = 10 * 24 * 3600
USUAL_S = 5 * 24 * 3600

_ATOM = "{http://www.w3.org/2005/Atom}"
_YT = "{http://www.youtube.com/xml/schemas/2015}"
_GONE = "{http://purl.org/atompub/tombstones/1.0}"
_CHANNEL = re.compile(r"/channel/([\w-]{5,40})$")


def challenge(query: Mapping[str, str], verify_token: str) -> HookAnswer:
    """What answers the hub. ValueError: it is another's, or nothing that we asked for."""
    shown = query.get(TOKEN, "")
    if not hmac.compare_digest(shown.encode(), verify_token.encode()):
        raise ValueError("the verify token is another one")
    topic = query.get("hub.topic", "")
    channel = (parse_qs(urlsplit(topic).query).get("channel_id") or [""])[0]
    if query.get("hub.mode") != "subscribe" or topic != TOPIC + channel:
        raise ValueError("nobody asked for that")
    granted = query.get("hub.lease_seconds", "")
    lease_s = int(granted) if granted.isdecimal() and len(granted) < 10 else USUAL_S
    return HookAnswer(
        query.get("hub.challenge", ""),
        account_id=channel,
        lease_s=min(lease_s, LONGEST_S),
    )


def events(body: bytes, headers: Mapping[str, str], secret: str) -> list[HookEvent]:
    """headers: names in lower case. ValueError: not from the hub that we asked.

    Nothing in it says when it was signed: an old one again leads to a look more.
    """
    wanted = "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    shown = headers.get("x-hub-signature", "")
    if not hmac.compare_digest(wanted.encode(), shown.encode()):
        raise ValueError("the signature is another one's")
    # Entities of its own unfold to gigabytes; an honest feed has none.
    if b"<!DOCTYPE" in body or b"\0" in body:
        raise ValueError("it is no plain XML")
    try:
        feed = ElementTree.fromstring(body)  # noqa: S314
    except ElementTree.ParseError:
        raise ValueError("it is no XML") from None
    found = []
    for entry in feed.iter(f"{_ATOM}entry"):
        video = entry.findtext(f"{_YT}videoId", "")
        channel = entry.findtext(f"{_YT}channelId", "")
        at = entry.findtext(f"{_ATOM}updated", "")
        if video and channel:
            found.append(HookEvent(f"{video} {at}", Hook.POST, channel, video))
    for gone in feed.iter(f"{_GONE}deleted-entry"):
        video = gone.get("ref", "").rpartition(":")[2]
        by = gone.findtext(f"{_GONE}by/{_ATOM}uri", "") or gone.findtext(
            f"{_GONE}by/{_GONE}uri", ""
        )
        owner = _CHANNEL.search(by)
        if video and owner:
            key = f"{video} gone {gone.get('when', '')}"
            found.append(HookEvent(key, Hook.POST, owner[1], video))
    return found
