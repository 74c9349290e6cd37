"""Each trap of a platform has a test, and docs/traps.md names it."""

from __future__ import annotations

from textwrap import dedent

import pytest

from platforms import registry
from socialhub import traps

#: How many traps of each platform are known. Only here, so that none goes unnoticed.
KNOWN = {
    "ayrshare": 11,
    "bluesky": 15,
    "facebook": 15,
    "instagram": 14,
    "linkedin": 20,
    "mastodon": 15,
    "outstand": 9,
    "pinterest": 13,
    "snapchat": 10,
    "threads": 8,
    "tiktok": 17,
    "x": 16,
    "youtube": 18,
}


@pytest.fixture(scope="module")
def proved():
    return traps.proofs()


@pytest.mark.parametrize("slug", registry.PLATFORMS)
def test_each_trap_of_a_platform_has_a_test_and_each_mark_a_trap(slug, proved):
    listed = {(slug, number) for number in traps.listed(slug)}
    marked = {trap for trap in proved if trap[0] == slug}
    assert listed, "a new platform lists what is odd about it"
    assert not listed - marked, "no test has the mark of these"
    assert not marked - listed, f"platforms/{slug}/traps.py has none of these"


@pytest.mark.parametrize("slug", registry.PLATFORMS)
def test_the_traps_of_a_platform_are_numbered_without_a_gap(slug):
    assert list(traps.listed(slug)) == list(range(1, KNOWN[slug] + 1))


def test_no_mark_names_an_unknown_platform(proved):
    assert {slug for slug, _ in proved} <= set(registry.PLATFORMS)


def test_the_document_names_the_tests_that_there_are(proved):
    written = traps.FILE.read_text(encoding="utf-8")
    assert written == traps.page(proved), "run `manage.py write_coverage`"


def test_marks_of_a_test_and_of_its_parameters_are_read():
    source = """
        @pytest.mark.trap("x", 1)
        @pytest.mark.trap("tiktok", 2)
        def test_one(): ...

        @pytest.mark.parametrize(
            "row", [1, pytest.param(2, marks=pytest.mark.trap("x", 3))]
        )
        def test_two(row): ...

        @pytest.mark.trap("x", 4)
        def no_test(): ...
    """
    assert list(traps.marks(dedent(source))) == [
        ("test_one", ("x", 1)),
        ("test_one", ("tiktok", 2)),
        ("test_two", ("x", 3)),
    ]


@pytest.mark.parametrize("mark", ['"x"', '"x", "3"', "slug, 3", '"x", number=3'])
def test_a_mark_that_would_be_overlooked_is_refused(mark):
    with pytest.raises(SyntaxError, match=r"test_a\.py:1"):
        list(
            traps.marks(f"@pytest.mark.trap({mark})\ndef test_one(): ...", "test_a.py")
        )
