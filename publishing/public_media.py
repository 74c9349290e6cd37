"""Addresses at which platforms fetch files themselves: signed, and over after a day.

Whoever has such an address may read that one file; none can be guessed, none leads to
another, and each is made anew whenever a post is sent.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

SALT = "publishing.public_media"
#: As long as Instagram keeps a container that it has not finished fetching.
LIFE = timedelta(hours=24)


def address(asset: int, file_name: str) -> str:
    """Where the file is found by anybody who is told. ASCII only.

    file_name: for platforms that judge a file by its ending.
    """
    token = signing.dumps(asset, salt=SALT)
    return settings.SITE_URL.rstrip("/") + reverse(
        "media_public", args=[token, file_name]
    )


def asset_of(token: str) -> int | None:
    """The asset that an address was made for; None: never made, changed, or over."""
    try:
        found = signing.loads(token, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        return None
    return found if isinstance(found, int) else None
