"""Figures and comments of a post that is out, and an answer, through the real clusters."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from json import dumps, loads
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SETUP = """
import django, json
django.setup()
from django.contrib.auth import get_user_model
from django.utils import timezone
from accounts.models import Brand, ConnectedAccount
from monitoring import collecting
from monitoring.models import MetricSnapshot
from publishing.models import Delivery, Post, schedule
now = timezone.now()
"""
PUBLISH = """
brand = Brand.objects.get(name="Acme")
account = ConnectedAccount.objects.filter(brand=brand, platform="mastodon").last()
author = get_user_model().objects.get(username="mara")
post = Post.objects.create(brand=brand, author=author, text="Bread is out today",
    due_at=now, useful_until=now + timezone.timedelta(hours=2))
post.accounts.set([account])
(row,) = schedule(post, [account])
print(json.dumps(row.pk))
"""
LOOK = """
row = Delivery.objects.get(pk={pk})
print(json.dumps([row.status, row.external_id, row.post_id]))
"""
#: As if it had been read an hour ago, for a line needs two points.
EARLIER = """
collecting.take_up(now)
MetricSnapshot.objects.create(delivery_id={pk}, at=now - timezone.timedelta(hours=1),
    values={{"likes": 1, "shares": 0, "comments": 0}})
print(json.dumps("done"))
"""
#: As if it had been out for longer: then there is something to compare by age.
OLDER = """
Delivery.objects.filter(pk={pk}).update(published_at=now - timezone.timedelta(hours=30))
for hours, likes in ((29, 1), (20, 3)):
    MetricSnapshot.objects.create(delivery_id={pk}, values={{"likes": likes}},
        at=now - timezone.timedelta(hours=hours))
print(json.dumps("done"))
"""
PATIENCE_S = 90


def until(work: Callable[[], bool]) -> None:
    """A busy machine may need its time; the condition decides."""
    end = time.monotonic() + PATIENCE_S
    while not work():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.5)


def comment_as_reader(site: Any, post: str) -> None:
    body = {"platform": "mastodon", "post": post, "by": "Riley Reader"}
    request = urllib.request.Request(
        f"{site.practice}/api/comments",
        dumps({**body, "text": "Do you have rye?", "under": ""}).encode(),
        {"Content-Type": "application/json", "X-Practice": "1"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert loads(answer.read())["id"]


def test_figures_and_a_comment_are_read_and_answered(
    visit: Callable[..., Page],
    connected: None,
    site: Any,
    inspect: Callable[[Page, str], None],
) -> None:
    pk = site.rows(SETUP + PUBLISH)
    until(lambda: site.rows(SETUP + LOOK.format(pk=pk))[0] == "published")
    _status, number, post = site.rows(SETUP + LOOK.format(pk=pk))
    comment_as_reader(site, number)
    site.rows(SETUP + EARLIER.format(pk=pk))

    mara = visit("mara")
    mara.goto(f"/deliveries/{pk}/")
    figures = mara.get_by_role("region", name="Figures", exact=True)
    expect(figures).to_contain_text("Figures have not been read yet.")
    mara.get_by_role("button", name="Read again now").press("Enter")
    comments = mara.get_by_role("region", name="Comments on Mastodon")

    def shows(words: str) -> bool:
        mara.reload()
        return words in comments.inner_text()

    until(lambda: shows("Do you have rye?"))
    expect(figures).to_contain_text("Reactions")
    expect(figures).not_to_contain_text("Shown")  # Mastodon counts no views
    expect(mara.get_by_role("img", name="What people did")).to_be_visible()

    comments.get_by_role("link", name="Answer").press("Enter")
    mara.get_by_label("Answer", exact=True).fill("long " * 120)
    mara.get_by_role("button", name="Send the answer").click()
    expect(mara.get_by_role("main")).to_contain_text("500")
    expect(mara.get_by_label("Answer", exact=True)).to_have_value("long " * 120)
    inspect(mara, "comment-answer")
    mara.get_by_label("Answer", exact=True).fill("Yes, from eight o'clock on.")
    mara.get_by_role("button", name="Send the answer").click()
    expect(mara.get_by_role("status")).to_contain_text("The answer leaves in a moment.")
    until(lambda: shows("Sent"))
    expect(comments).to_contain_text("Yes, from eight o'clock on.")
    inspect(mara, "delivery-answered")

    site.rows(SETUP + OLDER.format(pk=pk))
    mara.goto(f"/posts/{post}/")
    chart = mara.get_by_role("img", name="What people did, by the age of the post")
    expect(chart).to_be_visible()
    table = mara.get_by_role("region", name="Figures", exact=True)
    expect(table.get_by_role("row").last).to_contain_text("Read")
    inspect(mara, "post-figures")

    mara.get_by_role("link", name="Delete at Mastodon").press("Enter")
    inspect(mara, "delete-there")
    mara.get_by_role("button", name="Delete at Mastodon").click()
    removal = mara.get_by_role("region", name="Live at the platforms")

    def is_deleted() -> bool:
        mara.reload()
        return "Deleted at Mastodon by" in removal.inner_text()

    until(is_deleted)
    expect(mara.get_by_role("main")).to_contain_text("Deleted at the platform")
    inspect(mara, "delivery-deleted-there")
