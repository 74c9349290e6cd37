from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
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
from platforms.mastodon.client import MastodonClient

BASE = "https://social.example"
TOKEN = "ZA-Yj3-the-token"
ACCOUNT = {
    "id": "14715",
    "username": "acme",
    "acct": "acme",
    "display_name": "Acme",
    "url": "https://social.example/@acme",
    "avatar": "https://files.social.example/a.png",
    "source": {"privacy": "unlisted"},
}


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> MastodonClient:
    return MastodonClient(
        Environment(
            hosts={"instance": BASE},
            client_id="TWhM-tNS",
            client_secret="ZEaF-qBR-secret",
            app_url="https://app.example.com",
        ),
        Access(
            token=TOKEN,
            external_id="social.example/14715",
            scopes=(
                "profile",
                "read:statuses",
                "read:notifications",
                "write:statuses",
                "write:media",
            ),
        ),
    )


@pytest.fixture
def picture() -> Callable[..., MediaFile]:
    def make(number: int = 1, **changes: Any) -> MediaFile:
        values: dict[str, Any] = {
            "key": f"asset-{number}",
            "mime_type": "image/png",
            "size_bytes": 9,
            "width": 640,
            "height": 480,
            "alt_text": f"Seedlings {number}",
            "sha256": "0" * 64,
            "file_name": f"säed {number}.png",
            "open": lambda: io.BytesIO(b"png bytes"),
        }
        return MediaFile(**(values | changes))

    return make


@pytest.fixture
def video(picture: Callable[..., MediaFile]) -> Callable[..., MediaFile]:
    def make(**changes: Any) -> MediaFile:
        values: dict[str, Any] = {
            "mime_type": "video/mp4",
            "file_name": "seeds.mp4",
            "kind": MediaKind.VIDEO,
            "duration_s": 12.0,
            "frame_rate": 30.0,
            "video_codec": "h264",
        }
        return picture(**(values | changes))

    return make


@pytest.fixture
def make_job() -> Callable[..., PublishJob]:
    def make(draft: Draft, **changes: Any) -> PublishJob:
        values: dict[str, Any] = {
            "marker": "0123456789abcdef0123456789abcdef",
            "created_at": datetime(2026, 2, 3, 9, 0, tzinfo=UTC),
            "draft": draft,
            "account": Identity("social.example/14715", "user", "Acme", "acme", ""),
            "server_limits": {"software": "mastodon", "api_level": 10},
        }
        return PublishJob(**(values | changes))

    return make
