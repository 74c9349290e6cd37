"""The options of selects: long ones hold each account, person or time zone there is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.safestring import SafeString

from accounts.markup import fill, fill_each, joined


def options(rows: Iterable[tuple[Any, Any]], chosen: Collection[str]) -> SafeString:
    """An <option> for each (value, words). chosen: values, as the address has them."""
    made = (_option(str(key), str(words), str(key) in chosen) for key, words in rows)
    return joined(made)


# Typed: words that may hold markup equal those that may not.
@lru_cache(maxsize=5000, typed=True)
def _option(value: str, words: str, is_chosen: bool) -> SafeString:
    selected = SafeString(" selected") if is_chosen else ""
    return fill('<option value="{}"{}>{}</option>', value, selected, words)


class LongSelect(forms.Select):
    """A select that writes its options at one go: Django renders a template for each."""

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        chosen = self.format_value(value)
        return fill(
            '<select name="{}"{}>{}</select>',
            name,
            flatatt(self.build_attrs(self.attrs, attrs)),
            grouped_options(self.choices, chosen),
        )


def grouped_options(choices: Iterable[Any], chosen: Collection[str]) -> SafeString:
    """As a field's choices are: (value, words), or (group, such pairs)."""
    return fill_each(
        "{}",
        (
            (
                fill('<optgroup label="{}">{}</optgroup>', key, options(words, chosen))
                if key and isinstance(words, list | tuple)
                else options(
                    words if isinstance(words, list | tuple) else [(key, words)], chosen
                ),
            )
            for key, words in choices
        ),
    )
