"""The reliability report as a page and as files, and the wish to get it by mail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Brand, Network
from accounts.reading import zone_of
from accounts.roles import can_review
from publishing.access import role_required, row_number
from publishing.wording import clock

from . import reliability, report_csv
from .models import ReportMail
from .reliability import Report

DEFAULT_WEEKS = 12


class MailForm(forms.ModelForm[ReportMail]):
    class Meta:
        model = ReportMail
        fields = ["is_on", "weekday", "at", "brand"]
        widgets = {"at": forms.TimeInput(format="%H:%M", attrs={"type": "time"})}

    def __init__(self, *args: Any, brands: list[Brand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["brand"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Brand.objects.filter(pk__in=[brand.pk for brand in brands])
        field.empty_label = _("All brands that I see")


def _report(request: HttpRequest) -> tuple[Report, list[Brand], int]:
    """What the address asks for; 404 for a brand that the reader does not see."""
    brands = reliability.brands_of(request.user)
    weeks = row_number(request.GET.get("weeks", ""))
    weeks = weeks if weeks in reliability.PERIODS else DEFAULT_WEEKS
    brand = None
    if asked := request.GET.get("brand", ""):
        brand = next((b for b in brands if b.pk == row_number(asked)), None)
        if brand is None:
            raise Http404
    network = reliability.network_of(request.GET.get("network", ""))
    today = timezone.localtime().date()
    return reliability.report(brands, brand, weeks, network, today), brands, weeks


@require_safe
@role_required(can_review)
def reliability_page(request: HttpRequest) -> HttpResponse:
    found, brands, weeks = _report(request)
    reader: Any = request.user
    row = ReportMail.objects.filter(user=reader).first()
    context = _context(request, found, brands, weeks)
    form = MailForm(instance=row or ReportMail(is_on=False), brands=brands)
    context |= {"form": form, "wish": row, "email": reader.email}
    return render(request, "monitoring/reliability.html", context)


def _context(
    request: HttpRequest, found: Report, brands: list[Brand], weeks: int
) -> dict[str, Any]:
    words = [
        (n, ngettext("%(n)s week", "%(n)s weeks", n) % {"n": n})
        for n in reliability.PERIODS
    ]
    return {
        "report": found,
        "brands": brands,
        "weeks": weeks,
        "periods": words,
        "is_practice": found.network == Network.PRACTICE,
        "summary": reliability.summary(found),
        "charts": reliability.charts(found),
        "lines": [_cells(line) for line in found.lines],
        "query": request.GET.urlencode(),
        "settling": reliability.SETTLING,
    }


def _cells(line: reliability.Line) -> dict[str, Any]:
    causes = sorted(line.causes.items(), key=lambda pair: -pair[1])
    return {
        "line": line,
        "share": reliability.share_words(line.share),
        "delay": reliability.span_words(line.median_delay_s),
        "repair": reliability.span_words(line.median_repair_s),
        "causes": [(reliability.cause_words(name), n) for name, n in causes],
    }


@require_safe
@role_required(can_review)
def reliability_csv(request: HttpRequest) -> HttpResponse:
    found, _brands, _weeks = _report(request)
    return _file(report_csv.to_csv(found), found, "csv", "text/csv; charset=utf-8")


@require_safe
@role_required(can_review)
def reliability_pdf(request: HttpRequest) -> HttpResponse:
    found, _brands, _weeks = _report(request)
    from .report_pdf import to_pdf  # heavy: see there

    return _file(to_pdf(found), found, "pdf", "application/pdf")


def _file(data: bytes, found: Report, suffix: str, mime: str) -> HttpResponse:
    response = HttpResponse(data, content_type=mime)
    name = f"{report_csv.file_name(found)}.{suffix}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@role_required(can_review)
def reliability_mail(request: HttpRequest) -> HttpResponse:
    reader: Any = request.user
    found, brands, weeks = _report(request)
    row = ReportMail.objects.filter(user=reader).first() or ReportMail(user=reader)
    form = MailForm(request.POST, instance=row, brands=brands)
    if not form.is_valid():
        context = _context(request, found, brands, weeks)
        context |= {"form": form, "wish": None, "email": reader.email}
        return render(request, "monitoring/reliability.html", context, status=422)
    wish = form.save(commit=False)
    wish.plan(timezone.now(), zone_of(reader))
    wish.save()
    if wish.next_at:
        text = _("The report comes by mail, the next one on %(when)s.")
        messages.success(request, text % {"when": clock(wish.next_at)})
    else:
        messages.success(request, _("No report comes by mail."))
    return redirect("reliability")
