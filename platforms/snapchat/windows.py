"""Snapchat's windows: what each call draws, per app and access token.

Source: https://developers.snap.com/api/marketing-api (rate limits). "On average" is
all that is said of the window; one second is the careful reading. No header tells it.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

DAY_S = 24 * 3600
_ROLLING = WindowKind.ROLLING_LOG

BUCKETS = (
    Bucket("app_calls", "app", 20, _ROLLING, 1, verified=False),
    Bucket("token_calls", "token", 10, _ROLLING, 1, verified=False),
    Bucket("posts", "account", None, _ROLLING, DAY_S, verified=False),
)

CALL = {"app_calls": 1, "token_calls": 1}
POST = CALL | {"posts": 1}

#: call -> units per bucket
DRAWS: dict[str, dict[str, int]] = {
    "GET /public_profiles/my_profile": CALL,
    "GET /public_profiles/:id": CALL,
    "GET /organizations/:id/public_profiles": CALL,
    "POST /public_profiles/:id/media": CALL,
    "POST {add_path}": CALL,
    "POST {finalize_path}": CALL,
    "POST /public_profiles/:id/stories": POST,
    "POST /public_profiles/:id/spotlights": POST,
    "POST /public_profiles/:id/saved_stories": POST,
    "GET /public_profiles/:id/stories": CALL,
    "GET /public_profiles/:id/spotlights": CALL,
    "GET /public_profiles/:id/saved_stories": CALL,
    "GET /public_profiles/:id/stats": CALL,
}
