"""Snapchat in the practice network, over HTTP, held against Snap's documentation."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from PIL import Image

from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video
from platforms.snapchat.spec import SPEC
from platforms.snapchat.twin import SnapchatTwin
from platforms.snapchat.twin_login import CLIENT_ID, CLIENT_SECRET

BACK = "http://127.0.0.1:9999/oauth/snapchat/"
KEY, IV = os.urandom(32), os.urandom(16)
DAY = 24 * 3600
DENIED = (403, "AUTHORIZATION_PERMISSION_DENIED")
INVALID = (400, "INVALID_REQUEST")
ANA = "1b2c3d4e-0000-4000-8000-00000000000a"
MIA = "1b2c3d4e-0000-4000-8000-00000000000c"


@cache
def clip(seconds=6, size=(540, 960), **more):
    return video(seconds * 2, size=size, rate=2, **more)


@cache
def photo(kind="JPEG"):
    stream = io.BytesIO()
    Image.new("RGB", (90, 160), "teal").save(stream, kind)
    return stream.getvalue()


def encrypted(data, key=KEY, iv=IV):
    more = 16 - len(data) % 16
    cipher = Cipher(AES256(key), CBC(iv)).encryptor()
    return cipher.update(data + bytes([more]) * more) + cipher.finalize()


class Caller:
    """One profile's calls, and the panel's interface beside them."""

    def __init__(self, server, http):
        self.server, self.http = server, http
        self.url = f"{server.url}/snapchat"
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
            self.panel("switches", platform="snapchat", name=name, value=str(value))

    def end(self, how):
        account = self.account["external_id"]
        return self.panel("tokens", platform="snapchat", account=account, how=how)

    def at(self, seconds):
        self.panel("clock", shift_s=seconds)

    def later(self, seconds):
        """The clock, and an access that is young enough for it."""
        self.at(seconds)
        self.account = self.new("cake")

    def new(self, handle, **options):
        return self.panel(
            "accounts",
            platform="snapchat",
            handle=handle,
            name=handle.title(),
            options=options,
        )

    def call(self, method, path, account=None, **more):
        account = account or self.account
        headers = {"Authorization": f"Bearer {account['access_token']}"}
        path = path.replace("{me}", f"/v1/public_profiles/{account['external_id']}")
        return self.http.request(
            method, f"{self.url}/api{path}", headers=headers, **more
        )

    def ok(self, method, path, **more):
        answer = self.call(method, path, **more)
        body = answer.json()
        assert (answer.status_code, body["request_status"]) == (200, "SUCCESS"), body
        return body

    def code(self, method, path, **more):
        """(status, error code) of an answer."""
        answer = self.call(method, path, **more)
        body = answer.json()
        assert body["request_id"]
        if body["request_status"] == "SUCCESS":
            return answer.status_code, ""
        assert body["display_message"]
        return answer.status_code, body["error_code"]

    # media
    def created(self, kind="VIDEO", **changes):
        body = {
            "type": kind,
            "name": "clip",
            "key": base64.b64encode(KEY).decode(),
            "iv": base64.b64encode(IV).decode(),
        }
        return self.ok("POST", "{me}/media", json={**body, **changes})

    def add(self, media, number, part, action="ADD"):
        form = {"action": action, "part_number": number}
        files = {"file": ("part", part)}
        return self.code("POST", media["add_path"], data=form, files=files)

    def finalize(self, media):
        files = {"action": (None, "FINALIZE")}
        return self.code("POST", media["finalize_path"], files=files)

    def upload(self, data=None, kind="VIDEO"):
        data = encrypted(clip() if data is None else data)
        media = self.created(kind)
        half = len(data) // 2 // 16 * 16 + 3
        for number, part in enumerate((data[:half], data[half:]), 1):
            assert self.add(media, number, part) == (200, "")
        assert self.finalize(media) == (200, "")
        return media["media_id"]

    def story(self, media, **more):
        body = {"media_id": media, **more}
        return self.code("POST", "{me}/stories", json=body)

    def spotlight(self, media, **more):
        body = {"media_id": media, "locale": "en_US", "description": "Sow #now"}
        return self.code("POST", "{me}/spotlights", json={**body, **more})

    def posts(self):
        url = f"{self.server.url}/api/posts"
        return self.http.get(url, params={"platform": "snapchat"}).json()["posts"]

    # sign-in
    def consent(self, person=ANA, decision="allow", **asked):
        url = f"{self.url}/accounts/login/oauth2/authorize"
        query = {
            "client_id": CLIENT_ID,
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "snapchat-profile-api",
            "state": "s1",
            **asked,
        }
        page = self.http.get(url, params=query)
        if page.status_code != 200:
            return {"page": page.text}
        form = re.findall(
            r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text
        )
        form += [("person", person), ("decision", decision)]
        answer = self.http.post(url, data=form, allow_redirects=False)
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}

    def token(self, **form):
        keys = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        url = f"{self.url}/accounts/login/oauth2/access_token"
        answer = self.http.post(url, data={**keys, **form})
        body = answer.json()
        return body if answer.ok else (answer.status_code, body["error"])

    def exchange(self, code_, **changes):
        form = {"grant_type": "authorization_code", "redirect_uri": BACK, "code": code_}
        return self.token(**{**form, **changes})

    def refresh(self, secret):
        return self.token(grant_type="refresh_token", refresh_token=secret)


@pytest.fixture(scope="module")
def practice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("practice")
    server = start_practice(folder, twins={"snapchat": SnapchatTwin})
    yield server
    server.stop()


@pytest.fixture
def snapchat(practice):
    with requests.Session() as http:
        http.trust_env = False
        yield Caller(practice, http)


# ---------------------------------------------------------------- signing in


def test_a_code_becomes_an_hour_of_access_to_every_profile_with_a_role(snapchat):
    back = snapchat.consent()
    assert back["state"] == "s1"
    pair = snapchat.exchange(back["code"])
    assert (pair["expires_in"], pair["scope"]) == (3600, "snapchat-profile-api")
    own = snapchat.ok(
        "GET", "/v1/public_profiles/my_profile", account=pair | {"external_id": ""}
    )
    profile = own["public_profile"]
    assert (profile["snap_user_name"], profile["subscriber_count"]) == (
        "acmegarden",
        "905",
    )
    pair["external_id"] = profile["id"]
    path = f"/v1/organizations/{profile['organization_id']}/public_profiles"
    first = snapchat.ok("GET", path, account=pair, params={"limit": 1})
    cursor = first["paging"]["next_page_id"]
    second = snapchat.ok("GET", path, account=pair, params={"cursor": cursor})
    assert "paging" not in second
    (entry,) = second["public_profiles"]
    assert entry["public_profile"]["snap_user_name"] == "acmekitchen"
    assert snapchat.exchange(back["code"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"redirect_uri": BACK + "x"}, (400, "invalid_grant")),
        ({"client_secret": "other"}, (401, "invalid_client")),
        ({"client_id": "other"}, (401, "invalid_client")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
        ({"code": "other"}, (400, "invalid_grant")),
    ],
)
def test_a_wrong_exchange_is_refused(snapchat, changes, expected):
    assert snapchat.exchange(snapchat.consent()["code"], **changes) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"decision": "cancel"}, {"error": "access_denied", "state": "s1"}),
        ({"redirect_uri": "https://evil.example/"}, {"page": "redirect_uri"}),
        ({"client_id": "other"}, {"page": "client_id"}),
        ({"scope": "snapchat-profile-api,all"}, {"page": "scope"}),
        ({"response_type": "token"}, {"page": "response_type"}),
    ],
)
def test_a_sign_in_that_does_not_end_in_a_code(snapchat, asked, expected):
    back = snapchat.consent(**asked)
    assert "code" not in back
    for name, value in expected.items():
        assert value in back[name]


def test_a_code_lives_ten_minutes_and_a_refresh_may_bring_a_new_token(snapchat):
    late = snapchat.consent()["code"]
    pair = snapchat.exchange(snapchat.consent()["code"])
    snapchat.at(601)
    assert snapchat.exchange(late) == (400, "invalid_grant")
    snapchat.at(400 * DAY)
    old = pair["refresh_token"]
    assert snapchat.refresh(old)["refresh_token"] != old
    snapchat.switch(rotation="none")
    assert "refresh_token" not in snapchat.refresh(old)
    snapchat.switch(rotation="new_and_old_ends", invalid_grant_status=401)
    assert snapchat.refresh(old)["refresh_token"]
    assert snapchat.refresh(old) == (401, "invalid_grant")
    # So an answer that is lost may have taken the old one along.
    assert SPEC.renewal_rotates


@pytest.mark.parametrize(
    ("how", "code", "refreshes"),
    [
        ("expire", (401, "UNAUTHORIZED"), True),
        ("revoke", (401, "UNAUTHORIZED"), False),
        ("password_changed", (401, "UNAUTHORIZED"), False),
        ("role_lost", DENIED, True),
        ("suspend", DENIED, True),
        ("scope_lost:snapchat-profile-api", DENIED, True),
    ],
)
def test_each_end_and_its_undoing(snapchat, how, code, refreshes):
    snapchat.end(how)
    assert snapchat.code("GET", "{me}") == code
    snapchat.end("restore")
    assert snapchat.code("GET", "{me}") == (200, "")
    snapchat.end(how)
    again = snapchat.refresh(snapchat.account["refresh_token"])
    assert isinstance(again, dict) is refreshes


@pytest.mark.parametrize("shape", ["envelope", "invalid_token", "E3002"])
def test_a_dead_token_is_told_in_one_of_three_ways(snapchat, shape):
    snapchat.switch(unauthorized_as=shape)
    snapchat.end("revoke")
    answer = snapchat.call("GET", "{me}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    body = answer.json()
    assert ("error" in body) is (shape == "invalid_token")
    assert (body.get("error_code") == "E3002") is (shape == "E3002")


def test_nothing_is_allowed_before_the_app_is_on_the_list(snapchat):
    mia = snapchat.exchange(snapchat.consent(MIA)["code"]) | {"external_id": ""}
    path = "/v1/public_profiles/my_profile"
    assert snapchat.code("GET", path, account=mia) == (404, "E3003")
    snapchat.switch(my_profile_as="list")
    (entry,) = snapchat.ok("GET", path)["public_profiles"]
    assert entry["public_profile"]["id"] == snapchat.account["external_id"]
    snapchat.switch(allow_listed="no")
    assert snapchat.code("GET", path) == DENIED


def test_a_profile_of_somebody_else_is_out_of_reach(snapchat):
    other = snapchat.new("other")["external_id"]
    assert snapchat.code("GET", f"/v1/public_profiles/{other}") == DENIED
    assert snapchat.code("GET", "/v1/public_profiles/none") == (404, "E3003")
    public = f"{snapchat.url}/api/public/v1/public_profiles/{other}"
    told = snapchat.http.get(public).json()["public_profile"]
    assert told["snap_user_name"] == "other"


# ---------------------------------------------------------------- uploads


def test_a_video_is_decrypted_and_goes_out_as_a_story(snapchat):
    media = snapchat.upload()
    assert snapchat.story(media) == (200, "MEDIA_PROCESSING")
    snapchat.at(9)
    body = snapchat.ok("POST", "{me}/stories", json={"media_id": media})
    assert body.keys() == {"request_status", "request_id"}
    (post,) = snapchat.posts()
    assert post["media_sha256"] == [hashlib.sha256(clip()).hexdigest()]
    assert post["media_kinds"] == ["video"]
    page = snapchat.http.get(f"{snapchat.url}/www/@cake").text
    shown = snapchat.http.get(re.findall(r'<video controls src="([^"]+)"', page)[0])
    assert shown.content == clip()
    (entry,) = snapchat.ok("GET", "{me}/stories")["stories"]
    assert entry["story"]["id"] == post["id"]
    snapchat.later(9 + DAY)
    assert snapchat.posts() == []
    assert snapchat.ok("GET", "{me}/stories")["stories"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "AUDIO"},
        {"name": ""},
        {"key": base64.b64encode(KEY[:16]).decode()},
        {"iv": KEY.hex()},
        {"iv": None},
    ],
)
def test_an_upload_begins_with_a_key_and_an_iv(snapchat, changes):
    body = {
        "type": "VIDEO",
        "name": "clip",
        "key": base64.b64encode(KEY).decode(),
        "iv": base64.b64encode(IV).decode(),
    }
    assert snapchat.code("POST", "{me}/media", json={**body, **changes}) == INVALID


def test_parts_come_in_order_within_the_limit_and_once_finalized_no_more(snapchat):
    media = snapchat.created("IMAGE")
    assert media["add_path"].startswith("/us/v1/public_profiles/")
    assert snapchat.finalize(media) == INVALID
    assert snapchat.add(media, 2, b"x") == INVALID
    assert snapchat.add(media, 36, b"x") == INVALID
    assert snapchat.add(media, 1, b"x", action="PUT") == INVALID
    assert snapchat.add(media, 1, b"x") == (200, "")
    data = encrypted(photo())
    assert snapchat.add(media, 1, data) == (200, "")
    snapchat.switch(part_again="refused", part_bytes=100_000)
    assert snapchat.add(media, 1, data) == INVALID
    assert snapchat.add(media, 2, bytes(100_000)) == (413, "INVALID_REQUEST")
    assert snapchat.finalize(media) == (200, "")
    assert snapchat.finalize(media) == INVALID
    assert snapchat.add(media, 2, b"x") == INVALID
    snapchat.switch(finalize_again="same_answer")
    assert snapchat.finalize(media) == (200, "")
    assert snapchat.story(media["media_id"]) == (200, "")


def test_a_lost_answer_to_finalize_leaves_an_upload_that_can_be_posted(snapchat):
    media = snapchat.created("IMAGE")
    snapchat.add(media, 1, encrypted(photo("PNG")))
    fault = {"kind": "drop_answer", "call": "POST {finalize_path}", "times": 1}
    snapchat.panel("faults", platform="snapchat", **fault)
    with pytest.raises(requests.ConnectionError):
        snapchat.finalize(media)
    assert snapchat.finalize(media) == INVALID
    assert snapchat.story(media["media_id"]) == (200, "")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (lambda: encrypted(clip(), key=os.urandom(32)), "VIDEO"),
        (lambda: encrypted(clip())[:-1], "VIDEO"),
        (lambda: clip(), "VIDEO"),
        (lambda: encrypted(photo()), "VIDEO"),
        (lambda: encrypted(photo("GIF")), "IMAGE"),
        (lambda: encrypted(clip(4)), "VIDEO"),
        (lambda: encrypted(clip(61, size=(54, 96))), "VIDEO"),
        (lambda: encrypted(clip(container="matroska")), "VIDEO"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_when_it_is_posted(snapchat, data, kind):
    media = snapchat.created(kind)
    assert snapchat.add(media, 1, data()) == (200, "")
    assert snapchat.finalize(media) == (200, "")
    snapchat.at(9)
    assert snapchat.story(media["media_id"]) == INVALID
    assert snapchat.posts() == []


def test_an_upload_is_posted_once_at_a_time_and_within_a_day(snapchat):
    media = snapchat.upload(photo(), "IMAGE")
    assert snapchat.story(media) == (200, "")
    running = "MEDIA_POSTING_ALREADY_IN_PROGRESS"
    assert snapchat.story(media) == (200, running)
    snapchat.switch(logical_status=400)
    assert snapchat.story(media) == (400, running)
    snapchat.at(31)
    assert snapchat.story(media) == (200, "")
    snapchat.at(62)
    snapchat.switch(media_twice="refused")
    assert snapchat.story(media) == INVALID
    assert len(snapchat.posts()) == 2
    snapchat.later(DAY + 1)
    assert snapchat.story(media) == (400, "MEDIA_EXPIRED")


@pytest.mark.parametrize(
    ("ends", "code"), [("never", (200, "MEDIA_PROCESSING")), ("failed", INVALID)]
)
def test_transcoding_ends_as_it_is_told(snapchat, ends, code):
    snapchat.switch(processing_ends=ends)
    media = snapchat.upload()
    snapchat.at(700)
    assert snapchat.story(media) == code


# ---------------------------------------------------------------- posts


@pytest.mark.parametrize("verdict", ["LIVE", "REJECTED"])
def test_a_spotlight_goes_through_moderation(snapchat, verdict):
    snapchat.switch(moderation_ends=verdict)
    media = snapchat.upload()
    snapchat.at(9)
    body = {"media_id": media, "locale": "en_US", "description": "Sow now #plants"}
    made = snapchat.ok("POST", "{me}/spotlights", json=body)
    path = f"{{me}}/spotlights/{made['spotlight_id']}"

    def told():
        (entry,) = snapchat.ok("GET", path)["spotlights"]
        assert entry["spotlight"]["caption"] == "Sow now #plants"
        return entry["spotlight"]["status"]

    assert told() == "SUBMITTED"
    snapchat.at(70)
    assert told() == verdict
    page = snapchat.http.get(f"{snapchat.url}/www/spotlight/{made['spotlight_id']}")
    assert page.status_code == (200 if verdict == "LIVE" else 404)
    assert len(snapchat.posts()) == (verdict == "LIVE")
    assert snapchat.code("DELETE", path) == (200, "")
    assert snapchat.code("GET", path) == (404, "E3003")


@pytest.mark.parametrize(
    "changes",
    [
        {"locale": None},
        {"locale": "english"},
        {"description": "x" * 161},
        {"skip_save_to_profile": "no"},
        {"media_id": None},
    ],
)
def test_a_spotlight_is_checked(snapchat, changes):
    assert snapchat.spotlight("m-1", **changes) == INVALID
    assert snapchat.spotlight("m-1") == (404, "E3003")


@pytest.mark.parametrize("made", [(5, (540, 960)), (6, (960, 540)), (6, (530, 960))])
def test_a_spotlight_is_long_and_upright(snapchat, made):
    video_id, image_id = snapchat.upload(clip(*made)), snapchat.upload(photo(), "IMAGE")
    snapchat.at(9)
    assert snapchat.spotlight(video_id) == INVALID
    assert snapchat.spotlight(image_id) == INVALID


def test_a_story_lives_as_long_as_it_is_told(snapchat):
    media = snapchat.upload(photo(), "IMAGE")
    assert snapchat.story(media, customized_ttl={"ttl": "A_YEAR"}) == INVALID
    snapchat.switch(tells_story_id="yes")
    body = {"media_id": media, "customized_ttl": {"ttl": "ONE_WEEK"}}
    id = snapchat.ok("POST", "{me}/stories", json=body)["story_id"]
    snapchat.at(6 * DAY)
    assert [post["id"] for post in snapchat.posts()] == [id]


def test_saved_stories_are_made_one_by_one(snapchat):
    media = snapchat.upload(photo(), "IMAGE")
    good = {"title": "Spring", "snap_sources": [{"media_id": media}]}
    bad = {"title": "x" * 46, "snap_sources": [{"media_id": media}]}
    path = "{me}/saved_stories"
    assert snapchat.code("POST", path, json={"saved_stories": [bad]}) == INVALID
    answer = snapchat.call("POST", path, json={"saved_stories": [good, bad]}).json()
    assert answer["request_status"] == "PARTIAL"
    first, second = answer["saved_stories"]
    assert first["saved_story"]["title"] == "Spring"
    assert second["sub_request_status"] == "ERROR"
    (entry,) = snapchat.ok("GET", path)["saved_stories"]
    assert entry["saved_story"] == {
        "id": first["saved_story"]["id"],
        "profile_id": snapchat.account["external_id"],
        "title": "Spring",
        "created_at": entry["saved_story"]["created_at"],
    }
    assert "Spring" in snapchat.http.get(f"{snapchat.url}/").text


def test_a_lost_answer_to_a_post_is_found_in_the_list(snapchat):
    media = snapchat.upload()
    snapchat.at(9)
    snapchat.switch(text_in="title", list_lag_s=30)
    fault = {"kind": "drop_answer", "call": "commit", "times": 1}
    snapchat.panel("faults", platform="snapchat", **fault)
    with pytest.raises(requests.ConnectionError):
        snapchat.spotlight(media, description="Lost")
    path = "{me}/spotlights"
    assert snapchat.ok("GET", path)["spotlights"] == []
    snapchat.at(50)
    (entry,) = snapchat.ok("GET", path, params={"limit": 20})["spotlights"]
    assert (entry["spotlight"]["title"], entry["spotlight"]["caption"]) == ("Lost", "")
    assert snapchat.code("GET", path, params={"limit": 51}) == INVALID


# ---------------------------------------------------------------- figures, limits


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, (200, "")),
        ({"assetType": "STORY", "fields": "VIEWS,SHARES"}, (200, "")),
        ({"assetType": "PROFILE", "fields": "SCREENSHOTS"}, INVALID),
        ({"assetType": "POST"}, INVALID),
        ({"granularity": "HOUR"}, INVALID),
        ({"granularity": "DAY"}, INVALID),
        ({"granularity": "DAY", "startTime": "{-2}", "endTime": "{-1}"}, (200, "")),
        ({"granularity": "DAY", "startTime": "{-2}", "endTime": "{-2}"}, INVALID),
        ({"granularity": "TOTAL", "startTime": "{-99}", "endTime": "{-1}"}, INVALID),
        ({"breakdownDimensions": "country,shoes"}, INVALID),
    ],
)
def test_figures_are_asked_for_by_the_rules(snapchat, query, code):
    def day(found):
        at = snapchat.server.world.now().timestamp() + int(found[1]) * DAY
        return midnight(at)

    query = {n: re.sub(r"\{(-\d+)\}", day, value) for n, value in query.items()}
    assert snapchat.code("GET", "{me}/stats", params=query) == code


def midnight(at):
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT00:00:00")


def test_figures_of_a_post_grow(snapchat):
    snapchat.story(snapchat.upload(photo(), "IMAGE"))
    (post,) = snapchat.posts()
    path = f"{{me}}/stories/{post['id']}/stats?fields=VIEWS,SHARES&granularity=LIFETIME"

    def views():
        (entry,) = snapchat.ok("GET", path)["timeseries_stats"]
        stat = entry["timeseries_stat"]
        assert (stat["type"], stat["stats"].keys()) == ("STORY", {"views", "shares"})
        return stat["stats"]["views"]

    young = views()
    snapchat.later(7200)
    assert views() > young


def test_too_many_calls_are_refused_for_a_while(snapchat):
    snapchat.switch(token_calls=1)
    for _ in range(10):
        assert snapchat.code("GET", "{me}") == (200, "")
    assert snapchat.code("GET", "{me}") == (429, "")
    snapchat.at(11)
    assert snapchat.code("GET", "{me}") == (200, "")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rate_limited", (429, "")),
        ("server_error", (500, "")),
        ("duplicate", (409, "")),
        ("content_refused", INVALID),
        ("app_suspended", DENIED),
    ],
)
def test_faults_of_the_panel_are_refused_in_its_words(snapchat, kind, expected):
    media = snapchat.upload(photo(), "IMAGE")
    fault = {"kind": kind, "call": "commit", "times": 1}
    snapchat.panel("faults", platform="snapchat", **fault)
    assert snapchat.story(media) == expected
    assert snapchat.story(media) == (200, "")


def test_the_record_names_calls_and_tells_what_was_done(snapchat):
    media = snapchat.upload()
    snapchat.story(media)
    url = f"{snapchat.server.url}/api/record"
    record = snapchat.http.get(url, params={"platform": "snapchat"}).json()["record"]
    assert [(n["call"], n["applied"], n["commit"]) for n in record] == [
        ("POST /public_profiles/:id/media", True, False),
        ("POST {add_path}", True, False),
        ("POST {add_path}", True, False),
        ("POST {finalize_path}", True, False),
        ("POST /public_profiles/:id/stories", False, True),
    ]
    assert {note["account"] for note in record} == {snapchat.account["external_id"]}
