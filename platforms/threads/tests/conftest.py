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
from platforms.threads.client import ThreadsClient
from platforms.threads.publish import Threads
from platforms.threads.spec import SPEC

ME = "17841400000000009"


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client_for() -> Callable[..., ThreadsClient]:
    def make(**changes: Any) -> ThreadsClient:
        facts: dict[str, Any] = {
            "token": "THAAtest",
            "refresh_token": "THAAtest",
            "external_id": ME,
            "scopes": SPEC.oauth.scopes if SPEC.oauth else (),
            "issued_at": datetime.now(UTC) - timedelta(days=30),
        }
        environment = Environment(
            SPEC.hosts, client_id="1234567890", client_secret="app-secret"
        )
        return ThreadsClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., ThreadsClient]) -> ThreadsClient:
    return client_for()


@pytest.fixture
def threads() -> Threads:
    return Threads()


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
            "alt_text": "A square turns",
            "public_url": "https://hub.example.com/media/public/a.mp4",
            "duration_s": 12.0,
            "frame_rate": 30.0,
            "video_codec": "h264",
            "audio_codec": "aac",
            "bitrate": 4_000_000,
        }
        return image(**{**facts, **changes})

    return make


@pytest.fixture
def job() -> Callable[..., PublishJob]:
    def make(draft: Draft | str, **changes: Any) -> PublishJob:
        facts: dict[str, Any] = {
            "marker": "0" * 32,
            "created_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
            "draft": Draft(draft) if isinstance(draft, str) else draft,
            "account": Identity(
                ME, "user", "Acme", "acmebakery", "https://threads.net/@acmebakery"
            ),
        }
        return PublishJob(**{**facts, **changes})

    return make
