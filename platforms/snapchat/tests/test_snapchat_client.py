import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses

from platforms.base import Ability, Figure
from platforms.errors import Cause, NotFound, Outcome, PlatformError, Reach
from platforms.snapchat.client import SnapchatClient
from platforms.snapchat.sealed import Seal
from platforms.snapchat.spec import SPEC

from .conftest import API, answer, refusal, video

TOKEN = "https://accounts.snapchat.com/login/oauth2/access_token"
PROFILES = API + "/v1/public_profiles"
MINE, ME = PROFILES + "/my_profile", PROFILES + "/p-1"
STORIES, SPOTLIGHTS = ME + "/stories", ME + "/spotlights"
TOKENS = {
    "access_token": "eyJ-new",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "hCg-new",
    "scope": "snapchat-profile-api",
}
ACME = {
    "id": "p-1",
    "organization_id": "o-1",
    "display_name": "Acme Garden",
    "snap_user_name": "acmegarden",
    "subscriber_count": "905",
    "logo_urls": {"original_logo_url": "https://cf-st.sc-cdn.net/a.png"},
}
BOTH = {**ACME, "id": "p-2", "display_name": "Acme Kitchen"}


def refused(call: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        call()
    return caught.value


# ------------------------------------------------------------------ connecting


def test_a_code_is_traded_for_tokens_of_an_hour(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    api.post(TOKEN, json=TOKENS)
    tokens = client.exchange_code("code-1", "https://hub.example.com/cb/", None)
    assert parse_qs(str(api.calls[0].request.body)) == {
        "client_id": ["uuid"],
        "client_secret": ["app-secret"],
        "grant_type": ["authorization_code"],
        "code": ["code-1"],
        "redirect_uri": ["https://hub.example.com/cb/"],
    }
    assert tokens.issued_at
    assert tokens.expires_at == tokens.issued_at + timedelta(hours=1)
    assert tokens.refresh_expires_at is None
    assert tokens.scopes == ("snapchat-profile-api",)


def test_a_renewal_may_bring_a_new_refresh_token_or_none_and_half_an_hour(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    api.post(TOKEN, json={"access_token": "a", "expires_in": 1800})
    tokens = client.refresh()
    assert tokens.refresh_token == ""
    assert tokens.issued_at
    assert tokens.expires_at == tokens.issued_at + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("status", "word", "outcome", "cause", "reach"),
    [
        (400, "invalid_grant", Outcome.AUTH_REVOKED, Cause.REFRESH_REFUSED, "token"),
        (401, "invalid_grant", Outcome.AUTH_REVOKED, Cause.REFRESH_REFUSED, "token"),
        # Login Kit's credentials look alike, and end so.
        (401, "invalid_client", Outcome.PERMISSION, Cause.APP_REFUSED, "app"),
        (400, "invalid_scope", Outcome.PERMISSION, Cause.APP_REFUSED, "app"),
        (503, "", Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE, "post"),
    ],
)
def test_a_refused_renewal_tells_the_account_from_the_app(
    client: SnapchatClient,
    api: responses.RequestsMock,
    status: int,
    word: str,
    outcome: Outcome,
    cause: Cause,
    reach: str,
) -> None:
    api.post(TOKEN, json={"error": word} if word else {}, status=status)
    error = refused(client.refresh)
    assert (error.outcome, error.cause, error.reach) == (outcome, cause, reach)


@pytest.mark.parametrize(
    "mine",
    [
        answer(public_profile=ACME),
        answer(
            public_profiles=[{"sub_request_status": "SUCCESS", "public_profile": ACME}]
        ),
    ],
)
def test_one_token_reaches_all_profiles_with_a_role(
    client: SnapchatClient, api: responses.RequestsMock, mine: dict[str, Any]
) -> None:
    api.get(MINE, json=mine)
    listed = API + "/v1/organizations/o-1/public_profiles"
    pages = [
        answer(public_profiles=[ACME], paging={"next_page_id": "n2"}),
        answer(public_profiles=[{"public_profile": BOTH}], paging={}),
    ]
    for page in pages:
        api.get(listed, json=page)
    found = client.identities()
    assert [(i.external_id, i.name) for i in found] == [
        ("p-1", "Acme Garden"),
        ("p-2", "Acme Kitchen"),
    ]
    assert found[0].avatar_url == "https://cf-st.sc-cdn.net/a.png"
    assert api.calls[2].request.params["cursor"] == "n2"


def test_without_the_right_to_list_there_is_the_persons_own_profile(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    api.get(MINE, json=answer(public_profile=ACME))
    denied = refusal("AUTHORIZATION_PERMISSION_DENIED")
    api.get(API + "/v1/organizations/o-1/public_profiles", json=denied, status=403)
    assert [i.external_id for i in client.identities()] == ["p-1"]


@pytest.mark.parametrize("status", [404, 200])
def test_who_has_no_public_profile_has_nothing_to_choose_from(
    client: SnapchatClient, api: responses.RequestsMock, status: int
) -> None:
    api.get(MINE, json=refusal(""), status=status)
    assert client.identities() == []


# ------------------------------------------------------------------ health


def test_the_list_of_spotlights_proves_the_right_to_post(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    api.get(ME, json=answer(public_profile=ACME))
    api.get(SPOTLIGHTS, json=answer(spotlights=[]))
    proof = client.prove()
    assert proof.identity
    assert proof.identity.external_id == "p-1"
    assert all(verdict.ok for verdict in proof.abilities.values())
    assert {log.call for log in client.http.drain()} == set(client.calls_of_proof())


@pytest.mark.trap("snapchat", 2)
@pytest.mark.parametrize("denied_at", [ME, SPOTLIGHTS])
def test_a_denial_names_all_that_it_may_mean(
    client: SnapchatClient, api: responses.RequestsMock, denied_at: str
) -> None:
    denied = refusal("AUTHORIZATION_PERMISSION_DENIED")
    if denied_at == SPOTLIGHTS:
        api.get(ME, json=answer(public_profile=ACME))
    api.get(denied_at, json=denied, status=403)
    verdict = client.prove().abilities[Ability.PUBLISH]
    assert (verdict.ok, verdict.cause) == (False, Cause.NOT_ALLOWED)
    assert "list" in verdict.detail
    assert "role" in verdict.detail


def test_a_profile_that_is_gone_ends_the_account(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    api.get(ME, json=refusal("E3003"), status=404)
    error = refused(client.prove)
    assert isinstance(error, NotFound)
    assert error.cause is Cause.ACCOUNT_GONE
    assert error.ends_access


@pytest.mark.parametrize(
    ("status", "fixed_path", "cause"),
    [
        (410, 410, Cause.VERSION_ENDED),
        (410, 200, Cause.ACCOUNT_GONE),
        # Snap says so to people without a profile of their own.
        (410, 404, Cause.ACCOUNT_GONE),
        (404, None, Cause.ACCOUNT_GONE),
    ],
)
def test_a_version_has_ended_where_a_path_without_an_id_is_gone_for_good(
    client: SnapchatClient,
    api: responses.RequestsMock,
    status: int,
    fixed_path: int | None,
    cause: Cause,
) -> None:
    api.get(ME, json=refusal(""), status=status)
    if fixed_path:
        body = answer(public_profile=ACME) if fixed_path == 200 else refusal("")
        api.get(MINE, json=body, status=fixed_path)
    error = refused(client.prove)
    assert error.cause is cause
    assert error.ends_access is (cause is Cause.ACCOUNT_GONE)


# ------------------------------------------------------------------ refusals


@pytest.mark.trap("snapchat", 3)
@pytest.mark.trap("snapchat", 7)
@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (200, refusal("MEDIA_PROCESSING"), "transient", "media_not_ready"),
        (400, refusal("MEDIA_PROCESSING"), "transient", "media_not_ready"),
        (200, refusal("MEDIA_EXPIRED"), "transient", "media_expired"),
        (
            200,
            refusal("MEDIA_POSTING_ALREADY_IN_PROGRESS"),
            "ambiguous",
            "already_there",
        ),
        (200, refusal("BAD_FIELD"), "invalid_content", "text_refused"),
        (400, refusal(""), "invalid_content", "text_refused"),
        (401, {"error": "invalid_token"}, "auth_expired", "token_expired"),
        (401, refusal("E3002"), "auth_expired", "token_expired"),
        (401, refusal(""), "auth_expired", "token_expired"),
        (
            403,
            refusal("AUTHORIZATION_PERMISSION_DENIED"),
            "permission",
            "not_allowed",
        ),
        (404, refusal("E3003"), "not_found", "not_there"),
        (409, refusal(""), "duplicate", "duplicate_text"),
        (413, {}, "invalid_content", "media_too_large"),
        (429, {}, "rate_limited", "too_many_requests"),
        (503, refusal(""), "ambiguous", "platform_trouble"),
        (504, {}, "ambiguous", "platform_trouble"),
        # not in Snap's words
        (401, {}, "transient", "platform_trouble"),
        (403, {}, "transient", "platform_trouble"),
        (200, {}, "ambiguous", "answer_unreadable"),
    ],
)
def test_each_refusal_of_a_post_has_one_meaning(
    client: SnapchatClient,
    api: responses.RequestsMock,
    status: int,
    body: dict[str, Any],
    outcome: str,
    cause: str,
) -> None:
    api.post(STORIES, json=body, status=status)
    error = refused(lambda: client.post_story("m-1", "ONE_DAY"))
    assert (error.outcome, error.cause) == (outcome, cause)
    if "request_id" in body:
        assert error.request_id == "r-2"


def test_a_refused_header_is_as_good_as_a_body(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    api.get(MINE, status=401, headers=challenge, body="")
    assert refused(client.identities).outcome is Outcome.AUTH_EXPIRED


@pytest.mark.parametrize("status", [500, 503])
def test_trouble_with_a_file_leaves_no_doubt(
    client: SnapchatClient, api: responses.RequestsMock, status: int
) -> None:
    api.post(ME + "/media", json={}, status=status)
    error = refused(lambda: client.announce(video(), Seal.of("s", "n")))
    assert (error.outcome, error.reach) == (Outcome.TRANSIENT, Reach.PLATFORM)


@pytest.mark.trap("snapchat", 3)
@pytest.mark.parametrize("whole", ["PARTIAL", "SUCCESS"])
def test_one_item_that_failed_is_a_refusal_although_the_request_is_none(
    client: SnapchatClient, api: responses.RequestsMock, whole: str
) -> None:
    failed = {
        "sub_request_status": "ERROR",
        "sub_request_error_reason": "MEDIA_PROCESSING",
    }
    body = {"request_status": whole, "request_id": "r", "saved_stories": [failed]}
    api.post(ME + "/saved_stories", json=body)
    error = refused(lambda: client.save_story("Spring", ["m-1"]))
    assert error.cause is Cause.MEDIA_NOT_READY


def test_a_story_of_which_a_part_is_told_to_be_there_is_looked_for(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    """Of several snaps one may be missing from a story that everybody sees."""
    made = {"sub_request_status": "SUCCESS", "saved_story": {"id": "ss-1"}}
    body = {"request_status": "PARTIAL", "request_id": "r", "saved_stories": [made]}
    api.post(ME + "/saved_stories", json=body)
    error = refused(lambda: client.save_story("Spring", ["m-1", "m-2"]))
    assert error.outcome is Outcome.AMBIGUOUS


def test_a_lost_answer_to_a_post_is_ambiguous(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    api.post(STORIES, body=requests.ReadTimeout())
    error = refused(lambda: client.post_story("m-1", "ONE_DAY"))
    assert error.outcome is Outcome.AMBIGUOUS


# ------------------------------------------------------------------ files


def test_a_file_is_announced_with_its_key(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    path = "/us/v1/public_profiles/p-1/media/m-1/multipart-upload"
    api.post(
        ME + "/media", json=answer(media_id="m-1", add_path=path, finalize_path=path)
    )
    seal = Seal.of("secret", "nonce")
    media = client.announce(video(), seal)
    assert (media.media_id, media.add_path) == ("m-1", path)
    sent = json.loads(api.calls[0].request.body or "")
    assert (sent["type"], sent["name"]) == ("VIDEO", "a.mp4")
    assert base64.b64decode(sent["key"]) == seal.key
    assert base64.b64decode(sent["iv"]) == seal.iv


@pytest.mark.parametrize("path", ["//evil.example/x", "https://evil.example/x", ""])
def test_parts_go_to_no_other_host(
    client: SnapchatClient, api: responses.RequestsMock, path: str
) -> None:
    body = answer(media_id="m-1", add_path=path, finalize_path="/us/v1/x")
    api.post(ME + "/media", json=body)
    error = refused(lambda: client.announce(video(), Seal.of("s", "n")))
    assert error.cause is Cause.ANSWER_UNREADABLE


# ------------------------------------------------------------------ afterwards


@pytest.mark.parametrize(
    "stats",
    [
        {
            "timeseries_stats": [
                {"timeseries_stat": {"id": "W7", "stats": {"views": 120, "shares": 4}}}
            ]
        },
        {"stats": {"VIEWS": "120", "SHARES": "4"}},
    ],
)
def test_figures_are_found_wherever_they_stand(
    client: SnapchatClient, api: responses.RequestsMock, stats: dict[str, Any]
) -> None:
    api.get(SPOTLIGHTS + "/W7/stats", json=answer(**stats))
    found = client.figures("spotlights/W7").values
    assert found == {Figure.VIEWS: 120, Figure.SHARES: 4}
    assert api.calls[0].request.params["granularity"] == "LIFETIME"


def test_a_post_is_deleted_once(
    client: SnapchatClient, api: responses.RequestsMock
) -> None:
    api.delete(ME + "/saved_stories/ss-1", json=answer())
    client.delete_post("saved_stories/ss-1")
    api.delete(SPOTLIGHTS + "/W7", json=refusal("E3003"), status=404)
    client.delete_post("spotlights/W7")
    assert len(api.calls) == 2


def test_of_a_story_without_an_id_nothing_can_be_asked(client: SnapchatClient) -> None:
    for call in (client.figures, client.delete_post):
        with pytest.raises(NotImplementedError):
            call("media/m-1")


# ------------------------------------------------------------------ registering


@pytest.mark.trap("snapchat", 1)
@pytest.mark.trap("snapchat", 8)
def test_who_registers_an_app_is_told_what_cannot_be_mended_later() -> None:
    steps = " ".join(SPEC.register_steps)
    assert "(Login Kit) do not work here" in steps
    assert "it cannot be changed afterwards" in steps
