"""Events of platforms lead to a look, once, whoever sends them how often."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from django.urls import reverse
from django.utils import timezone

from accounts.hook_addresses import address, addresses, verify_token
from accounts.models import Credential
from monitoring import platform_hooks, subscribing
from monitoring.models import Watch, WebhookEvent
from platforms.ayrshare.client import AyrshareClient
from platforms.practice.server import TWINS, start_practice
from publishing.models import Delivery

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
#: the headers of platforms' signatures that do not begin with X-
OWN = {"TikTok-Signature"}
SLUGS = ("tiktok", "threads", "ayrshare", "outstand")


class Mailbox(BaseHTTPRequestHandler):
    """What a twin sends, as it came over the wire."""

    got: list[tuple[bytes, dict[str, str]]] = []
    #: so many are refused before the next is taken
    refuses = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((body, dict(self.headers)))
        is_taken = not self.refuses
        Mailbox.refuses = max(0, self.refuses - 1)
        self.send_response(200 if is_taken else 503)
        self.end_headers()

    def log_message(self, format, *args): ...


@pytest.fixture(scope="module")
def practice(tmp_path_factory):
    wanted = {slug: TWINS[slug] for slug in SLUGS}
    server = start_practice(tmp_path_factory.mktemp("practice"), twins=wanted)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def mailbox():
    with ThreadingHTTPServer(("127.0.0.1", 0), Mailbox) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def sent(practice, mailbox):
    """Signed events as the twin sends them, and the secret that signed them."""

    def make(slug, tell, *, count=1, **settings):
        """count: of what has to come over the wire; what was refused comes again."""
        Mailbox.got.clear()
        reset = f"{practice.url}/api/reset"
        requests.post(reset, json={}, headers={"X-Practice": "1"}, timeout=10)
        twin = practice.twins[slug]
        # Ayrshare is told the address by those who want to hear.
        url = {} if slug == "ayrshare" else {"webhook_url": mailbox}
        for name, value in (url | settings).items():
            requests.post(
                f"{practice.url}/api/switches",
                json={"platform": slug, "name": name, "value": value},
                headers={"X-Practice": "1"},
                timeout=10,
            ).raise_for_status()
        with practice.world.transaction():
            twin.seed()
            tell(twin)
            _id, secret = twin.app_credentials()
        for _time in range(count):
            with practice.world.transaction():
                twin.tell_due()
            twin.wait_for_hooks()
        assert len(Mailbox.got) >= count
        return list(Mailbox.got), secret

    return make


@pytest.fixture
def tell(client, monkeypatch):
    """Hand what came over the wire to our own address."""
    monkeypatch.setattr("monitoring.hook_views.async_task", lambda *a, **k: None)

    def make(slug, body, headers):
        return client.post(
            reverse("platform_hook", args=["live", slug]),
            body,
            content_type="application/json",
            headers={
                k: v for k, v in headers.items() if k.startswith("X-") or k in OWN
            },
        )

    return make


def app_with(secret, account):
    app = account.credential.app
    app.client_secret = secret
    app.save()
    return app


def at_work(make_account, make_delivery, number, who="creator-1"):
    account = make_account("tiktok", who)
    return waiting(make_delivery(account), {"publish": {"publish_id": number}})


def waiting(delivery, witness):
    """For what the platform makes of it."""
    Delivery.objects.filter(pk=delivery.pk).update(
        status="processing",
        next_attempt_at=timezone.now() + HOUR,
        lease_expires_at=None,
        witness=witness,
    )
    return delivery


def test_what_became_of_a_post_is_asked_at_once(
    sent, tell, make_account, make_delivery
):
    def happen(twin):
        content = {"publish_id": "v_pub~1", "publish_type": "DIRECT_POST"}
        twin._happened("post.publish.complete", "creator-1", content)

    delivery = at_work(make_account, make_delivery, "v_pub~1")
    other = at_work(make_account, make_delivery, "v_pub~1", "creator-2")
    mails, secret = sent("tiktok", happen, webhook_times="2")
    app_with(secret, delivery.account)
    assert len(mails) == 2  # the platform sends it twice
    for body, headers in mails:
        assert tell("tiktok", body, headers).status_code == 200
    assert WebhookEvent.objects.count() == 1
    assert platform_hooks.handle() == 1
    assert platform_hooks.handle() == 0
    delivery.refresh_from_db()
    other.refresh_from_db()
    assert delivery.next_attempt_at <= timezone.now()
    assert delivery.status == "processing"  # the platform's own answer decides
    assert other.next_attempt_at > timezone.now()


def test_ayrshare_tells_the_number_of_a_post_at_tiktok(
    sent, tell, make_account, make_delivery, mailbox
):
    told = []

    def happen(twin):
        profile, _secret = twin.new_profile("Told", ["tiktok"])
        for action in ("scheduled", "social"):
            hook = {"profile": profile["id"], "action": action, "url": mailbox}
            key = f"{profile['id']}:{action}"
            twin.put("hook", key, {**hook, "secret": "word"})
        said = {"subAction": "tikTokPublished", "status": "success", "id": "Rhrb"}
        twin.tell_hook(profile, "scheduled", said)
        twin.tell_social(profile, "tiktok", "unlink", "system")
        told.append(profile["id"])

    mails, secret = sent("ayrshare", happen)
    account = make_account("ayrshare", told[0], kind="profile")
    app = app_with(secret, account)
    app.hook_secret = "word"
    app.save()
    delivery = waiting(make_delivery(account), {"post": "Rhrb"})
    other = waiting(make_delivery(account), {"post": "other"})
    credential = Credential.objects.filter(pk=account.credential_id)
    credential.update(next_proof_at=timezone.now() + HOUR, looked_at=None)
    for body, headers in [*mails, *mails]:
        assert tell("ayrshare", body, headers).status_code == 200
    assert WebhookEvent.objects.count() == platform_hooks.handle() == 2
    delivery.refresh_from_db()
    other.refresh_from_db()
    assert delivery.next_attempt_at <= timezone.now() < other.next_attempt_at
    assert delivery.status == "processing"
    assert credential.get().next_proof_at <= timezone.now()
    # Signed with our API key it is none of theirs: that is not the secret.
    body, headers = mails[0]
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    wrong = {**headers, "X-Authorization-Content-Sha256": made}
    assert tell("ayrshare", body, wrong).status_code == 403


def test_nobody_enters_an_address_that_we_tell_ourselves(make_account):
    app = app_with("key", make_account("ayrshare", "160c", kind="profile"))
    assert addresses(app) == []
    assert not app.spec.hook_is_entered


@pytest.mark.parametrize("event", ["post.published", "post.error"])
def test_outstand_tells_what_became_of_a_post(
    sent, tell, make_account, make_delivery, event
):
    data = {"postId": "Kx7vQ", "socialAccounts": [{"accountId": "9dyJS"}]}
    account = make_account("outstand", "9dyJS", kind="x")
    delivery = waiting(make_delivery(account), {"post": "Kx7vQ"})
    ((body, headers),), _key = sent(
        "outstand",
        lambda twin: twin.tell_event(event, data),
        webhook_secret="word",
    )
    app = app_with("api-key", account)
    # Without the secret nothing is taken.
    assert tell("outstand", body, headers).status_code == 404
    app.hook_secret = "word"
    app.save()
    for _time in range(2):
        assert tell("outstand", body, headers).status_code == 200
    assert WebhookEvent.objects.count() == platform_hooks.handle() == 1
    delivery.refresh_from_db()
    assert delivery.next_attempt_at <= timezone.now()
    assert delivery.status == "processing"


@pytest.mark.parametrize("signed", ["wrongly", "long_ago"])
def test_what_is_signed_otherwise_is_refused_and_not_kept(
    sent, tell, make_account, signed
):
    def happen(twin):
        twin._happened("authorization.removed", "creator-1", {"reason": 1})

    mails, secret = sent("tiktok", happen, webhook_signed=signed)
    app_with(secret, make_account("tiktok", "creator-1"))
    for body, headers in mails:
        assert tell("tiktok", body, headers).status_code == 403
    assert not WebhookEvent.objects.exists()


def test_a_body_that_was_changed_is_refused(sent, tell, make_account):
    def happen(twin):
        twin._happened("authorization.removed", "creator-1", {"reason": 1})

    mails, secret = sent("tiktok", happen)
    app_with(secret, make_account("tiktok", "creator-1"))
    ((body, headers),) = mails
    changed = body.replace(b"creator-1", b"creator-2")
    assert tell("tiktok", changed, headers).status_code == 403
    assert tell("tiktok", body, {}).status_code == 403


@pytest.mark.trap("tiktok", 16)
def test_removed_access_is_proven_and_not_believed(sent, tell, make_account):
    def happen(twin):
        twin._happened("authorization.removed", "creator-1", {"reason": 1})

    account = make_account("tiktok", "creator-1")
    credential = Credential.objects.filter(pk=account.credential_id)
    credential.update(next_proof_at=timezone.now() + HOUR, looked_at=None)
    ((body, headers),), secret = sent("tiktok", happen)
    app_with(secret, account)
    tell("tiktok", body, headers)
    platform_hooks.handle()
    row = credential.get()
    assert row.next_proof_at <= timezone.now()
    assert row.is_active


def reply(twin):
    owner = {"id": "owner-1", "is_private": False}
    twin.tell_reply(owner, {"id": "8", "text": "Hi", "root_post": {"id": "900"}})


def test_what_is_told_again_because_nobody_took_it_is_one_event(
    sent, tell, make_account, monkeypatch
):
    """Two replies, of which one is refused: it comes again, behind the other."""
    monkeypatch.setattr(Mailbox, "refuses", 1)

    def replies(twin):
        owner = {"id": "owner-1", "is_private": False}
        for number in ("8", "9"):
            post = {"id": "900"}
            twin.tell_reply(owner, {"id": number, "text": "Hi", "root_post": post})

    mails, secret = sent("threads", replies, count=3)
    app_with(secret, make_account("threads", "owner-1"))
    ids = [json.loads(body)["values"]["value"]["id"] for body, _headers in mails]
    assert (len(ids), set(ids)) == (3, {"8", "9"})
    for body, headers in mails:
        assert tell("threads", body, headers).status_code == 200
    assert WebhookEvent.objects.count() == 2


@pytest.mark.parametrize("minutes", [60, 1])
def test_a_reply_has_comments_read_but_not_for_each_event(
    sent, tell, make_account, make_delivery, minutes
):
    account = make_account("threads", "owner-1")
    delivery = make_delivery(account)
    now = timezone.now()
    Delivery.objects.filter(pk=delivery.pk).update(
        status="published", external_id="900", published_at=now - HOUR
    )
    read_at = now - timedelta(minutes=minutes)
    Watch.objects.create(
        delivery=delivery,
        next_at=now + HOUR,
        read_at=read_at,
        comments_read_at=read_at,
    )
    ((body, headers),), secret = sent("threads", reply)
    app_with(secret, account)
    assert tell("threads", body, headers).status_code == 200
    platform_hooks.handle(now)
    watch = Watch.objects.get()
    assert watch.next_at == max(now, read_at + platform_hooks.READ_AGAIN)
    assert watch.comments_read_at is None


def test_the_handshake_knows_our_word_alone(client, make_account):
    app = app_with("s3cret", make_account("threads"))
    url = reverse("platform_hook", args=["live", "threads"])
    word = dict((str(label), value) for label, value in addresses(app))["Verify token"]
    assert word == verify_token("threads", "live")
    asked = {"hub.mode": "subscribe", "hub.challenge": "115", "hub.verify_token": word}
    assert client.get(url, asked).content == b"115"
    answer = client.get(url, {**asked, "hub.verify_token": "x"})
    assert answer.status_code == 403


def test_where_nothing_is_taken_nothing_is_there(client, make_account):
    for network, slug in (("live", "mastodon"), ("live", "tiktok"), ("moon", "tiktok")):
        url = reverse("platform_hook", args=[network, slug])
        assert client.post(url, b"{}", content_type="a/b").status_code == 404


def test_nonsense_that_is_signed_costs_nothing(client, make_account, tell):

    app_with("s3cret", make_account("threads"))
    for body in (b"[]", b"{", b'{"values": 3}', json.dumps({"values": [[]]}).encode()):
        digest = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        answer = tell("threads", body, {"X-Hub-Signature-256": f"sha256={digest}"})
        assert answer.status_code in (200, 403)
    assert not WebhookEvent.objects.exists()


def test_ayrshare_is_asked_for_events_by_ourselves_and_daily_anew(
    make_account, monkeypatch, settings
):
    settings.SITE_URL = "https://hub.example.com"
    account = make_account("ayrshare", "160c", kind="profile")
    app = account.credential.app
    asked = []

    def ask(self, account_id, callback, secret, **_more):
        asked.append((account_id, callback, secret))
        return timezone.now() + timedelta(days=7)

    monkeypatch.setattr(AyrshareClient, "ask_for_events", ask)
    now = timezone.now()
    # Whoever enters no secret keeps the webhooks that stand there.
    assert subscribing.keep(now) == 0
    app.hook_secret = "word"
    app.save()
    now += timedelta(hours=1)
    assert subscribing.keep(now) == 1
    assert subscribing.keep(now) == 0
    assert asked == [("160c", address("ayrshare", "live"), "word")]
    assert subscribing.keep(now + timedelta(days=1, minutes=1)) == 1
