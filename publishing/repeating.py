"""Posts that come again: made ahead, one row for each day, changed from a day on.

Each occurrence is a post like any other, computed from the wall clock of its own day. A
schedule makes those of the next weeks; what the hours of a stopped machine have passed
over is not made up for.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AuditEvent
from accounts.zones import zone_called

from . import composing, moving
from .composing import CANCELLABLE, CHANGEABLE, Timing, close_if_cancelled
from .models import (
    USEFUL_FOR,
    Delivery,
    InvalidTransition,
    Post,
    Series,
    StaleState,
)

logger = logging.getLogger(__name__)

#: Occurrences stand in the calendar so far ahead ...
HORIZON = timedelta(days=60)
#: ... and at most so many of one series are made at a time.
MOST = 100
#: What an occurrence may hold besides and still be changed: accounts that were taken off.
KEPT = (*CHANGEABLE, Delivery.Status.CANCELLED)
#: How far clock changes are told ahead, and how many days a preview names.
YEAR, NAMED = timedelta(days=366), 6


# ---------------------------------------------------------------- in words


def rule_words(series: Series) -> str:
    """ "Every Monday, 09:00 (Europe/Berlin)"."""
    at = f"{series.wall:%H:%M} ({series.zone})"
    if series.kind == Series.Kind.MONTHLY:
        text = ngettext(
            "On day %(day)s of every month, %(at)s",
            "On day %(day)s of every %(n)s months, %(at)s",
            series.interval,
        )
        return text % {"day": series.first_on.day, "n": series.interval, "at": at}
    chosen = sorted({int(n) for n in series.weekdays}) or [series.first_on.weekday()]
    names = (
        _("day") if len(chosen) == 7 else _joined([str(WEEKDAYS[n]) for n in chosen])
    )
    if series.interval == 1:
        return _("Every %(days)s, %(at)s") % {"days": names, "at": at}
    return _("Every %(n)s weeks on %(days)s, %(at)s") % {
        "n": series.interval,
        "days": names,
        "at": at,
    }


def _joined(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return _("%(some)s and %(last)s") % {
        "some": ", ".join(words[:-1]),
        "last": words[-1],
    }


def end_words(series: Series) -> str:
    if series.ended_at is not None:
        return _("Ended")
    if series.last_on is not None:
        return _("Until %(day)s") % {"day": date_format(series.last_on, _("j M Y"))}
    if series.count is not None:
        text = ngettext("%(n)s time", "%(n)s times", series.count)
        return text % {"n": series.count}
    return _("Without an end")


@dataclass(frozen=True)
class Preview:
    """What a rule comes to. clock: what clock changes of the year make of it in UTC;
    notes: days whose clock shows its time not at all, or twice."""

    rule: str
    coming: list[Timing]
    clock: list[str]
    dense: bool
    notes: list[str]

    @property
    def sentence(self) -> str:
        """ "Every Monday, 09:00 (Europe/Berlin); from 25 Oct this is 08:00 UTC"."""
        return "; ".join([self.rule, *self.clock])


def preview(series: Series, now: datetime) -> Preview:
    coming: list[Timing] = []
    clock: list[str] = []
    notes: list[str] = []
    before = ""
    today = now.astimezone(zone_called(series.zone)).date()
    for day in series.days(today + YEAR):
        when = timing(series, day)
        if when.due_at < now:
            continue
        if len(coming) < NAMED:
            coming.append(when)
        if note := composing.clock_note(day, series.wall, series.zone):
            # It has the hour of that day alone, and its own again after it.
            notes.append(note)
            continue
        utc = f"{when.due_at:%H:%M}"
        if not before:
            clock.append(_("now this is %(utc)s UTC") % {"utc": utc})
        elif utc != before:
            words = {"day": date_format(day, _("j M Y")), "utc": utc}
            clock.append(_("from %(day)s this is %(utc)s UTC") % words)
        before = utc
    return Preview(rule_words(series), coming, clock, series.is_dense, notes)


def timing(series: Series, day: date) -> Timing:
    """When the occurrence of a day goes out: its wall clock on that day."""
    when = composing.timing(day, series.wall, series.zone)
    return replace(when, useful_until=when.due_at + timedelta(seconds=series.useful_s))


# ---------------------------------------------------------------- making


def start(user: Any, post: Post, series: Series) -> Series:
    """Make a series of a scheduled post, which becomes its first occurrence.

    series: not saved, with its rule. Refused where the post is in one already.
    """
    with transaction.atomic():
        post = Post.objects.select_for_update().get(pk=post.pk)
        if post.series_id is not None:
            raise moving.Refused(_("It is part of a series already."))
        if post.due_at is None or post.state != Post.State.SCHEDULED:
            raise moving.Refused(_("Schedule it first: a series begins with a post."))
        series.pattern = _pattern(post, user)
        series.brand, series.author = post.brand, user
        until = post.useful_until or post.due_at + USEFUL_FOR
        series.useful_s = int((until - post.due_at).total_seconds())
        series.save()
        post.series, post.occurrence_on = series, post.local_date
        post.save(update_fields=["series", "occurrence_on"])
        if series.is_dense:
            say_yes(post)
        AuditEvent.write(user, "series.started", post, rule=rule_words(series))
    make(series, timezone.now())
    return series


def _pattern(post: Post, user: Any) -> Post:
    """A copy of what the post says, which is never sent."""
    composition = composing.saved_composition(post)
    token = f"pattern:{post.pk}:{timezone.now().timestamp()}"
    result = composing.save(
        composition,
        user,
        post=None,
        token=token,
        when=None,
        wall=(None, None, post.zone),
        go=False,
        written_by=[post.author, *post.writers.all()],
    )
    Post.objects.filter(pk=result.post.pk).update(state=Post.State.PATTERN)
    return result.post


def say_yes(post: Post) -> None:
    """Whoever wants the same every day has said yes to saying it twice in a day."""
    post.deliveries.filter(status__in=CHANGEABLE).update(twice_allowed=True)


def make(series: Series, now: datetime) -> int:
    """Make what the next weeks need and is not there yet; how many.

    May run twice at once: the row of a day is refused a second time.
    """
    if series.ended_at is not None:
        return 0
    have = set(series.posts.values_list("occurrence_on", flat=True))
    made = 0
    today = now.astimezone(zone_called(series.zone)).date()
    for day in series.days(today + HORIZON):
        if day in have or timing(series, day).due_at <= now:
            continue
        if made == MOST:
            break
        made += _make_one(series.pk, day, now)
    return made


def _make_one(pk: int, day: date, now: datetime) -> bool:
    try:
        with transaction.atomic():
            # As it is when nobody changes it any more: it may have ended, or say
            # something else at another time, since this began.
            series = Series.objects.running().select_for_update().filter(pk=pk).first()
            if series is None:
                return False
            when = timing(series, day)
            if when.due_at <= now or (series.last_on and day > series.last_on):
                return False
            composition = composing.saved_composition(series.pattern)
            result = composing.save(
                composition,
                series.author,
                post=None,
                # Of no meaning: the row of a day is what is made once. A day that the
                # rule lost may be made again when it has it back.
                token=uuid.uuid4().hex,
                when=when,
                wall=(when.day, when.wall, when.zone),
                go=True,
                written_by=series.pattern.writers.all(),
            )
            post = result.post
            post.series, post.occurrence_on = series, day
            post.save(update_fields=["series", "occurrence_on"])
            if series.is_dense:
                say_yes(post)
    except IntegrityError:
        return False  # somebody else has made it
    return True


def make_all(now: datetime) -> int:
    """Of every running series; the trouble of one is no other's."""
    made = 0
    for series in Series.objects.running().select_related("pattern__brand", "author"):
        try:
            made += make(series, now)
        except Exception:
            logger.exception("Series %s: its occurrences could not be made", series.pk)
    return made


# ---------------------------------------------------------------- from a day on


def following(post: Post) -> list[Post]:
    """What comes after this one in its series and can still be changed."""
    if post.series_id is None or post.occurrence_on is None:
        return []
    rows = (
        Post.objects.filter(
            series=post.series_id,
            occurrence_on__gt=post.occurrence_on,
            state=Post.State.SCHEDULED,
        )
        .prefetch_related("deliveries")
        .order_by("occurrence_on")
    )
    now = timezone.now()
    return [
        row
        for row in rows
        if row.due_at
        and row.due_at > now
        and all(d.status in KEPT for d in row.deliveries.all())
    ]


def change_following(user: Any, post: Post) -> int:
    """Give all that follow this one's wording, accounts and time of day; how many.

    All or nothing: Refused names what stands in the way.
    """
    series = post.series
    if series is None or post.local_time is None:
        raise moving.Refused(_("It is part of no series."))
    composition = composing.saved_composition(post)
    with transaction.atomic():
        series = Series.objects.select_for_update().get(pk=series.pk)
        series.wall, series.zone = post.local_time, post.zone
        series.save(update_fields=["wall", "zone"])
        pattern = series.pattern
        composing.save(
            composition,
            user,
            post=pattern,
            token="",
            when=None,
            wall=(None, None, post.zone),
            go=False,
        )
        rows = following(post)
        for row in rows:
            assert row.occurrence_on is not None
            when = timing(series, row.occurrence_on)
            resave(composition, user, series, row, when)
        AuditEvent.write(user, "series.changed", post, posts=len(rows))
    return len(rows)


def resave(
    composition: composing.Composition,
    user: Any,
    series: Series,
    post: Post,
    when: Timing,
) -> None:
    """Give a post of the series what it is to say, and when. moving.Refused when it has
    changed meanwhile: call it in a transaction that changes all or nothing."""
    try:
        result = composing.save(
            composition,
            user,
            post=post,
            token="",
            when=when,
            wall=(when.day, when.wall, when.zone),
            go=True,
            twice_ok=series.is_dense,
        )
    except StaleState:
        result = None
    if result is None or result.too_late:
        day = post.occurrence_on
        raise moving.Refused(
            _("The post of %(day)s has changed meanwhile: nothing was changed.")
            % {"day": date_format(day, _("j M Y")) if day else ""}
        )
    if series.is_dense:
        say_yes(post)


def end(user: Any, series: Series, after: date) -> int:
    """No occurrence after this day: those that wait are cancelled; how many posts."""
    with transaction.atomic():
        series = Series.objects.select_for_update().get(pk=series.pk)
        series.ended_at = timezone.now()
        series.last_on = after
        series.save(update_fields=["ended_at", "last_on"])
        rows = Post.objects.filter(
            series=series, occurrence_on__gt=after, state=Post.State.SCHEDULED
        )
        number = 0
        for post in rows.prefetch_related("deliveries__account"):
            number += cancel_post(user, post)
        AuditEvent.write(user, "series.ended", series, posts=number)
    return number


def cancel_post(user: Any, post: Post) -> bool:
    cancelled = False
    for delivery in post.deliveries.all():
        if delivery.status not in CANCELLABLE:
            continue
        try:
            delivery.cancel()
        except (InvalidTransition, StaleState):
            continue  # it is leaving
        AuditEvent.write(user, "delivery.cancelled", delivery)
        cancelled = True
    close_if_cancelled(post)
    return cancelled


def waiting(series: Series) -> int:
    """Posts of the series that have not gone out yet."""
    return (
        Delivery.objects.filter(post__series=series, status__in=CHANGEABLE)
        .values("post")
        .distinct()
        .count()
    )
