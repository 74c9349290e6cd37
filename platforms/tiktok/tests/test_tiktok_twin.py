"""TikTok in the practice network, over HTTP, held against TikTok's documentation."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video
from platforms.tiktok.spec import SPEC
from platforms.tiktok.twin import TikTokTwin
from platforms.tiktok.twin_login import CLIENT_KEY, CLIENT_SECRET, SCOPES
from platforms.tiktok.twin_media import plan_problem

BACK = "http://127.0.0.1:9999/oauth/tiktok/"
VERIFIER = "v" * 43
HOUR = 3600
DAY = 24 * HOUR
FIELDS = "id,create_time,title,video_description,duration,share_url,view_count"
VIDEO = "/v2/post/publish/video/init/"
INBOX = "/v2/post/publish/inbox/video/init/"
CONTENT = "/v2/post/publish/content/init/"
STATUS = "/v2/post/publish/status/fetch/"
CREATOR = "/v2/post/publish/creator_info/query/"


@cache
def clip(rate=25, size=(360, 640), **more):
    return video(25, size=size, rate=rate, **more)


@cache
def photo(kind="JPEG", size=(300, 400)):
    stream = io.BytesIO()
    Image.new("RGB", size, "teal").save(stream, kind)
    return stream.getvalue()


class Shelf(BaseHTTPRequestHandler):
    """What TikTok pulls; the name of a path says what is there."""

    def do_GET(self):
        name = self.path.strip("/")
        if name == "moved":
            self.send_response(302)
            self.send_header("Location", "/a.jpg")
            self.end_headers()
            return
        shelf = {
            "a.jpg": photo,
            "a.webp": lambda: photo("WEBP"),
            "a.png": lambda: photo("PNG"),
            "tall.jpg": lambda: photo(size=(1081, 1921)),
            "a.mp4": clip,
        }
        self.send_response(200 if name in shelf else 404)
        self.end_headers()
        self.wfile.write(shelf[name]() if name in shelf else b"")

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def shelf():
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Caller:
    """One account's calls, and the panel's interface beside them."""

    def __init__(self, server, http):
        self.server, self.http = server, http
        self.url = f"{server.url}/tiktok"
        self.panel("reset")
        self.account = self.new("cake")

    def panel(self, path, **body):
        answer = self.http.post(
            f"{self.server.url}/api/{path}", json=body, headers={"X-Practice": "1"}
        )
        assert answer.ok, answer.text
        return answer.json()

    def switch(self, **values):
        for name, value in values.items():
            self.panel("switches", platform="tiktok", name=name, value=str(value))

    def end(self, how, account=""):
        account = account or self.account["external_id"]
        return self.panel("tokens", platform="tiktok", account=account, how=how)

    def fault(self, kind, call, **more):
        self.panel("faults", platform="tiktok", kind=kind, call=call, times=1, **more)

    def at(self, seconds):
        self.panel("clock", shift_s=seconds)

    def new(self, handle, **options):
        return self.panel(
            "accounts",
            platform="tiktok",
            handle=handle,
            name=handle.title(),
            options=options,
        )

    def call(self, path, body=None, account=None, method="POST", **more):
        token = (account or self.account)["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/api{path}"
        return self.http.request(method, url, json=body, headers=headers, **more)

    def ok(self, path, body=None, **more):
        answer = self.call(path, body, **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["error"]["code"] == "ok", answer.text
        return answer.json().get("data")

    def code(self, path, body=None, **more):
        """(status, error code) of an answer."""
        answer = self.call(path, body, **more)
        error = answer.json()["error"]
        assert error["log_id"] == answer.headers["x-tt-logid"]
        return answer.status_code, error["code"]

    def state(self, publish, **more):
        return self.ok(STATUS, {"publish_id": publish}, **more)

    def posts(self):
        url = f"{self.server.url}/api/posts"
        return self.http.get(url, params={"platform": "tiktok"}).json()["posts"]

    def put(self, url, data, start=0, total=None, **headers):
        total = total or len(data)
        told = f"bytes {start}-{start + len(data) - 1}/{total}"
        headers = {"Content-Type": "video/mp4", "Content-Range": told, **headers}
        return self.http.put(url, data=data, headers=headers)

    def upload(self, data, path=VIDEO, **post):
        made = self.ok(path, upload(len(data), **post))
        assert self.put(made["upload_url"], data).status_code == 201
        return made["publish_id"]

    def oauth(self, path="token", **form):
        keys = {"client_key": CLIENT_KEY, "client_secret": CLIENT_SECRET}
        url = f"{self.url}/api/v2/oauth/{path}/"
        return self.http.post(url, data={**keys, **form})

    def consent(self, decision="allow", untick=(), **asked):
        url = f"{self.url}/www/v2/auth/authorize/"
        query = {
            "client_key": CLIENT_KEY,
            "response_type": "code",
            "scope": "user.info.basic,video.publish",
            "redirect_uri": BACK,
            "state": "s1",
            "disable_auto_auth": "1",
            **asked,
        }
        page = self.http.get(url, params=query, allow_redirects=False)
        if page.status_code != 200:
            return sent_back(page)
        inputs = re.findall(
            r'<input type="(?:hidden|checkbox)" name="(\w+)" value="([^"]*)"', page.text
        )
        form = [(n, v) for n, v in inputs if v not in untick]
        person = self.account["external_id"]
        form += [("person", person), ("decision", decision)]
        return sent_back(self.http.post(url, data=form, allow_redirects=False))

    def exchange(self, code_, **changes):
        form = {"grant_type": "authorization_code", "redirect_uri": BACK, "code": code_}
        return self.oauth(**{**form, **changes})

    def refresh(self, token):
        return self.oauth(grant_type="refresh_token", refresh_token=token)


def sent_back(answer):
    if answer.status_code != 302:
        return {"page": answer.text}
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def upload(size, chunk=0, count=1, **post):
    source = {"source": "FILE_UPLOAD", "video_size": size}
    source |= {"chunk_size": chunk or size, "total_chunk_count": count}
    return {"post_info": info(**post), "source_info": source}


def info(**post):
    return {"title": "Hello #cake", "privacy_level": "PUBLIC_TO_EVERYONE", **post}


def pull(url, **post):
    source = {"source": "PULL_FROM_URL", "video_url": url}
    return {"post_info": info(**post), "source_info": source}


def photos(urls, mode="DIRECT_POST", cover=0, **post):
    source = {"source": "PULL_FROM_URL", "photo_images": urls}
    return {
        "media_type": "PHOTO",
        "post_mode": mode,
        "post_info": info(**post),
        "source_info": {**source, "photo_cover_index": cover},
    }


@pytest.fixture(scope="module")
def practice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("practice")
    server = start_practice(folder, twins={"tiktok": TikTokTwin})
    yield server
    server.stop()


@pytest.fixture
def tiktok(practice):
    with requests.Session() as http:
        http.trust_env = False
        yield Caller(practice, http)


# ---------------------------------------------------------------- signing in


def test_a_code_becomes_a_pair_that_says_what_was_granted(tiktok):
    back = tiktok.consent(untick=("video.publish",))
    assert (back["state"], back["scopes"]) == ("s1", "user.info.basic")
    pair = tiktok.exchange(back["code"]).json()
    assert pair["open_id"] == tiktok.account["external_id"]
    assert pair["scope"] == "user.info.basic"
    assert (pair["expires_in"], pair["refresh_expires_in"]) == (7200, 180 * DAY)
    assert tiktok.code(CREATOR, account=pair) == (401, "scope_not_authorized")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": BACK + "x"}, "invalid_request"),
        ({"client_secret": ""}, "invalid_request"),
        ({"client_secret": "other"}, "invalid_client"),
        ({"client_key": "other"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "other"}, "invalid_grant"),
    ],
)
def test_a_wrong_exchange_is_an_error_with_status_200(tiktok, changes, error):
    answer = tiktok.exchange(tiktok.consent()["code"], **changes)
    assert (answer.status_code, answer.json()["error"]) == (200, error)
    tiktok.switch(oauth_error_status=400)
    assert tiktok.exchange("other").status_code == 400


def test_a_code_serves_once_and_not_for_long(tiktok):
    code = tiktok.consent()["code"]
    assert tiktok.exchange(code).json()["access_token"]
    assert tiktok.exchange(code).json()["error"] == "invalid_grant"
    late = tiktok.consent()["code"]
    tiktok.at(301)
    assert tiktok.exchange(late).json()["error"] == "invalid_grant"


def test_the_challenge_is_hex(tiktok):
    challenge = hashlib.sha256(VERIFIER.encode()).hexdigest()
    code = tiktok.consent(code_challenge=challenge, code_challenge_method="S256")[
        "code"
    ]
    assert tiktok.exchange(code).json()["error"] == "invalid_request"
    assert tiktok.exchange(code, code_verifier=VERIFIER).json()["open_id"]
    tiktok.switch(app_type="desktop")
    assert "code_challenge" in tiktok.consent()["page"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"decision": "cancel"}, {"error": "access_denied", "state": "s1"}),
        ({"scope": "user.info.basic,admin"}, {"error": "invalid_scope"}),
        ({"redirect_uri": "https://evil.example/"}, {"page": "redirect_uri"}),
        ({"redirect_uri": BACK + "?a=1"}, {"page": "redirect_uri"}),
        ({"client_key": "other"}, {"page": "client_key"}),
        ({"response_type": "token"}, {"page": "response_type"}),
    ],
)
def test_a_sign_in_that_does_not_end_in_a_code(tiktok, asked, expected):
    back = tiktok.consent(**asked)
    assert "code" not in back
    for name, value in expected.items():
        assert value in back[name]


def test_a_known_browser_is_not_asked_again_unless_told(tiktok):
    tiktok.account = tiktok.new("few", scopes=["user.info.basic"])
    tiktok.exchange(tiktok.consent(scope="user.info.basic")["code"])
    assert tiktok.consent("cancel", disable_auto_auth="0", scope="user.info.basic")[
        "code"
    ]
    assert "error" in tiktok.consent("cancel", scope="user.info.basic")
    assert "error" in tiktok.consent(
        "cancel", disable_auto_auth="0", scope="video.list"
    )


def test_in_a_sandbox_others_are_turned_away(tiktok):
    tiktok.switch(sandbox_targets="ada_bakes")
    assert "non_sandbox_target" in tiktok.consent()["page"]


def test_a_refresh_token_serves_once(tiktok):
    first = tiktok.exchange(tiktok.consent()["code"]).json()
    second = tiktok.refresh(first["refresh_token"]).json()
    assert second["scope"] == first["scope"]
    assert second["refresh_token"] != first["refresh_token"]
    assert tiktok.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    tiktok.switch(refresh_grace_s=60)
    assert tiktok.refresh(first["refresh_token"]).json()["access_token"]
    tiktok.at(100 * DAY)
    tiktok.switch(rotation="never")
    third = tiktok.refresh(second["refresh_token"]).json()
    assert third["refresh_token"] == second["refresh_token"]
    assert third["refresh_expires_in"] == pytest.approx(80 * DAY, abs=5)
    tiktok.at(181 * DAY)
    assert tiktok.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_lost_answer_to_a_refresh_loses_the_account(tiktok):
    tiktok.fault("server_error_after_write", "POST /v2/oauth/token/", status=502)
    old = tiktok.account["refresh_token"]
    assert tiktok.refresh(old).status_code == 502
    assert tiktok.refresh(old).json()["error"] == "invalid_grant"


def test_revoking_takes_a_living_access_token(tiktok):
    token = tiktok.account["access_token"]
    tiktok.at(7201)
    assert tiktok.oauth("revoke", token=token).json()["error"] == "invalid_request"
    tiktok.at(0)
    assert tiktok.oauth("revoke", token=token).json() == {}
    assert tiktok.code(CREATOR) == (401, "access_token_invalid")
    refused = tiktok.refresh(tiktok.account["refresh_token"])
    assert refused.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("how", "access", "refresh"),
    [
        ("expire", (401, "access_token_invalid"), ""),
        ("revoke", (401, "access_token_invalid"), "invalid_grant"),
        ("password_changed", (200, "ok"), ""),
        ("scope_lost:video.publish", (401, "scope_not_authorized"), ""),
        ("suspend", (200, "spam_risk_user_banned_from_posting"), ""),
    ],
)
def test_each_end_and_its_undoing(tiktok, how, access, refresh):
    tiktok.end(how)
    assert tiktok.code(CREATOR) == access
    tiktok.end("restore")
    assert tiktok.code(CREATOR) == (200, "ok")
    tiktok.end(how)
    again = tiktok.refresh(tiktok.account["refresh_token"]).json()
    assert again.get("error", "") == refresh


# ---------------------------------------------------------------- who is it


def test_fields_are_asked_for_and_each_wants_its_scope(tiktok):
    path = "/v2/user/info/"
    asked = {"params": {"fields": "open_id,display_name,username"}, "method": "GET"}
    user = tiktok.ok(path, **asked)["user"]
    assert user["username"] == "cake"
    assert user.keys() == {"open_id", "display_name", "username"}
    few = tiktok.new("few", scopes=["user.info.basic"])
    assert tiktok.code(path, account=few, **asked) == (400, "scope_permission_missed")
    assert tiktok.code(path, method="GET") == (400, "invalid_params")
    assert tiktok.code(path[:-1], **asked) == (404, "invalid_params")


def test_creator_info_tells_the_privacy_levels_of_the_moment(tiktok):
    told = tiktok.ok(CREATOR)
    assert told["privacy_level_options"][0] == "PUBLIC_TO_EVERYONE"
    assert told["max_video_post_duration_sec"] == 600
    tiktok.end("go_private")
    assert tiktok.ok(CREATOR)["privacy_level_options"][0] == "FOLLOWER_OF_CREATOR"
    assert tiktok.code(VIDEO, upload(9)) == (403, "privacy_level_option_mismatch")


# ---------------------------------------------------------------- uploads


@pytest.mark.parametrize(
    ("size", "chunk", "count", "problem"),
    [
        (4_194_304, 4_194_304, 1, ""),
        (50_000_123, 10_000_000, 5, ""),
        (64_000_000, 64_000_000, 1, ""),
        (64_000_001, 10_000_000, 6, ""),
        (4_294_967_296, 10_000_000, 429, ""),
        (4_294_967_297, 10_000_000, 429, "size"),
        (50_000_123, 10_000_000, 6, "count"),
        (66_000_000, 64_000_000, 1, "chunk size"),
        (64_000_001, 64_000_001, 1, "chunk size"),
        (10_000_000, 4_000_000, 2, "chunk size"),
        (4_000_000, 1_000_000, 4, "chunk size"),
        (4_000_000, 5_000_000, 1, "chunk size"),
    ],
)
def test_a_plan_of_chunks_is_held_to_the_rules(size, chunk, count, problem):
    told = plan_problem(size, chunk, count, is_strict=True)
    assert problem in told if problem else told == ""


def test_a_video_in_chunks_is_live_after_its_last_byte(tiktok):
    data = clip() + bytes(10_000_001 - len(clip()))
    made = tiktok.ok(VIDEO, upload(len(data), 5_000_000, 2))
    url, id = made["upload_url"], made["publish_id"]
    first = tiktok.put(url, data[:5_000_000], 0, len(data))
    assert first.status_code == 206
    assert first.headers["Content-Range"] == "bytes 0-5000000/10000001"
    told = tiktok.state(id)
    assert (told["status"], told["uploaded_bytes"]) == ("PROCESSING_UPLOAD", 5_000_000)
    assert tiktok.put(url, data[:5_000_000], 0, len(data)).status_code == 416
    last = tiktok.put(url, data[5_000_000:], 5_000_000, len(data))
    assert last.status_code == 201
    assert tiktok.state(id)["status"] == "PROCESSING_UPLOAD"
    assert tiktok.posts() == []
    tiktok.at(6)
    told = tiktok.state(id)
    assert (told["status"], told["publicaly_available_post_id"]) == (
        "PUBLISH_COMPLETE",
        [],
    )
    (post,) = tiktok.posts()
    assert post["media_sha256"] == [hashlib.sha256(data).hexdigest()]
    assert (post["text"], post["media_kinds"]) == ("Hello #cake", ["video"])
    tiktok.at(26)
    (number,) = tiktok.state(id)["publicaly_available_post_id"]
    assert number > 2**53
    page = tiktok.http.get(f"{tiktok.url}/www/@cake/video/{number}").text
    assert "Hello #cake" in page
    shown = tiktok.http.get(re.findall(r'<video controls src="([^"]+)"', page)[0])
    assert shown.content == data


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Content-Range": "bytes 0-9/99"}, 400),
        ({"Content-Range": "bytes 0-8/10"}, 400),
        ({"Content-Range": "0-9/10"}, 400),
        ({"Content-Type": "image/jpeg"}, 400),
        ({"data": b"x" * 9, "total": 10}, 400),
        ({"data": b"x" * 9, "start": 1, "total": 10}, 416),
        ({"query": "&upload_token=other"}, 404),
        ({"late": HOUR}, 403),
    ],
)
def test_a_chunk_that_does_not_fit_is_not_taken(tiktok, changes, status):
    changes, made = dict(changes), tiktok.ok(VIDEO, upload(10))
    tiktok.at(changes.pop("late", 0))
    url = made["upload_url"]
    if "query" in changes:
        url = url.partition("&")[0] + changes.pop("query")
    answer = tiktok.put(url, changes.pop("data", b"x" * 10), **changes)
    assert answer.status_code == status
    assert answer.content == b""
    if status == 403:
        told = tiktok.state(made["publish_id"])
        assert (told["status"], told["fail_reason"]) == ("FAILED", "internal")


def test_a_lost_answer_to_the_last_chunk_shows_in_the_status(tiktok):
    made = tiktok.ok(VIDEO, upload(len(clip())))
    tiktok.fault("drop_answer", "commit")
    with pytest.raises(requests.ConnectionError):
        tiktok.put(made["upload_url"], clip())
    assert tiktok.state(made["publish_id"])["uploaded_bytes"] == len(clip())


@pytest.mark.parametrize(
    ("data", "longest", "reason"),
    [
        (lambda: b"no video", 600, "file_format_check_failed"),
        (lambda: photo(), 600, "file_format_check_failed"),
        (lambda: clip(codec="mpeg4"), 600, "file_format_check_failed"),
        (lambda: clip(rate=10), 600, "frame_rate_check_failed"),
        (lambda: clip(size=(320, 640)), 600, "picture_size_check_failed"),
        (lambda: clip(), 0.5, "duration_check_failed"),
    ],
)
def test_what_is_wrong_with_a_video_shows_after_the_transfer(
    tiktok, data, longest, reason
):
    tiktok.account = tiktok.new("limited", max_duration_s=longest)
    id = tiktok.upload(data())
    tiktok.at(10)
    told = tiktok.state(id)
    assert (told["status"], told["fail_reason"]) == ("FAILED", reason)
    assert tiktok.posts() == []


# ---------------------------------------------------------------- checks of an init


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (upload(9, title="x" * 2201), (400, "invalid_params")),
        (upload(9, title="🎂" * 1101), (400, "invalid_params")),
        (upload(9, disable_duet="no"), (400, "invalid_params")),
        (upload(9, 5, 1), (400, "invalid_params")),
        (upload(9, 9, 2), (400, "invalid_params")),
        ({"post_info": info()}, (400, "invalid_params")),
        (
            {"post_info": info(), "source_info": {"source": "X"}},
            (400, "invalid_params"),
        ),
        (upload(9, privacy_level=None), (403, "privacy_level_option_mismatch")),
        (
            upload(9, privacy_level="FOLLOWER_OF_CREATOR"),
            (403, "privacy_level_option_mismatch"),
        ),
        (pull("http://media.example.com/a.mp4"), (400, "invalid_params")),
        (pull("ftp://127.0.0.1/a.mp4"), (400, "invalid_params")),
    ],
)
def test_a_video_init_is_checked(tiktok, body, expected):
    assert tiktok.code(VIDEO, body) == expected


JPEGS = ["http://127.0.0.1:1/a.jpg"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (photos(JPEGS, title="x" * 91), (400, "invalid_params")),
        (photos(JPEGS, description="x" * 4001), (400, "invalid_params")),
        (photos([]), (400, "invalid_params")),
        (photos(JPEGS * 36), (400, "invalid_params")),
        (photos(JPEGS, cover=1), (400, "invalid_params")),
        (photos(JPEGS, mode="LATER"), (400, "invalid_params")),
        (photos(JPEGS, privacy_level="ALL"), (403, "privacy_level_option_mismatch")),
    ],
)
def test_a_photo_init_is_checked(tiktok, body, expected):
    assert tiktok.code(CONTENT, body) == expected


def test_an_app_before_its_audit_posts_privately_to_private_accounts(tiktok):
    tiktok.switch(audited="no")
    refused = (403, "unaudited_client_can_only_post_to_private_accounts")
    assert tiktok.code(VIDEO, upload(9)) == refused
    assert tiktok.code(VIDEO, upload(9, privacy_level="SELF_ONLY")) == refused
    tiktok.end("go_private")
    assert tiktok.code(VIDEO, upload(9, privacy_level="SELF_ONLY")) == (200, "ok")
    assert tiktok.code(INBOX, upload(9)) == (200, "ok")
    for number in range(4):
        other = tiktok.new(f"other{number}")
        assert tiktok.code(INBOX, upload(9), account=other) == (200, "ok")
    fifth = tiktok.new("fifth")
    assert tiktok.code(INBOX, upload(9), account=fifth) == (
        403,
        "reached_active_user_cap",
    )


def test_only_verified_addresses_are_pulled(tiktok, shelf):
    tiktok.switch(verified_prefixes=f"example.com {shelf}/own/")
    refused = (403, "url_ownership_unverified")
    assert tiktok.code(VIDEO, pull(f"{shelf}/a.mp4")) == refused
    assert tiktok.code(CONTENT, photos([f"{shelf}/a.jpg"])) == refused
    assert tiktok.code(VIDEO, pull(f"{shelf}/own/a.mp4")) == (200, "ok")


# ---------------------------------------------------------------- pulls


def test_photos_are_pulled_and_shown(tiktok, shelf):
    urls = [f"{shelf}/a.jpg", f"{shelf}/a.webp"]
    id = tiktok.ok(CONTENT, photos(urls, description="Longer"))["publish_id"]
    assert id.startswith("p_pub_url~v2.")
    assert tiktok.state(id)["status"] == "PROCESSING_DOWNLOAD"
    tiktok.at(8)
    told = tiktok.state(id)
    assert told["status"] == "PUBLISH_COMPLETE"
    assert told["downloaded_bytes"] == len(photo()) + len(photo("WEBP"))
    (post,) = tiktok.posts()
    assert (post["text"], post["media"]) == ("Hello #cake\nLonger", 2)
    assert "/www/@cake/photo/" in post["url"]
    page = tiktok.http.get(post["url"]).text
    _first, second = re.findall(r'<img src="([^"]+)"', page)
    assert tiktok.http.get(second).content == photo("WEBP")
    home = tiktok.http.get(f"{tiktok.url}/").text
    assert "Hello #cake" in home


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.jpg", "photo_pull_failed"),
        ("moved", "photo_pull_failed"),
        ("a.png", "file_format_check_failed"),
        ("tall.jpg", "picture_size_check_failed"),
    ],
)
def test_what_is_wrong_with_a_photo_shows_after_the_download(
    tiktok, shelf, name, reason
):
    urls = [f"{shelf}/a.jpg", f"{shelf}/{name}"]
    id = tiktok.ok(CONTENT, photos(urls))["publish_id"]
    tiktok.at(8)
    told = tiktok.state(id)
    assert (told["status"], told["fail_reason"]) == ("FAILED", reason)


def test_a_pull_can_be_cancelled_while_it_downloads(tiktok, shelf):
    first, second = (
        tiktok.ok(VIDEO, pull(f"{shelf}/a.mp4"))["publish_id"] for _ in range(2)
    )
    path = "/v2/post/publish/cancel/"
    assert tiktok.ok(path, {"publish_id": first}) is None
    assert tiktok.state(first)["fail_reason"] == "publish_cancelled"
    tiktok.at(3)
    refused = (400, "publish_not_cancellable")
    assert tiktok.code(path, {"publish_id": second}) == refused
    assert tiktok.code(path, {"publish_id": first}) == refused
    assert tiktok.code(path, {"publish_id": "v_pub.1"}) == (400, "invalid_publish_id")
    other = tiktok.new("other")
    assert tiktok.code(STATUS, {"publish_id": second}, account=other) == (
        400,
        "token_not_authorized_for_specified_publish_id",
    )


def test_a_lost_answer_to_a_pull_leaves_a_post_that_the_list_shows(tiktok, shelf):
    tiktok.fault("drop_answer", "commit")
    with pytest.raises(requests.ConnectionError):
        tiktok.call(VIDEO, pull(f"{shelf}/a.mp4"))
    tiktok.at(30)
    listed = tiktok.ok("/v2/video/list/", {}, params={"fields": FIELDS})
    assert listed["videos"][0]["title"] == "Hello #cake"


# ---------------------------------------------------------------- drafts, ends


def test_a_draft_waits_for_its_creator(tiktok, shelf):
    id = tiktok.upload(clip(), path=INBOX)
    assert id.startswith("v_inbox_file~v2.")
    tiktok.at(6)
    assert tiktok.state(id)["status"] == "SEND_TO_USER_INBOX"
    assert tiktok.posts() == []
    form = {"publish_id": id}
    assert "A video of Cake" in tiktok.http.get(f"{tiktok.url}/www/inbox").text
    assert tiktok.http.post(f"{tiktok.url}/www/inbox", data=form).ok
    assert tiktok.state(id)["status"] == "PUBLISH_COMPLETE"
    for _ in range(5):
        tiktok.ok(CONTENT, photos([f"{shelf}/a.jpg"], "MEDIA_UPLOAD"))
    full = (403, "spam_risk_too_many_pending_share")
    assert tiktok.code(INBOX, upload(9)) == full
    other = tiktok.new("other")
    tiktok.switch(old_phone="yes")
    assert tiktok.code(
        CONTENT, photos([f"{shelf}/a.jpg"], "MEDIA_UPLOAD"), account=other
    ) == (400, "app_version_check_failed")


@pytest.mark.trap("tiktok", 17)
@pytest.mark.parametrize("path", ["inbox/video/list/", "inbox/photo/init/"])
def test_calls_that_only_other_clients_name_are_not_there(tiktok, path):
    path = f"/v2/post/publish/{path}"
    assert not [call.key for call in SPEC.calls if path in call.key]
    assert tiktok.call(path, {}).status_code == 404


@pytest.mark.parametrize("ends", ["never", "internal", "spam_risk_text"])
def test_processing_ends_as_it_is_told(tiktok, ends):
    tiktok.switch(processing_ends=ends)
    id = tiktok.upload(clip())
    tiktok.at(1800)
    told = tiktok.state(id)
    is_stuck = ends == "never"
    assert told["status"] == ("PROCESSING_UPLOAD" if is_stuck else "FAILED")
    assert told["fail_reason"] == ("" if is_stuck else ends)


def test_a_removed_app_ends_what_is_under_way(tiktok):
    id = tiktok.upload(clip())
    tiktok.end("revoke")
    again = tiktok.new("cake")
    told = tiktok.state(id, account=again)
    assert (told["status"], told["fail_reason"]) == ("FAILED", "auth_removed")


# ---------------------------------------------------------------- events


class Ear(BaseHTTPRequestHandler):
    """An app's callback; `heard` has the events, `status` is its answer."""

    heard: ClassVar[list] = []
    status: ClassVar[int] = 200

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.headers["TikTok-Signature"], raw))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def ear(tiktok):
    Ear.heard, Ear.status = [], 200
    with ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        tiktok.switch(webhook_url=f"http://127.0.0.1:{server.server_port}/")

        def heard():
            tiktok.ok(CREATOR, account=tiktok.new("anybody"))  # sends what is due
            tiktok.server.twins["tiktok"].wait_for_hooks()
            return [json.loads(raw) for _, raw in Ear.heard]

        yield heard
        server.shutdown()


def test_events_tell_what_became_of_a_publish(tiktok, ear):
    public, failed = tiktok.upload(clip()), tiktok.upload(b"no video")
    draft = tiktok.upload(clip(), path=INBOX)
    assert ear() == []
    tiktok.at(26)
    events = [(event["event"], json.loads(event["content"])) for event in ear()]
    direct, share = {"publish_type": "DIRECT_POST"}, {"publish_type": "INBOX_SHARE"}
    (number,) = tiktok.state(public)["publicaly_available_post_id"]
    by_name = dict(sorted(events, key=lambda event: event[0]))
    assert len(events) == 4
    assert by_name == {
        "post.publish.complete": {**direct, "publish_id": public},
        "post.publish.failed": {
            **direct,
            "publish_id": failed,
            "reason": "file_format_check_failed",
        },
        "post.publish.inbox_delivered": {**share, "publish_id": draft},
        "post.publish.publicly_available": {
            **direct,
            "publish_id": public,
            "post_id": str(number),
        },
    }
    assert len(ear()) == 4


@pytest.mark.parametrize("signed", ["rightly", "wrongly", "long_ago"])
def test_an_event_is_signed_over_its_raw_body(tiktok, ear, signed):
    tiktok.switch(webhook_signed=signed, webhook_times=2)
    tiktok.end("revoke")
    first, second = ear()
    assert first == second
    assert (first["event"], first["content"]) == (
        "authorization.removed",
        '{"reason": 1}',
    )
    header, raw = Ear.heard[0]
    at, given = re.fullmatch(r"t=(\d+),s=([0-9a-f]{64})", header).groups()
    text = f"{at}.".encode() + raw
    made = hmac.new(CLIENT_SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert (made == given) is (signed != "wrongly")
    age = tiktok.server.world.now().timestamp() - int(at)
    assert (age > 300) is (signed == "long_ago")


def test_an_event_that_nobody_takes_comes_again_for_three_days(tiktok, ear):
    Ear.status = 503
    tiktok.end("revoke")
    assert len(ear()) == 1
    assert len(ear()) == 1
    tiktok.at(120)
    assert len(ear()) == 2
    Ear.status = 200
    tiktok.at(3600)
    assert len(ear()) == 3
    assert len(ear()) == 3


# ---------------------------------------------------------------- lists and limits


def test_lists_show_public_videos_in_pages_and_figures_that_grow(tiktok, shelf):
    ids = [tiktok.upload(clip(), title=f"Nr {number}") for number in range(3)]
    tiktok.upload(clip(), privacy_level="SELF_ONLY")
    tiktok.ok(CONTENT, photos([f"{shelf}/a.jpg"]))
    path, asked = "/v2/video/list/", {"fields": FIELDS}
    assert tiktok.ok(path, {}, params=asked)["videos"] == []
    tiktok.at(60)
    first = tiktok.ok(path, {"max_count": 2}, params=asked)
    assert [shown["title"] for shown in first["videos"]] == ["Nr 2", "Nr 1"]
    assert first["has_more"] is True
    rest = tiktok.ok(path, {"cursor": first["cursor"]}, params=asked)
    assert [shown["title"] for shown in rest["videos"]] == ["Nr 0"]
    assert rest["has_more"] is False
    (number,) = tiktok.state(ids[0])["publicaly_available_post_id"]
    body = {"filters": {"video_ids": [str(number), "1"]}}
    query = "/v2/video/query/"
    (young,) = tiktok.ok(query, body, params=asked)["videos"]
    assert young["share_url"].endswith(f"/www/@cake/video/{number}")
    tiktok.at(7000)
    (older,) = tiktok.ok(query, body, params=asked)["videos"]
    assert older["view_count"] > young["view_count"]
    assert tiktok.code(path, {"max_count": 21}, params=asked) == (400, "invalid_params")
    assert tiktok.code(path, {}) == (400, "invalid_params")


def test_minutes_and_days_have_their_limits(tiktok):
    for _ in range(6):
        tiktok.ok(VIDEO, upload(9))
    assert tiktok.code(VIDEO, upload(9)) == (429, "rate_limit_exceeded")
    tiktok.at(61)
    tiktok.switch(posts_per_day=7)
    tiktok.ok(VIDEO, upload(9))
    capped = "spam_risk_too_many_posts"
    assert tiktok.code(VIDEO, upload(9)) == (403, capped)
    assert tiktok.code(CREATOR) == (200, capped)
    tiktok.switch(invalid_code="invalid_param", posts_elsewhere=0, posts_per_day=15)
    assert tiktok.code(VIDEO, {}) == (400, "invalid_param")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rate_limited", (429, "rate_limit_exceeded")),
        ("server_error", (500, "internal_error")),
        ("content_refused", (400, "invalid_file_upload")),
        ("app_suspended", (401, "scope_not_authorized")),
    ],
)
def test_faults_of_the_panel_are_refused_in_its_words(tiktok, kind, expected):
    tiktok.fault(kind, f"POST {CREATOR}")
    assert tiktok.code(CREATOR) == expected
    assert tiktok.code(CREATOR) == (200, "ok")


def test_the_record_names_calls_as_the_sheet_does(tiktok, shelf):
    tiktok.upload(clip())
    tiktok.ok(CONTENT, photos([f"{shelf}/a.jpg"]))
    url = f"{tiktok.server.url}/api/record"
    record = tiktok.http.get(url, params={"platform": "tiktok"}).json()["record"]
    assert [(note["call"], note["commit"]) for note in record] == [
        (f"POST {VIDEO}", False),
        ("PUT upload_url", True),
        (f"POST {CONTENT} (DIRECT_POST)", True),
    ]
    assert {note["account"] for note in record} == {tiktok.account["external_id"]}
    assert json.dumps(record).count("upload_token") == 0
    assert set(tiktok.account["scopes"]) == set(SCOPES)
