from __future__ import annotations

import pytest

from platforms.text import (
    find_urls,
    graphemes,
    is_web_link,
    tidy,
    utf8_bytes,
    web_host,
    with_link,
)


@pytest.mark.parametrize(
    ("text", "characters", "size"),
    [
        ("", 0, 0),
        ("abc", 3, 3),
        ("é", 1, 2),
        ("e\u0301", 1, 3),
        ("👩‍👩‍👧‍👦", 1, 25),
        ("🇩🇪🇫🇷", 2, 16),
        ("👍🏽", 1, 8),
        ("한국어", 3, 9),
        ("각", 1, 3),
        ("a\nb", 3, 3),
    ],
)
def test_characters_are_counted_as_people_see_them(
    text: str, characters: int, size: int
) -> None:
    assert (graphemes(text), utf8_bytes(text)) == (characters, size)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("no address", []),
        ("see https://acme.example/a.", ["https://acme.example/a"]),
        ("(https://acme.example/a)", ["https://acme.example/a"]),
        ("https://acme.example/a_(b), ok", ["https://acme.example/a_(b)"]),
        ("HTTP://ACME.example?!", ["HTTP://ACME.example"]),
        (
            "https://a.example https://b.example/x?y=1#z…",
            ["https://a.example", "https://b.example/x?y=1#z"],
        ),
        ('<a href="https://acme.example/x">', ["https://acme.example/x"]),
        ("https:// nothing", []),
        ("xhttps://acme.example", []),
        ("https://münchen.example/straße", ["https://münchen.example/straße"]),
    ],
)
def test_addresses_end_where_a_reader_would_end_them(
    text: str, urls: list[str]
) -> None:
    spans = find_urls(text)
    assert [s.value for s in spans] == urls
    assert [text[s.start : s.end] for s in spans] == urls


def test_a_link_becomes_the_last_paragraph_once() -> None:
    link = "https://acme.example/1"
    assert with_link(" Hello\r\nyou ", link) == f"Hello\nyou\n\n{link}"
    assert with_link(f"Look: {link}!", link) == f"Look: {link}!"
    assert with_link("Look: https://acme.example/12", link).endswith(f"\n\n{link}")
    assert with_link("", link) == link
    assert with_link("Hello", "") == "Hello"


def test_tidy_keeps_inner_lines() -> None:
    assert tidy("\r\n a\r\n\r\nb\r") == "a\n\nb"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://acme.example", True),
        ("http://acme.example/x", True),
        ("acme.example", False),
        ("ftp://acme.example", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://acme example", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_web_addresses_are_links(link: str, expected: bool) -> None:
    assert is_web_link(link) is expected


def test_the_host_stands_for_a_page_without_title() -> None:
    assert web_host("https://www.acme.example/x") == "acme.example"
    assert web_host("nothing") == ""
    assert web_host("https://[::1") == ""
