"""LinkedIn: facts as data.

Source: https://learn.microsoft.com/en-us/linkedin/ (version 202609).
"""

from __future__ import annotations

from datetime import date, timedelta

from .. import quotes
from ..base import (
    Ability,
    Absent,
    After,
    Bucket,
    Call,
    CaptionRule,
    CommentRule,
    DocumentRule,
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
    Shape,
    SignIn,
    VideoRule,
    WindowKind,
)

TEXT_LIMIT = 3_000
TITLE_LIMIT = 400
DESCRIPTION_LIMIT = 4_000
#: A repeated create is answered with the live post's URN from when to when after the
#: first one (the docs tell to wait; the window itself is not documented).
REPEAT_AFTER_S = 60
REPEAT_BEFORE_S = 600
#: Clock differences allowed for when looking for a post of ours.
LOOK_BACK_S = 60
#: A token may answer 401 for some seconds after it was issued.
TOKEN_SETTLES_S = 60
#: An image may be unknown to the create call for so long after its upload.
MEDIA_SETTLES_S = 60

POSTING_ROLES = frozenset(
    {
        "ADMINISTRATOR",
        "CONTENT_ADMINISTRATOR",
        "CONTENT_ADMIN",  # the same role, as some tables of the docs spell it
        "DIRECT_SPONSORED_CONTENT_POSTER",
    }
)

SELF_SERVE_SCOPES = ("openid", "profile", "email", "w_member_social")
#: Community Management: an app of its own, without the OpenID product.
FULL_SCOPES = (
    "r_basicprofile",
    "w_member_social",
    "w_member_social_feed",
    "w_organization_social",
    "r_organization_social",
    "w_organization_social_feed",
    "r_organization_social_feed",
    "rw_organization_admin",
    "r_member_postAnalytics",
)

_MEMBER, _PAGE = ("member",), ("organization",)
SCOPES = (
    Scope("openid", "sign in and tell who the member is"),
    Scope("profile", "read the member's name and picture"),
    Scope("email", "read the member's email address"),
    Scope(
        "w_member_social",
        "create, edit and delete the member's own posts",
        kinds=_MEMBER,
    ),
    Scope("r_basicprofile", "read the member's basic profile", True, False),
    Scope("w_organization_social", "post as a Page", True, False, kinds=_PAGE),
    Scope(
        "r_organization_social", "read the posts of a Page", True, False, kinds=_PAGE
    ),
    Scope(
        "w_organization_social_feed",
        "comment and react as a Page",
        True,
        False,
        kinds=_PAGE,
    ),
    Scope(
        "r_organization_social_feed",
        "read comments on a Page's posts",
        True,
        False,
        kinds=_PAGE,
    ),
    Scope(
        "w_member_social_feed",
        "comment and react as the member",
        True,
        False,
        kinds=_MEMBER,
    ),
    Scope(
        "rw_organization_admin",
        "Page roles, figures and events",
        True,
        False,
        kinds=_PAGE,
    ),
    Scope(
        "r_organization_followers",
        "read the followers of a Page",
        True,
        False,
        later="Figures",
        kinds=_PAGE,
    ),
    Scope(
        "r_member_postAnalytics",
        "figures of the member's posts",
        True,
        False,
        kinds=_MEMBER,
    ),
    Scope(
        "r_member_profileAnalytics",
        "the member's follower count",
        True,
        False,
        later="Figures",
        kinds=_MEMBER,
    ),
    Scope(
        "r_member_social",
        "read the member's own posts (closed)",
        True,
        False,
        kinds=_MEMBER,
    ),
)

DAY_S = 24 * 3600
WRITE = ("w_member_social", "w_organization_social")
ADMIN = ("rw_organization_admin",)
PAGE_CARD = ("rw_organization_admin", "r_organization_social")
PAGE_MEDIA = ("r_organization_social", "w_organization_social")
#: Many tokens of members read their videos; from the others the answer is no.
VIDEO_STATE = (*PAGE_MEDIA, "w_member_social")
READ_POSTS = ("r_organization_social", "r_member_social")
WRITE_FEED = ("w_organization_social_feed", "w_member_social_feed")
FEED = ("r_organization_social_feed", *WRITE_FEED)

#: Sizes of the product Share on LinkedIn (app, member). Those of Community Management
#: are shown in the developer portal only: an admin sets them.
SHARE = (100_000, 150)
SIGN_IN = (100_000, 500)
UNKNOWN: tuple[int | None, int | None] = (None, None)

PUBLISH, READ, FIGURES = Ability.PUBLISH, Ability.READ, Ability.FIGURES

#: key, feature, scopes (one of them is enough), ability, sizes of its two buckets
_ROWS: tuple[
    tuple[str, str, tuple[str, ...], Ability, tuple[int | None, int | None]], ...
] = (
    ("GET /v2/userinfo", "Identity and health", ("openid",), READ, SIGN_IN),
    ("GET /v2/me", "Identity and health", ("r_basicprofile",), READ, UNKNOWN),
    ("GET /rest/organizationAcls", "Choose a Page", ADMIN, READ, UNKNOWN),
    ("GET /rest/organizationAuthorizations", "Page role", ADMIN, READ, UNKNOWN),
    ("GET /rest/organizations/:id", "Page card", PAGE_CARD, READ, UNKNOWN),
    ("GET /rest/organizationsLookup", "Page cards", PAGE_CARD, READ, UNKNOWN),
    ("GET /rest/networkSizes/:urn", "Followers", PAGE_CARD, FIGURES, UNKNOWN),
    ("POST /rest/images", "Images", WRITE, PUBLISH, SHARE),
    ("PUT {uploadUrl}", "Images, videos and documents", WRITE, PUBLISH, UNKNOWN),
    ("POST {captionsUploadUrl}", "Captions of videos", WRITE, PUBLISH, UNKNOWN),
    ("GET /rest/images/:urn", "State of an image", PAGE_MEDIA, PUBLISH, SHARE),
    ("POST /rest/videos", "Videos", WRITE, PUBLISH, SHARE),
    ("GET /rest/videos/:urn", "State of a video", VIDEO_STATE, PUBLISH, SHARE),
    ("POST /rest/documents", "Documents", WRITE, PUBLISH, SHARE),
    ("GET /rest/documents/:urn", "State of a document", PAGE_MEDIA, PUBLISH, SHARE),
    ("POST /rest/posts", "Publish", WRITE, PUBLISH, SHARE),
    ("POST /rest/posts/:urn", "Edit", WRITE, PUBLISH, SHARE),
    ("DELETE /rest/posts/:urn", "Unpublish", WRITE, PUBLISH, SHARE),
    ("GET /rest/posts", "Find a post again", READ_POSTS, READ, UNKNOWN),
    ("GET /rest/posts/:urn", "One post", READ_POSTS, READ, UNKNOWN),
    (
        "GET /rest/organizationalEntityShareStatistics",
        "Figures of a Page",
        ADMIN,
        FIGURES,
        UNKNOWN,
    ),
    (
        "GET /rest/organizationalEntityFollowerStatistics",
        "Followers of a Page",
        ADMIN,
        FIGURES,
        UNKNOWN,
    ),
    (
        "GET /rest/organizationPageStatistics",
        "Views of a Page",
        ADMIN,
        FIGURES,
        UNKNOWN,
    ),
    (
        "GET /rest/memberCreatorPostAnalytics",
        "Figures of a member",
        ("r_member_postAnalytics",),
        FIGURES,
        UNKNOWN,
    ),
    ("GET /rest/socialMetadata/:urn", "Reactions", FEED, READ, UNKNOWN),
    ("POST /rest/socialMetadata/:urn", "Comments on or off", WRITE_FEED, READ, UNKNOWN),
    ("GET /rest/socialActions/:urn", "Comments", FEED, READ, UNKNOWN),
    ("GET /rest/socialActions/:urn/comments", "Comments", FEED, READ, UNKNOWN),
    ("POST /rest/socialActions/:urn/comments", "Comment", WRITE_FEED, READ, UNKNOWN),
    (
        "DELETE /rest/socialActions/:urn/comments/:id",
        "Delete a comment",
        WRITE_FEED,
        READ,
        UNKNOWN,
    ),
    ("POST /rest/reactions", "React", WRITE_FEED, READ, UNKNOWN),
    ("PUT /rest/eventSubscriptions/:key", "Comment events", ADMIN, READ, UNKNOWN),
    ("GET /rest/eventSubscriptions/:key", "Comment events", ADMIN, READ, UNKNOWN),
    ("GET /rest/eventSubscriptions", "Comment events", ADMIN, READ, UNKNOWN),
    ("DELETE /rest/eventSubscriptions/:key", "Comment events", ADMIN, READ, UNKNOWN),
    (
        "GET /rest/organizationalEntityNotifications",
        "Comment inbox",
        ADMIN,
        READ,
        UNKNOWN,
    ),
)
#: of uploads, named in answers
ADDRESSES = frozenset({"PUT {uploadUrl}", "POST {captionsUploadUrl}"})
#: The audience would see these twice.
MUTATING = frozenset({"POST /rest/posts", "POST /rest/socialActions/:urn/comments"})

#: No code makes these yet: the roadmap will.
LATER = frozenset(
    {
        "GET /rest/organizations/:id",
        "GET /rest/networkSizes/:urn",
        "GET /rest/images/:urn",
        "POST /rest/posts/:urn",
        "GET /rest/organizationalEntityFollowerStatistics",
        "GET /rest/organizationPageStatistics",
        "GET /rest/socialMetadata/:urn",
        "POST /rest/socialMetadata/:urn",
        "GET /rest/socialActions/:urn",
        "POST /rest/reactions",
        "GET /rest/eventSubscriptions",
        "DELETE /rest/eventSubscriptions/:key",
        "GET /rest/organizationalEntityNotifications",
    }
)


def _calls() -> tuple[Call, ...]:
    rows = [
        Call("POST /oauth/v2/accessToken", "Connect and refresh", ability=READ),
        Call("POST /oauth/v2/introspectToken", "Health and scopes", ability=READ),
        Call("POST /oauth/v2/revoke", "Disconnect", ability=READ),
    ]
    for key, feature, scopes, ability, _ in _ROWS:
        draws = {f"{key}:app": 1, f"{key}:member": 1}
        rows.append(
            Call(
                key,
                feature,
                any_scopes=scopes,
                mutates=key in MUTATING,
                ability=ability,
                # Upload addresses are no API resource: they have no quota.
                draws={} if key in ADDRESSES else draws,
                later=key in LATER,
            )
        )
    return tuple(rows)


def _buckets() -> tuple[Bucket, ...]:
    """Two per endpoint and method, both ending at 00:00 UTC. LinkedIn sends no headers.

    Partition "token": one member token serves the member and all of its Pages.
    """
    rows = []
    for key, _, _, _, (app, member) in _ROWS:
        if key in ADDRESSES:
            continue
        for name, partition, size in (
            ("app", "app", app),
            ("member", "token", member),
        ):
            rows.append(
                Bucket(
                    f"{key}:{name}",
                    partition,
                    size,
                    WindowKind.FIXED_UTC_DAY,
                    DAY_S,
                    verified=size is not None and (app, member) != SIGN_IN,
                )
            )
    return tuple(rows)


#: (kind of account, ability) -> the scope that it hangs on
NEEDED: dict[tuple[str, Ability], str] = {
    ("member", PUBLISH): "w_member_social",
    ("member", READ): "r_member_social",
    ("member", FIGURES): "r_member_postAnalytics",
    ("organization", PUBLISH): "w_organization_social",
    ("organization", READ): "r_organization_social",
    ("organization", FIGURES): "rw_organization_admin",
}

#: a visibility that a Page's posts have not
CONNECTIONS = "CONNECTIONS"
#: minutes -> how long people may vote, as LinkedIn spells it
POLL_DURATIONS = {
    1440: "ONE_DAY",
    3 * 1440: "THREE_DAYS",
    7 * 1440: "SEVEN_DAYS",
    14 * 1440: "FOURTEEN_DAYS",
}

SPEC = PlatformSpec(
    slug="linkedin",
    name="LinkedIn",
    shape=Shape.FEED,
    folds_after=210,
    sign_in=SignIn.OAUTH,
    hook_name="Webhooks: URL",
    hook_tells="comments, likes and shares of posts of Pages",
    hook_has_handshake=True,
    hook_asked=True,
    hook_account_kinds=("organization",),
    hook_app_number_name="Application ID",
    mentions=MentionRule(
        r"(?!)",
        "LinkedIn links @[Name](urn:li:organization:number), with the "
        "name of the Page as it stands there.",
    ),
    hosts={"api": "https://api.linkedin.com", "www": "https://www.linkedin.com"},
    practice_paths={"api": "/linkedin/api", "www": "/linkedin/www"},
    calls=_calls(),
    buckets=_buckets(),
    scopes=SCOPES,
    first_comment=CommentRule(
        "POST /rest/socialActions/:urn/comments",
        "GET /rest/socialActions/:urn/comments",
        1250,
    ),
    images=MediaRule(
        mime_types=("image/jpeg", "image/png", "image/gif"),
        max_bytes=8_000_000,  # not documented; larger ones are known to fail
        max_pixels=36_152_319,
        max_alt=4_086,
        max_count=20,
    ),
    gifs=GifRule(
        mime_types=("image/gif",),
        max_bytes=8_000_000,
        max_pixels=36_152_319,
        max_alt=4_086,
        max_count=20,
        max_frames=250,
    ),
    videos=VideoRule(
        mime_types=("video/mp4",),
        max_bytes=500_000_000,
        min_bytes=75_000,
        min_s=3,
        max_s=30 * 60,
        # Shapes are those of LinkedIn's own pages; for its API none are documented.
        min_width=144,
        min_height=144,
        max_width=4096,
        max_height=4096,
        min_ratio=0.416,
        max_ratio=2.4,
        min_fps=10,
        max_fps=60,
    ),
    documents=DocumentRule(
        mime_types=(
            "application/pdf",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        max_bytes=100_000_000,
        max_pages=300,
    ),
    # No size is documented; that of a film's captions is far below it.
    # How many bytes an image may have is not documented.
    card_picture=MediaRule(("image/jpeg", "image/png"), max_bytes=8_000_000),
    captions=CaptionRule("srt", max_bytes=1_000_000),
    poll=PollRule(
        max_option=30,
        lengths=tuple(POLL_DURATIONS),
        max_question=140,
        has_card=False,
        counts_utf16=True,
    ),
    mixes=(
        frozenset({MediaKind.IMAGE, MediaKind.GIF}),
        frozenset({MediaKind.VIDEO, MediaKind.IMAGE}),
    ),
    has_stills=True,
    options=(
        Option(
            "title",
            "Title",
            OptionKind.TEXT,
            max_length=TITLE_LIMIT,
            help="Stands above the document or video; without one, the file's name.",
            media=(MediaKind.VIDEO, MediaKind.DOCUMENT),
        ),
        Option(
            "visibility",
            "Who can see it",
            OptionKind.CHOICE,
            {
                "PUBLIC": "Everybody",
                "LOGGED_IN": "Everybody who is signed in",
                CONNECTIONS: "Connections",
            },
            default="PUBLIC",
            help="Of a Page's posts everybody, or everybody who is signed in.",
        ),
        Option("no_reshare", "Nobody may pass it on", OptionKind.FLAG, default=False),
        quotes.option(
            "The address of a post at LinkedIn with “urn:li:share:” or “urn:li:ugcPost:” "
            "in it. Passing it on takes no files and no card."
        ),
    ),
    oauth=OAuthFacts(
        authorize_host="www",
        authorize_path="/oauth/v2/authorization",
        pkce=False,
        scopes=SELF_SERVE_SCOPES,
        cancel_errors=(
            "user_cancelled_login",
            "user_cancelled_authorize",
            "access_denied",
        ),
        scope_errors=("unauthorized_scope_error", "invalid_scope"),
    ),
    api_version="202609",
    api_version_ends_at=date(2027, 9, 15),
    version_ends={
        "202511": date(2026, 11, 16),
        "202601": date(2027, 1, 15),
        "202602": date(2027, 2, 15),
        "202603": date(2027, 3, 16),
        "202604": date(2027, 4, 15),
        "202605": date(2027, 5, 15),
        "202606": date(2027, 6, 15),
        "202607": date(2027, 7, 15),
        "202608": date(2027, 8, 17),
    },
    account_kinds=("member", "organization"),
    # What people do on LinkedIn may not be kept for longer.
    comments_kept=timedelta(hours=48),
    absent=(
        Absent(
            After.HIDE,
            "LinkedIn lets no app hide comments; they can be deleted.",
        ),
        Absent(
            After.RECENT,
            "LinkedIn shows no app the posts of members; those of Pages it does.",
            kinds=("member",),
        ),
    ),
    flat_answers=True,
    answers_apart=True,
    commit_key="refuses the same post and names the one that is live",
    # Upload addresses last about a day (unverified).
    keeps_uploads_s=86_400,
    clears_uploads=False,
    # A new Page post takes up to about a minute until it can be found; a member's may
    # be repeated after a minute and not before (REPEAT_AFTER_S).
    look_after_s=(65, 100, 180),
    token_life_s=5_184_000,
    register_steps=(
        "Create an app in the LinkedIn developer portal and verify its Page.",
        "For members: add the products Share on LinkedIn and Sign In with LinkedIn "
        "using OpenID Connect.",
        "For Pages: ask for Community Management with a new app that has no other "
        "product; LinkedIn reviews it.",
        "Under Auth enter the redirect address shown here, exactly.",
        "Copy the Client ID and the Primary Client Secret.",
    ),
    register_url="https://www.linkedin.com/developers/apps",
)
