"""Videos on Bluesky: the service that makes blobs of them, and what becomes of it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from platforms.base import Draft, MediaKind, StepKind
from platforms.bluesky.publish import MAX_POLLS, Bluesky
from platforms.errors import Cause, Outcome, PlatformError

from .conftest import DID, PDS, XRPC

VIDEO = "https://video.bsky.app/xrpc/app.bsky.video"
AUTH, LIMITS = f"{XRPC}/com.atproto.server.getServiceAuth", f"{VIDEO}.getUploadLimits"
UPLOAD, JOB = f"{VIDEO}.uploadVideo", f"{VIDEO}.getJobStatus"
PUT, PLAIN = f"{XRPC}/com.atproto.repo.putRecord", f"{XRPC}/com.atproto.repo.uploadBlob"
BLOB = {"$type": "blob", "ref": {"$link": "bafk"}, "mimeType": "video/mp4", "size": 5}
RUNNING = {"jobId": "cq1", "did": DID, "state": "JOB_STATE_ENCODING"}
DONE = {"jobId": "cq1", "state": "JOB_STATE_COMPLETED", "blob": BLOB}


@pytest.fixture
def bluesky() -> Bluesky:
    return Bluesky()


@pytest.fixture
def film(picture):
    def make(**changes: Any):
        facts: dict[str, Any] = {
            "mime_type": "video/mp4",
            "size_bytes": 5,
            "alt_text": "A loaf",
            "sha256": "ab" * 32,
            "file_name": "loaf.mp4",
            "open": lambda: io.BytesIO(b"VIDEO"),
            "kind": MediaKind.VIDEO,
            "duration_s": 10.0,
        }
        return picture(**{**facts, **changes})

    return make


def at(make_job, film, **witness: Any):
    return make_job(Draft("Hello", media=(film,)), witness=witness)


def waiting(make_job, film, **more: Any):
    video = {"job": "cq1", "sha256": "ab" * 32}
    return at(make_job, film, may_upload=True, video=video, **more)


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"mime_type": "video/webm", "duration_s": 180.0}, None),
        ({"duration_s": 181.0}, Cause.VIDEO_TOO_LONG),
        ({"size_bytes": 300_000_001}, Cause.VIDEO_TOO_LARGE),
        ({"alt_text": "a" * 2001}, Cause.ALT_TEXT_TOO_LONG),
    ],
)
def test_videos_are_held_to_the_sheet_s_rules(bluesky, film, changes, cause):
    found = bluesky.check(Draft("", media=(film(**changes),)))
    assert {f.cause for f in found} == ({cause} if cause else set())


def test_a_gif_stands_still_unless_it_goes_as_a_video(bluesky, film):
    gif = film(kind=MediaKind.GIF, mime_type="image/gif", size_bytes=3_000_000)
    small = replace(gif, size_bytes=5)
    moving = {"gif_as_video": True}
    for media, options, causes in (
        ((small,), {}, {Cause.ANIMATION_LOST}),
        ((gif,), {}, {Cause.ANIMATION_LOST, Cause.MEDIA_TOO_LARGE}),
        ((gif,), moving, set()),
        ((small, small), moving, {Cause.TOO_MANY_MEDIA}),
    ):
        found = bluesky.check(Draft("", media=media, options=options))
        assert {f.cause for f in found} == causes


# ------------------------------------------------------------------ steps


@pytest.mark.trap("bluesky", 12)
def test_a_video_is_asked_for_sent_waited_for_and_shown(
    bluesky, client, make_job, film, server
):
    for name in ("limits", "upload"):
        server.get(AUTH, json={"token": f"token-for-{name}"})
    server.get(LIMITS, json={"canUpload": True, "remainingDailyVideos": 24})
    server.post(UPLOAD, json={**RUNNING, "state": "JOB_STATE_CREATED"})
    server.get(JOB, json={"jobStatus": RUNNING})
    server.get(JOB, json={"jobStatus": DONE})
    server.post(PUT, json={"uri": f"at://{DID}/app.bsky.feed.post/1", "cid": "bafy"})
    now, names = at(make_job, film()), []
    while True:
        step = bluesky.next_step(now, client)
        assert (step.kind is StepKind.COMMIT) == (step.name == "put_record")
        names.append(step.name)
        result = step.run()
        if result.remote:
            break
        now = replace(now, witness={**now.witness, **result.witness})
    assert names == [
        "ask_allowance",
        "upload_video",
        "wait_video",
        "wait_video",
        "fix_time",
        "put_record",
    ]
    asked = parse_qs(urlsplit(str(server.calls[2].request.url)).query)
    assert asked["aud"] == ["did:web:morel.us-east.host.bsky.network"]
    assert asked["lxm"] == ["com.atproto.repo.uploadBlob"]
    upload = server.calls[3].request
    assert upload.body == b"VIDEO"
    assert upload.headers["Content-Type"] == "video/mp4"
    assert upload.headers["Authorization"] == "Bearer token-for-upload"
    sent = parse_qs(urlsplit(str(upload.url)).query)
    assert sent == {"did": [DID], "name": ["loaf.mp4"]}
    assert bluesky.record(now)["embed"] == {
        "$type": "app.bsky.embed.video",
        "video": BLOB,
        "alt": "A loaf",
        "aspectRatio": {"width": 1000, "height": 1500},
    }
    assert "token" not in str(now.witness)


@pytest.mark.parametrize("status", [200, 409])
def test_a_file_that_is_there_already_needs_no_wait(
    bluesky, client, make_job, film, server, status
):
    server.get(AUTH, json={"token": "t"})
    told = {**DONE, "state": "JOB_STATE_FAILED", "error": "already_exists"}
    server.post(UPLOAD, json={"jobStatus": told}, status=status)
    now = at(make_job, film(), may_upload=True)
    result = bluesky.next_step(now, client).run()
    assert result.witness["blobs"] == [BLOB]


@pytest.mark.trap("bluesky", 12)
@pytest.mark.parametrize(
    ("told", "outcome", "cause"),
    [
        (
            {"canUpload": False, "error": "unconfirmed_email", "message": "Confirm"},
            Outcome.PERMISSION,
            Cause.ACCOUNT_LOCKED,
        ),
        (
            {"canUpload": False, "remainingDailyVideos": 0, "message": "No more"},
            Outcome.RATE_LIMITED,
            Cause.DAILY_LIMIT,
        ),
    ],
)
def test_an_account_that_may_not_upload_sends_no_bytes(
    bluesky, client, make_job, film, server, told, outcome, cause
):
    server.get(AUTH, json={"token": "t"})
    server.get(LIMITS, json=told)
    with pytest.raises(PlatformError) as caught:
        bluesky.next_step(at(make_job, film()), client).run()
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)


@pytest.mark.parametrize("mime_type", ["video/mp4", "video/quicktime"])
def test_where_no_service_is_an_mp4_goes_as_it_is(
    bluesky, client, make_job, film, server, mime_type
):
    server.get(AUTH, json={"error": "MethodNotImplemented"}, status=501)
    step = bluesky.next_step(at(make_job, film(mime_type=mime_type)), client)
    if mime_type != "video/mp4":
        with pytest.raises(PlatformError) as caught:
            step.run()
        assert caught.value.cause is Cause.MEDIA_TYPE
        return
    server.post(PLAIN, json={"blob": BLOB})
    now = at(make_job, film(), **step.run().witness)
    step = bluesky.next_step(now, client)
    assert (step.name, step.run().witness) == ("upload_as_it_is", {"blobs": [BLOB]})


@pytest.mark.parametrize("method", ["uploadVideo", "getUploadLimits"])
def test_the_service_s_refusal_of_a_token_ends_no_access(
    bluesky, client, make_job, film, server, method
):
    server.get(AUTH, json={"token": "t"})
    refused = {"json": {"error": "AuthMissing", "message": "No"}, "status": 401}
    if method == "uploadVideo":
        server.post(UPLOAD, **refused)
    else:
        server.get(LIMITS, **refused)
    now = at(make_job, film(), may_upload=method == "uploadVideo")
    with pytest.raises(PlatformError) as caught:
        bluesky.next_step(now, client).run()
    assert not caught.value.ends_access
    assert caught.value.outcome is Outcome.TRANSIENT


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        ("validation_failure", Cause.MEDIA_REFUSED),
        ("encoding_failure", Cause.MEDIA_REFUSED),
        ("pds_upload_unsupported_blob_size", Cause.VIDEO_TOO_LARGE),
    ],
)
def test_a_file_that_the_service_cannot_use_fails_at_once(
    bluesky, client, make_job, film, server, failure, cause
):
    failed = {"state": "JOB_STATE_FAILED", "failureCode": failure}
    server.get(JOB, json={"jobStatus": {**RUNNING, **failed}})
    with pytest.raises(PlatformError) as caught:
        bluesky.next_step(waiting(make_job, film()), client).run()
    assert (caught.value.permanent, caught.value.cause) == (True, cause)


FAILED = {"jobStatus": {**RUNNING, "state": "JOB_STATE_FAILED"}}
PASSING = {
    "failed": {"json": FAILED},
    "unknown": {"json": {"error": "JobNotFound"}, "status": 404},
    "endless": {"json": {"jobStatus": RUNNING}},
}


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_work_that_failed_in_passing_is_begun_anew_three_times_at_most(
    bluesky, client, make_job, film, server, answer
):
    server.get(JOB, **answer)
    now = waiting(make_job, film(), polls=MAX_POLLS - 1)
    result = bluesky.next_step(now, client).run()
    assert (result.witness["video"], result.wait_s) == ({}, 30)
    last = replace(now, witness={**now.witness, "tries": 2})
    with pytest.raises(PlatformError) as caught:
        bluesky.next_step(last, client).run()
    assert caught.value.permanent


def test_work_is_waited_for_at_growing_intervals(
    bluesky, client, make_job, film, server
):
    server.get(JOB, json={"jobStatus": RUNNING})
    waits = []
    for polls in (0, 2, 9):
        now = waiting(make_job, film(), polls=polls)
        waits.append(bluesky.next_step(now, client).run().wait_s)
    assert waits == [3, 10, 30]
    other = waiting(make_job, film(sha256="cd" * 32))
    assert bluesky.next_step(other, client).name == "upload_video"


def test_what_is_ahead_shrinks_with_the_witness(bluesky, make_job, film):
    ahead = bluesky.calls_ahead(at(make_job, film()), looking=False)
    assert ahead["GET com.atproto.server.getServiceAuth"] == 2
    assert bluesky.draws(at(make_job, film()), looking=False)["video"] == 1
    done = bluesky.calls_ahead(at(make_job, film(), blobs=[BLOB]), looking=False)
    assert done == {"POST com.atproto.repo.putRecord": 1}


def test_a_video_whose_blob_is_gone_is_sent_again(
    bluesky, client, make_job, film, server
):
    gone = {"error": "BlobNotFound", "message": "Could not find blob: bafk"}
    server.post(PUT, json=gone, status=400)
    witness = {"blobs": [BLOB], "created_at": "2026-11-20T09:00:00+00:00"}
    job = make_job(Draft("Hello", media=(film(),)), witness=witness)
    now = replace(job, first_sent_at=job.created_at)
    with pytest.raises(PlatformError) as caught:
        bluesky.next_step(now, client).run()
    assert set(caught.value.extra["forget"].split(",")) >= {"blobs", "video"}
    assert PDS in str(server.calls[0].request.url)
