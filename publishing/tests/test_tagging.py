"""UTM parameters: where they go, what is left alone, and what stays the same post."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from platforms.base import Draft, Part
from publishing import tagging
from publishing.fingerprints import fingerprint

TAGS = {
    "params": {
        "utm_source": "{network}",
        "utm_medium": "social",
        "utm_campaign": "{campaign}",
        "utm_content": "{account}",
    },
    "hosts": ["acme.example"],
    "values": {"campaign": "spring"},
}
ACME = SimpleNamespace(handle="Acme Tools", name="Acme")
ADDED = "utm_source=x&utm_medium=social&utm_campaign=spring&utm_content=acme-tools"


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("https://acme.example", f"https://acme.example?{ADDED}"),
        ("https://www.acme.example/a", f"https://www.acme.example/a?{ADDED}"),
        (
            "https://shop.acme.example/?a=1#b",
            f"https://shop.acme.example/?a=1&{ADDED}#b",
        ),
        (
            "https://acme.example/?utm_source=mail&utm_content=top&utm_medium=m",
            "https://acme.example/?utm_source=mail&utm_content=top&utm_medium=m"
            "&utm_campaign=spring",
        ),
        # No site of theirs, though it looks like one.
        ("https://notacme.example/", "https://notacme.example/"),
        ("https://acme.example.org/", "https://acme.example.org/"),
        (
            "https://other.example/?to=acme.example",
            "https://other.example/?to=acme.example",
        ),
    ],
)
def test_only_links_to_own_sites_get_what_they_have_not(link, becomes):
    values = tagging.values_for(TAGS, "x", ACME)
    assert tagging.tag(link, TAGS, values) == becomes


def test_all_links_of_all_texts_get_them_and_the_text_stays():
    draft = Draft(
        "See https://acme.example/a, or (https://other.example).",
        link_url="https://acme.example/b",
        parts=(Part("More: https://acme.example/c!", ()),),
        first_comment="https://acme.example/d",
    )
    made = tagging.tagged(draft, TAGS, "x", ACME)
    assert (
        made.text == f"See https://acme.example/a?{ADDED}, or (https://other.example)."
    )
    assert made.link_url == f"https://acme.example/b?{ADDED}"
    assert made.parts[0].text == f"More: https://acme.example/c?{ADDED}!"
    assert made.first_comment == f"https://acme.example/d?{ADDED}"
    assert tagging.tagged(draft, {}, "x", ACME) is draft


def test_what_is_not_known_is_left_out():
    tags = {**TAGS, "hosts": [], "values": {}}
    made = tagging.tag(
        "https://any.example/", tags, tagging.values_for(tags, "x", None)
    )
    assert made == "https://any.example/?utm_source=x&utm_medium=social"


def test_names_become_what_statistics_can_read():
    assert tagging.plain("Frühling & Söhne  2026!") == "frühling-söhne-2026"
    value = tagging.tag(
        "https://acme.example/",
        {"params": {"utm_campaign": "{campaign}"}},
        {"campaign": "a b&c=d"},
    )
    assert value == "https://acme.example/?utm_campaign=a%20b%26c%3Dd"


def test_it_stays_the_same_post_to_those_who_read_it():
    draft = Draft("See https://acme.example/a?b=1#c", link_url="https://acme.example/")
    made = tagging.tagged(draft, TAGS, "x", ACME)
    assert fingerprint(made) == fingerprint(draft)
    other = Draft("See https://acme.example/a?b=2#c", link_url="https://acme.example/")
    assert fingerprint(made) != fingerprint(other)
