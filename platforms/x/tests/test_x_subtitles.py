"""Captions on their way to X: uploaded, tied to the video, or left out."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
import responses

from platforms.base import Draft, Level, MediaFile, MediaKind, PublishJob, StepKind
from platforms.errors import Cause, Outcome, PlatformError
from platforms.x.client import XClient
from platforms.x.publish import X

API = "https://api.x.com"
UPLOAD = API + "/2/media/upload"
TIE = API + "/2/media/subtitles"
SESSION = re.compile(re.escape(UPLOAD) + r"/8\d/(append|finalize)")
END = "2126-11-20T10:00:00+00:00"
SRT = b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHallo\r\n"
STEPS = ["begin_captions:1", "upload_captions:1", "finish_captions:1", "tie_captions:1"]
CALLS = {
    "POST /2/media/upload/initialize": 1,
    "POST /2/media/upload/:id/append": 1,
    "POST /2/media/upload/:id/finalize": 1,
    "GET /2/media/upload": 1,
    "POST /2/media/subtitles": 1,
    "POST /2/tweets": 1,
}


@pytest.fixture
def said(image: Callable[..., MediaFile]) -> Callable[..., MediaFile]:
    def make(data: bytes = SRT, **changes: Any) -> MediaFile:
        facts: dict[str, Any] = {
            "mime_type": "application/x-subrip",
            "kind": MediaKind.CAPTIONS,
            "size_bytes": len(data),
            "open": lambda: BytesIO(data),
            "language": "de",
            "sha256": "cd" * 32,
            "alt_text": "",
        }
        return image(**{**facts, **changes})

    return make


@pytest.fixture
def now(
    image: Callable[..., MediaFile],
    said: Callable[..., MediaFile],
    job: Callable[..., PublishJob],
) -> PublishJob:
    """Its video is there, its captions are not."""
    film = image(
        kind=MediaKind.VIDEO, mime_type="video/mp4", duration_s=5.0, size_bytes=9
    )
    there = {"media_id": "71", "sha256": film.sha256, "ends_at": END}
    draft = Draft("Hello", media=(film,), captions=(said(),))
    return job(draft, witness={"image:1": there})


def answers(api: responses.RequestsMock) -> None:
    api.assert_all_requests_are_fired = False
    for media_id in ("81", "82", "83"):
        new = {"data": {"id": media_id, "expires_after_secs": 86400}}
        api.post(UPLOAD + "/initialize", json=new)
    api.post(SESSION, json={"data": {"id": "81"}})
    api.post(
        API + "/2/tweets", json={"data": {"id": "20", "text": "Hello"}}, status=201
    )


def go_on(
    now: PublishJob, client: XClient, most: int = 20
) -> tuple[list[str], PublishJob]:
    """Steps until the post; between any two only the stored witness is left."""
    names: list[str] = []
    for _ in range(most):
        step = X().next_step(now, client)
        if step.kind is StepKind.COMMIT:
            return names, now
        names.append(step.name)
        witness = json.dumps({**now.witness, **step.run().witness})
        now = replace(now, witness=json.loads(witness))
    raise AssertionError(names)


def test_captions_are_uploaded_and_tied_to_the_video_before_the_post(
    client: XClient, api: responses.RequestsMock, now: PublishJob
) -> None:
    answers(api)
    api.post(TIE, json={"data": {"id": "71"}})
    assert dict(X().calls_ahead(now, looking=False)) == CALLS
    names, ready = go_on(now, client)
    assert names == STEPS
    begun, part, _end, tied = (call.request for call in api.calls)
    assert json.loads(begun.body) == {
        "media_type": "text/srt",
        "total_bytes": len(SRT),
        "media_category": "subtitles",
    }
    assert SRT in part.body
    assert b'name="segment_index"\r\n\r\n0\r\n' in part.body
    assert json.loads(tied.body) == {
        "id": "71",
        "media_category": "TweetVideo",
        "subtitles": {"id": "81", "language_code": "DE", "display_name": "Deutsch"},
    }
    assert dict(X().calls_ahead(ready, looking=False)) == {"POST /2/tweets": 1}
    remote = X().next_step(ready, client).run().remote
    assert remote is not None
    assert remote.extra == {}


def test_a_video_that_was_sent_anew_gets_its_captions_again(
    client: XClient, api: responses.RequestsMock, now: PublishJob
) -> None:
    answers(api)
    api.post(TIE, json={"data": {"id": "71"}})
    _names, ready = go_on(now, client)
    other = {**ready.witness["image:1"], "media_id": "72"}
    again = replace(ready, witness={**ready.witness, "image:1": other})
    assert go_on(again, client)[0] == ["tie_captions:1"]
    assert json.loads(api.calls[-1].request.body)["id"] == "72"


def test_captions_in_another_language_or_of_another_file_are_uploaded_anew(
    client: XClient,
    api: responses.RequestsMock,
    now: PublishJob,
    said: Callable[..., MediaFile],
) -> None:
    answers(api)
    api.post(TIE, json={"data": {"id": "71"}})
    _names, ready = go_on(now, client)
    for file in (said(language="fr"), said(sha256="ef" * 32)):
        draft = replace(ready.draft, captions=(file,))
        assert go_on(replace(ready, draft=draft), client)[0] == STEPS


@pytest.mark.parametrize(
    ("status", "detail", "tries"),
    [
        (400, "Invalid subtitles file", 1),
        (403, "You are not permitted to perform this action.", 1),
        (400, "Your media IDs are invalid.", 5),
        (503, "Service Unavailable", 5),
    ],
)
def test_captions_that_x_will_not_have_are_left_out_and_the_post_goes_out(
    client: XClient,
    api: responses.RequestsMock,
    now: PublishJob,
    status: int,
    detail: str,
    tries: int,
) -> None:
    answers(api)
    refusal = {"title": "Refused", "detail": detail, "type": "about:blank"}
    api.post(TIE, json=refusal, status=status)
    names, ready = go_on(now, client)
    assert names == [*STEPS[:-1], *[STEPS[-1]] * tries]
    (left,) = ready.witness["without"]
    assert (left["what"], left["language"]) == ("captions", "de")
    assert dict(X().calls_ahead(ready, looking=False)) == {"POST /2/tweets": 1}
    remote = X().next_step(ready, client).run().remote
    assert remote is not None
    (note,) = remote.extra["notes"]
    assert note.startswith("without captions (de): ")


def test_captions_that_nobody_can_read_cost_no_video(
    client: XClient,
    api: responses.RequestsMock,
    now: PublishJob,
    said: Callable[..., MediaFile],
) -> None:
    draft = replace(now.draft, captions=(said(b"nothing"),))
    names, ready = go_on(replace(now, draft=draft), client)
    assert names == ["begin_captions:1"]
    assert ready.witness["without"][0]["cause"] == Cause.MEDIA_REFUSED
    assert len(api.calls) == 0


@pytest.mark.parametrize("status", [401, 429])
def test_what_concerns_the_whole_account_is_no_word_about_captions(
    client: XClient, api: responses.RequestsMock, now: PublishJob, status: int
) -> None:
    problem = {"title": "No", "detail": "No", "type": "about:blank", "status": status}
    api.post(UPLOAD + "/initialize", json=problem, status=status)
    with pytest.raises(PlatformError) as caught:
        X().next_step(now, client).run()
    assert caught.value.outcome in {
        Outcome.AUTH_EXPIRED,
        Outcome.AUTH_REVOKED,
        Outcome.RATE_LIMITED,
    }


def test_x_is_asked_where_the_end_of_captions_was_told_before(
    client: XClient, api: responses.RequestsMock, now: PublishJob
) -> None:
    """The answer was lost with the process: a second end is refused."""
    sent = {"media_id": "81", "of": f"{'cd' * 32}:de", "ends_at": END}
    state = {"sent": True, "told": False, "ready": False}
    now = replace(now, witness={**now.witness, "captions:1": {**sent, **state}})
    api.post(SESSION, status=400, json={"title": "Invalid Request", "detail": "again"})
    api.get(UPLOAD, json={"data": {"id": "81"}})
    api.post(TIE, json={"data": {"id": "71"}})
    names, _ready = go_on(now, client)
    assert names == ["finish_captions:1", "wait_captions:1", "tie_captions:1"]


def test_captions_are_held_to_x_s_limit(
    now: PublishJob, said: Callable[..., MediaFile]
) -> None:
    wrong = replace(now.draft, captions=(said(size_bytes=1_000_001),))
    refused = [f for f in X().check(wrong) if f.level is Level.REFUSED]
    assert Cause.CAPTIONS_TOO_LARGE in {f.cause for f in refused}
