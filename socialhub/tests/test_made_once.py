"""What tags keep is kept for whom it was made: a language, a zone, a kind of text."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django import forms
from django.utils import timezone, translation
from django.utils.safestring import mark_safe

from accounts.reading import told
from accounts.selects import options
from socialhub.templatetags.socialhub import chip, ticks, when

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def test_a_time_is_told_in_each_reader_s_zone_and_language():
    for _turn in range(2):
        with timezone.override("Europe/Berlin"), translation.override("en"):
            assert "Tue 3 Mar 2026, 13:00 <span" in when(NOON)
        with timezone.override("Asia/Tokyo"), translation.override("en"):
            assert "Tue 3 Mar 2026, 21:00 <span" in when(NOON)
        with timezone.override("Europe/Berlin"), translation.override("de"):
            assert "Di 3. Mär 2026, 13:00" in when(NOON)


def test_a_day_is_named_in_each_reader_s_language():
    for _turn in range(2):
        with translation.override("en"):
            assert told(date(2026, 3, 3), "l") == "Tuesday"
        with translation.override("de"):
            assert told(date(2026, 3, 3), "l") == "Dienstag"


def test_words_that_may_hold_markup_are_not_taken_for_others():
    for _turn in range(2):
        assert "<b>" in chip("ok", "check", mark_safe("<b>yes</b>"))
        assert "<b>" not in chip("ok", "check", "<b>yes</b>")


def test_options_escape_what_they_name_and_mark_what_is_chosen():
    rows = [(1, "A & B"), (2, "<b>")]
    assert options(rows, {"2"}) == (
        '<option value="1">A &amp; B</option>'
        '<option value="2" selected>&lt;b&gt;</option>'
    )
    assert "selected" not in options(rows, {""})


def test_the_ticks_of_a_group_are_django_s_own():
    class Form(forms.Form):
        brands = forms.MultipleChoiceField(
            choices=[(1, "A & B"), (2, "C")], widget=forms.CheckboxSelectMultiple
        )

    field = Form(initial={"brands": ["2"]})["brands"]
    page = ticks(field)
    assert "<span>A &amp; B</span>" in page
    for choice in field:
        assert choice.tag().strip() in page
        assert f'for="{choice.id_for_label}"' in page
    assert page.count(" checked") == 1
