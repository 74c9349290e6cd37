"""X in the practice network behaves as X's documentation says."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request, Response

from platforms.practice.framework import Refusal, World
from platforms.x import twin_text
from platforms.x.twin import CLIENT_ID, CLIENT_SECRET, XTwin
from platforms.x.twin_calls import APP_ONLY_TOKEN

CALLBACK = "http://127.0.0.1:8000/callback"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    .decode()
    .rstrip("=")
)
ALL = "tweet.read tweet.write users.read media.write offline.access"


class Network:
    """The twin behind HTTP, with a clock to turn and one connected account."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.twin = XTwin(world, "http://localhost")
        self.twin.seed()
        rules = [
            Rule(route.path, methods=[route.method], endpoint=route.handler)
            for route in self.twin.routes()
        ]
        self.map = Map(rules)
        self.client = Client(self.serve)
        self.account = self.twin.add_account("@baker", "The Baker")

    def serve(self, environ: Any, start: Any) -> Any:
        request = Request(environ)
        answer: Any
        try:
            handler, values = self.map.bind_to_environ(environ).match()
            with self.world.transaction():
                answer = handler(request, **values)
        except HTTPException as exc:
            answer = exc.get_response(environ)
        return answer(environ, start)

    def later(self, seconds: float) -> None:
        shift = self.world.shift_s + seconds
        self.world.put("panel", "setting", "clock", {"shift_s": shift})

    def call(
        self, method: str, path: str, token: str | None = None, **kwargs: Any
    ) -> TestResponse:
        headers = kwargs.pop("headers", {})
        secret = self.account["access_token"] if token is None else token
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        return self.client.open(path, method=method, headers=headers, **kwargs)

    def post(self, text: str = "Hello", **more: Any) -> TestResponse:
        return self.call("POST", "/2/tweets", json={"text": text, **more})

    def timeline(self, **query: Any) -> dict[str, Any]:
        answer = self.call(
            "GET",
            f"/2/users/{self.account['external_id']}/tweets",
            query_string={"max_results": 5, **query},
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    def upload(self, data: bytes | None = None, **form: str) -> TestResponse:
        form = {"media_category": "tweet_image", **form}
        stream = io.BytesIO(picture() if data is None else data)
        fields = {**form, "media": (stream, "a.png")}
        return self.call("POST", "/2/media/upload", data=fields)

    def authorize(self, **changes: Any) -> TestResponse:
        form = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "state": "s1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "asked": ALL,
            "scope": ALL.split(),
            "person": "1234500001",
            "decision": "allow",
        } | changes
        return self.client.post("/web/i/oauth2/authorize", data=form)

    def code(self, **changes: Any) -> str:
        return query_of(self.authorize(**changes))["code"]

    def token(self, basic: str = "", **form: str) -> TestResponse:
        raw = basic or f"{CLIENT_ID}:{CLIENT_SECRET}"
        secret = base64.b64encode(raw.encode()).decode()
        return self.client.post(
            "/2/oauth2/token", data=form, headers={"Authorization": f"Basic {secret}"}
        )

    def exchange(self, code: str, **changes: str) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        } | changes
        return self.token(**form)

    def refresh(self, token: str) -> TestResponse:
        return self.token(grant_type="refresh_token", refresh_token=token)


def query_of(answer: TestResponse) -> dict[str, str]:
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def picture(size: tuple[int, int] = (12, 7), kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, "red").save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def x(tmp_path: Path) -> Iterator[Network]:
    world = World(tmp_path / "practice.sqlite3")
    yield Network(world)
    world.close()


# ---------------------------------------------------------------- signing in


def test_the_consent_page_shows_people_and_scopes_that_can_be_unticked(x):
    page = x.client.get(
        "/web/i/oauth2/authorize",
        query_string={
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "state": '"><script>',
            "scope": ALL,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        },
    )
    assert page.status_code == 200
    assert "Acme Tools" in page.text
    assert "@anabakes" in page.text
    assert page.text.count('type="checkbox"') == 5
    assert 'value="cancel"' in page.text
    assert "<script>" not in page.text


def test_a_code_becomes_a_pair_of_tokens_of_the_chosen_person(x):
    answer = x.exchange(x.code(person="1234500002"))
    assert answer.status_code == 200
    assert answer.json["token_type"] == "bearer"
    assert answer.json["expires_in"] == 7200
    assert answer.json["scope"] == ALL
    me = x.call("GET", "/2/users/me", answer.json["access_token"])
    assert me.json["data"]["username"] == "anabakes"


def test_an_unticked_scope_is_not_granted(x):
    code = x.code(scope=["tweet.read", "users.read"])
    answer = x.exchange(code).json
    assert answer["scope"] == "tweet.read users.read"
    assert "refresh_token" not in answer


def test_the_redirect_carries_the_state_back(x):
    assert query_of(x.authorize(state="a b"))["state"] == "a b"


def test_cancel_comes_back_as_access_denied(x):
    answer = query_of(x.authorize(decision="cancel"))
    assert answer == {"error": "access_denied", "state": "s1"}


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "stranger"},
        {"redirect_uri": "https://evil.example/callback"},
        {"code_challenge": ""},
        {"code_challenge_method": "S512"},
        {"asked": "tweet.read everything"},
        {"state": ""},
        {"state": "s" * 501},
        {"response_type": "token"},
    ],
)
def test_a_wrong_request_gets_an_error_page_and_no_redirect(x, change):
    answer = x.authorize(**change)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_plain_challenge_is_the_verifier_itself(x):
    code = x.code(code_challenge=VERIFIER, code_challenge_method="plain")
    assert x.exchange(code).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": CALLBACK + "/"},
        {"code": "never-given"},
    ],
)
def test_a_code_that_does_not_fit_is_refused(x, change):
    answer = x.exchange(**{"code": x.code(), **change})
    assert answer.status_code == 400
    assert answer.json == {
        "error": "invalid_request",
        "error_description": "Value passed for the authorization code was invalid.",
    }


def test_a_code_works_once(x):
    code = x.code()
    assert x.exchange(code).status_code == 200
    assert x.exchange(code).status_code == 400


def test_a_code_lives_thirty_seconds(x):
    code = x.code()
    x.later(30)
    assert x.exchange(code).status_code == 400


def test_the_token_endpoint_wants_the_basic_header_of_the_app(x):
    answer = x.client.post(
        "/2/oauth2/token", data={"grant_type": "refresh_token", "refresh_token": "r"}
    )
    assert answer.status_code == 401
    assert answer.json["error"] == "unauthorized_client"
    assert answer.json["error_description"] == "Missing valid authorization header"
    wrong = x.token(basic=f"{CLIENT_ID}:wrong", grant_type="refresh_token")
    assert (wrong.status_code, wrong.json) == (401, {"error": "invalid_client"})


def test_an_unknown_grant_type_is_refused(x):
    answer = x.token(grant_type="password")
    assert (answer.status_code, answer.json["error"]) == (400, "unsupported_grant_type")


def test_a_refresh_gives_a_new_pair_and_the_old_access_token_lives_on(x):
    answer = x.refresh(x.account["refresh_token"]).json
    assert answer["refresh_token"] != x.account["refresh_token"]
    assert x.call("GET", "/2/users/me", answer["access_token"]).status_code == 200
    assert x.call("GET", "/2/users/me").status_code == 200


def test_a_used_refresh_token_ends_the_whole_family(x):
    new = x.refresh(x.account["refresh_token"]).json
    again = x.refresh(x.account["refresh_token"])
    assert again.status_code == 400
    assert again.json == {
        "error": "invalid_request",
        "error_description": "Value passed for the token was invalid.",
    }
    assert x.refresh(new["refresh_token"]).status_code == 400
    assert x.call("GET", "/2/users/me", new["access_token"]).status_code == 401


def test_the_family_survives_a_used_refresh_token_when_switched_so(x):
    x.twin.set_setting("refresh_reuse_kills_family", False)
    new = x.refresh(x.account["refresh_token"]).json
    assert x.refresh(x.account["refresh_token"]).status_code == 400
    assert x.refresh(new["refresh_token"]).status_code == 200


def test_revoking_the_refresh_token_ends_access_too(x):
    secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    answer = x.client.post(
        "/2/oauth2/revoke",
        data={"token": x.account["refresh_token"]},
        headers={"Authorization": f"Basic {secret}"},
    )
    assert answer.json == {"revoked": True}
    assert x.call("GET", "/2/users/me").status_code == 401


# ---------------------------------------------------------------- tokens and account


def test_an_access_token_lives_two_hours_and_a_refresh_mends_it(x):
    x.later(7200)
    answer = x.call("GET", "/2/users/me")
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.json == {
        "title": "Unauthorized",
        "type": "about:blank",
        "status": 401,
        "detail": "Unauthorized",
    }
    assert x.refresh(x.account["refresh_token"]).status_code == 200


def test_no_header_and_a_wrong_token_look_the_same(x):
    missing, wrong = (x.call("GET", "/2/users/me", token) for token in ("", "nonsense"))
    assert missing.status_code == wrong.status_code == 401
    assert missing.json == wrong.json


def test_an_app_only_token_is_an_unsupported_authentication(x):
    answer = x.call("GET", "/2/users/me", APP_ONLY_TOKEN)
    assert answer.status_code == 403
    assert answer.json["type"].endswith("/unsupported-authentication")


def test_me_has_three_fields_unless_more_are_asked_for(x):
    assert set(x.call("GET", "/2/users/me").json["data"]) == {"id", "name", "username"}
    data = x.call(
        "GET", "/2/users/me?user.fields=subscription_type,most_recent_tweet_id"
    ).json["data"]
    assert data["subscription_type"] == "None"
    assert "most_recent_tweet_id" not in data


def test_me_can_bring_the_newest_post_along(x):
    id = x.post("Hello").json["data"]["id"]
    answer = x.call(
        "GET",
        "/2/users/me?user.fields=most_recent_tweet_id&expansions=most_recent_tweet_id"
        "&tweet.fields=created_at",
    ).json
    assert answer["data"]["most_recent_tweet_id"] == id
    assert answer["includes"]["tweets"][0]["id"] == id


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("expire", 401),
        ("revoke", 401),
        ("password_changed", 401),
        ("suspend", 403),
        ("scope_lost:tweet.write", 403),
    ],
)
def test_what_the_panel_ends_fails_until_it_is_restored(x, how, status):
    assert x.twin.end_tokens("@baker", how) >= 1
    assert x.post("one").status_code == status
    assert x.twin.end_tokens("@baker", "restore") >= 1
    assert x.post("two").status_code == 201


def test_an_expired_access_token_leaves_the_refresh_token_alive(x):
    x.twin.end_tokens("baker", "expire")
    assert x.refresh(x.account["refresh_token"]).status_code == 200


def test_a_suspended_account_is_named_as_such(x):
    x.twin.end_tokens(x.account["external_id"], "suspend")
    answer = x.post()
    assert answer.status_code == 403
    assert answer.json["type"].endswith("/user-suspended")


@pytest.mark.parametrize("how", ["role_lost", "scope_lost:nothing", "explode"])
def test_an_ending_that_x_has_not_is_an_error(x, how):
    with pytest.raises(ValueError):
        x.twin.end_tokens("@baker", how)


def test_the_list_of_tokens_shows_states_and_never_a_token(x):
    x.twin.end_tokens("@baker", "expire")
    rows = x.twin.tokens()
    states = {row["kind"]: row["state"] for row in rows}
    assert states == {"access": "expired", "refresh": "live"}
    assert x.account["access_token"] not in str(rows)


# ---------------------------------------------------------------- posting


def test_a_post_is_created_and_has_a_page(x):
    answer = x.post("Hello <b>world</b>")
    assert answer.status_code == 201
    data = answer.json["data"]
    assert data["edit_history_tweet_ids"] == [data["id"]]
    page = x.client.get(f"/web/baker/status/{data['id']}")
    assert "Hello &lt;b&gt;world&lt;/b&gt;" in page.text
    assert x.client.get(f"/web/i/web/status/{data['id']}").status_code == 200


def test_the_id_holds_the_time_of_creation(x):
    id = int(x.post().json["data"]["id"])
    made = datetime.fromtimestamp(((id >> 22) + 1288834974657) / 1000, UTC)
    assert abs(made - x.world.now()) < timedelta(seconds=60)


def test_the_text_comes_back_rewritten_with_short_links_and_escapes(x):
    sent = "Salt & <pepper> https://acme.example/a?b=1&c=2 now"
    text = x.post(sent).json["data"]["text"]
    start = "Salt &amp; &lt;pepper&gt; https://t.co/"
    assert text.startswith(start)
    assert text.endswith(" now")
    assert len(text) == len(start) + 10 + len(" now")
    tweet = x.timeline(**{"tweet.fields": "entities"})["data"][0]
    [link] = tweet["entities"]["urls"]
    assert link["expanded_url"] == "https://acme.example/a?b=1&c=2"
    assert tweet["text"][link["start"] : link["end"]] == link["url"]


def test_a_post_with_pictures_ends_in_a_media_link(x):
    id = x.upload().json["data"]["id"]
    data = x.post("Look", media={"media_ids": [id]}).json["data"]
    assert data["text"].startswith("Look https://t.co/")
    answer = x.timeline(
        **{
            "tweet.fields": "entities,attachments",
            "expansions": "attachments.media_keys",
            "media.fields": "alt_text,width",
        }
    )
    tweet = answer["data"][0]
    assert "/photo/1" in tweet["entities"]["urls"][-1]["expanded_url"]
    key = tweet["attachments"]["media_keys"][0]
    assert key == f"3_{id}"
    assert answer["includes"]["media"] == [
        {"media_key": key, "type": "photo", "width": 12}
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": 5},
        {"text": "a", "unknown": 1},
        {"text": "a", "media": {"media_ids": []}},
        {"text": "a", "media": {"media_ids": ["1", "2", "3", "4", "5"]}},
        {"text": "a", "media": {"media_ids": [12]}},
        {"text": "a", "media": {"media_ids": ["12"], "extra": 1}},
        {"text": "a", "reply": {}},
        {"text": "a", "reply_settings": "friends"},
        {"text": "a", "poll": {"options": ["x"], "duration_minutes": 10}},
        {"text": "a", "poll": {"options": ["x", "y" * 26], "duration_minutes": 10}},
        {"text": "a", "poll": {"options": ["x", "y"], "duration_minutes": 4}},
        {"text": "a", "poll": {"options": ["x", "y"], "duration_minutes": 10_081}},
        {"poll": {"options": ["x", "y"], "duration_minutes": 10}},
        {
            "text": "a",
            "media": {"media_ids": ["12"]},
            "poll": {"options": ["x", "y"], "duration_minutes": 10},
        },
    ],
)
def test_a_body_outside_the_schema_is_an_invalid_request(x, body):
    answer = x.call("POST", "/2/tweets", json=body)
    assert answer.status_code == 400
    assert answer.json["type"].endswith("/invalid-request")
    assert answer.json["errors"][0]["message"].startswith("$")
    assert x.twin.posts() == []


def test_broken_json_is_an_invalid_request(x):
    answer = x.call("POST", "/2/tweets", data=b"{", content_type="application/json")
    assert answer.status_code == 400


def test_the_schema_is_judged_before_the_scope(x):
    x.twin.end_tokens("@baker", "scope_lost:tweet.write")
    assert x.call("POST", "/2/tweets", json={"unknown": 1}).status_code == 400
    assert x.post().status_code == 403


@pytest.mark.parametrize(
    ("text", "status"), [("一" * 140, 201), ("一" * 141, 403), ("a" * 281, 403)]
)
def test_a_text_may_weigh_280(x, text, status):
    answer = x.post(text)
    assert answer.status_code == status
    if status == 403:
        detail = "You are not permitted to perform this action."
        assert answer.json["detail"] == detail


def test_a_premium_account_may_write_more_and_reads_cut_it(x):
    account = x.twin.add_account("rich", "Rich", subscription_type="Premium")
    text = "word " * 100 + "end"
    x.call("POST", "/2/tweets", account["access_token"], json={"text": text})
    answer = x.call(
        "GET",
        f"/2/users/{account['external_id']}/tweets?tweet.fields=note_tweet",
    )
    tweet = answer.json["data"][0]
    assert len(tweet["text"]) == 280
    assert tweet["note_tweet"]["text"] == text


def test_the_same_text_is_a_duplicate_for_a_day(x):
    assert x.post("Same").status_code == 201
    again = x.post("Same")
    assert again.status_code == 403
    assert again.json == {
        "title": "Forbidden",
        "detail": "You are not allowed to create a Tweet with duplicate content.",
        "type": "about:blank",
        "status": 403,
    }
    other = x.twin.add_account("other", "Other")["access_token"]
    assert x.call("POST", "/2/tweets", other, json={"text": "Same"}).status_code == 201
    x.account |= x.refresh(x.account["refresh_token"]).json
    x.later(7100)
    assert x.post("Same").status_code == 403
    x.later(86400 - 7100)
    x.account |= x.refresh(x.account["refresh_token"]).json
    assert x.post("Same").status_code == 201


def test_a_deleted_text_may_be_posted_again(x):
    id = x.post("Same").json["data"]["id"]
    x.call("DELETE", f"/2/tweets/{id}")
    assert x.post("Same").status_code == 201


def test_a_second_cashtag_and_a_blocked_link_are_refused(x):
    assert x.post("Buy $ABC").status_code == 201
    assert "maximum of one cashtag" in x.post("Buy $ABC $DEF").json["detail"]
    blocked = x.post("See https://blocked.example/a").json["detail"]
    assert blocked == "The Tweet contains an invalid URL."


def test_a_thread_is_made_of_replies_to_oneself(x):
    root = x.post("One").json["data"]["id"]
    part = x.post("Two", reply={"in_reply_to_tweet_id": root})
    assert part.status_code == 201
    fields = {"tweet.fields": "referenced_tweets,conversation_id"}
    newest = x.timeline(**fields)["data"][0]
    assert newest["referenced_tweets"] == [{"type": "replied_to", "id": root}]
    assert newest["conversation_id"] == root
    assert len(x.timeline(exclude="replies")["data"]) == 1


def test_a_reply_to_a_stranger_needs_a_mention(x):
    other = x.twin.add_account("other", "Other")["access_token"]
    silent = x.call("POST", "/2/tweets", other, json={"text": "Hello"}).json["data"]
    called = x.call("POST", "/2/tweets", other, json={"text": "Hi @Baker!"})
    refused = x.post("Hi", reply={"in_reply_to_tweet_id": silent["id"]})
    assert refused.status_code == 403
    assert refused.json["detail"].startswith("Reply to this conversation is not")
    summoned = {"in_reply_to_tweet_id": called.json["data"]["id"]}
    assert x.post("Hi", reply=summoned).status_code == 201


def test_a_reply_to_a_deleted_post_is_refused(x):
    id = x.post("One").json["data"]["id"]
    x.call("DELETE", f"/2/tweets/{id}")
    answer = x.post("Two", reply={"in_reply_to_tweet_id": id})
    assert "deleted or not visible" in answer.json["detail"]


def test_quoting_is_refused(x):
    answer = x.post("Look", quote_tweet_id="1")
    assert answer.json["detail"].startswith("Quoting this post is not allowed")


def test_premium_may_edit_for_an_hour_and_the_old_version_leaves_the_timeline(x):
    x.account = x.twin.add_account("rich", "Rich", subscription_type="Premium")
    old = x.post("Tpyo").json["data"]["id"]
    new = x.post("Typo", edit_options={"previous_post_id": old}).json["data"]
    assert new["edit_history_tweet_ids"] == [old, new["id"]]
    assert [tweet["id"] for tweet in x.timeline()["data"]] == [new["id"]]
    assert len(x.twin.posts()) == 1
    x.later(3601)
    late = x.post("Late", edit_options={"previous_post_id": new["id"]})
    assert late.status_code == 403


# ---------------------------------------------------------------- media


def test_an_image_is_measured_and_shown_with_its_alt_text(x):
    data = x.upload().json["data"]
    assert data["expires_after_secs"] == 86400
    assert data["image"] == {"image_type": "image/png", "w": 12, "h": 7}
    named = x.call(
        "POST",
        "/2/media/metadata",
        json={"id": data["id"], "metadata": {"alt_text": {"text": 'A "loaf"'}}},
    )
    assert named.json["data"]["associated_metadata"] == {
        "alt_text": {"text": 'A "loaf"'}
    }
    post = x.post("Bread", media={"media_ids": [data["id"]]}).json["data"]
    page = x.client.get(f"/web/baker/status/{post['id']}").text
    assert 'alt="A &#34;loaf&#34;"' in page
    shown = x.client.get(f"/web/media/{data['id']}")
    assert (shown.content_type, shown.data) == ("image/png", picture())
    assert x.twin.posts()[0]["alt_texts"] == ['A "loaf"']


def test_an_image_may_come_as_base64_in_json(x):
    body = {
        "media": base64.b64encode(picture(kind="JPEG")).decode(),
        "media_category": "tweet_image",
    }
    answer = x.call("POST", "/2/media/upload", json=body)
    assert answer.json["data"]["image"]["image_type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"", {}),
        (b"not an image", {}),
        (picture(kind="BMP"), {}),
        (None, {"media_category": "tweet_video"}),
        (None, {"media_category": ""}),
        (b"0" * (5 * 1024 * 1024 + 1), {}),
    ],
)
def test_an_upload_that_is_no_fitting_image_is_refused(x, data, form):
    answer = x.upload(data, **form)
    assert answer.status_code == 400
    assert answer.json["type"].endswith("/invalid-request")


def test_an_alt_text_has_at_most_1000_characters(x):
    id = x.upload().json["data"]["id"]
    body = {"id": id, "metadata": {"alt_text": {"text": "a" * 1001}}}
    assert x.call("POST", "/2/media/metadata", json=body).status_code == 400


def test_media_of_others_expired_or_unknown_cannot_be_attached(x):
    mine = x.upload().json["data"]["id"]
    other = x.twin.add_account("other", "Other")["access_token"]
    body = {"text": "a", "media": {"media_ids": [mine]}}
    foreign = x.call("POST", "/2/tweets", other, json=body)
    assert foreign.status_code == 400
    assert foreign.json["detail"] == "Your media IDs are invalid."
    assert x.post("a", media={"media_ids": ["99"]}).status_code == 400
    x.later(86400)
    x.account |= x.refresh(x.account["refresh_token"]).json
    assert x.post("a", media={"media_ids": [mine]}).status_code == 400


def test_a_token_without_the_media_scope_cannot_upload(x):
    x.twin.end_tokens("@baker", "scope_lost:media.write")
    assert x.upload().status_code == 403


# ---------------------------------------------------------------- reading


def test_the_timeline_goes_back_in_pages(x):
    ids = [x.post(f"Post {n}").json["data"]["id"] for n in range(7)]
    first = x.timeline()
    assert [tweet["id"] for tweet in first["data"]] == ids[:1:-1]
    assert first["meta"]["result_count"] == 5
    assert first["meta"]["newest_id"] == ids[-1]
    rest = x.timeline(pagination_token=first["meta"]["next_token"])
    assert [tweet["id"] for tweet in rest["data"]] == ids[1::-1]
    assert "next_token" not in rest["meta"]


def test_an_empty_timeline_has_no_data(x):
    assert x.timeline() == {"meta": {"result_count": 0}}


def test_the_timeline_can_be_cut_by_time_and_id(x):
    first = x.post("One").json["data"]["id"]
    x.later(100)
    between = x.world.now().isoformat().replace("+00:00", "Z")
    x.later(100)
    second = x.post("Two").json["data"]["id"]
    for query, expected in (
        ({"start_time": between}, second),
        ({"end_time": between}, first),
        ({"since_id": first}, second),
        ({"until_id": second}, first),
    ):
        data = x.timeline(**query)["data"]
        assert [tweet["id"] for tweet in data] == [expected]


def test_a_new_post_may_show_late(x):
    x.twin.set_setting("visible_after_s", 30)
    x.post()
    assert x.timeline()["meta"]["result_count"] == 0
    x.later(31)
    assert x.timeline()["meta"]["result_count"] == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "max_results=200",
            "The `max_results` query parameter value [200] is not between 5 and 100",
        ),
        ("fields=a", "The query parameter 'fields' is not valid for this endpoint"),
        (
            "post.fields=text",
            "The query parameter 'post.fields' is not valid for this endpoint",
        ),
        ("tweet.fields=", "The `tweet.fields` query parameter can not be empty"),
    ],
)
def test_a_wrong_query_names_the_parameter(x, query, message):
    path = f"/2/users/{x.account['external_id']}/tweets?{query}"
    answer = x.call("GET", path)
    assert answer.status_code == 400
    assert answer.json["errors"][0]["message"] == message


@pytest.mark.parametrize("start", ["yesterday", "2009-01-01T00:00:00Z", "2026-11-20"])
def test_a_start_time_is_an_rfc_3339_time_after_2010(x, start):
    path = f"/2/users/{x.account['external_id']}/tweets?start_time={start}"
    assert x.call("GET", path).status_code == 400


def test_posts_by_id_answer_200_with_errors_for_the_missing(x):
    id = x.post().json["data"]["id"]
    answer = x.call("GET", f"/2/tweets?ids={id},999&tweet.fields=public_metrics")
    assert answer.status_code == 200
    assert answer.json["data"][0]["public_metrics"]["impression_count"] == 120
    assert answer.json["errors"] == [
        {
            "value": "999",
            "detail": "Could not find tweet with ids: [999].",
            "title": "Not Found Error",
            "resource_type": "tweet",
            "parameter": "ids",
            "resource_id": "999",
            "type": "https://api.twitter.com/2/problems/resource-not-found",
        }
    ]
    assert "data" not in x.call("GET", "/2/tweets?ids=999").json


def test_figures_of_others_are_an_error_beside_the_post(x):
    id = x.post().json["data"]["id"]
    other = x.twin.add_account("other", "Other")["access_token"]
    path = f"/2/tweets?ids={id}&tweet.fields=non_public_metrics"
    own, foreign = x.call("GET", path).json, x.call("GET", path, other).json
    assert "non_public_metrics" in own["data"][0]
    assert foreign["errors"][0]["type"].endswith("/not-authorized-for-field")


def test_the_new_names_replace_the_old_ones(x):
    x.twin.set_setting("field_names", "new")
    created = x.post().json["data"]
    assert created["edit_history_post_ids"] == [created["id"]]
    tweet = x.timeline(**{"post.fields": "public_metrics"})["data"][0]
    assert "repost_count" in tweet["public_metrics"]
    old = x.call("GET", f"/2/tweets?ids={created['id']}&tweet.fields=text")
    assert old.status_code == 400
    assert "'tweet.fields'" in old.json["errors"][0]["message"]
    assert old.json["type"] == "https://api.x.com/2/problems/invalid-request"


def test_only_the_author_deletes_and_a_gone_post_is_not_found(x):
    id = x.post().json["data"]["id"]
    other = x.twin.add_account("other", "Other")["access_token"]
    assert x.call("DELETE", f"/2/tweets/{id}", other).status_code == 403
    gone = x.call("DELETE", f"/2/tweets/{id}")
    assert gone.json == {"data": {"deleted": True}}
    assert x.client.get(f"/web/baker/status/{id}").status_code == 404
    assert x.twin.posts() == []
    again = x.call("DELETE", f"/2/tweets/{id}")
    assert again.status_code == 404
    assert again.json["type"].endswith("/resource-not-found")
    x.twin.set_setting("delete_unknown_status", 200)
    assert x.call("DELETE", f"/2/tweets/{id}").status_code == 200


# ---------------------------------------------------------------- limits and money


def test_every_answer_shows_the_window_and_refusals_count(x):
    first = x.post("One")
    refused = x.call("POST", "/2/tweets", json={"unknown": 1})
    unknown = x.call("GET", "/2/users/me", "nonsense")
    assert first.headers["x-rate-limit-limit"] == "100"
    assert first.headers["x-rate-limit-remaining"] == "99"
    assert refused.headers["x-rate-limit-remaining"] == "98"
    assert first.headers["x-app-limit-24hour-remaining"] == "9999"
    assert unknown.headers["x-rate-limit-limit"] == "75"


def test_a_full_bucket_answers_429_and_refills_at_its_reset(x):
    x.twin.set_setting("limits", {"POST /2/tweets user": 1})
    opened = x.post("One")
    full = x.post("Two")
    assert full.status_code == 429
    assert full.json["title"] == "Too Many Requests"
    assert full.headers["x-rate-limit-remaining"] == "0"
    reset = full.headers["x-rate-limit-reset"]
    assert reset == opened.headers["x-rate-limit-reset"]
    other = x.twin.add_account("other", "Other")["access_token"]
    assert x.call("POST", "/2/tweets", other, json={"text": "a"}).status_code == 201
    x.later(900)
    assert x.post("Two").status_code == 201


def test_the_daily_bucket_of_the_app_stops_all_while_the_short_one_is_full(x):
    x.twin.set_setting("limits", {"POST /2/tweets app": 1})
    x.post("One")
    other = x.twin.add_account("other", "Other")["access_token"]
    answer = x.call("POST", "/2/tweets", other, json={"text": "a"})
    assert answer.status_code == 429
    assert answer.headers["x-rate-limit-remaining"] == "100"
    assert answer.headers["x-app-limit-24hour-remaining"] == "0"


def test_the_cap_of_old_plans_has_headers_of_its_own(x):
    x.twin.set_setting("user_posts_per_day", 1)
    assert x.post("One").headers["x-user-limit-24hour-remaining"] == "0"
    assert x.post("Two").status_code == 429


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("code_88", lambda body: body["errors"][0]["code"] == 88),
        ("simulator", lambda body: body["type"].endswith("/rate-limit-exceeded")),
        ("usage_capped", lambda body: body["period"] == "Monthly"),
    ],
)
def test_the_refusal_over_a_limit_has_other_shapes(x, shape, expected):
    x.twin.set_setting("limits", {"POST /2/tweets user": 0})
    x.twin.set_setting("rate_limit_body", shape)
    answer = x.post()
    assert answer.status_code == 429
    assert expected(answer.json)


def test_credits_are_spent_and_their_end_is_402(x):
    x.twin.set_setting("credits_milli_usd", 230)
    assert x.post("plain").status_code == 201
    assert x.twin.setting("credits_milli_usd") == 215
    assert x.post("with https://acme.example/").status_code == 201
    assert x.call("GET", "/2/users/me").status_code == 200
    assert x.call("GET", "/2/users/me").status_code == 200
    assert x.twin.setting("credits_milli_usd") == 5
    assert x.timeline()["meta"]["result_count"] == 2
    ended = x.post("third")
    assert ended.status_code == 402
    assert ended.json["type"] == "https://api.x.com/2/problems/credits"
    assert ended.headers["x-rate-limit-remaining"] == "98"


def test_a_suspended_app_is_refused_for_all(x):
    x.twin.set_setting("app_state", "suspended")
    answer = x.call("GET", "/2/users/me")
    assert answer.status_code == 403
    assert answer.json["reason"] == "client-not-enrolled"


# ---------------------------------------------------------------- the panel's faults


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("rate_limited", 429),
        ("rate_limited_no_headers", 429),
        ("server_error", 500),
        ("bad_request_after_write", 400),
        ("duplicate", 403),
        ("version_ended", 410),
        ("app_suspended", 403),
        ("no_credits", 402),
        ("content_refused", 403),
        ("html_error", 403),
    ],
)
def test_a_fault_is_answered_in_the_words_of_x(x, kind, status):
    request = Request({"REQUEST_METHOD": "POST", "PATH_INFO": "/2/tweets"})
    answer: Response = x.twin.refuse(request, Refusal(kind, "POST /2/tweets", 60))
    assert answer.status_code == status
    has_reset = "x-rate-limit-reset" in answer.headers
    assert has_reset == (kind == "rate_limited")


def test_a_server_error_of_the_panel_has_the_status_that_was_chosen(x):
    request = Request({"REQUEST_METHOD": "POST", "PATH_INFO": "/2/tweets"})
    answer = x.twin.refuse(request, Refusal("server_error", status=503))
    assert answer.status_code == 503
    assert answer.get_json()["detail"] == "Service Unavailable"


def test_the_panel_turns_switches_by_their_names(x):
    x.twin.set_switch("refresh_reuse_kills_family", "no")
    x.twin.set_switch("too_long_status", "400")
    x.twin.set_switch("limits", '{"POST /2/tweets user": 3}')
    x.twin.set_switch("credits_milli_usd", "")
    shown = {row["name"]: row["value"] for row in x.twin.switches()}
    assert shown["refresh_reuse_kills_family"] == "no"
    assert x.post("a" * 281).json["errors"][0]["code"] == 186
    assert x.post().headers["x-rate-limit-limit"] == "3"
    for name, value in (("too_long_status", "404"), ("nothing", "1"), ("limits", "[")):
        with pytest.raises(ValueError):
            x.twin.set_switch(name, value)


def test_the_account_of_a_request_is_told_by_its_token(x):
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/2/users/me",
        "HTTP_AUTHORIZATION": f"Bearer {x.account['access_token']}",
        "wsgi.input": io.BytesIO(),
    }
    assert x.twin.account_of(Request(environ)) == x.account["external_id"]
    environ["HTTP_AUTHORIZATION"] = "Bearer nonsense"
    assert x.twin.account_of(Request(environ)) == ""


def test_the_world_survives_a_restart_and_seeding_twice(x, tmp_path):
    x.post("Hello")
    again = World(tmp_path / "practice.sqlite3")
    twin = XTwin(again, "http://localhost")
    twin.seed()
    assert [post["text"] for post in twin.posts()] == ["Hello"]
    assert len(twin.people()) == 3
    again.close()


# ---------------------------------------------------------------- counting


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("Hi http://test.co", 26),
        ("http://test.co", 23),
        ("Hello, world! 👋", 16),
        ("H🐱☺👨‍👩‍👧‍👦", 7),
        ("🙋🏽👨‍🎤", 4),
        ("1⃣", 2),
        ("一" * 140, 280),
        ("一" * 141, 282),
        ("https://www.twitter.com/aloha " * 10, 240),
        ("r" * 64 + ".com", 68),
        ("example.com", 23),
        ("file.txt", 8),
        ("see example.com.", 28),
        ("joe@example.com", 15),
        ("example.com-", 12),
        ("a_b.com", 7),
        ("Hello.http://a.co/x", 29),
        ("a_b.example.com", 23),
        ("münchen.de", 23),
        ("日本example.com日本", 31),
        ("http://127.0.0.1/", 17),
        ("(https://en.wikipedia.org/wiki/X_(y))", 25),
        ("e\u0301", 1),
    ],
)
def test_a_text_weighs_what_x_says(text, weight):
    assert twin_text.weighted_length(text) == weight


# ---------------------------------------------------------------- events


def test_addresses_and_events_are_the_app_s_and_replies_the_accounts_own(x):
    url = {"url": "https://social.example/hooks/x/"}
    by_user = x.call("POST", "/2/webhooks", json=url)
    assert (by_user.status_code, by_user.json["title"]) == (
        403,
        "Unsupported Authentication",
    )
    assert x.call("GET", "/2/webhooks", token="").status_code == 401
    app = {"token": APP_ONLY_TOKEN}
    for wrong in ("ftp://a.example", "http://a.example", "https://a.example:8443/"):
        refused = x.call("POST", "/2/webhooks", json={"url": wrong}, **app)
        assert "UrlValidationFailed" in refused.text
    x.world.put("x", "webhook", "77", {"id": "77", "valid": True, **url})
    refused = x.call("POST", "/2/webhooks", json=url, **app)
    assert "DuplicateUrlFailed" in refused.text
    who = {"filter": {"user_id": x.account["external_id"]}, "webhook_id": "77"}
    path = "/2/activity/subscriptions"
    reply = {"event_type": "post.reply.create", **who}
    assert x.call("POST", path, json=reply, **app).status_code == 403
    assert x.call("POST", path, json=reply).status_code == 200
    unknown = x.call("POST", path, json={"event_type": "post.like", **who}, **app)
    assert unknown.status_code == 400
    (row,) = x.call("GET", path, **app).json["data"]
    assert (row["event_type"], row["webhook_id"]) == ("post.reply.create", "77")
    gone = x.call("DELETE", f"{path}/{row['subscription_id']}", **app)
    assert gone.json == {"data": {"deleted": True}}
    assert x.call("DELETE", "/2/webhooks/77", **app).status_code == 200
    assert x.call("PUT", "/2/webhooks/77", **app).status_code == 404
