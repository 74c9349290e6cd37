from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses

from platforms.base import Access, Draft, Environment, Identity, MediaFile, PublishJob
from platforms.bluesky.client import BlueskyClient
from platforms.bluesky.spec import SPEC

DID = "did:plc:abc"
HANDLE = "acme.bsky.social"
PDS = "https://morel.us-east.host.bsky.network"
XRPC = f"{PDS}/xrpc"
ISSUED = 1770110000


def jwt(scope: str, life_s: int, name: str = "one") -> str:
    """An unsigned token that looks like the server's."""

    def part(data: dict[str, Any]) -> str:
        raw = json.dumps(data).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    claims = {"scope": scope, "iat": ISSUED, "exp": ISSUED + life_s, "jti": name}
    return f"{part({'typ': 'at+jwt'})}.{part(claims)}.c2lnbmF0dXJl"


ACCESS_JWT = jwt("com.atproto.appPass", 7200)
REFRESH_JWT = jwt("com.atproto.refresh", 90 * 86400)


def document(pds: str = PDS, did: str = DID) -> dict[str, Any]:
    return {
        "id": did,
        "service": [
            {"id": "#other", "serviceEndpoint": "https://other.example"},
            {
                "id": "#atproto_pds",
                "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": pds,
            },
        ],
    }


def session(**changes: Any) -> dict[str, Any]:
    return {
        "accessJwt": ACCESS_JWT,
        "refreshJwt": REFRESH_JWT,
        "handle": HANDLE,
        "did": DID,
        "didDoc": document(),
        "active": True,
    } | changes


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> BlueskyClient:
    return BlueskyClient(
        Environment(hosts=SPEC.hosts),
        Access(
            token=ACCESS_JWT,
            refresh_token=REFRESH_JWT,
            external_id=DID,
            handle=HANDLE,
            extra={"pds": PDS, "did": DID},
        ),
    )


@pytest.fixture
def picture() -> Callable[..., MediaFile]:
    def make(number: int = 1, **changes: Any) -> MediaFile:
        values: dict[str, Any] = {
            "key": f"asset-{number}",
            "mime_type": "image/png",
            "size_bytes": 9,
            "width": 1000,
            "height": 1500,
            "alt_text": f"Seedlings {number}",
            "sha256": "0" * 64,
            "file_name": f"{number}.png",
            "open": lambda: io.BytesIO(b"png bytes"),
        }
        return MediaFile(**(values | changes))

    return make


@pytest.fixture
def make_job() -> Callable[..., PublishJob]:
    def make(draft: Draft, **changes: Any) -> PublishJob:
        values: dict[str, Any] = {
            "marker": "0123456789abcdef0123456789abcdef",
            "created_at": datetime(2026, 2, 1, 8, 0, tzinfo=UTC),
            "draft": draft,
            "account": Identity(DID, "user", "Acme", HANDLE, ""),
        }
        return PublishJob(**(values | changes))

    return make
