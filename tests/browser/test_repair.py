"""The failure desk's bulk repair, as a reviewer meets it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

FAILED = """
import django, json
django.setup()
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from accounts.models import Brand, ConnectedAccount
from publishing.models import Delivery, Post, schedule
now = timezone.now()
brand = Brand.objects.get(name="Acme")
account = ConnectedAccount.objects.filter(brand=brand, platform="mastodon").last()
author = get_user_model().objects.get(username="mara")
for text, hours in (("Bread of the week", 1), ("Cake of the week", 1), ("Old news", 30)):
    due = now - timedelta(hours=hours)
    post = Post.objects.create(brand=brand, author=author, text=text, due_at=due,
        useful_until=due + timedelta(hours=2))
    post.accounts.set([account])
    (row,) = schedule(post, [account])
    Delivery.objects.filter(pk=row.pk).update(status="failed", cause="timed_out",
        outcome="transient", next_attempt_at=None, failed_at=now)
live = Post.objects.create(brand=brand, author=author, text="Proven", due_at=now,
    useful_until=now + timedelta(hours=2))
live.accounts.set([account])
(row,) = schedule(live, [account])
Delivery.objects.filter(pk=row.pk).update(status="published", external_id="1789",
    permalink="https://example.com/1789", published_at=now, next_attempt_at=None)
row.attempts.create(number=1, outcome="published", request_id="r-1", closed_at=now)
print(json.dumps(row.get_absolute_url()))
"""


def test_a_reviewer_repairs_many_at_once(
    visit: Callable[..., Page],
    connected: None,
    site: Any,
    inspect: Callable[[Page, str], None],
) -> None:
    proven = site.rows(FAILED)
    rhea = visit("rhea")
    rhea.goto("/desk/")
    group = rhea.get_by_role("region").filter(has_text="Bread of the week")
    group.get_by_role("button", name=re.compile("^Choose what to do")).click()
    main = rhea.get_by_role("main")
    expect(main).to_contain_text("2 posts would go out")
    expect(main).to_contain_text("1 is past its useful time and is left out")
    expect(
        rhea.get_by_role("checkbox", name=re.compile("^Old news"))
    ).not_to_be_checked()
    inspect(rhea, "desk-repair")

    # What is missing is said at its field; the choice and the words stay.
    rhea.get_by_role("checkbox", name=re.compile("^Cake")).uncheck()
    rhea.get_by_label("Person").select_option(label="Rhea Reviewer")
    rhea.get_by_role("button", name="Dismiss what is chosen").click()
    expect(main).to_contain_text("This field is required.")
    expect(rhea.get_by_role("checkbox", name=re.compile("^Cake"))).not_to_be_checked()
    chosen = rhea.get_by_label("Person").locator("option:checked")
    expect(chosen).to_have_text("Rhea Reviewer")
    rhea.get_by_role("button", name="Assign what is chosen").press("Enter")
    expect(rhea.get_by_role("status")).to_contain_text("1 post is assigned.")
    rhea.get_by_role("link", name=re.compile("^Mine")).click()
    expect(main).to_contain_text("with Rhea Reviewer")
    expect(main).not_to_contain_text("Cake of the week")
    inspect(rhea, "desk-mine")

    rhea.get_by_role("link", name="Bread of the week").click()
    rhea.get_by_label("Comment for your colleagues").fill("Asked the agency")
    rhea.get_by_role("button", name="Comment", exact=True).click()
    expect(rhea.get_by_role("region", name="Who looks after it")).to_contain_text(
        "Asked the agency"
    )
    inspect(rhea, "delivery-care")

    rhea.goto(proven)
    expect(rhea.get_by_role("region", name="Proof of publication")).to_contain_text(
        "r-1"
    )
    inspect(rhea, "delivery-proof")

    # The others leave the desk, so that the next reader finds it tidy.
    rhea.goto("/desk/")
    group = rhea.get_by_role("region").filter(has_text="Bread of the week")
    group.get_by_role("button", name=re.compile("^Choose what to do")).click()
    for box in rhea.get_by_role("checkbox", name=re.compile("of the week|^Old")).all():
        box.check()
    rhea.get_by_label("Reason").fill("The week is over")
    rhea.get_by_role("button", name="Dismiss what is chosen").click()
    expect(rhea.get_by_role("status")).to_contain_text(
        "3 posts are taken off the desk."
    )
