from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import Ability, Verdict
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.instagram.client import InstagramClient
from platforms.instagram.spec import NEEDED, SPEC

IG = "17841400000000001"
FB = "https://graph.facebook.com/v26.0"
OWN = "https://graph.instagram.com/v26.0"
HOSTS = {"facebook": FB, "instagram": OWN}
TOKEN = "https://api.instagram.com/oauth/access_token"
LONG = "https://graph.instagram.com/access_token"
REFRESH = "https://graph.instagram.com/refresh_access_token"
BASIC = "instagram_business_basic,instagram_business_content_publish"
ME = {
    "user_id": IG,
    "id": "24900000000000001",
    "username": "acmebakery",
    "name": "Acme",
    "account_type": "BUSINESS",
}
QUOTA = {"data": [{"quota_usage": 7, "config": {"quota_total": 100}}]}
ALL = tuple(scope for names in NEEDED["facebook"].values() for scope in names)


def fault(code: int, subcode: int = 0, message: str = "No") -> dict[str, Any]:
    error = {"message": message, "type": "OAuthException", "code": code}
    if subcode:
        error["error_subcode"] = subcode
    return {"error": {**error, "fbtrace_id": "A6Lx"}}


def alive(*scopes: str, **changes: Any) -> dict[str, Any]:
    facts = {"is_valid": True, "expires_at": 0, "scopes": list(scopes or ALL)}
    return {"data": {**facts, **changes}}


def query(call: Any) -> dict[str, str]:
    found = parse_qs(urlsplit(str(call.request.url)).query)
    return {name: values[0] for name, values in found.items()}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


# ------------------------------------------------------------------ connecting


FLAT = {"access_token": "short", "user_id": 1020, "permissions": BASIC.split(",")}
NESTED = {"data": [{"access_token": "short", "user_id": "1", "permissions": BASIC}]}


@pytest.mark.parametrize("short", [FLAT, NESTED], ids=["flat", "nested"])
def test_a_code_becomes_a_token_of_60_days(
    own: InstagramClient, api: responses.RequestsMock, short: dict
) -> None:
    api.post(TOKEN, json=short)
    api.get(LONG, json={"access_token": "long", "expires_in": 5183944})
    tokens = own.exchange_code("the-code#_", "https://app.example/cb", None)
    form = parse_qs(str(api.calls[0].request.body))
    assert form == {
        "client_id": ["1234567890"],
        "client_secret": ["app-secret"],
        "grant_type": ["authorization_code"],
        "redirect_uri": ["https://app.example/cb"],
        "code": ["the-code"],
    }
    assert query(api.calls[1]) == {
        "grant_type": "ig_exchange_token",
        "client_secret": "app-secret",
        "access_token": "short",
    }
    assert (tokens.access_token, tokens.refresh_token) == ("long", "long")
    assert tokens.scopes == tuple(BASIC.split(","))
    assert tokens.extra == {"variant": "instagram"}
    assert tokens.issued_at is not None
    assert tokens.expires_at == tokens.issued_at + timedelta(seconds=5183944)
    assert tokens.refresh_expires_at == tokens.expires_at
    assert own.authorize_url() == "https://www.instagram.com/oauth/authorize"


@pytest.mark.parametrize(
    ("said", "outcome", "cause"),
    [
        (
            "Matching code was not found or was already used",
            Outcome.AUTH_REVOKED,
            Cause.CODE_REFUSED,
        ),
        ("Invalid Client Secret", Outcome.PERMISSION, Cause.APP_REFUSED),
        ("Invalid redirect_uri", Outcome.PERMISSION, Cause.APP_REFUSED),
    ],
)
def test_the_other_envelope_of_the_exchange_is_read(
    own: InstagramClient,
    api: responses.RequestsMock,
    said: str,
    outcome: Outcome,
    cause: Cause,
) -> None:
    body = {"error_type": "OAuthException", "code": 400, "error_message": said}
    api.post(TOKEN, json=body, status=400)
    error = raised(lambda: own.exchange_code("c", "https://app.example/cb", None))
    assert (error.outcome, error.cause) == (outcome, cause)


@pytest.mark.trap("instagram", 14)
def test_a_refresh_gives_a_new_token_and_needs_no_secret(
    own: InstagramClient, api: responses.RequestsMock
) -> None:
    body = {"access_token": "new", "expires_in": 5183944, "permissions": BASIC}
    api.get(REFRESH, json=body)
    tokens = own.refresh()
    assert query(api.calls[0]) == {
        "grant_type": "ig_refresh_token",
        "access_token": "test-token",
    }
    assert (tokens.access_token, tokens.refresh_token) == ("new", "new")
    assert tokens.scopes == tuple(BASIC.split(","))


@pytest.mark.trap("instagram", 14)
def test_a_token_of_less_than_a_day_is_not_sent(
    client_for: Callable[..., InstagramClient], api: responses.RequestsMock
) -> None:
    young = client_for("instagram", issued_at=datetime.now(UTC) - timedelta(hours=20))
    error = raised(young.refresh)
    assert error.outcome is Outcome.TRANSIENT
    assert error.retry_after is not None
    assert 3 * 3600 < error.retry_after <= 4 * 3600
    assert not api.calls


def test_after_its_end_only_a_person_helps(
    own: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(REFRESH, json=fault(190, 463), status=400)
    error = raised(own.refresh)
    assert (error.outcome, error.cause) == (Outcome.AUTH_REVOKED, Cause.TOKEN_EXPIRED)


def test_an_account_that_came_through_facebook_has_no_refresh(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    assert raised(client.refresh).outcome is Outcome.AUTH_REVOKED
    assert not api.calls


@pytest.mark.parametrize("variant", ["facebook", "instagram"])
def test_nothing_revokes_an_account_by_itself(
    client_for: Callable[..., InstagramClient], variant: str
) -> None:
    with pytest.raises(NotImplementedError):
        client_for(variant).revoke()


@pytest.mark.trap("instagram", 7)
def test_the_id_of_paths_is_user_id(
    own: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(f"{OWN}/me", json=ME)
    (me,) = own.identities()
    assert (me.external_id, me.kind, me.handle) == (IG, "instagram", "acmebakery")
    assert me.url == "https://www.instagram.com/acmebakery/"
    assert me.extra == {"variant": "instagram", "account_type": "BUSINESS"}
    assert query(api.calls[0])["appsecret_proof"] == own.proof("test-token")


# ------------------------------------------------------------------ health


def world(api: responses.RequestsMock, variant: str, grant: dict | None = None) -> None:
    if variant == "facebook":
        api.get(f"{FB}/debug_token", json=grant or alive())
        api.get(f"{FB}/{IG}", json={"id": IG, "username": "acmebakery"})
    else:
        api.get(f"{OWN}/me", json=ME)


@pytest.mark.trap("instagram", 7)
@pytest.mark.parametrize("variant", ["facebook", "instagram"])
def test_an_account_that_can_do_all_is_proven_at_its_own_host(
    client_for: Callable[..., InstagramClient],
    own: InstagramClient,
    api: responses.RequestsMock,
    variant: str,
) -> None:
    client = own if variant == "instagram" else client_for(variant)
    world(api, variant, alive(data_access_expires_at=1998675200))
    api.get(f"{HOSTS[variant]}/{IG}/content_publishing_limit", json=QUOTA)
    proof = client.prove()
    assert {log.call for log in client.http.drain()} == set(client.calls_of_proof())
    assert {v.ok for v in proof.abilities.values()} == {True}
    assert proof.identity is not None
    assert proof.identity.external_id == IG
    is_told = variant == "facebook"
    assert (proof.data_access_ends_at is not None) == is_told
    hosts = {urlsplit(str(call.request.url)).hostname for call in api.calls}
    assert hosts == {f"graph.{variant}.com"}


@pytest.mark.trap("instagram", 6)
def test_the_posts_left_are_handed_to_the_ledger(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    from platforms.instagram.publish import Instagram

    api.get(f"{FB}/{IG}/content_publishing_limit", json=QUOTA)
    assert client.posts_left() == (7, 100)
    ((key, headers),) = client.http.usage.items()
    (told,) = Instagram().observe(key, headers, datetime.now(UTC))
    assert (told.bucket_key, told.limit, told.remaining) == ("posts", 100, 93)


@pytest.mark.parametrize(
    ("scope", "lost"),
    [
        ("instagram_content_publish", {Ability.PUBLISH}),
        ("instagram_manage_insights", {Ability.FIGURES}),
        ("instagram_basic", set(Ability)),
        ("pages_read_engagement", set(Ability)),
    ],
)
def test_each_ability_hangs_on_its_scopes(
    client: InstagramClient,
    api: responses.RequestsMock,
    scope: str,
    lost: set[Ability],
) -> None:
    world(api, "facebook", alive(*(s for s in ALL if s != scope)))
    if Ability.PUBLISH not in lost:
        api.get(f"{FB}/{IG}/content_publishing_limit", json=QUOTA)
    for ability, verdict in client.prove().abilities.items():
        missing = Verdict(False, Cause.SCOPE_MISSING, scope)
        assert verdict == (missing if ability in lost else Verdict(True))


def test_a_grant_for_another_account_is_none(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    targets = [{"scope": "instagram_content_publish", "target_ids": ["1784"]}]
    world(api, "facebook", alive(granular_scopes=targets))
    assert client.prove().abilities[Ability.PUBLISH].cause is Cause.SCOPE_MISSING


def test_the_end_of_data_access_ends_all(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    world(api, "facebook", alive(data_access_expires_at=1700000000))
    verdicts = client.prove().abilities.values()
    assert {v.cause for v in verdicts} == {Cause.DATA_ACCESS_ENDED}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (fault(10), Cause.SCOPE_MISSING),
        (fault(25, 2207050), Cause.ACCOUNT_LOCKED),
        (fault(100, 33), Cause.NOT_ALLOWED),
        (
            fault(10, message="The user is not an Instagram Business"),
            Cause.NOT_ALLOWED,
        ),
    ],
)
def test_the_posting_right_is_told_by_the_posts_left(
    own: InstagramClient, api: responses.RequestsMock, answer: dict, cause: Cause
) -> None:
    world(api, "instagram")
    api.get(f"{OWN}/{IG}/content_publishing_limit", json=answer, status=403)
    proof = own.prove()
    publish = proof.abilities[Ability.PUBLISH]
    assert (publish.ok, publish.cause) == (False, cause)
    assert proof.abilities[Ability.READ].ok


def test_an_account_whose_page_was_unlinked_can_do_nothing_and_the_token_lives(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(f"{FB}/debug_token", json=alive())
    api.get(f"{FB}/{IG}", json=fault(100, 33), status=400)
    proof = client.prove()
    assert {v.cause for v in proof.abilities.values()} == {Cause.NOT_ALLOWED}
    assert proof.identity is None


def test_an_account_that_is_private_again_cannot_publish(
    own: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(f"{OWN}/me", json={**ME, "account_type": "PERSONAL"})
    assert own.prove().abilities[Ability.PUBLISH].cause is Cause.NOT_ALLOWED


@pytest.mark.parametrize(
    ("code", "outcome", "cause"),
    [
        ((190, 460), Outcome.AUTH_REVOKED, Cause.PASSWORD_CHANGED),
        ((190, 0), Outcome.AUTH_EXPIRED, Cause.TOKEN_INVALID),
        ((190, 458), Outcome.AUTH_REVOKED, Cause.TOKEN_REVOKED),
    ],
)
def test_a_dead_token_is_recognised_without_debug_token(
    own: InstagramClient,
    api: responses.RequestsMock,
    code: tuple[int, int],
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.get(f"{OWN}/me", json=fault(*code), status=401)
    error = raised(own.prove)
    assert (error.outcome, error.cause) == (outcome, cause)


@pytest.mark.parametrize(
    "answer",
    [
        {"json": fault(2), "status": 500},
        {"json": fault(80002), "status": 400},
        {"json": fault(4), "status": 403},
        {"body": "<html></html>", "status": 403},
        {"body": requests.ReadTimeout()},
        {"json": {"data": []}},
    ],
)
@pytest.mark.parametrize("at", ["me", f"{IG}/content_publishing_limit"])
def test_trouble_proves_nothing(
    own: InstagramClient, api: responses.RequestsMock, answer: dict, at: str
) -> None:
    if at != "me":
        api.get(f"{OWN}/me", json=ME)
    api.get(f"{OWN}/{at}", **answer)
    assert raised(own.prove).outcome in {Outcome.TRANSIENT, Outcome.RATE_LIMITED}


# ------------------------------------------------------------------ errors

AMBIGUOUS, INVALID = Outcome.AMBIGUOUS, Outcome.INVALID_CONTENT
TRANSIENT, PERMISSION = Outcome.TRANSIENT, Outcome.PERMISSION


@pytest.mark.parametrize(
    ("body", "outcome", "cause"),
    [
        (fault(-2, 2207003), TRANSIENT, Cause.PLATFORM_TROUBLE),
        (fault(-2, 2207020), TRANSIENT, Cause.MEDIA_EXPIRED),
        (fault(-1, 2207001), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        # The finer number may be the code itself.
        (fault(2207001), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (fault(2207008), AMBIGUOUS, Cause.MEDIA_EXPIRED),
        (fault(2207051), Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(-1, 2207032), TRANSIENT, Cause.MEDIA_REFUSED),
        (fault(-1, 2207053), TRANSIENT, Cause.MEDIA_REFUSED),
        (fault(1, 2207057), INVALID, Cause.MEDIA_REFUSED),
        (fault(4, 2207051), Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(9, 2207042), Outcome.RATE_LIMITED, Cause.DAILY_LIMIT),
        (fault(24, 2207006), PERMISSION, Cause.NOT_ALLOWED),
        (fault(24, 2207008), AMBIGUOUS, Cause.MEDIA_EXPIRED),
        (fault(25, 2207050), PERMISSION, Cause.ACCOUNT_LOCKED),
        (fault(100, 2207023), INVALID, Cause.MEDIA_REFUSED),
        (fault(100, 2207028), INVALID, Cause.TOO_MANY_MEDIA),
        (fault(100, 2207035), INVALID, Cause.TEXT_REFUSED),
        (fault(100, 2207036), INVALID, Cause.TEXT_REFUSED),
        (fault(100, 2207037), INVALID, Cause.TEXT_REFUSED),
        (fault(-1, 2207076), TRANSIENT, Cause.MEDIA_REFUSED),
        (fault(-1, 2207077), TRANSIENT, Cause.MEDIA_REFUSED),
        (fault(-1, 2207082), TRANSIENT, Cause.MEDIA_REFUSED),
        (fault(100, 2207040), INVALID, Cause.TOO_MANY_TAGS),
        (fault(100, 2207081), INVALID, Cause.OPTION_UNKNOWN),
        (fault(100, 2207089), INVALID, Cause.MEDIA_REFUSED),
        (fault(352, 2207026), INVALID, Cause.MEDIA_TYPE),
        (fault(9004, 2207052), TRANSIENT, Cause.MEDIA_NOT_PUBLIC),
        (fault(9007, 2207027), TRANSIENT, Cause.MEDIA_NOT_READY),
        (fault(36000, 2207004), INVALID, Cause.MEDIA_TOO_LARGE),
        (fault(36001, 2207005), INVALID, Cause.MEDIA_TYPE),
        (fault(36003, 2207009), INVALID, Cause.MEDIA_SHAPE),
        (fault(36004, 2207010), INVALID, Cause.TEXT_TOO_LONG),
        (fault(36003), INVALID, Cause.MEDIA_SHAPE),
        (fault(20, 1772107), AMBIGUOUS, Cause.ANSWER_UNREADABLE),
        (fault(10), PERMISSION, Cause.SCOPE_MISSING),
        (fault(200), PERMISSION, Cause.SCOPE_MISSING),
        pytest.param(
            # Page Publishing Authorization, a second factor: asked for at any time.
            fault(200, 1404078),
            PERMISSION,
            Cause.ACCOUNT_LOCKED,
            marks=pytest.mark.trap("instagram", 9),
        ),
        (fault(200, 4854002), PERMISSION, Cause.ACCOUNT_LOCKED),
        (fault(100, 33), PERMISSION, Cause.NOT_ALLOWED),
        (fault(190, 460), Outcome.AUTH_REVOKED, Cause.PASSWORD_CHANGED),
        (fault(80002), Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(2), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        # Codes of its servers whose subcode nobody has named yet.
        (fault(-1, 2207999), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (fault(-2), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        ({}, AMBIGUOUS, Cause.ANSWER_UNREADABLE),
    ],
)
def test_each_answer_to_a_publish_has_its_outcome(
    client: InstagramClient,
    api: responses.RequestsMock,
    body: dict,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(f"{FB}/{IG}/media_publish", json=body, status=400 if body else 200)
    error = raised(lambda: client.publish("17889455560051444"))
    assert (error.outcome, error.cause) == (outcome, cause)


@pytest.mark.trap("instagram", 12)
def test_no_events_are_asked_for_so_none_comes_with_numbers_only() -> None:
    assert not SPEC.hook_name
    assert not SPEC.hook_by_account


def test_an_app_that_is_suspended_is_no_fault_of_the_account(
    own: InstagramClient, api: responses.RequestsMock
) -> None:
    body = fault(200, message="API access blocked.")
    api.get(f"{OWN}/me", json=body, status=400)
    error = raised(own.prove)
    assert (error.cause, error.reach) == (Cause.APP_SUSPENDED, Reach.APP)


def test_deleting_is_for_accounts_of_pages_only(
    client: InstagramClient, own: InstagramClient, api: responses.RequestsMock
) -> None:
    api.delete(f"{FB}/17920", json=fault(100, 33), status=400)
    client.delete_post("17920")  # gone already
    with pytest.raises(NotImplementedError):
        own.delete_post("17920")


def test_the_scopes_of_both_ways_have_rows() -> None:
    known = {scope.name for scope in SPEC.scopes}
    for abilities in NEEDED.values():
        for names in abilities.values():
            assert set(names) <= known
