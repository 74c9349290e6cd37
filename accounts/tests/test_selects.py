"""Selects that write their options at one go say what Django's own say."""

from __future__ import annotations

import re

import pytest
from django import forms

from accounts.selects import LongSelect

CHOICES = [
    ("", "Choose"),
    ("", [("everything", "Everything")]),
    ("A <brand>", [("brand:1", "Acme & Sons"), ("brand:2", "B")]),
    (7, "Seven"),
]


def parts(html: str) -> list[str]:
    """Its tags and words, without the space between."""
    return [part.strip() for part in re.split(r"(<[^>]*>)", html) if part.strip()]


@pytest.mark.parametrize("value", [None, "", "brand:2", 7, "gone"])
def test_a_long_select_says_what_a_short_one_says(value):
    attrs = {"id": "id_target", "required": True}
    ours = LongSelect(choices=CHOICES).render("target", value, attrs)
    django = forms.Select(choices=CHOICES).render("target", value, attrs)
    # Django writes a group without a name as one all the same.
    assert parts(ours) == parts(django)
