"""Lists that are not counted to their end can still be read to their end."""

from __future__ import annotations

import pytest
from django.urls import reverse

from publishing import long_lists
from publishing.long_lists import in_words, leaf


@pytest.mark.parametrize(
    ("wanted", "number", "rows"),
    [
        (None, 1, [0, 1]),
        ("2", 2, [2, 3]),
        ("3", 3, [4]),
        ("9", 3, [4]),
        ("0", 1, [0, 1]),
        ("-1", 1, [0, 1]),
        ("x", 1, [0, 1]),
        ("9" * 30, 1, [0, 1]),
    ],
)
def test_a_list_that_is_counted_has_a_last_page(wanted, number, rows):
    page = leaf(list(range(5)), 5, 2, wanted)
    assert (page.number, page.rows, page.last) == (number, rows, 3)
    assert page.has_next == (number < 3)


def test_a_list_beyond_what_is_counted_goes_on_to_its_end(monkeypatch):
    monkeypatch.setattr(long_lists, "MOST_COUNTED", 3)
    rows = list(range(7))
    seen, number = [], 1
    while number:
        page = leaf(rows, 4, 2, str(number))
        seen += page.rows
        assert page.last is None
        number = page.next_number if page.has_next else 0
    assert seen == rows
    assert leaf(rows, 4, 2, "50").number == 1
    assert (in_words(3), in_words(4)) == ("3", "3+")


def test_an_empty_list_is_one_page():
    page = leaf([], 0, 2, "4")
    assert (page.number, page.rows, page.last) == (1, [], 1)
    assert not page.is_one_of_many


@pytest.mark.django_db
def test_the_list_of_posts_says_that_there_are_more_and_leads_to_them(
    client, author, make_account, make_delivery, monkeypatch
):
    monkeypatch.setattr(long_lists, "MOST_COUNTED", 2)
    monkeypatch.setattr("publishing.views.PAGE_SIZE", 2)
    account = make_account("x")
    for _ in range(4):
        make_delivery(account)
    client.force_login(author)
    page = client.get(reverse("post_list"), {"tab": "all"})
    text = page.content.decode()
    counts = {tab.key: tab.count_words for tab, _ in page.context["tabs"]}
    assert counts["all"] == "2+"
    assert "Page 1<" in text
    assert "page=2" in text
    second = client.get(reverse("post_list"), {"tab": "all", "page": "2"})
    shown = [
        row.delivery.pk for row in (*page.context["rows"], *second.context["rows"])
    ]
    assert len(set(shown)) == 4
    assert "page=3" not in second.content.decode()
