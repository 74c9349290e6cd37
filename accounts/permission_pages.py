"""The registry of permissions, for admins, and what platforms said in their reviews."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as now_in_words
from django.utils.translation import gettext_lazy as _

from platforms import registry
from platforms.base import Scope

from .connect_views import admin_required
from .models import AuditEvent, PlatformApp
from .permissions import Review, ReviewState, groups, review_of

#: Reviews are written down when they are news; a refusal may name a day to come.
NEWS = timedelta(days=366)


class ReviewForm(forms.Form):
    state = forms.ChoiceField(label=_("What the platform said"))
    at = forms.DateField(
        label=_("On"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_(
            "The day of the answer; of a refusal, the day from which it is gone. Empty: "
            "today."
        ),
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What was asked for and answered, for whoever asks next."),
    )

    def __init__(self, *args: Any, review: Review, **kwargs: Any) -> None:
        kwargs.setdefault(
            "initial",
            {"state": review.state.value, "at": review.at, "note": review.note},
        )
        super().__init__(*args, **kwargs)
        field = self.fields["state"]
        assert isinstance(field, forms.ChoiceField)
        field.required = False  # "" is a state: not asked
        field.choices = ReviewState.choices

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        state, day = data.get("state", ""), data.get("at")
        today = timezone.localdate()
        if state == ReviewState.NOT_ASKED:
            data["at"] = None
        elif day is None and "at" not in self.errors:
            data["at"] = today
        elif day and day > today and state != ReviewState.REFUSED:
            self.add_error(
                "at", _("This day has not come yet. Write when it was said.")
            )
        elif day and abs(day - today) > NEWS * 10:
            self.add_error("at", _("Check the year: this day is very far away."))
        return data


@admin_required
def permission_list(request: HttpRequest) -> HttpResponse:
    """Per platform and app: each permission, what needs it and who lacks it."""
    return render(
        request, "accounts/permissions.html", {"groups": groups(request.user)}
    )


@admin_required
def permission_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down what a platform said of one permission (`?scope=`) of our app."""
    app = get_object_or_404(PlatformApp, pk=pk, platform__in=registry.PLATFORMS)
    scope = _scope(app, request.GET.get("scope", ""))
    before = review_of(app, scope)
    form = ReviewForm(request.POST if request.method == "POST" else None, review=before)
    if request.method == "POST" and form.is_valid():
        _store(request.user, app, scope, form.cleaned_data)
        messages.success(request, now_in_words("Saved."))
        return redirect("permissions")
    context = {"app": app, "scope": scope, "review": before, "form": form}
    status = 422 if form.errors else 200
    return render(request, "accounts/permission_review.html", context, status=status)


def _scope(app: PlatformApp, name: str) -> Scope:
    for scope in app.spec.scopes:
        if scope.name == name:
            return scope
    raise Http404("no such permission")


def _store(user: Any, app: PlatformApp, scope: Scope, data: dict[str, Any]) -> None:
    """What is granted decides what is asked for when an account is connected."""
    state = data["state"]
    with transaction.atomic():
        row = PlatformApp.objects.select_for_update().get(pk=app.pk)
        before = review_of(row, scope)
        if state == ReviewState.NOT_ASKED and not data["note"]:
            row.reviews.pop(scope.name, None)
        else:
            row.reviews[scope.name] = {
                "state": state,
                "at": data["at"].isoformat() if data["at"] else "",
                "note": data["note"],
            }
        if scope.needs_review:
            granted = [name for name in row.granted_scopes if name != scope.name]
            if state == ReviewState.GRANTED:
                granted.append(scope.name)
            row.granted_scopes = granted
        row.save(update_fields=["reviews", "granted_scopes"])
        AuditEvent.write(
            user,
            "app_review",
            row,
            scope=scope.name,
            before=before.state.value,
            after=state,
            at=data["at"].isoformat() if data["at"] else "",
        )
