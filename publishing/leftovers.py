"""Files that came in and that nobody used: told for a while, and then deleted.

A file is wanted when it stands in a post, or when a person kept it: added it to the
library, put it into a folder, wrote about it, made another one of it, or said so.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from . import media
from .models import MediaAsset

logger = logging.getLogger(__name__)

#: Deleted in one run at most: each is a transaction of its own.
MOST = 200


def tidy(now: datetime) -> int:
    """Note what became loose, and delete what was so for long. Safe to run twice."""
    rows = MediaAsset.objects.all()
    loose = rows.loose().values("pk")
    rows.filter(loose_since__isnull=False).exclude(pk__in=loose).update(
        loose_since=None
    )
    rows.filter(pk__in=loose, loose_since=None).update(loose_since=now)
    days = int(settings.MEDIA_UNUSED_DAYS)
    if not days:
        return 0
    gone = 0
    old = rows.loose().filter(loose_since__lt=now - timedelta(days=days))
    for asset in old.order_by("loose_since")[:MOST]:
        try:
            media.remove(asset, None)
        except media.StillUsed:
            logger.info("file %s is used after all", asset.pk)
        else:
            gone += 1
    return gone


def keep(pks: list[int]) -> int:
    """A person wants these. How many were not kept before."""
    rows = MediaAsset.objects.filter(pk__in=pks, is_kept=False)
    return rows.update(is_kept=True, loose_since=None)


def soon() -> Q:
    """Those that go by themselves."""
    return Q(loose_since__isnull=False, is_kept=False)
