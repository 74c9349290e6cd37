"""Facts of Bluesky. Source: https://docs.bsky.app and the lexicons (2026-08-20)."""

from __future__ import annotations

from .. import quotes
from ..base import (
    Ability,
    Absent,
    After,
    Bucket,
    Call,
    CaptionRule,
    GifRule,
    MediaKind,
    MediaRule,
    MentionRule,
    Option,
    OptionKind,
    PlatformSpec,
    Scope,
    SignIn,
    ThreadRule,
    VideoRule,
    WindowKind,
)

#: more than so many images are a gallery, a kind of record of its own
PLAIN_IMAGES = 4
#: its schema takes twenty, and apps stop here
GALLERY_IMAGES = 10
IMAGES = MediaRule(
    mime_types=("image/jpeg", "image/png", "image/webp", "image/gif"),
    max_bytes=2_000_000,
    max_alt=2000,
    max_count=GALLERY_IMAGES,
)
GIFS = GifRule(
    mime_types=("image/png", "image/webp", "image/gif"),
    max_bytes=2_000_000,
    max_alt=2000,
    max_count=GALLERY_IMAGES,
    shown_still=True,
)
#: The video service makes MP4 of these. Longer ones are said to be taken in 2026.
VIDEOS = VideoRule(
    mime_types=("video/mp4", "video/quicktime", "video/webm"),
    max_bytes=300_000_000,
    max_s=180,
    max_alt=2000,
)
#: As a video a GIF moves; that the service takes it is not confirmed.
MOVING_GIFS = GifRule(mime_types=("image/gif",), max_bytes=300_000_000, max_alt=2000)
GIF_AS_VIDEO = "gif_as_video"
MAX_GRAPHEMES = 300
MAX_BYTES = 3000
MAX_TAG_GRAPHEMES = 64
POST = "app.bsky.feed.post"
#: who may answer a thread: a record beside its first post, under the same key
GATE = "app.bsky.feed.threadgate"
PUT_GATE = "POST com.atproto.repo.putRecord (app.bsky.feed.threadgate)"
REPLY_CONTROL, LABEL, TAGS = "reply_control", "label", "tags"
#: nobody but the account itself; the other values are rules of the record
NOBODY = "nobody"
MAX_TAGS = 8

#: `scope` claims of a session's access JWT.
MAIN_PASSWORD = "com.atproto.access"
APP_PASSWORD = "com.atproto.appPass"
APP_PASSWORD_PRIVILEGED = "com.atproto.appPassPrivileged"
SESSION = (APP_PASSWORD, APP_PASSWORD_PRIVILEGED, MAIN_PASSWORD)
#: The same power by OAuth.
GENERIC = "transition:generic"
WRITE = (*SESSION, GENERIC, f"repo:{POST}?action=create&action=update&action=delete")
BLOB = (*SESSION, GENERIC, "blob:image/*", "blob:video/mp4")

IP = {"ip": 1}


def _write(points: int) -> dict[str, int]:
    return {"ip": 1, "writes_hour": points, "writes_day": points}


CALLS = (
    # connecting and health
    Call("GET com.atproto.identity.resolveHandle", "connect", draws={"public": 1}),
    Call("GET {did document}", "connect"),
    Call(
        "POST com.atproto.server.createSession",
        "connect",
        draws=IP | {"create_session_5min": 1, "create_session_day": 1},
    ),
    Call("POST com.atproto.server.refreshSession", "connect, health", draws=IP),
    Call("GET com.atproto.server.getSession", "connect, health", draws=IP),
    Call("POST com.atproto.server.deleteSession", "disconnect", draws=IP),
    Call("GET com.atproto.server.describeServer", "limits", draws=IP),
    # publishing: the same bytes give the same blob, a repeat is harmless
    Call(
        "POST com.atproto.repo.uploadBlob",
        "media",
        any_scopes=BLOB,
        draws=IP | {"upload_blob": 1},
    ),
    Call(
        "POST com.atproto.repo.putRecord",
        "publish, reply",
        any_scopes=WRITE,
        mutates=True,
        draws=_write(2),
    ),
    # Under the post's own key: written twice, it is the same record.
    Call(
        PUT_GATE,
        "reply control",
        any_scopes=(*SESSION, GENERIC, f"repo:{GATE}"),
        draws=_write(2),
    ),
    Call(
        "POST com.atproto.repo.deleteRecord",
        "delete",
        any_scopes=WRITE,
        draws=_write(1),
    ),
    Call("GET com.atproto.repo.getRecord", "reconciliation", draws=IP),
    Call(
        "GET com.atproto.repo.listRecords",
        "posts made there",
        ability=Ability.READ,
        draws=IP,
    ),
    # video
    Call(
        "GET com.atproto.server.getServiceAuth",
        "video",
        any_scopes=(*SESSION, GENERIC),
        draws=IP,
    ),
    Call(
        "POST app.bsky.video.uploadVideo",
        "video",
        draws={"video": 1},
    ),
    Call(
        "GET app.bsky.video.getJobStatus",
        "video",
    ),
    Call(
        "GET app.bsky.video.getUploadLimits",
        "video",
    ),
    # figures and comments, on the public host
    Call(
        "GET app.bsky.feed.getPosts",
        "metrics",
        ability=Ability.FIGURES,
        draws={"public": 1},
    ),
    Call(
        "GET app.bsky.feed.getPostThread",
        "comments",
        ability=Ability.READ,
        draws={"public": 1},
    ),
    Call(
        "GET app.bsky.feed.getAuthorFeed",
        "metrics",
        ability=Ability.FIGURES,
        draws={"public": 1},
        later=True,
    ),
    Call(
        "GET app.bsky.actor.getProfile",
        "name and picture, follower count",
        ability=Ability.FIGURES,
        draws={"public": 1},
    ),
    Call(
        "GET app.bsky.notification.listNotifications",
        "inbox",
        any_scopes=(*SESSION, GENERIC, "rpc:app.bsky.notification.listNotifications"),
        ability=Ability.READ,
        draws=IP,
        later=True,
    ),
)

_FIRST = WindowKind.FROM_FIRST_CALL
BUCKETS = (
    Bucket("writes_hour", "account", 5000, _FIRST, 3600, name="Writing", unit="points"),
    Bucket(
        "writes_day",
        "account",
        35_000,
        _FIRST,
        24 * 3600,
        name="Writing",
        unit="points",
    ),
    Bucket("ip", "ip", 3000, _FIRST, 300, name="All calls"),
    Bucket("create_session_5min", "account", 30, _FIRST, 300, name="Signing in"),
    Bucket("create_session_day", "account", 300, _FIRST, 24 * 3600, name="Signing in"),
    Bucket(
        "upload_blob",
        "account",
        1000,
        _FIRST,
        24 * 3600,
        name="Pictures",
        unit="pictures",
    ),
    # learnt from app.bsky.video.getUploadLimits
    Bucket(
        "video",
        "account",
        None,
        _FIRST,
        24 * 3600,
        verified=False,
        name="Videos",
        unit="videos",
    ),
    # generous, not published
    Bucket("public", "ip", None, _FIRST, 300, verified=False, name="Public reading"),
)

SPEC = PlatformSpec(
    slug="bluesky",
    name="Bluesky",
    absent=(
        Absent(
            After.HIDE,
            "Bluesky hides answers by a list beside the post, which SocialHub does not "
            "write.",
        ),
        Absent(After.REMOVE, "Bluesky lets nobody delete what others wrote."),
    ),
    commit_key="the record's key (rkey), made by us",
    sign_in=SignIn.APP_PASSWORD,
    mentions=MentionRule(
        r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
        r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
        "Bluesky links whole handles, as @name.bsky.social.",
        looked_up=True,
    ),
    hosts={
        "entryway": "https://bsky.social",
        "public": "https://public.api.bsky.app",
        "plc": "https://plc.directory",
        "app": "https://bsky.app",
        "video": "https://video.bsky.app",
    },
    practice_paths={
        "entryway": "/bluesky",
        "public": "/bluesky",
        "plc": "/bluesky/plc",
        "app": "/bluesky/app",
        "video": "/bluesky/video",
    },
    calls=CALLS,
    buckets=BUCKETS,
    scopes=(
        Scope(APP_PASSWORD, "everything but managing the account and messages"),
        Scope(APP_PASSWORD_PRIVILEGED, "the same, and messages", asked=False),
        Scope(MAIN_PASSWORD, "everything (main password)", asked=False),
        Scope("atproto", "identity only (base of OAuth)", asked=False),
        Scope(GENERIC, "the power of an app password, by OAuth", asked=False),
        Scope("transition:email", "read the e-mail address", asked=False),
        Scope("transition:chat.bsky", "direct messages", asked=False),
        Scope(WRITE[-1], "write posts only", asked=False),
        Scope("blob:image/*", "upload pictures", asked=False),
        Scope("blob:video/mp4", "upload videos", asked=False),
        Scope("rpc:app.bsky.video.getUploadLimits", "video service", asked=False),
        Scope("account:email", "read the e-mail address", asked=False),
        Scope(
            "include:app.bsky.authCreatePosts",
            "create posts, but not update: putRecord is refused",
            asked=False,
        ),
    ),
    thread=ThreadRule(25, "POST com.atproto.repo.putRecord"),
    images=IMAGES,
    gifs=GIFS,
    videos=VIDEOS,
    options=(
        Option(
            GIF_AS_VIDEO,
            "Send the GIF as a video",
            OptionKind.FLAG,
            default=False,
            help="Bluesky shows only the first picture of a GIF. As a video it moves; "
            "whether Bluesky takes it is not certain.",
            media=(MediaKind.GIF,),
        ),
        Option(
            REPLY_CONTROL,
            "Who may reply",
            OptionKind.CHOICE,
            {
                NOBODY: "Nobody",
                "mentionRule": "Only who is mentioned",
                "followingRule": "Accounts that you follow",
                "followerRule": "Your followers",
                "mentionRule+followingRule": "Who is mentioned, and accounts that you "
                "follow",
                "mentionRule+followerRule+followingRule": "Who is mentioned, your "
                "followers, and accounts that you follow",
            },
            help="Without a choice: everybody. Written right after the post; for all of "
            "a thread.",
            is_read=True,
            call=PUT_GATE,
        ),
        Option(
            LABEL,
            "Content warning",
            OptionKind.CHOICE,
            {
                "sexual": "Suggestive",
                "nudity": "Nudity",
                "porn": "Adult content",
                "graphic-media": "Violence or wounds",
            },
            help="Readers see it before they see the post, or do not see the post, as "
            "they have set it.",
            is_read=True,
        ),
        Option(
            TAGS,
            "Hashtags outside of the text",
            OptionKind.LIST,
            max_length=MAX_TAGS,
            help="Found in searches, without taking room in the text.",
        ),
        quotes.option("The address of a post at Bluesky, of whomever."),
    ),
    card_picture=MediaRule(("image/jpeg", "image/png"), max_bytes=1_000_000),
    captions=CaptionRule("vtt", max_bytes=20_000, max_count=20),
    mixes=(frozenset({MediaKind.IMAGE, MediaKind.GIF}),),
    # Blobs that nothing shows are deleted after hours (unverified).
    keeps_uploads_s=3600,
    token_life_s=7200,
    renewal_rotates=True,
    register_steps=(
        "Nothing to register: each account signs in with an app password, made in "
        "Bluesky under Settings, Privacy and security, App passwords.",
    ),
    register_url="https://bsky.app/settings/app-passwords",
)
