"""What a person decides for one platform besides text, link and files."""

from dataclasses import replace

import pytest

from platforms import registry
from platforms.base import Draft, Identity, Option, OptionKind, chosen

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
