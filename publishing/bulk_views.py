"""The list's bar for many posts: look at what it does, then do it, and take it back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.roles import can_write

from . import bulk, bulk_runs, bulk_undo
from .access import role_required, row_number
from .bulk_models import BulkChange
from .bulk_runs import WORDS
from .job_models import Job
from .job_views import line
from .models import Post

MOST_DAYS = 366
#: Posts that the page of all of a list names one by one.
SHOWN = 50
#: in the session: {"at": seconds since 1970, "run": key}
UNDO = "bulk_undo"
#: The list offers it for so long; the run's own page does until `bulk_undo.OFFERED`.
NOTICE_S = 600
#: Posts that a notice, or a reason, names.
NAMED = 5


class _Problem(Exception):
    """What was asked for cannot be read; the sentence names field and cure."""


@require_POST
@role_required(can_write)
def post_bulk(request: HttpRequest) -> HttpResponse:
    """POST pick (many), action, its values; do=1 after the look at the effects."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        back, {request.get_host()}, require_https=request.is_secure()
    ):
        back = reverse("post_list")
    chosen = bulk.picked(request.user, request.POST.getlist("pick"))
    action = request.POST.get("action", "")
    do = bool(request.POST.get("do"))
    try:
        if action not in WORDS:
            raise _Problem(_("Choose what to do with the posts."))
        if request.POST.get("every"):
            return redirect("bulk_run", pk=_look_at_all(request, action, back).pk)
        if not chosen.posts:
            raise _Problem(_("Tick at least one post."))
        asked, seen = _asked(request, action), _seen(request.POST.getlist("seen"))
    except _Problem as problem:
        messages.error(request, str(problem))
        return redirect(back)
    if do:
        run = bulk_runs.carry_out_ticked(
            request.user, action, asked, chosen, seen, back
        )
        return _after_ticked(request, run, back)
    effects = bulk.effects(request.user, action, asked, chosen, do=False, seen=seen)
    title, button = WORDS[action]
    context = {
        "title": title,
        "button": button,
        "effects": effects,
        "action": action,
        "number": sum(1 for effect in effects if effect.then),
        "picks": request.POST.getlist("pick")[: bulk.MOST],
        "seen": [
            f"{effect.post.pk}@{effect.post.due_at.isoformat()}"
            for effect in effects
            if effect.post.due_at
        ],
        "kept": {
            name: request.POST.get(name, "")
            for name in ("action", "days", "time", "person")
        },
        "back": back,
    }
    return render(request, "publishing/bulk.html", context)


def _after_ticked(request: HttpRequest, run: Job, back: str) -> HttpResponse:
    if run.state != Job.State.DONE:
        return redirect("bulk_run", pk=run.pk)
    number = run.result.get("number", 0)
    if number:
        text = ngettext("%(n)s post is done.", "%(n)s posts are done.", number)
        messages.success(request, text % {"n": number})
    _tell_stays(request, run.result.get("stays", []))
    if run.changes.exists():
        now = timezone.now().timestamp()
        request.session[UNDO] = {"at": now, "run": run.pk}
    elif number:
        request.session.pop(UNDO, None)
    return redirect(back)


def kept_undo(request: HttpRequest) -> bulk_undo.Offer | None:
    """What the list offers to take back: what was ticked last, if that was lately."""
    kept = request.session.get(UNDO)
    if kept is None:
        return None
    if timezone.now().timestamp() - kept["at"] <= NOTICE_S and "run" in kept:
        run = Job.objects.of(request.user).filter(pk=kept["run"]).first()
        offer = bulk_undo.offer(run) if run else None
        if offer and offer.number:
            return offer
    del request.session[UNDO]
    return None


@require_POST
@role_required(can_write)
def bulk_run_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a run back, as far as nobody changed its posts. POST next: to its list."""
    rows = Job.objects.of(request.user)
    run = get_object_or_404(rows, pk=pk, kind=bulk_undo.DO)
    kept = request.session.get(UNDO)
    if kept and kept.get("run") == run.pk:
        del request.session[UNDO]
    job = bulk_runs.take_back(run)
    if job is None:
        messages.error(request, _("This can no longer be undone."))
        return redirect("bulk_run", pk=run.pk)
    if job.state != Job.State.DONE or not request.POST.get("next"):
        return redirect("bulk_run", pk=job.pk)
    changes = run.changes.all()
    back = [one for one in changes if one.state == BulkChange.State.UNDONE]
    if back:
        text = ngettext(
            "%(n)s post is as before.", "%(n)s posts are as before.", len(back)
        )
        messages.success(request, text % {"n": len(back)})
    said = [one for one in changes if one.note]
    _tell_stays(request, [(one.post_id, one.note) for one in said])
    return redirect(run.asked["back"])


def _asked(request: HttpRequest, action: str) -> dict[str, Any]:
    """What `bulk.effects` wants to know of the action."""
    if action == "move":
        days, wall = _days(request), _time(request)
        if not days and wall is None:
            raise _Problem(_("Days: write a number other than 0, or choose a time."))
        return {"days": days, "wall": wall.isoformat() if wall else ""}
    if action != "reassign":
        return {}
    key = row_number(request.POST.get("person", ""))
    allowed: list[Any] = bulk.owners_for(request.user)
    if key not in {person.pk for person in allowed}:
        raise _Problem(_("New owner: choose somebody of your brands."))
    return {"person": key}


# ---------------------------------------------------------------- all of a list


def _look_at_all(request: HttpRequest, action: str, back: str) -> Job:
    asked = _asked(request, action)
    groups = bulk_runs.every(request.user, dict(parse_qsl(urlsplit(back).query)))
    number = sum(map(len, groups))
    if not number:
        raise _Problem(_("This list has no posts with which that can be done."))
    if number > bulk_runs.MOST:
        raise _Problem(
            _("These are more than %(n)s: narrow the list down by its filters.")
            % {"n": number_format(bulk_runs.MOST, force_grouping=True)}
        )
    return bulk_runs.look(request.user, action, asked, groups, back)


@role_required(can_write)
def bulk_run(request: HttpRequest, pk: int) -> HttpResponse:
    """What would happen to all posts of a list, and then what did; POST does it."""
    rows = Job.objects.of(request.user)
    kinds = (bulk_runs.LOOK, bulk_undo.DO, bulk_undo.UNDO)
    job = get_object_or_404(rows, pk=pk, kind__in=kinds)
    if request.method == "POST":
        done = bulk_runs.carry_out(job)
        if done is None:
            messages.error(request, _("It is begun already, or was not looked at."))
        return redirect("bulk_run", pk=done.pk if done else pk)
    if job.kind == bulk_runs.LOOK and "job" in job.result:
        return redirect("bulk_run", pk=job.result["job"])
    title, button = WORDS[job.asked["action"]]
    effects = job.result.get("effects", [])
    stays = [(post, why) for post, _then, why, _due in effects if why]
    stays = stays or job.result.get("stays", [])
    goes = [(post, then) for post, then, _why, _due in effects if then]
    number = len(goes) if effects else job.result.get("number", 0)
    undone: list[tuple[int, str]] = []
    if job.kind == bulk_undo.UNDO:
        title = line(job).title
        number, stays, undone = _undone(job)
    asks_first = "undo" not in request.GET and bulk_undo.is_long(job)
    offer = None if asks_first else bulk_undo.offer(job)
    undo = Job.objects.of(request.user).filter(pk=job.result.get("undo", 0)).first()
    reasons, notes = _by_reason(stays), _by_reason(undone)
    kept = _by_reason(offer.stays if offer else [])
    shown = [post for post, _then in goes[:SHOWN]]
    for keys in (*reasons.values(), *notes.values(), *kept.values()):
        shown += keys[:NAMED]
    posts = Post.objects.visible_to(request.user).in_bulk(set(shown))

    def lines(found: dict[str, list[int]]) -> list[tuple[str, int, list[Post], bool]]:
        return [
            (
                why,
                len(keys),
                [posts[key] for key in keys[:NAMED] if key in posts],
                len(keys) > NAMED,
            )
            for why, keys in found.items()
        ]

    context = {
        "job": job,
        "line": line(job),
        "is_look": job.kind == bulk_runs.LOOK,
        "is_undo": job.kind == bulk_undo.UNDO,
        "title": title,
        "button": button,
        "number": number,
        "goes": [(posts[key], then) for key, then in goes[:SHOWN] if key in posts],
        "more": max(0, len(goes) - SHOWN),
        "reasons": lines(reasons),
        "notes": lines(notes),
        "action": job.asked["action"],
        "asks_first": asks_first,
        "offer": offer,
        "offer_stays": lines(kept),
        "undo": undo,
        "back": job.asked["back"],
    }
    return render(request, "publishing/bulk_run.html", context)


def _undone(job: Job) -> tuple[int, list[tuple[int, str]], list[tuple[int, str]]]:
    """How many went back, which stay and why, and what else became of some."""
    changes = BulkChange.objects.filter(job=job.asked["run"]).order_by("number")
    found = list(changes.values_list("state", "post_id", "note"))
    back = [one for one in found if one[0] == BulkChange.State.UNDONE]
    stays = [one[1:] for one in found if one[0] == BulkChange.State.STAYS]
    return len(back), stays, [one[1:] for one in back if one[2]]


def _by_reason(found: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    reasons: dict[str, list[int]] = {}
    for post, why in found:
        reasons.setdefault(why, []).append(post)
    return reasons


def _seen(typed: list[str]) -> dict[int, datetime]:
    """Post -> when it was due as its effect was shown; what cannot be read is left out."""
    found = {}
    for text in typed[: bulk.MOST]:
        key, _at, when = text.partition("@")
        try:
            at = datetime.fromisoformat(when)
        except ValueError:
            continue
        if at.tzinfo is not None:
            found[row_number(key)] = at
    return found


def _days(request: HttpRequest) -> int:
    text = request.POST.get("days", "").strip() or "0"
    try:
        days = int(text) if len(text) < 6 else MOST_DAYS + 1
    except ValueError:
        raise _Problem(_("Days: write a whole number, such as 7 or -1.")) from None
    if abs(days) > MOST_DAYS:
        raise _Problem(_("Days: at most %(n)s.") % {"n": MOST_DAYS})
    return days


def _time(request: HttpRequest) -> time | None:
    text = request.POST.get("time", "").strip()
    try:
        wall = time.fromisoformat(text) if text else None
    except ValueError:
        wall = time.max
    if wall == time.max or (wall and wall.tzinfo):
        raise _Problem(_("Time: write one such as 09:00."))
    return wall


def _tell_stays(request: HttpRequest, stays: Sequence[tuple[int, str]]) -> None:
    named = stays[:NAMED]
    posts = Post.objects.visible_to(request.user).in_bulk([key for key, _w in named])
    for key, why in named:
        post = posts.get(key)
        messages.warning(request, f"{post}: {why}" if post else why)
    if len(stays) > NAMED:
        text = _("And %(n)s more, named in “Work in progress”.")
        messages.warning(request, text % {"n": len(stays) - NAMED})
