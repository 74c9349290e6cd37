"""A video on its way to YouTube, in parts, with answers that are lost."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

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
)
from platforms.errors import Cause, Outcome, PlatformError
from platforms.youtube import media
from platforms.youtube.client import YouTubeClient
from platforms.youtube.publish import YouTube, is_short, tags_length
from platforms.youtube.spec import GRAIN, LAST_BYTES, PART_BYTES

from .conftest import BYTES, OPTIONS

V3 = "https://www.googleapis.com/youtube/v3"
UPLOAD = "https://www.googleapis.com/upload/youtube/v3"
SESSION = f"{UPLOAD}/videos?uploadType=resumable&part=snippet,status&upload_id="
PART = 1000
Reply = tuple[int, dict[str, str], str]
Words = dict[str, Any]


class Google:
    """The other side, as the sheet tells of it; only what these tests ask for."""

    def __init__(self, api: responses.RequestsMock) -> None:
        self.api = api
        self.begun: list[requests.PreparedRequest] = []
        self.held = b""
        self.is_over = False
        self.is_finished = False
        #: answers instead of the usual ones to the next PUTs: a Reply, or what is raised
        self.next: list[Reply | Exception | None] = []
        self.puts: list[str] = []
        self.states = ["processed"]
        self.privacy = "public"
        self.more: dict[str, Any] = {}
        api.assert_all_requests_are_fired = False
        api.add_callback("POST", f"{UPLOAD}/videos", self.begin)
        api.add_callback("PUT", re.compile(re.escape(f"{UPLOAD}/videos")), self.put)
        api.add_callback("GET", f"{V3}/videos", self.video)

    def begin(self, request: Any) -> Reply:
        self.begun.append(request)
        self.held, self.is_over = b"", False
        return 200, {"Location": f"{SESSION}{len(self.begun)}"}, ""

    def put(self, request: Any) -> Reply:
        told = request.headers["Content-Range"]
        self.puts.append(told)
        assert request.headers["Authorization"] == "Bearer test-access-token"
        body = request.body or b""
        body = body if isinstance(body, bytes) else body.read()
        assert request.headers["Content-Length"] == str(len(body))
        ours = self.next.pop(0) if self.next else None
        if isinstance(ours, tuple):
            return ours
        if request.url != f"{SESSION}{len(self.begun)}" or self.is_over:
            return 404, {}, "Not Found"
        found = re.fullmatch(r"bytes (\d+)-(\d+)/\d+", told)
        if found and int(found[1]) == len(self.held):
            assert len(body) == int(found[2]) - int(found[1]) + 1
            self.held += body
            self.is_finished = len(self.held) == len(BYTES)
        if isinstance(ours, Exception):
            raise ours
        return self.state()

    def state(self) -> Reply:
        if self.is_finished:
            snippet = {"publishedAt": "2026-11-22T10:11:12Z", "description": "Text"}
            return 201, {}, json.dumps({"id": "v1", "snippet": snippet})
        held = len(self.held)
        return 308, {"Range": f"bytes=0-{held - 1}"} if held else {}, ""

    def video(self, _request: Any) -> Reply:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        status = {"uploadStatus": state, "privacyStatus": self.privacy, **self.more}
        rows = [{"id": "v1", "status": status}] if state else []
        return 200, {}, json.dumps({"kind": "youtube#videoListResponse", "items": rows})


@pytest.fixture
def google(api: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> Google:
    monkeypatch.setattr(media, "PART_BYTES", PART)
    monkeypatch.setattr(media, "GRAIN", 1)
    return Google(api)


Run = Callable[[PublishJob], tuple[list[str], PublishJob, Any]]


@pytest.fixture
def run(youtube: YouTube, client: YouTubeClient) -> Run:
    """Steps to the end or to the first refusal: names, the job then, and the result."""

    def go(job: PublishJob) -> tuple[list[str], PublishJob, Any]:
        names = []
        for _ in range(30):
            step = youtube.next_step(job, client)
            names.append(step.name)
            try:
                result = step.run()
            except PlatformError as error:
                gone = error.extra.get("forget", "").split(",")
                left = {k: v for k, v in job.witness.items() if k not in gone}
                return names, replace(job, witness=left), error
            witness = json.loads(json.dumps({**job.witness, **result.witness}))
            job = replace(job, witness=witness)
            if result.remote or result.wait_s:
                return names, job, result
        raise AssertionError("no end")

    return go


def test_a_video_goes_in_parts_and_the_last_one_commits(
    google: Google, run: Run, job: Callable[..., PublishJob], youtube: YouTube
) -> None:
    names, now, result = run(job())
    assert names == [
        "begin_video:1",
        "upload_video:1:1",
        "upload_video:1:2",
        "finish_video:1",
        "processing",
    ]
    assert google.puts == [
        "bytes 0-999/2560",
        "bytes 1000-1999/2560",
        "bytes 2000-2559/2560",
    ]
    assert google.held == BYTES
    remote = result.remote
    assert remote.external_id == "v1"
    assert remote.permalink == "https://www.youtube.com/watch?v=v1"
    assert remote.published_at == datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
    assert remote.extra == {}
    assert youtube.is_out(now.witness)
    assert not youtube.is_out(job().witness)


def test_a_session_is_opened_with_all_that_was_chosen(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    options = {
        "privacy": "unlisted",
        "made_for_kids": "yes",
        "category": "27",
        "tags": ["a", "b c", " "],
        "notify": False,
        "synthetic": True,
    }
    run(job(options=options))
    (request,) = google.begun
    assert json.loads(request.body or b"") == {
        "snippet": {
            "title": "My title",
            "description": "Text",
            "categoryId": "27",
            "tags": ["a", "b c"],
        },
        "status": {
            "privacyStatus": "unlisted",
            "selfDeclaredMadeForKids": True,
            "containsSyntheticMedia": True,
        },
    }
    params = request.params  # type: ignore[attr-defined]
    assert params == {
        "uploadType": "resumable",
        "part": "snippet,status",
        "notifySubscribers": "false",
    }
    assert request.headers["X-Upload-Content-Length"] == "2560"
    assert request.headers["X-Upload-Content-Type"] == "video/mp4"
    assert request.headers["Slug"] == f"socialhub-{'0' * 32}.mp4"


def test_licence_embedding_figures_and_the_day_go_along(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    options = {
        "license": "creativeCommon",
        "no_embedding": True,
        "hide_stats": True,
        "recorded_on": "2026-10-01",
    }
    run(job(options=options))
    (request,) = google.begun
    body = json.loads(request.body or b"")
    assert body["status"] == {
        "privacyStatus": "public",
        "selfDeclaredMadeForKids": False,
        "containsSyntheticMedia": False,
        "license": "creativeCommon",
        "embeddable": False,
        "publicStatsViewable": False,
    }
    assert body["recordingDetails"] == {"recordingDate": "2026-10-01T00:00:00Z"}
    # A part that is set and not named is refused.
    assert request.params["part"] == "recordingDetails,snippet,status"  # type: ignore[attr-defined]


@pytest.mark.trap("youtube", 9)
def test_what_nobody_chose_is_public_and_said_so(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    """Without a word it would be public as well, and for everybody (trap 9)."""
    run(job())
    status = json.loads(google.begun[0].body or b"")["status"]
    assert status["privacyStatus"] == "public"
    assert status["selfDeclaredMadeForKids"] is False


def test_parts_are_of_the_size_that_google_wants() -> None:
    assert PART_BYTES % GRAIN == 0
    assert GRAIN == 262_144


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.trap("youtube", 11)
@pytest.mark.parametrize("lost", [(503, {}, "no JSON"), requests.ConnectionError()])
def test_after_a_lost_part_the_session_is_asked_before_anything_is_sent(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    lost: Reply | Exception,
) -> None:
    """The part may be there or not: only its word counts (trap 11)."""
    google.next = [None, lost]
    names, now, error = run(job())
    assert names[-1] == "upload_video:1:2"
    assert error.outcome is Outcome.TRANSIENT
    names, now, result = run(now)
    assert names[0] == "ask_video:1"
    assert google.puts[2] == "bytes */2560"
    assert len(google.begun) == 1
    assert google.held == BYTES
    assert result.remote.external_id == "v1"


@pytest.mark.trap("youtube", 10)
@pytest.mark.trap("youtube", 11)
@pytest.mark.parametrize("kept", [400, 0])
def test_the_session_may_keep_less_than_was_sent(
    google: Google, run: Run, job: Callable[..., PublishJob], kept: int
) -> None:
    told = {"Range": f"bytes=0-{kept - 1}"} if kept else {}
    google.next = [(308, told, "")]
    _names, now, result = run(job())
    if not kept:  # nothing moved: it comes again after a while
        assert result.outcome is Outcome.TRANSIENT
        _names, _now, result = run(now)
    else:
        google.held = BYTES[:kept]
    assert google.puts[1].startswith("bytes 400-" if kept else "bytes */")


def test_a_part_that_was_sent_before_the_process_ended_is_not_kept_twice(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
) -> None:
    start = job()
    witness = youtube.next_step(start, client).run().witness
    now = replace(start, witness=witness)
    youtube.next_step(now, client).run()
    run(now)
    assert google.held == BYTES


@pytest.mark.trap("youtube", 10)
def test_another_address_that_the_session_names_is_used(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
) -> None:
    now = replace(job(), witness=dict(youtube.next_step(job(), client).run().witness))
    google.next = [(308, {"Range": "bytes=0-999", "Location": f"{SESSION}9"}, "")]
    result = youtube.next_step(now, client).run()
    assert result.witness["session"]["url"] == f"{SESSION}9"
    assert result.witness["sure"] == f"{SESSION}9"
    # A library that follows it would have sent the part there as well.
    assert len(google.puts) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_over_means_a_new_one_from_the_first_byte(
    google: Google, run: Run, job: Callable[..., PublishJob], status: int
) -> None:
    google.next = [None, (status, {}, "")]
    _names, now, error = run(job())
    assert (error.outcome, error.cause) == (Outcome.TRANSIENT, Cause.MEDIA_EXPIRED)
    assert "session" not in now.witness
    names, _now, result = run(now)
    assert names[0] == "begin_video:1"
    assert len(google.begun) == 2
    assert result.remote.external_id == "v1"


def test_sessions_are_not_opened_without_end(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    now, error = job(), None
    for _ in range(media.MAX_SESSIONS):
        google.next = [(404, {}, "")]
        _names, now, error = run(now)
    assert isinstance(error, PlatformError)
    assert (error.outcome, error.cause) == (
        Outcome.INVALID_CONTENT,
        Cause.MEDIA_REFUSED,
    )


def test_a_token_that_ends_in_mid_file_does_not_end_the_session(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    row = {"reason": "authError", "domain": "global", "message": "Invalid Credentials"}
    body = json.dumps({"error": {"code": 401, "message": "", "errors": [row]}})
    google.next = [None, (401, {}, body)]
    _names, now, error = run(job())
    assert error.outcome is Outcome.AUTH_EXPIRED
    _names, _now, result = run(now)
    assert len(google.begun) == 1
    assert result.remote.external_id == "v1"


@pytest.mark.parametrize("change", [{"title": "Another"}, {"notify": False}])
def test_another_wording_is_another_session(
    google: Google,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
    change: Words,
) -> None:
    """What a session was opened with cannot be changed."""
    now = replace(job(), witness=dict(youtube.next_step(job(), client).run().witness))
    assert youtube.next_step(now, client).kind is StepKind.RESUMABLE
    options = {**OPTIONS, **change}
    changed = replace(now, draft=replace(now.draft, options=options))
    assert youtube.next_step(changed, client).name == "begin_video:1"


def test_an_old_session_is_not_gone_on_with(
    google: Google,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
) -> None:
    witness = dict(youtube.next_step(job(), client).run().witness)
    ended = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    witness["session"] = {**witness["session"], "ends_at": ended}
    now = replace(job(), witness=witness)
    assert youtube.next_step(now, client).name == "begin_video:1"


@pytest.mark.parametrize(
    "address", ["https://evil.example/x", "http://www.googleapis.com.evil.example/"]
)
def test_no_token_goes_to_a_foreign_address(
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
    address: str,
) -> None:
    api.post(f"{UPLOAD}/videos", headers={"Location": address})
    with pytest.raises(PlatformError) as caught:
        youtube.next_step(job(), client).run()
    assert caught.value.cause is Cause.ADDRESS_REFUSED


# ---------------------------------------------------------------- the commit


def lost_commit(
    google: Google, run: Run, job: Callable[..., PublishJob], *, arrived: bool
) -> PublishJob:
    """The last part left, and its answer was lost."""
    gone: Reply | Exception = requests.ConnectionError() if arrived else (503, {}, "")
    google.next = [None, None, gone]
    names, now, error = run(job())
    assert names[-1] == "finish_video:1"
    assert error.outcome is Outcome.AMBIGUOUS
    assert google.is_finished is arrived
    return replace(now, first_sent_at=datetime.now(UTC))


def test_the_session_tells_of_a_lost_answer_that_the_video_is_there(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
) -> None:
    now = lost_commit(google, run, job, arrived=True)
    look = youtube.look(now, client)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert look.remote.external_id == "v1"


def test_the_session_tells_that_the_last_part_never_arrived(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
) -> None:
    now = lost_commit(google, run, job, arrived=False)
    look = youtube.look(now, client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, True)
    _names, _now, result = run(now)
    assert len(google.begun) == 1
    assert result.remote.external_id == "v1"


def test_a_commit_that_is_repeated_asks_first(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    """It may arrive between the look and the repetition."""
    now = lost_commit(google, run, job, arrived=False)
    google.held, google.is_finished = BYTES, True
    before = len(google.puts)
    _names, _now, result = run(now)
    assert result.remote.external_id == "v1"
    assert google.puts[before:] == ["bytes */2560"]


def item(video_id: str, at: str) -> Words:
    resource = {"kind": "youtube#video", "videoId": video_id}
    snippet = {"publishedAt": at, "resourceId": resource}
    return {"snippet": snippet, "contentDetails": {"videoId": video_id}}


def uploads(api: responses.RequestsMock, *rows: Words, **more: Any) -> None:
    api.get(
        f"{V3}/playlistItems",
        json={"kind": "youtube#playlistItemListResponse", "items": list(rows), **more},
    )


SOON = "2126-11-22T10:11:12Z"


@pytest.mark.parametrize(
    ("details", "title", "sighting"),
    [
        ({"fileName": f"socialhub-{'0' * 32}.mp4"}, "Whatever", Sighting.FOUND),
        (
            {"fileName": f"socialhub-{'1' * 32}.mp4", "fileSize": "2560"},
            "My title",
            Sighting.ABSENT,
        ),
        ({"fileSize": "2560"}, "My title", Sighting.FOUND),
        ({"fileSize": "2561"}, "My title", Sighting.ABSENT),
        ({}, "Another", Sighting.ABSENT),
    ],
)
def test_when_the_session_is_over_the_list_of_uploads_tells(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
    api: responses.RequestsMock,
    details: Words,
    title: str,
    sighting: Sighting,
) -> None:
    now = lost_commit(google, run, job, arrived=True)
    google.is_over = True
    uploads(api, item("v2", SOON), item("v0", "2020-01-01T00:00:00Z"))
    snippet = {"title": title, "description": "Text", "publishedAt": SOON}
    row = {"id": "v2", "snippet": snippet, "fileDetails": details}
    videos = {"kind": "youtube#videoListResponse", "items": [row]}
    api.replace(responses.GET, f"{V3}/videos", json=videos)
    look = youtube.look(now, client)
    assert look.sighting is sighting
    assert not look.safe_to_repeat
    request = api.calls[-2].request
    assert request.params["playlistId"] == "UUabc123"  # type: ignore[attr-defined]
    if sighting is Sighting.FOUND:
        taken = replace(now, taken=frozenset({"v2"}))
        assert youtube.look(taken, client).sighting is Sighting.ABSENT


@pytest.mark.trap("youtube", 18)
def test_details_that_only_the_owner_may_read_leave_it_to_a_person(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
    api: responses.RequestsMock,
) -> None:
    """The token is another channel's: an error would be asked for without end."""
    now = lost_commit(google, run, job, arrived=True)
    google.is_over = True
    uploads(api, item("v2", SOON))
    errors = [{"reason": "forbidden", "domain": "youtube.video", "message": ""}]
    body = {"error": {"code": 403, "message": "", "errors": errors}}
    api.replace(responses.GET, f"{V3}/videos", json=body, status=403)
    assert youtube.look(now, client).sighting is Sighting.CANNOT_TELL


@pytest.mark.trap("youtube", 18)
@pytest.mark.parametrize(
    ("status", "reason", "sighting"),
    [
        (404, "playlistNotFound", Sighting.ABSENT),
        (403, "insufficientPermissions", Sighting.CANNOT_TELL),
    ],
)
def test_a_list_that_is_not_there_or_not_for_us(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
    api: responses.RequestsMock,
    status: int,
    reason: str,
    sighting: Sighting,
) -> None:
    now = lost_commit(google, run, job, arrived=True)
    google.is_over = True
    errors = [{"reason": reason, "domain": "youtube", "message": ""}]
    body = {"error": {"code": status, "message": "", "errors": errors}}
    api.get(f"{V3}/playlistItems", json=body, status=status)
    assert youtube.look(now, client).sighting is sighting


def test_more_uploads_than_a_look_reads_tell_nothing(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
    api: responses.RequestsMock,
) -> None:
    now = lost_commit(google, run, job, arrived=True)
    google.is_over = True
    uploads(api, item("v2", SOON), nextPageToken="more")
    assert youtube.look(now, client).sighting is Sighting.CANNOT_TELL


@pytest.mark.trap("youtube", 13)
def test_the_list_is_late_so_looks_go_on_for_a_quarter_of_an_hour(
    youtube: YouTube,
) -> None:
    """Uploads are missing in it for minutes at times (trap 13)."""
    assert youtube.spec.look_after_s[-1] >= 900
    assert len(youtube.spec.look_after_s) >= 3


# ---------------------------------------------------------------- what follows


@pytest.mark.trap("youtube", 13)
def test_a_video_is_waited_for_until_people_can_watch_it(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    google.states = ["", "uploaded", "uploaded", "processed"]
    now, waits = job(), []
    for _ in range(4):
        _names, now, result = run(now)
        waits.append(result.wait_s)
    assert waits == [15, 30, 60, None]
    assert result.remote.external_id == "v1"


@pytest.mark.parametrize("state", ["failed", "rejected"])
def test_a_video_that_youtube_cannot_use_or_will_not_show_has_failed(
    google: Google, run: Run, job: Callable[..., PublishJob], state: str
) -> None:
    google.states = [state]
    _names, _now, error = run(job())
    assert (error.outcome, error.cause) == (
        Outcome.INVALID_CONTENT,
        Cause.MEDIA_REFUSED,
    )


@pytest.mark.trap("youtube", 8)
def test_another_privacy_than_the_chosen_one_is_noted(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    """An account's settings may force it (trap 8)."""
    google.privacy = "private"
    _names, _now, result = run(job())
    assert result.remote.extra["notes"] == ["YouTube made it private, not public"]


def test_another_licence_than_the_chosen_one_is_noted(
    google: Google, run: Run, job: Callable[..., PublishJob]
) -> None:
    google.more = {"license": "youtube", "embeddable": False}
    chosen = {"license": "creativeCommon", "no_embedding": True}
    _names, _now, result = run(job(options=chosen))
    said = "YouTube set license to youtube, not creativeCommon"
    assert result.remote.extra["notes"] == [said]


@pytest.mark.trap("youtube", 13)
@pytest.mark.parametrize(
    ("status", "reason", "tries"),
    [
        (200, "", 1),
        (403, "forbidden", 1),
        (404, "videoNotFound", 5),
        (429, "uploadRateLimitExceeded", 1),
        (400, "invalidImage", 1),
        (503, "backendError", 5),
    ],
)
def test_a_thumbnail_that_is_refused_leaves_the_video_as_it_is(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    video: Callable[..., MediaFile],
    thumbnail: MediaFile,
    status: int,
    reason: str,
    tries: int,
) -> None:
    errors = [{"reason": reason, "domain": "youtube.thumbnail", "message": ""}]
    body = {"error": {"code": status, "message": "", "errors": errors}}
    url = f"{UPLOAD}/thumbnails/set"
    api.post(url, json=body if reason else {"kind": "x"}, status=status)
    now, result = job(video(), thumbnail), None
    for _ in range(tries):
        assert not (result and result.remote)
        _names, now, result = run(now)
    assert result is not None
    assert result.remote.external_id == "v1"
    assert bool(result.remote.extra) == bool(reason)
    api.assert_call_count(f"{url}?videoId=v1&uploadType=media", tries)
    sent = next(c.request for c in api.calls if c.request.url.startswith(url))
    assert sent.headers["Content-Type"] == "image/png"
    assert sent.body == b"\x89PNG"


def test_a_short_takes_its_thumbnail_when_it_is_processed(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    video: Callable[..., MediaFile],
    thumbnail: MediaFile,
) -> None:
    api.post(f"{UPLOAD}/thumbnails/set", json={"kind": "x"})
    names, _now, result = run(job(video(width=720, height=1280), thumbnail))
    assert names[-2:] == ["processing", "thumbnail"]
    assert result.remote.permalink == "https://www.youtube.com/shorts/v1"


@pytest.mark.trap("youtube", 13)
@pytest.mark.parametrize("is_in", [False, True])
def test_a_video_is_added_to_a_playlist_once(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    is_in: bool,
) -> None:
    """A refusal right after the upload may be wrong: the list is read first."""
    uploads(api, item("v0", SOON), *([item("v1", SOON)] if is_in else []))
    api.post(f"{V3}/playlistItems", json={"kind": "youtube#playlistItem", "id": "i"})
    _names, _now, result = run(job(options={"playlist": {"UCabc123": "PLx"}}))
    assert result.remote.external_id == "v1"
    added = [call for call in api.calls if call.request.method == "POST"][1:]
    assert len(added) == (0 if is_in else 1)
    if added:
        resource = {"kind": "youtube#video", "videoId": "v1"}
        body = {"snippet": {"playlistId": "PLx", "resourceId": resource}}
        assert json.loads(added[0].request.body) == body


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "insufficientPermissions"), (403, "quotaExceeded"), (403, "forbidden")],
)
def test_what_cannot_be_asked_does_not_bring_a_video_into_doubt(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    status: int,
    reason: str,
) -> None:
    errors = [{"reason": reason, "domain": "youtube", "message": ""}]
    body = {"error": {"code": status, "message": "", "errors": errors}}
    api.replace(responses.GET, f"{V3}/videos", json=body, status=status)
    _names, _now, result = run(job())
    assert result.remote.external_id == "v1"
    assert "not known" in result.remote.extra["notes"][0]


def test_a_look_at_a_video_whose_id_was_told_asks_nobody(
    google: Google,
    run: Run,
    job: Callable[..., PublishJob],
    youtube: YouTube,
    client: YouTubeClient,
) -> None:
    google.states = ["uploaded"]
    _names, now, _result = run(job())
    client.http.drain()
    look = youtube.look(now, client)
    assert look.sighting is Sighting.FOUND
    assert client.http.drain() == []


# ---------------------------------------------------------------- content


def refused(youtube: YouTube, draft: Draft, **account: Any) -> set[tuple[str, str]]:
    me = Identity("UCabc123", "channel", "Ada", "@ada", "", extra=account)
    found = youtube.check(draft, me)
    return {(f.cause, f.field) for f in found if f.level is Level.REFUSED}


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({}, "Text", set()),
        ({"title": ""}, "Text", {(Cause.OPTION_MISSING, "option:title")}),
        ({"title": "t" * 100}, "", set()),
        ({"title": "t" * 101}, "", {(Cause.OPTION_TOO_LONG, "option:title")}),
        ({"title": "a > b"}, "", {(Cause.TEXT_REFUSED, "option:title")}),
        ({"made_for_kids": None}, "", {(Cause.OPTION_MISSING, "option:made_for_kids")}),
        ({"privacy": "secret"}, "", {(Cause.OPTION_UNKNOWN, "option:privacy")}),
        ({"license": "mine"}, "", {(Cause.OPTION_UNKNOWN, "option:license")}),
        ({"recorded_on": "2026-02-28"}, "", set()),
        (
            {"recorded_on": "2026-02-30"},
            "",
            {(Cause.OPTION_UNKNOWN, "option:recorded_on")},
        ),
        ({}, "a < b", {(Cause.TEXT_REFUSED, "text")}),
        ({}, "é" * 2500, set()),
        ({}, "é" * 2501, {(Cause.TEXT_TOO_LONG, "text")}),
        ({"tags": ["x" * 250, "y" * 249]}, "", set()),
        (
            {"tags": ["x" * 250, "y" * 250]},
            "",
            {(Cause.OPTION_TOO_LONG, "option:tags")},
        ),
    ],
)
def test_what_youtube_would_refuse_is_said_before(
    youtube: YouTube,
    video: Callable[..., MediaFile],
    options: Words,
    text: str,
    expected: set[tuple[str, str]],
) -> None:
    draft = Draft(text, media=(video(),), options={**OPTIONS, **options})
    assert refused(youtube, draft) == expected


@pytest.mark.parametrize(
    ("changes", "long_uploads", "expected"),
    [
        ({"duration_s": 12 * 3600.0}, "allowed", None),
        ({"duration_s": 12 * 3600.0 + 1}, "allowed", Cause.VIDEO_TOO_LONG),
        ({"duration_s": 901.0}, "eligible", Cause.VIDEO_TOO_LONG),
        ({"duration_s": 900.0}, "eligible", None),
        ({"size_bytes": 274_877_906_944}, "allowed", None),
        ({"size_bytes": 274_877_906_945}, "allowed", Cause.VIDEO_TOO_LARGE),
        ({"size_bytes": 0}, "allowed", Cause.VIDEO_TOO_SMALL),
        ({"mime_type": "video/ogg"}, "allowed", Cause.MEDIA_TYPE),
    ],
)
def test_a_video_is_held_against_the_limits_of_its_channel(
    youtube: YouTube,
    video: Callable[..., MediaFile],
    changes: Words,
    long_uploads: str,
    expected: Cause | None,
) -> None:
    draft = Draft("", media=(video(**changes),), options=OPTIONS)
    found = {
        cause for cause, _field in refused(youtube, draft, long_uploads=long_uploads)
    }
    assert found == ({expected} if expected else set())


def test_an_image_alone_is_no_video_and_two_videos_are_too_many(
    youtube: YouTube, video: Callable[..., MediaFile], thumbnail: MediaFile
) -> None:
    alone = Draft("", media=(thumbnail,), options=OPTIONS)
    assert refused(youtube, alone) == {(Cause.VIDEO_MISSING, "media")}
    two = Draft("", media=(video(), video()), options=OPTIONS)
    assert refused(youtube, two) == {(Cause.TOO_MANY_MEDIA, "media")}


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"width": 1280, "height": 720}, set()),
        ({"width": 320, "height": 180}, {Cause.MEDIA_TOO_SMALL}),
        ({"width": 900, "height": 900}, {Cause.MEDIA_SHAPE}),
    ],
)
def test_a_thumbnail_of_another_shape_is_warned_of(
    youtube: YouTube,
    video: Callable[..., MediaFile],
    thumbnail: MediaFile,
    changes: Words,
    warned: set[Cause],
) -> None:
    media = (video(), replace(thumbnail, **changes))
    findings = youtube.check(Draft("", media=media, options=OPTIONS))
    assert {finding.cause for finding in findings} == warned


@pytest.mark.trap("youtube", 8)
@pytest.mark.parametrize("over", [0, 1])
def test_a_thumbnail_may_have_fifty_megabytes(
    youtube: YouTube,
    video: Callable[..., MediaFile],
    thumbnail: MediaFile,
    over: int,
) -> None:
    """Two, say documents from before September 2026."""
    large = replace(thumbnail, width=1280, height=720, size_bytes=52_428_800 + over)
    draft = Draft("", media=(video(), large), options=OPTIONS)
    wanted = {(Cause.MEDIA_TOO_LARGE, "media:2")} if over else set()
    assert refused(youtube, draft) == wanted


@pytest.mark.parametrize(
    ("tags", "length"), [([], 0), (["a"], 1), (["a", "b c"], 7), (["a b", "c d"], 11)]
)
def test_tags_are_counted_with_commas_and_quotes(tags: list[str], length: int) -> None:
    assert tags_length(tags) == length


@pytest.mark.parametrize(
    ("width", "height", "seconds", "short"),
    [
        (720, 1280, 180, True),
        (720, 720, 10, True),
        (1280, 720, 10, False),
        (720, 1280, 181, False),
    ],
)
def test_square_or_upright_and_three_minutes_is_a_short(
    video: Callable[..., MediaFile], width: int, height: int, seconds: int, short: bool
) -> None:
    file = video(width=width, height=height, duration_s=float(seconds))
    assert is_short(file) is short


# ---------------------------------------------------------------- limits


@pytest.mark.trap("youtube", 8)
def test_an_upload_takes_one_of_the_days_hundred_and_next_to_no_units(
    youtube: YouTube,
    job: Callable[..., PublishJob],
    video: Callable[..., MediaFile],
    thumbnail: MediaFile,
) -> None:
    assert youtube.draws(job(), looking=False) == {
        "video_uploads": 1,
        "channel_uploads": 1,
        "units": 1,
    }
    more = job(video(), thumbnail, options={"playlist": "PLx"})
    assert youtube.draws(more, looking=False)["units"] == 50 + 1 + 60
    assert "video_uploads" not in youtube.draws(job(), looking=True)


def test_after_the_upload_nothing_is_foreseen_but_what_follows(
    google: Google, run: Run, job: Callable[..., PublishJob], youtube: YouTube
) -> None:
    google.states = ["uploaded"]
    _names, now, _result = run(job())
    assert youtube.calls_ahead(now, looking=False) == {"GET videos.list": 1}


def test_files_of_other_kinds_do_not_go(youtube: YouTube, thumbnail: MediaFile) -> None:
    gif = replace(thumbnail, kind=MediaKind.GIF, mime_type="image/gif")
    draft = Draft("", media=(gif,), options=OPTIONS)
    assert (Cause.MEDIA_KIND, "media:1") in refused(youtube, draft)


def test_a_small_part_is_left_for_the_instant_at_which_the_video_appears() -> None:
    for size in (9 * PART_BYTES, 9 * PART_BYTES + 5, PART_BYTES, LAST_BYTES + 1):
        left = size
        while length := media.part_before_last(left):
            assert length % GRAIN == 0
            assert length <= PART_BYTES
            left -= length
        assert 0 < left <= LAST_BYTES
    assert media.part_before_last(LAST_BYTES) == 0
