from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import Ability, Figure, Verdict
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.threads import client as module
from platforms.threads.client import ThreadsClient
from platforms.threads.publish import Threads
from platforms.threads.spec import NEEDED, SPEC

ME, BOX, POST = "17841400000000009", "17990000000000001", "18010000000000001"
HOST = "https://graph.threads.net"
API = f"{HOST}/v1.0"
CODE, LONG, RENEW = (
    f"{HOST}/{name}"
    for name in ("oauth/access_token", "access_token", "refresh_access_token")
)
DEBUG, PROFILE = f"{API}/debug_token", f"{API}/me"
QUOTA = f"{API}/{ME}/threads_publishing_limit"
ALL = SPEC.oauth.scopes if SPEC.oauth else ()
LEFT = {
    "quota_usage": 4,
    "config": {"quota_total": 250, "quota_duration": 86400},
    "reply_quota_usage": 1,
    "reply_config": {"quota_total": 1000, "quota_duration": 86400},
}


def fault(code: int, subcode: int = 0, message: str = "No") -> dict[str, Any]:
    error = {"message": message, "type": "OAuthException", "code": code}
    if subcode:
        error["error_subcode"] = subcode
    return {"error": {**error, "fbtrace_id": "A6Lx"}}


def query(call: Any) -> dict[str, str]:
    found = parse_qs(urlsplit(str(call.request.url)).query)
    return {name: values[0] for name, values in found.items()}


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


def introspection(api: responses.RequestsMock, *scopes: str, **changes: Any) -> None:
    api.get(CODE, json={"access_token": "TH|1234567890|abcd"})
    facts = {"is_valid": True, "scopes": list(scopes or ALL), "user_id": ME}
    api.get(DEBUG, json={"data": {**facts, **changes}})


def profile(api: responses.RequestsMock, **changes: Any) -> None:
    api.get(PROFILE, json={"id": ME, "username": "acmebakery", **changes})


# ------------------------------------------------------------------ connecting


@pytest.mark.trap("threads", 2)
@pytest.mark.trap("threads", 8)
@pytest.mark.parametrize("number", [ME, int(ME)], ids=["text", "number"])
def test_a_code_becomes_a_token_of_60_days_with_what_was_granted(
    client: ThreadsClient, api: responses.RequestsMock, number: Any
) -> None:
    api.post(CODE, json={"access_token": "THAAShort", "user_id": number})
    api.get(LONG, json={"access_token": "THAALong", "expires_in": 5183944})
    introspection(api, "threads_basic", "threads_content_publish")
    tokens = client.exchange_code("AQBx#_", "https://app.example/cb", None)
    assert form(api.calls[0]) == {
        "client_id": "1234567890",
        "client_secret": "app-secret",
        "grant_type": "authorization_code",
        "redirect_uri": "https://app.example/cb",
        "code": "AQBx",
    }
    assert query(api.calls[1]) == {
        "grant_type": "th_exchange_token",
        "client_secret": "app-secret",
        "access_token": "THAAShort",
    }
    assert query(api.calls[3]) == {
        "input_token": "THAALong",
        "access_token": "TH|1234567890|abcd",
    }
    # The token is its own permission to be renewed.
    assert (tokens.access_token, tokens.refresh_token) == ("THAALong", "THAALong")
    assert tokens.scopes == ("threads_basic", "threads_content_publish")
    assert tokens.issued_at is not None
    assert tokens.expires_at == tokens.issued_at + timedelta(seconds=5183944)


@pytest.mark.trap("threads", 7)
def test_a_new_sign_in_is_renewed_soon_because_it_may_not_renew_the_permission(
    client: ThreadsClient, api: responses.RequestsMock, monkeypatch: Any
) -> None:
    def signed_in() -> float:
        api.post(CODE, json={"access_token": "short"})
        api.get(LONG, json={"access_token": "long"})
        tokens = client.exchange_code("c", "https://app.example/cb", None)
        assert tokens.issued_at
        assert tokens.expires_at
        assert tokens.refresh_expires_at
        # Without expires_in a token is taken for one of 60 days.
        assert tokens.expires_at - tokens.issued_at == timedelta(days=60)
        return (tokens.refresh_expires_at - tokens.issued_at).total_seconds() / 3600

    monkeypatch.setattr(module, "INTROSPECTS", False)
    assert 24 < signed_in() * 3 / 4 < 36
    monkeypatch.setattr(module, "FIRST_RENEWAL", None)
    assert signed_in() == 60 * 24


@pytest.mark.parametrize(
    ("said", "outcome", "cause"),
    [
        (
            "Matching code was not found or was already used",
            Outcome.AUTH_REVOKED,
            Cause.CODE_REFUSED,
        ),
        ("Invalid Client Secret", Outcome.PERMISSION, Cause.APP_REFUSED),
    ],
)
def test_a_code_that_is_refused_says_why(
    client: ThreadsClient,
    api: responses.RequestsMock,
    said: str,
    outcome: Outcome,
    cause: Cause,
) -> None:
    body = {"error_type": "OAuthException", "code": 400, "error_message": said}
    api.post(CODE, json=body, status=400)
    error = raised(lambda: client.exchange_code("c", "https://app.example/cb", None))
    assert (error.outcome, error.cause) == (outcome, cause)


@pytest.mark.trap("threads", 2)
@pytest.mark.trap("threads", 7)
def test_a_refresh_gives_another_token_and_90_more_days_of_permission(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    api.get(RENEW, json={"access_token": "THAANew", "expires_in": 5183944})
    tokens = client.refresh()
    assert query(api.calls[0]) == {
        "grant_type": "th_refresh_token",
        "access_token": "THAAtest",
    }
    assert (tokens.access_token, tokens.refresh_token) == ("THAANew", "THAANew")
    assert tokens.issued_at is not None
    assert tokens.data_access_ends_at == tokens.issued_at + timedelta(days=90)
    assert tokens.refresh_expires_at == tokens.expires_at


def test_a_token_of_less_than_a_day_is_not_sent(
    client_for: Callable[..., ThreadsClient], api: responses.RequestsMock
) -> None:
    young = client_for(issued_at=datetime.now(UTC) - timedelta(hours=20))
    error = raised(young.refresh)
    assert error.outcome is Outcome.TRANSIENT
    assert error.retry_after is not None
    assert 3 * 3600 < error.retry_after <= 4 * 3600
    assert not api.calls


def test_after_its_end_only_a_person_helps(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    api.get(RENEW, json=fault(190, 463), status=400)
    error = raised(client.refresh)
    assert (error.outcome, error.cause) == (Outcome.AUTH_REVOKED, Cause.TOKEN_EXPIRED)


@pytest.mark.trap("threads", 1)
def test_the_steps_of_registering_name_the_number_that_works() -> None:
    steps = " ".join(SPEC.register_steps)
    assert "Threads App ID" in steps
    assert "4476002" in steps


@pytest.mark.trap("threads", 8)
@pytest.mark.parametrize("number", [ME, int(ME)], ids=["text", "number"])
def test_a_large_number_stays_as_it_is(
    client: ThreadsClient, api: responses.RequestsMock, number: Any
) -> None:
    profile(api, id=number)
    (me,) = client.identities()
    assert (me.external_id, me.handle) == (ME, "acmebakery")
    assert me.url == "https://threads.net/@acmebakery"
    assert query(api.calls[0])["access_token"] == "THAAtest"


# ------------------------------------------------------------------ health


def test_an_account_that_can_do_all_is_proven(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    introspection(api, data_access_expires_at=1998675200, expires_at=1995000000)
    profile(api)
    api.get(QUOTA, json={"data": [LEFT]})
    proof = client.prove()
    assert {v.ok for v in proof.abilities.values()} == {True}
    assert proof.scopes == ALL
    assert proof.identity is not None
    assert proof.expires_at is not None
    assert proof.data_access_ends_at is not None
    made = [log.call for log in client.http.drain()]
    assert sorted(made) == sorted(client.calls_of_proof())


def test_the_posts_left_are_handed_to_the_ledger(
    client_for: Callable[..., ThreadsClient], api: responses.RequestsMock
) -> None:
    client = client_for(scopes=(*NEEDED[Ability.PUBLISH], "threads_manage_replies"))
    api.get(QUOTA, json={"data": [LEFT]})
    assert client.quotas(client.access.scopes) == {
        "posts": (4, 250),
        "replies": (1, 1000),
    }
    # Each other quota is asked for with its own scope only.
    assert query(api.calls[0])["fields"] == (
        "quota_usage,config,reply_quota_usage,reply_config"
    )
    ((key, headers),) = client.http.usage.items()
    told = Threads().observe(key, headers, datetime.now(UTC))
    assert {(t.bucket_key, t.limit, t.remaining) for t in told} == {
        ("posts", 250, 246),
        ("replies", 1000, 999),
    }


@pytest.mark.parametrize(
    ("scope", "lost"),
    [
        ("threads_content_publish", {Ability.PUBLISH}),
        ("threads_manage_insights", {Ability.FIGURES}),
        ("threads_basic", set(Ability)),
        ("threads_delete", set()),
    ],
)
def test_each_ability_hangs_on_its_scopes(
    client: ThreadsClient, api: responses.RequestsMock, scope: str, lost: set[Ability]
) -> None:
    introspection(api, *(s for s in ALL if s != scope))
    profile(api)
    if Ability.PUBLISH not in lost:
        api.get(QUOTA, json={"data": [LEFT]})
    for ability, verdict in client.prove().abilities.items():
        missing = Verdict(False, Cause.SCOPE_MISSING, scope)
        assert verdict == (missing if ability in lost else Verdict(True))


@pytest.mark.parametrize(
    "refusal", [fault(100), fault(10), fault(100, 33)], ids=["100", "10", "33"]
)
def test_a_question_about_the_token_that_is_refused_proves_nothing(
    client: ThreadsClient, api: responses.RequestsMock, refusal: dict
) -> None:
    api.get(CODE, json={"access_token": "TH|1|a"})
    api.get(DEBUG, json=refusal, status=400)
    profile(api)
    api.get(QUOTA, json={"data": [LEFT]})
    assert {v.ok for v in client.prove().abilities.values()} == {True}


@pytest.mark.trap("threads", 7)
def test_the_end_of_a_permission_ends_all(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    introspection(api, data_access_expires_at=1700000000)
    profile(api)
    verdicts = client.prove().abilities.values()
    assert {v.cause for v in verdicts} == {Cause.DATA_ACCESS_ENDED}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (fault(10), Cause.SCOPE_MISSING),
        (fault(200), Cause.SCOPE_MISSING),
        (fault(1, 4279013), Cause.ACCOUNT_LOCKED),
    ],
)
def test_the_posting_right_is_told_by_the_posts_left(
    client: ThreadsClient, api: responses.RequestsMock, answer: dict, cause: Cause
) -> None:
    introspection(api)
    profile(api)
    api.get(QUOTA, json=answer, status=403)
    proof = client.prove()
    publish = proof.abilities[Ability.PUBLISH]
    assert (publish.ok, publish.cause) == (False, cause)
    assert proof.abilities[Ability.READ].ok


@pytest.mark.parametrize(
    ("subcode", "outcome", "cause"),
    [
        (463, Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED),
        (460, Outcome.AUTH_REVOKED, Cause.PASSWORD_CHANGED),
        (458, Outcome.AUTH_REVOKED, Cause.TOKEN_REVOKED),
        (0, Outcome.AUTH_EXPIRED, Cause.TOKEN_INVALID),
    ],
)
@pytest.mark.parametrize("introspected", [True, False])
def test_a_dead_token_is_recognised(
    client: ThreadsClient,
    api: responses.RequestsMock,
    monkeypatch: Any,
    subcode: int,
    outcome: Outcome,
    cause: Cause,
    introspected: bool,
) -> None:
    monkeypatch.setattr(module, "INTROSPECTS", introspected)
    dead = fault(190, subcode)
    if introspected:
        introspection(api, is_valid=False, **dead)
    else:
        api.get(PROFILE, json=dead, status=400)
    error = raised(client.prove)
    assert (error.outcome, error.cause) == (outcome, cause)


@pytest.mark.parametrize(
    "answer",
    [
        {"json": fault(2), "status": 500},
        {"json": fault(4), "status": 403},
        {"json": fault(613), "status": 400},
        {"body": "<html></html>", "status": 403},
        {"body": requests.ReadTimeout()},
        {"json": {"data": []}},
    ],
)
@pytest.mark.parametrize("at", [PROFILE, QUOTA])
def test_trouble_proves_nothing(
    client: ThreadsClient, api: responses.RequestsMock, answer: dict, at: str
) -> None:
    introspection(api)
    if at != PROFILE:
        profile(api)
    api.get(at, **answer)
    assert raised(client.prove).outcome in {Outcome.TRANSIENT, Outcome.RATE_LIMITED}


# ------------------------------------------------------------------ errors

AMBIGUOUS, INVALID = Outcome.AMBIGUOUS, Outcome.INVALID_CONTENT
TRANSIENT, PERMISSION = Outcome.TRANSIENT, Outcome.PERMISSION
LIMITED = Outcome.RATE_LIMITED
FETCH = "The media could not be fetched from this URI"


@pytest.mark.parametrize(
    ("body", "outcome", "cause"),
    [
        (fault(190, 463), Outcome.AUTH_EXPIRED, Cause.TOKEN_EXPIRED),
        (fault(190, 467), Outcome.AUTH_REVOKED, Cause.TOKEN_REVOKED),
        (fault(10), PERMISSION, Cause.SCOPE_MISSING),
        (fault(200), PERMISSION, Cause.SCOPE_MISSING),
        (fault(24, 4279009), TRANSIENT, Cause.MEDIA_NOT_READY),
        (fault(24), TRANSIENT, Cause.MEDIA_NOT_READY),
        (fault(1, 4279013), PERMISSION, Cause.ACCOUNT_LOCKED),
        # The finer number may be the code itself.
        (fault(4279013), PERMISSION, Cause.ACCOUNT_LOCKED),
        (fault(4279009), TRANSIENT, Cause.MEDIA_NOT_READY),
        (fault(100, 4476002), PERMISSION, Cause.APP_REFUSED),
        (fault(4, 2207051), LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(9, 2207042), LIMITED, Cause.DAILY_LIMIT),
        (fault(9), LIMITED, Cause.DAILY_LIMIT),
        (fault(9004, 2207052), TRANSIENT, Cause.MEDIA_NOT_PUBLIC),
        (fault(100, 0, FETCH), TRANSIENT, Cause.MEDIA_NOT_PUBLIC),
        (fault(100), INVALID, Cause.UNKNOWN_REFUSAL),
        (
            fault(100, 0, "text must be at most 500 characters"),
            INVALID,
            Cause.TEXT_TOO_LONG,
        ),
        (
            fault(100, 0, "THREADS_API__LINK_LIMIT_EXCEEDED"),
            INVALID,
            Cause.TOO_MANY_LINKS,
        ),
        (fault(4476002), PERMISSION, Cause.APP_REFUSED),
        (fault(4), LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(17), LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(32), LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(613), LIMITED, Cause.TOO_MANY_REQUESTS),
        (fault(1), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (fault(2), AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        ({}, AMBIGUOUS, Cause.ANSWER_UNREADABLE),
    ],
)
def test_each_answer_to_a_publish_has_its_outcome(
    client: ThreadsClient,
    api: responses.RequestsMock,
    body: dict,
    outcome: Outcome,
    cause: Cause,
) -> None:
    url = f"{API}/{ME}/threads_publish"
    api.post(url, json=body, status=400 if body else 200)
    error = raised(lambda: client.publish(BOX))
    assert (error.outcome, error.cause) == (outcome, cause)


@pytest.mark.trap("threads", 1)
def test_the_wrong_app_id_is_no_fault_of_the_account(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    api.get(PROFILE, json=fault(4476002), status=400)
    assert raised(client.identities).reach is Reach.APP


def test_a_container_that_could_not_be_made_is_in_no_doubt(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    api.post(f"{API}/{ME}/threads", json=fault(2), status=500)
    assert raised(lambda: client.create_container({})).outcome is TRANSIENT


def test_no_refusal_shows_a_token(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    said = "Error validating access token: THAAtest and THAAother123 are dead"
    api.get(PROFILE, json=fault(190, 0, said), status=400)
    error = raised(client.profile)
    assert "THAA" not in error.detail


# ------------------------------------------------------------------ after publishing


@pytest.mark.parametrize("gone", [fault(100, 33), fault(24, 4279009)])
def test_a_post_that_is_gone_counts_as_deleted(
    client: ThreadsClient, api: responses.RequestsMock, gone: dict
) -> None:
    api.delete(f"{API}/{POST}", json={"success": True, "deleted_id": POST})
    client.delete_post(POST)
    api.replace(responses.DELETE, f"{API}/{POST}", json=gone, status=400)
    client.delete_post(POST)
    api.get(f"{API}/{POST}/insights", json=gone, status=400)
    assert raised(lambda: client.figures(POST)).outcome is Outcome.NOT_FOUND


def test_figures_have_our_names_and_what_is_not_told_is_not_zero(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    rows: list[dict[str, Any]] = [
        {"name": name, "values": [{"value": value}]}
        for name, value in (("views", 120), ("reposts", 2), ("quotes", 1))
    ]
    rows += [
        {"name": "likes", "total_value": {"value": 9}},
        {"name": "replies", "values": []},
        {"name": "new_metric", "values": [{"value": 7}]},
    ]
    api.get(f"{API}/{POST}/insights", json={"data": rows})
    assert client.figures(POST).values == {
        Figure.IMPRESSIONS: 120,
        Figure.LIKES: 9,
        Figure.SHARES: 3,
    }
    assert query(api.calls[0])["metric"] == "views,likes,replies,reposts,quotes,shares"


def test_comments_know_what_they_answer_and_whether_they_are_hidden(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    where = "https://www.threads.net/@ana/post/Pp"
    first = {
        "id": "1",
        "text": "Nice",
        "username": "ana",
        "permalink": where,
        "timestamp": "2026-10-05T09:20:00+0000",
        "replied_to": {"id": POST},
        "hide_status": "NOT_HUSHED",
    }
    second = {"id": "2", "replied_to": {"id": "1"}, "hide_status": "HIDDEN"}
    paging = {"cursors": {"after": "c2"}, "next": "https://graph.threads.net/x"}
    url = f"{API}/{POST}/conversation"
    api.get(url, json={"data": [first, second], "paging": paging})
    page = client.comments(POST, after="c1")
    assert query(api.calls[0])["after"] == "c1"
    one, two = page.comments
    assert (one.author, one.text, one.permalink) == ("ana", "Nice", where)
    assert one.published_at == datetime(2026, 10, 5, 9, 20, tzinfo=UTC)
    assert (one.parent_id, two.parent_id) == ("", "1")
    assert (one.hidden, two.hidden) == (False, True)
    assert page.after == "c2"
    api.replace(responses.GET, url, json={"data": []})
    assert client.comments(POST).after == ""


def test_an_answer_is_one_call_and_a_lost_one_is_in_doubt(
    client: ThreadsClient, api: responses.RequestsMock
) -> None:
    url = f"{API}/{ME}/threads"
    api.post(url, json={"id": POST})
    assert client.reply("1", "Thanks") == POST
    assert form(api.calls[0]) == {
        "media_type": "TEXT",
        "text": "Thanks",
        "reply_to_id": "1",
        "auto_publish_text": "true",
        "access_token": "THAAtest",
    }
    api.replace(responses.POST, url, body=requests.ReadTimeout())
    assert raised(lambda: client.reply("1", "Thanks")).outcome is AMBIGUOUS
