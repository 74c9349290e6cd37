"""Another time for a post: what stands against it, and the way back.

A move keeps the wall clock that the author meant: by days, the post's own time of day in
its own zone stays; to another time of the reader's clock, that instant is written on the
post's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.models import AuditEvent
from accounts.reading import told
from accounts.roles import can_write
from accounts.zones import zone_called

from . import approving, risk, twice
from .composing import CHANGEABLE, Timing, timing
from .models import USEFUL_FOR, Delivery, InvalidTransition, Post, StaleState

#: Pages offer the way back for ten seconds; slow hands and connections have longer,
#: for what has changed meanwhile is noticed.
UNDO_S = 300
SALT = "publishing.move"

Status = Delivery.Status


class Refused(Exception):
    """Nothing was changed; the sentence says why, and where it helps, the way out."""


@dataclass(frozen=True)
class Moved:
    """undo: signed, for `undo`. number: deliveries that were moved; 0 of a draft.
    before: what `former` reads, as JSON values. version: `changed_at` before it moved."""

    post: Post
    was: datetime
    undo: str
    number: int
    before: Mapping[str, Any]
    version: datetime

    @property
    def sentence(self) -> str:
        assert self.post.due_at is not None
        return _("Moved to %(when)s.") % {"when": said(self.post.due_at)}


def said(at: datetime) -> str:
    """ "Tue 1 Dec, 10:00 (Europe/Berlin)" on the reader's clock."""
    zone = timezone.get_current_timezone_name()
    when = told(at, _("D j M, H:i"))
    return f"{when} ({zone})"


def target(post: Post, day: date, wall: time | None) -> Timing:
    """When a post would go that is put on `day` (and `wall`) of the reader's clock.

    wall None, or the time that the reader sees now: it keeps its own time of day, so
    only days are counted.
    """
    assert post.due_at is not None
    zone = zone_called(post.zone)
    own = post.due_at.astimezone(zone)
    own_day, own_wall = post.local_date or own.date(), post.local_time or own.time()
    shown = timezone.localtime(post.due_at)
    reader = timezone.get_current_timezone()
    if wall is None or (wall.hour, wall.minute) == (shown.hour, shown.minute):
        own_day += day - shown.date()
    elif timezone.get_current_timezone_name() == post.zone:
        own_day, own_wall = day, wall
    else:
        there = datetime.combine(day, wall, reader).astimezone(zone)
        own_day, own_wall = there.date(), there.time()
    when = timing(own_day, own_wall, post.zone)
    until = post.useful_until or post.due_at + USEFUL_FOR
    return Timing(
        when.due_at,
        when.due_at + (until - post.due_at),
        own_day,
        own_wall,
        post.zone,
    )


def move(
    user: Any,
    post_id: int,
    day: date,
    wall: time | None = None,
    *,
    seen: datetime | None = None,
    only_ask: bool = False,
) -> Moved:
    """Put the post there with all of its deliveries that have not begun, or Refused.

    seen: when it was due on the page. only_ask: judge, and write nothing.
    """
    return _put(
        user, post_id, lambda post: target(post, day, wall), seen, only_ask=only_ask
    )


def put(
    user: Any, post_id: int, when: Timing, *, seen: datetime | None = None
) -> Moved:
    """The same for a time that was worked out elsewhere, on any clock."""
    return _put(user, post_id, lambda _post: when, seen)


def put_back(
    user: Any,
    post_id: int,
    when: Timing,
    *,
    seen: datetime,
    beside: Collection[int] = (),
) -> Moved:
    """To where it was before, judged as any move is: long after it was moved, for which
    `undo` has no time. beside: posts that stood there with it."""
    return _put(
        user, post_id, lambda _post: when, seen, beside=beside, verb="post.move_undone"
    )


def _put(
    user: Any,
    post_id: int,
    choose: Callable[[Post], Timing],
    seen: datetime | None,
    *,
    only_ask: bool = False,
    beside: Collection[int] = (),
    verb: str = "post.moved",
) -> Moved:
    if not can_write(user):
        raise Refused(_("Your role reads: somebody of marketing can move posts."))
    with transaction.atomic():
        post, rows = _locked(user, post_id)
        if post.due_at is None:
            raise Refused(_("It has no time yet: open it and choose one."))
        if seen is not None and seen != post.due_at:
            raise Refused(
                _("Somebody has moved it meanwhile: it is planned for %(when)s now.")
                % {"when": said(post.due_at)}
            )
        going = movable(post, rows)
        when = choose(post)
        _judge(post, going, when, beside)
        was, version = post.due_at, post.changed_at
        before = _as_it_is(post, going)
        if only_ask:
            post.due_at = when.due_at
            return Moved(post, was, "", len(going), before, version)
        _write(post, when)
        try:
            for row in going:
                row.reschedule(when.due_at, when.useful_until)
        except (InvalidTransition, StaleState):
            raise Refused(_begun([row])) from None
        if going:
            approving.bind(post, user)
        AuditEvent.write(
            user, verb, post, was=was.isoformat(), to=when.due_at.isoformat()
        )
    token = {**before, "user": user.pk, "version": post.changed_at.isoformat()}
    undo = signing.dumps(token, salt=SALT, compress=True)
    return Moved(post, was, undo, len(going), before, version)


def undo(user: Any, token: str) -> Post:
    """Back to where it was before `move`; Refused when anything has changed since."""
    changed = _("It has changed since, so nothing was undone.")
    try:
        was = signing.loads(token, salt=SALT, max_age=UNDO_S)
    except signing.BadSignature:
        raise Refused(_("This can no longer be undone. Move it once more.")) from None
    if was["user"] != user.pk or not can_write(user):
        raise Refused(changed)
    with transaction.atomic():
        post, rows = _locked(user, was["post"])
        if post.changed_at.isoformat() != was["version"] or post.due_at is None:
            raise Refused(changed)
        by_key = {row.pk: row for row in rows}
        moved_to = post.due_at
        when = former(was)
        _write(post, when)
        try:
            for pk, fence, status, *values in was["rows"]:
                # A row that is gone has changed.
                by_key[pk].move_back(moved_to, fence, status, dict(_rest(values)))
        except (KeyError, StaleState):
            raise Refused(changed) from None
        approving.bind(post, user)
        AuditEvent.write(user, "post.move_undone", post)
    return post


def former(before: Mapping[str, Any]) -> Timing:
    """When it was to go, of what `Moved.before` keeps."""
    return Timing(
        _time(before["due_at"]),
        _time(before["useful_until"]),
        date.fromisoformat(before["day"]),
        time.fromisoformat(before["wall"]),
        before["zone"],
    )


# ---------------------------------------------------------------- parts

#: what a move changes of a delivery besides its status
_REST = (
    "due_at",
    "useful_until",
    "next_attempt_at",
    "prepare_at",
    "held_at",
    "release_at",
    "hold",
)


def _locked(user: Any, post_id: int) -> tuple[Post, list[Delivery]]:
    """The post and its deliveries, which nobody takes or changes meanwhile."""
    posts = Post.objects.visible_to(user).select_for_update(of=("self",))
    post = posts.filter(pk=post_id).first()
    if post is None:
        raise Refused(_("This post is gone, or belongs to a brand that is not yours."))
    rows = post.deliveries.select_for_update(of=("self",)).select_related("account")
    return post, list(rows.order_by("pk"))


def movable(post: Post, rows: Sequence[Delivery]) -> list[Delivery]:
    """Those of its deliveries that a move takes along; Refused: none goes anywhere."""
    if post.state == Post.State.DRAFT:
        return []
    if post.state == Post.State.CANCELLED:
        raise Refused(_("It is cancelled. Copy it to send it at another time."))
    begun = [
        row
        for row in rows
        if row.status in (Status.PUBLISHING, Status.PROCESSING, Status.UNCERTAIN)
        or row.repeat_is_safe
        or row.parts_out
        or (row.lease_expires_at and not row.is_carried)
        or (row.status in CHANGEABLE and row.is_out)
    ]
    if begun:
        raise Refused(_begun(begun))
    going = [row for row in rows if row.status in CHANGEABLE]
    if going:
        return going
    if any(row.status == Status.FAILED for row in rows):
        raise Refused(_("It failed: open it, mend what is named, and choose a time."))
    if any(row.status == Status.PUBLISHED for row in rows):
        raise Refused(_("It is published: what is out stays where it is."))
    raise Refused(_("It is cancelled. Copy it to send it at another time."))


def _begun(rows: Sequence[Delivery]) -> str:
    names = ", ".join(row.account.name for row in rows)
    return _("Sending to %(names)s has begun: it cannot be moved any more.") % {
        "names": names
    }


def _judge(
    post: Post, rows: Sequence[Delivery], when: Timing, beside: Collection[int]
) -> None:
    """Refused when it could not go then, for a reason that it does not have now."""
    now = timezone.now()
    if when.due_at < now.replace(second=0, microsecond=0):
        raise Refused(_("%(when)s is past.") % {"when": said(when.due_at)})
    if not rows:
        return
    assert post.due_at is not None
    prefetch_related_objects([post], "variants", "media__asset")
    accounts = [row.account for row in rows]
    until = post.useful_until or post.due_at
    there = risk.of_draft(
        accounts, post.draft_for, when.due_at, when.useful_until, post, now
    )
    if there:
        here = risk.of_draft(accounts, post.draft_for, post.due_at, until, post, now)
        known = {reason.root for reasons in here.values() for reason in reasons}
        for reasons in there.values():
            for reason in reasons:
                if reason.root not in known:
                    raise Refused(f"{reason.sentence} {reason.cure}")
    words = [(row.account_id, row.fingerprint) for row in rows if not row.twice_allowed]
    for other in twice.near(words, when.due_at, post.pk):
        if other.post_id not in beside:
            raise Refused(says_the_same(other))


def says_the_same(other: Delivery) -> str:
    return _(
        "%(account)s says the same at %(when)s: within a day that needs a yes, "
        "which you can give where the post is edited."
    ) % {"account": other.account.name, "when": said(other.due_at)}


def _write(post: Post, when: Timing) -> None:
    post.local_date, post.local_time, post.zone = when.day, when.wall, when.zone
    post.due_at, post.useful_until = when.due_at, when.useful_until
    fields = ["local_date", "local_time", "zone", "due_at", "useful_until"]
    post.save(update_fields=[*fields, "changed_at"])


def _as_it_is(post: Post, rows: Sequence[Delivery]) -> dict[str, Any]:
    """All that a move changes, as JSON values."""
    assert post.due_at is not None
    own = post.due_at.astimezone(zone_called(post.zone))
    until = post.useful_until or post.due_at + USEFUL_FOR
    return {
        "post": post.pk,
        "due_at": post.due_at.isoformat(),
        "useful_until": until.isoformat(),
        "day": (post.local_date or own.date()).isoformat(),
        "wall": (post.local_time or own.time()).isoformat(),
        "zone": post.zone,
        "rows": [
            [row.pk, row.fence, row.status, *(_plain(getattr(row, n)) for n in _REST)]
            for row in rows
        ],
    }


def _plain(value: datetime | str | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _rest(values: Sequence[str | None]) -> list[tuple[str, Any]]:
    return [
        (name, value if name == "hold" else _time(value) if value else None)
        for name, value in zip(_REST, values, strict=True)
    ]


def _time(text: str) -> datetime:
    found = parse_datetime(text)
    assert found is not None
    return found
