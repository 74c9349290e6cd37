"""Videos and animated images on their way to X: in parts, with the process ending."""

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses

from platforms.base import Draft, Level, MediaFile, MediaKind, PublishJob, StepKind
from platforms.errors import Cause, Outcome, PlatformError
from platforms.x import media
from platforms.x.client import XClient
from platforms.x.publish import X
from platforms.x.spec import MAX_PART_BYTES, MAX_PARTS, VIDEOS

API = "https://api.x.com"
UPLOAD = API + "/2/media/upload"
POSTS = API + "/2/tweets"
BYTES = bytes(range(256)) * 10
PART = 1000
NEW = UPLOAD + "/initialize"
SESSION = re.compile(re.escape(UPLOAD) + r"/(\d+)/(append|finalize)")
END = "2126-11-20T10:00:00+00:00"


class Sessions:
    """X's side, as the sheet tells of it; only what these tests ask for."""

    def __init__(self, api: responses.RequestsMock) -> None:
        self.begun: list[dict[str, Any]] = []
        self.parts: dict[int, bytes] = {}
        self.calls: list[str] = []
        self.finished = False
        #: answers to questions for the state
        self.states: list[dict[str, Any]] = [{"state": "succeeded"}]
        api.assert_all_requests_are_fired = False
        api.add_callback("POST", NEW, self.begin)
        api.add_callback("POST", SESSION, self.change)
        api.add_callback("GET", UPLOAD, self.state)
        api.post(API + "/2/media/metadata", json={"data": {"id": "71"}})
        api.post(POSTS, json={"data": {"id": "20", "text": "Hello"}}, status=201)

    def answer(self, **data: Any) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps({"data": data})

    def begin(self, request: Any) -> tuple[int, dict[str, str], str]:
        self.calls.append("begin")
        self.begun.append(json.loads(request.body))
        self.parts.clear()
        media_id = str(70 + len(self.begun))
        return self.answer(id=media_id, expires_after_secs=86400)

    def change(self, request: Any) -> tuple[int, dict[str, str], str]:
        found = SESSION.match(request.url)
        assert found is not None
        self.calls.append(found[2])
        if found[1] != str(70 + len(self.begun)):
            return 404, {}, '{"title": "Not Found Error", "detail": "no media"}'
        if found[2] == "append":
            index, part = form(request.body)
            self.parts[index] = part
            ends = int((datetime.now(UTC) + timedelta(hours=20)).timestamp())
            return self.answer(expires_at=ends)
        if self.finished:
            return 400, {}, '{"title": "Invalid Request", "detail": "finalized"}'
        self.finished = True
        info = {"state": "pending", "check_after_secs": 5}
        return self.answer(id=found[1], processing_info=info)

    def state(self, request: Any) -> tuple[int, dict[str, str], str]:
        self.calls.append("state")
        assert "command=STATUS" in request.url
        told = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return self.answer(id="71", **({"processing_info": told} if told else {}))

    @property
    def file(self) -> bytes:
        return b"".join(self.parts[index] for index in range(len(self.parts)))


def form(body: bytes) -> tuple[int, bytes]:
    _, index, part, _ = body.split(b"--" + body[2:34])
    number = index.partition(b"\r\n\r\n")[2].strip()
    return int(number), part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


@pytest.fixture
def sessions(api: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setattr(media, "PART_BYTES", PART)
    return Sessions(api)


@pytest.fixture
def video(image: Callable[..., MediaFile]) -> MediaFile:
    return image(
        mime_type="video/mp4",
        file_name="clip.mp4",
        kind=MediaKind.VIDEO,
        width=1280,
        height=720,
        duration_s=12.0,
        frame_rate=30.0,
        video_codec="h264",
        audio_codec="aac",
        size_bytes=len(BYTES),
        open=lambda: io.BytesIO(BYTES),
    )


@pytest.fixture
def gif(video: MediaFile) -> MediaFile:
    return replace(
        video, mime_type="image/gif", kind=MediaKind.GIF, frames=10, video_codec=""
    )


def session(**changes: Any) -> dict[str, Any]:
    return {
        "media_id": "71",
        "sha256": "ab" * 32,
        "ends_at": END,
        "part_bytes": PART,
        "sent": 3,
        "finished": False,
    } | changes


STEPS = [
    "begin_video:1",
    "upload_video:1:1",
    "upload_video:1:2",
    "upload_video:1:3",
    "finish_video:1",
    "wait_video:1",
    "wait_video:1",
    "post",
]


def test_a_video_goes_out_once_wherever_the_process_ends(
    client: XClient,
    sessions: Sessions,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    video: MediaFile,
) -> None:
    """Between any two steps only the stored witness is left."""
    working = {"state": "in_progress", "check_after_secs": 7, "progress_percent": 50}
    sessions.states = [working, {"state": "succeeded", "progress_percent": 100}]
    witness, names, kinds, waits = "{}", [], [], []
    while True:
        now = job(Draft("Hello", media=(video,)), witness=json.loads(witness))
        step = X().next_step(now, client)
        result = step.run()
        names.append(step.name)
        kinds.append(step.kind)
        if result.remote:
            break
        waits.append(result.wait_s)
        witness = json.dumps({**now.witness, **result.witness})
    assert names == STEPS
    assert waits == [None, None, None, None, 5, 7, None]
    assert kinds[1:4] == [StepKind.RESUMABLE] * 3
    assert kinds.count(StepKind.COMMIT) == 1
    assert sessions.begun == [
        {
            "media_type": "video/mp4",
            "total_bytes": 2560,
            "media_category": "tweet_video",
        }
    ]
    assert [len(part) for part in sessions.parts.values()] == [1000, 1000, 560]
    assert sessions.file == BYTES
    assert json.loads(api.calls[-1].request.body)["media"] == {"media_ids": ["71"]}
    api.assert_call_count(POSTS, 1)


def test_a_step_whose_result_was_not_stored_is_made_again(
    client: XClient,
    sessions: Sessions,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    video: MediaFile,
) -> None:
    """X has done it, and the process ended before the witness was written."""
    sessions.states = [{}]  # X has nothing more to do
    now = job(Draft("Hello", media=(video,)))
    for _ in range(20):
        step = X().next_step(now, client)
        if step.kind is StepKind.COMMIT:
            break
        step.run()
        result = X().next_step(now, client).run()
        now = replace(now, witness={**now.witness, **result.witness})
    assert step.run().remote is not None
    assert Counter(sessions.calls) == {
        "begin": 2,
        "append": 6,
        "finalize": 2,
        "state": 2,
    }
    assert sessions.file == BYTES
    assert json.loads(api.calls[-1].request.body)["media"] == {"media_ids": ["72"]}
    api.assert_call_count(POSTS, 1)


@pytest.mark.parametrize("told", ["nothing", "pending"])
@pytest.mark.parametrize("lost", ["the answer", "the call"])
def test_x_is_asked_before_it_is_told_again_that_a_file_is_whole(
    client: XClient,
    sessions: Sessions,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    video: MediaFile,
    lost: str,
    told: str,
) -> None:
    """X may call a file pending that it works on, and one whose end it never heard of."""
    sessions.begun.append({})
    sessions.finished = lost == "the answer"
    sessions.states = [{"state": told, "check_after_secs": 1}]
    if told == "nothing":
        sessions.states = [{"state": "succeeded"} if sessions.finished else {}]
    witness = {"upload:1": session(), "unsealed:1": "71", "uploads:1": 1}
    now = job(Draft("a", media=(video,)), witness=witness)
    step = X().next_step(now, client)
    assert step.name == "finish_video:1"
    with responses.RequestsMock() as broken:
        broken.post(SESSION, body=requests.ConnectionError("reset"))
        with pytest.raises(PlatformError) as caught:
            step.run()
    assert caught.value.outcome is Outcome.TRANSIENT
    assert caught.value.extra["forget"] == "unsealed:1"
    del witness["unsealed:1"]
    names = []
    for _ in range(5):
        step = X().next_step(now, client)
        if step.kind is StepKind.COMMIT:
            break
        names.append(step.name)
        now = replace(now, witness={**now.witness, **step.run().witness})
        sessions.states = [{"state": "succeeded"}]
    assert sessions.finished
    again = ["finish_video:1", "wait_video:1"]
    is_known = lost == "the answer" and told == "nothing"
    assert names == ["wait_video:1", *([] if is_known else again)]


def test_an_animated_image_is_described_and_a_video_is_not(
    client: XClient,
    sessions: Sessions,
    job: Callable[..., PublishJob],
    gif: MediaFile,
    video: MediaFile,
) -> None:
    ready = {"media_id": "71", "sha256": "ab" * 32, "ends_at": END}
    now = job(Draft("a", media=(gif,)), witness={"image:1": ready})
    step = X().next_step(now, client)
    assert step.name == "alt_text:1"
    assert step.run().witness == {"alt:1": "71"}
    X().next_step(job(Draft("a", media=(gif,))), client).run()
    assert sessions.begun[0]["media_category"] == "tweet_gif"
    now = job(Draft("a", media=(video,)), witness={"image:1": ready})
    assert X().next_step(now, client).name == "post"


@pytest.mark.parametrize(
    ("changes", "next_name", "uploads"),
    [
        ({}, "upload_video:1:3", None),
        ({"ends_at": "2026-01-01T00:00:00+00:00"}, "begin_video:1", 1),
        ({"sha256": "cd" * 32}, "begin_video:1", 2),
    ],
)
def test_a_session_goes_on_until_it_ends_or_the_file_changes(
    client: XClient,
    sessions: Sessions,
    job: Callable[..., PublishJob],
    video: MediaFile,
    changes: dict[str, Any],
    next_name: str,
    uploads: int | None,
) -> None:
    stored = session(sent=2, **changes)
    witness = {"upload:1": stored, "unsealed:1": "71", "uploads:1": 1}
    now = job(Draft("a", media=(video,)), witness=witness)
    step = X().next_step(now, client)
    assert step.name == next_name
    if uploads:
        # A session that ended by itself says nothing against the file.
        assert step.run().witness["uploads:1"] == uploads


@pytest.mark.parametrize("sent", [0, 3])
@pytest.mark.parametrize(
    ("uploads", "outcome", "cause"),
    [
        (1, Outcome.TRANSIENT, Cause.MEDIA_EXPIRED),
        (2, Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
    ],
)
def test_a_session_that_x_has_lost_is_begun_anew_once(
    client: XClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    video: MediaFile,
    sent: int,
    uploads: int,
    outcome: Outcome,
    cause: Cause,
) -> None:
    gone = {"title": "Not Found Error", "detail": "Could not find media"}
    method = responses.GET if sent else responses.POST
    api.add(method, re.compile(UPLOAD), json=gone, status=404)
    stored = session(sent=sent, finished=bool(sent))
    witness = {"upload:1": stored, "unsealed:1": "71", "uploads:1": uploads}
    now = job(Draft("a", media=(video,)), witness=witness)
    with pytest.raises(PlatformError) as caught:
        X().next_step(now, client).run()
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
    if outcome is Outcome.TRANSIENT:
        left = set(witness) - set(caught.value.extra["forget"].split(","))
        assert left == {"uploads:1"}


@pytest.mark.parametrize(
    ("name", "outcome", "cause"),
    [
        ("InvalidMedia", Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
        ("InternalError", Outcome.TRANSIENT, Cause.MEDIA_EXPIRED),
    ],
)
def test_a_file_that_x_cannot_work_on_is_refused_in_its_words(
    client: XClient,
    sessions: Sessions,
    job: Callable[..., PublishJob],
    video: MediaFile,
    name: str,
    outcome: Outcome,
    cause: Cause,
) -> None:
    error = {"code": 1, "name": name, "message": "Unsupported video format"}
    sessions.states = [{"state": "failed", "error": error}]
    witness = {"upload:1": session(finished=True), "uploads:1": 1}
    now = job(Draft("a", media=(video,)), witness=witness)
    with pytest.raises(PlatformError) as caught:
        X().next_step(now, client).run()
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
    assert caught.value.detail == "Unsupported video format"
    assert caught.value.code == name


@pytest.mark.parametrize(
    ("told", "wait_s"), [(3, 3), (0, 1), (None, 1), ("odd", 1), (1e9, 600)]
)
def test_x_says_when_to_ask_again_within_reason(
    client: XClient,
    sessions: Sessions,
    job: Callable[..., PublishJob],
    video: MediaFile,
    told: Any,
    wait_s: float,
) -> None:
    sessions.states = [{"state": "in_progress", "check_after_secs": told}]
    now = job(Draft("a", media=(video,)), witness={"upload:1": session(finished=True)})
    result = X().next_step(now, client).run()
    assert result.wait_s == wait_s
    assert result.witness["upload:1"]["media_id"] == "71"


def test_a_refused_beginning_is_a_refused_file(
    client: XClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    video: MediaFile,
) -> None:
    api.post(NEW, json={"title": "Invalid Request", "detail": "no"}, status=400)
    with pytest.raises(PlatformError) as caught:
        X().next_step(job(Draft("a", media=(video,))), client).run()
    assert caught.value.outcome is Outcome.INVALID_CONTENT
    assert caught.value.cause is Cause.MEDIA_REFUSED


@pytest.mark.parametrize("size", [1, 5_000_000, 2 * 1024**3, VIDEOS.max_bytes])
def test_every_file_that_is_taken_fits_into_the_numbers_of_its_parts(
    video: MediaFile, size: int
) -> None:
    file = replace(video, size_bytes=size)
    assert 1 <= media.parts_of(file) <= MAX_PARTS
    assert media.part_bytes(file) <= MAX_PART_BYTES
    assert (media.parts_of(file) - 1) * media.part_bytes(file) < size


def test_parts_of_a_large_file_are_as_large_as_x_takes_them(video: MediaFile) -> None:
    large = replace(video, size_bytes=2 * 1024**3)
    assert media.part_bytes(large) == MAX_PART_BYTES
    assert media.part_bytes(replace(video, size_bytes=100_000_000)) == media.PART_BYTES


def test_what_is_left_is_foretold_from_the_witness_on(
    client: XClient, sessions: Sessions, job: Callable[..., PublishJob], gif: MediaFile
) -> None:
    now = job(Draft("a", media=(gif,)))
    foretold, made = [], []
    while True:
        foretold.append(Counter(X().calls_ahead(now, looking=False)))
        result = X().next_step(now, client).run()
        made.append(Counter(log.call for log in client.http.drain()))
        if result.remote:
            break
        now = replace(now, witness={**now.witness, **result.witness})
    for number, ahead in enumerate(foretold):
        assert sum(made[number:], Counter()) == ahead, f"from step {number}"


# ------------------------------------------------------------------ content


def causes(draft: Draft, **plan: Any) -> list[Cause]:
    found = X().check(draft, limits=plan)
    return [f.cause for f in found if f.level is Level.REFUSED]


def test_a_video_and_an_animated_image_stand_alone(
    video: MediaFile, gif: MediaFile, image: Callable[..., MediaFile]
) -> None:
    assert X().check(Draft("", media=(video,))) == []
    assert X().check(Draft("", media=(gif,))) == []
    assert causes(Draft("", media=(video, image()))) == [Cause.MEDIA_MIXED]
    assert causes(Draft("", media=(gif, gif))) == [Cause.TOO_MANY_MEDIA]


@pytest.mark.parametrize(
    ("changes", "cause", "paid_too"),
    [
        ({"duration_s": 1200.5}, Cause.VIDEO_TOO_LONG, False),
        ({"duration_s": 7500.5}, Cause.VIDEO_TOO_LONG, True),
        ({"duration_s": 0.4}, Cause.VIDEO_TOO_SHORT, True),
        ({"width": 1920, "height": 1080}, Cause.VIDEO_TOO_MANY_PIXELS, False),
        ({"width": 31, "height": 32}, Cause.VIDEO_TOO_FEW_PIXELS, True),
        ({"width": 1200, "height": 390}, Cause.VIDEO_SHAPE, True),
        ({"frame_rate": 61.0}, Cause.VIDEO_FRAME_RATE, True),
        ({"video_codec": "hevc"}, Cause.VIDEO_CODEC, True),
        ({"audio_codec": "opus"}, Cause.SOUND_CODEC, True),
        ({"mime_type": "video/webm"}, Cause.MEDIA_TYPE, True),
        ({"size_bytes": 8_000_000_001}, Cause.VIDEO_TOO_LARGE, True),
    ],
)
@pytest.mark.parametrize(
    "plan",
    [{}, {"subscription_type": "Premium"}, {"verified_type": "business"}],
    ids=["free", "premium", "verified"],
)
def test_the_plan_of_the_account_decides_on_its_videos(
    video: MediaFile,
    changes: dict[str, Any],
    cause: Cause,
    paid_too: bool,
    plan: dict[str, Any],
) -> None:
    found = causes(Draft("", media=(replace(video, **changes),)), **plan)
    assert set(found) == ({cause} if paid_too or not plan else set())


def test_a_video_that_stands_is_as_good_as_one_that_lies(video: MediaFile) -> None:
    assert causes(Draft("", media=(replace(video, width=720, height=1280),))) == []


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"height": 1081}, Cause.ANIMATION_TOO_LARGE),
        ({"frames": 351, "width": 100}, Cause.ANIMATION_TOO_LONG),
        ({"frames": 340}, Cause.ANIMATION_TOO_LARGE),
        ({"size_bytes": 15 * 1024 * 1024 + 1}, Cause.MEDIA_TOO_LARGE),
        ({"mime_type": "image/webp"}, Cause.MEDIA_TYPE),
        ({"alt_text": "a" * 1001}, Cause.ALT_TEXT_TOO_LONG),
    ],
)
def test_an_animated_image_that_x_refuses_is_found_before(
    gif: MediaFile, changes: dict[str, Any], cause: Cause
) -> None:
    assert causes(Draft("", media=(replace(gif, **changes),))) == [cause]
