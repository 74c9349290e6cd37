import base64
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses

from platforms.base import Ability, MediaFile
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.x.client import XClient, created_at
from platforms.x.spec import SPEC

from .conftest import REFRESH, SECRET, TOKEN

API = "https://api.x.com"
POSTS = API + "/2/tweets"
TIMELINE = API + "/2/users/1234500001/tweets"
UNAUTHORIZED = {
    "title": "Unauthorized",
    "type": "about:blank",
    "status": 401,
    "detail": "Unauthorized",
}


def problem(detail: str, kind: str = "about:blank", title: str = "Forbidden") -> dict:
    return {"title": title, "detail": detail, "type": kind}


def refused(client: XClient) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        client.create({"text": "Hello"})
    return caught.value


# ------------------------------------------------------------------ connecting


def test_a_code_is_traded_for_tokens_with_basic_auth_and_verifier(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.post(
        API + "/2/oauth2/token",
        json={
            "token_type": "bearer",
            "expires_in": 7200,
            "access_token": "a",
            "scope": "tweet.read tweet.write",
            "refresh_token": "r",
        },
    )
    tokens = client.exchange_code("the-code", "https://app.example/cb", "verifier")
    request = api.calls[0].request
    assert request.headers["Authorization"].startswith("Basic ")
    assert parse_qs(str(request.body)) == {
        "grant_type": ["authorization_code"],
        "code": ["the-code"],
        "redirect_uri": ["https://app.example/cb"],
        "code_verifier": ["verifier"],
    }
    assert (tokens.access_token, tokens.refresh_token) == ("a", "r")
    assert tokens.scopes == ("tweet.read", "tweet.write")
    assert tokens.issued_at is not None
    assert tokens.expires_at == tokens.issued_at + timedelta(hours=2)


@pytest.mark.trap("x", 2)
@pytest.mark.trap("x", 3)
@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (
            400,
            {
                "error": "invalid_request",
                "error_description": "Value passed for the token was invalid.",
            },
            Outcome.AUTH_REVOKED,
            Cause.REFRESH_REFUSED,
        ),
        (400, {"error": "invalid_grant"}, Outcome.AUTH_REVOKED, Cause.REFRESH_REFUSED),
        (
            401,
            {
                "error": "unauthorized_client",
                "error_description": "Missing valid authorization header",
            },
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (401, {"error": "invalid_client"}, Outcome.PERMISSION, Cause.APP_REFUSED),
        (401, UNAUTHORIZED, Outcome.PERMISSION, Cause.APP_REFUSED),
        (
            400,
            {"error": "unsupported_grant_type"},
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (503, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (429, {}, Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
    ],
)
def test_a_refused_refresh_tells_the_account_from_the_app(
    client: XClient,
    api: responses.RequestsMock,
    status: int,
    body: dict[str, Any],
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(API + "/2/oauth2/token", json=body, status=status)
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
    if outcome is Outcome.PERMISSION:
        assert caught.value.reach is Reach.APP


@pytest.mark.trap("x", 3)
def test_a_renewal_shows_the_credentials_of_the_app(
    client: XClient, api: responses.RequestsMock
) -> None:
    answer = {"access_token": "a", "refresh_token": "r", "expires_in": 7200}
    api.post(API + "/2/oauth2/token", json=answer)
    assert client.refresh().refresh_token == "r"
    request = api.calls[0].request
    shown = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(shown).decode() == f"cid:{SECRET}"
    assert parse_qs(str(request.body)) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [REFRESH],
    }


@pytest.mark.trap("x", 1)
def test_a_lost_refresh_is_ambiguous_because_the_token_works_once(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.post(API + "/2/oauth2/token", body=requests.ReadTimeout())
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    assert caught.value.outcome is Outcome.AMBIGUOUS
    api.assert_call_count(API + "/2/oauth2/token", 1)


def test_a_used_code_is_named_as_such(
    client: XClient, api: responses.RequestsMock
) -> None:
    text = "Value passed for the authorization code was invalid."
    api.post(
        API + "/2/oauth2/token",
        json={"error": "invalid_request", "error_description": text},
        status=400,
    )
    with pytest.raises(PlatformError) as caught:
        client.exchange_code("c", "https://app.example/cb", "v")
    assert caught.value.cause is Cause.CODE_REFUSED


def test_revoking_ends_both_tokens_and_may_run_twice(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.post(API + "/2/oauth2/revoke", json={"revoked": True})
    api.post(API + "/2/oauth2/revoke", json={"error": "invalid_grant"}, status=400)
    client.revoke()
    api.assert_call_count(API + "/2/oauth2/revoke", 2)


def test_the_sign_in_page_is_the_one_on_the_web_host(client: XClient) -> None:
    assert client.authorize_url() == "https://x.com/i/oauth2/authorize"
    assert SPEC.oauth is not None
    assert SPEC.oauth.pkce
    assert "offline.access" in SPEC.oauth.scopes


ME = {
    "data": {
        "id": "1234500001",
        "name": "Acme Tools",
        "username": "acmetools",
        "profile_image_url": "https://pbs.twimg.com/a.jpg",
        "protected": False,
        "subscription_type": "Premium",
    }
}


def test_identity_holds_the_plan(client: XClient, api: responses.RequestsMock) -> None:
    api.get(API + "/2/users/me", json=ME)
    (identity,) = client.identities()
    assert identity.external_id == "1234500001"
    assert identity.handle == "acmetools"
    assert identity.url == "https://x.com/acmetools"
    assert identity.extra["subscription_type"] == "Premium"
    assert identity.extra["protected"] is False


def test_proof_names_the_missing_scope_per_ability(
    client_for: Callable[..., XClient], api: responses.RequestsMock
) -> None:
    api.get(API + "/2/users/me", json=ME)
    proof = client_for(scopes=("tweet.read", "users.read")).prove()
    assert proof.abilities[Ability.READ].ok is True
    assert proof.abilities[Ability.PUBLISH].ok is False
    assert proof.abilities[Ability.PUBLISH].cause is Cause.SCOPE_MISSING
    assert proof.abilities[Ability.PUBLISH].detail == "tweet.write"


def test_proof_does_not_guess_when_scopes_are_unknown(
    client_for: Callable[..., XClient], api: responses.RequestsMock
) -> None:
    api.get(API + "/2/users/me", json=ME)
    assert client_for(scopes=()).prove().abilities[Ability.PUBLISH].ok is None


@pytest.mark.trap("x", 6)
def test_proof_tells_that_images_are_off(
    client_for: Callable[..., XClient], api: responses.RequestsMock
) -> None:
    api.get(API + "/2/users/me", json=ME)
    proof = client_for(scopes=("tweet.read", "users.read", "tweet.write")).prove()
    assert proof.abilities[Ability.PUBLISH].ok is True
    assert "media.write" in proof.abilities[Ability.PUBLISH].detail


# ------------------------------------------------------------------ errors

DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
REPLY = (
    "Reply to this conversation is not allowed because you have not been mentioned or "
    "otherwise engaged by the author of the post you are replying to."
)
PROBLEMS = "https://api.twitter.com/2/problems/"
NEW_PROBLEMS = "https://api.x.com/2/problems/"


@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (
            400,
            problem("One or more parameters", PROBLEMS + "invalid-request"),
            Outcome.INVALID_CONTENT,
            Cause.UNKNOWN_REFUSAL,
        ),
        (
            400,
            problem("Your media IDs are invalid.", title="Invalid Request"),
            Outcome.INVALID_CONTENT,
            Cause.MEDIA_EXPIRED,
        ),
        (
            400,
            {"errors": [{"code": 186, "message": "Your Tweet text is too long."}]},
            Outcome.INVALID_CONTENT,
            Cause.TEXT_TOO_LONG,
        ),
        (401, UNAUTHORIZED, Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED),
        (
            402,
            problem("no credits", NEW_PROBLEMS + "credits", "CreditsDepleted"),
            Outcome.RATE_LIMITED,
            Cause.CREDITS_USED_UP,
        ),
        (
            402,
            problem("credits depleted", NEW_PROBLEMS + "credits-depleted"),
            Outcome.RATE_LIMITED,
            Cause.CREDITS_USED_UP,
        ),
        (403, problem(DUPLICATE), Outcome.DUPLICATE, Cause.DUPLICATE_TEXT),
        (
            403,
            problem("You are not permitted to perform this action."),
            Outcome.INVALID_CONTENT,
            Cause.UNKNOWN_REFUSAL,
        ),
        (403, problem(REPLY), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (
            403,
            problem("Quoting this post is not allowed because ..."),
            Outcome.PERMISSION,
            Cause.NOT_ALLOWED,
        ),
        (
            403,
            problem("You can use a maximum of one cashtag"),
            Outcome.INVALID_CONTENT,
            Cause.TEXT_REFUSED,
        ),
        (
            403,
            problem("The Tweet contains an invalid URL."),
            Outcome.INVALID_CONTENT,
            Cause.LINK_REFUSED,
        ),
        pytest.param(
            403,
            problem("This user is not allowed to post a video longer than 20 minutes."),
            Outcome.INVALID_CONTENT,
            Cause.VIDEO_TOO_LONG,
            marks=pytest.mark.trap("x", 11),
        ),
        (
            403,
            problem(
                "You attempted to reply to a Tweet that is deleted or not visible "
                "to you."
            ),
            Outcome.NOT_FOUND,
            Cause.PARENT_GONE,
        ),
        (
            403,
            problem("Authenticating with ...", PROBLEMS + "unsupported-authentication"),
            Outcome.PERMISSION,
            Cause.NOT_ALLOWED,
        ),
        (
            403,
            {"errors": [problem("...", PROBLEMS + "unsupported-authentication")]},
            Outcome.PERMISSION,
            Cause.NOT_ALLOWED,
        ),
        (
            403,
            problem("...", PROBLEMS + "oauth1-permissions"),
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (
            403,
            problem("...", NEW_PROBLEMS + "client-forbidden", "Client Forbidden"),
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (
            403,
            problem("...", PROBLEMS + "not-authorized-for-resource"),
            Outcome.PERMISSION,
            Cause.NOT_ALLOWED,
        ),
        (
            403,
            problem("...", PROBLEMS + "user-suspended"),
            Outcome.PERMISSION,
            Cause.ACCOUNT_SUSPENDED,
        ),
        (
            403,
            problem(
                "Your account is suspended and is not permitted to access this feature"
            ),
            Outcome.PERMISSION,
            Cause.ACCOUNT_SUSPENDED,
        ),
        (
            403,
            problem("To protect our users, please log in to unlock your account."),
            Outcome.PERMISSION,
            Cause.ACCOUNT_LOCKED,
        ),
        (403, problem("Forbidden"), Outcome.PERMISSION, Cause.SCOPE_MISSING),
        (
            403,
            problem("Something that nobody has seen yet"),
            Outcome.INVALID_CONTENT,
            Cause.UNKNOWN_REFUSAL,
        ),
        (
            404,
            problem("...", PROBLEMS + "resource-not-found"),
            Outcome.NOT_FOUND,
            Cause.NOT_THERE,
        ),
        (409, problem("Conflict"), Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (413, problem("Too large"), Outcome.INVALID_CONTENT, Cause.MEDIA_TOO_LARGE),
        (429, problem("Too Many"), Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
        (
            429,
            {"errors": [{"code": 88, "message": "Rate limit exceeded"}]},
            Outcome.RATE_LIMITED,
            Cause.TOO_MANY_REQUESTS,
        ),
        (500, problem("..."), Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (502, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (
            503,
            problem("Service Unavailable"),
            Outcome.AMBIGUOUS,
            Cause.PLATFORM_TROUBLE,
        ),
        (504, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
    ],
)
def test_each_answer_to_a_create_has_one_meaning(
    client: XClient,
    api: responses.RequestsMock,
    status: int,
    body: dict[str, Any],
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(POSTS, json=body, status=status, headers={"x-transaction-id": "t-1"})
    error = refused(client)
    assert (error.outcome, error.cause) == (outcome, cause)
    assert (error.status, error.request_id) == (status, "t-1")
    api.assert_call_count(POSTS, 1)


@pytest.mark.trap("x", 8)
def test_credits_concern_the_whole_app(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.post(POSTS, json=problem("credits depleted"), status=402)
    assert refused(client).reach is Reach.APP


def test_a_bot_protection_page_reached_nobody(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.post(POSTS, body="<html>Just a moment...</html>", status=403)
    assert refused(client).outcome is Outcome.TRANSIENT


@pytest.mark.parametrize("age_s", [0, 290])
def test_a_fresh_token_that_is_refused_was_revoked(
    client_for: Callable[..., XClient], api: responses.RequestsMock, age_s: int
) -> None:
    api.post(POSTS, json=UNAUTHORIZED, status=401)
    issued_at = datetime.now(UTC) - timedelta(seconds=age_s)
    assert refused(client_for(issued_at=issued_at)).outcome is Outcome.AUTH_REVOKED


def test_a_token_of_unknown_age_gets_the_benefit_of_a_refresh(
    client_for: Callable[..., XClient], api: responses.RequestsMock
) -> None:
    api.post(POSTS, json=UNAUTHORIZED, status=401)
    assert refused(client_for(issued_at=None)).outcome is Outcome.AUTH_EXPIRED


@pytest.mark.trap("x", 16)
@pytest.mark.parametrize(
    ("headers", "cause", "reach", "reset"),
    [
        (
            {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1795000900"},
            Cause.TOO_MANY_REQUESTS,
            Reach.TOKEN,
            1795000900,
        ),
        (
            {
                "x-rate-limit-remaining": "99",
                "x-rate-limit-reset": "1795000900",
                "x-user-limit-24hour-remaining": "0",
                "x-user-limit-24hour-reset": "1795050000",
            },
            Cause.DAILY_LIMIT,
            Reach.TOKEN,
            1795050000,
        ),
        (
            {
                "x-rate-limit-reset": "1795000900",
                "x-user-limit-24hour-remaining": "3",
                "x-user-limit-24hour-reset": "1795050000",
                "x-app-limit-24hour-remaining": "0",
                "x-app-limit-24hour-reset": "1795060000",
            },
            Cause.DAILY_LIMIT,
            Reach.APP,
            1795060000,
        ),
        ({}, Cause.TOO_MANY_REQUESTS, Reach.TOKEN, None),
        (
            {"x-rate-limit-reset": "soon"},
            Cause.TOO_MANY_REQUESTS,
            Reach.TOKEN,
            None,
        ),
    ],
)
def test_a_rate_limit_ends_when_the_bucket_that_is_empty_refills(
    client: XClient,
    api: responses.RequestsMock,
    headers: dict[str, str],
    cause: Cause,
    reach: Reach,
    reset: int | None,
) -> None:
    api.post(POSTS, json=problem("Too Many Requests"), status=429, headers=headers)
    error = refused(client)
    assert (error.cause, error.reach) == (cause, reach)
    expected = datetime.fromtimestamp(reset, UTC) if reset else None
    assert error.reset_at == expected


def test_retry_after_is_handed_up(client: XClient, api: responses.RequestsMock) -> None:
    api.post(POSTS, json={}, status=429, headers={"retry-after": "600"})
    assert refused(client).retry_after == 600


@pytest.mark.parametrize(("period", "is_told"), [("Monthly", False), ("Daily", True)])
def test_a_plans_cap_does_not_end_in_a_quarter_of_an_hour(
    client: XClient, api: responses.RequestsMock, period: str, is_told: bool
) -> None:
    body = {
        **problem("Usage cap exceeded", PROBLEMS + "usage-capped", "UsageCapExceeded"),
        "period": period,
        "scope": "Product",
    }
    api.post(POSTS, json=body, status=429, headers={"x-rate-limit-reset": "1795000900"})
    error = refused(client)
    assert (error.cause, error.reach) == (Cause.PLAN_LIMIT, Reach.APP)
    assert (error.reset_at is not None) is is_told


@pytest.mark.parametrize("lost", [requests.ReadTimeout(), requests.ConnectionError()])
def test_a_lost_answer_to_a_create_is_ambiguous(
    client: XClient, api: responses.RequestsMock, lost: Exception
) -> None:
    api.post(POSTS, body=lost)
    assert refused(client).outcome is Outcome.AMBIGUOUS
    api.assert_call_count(POSTS, 1)


def test_a_success_that_cannot_be_read_is_ambiguous(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.post(POSTS, body="<html>", status=201)
    error = refused(client)
    assert (error.outcome, error.cause) == (
        Outcome.AMBIGUOUS,
        Cause.ANSWER_UNREADABLE,
    )


def test_trouble_with_an_upload_is_only_transient(
    client: XClient, api: responses.RequestsMock, image: Callable[..., MediaFile]
) -> None:
    api.post(API + "/2/media/upload", body="<html>", status=503)
    with pytest.raises(PlatformError) as caught:
        client.upload_image(image())
    assert caught.value.outcome is Outcome.TRANSIENT


# ------------------------------------------------------------------ reading


@pytest.mark.trap("x", 12)
def test_a_missing_account_in_a_200_is_not_an_empty_timeline(
    client: XClient, api: responses.RequestsMock
) -> None:
    body = {
        "errors": [
            {
                "detail": "Could not find user with id: [1].",
                "type": PROBLEMS + "resource-not-found",
            }
        ]
    }
    api.get(TIMELINE, json=body)
    with pytest.raises(PlatformError) as caught:
        client.posts_since("1234500001", datetime(2026, 11, 20, tzinfo=UTC))
    assert caught.value.outcome is Outcome.NOT_FOUND


def test_an_unreadable_timeline_is_not_an_empty_one(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.get(TIMELINE, body="<html>")
    with pytest.raises(PlatformError) as caught:
        client.posts_since("1234500001", datetime(2026, 11, 20, tzinfo=UTC))
    assert caught.value.outcome is Outcome.TRANSIENT


def test_both_vocabularies_are_spoken(
    client: XClient, api: responses.RequestsMock
) -> None:
    unknown = {
        "errors": [
            {
                "parameters": {"tweet.fields": ["created_at"]},
                "message": "The query parameter 'tweet.fields' is not valid for this "
                "endpoint",
            }
        ],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": PROBLEMS + "invalid-request",
    }
    api.get(TIMELINE, json=unknown, status=400)
    api.get(TIMELINE, json={"meta": {"result_count": 0}})
    api.get(TIMELINE, json={"meta": {"result_count": 0}})
    since = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert client.posts_since("1234500001", since) == ([], "")
    assert client.posts_since("1234500001", since) == ([], "")
    first, second, third = (call.request.params for call in api.calls)
    assert first["start_time"] == "2026-11-20T10:00:00Z"
    assert "referenced_tweets" in first["tweet.fields"]
    assert "referenced_posts" in second["post.fields"]
    assert "tweet.fields" not in third


def test_deleting_twice_is_deleting(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.delete(POSTS + "/20", json={"data": {"deleted": True}})
    api.delete(
        POSTS + "/20", json=problem("", PROBLEMS + "resource-not-found"), status=404
    )
    client.delete_post("20")
    client.delete_post("20")
    api.assert_call_count(POSTS + "/20", 2)


def test_an_id_tells_when_its_post_was_made() -> None:
    made_at = created_at("2080761390344937796")
    assert made_at is not None
    assert made_at.year == 2026
    assert created_at("20") is None


# ------------------------------------------------------------------ secrets and data


def test_no_secret_is_shown_or_logged(
    client: XClient, api: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    detail = "bad token=test-access-token and Bearer test-access-token"
    api.post(POSTS, json=problem(detail), status=400)
    error = refused(client)
    shown = caplog.text + repr(client.access) + repr(error) + str(error) + error.detail
    for secret in ("test-access-token", "test-refresh-token", "test-client-secret"):
        assert secret not in shown


def test_every_call_draws_on_buckets_and_asks_for_scopes_that_exist() -> None:
    buckets = {bucket.key for bucket in SPEC.buckets}
    scopes = {scope.name for scope in SPEC.scopes}
    assert len(buckets) == len(SPEC.buckets)
    assert len({call.key for call in SPEC.calls}) == len(SPEC.calls)
    for call in SPEC.calls:
        assert set(call.draws) <= buckets
        assert set(call.scopes) <= scopes


def test_only_the_create_call_changes_what_the_audience_sees_twice() -> None:
    assert [call.key for call in SPEC.calls if call.mutates] == ["POST /2/tweets"]


# ------------------------------------------------------------------ events

HOOKS = API + "/2/webhooks"
SUBSCRIPTIONS = API + "/2/activity/subscriptions"
OURS = "https://social.example/hooks/live/x/"


def subscribed(kind: str, **changes: Any) -> dict[str, Any]:
    row = {
        "event_type": kind,
        "filter": {"user_id": "1234500001"},
        "webhook_id": "77",
    }
    return {**row, **changes}


def ask(client: XClient) -> datetime | None:
    return client.ask_for_events("1234500001", OURS, "", app_token="app-only")


def test_an_address_is_registered_and_events_are_asked_for_by_whom_x_wants(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.get(HOOKS, json={"meta": {"result_count": 0}})
    api.post(HOOKS, json={"data": {"id": "77", "url": OURS, "valid": True}})
    api.get(SUBSCRIPTIONS, json={"meta": {}})
    api.post(SUBSCRIPTIONS, json={"data": [subscribed("post.delete")]})
    until = ask(client)
    assert until is not None
    assert until > datetime.now(UTC) + timedelta(days=1)
    sent = [call.request for call in api.calls]
    asked = [json.loads(request.body or "{}") for request in sent]
    assert asked[1] == {"url": OURS}
    assert asked[3:] == [subscribed("post.delete"), subscribed("post.reply.create")]
    tokens = [request.headers["Authorization"] for request in sent]
    assert tokens == ["Bearer app-only"] * 4 + [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({}, 0),
        ({"webhook_id": "78"}, 2),
        ({"filter": {"user_id": "1"}}, 2),
        ({"event_type": "post.create"}, 2),
    ],
)
def test_what_comes_already_is_not_asked_for_again(
    client: XClient, api: responses.RequestsMock, changes: dict[str, Any], asks: int
) -> None:
    kinds = ("post.delete", "post.reply.create")
    rows = [subscribed(kind) | changes for kind in kinds]
    api.get(HOOKS, json={"data": [{"id": "77", "url": OURS, "valid": True}]})
    api.get(SUBSCRIPTIONS, json={"data": rows})
    if asks:
        api.post(SUBSCRIPTIONS, json={"data": {}})
    ask(client)
    assert len(api.calls) == 2 + asks


def test_an_address_that_x_has_given_up_is_proven_again(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.get(HOOKS, json={"data": [{"id": "77", "url": OURS, "valid": False}]})
    api.put(f"{HOOKS}/77", json=problem("CrcValidationFailed"), status=400)
    with pytest.raises(PlatformError) as caught:
        ask(client)
    assert "CrcValidationFailed" in caught.value.detail


def test_events_of_an_account_end_without_its_own_token(
    client_for: Callable[..., XClient], api: responses.RequestsMock
) -> None:
    rows = [
        subscribed("post.delete", subscription_id="1"),
        subscribed("post.reply.create", subscription_id="2"),
        subscribed("post.delete", subscription_id="3", filter={"user_id": "9"}),
    ]
    gone = problem("...", PROBLEMS + "resource-not-found")
    api.get(HOOKS, json={"data": [{"id": "77", "url": OURS, "valid": True}]})
    api.get(SUBSCRIPTIONS, json={"data": rows})
    api.delete(f"{SUBSCRIPTIONS}/1", json=gone, status=404)
    api.delete(f"{SUBSCRIPTIONS}/2", json={"data": {"deleted": True}})
    client = client_for(token="")
    client.stop_events("1234500001", OURS, app_token="app-only")
    sent = {call.request.headers["Authorization"] for call in api.calls}
    assert sent == {"Bearer app-only"}
    assert len(api.calls) == 4


def test_where_no_address_of_ours_is_nothing_has_to_end(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.get(HOOKS, json={"meta": {"result_count": 0}})
    client.stop_events("1234500001", OURS, app_token="app-only")
    assert len(api.calls) == 1
