import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses

from platforms.base import (
    Draft,
    Level,
    MediaFile,
    PublishJob,
    Sighting,
    StepKind,
    StepResult,
)
from platforms.errors import AmbiguousOutcome, Cause, Outcome, PlatformError
from platforms.tiktok.client import TikTokClient
from platforms.tiktok.media import plan
from platforms.tiktok.publish import TikTok, utf16
from platforms.tiktok.spec import PART_BYTES

from .conftest import API, answer, draft, photo, refusal, video
from .test_tiktok_client import (
    CONTENT_INIT,
    CREATOR,
    CREATOR_INFO,
    QUERY,
    STATUS,
    UPLOAD,
    VIDEO_INIT,
)

LIST = API + "/v2/video/list/"
Jobs = Callable[..., PublishJob]
BEGUN = answer(publish_id="v_pub_file~1", upload_url=UPLOAD)


def findings(tiktok: TikTok, draft: Draft, **limits: Any) -> set[tuple[str, str]]:
    found = tiktok.check(draft, limits=limits)
    return {(f.field, f.cause) for f in found if f.level is Level.REFUSED}


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"text": "😀" * 1100}, set()),
        ({"text": "😀" * 1101}, {("text", "text_too_long")}),
        ({"privacy_level": None}, {("option:privacy_level", "option_missing")}),
        ({"privacy_level": "FRIENDS"}, {("option:privacy_level", "option_unknown")}),
        (
            {"privacy_level": "SELF_ONLY", "paid_partnership": True},
            {("option:paid_partnership", "option_unknown")},
        ),
        ({"paid_partnership": True}, set()),
        ({"cover_at": "11,5"}, set()),
        ({"cover_at": "12.5"}, {("option:cover_at", "option_unknown")}),
        ({"cover_at": "nan"}, {("option:cover_at", "option_unknown")}),
    ],
)
def test_what_a_video_may_say(
    tiktok: TikTok, changes: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert findings(tiktok, draft(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"size_bytes": 4_000_000_001}, "video_too_large"),
        ({"mime_type": "video/x-msvideo"}, "media_type"),
        ({"video_codec": "av1"}, "video_codec"),
        ({"frame_rate": 22.0}, "video_frame_rate"),
        ({"frame_rate": 61.0}, "video_frame_rate"),
        ({"width": 359}, "video_too_few_pixels"),
        ({"height": 4097}, "video_too_many_pixels"),
        ({"duration_s": 301.0}, "video_too_long"),
        ({"duration_s": 2.0}, "video_too_short"),
    ],
)
def test_what_a_video_may_be(
    tiktok: TikTok, changes: dict[str, Any], cause: str
) -> None:
    found = findings(tiktok, draft(video(**changes)), max_video_s=300)
    assert found == {("media:1", cause)}


def test_no_creators_right_is_longer_than_a_developers(tiktok: TikTok) -> None:
    long = draft(video(duration_s=601.0))
    assert findings(tiktok, long, max_video_s=3600) == {("media:1", "video_too_long")}


@pytest.mark.trap("tiktok", 12)
@pytest.mark.parametrize(
    ("files", "changes", "expected"),
    [
        ([photo(n) for n in range(35)], {"text": "x" * 4000, "title": "t" * 90}, set()),
        ([photo(n) for n in range(36)], {}, {("media", "too_many_media")}),
        ([photo()], {"text": "x" * 4001}, {("text", "text_too_long")}),
        ([photo()], {"title": "😀" * 46}, {("option:title", "option_too_long")}),
        ([photo()], {"title": "t" * 91}, {("option:title", "option_too_long")}),
        ([photo()], {"cover_photo": "2"}, {("option:cover_photo", "option_unknown")}),
        ([photo(), photo(2)], {"cover_photo": "2"}, set()),
        ([photo(mime_type="image/png")], {}, {("media:1", "media_type")}),
        ([photo(width=1921)], {}, {("media:1", "media_too_large")}),
        ([photo(size_bytes=20_000_001)], {}, {("media:1", "media_too_large")}),
        ([photo(public_url="")], {}, {("media", "media_not_public")}),
        ([photo(), video()], {}, {("media", "media_mixed")}),
    ],
)
def test_what_a_photo_post_may_be(
    tiktok: TikTok,
    files: list[MediaFile],
    changes: dict[str, Any],
    expected: set[tuple[str, str]],
) -> None:
    assert findings(tiktok, draft(*files, **changes)) == expected


def test_what_the_creator_keeps_off_is_said(tiktok: TikTok) -> None:
    found = tiktok.check(
        draft(allow_duet=True, allow_comment=True), limits={"duet_disabled": True}
    )
    assert [(f.level, f.field) for f in found] == [(Level.WARNING, "option:allow_duet")]


def test_nothing_is_chosen_for_a_person(tiktok: TikTok) -> None:
    options = tiktok.spec.options_by_key
    assert options["privacy_level"].default is None
    assert options["privacy_level"].required
    others = [o.default for key, o in options.items() if key.startswith("allow_")]
    assert others == [False] * 3


@pytest.mark.trap("tiktok", 11)
@pytest.mark.parametrize(
    "size",
    [1, 4_194_304, 19_999_999, 50_000_123, 64_000_000, 64_000_001, 2**32],
)
def test_parts_are_as_tiktok_wants_them(size: int) -> None:
    part, count = plan(size)
    last = size - part * (count - 1)
    assert count == size // part
    assert 1 <= count <= 1_000
    if size < 5_000_000:
        assert (part, count) == (size, 1)
    else:
        assert 5_000_000 <= part <= 64_000_000
        assert part <= last <= 128_000_000
    # one part that is declared for more than 64 MB is refused
    assert count > 1 or size <= 64_000_000


def test_a_video_of_many_parts_ends_with_a_small_one() -> None:
    assert plan(50_000_123) == (5_000_000, 10)


# ------------------------------------------------------------------ a video in parts

SIZE = 3 * PART_BYTES + 5


def big() -> MediaFile:
    """Three parts; the bytes are made as they are read."""

    class Zeros:
        def seek(self, place: int) -> None: ...
        def read(self, size: int) -> bytes:
            return bytes(size)

        def __enter__(self) -> "Zeros":
            return self

        def __exit__(self, *facts: object) -> None: ...

    return video(SIZE, open=Zeros)


def run(
    tiktok: TikTok, client: TikTokClient, job: PublishJob, steps: int = 20
) -> tuple[list[str], PublishJob, StepResult]:
    """Until it waits, is published, or so many steps are done."""
    names = []
    for _ in range(steps):
        step = tiktok.next_step(job, client)
        names.append(step.name)
        result = step.run()
        witness = json.loads(json.dumps({**job.witness, **result.witness}))
        job = replace(job, witness=witness)
        if result.remote or result.wait_s:
            break
    return names, job, result


def body(api: responses.RequestsMock, url: str) -> dict[str, Any]:
    sent = [c.request for c in api.calls if c.request.url == url]
    found: dict[str, Any] = json.loads(sent[-1].body or "")
    return found


@pytest.mark.trap("tiktok", 10)
def test_a_video_goes_in_parts_and_the_last_one_is_the_commit(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(CREATOR, json=answer(**CREATOR_INFO))
    api.post(VIDEO_INIT, json=BEGUN)
    ranges: list[str] = []

    def put(request: Any) -> tuple[int, dict[str, str], str]:
        ranges.append(request.headers["Content-Range"])
        return (201 if len(ranges) == 3 else 206), {}, ""

    api.add_callback("PUT", UPLOAD, put)
    chosen = draft(big(), allow_stitch=True, allow_duet=True, cover_at="1.5")
    now = job(chosen)
    foretold = tiktok.calls_ahead(now, looking=False)
    names, now, result = run(tiktok, client, now)
    assert names == [
        "creator",
        "begin_video",
        "upload_video:1",
        "upload_video:2",
        "finish_video",
    ]
    assert ranges == [
        f"bytes 0-4999999/{SIZE}",
        f"bytes 5000000-9999999/{SIZE}",
        f"bytes 10000000-15000004/{SIZE}",
    ]
    assert foretold["PUT {upload_url}"] == 3
    assert body(api, VIDEO_INIT) == {
        "post_info": {
            "title": "Hello #cats",
            "privacy_level": "PUBLIC_TO_EVERYONE",
            "disable_comment": True,
            "disable_duet": False,
            "disable_stitch": True,  # the creator keeps it off
            "video_cover_timestamp_ms": 1500,
            "brand_content_toggle": False,
            "brand_organic_toggle": False,
            "is_aigc": False,
        },
        "source_info": {
            "source": "FILE_UPLOAD",
            "video_size": SIZE,
            "chunk_size": PART_BYTES,
            "total_chunk_count": 3,
        },
    }
    assert result.wait_s
    assert tiktok.is_out(now.witness)
    assert tiktok.next_step(now, client).name == "state"


def sending(sent: int, **changes: Any) -> dict[str, Any]:
    """The witness of an upload of `big` on its way."""
    now = datetime.now(UTC)
    upload = {
        "publish_id": "v_pub_file~1",
        "url": UPLOAD,
        "sha256": "ab" * 32,
        "ends_at": (now + timedelta(hours=1)).isoformat(),
        "part_bytes": PART_BYTES,
        "parts": 3,
        "sent": sent,
        **changes,
    }
    return {"upload": upload, "known": "v_pub_file~1", "asked": now.isoformat()}


def state(status: str, **more: Any) -> dict[str, Any]:
    return answer(**{"status": status, "fail_reason": "", **more})


@pytest.mark.parametrize(
    ("uploaded", "next_name"),
    [
        (2 * PART_BYTES, "finish_video"),
        (0, "upload_video:1"),
        (SIZE, "state"),
    ],
)
def test_bytes_that_are_not_the_next_ones_lead_to_the_question_which_are(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    uploaded: int,
    next_name: str,
) -> None:
    api.put(UPLOAD, status=416)
    api.post(STATUS, json=state("PROCESSING_UPLOAD", uploaded_bytes=uploaded))
    now = job(draft(big()), witness=sending(1))
    _names, now, _result = run(tiktok, client, now, steps=1)
    assert tiktok.next_step(now, client).name == next_name


@pytest.mark.parametrize("lost", [requests.ReadTimeout(), None])
def test_after_trouble_in_mid_file_the_state_tells_where_to_go_on(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    lost: Exception | None,
) -> None:
    api.put(UPLOAD, status=503, **({"body": lost} if lost else {}))
    now = job(draft(big()), witness=sending(0))
    with pytest.raises(PlatformError) as caught:
        tiktok.next_step(now, client).run()
    assert caught.value.outcome is Outcome.TRANSIENT
    assert caught.value.extra["forget"] == "known"
    now = replace(now, witness={**now.witness, "known": ""})
    api.post(STATUS, json=state("PROCESSING_UPLOAD", uploaded_bytes=PART_BYTES))
    names, now, _result = run(tiktok, client, now, steps=1)
    assert names == ["ask_video"]
    assert tiktok.next_step(now, client).name == "upload_video:2"


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("sent", [1, 2])
def test_an_upload_that_is_over_begins_anew_with_another_number(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    status: int,
    sent: int,
) -> None:
    api.put(UPLOAD, status=status)
    api.post(STATUS, json=state("PROCESSING_UPLOAD", uploaded_bytes=0))
    with pytest.raises(PlatformError) as caught:
        tiktok.next_step(job(draft(big()), witness=sending(sent)), client).run()
    assert caught.value.outcome is Outcome.TRANSIENT
    assert "upload" in caught.value.extra["forget"].split(",")


def test_an_upload_of_another_file_or_near_its_end_is_not_gone_on_with(
    tiktok: TikTok, client: TikTokClient, job: Jobs
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    for changes in ({"sha256": "cd" * 32}, {"ends_at": soon}):
        now = job(draft(big()), witness=sending(1, **changes))
        assert tiktok.next_step(now, client).name == "creator"


@pytest.mark.parametrize("lost", [requests.ReadTimeout(), None])
def test_a_lost_answer_to_the_last_part_is_resolved_by_the_state(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    lost: Exception | None,
) -> None:
    api.put(UPLOAD, status=502, **({"body": lost} if lost else {}))
    now = job(draft(big()), witness=sending(2))
    step = tiktok.next_step(now, client)
    assert (step.name, step.kind) == ("finish_video", StepKind.COMMIT)
    with pytest.raises(AmbiguousOutcome):
        step.run()
    now = replace(now, first_sent_at=datetime.now(UTC))
    # It had not arrived: the same bytes may be sent once more.
    api.post(STATUS, json=state("PROCESSING_UPLOAD", uploaded_bytes=2 * PART_BYTES))
    look = tiktok.look(now, client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, True)
    # TikTok is asked before they are.
    names, asked, _ = run(tiktok, client, now, steps=1)
    assert names == ["ask_video"]
    assert tiktok.next_step(asked, client).name == "finish_video"
    # It had arrived, and is being worked on: nothing is sent again.
    api.replace("POST", STATUS, json=state("PROCESSING_UPLOAD", uploaded_bytes=SIZE))
    look = tiktok.look(now, client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.CANNOT_TELL, True)
    names, asked, _ = run(tiktok, client, now, steps=1)
    assert names == ["ask_video"]
    assert tiktok.next_step(asked, client).name == "state"
    # It is out, and its number will come.
    api.replace("POST", STATUS, json=state("PUBLISH_COMPLETE"))
    look = tiktok.look(now, client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.CANNOT_TELL, True)
    # A post for few gets none, and after an hour nobody waits for one.
    late = replace(now, first_sent_at=datetime.now(UTC) - timedelta(hours=2))
    few = replace(now, draft=draft(big(), privacy_level="SELF_ONLY"))
    assert tiktok.look(few, client).sighting is Sighting.FOUND
    look = tiktok.look(late, client)
    assert look.sighting is Sighting.FOUND
    assert look.remote
    assert look.remote.external_id == "v_pub_file~1"


@pytest.mark.parametrize(
    ("uploaded", "names"),
    [(SIZE, ["ask_video", "state"]), (0, ["ask_video", "creator", "begin_video"])],
)
def test_an_upload_whose_hour_is_over_begins_anew_only_when_it_is_not_whole(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    uploaded: int,
    names: list[str],
) -> None:
    """Its last part left, the answer was lost, and then an hour passed."""
    now = datetime.now(UTC)
    witness = sending(2, ends_at=(now - timedelta(seconds=1)).isoformat())
    doubt = job(draft(big()), witness=witness, first_sent_at=datetime.now(UTC))
    api.post(STATUS, json=state("PROCESSING_UPLOAD", uploaded_bytes=uploaded))
    _names, asked, _ = run(tiktok, client, doubt, steps=1)
    found = ["ask_video", tiktok.next_step(asked, client).name]
    if found[-1] == "creator":
        creator = {"at": now.isoformat(), "username": "ana"}
        asked = replace(asked, witness={**asked.witness, "creator": creator})
        found.append(tiktok.next_step(asked, client).name)
    assert found == names


def test_a_video_can_be_fetched_by_tiktok_where_a_deployment_wants_that(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    tiktok.pull_videos = True
    assert findings(tiktok, draft(video(public_url=""))) == {
        ("media", "media_not_public")
    }
    api.post(CREATOR, json=answer(**CREATOR_INFO))
    api.post(VIDEO_INIT, json=answer(publish_id="v_pub_url~1"))
    names, now, _ = run(tiktok, client, job(draft()))
    assert names == ["creator", "publish"]
    assert body(api, VIDEO_INIT)["source_info"] == {
        "source": "PULL_FROM_URL",
        "video_url": "https://hub.example.com/media/public/a.mp4",
    }
    assert tiktok.is_out(now.witness)


# ------------------------------------------------------------------ photos


def test_photos_are_fetched_and_their_one_call_is_the_commit(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(CREATOR, json=answer(**CREATOR_INFO))
    api.post(CONTENT_INIT, json=answer(publish_id="p_pub_url~1"))
    chosen = draft(
        photo(1),
        photo(2),
        title=" Cats ",
        cover_photo="2",
        ai_generated=True,
        own_brand=True,
        add_music=True,
        allow_comment=True,
    )
    now = job(chosen)
    names, _now, result = run(tiktok, client, now)
    assert names == ["creator", "publish"]
    assert tiktok.next_step(replace(now, witness=_now.witness), client).name == "state"
    assert body(api, CONTENT_INIT) == {
        "media_type": "PHOTO",
        "post_mode": "DIRECT_POST",
        "is_aigc": True,
        "post_info": {
            "title": "Cats",
            "description": "Hello #cats",
            "privacy_level": "PUBLIC_TO_EVERYONE",
            "disable_comment": False,
            "auto_add_music": True,
            "brand_content_toggle": False,
            "brand_organic_toggle": True,
        },
        "source_info": {
            "source": "PULL_FROM_URL",
            "photo_cover_index": 1,
            "photo_images": [
                "https://hub.example.com/media/public/1.jpg",
                "https://hub.example.com/media/public/2.jpg",
            ],
        },
    }
    assert result.wait_s


@pytest.mark.parametrize(
    ("level", "info", "cause"),
    [
        ("SELF_ONLY", {}, None),
        ("MUTUAL_FOLLOW_FRIENDS", {}, Cause.OPTION_UNKNOWN),
        (None, {}, Cause.OPTION_MISSING),
        ("SELF_ONLY", {"max_video_post_duration_sec": 10}, Cause.VIDEO_TOO_LONG),
    ],
)
def test_choices_are_held_against_what_the_creator_may_right_now(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    level: str | None,
    info: dict[str, Any],
    cause: Cause | None,
) -> None:
    api.post(CREATOR, json=answer(**{**CREATOR_INFO, **info}))
    step = tiktok.next_step(job(draft(privacy_level=level)), client)
    if cause is None:
        assert step.run().witness["creator"]["username"] == "ada_l"
        return
    with pytest.raises(PlatformError) as caught:
        step.run()
    assert caught.value.cause is cause


@pytest.mark.trap("tiktok", 4)
@pytest.mark.trap("tiktok", 15)
def test_the_days_cap_comes_with_200_and_holds_the_post(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(CREATOR, json=refusal("spam_risk_too_many_posts"))
    with pytest.raises(PlatformError) as caught:
        tiktok.next_step(job(draft()), client).run()
    assert caught.value.outcome is Outcome.RATE_LIMITED


# ------------------------------------------------------------------ what became of it


def out(age: timedelta = timedelta(), **more: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) - age).isoformat()
    return {"publish": {"publish_id": "v_pub_file~1", "at": at}, **more}


def test_a_public_post_has_a_number_and_tiktoks_own_address(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    done = state("PUBLISH_COMPLETE", publicaly_available_post_id=[7381])
    api.post(STATUS, json=done)
    link = "https://www.tiktok.com/@ada_l/video/7381?utm=1"
    row = {"id": "7381", "share_url": link, "create_time": 1763800000}
    api.post(QUERY, json=answer(videos=[row]))
    names, now, result = run(tiktok, client, job(draft(), witness=out()))
    assert names == ["state", "permalink"]
    assert result.remote
    assert result.remote.permalink == link
    assert result.remote.external_id == "7381"
    ahead = tiktok.calls_ahead(now, looking=False)
    assert ahead == {"POST /v2/video/query/": 1}


@pytest.mark.parametrize(
    ("files", "path"), [((), "video/7381"), ((photo(),), "photo/7381")]
)
def test_without_the_right_to_list_the_address_is_built(
    tiktok: TikTok,
    client_for: Callable[..., TikTokClient],
    job: Jobs,
    api: responses.RequestsMock,
    files: tuple[MediaFile, ...],
    path: str,
) -> None:
    client = client_for(scopes=("video.publish",))
    done = state("PUBLISH_COMPLETE", publicaly_available_post_id=[7381])
    api.post(STATUS, json=done)
    witness = out(creator={"username": "ada.new"})
    _, _, result = run(tiktok, client, job(draft(*files), witness=witness))
    assert result.remote
    assert result.remote.permalink == f"https://www.tiktok.com/@ada.new/{path}"


@pytest.mark.trap("tiktok", 9)
def test_a_post_for_few_is_published_without_a_link(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    done = state("PUBLISH_COMPLETE", publicaly_available_post_id=[])
    api.post(STATUS, json=done)
    now = job(draft(privacy_level="SELF_ONLY"), witness=out())
    _, _, result = run(tiktok, client, now)
    assert result.remote
    assert (result.remote.external_id, result.remote.permalink) == ("v_pub_file~1", "")
    # A public one is waited for, and in the end has none either.
    _, now, result = run(tiktok, client, job(draft(), witness=out()))
    assert result.wait_s == 10
    late = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    _, _, result = run(tiktok, client, job(draft(), witness=out(complete_at=late)))
    assert result.remote
    assert result.remote.permalink == ""


@pytest.mark.trap("tiktok", 10)
@pytest.mark.parametrize(
    ("age", "polls", "wait_s"),
    [
        (timedelta(seconds=5), 0, 10),
        (timedelta(minutes=1), 2, 30),
        (timedelta(minutes=30), 40, 60),
        (timedelta(hours=2), 90, 300),
    ],
)
def test_what_stays_in_processing_is_asked_for_ever_less(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    age: timedelta,
    polls: int,
    wait_s: float,
) -> None:
    api.post(STATUS, json=state("PROCESSING_DOWNLOAD", downloaded_bytes=5))
    now = job(draft(), witness=out(age, polls=polls))
    _, _, result = run(tiktok, client, now)
    assert result.wait_s == wait_s


@pytest.mark.trap("tiktok", 10)
def test_after_a_day_a_person_has_to_look_and_nothing_begins_anew(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(STATUS, json=state("PROCESSING_UPLOAD"))
    with pytest.raises(PlatformError) as caught:
        run(tiktok, client, job(draft(), witness=out(timedelta(hours=25))))
    assert caught.value.cause is Cause.MEDIA_NOT_READY
    assert "forget" not in caught.value.extra


@pytest.mark.parametrize("status", [429, 503])
def test_trouble_with_the_question_does_not_touch_what_is_out(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    status: int,
) -> None:
    api.post(STATUS, json={}, status=status)
    _, _, result = run(tiktok, client, job(draft(), witness=out()))
    assert result.wait_s == 60


@pytest.mark.parametrize(
    ("reason", "outcome", "cause"),
    [
        ("file_format_check_failed", Outcome.INVALID_CONTENT, Cause.MEDIA_TYPE),
        ("duration_check_failed", Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
        ("frame_rate_check_failed", Outcome.INVALID_CONTENT, Cause.VIDEO_FRAME_RATE),
        ("picture_size_check_failed", Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
        ("internal", Outcome.TRANSIENT, Cause.PLATFORM_TROUBLE),
        ("publish_cancelled", Outcome.INVALID_CONTENT, Cause.UNKNOWN_REFUSAL),
        ("auth_removed", Outcome.AUTH_REVOKED, Cause.TOKEN_REVOKED),
        ("spam_risk_too_many_posts", Outcome.RATE_LIMITED, Cause.DAILY_LIMIT),
        (
            "spam_risk_user_banned_from_posting",
            Outcome.PERMISSION,
            Cause.ACCOUNT_SUSPENDED,
        ),
        ("spam_risk_text", Outcome.INVALID_CONTENT, Cause.TEXT_REFUSED),
        ("spam_risk", Outcome.INVALID_CONTENT, Cause.TEXT_REFUSED),
    ],
)
def test_each_reason_of_a_failure_has_one_meaning_and_a_new_try_begins_anew(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    reason: str,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(STATUS, json=state("FAILED", fail_reason=reason))
    now = job(draft(), witness={**sending(2), **out()})
    with pytest.raises(PlatformError) as caught:
        run(tiktok, client, now)
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
    forget = caught.value.extra["forget"].split(",")
    left = {k: v for k, v in now.witness.items() if k not in forget}
    assert tiktok.next_step(replace(now, witness=left), client).name == "creator"


def test_what_could_not_be_fetched_is_tried_three_times(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(STATUS, json=state("FAILED", fail_reason="photo_pull_failed"))
    _, now, result = run(tiktok, client, job(draft(photo()), witness=out()))
    assert result.wait_s
    assert tiktok.next_step(now, client).name == "creator"
    with pytest.raises(PlatformError) as caught:
        run(tiktok, client, job(draft(photo()), witness=out(tries=2)))
    assert caught.value.permanent
    assert caught.value.cause is Cause.MEDIA_NOT_PUBLIC


# ------------------------------------------------------------------ a lost answer

SENT_AT = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)


def listed(**changes: Any) -> dict[str, Any]:
    return {
        "id": "7381",
        "create_time": int(SENT_AT.timestamp()) - 30,
        "video_description": "Hello #cats",
        "title": "",
        "duration": 12,
        "share_url": "https://www.tiktok.com/@ada_l/video/7381",
        **changes,
    }


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (listed(), True),
        (listed(video_description="", title="Hello #cats"), True),
        (listed(create_time=int(SENT_AT.timestamp()) - 90), False),
        (listed(video_description="Hello #dogs"), False),
        (listed(duration=15), False),
        (listed(id="9999"), False),
    ],
)
def test_a_public_post_whose_number_was_lost_is_found_by_its_text(
    tiktok: TikTok,
    client: TikTokClient,
    job: Jobs,
    api: responses.RequestsMock,
    row: dict[str, Any],
    found: bool,
) -> None:
    tiktok.pull_videos = True
    api.post(LIST, json=answer(videos=[row], cursor=5, has_more=False))
    now = job(draft(), first_sent_at=SENT_AT, taken=frozenset({"9999"}))
    look = tiktok.look(now, client)
    # Nothing tells that there is none: it may be in moderation.
    wanted = Sighting.FOUND if found else Sighting.CANNOT_TELL
    assert (look.sighting, look.safe_to_repeat) == (wanted, False)
    if found:
        assert look.remote
        assert look.remote.external_id == "7381"


def test_long_texts_are_compared_as_far_as_they_are_listed(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    text = "word " * 100
    row = listed(video_description=text[:150])
    pages = [
        answer(videos=[listed(id="1", video_description="x")], cursor=7, has_more=True),
        answer(videos=[row], cursor=9, has_more=False),
    ]
    for page in pages:
        api.post(LIST, json=page)
    now = job(draft(photo(), text=text), first_sent_at=SENT_AT)
    look = tiktok.look(now, client)
    assert look.sighting is Sighting.FOUND
    assert body(api, api.calls[1].request.url or "") == {"max_count": 20, "cursor": 7}


@pytest.mark.parametrize("level", ["SELF_ONLY", "MUTUAL_FOLLOW_FRIENDS"])
def test_a_post_for_few_whose_number_was_lost_is_for_a_person_to_tell(
    tiktok: TikTok, client: TikTokClient, job: Jobs, level: str
) -> None:
    now = job(draft(photo(), privacy_level=level), first_sent_at=SENT_AT)
    look = tiktok.look(now, client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.CANNOT_TELL, False)
    assert not client.http.log


def test_a_lost_answer_to_photos_is_ambiguous(
    tiktok: TikTok, client: TikTokClient, job: Jobs, api: responses.RequestsMock
) -> None:
    api.post(CONTENT_INIT, body=requests.ReadTimeout())
    ready = {"creator": {"at": datetime.now(UTC).isoformat(), "username": "ada_l"}}
    step = tiktok.next_step(job(draft(photo()), witness=ready), client)
    assert step.kind is StepKind.COMMIT
    with pytest.raises(AmbiguousOutcome):
        step.run()


def test_units_are_counted_as_tiktok_counts() -> None:
    assert [utf16(text) for text in ("a", "ß", "😀", "\ud800")] == [1, 1, 2, 1]
