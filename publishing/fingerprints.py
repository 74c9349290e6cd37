"""Whether two posts are the same to those who read them."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any

from platforms.base import Draft


def fingerprint(draft: Draft | dict[str, Any]) -> str:
    """What an audience would call the same post: 64 hex digits; "" for an empty one.

    Of wording (composed alike, runs of white space as one space, case kept), link and
    files in order. draft: a Draft, or what `draft_doc` made of one.
    """
    if isinstance(draft, Draft):
        text, link = draft.text, draft.link_url
        files = [file.sha256 for file in draft.media]
    else:
        text, link = draft["text"], draft["link_url"]
        files = [facts["sha256"] for facts in draft["media"]]
    words = " ".join(unicodedata.normalize("NFC", text).split())
    parts = [words, link.strip(), *files]
    if not any(parts):
        return ""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
