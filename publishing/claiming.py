"""How a pump takes rows: in one transaction, or holds them where they cannot go."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import F, QuerySet
from django.db.utils import InterfaceError

from accounts import breakers, limits
from accounts.fixed_query import SAMPLE_TIME, FixedQuery
from accounts.limits import Denied, Importance, Need, Use
from accounts.models import Credential
from platforms import parts
from platforms.base import (
    MONEY,
    Draft,
    MediaFile,
    PlatformClient,
    PublishJob,
    Step,
    StepKind,
)
from platforms.errors import AuthExpired, Cause, Outcome

from . import carrying, left_uploads, link_facts, liveness, stops, twice, valve
from .fingerprints import exact
from .markers import new_marker
from .models import (
    Attempt,
    Delivery,
    InvalidTransition,
    Stop,
    draft_doc,
    draft_from,
)
from .senders import Sender, Senders, attach_posts
from .settlement import TooOften, intent
from .waking import wake_review
from .work import LEASE, Work, last_start
from .writes import Opened, Writes

logger = logging.getLogger(__name__)

#: A repeat that the platform keeps from doubling is safe for so long after the look.
REPEAT_WITHIN = timedelta(seconds=60)
#: The longest nap of a row whose credential is being renewed.
RENEWAL_NAP_S = 30.0
#: A row that cannot be prepared is tried again after this.
BROKEN_NAP = timedelta(minutes=5)
#: The same post is on its way to the same account: asked again after this.
SAME_NAP = timedelta(seconds=5)
#: What is so late was held, or left behind by an engine that stood still.
BACKLOG = timedelta(seconds=30)
#: A post goes out some moments after it was taken: its follower's time is not the worse.
SLACK = timedelta(seconds=2)
#: A look that a limit keeps away is tried again after this.
LOOK_LATER = timedelta(minutes=5)
DAY_S = 86_400
#: What a claim and the results of a step need of a delivery.
COLUMNS = (
    "post",
    "account",
    "status",
    "due_at",
    "useful_until",
    "next_attempt_at",
    "held_at",
    "fence",
    "attempt_count",
    "transient_count",
    "intent_at",
    "first_sent_at",
    "commit_count",
    "total_commit_count",
    "part_count",
    "look_count",
    "absent_count",
    "repeat_is_safe",
    "marker",
    "witness",
    "draft",
    "fingerprint",
    "twice_allowed",
    "approvals_missing",
    "approved_as",
    "prepare_at",
    "prepared_at",
    "sent_bytes",
    "cause",
    "detail",
    "created_at",
)

Status = Delivery.Status
Hold = Delivery.Hold
#: A platform has it, or may have it.
BEGUN = (Status.PROCESSING, Status.UNCERTAIN)


@dataclass
class Pump:
    """What claiming needs to know of the pump that asks.

    renew: begins the renewal of a credential, or finds that somebody is at it.
    sends_for: the accounts of the rows that it has in flight.
    """

    id: str
    senders: Senders
    renew: Callable[[Credential], None]
    is_renewing: Callable[[int], bool]
    bar_lane: Callable[[int], None]
    read_again: Callable[[], None]
    sends_for: Collection[int] = ()


@dataclass
class Ready:
    """A row that may go as far as it can tell by itself, and what would be sent."""

    row: Delivery
    sender: Sender
    job: PublishJob
    client: PlatformClient
    step: Step | None
    changes: dict[str, Any]
    need: Need
    trials: tuple[int, ...] = ()

    @property
    def looking(self) -> bool:
        return self.step is None


def _lock_waiting(pks: list[int], now: datetime) -> QuerySet[Delivery]:
    # The states are looked at afterwards: asked for them, SQLite would read all that is
    # scheduled, for ever ahead, by the index of states.
    rows = (
        Delivery.objects.filter(
            pk__in=pks, next_attempt_at__lte=now, lease_expires_at=None
        )
        .only(*COLUMNS)
        .order_by("next_attempt_at", "pk")
    )
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows


def _lock_followers(
    account_ids: list[int], but: list[int], now: datetime
) -> QuerySet[Delivery]:
    """What else these accounts have scheduled for the next hour, in its order."""
    rows = (
        Delivery.objects.filter(
            account_id__in=account_ids,
            status=Status.SCHEDULED,
            repeat_is_safe=False,
            lease_expires_at=None,
            next_attempt_at__lt=now + valve.HOUR,
        )
        .exclude(pk__in=but)
        .only(*COLUMNS)
        .order_by("due_at", "pk")
    )
    if connection.features.has_select_for_update_skip_locked:
        # Another pump may hold some for a moment: to wait for it may be for ever.
        rows = rows.select_for_update(skip_locked=True)
    return rows


def _gap(row: Delivery, due_before: datetime) -> timedelta:
    """How close a late row may follow what was due then: no closer than it was meant."""
    if row.held_at is not None:
        return valve.GAP
    return min(valve.GAP, max(row.due_at - due_before, timedelta(0)))


def _sent_by_others(now: datetime, pump_id: str) -> QuerySet[Delivery, Any]:
    taken = Delivery.objects.filter(lease_expires_at__gt=now)
    # All of them, though few are asked for: beginning at the lanes, SQLite would read
    # all that their accounts ever had.
    # Files that are carried keep no lane.
    others = taken.exclude(lease_owner=pump_id).exclude(status=Status.SCHEDULED)
    return others.order_by().values_list("account__credential_id")


def _lock_let_out(account_id: int, since: datetime) -> QuerySet[Delivery, Any]:
    """What was let out of this account and has a planned time from `since` on."""
    rows = Delivery.objects.filter(
        account_id=account_id,
        status=Status.SCHEDULED,
        repeat_is_safe=False,
        lease_expires_at=None,
        held_at__isnull=False,
        next_attempt_at__gt=F("due_at"),
        next_attempt_at__gte=since,
    ).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows.values_list("pk", flat=True)


_waiting = FixedQuery(_lock_waiting, [0], SAMPLE_TIME)
_lanes_of_others = FixedQuery(_sent_by_others, SAMPLE_TIME, "sample")


class Claim:
    """One batch. Use inside a transaction; `works` may be handed out after it."""

    def __init__(self, pump: Pump, now: datetime, uses: Sequence[Use] = ()) -> None:
        """uses: what answers told of the platforms' windows, to be settled with it."""
        self.pump = pump
        self.now = now
        self.uses = uses
        self.settled = False
        self.writes = Writes()
        self.works: list[Work] = []
        #: what cards of links show, by address
        self.pictures: dict[str, MediaFile] = {}
        #: reserved and not needed after all: to be given back with the next `uses`
        self.unused: list[Use] = []

    def take(self, pks: Sequence[int]) -> list[Work]:
        rows = self._lock(pks)
        if not rows:
            return []
        active = stops.active()
        ready: list[Ready] = []
        rows = self._not_in_a_burst(rows)
        self.pictures = link_facts.pictures(
            row.post.link_url for row in rows if self._may_want_picture(row)
        )
        for row in rows:
            with self._one(row):
                if self._admit(row, active) and (one := self._prepare(row)):
                    ready.append(one)
        for one in self._let_through(self._reserve(self._first_of_its_kind(ready))):
            with self._one(one.row):
                self._open(one)
        self.writes.write()
        return self.works

    @staticmethod
    def _may_want_picture(row: Delivery) -> bool:
        """Of its link's card, which its first commit settles."""
        return bool(row.account.spec.card_picture and row.first_sent_at is None)

    @contextmanager
    def _one(self, row: Delivery) -> Iterator[None]:
        """One broken row must not stop the others: it is tried again later."""
        try:
            yield
        except InvalidTransition:
            return
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("delivery %s cannot be prepared", row.pk)
            self.writes.undo(row)
            self.writes.set(row, **self.put_off(self.now + BROKEN_NAP))

    @staticmethod
    def put_off(at: datetime) -> dict[str, Any]:
        """Fields of a row that is to be claimed again then, and not before."""
        return {"next_attempt_at": at}

    # -- whose turn it is

    def _lock(self, pks: Sequence[int]) -> list[Delivery]:
        """The rows that are still due, each alone in its lane, oldest first."""
        rows = _waiting.objects(list(pks), self.now)
        found = [row for row in rows if row.status in Delivery.WAITING]
        if len(found) < len(pks):
            # Somebody else has the others: what follows them must not overtake.
            self.pump.read_again()
        if not found:
            return []
        # By queries of their own, made when the rows are locked: a join would show what
        # was written before an editor's transaction.
        self.pump.senders.attach(found)
        attach_posts(found)
        lanes = {row.account.credential_id or 0 for row in found}
        barred = lanes - liveness.free_lanes(lanes) - {0}
        # Asked for after the lanes are ours: before, it could still change.
        barred |= self._lanes_elsewhere(lanes)
        # In flight through the credential that the account had until a moment ago.
        barred |= {
            row.account.credential_id or 0
            for row in found
            if row.account_id in self.pump.sends_for
        }
        for lane in barred:
            self.pump.bar_lane(lane)
        mine = []
        for row in found:
            lane = row.account.credential_id or 0
            if lane not in barred:
                mine.append(row)
                barred.add(lane or -1)
        return mine

    def _lanes_elsewhere(self, lanes: set[int]) -> set[int]:
        """Those of the lanes in which another pump is sending right now."""
        # A pump that stands still keeps its row, but not the others of its lane.
        return lanes.intersection(
            lane for (lane,) in _lanes_of_others.rows(self.now, self.pump.id)
        )

    def _not_in_a_burst(self, rows: list[Delivery]) -> list[Delivery]:
        """Without those that are late and would follow the account's last post closer
        than they were meant to: a backlog that an engine finds after an outage goes out
        as it would have, at a gap. No query while nothing is late.
        """
        late = [row for row in rows if self._is_backlog(row)]
        if not late:
            return rows
        for row in late:
            self._keep_distance(row)
        last = valve.last_sent({row.account_id for row in late}, self.now)
        waiting = {}
        for row in late:
            before = last.get(row.account_id)
            if before is None:
                continue
            at = before.at + _gap(row, before.due_at)
            if at - SLACK > self.now:
                self.writes.set(row, next_attempt_at=at)
                waiting[row.account_id] = row
        if waiting:
            self._keep_behind(waiting, [row.pk for row in rows])
        put_off = {row.pk for row in waiting.values()}
        return [row for row in rows if row.pk not in put_off]

    def _keep_distance(self, row: Delivery) -> None:
        """A post that was let out goes later than planned: those behind it were spread
        by a person's gap and caps, and follow as far behind as they were to.
        """
        planned = row.next_attempt_at
        if row.held_at is None or planned is None or planned <= row.due_at:
            return
        late = self.now - planned
        if late <= SLACK:
            return
        pks = list(_lock_let_out(row.account_id, planned))
        moved = F("next_attempt_at") + late
        # What would be useless by then keeps its time, as it does behind other posts.
        useful = Delivery.objects.filter(pk__in=pks, useful_until__gt=moved)
        useful.update(next_attempt_at=moved)
        row.next_attempt_at = self.now

    def _keep_behind(self, heads: dict[int, Delivery], pks: list[int]) -> None:
        """What comes after these, by account, must not overtake them: it follows at the
        gaps. What would be useless by then keeps its own time.
        """
        ends = {pk: (row.due_at, row.next_attempt_at) for pk, row in heads.items()}
        for row in _lock_followers(list(heads), pks, self.now):
            head, (due_at, at) = heads[row.account_id], ends[row.account_id]
            assert at is not None
            assert row.next_attempt_at is not None
            if (row.due_at, row.pk) < (head.due_at, head.pk):
                continue
            at += _gap(row, due_at)
            if row.next_attempt_at > at or at >= row.useful_until:
                continue
            self.writes.set(row, next_attempt_at=at)
            ends[row.account_id] = (row.due_at, at)

    def _is_backlog(self, row: Delivery) -> bool:
        """By when it was due: the next try is put off by each of these waits."""
        # What has begun goes on: half a thread is nothing to read.
        waits = row.status == Status.SCHEDULED and not row.has_begun
        return waits and self.now - row.due_at > BACKLOG

    # -- may it go?

    def _admit(self, row: Delivery, active: tuple[Stop, ...]) -> bool:
        """May it go now? Else it is held, or waits for its credential's renewal."""
        account, looking = row.account, row.status == Status.UNCERTAIN
        credential, now = account.credential, self.now
        if account.disconnected_at or credential is None:
            return self._not_now(row, Hold.DISCONNECTED)
        if not credential.is_active:
            return self._not_now(row, Hold.ACCESS, credential.cause)
        if account.trouble and not looking:
            return self._not_now(row, Hold.ACCESS, account.trouble)
        if row.is_out:
            pass  # asking what became of it is never too late, and stops hold it not
        elif not looking and row.useful_until < now:
            if row.repeat_is_safe:
                # Nobody knows whether it went out, and sending it now makes no sense.
                self._back_to_doubt(row, None)
            else:
                self._hold(row, Hold.TOO_LATE, row.cause)
            return False
        if credential.expires_at and credential.expires_at <= now + timedelta(
            seconds=5
        ):
            if credential.refresh_token:
                self.pump.renew(credential)
                self._nap_for_renewal(row, credential)
            else:
                credential.break_for(AuthExpired("its time is over"))
                wake_review()
            return False
        stoppable = not (looking or row.repeat_is_safe or row.is_out)
        if stoppable and stops.covering(account, active):
            self._hold(row, Hold.STOPPED)
            return False
        if row.repeat_is_safe and not looking:
            assert row.next_attempt_at is not None
            if row.next_attempt_at + REPEAT_WITHIN < now:
                self._back_to_doubt(row, now)
                return False
        return True

    def _not_now(self, row: Delivery, reason: str, cause: str = "") -> bool:
        """Always False, for `_admit` to hand on."""
        if row.status == Status.UNCERTAIN or row.repeat_is_safe:
            # It stays uncertain: the look comes after the reconnect.
            self._back_to_doubt(row, self.now + timedelta(seconds=30))
        else:
            self._hold(row, reason, cause)
        return False

    def _hold(
        self,
        row: Delivery,
        reason: str,
        cause: str = "",
        release_at: datetime | None = None,
        detail: str = "",
    ) -> None:
        self.writes.move(
            row,
            Status.HELD,
            hold=reason,
            held_at=self.now,
            release_at=release_at,
            next_attempt_at=None,
            cause=cause or row.cause,
            detail=detail or row.detail,
        )

    def _is_approved(self, row: Delivery, doc: dict[str, Any]) -> bool:
        """Whether this may be sent, as far as it is people's to say."""
        if self._as_it_left(row) or row.approved_as == Delivery.LET_GO:
            return True
        if row.approved_as:
            return exact(doc) == row.approved_as
        # Scheduled in the moment in which its brand began to ask, or failed before.
        post: Any = row.post  # with what `senders.attach_posts` has asked besides
        return not post.asks_for or bool(row.parts_out)

    def _not_approved(self, row: Delivery) -> None:
        """It says something else than what people said yes to, or nobody was asked:
        they are asked (`approving.ask_for_changed`)."""
        self.writes.move(
            row,
            Status.HELD,
            hold=Hold.APPROVAL,
            approvals_missing=1,
            held_at=self.now,
            release_at=None,
            next_attempt_at=None,
            prepare_at=None,
        )

    @staticmethod
    def _as_it_left(row: Delivery) -> bool:
        """It may be live, or is out, or the platform works on it, so that whoever changes
        it is told that it is too late: then it is what it was."""
        return bool(row.status in BEGUN or row.repeat_is_safe or row.is_out)

    def _back_to_doubt(self, row: Delivery, at: datetime | None) -> None:
        """What was safe to repeat a moment ago is not so for ever: look again then.

        at None: a person says whether it is there.
        """
        self.writes.move(
            row, Status.UNCERTAIN, next_attempt_at=at, repeat_is_safe=False
        )

    def _nap_for_renewal(self, row: Delivery, credential: Credential) -> None:
        """Out of the way of others while its credential waits for its next renewal."""
        if self.pump.is_renewing(credential.pk):
            return
        wait = 2.0
        if credential.refresh_after:
            left = (credential.refresh_after - self.now).total_seconds()
            wait = max(wait, left)
        at = self.now + timedelta(seconds=min(wait, RENEWAL_NAP_S))
        self.writes.set(row, next_attempt_at=at)

    # -- what others have a say in

    def _prepare(self, row: Delivery) -> Ready | None:
        """What would be sent next; None: the parts that are left were taken out of it,
        and with those that are out it is whole."""
        looking = row.status == Status.UNCERTAIN
        sender = self.pump.senders.sender(row.account)
        draft, changes = self._wording(row)
        if not self._is_approved(row, changes.get("draft", row.draft)):
            self._not_approved(row)
            return None
        if row.parts_out and parts.all_out(draft, row.witness):
            changes["next_attempt_at"] = None
            self.writes.move(row, Status.PUBLISHING)
            self.writes.move(row, Status.PUBLISHED, **changes)
            return None
        if picture := self.pictures.get(row.post.link_url):
            draft = replace(draft, link_picture=picture)
        job = PublishJob(
            marker=changes.get("marker", row.marker),
            created_at=row.created_at.astimezone(UTC),
            draft=draft,
            account=sender.identity,
            witness=changes.get("witness", row.witness),
            first_sent_at=changes.get("first_sent_at", row.first_sent_at),
            server_limits=row.account.server_limits,
            # A step may find it live as well, where a commit of it has left before.
            taken=taken_ids(row, self.now)
            if looking or row.first_sent_at
            else frozenset(),
        )
        client = sender.client()
        caller = sender.caller
        need = Need(
            ref=row.pk,
            platform=caller.platform,
            network=caller.network,
            app_id=caller.app_id,
            credential_id=caller.credential_id,
            account_id=row.account_id,
            draws=parts.draws(sender.platform, job, looking=looking),
            importance=Importance.RECONCILE if looking else Importance.PUBLISH,
        )
        step = None if looking else parts.next_step(sender.platform, job, client)
        return Ready(row, sender, job, client, step, changes, need)

    def _first_of_its_kind(self, ready: list[Ready]) -> list[Ready]:
        """Without those that say what went out to the same account within a day."""
        asked = []
        for one in ready:
            if one.row.status == Status.SCHEDULED and not one.row.has_begun:
                if says := one.changes.get("fingerprint"):
                    one.row.fingerprint = says
                asked.append(one.row)
        same = twice.others(asked, self.now)
        left = []
        for one in ready:
            other = same.get(one.row.pk)
            if other is None:
                left.append(one)
            elif (
                other.at is None
                and not other.asks_person
                and one.row.useful_until > self.now + SAME_NAP
            ):
                # It is on its way and may still fail: wait for its end, but not until
                # this one is too late and nobody is told why.
                self.writes.set(one.row, next_attempt_at=self.now + SAME_NAP)
            else:
                self._hold(one.row, Hold.TWICE)
        return left

    def _reserve(self, ready: list[Ready]) -> list[Ready]:
        """Those whose calls the platforms' windows will take; their units are taken."""
        needs = [one.need for one in ready]
        denials = limits.reserve(needs, self.now, self.uses)
        self.settled = True
        left = []
        for one in ready:
            denied = denials[one.row.pk]
            if denied is None:
                left.append(one)
                continue
            self._wait_for(one, Hold.LIMIT, denied.opens_at, limit_cause(denied))
        return left

    def _let_through(self, ready: list[Ready]) -> list[Ready]:
        """Those who meet no open breaker, or are its one trial."""
        asks = [(one.row.pk, one.sender.caller, one.looking) for one in ready]
        admissions = breakers.admit(asks, self.now)
        left = []
        for one in ready:
            admission = admissions[one.row.pk]
            one.trials = admission.trials
            refusal = admission.refusal
            if refusal is None:
                left.append(one)
                continue
            self.unused.append(Use(one.need, {}, self.now))
            reason = Hold.LIMIT if refusal.is_limit else Hold.PLATFORM
            self._wait_for(one, reason, refusal.retry_at, refusal.cause)
        return left

    def _wait_for(
        self, one: Ready, reason: str, at: datetime | None, cause: str
    ) -> None:
        """Held until then. What may be live is not held: it is looked at later."""
        if one.looking or one.row.repeat_is_safe:
            self._back_to_doubt(one.row, at or self.now + LOOK_LATER)
        else:
            self._hold(one.row, reason, cause, release_at=at)

    # -- taking it

    def _is_carried(self, one: Ready) -> bool:
        """Whether it goes beside its lane: large files, before anything is out."""
        row, step = one.row, one.step
        return (
            row.status == Status.SCHEDULED
            and not row.has_begun
            and step is not None
            and step.kind != StepKind.COMMIT
            and carrying.is_heavy(one.job.draft)
        )

    def _open(self, one: Ready) -> None:
        row, step, now = one.row, one.step, self.now
        changes = one.changes
        carried = self._is_carried(one)
        may_commit = step is not None and step.kind == StepKind.COMMIT
        if may_commit and not row.may_commit(parts.count(one.job.draft)):
            self._give_up(row)
            return
        self._leave_behind(one)
        if may_commit:
            changes = changes | intent(row, one.job.draft, now)
        taken = {
            **changes,
            "fence": row.fence + 1,
            "attempt_count": row.attempt_count + 1,
            "lease_expires_at": now + LEASE,
            "lease_owner": self.pump.id,
        }
        if carried:
            self.writes.set(row, **taken)
        else:
            if row.prepare_at is not None:
                taken["prepare_at"] = None
            status = Status.UNCERTAIN if one.looking else Status.PUBLISHING
            self.writes.move(row, status, **taken)
        # Opened before the call: an Attempt that never closes marks a crash.
        attempt = Opened(
            delivery_id=row.pk,
            number=row.attempt_count,
            kind=Attempt.Kind.LOOK if one.looking else Attempt.Kind.PUBLISH,
            worker=worker_name(),
            opened_at=now,
            step=step.name if step else "look",
        )
        self.writes.open_attempt(attempt)
        self.works.append(
            Work(
                row=row,
                fence=row.fence,
                lane=row.account.credential_id or 0,
                kind=attempt.kind,
                attempt=attempt,
                platform=one.sender.platform,
                client=one.client,
                job=one.job,
                need=one.need,
                caller=one.sender.caller,
                trials=one.trials,
                claimed_at=now,
                start_by=last_start(),
                step=step,
                may_commit=may_commit,
                carried=carried,
                sent_before=row.sent_bytes,
            )
        )

    def _leave_behind(self, one: Ready) -> None:
        """What was sent for another wording belongs to no post any more."""
        if "witness" in one.changes:
            self.writes.leave(left_uploads.noted(one.row, self.now))

    def _give_up(self, row: Delivery) -> None:
        self.writes.move(row, Status.PUBLISHING)
        self.writes.move(
            row,
            Status.FAILED,
            next_attempt_at=None,
            failed_at=self.now,
            outcome=Outcome.AMBIGUOUS,
            cause=Cause.UNKNOWN_REFUSAL,
            detail=TooOften().detail,
        )

    @staticmethod
    def _wording(row: Delivery) -> tuple[Draft, dict[str, Any]]:
        """What is sent or looked for, and the fields to store before it goes out.

        A key and uploaded files belong to one wording. Where a person has changed it
        since the last try, the platform would answer a used key with the old post.
        """
        if row.draft and Claim._as_it_left(row):
            return draft_from(row.draft), {}
        draft = row.draft_now()
        doc = draft_doc(draft)
        if row.draft == doc:
            return draft, {}
        changes: dict[str, Any] = {"draft": doc, "fingerprint": twice.fingerprint(doc)}
        if row.draft:
            changes |= {
                "marker": new_marker(),
                "witness": parts.kept(row.witness),
                "first_sent_at": None,
            }
            if row.prepared_at or row.sent_bytes:
                changes |= {"prepared_at": None, "sent_bytes": 0}
        return draft, changes


def _lock_ahead(pks: Sequence[int], now: datetime) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(
        pk__in=pks, prepare_at__lte=now, lease_expires_at=None
    )
    rows = rows.only(*COLUMNS).order_by("prepare_at", "pk")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows


class Ahead(Claim):
    """Takes rows whose files may leave before they do. Nothing here puts a post off, or
    holds it: what is in the way of its files may be gone at its time."""

    def _lock(self, pks: Sequence[int]) -> list[Delivery]:
        """Without those whose turn has come, or that are past it."""
        found = []
        for row in _lock_ahead(pks, self.now):
            at = row.next_attempt_at
            begun = row.repeat_is_safe or row.parts_out
            waits = row.status == Status.SCHEDULED and not begun
            if waits and at is not None and at > self.now:
                found.append(row)
            else:
                self.writes.set(row, prepare_at=None)
        self.pump.senders.attach(found)
        attach_posts(found)
        return found

    @staticmethod
    def put_off(at: datetime) -> dict[str, Any]:
        return {"prepare_at": at}

    def _not_in_a_burst(self, rows: list[Delivery]) -> list[Delivery]:
        return rows

    def _first_of_its_kind(self, ready: list[Ready]) -> list[Ready]:
        return ready

    def _prepare(self, row: Delivery) -> Ready | None:
        # What is due needs the platforms' windows more.
        one = super()._prepare(row)
        if one is None:
            return None
        importance = Importance.REFRESH_AND_HEALTH
        return replace(one, need=replace(one.need, importance=importance))

    def _is_carried(self, one: Ready) -> bool:
        return True

    def _open(self, one: Ready) -> None:
        step = one.step
        assert step is not None
        if step.kind != StepKind.COMMIT:
            super()._open(one)
            return
        self.unused.append(Use(one.need, {}, self.now))
        self._leave_behind(one)
        there = {"prepared_at": self.now, "prepare_at": None}
        self.writes.set(one.row, **one.changes, **there)

    def _hold(
        self,
        row: Delivery,
        reason: str,
        cause: str = "",
        release_at: datetime | None = None,
        detail: str = "",
    ) -> None:
        self._later(row, release_at)

    def _wait_for(
        self, one: Ready, reason: str, at: datetime | None, cause: str
    ) -> None:
        self._later(one.row, at)

    def _nap_for_renewal(self, row: Delivery, credential: Credential) -> None:
        self._later(row, self.now + timedelta(seconds=RENEWAL_NAP_S))

    def _later(self, row: Delivery, at: datetime | None) -> None:
        turn = row.next_attempt_at
        at = at or self.now + carrying.LATER
        self.writes.set(row, prepare_at=at if turn and at < turn else None)


def taken_ids(row: Delivery, now: datetime) -> frozenset[str]:
    """Posts of the account that are other deliveries', so that a look skips them."""
    since = (row.first_sent_at or row.created_at) - timedelta(days=1)
    others = Delivery.objects.filter(
        account_id=row.account_id, published_at__gt=min(since, now)
    ).exclude(pk=row.pk)
    return frozenset(others.values_list("external_id", flat=True))


def limit_cause(denied: Denied) -> Cause:
    """Which sentence people read of a window that is full."""
    rule = limits.rules(denied.platform)[denied.key]
    if rule.unit == MONEY:
        return Cause.CREDITS_USED_UP
    if denied.opens_at is None:
        return Cause.PLAN_LIMIT
    return Cause.DAILY_LIMIT if rule.window_s >= DAY_S else Cause.TOO_MANY_REQUESTS


def worker_name() -> str:
    return f"{settings.HOST_NAME[:24]}:{os.getpid()}"
