from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import responses

from platforms.base import Access, Draft, Environment, Identity, MediaFile, PublishJob
from platforms.facebook.client import FacebookClient
from platforms.facebook.publish import Facebook
from platforms.facebook.spec import SPEC

PAGE = "104455667788990"


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def environment() -> Environment:
    return Environment(
        SPEC.hosts,
        client_id="1234567890",
        client_secret="app-secret",
        api_version="v26.0",
    )


@pytest.fixture
def person(environment: Environment) -> FacebookClient:
    return FacebookClient(environment, Access(token="user-token", kind="user"))


@pytest.fixture
def page(environment: Environment) -> FacebookClient:
    access = Access(token="page-token", external_id=PAGE, kind="page")
    return FacebookClient(environment, access)


@pytest.fixture
def facebook() -> Facebook:
    return Facebook()


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
            "account": Identity(PAGE, "page", "Acme Bakery", "acmebakery", ""),
        }
        return PublishJob(**{**facts, **changes})

    return make
