"""Pinterest: facts as data.

Source: https://developers.pinterest.com/docs/api/v5/ (5.23, 2025-12).
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

MAX_TITLE, MAX_DESCRIPTION, MAX_ALT, MAX_LINK = 100, 800, 500, 2_048
#: What Pinterest's own help tells people, against the 800 of its interface.
ADVISED_DESCRIPTION = 500
MAX_IMAGES = 5
#: A taller image is cut in feeds: height to width.
MAX_TALL = 2.1
#: Fewer pixels look poor; whether Pinterest refuses them is not known.
ADVISED_WIDTH = 200
#: The picture of a video that stands for it, in whole seconds from its start.
COVER_AT_S = 1
#: The option that names another second.
COVER_AT = "cover_at"
#: and that names the image that a carousel shows first
COVER_PHOTO = "cover_photo"
#: What is said of each image of a carousel: its name there -> the option.
ITEM_LINKS = "item_links"
ITEM_WORDS = {
    "title": "item_titles",
    "description": "item_descriptions",
    "link": ITEM_LINKS,
}
COLOUR = "dominant_color"
#: Images that stand in the call itself, all together: what older documentation advises
#: for a call, and what the slowest line that we send on takes before the call is over.
MAX_SENT = 10 * 1024 * 1024
#: Clock differences allowed for when looking for a Pin of ours.
LOOK_BACK_S = 60
ACCESS_LIFE_S = 30 * 86_400
#: How long a registered upload takes its file (not documented: about an hour).
UPLOAD_LIFE_S = 50 * 60
#: A block against spam names no end: nothing is sent by itself for so long.
SPAM_WAIT_S = 24 * 3600
#: A limit that names no end.
LIMIT_WAIT_S = 60

_USER, _BOARDS_R, _BOARDS_W, _PINS_R, _PINS_W = (
    "user_accounts:read",
    "boards:read",
    "boards:write",
    "pins:read",
    "pins:write",
)
#: Pinterest reviews the app as a whole (Standard access), never one permission.
SCOPES = (
    Scope(_BOARDS_R, "list boards", True),
    Scope(_BOARDS_W, "put Pins on boards", True),
    Scope(_PINS_R, "read Pins and their figures", True),
    Scope(_PINS_W, "publish and delete Pins", True),
    Scope(_USER, "read the profile", True),
)
_WRITE = (_BOARDS_R, _BOARDS_W, _PINS_R, _PINS_W)
_READ = (_BOARDS_R, _PINS_R)

#: ability -> the scopes that it hangs on
NEEDED: dict[Ability, tuple[str, ...]] = {
    Ability.PUBLISH: _WRITE,
    Ability.READ: _READ,
    Ability.FIGURES: _READ,
}

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, scopes, ability
_ROWS: tuple[tuple[str, str, tuple[str, ...], Ability], ...] = (
    ("POST /oauth/token", "Connect and refresh", (), _R),
    ("GET /user_account", "Identity and health", (_USER,), _R),
    ("GET /boards", "Boards to choose from", (_BOARDS_R,), _P),
    ("GET /boards/:id/sections", "Sections of a board", (_BOARDS_R,), _P),
    ("POST /boards", "Make a board", (_BOARDS_R, _BOARDS_W), _P),
    ("POST /boards/:id/sections", "Make a section", (_BOARDS_R, _BOARDS_W), _P),
    ("POST /media", "Videos", (_PINS_R, _PINS_W), _P),
    ("POST {upload_url}", "Videos", (), _P),
    ("GET /media/:id", "State of a video", (_PINS_R,), _P),
    ("POST /pins", "Publish", _WRITE, _P),
    ("GET /boards/:id/pins", "Find a Pin again", _READ, _R),
    ("GET /pins", "All Pins", _READ, _R),
    ("GET /pins/:id", "Figures of a Pin", _READ, _F),
    ("DELETE /pins/:id", "Unpublish", _WRITE, _P),
    ("GET /pins/:id/analytics", "Figures of a Pin by day", _READ, _F),
    ("GET /user_account/analytics", "Figures of an account", (_USER,), _F),
)
#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "GET /pins/:id/analytics",
        "GET /user_account/analytics",
    }
)

OPTIONS = (
    Option(
        "board",
        "Board",
        OptionKind.CHOICE,
        choices_from="boards",
        required=True,
        help="A Pin goes to one board, or to a section of it. Boards that are not public "
        "are not listed; one that was made at Pinterest is seen within a day.",
        made_by="POST /boards",
        making="New board, or “Board › Section” for a section of one",
        below_by="POST /boards/:id/sections",
    ),
    Option("title", "Title", OptionKind.TEXT, max_length=MAX_TITLE),
    Option(
        COVER_AT,
        "Cover: second of the video",
        OptionKind.TEXT,
        max_length=8,
        help="Whole seconds: 2.7 is taken for 2. Without it the picture at the first "
        "second; an image beside the video is its cover instead.",
        media=(MediaKind.VIDEO,),
        is_rare=True,
    ),
    Option(
        COVER_PHOTO,
        "Cover: number of the photo",
        OptionKind.TEXT,
        max_length=2,
        help="Of several images; without it the first.",
        media=(MediaKind.IMAGE,),
        is_rare=True,
    ),
    Option(
        "item_titles",
        "Titles of the images",
        OptionKind.LINES,
        max_length=MAX_TITLE,
        help="Of several images, for who turns to each.",
        media=(MediaKind.IMAGE,),
        is_read=True,
        is_rare=True,
    ),
    Option(
        "item_descriptions",
        "Descriptions of the images",
        OptionKind.LINES,
        max_length=MAX_DESCRIPTION,
        help="Of several images, for who turns to each.",
        media=(MediaKind.IMAGE,),
        is_read=True,
        is_rare=True,
    ),
    Option(
        ITEM_LINKS,
        "Links of the images",
        OptionKind.LINES,
        max_length=MAX_LINK,
        help="Of several images; an image without one leads where the Pin does.",
        media=(MediaKind.IMAGE,),
        is_read=True,
        is_rare=True,
    ),
    Option(
        COLOUR,
        "Colour until the image is there",
        OptionKind.TEXT,
        max_length=7,
        help="As #6E7874. Without it Pinterest takes one of the image.",
        is_rare=True,
    ),
    Option(
        "mark_link",
        "Add a reference to the link",
        OptionKind.FLAG,
        default=False,
        help="So that a Pin whose answer was lost is recognised for certain. Readers "
        "see it in the address that the link leads to.",
        is_rare=True,
    ),
)

SPEC = PlatformSpec(
    slug="pinterest",
    name="Pinterest",
    shape=Shape.PICTURE,
    sign_in=SignIn.OAUTH,
    hosts={"www": "https://www.pinterest.com", "api": "https://api.pinterest.com"},
    practice_paths={"www": "/pinterest/www", "api": "/pinterest/api"},
    absent=(
        Absent(
            After.COMMENTS,
            "Pinterest tells apps how many comments there are, and not what they say.",
        ),
        Absent(After.ANSWER, "Pinterest lets no app answer comments."),
        Absent(After.HIDE, "Pinterest lets no app hide comments."),
        Absent(After.REMOVE, "Pinterest lets no app delete comments."),
    ),
    calls=tuple(
        Call(
            key,
            feature,
            scopes,
            mutates=key == "POST /pins",
            ability=ability,
            draws=DRAWS.get(key, {}),
            later=key in LATER,
        )
        for key, feature, scopes, ability in _ROWS
    ),
    buckets=BUCKETS,
    scopes=SCOPES,
    images=MediaRule(
        # By address GIF, WebP, BMP and TIFF were seen to work; only these are documented.
        mime_types=("image/jpeg", "image/png"),
        max_bytes=10 * 1024 * 1024,
        max_alt=MAX_ALT,
        max_count=MAX_IMAGES,
    ),
    videos=VideoRule(
        mime_types=("video/mp4", "video/quicktime"),
        max_bytes=2 * 1024 * 1024 * 1024,
        max_alt=MAX_ALT,
        video_codecs=("h264", "hevc"),
        audio_codecs=("aac",),
        min_s=4,
        max_s=15 * 60,
        min_width=240,
        min_ratio=0.5,
        max_ratio=1.91,
    ),
    mixes=(frozenset({MediaKind.VIDEO, MediaKind.IMAGE}),),
    has_stills=True,
    options=OPTIONS,
    needs_media=True,
    oauth=OAuthFacts(
        authorize_host="www",
        authorize_path="/oauth/",
        pkce=False,
        scopes=tuple(scope.name for scope in SCOPES),
        scope_delimiter=",",
    ),
    api_version="v5",
    # Only that of the upload is known: about an hour (unverified).
    keeps_uploads_s=3600,
    clears_uploads=False,
    # Two looks, two minutes apart, must not see it.
    look_after_s=(20, 145),
    token_life_s=ACCESS_LIFE_S,
    renewal_rotates=True,
    register_steps=(
        "Make a business account at Pinterest, then an app in the developer console.",
        "Enter the redirect address shown here, exactly: the slash at its end counts.",
        "Copy App ID and App secret key.",
        "A new app has Trial access: people can connect, but every Pin is refused. Ask "
        "for Standard access in the console; it wants a recorded demonstration.",
        "To try it before, set the host api of this app to "
        "https://api-sandbox.pinterest.com. The sandbox has boards and Pins of its own.",
    ),
    register_url="https://developers.pinterest.com/apps/",
)
