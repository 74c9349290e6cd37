"""Many posts at once, as long work: looked at first, then done, and taken back.

What was found, and how far it is, stands in the jobs: a killed worker's successor goes
on at the next post. What a page ticks is few: that is done at once, in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.roles import can_write
from accounts.zones import zone_called

from . import bulk, bulk_undo, jobs, listing
from .bulk_models import BulkChange
from .bulk_undo import DO, UNDO
from .crash_points import crash_point
from .job_models import Job
from .jobs import Refused, Turn
from .listing import Filters
from .models import Delivery, Post

#: Rows of a list that one job takes.
MOST = 2000
LOOK = "bulk_look"
#: Posts between two notes of how far it is.
STEP = 10
#: What is ticked is worked at for so long while the person waits.
WAITED_S = 10.0

#: action -> what the page says, and its button
WORDS: Mapping[str, tuple[Any, Any]] = {
    "move": (gettext_lazy("Move posts"), gettext_lazy("Move")),
    "cancel": (gettext_lazy("Cancel posts"), gettext_lazy("Do not send")),
    "ask": (gettext_lazy("Ask for approval"), gettext_lazy("Ask for approval")),
    "reassign": (gettext_lazy("Give posts to somebody"), gettext_lazy("Give")),
}


def every(user: Any, query: Mapping[str, str]) -> list[list[str]]:
    """The ticks of all rows of the list that this query shows, post by post. One more
    than MOST stands for any number more."""
    filters = Filters.read(query)
    tab = query.get("tab", "")
    tab = tab if tab in listing.TABS else listing.NEEDS_ME
    rows = filters.deliveries(Delivery.objects.visible_to(user))
    drafts = filters.drafts(Post.objects.visible_to(user))
    if day_text := query.get("day", ""):
        day = listing.read_day(day_text, listing.reader_today())
        start, stop = listing.instants(day, day)
        rows = rows.filter(due_at__gte=start, due_at__lt=stop)
        drafts = drafts.filter(due_at__gte=start, due_at__lt=stop)
    if tab == listing.NATIVE or filters.status == listing.AT_RISK:
        return []
    if tab == "drafts":
        keys = drafts.order_by("-changed_at").values_list("pk", flat=True)
        return [[f"p{key}"] for key in keys[: MOST + 1]]
    groups: dict[int, list[str]] = {}
    found = listing.tab_deliveries(rows, tab).values_list("pk", "post_id")
    for key, post in found[: MOST + 1]:
        groups.setdefault(post, []).append(f"d{key}")
    return list(groups.values())


def look(
    user: Any, action: str, asked: dict[str, Any], groups: list[list[str]], back: str
) -> Job:
    """Have it worked out what the action would do; the job's page shows it."""
    return jobs.start(
        LOOK,
        user,
        None,
        action=action,
        asked=asked,
        groups=groups,
        back=back,
        zone=timezone.get_current_timezone_name(),
    )


def carry_out(look: Job) -> Job | None:
    """Do what was looked at, once; None: it is not looked at, or begun already."""
    with transaction.atomic():
        seen = Job.objects.select_for_update().get(pk=look.pk)
        if seen.kind != LOOK or seen.state != Job.State.DONE or "job" in seen.result:
            return None
        going = [
            (group, due)
            for group, (_post, then, _why, due) in zip(
                seen.asked["groups"], seen.result["effects"], strict=True
            )
            if then
        ]
        asked = {
            **seen.asked,
            "groups": [group for group, _due in going],
            "dues": [due for _group, due in going],
        }
        job = jobs.start(DO, seen.person, None, **asked)
        seen.result = {**seen.result, "job": job.pk}
        seen.save(update_fields=["result"])
    return job


def carry_out_ticked(
    user: Any,
    action: str,
    asked: dict[str, Any],
    chosen: bulk.Picked,
    seen: Mapping[int, datetime],
    back: str,
) -> Job:
    """Do it now, as far as a person waits for it; the cluster does the rest."""
    groups, dues = [], []
    for post in chosen.posts:
        rows = chosen.deliveries.get(post.pk)
        groups.append([f"d{row.pk}" for row in rows] if rows else [f"p{post.pk}"])
        due = seen.get(post.pk)
        dues.append(due.isoformat() if due else "")
    return jobs.do_here(
        DO,
        user,
        WAITED_S,
        action=action,
        asked=asked,
        groups=groups,
        dues=dues,
        back=back,
        zone=timezone.get_current_timezone_name(),
    )


def take_back(run: Job) -> Job | None:
    """Begin to undo a run, once; few posts at once. None: there is nothing to undo."""
    with transaction.atomic():
        run = Job.objects.select_for_update().get(pk=run.pk)
        offer = bulk_undo.offer(run)
        if offer is None or not offer.number:
            return None
        job = jobs.prepare(
            UNDO,
            run.person,
            run=run.pk,
            action=run.asked["action"],
            back=run.asked["back"],
            zone=timezone.get_current_timezone_name(),
        )
        run.result = {**run.result, "undo": job.pk}
        run.save(update_fields=["result"])
    if offer.total <= bulk.MOST:
        return jobs.go_on_here(job, WAITED_S)
    jobs.wake()
    return job


def _take_back(job: Job, turn: Turn) -> bool:
    """The last one that was done first: so each finds what it left."""
    if not can_write(job.person):
        raise Refused(_("Your role reads: somebody of marketing can do that."))
    run = bulk_undo.Run(job.asked["run"], job.person)
    left = BulkChange.objects.filter(job=run.pk, state=BulkChange.State.DONE)
    keys = list(left.order_by("-number").values_list("pk", flat=True))
    turn.store(total=job.done + len(keys))
    with timezone.override(zone_called(job.asked["zone"])):
        while keys:
            with transaction.atomic():
                # First: who stood still and lost the work does nothing any more.
                turn.store(done=job.done + 1)
                run.take_back(keys.pop(0))
                crash_point("bulk_undo_written")
            crash_point("bulk_undo")
            if turn.is_over:
                break
    return bool(keys)


def _work(job: Job, turn: Turn) -> bool:
    """A look notes each post's effect; what is done notes what stays."""
    if not can_write(job.person):
        raise Refused(_("Your role reads: somebody of marketing can do that."))
    groups = job.asked["groups"]
    turn.store(total=len(groups))
    with timezone.override(zone_called(job.asked["zone"])):
        while job.done < len(groups):
            if job.kind == LOOK:
                _look_at(job, turn)
            else:
                with transaction.atomic():
                    _do_one(job, turn)
                crash_point("bulk_post")
            if turn.is_over:
                break
    return job.done < len(groups)


def _look_at(job: Job, turn: Turn) -> None:
    piece = list(islice(job.asked["groups"], job.done, job.done + STEP))
    found = []
    for group in piece:
        effect = _effect(job, group, do=False)
        due = effect.post.due_at if effect else None
        key, then, why = _told(effect)
        found.append([key, then, why, due.isoformat() if due else ""])
    effects = [*job.result.get("effects", []), *found]
    turn.store(done=job.done + len(piece), result={"effects": effects})


def _do_one(job: Job, turn: Turn) -> None:
    number = job.done
    group, due = job.asked["groups"][number], job.asked["dues"][number]
    # First: who stood still and lost the work does nothing any more.
    turn.store(done=number + 1)
    effect = _effect(job, group, do=True, due=due)
    post, then, why = _told(effect)
    if effect and effect.then and effect.former:
        same = (effect.post.changed_at, effect.post.changed_at)
        before, after = effect.former.versions or same
        BulkChange.objects.create(
            job=job,
            number=number,
            post=effect.post,
            kind=effect.former.kind,
            was=effect.former.was,
            version_before=before,
            version=after,
        )
    result = {"number": 0, "stays": [], **job.result}
    result["number"] += bool(then)
    if why:
        result["stays"] = [*result["stays"], [post, why]]
    turn.store(result=result)


def _told(effect: bulk.Effect | None) -> tuple[int, str, str]:
    """Post, what becomes of it, why it stays."""
    if effect is None:
        return 0, "", _("It is gone, or belongs to a brand that is not yours.")
    return effect.post.pk, effect.then, effect.refused


def _effect(
    job: Job, group: list[str], *, do: bool, due: str = ""
) -> bulk.Effect | None:
    """None: nothing of it is to be seen any more."""
    chosen = bulk.picked(job.person, group)
    if not chosen.posts:
        return None
    seen = {chosen.posts[0].pk: datetime.fromisoformat(due)} if due else None
    found = bulk.effects(
        job.person, job.asked["action"], job.asked["asked"], chosen, do=do, seen=seen
    )
    return found[0]


def _title(job: Job) -> str:
    return str(WORDS[job.asked["action"]][0])


def _title_of_look(job: Job) -> str:
    return _("%(action)s: a look at what happens") % {"action": _title(job)}


def _title_of_undo(job: Job) -> str:
    return _("%(action)s: undone") % {"action": _title(job)}


def _address(job: Job) -> str:
    return reverse("bulk_run", args=[job.pk])


def register() -> None:
    jobs.register(
        LOOK,
        jobs.Kind(
            _title_of_look,
            _work,
            address=_address,
            cancel_note=gettext_lazy("Nothing is changed by a look."),
        ),
    )
    jobs.register(
        DO,
        jobs.Kind(
            _title,
            _work,
            address=_address,
            cancel_note=gettext_lazy("What was done so far stays done."),
        ),
    )
    jobs.register(
        UNDO,
        jobs.Kind(
            _title_of_undo,
            _take_back,
            address=_address,
            cancel_note=gettext_lazy("What was taken back so far stays taken back."),
        ),
    )
