"""Pages of posts that come again: the rule with its preview, the series, its end."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from accounts.roles import can_write
from accounts.zones import zone_names

from . import moving, repeating, rule_changing
from .access import role_required
from .models import Post, Series

NEVER, ON, AFTER = "never", "on", "after"


class SeriesForm(forms.Form):
    """The rule for a post that is scheduled. first_on, time and zone are the post's."""

    kind = forms.ChoiceField(
        label=gettext_lazy("How often"),
        choices=Series.Kind.choices,
        widget=forms.RadioSelect,
        initial=Series.Kind.WEEKLY,
    )
    weekdays = forms.MultipleChoiceField(
        label=gettext_lazy("Days of the week"),
        choices=[(str(number), WEEKDAYS[number]) for number in range(7)],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=gettext_lazy("The day of this post is always one of them."),
    )
    interval = forms.IntegerField(
        label=gettext_lazy("Every so many weeks or months"),
        min_value=1,
        max_value=12,
        initial=1,
    )
    ends = forms.ChoiceField(
        label=gettext_lazy("Ends"),
        choices=[
            (NEVER, gettext_lazy("Never")),
            (ON, gettext_lazy("On a date")),
            (AFTER, gettext_lazy("After a number of posts")),
        ],
        widget=forms.RadioSelect,
        initial=NEVER,
    )
    last_on = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    count = forms.IntegerField(
        label=gettext_lazy("Number of posts"),
        required=False,
        min_value=2,
        max_value=500,
    )

    def __init__(self, *args: Any, post: Post, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.post = post

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        ends, last, first = cleaned.get("ends"), cleaned.get("last_on"), self.first_on
        if ends == ON and "last_on" not in self.errors:
            if last is None:
                self.add_error("last_on", _("Choose the last day."))
            elif first is not None and last <= first:
                self.add_error(
                    "last_on",
                    _("Choose a day after the first one, or nothing comes again."),
                )
        if ends == AFTER and not cleaned.get("count") and "count" not in self.errors:
            self.add_error("count", _("Write how many posts it is in all."))
        return cleaned

    @property
    def first_on(self) -> date | None:
        return self.post.local_date

    def series(self) -> Series:
        """Not saved. After is_valid()."""
        post = self.post
        assert post.local_date is not None
        assert post.local_time is not None
        own = {str(post.local_date.weekday())}
        return self._rule(own, post.local_date, post.local_time, post.zone)

    def _rule(self, own: set[str], first_on: date, wall: time, zone: str) -> Series:
        cleaned = self.cleaned_data
        days = set(cleaned["weekdays"]) | own
        weekly = cleaned["kind"] == Series.Kind.WEEKLY
        return Series(
            kind=cleaned["kind"],
            interval=cleaned["interval"],
            weekdays="".join(sorted(days)) if weekly else "",
            wall=wall,
            zone=zone,
            first_on=first_on,
            last_on=cleaned["last_on"] if cleaned["ends"] == ON else None,
            count=cleaned["count"] if cleaned["ends"] == AFTER else None,
        )


class RuleForm(SeriesForm):
    """Another rule for a series that runs."""

    def __init__(self, *args: Any, series: Series, **kwargs: Any) -> None:
        now = timezone.now()
        first = rule_changing.first_day(series, now)
        left = None
        if series.count is not None:
            gone = sum(1 for _day in series.days(first - timedelta(days=1)))
            left = max(1, series.count - gone)
        ends = ON if series.last_on else AFTER if series.count else NEVER
        initial = {
            "kind": series.kind,
            "weekdays": list(series.weekdays) or [str(series.first_on.weekday())],
            "interval": series.interval,
            "ends": ends,
            "last_on": series.last_on,
            "count": left,
            "first_on": first,
            "wall": series.wall.strftime("%H:%M"),
            "zone": series.zone,
        }
        super().__init__(*args, post=series.pattern, initial=initial, **kwargs)
        self.now = now
        self.fields["weekdays"].help_text = ""
        self.fields["count"] = forms.IntegerField(
            label=self.fields["count"].label,
            required=False,
            min_value=1,
            max_value=500,
            help_text=_("From the first day on."),
        )
        self.fields["first_on"] = forms.DateField(
            label=_("First day of the new rule"),
            input_formats=["%Y-%m-%d"],
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            help_text=_("What lies before it stays. On it a monthly rule has its day."),
        )
        self.fields["wall"] = forms.TimeField(
            label=_("Time"), widget=forms.TimeInput(attrs={"type": "time"})
        )
        self.fields["zone"] = forms.CharField(label=_("Time zone"), max_length=64)
        when = ["kind", "weekdays", "interval", "wall", "zone", "first_on"]
        self.order_fields([*when, "ends", "last_on", "count"])

    @property
    def first_on(self) -> date | None:
        return self.cleaned_data.get("first_on")

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"].strip()
        if zone not in zone_names():
            raise forms.ValidationError(
                _("Unknown time zone. Write one such as Europe/Berlin.")
            )
        return zone

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        first, zone = cleaned.get("first_on"), cleaned.get("zone")
        if first and zone:
            latest = rule_changing.latest_first(self.now, zone)
            today = self.now.astimezone(ZoneInfo(zone)).date()
            if not today <= first <= latest:
                self.add_error(
                    "first_on",
                    _("Choose a day from today until %(day)s.")
                    % {"day": date_format(latest, _("j M Y"))},
                )
        if cleaned.get("kind") == Series.Kind.WEEKLY and not cleaned.get("weekdays"):
            self.add_error("weekdays", _("Choose at least one day of the week."))
        return cleaned

    def series(self) -> Series:
        cleaned = self.cleaned_data
        return self._rule(set(), cleaned["first_on"], cleaned["wall"], cleaned["zone"])


def _post(request: HttpRequest, pk: int) -> Post:
    rows = Post.objects.visible_to(request.user).select_related("series__pattern")
    return get_object_or_404(rows, pk=pk)


def _series(request: HttpRequest, pk: int) -> Series:
    rows = Series.objects.visible_to(request.user).select_related("pattern", "brand")
    return get_object_or_404(rows, pk=pk)


@role_required(can_write)
def post_repeat(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose the rule and look at what it comes to; POST action=start begins it."""
    post = _post(request, pk)
    if post.series_id is not None:
        return redirect("series_detail", pk=post.series_id)
    if post.state != Post.State.SCHEDULED or post.local_date is None:
        messages.info(request, _("Schedule it first: a series begins with a post."))
        return redirect(post)
    day = str(post.local_date.weekday())
    form = SeriesForm(request.POST or None, post=post, initial={"weekdays": [day]})
    shown, status = None, 200
    if request.method == "POST":
        if form.is_valid():
            series = form.series()
            shown = repeating.preview(series, timezone.now())
            if request.POST.get("action") == "start":
                try:
                    repeating.start(request.user, post, series)
                except moving.Refused as refused:
                    messages.error(request, str(refused))
                    return redirect(post)
                messages.success(
                    request, _("The series has begun: %(rule)s.") % {"rule": shown.rule}
                )
                return redirect("series_detail", pk=series.pk)
        else:
            status = 422
    context = {"post": post, "form": form, "preview": shown}
    return render(request, "publishing/series_form.html", context, status=status)


@login_required
def series_list(request: HttpRequest) -> HttpResponse:
    rows = Series.objects.visible_to(request.user).select_related("pattern", "brand")
    shown = [
        (row, repeating.rule_words(row), repeating.end_words(row))
        for row in rows.distinct()[:200]
    ]
    return render(request, "publishing/series_list.html", {"rows": shown})


@login_required
def series_detail(request: HttpRequest, pk: int) -> HttpResponse:
    series = _series(request, pk)
    now = timezone.now()
    coming = series.posts.filter(due_at__gte=now).order_by("due_at")[:20]
    context = {
        "series": series,
        "preview": repeating.preview(series, now),
        "ends": repeating.end_words(series),
        "posts": coming,
        "waiting": repeating.waiting(series),
        "may_write": can_write(request.user),
    }
    return render(request, "publishing/series_detail.html", context)


@role_required(can_write)
def series_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Another rule: what it comes to and what it does to posts; POST action=change."""
    series = _series(request, pk)
    if series.ended_at is not None:
        messages.info(request, _("The series has ended: start a new one."))
        return redirect("series_detail", pk=pk)
    form = RuleForm(request.POST or None, series=series)
    shown = plan = None
    if request.method == "POST" and form.is_valid():
        rule = form.series()
        if request.POST.get("action") == "change":
            try:
                done = rule_changing.change(
                    request.user, series, rule, request.POST.get("mark", "")
                )
            except moving.Refused as refused:
                messages.error(request, str(refused))
            else:
                text = ngettext(
                    "The rule is changed; %(n)s post has moved.",
                    "The rule is changed; %(n)s posts have moved.",
                    len(done.moves),
                )
                messages.success(request, text % {"n": len(done.moves)})
                return redirect("series_detail", pk=pk)
        now = timezone.now()
        shown = repeating.preview(rule_changing.with_rule(series, rule), now)
        plan = rule_changing.plan(series, rule, now)
    context = {
        "series": series,
        "form": form,
        "preview": shown,
        "plan": plan,
        "rule_now": repeating.rule_words(series),
        "asks_approval": bool(series.brand.approval_steps),
    }
    status = 422 if form.errors else 200
    return render(request, "publishing/series_rule.html", context, status=status)


@require_POST
@role_required(can_write)
def series_end(request: HttpRequest, pk: int) -> HttpResponse:
    """What waits is cancelled; what went out stays."""
    series = _series(request, pk)
    number = repeating.end(request.user, series, timezone.localdate())
    text = ngettext(
        "The series has ended; %(n)s post is cancelled.",
        "The series has ended; %(n)s posts are cancelled.",
        number,
    )
    messages.success(request, text % {"n": number})
    return redirect("series_detail", pk=pk)


@role_required(can_write)
def post_follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Change this and following: what it comes to, and POST to do it."""
    post = _post(request, pk)
    if post.series is None:
        return redirect(post)
    if request.method == "POST":
        try:
            number = repeating.change_following(request.user, post)
        except moving.Refused as refused:
            messages.error(request, str(refused))
            return redirect(post)
        text = ngettext(
            "%(n)s following post is changed as well.",
            "%(n)s following posts are changed as well.",
            number,
        )
        messages.success(request, text % {"n": number})
        return redirect("series_detail", pk=post.series_id)
    rows = repeating.following(post)
    context = {"post": post, "series": post.series, "rows": rows}
    return render(request, "publishing/series_follow.html", context)
