"""Instagram (professional accounts): facts as data.

An account comes in one of two ways, which are two hosts, two apps and two kinds of
token: with the Facebook Page that it is linked to ("facebook"), or by its own sign-in
("instagram"). `Access.extra["variant"]` tells which.
Source: https://developers.facebook.com/docs/instagram-platform (v26.0).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ..base import (
    Ability,
    Absent,
    After,
    Call,
    CommentRule,
    MediaKind,
    MediaRule,
    MentionRule,
    OAuthFacts,
    Option,
    OptionKind,
    PlatformSpec,
    Scope,
    Shape,
    SignIn,
    VideoRule,
)
from .windows import BUCKETS, CALL, DRAWS

FACEBOOK, INSTAGRAM = "facebook", "instagram"

#: The counting unit is not documented; Python's length is never less than any other
#: but UTF-16's.
CAPTION_LIMIT = 2_200
MAX_HASHTAGS = 30
MAX_COLLABORATORS = 3
#: in one file; Instagram's own limit, which its API does not tell (unverified)
MAX_TAGGED = 20
MAX_MENTIONS = 20
#: width : height, from upright to wide
MIN_RATIO, MAX_RATIO = 4 / 5, 1.91
STORY_LIFE = timedelta(hours=24)
POST, REEL, STORY = "post", "reel", "story"
#: A video alone is a reel; in a carousel the same is asked of it.
VIDEOS = VideoRule(
    mime_types=("video/mp4", "video/quicktime"),
    max_bytes=300_000_000,
    max_count=10,
    video_codecs=("h264", "hevc"),
    audio_codecs=("aac",),
    min_s=3,
    max_s=15 * 60,
    max_width=1920,
    min_ratio=0.01,
    max_ratio=10,
    min_fps=23,
    max_fps=60,
    max_bitrate=25_000_000,
    index_first=True,
    max_channels=2,
    max_audio_rate=48_000,
    # 4:2:0, at full range and with more shades (HEVC) as well
    pixel_formats=("yuv420p", "yuvj420p", "yuv420p10le"),
    progressive=True,
)
STORY_VIDEOS = replace(
    VIDEOS, max_bytes=100_000_000, max_count=1, max_s=60, min_ratio=0.1
)

MESSAGES = "Messages"
_BASIC, _PUBLISH, _FIGURES, _COMMENTS, _MESSAGES = (
    ("instagram_business_basic", "instagram_basic"),
    ("instagram_business_content_publish", "instagram_content_publish"),
    ("instagram_business_manage_insights", "instagram_manage_insights"),
    ("instagram_business_manage_comments", "instagram_manage_comments"),
    ("instagram_business_manage_messages", "instagram_manage_messages"),
)
_ALLOWS = (
    (_BASIC, "read the profile and its posts", ""),
    (_PUBLISH, "publish", ""),
    (_FIGURES, "read the figures", ""),
    (_COMMENTS, "read, answer, hide and delete comments", ""),
    (_MESSAGES, "answer messages", MESSAGES),
)
SCOPES = (
    *(
        # A grant is frozen when it is given: all of it is asked for from the start.
        Scope(
            names[0],
            allows,
            True,
            asked=not later,
            later=later,
        )
        for names, allows, later in _ALLOWS
    ),
    # Those of accounts that come through a Page; Facebook's sign-in asks for them.
    *(
        Scope(names[1], f"{allows} (through Facebook)", True, False, later=later)
        for names, allows, later in _ALLOWS
    ),
    Scope("instagram_manage_contents", "delete posts (through Facebook)", True, False),
    Scope("pages_show_list", "list the Pages (through Facebook)", True, False),
    Scope("pages_read_engagement", "read the Page (through Facebook)", True, False),
    Scope("pages_manage_metadata", "be told of events", True, False, later="Webhooks"),
)

#: variant -> ability -> the scopes that it hangs on
NEEDED: dict[str, dict[Ability, tuple[str, ...]]] = {
    FACEBOOK: {
        Ability.PUBLISH: (_BASIC[1], _PUBLISH[1], "pages_read_engagement"),
        Ability.READ: (_BASIC[1], "pages_read_engagement"),
        Ability.FIGURES: (_BASIC[1], _FIGURES[1], "pages_read_engagement"),
    },
    INSTAGRAM: {
        Ability.PUBLISH: (_BASIC[0], _PUBLISH[0]),
        Ability.READ: (_BASIC[0],),
        Ability.FIGURES: (_BASIC[0], _FIGURES[0]),
    },
}

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, one of these scopes, ability
_ROWS: tuple[tuple[str, str, tuple[str, ...], Ability], ...] = (
    ("POST /oauth/access_token", "Connect", (), _R),
    ("GET /access_token", "Connect", (), _R),
    ("GET /refresh_access_token", "Refresh", _BASIC[:1], _R),
    ("GET /debug_token", "Health and scopes", (), _R),
    ("GET /me", "Identity and health", _BASIC[:1], _R),
    ("GET /me/accounts", "Choose an account", _BASIC[1:], _R),
    ("GET /:ig", "Identity and health", _BASIC, _R),
    ("GET /:ig/content_publishing_limit", "Posts left, right to post", _PUBLISH, _P),
    ("POST /:ig/media", "Images and videos", _PUBLISH, _P),
    ("GET /:container", "State of an image or video", _PUBLISH, _P),
    # Bytes of a video: only for accounts that come through a Page.
    (
        "POST rupload /ig-api-upload/:container",
        "Images and videos",
        _PUBLISH[1:],
        _P,
    ),
    ("POST /:ig/media_publish", "Publish", _PUBLISH, _P),
    ("GET /:ig/media", "Find a post again", _BASIC, _R),
    ("GET /:ig/stories", "Find a story again", _BASIC, _R),
    ("GET /:media", "One post", _BASIC, _R),
    ("DELETE /:media", "Unpublish", ("instagram_manage_contents",), _P),
    ("GET /:media/comments", "Comment inbox", _COMMENTS, _R),
    ("POST /:media/comments", "First comment", _COMMENTS, _R),
    ("POST /:comment/replies", "Answer a comment", _COMMENTS, _R),
    ("POST /:comment", "Hide a comment", _COMMENTS, _R),
    ("DELETE /:comment", "Delete a comment", _COMMENTS, _R),
    ("POST /:ig/messages", "Answer in private", _MESSAGES, _R),
    ("GET /:ig/insights", "Figures of an account", _FIGURES, _F),
    ("GET /:media/insights", "Figures of a post", _FIGURES, _F),
    ("GET /:ig?business_discovery", "Other accounts", _BASIC[1:], _R),
    ("GET /ig_hashtag_search", "Hashtags", _BASIC[1:], _R),
)
#: The audience would see these twice.
MUTATING = frozenset(
    {
        "POST /:ig/media_publish",
        "POST /:media/comments",
        "POST /:comment/replies",
        "POST /:ig/messages",
    }
)
#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "GET /me/accounts",
        "POST /:ig/messages",
        "GET /:ig/insights",
        "GET /:ig?business_discovery",
        "GET /ig_hashtag_search",
    }
)
#: Rows that the windows' table does not name.
_OTHER_DRAWS: dict[str, dict[str, int]] = {
    "POST /oauth/access_token": {},
    "GET /access_token": {},
    "GET /refresh_access_token": {},
    "GET /debug_token": {"app_calls": 1},
    "GET /me": CALL,
    "POST rupload /ig-api-upload/:container": {},
}

SPEC = PlatformSpec(
    slug="instagram",
    name="Instagram",
    shape=Shape.PICTURE,
    folds_after=125,
    sign_in=SignIn.OAUTH,
    mentions=MentionRule(
        r"@[A-Za-z0-9_](?:[A-Za-z0-9_.]{0,28}[A-Za-z0-9_])?",
        "Instagram links @name of letters, digits, dots and _.",
    ),
    fetches_files=True,
    hosts={
        "www": "https://www.instagram.com",
        "api": "https://api.instagram.com",
        "graph": "https://graph.instagram.com",
        "facebook": "https://graph.facebook.com",
        "upload": "https://rupload.facebook.com",
    },
    practice_paths={
        "www": "/instagram/www",
        "api": "/instagram/api",
        "graph": "/instagram/ig",
        "facebook": "/instagram/graph",
        "upload": "/instagram/rupload",
    },
    calls=tuple(
        Call(
            key,
            feature,
            any_scopes=scopes,
            mutates=key in MUTATING,
            ability=ability,
            later=key in LATER,
            draws=DRAWS[key] if key in DRAWS else _OTHER_DRAWS[key],
        )
        for key, feature, scopes, ability in _ROWS
    ),
    buckets=BUCKETS,
    scopes=SCOPES,
    first_comment=CommentRule(
        "POST /:media/comments",
        "GET /:media/comments",
        300,
        without=(("placement", "story"),),
    ),
    images=MediaRule(
        mime_types=("image/jpeg",),
        max_bytes=8 * 1024 * 1024,
        max_alt=1_000,
        max_count=10,
        min_ratio=MIN_RATIO,
        max_ratio=MAX_RATIO,
    ),
    videos=VIDEOS,
    mixes=(frozenset({MediaKind.IMAGE, MediaKind.VIDEO}),),
    options=(
        Option(
            "placement",
            "Placement",
            OptionKind.CHOICE,
            choices={POST: "Post", REEL: "Reel", STORY: "Story (24 hours)"},
            default=POST,
            help="A video alone is always a reel; as a post it stands among the posts "
            "of the profile too. A story shows one image or video, and no text. An image "
            "beside the video of a reel becomes its cover.",
        ),
        Option(
            "cover_at",
            "Cover: second of the video",
            OptionKind.TEXT,
            max_length=8,
            help="Such as 1.5; without it the first picture.",
            media=(MediaKind.VIDEO,),
            is_read=True,
            is_rare=True,
        ),
        Option(
            "collaborators",
            "Published together with",
            OptionKind.LIST,
            default=(),
            max_length=MAX_COLLABORATORS,
            help="Names of Instagram accounts, at most 3. They are asked there.",
            is_read=True,
        ),
        Option(
            "user_tags",
            "People in it",
            OptionKind.LIST,
            default=(),
            help="Names of Instagram accounts. In images they have a place: “@anna 30 70” "
            "is 30 per cent from the left and 70 from the top. “2: @anna” is in the second "
            "file.",
            is_read=True,
            is_rare=True,
        ),
        Option(
            "location",
            "Place",
            OptionKind.TEXT,
            help="The number of the place's Facebook Page, digits only.",
            is_read=True,
            is_rare=True,
        ),
        Option(
            "audio_name",
            "Name of a reel's sound",
            OptionKind.TEXT,
            help="Shown in place of “Original audio”.",
            media=(MediaKind.VIDEO,),
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
            help="Shown first to people who do not follow the account. Not every account "
            "may do that.",
            is_read=True,
            is_rare=True,
        ),
        Option("ai_generated", "Made with AI", OptionKind.FLAG, default=False),
        Option(
            "paid_partnership",
            "Paid partnership",
            OptionKind.FLAG,
            default=False,
            is_read=True,
        ),
    ),
    tells_percent=True,
    absent=(
        Absent(
            After.DELETE,
            "Instagram lets no app delete posts of accounts that are connected without "
            "a Facebook Page.",
            extra=("variant", INSTAGRAM),
        ),
    ),
    flat_answers=True,
    needs_media=True,
    oauth=OAuthFacts(
        authorize_host="www",
        authorize_path="/oauth/authorize",
        pkce=False,
        scopes=tuple(scope.name for scope in SCOPES if scope.asked),
        scope_delimiter=",",
        force_login_params={"force_reauth": "true"},
    ),
    api_version="v26.0",
    account_kinds=("instagram",),
    # Of its own sign-in: each renewal brings another 60 days.
    token_life_s=60 * 86_400,
    renewal_rotates=True,
    # Its permissions are not exempt from the end of data access, as those of Pages are.
    data_access_stops=tuple(Ability),
    # The first call may still be running when its answer is given up.
    # A container lives for a day.
    keeps_uploads_s=86_400,
    look_after_s=(35, 80, 150),
    also_through=("facebook",),
    tells_who_left=True,
    register_steps=(
        "Accounts that are linked to a Facebook Page need nothing here: connect "
        "Facebook, and they are offered beside their Pages.",
        "For accounts without a Page: in your app at Meta for Developers add the "
        "product Instagram and open API setup with Instagram login.",
        "Under Set up Instagram business login enter the redirect address shown here, "
        "exactly.",
        "Copy the Instagram App ID and the Instagram App Secret; they are other numbers "
        "than those of the Facebook app.",
    ),
    register_url="https://developers.facebook.com/apps",
)
