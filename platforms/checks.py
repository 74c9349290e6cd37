"""Findings that read the same on every network: link, number and kind of images."""

from __future__ import annotations

from urllib.parse import urlsplit

from .base import Draft, Finding, Identity, Level, MediaRule
from .errors import Cause
from .text import is_web_link
from .transport import is_public


def link_findings(draft: Draft) -> list[Finding]:
    link = draft.link_url.strip()
    if link and not is_web_link(link):
        return [Finding(Level.REFUSED, Cause.LINK_REFUSED, "link", {"link": link})]
    return []


def image_findings(draft: Draft, rule: MediaRule) -> list[Finding]:
    """What the rule says about each image; fields are media and media:N from 1."""
    found = []
    if len(draft.media) > rule.max_count:
        values = {"count": len(draft.media), "limit": rule.max_count}
        found.append(Finding(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media", values))
    for number, media in enumerate(draft.media, 1):
        where = f"media:{number}"
        if media.mime_type not in rule.mime_types:
            kinds = {
                "mime_type": media.mime_type,
                "allowed": ", ".join(rule.mime_types),
            }
            found.append(Finding(Level.REFUSED, Cause.MEDIA_TYPE, where, kinds))
        pixels = media.width * media.height
        for used, limit, unit in (
            (media.size_bytes, rule.max_bytes, "bytes"),
            (pixels, rule.max_pixels, "pixels"),
        ):
            if limit is not None and used > limit:
                size = {"used": used, "limit": limit, "unit": unit}
                found.append(Finding(Level.REFUSED, Cause.MEDIA_TOO_LARGE, where, size))
        alt = len(media.alt_text.strip())
        if not alt:
            found.append(Finding(Level.WARNING, Cause.ALT_TEXT_MISSING, where))
        elif rule.max_alt is not None and alt > rule.max_alt:
            length = {"used": alt, "limit": rule.max_alt, "unit": "characters"}
            found.append(Finding(Level.REFUSED, Cause.ALT_TEXT_TOO_LONG, where, length))
    return found


def fetch_findings(draft: Draft, account: Identity | None) -> list[Finding]:
    """Whether a platform that fetches files itself can reach ours.

    The practice network runs beside us: its accounts have addresses there, and may
    fetch from any.
    """
    outside = account is not None and _is_outside(account.url)
    for media in draft.media:
        if not media.public_url or (outside and not _is_outside(media.public_url)):
            return [Finding(Level.REFUSED, Cause.MEDIA_NOT_PUBLIC, "media")]
    return []


def _is_outside(url: str) -> bool:
    """An address that the whole internet can call, as far as its name tells."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return is_public(host)
    except ValueError:
        private = (".localhost", ".local", ".internal", ".lan", ".test")
        return "." in host and not host.endswith(private)
