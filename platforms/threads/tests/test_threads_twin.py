"""Threads in the practice network, over HTTP, held against Meta's documentation."""

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

from platforms.facebook.twin_world import APP_ID as META_APP_ID
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video
from platforms.threads.twin import ThreadsTwin
from platforms.threads.twin_text import length
from platforms.threads.twin_world import APP_ID, APP_SECRET

BACK = "http://127.0.0.1:9999/oauth/threads/"
SCOPES = "threads_basic,threads_content_publish"
IMAGE = "https://cdn.example/a.jpg"
DAY = 86_400
TEXT = {"media_type": "TEXT", "text": "Hello"}
PICTURE = {"media_type": "IMAGE", "image_url": IMAGE}


class Caller:
    """A program that talks to the twin, and the panel's interface beside it."""

    def __init__(self, http, server):
        self.http, self.server = http, server
        self.twin = server.twins["threads"]

    def __call__(self, method, path, token="", **fields):
        url = f"{self.twin.url}/graph/{path}"
        sent = {"access_token": token, **fields} if token else fields
        where = {"data": sent} if method == "POST" else {"params": sent}
        return self.http.request(method, url, timeout=20, **where)

    def panel(self, path, **body):
        answer = self.http.post(
            f"{self.server.url}/api/{path}", json=body, headers={"X-Practice": "1"}
        )
        assert answer.ok, answer.text
        return answer.json()

    def switch(self, **values):
        for name, value in values.items():
            self.panel("switches", platform="threads", name=name, value=str(value))

    def end(self, account, how):
        account = account["external_id"]
        return self.panel("tokens", platform="threads", account=account, how=how)

    def days(self, number):
        self.panel("clock", shift_s=number * DAY)

    def account(self, handle="cake", **options):
        body = {"handle": handle, "name": handle.title(), "options": options}
        return self.panel("accounts", platform="threads", **body)

    # one account's calls
    def of(self, account, method, path, **fields):
        return self(method, f"v1.0/{path}", account["access_token"], **fields)

    def get(self, account, path, **fields):
        answer = self.of(account, "GET", path, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def container(self, account, **fields):
        answer = self.of(account, "POST", "me/threads", **(fields or TEXT))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def state(self, account, container):
        return self.get(account, container, fields="status")["status"]

    def ready(self, account, **fields):
        id = self.container(account, **fields)
        while self.state(account, id) == "IN_PROGRESS":
            pass
        return id

    def publish(self, account, container):
        return self.of(account, "POST", "me/threads_publish", creation_id=container)

    def post(self, account, **fields):
        answer = self.publish(account, self.ready(account, **fields))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    # the sign-in
    def consent(self, person, decision="allow", untick=(), **asked):
        url = f"{self.twin.url}/www/oauth/authorize"
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
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return found | ({"#": parts.fragment} if parts.fragment else {})

    def exchange(self, code, **changes):
        form = {
            "client_id": APP_ID,
            "client_secret": APP_SECRET,
            "grant_type": "authorization_code",
            "redirect_uri": BACK,
            "code": code,
        }
        return self("POST", "oauth/access_token", **form | changes)

    def long(self, short, secret=APP_SECRET):
        how = {"grant_type": "th_exchange_token", "client_secret": secret}
        return self("GET", "access_token", short, **how)

    def refresh(self, token):
        return self("GET", "refresh_access_token", token, grant_type="th_refresh_token")


def refusal(answer):
    assert answer.status_code >= 400, answer.text
    error = answer.json()["error"]
    assert error["message"]
    assert error["fbtrace_id"]
    return (answer.status_code, error["code"], error.get("error_subcode"))


NOT_THERE = (400, 24, 4279009)
WRONG = (400, 100, None)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    server = start_practice(folder, twins={"threads": ThreadsTwin})
    yield server
    server.stop()


@pytest.fixture
def call(network):
    """A network that has started anew and believes the addresses of files."""
    with requests.Session() as session:
        session.trust_env = False
        caller = Caller(session, network)
        caller.panel("reset")
        caller.switch(believe_the_address="yes")
        yield caller


@pytest.fixture
def cake(call):
    return call.account("cake")


@pytest.fixture
def ana(call):
    return call.account("ana")


# ---------------------------------------------------------------- sign-in


def test_a_person_signs_in_in_three_steps(call):
    user = call.twin.user_named("acmebakery")["id"]
    answer = call.consent(user, scope=SCOPES.replace(",", " "))
    assert (answer["state"], answer["#"]) == ("s1", "_")
    short = call.exchange(answer["code"]).json()
    assert short["user_id"] == int(user)
    assert int(float(user)) != int(user), "a float must not be able to hold it"
    assert call.long(short["access_token"], "wrong").status_code == 400
    long = call.long(short["access_token"]).json()
    assert (long["token_type"], long["expires_in"]) == ("bearer", 5_183_944)
    fields = "id,username,name,threads_profile_picture_url,threads_biography"
    me = call("GET", "v1.0/me", long["access_token"], fields=fields).json()
    assert (me["id"], me["username"], me["name"]) == (user, "acmebakery", "Acme Bakery")
    app = call(
        "GET",
        "oauth/access_token",
        client_id=APP_ID,
        client_secret=APP_SECRET,
        grant_type="client_credentials",
    ).json()["access_token"]
    assert app.startswith("TH|")
    told = call("GET", "v1.0/debug_token", app, input_token=long["access_token"]).json()
    told = told["data"]
    assert (told["type"], told["is_valid"], told["user_id"]) == ("USER", True, user)
    assert told["scopes"] == SCOPES.split(",")
    assert told["data_access_expires_at"] - told["issued_at"] == pytest.approx(
        90 * DAY, abs=5
    )


def test_refused_and_spoiled_sign_ins(call):
    user = call.twin.user_named("acmebakery")["id"]
    told = call.consent(user, "cancel")
    assert told == {
        "error": "access_denied",
        "error_reason": "user_denied",
        "error_description": "The user denied your request",
        "state": "s1",
    }
    spent, late = (call.consent(user)["code"] for _ in range(2))
    wrong = [call.exchange(spent, redirect_uri=BACK + "x")]
    wrong += [call.exchange(spent, client_secret="x"), call.exchange(spent + "#_")]
    assert call.exchange(spent).ok
    wrong.append(call.exchange(spent))
    call.days(1 / 20)
    wrong.append(call.exchange(late))
    for answer in wrong:
        assert answer.status_code == 400
        assert answer.json()["error_type"] == "OAuthException"
        assert answer.json()["code"] == 400
    assert "already used" in answer.json()["error_message"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"client_id": META_APP_ID}, "4476002"),
        ({"redirect_uri": "https://elsewhere.example/"}, "redirect URI"),
        ({"scope": "threads_content_publish"}, "threads_basic"),
        ({"scope": "threads_basic,poems"}, "poems"),
    ],
)
def test_a_dialog_that_leads_nowhere(call, asked, words):
    query = {"client_id": APP_ID, "redirect_uri": BACK, "response_type": "code"}
    url = f"{call.twin.url}/www/oauth/authorize"
    page = call.http.get(url, params={**query, "scope": SCOPES, **asked})
    assert page.status_code == 400
    assert words in page.text


def test_a_long_token_is_renewed_with_itself_between_a_day_and_its_end(call, cake):
    token = cake["access_token"]
    assert refusal(call.refresh(token)) == WRONG
    short = call.account("cake", short=True)["access_token"]
    call.days(1 / 30)
    assert refusal(call.refresh(short)) == WRONG
    call.days(1 / 20)
    assert refusal(call.long(short)) == (400, 190, 463)
    call.days(59)
    new = call.refresh(token).json()["access_token"]
    assert new != token
    call.days(61)
    assert refusal(call.refresh(token)) == (400, 190, 463)
    call.days(100)
    assert call.of(cake | {"access_token": new}, "GET", "me").ok, "a grant of its own"


def test_a_grant_ends_after_ninety_days_without_a_refresh(call, cake):
    call.switch(long_life_s=200 * DAY)
    again = call.account("cake")
    call.days(91)
    assert refusal(call.of(again, "GET", "me")) == (403, 10, None)
    assert call.of(call.account("cake"), "GET", "me").ok


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("expire", (400, 190, 463)),
        ("revoke", (400, 190, 458)),
        ("password_changed", (400, 190, 460)),
        ("logged_out", (400, 190, 467)),
        ("checkpoint", (400, 190, 459)),
        ("grant_ended", (403, 10, None)),
        ("suspend", (400, 100, 4279013)),
        ("spam", (400, 4, 2207051)),
        ("scope_lost:threads_content_publish", (403, 10, None)),
    ],
)
def test_an_access_ends_and_comes_back(call, cake, how, expected):
    assert call.end(cake, how) == {"touched": 1}
    assert refusal(call.of(cake, "POST", "me/threads", **TEXT)) == expected
    (row,) = call.twin.tokens()
    assert (row["state"] == "live") == (expected[1] != 190)
    call.end(cake, "restore")
    assert call.container(cake)


def test_no_token_a_strange_one_and_strange_paths(call, cake):
    assert refusal(call("GET", "v1.0/me")) == (401, 104, None)
    assert refusal(call("GET", "v1.0/me", "strange")) == (400, 190, None)
    assert refusal(call("GET", "v2.0/me", cake["access_token"])) == (400, 2500, None)
    header = {"Authorization": f"Bearer {cake['access_token']}"}
    assert call.http.get(f"{call.twin.url}/graph/v1.0/me", headers=header).ok
    other = call.account("other")
    assert refusal(call.of(cake, "GET", other["external_id"])) == (400, 100, 33)


# ---------------------------------------------------------------- publishing


@pytest.mark.parametrize(
    ("fields", "kind", "looks"),
    [
        (TEXT, "TEXT_POST", 0),
        (PICTURE | {"text": "Cake", "alt_text": "A red cake"}, "IMAGE", 1),
        ({"media_type": "VIDEO", "video_url": IMAGE}, "VIDEO", 2),
    ],
)
def test_a_post_goes_out_in_steps(call, cake, fields, kind, looks):
    container = call.container(cake, **fields)
    for _ in range(looks):
        assert call.state(cake, container) == "IN_PROGRESS"
        assert refusal(call.publish(cake, container)) == NOT_THERE
    assert call.state(cake, container) == "FINISHED"
    id = call.publish(cake, container).json()["id"]
    assert id != container
    assert call.state(cake, container) == "PUBLISHED"
    assert refusal(call.publish(cake, container)) == NOT_THERE
    fields = "id,permalink,shortcode,timestamp,text,media_type,is_quote_post"
    shown = call.get(cake, id, fields=fields)
    assert shown["media_type"] == kind
    assert shown["timestamp"].endswith("+0000")
    assert shown["permalink"].endswith(f"/@cake/post/{shown['shortcode']}")
    assert call.http.get(shown["permalink"]).status_code == 200
    (listed,) = call.get(cake, "me/threads", fields="id,text", since=1_688_540_400)[
        "data"
    ]
    assert listed["id"] == id
    (seen,) = call.twin.posts()
    assert (seen["id"], seen["account"]) == (id, cake["external_id"])
    assert seen["media"] == (kind != "TEXT_POST")


def test_a_carousel_is_one_post_of_several(call, cake):
    call.switch(image_polls=0)
    item = PICTURE | {"is_carousel_item": "true", "alt_text": "x"}
    children = [call.container(cake, **item) for _ in range(2)]
    assert refusal(call.publish(cake, children[0])) == WRONG
    joined = {"media_type": "CAROUSEL", "children": ",".join(children), "text": "Two"}
    shown = call.get(cake, call.post(cake, **joined), fields="media_type,children")
    assert shown["media_type"] == "CAROUSEL_ALBUM"
    assert len(shown["children"]["data"]) == 2
    told = call.get(cake, "me/threads_publishing_limit", fields="quota_usage,config")
    config = {"quota_total": 250, "quota_duration": DAY}
    assert told == {"data": [{"quota_usage": 1, "config": config}]}
    for wrong in (children[0], ",".join(children * 11), f"{children[0]},17"):
        fields = joined | {"children": wrong}
        assert call.of(cake, "POST", "me/threads", **fields).status_code == 400


def test_a_text_can_go_out_in_one_call(call, cake):
    id = call.container(cake, **TEXT, auto_publish_text="true")
    assert call.get(cake, id, fields="text")["text"] == "Hello"
    call.panel("faults", platform="threads", kind="drop_answer", times=1, call="commit")
    with pytest.raises(requests.ConnectionError):
        call.of(cake, "POST", "me/threads", **TEXT, auto_publish_text="true")
    assert len(call.twin.posts()) == 2


def test_a_ghost_post_is_gone_after_a_day(call, cake):
    id = call.post(cake, **TEXT, is_ghost_post="true")
    call.days(1.01)
    assert refusal(call.of(cake, "GET", id)) == NOT_THERE
    assert call.get(cake, "me/threads") == {"data": []}


FIVE = " ".join(f"https://a.example/{number}" for number in range(5))


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x" * 500},
        {"text": "🎂" * 125},
        {"text": FIVE, "link_attachment": "https://a.example/4"},
        {"text": "", "link_attachment": "https://a.example/"},
        {"poll_attachment": '{"option_a":"Yes","option_b":"No"}'},
        {"text_attachment": '{"plaintext":"Long"}'},
        {"gif_attachment": '{"gif_id":"1","provider":"GIPHY"}'},
        {"topic_tag": "Cakes of old", "reply_control": "followers_only"},
        {"text_entities": '[{"entity_type":"SPOILER","offset":0,"length":4}]'},
    ],
)
def test_texts_that_go_out(call, cake, fields):
    assert call.post(cake, **TEXT | fields)
    page = call.http.get(call.twin.posts()[0]["url"])
    assert page.status_code == 200


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": "x" * 501}, "text must be at most 500 characters"),
        ({"text": "🎂" * 126}, "text must be at most 500 characters"),
        ({"text": ""}, "text is required"),
        ({"media_type": "POEM"}, "media_type"),
        ({"media_type": "IMAGE"}, "image_url is required"),
        (
            {"text": FIVE, "link_attachment": "https://b.example"},
            "THREADS_API__LINK_LIMIT_EXCEEDED",
        ),
        (PICTURE | {"link_attachment": "https://b.example"}, "TEXT only"),
        (PICTURE | {"alt_text": "x" * 1001}, "alt_text"),
        ({"is_carousel_item": "true"}, "is_carousel_item"),
        ({"poll_attachment": '{"option_a":"Yes"}'}, "poll_attachment"),
        ({"poll_attachment": f'{{"option_a":"{26 * "x"}","option_b":"y"}}'}, "25"),
        ({"text_attachment": json.dumps({"plaintext": "x" * 10_001})}, "10000"),
        ({"gif_attachment": '{"gif_id":"1","provider":"TENOR"}'}, "GIPHY"),
        ({"topic_tag": "a.b"}, "topic_tag"),
        ({"topic_tag": "x" * 51}, "topic_tag"),
        ({"reply_control": "nobody"}, "reply_control"),
        ({"text_entities": '[{"entity_type":"SPOILER"}]'}, "text_entities"),
    ],
)
def test_a_container_that_cannot_be_is_refused(call, cake, fields, words):
    answer = call.of(cake, "POST", "me/threads", **TEXT | fields)
    assert refusal(answer) == WRONG
    assert words in answer.json()["error"]["message"]


def test_emoji_count_as_their_bytes_and_other_letters_as_one():
    assert length("é漢ß") == 3
    assert length("🎂") == 4
    assert length("#1") == 2


def test_a_json_body_loses_what_is_optional(call, cake):
    url = f"{call.twin.url}/graph/v1.0/me/threads"
    fields = TEXT | {"topic_tag": "Cake", "reply_control": "followers_only"}
    header = {"Authorization": f"Bearer {cake['access_token']}"}
    container = call.http.post(url, json=fields, headers=header).json()["id"]
    id = call.publish(cake, container).json()["id"]
    shown = call.get(cake, id, fields="text,topic_tag,reply_audience")
    assert shown == {"id": id, "text": "Hello", "reply_audience": "EVERYONE"}


def test_a_container_may_not_be_known_everywhere_yet(call, cake):
    call.switch(propagation_s=5)
    container = call.container(cake)
    assert call.state(cake, container) == "FINISHED"
    assert refusal(call.publish(cake, container)) == NOT_THERE
    call.panel("clock", shift_s=6)
    call.switch(first_publish_not_found="yes")
    assert refusal(call.publish(cake, container)) == NOT_THERE
    assert call.publish(cake, container).ok


def test_a_container_lives_a_day_and_has_one_field_for_its_state(call, cake, ana):
    container = call.container(cake)
    answer = call.of(cake, "GET", container, fields="id,status_code")
    assert refusal(answer) == WRONG
    for stranger in (
        call.of(ana, "GET", container),
        call.publish(ana, container),
        call.publish(cake, "17990000009999999"),
    ):
        assert refusal(stranger) == NOT_THERE
    call.days(1.01)
    assert call.state(cake, container) == "EXPIRED"
    assert refusal(call.publish(cake, container)) == NOT_THERE


def test_processing_takes_its_time_and_can_fail(call, cake):
    container = call.container(cake, **PICTURE)
    call.panel("clock", shift_s=31)
    assert call.publish(cake, container).ok
    call.switch(processing_error="INVALID_DURATION")
    failed = call.ready(cake, media_type="VIDEO", video_url=IMAGE)
    shown = call.get(cake, failed, fields="id,status,error_message")
    assert shown == {
        "id": failed,
        "status": "ERROR",
        "error_message": "INVALID_DURATION",
    }
    assert refusal(call.publish(cake, failed)) == WRONG
    call.switch(processing_ends="never")
    stuck = call.container(cake, **PICTURE)
    call.panel("clock", shift_s=900)
    assert call.state(cake, stuck) == "IN_PROGRESS"


def test_quotas_are_told_and_kept(call, cake):
    call.switch(quota_total=1, reply_quota_total=1, delete_quota_total=1)
    id = call.post(cake)
    assert refusal(call.publish(cake, call.container(cake))) == (400, 9, 2207042)
    answer = call.post(cake, **TEXT, reply_to_id=id)
    again = call.container(cake, **TEXT, reply_to_id=id)
    assert refusal(call.publish(cake, again)) == (400, 9, 2207042)
    told = call.of(cake, "DELETE", answer).json()
    assert told == {"success": True, "deleted_id": answer}
    assert refusal(call.of(cake, "GET", answer)) == NOT_THERE
    assert refusal(call.of(cake, "DELETE", id)) == (400, 9, 2207042)
    fields = "quota_usage,reply_quota_usage,reply_config,delete_quota_usage"
    limit = "me/threads_publishing_limit"
    assert call.get(cake, limit, fields=fields)["data"] == [
        {
            "quota_usage": 1,
            "reply_quota_usage": 1,
            "reply_config": {"quota_total": 1, "quota_duration": DAY},
            "delete_quota_usage": 1,
        }
    ]
    call.days(1.01)
    assert call.get(cake, limit)["data"] == [{"quota_usage": 0}]


def test_lists_find_a_post_again(call, cake):
    first, second = call.post(cake), call.post(cake)
    found = call.get(cake, "me/threads", limit=1)
    assert [row["id"] for row in found["data"]] == [second]
    follow = call.http.get(found["paging"]["next"]).json()
    assert [row["id"] for row in follow["data"]] == [first]
    later = {"since": int(call.twin.time()) + 60}
    assert call.get(cake, "me/threads", **later) == {"data": []}
    assert refusal(call.of(cake, "GET", "me/threads", since=1_000)) == WRONG
    call.switch(list_delay_s=30)
    assert call.get(cake, "me/threads") == {"data": []}


# ---------------------------------------------------------------- replies and figures


def test_a_conversation_is_read_answered_and_hidden(call, cake, ana):
    id = call.post(cake)
    first = call.post(ana, **TEXT | {"text": "Nice"}, reply_to_id=id)
    second = call.post(cake, **TEXT | {"text": "Thanks"}, reply_to_id=first)
    fields = "id,text,username,replied_to,root_post,is_reply_owned_by_me,hide_status"
    (row,) = call.get(cake, f"{id}/replies", fields=fields)["data"]
    assert row == {
        "id": first,
        "text": "Nice",
        "username": "ana",
        "replied_to": {"id": id},
        "root_post": {"id": id},
        "is_reply_owned_by_me": False,
        "hide_status": "NOT_HUSHED",
    }
    rows = call.get(cake, f"{id}/conversation")["data"]
    assert [row["id"] for row in rows] == [second, first]
    rows = call.get(cake, f"{id}/conversation", reverse="false")["data"]
    assert [row["id"] for row in rows] == [first, second]
    (mine,) = call.get(cake, "me/replies")["data"]
    assert mine["id"] == second
    assert [row["id"] for row in call.get(cake, "me/threads")["data"]] == [id]
    assert call.of(cake, "POST", f"{first}/manage_reply", hide="true").ok
    shown = call.get(cake, first, fields="hide_status")
    assert shown["hide_status"] == "HIDDEN"
    assert refusal(call.of(ana, "POST", f"{first}/manage_reply", hide="true")) == (
        NOT_THERE
    )
    call.end(cake, "scope_lost:threads_read_replies")
    assert refusal(call.of(cake, "GET", f"{id}/replies")) == (403, 10, None)


def test_who_may_reply_is_the_author_s_choice(call, cake, ana):
    for control, may in (
        ("mentioned_only", True),
        ("followers_only", False),
        ("parent_post_author_only", False),
    ):
        fields = {"text": "For @ana", "reply_control": control}
        id = call.post(cake, **TEXT | fields)
        reply = TEXT | {"reply_to_id": id}
        assert call.of(ana, "POST", "me/threads", **reply).ok is may, control
        assert call.of(cake, "POST", "me/threads", **reply).ok
    missing = call.of(ana, "POST", "me/threads", **TEXT, reply_to_id="1")
    assert refusal(missing) == NOT_THERE


def test_figures_count_what_happened(call, cake, ana):
    id = call.post(cake)
    call.post(ana, **TEXT, quote_post_id=id)
    repost = call.of(ana, "POST", f"{id}/repost").json()["id"]
    shown = call.get(ana, repost, fields="media_type,reposted_post")
    assert shown["media_type"] == "REPOST_FACADE"
    assert shown["reposted_post"] == {"id": id}
    metrics = "views,likes,replies,reposts,quotes,shares"
    rows = call.get(cake, f"{id}/insights", metric=metrics)["data"]
    values = {row["name"]: row["values"][0]["value"] for row in rows}
    assert values == {
        "views": 120,
        "likes": 12,
        "replies": 0,
        "reposts": 1,
        "quotes": 1,
        "shares": 0,
    }
    assert rows[0]["id"] == f"{id}/insights/views/lifetime"
    assert call.get(ana, f"{repost}/insights", metric="views") == {"data": []}
    rows = call.get(cake, "me/threads_insights", metric="views,followers_count")
    views, followers = rows["data"]
    assert views["values"][0]["value"] == 120
    assert views["values"][0]["end_time"]
    assert followers["total_value"] == {"value": 1200}
    fields = {"metric": "follower_demographics", "breakdown": "country"}
    assert call.get(cake, "me/threads_insights", **fields)["data"]
    few = call.account("few", followers=99)
    assert call.get(few, "me/threads_insights", **fields) == {"data": []}
    call.switch(period_required="yes")
    for wrong in (
        {"metric": "poems"},
        {},
        {"metric": "views", "since": 1_000},
        {"metric": "views"},
        {"metric": "follower_demographics", "period": "day"},
    ):
        answer = call.of(cake, "GET", "me/threads_insights", **wrong)
        assert refusal(answer) == WRONG, wrong
    assert call.get(cake, "me/threads_insights", metric="views", period="day")


# ---------------------------------------------------------------- fetched files


@pytest.fixture
def web():
    """Hands out `files` and keeps what was sent to it in `told`."""
    files, told = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(*files.get(self.path, (404, b"no")))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.path, self.headers, body))
            self._answer(200, b"")

        def _answer(self, status, data):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.files, server.told = files, told
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def picture(kind="JPEG", size=(320, 320)):
    stream = io.BytesIO()
    Image.new("RGB", size, "red").save(stream, kind)
    return stream.getvalue()


def test_files_are_fetched_and_judged(call, cake, web):
    call.switch(believe_the_address="no", image_polls=0, video_polls=0)
    clip = video(30, rate=30)
    web.files |= {
        "/a.jpg": (200, picture()),
        "/a.png": (200, picture("PNG")),
        "/a.gif": (200, picture("GIF")),
        "/long.jpg": (200, picture(size=(1100, 100))),
        "/large.jpg": (200, picture() + b"\0" * 9_000_000),
        "/a.mp4": (200, clip),
        "/slow.mp4": (200, video(20, rate=10)),
        "/broken.mp4": (200, clip[:200]),
    }
    for path, error in (
        ("/a.png", None),
        ("/a.gif", "UNKNOWN"),
        ("/large.jpg", "UNKNOWN"),
        ("/long.jpg", "INVALID_ASPEC_RATIO"),
        ("/slow.mp4", "INVALID_FRAME_RATE"),
        ("/broken.mp4", "FAILED_PROCESSING_VIDEO"),
        ("/gone.mp4", "FAILED_DOWNLOADING_VIDEO"),
    ):
        kind = "video" if path.endswith("mp4") else "image"
        fields = {"media_type": kind.upper(), f"{kind}_url": web.url + path}
        shown = call.get(
            cake, call.container(cake, **fields), fields="status,error_message"
        )
        assert shown.get("error_message") == error, path
        assert shown["status"] == ("ERROR" if error else "FINISHED"), path
    fields = {"media_type": "IMAGE", "image_url": f"{web.url}/gone.jpg"}
    answer = call.of(cake, "POST", "me/threads", **fields)
    assert refusal(answer) == (400, 9004, 2207052)
    told = answer.json()["error"]["error_user_msg"]
    assert "The media could not be fetched from this URI" in told
    call.post(cake, media_type="IMAGE", image_url=f"{web.url}/a.jpg", alt_text="Red")
    id = call.post(cake, media_type="VIDEO", video_url=f"{web.url}/a.mp4")
    shown = call.get(cake, id, fields="media_url,permalink")
    assert call.http.get(shown["media_url"]).content == clip
    assert "<video" in call.http.get(shown["permalink"]).text
    image, film = call.twin.posts()
    assert (image["media_kinds"], image["alt_texts"]) == (["image"], ["Red"])
    assert film["media_kinds"] == ["video"]
    assert film["media_sha256"] == [hashlib.sha256(clip).hexdigest()]
    call.switch(moov_first="yes")
    fields = {"media_type": "VIDEO", "video_url": f"{web.url}/a.mp4"}
    assert call.state(cake, call.container(cake, **fields)) == "ERROR"
    call.switch(fetch_fails=1)
    fields = {"media_type": "IMAGE", "image_url": f"{web.url}/a.jpg"}
    assert call.of(cake, "POST", "me/threads", **fields).status_code == 400
    assert call.container(cake, **fields)


def test_replies_and_removed_apps_are_told_with_a_signature(call, cake, ana, web):
    call.switch(webhook_url=f"{web.url}/hook", deauthorize_url=f"{web.url}/gone")
    id = call.post(cake)
    reply = call.post(ana, **TEXT | {"text": "Nice"}, reply_to_id=id)
    call.end(cake, "revoke")
    call.twin.wait_for_hooks()
    told = {path: (headers, body) for path, headers, body in web.told}
    headers, body = told["/hook"]
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={signature}"
    event = json.loads(body)
    assert (event["topic"], event["target_id"]) == ("moderate", cake["external_id"])
    assert event["values"]["field"] == "replies"
    value = event["values"]["value"]
    assert (value["id"], value["root_post"], value["text"]) == (
        reply,
        {"id": id},
        "Nice",
    )
    assert told["/gone"][1].startswith(b"signed_request=")
    assert [row["state"] for row in call.twin.told()] == ["told", "told"]


# ---------------------------------------------------------------- limits and faults


def test_calls_draw_on_the_profile(call, cake):
    answer = call.of(cake, "GET", "me")
    usage = json.loads(answer.headers["x-business-use-case-usage"])
    (row,) = usage[cake["external_id"]]
    assert (row["call_count"], row["estimated_time_to_regain_access"]) == (1, 0)
    call.switch(throttle=613)
    full = call.of(cake, "GET", "me")
    assert refusal(full) == (400, 613, None)
    (row,) = json.loads(full.headers["x-business-use-case-usage"])[cake["external_id"]]
    assert row["estimated_time_to_regain_access"] == 12
    call.switch(throttle="no", calls=2, status_throttled=429)
    assert refusal(call.of(cake, "GET", "me")) == (429, 4, None)


@pytest.mark.parametrize(
    ("kind", "expected", "written"),
    [
        ("server_error", (500, 2, None), 0),
        ("server_error_after_write", (500, 2, None), 1),
        ("bad_request_after_write", (400, 1, None), 1),
        ("duplicate", (400, 4, 2207051), 0),
        ("content_refused", WRONG, 0),
        ("rate_limited", (400, 4, None), 0),
        ("rate_limited_no_headers", (400, 4, None), 0),
        ("app_suspended", (403, 200, None), 0),
        ("version_ended", (400, 2635, None), 0),
        ("no_credits", (403, 3, None), 0),
    ],
)
def test_faults_speak_threads_words(call, cake, kind, expected, written):
    container = call.ready(cake)
    fault = {"kind": kind, "times": 1, "account": cake["external_id"]}
    call.panel("faults", platform="threads", **fault, call="commit")
    assert call.container(cake), "a container is seen by nobody"
    answer = call.publish(cake, container)
    assert refusal(answer) == expected
    header = "x-business-use-case-usage"
    assert (header in answer.headers) is (kind == "rate_limited")
    assert len(call.twin.posts()) == written
    state = call.state(cake, container)
    assert state == ("PUBLISHED" if written else "FINISHED")
    record = call.http.get(f"{call.server.url}/api/record").json()["record"]
    assert record[-1]["call"] == "GET /:container"
    assert {line["account"] for line in record} == {cake["external_id"]}


def test_the_record_names_the_calls_as_the_registry_does(call, cake):
    id = call.post(cake)
    call.post(cake, **TEXT, reply_to_id=id)
    for path in ("me", id, "me/threads", "me/replies", f"{id}/replies"):
        call.get(cake, path)
    call.of(cake, "DELETE", id)
    record = call.http.get(f"{call.server.url}/api/record").json()["record"]
    assert {line["call"] for line in record} == {
        "POST /:user/threads",
        "POST /:user/threads_publish",
        "POST /:user/threads_publish (reply)",
        "GET /:container",
        "GET /me",
        "GET /:media",
        "GET /me/threads",
        "GET /me/replies",
        "GET /:media/replies",
        "DELETE /:media",
    }


def test_the_panel_s_pages_show_all_of_it(call, cake):
    call.post(cake, **TEXT | {"text": "<b>bold</b>"})
    for path in ("/panel/threads", "/threads/", "/threads/www/@cake"):
        page = call.http.get(call.server.url + path)
        assert page.status_code == 200
        assert "&lt;b&gt;bold" in page.text
    assert "Quiet Baker" in str(call.twin.people())
