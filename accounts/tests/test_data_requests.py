"""People who leave: what the platform tells is checked, answered at once, and done."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import data_requests
from accounts.health_rows import tree
from accounts.models import (
    AuditEvent,
    ConnectedAccount,
    Credential,
    DataRequest,
    PlatformApp,
)
from monitoring import incidents, letters
from monitoring.models import Alert, CheckResult, Incident
from monitoring.tasks import follow_up, handle_data_request
from platforms import registry
from publishing.models import Delivery

pytestmark = pytest.mark.django_db

LEFT = "/accounts/told/live/facebook/left/"
DELETION = "/accounts/told/live/facebook/deletion/"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(user="218471", secret="key", at=None, **more):
    at = at or timezone.now() + timedelta(seconds=5)
    payload = {
        "user_id": user,
        "algorithm": "HMAC-SHA256",
        "issued_at": int(at.timestamp()),
        **more,
    }
    body = encoded(json.dumps(payload).encode())
    mark = hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()
    return f"{encoded(mark)}.{body}"


@pytest.fixture(autouse=True)
def queued(monkeypatch):
    """What was put into the queue, in order; nobody works on it by itself."""
    cache.clear()
    found: list[tuple] = []
    monkeypatch.setattr(
        "accounts.data_request_views.async_task",
        lambda task, *args, **options: found.append((task, *args)),
    )
    return found


@pytest.fixture
def app(db, monkeypatch):
    path = "platforms.facebook.publish.Facebook"
    monkeypatch.setitem(registry.PLATFORMS, "facebook", path)
    return PlatformApp.objects.create(
        platform="facebook", client_id="c", client_secret="key"
    )


@pytest.fixture
def pages(app, brand, author):
    """Ana's two pages, connected an hour ago."""
    ago = timezone.now() - timedelta(hours=1)
    common = {"app": app, "issued_at": ago, "connected_at": ago}
    root = Credential.objects.create(
        **common,
        subject_id="218471",
        subject_name="Ana Lopez",
        access_token="root-token",
        extra={"who": "ana"},
        next_proof_at=ago + timedelta(days=1),
    )
    made = []
    for number in ("1", "2"):
        child = Credential.objects.create(
            **common,
            parent=root,
            kind="page",
            subject_id=number,
            subject_name=f"Page {number}",
            access_token=f"page-token-{number}",
            next_proof_at=ago + timedelta(days=1),
        )
        made.append(
            ConnectedAccount.objects.create(
                brand=brand,
                credential=child,
                platform="facebook",
                external_id=number,
                kind="page",
                name=f"Page {number}",
                owner=author,
            )
        )
        AuditEvent.write(author, "connected", made[-1], signed_in_as="Ana Lopez")
    return made


def tell(url, words):
    return Client(enforce_csrf_checks=True).post(url, {"signed_request": words})


# -- taking in


def test_a_word_of_the_platform_is_answered_at_once_and_worked_on_later(pages, queued):
    answer = tell(LEFT, signed())
    assert answer.status_code == 200
    row = DataRequest.objects.get()
    assert queued == [("monitoring.tasks.handle_data_request", row.pk)]
    assert Credential.objects.filter(state="active").count() == 3


def test_deletion_answers_with_an_address_and_a_code(pages):
    answer = tell(DELETION, signed(expires=1)).json()
    row = DataRequest.objects.get()
    assert answer == {
        "url": f"http://testserver/accounts/deletion/{row.code}/",
        "confirmation_code": row.code,
    }


def test_the_same_word_with_its_signature_written_otherwise_is_no_new_one(pages):
    word = signed()
    mark, body = word.split(".")
    client = Client()
    for same in (word, f"{mark}=.{body}", f"{mark}==.{body}"):
        assert client.post(DELETION, {"signed_request": same}).status_code == 200
    assert DataRequest.objects.count() == 1


def test_the_same_word_again_is_the_same_request(pages, queued):
    words = signed()
    codes = {tell(DELETION, words).json()["confirmation_code"] for _ in range(3)}
    assert len(codes) == 1
    handle_data_request(DataRequest.objects.get().pk)
    queued.clear()
    assert tell(DELETION, words).json()["confirmation_code"] in codes
    assert queued == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (signed(secret="another"), "the signature does not match"),
        (signed(user=""), "it names no user_id"),
        ("", "it has not the form signature.payload"),
        ("a.b.c", "it has not the form signature.payload"),
        (signed().replace(".", ".x"), "the signature does not match"),
    ],
)
def test_what_the_platform_did_not_sign_is_refused(pages, words, why):
    answer = tell(LEFT, words)
    assert answer.status_code == 400
    assert why in answer.content.decode()
    assert not DataRequest.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "/accounts/told/live/x/left/",
        "/accounts/told/live/nowhere/left/",
        "/accounts/told/elsewhere/facebook/left/",
        "/accounts/told/practice/facebook/left/",  # no app of ours there
    ],
)
def test_only_platforms_that_tell_have_an_address(pages, url):
    assert tell(url, signed()).status_code == 404


def test_a_large_body_is_not_read(pages):
    assert tell(LEFT, "x" * 9000).status_code == 413
    assert Client().get(LEFT).status_code == 405


def test_nothing_of_it_is_logged(pages, caplog):
    caplog.set_level(logging.DEBUG)
    words = signed()
    tell(LEFT, words)
    tell(LEFT, words + "x")
    assert words not in caplog.text
    assert "218471" not in caplog.text


def test_each_network_has_its_own_app(pages):
    PlatformApp.objects.create(
        platform="facebook", network="practice", client_secret="other-key"
    )
    practice = LEFT.replace("live", "practice")
    assert tell(practice, signed()).status_code == 400
    assert tell(practice, signed(secret="other-key")).status_code == 200
    handle_data_request(DataRequest.objects.get().pk)
    assert Credential.objects.filter(state="active").count() == 3


# -- leaving


def test_leaving_breaks_the_consent_and_its_pages_at_once(pages, author):
    tell(LEFT, signed())
    follow_up()
    assert set(Credential.objects.values_list("state", "cause")) == {
        ("broken", "token_revoked")
    }
    assert Credential.objects.exclude(access_token="").count() == 3
    assert Incident.objects.open().exists()
    assert AuditEvent.objects.filter(verb="access_withdrawn").count() == 2
    row = DataRequest.objects.get()
    assert (row.result["credentials"], row.result["accounts"]) == (3, 2)
    assert row.done_at is not None


def test_leaving_concerns_that_person_alone(pages):
    tell(LEFT, signed(user="999"))
    follow_up()
    assert Credential.objects.filter(state="active").count() == 3
    assert not Incident.objects.exists()


def test_who_has_come_back_meanwhile_is_looked_at_instead(pages):
    tell(LEFT, signed(at=timezone.now() - timedelta(hours=2)))
    follow_up()
    assert Credential.objects.filter(state="active").count() == 3
    assert Credential.objects.proof_due(timezone.now()).count() == 3


def test_work_that_is_done_twice_does_nothing_the_second_time(pages):
    tell(LEFT, signed())
    pk = DataRequest.objects.get().pk
    handle_data_request(pk)
    handle_data_request(pk)
    assert AuditEvent.objects.filter(verb="access_withdrawn").count() == 2


# -- deletion


def test_deletion_takes_tokens_and_the_person_and_leaves_posts(pages, make_delivery):
    delivery = make_delivery(pages[0])
    CheckResult.objects.create(
        credential=pages[0].credential, verdict="proven", evidence="Ana Lopez"
    )
    url = tell(DELETION, signed()).json()["url"]
    follow_up()
    for credential in Credential.objects.all():
        assert credential.access_token == credential.refresh_token == ""
        assert credential.extra == {}
    assert not Credential.objects.filter(subject_name="Ana Lopez").exists()
    assert not Credential.objects.filter(subject_id="218471").exists()
    assert not DataRequest.objects.filter(subject_id="218471").exists()
    assert not CheckResult.objects.exists()
    assert "Ana Lopez" not in str(list(AuditEvent.objects.values("detail")))
    assert Delivery.objects.get() == delivery
    account = ConnectedAccount.objects.get(pk=pages[0].pk)
    assert (account.name, account.health, account.cause) == (
        "Page 1",
        "broken",
        "token_revoked",
    )
    # There is nothing to ask the platform with.
    later = timezone.now() + timedelta(days=9)
    assert not Credential.objects.proof_due(later).exists()
    page = Client().get(urlsplit(url).path).content.decode()
    assert "Done on" in page


def test_nothing_keeps_the_persons_id_and_no_page_shows_a_gap_for_the_name(
    pages, author
):
    """Facebook tells of leaving and of the deletion one after the other."""
    for path in (LEFT, DELETION):
        Client().post(path, {"signed_request": signed()})
        for pk in data_requests.open_requests():
            data_requests.work(pk)
    assert set(DataRequest.objects.values_list("subject_id", flat=True)) == {""}
    incidents.review()
    incident = Incident.objects.get()
    assert letters.incident_head(incident) == "Facebook: Access was withdrawn"
    subject = Alert.objects.get().subject
    assert subject == "2 accounts of Facebook: Access was withdrawn"
    names = [branch.name for branch in tree(pages[0], author, timezone.now())]
    assert "" not in names


def test_a_profile_of_the_persons_own_loses_its_name(pages, app, brand):
    own = ConnectedAccount.objects.create(
        brand=brand,
        credential=Credential.objects.get(parent=None),
        platform="facebook",
        external_id="218471",
        name="Ana Lopez",
        handle="ana",
        url="https://facebook.example/ana",
    )
    tell(DELETION, signed())
    follow_up()
    own.refresh_from_db()
    assert (own.name, own.handle, own.url) == ("Deleted profile", "", "")


def test_messages_that_name_the_person_lose_their_words(pages, author):
    root = Credential.objects.get(parent=None)
    incident = Incident.objects.create(
        kind="access", cause="token_revoked", credential=root, dedup_key="access:1"
    )
    sent = Alert.objects.create(
        incident=incident,
        user=author,
        subject="2 accounts of Ana Lopez (Facebook): Access was withdrawn",
        body="Ana Lopez",
        sent_at=timezone.now(),
    )
    tell(DELETION, signed())
    follow_up()
    sent.refresh_from_db()
    assert "Ana Lopez" not in sent.subject + sent.body
    client = Client()
    client.force_login(author)
    page = client.get(reverse("alert_list")).content.decode()
    assert "Ana Lopez" not in page


def test_the_state_says_nothing_else_and_is_rate_limited(pages):
    url = urlsplit(tell(DELETION, signed()).json()["url"]).path
    client = Client()
    page = client.get(url).content.decode()
    assert "It is being carried out" in page
    assert "Ana" not in page
    assert "Page 1" not in page
    assert client.get("/accounts/deletion/none/").status_code == 404
    for _ in range(40):
        last = client.get("/accounts/deletion/guess/")
    assert last.status_code == 429
    assert client.get(url).status_code == 429


def test_a_code_of_leaving_opens_no_page(pages):
    tell(LEFT, signed())
    code = DataRequest.objects.get().code
    assert Client().get(f"/accounts/deletion/{code}/").status_code == 404


def test_the_addresses_stand_on_the_apps_page_ready_to_copy(app, author):
    client = Client()
    client.force_login(author)
    page = client.get(f"/accounts/apps/{app.pk}/").content.decode()
    for _label, url in data_requests.addresses(app):
        assert url in page
    assert f"http://testserver{LEFT}" in page
    other = PlatformApp.objects.create(platform="x")
    assert data_requests.addresses(other) == []
