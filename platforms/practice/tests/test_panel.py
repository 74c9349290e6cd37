from __future__ import annotations

import re

import pytest
import requests


@pytest.fixture
def browser():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def token_of(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found
    return found.group(1)


def test_the_front_page_shows_everything_and_escapes_it(server, browser):
    page = browser.get(f"{server.url}/").text
    for words in ("What goes wrong", "Clock", "People and pages", "Start anew"):
        assert words in page
    assert "&lt;b&gt;Ana&lt;/b&gt;" in page
    assert "<b>Ana</b>" not in page
    assert "<script" not in page


def test_every_field_has_a_label(server, browser):
    page = browser.get(f"{server.url}/panel/toy").text
    page += browser.get(f"{server.url}/").text
    for id in re.findall(r'<(?:input|select) id="([^"]+)"', page):
        assert f'for="{id}"' in page


def test_a_form_without_the_page_s_token_is_refused(server, browser):
    url = f"{server.url}/panel/tokens"
    fields = {"platform": "toy", "account": "1", "how": "revoke"}
    assert browser.post(url, data=fields).status_code == 403
    form_token = token_of(browser.get(f"{server.url}/").text)
    wrong = {**fields, "form_token": form_token + "x"}
    assert browser.post(url, data=wrong).status_code == 403
    assert server.twins["toy"].get("ended", "1") is None
    done = browser.post(url, data={**fields, "form_token": form_token})
    assert done.status_code == 200
    assert "Done. Our product learns of it" in done.text
    assert server.twins["toy"].get("ended", "1") == {"how": "revoke"}


def test_a_person_lets_something_go_wrong_and_takes_it_off(server, browser):
    form_token = token_of(browser.get(f"{server.url}/").text)
    page = browser.post(
        f"{server.url}/panel/faults",
        data={
            "form_token": form_token,
            "platform": "toy",
            "kind": "drop_answer",
            "call": "",
            "account": "",
            "times": "1",
            "seconds": "",
            "retry_after_s": "",
            "status": "",
        },
    )
    assert "The fault is on." in page.text
    assert "Accept and drop the answer" in page.text
    (fault,) = server.faults.active()
    assert (fault.call, fault.left) == ("commit", 1)
    browser.post(
        f"{server.url}/panel/faults/remove",
        data={"form_token": form_token, "id": fault.id},
    )
    assert server.faults.active() == []


def test_a_form_leads_back_to_the_page_that_it_stood_on(server, browser):
    form_token = token_of(browser.get(f"{server.url}/panel/toy").text)
    fields = {"platform": "toy", "account": "1", "how": "expire", "back": "toy"}
    url = f"{server.url}/panel/tokens"
    answer = browser.post(url, data={**fields, "form_token": form_token})
    assert answer.url == f"{server.url}/panel/toy?done=tokens"
    elsewhere = {**fields, "form_token": form_token, "back": "//evil.example"}
    answer = browser.post(url, data=elsewhere)
    assert answer.url == f"{server.url}/?done=tokens"


def test_starting_anew_forgets_and_seeds(server, browser, http):
    http.post(f"{server.url}/toy/say", data="old")
    form_token = token_of(browser.get(f"{server.url}/").text)
    url = f"{server.url}/panel/reset"
    assert browser.post(url, data={"form_token": form_token}).status_code == 400
    assert len(server.twins["toy"].posts()) == 1
    browser.post(url, data={"form_token": form_token, "sure": "yes"})
    assert server.twins["toy"].posts() == []
    assert [p.name for p in server.twins["toy"].people()] == ["Ana"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/faults"),
        ("DELETE", "/api/faults"),
        ("POST", "/api/tokens"),
        ("POST", "/api/accounts"),
        ("POST", "/api/clock"),
        ("POST", "/api/switches"),
        ("POST", "/api/reset"),
    ],
)
def test_a_foreign_page_cannot_change_anything(server, browser, method, path):
    answer = browser.request(method, server.url + path, json={})
    assert answer.status_code == 403


def test_a_foreign_name_that_leads_here_is_not_answered(server, browser):
    answer = browser.get(f"{server.url}/api/apps", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert "toy-secret" not in answer.text


def test_a_browser_that_says_localhost_is_led_to_the_pages_own_address(server, browser):
    other = server.url.replace("127.0.0.1", "localhost")
    answer = browser.get(f"{other}/panel/toy?done=tokens", allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{server.url}/panel/toy?done=tokens"
    answer = browser.get(f"{other}/toy/page", allow_redirects=False)
    assert answer.headers["Location"] == f"{server.url}/toy/page"
    for path in ("/toy/heard", "/healthz", "/api/state"):
        answer = browser.get(other + path, allow_redirects=False)
        assert answer.status_code == 200


def test_programs_read_the_state(server, http):
    http.post(f"{server.url}/toy/say", data="hello", headers={"X-Account": "1"})
    state = http.get(f"{server.url}/api/state").json()
    assert state["platforms"]["toy"]["posts"] == 1
    assert state["platforms"]["toy"]["people"][0]["name"] == "Ana"
    (post,) = http.get(f"{server.url}/api/posts?platform=toy").json()["posts"]
    assert (post["platform"], post["text"]) == ("toy", "hello")
    assert http.get(f"{server.url}/api/posts?platform=none").status_code == 404
    apps = http.get(f"{server.url}/api/apps").json()
    assert apps == {"toy": {"client_id": "toy-id", "client_secret": "toy-secret"}}


def test_programs_add_accounts_and_end_tokens(server, http):
    made = http.post(
        f"{server.url}/api/accounts",
        json={"platform": "toy", "handle": "ben", "name": "Ben"},
    )
    assert (made.status_code, made.json()) == (201, {"external_id": "ben"})
    url = f"{server.url}/api/tokens"
    body = {"platform": "toy", "account": "ben", "how": "revoke"}
    assert http.post(url, json=body).json() == {"touched": 1}
    refused = http.post(url, json={**body, "how": "explode"})
    assert (refused.status_code, refused.json()) == (
        400,
        {"error": "Toy has no explode"},
    )


def test_programs_shift_the_clock(server, http):
    answer = http.post(f"{server.url}/api/clock", json={"shift_s": 86_400})
    assert answer.json()["shift_s"] == 86_400
    http.post(f"{server.url}/toy/say", data="tomorrow")
    (line,) = http.get(f"{server.url}/api/record").json()["record"]
    (post,) = server.twins["toy"].posts()
    assert line["arrived_at"] == post["arrived_at"]
    assert line["arrived_at"][:10] == answer.json()["now"][:10]
    for bad in ("soon", "nan", 1e12):
        answer = http.post(f"{server.url}/api/clock", json={"shift_s": bad})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "fire", "platform": "toy"},
        {"kind": "cut", "platform": "nowhere"},
        {"kind": "cut", "platform": "toy", "seconds": 3},
        {"kind": "cut", "platform": "toy", "times": 0},
        {"kind": "cut", "platform": "toy", "times": "often"},
        {"kind": "latency", "platform": "toy", "seconds": "long"},
        {"kind": "latency", "platform": "toy", "seconds": -1},
        {"kind": "latency", "platform": "toy", "seconds": "nan"},
        {"kind": "server_error", "platform": "toy", "status": 404},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(server, http, fault):
    answer = http.post(f"{server.url}/api/faults", json=fault)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert server.faults.active() == []


def test_all_faults_go_at_once(server, http):
    for kind in ("cut", "latency"):
        http.post(f"{server.url}/api/faults", json={"platform": "toy", "kind": kind})
    assert http.delete(f"{server.url}/api/faults").json() == {"removed": 2}
    assert http.delete(f"{server.url}/api/faults/none").status_code == 404
