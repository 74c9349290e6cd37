"""Pinterest in the practice network, over HTTP, held against its documentation."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import threading
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from platforms.pinterest.twin import PinterestTwin
from platforms.pinterest.twin_world import APP_ID, APP_SECRET
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video

BACK = "http://127.0.0.1:9999/oauth/pinterest/"
SCOPES = "boards:read,boards:write,pins:read,pins:write,user_accounts:read"
URL = "https://cdn.example/a.jpg"
DAY = 86_400
NO_ACCESS = (401, 2)


class Caller:
    """A program that talks to the twin, and the panel's interface beside it."""

    def __init__(self, http, server):
        self.http, self.server = http, server
        self.twin = server.twins["pinterest"]

    def panel(self, path, **body):
        answer = self.http.post(
            f"{self.server.url}/api/{path}", json=body, headers={"X-Practice": "1"}
        )
        assert answer.ok, answer.text
        return answer.json()

    def switch(self, **values):
        for name, value in values.items():
            self.panel("switches", platform="pinterest", name=name, value=str(value))

    def end(self, account, how):
        id = account["external_id"]
        return self.panel("tokens", platform="pinterest", account=id, how=how)

    def days(self, number):
        self.panel("clock", shift_s=number * DAY)

    def account(self, handle="garden", **options):
        body = {"handle": handle, "name": handle.title(), "options": options}
        return self.panel("accounts", platform="pinterest", **body)

    # one account's calls
    def of(self, account, method, path, body=None, place="api", **query):
        return self.http.request(
            method,
            f"{self.twin.url}/{place}/v5/{path}",
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {account['access_token']}"},
            timeout=20,
        )

    def get(self, account, path, **query):
        answer = self.of(account, "GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pin(self, account, place="api", **fields):
        board = account["extra"]["boards"][0]["id"]
        source = {"source_type": "image_url", "url": URL}
        body = {"board_id": board, "media_source": source, **fields}
        return self.of(account, "POST", "pins", body, place)

    def made(self, account, **fields):
        answer = self.pin(account, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    # videos
    def register(self, account):
        answer = self.of(account, "POST", "media", {"media_type": "video"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def send(self, media, data, first=(), **headers):
        """As the storage wants it: the parameters, and the file as the last part."""
        parts = [(k, (None, v)) for k, v in media["upload_parameters"].items()]
        parts = [*first, *parts, ("file", ("a.mp4", data))]
        return self.http.post(media["upload_url"], files=parts, headers=headers)

    def status(self, account, media):
        return self.get(account, f"media/{media['media_id']}")["status"]

    def video(self, account, data):
        media = self.register(account)
        sent = self.send(media, data)
        assert (sent.status_code, sent.content) == (204, b""), sent.text
        return media

    # the sign-in
    def consent(self, person, decision="allow", untick=(), **asked):
        url = f"{self.twin.url}/www/oauth/"
        query = {
            "client_id": APP_ID,
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": SCOPES,
            "state": "s1",
            **asked,
        }
        page = self.http.get(url, params=query).text
        inputs = re.findall(
            r'<input type="(?:hidden|checkbox)" name="(\w+)" value="([^"]*)"', page
        )
        form = [(n, v) for n, v in inputs if v not in untick]
        form += [("person", person), ("decision", decision)]
        answer = self.http.post(url, data=form, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        parts = urlsplit(answer.headers["Location"])
        return {name: values[0] for name, values in parse_qs(parts.query).items()}

    def token(self, secret=APP_SECRET, **form):
        url = f"{self.twin.url}/api/v5/oauth/token"
        return self.http.post(url, data=form, auth=(APP_ID, secret))

    def exchange(self, code, **changes):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        return self.token(**form | changes)

    def refresh(self, token, **changes):
        return self.token(grant_type="refresh_token", refresh_token=token, **changes)


def refusal(answer):
    assert answer.status_code >= 400, answer.text
    assert answer.headers["x-pinterest-rid"]
    assert answer.json()["message"]
    return (answer.status_code, answer.json()["code"])


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pinterest")
    server = start_practice(folder, twins={"pinterest": PinterestTwin})
    yield server
    server.stop()


@pytest.fixture
def call(network):
    """A network that has started anew and believes the addresses of pictures."""
    with requests.Session() as session:
        session.trust_env = False
        caller = Caller(session, network)
        caller.panel("reset")
        caller.switch(believe_the_address="yes")
        yield caller


@pytest.fixture
def garden(call):
    return call.account("garden")


@cache
def clip():
    """Four seconds, of few pictures."""
    return video(8, rate=2)


def picture(kind="JPEG", size=(400, 600)):
    stream = io.BytesIO()
    Image.new("RGB", size, "green").save(stream, kind)
    return stream.getvalue()


def sent(kind="JPEG", **changes):
    data = base64.b64encode(picture(kind)).decode()
    return {"content_type": f"image/{kind.lower()}", "data": data, **changes}


# ---------------------------------------------------------------- sign-in


def test_a_person_signs_in_and_the_access_is_renewed(call):
    user = call.twin.user_named("acmegarden")["id"]
    answer = call.consent(user)
    assert answer["state"] == "s1"
    first = call.exchange(answer["code"], continuous_refresh="true").json()
    assert first["scope"].split() == SCOPES.split(",")
    assert (first["token_type"], first["response_type"]) == (
        "bearer",
        "authorization_code",
    )
    assert (first["expires_in"], first["refresh_token_expires_in"]) == (
        30 * DAY,
        60 * DAY,
    )
    assert first["refresh_token_expires_at"] == pytest.approx(
        call.twin.time() + 60 * DAY, abs=5
    )
    me = call.get(first, "user_account")
    assert (me["id"], me["username"], me["account_type"]) == (
        user,
        "acmegarden",
        "BUSINESS",
    )
    call.days(31)
    assert refusal(call.of(first, "GET", "user_account")) == NO_ACCESS
    second = call.refresh(first["refresh_token"]).json()
    assert second["response_type"] == "refresh_token"
    assert second["refresh_token"] != first["refresh_token"]
    assert call.get(second, "user_account")["id"] == user
    assert refusal(call.refresh(first["refresh_token"])) == (400, 1)
    call.switch(dead_refresh=401)
    assert refusal(call.refresh(first["refresh_token"])) == NO_ACCESS
    call.days(90)
    assert call.refresh(second["refresh_token"]).ok, "each refresh renews the 60 days"
    call.days(92)
    assert refusal(call.refresh(second["refresh_token"])) == NO_ACCESS


def test_an_old_app_that_does_not_ask_gets_a_year_and_no_more(call):
    call.switch(old_app="yes")
    user = call.twin.user_named("acmegarden")["id"]
    asked = call.exchange(call.consent(user)["code"], continuous_refresh="true").json()
    assert asked["refresh_token_expires_in"] == 60 * DAY
    first = call.exchange(call.consent(user)["code"]).json()
    assert first["refresh_token_expires_in"] == 365 * DAY
    call.days(31)
    second = call.refresh(first["refresh_token"]).json()
    assert "refresh_token" not in second
    assert call.refresh(first["refresh_token"]).ok
    call.days(366)
    assert refusal(call.refresh(first["refresh_token"])) == (400, 1)


def test_refused_and_spoiled_sign_ins(call):
    user = call.twin.user_named("acmegarden")["id"]
    told = call.consent(user, "cancel")
    assert told == {"error": "access_denied", "state": "s1"}
    spent, late = (call.consent(user)["code"] for _ in range(2))
    assert refusal(call.exchange(spent, redirect_uri=BACK[:-1])) == (400, 1)
    assert refusal(call.exchange(spent, secret="wrong")) == NO_ACCESS
    assert call.exchange(spent).ok
    assert refusal(call.exchange(spent)) == (400, 1)
    call.days(1 / 24)
    assert refusal(call.exchange(late)) == (400, 1)
    assert refusal(call.token(grant_type="password")) == (400, 1)
    url = f"{call.twin.url}/www/oauth/"
    query = {"client_id": APP_ID, "redirect_uri": BACK, "response_type": "code"}
    for asked in (
        {"client_id": "1"},
        {"redirect_uri": "https://elsewhere.example/"},
        {"response_type": "token"},
        {"scope": "pins:read,poems"},
    ):
        page = call.http.get(url, params={**query, "scope": SCOPES, **asked})
        assert page.status_code == 400, asked


@pytest.mark.parametrize(
    ("how", "expected", "renews"),
    [
        ("expire", NO_ACCESS, True),
        ("refresh_expired", NO_ACCESS, False),
        ("revoke", NO_ACCESS, False),
        ("password_changed", NO_ACCESS, False),
        ("suspend", NO_ACCESS, False),
        ("spam", (429, 8), True),
        ("boards_deleted", (404, 40), True),
        ("scope_lost:pins:write", (401, 3), True),
    ],
)
def test_an_access_ends_and_comes_back(call, garden, how, expected, renews):
    assert call.end(garden, how)["touched"] >= 1
    answer = call.pin(garden)
    assert refusal(answer) == expected
    assert ("spam" in answer.json()["message"]) is (how == "spam")
    assert call.refresh(garden["refresh_token"]).ok is renews
    call.end(garden, "restore")
    assert call.pin(garden).status_code == 201


def test_an_access_token_outlives_a_permission_to_renew(call, garden):
    assert call.end(garden, "renewal_expired")["touched"] == 1
    assert not call.refresh(garden["refresh_token"]).ok
    assert call.pin(garden).status_code == 201
    call.end(garden, "restore")
    assert call.refresh(garden["refresh_token"]).ok


def test_every_dead_token_looks_the_same(call, garden):
    sandbox = call.account("garden", sandbox=True)
    for account, place in (
        ({"access_token": "strange"}, "api"),
        ({"access_token": garden["refresh_token"]}, "api"),
        (garden, "sandbox"),
        (sandbox, "api"),
    ):
        answer = call.of(account, "GET", "user_account", place=place)
        assert answer.json() == {"code": 2, "message": "Authentication failed."}
        assert answer.status_code == 401
    call.switch(old_bodies="yes", app_state="deactivated")
    answer = call.of(garden, "GET", "user_account")
    assert answer.json()["status"] == "failure"
    assert refusal(answer) == NO_ACCESS


# ---------------------------------------------------------------- app and places


def test_an_app_in_trial_access_makes_pins_in_the_sandbox_only(call, garden):
    sandbox = call.account("garden", sandbox=True)
    assert sandbox["expires_in"] == DAY
    call.switch(tier="trial")
    assert call.get(garden, "user_account")
    assert call.get(garden, "boards")["items"]
    answer = call.pin(garden)
    assert refusal(answer) == (403, 29)
    assert "api-sandbox.pinterest.com" in answer.json()["message"]
    id = call.pin(sandbox, place="sandbox").json()["id"]
    assert call.of(sandbox, "GET", f"pins/{id}", place="sandbox").ok
    assert refusal(call.of(garden, "GET", f"pins/{id}")) == (404, 50)
    assert call.twin.posts() == []
    call.switch(tier="none")
    assert refusal(call.of(garden, "GET", "boards")) == (403, 3)


def test_trial_access_has_a_day_s_calls(call, garden):
    call.switch(tier="trial", limits='{"trial": 3}')
    for left in ("2", "1", "0"):
        answer = call.of(garden, "GET", "boards")
        assert answer.headers["x-ratelimit-remaining"] == left
    assert refusal(call.of(garden, "GET", "boards")) == (429, 8)
    call.days(1)
    assert call.of(garden, "GET", "boards").ok


def test_limits_of_a_minute_are_told_and_kept(call, garden):
    call.switch(limits='{"org_write": 2}')
    headers = call.pin(garden).headers
    assert headers["x-ratelimit-limit"] == "2"
    assert headers["x-ratelimit-remaining"] == "1"
    assert 1 <= int(headers["x-ratelimit-reset"]) <= 60
    call.pin(garden)
    answer = call.pin(garden)
    assert refusal(answer) == (429, 8)
    assert "exceeded a rate limit" in answer.json()["message"]
    assert call.get(garden, "boards"), "reading has a limit of its own"
    call.panel("clock", shift_s=60)
    call.switch(limit_headers="no", pins_per_day=2)
    assert refusal(call.pin(garden)) == (429, 8)
    assert "x-ratelimit-limit" not in call.pin(garden).headers


# ---------------------------------------------------------------- boards


def test_boards_are_listed_page_by_page_and_made(call):
    none = call.account("empty", boards=[])
    assert call.get(none, "boards") == {"items": [], "bookmark": None}
    names = ["A", "B", "C"]
    for name in names:
        answer = call.of(none, "POST", "boards", {"name": name})
        assert answer.status_code == 201
    assert answer.json()["privacy"] == "PUBLIC"
    assert refusal(call.of(none, "POST", "boards", {"name": "a"})) == (400, 58)
    assert refusal(call.of(none, "POST", "boards", {})) == (400, 1)
    found = call.get(none, "boards", page_size=2)
    rest = call.get(none, "boards", page_size=2, bookmark=found["bookmark"])
    assert [b["name"] for b in found["items"] + rest["items"]] == names
    assert rest["bookmark"] is None
    for query in ({"page_size": 251}, {"bookmark": "x"}, {"privacy": "OPEN"}):
        assert refusal(call.of(none, "GET", "boards", **query)) == (400, 1), query
    path = f"boards/{answer.json()['id']}/sections"
    assert call.of(none, "POST", path, {"name": "S"}).status_code == 201
    assert refusal(call.of(none, "POST", path, {"name": "S"})) == (409, 409)
    assert [s["name"] for s in call.get(none, path)["items"]] == ["S"]


def test_secret_boards_need_permissions_of_their_own(call, garden):
    secret = {"name": "Hidden", "privacy": "SECRET"}
    assert refusal(call.of(garden, "POST", "boards", secret)) == (401, 3)
    names = ("boards:read_secret", "boards:write_secret")
    more = [*SCOPES.split(","), *names, "pins:read_secret", "pins:write_secret"]
    full = call.account("garden", scopes=more)
    board = call.of(full, "POST", "boards", secret).json()["id"]
    made = call.made(full, board_id=board)
    assert len(call.get(full, "boards")["items"]) == 2
    assert len(call.get(garden, "boards")["items"]) == 1
    assert call.get(full, "pins")["items"] == []
    (shown,) = call.get(full, "pins", include_protected_pins="true")["items"]
    assert shown["id"] == made["id"]
    assert call.get(garden, "pins", include_protected_pins="true")["items"] == []
    assert refusal(call.pin(garden, board_id=board)) == (401, 3)
    call.switch(missing_scope="403/29")
    assert refusal(call.pin(garden, board_id=board)) == (403, 29)


# ---------------------------------------------------------------- pins of pictures

WORDS = {
    "title": "Sow tomatoes",
    "description": "How we sow.",
    "link": "https://Acme.example",
    "alt_text": "Hands with seedlings",
}


def test_a_pin_is_made_read_found_and_deleted(call, garden):
    made = call.made(garden, **WORDS)
    board = garden["extra"]["boards"][0]["id"]
    assert {name: made[name] for name in WORDS} == WORDS
    assert (made["board_id"], made["is_owner"]) == (board, True)
    assert (made["creative_type"], made["media"]["media_type"]) == ("REGULAR", "image")
    assert set(made["media"]["images"]) == {"150x150", "400x300", "600x", "1200x"}
    assert made["pin_metrics"] is None
    at = datetime.fromisoformat(made["created_at"])
    assert at.tzinfo is None
    assert int(float(made["id"])) != int(made["id"]), "no float may hold it"
    second = call.made(garden)
    for path in ("pins", f"boards/{board}/pins"):
        items = call.get(garden, path)["items"]
        assert [item["id"] for item in items] == [second["id"], made["id"]]
    shown = call.get(garden, f"pins/{made['id']}", pin_metrics="true")
    assert shown["pin_metrics"]["90d"]["impression"] == 120
    page = call.http.get(f"{call.twin.url}/www/pin/{made['id']}/")
    assert page.status_code == 200
    assert WORDS["title"] in page.text
    listed = call.twin.posts()[0]
    assert (listed["account"], listed["link"]) == (garden["external_id"], WORDS["link"])
    assert (listed["media"], listed["alt_texts"]) == (1, [WORDS["alt_text"]])
    answer = call.of(garden, "DELETE", f"pins/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert refusal(call.of(garden, "DELETE", f"pins/{made['id']}")) == (404, 50)
    assert len(call.get(garden, "pins")["items"]) == 1


def test_lists_can_be_late_and_turned_and_links_change(call, garden):
    call.switch(normalise_link="yes", list_order="oldest")
    first = call.made(garden, **WORDS)
    assert first["link"] == "https://acme.example/"
    call.made(garden)
    assert call.get(garden, "pins")["items"][0]["id"] == first["id"]
    assert call.get(garden, "pins", creative_types="VIDEO")["items"] == []
    call.switch(list_delay_s=30)
    assert call.get(garden, "pins")["items"] == []


@pytest.mark.parametrize(
    ("source", "kind", "count"),
    [
        ({"source_type": "image_base64", **sent()}, "image", 1),
        ({"source_type": "image_base64", **sent("PNG")}, "image", 1),
        (
            {
                "source_type": "multiple_image_urls",
                "items": [{"url": f"{URL}?{n}", "title": str(n)} for n in range(5)],
                "index": 4,
            },
            "multiple_images",
            5,
        ),
        (
            {"source_type": "multiple_image_base64", "items": [sent(), sent()]},
            "multiple_images",
            2,
        ),
    ],
)
def test_pictures_come_in_four_ways(call, garden, source, kind, count):
    made = call.made(garden, media_source=source)
    assert made["media"]["media_type"] == kind
    if count > 1:
        assert made["creative_type"] == "CAROUSEL"
        cover = source["items"][source.get("index", 0)]
        assert made["media"]["items"][0]["title"] == cover.get("title")
    (listed,) = call.twin.posts()
    assert (listed["media"], listed["media_kinds"]) == (count, ["image"] * count)


def many(number):
    return {
        "source_type": "multiple_image_urls",
        "items": [{"url": f"{URL}?{n}"} for n in range(number)],
    }


BASE64 = {"source_type": "image_base64"}


@pytest.mark.parametrize(
    ("fields", "expected", "words"),
    [
        ({"board_id": None}, (400, 1), "board_id"),
        ({"board_id": "abc"}, (400, 1), "'abc' does not match '^\\\\d+$'"),
        ({"board_id": 549755985001}, (400, 1), "not of type 'string'"),
        ({"board_id": "1"}, (404, 40), "Board not found."),
        ({"board_section_id": "1"}, (404, 2031), "section"),
        ({"title": "x" * 101}, (400, 1), "is too long"),
        ({"description": "x" * 801}, (400, 1), "is too long"),
        ({"alt_text": "x" * 501}, (400, 1), "is too long"),
        ({"link": "https://a.example/" + "x" * 2048}, (400, 1), "is too long"),
        ({"link": "acme.example"}, (400, 1), "URL"),
        ({"dominant_color": "red"}, (400, 1), "colour"),
        ({"media_source": None}, (400, 1), "media_source"),
        ({"media_source": {"source_type": "poem"}}, (400, 1), "poem"),
        ({"media_source": {"source_type": "image_url"}}, (400, 1), "url"),
        ({"media_source": {"source_type": "pin_url"}}, (403, 29), "permitted"),
        ({"media_source": many(6)}, (400, 1), "maxItems=5"),
        ({"media_source": many(1)}, (400, 1), "minItems=2"),
        ({"media_source": many(2) | {"index": 2}}, (400, 1), "index"),
        (
            {"media_source": BASE64 | sent(data="data:image/jpeg;base64,AAAA")},
            (400, 1),
            "data does not match",
        ),
        (
            {"media_source": BASE64 | sent("PNG", content_type="image/jpeg")},
            (400, 1),
            "",
        ),
        ({"media_source": BASE64 | sent(content_type="image/gif")}, (400, 1), "gif"),
    ],
)
def test_a_pin_that_cannot_be_is_refused(call, garden, fields, expected, words):
    answer = call.pin(garden, **fields)
    assert refusal(answer) == expected
    assert words in answer.json()["message"]
    assert call.twin.posts() == []


def test_what_belongs_to_others_is_not_touched(call, garden):
    other = call.account("other")
    made = call.made(other)
    board = other["extra"]["boards"][0]["id"]
    (secret,) = call.twin.all("board", place="api", privacy="SECRET")
    assert refusal(call.pin(garden, board_id=board)) == (401, 7)
    assert refusal(call.pin(garden, board_id=secret[0])) == (404, 40)
    assert refusal(call.of(garden, "DELETE", f"pins/{made['id']}")) == (401, 7)
    assert refusal(call.of(other, "PATCH", f"pins/{made['id']}", {})) == (403, 29)
    query = {"ad_account_id": "549"}
    assert refusal(call.of(garden, "GET", "user_account", **query)) == (403, 403)


@pytest.fixture
def web():
    """Hands out `files`: path -> bytes."""
    files = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            data = files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    server.url, server.files = f"http://127.0.0.1:{server.server_port}", files
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_pictures_are_fetched_while_the_call_waits(call, garden, web):
    call.switch(believe_the_address="no")
    web.files |= {
        "/a.jpg": picture(),
        "/a.webp": picture("WEBP"),
        "/b.jpg": picture(size=(400, 400)),
        "/large.jpg": picture() + b"\0" * 11 * 2**20,
        "/page": b"<html>",
    }

    def source(*paths):
        if len(paths) == 1:
            return {"source_type": "image_url", "url": web.url + paths[0]}
        items = [{"url": web.url + path} for path in paths]
        return {"source_type": "multiple_image_urls", "items": items}

    for paths, words in (
        (["/gone.jpg"], "Unable to reach the URL"),
        (["/large.jpg"], "too large"),
        (["/page"], "unknown type"),
        (["/a.jpg", "/b.jpg"], "same size"),
    ):
        answer = call.pin(garden, media_source=source(*paths))
        assert refusal(answer) == (400, 1)
        assert words in answer.json()["message"], paths
    call.switch(fetch_fails=1)
    assert call.pin(garden, media_source=source("/a.jpg")).status_code == 400
    made = call.made(garden, media_source=source("/a.jpg"))
    kept = made["media"]["images"]["1200x"]
    assert (kept["width"], kept["height"]) == (1200, 1800)
    assert call.http.get(kept["url"]).content == picture()
    assert call.made(garden, media_source=source("/a.webp", "/a.jpg"))
    assert call.twin.posts()[0]["media_sha256"] == [
        hashlib.sha256(picture()).hexdigest()
    ]


# ---------------------------------------------------------------- pins of a video


def of_video(media, **cover):
    cover = cover or {"cover_image_url": URL}
    return {"source_type": "video_id", "media_id": media["media_id"], **cover}


def test_a_video_is_registered_sent_worked_at_and_pinned(call, garden):
    media = call.register(garden)
    assert media["upload_parameters"]["Content-Type"] == "multipart/form-data"
    assert call.status(garden, media) == "registered"
    sent_to = call.send(media, clip())
    assert (sent_to.status_code, sent_to.content) == (204, b"")
    assert call.status(garden, media) == "processing"
    source = of_video(media)
    assert refusal(call.pin(garden, media_source=source)) == (404, 404)
    call.panel("clock", shift_s=6)
    assert call.status(garden, media) == "succeeded"
    bare = {"source_type": "video_id", "media_id": media["media_id"]}
    answer = call.pin(garden, media_source=bare)
    assert refusal(answer) == (400, 1)
    assert "cover_image_url or cover_image_content_type" in answer.json()["message"]
    made = call.made(garden, media_source=source, **WORDS)
    assert (made["creative_type"], made["media"]["media_type"]) == ("VIDEO", "video")
    assert made["media"]["duration"] == 4_000
    assert made["media"]["video_url"] is None
    page = call.http.get(f"{call.twin.url}/www/pin/{made['id']}/").text
    shown = re.search(r'<video controls src="([^"]+)"', page)[1]
    assert call.http.get(shown).content == clip()
    (listed,) = call.twin.posts()
    assert listed["media_kinds"] == ["video"]
    assert listed["media_sha256"] == [hashlib.sha256(clip()).hexdigest()]
    cover = {f"cover_image_{name}": value for name, value in sent().items()}
    for other in (cover, {"cover_image_key_frame_time": 99}):
        assert call.made(garden, media_source=of_video(media, **other))
    call.switch(media_reuse="no")
    assert refusal(call.pin(garden, media_source=source)) == (404, 404)
    (known,) = call.get(garden, "media")["items"]
    assert known["media_id"] == media["media_id"]


def test_the_storage_takes_a_form_only_as_it_was_told(call, garden):
    media = call.register(garden)
    wrong = media["upload_parameters"] | {"x-amz-signature": "0"}
    file = [("file", ("a.mp4", clip()))]
    for answer, status, code in (
        (call.send(media, clip(), Authorization="Bearer x"), 400, "InvalidArgument"),
        (call.send(media, clip(), first=file), 403, "AccessDenied"),
        (
            call.send({**media, "upload_parameters": wrong}, clip()),
            403,
            "AccessDenied",
        ),
        (
            call.http.post(media["upload_url"], data=clip()),
            400,
            "MalformedPOSTRequest",
        ),
        (
            call.http.post(media["upload_url"], files=[("key", (None, "k"))]),
            400,
            "InvalidArgument",
        ),
    ):
        assert answer.status_code == status, answer.text
        assert f"<Code>{code}</Code>" in answer.text
    assert call.status(garden, media) == "registered"
    call.panel("clock", shift_s=3601)
    late = call.send(media, clip())
    assert late.status_code == 403
    assert "Policy expired" in late.text


def test_a_video_may_be_larger_than_a_field_of_the_form(call, garden):
    call.switch(video_polls=0)
    size = 600_000
    unread = (size + 8).to_bytes(4, "big") + b"free" + bytes(size)
    media = call.video(garden, clip() + unread)
    assert call.status(garden, media) == "succeeded"


def test_a_video_can_fail_and_last_for_ever(call, garden):
    call.switch(video_polls=0)
    short = call.video(garden, video(4, rate=2))
    broken = call.video(garden, clip()[:100])
    fine = call.video(garden, clip())
    assert call.status(garden, short) == "failed", "four seconds at the least"
    assert call.status(garden, broken) == "failed"
    assert refusal(call.pin(garden, media_source=of_video(short))) == (400, 1)
    call.switch(processing_ends="failed")
    assert call.status(garden, fine) == "failed"
    call.switch(processing_ends="never")
    assert call.status(garden, fine) == "processing"
    other = call.account("other")
    answer = call.of(other, "GET", f"media/{fine['media_id']}")
    assert refusal(answer) == (404, 404)
    bad = call.of(garden, "POST", "media", {"media_type": "image"})
    assert refusal(bad) == (400, 1)


# ---------------------------------------------------------------- figures


def test_figures_come_day_by_day(call, garden):
    made = call.made(garden)
    call.days(5)
    today = datetime.now(UTC).date() + timedelta(days=5)
    span = {
        "start_date": (today - timedelta(days=7)).isoformat(),
        "end_date": today.isoformat(),
    }
    metrics = "IMPRESSION,SAVE,PIN_CLICK,OUTBOUND_CLICK,TOTAL_COMMENTS,TOTAL_REACTIONS"
    path = f"pins/{made['id']}/analytics"
    found = call.get(garden, path, metric_types=metrics, **span)["all"]
    days = {row["date"]: row for row in found["daily_metrics"]}
    assert len(days) == 8
    first = days[(today - timedelta(days=5)).isoformat()]
    assert first["data_status"] == "READY"
    assert first["metrics"]["IMPRESSION"] == 120
    assert days[span["start_date"]]["data_status"] == "BEFORE_PIN_CREATED"
    assert days[span["end_date"]] == {
        "date": span["end_date"],
        "data_status": "PROCESSING",
        "metrics": {},
    }
    assert found["summary_metrics"]["IMPRESSION"] == 120
    assert found["lifetime_metrics"] == {"TOTAL_COMMENTS": 1, "TOTAL_REACTIONS": 6}
    whole = call.get(
        garden, "user_account/analytics", metric_types="IMPRESSION,SAVE_RATE", **span
    )["all"]
    assert whole["summary_metrics"]["IMPRESSION"] == 120
    person = call.account("person", account_type="PINNER")
    rows = call.get(
        person, "user_account/analytics", metric_types="IMPRESSION", **span
    )["all"]["daily_metrics"]
    assert {row["data_status"] for row in rows} == {"BEFORE_BUSINESS_CREATED"}
    for wrong in (
        {"metric_types": "POEMS"},
        {"metric_types": "VIDEO_START"},
        {"metric_types": "IMPRESSION", "start_date": "2020-01-01"},
        {"metric_types": "IMPRESSION", "end_date": "2099-01-01"},
        {"metric_types": "IMPRESSION", "end_date": "soon"},
    ):
        answer = call.of(garden, "GET", path, **span | wrong)
        assert refusal(answer) == (400, 400), wrong


# ---------------------------------------------------------------- faults, pages


@pytest.mark.parametrize(
    ("kind", "expected", "written"),
    [
        ("server_error", (500, 12), 0),
        ("server_error_after_write", (500, 12), 1),
        ("bad_request_after_write", (400, 11), 1),
        ("duplicate", (429, 8), 0),
        ("content_refused", (400, 1), 0),
        ("rate_limited", (429, 8), 0),
        ("rate_limited_no_headers", (429, 8), 0),
        ("app_suspended", NO_ACCESS, 0),
        ("version_ended", (404, 404), 0),
        ("no_credits", (403, 29), 0),
    ],
)
def test_faults_speak_pinterest_s_words(call, garden, kind, expected, written):
    fault = {"kind": kind, "times": 1, "account": garden["external_id"]}
    call.panel("faults", platform="pinterest", **fault, call="commit")
    assert call.register(garden), "a registered video is seen by nobody"
    answer = call.pin(garden)
    assert refusal(answer) == expected
    if kind == "rate_limited":
        assert answer.headers["x-ratelimit-reset"] == "60"
    assert len(call.twin.posts()) == written
    assert len(call.get(garden, "pins")["items"]) == written
    record = call.http.get(f"{call.server.url}/api/record").json()["record"]
    assert [line["call"] for line in record] == [
        "POST /media",
        "POST /pins",
        "GET /pins",
    ]
    assert {line["account"] for line in record} == {garden["external_id"]}


def test_the_panel_s_pages_show_all_of_it(call, garden):
    made = call.made(garden, title="<b>bold</b>")
    pages = ("/panel/pinterest", "/pinterest/", "/pinterest/www/garden/")
    for path in (*pages, f"/pinterest/www/pin/{made['id']}/"):
        page = call.http.get(call.server.url + path)
        assert page.status_code == 200, path
        assert "&lt;b&gt;bold" in page.text
    assert call.http.get(f"{call.twin.url}/www/pin/1/").status_code == 404
    assert call.twin.app_credentials() == (APP_ID, APP_SECRET)
