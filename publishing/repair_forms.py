"""What a person says before many deliveries are repaired at once.

One form for all of the page's actions, so that nothing typed is lost; each action
checks its own fields (`for_action`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.names import name_of

from . import repair
from .desk import GAP
from .listing import LAST_YEAR

HOURS, TOMORROW, MONDAY, NOW = "4h", "tomorrow", "monday", "now"
SNOOZES = (
    (HOURS, gettext_lazy("4 hours")),
    (TOMORROW, gettext_lazy("until tomorrow, 9:00")),
    (MONDAY, gettext_lazy("until Monday, 9:00")),
    (NOW, gettext_lazy("not any more: show it now")),
)
#: where a working day begins for those who snooze
MORNING = time(9)
#: action -> the fields that it needs
NEEDS = {
    "move": ("date", "time"),
    "dismiss": ("reason",),
    "snooze": ("snooze",),
}


def snoozed_until(choice: str, now: datetime) -> datetime | None:
    """In the reader's zone; None: no longer."""
    if choice == NOW:
        return None
    if choice == HOURS:
        return now + timedelta(hours=4)
    today = timezone.localtime(now).date()
    days = 1 if choice == TOMORROW else 7 - today.weekday()
    morning = datetime.combine(today + timedelta(days=days), MORNING)
    return timezone.make_aware(morning)


class PersonField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return name_of(obj)


class RepairForm(forms.Form):
    #: what one button needs must not stop another one
    use_required_attribute = False

    gap_min = forms.IntegerField(
        label=gettext_lazy("Minutes between posts of one account"),
        min_value=0,
        max_value=24 * 60,
        initial=int(GAP.total_seconds() // 60),
    )
    date = forms.DateField(
        label=gettext_lazy("Date"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    time = forms.TimeField(
        label=gettext_lazy("Time"),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("Everybody who opens the post later reads it."),
    )
    person = PersonField(
        get_user_model().objects.none(),
        label=gettext_lazy("Person"),
        empty_label=gettext_lazy("Nobody"),
    )
    snooze = forms.ChoiceField(label=gettext_lazy("For how long"), choices=SNOOZES)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        brand_ids: Iterable[int],
        action: str = "",
    ) -> None:
        super().__init__(data)
        self.action = action
        for name, field in self.fields.items():
            field.required = name == "gap_min" or name in NEEDS.get(action, ())
        if not self.is_bound:
            self._want_all()
        person = self.fields["person"]
        assert isinstance(person, PersonField)
        person.queryset = repair.helpers(brand_ids)

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if self.action == "move" and not self.errors:
            day = found.get("date")
            if day and day.year > LAST_YEAR:
                self.add_error("date", _("This day is too far away."))
            elif self.start_at and self.start_at <= timezone.now():
                self.add_error("time", _("This time is over. Choose a later one."))
        self._want_all()
        return found

    def _want_all(self) -> None:
        """On the page no field is optional: each belongs to its own button."""
        for field in self.fields.values():
            field.required = True

    @property
    def gap(self) -> timedelta:
        """As typed, or the default where that is no number."""
        minutes = getattr(self, "cleaned_data", {}).get("gap_min")
        return GAP if minutes is None else timedelta(minutes=minutes)

    @property
    def start_at(self) -> datetime | None:
        """In the reader's zone. An hour that the clock change repeats means its first
        pass, one that it skips the instant that the offset before it gives."""
        day = self.cleaned_data.get("date")
        at = self.cleaned_data.get("time")
        return timezone.make_aware(datetime.combine(day, at)) if day and at else None
