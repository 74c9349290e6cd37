"""What looks and renewals ask breakers, and tell them.

They go through breakers as looks do: a few at a time, and none is the one trial of a
post. What they tell is weighed first. Among thousands of looks a day some always meet
trouble, and one person's new password ends forty pages at once; a breaker that counted
each of these would hold posts back although nothing is wrong with the platform.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime

from django.db import transaction

from platforms.errors import PlatformError

from . import breakers
from .breakers import Admission, Caller, Heard, Key, Kind
from .models import Credential


def caller_of(credential: Credential, platform: str = "") -> Caller:
    """Whom breakers know it by. platform: of an account that is not the app's own."""
    app = credential.app
    return Caller(
        platform or app.platform,
        app.network,
        app.pk,
        credential.pk,
        credential.parent_id or 0,
    )


class Hearing:
    """What the looks of one round came to."""

    def __init__(self) -> None:
        #: by breaker, who got an answer, and the failures of those who did not
        self._fine: dict[Key, set[int]] = {}
        self._failed: dict[Key, dict[int, Heard]] = {}
        #: a breaker has opened or closed
        self.changed = False

    def admit(self, caller: Caller, now: datetime) -> Admission:
        return self.admit_all([("", caller)], now)[""]

    def admit_all(
        self, callers: Sequence[tuple[Hashable, Caller]], now: datetime
    ) -> dict[Hashable, Admission]:
        """By your reference. One SELECT while all is well."""
        if not callers:
            return {}
        return breakers.admit([(ref, caller, True) for ref, caller in callers], now)

    def tell(
        self,
        caller: Caller,
        error: PlatformError | None,
        admission: Admission,
        now: datetime,
    ) -> None:
        """error None: it got its answer. admission: what it was asked with."""
        heard = Heard(caller, error, now, admission.trials, looking=True)
        told = self._weigh(heard)
        no_news = error is None and admission.passing
        if admission.trials and not no_news and heard not in told:
            told.append(heard)
        if not told:
            return
        with transaction.atomic():
            self.changed |= bool(breakers.hear(told, now))

    def _weigh(self, heard: Heard) -> list[Heard]:
        """What is to be told now."""
        error, kind = heard.error, breakers.kind_of(heard.error)
        if error is None or kind is None:
            for key in heard.caller.keys:
                self._fine.setdefault(key, set()).add(heard.caller.credential_id)
            return []
        if kind not in (Kind.TROUBLE, Kind.ACCESS):
            return [heard]
        key = breakers.key_of(heard.caller, error, kind)
        failed = self._failed.setdefault(key, {})
        failed.setdefault(heard.caller.counted(kind), heard)
        fine = self._fine.get(key, set()) - failed.keys()
        tried = len(fine) + len(failed)
        if len(failed) < breakers.MANY or len(fine) > breakers.HARDLY * tried:
            return []
        told = list(failed.values())
        failed.clear()
        return told
