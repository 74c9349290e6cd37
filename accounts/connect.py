"""Connecting accounts: from a whole token set to rows, and back again.

Nothing here knows of requests and pages. Calls to platforms happen first and outside of
transactions; rows change afterwards, all at once, or not at all.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from platforms import registry
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
from platforms.errors import Cause, Outcome, PlatformError

from . import hooks
from .disconnect import retire, revoke
from .models import (
    AuditEvent,
    Brand,
    CampaignItem,
    ConnectedAccount,
    Credential,
    Network,
    PendingConnection,
    PlatformApp,
    ReconnectLink,
)

logger = logging.getLogger(__name__)

#: Answers that say for certain that a credential may not post.
DEFINITE = {Outcome.AUTH_EXPIRED, Outcome.AUTH_REVOKED, Outcome.PERMISSION}
#: Pages that are proven while a person waits: so many at most, begun within so long.
#: The health job proves the others within a minute or two.
MOST_LOOKS = 4
LOOKS_S = 8.0


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
    """is_page: people act for it, and nobody signs in as it."""

    def __init__(self, grant: Grant, account: ConnectedAccount) -> None:
        super().__init__("signed in as somebody else")
        self.signed_in_as = _called(grant.subject)
        self.belongs_to = account.handle or account.name
        root = account.credential.root if account.credential else None
        self.is_page = root is not None and root.subject_id != account.external_id


class CannotPost(ConnectRefused):
    """The new access is not good for publishing, so the old one stays."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.detail = detail


class AsksFirst(ConnectRefused):
    """Something would be different from before: a person has to say yes to it.

    lost: permissions. lacking: accounts that the new sign-in may not post for any more;
    back: how many it may. before: who gave the permission until now, when the new
    sign-in is somebody else's.
    """

    def __init__(
        self,
        signed_in_as: str,
        *,
        lost: Sequence[Scope] = (),
        lacking: Sequence[ConnectedAccount] = (),
        back: int = 0,
        before: str = "",
    ) -> None:
        super().__init__("asks first")
        self.signed_in_as = signed_in_as
        self.lost = lost
        self.lacking = lacking
        self.back = back
        self.before = before


class SamePerson(ConnectRefused):
    """Standby access has to be another person's."""

    def __init__(self, name: str) -> None:
        super().__init__("the same person")
        self.name = name


class LinkOver(ConnectRefused):
    """The link was used, withdrawn or became too old meanwhile."""


class ChangedMeanwhile(ConnectRefused):
    """The account was disconnected, or got other access, while the platform was asked."""


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
    """Whether any call by which we create posts today is open to these scopes."""
    have = set(granted)
    rows = [
        call
        for call in spec.calls
        if call.mutates and call.ability is Ability.PUBLISH and not call.later
    ]
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
        _(call.feature)
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

    @property
    def has_pages(self) -> bool:
        """Whether the platform derives a token per page from the person's."""
        return any(identity.tokens for identity in self.identities)

    def platform_of(self, identity: Identity) -> str:
        return identity.platform or self.app.platform

    def find(self, external_id: str, platform: str = "") -> Identity | None:
        """platform "": the one that was asked."""
        slug = platform or self.app.platform
        for identity in self.identities:
            if identity.external_id == external_id:
                if self.platform_of(identity) == slug:
                    return identity
        return None

    def identity_of(self, account: ConnectedAccount) -> Identity | None:
        """Numbers of the practice network may be those of the real one."""
        if self.app.network != account.network:
            return None
        return self.find(account.external_id, account.platform)

    def page_of(self, identity: Identity) -> Identity | None:
        """The page whose own token acts for the identity; None: the person's does."""
        page = self.find(identity.via) if identity.via else identity
        return page if page is not None and page.tokens is not None else None

    def tokens_of(self, page: Identity) -> TokenSet:
        """The page's own tokens; permissions are those of the consent behind them."""
        assert page.tokens is not None
        scopes = page.tokens.scopes or self.tokens.scopes
        return replace(page.tokens, scopes=scopes)

    def client(self, identity: Identity | None = None) -> PlatformClient:
        """Acts as the person who consented, or as one of the identities."""
        who = identity or self.subject
        page = self.page_of(who)
        tokens = self.tokens_of(page) if page else self.tokens
        return self.app.client(access_of(tokens, who), self.platform_of(who))

    def credential(self) -> Credential | None:
        """The stored credential of the same consent, a live one before a dead one."""
        rows = Credential.objects.filter(
            app=self.app, parent=None, subject_id=self.subject.external_id
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


def first_look(grant: Grant, identity: Identity | None = None) -> FirstLook:
    """Prove the grant once and read the server's limits; trouble there is no failure."""
    client = grant.client(identity)
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


@dataclass(frozen=True)
class Looks:
    """First looks at the consent itself, at pages, and at what acts through a page."""

    root: FirstLook
    #: by external id of the page, and by platform and external id
    pages: Mapping[str, FirstLook]
    through: Mapping[tuple[str, str], FirstLook]

    def at(self, grant: Grant, identity: Identity) -> FirstLook | None:
        """The look that tells most of this identity; None: it was not looked at."""
        page = grant.page_of(identity)
        if page is None:
            return self.root
        key = (grant.platform_of(identity), identity.external_id)
        return self.through.get(key) or self.pages.get(page.external_id)

    @property
    def refusal(self) -> CannotPost | None:
        looks = (self.root, *self.pages.values(), *self.through.values())
        return next((look.refusal for look in looks if look.refusal), None)


def look_at(grant: Grant, wanted: Iterable[Identity]) -> Looks:
    """Prove the consent, and of the wanted identities the first few."""
    end = time.monotonic() + LOOKS_S
    root = first_look(grant)
    pages: dict[str, FirstLook] = {}
    through: dict[tuple[str, str], FirstLook] = {}
    for identity in wanted:
        page = grant.page_of(identity)
        if page is None:
            continue
        made = len(pages) + len(through)
        if made and (made >= MOST_LOOKS or time.monotonic() > end):
            break
        if page.external_id not in pages:
            pages[page.external_id] = first_look(grant, page)
        if page is not identity:
            key = (grant.platform_of(identity), identity.external_id)
            through[key] = first_look(grant, identity)
    return Looks(root, pages, through)


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
    platform: str = ""
    #: the page that it acts through
    through: str = ""

    @property
    def can_choose(self) -> bool:
        return self.state in {OfferState.NEW, OfferState.RESTORE}


def offers(grant: Grant, user: Any) -> list[Offer]:
    """Every identity of the grant and whether this person may connect it (2 queries).

    What acts through a page stands right behind it. Somebody who only brings pages is
    no profile to connect.
    """
    rows = ConnectedAccount.objects.filter(
        network=grant.app.network,
        platform__in={grant.platform_of(i) for i in grant.identities},
        external_id__in=[i.external_id for i in grant.identities],
    )
    known = {(row.platform, row.external_id): row for row in rows}
    visible = {row.pk for row in rows.visible_to(user).select_related("brand")}
    found = []
    for identity in _by_page(grant):
        key = (grant.platform_of(identity), identity.external_id)
        account = known.get(key)
        through = grant.find(identity.via) if identity.via else None
        name = through.name if through else ""
        if account is not None and account.pk not in visible:
            found.append(Offer(identity, OfferState.ELSEWHERE, None, key[0], name))
            continue
        if account is not None and account.health != "disconnected":
            state = OfferState.CONNECTED
        elif not identity.can_publish:
            state = OfferState.CANNOT_PUBLISH
        elif account is not None:
            state = OfferState.RESTORE
        else:
            state = OfferState.NEW
        found.append(Offer(identity, state, account, key[0], name))
    return found


def _by_page(grant: Grant) -> list[Identity]:
    order = []
    # What belongs to a platform that we do not publish to yet is none to offer.
    known = [i for i in grant.identities if grant.platform_of(i) in registry.PLATFORMS]
    for identity in known:
        if identity.via and grant.find(identity.via):
            continue  # comes behind its page
        person = identity is grant.subject and grant.has_pages
        if not (person and not identity.can_publish):
            order.append(identity)
        own = grant.find(identity.external_id) is identity
        order += [i for i in known if own and i.via == identity.external_id]
    return order


def lacking(grant: Grant) -> list[ConnectedAccount]:
    """Connected accounts of the same consent that it does not cover any more, also those
    that it stands by for.

    Where pages have tokens of their own, a new consent ends those that it leaves out.
    """
    before = grant.credential()
    if before is None or not grant.has_pages:
        return []
    mine = Q(credential__parent=before) | Q(standby__parent=before)
    rows = ConnectedAccount.objects.connected().filter(mine)
    rows = rows.select_related("credential", "standby").order_by("platform", "name")
    return [
        row
        for row in rows
        if not ((own := grant.find(row.external_id, row.platform)) and own.can_publish)
        and not _is_known_lost(row, before)
    ]


def _is_known_lost(account: ConnectedAccount, consent: Credential) -> bool:
    """The role behind what this consent gave to the account."""
    standby = account.standby
    if standby is not None and standby.parent_id == consent.pk:
        return standby.cause == Cause.ROLE_LOST
    return account.cause == Cause.ROLE_LOST


def connect(
    grant: Grant, picks: Sequence[tuple[Identity, Brand]], user: Any
) -> list[ConnectedAccount]:
    """Connect the chosen identities, each once; they share the grant's credential, or
    that of their page where pages have their own.

    One that was disconnected comes back in its own brand. Raises AlreadyConnected.
    """
    open_to_person = {
        (offer.platform, offer.identity.external_id): offer
        for offer in offers(grant, user)
    }
    for identity, _brand in picks:
        offer = open_to_person[grant.platform_of(identity), identity.external_id]
        if not offer.can_choose:
            raise AlreadyConnected(identity.name, offer.account)
    looks = look_at(grant, [identity for identity, _brand in picks])
    try:
        with transaction.atomic():
            stored = _store(grant, looks, user, [identity for identity, _ in picks])
            return [
                _add(stored, grant, identity, brand, looks, user)
                for identity, brand in picks
            ]
    except IntegrityError:
        # Somebody connected the same profile while this person was choosing.
        name = ", ".join(identity.name for identity, _brand in picks)
        raise AlreadyConnected(name, None) from None


def _add(
    stored: Stored,
    grant: Grant,
    identity: Identity,
    brand: Brand,
    looks: Looks,
    user: Any,
) -> ConnectedAccount:
    key = {
        "platform": grant.platform_of(identity),
        "network": grant.app.network,
        "external_id": identity.external_id,
    }
    account = ConnectedAccount.objects.filter(**key).first()
    restored = account is not None
    if account is None:
        account = ConnectedAccount(**key, brand=brand, owner=user)
    elif account.health != "disconnected":
        raise AlreadyConnected(identity.name, None)
    look = looks.at(grant, identity)
    _attach(account, stored.of(grant, identity), identity, look)
    page = grant.page_of(identity)
    if page not in (None, identity) and look and look.refusal:
        account.set_trouble(look.refusal.cause, look.refusal.detail)
    AuditEvent.write(
        user,
        "reconnected" if restored else "connected",
        account,
        signed_in_as=stored.root.subject_name,
    )
    return account


def _attach(
    account: ConnectedAccount,
    credential: Credential,
    identity: Identity,
    look: FirstLook | None,
) -> None:
    account.credential = credential
    if account.standby_id == credential.pk:
        account.standby = None
    account.kind = identity.kind
    account.name = (identity.name or identity.handle)[:200]
    account.handle = identity.handle[:200]
    account.url = identity.url[:500]
    account.avatar_url = identity.avatar_url[:1000]
    account.extra = dict(identity.extra)
    if look and look.limits:
        account.server_limits = dict(look.limits)
    account.trouble = account.trouble_detail = ""
    account.trouble_at = None
    if account.disconnected_at or not account.pk:
        account.connected_at = timezone.now()
    account.disconnected_at = None
    # Nothing else: who looks after it may be another by now.
    account.save(update_fields=_OF_ACCESS if account.pk else None)


_OF_ACCESS = (
    *("credential", "standby", "kind", "name", "handle", "url", "avatar_url"),
    *("extra", "server_limits", "trouble", "trouble_detail", "trouble_at"),
    *("connected_at", "disconnected_at"),
)


# ---------------------------------------------------------------- storing


@dataclass(frozen=True)
class Stored:
    """The credentials that a grant became: of the consent, and of pages by their id."""

    root: Credential
    pages: Mapping[str, Credential]

    def of(self, grant: Grant, identity: Identity) -> Credential:
        page = grant.page_of(identity)
        return self.pages[page.external_id] if page else self.root


def _store(grant: Grant, looks: Looks, user: Any, wanted: Iterable[Identity]) -> Stored:
    """Put the new tokens in the place of the old ones. Inside a transaction.

    Pages that are wanted or known from before get their own; one that was known and is
    not among the new ones counts as lost, until a look tells otherwise.
    """
    now = timezone.now()
    root = grant.credential()
    if root is not None:
        root = Credential.objects.select_for_update().get(pk=root.pk)
    else:
        root = Credential(app=grant.app, subject_id=grant.subject.external_id)
    _renew(root, grant.subject, grant.tokens, looks.root, user, now)
    children = root.children.select_for_update().order_by("connected_at")
    known = {child.subject_id: child for child in children}
    pages = {p.external_id: p for i in wanted if (p := grant.page_of(i))}
    for page_id, child in known.items():
        page = grant.find(page_id)
        if page is not None and page.tokens is not None and page.can_publish:
            if child.state != Credential.State.DISCONNECTED:
                pages[page_id] = page
        elif grant.has_pages and child.state != Credential.State.DISCONNECTED:
            child.lose_role(now)
    stored = {}
    for page_id, page in pages.items():
        child = known.get(page_id) or Credential(
            app=grant.app, parent=root, subject_id=page_id
        )
        tokens = grant.tokens_of(page)
        _renew(child, page, tokens, looks.pages.get(page_id), user, now)
        stored[page_id] = child
    return Stored(root, stored)


def _renew(
    credential: Credential,
    subject: Identity,
    tokens: TokenSet,
    look: FirstLook | None,
    user: Any,
    now: datetime,
) -> None:
    if credential.pk:
        # The old refresh token belongs to the old consent, and a renewal that is on
        # its way must not overwrite the new one.
        credential.refresh_token = ""
        credential.refresh_expires_at = None
        credential.refresh_fence += 1
    credential.kind = subject.kind
    credential.subject_name = (subject.handle or subject.name)[:200]
    credential.connected_by = user if user and user.pk else None
    credential.connected_at = now
    credential.revoke_after = None
    credential.revoke_tries = 0
    credential.store(tokens, now=now)
    if look is not None and look.proof is not None:
        credential.take_proof(look.proof, now)
    credential.save()
    if look and look.error is not None and look.error.outcome in DEFINITE:
        credential.break_for(look.error)


# ---------------------------------------------------------------- reconnecting


@dataclass(frozen=True)
class Reconnected:
    """What a reconnect mended, the account that it was begun for first.

    lacking: accounts of the same consent that it may not post for any more.
    """

    accounts: Sequence[ConnectedAccount]
    lacking: Sequence[ConnectedAccount]
    signed_in_as: str


@dataclass(frozen=True)
class _Change:
    """What a reconnect would do to an account and to those of the same consent."""

    #: with their identities, the account itself first
    mends: Sequence[tuple[ConnectedAccount, Identity]]
    lacking: Sequence[ConnectedAccount]
    #: who gave the permission until now, when it is somebody else
    before: str


def _change(grant: Grant, account: ConnectedAccount) -> _Change:
    """Raises OtherIdentity or CannotPost. Reads the database and changes nothing."""
    identity = grant.identity_of(account)
    old = account.credential
    root = old.root if old is not None else None
    same = root is not None and root.subject_id == grant.subject.external_id
    if identity is None:
        if same and grant.app.network == account.network:
            raise CannotPost(Cause.ROLE_LOST)
        raise OtherIdentity(grant, account)
    if not identity.can_publish:
        raise CannotPost(Cause.ROLE_LOST)
    before = ""
    asked_of = {root.pk} if root is not None else set()
    if root is not None and not same and account.health == "disconnected":
        # It left the consent that others may still use: those are no business of this.
        asked_of = set()
    if root is not None and not same and _is_in_force(account, root):
        before = root.subject_name or root.subject_id
    elif mine := grant.credential():
        asked_of.add(mine.pk)
    siblings = (
        ConnectedAccount.objects.connected()
        .filter(Q(credential__in=asked_of) | Q(credential__parent__in=asked_of))
        .exclude(pk=account.pk)
        .select_related("credential__parent")
        .order_by("platform", "name")
    )
    mends, left_out = [(account, identity)], []
    for sibling in siblings:
        own = grant.find(sibling.external_id, sibling.platform)
        if before and (account.health == "healthy" or _is_well(sibling)):
            # What is not broken stays: only what uses the same page token goes along.
            if not (grant.has_pages and sibling.credential_id == account.credential_id):
                continue
        if own is not None and own.can_publish:
            mends.append((sibling, own))
        elif not before:
            left_out.append(sibling)
    # Somebody else than before may have pages of their own here.
    known = {other.pk for other, _ in mends} | {other.pk for other in left_out}
    left_out += [other for other in lacking(grant) if other.pk not in known]
    return _Change(mends, left_out, before)


def _is_well(account: ConnectedAccount) -> bool:
    """Able to post, and nothing is wrong with the consent behind it."""
    credential = account.credential
    alive = credential is not None and credential.root.is_active
    return alive and account.health == "healthy"


def _is_in_force(account: ConnectedAccount, root: Credential) -> bool:
    """Whether somebody else than before is worth a question."""
    return bool(
        account.health != "disconnected"
        and root.state != Credential.State.DISCONNECTED
        and root.subject_id
    )


def doubts(grant: Grant, account: ConnectedAccount) -> AsksFirst | None:
    """What a person should say yes to before anything is overwritten."""
    change = _change(grant, account)
    old = account.credential.root if account.credential else None
    lost = grant.lost(old) or grant.lost(grant.credential())
    news = [a for a in change.lacking if a.cause != Cause.ROLE_LOST]
    if not (lost or news or change.before):
        return None
    return AsksFirst(
        _called(grant.subject),
        lost=lost,
        lacking=change.lacking,
        back=len(change.mends),
        before=change.before,
    )


def reconnect(
    grant: Grant,
    account: ConnectedAccount,
    user: Any,
    *,
    yes: bool = False,
    link: ReconnectLink | None = None,
) -> Reconnected:
    """Give an account new access in place, and all others of the same consent.

    Nothing is overwritten unless the sign-in belongs to this account, allows as much
    as before (or the person said yes) and is proven. Raises a ConnectRefused. link: the
    way by which the person came; it is used up with what is stored.
    """
    change = _change(grant, account)
    question = doubts(grant, account)
    if question is not None and not yes:
        raise question
    identity = change.mends[0][1]
    looks = look_at(grant, [identity])
    if refusal := looks.refusal:
        raise refusal
    with transaction.atomic():
        if link is not None and not link.use():
            raise LinkOver
        same = _locked_as_they_were([a for a, _ in change.mends])
        if account.pk not in same:
            raise ChangedMeanwhile("other access, or none")
        mends = [(a, own) for a, own in change.mends if a.pk in same]
        change = replace(change, mends=mends)
        before = {a.credential_id: a.credential for a, _ in change.mends}
        stored = _store(grant, looks, user, [own for _, own in change.mends])
        _attach(
            account, stored.of(grant, identity), identity, looks.at(grant, identity)
        )
        for sibling, own in change.mends[1:]:
            sibling.move_to(stored.of(grant, own))
        for lost in change.lacking:
            if lost.credential_id == stored.root.pk:
                lost.set_trouble(Cause.ROLE_LOST, "")
        now_used = {stored.root.pk, *(child.pk for child in stored.pages.values())}
        for old in before.values():
            if old is not None and old.pk not in now_used:
                retire(old)
        _write_down(change, stored, user, link)
        CampaignItem.settle([a.pk for a, _ in change.mends], timezone.now())
    accounts = [mended for mended, _ in change.mends]
    hooks.mended(accounts)
    return Reconnected(accounts, change.lacking, _called(grant.subject))


def _locked_as_they_were(accounts: Iterable[ConnectedAccount]) -> set[int]:
    """Keys of those that nobody has disconnected, or given other access, since they were
    read; nobody does until the transaction ends."""
    read = {
        one.pk: (one.credential_id, one.standby_id, one.disconnected_at)
        for one in accounts
    }
    rows = ConnectedAccount.objects.filter(pk__in=read).order_by("pk")
    now = rows.select_for_update(no_key=True).values_list(
        "pk", "credential", "standby", "disconnected_at"
    )
    return {pk for pk, *access in now if read[pk] == tuple(access)}


def _write_down(
    change: _Change, stored: Stored, user: Any, link: ReconnectLink | None
) -> None:
    who = stored.root.subject_name
    account = change.mends[0][0]
    facts: dict[str, Any] = {"signed_in_as": who, "mended": len(change.mends)}
    if change.lacking:
        facts["lacking"] = [lost.name for lost in change.lacking]
    if link is not None:
        facts["link_to"] = link.addressee
    verb = "reconnected_by_link" if link else "reconnected"
    AuditEvent.write(user, verb, account, **facts)
    AuditEvent.objects.bulk_create(
        AuditEvent.about(user, "mended", sibling, signed_in_as=who, through=account.pk)
        for sibling, _ in change.mends[1:]
    )


def _called(identity: Identity) -> str:
    return identity.handle or identity.name


# ---------------------------------------------------------------- standby access


def may_have_standby(account: ConnectedAccount) -> bool:
    """Only for what several people may post for: nobody stands in for a profile."""
    credential = account.credential
    return (
        credential is not None
        and account.health != "disconnected"
        and credential.root.subject_id != account.external_id
    )


def doubts_to_stand_by(grant: Grant) -> AsksFirst | None:
    """What the second person gave us before, and would not any more."""
    lost, left_out = grant.lost(grant.credential()), lacking(grant)
    if not (lost or left_out):
        return None
    return AsksFirst(_called(grant.subject), lost=lost, lacking=left_out)


def add_standby(
    grant: Grant,
    account: ConnectedAccount,
    user: Any,
    *,
    yes: bool = False,
    link: ReconnectLink | None = None,
) -> list[ConnectedAccount]:
    """Keep a second person's access for the day on which the first one's ends.

    Proven before it is stored; what that person gave us before is lost no more than in
    `reconnect` without a yes. Where pages have their own tokens, accounts that act
    through the same page get it as well; returns all, this one first.
    """
    identity = grant.identity_of(account)
    current = account.credential
    if identity is None:
        raise OtherIdentity(grant, account)
    if current is None or current.root.subject_id == grant.subject.external_id:
        raise SamePerson(_called(grant.subject))
    if not identity.can_publish:
        raise CannotPost(Cause.ROLE_LOST)
    question = doubts_to_stand_by(grant)
    if question is not None and not yes:
        raise question
    looks = look_at(grant, [identity])
    if refusal := looks.refusal:
        raise refusal
    page = grant.page_of(identity)
    with transaction.atomic():
        if link is not None and not link.use():
            raise LinkOver
        if not _locked_as_they_were([account]):
            raise ChangedMeanwhile("other access, or none")
        stored = _store(grant, looks, user, [identity])
        standby = stored.of(grant, identity)
        served = [account]
        if page is not None:
            others = ConnectedAccount.objects.connected().filter(credential=current)
            for other in others.exclude(pk=account.pk):
                own = grant.find(other.external_id, other.platform)
                if own and own.can_publish and grant.page_of(own) is page:
                    served.append(other)
        for one in served:
            old, one.standby = one.standby, standby
            one.save(update_fields=["standby"])
            if old is not None and old.pk != standby.pk:
                retire(old)
            AuditEvent.write(
                user, "standby_added", one, signed_in_as=stored.root.subject_name
            )
    return served


def remove_standby(account: ConnectedAccount, user: Any) -> None:
    """Forget the second person's access to this account."""
    standby = account.standby
    if standby is None:
        return
    with transaction.atomic():
        account.standby = None
        account.save(update_fields=["standby"])
        ended = retire(standby, tell=True)
        name = standby.root.subject_name
        AuditEvent.write(user, "standby_removed", account, signed_in_as=name)
    if ended is not None:
        revoke(ended)


# ---------------------------------------------------------------- while a person chooses


def park(
    grant: Grant,
    user: Any,
    *,
    brand: Brand | None = None,
    account: ConnectedAccount | None = None,
    link: ReconnectLink | None = None,
) -> PendingConnection:
    """Keep a grant, encrypted, until the person has chosen; old ones go.

    link: the person came by it; who is signed in here, if anybody, does not matter.
    """
    now = timezone.now()
    PendingConnection.objects.filter(expires_at__lt=now).delete()
    return PendingConnection.objects.create(
        user=None if link else user,
        link=link,
        app=grant.app,
        brand=brand,
        account=account,
        grant=grant.dump(),
        created_at=now,
        expires_at=now + PendingConnection.LIFE,
    )


def parked(
    pk: Any, user: Any, link: ReconnectLink | None = None
) -> tuple[PendingConnection, Grant] | None:
    """The waiting grant of this person (or of this link), or None when it is over."""
    whose: dict[str, Any] = {"link": link} if link else {"user": user, "link": None}
    row = (
        PendingConnection.objects.filter(pk=pk, expires_at__gte=timezone.now(), **whose)
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
