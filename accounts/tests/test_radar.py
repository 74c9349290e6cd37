"""The version radar: which version is in use, and how long it will be."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import PlatformApp
from accounts.radar import radar

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(db: Any) -> PlatformApp:
    return PlatformApp.objects.create(platform="linkedin", client_id="client")


@pytest.mark.parametrize(
    ("version", "now", "words", "tone", "advice"),
    [
        ("", datetime(2026, 11, 24, tzinfo=UTC), "295 days left", "ok", ""),
        ("", datetime(2027, 7, 1, tzinfo=UTC), "76 days left", "warn", "Update"),
        ("", datetime(2027, 9, 14, tzinfo=UTC), "1 day left", "bad", "Update"),
        ("", datetime(2027, 9, 15, tzinfo=UTC), "Switched off", "bad", "Update"),
        (
            "202601",
            datetime(2026, 12, 20, tzinfo=UTC),
            "26 days left",
            "bad",
            "Empty the app’s version: SocialHub was tested with 202609.",
        ),
        ("209901", datetime(2026, 11, 24, tzinfo=UTC), "No end is known", "muted", ""),
    ],
)
def test_each_version_tells_its_days(
    app: PlatformApp, version: str, now: datetime, words: str, tone: str, advice: str
) -> None:
    app.api_version = version
    (line,) = radar([app], now)
    assert (line.words, line.tone) == (words, tone)
    assert line.advice.startswith(advice)
    assert bool(line.advice) == bool(advice)
    assert line.is_tested == (version == "")


def test_what_ends_first_stands_first_and_what_has_no_version_is_left_out(
    app: PlatformApp,
) -> None:
    old = PlatformApp(platform="linkedin", api_version="202601")
    mastodon = PlatformApp(platform="mastodon", instance_url="https://a.example")
    x = PlatformApp(platform="x")
    lines = radar([x, app, mastodon, old], datetime(2026, 11, 24, tzinfo=UTC))
    assert [line.ends_on for line in lines] == [
        date(2027, 1, 15),
        date(2027, 9, 15),
        None,
    ]


def test_a_sign_in_that_brings_a_second_network_speaks_for_both(db: Any) -> None:
    meta = PlatformApp(platform="facebook", api_version="v25.0")
    lines = radar([meta], datetime(2026, 11, 24, tzinfo=UTC))
    assert {(line.spec.slug, line.version) for line in lines} == {
        ("facebook", "v25.0"),
        ("instagram", "v25.0"),
    }


def test_the_platforms_page_shows_the_radar(
    app: PlatformApp, client: Client, author: Any
) -> None:
    client.force_login(author)
    page = client.get(reverse("platform_apps")).content.decode()
    assert "202609" in page
    assert "15 Sep 2027" in page
    assert "days left" in page or "Switched off" in page
