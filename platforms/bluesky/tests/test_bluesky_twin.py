"""The practice network's Bluesky, over HTTP, held against the protocol's documents."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import requests

from platforms.bluesky import twin_repo as repo
from platforms.bluesky.client import jwt_claims
from platforms.bluesky.twin import APP_PASSWORD, MAIN_PASSWORD, BlueskyTwin
from platforms.practice.server import start_practice
from platforms.practice.tests.made_video import animation, video

POST = "app.bsky.feed.post"
RKEY = "3mbk5xq2s7c2a"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 200


@pytest.fixture
def network(tmp_path):
    server = start_practice(tmp_path, twins={"bluesky": BlueskyTwin})
    yield server
    server.stop()


@pytest.fixture
def twin(network):
    return network.twins["bluesky"]


@pytest.fixture
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def acme(twin):
    return twin.add_account("acme", "Acme Tools")


def test_an_account_of_the_panel_is_told_what_its_access_may_do(acme):
    scopes = tuple(jwt_claims(acme["access_token"])["scope"].split())
    assert tuple(acme["scopes"]) == scopes != ()


class Caller:
    def __init__(self, http, twin, account):
        self.http, self.url, self.account = http, twin.url, account
        self.did = account["external_id"]

    def __call__(self, method, nsid, token="", **kwargs):
        token = token or self.account["access_token"]
        headers = {"Authorization": f"Bearer {token}", **kwargs.pop("headers", {})}
        url = f"{self.url}/xrpc/{nsid}"
        return self.http.request(method, url, headers=headers, **kwargs)

    def put(self, text="Hello", rkey=RKEY, swap=None, more=None, **record):
        body = self.body(text, rkey, **record)
        return self(
            "POST",
            "com.atproto.repo.putRecord",
            json={**body, "swapRecord": swap, **(more or {})},
        )

    def body(self, text="Hello", rkey=RKEY, **record):
        return {
            "repo": self.did,
            "collection": POST,
            "rkey": rkey,
            "record": {
                "$type": POST,
                "text": text,
                "createdAt": "2026-02-03T09:10:11.000Z",
                **record,
            },
        }

    def upload(self, body=JPEG, mime="image/jpeg"):
        return self(
            "POST",
            "com.atproto.repo.uploadBlob",
            data=body,
            headers={"Content-Type": mime},
        )

    def get(self, rkey=RKEY):
        return self.http.get(
            f"{self.url}/xrpc/com.atproto.repo.getRecord",
            params={"repo": self.did, "collection": POST, "rkey": rkey},
        )

    def refresh(self, token=""):
        return self(
            "POST",
            "com.atproto.server.refreshSession",
            token=token or self.account["refresh_token"],
        )


@pytest.fixture
def call(http, twin, acme):
    return Caller(http, twin, acme)


def shift(network, seconds):
    now = network.world.shift_s
    network.world.put("panel", "setting", "clock", {"shift_s": now + seconds})


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def sign_in(http, twin, identifier="acme.practice.example", password=APP_PASSWORD):
    return http.post(
        f"{twin.url}/xrpc/com.atproto.server.createSession",
        json={"identifier": identifier, "password": password},
    )


def told(answer):
    return answer.status_code, answer.json()["error"], answer.json()["message"]


# ---------------------------------------------------------------- signing in


def test_a_handle_leads_to_its_data_server(http, twin):
    answer = http.get(
        f"{twin.url}/xrpc/com.atproto.identity.resolveHandle",
        params={"handle": "acme.practice.example"},
    )
    did = answer.json()["did"]
    document = http.get(f"{twin.url}/plc/{did}").json()
    (service,) = document["service"]
    assert service["id"].endswith("#atproto_pds")
    assert service["serviceEndpoint"] == twin.url
    server = http.get(f"{twin.url}/xrpc/com.atproto.server.describeServer").json()
    assert server["blobUploadLimit"] == 52_428_800
    answer = http.get(
        f"{twin.url}/xrpc/com.atproto.identity.resolveHandle",
        params={"handle": "nobody.example"},
    )
    assert told(answer) == (400, "InvalidRequest", "Unable to resolve handle")
    assert http.get(f"{twin.url}/plc/did:plc:nobody").status_code == 404


def test_an_app_password_opens_a_session(http, twin):
    answer = sign_in(http, twin)
    session = answer.json()
    assert session["active"] is True
    assert session["handle"] == "acme.practice.example"
    access, refresh = claims(session["accessJwt"]), claims(session["refreshJwt"])
    assert access["exp"] - access["iat"] == 7200
    assert access["scope"] == "com.atproto.appPass"
    assert access["sub"] == session["did"]
    assert refresh["exp"] - refresh["iat"] == 90 * 86_400
    assert refresh["scope"] == "com.atproto.refresh"
    me = http.get(
        f"{twin.url}/xrpc/com.atproto.server.getSession",
        headers={"Authorization": f"Bearer {session['accessJwt']}"},
    ).json()
    assert me["did"] == session["did"]
    assert me["didDoc"]["id"] == session["did"]


def test_the_did_signs_in_too(http, twin, acme):
    assert sign_in(http, twin, identifier=acme["external_id"]).status_code == 200


@pytest.mark.parametrize("who", ["acme.practice.example", "nobody.example"])
def test_a_wrong_password_is_refused(http, twin, who):
    assert told(sign_in(http, twin, who, "wrong")) == (
        401,
        "AuthenticationRequired",
        "Invalid identifier or password",
    )


def test_the_main_password_may_want_a_code(http, twin):
    twin.set_switch("email_code", "on")
    assert sign_in(http, twin, password=APP_PASSWORD).status_code == 200
    answer = sign_in(http, twin, password=MAIN_PASSWORD)
    assert (answer.status_code, answer.json()["error"]) == (
        401,
        "AuthFactorTokenRequired",
    )


def test_too_many_sign_ins_are_refused_until_the_window_ends(http, twin, network):
    for _ in range(30):
        assert sign_in(http, twin, password="wrong").status_code == 401
    answer = sign_in(http, twin)
    assert told(answer) == (429, "RateLimitExceeded", "Rate Limit Exceeded")
    assert answer.headers["RateLimit-Policy"] == "30;w=300"
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    assert sign_in(http, twin, identifier="ana.practice.example").status_code == 200
    shift(network, 301)
    assert sign_in(http, twin).status_code == 200


# ---------------------------------------------------------------- tokens


def test_an_expired_access_token_is_a_400(call, network):
    assert call("GET", "com.atproto.server.getSession").status_code == 200
    shift(network, 7201)
    answer = call("GET", "com.atproto.server.getSession")
    assert told(answer) == (400, "ExpiredToken", "Token has expired")
    fresh = call.refresh().json()
    again = call("GET", "com.atproto.server.getSession", token=fresh["accessJwt"])
    assert again.status_code == 200


def test_a_missing_broken_or_wrong_token_has_its_own_answer(http, twin, call, acme):
    answer = http.get(f"{twin.url}/xrpc/com.atproto.server.getSession")
    assert told(answer) == (401, "AuthMissing", "Authentication Required")
    for token, words in [
        ("nonsense", "Malformed token"),
        (acme["access_token"][:-4] + "AAAA", "Token could not be verified"),
        (acme["refresh_token"], "Bad token scope"),
    ]:
        answer = call("GET", "com.atproto.server.getSession", token=token)
        assert told(answer) == (400, "InvalidToken", words)
    answer = call.refresh(acme["access_token"])
    assert told(answer) == (400, "InvalidToken", "Bad token scope")


def test_a_used_refresh_token_gives_the_same_successor_for_two_hours(call, network):
    first = call.refresh().json()
    again = call.refresh().json()
    assert (
        claims(first["refreshJwt"])["jti"]
        == claims(again["refreshJwt"])["jti"]
        != claims(call.account["refresh_token"])["jti"]
    )
    shift(network, 7201)
    answer = call.refresh()
    assert told(answer) == (400, "ExpiredToken", "Token has been revoked")
    assert call.refresh(first["refreshJwt"]).status_code == 200


def test_a_refresh_token_ends_after_ninety_days(call, network):
    shift(network, 90 * 86_400 + 1)
    assert told(call.refresh()) == (400, "ExpiredToken", "Token has expired")


def test_an_access_token_outlives_its_app_password(http, call, twin):
    assert twin.end_tokens(call.did, "revoke") == 1
    assert twin.tokens()[0]["state"] == "revoked"
    assert call("GET", "com.atproto.server.getSession").status_code == 200
    assert told(call.refresh()) == (400, "ExpiredToken", "Token has been revoked")
    assert sign_in(http, twin).status_code == 401
    twin.end_tokens("acme.practice.example", "restore")
    assert call.refresh().status_code == 200
    assert sign_in(http, twin).status_code == 200


def test_a_changed_password_ends_sessions_but_not_the_app_password(http, call, twin):
    twin.end_tokens(call.did, "password_changed")
    assert call.refresh().json()["message"] == "Token has been revoked"
    assert sign_in(http, twin).status_code == 200


@pytest.mark.parametrize(
    ("how", "error"),
    [("suspend", "AccountTakedown"), ("deactivate", "AccountDeactivated")],
)
def test_an_account_that_is_out_says_so(call, twin, how, error):
    twin.end_tokens(call.did, how)
    for answer in (call("GET", "com.atproto.server.getSession"), call.put()):
        assert (answer.status_code, answer.json()["error"]) == (401, error)
    twin.end_tokens(call.did, "restore")
    assert call.put().status_code == 200


def test_access_can_be_ended_at_once(call, twin):
    twin.end_tokens(call.did, "expire")
    assert (
        call("GET", "com.atproto.server.getSession").json()["error"] == "ExpiredToken"
    )
    token = call.refresh().json()["accessJwt"]
    assert call("GET", "com.atproto.server.getSession", token=token).status_code == 200
    twin.end_tokens(call.did, "expire_refresh")
    assert told(call.refresh()) == (400, "ExpiredToken", "Token has expired")
    for how in ("role_lost", "scope_lost:x"):
        with pytest.raises(ValueError, match="Bluesky has no"):
            twin.end_tokens(call.did, how)


def test_a_closed_session_cannot_be_refreshed(call, network, acme):
    shift(network, 91 * 86_400)
    answer = call(
        "POST", "com.atproto.server.deleteSession", token=acme["refresh_token"]
    )
    assert (answer.status_code, answer.content) == (200, b"")
    shift(network, -91 * 86_400)
    assert call.refresh().json()["message"] == "Token has been revoked"


# ---------------------------------------------------------------- writing


def test_a_put_creates_and_is_read_back(http, call, twin):
    answer = call.put("Hello").json()
    assert answer["uri"] == f"at://{call.did}/{POST}/{RKEY}"
    assert answer["cid"].startswith("bafyrei")
    assert answer["validationStatus"] == "valid"
    assert set(answer["commit"]) == {"cid", "rev"}
    read = call.get().json()
    assert read["cid"] == answer["cid"]
    assert read["value"]["text"] == "Hello"
    (post,) = twin.posts()
    assert (post["account"], post["marker"], post["text"]) == (call.did, RKEY, "Hello")
    assert "Hello" in http.get(post["url"]).text


def test_the_same_put_again_changes_nothing_and_has_no_commit(call, twin):
    first = call.put("Hello", swap=None).json()
    again = call.put("Hello", swap=None)
    assert again.status_code == 200
    assert again.json() == {
        "uri": first["uri"],
        "cid": first["cid"],
        "validationStatus": "valid",
    }
    assert len(twin.posts()) == 1


def test_another_record_under_the_key_is_an_invalid_swap(call):
    cid = call.put("one").json()["cid"]
    answer = call.put("two")
    assert told(answer) == (400, "InvalidSwap", f"Record was at {cid}")
    assert call.get().json()["value"]["text"] == "one"
    assert call.put("two", swap=cid).status_code == 200


def test_a_put_without_swap_is_an_edit(call):
    call.put("one")
    body = call.body("two")
    assert call("POST", "com.atproto.repo.putRecord", json=body).ok
    assert call.get().json()["value"]["text"] == "two"


def test_a_swap_against_nothing_is_refused(call):
    answer = call.put("one", swap="bafyreib")
    assert told(answer) == (400, "InvalidSwap", "Record was at null")


def test_create_on_a_taken_key_is_a_500_and_without_key_a_second_post(call, twin):
    body = call.body("one")
    nsid = "com.atproto.repo.createRecord"
    assert call("POST", nsid, json=body).status_code == 200
    again = call("POST", nsid, json=body)
    assert told(again) == (500, "InternalServerError", "Internal Server Error")
    del body["rkey"]
    made = call("POST", nsid, json=body).json()
    assert repo.TID.fullmatch(made["uri"].rpartition("/")[2])
    assert len(twin.posts()) == 2


def test_deleting_is_safe_to_repeat(call, twin):
    call.put()
    body = {"repo": call.did, "collection": POST, "rkey": RKEY}
    answer = call("POST", "com.atproto.repo.deleteRecord", json=body)
    assert "commit" in answer.json()
    answer = call("POST", "com.atproto.repo.deleteRecord", json=body)
    assert (answer.status_code, answer.json()) == (200, {})
    assert told(call.get()) == (
        400,
        "RecordNotFound",
        f"Could not locate record: at://{call.did}/{POST}/{RKEY}",
    )
    assert twin.posts() == []


def test_nobody_writes_into_another_repository(http, twin, call):
    ana = twin.add_account("ana", "Ana")
    body = {**call.body(), "repo": ana["external_id"]}
    answer = call("POST", "com.atproto.repo.putRecord", json=body)
    assert (answer.status_code, answer.json()["error"]) == (
        401,
        "AuthenticationRequired",
    )


@pytest.mark.parametrize("rkey", ["short", "zzzzzzzzzzzzz", "3mbk5xq2s7c2a0", "a/b"])
def test_a_key_that_is_no_tid_is_refused(call, rkey):
    answer = call.put(rkey=rkey)
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidRequest")
    assert answer.json()["message"].startswith(f"Invalid record key for {POST}: ")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"text": "x" * 305},
            f"Invalid {POST} record: grapheme too big (maximum 300, got 305) at"
            " $.record.text",
        ),
        (
            {"text": "👩‍👩‍👧‍👦" * 121},
            f"Invalid {POST} record: string too big (maximum 3000, got 3025) at"
            " $.record.text",
        ),
        (
            {"$type": "app.bsky.feed.like"},
            f"Invalid $type: expected {POST}, got app.bsky.feed.like",
        ),
        (
            {"createdAt": "yesterday"},
            f"Invalid {POST} record: Invalid datetime format at $.record.createdAt",
        ),
        (
            {"langs": ["a", "b", "c", "d"]},
            f"Invalid {POST} record: array too big (maximum 3, got 4) at"
            " $.record.langs",
        ),
        (
            {"facets": [{"index": {"byteStart": -1, "byteEnd": 2}, "features": []}]},
            f"Invalid {POST} record: integer too small (minimum 0, got -1) at"
            " $.record.facets[0].index.byteStart",
        ),
        (
            {"embed": {"$type": "app.bsky.embed.external", "external": {"uri": "x:y"}}},
            f'Invalid {POST} record: Missing required key "title" at'
            " $.record.embed.external",
        ),
    ],
)
def test_a_record_that_breaks_its_lexicon_is_refused(call, record, message):
    answer = call.put(**{"text": "Hello", **record})
    assert told(answer) == (400, "InvalidRequest", message)


def test_three_hundred_families_are_too_many_bytes_and_300_letters_fit(call):
    assert call.put("é" * 300).status_code == 200
    assert call.put("👩‍👩‍👧‍👦" * 120, rkey="3mbk5xq2s7c2b").status_code == 200


# ---------------------------------------------------------------- images


def image(blob, alt="Seedlings"):
    return {"image": blob, "alt": alt, "aspectRatio": {"width": 4, "height": 3}}


def images(*items):
    return {"embed": {"$type": "app.bsky.embed.images", "images": list(items)}}


def test_an_image_is_stored_by_its_content_and_shown(http, call, twin):
    blob = call.upload().json()["blob"]
    assert blob["ref"]["$link"].startswith("bafkrei")
    assert call.upload().json()["blob"] == blob
    assert call.put("pic", **images(image(blob))).status_code == 200
    (post,) = twin.posts()
    assert (post["media"], post["alt_texts"]) == (1, ["Seedlings"])
    page = http.get(post["url"]).text
    assert 'alt="Seedlings"' in page
    source = page.partition('<img src="')[2].partition('"')[0].replace("&amp;", "&")
    assert http.get(source).content == JPEG


def test_the_server_corrects_a_wrong_type(call):
    assert call.upload(mime="image/png").json()["blob"]["mimeType"] == "image/jpeg"


def test_an_image_that_is_too_large_fails_only_in_the_record(call):
    blob = call.upload(JPEG + b"\0" * 2_000_000).json()["blob"]
    answer = call.put("pic", **images(image(blob)))
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidSize")


def test_a_blob_that_never_came_or_went_away_is_not_found(call, network):
    blob = call.upload().json()["blob"]
    shift(network, 6 * 3600 + 1)
    token = call.refresh().json()["accessJwt"]
    call.account = {**call.account, "access_token": token}
    answer = call.put("pic", **images(image(blob)))
    cid = blob["ref"]["$link"]
    assert told(answer) == (400, "BlobNotFound", f"Could not find blob: {cid}")
    call.upload()
    assert call.put("pic", **images(image(blob))).status_code == 200


def test_others_uploads_and_wrong_types_are_refused(http, twin, call):
    ana = Caller(http, twin, twin.add_account("ana", "Ana"))
    foreign = ana.upload(JPEG + b"ana").json()["blob"]
    assert call.put(**images(image(foreign))).json()["error"] == "BlobNotFound"
    text = call.upload(b"plain words", "text/plain").json()["blob"]
    assert call.put(**images(image(text))).json()["error"] == "InvalidMimeType"
    five = [image(call.upload().json()["blob"])] * 5
    assert "array too big (maximum 4, got 5)" in call.put(**images(*five)).text
    assert call.upload(b"").status_code == 400


def test_an_image_needs_an_alt_field(call):
    blob = call.upload().json()["blob"]
    answer = call.put(**images({"image": blob}))
    assert answer.json()["message"].endswith(
        'Missing required key "alt" at $.record.embed.images[0]'
    )


def test_a_link_card_and_facets_are_shown(http, call, twin):
    text = "😀 see acme.example #spring"
    start = len("😀 see ".encode())
    facet = {
        "index": {"byteStart": start, "byteEnd": start + len("acme.example")},
        "features": [
            {"$type": "app.bsky.richtext.facet#link", "uri": "https://acme.example/a"}
        ],
    }
    card = {"uri": "https://acme.example/a", "title": "Sow", "description": "How to"}
    embed = {"$type": "app.bsky.embed.external", "external": card}
    assert call.put(text, facets=[facet], embed=embed).status_code == 200
    (post,) = twin.posts()
    assert post["link"] == "https://acme.example/a"
    page = http.get(post["url"]).text
    assert "link: acme.example → https://acme.example/a" in page
    assert "How to" in page


# ---------------------------------------------------------------- reading


def test_records_are_listed_newest_key_first(http, call):
    keys = [f"3mbk5xq2s7c2{letter}" for letter in "abcde"]
    for key in (keys[2], keys[0], keys[4], keys[1], keys[3]):
        call.put(f"text {key}", rkey=key)
    url = f"{call.url}/xrpc/com.atproto.repo.listRecords"
    params = {"repo": call.did, "collection": POST, "limit": 2}
    page = http.get(url, params=params).json()
    found = [r["uri"].rpartition("/")[2] for r in page["records"]]
    assert found == [keys[4], keys[3]]
    assert page["cursor"] == keys[3]
    page = http.get(url, params={**params, "cursor": page["cursor"]}).json()
    assert [r["uri"][-1] for r in page["records"]] == ["c", "b"]
    page = http.get(url, params={**params, "reverse": "true"}).json()
    assert [r["uri"][-1] for r in page["records"]] == ["a", "b"]


def test_the_public_view_is_late_and_one_s_own_server_is_not(http, call, network):
    uri = call.put("fresh").json()["uri"]
    feed = "app.bsky.feed.getAuthorFeed"
    public = f"{call.url}/xrpc/{feed}?actor={call.did}"
    posts = f"{call.url}/xrpc/app.bsky.feed.getPosts"
    network.twins["bluesky"].set_switch("public_delay_s", "60")
    assert http.get(public).json()["feed"] == []
    assert http.get(posts, params={"uris": uri}).json() == {"posts": []}
    own = call("GET", feed, params={"actor": call.did}).json()["feed"]
    assert [item["post"]["uri"] for item in own] == [uri]
    shift(network, 61)
    assert len(http.get(public).json()["feed"]) == 1
    (post,) = http.get(posts, params={"uris": [uri, uri + "x"]}).json()["posts"]
    assert post["likeCount"] == 4
    assert post["record"]["text"] == "fresh"


def test_an_unknown_method_is_not_implemented(http, twin):
    answer = http.get(f"{twin.url}/xrpc/app.bsky.nothing.here")
    assert (answer.status_code, answer.json()["error"]) == (501, "MethodNotImplemented")


# ---------------------------------------------------------------- limits and faults


def test_points_are_counted_per_account_from_the_first_use(call, network):
    answer = call.put()
    assert answer.headers["RateLimit-Policy"] == "3000;w=300"
    assert answer.headers["RateLimit-Remaining"] == "2999"
    for key in ("writes_hour", "writes_day"):
        assert network.twins["bluesky"].get("bucket", f"{key}:{call.did}")["used"] == 2
    doc = network.twins["bluesky"].get("bucket", f"writes_hour:{call.did}")
    doc["used"] = 4999
    network.twins["bluesky"].put("bucket", f"writes_hour:{call.did}", doc)
    over = call.put("two", rkey="3mbk5xq2s7c2b")
    assert over.status_code == 429
    assert over.headers["RateLimit-Policy"] == "5000;w=3600"
    assert abs(int(over.headers["RateLimit-Reset"]) - doc["until"]) <= 1


def test_older_servers_do_not_say_how_long_to_wait(call, network):
    network.twins["bluesky"].set_switch("retry_after", "off")
    fault = {"kind": "rate_limited", "platform": "bluesky", "times": 1}
    network.faults.add(fault, network.twins)
    answer = call.put()
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    assert "RateLimit-Reset" in answer.headers


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ({"kind": "server_error", "status": 500}, 500, "InternalServerError"),
        ({"kind": "server_error", "status": 502}, 502, "UpstreamFailure"),
        ({"kind": "server_error", "status": 503}, 503, "NotEnoughResources"),
        ({"kind": "server_error", "status": 504}, 504, "UpstreamTimeout"),
        ({"kind": "rate_limited_no_headers"}, 429, "RateLimitExceeded"),
        ({"kind": "duplicate"}, 400, "InvalidSwap"),
        ({"kind": "content_refused"}, 400, "InvalidRequest"),
        ({"kind": "version_ended"}, 501, "MethodNotImplemented"),
    ],
)
def test_faults_are_told_in_the_server_s_words(call, network, fault, status, error):
    wanted = {**fault, "platform": "bluesky", "times": 1, "account": call.did}
    network.faults.add(wanted, network.twins)
    answer = call.put()
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert network.twins["bluesky"].posts() == []


def test_a_dropped_answer_is_made_good_by_the_same_put(call, network):
    fault = {"kind": "drop_answer", "platform": "bluesky", "times": 1}
    network.faults.add(fault, network.twins)
    with pytest.raises(requests.ConnectionError):
        call.put("once")
    assert call.put("once").status_code == 200
    assert len(network.twins["bluesky"].posts()) == 1
    assert [n["account"] for n in network.world.notes("bluesky")] == [call.did] * 2


# ---------------------------------------------------------------- computing


def test_content_addresses_are_those_of_the_protocol():
    # The empty DAG-CBOR map and the empty file, as every implementation has them.
    assert repo.record_cid({}) == (
        "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"
    )
    assert repo.blob_cid(b"") == (
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    )
    assert repo.dag_cbor({"bb": [True, None, -1], "a": 300}).hex() == (
        "a2616119012c62626283f5f620"
    )


def test_server_keys_are_tids():
    key = repo.tid(1_770_110_400_000_000, 3)
    assert repo.TID.fullmatch(key)
    assert key < repo.tid(1_770_110_400_000_001, 0)


def test_posts_and_sessions_survive_a_restart(tmp_path, http):
    first = start_practice(tmp_path, twins={"bluesky": BlueskyTwin})
    account = first.twins["bluesky"].add_account("acme", "Acme")
    Caller(http, first.twins["bluesky"], account).put("kept")
    first.stop()
    second = start_practice(tmp_path, twins={"bluesky": BlueskyTwin})
    try:
        call = Caller(http, second.twins["bluesky"], account)
        assert call.put("kept").status_code == 200
        assert "commit" not in call.put("kept").json()
        assert len(second.twins["bluesky"].people()) == 3
    finally:
        second.stop()


# ---------------------------------------------------------------- videos

FILM = video(30, rate=30)


class Service:
    """The video service, as one account calls it."""

    def __init__(self, call, network):
        self.call, self.network = call, network
        self.url = f"{call.url}/video/xrpc"
        self.host = network.url.removeprefix("http://").replace(":", "%3A")

    def token(self, method="com.atproto.repo.uploadBlob", life_s=600, **changes):
        now = int(self.network.world.now().timestamp())
        asked = {"aud": f"did:web:{self.host}", "lxm": method, "exp": now + life_s}
        nsid = "com.atproto.server.getServiceAuth"
        return self.call("GET", nsid, params=asked | changes)

    def ask(self, method, token="", **kwargs):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= kwargs.pop("headers", {})
        url = f"{self.url}/app.bsky.video.{method}"
        verb = "POST" if method == "uploadVideo" else "GET"
        return self.call.http.request(verb, url, headers=headers, **kwargs)

    def upload(self, body=FILM, mime="video/mp4", token="", **changes):
        return self.ask(
            "uploadVideo",
            token or self.token().json()["token"],
            params={"did": self.call.did, "name": "clip.mp4"} | changes,
            data=body,
            headers={"Content-Type": mime},
        )

    def status(self, job):
        answer = self.ask("getJobStatus", params={"jobId": job})
        assert answer.status_code == 200, answer.text
        return answer.json()["jobStatus"]

    def finished(self, **made):
        job = self.upload(**made).json()["jobId"]
        states = [self.status(job)]
        while states[-1]["state"] not in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED"):
            states.append(self.status(job))
        return states

    def limits(self):
        method = "app.bsky.video.getUploadLimits"
        token = self.token(method).json()["token"]
        return self.ask("getUploadLimits", token).json()


@pytest.fixture
def service(call, network):
    return Service(call, network)


def test_a_video_becomes_a_blob_that_a_record_may_name(service, call, twin):
    states = service.finished()
    words = [state["state"].removeprefix("JOB_STATE_") for state in states]
    assert words == ["ENCODING", "ENCODED", "COMPLETED"]
    blob = states[-1]["blob"]
    assert (blob["mimeType"], blob["size"]) == ("video/mp4", len(FILM))
    embed = {"$type": "app.bsky.embed.video", "video": blob, "alt": "A loaf"}
    assert call.put(embed=embed).status_code == 200
    (post,) = twin.posts()
    assert (post["media_kinds"], post["alt_texts"]) == (["video"], ["A loaf"])
    assert post["media_sha256"] == [hashlib.sha256(FILM).hexdigest()]
    assert "<video" in call.http.get(post["url"]).text


def test_the_same_file_again_is_known(service, twin):
    first = service.upload().json()
    assert service.upload().json()["jobId"] == first["jobId"]
    (done,) = service.finished()[-1:]
    again = service.upload()
    assert again.status_code == 409
    assert again.json()["error"] == "already_exists"
    assert again.json()["blob"] == done["blob"]
    twin.set_switch("job_wrapped", "on")
    assert service.upload().json()["jobStatus"]["jobId"] == first["jobId"]


def test_a_service_token_is_for_one_purpose_one_account_and_a_while(
    service, network, acme
):
    far = service.token(life_s=3700)
    assert told(far)[:2] == (400, "BadExpiration")
    good = service.token().json()["token"]
    others = service.token("app.bsky.video.getUploadLimits").json()["token"]
    elsewhere = service.token(aud="did:web:other.example").json()["token"]
    for token in (acme["access_token"], others, elsewhere):
        assert service.upload(token=token).status_code == 401
    assert service.upload(token=good, did="did:plc:other").status_code == 400
    shift(network, 601)
    assert service.upload(token=good).status_code == 401


@pytest.mark.parametrize(
    ("made", "failure"),
    [
        ({"body": b"no video at all"}, "encoding_failure"),
        ({"body": animation(1), "mime": "image/gif"}, "validation_failure"),
        ({"body": animation(2), "mime": "image/gif"}, None),
    ],
)
def test_what_is_wrong_with_a_file_is_how_its_work_ends(service, made, failure):
    assert service.finished(**made)[-1].get("failureCode") == failure


def test_a_day_has_so_many_videos_and_an_address_must_be_confirmed(
    service, twin, network
):
    twin.set_switch("video_limit", "1")
    assert service.limits()["remainingDailyVideos"] == 1
    assert service.upload().status_code == 200
    assert service.limits()["canUpload"] is False
    assert told(service.upload(FILM + b"1"))[:2] == (403, "DailyLimitExceeded")
    shift(network, 3000)
    twin.set_switch("video_limit", "25")
    twin.set_switch("email_confirmed", "off")
    assert service.limits()["error"] == "unconfirmed_email"
    twin.set_switch("service_auth", "off")
    assert told(service.token())[:2] == (501, "MethodNotImplemented")


GATE = "app.bsky.feed.threadgate"


def gate_of(call, rkey=RKEY, **record):
    body = call.body(rkey=rkey)
    made = {"post": f"at://{call.did}/{POST}/{RKEY}", **body["record"], **record}
    made = {
        "$type": GATE,
        **{k: v for k, v in made.items() if k not in ("text", "$type")},
    }
    return call(
        "POST",
        "com.atproto.repo.putRecord",
        json={**body, "collection": GATE, "swapRecord": None, "record": made},
    )


def test_who_may_reply_is_a_record_beside_the_post(call, twin):
    call.put()
    post = f"at://{call.did}/{POST}/{RKEY}"
    assert twin.posts()[0]["choices"]["reply_control"] == ""
    rules = [{"$type": f"{GATE}#followingRule"}, {"$type": f"{GATE}#mentionRule"}]
    first = gate_of(call, allow=rules)
    assert (first.status_code, first.json()["validationStatus"]) == (200, "valid")
    again = gate_of(call, allow=rules)
    assert (again.status_code, "commit" in again.json()) == (200, False)
    assert gate_of(call, allow=[]).json()["error"] == "InvalidSwap"
    (told,) = twin.posts()
    assert told["choices"]["reply_control"] == "mentionRule+followingRule"
    with pytest.raises(ValueError, match="Not everybody"):
        twin.comment_as_reader(post, "Rita", "Nice")
    (note,) = [n for n in twin.world.notes() if GATE in n["call"]][:1]
    assert note["call"] == f"com.atproto.repo.putRecord ({GATE})"


def test_a_gate_under_another_key_does_nothing(call, twin):
    call.put()
    assert gate_of(call, rkey="3mbk5xq2s7c2b", allow=[]).status_code == 200
    (told,) = twin.posts()
    assert told["choices"]["reply_control"] == ""


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"post": "https://bsky.app/x"}, "Invalid AT-URI format at $.record.post"),
        ({"createdAt": "today"}, "Invalid datetime format"),
        ({"allow": [{"$type": f"{GATE}#mentionRule"}] * 6}, "array too big (maximum 5"),
        ({"allow": [{"$type": f"{GATE}#listRule"}]}, 'Missing required key "list"'),
    ],
)
def test_a_gate_that_is_wrong_is_refused(call, record, words):
    answer = gate_of(call, **record)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"values": [{"val": "porn"}]}, 'Missing required key "$type"'),
        (
            {"$type": "com.atproto.label.defs#selfLabels", "values": [{}]},
            'Missing required key "val"',
        ),
        (
            {
                "$type": "com.atproto.label.defs#selfLabels",
                "values": [{"val": "x"}] * 11,
            },
            "array too big (maximum 10",
        ),
    ],
)
def test_a_post_warns_of_itself_in_the_documented_form(call, twin, labels, words):
    answer = call.put(labels=labels)
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    good = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "porn"}]}
    assert call.put(labels=good).status_code == 200
    assert twin.posts()[0]["choices"]["label"] == "porn"
