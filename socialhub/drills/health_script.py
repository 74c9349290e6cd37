"""Who takes part in a drill of health, and how accesses end there.

What a platform cannot tell apart may be called by any of several causes: X answers a
removed app and a changed password with the same 401, so "no longer accepted" is as much
as can be known. Source: section 4 and 10 of each platform's facts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from platforms.errors import Cause

DAY = timedelta(days=1)
GONE = frozenset({Cause.TOKEN_REVOKED, Cause.TOKEN_INVALID, Cause.REFRESH_REFUSED})


class Reach(StrEnum):
    """Who can post no more."""

    ACCESS = "access"  # whoever acts with the same credential
    ONE = "one"  # one account, although the credential lives
    TREE = "tree"  # all that hang on one person's sign-in
    PAGES = "pages"  # of a tree: Facebook's
    INSTAGRAM = "instagram"  # of a tree: Instagram's


@dataclass(frozen=True)
class Ending:
    """One way in which an access ends.

    how: what the practice network is told. restored: the platform's side has to be put
    right before a person can reconnect (a suspension ends, a role is given back).
    """

    platform: str
    how: str
    causes: frozenset[str]
    restored: bool = False
    #: account kind that it happens to; "": any
    kind: str = ""
    reach: Reach = Reach.ACCESS
    #: False: no call that only reads tells it
    can_be_told: bool = True

    @property
    def name(self) -> str:
        return self.how.replace(":", "_")


def _one(platform: str, how: str, *causes: str, **more: object) -> Ending:
    return Ending(platform, how, frozenset(causes), **more)  # type: ignore[arg-type]


ENDINGS: tuple[Ending, ...] = (
    _one("mastodon", "revoke", Cause.TOKEN_REVOKED),
    _one("mastodon", "password_changed", Cause.TOKEN_REVOKED),
    _one("mastodon", "app_removed", Cause.APP_GONE, Cause.TOKEN_INVALID),
    _one("mastodon", "suspend", Cause.ACCOUNT_SUSPENDED, restored=True),
    _one("mastodon", "move", Cause.ACCOUNT_MOVED, restored=True),
    # The server tells no token's scopes: only a post shows that one was taken away.
    _one(
        "mastodon", "scope_lost:write:statuses", Cause.SCOPE_MISSING, can_be_told=False
    ),
    Ending("bluesky", "revoke", GONE),
    Ending("bluesky", "password_changed", GONE),
    Ending("bluesky", "expire_refresh", GONE | {Cause.TOKEN_EXPIRED}),
    _one("bluesky", "suspend", Cause.ACCOUNT_SUSPENDED, restored=True),
    Ending("x", "revoke", GONE),
    Ending("x", "password_changed", GONE),
    _one("x", "suspend", Cause.ACCOUNT_SUSPENDED, restored=True),
    _one("x", "scope_lost:tweet.write", Cause.SCOPE_MISSING),
    _one("linkedin", "expire", Cause.TOKEN_EXPIRED),
    _one("linkedin", "revoke", Cause.TOKEN_REVOKED),
    Ending("linkedin", "password_changed", GONE),
    _one(
        "linkedin",
        "suspend",
        Cause.ACCOUNT_SUSPENDED,
        Cause.NOT_ALLOWED,
        # A Page that is restricted stands in no list of roles any more.
        Cause.ROLE_LOST,
        restored=True,
    ),
    _one("linkedin", "scope_lost:w_member_social", Cause.SCOPE_MISSING, kind="member"),
    _one(
        "linkedin",
        "role_lost",
        Cause.ROLE_LOST,
        restored=True,
        kind="organization",
        reach=Reach.ONE,
    ),
)
#: What happens to a tree of one person, Pages and Instagram accounts, in turn.
TREE_ENDINGS: tuple[Ending, ...] = tuple(
    Ending("facebook", how, frozenset(causes), restored, reach=reach)
    for how, reach, restored, causes in (
        ("password_changed", Reach.TREE, False, (Cause.PASSWORD_CHANGED,)),
        ("role_lost", Reach.ACCESS, True, (Cause.ROLE_LOST,)),
        ("revoke", Reach.TREE, False, (Cause.TOKEN_REVOKED,)),
        ("scope_lost:pages_manage_posts", Reach.PAGES, False, (Cause.SCOPE_MISSING,)),
        ("checkpoint", Reach.TREE, True, (Cause.ACCOUNT_LOCKED,)),
        ("data_access_ended", Reach.INSTAGRAM, False, (Cause.DATA_ACCESS_ENDED,)),
        ("logged_out", Reach.TREE, False, (Cause.TOKEN_INVALID, Cause.TOKEN_REVOKED)),
        (
            "scope_lost:instagram_content_publish",
            Reach.INSTAGRAM,
            False,
            (Cause.SCOPE_MISSING,),
        ),
        ("page_unticked", Reach.ACCESS, False, (Cause.SCOPE_MISSING, Cause.ROLE_LOST)),
    )
)
#: Of a whole tree, as many as one person may have on Facebook in a larger company.
PAGES, INSTAGRAM = 40, 12
#: Between two ends of one tree: time to be found, mended and proven again.
TREE_EVERY = timedelta(days=6)

#: The call that renews, whose answer may be lost: a grant that rotates may go with it.
RENEWALS = {
    "x": "POST /2/oauth2/token",
    "bluesky": "POST com.atproto.server.refreshSession",
}
#: What a network does now and then that says nothing of any access.
TROUBLE: tuple[tuple[str, dict[str, object]], ...] = (
    ("cut", {}),
    ("server_error", {"status": 500}),
    ("server_error", {"status": 503}),
    ("html_error", {"status": 502}),
    ("rate_limited", {"retry_after_s": 120}),
    ("rate_limited_no_headers", {}),
)
#: share of the credentials; the rest are LinkedIn's, whose 60 days matter most
SHARES = {"mastodon": 0.2, "bluesky": 0.1, "x": 0.15}
TREE_SHARE = 0.25
TROUBLE_EVERY = timedelta(hours=5)
#: Between two posts of an account.
GAP = (timedelta(hours=30), timedelta(hours=110))


def cast(credentials: int) -> tuple[dict[str, int], list[int]]:
    """How many of each platform, and the Pages of each tree: `credentials` in all.

    A tree has one credential for the person and one for each Page.
    """
    trees = []
    left = max(2, round(credentials * TREE_SHARE))
    while left >= 2:
        trees.append(min(PAGES, left - 1))
        left -= trees[-1] + 1
    counts = {slug: max(1, round(credentials * s)) for slug, s in SHARES.items()}
    rest = credentials - sum(counts.values()) - sum(trees) - len(trees)
    counts["linkedin"] = max(2, rest)
    return counts, trees


def tree_deaths(
    dice: random.Random, start: datetime, days: int, turn: int
) -> Iterator[tuple[datetime, Ending]]:
    """One end after the other, each tree beginning with another."""
    at = start + DAY + TREE_EVERY * dice.random()
    number = turn
    while at < start + (days - 2) * DAY:
        yield at, TREE_ENDINGS[number % len(TREE_ENDINGS)]
        at += TREE_EVERY
        number += 1


def death_of(
    platform: str,
    kind: str,
    dice: random.Random,
    start: datetime,
    days: int,
    turn: int,
) -> tuple[datetime, Ending]:
    """When and how the access of one account ends, once in the time.

    turn: the number of the account among its platform's, so that each kind of end
    comes as often as the others.
    """
    fitting = [e for e in ENDINGS if e.platform == platform and e.kind in ("", kind)]
    ending = fitting[turn % len(fitting)]
    # Not on the first and last day: a look must have been due before and after.
    return start + DAY + (days - 3) * DAY * dice.random(), ending


def next_gap(dice: random.Random) -> timedelta:
    low, high = (gap.total_seconds() for gap in GAP)
    return timedelta(seconds=dice.uniform(low, high))
