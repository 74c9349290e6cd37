"""Videos and animated GIFs on X in the practice network, as X's documentation says."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from platforms.practice import moving
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import animation, video
from platforms.x.twin import XTwin

BAD_MEDIA = {
    "title": "Invalid Request",
    "detail": "Your media IDs are invalid.",
    "type": "about:blank",
    "status": 400,
}
MP4 = "video/mp4"


class Caller:
    """One account's calls over HTTP, and the clock of the practice network."""

    def __init__(self, network: Any, handle: str = "@baker", **options: Any) -> None:
        self.network = network
        self.twin: XTwin = network.twins["x"]
        self.account = self.twin.add_account(handle, "The Baker", **options)
        self.http = requests.Session()
        self.http.trust_env = False

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.account['access_token']}"}
        return self.http.request(
            method, self.twin.url + path, headers=headers, **kwargs
        )

    def begin(self, size: int, kind: str = MP4, **changes: Any) -> requests.Response:
        category = "tweet_gif" if kind == "image/gif" else "tweet_video"
        body = {"media_type": kind, "total_bytes": size, "media_category": category}
        return self.call("POST", "/2/media/upload/initialize", json={**body, **changes})

    def append(self, id: str, index: object, part: bytes) -> requests.Response:
        return self.call(
            "POST",
            f"/2/media/upload/{id}/append",
            data={"segment_index": index},
            files={"media": ("blob", part)},
        )

    def finish(self, id: str) -> requests.Response:
        return self.call("POST", f"/2/media/upload/{id}/finalize")

    def upload(self, data: bytes, kind: str = MP4) -> str:
        """Send it in two segments, the second one first, and finalize."""
        id = str(self.begin(len(data), kind).json()["data"]["id"])
        half = len(data) // 2
        for index, part in ((1, data[half:]), (0, data[:half])):
            assert self.append(id, index, part).status_code == 200
        assert self.finish(id).status_code == 200
        return id

    def look(self, id: str) -> requests.Response:
        query = {"command": "STATUS", "media_id": id}
        return self.call("GET", "/2/media/upload", params=query)

    def state(self, id: str) -> dict[str, Any]:
        return dict(self.look(id).json()["data"]["processing_info"])

    def post(self, *ids: str, text: str = "Film") -> requests.Response:
        body = {"text": text, "media": {"media_ids": ids}}
        return self.call("POST", "/2/tweets", json=body)

    def later(self, seconds: float) -> None:
        world = self.network.world
        shift = world.shift_s + seconds
        world.put("panel", "setting", "clock", {"shift_s": shift})


@pytest.fixture
def network(tmp_path: Any) -> Iterator[Any]:
    server = start_practice(tmp_path, twins={"x": XTwin})
    yield server
    server.stop()


@pytest.fixture
def x(network: Any) -> Iterator[Caller]:
    caller = Caller(network)
    # Looks instead of seconds: the clock of a test goes on while it runs.
    caller.twin.set_setting("video_polls", 0)
    with caller.http:
        yield caller


def test_a_video_is_processed_before_it_can_be_posted(x):
    x.twin.set_setting("video_polls", 2)
    x.twin.set_setting("check_after_s", 3)
    data = video()
    id = x.upload(data)
    looked = x.look(id).json()["data"]
    assert looked["media_key"] == f"7_{id}"
    assert looked["size"] == len(data)
    assert looked["processing_info"] == {
        "state": "in_progress",
        "check_after_secs": 3,
        "progress_percent": 50,
    }
    early = x.post(id)
    assert (early.status_code, early.json()) == (400, BAD_MEDIA)
    assert x.state(id) == {"state": "succeeded", "progress_percent": 100}
    made = x.post(id).json()["data"]
    post = x.twin.posts()[0]
    assert post["media"] == 1
    assert post["media_kinds"] == ["video"]
    assert post["media_sha256"] == [hashlib.sha256(data).hexdigest()]
    read = x.call(
        "GET",
        "/2/tweets",
        params={
            "ids": made["id"],
            "tweet.fields": "attachments,entities",
            "expansions": "attachments.media_keys",
            "media.fields": "duration_ms,width,height,type,url",
        },
    ).json()
    shown = read["includes"]["media"][0]
    assert shown == {
        "media_key": f"7_{id}",
        "type": "video",
        "duration_ms": 1000,
        "width": 64,
        "height": 48,
    }
    assert read["data"][0]["entities"]["urls"][0]["expanded_url"].endswith("/video/1")
    page = x.http.get(f"{x.twin.web}/baker/status/{made['id']}").text
    assert f'<video controls src="{x.twin.web}/media/{id}"' in page
    assert x.http.get(f"{x.twin.web}/media/{id}").content == data


def test_processing_takes_the_time_of_the_practice_clock(x):
    x.twin.set_setting("video_polls", None)
    x.twin.set_setting("video_processing_s", 4000)
    id = str(x.begin(len(video())).json()["data"]["id"])
    x.append(id, 0, video())
    final = x.finish(id).json()["data"]["processing_info"]
    assert final == {"state": "pending", "check_after_secs": 1}
    x.later(2000)
    half = x.state(id)
    assert (half["state"], half["progress_percent"]) == ("in_progress", 50)
    x.later(2000)
    assert x.state(id)["state"] == "succeeded"
    x.twin.set_setting("media_lag_s", 1000)
    assert x.post(id).json() == BAD_MEDIA
    x.later(1000)
    assert x.post(id).status_code == 201


def test_a_gif_is_an_animation_with_an_alternative_text(x):
    id = x.upload(animation(), "image/gif")
    assert x.look(id).json()["data"]["media_key"] == f"16_{id}"
    body = {"id": id, "metadata": {"alt_text": {"text": "A loaf turns"}}}
    assert x.call("POST", "/2/media/metadata", json=body).status_code == 200
    assert x.post(id).status_code == 201
    post = x.twin.posts()[0]
    assert (post["media_kinds"], post["alt_texts"]) == (["gif"], ["A loaf turns"])


def test_a_video_takes_no_alternative_text(x):
    id = x.upload(video())
    body = {"id": id, "metadata": {"alt_text": {"text": "A film"}}}
    assert x.call("POST", "/2/media/metadata", json=body).json() == BAD_MEDIA


@pytest.mark.parametrize("kinds", [("gif", "gif"), ("gif", "film"), ("film", "film")])
def test_a_post_has_one_gif_or_one_video(x, kinds):
    sent = {"gif": (animation(), "image/gif"), "film": (video(), MP4)}
    assert x.post(*(x.upload(*sent[kind]) for kind in kinds)).json() == BAD_MEDIA


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (lambda: b"no video at all, sorry", MP4, "Unsupported video format"),
        (lambda: video()[:60], MP4, "Unsupported video format"),
        (lambda: video(codec="mpeg4"), MP4, "Unsupported video format"),
        (animation, MP4, "Unsupported video format"),
        (video, "image/gif", "Unsupported image format"),
        (lambda: animation(351), "image/gif", "Unsupported image dimensions"),
        (lambda: animation(2, (1281, 8)), "image/gif", "Unsupported image dimensions"),
    ],
)
def test_what_x_cannot_use_fails_in_processing(x, data, kind, message):
    id = x.upload(data(), kind)
    error = {"code": 1, "name": "InvalidMedia", "message": message}
    assert x.state(id) == {"state": "failed", "error": error}
    assert x.post(id).json() == BAD_MEDIA


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": 6},
        {"size": (128, 30)},
        {"size": (128, 40)},
        {"size": (1920, 1080), "frames": 8},
        {"rate": 90, "frames": 90},
    ],
)
def test_a_video_out_of_the_limits_is_refused_with_the_post(x, changes):
    id = x.upload(video(**changes))
    assert x.state(id)["state"] == "succeeded"
    assert x.post(id).json() == BAD_MEDIA


def test_subscribers_post_full_hd_upright_too(x, network):
    rich = Caller(network, "@rich", subscription_type="Premium")
    with rich.http:
        assert rich.post(rich.upload(video(8, size=(1080, 1920)))).status_code == 201


def test_limits_can_show_in_processing_already(x):
    x.twin.set_setting("video_out_of_spec", "fails_in_processing")
    assert x.state(x.upload(video(6)))["error"]["name"] == "InvalidMedia"


def test_a_video_too_long_for_the_account_is_refused_by_its_plan(x, network):
    x.twin.set_setting("video_minutes", 1)
    x.twin.set_setting("video_minutes_premium", 2)
    film = video(62, rate=1)
    refused = x.post(x.upload(film))
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "title": "Forbidden",
            "detail": "This user is not allowed to post a video longer than 1 minutes.",
            "type": "about:blank",
            "status": 403,
        },
    )
    rich = Caller(network, "@rich", subscription_type="Premium")
    with rich.http:
        assert rich.post(rich.upload(film)).status_code == 201


@pytest.mark.parametrize(
    ("end", "state"), [("failed", "failed"), ("never", "in_progress")]
)
def test_processing_can_fail_or_never_end(x, end, state):
    x.twin.set_setting("processing_ends", end)
    id = x.upload(video())
    assert x.state(id)["state"] == state
    assert x.post(id).json() == BAD_MEDIA


def test_an_upload_ends_and_is_its_users_alone(x, network):
    id = x.upload(video())
    other = Caller(network, "@other")
    with other.http:
        assert other.look(id).json() == BAD_MEDIA
        assert other.append(id, 0, b"x").json() == BAD_MEDIA
        assert other.finish(id).json() == BAD_MEDIA
        assert other.post(id).json() == BAD_MEDIA
    x.later(3000)
    left = x.look(id).json()["data"]["expires_after_secs"]
    assert 83_000 < left <= 83_400
    x.twin.set_setting("access_life_s", 200_000)
    x.account = x.twin.add_account("@baker", "The Baker")
    x.later(83_400)
    assert x.look(id).json() == BAD_MEDIA
    assert x.post(id).json() == BAD_MEDIA


def test_a_segment_that_comes_again_takes_the_place_of_the_first(x):
    data = video()
    id = str(x.begin(len(data)).json()["data"]["id"])
    assert x.append(id, 0, b"lost on the way").status_code == 200
    again = x.append(id, 0, data).json()["data"]
    assert again["expires_at"] > x.twin.time()
    assert x.finish(id).status_code == 200
    assert x.state(id)["state"] == "succeeded"


def test_finalize_wants_all_segments_from_the_first_on(x):
    id = str(x.begin(8).json()["data"]["id"])
    x.append(id, 0, b"1234")
    x.append(id, 2, b"5678")
    refused = x.finish(id)
    assert refused.status_code == 400
    assert "4 of 8 bytes" in refused.json()["errors"][0]["message"]
    x.append(id, 1, b"5678")
    assert x.finish(id).status_code == 400
    x.append(id, 1, b"")
    assert x.finish(id).status_code == 200


def test_a_repeated_finalize_is_refused_or_answered_again(x):
    id = x.upload(video())
    assert x.finish(id).json() == BAD_MEDIA
    x.twin.set_setting("finalize_again", "same_answer")
    assert x.finish(id).json()["data"]["processing_info"]["state"] == "succeeded"
    assert x.append(id, 0, b"late").json() == BAD_MEDIA


@pytest.mark.parametrize(
    ("index", "part", "status"),
    [(1000, b"x", 400), ("", b"x", 400), ("-1", b"x", 400), (0, bytes(8388609), 413)],
)
def test_segments_have_an_index_and_a_size(x, index, part, status):
    id = str(x.begin(10).json()["data"]["id"])
    assert x.append(id, index, part).status_code == status


@pytest.mark.parametrize(
    ("size", "kind", "changes"),
    [
        (10, "image/gif", {"media_category": "tweet_video"}),
        (10, MP4, {"media_category": "tweet_gif"}),
        (10, MP4, {"media_category": "TweetVideo"}),
        (10, "video/x-msvideo", {}),
        (15 * 1024 * 1024 + 1, "image/gif", {}),
        (8 * 1024**3 + 1, MP4, {}),
        (0, MP4, {}),
        (10, MP4, {"name": "film.mp4"}),
    ],
)
def test_an_upload_that_cannot_end_well_does_not_begin(x, size, kind, changes):
    answer = x.begin(size, kind, **changes)
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/invalid-request")


def test_subscribers_may_send_twice_as_much(x, network):
    rich = Caller(network, "@rich", subscription_type="Premium")
    with rich.http:
        assert rich.begin(16 * 1024**3).status_code == 200
        assert rich.begin(16 * 1024**3 + 1).status_code == 400


def test_calls_of_an_upload_have_windows_of_their_own(x):
    x.twin.set_setting("limits", {"POST /2/media/upload/:id/append user": 1})
    answer = x.begin(8)
    assert answer.headers["x-rate-limit-limit"] == "1875"
    assert answer.headers["x-app-limit-24hour-limit"] == "180000"
    id = answer.json()["data"]["id"]
    assert x.append(id, 0, b"1234").status_code == 200
    assert x.append(id, 1, b"5678").status_code == 429
    assert x.look(id).headers["x-rate-limit-limit"] == "1000"


def test_a_long_file_is_known_by_its_hash_only(x, monkeypatch):
    monkeypatch.setattr("platforms.x.twin_media.KEPT_BYTES", 100)
    monkeypatch.setattr("platforms.x.twin.KEPT_BYTES", 100)
    data = video()
    id = x.upload(data)
    assert x.post(id).status_code == 201
    assert x.twin.posts()[0]["media_sha256"] == [hashlib.sha256(data).hexdigest()]
    assert x.http.get(f"{x.twin.web}/media/{id}").status_code == 404
    assert "<video" not in x.http.get(f"{x.twin.web}/baker").text


def test_segments_read_as_one_file():
    parts = [b"abc", b"", b"defg", b"h"]
    whole = moving.joined([len(part) for part in parts], parts.__getitem__)
    assert whole.read() == b"abcdefgh"
    whole.seek(2)
    assert whole.read(3) == b"cde"
    whole.seek(-2, io.SEEK_END)
    assert whole.read() == b"gh"


def test_a_list_of_other_files_is_not_opened_as_a_video():
    listed = b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n"
    assert moving.measured(io.BytesIO(listed)) is None


SRT = b"1\n00:00:00,000 --> 00:00:00,900\nHallo\n"
VTT = b"WEBVTT\n\n00:00.000 --> 00:00.900\nHallo\n"


def captions(x, data=SRT, mime="text/srt"):
    about = {"media_type": mime, "media_category": "subtitles"}
    new = x.call(
        "POST",
        "/2/media/upload/initialize",
        json={**about, "total_bytes": len(data)},
    )
    id = str(new.json()["data"]["id"])
    assert x.append(id, 0, data).status_code == 200
    # Nothing is to be done to them.
    assert "processing_info" not in x.finish(id).json()["data"]
    return id


def tie(x, film, said, **changes):
    about = {"id": said, "language_code": "DE", "display_name": "Deutsch", **changes}
    body = {"id": film, "media_category": "TweetVideo", "subtitles": about}
    return x.call("POST", "/2/media/subtitles", json=body)


@pytest.mark.parametrize(("data", "mime"), [(SRT, "text/srt"), (VTT, "text/vtt")])
def test_captions_are_tied_to_an_uploaded_video(x, data, mime):
    film, said = x.upload(video()), captions(x, data, mime)
    assert x.state(film)["state"] == "succeeded"
    answer = tie(x, film, said).json()["data"]
    assert answer["associated_subtitles"] == [
        {"id": said, "language_code": "DE", "display_name": "Deutsch"}
    ]
    assert tie(x, film, captions(x), language_code="EN").status_code == 200
    made = x.post(film).json()["data"]
    assert x.twin.posts()[0]["captions"] == ["de", "en"]
    page = x.http.get(f"{x.twin.web}/baker/status/{made['id']}").text
    assert "Captions: DE" in page


@pytest.mark.parametrize(
    ("data", "mime", "changes"),
    [
        (SRT, "text/vtt", {}),
        (b"nothing", "text/srt", {}),
        (SRT, "text/srt", {"language_code": "de"}),
        (SRT, "text/srt", {"language_code": "DE-AT"}),
        (SRT, "text/srt", {"display_name": ""}),
        (SRT, "text/srt", {"colour": "red"}),
    ],
)
def test_what_are_no_captions_is_refused(x, data, mime, changes):
    film, said = x.upload(video()), captions(x, data, mime)
    assert tie(x, film, said, **changes).status_code == 400


def test_captions_belong_to_a_video_and_are_no_file_of_a_post(x):
    said, still = captions(x), x.upload(animation(), "image/gif")
    assert tie(x, still, said).json() == BAD_MEDIA
    assert tie(x, x.upload(video()), still).json() == BAD_MEDIA
    assert x.post(said).json() == BAD_MEDIA
    x.twin.set_setting("subtitles_refused", True)
    assert tie(x, x.upload(video()), said).status_code == 400
