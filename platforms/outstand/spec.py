"""Outstand, an aggregator: facts as data.

It publishes to other networks with its own apps. One API key (our app's secret) stands
for the whole organisation there; each account behind it is an account here.
Source: https://www.outstand.so/docs (as quoted up to 2026-10).
"""

from __future__ import annotations

from datetime import timedelta

from ..base import (
    Ability,
    Absent,
    After,
    Call,
    CommentRule,
    MediaKind,
    MediaRule,
    Option,
    OptionKind,
    PlatformSpec,
    SignIn,
    ThreadRule,
    VideoRule,
)
from ..behind import FILE, PLACEMENT, POST, STORY, Behind, collaborators, placement
from .windows import BUCKETS, CALL, DRAWS

ORGANISATION = "organization"

#: What the networks behind Outstand take: their own limits.
NETWORKS: dict[str, Behind] = {
    "x": Behind(280),
    "linkedin": Behind(3_000),
    "instagram": Behind(2_200, FILE, 30, 20),
    "tiktok": Behind(2_200, FILE),
    "facebook": Behind(),
    "threads": Behind(500),
    "bluesky": Behind(300),
    "youtube": Behind(5_000, (MediaKind.VIDEO,)),
    "pinterest": Behind(500, FILE),
    "google_business": Behind(1_500),
}

#: An idempotency key is kept for 24 hours; in the last of them we do not count on it.
KEY_LIFE = timedelta(hours=23)
#: Clock differences allowed for when looking for a post of ours.
LOOK_BACK_S = 120

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, ability
_ROWS: tuple[tuple[str, str, Ability], ...] = (
    ("GET /social-accounts", "Identity and health", _R),
    ("POST /posts", "Publish", _P),
    ("GET /posts/:id", "What became of a post", _P),
    ("GET /posts", "Find a post again", _R),
    ("DELETE /posts/:id/remote", "Delete", _P),
    ("GET /posts/:id/analytics", "Figures", _F),
    ("POST /posts/:id/comments", "First comment", _P),
    ("POST /social-networks/:network/auth-url", "Link networks", _R),
    ("GET /social-accounts/pending/:session", "Link networks", _R),
    ("POST /social-accounts/pending/:session/finalize", "Link networks", _R),
    ("PATCH /posts/:id", "Another time", _P),
    ("DELETE /posts/:id", "Take a scheduled post back", _P),
    ("POST /media/upload", "Files without a public address", _P),
    ("POST /media/:id/confirm", "Files without a public address", _P),
    ("GET /posts/:id/comments", "Comment inbox", _R),
    ("GET /social-accounts/:id/metrics", "Figures of an account", _F),
)
MUTATING = frozenset({"POST /posts", "POST /posts/:id/comments"})
#: No code makes these yet: the roadmap will.
LATER = frozenset(key for key, *_rest in _ROWS[7:])

#: Networks where an answer to one's own post goes on with it: each container is a part.
#: Outstand names none.
THREADED = frozenset({"x", "threads", "bluesky"})

SPEC = PlatformSpec(
    slug="outstand",
    name="Outstand",
    sign_in=SignIn.KEY,
    fetches_files=True,
    hosts={"api": "https://api.outstand.so/v1"},
    practice_paths={"api": "/outstand/api/v1"},
    absent=(
        Absent(
            After.COMMENTS,
            "Outstand does not document what its lists of comments look like.",
        ),
        Absent(
            After.ANSWER,
            "Outstand can comment below a post, but not answer one comment.",
        ),
        Absent(After.HIDE, "Outstand does not hide comments."),
        Absent(After.REMOVE, "Outstand does not delete comments."),
        Absent(
            After.RECENT,
            "Outstand lists what was sent through it. Connect the account itself to see "
            "what was made at the network.",
        ),
    ),
    calls=tuple(
        Call(
            key,
            feature,
            mutates=key in MUTATING,
            ability=ability,
            later=key in LATER,
            draws=DRAWS.get(key, CALL),
        )
        for key, feature, ability in _ROWS
    ),
    buckets=BUCKETS,
    scopes=(),
    # What all networks take, more or less; each has its own limits besides.
    images=MediaRule(("image/jpeg", "image/png"), 8 * 1024**2, max_count=10),
    videos=VideoRule(("video/mp4", "video/quicktime"), 5_000_000_000),
    thread=ThreadRule(25, "POST /posts", at_once=True),
    # What its lists of comments look like is not documented: a lost answer is for a
    # person to look at.
    first_comment=CommentRule(
        "POST /posts/:id/comments", "", 10_000, without=((PLACEMENT, STORY),)
    ),
    hook_name="Webhook URL",
    hook_tells="what became of posts, and accounts whose access has ended",
    hook_secret_name="Webhook secret",
    hook_publish=("post",),
    options=(
        Option("board", "Board", OptionKind.TEXT, help="The board's id at Pinterest."),
        placement((POST, STORY), "Stories are of Instagram only."),
        collaborators(),
        Option(
            "location",
            "Place",
            OptionKind.TEXT,
            max_length=30,
            help="Of Instagram only: the number of the place's Facebook Page, digits only.",
            is_read=True,
            is_rare=True,
        ),
        Option(
            "trial",
            "Trial reel",
            OptionKind.CHOICE,
            choices={
                "MANUAL": "Yes: followers see it when you say so in Instagram",
                "SS_PERFORMANCE": "Yes: followers see it by itself if it does well",
            },
            help="Of Instagram only. Shown first to people who do not follow the account.",
            is_read=True,
            is_rare=True,
        ),
        Option(
            "ai_generated",
            "Made with AI",
            OptionKind.FLAG,
            default=False,
            help="Told to Instagram only.",
        ),
    ),
    account_kinds=(ORGANISATION, *NETWORKS),
    commit_key="Idempotency-Key header",
    look_after_s=(10, 40, 120),
    register_steps=(
        "In Outstand's dashboard make an API key, and enter it here as the API key.",
        "As the name of the key enter anything: it is shown here only.",
        "Link the accounts of the networks in Outstand's dashboard. All of them are "
        "offered here when you connect.",
        "To hear at once what became of posts, enter the address shown here under Webhooks, "
        "with a secret of your own, and the same secret here. Choose the events "
        "post.published, post.error and account.token_expired.",
    ),
    register_url="https://www.outstand.so",
)
