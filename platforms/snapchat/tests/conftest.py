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
from platforms.snapchat.client import SnapchatClient
from platforms.snapchat.publish import Snapchat
from platforms.snapchat.spec import SPEC

API = "https://businessapi.snapchat.com"
SECRET = "app-secret"


def answer(**data: Any) -> dict[str, Any]:
    return {"request_status": "SUCCESS", "request_id": "r-1", **data}


def refusal(code: str = "", **more: Any) -> dict[str, Any]:
    return {
        "request_status": "ERROR",
        "request_id": "r-2",
        "display_message": "No",
        "error_code": code,
        **more,
    }


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client_for() -> Callable[..., SnapchatClient]:
    def make(secret: str = SECRET, **changes: Any) -> SnapchatClient:
        facts: dict[str, Any] = {
            "token": "test-token",
            "refresh_token": "test-refresh",
            "external_id": "p-1",
            "kind": "profile",
            "handle": "acmegarden",
            "scopes": ("snapchat-profile-api",),
            "issued_at": datetime.now(UTC) - timedelta(minutes=30),
        }
        environment = Environment(SPEC.hosts, client_id="uuid", client_secret=secret)
        return SnapchatClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., SnapchatClient]) -> SnapchatClient:
    return client_for()


@pytest.fixture
def snapchat() -> Snapchat:
    return Snapchat()


def video(size: int = 100, **changes: Any) -> MediaFile:
    facts: dict[str, Any] = {
        "key": "a1",
        "mime_type": "video/mp4",
        "size_bytes": size,
        "width": 1080,
        "height": 1920,
        "alt_text": "",
        "sha256": "ab" * 32,
        "file_name": "a.mp4",
        "open": lambda: BytesIO(bytes(n % 251 for n in range(size))),
        "kind": MediaKind.VIDEO,
        "duration_s": 12.0,
        "frame_rate": 30.0,
        "video_codec": "h264",
        "audio_codec": "aac",
    }
    return MediaFile(**{**facts, **changes})


def image(**changes: Any) -> MediaFile:
    facts: dict[str, Any] = {
        "key": "p1",
        "mime_type": "image/jpeg",
        "size_bytes": 4,
        "width": 1080,
        "height": 1920,
        "alt_text": "A tulip",
        "sha256": "cd" * 32,
        "file_name": "a.jpg",
        "open": lambda: BytesIO(b"JPEG"),
    }
    return MediaFile(**{**facts, **changes})


def draft(*media: MediaFile, text: str = "Sow now #plants", **options: Any) -> Draft:
    return Draft(text, media=media or (video(),), options=options)


@pytest.fixture
def job() -> Callable[..., PublishJob]:
    def make(draft: Draft, **changes: Any) -> PublishJob:
        facts: dict[str, Any] = {
            "marker": "0" * 32,
            "created_at": datetime.now(UTC),
            "draft": draft,
            "account": Identity("p-1", "profile", "Acme", "acmegarden", ""),
        }
        return PublishJob(**{**facts, **changes})

    return make
