"""How a post is called."""

from __future__ import annotations

import pytest
from django.utils.text import Truncator

from publishing.models import Post

LONG = "A long text that goes on, and on, and on, until nobody reads it. "


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Short",
        "x" * 60,
        "x" * 61,
        LONG * 3,
        "ä" * 70,
        "ä" * 70,
        "é" * 20,
        "कि" * 70,
        "👩‍💻" * 40,
        "y" * 59 + "ọ̈" * 5,
    ],
)
def test_a_post_is_called_by_its_first_words_as_django_would_cut_them(text):
    called = str(Post(text=text, link_url=""))
    assert called == Truncator(text or "Post").chars(60)
    assert str(Post(text="", link_url=f"https://x.example/{text}")).startswith("https")
