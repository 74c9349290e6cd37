import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses

from platforms.base import Ability, Figure
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.tiktok.client import TikTokClient
from platforms.tiktok.spec import SPEC

from .conftest import API, answer, refusal, video

TOKEN, REVOKE = API + "/v2/oauth/token/", API + "/v2/oauth/revoke/"
USER = API + "/v2/user/info/"
CREATOR = API + "/v2/post/publish/creator_info/query/"
VIDEO_INIT = API + "/v2/post/publish/video/init/"
CONTENT_INIT = API + "/v2/post/publish/content/init/"
STATUS = API + "/v2/post/publish/status/fetch/"
QUERY = API + "/v2/video/query/"
UPLOAD = "https://open-upload.tiktokapis.com/video/?upload_id=6&upload_token=Xz1"

ADA = {"open_id": "open-1", "union_id": "u-1", "display_name": "Ada"}
CREATOR_INFO = {
    "creator_username": "ada_l",
    "creator_nickname": "Ada",
    "privacy_level_options": ["PUBLIC_TO_EVERYONE", "SELF_ONLY"],
    "comment_disabled": False,
    "duet_disabled": False,
    "stitch_disabled": True,
    "max_video_post_duration_sec": 300,
}
TOKENS = {
    "access_token": "act.new",
    "expires_in": 7200,
    "open_id": "open-1",
    "refresh_expires_in": 15552000,
    "refresh_token": "rft.new",
    "scope": "user.info.basic,video.publish",
    "token_type": "Bearer",
}


def refused(call: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        call()
    return caught.value


# ------------------------------------------------------------------ connecting


@pytest.mark.trap("tiktok", 1)
@pytest.mark.parametrize("verifier", [None, "v" * 43])
def test_a_code_is_traded_with_client_key_and_both_lives_are_read(
    client: TikTokClient, api: responses.RequestsMock, verifier: str | None
) -> None:
    api.post(TOKEN, json=TOKENS)
    tokens = client.exchange_code("c*1", "https://hub.example.com/cb/", verifier)
    form = parse_qs(str(api.calls[0].request.body))
    assert form.pop("code_verifier", [None]) == [verifier]
    assert form == {
        "client_key": ["aw1k2"],
        "client_secret": ["app-secret"],
        "grant_type": ["authorization_code"],
        "code": ["c*1"],
        "redirect_uri": ["https://hub.example.com/cb/"],
    }
    assert tokens.issued_at
    assert tokens.refresh_expires_at
    assert tokens.expires_at == tokens.issued_at + timedelta(hours=2)
    assert tokens.refresh_expires_at == tokens.issued_at + timedelta(days=180)
    assert tokens.scopes == ("user.info.basic", "video.publish")
    assert (tokens.access_token, tokens.refresh_token) == ("act.new", "rft.new")


@pytest.mark.trap("tiktok", 1)
def test_a_day_long_token_of_the_older_rules_lives_a_day(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    api.post(TOKEN, json={**TOKENS, "expires_in": 86400})
    tokens = client.refresh()
    assert tokens.issued_at
    assert tokens.expires_at == tokens.issued_at + timedelta(days=1)


@pytest.mark.trap("tiktok", 3)
@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    ("word", "outcome", "cause", "reach"),
    [
        ("invalid_grant", Outcome.AUTH_REVOKED, Cause.REFRESH_REFUSED, Reach.TOKEN),
        ("access_denied", Outcome.AUTH_REVOKED, Cause.CONSENT_REFUSED, Reach.TOKEN),
        ("invalid_client", Outcome.PERMISSION, Cause.APP_REFUSED, Reach.APP),
        ("invalid_request", Outcome.PERMISSION, Cause.APP_REFUSED, Reach.APP),
        ("invalid_scope", Outcome.PERMISSION, Cause.APP_REFUSED, Reach.APP),
        ("unauthorized_client", Outcome.PERMISSION, Cause.APP_REFUSED, Reach.APP),
        ("server_error", Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE, Reach.PLATFORM),
    ],
)
def test_an_oauth_error_counts_whatever_its_status(
    client: TikTokClient,
    api: responses.RequestsMock,
    status: int,
    word: str,
    outcome: Outcome,
    cause: Cause,
    reach: Reach,
) -> None:
    body = {"error": word, "error_description": "Because.", "log_id": "L7"}
    api.post(TOKEN, json=body, status=status)
    error = refused(client.refresh)
    assert (error.outcome, error.cause, error.reach) == (outcome, cause, reach)
    assert error.request_id == "L7"


@pytest.mark.trap("tiktok", 2)
@pytest.mark.parametrize(
    "answered",
    [{"body": requests.ReadTimeout()}, {"status": 503}, {"json": {}}],
)
def test_a_lost_renewal_is_ambiguous_because_the_old_token_is_used_up(
    client: TikTokClient, api: responses.RequestsMock, answered: dict[str, Any]
) -> None:
    api.post(TOKEN, **answered)
    assert refused(client.refresh).outcome is Outcome.AMBIGUOUS


def test_an_access_that_is_over_is_renewed_to_be_revoked(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    api.post(REVOKE, json={"error": "invalid_request", "error_description": "Unknown"})
    api.post(TOKEN, json=TOKENS)
    api.post(REVOKE, body="")
    client.revoke()
    sent = [parse_qs(str(call.request.body)).get("token") for call in api.calls]
    assert sent == [["act.test-token"], None, ["act.new"]]


# ------------------------------------------------------------------ who, and what


def test_identity_has_its_handle_from_the_choices_for_a_post(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    api.get(USER, json=answer(user=ADA))
    api.post(CREATOR, json=answer(**CREATOR_INFO))
    (me,) = client.identities()
    assert (me.external_id, me.name, me.handle) == ("open-1", "Ada", "ada_l")
    assert me.url == "https://www.tiktok.com/@ada_l"
    sent = api.calls[0].request
    assert sent.params["fields"] == "open_id,union_id,avatar_url,display_name"
    assert sent.headers["Authorization"] == "Bearer act.test-token"


@pytest.mark.parametrize(
    ("answered", "publish", "cause"),
    [
        (answer(**CREATOR_INFO), True, None),
        # Caps and bans come with 200 here; a cap says nothing against the right.
        (refusal("spam_risk_too_many_posts"), True, None),
        (refusal("reached_active_user_cap"), True, None),
        (
            refusal("spam_risk_user_banned_from_posting"),
            False,
            Cause.ACCOUNT_SUSPENDED,
        ),
        (refusal("scope_not_authorized"), False, Cause.SCOPE_MISSING),
    ],
)
def test_proof_tells_the_right_to_post_from_the_right_to_read(
    client_for: Callable[..., TikTokClient],
    api: responses.RequestsMock,
    answered: dict[str, Any],
    publish: bool,
    cause: Cause | None,
) -> None:
    client = client_for(scopes=("user.info.basic", "video.publish"))
    status = 401 if "scope" in answered["error"]["code"] else 200
    api.post(CREATOR, json=answered, status=status)
    api.get(USER, json=answer(user=ADA))
    of_app = set()
    if cause is Cause.SCOPE_MISSING:
        # A suspended app's accounts are told the same: TikTok still knows ours.
        api.post(TOKEN, json={"error": "invalid_grant"})
        of_app = {"POST /v2/oauth/token/"}
    proof = client.prove()
    verdict = proof.abilities[Ability.PUBLISH]
    assert (verdict.ok, verdict.cause) == (publish, cause)
    figures = proof.abilities[Ability.FIGURES]
    assert (figures.ok, figures.detail) == (False, "video.list")
    assert proof.identity
    assert proof.identity.external_id == "open-1"
    asked = {log.call for log in client.http.drain()}
    assert asked == {*client.calls_of_proof(), *of_app}


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (401, "access_token_invalid", Outcome.AUTH_EXPIRED),
        (429, "rate_limit_exceeded", Outcome.RATE_LIMITED),
        (500, "internal_error", Outcome.TRANSIENT),
    ],
)
def test_what_proves_nothing_is_no_verdict(
    client: TikTokClient,
    api: responses.RequestsMock,
    status: int,
    code: str,
    outcome: Outcome,
) -> None:
    api.post(CREATOR, json=refusal(code), status=status)
    assert refused(client.prove).outcome is outcome


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (404, refusal("invalid_params"), Cause.VERSION_ENDED),
        (410, refusal(""), Cause.VERSION_ENDED),
        (404, {}, Cause.NOT_THERE),  # a page of something in between
        (400, refusal("invalid_params"), Cause.TEXT_REFUSED),
    ],
)
def test_a_path_without_an_id_that_tiktok_does_not_know_ended_with_its_version(
    client: TikTokClient,
    api: responses.RequestsMock,
    status: int,
    body: dict[str, Any],
    cause: Cause,
) -> None:
    api.post(CREATOR, json=body, status=status)
    assert client.of_proof(refused(client.prove)).cause is cause


def test_the_accounts_own_choices_are_its_limits(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    api.post(CREATOR, json=answer(**CREATOR_INFO))
    limits = client.server_limits()
    assert limits["privacy_levels"] == {
        "PUBLIC_TO_EVERYONE": "Everyone",
        "SELF_ONLY": "Only me",
    }
    assert (limits["max_video_s"], limits["stitch_disabled"]) == (300, True)


# ------------------------------------------------------------------ refusals


@pytest.mark.trap("tiktok", 5)
@pytest.mark.trap("tiktok", 6)
@pytest.mark.trap("tiktok", 12)
@pytest.mark.parametrize(
    ("status", "code", "outcome", "cause", "reach"),
    [
        # both spellings
        (400, "invalid_param", "invalid_content", "text_refused", "post"),
        (400, "invalid_params", "invalid_content", "text_refused", "post"),
        (400, "invalid_file_upload", "invalid_content", "media_refused", "post"),
        (400, "app_version_check_failed", "permission", "not_allowed", "post"),
        (400, "scope_permission_missed", "permission", "scope_missing", "token"),
        (400, "invalid_publish_id", "not_found", "not_there", "post"),
        (
            400,
            "token_not_authorized_for_specified_publish_id",
            "permission",
            "not_allowed",
            "post",
        ),
        (401, "access_token_invalid", "auth_expired", "token_expired", "token"),
        (401, "scope_not_authorized", "permission", "scope_missing", "token"),
        (403, "spam_risk_too_many_posts", "rate_limited", "daily_limit", "token"),
        (403, "spam_risk_user_banned_from_posting", "permission", None, "token"),
        (403, "reached_active_user_cap", "rate_limited", "daily_limit", "app"),
        (403, "spam_risk_too_many_pending_share", "rate_limited", None, "token"),
        (
            403,
            "unaudited_client_can_only_post_to_private_accounts",
            "permission",
            "app_unreviewed",
            "post",
        ),
        (403, "url_ownership_unverified", "permission", "app_refused", "post"),
        (403, "privacy_level_option_mismatch", "invalid_content", None, "post"),
        (429, "rate_limit_exceeded", "rate_limited", "too_many_requests", "token"),
        (500, "internal_error", "ambiguous", "platform_trouble", "post"),
        (502, "", "ambiguous", "platform_trouble", "post"),
        (404, "", "not_found", "not_there", "post"),
        (400, "something_new", "invalid_content", "unknown_refusal", "post"),
        # not in TikTok's words
        (403, "", "transient", None, "platform"),
        (401, "", "transient", None, "platform"),
    ],
)
def test_each_refusal_of_a_post_has_one_meaning(
    client: TikTokClient,
    api: responses.RequestsMock,
    status: int,
    code: str,
    outcome: str,
    cause: str | None,
    reach: str,
) -> None:
    body = json.dumps(refusal(code)) if code else "<html>"
    api.post(CONTENT_INIT, body=body, status=status)
    error = refused(lambda: client.pull_photos({}))
    assert (error.outcome, error.reach) == (outcome, reach)
    assert error.cause == (cause or error.cause)
    if code:
        assert (error.code, error.request_id) == (code, "L1")


@pytest.mark.parametrize(
    ("code", "wait_s"),
    [("spam_risk_too_many_posts", 86_400), ("rate_limit_exceeded", 60)],
)
def test_without_headers_the_waits_are_a_minute_and_a_day(
    client: TikTokClient, api: responses.RequestsMock, code: str, wait_s: float
) -> None:
    api.post(CREATOR, json=refusal(code))
    assert refused(client.creator).retry_after == wait_s


def test_a_200_without_an_ok_is_no_success(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    api.post(CONTENT_INIT, json={"data": {"publish_id": "p"}})
    assert refused(lambda: client.pull_photos({})).outcome is Outcome.AMBIGUOUS
    api.post(STATUS, json={"data": {"status": "FAILED"}})
    assert refused(lambda: client.state("p")).outcome is Outcome.TRANSIENT


# ------------------------------------------------------------------ uploads


def test_a_part_names_its_place_and_carries_no_token(
    client: TikTokClient,
    api: responses.RequestsMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    api.put(UPLOAD, status=206)
    assert client.put_part(UPLOAD, video(100), 10, 20, last=False) == 206
    sent = api.calls[0].request
    assert sent.url == UPLOAD
    assert sent.headers["Content-Range"] == "bytes 10-29/100"
    assert sent.headers["Content-Length"] == "20"
    assert sent.headers["Content-Type"] == "video/mp4"
    assert "Authorization" not in sent.headers
    assert sent.body == b"v" * 20
    assert "Xz1" not in caplog.text


@pytest.mark.parametrize(
    ("status", "last", "outcome"),
    [
        (400, False, Outcome.INVALID_CONTENT),
        (403, False, Outcome.TRANSIENT),
        (404, True, Outcome.TRANSIENT),
        (416, False, Outcome.TRANSIENT),
        (416, True, Outcome.TRANSIENT),
        (503, False, Outcome.TRANSIENT),
        (503, True, Outcome.AMBIGUOUS),
    ],
)
def test_only_trouble_with_the_last_part_leaves_a_doubt(
    client: TikTokClient,
    api: responses.RequestsMock,
    status: int,
    last: bool,
    outcome: Outcome,
) -> None:
    api.put(UPLOAD, status=status)
    error = refused(lambda: client.put_part(UPLOAD, video(), 0, 100, last=last))
    assert (error.outcome, error.status) == (outcome, status)


@pytest.mark.parametrize(
    "url",
    [
        "https://tiktokapis.com.evil.example/video/",
        "http://open-upload.tiktokapis.com/video/",
        "https://127.0.0.1/video/",
    ],
)
def test_a_file_goes_to_no_other_host(client: TikTokClient, url: str) -> None:
    error = refused(lambda: client.put_part(url, video(), 0, 100, last=True))
    assert error.cause is Cause.ADDRESS_REFUSED


# ------------------------------------------------------------------ afterwards


@pytest.mark.trap("tiktok", 9)
def test_long_numbers_of_posts_stay_as_they_are(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    body = (
        '{"data":{"status":"PUBLISH_COMPLETE","fail_reason":"",'
        '"publicaly_available_post_id":[7381234567890123457],"uploaded_bytes":5},'
        '"error":{"code":"ok","message":"","log_id":"L"}}'
    )
    api.post(STATUS, body=body)
    assert client.state("v_pub").post_ids == ("7381234567890123457",)


def test_figures_are_totals_and_a_post_that_is_not_public_has_none(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    row = {"id": "738", "view_count": 1000, "like_count": 70, "comment_count": 8}
    api.post(QUERY, json=answer(videos=[row]))
    assert client.figures("738").values == {
        Figure.VIEWS: 1000,
        Figure.LIKES: 70,
        Figure.COMMENTS: 8,
    }
    ids: list[int] = []
    state = {"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": ids}
    api.post(STATUS, json=answer(**state))
    assert client.figures("v_pub_file~1").values == {}
    # It went public meanwhile.
    api.post(STATUS, json=answer(**{**state, "publicaly_available_post_id": [738]}))
    assert client.figures("v_pub_file~1").values[Figure.VIEWS] == 1000


def test_nothing_is_told_of_a_post_that_is_not_listed(
    client: TikTokClient, api: responses.RequestsMock
) -> None:
    api.post(QUERY, json=answer(videos=[]))
    assert client.figures("738").values == {}


@pytest.mark.trap("tiktok", 6)
@pytest.mark.trap("tiktok", 7)
def test_who_registers_an_app_is_told_what_its_audit_wants() -> None:
    told = SPEC.register_steps[-1]
    assert "no app that only its makers use" in told
    assert "five people a day, to private accounts" in told
    assert "each post by hand" in told


@pytest.mark.trap("tiktok", 12)
def test_who_registers_an_app_is_told_to_verify_the_address() -> None:
    assert any("verify the domain" in step for step in SPEC.register_steps)
