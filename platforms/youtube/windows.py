"""YouTube's windows: what each call draws, per Google Cloud project and channel.

Source: https://developers.google.com/youtube/data/determine_quota_cost (2026-11-04).
All of the project's windows end at midnight Pacific time. No header tells the use.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

DAY_S = 24 * 3600
_PACIFIC = WindowKind.FIXED_PACIFIC_DAY

BUCKETS = (
    # Buckets of their own since 2026-06-01; before that an upload took 1600 units.
    Bucket("video_uploads", "app", 100, _PACIFIC, DAY_S),
    Bucket("search", "app", 100, _PACIFIC, DAY_S),
    Bucket("batch_get_stats", "app", 10_000, _PACIFIC, DAY_S),
    Bucket("units", "app", 10_000, _PACIFIC, DAY_S),
    # Of one channel, whatever the project has left: depends on its history.
    Bucket(
        "channel_uploads",
        "account",
        None,
        WindowKind.ROLLING_LOG,
        DAY_S,
        verified=False,
    ),
    Bucket(
        "channel_thumbnails",
        "account",
        None,
        WindowKind.ROLLING_LOG,
        DAY_S,
        verified=False,
    ),
)

READ = {"units": 1}
WRITE = {"units": 50}

#: call -> units per bucket. An invalid request costs as much as a good one, and each
#: page of a list is a call. Sending the bytes of a video costs nothing.
DRAWS: dict[str, dict[str, int]] = {
    # Whether the start or the end of the upload is charged is not documented; refusals
    # come at the start, so the start is counted.
    "POST videos.insert": {"video_uploads": 1, "channel_uploads": 1},
    "GET search.list": {"search": 1},
    "GET videos.batchGetStats": {"batch_get_stats": 1},
    "GET channels.list": READ,
    "GET videos.list": READ,
    "GET playlistItems.list": READ,
    "GET playlists.list": READ,
    "GET commentThreads.list": READ,
    "GET comments.list": READ,
    "POST thumbnails.set": WRITE | {"channel_thumbnails": 1},
    "PUT videos.update": WRITE,
    "DELETE videos.delete": WRITE,
    "POST playlistItems.insert": WRITE,
    "POST commentThreads.insert": WRITE,
    "POST comments.insert": WRITE,
    "PUT comments.update": WRITE,
    "DELETE comments.delete": WRITE,
    "POST comments.setModerationStatus": WRITE,
    "GET captions.list": WRITE,
    "POST captions.insert": {"units": 400},
    "PUT captions.update": {"units": 450},
}
