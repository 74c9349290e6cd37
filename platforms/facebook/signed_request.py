"""Meta's `signed_request`: who is told of, and proof that it was Meta who told.

Source: https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback/
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from ..base import PersonLeft


def read(signed_request: str, secret: str) -> dict[str, Any]:
    """The payload (`user_id`, `issued_at`, ...). ValueError says why it is refused.

    The signature covers the second part exactly as it came: encoded, without padding.
    """
    if not secret:
        raise ValueError("there is no app secret to check the signature with")
    signature, dot, payload = signed_request.partition(".")
    if not dot or not payload or "." in payload:
        raise ValueError("it has not the form signature.payload")
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(_decode(signature, "signature"), expected):
        raise ValueError("the signature does not match")
    try:
        data = json.loads(_decode(payload, "payload"))
    except (ValueError, RecursionError) as exc:
        raise ValueError("the payload is not JSON") from exc
    if not isinstance(data, dict):
        raise ValueError("the payload is not a JSON object")
    if str(data.get("algorithm", "")).upper() != "HMAC-SHA256":
        raise ValueError("the algorithm is not HMAC-SHA256")
    return data


def person_left(signed_request: str, secret: str) -> PersonLeft:
    """Whom a deauthorize or data-deletion callback is about. ValueError as in `read`."""
    data = read(signed_request, secret)
    subject = data.get("user_id")
    if not isinstance(subject, str | int) or not str(subject):
        raise ValueError("it names no user_id")
    issued = data.get("issued_at")
    at = None
    if isinstance(issued, int) and 0 < issued < 1 << 33:
        at = datetime.fromtimestamp(issued, UTC)
    return PersonLeft(str(subject), at)


def _decode(part: str, name: str) -> bytes:
    try:
        padded = part.rstrip("=") + "=" * (-len(part.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError(f"the {name} is not base64url") from exc
