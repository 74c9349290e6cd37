"""Our client of Ayrshare: what its answers mean, and what is sent and looked for."""

import base64
import hashlib
import hmac
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
import responses

from platforms import parts
from platforms.ayrshare.client import AyrshareClient
from platforms.ayrshare.publish import Ayrshare
from platforms.ayrshare.spec import SPEC
from platforms.base import (
    Ability,
    Access,
    Draft,
    Environment,
    Figure,
    Hook,
    HookEvent,
    Identity,
    Level,
    MediaFile,
    MediaKind,
    PublishJob,
    Sighting,
    StepKind,
)
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.http import Answer

API = "https://api.ayrshare.com/api"
ME = Identity("160c", "profile", "Acme", "Acme", "", extra={"networks": ["facebook"]})
GONE = {"status": "success", "id": "1049", "postUrl": "https://fb.example/1049"}
AYRSHARE = Ayrshare()
Words = dict[str, Any]


@pytest.fixture
def api():
    with responses.RequestsMock() as mock:
        yield mock


def client(token: str = "test-profile-key") -> AyrshareClient:
    environment = Environment(SPEC.hosts, client_secret="test-api-key")
    return AyrshareClient(environment, Access(token=token, external_id="160c"))


def job(**changes: Any) -> PublishJob:
    facts = {"witness": {"key": "k1"}, **changes}
    draft = facts.pop("draft", Draft("Hello"))
    return PublishJob("a" * 32, datetime.now(UTC), draft, ME, **facts)


def answer(**changes: Any) -> Words:
    inner = {
        "status": "success",
        "id": "Rhrb",
        "post": "Hello",
        "errors": [],
        "postIds": [{**GONE, "platform": "facebook"}],
        **changes,
    }
    return {"status": inner["status"], "posts": [inner]}


def refused(code: int, message: str = "No.", **more: Any) -> Words:
    row = {"action": "post", "status": "error", "code": code, "message": message}
    return {"status": "error", "errors": [{**row, **more}], "postIds": []}


# ---------------------------------------------------------------- keys and health


@pytest.mark.parametrize(
    ("token", "sent"),
    [("test-profile-key", "test-profile-key"), ("test-api-key", None)],
)
def test_a_profile_key_never_stands_alone(
    api: responses.RequestsMock, token: str, sent: str | None
) -> None:
    api.get(f"{API}/user", json={"refId": "160c", "title": "Acme"})
    client(token).identities()
    headers = api.calls[0].request.headers
    assert headers["Authorization"] == "Bearer test-api-key"
    assert headers.get("Profile-Key") == sent


def test_without_a_profile_key_our_own_profile_is_meant() -> None:
    assert client().take_key("").access_token == "test-api-key"
    assert client().take_key("p1").access_token == "p1"


@pytest.mark.trap("ayrshare", 11)
@pytest.mark.parametrize("status", [200, 403])
def test_neither_an_answer_nor_the_log_tells_a_key(
    api: responses.RequestsMock, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Nor one that refuses although its status does not."""
    caplog.set_level(logging.DEBUG)
    said = "bad key test-profile-key of test-api-key, signed with our-long-word"
    words = {"status": "error", "message": said}
    api.post(f"{API}/hook/webhook", json=words, status=status)
    acting = client()
    with pytest.raises(PlatformError) as caught:
        acting.ask_for_events("160c", "https://hub.example.com/h", "our-long-word")
    assert "our-long-word" not in caught.value.detail
    api.post(f"{API}/comments", json=words, status=status)
    with pytest.raises(PlatformError) as caught:
        acting.comment("Rhrb", "Hi", "facebook")
    told = caught.value.detail + repr(caught.value) + repr(acting.access) + caplog.text
    assert "POST /comments" in caplog.text
    assert "test-profile-key" not in told
    assert "test-api-key" not in told


@pytest.mark.trap("ayrshare", 5)
@pytest.mark.parametrize("linked", [["facebook", "twitter"], None])
def test_networks_that_are_linked_tell_the_health(
    api: responses.RequestsMock, linked: list[str] | None
) -> None:
    """The list is absent when nothing is linked, which is no failure of the call."""
    data: Words = {"refId": "160c", "title": "Acme"}
    if linked:
        data["activeSocialAccounts"] = linked
    api.get(f"{API}/user", json=data)
    verdict = client().prove().abilities[Ability.PUBLISH]
    assert verdict.ok is bool(linked)
    names = client().server_limits()["networks"]
    assert names == ({"facebook": "Facebook", "twitter": "X"} if linked else {})


def test_the_first_network_that_wants_a_new_consent_ends_the_profile(
    api: responses.RequestsMock,
) -> None:
    now = datetime.now(UTC)

    def row(network: str, days: int) -> Words:
        return {
            "platform": network,
            "refreshRequired": (now + timedelta(days=days)).isoformat(),
        }

    data: Words = {
        "refId": "160c",
        "activeSocialAccounts": ["facebook", "linkedin", "twitter", "bluesky"],
        "displayNames": [
            row("facebook", 51),
            row("linkedin", 300),
            row("instagram", 9),  # not linked any more
            row("bluesky", -1),  # still there: it was given anew
            {"platform": "twitter"},
        ],
    }
    api.get(f"{API}/user", json=data)
    assert client().prove().data_access_ends_at == now + timedelta(days=51)
    api.replace("GET", f"{API}/user", json={**data, "displayNames": []})
    proof = client().prove()
    assert proof.tells_data_access
    assert proof.data_access_ends_at is None


# ---------------------------------------------------------------- the table of errors


@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (401, refused(102), Outcome.PERMISSION, Cause.APP_REFUSED),
        (401, {"message": "x"}, Outcome.AUTH_REVOKED, Cause.TOKEN_INVALID),
        (
            403,
            {"message": "The profile is suspended."},
            Outcome.PERMISSION,
            Cause.ACCOUNT_SUSPENDED,
        ),
        (
            403,
            {"message": "The key may not do this."},
            Outcome.PERMISSION,
            Cause.NOT_ALLOWED,
        ),
        (402, refused(169), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (403, refused(169), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (400, refused(101), Outcome.INVALID_CONTENT, Cause.UNKNOWN_REFUSAL),
        (400, refused(107), Outcome.DUPLICATE, Cause.DUPLICATE_TEXT),
        (400, refused(110), Outcome.DUPLICATE, Cause.DUPLICATE_TEXT),
        (400, refused(138), Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
        (400, refused(146), Outcome.DUPLICATE, Cause.ALREADY_THERE),
        (400, refused(161), Outcome.PERMISSION, Cause.NETWORK_UNLINKED),
        (400, refused(192), Outcome.NOT_FOUND, Cause.NOT_THERE),
        (400, refused(221), Outcome.NOT_FOUND, Cause.NOT_THERE),
        (400, refused(361), Outcome.PERMISSION, Cause.NOT_ALLOWED),
        (400, refused(362), Outcome.PERMISSION, Cause.NETWORK_UNLINKED),
        (400, refused(382), Outcome.INVALID_CONTENT, Cause.UNKNOWN_REFUSAL),
        (400, refused(383), Outcome.NOT_FOUND, Cause.NOT_THERE),
        (400, refused(485), Outcome.NOT_FOUND, Cause.NOT_THERE),
        (400, refused(501), Outcome.AUTH_EXPIRED, Cause.CODE_REFUSED),
        (400, refused(502), Outcome.AUTH_EXPIRED, Cause.CODE_REFUSED),
        (400, refused(503), Outcome.AUTH_EXPIRED, Cause.CODE_REFUSED),
        (500, refused(137), Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (502, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (504, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
        (400, refused(106), Outcome.RATE_LIMITED, Cause.PLAN_LIMIT),
        (400, refused(108), Outcome.AMBIGUOUS, Cause.ANSWER_LOST),
        (400, refused(436), Outcome.AMBIGUOUS, Cause.ANSWER_LOST),
        (400, refused(132), Outcome.INVALID_CONTENT, Cause.TEXT_TOO_LONG),
        (400, refused(137), Outcome.DUPLICATE, Cause.DUPLICATE_TEXT),
        (400, refused(156), Outcome.PERMISSION, Cause.NETWORK_UNLINKED),
        (400, refused(272), Outcome.PERMISSION, Cause.NETWORK_UNLINKED),
        (400, refused(288), Outcome.TRANSIENT, Cause.MEDIA_NOT_READY),
        (429, refused(435, details=90), Outcome.RATE_LIMITED, Cause.DAILY_LIMIT),
        (400, refused(479), Outcome.INVALID_CONTENT, Cause.MEDIA_NOT_PUBLIC),
        (
            400,
            refused(149, "The idempotency key was used."),
            Outcome.DUPLICATE,
            Cause.ALREADY_THERE,
        ),
        (404, refused(114), Outcome.NOT_FOUND, Cause.NOT_THERE),
        (400, refused(9999), Outcome.INVALID_CONTENT, Cause.UNKNOWN_REFUSAL),
        (
            429,
            {"status": "error", "code": 429},
            Outcome.RATE_LIMITED,
            Cause.TOO_MANY_REQUESTS,
        ),
        (503, {}, Outcome.AMBIGUOUS, Cause.PLATFORM_TROUBLE),
    ],
)
def test_each_code_has_its_meaning(
    status: int, body: Words, outcome: Outcome, cause: Cause
) -> None:
    for words in (body, {"posts": [body]}):
        made = Answer(status, {}, json.dumps(words).encode())
        error = client().error_from(made, mutates=True)
        assert (error.outcome, error.cause) == (outcome, cause)


def test_waits_come_from_the_answer_and_months_from_the_calendar() -> None:
    day = Answer(429, {}, json.dumps(refused(435, details=90)).encode())
    assert client().error_from(day, mutates=True).retry_after == 90
    month = Answer(400, {}, json.dumps(refused(106)).encode())
    reset_at = client().error_from(month, mutates=True).reset_at
    assert reset_at is not None
    assert (reset_at.day, reset_at.hour, reset_at.minute) == (1, 0, 7)
    assert reset_at > datetime.now(UTC)


# ---------------------------------------------------------------- publishing


def test_a_key_is_chosen_before_anything_is_sent() -> None:
    step = AYRSHARE.next_step(job(witness={}), client())
    assert step.kind is StepKind.REPEATABLE
    first, second = step.run().witness["key"], step.run().witness["key"]
    assert first == second
    assert first.startswith("a" * 32)


@pytest.mark.trap("ayrshare", 1)
def test_one_network_our_key_and_a_marker_in_the_notes(
    api: responses.RequestsMock,
) -> None:
    api.post(f"{API}/post", json=answer())
    step = AYRSHARE.next_step(job(), client())
    assert step.kind is StepKind.COMMIT
    remote = step.run().remote
    assert json.loads(api.calls[0].request.body) == {
        "post": "Hello",
        "platforms": ["facebook"],
        "idempotencyKey": "k1",
        "notes": "a" * 32,
    }
    assert remote is not None
    assert (remote.external_id, remote.permalink) == ("Rhrb", GONE["postUrl"])


@pytest.mark.trap("ayrshare", 7)
def test_a_video_at_youtube_is_not_private_by_silence() -> None:
    draft = Draft("Hello", options={"network": "youtube", "title": "My title"})
    body = AYRSHARE.body(job(draft=draft))
    assert body["youTubeOptions"] == {"title": "My title", "visibility": "public"}


@pytest.mark.trap("ayrshare", 1)
@pytest.mark.trap("ayrshare", 2)
@pytest.mark.parametrize("status", [200, 400])
def test_a_400_may_carry_a_success_which_is_one(
    api: responses.RequestsMock, status: int
) -> None:
    """And an answer may come without its wrapping."""
    body = answer(status="error", errors=[{"code": 110, "platform": "twitter"}])
    api.post(f"{API}/post", json=body["posts"][0], status=status)
    result = AYRSHARE.next_step(job(), client()).run()
    assert result.remote is not None


@pytest.mark.trap("ayrshare", 2)
def test_a_success_without_ayrshares_own_id_is_looked_for_and_never_repeated(
    api: responses.RequestsMock,
) -> None:
    body = answer(status="error", errors=[{"code": 110, "platform": "twitter"}])
    api.post(f"{API}/post", json={**body["posts"][0], "id": ""}, status=400)
    with pytest.raises(PlatformError) as caught:
        AYRSHARE.next_step(job(), client()).run()
    assert caught.value.outcome is Outcome.AMBIGUOUS
    assert "forget" not in caught.value.extra


@pytest.mark.trap("ayrshare", 3)
@pytest.mark.parametrize(
    ("status", "body", "forgotten"),
    [(400, refused(132), True), (400, refused(137), True), (503, {}, False)],
)
def test_a_refusal_uses_a_key_up_and_a_lost_answer_does_not(
    api: responses.RequestsMock, status: int, body: Words, forgotten: bool
) -> None:
    api.post(f"{API}/post", json=body, status=status)
    with pytest.raises(PlatformError) as caught:
        AYRSHARE.next_step(job(), client()).run()
    assert ("key" in caught.value.extra.get("forget", "")) is forgotten


def past(**changes: Any) -> Words:
    row = {
        "id": "Rhrb",
        "post": "Hello",
        "status": "success",
        "created": datetime.now(UTC).isoformat(),
        "notes": "a" * 32,
        "postIds": [{**GONE, "platform": "facebook"}],
    }
    return {"history": [{**row, **changes}], "count": 1}


def now(changes: Words) -> Words:
    """The row as the running test sees it: the table above it was read long before."""
    return changes if changes is NONE else past(**changes)


NONE = {"history": {"code": 221, "action": "get", "status": "error"}, "count": 0}


@pytest.mark.trap("ayrshare", 6)
@pytest.mark.parametrize(
    ("status", "body", "sighting"),
    [
        (200, {}, Sighting.FOUND),
        (200, dict(notes="b" * 32), Sighting.ABSENT),
        (200, dict(notes="", post=" Hello"), Sighting.FOUND),
        (200, dict(notes="", post="Bye"), Sighting.ABSENT),
        (200, dict(created="2020-01-01T00:00:00Z"), Sighting.ABSENT),
        (200, dict(status="pending", postIds=[]), Sighting.CANNOT_TELL),
        (200, dict(status="error", postIds=[]), Sighting.ABSENT),
        (400, NONE, Sighting.ABSENT),
    ],
)
def test_the_history_tells_by_our_marker_else_by_the_text(
    api: responses.RequestsMock, status: int, body: Words, sighting: Sighting
) -> None:
    api.get(f"{API}/history", json=now(body), status=status)
    sent = job(first_sent_at=datetime.now(UTC))
    look = AYRSHARE.look(sent, client())
    assert look.sighting is sighting
    assert look.safe_to_repeat is (sighting is Sighting.ABSENT)
    if sighting is Sighting.FOUND:
        taken = replace(sent, taken=frozenset({"Rhrb"}))
        assert AYRSHARE.look(taken, client()).sighting is Sighting.ABSENT


@pytest.mark.trap("ayrshare", 3)
@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({}, Outcome.PUBLISHED),
        (dict(status="error", postIds=[], errors=[]), Outcome.INVALID_CONTENT),
        (NONE, Outcome.DUPLICATE),
    ],
)
def test_a_key_that_was_seen_leads_to_what_became_of_the_first_try(
    api: responses.RequestsMock, body: Words, outcome: Outcome
) -> None:
    """A repeat is refused whatever happened: it never returns the first answer."""
    used = refused(149, "The idempotency key was used.")
    api.post(f"{API}/post", json=used, status=400)
    status = 400 if body is NONE else 200
    api.get(f"{API}/history", json=now(body), status=status)
    step = AYRSHARE.next_step(job(first_sent_at=datetime.now(UTC)), client())
    if outcome is Outcome.PUBLISHED:
        remote = step.run().remote
        assert remote is not None
        assert remote.external_id == "Rhrb"
        return
    with pytest.raises(PlatformError) as caught:
        step.run()
    assert caught.value.outcome is outcome
    if outcome is Outcome.INVALID_CONTENT:
        # What is sent anew is followed anew, or it counts as out at once.
        assert set(caught.value.extra["forget"].split(",")) == {"key", "post", "polls"}


def test_a_post_without_its_id_is_asked_for_until_it_has_one(
    api: responses.RequestsMock,
) -> None:
    pending = {"status": "success", "id": "pending", "platform": "facebook"}
    api.post(f"{API}/post", json=answer(postIds=[pending]))
    result = AYRSHARE.next_step(job(), client()).run()
    assert (result.remote, result.wait_s) == (None, 15)
    assert AYRSHARE.is_out(result.witness)
    waiting = job(witness=result.witness)
    api.get(f"{API}/post/Rhrb", json=answer()["posts"][0])
    remote = AYRSHARE.next_step(waiting, client()).run().remote
    assert remote is not None
    assert remote.extra["social_id"] == "1049"


@pytest.mark.trap("ayrshare", 9)
def test_a_post_is_asked_for_seldom_and_not_at_all_while_it_is_too_often(
    api: responses.RequestsMock,
) -> None:
    """Too many answers of 429 suspend the profile of the customer."""
    processing = answer(status="processing", postIds=[])["posts"][0]
    api.get(f"{API}/post/Rhrb", json=processing)
    now, waits = job(witness={"key": "k1", "post": "Rhrb"}), []
    while True:
        result = AYRSHARE.next_step(now, client()).run()
        if result.remote:
            break
        waits.append(result.wait_s)
        now = replace(now, witness={**now.witness, **result.witness})
    assert len(waits) == 24
    assert waits[:5] == [15, 30, 60, 120, 300]
    assert set(waits[5:]) == {300}
    api.replace("GET", f"{API}/post/Rhrb", json={"code": 429}, status=429)
    asking = job(witness={"key": "k1", "post": "Rhrb"})
    with pytest.raises(PlatformError) as caught:
        AYRSHARE.next_step(asking, client()).run()
    assert caught.value.outcome is Outcome.RATE_LIMITED
    assert caught.value.retry_after == 60


@pytest.mark.trap("ayrshare", 10)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_at_ayrshare_is_its_own_and_no_networks(
    api: responses.RequestsMock, status: int
) -> None:
    api.get(f"{API}/user", status=status)
    with pytest.raises(PlatformError) as caught:
        client().prove()
    assert caught.value.reach is Reach.PLATFORM
    assert not caught.value.ends_access
    assert client().spec.slug == "ayrshare"


# ---------------------------------------------------------------- content, figures


@pytest.mark.parametrize(
    ("network", "text", "options", "expected"),
    [
        ("twitter", "a" * 281, {}, {Cause.TEXT_TOO_LONG}),
        ("facebook", "a" * 281, {}, set()),
        ("instagram", "Hello", {}, {Cause.MEDIA_MISSING}),
        (
            "instagram",
            "#a #b #c #d #e #f",
            {},
            {Cause.MEDIA_MISSING, Cause.TOO_MANY_TAGS},
        ),
        ("threads", "#a #b", {}, {Cause.TOO_MANY_TAGS}),
        ("youtube", "Hello", {"title": "T"}, {Cause.VIDEO_MISSING}),
        ("reddit", "Hello", {"title": "T"}, {Cause.OPTION_MISSING}),
        ("", "Hello", {}, {Cause.OPTION_MISSING}),
        ("facebook", "", {}, {Cause.TEXT_EMPTY}),
    ],
)
def test_each_network_behind_has_its_limits(
    network: str, text: str, options: Words, expected: set[Cause]
) -> None:
    account = replace(ME, extra={"networks": ["facebook", "twitter"]})
    draft = Draft(text, options={"network": network, **options})
    found = AYRSHARE.check(draft, account)
    assert {f.cause for f in found if f.level is Level.REFUSED} == expected


FILM = MediaFile(
    "a1",
    "video/mp4",
    1000,
    540,
    960,
    "",
    "",
    "a.mp4",
    BytesIO,
    public_url="https://hub.example.com/a.mp4",
    kind=MediaKind.VIDEO,
)
PICTURE = replace(FILM, mime_type="image/jpeg", file_name="a.jpg", kind=MediaKind.IMAGE)


@pytest.mark.parametrize(
    ("network", "place", "sent"),
    [
        ("facebook", "post", None),
        ("facebook", "reel", {"reels": True}),
        ("facebook", "story", {"stories": True}),
        ("instagram", "story", {"stories": True}),
        ("threads", "post", None),
    ],
)
def test_reels_and_stories_are_asked_for_in_the_networks_own_object(
    network: str, place: str, sent: Words | None
) -> None:
    options = {"network": network, "placement": place}
    draft = Draft("", media=(FILM,), options=options)
    assert not [f for f in AYRSHARE.check(draft, ME) if f.level is Level.REFUSED]
    body = AYRSHARE.body(job(draft=draft))
    named = {"facebook": "faceBookOptions", "instagram": "instagramOptions"}
    assert body.get(named.get(network, "")) == sent


@pytest.mark.parametrize(
    ("network", "place", "media", "level", "cause", "field"),
    [
        (
            "linkedin",
            "story",
            (FILM,),
            Level.REFUSED,
            Cause.OPTION_UNKNOWN,
            "option:placement",
        ),
        (
            "facebook",
            "reel",
            (PICTURE,),
            Level.REFUSED,
            Cause.VIDEO_MISSING,
            "media",
        ),
        (
            "instagram",
            "story",
            (PICTURE, PICTURE),
            Level.REFUSED,
            Cause.TOO_MANY_MEDIA,
            "media",
        ),
        (
            "instagram",
            "story",
            (PICTURE,),
            Level.WARNING,
            Cause.TEXT_NOT_SHOWN,
            "text",
        ),
    ],
)
def test_what_a_reel_or_a_story_cannot_be_is_told_before(
    network: str,
    place: str,
    media: tuple[MediaFile, ...],
    level: Level,
    cause: Cause,
    field: str,
) -> None:
    text = "Hello" if level is Level.WARNING else ""
    draft = Draft(text, media=media, options={"network": network, "placement": place})
    found = AYRSHARE.check(draft, ME)
    assert (level, cause, field) in {(f.level, f.cause, f.field) for f in found}


def test_a_video_for_pinterest_has_an_image_beside_it_for_its_cover() -> None:
    link = "https://acme.example/shop"
    options = {"network": "pinterest", "title": "Loaves"}
    draft = Draft("Hello", media=(FILM,), options=options, link_url=link)
    refused = {f.cause for f in AYRSHARE.check(draft, ME) if f.level is Level.REFUSED}
    assert refused == {Cause.COVER_MISSING}
    whole = replace(draft, media=(PICTURE, FILM))
    assert not [f for f in AYRSHARE.check(whole, ME) if f.level is Level.REFUSED]
    body = AYRSHARE.body(job(draft=whole))
    assert body["mediaUrls"] == [FILM.public_url]
    assert body["pinterestOptions"] == {
        "title": "Loaves",
        "link": link,
        "thumbNail": PICTURE.public_url,
    }
    assert AYRSHARE.shown(whole) == (FILM,)
    other = replace(draft, options={"network": "facebook"})
    assert not [f for f in AYRSHARE.check(other, ME) if f.level is Level.REFUSED]


@pytest.mark.parametrize("network", ["facebook", "instagram", "tiktok"])
def test_elsewhere_images_and_videos_do_not_mix(network: str) -> None:
    draft = Draft("Hi", media=(PICTURE, FILM), options={"network": network})
    refused = {f.cause for f in AYRSHARE.check(draft, ME) if f.level is Level.REFUSED}
    assert refused == {Cause.MEDIA_MIXED}


def test_a_link_of_pinterest_has_an_end() -> None:
    link = "https://acme.example/" + "x" * 2_030
    draft = Draft("", media=(PICTURE,), options={"network": "pinterest"}, link_url=link)
    found = [(f.cause, f.field) for f in AYRSHARE.check(draft, ME)]
    assert (Cause.LINK_REFUSED, "link") in found


@pytest.mark.parametrize(
    ("network", "options", "sent"),
    [
        (
            "instagram",
            {"collaborators": ("@anna", "ben"), "keep_off_feed": True},
            {"collaborators": ["anna", "ben"], "shareReelsFeed": False},
        ),
        ("instagram", {"tags": ("a",), "no_comments": True}, None),
        (
            "tiktok",
            {"no_comments": True, "ai_generated": True},
            {"disableComments": True, "isAIGenerated": True},
        ),
        (
            "youtube",
            {"title": "T", "visibility": "private", "shorts": True, "tags": ("a", " ")},
            {"title": "T", "visibility": "private", "shorts": True, "tags": ["a"]},
        ),
        ("youtube", {"title": "T"}, {"title": "T", "visibility": "public"}),
        ("facebook", {"title": "T"}, {"title": "T"}),
    ],
)
def test_each_network_is_told_what_was_chosen_for_it_alone(
    network: str, options: Words, sent: Words | None
) -> None:
    chosen = {"network": network, **options}
    draft = Draft("Hi", media=(FILM,), options=chosen)
    found = AYRSHARE.check(draft, ME)
    assert not [f for f in found if f.level is Level.REFUSED]
    body = AYRSHARE.body(job(draft=draft))
    named = {
        "facebook": "faceBookOptions",
        "instagram": "instagramOptions",
        "tiktok": "tikTokOptions",
        "youtube": "youTubeOptions",
    }
    assert body.get(named[network]) == sent
    left = {f.field for f in found if f.cause is Cause.OPTION_LEFT_OUT}
    strange = {"option:tags", "option:no_comments"} if sent is None else set()
    assert left == strange


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (("a", "b", "c"), None),
        (("a", "b", "c", "d"), Cause.OPTION_TOO_LONG),
        (("no name",), Cause.OPTION_UNKNOWN),
    ],
)
def test_three_people_publish_together_at_most(
    names: tuple[str, ...], cause: Cause | None
) -> None:
    options = {"network": "instagram", "collaborators": names}
    draft = Draft("Hi", media=(PICTURE,), options=options)
    refused = [f.cause for f in AYRSHARE.check(draft, ME) if f.level is Level.REFUSED]
    assert refused == ([cause] if cause else [])


# ---------------------------------------------------------------- first comments


def below(network: str = "instagram", **changes: Any) -> PublishJob:
    """A post that is out, and its first comment that is not."""
    draft = Draft("Hi", options={"network": network}, first_comment="Recipe below")
    out = {"id": "Rhrb", "link": "", "at": "", "extra": {}}
    sent_at = datetime.now(UTC) - timedelta(seconds=changes.pop("ago_s", 60))
    return job(
        draft=draft, witness={parts.OUT: [out]}, first_sent_at=sent_at, **changes
    )


def test_a_first_comment_goes_to_the_network_of_the_post(
    api: responses.RequestsMock,
) -> None:
    told = {"instagram": {"status": "success", "commentId": "c1"}, "status": "success"}
    api.post(f"{API}/comments", json=told)
    step = parts.next_step(AYRSHARE, below(), client())
    assert (step.name, step.kind) == ("comment", StepKind.COMMIT)
    result = step.run()
    assert result.remote
    assert result.remote.external_id == "instagram:c1"
    assert json.loads(api.calls[0].request.body or "") == {
        "id": "Rhrb",
        "comment": "Recipe below",
        "platforms": ["instagram"],
    }


@pytest.mark.parametrize(
    ("ago_s", "sighting"), [(30, Sighting.CANNOT_TELL), (1300, Sighting.ABSENT)]
)
def test_an_old_list_does_not_say_that_a_comment_is_not_there(
    api: responses.RequestsMock, ago_s: int, sighting: Sighting
) -> None:
    """Lists are kept for ten minutes: a repeat would stand there twice."""
    api.get(f"{API}/comments/Rhrb", json={"instagram": [], "status": "success"})
    assert parts.look(AYRSHARE, below(ago_s=ago_s), client()).sighting is sighting


def test_a_comment_that_is_listed_is_found(api: responses.RequestsMock) -> None:
    row = {"comment": "Recipe below", "commentId": "c1"}
    api.get(f"{API}/comments/Rhrb", json={"instagram": [row], "status": "success"})
    look = parts.look(AYRSHARE, below(), client())
    assert look.sighting is Sighting.FOUND
    assert look.remote
    assert look.remote.external_id == "instagram:c1"


def test_a_plan_without_comments_stops_no_posts(api: responses.RequestsMock) -> None:
    api.post(f"{API}/comments", json={"status": "error", "code": 169}, status=403)
    with pytest.raises(PlatformError) as caught:
        parts.next_step(AYRSHARE, below(), client()).run()
    assert caught.value.outcome is Outcome.PERMISSION
    assert caught.value.reach is Reach.POST


@pytest.mark.parametrize(
    ("network", "options", "words", "cause"),
    [
        ("instagram", {}, "x", None),
        ("instagram", {"placement": "story"}, "x", Cause.COMMENT_IMPOSSIBLE),
        ("pinterest", {}, "x", Cause.COMMENT_IMPOSSIBLE),
        ("gmb", {}, "x", Cause.COMMENT_IMPOSSIBLE),
        ("twitter", {}, "x" * 280, None),
        ("twitter", {}, "x" * 281, Cause.TEXT_TOO_LONG),
    ],
)
def test_a_first_comment_is_possible_where_ayrshare_comments(
    network: str, options: Words, words: str, cause: Cause | None
) -> None:
    chosen = {"network": {ME.external_id: network}, **options}
    draft = Draft("", media=(PICTURE,), options=chosen, first_comment=words)
    found = [f.cause for f in parts.check(AYRSHARE, draft, ME) if f.field == "comment"]
    assert found == ([cause] if cause else [])


# ---------------------------------------------------------------- events


def test_events_are_asked_for_with_a_word_of_ours(api: responses.RequestsMock) -> None:
    api.post(f"{API}/hook/webhook", json={"status": "success"})
    until = client().ask_for_events("160c", "https://hub.example.com/h", "word")
    assert until
    assert until > datetime.now(UTC) + timedelta(days=1)
    sent = [json.loads(call.request.body or "") for call in api.calls]
    common = {"url": "https://hub.example.com/h", "secret": "word"}
    assert sent == [
        {"action": "scheduled", **common},
        {"action": "social", **common},
    ]
    assert api.calls[0].request.headers["Profile-Key"] == "test-profile-key"


NOW = datetime(2026, 2, 3, 9, 15, tzinfo=UTC)


def told_of(
    doc: Words, *, secret: str = "word", at: datetime = NOW, as_text: str = "hex"
) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(doc).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    shown = digest.hex() if as_text == "hex" else base64.b64encode(digest).decode()
    return body, {
        "x-authorization-timestamp": str(int(at.timestamp())),
        "x-authorization-content-sha256": shown,
        "x-ayrshare-delivery-id": "d1",
    }


PUBLISHED = {
    "action": "scheduled",
    "subAction": "tikTokPublished",
    "refId": "160c",
    "id": "Rhrb",
    "status": "success",
}
SCHEDULED = f"scheduled {hashlib.sha256(json.dumps(PUBLISHED).encode()).hexdigest()}"
UNLINKED = {
    "action": "social",
    "type": "unlink",
    "refId": "160c",
    "hookId": "TKLc30",
    "platform": "instagram",
}


@pytest.mark.parametrize("as_text", ["hex", "base64"])
@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (PUBLISHED, [HookEvent(SCHEDULED, Hook.PUBLISH, "160c", "Rhrb")]),
        (UNLINKED, [HookEvent("social TKLc30", Hook.ACCESS, "160c")]),
        ({"action": "feed", "refId": "160c"}, []),
        ({"action": "social"}, []),
    ],
)
def test_an_event_says_where_to_look(
    doc: Words, expected: list[HookEvent], as_text: str
) -> None:
    body, headers = told_of(doc, as_text=as_text)
    assert AYRSHARE.hook_events(body, headers, "word", NOW) == expected


def test_an_event_that_comes_again_is_the_same_whatever_its_unsigned_headers() -> None:
    body, headers = told_of(PUBLISHED)
    (event,) = AYRSHARE.hook_events(body, headers, "word", NOW)
    other = {**headers, "x-ayrshare-delivery-id": "d2"}
    assert AYRSHARE.hook_events(body, other, "word", NOW) == [event]


def test_while_a_secret_is_changed_the_second_signature_counts_as_well() -> None:
    body, headers = told_of(PUBLISHED)
    good = headers["x-authorization-content-sha256"]
    both = {
        **headers,
        "x-authorization-content-sha256": "00" * 32,
        "x-authorization-content-sha256-v2": good,
    }
    assert AYRSHARE.hook_events(body, both, "word", NOW)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body, headers: (body + b" ", headers),
        lambda body, headers: (body, {}),
        lambda body, headers: (body, {**headers, "x-authorization-timestamp": "0"}),
        lambda body, headers: (body, {**headers, "x-authorization-timestamp": ""}),
        lambda body, headers: told_of(PUBLISHED, secret="another"),
        lambda body, headers: (
            body,
            {**headers, "x-authorization-content-sha256": "é"},
        ),
    ],
)
def test_what_ayrshare_did_not_sign_is_refused(spoil: Any) -> None:
    body, headers = spoil(*told_of(PUBLISHED))
    with pytest.raises(ValueError, match="sign"):
        AYRSHARE.hook_events(body, headers, "word", NOW)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("method", "path", "ask"),
    [
        ("DELETE", "/post", lambda one: one.delete_post("Rhrb")),
        ("POST", "/analytics/post", lambda one: one.figures("Rhrb")),
        ("GET", "/comments/Rhrb", lambda one: one.comments("Rhrb")),
        ("POST", "/comments/reply/c1", lambda one: one.reply("instagram:c1", "Hi")),
    ],
    ids=["delete", "figures", "comments", "reply"],
)
def test_a_refusal_with_http_200_is_one(
    api: responses.RequestsMock, method: str, path: str, ask: Any, status: int
) -> None:
    """A post that Instagram keeps would be called deleted."""
    said = "Instagram posts cannot be deleted."
    row = {"action": "delete", "status": "error", "code": 170, "message": said}
    body = {"instagram": row, "status": "error", "id": "Rhrb"}
    api.add(method, f"{API}{path}", json=body, status=status)
    with pytest.raises(PlatformError) as caught:
        ask(client())
    assert caught.value.permanent
    assert (caught.value.detail, caught.value.code) == (said, "170")


def test_figures_have_another_name_at_each_network(api: responses.RequestsMock) -> None:
    told = {"likeCount": 3, "commentsCount": 1, "reachCount": 90, "viewsCount": 120}
    body = {"instagram": {"id": "1789", "analytics": told}, "status": "success"}
    api.post(f"{API}/analytics/post", json=body)
    assert client().figures("Rhrb").values == {
        Figure.LIKES: 3,
        Figure.COMMENTS: 1,
        Figure.REACH: 90,
        Figure.VIEWS: 120,
    }


def test_the_calls_left_of_five_minutes_are_told() -> None:
    headers = {"x-ratelimit-max": "300", "x-ratelimit-count": "12"}
    (seen,) = AYRSHARE.observe("GET /user", headers, datetime.now(UTC))
    assert (seen.bucket_key, seen.limit, seen.remaining) == ("requests", 300, 288)


def test_looks_are_further_apart_than_the_history_is_old() -> None:
    """Long histories are a minute old."""
    looks = SPEC.look_after_s
    gaps = [timedelta(seconds=b - a) for a, b in pairwise(looks)]
    assert min(gaps) > timedelta(minutes=1)


@pytest.mark.parametrize(
    ("network", "place", "more"),
    [
        ("bluesky", "post", {}),
        ("instagram", "post", {"instagram_posts": 1}),
        ("tiktok", "post", {"tiktok_posts": 1, "tiktok_minute": 1}),
        ("facebook", "post", {}),
        ("facebook", "reel", {"facebook_reels": 1}),
    ],
)
def test_a_post_draws_on_the_limits_of_its_own_network(
    network: str, place: str, more: Words
) -> None:
    options = {"network": network, "placement": place}
    one = job(draft=Draft("Hi", media=(FILM,), options=options))
    drawn = AYRSHARE.draws(one, looking=False)
    assert drawn == {"requests": 1, "posts": 1, **more}
    sizes = {key: SPEC.rules[key].size for key in more}
    known = {
        "instagram_posts": 50,
        "tiktok_posts": 15,
        "tiktok_minute": 6,
        "facebook_reels": 30,
    }
    assert sizes == {key: known[key] for key in more}
