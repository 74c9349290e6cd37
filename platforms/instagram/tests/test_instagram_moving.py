"""Reels, stories, and videos in carousels: what is sent, and how it goes on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from platforms.base import Draft, Identity, Level, Sighting, StepKind
from platforms.errors import Cause, PlatformError

FB, OWN = "https://graph.facebook.com/v26.0", "https://graph.instagram.com/v26.0"
IG, BOX, MEDIA = "17841400000000001", "17889455560051444", "17920238422030506"
HOST = f"https://rupload.facebook.com/ig-api-upload/v26.0/{BOX}"
VIDEO_URL = "https://hub.example.com/media/public/abc.mp4"
IMAGE_URL = "https://hub.example.com/media/public/abc.jpg"


def made(number: str = BOX, of: str = "ab" * 32, **more: Any) -> dict[str, Any]:
    return {"id": number, "of": of, "made_at": datetime.now(UTC).isoformat(), **more}


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


def refusals(found):
    return {f.cause for f in found if f.level is Level.REFUSED}


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("where", "changes", "cause"),
    [
        ("post", {}, None),
        ("post", {"duration_s": 900.0}, None),
        ("post", {"duration_s": 900.5}, Cause.VIDEO_TOO_LONG),
        ("post", {"duration_s": 2.9}, Cause.VIDEO_TOO_SHORT),
        ("post", {"size_bytes": 300_000_001}, Cause.VIDEO_TOO_LARGE),
        ("post", {"frame_rate": 15.0}, Cause.VIDEO_FRAME_RATE),
        ("post", {"width": 1921}, Cause.VIDEO_TOO_MANY_PIXELS),
        ("post", {"video_codec": "vp9"}, Cause.VIDEO_CODEC),
        ("post", {"audio_codec": "mp3"}, Cause.SOUND_CODEC),
        ("post", {"bitrate": 25_000_001}, Cause.VIDEO_BITRATE),
        ("post", {"index_first": False}, Cause.VIDEO_INDEX_LAST),
        ("post", {"mime_type": "video/webm"}, Cause.MEDIA_TYPE),
        ("reel", {}, None),
        ("story", {"duration_s": 60.0}, None),
        ("story", {"duration_s": 60.5}, Cause.VIDEO_TOO_LONG),
        ("story", {"size_bytes": 100_000_001}, Cause.VIDEO_TOO_LARGE),
        ("tower", {}, Cause.OPTION_UNKNOWN),
    ],
)
def test_videos_are_held_to_the_rules_of_their_place(
    instagram, film, where, changes, cause
):
    draft = Draft("", media=(film(**changes),), options={"placement": where})
    assert refusals(instagram.check(draft)) == ({cause} if cause else set())


def test_a_place_takes_so_many_files(instagram, image, film):
    for where, files, cause in (
        ("post", (image(), film()), None),
        ("post", (film(),) * 11, Cause.TOO_MANY_MEDIA),
        ("reel", (image(),), Cause.NOT_A_REEL),
        ("reel", (film(), film()), Cause.NOT_A_REEL),
        ("story", (image(height=1920),), None),
        ("story", (image(), image()), Cause.TOO_MANY_MEDIA),
        ("story", (image(), film()), Cause.MEDIA_MIXED),
    ):
        draft = Draft("", media=files, options={"placement": where})
        assert refusals(instagram.check(draft)) == ({cause} if cause else set())


def test_a_story_that_has_a_text_loses_it_and_that_is_said(instagram, film):
    draft = Draft("Hi", media=(film(),), options={"placement": "story"})
    (finding,) = instagram.check(draft)
    assert (finding.level, finding.cause) == (Level.WARNING, Cause.TEXT_NOT_SHOWN)


def test_bytes_that_we_send_need_no_address(instagram, image, film):
    me = Identity(IG, "instagram", "Acme", "acme", "", extra={"variant": "facebook"})
    draft = Draft("", media=(film(public_url=""),))
    assert refusals(instagram.check(draft, me)) == set()
    own = replace(me, extra={"variant": "instagram"})
    assert refusals(instagram.check(draft, own)) == {Cause.MEDIA_NOT_PUBLIC}
    both = replace(draft, media=(film(public_url=""), image(public_url="")))
    assert refusals(instagram.check(both, me)) == {Cause.MEDIA_NOT_PUBLIC}


# ------------------------------------------------------------------ steps

CAPTION = {"caption": "Hi"}
BYTES = {"upload_type": "resumable"}
FORMS = {
    "a post": ("post", {"media_type": "REELS", "share_to_feed": "true", **CAPTION}),
    "a reel": ("reel", {"media_type": "REELS", **CAPTION}),
    "a story": ("story", {"media_type": "STORIES"}),
}


@pytest.mark.trap("instagram", 2)
@pytest.mark.trap("instagram", 8)
@pytest.mark.parametrize(("where", "wanted"), FORMS.values(), ids=FORMS)
def test_a_video_becomes_what_was_chosen(
    instagram, client, own, job, film, api, where, wanted
):
    now = job(Draft("Hi", media=(film(),), options={"placement": where}))
    for acting, base, source in ((client, FB, BYTES), (own, OWN, None)):
        api.post(f"{base}/{IG}/media", json={"id": BOX})
        instagram.next_step(now, acting).run()
        assert form(api.calls[-1]) == wanted | (source or {"video_url": VIDEO_URL})


def test_an_image_becomes_a_story(instagram, client, job, image, api):
    api.post(f"{FB}/{IG}/media", json={"id": BOX})
    draft = Draft("Hi", media=(image(),), options={"placement": "story"})
    instagram.next_step(job(draft), client).run()
    assert form(api.calls[0]) == {"media_type": "STORIES", "image_url": IMAGE_URL}


@pytest.mark.trap("instagram", 2)
def test_a_carousel_takes_a_video_beside_an_image(
    instagram, own, job, image, film, api
):
    now, names = job(Draft("Hi", media=(image(), film()))), []
    for number in ("1", "2", BOX):
        api.post(f"{OWN}/{IG}/media", json={"id": number})
        api.get(f"{OWN}/{number}", json={"status_code": "FINISHED"})
    while not names or names[-1] != "wait:container":
        step = instagram.next_step(now, own)
        now = replace(now, witness={**now.witness, **step.run().witness})
        names.append(step.name)
    assert form(api.calls[1]) == {
        "is_carousel_item": "true",
        "media_type": "VIDEO",
        "video_url": VIDEO_URL,
    }
    assert form(api.calls[4])["children"] == "1,2"
    assert instagram.next_step(now, own).kind is StepKind.COMMIT


def waiting_for_bytes(job, film, sent: int | None = None):
    witness = {"container": made(bytes=5)}
    if sent is not None:
        witness["sent:container"] = {"id": BOX, "bytes": sent}
    return job(Draft("Hi", media=(film(),)), witness=witness)


def bytes_there(api, count):
    phase = {"uploading_phase": {"status": "in_progress", "bytes_transferred": count}}
    api.get(f"{FB}/{BOX}", json={"id": BOX, "video_status": phase})


@pytest.mark.parametrize(("sent", "rest"), [(None, b"VIDEO"), (3, b"EO")])
def test_bytes_are_sent_from_where_they_stopped(
    instagram, client, job, film, api, sent, rest
):
    api.post(HOST, json={"success": True, "message": "Upload successful."})
    step = instagram.next_step(waiting_for_bytes(job, film, sent), client)
    assert (step.name, step.kind) == ("send:container", StepKind.RESUMABLE)
    assert step.run().witness == {"sent:container": {"id": BOX, "bytes": 5}}
    request = api.calls[0].request
    assert request.body == rest
    assert request.headers["Authorization"] == "OAuth test-token"
    assert request.headers["offset"] == str(sent or 0)
    assert request.headers["file_size"] == "5"


OFFSET = {"debug_info": {"retriable": True, "type": "OffsetInvalidError"}}
OVER = {"debug_info": {"retriable": False, "type": "ProcessingFailedError"}}
CUTS = {
    "cut": {"body": requests.ConnectionError("reset")},
    "wrong offset": {"json": OFFSET, "status": 400},
    "of no success": {"json": {"success": False}},
}


@pytest.mark.parametrize("answer", CUTS.values(), ids=CUTS)
def test_after_a_break_the_container_tells_what_is_there(
    instagram, client, job, film, api, answer
):
    api.post(HOST, **answer)
    bytes_there(api, 3)
    result = instagram.next_step(waiting_for_bytes(job, film), client).run()
    assert result.witness == {"sent:container": {"id": BOX, "bytes": 3}}
    with pytest.raises(PlatformError) as caught:
        instagram.next_step(waiting_for_bytes(job, film, 3), client).run()
    assert not caught.value.permanent


def test_a_session_that_is_over_begins_anew_three_times_at_most(
    instagram, client, job, film, api
):
    api.post(HOST, json=OVER, status=400)
    bytes_there(api, 0)
    now = waiting_for_bytes(job, film)
    result = instagram.next_step(now, client).run()
    assert (result.witness["container"], result.wait_s) == ({}, 10)
    last = replace(now, witness={**now.witness, "tries:container": 2})
    with pytest.raises(PlatformError) as caught:
        instagram.next_step(last, client).run()
    assert caught.value.permanent


def test_what_was_sent_to_another_container_does_not_count(
    instagram, client, job, film
):
    now = waiting_for_bytes(job, film)
    witness = {**now.witness, "sent:container": {"id": "7", "bytes": 5}}
    step = instagram.next_step(replace(now, witness=witness), client)
    assert step.name == "send:container"


# ------------------------------------------------------------------ reconciliation


def row(**changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=30)
    facts = {
        "id": MEDIA,
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "media_type": "VIDEO",
        "permalink": "https://www.instagram.com/stories/acme/1/",
    }
    return {**facts, **changes}


@pytest.mark.parametrize(
    ("status", "rows", "sighting"),
    [
        ("FINISHED", [{}], Sighting.ABSENT),
        ("PUBLISHED", [dict(id="1", media_type="IMAGE"), {}], Sighting.FOUND),
        ("PUBLISHED", [dict(id="1"), {}], Sighting.CANNOT_TELL),
        ("PUBLISHED", [], Sighting.CANNOT_TELL),
        ("", [{}], Sighting.CANNOT_TELL),
        ("", [], Sighting.ABSENT),
    ],
)
def test_a_story_is_told_by_its_container_and_found_in_its_own_list(
    instagram, client, job, film, api, status, rows, sighting
):
    draft = Draft("Hi", media=(film(),), options={"placement": "story"})
    sent_at = datetime.now(UTC) - timedelta(seconds=40)
    witness = {"container": made()} if status else {}
    now = job(draft, witness=witness, first_sent_at=sent_at)
    if status:
        api.get(f"{FB}/{BOX}", json={"status_code": status})
    if status != "FINISHED":
        stories = [row(**changes) for changes in rows]
        api.get(f"{FB}/{IG}/stories", json={"data": stories})
    look = instagram.look(now, client)
    assert look.sighting is sighting
    if look.remote:
        assert look.remote.external_id == MEDIA


def test_a_story_that_may_have_ended_is_not_taken_for_one_that_never_was(
    instagram, client, job, film, api
):
    draft = Draft("", media=(film(),), options={"placement": "story"})
    sent_at = datetime.now(UTC) - timedelta(hours=25)
    now = job(draft, witness={"container": made()}, first_sent_at=sent_at)
    gone = {"error": {"code": 100, "error_subcode": 33, "message": "No"}}
    api.get(f"{FB}/{BOX}", json=gone, status=400)
    api.get(f"{FB}/{IG}/stories", json={"data": []})
    assert instagram.look(now, client).sighting is Sighting.CANNOT_TELL


def test_a_reel_is_found_by_its_kind_and_caption(instagram, client, job, film, api):
    api.get(f"{FB}/{BOX}", json={"status_code": "PUBLISHED"})
    rows = [row(id="1", caption="Hi", media_type="IMAGE"), row(caption="Hi")]
    api.get(f"{FB}/{IG}/media", json={"data": rows})
    now = job(
        Draft("Hi", media=(film(),)),
        witness={"container": made()},
        first_sent_at=datetime.now(UTC),
    )
    look = instagram.look(now, client)
    assert look.remote is not None
    assert look.remote.external_id == MEDIA
