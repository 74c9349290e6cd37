"""LinkedIn in the practice network behaves as LinkedIn's documentation says."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from PIL import Image
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request

from platforms.linkedin import twin_text
from platforms.linkedin.twin import APP_SCOPES, CLIENT_ID, CLIENT_SECRET, LinkedInTwin
from platforms.practice.framework import Refusal, World
from platforms.practice.tests.made_video import video

CALLBACK = "http://127.0.0.1:8000/callback"
SELF_SERVE = "openid profile email w_member_social"
ACTION = "(organizationContentAuthorizationAction:(actionType:ORGANIC_SHARE_CREATE))"
DISTRIBUTION = {
    "feedDistribution": "MAIN_FEED",
    "targetEntities": [],
    "thirdPartyDistributionChannels": [],
}


class Network:
    """The twin behind HTTP, with a clock to turn, a member and a Page of hers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.twin = LinkedInTwin(world, "http://localhost")
        self.twin.seed()
        rules = [
            Rule(route.path, methods=[route.method], endpoint=route.handler)
            for route in self.twin.routes()
        ]
        self.map = Map(rules)
        self.client = Client(self.serve)
        page = self.twin.add_account("crumbs", "Crumbs", kind="organization")
        self.secret = page["access_token"]
        self.page = page["external_id"]
        self.member = page["extra"]["member"]

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

    def stand_at(self, moment: datetime) -> None:
        shift = (moment - datetime.now(UTC)).total_seconds()
        self.world.put("panel", "setting", "clock", {"shift_s": shift})

    def call(
        self, method: str, path: str, token: str | None = None, **kwargs: Any
    ) -> TestResponse:
        secret = self.secret if token is None else token
        headers = {
            "Linkedin-Version": "202609",
            "X-Restli-Protocol-Version": "2.0.0",
            "Authorization": f"Bearer {secret}",
        } | kwargs.pop("headers", {})
        given = {name: value for name, value in headers.items() if value}
        return self.client.open("/api" + path, method=method, headers=given, **kwargs)

    def post(
        self, text: str = "Hello", token: str | None = None, **more: Any
    ) -> TestResponse:
        body = {
            "author": self.page,
            "commentary": text,
            "visibility": "PUBLIC",
            "distribution": DISTRIBUTION,
            "lifecycleState": "PUBLISHED",
        } | more
        return self.call("POST", "/rest/posts", token, json=body)

    def urn(self, text: str = "Hello", **more: Any) -> str:
        answer = self.post(text, **more)
        assert answer.status_code == 201, answer.text
        return answer.headers["x-restli-id"]

    def read(self, urn: str) -> TestResponse:
        return self.call("GET", f"/rest/posts/{quote(urn, safe='')}?viewContext=AUTHOR")

    def found(self, **more: Any) -> TestResponse:
        author = quote(more.pop("author", self.page), safe="")
        path = f"/rest/posts?author={author}&q=author&count=20&sortBy=CREATED"
        return self.call("GET", path, headers={"X-RestLi-Method": "FINDER"}, **more)

    def slot(self, owner: str = "") -> dict[str, Any]:
        body = {"initializeUploadRequest": {"owner": owner or self.page}}
        path = "/rest/images?action=initializeUpload"
        answer = self.call("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json["value"])

    def put(self, url: str, data: bytes, token: str | None = None) -> TestResponse:
        parts = urlsplit(url)
        secret = self.secret if token is None else token
        return self.client.put(
            parts.path.removeprefix("/linkedin") + "?" + parts.query,
            data=data,
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
        )

    def image(self, owner: str = "") -> str:
        slot = self.slot(owner)
        assert self.put(slot["uploadUrl"], picture()).status_code == 201
        self.later(1)
        return str(slot["image"])

    def authorize(self, **changes: Any) -> TestResponse:
        form = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "state": "s1",
            "scope": SELF_SERVE,
            "person": "urn:li:person:a1B2c3D4e5",
            "decision": "allow",
        } | changes
        return self.client.post("/www/oauth/v2/authorization", data=form)

    def token(self, **form: str) -> TestResponse:
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} | form
        form = {name: value for name, value in form.items() if value}
        return self.client.post("/www/oauth/v2/accessToken", data=form)

    def exchange(self, code: str = "", **changes: str) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "code": code or query_of(self.authorize())["code"],
            "redirect_uri": CALLBACK,
        } | changes
        return self.token(**form)

    def sign_in(self, scope: str) -> str:
        code = query_of(self.authorize(scope=scope))["code"]
        return str(self.exchange(code).json["access_token"])

    def introspect(self, secret: str) -> dict[str, Any]:
        form = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "token": secret,
        }
        answer = self.client.post("/www/oauth/v2/introspectToken", data=form)
        assert answer.status_code == 200
        return dict(answer.json)


def query_of(answer: TestResponse) -> dict[str, str]:
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def picture(kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (12, 7), "red").save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def linkedin(tmp_path: Path) -> Iterator[Network]:
    world = World(tmp_path / "practice.sqlite3")
    yield Network(world)
    world.close()


# ---------------------------------------------------------------- signing in


def test_the_consent_page_offers_members_and_no_ticks(linkedin):
    page = linkedin.client.get(
        "/www/oauth/v2/authorization",
        query_string={
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "state": '"><script>',
            "scope": SELF_SERVE,
        },
    )
    assert page.status_code == 200
    assert "Ana Lopez" in page.text
    assert "Acme Tools" not in page.text
    assert 'type="checkbox"' not in page.text
    assert "<script>" not in page.text


def test_a_code_becomes_a_sixty_day_token_without_refresh(linkedin):
    answer = linkedin.exchange()
    assert answer.status_code == 200
    assert answer.json["expires_in"] == 5_184_000
    assert set(answer.json["scope"].split(",")) == set(SELF_SERVE.split())
    assert "refresh_token" not in answer.json
    assert answer.json["id_token"].count(".") == 2
    assert len(answer.json["access_token"]) > 400


def test_scopes_may_come_with_spaces(linkedin):
    linkedin.twin.set_setting("scope_delimiter", "space")
    assert " " in linkedin.exchange().json["scope"]


@pytest.mark.parametrize(
    ("decision", "error"),
    [
        ("cancel", "user_cancelled_authorize"),
        ("cancel_login", "user_cancelled_login"),
    ],
)
def test_cancel_comes_back_with_its_reason(linkedin, decision, error):
    answer = query_of(linkedin.authorize(decision=decision))
    assert (answer["error"], answer["state"]) == (error, "s1")
    assert answer["error_description"]


def test_a_scope_that_no_product_grants_fails_the_whole_sign_in(linkedin):
    linkedin.twin.set_setting("app_scopes", SELF_SERVE.split())
    answer = query_of(linkedin.authorize(scope="openid w_organization_social"))
    assert answer["error"] == "unauthorized_scope_error"
    assert '"w_organization_social"' in answer["error_description"]


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "stranger"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "#part"},
    ],
)
def test_a_wrong_app_or_address_gets_a_page_and_no_redirect(linkedin, change):
    answer = linkedin.authorize(**change)
    assert answer.status_code == 400
    assert "Bummer" in answer.text
    assert "Location" not in answer.headers


def test_the_consent_page_can_be_skipped_while_a_token_lives(linkedin):
    linkedin.twin.set_setting("consent_skipped_when_live", True)
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": SELF_SERVE,
    }
    path = "/www/oauth/v2/authorization"
    assert linkedin.client.get(path, query_string=query).status_code == 200
    linkedin.exchange()
    again = linkedin.client.get(path, query_string=query)
    assert "code" in query_of(again)


@pytest.mark.parametrize(
    ("change", "status", "error", "text"),
    [
        ({"client_secret": ""}, 400, "invalid_request", '"client_secret" is missing'),
        ({"redirect_uri": ""}, 400, "invalid_request", '"redirect_uri" is missing'),
        ({"client_secret": "x"}, 401, "invalid_client", "authentication failed"),
        ({"code": "unknown"}, 401, "invalid_request", "code not found"),
        ({"redirect_uri": "http://x"}, 400, "invalid_redirect_uri", "does not match"),
    ],
)
def test_the_token_endpoint_names_what_is_wrong(linkedin, change, status, error, text):
    answer = linkedin.exchange(**change)
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert text in answer.json["error_description"]


def test_a_code_works_once_and_for_half_an_hour(linkedin):
    code = query_of(linkedin.authorize())["code"]
    assert linkedin.exchange(code).status_code == 200
    assert linkedin.exchange(code).status_code == 401
    late = query_of(linkedin.authorize())["code"]
    linkedin.later(1800)
    answer = linkedin.exchange(late)
    assert answer.json["error"] == "invalid_redirect_uri"


def test_another_set_of_scopes_kills_earlier_tokens(linkedin):
    first = linkedin.sign_in(SELF_SERVE)
    same = linkedin.sign_in(SELF_SERVE)
    assert linkedin.call("GET", "/v2/userinfo", first).status_code == 200
    linkedin.sign_in(SELF_SERVE + " rw_organization_admin")
    for secret in (first, same):
        answer = linkedin.call("GET", "/v2/userinfo", secret)
        assert answer.status_code == 401
        assert answer.json["serviceErrorCode"] == 65601


def test_a_refresh_keeps_the_refresh_token_and_counts_down(linkedin):
    linkedin.twin.set_setting("programmatic_refresh", True)
    first = linkedin.exchange().json
    assert first["refresh_token_expires_in"] == 31_536_000
    linkedin.later(310 * 86400)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = linkedin.token(**form).json
    assert second["refresh_token"] == first["refresh_token"]
    assert 54 * 86400 < second["refresh_token_expires_in"] <= 55 * 86400
    assert second["expires_in"] <= second["refresh_token_expires_in"]
    userinfo = linkedin.call("GET", "/v2/userinfo", second["access_token"])
    assert userinfo.status_code == 200
    linkedin.later(56 * 86400)
    refused = linkedin.token(**form)
    assert refused.status_code == 400
    assert "invalid, expired or revoked" in refused.json["error_description"]


def test_introspection_tells_active_expired_and_revoked_apart(linkedin):
    shown = linkedin.introspect(linkedin.secret)
    assert (shown["active"], shown["status"]) == (True, "active")
    assert shown["expires_at"] - shown["created_at"] == 5_184_000
    assert "w_member_social" in shown["scope"].split(",")
    linkedin.twin.end_tokens(linkedin.member, "expire")
    assert linkedin.introspect(linkedin.secret)["status"] == "expired"
    linkedin.twin.end_tokens(linkedin.member, "restore")
    linkedin.twin.end_tokens(linkedin.member, "revoke")
    assert linkedin.introspect(linkedin.secret)["status"] == "revoked"
    assert linkedin.introspect("unknown") == {"active": False}


def test_the_app_can_revoke_its_own_token(linkedin):
    form = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "token": linkedin.secret,
    }
    assert linkedin.client.post("/www/oauth/v2/revoke", data=form).status_code == 200
    assert linkedin.call("GET", "/v2/me").json["serviceErrorCode"] == 65601


# ---------------------------------------------------------------- tokens


def test_an_unknown_token_has_its_number(linkedin):
    answer = linkedin.call("GET", "/v2/userinfo", "nonsense")
    assert answer.status_code == 401
    assert answer.json["serviceErrorCode"] == 65600
    assert answer.json["code"] == "INVALID_ACCESS_TOKEN"


def test_a_missing_token_has_its_number(linkedin):
    answer = linkedin.call("GET", "/v2/userinfo", headers={"Authorization": ""})
    assert (answer.status_code, answer.json["serviceErrorCode"]) == (401, 65604)


def test_a_token_expires_after_sixty_days(linkedin):
    linkedin.later(5_184_000)
    answer = linkedin.call("GET", "/v2/userinfo")
    assert (answer.status_code, answer.json["serviceErrorCode"]) == (401, 65602)


def test_a_new_token_may_be_refused_for_a_second(linkedin):
    linkedin.twin.set_setting("fresh_token_refused_s", 1)
    secret = linkedin.sign_in(SELF_SERVE)
    first = linkedin.call("GET", "/v2/userinfo", secret)
    assert first.json["serviceErrorCode"] == 65601
    linkedin.later(1)
    assert linkedin.call("GET", "/v2/userinfo", secret).status_code == 200


def test_a_clock_that_is_set_back_takes_no_token_away(linkedin):
    secret = linkedin.sign_in(SELF_SERVE)
    linkedin.later(-600)
    assert linkedin.call("GET", "/v2/userinfo", secret).status_code == 200


@pytest.mark.parametrize(
    ("how", "status", "number"),
    [
        ("expire", 401, 65602),
        ("revoke", 401, 65601),
        ("password_changed", 401, 65601),
        ("role_lost", 403, 100),
        ("suspend", 403, 100),
        ("scope_lost:w_organization_social", 403, 100),
    ],
)
def test_what_the_panel_ends_fails_until_it_is_restored(linkedin, how, status, number):
    assert linkedin.twin.end_tokens(linkedin.page, how) >= 1
    answer = linkedin.post("one")
    assert (answer.status_code, answer.json["serviceErrorCode"]) == (status, number)
    assert linkedin.twin.end_tokens(linkedin.page, "restore") >= 1
    assert linkedin.post("two").status_code == 201


def test_a_lost_role_is_no_lost_token(linkedin):
    linkedin.twin.end_tokens("crumbs", "role_lost")
    assert "[/author]" in linkedin.post().json["message"]
    assert linkedin.call("GET", "/v2/userinfo").status_code == 200
    assert linkedin.post("Hi", author=linkedin.member).status_code == 201


def test_a_lost_scope_names_the_resource_and_version(linkedin):
    linkedin.twin.end_tokens(linkedin.page, "scope_lost:w_organization_social")
    assert linkedin.post().json["message"] == (
        "Not enough permissions to access: partnerApiPostsExternal.CREATE.20260901"
    )


@pytest.mark.parametrize("how", ["scope_lost:nothing", "explode"])
def test_an_ending_that_linkedin_has_not_is_an_error(linkedin, how):
    with pytest.raises(ValueError):
        linkedin.twin.end_tokens(linkedin.page, how)


def test_the_list_of_tokens_has_a_row_for_each_page_and_never_a_token(linkedin):
    linkedin.twin.end_tokens(linkedin.page, "role_lost")
    rows = linkedin.twin.tokens()
    states = {row["account"]: row["state"] for row in rows}
    assert states == {linkedin.member: "live", linkedin.page: "revoked"}
    assert linkedin.secret not in str(rows)


# ---------------------------------------------------------------- identity and Pages


def test_userinfo_needs_no_version_and_tells_the_member(linkedin):
    secret = linkedin.sign_in("openid profile w_member_social")
    answer = linkedin.call(
        "GET", "/v2/userinfo", secret, headers={"Linkedin-Version": ""}
    )
    assert answer.json["sub"] == "a1B2c3D4e5"
    assert answer.json["name"] == "Ana Lopez"
    assert "email" not in answer.json


def test_me_needs_the_basic_profile(linkedin):
    assert linkedin.call("GET", "/v2/me").json["vanityName"] == "crumbs-admin"
    secret = linkedin.sign_in(SELF_SERVE)
    answer = linkedin.call("GET", "/v2/me", secret)
    assert answer.status_code == 403
    message = "Not enough permissions to access: me.GET.NO_VERSION"
    assert answer.json["message"] == message


def pages_of(network: Network, secret: str, query: str = "") -> list[dict[str, Any]]:
    path = f"/rest/organizationAcls?q=roleAssignee{query}"
    answer = network.call("GET", path, secret)
    assert answer.status_code == 200, answer.text
    return list(answer.json["elements"])


def test_ana_manages_two_pages_and_ben_none(linkedin):
    ana = linkedin.sign_in(" ".join(APP_SCOPES))
    rows = pages_of(linkedin, ana, "&role=ADMINISTRATOR&state=APPROVED&count=100")
    assert [row["organization"] for row in rows] == [
        "urn:li:organization:1234567",
        "urn:li:organization:7654321",
    ]
    assert len(pages_of(linkedin, ana, "&start=1&count=1")) == 1
    assert pages_of(linkedin, ana, "&role=ANALYST") == []
    form = linkedin.authorize(
        person="urn:li:person:b5E6n7O8k9", scope=" ".join(APP_SCOPES)
    )
    ben = linkedin.exchange(query_of(form)["code"]).json["access_token"]
    assert pages_of(linkedin, ben) == []


def test_the_page_field_may_have_its_old_name(linkedin):
    linkedin.twin.set_setting("page_field", "organizationTarget")
    [row] = pages_of(linkedin, linkedin.secret)
    assert row["organizationTarget"] == linkedin.page


def test_the_right_to_post_is_told_for_one_page_and_for_all(linkedin):
    key = (
        f"(impersonator:{quote(linkedin.member, safe='')},"
        f"organization:{quote(linkedin.page, safe='')},action:{ACTION})"
    )
    one = linkedin.call("GET", f"/rest/organizationAuthorizations/{key}")
    assert one.json["status"] == {"approved": {}}
    query = (
        "bq=authorizationActionsAndImpersonator&authorizationActions="
        f"List((authorizationAction:{ACTION}))"
    )
    path = f"/rest/organizationAuthorizations?{query}"
    [row] = linkedin.call("GET", path).json["elements"][0]["elements"]
    assert row["organization"] == linkedin.page
    linkedin.twin.set_setting("verdict_form", "long")
    linkedin.twin.end_tokens(linkedin.page, "role_lost")
    [row] = linkedin.call("GET", path).json["elements"][0]["elements"]
    assert row["status"] == {"com.linkedin.organization.Denied": {}}


def test_pages_are_read_alone_or_together(linkedin):
    one = linkedin.call("GET", "/rest/organizations/1234567").json
    assert one == {
        "id": 1234567,
        "localizedName": "Acme Tools",
        "vanityName": "acmetools",
    }
    both = linkedin.call("GET", "/rest/organizationsLookup?ids=List(1234567,99)").json
    assert both["results"] == {"1234567": one}
    assert both["statuses"] == {"99": 404}
    assert linkedin.call("GET", "/rest/organizations/99").status_code == 404


# ---------------------------------------------------------------- headers and forms


def test_a_call_without_a_version_is_refused(linkedin):
    answer = linkedin.call(
        "GET", "/rest/organizations/1234567", headers={"Linkedin-Version": ""}
    )
    assert (answer.status_code, answer.json["code"]) == (400, "VERSION_MISSING")


@pytest.mark.parametrize("version", ["202510", "202512", "202501", "202610"])
def test_a_version_that_does_not_live_is_426(linkedin, version):
    linkedin.stand_at(datetime(2026, 11, 20, tzinfo=UTC))
    path = "/rest/organizations/1234567"
    secret = linkedin.sign_in(" ".join(APP_SCOPES))
    answer = linkedin.call("GET", path, secret, headers={"Linkedin-Version": version})
    assert answer.status_code == 426
    assert answer.json == {
        "status": 426,
        "code": "NONEXISTENT_VERSION",
        "message": f"Requested version {version}01 is not active",
    }


def test_a_version_dies_on_its_day_or_by_the_switch(linkedin):
    linkedin.stand_at(datetime(2027, 9, 14, tzinfo=UTC))
    secret = linkedin.sign_in(" ".join(APP_SCOPES))
    path = "/rest/organizations/1234567"
    assert linkedin.call("GET", path, secret).status_code == 200
    linkedin.twin.set_switch("ended_versions", "202609")
    assert linkedin.call("GET", path, secret).status_code == 426
    linkedin.twin.set_switch("ended_versions", "")
    linkedin.later(86400)
    assert linkedin.call("GET", path, secret).status_code == 426
    assert linkedin.call("GET", "/v2/userinfo", secret).status_code == 200


def test_the_token_is_judged_before_the_version(linkedin):
    answer = linkedin.call(
        "POST", "/rest/posts", "nonsense", headers={"Linkedin-Version": ""}, json={}
    )
    assert answer.status_code == 401


def test_the_protocol_header_is_demanded(linkedin):
    path = "/rest/organizations/1234567"
    bare = {"X-Restli-Protocol-Version": ""}
    assert linkedin.call("GET", path, headers=bare).status_code == 400
    linkedin.twin.set_setting("strict_protocol", False)
    assert linkedin.call("GET", path, headers=bare).status_code == 200


def test_a_wrong_restli_method_is_refused(linkedin):
    path = "/rest/organizations/1234567"
    answer = linkedin.call("GET", path, headers={"X-RestLi-Method": "FINDER"})
    assert answer.status_code == 400


def test_a_urn_that_is_not_encoded_is_not_found(linkedin):
    urn = linkedin.urn()
    assert linkedin.read(urn).status_code == 200
    answer = linkedin.call("GET", f"/rest/posts/{urn}")
    assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("ids", ["List%281234567%29", "1234567"])
def test_a_list_keeps_its_brackets_bare(linkedin, ids):
    answer = linkedin.call("GET", f"/rest/organizationsLookup?ids={ids}")
    assert answer.status_code == 400


def test_an_unknown_parameter_is_unpermitted(linkedin):
    answer = linkedin.call("GET", "/rest/organizationAcls?q=roleAssignee&shares[0]=1")
    assert answer.status_code == 403
    assert answer.json["message"].startswith("Unpermitted fields present in PARAMETER")


def test_every_answer_carries_the_id_that_support_asks_for(linkedin):
    refused = linkedin.call("GET", "/v2/me", "nonsense")
    for answer in (linkedin.call("GET", "/v2/me"), refused, linkedin.post()):
        assert answer.headers["x-li-uuid"]


# ---------------------------------------------------------------- posting


def test_a_post_is_created_with_an_empty_body_and_its_urn_in_a_header(linkedin):
    answer = linkedin.post("Launch day \\(finally\\) #launch")
    assert (answer.status_code, answer.data) == (201, b"")
    urn = answer.headers["x-restli-id"]
    assert urn.startswith("urn:li:share:")
    page = linkedin.client.get(f"/www/feed/update/{urn}/")
    assert "Launch day (finally) #launch" in page.text
    shown = linkedin.read(urn).json
    assert shown["commentary"] == "Launch day \\(finally\\) #launch"
    assert shown["lifecycleState"] == "PUBLISHED"
    assert linkedin.twin.posts()[0]["text"] == "Launch day (finally) #launch"


def test_the_urn_holds_the_time_of_creation(linkedin):
    number = int(linkedin.urn().rsplit(":", 1)[-1])
    made = datetime.fromtimestamp((number >> 22) / 1000, UTC)
    assert abs(made - linkedin.world.now()) < timedelta(seconds=60)


def test_a_bare_reserved_character_cuts_the_text_without_an_error(linkedin):
    urn = linkedin.urn("Open (all day) and night")
    assert linkedin.read(urn).json["commentary"] == "Open "


@pytest.mark.parametrize(
    ("commentary", "shown", "was_cut"),
    [
        ("plain text\nin two lines", "plain text\nin two lines", False),
        (r"a\_b\(c\)\\d", r"a_b(c)\d", False),
        ("#launch day", "#launch day", False),
        ("# launch", "", True),
        ("#snake_case", "#snake", True),
        (r"\#not a tag", "#not a tag", False),
        (r"{hashtag|\#|launch} day", "#launch day", False),
        ("By @[Acme Tools](urn:li:organization:1234567)!", "By Acme Tools!", False),
        ("mail me@example.com", "mail me", True),
        ("a < b", "a ", True),
        ("wait~", "wait", True),
        ("back\\slash", "back", True),
        ("end\\", "end", True),
    ],
)
def test_little_text_is_read_as_documented(commentary, shown, was_cut):
    text = twin_text.parse(commentary)
    assert (text.shown, text.was_cut) == (shown, was_cut)


@pytest.mark.parametrize(
    ("text", "status"), [("a" * 3000, 201), ("a" * 3001, 400), ("😀" * 1501, 400)]
)
def test_a_commentary_has_at_most_3000_utf16_units(linkedin, text, status):
    answer = linkedin.post(text)
    assert answer.status_code == status
    if status == 400:
        [error] = answer.json["errorDetails"]["inputErrors"]
        assert error["code"] == "FIELD_LENGTH_TOO_LONG"


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"visibility": None}, 422, "/visibility :: field is required"),
        ({"surprise": 1}, 422, "/surprise :: unrecognized field"),
        ({"commentary": 5}, 422, "/commentary"),
        ({"visibility": "SECRET"}, 400, "INVALID_VALUE_FOR_FIELD"),
        ({"visibility": "CONNECTIONS"}, 400, "INVALID_VALUE_FOR_FIELD"),
        ({"lifecycleState": "DRAFT"}, 400, "INVALID_VALUE_FOR_FIELD"),
        ({"commentary": " "}, 400, "INVALID_VALUE_BLANK_FIELD"),
        ({"author": "urn:li:group:1"}, 400, "INVALID_URN_TYPE"),
        ({"author": "urn:li:organization:abc"}, 400, "INVALID_URN_ID"),
        ({"content": {"article": {"source": "https://a.example"}}}, 422, "title"),
        (
            {"content": {"article": {"source": "ftp://a.example", "title": "A"}}},
            400,
            "INVALID_URL",
        ),
        ({"content": {"media": {"id": "urn:li:image:X"}, "poll": {}}}, 422, "union"),
        (
            {"content": {"multiImage": {"images": [{"id": "urn:li:image:X"}]}}},
            400,
            "2 to 20",
        ),
        ({"content": {"media": {"id": "urn:li:image:X"}}}, 400, "INVALID_IMAGE_ID"),
        ({"content": {"media": {"id": "urn:li:video:X"}}}, 400, "INVALID_VIDEO_ID"),
    ],
)
def test_a_wrong_body_names_what_is_wrong(linkedin, change, status, said):
    answer = linkedin.post(**change)
    assert answer.status_code == status
    assert said in answer.text
    assert linkedin.twin.posts() == []


@pytest.mark.parametrize(
    "author", ["urn:li:person:b5E6n7O8k9", "urn:li:organization:1234567"]
)
def test_nobody_posts_for_others(linkedin, author):
    answer = linkedin.post(author=author)
    assert answer.status_code == 403
    assert "[/author]" in answer.json["message"]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("CONTENT_ADMINISTRATOR", 201),
        ("DIRECT_SPONSORED_CONTENT_POSTER", 201),
        ("ANALYST", 403),
    ],
)
def test_only_some_roles_may_post(linkedin, role, status):
    made = linkedin.twin.add_account("oven", "Oven", kind="organization", role=role)
    answer = linkedin.post(token=made["access_token"], author=made["external_id"])
    assert answer.status_code == status


def test_the_same_content_is_a_duplicate_that_names_the_live_post(linkedin):
    urn = linkedin.urn("Same")
    again = linkedin.post("Same")
    assert again.status_code == 422
    assert urn in again.json["message"]
    [error] = again.json["errorDetails"]["inputErrors"]
    assert error["code"] == "DUPLICATE_POST"
    assert linkedin.post("Same", author=linkedin.member).status_code == 201
    linkedin.later(600)
    assert linkedin.post("Same").status_code == 201


def test_a_deleted_post_is_still_named_for_a_day(linkedin):
    urn = linkedin.urn("Same")
    linkedin.call("DELETE", f"/rest/posts/{quote(urn, safe='')}")
    linkedin.later(3600)
    assert urn in linkedin.post("Same").json["message"]
    linkedin.later(86400)
    assert linkedin.post("Same").status_code == 201


def test_an_article_shows_its_card_and_fetches_nothing(linkedin):
    article = {"source": "https://acme.example/a", "title": "A <b>", "description": "D"}
    urn = linkedin.urn("Read", content={"article": article})
    page = linkedin.client.get(f"/www/feed/update/{urn}/").text
    assert 'href="https://acme.example/a"' in page
    assert "A &lt;b&gt;" in page
    assert "<img" not in page
    assert linkedin.twin.posts()[0]["link"] == "https://acme.example/a"


def test_a_poll_has_a_urn_of_another_kind(linkedin):
    poll = {
        "question": "Rye?",
        "options": [{"text": "Yes"}, {"text": "No"}],
        "settings": {"duration": "THREE_DAYS"},
    }
    assert linkedin.urn(content={"poll": poll}).startswith("urn:li:ugcPost:")


# ---------------------------------------------------------------- images


def test_an_image_goes_from_waiting_to_available(linkedin):
    slot = linkedin.slot()
    path = f"/rest/images/{quote(slot['image'], safe='')}"
    assert linkedin.call("GET", path).json["status"] == "WAITING_UPLOAD"
    answer = linkedin.put(slot["uploadUrl"], picture())
    assert (answer.status_code, answer.data) == (201, b"")
    assert linkedin.call("GET", path).json["status"] == "PROCESSING"
    linkedin.later(1)
    shown = linkedin.call("GET", path).json
    assert (shown["status"], shown["owner"]) == ("AVAILABLE", linkedin.page)
    several = linkedin.call(
        "GET", f"/rest/images?ids=List({quote(slot['image'], safe='')})"
    )
    assert several.json["results"][slot["image"]]["status"] == "AVAILABLE"


def test_images_are_shown_with_their_alt_texts(linkedin):
    images = [
        {"id": linkedin.image(), "altText": "A loaf"},
        {"id": linkedin.image(), "altText": '"Rye"'},
    ]
    urn = linkedin.urn("Bread", content={"multiImage": {"images": images}})
    page = linkedin.client.get(f"/www/feed/update/{urn}/").text
    assert 'alt="A loaf"' in page
    assert 'alt="&#34;Rye&#34;"' in page
    asset = images[0]["id"].rsplit(":", 1)[-1]
    shown = linkedin.client.get(f"/www/dms/image/{asset}")
    assert (shown.content_type, shown.data) == ("image/png", picture())
    assert linkedin.twin.posts()[0]["alt_texts"] == ["A loaf", '"Rye"']


def test_one_image_may_go_without_words(linkedin):
    image = linkedin.image()
    urn = linkedin.urn("", content={"media": {"id": image, "altText": "A loaf"}})
    assert linkedin.read(urn).json["content"]["media"]["id"] == image


def test_an_image_that_was_not_uploaded_cannot_be_posted(linkedin):
    content = {"media": {"id": linkedin.slot()["image"]}}
    answer = linkedin.post(content=content)
    assert answer.status_code == 400
    assert "MEDIA_ASSET_WAITING_UPLOAD" in answer.text


def test_an_image_of_another_owner_cannot_be_posted(linkedin):
    content = {"media": {"id": linkedin.image(linkedin.member)}}
    assert "INVALID_IMAGE_ID" in linkedin.post(content=content).text


def test_a_post_with_a_failing_image_is_accepted_and_stays_invisible(linkedin):
    slot = linkedin.slot()
    linkedin.put(slot["uploadUrl"], picture("WEBP"))
    urn = linkedin.urn("Bread", content={"media": {"id": slot["image"]}})
    assert linkedin.read(urn).json["lifecycleState"] == "PUBLISH_REQUESTED"
    linkedin.later(1)
    assert linkedin.read(urn).json["lifecycleState"] == "PUBLISH_FAILED"
    assert linkedin.client.get(f"/www/feed/update/{urn}/").status_code == 404
    assert linkedin.twin.posts() == []
    again = linkedin.post("More", content={"media": {"id": slot["image"]}})
    assert "MEDIA_ASSET_PROCESSING_FAILED" in again.text


def test_an_upload_address_wants_its_signature_a_token_and_its_time(linkedin):
    url = linkedin.slot()["uploadUrl"]
    assert linkedin.put(url + "x", picture()).status_code == 403
    assert linkedin.put(url, picture(), token="").status_code == 401
    linkedin.later(86400)
    late = linkedin.put(url, picture())
    assert (late.status_code, late.json["code"]) == (400, "EXPIRED_UPLOAD_URL")


def test_a_write_only_token_cannot_read_images(linkedin):
    secret = linkedin.sign_in(SELF_SERVE)
    path = f"/rest/images/{quote(linkedin.image(), safe='')}"
    answer = linkedin.call("GET", path, secret)
    assert answer.status_code == 403
    assert answer.json["message"].startswith("Accessing this image resource is")


def test_a_content_administrator_may_be_kept_from_uploading(linkedin):
    made = linkedin.twin.add_account(
        "oven", "Oven", kind="organization", role="CONTENT_ADMINISTRATOR"
    )
    linkedin.twin.set_setting("content_admin_may_upload", False)
    answer = linkedin.call(
        "POST",
        "/rest/images?action=initializeUpload",
        made["access_token"],
        json={"initializeUploadRequest": {"owner": made["external_id"]}},
    )
    assert answer.status_code == 403


# ---------------------------------------------------------------- reading, deleting


def test_the_finder_lists_the_posts_of_a_page_newest_first(linkedin):
    urns = [linkedin.urn(f"Post {number}") for number in range(3)]
    answer = linkedin.found().json
    assert answer["paging"]["count"] == 20
    assert [post["id"] for post in answer["elements"]] == urns[::-1]


def test_a_new_post_may_show_late_in_the_finder_but_not_by_urn(linkedin):
    linkedin.twin.set_setting("finder_delay_s", 30)
    urn = linkedin.urn()
    assert linkedin.found().json["elements"] == []
    assert linkedin.read(urn).status_code == 200
    linkedin.later(31)
    assert len(linkedin.found().json["elements"]) == 1


def test_posts_of_members_are_closed(linkedin):
    urn = linkedin.urn(author=linkedin.member)
    finder = linkedin.found(author=linkedin.member)
    assert finder.status_code == linkedin.read(urn).status_code == 403
    assert finder.json["message"] == (
        "Not enough permissions to access: "
        "partnerApiPostsExternal.FINDER-author.20260901"
    )


def test_a_token_without_the_read_scope_can_still_delete(linkedin):
    urn = linkedin.urn()
    linkedin.twin.end_tokens(linkedin.page, "scope_lost:r_organization_social")
    assert linkedin.read(urn).status_code == 403
    path = f"/rest/posts/{quote(urn, safe='')}"
    method = {"X-RestLi-Method": "DELETE"}
    assert linkedin.call("DELETE", path, headers=method).status_code == 204


def test_a_post_already_gone_is_deleted_again_or_not_found(linkedin):
    path = f"/rest/posts/{quote(linkedin.urn(), safe='')}"
    assert linkedin.call("DELETE", path).status_code == 204
    assert linkedin.call("DELETE", path).status_code == 204
    linkedin.twin.set_setting("delete_gone_status", 404)
    assert linkedin.call("DELETE", path).status_code == 404
    assert linkedin.call("GET", path).status_code == 404
    assert linkedin.found().json["elements"] == []
    assert linkedin.twin.posts() == []


def test_only_the_commentary_can_be_edited(linkedin):
    urn = linkedin.urn("Tpyo")
    path = f"/rest/posts/{quote(urn, safe='')}"
    partial = {"X-RestLi-Method": "PARTIAL_UPDATE"}
    patch = {"patch": {"$set": {"commentary": "Typo"}}}
    assert linkedin.call("POST", path, json=patch).status_code == 400
    edited = linkedin.call("POST", path, json=patch, headers=partial)
    assert edited.status_code == 204
    shown = linkedin.read(urn).json
    assert shown["commentary"] == "Typo"
    assert shown["lifecycleStateInfo"] == {"isEditedByAuthor": True}
    patch["patch"]["$set"]["author"] = linkedin.member
    refused = linkedin.call("POST", path, json=patch, headers=partial)
    assert refused.status_code == 422


# ---------------------------------------------------------------- daily limits


@pytest.mark.parametrize("word", ["MEMBER", "APPLICATION"])
def test_a_daily_bucket_ends_at_midnight_utc(linkedin, word):
    linkedin.stand_at(datetime(2026, 11, 20, 23, 0, tzinfo=UTC))
    linkedin.twin.set_setting("limits", {f"POST /rest/posts {word.lower()}": 1})
    made = linkedin.twin.add_account("oven", "Oven", kind="organization")
    linkedin.secret, linkedin.page = made["access_token"], made["external_id"]
    assert linkedin.post(surprise=1).status_code == 422
    full = linkedin.post()
    assert full.status_code == 429
    assert full.json == {
        "status": 429,
        "serviceErrorCode": 101,
        "code": "TOO_MANY_REQUESTS",
        "message": f"Resource level throttle {word} DAY limit for calls to this "
        "resource is reached.",
    }
    assert "Retry-After" not in full.headers
    other = linkedin.twin.add_account("cake", "Cake", kind="organization")
    answer = linkedin.post(token=other["access_token"], author=other["external_id"])
    assert answer.status_code == (201 if word == "MEMBER" else 429)
    linkedin.later(3601)
    assert linkedin.post().status_code == 201


def test_the_pages_of_a_member_share_the_members_bucket(linkedin):
    linkedin.twin.set_setting("limits", {"POST /rest/posts member": 1})
    second = linkedin.twin.add_account(
        "cake", "Cake", kind="organization", admin=linkedin.member
    )
    assert linkedin.post().status_code == 201
    answer = linkedin.post(token=second["access_token"], author=second["external_id"])
    assert answer.status_code == 429


def test_a_member_has_150_calls_a_day_of_each_endpoint(linkedin):
    for _ in range(150):
        assert linkedin.call("GET", "/v2/me").status_code == 200
    assert linkedin.call("GET", "/v2/me").status_code == 429
    assert linkedin.call("GET", "/v2/userinfo").status_code == 200


# ---------------------------------------------------------------- the panel


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("rate_limited", 429),
        ("rate_limited_no_headers", 429),
        ("server_error", 500),
        ("bad_request_after_write", 400),
        ("duplicate", 422),
        ("version_ended", 426),
        ("app_suspended", 403),
        ("no_credits", 500),
        ("content_refused", 400),
        ("html_error", 502),
    ],
)
def test_a_fault_is_answered_in_the_words_of_linkedin(linkedin, kind, status):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/linkedin/api/rest/posts",
        "wsgi.input": io.BytesIO(),
    }
    refusal = Refusal(kind, "POST /rest/posts", 60)
    answer = linkedin.twin.refuse(Request(environ), refusal)
    assert answer.status_code == status
    assert ("Retry-After" in answer.headers) == (kind == "rate_limited")


def test_the_account_of_a_request_is_the_page_it_names_else_the_member(linkedin):
    urn = linkedin.urn()
    slot = linkedin.slot()

    def account(method: str, path: str, **more: Any) -> str:
        seen: list[str] = []

        def app(environ: Any, start: Any) -> Any:
            seen.append(linkedin.twin.account_of(Request(environ)))
            start("204 No Content", [])
            return []

        headers = {"Authorization": f"Bearer {linkedin.secret}"}
        Client(app).open(path, method=method, headers=headers, **more)
        return seen[0]

    author = {"author": linkedin.page}
    assert account("POST", "/api/rest/posts", json=author) == linkedin.page
    assert account("DELETE", f"/api/rest/posts/{quote(urn)}") == linkedin.page
    assert account("PUT", urlsplit(slot["uploadUrl"]).path) == linkedin.page
    assert account("GET", "/api/v2/userinfo") == linkedin.member


def test_an_account_can_be_added_as_a_member_or_as_a_page(linkedin):
    member = linkedin.twin.add_account("dana", "Dana Cole", kind="member")
    assert member["external_id"].startswith("urn:li:person:")
    again = linkedin.twin.add_account("dana", "Dana Cole")
    assert again["external_id"] == member["external_id"]
    page = linkedin.twin.add_account(
        "dough", "Dough", kind="organization", admin=member["external_id"]
    )
    assert page["extra"]["member"] == member["external_id"]
    with pytest.raises(ValueError):
        linkedin.twin.add_account("dana", "Dana", kind="organization")
    with pytest.raises(ValueError):
        linkedin.twin.add_account("dana", "Dana", kind="robot")


def test_a_suspended_app_is_refused_for_all(linkedin):
    linkedin.twin.set_switch("app_state", "suspended")
    assert linkedin.call("GET", "/v2/userinfo").json["code"] == "ACCESS_DENIED"


def test_the_world_survives_a_restart_and_seeding_twice(linkedin, tmp_path):
    linkedin.urn("Hello")
    again = World(tmp_path / "practice.sqlite3")
    twin = LinkedInTwin(again, "http://localhost")
    twin.seed()
    assert [post["text"] for post in twin.posts()] == ["Hello"]
    people = {person.name: person.detail for person in twin.people()}
    assert people["Acme Bakery"] == "Page of Ana Lopez"
    again.close()


# ---------------------------------------------------------------- videos, documents


def padded(data: bytes, size: int = 80_000) -> bytes:
    """The same MP4 with a box at its end that nobody reads."""
    more = size - len(data)
    return data + more.to_bytes(4, "big") + b"free" + bytes(more - 8)


FILM = padded(video(45, size=(192, 144)), 4_194_304 + 1000)


class Film:
    """A video on its way to one Page (or, with a token, of its member)."""

    def __init__(self, network: Network, size: int, owner: str = "", token=None):
        self.network, self.token = network, token
        asked = {"owner": owner or network.page, "fileSizeBytes": size}
        answer = self.act("initializeUpload", asked)
        assert answer.status_code == 200, answer.text
        value = answer.json["value"]
        self.urn = value["video"]
        self.upload_token = value["uploadToken"]
        self.parts = value["uploadInstructions"]

    def act(self, action: str, body: dict[str, Any]) -> TestResponse:
        path = f"/rest/videos?action={action}"
        body = {f"{action}Request": body}
        return self.network.call("POST", path, self.token, json=body)

    def put(self, number: int, data: bytes, secret: str = "") -> TestResponse:
        return self.network.put(self.parts[number]["uploadUrl"], data, secret)

    def send(self, data: bytes) -> list[str]:
        etags = []
        for number, part in enumerate(self.parts):
            piece = data[part["firstByte"] : part["lastByte"] + 1]
            answer = self.put(number, piece)
            assert answer.status_code == 200, answer.text
            etags.append(answer.headers["ETag"].strip('"'))
        return etags

    def finish(self, etags: list[str]) -> int:
        body = {"video": self.urn, "uploadToken": self.upload_token}
        answer = self.act("finalizeUpload", {**body, "uploadedPartIds": etags})
        return answer.status_code

    def state(self) -> TestResponse:
        path = f"/rest/videos/{quote(self.urn, safe='')}"
        return self.network.call("GET", path, self.token)


def test_a_video_goes_in_parts_and_is_worked_on(linkedin):
    film = Film(linkedin, len(FILM))
    bounds = [(part["firstByte"], part["lastByte"]) for part in film.parts]
    assert bounds == [(0, 4_194_303), (4_194_304, len(FILM) - 1)]
    assert film.put(0, FILM[:4_194_304], linkedin.secret).status_code == 403
    assert film.put(1, b"too short").status_code == 400
    first = film.send(FILM)
    etags = film.send(FILM)
    assert first != etags
    for wrong in (first, etags[::-1], etags[:1], [f'"{etag}"' for etag in etags]):
        assert film.finish(wrong) == 400
    media = {"media": {"id": film.urn, "title": "Loaf"}}
    early = linkedin.post("", content=media).json["errorDetails"]["inputErrors"][0]
    assert early["code"] == "MEDIA_ASSET_WAITING_UPLOAD"
    assert film.finish(etags) == film.finish(etags) == 200
    assert film.state().json["status"] == "PROCESSING"
    working = linkedin.post("", content=media)
    assert working.status_code == 422
    assert "still processing" in working.json["message"]
    linkedin.later(5)
    assert film.state().json["status"] == "AVAILABLE"
    assert linkedin.urn("", content=media).startswith("urn:li:ugcPost:")
    (post,) = linkedin.twin.posts()
    assert post["media_kinds"] == ["video"]
    assert post["media_sha256"] == [hashlib.sha256(FILM).hexdigest()]
    linkedin.twin.set_switch("finalize_again", "refused")
    assert film.finish(etags) == 400


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (padded(video(15)), "DURATION_OUT_OF_RANGE"),
        (video(45), "FILE_SIZE_OUT_OF_RANGE"),
        (padded(video(45, size=(160, 16))), "DIMENSIONS_UNSUPPORTED"),
        (padded(b"no video at all"), "VIDEO_FORMAT_UNSUPPORTED"),
    ],
)
def test_what_is_wrong_with_a_video_is_said_after_the_work(linkedin, data, reason):
    film = Film(linkedin, len(data))
    assert film.finish(film.send(data)) == 200
    linkedin.later(5)
    shown = film.state().json
    assert (shown["status"], shown["processingFailureReason"]) == (
        "PROCESSING_FAILED",
        reason,
    )
    answer = linkedin.post("", content={"media": {"id": film.urn}})
    (error,) = answer.json["errorDetails"]["inputErrors"]
    assert error["code"] == "MEDIA_ASSET_PROCESSING_FAILED"


def test_a_member_may_be_kept_from_reading_a_video(linkedin):
    secret = linkedin.sign_in(SELF_SERVE)
    me = "urn:li:person:a1B2c3D4e5"
    film = Film(linkedin, 5, me, secret)
    assert film.state().json["status"] == "WAITING_UPLOAD"
    linkedin.twin.set_switch("members_read", "no")
    assert film.state().status_code == 403
    refused = film.act("initializeUpload", {"owner": linkedin.page, "fileSizeBytes": 5})
    assert refused.status_code == 403


def test_the_address_of_a_part_ends(linkedin):
    film = Film(linkedin, 5)
    linkedin.later(2_592_001)
    late = film.put(0, b"VIDEO")
    assert (late.status_code, late.json["code"]) == (400, "EXPIRED_UPLOAD_URL")
    url = film.parts[0]["uploadUrl"]
    assert linkedin.put(f"{url}x", b"VIDEO", "").status_code == 403


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"PK\x03\x04 a DOCX", "AVAILABLE"), (b"%PDF-1.7 cut", "PROCESSING_FAILED")],
)
def test_a_document_needs_a_title(linkedin, data, status):
    body = {"initializeUploadRequest": {"owner": linkedin.page}}
    path = "/rest/documents?action=initializeUpload"
    slot = linkedin.call("POST", path, json=body).json["value"]
    assert linkedin.put(slot["uploadUrl"], data, "").status_code == 401
    assert linkedin.put(slot["uploadUrl"], data).status_code == 201
    linkedin.later(1)
    urn = slot["document"]
    shown = linkedin.call("GET", f"/rest/documents/{quote(urn, safe='')}").json
    assert shown["status"] == status
    if status == "AVAILABLE":
        assert linkedin.post("", content={"media": {"id": urn}}).status_code == 422
        titled = {"media": {"id": urn, "title": "Guide"}}
        assert linkedin.urn("", content=titled).startswith("urn:li:ugcPost:")
        (post,) = linkedin.twin.posts()
        assert post["media_kinds"] == ["document"]


# ---------------------------------------------------------------- events


def test_events_of_a_page_are_its_administrators_in_an_app_that_may(linkedin):
    def key(number="200117777", who=linkedin.member, page=linkedin.page):
        return (
            f"/rest/eventSubscriptions/(developerApplication:urn%3Ali%3A"
            f"developerApplication%3A{number},user:{quote(who, safe='')},"
            f"entity:{quote(page, safe='')},"
            "eventType:ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS)"
        )

    def ask(where):
        hook = {"webhook": "http://127.0.0.1:9/hooks"}
        return linkedin.call("PUT", where, json=hook).status_code

    assert linkedin.call("GET", key()).status_code == 404
    assert ask(key(number="1")) == 403
    assert ask(key(who="urn:li:person:somebody")) == 403
    assert ask(key(page="urn:li:organization:1234567")) == 403
    linkedin.twin.set_setting("tier", "development")
    assert ask(key()) == 403
    linkedin.twin.set_setting("tier", "share")
    assert ask(key()) == 204
    told = linkedin.call("GET", key()).json
    assert told["webhook"] == "http://127.0.0.1:9/hooks"
    assert told["expiresAt"] > linkedin.twin.time_ms()
    assert linkedin.call("DELETE", key()).status_code == 204
    assert linkedin.call("GET", key()).status_code == 404
    linkedin.twin.wait_for_hooks()
