"""Connecting accounts: from a whole token set to rows, and back again.

Nothing here knows of requests and pages. Calls to platforms happen first and outside of
transactions; rows change afterwards, all at once, or not at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from platforms.base import (
    Ability,
    Access,
    Call,
    Identity,
    PlatformClient,
    PlatformSpec,
    Proof,
    Scope,
    TokenSet,
)
from platforms.errors import Outcome, PlatformError

from .models import (
    AuditEvent,
    Brand,
    ConnectedAccount,
    Credential,
    Network,
    PendingConnection,
    PlatformApp,
)

logger = logging.getLogger(__name__)

#: Answers that say for certain that a credential may not post.
DEFINITE = {Outcome.AUTH_EXPIRED, Outcome.AUTH_REVOKED, Outcome.PERMISSION}


# ---------------------------------------------------------------- what hinders


class ConnectRefused(Exception):
    """Nothing was changed, and this is why. Each kind has its page."""


class ScopesRefused(ConnectRefused):
    """Without the permission to publish there is nothing to connect."""

    def __init__(self, missing: Sequence[Scope]) -> None:
        super().__init__("publishing was not allowed")
        self.missing = missing


class NobodyThere(ConnectRefused):
    """The platform named no profile or page that this sign-in may act for."""


class AlreadyConnected(ConnectRefused):
    """account: the row, when the person may see it, else None."""

    def __init__(self, name: str, account: ConnectedAccount | None) -> None:
        super().__init__("already connected")
        self.name = name
        self.account = account


class OtherIdentity(ConnectRefused):
    def __init__(self, signed_in_as: str, belongs_to: str) -> None:
        super().__init__("signed in as somebody else")
        self.signed_in_as = signed_in_as
        self.belongs_to = belongs_to


class CannotPost(ConnectRefused):
    """The new access is not good for publishing, so the old one stays."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.detail = detail


class FewerRights(ConnectRefused):
    """The new access allows less than the old one: a person has to say yes."""

    def __init__(self, lost: Sequence[Scope]) -> None:
        super().__init__("fewer permissions than before")
        self.lost = lost


# ---------------------------------------------------------------- permissions


def is_covered(scope: str, granted: Iterable[str]) -> bool:
    """A scope, or the whole that it is a part of ("write" covers "write:media")."""
    have = set(granted)
    return scope in have or (":" in scope and scope.split(":", 1)[0] in have)


def is_allowed(call: Call, granted: Iterable[str]) -> bool:
    have = set(granted)
    if not all(is_covered(scope, have) for scope in call.scopes):
        return False
    return not call.any_scopes or any(is_covered(s, have) for s in call.any_scopes)


def may_publish(spec: PlatformSpec, granted: Iterable[str]) -> bool:
    """Whether any call that creates a post is open to these scopes."""
    have = set(granted)
    rows = [c for c in spec.calls if c.mutates and c.ability is Ability.PUBLISH]
    return any(is_allowed(call, have) for call in rows)


def missing_scopes(
    spec: PlatformSpec, asked: Iterable[str], granted: Iterable[str]
) -> list[Scope]:
    """What was asked for and not given, in the order of asking."""
    have = set(granted)
    known = {scope.name: scope for scope in spec.scopes}
    return [
        known.get(name) or Scope(name, name)
        for name in asked
        if not is_covered(name, have)
    ]


@dataclass(frozen=True)
class Permission:
    """One line of an account's permissions: what it is for and whether it is there."""

    scope: Scope
    is_granted: bool
    #: features that do not work without it
    effects: tuple[str, ...] = ()


def permissions(credential: Credential, asked: Sequence[str]) -> list[Permission]:
    """Granted against needed, with what a missing one costs. Reads no database."""
    spec, have = credential.app.spec, set(credential.granted_scopes)
    known = {scope.name: scope for scope in spec.scopes}
    extra = [name for name in credential.granted_scopes if name not in asked]
    rows = []
    for name in [*asked, *extra]:
        granted = is_covered(name, have)
        rows.append(
            Permission(
                known.get(name) or Scope(name, name),
                granted,
                () if granted else features_without(spec, name, have),
            )
        )
    return rows


def features_without(
    spec: PlatformSpec, scope: str, granted: Iterable[str]
) -> tuple[str, ...]:
    """Features of calls that need this scope and are closed without it."""
    have = set(granted)
    closed = (
        call.feature
        for call in spec.calls
        if scope in (*call.scopes, *call.any_scopes) and not is_allowed(call, have)
    )
    return tuple(dict.fromkeys(closed))


# ---------------------------------------------------------------- a grant


@dataclass(frozen=True)
class Grant:
    """A person's consent: whole tokens, what was asked, and whom they may act for."""

    app: PlatformApp
    tokens: TokenSet
    asked: tuple[str, ...]
    identities: tuple[Identity, ...]

    @property
    def subject(self) -> Identity:
        """The person or profile that consented."""
        return self.identities[0]

    @property
    def spec(self) -> PlatformSpec:
        return self.app.spec

    @property
    def missing(self) -> list[Scope]:
        return missing_scopes(self.spec, self.asked, self.tokens.scopes)

    def client(self) -> PlatformClient:
        return self.app.client(access_of(self.tokens, self.subject))

    def find(self, external_id: str) -> Identity | None:
        return next((i for i in self.identities if i.external_id == external_id), None)

    def credential(self) -> Credential | None:
        """The stored credential of the same consent, a live one before a dead one."""
        rows = Credential.objects.filter(
            app=self.app, subject_id=self.subject.external_id
        ).order_by("-connected_at")
        live = rows.exclude(state=Credential.State.DISCONNECTED).first()
        return live or rows.first()

    def lost(self, before: Credential | None) -> list[Scope]:
        """Permissions that `before` has and this grant has not."""
        if before is None or before.state == Credential.State.DISCONNECTED:
            return []
        return missing_scopes(self.spec, before.granted_scopes, self.tokens.scopes)

    # A grant waits encrypted in a PendingConnection, as JSON.

    def dump(self) -> str:
        return json.dumps(
            {
                "tokens": asdict(self.tokens),
                "asked": self.asked,
                "identities": [asdict(identity) for identity in self.identities],
            },
            default=lambda value: value.isoformat(),
        )

    @classmethod
    def load(cls, app: PlatformApp, text: str) -> Grant:
        data = json.loads(text)
        identities = []
        for identity in data["identities"]:
            own = identity["tokens"]
            identity["tokens"] = _tokens_of(own) if own else None
            identities.append(Identity(**identity))
        return cls(
            app, _tokens_of(data["tokens"]), tuple(data["asked"]), tuple(identities)
        )


def _tokens_of(data: dict[str, Any]) -> TokenSet:
    """From the JSON of a dumped grant."""
    for item in fields(TokenSet):
        if item.name.endswith("_at") and data[item.name]:
            data[item.name] = datetime.fromisoformat(data[item.name])
    return TokenSet(**{**data, "scopes": tuple(data["scopes"])})


def access_of(tokens: TokenSet, subject: Identity | None = None) -> Access:
    return Access(
        token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        external_id=subject.external_id if subject else "",
        kind=subject.kind if subject else "user",
        handle=(subject.handle or subject.name) if subject else "",
        scopes=tokens.scopes,
        issued_at=tokens.issued_at,
        extra={**tokens.extra, **(subject.extra if subject else {})},
    )


def receive(
    app: PlatformApp,
    tokens: TokenSet,
    asked: Sequence[str],
    identities: Sequence[Identity] = (),
) -> Grant:
    """Judge new tokens and ask whom they may act for. Stores nothing.

    A platform that names no scopes gave those that it was asked for (RFC 6749, 5.1).
    Raises ScopesRefused, NobodyThere, or the platform's own PlatformError.
    """
    tokens = replace(tokens, scopes=tokens.scopes or tuple(asked))
    if not may_publish(app.spec, tokens.scopes):
        raise ScopesRefused(missing_scopes(app.spec, asked, tokens.scopes))
    found = tuple(identities or app.client(access_of(tokens)).identities())
    if not found:
        raise NobodyThere
    return Grant(app, tokens, tuple(asked), found)


@dataclass(frozen=True)
class FirstLook:
    """What the platform said of a new grant before it was stored."""

    proof: Proof | None
    error: PlatformError | None
    limits: Mapping[str, Any]

    @property
    def refusal(self) -> CannotPost | None:
        """A definite "no" to posting; network trouble is none."""
        if self.error is not None and self.error.outcome in DEFINITE:
            return CannotPost(self.error.cause, self.error.detail)
        publish = self.proof.abilities.get(Ability.PUBLISH) if self.proof else None
        if publish is not None and publish.ok is False:
            return CannotPost(publish.cause or "", publish.detail)
        return None


def first_look(grant: Grant) -> FirstLook:
    """Prove the grant once and read the server's limits; trouble there is no failure."""
    client = grant.client()
    proof: Proof | None = None
    trouble: PlatformError | None = None
    limits: Mapping[str, Any] = {}
    try:
        proof = client.prove()
        limits = client.server_limits()
    except PlatformError as error:
        trouble = error
        logger.info("first look at %s: %s", grant.app, error)
    return FirstLook(proof, trouble if proof is None else None, limits)


# ---------------------------------------------------------------- new accounts


class OfferState(StrEnum):
    NEW = "new"
    RESTORE = "restore"  # disconnected once; comes back with its history
    CONNECTED = "connected"
    ELSEWHERE = "elsewhere"  # in a brand that this person does not see
    CANNOT_PUBLISH = "cannot_publish"


@dataclass(frozen=True)
class Offer:
    """One profile or page that a grant may act for, as a person may choose it."""

    identity: Identity
    state: OfferState
    account: ConnectedAccount | None = None

    @property
    def can_choose(self) -> bool:
        return self.state in {OfferState.NEW, OfferState.RESTORE}


def offers(grant: Grant, user: Any) -> list[Offer]:
    """Every identity of the grant and whether this person may connect it (2 queries)."""
    rows = ConnectedAccount.objects.filter(
        platform=grant.app.platform,
        network=grant.app.network,
        external_id__in=[i.external_id for i in grant.identities],
    )
    known = {row.external_id: row for row in rows}
    visible = {row.pk for row in rows.visible_to(user).select_related("brand")}
    found = []
    for identity in grant.identities:
        account = known.get(identity.external_id)
        if account is not None and account.pk not in visible:
            found.append(Offer(identity, OfferState.ELSEWHERE))
        elif account is not None and account.health != "disconnected":
            found.append(Offer(identity, OfferState.CONNECTED, account))
        elif not identity.can_publish:
            found.append(Offer(identity, OfferState.CANNOT_PUBLISH, account))
        elif account is not None:
            found.append(Offer(identity, OfferState.RESTORE, account))
        else:
            found.append(Offer(identity, OfferState.NEW))
    return found


def connect(
    grant: Grant, picks: Sequence[tuple[Identity, Brand]], user: Any
) -> list[ConnectedAccount]:
    """Connect the chosen identities, each once; they share the grant's credential.

    One that was disconnected comes back in its own brand. Raises AlreadyConnected.
    """
    open_to_person = {o.identity.external_id: o for o in offers(grant, user)}
    for identity, _brand in picks:
        offer = open_to_person[identity.external_id]
        if not offer.can_choose:
            raise AlreadyConnected(identity.name, offer.account)
    look = first_look(grant)
    try:
        with transaction.atomic():
            credential = _store(grant, look, user)
            return [
                _add(credential, identity, brand, look, user)
                for identity, brand in picks
            ]
    except IntegrityError:
        # Somebody connected the same profile while this person was choosing.
        name = ", ".join(identity.name for identity, _brand in picks)
        raise AlreadyConnected(name, None) from None


def _add(
    credential: Credential,
    identity: Identity,
    brand: Brand,
    look: FirstLook,
    user: Any,
) -> ConnectedAccount:
    app = credential.app
    account = ConnectedAccount.objects.filter(
        platform=app.platform, network=app.network, external_id=identity.external_id
    ).first()
    restored = account is not None
    if account is None:
        account = ConnectedAccount(
            platform=app.platform,
            network=app.network,
            external_id=identity.external_id,
            brand=brand,
            owner=user,
        )
    elif account.health != "disconnected":
        raise AlreadyConnected(identity.name, None)
    _attach(account, credential, identity, look)
    AuditEvent.write(
        user,
        "reconnected" if restored else "connected",
        account,
        signed_in_as=credential.subject_name,
    )
    return account


def _attach(
    account: ConnectedAccount,
    credential: Credential,
    identity: Identity,
    look: FirstLook,
) -> None:
    account.credential = credential
    account.kind = identity.kind
    account.name = (identity.name or identity.handle)[:200]
    account.handle = identity.handle[:200]
    account.url = identity.url[:500]
    account.avatar_url = identity.avatar_url[:1000]
    account.extra = dict(identity.extra)
    if look.limits:
        account.server_limits = dict(look.limits)
    account.trouble = account.trouble_detail = ""
    account.trouble_at = None
    if account.disconnected_at or not account.pk:
        account.connected_at = timezone.now()
    account.disconnected_at = None
    account.save()


def _store(grant: Grant, look: FirstLook, user: Any) -> Credential:
    """Put the new tokens in the place of the old ones. Inside a transaction."""
    now = timezone.now()
    subject = grant.subject
    credential = grant.credential()
    if credential is not None:
        credential = Credential.objects.select_for_update().get(pk=credential.pk)
        # The old refresh token belongs to the old consent, and a renewal that is on
        # its way must not overwrite the new one.
        credential.refresh_token = ""
        credential.refresh_expires_at = None
        credential.refresh_fence += 1
    else:
        credential = Credential(app=grant.app, subject_id=subject.external_id)
    credential.app = grant.app
    credential.kind = subject.kind
    credential.subject_name = (subject.handle or subject.name)[:200]
    credential.connected_by = user
    credential.connected_at = now
    credential.store(grant.tokens, now=now)
    if look.proof is not None:
        credential.take_proof(look.proof, now)
    credential.save()
    if look.error is not None and look.error.outcome in DEFINITE:
        credential.break_for(look.error)
    return credential


# ---------------------------------------------------------------- reconnecting


def reconnect(
    grant: Grant, account: ConnectedAccount, user: Any, *, fewer_is_fine: bool = False
) -> list[ConnectedAccount]:
    """Give an account new access in place; returns it and the siblings mended with it.

    Nothing is overwritten unless the sign-in belongs to this account, allows as much
    as before (or the person said yes) and is proven. Raises a ConnectRefused.
    """
    identity = grant.find(account.external_id)
    if identity is None:
        raise OtherIdentity(_called(grant.subject), account.handle or account.name)
    if not identity.can_publish:
        raise CannotPost("role_lost")
    before = account.credential
    lost = grant.lost(before) or grant.lost(grant.credential())
    if lost and not fewer_is_fine:
        raise FewerRights(lost)
    look = first_look(grant)
    if refusal := look.refusal:
        raise refusal
    with transaction.atomic():
        credential = _store(grant, look, user)
        _attach(account, credential, identity, look)
        mended = [account, *_mend_siblings(grant, account, before, credential)]
        if before is not None and before.pk != credential.pk:
            _retire(before)
        AuditEvent.write(
            user,
            "reconnected",
            account,
            signed_in_as=credential.subject_name,
            mended=len(mended),
        )
    return mended


def _mend_siblings(
    grant: Grant,
    account: ConnectedAccount,
    before: Credential | None,
    credential: Credential,
) -> list[ConnectedAccount]:
    """Accounts of the same consent that the new one may act for too."""
    ids = [i.external_id for i in grant.identities if i.can_publish]
    rows = (
        ConnectedAccount.objects.connected()
        .filter(
            credential__in=[c for c in (before, credential) if c is not None],
            external_id__in=ids,
        )
        .exclude(pk=account.pk)
    )
    siblings = list(rows)
    for sibling in siblings:
        sibling.credential = credential
        sibling.trouble = sibling.trouble_detail = ""
        sibling.trouble_at = None
        sibling.save(
            update_fields=["credential", "trouble", "trouble_detail", "trouble_at"]
        )
    return siblings


def _called(identity: Identity) -> str:
    return identity.handle or identity.name


# ---------------------------------------------------------------- disconnecting


def disconnect(account: ConnectedAccount, user: Any) -> None:
    """End our access and keep the account's history. Telling the platform may fail."""
    credential = account.credential
    last = credential is not None and not credential.accounts.connected().exclude(
        pk=account.pk
    )
    if credential is not None and last and credential.access_token:
        _tell_platform(credential)
    with transaction.atomic():
        account.disconnected_at = timezone.now()
        account.save(update_fields=["disconnected_at"])
        if credential is not None:
            _retire(credential)
        AuditEvent.write(user, "disconnected", account)


def _tell_platform(credential: Credential) -> None:
    try:
        credential.app.client(credential.access()).revoke()
    except NotImplementedError:
        logger.info("%s has no way to revoke", credential.app)
    except PlatformError as error:
        logger.info("revoking at %s: %s", credential.app, error)


def _retire(credential: Credential) -> None:
    """Delete the tokens of a credential that no connected account uses any more."""
    if credential.accounts.connected().exists():
        return
    credential.access_token = credential.refresh_token = ""
    credential.state = Credential.State.DISCONNECTED
    credential.refresh_after = None
    credential.expires_at = credential.refresh_expires_at = None
    credential.refresh_fence += 1
    credential.save(
        update_fields=[
            "access_token",
            "refresh_token",
            "state",
            "refresh_after",
            "expires_at",
            "refresh_expires_at",
            "refresh_fence",
        ]
    )


# ---------------------------------------------------------------- while a person chooses


def park(
    grant: Grant,
    user: Any,
    *,
    brand: Brand | None = None,
    account: ConnectedAccount | None = None,
) -> PendingConnection:
    """Keep a grant, encrypted, until the person has chosen; old ones go."""
    now = timezone.now()
    PendingConnection.objects.filter(expires_at__lt=now).delete()
    return PendingConnection.objects.create(
        user=user,
        app=grant.app,
        brand=brand,
        account=account,
        grant=grant.dump(),
        created_at=now,
        expires_at=now + PendingConnection.LIFE,
    )


def parked(pk: Any, user: Any) -> tuple[PendingConnection, Grant] | None:
    """The waiting grant of this person, or None when it is over."""
    row = (
        PendingConnection.objects.filter(
            pk=pk, user=user, expires_at__gte=timezone.now()
        )
        .select_related("app", "brand", "account__credential__app")
        .first()
    )
    return (row, Grant.load(row.app, row.grant)) if row else None


# ---------------------------------------------------------------- apps


def app_for(platform: str, network: str, instance_url: str = "") -> PlatformApp | None:
    return PlatformApp.objects.filter(
        platform=platform, network=network, instance_url=instance_url
    ).first()


def network_of(value: str) -> Network:
    """A network from an address or a form; the real one when it says nothing else."""
    return Network.PRACTICE if value == Network.PRACTICE else Network.LIVE
