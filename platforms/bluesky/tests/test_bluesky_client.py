from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses

from platforms.base import Ability, Environment, MediaFile, SignIn
from platforms.bluesky import client as client_module
from platforms.bluesky.client import BlueskyClient, jwt_claims
from platforms.bluesky.spec import BUCKETS, CALLS, SPEC
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.http import Answer

from .conftest import (
    ACCESS_JWT,
    DID,
    HANDLE,
    ISSUED,
    PDS,
    REFRESH_JWT,
    XRPC,
    document,
    jwt,
    session,
)

RESOLVE = "https://public.api.bsky.app/xrpc/com.atproto.identity.resolveHandle"
PROFILE = "https://public.api.bsky.app/xrpc/app.bsky.actor.getProfile"
PLC = f"https://plc.directory/{DID}"
ENTRYWAY = "https://bsky.social/xrpc/com.atproto.server.createSession"
GET_SESSION = f"{XRPC}/com.atproto.server.getSession"
REFRESH = f"{XRPC}/com.atproto.server.refreshSession"
PASSWORD = "abcd-efgh-ijkl-mnop"


def answer(status: int, name: str = "", message: str = "", **headers: str) -> Answer:
    names = {k.lower().replace("_", "-"): v for k, v in headers.items()}
    body = (
        json.dumps({"error": name, "message": message}) if name else "<html>no</html>"
    )
    return Answer(status, names, body.encode())


def outcome_of(error: pytest.ExceptionInfo[PlatformError]) -> tuple[Outcome, Cause]:
    return error.value.outcome, error.value.cause


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("status", "name", "message", "outcome", "cause"),
    [
        (
            400,
            "ExpiredToken",
            "Token has expired",
            Outcome.AUTH_EXPIRED,
            "token_expired",
        ),
        (
            400,
            "ExpiredToken",
            "Token has been revoked",
            Outcome.AUTH_REVOKED,
            "token_revoked",
        ),
        (
            400,
            "InvalidToken",
            "Token could not be verified",
            Outcome.AUTH_EXPIRED,
            "token_invalid",
        ),
        (
            400,
            "InvalidRequest",
            "Invalid app.bsky.feed.post record: grapheme too big (maximum 300, got 305)"
            " at $.record.text",
            Outcome.INVALID_CONTENT,
            "text_too_long",
        ),
        (
            400,
            "InvalidRequest",
            "Invalid $type: expected ...",
            Outcome.INVALID_CONTENT,
            "text_refused",
        ),
        (
            400,
            "InvalidSwap",
            "Record was at bafyrei...",
            Outcome.DUPLICATE,
            "already_there",
        ),
        (
            400,
            "RecordNotFound",
            "Could not locate record: at://...",
            Outcome.NOT_FOUND,
            "not_there",
        ),
        (
            400,
            "BlobNotFound",
            "Could not find blob: bafk...",
            Outcome.TRANSIENT,
            "media_expired",
        ),
        (400, "InvalidMimeType", "wrong", Outcome.INVALID_CONTENT, "media_type"),
        (400, "InvalidSize", "wrong", Outcome.INVALID_CONTENT, "media_too_large"),
        (400, "BadExpiration", "far", Outcome.INVALID_CONTENT, "unknown_refusal"),
        (400, "use_dpop_nonce", "", Outcome.TRANSIENT, "platform_trouble"),
        (400, "invalid_grant", "", Outcome.AUTH_REVOKED, "code_refused"),
        (400, "invalid_client", "", Outcome.PERMISSION, "app_refused"),
        (400, "invalid_client_metadata", "", Outcome.PERMISSION, "app_refused"),
        (400, "invalid_scope", "", Outcome.PERMISSION, "scope_missing"),
        (400, "SomethingNew", "", Outcome.INVALID_CONTENT, "unknown_refusal"),
        (400, "", "", Outcome.TRANSIENT, "platform_trouble"),
        (
            401,
            "AuthMissing",
            "Authentication Required",
            Outcome.AUTH_REVOKED,
            "token_invalid",
        ),
        (
            401,
            "AuthenticationRequired",
            "Invalid identifier or password",
            Outcome.AUTH_REVOKED,
            "wrong_password",
        ),
        (401, "AuthenticationRequired", "", Outcome.AUTH_REVOKED, "token_invalid"),
        (
            401,
            "AuthFactorTokenRequired",
            "",
            Outcome.PERMISSION,
            "second_factor_wanted",
        ),
        (
            401,
            "AccountTakedown",
            "Account has been taken down",
            Outcome.PERMISSION,
            "account_suspended",
        ),
        (
            401,
            "AccountDeactivated",
            "Account is deactivated",
            Outcome.PERMISSION,
            "account_locked",
        ),
        (401, "invalid_dpop_proof", "", Outcome.TRANSIENT, "platform_trouble"),
        (401, "invalid_token", "", Outcome.AUTH_EXPIRED, "token_expired"),
        (401, "SomethingNew", "", Outcome.AUTH_REVOKED, "token_invalid"),
        (
            403,
            "AccountNotFound",
            "Could not find account",
            Outcome.NOT_FOUND,
            "account_gone",
        ),
        (403, "Forbidden", "", Outcome.PERMISSION, "not_allowed"),
        (403, "ScopeMissingError", "", Outcome.PERMISSION, "scope_missing"),
        (403, "SomethingNew", "", Outcome.PERMISSION, "not_allowed"),
        (403, "", "", Outcome.TRANSIENT, "platform_trouble"),
        (404, "XRPCNotSupported", "", Outcome.NOT_FOUND, "not_this_platform"),
        (404, "", "", Outcome.NOT_FOUND, "not_this_platform"),
        (
            413,
            "PayloadTooLarge",
            "request entity too large",
            Outcome.INVALID_CONTENT,
            "media_too_large",
        ),
        (415, "UnsupportedMediaType", "", Outcome.INVALID_CONTENT, "media_type"),
        (429, "RateLimitExceeded", "", Outcome.RATE_LIMITED, "too_many_requests"),
        (429, "", "", Outcome.RATE_LIMITED, "too_many_requests"),
        (501, "MethodNotImplemented", "", Outcome.PERMISSION, "version_ended"),
        (502, "UpstreamFailure", "", Outcome.TRANSIENT, "platform_trouble"),
        (503, "NotEnoughResources", "", Outcome.TRANSIENT, "platform_trouble"),
    ],
)
@pytest.mark.parametrize("mutates", [False, True])
def test_each_answer_has_its_class(
    client: BlueskyClient,
    status: int,
    name: str,
    message: str,
    outcome: Outcome,
    cause: str,
    mutates: bool,
) -> None:
    found = client.error_from(answer(status, name, message), mutates)
    assert (found.outcome, found.cause, found.status) == (outcome, cause, status)
    assert found.code in {name, "invalid_dpop_proof"}


@pytest.mark.parametrize(
    ("status", "name"),
    [(500, "InternalServerError"), (504, "UpstreamTimeout"), (502, ""), (503, "")],
)
def test_a_server_s_failure_leaves_a_write_open_and_a_read_to_be_repeated(
    client: BlueskyClient, status: int, name: str
) -> None:
    failed = answer(status, name, "Internal Server Error")
    assert client.error_from(failed, mutates=True).outcome is Outcome.AMBIGUOUS
    assert client.error_from(failed, mutates=False).outcome is Outcome.TRANSIENT


def test_dpop_trouble_may_stand_in_a_header(client: BlueskyClient) -> None:
    challenged = answer(401, WWW_Authenticate='DPoP error="use_dpop_nonce"')
    found = client.error_from(challenged, mutates=True)
    assert (found.outcome, found.code) == (Outcome.TRANSIENT, "use_dpop_nonce")


def test_a_limit_tells_its_reset_in_unix_seconds(client: BlueskyClient) -> None:
    limited = answer(
        429, "RateLimitExceeded", RateLimit_Reset="1770110400", Retry_After="17"
    )
    found = client.error_from(limited, mutates=True)
    assert found.reset_at == datetime.fromtimestamp(1770110400, UTC)
    assert found.retry_after == 17


def test_a_lost_answer_is_ambiguous_for_the_post_only(
    client: BlueskyClient,
    server: responses.RequestsMock,
    picture: Callable[..., MediaFile],
) -> None:
    put = f"{XRPC}/com.atproto.repo.putRecord"
    upload = f"{XRPC}/com.atproto.repo.uploadBlob"
    server.post(put, body=requests.ReadTimeout())
    server.post(put, body=requests.ConnectTimeout())
    server.post(upload, body=requests.ReadTimeout())
    found = []
    for call in (
        lambda: client.put_post("3mb", {}),
        lambda: client.put_post("3mb", {}),
        lambda: client.upload_blob(picture()),
    ):
        with pytest.raises(PlatformError) as lost:
            call()
        found.append(lost.value.outcome)
    assert found == [Outcome.AMBIGUOUS, Outcome.PLATFORM_DOWN, Outcome.TRANSIENT]


# ---------------------------------------------------------------- signing in


def new_client(**environment: Any) -> BlueskyClient:
    return BlueskyClient(Environment(hosts=SPEC.hosts, **environment))


def test_a_handle_leads_to_server_session_and_identity(
    server: responses.RequestsMock,
) -> None:
    server.get(
        RESOLVE,
        json={"did": DID},
        match=[responses.matchers.query_param_matcher({"handle": HANDLE})],
    )
    server.get(PLC, json=document())
    server.post(ENTRYWAY, json=session())
    server.get(PROFILE, json={"displayName": "Acme", "avatar": "https://a.example/a"})
    tokens, identity = new_client().sign_in(f" @{HANDLE} ", PASSWORD)
    assert tokens.access_token == ACCESS_JWT
    assert tokens.refresh_token == REFRESH_JWT
    issued = datetime.fromtimestamp(ISSUED, UTC)
    assert tokens.issued_at == issued
    assert tokens.expires_at == issued + timedelta(minutes=120)
    assert tokens.refresh_expires_at == issued + timedelta(days=90)
    assert tokens.scopes == ("com.atproto.appPass",)
    assert tokens.extra == {"pds": PDS, "did": DID, "handle": HANDLE}
    assert (identity.external_id, identity.handle) == (DID, HANDLE)
    assert (identity.name, identity.avatar_url) == ("Acme", "https://a.example/a")
    assert identity.url == f"https://bsky.app/profile/{HANDLE}"
    sent = json.loads(server.calls[2].request.body or "")
    assert sent == {"identifier": HANDLE, "password": PASSWORD}


@pytest.mark.trap("bluesky", 14)
def test_a_self_hosted_account_signs_in_at_its_own_server(
    server: responses.RequestsMock,
) -> None:
    own = "https://pds.acme.example"
    server.get(RESOLVE, json={"did": DID})
    server.get(PLC, json=document(own + "/"))
    server.post(
        f"{own}/xrpc/com.atproto.server.createSession",
        json=session(didDoc=document(own)),
    )
    server.get(PROFILE, status=502)
    tokens, identity = new_client().sign_in("acme.example", PASSWORD)
    assert tokens.extra["pds"] == own
    assert identity.name == HANDLE


def test_a_server_that_is_named_is_asked_when_no_handle_leads_to_it(
    server: responses.RequestsMock,
) -> None:
    own = "https://pds.acme.example"
    server.get(PLC, json=document(own))
    server.post(
        f"{own}/xrpc/com.atproto.server.createSession", json=session(didDoc=None)
    )
    server.get(PROFILE, status=404)
    tokens, identity = new_client().sign_in(HANDLE, PASSWORD, pds="pds.acme.example/")
    assert tokens.extra["pds"] == own
    assert "pds" not in identity.extra


def test_a_named_server_cannot_claim_the_account_of_another_one(
    server: responses.RequestsMock,
) -> None:
    evil = "https://evil.example/xrpc/com.atproto.server.createSession"
    server.post(evil, json=session(didDoc=document("https://evil.example")))
    server.get(PLC, json=document("https://pds.acme.example"))
    with pytest.raises(PlatformError) as other:
        new_client().sign_in(HANDLE, PASSWORD, pds="evil.example")
    assert outcome_of(other) == (Outcome.PERMISSION, Cause.NOT_ALLOWED)


def test_a_named_entryway_leads_to_the_server_behind_it(
    server: responses.RequestsMock,
) -> None:
    server.post(ENTRYWAY, json=session())
    server.get(PLC, json=document())
    server.get(PROFILE, status=404)
    tokens, _ = new_client().sign_in(HANDLE, PASSWORD, pds="https://bsky.social")
    assert tokens.extra["pds"] == PDS


def test_an_e_mail_address_signs_in_at_the_entryway(
    server: responses.RequestsMock,
) -> None:
    server.post(ENTRYWAY, json=session())
    server.get(PROFILE, status=404)
    tokens, _ = new_client().sign_in("ana@acme.example", PASSWORD)
    assert tokens.extra["pds"] == PDS


def test_a_did_on_the_web_is_read_from_its_site(server: responses.RequestsMock) -> None:
    did = "did:web:acme.example"
    server.get(
        "https://acme.example/.well-known/did.json", json=document("https://p.ex", did)
    )
    assert new_client().find_pds(did) == "https://p.ex"


@pytest.mark.parametrize(
    "did",
    [
        "did:web:acme.example/path",
        "did:web:user@acme.example",
        "did:web:",
        "did:key:zabc",
    ],
)
def test_an_odd_did_is_not_called(did: str, server: responses.RequestsMock) -> None:
    with pytest.raises(PlatformError) as odd:
        new_client().find_pds(did)
    assert odd.value.outcome is Outcome.NOT_FOUND
    assert len(server.calls) == 0


@pytest.mark.trap("bluesky", 15)
@pytest.mark.parametrize("did", ["did:web:localhost", "did:web:127.0.0.1"])
def test_a_did_cannot_lead_into_a_private_network(did: str) -> None:
    with pytest.raises(PlatformError) as private:
        new_client().find_pds(did)
    assert private.value.cause is Cause.ADDRESS_REFUSED


@pytest.mark.trap("bluesky", 15)
@pytest.mark.parametrize(
    "pds",
    ["http://pds.acme.example", "https://a:b@acme.example", "ftp://x", "https://["],
)
def test_an_unsafe_server_is_not_called(
    pds: str, server: responses.RequestsMock
) -> None:
    with pytest.raises(PlatformError) as unsafe:
        new_client().sign_in(HANDLE, PASSWORD, pds=pds)
    assert unsafe.value.cause is Cause.ADDRESS_REFUSED
    assert len(server.calls) == 0


@pytest.mark.trap("bluesky", 15)
def test_a_private_server_is_refused_before_anything_leaves() -> None:
    with pytest.raises(PlatformError) as private:
        new_client().sign_in(HANDLE, PASSWORD, pds="https://127.0.0.1:2583")
    assert private.value.cause is Cause.ADDRESS_REFUSED


@pytest.mark.trap("bluesky", 15)
def test_a_document_may_not_name_an_unsafe_server(
    server: responses.RequestsMock,
) -> None:
    server.get(PLC, json=document("http://10.0.0.1"))
    with pytest.raises(PlatformError) as unsafe:
        new_client().find_pds(DID)
    assert unsafe.value.outcome is Outcome.NOT_FOUND


def test_a_document_of_another_account_is_refused(
    server: responses.RequestsMock,
) -> None:
    server.get(PLC, json=document(did="did:plc:other"))
    with pytest.raises(PlatformError) as other:
        new_client().find_pds(DID)
    assert other.value.outcome is Outcome.NOT_FOUND


def test_a_practice_account_may_live_on_loopback(
    server: responses.RequestsMock,
) -> None:
    practice = "http://127.0.0.1:8801/bluesky"
    hosts = {"public": practice, "plc": f"{practice}/plc", "app": f"{practice}/app"}
    environment = Environment(hosts=hosts | {"entryway": practice}, allow_private=True)
    server.get(f"{practice}/xrpc/com.atproto.identity.resolveHandle", json={"did": DID})
    server.get(f"{practice}/plc/{DID}", json=document(practice))
    server.post(
        f"{practice}/xrpc/com.atproto.server.createSession",
        json=session(didDoc=document(practice)),
    )
    server.get(f"{practice}/xrpc/app.bsky.actor.getProfile", json={})
    tokens, identity = BlueskyClient(environment).sign_in(HANDLE, PASSWORD)
    assert tokens.extra["pds"] == practice
    assert identity.url == f"{practice}/app/profile/{HANDLE}"


def test_an_unknown_handle_is_not_found(server: responses.RequestsMock) -> None:
    unknown = {"error": "InvalidRequest", "message": "Unable to resolve handle"}
    server.get(RESOLVE, json=unknown, status=400)
    with pytest.raises(PlatformError) as nobody:
        new_client().sign_in("nobody.example", PASSWORD)
    assert outcome_of(nobody) == (Outcome.NOT_FOUND, Cause.NOT_THERE)


@pytest.mark.parametrize(
    ("status", "name", "message", "cause"),
    [
        (
            401,
            "AuthenticationRequired",
            "Invalid identifier or password",
            Cause.WRONG_PASSWORD,
        ),
        (401, "AuthFactorTokenRequired", "", Cause.SECOND_FACTOR_WANTED),
        (401, "AccountTakedown", "", Cause.ACCOUNT_SUSPENDED),
        (429, "RateLimitExceeded", "", Cause.TOO_MANY_REQUESTS),
    ],
)
def test_each_refusal_of_a_sign_in_has_its_cause(
    server: responses.RequestsMock, status: int, name: str, message: str, cause: Cause
) -> None:
    server.post(ENTRYWAY, json={"error": name, "message": message}, status=status)
    with pytest.raises(PlatformError) as refused:
        new_client().sign_in("ana@acme.example", PASSWORD)
    assert refused.value.cause is cause
    assert PASSWORD not in refused.value.detail + repr(refused.value)


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("takendown", Cause.ACCOUNT_SUSPENDED),
        ("suspended", Cause.ACCOUNT_SUSPENDED),
        ("deactivated", Cause.ACCOUNT_LOCKED),
    ],
)
def test_an_account_that_may_not_act_is_not_connected(
    server: responses.RequestsMock, state: str, cause: Cause
) -> None:
    server.post(ENTRYWAY, json=session(active=False, status=state))
    with pytest.raises(PlatformError) as inactive:
        new_client().sign_in("ana@acme.example", PASSWORD)
    assert outcome_of(inactive) == (Outcome.PERMISSION, cause)


def test_a_session_of_another_account_is_refused(
    server: responses.RequestsMock,
) -> None:
    server.get(PLC, json=document())
    server.post(ENTRYWAY, json=session(did="did:plc:other"))
    with pytest.raises(PlatformError) as other:
        new_client().sign_in(DID, PASSWORD)
    assert other.value.outcome is Outcome.PERMISSION


# ---------------------------------------------------------------- the session's life


@pytest.mark.trap("bluesky", 8)
def test_a_refresh_brings_new_tokens_and_the_account_s_server(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    renewed = jwt("com.atproto.appPass", 7200, "two")
    server.post(
        REFRESH,
        json=session(accessJwt=renewed, didDoc=document("https://new.example")),
    )
    tokens = client.refresh()
    assert tokens.access_token == renewed
    assert tokens.extra == {"pds": "https://new.example", "did": DID, "handle": HANDLE}
    headers = server.calls[0].request.headers
    assert headers["Authorization"] == f"Bearer {REFRESH_JWT}"
    assert not server.calls[0].request.body


@pytest.mark.parametrize(
    ("name", "message", "cause"),
    [
        ("ExpiredToken", "Token has been revoked", Cause.TOKEN_REVOKED),
        ("ExpiredToken", "Token has expired", Cause.REFRESH_REFUSED),
        ("InvalidToken", "Bad token scope", Cause.REFRESH_REFUSED),
    ],
)
def test_a_session_that_cannot_be_renewed_is_over(
    client: BlueskyClient,
    server: responses.RequestsMock,
    name: str,
    message: str,
    cause: Cause,
) -> None:
    server.post(REFRESH, json={"error": name, "message": message}, status=400)
    with pytest.raises(PlatformError) as over:
        client.refresh()
    assert outcome_of(over) == (Outcome.AUTH_REVOKED, cause)
    assert over.value.detail == f"{message} ({name})"


def test_half_a_session_replaces_nothing(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.post(REFRESH, json=session(refreshJwt=None))
    with pytest.raises(PlatformError) as half:
        client.refresh()
    assert outcome_of(half) == (Outcome.TRANSIENT, Cause.ANSWER_UNREADABLE)


def test_a_refresh_for_another_account_is_refused(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.post(REFRESH, json=session(did="did:plc:other"))
    with pytest.raises(PlatformError) as other:
        client.refresh()
    assert other.value.outcome is Outcome.PERMISSION


def test_a_session_is_closed_once_or_twice(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    url = f"{XRPC}/com.atproto.server.deleteSession"
    server.post(url, body="")
    over = {"error": "ExpiredToken", "message": "Token has been revoked"}
    server.post(url, json=over, status=400)
    server.post(url, status=502)
    client.revoke()
    client.revoke()
    with pytest.raises(PlatformError):
        client.revoke()
    assert server.calls[0].request.headers["Authorization"] == f"Bearer {REFRESH_JWT}"


def test_an_active_session_proves_everything(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.get(GET_SESSION, json={"did": DID, "handle": "new.example", "active": True})
    proof = client.prove()
    assert {verdict.ok for verdict in proof.abilities.values()} == {True}
    assert proof.scopes == ("com.atproto.appPass",)
    assert proof.expires_at == datetime.fromtimestamp(ISSUED + 7200, UTC)
    assert proof.identity is not None
    assert proof.identity.handle == "new.example"


def test_an_inactive_account_can_be_read_but_not_published_to(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.get(
        GET_SESSION,
        json={"did": DID, "handle": HANDLE, "active": False, "status": "suspended"},
    )
    proof = client.prove()
    assert proof.abilities[Ability.PUBLISH].cause is Cause.ACCOUNT_SUSPENDED
    assert proof.abilities[Ability.FIGURES].ok
    assert proof.identity is not None
    assert not proof.identity.can_publish


@pytest.mark.trap("bluesky", 1)
def test_an_expired_access_token_asks_for_a_refresh(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    expired = {"error": "ExpiredToken", "message": "Token has expired"}
    server.get(GET_SESSION, json=expired, status=400)
    with pytest.raises(PlatformError) as over:
        client.prove()
    assert over.value.outcome is Outcome.AUTH_EXPIRED


@pytest.mark.trap("bluesky", 8)
@pytest.mark.parametrize(
    ("pds", "cause"),
    [("https://new.example", Cause.ACCOUNT_MOVED), (PDS, Cause.ACCOUNT_LOCKED)],
)
def test_a_deactivated_account_may_have_moved(
    client: BlueskyClient, server: responses.RequestsMock, pds: str, cause: Cause
) -> None:
    server.get(GET_SESSION, json={"error": "AccountDeactivated"}, status=401)
    server.get(PLC, json=document(pds))
    with pytest.raises(PlatformError) as gone:
        client.prove()
    assert outcome_of(gone) == (Outcome.PERMISSION, cause)
    assert gone.value.extra == ({"pds": pds} if pds != PDS else {})


def test_the_account_is_its_own_only_profile(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.get(GET_SESSION, json={"did": DID, "handle": HANDLE})
    server.get(PROFILE, json={"displayName": "Acme"})
    (identity,) = client.identities()
    assert (identity.external_id, identity.name) == (DID, "Acme")


@pytest.mark.parametrize(
    ("about", "limits"),
    [
        ({"blobUploadLimit": 52428800}, {"blob_upload_limit": 52428800}),
        ({"availableUserDomains": [".bsky.social"]}, {}),
    ],
)
def test_newer_servers_tell_their_limit(
    client: BlueskyClient,
    server: responses.RequestsMock,
    about: dict[str, Any],
    limits: dict[str, int],
) -> None:
    server.get(f"{XRPC}/com.atproto.server.describeServer", json=about)
    assert client.server_limits() == limits


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "token", ["", "a.b", "a.b.c", "a.!!!.c", "e30.WzFd.x", "a.é.c"]
)
def test_what_is_no_token_has_no_claims(token: str) -> None:
    assert jwt_claims(token) == {}


def test_the_end_of_a_token_is_read_from_it() -> None:
    assert jwt_claims(ACCESS_JWT)["exp"] == ISSUED + 7200


def test_a_token_without_claims_has_no_known_end(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.post(REFRESH, json=session(accessJwt="opaque", refreshJwt="opaque too"))
    tokens = client.refresh()
    assert (tokens.expires_at, tokens.scopes) == (None, ())


# ---------------------------------------------------------------- records


@pytest.mark.trap("bluesky", 6)
@pytest.mark.trap("bluesky", 7)
def test_only_sessions_are_held_which_may_put_records_and_be_renewed_late() -> None:
    """A grant by OAuth may create only, and one that is renewed twice is over."""
    assert SPEC.sign_in is SignIn.APP_PASSWORD
    assert SPEC.oauth is None
    assert SPEC.call("POST com.atproto.repo.putRecord").mutates


def test_deleting_names_the_record(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.post(f"{XRPC}/com.atproto.repo.deleteRecord", json={})
    client.delete_post(f"at://{DID}/app.bsky.feed.post/3mbk5xq2s7c2a")
    assert json.loads(server.calls[0].request.body or "") == {
        "repo": DID,
        "collection": "app.bsky.feed.post",
        "rkey": "3mbk5xq2s7c2a",
    }


def test_a_page_instead_of_the_record_is_no_answer(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.get(f"{XRPC}/com.atproto.repo.getRecord", body="<html></html>")
    server.post(f"{XRPC}/com.atproto.repo.putRecord", body="<html></html>")
    with pytest.raises(PlatformError) as unreadable:
        client.get_post("3mb")
    assert unreadable.value.outcome is Outcome.TRANSIENT
    with pytest.raises(PlatformError) as unreadable:
        client.put_post("3mb", {})
    assert unreadable.value.outcome is Outcome.AMBIGUOUS


# ---------------------------------------------------------------- registry, secrets


def test_every_call_of_the_client_has_a_row() -> None:
    source = inspect.getsource(client_module)
    keys = set(re.findall(r'"((?:GET|POST) [a-zA-Z{][^"]+)"', source)) - {"GET <nsid>"}
    for key in keys:
        SPEC.call(key)
    assert len(keys) == 20


def test_rows_are_unique_and_draw_on_known_buckets() -> None:
    assert len({call.key for call in CALLS}) == len(CALLS)
    buckets = {bucket.key for bucket in BUCKETS}
    assert all(set(call.draws) <= buckets for call in CALLS)


def test_a_put_costs_two_points_of_hour_and_day() -> None:
    draws = SPEC.call("POST com.atproto.repo.putRecord").draws
    assert (draws["writes_hour"], draws["writes_day"]) == (2, 2)


def test_no_secret_is_shown_or_logged(
    client: BlueskyClient,
    server: responses.RequestsMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="platforms")
    server.post(
        REFRESH,
        json={"error": "InvalidToken", "message": f"Malformed token {REFRESH_JWT}"},
        status=400,
    )
    server.post(ENTRYWAY, json=session())
    server.get(PROFILE, json={})
    with pytest.raises(PlatformError) as refused:
        client.refresh()
    tokens, identity = client.sign_in("ana@acme.example", PASSWORD)
    shown = repr((client.access, tokens, identity, refused.value)) + caplog.text
    shown += refused.value.detail + str(client.http.log)
    for secret in (ACCESS_JWT, REFRESH_JWT, PASSWORD):
        assert secret not in shown
    assert "com.atproto.server.refreshSession" in caplog.text


def test_the_entryway_stands_in_until_the_server_is_known() -> None:
    assert new_client().pds == "https://bsky.social"


@pytest.mark.parametrize(
    ("pds", "reach"),
    [
        ("https://bsky.social", Reach.APP),
        ("https://morel.us-east.host.bsky.network", Reach.APP),
        ("https://pds.acme.example", Reach.TOKEN),
    ],
)
def test_a_method_that_is_not_known_tells_of_our_app_at_bluesky_s_own_servers_only(
    client: BlueskyClient, pds: str, reach: Reach
) -> None:
    client.access = replace(client.access, extra={**client.access.extra, "pds": pds})
    unknown = client.error_from(answer(501, "MethodNotImplemented"), mutates=False)
    error = client.of_proof(unknown)
    assert (error.cause, error.reach) == (Cause.VERSION_ENDED, reach)
    other = client.of_proof(client.error_from(answer(404), mutates=False))
    assert other.cause is Cause.NOT_THIS_PLATFORM
