"""Who takes part in a drill of health, and how accesses end there.

What a platform cannot tell apart may be called by any of several causes: X answers a
removed app and a changed password with the same 401, so "no longer accepted" is as much
as can be known. Source: section 4 and 10 of each platform's facts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from accounts.breakers import MANY_LOST_ACCESS
from platforms.errors import Cause

DAY = timedelta(days=1)
#: The clock goes in such steps: looks come late by as much, never early.
STEP = timedelta(minutes=15)
GONE = frozenset({Cause.TOKEN_REVOKED, Cause.TOKEN_INVALID, Cause.REFRESH_REFUSED})


class Reach(StrEnum):
    """Who can post no more."""

    ACCESS = "access"  # whoever acts with the same credential
    ONE = "one"  # one account, although the credential lives
    TREE = "tree"  # all that hang on one person's sign-in
    PAGES = "pages"  # of a tree: Facebook's
    INSTAGRAM = "instagram"  # of a tree: Instagram's
    BEHIND = "behind"  # of a tree: the Instagram account behind one Page


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
    #: the permission to renew alone is gone: the access token acts until its own end
    outlived: bool = False

    @property
    def name(self) -> str:
        return self.how.replace(":", "_")

    @property
    def key(self) -> str:
        """As the record names its deaths."""
        return f"{self.platform}.{self.name}"

    @property
    def of_linked(self) -> bool:
        """Happens to Instagram accounts behind Pages only."""
        return self.reach in (Reach.INSTAGRAM, Reach.BEHIND)


def _one(platform: str, how: str, *causes: str, **more: object) -> Ending:
    return Ending(platform, how, frozenset(causes), **more)  # type: ignore[arg-type]


ENDINGS: tuple[Ending, ...] = (
    _one("mastodon", "revoke", Cause.TOKEN_REVOKED),
    _one("mastodon", "password_changed", Cause.TOKEN_REVOKED),
    _one("mastodon", "expire", Cause.TOKEN_EXPIRED),
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
    _one("bluesky", "deactivate", Cause.ACCOUNT_LOCKED, restored=True),
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
        "scope_lost:w_organization_social",
        Cause.SCOPE_MISSING,
        kind="organization",
    ),
    _one(
        "linkedin",
        "role_lost",
        Cause.ROLE_LOST,
        restored=True,
        kind="organization",
        reach=Reach.ONE,
    ),
    # By its own sign-in; those behind a Page die with their tree.
    _one("instagram", "expire", Cause.TOKEN_EXPIRED),
    _one("instagram", "revoke", Cause.TOKEN_REVOKED),
    _one("instagram", "password_changed", Cause.PASSWORD_CHANGED),
    _one("instagram", "logged_out", Cause.TOKEN_REVOKED, Cause.TOKEN_INVALID),
    _one("instagram", "not_professional", Cause.NOT_ALLOWED, restored=True),
    _one(
        "instagram",
        "scope_lost:instagram_business_content_publish",
        Cause.SCOPE_MISSING,
    ),
    _one("threads", "expire", Cause.TOKEN_EXPIRED),
    _one("threads", "revoke", Cause.TOKEN_REVOKED),
    _one("threads", "password_changed", Cause.PASSWORD_CHANGED),
    _one("threads", "logged_out", Cause.TOKEN_REVOKED, Cause.TOKEN_INVALID),
    _one("threads", "checkpoint", Cause.ACCOUNT_LOCKED, restored=True),
    _one("threads", "grant_ended", Cause.DATA_ACCESS_ENDED),
    _one("threads", "scope_lost:threads_content_publish", Cause.SCOPE_MISSING),
    # The profile can be read as before: only a post is refused.
    _one(
        "threads", "suspend", Cause.ACCOUNT_SUSPENDED, restored=True, can_be_told=False
    ),
    Ending("tiktok", "revoke", GONE),
    _one("tiktok", "suspend", Cause.ACCOUNT_SUSPENDED, restored=True),
    _one("tiktok", "scope_lost:video.publish", Cause.SCOPE_MISSING),
    # Snapchat answers all of the last three alike.
    Ending("snapchat", "revoke", GONE),
    Ending("snapchat", "password_changed", GONE),
    _one("snapchat", "role_lost", Cause.ROLE_LOST, Cause.NOT_ALLOWED, restored=True),
    _one(
        "snapchat", "suspend", Cause.ACCOUNT_SUSPENDED, Cause.NOT_ALLOWED, restored=True
    ),
    _one(
        "snapchat",
        "scope_lost:snapchat-profile-api",
        Cause.SCOPE_MISSING,
        Cause.NOT_ALLOWED,
    ),
    Ending("youtube", "revoke", GONE),
    Ending("youtube", "expire_grant", GONE | {Cause.TOKEN_EXPIRED}),
    _one("youtube", "invalid_rapt", Cause.SIGN_IN_WANTED, restored=True),
    _one("youtube", "admin_policy", Cause.ADMIN_RESTRICTS, restored=True),
    _one("youtube", "role_lost", Cause.ROLE_LOST, restored=True),
    _one("youtube", "suspend", Cause.ACCOUNT_SUSPENDED, restored=True),
    _one("youtube", "close", Cause.ACCOUNT_GONE, restored=True),
    Ending("pinterest", "revoke", GONE),
    Ending("pinterest", "refresh_expired", GONE | {Cause.TOKEN_EXPIRED}),
    Ending(
        "pinterest",
        "renewal_expired",
        frozenset({Cause.REFRESH_REFUSED, Cause.TOKEN_EXPIRED}),
        outlived=True,
    ),
    Ending("pinterest", "password_changed", GONE),
    Ending("pinterest", "suspend", GONE | {Cause.ACCOUNT_SUSPENDED}, restored=True),
    # Boards and account are read with other permissions.
    _one("pinterest", "scope_lost:pins:write", Cause.SCOPE_MISSING, can_be_told=False),
    _one("ayrshare", "revoke", Cause.NOT_ALLOWED, restored=True),
    _one("ayrshare", "unlink", Cause.NETWORK_UNLINKED, restored=True),
    _one("ayrshare", "suspend", Cause.ACCOUNT_SUSPENDED, restored=True),
    _one("outstand", "expire", Cause.NETWORK_UNLINKED, restored=True),
    _one("outstand", "revoke", Cause.NETWORK_UNLINKED, restored=True),
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
        ("unlinked", Reach.BEHIND, True, (Cause.NOT_ALLOWED,)),
        ("unconfirmed", Reach.TREE, True, (Cause.ACCOUNT_LOCKED,)),
        ("scopes_expired", Reach.TREE, False, (Cause.SCOPE_MISSING,)),
        ("delete_data", Reach.TREE, False, (Cause.TOKEN_REVOKED,)),
    )
)
#: Of a whole tree, as many as one person may have on Facebook in a larger company.
PAGES, INSTAGRAM = 40, 12
#: Between two ends of one tree: time to be found, mended and proven again.
TREE_EVERY = timedelta(days=6)
#: While the last one is not mended, the next waits for so long and longer.
TREE_AGAIN = timedelta(hours=6)
#: Trees and worlds that follow each other begin so many ways apart.
TURN = 4

#: The call that renews, whose answer may be lost: a grant that rotates may go with it.
RENEWALS = {
    "x": "POST /2/oauth2/token",
    "bluesky": "POST com.atproto.server.refreshSession",
    "tiktok": "POST /v2/oauth/token/",
    "pinterest": "POST /oauth/token",
}
#: Platforms that refuse our app and no account of it.
APP_ENDINGS: tuple[Ending, ...] = (
    *(
        _one(slug, "app_suspended", Cause.APP_REFUSED, Cause.APP_SUSPENDED)
        for slug in (
            "x",
            "facebook",
            "linkedin",
            "tiktok",
            "snapchat",
            "youtube",
            "threads",
            "ayrshare",
            "outstand",
        )
    ),
    # Says the same to each account as to one that withdrew its access.
    _one("pinterest", "app_suspended", MANY_LOST_ACCESS),
)
#: A person reacts to a message so much later.
REACTS_H = (1.0, 12.0)
#: Between two such refusals, each of another platform.
APP_EVERY = timedelta(days=6)
#: What a network does now and then that says nothing of any access.
TROUBLE: tuple[tuple[str, dict[str, object]], ...] = (
    ("cut", {}),
    ("server_error", {"status": 500}),
    ("server_error", {"status": 503}),
    ("html_error", {"status": 502}),
    ("rate_limited", {"retry_after_s": 120}),
    ("rate_limited_no_headers", {}),
)
#: Share of the credentials, by how many ends there are; the rest are LinkedIn's, whose 60
#: days matter most.
SHARES = {
    "mastodon": 0.08,
    "bluesky": 0.07,
    "x": 0.07,
    "instagram": 0.08,
    "threads": 0.08,
    "tiktok": 0.05,
    "snapchat": 0.06,
    "youtube": 0.08,
    "pinterest": 0.06,
    "ayrshare": 0.04,
    "outstand": 0.03,
}
TREE_SHARE = 0.2
#: What the practice network makes an account of, where there are several sorts.
SORTS: dict[str, tuple[dict[str, str], ...]] = {
    "linkedin": ({"kind": "member"}, {"kind": "organization"}),
    "instagram": ({"variant": "instagram"},),
}
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


def sort_of(platform: str, number: int) -> dict[str, str]:
    """What the practice network is told of the account with this number."""
    sorts = SORTS.get(platform, ({},))
    return sorts[number % len(sorts)]


def tree_deaths(dice: random.Random, start: datetime, days: int) -> Iterator[datetime]:
    """When the next end of one tree has its turn, until the time is over."""
    at = start + DAY + TREE_EVERY * dice.random()
    while at < start + (days - 2) * DAY:
        yield at
        at += TREE_EVERY


def beginning_with(turn: int, endings: Sequence[Ending]) -> list[Ending]:
    """All of them in their order, from another one on for each turn."""
    turn %= len(endings)
    return [*endings[turn:], *endings[:turn]]


def death_of(
    platform: str,
    kind: str,
    dice: random.Random,
    start: datetime,
    days: int,
    turn: int,
) -> tuple[datetime, Ending]:
    """When and how the access of one account ends, once in the time.

    turn: the number of the account among its platform's, so that each kind of end comes
    as often as the others.
    """
    fitting = [e for e in ENDINGS if e.platform == platform and e.kind in ("", kind)]
    ending = fitting[turn // len(SORTS.get(platform, ({},))) % len(fitting)]
    # Not on the first and last day: a look must have been due before and after. Where a
    # token lives on for weeks, its own end is to come in the time as well.
    share = dice.random() / (2 if ending.outlived else 1)
    return start + DAY + (days - 3) * DAY * share, ending


def next_gap(dice: random.Random) -> timedelta:
    low, high = (gap.total_seconds() for gap in GAP)
    return timedelta(seconds=dice.uniform(low, high))
