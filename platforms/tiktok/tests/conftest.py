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
from platforms.tiktok.client import TikTokClient
from platforms.tiktok.publish import TikTok
from platforms.tiktok.spec import SPEC

API = "https://open.tiktokapis.com"
OK = {"code": "ok", "message": "", "log_id": "20261122101112A1B2C3"}


def answer(**data: Any) -> dict[str, Any]:
    return {"data": data, "error": OK}


def refusal(code: str, message: str = "No") -> dict[str, Any]:
    return {"data": {}, "error": {"code": code, "message": message, "log_id": "L1"}}


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client_for() -> Callable[..., TikTokClient]:
    def make(**changes: Any) -> TikTokClient:
        facts: dict[str, Any] = {
            "token": "act.test-token",
            "refresh_token": "rft.test-refresh",
            "external_id": "open-1",
            "handle": "ada_l",
            "scopes": ("user.info.basic", "video.publish", "video.list"),
            "issued_at": datetime.now(UTC) - timedelta(minutes=30),
        }
        environment = Environment(
            SPEC.hosts, client_id="aw1k2", client_secret="app-secret"
        )
        return TikTokClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., TikTokClient]) -> TikTokClient:
    return client_for()


@pytest.fixture
def tiktok() -> TikTok:
    return TikTok()


def video(size: int = 100, **changes: Any) -> MediaFile:
    facts: dict[str, Any] = {
        "key": "a1",
        "mime_type": "video/mp4",
        "size_bytes": size,
        "width": 720,
        "height": 1280,
        "alt_text": "",
        "sha256": "ab" * 32,
        "file_name": "a.mp4",
        "open": lambda: BytesIO(b"v" * size),
        "public_url": "https://hub.example.com/media/public/a.mp4",
        "kind": MediaKind.VIDEO,
        "duration_s": 12.0,
        "frame_rate": 30.0,
        "video_codec": "h264",
        "audio_codec": "aac",
    }
    return MediaFile(**{**facts, **changes})


def photo(number: int = 1, **changes: Any) -> MediaFile:
    facts: dict[str, Any] = {
        "key": f"p{number}",
        "mime_type": "image/jpeg",
        "size_bytes": 4,
        "width": 1080,
        "height": 1080,
        "alt_text": "",
        "sha256": f"{number:064x}",
        "file_name": f"{number}.jpg",
        "open": lambda: BytesIO(b"JPEG"),
        "public_url": f"https://hub.example.com/media/public/{number}.jpg",
    }
    return MediaFile(**{**facts, **changes})


def draft(*media: MediaFile, text: str = "Hello #cats", **options: Any) -> Draft:
    chosen = {"privacy_level": "PUBLIC_TO_EVERYONE", **options}
    return Draft(text, media=media or (video(),), options=chosen)


@pytest.fixture
def job() -> Callable[..., PublishJob]:
    def make(draft: Draft, **changes: Any) -> PublishJob:
        facts: dict[str, Any] = {
            "marker": "0" * 32,
            "created_at": datetime.now(UTC),
            "draft": draft,
            "account": Identity(
                "open-1", "user", "Ada", "ada_l", "https://www.tiktok.com/@ada_l"
            ),
        }
        return PublishJob(**{**facts, **changes})

    return make
