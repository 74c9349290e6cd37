import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from platforms.base import (
    Draft,
    Level,
    MediaFile,
    PublishJob,
    Sighting,
    StepKind,
    StepResult,
)
from platforms.errors import AmbiguousOutcome, Cause, Outcome, PlatformError
from platforms.snapchat import sealed
from platforms.snapchat.client import SnapchatClient
from platforms.snapchat.publish import Snapchat
from platforms.snapchat.spec import SPEC

from .conftest import API, answer, draft, image, refusal, video
from .test_snapchat_client import ME, SPOTLIGHTS, STORIES

Jobs = Callable[..., PublishJob]
ADD = "/us/v1/public_profiles/p-1/media/m-1/multipart-upload"
ANNOUNCED = answer(media_id="m-1", add_path=ADD, finalize_path=ADD)


def findings(snapchat: Snapchat, draft: Draft) -> list[tuple[str, str]]:
    found = snapchat.check(draft)
    return [(f.field, f.cause) for f in found if f.level is Level.REFUSED]


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("files", "changes", "expected"),
    [
        ([video()], {}, []),
        ([image()], {}, []),
        ([image()], {"text": "x" * 500}, []),  # nobody sees it
        ([], {}, [("media", "media_missing")]),
        ([image(), image()], {}, [("media", "too_many_media")]),
        ([image(), video()], {}, [("media", "too_many_media")]),
        ([image(size_bytes=20_000_001)], {}, [("media:1", "media_too_large")]),
        ([image(mime_type="image/webp")], {}, [("media:1", "media_type")]),
        ([video(duration_s=4.9)], {}, [("media:1", "video_too_short")]),
        ([video(duration_s=61.0)], {}, [("media:1", "video_too_long")]),
        ([video(size_bytes=1_000_000_001)], {}, [("media:1", "video_too_large")]),
        ([video(video_codec="hevc")], {}, [("media:1", "video_codec")]),
        ([video(audio_codec="opus")], {}, [("media:1", "sound_codec")]),
        ([video(mime_type="video/webm")], {}, [("media:1", "media_type")]),
        ([video()], {"lasts": "A_YEAR"}, [("option:lasts", "option_unknown")]),
    ],
)
def test_what_a_story_may_be(
    snapchat: Snapchat,
    files: list[MediaFile],
    changes: dict[str, Any],
    expected: list[tuple[str, str]],
) -> None:
    text = changes.pop("text", "Hello")
    made = Draft(text, media=tuple(files), options=changes)
    assert findings(snapchat, made) == expected


@pytest.mark.parametrize(
    ("file", "changes", "expected"),
    [
        (video(), {"text": "x" * 160}, []),
        (video(), {"text": "x" * 161}, [("text", "text_too_long")]),
        (video(), {"text": ""}, []),
        (image(), {}, [("media", "video_missing")]),
        (video(duration_s=5.5), {}, [("media:1", "video_too_short")]),
        (
            video(width=539, height=959),
            {},
            [("media:1", "video_too_few_pixels"), ("media:1", "video_too_few_pixels")],
        ),
        (video(width=1920, height=1080), {}, [("media:1", "video_shape")]),
        (video(), {"locale": "german"}, [("option:locale", "option_unknown")]),
        (video(), {"locale": "de_DE"}, []),
    ],
)
def test_what_a_spotlight_may_be(
    snapchat: Snapchat,
    file: MediaFile,
    changes: dict[str, Any],
    expected: list[tuple[str, str]],
) -> None:
    made = draft(file, **{"place": "spotlights", **changes})
    found = findings(snapchat, made)
    if changes.get("locale") == "german":  # it is too long as well
        found = found[:1]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x" * 45, []),
        ("x" * 46, [("text", "text_too_long")]),
        (" ", [("text", "text_empty")]),
    ],
)
def test_a_saved_story_has_a_title(
    snapchat: Snapchat, text: str, expected: list[tuple[str, str]]
) -> None:
    made = draft(image(), text=text, place="saved_stories")
    assert findings(snapchat, made) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([image(), video()], []),
        ([image()] * 20, []),
        ([image()] * 21, [("media", "too_many_media")]),
        ([image()] * 10 + [video()] * 11, [("media", "too_many_media")]),
        ([image(), video(duration_s=61.0)], [("media:2", "video_too_long")]),
    ],
)
def test_a_saved_story_has_several_snaps(
    snapchat: Snapchat, files: list[MediaFile], expected: list[tuple[str, str]]
) -> None:
    made = draft(*files, text="Spring", place="saved_stories")
    assert findings(snapchat, made) == expected


@pytest.mark.parametrize(
    ("file", "place", "cause"),
    [
        (image(), "stories", None),
        (image(width=1080, height=1080), "stories", Cause.MEDIA_SHAPE),
        (image(width=540, height=960), "saved_stories", Cause.MEDIA_TOO_SMALL),
        (video(audio_codec=""), "spotlights", Cause.VIDEO_SILENT),
        (video(), "spotlights", None),
        (video(audio_codec=""), "stories", None),
        (video(audio_codec="", video_codec=""), "spotlights", None),
    ],
)
def test_what_snap_wants_is_warned_of(
    snapchat: Snapchat, file: MediaFile, place: str, cause: Cause | None
) -> None:
    found = snapchat.check(draft(file, place=place))
    wishes = {Cause.MEDIA_SHAPE, Cause.MEDIA_TOO_SMALL, Cause.VIDEO_SILENT}
    said = [(f.level, f.cause, f.field) for f in found if f.cause in wishes]
    assert said == ([(Level.WARNING, cause, "media:1")] if cause else [])


def test_a_text_that_a_story_does_not_show_is_told(snapchat: Snapchat) -> None:
    found = snapchat.check(
        Draft("Hello", link_url="https://acme.example", media=(image(),))
    )
    told = [(f.level, f.field) for f in found if f.cause is Cause.TEXT_NOT_SHOWN]
    assert told == [(Level.WARNING, "text"), (Level.WARNING, "link")]


# ------------------------------------------------------------------ the upload


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "PART_BYTES", 64)


def run(
    snapchat: Snapchat, client: SnapchatClient, job: PublishJob, steps: int = 20
) -> tuple[list[str], PublishJob, StepResult]:
    """Until it waits, is published, or so many steps are done."""
    names = []
    for _ in range(steps):
        step = snapchat.next_step(job, client)
        names.append(step.name)
        result = step.run()
        witness = json.loads(json.dumps({**job.witness, **result.witness}))
        job = replace(job, witness=witness)
        if result.remote or result.wait_s:
            break
    return names, job, result


class Upload:
    """Snap's side of it: what arrived, by the part's number."""

    def __init__(self, api: responses.RequestsMock) -> None:
        self.parts: dict[int, bytes] = {}
        self.actions: list[str] = []
        api.post(ME + "/media", json=ANNOUNCED)
        api.add_callback("POST", API + ADD, self.take)

    def take(self, request: Any) -> tuple[int, dict[str, str], str]:
        body = request.body
        body = body if isinstance(body, bytes) else body.read()
        fields = dict(
            re.findall(rb'name="(action|part_number)"\r\n\r\n(\w+)\r\n', body)
        )
        self.actions.append(fields[b"action"].decode())
        if fields[b"action"] == b"ADD":
            start = body.index(b'name="file"')
            start = body.index(b"\r\n\r\n", start) + 4
            self.parts[int(fields[b"part_number"])] = body[
                start : body.rindex(b"\r\n--")
            ]
        return 200, {}, json.dumps(answer())


def opened(api: responses.RequestsMock, parts: dict[int, bytes]) -> bytes:
    """The file that Snap makes of its parts with the key that it was told."""
    import base64

    announced = [c for c in api.calls if c.request.url == ME + "/media"]
    told = json.loads(announced[-1].request.body or "")
    key, iv = base64.b64decode(told["key"]), base64.b64decode(told["iv"])
    cipher = Cipher(algorithms.AES256(key), modes.CBC(iv)).decryptor()
    whole = b"".join(parts[number] for number in sorted(parts))
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(cipher.update(whole)) + unpadder.finalize()


@pytest.mark.trap("snapchat", 6)
@pytest.mark.usefixtures("small_parts")
def test_a_story_is_a_file_in_encrypted_parts_and_has_no_link(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    upload = Upload(api)
    api.post(STORIES, json=answer())
    now = job(draft(image(size_bytes=4), lasts="ONE_WEEK"))
    names, now, result = run(snapchat, client, now)
    assert names == ["announce", "upload:1", "finish", "post"]
    assert upload.actions == ["ADD", "FINALIZE"]
    assert opened(api, upload.parts) == b"JPEG"
    sent = json.loads(api.calls[-1].request.body or "")
    assert sent == {"media_id": "m-1", "customized_ttl": {"ttl": "ONE_WEEK"}}
    assert result.remote
    assert (result.remote.external_id, result.remote.permalink) == ("unnamed:m-1", "")
    stored = json.dumps(now.witness)
    told = json.loads(api.calls[0].request.body or "")
    assert told["key"] not in stored


@pytest.mark.usefixtures("small_parts")
def test_parts_go_on_in_another_process_and_may_be_sent_twice(
    snapchat: Snapchat,
    client_for: Callable[..., SnapchatClient],
    job: Jobs,
    api: responses.RequestsMock,
) -> None:
    upload = Upload(api)
    now = job(draft(video(200)))
    foretold = snapchat.calls_ahead(now, looking=False)
    for _ in range(6):
        step = snapchat.next_step(now, client_for())
        if step.name.startswith("upload"):
            assert step.kind is StepKind.RESUMABLE
            step.run()  # its result is lost
            step = snapchat.next_step(now, client_for())
        result = step.run()
        now = replace(now, witness={**now.witness, **result.witness})
    assert upload.actions == ["ADD"] * 8 + ["FINALIZE"]
    assert foretold["POST {add_path}"] == 4
    assert opened(api, upload.parts) == bytes(n % 251 for n in range(200))
    assert result.wait_s  # a video is transcoded first
    assert snapchat.next_step(now, client_for()).name == "post"


def ready(**changes: Any) -> dict[str, Any]:
    """The witness of a file that can be posted."""
    seal = sealed.Seal.of("app-secret", "nonce")
    media = {
        "id": "m-1",
        "add_path": ADD,
        "finalize_path": ADD,
        "sha256": "ab" * 32,
        "ends_at": (datetime.now(UTC) + timedelta(hours=20)).isoformat(),
        "nonce": "nonce",
        "check": seal.check,
        "part_bytes": 8_000_000,
        "sent": 1,
        "tail": seal.iv.hex(),
        "finished": True,
        **changes,
    }
    return {"media": media}


def test_a_file_near_its_end_another_one_or_another_secret_begin_anew(
    snapchat: Snapchat, client_for: Callable[..., SnapchatClient], job: Jobs
) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    for changes in ({"ends_at": soon}, {"sha256": "cd" * 32}):
        now = job(draft(), witness=ready(**changes))
        assert snapchat.next_step(now, client_for()).name == "announce"
    now = job(draft(), witness=ready())
    assert snapchat.next_step(now, client_for()).name == "post"
    assert snapchat.next_step(now, client_for(secret="new one")).name == "announce"


@pytest.mark.parametrize("status", [400, 404])
def test_an_end_that_is_refused_was_told_before(
    snapchat: Snapchat,
    client: SnapchatClient,
    job: Jobs,
    api: responses.RequestsMock,
    status: int,
) -> None:
    api.post(API + ADD, json=refusal(""), status=status)
    now = job(draft(), witness=ready(finished=False))
    names, now, _ = run(snapchat, client, now, steps=1)
    assert names == ["finish"]
    assert snapchat.next_step(now, client).name == "post"


def test_a_part_that_is_refused_begins_anew_three_times_at_most(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(API + ADD, json=refusal(""), status=400)
    outcomes = []
    for uploads in (1, 3):
        witness = {**ready(sent=0, finished=False), "uploads": uploads}
        with pytest.raises(PlatformError) as caught:
            snapchat.next_step(job(draft(), witness=witness), client).run()
        outcomes.append(caught.value.outcome)
    assert outcomes == [Outcome.TRANSIENT, Outcome.INVALID_CONTENT]


# ------------------------------------------------------------------ the post


@pytest.mark.trap("snapchat", 7)
def test_a_file_in_processing_is_tried_again_and_no_failure(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(STORIES, json=refusal("MEDIA_PROCESSING"))
    step = snapchat.next_step(job(draft(), witness=ready()), client)
    assert step.kind is StepKind.COMMIT
    with pytest.raises(PlatformError) as caught:
        step.run()
    error = caught.value
    assert (error.outcome, error.cause) == (Outcome.TRANSIENT, Cause.MEDIA_NOT_READY)
    assert error.retry_after == 5
    assert "forget" not in error.extra


def test_a_file_that_is_too_old_is_sent_anew(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(STORIES, json=refusal("MEDIA_EXPIRED"))
    with pytest.raises(PlatformError) as caught:
        snapchat.next_step(job(draft(), witness=ready()), client).run()
    assert caught.value.outcome is Outcome.TRANSIENT
    assert "media" in caught.value.extra["forget"].split(",")


def test_a_story_that_is_named_and_a_saved_one_have_their_ids(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(STORIES, json=answer(story_id="s-1"))
    _, _, result = run(snapchat, client, job(draft(), witness=ready()))
    assert result.remote
    assert result.remote.external_id == "stories/s-1"
    row = {"sub_request_status": "SUCCESS", "saved_story": {"id": "ss-1"}}
    api.post(ME + "/saved_stories", json=answer(saved_stories=[row]))
    saved = draft(text="Spring", place="saved_stories")
    _, _, result = run(snapchat, client, job(saved, witness=ready()))
    assert result.remote
    assert result.remote.external_id == "saved_stories/ss-1"
    assert json.loads(api.calls[-1].request.body or "") == {
        "saved_stories": [{"title": "Spring", "snap_sources": [{"media_id": "m-1"}]}]
    }


@pytest.mark.usefixtures("small_parts")
def test_the_snaps_of_a_saved_story_are_sent_one_after_another(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    other = ADD.replace("m-1", "m-2")
    second = answer(media_id="m-2", add_path=other, finalize_path=other)
    api.post(ME + "/media", json=ANNOUNCED)
    api.post(ME + "/media", json=second)
    for path in (ADD, other):
        api.post(API + path, json=answer())
    row = {"sub_request_status": "SUCCESS", "saved_story": {"id": "ss-1"}}
    api.post(ME + "/saved_stories", json=answer(saved_stories=[row]))
    files = (video(40), image(size_bytes=4))
    now = job(draft(*files, text="Spring", place="saved_stories"))
    foretold = snapchat.calls_ahead(now, looking=False)
    names, now, result = run(snapchat, client, now)
    assert names == [
        *("announce", "upload:1", "finish"),
        *("announce:2", "upload:2:1", "finish:2", "post"),
    ]
    sources = [{"media_id": "m-1"}, {"media_id": "m-2"}]
    assert json.loads(api.calls[-1].request.body or "") == {
        "saved_stories": [{"title": "Spring", "snap_sources": sources}]
    }
    assert result.remote
    assert result.remote.external_id == "saved_stories/ss-1"
    assert foretold == {
        "POST /public_profiles/:id/media": 2,
        "POST {add_path}": 2,
        "POST {finalize_path}": 2,
        "POST /public_profiles/:id/saved_stories": 1,
    }
    assert sum(foretold.values()) == len(api.calls)


def test_of_several_snaps_a_lost_one_alone_is_sent_anew(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    files = (video(), image(sha256="ef" * 32))
    saved = draft(*files, text="Spring", place="saved_stories")
    [first] = ready().values()
    [second] = ready(sha256="ef" * 32, sent=0, finished=False).values()
    now = job(saved, witness={"media": first, "media:2": second})
    api.post(API + ADD, json=refusal(""), status=400)
    with pytest.raises(PlatformError) as caught:
        snapchat.next_step(now, client).run()
    forgotten = set(caught.value.extra["forget"].split(","))
    assert "media:2" in forgotten
    assert "media" not in forgotten


def test_of_several_snaps_nobody_tells_which_one_is_too_old(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    files = (video(), image(sha256="ef" * 32))
    saved = draft(*files, text="Spring", place="saved_stories")
    [first], [second] = ready().values(), ready(sha256="ef" * 32).values()
    now = job(saved, witness={"media": first, "media:2": second})
    api.post(ME + "/saved_stories", json=refusal("MEDIA_EXPIRED"))
    with pytest.raises(PlatformError) as caught:
        snapchat.next_step(now, client).run()
    assert {"media", "media:2"} <= set(caught.value.extra["forget"].split(","))


def spotlight(status: str, **more: Any) -> dict[str, Any]:
    row = {"id": "W7", "status": status, "caption": "Sow now #plants", **more}
    return answer(spotlights=[{"sub_request_status": "SUCCESS", "spotlight": row}])


def test_a_spotlight_is_followed_until_it_is_live(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(SPOTLIGHTS, json=answer(spotlight_id="W7"))
    chosen = draft(place="spotlights", locale="de_DE", keep_on_profile=False)
    names, now, result = run(snapchat, client, job(chosen, witness=ready()))
    assert names == ["post"]
    assert json.loads(api.calls[0].request.body or "") == {
        "media_id": "m-1",
        "locale": "de_DE",
        "description": "Sow now #plants",
        "skip_save_to_profile": True,
    }
    assert result.wait_s
    assert snapchat.is_out(now.witness)
    api.get(SPOTLIGHTS + "/W7", json=spotlight("SUBMITTED"))
    names, now, result = run(snapchat, client, now)
    assert (names, result.wait_s) == (["state"], 20)
    made_at = "2026-02-03T09:10:11.000Z"
    api.replace("GET", SPOTLIGHTS + "/W7", json=spotlight("LIVE", created_at=made_at))
    _, now, result = run(snapchat, client, now)
    assert result.remote
    assert result.remote.permalink == "https://www.snapchat.com/spotlight/W7"
    assert result.remote.external_id == "spotlights/W7"
    assert result.remote.published_at == datetime(2026, 2, 3, 9, 10, 11, tzinfo=UTC)


def submitted(age: timedelta = timedelta()) -> dict[str, Any]:
    at = (datetime.now(UTC) - age).isoformat()
    return {**ready(), "post": {"id": "W7", "at": at}, "polls": 3}


def test_a_spotlight_that_is_rejected_fails_and_a_new_try_begins_anew(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.get(SPOTLIGHTS + "/W7", json=spotlight("REJECTED"))
    now = job(draft(place="spotlights"), witness=submitted())
    with pytest.raises(PlatformError) as caught:
        run(snapchat, client, now)
    assert caught.value.outcome is Outcome.INVALID_CONTENT
    forget = caught.value.extra["forget"].split(",")
    left = {k: v for k, v in now.witness.items() if k not in forget}
    assert snapchat.next_step(replace(now, witness=left), client).name == "announce"
    look = snapchat.look(now, client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, True)


@pytest.mark.parametrize(
    ("status", "body"), [(503, {}), (429, {}), (404, refusal("E3003"))]
)
def test_trouble_with_the_question_does_not_touch_what_was_handed_over(
    snapchat: Snapchat,
    client: SnapchatClient,
    job: Jobs,
    api: responses.RequestsMock,
    status: int,
    body: dict[str, Any],
) -> None:
    api.get(SPOTLIGHTS + "/W7", json=body, status=status)
    now = job(draft(place="spotlights"), witness=submitted())
    _, _, result = run(snapchat, client, now)
    assert result.wait_s == 60


def test_after_a_day_without_a_verdict_a_person_has_to_look(
    snapchat: Snapchat, client: SnapchatClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.get(SPOTLIGHTS + "/W7", json=spotlight("SUBMITTED"))
    late = submitted(timedelta(hours=25))
    with pytest.raises(PlatformError) as caught:
        run(snapchat, client, job(draft(place="spotlights"), witness=late))
    assert caught.value.cause is Cause.MEDIA_NOT_READY
    assert "forget" not in caught.value.extra


# ------------------------------------------------------------------ a lost answer

SENT_AT = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)


def listed(after_s: float = 5, **changes: Any) -> dict[str, Any]:
    at = (SENT_AT + timedelta(seconds=after_s)).isoformat().replace("+00:00", ".000Z")
    return {"id": "W7", "caption": "Sow now #plants", "created_at": at, **changes}


@pytest.mark.parametrize(
    ("rows", "sighting"),
    [
        ([listed()], Sighting.FOUND),
        ([listed(caption="", title="Sow now #plants")], Sighting.FOUND),
        ([listed(), listed(id="W8")], Sighting.CANNOT_TELL),
        ([listed(), listed(id="taken")], Sighting.FOUND),
        ([listed(caption="Reap now")], Sighting.ABSENT),
        ([listed(-90)], Sighting.ABSENT),
        ([listed(400)], Sighting.ABSENT),
        ([], Sighting.ABSENT),
        # A full page that does not reach back far enough tells nothing.
        (
            [listed(400 - n, id=f"W{n}", caption="x") for n in range(20)],
            Sighting.CANNOT_TELL,
        ),
        (
            [listed(-100 - n, id=f"W{n}", caption="x") for n in range(20)],
            Sighting.ABSENT,
        ),
    ],
)
def test_a_spotlight_is_found_by_text_and_time_if_it_is_the_only_one(
    snapchat: Snapchat,
    client: SnapchatClient,
    job: Jobs,
    api: responses.RequestsMock,
    rows: list[dict[str, Any]],
    sighting: Sighting,
) -> None:
    api.get(SPOTLIGHTS, json=answer(spotlights=[{"spotlight": row} for row in rows]))
    now = job(
        draft(place="spotlights"),
        witness=ready(),
        first_sent_at=SENT_AT,
        taken=frozenset({"spotlights/taken"}),
    )
    look = snapchat.look(now, client)
    assert (look.sighting, look.safe_to_repeat) == (sighting, False)
    if sighting is Sighting.FOUND:
        assert look.remote
        assert look.remote.external_id == "spotlights/W7"


@pytest.mark.trap("snapchat", 6)
@pytest.mark.parametrize(
    ("rows", "sighting"),
    [
        ([listed()], Sighting.FOUND),
        ([listed(), listed(id="W8")], Sighting.CANNOT_TELL),
        ([listed(-90)], Sighting.ABSENT),
    ],
)
def test_of_a_story_only_its_time_tells(
    snapchat: Snapchat,
    client: SnapchatClient,
    job: Jobs,
    api: responses.RequestsMock,
    rows: list[dict[str, Any]],
    sighting: Sighting,
) -> None:
    api.get(STORIES, json=answer(stories=[{"story": row} for row in rows]))
    now = job(draft(), witness=ready(), first_sent_at=SENT_AT)
    look = snapchat.look(now, client)
    assert look.sighting is sighting
    assert look.remote is None or look.remote.permalink == ""


@pytest.mark.parametrize(
    "answered",
    [
        {"body": requests.ReadTimeout()},
        {"json": refusal("MEDIA_POSTING_ALREADY_IN_PROGRESS")},
    ],
)
def test_a_post_that_may_be_on_its_way_is_looked_for(
    snapchat: Snapchat,
    client: SnapchatClient,
    job: Jobs,
    api: responses.RequestsMock,
    answered: dict[str, Any],
) -> None:
    api.post(STORIES, **answered)
    with pytest.raises(AmbiguousOutcome):
        snapchat.next_step(job(draft(), witness=ready()), client).run()


@pytest.mark.trap("snapchat", 9)
def test_the_largest_files_are_what_the_spec_says(
    snapchat: Snapchat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whoever knows better changes a number and no code."""
    large = replace(draft(image(size_bytes=6_000_000)), text="")
    assert snapchat.check(large) == []
    strict = replace(SPEC.images, max_bytes=5_000_000)
    monkeypatch.setattr(snapchat, "spec", replace(SPEC, images=strict))
    assert [f.cause for f in snapchat.check(large)] == [Cause.MEDIA_TOO_LARGE]
