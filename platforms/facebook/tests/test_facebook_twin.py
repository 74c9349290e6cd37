"""Facebook in the practice network, over HTTP, held against Meta's documentation."""

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

from platforms.facebook import twin_callbacks
from platforms.facebook.twin import FacebookTwin
from platforms.facebook.twin_world import APP_ID, APP_SECRET
from platforms.practice.framework import iso
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video

BACK = "http://127.0.0.1:9999/oauth/facebook/"
SCOPES = (
    "pages_show_list,pages_read_engagement,pages_manage_posts,pages_manage_engagement,"
    "pages_read_user_content,business_management,instagram_basic"
)
APP_TOKEN = f"{APP_ID}|{APP_SECRET}"
ANA, CARLA, DORA = (f"1021520000000000{n}" for n in (1, 3, 4))
DAY = 86_400


class Caller:
    """A program that talks to the twin, and the panel's interface beside it."""

    def __init__(self, http, server):
        self.http, self.server = http, server
        self.twin = server.twins["facebook"]
        self.url = f"{server.url}/facebook/graph/v26.0"
        self.dialog_url = f"{server.url}/facebook/www/v26.0/dialog/oauth"

    def __call__(self, method, path, token="", **fields):
        files = fields.pop("files", None)
        sent = {"access_token": token, **fields} if token else fields
        where = {"data": sent} if method == "POST" else {"params": sent}
        return self.http.request(
            method, f"{self.url}/{path}", files=files, timeout=20, **where
        )

    def ok(self, method, path, token="", **fields):
        answer = self(method, path, token, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method, path, token="", **fields):
        answer = self(method, path, token, **fields)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        assert error["fbtrace_id"]
        assert error["type"]
        return (error["code"], error.get("error_subcode"))

    def panel(self, path, **body):
        answer = self.http.post(
            f"{self.server.url}/api/{path}", json=body, headers={"X-Practice": "1"}
        )
        assert answer.ok, answer.text
        return answer.json()

    def switch(self, name, value):
        self.panel("switches", platform="facebook", name=name, value=value)

    def end(self, account, how):
        return self.panel("tokens", platform="facebook", account=account, how=how)

    def days(self, number):
        self.panel("clock", shift_s=number * DAY)

    def account(self, handle="cake", **options):
        return self.panel(
            "accounts",
            platform="facebook",
            handle=handle,
            name=handle.title(),
            options=options,
        )

    def fault(self, **rule):
        self.panel("faults", platform="facebook", **rule)

    # a person at the dialog
    def consent(self, person=ANA, decision="allow", untick=(), **asked):
        query = {
            "client_id": APP_ID,
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": SCOPES,
            "state": "s1",
            **asked,
        }
        page = self.http.get(self.dialog_url, params=query).text
        inputs = re.findall(
            r'<input type="(?:hidden|checkbox)" name="(\w+)" value="([^"]*)"', page
        )
        form = [(n, v) for n, v in inputs if v not in untick]
        form += [("person", person), ("decision", decision)]
        answer = self.http.post(self.dialog_url, data=form, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}

    def exchange(self, code, **changes):
        facts = {"client_id": APP_ID, "client_secret": APP_SECRET, "code": code}
        return self("GET", "oauth/access_token", **facts, redirect_uri=BACK, **changes)

    def sign_in(self, person=ANA, **how):
        short = self.exchange(self.consent(person, **how)["code"]).json()
        return self.lengthen(short["access_token"])["access_token"]

    def lengthen(self, token):
        return self.ok(
            "GET",
            "oauth/access_token",
            grant_type="fb_exchange_token",
            client_id=APP_ID,
            client_secret=APP_SECRET,
            fb_exchange_token=token,
        )

    def debug(self, token):
        return self.ok("GET", "debug_token", APP_TOKEN, input_token=token)["data"]

    def pages(self, user, **more):
        return self.ok("GET", "me/accounts", user, **more)["data"]

    def post(self, page, text="Hello", **more):
        id = page["external_id"]
        return self.ok(
            "POST", f"{id}/feed", page["access_token"], message=text, **more
        )["id"]

    def photo(self, page, data=None, **fields):
        return self(
            "POST",
            f"{page['external_id']}/photos",
            page["access_token"],
            files={"source": ("a.png", data or picture())},
            **fields,
        )

    def published(self, page, **more):
        path = f"{page['external_id']}/published_posts"
        return self.ok("GET", path, page["access_token"], **more)["data"]


def picture(kind="PNG", size=(12, 7)):
    stream = io.BytesIO()
    Image.new("RGB", size, "red").save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("facebook")
    server = start_practice(folder, twins={"facebook": FacebookTwin})
    yield server
    server.stop()


@pytest.fixture
def call(network):
    """A network that has started anew."""
    with requests.Session() as session:
        session.trust_env = False
        caller = Caller(session, network)
        caller.panel("reset")
        yield caller


@pytest.fixture
def cake(call):
    return call.account("cake", instagram=1)


@pytest.fixture
def web():
    """A web server of the outside: pictures to fetch, callbacks to receive."""
    heard = []
    answers = {}

    class Handler(BaseHTTPRequestHandler):
        def answer(self, body=b""):
            heard.append((self.path, body))
            status, kind, data = answers.get(self.path, (404, "text/plain", b"no"))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.answer()

        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.heard, server.answers = heard, answers
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


# ---------------------------------------------------------------- signing in


def test_the_dialog_offers_persons_permissions_and_pages(call):
    query = {"client_id": APP_ID, "redirect_uri": BACK, "scope": SCOPES}
    page = call.http.get(call.dialog_url, params={**query, "state": '"><x>'}).text
    for words in ("Ana Lopez", "pages_manage_posts", "Acme Bakery", "acmebakery"):
        assert words in page
    assert "<x>" not in page
    for wrong in ({"client_id": "1"}, {"redirect_uri": "https://evil.example/"}):
        assert call.http.get(call.dialog_url, params=query | wrong).status_code == 400
    strange = call.http.get(call.dialog_url, params=query | {"scope": "pages_fly"})
    assert "Invalid Scopes" in strange.text


def test_a_code_becomes_a_short_token_and_that_a_long_one(call):
    answer = call.consent()
    assert answer["state"] == "s1"
    short = call.exchange(answer["code"]).json()
    assert short["token_type"] == "bearer"
    assert 5000 < short["expires_in"] <= 5108
    long = call.lengthen(short["access_token"])
    assert long["access_token"] != short["access_token"]
    assert 59 * DAY < long["expires_in"] < 60 * DAY
    call.days(10)
    again = call.lengthen(long["access_token"])
    assert again["expires_in"] < 50 * DAY, "a long token gets no longer life"
    me = call.ok("GET", "me", long["access_token"], fields="id,name")
    assert me == {"id": ANA, "name": "Ana Lopez"}
    call.switch("omit_expires_in", "yes")
    assert "expires_in" not in call.lengthen(long["access_token"])


def test_a_refusal_comes_back_to_the_app(call):
    answer = call.consent(decision="cancel")
    assert answer == {
        "error": "access_denied",
        "error_reason": "user_denied",
        "error_description": "Permissions error",
        "state": "s1",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"redirect_uri": BACK + "x"}, (100, 36008)),
        ({"client_secret": "wrong"}, (1, None)),
        ({"client_id": "1"}, (101, None)),
        ({"code": "nothing"}, (100, None)),
    ],
)
def test_an_exchange_that_does_not_fit_is_refused(call, changes, code):
    facts = {"client_id": APP_ID, "client_secret": APP_SECRET, "redirect_uri": BACK}
    facts["code"] = call.consent()["code"]
    assert call.refused("POST", "oauth/access_token", **{**facts, **changes}) == code


def test_a_code_serves_once_and_not_for_long(call):
    first, second = call.consent()["code"], call.consent()["code"]
    assert call.exchange(first).ok
    facts = {"client_id": APP_ID, "client_secret": APP_SECRET, "redirect_uri": BACK}
    path = "oauth/access_token"
    assert call.refused("GET", path, **facts, code=first) == (100, 36009)
    call.days(1)
    assert call.refused("GET", path, **facts, code=second) == (100, 36007)


def test_what_a_person_unticks_is_declined_and_left_out(call):
    bakery = call.twin.page_named("acmebakery")
    user = call.sign_in(untick=("pages_manage_engagement", f"{ANA}:{bakery}"))
    rows = call.ok("GET", "me/permissions", user)["data"]
    status = {row["permission"]: row["status"] for row in rows}
    assert status["pages_manage_engagement"] == "declined"
    assert status["pages_manage_posts"] == "granted"
    assert bakery not in [page["id"] for page in call.pages(user)]
    assert len(call.pages(user)) == 2
    told = {row["scope"]: row for row in call.debug(user)["granular_scopes"]}
    assert bakery not in told["pages_manage_posts"]["target_ids"]
    assert "target_ids" not in told["instagram_basic"]


def test_a_declined_permission_comes_back_only_when_asked_for_again(call):
    call.sign_in(untick=("pages_manage_posts",))
    assert "pages_manage_posts" not in call.debug(call.sign_in())["scopes"]
    user = call.sign_in(auth_type="rerequest")
    assert "pages_manage_posts" in call.debug(user)["scopes"]


# ---------------------------------------------------------------- Pages of a person


def test_the_list_of_pages_is_read_in_parts(call):
    user = call.sign_in(DORA)
    fields = "id,name,access_token,tasks,instagram_business_account{id,username}"
    first = call.ok("GET", "me/accounts", user, fields=fields)
    assert len(first["data"]) == 25
    follow = call.http.get(first["paging"]["next"]).json()
    assert len(follow["data"]) == 15
    assert "next" not in follow["paging"]
    after = first["paging"]["cursors"]["after"]
    assert call.pages(user, fields=fields, after=after) == follow["data"]
    rows = first["data"] + follow["data"]
    assert len({row["access_token"] for row in rows}) == 40
    linked = [row for row in rows if "instagram_business_account" in row]
    assert len(linked) == 12
    assert linked[0]["instagram_business_account"]["username"] == "chain01"
    assert "CREATE_CONTENT" in rows[0]["tasks"]


def test_pages_of_a_portfolio_are_found_by_walking_it(call):
    user = call.sign_in(CARLA)
    assert call.ok("GET", "me/accounts", user) == {"data": []}
    (business,) = call.ok("GET", "me/businesses", user)["data"]
    found = [
        call.ok("GET", f"{business['id']}/{edge}", user, fields="id,access_token")
        for edge in ("owned_pages", "client_pages")
    ]
    owned, client = (answer["data"][0] for answer in found)
    asked = call.ok("GET", owned["id"], user, fields="access_token,name")
    assert asked["name"] == "Weber Living"
    assert asked["access_token"] == owned["access_token"]
    me = call.ok("GET", "me", client["access_token"])
    assert me == {"id": client["id"], "name": "Harbour Hotel"}
    narrow = call.sign_in(CARLA, untick=("business_management",))
    assert call.refused("GET", "me/businesses", narrow) == (200, None)


def test_a_page_token_belongs_to_person_page_and_sign_in(call, cake):
    ana = call.pages(call.sign_in())
    assert call.pages(call.sign_in()) == ana, "the same one each time"
    ben = call.account("acmebakery", person="ben.okafor")
    assert ben["external_id"] == ana[0]["id"]
    assert ben["access_token"] != ana[0]["access_token"]
    short = call.account("quick", short=True)
    assert call.debug(short["access_token"])["expires_at"] > 0
    assert call.debug(cake["access_token"])["expires_at"] == 0
    call.days(1)
    assert call.refused("GET", "me", short["access_token"]) == (190, 463)
    assert call.ok("GET", "me", cake["access_token"])["name"] == "Cake"


def test_a_page_shows_no_token_to_a_stranger(call, cake):
    stranger = call.sign_in()
    id = cake["external_id"]
    assert call.refused("GET", id, stranger) == (100, 33)
    assert call.refused("GET", f"{id}/published_posts", stranger) == (100, 33)


def test_a_field_that_does_not_exist_is_named(call, cake):
    answer = call("GET", "me", cake["access_token"], fields="id,nonsense")
    assert answer.status_code == 400
    assert "nonexisting field (nonsense)" in answer.json()["error"]["message"]


# ---------------------------------------------------------------- what kills what


def test_sixty_days_end_the_sign_in_and_leave_the_pages(call, cake):
    user = cake["extra"]["user_token"]
    call.days(61)
    answer = call("GET", "me", user)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["error_subcode"]) == (190, 463)
    assert re.search(r"expired on \w+, .* PDT\. The current time is", error["message"])
    assert call.post(cake)
    assert call.refused("GET", "me/accounts", user) == (190, 463)
    facts = {"client_id": APP_ID, "client_secret": APP_SECRET}
    facts |= {"grant_type": "fb_exchange_token", "fb_exchange_token": user}
    assert call.refused("GET", "oauth/access_token", **facts) == (190, 463)


@pytest.mark.parametrize(
    ("how", "subcode"),
    [
        ("password_changed", 460),
        ("revoke", 458),
        ("checkpoint", 459),
        ("unconfirmed", 464),
        ("logged_out", 467),
    ],
)
def test_what_ends_a_person_s_access_ends_the_whole_tree(call, how, subcode):
    tree = call.account("tree", kind="user", pages=3, instagram=1)
    tokens = [
        tree["access_token"],
        *(p["access_token"] for p in tree["extra"]["pages"]),
    ]
    other = call.account("other")
    assert call.end(tree["external_id"], how) == {"touched": 4}
    for token in tokens:
        assert call.refused("GET", "me", token) == (190, subcode)
    told = call.debug(tokens[1])
    assert told["is_valid"] is False
    assert told["scopes"] == []
    assert told["error"]["subcode"] == subcode
    assert call.ok("GET", "me", other["access_token"])
    call.end(tree["external_id"], "restore")
    for token in tokens:
        assert call.ok("GET", "me", token)


def test_after_a_new_sign_in_old_tokens_stay_dead(call):
    old = call.sign_in()
    call.end(ANA, "password_changed")
    new = call.sign_in()
    assert call.refused("GET", "me", old) == (190, 460)
    assert call.ok("GET", "me", new)
    (page, *_rest) = call.pages(new)
    assert call.ok("GET", "me", page["access_token"])


def test_who_signs_in_again_has_the_same_pages(call):
    first = call.account("tree", kind="user", pages=3, instagram=1)
    again = call.account("tree", kind="user", pages=3, instagram=1)
    ids = [page["external_id"] for page in first["extra"]["pages"]]
    assert [page["external_id"] for page in again["extra"]["pages"]] == ids
    assert [page["id"] for page in call.pages(again["access_token"])] == ids


def test_a_lost_role_ends_one_page_for_one_person(call):
    tree = call.account("tree", kind="user", pages=2, admins=["ben.okafor"])
    lost, kept = tree["extra"]["pages"]
    standby = call.account("tree01", person="ben.okafor")
    pair = f"{tree['external_id']}/{lost['external_id']}"
    assert call.end(pair, "role_lost") == {"touched": 1}
    assert call.refused("GET", "me", lost["access_token"]) == (190, 492)
    assert call.ok("GET", "me", kept["access_token"])
    assert call.ok("GET", "me", standby["access_token"])
    assert [p["id"] for p in call.pages(tree["access_token"])] == [kept["external_id"]]
    call.end(lost["external_id"], "restore")
    assert call.ok("GET", "me", lost["access_token"])


@pytest.mark.parametrize("code", ["natural", "10", "100", "200"])
def test_an_unticked_page_is_refused_while_its_token_lives(call, code):
    tree = call.account("tree", kind="user", pages=2)
    gone, kept = tree["extra"]["pages"]
    call.switch("lost_permission_code", code)
    call.end(gone["external_id"], "page_unticked")
    expected = 200 if code == "natural" else int(code)
    path = f"{gone['external_id']}/feed"
    answer = call("POST", path, gone["access_token"], message="Hi")
    assert answer.json()["error"]["code"] == expected
    assert answer.status_code == (400 if expected == 100 else 403)
    assert call.post(kept)
    assert call.debug(gone["access_token"])["is_valid"]
    rows = call.debug(gone["access_token"])["granular_scopes"]
    assert {"scope": "pages_manage_posts", "target_ids": [kept["external_id"]]} in rows
    assert len(call.pages(tree["access_token"])) == 1
    call.end(gone["external_id"], "restore")
    assert call.post(gone)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("scope_lost:pages_manage_posts", "declined"),
        ("scope_expired:pages_manage_posts", "expired"),
        ("scopes_expired", "expired"),
    ],
)
def test_a_permission_can_go_alone(call, cake, how, status):
    call.end(cake["external_id"], how)
    user = cake["extra"]["user_token"]
    rows = call.ok("GET", "me/permissions", user)["data"]
    assert {"permission": "pages_manage_posts", "status": status} in rows
    path = f"{cake['external_id']}/feed"
    assert call.refused("POST", path, cake["access_token"], message="x") == (200, None)
    call.end(cake["external_id"], "restore")
    assert call.post(cake)


def test_ninety_days_close_instagram_and_not_the_pages(call, cake):
    user = cake["extra"]["user_token"]
    ends = call.debug(cake["access_token"])["data_access_expires_at"]
    assert ends == cake["extra"]["data_access_expires_at"]
    token, id = cake["access_token"], cake["extra"]["instagram_id"]
    assert call.ok("GET", id, token, fields="id,username")["username"] == "cake"
    call.days(91)
    assert call.post(cake)
    assert call.refused("GET", id, token) == (10, None)
    call.days(0)
    call.end(cake["external_id"], "data_access_ended")
    assert call.refused("GET", id, user) == (10, None)
    person = cake["extra"]["user_id"]
    call.sign_in(person)
    assert call.refused("GET", id, token) == (10, None)
    call.sign_in(person, auth_type="reauthorize")
    assert call.ok("GET", id, token)


def test_a_restricted_page_says_what_to_do(call, cake):
    call.end(cake["external_id"], "suspend")
    path = f"{cake['external_id']}/feed"
    assert call.refused("POST", path, cake["access_token"], message="x") == (
        200,
        1404078,
    )
    call.end(cake["external_id"], "restore")
    assert call.post(cake)


def test_a_disabled_app_is_refused_everywhere(call, cake):
    call.switch("app_state", "disabled")
    for token in (cake["access_token"], APP_TOKEN):
        answer = call("GET", "me", token)
        assert answer.json()["error"]["message"] == "API access blocked."
    call.switch("app_state", "active")
    assert call.post(cake)


def test_a_person_takes_permissions_back_by_the_api(call):
    user = call.sign_in()
    assert call.ok("DELETE", "me/permissions/pages_manage_posts", user)
    assert "pages_manage_posts" not in call.debug(user)["scopes"]
    (page, *_rest) = call.pages(user)
    assert call.refused("GET", "me/permissions", page["access_token"]) == (100, None)
    assert call.ok("DELETE", "me/permissions", user) == {"success": True}
    assert call.refused("GET", "me", page["access_token"]) == (190, 458)
    assert call.ok("GET", "me", call.sign_in())


def test_an_ending_that_does_not_exist_is_named(call):
    for account, how in (
        (ANA, "explode"),
        (ANA, "scope_lost:fly"),
        ("nobody", "revoke"),
    ):
        with pytest.raises(AssertionError, match="Facebook"):
            call.end(account, how)


# ---------------------------------------------------------------- tokens looked at


def test_every_kind_of_token_can_be_inspected(call, cake):
    told = call.debug(cake["access_token"])
    assert told["type"] == "PAGE"
    assert told["profile_id"] == cake["external_id"]
    assert told["is_valid"] is True
    user = call.debug(cake["extra"]["user_token"])
    assert (user["type"], user["user_id"]) == ("USER", cake["extra"]["user_id"])
    assert user["issued_at"] < user["expires_at"]
    assert call.debug(APP_TOKEN)["type"] == "APP"
    unknown = call.debug("nonsense")
    assert (unknown["is_valid"], unknown["error"]["code"]) == (False, 190)
    page = cake["access_token"]
    assert call.refused("GET", "debug_token", page, input_token=page) == (100, None)
    given = call.ok(
        "GET",
        "oauth/access_token",
        grant_type="client_credentials",
        client_id=APP_ID,
        client_secret=APP_SECRET,
    )["access_token"]
    assert call.ok("GET", "debug_token", given, input_token=page)["data"]["is_valid"]


def test_a_call_without_a_token_or_with_nonsense_is_refused(call):
    answer = call("GET", "me")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 104)
    call.switch("no_token_code", "2500")
    assert call.refused("GET", "me") == (2500, None)
    assert call.refused("GET", "me", "nonsense") == (190, None)
    call.switch("status_190", "401")
    assert call("GET", "me", "nonsense").status_code == 401


def test_a_token_may_stand_in_the_header(call, cake):
    for scheme in ("Bearer", "OAuth"):
        headers = {"Authorization": f"{scheme} {cake['access_token']}"}
        assert call.http.get(f"{call.url}/me", headers=headers).ok


def test_the_proof_of_the_secret_is_checked_and_can_be_required(call, cake):
    token = cake["access_token"]
    made = hmac.new(APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    assert call.ok("GET", "me", token, appsecret_proof=made)
    assert call.refused("GET", "me", token, appsecret_proof="0" * 64) == (100, None)
    call.switch("require_proof", "yes")
    assert call.refused("GET", "me", token) == (100, None)
    assert call.ok("GET", "me", token, appsecret_proof=made)


def test_versions_are_part_of_the_path_and_end(call, cake):
    call.switch("ended_versions", "v25.0")
    old = call.url.replace("v26.0", "v25.0")
    query = {"access_token": cake["access_token"]}
    assert call.http.get(f"{old}/me", params=query).json()["error"]["code"] == 2635
    assert call.http.get(f"{call.url}/me", params=query).ok
    for path in ("graph/me", "graph/v99.0/me", "graph/v26.0/me/nonsense"):
        answer = call.http.get(f"{call.twin.url}/{path}", params=query)
        assert answer.json()["error"]["code"] == 2500


# ---------------------------------------------------------------- publishing


def test_a_text_goes_out_and_is_read_back(call, cake):
    token = cake["access_token"]
    answer = call.ok(
        "POST",
        f"{cake['external_id']}/feed",
        token,
        message="Fresh bread",
        fields="id,permalink_url",
    )
    read = call.ok("GET", answer["id"], token)
    assert set(read) == {"created_time", "message", "id"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", read["created_time"])
    page = call.http.get(answer["permalink_url"])
    assert (page.status_code, "Fresh bread" in page.text) == (200, True)
    assert "Fresh bread" in call.http.get(f"{call.twin.url}/www/{answer['id']}").text
    (row,) = call.published(
        cake, fields="id,message,application,status_type,permalink_url,attachments"
    )
    assert row["application"] == {"id": APP_ID, "name": "SocialHub"}
    assert row["status_type"] == "mobile_status_update"
    (listed,) = call.twin.posts()
    assert (listed["text"], listed["account"]) == ("Fresh bread", cake["external_id"])
    assert listed["url"] == answer["permalink_url"]


@pytest.mark.parametrize(
    ("how", "may", "shown"),
    [
        ("vanishes", "no", "Thanks Cake and !"),
        ("stays as typed", "no", "Thanks Cake and @[{}:Pie]!"),
        ("is linked", "no", "Thanks Cake and Pie!"),
        ("vanishes", "yes", "Thanks Cake and Pie!"),
    ],
)
def test_a_page_that_is_named_is_shown_as_the_switches_say(call, cake, how, may, shown):
    page, token = cake["external_id"], cake["access_token"]
    other = call.account("pie")["external_id"]
    call.switch("others_named", how)
    call.switch("page_mentioning", may)
    text = f"Thanks @[{page}] and @[{other}:Pie]!"
    id = call.ok("POST", f"{page}/feed", token, message=text)["id"]
    assert call.ok("GET", id, token)["message"] == shown.format(other)
    # The same again is known by what was sent.
    assert call.refused("POST", f"{page}/feed", token, message=text)[0] == 506


def test_a_link_is_shown_as_a_card(call, cake):
    id = call.post(cake, link="https://example.com/a")
    row = call.ok("GET", id, cake["access_token"], fields="attachments,status_type")
    assert row["attachments"]["data"][0]["target"]["url"] == "https://example.com/a"
    assert row["status_type"] == "shared_story"
    assert "https://example.com/a" in call.http.get(f"{call.twin.url}/www/{id}").text


def test_one_photo_is_uploaded(call, cake):
    answer = call.photo(cake, caption="Cake", alt_text_custom="A red cake").json()
    row = call.ok("GET", answer["post_id"], cake["access_token"], fields="attachments")
    target = row["attachments"]["data"][0]["target"]
    assert target["id"] == answer["id"]
    assert call.http.get(target["url"]).content == picture()
    (listed,) = call.twin.posts()
    assert listed["alt_texts"] == ["A red cake"]
    page = call.http.get(listed["url"]).text
    assert "Alt text: A red cake" in page


def test_one_photo_is_fetched_from_its_address(call, cake, web):
    web.answers["/a.png"] = (200, "image/png", picture())
    path, token = f"{cake['external_id']}/photos", cake["access_token"]
    answer = call.ok("POST", path, token, url=f"{web.url}/a.png", message="Cake")
    assert call.ok("GET", answer["post_id"], token)["message"] == "Cake"
    gone = call.refused("POST", path, token, url=f"{web.url}/b.png")
    assert gone == (324, None)
    call.switch("believe_the_address", "yes")
    assert call.ok("POST", path, token, url="https://cdn.example/c.jpg")["post_id"]


def test_a_photo_that_appears_late_is_fetched_then(call, cake, web):
    web.answers["/a.png"] = (200, "image/png", picture())
    call.fault(kind="delayed_apply", seconds=0, times=1)
    path, token = f"{cake['external_id']}/photos", cake["access_token"]
    with pytest.raises(requests.ConnectionError):
        call("POST", path, token, url=f"{web.url}/a.png")
    call.server.settle()
    (post,) = call.twin.posts()
    assert post["media"] == 1
    assert web.heard == [("/a.png", b"")]


@pytest.mark.parametrize("form", ["json", "indexed"])
def test_several_photos_make_one_post(call, cake, form):
    staged = [call.photo(cake, published="false").json() for _ in range(2)]
    assert all(set(answer) == {"id"} for answer in staged)
    assert call.published(cake) == []
    rows = [json.dumps({"media_fbid": answer["id"]}) for answer in staged]
    fields = {"attached_media": f"[{','.join(rows)}]"}
    if form == "indexed":
        fields = {f"attached_media[{n}]": row for n, row in enumerate(rows)}
    id = call.post(cake, "Two", **fields)
    row = call.ok("GET", id, cake["access_token"], fields="attachments")
    album = row["attachments"]["data"][0]
    found = [r["target"]["id"] for r in album["subattachments"]["data"]]
    assert found == [answer["id"] for answer in staged]
    path = f"{cake['external_id']}/feed"
    again = call.refused("POST", path, cake["access_token"], message="More", **fields)
    assert again == (100, 1366051)


def test_a_staged_photo_can_be_deleted(call, cake):
    token = cake["access_token"]
    id = call.photo(cake, published="false").json()["id"]
    assert call.ok("DELETE", id, token) == {"success": True}
    assert call.refused("GET", id, token) == (100, 33)


def test_the_same_post_in_a_row_is_a_duplicate(call, cake):
    first = call.post(cake, "Same")
    path, token = f"{cake['external_id']}/feed", cake["access_token"]
    assert call.refused("POST", path, token, message="Same") == (506, None)
    call.post(cake, "Other")
    call.post(cake, "Same")
    assert len(call.published(cake)) == 3
    assert call.ok("DELETE", first, token) == {"success": True}
    assert call.refused("GET", first, token) == (100, 33)
    assert call.refused("DELETE", first, token) == (100, 33)
    assert len(call.published(cake)) == 2
    assert call.http.get(f"{call.twin.url}/www/{first}").status_code == 404


def test_a_first_comment_and_its_trap(call, cake):
    id, token = call.post(cake), cake["access_token"]
    comment = call.ok("POST", f"{id}/comments", token, message="First")["id"]
    assert comment.startswith(id.partition("_")[2] + "_")
    trap = call.refused("POST", f"{id}/comments", token, message="Two", fields="id")
    assert trap == (20, 1772107)
    rows = call.ok("GET", f"{id}/comments", token, fields="id,message")["data"]
    assert [row["message"] for row in rows] == ["First", "Two"]
    assert call.ok("DELETE", comment, token)
    count = call.ok("GET", id, token, fields="comments.limit(0).summary(true)")
    assert count["comments"]["summary"]["total_count"] == 1


def test_a_post_is_edited_by_the_app_that_made_it(call, cake):
    id, token = call.post(cake), cake["access_token"]
    assert call.ok("POST", id, token, message="Better") == {"success": True}
    assert call.ok("GET", id, token)["message"] == "Better"
    call.switch("delete_refused", "yes")
    assert call.refused("DELETE", id, token) == (10, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, (100, None)),
        ({"message": "x" * 63_207}, (100, None)),
        ({"link": "javascript:alert(1)"}, (100, 2061006)),
        ({"link": "https://www.facebook.com/acme"}, (100, 1609008)),
        ({"message": "x", "attached_media": "[{"}, (100, None)),
        ({"message": "x", "attached_media": '[{"media_fbid":"1"}]'}, (100, None)),
        ({"message": "x", "scheduled_publish_time": "1"}, (100, None)),
    ],
)
def test_a_post_that_cannot_be_is_refused(call, cake, fields, code):
    path = f"{cake['external_id']}/feed"
    assert call.refused("POST", path, cake["access_token"], **fields) == code
    assert call.twin.posts() == []


def test_a_photo_that_is_none_is_refused(call, cake):
    assert call.photo(cake, b"no picture").json()["error"]["error_subcode"] == 1366046
    large = picture("BMP", (1500, 1000))
    assert call.photo(cake, large).json()["error"]["error_subcode"] == 1366046
    path = f"{cake['external_id']}/photos"
    assert call.refused("POST", path, cake["access_token"]) == (324, None)


def test_a_page_is_posted_to_with_its_own_token_and_task(call, cake):
    path = f"{cake['external_id']}/feed"
    user = cake["extra"]["user_token"]
    assert call.refused("POST", path, user, message="x") == (200, None)
    reader = call.account("cake", person="emil.roth", tasks=["ANALYZE"])
    assert call.refused("POST", path, reader["access_token"], message="x") == (
        200,
        None,
    )
    assert call.published(reader) == []
    other = call.account("other")
    assert call.refused("POST", path, other["access_token"], message="x") == (100, 33)


def test_lists_go_by_time_and_may_lag(call, cake):
    for number in range(3):
        call.post(cake, f"n{number}")
    assert [row["message"] for row in call.published(cake)] == ["n2", "n1", "n0"]
    assert len(call.published(cake, limit=2)) == 2
    assert call.published(cake, since=int(call.twin.time()) + 60) == []
    call.switch("list_delay_s", "30")
    assert call.published(cake) == []
    feed = call.ok("GET", f"{cake['external_id']}/feed", cake["access_token"])
    assert feed == {"data": []}


# ---------------------------------------------------------------- videos and stories

FILM = video(6, rate=30)
REEL = video(72, size=(540, 960), rate=24)


class Sender:
    """One Page that sends a video by one of the three edges."""

    def __init__(self, call, page, edge):
        self.call, self.token = call, page["access_token"]
        self.path = f"{page['external_id']}/{edge}"

    def begin(self, **fields):
        fields["upload_phase"] = "start"
        return self.call.ok("POST", self.path, self.token, **fields)

    def chunk(self, session, start, data):
        return self.call(
            "POST",
            self.path,
            self.token,
            upload_phase="transfer",
            upload_session_id=session,
            start_offset=str(start),
            files={"video_file_chunk": ("chunk", data)},
        )

    def bytes(self, id, data=REEL, offset=0, size=None):
        return self.call.http.post(
            f"{self.call.twin.url}/rupload/video-upload/v26.0/{id}",
            data=data,
            headers={
                "Authorization": f"OAuth {self.token}",
                "offset": str(offset),
                "file_size": str(len(REEL) if size is None else size),
            },
        ).json()

    def finish(self, **fields):
        fields["upload_phase"] = "finish"
        return self.call("POST", self.path, self.token, **fields)

    def read(self, id, fields="status,post_id,permalink_url,published"):
        return self.call.ok("GET", id, self.token, fields=fields)

    def words(self, id):
        """How its status goes on until it is published or in error."""
        words = []
        while not words or words[-1] in ("processing", "uploading"):
            words.append(self.read(id)["status"]["video_status"])
        return words

    def reel(self, data=REEL, **fields):
        """Started, sent and finished; its id."""
        id = self.begin()["video_id"]
        assert self.bytes(id, data, size=len(data))["success"]
        finished = self.finish(video_id=id, video_state="PUBLISHED", **fields)
        assert finished.json()["success"] is True
        return id


def test_a_video_is_sent_in_the_chunks_that_are_asked_for(call, cake):
    call.switch("chunk_bytes", "1000")
    sender = Sender(call, cake, "videos")
    begun = sender.begin(file_size=len(FILM))
    session, id = begun["upload_session_id"], begun["video_id"]
    assert (begun["start_offset"], begun["end_offset"]) == ("0", "1000")
    early = sender.finish(upload_session_id=session)
    assert early.json()["error"]["code"] == 100
    start = end = 0
    while start < len(FILM):
        end = min(start + 1000, len(FILM))
        told = sender.chunk(session, start, FILM[start:end]).json()
        assert int(told["start_offset"]) == end
        repeated = sender.chunk(session, start, FILM[start:end]).json()
        assert repeated["error"]["code"] == 6001
        start = end
    assert told["start_offset"] == told["end_offset"] == str(len(FILM))
    assert sender.finish(upload_session_id=session, description="Loaf").ok
    assert call.published(cake) == [], "it is worked on first"
    assert sender.words(id) == ["processing", "processing", "ready"]
    shown = sender.read(id)
    assert shown["published"] is True
    post = f"{cake['external_id']}_{shown['post_id']}"
    fields = "message,status_type,attachments{media_type,target}"
    (row,) = call.published(cake, fields=fields)
    assert (row["id"], row["message"], row["status_type"]) == (
        post,
        "Loaf",
        "added_video",
    )
    assert row["attachments"]["data"][0]["target"]["id"] == id
    assert "<video" in call.http.get(shown["permalink_url"]).text
    (listed,) = call.twin.posts()
    assert listed["media_kinds"] == ["video"]
    assert listed["media_sha256"] == [hashlib.sha256(FILM).hexdigest()]
    again = sender.finish(upload_session_id=session)
    assert again.json()["error"]["code"] == 100


def test_a_video_is_fetched_from_its_address(call, cake, web):
    web.answers["/a.mp4"] = (200, "video/mp4", FILM)
    sender = Sender(call, cake, "videos")
    path, token = sender.path, sender.token
    id = call.ok("POST", path, token, file_url=f"{web.url}/a.mp4")["id"]
    call.panel("clock", shift_s=61)
    assert sender.read(id, "published")["published"] is True
    gone = call.refused("POST", path, token, file_url=f"{web.url}/b.mp4")
    assert gone == (389, None)


def test_a_reel_stands_in_a_list_of_its_own(call, cake):
    sender = Sender(call, cake, "video_reels")
    begun = sender.begin()
    id = begun["video_id"]
    assert begun["upload_url"].endswith(f"/video-upload/v26.0/{id}")
    state = {"video_id": id, "video_state": "PUBLISHED"}
    assert sender.finish(**state).json()["error"]["code"] == 100
    call.switch("upload_keeps", "500")
    assert sender.bytes(id)["debug_info"]["type"] == "PartialRequestError"
    phase = sender.read(id)["status"]["uploading_phase"]
    assert (phase["status"], phase["bytes_transfered"]) == ("in_progress", 500)
    assert sender.bytes(id)["debug_info"]["type"] == "OffsetInvalidError"
    assert sender.bytes(id, REEL[500:], 500) == {
        "success": True,
        "message": "Upload successful.",
    }
    assert sender.words(id)[-1] == "ready"
    assert sender.read(id)["status"]["publishing_phase"]["publish_status"] == "draft"
    assert sender.finish(**state, description="Loaf").json() == {"success": True}
    assert sender.finish(**state).json()["error"]["code"] == 100
    shown = sender.read(id)
    assert shown["status"]["publishing_phase"]["publish_status"] == "published"
    assert call.http.get(shown["permalink_url"]).ok
    assert call.published(cake) == []
    path = f"{cake['external_id']}/video_reels"
    (row,) = call.ok("GET", path, cake["access_token"])["data"]
    assert (row["id"], row["description"]) == (id, "Loaf")
    assert call.ok("DELETE", id, cake["access_token"]) == {"success": True}
    assert call.twin.posts() == []


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"size": (540, 540)}, 1363040),
        ({"size": (270, 480)}, 1363127),
        ({"frames": 48}, 1363128),
        ({"rate": 12}, 1363129),
        ({"codec": "mpeg4"}, 6000),
    ],
)
def test_what_is_wrong_with_a_reel_shows_after_its_success(call, cake, made, code):
    facts = {"frames": 72, "size": (540, 960), "rate": 24, **made}
    sender = Sender(call, cake, "video_reels")
    id = sender.reel(video(**facts))
    assert sender.words(id)[-1] == "error"
    phases = sender.read(id)["status"]
    assert phases["processing_phase"]["errors"][0]["code"] == code
    assert phases["publishing_phase"]["publish_status"] == "error"
    assert call.twin.posts() == []
    call.switch("phase_error", "error")
    assert "message" in sender.read(id)["status"]["processing_phase"]["error"]


def test_a_page_has_thirty_reels_a_day(call, cake):
    sender = Sender(call, cake, "video_reels")
    for _ in range(30):
        sender.reel()
    id = sender.begin()["video_id"]
    sender.bytes(id)
    full = sender.finish(video_id=id, video_state="PUBLISHED")
    assert full.json()["error"]["code"] == 613
    call.days(1.01)
    assert sender.reel()


def test_stories_are_listed_for_a_day_by_what_they_show(call, cake):
    sender = Sender(call, cake, "video_stories")
    film = sender.begin()["video_id"]
    sender.bytes(film)
    made = sender.finish(video_id=film).json()
    assert made["success"] is True
    photo = call.photo(cake, published="false").json()["id"]
    path = f"{cake['external_id']}/photo_stories"
    assert call.ok("POST", path, sender.token, photo_id=photo)["success"]
    assert call.refused("POST", path, sender.token, photo_id=photo) == (100, 1366051)
    sender.words(film)
    path = f"{cake['external_id']}/stories"
    rows = call.ok("GET", path, sender.token)["data"]
    assert {row["media_id"]: row["media_type"] for row in rows} == {
        photo: "photo",
        film: "video",
    }
    assert str(made["post_id"]) in [row["post_id"] for row in rows]
    assert call.http.get(rows[0]["url"]).ok
    assert call.published(cake) == []
    call.days(1.01)
    assert call.ok("GET", path, sender.token) == {"data": []}


def test_an_upload_that_is_not_finished_ends(call, cake):
    sender = Sender(call, cake, "video_reels")
    id = sender.begin()["video_id"]
    call.days(1.01)
    assert sender.read(id)["status"]["video_status"] == "expired"
    assert sender.bytes(id)["debug_info"]["type"] == "ProcessingFailedError"


def test_only_the_end_of_an_upload_is_what_readers_see(call, cake):
    fault = {"kind": "server_error_after_write", "times": 1, "call": "commit"}
    call.fault(**fault, account=cake["external_id"])
    sender = Sender(call, cake, "video_reels")
    id = sender.begin()["video_id"]
    sender.bytes(id)
    lost = sender.finish(video_id=id, video_state="PUBLISHED")
    assert lost.status_code == 500
    assert sender.words(id)[-1] == "ready"
    assert sender.read(id)["published"] is True


# ---------------------------------------------------------------- limits and faults


def usage(answer):
    return json.loads(answer.headers["x-business-use-case-usage"])


def test_usage_is_told_in_per_cent_and_a_full_window_refuses(call, cake):
    token, id = cake["access_token"], cake["external_id"]
    (row,) = usage(call("GET", "me", token))[id]
    assert (row["type"], row["call_count"]) == ("pages", 1)
    call.switch("page_calls", "2")
    assert call("GET", "me", token).ok
    full = call("GET", "me", token)
    assert (full.status_code, full.json()["error"]["code"]) == (400, 80001)
    assert usage(full)[id][0]["estimated_time_to_regain_access"] == 12
    call.days(2)
    assert call("GET", "me", token).ok
    user = cake["extra"]["user_token"]
    told = json.loads(call("GET", "me", user).headers["x-app-usage"])
    assert told["call_count"] == 1
    call.switch("user_calls", "1")
    assert call.refused("GET", "me", user) == (17, None)
    call.switch("app_calls", "1")
    assert call.refused("GET", "debug_token", APP_TOKEN) == (4, None)


@pytest.mark.parametrize(
    ("value", "code", "whose"),
    [
        ("4", (4, None), "user"),
        ("17", (17, None), "user"),
        ("32", (32, None), "user"),
        ("80001", (80001, None), "page"),
        ("613/1996", (613, 1996), "page"),
        ("368/1390008", (368, 1390008), "page"),
    ],
)
def test_each_throttle_can_be_played(call, cake, value, code, whose):
    call.switch("throttle", value)
    path, page = f"{cake['external_id']}/feed", cake["access_token"]
    if whose == "page":
        assert call.refused("POST", path, page, message="x") == code
    else:
        assert call.refused("GET", "me", cake["extra"]["user_token"]) == code
        assert call.ok("POST", path, page, message="x"), "BUC is another system"


@pytest.mark.parametrize(
    ("kind", "status", "code", "written"),
    [
        ("server_error", 503, (2, None), 0),
        ("server_error_after_write", 500, (2, None), 1),
        ("bad_request_after_write", 400, (20, 1772107), 1),
        ("duplicate", 400, (506, None), 0),
        ("content_refused", 400, (368, 1346003), 0),
        ("version_ended", 400, (2635, None), 0),
        ("app_suspended", 403, (200, None), 0),
        ("rate_limited", 400, (80001, None), 0),
        ("rate_limited_no_headers", 400, (80001, None), 0),
    ],
)
def test_faults_speak_the_platform_s_words(call, cake, kind, status, code, written):
    more = {"status": status} if kind.startswith("server_error") else {}
    more |= {"retry_after_s": 600} if kind == "rate_limited" else {}
    call.fault(kind=kind, times=1, account=cake["external_id"], **more)
    path = f"{cake['external_id']}/feed"
    answer = call("POST", path, cake["access_token"], message="x")
    error = answer.json()["error"]
    assert answer.status_code == status
    assert (error["code"], error.get("error_subcode")) == code
    assert len(call.twin.posts()) == written
    if kind == "rate_limited":
        minutes = usage(answer)[cake["external_id"]][0]
        assert minutes["estimated_time_to_regain_access"] == 10
    if kind == "rate_limited_no_headers":
        assert "x-business-use-case-usage" not in answer.headers


def test_staging_a_photo_is_not_what_readers_see(call, cake):
    call.fault(kind="server_error", call="commit")
    assert call.photo(cake, published="false").ok
    assert call.photo(cake).status_code == 500
    call.http.get(f"{call.url}/{cake['external_id']}")
    record = call.http.get(f"{call.server.url}/api/record").json()["record"]
    assert [line["call"] for line in record] == [
        "POST /:page/photos?published=false",
        "POST /:page/photos",
        "GET /:page",
    ]
    assert {line["account"] for line in record} == {cake["external_id"]}


# ---------------------------------------------------------------- callbacks


def test_a_signed_request_is_signed_over_its_unpadded_second_part():
    payload = {"user_id": "0", "algorithm": "HMAC-SHA256", "issued_at": 1624244156}
    assert twin_callbacks.signed_request("key", payload) == (
        "Mf_s6nTb38UYqioBmPqu0Ewm9souPZB9I2fIGwV729U."
        "eyJ1c2VyX2lkIjoiMCIsImFsZ29yaXRobSI6IkhNQUMtU0hBMjU2IiwiaXNzdWVkX2F0IjoxNjI0MjQ0"
        "MTU2fQ"
    )


def test_removing_the_app_is_told_to_it(call, web):
    call.sign_in()
    told = {"url": f"{web.url}/status/1", "confirmation_code": "c1"}
    web.answers["/gone"] = (200, "text/plain", b"")
    web.answers["/delete"] = (200, "application/json", json.dumps(told).encode())
    call.switch("deauthorize_url", f"{web.url}/gone")
    call.switch("data_deletion_url", f"{web.url}/delete")
    page = call.http.get(f"{call.twin.url}/www/settings/apps").text
    grant = re.search(r'name="grant" value="([^"]+)"', page)[1]
    answer = call.http.post(
        f"{call.twin.url}/www/settings/apps", data={"grant": grant, "delete": "yes"}
    )
    assert "No app has access." in answer.text
    call.twin.wait_for_callbacks()
    heard = dict(web.heard)
    assert set(heard) == {"/gone", "/delete"}
    signed = parse_qs(heard["/gone"].decode())["signed_request"][0]
    signature, _, body = signed.partition(".")
    right = hmac.new(APP_SECRET.encode(), body.encode(), hashlib.sha256).digest()
    assert twin_callbacks.unpadded(right) == signature
    states = {row["kind"]: row for row in call.twin.callbacks()}
    assert states["deauthorize"]["state"] == "done"
    assert states["data_deletion"]["detail"] == f"c1 {web.url}/status/1"


@pytest.mark.parametrize(
    ("path", "detail"), [("/none", "answered 404"), ("/bad", "the answer is not JSON")]
)
def test_a_callback_that_fails_is_written_down(call, cake, web, path, detail):
    web.answers["/bad"] = (200, "text/plain", b"thanks")
    call.switch("deauthorize_url", "http://127.0.0.1:9/nobody")
    call.switch("data_deletion_url", web.url + path)
    call.end(cake["external_id"], "delete_data")
    call.twin.wait_for_callbacks()
    gone, deletion = call.twin.callbacks()
    assert gone["state"] == "failed"
    assert "ConnectionError" in gone["detail"]
    assert deletion["state"] == "failed"
    assert detail in deletion["detail"]


# ---------------------------------------------------------------- for drills


def test_a_drill_grows_a_tree_of_its_own(call):
    tree = call.account(
        "tree", kind="user", pages=40, instagram=12, admins=["ben.okafor"]
    )
    pages, linked = tree["extra"]["pages"], tree["extra"]["instagram"]
    assert (len(pages), len(linked)) == (40, 12)
    assert linked[0]["extra"]["page_id"] == pages[0]["external_id"]
    assert linked[0]["access_token"] == pages[0]["access_token"]
    assert len(call.pages(tree["access_token"], limit=100)) == 40
    rows = [r for r in call.twin.tokens() if r["person"].endswith("(Tree)")]
    assert {row["state"] for row in rows} == {"live"}
    assert len(rows) == 40
    standby = call.account("ben.okafor", kind="user")
    names = [page["name"] for page in call.pages(standby["access_token"], limit=100)]
    assert "Tree 40" in names
    state = call.http.get(f"{call.server.url}/api/state").json()
    assert "password_changed" in state["platforms"]["facebook"]["endings"]


def test_an_account_that_cannot_be_is_refused_with_words(call):
    for options in (
        {"kind": "group"},
        {"colour": "red"},
        {"person": "nobody"},
        {"scopes": ["pages_fly"]},
        {"kind": "user", "pages": 1, "instagram": 2},
        {"kind": "user", "pages": 100_000},
    ):
        with pytest.raises(AssertionError, match="error"):
            call.account("odd", **options)


def test_the_panel_s_pages_show_all_of_it(call, cake):
    call.post(cake, "<b>bold</b>")
    for path in ("/panel/facebook", "/facebook/", "/facebook/www/cake"):
        page = call.http.get(call.server.url + path)
        assert page.status_code == 200
        assert "&lt;b&gt;bold" in page.text
    assert call.http.get(f"{call.twin.url}/www/nobody").status_code == 404
    (row, *_rest) = call.twin.tokens()
    assert row["issued_at"] <= iso(call.server.world.now())
