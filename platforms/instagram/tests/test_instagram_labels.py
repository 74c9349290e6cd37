"""The place of a post, a reel's sound and trial, and what is said of the whole of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from platforms import without
from platforms.base import Draft, Level, Sighting
from platforms.errors import Cause, InvalidContent, Outcome, PlatformError

FB = "https://graph.facebook.com/v26.0"
IG, BOX = "17841400000000001", "17889455560051444"
PLACE = "104923456789"
NO_PLACE = {
    "error": {
        "message": "INSTAGRAM_PLATFORM_API__INVALID_LOCATION_ID",
        "type": "OAuthException",
        "code": 100,
        "fbtrace_id": "A1",
    }
}


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


def found(instagram, draft, level=Level.REFUSED):
    return {(f.cause, f.field) for f in instagram.check(draft) if f.level is level}


def forms_of(instagram, client, job, api, draft):
    """What all containers of a post are made with."""
    answer = {"id": BOX, "status_code": "FINISHED"}
    api.post(f"{FB}/{IG}/media", json=answer)
    api.get(f"{FB}/{BOX}", json=answer)
    api.assert_all_requests_are_fired = False
    now = job(draft)
    for _ in range(9):
        step = instagram.next_step(now, client)
        if step.name == "publish" or step.name.startswith("send"):
            break
        now = job(draft, witness={**now.witness, **step.run().witness})
    return [form(call) for call in api.calls if call.request.method == "POST"]


def test_a_reel_has_a_place_a_sound_and_a_trial(instagram, client, job, film, api):
    options = {
        "placement": "reel",
        "location": PLACE,
        "audio_name": "Oven at dawn",
        "trial": "SS_PERFORMANCE",
        "ai_generated": True,
        "paid_partnership": True,
    }
    draft = Draft("Hi", media=(film(),), options=options)
    assert found(instagram, draft) == found(instagram, draft, Level.WARNING) == set()
    (sent,) = forms_of(instagram, client, job, api, draft)
    assert sent["location_id"] == PLACE
    assert sent["audio_name"] == "Oven at dawn"
    assert json.loads(sent["trial_params"]) == {"graduation_strategy": "SS_PERFORMANCE"}
    assert sent["is_ai_generated"] == sent["is_paid_partnership"] == "true"


def test_what_nobody_chose_is_not_said(instagram, client, job, film, api):
    draft = Draft("Hi", media=(film(),))
    (sent,) = forms_of(instagram, client, job, api, draft)
    assert set(sent) == {"caption", "media_type", "share_to_feed", "upload_type"}


def test_a_trial_is_not_put_among_the_posts(instagram, client, job, film, api):
    draft = Draft("Hi", media=(film(),), options={"trial": "MANUAL"})
    (sent,) = forms_of(instagram, client, job, api, draft)
    assert "share_to_feed" not in sent


def test_the_place_and_the_labels_of_a_carousel_belong_to_the_whole(
    instagram, client, job, image, api
):
    options = {"location": PLACE, "ai_generated": True}
    draft = Draft("Hi", media=(image(), image()), options=options)
    *children, whole = forms_of(instagram, client, job, api, draft)
    assert len(children) == 2
    for one in children:
        assert {"location_id", "is_ai_generated"}.isdisjoint(one)
    assert (whole["location_id"], whole["is_ai_generated"]) == (PLACE, "true")


@pytest.mark.parametrize(
    ("options", "files", "level", "cause"),
    [
        ({"location": "Berlin"}, "i", Level.REFUSED, Cause.OPTION_UNKNOWN),
        ({"location": PLACE}, "i", Level.REFUSED, None),
        (
            {"location": PLACE, "placement": "story"},
            "i",
            Level.WARNING,
            Cause.OPTION_LEFT_OUT,
        ),
        ({"trial": "SOMETIMES"}, "v", Level.REFUSED, Cause.OPTION_UNKNOWN),
        ({"trial": "MANUAL"}, "v", Level.REFUSED, None),
        ({"trial": "MANUAL"}, "i", Level.REFUSED, Cause.OPTION_UNKNOWN),
        ({"trial": "MANUAL"}, "iv", Level.REFUSED, Cause.OPTION_UNKNOWN),
        (
            {"trial": "MANUAL", "placement": "story"},
            "v",
            Level.REFUSED,
            Cause.OPTION_UNKNOWN,
        ),
        ({"audio_name": "Song"}, "v", Level.WARNING, None),
        ({"audio_name": "Song"}, "s", Level.WARNING, Cause.OPTION_LEFT_OUT),
        ({"audio_name": "Song"}, "iv", Level.WARNING, Cause.OPTION_LEFT_OUT),
        (
            {"audio_name": "Song", "placement": "story"},
            "v",
            Level.WARNING,
            Cause.OPTION_LEFT_OUT,
        ),
    ],
)
def test_each_choice_has_its_place(
    instagram, image, film, options, files, level, cause
):
    make = {
        "i": image,
        "v": film,
        "s": lambda: film(audio_codec=""),
    }
    draft = Draft("", media=tuple(make[one]() for one in files), options=options)
    key = next(iter(options))
    said = {one for one, field in found(instagram, draft, level) if field[7:] == key}
    assert said == ({cause} if cause else set())


def test_an_unknown_place_is_left_out_and_the_post_goes_out(
    instagram, client, job, image, api
):
    draft = Draft("Hi", media=(image(),), options={"location": PLACE})
    api.post(f"{FB}/{IG}/media", status=400, json=NO_PLACE)
    api.post(f"{FB}/{IG}/media", json={"id": BOX})
    left = instagram.next_step(job(draft), client).run().witness
    [one] = without.read(left[without.WITHOUT])
    assert (one.what, one.cause) == (without.PLACE, Cause.OPTION_UNKNOWN)
    made = instagram.next_step(job(draft, witness=left), client).run().witness
    assert made["container"]["id"] == BOX
    first, second = (form(call) for call in api.calls)
    assert first.pop("location_id") == PLACE
    assert first == second


def test_a_place_is_not_given_up_for_another_refusal(
    instagram, client, job, image, api
):
    draft = Draft("Hi", media=(image(),), options={"location": PLACE})
    ratio = {"code": 36003, "error_subcode": 2207009, "message": "Ratio"}
    api.post(f"{FB}/{IG}/media", status=400, json={"error": ratio})
    with pytest.raises(InvalidContent):
        instagram.next_step(job(draft), client).run()


def test_an_account_without_trial_reels_fails_and_nobody_sees_it(
    instagram, client, job, film, api
):
    draft = Draft("Hi", media=(film(),), options={"trial": "MANUAL"})
    refusal = {"code": 100, "error_subcode": 2207081, "message": "No trial reels"}
    api.post(f"{FB}/{IG}/media", status=400, json={"error": refusal})
    with pytest.raises(InvalidContent) as caught:
        instagram.next_step(job(draft), client).run()
    assert caught.value.cause is Cause.OPTION_UNKNOWN


GONE = {"code": 24, "error_subcode": 2207008, "message": "gone"}


@pytest.mark.parametrize(
    ("options", "sighting"),
    [({}, Sighting.ABSENT), ({"trial": "MANUAL"}, Sighting.CANNOT_TELL)],
)
def test_a_list_without_a_trial_reel_tells_nothing(
    instagram, client, job, film, api, options, sighting
):
    """Whether lists show trials is not documented: a person has to look."""
    draft = Draft("Hi", media=(film(),), options=options)
    api.get(f"{FB}/{BOX}", status=400, json={"error": GONE})
    api.get(f"{FB}/{IG}/media", json={"data": []})
    sent = job(
        draft, witness={"container": {"id": BOX}}, first_sent_at=datetime.now(UTC)
    )
    assert instagram.look(sent, client).sighting is sighting


def test_a_trial_reel_whose_container_is_gone_is_not_made_anew(
    instagram, client, job, film, api
):
    draft = Draft("Hi", media=(film(),), options={"trial": "MANUAL"})
    api.get(f"{FB}/{BOX}", status=400, json={"error": GONE})
    api.get(f"{FB}/{IG}/media", json={"data": []})
    box = {"id": BOX, "of": "ab" * 32, "made_at": datetime.now(UTC).isoformat()}
    sent = job(
        draft,
        witness={"container": box},
        first_sent_at=datetime.now(UTC) - timedelta(minutes=10),
    )
    step = instagram.next_step(sent, client)
    assert step.name == "wait:container"
    with pytest.raises(PlatformError) as caught:
        step.run()
    assert caught.value.outcome is Outcome.AMBIGUOUS
    # Whichever step it was: nobody but a person can tell what the commit came to.
    assert "of_commit" in caught.value.extra
    # Whose word counts for this container, and for no later one.
    for minutes, is_asked in ((-1, True), (1, False)):
        said = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        told = replace(sent, witness={**sent.witness, "absent_at": said})
        step = instagram.next_step(told, client)
        if is_asked:
            with pytest.raises(PlatformError):
                step.run()
        else:
            assert step.run().witness == {"unknown:container": 1}
