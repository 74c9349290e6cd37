"""Every page is measured by `bench pages`, or stands in a list that says why not."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from socialhub.drills import history, page_list
from socialhub.drills.page_rows import Size, World
from socialhub.drills.pages_bench import Visitors


def test_each_address_is_a_page_of_the_bench_or_has_a_reason_to_be_none():
    measured = {name for name in page_list.SHELL if not name.startswith("admin:")}
    assert not measured & set(page_list.NOT_PAGES)
    assert page_list.names() == measured | set(page_list.NOT_PAGES)
    assert all(page_list.NOT_PAGES.values())


@pytest.fixture
def world(db, monkeypatch):
    monkeypatch.setattr(history, "vacuum", lambda: None)  # not inside a transaction
    made = World()
    made.grow(Size(accounts=40, deliveries=60, posts=40))
    return made


#: Pages of ours that ask as many questions of many rows as of few, as the admin's do.
COUNTED = {
    "calendar",
    "calendar_posts",
    "calendar_day",
    "failure_desk",
    "post_list",
    "queue_list",
    "queue_new",
    "queue_shuffle",
    "stop_list",
}
#: Of today, on which the few may have nothing: then there is nothing to ask about.
OFTEN_EMPTY = {"calendar_day"}
#: Calendars show the first of each cell. What a stop holds and a thread that ended halfway
#: have a question of their own, where a card shows one: which do depends on the hour.
OF_SOME_CARDS = 2
#: Those of them that tell more than 20 questions' worth.
ASK_MORE = {"calendar plain=1", "post_list tab=upcoming&status=at_risk"}


def queries(visitors):
    """name -> how many, of each page of the admin and of COUNTED."""
    numbers = {}
    for page in page_list.addresses():
        if page.name.startswith("admin:") or page.name.split()[0] in COUNTED:
            with CaptureQueriesContext(connection) as caught:
                visitors.ask(page)
            numbers[page.name] = len(caught)
    return numbers


def test_each_page_opens_in_the_world_of_the_bench(world, settings):
    settings.PRACTICE_NETWORK_URL = ""
    found = page_list.addresses()
    assert len({page.name for page in found}) == len(found)
    visitors = Visitors(world)
    for page in found:
        assert visitors.ask(page).content, page
    for model in admin.site._registry:
        assert model._default_manager.exists(), model

    few = queries(visitors)
    world.grow(Size(accounts=80, deliveries=120, posts=80))
    many = queries(visitors)
    more = {
        name: (few[name], n)
        for name, n in many.items()
        if n > few[name] + OF_SOME_CARDS * name.startswith("calendar")
    }
    assert {name: more[name] for name in more.keys() - OFTEN_EMPTY} == {}
    assert {name for name, n in many.items() if n > 20} <= ASK_MORE
