"""Ayrshare in the practice network behaves as its documentation says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from datetime import timedelta

import pytest
import requests
from PIL import Image

from platforms.ayrshare.twin import AyrshareTwin
from platforms.ayrshare.twin_calls import API_KEY
from platforms.practice.framework import Refusal
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video
from platforms.practice.tests.shelf import a_shelf


def picture():
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "JPEG")
    return out.getvalue()


class Network:
    def __init__(self, server, shelf):
        self.server, self.shelf = server, shelf
        self.url = f"{server.url}/ayrshare"
        self.twin = server.twins["ayrshare"]
        self.http = requests.Session()
        self.image, self.film = f"{shelf.url}/a.jpg", f"{shelf.url}/a.mp4"
        self.connect("garden")

    def connect(self, title, **options):
        with self.server.world.transaction():
            self.account = self.twin.add_account(title, title.title(), **options)
        return self.account

    def set(self, **switches):
        with self.server.world.transaction():
            for name, value in switches.items():
                self.twin.set_switch(name, str(value))

    def later(self, seconds):
        world = self.server.world
        with world.transaction():
            shift = world.shift_s + seconds
            world.put("panel", "setting", "clock", {"shift_s": shift})

    def end(self, how):
        with self.server.world.transaction():
            return self.twin.end_tokens(self.account["external_id"], how)

    def call(self, method, path, *, by_key=True, key=API_KEY, **kwargs):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if by_key:
            headers["Profile-Key"] = self.account["access_token"]
        return self.http.request(
            method, f"{self.url}/api{path}", headers=headers, **kwargs
        )

    def post(self, text="Hello", platforms=("facebook",), **more):
        by_key = more.pop("by_key", True)
        body = {"post": text, "platforms": list(platforms), **more}
        return self.call("POST", "/post", json=body, by_key=by_key)

    def when(self, **ahead):
        return (self.server.world.now() + timedelta(**ahead)).isoformat()

    def history(self, **query):
        return self.call("GET", "/history", params=query)


@pytest.fixture(scope="module")
def one_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ayrshare")
    server = start_practice(folder, twins={"ayrshare": AyrshareTwin})
    with a_shelf() as shelf:
        shelf.files["/a.jpg"] = ("image/jpeg", picture())
        shelf.files["/a.mp4"] = ("video/mp4", video())
        shelf.files["/a.txt"] = ("text/plain", b"words")
        yield server, shelf
    server.stop()


@pytest.fixture
def net(one_server):
    server, shelf = one_server
    shelf.letters.clear()
    with server.world.transaction():
        server.world.clear()
        server.twins["ayrshare"].seed()
    return Network(server, shelf)


def inner(answer):
    """The post of an answer that is wrapped."""
    (post,) = answer.json()["posts"]
    return post


def codes(answer):
    body = answer.json()
    body = body["posts"][0] if "posts" in body else body
    return [(e.get("platform", ""), e["code"]) for e in body["errors"]]


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("switches", "how", "more", "expected"),
    [
        ({}, "", {}, (200, None)),
        ({}, "", {"key": "wrong"}, (401, 102)),
        ({}, "", {"key": ""}, (401, 102)),
        ({"api_key": "regenerated"}, "", {}, (401, 102)),
        ({}, "revoke", {}, (403, 144)),
        ({"bad_profile_key": 401}, "revoke", {}, (401, 144)),
        ({}, "suspend", {}, (403, 145)),
        ({"plan": "premium"}, "", {}, (403, 169)),
        ({"plan": "premium"}, "", {"by_key": False}, (200, None)),
    ],
)
def test_both_keys_the_plan_and_the_profile_are_asked_first(
    net, switches, how, more, expected
):
    net.set(**switches)
    if how:
        net.end(how)
    answer = net.call("GET", "/user", **more)
    assert (answer.status_code, answer.json().get("code")) == expected
    net.end("restore")


def test_a_profile_key_alone_is_a_wrong_header(net):
    secret = net.account["access_token"]
    assert net.call("GET", "/user", key=secret, by_key=False).status_code == 400


def test_the_window_of_a_profile_is_told_and_too_many_refusals_suspend_it(net):
    net.set(requests_per_window=2, refusals_per_day=2, window="rolling")
    first = net.call("GET", "/user")
    told = (first.headers["x-ratelimit-max"], first.headers["x-ratelimit-count"])
    assert told == ("2", "1")
    seen = [net.call("GET", "/user").status_code for _ in range(4)]
    assert seen == [200, 429, 429, 403]
    assert net.call("GET", "/user", by_key=False).status_code == 200


def test_the_user_shows_what_is_linked_and_nothing_when_nothing_is(net):
    told = net.call("GET", "/user").json()
    assert "linkedin" in told["activeSocialAccounts"]
    days = {row["platform"]: row for row in told["displayNames"]}
    assert days["linkedin"]["refreshDaysRemaining"] in (364, 365)
    assert "refreshRequired" not in days["twitter"]
    net.end("scope_lost:linkedin")
    assert "linkedin" not in net.call("GET", "/user").json()["activeSocialAccounts"]
    net.end("unlink")
    assert "activeSocialAccounts" not in net.call("GET", "/user").json()
    net.end("restore")
    net.later(400 * 86_400)
    left = net.call("GET", "/user").json()["activeSocialAccounts"]
    assert set(left) == {"twitter", "threads", "youtube"}


# ---------------------------------------------------------------- profiles, linking


def test_a_profile_is_made_linked_by_a_person_and_removed(net):
    made = net.call("POST", "/profiles", json={"title": "New"}, by_key=False).json()
    again = net.call("POST", "/profiles", json={"title": "New"}, by_key=False)
    assert (again.status_code, again.json()["code"]) == (400, 146)
    net.account = {"access_token": made["profileKey"]}
    body = {"redirect": "http://localhost:8000/back", "allowedSocial": ["facebook"]}
    session = net.call("POST", "/profiles/link-sessions", json=body).json()
    page = net.http.get(session["url"])
    assert "Facebook" in page.text
    form = {"decision": "allow", "scope": ["facebook"]}
    back = net.http.post(session["url"], data=form, allow_redirects=False)
    assert back.headers["Location"] == "http://localhost:8000/back"
    assert net.call("GET", "/user").json()["activeSocialAccounts"] == ["facebook"]
    found = net.call("GET", "/profiles", params={"title": "New"}, by_key=False).json()
    assert found["profiles"][0]["activeSocialAccounts"] == ["facebook"]
    assert "profileKey" not in str(found)
    net.later(301)
    assert net.http.get(session["url"]).status_code == 400
    unlink = {"platform": "facebook"}
    assert net.call("DELETE", "/profiles/social", json=unlink).status_code == 200
    assert "activeSocialAccounts" not in net.call("GET", "/user").json()
    assert net.call("DELETE", "/profiles").status_code == 200
    assert net.call("GET", "/user").status_code == 403


# ---------------------------------------------------------------- posting


def test_the_answers_shape_depends_on_the_profile_key(net):
    wrapped = inner(net.post(platforms=["facebook", "twitter"]))
    assert wrapped["profileTitle"] == "garden"
    assert [row["platform"] for row in wrapped["postIds"]] == ["facebook", "twitter"]
    plain = net.post("Other", by_key=False).json()
    assert plain["status"] == "success"
    assert plain["errors"] == []
    page = net.http.get(plain["postIds"][0]["postUrl"])
    assert "Other" in page.text


def test_a_part_can_fail_and_the_other_is_out(net):
    answer = net.post(platforms=["facebook", "instagram"])
    assert answer.status_code == 400
    assert codes(answer) == [("instagram", 138)]
    assert [row["platform"] for row in inner(answer)["postIds"]] == ["facebook"]
    assert [post["network"] for post in net.twin.posts()] == ["facebook"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"platforms": []}, ("", 101)),
        ({"platforms": ["friendster"]}, ("", 101)),
        ({"post": None}, ("", 101)),
        ({"post": ""}, ("", 101)),
        ({"mediaUrls": "x"}, ("", 101)),
        ({"mediaUrls": ["ftp://a/b"]}, ("", 101)),
        ({"scheduleDate": "tomorrow"}, ("", 101)),
        ({"facebookOptions": {}}, ("", 101)),
        ({"platforms": ["tiktok"]}, ("tiktok", 156)),
        ({"platforms": ["twitter"], "post": "a" * 281}, ("twitter", 132)),
        ({"platforms": ["threads"], "post": "a" * 501}, ("threads", 101)),
        ({"platforms": ["youtube"]}, ("youtube", 101)),
        ({"mediaUrls": ["SHELF/none.jpg"]}, ("facebook", 479)),
        (
            {"platforms": ["twitter"], "mediaUrls": ["SHELF/none.jpg"]},
            ("twitter", 101),
        ),
        (
            {"platforms": ["instagram"], "mediaUrls": ["SHELF/a.txt"]},
            ("instagram", 138),
        ),
    ],
)
def test_a_post_is_refused(net, body, expected):
    body = json.loads(json.dumps(body).replace("SHELF", net.shelf.url))
    answer = net.call(
        "POST", "/post", json={"post": "Hello", "platforms": ["facebook"], **body}
    )
    assert answer.status_code == 400
    assert codes(answer) == [expected]
    assert net.twin.posts() == []


def test_files_are_fetched_and_shown_with_their_alternative_text(net):
    answer = net.post(
        platforms=["instagram"],
        mediaUrls=[net.image],
        instagramOptions={"altText": ["A teal field"]},
    )
    assert inner(answer)["postIds"][0]["usedQuota"] == 1
    (post,) = net.twin.posts()
    assert post["media_sha256"] == [hashlib.sha256(picture()).hexdigest()]
    assert post["alt_texts"] == ["A teal field"]
    assert "A teal field" in net.http.get(post["url"]).text


def test_a_video_on_youtube_is_private_unless_it_is_said(net):
    options = {"title": "Film"}
    answer = net.post("a", ["youtube"], mediaUrls=[net.film], youTubeOptions=options)
    url = inner(answer)["postIds"][0]["postUrl"]
    assert "private" in net.http.get(url).text


def test_tiktok_tells_its_id_later(net):
    net.connect("dance", networks=["tiktok"])
    answer = inner(net.post(platforms=["tiktok"], mediaUrls=[net.film]))
    assert answer["postIds"][0]["id"] == "pending"
    net.later(91)
    (found,) = net.history().json()["history"]
    assert found["postIds"][0]["postUrl"].endswith(found["postIds"][0]["id"])


def test_a_key_is_burnt_at_first_sight_also_by_a_failure(net):
    assert net.post(platforms=["tiktok"], idempotencyKey="k").status_code == 400
    again = net.post(idempotencyKey="k")
    assert codes(again) == [("", 149)]
    assert net.twin.posts() == []
    assert net.post(idempotencyKey="l").status_code == 200


def test_nearly_the_same_text_is_a_duplicate_for_two_days(net):
    first = inner(net.post("Hello, world!", ["facebook", "twitter"]))
    again = net.post("hello world", ["facebook"])
    assert codes(again) == [("facebook", 137)]
    assert first["id"] in str(again.json())
    assert net.post("hello world", ["linkedin"]).status_code == 200
    net.later(2 * 86_400)
    assert net.post("hello world", ["facebook"]).status_code == 200


def test_the_monthly_quota_counts_and_begins_anew(net):
    net.set(posts_per_month=1)
    net.post()
    full = net.post("Other")
    assert (full.status_code, codes(full)) == (403, [("", 106)])
    net.later(32 * 86_400)
    assert net.post("Other").status_code == 200


def test_instagram_takes_fifty_posts_a_day(net):
    with net.server.world.transaction():
        for _ in range(50):
            net.twin.publish_native(
                "instagram",
                net.account["external_id"],
                "",
                [],
                at=net.twin.time(),
                arrived="",
            )
    full = net.post("51st", ["instagram"], mediaUrls=[net.image])
    assert (full.status_code, codes(full)) == (429, [("instagram", 435)])


@pytest.mark.parametrize(
    ("how", "network", "code"),
    [("role_lost", "facebook", 161), ("role_lost", "twitter", 272)],
)
def test_a_network_can_want_a_new_consent(net, how, network, code):
    net.end(how)
    assert codes(net.post(platforms=[network])) == [(network, code)]
    assert network in net.call("GET", "/user").json()["activeSocialAccounts"]


def test_an_uncertain_answer_hides_a_post_and_a_retry_doubles_it(net):
    net.set(network_errors='{"facebook": 108}')
    answer = net.post()
    assert codes(answer) == [("facebook", 108)]
    assert inner(answer)["errors"][0]["retryAvailable"] is True
    assert len(net.twin.posts()) == 1
    net.set(network_errors="{}")
    body = {"id": inner(answer)["id"]}
    assert net.call("PUT", "/post/retry", json=body).status_code == 200
    net.later(5)
    assert len(net.twin.posts()) == 2
    assert net.call("PUT", "/post/retry", json=body).status_code == 400


# ---------------------------------------------------------------- later


def test_a_scheduled_post_goes_out_at_its_time_with_the_file_of_then(net):
    missing = f"{net.shelf.url}/later.jpg"
    answer = net.post(
        "Later", mediaUrls=[missing], scheduleDate=net.when(hours=1), notes="ours-1"
    )
    assert inner(answer)["status"] == "scheduled"
    assert inner(answer)["postIds"] == []
    id = inner(answer)["id"]
    assert net.call("GET", f"/post/{id}").json()["status"] == "pending"
    assert net.twin.posts() == []
    net.shelf.files["/later.jpg"] = ("image/jpeg", picture())
    net.later(3601)
    (found,) = net.history(limit=10).json()["history"]
    del net.shelf.files["/later.jpg"]
    assert (found["status"], found["notes"]) == ("success", "ours-1")
    assert found["scheduleDate"]["utc"].endswith("Z")
    assert len(net.twin.posts()) == 1


def test_a_scheduled_post_can_move_wait_for_a_yes_or_be_cancelled(net):
    moved = inner(net.post("One", scheduleDate=net.when(hours=1)))["id"]
    change = {"id": moved, "scheduleDate": net.when(hours=9)}
    assert net.call("PATCH", "/post", json=change).status_code == 200
    waiting = inner(net.post("Two", requiresApproval=True))
    assert waiting["status"] == "awaiting approval"
    net.later(2 * 3600)
    assert net.twin.posts() == []
    yes = {"id": waiting["id"], "approved": True}
    assert net.call("PATCH", "/post", json=yes).status_code == 200
    assert [post["text"] for post in net.twin.posts()] == ["Two"]
    body = {"id": moved}
    assert net.call("DELETE", "/post", json=body).json()["status"] == "success"
    again = net.call("DELETE", "/post", json=body)
    assert (again.status_code, again.json()["code"]) == (400, 383)
    net.later(9 * 3600)
    assert len(net.twin.posts()) == 1


def test_only_some_networks_delete(net):
    ids = [
        inner(net.post(str(n), [name], mediaUrls=[net.image]))["id"]
        for n, name in enumerate(["facebook", "instagram"])
    ]
    gone, kept = (net.call("DELETE", "/post", json={"id": id}) for id in ids)
    assert gone.json()["facebook"]["status"] == "success"
    assert (kept.status_code, kept.json()["instagram"]["status"]) == (400, "error")
    assert [post["network"] for post in net.twin.posts()] == ["instagram"]
    unknown = net.call("DELETE", "/post", json={"id": "x"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, 114)
    by_hand = {"id": ids[1], "markManualDeleted": True}
    assert net.call("DELETE", "/post", json=by_hand).status_code == 200
    assert net.twin.posts() == []


def test_checking_publishes_nothing(net):
    body = {"post": "a" * 281, "platforms": ["twitter"]}
    answer = net.call("POST", "/validate/post", json=body)
    assert (answer.status_code, codes(answer)) == (400, [("twitter", 132)])
    fine = net.call("POST", "/validate/post", json={**body, "post": "a"})
    assert fine.json()["status"] == "success"
    assert net.twin.posts() == []


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("instagramOptions", {"collaborators": ["a", "b", "c", "d"]}),
        ("instagramOptions", {"collaborators": "anna"}),
        ("instagramOptions", {"shareReelsFeed": "no"}),
        ("youTubeOptions", {"title": "T", "tags": "a,b"}),
        ("pinterestOptions", {"thumbNail": "a.jpg"}),
        ("pinterestOptions", {"link": "https://e.com/" + "x" * 2_048}),
    ],
)
def test_an_option_is_what_it_should_be(net, network, options):
    name = network.removesuffix("Options").lower()
    net.connect("all", networks=[name])
    file = net.film if name == "youtube" else net.image
    answer = net.post(platforms=[name], mediaUrls=[file], **{network: options})
    assert codes(answer) == [(name, 101)]


def test_what_was_chosen_and_said_below_is_shown_with_the_post(net):
    net.connect("all", networks=["youtube", "pinterest"])
    options = {"title": "T", "visibility": "public", "tags": ["a"], "shorts": True}
    answer = net.post(
        platforms=["youtube"], mediaUrls=[net.film], youTubeOptions=options
    )
    body = {"id": inner(answer)["id"], "comment": "First", "platforms": ["youtube"]}
    assert net.call("POST", "/comments", json=body).status_code == 200
    (post,) = net.twin.posts()
    assert post["choices"] == {"tags": ["a"], "shorts": True, "visibility": "public"}
    (comment,) = net.twin.own_comments()
    assert (comment["text"], comment["post"]) == ("First", post["id"])
    pin = inner(net.post("Pin", ["pinterest"], mediaUrls=[net.image]))
    refused = {"id": pin["id"], "comment": "First", "platforms": ["pinterest"]}
    assert net.call("POST", "/comments", json=refused).status_code == 400


def test_a_list_of_comments_is_ten_minutes_old(net):
    id = inner(net.post())["id"]
    assert net.call("GET", f"/comments/{id}").json()["facebook"] == []
    net.call("POST", "/comments", json={"id": id, "comment": "First"})
    assert net.call("GET", f"/comments/{id}").json()["facebook"] == []
    net.later(601)
    assert len(net.call("GET", f"/comments/{id}").json()["facebook"]) == 1


# ---------------------------------------------------------------- history, figures


def test_an_empty_history_is_a_bad_request(net):
    answer = net.history()
    assert answer.status_code == 400
    assert answer.json()["history"]["code"] == 221
    assert net.history(limit=1001).json()["code"] == 101


def test_the_history_filters_lags_and_is_kept_when_it_is_long(net):
    net.post("One")
    assert len(net.history(limit=100).json()["history"]) == 1
    net.post("Two", ["twitter"])
    assert len(net.history(limit=100).json()["history"]) == 1  # as a minute ago
    assert len(net.history(limit=25).json()["history"]) == 2
    only = net.history(platforms="twitter", status="success", type="immediate")
    assert [row["post"] for row in only.json()["history"]] == ["Two"]
    assert net.history(type="scheduled").status_code == 400
    net.set(history_lag_s=600, schedule_date_as="text")
    assert net.history().status_code == 400
    net.later(601)
    row = net.history().json()["history"][0]
    assert isinstance(row["scheduleDate"], str)
    native = net.call("GET", "/history/twitter").json()
    assert [post["post"] for post in native["posts"]] == ["Two"]


def test_figures_and_comments_of_a_post(net):
    post = inner(net.post(platforms=["facebook", "linkedin"]))
    id = post["id"]
    net.later(10 * 3600)
    told = net.call("POST", "/analytics/post", json={"id": id}).json()
    assert told["facebook"]["analytics"]["likeCount"] == 6
    assert told["status"] == "success"
    body = {"id": id, "platforms": ["facebook", "youtube"]}
    partly = net.call("POST", "/analytics/post", json=body)
    assert (partly.status_code, partly.json()["status"]) == (200, "partial")
    say = {"id": id, "comment": "Hi", "platforms": ["facebook"]}
    made = net.call("POST", "/comments", json=say).json()["facebook"]["commentId"]
    reply = {"comment": "Yes?", "platforms": ["facebook"], "searchPlatformId": True}
    assert net.call("POST", f"/comments/reply/{made}", json=reply).ok
    found = net.call("GET", f"/comments/{id}").json()["facebook"]
    assert [row["comment"] for row in found] == ["Hi", "Yes?"]
    social = net.call("POST", "/analytics/social", json={"platforms": ["facebook"]})
    assert social.json()["facebook"]["analytics"]["followersCount"] == 1200
    net.set(plan="basic")
    small = net.call("GET", f"/comments/{id}", by_key=False)
    assert (small.status_code, small.json()["code"]) == (403, 169)


def test_files_can_be_stored_first(net):
    data = "data:image/jpeg;base64," + base64.b64encode(picture()).decode()
    small = net.call("POST", "/media/upload", json={"file": data, "fileName": "a.jpg"})
    where = {"fileName": "clip.mp4", "contentType": "mp4"}
    large = net.call("GET", "/media/uploadUrl", params=where).json()
    mime = {"Content-Type": "video/mp4"}
    assert net.http.put(large["uploadUrl"], data=b"x", headers={}).status_code == 403
    assert net.http.put(large["uploadUrl"], data=video(), headers=mime).ok
    urls = [small.json()["url"], large["accessUrl"]]
    assert net.post(mediaUrls=urls).status_code == 200
    assert net.twin.posts()[0]["media_kinds"] == ["image", "video"]
    exists = {"mediaUrl": net.image}
    told = net.call("POST", "/media/urlExists", json=exists).json()
    assert (told["exists"], told["contentType"]) == (True, "image/jpeg")
    gone = {"mediaUrl": net.image + "x"}
    assert net.call("POST", "/media/urlExists", json=gone).status_code == 400


# ---------------------------------------------------------------- webhooks, panel


def test_an_app_is_told_of_links_and_scheduled_posts_with_a_signature(net):
    for action in ("social", "scheduled"):
        body = {"action": action, "url": f"{net.shelf.url}/hook", "secret": "s"}
        assert net.call("POST", "/hook/webhook", json=body).status_code == 200
    net.post("Later", scheduleDate=net.when(hours=1))
    net.post("Now")
    net.later(3601)
    net.twin.settle()
    net.end("scope_lost:linkedin")
    net.twin.wait_for_hooks()
    told = {json.loads(body)["action"]: (h, body) for h, body in net.shelf.letters}
    assert len(net.shelf.letters) == 2
    headers, raw = told["scheduled"]
    made = hmac.new(b"s", raw, hashlib.sha256).hexdigest()
    assert headers["X-Authorization-Content-SHA256"] == made
    assert json.loads(raw)["postIds"][0]["platform"] == "facebook"
    lost = json.loads(told["social"][1])
    assert (lost["type"], lost["source"], lost["platform"]) == (
        "unlink",
        "system",
        "linkedin",
    )
    net.call("DELETE", "/hook/webhook", json={"action": "social"})
    left = net.call("GET", "/hook/webhook").json()["webhooks"]
    assert list(left) == ["scheduled"]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("rate_limited", 429, 429),
        ("server_error", 502, 500),
        ("bad_request_after_write", 400, 436),
        ("duplicate", 400, 137),
        ("content_refused", 400, 138),
        ("version_ended", 404, 404),
        ("app_suspended", 401, 102),
        ("no_credits", 403, 106),
    ],
)
def test_a_fault_has_ayrshares_shape(net, kind, status, code):
    refusal = Refusal(kind, "POST /post", retry_after_s=7, status=502)
    answer = net.twin.refuse(None, refusal)
    assert answer.status_code == status
    assert answer.get_json()["errors"][0]["code"] == code
    other = net.twin.refuse(None, Refusal(kind, "GET /history", status=502))
    assert other.get_json()["code"] == code
