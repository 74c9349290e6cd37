import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses

from platforms.base import Ability, Environment, MediaFile
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.linkedin.client import LinkedInClient
from platforms.linkedin.publish import LinkedIn
from platforms.linkedin.spec import (
    FULL_SCOPES,
    NEEDED,
    SELF_SERVE_SCOPES,
    SPEC,
)

PERSON = "urn:li:person:a1B2c3D4e5"
PAGE = "urn:li:organization:1234567"
SHARE = "urn:li:share:7295588489876647936"
API = "https://api.linkedin.com"
WWW = "https://www.linkedin.com"
POSTS = API + "/rest/posts"
TOKEN_URL = WWW + "/oauth/v2/accessToken"
INTROSPECT = WWW + "/oauth/v2/introspectToken"
USERINFO = {"sub": "a1B2c3D4e5", "name": "Ana Lopez", "picture": "https://m.example/x"}
ME = {
    "id": "a1B2c3D4e5",
    "localizedFirstName": "Ana",
    "localizedLastName": "Lopez",
    "vanityName": "analopez",
}


def refused(client: LinkedInClient) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        client.create({"commentary": "Hello"})
    return caught.value


# ------------------------------------------------------------------ connecting


def test_the_code_is_traded_with_the_secret_in_the_form_and_no_proof_key(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    scope = "email,openid,profile,w_member_social"
    api.post(
        TOKEN_URL, json={"access_token": "a", "expires_in": 5184000, "scope": scope}
    )
    tokens = client.exchange_code("the-code", "https://app.example/cb", None)
    assert parse_qs(str(api.calls[0].request.body)) == {
        "grant_type": ["authorization_code"],
        "code": ["the-code"],
        "redirect_uri": ["https://app.example/cb"],
        "client_id": ["cid"],
        "client_secret": ["test-client-secret"],
    }
    assert tokens.scopes == ("email", "openid", "profile", "w_member_social")
    assert tokens.refresh_token == ""
    assert tokens.refresh_expires_at is None
    assert tokens.issued_at is not None
    assert tokens.expires_at == tokens.issued_at + timedelta(days=60)
    assert SPEC.oauth is not None
    assert not SPEC.oauth.pkce
    assert client.authorize_url() == WWW + "/oauth/v2/authorization"


@pytest.mark.trap("linkedin", 7)
def test_a_refresh_keeps_the_refresh_token_whose_life_shrinks(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(
        TOKEN_URL,
        json={
            "access_token": "b",
            "expires_in": 100,
            "refresh_token": "test-refresh-token",
            "refresh_token_expires_in": 200,
            "scope": "r_basicprofile w_organization_social",
        },
    )
    tokens = client.refresh()
    assert tokens.refresh_token == "test-refresh-token"
    assert tokens.issued_at is not None
    assert tokens.refresh_expires_at == tokens.issued_at + timedelta(seconds=200)
    assert tokens.scopes == ("r_basicprofile", "w_organization_social")


@pytest.mark.trap("linkedin", 6)
def test_an_app_without_refresh_tokens_asks_for_a_reconnect(
    client_for: Callable[..., LinkedInClient], api: responses.RequestsMock
) -> None:
    with pytest.raises(PlatformError) as caught:
        client_for(refresh_token="").refresh()
    assert (caught.value.outcome, caught.value.cause) == (
        Outcome.AUTH_REVOKED,
        Cause.TOKEN_EXPIRED,
    )


@pytest.mark.parametrize(
    ("status", "error", "text", "outcome", "cause"),
    [
        (
            400,
            "invalid_request",
            "The provided authorization grant or refresh token is invalid, expired or "
            "revoked.",
            Outcome.AUTH_REVOKED,
            Cause.REFRESH_REFUSED,
        ),
        (
            400,
            "invalid_request",
            'A required parameter "client_secret" is missing',
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (
            401,
            "invalid_client",
            "Client authentication failed",
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (429, "", "", Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
        (503, "", "", Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
    ],
)
def test_a_refused_refresh_tells_the_account_from_the_app(
    client: LinkedInClient,
    api: responses.RequestsMock,
    status: int,
    error: str,
    text: str,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(TOKEN_URL, json={"error": error, "error_description": text}, status=status)
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
    if outcome is Outcome.PERMISSION:
        assert caught.value.reach is Reach.APP


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (
            401,
            "invalid_request",
            "Unable to retrieve access token: authorization code not found",
        ),
        (
            400,
            "invalid_redirect_uri",
            "Unable to retrieve access token: appid/redirect uri/code verifier does "
            "not match authorization code. Or authorization code expired.",
        ),
    ],
)
def test_a_used_or_late_code_is_named_as_such(
    client: LinkedInClient,
    api: responses.RequestsMock,
    status: int,
    error: str,
    text: str,
) -> None:
    api.post(TOKEN_URL, json={"error": error, "error_description": text}, status=status)
    with pytest.raises(PlatformError) as caught:
        client.exchange_code("c", "https://app.example/cb", None)
    assert caught.value.cause is Cause.CODE_REFUSED


def test_a_lost_refresh_may_be_repeated_because_nothing_rotates(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(TOKEN_URL, body=requests.ReadTimeout())
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    assert caught.value.outcome is Outcome.TRANSIENT


def test_revoking_sends_the_token_and_may_run_twice(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(WWW + "/oauth/v2/revoke", body="")
    api.post(WWW + "/oauth/v2/revoke", json={"error": "invalid_grant"}, status=400)
    client.revoke()
    client.revoke()
    assert "token=test-access-token" in str(api.calls[0].request.body)


@pytest.mark.trap("linkedin", 8)
@pytest.mark.trap("linkedin", 20)
def test_one_superset_is_asked_whoever_connects() -> None:
    linkedin = LinkedIn()
    assert linkedin.scopes_to_ask() == SELF_SERVE_SCOPES
    # A Community Management app has no OpenID product: asking for it refuses all.
    assert sorted(linkedin.scopes_to_ask(FULL_SCOPES)) == sorted(FULL_SCOPES)
    both = {*SELF_SERVE_SCOPES, "w_organization_social"}
    assert set(linkedin.scopes_to_ask(both)) == both
    assert linkedin.scopes_to_ask(["w_member_social", "r_unknown"]) == (
        "w_member_social",
    )
    assert SPEC.oauth is not None
    assert "unauthorized_scope_error" in SPEC.oauth.scope_errors


# ------------------------------------------------------------------ identity


def test_a_self_serve_member_is_known_by_userinfo(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.get(API + "/v2/userinfo", json={**USERINFO, "locale": "es_ES"})
    (identity,) = client.identities()
    assert (identity.external_id, identity.kind) == (PERSON, "member")
    assert identity.name == "Ana Lopez"
    assert "Linkedin-Version" not in api.calls[0].request.headers


def element(number: str, role: str, state: str = "APPROVED", **more: Any) -> dict:
    return {"role": role, "state": state, **(more or {"organization": page(number)})}


def page(number: str) -> str:
    return f"urn:li:organization:{number}"


@pytest.mark.trap("linkedin", 16)
@pytest.mark.trap("linkedin", 17)
def test_the_member_comes_first_then_the_pages_that_may_be_posted_for(
    page_client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.get(API + "/v2/me", json=ME)
    acls = API + "/rest/organizationAcls"
    first = [element(str(n), "ANALYST") for n in range(98)]
    first += [
        element("1", "ADMINISTRATOR"),
        element("2", "CONTENT_ADMIN", organizationTarget=page("2")),
    ]
    second = [
        element("3", "DIRECT_SPONSORED_CONTENT_POSTER"),
        element("4", "ADMINISTRATOR", "REVOKED"),
        element("1", "CONTENT_ADMINISTRATOR"),
        element("5", "CONTENT_ADMINISTRATOR"),
    ]
    api.get(acls, json={"elements": first})
    api.get(acls, json={"elements": second})
    results = {"1": {"localizedName": "Acme Tools", "vanityName": "acmetools"}}
    api.get(API + "/rest/organizationsLookup", json={"results": results})
    identities = page_client.identities()
    assert [identity.external_id for identity in identities] == [
        PERSON,
        page("1"),
        page("2"),
        page("3"),
        page("5"),
    ]
    assert [identity.kind for identity in identities[1:]] == ["organization"] * 4
    assert identities[0].url == WWW + "/in/analopez/"
    assert identities[1].name == "Acme Tools"
    assert identities[1].url == WWW + "/company/acmetools/"
    assert identities[1].extra["role"] == "ADMINISTRATOR"
    urls = [str(call.request.url) for call in api.calls]
    assert urls[1].endswith("?q=roleAssignee&state=APPROVED&start=0&count=100")
    assert urls[2].endswith("&start=100&count=100")
    assert urls[3].endswith("/rest/organizationsLookup?ids=List(1,2,3,5)")
    headers = api.calls[1].request.headers
    assert headers["Linkedin-Version"] == "202609"
    assert headers["X-Restli-Protocol-Version"] == "2.0.0"


def test_the_version_of_the_environment_wins(
    environment: Environment, api: responses.RequestsMock
) -> None:
    client = LinkedInClient(replace(environment, api_version="202610"))
    api.get(POSTS, json={"elements": []})
    client.posts_by(PAGE, 0, 20)
    assert api.calls[0].request.headers["Linkedin-Version"] == "202610"


# ------------------------------------------------------------------ health


def introspection(**changes: Any) -> dict[str, Any]:
    facts = {
        "active": True,
        "status": "active",
        "expires_at": 1798184000,
        "scope": "openid,profile,w_member_social",
    }
    return {**facts, **changes}


def test_proof_tells_scopes_and_end_from_introspection(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(INTROSPECT, json=introspection())
    api.get(API + "/v2/userinfo", json=USERINFO)
    proof = client.prove()
    assert proof.identity is not None
    assert proof.identity.external_id == PERSON
    assert proof.scopes == ("openid", "profile", "w_member_social")
    assert proof.expires_at == datetime.fromtimestamp(1798184000, UTC)
    assert proof.abilities[Ability.PUBLISH].ok is True
    # Reading is closed to all apps: that is no failure of this account.
    assert proof.abilities[Ability.READ].ok is None
    assert proof.abilities[Ability.FIGURES].cause is Cause.SCOPE_MISSING


def test_a_lost_posting_scope_is_seen_although_the_token_lives(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(INTROSPECT, json=introspection(scope="openid profile"))
    api.get(API + "/v2/userinfo", json=USERINFO)
    verdict = client.prove().abilities[Ability.PUBLISH]
    assert (verdict.ok, verdict.cause) == (False, Cause.SCOPE_MISSING)


@pytest.mark.parametrize(
    ("answer", "age", "outcome", "cause"),
    [
        (
            {"active": False, "status": "expired"},
            timedelta(days=60),
            Outcome.AUTH_EXPIRED,
            Cause.TOKEN_EXPIRED,
        ),
        (
            {"active": False, "status": "revoked"},
            timedelta(days=1),
            Outcome.AUTH_REVOKED,
            Cause.TOKEN_REVOKED,
        ),
        (
            {"active": False},
            timedelta(days=1),
            Outcome.AUTH_REVOKED,
            Cause.TOKEN_INVALID,
        ),
        ({"active": False}, timedelta(), Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
    ],
)
def test_introspection_tells_expired_from_revoked(
    client_for: Callable[..., LinkedInClient],
    api: responses.RequestsMock,
    answer: dict[str, Any],
    age: timedelta,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(INTROSPECT, json=answer)
    with pytest.raises(PlatformError) as caught:
        client_for(issued_at=datetime.now(UTC) - age).prove()
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)


FULL = " ".join(FULL_SCOPES)
AUTHORIZATION = (
    API
    + "/rest/organizationAuthorizations/(impersonator:urn%3Ali%3Aperson%3Aa1B2c3D4e5,"
    "organization:urn%3Ali%3Aorganization%3A1234567,"
    "action:(organizationContentAuthorizationAction:(actionType:ORGANIC_SHARE_CREATE)))"
)


def test_a_profile_that_may_no_longer_be_read_keeps_no_post_back(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(INTROSPECT, json=introspection())
    refusal = denied("Not enough permissions to access: userinfo.GET.NO_VERSION")
    api.get(API + "/v2/userinfo", json=refusal, status=403)
    proof = client.prove()
    assert proof.abilities[Ability.PUBLISH].ok is True
    assert proof.identity is None


def test_an_odd_401_after_a_living_introspection_proves_nothing(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(INTROSPECT, json=introspection())
    api.get(API + "/v2/userinfo", json={"message": "who are you?"}, status=401)
    with pytest.raises(PlatformError) as caught:
        client.prove()
    assert caught.value.outcome is Outcome.TRANSIENT


@pytest.mark.parametrize(
    ("status", "ok"),
    [
        ({"approved": {}}, True),
        ({"com.linkedin.organization.Approved": {}}, True),
        ({"denied": {}}, False),
        ({"com.linkedin.organization.Denied": {}}, False),
        ({"surprise": {}}, None),
    ],
)
@pytest.mark.parametrize("is_nested", [True, False])
def test_a_page_is_proven_by_its_authorization(
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    status: dict[str, Any],
    ok: bool | None,
    is_nested: bool,
) -> None:
    api.post(INTROSPECT, json=introspection(scope=FULL))
    api.get(API + "/v2/me", json=ME)
    row = {"impersonator": PERSON, "organization": PAGE, "status": status}
    api.get(
        AUTHORIZATION, json={"elements": [{"elements": [row]}]} if is_nested else row
    )
    proof = page_client.prove()
    assert proof.abilities[Ability.PUBLISH].ok is ok
    assert proof.abilities[Ability.READ].ok is True
    assert proof.abilities[Ability.FIGURES].ok is True
    assert proof.identity is None
    assert str(api.calls[2].request.url) == AUTHORIZATION
    if ok is False:
        assert proof.abilities[Ability.PUBLISH].cause is Cause.ROLE_LOST


@pytest.mark.trap("linkedin", 1)
def test_proving_a_page_finds_a_version_that_ended(
    page_client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(INTROSPECT, json=introspection(scope=FULL))
    api.get(API + "/v2/me", json=ME)
    body = {
        "status": 426,
        "code": "NONEXISTENT_VERSION",
        "message": "Requested version 20260901 is not active",
    }
    api.get(AUTHORIZATION, json=body, status=426)
    with pytest.raises(PlatformError) as caught:
        page_client.prove()
    assert caught.value.cause is Cause.VERSION_ENDED


# ------------------------------------------------------------------ errors


def denied(message: str) -> dict[str, Any]:
    return {
        "status": 403,
        "serviceErrorCode": 100,
        "code": "ACCESS_DENIED",
        "message": message,
    }


def inner(code: str, description: str = "", message: str = "") -> dict[str, Any]:
    return {
        "errorDetailType": "com.linkedin.common.error.BadRequest",
        "message": message or description,
        "errorDetails": {"inputErrors": [{"description": description, "code": code}]},
    }


def token_error(number: int, code: str) -> dict[str, Any]:
    return {"status": 401, "serviceErrorCode": number, "code": code, "message": code}


ROLE = (
    "Unpermitted fields present in REQUEST_BODY: Data Processing Exception while "
    "processing fields [/author]"
)
INVALID, TRANSIENT = Outcome.INVALID_CONTENT, Outcome.TRANSIENT


@pytest.mark.trap("linkedin", 1)
@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (
            400,
            {"status": 400, "code": "VERSION_MISSING", "message": "A version must be"},
            Outcome.PLATFORM_DOWN,
            Cause.VERSION_ENDED,
        ),
        (
            426,
            {"status": 426, "code": "NONEXISTENT_VERSION", "message": "not active"},
            Outcome.PLATFORM_DOWN,
            Cause.VERSION_ENDED,
        ),
        (400, inner("MISSING_FIELD"), INVALID, Cause.TEXT_REFUSED),
        (400, {"code": "INVALID_VALUE_FOR_FIELD"}, INVALID, Cause.TEXT_REFUSED),
        (400, inner("FIELD_LENGTH_TOO_LONG"), INVALID, Cause.TEXT_TOO_LONG),
        (400, inner("INVALID_URN_TYPE"), INVALID, Cause.TEXT_REFUSED),
        (400, inner("INVALID_URN_ID"), INVALID, Cause.TEXT_REFUSED),
        (400, inner("INVALID_URL"), INVALID, Cause.LINK_REFUSED),
        (400, inner("INVALID_IMAGE_ID"), INVALID, Cause.MEDIA_EXPIRED),
        (400, inner("INVALID_VIDEO_ID"), INVALID, Cause.MEDIA_EXPIRED),
        (
            400,
            inner("MEDIA_ASSET_WAITING_UPLOAD", "Media asset is waiting upload"),
            TRANSIENT,
            Cause.MEDIA_NOT_READY,
        ),
        (400, inner("MEDIA_ASSET_PROCESSING_FAILED"), INVALID, Cause.MEDIA_REFUSED),
        (400, {"code": "EXPIRED_UPLOAD_URL"}, TRANSIENT, Cause.MEDIA_EXPIRED),
        (400, {"code": "UPDATING_ASSET_FAILED"}, TRANSIENT, Cause.MEDIA_EXPIRED),
        (
            401,
            token_error(65600, "INVALID_ACCESS_TOKEN"),
            Outcome.AUTH_REVOKED,
            Cause.TOKEN_INVALID,
        ),
        pytest.param(
            401,
            token_error(65601, "REVOKED_ACCESS_TOKEN"),
            Outcome.AUTH_REVOKED,
            Cause.TOKEN_REVOKED,
            marks=pytest.mark.trap("linkedin", 8),
        ),
        (
            401,
            token_error(65602, "EXPIRED_ACCESS_TOKEN"),
            Outcome.AUTH_EXPIRED,
            Cause.TOKEN_EXPIRED,
        ),
        (
            401,
            token_error(65604, "EMPTY_ACCESS_TOKEN"),
            Outcome.AUTH_REVOKED,
            Cause.TOKEN_INVALID,
        ),
        (401, {"status": 401}, Outcome.AUTH_EXPIRED, Cause.TOKEN_INVALID),
        (401, {}, TRANSIENT, Cause.PLATFORM_TROUBLE),
        (
            403,
            denied("Not enough permissions to access: partnerApiPostsExternal.CREATE"),
            Outcome.PERMISSION,
            Cause.SCOPE_MISSING,
        ),
        (403, denied(ROLE), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (
            403,
            denied("This application has been suspended"),
            Outcome.PERMISSION,
            Cause.APP_SUSPENDED,
        ),
        (
            403,
            denied("Accessing this image resource is forbidden..."),
            Outcome.PERMISSION,
            Cause.MEDIA_REFUSED,
        ),
        (
            403,
            denied(
                "Unpermitted fields present in PARAMETER: Data Processing Exception "
                "while processing fields [/shares[0]]"
            ),
            INVALID,
            Cause.UNKNOWN_REFUSAL,
        ),
        (404, {"code": "NOT_FOUND"}, Outcome.NOT_FOUND, Cause.NOT_THERE),
        (415, {"code": "UNSUPPORTED_MEDIA_TYPE"}, INVALID, Cause.UNKNOWN_REFUSAL),
        (409, {"code": "CONFLICT"}, TRANSIENT, Cause.PLATFORM_TROUBLE),
        (413, {"code": "REQUEST_ENTITY_TOO_LARGE"}, INVALID, Cause.MEDIA_TOO_LARGE),
        (
            422,
            inner("DUPLICATE_POST", "Duplicate post is detected"),
            Outcome.DUPLICATE,
            Cause.DUPLICATE_TEXT,
        ),
        (
            422,
            {"message": "The video media is still processing"},
            TRANSIENT,
            Cause.MEDIA_NOT_READY,
        ),
        (
            422,
            {"message": "ERROR :: /visibility :: field is required but not found"},
            INVALID,
            Cause.UNKNOWN_REFUSAL,
        ),
        (
            400,
            {"message": "Unable to obtain activity"},
            TRANSIENT,
            Cause.PLATFORM_TROUBLE,
        ),
        (
            500,
            {"message": "Unable to obtain activity"},
            TRANSIENT,
            Cause.PLATFORM_TROUBLE,
        ),
        (
            500,
            {"code": "INTERNAL_SERVER_ERROR"},
            Outcome.AMBIGUOUS,
            Cause.PLATFORM_TROUBLE,
        ),
        (502, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (503, {"code": "SERVICE_UNAVAILABLE"}, TRANSIENT, Cause.PLATFORM_TROUBLE),
        (503, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (
            503,
            {"code": "UNDER_MAINTENANCE"},
            Outcome.PLATFORM_DOWN,
            Cause.PLATFORM_TROUBLE,
        ),
        (504, {"code": "GATEWAY_TIMEOUT"}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
    ],
)
def test_each_answer_to_a_create_has_one_meaning(
    client: LinkedInClient,
    api: responses.RequestsMock,
    status: int,
    body: dict[str, Any],
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(POSTS, json=body, status=status, headers={"x-li-uuid": "u-1"})
    error = refused(client)
    assert (error.outcome, error.cause) == (outcome, cause)
    assert (error.status, error.request_id) == (status, "u-1")
    if cause is Cause.VERSION_ENDED:
        assert error.reach is Reach.APP
    api.assert_call_count(POSTS, 1)


@pytest.mark.trap("linkedin", 9)
@pytest.mark.parametrize("field", ["/author", "/initializeUploadRequest/owner"])
def test_a_lost_page_role_is_not_a_dead_token(
    page_client: LinkedInClient, api: responses.RequestsMock, field: str
) -> None:
    api.post(POSTS, json=denied(ROLE.replace("/author", field)), status=403)
    error = refused(page_client)
    assert (error.outcome, error.cause) == (Outcome.PERMISSION, Cause.ROLE_LOST)


def test_a_token_just_issued_may_read_as_revoked_for_seconds(
    client_for: Callable[..., LinkedInClient], api: responses.RequestsMock
) -> None:
    api.post(POSTS, json=token_error(65601, "REVOKED_ACCESS_TOKEN"), status=401)
    error = refused(client_for(issued_at=datetime.now(UTC)))
    assert (error.outcome, error.retry_after) == (Outcome.TRANSIENT, 5)


@pytest.mark.trap("linkedin", 15)
@pytest.mark.parametrize("kind", ["share", "ugcPost", "activity"])
def test_a_duplicate_refusal_names_the_live_post(
    client: LinkedInClient, api: responses.RequestsMock, kind: str
) -> None:
    urn = f"urn:li:{kind}:7295588489876647936"
    message = (
        "com.linkedin.content.common.exception.BadRequestResponseException: "
        f"Content is a duplicate of {urn}"
    )
    body = inner("DUPLICATE_POST", "Duplicate post is detected", message)
    api.post(POSTS, json=body, status=422)
    assert refused(client).extra == {
        "external_id": urn,
        "permalink": f"{WWW}/feed/update/{urn}/",
    }


@pytest.mark.parametrize(
    ("message", "reach", "cause"),
    [
        ("throttle MEMBER DAY limit for calls", Reach.TOKEN, Cause.DAILY_LIMIT),
        ("throttle APPLICATION DAY limit for calls", Reach.APP, Cause.DAILY_LIMIT),
        ("throttle limit for calls", Reach.TOKEN, Cause.TOO_MANY_REQUESTS),
        (
            "Comment create throttled: creation rate limit exceeded for member",
            Reach.TOKEN,
            Cause.TOO_MANY_REQUESTS,
        ),
    ],
)
def test_a_daily_limit_ends_at_midnight_utc_and_a_short_one_in_a_minute(
    client: LinkedInClient,
    api: responses.RequestsMock,
    message: str,
    reach: Reach,
    cause: Cause,
) -> None:
    api.post(POSTS, json={"status": 429, "message": message}, status=429)
    error = refused(client)
    assert (error.reach, error.cause) == (reach, cause)
    if cause is Cause.DAILY_LIMIT:
        assert error.reset_at is not None
        assert error.reset_at.strftime("%H:%M")[:4] == "00:0"
        assert error.reset_at > datetime.now(UTC)
    else:
        assert (error.reset_at, error.retry_after) == (None, 60)


@pytest.mark.trap("linkedin", 11)
def test_accounts_do_not_all_come_at_the_first_second_of_the_day(
    client_for: Callable[..., LinkedInClient], api: responses.RequestsMock
) -> None:
    body = {"status": 429, "message": "throttle APPLICATION DAY limit for calls"}
    api.post(POSTS, json=body, status=429)
    people = [client_for(external_id=f"urn:li:person:{n}") for n in range(20)]
    ends = [refused(one).reset_at for one in people]
    assert len({end for end in ends if end}) > 10
    assert refused(people[0]).reset_at == ends[0]


def test_a_retry_after_is_obeyed_where_it_comes(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    message = "Resource level throttle MEMBER DAY limit for calls is reached."
    body = {"status": 429, "message": message}
    api.post(POSTS, json=body, status=429, headers={"retry-after": "90"})
    error = refused(client)
    assert (error.retry_after, error.reset_at) == (90, None)


@pytest.mark.parametrize("lost", [requests.ReadTimeout(), requests.ConnectionError()])
def test_a_lost_answer_to_a_create_is_ambiguous(
    client: LinkedInClient, api: responses.RequestsMock, lost: Exception
) -> None:
    api.post(POSTS, body=lost)
    assert refused(client).outcome is Outcome.AMBIGUOUS
    api.assert_call_count(POSTS, 1)


@pytest.mark.trap("linkedin", 5)
def test_a_success_without_the_posts_name_is_ambiguous(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(POSTS, status=201)
    assert refused(client).outcome is Outcome.AMBIGUOUS


def test_a_proxys_page_is_no_loss_of_permission(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.post(POSTS, body="<html>", status=403)
    assert refused(client).outcome is Outcome.TRANSIENT


# ------------------------------------------------------------------ posts and media


@pytest.mark.trap("linkedin", 17)
def test_urns_are_encoded_and_structure_is_not(
    page_client: LinkedInClient, api: responses.RequestsMock
) -> None:
    encoded = "urn%3Ali%3Ashare%3A7295588489876647936"
    api.get(f"{POSTS}/{encoded}", json={"id": SHARE})
    api.get(POSTS, json={"elements": []})
    api.delete(f"{POSTS}/{encoded}", status=204)
    api.delete(f"{POSTS}/{encoded}", json={"code": "NOT_FOUND"}, status=404)
    page_client.post(SHARE)
    page_client.posts_by(PAGE, 20, 20)
    page_client.delete_post(SHARE)
    page_client.delete_post(SHARE)
    urls = [str(call.request.url) for call in api.calls]
    assert urls[0] == f"{POSTS}/{encoded}?viewContext=AUTHOR"
    assert urls[1] == (
        f"{POSTS}?author=urn%3Ali%3Aorganization%3A1234567&q=author"
        "&start=20&count=20&sortBy=CREATED"
    )
    assert api.calls[1].request.headers["X-RestLi-Method"] == "FINDER"
    assert api.calls[2].request.headers["X-RestLi-Method"] == "DELETE"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/upload",
        "https://linkedin.com.evil.example/upload",
        "https://evillinkedin.com/upload",
        "http://www.linkedin.com/upload",
        "https://www.linkedin.com@evil.example/upload",
        "file:///etc/passwd",
        "",
    ],
)
def test_the_token_is_never_sent_to_a_foreign_upload_address(
    client: LinkedInClient,
    api: responses.RequestsMock,
    image: Callable[..., MediaFile],
    url: str,
) -> None:
    with pytest.raises(PlatformError) as caught:
        client.put_file(url, image())
    assert caught.value.cause is Cause.ADDRESS_REFUSED
    assert len(api.calls) == 0


def test_an_upload_address_of_the_environment_is_trusted(
    api: responses.RequestsMock, image: Callable[..., MediaFile]
) -> None:
    hosts = {
        "api": "http://127.0.0.1:9100/linkedin/api",
        "www": "http://127.0.0.1:9100/linkedin/www",
    }
    client = LinkedInClient(Environment(hosts, allow_private=True))
    api.put("http://127.0.0.1:9100/linkedin/www/dms-uploads/1", status=201)
    client.put_file("http://127.0.0.1:9100/linkedin/www/dms-uploads/1", image())
    with pytest.raises(PlatformError):
        client.put_file("http://127.0.0.1:9200/linkedin/www/dms-uploads/1", image())


# ------------------------------------------------------------------ events

HOOK = "https://social.example/hooks/live/linkedin/"
SUBSCRIPTION = (
    API
    + "/rest/eventSubscriptions/"
    + "(developerApplication:urn%3Ali%3AdeveloperApplication%3A200117777,"
    + "user:urn%3Ali%3Aperson%3Aa1B2c3D4e5,"
    + "entity:urn%3Ali%3Aorganization%3A1234567,"
    + "eventType:ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS)"
)


def granted(days: float, webhook: str = HOOK) -> dict[str, Any]:
    ends_at = datetime.now(UTC) + timedelta(days=days)
    return {"expiresAt": int(ends_at.timestamp() * 1000), "webhook": webhook}


@pytest.mark.parametrize(
    "before",
    [None, granted(1), granted(60, "https://another.example/"), {"webhook": HOOK}],
    ids=["nothing", "ends soon", "another address", "without an end"],
)
def test_events_of_a_page_are_asked_for_where_they_do_not_come(
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    before: dict[str, Any] | None,
) -> None:
    api.get(API + "/v2/me", json=ME)
    api.get(SUBSCRIPTION, json=before or {}, status=200 if before else 404)
    api.put(SUBSCRIPTION, status=204)
    api.get(SUBSCRIPTION, json=granted(80))
    until = page_client.ask_for_events(PAGE, HOOK, "", app_number="200117777")
    assert until is not None
    assert until > datetime.now(UTC) + timedelta(days=79)
    put = api.calls[2].request
    assert str(put.url) == SUBSCRIPTION
    assert json.loads(put.body or "") == {"webhook": HOOK}
    assert put.headers["X-RestLi-Method"] == "UPDATE"


def test_events_that_come_are_left_as_they_are(
    page_client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.get(API + "/v2/me", json=ME)
    api.get(SUBSCRIPTION, json=granted(30))
    assert page_client.ask_for_events(PAGE, HOOK, "", app_number="200117777")
    assert len(api.calls) == 2


def test_who_is_no_administrator_has_no_events(
    page_client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.get(API + "/v2/me", json=ME)
    api.get(SUBSCRIPTION, json=denied("no administrator"), status=403)
    with pytest.raises(PlatformError) as caught:
        page_client.ask_for_events(PAGE, HOOK, "", app_number="200117777")
    assert caught.value.outcome is Outcome.PERMISSION


# ------------------------------------------------------------------ secrets and data


def test_no_secret_is_shown_or_logged(
    client: LinkedInClient,
    api: responses.RequestsMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    text = "client_secret=test-client-secret Bearer test-access-token"
    api.post(TOKEN_URL, json={"error": "x", "error_description": text}, status=400)
    api.post(POSTS, json={"message": text}, status=400)
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    shown = caplog.text + repr(client.access)
    for error in (caught.value, refused(client)):
        shown += repr(error) + str(error) + error.detail
    for secret in ("test-access-token", "test-refresh-token", "test-client-secret"):
        assert secret not in shown


def test_every_call_draws_on_buckets_and_asks_for_scopes_that_exist() -> None:
    buckets = {bucket.key for bucket in SPEC.buckets}
    scopes = {scope.name for scope in SPEC.scopes}
    assert len(buckets) == len(SPEC.buckets)
    assert len({call.key for call in SPEC.calls}) == len(SPEC.calls)
    for call in SPEC.calls:
        assert set(call.draws) <= buckets
        assert set(call.scopes) | set(call.any_scopes) <= scopes
    assert set(SELF_SERVE_SCOPES) | set(FULL_SCOPES) <= scopes


def test_each_ability_hangs_on_a_scope_that_a_registry_row_names() -> None:
    for (_, ability), scope in NEEDED.items():
        rows = [call for call in SPEC.calls if call.ability is ability]
        assert any(scope in call.any_scopes for call in rows), scope


def test_publishing_is_closed_to_a_token_that_may_only_comment() -> None:
    rows = [c for c in SPEC.calls if c.mutates and c.ability is Ability.PUBLISH]
    assert [row.key for row in rows] == ["POST /rest/posts"]
    assert set(rows[0].any_scopes) == {"w_member_social", "w_organization_social"}
