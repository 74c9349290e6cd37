"""TikTok's windows: what each call draws, per access token, app and creator.

Source: https://developers.tiktok.com/doc/content-posting-api-reference-direct-post and
https://developers.tiktok.com/doc/tiktok-api-v2-rate-limit. No header tells the use.
Not a window of calls, so not here: an app may publish for so many different creators
in 24 h (5 before its audit); the answer `reached_active_user_cap` says it.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

MINUTE_S = 60
DAY_S = 24 * 3600
_SLIDING = WindowKind.ROLLING_LOG

BUCKETS = (
    Bucket("video_init", "token", 6, _SLIDING, MINUTE_S),
    Bucket("inbox_init", "token", 6, _SLIDING, MINUTE_S),
    Bucket("content_init", "token", 6, _SLIDING, MINUTE_S),
    Bucket("creator_info", "token", 20, _SLIDING, MINUTE_S),
    Bucket("status_fetch", "token", 30, _SLIDING, MINUTE_S),
    # "per API": the page does not say of whom; the app is the careful reading.
    Bucket("user_info", "app", 600, _SLIDING, MINUTE_S, verified=False),
    Bucket("video_list", "app", 600, _SLIDING, MINUTE_S, verified=False),
    Bucket("video_query", "app", 600, _SLIDING, MINUTE_S, verified=False),
    # Shared by all apps that publish for this creator, and "about" 15.
    Bucket("creator_posts", "account", 15, _SLIDING, DAY_S, verified=False),
    Bucket("pending_drafts", "account", 5, _SLIDING, DAY_S),
)

#: call -> units per bucket
DRAWS: dict[str, dict[str, int]] = {
    "POST /v2/post/publish/video/init/": {"video_init": 1, "creator_posts": 1},
    "POST /v2/post/publish/content/init/ (DIRECT_POST)": {
        "content_init": 1,
        "creator_posts": 1,
    },
    "POST /v2/post/publish/content/init/ (MEDIA_UPLOAD)": {
        "content_init": 1,
        "pending_drafts": 1,
    },
    "POST /v2/post/publish/inbox/video/init/": {"inbox_init": 1, "pending_drafts": 1},
    "POST /v2/post/publish/creator_info/query/": {"creator_info": 1},
    "POST /v2/post/publish/status/fetch/": {"status_fetch": 1},
    "GET /v2/user/info/": {"user_info": 1},
    "POST /v2/video/list/": {"video_list": 1},
    "POST /v2/video/query/": {"video_query": 1},
}
