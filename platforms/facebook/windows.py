"""Facebook's windows: what each call draws, per app, person and Page.

Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting (v26.0).
Meta publishes no sizes that are the same for all: headers tell the use in per cent,
and calls made while throttled still count.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

HOUR_S = 3600
DAY_S = 24 * HOUR_S
_ROLLING = WindowKind.ROLLING_LOG

BUCKETS = (
    # 200 x daily users of the app (error 4).
    Bucket("app_calls", "app", None, _ROLLING, HOUR_S),
    # Of one person over all apps (error 17).
    Bucket("user_calls", "token", None, _ROLLING, HOUR_S),
    # Of a Page token: 4800 x people who engaged with the Page in 24 h (error 80001).
    Bucket("page_calls", "account", None, _ROLLING, DAY_S),
    Bucket("reels", "account", 30, _ROLLING, DAY_S),
)

#: With a Page token only the Page's window counts.
PAGE_CALL = {"page_calls": 1}
USER_CALL = {"app_calls": 1, "user_calls": 1}
APP_CALL = {"app_calls": 1}

#: call -> units per bucket. A request for several ids, and a batch, is one call per id.
DRAWS: dict[str, dict[str, int]] = {
    "GET /me/accounts": USER_CALL,
    "GET /me/businesses": USER_CALL,
    "GET /:business/owned_pages": USER_CALL,
    "GET /:business/client_pages": USER_CALL,
    "GET /me/permissions": USER_CALL,
    "GET /debug_token": APP_CALL,
    "POST /:page/feed": PAGE_CALL,
    "POST /:page/photos": PAGE_CALL,
    "POST /:page/videos?upload_phase=start": PAGE_CALL,
    "POST /:page/videos?upload_phase=transfer": PAGE_CALL,
    "POST /:page/videos?upload_phase=finish": PAGE_CALL,
    # A reel is started and finished by two calls; the finish publishes.
    "POST /:page/video_reels?upload_phase=start": PAGE_CALL,
    "POST /:page/video_reels?upload_phase=finish": PAGE_CALL | {"reels": 1},
    "POST /:page/video_stories?upload_phase=start": PAGE_CALL,
    "POST /:page/video_stories?upload_phase=finish": PAGE_CALL,
    "POST /:page/photo_stories": PAGE_CALL,
    "GET /:page/published_posts": PAGE_CALL,
    "GET /:page/feed": PAGE_CALL,
    "GET /:page/video_reels": PAGE_CALL,
    "GET /:page/stories": PAGE_CALL,
    "POST /:post/comments": PAGE_CALL,
    "GET /:post/comments": PAGE_CALL,
    "POST /:comment": PAGE_CALL,
    "DELETE /:comment": PAGE_CALL,
    "GET /:page/insights": PAGE_CALL,
    "GET /:post/insights": PAGE_CALL,
    "GET /:video/insights": PAGE_CALL,
    "POST /:page/subscribed_apps": PAGE_CALL,
}
