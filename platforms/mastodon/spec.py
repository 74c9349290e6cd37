"""Facts of Mastodon-compatible servers. Source: https://docs.joinmastodon.org (4.6).

Limits here are Mastodon's defaults; each server announces its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .. import quotes
from ..base import (
    Ability,
    Absent,
    After,
    AudioRule,
    Bucket,
    Call,
    GifRule,
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
    WindowKind,
)

MAX_CHARACTERS = 500
RESERVED_PER_URL = 23
MAX_MEDIA = 4
IMAGE_SIZE_LIMIT = 16_777_216
IMAGE_MATRIX_LIMIT = 33_177_600
DESCRIPTION_LIMIT = 1500
IMAGE_TYPES = (
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/webp",
    "image/avif",
)
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm", "video/ogg")
#: some servers name one of them by another of its names
AUDIO_NAMES = {
    "audio/mpeg": ("audio/mpeg", "audio/mp3"),
    "audio/ogg": ("audio/ogg", "audio/vorbis"),
    "audio/wav": ("audio/wav", "audio/wave", "audio/x-wav", "audio/x-pn-wave"),
    "audio/flac": ("audio/flac", "audio/x-flac"),
    "audio/aac": ("audio/aac",),
    "audio/mp4": ("audio/mp4", "audio/m4a", "audio/x-m4a"),
    "audio/webm": ("audio/webm",),
}
VIDEO_SIZE_LIMIT = 103_809_024
VIDEO_MATRIX_LIMIT = 8_294_400
VIDEO_FRAME_RATE_LIMIT = 120
IMAGES = MediaRule(
    mime_types=IMAGE_TYPES,
    max_bytes=IMAGE_SIZE_LIMIT,
    max_pixels=IMAGE_MATRIX_LIMIT,
    max_alt=DESCRIPTION_LIMIT,
    max_count=MAX_MEDIA,
)
#: one in a post and nothing beside it: the server makes a video without sound of it
GIFS = GifRule(
    mime_types=IMAGE_TYPES,
    max_bytes=IMAGE_SIZE_LIMIT,
    max_pixels=IMAGE_MATRIX_LIMIT,
    max_alt=DESCRIPTION_LIMIT,
)
#: stands alone as well; whatever it is made of, the server makes its own of it
VIDEOS = VideoRule(
    mime_types=VIDEO_TYPES,
    max_bytes=VIDEO_SIZE_LIMIT,
    max_pixels=VIDEO_MATRIX_LIMIT,
    max_fps=VIDEO_FRAME_RATE_LIMIT,
    max_alt=DESCRIPTION_LIMIT,
)

#: stands alone as well; no length is limited but by the size, which is a video's
AUDIOS = AudioRule(
    mime_types=tuple(AUDIO_NAMES),
    max_bytes=VIDEO_SIZE_LIMIT,
    max_alt=DESCRIPTION_LIMIT,
)

#: a server may take more answers, and other lengths
POLLS = PollRule(
    max_option=50,
    min_minutes=5,
    max_minutes=2_629_746 // 60,
    has_multiple=True,
    tells_votes=True,
)

#: The server keeps an Idempotency-Key for an hour; five minutes of it are ours.
KEY_TRUSTED_S = 55 * 60
#: Files in no post are cleared away after about a day (unverified).
MEDIA_LIFE = timedelta(hours=23)
#: `api_versions.mastodon` of the first release line that has it (4.4).
DISCARD_API = 4
#: `api_versions.mastodon` of the release line that takes a lock on the key (4.5).
LOCKED_KEY_API = 7
#: and that takes quotes (4.5), and who may make them
QUOTE_API = 7
QUOTE_POLICY, HIDE_TOTALS = "quote_approval_policy", "hide_totals"

PROFILE = "profile"  # since 4.3
PROFILE_BEFORE = "read:accounts"
SCOPES = (
    "read:statuses",
    "read:notifications",
    "write:statuses",
    "write:media",
)


def scopes_to_ask(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What to register the app with and ask for on a server with these facts."""
    profile = PROFILE if facts.get("supports_profile_scope") else PROFILE_BEFORE
    return (profile, *SCOPES)


# The limits of the API as a whole: every authenticated call draws on both.
USER_CALL = {"token": 1, "user": 1}
PUBLIC_CALL = {"ip": 1}
_IDENTITY = (PROFILE, PROFILE_BEFORE, "read")
_READ = ("read:statuses", "read")
_WRITE = ("write:statuses", "write")
_MEDIA = ("write:media", "write")
_INBOX = ("read:notifications", "read")

CALLS = (
    # connecting
    Call("GET /.well-known/oauth-authorization-server", "connect", draws=PUBLIC_CALL),
    Call("GET /.well-known/nodeinfo", "connect", draws=PUBLIC_CALL),
    Call("GET {nodeinfo}", "connect", draws=PUBLIC_CALL),
    Call("GET /api/v2/instance", "limits", draws=PUBLIC_CALL),
    Call("GET /api/v1/instance", "limits", draws=PUBLIC_CALL),
    Call("POST /api/v1/apps", "connect", draws={"ip": 1, "app_registration": 1}),
    Call("POST /oauth/token", "connect", draws=PUBLIC_CALL),
    Call("POST /oauth/revoke", "disconnect", draws=PUBLIC_CALL),
    Call(
        "GET /api/v1/accounts/verify_credentials",
        "connect, health, follower count",
        any_scopes=_IDENTITY,
        draws=USER_CALL,
    ),
    # publishing: a second upload is harmless, a second status is not
    Call(
        "POST /api/v2/media", "media", any_scopes=_MEDIA, draws=USER_CALL | {"media": 1}
    ),
    Call("GET /api/v1/media/:id", "media", any_scopes=_MEDIA, draws=USER_CALL),
    Call(
        "PUT /api/v1/media/:id",
        "media",
        any_scopes=_MEDIA,
        draws=USER_CALL,
        later=True,
    ),
    Call(
        "DELETE /api/v1/media/:id",
        "media",
        any_scopes=_MEDIA,
        draws=USER_CALL,
    ),
    Call(
        "POST /api/v1/statuses",
        "publish, reply",
        any_scopes=_WRITE,
        mutates=True,
        draws=USER_CALL | {"statuses": 1},
    ),
    Call(
        "PUT /api/v1/statuses/:id",
        "edit",
        any_scopes=_WRITE,
        mutates=True,
        draws=USER_CALL,
        later=True,
    ),
    Call(
        "DELETE /api/v1/statuses/:id",
        "delete",
        any_scopes=_WRITE,
        draws=USER_CALL | {"delete": 1},
    ),
    # reading
    Call(
        "GET /api/v1/accounts/:id/statuses",
        "reconciliation, metrics",
        any_scopes=_READ,
        ability=Ability.READ,
        draws=USER_CALL,
    ),
    Call(
        "GET /api/v1/accounts/:id/statuses?max_id",
        "reconciliation, metrics",
        any_scopes=_READ,
        ability=Ability.READ,
        draws=USER_CALL | {"paging": 1},
    ),
    Call(
        "GET /api/v1/statuses/:id/source",
        "reconciliation",
        any_scopes=_READ,
        ability=Ability.READ,
        draws=USER_CALL,
    ),
    Call(
        "GET /api/v1/statuses/:id",
        "metrics",
        any_scopes=_READ,
        ability=Ability.FIGURES,
        draws=USER_CALL,
    ),
    Call(
        "GET /api/v1/statuses",
        "metrics",
        any_scopes=_READ,
        ability=Ability.FIGURES,
        draws=USER_CALL,
        later=True,
    ),
    Call(
        "GET /api/v1/statuses/:id/context",
        "comments",
        any_scopes=_READ,
        ability=Ability.READ,
        draws=USER_CALL,
    ),
    Call(
        "GET /api/v1/notifications",
        "inbox",
        any_scopes=_INBOX,
        ability=Ability.READ,
        draws=USER_CALL | {"paging": 1},
        later=True,
    ),
)

_EPOCH = WindowKind.FIXED_FROM_EPOCH
BUCKETS = (
    Bucket("token", "token", 300, _EPOCH, 300, name="All calls with this access"),
    Bucket("user", "account", 1500, _EPOCH, 300, name="All calls for the account"),
    Bucket("ip", "ip", 300, _EPOCH, 300, name="Calls without an account"),
    Bucket("media", "account", 30, _EPOCH, 1800, name="Files", unit="files"),
    Bucket("delete", "account", 30, _EPOCH, 1800, name="Deleted posts", unit="posts"),
    Bucket("statuses", "account", 300, _EPOCH, 3 * 3600, name="Posts", unit="posts"),
    Bucket("following", "account", 400, _EPOCH, 24 * 3600, name="Following"),
    Bucket("paging", "account", 300, _EPOCH, 900, name="Further pages of a list"),
    Bucket("account_creation", "ip", 5, _EPOCH, 1800, name="New accounts"),
    Bucket(
        "app_registration", "ip", 5, _EPOCH, 600, verified=False, name="New servers"
    ),
)

SPEC = PlatformSpec(
    slug="mastodon",
    name="Mastodon",
    absent=(
        Absent(After.HIDE, "Mastodon lets nobody hide what others answered."),
        Absent(After.REMOVE, "Mastodon lets nobody delete what others wrote."),
    ),
    commit_key="Idempotency-Key header, where the server keeps it",
    sign_in=SignIn.OAUTH_INSTANCE,
    mentions=MentionRule(
        r"@\w(?:[\w.-]*\w)?@[\w.-]+\w",
        "Mastodon links @name@server; without a server it means "
        "somebody on the account's own.",
    ),
    hosts={},
    practice_paths={"instance": "/mastodon"},
    calls=CALLS,
    buckets=BUCKETS,
    scopes=(
        Scope(PROFILE, "see who the account is (servers since 4.3)"),
        Scope(PROFILE_BEFORE, "see who the account is (older servers)", asked=False),
        Scope("read:statuses", "find own posts again, read their replies and counts"),
        Scope("read:notifications", "read mentions", later="Mentions and comments"),
        Scope("write:statuses", "publish, edit and delete posts"),
        Scope("write:media", "upload pictures, videos and audio"),
    ),
    thread=ThreadRule(25, "POST /api/v1/statuses"),
    options=(
        Option(
            "visibility",
            "Who can see it",
            OptionKind.CHOICE,
            {
                "public": "Everybody",
                "unlisted": "Everybody, in no list of new posts",
                "private": "Followers",
                "direct": "Only who is mentioned",
            },
            help="Without a choice: as it is set at the account.",
        ),
        Option(
            "spoiler_text",
            "Content warning",
            OptionKind.TEXT,
            max_length=500,
            help="Stands before the text, which is hidden until it is tapped, and counts "
            "with it.",
        ),
        Option(
            "sensitive",
            "Hide images and videos until they are tapped",
            OptionKind.FLAG,
            default=False,
            media=(MediaKind.IMAGE, MediaKind.GIF, MediaKind.VIDEO),
        ),
        Option(
            HIDE_TOTALS,
            "Hide the votes until the poll ends",
            OptionKind.FLAG,
            default=False,
            of_poll=True,
        ),
        Option(
            QUOTE_POLICY,
            "Who may quote it",
            OptionKind.CHOICE,
            {
                "public": "Everybody",
                "followers": "Followers",
                "nobody": "Nobody",
            },
            help="Without a choice: as it is set at the account. Mastodon asks since "
            "version 4.5.",
        ),
        quotes.option(
            "The address of a post as the account's own server shows it. Mastodon quotes "
            "since version 4.5."
        ),
    ),
    images=IMAGES,
    gifs=GIFS,
    videos=VIDEOS,
    audios=AUDIOS,
    poll=POLLS,
    has_stills=True,
    mixes=(
        frozenset({MediaKind.VIDEO, MediaKind.IMAGE}),
        frozenset({MediaKind.AUDIO, MediaKind.IMAGE}),
    ),
    oauth=OAuthFacts(
        authorize_host="instance",
        authorize_path="/oauth/authorize",
        pkce=True,
        scopes=(PROFILE, *SCOPES),
        force_login_params={"force_login": "true"},
    ),
    api_version="",
    keeps_uploads_s=86_400,
    discard_call="DELETE /api/v1/media/:id",
    # Of the servers that give any refresh token (Mastodon itself gives none).
    renewal_rotates=True,
    register_steps=(
        "Nothing to register: SocialHub introduces itself to each server when its "
        "first account is connected.",
    ),
)
