"""Videos and animated GIFs on the practice network's Mastodon, over HTTP."""

from __future__ import annotations

import hashlib
import io

import pytest
import requests
from PIL import Image

from platforms.mastodon.twin import MastodonTwin
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import SOUNDS, animation, sound, video

UNUSABLE = {"error": "Error processing thumbnail for uploaded media"}
UNFINISHED = {
    "error": "Cannot attach files that have not finished processing. Try again in a"
    " moment!"
}
MIXED = {"error": "Cannot attach a video to a post that already contains images"}
BROKEN = b"\0\0\0\x18ftypmp42" + bytes(40)


class Caller:
    def __init__(self, network):
        self.network = network
        self.twin = network.twins["mastodon"]
        self.token = self.twin.add_account("acme", "Acme Tools")["access_token"]
        self.http = requests.Session()
        self.http.trust_env = False

    def call(self, method, path, **kwargs):
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return self.http.request(
            method, self.twin.url + path, headers=headers, **kwargs
        )

    def upload(self, body=None, mime="video/mp4", path="/api/v2/media", **fields):
        files = {"file": ("a", video() if body is None else body, mime)}
        return self.call("POST", path, files=files, data=fields)

    def look(self, id):
        return self.call("GET", f"/api/v1/media/{id}")

    def ready(self, body=None, mime="video/mp4"):
        """The id of a file that has been processed."""
        id = self.upload(body, mime).json()["id"]
        while self.look(id).status_code == 206:
            pass
        return id

    def post(self, *ids, key=""):
        return self.call(
            "POST",
            "/api/v1/statuses",
            json={"status": "Film", "media_ids": ids},
            headers={"Idempotency-Key": key} if key else {},
        )

    def later(self, seconds):
        shift = self.network.world.shift_s + seconds
        self.network.world.put("panel", "setting", "clock", {"shift_s": shift})


@pytest.fixture
def m(tmp_path):
    server = start_practice(tmp_path, twins={"mastodon": MastodonTwin})
    caller = Caller(server)
    with caller.http:
        yield caller
    server.stop()


def picture():
    out = io.BytesIO()
    Image.new("RGB", (4, 3)).save(out, "PNG")
    return out.getvalue()


def test_a_video_is_worked_on_before_it_can_be_posted(m):
    m.twin.set_switch("media_polls", "1")
    data = video()
    taken = m.upload(data, description="A loaf rises")
    assert (taken.status_code, taken.json()["url"]) == (202, None)
    id = taken.json()["id"]
    early = m.post(id, key="k1")
    assert (early.status_code, early.json()) == (422, UNFINISHED)
    assert (m.look(id).status_code, m.look(id).status_code) == (206, 200)
    shown = m.look(id).json()
    assert (shown["type"], shown["description"]) == ("video", "A loaf rises")
    original = shown["meta"]["original"]
    assert (original["size"], original["duration"]) == ("64x48", 1.0)
    assert original["frame_rate"] == "15"
    assert m.http.get(shown["url"]).content == data
    status = m.post(id, key="k1").json()
    assert [file["type"] for file in status["media_attachments"]] == ["video"]
    post = m.twin.posts()[0]
    assert (post["media"], post["media_kinds"]) == (1, ["video"])
    assert post["media_sha256"] == [hashlib.sha256(data).hexdigest()]
    assert post["alt_texts"] == ["A loaf rises"]
    assert f'<video controls src="{shown["url"]}"' in m.http.get(status["url"]).text


def test_an_animated_gif_is_a_gifv_and_a_still_one_an_image(m):
    moving = m.upload(animation(), "image/gif")
    assert (moving.status_code, moving.json()["type"]) == (202, "gifv")
    still = m.upload(animation(1), "image/gif")
    assert (still.status_code, still.json()["type"]) == (200, "image")
    assert m.post(m.ready(animation(), "image/gif")).status_code == 200
    assert m.twin.posts()[0]["media_kinds"] == ["gif"]


@pytest.mark.parametrize("other", ["image", "gifv", "video"])
@pytest.mark.parametrize("first", ["gifv", "video"])
def test_a_moving_file_stands_alone(m, first, other):
    sent = {
        "image": (picture(), "image/png"),
        "gifv": (animation(), "image/gif"),
        "video": (video(), "video/mp4"),
    }
    answer = m.post(m.ready(*sent[first]), m.ready(*sent[other]))
    assert (answer.status_code, answer.json()) == (422, MIXED)


def test_a_broken_video_fails_in_processing(m):
    taken = m.upload(BROKEN)
    assert taken.status_code == 202
    id = taken.json()["id"]
    looks = [m.look(id) for _ in range(3)]
    assert [answer.status_code for answer in looks] == [206, 206, 422]
    assert looks[-1].json() == UNUSABLE
    assert m.post(id).json() == UNFINISHED
    at_once = m.upload(BROKEN, path="/api/v1/media")
    assert (at_once.status_code, at_once.json()) == (422, UNUSABLE)


def test_processing_can_fail_never_end_or_not_begin(m):
    m.twin.set_switch("media_polls", "0")
    m.twin.set_switch("processing", "fails")
    assert m.look(m.upload().json()["id"]).status_code == 422
    m.twin.set_switch("processing", "never")
    id = m.upload().json()["id"]
    assert [m.look(id).status_code for _ in range(4)] == [206] * 4
    m.twin.set_switch("processing", "trouble")
    refused = m.upload()
    assert (refused.status_code, refused.json()) == (500, UNUSABLE)


@pytest.mark.parametrize(
    ("limit", "value", "text"),
    [
        ("video_size_limit", "1000", "must be less than 1000 Bytes"),
        ("video_matrix_limit", "3071", "64x48 videos are not supported"),
        ("video_frame_rate_limit", "14", "15fps videos are not supported"),
    ],
)
def test_an_instance_tells_its_limits_and_holds_videos_to_them(m, limit, value, text):
    before = m.call("GET", "/api/v2/instance").json()["configuration"]
    m.twin.set_switch(limit, value)
    after = m.call("GET", "/api/v2/instance").json()["configuration"]
    told = after["media_attachments"]
    assert told == before["media_attachments"] | {limit: int(value)}
    answer = m.upload()
    assert answer.status_code == 422
    assert text in answer.json()["error"]
    assert m.upload(picture(), "image/png").status_code == 200


def test_usual_limits_of_videos(m):
    told = m.call("GET", "/api/v2/instance").json()["configuration"]
    media = told["media_attachments"]
    assert media["video_size_limit"] == 103_809_024
    assert media["video_matrix_limit"] == 8_294_400
    assert media["video_frame_rate_limit"] == 120


@pytest.mark.parametrize(
    ("body", "mime"),
    [
        (b"no video", "video/mp4"),
        (None, "video/x-msvideo"),
        (b"#EXTM3U\nhttp://127.0.0.1:9/secret.ts\n", "video/mp4"),
    ],
)
def test_what_is_no_video_is_refused_at_once(m, body, mime):
    answer = m.upload(body, mime)
    assert answer.status_code == 422
    assert "File content type is invalid" in answer.json()["error"]


def test_a_file_in_no_post_is_cleared_away_after_a_day(m):
    kept, lost = m.ready(), m.ready()
    assert m.post(kept).status_code == 200
    m.later(86_400)
    assert m.look(lost).status_code == 404
    refused = m.post(lost)
    assert refused.json()["error"].startswith(f"Media {lost} not found")
    assert m.twin.posts()[0]["media"] == 1


def test_gotosocial_has_a_video_ready_at_once(m):
    m.twin.set_switch("flavour", "gotosocial")
    taken = m.upload()
    assert taken.status_code == 200
    assert taken.json()["url"]
    assert m.post(taken.json()["id"]).status_code == 200
    assert m.upload(BROKEN).status_code == 422


def test_uploads_have_a_window_of_their_own(m):
    answer = m.upload(picture(), "image/png")
    assert answer.headers["X-RateLimit-Limit"] == "30"
    assert m.look(answer.json()["id"]).headers["X-RateLimit-Limit"] == "300"


def test_a_long_video_is_known_by_its_hash_only(m, monkeypatch):
    monkeypatch.setattr("platforms.mastodon.twin_media.KEPT_BYTES", 100)
    monkeypatch.setattr("platforms.mastodon.twin.KEPT_BYTES", 100)
    data = video()
    id = m.ready(data)
    status = m.post(id).json()
    assert m.twin.posts()[0]["media_sha256"] == [hashlib.sha256(data).hexdigest()]
    assert m.http.get(status["media_attachments"][0]["url"]).status_code == 404
    assert "<video" not in m.http.get(status["url"]).text


MIMES = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "weba": "audio/webm"}


@pytest.mark.parametrize("kind", SOUNDS)
def test_sound_is_worked_at_and_stands_alone(m, kind):
    mime = MIMES.get(kind, f"audio/{kind}")
    first = m.upload(sound(kind), mime, description="A tone")
    assert (first.status_code, first.json()["type"]) == (202, "audio")
    id = first.json()["id"]
    while (seen := m.call("GET", f"/api/v1/media/{id}")).status_code == 206:
        pass
    assert seen.json()["meta"]["original"]["duration"] > 0.9
    picture = io.BytesIO()
    Image.new("RGB", (9, 9)).save(picture, "PNG")
    other = m.upload(picture.getvalue(), "image/png").json()["id"]
    fields = {"status": "Listen", "media_ids": [id, other]}
    assert m.call("POST", "/api/v1/statuses", json=fields).json() == MIXED
    fields["media_ids"] = [id]
    assert m.call("POST", "/api/v1/statuses", json=fields).status_code == 200
    (post,) = m.twin.posts()
    assert (post["media_kinds"], post["alt_texts"]) == (["audio"], ["A tone"])
    assert "<audio controls" in m.http.get(post["url"]).text


def test_a_thumbnail_is_an_image_beside_the_file(m):
    picture = io.BytesIO()
    Image.new("RGB", (9, 9)).save(picture, "PNG")

    def upload(data):
        files = {"file": ("a", sound(), "audio/mpeg"), "thumbnail": ("b", data, "x/y")}
        return m.call("POST", "/api/v2/media", files=files)

    assert upload(b"no image").status_code == 422
    assert upload(picture.getvalue()).status_code == 202
    m.twin.set_switch("thumbnails", "refused")
    assert upload(picture.getvalue()).status_code == 422
