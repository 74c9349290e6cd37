"""X: facts as data. Source: https://docs.x.com (2026-09; OpenAPI 2.168)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from .. import quotes
from ..base import (
    MONEY,
    Ability,
    Absent,
    After,
    Bucket,
    Call,
    CaptionRule,
    GifRule,
    MediaRule,
    MentionRule,
    OAuthFacts,
    Option,
    OptionKind,
    PlatformSpec,
    PollRule,
    Scope,
    SignIn,
    ThreadRule,
    VideoRule,
    WindowKind,
)

TEXT_LIMIT = 280
LONG_TEXT_LIMIT = 25_000
#: `subscription_type` of those who may write long posts.
LONG_TEXT_PLANS = frozenset({"Premium", "PremiumPlus"})
#: Self-serve plans refuse a second $SYMBOL.
MAX_CASHTAGS = 1
#: A media id lives this long when the upload's answer does not say.
MEDIA_LIFE_S = 86_400
#: Clock differences allowed for when looking for a post of ours.
LOOK_BACK_S = 60

#: X advises 5 MB at most for a part of a file, takes 8, and has 1,000 numbers for them.
PART_BYTES = 4 * 1024 * 1024
MAX_PARTS = 1000
MAX_PART_BYTES = 8_000_000

QUARTER_S = 15 * 60
DAY_S = 24 * 3600
MONTH_S = 31 * DAY_S

READ = ("tweet.read", "users.read")
WRITE = ("tweet.write", "tweet.read", "users.read")
MEDIA = ("media.write",)

#: Prices of pay-per-use (2026-09) in thousandths of a US dollar, drawn on "credits".
PRICE_CREATE = 15
PRICE_CREATE_WITH_LINK = 200
PRICE_POST_READ = 5
PRICE_USER_READ = 10
PRICE_DELETE = 10
#: Any other change of a post: hiding a reply.
PRICE_OTHER = 10
PRICE_METADATA = 5
#: Posts on a page of a search when the call does not say how many.
PAGE = 10

#: call -> (per user in 15 min, per app, seconds of the app's window)
LIMITS: dict[str, tuple[int | None, int | None, int]] = {
    "POST /2/tweets": (100, 10_000, DAY_S),
    "DELETE /2/tweets/:id": (50, None, 0),
    "GET /2/tweets": (5_000, 3_500, QUARTER_S),
    "GET /2/tweets/:id": (900, 450, QUARTER_S),
    "GET /2/tweets/analytics": (300, 300, QUARTER_S),
    "GET /2/users/me": (75, None, 0),
    "GET /2/users/:id/tweets": (900, 10_000, QUARTER_S),
    "GET /2/users/:id/mentions": (300, 450, QUARTER_S),
    "GET /2/tweets/search/recent": (300, 450, QUARTER_S),
    "PUT /2/tweets/:id/hidden": (50, None, 0),
    "POST /2/media/upload": (500, 50_000, DAY_S),
    "GET /2/media/upload": (1_000, 100_000, DAY_S),
    "POST /2/media/upload/initialize": (1_875, 180_000, DAY_S),
    "POST /2/media/upload/:id/append": (1_875, 180_000, DAY_S),
    "POST /2/media/upload/:id/finalize": (1_875, 180_000, DAY_S),
    "POST /2/media/metadata": (500, 50_000, DAY_S),
    "POST /2/media/subtitles": (100, 10_000, DAY_S),
    "GET /2/usage/tweets": (None, 50, QUARTER_S),
    "POST /2/webhooks": (None, 450, QUARTER_S),
    "GET /2/webhooks": (None, 450, QUARTER_S),
    "PUT /2/webhooks/:id": (None, 450, QUARTER_S),
    "DELETE /2/webhooks/:id": (None, 450, QUARTER_S),
    "POST /2/activity/subscriptions": (None, 500, QUARTER_S),
    "GET /2/activity/subscriptions": (None, 500, QUARTER_S),
    "DELETE /2/activity/subscriptions/:id": (None, 500, QUARTER_S),
}


def _buckets() -> tuple[Bucket, ...]:
    rows = []
    opens = WindowKind.FROM_FIRST_CALL
    for call, (per_user, per_app, app_window_s) in LIMITS.items():
        if per_user:
            rows.append(Bucket(f"{call}:user", "account", per_user, opens, QUARTER_S))
        if per_app:
            rows.append(Bucket(f"{call}:app", "app", per_app, opens, app_window_s))
    rows += [
        # Legacy plans only; the headers x-user-limit-24hour-* tell the size.
        Bucket(
            "posts:user:24h",
            "account",
            None,
            opens,
            DAY_S,
            verified=False,
            name="Posts of the account",
            unit="posts",
        ),
        Bucket(
            "posts:user:3h",
            "account",
            300,
            opens,
            3 * 3600,
            verified=False,
            name="Posts of the account, all apps together",
            unit="posts",
        ),
        # X's month begins on a day of its own (`cap_reset_day`); ours on the 1st.
        Bucket(
            "post_reads",
            "app",
            3_000_000,
            WindowKind.MONTH,
            MONTH_S,
            verified=False,
            name="Posts that are read",
            unit="posts",
        ),
        # The balance is shown in X's console only: an admin sets the size.
        Bucket(
            "credits",
            "app",
            None,
            WindowKind.MONTH,
            MONTH_S,
            name="Credits",
            unit=MONEY,
        ),
    ]
    return tuple(rows)


def _call(
    key: str,
    feature: str,
    scopes: tuple[str, ...] = (),
    *,
    mutates: bool = False,
    ability: Ability = Ability.PUBLISH,
    **more: int,
) -> Call:
    """A row with its own user and app buckets; more: further buckets and units."""
    draws = dict(more)
    per_user, per_app, _ = LIMITS.get(key, (None, None, 0))
    if per_user:
        draws[f"{key}:user"] = 1
    if per_app:
        draws[f"{key}:app"] = 1
    return Call(key, feature, scopes, (), mutates, ability, draws, key in LATER)


#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "GET /2/tweets/:id",
        "GET /2/tweets/analytics",
        "GET /2/users/:id/mentions",
        "GET /2/usage/tweets",
    }
    | {"DELETE /2/webhooks/:id"}
)
CALLS = (
    _call("POST /2/oauth2/token", "Connect and refresh"),
    _call("POST /2/oauth2/revoke", "Disconnect"),
    _call(
        "GET /2/users/me",
        "Identity, health and plan",
        READ,
        ability=Ability.READ,
        credits=PRICE_USER_READ,
    ),
    _call("POST /2/media/upload", "Images", MEDIA),
    _call("GET /2/media/upload", "Videos and GIFs", MEDIA),
    _call("POST /2/media/upload/initialize", "Videos and GIFs", MEDIA),
    _call("POST /2/media/upload/:id/append", "Videos and GIFs", MEDIA),
    _call("POST /2/media/upload/:id/finalize", "Videos and GIFs", MEDIA),
    _call("POST /2/media/metadata", "Alt text", MEDIA, credits=PRICE_METADATA),
    _call("POST /2/media/subtitles", "Captions", MEDIA),
    Call(
        "POST /2/tweets",
        "Publish",
        WRITE,
        mutates=True,
        draws={
            "POST /2/tweets:user": 1,
            "POST /2/tweets:app": 1,
            "posts:user:24h": 1,
            "posts:user:3h": 1,
            "credits": PRICE_CREATE,
        },
    ),
    _call("DELETE /2/tweets/:id", "Unpublish", WRITE, credits=PRICE_DELETE),
    _call(
        "GET /2/users/:id/tweets",
        "Find a post of ours again",
        READ,
        ability=Ability.READ,
        post_reads=5,
        credits=5 * PRICE_POST_READ,
    ),
    # Per post that is asked for; up to 100 in one call.
    _call(
        "GET /2/tweets",
        "Figures",
        READ,
        ability=Ability.FIGURES,
        post_reads=1,
        credits=PRICE_POST_READ,
    ),
    _call(
        "GET /2/tweets/:id",
        "One post",
        READ,
        ability=Ability.READ,
        post_reads=1,
        credits=PRICE_POST_READ,
    ),
    _call("GET /2/tweets/analytics", "Figures", READ, ability=Ability.FIGURES),
    _call(
        "GET /2/tweets/search/recent",
        "Replies",
        READ,
        ability=Ability.READ,
        post_reads=PAGE,
        credits=PAGE * PRICE_POST_READ,
    ),
    _call(
        "GET /2/users/:id/mentions",
        "Mentions",
        READ,
        ability=Ability.READ,
        post_reads=PAGE,
        credits=PAGE * PRICE_POST_READ,
    ),
    _call(
        "PUT /2/tweets/:id/hidden",
        "Hide replies",
        ("tweet.moderate.write", *READ),
        ability=Ability.READ,
        credits=PRICE_OTHER,
    ),
    _call("GET /2/usage/tweets", "Quota (app token)", ability=Ability.READ),
    *(
        _call(key, "Events (app token)", ability=Ability.READ)
        for key in LIMITS
        if "/2/webhooks" in key or "/2/activity" in key
    ),
)

SCOPES = (
    Scope("tweet.read", "read posts; nearly every call needs it"),
    Scope("users.read", "read the account's own profile"),
    Scope("tweet.write", "create and delete posts"),
    Scope("media.write", "upload images and videos, set alt texts and captions"),
    Scope("offline.access", "stay connected for longer than two hours"),
    Scope("tweet.moderate.write", "hide and show replies"),
    Scope("users.email", "read the person's email address", asked=False),
)

#: The sides are those of a video that lies; one that stands may have them the other way.
VIDEOS = VideoRule(
    mime_types=("video/mp4", "video/quicktime"),
    # X's own limit, 8 GB, and 16 GB for those who pay, is more than all parts can hold.
    max_bytes=MAX_PARTS * MAX_PART_BYTES,
    video_codecs=("h264",),
    audio_codecs=("aac",),
    min_s=0.5,
    max_s=20 * 60,
    min_width=32,
    min_height=32,
    max_width=1280,
    max_height=1280,
    max_pixels=1280 * 1024,
    min_ratio=0.333,
    max_ratio=3.0,
    max_fps=60,
    max_channels=2,
    # 4:2:0 of H.264 High, which has no more than 8 bits
    pixel_formats=("yuv420p", "yuvj420p"),
    progressive=True,
)
#: Of accounts with a subscription, or that X has verified.
LONG_VIDEOS = replace(
    VIDEOS,
    max_s=125 * 60,
    max_width=1920,
    max_height=1920,
    max_pixels=1920 * 1080,
)

SPEC = PlatformSpec(
    slug="x",
    name="X",
    sign_in=SignIn.OAUTH,
    hook_name="Webhook: url",
    hook_tells="replies, deleted posts, removed access",
    hook_has_handshake=True,
    hook_secret_name="API key secret (consumer secret)",
    hook_asked=True,
    hook_token_name="Bearer Token (of the app alone)",
    mentions=MentionRule(
        r"@[A-Za-z0-9_]{1,15}",
        "X links @name of letters, digits and _, 15 at most.",
    ),
    poll=PollRule(max_option=25, min_minutes=5, max_minutes=10_080),
    hosts={"api": "https://api.x.com", "web": "https://x.com"},
    practice_paths={"api": "/x", "web": "/x/web"},
    calls=CALLS,
    buckets=_buckets(),
    scopes=SCOPES,
    thread=ThreadRule(25, "POST /2/tweets"),
    images=MediaRule(
        mime_types=("image/jpeg", "image/png", "image/webp"),
        max_bytes=5 * 1024 * 1024,
        max_alt=1000,
        max_count=4,
    ),
    gifs=GifRule(
        mime_types=("image/gif",),
        max_bytes=15 * 1024 * 1024,
        max_alt=1000,
        max_width=1280,
        max_height=1080,
        max_frames=350,
        max_volume=300_000_000,
    ),
    videos=VIDEOS,
    options=(
        Option(
            "reply_settings",
            "Who may reply",
            OptionKind.CHOICE,
            {
                "following": "Accounts that you follow",
                "mentionedUsers": "Only who is mentioned",
                "subscribers": "Subscribers",
                "verified": "Verified accounts",
            },
            help="Without a choice: everybody.",
        ),
        Option("made_with_ai", "Made with AI", OptionKind.FLAG, default=False),
        Option("paid_partnership", "Paid partnership", OptionKind.FLAG, default=False),
        quotes.option(
            "The address of a post at X. X lets apps quote on its Enterprise plan only, "
            "and a quote takes no files."
        ),
    ),
    # One is tied to the video with each call; how many X takes is not documented.
    captions=CaptionRule("srt", max_bytes=1_000_000, max_count=20),
    oauth=OAuthFacts(
        authorize_host="web",
        authorize_path="/i/oauth2/authorize",
        pkce=True,
        scopes=tuple(scope.name for scope in SCOPES if scope.asked),
    ),
    api_version="2",
    # The search for replies reaches back so far.
    comments_for=timedelta(days=7),
    hides_silently=True,
    one_account_per_text=True,
    absent=(
        Absent(
            After.REMOVE,
            "X lets nobody delete what others wrote; replies can be hidden.",
        ),
    ),
    # Its media ids end after a day.
    keeps_uploads_s=86_400,
    look_after_s=(5, 30, 120),
    token_life_s=7200,
    renewal_rotates=True,
    register_steps=(
        "Sign in at the X developer console and create a project and an app.",
        "Under user authentication settings choose Read and write and the type "
        "Web App, so that the app has a client secret.",
        "Enter the redirect address shown here, exactly, as the callback URL.",
        "Copy the OAuth 2.0 Client ID and Client Secret (not the API key).",
        "Buy credits and set a spending limit: every post costs.",
    ),
    register_url="https://console.x.com",
)
