"""After writing: an emergency stop, the same post twice, the failure desk in
bulk, figures, comments and answers."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable
from json import dumps, loads
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.guide import (
    BLUESKY,
    MASTODON,
    account_box,
    load_until,
    row_of,
    schedule_button,
    wait_for_state,
    write,
)

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]
REASON = "The photo shows a competitor's shop. Wait for the new one."


def banner(page: Page) -> Any:
    return page.get_by_role("region", name="Emergency stop")


def start_stop(page: Page, what: str, reason: str) -> None:
    """On the page "Emergency stop", with the look before it."""
    page.get_by_label("What to stop").select_option(label=what)
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Show what it holds").click()
    page.get_by_role("button", name="Stop publishing now").click()
    expect(page.get_by_role("status")).to_contain_text("is stopped")


def end_stop(page: Page) -> None:
    """From any page, by the banner."""
    banner(page).get_by_role("link", name="End it").first.click()
    page.get_by_role("button", name="End the stop").click()
    expect(page.get_by_role("status")).to_contain_text("The stop has ended")


def test_a_stop_holds_what_is_due_and_a_person_lets_it_out(
    visit: Visit, connected: None, inspect: Inspect
) -> None:
    mara, ada = visit("mara"), visit("ada")
    mara.goto("/calendar/")
    mara.get_by_role("link", name="Emergency stop").last.click()
    expect(mara.get_by_role("heading", level=1)).to_have_text("Emergency stop")
    inspect(mara, "stop")
    # A reason is required, and what was chosen stays.
    mara.get_by_label("What to stop").select_option(label="Acme Tools (Mastodon)")
    mara.get_by_label("Reason").fill(" ")
    mara.get_by_role("button", name="Show what it holds").click()
    expect(mara.get_by_role("main")).to_contain_text("This field is required.")
    chosen = mara.get_by_label("What to stop").locator("option:checked")
    expect(chosen).to_have_text("Acme Tools (Mastodon)")
    mara.get_by_label("Reason").fill(REASON)
    mara.get_by_role("button", name="Show what it holds").click()
    expect(mara.get_by_role("main")).to_contain_text("Nothing is due in the next 24")
    inspect(mara, "stop-confirm")
    mara.get_by_role("button", name="Stop publishing now").click()
    expect(banner(mara)).to_contain_text("Publishing to Acme Tools (Mastodon)")
    inspect(mara, "stop-running")

    for path in (
        "/",
        "/accounts/",
        "/posts/new/",
        "/admin/",
        "/admin/publishing/stop/",
    ):
        ada.goto(path)
        expect(banner(ada)).to_contain_text(REASON)
        expect(banner(ada)).to_contain_text("by Mara Marketing")
    inspect(ada, "admin-while-stopped")

    mara.goto("/posts/new/")
    account_box(mara, MASTODON).check()
    mara.get_by_label("Text for all networks").fill("Our new shop")
    checks = mara.get_by_role("region", name="Checks")
    # Also the answer to the last key: leaving before it comes would be a fault.
    expect(checks).to_contain_text("12 / 500 characters")
    expect(checks).to_contain_text("Will be held: publishing is stopped")
    inspect(mara, "compose-while-stopped")
    held = write(mara, "Our new shop opens", MASTODON)
    second = write(mara, "Our second shop opens", MASTODON)
    wait_for_state(mara, held, MASTODON, "Held")
    wait_for_state(mara, second, MASTODON, "Held")
    elsewhere = write(mara, "Not stopped here", BLUESKY)
    wait_for_state(mara, elsewhere, BLUESKY, "Published")
    mara.goto(held)
    row_of(mara, MASTODON).get_by_role("link", name="Details").click()
    expect(mara.get_by_role("main")).to_contain_text(f"Reason: {REASON}")
    inspect(mara, "delivery-stopped")
    mara.goto("/desk/")
    expect(mara.get_by_role("link", name="Show the stop")).to_be_visible()
    inspect(mara, "desk-stopped")
    mara.goto("/calendar/?view=week")
    inspect(mara, "calendar-stopped")

    banner(mara).get_by_role("link", name="End it").click()
    expect(mara.get_by_role("main")).to_contain_text("2 held posts stay held")
    inspect(mara, "stop-end")
    mara.get_by_role("button", name="End the stop").click()
    expect(mara.get_by_role("heading", level=1)).to_contain_text("Held by a stop")
    expect(banner(mara)).to_have_count(0)
    expect(mara.get_by_role("main")).to_contain_text("2 posts would go out")
    # The second one stays.
    mara.get_by_role("checkbox", name=re.compile("^Our second shop")).uncheck()
    mara.get_by_role("button", name="Show the times again").click()
    expect(mara.get_by_role("main")).to_contain_text("1 post would go out")
    inspect(mara, "held-posts")
    mara.get_by_role("button", name="Send what is chosen").click()
    expect(mara.get_by_role("status")).to_contain_text("1 post goes out")
    wait_for_state(mara, held, MASTODON, "Published")
    mara.goto("/held/")
    expect(mara.get_by_role("main")).to_contain_text("1 held post")
    mara.get_by_role("button", name="Cancel what is chosen").click()
    expect(mara.get_by_role("alert")).to_contain_text("Cancel 1 post?")
    inspect(mara, "held-posts-cancel")
    mara.get_by_role("button", name="Yes, cancel").click()
    expect(mara.get_by_role("status")).to_contain_text("1 post is cancelled")
    expect(mara.get_by_role("main")).to_contain_text("No post is held by a stop.")
    inspect(mara, "held-posts-none")


def test_a_stop_of_everything_is_seen_by_all_and_ended_by_an_admin(
    visit: Visit, connected: None, inspect: Inspect
) -> None:
    ada, sten = visit("ada"), visit("sten")
    ada.goto("/stop/")
    start_stop(ada, "Everything, on all platforms", "A storm")
    inspect(ada, "stop-everything")
    sten.goto("/")
    expect(banner(sten)).to_contain_text("All publishing is stopped: A storm")
    banner(sten).get_by_role("link", name="End it").click()
    expect(sten.get_by_role("main")).to_contain_text("An admin can end it.")
    expect(sten.get_by_role("button", name="End the stop")).to_have_count(0)
    ada.goto("/")
    end_stop(ada)
    sten.goto("/")
    expect(banner(sten)).to_have_count(0)


def test_the_same_post_asks_before_it_goes_twice(
    visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara")
    first = write(page, "Open on Sunday", BLUESKY)
    wait_for_state(page, first, BLUESKY, "Published")
    page.goto("/posts/new/")
    account_box(page, BLUESKY).check()
    page.get_by_label("Text for all networks").fill("Open  on Sunday")
    page.get_by_role("radio", name="Now").check()
    checks = page.get_by_role("region", name="Checks")
    expect(checks).to_contain_text("The same post for Acme Tools, by Mara Marketing")
    expect(schedule_button(page)).to_be_disabled()
    inspect(page, "compose-twice")
    page.get_by_role("checkbox", name="Send it all the same").check()
    expect(schedule_button(page)).to_be_enabled()
    schedule_button(page).click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    wait_for_state(page, page.url, BLUESKY, "Published")


def test_a_repeat_that_nobody_allowed_waits_for_a_yes(
    visit: Visit, connected: None, site: Any, inspect: Inspect
) -> None:
    page = visit("mara")
    first = write(page, "Open on Monday", BLUESKY)
    wait_for_state(page, first, BLUESKY, "Published")
    # Two people in two tabs: each composer saw the other's post not yet.
    second = site.rows(
        "import django; django.setup()\n"
        "import json\n"
        "from datetime import timedelta\n"
        "from django.utils import timezone\n"
        "from publishing.models import Delivery, Post, schedule\n"
        f"old = Post.objects.get(pk={first.rstrip('/').rsplit('/', 1)[1]})\n"
        "account = old.deliveries.get().account\n"
        "now = timezone.now()\n"
        "new = Post.objects.create(brand=old.brand, author=old.author, text=old.text,"
        " due_at=now, useful_until=now + timedelta(hours=2))\n"
        "new.accounts.add(account)\n"
        "schedule(new, [account])\n"
        "print(json.dumps(new.get_absolute_url()))"
    )
    wait_for_state(page, second, BLUESKY, "Held")
    page.goto("/desk/")
    inspect(page, "desk-twice")
    page.goto(second)
    row_of(page, BLUESKY).get_by_role("link", name="Decide").click()
    expect(page.get_by_role("main")).to_contain_text("Where it was said")
    inspect(page, "delivery-twice")
    page.get_by_role("button", name="Send it all the same").click()
    wait_for_state(page, second, BLUESKY, "Published")


# -- many failures repaired at once

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
    boxes = rhea.get_by_role("checkbox", name=re.compile("of the week|^Old"))
    expect(boxes).to_have_count(3)
    rhea.get_by_role("checkbox", name="Choose all").check()
    for box in boxes.all():
        expect(box).to_be_checked()
    rhea.get_by_label("Reason").fill("The week is over")
    rhea.get_by_role("button", name="Dismiss what is chosen").click()
    expect(rhea.get_by_role("status")).to_contain_text(
        "3 posts are taken off the desk."
    )


# -- figures, comments and an answer, through the real clusters

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
    # What was pressed is answered before the page is loaded again: a reload in the
    # middle of leaving a page is a fault of the browser's, and may lose what was sent.
    expect(mara.get_by_role("status")).to_contain_text("The figures are being read.")
    comments = mara.get_by_role("region", name="Comments on Mastodon")
    there = f"/deliveries/{pk}/"
    load_until(mara, there, comments.get_by_text("Last read"))
    expect(comments).to_contain_text("Do you have rye?")
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
    load_until(mara, there, comments.get_by_text("Sent"))
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
    expect(mara.get_by_role("status")).to_be_visible()
    removal = mara.get_by_role("region", name="Live at the platforms")
    load_until(mara, there, removal.get_by_text("Deleted at Mastodon by"))
    expect(mara.get_by_role("main")).to_contain_text("Deleted at the platform")
    inspect(mara, "delivery-deleted-there")
