"""Chat rooms and programs: what they are sent, signed, over the guarded way out."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.causes import explain
from platforms.errors import Cause, PlatformError
from platforms.http import Http, without

from .letters import Letter, incident_words
from .models import Alert, AlertChannel

#: One whole call. A chat room that needs longer is asked again later.
TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024
#: Slack takes 3,000 characters per text, and 150 in a head.
MAX_TEXT, MAX_HEAD = 2900, 150
#: Accounts in one event; `incident.account_count` counts all.
LISTED = 50
VERSION = "v1"
NO_WIDTH = "\u200b"
#: Both Mattermost and Rocket.Chat take a backslash before these.
MARKDOWN_SIGNS = re.compile(r"[\\`*_~#]")


class Refused(Exception):
    """It did not arrive, in words without the address. wait: what the other side asks."""

    def __init__(self, words: str, wait: timedelta | None = None) -> None:
        super().__init__(words)
        self.wait = wait


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """ "v1=" and HMAC-SHA256 over "<timestamp>.<body>", in hexadecimal."""
    signed = timestamp.encode() + b"." + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"{VERSION}={digest}"


# ---------------------------------------------------------------- what is sent


def event(alert: Alert, letter: Letter) -> dict[str, Any]:
    """An event for programs; docs/operations.md describes each field."""
    incident = alert.incident
    sentence = " ".join(letter.sentences)
    if alert.kind == Alert.Kind.RESOLVED:
        # What it was; the title says that it is over.
        sentence = str(explain(incident.cause).sentence)
    return {
        "id": alert.event_id,
        "type": alert.kind,
        "created_at": _iso(alert.created_at),
        "title": letter.subject,
        "incident": {
            "id": incident.pk,
            "kind": incident.kind,
            "state": incident.state,
            "cause": incident.cause,
            "head": incident_words(incident),
            "sentence": sentence,
            "cure": letter.cure,
            "opened_at": _iso(incident.opened_at),
            "resolved_at": _iso(incident.resolved_at),
            "ends_at": _iso(incident.ends_at),
            "days_left": alert.days if alert.kind == Alert.Kind.NOTICE else None,
            "account_count": letter.account_count,
            "post_count": letter.post_count,
            "first_due_at": _iso(letter.first_due_at),
            "url": settings.SITE_URL + incident.get_absolute_url(),
        },
        "accounts": [
            {
                "id": account.pk,
                "name": account.name,
                "platform": account.platform,
                "network": account.network,
                "brand": account.brand.name,
                "url": settings.SITE_URL + account.get_absolute_url(),
            }
            for account in letter.account_rows[:LISTED]
        ],
        "action": {"label": letter.button, "url": letter.link},
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _lines(letter: Letter) -> list[str]:
    lines = [*letter.sentences]
    lines += [f"• {name}" for name in letter.accounts]
    if letter.more_accounts:
        lines.append("• " + _("%(n)d more") % {"n": letter.more_accounts})
    return lines + [line for line in (letter.posts, letter.cure) if line]


def markdown(letter: Letter) -> dict[str, Any]:
    """The same for Mattermost and Rocket.Chat, which show the text alone."""
    lines = "\n".join(in_markdown(line) for line in _lines(letter))
    head = in_markdown(letter.head[:MAX_HEAD])
    button = f"[{in_markdown(letter.button)}]({letter.link})"
    return {"text": f"**{head}**\n{_cut(lines)}\n{button}"}


def chat(letter: Letter) -> dict[str, Any]:
    """The same for Slack: text for notifications, blocks for the room."""
    text = escaped("\n".join(_lines(letter)))
    return {
        "text": f"{escaped(letter.subject)}\n{escaped(letter.posts)}".strip(),
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": letter.head[:MAX_HEAD]},
            },
            {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text)}},
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "text": {"type": "plain_text", "text": letter.button[:75]},
                        "url": letter.link,
                        "style": "primary",
                    }
                ],
            },
        ],
    }


def escaped(text: str) -> str:
    """For Slack's mrkdwn: a name such as <!channel> must call nobody.

    Nor may "@all" or "[here](https://...)", for others take Slack's form as well and
    read it as Markdown: a space of no width takes their meaning away.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("@", f"@{NO_WIDTH}").replace("](", f"]{NO_WIDTH}(")


def in_markdown(text: str) -> str:
    """The same for Markdown, whose signs show as they were written, on one line."""
    one_line = " ".join(text.split())
    return MARKDOWN_SIGNS.sub(r"\\\g<0>", escaped(one_line))


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    # Not within an entity, which would show as one.
    return text[:MAX_TEXT].rpartition("\n")[0] + "\n…"


#: what a chat room gets, by the kind of its channel
CHATS: Mapping[str, Callable[[Letter], dict[str, Any]]] = {
    AlertChannel.Kind.SLACK: chat,
    AlertChannel.Kind.MARKDOWN: markdown,
}


def test_event(channel: AlertChannel) -> tuple[dict[str, Any], Letter]:
    """What "Send a test" sends; its type is none of the real ones."""
    subject = _("Test message of SocialHub")
    link = settings.SITE_URL + "/"
    letter = Letter(
        subject=subject,
        head=subject,
        sentences=(
            _("Messages of SocialHub arrive here: %(name)s.") % {"name": channel.name},
        ),
        accounts=(),
        more_accounts=0,
        posts="",
        cure="",
        button=_("Open SocialHub"),
        link=link,
        reason="",
    )
    doc: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "type": "test",
        "created_at": timezone.now().isoformat(),
        "title": subject,
        "incident": None,
        "accounts": [],
        "action": {"label": letter.button, "url": link},
    }
    return doc, letter


# ---------------------------------------------------------------- the call


def post(channel: AlertChannel, doc: Mapping[str, Any], letter: Letter) -> None:
    """Send once; Refused unless the other side takes it. No redirect is followed."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if in_words := CHATS.get(channel.kind):
        body = json.dumps(in_words(letter), ensure_ascii=False).encode()
    else:
        body = json.dumps(doc, ensure_ascii=False).encode()
        timestamp = str(int(time.time()))
        headers |= {
            "X-SocialHub-Event": str(doc["type"]),
            "X-SocialHub-Id": str(doc["id"]),
            "X-SocialHub-Timestamp": timestamp,
            "X-SocialHub-Signature": sign(channel.secret, timestamp, body),
        }
    http = Http(allow_private=may_be_private(channel.url), total_s=TIMEOUT_S)
    http.private_hosts = frozenset(h.lower() for h in settings.ALLOWED_PRIVATE_HOSTS)
    try:
        answer = http.request(
            "POST",
            channel.url,
            call=f"alert channel {channel.pk}",
            mutates=False,
            headers=headers,
            data=body,
            max_bytes=MAX_ANSWER_BYTES,
        )
    except PlatformError as error:
        raise Refused(_words(error)) from None
    if answer.ok:
        return
    wait = answer.retry_after
    if 300 <= answer.status < 400:
        raise Refused(
            _("It answered with a redirect (%(status)d), which is not followed.")
            % {"status": answer.status}
        )
    # Servers like to repeat the address, which lets its reader post there.
    secrets = {channel.url, urlsplit(channel.url).path.strip("/")} - {""}
    text = without(secrets, answer.text(1000))[:150]
    raise Refused(
        _("It answered %(status)d: %(text)s") % {"status": answer.status, "text": text},
        timedelta(seconds=wait) if wait else None,
    )


def may_be_private(url: str) -> bool:
    """Named in ALLOWED_PRIVATE_HOSTS: a server of one's own."""
    try:
        place = urlsplit(url).netloc.lower()
    except ValueError:
        return False
    return place in {host.lower() for host in settings.ALLOWED_PRIVATE_HOSTS}


def _words(error: PlatformError) -> str:
    """Why nothing arrived; never the address, which lets its reader post there."""
    if error.cause == Cause.ADDRESS_REFUSED:
        return _("The address is not https, or leads into a private network.")
    if error.cause == Cause.TIMED_OUT:
        return _("It did not answer in time.")
    if error.cause == Cause.ANSWER_UNREADABLE:
        return _("Its answer is too long.")
    return _("It cannot be reached.")
