"""The emergency stop's pages, and the list from which held posts are let out."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AuditEvent
from accounts.roles import can_review, can_write

from . import listing, stops, valve
from .access import role_required, row_number
from .composing import close_if_cancelled
from .models import Delivery, InvalidTransition, StaleState, Stop
from .stop_forms import StopForm, ValveForm
from .wording import clock, person

#: Ended stops that the page still names.
SHOWN_ENDED = 20
#: Held posts that one page lists; the rest is said.
MAX_ROWS = 300

Status, Hold = Delivery.Status, Delivery.Hold


# ---------------------------------------------------------------- start and end


@role_required(can_review)
def stop_list(request: HttpRequest) -> HttpResponse:
    """Start a stop in two steps; those that last, and the last that have ended.

    POST action: look (what it would hold), start, or back (to change what was typed).
    """
    user: Any = request.user
    form = StopForm(user=user, initial={"target": request.GET.get("target", "")})
    planned: Stop | None = None
    if request.method == "POST":
        action = request.POST.get("action", "")
        if action == "back":
            form = StopForm(user=user, initial=request.POST.dict())
        else:
            form = StopForm(request.POST, user=user)
            if form.is_valid():
                planned = form.stop()
        if planned and action == "start":
            stop, is_new = stops.start(user, planned)
            if is_new:
                messages.success(
                    request,
                    _("%(what)s. What comes due from now on is held.")
                    % {"what": stop.headline},
                )
            else:
                messages.info(request, _already(stop))
            return redirect("stop_list")
    now = timezone.now()
    ended = Stop.objects.visible_to(user).for_pages().exclude(ended_at=None)
    context = {
        "form": form,
        "planned": planned,
        "planned_reach": stops.reach(planned, now) if planned else None,
        "running": [
            (stop, stops.reach(stop, now), stops.may_decide(user, stop))
            for stop in stops.active_for(user)
        ],
        "ended": ended.order_by("-ended_at")[:SHOWN_ENDED],
        "held_count": _held(user, Hold.STOPPED).count(),
    }
    return render(request, "publishing/stop_list.html", context)


def _already(stop: Stop) -> str:
    return _(
        "%(what)s already since %(when)s, by %(name)s. Nothing was changed. "
        "Their reason: %(why)s"
    ) % {
        "what": stop.headline,
        "when": clock(stop.started_at),
        "name": person(stop.started_by),
        "why": stop.reason,
    }


@role_required(can_review)
def stop_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more, end it, and go on to the list of what it held."""
    user: Any = request.user
    seen = Stop.objects.visible_to(user).for_pages()
    stop = get_object_or_404(seen, pk=pk)
    may = stops.may_decide(user, stop)
    if request.method == "POST" and may:
        if stops.end(user, stop):
            messages.success(
                request, _("The stop has ended: %(what)s.") % {"what": stop.what}
            )
        else:
            messages.info(request, _("Somebody has ended it already."))
        return redirect(f"{reverse('held_posts')}?stop={stop.pk}")
    if stop.ended_at is not None:
        return redirect(f"{reverse('held_posts')}?stop={stop.pk}")
    context = {"stop": stop, "reach": stops.reach(stop, timezone.now()), "may_end": may}
    return render(request, "publishing/stop_end.html", context)


# ---------------------------------------------------------------- what is held


def _held(user: Any, hold: str, stop: Stop | None = None) -> Any:
    rows = Delivery.objects.visible_to(user).filter(status=Status.HELD, hold=hold)
    return rows.filter(stop.covered() if stop else Q()).order_by("due_at", "pk")


@dataclass
class Line:
    """A held post on the list. stop: the one that still covers it."""

    row: listing.Row
    delivery: Delivery
    #: it would go out; is_picked: a person ticked it, perhaps to cancel it
    is_chosen: bool
    is_picked: bool
    stop: Stop | None
    goes_at: datetime | None
    is_late: bool
    #: since it was due: "2 hours"; "" below a minute
    age: str
    #: it would be in time now, but not when its turn comes
    gets_late: bool


@role_required(can_review)
def held_posts(request: HttpRequest) -> HttpResponse:
    """The list before the release. GET stop: only what it held; hold: which reason.

    POST action: plan (show the times), release what is picked, cancel (ask once more)
    or cancel_sure.
    """
    user: Any = request.user
    asked = {**request.GET.dict(), **request.POST.dict()}
    hold = asked.get("hold", "")
    hold = hold if hold in valve.LISTED else Hold.STOPPED
    stop = None
    if number := row_number(asked.get("stop", "")):
        stop = get_object_or_404(Stop.objects.visible_to(user).for_pages(), pk=number)
    query = f"?hold={hold}" + (f"&stop={stop.pk}" if stop else "")
    rows = _held(user, hold, stop)
    form = ValveForm(request.POST if request.method == "POST" else None)
    action = request.POST.get("action", "")
    picked: set[int] | None = None
    if request.method == "POST":
        picked = {row_number(pk) for pk in request.POST.getlist("pick")[:MAX_ROWS]}
        if action == "cancel_sure" and can_write(user):
            _cancel(request, rows.filter(pk__in=picked).select_related("post"))
            return redirect(reverse("held_posts") + query)
        if action == "release" and not picked:
            messages.info(request, _("Nothing was chosen, so nothing was sent."))
        elif action == "release" and form.is_valid():
            late = {row_number(pk) for pk in request.POST.getlist("late")[:MAX_ROWS]}
            _release(request, rows.filter(pk__in=picked), form.rules(), late)
            return redirect(reverse("held_posts") + query)
    now = timezone.now()
    total = rows.count()
    shown = list(listing.for_rows(rows)[:MAX_ROWS])
    lines, plan = _lines(shown, picked, form.rules(), now)
    chosen = [line for line in lines if line.is_chosen]
    chosen_now = sum(line.is_picked for line in lines)
    later = Delivery.objects.filter(pk__in=list(plan.later)).select_related("account")
    context = {
        "hold": hold,
        "is_stopped": hold == Hold.STOPPED,
        "stop": stop,
        "still": [one for one in stops.active_for(user) if stop is None or one != stop],
        "form": form,
        "lines": lines,
        "chosen_count": len(chosen),
        "late_count": sum(line.is_late or line.gets_late for line in chosen),
        "plan": plan,
        "first_at": min(plan.at.values(), default=None),
        "later": sorted(
            ((row, plan.later[row.pk]) for row in later), key=lambda pair: pair[1]
        ),
        "left_out": total - len(shown),
        "unseen": _unseen(user, stop) if stop and hold == Hold.STOPPED else 0,
        "may_cancel": can_write(user),
        "asks_to_cancel": action == "cancel" and can_write(user) and bool(chosen_now),
        "chosen_now": chosen_now,
        "query": query,
    }
    return render(request, "publishing/held_posts.html", context)


def _lines(
    shown: Sequence[Delivery],
    picked: Container[int] | None,
    rules: valve.Rules,
    now: datetime,
) -> tuple[list[Line], valve.Plan]:
    """picked None: those that are still useful and not stopped by another stop."""
    active = stops.active()
    lines = []
    for row in listing.rows_of(shown):
        assert row.delivery is not None
        delivery = row.delivery
        covering = stops.covering(delivery.account, active)
        is_late = delivery.useful_until <= now
        wanted = not is_late if picked is None else delivery.pk in picked
        chosen = wanted and covering is None
        age = ""
        if now - delivery.due_at >= timedelta(minutes=1):
            age = timesince(delivery.due_at, now, depth=1)
        ticked = picked is not None and delivery.pk in picked
        lines.append(
            Line(
                row=row,
                delivery=delivery,
                is_chosen=chosen,
                is_picked=ticked,
                stop=covering,
                goes_at=None,
                is_late=is_late,
                age=age,
                gets_late=False,
            )
        )
    plan = valve.plan([one.delivery for one in lines if one.is_chosen], rules, now)
    for line in lines:
        line.goes_at = plan.at.get(line.delivery.pk)
        if line.goes_at and not line.is_late:
            line.gets_late = line.goes_at >= line.delivery.useful_until
    return lines, plan


def _unseen(user: Any, stop: Stop) -> int:
    """Posts that the stop held in brands to which the person does not belong."""
    every = Delivery.objects.filter(
        stop.covered(), status=Status.HELD, hold=Hold.STOPPED
    )
    return every.count() - _held(user, Hold.STOPPED, stop).count()


def _release(
    request: HttpRequest, rows: Any, rules: valve.Rules, late: Container[int]
) -> None:
    pks = rows.values_list("pk", flat=True)
    done = valve.let_out(request.user, pks, rules, timezone.now(), yes=late)
    if done.sent and done.last_at:
        text = ngettext(
            "%(n)s post goes out, at %(last)s.",
            "%(n)s posts go out, the last one at %(last)s.",
            done.sent,
        )
        messages.success(request, text % {"n": done.sent, "last": clock(done.last_at)})
    if done.put_off:
        text = ngettext(
            "%(n)s post that was scheduled for that time waits for its turn behind them.",
            "%(n)s posts that were scheduled for that time wait for their turn behind "
            "them.",
            done.put_off,
        )
        messages.info(request, text % {"n": done.put_off})
    if done.late:
        text = ngettext(
            "%(n)s post would go out after its useful time and stays held. "
            "Look at it once more.",
            "%(n)s posts would go out after their useful time and stay held. "
            "Look at them once more.",
            done.late,
        )
        messages.warning(request, text % {"n": done.late})
    if done.stopped:
        text = ngettext(
            "%(n)s post stays held by another stop.",
            "%(n)s posts stay held by another stop.",
            done.stopped,
        )
        messages.warning(request, text % {"n": done.stopped})
    if done.gone:
        _say_gone(request, done.gone)


def _say_gone(request: HttpRequest, count: int) -> None:
    text = ngettext(
        "%(n)s post has changed meanwhile and was left as it is.",
        "%(n)s posts have changed meanwhile and were left as they are.",
        count,
    )
    messages.warning(request, text % {"n": count})


def _cancel(request: HttpRequest, rows: Any) -> None:
    cancelled = gone = 0
    for row in rows:
        try:
            row.cancel()
        except (InvalidTransition, StaleState):
            gone += 1
            continue
        AuditEvent.write(request.user, "delivery.cancelled", row, held=True)
        close_if_cancelled(row.post)
        cancelled += 1
    if cancelled:
        text = ngettext(
            "%(n)s post is cancelled.", "%(n)s posts are cancelled.", cancelled
        )
        messages.success(request, text % {"n": cancelled})
    elif not gone:
        messages.info(request, _("Nothing was chosen, so nothing was cancelled."))
    if gone:
        _say_gone(request, gone)
