"""Many posts at once: moved, cancelled, given to somebody else, or put before those who
approve.

What would happen is worked out first and shown; the same code then does it, post by
post, so that one that cannot go leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEvent

from . import approving, composing, moving
from .bulk_models import BulkChange
from .composing import CANCELLABLE, Timing, close_if_cancelled
from .models import (
    USEFUL_FOR,
    Delivery,
    InvalidTransition,
    MediaAsset,
    Post,
    StaleState,
)
from .wording import person

#: One page of the list.
MOST = 50


Kind = BulkChange.Kind


@dataclass(frozen=True)
class Former:
    """What was done to a post, for those who take it back (`bulk_undo`).

    was: JSON values. MOVED: what `moving.former` reads, and "to", when it goes now.
    CANCELLED: "rows", [key, fence] of its deliveries, and "left", names of accounts of
    which a part was out. GIVEN: "owner", key or null, and "to". versions: the post's
    `changed_at` before and after, where it is another one then.
    """

    kind: str
    was: dict[str, Any] = field(default_factory=dict)
    versions: tuple[datetime, datetime] | None = None


@dataclass(frozen=True)
class Effect:
    """What happens to one post; refused: why nothing does. former: what is done, for
    taking it back; None: nothing is, or that is not possible."""

    post: Post
    now: str
    then: str = ""
    refused: str = ""
    former: Former | None = None


@dataclass
class Picked:
    """What was ticked: posts by key, and which of their deliveries ("" key: a draft)."""

    posts: list[Post] = field(default_factory=list)
    deliveries: dict[int, list[Delivery]] = field(default_factory=dict)


def picked(user: Any, ticks: Sequence[str]) -> Picked:
    """ticks: "d12" a delivery, "p12" a draft. Only what the person sees. Two queries."""
    keys: dict[str, list[int]] = {"d": [], "p": []}
    for tick in list(dict.fromkeys(ticks))[:MOST]:
        kind, number = tick[:1], tick[1:]
        if kind in keys and number.isdecimal() and len(number) <= 18:
            keys[kind].append(int(number))
    found = Picked()
    rows = (
        Delivery.objects.visible_to(user)
        .filter(pk__in=keys["d"])
        .select_related("post__author", "post__owner", "post__brand", "account")
        .order_by("due_at", "pk")
    )
    for row in rows:
        if row.post_id not in found.deliveries:
            found.deliveries[row.post_id] = []
            found.posts.append(row.post)
        found.deliveries[row.post_id].append(row)
    drafts = Post.objects.visible_to(user).filter(
        pk__in=keys["p"], state=Post.State.DRAFT
    )
    found.posts += list(
        drafts.select_related("author", "owner", "brand").order_by("pk")
    )
    return found


# ---------------------------------------------------------------- moving


def move(
    user: Any,
    chosen: Picked,
    days: int,
    wall: time | None,
    *,
    do: bool,
    seen: Mapping[int, datetime] | None = None,
) -> list[Effect]:
    """By so many days of the reader's calendar, and to a time of day where one is given.

    Whole posts move, with all of their accounts. seen: by key when they were due as the
    effects were shown; what was moved since stays, so that the same asked for twice is
    done once.
    """
    effects = []
    for post in chosen.posts:
        was = moving.said(post.due_at) if post.due_at else _("no time yet")
        if post.due_at is None:
            why = _("It has no time yet: open it and choose one.")
            effects.append(Effect(post, was, refused=why))
            continue
        day = timezone.localtime(post.due_at).date() + timedelta(days=days)
        try:
            at = (seen or {}).get(post.pk, post.due_at)
            moved = moving.move(user, post.pk, day, wall, seen=at, only_ask=not do)
        except moving.Refused as refused:
            effects.append(Effect(post, was, refused=str(refused)))
        else:
            assert moved.post.due_at is not None
            then = moving.said(moved.post.due_at)
            effects.append(Effect(post, was, then, former=_moved(moved)))
    return effects


def _moved(moved: moving.Moved) -> Former:
    assert moved.post.due_at is not None
    names = ("due_at", "useful_until", "day", "wall", "zone")
    was = {name: moved.before[name] for name in names}
    was["to"] = moved.post.due_at.isoformat()
    return Former(Kind.MOVED, was, (moved.version, moved.post.changed_at))


# ---------------------------------------------------------------- cancelling


def cancel(user: Any, chosen: Picked, *, do: bool) -> list[Effect]:
    """The deliveries that were ticked; drafts are thrown away."""
    effects = []
    for post in chosen.posts:
        rows = chosen.deliveries.get(post.pk)
        if rows is None:
            now = post.get_state_display()
            if do and not _throw_away(user, post):
                why = _("Somebody has changed it meanwhile.")
                effects.append(Effect(post, now, refused=why))
                continue
            thrown = Former(Kind.THROWN)
            effects.append(Effect(post, now, _("is thrown away"), former=thrown))
            continue
        now = ", ".join(f"{r.account.name}: {r.get_status_display()}" for r in rows)
        going, stays, left = [], [], []
        kept: list[list[int]] = []
        for row in rows:
            if row.status not in CANCELLABLE or row.is_out or row.repeat_is_safe:
                stays.append(row.account.name)
            elif not do or _cancel_one(user, row):
                going.append(row.account.name)
                if row.parts_out:
                    left.append(row.account.name)
                else:
                    kept.append([row.pk, row.fence])
            else:
                stays.append(row.account.name)
        if do and going:
            AuditEvent.write(user, "post.cancelled", post, deliveries=len(going))
            close_if_cancelled(post)
        why = ""
        if stays:
            why = _("Too late or over for %(names)s: that stays as it is.") % {
                "names": ", ".join(stays)
            }
        then = ""
        former = None
        if going:
            then = _("not sent to %(names)s") % {"names": ", ".join(going)}
            former = Former(Kind.CANCELLED, {"rows": kept, "left": left})
        if left:
            then += "; " + _(
                "of %(names)s a part is out: its rest cannot be called back later"
            ) % {"names": ", ".join(left)}
        effects.append(Effect(post, now, then, why, former))
    return effects


def _cancel_one(user: Any, row: Delivery) -> bool:
    try:
        row.cancel()
    except (InvalidTransition, StaleState):
        return False
    AuditEvent.write(user, "delivery.cancelled", row)
    return True


def _throw_away(user: Any, post: Post) -> bool:
    with transaction.atomic():
        same = Post.objects.filter(pk=post.pk, state=Post.State.DRAFT)
        gone = same.update(state=Post.State.CANCELLED)
        if gone:
            AuditEvent.write(user, "post.cancelled", post, deliveries=0)
    return bool(gone)


# ---------------------------------------------------------------- approval


def ask(user: Any, chosen: Picked, *, do: bool) -> list[Effect]:
    """Ask for approval: drafts are scheduled for it, what was sent back is asked for once
    more, and so is what nobody was asked about."""
    effects = []
    for post in chosen.posts:
        is_draft = post.state == Post.State.DRAFT
        now = post.get_state_display()
        try:
            if not post.brand.approval_steps:
                raise approving.Refused(
                    _("Its brand asks for no approval: open it and schedule it.")
                )
            if is_draft:
                _ask_for_draft(user, post, do)
            else:
                now = approving.ask(user, post, do=do)
        except approving.Refused as refused:
            effects.append(Effect(post, now, refused=str(refused)))
            continue
        assert post.due_at is not None
        then = _("waits for approval; planned for %(when)s") % {
            "when": moving.said(post.due_at)
        }
        effects.append(Effect(post, now, then))
    return effects


def _ask_for_draft(user: Any, post: Post, do: bool) -> None:
    """Refused, with what the composer would say."""
    if post.due_at is None or post.local_date is None or post.local_time is None:
        raise approving.Refused(_("It has no time yet: open it and choose one."))
    composition = composing.saved_composition(post)
    useful_until = post.useful_until or post.due_at + USEFUL_FOR
    when = Timing(
        post.due_at, useful_until, post.local_date, post.local_time, post.zone
    )
    if why := _unfit(composition, when, post):
        raise approving.Refused(_("%(why)s Open it and mend that.") % {"why": why})
    if not do:
        return
    try:
        composing.save(
            composition,
            user,
            post=post,
            token="",
            when=when,
            wall=(when.day, when.wall, when.zone),
            go=True,
        )
    except (StaleState, MediaAsset.DoesNotExist):
        raise approving.Refused(_("Somebody has changed it meanwhile.")) from None


def _unfit(composition: composing.Composition, when: Timing, post: Post) -> str:
    """Why it cannot be scheduled as it is; "" when it can."""
    if when.due_at < timezone.now():
        return _("%(when)s is past.") % {"when": moving.said(when.due_at)}
    if not composition.accounts:
        return _("It has no account.")
    for row in composing.check(composition):
        for line in row.refused:
            who = f"{row.account.spec.name} · {row.account.name}"
            return f"{who}: {line.sentence}."
    if composing.repeats(composition, when.due_at, post):
        return _("The same post goes to the same account within a day.")
    return ""


# ---------------------------------------------------------------- owners


def owners_for(user: Any) -> list[Any]:
    """Who can be given posts: people of the reader's brands."""
    people = get_user_model().objects.filter(is_active=True)
    if not user.is_superuser:
        people = people.filter(brands__members=user.pk)
    return list(people.distinct().order_by("first_name", "username")[:500])


def reassign(user: Any, chosen: Picked, to: Any, *, do: bool) -> list[Effect]:
    """Give the posts to somebody who sees their brand. to: None: who has left."""
    brands = set(to.brands.values_list("pk", flat=True)) if to else set()
    effects = []
    for post in chosen.posts:
        was = person(post.looked_after_by)
        if to is None:
            why = _("Who was to get it has left.")
            effects.append(Effect(post, was, refused=why))
            continue
        if post.brand_id not in brands and not to.is_superuser:
            why = _("%(name)s does not see this brand.") % {"name": person(to)}
            effects.append(Effect(post, was, refused=why))
            continue
        if do:
            with transaction.atomic():
                Post.objects.filter(pk=post.pk).update(owner=to)
                AuditEvent.write(user, "post.reassigned", post, to=to.pk)
        given = Former(Kind.GIVEN, {"owner": post.owner_id, "to": to.pk})
        effects.append(Effect(post, was, person(to), former=given))
    return effects


# ---------------------------------------------------------------- any of these


def effects(
    user: Any,
    action: str,
    asked: Mapping[str, Any],
    chosen: Picked,
    *,
    do: bool,
    seen: Mapping[int, datetime] | None = None,
) -> list[Effect]:
    """asked: "days" and "wall" (text) of a move, "person" (key) who is given posts."""
    if action == "move":
        wall = time.fromisoformat(asked["wall"]) if asked["wall"] else None
        return move(user, chosen, asked["days"], wall, do=do, seen=seen)
    if action == "cancel":
        return cancel(user, chosen, do=do)
    if action == "ask":
        return ask(user, chosen, do=do)
    people = get_user_model().objects.filter(is_active=True)
    return reassign(user, chosen, people.filter(pk=asked["person"]).first(), do=do)
