"""Videos, reels and stories of a Page: what is sent, and how it goes on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from platforms.base import Draft, Level, MediaKind, Sighting, StepKind
from platforms.errors import Cause, Outcome, PlatformError

PAGE, FILM = "104455667788990", "122300000000000002"
POST = f"{PAGE}_122100000000000123"
FB = "https://graph.facebook.com/v26.0"
HOST = f"https://rupload.facebook.com/video-upload/v26.0/{FILM}"
NOW = datetime.now(UTC)


@pytest.fixture
def film(image):
    def make(**changes: Any):
        facts: dict[str, Any] = {
            "mime_type": "video/mp4",
            "size_bytes": 5,
            "width": 1080,
            "height": 1920,
            "file_name": "a.mp4",
            "open": lambda: BytesIO(b"VIDEO"),
            "kind": MediaKind.VIDEO,
            "duration_s": 10.0,
            "frame_rate": 30.0,
            "video_codec": "h264",
            "audio_codec": "aac",
        }
        return image(**{**facts, **changes})

    return make


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


def placed(film, where: str = "reel", text: str = "Hi") -> Draft:
    return Draft(text, media=(film,), options={"placement": where})


def begun(edge: str = "video_reels", **changes: Any) -> dict[str, Any]:
    facts = {
        "id": FILM,
        "of": "ab" * 32,
        "edge": edge,
        "made_at": NOW.isoformat(),
        "session": "55",
        "start": 0,
        "end": 5,
        "size": 5,
    }
    return {**facts, **changes}


def status(api, word: str = "processing", got: int = 5, **changes: Any) -> None:
    """What Facebook says of the video. changes: phases, and fields beside the status."""
    phases = {
        "uploading_phase": {"status": "complete", "bytes_transfered": got},
        "processing_phase": {"status": "in_progress"},
        "publishing_phase": {"status": "not_started", "publish_status": "draft"},
    }
    known = {k: changes.pop(k, v) for k, v in phases.items()}
    body = {"id": FILM, "status": {"video_status": word, **known}, **changes}
    api.get(f"{FB}/{FILM}", json=body)


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("where", "changes", "cause"),
    [
        ("post", {"width": 1920, "height": 1080, "duration_s": 600.0}, None),
        ("post", {"duration_s": 14_401.0}, Cause.VIDEO_TOO_LONG),
        ("post", {"mime_type": "video/webm"}, Cause.MEDIA_TYPE),
        ("reel", {}, None),
        ("reel", {"width": 540, "height": 960}, None),
        ("reel", {"width": 1080, "height": 1080}, Cause.VIDEO_SHAPE),
        ("reel", {"width": 360, "height": 640}, Cause.VIDEO_TOO_FEW_PIXELS),
        ("reel", {"duration_s": 91.0}, Cause.VIDEO_TOO_LONG),
        ("reel", {"duration_s": 2.0}, Cause.VIDEO_TOO_SHORT),
        ("reel", {"frame_rate": 15.0}, Cause.VIDEO_FRAME_RATE),
        ("reel", {"audio_codec": "mp3"}, Cause.SOUND_CODEC),
        ("story", {"duration_s": 61.0}, Cause.VIDEO_TOO_LONG),
    ],
)
def test_videos_are_held_to_the_rules_of_their_place(
    facebook, film, where, changes, cause
):
    found = facebook.check(placed(film(**changes), where, ""))
    assert {f.cause for f in found} == ({cause} if cause else set())


def test_a_place_takes_so_many_files(facebook, image, film):
    gif = image(kind=MediaKind.GIF, mime_type="image/gif")
    for where, files, cause in (
        ("post", (film(), film()), Cause.TOO_MANY_MEDIA),
        ("post", (image(), film()), Cause.MEDIA_MIXED),
        ("reel", (image(),), Cause.NOT_A_REEL),
        ("reel", (), Cause.NOT_A_REEL),
        ("story", (), Cause.MEDIA_MISSING),
        ("story", (image(), image()), Cause.TOO_MANY_MEDIA),
        ("story", (gif, gif), Cause.TOO_MANY_MEDIA),
        ("story", (image(), gif), Cause.MEDIA_MIXED),
    ):
        draft = Draft("Hi", media=files, options={"placement": where})
        refused = {f.cause for f in facebook.check(draft) if f.level is Level.REFUSED}
        assert refused == {cause}
    (finding,) = facebook.check(placed(image(), "story"))
    assert (finding.level, finding.cause) == (Level.WARNING, Cause.TEXT_NOT_SHOWN)


# ------------------------------------------------------------------ steps


def test_a_video_goes_in_the_chunks_that_are_asked_for(facebook, page, job, film, api):
    videos = f"{FB}/{PAGE}/videos"
    bounds = [("0", "3"), ("3", "5"), ("5", "5")]
    told = [{"start_offset": start, "end_offset": end} for start, end in bounds]
    api.post(videos, json={"video_id": FILM, "upload_session_id": "55", **told[0]})
    api.post(videos, json=told[1])
    api.post(videos, json=told[2])
    api.post(videos, json={"success": True})
    published = {"status": "complete", "publish_status": "published"}
    status(api, "ready", publishing_phase=published, post_id=POST.split("_")[1])
    now, names = job(placed(film(), "post")), []
    while True:
        step = facebook.next_step(now, page)
        assert (step.kind is StepKind.COMMIT) == (step.name == "finish")
        names.append(step.name)
        result = step.run()
        if result.remote:
            break
        now = replace(now, witness={**now.witness, **result.witness})
    assert names == [
        "begin_video",
        "send_video:0",
        "send_video:3",
        "finish",
        "wait_published",
    ]
    assert form(api.calls[0]) == {"upload_phase": "start", "file_size": "5"}
    assert b"\r\n\r\nVID\r\n" in api.calls[1].request.body
    assert b"\r\n\r\nEO\r\n" in api.calls[2].request.body
    assert "appsecret_proof=" in api.calls[1].request.url
    assert form(api.calls[3]) == {
        "upload_phase": "finish",
        "upload_session_id": "55",
        "description": "Hi",
    }
    assert result.remote.external_id == POST
    assert result.remote.permalink == f"https://www.facebook.com/{POST}"


@pytest.mark.trap("facebook", 6)
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, FILM),
        ({"post_id": "122100000000000123"}, POST),
        ({"post_id": POST}, POST),
    ],
    ids=["not told", "bare", "of the page"],
)
def test_a_post_has_its_own_id_and_never_one_made_of_its_video_s(
    facebook, page, job, film, api, told, expected
):
    """A page's id before a video's names what does not exist."""
    out = {"status": "complete", "publish_status": "published"}
    status(api, "ready", publishing_phase=out, **told)
    finished = {"id": FILM, "at": NOW.isoformat(), "post_id": ""}
    witness = {"video": begun("videos", start=5), "finished": finished}
    now = job(placed(film(), "post"), witness=witness, first_sent_at=NOW)
    remote = facebook.next_step(now, page).run().remote
    assert remote is not None
    assert remote.external_id == expected
    # The post's id is asked of the video, never of the post.
    asked = {call.request.url.split("?")[0] for call in api.calls}
    assert asked == {f"{FB}/{FILM}"}


@pytest.mark.parametrize(
    ("where", "edge", "told"),
    [
        ("reel", "video_reels", {"video_state": "PUBLISHED", "description": "Hi"}),
        ("story", "video_stories", {}),
    ],
)
def test_a_reel_and_a_story_are_finished_when_facebook_has_all(
    facebook, page, job, film, api, where, edge, told
):
    witness = {"video": begun(edge, start=5)}
    now = job(placed(film(), where), witness=witness)
    status(api, "uploading", uploading_phase={"status": "in_progress"})
    assert facebook.next_step(now, page).run().wait_s == 5
    api.reset()
    status(api)
    result = facebook.next_step(now, page).run()
    now = replace(now, witness={**witness, **result.witness})
    api.post(f"{FB}/{PAGE}/{edge}", json={"success": True, "post_id": 1234})
    step = facebook.next_step(now, page)
    assert step.kind is StepKind.COMMIT
    finished = step.run().witness["finished"]
    assert (finished["id"], finished["post_id"]) == (FILM, "1234")
    wanted = {"upload_phase": "finish", "video_id": FILM, **told}
    assert form(api.calls[-1]) == wanted


OVER = {"debug_info": {"retriable": False, "type": "ProcessingFailedError"}}


@pytest.mark.parametrize("edge", ["videos", "video_reels"])
def test_after_a_break_the_video_tells_what_is_there(
    facebook, page, job, film, api, edge
):
    url = HOST if edge == "video_reels" else f"{FB}/{PAGE}/videos"
    api.post(url, body=requests.ConnectionError("reset"))
    status(api, "uploading", 3)
    draft = placed(film(), "reel" if edge == "video_reels" else "post")
    now = job(draft, witness={"video": begun(edge)})
    video = facebook.next_step(now, page).run().witness["video"]
    assert (video["start"], video["end"]) == (3, 5)
    with pytest.raises(PlatformError) as caught:
        facebook.next_step(job(draft, witness={"video": video}), page).run()
    assert not caught.value.permanent


def test_an_upload_that_is_over_begins_anew_three_times_at_most(
    facebook, page, job, film, api
):
    api.post(HOST, json=OVER, status=400)
    status(api, "expired", 0)
    now = job(placed(film()), witness={"video": begun()})
    result = facebook.next_step(now, page).run()
    assert (result.witness["video"], result.wait_s) == ({}, 10)
    last = replace(now, witness={**now.witness, "tries": 2})
    with pytest.raises(PlatformError) as caught:
        facebook.next_step(last, page).run()
    assert (caught.value.permanent, caught.value.cause) == (True, Cause.MEDIA_REFUSED)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "send_video:0"),
        ({"start": 5}, "wait_video"),
        ({"of": "cd" * 32}, "begin_video"),
        ({"edge": "video_stories"}, "begin_video"),
        ({"made_at": (NOW - timedelta(hours=21)).isoformat()}, "begin_video"),
    ],
)
def test_work_is_taken_up_where_it_was_left(facebook, page, job, film, changes, name):
    now = job(placed(film()), witness={"video": begun(**changes)})
    assert facebook.next_step(now, page).name == name


@pytest.mark.trap("facebook", 7)
def test_what_was_wrong_with_a_video_that_was_accepted_is_said(
    facebook, page, job, film, api
):
    errors = {"status": "error", "errors": [{"code": 1363040, "message": "Too wide"}]}
    for phase in (errors, {"status": "error", "error": {"message": "Too wide"}}):
        api.reset()
        status(api, "error", processing_phase=phase)
        finished = {"id": FILM, "at": NOW.isoformat(), "post_id": ""}
        witness = {"video": begun(start=5), "finished": finished}
        now = job(placed(film()), witness=witness, first_sent_at=NOW)
        with pytest.raises(PlatformError) as caught:
            facebook.next_step(now, page).run()
        assert caught.value.outcome is Outcome.INVALID_CONTENT
        assert caught.value.cause is Cause.MEDIA_REFUSED
        assert caught.value.detail == "Too wide"


@pytest.mark.parametrize(
    ("publishing", "name"),
    [
        ({"status": "in_progress", "publish_status": "draft"}, "wait_published"),
        ({"status": "not_started", "publish_status": "draft"}, "finish"),
    ],
)
def test_nothing_is_finished_twice(facebook, page, job, film, api, publishing, name):
    """After a lost answer Facebook is asked before the last phase is sent again."""
    witness = {"video": begun(start=5), "ready": FILM}
    now = job(placed(film()), witness=witness)
    api.post(f"{FB}/{PAGE}/video_reels", body=requests.ReadTimeout())
    with pytest.raises(PlatformError) as caught:
        facebook.next_step(now, page).run()
    assert caught.value.outcome is Outcome.AMBIGUOUS
    now = replace(now, first_sent_at=NOW)
    status(api, publishing_phase=publishing)
    assert facebook.look(now, page).sighting is Sighting.ABSENT
    step = facebook.next_step(now, page)
    assert step.name == "ask"
    now = replace(now, witness={**witness, **step.run().witness})
    assert facebook.next_step(now, page).name == name


# ------------------------------------------------------------------ reconciliation


def test_a_video_is_found_by_its_own_status(facebook, page, job, film, api):
    out = {"status": "complete", "publish_status": "published"}
    status(api, "ready", publishing_phase=out, permalink_url="/reel/1/")
    now = job(placed(film()), witness={"video": begun()}, first_sent_at=NOW)
    look = facebook.look(now, page)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert look.remote.external_id == FILM
    assert look.remote.permalink == f"https://www.facebook.com/reel/{FILM}"


def test_a_video_that_facebook_does_not_know_is_a_person_s_to_tell(
    facebook, page, job, film, api
):
    gone = {"error": {"code": 100, "error_subcode": 33, "message": "Unsupported"}}
    api.get(f"{FB}/{FILM}", json=gone, status=400)
    now = job(placed(film()), witness={"video": begun()}, first_sent_at=NOW)
    assert facebook.look(now, page).sighting is Sighting.CANNOT_TELL


def test_a_photo_becomes_a_story_that_is_found_by_it(facebook, page, job, image, api):
    witness = {"photo:1": {"id": "777", "sha256": "ab" * 32}}
    now = job(placed(image(), "story"), witness=witness)
    api.post(f"{FB}/{PAGE}/photo_stories", json={"success": True, "post_id": 1234})
    step = facebook.next_step(now, page)
    assert step.kind is StepKind.COMMIT
    remote = step.run().remote
    assert remote is not None
    assert remote.external_id == f"{PAGE}_1234"
    assert form(api.calls[0]) == {"photo_id": "777"}
    rows = [{"post_id": "1", "media_id": "5"}, {"post_id": "1234", "media_id": "777"}]
    api.get(f"{FB}/{PAGE}/stories", json={"data": rows})
    look = facebook.look(replace(now, first_sent_at=NOW), page)
    assert look.remote is not None
    assert look.remote.external_id == remote.external_id
    api.replace("GET", f"{FB}/{PAGE}/stories", json={"data": rows[:1]})
    assert facebook.look(now, page).sighting is Sighting.ABSENT


def test_what_is_ahead_shrinks_with_the_witness(facebook, job, film):
    ahead = facebook.calls_ahead(job(placed(film(), "post")), looking=False)
    assert ahead["POST /:page/videos?upload_phase=transfer"] == 1
    units = facebook.draws(job(placed(film())), looking=False)
    assert units["reels"] == 1
    finished = {"id": FILM, "at": NOW.isoformat(), "post_id": ""}
    out = job(placed(film()), witness={"video": begun(), "finished": finished})
    assert set(facebook.calls_ahead(out, looking=False)) == {"GET /:video"}
