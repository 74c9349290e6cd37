"""The practice network's Mastodon, over HTTP, held against the server's documentation."""

from __future__ import annotations

import base64
import hashlib
import io
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from platforms.mastodon import twin_text
from platforms.mastodon.twin import MastodonTwin
from platforms.practice.server import start_practice

BACK = "http://127.0.0.1:9999/oauth/mastodon/"
SCOPES = "profile read:statuses read:notifications write:statuses write:media"


@pytest.fixture
def network(tmp_path):
    server = start_practice(tmp_path, twins={"mastodon": MastodonTwin})
    yield server
    server.stop()


@pytest.fixture
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def twin(network):
    return network.twins["mastodon"]


@pytest.fixture
def acme(network):
    return network.twins["mastodon"].add_account("acme", "Acme Tools")


class Caller:
    def __init__(self, http, twin, token):
        self.http, self.url, self.token = http, twin.url, token

    def __call__(self, method, path, **kwargs):
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return self.http.request(method, self.url + path, headers=headers, **kwargs)

    def post(self, text="Hello", key="", **fields):
        headers = {"Idempotency-Key": key} if key else {}
        return self(
            "POST", "/api/v1/statuses", json={"status": text, **fields}, headers=headers
        )

    def upload(self, body=None, mime="image/png", **fields):
        files = {"file": ("a.png", body or picture(), mime)}
        return self("POST", "/api/v2/media", files=files, data=fields)


@pytest.fixture
def call(http, twin, acme):
    return Caller(http, twin, acme["access_token"])


def picture(width=40, height=30, kind="PNG"):
    out = io.BytesIO()
    Image.new("RGB", (width, height), (20, 90, 160)).save(out, kind)
    return out.getvalue()


def shift(network, seconds):
    now = network.world.shift_s
    network.world.put("panel", "setting", "clock", {"shift_s": now + seconds})


# ---------------------------------------------------------------- connecting


def register(http, twin, **fields):
    return http.post(
        f"{twin.url}/api/v1/apps",
        data={
            "client_name": "Acme Planner",
            "redirect_uris": BACK,
            "scopes": SCOPES,
            **fields,
        },
    )


def consent(http, twin, app, *, verifier="", decision="allow", untick=(), **more):
    params = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": BACK,
        "scope": SCOPES,
        "state": "st1",
        **more,
    }
    if verifier:
        digest = hashlib.sha256(verifier.encode()).digest()
        params["code_challenge"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        params.setdefault("code_challenge_method", "S256")
    page = http.get(f"{twin.url}/oauth/authorize", params=params)
    ana = next(p for p in twin.people() if p.handle == "@ana")
    answer = http.post(
        page.url,
        data={
            "person": ana.id,
            "scope": [s for s in params["scope"].split() if s not in untick],
            "decision": decision,
        },
        allow_redirects=False,
    )
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(BACK + "?")
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {k: v[0] for k, v in query.items()}


def exchange(http, twin, app, code, **more):
    return http.post(
        f"{twin.url}/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "client_id": app["client_id"],
            "client_secret": app["client_secret"],
            "redirect_uri": BACK,
            **more,
        },
    )


def test_an_app_registers_a_person_consents_and_the_token_works(http, twin):
    answer = register(http, twin)
    assert answer.status_code == 200
    app = answer.json()
    assert app["scopes"] == SCOPES.split()
    assert app["redirect_uris"] == [BACK]
    assert app["client_secret_expires_at"] == 0
    back = consent(http, twin, app, verifier="v" * 43)
    assert back["state"] == "st1"
    answer = exchange(http, twin, app, back["code"], code_verifier="v" * 43)
    token = answer.json()
    assert token["scope"] == SCOPES
    assert token["token_type"] == "Bearer"
    assert abs(token["created_at"] - time.time()) < 60
    assert "expires_in" not in token
    me = http.get(
        f"{twin.url}/api/v1/accounts/verify_credentials",
        headers={"Authorization": f"Bearer {token['access_token']}"},
    ).json()
    assert (me["username"], me["display_name"]) == ("ana", "Ana Lopez")
    assert me["source"]["privacy"] == "public"


def test_a_code_works_once_and_for_ten_minutes(http, twin, network):
    app = register(http, twin).json()
    code = consent(http, twin, app)["code"]
    assert exchange(http, twin, app, code).status_code == 200
    again = exchange(http, twin, app, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    late = consent(http, twin, app)["code"]
    shift(network, 601)
    assert exchange(http, twin, app, late).json()["error"] == "invalid_grant"


def test_a_wrong_verifier_secret_or_address_is_refused(http, twin):
    app = register(http, twin).json()
    for wrong in ({"code_verifier": "w" * 43}, {"redirect_uri": BACK + "x"}):
        code = consent(http, twin, app, verifier="v" * 43)["code"]
        good = {"code_verifier": "v" * 43}
        answer = exchange(http, twin, app, code, **{**good, **wrong})
        assert answer.json()["error"] == "invalid_grant"
    code = consent(http, twin, app)["code"]
    answer = exchange(http, twin, app, code, client_secret="guess")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_cancel_and_bad_scopes_come_back_as_errors(http, twin):
    app = register(http, twin, scopes="read write:statuses").json()
    back = consent(http, twin, app, decision="cancel", scope="read")
    assert (back["error"], back["state"]) == ("access_denied", "st1")
    page = f"{twin.url}/oauth/authorize"
    params = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": BACK,
        "scope": "write:media",
    }
    answer = http.get(page, params=params, allow_redirects=False)
    assert "error=invalid_scope" in answer.headers["Location"]
    params |= {"scope": "read:statuses", "code_challenge": "x"}
    params["code_challenge_method"] = "plain"
    answer = http.get(page, params=params, allow_redirects=False)
    assert "error=invalid_code_challenge_method" in answer.headers["Location"]


def test_nobody_is_sent_to_an_address_that_was_not_registered(http, twin):
    app = register(http, twin).json()
    params = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": "https://evil.example/",
    }
    page = f"{twin.url}/oauth/authorize"
    answer = http.get(page, params=params, allow_redirects=False)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    answer = http.get(page, params={**params, "client_id": "gone"})
    assert answer.status_code == 401
    assert "invalid_client" in answer.text


def test_an_unticked_scope_is_not_granted(http, twin):
    app = register(http, twin).json()
    code = consent(http, twin, app, untick=["write:statuses"])["code"]
    token = exchange(http, twin, app, code).json()
    assert "write:statuses" not in token["scope"].split()
    answer = Caller(http, twin, token["access_token"]).post()
    assert answer.status_code == 403
    assert answer.json() == {"error": "This action is outside the authorized scopes"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"redirect_uris": "nowhere"}, "Redirect URI must be an absolute URI."),
        ({"client_name": ""}, "Application name can't be blank"),
        ({"scopes": "everything"}, "Scopes doesn't match configured on the server."),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused(http, twin, fields, text):
    answer = register(http, twin, **fields)
    assert answer.status_code == 422
    assert answer.json() == {"error": f"Validation failed: {text}"}


def test_an_app_token_proves_the_app_and_no_user(http, twin):
    app = register(http, twin).json()
    answer = exchange(
        http, twin, app, "", grant_type="client_credentials", scope="profile"
    )
    call = Caller(http, twin, answer.json()["access_token"])
    app_facts = call("GET", "/api/v1/apps/verify_credentials")
    assert app_facts.json()["name"] == "Acme Planner"
    answer = call("GET", "/api/v1/accounts/verify_credentials")
    assert answer.status_code == 422
    assert answer.json() == {"error": "This method requires an authenticated user"}


def test_discovery_and_profile_come_with_mastodon_4_3(http, twin):
    address = f"{twin.url}/.well-known/oauth-authorization-server"
    facts = http.get(address).json()
    assert facts["code_challenge_methods_supported"] == ["S256"]
    assert facts["token_endpoint"] == f"{twin.url}/oauth/token"
    assert "profile" in facts["scopes_supported"]
    twin.set_switch("discovery", "off")
    assert http.get(address).status_code == 404
    assert register(http, twin).status_code == 422
    app = register(http, twin, scopes="read:accounts").json()
    assert "redirect_uris" not in app
    instance = http.get(f"{twin.url}/api/v2/instance").json()
    assert instance["version"] == "4.2.1"
    assert "api_versions" not in instance


def test_the_instance_tells_its_limits(http, twin):
    facts = http.get(f"{twin.url}/api/v2/instance").json()
    statuses = facts["configuration"]["statuses"]
    assert statuses == {
        "max_characters": 500,
        "max_media_attachments": 4,
        "characters_reserved_per_url": 23,
    }
    media = facts["configuration"]["media_attachments"]
    assert media["image_size_limit"] == 16_777_216
    assert media["image_matrix_limit"] == 33_177_600
    assert media["description_limit"] == 1500
    assert facts["api_versions"] == {"mastodon": 10}
    old = http.get(f"{twin.url}/api/v1/instance").json()
    assert old["configuration"] == facts["configuration"]
    links = http.get(f"{twin.url}/.well-known/nodeinfo").json()["links"]
    assert http.get(links[0]["href"]).json()["software"]["name"] == "mastodon"


# ---------------------------------------------------------------- tokens


def test_a_token_without_end_ends_when_it_is_revoked(http, twin, call, acme):
    fields = {
        "client_id": acme["extra"]["client_id"],
        "client_secret": acme["extra"]["client_secret"],
        "token": acme["access_token"],
    }
    for _ in range(2):
        answer = http.post(f"{twin.url}/oauth/revoke", data=fields)
        assert (answer.status_code, answer.json()) == (200, {})
    answer = call("GET", "/api/v1/accounts/verify_credentials")
    assert answer.status_code == 401
    assert answer.json() == {"error": "The access token was revoked"}


def test_a_foreign_or_missing_token_cannot_be_revoked(http, twin, acme):
    app = register(http, twin).json()
    fields = {k: app[k] for k in ("client_id", "client_secret")}
    for token in ({"token": acme["access_token"]}, {}):
        answer = http.post(f"{twin.url}/oauth/revoke", data={**fields, **token})
        assert answer.status_code == 403
        assert answer.json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [
        ("revoke", 401, "The access token was revoked"),
        ("password_changed", 401, "The access token was revoked"),
        ("expire", 401, "The access token expired"),
        ("app_removed", 401, "The access token is invalid"),
        ("suspend", 403, "Your login is currently disabled"),
        ("scope_lost:profile", 403, "This action is outside the authorized scopes"),
    ],
)
def test_each_ending_has_the_server_s_words_and_a_way_back(
    call, twin, acme, how, status, text
):
    assert twin.end_tokens(acme["external_id"], how) == 1
    answer = call("GET", "/api/v1/accounts/verify_credentials")
    assert (answer.status_code, answer.json()) == (status, {"error": text})
    assert twin.end_tokens("@acme", "restore") == 1
    assert call("GET", "/api/v1/accounts/verify_credentials").status_code == 200


def test_an_account_that_moved_away_says_so_to_whoever_reads_it(call, twin, acme):
    path = "/api/v1/accounts/verify_credentials"
    assert "moved" not in call("GET", path).json()
    twin.end_tokens(acme["external_id"], "move")
    answer = call("GET", path)
    assert answer.status_code == 200
    assert answer.json()["moved"]["acct"] == "acme@elsewhere.example"


def test_endings_that_mastodon_has_not_are_refused(twin, acme):
    for how in ("role_lost", "scope_lost:tea", "nonsense"):
        with pytest.raises(ValueError, match="Mastodon has no"):
            twin.end_tokens(acme["external_id"], how)
    with pytest.raises(ValueError, match="no account"):
        twin.end_tokens("nobody", "revoke")


def test_the_panel_s_token_list_never_shows_a_token(twin, acme):
    (token,) = twin.tokens()
    assert (token["account"], token["state"]) == (acme["external_id"], "live")
    assert acme["access_token"] not in str(twin.tokens())


def test_an_unknown_token_is_invalid(http, twin):
    answer = Caller(http, twin, "nonsense").post()
    assert answer.status_code == 401
    assert answer.json() == {"error": "The access token is invalid"}


# ---------------------------------------------------------------- posting


def test_a_post_is_answered_listed_and_shown(http, call, twin, acme):
    status = call.post("Hello #spring\nsee https://example.com/a?b=1").json()
    assert status["id"].isdecimal()
    assert len(status["id"]) == 18
    assert status["card"] is None
    assert status["application"]["name"] == "SocialHub practice"
    assert status["url"].endswith(f"/@acme/{status['id']}")
    assert 'href="https://example.com/a?b=1"' in status["content"]
    assert status["content"].startswith("<p>Hello <a ")
    account = acme["external_id"].rpartition("/")[2]
    (listed,) = call("GET", f"/api/v1/accounts/{account}/statuses").json()
    assert listed["id"] == status["id"]
    source = call("GET", f"/api/v1/statuses/{status['id']}/source").json()
    assert source["text"] == "Hello #spring\nsee https://example.com/a?b=1"
    page = http.get(status["url"]).text
    assert "Hello #spring" in page
    assert "https://example.com/a?b=1" in page
    (post,) = twin.posts()
    assert post["account"] == acme["external_id"]
    assert post["link"] == "https://example.com/a?b=1"
    assert post["arrived_at"] <= post["created_at"]


def test_a_page_escapes_what_people_write(http, call):
    url = call.post("<script>alert(1)</script>").json()["url"]
    page = http.get(url).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_key_gives_the_first_post_again_for_an_hour(call, twin, network):
    first = call.post("one", key="k1").json()
    again = call.post("another text", key="k1")
    assert again.status_code == 200
    assert again.json()["id"] == first["id"]
    assert again.json()["content"] == "<p>one</p>"
    assert len(twin.posts()) == 1
    assert twin.posts()[0]["marker"] == "k1"
    shift(network, 3599)
    assert call.post("one", key="k1").json()["id"] == first["id"]
    shift(network, 2)
    assert call.post("one", key="k1").json()["id"] != first["id"]


def test_a_refused_post_does_not_burn_its_key(call):
    assert call.post("x" * 501, key="k2").status_code == 422
    assert call.post("short", key="k2").json()["content"] == "<p>short</p>"


def test_a_key_belongs_to_one_account(http, twin, call):
    first = call.post("one", key="k3").json()
    ana = Caller(http, twin, twin.add_account("ana", "Ana")["access_token"])
    assert ana.post("one", key="k3").json()["id"] != first["id"]


def test_the_key_of_a_deleted_post_is_not_found(call, twin):
    id = call.post("one", key="k4").json()["id"]
    deleted = call("DELETE", f"/api/v1/statuses/{id}")
    assert deleted.json()["text"] == "one"
    assert call("DELETE", f"/api/v1/statuses/{id}").status_code == 404
    again = call.post("one", key="k4")
    assert (again.status_code, again.json()) == (404, {"error": "Record not found"})
    assert twin.posts() == []


def test_the_replay_of_an_edited_post_gives_the_edited_form(call):
    id = call.post("one", key="k5").json()["id"]
    call("PUT", f"/api/v1/statuses/{id}", json={"status": "two"})
    again = call.post("one", key="k5").json()
    assert again["content"] == "<p>two</p>"
    assert again["edited_at"]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("a" * 10, 10),
        ("👩‍👩‍👧‍👦", 1),
        ("e\u0301", 1),
        ("https://example.com/" + "x" * 100, 23),
        ("http://a.io", 23),
        ("see https://example.com/a.", 28),
        ("(https://example.com/a)", 25),
        ("https://example.com/wiki/a_(b)", 23),
        ("@ana@example.com hi", 7),
        ("https://localhost", 17),
    ],
)
def test_texts_are_counted_as_the_server_counts(text, length):
    assert twin_text.count(text) == length


def test_the_limit_is_exact_and_counts_the_warning(call):
    assert call.post("🏳️‍🌈" * 500).status_code == 200
    answer = call.post("x" * 490, spoiler_text="y" * 11)
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "Validation failed: Text character limit of 500 exceeded"
    }
    assert call.post("x" * 490, spoiler_text="y" * 10).status_code == 200
    assert call.post("x" * 476 + " https://example.com/" + "y" * 200).ok


def test_an_empty_post_is_refused(call):
    answer = call.post("")
    assert answer.status_code == 422
    assert answer.json() == {"error": "Validation failed: Text can't be blank"}


def test_form_fields_work_like_json(call):
    media = call.upload(description="A blue card").json()
    status = call(
        "POST",
        "/api/v1/statuses",
        data=[("status", "form"), ("media_ids[]", media["id"])],
    ).json()
    assert status["media_attachments"][0]["description"] == "A blue card"


def test_a_schedule_in_the_past_goes_out_at_once(call, twin, network):
    assert call.post("old", scheduled_at="2020-01-01T00:00:00Z").json()["content"]
    soon = network.world.now().timestamp() + 120
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon))
    assert call.post("soon", scheduled_at=at).status_code == 422
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon + 600))
    answer = call.post("later", scheduled_at=at)
    assert answer.json()["params"]["text"] == "later"
    assert len(twin.posts()) == 1
    shift(network, 900)
    assert [post["text"] for post in twin.posts()] == ["old", "later"]


def test_a_poll_is_kept_and_excludes_images(call):
    poll = {"options": ["tea", "coffee"], "expires_in": 300}
    status = call.post("What?", poll=poll).json()
    assert [o["title"] for o in status["poll"]["options"]] == ["tea", "coffee"]
    answer = call.post("What?", poll=poll, media_ids=["1"])
    assert answer.json() == {"error": "Cannot attach more than 4 files"}


@pytest.mark.parametrize(
    ("multiple", "voters"), [(False, None), (True, 5)], ids=["one", "several"]
)
def test_a_poll_has_the_votes_that_the_panel_gives_it(
    call, twin, network, multiple, voters
):
    twin.set_switch("poll_votes", "5")
    poll = {"options": ["tea", "coffee", "water"], "expires_in": 300}
    id = call.post("What?", poll={**poll, "multiple": multiple}).json()["id"]
    told = call("GET", f"/api/v1/statuses/{id}").json()["poll"]
    assert [(one["title"], one["votes_count"]) for one in told["options"]] == [
        ("tea", 5),
        ("coffee", 2),
        ("water", 1),
    ]
    assert (told["votes_count"], told["voters_count"]) == (8, voters)
    assert told["expired"] is False
    shift(network, 301)
    assert call("GET", f"/api/v1/statuses/{id}").json()["poll"]["expired"] is True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": ["tea"]}, "more than one"),
        ({"options": ["tea", " "]}, "more than one"),
        ({"options": list("abcde")}, "more than 4 items"),
        ({"options": ["tea", "c" * 51]}, "longer than 50"),
        ({"options": ["tea", "tea"]}, "duplicate"),
        ({"expires_in": 299}, "too soon"),
        ({"expires_in": 2_629_747}, "too far"),
        ({"expires_in": "soon"}, "too soon"),
    ],
)
def test_a_poll_outside_the_announced_limits_is_refused(call, twin, change, said):
    poll = {"options": ["tea", "coffee"], "expires_in": 300, **change}
    answer = call.post("What?", poll=poll)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert twin.posts() == []


def test_a_body_that_cannot_be_read_is_a_refusal_not_a_crash(http, twin, call):
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"{twin.url}/oauth/token", data="{", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (
        call("POST", "/api/v1/statuses", data="{", headers=headers).status_code == 400
    )


# ---------------------------------------------------------------- media


def test_images_keep_their_order_and_alt_texts(http, call, twin):
    ids = [call.upload(description=f"alt {n}").json()["id"] for n in range(4)]
    ids.reverse()
    status = call.post("pictures", media_ids=ids).json()
    assert [m["id"] for m in status["media_attachments"]] == ids
    assert twin.posts()[0]["alt_texts"] == ["alt 3", "alt 2", "alt 1", "alt 0"]
    image = status["media_attachments"][0]
    assert image["meta"]["original"]["size"] == "40x30"
    assert http.get(image["url"]).content == picture()
    assert 'alt="alt 3"' in http.get(status["url"]).text


def test_an_upload_may_need_time(call, twin):
    twin.set_switch("media", "later")
    answer = call.upload()
    assert (answer.status_code, answer.json()["url"]) == (202, None)
    id = answer.json()["id"]
    early = call.post("early", media_ids=[id], key="e1")
    assert early.status_code == 422
    assert early.json()["error"].startswith("Cannot attach files that have not finish")
    polls = [call("GET", f"/api/v1/media/{id}").status_code for _ in range(3)]
    assert polls == [206, 206, 200]
    assert call.post("early", media_ids=[id], key="e1").status_code == 200


def test_a_used_image_is_gone_and_names_itself(call):
    id = call.upload().json()["id"]
    assert call.post("one", media_ids=[id]).ok
    gone = call("GET", f"/api/v1/media/{id}")
    assert (gone.status_code, gone.json()) == (404, {"error": "Record not found"})
    answer = call.post("two", media_ids=[id])
    assert answer.status_code == 422
    assert answer.json() == {
        "error": f"Media {id} not found or already attached to another post"
    }


def test_older_servers_post_without_the_image(call, twin):
    twin.set_switch("unknown_media", "ignored")
    status = call.post("without", media_ids=["123"]).json()
    assert status["media_attachments"] == []


def test_too_many_images_are_refused(call):
    answer = call.post("many", media_ids=["1", "2", "3", "4", "5"])
    assert answer.json() == {"error": "Cannot attach more than 4 files"}


def test_a_file_that_is_no_picture_is_refused(call):
    answer = call.upload(body=b"not a picture")
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "Validation failed: File content type is invalid, File is invalid"
    }


def test_a_picture_over_the_limits_is_refused(call):
    too_heavy = picture() + b"\0" * 16_777_216
    assert "must be less than 16 MB" in call.upload(body=too_heavy).json()["error"]
    answer = call.upload(body=picture(8192, 4051))
    assert answer.json() == {"error": "8192x4051 images are not supported"}
    long_alt = call.upload(description="x" * 1501)
    assert "maximum is 1500 characters" in long_alt.json()["error"]


def test_others_cannot_use_my_image(http, twin, call):
    id = call.upload().json()["id"]
    ana = Caller(http, twin, twin.add_account("ana", "Ana")["access_token"])
    assert ana("GET", f"/api/v1/media/{id}").status_code == 404
    assert ana.post("mine?", media_ids=[id]).status_code == 422


# ---------------------------------------------------------------- listing


def test_statuses_are_listed_newest_first_in_pages(call, acme):
    ids = [call.post(f"n{n}").json()["id"] for n in range(5)]
    path = f"/api/v1/accounts/{acme['external_id'].rpartition('/')[2]}/statuses"
    answer = call("GET", path, params={"limit": 2, "exclude_reblogs": "true"})
    assert [s["id"] for s in answer.json()] == ids[:2:-1]
    next_page = call.http.get(
        answer.links["next"]["url"], headers={"Authorization": f"Bearer {call.token}"}
    )
    assert [s["id"] for s in next_page.json()] == [ids[2], ids[1]]
    newer = call("GET", path, params={"since_id": ids[2]}).json()
    assert [s["id"] for s in newer] == [ids[4], ids[3]]
    forward = call("GET", path, params={"min_id": ids[0], "limit": 2}).json()
    assert [s["id"] for s in forward] == [ids[2], ids[1]]


def test_private_posts_and_the_application_are_for_the_author(http, call, twin, acme):
    call.post("open")
    call.post("closed", visibility="private")
    path = f"/api/v1/accounts/{acme['external_id'].rpartition('/')[2]}/statuses"
    assert len(call("GET", path).json()) == 2
    (seen,) = http.get(twin.url + path).json()
    assert seen["content"] == "<p>open</p>"
    assert "application" not in seen


# ---------------------------------------------------------------- limits and faults


def test_every_answer_shows_the_tightest_window(call, network):
    answer = call("GET", "/api/v1/accounts/verify_credentials")
    assert answer.headers["X-RateLimit-Limit"] == "300"
    assert answer.headers["X-RateLimit-Remaining"] == "299"
    reset = answer.headers["X-RateLimit-Reset"]
    assert reset.endswith(":00.000000Z")
    assert int(reset[14:16]) % 5 == 0
    upload = call.upload()
    assert upload.headers["X-RateLimit-Limit"] == "30"
    post = call.post()
    assert post.headers["X-RateLimit-Remaining"] == "299"
    assert int(post.headers["X-RateLimit-Reset"][11:13]) % 3 == 0


def test_too_many_requests_end_with_the_window(call, network):
    for _ in range(30):
        assert call.upload().ok
    over = call.upload()
    assert (over.status_code, over.json()) == (429, {"error": "Too many requests"})
    assert over.headers["X-RateLimit-Remaining"] == "0"
    assert "Retry-After" not in over.headers
    assert call.post().status_code == 200
    shift(network, 1800)
    assert call.upload().status_code == 200


def test_limits_can_be_switched_off(call, twin):
    twin.set_switch("rate_limits", "off")
    answer = call.post()
    assert "X-RateLimit-Limit" not in answer.headers
    with pytest.raises(ValueError, match="rate_limits is one of on, off"):
        twin.set_switch("rate_limits", "maybe")


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("rate_limited", 429, "Too many requests"),
        ("rate_limited_no_headers", 429, "Too many requests"),
        ("duplicate", 422, "Validation failed: Uri has already been taken"),
        ("app_suspended", 401, "The access token is invalid"),
        ("content_refused", 403, "This action is not allowed"),
        ("bad_request_after_write", 400, "Bad Request"),
    ],
)
def test_faults_are_told_in_the_server_s_words(call, network, twin, kind, status, text):
    fault = {"kind": kind, "platform": "mastodon", "times": 1}
    network.faults.add(fault, network.twins)
    answer = call.post("once")
    assert (answer.status_code, answer.json()) == (status, {"error": text})
    assert ("X-RateLimit-Reset" in answer.headers) == (kind == "rate_limited")
    assert len(twin.posts()) == (kind == "bad_request_after_write")


def test_faults_can_aim_at_one_account(http, call, network, twin, acme):
    ana = Caller(http, twin, twin.add_account("ana", "Ana")["access_token"])
    network.faults.add(
        {
            "kind": "server_error",
            "status": 503,
            "platform": "mastodon",
            "account": acme["external_id"],
        },
        network.twins,
    )
    assert call.post().status_code == 503
    assert ana.post().status_code == 200
    lines = network.world.notes("mastodon")
    assert lines[0]["account"] == acme["external_id"]
    assert lines[0]["call"] == "POST /api/v1/statuses"


# ---------------------------------------------------------------- GoToSocial


@pytest.fixture
def gotosocial(twin):
    twin.set_switch("flavour", "gotosocial")
    return twin


def test_gotosocial_ignores_the_key(call, gotosocial):
    first = call.post("one", key="k").json()
    second = call.post("one", key="k").json()
    assert first["id"] != second["id"]
    assert len(first["id"]) == 26
    assert first["id"] < second["id"]
    assert len(gotosocial.posts()) == 2


def test_gotosocial_has_its_own_texts_and_limits(http, call, gotosocial, acme):
    facts = http.get(f"{gotosocial.url}/api/v2/instance").json()
    assert facts["configuration"]["statuses"]["max_characters"] == 5000
    assert facts["configuration"]["statuses"]["characters_reserved_per_url"] == 25
    well_known = f"{gotosocial.url}/.well-known/oauth-authorization-server"
    assert http.get(well_known).status_code == 404
    assert http.get(f"{gotosocial.url}/nodeinfo/2.0").json()["software"] == {
        "name": "gotosocial",
        "version": "0.20.1",
    }
    long = call.post("https://example.com/" + "x" * 5000)
    assert long.status_code == 400
    assert long.json() == {
        "error": "Bad Request: text with spoiler exceed max chars (5000)"
    }
    assert call.post("").json() == {
        "error": "Bad Request: status contains no text, media or poll"
    }
    many = call.post("x", media_ids=list("1234567"))
    assert many.json() == {"error": "Bad Request: media files exceed max count (6)"}
    answer = Caller(http, gotosocial, "nonsense").post()
    assert answer.json() == {"error": "Unauthorized: token not supplied"}
    gotosocial.end_tokens("acme", "scope_lost:write:statuses")
    assert call.post().json() == {
        "error": "Forbidden: token has insufficient scope permission"
    }
    gotosocial.end_tokens("acme", "restore")
    gotosocial.end_tokens("acme", "move")
    assert call.post().status_code == 403
    assert call("GET", "/api/v1/accounts/verify_credentials").status_code == 200


# ---------------------------------------------------------------- restart


def test_posts_tokens_and_keys_survive_a_restart(tmp_path, http):
    first = start_practice(tmp_path, twins={"mastodon": MastodonTwin})
    twin = first.twins["mastodon"]
    token = twin.add_account("acme", "Acme")["access_token"]
    id = Caller(http, twin, token).post("one", key="k").json()["id"]
    first.stop()
    second = start_practice(tmp_path, twins={"mastodon": MastodonTwin})
    try:
        call = Caller(http, second.twins["mastodon"], token)
        assert call.post("one", key="k").json()["id"] == id
        assert len(second.twins["mastodon"].people()) == 3
    finally:
        second.stop()
