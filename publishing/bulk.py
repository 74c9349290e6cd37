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
from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEvent

from . import approving, composing, moving
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


@dataclass(frozen=True)
class Effect:
    """What happens to one post; refused: why nothing does. undo: signed, for `undo`;
    "": what was done cannot be taken back, or nothing was."""

    post: Post
    now: str
    then: str = ""
    refused: str = ""
    undo: str = ""


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
            undo = _sealed(MOVED, moved.undo) if do else ""
            effects.append(Effect(post, was, then, undo=undo))
    return effects


# ---------------------------------------------------------------- cancelling


def cancel(user: Any, chosen: Picked, *, do: bool) -> list[Effect]:
    """The deliveries that were ticked; drafts are thrown away."""
    effects = []
    for post in chosen.posts:
        rows = chosen.deliveries.get(post.pk)
        if rows is None:
            undo = ""
            if do and _throw_away(user, post):
                undo = _sealed(THROWN, post.pk, post.changed_at.isoformat())
            then = _("is thrown away")
            now = post.get_state_display()
            effects.append(Effect(post, now, then, undo=undo))
            continue
        now = ", ".join(f"{r.account.name}: {r.get_status_display()}" for r in rows)
        going, stays = [], []
        for row in rows:
            if row.status not in CANCELLABLE or row.is_out or row.repeat_is_safe:
                stays.append(row.account.name)
            elif not do or _cancel_one(user, row):
                going.append(row.account.name)
            else:
                stays.append(row.account.name)
        if do and going:
            close_if_cancelled(post)
        why = ""
        if stays:
            why = _("Too late or over for %(names)s: that stays as it is.") % {
                "names": ", ".join(stays)
            }
        then = ""
        if going:
            then = _("not sent to %(names)s") % {"names": ", ".join(going)}
        effects.append(Effect(post, now, then, why))
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
        undo = ""
        if do:
            undo = _sealed(GIVEN, post.pk, post.owner_id, to.pk)
            with transaction.atomic():
                Post.objects.filter(pk=post.pk).update(owner=to)
                AuditEvent.write(user, "post.reassigned", post, to=to.pk)
        effects.append(Effect(post, was, person(to), undo=undo))
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


# ---------------------------------------------------------------- taking it back

#: A move's own seal ends as soon as this one.
UNDO_S = moving.UNDO_S
SALT = "publishing.bulk"
MOVED, THROWN, GIVEN = "moved", "thrown", "given"


def _sealed(kind: str, *values: Any) -> str:
    return signing.dumps([kind, *values], salt=SALT)


def undo(user: Any, seals: Sequence[str]) -> tuple[int, int]:
    """Take back what was done, post by post: how many, and how many stay because
    somebody has changed them since, or because it is too late."""
    done = [_undo_one(user, seal) for seal in seals[:MOST]]
    return sum(done), len(done) - sum(done)


def _undo_one(user: Any, seal: str) -> bool:
    try:
        kind, *values = signing.loads(seal, salt=SALT, max_age=UNDO_S)
    except signing.BadSignature:
        return False
    if kind == MOVED:
        try:
            moving.undo(user, values[0])
        except moving.Refused:
            return False
        return True
    rows = Post.objects.visible_to(user).filter(pk=values[0])
    changes: dict[str, Any]
    if kind == THROWN:
        same = {"state": Post.State.CANCELLED, "changed_at": values[1]}
        changes = {"state": Post.State.DRAFT}
    else:
        same, changes = {"owner": values[2]}, {"owner": values[1]}
    with transaction.atomic():
        post = rows.filter(**same).select_for_update(of=("self",)).first()
        if post is None:
            return False
        Post.objects.filter(pk=post.pk).update(**changes)
        AuditEvent.write(user, "post.bulk_undone", post, what=kind)
    return True
