"""Events of X, LinkedIn and YouTube: the questions that come before, signatures as their
sheets have them, and what is granted for a time only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.hook_addresses import addresses, verify_token
from accounts.models import Credential
from monitoring import platform_hooks, subscribing
from monitoring.models import HookAddress, HookSubscription, Watch, WebhookEvent
from platforms.linkedin.twin import CLIENT_SECRET
from platforms.practice.server import TWINS, start_practice
from platforms.x.twin_events import CONSUMER_SECRET
from publishing.models import Delivery

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
SECRET = "s3cret"


@pytest.fixture(autouse=True)
def no_queue(monkeypatch):
    monkeypatch.setattr("monitoring.hook_views.async_task", lambda *a, **k: None)


def post(slug, body, name, value, network="live"):
    url = reverse("platform_hook", args=[network, slug])
    headers = {name: value} if name else {}
    return Client().post(url, body, content_type="application/json", headers=headers)


def in_base64(body: bytes, secret: str = SECRET) -> str:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return "sha256=" + base64.b64encode(digest).decode()


def in_hex(body: bytes, secret: str = SECRET) -> str:
    signed = b"hmacsha256=" + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@pytest.fixture
def watched(make_account, make_delivery):
    """A post that is out and will be read in an hour."""

    def make(slug, account_id, post_id):
        account = make_account(slug, account_id)
        app = account.credential.app
        app.client_secret = "other" if app.spec.hook_secret_name else SECRET
        app.hook_secret = SECRET if app.spec.hook_secret_name else ""
        app.save()
        delivery = make_delivery(account)
        now = timezone.now()
        Delivery.objects.filter(pk=delivery.pk).update(
            status="published", external_id=post_id, published_at=now - HOUR
        )
        return Watch.objects.create(
            delivery=delivery,
            next_at=now + HOUR,
            read_at=now - HOUR,
            comments_read_at=now - HOUR,
        )

    return make


def notice(**changes):
    """A batch as LinkedIn sends it."""
    one = {
        "notificationId": 2170001,
        "organizationalEntity": "urn:li:organization:1234567",
        "action": "COMMENT",
        "sourcePost": "urn:li:activity:7295588490000000000",
        "decoratedSourcePost": {"entity": "urn:li:share:7295588489876647936"},
        "lastModifiedAt": 1795000100000,
        **changes,
    }
    return json.dumps({"type": "ORGANIZATION_SOCIAL_ACTION", "notifications": [one]})


def x_event(kind, payload, uuid="2080761390344937796"):
    asked = {"user_id": "1234500001"}
    data = {"event_uuid": uuid, "filter": asked, "event_type": kind, "payload": payload}
    return json.dumps({"data": data})


CASES = {
    "linkedin": (
        "linkedin",
        "urn:li:organization:1234567",
        "urn:li:share:7295588489876647936",
        notice(),
        "X-LI-Signature",
        in_hex,
        True,
    ),
    "linkedin like": (
        "linkedin",
        "urn:li:organization:1234567",
        "urn:li:share:7295588489876647936",
        notice(action="LIKE"),
        "X-LI-Signature",
        in_hex,
        False,
    ),
    "x deleted": (
        "x",
        "1234500001",
        "2080761390344937796",
        x_event("post.delete", {"id": "2080761390344937796"}),
        "X-Twitter-Webhooks-Signature",
        in_base64,
        False,
    ),
    "x reply": (
        "x",
        "1234500001",
        "208",
        x_event("post.reply.create", {"id": "9", "conversation_id": "208"}),
        "X-Twitter-Webhooks-Signature",
        in_base64,
        True,
    ),
}


@pytest.mark.trap("linkedin", 15)
@pytest.mark.parametrize("case", CASES)
def test_an_event_comes_often_late_or_never_and_is_one_look(watched, case):
    slug, account_id, post_id, text, header, sign, comments = CASES[case]
    watch, body = watched(slug, account_id, post_id), text.encode()
    for _time in range(3):
        assert post(slug, body, header, sign(body)).status_code == 200
    assert WebhookEvent.objects.count() == 1
    now = timezone.now()
    assert platform_hooks.handle(now) == 1
    watch.refresh_from_db()
    assert watch.next_at <= now
    assert (watch.comments_read_at is None) is comments
    # Again when its post was read meanwhile: nothing more.
    assert post(slug, body, header, sign(body)).status_code == 200
    assert platform_hooks.handle(now) == 0


@pytest.mark.parametrize("case", CASES)
def test_what_is_signed_otherwise_is_refused_told_and_not_kept(
    watched, case, admin_client
):
    slug, account_id, post_id, text, header, sign, _comments = CASES[case]
    watch, body = watched(slug, account_id, post_id), text.encode()
    for name, value in (
        (header, sign(body, "x")),
        (header, sign(body + b" ")),
        ("", ""),
    ):
        assert post(slug, body, name, value).status_code == 403
    assert not WebhookEvent.objects.exists()
    app = watch.delivery.account.credential.app
    assert HookAddress.objects.get(app=app).refused_why
    # Who calls again and again costs no write each time.
    with CaptureQueriesContext(connection) as seen:
        assert post(slug, body, "", "").status_code == 403
    assert not [q for q in seen if not q["sql"].startswith("SELECT")]
    page = admin_client.get(reverse("platform_app_edit", args=[app.pk]))
    assert "No event has arrived yet." in page.content.decode()
    assert "One was refused (the signature is another app" in page.content.decode()


def test_access_that_x_tells_of_is_proven_and_not_believed(watched):
    watch = watched("x", "1234500001", "1")
    row = Credential.objects.filter(pk=watch.delivery.account.credential_id)
    row.update(next_proof_at=timezone.now() + HOUR, looked_at=None)
    body = x_event("oauth.revoke", {"user_id": "1234500001"}).encode()
    post("x", body, "X-Twitter-Webhooks-Signature", in_base64(body))
    platform_hooks.handle()
    assert row.get().next_proof_at <= timezone.now()
    assert row.get().is_active


def test_nonsense_that_is_signed_costs_nothing(watched):
    for slug, sign, header in (
        ("x", in_base64, "X-Twitter-Webhooks-Signature"),
        ("linkedin", in_hex, "X-LI-Signature"),
    ):
        watched(slug, f"{slug}-1", "1")
        for body in (
            b"[]",
            b"{",
            b'{"data": [1]}',
            b'{"data": {"event_uuid": "1"}}',
            b'{"notifications": [[], {"action": "COMMENT", "decoratedSourcePost": 3}]}',
        ):
            assert post(slug, body, header, sign(body)).status_code in (200, 403)
    assert not WebhookEvent.objects.exists()


def test_each_question_is_answered_as_its_platform_wants(watched, admin_client):
    watched("x", "1", "1")
    watched("linkedin", "2", "2")
    url = reverse("platform_hook", args=["live", "x"])
    answer = Client().get(url, {"crc_token": "abc"})
    assert answer.json() == {"response_token": in_base64(b"abc")}
    assert answer["Content-Type"] == "application/json"
    url = reverse("platform_hook", args=["live", "linkedin"])
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    answer = Client().get(url, {"challengeCode": code, "applicationId": "7"})
    digest = hmac.new(SECRET.encode(), code.encode(), hashlib.sha256).hexdigest()
    assert answer.json() == {"challengeCode": code, "challengeResponse": digest}
    assert Client().get(url, {"crc_token": "abc"}).status_code == 403
    app = HookAddress.objects.get(app__platform="linkedin").app
    page = admin_client.get(reverse("platform_app_edit", args=[app.pk]))
    assert "It asked whether the address is ours" in page.content.decode()


def test_no_question_has_an_event_signed(watched):
    """Anybody may ask, and the answer is made of the secret that signs events."""
    watched("x", "1", "1")
    watched("linkedin", "2", "2")
    event = json.dumps({"data": {"event_uuid": "1", "event_type": "oauth.revoke"}})
    for slug, asked in (
        ("x", {"crc_token": event}),
        ("linkedin", {"challengeCode": 'hmacsha256={"notifications":[]}'}),
    ):
        url = reverse("platform_hook", args=["live", slug])
        assert Client().get(url, asked).status_code == 403


def test_x_sends_nothing_until_its_own_secret_is_entered(watched, admin_client):
    app = watched("x", "1", "1").delivery.account.credential.app
    app.hook_secret = ""
    app.save()
    url = reverse("platform_hook", args=["live", "x"])
    assert Client().get(url, {"crc_token": "abc"}).status_code == 404
    page = reverse("platform_app_edit", args=[app.pk])
    assert "None is taken until this is entered" in (
        admin_client.get(page).content.decode()
    )
    admin_client.post(
        page, {"client_id": "client", "state": "active", "hook_secret": "key-secret"}
    )
    assert Client().get(url, {"crc_token": "abc"}).status_code == 200
    assert "key-secret" not in admin_client.get(page).content.decode()


# ---------------------------------------------------------------- asked for by account


class Ours(BaseHTTPRequestHandler):
    """Our own address, over the wire; what came is kept for the test to hand in."""

    secret = CLIENT_SECRET.encode()
    asked: list[dict[str, str]] = []
    got: list[tuple[bytes, dict[str, str]]] = []

    def do_GET(self):
        query = dict(parse_qsl(urlsplit(self.path).query))
        self.asked.append(query)
        if token := query.get("crc_token"):
            words = {"response_token": in_base64(token.encode(), CONSUMER_SECRET)}
            self._say(json.dumps(words).encode())
        elif code := query.get("challengeCode"):
            digest = hmac.new(self.secret, code.encode(), hashlib.sha256).hexdigest()
            words = {"challengeCode": code, "challengeResponse": digest}
            self._say(json.dumps(words).encode())
        else:
            self._say(query["hub.challenge"].encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((body, dict(self.headers)))
        self._say(b"")

    def _say(self, words):
        self.send_response(200)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format, *args): ...


@pytest.fixture(scope="module")
def practice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("practice")
    twins = {slug: TWINS[slug] for slug in ("youtube", "linkedin", "x")}
    server = start_practice(folder, twins=twins)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Ours) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def channel(practice, site, settings, make_account):
    settings.SITE_URL, settings.PRACTICE_NETWORK_URL = site, practice.url
    Ours.asked.clear()
    Ours.got.clear()
    requests.post(
        f"{practice.url}/api/reset", json={}, headers={"X-Practice": "1"}, timeout=10
    )
    account = make_account("youtube", "UCabc12345")
    app = account.credential.app
    app.network = account.network = "practice"
    app.save()
    account.save()
    return account


def ask(query):
    return Client().get(reverse("platform_hook", args=["practice", "youtube"]), query)


def test_events_of_a_channel_are_asked_for_granted_and_renewed(channel, practice):
    now, twin = timezone.now(), practice.twins["youtube"]
    assert subscribing.keep(now) == 1
    twin.wait_for_hooks()
    (question,) = Ours.asked
    assert question["token"] == verify_token("youtube", "practice")
    answer = ask(question)
    assert (answer.status_code, answer.content) == (
        200,
        question["hub.challenge"].encode(),
    )
    row = HookSubscription.objects.get()
    assert row.tries == 0
    lease = (row.ends_at - row.granted_at).total_seconds()
    assert lease == pytest.approx(432_000)
    assert row.granted_at < row.next_at < row.ends_at
    assert subscribing.keep(now) == 0  # nothing is due
    assert subscribing.keep(row.next_at) == 1
    with practice.world.transaction():
        assert len(twin.subscriptions(channel.external_id)) == 1
    assert not addresses(channel.credential.app)  # nothing to enter


@pytest.mark.parametrize(
    "changes",
    [
        {"token": "guessed"},
        {
            "hub.topic": "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UCother1"
        },
        {"hub.topic": "https://evil.example/?channel_id=UCabc12345"},
        {"hub.mode": "unsubscribe"},
    ],
)
def test_nothing_is_granted_that_nobody_asked_for(channel, practice, changes):
    subscribing.keep(timezone.now())
    practice.twins["youtube"].wait_for_hooks()
    assert ask({**Ours.asked[0], **changes}).status_code in (403, 404)
    assert HookSubscription.objects.get().ends_at is None


def test_without_an_answer_it_is_asked_later_and_later(channel, practice):
    now = timezone.now()
    waits = []
    for _time in range(9):
        assert subscribing.keep(now) == 1
        row = HookSubscription.objects.get()
        waits.append(row.next_at - now)
        now = row.next_at
    practice.twins["youtube"].wait_for_hooks()
    assert waits[0] == subscribing.WAIT
    assert waits == sorted(waits)
    assert waits[-1] == subscribing.LONGEST_WAIT


@pytest.mark.parametrize("gone", [False, True])
def test_a_changed_or_deleted_video_is_looked_at(
    channel, practice, make_delivery, gone
):
    twin, now = practice.twins["youtube"], timezone.now()
    subscribing.keep(now)
    twin.wait_for_hooks()
    delivery = make_delivery(channel)
    Delivery.objects.filter(pk=delivery.pk).update(
        status="published", external_id="vid12345678", published_at=now - HOUR
    )
    watch = Watch.objects.create(delivery=delivery, next_at=now + HOUR)
    video = {"id": "vid12345678", "channel": channel.external_id, "title": "A & <b>"}
    headers = {"X-Practice": "1"}
    switch = {"platform": "youtube", "name": "hub_times", "value": "2"}
    url = f"{practice.url}/api/switches"
    requests.post(url, json=switch, headers=headers, timeout=10).raise_for_status()
    with practice.world.transaction():
        twin.tell_video(video, gone=gone)
    twin.wait_for_hooks()
    assert len(Ours.got) == 2
    for body, sent in Ours.got:
        signed = sent["X-Hub-Signature"]
        answer = post("youtube", body, "X-Hub-Signature", signed, "practice")
        assert answer.status_code == 200
        # A hub sends again what is refused: it is told 2xx, and ignored.
        changed = body.replace(b"vid12345678", b"vid87654321")
        answer = post("youtube", changed, "X-Hub-Signature", signed, "practice")
        assert answer.status_code == 202
    assert WebhookEvent.objects.count() == 1
    platform_hooks.handle(now)
    watch.refresh_from_db()
    assert watch.next_at <= now


def test_a_feed_that_would_unfold_is_not_read(channel):
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbb">]><feed>&b;</feed>'
    secret = verify_token("youtube", "practice").encode()
    signed = "sha1=" + hmac.new(secret, bomb, hashlib.sha1).hexdigest()
    assert (
        post("youtube", bomb, "X-Hub-Signature", signed, "practice").status_code == 202
    )
    assert HookAddress.objects.get().refused_why == "it is no plain XML"


# ---------------------------------------------------------------- asked for by calls

DISTRIBUTION = {
    "feedDistribution": "MAIN_FEED",
    "targetEntities": [],
    "thirdPartyDistributionChannels": [],
}


@pytest.fixture
def practised(practice, site, settings, make_account):
    """An account of the practice network, with all that its app needs there."""
    settings.SITE_URL, settings.PRACTICE_NETWORK_URL = site, practice.url
    Ours.asked.clear()
    Ours.got.clear()
    panel(practice, "reset")

    def make(slug, **options):
        who = {"platform": slug, "handle": "acme", "name": "Acme"}
        made = panel(practice, "accounts", **who, options=options)
        account = make_account(
            slug, made["external_id"], kind=made["kind"], scopes=made["scopes"]
        )
        credential = account.credential
        credential.access_token = made["access_token"]
        credential.save()
        app, twin = credential.app, practice.twins[slug]
        app.network = account.network = "practice"
        app.client_secret = twin.app_credentials()[1]
        for name, value in twin.app_more().items():
            setattr(app, name, value)
        app.save()
        account.save()
        return account

    return make


@pytest.fixture
def page(practised):
    return practised("linkedin", kind="organization")


def out(account, make_delivery, number):
    """A post that is out; its comments were read an hour ago."""
    delivery, now = make_delivery(account), timezone.now()
    Delivery.objects.filter(pk=delivery.pk).update(
        status="published", external_id=number, published_at=now - HOUR
    )
    return Watch.objects.create(
        delivery=delivery, next_at=now + HOUR, comments_read_at=now - HOUR
    )


def hand_in(slug, header, network="practice"):
    """What has come over the wire, to our own address."""
    told, Ours.got[:] = list(Ours.got), []
    for body, headers in told:
        lower = {name.lower(): value for name, value in headers.items()}
        signed = lower[header.lower()]
        assert post(slug, body, header, signed, network).status_code == 200
    return len(told)


def panel(practice, path, **body):
    url, headers = f"{practice.url}/api/{path}", {"X-Practice": "1"}
    answer = requests.post(url, json=body, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer.json()


def publish(practice, page):
    body = {
        "author": page.external_id,
        "commentary": "Hello",
        "visibility": "PUBLIC",
        "distribution": DISTRIBUTION,
        "lifecycleState": "PUBLISHED",
    }
    headers = {
        "Authorization": f"Bearer {page.credential.access_token}",
        "Linkedin-Version": "202609",
        "X-Restli-Protocol-Version": "2.0.0",
    }
    url = f"{practice.url}/linkedin/api/rest/posts"
    answer = requests.post(url, json=body, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer.headers["x-restli-id"]


def test_events_of_a_page_are_granted_looked_at_daily_and_lead_to_a_look(
    page, practice, make_delivery
):
    now, twin = timezone.now(), practice.twins["linkedin"]
    assert subscribing.keep(now) == 1
    twin.wait_for_hooks()
    row = HookSubscription.objects.get()
    assert row.ends_at > now + timedelta(days=80)
    assert row.next_at == now + timedelta(days=1)
    assert subscribing.keep(row.next_at) == 1
    urn = publish(practice, page)
    watch = out(page, make_delivery, urn)
    panel(practice, "switches", platform="linkedin", name="event_times", value="2")
    told = {"platform": "linkedin", "post": urn, "by": "Riley", "text": "Nice"}
    panel(practice, "comments", **told)
    twin.wait_for_hooks()
    assert hand_in("linkedin", "X-LI-Signature") == 2
    assert platform_hooks.handle() == 1
    watch.refresh_from_db()
    assert watch.comments_read_at is None


def test_an_address_that_is_another_s_is_told_nothing(page, practice, monkeypatch):
    monkeypatch.setattr(Ours, "secret", b"another")
    subscribing.keep(timezone.now())
    practice.twins["linkedin"].wait_for_hooks()
    urn = publish(practice, page)
    told = {"platform": "linkedin", "post": urn, "by": "Riley", "text": "Nice"}
    panel(practice, "comments", **told)
    practice.twins["linkedin"].wait_for_hooks()
    assert (len(Ours.asked), Ours.got) == (1, [])


def test_without_the_number_of_the_app_nothing_is_asked_for(page, admin_client):
    app = page.credential.app
    app.number_there = ""
    app.save()
    assert subscribing.keep(timezone.now()) == 0
    assert HookSubscription.objects.get().granted_at is None
    app.network = "live"
    app.save()
    url = reverse("platform_app_edit", args=[app.pk])
    words = "None is asked for until this is entered: Application ID"
    assert words in admin_client.get(url).content.decode()
    form = {"client_id": "client", "state": "active", "number_there": "app 7"}
    wrong = admin_client.post(url, form).content.decode()
    assert "“app 7” is no number" in wrong
    admin_client.post(url, {**form, "number_there": " 200117777 "})
    app.refresh_from_db()
    assert app.number_there == "200117777"


def test_accounts_that_have_no_events_are_not_asked_for(page):
    type(page).objects.update(kind="member")
    assert subscribing.keep(timezone.now()) == 0
    assert not HookSubscription.objects.exists()


X_SIGNATURE = "X-Twitter-Webhooks-Signature"


def test_replies_deletions_and_lost_access_of_x_come_once_they_are_asked_for(
    practised, practice, make_delivery
):
    account, twin = practised("x"), practice.twins["x"]
    now = timezone.now()
    assert subscribing.keep(now) == 1
    row = HookSubscription.objects.get()
    assert row.granted_at
    assert row.next_at == now + timedelta(days=1)
    assert subscribing.keep(row.next_at) == 1  # nothing is asked for twice
    with practice.world.transaction():
        assert len(twin.all("webhook")) == 1
        assert len(twin.all("subscription")) == 2
    headers = {"Authorization": f"Bearer {account.credential.access_token}"}
    tweets = f"{practice.url}/x/2/tweets"
    answer = requests.post(tweets, json={"text": "Hi"}, headers=headers, timeout=10)
    number = answer.json()["data"]["id"]
    watch = out(account, make_delivery, number)
    told = {"platform": "x", "post": number, "by": "Riley", "text": "Nice"}
    panel(practice, "comments", **told)
    twin.wait_for_hooks()
    assert hand_in("x", X_SIGNATURE) == 1
    assert platform_hooks.handle() == 1
    watch.refresh_from_db()
    assert watch.comments_read_at is None
    requests.delete(f"{tweets}/{number}", headers=headers, timeout=10)
    Credential.objects.update(next_proof_at=now + HOUR, looked_at=None)
    end = {"platform": "x", "account": account.external_id, "how": "revoke"}
    panel(practice, "tokens", **end)
    twin.wait_for_hooks()
    assert hand_in("x", X_SIGNATURE) == 2
    assert platform_hooks.handle() == 2
    assert Credential.objects.get().next_proof_at <= timezone.now()


def test_a_disconnected_account_of_x_costs_no_events_any_more(practised, practice):
    account, twin = practised("x"), practice.twins["x"]
    now = timezone.now()
    subscribing.keep(now)
    account.disconnected_at = now
    account.save()
    Credential.objects.update(access_token="")
    # As long as X does not answer, it is tried again.
    panel(practice, "switches", platform="x", name="app_state", value="suspended")
    subscribing.keep(now + timedelta(days=1))
    assert HookSubscription.objects.get().next_at == now + timedelta(days=1, minutes=15)
    panel(practice, "switches", platform="x", name="app_state", value="active")
    subscribing.keep(now + timedelta(days=2))
    assert not HookSubscription.objects.exists()
    with practice.world.transaction():
        assert not twin.all("subscription")


def test_x_registers_no_address_that_does_not_prove_itself(
    practised, practice, monkeypatch
):
    account = practised("x")
    monkeypatch.setattr(Ours, "do_GET", lambda self: self._say(b"{}"))
    assert subscribing.keep(timezone.now()) == 1
    assert HookSubscription.objects.get().granted_at is None
    with practice.world.transaction():
        assert not practice.twins["x"].all("webhook")
    app = account.credential.app
    app.hook_token = ""
    app.save()
    assert subscribing.missing(app) == ["Bearer Token (of the app alone)"]
