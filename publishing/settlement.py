"""What each answer means for its delivery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.utils import timezone

from accounts.models import Credential
from platforms import parts
from platforms.base import Draft, Look, RemotePost, Sighting, StepKind, StepResult
from platforms.errors import (
    AuthRevoked,
    Cause,
    Outcome,
    PlatformError,
    Reach,
)

from . import carrying, stops
from .models import MAX_ATTEMPTS, MAX_REPEATS, Delivery, InvalidTransition
from .waking import wake_check, wake_review
from .work import LEASE, Work, backoff, last_start, look_times
from .writes import Writes

Status = Delivery.Status
Hold = Delivery.Hold
AUTH = {Outcome.AUTH_EXPIRED, Outcome.AUTH_REVOKED}


class TooOften(PlatformError):
    """The ceiling of commits is reached: a person has to look."""

    outcome = Outcome.AMBIGUOUS
    default_cause = Cause.UNKNOWN_REFUSAL

    def __init__(self) -> None:
        super().__init__(f"sent again {MAX_REPEATS} times without an end")


def intent(row: Delivery, draft: Draft, now: datetime) -> dict[str, Any]:
    """Fields that must be committed before a commit leaves."""
    changes = {
        "intent_at": now,
        "commit_count": row.commit_count + 1,
        "total_commit_count": row.total_commit_count + 1,
        "look_count": 0,
        "absent_count": 0,
    }
    if (count := parts.count(draft)) > row.part_count:
        changes["part_count"] = count
    return changes


def says_little(error: PlatformError) -> bool:
    """A refusal in words that the platform's table does not know: some platforms answer
    400 after writing, so it is looked up before it counts."""
    return (
        error.outcome == Outcome.INVALID_CONTENT
        and error.cause == Cause.UNKNOWN_REFUSAL
        and error.status != 403
    )


class Settlement:
    """What one answer means for its delivery.

    row: as the database has it; after a refusal or a look with its account and
    credential read anew. What is to change goes into `writes`.
    """

    def __init__(self, row: Delivery, work: Work, writes: Writes) -> None:
        self.row = row
        self.work = work
        self.writes = writes
        self.now = timezone.now()
        self.committing = work.committing

    def apply(self, result: StepResult | Look | PlatformError) -> Work | None:
        if isinstance(result, Look):
            self._looked(result)
        elif isinstance(result, PlatformError):
            if self.work.looking:
                self._look_failed(result)
            else:
                self._refused(result)
        else:
            return self._stepped(result)
        return None

    # -- a step went well

    def _stepped(self, result: StepResult) -> Work | None:
        witness = {**self.row.witness, **result.witness}
        if result.remote is not None:
            return self._arrived(result.remote, witness)
        if result.wait_s is not None:
            self._close("waiting", "")
            self._wait(witness, self.now + timedelta(seconds=result.wait_s))
            return None
        return self._go_on(witness)

    def _arrived(self, remote: RemotePost, witness: dict[str, Any]) -> Work | None:
        """The post is out, or a part of it: then the next one follows."""
        job = self.work.job
        witness = parts.arrived(job.draft, witness, remote, self.now)
        if not parts.all_out(job.draft, witness):
            self.writes.set(self.row, **self.row.part_arrived(remote, self.now))
            return self._go_on(witness, first_sent_at=None)
        # What was asked for and could not be had, such as a thumbnail.
        notes = remote.extra.get("notes", ())
        self._close("published", "", evidence="; ".join(notes))
        self._published(remote, witness)
        return None

    def _found_live(
        self, remote: RemotePost, left: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """The same, but found out afterwards: what follows is claimed anew.

        left: the witness of what is still to be done to it there.
        """
        draft = self.work.job.draft
        self.row.is_not_native(remote.permalink, remote.external_id)
        if left:
            self._move(
                Status.PROCESSING,
                witness={**self.row.witness, **left},
                next_attempt_at=self.now,
                intent_at=None,
                **Delivery._no_lease(),
                **Delivery._no_error(),
            )
            return
        witness = parts.arrived(draft, self.row.witness, remote, self.now)
        if parts.all_out(draft, witness):
            self._published(remote, witness)
            return
        self._move(
            Status.SCHEDULED,
            **self.row.part_arrived(remote, self.now),
            next_attempt_at=self.now,
            witness=witness,
            **Delivery._no_lease(),
            **Delivery._no_error(),
        )

    def _wait(self, witness: dict[str, Any], until: datetime) -> None:
        """The platform is working."""
        self._move(
            Status.PROCESSING,
            witness=witness,
            next_attempt_at=until,
            intent_at=None,
            **Delivery._no_lease(),
        )

    def _go_on(self, witness: dict[str, Any], **of_job: Any) -> Work | None:
        """Store the witness and, when a commit comes next, the intent: then go on."""
        job = replace(self.work.job, witness=witness, **of_job)
        step = parts.next_step(self.work.platform, job, self.work.client)
        may_commit = step.kind == StepKind.COMMIT
        if may_commit and stops.covering(self.row.account, stops.active()):
            self._close("held", "")
            self._stop(witness)
            return None
        changes: dict[str, Any] = {
            "witness": witness,
            "lease_expires_at": self.now + LEASE,
        }
        done = self.work.step
        if done and done.kind == StepKind.RESUMABLE and self.row.transient_count:
            # A part has arrived: troubles of a long upload are not one after another.
            changes["transient_count"] = 0
        if may_commit:
            if not self.row.may_commit(parts.count(job.draft)):
                self._close(Outcome.AMBIGUOUS, Cause.UNKNOWN_REFUSAL, TooOften())
                self._fail(TooOften())
                return None
            changes |= intent(self.row, job.draft, self.now)
        self._move(Status.PUBLISHING, **changes)
        self.writes.change_attempt(
            self.work.attempt, step=step.name, calls=self.work.calls
        )
        # A new one: should the writing fail, the old one is settled once more.
        return replace(
            self.work, job=job, step=step, may_commit=may_commit, start_by=last_start()
        )

    def _stop(self, witness: dict[str, Any]) -> None:
        """Somebody stopped publishing while files were on their way."""
        self._move(
            Status.HELD,
            hold=Hold.STOPPED,
            held_at=self.now,
            release_at=None,
            next_attempt_at=None,
            witness=witness,
            **Delivery._no_lease(),
        )

    def _published(self, remote: RemotePost, witness: dict[str, Any]) -> None:
        where: dict[str, Any] = {}
        if not self.row.parts_out:
            # Else it is where its first part is.
            where = {
                "external_id": remote.external_id,
                "permalink": remote.permalink,
                "published_at": remote.published_at or self.now,
            }
        self._move(
            Status.PUBLISHED,
            **where,
            first_sent_at=self.row.first_sent_at or self.row.intent_at,
            next_attempt_at=None,
            intent_at=None,
            witness=witness,
            transient_count=0,
            repeat_is_safe=False,
            **Delivery._no_lease(),
            **Delivery._no_error(),
        )

    # -- a refusal, or no answer

    def _refused(self, error: PlatformError) -> None:
        self._close(error.outcome, error.cause, error)
        self._forget(error)
        outcome = error.outcome
        of_commit = self.committing or "of_commit" in error.extra
        if outcome == Outcome.AMBIGUOUS and not of_commit:
            outcome = Outcome.TRANSIENT
        if outcome == Outcome.AMBIGUOUS:
            self._uncertain(error)
            return
        if outcome == Outcome.DUPLICATE:
            self._duplicate(error)
            return
        if self.committing and says_little(error):
            self._uncertain(error)
            return
        in_doubt = self.row.repeat_is_safe
        if self.committing and not (in_doubt and error.permanent):
            self._uncount()
        if in_doubt:
            # This was refused, but the one before may be live: still nobody knows.
            self._look_later(error)
        elif self.row.account.credential is None:
            self._hold(Hold.DISCONNECTED, error, None)
        elif self._tells_of_access(error) and self._with_old_token():
            # Refused was a token that has been replaced meanwhile; ours is unproven.
            self._again(error, at_once=True)
        elif outcome == Outcome.AUTH_EXPIRED:
            self._expired(error)
        elif outcome == Outcome.AUTH_REVOKED:
            self._break(error)
        elif outcome == Outcome.PERMISSION and self._tells_of_access(error):
            self._not_permitted(error)
        elif outcome == Outcome.RATE_LIMITED:
            self._limited(error)
        elif outcome == Outcome.PLATFORM_DOWN and error.reach == Reach.APP:
            self._hold(Hold.PLATFORM, error, self.now + timedelta(minutes=15))
        elif outcome in {Outcome.TRANSIENT, Outcome.PLATFORM_DOWN}:
            self._again(error)
        else:
            self._fail(error)

    def _uncount(self) -> None:
        """A clean refusal changed nothing: it does not count against the ceiling."""
        self.writes.set(
            self.row,
            commit_count=max(0, self.row.commit_count - 1),
            total_commit_count=max(0, self.row.total_commit_count - 1),
        )

    @staticmethod
    def _tells_of_access(error: PlatformError) -> bool:
        """Whether it is the access that was refused, and not this post."""
        missing = error.outcome == Outcome.PERMISSION and error.reach != Reach.POST
        return missing or error.outcome in AUTH

    def _with_old_token(self) -> bool:
        credential = self.row.account.credential
        used = self.work.client.access.token
        return credential is not None and credential.access_token != used

    def _uncertain(self, error: PlatformError) -> None:
        looks = self._look_times()
        self._move(
            Status.UNCERTAIN,
            first_sent_at=self.row.first_sent_at or self.row.intent_at,
            next_attempt_at=self.now + timedelta(seconds=looks[0]),
            look_count=0,
            absent_count=0,
            repeat_is_safe=False,
            **self._error(error),
            **Delivery._no_lease(),
        )

    def _duplicate(self, error: PlatformError) -> None:
        """Evidence when an earlier attempt of ours may have caused it."""
        if self.row.first_sent_at is None:
            if self.committing:
                self._uncount()
            self._fail(error)
            return
        external_id = error.extra.get("external_id", "")
        if external_id and self._belongs_to_another(external_id):
            self._fail(error)
        elif external_id:
            self._found_live(RemotePost(external_id, error.extra.get("permalink", "")))
        else:
            self._uncertain(error)

    def _expired(self, error: PlatformError) -> None:
        if ended := self._access_ended(error):
            self._break(ended)
            return
        self._renew()
        self._move(
            Status.SCHEDULED,
            next_attempt_at=self.now,
            intent_at=None,
            **self._error(error),
            **Delivery._no_lease(),
        )

    def _access_ended(self, error: PlatformError) -> PlatformError | None:
        """What ends the access for good; None: a renewal may mend it."""
        credential = self.row.account.credential
        assert credential is not None
        if error.outcome == Outcome.AUTH_REVOKED or not credential.refresh_token:
            return error
        if credential.issued_at and (
            credential.issued_at > self.now - timedelta(minutes=1)
        ):
            return AuthRevoked(error.detail, status=error.status, code=error.code)
        return None

    def _renew(self) -> None:
        """The engine renews an expired credential before it claims the next try."""
        credential = self.row.account.credential
        assert credential is not None
        Credential.objects.filter(
            pk=credential.pk, refresh_fence=credential.refresh_fence
        ).update(expires_at=self.now, refresh_after=self.now)

    def _break(self, error: PlatformError) -> None:
        credential = self.row.account.credential
        assert credential is not None
        credential.break_for(error)
        self._hold(Hold.ACCESS, error, None)
        wake_review()

    def _not_permitted(self, error: PlatformError) -> None:
        self._hold(Hold.PERMISSION, error, None)
        self._prove_soon()

    def _prove_soon(self) -> None:
        """Whose right is missing is the health check's to tell: ask it at once."""
        of_account = Credential.objects.filter(pk=self.row.account.credential_id or 0)
        of_account.update(next_proof_at=self.now)
        wake_check()

    def _limited(self, error: PlatformError) -> None:
        at = error.reset_at
        if at is None or at <= self.now:
            count = self.row.transient_count + 1
            at = self.now + max(
                backoff(count, error.retry_after), timedelta(seconds=30)
            )
        self._hold(Hold.LIMIT, error, at)

    def _again(self, error: PlatformError, *, at_once: bool = False) -> None:
        count = self.row.transient_count + 1
        if count >= MAX_ATTEMPTS:
            self._fail(error)
            return
        wait = timedelta() if at_once else backoff(count, error.retry_after)
        left = self.committing and error.status is not None
        self._move(
            Status.SCHEDULED,
            # Refused, and yet evidence, should the next try be called a duplicate.
            first_sent_at=self.row.first_sent_at
            or (self.row.intent_at if left else None),
            next_attempt_at=self.now + wait,
            transient_count=count,
            intent_at=None,
            **self._error(error),
            **Delivery._no_lease(),
        )

    def _hold(
        self, reason: str, error: PlatformError, release_at: datetime | None
    ) -> None:
        self._move(
            Status.HELD,
            hold=reason,
            held_at=self.now,
            release_at=release_at,
            next_attempt_at=None,
            intent_at=None,
            transient_count=self.row.transient_count + 1,
            **self._error(error),
            **Delivery._no_lease(),
        )

    def _fail(self, error: PlatformError) -> None:
        self._move(
            Status.FAILED,
            next_attempt_at=None,
            intent_at=None,
            failed_at=self.now,
            **self._error(error),
            **Delivery._no_lease(),
        )

    def _forget(self, error: PlatformError) -> None:
        """What the platform has lost must be sent again: drop its witnesses."""
        names = {n for n in error.extra.get("forget", "").split(",") if n}
        if names:
            left = {k: v for k, v in self.row.witness.items() if k not in names}
            self.writes.set(self.row, witness=left)
            if self.row.prepared_at:
                self.writes.set(self.row, prepared_at=None)

    # -- a look

    def _looked(self, look: Look) -> None:
        self._close(look.sighting, "", evidence=look.evidence)
        if look.sighting == Sighting.FOUND and look.remote is not None:
            if not self._belongs_to_another(look.remote.external_id):
                self._found_live(look.remote, look.witness)
                return
        looks = self._look_times()
        looked = self.row.look_count + 1
        absent = self.row.absent_count + 1 if look.sighting == Sighting.ABSENT else 0
        settled = looked >= len(looks) and absent >= 2
        refused = self.row.outcome == Outcome.INVALID_CONTENT
        certain = look.safe_to_repeat or settled
        if refused and look.sighting == Sighting.ABSENT and certain:
            # Not written before the refusal, then: the refusal stands.
            self._move(
                Status.FAILED,
                next_attempt_at=None,
                intent_at=None,
                failed_at=self.now,
                **Delivery._no_lease(),
            )
        elif certain:
            self._send_again(looked, absent, in_doubt=not settled)
        elif looked < len(looks) or look.sighting == Sighting.ABSENT:
            gap = (
                looks[min(looked, len(looks) - 1)] - looks[min(looked, len(looks)) - 1]
            )
            self._move(
                Status.UNCERTAIN,
                look_count=looked,
                absent_count=absent,
                next_attempt_at=self.now + timedelta(seconds=max(gap, looks[0])),
                **Delivery._no_lease(),
            )
        else:
            # Nobody can tell but a person, who gets two buttons.
            self._move(
                Status.UNCERTAIN,
                look_count=looked,
                absent_count=absent,
                next_attempt_at=None,
                **Delivery._no_lease(),
            )

    def _look_times(self) -> tuple[float, ...]:
        return look_times(self.row.account.platform, is_comment=self.row.is_at_comment)

    def _belongs_to_another(self, external_id: str) -> bool:
        """Another delivery of this account took the same post meanwhile."""
        return (
            Delivery.objects.filter(
                account_id=self.row.account_id, external_id=external_id
            )
            .exclude(pk=self.row.pk)
            .exists()
        )

    def _send_again(self, looked: int, absent: int, *, in_doubt: bool) -> None:
        """in_doubt: it may be live, but the platform keeps a repeat from doubling."""
        if not self.row.may_commit(parts.count(self.work.job.draft)):
            self._move(
                Status.UNCERTAIN,
                look_count=looked,
                absent_count=absent,
                next_attempt_at=None,
                **Delivery._no_lease(),
            )
            return
        self._move(
            Status.SCHEDULED,
            next_attempt_at=self.now,
            look_count=looked,
            absent_count=absent,
            intent_at=None,
            repeat_is_safe=in_doubt,
            **Delivery._no_lease(),
        )

    def _look_failed(self, error: PlatformError) -> None:
        """The platform could not be read: still nobody knows. Look again later."""
        self._close(error.outcome, error.cause, error)
        self._look_later(error)

    def _look_later(self, error: PlatformError) -> None:
        credential = self.row.account.credential
        if credential is None or self._with_old_token():
            pass  # it proves nothing of what is stored now
        elif error.outcome == Outcome.AUTH_REVOKED or (
            error.outcome == Outcome.AUTH_EXPIRED and not credential.refresh_token
        ):
            credential.break_for(error)
            wake_review()
        elif error.outcome == Outcome.AUTH_EXPIRED:
            self._renew()
        count = self.row.transient_count + 1
        wait = backoff(count, error.retry_after)
        at = max(self.now + wait, error.reset_at or self.now)
        self._move(
            Status.UNCERTAIN,
            first_sent_at=self.row.first_sent_at or self.row.intent_at,
            next_attempt_at=at,
            transient_count=count,
            repeat_is_safe=False,
            **Delivery._no_lease(),
        )

    # -- writing

    def _move(self, to: str, **changes: Any) -> None:
        self.writes.move(self.row, to, **changes)

    @staticmethod
    def _error(error: PlatformError) -> dict[str, Any]:
        return {"outcome": error.outcome, "cause": error.cause, "detail": error.detail}

    def _close(
        self,
        outcome: str,
        cause: str,
        error: PlatformError | None = None,
        evidence: str = "",
    ) -> None:
        calls = self.work.calls
        request_id = error.request_id if error else ""
        status = error.status if error else None
        if calls:
            request_id = request_id or calls[-1]["request_id"]
            status = status or calls[-1]["status"]
        self.writes.change_attempt(
            self.work.attempt,
            closed_at=self.now,
            outcome=outcome,
            cause=cause,
            http_status=status,
            code=(error.code if error else "")[:100],
            request_id=request_id[:200],
            detail=error.detail if error else evidence[:2000],
            step=self.work.step.name if self.work.step else "look",
            calls=calls,
        )


class Carried(Settlement):
    """The same for files that leave beside their lane: the post itself waits.

    Before its time nothing that comes back changes the post's own plan; what cannot be
    done now is tried again, and at its time at the latest it is told.
    """

    def _wait(self, witness: dict[str, Any], until: datetime) -> None:
        if self._is_due:
            super()._wait(witness, until)
        else:
            self._give_back(until, witness=witness)

    def _go_on(self, witness: dict[str, Any], **of_job: Any) -> Work | None:
        work = self.work
        job = replace(work.job, witness=witness, **of_job)
        step = parts.next_step(work.platform, job, work.client)
        if step.kind == StepKind.COMMIT or work.platform.is_out(witness):
            self._close("sent_ahead", "")
            there = {"prepared_at": self.now, "sent_bytes": work.sent_bytes}
            self._give_back(None, witness=witness, **there)
            return None
        if stops.covering(self.row.account, stops.active()):
            self._close("put_off", "")
            self._give_back(self.now + carrying.LATER, witness=witness)
            return None
        if work.client.http.is_cut:
            self._close("put_off", "")
            self._give_back(self.now, witness=witness)
            return None
        changes: dict[str, Any] = {"witness": witness, "sent_bytes": work.sent_bytes}
        if work.step and work.step.kind == StepKind.RESUMABLE:
            changes["transient_count"] = 0
        self.writes.set(self.row, lease_expires_at=self.now + LEASE, **changes)
        self.writes.change_attempt(work.attempt, step=step.name, calls=work.calls)
        return replace(
            work,
            job=job,
            step=step,
            sent_before=work.sent_bytes,
            read_before=work.client.http.sent_bytes,
        )

    def _refused(self, error: PlatformError) -> None:
        if self.work.client.http.is_cut:
            self._close("put_off", "")
            self._forget(error)
            self._give_back(self.now, sent_bytes=self.work.sent_before)
        elif self._is_due:
            super()._refused(error)
        else:
            self._close(error.outcome, error.cause, error)
            self._forget(error)
            self._refused_ahead(error)

    def _refused_ahead(self, error: PlatformError) -> None:
        self.writes.set(self.row, sent_bytes=self.work.sent_before)
        outcome = error.outcome
        wait = carrying.LATER
        if outcome in {
            Outcome.TRANSIENT,
            Outcome.AMBIGUOUS,
            Outcome.PLATFORM_DOWN,
        }:
            wait = backoff(self.row.attempt_count)
        elif outcome in AUTH and self.row.account.credential is not None:
            if self._with_old_token():
                wait = timedelta()
            elif ended := self._access_ended(error):
                self.row.account.credential.break_for(ended)
                wake_review()
            else:
                self._renew()
                wait = timedelta(seconds=5)
        elif outcome == Outcome.PERMISSION and self._tells_of_access(error):
            self._prove_soon()
        elif outcome != Outcome.RATE_LIMITED:
            # Its own content: people can mend that before its time.
            self._give_back(None, **self._error(error))
            return
        at = self.now + max(wait, timedelta(seconds=error.retry_after or 0))
        self._give_back(max(at, error.reset_at or at))

    @property
    def _is_due(self) -> bool:
        at = self.row.next_attempt_at
        return at is not None and at <= self.now

    def _give_back(self, at: datetime | None, **changes: Any) -> None:
        """Let go of the row. at: when its files go on; in its turn when that is first."""
        turn = self.row.next_attempt_at
        if at is not None and (turn is None or at >= turn):
            at = None
        self.writes.set(self.row, prepare_at=at, **changes, **Delivery._no_lease())

    def _move(self, to: str, **changes: Any) -> None:
        # The roads of a post that is being sent: its turn has come meanwhile.
        if to not in Delivery.TRANSITIONS[Status.PUBLISHING]:
            raise InvalidTransition(f"carried -> {to}")
        self.writes.set(self.row, status=to, prepare_at=None, **changes)
