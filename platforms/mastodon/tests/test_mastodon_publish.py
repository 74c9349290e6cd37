from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine

from platforms import parts
from platforms.base import (
    Draft,
    Level,
    MediaFile,
    MediaKind,
    Poll,
    PublishJob,
    RemotePost,
    Sighting,
    StepKind,
)
from platforms.errors import Cause, Outcome, PlatformError
from platforms.mastodon.client import MastodonClient
from platforms.mastodon.publish import (
    MAX_POLLS,
    Mastodon,
    comparable,
    mastodon_length,
)

from .conftest import BASE

MASTODON = Mastodon()
POST = f"{BASE}/api/v1/statuses"
MEDIA = f"{BASE}/api/v2/media"
LIST = f"{BASE}/api/v1/accounts/14715/statuses"
SENT = datetime(2026, 2, 3, 9, 10, tzinfo=UTC)
MakePicture = Callable[..., MediaFile]
MakeJob = Callable[..., PublishJob]


def status(**changes: Any) -> dict[str, Any]:
    return {
        "id": "115",
        "created_at": "2026-02-03T09:10:11.197Z",
        "url": f"{BASE}/@acme/115",
        "content": "<p>Hello</p>",
        "application": {"name": "SocialHub"},
        "media_attachments": [],
        "reblog": None,
    } | changes


# ---------------------------------------------------------------- counting


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("Hello", 5),
        ("👩‍👩‍👧‍👦 é", 3),
        ("https://a.example", 23),
        ("see https://acme.example/" + "x" * 100 + ".", 4 + 23 + 1),
        ("https://a.example https://b.example/y", 47),
        ("@ana@social.example hi", 7),
        ("@ana hi", 7),
        ("mail me@acme.example", 20),
        ("https://social.example/@ana@other.example", 23),
        ("\N{COMBINING ACUTE ACCENT}", 1),
        ("", 0),
    ],
)
def test_text_counts_as_mastodon_counts_it(text: str, length: int) -> None:
    assert mastodon_length(text, 23) == length


def test_a_server_s_own_numbers_are_used() -> None:
    draft = Draft("see", link_url="https://acme.example/" + "x" * 50)
    limits = {"max_characters": 5000, "reserved_per_url": 30, "software": "mastodon"}
    (count,) = MASTODON.counts(draft, limits)
    assert (count.used, count.limit) == (3 + 2 + 30, 5000)


def test_other_software_counts_addresses_in_full() -> None:
    draft = Draft("@ana@social.example", link_url="https://acme.example/" + "x" * 50)
    (count,) = MASTODON.counts(draft, {"software": "gotosocial"})
    assert count.used == len(MASTODON.text_as_sent(draft))
    (short,) = MASTODON.counts(Draft("https://a.example"), {"software": "gotosocial"})
    assert short.used == 23


def test_a_content_warning_counts() -> None:
    draft = Draft("Hello", options={"spoiler_text": "Spring"})
    assert MASTODON.counts(draft)[0].used == 11


# ---------------------------------------------------------------- checking


def causes(draft: Draft, **limits: Any) -> list[tuple[Level, Cause, str]]:
    found = MASTODON.check(draft, limits=limits)
    return [(f.level, f.cause, f.field) for f in found]


def test_a_good_draft_has_no_findings(picture: MakePicture) -> None:
    draft = Draft("Hello", "https://acme.example", media=(picture(), picture(2)))
    assert causes(draft) == []


def test_each_refusal_is_found_before_sending(picture: MakePicture) -> None:
    refused = Level.REFUSED
    assert causes(Draft(" \r\n")) == [(refused, Cause.TEXT_EMPTY, "text")]
    assert causes(Draft("x" * 501)) == [(refused, Cause.TEXT_TOO_LONG, "text")]
    assert causes(Draft("x" * 501), max_characters=600) == []
    assert causes(Draft("a", "acme.example")) == [(refused, Cause.LINK_REFUSED, "link")]
    five = tuple(picture(n) for n in range(5))
    assert causes(Draft("a", media=five)) == [(refused, Cause.TOO_MANY_MEDIA, "media")]
    odd = picture(mime_type="image/bmp")
    assert causes(Draft("a", media=(odd,))) == [(refused, Cause.MEDIA_TYPE, "media:1")]
    heavy = picture(size_bytes=16_777_217)
    assert causes(Draft("a", media=(picture(), heavy))) == [
        (refused, Cause.MEDIA_TOO_LARGE, "media:2")
    ]
    wide = picture(width=33_177_601, height=1)
    assert causes(Draft("a", media=(wide,))) == [
        (refused, Cause.MEDIA_TOO_LARGE, "media:1")
    ]
    wordy = picture(alt_text="x" * 301)
    assert causes(Draft("a", media=(wordy,)), description_limit=300) == [
        (refused, Cause.ALT_TEXT_TOO_LONG, "media:1")
    ]


def test_a_picture_without_words_is_only_warned_about(picture: MakePicture) -> None:
    silent = Draft("a", media=(picture(alt_text=" "),))
    assert causes(silent) == [(Level.WARNING, Cause.ALT_TEXT_MISSING, "media:1")]


def test_pictures_alone_are_enough(picture: MakePicture) -> None:
    assert causes(Draft("", media=(picture(),))) == []


def test_a_video_is_held_against_the_server_s_own_limits(video: MakePicture) -> None:
    refused = Level.REFUSED
    assert causes(Draft("a", media=(video(),))) == []
    long = Draft("a", media=(video(size_bytes=103_809_025),))
    assert causes(long) == [(refused, Cause.VIDEO_TOO_LARGE, "media:1")]
    assert causes(long, video_size_limit=200_000_000) == []
    fast = Draft("a", media=(video(frame_rate=60.0),))
    assert causes(fast, video_frame_rate_limit=30) == [
        (refused, Cause.VIDEO_FRAME_RATE, "media:1")
    ]
    wide = Draft("a", media=(video(width=3840, height=2161),))
    assert causes(wide) == [(refused, Cause.VIDEO_TOO_MANY_PIXELS, "media:1")]
    wordy = Draft("a", media=(video(alt_text="x" * 301),))
    assert causes(wordy, description_limit=300) == [
        (refused, Cause.ALT_TEXT_TOO_LONG, "media:1")
    ]


def test_a_server_that_names_no_type_of_video_takes_none(video: MakePicture) -> None:
    assert causes(Draft("a", media=(video(),)), mime_types=["image/png"]) == [
        (Level.REFUSED, Cause.MEDIA_KIND, "media:1")
    ]
    assert causes(Draft("a", media=(video(),)), mime_types=["video/webm"]) == [
        (Level.REFUSED, Cause.MEDIA_TYPE, "media:1")
    ]


def test_a_video_stands_alone_but_for_an_image_that_stands_for_it(
    picture: MakePicture, video: MakePicture
) -> None:
    # It is shown until the video is played, and wants no words of its own.
    still = picture(alt_text="")
    assert causes(Draft("a", media=(still, video()))) == []
    assert causes(Draft("a", media=(still, audio()))) == []
    many = [(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media")]
    assert causes(Draft("a", media=(still, still, video()))) == many
    mixed = [(Level.REFUSED, Cause.MEDIA_MIXED, "media")]
    assert causes(Draft("a", media=(audio(), video()))) == mixed
    two = [(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media")]
    assert causes(Draft("a", media=(video(), video()))) == two


def test_the_server_s_list_of_types_is_authoritative(picture: MakePicture) -> None:
    draft = Draft("a", media=(picture(mime_type="image/jxl"),))
    assert causes(draft, mime_types=["image/jxl", "video/mp4"]) == []


# ---------------------------------------------------------------- steps


def run(job: PublishJob, client: MastodonClient) -> tuple[list[str], RemotePost]:
    """Do the steps as the engine does, without waiting; the names and the post."""
    names = []
    for _ in range(20):
        step = MASTODON.next_step(job, client)
        names.append(step.name)
        result = step.run()
        job = replace(job, witness={**job.witness, **result.witness})
        json.dumps(job.witness)
        if result.remote:
            return names, result.remote
    raise AssertionError(f"no end: {names}")


@pytest.mark.trap("mastodon", 6)
def test_text_goes_out_with_the_job_s_key(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    server.post(POST, json=status())
    draft = Draft("Hello", "https://acme.example/1", language="en-GB")
    names, remote = run(make_job(draft), client)
    assert names == ["post"]
    assert (remote.external_id, remote.permalink) == ("115", f"{BASE}/@acme/115")
    assert remote.published_at == datetime(2026, 2, 3, 9, 10, 11, 197000, UTC)
    request = server.calls[0].request
    assert request.headers["Idempotency-Key"] == "0123456789abcdef0123456789abcdef"
    assert json.loads(request.body or "") == {
        "status": "Hello\n\nhttps://acme.example/1",
        "language": "en",
    }


def test_posting_is_the_only_step_that_the_audience_could_see_twice(
    client: MastodonClient, make_job: MakeJob, picture: MakePicture
) -> None:
    job = make_job(Draft("Hello", media=(picture(),)))
    assert MASTODON.next_step(job, client).kind is StepKind.REPEATABLE
    waiting = replace(job, witness={"media": [{"id": "1", "ready": False}]})
    assert MASTODON.next_step(waiting, client).kind is StepKind.REPEATABLE
    ready = replace(job, witness={"media": [{"id": "1", "ready": True}]})
    assert MASTODON.next_step(ready, client).kind is StepKind.COMMIT


@pytest.mark.trap("mastodon", 8)
@pytest.mark.trap("mastodon", 10)
def test_pictures_are_uploaded_awaited_and_attached_in_order(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    server.post(MEDIA, json={"id": "21", "url": None}, status=202)
    server.post(MEDIA, json={"id": "22", "url": "https://f.example"}, status=200)
    server.get(f"{BASE}/api/v1/media/21", json={"id": "21"}, status=206)
    server.get(f"{BASE}/api/v1/media/21", json={"id": "21"}, status=200)
    attached = [{"id": "21"}, {"id": "22"}]
    server.post(POST, json=status(media_attachments=attached))
    job = make_job(
        Draft(
            "Hello",
            media=(picture(), picture(2, alt_text="")),
            options={"sensitive": True, "spoiler_text": "Spring"},
        )
    )
    names, remote = run(job, client)
    assert names == [
        "upload_image:1",
        "wait_media:1",
        "wait_media:1",
        "upload_image:2",
        "post",
    ]
    assert remote.extra == {}
    uploads = [c.request for c in server.calls if c.request.url == MEDIA]
    assert all(int(r.headers["Content-Length"]) == len(r.body) for r in uploads)
    assert not any("Transfer-Encoding" in r.headers for r in uploads)
    first, second = (request.body for request in uploads)
    assert b'filename="s_ed_1.png"' in first
    assert b"Seedlings 1" in first
    assert b"png bytes" in first
    assert b"description" not in second
    assert json.loads(server.calls[-1].request.body or "") == {
        "status": "Hello",
        "media_ids": ["21", "22"],
        "sensitive": True,
        "spoiler_text": "Spring",
    }


def test_a_file_in_work_tells_when_to_ask_again(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    server.get(f"{BASE}/api/v1/media/21", json={"id": "21"}, status=206)
    witness = {"media": [{"id": "21", "ready": False}], "media_polls": 4}
    job = make_job(Draft("a", media=(picture(),)), witness=witness)
    result = MASTODON.next_step(job, client).run()
    assert result.wait_s == 3
    assert result.witness["media_polls"] == 5
    assert job.witness == witness


@pytest.mark.parametrize(
    ("code", "error", "polls", "cause"),
    [
        (404, "Record not found", 0, Cause.MEDIA_EXPIRED),
        (422, "Processing failed", 0, Cause.MEDIA_REFUSED),
        (206, "", MAX_POLLS - 1, Cause.MEDIA_NOT_READY),
    ],
)
def test_a_file_that_is_lost_is_uploaded_again(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
    code: int,
    error: str,
    polls: int,
    cause: Cause,
) -> None:
    server.get(f"{BASE}/api/v1/media/21", json={"error": error}, status=code)
    witness = {"media": [{"id": "21", "ready": False}], "media_polls": polls}
    job = make_job(Draft("a", media=(picture(),)), witness=witness)
    with pytest.raises(PlatformError) as lost:
        MASTODON.next_step(job, client).run()
    assert lost.value.outcome is Outcome.TRANSIENT
    assert (lost.value.cause, lost.value.extra) == (cause, {"forget": "media"})


def test_thumbnail_trouble_is_tried_again_and_then_refused(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    server.post(
        MEDIA,
        json={"error": "Error processing thumbnail for uploaded media"},
        status=500,
    )
    job = make_job(Draft("a", media=(picture(),)))
    for tries in (1, 2):
        result = MASTODON.next_step(job, client).run()
        assert (result.witness, result.wait_s) == ({"media_tries": tries}, 15)
        job = replace(job, witness={**job.witness, **result.witness})
    with pytest.raises(PlatformError) as refused:
        MASTODON.next_step(job, client).run()
    assert refused.value.outcome is Outcome.INVALID_CONTENT
    assert refused.value.cause is Cause.MEDIA_REFUSED


def test_a_file_that_the_server_fails_on_thrice_is_refused(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    video: MakePicture,
) -> None:
    server.get(f"{BASE}/api/v1/media/21", json={"error": "Bad file"}, status=422)
    witness = {"media": [{"id": "21", "ready": False}], "uploads:1": 3}
    job = make_job(Draft("a", media=(video(),)), witness=witness)
    with pytest.raises(PlatformError) as refused:
        MASTODON.next_step(job, client).run()
    assert refused.value.outcome is Outcome.INVALID_CONTENT
    assert (refused.value.cause, refused.value.extra) == (Cause.MEDIA_REFUSED, {})


def test_a_video_goes_out_once_wherever_the_process_ends(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    video: MakePicture,
) -> None:
    """Between any two steps only the stored witness is left."""
    sent: list[bytes] = []

    def take(request: Any) -> tuple[int, dict[str, str], str]:
        sent.append(request.body)
        return 202, {}, '{"id": "21", "type": "video", "url": null}'

    server.add_callback("POST", MEDIA, take)
    server.get(f"{BASE}/api/v1/media/21", json={"id": "21"}, status=206)
    server.get(f"{BASE}/api/v1/media/21", json={"id": "21"}, status=200)
    server.post(POST, json=status(media_attachments=[{"id": "21"}]))
    bytes_of_it = bytes(range(256)) * 2000
    file = video(size_bytes=len(bytes_of_it), open=lambda: io.BytesIO(bytes_of_it))
    witness, names, waits = "{}", [], []
    while True:
        alive = make_job(Draft("Hello", media=(file,)), witness=json.loads(witness))
        step = Mastodon().next_step(alive, client)
        result = step.run()
        names.append(step.name)
        if result.remote:
            break
        waits.append(result.wait_s)
        witness = json.dumps({**alive.witness, **result.witness})
    assert names == ["upload_video:1", "wait_media:1", "wait_media:1", "post"]
    assert waits == [3, 3, None]
    (form,) = sent
    assert form.count(bytes_of_it) == 1
    assert b'filename="seeds.mp4"\r\nContent-Type: video/mp4' in form
    assert b'name="description"\r\n\r\nSeedlings 1\r\n' in form


@pytest.mark.trap("mastodon", 4)
def test_media_that_may_be_attached_already_have_to_be_looked_for(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    text = "Media 21 not found or already attached to another post"
    server.post(POST, json={"error": text}, status=422)
    witness = {"media": [{"id": "21", "ready": True}]}
    job = make_job(Draft("a", media=(picture(),)), witness=witness)
    with pytest.raises(PlatformError) as open_question:
        MASTODON.next_step(job, client).run()
    assert open_question.value.outcome is Outcome.AMBIGUOUS
    assert open_question.value.extra == {"forget": "media"}


@pytest.mark.trap("mastodon", 5)
def test_a_post_that_lost_its_picture_says_so(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    server.post(POST, json=status())
    witness = {"media": [{"id": "21", "ready": True}]}
    job = make_job(Draft("a", media=(picture(),)), witness=witness)
    remote = MASTODON.next_step(job, client).run().remote
    assert remote is not None
    assert remote.extra["media_missing"] == 1
    # The attempt shows it.
    assert remote.extra["notes"] == ["the server left 1 of the files out of the post"]


@pytest.mark.trap("mastodon", 4)
def test_a_file_that_is_ready_is_not_asked_for_again(
    client: MastodonClient, make_job: MakeJob, picture: MakePicture
) -> None:
    """It answers 404 once a post has it, which is no lost upload."""
    witness = {"media": [{"id": "21", "ready": True}]}
    files = Draft("a", media=(picture(),))
    sent = make_job(files, witness=witness, first_sent_at=datetime.now(UTC))
    assert MASTODON.next_step(sent, client).name == "post"
    ahead = MASTODON.calls_ahead(sent, looking=False)
    assert ahead == {"POST /api/v1/statuses": 1}
    looking = MASTODON.calls_ahead(sent, looking=True)
    assert not any("media" in key for key in looking)


@pytest.mark.trap("mastodon", 15)
@pytest.mark.parametrize(
    ("status", "said", "cause"),
    [
        (404, "Record not found", Cause.QUOTE_GONE),
        (422, "Validation failed: Quoted status is invalid", Cause.UNKNOWN_REFUSAL),
    ],
)
def test_a_quote_of_a_post_that_is_gone_is_not_tried_again(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    status: int,
    said: str,
    cause: Cause,
) -> None:
    server.post(POST, json={"error": said}, status=status)
    job = make_job(Draft("See", options={"quote": f"{BASE}/@acme/114"}))
    with pytest.raises(PlatformError) as gone:
        MASTODON.next_step(job, client).run()
    assert json.loads(server.calls[0].request.body or "")["quoted_status_id"] == "114"
    assert (gone.value.permanent, gone.value.cause) == (True, cause)


@pytest.mark.trap("mastodon", 15)
@pytest.mark.parametrize(
    ("first_sent_at", "cause"),
    [(None, Cause.PARENT_GONE), (datetime(2026, 2, 3, tzinfo=UTC), Cause.NOT_THERE)],
    ids=["the parent", "a deleted post that the key knows"],
)
def test_an_answer_to_a_post_that_is_gone_is_not_tried_again(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    first_sent_at: datetime | None,
    cause: Cause,
) -> None:
    server.post(POST, json={"error": "Record not found"}, status=404)
    above = (RemotePost("114", f"{BASE}/@acme/114"),)
    job = make_job(Draft("a"), earlier=above, first_sent_at=first_sent_at)
    with pytest.raises(PlatformError) as gone:
        MASTODON.next_step(job, client).run()
    assert (gone.value.permanent, gone.value.cause) == (True, cause)


@pytest.mark.trap("mastodon", 5)
@pytest.mark.parametrize(
    ("hours", "names"),
    [((1, 1), ["post"]), ((25, 1), ["upload_image:1", "upload_image:2", "post"])],
)
def test_files_that_the_server_has_cleared_away_are_sent_anew(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
    hours: tuple[int, int],
    names: list[str],
) -> None:
    """Held for days, a post would go out without them where the server is an old one."""
    server.assert_all_requests_are_fired = False
    server.post(MEDIA, json={"id": "31", "url": "https://f.example"})
    server.post(MEDIA, json={"id": "32", "url": "https://f.example"})
    server.post(POST, json=status(media_attachments=[{"id": "1"}, {"id": "2"}]))
    now = datetime.now(UTC)
    media = [
        {"id": id, "ready": True, "at": (now - timedelta(hours=age)).isoformat()}
        for id, age in zip(("21", "22"), hours, strict=True)
    ]
    files = (picture(), picture(2))
    job = make_job(Draft("Hello", media=files), witness={"media": media})
    ahead = MASTODON.calls_ahead(job, looking=False)
    assert ahead.get("POST /api/v2/media", 0) == len(names) - 1
    assert run(job, client)[0] == names
    sent = json.loads(server.calls[-1].request.body or "")["media_ids"]
    assert sent == (["21", "22"] if len(names) == 1 else ["31", "32"])


@pytest.mark.parametrize(
    ("option", "account", "expected"),
    [
        ("private", "unlisted", "private"),
        (None, "unlisted", "unlisted"),
        (None, "", None),
        ("everybody", "", None),
    ],
)
def test_visibility_is_the_post_s_then_the_account_s_then_the_user_s_own(
    client: MastodonClient,
    make_job: MakeJob,
    option: str | None,
    account: str,
    expected: str | None,
) -> None:
    client.access = replace(client.access, extra={"visibility": account})
    job = make_job(Draft("a", options={"visibility": option}))
    assert MASTODON.fields(job, client).get("visibility") == expected


# ---------------------------------------------------------------- looking


@pytest.fixture
def later() -> Any:
    with time_machine.travel(SENT + timedelta(minutes=1), tick=False) as traveller:
        yield traveller


def look(job: PublishJob, client: MastodonClient, **changes: Any) -> Any:
    return MASTODON.look(replace(job, first_sent_at=SENT, **changes), client)


@pytest.mark.usefixtures("later")
def test_a_post_is_found_by_text_and_time(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    newer = status(id="117", content="<p>Something else</p>")
    ours = status(
        content='<p>Hello <span class="h-card"><a href="https://b.example/@ana" '
        'class="u-url mention">@<span>ana</span></a></span></p><p>'
        '<a href="https://acme.example/x"><span class="ellipsis">acme.exa</span></a></p>'
    )
    server.get(LIST, json=[newer, ours])
    draft = Draft("Hello @ana@b.example", "https://acme.example/x/")
    seen = look(make_job(draft), client)
    assert seen.sighting is Sighting.FOUND
    assert (seen.remote.external_id, seen.evidence) == ("115", "same text and time")
    params = server.calls[0].request.params  # type: ignore[attr-defined]
    assert params == {"limit": "40", "exclude_reblogs": "true"}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    "other",
    [
        {"created_at": "2026-02-03T09:09:54.000Z"},
        {"reblog": {"id": "9"}},
        {"content": "<p>Hello you</p>"},
        {"media_attachments": [{"id": "77", "description": "Seedlings 1"}]},
    ],
)
def test_a_post_that_differs_is_not_ours(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    other: dict[str, Any],
) -> None:
    server.get(
        LIST, json=[status(**other), status(id="90", created_at="2026-02-01T00:00:00Z")]
    )
    server.get(f"{POST}/115/source", json={"text": "Hello you"})
    server.assert_all_requests_are_fired = False
    assert look(make_job(Draft("Hello")), client).sighting is Sighting.ABSENT


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("application", [None, {"name": "Our app's earlier name"}])
def test_the_application_s_name_may_be_hidden_or_an_earlier_one(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    application: dict[str, str] | None,
) -> None:
    old = status(id="90", created_at="2026-02-01T00:00:00Z")
    server.get(LIST, json=[status(application=application), old])
    assert look(make_job(Draft("Hello")), client).sighting is Sighting.FOUND


@pytest.mark.usefixtures("later")
def test_of_two_equal_posts_the_one_of_our_app_is_ours(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    other = status(id="114", application={"name": "Another app"})
    old = status(id="90", created_at="2026-02-01T00:00:00Z")
    server.get(LIST, json=[status(), other, old])
    seen = look(make_job(Draft("Hello")), client)
    assert seen.remote.external_id == "115"


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    ("api_level", "sighting", "safe"),
    [(10, Sighting.CANNOT_TELL, True), (4, Sighting.FOUND, False)],
)
def test_among_equal_posts_the_key_decides_where_it_is_kept(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    api_level: int,
    sighting: Sighting,
    safe: bool,
) -> None:
    old = status(id="90", created_at="2026-02-01T00:00:00Z")
    server.get(LIST, json=[status(id="116"), status(id="115"), old])
    limits = {"software": "mastodon", "api_level": api_level}
    seen = look(make_job(Draft("Hello"), server_limits=limits), client)
    assert (seen.sighting, seen.safe_to_repeat) == (sighting, safe)


@pytest.mark.usefixtures("later")
def test_the_same_media_are_proof_whatever_the_text(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    server.get(
        LIST,
        json=[
            status(content="<p>changed</p>", media_attachments=[{"id": "21"}]),
            status(id="90", created_at="2026-02-01T00:00:00Z"),
        ],
    )
    job = make_job(
        Draft("Hello", media=(picture(),)),
        witness={"media": [{"id": "21", "ready": True}]},
    )
    assert look(job, client).evidence == "same media"


@pytest.mark.usefixtures("later")
def test_forgotten_media_are_known_by_their_alt_texts(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    picture: MakePicture,
) -> None:
    media = [{"id": "21", "description": "Seedlings 1"}]
    old = status(id="90", created_at="2026-02-01T00:00:00Z")
    server.get(LIST, json=[status(media_attachments=media), old])
    job = make_job(Draft("Hello", media=(picture(),)))
    assert look(job, client).sighting is Sighting.FOUND


@pytest.mark.trap("mastodon", 9)
@pytest.mark.usefixtures("later")
def test_the_source_tells_when_the_html_differs(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    old = status(id="90", created_at="2026-02-01T00:00:00Z")
    server.get(LIST, json=[status(content="<p>Hello 🐘</p>"), old])
    server.get(f"{POST}/115/source", json={"id": "115", "text": "Hello :elephant:"})
    seen = look(make_job(Draft("Hello :elephant:")), client)
    assert (seen.sighting, seen.evidence) == (Sighting.FOUND, "same source text")


@pytest.mark.trap("mastodon", 2)
@pytest.mark.parametrize(
    ("limits", "minutes", "safe"),
    [
        ({"software": "mastodon", "api_level": 10}, 54, True),
        ({"software": "mastodon", "api_level": 10}, 56, False),
        ({"software": "mastodon", "api_level": 4}, 1, False),
        ({"software": "gotosocial", "api_level": 0}, 1, False),
        ({}, 1, False),
    ],
)
def test_an_absent_post_may_be_repeated_only_where_the_key_is_kept(
    client: MastodonClient,
    server: responses.RequestsMock,
    make_job: MakeJob,
    limits: dict[str, Any],
    minutes: int,
    safe: bool,
) -> None:
    server.get(LIST, json=[])
    with time_machine.travel(SENT + timedelta(minutes=minutes), tick=False):
        seen = look(make_job(Draft("Hello"), server_limits=limits), client)
    assert (seen.sighting, seen.safe_to_repeat) == (Sighting.ABSENT, safe)


@pytest.mark.usefixtures("later")
def test_looking_goes_back_to_the_first_attempt(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    other = {"content": "<p>More</p>", "media_attachments": [{"id": "9"}]}
    newest = [status(id=str(200 - n), **other) for n in range(40)]
    server.get(LIST, json=newest)
    server.get(
        LIST, json=[status(), status(id="90", created_at="2026-02-01T00:00:00Z")]
    )
    assert look(make_job(Draft("Hello")), client).sighting is Sighting.FOUND
    assert "max_id=161" in (server.calls[1].request.url or "")


@pytest.mark.usefixtures("later")
def test_too_many_posts_since_then_prove_nothing(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    media = [{"id": "9"}]
    for page in range(5):
        ids = range(900 - page * 40, 860 - page * 40, -1)
        server.get(LIST, json=[status(id=str(n), media_attachments=media) for n in ids])
    seen = look(make_job(Draft("Hello"), server_limits={}), client)
    assert (seen.sighting, seen.safe_to_repeat) == (Sighting.CANNOT_TELL, False)
    assert seen.evidence == "more than 200 posts since the first attempt"


@pytest.mark.usefixtures("later")
def test_a_server_that_knows_no_pages_proves_nothing(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    server.get(LIST, json=[status(media_attachments=[{"id": "9"}])])
    seen = look(make_job(Draft("Hello"), server_limits={}), client)
    assert seen.sighting is Sighting.CANNOT_TELL
    assert len(server.calls) == 2


@pytest.mark.usefixtures("later")
def test_a_server_with_a_slow_clock_is_read_further_back(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    slow = {"Date": "Tue, 03 Feb 2026 09:09:00 GMT"}  # ours says 09:11
    post = status(created_at="2026-02-03T09:08:05.000Z")
    server.get(LIST, json=[post], headers=slow)
    server.get(LIST, json=[], headers=slow)
    server.assert_all_requests_are_fired = False
    assert look(make_job(Draft("Hello")), client).sighting is Sighting.FOUND


@pytest.mark.usefixtures("later")
def test_without_the_right_to_read_nothing_can_be_told(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    refused = {"error": "This action is outside the authorized scopes"}
    server.get(LIST, json=refused, status=403)
    assert look(make_job(Draft("Hello")), client).sighting is Sighting.CANNOT_TELL


@pytest.mark.usefixtures("later")
def test_a_server_in_trouble_is_not_taken_for_absence(
    client: MastodonClient, server: responses.RequestsMock, make_job: MakeJob
) -> None:
    server.get(LIST, status=502)
    with pytest.raises(PlatformError):
        look(make_job(Draft("Hello")), client)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a  b\n\nc", "a b c"),
        ("e\u0301", "é"),
        ("@ana@b.example", "@ana"),
        ("https://Acme.example/a%20b/", "https://acme.example/a b".replace(" ", "%20")),
        ("https://münchen.example", "https://xn--mnchen-3ya.example/"),
    ],
)
def test_what_a_server_changes_is_not_compared(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)
    assert comparable(one) != comparable(other + " more")


# ---------------------------------------------------------------- instances


@pytest.mark.parametrize(
    "typed",
    [
        "social.example",
        " Social.Example ",
        "https://social.example/",
        "HTTPS://social.example/@acme?x#y",
        "@user@social.example",
        "user@social.example",
        "social.example/about",
        "social.example.",
    ],
)
def test_an_instance_may_be_typed_in_many_ways(typed: str) -> None:
    assert MASTODON.normalise_instance(typed) == "https://social.example"


def test_a_name_with_umlauts_is_written_for_machines() -> None:
    assert (
        MASTODON.normalise_instance("münchen.example")
        == "https://xn--mnchen-3ya.example"
    )


@pytest.mark.trap("mastodon", 13)
@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "http://social.example",
        "ftp://social.example",
        "javascript:alert(1)",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "10.0.0.1:80",
        "https://169.254.169.254/latest/meta-data",
        "[::1]",
        "https://[::1]:8443/",
        "::1",
        "localhost",
        "localhost:3000",
        "me.localhost",
        "printer.local",
        "db.internal",
        "wiki.corp",
        "router.home.arpa",
        "hidden.onion",
        "intranet",
        "social.example:8080",
        "https://user:pw@social.example",
        "@user@",
        "@@social.example",
        "@a@b@social.example",
        "social_example.com",
        "-bad.example",
        "a..example",
        "x" * 64 + ".example",
        "so cial.example",
        "http://127.0.0.1:8801/mastodon",
    ],
)
def test_what_is_no_public_server_is_refused_in_words(typed: str) -> None:
    with pytest.raises(ValueError) as refused:
        MASTODON.normalise_instance(typed)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "typed",
    [
        "http://127.0.0.1:8801/mastodon",
        "127.0.0.1:8801/mastodon/",
        " http://127.0.0.1:8801/mastodon/ ",
    ],
)
def test_the_practice_network_is_let_through(typed: str) -> None:
    practice = "http://127.0.0.1:8801/"
    assert (
        MASTODON.normalise_instance(typed, practice_url=practice)
        == "http://127.0.0.1:8801/mastodon"
    )


@pytest.mark.parametrize(
    "typed",
    ["127.0.0.1:8801", "127.0.0.1:8802/mastodon", "127.0.0.1:8801/mastodon/../x"],
)
def test_nothing_else_of_the_practice_machine_is(typed: str) -> None:
    with pytest.raises(ValueError):
        MASTODON.normalise_instance(typed, practice_url="http://127.0.0.1:8801")


def test_an_operator_may_trust_a_server_of_their_own() -> None:
    trusted = {"localhost:3000"}
    for typed in ("localhost:3000", "http://LOCALHOST:3000/"):
        assert (
            MASTODON.normalise_instance(typed, allowed_hosts=trusted)
            == "http://localhost:3000"
        )
    with pytest.raises(ValueError):
        MASTODON.normalise_instance("localhost:3001", allowed_hosts=trusted)


@pytest.mark.parametrize(
    ("options", "poll", "level", "left_out"),
    [
        ({"hide_totals": True}, None, 10, "hide_totals"),
        ({"hide_totals": True}, Poll(("A", "B")), 10, ""),
        ({"quote_approval_policy": "nobody"}, None, 6, "quote_approval_policy"),
        ({"quote_approval_policy": "nobody"}, None, 7, ""),
        ({"quote_approval_policy": "nobody"}, None, None, ""),
    ],
)
def test_what_makes_no_difference_is_told(
    options: dict, poll: Poll | None, level: int | None, left_out: str
) -> None:
    limits = {} if level is None else {"api_level": level}
    found = Mastodon().check(Draft("Hello", options=options, poll=poll), None, limits)
    wanted = [(Level.WARNING, Cause.OPTION_LEFT_OUT, f"option:{left_out}")]
    assert [(f.level, f.cause, f.field) for f in found] == (wanted if left_out else [])


def audio(**changes: Any) -> MediaFile:
    facts: dict[str, Any] = {
        "key": "asset-9",
        "mime_type": "audio/mpeg",
        "size_bytes": 4,
        "width": 0,
        "height": 0,
        "alt_text": "Rain on a roof",
        "sha256": "9" * 64,
        "file_name": "rain.mp3",
        "open": lambda: io.BytesIO(b"ID3!"),
        "kind": MediaKind.AUDIO,
        "duration_s": 12.0,
        "audio_codec": "mp3",
    }
    return MediaFile(**(facts | changes))


@pytest.mark.parametrize(
    ("changes", "limits", "level", "cause"),
    [
        ({}, {}, None, None),
        ({"size_bytes": 103_809_025}, {}, Level.REFUSED, Cause.AUDIO_TOO_LARGE),
        (
            {"size_bytes": 2_000},
            {"video_size_limit": 1_000},
            Level.REFUSED,
            Cause.AUDIO_TOO_LARGE,
        ),
        ({"alt_text": ""}, {}, Level.WARNING, Cause.ALT_TEXT_MISSING),
        ({"alt_text": "x" * 1501}, {}, Level.REFUSED, Cause.ALT_TEXT_TOO_LONG),
        # What a server calls MP3.
        ({}, {"mime_types": ["image/png", "audio/mp3"]}, None, None),
        (
            {},
            {"mime_types": ["image/png", "audio/ogg"]},
            Level.REFUSED,
            Cause.MEDIA_TYPE,
        ),
        ({}, {"mime_types": ["image/png"]}, Level.REFUSED, Cause.MEDIA_KIND),
    ],
)
def test_audio_is_held_to_what_the_server_says(
    changes: dict, limits: dict, level: Level | None, cause: Cause | None
) -> None:
    draft = Draft("Listen", media=(audio(**changes),))
    found = Mastodon().check(draft, None, limits)
    assert [(f.level, f.cause) for f in found] == ([(level, cause)] if cause else [])


def test_audio_stands_alone() -> None:
    draft = Draft("Listen", media=(audio(), audio()))
    (found,) = Mastodon().check(draft)
    assert (found.level, found.cause) == (Level.REFUSED, Cause.TOO_MANY_MEDIA)


def with_still(make_job: Any, picture: MakePicture, **witness: Any) -> PublishJob:
    draft = Draft("Listen", media=(picture(), audio()))
    job: PublishJob = make_job(draft, witness=witness)
    return job


def test_the_image_beside_sound_goes_along_with_it(
    make_job: Any, picture: MakePicture, client: MastodonClient, server: Any
) -> None:
    server.post(MEDIA, json={"id": "7"}, status=200)
    job = with_still(make_job, picture)
    ahead = Mastodon().calls_ahead(job, looking=False)
    assert ahead["POST /api/v2/media"] == 1
    step = Mastodon().next_step(job, client)
    assert step.name == "upload_audio:1"
    assert step.run().witness["media"][0]["id"] == "7"
    body = server.calls[0].request.body
    body = body if isinstance(body, bytes) else body.read()
    sound_at, still_at = body.index(b'name="file"'), body.index(b'name="thumbnail"')
    assert sound_at < still_at


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        ({"status": 422, "json": {"error": "Validation failed: Thumbnail"}}, 0),
        ({"status": 500, "json": {"error": "Error processing thumbnail"}}, 2),
    ],
)
def test_a_thumbnail_that_is_refused_stays_behind_and_it_is_told(
    make_job: Any,
    picture: MakePicture,
    client: MastodonClient,
    server: Any,
    answer: dict,
    tries: int,
) -> None:
    server.post(MEDIA, **answer)
    job = with_still(make_job, picture, media_tries=tries)
    left = Mastodon().next_step(job, client).run().witness
    assert (left["no_thumbnail"], left["media_tries"]) == (True, 0)
    server.replace(responses.POST, MEDIA, json={"id": "7"}, status=200)
    job = replace(job, witness={**job.witness, **left})
    there = Mastodon().next_step(job, client).run().witness
    sent = server.calls[1].request.body
    sent = sent if isinstance(sent, bytes) else sent.read()
    assert b"thumbnail" not in sent
    server.post(
        f"{BASE}/api/v1/statuses",
        json={"id": "1", "url": f"{BASE}/@acme/1", "media_attachments": [{"id": "7"}]},
    )
    done = replace(job, witness={**job.witness, **there})
    remote = Mastodon().next_step(done, client).run().remote
    assert remote is not None
    assert "without thumbnail" in remote.extra["notes"][0]
    assert [one.what for one in parts.left_out(done.witness)] == ["thumbnail"]


def test_a_refused_file_is_refused_without_its_thumbnail_as_well(
    make_job: Any, picture: MakePicture, client: MastodonClient, server: Any
) -> None:
    server.post(MEDIA, status=422, json={"error": "Validation failed: File"})
    job = with_still(make_job, picture, no_thumbnail=True)
    with pytest.raises(PlatformError) as caught:
        Mastodon().next_step(job, client).run()
    assert caught.value.permanent
