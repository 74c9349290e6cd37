import base64
import hashlib
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import RawIOBase
from typing import IO, Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import (
    Draft,
    Level,
    MediaFile,
    MediaKind,
    PublishJob,
    Sighting,
    StepKind,
)
from platforms.errors import Cause, Outcome, PlatformError
from platforms.http import Answer
from platforms.pinterest.client import PinterestClient
from platforms.pinterest.publish import MAX_POLLS, Pinterest
from platforms.transport import FileBody, WholeBody

API = "https://api.pinterest.com/v5"
PINS, MEDIA, BOARD = f"{API}/pins", f"{API}/media", "549755885000"
LIST = f"{API}/boards/{BOARD}/pins"
STORE = "https://store.example.com/"
PIN = {"id": "813744226420795884", "created_at": "2026-11-28T09:10:11"}
WHERE = "https://www.pinterest.com/pin/813744226420795884/"
MARK = "pin_ref=456789abcdef"
Jobs = Callable[..., PublishJob]
Drafts = Callable[..., Draft]
Files = Callable[..., MediaFile]
Api = responses.RequestsMock


def go(
    pinterest: Pinterest, job: PublishJob, client: PinterestClient
) -> tuple[list[str], PublishJob, Any]:
    """Run steps as the engine does; names, the last job and the remote post."""
    names: list[str] = []
    for _ in range(40):
        step = pinterest.next_step(job, client)
        assert (step.kind is StepKind.COMMIT) == (step.name == "pin")
        names.append(step.name)
        result = step.run()
        witness = json.loads(json.dumps({**job.witness, **result.witness}))
        job = replace(job, witness=witness)
        if result.remote:
            return names, job, result.remote
    raise AssertionError("no end")


def sent(call: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call.request.body)
    return found


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


# ------------------------------------------------------------------ content


@pytest.mark.trap("pinterest", 7)
@pytest.mark.parametrize(
    ("changes", "level", "cause", "field"),
    [
        ({"text": "a" * 501}, Level.WARNING, Cause.TEXT_TOO_LONG, "text"),
        ({"text": "a" * 801}, Level.REFUSED, Cause.TEXT_TOO_LONG, "text"),
        ({"options": {}}, Level.REFUSED, Cause.OPTION_MISSING, "option:board"),
        (
            {"options": {"board": {"another": BOARD}}},
            Level.REFUSED,
            Cause.OPTION_MISSING,
            "option:board",
        ),
        (
            {"options": {"board": "1"}},
            Level.REFUSED,
            Cause.OPTION_UNKNOWN,
            "option:board",
        ),
        (
            {"options": {"board": BOARD, "title": "a" * 101}},
            Level.REFUSED,
            Cause.OPTION_TOO_LONG,
            "option:title",
        ),
        (
            {"link_url": "https://a.example/" + "a" * 2031},
            Level.REFUSED,
            Cause.LINK_REFUSED,
            "link",
        ),
        ({"link_url": "acme"}, Level.REFUSED, Cause.LINK_REFUSED, "link"),
        ({"media": ()}, Level.REFUSED, Cause.MEDIA_MISSING, "media"),
    ],
)
def test_what_pinterest_would_refuse_is_told_before(
    pinterest: Pinterest,
    job: Jobs,
    draft: Drafts,
    changes: dict,
    level: Level,
    cause: Cause,
    field: str,
) -> None:
    limits = {"boards": {BOARD: "Spring"}}
    (finding,) = pinterest.check(draft(**changes), job().account, limits)
    assert (finding.level, finding.cause, finding.field) == (level, cause, field)


@pytest.mark.trap("pinterest", 5)
def test_an_account_without_boards_is_told_that_one_is_wanted(
    pinterest: Pinterest, job: Jobs, draft: Drafts
) -> None:
    findings = pinterest.check(draft(options={}), job().account, {"boards": {}})
    assert [f.cause for f in findings] == [Cause.OPTION_MISSING]


@pytest.mark.parametrize(
    ("changes", "level", "cause"),
    [
        ({"mime_type": "image/webp"}, Level.REFUSED, Cause.MEDIA_TYPE),
        ({"size_bytes": 10 * 1024**2 + 1}, Level.REFUSED, Cause.MEDIA_TOO_LARGE),
        ({"alt_text": "a" * 501}, Level.REFUSED, Cause.ALT_TEXT_TOO_LONG),
        ({"height": 2101}, Level.WARNING, Cause.MEDIA_SHAPE),
        ({"width": 199, "height": 299}, Level.WARNING, Cause.MEDIA_TOO_SMALL),
        (
            {"kind": MediaKind.GIF, "mime_type": "image/gif"},
            Level.REFUSED,
            Cause.MEDIA_KIND,
        ),
    ],
)
def test_images_are_checked(
    pinterest: Pinterest,
    job: Jobs,
    draft: Drafts,
    image: Files,
    changes: dict,
    level: Level,
    cause: Cause,
) -> None:
    (finding,) = pinterest.check(draft(media=(image(**changes),)), job().account)
    assert (finding.level, finding.cause) == (level, cause)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"mime_type": "video/webm"}, Cause.MEDIA_TYPE),
        ({"video_codec": "vp9"}, Cause.VIDEO_CODEC),
        ({"audio_codec": "opus"}, Cause.SOUND_CODEC),
        ({"duration_s": 3.9}, Cause.VIDEO_TOO_SHORT),
        ({"duration_s": 900.5}, Cause.VIDEO_TOO_LONG),
        ({"width": 239, "height": 400}, Cause.VIDEO_TOO_FEW_PIXELS),
        ({"width": 1000, "height": 2010}, Cause.VIDEO_SHAPE),
        ({"width": 1920, "height": 1000}, Cause.VIDEO_SHAPE),
        ({"size_bytes": 2 * 1024**3 + 1}, Cause.VIDEO_TOO_LARGE),
    ],
)
def test_videos_are_checked_and_need_no_public_address(
    pinterest: Pinterest,
    job: Jobs,
    draft: Drafts,
    video: Files,
    changes: dict,
    cause: Cause | None,
) -> None:
    findings = pinterest.check(draft(media=(video(**changes),)), job().account)
    assert [f.cause for f in findings] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        (("image",) * 5, None),
        (("image",) * 6, Cause.TOO_MANY_MEDIA),
        (("image", "other"), Cause.MEDIA_SIZES_DIFFER),
        (("image", "video"), None),
        (("video", "image", "image"), Cause.TOO_MANY_MEDIA),
        (("video", "video"), Cause.TOO_MANY_MEDIA),
    ],
)
def test_a_pin_has_five_images_of_one_size_or_a_video_and_its_cover(
    pinterest: Pinterest,
    job: Jobs,
    draft: Drafts,
    image: Files,
    video: Files,
    files: tuple[str, ...],
    cause: Cause | None,
) -> None:
    kinds = {"image": image(), "other": image(width=900), "video": video()}
    media = tuple(kinds[name] for name in files)
    findings = pinterest.check(draft(media=media), job().account)
    assert [f.cause for f in findings] == ([cause] if cause else [])


# ------------------------------------------------------------------ steps


def test_an_image_is_pinned_in_one_call(
    pinterest: Pinterest, client: PinterestClient, job: Jobs, api: Api
) -> None:
    api.post(PINS, json={**PIN, "description": "How we sow."}, status=201)
    names, _last, remote = go(pinterest, job(), client)
    assert names == ["pin"]
    assert sent(api.calls[0]) == {
        "board_id": BOARD,
        "title": "Sow tomatoes",
        "description": "How we sow.",
        "link": "https://acme.example/sow",
        "alt_text": "Hands with seedlings",
        "media_source": {
            "source_type": "image_url",
            "url": "https://hub.example.com/media/public/a.jpg",
        },
    }
    assert (remote.external_id, remote.permalink) == (PIN["id"], WHERE)
    # Its time has no zone, and is UTC.
    assert remote.published_at == datetime(2026, 11, 28, 9, 10, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("beside", "options", "cover"),
    [
        (False, {}, {"cover_image_key_frame_time": 1}),
        (False, {"cover_at": "2.7"}, {"cover_image_key_frame_time": 2}),
        (False, {"cover_at": "0"}, {"cover_image_key_frame_time": 0}),
        (True, {}, {"cover_image_url": "https://hub.example.com/c.jpg"}),
        (True, {"cover_at": "2"}, {"cover_image_url": "https://hub.example.com/c.jpg"}),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
def test_a_videos_cover_is_the_image_beside_it_or_a_second_of_it(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    image: Files,
    video: Files,
    beside: bool,
    options: dict,
    cover: dict,
    first: bool,
) -> None:
    film = video(alt_text="Hands", sha256="f" * 64)
    still = image(public_url="https://hub.example.com/c.jpg", alt_text="A cover")
    files = [still, film] if first else [film, still]
    media = tuple(files if beside else [film])
    witness = {
        "media": {"id": "52", "of": "f" * 64, "made_at": "2026-11-28T00:00:00+00:00"},
        "ready": "52",
    }
    made = draft(media=media, options={"board": BOARD, **options})
    now = job(draft=made, witness=witness)
    step = pinterest.next_step(now, client)
    assert step.name == "pin"
    assert step.gives_out == ((still.public_url,) if beside else ())
    body = pinterest.body(now)
    assert body["media_source"] == {
        "source_type": "video_id",
        "media_id": "52",
        **cover,
    }
    assert body["alt_text"] == "Hands"


@pytest.mark.parametrize(
    ("beside", "changes", "level", "cause", "field"),
    [
        (
            False,
            {"cover_at": "soon"},
            Level.REFUSED,
            Cause.OPTION_UNKNOWN,
            "option:cover_at",
        ),
        (
            True,
            {"cover_at": "2"},
            Level.WARNING,
            Cause.OPTION_LEFT_OUT,
            "option:cover_at",
        ),
        (
            False,
            {"cover_at": "10.5"},
            Level.REFUSED,
            Cause.OPTION_UNKNOWN,
            "option:cover_at",
        ),
        (True, {"width": 900}, Level.WARNING, Cause.MEDIA_SHAPE, "media:2"),
        # Told once, though no image should be as tall.
        (True, {"width": 400}, Level.WARNING, Cause.MEDIA_SHAPE, "media:2"),
        (True, {"alt_text": ""}, None, None, ""),
        (True, {"public_url": ""}, None, None, ""),
        (
            True,
            {"mime_type": "image/webp"},
            Level.REFUSED,
            Cause.MEDIA_TYPE,
            "media:2",
        ),
    ],
)
def test_what_is_wrong_with_a_cover_is_told_before(
    pinterest: Pinterest,
    job: Jobs,
    draft: Drafts,
    image: Files,
    video: Files,
    beside: bool,
    changes: dict,
    level: Level | None,
    cause: Cause | None,
    field: str,
) -> None:
    options = {key: changes[key] for key in changes if key == "cover_at"}
    of_still = {key: changes[key] for key in changes.keys() - options}
    film = video(width=600, height=900, duration_s=10.0)
    still = image(**{"width": 600, "height": 900, **of_still})
    media = (film, still) if beside else (film,)
    made = draft(media=media, options={"board": BOARD, **options})
    found = pinterest.check(made, job().account, {"boards": {BOARD: "Spring"}})
    wanted = [(level, cause, field)] if cause else []
    assert [(f.level, f.cause, f.field) for f in found] == wanted


def test_several_images_are_a_carousel_and_empty_fields_are_left_out(
    pinterest: Pinterest, job: Jobs, draft: Drafts, image: Files
) -> None:
    files = (image(), image(public_url="https://hub.example.com/b.jpg", alt_text="B"))
    plain = draft(media=files, text="", link_url="", options={"board": BOARD})
    assert pinterest.body(job(draft=plain)) == {
        "board_id": BOARD,
        "alt_text": "Hands with seedlings",
        "media_source": {
            "source_type": "multiple_image_urls",
            "items": [{"url": file.public_url} for file in files],
            "index": 0,
        },
    }


def test_what_is_said_of_each_image_of_a_carousel_goes_along(
    pinterest: Pinterest, job: Jobs, draft: Drafts, image: Files
) -> None:
    options = {
        "board": BOARD,
        "item_titles": ["Sow", "", "Reap"],
        # As a table brings it.
        "item_descriptions": "How we sow\n\nHow we reap",
        "item_links": ["https://acme.example/sow"],
        "cover_photo": "3",
        "dominant_color": "#6E7874",
    }
    made = draft(media=(image(), image(), image()), options=options)
    assert pinterest.check(made, job().account, {"boards": {BOARD: "Spring"}}) == []
    body = pinterest.body(job(draft=made))
    url = {"url": image().public_url}
    assert body["media_source"]["items"] == [
        {
            **url,
            "title": "Sow",
            "description": "How we sow",
            "link": "https://acme.example/sow",
        },
        url,
        {**url, "title": "Reap", "description": "How we reap"},
    ]
    assert body["media_source"]["index"] == 2
    assert body["dominant_color"] == "#6E7874"


@pytest.mark.parametrize(
    ("count", "options", "level", "cause"),
    [
        (2, {"item_titles": ["", "x" * 101]}, Level.REFUSED, Cause.OPTION_TOO_LONG),
        (2, {"item_titles": ["A", "B", "C"]}, Level.WARNING, Cause.OPTION_LEFT_OUT),
        (1, {"item_titles": ["A"]}, Level.WARNING, Cause.OPTION_LEFT_OUT),
        (2, {"item_links": ["", "acme"]}, Level.REFUSED, Cause.LINK_REFUSED),
        (2, {"cover_photo": "3"}, Level.REFUSED, Cause.OPTION_UNKNOWN),
        (1, {"cover_photo": "1"}, Level.WARNING, Cause.OPTION_LEFT_OUT),
        (1, {"dominant_color": "red"}, Level.REFUSED, Cause.OPTION_UNKNOWN),
    ],
)
def test_what_is_wrong_beside_images_is_told_before(
    pinterest: Pinterest,
    job: Jobs,
    draft: Drafts,
    image: Files,
    count: int,
    options: dict,
    level: Level,
    cause: Cause,
) -> None:
    media = tuple(image() for _ in range(count))
    made = draft(media=media, options={"board": BOARD, **options})
    (found,) = pinterest.check(made, job().account, {"boards": {BOARD: "Spring"}})
    (key,) = options
    field = f"option:{key}"
    assert (found.level, found.cause, found.field) == (level, cause, field)


@pytest.mark.parametrize(
    ("link", "marked"),
    [
        ("https://a.example/x", f"https://a.example/x?{MARK}"),
        ("https://a.example/?b=%20c&d#e", f"https://a.example/?b=%20c&d&{MARK}#e"),
        ("", None),
    ],
)
def test_a_link_bears_our_mark_only_where_a_person_wants_it(
    pinterest: Pinterest, job: Jobs, draft: Drafts, link: str, marked: str | None
) -> None:
    options = {"board": BOARD, "mark_link": True}
    body = pinterest.body(job(draft=draft(link_url=link, options=options)))
    assert body.get("link") == marked


def test_pins_of_one_moment_have_marks_of_their_own(
    pinterest: Pinterest, job: Jobs, draft: Drafts, client: PinterestClient, api: Api
) -> None:
    """A marker begins with its millisecond; one of version 4 keeps what it went out with."""
    says = draft(
        link_url="https://a.example/x", options={"board": BOARD, "mark_link": 1}
    )
    one, other = "01a0b1c2d3e47000800000000000000a", "01a0b1c2d3e47000800000000000000b"
    links = [pinterest.body(job(draft=says, marker=m))["link"] for m in (one, other)]
    assert links[0] != links[1]
    old = pinterest.body(job(draft=says, marker="f81d4fae7dec41d0a76500a0c91e6bf6"))
    assert old["link"] == "https://a.example/x?pin_ref=f81d4fae7dec"


def test_a_video_is_registered_sent_waited_for_and_pinned(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    video: Files,
    api: Api,
) -> None:
    opened = {"media_id": "52", "upload_url": STORE, "upload_parameters": {"key": "k"}}
    api.post(MEDIA, json=opened, status=201)
    api.post(STORE, status=204)
    for state in ("registered", "processing", "succeeded"):
        api.get(f"{MEDIA}/52", json={"media_id": "52", "status": state})
    api.post(PINS, json=PIN, status=201)
    names, last, _remote = go(pinterest, job(draft=draft(media=(video(),))), client)
    assert names == ["register", "upload", "wait", "wait", "wait", "pin"]
    assert sent(api.calls[-1])["media_source"] == {
        "source_type": "video_id",
        "media_id": "52",
        "cover_image_key_frame_time": 1,
    }
    # What was signed for the upload is not kept.
    assert set(last.witness["media"]) == {"id", "of", "made_at"}


def registered(age_s: float = 0, **more: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return {"id": "52", "of": "cd" * 32, "made_at": at.isoformat(), **more}


OPEN = {"url": STORE, "fields": {"key": "k"}}


@pytest.mark.parametrize(
    ("witness", "name"),
    [
        ({}, "register"),
        ({"media": registered(**OPEN)}, "upload"),
        ({"media": registered(3600, **OPEN)}, "register"),
        ({"media": registered(3600)}, "wait"),
        ({"media": registered(3600), "ready": "52"}, "pin"),
        ({"media": registered(3600), "ready": "51"}, "wait"),
        ({"media": {**registered(), "of": "ab"}, "ready": "52"}, "register"),
    ],
)
def test_work_is_taken_up_where_it_was_left(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    video: Files,
    witness: dict,
    name: str,
) -> None:
    now = job(draft=draft(media=(video(),)), witness=witness)
    assert pinterest.next_step(now, client).name == name


def test_an_upload_whose_time_is_over_is_registered_anew(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    video: Files,
    api: Api,
) -> None:
    api.post(STORE, body="<Error><Code>AccessDenied</Code></Error>", status=403)
    witness = {"media": registered(**OPEN)}
    now = job(draft=draft(media=(video(),)), witness=witness)
    error = raised(pinterest.next_step(now, client).run)
    assert (error.outcome, error.extra["forget"]) == (Outcome.TRANSIENT, "media")


def test_a_video_that_is_not_done_is_asked_for_again_and_not_for_ever(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    video: Files,
    api: Api,
) -> None:
    # "Not found" is what it is called before it is ready.
    api.get(f"{MEDIA}/52", json={"code": 404, "message": "media not found"}, status=404)
    video_of = draft(media=(video(),))
    witness = {"media": registered(), "polls": 3}
    result = pinterest.next_step(job(draft=video_of, witness=witness), client).run()
    assert (result.wait_s, result.witness) == (10, {"polls": 4})
    last = {"media": registered(), "polls": MAX_POLLS - 1}
    error = raised(pinterest.next_step(job(draft=video_of, witness=last), client).run)
    assert (error.permanent, error.cause) == (True, Cause.MEDIA_REFUSED)
    api.replace(responses.GET, f"{MEDIA}/52", json={"status": "failed"})
    error = raised(
        pinterest.next_step(job(draft=video_of, witness=witness), client).run
    )
    assert (error.permanent, error.cause) == (True, Cause.MEDIA_REFUSED)


def test_a_pin_of_a_video_that_is_not_ready_waits_for_it_again(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    video: Files,
    api: Api,
) -> None:
    api.post(PINS, json={"code": 404, "message": "media not found"}, status=404)
    witness = {"media": registered(), "ready": "52"}
    now = job(draft=draft(media=(video(),)), witness=witness)
    error = raised(pinterest.next_step(now, client).run)
    assert (error.outcome, error.extra["forget"]) == (Outcome.TRANSIENT, "ready")


def test_an_image_that_cannot_be_fetched_is_sent(
    pinterest: Pinterest, client: PinterestClient, job: Jobs, api: Api
) -> None:
    """It made no Pin, so that the next try may go at once."""
    body = {"code": 1, "message": "Unable to reach the URL. Please try again."}
    api.post(PINS, json=body, status=400)
    result = pinterest.next_step(job(), client).run()
    assert (result.wait_s, result.remote) == (None, None)
    assert result.witness == {"fetches": 1, "as_bytes": True}
    api.replace(responses.POST, PINS, json=PIN, status=201)
    step = pinterest.next_step(job(witness=result.witness), client)
    assert (step.kind, step.gives_out) == (StepKind.COMMIT, ())
    assert step.run().remote is not None
    assert sent(api.calls[1])["media_source"] == {
        "source_type": "image_base64",
        "content_type": "image/jpeg",
        "data": "SlBFRw==",
    }


def test_images_too_large_to_be_sent_are_fetched_twice_and_then_a_person_helps(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    image: Files,
    api: Api,
) -> None:
    body = {"code": 1, "message": "Unable to reach the URL. Please try again."}
    api.post(PINS, json=body, status=400)
    made = draft(media=(image(size_bytes=6 << 20), image(size_bytes=6 << 20)))
    step = pinterest.next_step(job(draft=made), client)
    assert step.instead is None
    result = step.run()
    assert (result.wait_s, result.witness) == (30, {"fetches": 1})
    now = job(draft=made, witness=result.witness)
    error = raised(pinterest.next_step(now, client).run)
    assert (error.permanent, error.cause) == (True, Cause.MEDIA_NOT_PUBLIC)
    api.assert_call_count(PINS, 2)


def test_a_cover_that_cannot_be_fetched_is_sent_with_its_uploaded_video(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    image: Files,
    video: Files,
    api: Api,
) -> None:
    body = {"code": 1, "message": "Unable to reach the URL. Please try again."}
    api.post(PINS, json=body, status=400)
    made = draft(media=(image(), video()))
    witness = {"media": registered(), "ready": "52"}
    result = pinterest.next_step(job(draft=made, witness=witness), client).run()
    now = job(draft=made, witness={**witness, **result.witness})
    api.replace(responses.POST, PINS, json=PIN, status=201)
    assert pinterest.next_step(now, client).run().remote is not None
    assert sent(api.calls[1])["media_source"] == {
        "source_type": "video_id",
        "media_id": "52",
        "cover_image_content_type": "image/jpeg",
        "cover_image_data": "SlBFRw==",
    }


LOCAL = "http://127.0.0.1:8000/media/public/a.jpg"


@pytest.mark.parametrize("url", ["", LOCAL])
def test_without_a_public_address_images_are_sent(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    image: Files,
    api: Api,
    url: str,
) -> None:
    made = draft(media=(image(public_url=url), image(public_url=url)))
    limits = {"boards": {BOARD: "Spring"}}
    assert pinterest.check(made, job().account, limits) == []
    api.post(PINS, json=PIN, status=201)
    step = pinterest.next_step(job(draft=made), client)
    assert step.gives_out == ()
    assert step.run().remote is not None
    one = {"content_type": "image/jpeg", "data": "SlBFRw=="}
    assert sent(api.calls[0])["media_source"] == {
        "source_type": "multiple_image_base64",
        "items": [one, one],
        "index": 0,
    }


class Nine(RawIOBase):
    """So many MB, of which none is kept. turn: where its pattern begins."""

    size = 9_000_001

    def __init__(self, turn: int) -> None:
        self.at, self.turn = 0, turn

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        left = self.size - self.at
        # Not as much as was asked for: what is left over of three bytes is carried on.
        count = min(left, size - 1) if size > 1 else left
        first = self.turn + self.at
        self.at += count
        pattern = bytes(range(256))
        start = first % 256
        return (pattern[start:] + pattern * (count // 256 + 1))[:count]


def test_images_that_are_sent_are_never_whole_in_memory(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    image: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several such Pins leave at once, each from a thread of its own."""
    monkeypatch.setattr("platforms.pinterest.pictures.MAX_SENT", 4 * Nine.size)
    files = tuple(
        image(
            public_url=LOCAL,
            size_bytes=Nine.size,
            open=lambda turn=turn: cast(IO[bytes], Nine(turn)),
        )
        for turn in range(2)
    )
    read = hashlib.sha256()

    def take(method: str, url: str, *, upload: WholeBody, **kwargs: Any) -> Answer:
        assert (method, url, kwargs["mutates"]) == ("POST", PINS, True)
        body = FileBody(upload)
        while block := body.read(65_536):
            read.update(block)
        return Answer(201, {}, json.dumps(PIN).encode())

    monkeypatch.setattr(client.http, "request", take)
    step = pinterest.next_step(job(draft=draft(media=files)), client)
    tracemalloc.start()
    try:
        assert step.run().remote is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    body = pinterest.body(job(draft=draft(media=files)), sent=True)
    for item in body["media_source"]["items"]:
        with item["data"].open() as stream:
            whole = b"".join(iter(lambda: stream.read(65_536), b""))
        item["data"] = base64.b64encode(whole).decode()
    assert read.digest() == hashlib.sha256(json.dumps(body).encode()).digest()


def test_images_that_are_sent_have_room_for_so_much_only(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    image: Files,
) -> None:
    files = tuple(image(public_url=LOCAL, size_bytes=6 << 20) for _ in range(2))
    made = draft(media=files)
    (found,) = pinterest.check(made, job().account, {"boards": {BOARD: "Spring"}})
    assert (found.level, found.cause) == (Level.REFUSED, Cause.IMAGES_TOO_LARGE)
    # One by one they are fetched, where they can be.
    open_files = tuple(
        replace(file, public_url="https://hub.example.com/a") for file in files
    )
    there = draft(media=open_files)
    assert pinterest.check(there, job().account, {"boards": {BOARD: "Spring"}}) == []
    error = raised(pinterest.next_step(job(draft=made), client).run)
    assert (error.permanent, error.cause) == (True, Cause.IMAGES_TOO_LARGE)


def test_the_practice_network_fetches_from_any_address(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    image: Files,
) -> None:
    near = replace(job().account, url="http://127.0.0.1:8100/pinterest/www/acme/")
    now = job(draft=draft(media=(image(public_url=LOCAL),)), account=near)
    step = pinterest.next_step(now, client)
    assert step.gives_out == (LOCAL,)
    assert step.instead is not None


@pytest.mark.trap("pinterest", 10)
def test_a_board_that_was_deleted_keeps_the_post_for_another(
    pinterest: Pinterest, client: PinterestClient, job: Jobs, api: Api
) -> None:
    api.post(PINS, json={"code": 40, "message": "Board not found."}, status=404)
    error = raised(pinterest.next_step(job(), client).run)
    assert (error.permanent, error.cause) == (True, Cause.OPTION_UNKNOWN)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"options": {}}, Cause.OPTION_MISSING),
        ({"media": ()}, Cause.MEDIA_MISSING),
    ],
)
def test_what_is_not_whole_is_not_sent(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    draft: Drafts,
    api: Api,
    changes: dict,
    cause: Cause,
) -> None:
    now = job(draft=draft(**changes))
    assert raised(pinterest.next_step(now, client).run).cause is cause
    assert not api.calls


def test_what_is_ahead_shrinks_with_the_witness(
    pinterest: Pinterest, job: Jobs, draft: Drafts, video: Files
) -> None:
    now = job(draft=draft(media=(video(),)))
    ahead = pinterest.calls_ahead(now, looking=False)
    assert set(ahead) == {
        "POST /media",
        "POST {upload_url}",
        "GET /media/:id",
        "POST /pins",
    }
    ready = replace(now, witness={"media": registered(), "ready": "52"})
    assert pinterest.calls_ahead(ready, looking=False) == {"POST /pins": 1}
    assert pinterest.draws(ready, looking=False)["org_write"] == 1


@pytest.mark.parametrize(
    ("call", "limit", "left_s", "bucket"),
    [
        ("POST /pins", 100, 30, "org_write"),
        ("POST /pins", 300, 40_000, "trial_writes"),
        ("POST /pins", 300, 30, "trial_writes"),
        ("POST /pins", 1000, 40_000, "trial_calls"),
        ("GET /boards/:id/pins", 1000, 30, "org_read"),
        ("GET /boards/:id/pins", 1000, 40_000, "trial_calls"),
        ("POST {upload_url}", 100, 30, None),
        # A refusal may name a longer time than any window of such a size has. Taken for
        # the whole app's day, it kept every account of it waiting until midnight.
        ("GET /user_account", 100, 120, None),
        ("POST /pins", 100, 120, None),
    ],
)
def test_usage_headers_are_read_as_seconds_to_the_end(
    pinterest: Pinterest, call: str, limit: int, left_s: int, bucket: str | None
) -> None:
    now = datetime.now(UTC)
    headers = {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": "7",
        "x-ratelimit-reset": str(left_s),
    }
    told = pinterest.observe(call, headers, now)
    assert [t.bucket_key for t in told] == ([bucket] if bucket else [])
    if told:
        assert told[0].resets_at == now + timedelta(seconds=left_s)
    assert not pinterest.observe(call, {}, now)


# ------------------------------------------------------------------ reconciliation


def row(**changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=20)
    facts = {
        "id": PIN["id"],
        "created_at": at.strftime("%Y-%m-%dT%H:%M:%S"),
        "title": " Sow tomatoes",
        "description": "How we sow.",
        "link": "https://www.acme.example/sow/",
        "board_id": BOARD,
        "is_owner": True,
        "creative_type": "REGULAR",
    }
    return {**facts, **changes}


def looking(job: Jobs, **changes: Any) -> PublishJob:
    sent_at = datetime.now(UTC) - timedelta(seconds=25)
    return job(first_sent_at=sent_at, **changes)


OTHERS = [
    {"title": "Else"},
    {"description": "Else"},
    {"link": "https://acme.example/reap"},
    {"link": None},
    {"board_id": "1"},
    {"is_owner": False},
    {"creative_type": "VIDEO"},
    {"created_at": "2020-01-01T00:00:00"},
    {"id": "taken"},
]


@pytest.mark.trap("pinterest", 8)
def test_a_pin_is_known_by_board_title_link_text_kind_and_time(
    pinterest: Pinterest, client: PinterestClient, job: Jobs, api: Api
) -> None:
    others = [row(**{"id": str(n), **other}) for n, other in enumerate(OTHERS)]
    now = looking(job, taken=frozenset({"taken"}))
    api.get(LIST, json={"items": others, "bookmark": None})
    look = pinterest.look(now, client)
    assert look.sighting is Sighting.ABSENT
    assert not look.safe_to_repeat
    api.replace(responses.GET, LIST, json={"items": [*others, row()]})
    look = pinterest.look(now, client)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert (look.remote.external_id, look.remote.permalink) == (PIN["id"], WHERE)
    # Two looks, two minutes apart.
    first, second = pinterest.spec.look_after_s
    assert 10 <= first <= 30
    assert second - first >= 120


def test_a_mark_in_the_link_decides_alone(
    pinterest: Pinterest, client: PinterestClient, job: Jobs, draft: Drafts, api: Api
) -> None:
    options = {"board": BOARD, "mark_link": True}
    now = looking(job, draft=draft(options=options))
    plain = row(title=None)
    api.get(LIST, json={"items": [plain]})
    assert pinterest.look(now, client).sighting is Sighting.ABSENT
    marked = row(title="Changed", link=f"https://acme.example/sow?{MARK}")
    api.replace(responses.GET, LIST, json={"items": [marked]})
    assert pinterest.look(now, client).sighting is Sighting.FOUND


@pytest.mark.parametrize(
    ("last", "sighting"),
    [
        ({"created_at": "2020-01-01T00:00:00"}, Sighting.ABSENT),
        ({}, Sighting.CANNOT_TELL),
        # Not newest first: what comes after may be ours.
        ({"first_too": True}, Sighting.CANNOT_TELL),
    ],
)
def test_two_pages_are_read_and_what_lies_beyond_them_is_not_denied(
    pinterest: Pinterest,
    client: PinterestClient,
    job: Jobs,
    api: Api,
    last: dict,
    sighting: Sighting,
) -> None:
    old, new = row(title="Else", created_at="2020-01-01T00:00:00"), row(title="Else")
    first = old if last.pop("first_too", False) else new
    api.get(LIST, json={"items": [first], "bookmark": "b1"})
    api.get(LIST, json={"items": [{**new, **last}], "bookmark": "b2"})
    assert pinterest.look(looking(job), client).sighting is sighting
    asked = [parse_qs(urlsplit(str(c.request.url)).query) for c in api.calls]
    assert [q.get("bookmark") for q in asked] == [None, ["b1"]]


@pytest.mark.trap("pinterest", 11)
def test_a_board_that_is_not_shown_leaves_it_to_a_person(
    pinterest: Pinterest, client: PinterestClient, job: Jobs, api: Api
) -> None:
    api.get(LIST, json={"code": 40, "message": "Board not found."}, status=404)
    assert pinterest.look(looking(job), client).sighting is Sighting.CANNOT_TELL


def test_a_lost_answer_is_looked_for(
    pinterest: Pinterest, client: PinterestClient, job: Jobs, api: Api
) -> None:
    api.post(PINS, body=requests.ReadTimeout())
    assert raised(pinterest.next_step(job(), client).run).outcome is Outcome.AMBIGUOUS
