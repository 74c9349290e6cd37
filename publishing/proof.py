"""Proof of publication: what went out, where, when, and by whose word we know it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import AuditEvent
from accounts.names import name_of

from .fingerprints import fingerprint
from .models import Attempt, Delivery, draft_doc

#: outcomes of an attempt that say that it is there
ANSWERED, FOUND = "published", "found"
CONFIRMED = "delivery.confirmed_live"


@dataclass(frozen=True)
class File:
    """A file as it was sent."""

    name: str
    mime_type: str
    size_bytes: int
    sha256: str
    alt_text: str


@dataclass(frozen=True)
class Proof:
    """All of one publication.

    text_sha256: of the text as sent (UTF-8, NFC). fingerprint: of text, link and files
    as an audience sees them. is_as_sent False: what was sent was not kept (older
    versions), these are the post's words of now. source: platform (it answered so),
    look_up (it was found there) or person (somebody saw it).
    """

    delivery: Delivery
    texts: Sequence[str]
    link: str
    files: Sequence[File]
    fingerprint: str
    is_as_sent: bool
    source: str
    told_by: str
    request_id: str
    told_at: datetime | None

    @property
    def text_sha256(self) -> str:
        whole = "\n\n".join(self.texts)
        return hashlib.sha256(unicodedata.normalize("NFC", whole).encode()).hexdigest()

    def document(self) -> dict[str, Any]:
        """JSON values; `sha256` is of the rest, as `canonical` writes it."""
        row = self.delivery
        account = row.account
        doc: dict[str, Any] = {
            "kind": "proof of publication",
            "delivery": row.pk,
            "post": row.post_id,
            "brand": row.post.brand.name,
            "account": {
                "platform": account.platform,
                "network": account.network,
                "id": account.external_id,
                "name": account.name,
                "handle": account.handle,
            },
            "external_id": row.external_id,
            "permalink": row.permalink,
            "due_at": _utc(row.due_at),
            "sent_at": _utc(row.first_sent_at),
            "published_at": _utc(row.published_at),
            "known_from": self.source,
            "confirmed_by": self.told_by,
            "confirmed_at": _utc(self.told_at),
            "request_id": self.request_id,
            "attempts": row.attempt_count,
            "texts": list(self.texts),
            "link": self.link,
            "text_sha256": self.text_sha256,
            "files": [vars(file) for file in self.files],
            "fingerprint": self.fingerprint,
            "words_are_as_sent": self.is_as_sent,
        }
        return doc | {"sha256": hashlib.sha256(canonical(doc)).hexdigest()}


def canonical(doc: dict[str, Any]) -> bytes:
    """The bytes that a proof's `sha256` is of: JSON, keys in order, no spaces, UTF-8."""
    plain = {key: value for key, value in doc.items() if key != "sha256"}
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def _utc(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def proof(delivery: Delivery, attempts: Iterable[Attempt]) -> Proof | None:
    """None while it is not published. One query where only a person could tell, and
    those of the post's own files where what was sent was not kept."""
    if delivery.status != Delivery.Status.PUBLISHED:
        return None
    draft = delivery.draft or draft_doc(
        delivery.post.draft_for(delivery.account.platform, delivery.account)
    )
    told = [row for row in attempts if row.outcome in (ANSWERED, FOUND)]
    last = told[-1] if told else None
    source, by, at = "platform", "", last.closed_at if last else None
    if last is not None and last.outcome == FOUND:
        source = "look_up"
    elif last is None and (event := _confirmed(delivery)):
        source, at = "person", event.at
        by = name_of(event.actor) if event.actor else ""
    parts = [draft, *draft.get("parts", ())]
    return Proof(
        delivery=delivery,
        texts=[part["text"] for part in parts],
        link=draft["link_url"],
        files=[_file(facts) for part in parts for facts in part["media"]],
        fingerprint=fingerprint(draft),
        is_as_sent=bool(delivery.draft),
        source=source,
        told_by=by,
        request_id=_request_id(last) if last else "",
        told_at=at,
    )


def _file(facts: dict[str, Any]) -> File:
    names = ("mime_type", "size_bytes", "sha256", "alt_text")
    return File(facts["file_name"], *(facts[name] for name in names))


def _request_id(attempt: Attempt) -> str:
    """Of the call that told; some answers have none."""
    ids = [call.get("request_id") for call in attempt.calls]
    return attempt.request_id or next((id for id in reversed(ids) if id), "")


def _confirmed(delivery: Delivery) -> AuditEvent | None:
    return (
        AuditEvent.objects.filter(
            target_type=delivery._meta.label_lower,
            target_id=str(delivery.pk),
            verb=CONFIRMED,
        )
        .select_related("actor")
        .order_by("-at")
        .first()
    )


def source_words(found: Proof) -> str:
    if found.source == "person":
        return _("%(name)s saw it on the network") % {"name": found.told_by or "–"}
    if found.source == "look_up":
        return _("Found on the network by a look-up")
    return _("The platform's own answer")


# ---------------------------------------------------------------- as a file


def to_json(found: Proof) -> bytes:
    text = json.dumps(found.document(), ensure_ascii=False, indent=2)
    return text.encode()
