"""Threads' windows: what each call draws, per profile.

Source: https://developers.facebook.com/docs/threads/overview (rate limiting).
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

DAY_S = 24 * 3600
_ROLLING = WindowKind.ROLLING_LOG

BUCKETS = (
    Bucket("posts", "account", 250, _ROLLING, DAY_S),
    Bucket("replies", "account", 1_000, _ROLLING, DAY_S),
    Bucket("deletes", "account", 100, _ROLLING, DAY_S),
    Bucket("location_searches", "account", 500, _ROLLING, DAY_S),
    Bucket("keyword_searches", "account", 500, _ROLLING, 7 * DAY_S, verified=False),
    # 4800 x the profile's impressions of 24 hours, which count as 10 at the least.
    Bucket("calls", "account", 48_000, _ROLLING, DAY_S, verified=False),
)

CALL = {"calls": 1}

#: call -> units per bucket. A carousel is one post; publishing is what counts.
DRAWS: dict[str, dict[str, int]] = {
    "GET /me": CALL,
    "GET /me/threads": CALL,
    "GET /:media": CALL,
    "POST /:user/threads": CALL,
    "GET /:container": CALL,
    "POST /:user/threads_publish": CALL | {"posts": 1},
    "POST /:user/threads (reply)": CALL | {"replies": 1},
    "POST /:user/threads (part)": CALL,
    "POST /:user/threads_publish (part)": CALL | {"replies": 1},
    "GET /:user/threads_publishing_limit": CALL,
    "POST /:reply/manage_reply": CALL,
    "GET /:media/replies": CALL,
    "GET /:media/conversation": CALL,
    "GET /me/replies": CALL,
    "GET /:user/threads_insights": CALL,
    "GET /:media/insights": CALL,
    "DELETE /:media": CALL | {"deletes": 1},
    "GET /location_search": CALL | {"location_searches": 1},
    "GET /keyword_search": CALL | {"keyword_searches": 1},
}
