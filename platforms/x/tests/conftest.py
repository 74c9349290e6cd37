from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import responses

from platforms.base import Access, Draft, Environment, Identity, MediaFile, PublishJob
from platforms.x.client import XClient
from platforms.x.publish import X
from platforms.x.spec import SPEC

TOKEN = "test-access-token"
REFRESH = "test-refresh-token"
SECRET = "test-client-secret"


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def environment() -> Environment:
    return Environment(SPEC.hosts, client_id="cid", client_secret=SECRET)


@pytest.fixture
def client_for(environment: Environment) -> Callable[..., XClient]:
    def make(**changes: Any) -> XClient:
        facts: dict[str, Any] = {
            "token": TOKEN,
            "refresh_token": REFRESH,
            "external_id": "1234500001",
            "scopes": SPEC.oauth.scopes if SPEC.oauth else (),
            "issued_at": datetime.now(UTC) - timedelta(hours=1),
        }
        return XClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., XClient]) -> XClient:
    return client_for()


@pytest.fixture
def x() -> X:
    return X()


@pytest.fixture
def image() -> Callable[..., MediaFile]:
    def make(**changes: Any) -> MediaFile:
        facts: dict[str, Any] = {
            "key": "asset-1",
            "mime_type": "image/png",
            "size_bytes": 4,
            "width": 10,
            "height": 10,
            "alt_text": "A red square",
            "sha256": "ab" * 32,
            "file_name": "a.png",
            "open": lambda: BytesIO(b"\x89PNG"),
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
                "1234500001",
                "user",
                "Acme Tools",
                "acmetools",
                "https://x.com/acmetools",
            ),
        }
        return PublishJob(**{**facts, **changes})

    return make
