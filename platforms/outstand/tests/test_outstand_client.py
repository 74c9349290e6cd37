"""Our client of Outstand: what its answers mean, and what is sent and looked for."""

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import responses

from platforms import parts
from platforms.base import (
    Ability,
    Access,
    Draft,
    Environment,
    Figure,
    Hook,
    Identity,
    Level,
    MediaFile,
    MediaKind,
    Part,
    PublishJob,
    Sighting,
    StepKind,
)
from platforms.errors import Cause, Outcome, PlatformError
from platforms.http import Answer
from platforms.outstand.client import OutstandClient
from platforms.outstand.publish import Outstand
from platforms.outstand.spec import SPEC

API = "https://api.outstand.so/v1"
ME = Identity("9dyJS", "facebook", "Acme", "acme", "")
OUTSTAND = Outstand()
LINK = "https://fb.example/1049"
Words = dict[str, Any]


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def client(kind: str = "facebook") -> OutstandClient:
    environment = Environment(SPEC.hosts, client_secret="ost_test_key")
    return OutstandClient(
        environment, Access(token="ost_test_key", external_id="9dyJS", kind=kind)
    )


def job(**changes: Any) -> PublishJob:
    at = changes.pop("key_at", datetime.now(UTC))
    facts = {"witness": {"key": "k1", "key_at": at.isoformat()}, **changes}
    draft = facts.pop("draft", Draft("Hello"))
    account = facts.pop("account", ME)
    return PublishJob("a" * 32, datetime.now(UTC), draft, account, **facts)


def post(status: str = "pending", who: str = "9dyJS", **more: Any) -> Words:
    row = {"id": who, "network": "facebook", "status": status, "error": None}
    if status == "published":
        row |= {"platformPostUrl": LINK, "publishedAt": "2026-02-10T09:00:04.000Z"}
    return {
        "id": "Kx7vQ",
        "createdAt": "2026-02-03T09:10:11.000Z",
        "socialAccounts": [row | more],
        "containers": [{"id": "c1", "content": "Hello", "media": []}],
    }


def listed(*rows: Words) -> Words:
    return {"success": True, "data": list(rows)}


def account(number: str = "9dyJS", active: int = 1) -> Words:
    return {
        "id": number,
        "orgId": "org_1",
        "nickname": "Acme",
        "network": "facebook",
        "username": "acme",
        "isActive": active,
        "network_data": {"access_token": "EAAsecret"},
    }


@pytest.mark.trap("outstand", 4)
def test_each_linked_account_is_offered_and_the_organisation_is_none(
    api: responses.RequestsMock,
) -> None:
    """Answers hold tokens of the networks: nothing of them is kept."""
    api.get(f"{API}/social-accounts", json=listed(account(), account("2", active=0)))
    organisation, first, second = client().identities()
    assert (organisation.external_id, organisation.can_publish) == ("org_1", False)
    assert (first.external_id, first.kind, first.can_publish) == (
        "9dyJS",
        "facebook",
        True,
    )
    assert first.tokens is not None
    assert not second.can_publish
    assert "EAAsecret" not in str(first.extra)


@pytest.mark.trap("outstand", 4)
@pytest.mark.parametrize("found_by", ["create", "ask", "look"])
def test_tokens_in_an_answer_about_a_post_are_kept_nowhere(
    api: responses.RequestsMock, caplog: pytest.LogCaptureFixture, found_by: str
) -> None:
    caplog.set_level(logging.DEBUG)
    body = post("published", network_data={"access_token": "EAAsecret"})
    body["network_data"] = {"access_token": "EAAsecret"}
    api.assert_all_requests_are_fired = False
    api.post(f"{API}/posts", json={"post": body})
    api.get(f"{API}/posts/Kx7vQ", json={"post": body})
    api.get(f"{API}/posts", json={"posts": [body]})
    sent = job(first_sent_at=datetime(2026, 2, 3, 9, 10, tzinfo=UTC))
    asking = replace(sent, witness={"post": "Kx7vQ"})
    told: object
    if found_by == "look":
        told = OUTSTAND.look(sent, client())
    else:
        told = OUTSTAND.next_step(
            sent if found_by == "create" else asking, client()
        ).run()
    assert "Kx7vQ" in repr(told)
    assert "EAAsecret" not in repr(told) + caplog.text


@pytest.mark.parametrize(
    ("rows", "ok", "cause"),
    [
        ([account()], True, None),
        ([account(active=0)], False, Cause.NETWORK_UNLINKED),
        ([account("2")], False, Cause.NETWORK_UNLINKED),
    ],
)
def test_an_account_is_well_while_outstand_has_access_to_it(
    api: responses.RequestsMock, rows: list[Words], ok: bool, cause: Cause | None
) -> None:
    api.get(f"{API}/social-accounts", json=listed(*rows))
    verdict = client().prove().abilities[Ability.PUBLISH]
    assert (verdict.ok, verdict.cause) == (ok, cause)


@pytest.mark.trap("outstand", 8)
@pytest.mark.parametrize(
    ("status", "error", "outcome", "cause"),
    [
        (400, "Invalid payload", Outcome.INVALID_CONTENT, Cause.UNKNOWN_REFUSAL),
        (401, "bad key", Outcome.PERMISSION, Cause.APP_REFUSED),
        (402, "subscription_inactive", Outcome.PERMISSION, Cause.PLAN_LIMIT),
        (403, "not yours", Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (404, "unknown", Outcome.NOT_FOUND, Cause.NOT_THERE),
        (409, "already published", Outcome.DUPLICATE, Cause.ALREADY_THERE),
        (422, "media", Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
        (429, "slow down", Outcome.RATE_LIMITED, Cause.TOO_MANY_REQUESTS),
        (429, "monthly quota exhausted", Outcome.RATE_LIMITED, Cause.PLAN_LIMIT),
        (500, "Internal server error", Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (502, "", Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (503, "", Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (504, "", Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
    ],
)
def test_each_answer_has_its_meaning(
    status: int, error: str, outcome: Outcome, cause: Cause
) -> None:
    body = json.dumps({"success": False, "error": error}).encode()
    made = client().error_from(Answer(status, {}, body), mutates=True)
    assert (made.outcome, made.cause) == (outcome, cause)
    # Key and subscription are our app's: no account is broken by them.
    assert not (status in (401, 402) and made.ends_access)


# ---------------------------------------------------------------- publishing


@pytest.mark.trap("outstand", 1)
@pytest.mark.trap("outstand", 7)
def test_a_post_goes_to_one_account_with_a_key_of_its_own(
    api: responses.RequestsMock,
) -> None:
    first = OUTSTAND.next_step(job(witness={}), client())
    assert first.kind is StepKind.REPEATABLE
    assert len(first.run().witness["key"]) == 36
    api.post(f"{API}/posts", json={"success": True, "post": post()}, status=201)
    step = OUTSTAND.next_step(job(), client())
    assert step.kind is StepKind.COMMIT
    result = step.run()
    request = api.calls[0].request
    assert request.headers["Idempotency-Key"] == "k1"
    assert json.loads(request.body) == {
        "accounts": ["9dyJS"],
        "containers": [{"content": "Hello"}],
    }
    # Taken is not published.
    assert (result.remote, result.wait_s) == (None, 3)
    assert OUTSTAND.is_out(result.witness)


@pytest.mark.trap("outstand", 1)
@pytest.mark.trap("outstand", 9)
@pytest.mark.parametrize("wrap", ["post", "data", ""])
def test_it_is_asked_until_the_network_has_it(
    api: responses.RequestsMock, wrap: str
) -> None:
    body = post("published")
    api.get(f"{API}/posts/Kx7vQ", json={wrap: body} if wrap else body)
    waiting = job(witness={"post": "Kx7vQ", "polls": 1})
    remote = OUTSTAND.next_step(waiting, client()).run().remote
    assert remote is not None
    assert (remote.external_id, remote.permalink) == ("Kx7vQ", LINK)


def test_what_the_network_refused_has_failed(api: responses.RequestsMock) -> None:
    body = {"post": post("failed", error="Caption is not allowed")}
    api.get(f"{API}/posts/Kx7vQ", json=body)
    waiting = job(witness={"post": "Kx7vQ"})
    with pytest.raises(PlatformError) as caught:
        OUTSTAND.next_step(waiting, client()).run()
    assert caught.value.outcome is Outcome.INVALID_CONTENT
    assert caught.value.detail == "Caption is not allowed"
    assert "post" in caught.value.extra["forget"]


@pytest.mark.trap("outstand", 9)
@pytest.mark.parametrize("marker", ["Idempotency-Replayed", "Idempotency-Replay", ""])
@pytest.mark.parametrize("status", [200, 201])
def test_a_repeat_is_the_first_post_whatever_marks_it(
    api: responses.RequestsMock, marker: str, status: int
) -> None:
    headers = {marker: "true"} if marker else {}
    api.post(f"{API}/posts", json={"post": post()}, status=status, headers=headers)
    again = job(first_sent_at=datetime(2026, 2, 3, 9, 10, tzinfo=UTC))
    assert OUTSTAND.next_step(again, client()).run().witness["post"] == "Kx7vQ"


@pytest.mark.trap("outstand", 2)
def test_a_post_that_others_show_has_failed_where_ours_was_refused(
    api: responses.RequestsMock,
) -> None:
    body = post("failed", error="Caption is not allowed")
    shown = post("published", who="another")["socialAccounts"]
    body["socialAccounts"] = [*shown, *body["socialAccounts"]]
    body["publishedAt"] = "2026-02-10T09:00:04.000Z"
    api.get(f"{API}/posts/Kx7vQ", json={"post": body})
    with pytest.raises(PlatformError) as caught:
        OUTSTAND.next_step(job(witness={"post": "Kx7vQ"}), client()).run()
    assert caught.value.outcome is Outcome.INVALID_CONTENT


@pytest.mark.trap("outstand", 3)
def test_an_account_that_was_dropped_without_a_word_is_noticed(
    api: responses.RequestsMock,
) -> None:
    api.post(f"{API}/posts", json={"post": post(who="another")})
    with pytest.raises(PlatformError) as caught:
        OUTSTAND.next_step(job(), client()).run()
    assert caught.value.cause is Cause.NETWORK_UNLINKED


@pytest.mark.parametrize(("status", "forgotten"), [(400, True), (500, False)])
def test_a_refusal_ends_a_key_and_a_lost_answer_does_not(
    api: responses.RequestsMock, status: int, forgotten: bool
) -> None:
    api.post(f"{API}/posts", json={"error": "Invalid payload"}, status=status)
    with pytest.raises(PlatformError) as caught:
        OUTSTAND.next_step(job(), client()).run()
    assert ("key" in caught.value.extra.get("forget", "")) is forgotten


def test_a_story_is_instagrams_only() -> None:
    file = MediaFile(
        *("a1", "image/jpeg", 1000, 540, 960, "A loaf", "", "a.jpg", BytesIO),
        public_url="https://hub.example.com/a.jpg",
    )
    draft = Draft("", media=(file,), options={"placement": "story"})
    insta = replace(ME, kind="instagram")
    assert not [f for f in OUTSTAND.check(draft, insta) if f.level is Level.REFUSED]
    body = OUTSTAND.body(job(draft=draft, account=insta))
    assert body["instagram"] == {"publishAsStory": True, "altText": "A loaf"}
    assert "publishAsStory" not in str(
        OUTSTAND.body(job(draft=replace(draft, options={}), account=insta))
    )
    (refused,) = [f for f in OUTSTAND.check(draft, ME) if f.level is Level.REFUSED]
    assert (refused.cause, refused.field) == (Cause.OPTION_UNKNOWN, "option:placement")


INSTA = replace(ME, kind="instagram")
FILM = MediaFile(
    *("v1", "video/mp4", 1000, 540, 960, "", "", "a.mp4", BytesIO),
    public_url="https://hub.example.com/a.mp4",
    kind=MediaKind.VIDEO,
)
SAID = {
    "collaborators": ("@anna", "ben"),
    "location": "104923",
    "trial": "MANUAL",
    "ai_generated": True,
}


def test_what_instagram_is_told_of_a_reel() -> None:
    draft = Draft("", media=(FILM,), options=SAID)
    assert not [f for f in OUTSTAND.check(draft, INSTA) if f.level is Level.REFUSED]
    assert OUTSTAND.body(job(draft=draft, account=INSTA))["instagram"] == {
        "isAiGenerated": True,
        "collaborators": ["anna", "ben"],
        "locationId": "104923",
        "trialReel": {"graduationStrategy": "MANUAL"},
    }


def test_other_networks_are_told_nothing_of_it_and_that_is_said() -> None:
    draft = Draft("Hi", media=(FILM,), options=SAID)
    found = {f.field for f in OUTSTAND.check(draft, ME) if f.level is Level.WARNING}
    assert {f"option:{key}" for key in SAID} <= found
    assert "instagram" not in OUTSTAND.body(job(draft=draft))


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"trial": "MANUAL", "placement": "story"}, Cause.OPTION_UNKNOWN),
        ({"trial": "NEVER"}, Cause.OPTION_UNKNOWN),
        ({"location": "Berlin"}, Cause.OPTION_UNKNOWN),
        ({"collaborators": ("no name",)}, Cause.OPTION_UNKNOWN),
        ({"collaborators": ("a", "b", "c", "d")}, Cause.OPTION_TOO_LONG),
        ({"collaborators": ("a", "b", "c")}, None),
    ],
)
def test_what_instagram_would_refuse_is_said_before(
    options: Words, cause: Cause | None
) -> None:
    draft = Draft("", media=(FILM,), options=options)
    refused = [
        f.cause for f in OUTSTAND.check(draft, INSTA) if f.level is Level.REFUSED
    ]
    assert refused == ([cause] if cause else [])


# ---------------------------------------------------------------- threads, comments

BIRD = replace(ME, kind="x")
THREAD = Draft("One", parts=(Part("Two"), Part("Three")))


def test_a_thread_is_handed_over_at_once_and_its_parts_follow_without_a_call(
    api: responses.RequestsMock,
) -> None:
    whole = job(draft=THREAD, account=BIRD)
    out = {**post("published"), "containers": [{"content": t} for t in ("One", "Two")]}
    api.post(f"{API}/posts", json={"success": True, "post": out})
    result = parts.next_step(OUTSTAND, whole, client("x")).run()
    sent = json.loads(api.calls[0].request.body or "")
    assert sent["containers"] == [
        {"content": "One"},
        {"content": "Two"},
        {"content": "Three"},
    ]
    now = datetime.now(UTC)
    numbers = []
    for _part in range(3):
        assert result.remote
        numbers.append(result.remote.external_id)
        witness = {**whole.witness, **result.witness}
        witness = parts.arrived(THREAD, witness, result.remote, now)
        whole = replace(whole, witness=witness)
        if parts.all_out(THREAD, witness):
            break
        step = parts.next_step(OUTSTAND, whole, client("x"))
        assert step.kind is StepKind.REPEATABLE
        result = step.run()
    assert numbers == ["Kx7vQ", "unnamed:Kx7vQ:2", "unnamed:Kx7vQ:3"]
    assert parts.all_out(THREAD, whole.witness)
    assert len(api.calls) == 1


def test_the_calls_of_a_thread_are_those_of_one_post() -> None:
    whole = job(draft=THREAD, account=BIRD)
    alone = job(draft=Draft("One"), account=BIRD)
    for looking in (False, True):
        wanted = parts.draws(OUTSTAND, alone, looking=looking)
        assert parts.draws(OUTSTAND, whole, looking=looking) == wanted


def test_a_thread_is_known_by_the_words_of_all_its_parts(
    api: responses.RequestsMock,
) -> None:
    texts = [{"content": text} for text in ("One", "Two", "Three")]
    for containers, sighting in ((texts, Sighting.FOUND), (texts[:1], Sighting.ABSENT)):
        row = {**post("published"), "containers": containers}
        api.get(f"{API}/posts", json={"success": True, "posts": [row]})
        look = parts.look(OUTSTAND, job(draft=THREAD, account=BIRD), client("x"))
        assert look.sighting is sighting
        api.reset()


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("x", None), ("bluesky", None), ("facebook", Cause.THREAD_IMPOSSIBLE)],
)
def test_threads_are_of_networks_where_a_post_goes_on(
    kind: str, cause: Cause | None
) -> None:
    found = parts.check(OUTSTAND, THREAD, replace(ME, kind=kind))
    refused = [f.cause for f in found if f.level is Level.REFUSED]
    assert refused == ([cause] if cause else [])


def test_each_part_has_the_limit_of_its_network() -> None:
    long = replace(THREAD, parts=(Part("x" * 281),))
    found = parts.check(OUTSTAND, long, BIRD)
    assert [(f.cause, f.part) for f in found] == [(Cause.TEXT_TOO_LONG, 2)]


def commented(**changes: Any) -> PublishJob:
    out = {"id": "Kx7vQ", "link": LINK, "at": "", "extra": {}}
    draft = Draft("One", first_comment="Recipe below")
    return job(draft=draft, witness={parts.OUT: [out]}, **changes)


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({"success": True}, ""),
        ({"success": True, "comment": {"id": "c1"}}, "c1"),
        ({"success": True, "data": {"id": 7}}, "7"),
    ],
)
def test_a_first_comment_is_written_below_the_post(
    api: responses.RequestsMock, told: Words, number: str
) -> None:
    api.post(f"{API}/posts/Kx7vQ/comments", json=told, status=201)
    step = parts.next_step(OUTSTAND, commented(), client())
    assert step.kind is StepKind.COMMIT
    result = step.run()
    assert result.remote
    assert result.remote.external_id == number
    assert json.loads(api.calls[0].request.body or "") == {"text": "Recipe below"}


def test_a_comment_whose_answer_was_lost_is_for_a_person_to_look_at() -> None:
    """How its lists look is not documented, and a repeat would stand there twice."""
    look = parts.look(OUTSTAND, commented(), client())
    assert look.sighting is Sighting.CANNOT_TELL
    assert not look.safe_to_repeat
    assert parts.draws(OUTSTAND, commented(), looking=True) == {}
    assert parts.draws(OUTSTAND, commented(), looking=False)


@pytest.mark.parametrize(
    ("draft", "kind", "cause"),
    [
        (Draft("One", first_comment="Two"), "facebook", None),
        (
            Draft("One", parts=(Part("Two"),), first_comment="Three"),
            "x",
            Cause.COMMENT_IMPOSSIBLE,
        ),
        (
            Draft("", media=(FILM,), first_comment="x", options={"placement": "story"}),
            "instagram",
            Cause.COMMENT_IMPOSSIBLE,
        ),
        (Draft("One", first_comment="x" * 281), "x", Cause.TEXT_TOO_LONG),
    ],
)
def test_where_a_first_comment_is_possible(
    draft: Draft, kind: str, cause: Cause | None
) -> None:
    found = parts.check(OUTSTAND, draft, replace(ME, kind=kind))
    said = [f.cause for f in found if f.field == "comment"]
    assert said == ([cause] if cause else [])


# ---------------------------------------------------------------- events


def signed(doc: Any, secret: str = "word") -> tuple[bytes, dict[str, str]]:
    body = json.dumps(doc).encode()
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return body, {"x-outstand-signature": f"sha256={made}"}


AT = "2026-02-10T09:00:05.000Z"
ROWS = [{"accountId": "9dyJS", "network": "x"}, {"accountId": "other"}]


@pytest.mark.parametrize("event", ["post.published", "post.error"])
def test_an_event_of_a_post_has_it_asked_for_whatever_it_says(event: str) -> None:
    data = {"postId": "Kx7vQ", "socialAccounts": ROWS}
    body, headers = signed({"event": event, "timestamp": AT, "data": data})
    found = OUTSTAND.hook_events(body, headers, "word", datetime.now(UTC))
    assert [(one.what, one.account_id, one.object_id) for one in found] == [
        (Hook.PUBLISH, "9dyJS", "Kx7vQ"),
        (Hook.PUBLISH, "other", "Kx7vQ"),
    ]
    again = OUTSTAND.hook_events(body, headers, "word", datetime.now(UTC))
    assert [one.key for one in again] == [one.key for one in found]
    assert len({one.key for one in found}) == 2


@pytest.mark.parametrize("number", ["9", 9])
def test_an_access_that_ended_is_told_with_a_text_or_a_number(number: Any) -> None:
    data = {"accountId": number, "error": "expired"}
    doc = {"event": "account.token_expired", "timestamp": AT, "data": data}
    (found,) = OUTSTAND.hook_events(*signed(doc), "word", datetime.now(UTC))
    assert (found.what, found.account_id) == (Hook.ACCESS, "9")


@pytest.mark.parametrize(
    "doc",
    [
        {"event": "test", "timestamp": AT, "data": {}},
        {"event": "post.published", "data": {"postId": "Kx7vQ"}},
        {"event": "post.published", "data": []},
        {"event": "comment.received", "data": {"postId": "Kx7vQ"}},
        {},
    ],
)
def test_other_events_say_nothing_to_us(doc: Words) -> None:
    assert OUTSTAND.hook_events(*signed(doc), "word", datetime.now(UTC)) == []


def test_what_outstand_did_not_sign_is_refused() -> None:
    body, headers = signed({"event": "test"})
    for spoiled, told in (
        (body + b" ", headers),
        (body, {}),
        (body, {"x-outstand-signature": "sha256=é"}),
        signed({"event": "test"}, "another"),
    ):
        with pytest.raises(ValueError, match="signature"):
            OUTSTAND.hook_events(spoiled, told, "word", datetime.now(UTC))


@pytest.mark.trap("outstand", 6)
def test_at_tiktok_it_is_no_draft() -> None:
    made = OUTSTAND.body(job(account=replace(ME, kind="tiktok")))
    assert made["tiktok"] == {"postMode": "DIRECT_POST"}


@pytest.mark.parametrize(
    ("rows", "hours", "sighting", "safe"),
    [
        ([post("published")], 0, Sighting.FOUND, False),
        ([post("pending")], 0, Sighting.CANNOT_TELL, True),
        ([post("pending")], 24, Sighting.CANNOT_TELL, False),
        ([], 0, Sighting.ABSENT, True),
        ([], 24, Sighting.ABSENT, False),
        ([post("published", who="another")], 0, Sighting.ABSENT, True),
    ],
)
def test_for_a_day_the_same_key_gives_the_first_answer(
    api: responses.RequestsMock,
    rows: list[Words],
    hours: int,
    sighting: Sighting,
    safe: bool,
) -> None:
    api.get(f"{API}/posts", json={"posts": rows, "pagination": {"total": len(rows)}})
    at = datetime.now(UTC) - timedelta(hours=hours)
    look = OUTSTAND.look(job(key_at=at, first_sent_at=at), client())
    assert (look.sighting, look.safe_to_repeat) == (sighting, safe)
    assert "social_account_id=9dyJS" in str(api.calls[0].request.url)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("x", "a" * 281, {Cause.TEXT_TOO_LONG}),
        ("facebook", "a" * 281, set()),
        ("instagram", "Hello", {Cause.MEDIA_MISSING}),
        ("youtube", "Hello", {Cause.VIDEO_MISSING}),
        ("facebook", "", {Cause.TEXT_EMPTY}),
    ],
)
def test_each_network_behind_has_its_limits(
    kind: str, text: str, expected: set[Cause]
) -> None:
    found = OUTSTAND.check(Draft(text), replace(ME, kind=kind))
    assert {f.cause for f in found if f.level is Level.REFUSED} == expected


@pytest.mark.trap("outstand", 5)
def test_figures_are_those_of_the_account(api: responses.RequestsMock) -> None:
    rows = [
        {"social_account": {"id": "2"}, "metrics": {"likes": 9}},
        {"social_account": {"id": "9dyJS"}, "metrics": {"likes": 3, "views": 120}},
        {"social_account": {"id": "3"}, "metrics": {"likes": 7}},
    ]
    api.get(f"{API}/posts/Kx7vQ/analytics", json={"metrics_by_account": rows})
    values = client().figures("Kx7vQ").values
    assert values == {Figure.LIKES: 3, Figure.VIEWS: 120}


@pytest.mark.parametrize(("kind", "units"), [("instagram", 1), ("facebook", None)])
def test_a_post_to_instagram_is_one_of_its_hundred(
    kind: str, units: int | None
) -> None:
    drawn = OUTSTAND.draws(job(account=replace(ME, kind=kind)), looking=False)
    assert drawn.get("instagram_posts") == units
    assert drawn["posts"] == 1
    assert SPEC.rules["instagram_posts"].size == 100
