"""Ayrshare's own windows; those of the networks behind it come on top.

Source: https://www.ayrshare.com/docs (rate limits, quotas; 2026-10-04). A profile is
one Profile-Key, so one token of ours. Not a window of calls, so not here: a profile
that gets 1000 answers 429 in 24 h is suspended.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

MINUTE_S, DAY_S = 60, 24 * 3600
MONTH_S = 31 * DAY_S
_ROLLING = WindowKind.ROLLING_LOG

#: Posts to a network behind it, of one profile, as the vendor's media guidelines have
#: them. Fixed or sliding is not documented.
OF_NETWORKS = (
    Bucket(
        "instagram_posts",
        "token",
        50,
        _ROLLING,
        DAY_S,
        False,
        "Posts to Instagram",
        "posts",
    ),
    Bucket(
        "threads_posts",
        "token",
        250,
        _ROLLING,
        DAY_S,
        False,
        "Posts to Threads",
        "posts",
    ),
    Bucket(
        "linkedin_posts",
        "token",
        150,
        _ROLLING,
        DAY_S,
        False,
        "Posts to LinkedIn",
        "posts",
    ),
    Bucket(
        "tiktok_posts", "token", 15, _ROLLING, DAY_S, False, "Posts to TikTok", "posts"
    ),
    Bucket(
        "tiktok_minute",
        "token",
        6,
        _ROLLING,
        MINUTE_S,
        False,
        "Posts to TikTok",
        "posts",
    ),
    Bucket(
        "facebook_reels",
        "token",
        30,
        _ROLLING,
        DAY_S,
        False,
        "Reels to Facebook",
        "posts",
    ),
)

BUCKETS = (
    # Fixed or sliding is not documented: a sliding count is right for both.
    Bucket("requests", "token", 300, WindowKind.ROLLING_LOG, 5 * 60, verified=False),
    # By plan; an admin sets it. It begins anew on the 1st at 00:07 UTC.
    Bucket("posts", "token", None, WindowKind.MONTH, MONTH_S, begins_s=7 * 60),
    *OF_NETWORKS,
)

CALL = {"requests": 1}
POST = CALL | {"posts": 1}
#: network, or network and placement -> what a post to it draws on
TO_NETWORK: dict[str, dict[str, int]] = {
    "instagram": {"instagram_posts": 1},
    "threads": {"threads_posts": 1},
    "linkedin": {"linkedin_posts": 1},
    "tiktok": {"tiktok_posts": 1, "tiktok_minute": 1},
    "facebook reel": {"facebook_reels": 1},
}

#: call -> units per bucket. A failed post counts; a scheduled one when it goes out. Of
#: the networks' own a post draws on those of the one that it goes to.
DRAWS: dict[str, dict[str, int]] = {
    "GET /user": CALL,
    "POST /profiles": CALL,
    "GET /profiles": CALL,
    "DELETE /profiles": CALL,
    "POST /profiles/link-sessions": CALL,
    "POST /post": POST | {bucket.key: 1 for bucket in OF_NETWORKS},
    "PATCH /post": CALL,
    "DELETE /post": CALL,
    "PUT /post/retry": POST,
    "POST /validate/post": CALL,
    "GET /history": CALL,
    "GET /post/:id": CALL,
    "POST /analytics/post": CALL,
    "POST /analytics/social": CALL,
    "GET /comments/:id": CALL,
    "POST /comments": CALL,
    "POST /hook/webhook": CALL,
}
