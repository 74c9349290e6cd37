"""Every cause that a platform may name has its sentences."""

import pytest
from django.utils import translation

from accounts.causes import EXPLANATIONS, UNITS, Action, explain, finding_sentence
from platforms import registry
from platforms.base import Draft
from platforms.errors import Cause


def test_every_cause_has_a_head_a_sentence_a_cure_and_a_button():
    assert set(EXPLANATIONS) == set(Cause)
    for explanation in EXPLANATIONS.values():
        assert str(explanation.head)
        assert str(explanation.sentence).endswith(".")
        assert str(explanation.cure).endswith(".")
        assert explanation.action in set(Action)


def test_an_unknown_cause_reads_as_an_unknown_refusal():
    assert explain("never heard of") == EXPLANATIONS[Cause.UNKNOWN_REFUSAL]


def test_a_finding_names_its_numbers():
    values = {"used": 305, "limit": 300, "unit": "characters"}
    assert finding_sentence(Cause.TEXT_TOO_LONG, values) == (
        "The text is too long: 305 / 300 characters"
    )


def test_units_are_said_in_the_reader_s_language():
    values = {"used": 400, "limit": 180, "unit": "seconds"}
    with translation.override("de"):
        said = finding_sentence(Cause.VIDEO_TOO_LONG, values)
    assert said.endswith(": 400 / 180 Sekunden")


@pytest.mark.parametrize("slug", registry.PLATFORMS)
def test_each_network_counts_in_units_that_have_words(slug):
    draft = Draft("Hello", options={"network": "x"})
    assert {one.unit for one in registry.platform(slug).counts(draft)} <= set(UNITS)


def test_a_finding_about_a_choice_names_it():
    values = {"option": "Title", "used": 105, "limit": 100, "unit": "characters"}
    assert finding_sentence(Cause.OPTION_TOO_LONG, values) == (
        "Title: An entry is too long: 105 / 100 characters"
    )


def test_how_a_network_writes_names_is_said_in_the_reader_s_language():
    values = {"names": "@ana", "how": registry.spec("bluesky").mentions.how}
    with translation.override("de"):
        said = finding_sentence(Cause.MENTION_PLAIN, values)
    assert said.endswith(
        ": @ana. Bluesky verlinkt vollständige Handles wie @name.bsky.social"
    )
