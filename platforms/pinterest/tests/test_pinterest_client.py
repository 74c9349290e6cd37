import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import Ability, Environment, Figure, MediaFile, Verdict
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.pinterest.client import PinterestClient, Upload
from platforms.pinterest.spec import NEEDED, SPEC

API = "https://api.pinterest.com/v5"
TOKEN, ME, BOARDS, PINS, MEDIA = (
    f"{API}/{path}"
    for path in ("oauth/token", "user_account", "boards", "pins", "media")
)
STORE = "https://pinterest-media-upload.s3-accelerate.amazonaws.com/"
PERSON = {
    "id": "549755885175",
    "username": "acmegarden",
    "account_type": "BUSINESS",
    "business_name": "Acme Garden",
    "profile_image": "https://i.pinimg.com/cc.jpg",
}
TOKENS = {
    "access_token": "pina_AbC",
    "refresh_token": "pinr.XyZ",
    "expires_in": 2592000,
    "refresh_token_expires_in": 5184000,
}
TRIAL = (
    "Apps with Trial access may not create Pins in production "
    "https://api.pinterest.com - use API Sandbox https://api-sandbox.pinterest.com."
)


def said(code: Any, message: str = "No", **more: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **more}


def query(call: Any) -> dict[str, str]:
    found = parse_qs(urlsplit(str(call.request.url)).query)
    return {name: values[0] for name, values in found.items()}


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


def exchange(client: PinterestClient) -> Any:
    return client.exchange_code("c0de", "https://app.example.com/cb/", None)


# ------------------------------------------------------------------ connecting


@pytest.mark.parametrize("between", [" ", ",", ", "])
def test_a_code_becomes_tokens_with_their_ends(
    client: PinterestClient, api: responses.RequestsMock, between: str
) -> None:
    scopes = ("boards:read", "pins:read")
    api.post(TOKEN, json={**TOKENS, "scope": between.join(scopes)})
    tokens = exchange(client)
    assert form(api.calls[0]) == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": "https://app.example.com/cb/",
        "continuous_refresh": "true",
    }
    basic = base64.b64encode(b"1490001:app-secret").decode()
    assert api.calls[0].request.headers["Authorization"] == f"Basic {basic}"
    assert (tokens.access_token, tokens.refresh_token) == ("pina_AbC", "pinr.XyZ")
    assert tokens.scopes == scopes
    assert tokens.expires_at == tokens.issued_at + timedelta(days=30)
    assert tokens.refresh_expires_at == tokens.issued_at + timedelta(days=60)


def test_a_refresh_brings_a_new_refresh_token_or_keeps_the_old(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    api.post(TOKEN, json=TOKENS)
    assert client.refresh().refresh_token == "pinr.XyZ"
    assert form(api.calls[0]) == {
        "grant_type": "refresh_token",
        "refresh_token": "pinr.test",
    }
    api.replace(responses.POST, TOKEN, json={"access_token": "pina_new"})
    tokens = client.refresh()
    # "" overwrites nothing.
    assert (tokens.refresh_token, tokens.refresh_expires_at) == ("", None)
    assert tokens.issued_at is not None
    assert tokens.expires_at == tokens.issued_at + timedelta(days=30)


@pytest.mark.parametrize(
    ("status", "body", "of_code", "of_refresh"),
    [
        (400, said(1), Cause.CODE_REFUSED, Cause.REFRESH_REFUSED),
        # Of a refresh it may be the app or the token, and the token is likelier.
        (401, said(2), Cause.APP_REFUSED, Cause.REFRESH_REFUSED),
    ],
)
def test_refused_tokens_say_whose_fault_it_is(
    client: PinterestClient,
    api: responses.RequestsMock,
    status: int,
    body: dict,
    of_code: Cause,
    of_refresh: Cause,
) -> None:
    api.post(TOKEN, json=body, status=status)
    error = raised(lambda: exchange(client))
    assert error.cause is of_code
    assert (error.reach is Reach.APP) == (of_code is Cause.APP_REFUSED)
    error = raised(client.refresh)
    assert (error.outcome, error.cause) == (Outcome.AUTH_REVOKED, of_refresh)


@pytest.mark.parametrize(
    "answer", [{"status": 503}, {"status": 429, "json": said(8)}, {"status": 403}]
)
def test_trouble_with_tokens_ends_nothing(
    client: PinterestClient, api: responses.RequestsMock, answer: dict
) -> None:
    api.post(TOKEN, **answer)
    assert not raised(client.refresh).ends_access


@pytest.mark.trap("pinterest", 4)
def test_the_account_is_known_by_its_number(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    api.get(ME, json=PERSON)
    (me,) = client.identities()
    assert (me.external_id, me.name, me.handle) == (
        "549755885175",
        "Acme Garden",
        "acmegarden",
    )
    assert me.url == "https://www.pinterest.com/acmegarden/"
    api.replace(
        responses.GET,
        ME,
        json={"id": 9007199254740993, "username": "ana", "business_name": None},
    )
    (me,) = client.identities()
    assert (me.external_id, me.name, me.avatar_url) == ("9007199254740993", "ana", "")


@pytest.mark.trap("pinterest", 2)
def test_the_sandbox_is_another_host(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    hosts = {**SPEC.hosts, "api": "https://api-sandbox.pinterest.com"}
    sandbox = PinterestClient(Environment(hosts), client.access)
    api.get("https://api-sandbox.pinterest.com/v5/user_account", json=PERSON)
    assert sandbox.identities()


# ------------------------------------------------------------------ health


def test_an_account_that_can_do_all_is_proven(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    api.get(ME, json=PERSON)
    api.get(BOARDS, json={"items": [], "bookmark": None})
    proof = client.prove()
    assert {v.ok for v in proof.abilities.values()} == {True}
    assert proof.identity is not None
    made = [log.call for log in client.http.drain()]
    assert sorted(made) == sorted(client.calls_of_proof())


@pytest.mark.parametrize(
    ("scope", "lost"),
    [
        ("pins:write", {Ability.PUBLISH}),
        ("boards:write", {Ability.PUBLISH}),
        ("pins:read", set(Ability)),
        ("user_accounts:read", set()),
    ],
)
def test_each_ability_hangs_on_its_scopes(
    client_for: Callable[..., PinterestClient],
    api: responses.RequestsMock,
    scope: str,
    lost: set[Ability],
) -> None:
    scopes = tuple(s for s in (SPEC.oauth.scopes if SPEC.oauth else ()) if s != scope)
    hidden = {"json": said(3), "status": 401}
    api.get(ME, **(hidden if scope == "user_accounts:read" else {"json": PERSON}))
    api.get(BOARDS, json={"items": []})
    for ability, verdict in client_for(scopes=scopes).prove().abilities.items():
        missing = Verdict(False, Cause.SCOPE_MISSING, scope)
        assert verdict == (missing if ability in lost else Verdict(True))


@pytest.mark.trap("pinterest", 3)
@pytest.mark.parametrize("at", [ME, BOARDS])
def test_a_dead_token_looks_like_an_expired_one_and_a_missing_scope_does_not(
    client: PinterestClient, api: responses.RequestsMock, at: str
) -> None:
    if at == BOARDS:
        api.get(ME, json=PERSON)
    api.get(at, json=said(2, "Authentication failed.", status="failure"), status=401)
    assert raised(client.prove).outcome is Outcome.AUTH_EXPIRED
    if at == BOARDS:
        api.replace(responses.GET, at, json=said(3), status=401)
        verdicts = client.prove().abilities.values()
        assert {v.cause for v in verdicts} == {Cause.SCOPE_MISSING}


@pytest.mark.parametrize(
    "answer",
    [
        {"json": said(-1), "status": 500},
        {"body": "<html></html>", "status": 503},
        {"body": "<html></html>", "status": 401},
        {"json": said(8), "status": 429},
        {"json": {"items": None}},
        {"body": requests.ReadTimeout()},
    ],
)
@pytest.mark.parametrize("at", [ME, BOARDS])
def test_trouble_proves_nothing(
    client: PinterestClient, api: responses.RequestsMock, answer: dict, at: str
) -> None:
    if at == BOARDS:
        api.get(ME, json=PERSON)
    api.get(at, **answer)
    assert raised(client.prove).outcome in {Outcome.TRANSIENT, Outcome.RATE_LIMITED}


@pytest.mark.trap("pinterest", 11)
def test_every_page_of_public_boards_is_to_choose_from(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    def board(number: str, name: str, **more: Any) -> dict[str, Any]:
        facts = {"privacy": "PUBLIC", "owner": {"username": "acmegarden"}}
        return {"id": number, "name": name, **facts, **more}

    first = [
        board("1", "Spring"),
        board("2", "Plans", privacy="SECRET"),
        board("3", "Ads", is_ads_only=True),
    ]
    second = [board("4", "Garden club", owner={"username": "ana"})]
    api.get(BOARDS, json={"items": first, "bookmark": "next"})
    api.get(BOARDS, json={"items": second, "bookmark": None})
    herbs = {"items": [{"id": "22", "name": "Herbs"}], "bookmark": None}
    api.get(f"{BOARDS}/1/sections", json=herbs)
    # Of somebody else's board they may not be shown.
    api.get(f"{BOARDS}/4/sections", json=said(7), status=401)
    assert client.server_limits() == {
        "boards": {
            "1": "Spring",
            "1/22": "Spring › Herbs",
            "4": "Garden club (ana)",
        }
    }
    assert query(api.calls[1])["bookmark"] == "next"


def test_a_board_is_made_in_public_and_under_its_name_once(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    mine = {"id": "9", "name": "Herbs", "owner": {"username": "acmegarden"}}
    api.post(BOARDS, json=mine, status=201)
    assert client.make_choice("board", "Herbs") == ("9", "Herbs")
    sent = json.loads(api.calls[0].request.body)
    assert sent == {"name": "Herbs", "privacy": "PUBLIC"}
    for body in (said(58), said(1, "You already have a board with this name.")):
        api.replace(responses.POST, BOARDS, json=body, status=400)
        error = raised(lambda: client.make_choice("board", "Herbs"))
        assert error.outcome is Outcome.DUPLICATE
    api.replace(responses.POST, BOARDS, json=said(1), status=400)
    error = raised(lambda: client.make_choice("board", "Herbs"))
    assert error.outcome is Outcome.INVALID_CONTENT
    # Nobody knows whether it was made: the name tells at the next press.
    api.replace(responses.POST, BOARDS, body=requests.ReadTimeout())
    error = raised(lambda: client.make_choice("board", "Herbs"))
    assert error.outcome is Outcome.TRANSIENT


# ------------------------------------------------------------------ errors

AMBIGUOUS, INVALID = Outcome.AMBIGUOUS, Outcome.INVALID_CONTENT
TRANSIENT, PERMISSION = Outcome.TRANSIENT, Outcome.PERMISSION
LIMITED, GONE = Outcome.RATE_LIMITED, Outcome.NOT_FOUND


@pytest.mark.trap("pinterest", 1)
@pytest.mark.trap("pinterest", 3)
@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause", "reach"),
    [
        (400, said(1), INVALID, Cause.UNKNOWN_REFUSAL, Reach.POST),
        (
            400,
            said(1, "Unable to reach the URL. Please check it."),
            TRANSIENT,
            Cause.MEDIA_NOT_PUBLIC,
            Reach.POST,
        ),
        (400, said(1, "maxItems=5"), INVALID, Cause.TOO_MANY_MEDIA, Reach.POST),
        (400, said(1, "'x' is too long"), INVALID, Cause.TEXT_TOO_LONG, Reach.POST),
        (
            400,
            said(1, "'board_id' is a required property"),
            INVALID,
            Cause.OPTION_MISSING,
            Reach.POST,
        ),
        (
            400,
            said(1, "cover_image_url or cover_image_content_type"),
            INVALID,
            Cause.MEDIA_REFUSED,
            Reach.POST,
        ),
        (401, said(2), Outcome.AUTH_EXPIRED, Cause.TOKEN_INVALID, Reach.TOKEN),
        (401, said(3), PERMISSION, Cause.SCOPE_MISSING, Reach.TOKEN),
        (401, said(7), PERMISSION, Cause.NOT_ALLOWED, Reach.POST),
        (403, said(29, TRIAL), PERMISSION, Cause.APP_REFUSED, Reach.APP),
        (403, said(29), PERMISSION, Cause.NOT_ALLOWED, Reach.POST),
        (403, said(3), PERMISSION, Cause.APP_REFUSED, Reach.APP),
        (403, said(403), PERMISSION, Cause.NOT_ALLOWED, Reach.TOKEN),
        (400, said(400), INVALID, Cause.UNKNOWN_REFUSAL, Reach.POST),
        (404, said(40), GONE, Cause.OPTION_UNKNOWN, Reach.POST),
        (404, said(2031), GONE, Cause.OPTION_UNKNOWN, Reach.POST),
        (404, said(404), TRANSIENT, Cause.MEDIA_NOT_READY, Reach.POST),
        (409, said(9), Outcome.DUPLICATE, Cause.ALREADY_THERE, Reach.POST),
        (429, said(8), LIMITED, Cause.TOO_MANY_REQUESTS, Reach.TOKEN),
        (500, said(-1), AMBIGUOUS, Cause.PLATFORM_TROUBLE, Reach.POST),
        (502, said(11), AMBIGUOUS, Cause.PLATFORM_TROUBLE, Reach.POST),
        (503, said(12), AMBIGUOUS, Cause.PLATFORM_TROUBLE, Reach.POST),
        (504, {}, AMBIGUOUS, Cause.PLATFORM_TROUBLE, Reach.POST),
        (201, {}, AMBIGUOUS, Cause.ANSWER_UNREADABLE, Reach.POST),
    ],
)
def test_each_answer_to_a_pin_has_its_outcome(
    client: PinterestClient,
    api: responses.RequestsMock,
    status: int,
    body: dict,
    outcome: Outcome,
    cause: Cause,
    reach: Reach,
) -> None:
    api.post(PINS, json=body, status=status)
    error = raised(lambda: client.create({}))
    assert (error.outcome, error.cause, error.reach) == (outcome, cause, reach)


def test_a_pin_without_an_answer_is_in_doubt_and_its_request_has_a_number(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    api.post(PINS, body=requests.ReadTimeout())
    assert raised(lambda: client.create({})).outcome is AMBIGUOUS
    headers = {"x-pinterest-rid": "4711"}
    api.replace(responses.POST, PINS, json=said(1), status=400, headers=headers)
    assert raised(lambda: client.create({})).request_id == "4711"


@pytest.mark.trap("pinterest", 12)
@pytest.mark.trap("pinterest", 13)
@pytest.mark.parametrize(
    ("headers", "body", "wait_s", "cause"),
    [
        ({"x-ratelimit-reset": "17"}, said(8), 17, Cause.TOO_MANY_REQUESTS),
        ({}, said(8), 60, Cause.TOO_MANY_REQUESTS),
        ({}, said(9, "Blocked as spam"), 86_400, Cause.ACCOUNT_LOCKED),
        (
            {"x-ratelimit-reset": "17"},
            said(8, message_detail="spam"),
            86_400,
            Cause.ACCOUNT_LOCKED,
        ),
    ],
)
def test_a_limit_names_its_end_and_a_block_against_spam_waits_for_a_person(
    client: PinterestClient,
    api: responses.RequestsMock,
    headers: dict,
    body: dict,
    wait_s: int,
    cause: Cause,
) -> None:
    api.post(PINS, json=body, status=429, headers=headers)
    error = raised(lambda: client.create({}))
    assert (error.retry_after, error.cause) == (wait_s, cause)


# ------------------------------------------------------------------ videos


@pytest.mark.trap("pinterest", 6)
@pytest.mark.trap("pinterest", 9)
def test_a_video_is_sent_in_a_form_with_the_file_last_and_without_our_token(
    client: PinterestClient,
    api: responses.RequestsMock,
    video: Callable[..., MediaFile],
) -> None:
    fields = {"key": "uploads/3:video", "Content-Type": "multipart/form-data"}
    opened = {"media_id": "52", "upload_url": STORE, "upload_parameters": fields}
    api.post(MEDIA, json=opened, status=201)
    api.post(STORE, status=204)
    where = client.register()
    assert where == Upload("52", STORE, fields)
    client.upload(where, video())
    sent = api.calls[1].request
    assert "Authorization" not in sent.headers
    assert sent.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    body = sent.body
    assert isinstance(body, bytes)
    places = [body.index(f'name="{name}"'.encode()) for name in (*fields, "file")]
    assert places == sorted(places)
    assert b"MP4!" in body


@pytest.mark.parametrize(
    ("status", "code", "outcome", "cause"),
    [
        (403, "AccessDenied", TRANSIENT, Cause.MEDIA_EXPIRED),
        (400, "MalformedPOSTRequest", TRANSIENT, Cause.MEDIA_EXPIRED),
        (400, "EntityTooLarge", INVALID, Cause.VIDEO_TOO_LARGE),
        (500, "InternalError", TRANSIENT, Cause.PLATFORM_TROUBLE),
    ],
)
def test_the_storage_has_errors_of_its_own(
    client: PinterestClient,
    api: responses.RequestsMock,
    video: Callable[..., MediaFile],
    status: int,
    code: str,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(STORE, body=f"<Error><Code>{code}</Code></Error>", status=status)
    error = raised(lambda: client.upload(Upload("52", STORE, {"key": "x"}), video()))
    assert (error.outcome, error.cause) == (outcome, cause)


# ------------------------------------------------------------------ after publishing


@pytest.mark.parametrize("code", [30, 50, 404])
def test_what_is_not_there_has_a_code_of_its_kind(
    client: PinterestClient, api: responses.RequestsMock, code: int
) -> None:
    api.get(f"{PINS}/1", json=said(code), status=404)
    error = raised(lambda: client.figures("1"))
    assert (error.outcome, error.cause) == (GONE, Cause.NOT_THERE)


@pytest.mark.trap("pinterest", 4)
def test_the_id_of_a_pin_is_no_float(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    api.post(PINS, body='{"id": 9007199254740993}', status=201)
    assert str(client.create({})["id"]) == "9007199254740993"


def test_a_pin_that_is_gone_counts_as_deleted(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    api.delete(f"{PINS}/8", status=204)
    client.delete_post("8")
    api.replace(responses.DELETE, f"{PINS}/8", json=said(50), status=404)
    client.delete_post("8")
    assert len(api.calls) == 2


@pytest.mark.trap("pinterest", 6)
def test_figures_are_those_of_its_whole_life(
    client: PinterestClient, api: responses.RequestsMock
) -> None:
    life = {"impression": 12, "pin_click": 7, "clickthrough": 3, "reaction": 10}
    metrics = {"90d": {"impression": 2}, "lifetime_metrics": {**life, "comment": None}}
    api.get(f"{PINS}/8", json={"id": "8", "pin_metrics": metrics})
    assert client.figures("8").values == {
        Figure.IMPRESSIONS: 12,
        Figure.CLICKS: 7,
        Figure.LIKES: 10,
    }
    assert query(api.calls[0]) == {"pin_metrics": "true"}
    api.replace(responses.GET, f"{PINS}/8", json={"id": "8", "pin_metrics": None})
    assert client.figures("8").values == {}


def test_pinterest_shows_no_comments(client: PinterestClient) -> None:
    with pytest.raises(NotImplementedError):
        client.comments("8")
    with pytest.raises(NotImplementedError):
        client.reply("8", "Hi")


def test_scopes_that_abilities_need_are_asked_for() -> None:
    assert SPEC.oauth is not None
    for names in NEEDED.values():
        assert set(names) <= set(SPEC.oauth.scopes)
