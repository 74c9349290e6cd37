"""Reading what platforms tell, with the room that posts leave.

A row says when its next reading comes. Of those whose time has come a batch takes its
room in the windows in one transaction (`Importance.FIGURES`: what scheduled posts will
need is left alone), asks side by side, and each writes down what it was told. What finds
no room is put off until there is some.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Model, QuerySet
from django.utils import timezone

from accounts import health, limits, refresh
from accounts.breakers import Admission, Caller
from accounts.errands import Errand, Running
from accounts.hearing import caller_of
from accounts.limits import Denied, Importance, Need
from accounts.models import ConnectedAccount, Credential
from accounts.permissions import lacks
from platforms import registry
from platforms.base import Ability, After, Call, Draft, PlatformClient, PublishJob
from platforms.errors import Cause, NotFound, PermissionMissing, PlatformError

from .rounds import Round

#: A reading that was begun belongs to its worker for so long.
TAKEN = timedelta(minutes=5)
#: After trouble, and while there is no room, it is read again after so long.
AGAIN_AFTER = timedelta(minutes=30)
LONGEST_WAIT = timedelta(hours=12)
#: What is read is worth less patience than a post.
PATIENCE_S = 20


@dataclass(eq=False)
class Reading:
    """One row that has its room in the windows, or looks for it. `call` does HTTP only;
    its answer says by `error_of` what breakers are to hear."""

    row: Any
    account: ConnectedAccount
    client: PlatformClient
    need: Need
    asked_at: datetime
    caller: Caller = field(init=False)
    admission: Admission = field(init=False, default_factory=Admission)

    def __post_init__(self) -> None:
        self.caller = caller_of(credential_of(self.account), self.account.platform)

    def call(self) -> Any:
        raise NotImplementedError

    def error_of(self, told: Any) -> PlatformError | None:
        raise NotImplementedError


class Asking(Round):
    """Whose time has come, the longest due first. Subclasses say what is asked.

    model: its rows have `next_at`. road: from a row to its account. beside: what else is
    read with a row.
    """

    model: type[Model]
    road: str
    beside: tuple[str, ...] = ()

    def due(self) -> QuerySet[Any]:
        waiting = self.model._default_manager.filter(next_at__lte=timezone.now())
        found = waiting.annotate(app=F(f"{self.road}__credential__app"))
        return found.filter(app__isnull=False).order_by("next_at")

    def taken(self, pks: Sequence[int]) -> list[Any]:
        """Claim these rows, in this order; without those that another worker has."""
        now, rows = timezone.now(), self.model._default_manager
        with transaction.atomic():
            free = rows.select_for_update(skip_locked=True, of=("self",))
            found = free.filter(pk__in=pks, next_at__lte=now).select_related(
                f"{self.road}__credential__app", *self.beside
            )
            mine = {row.pk: row for row in found}
            rows.filter(pk__in=mine).update(next_at=now + TAKEN)
        return [mine[pk] for pk in pks if pk in mine]

    def account(self, row: Any) -> ConnectedAccount:
        """With its credential and app."""
        raise NotImplementedError

    def may_ask(self, row: Any, now: datetime) -> bool:
        """Whether there is anything to ask, and somebody to ask as; else it is put off."""
        raise NotImplementedError

    def readings(self, rows: Sequence[Any], now: datetime) -> list[Any]:
        raise NotImplementedError

    def put_off(self, row: Any, at: datetime, now: datetime) -> None:
        """Nothing was asked."""
        raise NotImplementedError

    def keep(self, reading: Any, told: Any, now: datetime) -> None:
        """Write down what was told, and when the next reading comes."""
        raise NotImplementedError

    # ------------------------------------------------------------

    def take(self, room: int, full: Collection[Hashable]) -> Sequence[Running]:
        while chosen := self.next_due(room, full):
            if running := self._begin(chosen):
                return running
            # All of these were put off: others may be read.
        return []

    def _begin(self, pks: Sequence[int]) -> list[Running]:
        now = timezone.now()
        ready: list[Any] = []
        renewing: list[Any] = []
        for row in self.taken(pks):
            if self.may_ask(row, now):
                stale = health.must_renew(credential_of(self.account(row)))
                (renewing if stale else ready).append(row)
        running = [
            self._running(reading.row, self._ask(reading))
            for reading in self._with_room(ready, now)
        ]
        return running + [self._running(row, self._renewed(row)) for row in renewing]

    def _running(self, row: Any, errand: Errand[None]) -> Running:
        app = credential_of(self.account(row)).app_id
        return Running(app, errand, partial(self._done, row))

    def _with_room(self, rows: Sequence[Any], now: datetime) -> list[Reading]:
        """Those that windows and breakers admit; the others are put off."""
        readings = self.readings(rows, now)
        needs = [reading.need for reading in readings if reading.need.draws]
        denied: Mapping[Hashable, Denied | None] = {}
        if needs:
            with transaction.atomic():
                denied = limits.reserve(needs, now)
        admissions = self.hearing.admit_all(
            [
                (reading.need.ref, reading.caller)
                for reading in readings
                if not denied.get(reading.need.ref)
            ],
            now,
        )
        found, refused = [], []
        for reading in readings:
            if no_room := denied.get(reading.need.ref):
                self.put_off(reading.row, no_room.opens_at or now + LONGEST_WAIT, now)
                continue
            reading.admission = admissions[reading.need.ref]
            if refusal := reading.admission.refusal:
                refused.append(reading.need)
                self.put_off(reading.row, refusal.retry_at, now)
                continue
            found.append(reading)
        limits.give_back(refused, now)
        return found

    def _renewed(self, row: Any) -> Errand[None]:
        """With a living token, where it can be had."""
        credential = credential_of(self.account(row))
        yield from refresh.errand(credential.pk)
        credential.refresh_from_db()
        now = timezone.now()
        if not credential.is_active or (
            credential.expires_at is not None and credential.expires_at <= now
        ):
            self.put_off(row, now + AGAIN_AFTER, now)
            return
        for reading in self._with_room([row], now):
            yield from self._ask(reading)

    def _ask(self, reading: Reading) -> Errand[None]:
        [told] = yield [reading.call]
        now = timezone.now()
        limits.count(
            reading.client,
            credential_of(reading.account),
            reading.account,
            reserved=reading.need,
            reserved_at=reading.asked_at,
        )
        if isinstance(told, Exception) and not isinstance(told, PlatformError):
            raise told
        error = reading.error_of(told)
        if error is None or error.cause != Cause.UNKNOWN_REFUSAL:
            self.hearing.tell(reading.caller, _of_access(error), reading.admission, now)
        self.keep(reading, told, now)

    def _done(self, row: Any, value: Any) -> None:
        if isinstance(value, Exception):
            now = timezone.now()
            self.put_off(row, now + AGAIN_AFTER, now)


def _of_access(error: PlatformError | None) -> PlatformError | None:
    """What breakers shall hear: a post that is gone, or what is not shown to us, are
    answers like others."""
    if isinstance(error, NotFound) and error.cause == Cause.NOT_THERE:
        return None
    return None if isinstance(error, PermissionMissing) else error


def next_try(error: PlatformError, credential: Credential, now: datetime) -> datetime:
    """When it is asked again after trouble; an access that may have ended is looked at
    at once."""
    if error.ends_access:
        # Its own look decides what has ended.
        same = Credential.objects.filter(pk=credential.pk)
        same.filter(next_proof_at__gt=now).update(next_proof_at=now)
    wait = timedelta(seconds=error.retry_after or 0)
    return error.reset_at or now + max(wait, AGAIN_AFTER)


def credential_of(account: ConnectedAccount) -> Credential:
    assert account.credential is not None
    return account.credential


def missing_scopes(
    account: ConnectedAccount, client: PlatformClient, what: After
) -> str:
    """Scopes without which nothing is shown, by name; "": none, or none is known."""
    rows = [client.spec.call(key) for key in client.calls_of(what)]
    if what is After.FIGURES:
        # Beside these stand calls that tell one emptiness from another.
        rows = [row for row in rows if row.ability is Ability.FIGURES]
    return scopes_lacking(account, client, rows)


def scopes_lacking(
    account: ConnectedAccount, client: PlatformClient, rows: Sequence[Call]
) -> str:
    """Of what these calls need; "": nothing, or it is not known what was granted."""
    credential = credential_of(account)
    if not credential.granted_scopes:
        return ""
    names = [
        scope
        for row in rows
        for scope in lacks(client.spec, row, account.kind, credential.granted_scopes)
    ]
    return " ".join(dict.fromkeys(names))


def client_of(account: ConnectedAccount) -> PlatformClient:
    client = account.client()
    client.http.total_s = min(client.http.total_s, PATIENCE_S)
    return client


def draws_of(
    account: ConnectedAccount, calls: Mapping[str, int], text: str = ""
) -> dict[str, int]:
    """Units per bucket of these calls. text: what a changing one of them writes."""
    job = PublishJob("0" * 32, timezone.now(), Draft(text), account.identity())
    keys = [key for key, times in calls.items() for _ in range(times)]
    return registry.platform(account.platform).draws_of_calls(keys, job)


def need_of(
    account: ConnectedAccount,
    ref: Hashable,
    draws: Mapping[str, int],
    importance: Importance = Importance.FIGURES,
) -> Need:
    credential = credential_of(account)
    return Need(
        ref=ref,
        platform=account.platform,
        network=credential.app.network,
        app_id=credential.app_id,
        credential_id=credential.pk,
        account_id=account.pk,
        draws=draws,
        importance=importance,
    )
