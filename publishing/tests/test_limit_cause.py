"""Which sentence people read when a window is full."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts.limits import Denied
from platforms.errors import Cause
from publishing.claiming import limit_cause

LATER = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("platform", "key", "opens_at", "cause"),
    [
        ("x", "credits", LATER, Cause.CREDITS_USED_UP),
        ("x", "posts:user:3h", LATER, Cause.TOO_MANY_REQUESTS),
        ("x", "POST /2/tweets:app", LATER, Cause.DAILY_LIMIT),
        ("mastodon", "statuses", LATER, Cause.TOO_MANY_REQUESTS),
        ("bluesky", "writes_day", LATER, Cause.DAILY_LIMIT),
        ("linkedin", "POST /rest/posts:member", None, Cause.PLAN_LIMIT),
    ],
)
def test_only_money_is_called_credits(platform, key, opens_at, cause):
    assert limit_cause(Denied(platform, key, "account:1", opens_at)) == cause
