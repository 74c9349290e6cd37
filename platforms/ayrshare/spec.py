"""Ayrshare, an aggregator: facts as data.

It publishes to other networks with its own apps. Our API key stands for our whole
account there (the app's secret), a Profile-Key for one profile (the account's token). A
post goes to one network of the profile, so that it is out or not, and never in part.
Source: https://www.ayrshare.com/docs (2026-10-04).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base import (
    Ability,
    Absent,
    After,
    Call,
    MediaKind,
    MediaRule,
    Option,
    OptionKind,
    PlatformSpec,
    SignIn,
    VideoRule,
)
from .windows import BUCKETS, CALL, DRAWS


@dataclass(frozen=True)
class Behind:
    """What a network behind Ayrshare is called there and takes. options: its object in
    a post. text: characters; where the vendor names no limit, the network's own."""

    name: str
    options: str
    text: int
    needs: tuple[MediaKind, ...] = ()
    hashtags: int | None = None
    mentions: int | None = None


_FILE = (MediaKind.IMAGE, MediaKind.VIDEO)
#: The longest that any network takes: for those without a limit in the sheet.
LONGEST = 63_206
#: https://www.ayrshare.com/docs/media-guidelines
NETWORKS: dict[str, Behind] = {
    "bluesky": Behind("Bluesky", "blueskyOptions", 300),
    "facebook": Behind("Facebook", "faceBookOptions", LONGEST),
    "gmb": Behind("Google Business", "gmbOptions", 1_500),
    "instagram": Behind("Instagram", "instagramOptions", 2_200, _FILE, 5, 3),
    "linkedin": Behind("LinkedIn", "linkedInOptions", 3_000),
    "pinterest": Behind("Pinterest", "pinterestOptions", 500, _FILE),
    "reddit": Behind("Reddit", "redditOptions", LONGEST),
    "snapchat": Behind("Snapchat", "snapChatOptions", LONGEST, _FILE),
    "telegram": Behind("Telegram", "telegramOptions", LONGEST),
    "threads": Behind("Threads", "threadsOptions", 500, (), 1),
    "tiktok": Behind("TikTok", "tikTokOptions", 2_200, _FILE),
    "twitter": Behind("X", "twitterOptions", 280),
    "youtube": Behind("YouTube", "youTubeOptions", 5_000, (MediaKind.VIDEO,)),
}
#: Networks that want a title.
TITLED = frozenset({"youtube", "reddit"})

#: Clock differences allowed for when looking for a post of ours.
LOOK_BACK_S = 120
HISTORY_LIMIT = 100
#: Our marker in `notes` comes back in the history (not proven for every plan): without
#: it, the text tells.
NOTES_COME_BACK = True
#: The code of a used idempotency key is not published; its words name the key.
KEY_WORDS = "idempotency"

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, ability
_ROWS: tuple[tuple[str, str, Ability], ...] = (
    ("GET /user", "Identity and health", _R),
    ("POST /post", "Publish", _P),
    ("GET /post/:id", "What became of a post", _P),
    ("GET /history", "Find a post again", _R),
    ("DELETE /post", "Delete", _P),
    ("POST /analytics/post", "Figures", _F),
    ("GET /comments/:id", "Comment inbox", _R),
    ("POST /comments/reply/:id", "Answer a comment", _R),
    ("POST /comments", "First comment", _R),
    ("POST /profiles", "Make profiles", _R),
    ("GET /profiles", "List profiles", _R),
    ("DELETE /profiles", "Remove profiles", _R),
    ("POST /profiles/link-sessions", "Link networks", _R),
    ("PATCH /post", "Another time", _P),
    ("PUT /post/retry", "Try again there", _P),
    ("POST /validate/post", "Rehearsal", _P),
    ("POST /analytics/social", "Figures of an account", _F),
    ("POST /hook/webhook", "Webhooks", _R),
)
MUTATING = frozenset(
    {"POST /post", "POST /comments/reply/:id", "POST /comments", "PUT /post/retry"}
)
#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "POST /comments",
        "POST /profiles",
        "GET /profiles",
        "DELETE /profiles",
        "POST /profiles/link-sessions",
        "PATCH /post",
        "PUT /post/retry",
        "POST /validate/post",
        "POST /analytics/social",
        "POST /hook/webhook",
    }
)

SPEC = PlatformSpec(
    slug="ayrshare",
    name="Ayrshare",
    sign_in=SignIn.KEY,
    fetches_files=True,
    key_name="Profile key",
    hosts={"api": "https://api.ayrshare.com/api"},
    practice_paths={"api": "/ayrshare/api"},
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
    # The first of its networks that wants a new consent.
    data_access_stops=(Ability.PUBLISH,),
    # What all networks take, more or less; each has its own limits besides.
    images=MediaRule(("image/jpeg", "image/png"), 20_000_000, max_count=10),
    videos=VideoRule(("video/mp4", "video/quicktime"), 5_000_000_000),
    options=(
        Option(
            "network",
            "Network",
            OptionKind.CHOICE,
            {slug: behind.name for slug, behind in NETWORKS.items()},
            choices_from="networks",
            required=True,
            help="The network of the profile that this post goes to.",
        ),
        Option(
            "title",
            "Title",
            OptionKind.TEXT,
            max_length=100,
            help="YouTube and Reddit want one; Pinterest shows it.",
        ),
        Option("subreddit", "Subreddit", OptionKind.TEXT, help="Reddit wants one."),
        Option("board", "Board", OptionKind.TEXT, help="The board's id at Pinterest."),
    ),
    account_kinds=("profile",),
    absent=(
        Absent(After.HIDE, "Ayrshare does not hide comments."),
        Absent(After.REMOVE, "Ayrshare does not delete comments."),
        Absent(
            After.RECENT,
            "Of Ayrshare SocialHub reads what was sent through it. Connect the account "
            "itself to see what was made at the network.",
        ),
    ),
    commit_key="idempotencyKey of the request",
    # Longer lists are up to a minute old.
    look_after_s=(15, 90, 240),
    register_steps=(
        "In Ayrshare's dashboard copy the API key, and enter it here as the API key.",
        "As the name of the key enter anything: it is shown here only.",
        "Each profile has a Profile key, shown once when the profile is made: keep it "
        "for connecting. Link the networks of the profile on Ayrshare's own pages.",
    ),
    register_url="https://app.ayrshare.com",
)
