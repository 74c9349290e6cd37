"""What the calendar's script asks for: cards of a period, a day, a move and its undo."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import can_write

from . import cards, listing, moving
from .access import in_chosen_zone
from .listing import Filters
from .risk import Sky

VIEWS = ("month", "week", "list")


@login_required
@require_safe
@in_chosen_zone
def calendar_posts(request: HttpRequest) -> HttpResponse:
    """Cards of the days from `start` to before `end`, filtered as the address says."""
    view = request.GET.get("view", "")
    first, last = _period(request)
    if view not in VIEWS or first is None or last is None:
        return JsonResponse(
            {"said": _("This period cannot be shown. Choose another one.")}, status=400
        )
    filters = Filters.read(request.GET.dict())
    found = cards.answer(request.user, view, first, last, filters)
    response = JsonResponse(found)
    response["Cache-Control"] = "no-store"
    return response


def _period(request: HttpRequest) -> tuple[date | None, date | None]:
    try:
        first = date.fromisoformat(request.GET.get("start", "")[:10])
        end = date.fromisoformat(request.GET.get("end", "")[:10])
    except ValueError:
        return None, None
    known = first.year >= listing.FIRST_YEAR and end.year <= listing.LAST_YEAR
    if not known or not 1 <= (end - first).days <= cards.MOST_DAYS:
        return None, None
    return first, end - timedelta(days=1)


@login_required
@require_safe
@in_chosen_zone
def calendar_notes(request: HttpRequest) -> HttpResponse:
    """The notes anew, after a move."""
    filters = Filters.read(request.GET.dict())
    return JsonResponse({"notes": notes(request.user, filters)})


def notes(reader: Any, filters: Filters) -> list[dict[str, str]]:
    """What stands above the calendar when there is something to say: posts at risk in
    the next seven days, and platforms that have trouble."""
    now = timezone.now()
    sky = Sky.now_seen(now)
    found = [
        {
            "icon": "cloud_off",
            "said": _("%(head)s since %(when)s: retries are slowed.")
            % {"head": pause.words.head, "when": moving.said(pause.since or now)},
            "url": reverse("limits"),
        }
        for pause in sky.pauses.values()
        if pause.scope == "platform" and pause.is_current
    ]
    number = listing.risks_ahead(reader, filters, sky)
    if number:
        text = ngettext(
            "%(n)s post at risk in the next 7 days.",
            "%(n)s posts at risk in the next 7 days.",
            number,
        )
        query = replace(filters, status=listing.AT_RISK).query(tab="upcoming")
        url = f"{reverse('post_list')}?{query}"
        found.append({"icon": "warning", "said": text % {"n": number}, "url": url})
    return found


@login_required
@require_safe
@in_chosen_zone
def calendar_day(request: HttpRequest) -> HttpResponse:
    """The panel of one day."""
    day = listing.read_day(request.GET.get("day", ""), listing.reader_today())
    context: dict[str, Any] = {
        **cards.day_panel(request.user, day, Filters.read(request.GET.dict())),
        "is_past": day < listing.reader_today(),
        "zone": timezone.get_current_timezone_name(),
        "may_write": can_write(request.user),
    }
    return render(request, "publishing/_day.html", context)


@login_required
@require_POST
@in_chosen_zone
def post_move(request: HttpRequest, pk: int) -> HttpResponse:
    """POST date and, where the time of day changes as well, time: the reader's clock.

    seen: when the page said that it is due. 409 with the reason when it stays.
    """
    try:
        day = date.fromisoformat(request.POST.get("date", ""))
        text = request.POST.get("time", "")
        wall = time.fromisoformat(text) if text else None
        if wall and wall.tzinfo:
            raise ValueError
        seen = parse_datetime(request.POST.get("seen", ""))
    except ValueError:
        return _refused(
            pk, _("Choose a date and a time, such as 2026-11-24 and 10:00.")
        )
    if not listing.FIRST_YEAR <= day.year < listing.LAST_YEAR:
        return _refused(pk, _("Choose a date of this century."))
    try:
        moved = moving.move(request.user, pk, day, wall, seen=seen)
    except moving.Refused as refused:
        return _refused(pk, str(refused))
    assert moved.post.due_at is not None
    local = timezone.localtime(moved.post.due_at)
    return JsonResponse(
        {"said": moved.sentence, "undo": moved.undo, "date": local.date().isoformat()}
    )


@login_required
@require_POST
@in_chosen_zone
def post_move_undo(request: HttpRequest) -> HttpResponse:
    try:
        post = moving.undo(request.user, request.POST.get("undo", ""))
    except moving.Refused as refused:
        return JsonResponse({"said": str(refused)}, status=409)
    assert post.due_at is not None
    said = _("Back at %(when)s.") % {"when": moving.said(post.due_at)}
    return JsonResponse({"said": said, "id": post.pk})


def _refused(pk: int, said: str) -> HttpResponse:
    edit = reverse("post_edit", args=[pk])
    return JsonResponse({"said": said, "edit": edit}, status=409)
