"""Every cause that a platform may name has its sentences."""

from django.utils import translation

from accounts.causes import EXPLANATIONS, Action, explain, finding_sentence
from platforms import registry
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
