"""What to stop and why; how fast a backlog may go out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Brand, ConnectedAccount
from accounts.roles import is_admin
from accounts.selects import LongSelect
from platforms import registry

from . import valve
from .access import row_number
from .models import Stop

Choices = list[tuple[str, list[tuple[str, str]]]]


class StopForm(forms.Form):
    """One list of all that the person may stop; see `Stop.target` for its values."""

    target = forms.ChoiceField(label=gettext_lazy("What to stop"), widget=LongSelect)
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy(
            "Everybody whom it concerns reads it on every page while the stop lasts."
        ),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        user: Any,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.user = user
        field = self.fields["target"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("Choose")), *self._targets()]
        if not is_admin(user):
            field.help_text = _(
                "You may stop brands and accounts of yours. Admins may also stop a "
                "whole platform, or everything."
            )

    def _targets(self) -> Choices:
        scope = Stop.Scope
        found: Choices = []
        if is_admin(self.user):
            everything = Stop(scope=scope.EVERYTHING)
            found.append(("", [(everything.target, _("Everything, on all platforms"))]))
            slugs = sorted(
                registry.PLATFORMS, key=lambda slug: registry.spec(slug).name
            )
            stops = [Stop(scope=scope.PLATFORM, platform=slug) for slug in slugs]
            found.append((_("A platform"), [(s.target, s.what) for s in stops]))
        brands = Brand.objects.visible_to(self.user).distinct().order_by("name")
        named = [
            (Stop(scope=scope.BRAND, brand_id=pk).target, name)
            for pk, name in brands.values_list("pk", "name")
        ]
        if named:
            found.append((_("A brand"), named))
        accounts = ConnectedAccount.objects.visible_to(self.user).distinct()
        rows = accounts.filter(disconnected_at=None).order_by("name", "pk")
        # Of hundreds a row each would be most of what the page costs.
        named = [
            (f"{scope.ACCOUNT}:{pk}", f"{name} ({registry.spec(platform).name})")
            for pk, name, platform in rows.values_list("pk", "name", "platform")
        ]
        if named:
            found.append((_("An account"), named))
        return found

    def stop(self) -> Stop:
        """The stop that is meant, not saved. After is_valid()."""
        scope, _sep, value = self.cleaned_data["target"].partition(":")
        stop = Stop(scope=scope, reason=self.cleaned_data["reason"].strip())
        # The choices hold only what the person may stop.
        if scope == Stop.Scope.PLATFORM:
            stop.platform = value
        elif scope == Stop.Scope.BRAND:
            stop.brand = Brand.objects.get(pk=row_number(value))
        elif scope == Stop.Scope.ACCOUNT:
            stop.account = ConnectedAccount.objects.get(pk=row_number(value))
        return stop


class ValveForm(forms.Form):
    """How fast chosen posts go out."""

    gap_s = forms.IntegerField(
        label=gettext_lazy("Seconds between posts of one account"),
        min_value=0,
        max_value=86_400,
        initial=int(valve.GAP.total_seconds()),
    )
    per_account_hour = forms.IntegerField(
        label=gettext_lazy("Most per hour and account"),
        min_value=1,
        max_value=10_000,
        required=False,
        initial=valve.Rules.per_account_hour,
        help_text=gettext_lazy("Empty: no such limit."),
    )
    per_hour = forms.IntegerField(
        label=gettext_lazy("Most per hour, all accounts"),
        min_value=1,
        max_value=10_000,
        required=False,
        help_text=gettext_lazy("Empty: no such limit."),
    )

    def rules(self) -> valve.Rules:
        """As typed; the defaults when the form is not bound or not valid."""
        if not self.is_bound or not self.is_valid():
            return valve.Rules()
        return valve.Rules(
            gap=timedelta(seconds=self.cleaned_data["gap_s"]),
            per_account_hour=self.cleaned_data["per_account_hour"],
            per_hour=self.cleaned_data["per_hour"],
        )
