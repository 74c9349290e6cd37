"""Facebook Pages: facts as data.

Source: https://developers.facebook.com/docs/pages-api (v26.0).
"""

from __future__ import annotations

from dataclasses import replace

from ..base import (
    Ability,
    Call,
    CommentRule,
    GifRule,
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
from .windows import BUCKETS, DRAWS, PAGE_CALL, USER_CALL

TEXT_LIMIT = 63_206
#: Not documented; public schedulers stop here.
MAX_PHOTOS = 10
POST, REEL, STORY = "post", "reel", "story"
#: edges of a Page that videos go to
VIDEOS, REELS, STORIES = "videos", "video_reels", "video_stories"
#: Sizes and lengths differ per account; these are those of an older guide.
POST_VIDEOS = VideoRule(
    mime_types=("video/mp4", "video/quicktime"),
    max_bytes=10_000_000_000,
    max_s=240 * 60,
)
REEL_VIDEOS = replace(
    POST_VIDEOS,
    video_codecs=("h264", "hevc", "vp9", "av1"),
    audio_codecs=("aac",),
    min_s=3,
    max_s=90,
    min_width=540,
    min_height=960,
    # 9:16
    min_ratio=0.56,
    max_ratio=0.565,
    min_fps=24,
    max_fps=60,
    max_channels=2,
    max_audio_rate=48_000,
    # 4:2:0, at full range and with more shades as well
    pixel_formats=("yuv420p", "yuvj420p", "yuv420p10le"),
)
STORY_VIDEOS = replace(REEL_VIDEOS, max_s=60)
#: Clock differences allowed for when looking for a post of ours.
LOOK_BACK_S = 120
#: Trade a living 60-day token for a new one before it ends. Not documented as a way to
#: stay connected, so it is off: people are asked to reconnect in time instead.
RENEWS_LONG_LIVED = False
#: One of these lets a person publish for a Page.
POSTING_TASKS = frozenset(
    {
        "CREATE_CONTENT",
        "MANAGE",
        "PROFILE_PLUS_CREATE_CONTENT",
        "PROFILE_PLUS_FULL_CONTROL",
    }
)

PUBLISH = ("pages_manage_posts", "pages_read_engagement", "pages_show_list")
READ = ("pages_read_engagement",)
FIGURES = ("read_insights", "pages_read_engagement")
ENGAGE = ("pages_manage_engagement",)
INBOX = ("pages_read_engagement", "pages_read_user_content")
#: What makes the Instagram accounts behind the Pages publishable.
INSTAGRAM = ("instagram_basic", "instagram_content_publish")

MESSAGES, EVENTS = "Messages", "Webhooks"
SCOPES = (
    Scope("public_profile", "tell who signed in", asked=False),
    Scope("pages_show_list", "list the person's Pages", True),
    Scope("pages_read_engagement", "read a Page's posts and followers", True),
    Scope("pages_manage_posts", "create, edit and delete posts of a Page", True),
    Scope("read_insights", "read the figures of a Page", True),
    Scope("business_management", "find Pages that a business portfolio owns", True),
    Scope("instagram_basic", "find the Instagram account of a Page", True),
    Scope("instagram_content_publish", "publish on that Instagram account", True),
    Scope("instagram_manage_insights", "read the figures on Instagram", True),
    Scope("pages_read_user_content", "read what people write", True),
    Scope("pages_manage_engagement", "comment as the Page", True),
    Scope("pages_manage_metadata", "be told of events", True, False, later=EVENTS),
    Scope("pages_messaging", "answer messages of a Page", True, False, later=MESSAGES),
    Scope("instagram_manage_comments", "comment and answer on Instagram", True),
    Scope(
        "instagram_manage_messages",
        "answer messages on Instagram",
        True,
        False,
        later=MESSAGES,
    ),
    Scope("instagram_manage_contents", "delete posts on Instagram", True, False),
)

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, scopes (all needed), ability
_ROWS: tuple[tuple[str, str, tuple[str, ...], Ability], ...] = (
    ("GET /oauth/access_token", "Connect", (), _R),
    ("GET /debug_token", "Health and scopes", (), _R),
    ("GET /me/permissions", "Health and scopes", (), _R),
    ("DELETE /me/permissions", "Disconnect", (), _R),
    ("GET /me", "Identity and health", (), _R),
    ("GET /me/accounts", "Choose a Page", ("pages_show_list",), _R),
    ("GET /me/businesses", "Pages of a portfolio", ("business_management",), _R),
    (
        "GET /:business/owned_pages",
        "Pages of a portfolio",
        ("business_management",),
        _R,
    ),
    (
        "GET /:business/client_pages",
        "Pages of a portfolio",
        ("business_management",),
        _R,
    ),
    ("GET /:page", "Page card and token", ("pages_show_list",), _R),
    ("POST /:page/feed", "Publish", PUBLISH, _P),
    ("POST /:page/photos", "Photos", PUBLISH, _P),
    ("POST /:page/videos?upload_phase=start", "Videos", PUBLISH, _P),
    ("POST /:page/videos?upload_phase=transfer", "Videos", PUBLISH, _P),
    ("POST /:page/videos?upload_phase=finish", "Videos", PUBLISH, _P),
    ("POST rupload /video-upload/:video", "Reels and video stories", PUBLISH, _P),
    ("GET /:video", "State of a video", READ, _P),
    ("POST /:page/video_reels?upload_phase=start", "Reels", PUBLISH, _P),
    ("POST /:page/video_reels?upload_phase=finish", "Reels", PUBLISH, _P),
    ("POST /:page/video_stories?upload_phase=start", "Stories", PUBLISH, _P),
    ("POST /:page/video_stories?upload_phase=finish", "Stories", PUBLISH, _P),
    ("POST /:page/photo_stories", "Stories", PUBLISH, _P),
    ("DELETE /:post", "Unpublish", PUBLISH, _P),
    ("DELETE /:photo", "Unused photos", PUBLISH, _P),
    ("GET /:page/published_posts", "Find a post again", READ, _R),
    ("GET /:page/feed", "Posts of visitors", INBOX, _R),
    ("GET /:page/video_reels", "Find a reel again", READ, _R),
    ("GET /:page/stories", "Find a story again", READ, _R),
    ("GET /:post", "Counts of a post", READ, _F),
    ("POST /:post/comments", "First comment and replies", ENGAGE, _R),
    ("GET /:post/comments", "Comment inbox", INBOX, _R),
    ("POST /:comment", "Hide a comment", ENGAGE, _R),
    ("DELETE /:comment", "Delete a comment", ("pages_read_user_content",), _R),
    ("GET /:page/insights", "Figures of a Page", FIGURES, _F),
    ("GET /:post/insights", "Figures of a post", FIGURES, _F),
    ("GET /:video/insights", "Figures of a video", FIGURES, _F),
    ("POST /:page/subscribed_apps", "Events", ("pages_manage_metadata",), _R),
)
#: The audience would see these twice.
MUTATING = frozenset(
    {
        "POST /:page/feed",
        "POST /:page/videos?upload_phase=finish",
        "POST /:page/video_reels?upload_phase=finish",
        "POST /:page/video_stories?upload_phase=finish",
        "POST /:page/photo_stories",
        "POST /:post/comments",
    }
)
#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "GET /:page/feed",
        "GET /:page/insights",
        "POST /:page/subscribed_apps",
    }
)
#: Rows that the windows' table does not name.
_OTHER_DRAWS = {
    "GET /oauth/access_token": {"app_calls": 1},
    "DELETE /me/permissions": USER_CALL,
    "GET /:page": PAGE_CALL,
    "GET /:post": PAGE_CALL,
    "DELETE /:post": PAGE_CALL,
    "DELETE /:photo": PAGE_CALL,
    "GET /:video": PAGE_CALL,
    "POST rupload /video-upload/:video": {},
}


def _draws(key: str) -> dict[str, int]:
    if key == "GET /me":
        # Of the person with their own token, of the Page with a Page's.
        return PAGE_CALL
    return DRAWS[key] if key in DRAWS else _OTHER_DRAWS[key]


#: Declined permissions are asked for again, and the 90 days of data access begin anew.
ASK_ANEW = {"auth_type": "rerequest,reauthorize"}

SPEC = PlatformSpec(
    slug="facebook",
    name="Facebook",
    shape=Shape.FEED,
    folds_after=480,
    sign_in=SignIn.OAUTH,
    mentions=MentionRule(
        r"(?!)",
        "Facebook links no names in posts of apps, only @[number of a Page].",
        permission="Page Mentioning",
    ),
    hosts={
        "www": "https://www.facebook.com",
        "graph": "https://graph.facebook.com",
        "upload": "https://rupload.facebook.com",
        # Addresses of the accounts behind the Pages.
        "instagram": "https://www.instagram.com",
    },
    practice_paths={
        "www": "/facebook/www",
        "graph": "/facebook/graph",
        "upload": "/facebook/rupload",
        "instagram": "/instagram/www",
    },
    calls=tuple(
        Call(
            key,
            feature,
            scopes,
            mutates=key in MUTATING,
            ability=ability,
            draws=_draws(key),
            later=key in LATER,
        )
        for key, feature, scopes, ability in _ROWS
    ),
    buckets=BUCKETS,
    scopes=SCOPES,
    first_comment=CommentRule(
        "POST /:post/comments",
        "GET /:post/comments",
        8000,
        without=(("placement", "story"),),
    ),
    images=MediaRule(
        # BMP and TIFF are taken too; our media library has none.
        mime_types=("image/jpeg", "image/png", "image/gif"),
        max_bytes=4 * 1024 * 1024 - 1,
        max_count=MAX_PHOTOS,
    ),
    gifs=GifRule(
        mime_types=("image/gif",),
        max_bytes=4 * 1024 * 1024 - 1,
        max_count=MAX_PHOTOS,
    ),
    videos=POST_VIDEOS,
    mixes=(frozenset({MediaKind.IMAGE, MediaKind.GIF}),),
    options=(
        Option(
            "placement",
            "Placement",
            OptionKind.CHOICE,
            choices={POST: "Post", REEL: "Reel", STORY: "Story (24 hours)"},
            default=POST,
            help="A reel is one upright video of 3 to 90 seconds. A story shows one "
            "image or video, and no text.",
            media=(MediaKind.IMAGE, MediaKind.GIF, MediaKind.VIDEO),
        ),
    ),
    oauth=OAuthFacts(
        authorize_host="www",
        authorize_path="/dialog/oauth",
        pkce=False,
        scopes=tuple(scope.name for scope in SCOPES if scope.asked),
        scope_delimiter=",",
        force_login_params=ASK_ANEW,
        again_params=ASK_ANEW,
    ),
    tells_percent=True,
    flat_answers=True,
    api_version="v26.0",
    account_kinds=("page", "user"),
    # Not documented; a day is believed.
    keeps_uploads_s=86_400,
    clears_uploads=False,
    discard_call="DELETE /:photo",
    # Lists may lag some seconds behind.
    look_after_s=(15, 60, 150),
    tells_who_left=True,
    register_steps=(
        "Create an app of the type Business at Meta for Developers and connect it to "
        "your verified business.",
        "Add the product Facebook Login for Business; for Instagram accounts of Pages "
        "add Instagram as well.",
        "Under Facebook Login, Settings, enter the redirect address shown here, exactly, "
        "as a valid OAuth redirect URI.",
        "People with a role on the app can connect at once. For everybody else ask for "
        "Advanced Access to the permissions in one App Review, those for later too.",
        "Copy App ID and App Secret from Settings, Basic.",
    ),
    register_url="https://developers.facebook.com/apps",
)
