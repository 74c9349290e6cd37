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
    CommentRule,
    MediaKind,
    MediaRule,
    Option,
    OptionKind,
    PlatformSpec,
    SignIn,
    VideoRule,
)
from ..behind import (
    FILE,
    PLACEMENT,
    PLACES,
    POST,
    REEL,
    STORY,
    UNKNOWN,
    Behind,
    collaborators,
    placement,
)
from .windows import BUCKETS, CALL, DRAWS


@dataclass(frozen=True)
class Network:
    """What a network behind Ayrshare is called there and takes. options: its object in
    a post. Where the vendor names no limit, the network's own."""

    name: str
    options: str
    takes: Behind = UNKNOWN


#: https://www.ayrshare.com/docs/media-guidelines
NETWORKS: dict[str, Network] = {
    "bluesky": Network("Bluesky", "blueskyOptions", Behind(300)),
    "facebook": Network("Facebook", "faceBookOptions"),
    "gmb": Network("Google Business", "gmbOptions", Behind(1_500)),
    "instagram": Network("Instagram", "instagramOptions", Behind(2_200, FILE, 5, 3)),
    "linkedin": Network("LinkedIn", "linkedInOptions", Behind(3_000)),
    "pinterest": Network("Pinterest", "pinterestOptions", Behind(500, FILE)),
    "reddit": Network("Reddit", "redditOptions"),
    "snapchat": Network("Snapchat", "snapChatOptions", Behind(needs=FILE)),
    "telegram": Network("Telegram", "telegramOptions"),
    "threads": Network("Threads", "threadsOptions", Behind(500, (), 1)),
    "tiktok": Network("TikTok", "tikTokOptions", Behind(2_200, FILE)),
    "twitter": Network("X", "twitterOptions", Behind(280)),
    "youtube": Network("YouTube", "youTubeOptions", Behind(5_000, (MediaKind.VIDEO,))),
}
#: network -> placement -> its name in the network's object
PLACED: dict[str, dict[str, str]] = {
    network: {POST: "", REEL: "reels", STORY: "stories"}
    for network in ("facebook", "instagram")
}
#: Networks that want a title, and those that show one.
TITLED = frozenset({"youtube", "reddit"})
WITH_TITLE = TITLED | {"pinterest", "facebook", "linkedin"}
#: Networks where an image beside a video is its cover (thumbNail).
WITH_COVER = frozenset({"youtube", "pinterest"})
#: Networks whose posts Ayrshare does not comment.
WITHOUT_COMMENTS = frozenset({"pinterest", "gmb"})
#: of a Pin's link
LINK_LIMIT = 2_048
#: Lists of comments are so old at most.
COMMENTS_CACHE_S = 600

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
        "POST /profiles",
        "GET /profiles",
        "DELETE /profiles",
        "POST /profiles/link-sessions",
        "PATCH /post",
        "PUT /post/retry",
        "POST /validate/post",
        "POST /analytics/social",
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
    # Of YouTube and Pinterest: the cover beside a video.
    mixes=(frozenset({MediaKind.VIDEO, MediaKind.IMAGE}),),
    # How long it may be is each network's business; X's is the shortest by far.
    first_comment=CommentRule(
        "POST /comments",
        "GET /comments/:id",
        10_000,
        without=((PLACEMENT, STORY),),
        listed_within_s=COMMENTS_CACHE_S,
        look_after_s=(15, 2 * COMMENTS_CACHE_S + 60, 2 * COMMENTS_CACHE_S + 300),
    ),
    hook_name="Webhook",
    hook_tells="posts at TikTok, and networks that were linked or unlinked",
    hook_asked=True,
    hook_sets_address=True,
    hook_secret_name="Webhook secret",
    hook_publish=("post",),
    options=(
        Option(
            "network",
            "Network",
            OptionKind.CHOICE,
            {slug: network.name for slug, network in NETWORKS.items()},
            choices_from="networks",
            required=True,
            help="The network of the profile that this post goes to.",
        ),
        Option(
            "title",
            "Title",
            OptionKind.TEXT,
            max_length=100,
            help="YouTube and Reddit want one; Pinterest, Facebook and LinkedIn show it.",
        ),
        Option("subreddit", "Subreddit", OptionKind.TEXT, help="Reddit wants one."),
        Option("board", "Board", OptionKind.TEXT, help="The board's id at Pinterest."),
        placement(PLACES, "Reels and stories are of Facebook and Instagram only."),
        Option(
            "keep_off_feed",
            "Keep a reel off the profile's posts",
            OptionKind.FLAG,
            default=False,
            help="Of Instagram only.",
            media=(MediaKind.VIDEO,),
            is_rare=True,
        ),
        collaborators(),
        Option(
            "tags",
            "Tags",
            OptionKind.LIST,
            default=(),
            help="Of YouTube only.",
            media=(MediaKind.VIDEO,),
            is_rare=True,
        ),
        Option(
            "visibility",
            "Who may see it at YouTube",
            OptionKind.CHOICE,
            {"public": "Everybody", "private": "Nobody but the channel"},
            default="public",
            media=(MediaKind.VIDEO,),
            is_rare=True,
        ),
        Option(
            "shorts",
            "As a Short at YouTube",
            OptionKind.FLAG,
            default=False,
            media=(MediaKind.VIDEO,),
            is_rare=True,
        ),
        Option(
            "no_comments",
            "Nobody may comment at TikTok",
            OptionKind.FLAG,
            default=False,
            is_rare=True,
        ),
        Option(
            "ai_generated",
            "Made with AI",
            OptionKind.FLAG,
            default=False,
            help="Told to TikTok only.",
        ),
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
        "To hear of posts at TikTok and of networks that are unlinked, enter a secret of "
        "your own here. SocialHub then sets the webhooks “scheduled” and “social” of each "
        "connected profile, in place of any that you have there.",
    ),
    register_url="https://app.ayrshare.com",
)
