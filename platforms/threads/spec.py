"""Threads: facts as data.

Source: https://developers.facebook.com/documentation/threads/posts (v1.0, 2026-04).
"""

from __future__ import annotations

from datetime import timedelta

from .. import quotes
from ..base import (
    Ability,
    Absent,
    After,
    Call,
    MediaKind,
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
)
from .windows import BUCKETS, DRAWS

#: Emoji count as their UTF-8 bytes, all else as one.
TEXT_LIMIT = 500
#: Different addresses in text and attachment together (since 2025-12-22).
MAX_LINKS = 5
MAX_TAG = 50
#: Not allowed in a topic tag.
TAG_REFUSES = ".&"
#: Wide to high, and high to wide.
MAX_RATIO = 10
MAX_FILES = 20
TOKEN_LIFE_S = 60 * 86_400
#: A person's permission ends so long after its last renewal, whatever its tokens say.
GRANT_LIFE = timedelta(days=90)
#: Signing in again brings a new token, and perhaps not a new permission (inferred, not
#: documented): so the first renewal comes at three quarters of this. None: it waits
#: until the token is old.
FIRST_RENEWAL: timedelta | None = timedelta(hours=36)
#: Which token debug_token takes is not documented. False: scopes are those that were
#: told when connecting.
INTROSPECTS = True
#: Type in the usage header of business objects -> bucket. The name is not documented.
USAGE_TYPES = {"threads": "calls"}

BASIC, PUBLISH, FIGURES = (
    "threads_basic",
    "threads_content_publish",
    "threads_manage_insights",
)
READ_REPLIES, MANAGE_REPLIES = "threads_read_replies", "threads_manage_replies"
DELETE = "threads_delete"
_LOCATION, _SEARCH = "threads_location_tagging", "threads_keyword_search"

SCOPES = (
    Scope(BASIC, "read the profile and its posts", True),
    Scope(PUBLISH, "publish", True),
    Scope(FIGURES, "read the figures", True),
    Scope(READ_REPLIES, "read replies", True),
    Scope(MANAGE_REPLIES, "answer and hide replies, choose who may reply", True),
    Scope(DELETE, "delete posts", True),
    Scope(_LOCATION, "name places", True, asked=False, later="Places in posts"),
    Scope(_SEARCH, "search posts", True, asked=False, later="Mentions and search"),
)

#: ability -> the scopes that it hangs on
NEEDED: dict[Ability, tuple[str, ...]] = {
    Ability.PUBLISH: (BASIC, PUBLISH),
    Ability.READ: (BASIC,),
    Ability.FIGURES: (BASIC, FIGURES),
}

_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, scopes beside threads_basic, ability
_ROWS: tuple[tuple[str, str, tuple[str, ...], Ability], ...] = (
    ("GET /me", "Identity and health", (), _R),
    (
        "GET /:user/threads_publishing_limit",
        "Posts left, right to post",
        (PUBLISH,),
        _P,
    ),
    ("POST /:user/threads", "Texts, images and videos", (PUBLISH,), _P),
    ("GET /:container", "State of a post before it is out", (PUBLISH,), _P),
    ("POST /:user/threads_publish", "Publish", (PUBLISH,), _P),
    ("GET /me/threads", "Find a post again", (), _R),
    ("GET /:media", "One post", (), _R),
    ("DELETE /:media", "Unpublish", (DELETE,), _P),
    ("GET /:media/conversation", "Comment inbox", (READ_REPLIES,), _R),
    ("GET /:media/replies", "Replies to the post itself", (READ_REPLIES,), _R),
    ("GET /me/replies", "Find a part of a thread again", (READ_REPLIES,), _R),
    ("POST /:user/threads (reply)", "Answer a comment", (PUBLISH, MANAGE_REPLIES), _R),
    (
        "POST /:user/threads (part)",
        "Parts of a thread",
        (PUBLISH, MANAGE_REPLIES),
        _P,
    ),
    (
        "POST /:user/threads_publish (part)",
        "Parts of a thread",
        (PUBLISH, MANAGE_REPLIES),
        _P,
    ),
    ("POST /:reply/manage_reply", "Hide a comment", (MANAGE_REPLIES,), _R),
    ("GET /:media/insights", "Figures of a post", (FIGURES,), _F),
    ("GET /:user/threads_insights", "Figures of an account", (FIGURES,), _F),
    ("GET /location_search", "Places", (_LOCATION,), _P),
    ("GET /keyword_search", "Search", (_SEARCH,), _R),
)
#: Tokens: these have no version in their address and draw on no window that is known.
_TOKEN_ROWS = (
    Call("POST /oauth/access_token", "Connect", ability=_R),
    Call("GET /access_token", "Connect", ability=_R),
    Call("GET /refresh_access_token", "Refresh", (BASIC,), ability=_R),
    Call("GET /oauth/access_token", "Health and scopes", ability=_R),
    Call("GET /debug_token", "Health and scopes", ability=_R),
)
#: The audience would see these twice.
MUTATING = frozenset(
    {
        "POST /:user/threads_publish",
        "POST /:user/threads_publish (part)",
        "POST /:user/threads (reply)",
    }
)
#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "GET /:media/replies",
        "GET /:user/threads_insights",
        "GET /location_search",
        "GET /keyword_search",
    }
)

OPTIONS = (
    Option(
        "reply_control",
        "Who may reply",
        OptionKind.CHOICE,
        # "parent_post_author_only" is for replies.
        {
            "everyone": "Everyone",
            "accounts_you_follow": "Profiles that you follow",
            "mentioned_only": "Profiles that are mentioned",
            "followers_only": "Your followers",
        },
        call="POST /:user/threads (reply)",
    ),
    Option(
        "topic_tag",
        "Topic",
        OptionKind.TEXT,
        max_length=MAX_TAG,
        help="One topic, without full stop and &.",
    ),
    Option(
        "is_spoiler_media",
        "Hide images and videos until they are tapped",
        OptionKind.FLAG,
        default=False,
        media=(MediaKind.IMAGE, MediaKind.VIDEO),
    ),
    quotes.option(
        "The address of a post of the same account at Threads, one of its newest 500: "
        "of others' posts Threads tells apps no number."
    ),
)

SPEC = PlatformSpec(
    slug="threads",
    name="Threads",
    sign_in=SignIn.OAUTH,
    hook_name="Webhooks: callback URL",
    hook_tells="replies, deleted posts",
    hook_has_handshake=True,
    hook_has_verify_token=True,
    mentions=MentionRule(
        r"@[A-Za-z0-9_](?:[A-Za-z0-9_.]{0,28}[A-Za-z0-9_])?",
        "Threads links @name of letters, digits, dots and _.",
    ),
    # How long people may vote is nothing that an app could say.
    poll=PollRule(max_option=25, has_length=False),
    fetches_files=True,
    hosts={"www": "https://threads.net", "graph": "https://graph.threads.net"},
    practice_paths={"www": "/threads/www", "graph": "/threads/graph"},
    calls=_TOKEN_ROWS
    + tuple(
        Call(
            key,
            feature,
            (BASIC, *scopes),
            mutates=key in MUTATING,
            ability=ability,
            draws=DRAWS[key],
            later=key in LATER,
        )
        for key, feature, scopes, ability in _ROWS
    ),
    buckets=BUCKETS,
    scopes=SCOPES,
    thread=ThreadRule(25, "POST /:user/threads_publish (part)"),
    images=MediaRule(
        mime_types=("image/jpeg", "image/png"),
        max_bytes=8 * 1024 * 1024,
        max_alt=1_000,
        max_count=MAX_FILES,
    ),
    videos=VideoRule(
        mime_types=("video/mp4", "video/quicktime"),
        max_bytes=1024 * 1024 * 1024,
        max_alt=1_000,
        max_count=MAX_FILES,
        video_codecs=("h264", "hevc"),
        audio_codecs=("aac",),
        max_s=300,
        max_width=1920,
        min_ratio=0.01,
        max_ratio=MAX_RATIO,
        min_fps=23,
        max_fps=60,
        max_bitrate=25_000_000,
        index_first=True,
        max_audio_rate=48_000,
    ),
    mixes=(frozenset({MediaKind.IMAGE, MediaKind.VIDEO}),),
    options=OPTIONS,
    tells_percent=True,
    absent=(
        Absent(
            After.REMOVE,
            "Threads lets no app delete what others wrote; replies can be hidden.",
        ),
    ),
    oauth=OAuthFacts(
        authorize_host="www",
        authorize_path="/oauth/authorize",
        pkce=False,
        scopes=tuple(scope.name for scope in SCOPES if scope.asked),
        scope_delimiter=",",
    ),
    api_version="v1.0",
    # A still container is asked twice, 45 s apart, before it is published again.
    # A container lives for a day.
    keeps_uploads_s=86_400,
    look_after_s=(35, 80, 150),
    token_life_s=TOKEN_LIFE_S,
    renewal_rotates=True,
    data_access_stops=tuple(Ability),
    tells_who_left=True,
    register_steps=(
        "Create an app at Meta for Developers with the use case Access the Threads API.",
        "In the settings of that use case enter the redirect address shown here, exactly.",
        "Copy the Threads App ID and the Threads App Secret from the same page. They are "
        "other numbers than the App ID of the app itself: with that one, the sign-in "
        "ends with error 4476002.",
        "Add your own profile as a Threads tester, or have Meta review the permissions.",
    ),
    register_url="https://developers.facebook.com/apps",
)
