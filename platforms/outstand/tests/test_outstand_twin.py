"""Outstand in the practice network behaves as its documentation says."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from platforms.outstand.twin import OutstandTwin
from platforms.outstand.twin_calls import API_KEY
from platforms.practice.framework import Refusal
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import video
from platforms.practice.tests.shelf import a_shelf

BACK = "http://localhost:8000/back"


def picture():
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "JPEG")
    return out.getvalue()


class Network:
    def __init__(self, server, shelf):
        self.server, self.shelf = server, shelf
        self.url = f"{server.url}/outstand"
        self.twin = server.twins["outstand"]
        self.http = requests.Session()
        self.image = f"{shelf.url}/a.jpg"
        self.set(webhook_url=f"{shelf.url}/hook", webhook_secret="s")
        self.page = self.account("garden")

    def account(self, handle, network="facebook"):
        with self.server.world.transaction():
            made = self.twin.add_account(handle, handle.title(), network=network)
        return made["external_id"]

    def set(self, **switches):
        with self.server.world.transaction():
            for name, value in switches.items():
                self.twin.set_switch(name, str(value))

    def later(self, seconds=10):
        world = self.server.world
        with world.transaction():
            shift = world.shift_s + seconds
            world.put("panel", "setting", "clock", {"shift_s": shift})

    def end(self, account, how):
        with self.server.world.transaction():
            return self.twin.end_tokens(account, how)

    def call(self, method, path, *, key=API_KEY, **kwargs):
        headers = kwargs.pop("headers", {})
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return self.http.request(
            method, f"{self.url}/api/v1{path}", headers=headers, **kwargs
        )

    def post(self, text="Hello", accounts=None, key="", **more):
        body = {"accounts": accounts or [self.page], "content": text, **more}
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", "/posts/", json=body, headers=headers)

    def read(self, answer):
        """The post as it is by now: its accounts' results."""
        id = answer.json()["post"]["id"]
        return self.call("GET", f"/posts/{id}").json()["post"]["socialAccounts"]

    def when(self, **ahead):
        return (self.server.world.now() + timedelta(**ahead)).isoformat()

    def letters(self):
        self.twin.wait_for_hooks()
        return [json.loads(body) for _, body in self.shelf.letters]


@pytest.fixture(scope="module")
def one_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outstand")
    server = start_practice(folder, twins={"outstand": OutstandTwin})
    with a_shelf() as shelf:
        shelf.files["/a.jpg"] = ("image/jpeg", picture())
        shelf.files["/a.mp4"] = ("video/mp4", video())
        shelf.files["/a.txt"] = ("text/plain", b"words")
        yield server, shelf
    server.stop()


@pytest.fixture
def net(one_server):
    server, shelf = one_server
    with server.world.transaction():
        server.world.clear()
        server.twins["outstand"].seed()
    server.twins["outstand"].wait_for_hooks()
    shelf.letters.clear()
    return Network(server, shelf)


def error(answer):
    body = answer.json()
    assert body["success"] is False
    return answer.status_code, body["error"]


# ---------------------------------------------------------------- key, windows


@pytest.mark.parametrize(
    ("switches", "key", "expected"),
    [
        ({}, "", (401, "Unauthorized")),
        ({}, "ost_wrong", (401, "Unauthorized")),
        ({"api_key": "revoked"}, API_KEY, (401, "Unauthorized")),
        ({"subscription": "inactive"}, API_KEY, (402, "subscription_inactive")),
    ],
)
def test_the_key_and_the_subscription_come_first(net, switches, key, expected):
    net.set(**switches)
    assert error(net.call("GET", "/social-accounts", key=key)) == expected


def test_the_minute_and_the_day_are_told_and_refused(net):
    net.later(86_400 - net.server.world.now().timestamp() % 86_400)
    net.set(requests_per_minute=2, requests_per_day=3)
    first = net.call("GET", "/media")
    assert first.headers["X-RateLimit-Limit"] == "2"
    assert first.headers["X-RateLimit-Remaining"] == "1"
    net.call("GET", "/media")
    full = net.call("GET", "/media")
    assert error(full) == (429, "Too many requests")
    assert 1 <= int(full.headers["Retry-After"]) <= 60
    net.later(61)
    assert [net.call("GET", "/media").status_code for _ in range(2)] == [200, 429]
    assert int(net.call("GET", "/media").headers["X-RateLimit-Reset"]) % 86_400 == 0


# ---------------------------------------------------------------- connecting


def connect(net, network, decision="allow", **more):
    body = {"redirect_uri": BACK, "tenant_id": "ws_12", **more}
    made = net.call("POST", f"/social-networks/{network}/auth-url", json=body)
    assert made.status_code == 200, made.text
    address = made.json()["data"]["auth_url"]
    assert net.http.get(address).status_code == 200
    form = {"decision": decision, "person": "acme"}
    answer = net.http.post(address, data=form, allow_redirects=False)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def test_a_network_without_pages_comes_back_connected(net):
    back = connect(net, "instagram")
    assert back["success"] == "true"
    path = "/social-accounts?tenantId=ws_12"
    (found,) = net.call("GET", path).json()["data"]
    assert (found["id"], found["network"]) == (back["account_id"], "instagram")
    assert found["network_unique_id"] == back["network_unique_id"]
    assert (found["isActive"], found["orgId"]) == (1, "org_practice")
    assert "access_token" in found["network_data"]
    again = connect(net, "instagram")
    assert again["account_id"] == back["account_id"]
    assert connect(net, "instagram", "cancel") == {"error": "access_denied"}
    assert net.call("DELETE", f"/social-accounts/{found['id']}").status_code == 200
    assert net.call("GET", path).json()["count"] == 0


@pytest.mark.parametrize("shape", ["plain", "data"])
def test_pages_are_chosen_in_a_second_step(net, shape):
    net.set(finalize_shape=shape)
    session = connect(net, "facebook")["session"]
    path = f"/social-accounts/pending/{session}"
    told = net.call("GET", path, key="").json()["data"]
    choice = {"selectedPageIds": [told["availablePages"][1]["id"]]}
    wrong = net.call("POST", f"{path}/finalize", json={"selectedPageIds": ["x"]})
    assert error(wrong) == (400, "Invalid payload")
    body = net.call("POST", f"{path}/finalize", json=choice).json()
    (made,) = (body["data"] if shape == "data" else body)["connectedAccounts"]
    assert (made["network"], made["accountType"]) == ("facebook", "page")
    again = net.call("POST", f"{path}/finalize", json=choice)
    assert error(again) == (404, "Session expired or invalid")


def test_a_session_lives_half_an_hour(net):
    session = connect(net, "tiktok", force_account_selection=True)["session"]
    net.later(1801)
    late = net.call("GET", f"/social-accounts/pending/{session}")
    assert error(late) == (404, "Session expired or invalid")


@pytest.mark.parametrize(
    ("network", "body", "code"),
    [
        ("friendster", {"redirect_uri": BACK}, 404),
        ("tiktok", {}, 400),
        ("tiktok", {"redirect_uri": BACK, "tenant_id": "ws 12"}, 400),
    ],
)
def test_an_auth_url_is_refused(net, network, body, code):
    path = f"/social-networks/{network}/auth-url"
    assert net.call("POST", path, json=body).status_code == code


def test_own_keys_and_bluesky(net):
    with net.server.world.transaction():
        net.twin.drop("own_key", "x")
    path, body = "/social-networks/x/auth-url", {"redirect_uri": BACK}
    assert net.call("POST", path, json=body).status_code == 400
    keys = {"network": "x", "client_key": "k", "client_secret": "s"}
    assert net.call("POST", "/social-networks", json=keys).status_code == 200
    assert net.call("POST", path, json=body).status_code == 200
    sky = {"handle": "acme.bsky.social", "app_password": "p", "tenant_id": "ws_12"}
    made = net.call("POST", "/social-accounts/bluesky", json=sky).json()["data"]
    assert made["network"] == "bluesky"
    assert net.call("POST", "/social-accounts/bluesky", json={}).status_code == 400


# ---------------------------------------------------------------- posting


def test_a_post_is_taken_first_and_published_later(net):
    answer = net.post()
    assert answer.status_code == 201
    (pending,) = answer.json()["post"]["socialAccounts"]
    assert (pending["status"], pending["platformPostUrl"]) == ("pending", None)
    assert net.twin.posts() == []
    net.later()
    (done,) = net.read(answer)
    assert done["status"] == "published"
    assert "Hello" in net.http.get(done["platformPostUrl"]).text
    (told,) = net.letters()
    assert told["event"] == "post.published"
    (row,) = told["data"]["socialAccounts"]
    assert row["platformPostId"] == done["platformPostId"]
    headers, raw = net.shelf.letters[0]
    made = hmac.new(b"s", raw, hashlib.sha256).hexdigest()
    assert headers["X-Outstand-Signature"] == f"sha256={made}"


@pytest.mark.parametrize(
    "change",
    [
        {"accounts": []},
        {"accounts": ["unknown"]},
        {"socialAccountIds": ["x"]},
        {"content": ""},
        {"containers": []},
        {"containers": [{"text": "a"}]},
        {"instagram": {"hidden": True}},
        {"instagram": {"isAiGenerated": "yes"}},
        {"instagram": {"collaborators": ["a", "b", "c", "d"]}},
        {"instagram": {"locationId": "Berlin"}},
        {"instagram": {"trialReel": {"graduationStrategy": "NEVER"}}},
        {"scheduledAt": "tomorrow"},
        {"scheduledAt": "2099-01-01T00:00:00Z"},
        {"containers": [{"content": "a", "media": [{"url": "x"}]}]},
        {
            "containers": [
                {"media": [{"url": "https://e.com/a", "filename": "a" * 256}]}
            ]
        },
    ],
)
def test_a_payload_is_refused_with_the_field(net, change):
    answer = net.call(
        "POST", "/posts", json={"accounts": [net.page], "content": "a", **change}
    )
    assert error(answer) == (400, "Invalid payload")
    assert answer.json()["details"]


def test_accounts_go_by_id_network_or_name_and_unknown_ones_are_dropped(net):
    x = net.account("other", "x")
    answer = net.post(accounts=["garden", "unknown", x])
    ids = [row["id"] for row in answer.json()["post"]["socialAccounts"]]
    assert ids == [net.page, x]
    by_network = net.post(accounts=["x"])
    assert len(by_network.json()["post"]["socialAccounts"]) == 2


def test_published_means_at_least_one(net):
    bad = net.account("photos", "instagram")
    answer = net.post(accounts=[net.page, bad])
    net.later()
    first, second = net.read(answer)
    assert (first["status"], second["status"]) == ("published", "failed")
    assert "media" in second["error"]
    (told,) = net.letters()
    rows = told["data"]["socialAccounts"]
    assert (told["event"], [row["accountId"] for row in rows]) == (
        "post.published",
        [net.page],
    )
    net.shelf.letters.clear()
    net.set(failures_told="yes")
    net.post("Two", accounts=[net.page, bad])
    net.post("Three", accounts=[bad])
    net.later()
    net.twin.settle()
    events = {event["event"]: event["data"] for event in net.letters()}
    assert len(events["post.published"]["socialAccounts"]) == 2
    assert "error" in events["post.error"]["socialAccounts"][0]


@pytest.mark.parametrize(
    ("network", "text", "media", "words"),
    [
        ("x", "a" * 281, [], "too long"),
        ("facebook", "a", ["/none.jpg"], "downloaded"),
        ("youtube", "a", ["/a.jpg"], "media"),
        ("instagram", "a", ["/a.txt"], "media"),
    ],
)
def test_a_network_refuses_after_the_answer(net, network, text, media, words):
    account = net.account("other", network)
    files = [{"url": net.shelf.url + path, "filename": "a"} for path in media]
    body = {"content": text, "media": files}
    answer = net.call(
        "POST", "/posts", json={"accounts": [account], "containers": [body]}
    )
    assert answer.status_code == 201
    net.later()
    (row,) = net.read(answer)
    assert row["status"] == "failed"
    assert words in row["error"]
    assert net.twin.posts() == []


def test_a_chain_has_several_parts_and_files_their_alternative_text(net):
    photos = net.account("photos", "instagram")
    media = [{"url": net.image, "filename": "a.jpg"}]
    chain = [{"content": "One", "media": media}, {"content": "Two", "media": media}]
    body = {"accounts": [photos], "containers": chain, "instagram": {"altText": "Teal"}}
    assert net.call("POST", "/posts", json=body).status_code == 201
    net.later()
    first, second = net.twin.posts()
    assert (first["text"], second["text"]) == ("One", "Two")
    assert first["media_sha256"] == [hashlib.sha256(picture()).hexdigest()]
    assert first["alt_texts"] == ["Teal"]


@pytest.mark.parametrize(("mode", "count"), [("MEDIA_UPLOAD", 0), ("DIRECT_POST", 1)])
def test_tiktok_gets_a_draft_unless_it_is_asked(net, mode, count):
    dance = net.account("dance", "tiktok")
    media = [{"url": f"{net.shelf.url}/a.mp4", "filename": "a.mp4"}]
    answer = net.call(
        "POST",
        "/posts",
        json={
            "accounts": [dance],
            "containers": [{"content": "a", "media": media}],
            "tiktok": {"postMode": mode},
        },
    )
    net.later()
    (row,) = net.read(answer)
    assert row["status"] == "published"
    assert (row["platformPostUrl"] is not None) == bool(count)
    assert len(net.twin.posts()) == count


def test_a_video_that_cannot_be_fixed_is_refused_at_once(net):
    media = [{"url": f"{net.shelf.url}/a.txt", "filename": "a.mp4"}]
    body = {"accounts": [net.page], "containers": [{"content": "a", "media": media}]}
    answer = net.call("POST", "/posts", json={**body, "processMedia": True})
    assert error(answer) == (422, "Media cannot be used")


@pytest.mark.parametrize("header", ["Idempotency-Replayed", "Idempotency-Replay"])
def test_a_key_gives_the_first_answer_again_for_a_day(net, header):
    net.set(replay_header=header)
    first = net.post(key="k")
    again = net.post(key="k")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers[header] == "true"
    assert header not in first.headers
    assert error(net.post("Other", key="k"))[0] == 409
    net.later(86_401)
    assert net.post(key="k").json()["post"]["id"] != first.json()["post"]["id"]


def test_an_error_may_be_given_again_as_well(net):
    assert net.post("", key="k").status_code == 400
    assert net.post("", key="k").headers.get("Idempotency-Replayed") is None
    net.set(errors_replayed="yes")
    net.post("", key="l")
    assert net.post("", key="l").headers["Idempotency-Replayed"] == "true"


def test_the_monthly_quota_counts_accounts(net):
    net.set(posts_per_month=2)
    assert net.post(accounts=[net.page, net.account("other", "x")]).ok
    full = net.post("Other")
    assert full.status_code == 429
    assert "quota" in full.json()["message"]
    net.later(32 * 86_400)
    assert net.post("Other").ok


# ---------------------------------------------------------------- later


def test_a_scheduled_post_moves_changes_and_is_cancelled(net):
    answer = net.post("Later", scheduledAt=net.when(hours=1))
    post = answer.json()["post"]
    assert post["scheduled"] is True
    assert post["scheduledAt"].endswith("Z")
    path = f"/posts/{post['id']}"
    moved = net.call("PATCH", path, json={"scheduledAt": net.when(hours=2)})
    assert moved.json()["rescheduled"] is True
    changed = {"containers": [{"content": "Changed"}]}
    assert net.call("PATCH", path, json=changed).ok
    assert net.call("PATCH", path, json={"accounts": ["x"]}).status_code == 400
    net.later(3610)
    assert net.twin.posts() == []
    net.later(3610)
    assert [row["text"] for row in net.twin.posts()] == ["Changed"]
    assert net.call("PATCH", path, json=changed).status_code == 409
    assert net.call("DELETE", path).status_code == 409
    other = net.post("Never", scheduledAt=net.when(hours=1)).json()["post"]["id"]
    assert net.call("DELETE", f"/posts/{other}").ok
    net.later(3610)
    assert len(net.twin.posts()) == 1
    assert error(net.call("GET", f"/posts/{other}")) == (404, "Post not found")


def test_posts_are_found_by_account_and_time(net):
    before = net.when(seconds=-1)
    net.post("One")
    other = net.account("other", "x")
    net.post("Two", accounts=[other], scheduledAt=net.when(hours=1))
    found = net.call("GET", "/posts", params={"created_after": before}).json()
    texts = [row["containers"][0]["content"] for row in found["data"]]
    assert texts == ["Two", "One"]
    assert found["posts"] == found["data"]
    assert found["pagination"] == {"limit": 50, "offset": 0, "total": 2}

    def total(**query):
        answer = net.call("GET", "/posts", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["pagination"]["total"]

    assert total(social_account_id=other) == 1
    assert total(scheduled_before=net.when(hours=2)) == 1
    assert total(created_before=before) == 0
    assert net.call("GET", "/posts?created_after=x").status_code == 400
    net.set(posts_lag_s=60)
    assert total() == 0


def test_a_published_post_is_removed_at_the_network(net):
    answer = net.post()
    net.later()
    net.read(answer)
    path = f"/posts/{answer.json()['post']['id']}/remote"
    gone = net.call("DELETE", path)
    assert gone.json()["post"]["socialAccounts"][0]["status"] == "deleted"
    assert net.twin.posts() == []


# ---------------------------------------------------------------- files, figures


@pytest.mark.parametrize("wrapped", ["yes", "no"])
def test_a_file_is_uploaded_confirmed_and_used(net, wrapped):
    net.set(wrapped=wrapped)

    def data(answer):
        assert answer.status_code == 200, answer.text
        return answer.json()["data"] if wrapped == "yes" else answer.json()

    asked = {"filename": "a.jpg", "content_type": "image/jpeg"}
    begun = data(net.call("POST", "/media/upload", json=asked))
    confirm, size = f"/media/{begun['id']}/confirm", {"size": len(picture())}
    assert net.call("POST", confirm, json=size).status_code == 400
    mime = {"Content-Type": "image/jpeg"}
    assert net.http.put(begun["upload_url"], data=b"x").status_code == 403
    assert net.http.put(begun["upload_url"], data=picture(), headers=mime).ok
    assert net.call("POST", confirm, json={"size": 1}).status_code == 400
    made = data(net.call("POST", confirm, json=size))
    assert (made["status"], made["url"][-4:]) == ("active", ".jpg")
    media = [{"id": made["id"], "filename": "a.jpg"}]
    answer = net.call(
        "POST",
        "/posts",
        json={"accounts": [net.page], "containers": [{"media": media}]},
    )
    net.later()
    assert net.read(answer)[0]["status"] == "published"
    assert net.twin.posts()[0]["media"] == 1
    late = data(net.call("POST", "/media/upload", json=asked))
    net.later(3601)
    expired = net.http.put(late["upload_url"], data=picture(), headers=mime)
    assert expired.status_code == 403
    assert net.call("GET", "/media").json()["count"] == 1


def test_figures_and_comments(net):
    answer = net.post()
    path = f"/posts/{answer.json()['post']['id']}"
    assert net.call("POST", f"{path}/comments", json={"text": "a"}).status_code == 409
    net.later(3)
    net.read(answer)
    net.later(10 * 3600)
    assert net.call("POST", f"{path}/comments", json={"text": "Hi"}).status_code == 201
    assert net.call("POST", f"{path}/comments", json={}).status_code == 400
    (comment,) = net.call("GET", f"{path}/comments").json()["data"]
    assert comment["text"] == "Hi"
    (row,) = net.call("GET", f"{path}/analytics").json()["metrics_by_account"]
    assert row["metrics"]["comments"] == 1
    assert row["metrics"]["views"] == 120
    told = net.call("GET", f"/social-accounts/{net.page}/metrics?since=1&until=2")
    assert told.json()["data"]["posts_count"] == 1


# ---------------------------------------------------------------- the panel


def test_an_account_that_expires_is_told_and_shown(net):
    assert net.end(net.page, "expire") == 1
    (told,) = net.letters()
    assert told["event"] == "account.token_expired"
    assert told["data"]["accountId"] == net.page
    listed = net.call("GET", "/social-accounts").json()["data"]
    assert {row["id"]: row["isActive"] for row in listed}[net.page] == 0
    answer = net.post()
    net.later()
    assert "expired" in net.read(answer)[0]["error"]
    net.end(net.page, "restore")
    net.end(net.page, "revoke")
    assert net.post().status_code == 400
    states = {row["account"]: row["state"] for row in net.twin.tokens()}
    assert states[net.page] == "revoked"
    with pytest.raises(ValueError, match="cannot end"):
        net.end(net.page, "suspend")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("rate_limited", 429),
        ("rate_limited_no_headers", 429),
        ("server_error", 502),
        ("bad_request_after_write", 400),
        ("duplicate", 409),
        ("content_refused", 400),
        ("version_ended", 404),
        ("app_suspended", 401),
        ("no_credits", 402),
    ],
)
def test_a_fault_has_outstands_shape(net, kind, status):
    answer = net.twin.refuse(None, Refusal(kind, "POST /posts", 7, status=502))
    assert answer.status_code == status
    assert answer.get_json()["success"] is False


def test_a_fault_of_one_account_meets_what_it_publishes_alone(net):
    other = net.account("other", "x")
    fault = {"kind": "drop_answer", "platform": "outstand", "account": other}
    with net.server.world.transaction():
        net.server.faults.add(fault, net.server.twins)
    assert net.post().ok
    with pytest.raises(requests.ConnectionError):
        net.post("Two", accounts=[other], key="k")
    with net.server.world.transaction():
        net.server.faults.remove_all()
    assert net.post("Two", accounts=[other], key="k").headers["Idempotency-Replayed"]
    net.later()
    assert len(net.twin.posts()) == 2
