"""Instagram's windows: what each call draws, per app and professional account.

Source: https://developers.facebook.com/docs/instagram-platform (v26.0).
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

HOUR_S = 3600
DAY_S = 24 * HOUR_S
_ROLLING = WindowKind.ROLLING_LOG

BUCKETS = (
    # The guide says 100, the reference 50, older answers said 25: the answer of
    # content_publishing_limit (`quota_total`) replaces this, upwards as well.
    Bucket("posts", "account", 50, _ROLLING, DAY_S, verified=False),
    Bucket("containers", "account", 400, _ROLLING, DAY_S),
    # 4800 x the account's impressions of 24 hours. The header tells only per cent.
    Bucket("calls", "account", None, _ROLLING, DAY_S),
    # Business discovery and hashtag search: 200 x daily users of the app, and a size
    # per person that Meta does not publish.
    Bucket("app_calls", "app", None, _ROLLING, HOUR_S),
    Bucket("user_calls", "token", None, _ROLLING, HOUR_S),
    Bucket("private_replies", "account", 750, _ROLLING, HOUR_S),
)

CALL = {"calls": 1}
PLATFORM_CALL = {"app_calls": 1, "user_calls": 1}

#: call -> units per bucket. A carousel is one post, but each child is a container.
DRAWS: dict[str, dict[str, int]] = {
    "POST /:ig/media": CALL | {"containers": 1},
    "GET /:container": CALL,
    "POST /:ig/media_publish": CALL | {"posts": 1},
    "GET /:ig/content_publishing_limit": CALL,
    "GET /:ig": CALL,
    "GET /:ig/media": CALL,
    "GET /:ig/stories": CALL,
    "GET /:media": CALL,
    "DELETE /:media": CALL,
    "GET /:media/comments": CALL,
    "POST /:media/comments": CALL,
    "POST /:comment/replies": CALL,
    "POST /:comment": CALL,
    "DELETE /:comment": CALL,
    "POST /:ig/messages": CALL | {"private_replies": 1},
    "GET /:ig/insights": CALL,
    "GET /:media/insights": CALL,
    "GET /me/accounts": PLATFORM_CALL,
    "GET /:ig?business_discovery": PLATFORM_CALL,
    "GET /ig_hashtag_search": PLATFORM_CALL,
}
