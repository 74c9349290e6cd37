from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import Ability, Environment, Identity, MediaFile
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.facebook import spec
from platforms.facebook.client import FacebookClient

GRAPH = "https://graph.facebook.com/v26.0"
TOKEN = f"{GRAPH}/oauth/access_token"
DEBUG = f"{GRAPH}/debug_token"
PERMISSIONS = f"{GRAPH}/me/permissions"
PAGE, OTHER, INSTAGRAM = "104455667788990", "104455667788991", "17841400000000001"
ALL = spec.SPEC.oauth.scopes if spec.SPEC.oauth else ()
ENDS = 1798675200


def alive(*scopes: str, **changes: Any) -> dict[str, Any]:
    facts = {
        "app_id": "1234567890",
        "type": "USER",
        "is_valid": True,
        "expires_at": 1795000000,
        "issued_at": 1790899200,
        "data_access_expires_at": ENDS,
        "user_id": "10215200000000001",
        "scopes": list(scopes or ALL),
    }
    return {"data": {**facts, **changes}}


def dead(
    subcode: int, message: str = "Error validating access token"
) -> dict[str, Any]:
    error: dict[str, Any] = {"code": 190, "message": message}
    if subcode:
        error["subcode"] = subcode
    return {"data": {"is_valid": False, "scopes": [], "error": error}}


def fault(code: int, subcode: int = 0, message: str = "No", **more: Any) -> dict:
    error = {"message": message, "type": "OAuthException", "code": code, **more}
    if subcode:
        error["error_subcode"] = subcode
    return {"error": {**error, "fbtrace_id": "A1b2C3"}}


def page_row(number: str = PAGE, **changes: Any) -> dict[str, Any]:
    facts = {
        "id": number,
        "name": "Acme Bakery",
        "username": "acmebakery",
        "access_token": f"token-of-{number}",
        "tasks": ["ADVERTISE", "CREATE_CONTENT"],
        "picture": {"data": {"url": "https://cdn.example/a.jpg"}},
        "instagram_business_account": {"id": INSTAGRAM, "username": "acmebakery"},
    }
    return {**facts, **changes}


def query(call: Any) -> dict[str, str]:
    found = parse_qs(urlsplit(str(call.request.url)).query)
    return {name: values[0] for name, values in found.items()}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


# ------------------------------------------------------------------ proof


def test_the_proof_is_that_of_the_sheet(environment: Environment) -> None:
    client = FacebookClient(replace(environment, client_secret="key"))
    assert client.proof("value") == (
        "90fbfcf15e74a36b89dbdb2a721d9aecffdfdddc5c83e27f7592594f71932481"
    )


def test_every_call_carries_its_tokens_proof_in_the_query_and_no_token(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(DEBUG, json=alive())
    api.get(f"{GRAPH}/me", json={"id": PAGE, "name": "Acme Bakery"})
    page.prove()
    for call, token in zip(
        api.calls, ("1234567890|app-secret", "page-token"), strict=True
    ):
        assert call.request.headers["Authorization"] == f"Bearer {token}"
        assert query(call)["appsecret_proof"] == page.proof(token)
        assert "access_token" not in query(call)


# ------------------------------------------------------------------ connecting


def test_the_dialog_and_the_version_in_its_address(person: FacebookClient) -> None:
    assert person.authorize_url() == "https://www.facebook.com/v26.0/dialog/oauth"
    assert not spec.SPEC.oauth.pkce
    assert spec.SPEC.oauth.scope_delimiter == ","


def test_a_code_becomes_a_long_lived_token_with_the_scopes_that_were_given(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(TOKEN, json={"access_token": "short", "expires_in": 5108})
    api.get(TOKEN, json={"access_token": "long", "expires_in": 5183944})
    api.get(DEBUG, json=alive())
    rows = [
        {"permission": "pages_show_list", "status": "granted"},
        {"permission": "pages_manage_posts", "status": "granted"},
        {"permission": "read_insights", "status": "declined"},
        {"permission": "instagram_basic", "status": "expired"},
    ]
    api.get(PERMISSIONS, json={"data": rows})
    before = datetime.now(UTC)
    tokens = person.exchange_code("the-code", "https://app.example/cb", None)
    assert query(api.calls[0]) == {
        "client_id": "1234567890",
        "client_secret": "app-secret",
        "redirect_uri": "https://app.example/cb",
        "code": "the-code",
    }
    assert query(api.calls[1]) == {
        "grant_type": "fb_exchange_token",
        "client_id": "1234567890",
        "client_secret": "app-secret",
        "fb_exchange_token": "short",
    }
    assert query(api.calls[2])["input_token"] == "long"
    assert tokens.access_token == "long"
    assert tokens.refresh_token == ""
    assert tokens.scopes == ("pages_show_list", "pages_manage_posts")
    assert tokens.expires_at is not None
    assert tokens.expires_at >= before + timedelta(seconds=5183944)
    assert tokens.data_access_ends_at == datetime.fromtimestamp(ENDS, UTC)


def test_without_expires_in_debug_token_tells_the_end(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(TOKEN, json={"access_token": "short"})
    api.get(TOKEN, json={"access_token": "long"})
    api.get(DEBUG, json=alive())
    api.get(PERMISSIONS, json={"data": []})
    tokens = person.exchange_code("c", "https://app.example/cb", None)
    assert tokens.expires_at == datetime.fromtimestamp(1795000000, UTC)


@pytest.mark.parametrize(
    ("body", "status", "outcome", "cause", "reach"),
    [
        (fault(100, 36009), 400, Outcome.AUTH_REVOKED, Cause.CODE_REFUSED, Reach.TOKEN),
        (fault(100, 36007), 400, Outcome.AUTH_REVOKED, Cause.CODE_REFUSED, Reach.TOKEN),
        (
            fault(100, message="This authorization code has been used."),
            400,
            Outcome.AUTH_REVOKED,
            Cause.CODE_REFUSED,
            Reach.TOKEN,
        ),
        (fault(100, 36008), 400, Outcome.PERMISSION, Cause.APP_REFUSED, Reach.APP),
        (
            fault(1, message="Error validating client secret."),
            400,
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
            Reach.APP,
        ),
        (fault(101), 400, Outcome.PERMISSION, Cause.APP_REFUSED, Reach.APP),
        (fault(2), 500, Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE, Reach.PLATFORM),
        (fault(4), 400, Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS, Reach.APP),
    ],
)
def test_a_refused_code_is_told_from_a_refused_app(
    person: FacebookClient,
    api: responses.RequestsMock,
    body: dict,
    status: int,
    outcome: Outcome,
    cause: Cause,
    reach: Reach,
) -> None:
    api.get(TOKEN, json=body, status=status)
    error = raised(lambda: person.exchange_code("c", "https://app.example/cb", None))
    assert (error.outcome, error.cause, error.reach) == (outcome, cause, reach)


def test_an_expired_token_cannot_be_traded(
    person: FacebookClient, api: responses.RequestsMock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(spec, "RENEWS_LONG_LIVED", True)
    api.get(TOKEN, json=fault(190, 463), status=400)
    assert raised(person.refresh).outcome is Outcome.AUTH_EXPIRED


def test_nothing_is_renewed_unless_it_is_switched_on(
    person: FacebookClient, api: responses.RequestsMock, monkeypatch: Any
) -> None:
    error = raised(person.refresh)
    assert (error.outcome, error.cause) == (Outcome.AUTH_REVOKED, Cause.TOKEN_EXPIRED)
    assert not api.calls
    monkeypatch.setattr(spec, "RENEWS_LONG_LIVED", True)
    api.get(TOKEN, json={"access_token": "longer", "expires_in": 100})
    api.get(DEBUG, json=alive())
    api.get(PERMISSIONS, json={"data": []})
    tokens = person.refresh()
    assert query(api.calls[0])["fb_exchange_token"] == "user-token"
    assert (tokens.access_token, tokens.refresh_token) == ("longer", "longer")


def test_a_person_is_revoked_and_a_page_by_itself_is_not(
    person: FacebookClient, page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.delete(PERMISSIONS, json={"success": True})
    person.revoke()
    api.delete(PERMISSIONS, json=fault(190, 458), status=400)
    person.revoke()
    with pytest.raises(NotImplementedError):
        page.revoke()
    assert len(api.calls) == 2


# ------------------------------------------------------------------ whom it may act for


def tree(api: responses.RequestsMock, grant: dict, *pages: dict, **more: Any) -> None:
    api.get(DEBUG, json=grant)
    api.get(f"{GRAPH}/me", json={"id": "10215200000000001", "name": "Ana Lopez"})
    if "pages_show_list" in grant["data"]["scopes"]:
        api.get(f"{GRAPH}/me/accounts", json={"data": list(pages), **more})


LIST_ONLY = ("pages_show_list", "pages_read_engagement", "pages_manage_posts")


def test_the_person_comes_first_then_each_page_with_its_token_and_its_instagram(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    scopes = tuple(scope for scope in ALL if scope != "business_management")
    tree(api, alive(*scopes), page_row())
    me, page, instagram = person.identities()
    assert (me.kind, me.name, me.can_publish) == ("user", "Ana Lopez", False)
    assert me.tokens is None
    assert page == Identity(
        external_id=PAGE,
        kind="page",
        name="Acme Bakery",
        handle="acmebakery",
        url="https://www.facebook.com/acmebakery",
        avatar_url="https://cdn.example/a.jpg",
        extra={"tasks": ["ADVERTISE", "CREATE_CONTENT"]},
        tokens=page.tokens,
    )
    assert page.tokens is not None
    assert page.tokens.access_token == f"token-of-{PAGE}"
    assert page.tokens.expires_at is None
    assert page.tokens.scopes == scopes
    assert page.tokens.data_access_ends_at == datetime.fromtimestamp(ENDS, UTC)
    assert (instagram.platform, instagram.via) == ("instagram", PAGE)
    assert (instagram.external_id, instagram.handle) == (INSTAGRAM, "acmebakery")
    assert instagram.extra == {"variant": "facebook"}
    assert instagram.can_publish
    assert instagram.tokens is None
    assert "token-of" not in repr(page)


def test_lists_are_read_to_their_end_without_following_addresses(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    more = {
        "paging": {
            "cursors": {"after": "QVFI"},
            "next": "https://evil.example/?token=x",
        }
    }
    tree(api, alive(*LIST_ONLY), **more)
    last = page_row(OTHER, instagram_business_account=None)
    api.get(f"{GRAPH}/me/accounts", json={"data": [last]})
    assert [i.external_id for i in person.identities()][1:] == [OTHER]
    assert query(api.calls[-1])["after"] == "QVFI"
    assert "instagram" not in query(api.calls[-1])["fields"]


@pytest.mark.trap("facebook", 3)
def test_pages_of_a_portfolio_are_found_and_the_copy_with_a_token_wins(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    tree(
        api,
        alive(*LIST_ONLY, "business_management"),
        page_row(access_token="", tasks=None),
    )
    api.get(f"{GRAPH}/me/businesses", json={"data": [{"id": "77"}, {"id": "78"}]})
    api.get(f"{GRAPH}/77/owned_pages", json={"data": [page_row()]})
    api.get(f"{GRAPH}/77/client_pages", json={"data": [page_row(OTHER, tasks=None)]})
    api.get(f"{GRAPH}/78/owned_pages", json=fault(200), status=403)
    api.get(f"{GRAPH}/78/client_pages", json={"data": []})
    first, second = (i for i in person.identities() if i.kind == "page")
    assert (first.external_id, first.can_publish) == (PAGE, True)
    assert (second.external_id, second.can_publish) == (OTHER, True)


@pytest.mark.trap("facebook", 3)
def test_a_page_that_only_the_grant_names_is_asked_for(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    targets = [{"scope": "pages_manage_posts", "target_ids": [PAGE, OTHER]}]
    tree(api, alive(*LIST_ONLY, granular_scopes=targets))
    api.get(f"{GRAPH}/{PAGE}", json=page_row(instagram_business_account=None))
    api.get(f"{GRAPH}/{OTHER}", json=fault(100, 33), status=400)
    _me, page = person.identities()
    assert (page.external_id, page.can_publish) == (PAGE, True)


@pytest.mark.parametrize(
    ("row", "grant"),
    [
        (page_row(tasks=["ANALYZE"]), alive()),
        (page_row(), alive("pages_show_list", "pages_read_engagement")),
        (
            page_row(),
            alive(
                granular_scopes=[{"scope": "pages_manage_posts", "target_ids": [OTHER]}]
            ),
        ),
    ],
    ids=["no task", "no scope", "not for this page"],
)
def test_a_page_that_may_not_be_posted_to_is_not_offered(
    person: FacebookClient, api: responses.RequestsMock, row: dict, grant: dict
) -> None:
    scopes = [s for s in grant["data"]["scopes"] if s != "business_management"]
    grant = {"data": {**grant["data"], "scopes": scopes}}
    tree(api, grant, row)
    if grant["data"].get("granular_scopes"):
        api.get(f"{GRAPH}/{OTHER}", json=fault(100, 33), status=400)
    page = person.identities()[1]
    assert not page.can_publish
    assert page.tokens is not None


def test_a_page_without_a_token_is_listed_and_cannot_be_published_to(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    scopes = tuple(scope for scope in ALL if scope != "business_management")
    row = page_row(access_token=None)
    tree(api, alive(*scopes), row)
    api.get(f"{GRAPH}/{PAGE}", json={"id": PAGE, "name": "Acme Bakery"})
    _me, page, instagram = person.identities()
    assert (page.can_publish, page.tokens) == (False, None)
    assert not instagram.can_publish


def test_an_instagram_account_needs_its_own_scope_for_itself(
    person: FacebookClient, api: responses.RequestsMock
) -> None:
    scopes = tuple(scope for scope in ALL if scope != "business_management")
    targets = [{"scope": "instagram_content_publish", "target_ids": ["1784"]}]
    tree(api, alive(*scopes, granular_scopes=targets), page_row())
    _me, page, instagram = person.identities()
    assert page.can_publish
    assert not instagram.can_publish


@pytest.mark.trap("facebook", 8)
def test_no_events_are_subscribed_so_nobody_s_list_of_them_is_replaced() -> None:
    assert spec.SPEC.call("POST /:page/subscribed_apps").later
    assert not spec.SPEC.hook_name
    assert not spec.SPEC.hook_by_account


# ------------------------------------------------------------------ health


def prove(
    client: FacebookClient, api: responses.RequestsMock, grant: dict
) -> dict[Ability, tuple[bool | None, Cause | None, str]]:
    api.get(DEBUG, json=grant)
    api.get(f"{GRAPH}/me", json={"id": PAGE, "name": "Acme Bakery"})
    verdicts = client.prove().abilities
    return {ability: (v.ok, v.cause, v.detail) for ability, v in verdicts.items()}


def test_a_living_page_token_can_do_all_and_tells_its_ends(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(DEBUG, json=alive(expires_at=0, type="PAGE"))
    api.get(f"{GRAPH}/me", json={"id": PAGE, "name": "Acme Bakery"})
    proof = page.prove()
    assert {log.call for log in page.http.drain()} == set(page.calls_of_proof())
    assert {v.ok for v in proof.abilities.values()} == {True}
    assert proof.expires_at is None
    assert proof.data_access_ends_at == datetime.fromtimestamp(ENDS, UTC)
    assert proof.scopes == ALL
    assert proof.identity is not None
    assert (proof.identity.kind, proof.identity.external_id) == ("page", PAGE)


@pytest.mark.parametrize(
    ("scope", "lost"),
    [
        ("pages_manage_posts", {Ability.PUBLISH}),
        ("read_insights", {Ability.FIGURES}),
        ("pages_read_engagement", set(Ability)),
    ],
)
@pytest.mark.parametrize("how", ["gone", "for another page"])
def test_each_ability_hangs_on_its_scopes(
    page: FacebookClient,
    api: responses.RequestsMock,
    scope: str,
    lost: set[Ability],
    how: str,
) -> None:
    if how == "gone":
        grant = alive(*(s for s in ALL if s != scope))
    else:
        grant = alive(granular_scopes=[{"scope": scope, "target_ids": [OTHER]}])
    for ability, verdict in prove(page, api, grant).items():
        wanted = (False, Cause.SCOPE_MISSING, scope)
        assert verdict == (wanted if ability in lost else (True, None, ""))


@pytest.mark.parametrize(
    ("asked", "status", "body", "outcome", "cause"),
    [
        (DEBUG, 400, fault(190), Outcome.PERMISSION, Cause.APP_REFUSED),
        (DEBUG, 503, fault(190), Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (DEBUG, 500, fault(104), Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (f"{GRAPH}/me", 400, fault(190, 492), Outcome.AUTH_REVOKED, Cause.ROLE_LOST),
        (
            f"{GRAPH}/me",
            500,
            fault(190, 492),
            Outcome.TRANSIENT,
            Cause.PLATFORM_TROUBLE,
        ),
    ],
)
def test_a_server_in_trouble_proves_nothing_of_a_token_or_of_our_app(
    page: FacebookClient,
    api: responses.RequestsMock,
    asked: str,
    status: int,
    body: dict,
    outcome: Outcome,
    cause: Cause,
) -> None:
    if asked != DEBUG:
        api.get(DEBUG, json=alive())
    api.get(asked, json=body, status=status)
    error = raised(page.prove)
    assert (error.outcome, error.cause) == (outcome, cause)


def test_the_scopes_of_instagram_stay_with_the_page_that_serves_it(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    targets = [{"scope": "instagram_content_publish", "target_ids": [INSTAGRAM]}]
    api.get(DEBUG, json=alive(granular_scopes=targets))
    api.get(f"{GRAPH}/me", json={"id": PAGE})
    assert "instagram_content_publish" in (page.prove().scopes or ())


@pytest.mark.trap("facebook", 2)
@pytest.mark.parametrize(
    ("subcode", "outcome", "cause"),
    [
        (0, Outcome.AUTH_EXPIRED, Cause.TOKEN_INVALID),
        (458, Outcome.AUTH_REVOKED, Cause.TOKEN_REVOKED),
        (459, Outcome.AUTH_REVOKED, Cause.ACCOUNT_LOCKED),
        (460, Outcome.AUTH_REVOKED, Cause.PASSWORD_CHANGED),
        (463, Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED),
        (464, Outcome.AUTH_REVOKED, Cause.ACCOUNT_LOCKED),
        (467, Outcome.AUTH_REVOKED, Cause.TOKEN_REVOKED),
        (490, Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED),
        (492, Outcome.AUTH_REVOKED, Cause.ROLE_LOST),
    ],
)
def test_every_death_has_its_cause_in_both_places(
    page: FacebookClient,
    api: responses.RequestsMock,
    subcode: int,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.get(DEBUG, json=dead(subcode))
    error = raised(page.prove)
    assert (error.outcome, error.cause) == (outcome, cause)
    api.replace(responses.GET, DEBUG, json=alive())
    api.get(f"{GRAPH}/me", json=fault(190, subcode), status=401)
    error = raised(page.prove)
    assert (error.outcome, error.cause) == (outcome, cause)
    assert error.request_id == "A1b2C3"


@pytest.mark.trap("facebook", 9)
@pytest.mark.parametrize(
    "answer",
    [
        {"json": fault(2), "status": 500},
        {"json": fault(1), "status": 500},
        {"body": "<html>Bad gateway</html>", "status": 502},
        {"json": fault(4, message="(#4) Application request limit"), "status": 403},
        {"json": fault(17), "status": 400},
        {"json": fault(32), "status": 400},
        {"json": fault(613, 1996), "status": 400},
        {"json": fault(80001), "status": 400},
        {"body": "slow down", "status": 429},
        {"body": requests.ConnectionError("reset")},
        {"json": {"unexpected": True}},
        {"json": {"data": {"is_valid": None}}},
        {"body": "<html>blocked</html>", "status": 403},
    ],
)
def test_trouble_and_throttling_prove_nothing(
    page: FacebookClient, api: responses.RequestsMock, answer: dict
) -> None:
    api.get(DEBUG, **answer)
    error = raised(page.prove)
    assert error.outcome in {
        Outcome.TRANSIENT,
        Outcome.RATE_LIMITED,
        Outcome.PLATFORM_DOWN,
    }


@pytest.mark.parametrize("code", [(190, 0), (104, 0), (190, 467)])
def test_a_secret_of_ours_that_is_wrong_ends_no_account(
    page: FacebookClient, api: responses.RequestsMock, code: tuple[int, int]
) -> None:
    api.get(DEBUG, json=fault(*code), status=400)
    error = raised(page.prove)
    assert (error.outcome, error.cause) == (Outcome.PERMISSION, Cause.APP_REFUSED)
    assert error.reach is Reach.APP


# ------------------------------------------------------------------ errors


def post(page: FacebookClient) -> Callable[[], Any]:
    return lambda: page.create_post(PAGE, {"message": "Hello"})


AMBIGUOUS, INVALID, LIMITED, AUTH_REVOKED = (
    Outcome.AMBIGUOUS,
    Outcome.INVALID_CONTENT,
    Outcome.RATE_LIMITED,
    Outcome.AUTH_REVOKED,
)
ROLE = (
    "(#200) If posting to a page, requires both pages_read_engagement and "
    "pages_manage_posts as an admin with sufficient administrative permission"
)
IMPERSONATING = (
    "Any of the pages_read_engagement, pages_show_list permission(s) must be granted "
    "before impersonating a user's page."
)
LONG = (
    "(#100) Object does not exist, cannot be loaded due to missing permission or "
    "reviewable feature, or does not support this operation."
)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (500, fault(1), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (500, fault(2, is_transient=True), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (400, fault(1, 99), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (503, fault(0), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (400, fault(20, 1772107), AMBIGUOUS, Cause.ANSWER_UNREADABLE),
        (400, fault(3), Outcome.PERMISSION, Cause.APP_REFUSED),
        (403, fault(10), Outcome.PERMISSION, Cause.SCOPE_MISSING),
        (403, fault(200, message=ROLE), Outcome.PERMISSION, Cause.SCOPE_MISSING),
        (403, fault(240), Outcome.PERMISSION, Cause.SCOPE_MISSING),
        (403, fault(283), Outcome.PERMISSION, Cause.SCOPE_MISSING),
        (403, fault(210), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (400, fault(100, message=LONG), Outcome.PERMISSION, Cause.SCOPE_MISSING),
        (400, fault(100, 33), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (400, fault(100), INVALID, Cause.UNKNOWN_REFUSAL),
        (
            403,
            fault(200, message="API access blocked."),
            Outcome.PERMISSION,
            Cause.APP_SUSPENDED,
        ),
        # Of a permission, although it carries the code of tokens.
        (400, fault(190, 0, IMPERSONATING), Outcome.PERMISSION, Cause.SCOPE_MISSING),
        (400, fault(102, 463), Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED),
        (401, fault(104), Outcome.AUTH_REVOKED, Cause.TOKEN_INVALID),
        (
            400,
            fault(100, message="Invalid appsecret_proof provided in the API argument"),
            Outcome.PERMISSION,
            Cause.APP_REFUSED,
        ),
        (400, fault(102), Outcome.AUTH_EXPIRED, Cause.TOKEN_INVALID),
        (400, fault(190, 464), Outcome.AUTH_REVOKED, Cause.ACCOUNT_LOCKED),
        (400, fault(324), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(382), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(389), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(6000), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(6001), Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (400, fault(100, 1363040), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(100, 1363127), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(1363128), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(100, 1363129), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(100, 1363047), Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (400, fault(100, 1366046), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(1366046), INVALID, Cause.MEDIA_REFUSED),
        (400, fault(506), Outcome.DUPLICATE, Cause.DUPLICATE_TEXT),
        (400, fault(100, 1366051), Outcome.DUPLICATE, Cause.DUPLICATE_TEXT),
        (
            400,
            fault(368, message="You've already posted this"),
            Outcome.DUPLICATE,
            Cause.DUPLICATE_TEXT,
        ),
        (400, fault(368), LIMITED, Cause.TOO_MANY_REQUESTS),
        (400, fault(368, 1390008), LIMITED, Cause.TOO_MANY_REQUESTS),
        (400, fault(368, 1346003), INVALID, Cause.TEXT_REFUSED),
        (400, fault(368, 1404102), INVALID, Cause.TEXT_REFUSED),
        (403, fault(4), LIMITED, Cause.TOO_MANY_REQUESTS),
        (400, fault(17), LIMITED, Cause.TOO_MANY_REQUESTS),
        (400, fault(32), LIMITED, Cause.TOO_MANY_REQUESTS),
        (400, fault(613, 1996), LIMITED, Cause.TOO_MANY_REQUESTS),
        (400, fault(341), LIMITED, Cause.TOO_MANY_REQUESTS),
        (400, fault(80001), LIMITED, Cause.TOO_MANY_REQUESTS),
        (404, fault(803), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (400, fault(200, 1404006), Outcome.PERMISSION, Cause.ACCOUNT_LOCKED),
        (400, fault(1404112), Outcome.PERMISSION, Cause.ACCOUNT_LOCKED),
        (400, fault(200, 1404078), Outcome.PERMISSION, Cause.ACCOUNT_LOCKED),
        (400, fault(200, 4854002), Outcome.PERMISSION, Cause.ACCOUNT_LOCKED),
        (400, fault(100, 1609005), INVALID, Cause.LINK_REFUSED),
        (400, fault(100, 1609008), INVALID, Cause.LINK_REFUSED),
        (400, fault(100, 2061006), INVALID, Cause.LINK_REFUSED),
        (400, fault(100, 1609010), Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        (
            400,
            fault(2500, message="This API version is no longer available"),
            Outcome.PLATFORM_DOWN,
            Cause.VERSION_ENDED,
        ),
        (
            400,
            fault(2635, message="You are calling a deprecated version of the API"),
            Outcome.PLATFORM_DOWN,
            Cause.VERSION_ENDED,
        ),
        (
            400,
            fault(100, message="(#100) field is deprecated for versions v3.3 and up"),
            INVALID,
            Cause.UNKNOWN_REFUSAL,
        ),
        (200, {"success": True}, AMBIGUOUS, Cause.ANSWER_UNREADABLE),
    ],
)
def test_each_answer_to_a_post_has_its_outcome(
    page: FacebookClient,
    api: responses.RequestsMock,
    status: int,
    body: dict,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(f"{GRAPH}/{PAGE}/feed", json=body, status=status)
    error = raised(post(page))
    assert (error.outcome, error.cause) == (outcome, cause)
    assert len(api.calls) == 1


@pytest.mark.trap("facebook", 4)
@pytest.mark.parametrize(("subcode", "wait_s"), [(1390008, 1800), (0, 6 * 3600)])
def test_who_posted_too_fast_waits_and_other_blocks_take_long(
    page: FacebookClient, api: responses.RequestsMock, subcode: int, wait_s: int
) -> None:
    api.post(f"{GRAPH}/{PAGE}/feed", json=fault(368, subcode), status=400)
    error = raised(post(page))
    assert (error.retry_after, error.ends_access) == (wait_s, False)


@pytest.mark.trap("facebook", 9)
@pytest.mark.trap("facebook", 10)
@pytest.mark.parametrize(
    ("code", "said", "outcome"),
    [
        ((4, 0), "(#4) Anfragelimit der App, 190490", LIMITED),
        ((506, 0), "(#506) Statusmeldung doppelt: 190/463 490", Outcome.DUPLICATE),
        ((100, 1609005), "Link expired for this access token", INVALID),
        ((190, 460), "Das Passwort wurde geändert. duplicate 506", AUTH_REVOKED),
        ((368, 1390008), "Warte. Session expired", LIMITED),
    ],
)
def test_codes_decide_and_neither_the_type_nor_words_and_numbers_in_the_text(
    page: FacebookClient,
    api: responses.RequestsMock,
    code: tuple[int, int],
    said: str,
    outcome: Outcome,
) -> None:
    """The type of all of them is OAuthException, and texts are translated."""
    body = fault(*code, said)
    assert body["error"]["type"] == "OAuthException"
    api.post(f"{GRAPH}/{PAGE}/feed", json=body, status=400)
    error = raised(post(page))
    assert error.outcome is outcome
    assert error.ends_access is (outcome is AUTH_REVOKED)


def test_the_end_of_a_version_is_told_by_no_server_in_trouble(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    body = fault(2, message="This version of the service is not available")
    api.get(f"{GRAPH}/me", json=body, status=500)
    error = raised(page.me)
    assert (error.outcome, error.cause) == (
        Outcome.TRANSIENT,
        Cause.PLATFORM_TROUBLE,
    )


def test_a_lost_photo_upload_is_no_doubt_for_nobody_sees_it(
    page: FacebookClient, api: responses.RequestsMock, image: Callable[..., MediaFile]
) -> None:
    api.post(f"{GRAPH}/{PAGE}/photos", json=fault(2), status=500)
    assert raised(lambda: page.add_photo(PAGE, image())).outcome is Outcome.TRANSIENT


def test_the_headers_tell_how_long_a_limit_lasts(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    usage = '{"77":[{"type":"pages","call_count":103,"estimated_time_to_regain_access":12}]}'
    api.post(
        f"{GRAPH}/{PAGE}/feed",
        json=fault(80001),
        status=400,
        headers={"X-Business-Use-Case-Usage": usage},
    )
    assert raised(post(page)).retry_after == 12 * 60


def test_meta_s_words_for_people_are_kept_and_secrets_are_not(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    said = "Error validating access token: The session of EAAGm0PX4ZCps and page-token"
    body = fault(100, message=said, error_user_msg="Das Bild ist zu klein.")
    api.post(f"{GRAPH}/{PAGE}/feed", json=body, status=400)
    error = raised(post(page))
    assert error.detail == (
        "Das Bild ist zu klein. Error validating access token - The session of "
        "[removed] and [removed]"
    )
