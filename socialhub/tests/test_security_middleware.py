"""What every answer forbids the browser, and how much a stranger may send."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def policy_of(response: Any) -> dict[str, str]:
    parts = response["Content-Security-Policy"].split(";")
    return {name: rest for name, _, rest in (p.strip().partition(" ") for p in parts)}


@pytest.mark.parametrize("path", ["/", "/sign-in/login/", "/nowhere", "/healthz"])
def test_every_page_allows_only_scripts_of_its_own_files(client: Client, path: str):
    policy = policy_of(client.get(path))

    assert "'unsafe-inline'" not in policy["script-src"]
    assert policy["script-src"].split()[0] == "'self'"
    assert policy["default-src"] == policy["connect-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"


def test_forms_may_lead_to_networks_and_not_to_any_plain_address(settings):
    settings.PRACTICE_NETWORK_URL = "http://127.0.0.1:8801"
    settings.ALLOWED_PRIVATE_HOSTS = ["10.0.0.5:3000"]

    allowed = policy_of(Client().get("/sign-in/login/"))["form-action"].split()

    assert allowed == [
        "'self'",
        "https:",
        "http://10.0.0.5:3000",
        "http://127.0.0.1:8801",
    ]


def test_a_view_may_be_stricter(client: Client, author: Any, brand: Any) -> None:
    from django.core.files.base import ContentFile

    from publishing.models import MediaAsset

    asset = MediaAsset(
        brand=brand, name="a.png", mime_type="image/png", size_bytes=1, sha256="0" * 64
    )
    asset.file.save("", ContentFile(b"x"))
    client.force_login(author)

    response = client.get(f"/media/{asset.pk}/")

    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_stranger_cannot_fill_the_disk_with_a_body(client: Client) -> None:
    response = client.post("/sign-in/login/", {"login": "x" * 2_000_000})

    assert response.status_code == 413


def test_a_person_may_send_files_and_not_without_end(
    client: Client, author: Any, settings: Any
) -> None:
    client.force_login(author)

    fits = client.post("/posts/check/", {"text": "x" * 2_000_000})
    length = str((settings.MEDIA_MAX_MB + 91) << 20)
    endless = client.generic("POST", "/posts/check/", b"", CONTENT_LENGTH=length)

    assert fits.status_code == 200
    assert endless.status_code == 413
