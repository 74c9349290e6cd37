import pytest

from platforms.linkedin.little_text import (
    RESERVED,
    as_read,
    escape,
    length,
    normalise,
    unescape,
)
from platforms.linkedin.twin_text import parse


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Launch day (finally) #launch", r"Launch day \(finally\) #launch"),
        ("a_b * c ~ d | e", r"a\_b \* c \~ d \| e"),
        ("mail me@acme.example <now>", r"mail me\@acme.example \<now\>"),
        (r"back\slash", r"back\\slash"),
        ("C# and a#b and # alone", r"C\# and a\#b and \# alone"),
        ("#snake_case", r"#snake\_case"),
        ("https://acme.example/a#part", r"https://acme.example/a\#part"),
        ("(#inside)", r"\(#inside\)"),
        ("#1st #ñandú", "#1st #ñandú"),
        ("two\nlines", "two\nlines"),
        ("@[Acme](urn:li:share:1)", r"\@\[Acme\]\(urn:li:share:1\)"),
    ],
)
def test_reserved_characters_are_escaped_and_hashtags_kept(
    text: str, escaped: str
) -> None:
    assert escape(text) == escaped
    assert unescape(escaped) == text


def test_a_mention_is_kept_and_its_name_escaped() -> None:
    text = "Hi (@[A_B (Ltd)](urn:li:organization:12)) and @[Z](urn:li:person:z-9_)"
    escaped = escape(text)
    assert escaped == (
        r"Hi \(@[A\_B \(Ltd\)](urn:li:organization:12)\) and @[Z](urn:li:person:z-9_)"
    )
    assert as_read(text) == "Hi (A_B (Ltd)) and Z"
    assert unescape(escaped) == as_read(text)
    read = parse(escaped)  # as the practice network reads it
    assert (read.shown, read.was_cut) == (as_read(text), False)


@pytest.mark.trap("linkedin", 2)
def test_no_reserved_character_stands_bare() -> None:
    text = RESERVED + RESERVED[::-1]
    assert escape(text) == "".join("\\" + char for char in text)
    assert unescape(escape(text)) == text


@pytest.mark.parametrize(
    ("commentary", "plain"),
    [
        (r"Day {hashtag|\#|launch} \(1\)", "Day #launch (1)"),
        ("Thanks @[Acme Tools](urn:li:organization:1234567)", "Thanks Acme Tools"),
        (r"a  b\_c ", "a b_c"),
        ("e\u0301", "é"),
    ],
)
def test_what_linkedin_returns_is_read_as_the_reader_sees_it(
    commentary: str, plain: str
) -> None:
    assert normalise(commentary) == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("abc", 3), ("(a)", 5), ("👋", 2), ("#tag", 4), ("\\", 2)],
)
def test_length_counts_backslashes_and_utf16_units(text: str, expected: int) -> None:
    assert length(text) == expected
