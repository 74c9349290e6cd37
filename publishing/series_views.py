"""Pages of posts that come again: the rule with its preview, the series, its end."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from accounts.roles import can_write

from . import moving, repeating
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
        ends, last = cleaned.get("ends"), cleaned.get("last_on")
        assert self.post.local_date is not None
        if ends == ON and "last_on" not in self.errors:
            if last is None:
                self.add_error("last_on", _("Choose the last day."))
            elif last <= self.post.local_date:
                self.add_error(
                    "last_on",
                    _("Choose a day after this post, or nothing comes again."),
                )
        if ends == AFTER and not cleaned.get("count") and "count" not in self.errors:
            self.add_error("count", _("Write how many posts it is in all."))
        return cleaned

    def series(self) -> Series:
        """Not saved. After is_valid()."""
        cleaned, post = self.cleaned_data, self.post
        assert post.local_date is not None
        assert post.local_time is not None
        days = set(cleaned["weekdays"]) | {str(post.local_date.weekday())}
        weekly = cleaned["kind"] == Series.Kind.WEEKLY
        return Series(
            kind=cleaned["kind"],
            interval=cleaned["interval"],
            weekdays="".join(sorted(days)) if weekly else "",
            wall=post.local_time,
            zone=post.zone,
            first_on=post.local_date,
            last_on=cleaned["last_on"] if cleaned["ends"] == ON else None,
            count=cleaned["count"] if cleaned["ends"] == AFTER else None,
        )


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
