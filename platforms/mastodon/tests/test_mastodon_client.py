from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import Ability, MediaFile, Verdict
from platforms.errors import Cause, NotFound, Outcome, PlatformDown, PlatformError
from platforms.http import Answer
from platforms.mastodon import client as client_module
from platforms.mastodon.client import MastodonClient, plain_text
from platforms.mastodon.publish import Mastodon
from platforms.mastodon.spec import BUCKETS, CALLS, SPEC

from .conftest import ACCOUNT, BASE, TOKEN

PROXY_PAGE = b"<html><h1>502 Bad Gateway</h1></html>"


def answer(status: int, error: Any = None, **headers: str) -> Answer:
    if isinstance(error, bytes):
        body = error
    else:
        body = json.dumps(
            {"error": error} if isinstance(error, str) else error
        ).encode()
    names = {k.lower().replace("_", "-"): v for k, v in headers.items()}
    return Answer(status, names, body)


# ---------------------------------------------------------------- errors


INVALID_GRANT = {
    "error": "invalid_grant",
    "error_description": "The provided authorization grant is invalid, expired, ...",
}


@pytest.mark.parametrize(
    ("status", "error", "outcome", "cause"),
    [
        (400, "param is missing: status", Outcome.INVALID_CONTENT, "unknown_refusal"),
        (400, INVALID_GRANT, Outcome.PERMISSION, "code_refused"),
        (400, "invalid_scope", Outcome.PERMISSION, "scope_missing"),
        (401, "The access token is invalid", Outcome.AUTH_REVOKED, "token_invalid"),
        (401, "The access token was revoked", Outcome.AUTH_REVOKED, "token_revoked"),
        (401, "The access token expired", Outcome.AUTH_EXPIRED, "token_expired"),
        (401, "invalid_client", Outcome.AUTH_REVOKED, "app_gone"),
        (
            401,
            "This API requires an authenticated user",
            Outcome.PERMISSION,
            "not_allowed",
        ),
        (
            401,
            "Unauthorized: token not supplied",
            Outcome.AUTH_REVOKED,
            "token_invalid",
        ),
        (
            401,
            "Unauthorized: user not supplied or not authorized",
            Outcome.PERMISSION,
            "account_suspended",
        ),
        (401, "access_denied", Outcome.PERMISSION, "code_refused"),
        (
            403,
            "This action is outside the authorized scopes",
            Outcome.PERMISSION,
            "scope_missing",
        ),
        (
            403,
            "Forbidden: token has insufficient scope permission",
            Outcome.PERMISSION,
            "scope_missing",
        ),
        (
            403,
            "Your login is currently disabled",
            Outcome.PERMISSION,
            "account_suspended",
        ),
        (
            403,
            "Your login is missing a confirmed e-mail address",
            Outcome.PERMISSION,
            "account_locked",
        ),
        (
            403,
            "Your login is currently pending approval",
            Outcome.PERMISSION,
            "account_locked",
        ),
        (403, "This action is not allowed", Outcome.PERMISSION, "not_allowed"),
        pytest.param(
            403,
            "Forbidden: account has moved",
            Outcome.PERMISSION,
            "account_moved",
            marks=pytest.mark.trap("mastodon", 12),
        ),
        (403, PROXY_PAGE, Outcome.TRANSIENT, "platform_trouble"),
        (404, "Record not found", Outcome.NOT_FOUND, "not_there"),
        (409, "conflict", Outcome.NOT_FOUND, "not_there"),
        (410, PROXY_PAGE, Outcome.NOT_FOUND, "not_there"),
        (413, PROXY_PAGE, Outcome.INVALID_CONTENT, "media_too_large"),
        (
            422,
            "Validation failed: Text can't be blank",
            Outcome.INVALID_CONTENT,
            "text_empty",
        ),
        (
            422,
            "Validation failed: Text character limit of 500 exceeded",
            Outcome.INVALID_CONTENT,
            "text_too_long",
        ),
        (
            400,
            "Bad Request: text with spoiler exceed max chars (5000)",
            Outcome.INVALID_CONTENT,
            "text_too_long",
        ),
        (400, "Status is too long", Outcome.INVALID_CONTENT, "text_too_long"),
        (400, "Status is empty", Outcome.INVALID_CONTENT, "text_empty"),
        (
            400,
            "Bad Request: status contains no text, media or poll",
            Outcome.INVALID_CONTENT,
            "text_empty",
        ),
        (
            400,
            "Bad Request: media files exceed max count (6)",
            Outcome.INVALID_CONTENT,
            "too_many_media",
        ),
        (
            422,
            "Cannot attach more than 4 files",
            Outcome.INVALID_CONTENT,
            "too_many_media",
        ),
        (
            422,
            "Cannot attach a video to a post that already contains images",
            Outcome.INVALID_CONTENT,
            "media_mixed",
        ),
        (
            422,
            "Cannot attach files that have not finished processing. Try again in a moment!",
            Outcome.TRANSIENT,
            "media_not_ready",
        ),
        (
            422,
            "Media 22348641 not found or already attached to another post",
            Outcome.AMBIGUOUS,
            "media_expired",
        ),
        (
            422,
            "Validation failed: File content type is invalid, File is invalid",
            Outcome.INVALID_CONTENT,
            "media_type",
        ),
        (
            422,
            "Validation failed: File file size must be less than 16 MB",
            Outcome.INVALID_CONTENT,
            "media_too_large",
        ),
        (
            422,
            "Validation failed: Scheduled at The scheduled date must be in the future",
            Outcome.INVALID_CONTENT,
            "text_refused",
        ),
        (422, "Duplicate record", Outcome.DUPLICATE, "duplicate_text"),
        (
            422,
            "This method requires an authenticated user",
            Outcome.PERMISSION,
            "not_allowed",
        ),
        (429, "Too many requests", Outcome.RATE_LIMITED, "too_many_requests"),
        (429, PROXY_PAGE, Outcome.RATE_LIMITED, "too_many_requests"),
        (
            500,
            "Error processing thumbnail for uploaded media",
            Outcome.TRANSIENT,
            "media_refused",
        ),
        (500, PROXY_PAGE, Outcome.AMBIGUOUS, "platform_trouble"),
        (502, PROXY_PAGE, Outcome.AMBIGUOUS, "platform_trouble"),
        (503, PROXY_PAGE, Outcome.AMBIGUOUS, "platform_trouble"),
        (504, PROXY_PAGE, Outcome.AMBIGUOUS, "platform_trouble"),
        (
            503,
            "There was a temporary problem serving your request, please try again",
            Outcome.TRANSIENT,
            "platform_trouble",
        ),
        (
            503,
            "Remote data could not be fetched",
            Outcome.TRANSIENT,
            "platform_trouble",
        ),
        (301, PROXY_PAGE, Outcome.NOT_FOUND, "not_this_platform"),
    ],
)
def test_each_answer_to_a_post_has_its_class(
    client: MastodonClient, status: int, error: Any, outcome: Outcome, cause: str
) -> None:
    found = client.error_from(answer(status, error), mutates=True)
    assert (found.outcome, found.cause, found.status) == (outcome, cause, status)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_while_reading_is_transient(
    client: MastodonClient, status: int
) -> None:
    found = client.error_from(answer(status, PROXY_PAGE), mutates=False)
    assert found.outcome is Outcome.TRANSIENT


@pytest.mark.trap("mastodon", 10)
@pytest.mark.parametrize("status", [401, 403])
def test_a_proxy_that_refuses_says_nothing_about_the_token(
    client: MastodonClient, status: int
) -> None:
    found = client.error_from(answer(status, PROXY_PAGE), mutates=False)
    assert found.outcome is Outcome.TRANSIENT


@pytest.mark.trap("mastodon", 3)
def test_the_reset_is_an_iso_time(client: MastodonClient) -> None:
    limited = answer(
        429, "Too many requests", X_RateLimit_Reset="2026-02-03T09:15:00.000000Z"
    )
    found = client.error_from(limited, mutates=True)
    assert found.reset_at == datetime(2026, 2, 3, 9, 15, tzinfo=UTC)
    assert found.retry_after is None


def test_a_queue_that_is_full_tells_when_to_come_back(client: MastodonClient) -> None:
    found = client.error_from(answer(503, PROXY_PAGE, Retry_After="30"), mutates=True)
    assert (found.outcome, found.retry_after) == (Outcome.TRANSIENT, 30.0)


@pytest.mark.trap("mastodon", 11)
def test_an_app_that_the_server_forgot_concerns_the_whole_app(
    client: MastodonClient,
) -> None:
    assert client.error_from(answer(401, "invalid_client"), False).reach == "app"


def test_a_server_that_cannot_be_reached_is_down(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    refused = requests.ConnectTimeout("no way")
    server.post(f"{BASE}/api/v1/statuses", body=refused)
    with pytest.raises(PlatformDown):
        client.post_status({"status": "Hello"}, "key")


def test_a_lost_answer_to_a_post_is_ambiguous_and_to_an_upload_is_not(
    client: MastodonClient,
    server: responses.RequestsMock,
    picture: Callable[..., MediaFile],
) -> None:
    server.post(f"{BASE}/api/v1/statuses", body=requests.ReadTimeout())
    server.post(f"{BASE}/api/v2/media", body=requests.ReadTimeout())
    with pytest.raises(PlatformError) as lost:
        client.post_status({"status": "Hello"}, "key")
    assert lost.value.outcome is Outcome.AMBIGUOUS
    with pytest.raises(PlatformError) as lost:
        client.upload_media(picture())
    assert lost.value.outcome is Outcome.TRANSIENT


# ---------------------------------------------------------------- the server's facts


INSTANCE = {
    "domain": "social.example",
    "title": "Social",
    "version": "4.6.0",
    "api_versions": {"mastodon": 10},
    "configuration": {
        "statuses": {
            "max_characters": 5000,
            "max_media_attachments": 6,
            "characters_reserved_per_url": 25,
        },
        "media_attachments": {
            "supported_mime_types": ["image/png", "video/mp4"],
            "image_size_limit": 1000,
            "image_matrix_limit": 2000,
            "video_size_limit": 3000,
            "video_matrix_limit": 4000,
            "video_frame_rate_limit": 60,
            "description_limit": 300,
        },
        "polls": {
            "max_options": 6,
            "max_characters_per_option": 70,
            "min_expiration": 600,
            "max_expiration": 86_400,
        },
    },
}
DISCOVERY = {
    "issuer": BASE,
    "code_challenge_methods_supported": ["S256"],
    "scopes_supported": ["read", "profile"],
}
NO_PATH = {"json": {"error": "Not Found"}, "status": 404}


def lay_out(
    server: responses.RequestsMock,
    *,
    discovery: dict[str, Any] | None = None,
    v2: dict[str, Any] | None = None,
    v1: dict[str, Any] | None = None,
    nodeinfo: dict[str, Any] | None = None,
) -> None:
    def add(path: str, data: dict[str, Any] | None) -> None:
        server.get(BASE + path, **({"json": data} if data else NO_PATH))

    add("/.well-known/oauth-authorization-server", discovery)
    add("/api/v2/instance", v2)
    if not v2:
        add("/api/v1/instance", v1)
    if v2 or v1:
        add("/.well-known/nodeinfo", nodeinfo)


def test_a_server_tells_its_limits(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    links = {"links": [{"rel": "x", "href": f"{BASE}/nodeinfo/2.0"}]}
    lay_out(server, discovery=DISCOVERY, v2=INSTANCE, nodeinfo=links)
    server.get(f"{BASE}/nodeinfo/2.0", json={"software": {"name": "Mastodon"}})
    facts = client.server_limits()
    assert facts == {
        "software": "mastodon",
        "version": "4.6.0",
        "api_level": 10,
        "title": "Social",
        "max_characters": 5000,
        "reserved_per_url": 25,
        "max_media": 6,
        "image_size_limit": 1000,
        "image_matrix_limit": 2000,
        "video_size_limit": 3000,
        "video_matrix_limit": 4000,
        "video_frame_rate_limit": 60,
        "mime_types": ["image/png", "video/mp4"],
        "description_limit": 300,
        "poll_options": 6,
        "poll_characters": 70,
        "poll_min_s": 600,
        "poll_max_s": 86_400,
        "supports_pkce": True,
        "supports_profile_scope": True,
    }
    assert json.loads(json.dumps(facts)) == facts
    assert Mastodon().scopes_to_ask(facts=facts)[0] == "profile"


def test_an_old_server_is_read_by_the_first_version(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    old = {"uri": "social.example", "version": "3.5.3", "max_toot_chars": 1000}
    lay_out(server, v1=old, nodeinfo={"software": {"name": "mastodon"}})
    facts = client.instance_facts()
    assert facts["max_characters"] == 1000
    assert (facts["software"], facts["api_level"]) == ("mastodon", 0)
    assert not facts["supports_pkce"]
    assert Mastodon().scopes_to_ask(facts=facts)[0] == "read:accounts"


@pytest.mark.parametrize(
    ("about", "software"),
    [
        ({"version": "4.2.1 (compatible; Foo 1.0)"}, "foo"),
        ({"version": "4.6.0", "api_versions": {"mastodon": 10}}, "mastodon"),
        ({"version": "0.20.1"}, ""),
    ],
)
def test_without_nodeinfo_the_version_names_the_software(
    client: MastodonClient,
    server: responses.RequestsMock,
    about: dict[str, Any],
    software: str,
) -> None:
    lay_out(server, v2={"domain": "social.example"} | about)
    assert client.instance_facts()["software"] == software


@pytest.mark.trap("mastodon", 13)
def test_nodeinfo_of_another_server_is_not_followed(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    elsewhere = "https://elsewhere.example/nodeinfo"
    links = {"links": [{"href": elsewhere}, "odd"]}
    lay_out(server, v2=INSTANCE, nodeinfo=links)
    server.assert_all_requests_are_fired = False
    server.get(elsewhere, json={"software": {"name": "another"}})
    assert client.instance_facts()["software"] == "mastodon"
    asked = {urlsplit(str(call.request.url)).netloc for call in server.calls}
    assert asked == {urlsplit(BASE).netloc}


def test_a_server_of_another_kind_is_named_so(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    lay_out(server)
    with pytest.raises(NotFound) as wrong:
        client.instance_facts()
    assert wrong.value.cause is Cause.NOT_THIS_PLATFORM


def test_a_site_that_answers_everything_with_a_page_is_no_mastodon(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    for path in (
        "/.well-known/oauth-authorization-server",
        "/api/v2/instance",
        "/api/v1/instance",
    ):
        server.get(BASE + path, body="<html>Welcome</html>")
    with pytest.raises(NotFound) as wrong:
        client.instance_facts()
    assert wrong.value.cause is Cause.NOT_THIS_PLATFORM


def test_trouble_of_the_server_is_not_taken_for_another_kind(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/.well-known/oauth-authorization-server", status=502)
    with pytest.raises(PlatformError) as trouble:
        client.instance_facts()
    assert trouble.value.outcome is Outcome.TRANSIENT


# ---------------------------------------------------------------- connecting


def form_of(server: responses.RequestsMock) -> dict[str, str]:
    body = server.calls[-1].request.body
    assert isinstance(body, str)
    return {k: v[0] for k, v in parse_qs(body).items()}


def test_the_app_introduces_itself(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(
        f"{BASE}/api/v1/apps", json={"client_id": "TWhM", "client_secret": "ZEaF"}
    )
    back = "https://app.example.com/oauth/mastodon/"
    assert client.register_app(back, ("profile", "write:media")) == ("TWhM", "ZEaF")
    assert form_of(server) == {
        "client_name": "SocialHub",
        "redirect_uris": back,
        "scopes": "profile write:media",
        "website": "https://app.example.com",
    }


@pytest.mark.parametrize(
    ("status", "data", "known"),
    [
        (200, {"access_token": "app-token"}, True),
        (401, {"error": "invalid_client"}, False),
        (400, {"error": "invalid_client"}, False),
        (400, {"error": "unsupported_grant_type"}, True),
        (403, {"error": "This action is not allowed"}, True),
    ],
)
def test_a_server_tells_whether_it_still_knows_the_app(
    client: MastodonClient,
    server: responses.RequestsMock,
    status: int,
    data: dict[str, Any],
    known: bool,
) -> None:
    server.post(f"{BASE}/oauth/token", json=data, status=status)
    assert client.app_is_known() is known
    assert form_of(server)["grant_type"] == "client_credentials"


def test_trouble_is_not_taken_for_a_forgotten_app(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(f"{BASE}/oauth/token", status=502)
    with pytest.raises(PlatformError):
        client.app_is_known()


def test_a_code_becomes_a_token_that_does_not_end(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(
        f"{BASE}/oauth/token",
        json={
            "access_token": "ZA-new",
            "token_type": "Bearer",
            "scope": "profile write:statuses",
            "created_at": 1770110000,
        },
    )
    tokens = client.exchange_code("qDF", "https://app.example.com/cb", "verify-me")
    assert tokens.access_token == "ZA-new"
    assert tokens.issued_at == datetime.fromtimestamp(1770110000, UTC)
    assert (tokens.expires_at, tokens.refresh_token) == (None, "")
    assert tokens.scopes == ("profile", "write:statuses")
    assert form_of(server)["code_verifier"] == "verify-me"
    assert "ZA-new" not in repr(tokens)


def test_without_pkce_no_verifier_is_sent(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(f"{BASE}/oauth/token", json={"access_token": "ZA-new"})
    client.exchange_code("qDF", "https://app.example.com/cb", None)
    assert "code_verifier" not in form_of(server)


def test_an_end_date_is_honoured_where_a_server_sends_one(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(
        f"{BASE}/oauth/token",
        json={
            "access_token": "a",
            "refresh_token": "r2",
            "expires_in": 60,
            "created_at": 1770110000,
        },
    )
    client.access = replace(client.access, refresh_token="r1")
    tokens = client.refresh()
    assert tokens.refresh_token == "r2"
    assert tokens.expires_at == datetime.fromtimestamp(1770110060, UTC)
    assert form_of(server)["grant_type"] == "refresh_token"


def test_a_refused_refresh_ends_the_access(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(f"{BASE}/oauth/token", json=INVALID_GRANT, status=400)
    client.access = replace(client.access, refresh_token="r1")
    with pytest.raises(PlatformError) as ended:
        client.refresh()
    assert ended.value.outcome is Outcome.AUTH_REVOKED
    assert ended.value.cause is Cause.REFRESH_REFUSED


def test_where_there_is_no_refresh_a_person_has_to_reconnect(
    client: MastodonClient,
) -> None:
    with pytest.raises(PlatformError) as ended:
        client.refresh()
    assert ended.value.outcome is Outcome.AUTH_REVOKED


def test_revoking_names_the_token(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(f"{BASE}/oauth/revoke", json={})
    client.revoke()
    assert form_of(server) == {
        "client_id": "TWhM-tNS",
        "client_secret": "ZEaF-qBR-secret",
        "token": TOKEN,
    }


def test_the_person_is_sent_to_their_own_server(client: MastodonClient) -> None:
    assert client.authorize_url() == "https://social.example/oauth/authorize"


# ---------------------------------------------------------------- identity and proof


VERIFY = f"{BASE}/api/v1/accounts/verify_credentials"


def test_an_account_is_unique_by_server_and_id(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(VERIFY, json=ACCOUNT)
    (identity,) = client.identities()
    assert identity.external_id == "social.example/14715"
    assert identity.handle == "acme@social.example"
    assert (identity.name, identity.url) == ("Acme", "https://social.example/@acme")
    assert identity.extra["default_visibility"] == "unlisted"
    assert server.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_practice_account_keeps_port_and_path_of_its_server(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    practice = "http://127.0.0.1:8801/mastodon"
    environment = replace(
        client.environment, hosts={"instance": practice}, allow_private=True
    )
    client = MastodonClient(environment, client.access)
    server.get(f"{practice}/api/v1/accounts/verify_credentials", json=ACCOUNT)
    (identity,) = client.identities()
    assert identity.external_id == "127.0.0.1:8801/mastodon/14715"


def test_a_live_token_with_all_scopes_proves_everything(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(VERIFY, json=ACCOUNT)
    proof = client.prove()
    assert {ability: v.ok for ability, v in proof.abilities.items()} == {
        Ability.PUBLISH: True,
        Ability.READ: True,
        Ability.FIGURES: True,
    }
    assert proof.identity is not None
    assert proof.identity.external_id == "social.example/14715"


def test_a_broad_scope_stands_for_its_parts(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(VERIFY, json=ACCOUNT)
    client.access = replace(client.access, scopes=("read", "write"))
    assert all(verdict.ok for verdict in client.prove().abilities.values())


def test_a_missing_scope_breaks_only_what_needs_it(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(VERIFY, json=ACCOUNT)
    client.access = replace(client.access, scopes=("profile", "read:statuses", "write"))
    abilities = client.prove().abilities
    assert abilities[Ability.PUBLISH].ok
    assert abilities[Ability.FIGURES].ok
    assert abilities[Ability.READ].cause is Cause.SCOPE_MISSING
    assert abilities[Ability.READ].detail == "inbox"


@pytest.mark.trap("mastodon", 7)
def test_without_the_right_to_write_media_nothing_can_be_published(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    """Asking for a file of one's own wants it as well; reading does not do."""
    assert "write:media" in SPEC.call("GET /api/v1/media/:id").any_scopes
    server.get(VERIFY, json=ACCOUNT)
    scopes = ("read", "profile", "write:statuses")
    client.access = replace(client.access, scopes=scopes)
    assert client.prove().abilities[Ability.PUBLISH] == Verdict(
        False, Cause.SCOPE_MISSING, "media"
    )


def test_unknown_scopes_prove_nothing(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(VERIFY, json=ACCOUNT)
    client.access = replace(client.access, scopes=())
    assert client.prove().abilities[Ability.PUBLISH].ok is None


@pytest.mark.trap("mastodon", 12)
def test_a_moved_account_may_read_and_not_post(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(VERIFY, json=ACCOUNT | {"moved": {"id": "9"}})
    proof = client.prove()
    assert proof.abilities[Ability.PUBLISH].cause is Cause.ACCOUNT_MOVED
    assert proof.abilities[Ability.READ].ok


def test_a_revoked_token_is_a_definite_answer(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(VERIFY, json={"error": "The access token was revoked"}, status=401)
    with pytest.raises(PlatformError) as ended:
        client.prove()
    assert ended.value.outcome is Outcome.AUTH_REVOKED


# ---------------------------------------------------------------- posts


def test_deleting_twice_is_no_error(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    url = f"{BASE}/api/v1/statuses/115"
    server.delete(url, json={"id": "115", "text": "Hello"})
    server.delete(url, json={"error": "Record not found"}, status=404)
    client.delete_post("115")
    client.delete_post("115")
    assert len(server.calls) == 2


@pytest.mark.trap("mastodon", 10)
def test_a_page_instead_of_the_list_is_not_read_as_no_posts(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/api/v1/accounts/14715/statuses", body=PROXY_PAGE)
    with pytest.raises(PlatformError) as unreadable:
        client.account_statuses("14715")
    assert unreadable.value.cause is Cause.ANSWER_UNREADABLE


def test_an_answer_without_post_leaves_the_outcome_open(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.post(f"{BASE}/api/v1/statuses", body="<html>ok</html>")
    with pytest.raises(PlatformError) as unreadable:
        client.post_status({"status": "Hello"}, "key")
    assert unreadable.value.outcome is Outcome.AMBIGUOUS


@pytest.mark.trap("mastodon", 9)
@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<p>Hello</p>", "Hello"),
        ("<p>a<br>b<br />c</p><p>d &amp; e</p>", "a\nb\nc\n\nd & e"),
        (
            '<p>See <a href="https://acme.example/sow/2026" rel="nofollow">'
            '<span class="invisible">https://</span><span class="ellipsis">acme.exa'
            '</span><span class="invisible">mple/sow/2026</span></a>!</p>',
            "See https://acme.example/sow/2026!",
        ),
        (
            '<p><span class="h-card"><a href="https://b.example/@ana" '
            'class="u-url mention">@<span>ana</span></a></span> '
            '<a href="https://social.example/tags/spring" class="mention hashtag" '
            'rel="tag">#<span>spring</span></a></p>',
            "@ana #spring",
        ),
        (
            '<p><a href="https://acme.example/sow/2026">acme.example/so…</a></p>',
            "https://acme.example/sow/2026",
        ),
        ("", ""),
    ],
)
def test_html_reads_as_it_was_typed(content: str, text: str) -> None:
    assert plain_text(content) == text


# ---------------------------------------------------------------- registry, secrets


def test_every_call_of_the_client_has_a_row() -> None:
    source = inspect.getsource(client_module)
    keys = re.findall(r'"((?:GET|POST|PUT|DELETE) [^"]+)"', source)
    for key in keys:
        for version in ("v1", "v2") if "{version}" in key else ("",):
            SPEC.call(key.replace("{version}", version))
    assert len(set(keys)) > 10
    with pytest.raises(KeyError):
        SPEC.call("GET /api/v1/nothing")


def test_rows_are_unique_and_draw_on_known_buckets() -> None:
    assert len({call.key for call in CALLS}) == len(CALLS)
    buckets = {bucket.key for bucket in BUCKETS}
    assert all(set(call.draws) <= buckets for call in CALLS)


def test_only_posting_and_editing_would_be_seen_twice() -> None:
    changing = {call.key for call in CALLS if call.mutates}
    assert changing == {"POST /api/v1/statuses", "PUT /api/v1/statuses/:id"}


def test_no_secret_is_shown_or_logged(
    client: MastodonClient,
    server: responses.RequestsMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="platforms")
    server.get(
        VERIFY,
        json={"error": f"The access token is invalid: access_token={TOKEN}"},
        status=401,
    )
    with pytest.raises(PlatformError) as ended:
        client.prove()
    shown = repr(client.access) + str(ended.value) + repr(ended.value) + caplog.text
    assert TOKEN not in shown + ended.value.detail
    assert "GET /api/v1/accounts/verify_credentials" in caplog.text
