"""What is the same on all pages is joined, and nothing else."""

from __future__ import annotations

import pytest
from django.template import Context, Engine
from django.urls import NoReverseMatch, clear_script_prefix, set_script_prefix
from django.utils import translation

from socialhub.template_loader import Joined, Loader

PAGES = {
    "row.html": (
        "{% load i18n %}<td data-label=\"{% translate 'Time' %}\">"
        "{% if shown %}<b>{% translate 'State' %}</b>{% else %}"
        "{% translate 'Text' %}!{% endif %}{{ value }}</td>"
    ),
    "base.html": "{% load i18n %}<p>{% translate 'Time' %}</p>{% block a %}{% endblock %}",
    "page.html": (
        "{% extends 'base.html' %}{% load i18n %}"
        "{% block a %}<i>{% translate 'Text' %}</i>{{ value }}{% endblock %}"
    ),
    "address.html": "<a href=\"{% url 'home' %}\">{{ value }}</a>",
    "key.html": "<a href=\"{% url 'post_detail' value %}\">",
    "word.html": "{% load i18n %}<p>{% translate value %}</p>",
    "kept.html": "{% load i18n %}<p>{% translate 'Time' as kept %}{{ kept }}</p>",
    "loop.html": "{% load i18n %}{% for n in value %}<i>{% translate 'Time' %}{% endfor %}",
    "silent.html": "{% load i18n %}",
}


@pytest.fixture
def render():
    inner = [("django.template.loaders.locmem.Loader", PAGES)]
    engine = Engine(
        loaders=[("socialhub.template_loader.Loader", inner)],
        libraries={"i18n": "django.templatetags.i18n"},
    )
    assert isinstance(engine.template_loaders[0], Loader)

    def in_words(name: str, **values: object) -> str:
        return engine.get_template(name).render(Context(values))

    in_words.engine = engine
    return in_words


def test_each_language_gets_its_own_words(render):
    for _turn in range(2):
        assert (
            render("row.html", shown=True, value=1)
            == '<td data-label="Time"><b>State</b>1</td>'
        )
        with translation.override("de"):
            assert render("row.html", value=1) == '<td data-label="Uhrzeit">Text!1</td>'


def test_blocks_of_pages_that_extend_another_are_joined_too(render):
    with translation.override("de"):
        assert render("page.html", value="x") == "<p>Uhrzeit</p><i>Text</i>x"


def test_an_address_follows_the_prefix_under_which_the_site_stands(render):
    assert render("address.html", value=1) == '<a href="/">1</a>'
    set_script_prefix("/hub/")
    try:
        assert render("address.html", value=1) == '<a href="/hub/">1</a>'
    finally:
        clear_script_prefix()
    assert render("address.html", value=1) == '<a href="/">1</a>'


def test_an_address_of_a_row_is_as_django_says_it(render):
    for _turn in range(2):
        assert render("key.html", value=7) == '<a href="/posts/7/">'
        assert render("key.html", value="7") == '<a href="/posts/7/">'
    set_script_prefix("/a&b/")
    try:
        assert render("key.html", value=7) == '<a href="/a&amp;b/posts/7/">'
    finally:
        clear_script_prefix()
    for wrong in ("", "x", None, True, 7.0):
        with pytest.raises(NoReverseMatch):
            render("key.html", value=wrong)


def test_what_depends_on_the_page_is_made_for_each(render):
    assert render("key.html", value=1) != render("key.html", value=2)
    assert render("word.html", value="Time") == "<p>Time</p>"
    assert render("word.html", value="Other") == "<p>Other</p>"
    with translation.override("de"):
        assert render("word.html", value="Time") == "<p>Uhrzeit</p>"
    assert render("kept.html") == "<p>Time</p>"


def test_a_row_of_a_loop_is_one_piece(render):
    assert render("loop.html", value="ab") == "<i>Time<i>Time"
    (loop,) = render.engine.get_template("loop.html").nodelist
    assert [type(node) for node in loop.nodelist_loop] == [Joined]


def test_tags_that_say_nothing_leave_nothing_behind(render):
    assert render("silent.html") == ""
    assert not render.engine.get_template("silent.html").nodelist
