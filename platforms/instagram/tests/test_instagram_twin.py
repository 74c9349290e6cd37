"""Instagram in the practice network, over HTTP, held against Meta's documentation."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from platforms.facebook.twin import FacebookTwin
from platforms.facebook.twin_callbacks import unpadded
from platforms.facebook.twin_world import (
    APP_ID,
    APP_SECRET,
    INSTAGRAM_APP_ID,
    INSTAGRAM_APP_SECRET,
)
from platforms.instagram.twin import InstagramTwin
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video

BACK = "http://127.0.0.1:9999/oauth/instagram/"
SCOPES = "instagram_business_basic,instagram_business_content_publish"
IMAGE = "https://cdn.example/a.jpg"
DAY = 86_400


class Caller:
    """A program that talks to the twin, and the panel's interface beside it.

    `host` is the Graph API of one variant: "graph" with Facebook Login, "ig"
    with Instagram Login.
    """

    def __init__(self, http, server):
        self.http, self.server = http, server
        self.twin = server.twins["instagram"]

    def __call__(self, method, path, token="", host="graph", version="v26.0", **fields):
        url = "/".join(filter(None, (self.twin.url, host, version, path)))
        sent = {"access_token": token, **fields} if token else fields
        where = {"data": sent} if method == "POST" else {"params": sent}
        return self.http.request(method, url, timeout=20, **where)

    def ok(self, method, path, token="", **fields):
        answer = self(method, path, token, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method, path, token="", **fields):
        answer = self(method, path, token, **fields)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        return (error["code"], error.get("error_subcode"))

    def panel(self, path, **body):
        answer = self.http.post(
            f"{self.server.url}/api/{path}", json=body, headers={"X-Practice": "1"}
        )
        assert answer.ok, answer.text
        return answer.json()

    def switch(self, name, value):
        self.panel("switches", platform="instagram", name=name, value=value)

    def end(self, account, how):
        return self.panel("tokens", platform="instagram", account=account, how=how)

    def days(self, number):
        self.panel("clock", shift_s=number * DAY)

    def account(self, handle="cake", **options):
        made = self.panel(
            "accounts",
            platform="instagram",
            handle=handle,
            name=handle.title(),
            options=options,
        )
        is_own = made["extra"].get("variant") == "instagram"
        return made | {"host": "ig" if is_own else "graph"}

    # one account's calls
    def of(self, account, method, path, **fields):
        path = path.replace("{ig}", account["external_id"])
        return self(method, path, account["access_token"], account["host"], **fields)

    def get(self, account, path, **fields):
        answer = self.of(account, "GET", path, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def container(self, account, **fields):
        fields = fields or {"image_url": IMAGE, "caption": "Hello"}
        answer = self.of(account, "POST", "{ig}/media", **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def state(self, account, container):
        shown = self.get(account, container, fields="status_code,status")
        assert shown["status"]
        return shown["status_code"]

    def ready(self, account, **fields):
        id = self.container(account, **fields)
        while self.state(account, id) == "IN_PROGRESS":
            pass
        return id

    def publish(self, account, container):
        return self.of(account, "POST", "{ig}/media_publish", creation_id=container)

    def refusal(self, answer):
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        return (error["code"], error.get("error_subcode"))

    def post(self, account, **fields):
        answer = self.publish(account, self.ready(account, **fields))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    # Instagram's own sign-in
    def consent(self, person, decision="allow", untick=(), **asked):
        url = f"{self.twin.url}/www/oauth/authorize"
        query = {
            "client_id": INSTAGRAM_APP_ID,
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
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return found | ({"#": parts.fragment} if parts.fragment else {})

    def exchange(self, code, **changes):
        form = {
            "client_id": INSTAGRAM_APP_ID,
            "client_secret": INSTAGRAM_APP_SECRET,
            "grant_type": "authorization_code",
            "redirect_uri": BACK,
            "code": code,
        }
        url = f"{self.twin.url}/api/oauth/access_token"
        return self.http.post(url, data=form | changes)

    def long(self, short, **changes):
        fields = {"client_secret": INSTAGRAM_APP_SECRET, **changes}
        return self(
            "GET",
            "access_token",
            short,
            "ig",
            "",
            grant_type="ig_exchange_token",
            **fields,
        )

    def refresh(self, token):
        return self(
            "GET",
            "refresh_access_token",
            token,
            "ig",
            "",
            grant_type="ig_refresh_token",
        )


def picture(kind="JPEG", size=(320, 320)):
    stream = io.BytesIO()
    Image.new("RGB", size, "red").save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instagram")
    twins = {"facebook": FacebookTwin, "instagram": InstagramTwin}
    server = start_practice(folder, twins=twins)
    yield server
    server.stop()


@pytest.fixture
def call(network):
    """A network that has started anew and believes the addresses of pictures."""
    with requests.Session() as session:
        session.trust_env = False
        caller = Caller(session, network)
        caller.panel("reset")
        caller.switch("believe_the_address", "yes")
        yield caller


@pytest.fixture(params=["facebook", "instagram"])
def account(request, call):
    return call.account("cake", variant=request.param)


@pytest.fixture
def behind_page(call):
    return call.account("cake")


@pytest.fixture
def alone(call):
    return call.account("solo", variant="instagram")


# ---------------------------------------------------------------- with Instagram Login


def test_an_account_signs_in_by_itself(call):
    solo = call.twin.ig_named("solobaker")
    answer = call.consent(solo)
    assert answer["state"] == "s1"
    assert answer["#"] == "_"
    short = call.exchange(answer["code"]).json()
    assert short["permissions"] == SCOPES.split(",")
    long = call.long(short["access_token"]).json()
    assert long["token_type"] == "bearer"
    assert 59 * DAY < long["expires_in"] < 60 * DAY
    me = call.ok(
        "GET",
        "me",
        long["access_token"],
        host="ig",
        fields="user_id,username,account_type,followers_count,media_count",
    )
    assert (me["user_id"], me["username"]) == (solo, "solobaker")
    assert me["account_type"] == "BUSINESS"
    assert me["id"] == str(short["user_id"])
    assert me["id"] != solo


def test_the_answer_of_a_code_has_two_shapes(call):
    call.switch("token_shape", "nested")
    call.switch("permissions_as", "text")
    solo = call.twin.ig_named("solobaker")
    answer = call.exchange(call.consent(solo)["code"]).json()
    (row,) = answer["data"]
    assert row["permissions"] == SCOPES
    assert isinstance(row["user_id"], str)


def test_a_refused_sign_in_and_a_spent_code(call):
    solo = call.twin.ig_named("solobaker")
    assert call.consent(solo, "cancel")["error_reason"] == "user_denied"
    code = call.consent(solo)["code"]
    assert call.exchange(code, redirect_uri=BACK + "x").status_code == 400
    assert call.exchange(code).ok
    spent = call.exchange(code)
    assert spent.status_code == 400
    assert spent.json()["error_type"] == "OAuthException"
    assert "already used" in spent.json()["error_message"]
    assert call.exchange(code, client_secret="wrong").status_code == 400
    late = call.consent(solo)["code"]
    call.days(1)
    assert call.exchange(late).status_code == 400


def test_an_unticked_permission_is_missing_where_it_is_needed(call):
    solo = call.twin.ig_named("solobaker")
    code = call.consent(solo, untick=("instagram_business_content_publish",))["code"]
    token = call.exchange(code).json()["access_token"]
    assert call.ok("GET", "me", token, host="ig", fields="username")
    path = f"{solo}/content_publishing_limit"
    answer = call("GET", path, token, "ig")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 10)


def test_a_long_token_is_refreshed_between_a_day_and_its_end(call, alone):
    token = alone["access_token"]
    assert call.refusal(call.refresh(token)) == (100, None)
    call.switch("too_young_code", "190")
    assert call.refusal(call.refresh(token)) == (190, None)
    call.days(30)
    answer = call.refresh(token).json()
    assert answer["access_token"] != token
    assert answer["permissions"].startswith("instagram_business_basic")
    call.days(61)
    assert call.refusal(call.refresh(token)) == (190, 463)
    assert call.ok("GET", "me", answer["access_token"], host="ig")
    call.days(91)
    assert call.refusal(call.refresh(answer["access_token"])) == (190, 463)


def test_a_refresh_can_end_the_old_token(call, alone):
    call.switch("refresh_ends_old", "yes")
    call.days(2)
    assert call.refresh(alone["access_token"]).ok
    assert call.refused("GET", "me", alone["access_token"], host="ig") == (
        190,
        467,
    )


def test_a_short_token_lives_an_hour_and_is_exchanged_with_the_secret(call):
    short = call.account("solo", variant="instagram", short=True)
    token = short["access_token"]
    assert call.refusal(call.refresh(token)) == (100, None)
    wrong = call.long(token, client_secret="wrong")
    assert call.refusal(wrong) == (1, None)
    assert call.long(token, client_secret=APP_SECRET).ok
    call.days(1)
    assert call.refusal(call.long(token, client_secret=APP_SECRET)) == (190, 463)


def test_the_tokens_of_the_variants_are_not_interchangeable(call, behind_page, alone):
    for token, host in (
        (behind_page["access_token"], "ig"),
        (alone["access_token"], "graph"),
    ):
        assert call.refused("GET", "me", token, host=host) == (190, None)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("password_changed", (190, 460)),
        ("revoke", (190, 458)),
        ("logged_out", (190, 467)),
        ("expire", (190, 463)),
    ],
)
def test_its_own_sign_in_ends(call, alone, how, code):
    token = alone["access_token"]
    assert call.end(alone["external_id"], how) == {"touched": 1}
    assert call.refused("GET", "me", token, host="ig") == code
    call.end(alone["external_id"], "restore")
    assert call.ok("GET", "me", token, host="ig")


def test_removing_the_app_is_signed_with_instagram_s_secret(call):
    call.switch("deauthorize_url", "http://127.0.0.1:9/nobody")
    call.switch("one_app_for_both", "no")
    solo = call.account("solo", variant="instagram")
    sent = []
    call.twin._send = lambda id, kind, url, signed: sent.append(signed)
    try:
        call.end(solo["external_id"], "revoke")
        call.twin.wait_for_callbacks()
    finally:
        del call.twin._send
    signature, _, body = sent[0].partition(".")
    right = hmac.new(INSTAGRAM_APP_SECRET.encode(), body.encode(), hashlib.sha256)
    assert signature == unpadded(right.digest())


# ---------------------------------------------------------------- with Facebook Login


def test_an_account_behind_a_page_has_no_token_of_its_own(call, behind_page):
    extra = behind_page["extra"]
    (page,) = call.ok(
        "GET",
        "me/accounts",
        extra["user_token"],
        fields="id,access_token,tasks,instagram_business_account{id,username}",
    )["data"]
    assert page["access_token"] == behind_page["access_token"]
    linked = page["instagram_business_account"]
    assert linked == {"id": behind_page["external_id"], "username": "cake"}
    assert call.get(behind_page, "{ig}", fields="id,username")["username"] == "cake"
    user = behind_page | {"access_token": extra["user_token"]}
    assert call.post(user), "the references use the user token"


def test_one_password_ends_pages_and_their_accounts_on_both_networks(call):
    tree = call.account("tree", kind="user", pages=4, instagram=2)
    pages, linked = tree["extra"]["pages"], tree["extra"]["instagram"]
    page, account = pages[0], linked[0] | {"host": "graph"}
    at_facebook = f"{call.server.url}/facebook/graph/v26.0/me"
    query = {"access_token": page["access_token"]}
    assert call.http.get(at_facebook, params=query).ok
    assert call.get(account, "{ig}")
    body = {"platform": "facebook", "account": tree["external_id"]}
    call.panel("tokens", **body, how="password_changed")
    assert call.refusal(call.http.get(at_facebook, params=query)) == (190, 460)
    assert call.refusal(call.of(account, "GET", "{ig}")) == (190, 460)
    rows = [r for r in call.twin.tokens() if r["account"] == account["external_id"]]
    assert [row["state"] for row in rows] == ["revoked"]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("unlinked", (100, 33)),
        ("role_lost", (190, 492)),
        ("page_unticked", (10, None)),
        ("scope_lost:instagram_content_publish", (10, None)),
        ("data_access_ended", (10, None)),
        ("not_professional", (10, None)),
        ("suspend", (25, 2207050)),
    ],
)
def test_what_takes_one_account_away(call, behind_page, how, code):
    call.end(behind_page["external_id"], how)
    fields = {"image_url": IMAGE}
    answer = call.of(behind_page, "POST", "{ig}/media", **fields)
    assert call.refusal(answer) == code
    call.end(behind_page["external_id"], "restore")
    assert call.container(behind_page)


def test_data_access_is_over_after_ninety_days(call, behind_page):
    told = behind_page["extra"]["data_access_expires_at"]
    call.days(89)
    assert call.container(behind_page)
    call.days(91)
    assert told < call.twin.time()
    answer = call.of(behind_page, "POST", "{ig}/media", image_url=IMAGE)
    assert call.refusal(answer) == (10, None)


def test_a_role_by_a_portfolio_needs_one_permission_more(call):
    scopes = ["pages_show_list", "pages_read_engagement", "instagram_basic"]
    scopes += ["instagram_content_publish", "business_management"]
    made = call.account("harbour", portfolio=True, scopes=scopes)
    answer = call.of(made, "GET", "{ig}/content_publishing_limit")
    assert call.refusal(answer) == (10, None)
    made = call.account("harbour", person=made["extra"]["user_id"])
    assert call.get(made, "{ig}/content_publishing_limit")


def test_a_reader_of_the_page_may_not_publish(call):
    made = call.account("cake", tasks=["ANALYZE"])
    assert call.get(made, "{ig}", fields="username")
    answer = call.of(made, "POST", "{ig}/media", image_url=IMAGE)
    assert call.refusal(answer) == (10, None)


# ---------------------------------------------------------------- publishing


def test_an_image_goes_out_in_steps(call, account):
    fields = {"image_url": IMAGE, "caption": "Cake #1", "alt_text": "A red cake"}
    container = call.container(account, **fields)
    assert call.refusal(call.publish(account, container)) == (9007, 2207027)
    assert call.state(account, container) == "IN_PROGRESS"
    assert call.state(account, container) == "FINISHED"
    id = call.publish(account, container).json()["id"]
    assert id != container
    assert call.state(account, container) == "PUBLISHED"
    shown = call.get(
        account,
        id,
        fields="id,permalink,shortcode,media_type,media_product_type,timestamp,caption",
    )
    assert shown["media_type"] == "IMAGE"
    assert shown["caption"] == "Cake #1"
    assert shown["timestamp"].endswith("+0000")
    page = call.http.get(shown["permalink"])
    assert page.status_code == 200
    assert "A red cake" in page.text
    assert call.refusal(call.publish(account, container)) == (24, 2207008)
    (listed,) = call.twin.posts()
    assert (listed["account"], listed["media"]) == (account["external_id"], 1)
    assert listed["url"] == shown["permalink"]


def test_a_carousel_waits_for_its_children(call, account):
    fields = {"image_url": IMAGE, "is_carousel_item": "true", "alt_text": "x"}
    children = [call.container(account, **fields) for _ in range(2)]
    assert call.refusal(call.publish(account, children[0])) == (100, 2207089)
    joined = {"media_type": "CAROUSEL", "children": ",".join(children)}
    carousel = call.container(account, **joined, caption="Two")
    for _ in range(3):
        assert call.state(account, carousel) == "IN_PROGRESS"
    for child in children:
        while call.state(account, child) != "FINISHED":
            pass
    assert call.state(account, carousel) == "FINISHED"
    id = call.publish(account, carousel).json()["id"]
    shown = call.get(account, id, fields="media_type,children")
    assert shown["media_type"] == "CAROUSEL_ALBUM"
    assert len(shown["children"]["data"]) == 2
    limit = call.get(account, "{ig}/content_publishing_limit")
    assert limit["data"][0]["quota_usage"] == 1


def test_a_picture_is_ready_after_a_while_without_looking(call, account):
    container = call.container(account)
    call.panel("clock", shift_s=31)
    assert call.publish(account, container).ok


@pytest.mark.parametrize("count", [1, 11])
def test_a_carousel_has_two_to_ten_children(call, behind_page, count):
    fields = {"image_url": IMAGE, "is_carousel_item": "true"}
    ids = [call.container(behind_page, **fields) for _ in range(count)]
    for children in (",".join(ids), json.dumps(ids), "1,2"):
        answer = call.of(
            behind_page, "POST", "{ig}/media", media_type="CAROUSEL", children=children
        )
        assert call.refusal(answer) == (100, 2207028)


def test_a_container_lives_a_day(call, account):
    container = call.ready(account)
    call.days(1.01)
    assert call.state(account, container) == "EXPIRED"
    assert call.refusal(call.publish(account, container)) == (24, 2207008)
    assert call.refusal(call.publish(account, "17889455569999999")) == (24, 2207008)


def test_the_daily_limit_is_told_and_kept(call, account):
    call.switch("quota_total", "2")
    call.switch("image_polls", "0")
    for _ in range(2):
        call.post(account)
    told = call.get(
        account, "{ig}/content_publishing_limit", fields="config,quota_usage"
    )["data"][0]
    assert told == {
        "config": {"quota_total": 2, "quota_duration": DAY},
        "quota_usage": 2,
    }
    third = call.ready(account)
    assert call.refusal(call.publish(account, third)) == (9, 2207042)
    call.days(1.01)
    assert call.get(account, "{ig}/content_publishing_limit")["data"] == [
        {"quota_usage": 0}
    ]
    assert call.post(account)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"image_url": IMAGE, "caption": "x" * 2201}, (36004, 2207010)),
        ({"image_url": IMAGE, "caption": "#a " * 31}, (36004, 2207010)),
        ({"image_url": IMAGE, "caption": "@a " * 21}, (100, 2207040)),
        ({"image_url": IMAGE, "alt_text": "x" * 1001}, (100, None)),
        ({"image_url": IMAGE, "media_type": "POEM"}, (100, 2207023)),
        ({"image_url": "https://cdn.example/ä.jpg"}, (9004, 2207052)),
        ({"media_type": "REELS", "caption": "no address"}, (100, None)),
        (
            {"media_type": "REELS", "upload_type": "resumable", "video_url": "x"},
            (100, None),
        ),
        ({"caption": "only text"}, (100, None)),
    ],
)
def test_a_container_that_cannot_be_is_refused(call, behind_page, fields, code):
    answer = call.of(behind_page, "POST", "{ig}/media", **fields)
    assert call.refusal(answer) == code


def test_the_first_publish_can_come_too_early(call, account):
    call.switch("first_publish_not_ready", "yes")
    container = call.ready(account)
    assert call.refusal(call.publish(account, container)) == (9007, 2207027)
    assert call.publish(account, container).ok


def test_a_fetch_can_fail_in_passing(call, account):
    call.switch("fetch_fails", "1")
    answer = call.of(account, "POST", "{ig}/media", image_url=IMAGE)
    assert call.refusal(answer) == (9004, 2207052)
    assert call.container(account)


def test_the_list_finds_a_post_again(call, account):
    first, second = call.post(account), call.post(account)
    fields = "id,caption,timestamp,media_type,media_product_type,permalink"
    found = call.get(account, "{ig}/media", fields=fields, limit=1)
    assert [row["id"] for row in found["data"]] == [second]
    follow = call.http.get(found["paging"]["next"]).json()
    assert [row["id"] for row in follow["data"]] == [first]
    since = int(call.twin.time()) + 60
    assert call.get(account, "{ig}/media", since=since) == {"data": []}
    assert call.get(account, "{ig}/stories") == {"data": []}
    call.switch("media_delay_s", "30")
    assert call.get(account, "{ig}/media") == {"data": []}


def test_captions_may_come_back_without_the_at_sign(call, account):
    fields = {"image_url": IMAGE, "caption": "With @ana"}
    id = call.post(account, **fields)
    assert call.get(account, id, fields="caption")["caption"] == "With @ana"
    call.switch("strip_at", "yes")
    assert call.get(account, id, fields="caption")["caption"] == "With ana"


def test_a_comment_and_its_trap(call, account):
    id = call.post(account)
    path = f"{id}/comments"
    made = call.of(account, "POST", path, message="First").json()["id"]
    trap = call.of(account, "POST", path, message="Two", fields="id")
    assert call.refusal(trap) == (20, 1772107)
    rows = call.get(account, path, fields="id,text,username")["data"]
    assert [row["text"] for row in rows] == ["First", "Two"]
    assert rows[0] == {"id": made, "text": "First", "username": "cake"}


def test_only_the_variant_with_facebook_deletes(call, behind_page):
    own = call.account("cake", variant="instagram")
    id = call.post(behind_page)
    assert call.refusal(call.of(own, "DELETE", id)) == (100, 33)
    assert call.of(behind_page, "DELETE", id).json() == {"success": True}
    assert call.refusal(call.of(behind_page, "GET", id)) == (100, 33)
    assert call.twin.posts() == []


def test_a_stranger_reaches_nothing(call, behind_page, alone):
    id, container = call.post(behind_page), call.container(behind_page)
    for path in (behind_page["external_id"], id, container):
        assert call.refusal(call.of(alone, "GET", path)) == (100, 33)
    assert call.refusal(call.publish(alone, container)) == (24, 2207008)


# ---------------------------------------------------------------- fetched pictures


@pytest.fixture
def web():
    files = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, data = files.get(self.path, (404, b"no"))
            self.send_response(status)
            self.send_header("Location", "/a.jpg")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

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


def test_pictures_are_fetched_and_judged(call, behind_page, web):
    call.switch("believe_the_address", "no")
    web.files |= {
        "/a.jpg": (200, picture()),
        "/a.png": (200, picture("PNG")),
        "/moved": (302, b""),
        "/tall.jpg": (200, picture(size=(100, 300))),
        "/large.jpg": (200, picture() + b"\0" * 9_000_000),
        "/movie": (200, b"no picture at all"),
    }
    for path, code in (
        ("/gone.jpg", (9004, 2207052)),
        ("/moved", (9004, 2207052)),
        ("/a.png", (36001, 2207005)),
        ("/movie", (36001, 2207005)),
        ("/tall.jpg", (36003, 2207009)),
        ("/large.jpg", (36000, 2207004)),
    ):
        answer = call.of(behind_page, "POST", "{ig}/media", image_url=web.url + path)
        assert call.refusal(answer) == code, path
        assert answer.json()["error"]["error_user_title"]
    id = call.post(behind_page, image_url=f"{web.url}/a.jpg")
    shown = call.get(behind_page, id, fields="media_url")
    assert call.http.get(shown["media_url"]).content == picture()
    call.switch("png_accepted", "yes")
    assert call.container(behind_page, image_url=f"{web.url}/a.png")


# ---------------------------------------------------------------- videos and stories


REEL = video(90, size=(54, 96), rate=30, index_first=True)
SHA256 = hashlib.sha256(REEL).hexdigest()


@pytest.fixture
def fetching(call, web):
    """Addresses are fetched, and a good reel and a good picture are there."""
    call.switch("believe_the_address", "no")
    web.files |= {"/reel.mp4": (200, REEL), "/a.jpg": (200, picture())}
    return web.url


def states(call, account, container):
    seen = [call.state(account, container)]
    while seen[-1] == "IN_PROGRESS":
        seen.append(call.state(account, container))
    return seen


def send(call, account, container, data, offset=0, size=None):
    return call.http.post(
        f"{call.twin.url}/rupload/ig-api-upload/v26.0/{container}",
        data=data,
        headers={
            "Authorization": f"OAuth {account['access_token']}",
            "offset": str(offset),
            "file_size": str(len(REEL) if size is None else size),
        },
    )


def test_a_reel_is_worked_on_and_stands_in_the_list(call, account, fetching):
    fields = {"media_type": "REELS", "video_url": f"{fetching}/reel.mp4"}
    id = call.container(account, **fields, caption="Loaf", thumb_offset="0")
    assert call.refusal(call.publish(account, id)) == (9007, 2207027)
    assert states(call, account, id) == ["IN_PROGRESS"] * 2 + ["FINISHED"]
    media = call.publish(account, id).json()["id"]
    fields = "media_type,media_product_type,permalink,caption"
    (row,) = call.get(account, "{ig}/media", fields=fields)["data"]
    assert (row["id"], row["caption"]) == (media, "Loaf")
    assert (row["media_type"], row["media_product_type"]) == ("VIDEO", "REELS")
    assert "/reel/" in row["permalink"]
    assert "<video" in call.http.get(row["permalink"]).text
    (post,) = call.twin.posts()
    assert (post["media_kinds"], post["media_sha256"]) == (["video"], [SHA256])


@pytest.mark.parametrize(
    ("made", "error"),
    [
        ({"frames": 60}, "2207026"),
        ({"rate": 15}, "2207026"),
        ({"index_first": False}, "2207026"),
        ({"codec": "mpeg4"}, "2207026"),
        ({"thumb": 3001}, "2207057"),
        ({"path": "/gone.mp4"}, "2207052"),
        ({"path": "/a.jpg"}, "2207026"),
    ],
)
def test_what_is_wrong_with_a_video_shows_in_the_status(
    call, behind_page, fetching, web, made, error
):
    facts = {"frames": 90, "rate": 30, "index_first": True, "size": (54, 96), **made}
    thumb, path = facts.pop("thumb", 0), facts.pop("path", "/other.mp4")
    web.files["/other.mp4"] = (200, video(**facts))
    id = call.container(
        behind_page,
        media_type="REELS",
        video_url=fetching + path,
        thumb_offset=str(thumb),
    )
    assert states(call, behind_page, id)[-1] == "ERROR"
    shown = call.get(behind_page, id, fields="status")
    assert shown["status"].endswith(error)
    assert call.refusal(call.publish(behind_page, id)) == (-1, 2207032)


def test_a_story_has_no_caption_and_a_list_of_its_own_for_a_day(
    call, account, fetching
):
    for address in ({"video_url": "/reel.mp4"}, {"image_url": "/a.jpg"}):
        ((name, path),) = address.items()
        fields = {"media_type": "STORIES", name: fetching + path, "caption": "lost"}
        assert call.post(account, **fields)
    fields = "media_type,media_product_type,caption,permalink"
    rows = call.get(account, "{ig}/stories", fields=fields)["data"]
    assert [row["media_type"] for row in rows] == ["IMAGE", "VIDEO"]
    assert {row["media_product_type"] for row in rows} == {"STORY"}
    assert all("caption" not in row for row in rows)
    assert call.http.get(rows[0]["permalink"]).ok
    assert call.get(account, "{ig}/media") == {"data": []}
    call.days(1.01)
    assert call.get(account, "{ig}/stories") == {"data": []}


def test_a_carousel_takes_a_video_beside_an_image(call, account, fetching):
    item = {"is_carousel_item": "true"}
    film = {"media_type": "VIDEO", "video_url": f"{fetching}/reel.mp4"}
    children = [
        call.ready(account, image_url=f"{fetching}/a.jpg", **item),
        call.ready(account, **film, **item),
    ]
    joined = {"media_type": "CAROUSEL", "children": ",".join(children)}
    call.post(account, **joined)
    (post,) = call.twin.posts()
    assert post["media_kinds"] == ["image", "video"]
    alone = call.ready(account, **film)
    assert call.refusal(call.publish(account, alone)) == (100, 2207089)


def test_bytes_are_sent_from_where_they_stopped(call, behind_page):
    fields = {"media_type": "REELS", "upload_type": "resumable"}
    made = call.of(behind_page, "POST", "{ig}/media", **fields).json()
    id = made["id"]
    assert made["uri"].endswith(f"/ig-api-upload/v26.0/{id}")
    for _ in range(5):
        assert call.state(behind_page, id) == "IN_PROGRESS"
    call.switch("upload_keeps", "1000")
    cut = send(call, behind_page, id, REEL).json()["debug_info"]
    assert (cut["type"], cut["retriable"]) == ("PartialRequestError", True)
    phase = call.get(behind_page, id, fields="video_status")["video_status"]
    assert phase["uploading_phase"] == {
        "status": "in_progress",
        "bytes_transferred": 1000,
        "source_file_size": len(REEL),
    }
    wrong = send(call, behind_page, id, REEL).json()["debug_info"]
    assert wrong["type"] == "OffsetInvalidError"
    sent = send(call, behind_page, id, REEL[1000:], 1000)
    assert sent.json() == {"success": True, "message": "Upload successful."}
    assert states(call, behind_page, id)[-1] == "FINISHED"
    assert call.publish(behind_page, id).ok
    assert call.twin.posts()[0]["media_sha256"] == [SHA256]


def test_only_the_variant_with_facebook_sends_bytes(call, behind_page):
    solo = call.account("solo", variant="instagram")
    fields = {"media_type": "REELS", "upload_type": "resumable"}
    refused = call.of(solo, "POST", "{ig}/media", **fields)
    assert call.refusal(refused) == (100, None)
    id = call.of(behind_page, "POST", "{ig}/media", **fields).json()["id"]
    for who, container in ((solo, id), (behind_page, "17889455569999999")):
        told = send(call, who, container, REEL).json()["debug_info"]
        assert told["type"] == "ProcessingFailedError"
    call.panel("clock", shift_s=DAY + 1)
    assert "debug_info" in send(call, behind_page, id, REEL).json()


# ---------------------------------------------------------------- limits and faults


def test_calls_draw_on_the_account_whoever_asks(call, account):
    id = account["external_id"]
    answer = call.of(account, "GET", "{ig}", fields="username")
    (row,) = json.loads(answer.headers["x-business-use-case-usage"])[id]
    assert (row["type"], row["call_count"]) == ("instagram", 1)
    call.switch("throttle", "80002")
    full = call.of(account, "GET", "{ig}")
    assert call.refusal(full) == (80002, None)
    (row,) = json.loads(full.headers["x-business-use-case-usage"])[id]
    assert row["estimated_time_to_regain_access"] == 12
    call.switch("throttle", "no")
    call.switch("instagram_calls", "2")
    assert call.refusal(call.of(account, "GET", "{ig}")) == (80002, None)


@pytest.mark.parametrize(
    ("kind", "code", "written"),
    [
        ("server_error", (2, None), 0),
        ("server_error_after_write", (2, None), 1),
        ("bad_request_after_write", (20, 1772107), 1),
        ("duplicate", (4, 2207051), 0),
        ("content_refused", (36003, 2207009), 0),
        ("rate_limited", (80002, None), 0),
    ],
)
def test_faults_speak_instagram_s_words(call, account, kind, code, written):
    container = call.ready(account)
    fault = {"kind": kind, "times": 1, "account": account["external_id"]}
    call.panel("faults", platform="instagram", **fault, call="commit")
    assert call.container(account), "a container is seen by nobody"
    assert call.refusal(call.publish(account, container)) == code
    assert len(call.twin.posts()) == written
    state = call.state(account, container)
    assert state == ("PUBLISHED" if written else "FINISHED")
    record = call.http.get(f"{call.server.url}/api/record").json()["record"]
    assert record[-1]["call"] == "GET /:container"
    assert {line["account"] for line in record} == {account["external_id"]}


def test_the_panel_s_pages_show_all_of_it(call, behind_page, alone):
    call.post(behind_page, image_url=IMAGE, caption="<b>bold</b>")
    for path in ("/panel/instagram", "/instagram/", "/instagram/www/cake/"):
        page = call.http.get(call.server.url + path)
        assert page.status_code == 200
        assert "&lt;b&gt;bold" in page.text
    assert call.twin.app_credentials() == (APP_ID, APP_SECRET)
    names = [person.name for person in call.twin.people()]
    assert "Ana Lopez" in names
    assert "The Solo Baker" in names


# ------------------------------------------------------------ places, trials, labels

VIDEO = "https://cdn.example/a.mp4"
TRIAL = '{"graduation_strategy":"MANUAL"}'


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"image_url": IMAGE, "location_id": "12"}, None),
        ({"image_url": IMAGE, "location_id": "Berlin"}, (100, None)),
        ({"image_url": IMAGE, "location_id": "13"}, (100, None)),
        (
            {"image_url": IMAGE, "location_id": "12", "media_type": "STORIES"},
            (100, None),
        ),
        (
            {"image_url": IMAGE, "location_id": "12", "is_carousel_item": "true"},
            (100, None),
        ),
        ({"image_url": IMAGE, "audio_name": "Song"}, (100, None)),
        ({"video_url": VIDEO, "media_type": "REELS", "audio_name": "Song"}, None),
        ({"video_url": VIDEO, "media_type": "REELS", "trial_params": TRIAL}, None),
        (
            {"video_url": VIDEO, "media_type": "REELS", "trial_params": '"MANUAL"'},
            (100, None),
        ),
        ({"image_url": IMAGE, "trial_params": TRIAL}, (100, None)),
        ({"image_url": IMAGE, "is_ai_generated": "true"}, None),
    ],
)
def test_what_is_said_of_a_post_has_its_place(call, fields, code):
    call.switch("places_unknown", "13")
    account = call.account("cake")
    answer = call.of(account, "POST", "{ig}/media", **fields)
    assert (call.refusal(answer) if code else answer.status_code) == (code or 200)


def test_a_trial_may_not_be_for_everybody_nor_in_the_list(call):
    account = call.account("cake")
    fields = {"video_url": VIDEO, "media_type": "REELS", "trial_params": TRIAL}
    id = call.post(account, **fields)
    assert [row["id"] for row in call.get(account, "{ig}/media")["data"]] == [id]
    call.switch("trials_listed", "no")
    assert call.get(account, "{ig}/media")["data"] == []
    call.switch("trials_allowed", "no")
    refused = call.of(account, "POST", "{ig}/media", **fields)
    assert call.refusal(refused) == (100, 2207081)


def test_comments_of_instagram_and_facebook_are_told_apart(call):
    """Both keep them in the same world."""
    account = call.account("cake")
    id = call.post(account)
    made = call.of(account, "POST", f"{id}/comments", message="First")
    assert made.status_code == 200, made.text
    facebook = call.server.twins["facebook"]
    page = {"id": "1_2", "page": "1"}
    with call.server.world.transaction():
        below = facebook._new_comment(page, "Below a Page", None)
        assert [one["id"] for one in facebook.own_comments()] == [below]
        assert [one["text"] for one in call.twin.own_comments()] == ["First"]
