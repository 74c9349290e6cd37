"""Markup that is written in Python: what is no markup is escaped, once."""

from __future__ import annotations

import pytest
from django.db.models import TextChoices
from django.utils.functional import lazystr
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from accounts.markup import fill, fill_each, joined

EVIL = "<b onclick=\"x\">'&amp;' {} {0} {x} %s"


class Word(str):
    """Its own kind of text, and no markup."""


class Kind(TextChoices):
    SHARP = "<i>", gettext_lazy("<u>")


class Named:
    def __str__(self) -> str:
        return EVIL


@pytest.mark.parametrize(
    "value",
    [
        EVIL,
        Word(EVIL),
        lazystr(EVIL),
        Named(),
        Kind.SHARP,
        Kind.SHARP.label,
        mark_safe("<b>"),
        lazystr(mark_safe("<b>")),
        fill("<i>{}</i>", EVIL),
        None,
        7,
        0.5,
        [EVIL],
        "",
    ],
)
def test_it_says_what_django_says(value: object) -> None:
    text = '<a title="{}">{}</a>'
    expected = format_html(text, value, value)
    assert fill(text, value, value) == expected
    rows = [(value, "<"), (">", value)]
    assert fill_each(text, rows) == format_html_join("", text, rows)
    assert joined([expected, fill(text, 1, 2)]) == expected + fill(text, 1, 2)


def test_what_it_makes_is_markup_and_is_not_escaped_again() -> None:
    made = fill("<i>{}</i>", EVIL)
    assert isinstance(made, SafeString)
    assert fill("{}", made) == made
    assert isinstance(fill_each("{}", [[1]]), SafeString)
    assert isinstance(joined([made]), SafeString)
