"""TikTok: facts as data.

Source: https://developers.tiktok.com/docs/en (Login Kit v2, Content Posting API v2,
Display API v2, read as of 2026-09 to 2026-11). What no page of TikTok's says is a
constant of its own, so that it can be changed in one place.
"""

from __future__ import annotations

from ..base import (
    Ability,
    Absent,
    After,
    Call,
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
from .windows import BUCKETS, DRAWS

#: UTF-16 code units
CAPTION_LIMIT = 2_200
PHOTO_TITLE_LIMIT = 90
PHOTO_TEXT_LIMIT = 4_000
MAX_PHOTOS = 35
#: The most a developer may send, whatever the creator may.
LONGEST_S = 600
#: Third parties only; no page of TikTok's names a shortest length.
SHORTEST_S = 3

#: True: TikTok fetches videos as it fetches photos. Its guidelines want this of apps
#: whose files lie on their own server; sent by us, a lost answer can be told from a post
#: that is not there, and nothing gets stuck.
PULL_VIDEOS = False

#: Parts of a video: TikTok takes 5 to 64 MB (decimal, as in its own example), the last
#: up to 128 MB, and wants floor(size / part) of them. The last one publishes, on the
#: due instant and within a minute, so they are small; what is below two parts goes in
#: one.
PART_BYTES = 5_000_000
#: An upload is over after an hour, whatever is left of it.
UPLOAD_LIFE_S = 3_600

#: Clock differences allowed for when looking for a post of ours.
LOOK_BACK_S = 60
#: TikTok's lists give no more of a text.
LISTED_CHARACTERS = 150
#: The address of a photo post, which is not documented.
PHOTO_PATH = "photo"

PUBLIC, MUTUAL, FOLLOWERS, PRIVATE = (
    "PUBLIC_TO_EVERYONE",
    "MUTUAL_FOLLOW_FRIENDS",
    "FOLLOWER_OF_CREATOR",
    "SELF_ONLY",
)
#: level -> words for people, from wide to narrow
PRIVACY = {
    PUBLIC: "Everyone",
    FOLLOWERS: "Followers",
    MUTUAL: "Friends (followers that you follow back)",
    PRIVATE: "Only me",
}
#: `server_limits` key of the creator's own levels
PRIVACY_LEVELS = "privacy_levels"

HANDOVER, DIRECT, DRAFT = "handover", "direct", "draft"
_VIDEO, _PHOTO = (MediaKind.VIDEO,), (MediaKind.IMAGE,)
#: TikTok demands that nothing here is preset but "no", and this consent beside it.
OPTIONS = (
    Option(
        HANDOVER,
        "How it goes out",
        OptionKind.CHOICE,
        {
            DIRECT: "Published by SocialHub",
            DRAFT: "As a draft: somebody publishes it in TikTok's app",
        },
        default=DIRECT,
        help="A draft comes to the inbox of the account's own app, five a day at most. "
        "There one chooses everything below, and for a video the text as well.",
    ),
    Option(
        "privacy_level",
        "Who can see it",
        OptionKind.CHOICE,
        PRIVACY,
        choices_from=PRIVACY_LEVELS,
        required=True,
        help="By posting, you agree to TikTok's Music Usage Confirmation.",
    ),
    Option(
        "title",
        "Title",
        OptionKind.TEXT,
        max_length=PHOTO_TITLE_LIMIT,
        help="Stands above the text of a photo post.",
        media=_PHOTO,
    ),
    Option("allow_comment", "Allow comments", OptionKind.FLAG, default=False),
    Option("allow_duet", "Allow duets", OptionKind.FLAG, default=False, media=_VIDEO),
    Option(
        "allow_stitch", "Allow stitches", OptionKind.FLAG, default=False, media=_VIDEO
    ),
    Option(
        "own_brand",
        "Promotes your own brand",
        OptionKind.FLAG,
        default=False,
        help="It is marked as “Promotional content”.",
    ),
    Option(
        "paid_partnership",
        "Promotes somebody else's brand",
        OptionKind.FLAG,
        default=False,
        help="It is marked as “Paid partnership”. By posting, you agree to TikTok's "
        "Branded Content Policy too. It cannot be visible to only you.",
    ),
    Option("ai_generated", "Made with AI", OptionKind.FLAG, default=False),
    Option(
        "cover_at",
        "Cover: second of the video",
        OptionKind.TEXT,
        max_length=8,
        help="Such as 1.5; without it the first picture.",
        media=_VIDEO,
        is_rare=True,
    ),
    Option(
        "cover_photo",
        "Cover: number of the photo",
        OptionKind.TEXT,
        max_length=2,
        help="Without it the first.",
        media=_PHOTO,
        is_rare=True,
    ),
    Option(
        "add_music",
        "Let TikTok add music",
        OptionKind.FLAG,
        default=False,
        media=_PHOTO,
        is_rare=True,
    ),
)

_BASIC, _PUBLISH, _DRAFT, _LIST = (
    "user.info.basic",
    "video.publish",
    "video.upload",
    "video.list",
)
AUDIENCE = "Figures of an account"
SCOPES = (
    Scope(_BASIC, "read name and picture"),
    Scope(_PUBLISH, "publish videos and photos", needs_review=True),
    Scope(_LIST, "read public posts and their figures", needs_review=True),
    # Asked for once our app has it: else it would refuse the whole sign-in.
    Scope(_DRAFT, "send drafts", True, asked=False),
    Scope(
        "user.info.profile",
        "read handle and description",
        True,
        asked=False,
        later="Address of an account",
    ),
    Scope("user.info.stats", "count followers and likes", True, False, later=AUDIENCE),
)

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, one of these scopes, ability
_ROWS: tuple[tuple[str, str, tuple[str, ...], Ability], ...] = (
    ("POST /v2/oauth/token/", "Connect and refresh", (), _R),
    ("POST /v2/oauth/revoke/", "Disconnect", (), _R),
    ("GET /v2/user/info/", "Identity", (_BASIC,), _R),
    (
        "POST /v2/post/publish/creator_info/query/",
        "Choices, right to post",
        (_PUBLISH,),
        _P,
    ),
    ("POST /v2/post/publish/video/init/", "Videos", (_PUBLISH,), _P),
    ("PUT {upload_url}", "Videos", (), _P),
    (
        "POST /v2/post/publish/content/init/ (DIRECT_POST)",
        "Photos",
        (_PUBLISH,),
        _P,
    ),
    (
        "POST /v2/post/publish/status/fetch/",
        "State of a post",
        (_PUBLISH, _DRAFT),
        _P,
    ),
    ("POST /v2/video/list/", "Find a post again", (_LIST,), _R),
    ("POST /v2/video/query/", "Figures of a post, its address", (_LIST,), _F),
    ("POST /v2/post/publish/inbox/video/init/", "Drafts of videos", (_DRAFT,), _R),
    (
        "POST /v2/post/publish/content/init/ (MEDIA_UPLOAD)",
        "Drafts of photos",
        (_DRAFT,),
        _R,
    ),
    (
        "POST /v2/post/publish/cancel/",
        "Stop what TikTok fetches",
        (_PUBLISH, _DRAFT),
        _P,
    ),
)
#: The audience would see these twice. Of a video's first call only where TikTok fetches
#: it; else its last part is what publishes.
MUTATING = frozenset(
    {
        "POST /v2/post/publish/video/init/",
        "POST /v2/post/publish/content/init/ (DIRECT_POST)",
        "POST /v2/post/publish/content/init/ (MEDIA_UPLOAD)",
    }
)
#: No code makes these yet: the roadmap will.
LATER = frozenset({"POST /v2/post/publish/cancel/"})

SPEC = PlatformSpec(
    slug="tiktok",
    name="TikTok",
    shape=Shape.PICTURE,
    sign_in=SignIn.OAUTH,
    hook_name="Webhooks: callback URL",
    hook_tells="what became of a post, removed access",
    fetches_files=True,
    hosts={
        "www": "https://www.tiktok.com",
        "api": "https://open.tiktokapis.com",
    },
    practice_paths={"www": "/tiktok/www", "api": "/tiktok/api"},
    absent=(
        Absent(
            After.COMMENTS,
            "TikTok tells apps how many comments there are, and not what they say.",
        ),
        Absent(After.ANSWER, "TikTok lets no app answer comments."),
        Absent(After.DELETE, "TikTok lets no app delete posts."),
        Absent(After.HIDE, "TikTok lets no app hide comments."),
        Absent(After.REMOVE, "TikTok lets no app delete comments."),
    ),
    calls=tuple(
        Call(
            key,
            feature,
            any_scopes=scopes,
            mutates=key in MUTATING,
            ability=ability,
            later=key in LATER,
            draws=DRAWS.get(key, {}),
        )
        for key, feature, scopes, ability in _ROWS
    ),
    buckets=BUCKETS,
    scopes=SCOPES,
    images=MediaRule(
        mime_types=("image/jpeg", "image/webp"),
        max_bytes=20_000_000,
        # "At most 1080p", whichever side is the longer one.
        max_pixels=1920 * 1080,
        max_count=MAX_PHOTOS,
    ),
    videos=VideoRule(
        mime_types=("video/mp4", "video/quicktime", "video/webm"),
        # Third parties name 10 GB; the guide of 2026-09-11 says 4.
        max_bytes=4_000_000_000,
        video_codecs=("h264", "hevc", "vp8", "vp9"),
        min_s=SHORTEST_S,
        max_s=LONGEST_S,
        min_width=360,
        min_height=360,
        max_width=4096,
        max_height=4096,
        min_fps=23,
        max_fps=60,
    ),
    options=OPTIONS,
    needs_media=True,
    oauth=OAuthFacts(
        authorize_host="www",
        authorize_path="/v2/auth/authorize/",
        # Part of sign-ins for desktops and phones only.
        pkce=False,
        pkce_on_loopback=True,
        hex_challenge=True,
        client_id_parameter="client_key",
        scopes=tuple(scope.name for scope in SCOPES if scope.asked),
        scope_delimiter=",",
        # Else a second account is never asked for: the browser's own comes back.
        extra_params={"disable_auto_auth": "1"},
    ),
    api_version="v2",
    # Whatever the answer says counts; 24 h and a year were documented until 2026-11.
    token_life_s=7_200,
    renewal_rotates=True,
    commit_key="the number of the publish (publish_id)",
    # A public post is listed after its moderation, usually a minute, at times hours.
    keeps_uploads_s=UPLOAD_LIFE_S,
    upload_within_s=UPLOAD_LIFE_S,
    look_after_s=(15, 60, 180, 600),
    register_steps=(
        "At TikTok for Developers register an app and add the products Login Kit and "
        "Content Posting API; in the latter switch Direct Post on.",
        "Under Login Kit enter the redirect address shown here, exactly, as a web "
        "address (on your own machine: as one for desktops).",
        "Under Scopes add user.info.basic, video.publish and video.list, and "
        "video.upload for drafts.",
        "Under Content Posting API verify the domain of this SocialHub: TikTok fetches "
        "photos from it, and refuses addresses that are not verified.",
        "Copy the Client key and the Client secret.",
        "Have the app audited. Until then it may post for five people a day, to private "
        "accounts, and only so that nobody else sees it: later their creators open the "
        "account and each post by hand. TikTok passes no app that only its makers use or "
        "that copies what stands elsewhere, and takes two to six weeks.",
    ),
    register_url="https://developers.tiktok.com/apps",
)
