"""An admin's size for a window."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.budgets import MILLS

#: No platform counts so far; and the column holds it.
MAX_SIZE = 10**12


class SizeForm(forms.Form):
    """size: units, or dollars where the window is money (`units()` has them as stored)."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("Where you know it from. Others read it on the page."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    field_order = ["size", "reason"]

    def __init__(self, *args: Any, is_money: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_money = is_money
        most = MAX_SIZE // MILLS if is_money else MAX_SIZE
        limits = [
            MinValueValidator(0, _("It cannot be below 0.")),
            MaxValueValidator(most, _("It cannot be above %(limit_value)s.")),
        ]
        if is_money:
            self.fields["size"] = forms.DecimalField(
                label=_("Budget per month, in US dollars"),
                max_digits=12,
                decimal_places=3,
                validators=limits,
                help_text=_("With 0 nothing that costs goes out."),
                widget=forms.NumberInput(attrs={"step": "0.001", "min": "0"}),
            )
        else:
            self.fields["size"] = forms.IntegerField(
                label=_("Size"),
                validators=limits,
                help_text=_(
                    "How many fit into one window. With 0 nothing goes out. Above what "
                    "the platform really allows, it refuses posts."
                ),
                widget=forms.NumberInput(attrs={"min": "0"}),
            )
        self.order_fields(self.field_order)

    def units(self) -> int:
        size = self.cleaned_data["size"]
        return int(Decimal(size) * MILLS) if self.is_money else int(size)
