from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import (
    Draft,
    Identity,
    Level,
    MediaFile,
    MediaKind,
    PublishJob,
    Sighting,
    StepKind,
    is_id,
)
from platforms.errors import Cause, Outcome, PlatformError
from platforms.threads.client import ThreadsClient
from platforms.threads.counting import length
from platforms.threads.publish import MAX_POLLS, MAX_POLLS_UNKNOWN, Threads

API = "https://graph.threads.net/v1.0"
ME, BOX, POST = "17841400000000009", "17990000000000001", "18010000000000001"
CREATE, PUBLISH = f"{API}/{ME}/threads", f"{API}/{ME}/threads_publish"
LIST = f"{API}/me/threads"
WHERE = "https://www.threads.net/@acmebakery/post/DAbCd"
GONE = {"error": {"code": 24, "error_subcode": 4279009, "message": "Cannot find media"}}
Jobs = Callable[..., PublishJob]
Files = Callable[..., MediaFile]
Api = responses.RequestsMock


def go(
    threads: Threads, job: PublishJob, client: ThreadsClient
) -> tuple[list[str], PublishJob, Any]:
    """Run steps as the engine does; names, the last job and the remote post."""
    names: list[str] = []
    for _ in range(40):
        step = threads.next_step(job, client)
        assert (step.kind is StepKind.COMMIT) == (step.name == "publish")
        names.append(step.name)
        result = step.run()
        job = replace(job, witness={**job.witness, **result.witness})
        if result.remote:
            return names, job, result.remote
    raise AssertionError("no end")


def state(api: Api, number: str, *statuses: str, said: str = "") -> None:
    for status in statuses:
        body = {"id": number, "status": status, "error_message": said}
        api.get(f"{API}/{number}", json=body)


def posted(api: Api) -> None:
    api.post(PUBLISH, json={"id": POST})
    api.get(f"{API}/{POST}", json={"id": POST, "permalink": WHERE, "text": "Hi"})


def made(
    threads: Threads, job: PublishJob, name: str = "container", hours: int = 0
) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(hours=hours)
    return {"id": BOX, "of": threads._of(job, name), "made_at": at.isoformat()}


def with_container(
    threads: Threads, job: PublishJob, hours: int = 0, **witness: Any
) -> PublishJob:
    box = made(threads, job, hours=hours)
    return replace(job, witness={"container": box, **witness})


def ready(threads: Threads, job: PublishJob) -> PublishJob:
    return with_container(threads, job, **{"ready:container": BOX})


def form(call: Any) -> dict[str, str]:
    found = {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}
    assert found.pop("access_token") == "THAAtest"
    return found


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


# ------------------------------------------------------------------ content


@pytest.mark.trap("threads", 5)
@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Grüße, 日本", 9),
        ("🙂", 4),
        ("👍🏽", 8),
        ("👨‍👩‍👧", 18),
        ("🇨🇭", 8),
        ("1️⃣", 7),
        ("#1 & * 42", 9),
        ("🙂" * 125, 500),
    ],
)
def test_emoji_count_as_their_bytes_and_all_else_as_one(text: str, units: int) -> None:
    assert length(text) == units


@pytest.mark.trap("threads", 5)
@pytest.mark.parametrize(
    ("draft", "cause", "field"),
    [
        (Draft(""), Cause.TEXT_EMPTY, "text"),
        (Draft("a" * 501), Cause.TEXT_TOO_LONG, "text"),
        (Draft("🙂" * 126), Cause.TEXT_TOO_LONG, "text"),
        (
            Draft(" ".join(f"https://a.example/{n}" for n in range(6))),
            Cause.TOO_MANY_LINKS,
            "text",
        ),
        (
            Draft(
                " ".join(f"https://a.example/{n}" for n in range(5)),
                "https://b.example/",
            ),
            Cause.TOO_MANY_LINKS,
            "text",
        ),
        (Draft("Hi", "ftp://a.example"), Cause.LINK_REFUSED, "link"),
        (
            Draft("Hi", options={"topic_tag": "a" * 51}),
            Cause.OPTION_TOO_LONG,
            "option:topic_tag",
        ),
        (
            Draft("Hi", options={"topic_tag": "Rock & Roll"}),
            Cause.TEXT_REFUSED,
            "option:topic_tag",
        ),
        (
            Draft("Hi", options={"reply_control": "nobody"}),
            Cause.OPTION_UNKNOWN,
            "option:reply_control",
        ),
    ],
)
def test_what_threads_would_refuse_is_told_before(
    threads: Threads, draft: Draft, cause: Cause, field: str
) -> None:
    (finding,) = threads.check(draft)
    assert (finding.level, finding.cause, finding.field) == (
        Level.REFUSED,
        cause,
        field,
    )


def test_the_same_link_twice_is_one_link(threads: Threads) -> None:
    links = [f"https://a.example/{n}" for n in range(5)]
    assert threads.check(Draft(" ".join([*links, links[0]]), links[1])) == []


def test_a_link_alone_is_a_post(threads: Threads) -> None:
    assert threads.check(Draft("", "https://a.example/")) == []


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"mime_type": "image/webp"}, Cause.MEDIA_TYPE),
        ({"size_bytes": 8 * 1024 * 1024 + 1}, Cause.MEDIA_TOO_LARGE),
        ({"width": 10_001}, Cause.MEDIA_SHAPE),
        ({"height": 10_001}, Cause.MEDIA_SHAPE),
        ({"alt_text": "a" * 1001}, Cause.ALT_TEXT_TOO_LONG),
        ({"public_url": ""}, Cause.MEDIA_NOT_PUBLIC),
        ({"kind": MediaKind.GIF, "mime_type": "image/gif"}, Cause.MEDIA_KIND),
    ],
)
def test_images_are_checked(
    threads: Threads, image: Files, changes: dict, cause: Cause
) -> None:
    (finding,) = threads.check(Draft("Hi", media=(image(**changes),)))
    assert finding.cause == cause


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"mime_type": "video/webm"}, Cause.MEDIA_TYPE),
        ({"video_codec": "vp9"}, Cause.VIDEO_CODEC),
        ({"audio_codec": "opus"}, Cause.SOUND_CODEC),
        ({"duration_s": 300.1}, Cause.VIDEO_TOO_LONG),
        ({"frame_rate": 22.9}, Cause.VIDEO_FRAME_RATE),
        ({"frame_rate": 61.0}, Cause.VIDEO_FRAME_RATE),
        ({"width": 1921}, Cause.VIDEO_TOO_MANY_PIXELS),
        ({"width": 1000, "height": 99}, Cause.VIDEO_SHAPE),
        ({"bitrate": 25_000_001}, Cause.VIDEO_BITRATE),
        ({"size_bytes": 1024**3 + 1}, Cause.VIDEO_TOO_LARGE),
        ({"index_first": False}, Cause.VIDEO_INDEX_LAST),
        ({}, None),
    ],
)
def test_videos_are_checked(
    threads: Threads, video: Files, changes: dict, cause: Cause | None
) -> None:
    findings = threads.check(Draft("Hi", media=(video(**changes),)))
    assert [f.cause for f in findings] == ([cause] if cause else [])


@pytest.mark.parametrize(("count", "is_refused"), [(20, False), (21, True)])
def test_up_to_twenty_images_and_videos_go_together(
    threads: Threads, image: Files, video: Files, count: int, is_refused: bool
) -> None:
    files = (video(), *(image() for _ in range(count - 1)))
    causes = {f.cause for f in threads.check(Draft("Hi", media=files))}
    assert causes == ({Cause.TOO_MANY_MEDIA} if is_refused else set())


def test_an_address_that_threads_cannot_reach_is_told_before(
    threads: Threads, image: Files
) -> None:
    account = Identity(ME, "user", "Acme", "acme", "https://threads.net/@acme")
    draft = Draft("Hi", media=(image(public_url="http://127.0.0.1:8000/a"),))
    assert [f.cause for f in threads.check(draft, account)] == [Cause.MEDIA_NOT_PUBLIC]


def test_scopes_are_those_of_the_app_where_they_are_known(threads: Threads) -> None:
    assert "threads_delete" in threads.scopes_to_ask()
    some = {"threads_basic", "threads_content_publish", "pages_show_list"}
    assert threads.scopes_to_ask(some) == ("threads_basic", "threads_content_publish")


# ------------------------------------------------------------------ steps

TEXT_STEPS = ["container", "wait:container", "publish", "permalink"]


@pytest.mark.trap("threads", 6)
@pytest.mark.parametrize(
    ("draft", "sent"),
    [
        (Draft(" Hi "), {"text": "Hi"}),
        (
            Draft("Hi", "https://a.example/"),
            {"text": "Hi", "link_attachment": "https://a.example/"},
        ),
        (Draft("", "https://a.example/"), {"link_attachment": "https://a.example/"}),
        (
            Draft(
                "Hi",
                options={
                    "reply_control": "followers_only",
                    "topic_tag": "#Bread",
                    "is_spoiler_media": True,
                },
            ),
            {"text": "Hi", "reply_control": "followers_only", "topic_tag": "Bread"},
        ),
    ],
)
def test_a_text_is_a_container_as_well_and_no_json(
    threads: Threads,
    client: ThreadsClient,
    job: Jobs,
    api: Api,
    draft: Draft,
    sent: dict,
) -> None:
    api.post(CREATE, json={"id": BOX})
    state(api, BOX, "FINISHED")
    posted(api)
    names, last, remote = go(threads, job(draft), client)
    assert names == TEXT_STEPS
    assert form(api.calls[0]) == {"media_type": "TEXT", **sent}
    assert form(api.calls[2]) == {"creation_id": BOX}
    assert (remote.external_id, remote.permalink) == (POST, WHERE)
    assert last.witness["media_id"] == POST


def test_a_file_is_named_by_its_address_and_its_link_stands_in_the_text(
    threads: Threads,
    client: ThreadsClient,
    job: Jobs,
    image: Files,
    video: Files,
    api: Api,
) -> None:
    options = {"is_spoiler_media": True}
    for file in (image(), video()):
        draft = Draft("Hi", "https://a.example/", media=(file,), options=options)
        sent = threads.form(job(draft), "container")
        kind = file.kind.value
        assert sent == {
            "media_type": kind.upper(),
            f"{kind}_url": file.public_url,
            "alt_text": file.alt_text,
            "text": "Hi\n\nhttps://a.example/",
            "is_spoiler_media": "true",
        }


def test_a_carousel_is_made_of_children_that_are_ready(
    threads: Threads,
    client: ThreadsClient,
    job: Jobs,
    image: Files,
    video: Files,
    api: Api,
) -> None:
    for number in ("1", "2", BOX):
        api.post(CREATE, json={"id": number})
    state(api, "1", "FINISHED")
    state(api, "2", "IN_PROGRESS", "FINISHED")
    state(api, BOX, "FINISHED")
    posted(api)
    draft = Draft("Hi", media=(image(), video()))
    names, _last, _remote = go(threads, job(draft), client)
    assert names == [
        "child:1",
        "child:2",
        "wait:child:1",
        "wait:child:2",
        "wait:child:2",
        *TEXT_STEPS,
    ]
    assert form(api.calls[0]) == {
        "media_type": "IMAGE",
        "image_url": "https://hub.example.com/media/public/a.jpg",
        "alt_text": "A red square",
        "is_carousel_item": "true",
    }
    assert form(api.calls[1])["media_type"] == "VIDEO"
    assert form(api.calls[5]) == {
        "media_type": "CAROUSEL",
        "children": "1,2",
        "text": "Hi",
    }


@pytest.mark.trap("threads", 4)
def test_the_status_is_read_from_its_own_field(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api
) -> None:
    api.get(f"{API}/{BOX}", json={"id": BOX, "status_code": "FINISHED"})
    step = threads.next_step(with_container(threads, job("Hi")), client)
    assert raised(step.run).cause is Cause.ANSWER_UNREADABLE
    asked = parse_qs(urlsplit(str(api.calls[0].request.url)).query)
    assert asked["fields"] == ["id,status,error_message"]


def test_waiting_takes_no_worker_and_grows_longer(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api
) -> None:
    state(api, BOX, "IN_PROGRESS")
    waits = []
    for polls in (0, 3, 9):
        now = with_container(threads, job("Hi"), **{"polls:container": polls})
        waits.append(threads.next_step(now, client).run().wait_s)
    assert waits == [3, 20, 60]
    last = {"polls:container": MAX_POLLS - 1}
    late = with_container(threads, job("Hi"), **last)
    assert threads.next_step(late, client).run().witness["container"] == {}


@pytest.mark.trap("threads", 3)
def test_a_container_that_is_not_known_yet_is_asked_for_again_and_not_for_ever(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api
) -> None:
    api.get(f"{API}/{BOX}", json=GONE, status=400)
    now, waits = with_container(threads, job("Hi")), []
    for _ in range(MAX_POLLS_UNKNOWN):
        result = threads.next_step(now, client).run()
        now = replace(now, witness={**now.witness, **result.witness})
        waits.append(result.wait_s)
    assert waits == [3, 5, 10, 20, 10]
    assert threads.next_step(now, client).name == "container"


@pytest.mark.parametrize(
    ("status", "said", "cause"),
    [
        ("EXPIRED", "", Cause.MEDIA_EXPIRED),
        ("ERROR", "FAILED_DOWNLOADING_VIDEO", Cause.MEDIA_NOT_PUBLIC),
        ("ERROR", "FAILED_PROCESSING_VIDEO", Cause.MEDIA_REFUSED),
        ("ERROR", "FAILED_PROCESSING_AUDIO", Cause.MEDIA_REFUSED),
        ("ERROR", "UNKNOWN", Cause.MEDIA_REFUSED),
    ],
)
def test_a_container_that_failed_in_passing_is_made_anew_three_times_at_most(
    threads: Threads,
    client: ThreadsClient,
    job: Jobs,
    video: Files,
    api: Api,
    status: str,
    said: str,
    cause: Cause,
) -> None:
    state(api, BOX, status, said=said)
    draft = job(Draft("Hi", media=(video(),)))
    result = threads.next_step(with_container(threads, draft), client).run()
    assert result.wait_s
    assert (result.witness["container"], result.witness["tries:container"]) == ({}, 1)
    last = with_container(threads, draft, **{"tries:container": 2})
    error = raised(threads.next_step(last, client).run)
    assert (error.permanent, error.cause) == (True, cause)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("INVALID_ASPEC_RATIO", Cause.VIDEO_SHAPE),
        ("INVALID_BIT_RATE", Cause.VIDEO_BITRATE),
        ("INVALID_DURATION", Cause.VIDEO_TOO_LONG),
        ("INVALID_FRAME_RATE", Cause.VIDEO_FRAME_RATE),
        ("INVALID_AUDIO_CHANNELS", Cause.SOUND_CHANNELS),
        ("INVALID_AUDIO_CHANNEL_LAYOUT", Cause.SOUND_CHANNELS),
    ],
)
def test_a_video_that_threads_cannot_use_fails_at_once(
    threads: Threads,
    client: ThreadsClient,
    job: Jobs,
    video: Files,
    api: Api,
    said: str,
    cause: Cause,
) -> None:
    state(api, BOX, "ERROR", said=said)
    now = with_container(threads, job(Draft("Hi", media=(video(),))))
    error = raised(threads.next_step(now, client).run)
    assert (error.outcome, error.cause) == (Outcome.INVALID_CONTENT, cause)


def test_a_fetch_that_failed_is_tried_three_times(
    threads: Threads, client: ThreadsClient, job: Jobs, image: Files, api: Api
) -> None:
    error = {"code": 9004, "error_subcode": 2207052, "message": "No"}
    api.post(CREATE, json={"error": error}, status=400)
    now = job(Draft("Hi", media=(image(),)))
    for _ in range(2):
        result = threads.next_step(now, client).run()
        assert result.wait_s == 10
        now = replace(now, witness={**now.witness, **result.witness})
    refusal = raised(threads.next_step(now, client).run)
    assert (refusal.permanent, refusal.cause) == (True, Cause.MEDIA_NOT_PUBLIC)


def test_work_is_taken_up_where_it_was_left(
    threads: Threads, client: ThreadsClient, job: Jobs, image: Files
) -> None:
    now = job(Draft("Hi", media=(image(),)))
    another = replace(now, draft=replace(now.draft, text="Hello"))
    elsewhere = image(public_url="https://hub.example.com/media/public/b.jpg")
    moved = replace(now, draft=replace(now.draft, media=(elsewhere,)))
    is_ready = {"ready:container": BOX}
    for left, name in (
        (now, "container"),
        (with_container(threads, now), "wait:container"),
        (with_container(threads, now, **{"ready:container": "7"}), "wait:container"),
        (ready(threads, now), "publish"),
        (with_container(threads, now, 23, **is_ready), "container"),
        (replace(another, witness=ready(threads, now).witness), "container"),
        # The address of a file is made anew each time, and is no other file.
        (replace(moved, witness=ready(threads, now).witness), "publish"),
        (replace(now, witness={"media_id": POST}), "permalink"),
    ):
        assert threads.next_step(left, client).name == name


def test_without_a_public_address_nothing_is_sent(
    threads: Threads, client: ThreadsClient, job: Jobs, image: Files, api: Api
) -> None:
    now = job(Draft("Hi", media=(image(public_url=""),)))
    error = raised(threads.next_step(now, client).run)
    assert error.cause is Cause.MEDIA_NOT_PUBLIC
    assert not api.calls


@pytest.mark.trap("threads", 3)
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"body": requests.ReadTimeout()}, Outcome.AMBIGUOUS),
        ({"json": {"error": {"code": 2}}, "status": 500}, Outcome.AMBIGUOUS),
        ({"json": GONE, "status": 400}, Outcome.TRANSIENT),
    ],
)
def test_after_a_publish_that_did_not_succeed_the_status_is_read_before_another(
    threads: Threads,
    client: ThreadsClient,
    job: Jobs,
    api: Api,
    answer: dict,
    outcome: Outcome,
) -> None:
    api.post(PUBLISH, **answer)
    error = raised(threads.next_step(ready(threads, job("Hi")), client).run)
    assert error.outcome is outcome
    assert error.extra["forget"] == "ready:container"
    if outcome is Outcome.TRANSIENT:
        assert error.retry_after == 3


def test_an_address_that_cannot_be_read_fails_no_post(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api
) -> None:
    api.get(f"{API}/{POST}", json=GONE, status=400)
    now = job("Hi", witness={"media_id": POST})
    remote = threads.next_step(now, client).run().remote
    assert remote is not None
    assert (remote.external_id, remote.permalink) == (POST, "")


def test_what_is_ahead_shrinks_with_the_witness(
    threads: Threads, job: Jobs, image: Files, video: Files
) -> None:
    now = job(Draft("Hi", media=(image(), video())))
    ahead = threads.calls_ahead(now, looking=False)
    assert ahead["POST /:user/threads"] == 3
    assert ahead["GET /:container"] == 3 + 6 + 3
    assert threads.draws(now, looking=False)["posts"] == 1
    out = replace(now, witness={"media_id": POST})
    assert threads.calls_ahead(out, looking=False) == {"GET /:media": 1}


def test_usage_that_is_told_per_cent_shuts_the_window(threads: Threads) -> None:
    now = datetime.now(UTC)
    row = '{"type":"threads","call_count":100,"estimated_time_to_regain_access":5}'
    headers = {"x-business-use-case-usage": f'{{"1":[{row}]}}'}
    (told,) = threads.observe("GET /me", headers, now)
    assert (told.bucket_key, told.remaining) == ("calls", 0)
    assert told.resets_at == now + timedelta(minutes=5)


# ------------------------------------------------------------------ reconciliation


def row(**changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=30)
    facts = {
        "id": POST,
        "text": "Hi  there",
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "media_type": "TEXT_POST",
        "permalink": WHERE,
        "is_quote_post": False,
    }
    return {**facts, **changes}


def looking(threads: Threads, job: Jobs, ago_s: float = 40, **more: Any) -> PublishJob:
    sent = datetime.now(UTC) - timedelta(seconds=ago_s)
    return with_container(threads, job("Hi there", first_sent_at=sent, **more))


@pytest.mark.parametrize("status", ["FINISHED", "IN_PROGRESS", "ERROR", "EXPIRED"])
def test_a_container_that_is_not_published_is_no_post(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api, status: str
) -> None:
    state(api, BOX, status)
    look = threads.look(looking(threads, job), client)
    assert look.sighting is Sighting.ABSENT
    assert status in look.evidence
    # Two such looks are so far apart as Threads advises.
    first, second, *_ = threads.spec.look_after_s
    assert second - first >= 30


def test_a_published_container_is_a_post_and_the_list_tells_which(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api
) -> None:
    state(api, BOX, "PUBLISHED")
    rows = [
        row(id="1", text="Else"),
        row(id="2", media_type="CAROUSEL_ALBUM"),
        row(id="3", timestamp="2020-01-01T00:00:00+0000"),
        row(id="4"),
        row(id="5", is_quote_post=True),
        row(id="6", media_type="REPOST_FACADE"),
        row(media_type="NEVER_HEARD_OF"),
        row(id="7", text=None),
    ]
    api.get(LIST, json={"data": rows})
    now = looking(threads, job, taken=frozenset({"4"}))
    look = threads.look(now, client)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert (look.remote.external_id, look.remote.permalink) == (POST, WHERE)
    query = parse_qs(urlsplit(str(api.calls[-1].request.url)).query)
    assert now.first_sent_at is not None
    assert query["since"] == [str(int(now.first_sent_at.timestamp() - 120))]
    # The same road for a step that finds its container published.
    result = threads.next_step(now, client).run()
    assert result.witness == {"media_id": POST}


@pytest.mark.parametrize(
    ("ago_s", "sighting"), [(40, Sighting.CANNOT_TELL), (140, Sighting.FOUND)]
)
def test_a_published_container_whose_post_is_not_listed_is_never_repeated(
    threads: Threads,
    client: ThreadsClient,
    job: Jobs,
    api: Api,
    ago_s: float,
    sighting: Sighting,
) -> None:
    state(api, BOX, "PUBLISHED")
    api.get(LIST, json={"data": []})
    look = threads.look(looking(threads, job, ago_s), client)
    assert look.sighting is sighting
    assert not look.safe_to_repeat
    # The container's id is none by which the post could be read, or deleted.
    assert look.remote is None or not is_id(look.remote.external_id)


def test_a_container_that_is_gone_leaves_the_list_to_tell(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api
) -> None:
    api.get(f"{API}/{BOX}", json=GONE, status=400)
    api.get(LIST, json={"data": [row()]})
    now = looking(threads, job)
    assert threads.look(now, client).sighting is Sighting.FOUND
    last = {**now.witness, "polls:container": MAX_POLLS_UNKNOWN - 1}
    step = threads.next_step(replace(now, witness=last), client)
    assert step.run().witness == {"media_id": POST}
    api.replace(responses.GET, LIST, json={"data": []})
    assert threads.look(now, client).sighting is Sighting.ABSENT
    more = {"cursors": {"after": "x"}, "next": "https://graph.threads.net/y"}
    api.replace(responses.GET, LIST, json={"data": [], "paging": more})
    assert threads.look(now, client).sighting is Sighting.CANNOT_TELL


def test_a_post_whose_id_was_told_is_found_without_a_search(
    threads: Threads, client: ThreadsClient, job: Jobs, api: Api
) -> None:
    api.get(f"{API}/{POST}", json={"id": POST, "permalink": WHERE})
    now = job("Hi there", witness={"media_id": POST})
    assert threads.look(now, client).sighting is Sighting.FOUND
    assert len(api.calls) == 1
