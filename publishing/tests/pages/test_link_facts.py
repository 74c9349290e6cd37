"""The page behind a link: read by the cluster, never from where only we can reach."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest
import requests
import responses
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from platforms.registry import all_specs
from publishing import link_facts, tasks
from publishing.models import LinkFacts
from publishing.tests.pages.conftest import make_account, picture

URL = "https://acme.example/bread"
PAGE = """<html><head><title>Shop</title>
<meta property="og:title" content="Rye  bread &amp; more">
<meta name="description" content="Baked at seven.">
<meta property="og:image" content="/rye.jpg"></head>
<body><meta property="og:title" content="Not me"></body></html>"""


@pytest.fixture
def web():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        # Private addresses meet the real guard.
        mock.add_passthru("https://127.0.0.1")
        mock.add_passthru("https://localhost")
        mock.add_passthru("https://169.254.169.254")
        mock.add_passthru("https://[::1]")
        yield mock


def fact(url=URL) -> LinkFacts:
    return LinkFacts.objects.create(key=LinkFacts.key_of(url), url=url)


def read(url=URL) -> LinkFacts:
    row = fact(url)
    tasks.read_link(row.pk)
    row.refresh_from_db()
    assert row.read_at
    return row


def test_title_teaser_and_a_small_picture_are_kept(db, web):
    web.get(URL, body=PAGE, content_type="text/html; charset=utf-8")
    big = picture("JPEG", (1200, 630))
    web.get("https://acme.example/rye.jpg", body=big, content_type="image/jpeg")
    row = read()
    assert (row.title, row.description) == ("Rye bread & more", "Baked at seven.")
    assert bytes(row.picture)[8:12] == b"WEBP"
    assert row.has_picture
    # As large as networks show it.
    card = Image.open(BytesIO(bytes(row.card)))
    assert (card.format, card.mode, card.size) == ("JPEG", "RGB", (1200, 630))


def test_a_card_s_picture_is_small_enough_for_every_network(db, web):
    web.get(URL, body=PAGE, content_type="text/html")
    noise = Image.effect_noise((1300, 1300), 200).convert("RGBA")
    noise.putalpha(128)
    made = BytesIO()
    noise.save(made, "PNG")
    web.get("https://acme.example/rye.jpg", body=made.getvalue())
    row = read()
    limits = [spec.card_picture.max_bytes for spec in all_specs() if spec.card_picture]
    assert 100_000 < len(row.card) <= min(limits)
    card = Image.open(BytesIO(bytes(row.card)))
    assert (card.format, card.size) == ("JPEG", (1200, 1200))
    # What can be seen through is white below.
    assert min(card.convert("L").getextrema()) > 60


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "http://127.0.0.1:8000/admin/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
    ],
)
def test_private_addresses_are_never_called(db, web, url):
    row = read(url)
    assert (row.trouble, row.title) == ("refused", "")


def test_a_redirect_into_the_private_network_is_refused_as_well(db, web):
    web.get(URL, status=302, headers={"Location": "https://169.254.169.254/secret"})
    assert read().trouble == "refused"
    other = f"{URL}/2"
    web.get(
        other,
        body=PAGE.replace("/rye.jpg", "https://127.0.0.1/rye.jpg"),
        content_type="text/html",
    )
    row = read(other)
    assert (row.trouble, row.has_picture) == ("", False)


@pytest.mark.trap("facebook", 13)
@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ({"status": 404, "body": PAGE, "content_type": "text/html"}, "gone"),
        ({"status": 410}, "gone"),
        ({"status": 403, "body": PAGE, "content_type": "text/html"}, "no_page"),
        ({"body": b"%PDF-1.7", "content_type": "application/pdf"}, "no_page"),
        ({"body": "<html></html>", "content_type": "text/html"}, "no_page"),
        ({"status": 302, "headers": {"Location": URL}}, "no_page"),
        ({"body": "x" * (3 << 20) + PAGE, "content_type": "text/html"}, "away"),
        ({"body": requests.ConnectionError("reset")}, "away"),
    ],
    ids=[
        "missing",
        "over",
        "closed",
        "pdf",
        "untitled",
        "in circles",
        "endless",
        "broken",
    ],
)
def test_what_is_no_page_is_said(db, web, answer, trouble):
    web.get(URL, **answer)
    assert read().trouble == trouble


def test_a_broken_picture_costs_only_the_picture(db, web):
    web.get(URL, body=PAGE, content_type="text/html")
    web.get("https://acme.example/rye.jpg", body=b"\xff\xd8\xff broken")
    assert (read().title, LinkFacts.objects.get().has_picture) == (
        "Rye bread & more",
        False,
    )


@pytest.mark.trap("facebook", 13)
def test_it_is_asked_once_and_again_when_old(
    ana, world, monkeypatch, django_capture_on_commit_callbacks
):
    jobs = []
    monkeypatch.setattr(
        "django_q.tasks.async_task", lambda *a, **k: jobs.append((a, k))
    )

    def ask(url=URL, turn="0"):
        with django_capture_on_commit_callbacks(execute=True):
            return ana.post(reverse("compose_link"), {"link_url": url, "turn": turn})

    assert "Reading the page behind the link" in ask().content.decode()
    ask(turn="1")
    row = LinkFacts.objects.get()
    assert jobs == [(("publishing.tasks.read_link", row.pk), {"cluster": "monitor"})]
    assert "Reading" not in ask(turn="20").content.decode()  # it does not ask for ever
    for no_link in ("", "acme", "javascript:alert(1)", "https://acme"):
        assert ask(no_link).content.decode().strip() == ""

    now = timezone.now()
    LinkFacts.objects.update(read_at=now, title="Rye", description="Baked")
    done = ask()
    assert "Rye" in done.content.decode()
    assert done["HX-Trigger"] == "link-known"
    LinkFacts.objects.update(trouble="gone")
    assert "there is no such page" in ask().content.decode()
    LinkFacts.objects.update(trouble="")
    old = now - link_facts.FRESH_FOR - timedelta(minutes=1)
    LinkFacts.objects.update(asked_at=old, read_at=old)
    ask()
    assert len(jobs) == 2
    link_facts.tidy(now + link_facts.KEPT_FOR + timedelta(days=1))
    assert not LinkFacts.objects.exists()


def test_previews_show_it_and_what_was_typed_comes_first(ana, world):
    row = fact()
    LinkFacts.objects.update(
        read_at=timezone.now(), title="Rye", picture=b"RIFF", has_picture=True
    )
    data = {
        "brand": world.brand.pk,
        "text": "Look",
        "link_url": URL,
        "link_description": "My teaser",
        "accounts": [world.mastodon.pk],
    }
    page = ana.post(reverse("compose_check"), data)
    card = page.context["panel"].previews[0].pieces[0].card
    assert (card.title, card.description) == ("Rye", "My teaser")
    address = reverse("link_picture", args=[row.key])
    assert address in page.content.decode()
    assert ana.get(address).content == b"RIFF"
    LinkFacts.objects.update(has_picture=False)
    assert ana.get(address).status_code == 404


def test_previews_of_networks_that_read_no_page_show_what_they_are_given(ana, world):
    """They get its picture, and of the words only what was typed."""
    bluesky = make_account(world.brand, "bluesky", "Acme B")
    row = fact()
    LinkFacts.objects.update(
        read_at=timezone.now(), title="Rye", picture=b"RIFF", has_picture=True
    )

    def card(**typed):
        data = {"brand": world.brand.pk, "accounts": [bluesky.pk], **typed}
        page = ana.post(reverse("compose_check"), {"text": "Look", **data})
        return page.context["panel"].previews[0].pieces[0].card

    plain = card(link_url=URL)
    assert (plain.title, plain.description, plain.facts) == ("", "", row)
    assert card(link_url=URL, link_title="My title").title == "My title"
    assert card(text=f"Look at {URL}") is None


def test_what_the_page_says_can_be_taken_over(ana, world):
    fact()
    LinkFacts.objects.update(
        read_at=timezone.now(), title="Rye <b>", description="Dark"
    )
    page = ana.post(reverse("compose_link"), {"link_url": URL, "turn": "1"})
    said = page.content.decode()
    assert 'data-take-title="Rye &lt;b&gt;" data-take-teaser="Dark"' in said
    assert "Bluesky and LinkedIn show the picture" in said


@pytest.mark.parametrize("broken", ["http://[rye", "https://[::1/rye.jpg"])
def test_a_page_that_names_no_address_is_read_all_the_same(db, web, broken):
    page = PAGE.replace("/rye.jpg", broken)
    web.get(URL, body=page, content_type="text/html")
    row = read()
    assert (row.title, row.has_picture) == ("Rye bread & more", False)
    web.get(f"{URL}/2", status=302, headers={"Location": broken})
    assert read(f"{URL}/2").trouble == "no_page"


def test_what_no_database_stores_is_no_link(db):
    assert link_facts.asked("https://acme.example/\x00") is None
    assert not LinkFacts.objects.exists()


@pytest.mark.parametrize("charset", ["punycode", "undefined", "idna", "rot13", "utf-8"])
def test_a_page_cannot_choose_how_it_is_unpacked_or_break_its_reader(db, web, charset):
    # Python's punycode takes hours for such a page, and stops at none of its errors.
    broken = PAGE.replace("<body>", "<![<body>")
    web.get(
        URL,
        body=broken.encode(),
        headers={"Content-Type": f"text/html; charset={charset}"},
    )
    web.get("https://acme.example/rye.jpg", status=404)
    row = read()
    assert (row.title, row.trouble) == ("Rye bread & more", "")
