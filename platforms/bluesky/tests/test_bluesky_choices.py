"""Who may reply, warnings and hashtags beside the text, as the lexicons have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses

from platforms import parts
from platforms.base import Draft, Level, Part, PublishJob, Sighting, StepKind
from platforms.bluesky.client import BlueskyClient
from platforms.bluesky.publish import Bluesky
from platforms.bluesky.spec import PUT_GATE
from platforms.errors import Cause, Outcome, PlatformError, TransientError

from .conftest import DID, XRPC

BLUESKY = Bluesky()
PUT = f"{XRPC}/com.atproto.repo.putRecord"
GET = f"{XRPC}/com.atproto.repo.getRecord"
FIXED = "2026-02-03T09:10:11.000+00:00"
MakeJob = Callable[..., PublishJob]


@pytest.fixture
def job(make_job: MakeJob) -> PublishJob:
    draft = Draft("Hello", options={"reply_control": "mentionRule+followingRule"})
    return make_job(draft, witness={"created_at": datetime.now(UTC).isoformat()})


def uri(job: PublishJob) -> str:
    return f"at://{DID}/app.bsky.feed.post/{BLUESKY.rkey(job)}"


def out(job: PublishJob, client: BlueskyClient, server: Any) -> PublishJob:
    """The job once its post is written."""
    server.post(PUT, json={"uri": uri(job), "cid": "bafypost"})
    step = BLUESKY.next_step(job, client)
    assert (step.name, step.kind) == ("put_record", StepKind.COMMIT)
    result = step.run()
    assert result.remote is None
    server.remove(responses.POST, PUT)
    witness = json.loads(json.dumps({**job.witness, **result.witness}))
    assert BLUESKY.is_out(witness)
    return replace(job, witness=witness)


def sent(server: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.calls[-1].request.body)
    return found


def test_who_may_reply_is_a_record_beside_the_post_under_its_key(
    client: BlueskyClient, server: responses.RequestsMock, job: PublishJob
) -> None:
    assert BLUESKY.calls_ahead(job, looking=False)[PUT_GATE] == 1
    there = out(job, client, server)
    post = sent(server)
    assert BLUESKY.calls_ahead(there, looking=False) == {PUT_GATE: 1}
    server.post(PUT, json={"uri": "at://gate", "cid": "bafygate"})
    step = BLUESKY.next_step(there, client)
    assert (step.name, step.kind) == ("put_gate", StepKind.REPEATABLE)
    remote = step.run().remote
    gate = sent(server)
    assert gate == {
        "repo": DID,
        "collection": "app.bsky.feed.threadgate",
        "rkey": post["rkey"],
        "swapRecord": None,
        "record": {
            "$type": "app.bsky.feed.threadgate",
            "post": uri(job),
            "allow": [
                {"$type": "app.bsky.feed.threadgate#mentionRule"},
                {"$type": "app.bsky.feed.threadgate#followingRule"},
            ],
            # Written again, it is the same record.
            "createdAt": post["record"]["createdAt"],
        },
    }
    assert remote is not None
    assert (remote.external_id, remote.extra) == (uri(job), {"cid": "bafypost"})
    assert remote.text == "Hello"
    assert remote.published_at is not None
    assert datetime.now(UTC) - remote.published_at < timedelta(minutes=1)


def test_nobody_is_a_record_without_rules(
    client: BlueskyClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    draft = Draft("Hello", options={"reply_control": "nobody"})
    posted = {"uri": "at://x", "cid": "c", "at": FIXED}
    job = make_job(draft, witness={"created_at": FIXED, "posted": posted})
    assert BLUESKY.gate(job)["allow"] == []


def test_a_lost_answer_of_the_gate_is_sent_again_and_of_somebody_else_kept(
    client: BlueskyClient, server: responses.RequestsMock, job: PublishJob
) -> None:
    there = out(job, client, server)
    server.post(PUT, body=requests.ConnectionError("reset"))
    with pytest.raises(TransientError):
        BLUESKY.next_step(there, client).run()
    server.replace(
        responses.POST,
        PUT,
        json={"error": "InvalidSwap", "message": "Record was at bafyother"},
        status=400,
    )
    remote = BLUESKY.next_step(there, client).run().remote
    assert remote is not None
    assert "notes" not in remote.extra


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        ({"status": 403, "json": {"error": "ScopeMissingError", "message": "x"}}, 0),
        ({"status": 400, "json": {"error": "InvalidRequest", "message": "x"}}, 0),
        ({"status": 503, "json": {"error": "NotEnoughResources"}}, 4),
    ],
)
def test_without_the_gate_the_post_is_out_and_it_is_told(
    client: BlueskyClient,
    server: responses.RequestsMock,
    job: PublishJob,
    answer: dict,
    tries: int,
) -> None:
    there = out(job, client, server)
    there = replace(there, witness={**there.witness, "gate_tries": tries})
    server.post(PUT, **answer)
    result = BLUESKY.next_step(there, client).run()
    assert result.remote is not None
    assert result.remote.external_id == uri(job)
    assert "without the limit on replies" in result.remote.extra["notes"][0]
    (left,) = parts.left_out(result.witness)
    assert left.what == "the limit on replies"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            {"status": 400, "json": {"error": "ExpiredToken", "message": "expired"}},
            Outcome.AUTH_EXPIRED,
        ),
        ({"status": 429, "json": {"error": "RateLimitExceeded"}}, Outcome.RATE_LIMITED),
    ],
)
def test_an_end_of_the_access_or_a_limit_lets_the_gate_wait(
    client: BlueskyClient,
    server: responses.RequestsMock,
    job: PublishJob,
    answer: dict,
    outcome: Outcome,
) -> None:
    there = out(job, client, server)
    server.post(PUT, **answer)
    with pytest.raises(PlatformError) as caught:
        BLUESKY.next_step(there, client).run()
    assert caught.value.outcome is outcome


def test_a_post_that_is_found_afterwards_still_gets_its_gate(
    client: BlueskyClient, server: responses.RequestsMock, job: PublishJob
) -> None:
    value = BLUESKY.record(job)
    server.get(GET, json={"uri": uri(job), "cid": "bafypost", "value": value})
    look = BLUESKY.look(job, client)
    assert look.sighting is Sighting.FOUND
    step = BLUESKY.next_step(
        replace(job, witness={**job.witness, **look.witness}), client
    )
    assert step.name == "put_gate"


@pytest.mark.parametrize("options", [{}, {"reply_control": "nobody"}])
def test_a_post_that_is_there_already_is_not_taken_for_whole_without_its_gate(
    client: BlueskyClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    options: dict[str, str],
) -> None:
    """What names the post ends the delivery: with a gate to come a look finds it."""
    witness = {"created_at": datetime.now(UTC).isoformat()}
    job = make_job(Draft("Hello", options=options), witness=witness)
    there = {"error": "InvalidSwap", "message": "Record was at bafyother"}
    server.post(PUT, json=there, status=400)
    with pytest.raises(PlatformError) as caught:
        BLUESKY.next_step(job, client).run()
    assert caught.value.outcome is Outcome.DUPLICATE
    assert ("external_id" in caught.value.extra) == (not options)


def test_only_the_beginning_of_a_thread_has_a_gate_and_hashtags(
    client: BlueskyClient, make_job: MakeJob
) -> None:
    options = {"reply_control": "nobody", "tags": ["spring"], "label": "nudity"}
    job = make_job(Draft("One", options=options, parts=(Part("Two"),)))
    posted = {
        "id": uri(job),
        "link": "",
        "at": FIXED,
        "extra": {"cid": "bafypost"},
    }
    second = parts.turn(
        replace(job, witness={"parts_out": [posted], "created_at": FIXED})
    )
    assert PUT_GATE not in BLUESKY.calls_ahead(second, looking=False)
    record = BLUESKY.record(second)
    assert "tags" not in record
    # What is warned of may stand in each part.
    assert record["labels"]["values"] == [{"val": "nudity"}]


def test_warnings_and_hashtags_stand_in_the_record(make_job: MakeJob) -> None:
    options = {"label": "sexual", "tags": ["#spring", "Sow it", "spring", " "]}
    record = BLUESKY.record(
        make_job(Draft("Hello", options=options), witness={"created_at": FIXED})
    )
    assert record["labels"] == {
        "$type": "com.atproto.label.defs#selfLabels",
        "values": [{"val": "sexual"}],
    }
    assert record["tags"] == ["spring", "Sow it"]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"tags": ["a" * 64]}, None),
        ({"tags": ["a" * 65]}, Cause.OPTION_TOO_LONG),
        ({"tags": [str(n) for n in range(9)]}, Cause.OPTION_TOO_LONG),
        ({"label": "boring"}, Cause.OPTION_UNKNOWN),
        ({"reply_control": "friends"}, Cause.OPTION_UNKNOWN),
    ],
)
def test_what_bluesky_would_refuse_is_told_before(
    options: dict, cause: Cause | None
) -> None:
    found = BLUESKY.check(Draft("Hello", options=options))
    assert [(f.level, f.cause) for f in found] == (
        [(Level.REFUSED, cause)] if cause else []
    )
