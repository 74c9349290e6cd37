"""Whether two posts are the same to those who read them."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from typing import Any

from platforms.base import Draft, MediaFile

from . import tagging


def fingerprint(draft: Draft | dict[str, Any]) -> str:
    """What an audience would call the same post: 64 hex digits; "" for an empty one.

    Of wording (composed alike, runs of white space as one space, case kept), link, poll
    and files in order, of all parts, without what `tagging` adds to links. draft: a Draft, or what `draft_doc` made of one.
    """
    if isinstance(draft, Draft):
        link, poll = draft.link_url, draft.poll
        asked = (poll.question, poll.options) if poll else None
        said = [(draft.text, _sums(draft.media))]
        said += [(part.text, _sums(part.media)) for part in draft.parts]
    else:
        link, doc = draft["link_url"], draft.get("poll")
        asked = (doc["question"], doc["options"]) if doc else None
        said = [
            (one["text"], [facts["sha256"] for facts in one["media"]])
            for one in (draft, *draft.get("parts", ()))
        ]
    (text, files), *further = [(_words(text), files) for text, files in said]
    parts: list[Any] = [text, tagging.untagged(link.strip()), *files, *further]
    if asked:
        question, answers = asked
        parts.append({"poll": [_words(words) for words in (question, *answers)]})
    if not any(parts):
        return ""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def exact(value: Any) -> str:
    """Of a JSON value, to the last letter: what an approval is of. 64 hex digits."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", tagging.untagged(text)).split())


def _sums(media: Iterable[MediaFile]) -> list[str]:
    return [file.sha256 for file in media]
