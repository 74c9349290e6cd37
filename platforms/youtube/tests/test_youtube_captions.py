"""Captions of a video that is there: added once, looked for after a lost answer, or left
out with a reason."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
import requests

from platforms.base import Ability, Level, MediaFile, MediaKind
from platforms.errors import (
    AmbiguousOutcome,
    Cause,
    DuplicateContent,
    InvalidContent,
    Outcome,
)
from platforms.youtube.spec import FORCE_SSL, READONLY, SPEC, UPLOAD

from .conftest import Network, clip, reason
from .test_youtube_road import Road, film, road

SRT = b"1\r\n00:00:00,000 --> 00:00:00,900\r\nHallo\r\n"
UPLOAD_PATH = "/api/upload/youtube/v3/captions?part=snippet&uploadType=multipart"

__all__ = ["road"]


def said(language: str = "de", data: bytes = SRT) -> MediaFile:
    return MediaFile(
        key=language,
        mime_type="application/x-subrip",
        kind=MediaKind.CAPTIONS,
        size_bytes=len(data),
        width=0,
        height=0,
        alt_text="",
        sha256=language * 32,
        file_name="a.srt",
        language=language,
        open=lambda: io.BytesIO(data),
    )


def out(road: Road, *captions: MediaFile) -> tuple[Any, Any]:
    job = road.job(film())
    return road.publish(replace(job, draft=replace(job.draft, captions=captions)))


def test_each_language_is_added_once_the_video_is_processed(road: Road) -> None:
    job, remote = out(road, said("de"), said("pt-BR"))
    assert job.witness["after"] == ["processing", "captions:de", "captions:pt-BR"]
    assert remote.extra == {}
    (post,) = road.posts()
    assert post["captions"] == ["de", "pt-BR"]
    assert road.client.captions(remote.external_id) == ["de", "pt-BR"]
    assert "without" not in job.witness
    with pytest.raises(DuplicateContent):
        road.client.add_captions(remote.external_id, SRT, "de")


def test_captions_cost_400_units_each(road: Road) -> None:
    job = road.job(film())
    two = replace(job, draft=replace(job.draft, captions=(said("de"), said("fr"))))
    more = road.youtube.draws(two, looking=False)["units"]
    assert more - road.youtube.draws(job, looking=False)["units"] == 800
    assert SPEC.call("POST captions.insert").any_scopes == (FORCE_SSL,)
    assert SPEC.call("POST captions.insert").ability is Ability.PUBLISH


@pytest.mark.parametrize(
    ("switches", "cause"),
    [
        ({"captions_refused": "forbidden"}, Cause.NOT_ALLOWED),
        ({"captions_refused": "invalid"}, Cause.MEDIA_REFUSED),
    ],
)
def test_refused_captions_leave_the_video_and_what_follows_as_they_are(
    road: Road, switches: dict[str, Any], cause: Cause
) -> None:
    road.net.set(**switches)
    job, remote = out(road, said("de"), said("fr"))
    assert [row["language"] for row in job.witness["without"]] == ["de", "fr"]
    assert {row["cause"] for row in job.witness["without"]} == {cause}
    assert len(remote.extra["notes"]) == 2
    (post,) = road.posts()
    assert (post["id"], post["captions"]) == (remote.external_id, [])


def test_where_the_days_units_are_used_up_captions_are_left_for_another_day(
    road: Road,
) -> None:
    road.net.set(units_per_day=100)
    job, remote = out(road, said())
    assert remote.external_id
    (left,) = job.witness["without"]
    assert left["cause"] == Cause.DAILY_LIMIT


def test_captions_whose_answer_was_lost_are_looked_for_before_they_are_sent_again(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = road.client.add_captions
    tries = []

    def lost(video_id: str, data: bytes, language: str) -> None:
        tries.append(language)
        sent(video_id, data, language)
        if len(tries) == 1:
            raise AmbiguousOutcome("ConnectionError")

    monkeypatch.setattr(road.client, "add_captions", lost)
    job, _remote = out(road, said())
    assert tries == ["de"]
    assert "without" not in job.witness
    assert road.posts()[0]["captions"] == ["de"]


def test_a_video_that_is_not_listed_yet_gets_its_captions_later(road: Road) -> None:
    road.net.set(video_lag_s=40)
    _job, remote = out(road, said())
    assert remote.external_id
    assert road.posts()[0]["captions"] == ["de"]


def test_captions_that_nobody_can_read_are_not_sent(road: Road) -> None:
    job, remote = out(road, said(data=b"nothing"))
    assert remote.external_id
    assert job.witness["without"][0]["cause"] == Cause.MEDIA_REFUSED
    used = road.net.twin.get("usage", "units")
    assert used["used"] < 50


def test_captions_in_an_unknown_language_are_refused_before(road: Road) -> None:
    job = road.job(film())
    draft = replace(job.draft, captions=(replace(said(), language=""),))
    found = road.youtube.check(draft, road.me)
    assert [f.cause for f in found if f.level is Level.REFUSED] == [
        Cause.CAPTIONS_LANGUAGE
    ]


# ---------------------------------------------------------------- the practice network


def related(snippet: Any, data: bytes = SRT) -> dict[str, Any]:
    body = (
        b"--x\r\nContent-Type: application/json\r\n\r\n"
        + json.dumps({"snippet": snippet}).encode()
        + b"\r\n--x\r\nContent-Type: text/plain\r\n\r\n"
        + data
        + b"\r\n--x--\r\n"
    )
    return {
        "data": body,
        "headers": {"Content-Type": "multipart/related; boundary=x"},
    }


@pytest.mark.parametrize(
    ("changes", "data", "expected"),
    [
        ({}, SRT, (200, "")),
        ({"name": "Extra"}, SRT, (200, "")),
        ({"language": ""}, SRT, (400, "invalidMetadata")),
        ({"name": None}, SRT, (400, "invalidMetadata")),
        ({"name": "n" * 151}, SRT, (400, "nameTooLong")),
        ({"videoId": "nope"}, SRT, (404, "videoNotFound")),
        ({}, b"", (400, "contentRequired")),
        ({}, b"no captions", (400, "invalidMetadata")),
    ],
)
def test_a_track_is_one_of_a_language_and_a_name(
    net: Network, changes: dict[str, Any], data: bytes, expected: tuple[int, str]
) -> None:
    id = net.upload()
    snippet = {"videoId": id, "language": "de", "name": "", **changes}
    answer = net.call("POST", UPLOAD_PATH, **related(snippet, data))
    if expected[0] != 200:
        assert reason(answer) == expected
        return
    assert answer.status_code == 200, answer.text
    assert answer.json()["snippet"]["language"] == "de"
    again = net.call("POST", UPLOAD_PATH, **related(snippet, data))
    assert reason(again) == (409, "captionExists")
    items = net.api("GET", f"captions?part=snippet&videoId={id}").json()["items"]
    assert [item["snippet"]["name"] for item in items] == [snippet["name"]]
    page = requests.get(f"{net.url}/web/watch?v={id}", timeout=10).text
    assert "Captions: de" in page
    assert net.video(id, "contentDetails")["contentDetails"]["caption"] == "true"


def test_captions_want_a_scope_that_uploading_does_not(net: Network) -> None:
    id = net.upload(data=clip())
    net.connect("ada.tests", scopes=[UPLOAD, READONLY])
    snippet = {"videoId": id, "language": "de", "name": ""}
    answer = net.call("POST", UPLOAD_PATH, **related(snippet))
    assert reason(answer) == (403, "insufficientPermissions")


def test_a_client_reads_youtube_s_refusals_of_captions(road: Road) -> None:
    remote = road.out()
    road.net.set(captions_refused="invalid")
    with pytest.raises(InvalidContent) as caught:
        road.client.add_captions(remote.external_id, SRT, "de")
    assert caught.value.outcome is Outcome.INVALID_CONTENT
    assert caught.value.cause is Cause.MEDIA_REFUSED
