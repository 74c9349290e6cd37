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
from platforms.instagram.client import InstagramClient
from platforms.instagram.publish import Instagram
from platforms.instagram.spec import SPEC

IG = "17841400000000001"


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client_for() -> Callable[..., InstagramClient]:
    def make(variant: str = "facebook", **changes: Any) -> InstagramClient:
        facts: dict[str, Any] = {
            "token": "test-token",
            "external_id": IG,
            "kind": "instagram",
            "issued_at": datetime.now(UTC) - timedelta(days=30),
            "extra": {"variant": variant},
        }
        environment = Environment(
            SPEC.hosts,
            client_id="1234567890",
            client_secret="app-secret",
            api_version="v26.0",
        )
        return InstagramClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., InstagramClient]) -> InstagramClient:
    """An account that came through its Page."""
    return client_for()


@pytest.fixture
def own(client_for: Callable[..., InstagramClient]) -> InstagramClient:
    """An account with Instagram's own sign-in."""
    return client_for(
        "instagram",
        refresh_token="test-token",
        scopes=SPEC.oauth.scopes if SPEC.oauth else (),
    )


@pytest.fixture
def instagram() -> Instagram:
    return Instagram()


@pytest.fixture
def image() -> Callable[..., MediaFile]:
    def make(**changes: Any) -> MediaFile:
        facts: dict[str, Any] = {
            "key": "asset-1",
            "mime_type": "image/jpeg",
            "size_bytes": 4,
            "width": 1000,
            "height": 1000,
            "alt_text": "A red square",
            "sha256": "ab" * 32,
            "file_name": "a.jpg",
            "open": lambda: BytesIO(b"JPEG"),
            "public_url": "https://hub.example.com/media/public/abc.jpg",
        }
        return MediaFile(**{**facts, **changes})

    return make


@pytest.fixture
def job() -> Callable[..., PublishJob]:
    def make(draft: Draft | str, **changes: Any) -> PublishJob:
        facts: dict[str, Any] = {
            "marker": "0" * 32,
            "created_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
            "draft": Draft(draft) if isinstance(draft, str) else draft,
            "account": Identity(
                IG,
                "instagram",
                "Acme",
                "acmebakery",
                "https://www.instagram.com/acmebakery/",
            ),
        }
        return PublishJob(**{**facts, **changes})

    return make


@pytest.fixture
def film(image: Callable[..., MediaFile]) -> Callable[..., MediaFile]:
    def make(**changes: Any) -> MediaFile:
        facts: dict[str, Any] = {
            "mime_type": "video/mp4",
            "size_bytes": 5,
            "width": 1080,
            "height": 1920,
            "file_name": "a.mp4",
            "open": lambda: BytesIO(b"VIDEO"),
            "public_url": "https://hub.example.com/media/public/abc.mp4",
            "kind": MediaKind.VIDEO,
            "duration_s": 10.0,
            "frame_rate": 30.0,
            "container": "mp4",
            "video_codec": "h264",
            "audio_codec": "aac",
        }
        return image(**{**facts, **changes})

    return make
