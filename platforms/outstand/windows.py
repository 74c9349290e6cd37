"""Outstand's own windows; those of the networks behind it come on top.

Source: https://www.outstand.so/docs (rate limits). One API key, so one app of ours,
stands for the whole organisation. The headers tell the size of the minute.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

MINUTE_S = 60
DAY_S = 24 * 3600
MONTH_S = 31 * DAY_S
#: Where a window begins is not documented: a sliding one is right for any beginning.
_SLIDING = WindowKind.ROLLING_LOG

#: posts of an Instagram account through apps
INSTAGRAM = "instagram_posts"

BUCKETS = (
    # "Dynamic, 20 to 500": the least until the headers tell more.
    Bucket("requests_minute", "app", 20, _SLIDING, MINUTE_S, verified=False),
    Bucket("requests_day", "app", 50_000, _SLIDING, DAY_S, verified=False),
    # By plan; an admin sets it.
    Bucket("posts", "app", None, WindowKind.MONTH, MONTH_S, verified=False),
    Bucket(
        INSTAGRAM, "account", 100, _SLIDING, DAY_S, False, "Posts to Instagram", "posts"
    ),
)

CALL = {"requests_minute": 1, "requests_day": 1}
POST = CALL | {"posts": 1}

#: call -> units per bucket. One post to one account is one unit, also when it fails.
DRAWS: dict[str, dict[str, int]] = {
    "POST /social-networks/:network/auth-url": CALL,
    "GET /social-accounts/pending/:session": CALL,
    "POST /social-accounts/pending/:session/finalize": CALL,
    "GET /social-accounts": CALL,
    "POST /posts": POST | {INSTAGRAM: 1},
    "PATCH /posts/:id": CALL,
    "DELETE /posts/:id": CALL,
    "GET /posts/:id": CALL,
    "GET /posts": CALL,
    "POST /media/upload": CALL,
    "POST /media/:id/confirm": CALL,
    "GET /posts/:id/analytics": CALL,
    "GET /posts/:id/comments": CALL,
    "POST /posts/:id/comments": CALL,
    "GET /social-accounts/:id/metrics": CALL,
}
