"""Taking back what was done with many posts, post by post.

A post goes back only where it is as the run left it: what somebody has changed since, what
has been sent or has begun, and what meets something else at its former place stays, with
the reason. The page's offer and the work itself ask the same judge; the work asks it with
the post locked, and what every move or copy is asked besides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AuditEvent, Brand, ConnectedAccount

from . import approving, moving, slots, twice
from .bulk import MOST
from .bulk_models import BulkChange
from .job_models import Job
from .models import Delivery, InvalidTransition, Post, Series, StaleState
from .wording import person

DO, UNDO = "bulk_do", "bulk_undo"
#: It is offered for so long after a run has ended.
OFFERED = timedelta(hours=24)
#: What is due sooner does not go back: the time may be over before it is there.
ROOM = timedelta(minutes=1)

Kind, State = BulkChange.Kind, BulkChange.State
#: Those that have to do with a post's time.
TIMED = (Kind.MOVED, Kind.CANCELLED)


class Stays(Exception):
    """Why a post stays as it is: a sentence."""


@dataclass(frozen=True)
class Verdict:
    """why: it stays; "": it goes back. is_late: but a person has to say that it is sent.
    post None: the reader does not see it."""

    change: BulkChange
    post: Post | None
    why: str = ""
    is_late: bool = False


# ---------------------------------------------------------------- judging


def judged(
    changes: Sequence[BulkChange], user: Any, beside: Collection[int], now: datetime
) -> list[Verdict]:
    """In the order of `changes`, which are of one run, in so many queries however many.

    beside: posts of the same run, which are in each other's way no more than before.
    """
    facts = _Facts(changes, user)
    found = [facts.verdict(change, now) for change in changes]
    wanted = {
        one.change.post_id: facts.place(one.change)
        for one in found
        if not one.why and not one.is_late and one.change.kind in TIMED
    }
    wanted = {key: place for key, place in wanted.items() if place[1]}
    if not wanted:
        return found
    since = min(change.done_at for change in changes)
    taken = slots.taken_since(wanted, since, {*beside, *wanted})
    return [_or_taken(one, taken) for one in found]


def _or_taken(one: Verdict, taken: dict[int, Any]) -> Verdict:
    queue = taken.get(one.change.post_id)
    if one.why or queue is None:
        return one
    why = _("Its former slot in the queue %(queue)s is taken by now.")
    return Verdict(one.change, one.post, why % {"queue": queue})


#: What judging a post and a delivery reads.
_OF_POST = (
    *("state", "changed_at", "due_at", "useful_until", "text", "link_url"),
    *("brand", "author", "owner", "series"),
)
_OF_ROW = (
    *("post", "account", "status", "due_at", "useful_until", "fence", "witness"),
    *("lease_expires_at", "repeat_is_safe"),
)


class _Facts:
    """What is known of the posts of some changes. Eight queries at most."""

    def __init__(self, changes: Sequence[BulkChange], user: Any) -> None:
        self._changes = changes
        asked = BulkChange.objects.filter(job=changes[0].job_id)
        if len(changes) == 1:
            asked = asked.filter(pk=changes[0].pk)
        posts = Post.objects.visible_to(user).filter(pk__in=asked.values("post"))
        self._posts = {post.pk: post for post in posts.only(*_OF_POST)}
        self._rows: dict[int, list[Delivery]] = {}
        # What has changed stays, whatever became of its deliveries.
        timed = asked.filter(kind__in=TIMED, version=F("post__changed_at"))
        rows = Delivery.objects.filter(post__in=timed.values("post"))
        listed = list(rows.only(*_OF_ROW).order_by("pk"))
        keys = {row.account_id for row in listed}
        known = ConnectedAccount.objects.defer("credential").in_bulk(keys)
        for row in listed:
            row.account = known[row.account_id]
            self._rows.setdefault(row.post_id, []).append(row)

    def verdict(self, change: BulkChange, now: datetime) -> Verdict:
        post = self._posts.get(change.post_id)
        if post is None:
            gone = _("It is gone, or belongs to a brand that is not yours.")
            return Verdict(change, None, gone)
        judge = {
            Kind.MOVED: self._moved,
            Kind.CANCELLED: self._cancelled,
            Kind.THROWN: self._thrown,
            Kind.GIVEN: self._given,
        }[Kind(change.kind)]
        try:
            is_late = judge(change, post, now)
        except Stays as why:
            return Verdict(change, post, str(why))
        return Verdict(change, post, is_late=is_late)

    def place(self, change: BulkChange) -> tuple[datetime, list[int]]:
        """When it is to go once it is back, and to which accounts."""
        rows = self._rows.get(change.post_id, [])
        if change.kind == Kind.MOVED:
            going = [row for row in rows if row.status != Delivery.Status.CANCELLED]
            return moving.former(change.was).due_at, [row.account_id for row in going]
        keys = {key for key, _fence in change.was["rows"]}
        back = [row for row in rows if row.pk in keys]
        return back[0].due_at, [row.account_id for row in back]

    def _moved(self, change: BulkChange, post: Post, now: datetime) -> bool:
        _same_version(change, post)
        rows, moved_to = self._rows.get(post.pk, []), _moved_to(change)
        try:
            going = moving.movable(post, rows)
        except moving.Refused as refused:
            raise Stays(str(refused)) from None
        if any(at != moved_to for at in (post.due_at, *(row.due_at for row in going))):
            raise Stays(_changed())
        if moving.former(change.was).due_at < now + ROOM:
            raise Stays(_("Its former time is over, or too near."))
        return False

    def _cancelled(self, change: BulkChange, post: Post, now: datetime) -> bool:
        if not change.was["rows"]:
            raise Stays(_("A part of it is out: its rest cannot be called back."))
        if post.state not in (Post.State.SCHEDULED, Post.State.CANCELLED):
            raise Stays(_changed())
        _same_version(change, post)
        rows = {row.pk: row for row in self._rows.get(post.pk, [])}
        back = []
        for key, fence in change.was["rows"]:
            row = rows.get(key)
            is_same = (
                row
                and row.status == Delivery.Status.CANCELLED
                and row.fence == fence
                and not row.has_begun
            )
            if not row or not is_same:
                raise Stays(_changed())
            back.append(row)
        if (
            self._series_changed.get(post.series_id or 0, change.done_at)
            > change.done_at
        ):
            raise Stays(_("Its series was changed or ended since."))
        return any(is_late(row, now) for row in back)

    def _thrown(self, change: BulkChange, post: Post, _now: datetime) -> bool:
        _same_version(change, post)
        if post.state != Post.State.CANCELLED:
            raise Stays(_changed())
        return False

    def _given(self, change: BulkChange, post: Post, _now: datetime) -> bool:
        if post.owner_id != change.was["to"] or self._given_since(change) > 0:
            raise Stays(_changed())
        key = change.was["owner"]
        owner = self._owners.get(post.author_id if key is None else key)
        if owner is None or not owner.is_active:
            raise Stays(_("Who looked after it before has left."))
        if not owner.is_superuser and post.brand_id not in self._brands[owner.pk]:
            why = _("%(name)s does not see this brand.")
            raise Stays(why % {"name": person(owner)})
        return False

    # -- read where it is asked for

    @cached_property
    def _series_changed(self) -> dict[int, datetime]:
        """Series -> when somebody changed its rule or ended it last."""
        keys = {str(post.series_id) for post in self._posts.values() if post.series_id}
        events = AuditEvent.objects.filter(
            target_type=Series._meta.label_lower,
            target_id__in=keys,
            verb__in=("series.ended", "series.rule_changed"),
        )
        last = events.order_by().values_list("target_id").annotate(Max("at"))
        return {int(key): at for key, at in last}

    def _given_since(self, change: BulkChange) -> int:
        """How often it was given to somebody since, and that was not taken back."""
        return sum(
            -1 if verb == "post.bulk_undone" else 1
            for verb, at in self._gifts.get(str(change.post_id), ())
            if at > change.done_at
        )

    @cached_property
    def _gifts(self) -> dict[str, list[tuple[str, datetime]]]:
        given = [one for one in self._changes if one.kind == Kind.GIVEN]
        events = AuditEvent.objects.filter(
            target_type=Post._meta.label_lower,
            target_id__in=[str(change.post_id) for change in given],
            verb__in=("post.reassigned", "post.bulk_undone"),
            at__gt=min(change.done_at for change in given),
        )
        found: dict[str, list[tuple[str, datetime]]] = {}
        for key, verb, at, detail in events.values_list(
            "target_id", "verb", "at", "detail"
        ):
            if detail.get("what", Kind.GIVEN) == Kind.GIVEN:
                found.setdefault(key, []).append((verb, at))
        return found

    @cached_property
    def _owners(self) -> dict[int, Any]:
        """Those who looked after them before, and authors."""
        keys = {one.was["owner"] for one in self._changes if one.kind == Kind.GIVEN}
        keys |= {post.author_id for post in self._posts.values()}
        return get_user_model().objects.in_bulk(keys - {None})

    @cached_property
    def _brands(self) -> dict[int, set[int]]:
        """Of each of them the brands."""
        found: dict[int, set[int]] = {key: set() for key in self._owners}
        members = Brand.members.through.objects.filter(user__in=found)
        for user, brand in members.values_list("user", "brand"):
            found[user].add(brand)
        return found


def is_late(row: Delivery, now: datetime) -> bool:
    """Whether a cancelled one is called back too late to go at its time."""
    return min(row.due_at, row.useful_until) < now + ROOM


def _changed() -> str:
    return _("Somebody has changed it since.")


def _same_version(change: BulkChange, post: Post) -> None:
    if post.changed_at != change.version:
        raise Stays(_changed())


def _moved_to(change: BulkChange) -> datetime:
    found = parse_datetime(change.was["to"])
    assert found is not None
    return found


# ---------------------------------------------------------------- offering


@dataclass(frozen=True)
class Offer:
    """What a press of "Undo" would do now."""

    run: Job
    until: datetime
    verdicts: Sequence[Verdict]

    @property
    def total(self) -> int:
        return len(self.verdicts)

    @cached_property
    def number(self) -> int:
        """How many go back."""
        return sum(1 for one in self.verdicts if not one.why)

    @property
    def stays(self) -> list[tuple[int, str]]:
        """Post and reason."""
        return [(one.change.post_id, one.why) for one in self.verdicts if one.why]

    @property
    def sentences(self) -> list[str]:
        return list(self._sentences())

    def _sentences(self) -> Iterator[str]:
        goes = [one for one in self.verdicts if not one.why]
        for kind in Kind.values:
            number = sum(1 for one in goes if one.change.kind == kind)
            if number:
                of = sum(1 for one in self.verdicts if one.change.kind == kind)
                yield _goes(kind, number) % {"n": number, "all": of}
        if self.stays and goes:
            text = ngettext(
                "%(n)s would stay as it is.",
                "%(n)s would stay as they are.",
                len(self.stays),
            )
            yield text % {"n": len(self.stays)}
        if late := sum(1 for one in goes if one.is_late):
            text = ngettext(
                "%(n)s is past its time: it would be held until somebody decides.",
                "%(n)s are past their time: they would be held until somebody decides.",
                late,
            )
            yield text % {"n": late}
        brands = {one.post.brand_id for one in goes if one.post and _is_timed(one)}
        if Brand.objects.filter(pk__in=brands, approval_steps__gt=0).exists():
            yield _(
                "What was approved as it stood then would be approved again; all else "
                "would wait for approval."
            )


def _is_timed(one: Verdict) -> bool:
    return one.change.kind in TIMED


def _goes(kind: str, number: int) -> str:
    if kind == Kind.MOVED:
        return ngettext(
            "%(n)s of %(all)s moved posts would go back to its former time.",
            "%(n)s of %(all)s moved posts would go back to their former times.",
            number,
        )
    if kind == Kind.CANCELLED:
        return ngettext(
            "%(n)s of %(all)s cancelled posts would be scheduled again.",
            "%(n)s of %(all)s cancelled posts would be scheduled again.",
            number,
        )
    if kind == Kind.THROWN:
        return ngettext(
            "%(n)s of %(all)s drafts that were thrown away would come back.",
            "%(n)s of %(all)s drafts that were thrown away would come back.",
            number,
        )
    return ngettext(
        "%(n)s of %(all)s posts would go back to who looked after it before.",
        "%(n)s of %(all)s posts would go back to who looked after them before.",
        number,
    )


def is_open(run: Job, now: datetime) -> bool:
    """Whether a run may be undone at all. One query."""
    if run.kind != DO or run.is_live or run.ended_at is None:
        return False
    if now >= run.ended_at + OFFERED:
        return False
    before = Job.objects.filter(pk=run.result.get("undo", 0)).first()
    # An undo that was broken off can be begun once more for what it left.
    return before is None or before.state in (Job.State.CANCELLED, Job.State.FAILED)


def is_long(run: Job, now: datetime | None = None) -> bool:
    """Whether to judge it takes so long that a page does so when asked alone. At most
    two queries."""
    if not is_open(run, now or timezone.now()):
        return False
    return run.changes.filter(state=State.DONE).count() > MOST


def offer(run: Job, now: datetime | None = None) -> Offer | None:
    """None: there is nothing that could be undone, or not any more."""
    now = now or timezone.now()
    if not is_open(run, now):
        return None
    every = list(run.changes.order_by("number"))
    changes = [one for one in every if one.state == State.DONE]
    if not changes:
        return None
    assert run.ended_at is not None
    beside = {one.post_id for one in every}
    found = judged(changes, run.person, beside, now)
    return Offer(run, run.ended_at + OFFERED, found)


def _posts_of(run: int) -> set[int]:
    changes = BulkChange.objects.filter(job=run)
    return set(changes.values_list("post_id", flat=True))


# ---------------------------------------------------------------- doing


class Run:
    """A run that is being undone, one change after the other."""

    def __init__(self, pk: int, user: Any) -> None:
        self.pk, self._user = pk, user

    @cached_property
    def _beside(self) -> set[int]:
        return _posts_of(self.pk)

    def take_back(self, change_id: int) -> None:
        """One post, or the note why it stays. Call it in a transaction."""
        change = BulkChange.objects.select_for_update().get(pk=change_id)
        if change.state != State.DONE:
            return
        # In the order in which everybody locks them.
        list(Post.objects.select_for_update().filter(pk=change.post_id).values("pk"))
        rows = Delivery.objects.select_for_update(of=("self",))
        list(rows.filter(post=change.post_id).order_by("pk").values("pk"))
        try:
            with transaction.atomic():
                change.note = self._take_back(change)
            change.state = State.UNDONE
        except Stays as why:
            change.state, change.note = State.STAYS, str(why)
        change.save(update_fields=["state", "note"])

    def _take_back(self, change: BulkChange) -> str:
        """What else became of it, or ""; Stays."""
        now = timezone.now()
        (verdict,) = judged([change], self._user, self._beside, now)
        if verdict.why or verdict.post is None:
            raise Stays(verdict.why)
        if change.kind == Kind.MOVED:
            return self._move_back(change, verdict.post)
        if change.kind == Kind.CANCELLED:
            return self._uncancel(change, verdict.post, now)
        if change.kind == Kind.THROWN:
            changes: dict[str, Any] = {"state": Post.State.DRAFT}
        else:
            changes = {"owner": change.was["owner"]}
        Post.objects.filter(pk=change.post_id).update(**changes)
        AuditEvent.write(self._user, "post.bulk_undone", verdict.post, what=change.kind)
        return ""

    def _move_back(self, change: BulkChange, post: Post) -> str:
        try:
            moved = moving.put_back(
                self._user,
                post.pk,
                moving.former(change.was),
                seen=_moved_to(change),
                beside=self._beside,
            )
        except moving.Refused as refused:
            raise Stays(str(refused)) from None
        # It is again what it was for those who did something with it before.
        earlier = BulkChange.objects.filter(post=post, version=change.version_before)
        earlier.update(version=moved.post.changed_at)
        return _waits(post)

    def _uncancel(self, change: BulkChange, post: Post, now: datetime) -> str:
        keys = dict(change.was["rows"])
        found = Delivery.objects.filter(pk__in=keys, post=post).order_by("pk")
        rows = list(found.select_related("account"))
        words = [(r.account_id, r.fingerprint) for r in rows if not r.twice_allowed]
        for other in twice.near(words, rows[0].due_at, post.pk):
            if other.post_id not in self._beside:
                raise Stays(moving.says_the_same(other))
        note = ""
        try:
            for row in rows:
                late = is_late(row, now)
                row.uncancel(keys[row.pk], is_late=late)
                AuditEvent.write(self._user, "delivery.uncancelled", row)
                if late:
                    note = _(
                        "It is past its time: somebody decides whether it is sent."
                    )
        except (InvalidTransition, StaleState):
            raise Stays(_changed()) from None
        Post.objects.filter(pk=post.pk, state=Post.State.CANCELLED).update(
            state=Post.State.SCHEDULED
        )
        AuditEvent.write(self._user, "post.bulk_undone", post, what=change.kind)
        approving.bind(post, self._user)
        return _waits(post) or note


def _waits(post: Post) -> str:
    waiting = post.deliveries.filter(hold=Delivery.Hold.APPROVAL)
    return _("It waits for approval.") if waiting.exists() else ""
