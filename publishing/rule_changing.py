"""Another rule for a series that runs: what it does to each post is worked out first and
shown; the same plan is then carried out, all of it or nothing.

Posts that say what the series says, at its time, follow the rule: those whose day it no
longer has move to its next free day, and are cancelled where there is none. What somebody
has changed alone, and what is leaving or out, stays as it is; a day that was cancelled stays empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEvent

from . import composing, export_posts, fingerprints, moving, repeating
from .composing import CHANGEABLE, Timing
from .models import Post, Series

#: What of a post makes it one of the series, as an export names it.
_SAYS = (
    *("text", "link", "link_title", "link_description", "poll", "media", "networks"),
    *("labels", "campaign"),
)
#: What a rule consists of.
RULE = (
    *("kind", "interval", "weekdays", "wall", "zone"),
    *("first_on", "last_on", "count"),
)


@dataclass(frozen=True)
class Effect:
    """What happens to one post. then None: it is cancelled."""

    post: Post
    then: Timing | None


@dataclass
class Plan:
    """moves: with their new times; goes: are cancelled; stays: with the reason, of those
    that the rule would have touched; made: times of new posts; same: how many are as the
    rule has them already."""

    moves: list[Effect] = field(default_factory=list)
    goes: list[Effect] = field(default_factory=list)
    stays: list[tuple[Post, str]] = field(default_factory=list)
    made: list[Timing] = field(default_factory=list)
    same: int = 0

    @property
    def mark(self) -> str:
        """Another one where anything of it is another."""
        return fingerprints.exact(
            {
                "moves": [[e.post.pk, _iso(e.then)] for e in self.moves],
                "goes": [e.post.pk for e in self.goes],
                "stays": [post.pk for post, _why in self.stays],
                "made": [_iso(when) for when in self.made],
                "same": self.same,
            }
        )


def _iso(when: Timing | None) -> str:
    return when.due_at.isoformat() if when else ""


def with_rule(series: Series, rule: Series) -> Series:
    """The series as it would be; not saved."""
    then = Series.objects.select_related("pattern__brand", "brand").get(pk=series.pk)
    for name in RULE:
        setattr(then, name, getattr(rule, name))
    return then


def latest_first(now: datetime, zone: str) -> date:
    """Until when a new rule may begin: what lies behind is not made yet."""
    return now.astimezone(ZoneInfo(zone)).date() + repeating.HORIZON


def plan(series: Series, rule: Series, now: datetime) -> Plan:
    """What the rule makes of the posts from its first day on. Some ten queries."""
    then = with_rule(series, rule)
    posts = list(
        export_posts.with_words(series.posts.filter(occurrence_on__gte=rule.first_on))
        .prefetch_related("deliveries")
        .order_by("occurrence_on")
    )
    pattern = export_posts.with_words(Post.objects.filter(pk=series.pattern_id)).get()
    days = [
        day
        for day in then.days(latest_first(now, rule.zone))
        if repeating.timing(then, day).due_at > now
    ]
    wanted, have = set(days), {post.occurrence_on for post in posts}
    free = [day for day in days if day not in have]
    found = Plan()
    for post in posts:
        day = post.occurrence_on
        assert day is not None
        if post.state == Post.State.CANCELLED:
            continue
        keeps_day = day in wanted
        when = repeating.timing(then, day)
        if keeps_day and (post.due_at, post.zone) == (when.due_at, when.zone):
            found.same += 1
        elif why := _why_stays(post, pattern, series, now):
            found.stays.append((post, why))
        elif keeps_day:
            found.moves.append(Effect(post, when))
        elif free:
            found.moves.append(Effect(post, repeating.timing(then, free.pop(0))))
        else:
            found.goes.append(Effect(post, None))
    found.made = [repeating.timing(then, day) for day in free[: repeating.MOST]]
    return found


def _why_stays(post: Post, pattern: Post, series: Series, now: datetime) -> str:
    """Why the rule leaves a post alone; "": it follows."""
    if post.due_at is None or post.due_at <= now:
        return _("Its time is past.")
    deliveries = list(post.deliveries.all())
    if any(row.status not in repeating.KEPT for row in deliveries):
        return _("Sending has begun, or is over.")
    if any(
        row.repeat_is_safe
        or row.parts_out
        or (row.lease_expires_at and not row.is_carried)
        for row in deliveries
    ):
        return _("Sending has begun, or is over.")
    at = (post.local_date, post.local_time, post.zone)
    if at != (post.occurrence_on, series.wall, series.zone):
        return _("Somebody has moved it.")
    if _says(post) != _says(pattern) or any(
        row.status not in CHANGEABLE for row in deliveries
    ):
        return _("Somebody has changed it alone.")
    return ""


def _says(post: Post) -> dict[str, Any]:
    record = export_posts.post_record(post)
    said = {name: record[name] for name in _SAYS}
    return {**said, "accounts": sorted(record["accounts"])}


def change(user: Any, series: Series, rule: Series, mark: str) -> Plan:
    """Carry out the plan of this mark. moving.Refused: it is another one by now, the
    series has ended, or a post stands in the way; then nothing is changed."""
    now = timezone.now()
    with transaction.atomic():
        series = Series.objects.select_for_update().get(pk=series.pk)
        if series.ended_at is not None:
            raise moving.Refused(_("The series has ended: start a new one."))
        found = plan(series, rule, now)
        if found.mark != mark:
            raise moving.Refused(
                _("Its posts have changed meanwhile. Look at what it comes to again.")
            )
        was = repeating.rule_words(series)
        for name in RULE:
            setattr(series, name, getattr(rule, name))
        series.save(update_fields=list(RULE))
        _move(user, series, found)
        for effect in found.goes:
            repeating.cancel_post(user, effect.post)
        AuditEvent.write(
            user,
            "series.rule_changed",
            series,
            was=was,
            rule=repeating.rule_words(series),
            moved=len(found.moves),
            cancelled=len(found.goes),
        )
    repeating.make(series, now)
    return found


def _move(user: Any, series: Series, found: Plan) -> None:
    composition = composing.saved_composition(series.pattern)
    for effect in found.moves:
        when, post = effect.then, effect.post
        assert when is not None
        repeating.resave(composition, user, series, post, when)
        Post.objects.filter(pk=post.pk).update(occurrence_on=when.day)


def first_day(series: Series, now: datetime) -> date:
    """From which day on a new rule is asked for: of the next post, or tomorrow."""
    tomorrow = now.astimezone(ZoneInfo(series.zone)).date() + timedelta(days=1)
    coming = (
        series.posts.filter(due_at__gt=now, state=Post.State.SCHEDULED)
        .order_by("occurrence_on")
        .values_list("occurrence_on", flat=True)
        .first()
    )
    return max(coming or tomorrow, tomorrow - timedelta(days=1))
