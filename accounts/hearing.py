"""What looks and renewals ask breakers, and tell them.

They go through breakers as looks do: a few at a time, and none is the one trial of a
post. What they tell is weighed first. Among thousands of looks a day some always meet
trouble, and one person's new password ends forty pages at once; a breaker that counted
each of these would hold posts back although nothing is wrong with the platform.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from platforms.errors import PlatformError

from . import breakers
from .breakers import Admission, Caller, Heard, Key, Kind
from .models import Credential


def caller_of(credential: Credential, platform: str = "") -> Caller:
    """Whom breakers know it by. platform: of an account that is not the app's own."""
    app = credential.app
    return Caller(platform or app.platform, app.network, app.pk, credential.pk)


class Hearing:
    """What the looks of one round came to."""

    def __init__(self) -> None:
        #: people who got an answer, and failures of those who did not, by breaker
        self._fine: dict[Key, set[int]] = {}
        self._failed: dict[Key, dict[int, Heard]] = {}
        #: a breaker has opened or closed
        self.changed = False

    def admit(self, caller: Caller, now: datetime) -> Admission:
        with transaction.atomic():
            return breakers.admit([("", caller, True)], now)[""]

    def tell(
        self,
        credential: Credential,
        caller: Caller,
        error: PlatformError | None,
        trials: tuple[int, ...],
        now: datetime,
    ) -> None:
        """error None: it got its answer. trials: from the Admission."""
        heard = Heard(caller, error, now, trials, looking=True)
        told = self._weigh(heard, credential.root.pk)
        if trials and heard not in told:
            told.append(heard)
        if not told:
            return
        with transaction.atomic():
            self.changed |= bool(breakers.hear(told, now))

    def _weigh(self, heard: Heard, person: int) -> list[Heard]:
        """What is to be told now. One person counts once, however many their pages."""
        error, kind = heard.error, breakers.kind_of(heard.error)
        if error is None or kind is None:
            for key in heard.caller.keys:
                self._fine.setdefault(key, set()).add(person)
            return []
        if kind not in (Kind.TROUBLE, Kind.ACCESS):
            return [heard]
        key = breakers.key_of(heard.caller, error, kind)
        of_person = replace(heard, caller=replace(heard.caller, credential_id=person))
        failed = self._failed.setdefault(key, {})
        failed.setdefault(person, of_person)
        fine = self._fine.get(key, set()) - failed.keys()
        if len(failed) < breakers.MANY or len(fine) > breakers.HARDLY * (
            len(fine) + len(failed)
        ):
            return []
        told = [one for one in failed.values() if one.error is not None]
        failed.clear()
        return told
