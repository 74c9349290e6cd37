"""Proof: what can this credential still do? By read-only calls, never by arithmetic."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from platforms.base import Ability, Proof
from platforms.errors import (
    AuthExpired,
    AuthRevoked,
    Outcome,
    PermissionMissing,
    PlatformError,
)

from . import limits, refresh
from .models import ConnectedAccount, Credential

logger = logging.getLogger(__name__)

#: After a look that told nothing (network, 5xx, 429), look again.
AGAIN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Finding:
    """verdict: proven, failing or unknown. `changed`: the state is another than before."""

    verdict: str
    cause: str = ""
    evidence: str = ""
    duration_ms: int = 0
    changed: bool = False


def check(credential: Credential) -> Finding:
    """Look once, store what it told, and say it. Broken credentials are looked at too."""
    before = (credential.state, credential.cause)
    start = time.monotonic()
    finding = _check(credential)
    spent = int((time.monotonic() - start) * 1000)
    credential.refresh_from_db()
    changed = (credential.state, credential.cause) != before or finding.changed
    return Finding(finding.verdict, finding.cause, finding.evidence, spent, changed)


def _check(credential: Credential) -> Finding:
    now = timezone.now()
    if _must_renew(credential):
        refresh.refresh(credential.pk)
        credential.refresh_from_db()
        if not credential.is_active:
            _postpone(credential, credential.proof_gap())
            return Finding("failing", credential.cause, credential.detail)
    client = credential.app.client(credential.access())
    try:
        try:
            proof = client.prove()
        finally:
            limits.count(client, credential)
    except (AuthExpired, AuthRevoked, PermissionMissing) as error:
        if _replaced(credential):
            return _asked_too_early(credential)
        return _failed(credential, error)
    except PlatformError as error:
        wait = timedelta(seconds=error.retry_after or 0)
        _postpone(credential, max(_again_after(credential), wait))
        return Finding("unknown", error.cause, str(error))
    if _replaced(credential):
        return _asked_too_early(credential)
    credential.refresh_from_db()
    if credential.state == Credential.State.DISCONNECTED:
        return Finding("unknown", evidence="disconnected meanwhile")
    credential.take_proof(proof, now)
    credential.save(
        update_fields=[
            "abilities",
            "granted_scopes",
            "expires_at",
            "looked_at",
            "proven_at",
            "state",
            "cause",
            "detail",
            "broken_at",
            "next_proof_at",
        ]
    )
    changed = _check_pages(credential) if credential.is_active else False
    publish = proof.abilities.get(Ability.PUBLISH)
    if publish and publish.ok is False:
        return Finding("failing", publish.cause or "", publish.detail)
    verdict = "proven" if publish and publish.ok else "unknown"
    return Finding(verdict, evidence=_evidence(proof), changed=changed)


def _replaced(credential: Credential) -> bool:
    """Other tokens were stored while the platform was asked with these."""
    now = Credential.objects.filter(pk=credential.pk)
    return not now.filter(issued_at=credential.issued_at).exists()


def _asked_too_early(credential: Credential) -> Finding:
    """The answer is about tokens that are gone; the new ones were set to be looked at."""
    credential.refresh_from_db()
    return Finding("unknown", evidence="renewed or reconnected meanwhile")


def _again_after(credential: Credential) -> timedelta:
    """Platforms may refuse a token that is seconds old: then look again very soon."""
    fresh = timezone.now() - timedelta(minutes=5)
    if credential.issued_at and credential.issued_at > fresh:
        return timedelta(minutes=1)
    return AGAIN_AFTER


def _must_renew(credential: Credential) -> bool:
    """An access token that is over, but can be renewed, tells nothing of the grant."""
    if not (credential.refresh_token and credential.is_active):
        return False
    soon = timezone.now() + timedelta(seconds=30)
    if credential.expires_at and credential.expires_at <= soon:
        credential.refresh_after = timezone.now()
        credential.save(update_fields=["refresh_after"])
        return True
    return False


def _failed(credential: Credential, error: PlatformError) -> Finding:
    expired = error.outcome == Outcome.AUTH_EXPIRED
    if expired and credential.refresh_token and credential.is_active:
        now = timezone.now()
        Credential.objects.filter(pk=credential.pk).update(refresh_after=now)
        if refresh.refresh(credential.pk):
            # A refresh that the platform granted is itself a proof of the grant.
            credential.refresh_from_db()
            _postpone(credential, credential.proof_gap())
            return Finding("proven", evidence="renewed")
        credential.refresh_from_db()
        if credential.is_active:
            _postpone(credential, AGAIN_AFTER)
            return Finding("unknown", error.cause, "renewal did not come about")
    else:
        credential.break_for(error)
    _postpone(credential, credential.proof_gap())
    return Finding("failing", credential.cause or error.cause, error.detail)


def _postpone(credential: Credential, wait: timedelta) -> None:
    now = timezone.now()
    credential.looked_at = now
    credential.next_proof_at = now + wait
    credential.save(update_fields=["looked_at", "next_proof_at"])


def _check_pages(credential: Credential) -> bool:
    """The same token, asked for each page that is not the person's own profile."""
    changed = False
    pages = credential.accounts.connected().exclude(external_id=credential.subject_id)
    for account in pages:
        client = account.client()
        try:
            proof = client.prove()
            verdict = proof.abilities.get(Ability.PUBLISH)
        except PermissionMissing as error:
            changed |= _set_trouble(account, error.cause, error.detail)
            continue
        except PlatformError:
            continue  # proves nothing of this page
        finally:
            limits.count(client, credential, account)
        if verdict and verdict.ok is False:
            changed |= _set_trouble(account, verdict.cause or "", verdict.detail)
        elif verdict and verdict.ok:
            changed |= _set_trouble(account, "", "")
    return changed


def _set_trouble(account: ConnectedAccount, cause: str, detail: str) -> bool:
    if account.trouble == cause:
        return False
    account.trouble, account.trouble_detail = cause, detail[:2000]
    account.trouble_at = timezone.now() if cause else None
    account.save(update_fields=["trouble", "trouble_detail", "trouble_at"])
    return True


def _evidence(proof: Proof) -> str:
    words = []
    for ability, verdict in proof.abilities.items():
        word = {True: "yes", False: "no", None: "not told"}[verdict.ok]
        words.append(f"{ability.value}: {word}")
    return ", ".join(words)
