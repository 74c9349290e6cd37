"""Files that leave before their post does, and beside the lane of its account.

A post with large files, or with a video, that a network keeps for a while is prepared
ahead of its due time: uploads, containers and transcoding, everything but the commit. The
row stays scheduled meanwhile, with a lease: people may edit, move or cancel it, which
discards what was sent, and no other post of its account waits for it. The commit comes
when the row is claimed once more, in its turn.

Large files go like this even when their post is due already, so that an upload of an
hour makes nobody else late.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from platforms import registry
from platforms.base import Draft, MediaKind
from platforms.http import time_for

#: Files of so many bytes together may take half a minute of a slow line: they do not
#: go in their post's turn.
HEAVY_BYTES = 8 << 20
#: A network may work on a video for so long.
WORKS_FOR = timedelta(minutes=30)
#: Of the time that a network keeps what is there, so much is left for a post that is late.
SHARE = 0.75
#: What cannot be sent ahead just now is tried again after this.
LATER = timedelta(minutes=15)


def size_of(draft: Draft | dict[str, Any]) -> int:
    """Bytes of all its files. draft: a Draft, or what `draft_doc` made of one."""
    if isinstance(draft, Draft):
        return sum(file.size_bytes for file in draft.media)
    return sum(int(facts["size_bytes"]) for facts in draft.get("media", ()))


def is_heavy(draft: Draft) -> bool:
    return size_of(draft) >= HEAVY_BYTES


def lead_s(platform: str, draft: Draft) -> int:
    """Seconds before its due time at which a post's files may leave; 0: with it.

    Time enough for a slow line and for the network's work, within the time for which the
    network keeps files that no post shows yet.
    """
    kept_s = registry.spec(platform).keeps_uploads_s
    video = any(file.kind is MediaKind.VIDEO for file in draft.media)
    if kept_s is None or not (video or is_heavy(draft)):
        return 0
    wanted = WORKS_FOR.total_seconds() + time_for(size_of(draft))
    return int(min(wanted, kept_s * SHARE))


def plan(lead: int, due_at: datetime) -> dict[str, Any]:
    """Fields of a delivery that is due then: what was sent before does not count."""
    ahead = lead and due_at > timezone.now()
    return {
        "prepare_lead_s": lead,
        "prepare_at": due_at - timedelta(seconds=lead) if ahead else None,
        "prepared_at": None,
        "sent_bytes": 0,
    }
