from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import responses

from platforms.base import (
    Access,
    Draft,
    Environment,
    Identity,
    MediaFile,
    MediaKind,
    PublishJob,
)
from platforms.pinterest.client import PinterestClient
from platforms.pinterest.publish import Pinterest
from platforms.pinterest.spec import SPEC

ME, BOARD = "549755885175", "549755885000"


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client_for() -> Callable[..., PinterestClient]:
    def make(**changes: Any) -> PinterestClient:
        facts: dict[str, Any] = {
            "token": "pina_test",
            "refresh_token": "pinr.test",
            "external_id": ME,
            "handle": "acmegarden",
            "scopes": SPEC.oauth.scopes if SPEC.oauth else (),
            "issued_at": datetime.now(UTC) - timedelta(days=20),
        }
        environment = Environment(
            SPEC.hosts, client_id="1490001", client_secret="app-secret"
        )
        return PinterestClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., PinterestClient]) -> PinterestClient:
    return client_for()


@pytest.fixture
def pinterest() -> Pinterest:
    return Pinterest()


@pytest.fixture
def image() -> Callable[..., MediaFile]:
    def make(**changes: Any) -> MediaFile:
        facts: dict[str, Any] = {
            "key": "asset-1",
            "mime_type": "image/jpeg",
            "size_bytes": 4,
            "width": 1000,
            "height": 1500,
            "alt_text": "Hands with seedlings",
            "sha256": "ab" * 32,
            "file_name": "a.jpg",
            "open": lambda: BytesIO(b"JPEG"),
            "public_url": "https://hub.example.com/media/public/a.jpg",
        }
        return MediaFile(**{**facts, **changes})

    return make


@pytest.fixture
def video(image: Callable[..., MediaFile]) -> Callable[..., MediaFile]:
    def make(**changes: Any) -> MediaFile:
        facts: dict[str, Any] = {
            "mime_type": "video/mp4",
            "kind": MediaKind.VIDEO,
            "sha256": "cd" * 32,
            "file_name": "a.mp4",
            "alt_text": "Somebody sows",
            # It is sent, not fetched.
            "public_url": "",
            "open": lambda: BytesIO(b"MP4!"),
            "duration_s": 12.0,
            "frame_rate": 30.0,
            "video_codec": "h264",
            "audio_codec": "aac",
        }
        return image(**{**facts, **changes})

    return make


@pytest.fixture
def draft(image: Callable[..., MediaFile]) -> Callable[..., Draft]:
    """A Pin that passes every check."""

    def make(**changes: Any) -> Draft:
        facts: dict[str, Any] = {
            "text": "How we sow.",
            "link_url": "https://acme.example/sow",
            "media": (image(),),
            "options": {"board": {ME: BOARD}, "title": "Sow tomatoes"},
        }
        return Draft(**{**facts, **changes})

    return make


@pytest.fixture
def job(draft: Callable[..., Draft]) -> Callable[..., PublishJob]:
    def make(**changes: Any) -> PublishJob:
        facts: dict[str, Any] = {
            "marker": "0123456789abcdef" * 2,
            "created_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
            "draft": draft(),
            "account": Identity(
                ME,
                "user",
                "Acme",
                "acmegarden",
                "https://www.pinterest.com/acmegarden/",
            ),
        }
        return PublishJob(**{**facts, **changes})

    return make
