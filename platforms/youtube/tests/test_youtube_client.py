"""Google's sign-in, the channel, and what YouTube's answers mean."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses
from responses.matchers import query_param_matcher

from platforms.base import Ability, Figure
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.http import Answer
from platforms.youtube.client import YouTubeClient, pacific_midnight
from platforms.youtube.spec import FORCE_SSL, READONLY, SPEC, UPLOAD

OAUTH = "https://oauth2.googleapis.com"
V3 = "https://www.googleapis.com/youtube/v3"
#: body of an answer -> body
Words = dict[str, Any]


def refusal(
    code: int, reason: str, message: str = "No.", domain: str = "youtube.x"
) -> Words:
    row = {"message": message, "domain": domain, "reason": reason}
    return {"error": {"code": code, "message": message, "errors": [row]}}


def channel(number: str = "UCabc123") -> Words:
    return {
        "id": number,
        "snippet": {
            "title": "Ada",
            "customUrl": "@ada",
            "thumbnails": {"default": {"url": "https://yt3.ggpht.com/a"}},
        },
        "contentDetails": {"relatedPlaylists": {"uploads": "UUabc123"}},
        "status": {"longUploadsStatus": "allowed"},
    }


def listed(kind: str, *rows: Words, **more: Any) -> Words:
    body = {"kind": f"youtube#{kind}ListResponse", **more}
    return {**body, "items": list(rows)} if rows else body


# ---------------------------------------------------------------- connecting


@pytest.mark.trap("youtube", 2)
def test_who_registers_an_app_is_told_to_publish_its_consent_screen() -> None:
    steps = " ".join(SPEC.register_steps)
    assert "Publish it: while it is in Testing, each access ends after 7 days" in steps


@pytest.mark.trap("youtube", 3)
def test_consent_is_asked_for_each_time_and_for_offline_access() -> None:
    """Without either there is no permission to renew (trap 3)."""
    assert SPEC.oauth is not None
    assert SPEC.oauth.extra_params == {"access_type": "offline", "prompt": "consent"}
    assert SPEC.oauth.force_login_params == {"prompt": "select_account consent"}
    assert not SPEC.oauth.pkce


def test_a_code_is_traded_for_what_was_really_granted(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    api.post(
        f"{OAUTH}/token",
        json={
            "access_token": "ya29.a",
            "expires_in": 3599,
            "refresh_token": "1//0gXy",
            "scope": f"{UPLOAD} {READONLY}",
            "refresh_token_expires_in": 604799,
        },
    )
    tokens = client.exchange_code("4/0Ab", "https://app.example/cb", None)
    assert parse_qs(str(api.calls[0].request.body)) == {
        "grant_type": ["authorization_code"],
        "code": ["4/0Ab"],
        "redirect_uri": ["https://app.example/cb"],
        "client_id": ["cid"],
        "client_secret": ["test-client-secret"],
    }
    assert tokens.scopes == (UPLOAD, READONLY)
    assert tokens.issued_at is not None
    assert tokens.expires_at == tokens.issued_at + timedelta(seconds=3599)
    # While the app is in Testing a grant lives a week (trap 2).
    assert tokens.refresh_expires_at == tokens.issued_at + timedelta(seconds=604799)


def test_a_renewal_brings_no_new_permission_to_renew(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    """An empty one means: keep what is stored (trap 3)."""
    api.post(f"{OAUTH}/token", json={"access_token": "ya29.b", "expires_in": 3599})
    tokens = client.refresh()
    assert (tokens.access_token, tokens.refresh_token) == ("ya29.b", "")
    assert tokens.refresh_expires_at is None
    assert not SPEC.renewal_rotates


@pytest.mark.trap("youtube", 17)
@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (
            400,
            {
                "error": "invalid_grant",
                "error_description": "Token has been expired or revoked.",
            },
            Outcome.AUTH_REVOKED,
            Cause.TOKEN_INVALID,
        ),
        (
            400,
            {"error": "invalid_grant", "error_description": "Bad Request"},
            Outcome.AUTH_REVOKED,
            Cause.REFRESH_REFUSED,
        ),
        (
            400,
            {"error": "invalid_grant", "error_subtype": "invalid_rapt"},
            Outcome.AUTH_REVOKED,
            Cause.SIGN_IN_WANTED,
        ),
        (
            400,
            {"error": "admin_policy_enforced"},
            Outcome.PERMISSION,
            Cause.ADMIN_RESTRICTS,
        ),
        (401, {"error": "invalid_client"}, Outcome.PERMISSION, Cause.APP_REFUSED),
        (401, {"error": "deleted_client"}, Outcome.PERMISSION, Cause.APP_REFUSED),
        (
            400,
            {"error": "redirect_uri_mismatch"},
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (500, {}, Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (
            503,
            {"error": "invalid_grant"},
            Outcome.TRANSIENT,
            Cause.PLATFORM_TROUBLE,
        ),
    ],
)
def test_a_refused_renewal_tells_grant_admin_and_app_apart(
    client: YouTubeClient,
    api: responses.RequestsMock,
    status: int,
    body: Words,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(f"{OAUTH}/token", json=body, status=status)
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
    # A client id that is gone is no account's fault (trap 17).
    assert (caught.value.reach is Reach.APP) == (cause is Cause.APP_REFUSED)


@pytest.mark.parametrize(
    ("status", "body"), [(200, {}), (400, {"error": "invalid_token"})]
)
def test_disconnecting_ends_the_grant_and_may_be_repeated(
    client: YouTubeClient, api: responses.RequestsMock, status: int, body: Words
) -> None:
    api.post(f"{OAUTH}/revoke", json=body, status=status)
    client.revoke()
    assert api.calls[0].request.body == "token=test-refresh-token"


def test_the_chosen_channel_is_the_account(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    api.get(f"{V3}/channels", json=listed("channel", channel()))
    (one,) = client.identities()
    assert (one.external_id, one.kind, one.name) == ("UCabc123", "channel", "Ada")
    assert (one.handle, one.url) == ("ada", "https://www.youtube.com/channel/UCabc123")
    assert one.extra == {"uploads": "UUabc123", "long_uploads": "allowed"}


@pytest.mark.trap("youtube", 14)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, listed("channel")),
        (401, refusal(401, "youtubeSignupRequired", domain="youtube.header")),
    ],
)
def test_an_account_without_a_channel_has_nobody_to_publish_as(
    client: YouTubeClient, api: responses.RequestsMock, status: int, body: Words
) -> None:
    """Both answers are given (trap 14)."""
    api.get(f"{V3}/channels", json=body, status=status)
    assert client.identities() == []


# ---------------------------------------------------------------- health


def told(api: responses.RequestsMock, *scopes: str) -> None:
    api.get(
        f"{OAUTH}/tokeninfo",
        json={"scope": " ".join(scopes), "exp": "1795900000", "expires_in": "3400"},
    )


@pytest.mark.trap("youtube", 1)
@pytest.mark.parametrize(
    ("scopes", "publish", "read", "figures"),
    [
        ((UPLOAD, READONLY), True, True, True),
        ((READONLY,), False, True, True),
        ((FORCE_SSL,), True, True, True),
        ((UPLOAD,), True, False, False),
    ],
)
def test_one_unit_at_most_tells_the_abilities_apart(
    client: YouTubeClient,
    api: responses.RequestsMock,
    scopes: tuple[str, ...],
    publish: bool,
    read: bool,
    figures: bool,
) -> None:
    """Who may upload only cannot read the channel, and publishes well (trap 1)."""
    told(api, *scopes)
    if read:
        api.get(f"{V3}/channels", json=listed("channel", channel()))
    proof = client.prove()
    says = {ability: verdict.ok for ability, verdict in proof.abilities.items()}
    assert says == {
        Ability.PUBLISH: publish,
        Ability.READ: read,
        Ability.FIGURES: figures,
    }
    assert proof.scopes == scopes
    assert proof.expires_at == datetime.fromtimestamp(1795900000, UTC)
    assert (proof.identity is not None) == read


@pytest.mark.trap("youtube", 12)
def test_a_token_of_another_channel_proves_nothing_good(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    """One Google account holds many channels (trap 12)."""
    told(api, UPLOAD, READONLY)
    api.get(f"{V3}/channels", json=listed("channel", channel("UCother")))
    verdict = client.prove().abilities[Ability.PUBLISH]
    assert (verdict.ok, verdict.cause) == (False, Cause.ROLE_LOST)


@pytest.mark.trap("youtube", 16)
@pytest.mark.parametrize(
    ("minutes", "outcome"), [(30, Outcome.AUTH_EXPIRED), (1, Outcome.TRANSIENT)]
)
def test_a_refused_token_is_renewed_and_one_just_renewed_ends_nothing(
    client_for: Callable[..., YouTubeClient],
    api: responses.RequestsMock,
    minutes: int,
    outcome: Outcome,
) -> None:
    """Google has hours in which it refuses good tokens (trap 16)."""
    client = client_for(issued_at=datetime.now(UTC) - timedelta(minutes=minutes))
    api.get(f"{OAUTH}/tokeninfo", json={"error": "invalid_token"}, status=400)
    with pytest.raises(PlatformError) as caught:
        client.prove()
    assert caught.value.outcome is outcome
    words = json.dumps(refusal(401, "authError")).encode()
    error = client.error_from(Answer(401, {}, words), mutates=False)
    assert error.outcome is outcome


def test_the_channel_offers_its_playlists_and_the_categories_that_may_be_chosen(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    def lists(number: int) -> Words:
        return {"id": f"PL{number}", "snippet": {"title": f"List {number}"}}

    api.get(
        f"{V3}/playlists",
        json=listed("playlist", lists(1), nextPageToken="EAAa"),
    )
    api.get(
        f"{V3}/playlists",
        json=listed("playlist", lists(2)),
        match=[query_param_matcher({"pageToken": "EAAa"}, strict_match=False)],
    )
    rows = [
        {"id": "22", "snippet": {"title": "People & Blogs", "assignable": True}},
        {"id": "30", "snippet": {"title": "Movies", "assignable": False}},
    ]
    api.get(f"{V3}/videoCategories", json=listed("videoCategory", *rows))
    assert client.server_limits() == {
        "playlists": {"PL1": "List 1", "PL2": "List 2"},
        "categories": {"22": "People & Blogs"},
    }


# ---------------------------------------------------------------- the table of errors

PER_DAY = (
    "Quota exceeded for quota metric 'Video Uploads' and limit 'Video Uploads per day' "
    "of service 'youtube.googleapis.com' for consumer 'project_number:123'."
)


@pytest.mark.trap("youtube", 6)
@pytest.mark.parametrize(
    ("status", "reason", "message", "outcome", "cause", "reach"),
    [
        (400, "invalidTitle", "", Outcome.INVALID_CONTENT, Cause.TEXT_REFUSED, "post"),
        (
            400,
            "invalidCategoryId",
            "",
            Outcome.INVALID_CONTENT,
            Cause.OPTION_UNKNOWN,
            "post",
        ),
        (
            400,
            "uploadLimitExceeded",
            "",
            Outcome.RATE_LIMITED,
            Cause.DAILY_LIMIT,
            "token",
        ),
        (
            400,
            "unexpectedParameter",
            "",
            Outcome.INVALID_CONTENT,
            Cause.UNKNOWN_REFUSAL,
            "post",
        ),
        (401, "authError", "", Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED, "token"),
        (401, "required", "", Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED, "token"),
        (
            401,
            "youtubeSignupRequired",
            "",
            Outcome.PERMISSION,
            Cause.ROLE_LOST,
            "token",
        ),
        (
            401,
            "authorizationRequired",
            "",
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
            "app",
        ),
        (
            403,
            "insufficientPermissions",
            "",
            Outcome.PERMISSION,
            Cause.SCOPE_MISSING,
            "token",
        ),
        (403, "forbidden", "", Outcome.PERMISSION, Cause.NOT_ALLOWED, "post"),
        (403, "commentsDisabled", "", Outcome.PERMISSION, Cause.NOT_ALLOWED, "post"),
        (
            403,
            "forbiddenPrivacySetting",
            "",
            Outcome.INVALID_CONTENT,
            Cause.OPTION_UNKNOWN,
            "post",
        ),
        (
            403,
            "channelSuspended",
            "",
            Outcome.PERMISSION,
            Cause.ACCOUNT_SUSPENDED,
            "token",
        ),
        (
            403,
            "authenticatedUserAccountClosed",
            "",
            Outcome.PERMISSION,
            Cause.ACCOUNT_GONE,
            "token",
        ),
        (403, "accessNotConfigured", "", Outcome.PERMISSION, Cause.APP_REFUSED, "app"),
        (403, "quotaExceeded", "", Outcome.RATE_LIMITED, Cause.DAILY_LIMIT, "app"),
        (403, "dailyLimitExceeded", "", Outcome.RATE_LIMITED, Cause.DAILY_LIMIT, "app"),
        (
            429,
            "rateLimitExceeded",
            PER_DAY,
            Outcome.RATE_LIMITED,
            Cause.DAILY_LIMIT,
            "app",
        ),
        (
            403,
            "rateLimitExceeded",
            "",
            Outcome.RATE_LIMITED,
            Cause.TOO_MANY_REQUESTS,
            "app",
        ),
        (
            429,
            "userRateLimitExceeded",
            "",
            Outcome.RATE_LIMITED,
            Cause.TOO_MANY_REQUESTS,
            "token",
        ),
        (
            429,
            "uploadRateLimitExceeded",
            "",
            Outcome.RATE_LIMITED,
            Cause.DAILY_LIMIT,
            "token",
        ),
        (404, "videoNotFound", "", Outcome.NOT_FOUND, Cause.NOT_THERE, "post"),
        (
            500,
            "internalError",
            "",
            Outcome.TRANSIENT,
            Cause.PLATFORM_TROUBLE,
            "platform",
        ),
        (
            503,
            "backendError",
            "",
            Outcome.TRANSIENT,
            Cause.PLATFORM_TROUBLE,
            "platform",
        ),
        (
            400,
            "processingFailure",
            "",
            Outcome.TRANSIENT,
            Cause.PLATFORM_TROUBLE,
            "post",
        ),
    ],
)
def test_each_reason_has_its_meaning(
    client: YouTubeClient,
    status: int,
    reason: str,
    message: str,
    outcome: Outcome,
    cause: Cause,
    reach: str,
) -> None:
    words = json.dumps(refusal(status, reason, message)).encode()
    error = client.error_from(Answer(status, {}, words), mutates=False)
    assert (error.outcome, error.cause, error.reach) == (outcome, cause, reach)


@pytest.mark.parametrize(
    ("status", "reason", "outcome", "cause"),
    [
        *(
            (400, reason, Outcome.INVALID_CONTENT, cause)
            for reason, cause in (
                ("invalidDescription", Cause.TEXT_REFUSED),
                ("invalidTags", Cause.TOO_MANY_TAGS),
                ("invalidVideoMetadata", Cause.TEXT_REFUSED),
                ("invalidPublishAt", Cause.UNKNOWN_REFUSAL),
                ("invalidFilename", Cause.UNKNOWN_REFUSAL),
                ("defaultLanguageNotSet", Cause.UNKNOWN_REFUSAL),
                ("mediaBodyRequired", Cause.MEDIA_REFUSED),
                ("missingRequiredParameter", Cause.UNKNOWN_REFUSAL),
            )
        ),
        (401, "expired", Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED),
        (403, "accountDelegationForbidden", Outcome.PERMISSION, Cause.ROLE_LOST),
        (403, "authenticatedUserNotChannel", Outcome.PERMISSION, Cause.ROLE_LOST),
        (
            403,
            "authenticatedUserAccountSuspended",
            Outcome.PERMISSION,
            Cause.ACCOUNT_SUSPENDED,
        ),
        (403, "channelClosed", Outcome.PERMISSION, Cause.ACCOUNT_GONE),
        (403, "ineligibleAccount", Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (
            403,
            "forbiddenLicenseSetting",
            Outcome.INVALID_CONTENT,
            Cause.OPTION_UNKNOWN,
        ),
        *(
            (404, reason, Outcome.NOT_FOUND, Cause.NOT_THERE)
            for reason in (
                "channelNotFound",
                "playlistNotFound",
                "parentCommentNotFound",
            )
        ),
        (502, "", Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (504, "", Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
    ],
)
def test_reasons_that_are_seldom_seen_have_theirs(
    client: YouTubeClient, status: int, reason: str, outcome: Outcome, cause: Cause
) -> None:
    words = json.dumps(refusal(status, reason)).encode()
    error = client.error_from(Answer(status, {}, words), mutates=False)
    assert (error.outcome, error.cause) == (outcome, cause)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, "internalError"), (503, "backendError"), (400, "processingFailure")],
)
def test_what_may_have_been_done_all_the_same_is_ambiguous(
    client: YouTubeClient, status: int, reason: str
) -> None:
    words = json.dumps(refusal(status, reason)).encode()
    error = client.error_from(Answer(status, {}, words), mutates=True)
    assert error.outcome is Outcome.AMBIGUOUS


@pytest.mark.trap("youtube", 5)
@pytest.mark.trap("youtube", 6)
def test_a_used_up_day_waits_for_midnight_and_a_full_channel_for_a_day(
    client: YouTubeClient,
) -> None:
    """The refusal of the uploads' day reads like one of a minute (trap 5), and that of
    a channel is nobody else's (trap 6)."""
    day = json.dumps(refusal(429, "rateLimitExceeded", PER_DAY)).encode()
    error = client.error_from(Answer(429, {}, day), mutates=False)
    assert error.reset_at == pacific_midnight(datetime.now(UTC))
    full = json.dumps(refusal(400, "uploadLimitExceeded")).encode()
    error = client.error_from(Answer(400, {}, full), mutates=False)
    assert (error.reset_at, error.retry_after) == (None, 86_400)


@pytest.mark.trap("youtube", 7)
@pytest.mark.parametrize(
    ("now", "ends"),
    [
        (datetime(2026, 11, 28, 7, 59), datetime(2026, 11, 28, 8, 0)),
        (datetime(2026, 7, 1, 7, 1), datetime(2026, 7, 2, 7, 0)),
        # The clocks go back in the night: that day has 25 hours (trap 7).
        (datetime(2026, 11, 1, 7, 0), datetime(2026, 11, 2, 8, 0)),
    ],
)
def test_the_day_ends_at_midnight_in_california(now: datetime, ends: datetime) -> None:
    assert pacific_midnight(now.replace(tzinfo=UTC)) == ends.replace(tzinfo=UTC)


# ---------------------------------------------------------------- after publishing


def test_figures_that_a_channel_hides_are_not_zero(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    told = {"viewCount": "1000", "likeCount": "0", "favoriteCount": "0"}
    api.get(f"{V3}/videos", json=listed("video", {"id": "v1", "statistics": told}))
    assert client.figures("v1").values == {Figure.VIEWS: 1000, Figure.LIKES: 0}


def test_a_video_that_is_not_listed_has_no_figures(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    api.get(f"{V3}/videos", json=listed("video"))
    with pytest.raises(PlatformError) as caught:
        client.figures("v1")
    assert caught.value.outcome is Outcome.NOT_FOUND


def test_comments_come_in_threads_with_their_answers(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    def said(number: str, text: str) -> Words:
        at = "2026-11-22T10:11:12Z"
        snippet = {
            "textDisplay": text,
            "textOriginal": text,
            "authorDisplayName": "Bob",
            "publishedAt": at,
        }
        return {"id": number, "snippet": snippet}

    thread = {
        "snippet": {"topLevelComment": said("Ugx", "First!"), "isPublic": False},
        "replies": {"comments": [said("Ugx.1", "Second!")]},
    }
    api.get(
        f"{V3}/commentThreads", json=listed("commentThread", thread, nextPageToken="p2")
    )
    page = client.comments("v1", "p1")
    assert api.calls[0].request.params["pageToken"] == "p1"  # type: ignore[attr-defined]
    assert [(c.external_id, c.parent_id, c.text) for c in page.comments] == [
        ("Ugx", "", "First!"),
        ("Ugx.1", "Ugx", "Second!"),
    ]
    assert page.comments[0].hidden
    assert page.comments[0].published_at == datetime(
        2026, 11, 22, 10, 11, 12, tzinfo=UTC
    )
    assert page.after == "p2"


def test_an_answer_goes_below_its_comment(
    client: YouTubeClient, api: responses.RequestsMock
) -> None:
    api.post(f"{V3}/comments", json={"kind": "youtube#comment", "id": "Ugx.2"})
    assert client.reply("Ugx", "Thanks") == "Ugx.2"
    assert json.loads(api.calls[0].request.body) == {
        "snippet": {"parentId": "Ugx", "textOriginal": "Thanks"}
    }


@pytest.mark.parametrize("status", [204, 404])
def test_a_video_that_is_gone_already_is_well_deleted(
    client: YouTubeClient, api: responses.RequestsMock, status: int
) -> None:
    api.delete(f"{V3}/videos", status=status)
    client.delete_post("v1")
    assert api.calls[0].request.url == f"{V3}/videos?id=v1"


@pytest.mark.trap("youtube", 15)
def test_what_people_wrote_is_read_anew_or_deleted_after_a_month() -> None:
    assert SPEC.comments_kept == timedelta(days=30)
