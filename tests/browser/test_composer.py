"""The composer by keyboard alone, in two hands at once, and without its server."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.guide import BLUESKY, MASTODON, X, account_box
from tests.browser.inspection import DESKTOP, PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]
TOMORROW = (date.today() + timedelta(days=1)).isoformat()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_a_post_is_written_and_scheduled_by_keys_alone(
    size: tuple[int, int], visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara", size=size)
    page.goto("/posts/new/")
    page.wait_for_load_state("networkidle")
    press = page.keyboard.press
    page.locator("h1").click()
    press("?")
    keys = page.get_by_role("dialog", name="Shortcuts")
    expect(keys).to_contain_text("Go to the accounts")
    press("Escape")

    press("Alt+Digit1")
    page.keyboard.type("acme tools")
    found = page.get_by_role("status").filter(has_text=re.compile(r"^\d / \d$"))
    expect(found).to_be_visible()
    expect(page.get_by_role("checkbox", name="Ana Lopez")).to_be_hidden()
    for account in (X, BLUESKY, MASTODON):
        press("Alt+Digit1")
        box = account_box(page, account)
        for _ in range(12):
            press("Tab")
            if box.evaluate("box => box === document.activeElement"):
                break
        press("Space")
        expect(box).to_be_checked()

    press("Alt+Digit2")
    page.keyboard.type(f"Loaf {size[0]} #bread https://example.com/bread")
    press("Alt+ArrowRight")
    expect(page.get_by_role("tab", selected=True)).to_contain_text("Bluesky")
    expect(page.get_by_label("Text for Bluesky", exact=True)).to_be_focused()
    sky = f"Loaf {size[0]} for the sky"
    page.keyboard.type(sky)
    expect(page.get_by_role("tab", name=re.compile("Bluesky.+differs"))).to_be_visible()
    expect(page.get_by_role("tab", name=re.compile("X.+differs"))).to_have_count(0)
    previews = page.get_by_role("region", name="Previews")
    expect(previews.get_by_label("Preview for Bluesky")).to_contain_text(
        f"{len(sky)} / 300"
    )
    expect(previews.get_by_label("Preview for X")).to_contain_text("#bread")
    inspect(page, f"composer-{size[0]}")

    press("Alt+Digit4")
    press("Tab")
    page.get_by_label("Date", exact=True).fill(TOMORROW)
    page.get_by_label("Time", exact=True).fill("07:00")
    expect(page.get_by_role("button", name="Schedule 3 posts")).to_be_enabled()
    press("Control+Enter")
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(page.get_by_role("status")).to_contain_text("3 posts are scheduled")
