"""The list's bar for many posts: look at what it does, then do it."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from accounts.roles import can_write

from . import bulk
from .access import role_required, row_number
from .bulk import Effect

MOST_DAYS = 366
#: in the session: {"at": seconds since 1970, "seals": [...]}
UNDO = "bulk_undo"
#: action -> what the page says, and its button
WORDS = {
    "move": (gettext_lazy("Move posts"), gettext_lazy("Move")),
    "cancel": (gettext_lazy("Cancel posts"), gettext_lazy("Do not send")),
    "ask": (gettext_lazy("Ask for approval"), gettext_lazy("Ask for approval")),
    "reassign": (gettext_lazy("Give posts to somebody"), gettext_lazy("Give")),
}


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
        if not chosen.posts:
            raise _Problem(_("Tick at least one post."))
        if action not in WORDS:
            raise _Problem(_("Choose what to do with the posts."))
        effects = _effects(request, action, chosen, do)
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


def _effects(
    request: HttpRequest, action: str, chosen: bulk.Picked, do: bool
) -> list[Effect]:
    if action == "move":
        days, wall = _days(request), _time(request)
        if not days and wall is None:
            raise _Problem(_("Days: write a number other than 0, or choose a time."))
        seen = _seen(request.POST.getlist("seen"))
        return bulk.move(request.user, chosen, days, wall, do=do, seen=seen)
    if action == "cancel":
        return bulk.cancel(request.user, chosen, do=do)
    if action == "ask":
        return bulk.ask(request.user, chosen, do=do)
    key = row_number(request.POST.get("person", ""))
    allowed: list[Any] = bulk.owners_for(request.user)
    if key not in {person.pk for person in allowed}:
        raise _Problem(_("New owner: choose somebody of your brands."))
    return bulk.reassign(
        request.user, chosen, get_user_model().objects.get(pk=key), do=do
    )


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
