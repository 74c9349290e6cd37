"""Proof: what can this credential still do? By read-only calls, never by arithmetic.

A look is an errand: what it stores is done by the database thread, what it asks by I/O
threads. It asks for room in the platform's windows like everybody else, after posts and
their reconciliation, and meets breakers; when it has to wait, the credential is simply
not proven since. Looks that begin together ask for their room together. Of one that
finds all well four statements remain: what is stored by now, the accounts, the write,
and the line for its history.

Only a definite answer breaks a credential. What lies with our app breaks none: its
breaker opens, which is one finding for all of them.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from platforms import registry
from platforms.base import (
    Ability,
    PlatformClient,
    Proof,
    SignIn,
    TokenSet,
    Verdict,
)
from platforms.errors import (
    ABOUT_ACCESS,
    Cause,
    Outcome,
    PermissionMissing,
    PlatformError,
)

from . import limits, refresh
from .breakers import AUTH, Admission, Caller, Refusal
from .errands import Errand, alone, asking
from .fixed_query import FixedQuery
from .hearing import Hearing, caller_of
from .limits import Denied, Importance, Need
from .models import (
    AS_GOOD_AS_OVER,
    GRANT_IS_OVER,
    ConnectedAccount,
    Credential,
    PlatformApp,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: After a look that told nothing (network, 5xx, 429), look again.
AGAIN_AFTER = timedelta(minutes=10)
#: What waits for a limit asks again after so long at the latest.
LONGEST_WAIT = timedelta(hours=6)
#: While an app's or platform's breaker is open, its other looks wait for so long.
PAUSED_FOR = timedelta(minutes=5)
#: A token with less time left is as good as over.
AT_ONCE = AS_GOOD_AS_OVER
#: Whoever has an access checked by hand asks of the grant: access tokens that live for
#: an hour or two may outlive it (Google's after an administrator's word, Bluesky's).
BY_HAND = timedelta(hours=2, minutes=5)
#: A look is worth less patience than a post.
PATIENCE_S = 20
#: Pages of one person that are asked about at once.
PAGES_AT_ONCE = 8
DAY_S = 86_400
PROVEN = "proven"
State = Credential.State


@dataclass(frozen=True)
class Finding:
    """verdict: proven, failing or unknown. `changed`: the state is another than before.

    waits: nobody was asked, because a limit or a breaker stands in the way.
    """

    verdict: str
    cause: str = ""
    evidence: str = ""
    duration_ms: int = 0
    changed: bool = False
    waits: bool = False


def check(
    credential: Credential,
    hearing: Hearing | None = None,
    needed_for: timedelta = AT_ONCE,
) -> Finding:
    """Look once, store what it told, and say it. Broken credentials are looked at too."""
    return alone(errand(credential, hearing or Hearing(), needed_for))


def errands(
    whom: Sequence[tuple[Credential, timedelta]], hearing: Hearing
) -> list[Errand[Finding]]:
    """One for each (credential, needed_for), side by side with others.

    hearing: what breakers shall hear of it. needed_for: how long the access token
    should live on. Before a post it is renewed when it would not last: a renewal tells
    of the grant what a token that outlives a revocation for hours (Bluesky) does not.
    """
    ready = [row for row, needed_for in whom if not _has_to_renew(row, needed_for)]
    questions = ask_all([(row, None) for row in ready], hearing)
    asked = {row.pk: found for row, found in zip(ready, questions, strict=True)}
    return [
        errand(row, hearing, needed_for, asked.get(row.pk)) for row, needed_for in whom
    ]


def errand(
    credential: Credential,
    hearing: Hearing,
    needed_for: timedelta = AT_ONCE,
    question: Question | Finding | None = None,
) -> Errand[Finding]:
    """One of `errands`. question: its own, where room was taken for it already."""
    before = (credential.state, credential.cause)
    start = time.monotonic()
    finding = yield from _look(credential, hearing, needed_for, question)
    spent = int((time.monotonic() - start) * 1000)
    if finding.verdict != PROVEN:  # what stands in the way may be stored by others
        credential.refresh_from_db()
    changed = (credential.state, credential.cause) != before or finding.changed
    return replace(finding, duration_ms=spent, changed=changed)


def _look(
    credential: Credential,
    hearing: Hearing,
    needed_for: timedelta,
    question: Question | Finding | None,
) -> Errand[Finding]:
    if question is None and must_renew(credential, needed_for):
        was_active = credential.is_active
        heard = _telling(credential, hearing) if was_active else None
        yield from refresh.errand(credential.pk, even_broken=True, heard=heard)
        credential.refresh_from_db()
        if was_active and not credential.is_active:
            if credential.cause == Cause.REFRESH_REFUSED and not _is_over(credential):
                yield from _ask_why(credential, hearing)
            _postpone(credential, credential.proof_gap())
            return Finding("failing", credential.cause, credential.detail)
        outlives = credential.outlives_renewal(timezone.now())
        if not was_active and refresh.was_refused(credential) and not outlives:
            _postpone(credential, _after_refusal(credential))
            return Finding("failing", credential.cause, credential.detail)
        if was_active and _is_over(credential):
            # Somebody else is at it, or the platform has trouble.
            _postpone(credential, _again_after(credential))
            return Finding("unknown", evidence="renewal did not come about")
    if question is None:
        question = ask(credential, hearing)
    if isinstance(question, Finding):
        return question
    [result] = yield [question.call]
    question.answered(result, hearing)
    if isinstance(result, PlatformError):
        if _replaced(credential):
            return _asked_too_early(credential)
        if result.ends_access:
            return (yield from _failed(credential, result, hearing))
        wait = timedelta(seconds=result.retry_after or 0)
        _postpone(credential, max(_again_after(credential), min(wait, LONGEST_WAIT)))
        return Finding("unknown", result.cause, str(result))
    return (yield from _answered(credential, result, question.asked_at, hearing))


#: What a look reads again once it has its answer: others may write meanwhile.
READ_AGAIN = (
    "issued_at",
    "state",
    "cause",
    "detail",
    "broken_at",
    "proven_at",
    "granted_scopes",
    "expires_at",
    "data_access_ends_at",
)
#: What it writes.
TOLD = (
    "abilities",
    "granted_scopes",
    "expires_at",
    "data_access_ends_at",
    "looked_at",
    "proven_at",
    "state",
    "cause",
    "detail",
    "broken_at",
    "next_proof_at",
)
SAMPLE_PK = 990_990_990

_stored_by_now = FixedQuery(
    lambda pk: (
        Credential.objects.filter(pk=pk)
        .only(*READ_AGAIN)
        .annotate(
            has_dead_children=Exists(
                Credential.objects.filter(parent=OuterRef("pk"), state=State.BROKEN)
            )
        )
    ),
    SAMPLE_PK,
)
_accounts_of = FixedQuery(
    lambda pk: (
        ConnectedAccount.objects.connected().filter(credential=pk).order_by("pk")
    ),
    SAMPLE_PK,
)


def _answered(
    credential: Credential, proof: Proof, asked_at: datetime, hearing: Hearing
) -> Errand[Finding]:
    asked_with = credential.issued_at
    [stored] = _stored_by_now.objects(credential.pk)
    if stored.issued_at != asked_with:
        return _asked_too_early(credential)
    if stored.state == State.DISCONNECTED:
        return Finding("unknown", evidence="disconnected meanwhile")
    for name in READ_AGAIN:
        setattr(credential, name, getattr(stored, name))
    accounts = _accounts_of.objects(credential.pk)
    publish = proof.abilities.get(Ability.PUBLISH)
    refused = publish is not None and publish.ok is False
    own_platform = credential.app.platform
    # Instagram's accounts act with their Page's token.
    lives = refused and any(a.platform != own_platform for a in accounts)
    credential.take_proof(proof, asked_at, lives=lives)
    if not _keep(credential):
        return _asked_too_early(credential)
    changed = False
    if credential.is_active:
        own, pages = [], []
        for account in accounts:
            is_own = account.external_id == credential.subject_id
            if not is_own:
                pages.append(account)
            elif account.platform == own_platform:
                own.append(account)
        if proof.limits:
            _keep_limits(credential, own, proof.limits)
        changed = any([_judge(account, publish) for account in own])
        changed |= yield from _check_pages(credential, pages, hearing)
        if stored.has_dead_children:
            changed |= yield from _derive_again(credential)
    else:
        credential.share_cause()
    if publish and publish.ok is False:
        cause = publish.cause or ""
        return Finding("failing", cause, publish.detail, changed=changed)
    verdict = PROVEN if publish and publish.ok else "unknown"
    return Finding(verdict, evidence=_evidence(proof), changed=changed)


def _keep(credential: Credential) -> bool:
    """Store what the look told of these tokens; False when they are gone meanwhile."""
    same = Credential.objects.filter(pk=credential.pk, issued_at=credential.issued_at)
    told = {name: getattr(credential, name) for name in TOLD}
    return bool(same.exclude(state=State.DISCONNECTED).update(**told))


def _keep_limits(
    credential: Credential, own: Sequence[ConnectedAccount], told: Mapping[str, Any]
) -> None:
    """What the composer offers and checks from now on."""
    limits, app = dict(told), credential.app
    if app.spec.sign_in is SignIn.OAUTH_INSTANCE:
        facts = {**app.facts, **limits}
        PlatformApp.objects.filter(pk=app.pk).update(
            facts=facts, facts_at=timezone.now()
        )
        ConnectedAccount.objects.connected().filter(
            credential__app=app.pk, platform=app.platform
        ).exclude(server_limits=limits).update(server_limits=limits)
        return
    for account in own:
        if account.server_limits != limits:
            account.server_limits = limits
            account.save(update_fields=["server_limits"])


# ---------------------------------------------------------------- one question


@dataclass(eq=False)
class Question:
    """A look that has its room in the windows. `call` does HTTP only."""

    credential: Credential
    #: a page that the credential acts for; None: its own subject
    account: ConnectedAccount | None
    client: PlatformClient
    need: Need
    asked_at: datetime
    caller: Caller
    admission: Admission
    #: also what its server allows and offers to choose
    asks_limits: bool = False

    def call(self) -> Proof | PlatformError:
        found = asking(self.client.prove)()
        if isinstance(found, Proof) and self._is_of_another(found):
            return PermissionMissing(
                "the access is another account's", cause=Cause.OTHER_ACCOUNT
            )
        if isinstance(found, PlatformError) and self.account is None:
            found = self.client.of_proof(found)
        if self.asks_limits and isinstance(found, Proof) and found.limits is None:
            told = asking(self.client.server_limits)()
            if not isinstance(told, PlatformError):  # says nothing of the access
                found = replace(found, limits=told)
        return found

    def _is_of_another(self, proof: Proof) -> bool:
        """Whose token it is, where the look told: a platform may mix up what it renews."""
        if self.account is not None or proof.identity is None:
            return False
        return proof.identity.external_id not in ("", self.credential.subject_id)

    def answered(self, result: Proof | PlatformError, hearing: Hearing) -> None:
        """Count what was called, and tell breakers."""
        limits.count(
            self.client,
            self.credential,
            self.account,
            reserved=self.need,
            reserved_at=self.asked_at,
        )
        error = result if isinstance(result, PlatformError) else None
        if error is None or error.cause != Cause.UNKNOWN_REFUSAL:
            hearing.tell(self.caller, error, self.admission, timezone.now())


def ask(
    credential: Credential, hearing: Hearing, account: ConnectedAccount | None = None
) -> Question | Finding:
    """`ask_all` for one."""
    [found] = ask_all([(credential, account)], hearing)
    return found


def ask_all(
    whom: Sequence[tuple[Credential, ConnectedAccount | None]], hearing: Hearing
) -> list[Question | Finding]:
    """Questions to put now, or Findings that they have to wait (and are put off).

    account: one that the credential acts for, which is not its own subject. However
    many they are: one transaction that takes their room, and one statement for breakers.
    """
    now = timezone.now()
    own = limits.own_accounts([row for row, account in whom if account is None])
    questions = [
        _question(ref, row, account, account.pk if account else own[row.pk], now)
        for ref, (row, account) in enumerate(whom)
    ]
    denied: Mapping[Hashable, Denied | None] = {}
    if needs := [question.need for question in questions if question.need.draws]:
        with transaction.atomic():
            denied = limits.reserve(needs, now)
    admissions = hearing.admit_all(
        [(q.need.ref, q.caller) for q in questions if not denied.get(q.need.ref)], now
    )
    found: list[Question | Finding] = []
    refused: list[Need] = []
    for question in questions:
        if no_room := denied.get(question.need.ref):
            found.append(_without_room(question, no_room, now))
            continue
        admission = admissions[question.need.ref]
        if admission.refusal:
            refused.append(question.need)
            found.append(_barred(question.credential, admission.refusal, now))
        else:
            found.append(replace(question, admission=admission))
    limits.give_back(refused, now)
    return found


def _question(
    ref: int,
    credential: Credential,
    account: ConnectedAccount | None,
    of: int,
    now: datetime,
) -> Question:
    platform = account.platform if account else credential.app.platform
    client = credential.app.client(credential.access(account), platform)
    client.http.total_s = min(client.http.total_s, PATIENCE_S)
    caller = caller_of(credential, platform)
    asks_limits = account is None and _limits_are_old(credential, now)
    need = Need(
        ref=ref,
        platform=platform,
        network=caller.network,
        app_id=caller.app_id,
        credential_id=caller.credential_id,
        account_id=of,
        draws=_draws(client, with_limits=asks_limits),
        importance=Importance.REFRESH_AND_HEALTH,
    )
    return Question(
        credential, account, client, need, now, caller, Admission(), asks_limits
    )


def _limits_are_old(credential: Credential, now: datetime) -> bool:
    """Read with the first look of each day; what a server announces for all of its
    accounts, once for all."""
    app = credential.app
    of_server = app.spec.sign_in is SignIn.OAUTH_INSTANCE
    read_at = app.facts_at if of_server else credential.looked_at
    return read_at is None or read_at.date() < now.date()


def _without_room(question: Question, denied: Denied, now: datetime) -> Finding:
    _wait_until(question.credential, denied.opens_at or now + LONGEST_WAIT, now)
    long = limits.rules(denied.platform)[denied.key].window_s >= DAY_S
    cause = Cause.DAILY_LIMIT if long else Cause.TOO_MANY_REQUESTS
    words = f"no room in {denied.key}: posts will need it"
    return Finding("unknown", cause, words, waits=True)


def _barred(credential: Credential, refusal: Refusal, now: datetime) -> Finding:
    _wait_until(credential, refusal.retry_at, now)
    if refusal.scope != "token":
        _pause(credential, now)
    return Finding("unknown", refusal.cause, "a breaker is open", waits=True)


def _draws(client: PlatformClient, *, with_limits: bool) -> dict[str, int]:
    platform = registry.platform(client.spec.slug)
    units: dict[str, int] = {}
    calls = Counter(client.calls_of_proof())
    if with_limits:
        calls.update(client.calls_of_limits())
    for key, times in calls.items():
        for bucket, price in platform.spec.call(key).draws.items():
            units[bucket] = units.get(bucket, 0) + price * times
    return units


def _wait_until(credential: Credential, at: datetime, now: datetime) -> None:
    """Nobody was asked, so it was not looked at."""
    at = min(max(at, now + timedelta(minutes=1)), now + LONGEST_WAIT)
    Credential.objects.filter(pk=credential.pk).update(next_proof_at=at)


def _pause(credential: Credential, now: datetime) -> None:
    """All others of this app would be refused alike: spare them the asking."""
    due = Credential.objects.proof_due(now).filter(app=credential.app_id)
    due.update(next_proof_at=now + PAUSED_FOR)


# ---------------------------------------------------------------- what became of it


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
    return AGAIN_AFTER * random.uniform(0.8, 1.2)  # noqa: S311


def _ask_why(credential: Credential, hearing: Hearing) -> Errand[None]:
    """Its renewal was refused without a reason: the access token, whose time is not over,
    may have one (TikTok and Meta name it where the renewal does not)."""
    question = ask(credential, hearing)
    if isinstance(question, Finding):
        return
    [result] = yield [question.call]
    question.answered(result, hearing)
    if not isinstance(result, PlatformError) or result.outcome not in AUTH:
        return
    told = result.outcome == Outcome.AUTH_REVOKED and result.ends_access
    credential.cause = result.cause if told else Cause.TOKEN_INVALID
    credential.save(update_fields=["cause"])


def _after_refusal(credential: Credential) -> timedelta:
    """When to try once more to renew what was refused: soon, if nobody answered now."""
    last = credential.refresh_attempts.order_by("-started_at").first()
    refused = last is not None and last.outcome in ABOUT_ACCESS
    return credential.proof_gap() if refused else _again_after(credential)


def must_renew(credential: Credential, needed_for: timedelta = AT_ONCE) -> bool:
    """An access token that is over, but can be renewed, tells nothing of the grant.

    It is set to be renewed at once. A broken one as well, unless its grant is what was
    refused: a suspension that is over shows only with a living token.
    """
    if not _has_to_renew(credential, needed_for):
        return False
    credential.refresh_after = timezone.now()
    credential.save(update_fields=["refresh_after"])
    return True


def _has_to_renew(credential: Credential, needed_for: timedelta) -> bool:
    if not credential.refresh_token or credential.state == State.DISCONNECTED:
        return False
    if credential.state == State.BROKEN:
        if not _is_over(credential) and refresh.was_refused(credential):
            # Its access token lives on for a while, and says nothing of the grant.
            return True
        if credential.cause in GRANT_IS_OVER:
            return False
    return _is_over(credential, needed_for)


def _is_over(credential: Credential, needed_for: timedelta = AT_ONCE) -> bool:
    soon = timezone.now() + needed_for
    return credential.expires_at is not None and credential.expires_at <= soon


def _has_outlived(credential: Credential) -> bool:
    """It was proven after its renewal had been refused: what ended it came later."""
    refused, proven = credential.renewal_refused_at, credential.proven_at
    return refused is not None and proven is not None and proven > refused


def _telling(
    credential: Credential, hearing: Hearing
) -> Callable[[PlatformError | None], None]:
    """Where access tokens live for an hour, what ends access is told to a renewal: many
    that end at once point to our app."""
    caller = caller_of(credential)
    return lambda error: hearing.tell(caller, error, Admission(), timezone.now())


def _is_final(credential: Credential, error: PlatformError) -> bool:
    """A token that is its own permission to be renewed is renewed before its end only."""
    renews_itself = credential.refresh_token == credential.access_token
    return error.cause == Cause.TOKEN_EXPIRED and renews_itself


def _failed(
    credential: Credential, error: PlatformError, hearing: Hearing
) -> Errand[Finding]:
    expired = error.outcome == Outcome.AUTH_EXPIRED and not _is_final(credential, error)
    if expired and credential.refresh_token and credential.is_active:
        now = timezone.now()
        had_time = not _is_over(credential)
        Credential.objects.filter(pk=credential.pk).update(refresh_after=now)
        heard = _telling(credential, hearing)
        renewed = yield from refresh.errand(credential.pk, is_last=True, heard=heard)
        credential.refresh_from_db()
        of_renewal = {Cause.REFRESH_REFUSED}
        if _has_outlived(credential):
            of_renewal.add(Cause.ROTATION_LOST)
        if had_time and credential.cause in of_renewal:
            # Both refused before their time (X and Pinterest say no more): it did not
            # run out. Withdrawn, a new password, a closed account: nobody can tell.
            credential.cause = Cause.TOKEN_INVALID
            credential.save(update_fields=["cause"])
        if renewed:
            # A refresh that the platform granted is itself a proof of the grant.
            _postpone(credential, credential.proof_gap())
            return Finding(PROVEN, evidence="renewed")
        if credential.is_active:
            _postpone(credential, _again_after(credential))
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


# ---------------------------------------------------------------- pages


def _check_pages(
    credential: Credential, pages: Sequence[ConnectedAccount], hearing: Hearing
) -> Errand[bool]:
    """The same token, asked for each page that is not the person's own profile."""
    changed = False
    for some in _batches(pages):
        asked = ask_all([(credential, account) for account in some], hearing)
        questions = [
            (question, account)
            for question, account in zip(asked, some, strict=True)
            if isinstance(question, Question)
        ]
        if not questions:
            break  # what is refused to these is refused to all
        results = yield [question.call for question, _account in questions]
        replaced = _replaced(credential)
        for (question, account), result in zip(questions, results, strict=True):
            question.answered(result, hearing)
            if not replaced:
                changed |= _judge_page(account, result)
    return changed


def _judge_page(account: ConnectedAccount, result: Proof | PlatformError) -> bool:
    if isinstance(result, PlatformError):
        if not tells_of_page(result):
            return False  # proves nothing of this page
        return account.set_trouble(result.cause, result.detail)
    return _judge(account, result.abilities.get(Ability.PUBLISH))


def _judge(account: ConnectedAccount, verdict: Verdict | None) -> bool:
    if verdict is None or verdict.ok is None:
        return False
    if verdict.ok:
        return account.set_trouble("", "")
    return account.set_trouble(verdict.cause or Cause.NOT_ALLOWED, verdict.detail)


def tells_of_page(error: PlatformError) -> bool:
    """A definite refusal of one page; that of the token is the credential's own look."""
    of_page = error.outcome in {Outcome.PERMISSION, Outcome.NOT_FOUND}
    trust = error.cause in {Cause.DATA_ACCESS_ENDED, Cause.ROLE_LOST}
    return error.ends_access and (of_page or trust)


# ---------------------------------------------------------------- trees


def _derive_again(credential: Credential) -> Errand[bool]:
    """A living parent brings tokens for those of its children whose own are dead.

    Each is proven with its new token before the old one is given up, so a page whose
    role was lost stays as it is until the role is back.
    """
    broken = {
        child.subject_id: child
        for child in credential.children.filter(
            state=Credential.State.BROKEN
        ).select_related("app", "parent")
    }
    if not broken:
        return False
    client = credential.app.client(credential.access())
    [found] = yield [asking(client.identities)]
    limits.count(client, credential)
    if isinstance(found, PlatformError):
        return False
    tries = [
        (child, identity.tokens)
        for identity in found
        if (child := broken.get(identity.external_id)) is not None
        and identity.can_publish
        and identity.tokens is not None
        and identity.tokens.access_token != child.access_token
    ]
    changed = False
    for some in _batches(tries):
        clients = [_client_with(child, tokens) for child, tokens in some]
        results = yield [asking(one.prove) for one in clients]
        for (child, tokens), one, result in zip(some, clients, results, strict=True):
            limits.count(one, child)
            if isinstance(result, Proof) and _may_publish(result):
                changed |= child.revive(tokens, result)
    return changed


def _client_with(child: Credential, tokens: TokenSet) -> PlatformClient:
    access = replace(
        child.access(),
        token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        scopes=tokens.scopes or tuple(child.granted_scopes),
        issued_at=tokens.issued_at,
        extra={**child.extra, **tokens.extra},
    )
    return child.app.client(access)


def _may_publish(proof: Proof) -> bool:
    publish = proof.abilities.get(Ability.PUBLISH)
    return publish is not None and publish.ok is True


# ---------------------------------------------------------------- standby access


def prove_standby(account: ConnectedAccount, hearing: Hearing) -> Errand[bool]:
    """Prove that the standby access may post for this account, and let it take over.

    True when it did. Asked only for an account whose own access is over.
    """
    standby = account.standby
    assert standby is not None
    if must_renew(standby):
        yield from refresh.errand(standby.pk)
        standby.refresh_from_db()
        if not standby.is_active or _is_over(standby):
            return False
    own = account.external_id == standby.subject_id
    question = ask(standby, hearing, None if own else account)
    if isinstance(question, Finding):
        return False
    [result] = yield [question.call]
    question.answered(result, hearing)
    if _replaced(standby):
        return False
    now = timezone.now()
    Credential.objects.filter(pk=standby.pk).update(looked_at=now)
    if isinstance(result, PlatformError):
        if result.ends_access and not tells_of_page(result):
            # Its own look decides whether a renewal mends it.
            Credential.objects.filter(pk=standby.pk).update(next_proof_at=now)
        return False
    if not _may_publish(result):
        return False
    return account.take_standby()


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), PAGES_AT_ONCE):
        yield items[at : at + PAGES_AT_ONCE]


def _evidence(proof: Proof) -> str:
    words = []
    for ability, verdict in proof.abilities.items():
        word = {True: "yes", False: "no", None: "not told"}[verdict.ok]
        words.append(f"{ability.value}: {word}")
    return ", ".join(words)
