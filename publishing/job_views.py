"""Work in progress: what runs for a person, how far it is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import can_write

from . import jobs
from .access import role_required
from .job_models import Job

#: The latest; older ones are gone after a week anyway.
SHOWN = 50
#: tone and icon of each state
LOOKS = {
    Job.State.WAITING: ("muted", "schedule"),
    Job.State.RUNNING: ("info", "sync"),
    Job.State.DONE: ("ok", "check_circle"),
    Job.State.FAILED: ("bad", "error"),
    Job.State.CANCELLED: ("muted", "block"),
}


@dataclass(frozen=True)
class Line:
    """A job as its row shows it."""

    job: Job
    title: str
    address: str
    tone: str
    icon: str
    cancel_note: str

    @property
    def counted(self) -> str:
        """ "(1,200 of 5,000)", as the reader's language groups digits."""
        done, total = (
            number_format(number, force_grouping=True)
            for number in (self.job.done, self.job.total)
        )
        return _("(%(done)s of %(total)s)") % {"done": done, "total": total}


def line(job: Job) -> Line:
    kind = jobs.kind_of(job)
    tone, icon = LOOKS[Job.State(job.state)]
    return Line(
        job, kind.title(job), kind.address(job), tone, icon, str(kind.cancel_note)
    )


@require_safe
@role_required(can_write)
def job_list(request: HttpRequest) -> HttpResponse:
    rows = list(Job.objects.of(request.user).select_related("brand")[:SHOWN])
    jobs.know(rows)
    return render(
        request, "publishing/job_list.html", {"lines": [line(job) for job in rows]}
    )


@require_safe
@role_required(can_write)
def job_row(request: HttpRequest, pk: int) -> HttpResponse:
    """One row, which asks for itself anew while the work goes on."""
    job = get_object_or_404(Job.objects.of(request.user), pk=pk)
    then = "reload" if request.GET.get("then") == "reload" else ""
    context = {"line": line(job), "then": then}
    response = render(request, "publishing/_job.html", context)
    if not job.is_live and then:
        # The page around it shows what came of it.
        response["HX-Refresh"] = "true"
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@role_required(can_write)
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job.objects.of(request.user), pk=pk)
    kind = jobs.kind_of(job)
    if job.ask_cancel():
        jobs.wake()
        said = _("It stops in a moment. %(note)s") % {"note": kind.cancel_note}
        messages.success(request, said.strip())
    else:
        messages.info(request, _("It has ended already."))
    return redirect(kind.address(job) or "job_list")
