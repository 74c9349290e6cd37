"""The vectors of X's documentation and of its counting library's own conformance."""

import pytest

from platforms.x.weighted import find_urls, has_forbidden, known_tlds, weight

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
LONG_HOST = "randomurl" * 7 + "s.com"  # a label of 64 letters


@pytest.mark.trap("x", 10)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("This is a test.", 15),
        ("Hi http://test.co", 26),
        ("http://test.co", 23),
        ("Hello, world! 👋", 16),
        (f"H🐱☺{FAMILY}", 7),
        ("🙋🏽👨\u200d🎤", 4),
        ("1⃣", 2),
        ("漢" * 140, 280),
        ("漢" * 141, 282),
        ("https://www.twitter.com/aloha " * 10, 240),
        (LONG_HOST, 68),
        ("Test https://test.com test https://test.com test.com test", 86),
        ("file.txt", 8),
        ("🇩🇪🇫🇷", 4),
        ("🏳️\u200d🌈", 2),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 2),
        ("©", 1),
        ("©\ufe0f", 2),
        ("e\u0301", 1),  # one letter after normalisation
        ("“quoted” – and…", 14 + 2),  # the ellipsis is outside the light ranges
        ("저찀쯿쿿", 8),
    ],
)
def test_a_text_weighs_what_x_counts(text: str, expected: int) -> None:
    assert weight(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text http://foobar.com/#", ["http://foobar.com/#"]),
        ("(http://twitter.com", ["http://twitter.com"]),
        ("see http://twitter.com/.", ["http://twitter.com/"]),
        ("http://example.com/path.......", ["http://example.com/path"]),
        ("http://example.com/path/!!!!!!", ["http://example.com/path/"]),
        ("text http://somehost.com:3000", ["http://somehost.com:3000"]),
        (
            "http://en.wikipedia.org/wiki/Primer_(film)",
            ["http://en.wikipedia.org/wiki/Primer_(film)"],
        ),
        (
            "(see http://en.wikipedia.org/wiki/Primer)",
            ["http://en.wikipedia.org/wiki/Primer"],
        ),
        ("http://foo.com?#foo text", ["http://foo.com?#foo"]),
        ("text http://✪df.ws/ejp", ["http://✪df.ws/ejp"]),
        ("test http://xn--ls8h.XN--ls8h.la/", ["http://xn--ls8h.XN--ls8h.la/"]),
        ("test http://foobar.みんな/ b", ["http://foobar.みんな/"]),
        (
            "これは日本語です。example.com/path/index.html中国語example.com/path한국",
            ["example.com/path/index.html", "example.com/path"],
        ),
        ("http://twitter.com/Русские_слова", ["http://twitter.com/Русские_слова"]),
        ("test ELPAÍS.com", ["ELPAÍS.com"]),
        ("Try http:// example.com/path", ["example.com/path"]),
        ("http://t.co/pbY2NfTZ's website", ["http://t.co/pbY2NfTZ"]),
        ("foo.com foo.baz foo.co.jp foo.comm", ["foo.com", "foo.co.jp"]),
        ("a http://example.com?q=a.b, then", ["http://example.com?q=a.b"]),
    ],
)
def test_urls_are_found_where_x_finds_them(text: str, expected: list[str]) -> None:
    assert [span.url for span in find_urls(text)] == expected
    assert all(text[span.start : span.end] == span.url for span in find_urls(text))


@pytest.mark.parametrize(
    "text",
    [
        "#test.com @test.com #http://test.com @http://test.com #t.co/abcde @t.co/abcde",
        "$http://twitter.com $twitter.com $t.co $TVI.CA",
        "http://no-tld http://tld-too-short.x",
        "http://-twitter.com http://twitter-.com http://twitter_underscore.com",
        "http://domain-dash_2314352345_dfasd.foo-cow_4352.com",
        "long.test.tar.bz2 tar.bz2",
        "john.doe.gov@mail.com",
        "-example.com _example.com .example.com",
        "http://example.com/" + "a" * 4090,
        "https://" + LONG_HOST,
    ],
)
def test_what_only_looks_like_a_url_is_counted_as_text(text: str) -> None:
    assert find_urls(text) == []


def test_a_hostile_text_is_counted_in_bounded_work() -> None:
    text = "http://a.com/" + "(" * 20_000 + " " + "a." * 20_000 + "-_" * 20_000
    text += " http://" + "com." * 4_000 + "-x" + ".com" * 4_000
    assert weight(text) > 25_000


def test_code_points_that_x_refuses_are_found() -> None:
    assert has_forbidden("a\ufffeb")
    assert has_forbidden("\ufeffa")
    assert not has_forbidden("a👋")


def test_the_list_of_domains_comes_with_the_package() -> None:
    assert {"com", "jp", "рф", "xn--p1ai"} <= known_tlds()
    assert not {"txt", "bz2", "localhost"} & known_tlds()
