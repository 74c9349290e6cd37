"""Covers of reels, posts that are made together, and people who are seen in them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from platforms.base import Draft, Level, MediaKind
from platforms.errors import Cause
from platforms.instagram import people
from platforms.instagram.people import Tag

FB, OWN = "https://graph.facebook.com/v26.0", "https://graph.instagram.com/v26.0"
IG, BOX = "17841400000000001", "17889455560051444"
IMAGE_URL = "https://hub.example.com/media/public/abc.jpg"
COVER = {"width": 1080, "height": 1920, "sha256": "cd" * 32}


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


def found(instagram, draft, level=Level.REFUSED):
    return {(f.cause, f.field) for f in instagram.check(draft) if f.level is level}


def first_form(instagram, client, job, api, draft):
    api.post(f"{FB}/{IG}/media", json={"id": BOX})
    instagram.next_step(job(draft), client).run()
    return form(api.calls[-1])


# ------------------------------------------------------------------ covers


@pytest.mark.trap("instagram", 10)
@pytest.mark.parametrize(
    ("typed", "expected"), [("0", "0"), ("1.5", "1500"), ("2,25", "2250")]
)
@pytest.mark.parametrize("where", ["post", "reel"])
def test_a_second_of_the_video_is_its_cover_the_very_first_too(
    instagram, client, job, film, api, typed, expected, where
):
    options = {"placement": where, "cover_at": typed}
    draft = Draft("Hi", media=(film(),), options=options)
    assert found(instagram, draft) == set()
    sent = first_form(instagram, client, job, api, draft)
    assert sent["thumb_offset"] == expected


@pytest.mark.parametrize("typed", ["-1", "1000", "soon", "nan"])
def test_a_cover_stands_within_the_video(instagram, film, typed):
    draft = Draft("", media=(film(),), options={"cover_at": typed})
    wanted = {(Cause.OPTION_UNKNOWN, "option:cover_at")}
    assert found(instagram, draft) == wanted


@pytest.mark.trap("instagram", 10)
def test_an_image_beside_a_reel_is_its_cover_and_wins_over_a_second_of_it(
    instagram, client, job, film, image, api
):
    options = {"placement": "reel", "cover_at": "1"}
    draft = Draft("Hi", media=(image(**COVER), film()), options=options)
    assert found(instagram, draft) == set()
    assert found(instagram, draft, Level.WARNING) == {
        (Cause.OPTION_LEFT_OUT, "option:cover_at")
    }
    step = instagram.next_step(job(draft), client)
    assert step.name == "container"
    assert step.gives_out == (IMAGE_URL,)
    sent = first_form(instagram, client, job, api, draft)
    assert sent["cover_url"] == IMAGE_URL
    assert "thumb_offset" not in sent
    assert sent["media_type"] == "REELS"
    assert "alt_text" not in sent


def test_another_cover_takes_another_container(
    instagram, client, job, film, image, api
):
    draft = Draft("Hi", media=(film(), image(**COVER)), options={"placement": "reel"})
    api.post(f"{FB}/{IG}/media", json={"id": BOX})
    made = instagram.next_step(job(draft), client).run().witness
    assert instagram.next_step(job(draft, witness=made), client).name != "container"
    other = replace(draft, media=(film(), image(**{**COVER, "sha256": "ef" * 32})))
    assert instagram.next_step(job(other, witness=made), client).name == "container"


@pytest.mark.parametrize(
    ("changes", "level", "cause"),
    [
        ({"mime_type": "image/png"}, Level.REFUSED, Cause.MEDIA_TYPE),
        ({"size_bytes": 8 * 1024 * 1024 + 1}, Level.REFUSED, Cause.MEDIA_TOO_LARGE),
        ({"height": 1080}, Level.WARNING, Cause.MEDIA_SHAPE),
    ],
)
def test_a_cover_is_an_upright_jpeg(instagram, film, image, changes, level, cause):
    media = (film(), image(**{**COVER, **changes}))
    draft = Draft("", media=media, options={"placement": "reel"})
    assert cause in {one for one, _field in found(instagram, draft, level)}


def test_a_carousel_and_a_story_have_no_cover(instagram, film, image):
    carousel = Draft("", media=(film(), image()), options={"cover_at": "1"})
    story = Draft("", media=(film(),), options={"cover_at": "1", "placement": "story"})
    for draft in (carousel, story):
        assert found(instagram, draft) == set()
        warned = found(instagram, draft, Level.WARNING)
        assert (Cause.OPTION_LEFT_OUT, "option:cover_at") in warned


# ------------------------------------------------------------------ people


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("anna", Tag("anna")),
        ("@anna.b_1", Tag("anna.b_1")),
        ("@anna 30 70", Tag("anna", 1, 0.3, 0.7)),
        ("2: @anna 0% 100%", Tag("anna", 2, 0.0, 1.0)),
        ("2:anna", Tag("anna", 2)),
        ("0: anna", None),
        ("anna 101 5", None),
        ("anna 5", None),
        ("anna b", None),
        ("", None),
        ("@.anna", None),
        ("a" * 31, None),
    ],
)
def test_people_are_typed_with_or_without_a_place(typed, expected):
    assert people.read_tag(typed) == expected


def test_people_stand_at_a_place_in_an_image_and_at_none_in_a_reel(
    instagram, client, job, film, image, api
):
    options = {"user_tags": ("@anna 30 70", "ben"), "collaborators": ("@carla",)}
    draft = Draft("Hi", media=(image(),), options=options)
    sent = first_form(instagram, client, job, api, draft)
    assert json.loads(sent["user_tags"]) == [
        {"username": "anna", "x": 0.3, "y": 0.7},
        {"username": "ben", "x": 0.5, "y": 0.5},
    ]
    assert json.loads(sent["collaborators"]) == ["carla"]
    sent = first_form(instagram, client, job, api, replace(draft, media=(film(),)))
    assert json.loads(sent["user_tags"]) == [
        {"username": "anna"},
        {"username": "ben"},
    ]


def test_in_a_carousel_people_are_seen_in_its_images_and_it_is_made_together(
    instagram, client, job, image, api
):
    options = {"user_tags": ("2: anna", "ben"), "collaborators": ("carla",)}
    draft = Draft("Hi", media=(image(), image(sha256="cd" * 32)), options=options)
    forms = [
        instagram.form(job(draft), name, through_page=True)
        for name in ("child:1", "child:2", "container")
    ]
    names = [
        [row["username"] for row in json.loads(one.get("user_tags", "[]"))]
        for one in forms
    ]
    assert names == [["ben"], ["anna"], []]
    assert [one.get("collaborators") for one in forms] == [None, None, '["carla"]']


@pytest.mark.parametrize(
    ("options", "files", "cause"),
    [
        ({"user_tags": ("anna b",)}, "i", Cause.OPTION_UNKNOWN),
        ({"user_tags": ("2: anna",)}, "i", Cause.OPTION_UNKNOWN),
        ({"user_tags": ("2: anna",)}, "iv", Cause.OPTION_UNKNOWN),
        ({"user_tags": ("1: anna",)}, "iv", None),
        ({"user_tags": ("anna",)}, "v", None),
        ({"user_tags": [f"anna{n}" for n in range(21)]}, "i", Cause.OPTION_TOO_LONG),
        ({"user_tags": [f"anna{n}" for n in range(20)]}, "i", None),
        ({"collaborators": ("a", "b", "c")}, "i", None),
        ({"collaborators": ("a", "b", "c", "d")}, "i", Cause.OPTION_TOO_LONG),
        ({"collaborators": ("no name",)}, "i", Cause.OPTION_UNKNOWN),
    ],
)
def test_people_are_held_to_instagram_s_limits(
    instagram, image, film, options, files, cause
):
    media = tuple(image() if kind == "i" else film() for kind in files)
    (key,) = options
    draft = Draft("", media=media, options=options)
    wanted = {(cause, f"option:{key}")} if cause else set()
    assert found(instagram, draft) == wanted


def test_a_story_is_made_by_one_account_alone_and_that_is_said(
    instagram, client, job, image, api
):
    options = {
        "placement": "story",
        "collaborators": ("anna",),
        "user_tags": ("ben",),
    }
    draft = Draft("", media=(image(),), options=options)
    warned = found(instagram, draft, Level.WARNING)
    assert (Cause.OPTION_LEFT_OUT, "option:collaborators") in warned
    sent = first_form(instagram, client, job, api, draft)
    assert "collaborators" not in sent
    assert "user_tags" in sent


def test_the_choices_of_a_draft_without_files_pass(instagram):
    draft = Draft("", options={"user_tags": ("3: anna",), "cover_at": "9"})
    assert found(instagram, draft) == {(Cause.MEDIA_MISSING, "media")}
    assert MediaKind.VIDEO in instagram.spec.options_by_key["cover_at"].media
