"""An emergency stop from beginning to end, and the same post twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.guide import (
    BLUESKY,
    MASTODON,
    account_box,
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
