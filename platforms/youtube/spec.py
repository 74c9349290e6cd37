"""YouTube: facts as data.

Source: YouTube Data API v3, discovery revision 20261104, and
https://developers.google.com/youtube/data (2026-11).
"""

from __future__ import annotations

from datetime import timedelta

from ..base import (
    Ability,
    Call,
    CaptionRule,
    CommentRule,
    MediaKind,
    MediaRule,
    OAuthFacts,
    Option,
    OptionKind,
    PlatformSpec,
    Scope,
    Shape,
    SignIn,
    VideoRule,
)
from .windows import BUCKETS, DRAWS, READ

TITLE_LIMIT = 100
#: UTF-8, not characters
DESCRIPTION_BYTES = 5_000
#: of all tags together, as `tags_length` counts
TAGS_LIMIT = 500
#: Refused in titles and descriptions.
FORBIDDEN = "<>"
MAX_BYTES = 256 * 1024**3
MAX_S = 12 * 3600.0
#: For channels that nobody has confirmed by phone.
UNVERIFIED_MAX_S = 15 * 60.0
#: Square or upright, and no longer: a Short, whatever its title says.
SHORT_MAX_S = 180.0
THUMBNAIL_MIN_WIDTH = 640

#: Every part but the last is a multiple of this.
GRAIN = 256 * 1024
#: Small enough to be sent within the time of one call.
PART_BYTES = 32 * GRAIN
#: The last part makes the video public: no more is left for the due instant.
LAST_BYTES = 4 * GRAIN
#: Google does not tell it for YouTube; its other uploads live a week (unverified).
SESSION_LIFE_S = 6 * 24 * 3600
#: The file name that we send comes back as `fileDetails.fileName` (unverified): without
#: that, title, description and size tell.
SLUG_SETS_FILE_NAME = True
#: Clock differences allowed for when looking for a video of ours.
LOOK_BACK_S = 120
#: A token younger than this that is refused is not dead: Google has bad hours.
FRESH_TOKEN_S = 300
#: Categories are the same all over the world but for a few.
REGION = "US"
CATEGORY = "22"

_PREFIX = "https://www.googleapis.com/auth/"
UPLOAD, READONLY = f"{_PREFIX}youtube.upload", f"{_PREFIX}youtube.readonly"
MANAGE, FORCE_SSL = f"{_PREFIX}youtube", f"{_PREFIX}youtube.force-ssl"
ANALYTICS = f"{_PREFIX}yt-analytics.readonly"

SCOPES = (
    Scope(UPLOAD, "upload videos and thumbnails", True),
    Scope(READONLY, "read the channel, its videos and their figures", True),
    Scope(FORCE_SSL, "playlists, deleting, comments, captions", True),
    Scope(
        ANALYTICS,
        "reports of YouTube Analytics",
        True,
        False,
        later="Figures over time",
    ),
)

_SEND = (UPLOAD, MANAGE, FORCE_SSL)
_READ = (READONLY, MANAGE, FORCE_SSL)
_CHANGE = (MANAGE, FORCE_SSL)
_COMMENT = (FORCE_SSL,)
#: ability -> one of these scopes
NEEDED: dict[Ability, tuple[str, ...]] = {
    Ability.PUBLISH: _SEND,
    Ability.READ: _READ,
    Ability.FIGURES: _READ,
}

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, one of these scopes, ability
_ROWS: tuple[tuple[str, str, tuple[str, ...], Ability], ...] = (
    ("POST /token", "Connect and refresh", (), _R),
    ("GET /tokeninfo", "Health and scopes", (), _R),
    ("POST /revoke", "Disconnect", (), _R),
    ("GET channels.list", "Identity and health", _READ, _R),
    ("POST videos.insert", "Open an upload", _SEND, _P),
    ("PUT {session}", "Send a video", _SEND, _P),
    ("PUT {session}?status", "State of an upload", _SEND, _P),
    ("POST thumbnails.set", "Thumbnail", _SEND, _P),
    ("GET playlists.list", "Choose a playlist", _READ, _R),
    ("GET videoCategories.list", "Choose a category", _READ, _R),
    ("POST playlistItems.insert", "Add to a playlist", _CHANGE, _P),
    ("GET playlistItems.list", "Find a video again", _READ, _R),
    ("GET videos.list", "Processing, figures", _READ, _F),
    ("DELETE videos.delete", "Delete", _CHANGE, _P),
    ("GET commentThreads.list", "Comment inbox", _COMMENT, _R),
    ("POST comments.insert", "Answer a comment", _COMMENT, _R),
    ("PUT videos.update", "Edit", _CHANGE, _P),
    ("POST commentThreads.insert", "First comment", _COMMENT, _R),
    ("GET comments.list", "All answers to a comment", _COMMENT, _R),
    ("PUT comments.update", "Edit a comment", _COMMENT, _R),
    ("DELETE comments.delete", "Delete a comment", _COMMENT, _R),
    ("POST comments.setModerationStatus", "Hide a comment", _COMMENT, _R),
    ("GET captions.list", "Captions", _COMMENT, _R),
    ("POST captions.insert", "Captions", _COMMENT, _P),
    ("PUT captions.update", "Captions", _COMMENT, _P),
    ("GET search.list", "Search", _READ, _R),
    ("GET videos.batchGetStats", "Figures of many videos", _READ, _F),
    ("POST /subscribe", "Events", (), _R),
    ("GET /v2/reports", "Figures over time", (ANALYTICS,), _F),
)
#: The audience would see these twice. Of the parts of a video it is the last alone.
MUTATING = frozenset(
    {
        "PUT {session}",
        "POST playlistItems.insert",
        "POST commentThreads.insert",
        "POST comments.insert",
        "POST captions.insert",
    }
)
#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "PUT videos.update",
        "GET comments.list",
        "PUT comments.update",
        "DELETE comments.delete",
        "PUT captions.update",
        "GET search.list",
        "GET videos.batchGetStats",
        "GET /v2/reports",
    }
)
#: Rows that the windows' table does not name. Sending bytes costs nothing.
_OTHER_DRAWS: dict[str, dict[str, int]] = {
    "POST /token": {},
    "GET /tokeninfo": {},
    "POST /revoke": {},
    "PUT {session}": {},
    "PUT {session}?status": {},
    "GET videoCategories.list": READ,
    "GET /v2/reports": {},
    "POST /subscribe": {},
}

OPTIONS = (
    Option(
        "title",
        "Title",
        OptionKind.TEXT,
        required=True,
        max_length=TITLE_LIMIT,
        help="The text of the post becomes the description. No < and no >.",
    ),
    Option(
        "privacy",
        "Who may see it",
        OptionKind.CHOICE,
        {
            "public": "Everybody",
            "unlisted": "Whoever has the link",
            "private": "Nobody but the channel",
        },
        default="public",
        required=True,
    ),
    Option(
        "made_for_kids",
        "Made for kids",
        OptionKind.CHOICE,
        {"no": "No, it is not made for kids", "yes": "Yes, it is made for kids"},
        required=True,
        help="The law wants an answer for each video. Made for kids: no comments.",
    ),
    Option(
        "category",
        "Category",
        OptionKind.CHOICE,
        {CATEGORY: "People & Blogs"},
        choices_from="categories",
        default=CATEGORY,
    ),
    Option(
        "tags",
        "Tags",
        OptionKind.LIST,
        default=(),
        help="At most 500 characters together.",
    ),
    Option("playlist", "Playlist", OptionKind.CHOICE, choices_from="playlists"),
    Option(
        "notify",
        "Notify subscribers",
        OptionKind.FLAG,
        default=True,
        is_rare=True,
    ),
    Option(
        "synthetic",
        "Shows people or events that were altered or made up (AI)",
        OptionKind.FLAG,
        default=False,
    ),
    Option(
        "license",
        "Licence",
        OptionKind.CHOICE,
        {
            "youtube": "Standard YouTube licence",
            "creativeCommon": "Creative Commons - Attribution",
        },
        default="youtube",
        help="With Creative Commons others may use the video in videos of their own.",
        is_read=True,
        is_rare=True,
    ),
    Option(
        "no_embedding",
        "Other websites must not show the video (no embedding)",
        OptionKind.FLAG,
        default=False,
        is_rare=True,
    ),
    Option(
        "hide_stats",
        "Hide the figures of the video from others",
        OptionKind.FLAG,
        default=False,
        is_rare=True,
    ),
    Option(
        "recorded_on",
        "Recorded on",
        OptionKind.DATE,
        help="The day on which the video was recorded.",
        is_read=True,
        is_rare=True,
    ),
)

SPEC = PlatformSpec(
    slug="youtube",
    name="YouTube",
    shape=Shape.VIDEO,
    folds_after=160,
    sign_in=SignIn.OAUTH,
    hosts={
        "accounts": "https://accounts.google.com",
        "oauth": "https://oauth2.googleapis.com",
        "api": "https://www.googleapis.com",
        "www": "https://www.youtube.com",
        "hub": "https://pubsubhubbub.appspot.com",
    },
    practice_paths={
        "accounts": "/youtube/accounts",
        "oauth": "/youtube/oauth2",
        "api": "/youtube/api",
        "www": "/youtube/web",
        "hub": "/youtube/hub",
    },
    hook_name="Push notifications: callback URL",
    hook_tells="changed and deleted videos",
    hook_has_handshake=True,
    hook_by_account=True,
    flat_answers=True,
    hides_silently=True,
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
    # Beside a video only: its thumbnail.
    first_comment=CommentRule(
        "POST commentThreads.insert",
        "GET commentThreads.list",
        10000,
        without=(("privacy", "private"), ("made_for_kids", "yes")),
    ),
    images=MediaRule(("image/jpeg", "image/png"), 50 * 1024**2, max_count=1),
    videos=VideoRule(
        mime_types=(
            "video/mp4",
            "video/quicktime",
            "video/webm",
            "video/mpeg",
            "video/x-msvideo",
            "video/x-ms-wmv",
            "video/x-flv",
            "video/3gpp",
        ),
        max_bytes=MAX_BYTES,
        min_bytes=1,
        max_s=MAX_S,
    ),
    # How many it takes is not documented; each costs 400 units of 10,000 a day.
    captions=CaptionRule("srt", max_bytes=100_000_000, max_count=10),
    mixes=(frozenset({MediaKind.VIDEO, MediaKind.IMAGE}),),
    needs_media=True,
    needs_video=True,
    has_stills=True,
    options=OPTIONS,
    oauth=OAuthFacts(
        authorize_host="accounts",
        authorize_path="/o/oauth2/v2/auth",
        # Documented for installed apps only; ours keeps a secret.
        pkce=False,
        scopes=tuple(scope.name for scope in SCOPES if scope.asked),
        # A permission to renew comes with offline access alone, and for people who have
        # consented before with a new consent alone.
        extra_params={"access_type": "offline", "prompt": "consent"},
        force_login_params={"prompt": "select_account consent"},
    ),
    api_version="v3",
    account_kinds=("channel",),
    keeps_uploads_s=SESSION_LIFE_S,
    token_life_s=3600,
    commit_key="the upload session",
    # The session tells at once. Where it is gone the list of uploads tells, and that is
    # late at times.
    look_after_s=(5, 60, 300, 900),
    # Its developer policies (III.E.4): other people's words are read anew or deleted
    # after 30 days, and all that an access has told 7 days after its end.
    comments_kept=timedelta(days=30),
    readings_kept=timedelta(days=7),
    ends_whole_consent=True,
    register_steps=(
        "In the Google Cloud console make a project and enable the YouTube Data API v3.",
        "Configure the consent screen: External, with the scopes that are listed below. "
        "Publish it: while it is in Testing, each access ends after 7 days.",
        "Under Credentials make an OAuth client ID of the type Web application, with "
        "the redirect address shown here, exactly.",
        "Copy client ID and client secret.",
        "Ask for the verification of the scopes; until then 100 people may connect. "
        "More than 100 videos a day need YouTube's audit.",
    ),
    register_url="https://console.cloud.google.com/apis/credentials",
)
