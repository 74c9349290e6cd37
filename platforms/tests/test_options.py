"""What a person decides for one platform besides text, link and files."""

from dataclasses import replace

import pytest

from platforms import registry
from platforms.base import Draft, Identity, MediaKind, Option, OptionKind, chosen
from platforms.checks import option_findings
from platforms.errors import Cause

SPEC = replace(
    registry.spec("mastodon"),
    options=(
        Option("place", "Where", OptionKind.CHOICE, {"post": "Post", "reel": "Reel"}),
        Option("board", "Board", OptionKind.CHOICE, choices_from="boards"),
        Option("open", "Open", OptionKind.FLAG, default=True),
    ),
)
ACME = Identity("42", "user", "Acme", "acme", "https://example.com/acme")


@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        ({"place": "reel"}, "place", "reel"),
        ({}, "place", None),
        ({"open": False}, "open", False),
        ({"open": None}, "open", True),
        ({"board": {"42": "b1", "43": "b2"}}, "board", "b1"),
        ({"board": {"43": "b2"}}, "board", None),
    ],
)
def test_what_was_chosen_or_else_the_default_holds(options, key, value):
    assert chosen(SPEC, Draft("Hello", options=options), ACME, key) == value


def test_an_option_that_the_platform_has_not_is_a_fault_of_ours():
    with pytest.raises(KeyError):
        chosen(SPEC, Draft("Hello"), ACME, "bord")


@pytest.mark.parametrize(
    ("options", "limits", "said"),
    [
        ({}, {}, Cause.OPTION_MISSING),
        ({"title": ""}, {}, Cause.OPTION_MISSING),
        ({"title": "Hello"}, {}, None),
        ({"title": "Hello there"}, {}, Cause.OPTION_TOO_LONG),
        ({"title": "Hi", "place": "wall"}, {}, Cause.OPTION_UNKNOWN),
        ({"title": "Hi", "board": {"42": "b1"}}, {}, None),
        ({"title": "Hi", "board": {"42": "b1"}}, {"boards": {"b1": "Tea"}}, None),
        (
            {"title": "Hi", "board": {"42": "b9"}},
            {"boards": {"b1": "Tea"}},
            Cause.OPTION_UNKNOWN,
        ),
        ({"title": "Hi", "tags": ["a", "b"]}, {}, None),
        ({"title": "Hi", "tags": ["a", "b", "c"]}, {}, Cause.OPTION_TOO_LONG),
    ],
)
def test_what_is_open_or_impossible_is_said_before_anything_is_sent(
    options, limits, said
):
    spec = replace(
        SPEC,
        options=(
            *SPEC.options,
            Option("title", "Title", OptionKind.TEXT, required=True, max_length=5),
            Option("tags", "Tags", OptionKind.LIST, max_length=2),
            Option(
                "cover",
                "Cover",
                OptionKind.TEXT,
                required=True,
                media=(MediaKind.VIDEO,),
            ),
        ),
    )
    found = option_findings(Draft("Hello", options=options), spec, ACME, limits)
    assert [finding.cause for finding in found] == ([said] if said else [])


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("2026-10-01", None),
        ("", None),
        ("2026-02-30", Cause.OPTION_UNKNOWN),
        ("1.10.2026", Cause.OPTION_UNKNOWN),
    ],
)
def test_a_day_has_to_be_one(typed, said):
    day = Option("day", "Day", OptionKind.DATE)
    spec = replace(SPEC, options=(day,))
    found = option_findings(Draft("Hello", options={"day": typed}), spec, ACME)
    assert [finding.cause for finding in found] == ([said] if said else [])
