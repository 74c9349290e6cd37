"""Proof of publication: on the delivery's page, as JSON and as PDF."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from accounts.models import AuditEvent
from publishing.fingerprints import fingerprint
from publishing.models import Attempt, draft_doc
from publishing.proof import canonical
from publishing.tests.pages.conftest import make_account, make_delivery

TEXT = "Größe zählt\nSecond line & <b>"


@pytest.fixture
def live(world):
    now = timezone.now()
    row = make_delivery(
        world.x,
        world.ana,
        text=TEXT,
        hours=-1,
        status="published",
        external_id="1789",
        permalink="https://x.example/acme/status/1789",
        published_at=now,
        first_sent_at=now,
        attempt_count=2,
        next_attempt_at=None,
    )
    row.draft = draft_doc(row.post.draft_for("x"))
    row.draft["media"] = [
        {
            "key": "a1",
            "file_name": "a1.jpg",
            "mime_type": "image/jpeg",
            "size_bytes": 5,
            "width": 4,
            "height": 3,
            "sha256": "ab" * 32,
            "alt_text": "Bread",
        }
    ]
    row.save()
    Attempt.objects.create(
        delivery=row, number=1, outcome="transient", request_id="r-1", closed_at=now
    )
    Attempt.objects.create(
        delivery=row,
        number=2,
        outcome="published",
        closed_at=now,
        calls=[
            {"call": "POST /2/media", "request_id": "r-2"},
            {"call": "POST /2/tweets", "request_id": "r-3"},
        ],
    )
    return row


def document(client, row):
    answer = client.get(reverse("delivery_proof_json", args=[row.pk]))
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]
    assert answer["Cache-Control"] == "private, no-store"
    return json.loads(answer.content)


def test_a_proof_says_all_of_one_publication(ana, live):
    doc = document(ana, live)
    assert doc["external_id"] == "1789"
    assert doc["permalink"].endswith("/status/1789")
    assert doc["request_id"] == "r-3"
    assert doc["known_from"] == "platform"
    assert doc["published_at"] == live.published_at.isoformat()
    assert doc["texts"] == [TEXT]
    assert doc["text_sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert doc["files"][0]["sha256"] == "ab" * 32
    assert doc["fingerprint"] == fingerprint(live.draft)
    assert doc["words_are_as_sent"] is True
    assert doc["account"]["id"] == live.account.external_id
    assert doc["sha256"] == hashlib.sha256(canonical(doc)).hexdigest()


def test_it_is_of_what_was_sent_not_of_what_the_post_says_now(ana, live):
    live.post.text = "Changed since"
    live.post.save()
    assert document(ana, live)["texts"] == [TEXT]


def test_where_nothing_was_kept_it_says_so(ana, live):
    live.draft = {}
    live.save()
    doc = document(ana, live)
    assert (doc["words_are_as_sent"], doc["texts"], doc["files"]) == (False, [TEXT], [])
    page = ana.get(live.get_absolute_url()).content.decode()
    assert "What was sent was not kept" in page


def test_whose_word_it_is_stands_in_it(ana, live, world):
    live.attempts.filter(number=2).update(outcome="found")
    assert document(ana, live)["known_from"] == "look_up"
    live.attempts.filter(number=2).update(outcome="cannot_tell")
    AuditEvent.write(world.rita, "delivery.confirmed_live", live)
    doc = document(ana, live)
    assert (doc["known_from"], doc["confirmed_by"]) == ("person", "rita")
    assert (
        "rita saw it on the network"
        in ana.get(live.get_absolute_url()).content.decode()
    )


def test_the_pdf_carries_the_same(ana, live):
    answer = ana.get(reverse("delivery_proof_pdf", args=[live.pk]))
    assert answer["Content-Type"] == "application/pdf"
    (page,) = PdfReader(io.BytesIO(answer.content)).pages
    text = page.extract_text()
    for part in ("1789", "r-3", "Größe zählt", "Second line & <b>", "ab" * 20):
        assert part in text.replace("\n", "") or part in text, part


def test_the_page_shows_it(ana, live):
    page = ana.get(live.get_absolute_url()).content.decode()
    assert "Proof of publication" in page
    assert "r-3" in page


@pytest.mark.parametrize("form", ["json", "pdf"])
def test_there_is_none_for_others_and_for_what_is_not_live(
    world, ana, sign_in, live, form
):
    name = f"delivery_proof_{form}"
    waiting = make_delivery(make_account(world.brand, "x", "Two"), world.ana)
    assert ana.get(reverse(name, args=[waiting.pk])).status_code == 404
    page = ana.get(waiting.get_absolute_url()).content.decode()
    assert "Proof of publication" not in page
    stranger = sign_in(world.stranger)
    assert stranger.get(reverse(name, args=[live.pk])).status_code == 404
