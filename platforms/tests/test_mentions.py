"""Names with an @: what becomes a link on which platform, and what is said of the rest."""

import re

import pytest

from platforms import mentions, parts, registry
from platforms.base import Draft, Level, Part
from platforms.errors import Cause

TEXT = "Hi @ana, @ana.bsky.social and @ana@mastodon.example; me@acme.example, x.co/@ana"


def plain(slug: str, text: str = TEXT) -> list[str]:
    found = parts.check(registry.platform(slug), Draft(text))
    told = [one for one in found if one.cause is Cause.MENTION_PLAIN]
    assert all(one.level is Level.WARNING for one in told)
    return [name for one in told for name in one.values["names"].split(", ")]


@pytest.mark.parametrize(
    ("slug", "stay"),
    [
        ("mastodon", ["@ana", "@ana.bsky.social"]),
        ("bluesky", ["@ana", "@ana@mastodon.example"]),
        ("x", ["@ana.bsky.social", "@ana@mastodon.example"]),
        ("linkedin", ["@ana", "@ana.bsky.social", "@ana@mastodon.example"]),
        ("facebook", ["@ana", "@ana.bsky.social", "@ana@mastodon.example"]),
        ("threads", ["@ana@mastodon.example"]),
        ("tiktok", []),
    ],
)
def test_names_that_become_no_link_are_said(slug: str, stay: list[str]) -> None:
    assert plain(slug) == stay


def test_a_mention_that_linkedin_understands_is_no_finding() -> None:
    assert plain("linkedin", "Thanks @[Acme Tools](urn:li:organization:12)") == []


def test_each_part_of_a_thread_is_looked_at() -> None:
    draft = Draft("One", parts=(Part("Two @ana@mastodon.example"),))
    (found,) = [
        one
        for one in parts.check(registry.platform("x"), draft)
        if one.cause is Cause.MENTION_PLAIN
    ]
    assert found.part == 2


def test_what_is_known_of_a_name_is_used_and_nothing_else() -> None:
    spec = registry.spec("bluesky")
    text = "@ana.bsky.social @bo.bsky.social @cy.bsky.social"
    known = {mentions.KNOWN: {"ana.bsky.social": "did:plc:a", "bo.bsky.social": ""}}
    (found,) = mentions.findings(spec, text, known)
    assert found.cause is Cause.MENTION_NOBODY
    assert found.values["names"] == "@bo.bsky.social"


def test_rules_are_patterns_with_a_sentence() -> None:
    for spec in registry.all_specs():
        if spec.mentions is not None:
            re.compile(spec.mentions.links)
            assert spec.mentions.how.endswith(".")
