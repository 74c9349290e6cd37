"""The hub that tells of a channel's videos, in the practice network (WebSub).

It asks the callback by itself whether it wants what was asked for, and grants a time;
then it sends a small feed for each public video that is new, changed or gone. Sent from
threads of their own: a slow receiver holds nobody up.
Sources: https://developers.google.com/youtube/v3/guides/push_notifications,
https://pubsubhubbub.github.io/PubSubHubbub/pubsubhubbub-core-0.4.html.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import sqlite3
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from ..practice.calling import Calling
from ..practice.framework import Doc, route
from ..practice.switches import Switch
from .twin_calls import Calls

logger = logging.getLogger(__name__)

FEEDS = ("/xml/feeds/videos.xml", "/feeds/videos.xml")

HUB_SWITCHES = (
    Switch("hub_lease_s", "Seconds for which the hub grants events", 432_000),
    Switch("hub_times", "How often the hub sends each event", 1),
    Switch(
        "hub_signs",
        "How the hub signs events",
        "rightly",
        ("rightly", "wrongly"),
    ),
)


class Hub(Calls, Calling):
    @route("POST", "/hub/subscribe", call="POST /subscribe")
    def subscribe(self, request: Request) -> Response:
        mode, topic = request.form.get("hub.mode"), request.form.get("hub.topic", "")
        callback = request.form.get("hub.callback", "")
        if mode not in ("subscribe", "unsubscribe") or not _channel(topic):
            return Response("Invalid value for hub.mode or hub.topic", 400)
        if urlsplit(callback).scheme not in ("http", "https"):
            return Response("Invalid parameter: hub.callback", 400)
        asked = {
            "mode": mode,
            "topic": topic,
            "callback": callback,
            "secret": request.form.get("hub.secret", ""),
            "lease_s": int(self.setting("hub_lease_s")),
        }
        self.in_background(self._verify, asked)
        return Response(status=202)

    def _verify(self, asked: Doc) -> None:
        challenge = secrets.token_urlsafe(16)
        query = {
            "hub.mode": asked["mode"],
            "hub.topic": asked["topic"],
            "hub.challenge": challenge,
            "hub.lease_seconds": str(asked["lease_s"]),
        }
        joint = "&" if urlsplit(asked["callback"]).query else "?"
        url = f"{asked['callback']}{joint}{urlencode(query)}"
        answer = self.call_out("GET", url)
        if answer is None or not answer.ok or answer.text != challenge:
            return
        id = hashlib.sha256(
            f"{asked['topic']} {asked['callback']}".encode()
        ).hexdigest()
        try:
            with self.world.transaction():
                if asked["mode"] == "unsubscribe":
                    self.drop("subscription", id)
                    return
                ends_at = self.time() + asked["lease_s"]
                self.put("subscription", id, {**asked, "ends_at": ends_at})
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before it was verified")

    def subscriptions(self, channel: str) -> list[Doc]:
        """Those that have not ended."""
        return [
            row
            for _id, row in self.all("subscription")
            if _channel(row["topic"]) == channel and row["ends_at"] > self.time()
        ]

    def tell_video(self, video: Doc, *, gone: bool = False) -> None:
        """A public video is new or changed; gone: deleted, or private now."""
        for row in self.subscriptions(video["channel"]):
            body = (_tombstone if gone else _feed)(video, self.time()).encode()
            secret = row["secret"]
            if self.setting("hub_signs") == "wrongly":
                secret = f"not {secret}"
            digest = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
            headers = {"Content-Type": "application/atom+xml"}
            if row["secret"]:
                headers["X-Hub-Signature"] = f"sha1={digest}"
            for _time in range(int(self.setting("hub_times"))):
                self.in_background(
                    self.call_out, "POST", row["callback"], body, headers
                )


def _channel(topic: str) -> str:
    """ "": it is no feed of a channel."""
    parts = urlsplit(topic)
    if parts.hostname != "www.youtube.com" or parts.path not in FEEDS:
        return ""
    return (parse_qs(parts.query).get("channel_id") or [""])[0]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _feed(video: Doc, now: float) -> str:
    id, channel = escape(video["id"]), escape(video["channel"])
    title = escape(str(video.get("title", "")))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
        'xmlns="http://www.w3.org/2005/Atom">'
        '<link rel="hub" href="https://pubsubhubbub.appspot.com"/>'
        f"<title>YouTube video feed</title><updated>{_time(now)}</updated>"
        f"<entry><id>yt:video:{id}</id><yt:videoId>{id}</yt:videoId>"
        f"<yt:channelId>{channel}</yt:channelId><title>{title}</title>"
        f'<link rel="alternate" href="https://www.youtube.com/watch?v={id}"/>'
        f"<updated>{_time(now)}</updated></entry></feed>"
    )


def _tombstone(video: Doc, now: float) -> str:
    id, channel = escape(video["id"]), escape(video["channel"])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" '
        'xmlns="http://www.w3.org/2005/Atom">'
        f'<at:deleted-entry ref="yt:video:{id}" when="{_time(now)}">'
        f'<link href="https://www.youtube.com/watch?v={id}"/><at:by><name/>'
        f"<uri>https://www.youtube.com/channel/{channel}</uri></at:by>"
        "</at:deleted-entry></feed>"
    )
