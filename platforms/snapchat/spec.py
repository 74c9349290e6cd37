"""Snapchat: facts as data.

Source: https://developers.snap.com/api/marketing-api (Public Profile API, read from
2026-07 to 2026-10), which is thin. What third parties alone say is a constant of its
own, so that it can be changed in one place.
"""

from __future__ import annotations

from dataclasses import replace

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
from .windows import BUCKETS, CALL, DRAWS

STORY, SPOTLIGHT, SAVED = "stories", "spotlights", "saved_stories"
#: characters
DESCRIPTION_LIMIT, TITLE_LIMIT = 160, 45
#: Snaps of one saved story; third parties alone say so many.
MAX_SNAPS = 20
#: What an image should have: it fills a telephone.
IMAGE_RATIO, IMAGE_WIDTH = 1080 / 1920, 1080

#: Third parties say 20 MB, one of them 5.
IMAGE_BYTES = 20_000_000
#: The whole of an upload; third parties advise half of it.
VIDEO_BYTES = 1_000_000_000
#: MP4 is documented; MOV is known to third parties.
VIDEO_TYPES = ("video/mp4", "video/quicktime")
#: Pages differ between 5 and 6 seconds.
SPOTLIGHT_MIN_S = 6
#: How far from 9:16 a spotlight may be; no page says.
SPOTLIGHT_RATIO = (0.55, 0.575)

#: A request of an upload may have 32 MB with all that is around the bytes. A call of ours
#: ends after a minute, so parts are smaller as long as there are not too many.
PART_BYTES, MAX_PARTS = 8_000_000, 35
#: After its creation a file can be posted for a day.
MEDIA_LIFE_S = 24 * 3600

#: How far from the sending a post's time may be.
LOOK_BACK_S, LOOK_AHEAD_S = 60, 300
LOOK_COUNT = 20

PLACES = {STORY: "Story", SPOTLIGHT: "Spotlight", SAVED: "Saved story"}
LASTS = {
    "ONE_DAY": "1 day",
    "TWO_DAYS": "2 days",
    "THREE_DAYS": "3 days",
    "ONE_WEEK": "1 week",
}
_VIDEO = (MediaKind.VIDEO,)
OPTIONS = (
    Option(
        "place",
        "Where it appears",
        OptionKind.CHOICE,
        PLACES,
        default=STORY,
        help="A story has no text. The text is the description of a spotlight, and the "
        "title of a saved story, which takes several images and videos.",
    ),
    Option(
        "lasts",
        "How long a story stays",
        OptionKind.CHOICE,
        LASTS,
        default="ONE_DAY",
    ),
    Option(
        "locale",
        "Language of a spotlight",
        OptionKind.TEXT,
        default="en_US",
        max_length=5,
        help="Such as en_US or de_DE.",
        media=_VIDEO,
    ),
    Option(
        "keep_on_profile",
        "Keep a spotlight on the profile",
        OptionKind.FLAG,
        default=True,
        media=_VIDEO,
    ),
)

PROFILE = "snapchat-profile-api"
_P, _R, _F = Ability.PUBLISH, Ability.READ, Ability.FIGURES
#: key, feature, ability
_ROWS: tuple[tuple[str, str, Ability], ...] = (
    ("POST /login/oauth2/access_token", "Connect and refresh", _R),
    ("GET /public_profiles/my_profile", "Choose a profile", _R),
    ("GET /organizations/:id/public_profiles", "Choose a profile", _R),
    ("GET /public_profiles/:id", "Identity and health", _R),
    ("POST /public_profiles/:id/media", "Images and videos", _P),
    ("POST {add_path}", "Images and videos", _P),
    ("POST {finalize_path}", "Images and videos", _P),
    ("POST /public_profiles/:id/stories", "Stories", _P),
    ("POST /public_profiles/:id/spotlights", "Spotlights", _P),
    ("POST /public_profiles/:id/saved_stories", "Saved stories", _P),
    ("GET /public_profiles/:id/stories", "Find a story again", _R),
    (
        "GET /public_profiles/:id/spotlights",
        "Find a spotlight again, right to post",
        _R,
    ),
    ("GET /public_profiles/:id/saved_stories", "Find a saved story again", _R),
    ("GET /public_profiles/:id/spotlights/:id", "State of a spotlight", _R),
    ("DELETE /public_profiles/:id/:kind/:id", "Unpublish", _P),
    ("GET /public_profiles/:id/:kind/:id/stats", "Figures of a post", _F),
    ("GET /public_profiles/:id/stats", "Figures of a profile", _F),
)
#: The audience would see these twice.
MUTATING = frozenset(
    f"POST /public_profiles/:id/{kind}" for kind in (STORY, SPOTLIGHT, SAVED)
)
#: No code makes these yet: the roadmap will.
LATER = frozenset({"GET /public_profiles/:id/stats"})

STORIES = VideoRule(
    mime_types=VIDEO_TYPES,
    max_bytes=VIDEO_BYTES,
    max_count=MAX_SNAPS,
    video_codecs=("h264",),
    audio_codecs=("aac",),
    min_s=5,
    max_s=60,
)
SPOTLIGHTS = replace(
    STORIES,
    min_s=SPOTLIGHT_MIN_S,
    min_width=540,
    min_height=960,
    min_ratio=SPOTLIGHT_RATIO[0],
    max_ratio=SPOTLIGHT_RATIO[1],
)

SPEC = PlatformSpec(
    slug="snapchat",
    name="Snapchat",
    shape=Shape.PICTURE,
    sign_in=SignIn.OAUTH,
    hosts={
        "accounts": "https://accounts.snapchat.com",
        "api": "https://businessapi.snapchat.com",
        "www": "https://www.snapchat.com",
    },
    practice_paths={
        "accounts": "/snapchat/accounts",
        "api": "/snapchat/api",
        "www": "/snapchat/www",
    },
    absent=(
        Absent(After.COMMENTS, "Snapchat shows apps no comments."),
        Absent(After.ANSWER, "Snapchat lets no app answer comments."),
        Absent(After.HIDE, "Snapchat shows apps no comments."),
        Absent(After.REMOVE, "Snapchat shows apps no comments."),
    ),
    calls=tuple(
        Call(
            key,
            feature,
            scopes=() if "oauth2" in key else (PROFILE,),
            mutates=key in MUTATING,
            ability=ability,
            later=key in LATER,
            draws=DRAWS.get(key, {} if "oauth2" in key else CALL),
        )
        for key, feature, ability in _ROWS
    ),
    buckets=BUCKETS,
    scopes=(Scope(PROFILE, "publish and read posts and figures of profiles", True),),
    images=MediaRule(
        mime_types=("image/jpeg", "image/png"),
        max_bytes=IMAGE_BYTES,
        max_count=MAX_SNAPS,
    ),
    videos=STORIES,
    mixes=(frozenset({MediaKind.IMAGE, MediaKind.VIDEO}),),
    options=OPTIONS,
    needs_media=True,
    oauth=OAuthFacts(
        authorize_host="accounts",
        authorize_path="/login/oauth2/authorize",
        # Of Login Kit only, which is another product.
        pkce=False,
        scopes=(PROFILE,),
    ),
    api_version="v1",
    account_kinds=("profile",),
    commit_key="the number of a Spotlight post",
    # Lists have a new post within a minute or so.
    # MEDIA_EXPIRED after a day.
    keeps_uploads_s=86_400,
    look_after_s=(60, 180, 420),
    # Documented; older pages and clients have half an hour. The answer counts.
    token_life_s=3_600,
    renewal_rotates=True,
    register_steps=(
        "As an admin of the organization open Snap Business Manager, Business Details, "
        "OAuth Apps. Apps of the developer portal (Login Kit) do not work here.",
        "Make an app with the redirect address shown here, exactly: it cannot be changed "
        "afterwards. It has to begin with https.",
        "Copy the client ID and the client secret, which is shown once.",
        "Ask Snap (your partner manager, or the address in the Public Profile API's Get "
        "started page) to put the client ID on its list for the Public Profile API.",
        "Give the person who connects a role on each public profile.",
    ),
    register_url="https://business.snapchat.com",
)
