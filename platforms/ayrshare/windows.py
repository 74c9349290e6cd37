"""Ayrshare's own windows; those of the networks behind it come on top.

Source: https://www.ayrshare.com/docs (rate limits, quotas; 2026-10-04). A profile is
one Profile-Key, so one token of ours. Not a window of calls, so not here: a profile
that gets 1000 answers 429 in 24 h is suspended.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

MONTH_S = 31 * 24 * 3600

BUCKETS = (
    # Fixed or sliding is not documented: a sliding count is right for both.
    Bucket("requests", "token", 300, WindowKind.ROLLING_LOG, 5 * 60, verified=False),
    # By plan; an admin sets it. It begins anew on the 1st at 00:07 UTC.
    Bucket("posts", "token", None, WindowKind.MONTH, MONTH_S, begins_s=7 * 60),
)

CALL = {"requests": 1}
POST = CALL | {"posts": 1}

#: call -> units per bucket. A failed post counts; a scheduled one when it goes out.
DRAWS: dict[str, dict[str, int]] = {
    "GET /user": CALL,
    "POST /profiles": CALL,
    "GET /profiles": CALL,
    "DELETE /profiles": CALL,
    "POST /profiles/link-sessions": CALL,
    "POST /post": POST,
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
