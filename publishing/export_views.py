"""Exporting: choose what, see how far it is, fetch it, delete it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import AuditEvent
from accounts.roles import can_write, is_admin

from . import exporting, serving
from .access import role_required, row_number
from .exporting import NotAllowed
from .job_models import KEPT_FOR, Job
from .job_views import Line, line
from .jobs import Refused

#: What the form calls all brands.
ALL = "all"


@dataclass(frozen=True)
class Made:
    """An export as its row shows it. address: where it is fetched, "": not to be had."""

    line: Line
    address: str = ""
    gone_at: datetime | None = None


@role_required(can_write)
def export_list(request: HttpRequest) -> HttpResponse:
    """GET: what can be exported, and what was. POST: one is begun."""
    brands = exporting.brands_for(request.user)
    what = exporting.what_for(request.user)
    problems: dict[str, str] = {}
    if request.method == "POST":
        asked, problems = _asked(request)
        if not problems:
            try:
                exporting.begin(request.user, asked)
            except (NotAllowed, Refused) as refused:
                problems["form"] = str(refused)
            else:
                return redirect("export_list")
    chosen = (
        set(request.POST.getlist("what")) if request.method == "POST" else set(what)
    )
    rows = exporting.exports_of(request.user).select_related("brand")
    context = {
        "brands": brands,
        "brand_now": request.POST.get("brand", ""),
        "is_admin": is_admin(request.user),
        "what": [(key, words, key in chosen) for key, words in what.items()],
        "begin": request.POST.get("begin", ""),
        "end": request.POST.get("end", ""),
        "zone": timezone.get_current_timezone_name(),
        "problems": problems,
        "made": [_made(job) for job in rows[:20]],
        "days": KEPT_FOR.days,
    }
    status = 422 if problems else 200
    return render(request, "publishing/export_list.html", context, status=status)


def _made(job: Job) -> Made:
    if not exporting.is_there(job):
        return Made(line(job))
    assert job.ended_at is not None
    return Made(line(job), exporting.address(job), job.ended_at + KEPT_FOR)


def _asked(request: HttpRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """As `exporting.begin` takes it; field -> sentence."""
    problems = {}
    text = request.POST.get("brand", "")
    brand = None if text == ALL else row_number(text)
    if brand == 0:
        problems["brand"] = _("Choose a brand.")
    what = [key for key in request.POST.getlist("what") if key in exporting.WHAT]
    if not what:
        problems["what"] = _("Tick at least one thing to export.")
    days: dict[str, date | None] = {}
    for name in ("begin", "end"):
        written = request.POST.get(name, "").strip()
        try:
            days[name] = _day(written) if written else None
        except ValueError:
            problems[name] = _("Write a day such as 2026-12-03, or nothing.")
    first, last = days.get("begin"), days.get("end")
    if first and last and last < first:
        problems["end"] = _("The last day lies before the first one.")
    if problems:
        return {}, problems
    return {
        "which": brand,
        "what": what,
        "begin": _midnight(first),
        # The last day belongs to it.
        "end": _midnight(last + timedelta(days=1) if last else None),
    }, {}


def _day(written: str) -> date:
    """ValueError: no day, or one that is none in every zone."""
    day = date.fromisoformat(written)
    if day in (date.min, date.max):
        raise ValueError(written)
    return day


def _midnight(day: date | None) -> str:
    """As ISO 8601, on the reader's clock; "" for none."""
    if day is None:
        return ""
    return timezone.make_aware(datetime.combine(day, time())).isoformat()


@require_safe
@role_required(can_write)
def export_fetch(request: HttpRequest, token: str) -> HttpResponseBase:
    """The ZIP, for the person it was made for and for an hour."""
    try:
        job = exporting.fetched(request.user, token)
    except NotAllowed as refused:
        messages.error(request, str(refused))
        return redirect("export_list")
    if job is None:
        messages.error(
            request,
            _("This address is over, or is somebody else's. Take the one below."),
        )
        return redirect("export_list")
    if request.method == "GET" and not request.headers.get("Range"):
        AuditEvent.write(request.user, "export.fetched", job)
    name = str(job.result["name"])
    return serving.archive(request, job.folder / exporting.WHOLE, name)


@require_POST
@role_required(can_write)
def export_delete(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(exporting.exports_of(request.user), pk=pk)
    if job.is_live:
        messages.error(request, _("It is being made: cancel it first."))
        return redirect("export_list")
    folder = job.folder
    AuditEvent.write(request.user, "export.deleted", job)
    job.delete()
    shutil.rmtree(folder, ignore_errors=True)
    messages.success(request, _("The export is deleted."))
    return redirect("export_list")
