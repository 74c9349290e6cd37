import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from platforms.facebook.signed_request import read

#: of the sheet: secret "key"
VECTOR = (
    "Mf_s6nTb38UYqioBmPqu0Ewm9souPZB9I2fIGwV729U."
    "eyJ1c2VyX2lkIjoiMCIsImFsZ29yaXRobSI6IkhNQUMtU0hBMjU2IiwiaXNzdWVkX2F0IjoxNjI0MjQ0MTU2fQ"
)


def signed(payload: Any, secret: str = "key") -> str:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    second = base64.urlsafe_b64encode(raw).rstrip(b"=")
    first = hmac.new(secret.encode(), second, hashlib.sha256).digest()
    return (base64.urlsafe_b64encode(first).rstrip(b"=") + b"." + second).decode()


@pytest.mark.trap("facebook", 11)
def test_what_meta_signed_is_read() -> None:
    assert read(VECTOR, "key") == {
        "user_id": "0",
        "algorithm": "HMAC-SHA256",
        "issued_at": 1624244156,
    }


@pytest.mark.trap("facebook", 11)
@pytest.mark.parametrize(
    ("text", "secret", "reason"),
    [
        (VECTOR, "other", "the signature does not match"),
        (VECTOR, "", "no app secret"),
        (VECTOR + "x", "key", "the signature does not match"),
        (VECTOR + "=", "key", "the signature does not match"),
        ("", "key", "signature.payload"),
        ("abc", "key", "signature.payload"),
        ("a.b.c", "key", "signature.payload"),
        ("!!.abc", "key", "the signature is not base64url"),
        ("é.abc", "key", "the signature is not base64url"),
        (signed(b"\xff{"), "key", "the payload is not JSON"),
        (signed([1]), "key", "not a JSON object"),
        (signed({"user_id": "1", "algorithm": "none"}), "key", "HMAC-SHA256"),
    ],
)
def test_anything_else_is_refused_with_its_reason(
    text: str, secret: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        read(text, secret)
