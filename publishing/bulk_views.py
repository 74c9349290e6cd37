"""The list's bar for many posts: look at what it does, then do it."""

from __future__ import annotations

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

from . import bulk, bulk_runs
from .access import role_required, row_number
from .bulk import Effect
from .bulk_runs import WORDS
from .job_models import Job
from .job_views import line
from .models import Post

MOST_DAYS = 366
#: Posts that the page of all of a list names one by one.
SHOWN = 50
#: in the session: {"at": seconds since 1970, "seals": [...]}
UNDO = "bulk_undo"


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
        effects = bulk.effects(request.user, action, asked, chosen, do=do, seen=seen)
    except _Problem as problem:
        messages.error(request, str(problem))
        return redirect(back)
    if do:
        _tell(request, effects)
        _keep_undo(request, effects)
        return redirect(back)
    title, button = WORDS[action]
    context = {
        "title": title,
        "button": button,
        "effects": effects,
        "is_final": action == "cancel" and bool(chosen.deliveries),
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


def _keep_undo(request: HttpRequest, effects: list[Effect]) -> None:
    """For the list, which offers to take it back; the last action's alone."""
    seals = [effect.undo for effect in effects if effect.undo]
    if seals:
        now = timezone.now().timestamp()
        request.session[UNDO] = {"at": now, "seals": seals}
    elif any(effect.then for effect in effects):
        request.session.pop(UNDO, None)


def kept_undo(request: HttpRequest) -> list[str]:
    """What can still be taken back; what is older is forgotten."""
    kept = request.session.get(UNDO)
    if kept is None:
        return []
    if timezone.now().timestamp() - kept["at"] > bulk.UNDO_S:
        del request.session[UNDO]
        return []
    seals: list[str] = kept["seals"]
    return seals


@require_POST
@role_required(can_write)
def post_bulk_undo(request: HttpRequest) -> HttpResponse:
    """Take back what was done last with many posts, as far as nobody changed them."""
    seals = kept_undo(request)
    request.session.pop(UNDO, None)
    if not seals:
        messages.error(request, _("This can no longer be undone."))
        return redirect("post_list")
    done, stayed = bulk.undo(request.user, seals)
    if done:
        text = ngettext("%(n)s post is as before.", "%(n)s posts are as before.", done)
        messages.success(request, text % {"n": done})
    if stayed:
        text = ngettext(
            "%(n)s post stays as it is: it has changed since.",
            "%(n)s posts stay as they are: they have changed since.",
            stayed,
        )
        messages.warning(request, text % {"n": stayed})
    return redirect("post_list")


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
    job = get_object_or_404(rows, pk=pk, kind__in=(bulk_runs.LOOK, bulk_runs.DO))
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
    reasons: dict[str, list[int]] = {}
    for post, why in stays:
        reasons.setdefault(why, []).append(post)
    shown = [post for post, _then in goes[:SHOWN]]
    shown += [keys[0] for keys in reasons.values()]
    posts = Post.objects.visible_to(request.user).in_bulk(set(shown))
    context = {
        "job": job,
        "line": line(job),
        "is_look": job.kind == bulk_runs.LOOK,
        "title": title,
        "button": button,
        "number": len(goes) if effects else job.result.get("number", 0),
        "goes": [(posts[key], then) for key, then in goes[:SHOWN] if key in posts],
        "more": max(0, len(goes) - SHOWN),
        "reasons": [
            (why, len(keys), posts.get(keys[0])) for why, keys in reasons.items()
        ],
        "is_final": job.asked["action"] == "cancel",
        "back": job.asked["back"],
    }
    return render(request, "publishing/bulk_run.html", context)


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


def _tell(request: HttpRequest, effects: list[Effect]) -> None:
    done = sum(1 for effect in effects if effect.then)
    if done:
        text = ngettext("%(n)s post is done.", "%(n)s posts are done.", done)
        messages.success(request, text % {"n": done})
    stayed = [effect for effect in effects if effect.refused]
    for effect in stayed[:5]:
        messages.warning(request, f"{effect.post}: {effect.refused}")
    if len(stayed) > 5:
        text = _("And %(n)s more stay as they are.")
        messages.warning(request, text % {"n": len(stayed) - 5})
