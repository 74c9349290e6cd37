"""Videos and documents on LinkedIn: what is sent, and how it goes on."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest

from platforms.base import Draft, MediaKind, StepKind
from platforms.errors import Cause, PlatformError

API = "https://api.linkedin.com/rest"
PART = "https://www.linkedin.com/dms-uploads/C5F/{}?sau=x"
VIDEO, DOCUMENT = "urn:li:video:C5F10AQG", "urn:li:document:D5E10AQH"
STATE = f"{API}/videos/urn%3Ali%3Avideo%3AC5F10AQG"
FORBIDDEN = "Accessing this video resource is forbidden for the given member"
PDF = {"kind": MediaKind.DOCUMENT, "mime_type": "application/pdf"}


@pytest.fixture
def film(image):
    def make(**changes: Any):
        facts: dict[str, Any] = {
            "mime_type": "video/mp4",
            "size_bytes": 80_000,
            "width": 1080,
            "height": 1920,
            "file_name": "Loaf of bread.mp4",
            "open": lambda: BytesIO(b"VIDEO"),
            "kind": MediaKind.VIDEO,
            "duration_s": 10.0,
            "frame_rate": 30.0,
        }
        return image(**{**facts, **changes})

    return make


def ago(**passed: float) -> str:
    return (datetime.now(UTC) - timedelta(**passed)).isoformat()


def stored(**changes: Any) -> dict[str, Any]:
    """A video of which all parts but the last are there."""
    facts = {
        "urn": VIDEO,
        "sha256": "ab" * 32,
        "url": "",
        "ends_at": ago(days=-20),
        "token": "t",
        "parts": [[PART.format(2), 3, 4]],
        "etags": ["/a/1.bin"],
    }
    return {**facts, **changes}


def whole(**passed: float) -> dict[str, Any]:
    return stored(parts=[], etags=[], ends_at="", sent_at=ago(**passed))


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"size_bytes": 74_999}, Cause.VIDEO_TOO_SMALL),
        ({"size_bytes": 500_000_001}, Cause.VIDEO_TOO_LARGE),
        ({"duration_s": 2.9}, Cause.VIDEO_TOO_SHORT),
        ({"duration_s": 1801.0}, Cause.VIDEO_TOO_LONG),
        ({"width": 1080, "height": 2600}, Cause.VIDEO_SHAPE),
        ({"frame_rate": 9.0}, Cause.VIDEO_FRAME_RATE),
        ({"mime_type": "video/quicktime"}, Cause.MEDIA_TYPE),
        (PDF, None),
        ({**PDF, "pages": 301}, Cause.DOCUMENT_TOO_LONG),
        ({**PDF, "size_bytes": 100_000_001}, Cause.DOCUMENT_TOO_LARGE),
        ({**PDF, "mime_type": "text/plain"}, Cause.MEDIA_TYPE),
    ],
)
def test_files_are_held_to_the_sheet_s_rules(linkedin, film, changes, cause):
    found = linkedin.check(Draft("", media=(film(**changes),)))
    assert {f.cause for f in found} == ({cause} if cause else set())


def test_a_video_or_document_stands_alone(linkedin, image, film):
    for files, cause in (
        ((film(), film()), Cause.TOO_MANY_MEDIA),
        ((image(), image(), film()), Cause.TOO_MANY_MEDIA),
        ((film(), film(kind=MediaKind.GIF)), Cause.MEDIA_MIXED),
        ((film(), film(**PDF)), Cause.MEDIA_MIXED),
    ):
        assert cause in {f.cause for f in linkedin.check(Draft("", media=files))}


# ------------------------------------------------------------------ steps


@pytest.mark.trap("linkedin", 3)
@pytest.mark.trap("linkedin", 4)
def test_a_video_goes_in_parts_without_the_token(linkedin, client, job, film, api):
    bounds = [(0, 2), (3, 4)]
    parts = [
        {"uploadUrl": PART.format(n), "firstByte": first, "lastByte": last}
        for n, (first, last) in enumerate(bounds, 1)
    ]
    value = {"video": VIDEO, "uploadToken": "t", "uploadInstructions": parts}
    api.post(f"{API}/videos", json={"value": value})
    for number in (1, 2):
        etag = {"ETag": f'"/a/{number}.bin"'}
        api.put(PART.format(number), headers=etag)
    api.post(f"{API}/videos")
    api.get(STATE, json={"status": "AVAILABLE"})
    api.post(f"{API}/posts", status=201, headers={"x-restli-id": "urn:li:ugcPost:7"})
    now, names = job(Draft("Hi", media=(film(size_bytes=5),))), []
    while True:
        step = linkedin.next_step(now, client)
        names.append(step.name)
        result = step.run()
        if result.remote:
            break
        now = replace(now, witness={**now.witness, **result.witness})
    assert names == [
        "init_video:1",
        "put_video:1:1",
        "put_video:1:2",
        "finish_video:1",
        "wait_video:1",
        "post",
    ]
    asked = json.loads(api.calls[0].request.body)["initializeUploadRequest"]
    assert asked["fileSizeBytes"] == 5
    assert [api.calls[n].request.body for n in (1, 2)] == [b"VID", b"EO"]
    assert "Authorization" not in api.calls[1].request.headers
    assert str(api.calls[3].request.url).endswith("action=finalizeUpload")
    assert json.loads(api.calls[3].request.body)["finalizeUploadRequest"] == {
        "video": VIDEO,
        "uploadToken": "t",
        "uploadedPartIds": ["/a/1.bin", "/a/2.bin"],
    }
    content = json.loads(api.calls[-1].request.body)["content"]
    assert content == {"media": {"id": VIDEO, "title": "Loaf of bread"}}
    assert result.remote.external_id == "urn:li:ugcPost:7"


SRT_FILE = b"1\n00:00:01,000 --> 00:00:02,000\nHallo\n"


@pytest.fixture
def said(image):
    def make(data: bytes = SRT_FILE, **changes: Any):
        facts = {"mime_type": "application/x-subrip", "kind": MediaKind.CAPTIONS}
        more = {"open": lambda: BytesIO(data), "size_bytes": len(data)}
        return image(**{**facts, **more, "language": "de", **changes})

    return make


def beside_of(linkedin, client, job, api, draft, **witness):
    """A job whose video has been opened with all that goes beside it."""
    value = {
        "video": VIDEO,
        "uploadToken": "t",
        "uploadInstructions": [
            {"uploadUrl": PART.format(1), "firstByte": 0, "lastByte": 4}
        ],
        "thumbnailUploadUrl": PART.format("thumbnail"),
        "captionsUploadUrl": PART.format("captions"),
    }
    api.post(f"{API}/videos", json={"value": value})
    now = job(draft, witness=witness)
    opened = linkedin.next_step(now, client).run().witness
    return replace(now, witness={**witness, **opened})


def test_a_thumbnail_and_captions_go_before_the_video(
    linkedin, client, job, film, image, said, api
):
    still = image(sha256="cd" * 32)
    draft = Draft("Hi", media=(still, film(size_bytes=5)), captions=(said(),))
    assert {f.cause for f in linkedin.check(draft)} == {Cause.VIDEO_TOO_SMALL}
    ahead = linkedin.calls_ahead(job(draft), looking=False)
    assert (ahead["PUT {uploadUrl}"], ahead["POST {captionsUploadUrl}"]) == (2, 1)
    now = beside_of(linkedin, client, job, api, draft)
    api.put(PART.format("thumbnail"), status=201)
    api.post(PART.format("captions"))
    names = []
    for _ in range(2):
        step = linkedin.next_step(now, client)
        names.append(step.name)
        now = replace(now, witness={**now.witness, **step.run().witness})
    assert names == ["put_thumbnail:1", "put_captions:1"]
    assert linkedin.next_step(now, client).name == "put_video:1:1"
    asked = json.loads(api.calls[0].request.body)["initializeUploadRequest"]
    assert asked["uploadThumbnail"] is asked["uploadCaptions"] is True
    sent = api.calls[1].request
    assert sent.headers["media-type-family"] == "STILLIMAGE"
    assert sent.body == b"\x89PNG"
    form = api.calls[2].request.body
    assert b'"language": "DE", "country": "DE"' in form
    assert SRT_FILE.replace(b"\n", b"\r\n") in form
    ready = {"image:1": {**now.witness["image:1"], "put_at": ago()}}
    body = linkedin.body(replace(now, witness=ready))
    assert body["content"] == {"media": {"id": VIDEO, "title": "Loaf of bread"}}


@pytest.mark.parametrize(
    ("answers", "steps"),
    [
        ([(422, {"status": 422, "message": "unusable"})], 1),
        ([(403, None)], 1),
        ([(503, {"code": "SERVICE_UNAVAILABLE"})] * 5, 5),
    ],
)
def test_what_linkedin_refuses_beside_a_video_is_left_out(
    linkedin, client, job, film, image, api, answers, steps
):
    draft = Draft("Hi", media=(film(size_bytes=5), image(sha256="cd" * 32)))
    now = beside_of(linkedin, client, job, api, draft)
    for status, body in answers:
        api.put(PART.format("thumbnail"), status=status, json=body)
    for _ in range(steps):
        step = linkedin.next_step(now, client)
        assert step.name == "put_thumbnail:1"
        now = replace(now, witness={**now.witness, **step.run().witness})
    assert linkedin.next_step(now, client).name == "init_video:1"
    assert now.witness["uploads:1"] == 0
    (note,) = now.witness["notes"]
    assert note.startswith("without thumbnail: ")
    assert "POST {captionsUploadUrl}" not in linkedin.calls_ahead(now, looking=False)
    api.post(f"{API}/posts", status=201, headers={"x-restli-id": "urn:li:ugcPost:7"})
    there = {**now.witness, "image:1": {**stored(put_at=ago())}}
    out = linkedin.next_step(replace(now, witness=there), client).run().remote
    assert out.extra == {"notes": [note]}


def test_another_thumbnail_takes_another_upload(
    linkedin, client, job, film, image, api
):
    one, other = image(sha256="cd" * 32), image(sha256="ef" * 32)
    draft = Draft("Hi", media=(film(size_bytes=5), one))
    now = beside_of(linkedin, client, job, api, draft)
    changed = replace(now, draft=Draft("Hi", media=(draft.media[0], other)))
    assert linkedin.next_step(changed, client).name == "init_video:1"


def test_a_document_goes_in_one_call_with_the_token(linkedin, client, job, film, api):
    url = "https://www.linkedin.com/dms-uploads/D5E/uploaded-document/0?ut=x"
    api.post(
        f"{API}/documents", json={"value": {"document": DOCUMENT, "uploadUrl": url}}
    )
    api.put(url, status=201)
    file = film(**PDF, size_bytes=5)
    now, names = job(Draft("", media=(file,), options={"title": " Guide "})), []
    for _ in range(2):
        step = linkedin.next_step(now, client)
        names.append(step.name)
        now = replace(now, witness={**now.witness, **step.run().witness})
    assert names == ["init_document:1", "put_document:1"]
    assert api.calls[1].request.headers["Authorization"] == "Bearer test-access-token"
    assert linkedin.next_step(now, client).name == "wait_document:1"
    ready = {**now.witness["image:1"], "put_at": ago()}
    body = linkedin.body(replace(now, witness={"image:1": ready}))
    assert body["content"] == {"media": {"id": DOCUMENT, "title": "Guide"}}


def test_parts_go_on_with_the_one_that_was_next(linkedin, client, job, film, api):
    api.put(PART.format(2), headers={"ETag": '"/a/2.bin"'})
    now = job(Draft("Hi", media=(film(),)), witness={"image:1": stored()})
    step = linkedin.next_step(now, client)
    assert (step.name, step.kind) == ("put_video:1:2", StepKind.RESUMABLE)
    image = step.run().witness["image:1"]
    assert (image["parts"], image["etags"]) == ([], ["/a/1.bin", "/a/2.bin"])


@pytest.mark.parametrize("status", [400, 403])
def test_an_address_that_ended_takes_the_upload_with_it(
    linkedin, client, job, film, api, status
):
    over = {"status": 400, "code": "EXPIRED_UPLOAD_URL", "message": "over"}
    api.put(PART.format(2), status=status, json=over if status == 400 else None)
    now = job(Draft("Hi", media=(film(),)), witness={"image:1": stored()})
    with pytest.raises(PlatformError) as caught:
        linkedin.next_step(now, client).run()
    assert caught.value.extra["forget"] == "image:1"
    ended = stored(ends_at=ago(minutes=1))
    later = replace(now, witness={"image:1": ended})
    assert linkedin.next_step(later, client).name == "init_video:1"


@pytest.mark.parametrize(("uploads", "permanent"), [(1, False), (2, True)])
def test_parts_that_do_not_fit_are_sent_again_once(
    linkedin, client, job, film, api, uploads, permanent
):
    api.post(f"{API}/videos", status=400, json={"status": 400, "message": "parts"})
    witness = {"image:1": stored(parts=[]), "uploads:1": uploads}
    now = job(Draft("Hi", media=(film(),)), witness=witness)
    with pytest.raises(PlatformError) as caught:
        linkedin.next_step(now, client).run()
    assert caught.value.permanent is permanent


@pytest.mark.trap("linkedin", 10)
def test_work_is_waited_for_at_growing_intervals(linkedin, client, job, film, api):
    api.get(STATE, json={"status": "PROCESSING"})
    waits = []
    for polls in (0, 2, 9):
        witness = {"image:1": whole(seconds=5), "polls:1": polls}
        now = job(Draft("Hi", media=(film(),)), witness=witness)
        waits.append(linkedin.next_step(now, client).run().wait_s)
    assert waits == [5, 20, 60]
    late = job(Draft("Hi", media=(film(),)), witness={"image:1": whole(minutes=16)})
    with pytest.raises(PlatformError) as caught:
        linkedin.next_step(late, client).run()
    assert caught.value.cause is Cause.MEDIA_NOT_READY


def test_a_file_that_linkedin_cannot_use_fails_at_once(
    linkedin, client, job, film, api
):
    failed = {"status": "PROCESSING_FAILED", "processingFailureReason": "BAD_CODEC"}
    api.get(STATE, json=failed)
    now = job(Draft("Hi", media=(film(),)), witness={"image:1": whole()})
    with pytest.raises(PlatformError) as caught:
        linkedin.next_step(now, client).run()
    assert (caught.value.permanent, caught.value.detail) == (True, "BAD_CODEC")


def test_who_may_not_ask_waits_by_the_size(linkedin, client, job, film, api):
    api.get(STATE, status=403, json={"status": 403, "message": FORBIDDEN})
    draft = Draft("Hi", media=(film(size_bytes=20_000_000),))
    early = job(draft, witness={"image:1": whole(seconds=10)})
    assert 19 < linkedin.next_step(early, client).run().wait_s <= 20
    late = job(draft, witness={"image:1": whole(seconds=31)})
    result = linkedin.next_step(late, client).run()
    assert result.witness["image:1"]["put_at"]


def test_what_is_ahead_shrinks_with_the_witness(linkedin, job, film):
    draft = Draft("Hi", media=(film(size_bytes=9_000_000),))
    ahead = linkedin.calls_ahead(job(draft), looking=False)
    assert ahead["PUT {uploadUrl}"] == 3
    assert ahead["POST /rest/videos"] == 2
    witness = {"image:1": {**whole(), "put_at": ago()}}
    out = linkedin.calls_ahead(job(draft, witness=witness), looking=False)
    assert out == {"POST /rest/posts": 1}
