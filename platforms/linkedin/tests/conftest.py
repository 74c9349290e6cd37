from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import responses

from platforms.base import Access, Draft, Environment, Identity, MediaFile, PublishJob
from platforms.linkedin.client import LinkedInClient
from platforms.linkedin.publish import LinkedIn
from platforms.linkedin.spec import FULL_SCOPES, SELF_SERVE_SCOPES, SPEC

PERSON = "urn:li:person:a1B2c3D4e5"
PAGE = "urn:li:organization:1234567"


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def environment() -> Environment:
    return Environment(SPEC.hosts, client_id="cid", client_secret="test-client-secret")


@pytest.fixture
def client_for(environment: Environment) -> Callable[..., LinkedInClient]:
    def make(**changes: Any) -> LinkedInClient:
        facts: dict[str, Any] = {
            "token": "test-access-token",
            "refresh_token": "test-refresh-token",
            "external_id": PERSON,
            "kind": "member",
            "scopes": SELF_SERVE_SCOPES,
            "issued_at": datetime.now(UTC) - timedelta(days=1),
        }
        return LinkedInClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., LinkedInClient]) -> LinkedInClient:
    return client_for()


@pytest.fixture
def page_client(client_for: Callable[..., LinkedInClient]) -> LinkedInClient:
    return client_for(external_id=PAGE, kind="organization", scopes=FULL_SCOPES)


@pytest.fixture
def linkedin() -> LinkedIn:
    return LinkedIn()


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
    def make(draft: Draft | str, *, page: bool = False, **changes: Any) -> PublishJob:
        member = Identity(PERSON, "member", "Ana Lopez", "", "")
        organization = Identity(PAGE, "organization", "Acme Tools", "acmetools", "")
        facts: dict[str, Any] = {
            "marker": "0" * 32,
            "created_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
            "draft": Draft(draft) if isinstance(draft, str) else draft,
            "account": organization if page else member,
        }
        return PublishJob(**{**facts, **changes})

    return make
