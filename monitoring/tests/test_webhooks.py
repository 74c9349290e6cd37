"""Chat rooms and programs: what arrives, how it is signed, and what is never called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from django.utils import timezone

from accounts.models import Brand, Credential
from monitoring import incidents, sending, webhooks
from monitoring.models import Alert, AlertChannel, Incident

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]

ROOM = "https://hooks.chat.example/services/T0/B0/room-key"
PROGRAM = "https://ops.example/incoming"


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def room() -> AlertChannel:
    return AlertChannel.objects.create(name="Room", kind="slack", url=ROOM)


@pytest.fixture
def program() -> AlertChannel:
    return AlertChannel.objects.create(
        name="Program", kind="webhook", url=PROGRAM, secret="s3cret"
    )


@pytest.fixture
def account(make_account: Any) -> Any:
    return make_account("scripted", "a")


def break_it() -> None:
    Credential.objects.update(
        state="broken", cause="token_revoked", broken_at=timezone.now()
    )


def run(minutes: float = 0) -> None:
    now = timezone.now() + timedelta(minutes=minutes)
    incidents.review(now)
    sending.send_to_channels(now)


def bodies(wire: responses.RequestsMock) -> list[Any]:
    return [json.loads(call.request.body) for call in wire.calls]


def test_the_signature_is_hmac_sha256_over_timestamp_and_body() -> None:
    # printf '1796000000.{"a":1}' | openssl dgst -sha256 -hmac s3cret
    assert webhooks.sign("s3cret", "1796000000", b'{"a":1}') == (
        "v1=649ca62e19447ba11a46d1752a8e194c44ddd8c78dfd0b1c0c9c81710894705b"
    )


def test_a_program_gets_signed_events_and_no_event_twice(
    account: Any, program: Any, wire: Any, make_delivery: Any
) -> None:
    wire.post(PROGRAM, json={})
    late = make_delivery(account, due_in=timedelta(hours=30))
    break_it()
    run()
    run(1)
    (call,) = wire.calls
    headers, body = call.request.headers, call.request.body
    doc = json.loads(body)
    alert = Alert.objects.get(channel=program)
    assert headers["X-SocialHub-Event"] == doc["type"] == "opened"
    assert headers["X-SocialHub-Id"] == doc["id"] == alert.event_id
    stamp = headers["X-SocialHub-Timestamp"]
    assert headers["X-SocialHub-Signature"] == webhooks.sign("s3cret", stamp, body)
    incident = doc["incident"]
    assert (incident["cause"], incident["post_count"]) == ("token_revoked", 1)
    assert incident["first_due_at"] == late.due_at.isoformat()
    assert [one["name"] for one in doc["accounts"]] == ["Acme Tools"]
    assert doc["action"]["url"].endswith(f"/accounts/{account.pk}/reconnect/")
    Credential.objects.update(state="active", cause="")
    run(2)
    run(3)
    assert [doc["type"] for doc in bodies(wire)] == ["opened", "resolved"]


def test_a_program_hears_which_permission_is_missing(
    make_account: Any, program: Any, wire: Any
) -> None:
    wire.post(PROGRAM, json={})
    scopes = ["tweet.read", "users.read", "media.write", "offline.access"]
    make_account("x", "a", scopes=scopes)
    Credential.objects.update(
        state="broken", cause="scope_missing", broken_at=timezone.now()
    )
    run()
    (doc,) = bodies(wire)
    missing = "Missing: tweet.write (create and delete posts)."
    assert doc["incident"]["sentence"].endswith(missing)
    Credential.objects.update(state="active", cause="")
    run(1)
    assert "Missing" not in bodies(wire)[1]["incident"]["sentence"]


def test_a_chat_room_gets_text_and_blocks_in_which_nobody_is_called(
    account: Any, room: Any, wire: Any
) -> None:
    wire.post(ROOM, body="ok")
    account.name = "<!channel> & <https://evil.example|click>"
    account.save()
    break_it()
    run()
    (doc,) = bodies(wire)
    assert "&lt;!channel&gt; &amp; " in doc["text"]
    assert "<!channel>" not in doc["text"] + doc["blocks"][1]["text"]["text"]
    header, _section, actions = doc["blocks"]
    assert header["text"]["type"] == "plain_text"
    assert actions["elements"][0]["url"].startswith("http://testserver/accounts/")
    assert "X-SocialHub-Signature" not in wire.calls[0].request.headers


@pytest.mark.parametrize(
    ("name", "slack", "markdown"),
    [
        ("a_b*c*~d~ `e` #f", "a_b*c*~d~ `e` #f", r"a\_b\*c\*\~d\~ \`e\` \#f"),
        ("@all @here", "@\u200ball @\u200bhere", "@\u200ball @\u200bhere"),
        ("[x](http://evil)", "[x]\u200b(http://evil)", "[x]\u200b(http://evil)"),
        ("<!channel> &", "&lt;!channel&gt; &amp;", "&lt;!channel&gt; &amp;"),
        ("back\\*slash", "back\\*slash", r"back\\\*slash"),
        ("two\n# lines", "two\n# lines", r"two \# lines"),
    ],
)
def test_each_dialect_shows_a_name_as_it_was_written(
    name: str, slack: str, markdown: str
) -> None:
    assert webhooks.escaped(name) == slack
    assert webhooks.in_markdown(name) == markdown


def test_a_room_that_reads_markdown_gets_one_text_with_its_link(
    make_tree: Any, room: Any, wire: Any
) -> None:
    AlertChannel.objects.update(kind=AlertChannel.Kind.MARKDOWN)
    wire.post(ROOM, body="ok")
    tree = make_tree(pages=20)
    for page in tree.pages:
        page.name = "@all " + "_" * 180
        page.save()
    tree.kill_all()
    run()
    (doc,) = bodies(wire)
    assert doc.keys() == {"text"}
    head, *_lines, link = doc["text"].split("\n")
    assert head.startswith("**20 accounts of ")
    assert link.startswith("[Reconnect](http://testserver/accounts/")
    assert "@all" not in doc["text"]
    assert len(doc["text"]) < 4000, "Mattermost's older servers take no more"


def test_a_long_message_fits_the_room(make_tree: Any, room: Any, wire: Any) -> None:
    wire.post(ROOM, body="ok")
    tree = make_tree(pages=20)
    for page in tree.pages:
        page.name = "<" * 190
        page.save()
    tree.kill_all()
    run()
    text = bodies(wire)[0]["blocks"][1]["text"]["text"]
    assert len(text) <= 3000
    assert text.endswith("&gt;\n…") or text.endswith("…")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 500, "body": "oops"}, "It answered 500: oops"),
        ({"status": 404, "body": f"no {ROOM}"}, "It answered 404: no [removed]"),
        (
            {"status": 302, "headers": {"Location": "http://127.0.0.1/"}},
            "redirect (302), which is not followed",
        ),
        ({"body": requests.ReadTimeout()}, "It did not answer in time."),
        ({"body": requests.ConnectionError()}, "It cannot be reached."),
        ({"body": "x" * 70_000}, "Its answer is too long."),
    ],
)
def test_a_channel_that_fails_is_shown_and_tried_again_as_the_same_event(
    account: Any, room: Any, wire: Any, answer: Any, words: str
) -> None:
    wire.post(ROOM, **answer)
    break_it()
    run()
    room.refresh_from_db()
    assert words in room.last_error
    assert "room-key" not in room.last_error
    alert = Alert.objects.get(channel=room)
    assert (alert.sent_at, alert.tries) == (None, 1)
    run(0.5)
    wire.assert_call_count(ROOM, 1)
    wire.replace(responses.POST, ROOM, body="ok")
    run(2)
    room.refresh_from_db()
    assert room.last_error == ""
    assert room.last_ok_at
    wire.assert_call_count(ROOM, 2)


def test_a_room_that_asks_for_time_gets_it(account: Any, room: Any, wire: Any) -> None:
    wire.post(ROOM, status=429, headers={"Retry-After": "900"})
    break_it()
    run()
    run(14)
    wire.assert_call_count(ROOM, 1)
    run(16)
    wire.assert_call_count(ROOM, 2)


def test_a_dead_channel_is_called_once_a_run_and_holds_nobody_up(
    account: Any, make_account: Any, room: Any, program: Any, wire: Any
) -> None:
    make_account("scripted", "b", name="Beta")
    wire.post(ROOM, body=requests.ConnectTimeout())
    wire.post(PROGRAM, json={})
    break_it()
    run()
    wire.assert_call_count(ROOM, 1)
    wire.assert_call_count(PROGRAM, 2)


def test_what_is_over_when_a_channel_comes_back_is_not_told(
    account: Any, room: Any, wire: Any
) -> None:
    wire.post(ROOM, status=503)
    break_it()
    run()
    Credential.objects.update(state="active", cause="")
    run(5)
    run(200)
    wire.assert_call_count(ROOM, 1)


def test_a_channel_of_one_brand_hears_of_that_brand_only(
    account: Any, make_account: Any, room: Any, wire: Any
) -> None:
    other = Brand.objects.create(name="Globex")
    room.brand = other
    room.save()
    beta = make_account("scripted", "b", name="Beta")
    beta.brand, beta.credential = other, account.credential
    beta.save()
    wire.post(ROOM, body="ok")
    break_it()
    run()
    run(1)
    (doc,) = bodies(wire)
    assert "Beta" in doc["text"]
    assert "Acme Tools" not in json.dumps(doc)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.chat.example/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://10.0.0.8/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "file:///etc/passwd",
        "gopher://hooks.chat.example/x",
    ],
)
def test_addresses_inside_are_not_called(room: AlertChannel, url: str) -> None:
    room.url = url
    with pytest.raises(webhooks.Refused):
        webhooks.post(room, *webhooks.test_event(room))


def test_a_private_address_is_called_only_where_it_is_allowed(
    room: AlertChannel, settings: Any, wire: Any
) -> None:
    room.url = "http://127.0.0.1:9/x"
    wire.post(room.url, body="ok")
    with pytest.raises(webhooks.Refused):
        webhooks.post(room, *webhooks.test_event(room))
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1:9"]
    webhooks.post(room, *webhooks.test_event(room))
    wire.assert_call_count(room.url, 1)


def test_a_switched_off_channel_forgets_what_waits(account: Any, room: Any) -> None:
    break_it()
    incidents.review()
    assert Alert.objects.filter(channel=room).count() == 1
    room.switch(on=False)
    assert not Alert.objects.filter(channel=room).exists()


def test_an_address_is_not_readable_in_the_table(room: AlertChannel) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT url FROM monitoring_alertchannel")
        assert "room-key" not in cursor.fetchone()[0]
    assert room.host == "hooks.chat.example"


def test_each_notice_is_an_event(make_account: Any, program: Any, wire: Any) -> None:
    ends = datetime(2027, 1, 31, 12, tzinfo=UTC)
    make_account("scripted", "a", expires_at=ends)
    Credential.objects.update(issued_at=ends - timedelta(days=60))
    wire.post(PROGRAM, json={})
    from monitoring import notices

    for days in (21, 14):
        now = ends - timedelta(days=days)
        notices.tell(now)
        sending.send_to_channels(now)
    docs = bodies(wire)
    assert [doc["incident"]["days_left"] for doc in docs] == [21, 14]
    assert len({doc["id"] for doc in docs}) == 2
    assert Incident.objects.get().kind == "ends"
    # What is to come is not told as over.
    (first, _second) = (doc["incident"] for doc in docs)
    assert first["head"] == "Access ends on 31 Jan 2027"
    assert "this one ends " in first["sentence"]
