"""Pinterest's windows: what each call draws, per app and per person and app.

Source: https://developers.pinterest.com/docs/reference/rate-limits/. The sizes below
are those of Standard access. An app in Trial access has 1000 calls a day and 300
writes: an admin sets the two daily sizes then.
"""

from __future__ import annotations

from ..base import Bucket, WindowKind

DAY_S = 24 * 3600
#: Where a minute begins is not documented: a sliding one is right for any beginning.
_SLIDING = WindowKind.ROLLING_LOG

BUCKETS = (
    Bucket("trial_calls", "app", None, WindowKind.FIXED_UTC_DAY, DAY_S, verified=False),
    Bucket(
        "trial_writes", "app", None, WindowKind.FIXED_UTC_DAY, DAY_S, verified=False
    ),
    Bucket("universal", "token", 100, _SLIDING, 1, verified=False),
    Bucket("org_read", "token", 1_000, _SLIDING, 60, verified=False),
    Bucket("org_write", "token", 100, _SLIDING, 60, verified=False),
    Bucket("org_analytics", "token", 60, _SLIDING, 60, verified=False),
    # Against spam: neither size nor window is published.
    Bucket("pin_creation", "account", None, _SLIDING, DAY_S, verified=False),
)

#: How many calls an app in Trial access has a day: what tells its headers apart.
TRIAL_SIZES = {1_000: "trial_calls", 300: "trial_writes"}

_ANY = {"trial_calls": 1, "universal": 1}
READ = _ANY | {"org_read": 1}
WRITE = _ANY | {"org_write": 1, "trial_writes": 1}
ANALYTICS = _ANY | {"org_analytics": 1}

#: call -> units per bucket
DRAWS: dict[str, dict[str, int]] = {
    "POST /oauth/token": READ,
    "GET /user_account": READ,
    "GET /boards": READ,
    "GET /boards/:id/sections": READ,
    "POST /boards": WRITE,
    "POST /boards/:id/sections": WRITE,
    "POST /media": WRITE,
    "GET /media/:id": READ,
    "POST /pins": WRITE | {"pin_creation": 1},
    "GET /pins": READ,
    "GET /boards/:id/pins": READ,
    "GET /pins/:id": READ,
    "DELETE /pins/:id": WRITE,
    "GET /pins/:id/analytics": ANALYTICS,
    "GET /user_account/analytics": ANALYTICS,
}
