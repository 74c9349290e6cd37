from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
import time_machine

from platforms.base import (
    Draft,
    Level,
    MediaFile,
    PublishJob,
    RemotePost,
    Sighting,
    StepKind,
)
from platforms.bluesky.client import BlueskyClient
from platforms.bluesky.publish import Bluesky
from platforms.bluesky.richtext import facets, find_mentions, find_tags
from platforms.bluesky.tid import tid
from platforms.errors import Cause, Outcome, PlatformError

from .conftest import DID, HANDLE, XRPC

BLUESKY = Bluesky()
PUT = f"{XRPC}/com.atproto.repo.putRecord"
GET = f"{XRPC}/com.atproto.repo.getRecord"
UPLOAD = f"{XRPC}/com.atproto.repo.uploadBlob"
RESOLVE = "https://public.api.bsky.app/xrpc/com.atproto.identity.resolveHandle"
TID = re.compile(r"^[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}$")
NOW = datetime(2026, 2, 3, 9, 10, 11, tzinfo=UTC)
MakePicture = Callable[..., MediaFile]
MakeJob = Callable[..., PublishJob]


def blob(name: str) -> dict[str, Any]:
    return {
        "$type": "blob",
        "ref": {"$link": f"bafkrei{name}"},
        "mimeType": "image/png",
        "size": 9,
    }


def uri(job: PublishJob) -> str:
    return f"at://{DID}/app.bsky.feed.post/{BLUESKY.rkey(job)}"


# ---------------------------------------------------------------- record keys


@pytest.mark.parametrize(
    "at",
    [
        datetime(2023, 1, 1, tzinfo=UTC),
        NOW,
        NOW.replace(microsecond=999_999),
        datetime(2100, 12, 31, tzinfo=UTC),
    ],
)
@pytest.mark.parametrize("marker", ["0" * 32, "f" * 32, "0123456789abcdef" * 2])
def test_a_record_key_is_a_tid(at: datetime, marker: str) -> None:
    key = tid(at, marker)
    assert TID.match(key)
    assert tid(at, marker) == key


def test_a_record_key_holds_the_second_and_sorts_by_time() -> None:
    alphabet = "234567abcdefghijklmnopqrstuvwxyz"
    number = 0
    for letter in tid(NOW, "f" * 32):
        number = number * 32 + alphabet.index(letter)
    micros = number >> 10
    assert micros // 1_000_000 == int(NOW.timestamp())
    keys = [tid(NOW + timedelta(seconds=n), "f" * 32) for n in range(5)]
    assert keys == sorted(keys)


def test_posts_made_in_one_moment_have_keys_of_their_own() -> None:
    keys = {tid(NOW, f"{number:032x}") for number in range(5000)}
    assert len(keys) == 5000
    assert tid(NOW, "a" * 32) != tid(NOW, "a" * 31 + "b")


# ---------------------------------------------------------------- facets


def pieces(text: str, dids: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """(what the bytes of each facet say, what it leads to)."""
    found = []
    for facet in facets(text, dids):
        index = facet["index"]
        shown = text.encode()[index["byteStart"] : index["byteEnd"]].decode()
        (feature,) = facet["features"]
        kind = feature.pop("$type").removeprefix("app.bsky.richtext.facet")
        (target,) = feature.values()
        found.append((shown, f"{kind} {target}"))
    return found


@pytest.mark.trap("bluesky", 2)
def test_offsets_count_bytes_and_not_characters() -> None:
    text = "🌱👩‍👩‍👧 é https://acme.example/sow."
    (facet,) = facets(text)
    assert facet["index"] == {"byteStart": 4 + 18 + 1 + 2 + 1, "byteEnd": 26 + 24}
    assert pieces(text) == [
        ("https://acme.example/sow", "#link https://acme.example/sow")
    ]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Hello #spring", ["spring"]),
        ("#a #b", ["a", "b"]),
        ("#spring!", ["spring"]),
        ("(#spring", []),
        ("#2026", []),
        ("#2026sow", ["2026sow"]),
        ("a#b", []),
        ("#größe 🌱#x #🌱", ["größe", "🌱"]),
        ("#" + "x" * 64, ["x" * 64]),
        ("#" + "x" * 65, []),
        ("# spring", []),
        ("＃spring", ["spring"]),
    ],
)
def test_hashtags_are_found_as_the_app_finds_them(text: str, tags: list[str]) -> None:
    assert [span.value for span in find_tags(text)] == tags


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("@ana.example", ["ana.example"]),
        ("hi (@Ana.bsky.social).", ["ana.bsky.social"]),
        ("@ana", []),
        ("me@acme.example", []),
        ("@ana@social.example", []),
        ("@ana.example, @ben.example", ["ana.example", "ben.example"]),
        ("https://x.example/@ana.example", []),
    ],
)
def test_mentions_are_handles(text: str, handles: list[str]) -> None:
    assert [span.value for span in find_mentions(text)] == handles


def test_facets_come_in_order_and_never_overlap() -> None:
    text = "é @ana.example #tag https://acme.example/#x @nobody.example"
    assert pieces(text, {"ana.example": "did:plc:ana"}) == [
        ("@ana.example", "#mention did:plc:ana"),
        ("#tag", "#tag tag"),
        ("https://acme.example/#x", "#link https://acme.example/#x"),
    ]


# ---------------------------------------------------------------- counting, checking


@pytest.mark.parametrize(
    ("text", "characters", "size"),
    [
        ("Hello", 5, 5),
        (" Hello\r\nyou ", 9, 9),
        ("👩‍👩‍👧‍👦" * 10, 10, 250),
        ("https://acme.example/" + "x" * 79, 100, 100),
        ("", 0, 0),
    ],
)
def test_characters_and_bytes_are_counted(
    text: str, characters: int, size: int
) -> None:
    counts = BLUESKY.counts(Draft(text))
    assert [(c.unit, c.used, c.limit) for c in counts] == [
        ("characters", characters, 300),
        ("bytes", size, 3000),
    ]


def test_a_link_counts_only_beside_pictures(picture: MakePicture) -> None:
    card = Draft("Hello", "https://acme.example")
    assert BLUESKY.text_as_sent(card) == "Hello"
    assert BLUESKY.counts(card)[0].used == 5
    text = replace(card, media=(picture(),))
    assert BLUESKY.text_as_sent(text) == "Hello\n\nhttps://acme.example"
    assert BLUESKY.counts(text)[0].used == 27


def causes(draft: Draft, **limits: Any) -> list[tuple[Level, Cause, str]]:
    found = BLUESKY.check(draft, limits=limits)
    return [(f.level, f.cause, f.field) for f in found]


def test_a_good_draft_has_no_findings(picture: MakePicture) -> None:
    assert causes(Draft("Hello", "https://acme.example")) == []
    assert causes(Draft("", "https://acme.example")) == []
    assert causes(Draft("", media=(picture(),))) == []


@pytest.mark.trap("bluesky", 10)
def test_each_refusal_is_found_before_sending(picture: MakePicture) -> None:
    refused = Level.REFUSED
    too_long = [(refused, Cause.TEXT_TOO_LONG, "text")]
    assert causes(Draft(" ")) == [(refused, Cause.TEXT_EMPTY, "text")]
    assert causes(Draft("x" * 301)) == too_long
    assert causes(Draft("👩‍👩‍👧‍👦" * 121)) == too_long
    assert causes(Draft("a", "acme.example")) == [(refused, Cause.LINK_REFUSED, "link")]
    ten = tuple(picture(n) for n in range(10))
    assert causes(Draft("a", media=ten)) == []
    more = (*ten, picture(10))
    assert causes(Draft("a", media=more)) == [(refused, Cause.TOO_MANY_MEDIA, "media")]
    heic = picture(mime_type="image/heic")
    assert causes(Draft("a", media=(heic,))) == [(refused, Cause.MEDIA_TYPE, "media:1")]
    heavy = [(refused, Cause.MEDIA_TOO_LARGE, "media:1")]
    assert causes(Draft("a", media=(picture(size_bytes=2_000_001),))) == heavy
    small = picture(size_bytes=1001)
    assert causes(Draft("a", media=(small,)), blob_upload_limit=1000) == heavy
    assert causes(Draft("a", media=(picture(alt_text="x" * 2001),))) == [
        (refused, Cause.ALT_TEXT_TOO_LONG, "media:1")
    ]


def test_a_picture_without_words_is_only_warned_about(picture: MakePicture) -> None:
    silent = Draft("a", media=(picture(alt_text=""),))
    assert causes(silent) == [(Level.WARNING, Cause.ALT_TEXT_MISSING, "media:1")]


# ---------------------------------------------------------------- steps


def run(job: PublishJob, client: BlueskyClient) -> tuple[list[str], RemotePost]:
    """Do the steps as the engine does; the names and the post."""
    names = []
    for _ in range(20):
        step = BLUESKY.next_step(job, client)
        names.append(step.name)
        result = step.run()
        job = replace(job, witness={**job.witness, **result.witness})
        json.dumps(job.witness)
        if result.remote:
            return names, result.remote
    raise AssertionError(f"no end: {names}")


def sent_record(server: responses.RequestsMock) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(server.calls[-1].request.body or "")["record"]
    return record


@pytest.mark.trap("bluesky", 5)
@time_machine.travel(NOW, tick=False)
def test_text_becomes_a_record_under_the_fixed_key(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    job = make_job(Draft("Hello #spring", language="en"))
    server.post(PUT, json={"uri": uri(job), "cid": "bafyrei1"})
    names, remote = run(job, client)
    assert names == ["fix_time", "put_record"]
    assert remote.external_id == uri(job)
    rkey = BLUESKY.rkey(job)
    assert remote.permalink == f"https://bsky.app/profile/{HANDLE}/post/{rkey}"
    assert remote.published_at is None
    assert json.loads(server.calls[0].request.body or "") == {
        "repo": DID,
        "collection": "app.bsky.feed.post",
        "rkey": rkey,
        "swapRecord": None,
        "record": {
            "$type": "app.bsky.feed.post",
            "text": "Hello #spring",
            "createdAt": "2026-02-03T09:10:11.000Z",
            "langs": ["en"],
            "facets": [
                {
                    "index": {"byteStart": 6, "byteEnd": 13},
                    "features": [
                        {"$type": "app.bsky.richtext.facet#tag", "tag": "spring"}
                    ],
                }
            ],
        },
    }


@pytest.mark.trap("bluesky", 9)
@time_machine.travel(NOW, tick=False)
def test_a_link_becomes_a_card(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    link = "https://www.acme.example/sow"
    plain = make_job(Draft("Hello", link))
    titled = make_job(Draft("Hello", link, link_title="Sow", link_description="How"))
    server.post(PUT, json={"uri": uri(plain)})
    run(plain, client)
    record = sent_record(server)
    assert (record["text"], record.get("facets")) == ("Hello", None)
    assert record["embed"] == {
        "$type": "app.bsky.embed.external",
        "external": {"uri": link, "title": "acme.example", "description": ""},
    }
    run(titled, client)
    external = sent_record(server)["embed"]["external"]
    assert external == {"uri": link, "title": "Sow", "description": "How"}


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("count", [4, 5, 10])
def test_more_than_four_pictures_are_a_gallery(
    client: BlueskyClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
    count: int,
) -> None:
    media = tuple(picture(n) for n in range(1, count + 1))
    job = make_job(Draft("Spring", media=media))
    for number in range(count):
        server.post(UPLOAD, json={"blob": blob(f"b{number}")})
    server.post(PUT, json={"uri": uri(job)})
    run(job, client)
    embed = sent_record(server)["embed"]
    if count == 4:
        assert embed["$type"] == "app.bsky.embed.images"
        return
    assert embed["$type"] == "app.bsky.embed.gallery"
    assert [item["image"] for item in embed["items"]] == [
        blob(f"b{number}") for number in range(count)
    ]
    assert embed["items"][0] == {
        "$type": "app.bsky.embed.gallery#image",
        "image": blob("b0"),
        "alt": "Seedlings 1",
        "aspectRatio": {"width": 1000, "height": 1500},
    }


@pytest.mark.trap("bluesky", 9)
@time_machine.travel(NOW, tick=False)
def test_pictures_are_uploaded_and_embedded_in_order(
    client: BlueskyClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    pictures = (picture(), picture(2, alt_text="", width=0, height=0))
    job = make_job(Draft("🌱", "https://acme.example", media=pictures))
    server.post(UPLOAD, json={"blob": blob("a")})
    server.post(UPLOAD, json={"blob": blob("b")})
    server.post(PUT, json={"uri": uri(job)})
    names, _ = run(job, client)
    assert names == ["upload_image:1", "upload_image:2", "fix_time", "put_record"]
    upload = server.calls[0].request
    assert (upload.body, upload.headers["Content-Type"]) == (b"png bytes", "image/png")
    record = sent_record(server)
    assert record["text"] == "🌱\n\nhttps://acme.example"
    assert record["facets"][0]["index"] == {"byteStart": 6, "byteEnd": 26}
    assert record["embed"] == {
        "$type": "app.bsky.embed.images",
        "images": [
            {
                "image": blob("a"),
                "alt": "Seedlings 1",
                "aspectRatio": {"width": 1000, "height": 1500},
            },
            {"image": blob("b"), "alt": ""},
        ],
    }


@time_machine.travel(NOW, tick=False)
def test_mentions_are_resolved_once_and_unknown_ones_stay_text(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    job = make_job(Draft("@ana.example @nobody.example @ana.example"))
    server.get(RESOLVE, json={"did": "did:plc:ana"})
    unknown = {"error": "InvalidRequest", "message": "Unable to resolve handle"}
    server.get(RESOLVE, json=unknown, status=400)
    server.post(PUT, json={"uri": uri(job)})
    names, _ = run(job, client)
    assert names == ["resolve_mentions", "fix_time", "put_record"]
    assert [f["index"]["byteStart"] for f in sent_record(server)["facets"]] == [0, 29]


def test_trouble_while_resolving_is_not_taken_for_an_unknown_handle(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    server.get(RESOLVE, status=502)
    with pytest.raises(PlatformError) as trouble:
        BLUESKY.next_step(make_job(Draft("@ana.example")), client).run()
    assert trouble.value.outcome is Outcome.TRANSIENT


@time_machine.travel(NOW, tick=False)
def test_only_the_record_could_be_seen_twice(
    client: BlueskyClient, make_job: MakeJob, picture: MakePicture
) -> None:
    job = make_job(Draft("@ana.example", media=(picture(),)))
    kinds = []
    for witness in (
        {},
        {"blobs": [blob("a")]},
        {"blobs": [blob("a")], "dids": {}},
        {"blobs": [blob("a")], "dids": {}, "created_at": NOW.isoformat()},
    ):
        step = BLUESKY.next_step(replace(job, witness=witness), client)
        kinds.append((step.name, step.kind))
    assert kinds == [
        ("upload_image:1", StepKind.REPEATABLE),
        ("resolve_mentions", StepKind.REPEATABLE),
        ("fix_time", StepKind.REPEATABLE),
        ("put_record", StepKind.COMMIT),
    ]


@pytest.mark.trap("bluesky", 4)
def test_every_attempt_sends_the_identical_record(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    job = make_job(
        Draft("Hello"), witness={"created_at": NOW.isoformat()}, first_sent_at=NOW
    )
    server.post(PUT, body=requests.ReadTimeout())
    server.post(PUT, json={"uri": uri(job)})
    with time_machine.travel(NOW, tick=False), pytest.raises(PlatformError) as lost:
        run(job, client)
    assert lost.value.outcome is Outcome.AMBIGUOUS
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        run(job, client)
    first, second = (call.request.body for call in server.calls)
    assert first == second


def test_a_post_that_waited_and_was_never_sent_gets_the_time_of_its_sending(
    client: BlueskyClient, make_job: MakeJob
) -> None:
    job = make_job(Draft("Hello"), witness={"created_at": NOW.isoformat()})
    with time_machine.travel(NOW + timedelta(hours=3), tick=False):
        assert BLUESKY.next_step(job, client).name == "fix_time"
        sent = replace(job, first_sent_at=NOW)
        assert BLUESKY.next_step(sent, client).name == "put_record"


@time_machine.travel(NOW, tick=False)
def test_another_record_under_the_key_names_the_live_post(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    job = make_job(Draft("Hello"), witness={"created_at": NOW.isoformat()})
    there = {"error": "InvalidSwap", "message": "Record was at bafyrei1"}
    server.post(PUT, json=there, status=400)
    with pytest.raises(PlatformError) as twice:
        run(job, client)
    assert twice.value.outcome is Outcome.DUPLICATE
    assert twice.value.extra == {
        "external_id": uri(job),
        "permalink": f"https://bsky.app/profile/{HANDLE}/post/{BLUESKY.rkey(job)}",
    }


@pytest.mark.trap("bluesky", 11)
@time_machine.travel(NOW, tick=False)
def test_a_blob_that_was_collected_is_uploaded_again(
    client: BlueskyClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    witness = {"blobs": [blob("a")], "created_at": NOW.isoformat()}
    job = make_job(Draft("Hello", media=(picture(),)), witness=witness)
    gone = {"error": "BlobNotFound", "message": "Could not find blob: bafkreia"}
    server.post(PUT, json=gone, status=400)
    with pytest.raises(PlatformError) as lost:
        run(job, client)
    assert lost.value.outcome is Outcome.TRANSIENT
    assert "blobs" in lost.value.extra["forget"].split(",")
    again = replace(job, witness={"created_at": NOW.isoformat()})
    assert BLUESKY.next_step(again, client).name == "upload_image:1"


# ---------------------------------------------------------------- looking


@pytest.mark.trap("bluesky", 13)
def test_a_look_finds_the_record_by_its_key(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    job = make_job(Draft("Hello"))
    value = {"text": "Hello", "createdAt": "2026-02-03T09:10:11.000Z"}
    server.get(GET, json={"uri": uri(job), "cid": "bafyrei1", "value": value})
    look = BLUESKY.look(job, client)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert look.remote.external_id == uri(job)
    assert look.remote.published_at == NOW
    params = server.calls[0].request.params  # type: ignore[attr-defined]
    assert params["rkey"] == BLUESKY.rkey(job)


def test_a_record_that_is_not_there_may_be_put_again(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    missing = {"error": "RecordNotFound", "message": "Could not locate record: at://x"}
    server.get(GET, json=missing, status=400)
    look = BLUESKY.look(make_job(Draft("Hello")), client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, True)


@pytest.mark.trap("bluesky", 13)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, "<html></html>"),
        (404, "<html></html>"),
        (400, '{"error":"InvalidRequest","message":"Could not find repo"}'),
        (200, "<html></html>"),
    ],
)
def test_any_other_answer_is_no_proof_of_absence(
    client: BlueskyClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    status: int,
    body: str,
) -> None:
    server.get(GET, body=body, status=status)
    with pytest.raises(PlatformError):
        BLUESKY.look(make_job(Draft("Hello")), client)


def test_a_record_with_an_odd_time_is_still_found(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    job = make_job(Draft("Hello"))
    server.get(GET, json={"uri": uri(job), "value": {"createdAt": "soon"}})
    look = BLUESKY.look(job, client)
    assert look.remote is not None
    assert look.remote.published_at is None
