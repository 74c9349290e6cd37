"""The two guided rounds, and what a person decides when no network can tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.guide import (
    LINKEDIN,
    account_box,
    consent,
    go_on,
    load_until,
    row_of,
    submit,
    wait_for_state,
    write,
)
from tests.browser.inspection import DESKTOP, PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])


def steps_done(page: Page, number: int, of: int) -> Any:
    return page.get_by_text(f"{number} of {of} done", exact=True)


def step(page: Page, title: str) -> Any:
    title_of = page.get_by_role("heading", level=3).filter(has_text=title)
    return page.get_by_role("listitem").filter(has=title_of)


# -- the first post


@SIZES
def test_a_new_colleague_sends_a_first_post_and_repairs_one(
    size: tuple[int, int], visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("toni", size=size)
    if size == DESKTOP:
        page.goto("/")
        page.get_by_role("link", name="Go to the first post").click()
    else:
        page.goto("/first-post/")  # home no longer offers what was done once
    page.get_by_role("button", name="Begin").click()
    inspect(page, "first-post-begun")
    step(page, "Write a post").get_by_role("link").click()
    # Chosen already: nobody has to know which account is for practice.
    expect(page.get_by_role("checkbox", checked=True).first).to_be_visible()
    page.get_by_label("Text for all networks").fill(f"My very first post at {size[0]}")
    page.get_by_role("radio", name="Now").check()
    post = submit(page)
    load_until(page, post, page.get_by_role("row").filter(has_text="Published"))

    page.goto("/first-post/")
    expect(steps_done(page, 2, 5)).to_be_visible()
    step(page, "Let one fail").get_by_role("button", name="Stage the failure").click()
    expect(step(page, "Let one fail")).to_contain_text("done")
    load_until(page, "/first-post/", steps_done(page, 4, 5))
    inspect(page, "first-post-failed")
    step(page, "Repair it").get_by_role("link", name="Open the failure desk").click()
    failed = page.get_by_role("row").filter(has_text="that is refused once")
    failed.get_by_role("link", name=re.compile("that is refused once")).first.click()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_be_visible()
    load_until(page, "/first-post/", steps_done(page, 5, 5))
    expect(page.get_by_role("status")).to_contain_text("you have sent a post")
    inspect(page, "first-post-done")
    page.get_by_role("button", name="Clean up and end").click()
    expect(page.get_by_role("button", name="Begin")).to_be_visible()
    page.goto(post)
    expect(page.get_by_role("row").filter(has_text="Published")).to_be_visible()


# -- no network can tell

#: The network was asked three times and could not say: its settling times take minutes.
COULD_NOT_TELL = """
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from publishing.models import Delivery
then = timezone.now() - timedelta(minutes=20)
Delivery.objects.filter(post__text={text!r}).update(
    status=Delivery.Status.UNCERTAIN, next_attempt_at=None, due_at=then,
    intent_at=then, commit_count=1, attempt_count=1)
"""


def unclear(visit: Visit, site: Any, text: str) -> tuple[Page, Page, str]:
    """A post of which nobody knows, opened from the desk by a reviewer."""
    mara, rhea = visit("mara"), visit("rhea", expected={422})
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    post = write(mara, text, LINKEDIN, at=(tomorrow, "09:00"))
    site.rows(COULD_NOT_TELL.format(text=text))
    rhea.goto("/desk/")
    row = row_of(rhea, LINKEDIN, text)
    # Nobody is looking any more: it must not say so.
    expect(row).to_contain_text("Perhaps live: look there")
    row.get_by_role("link", name=re.compile(f"^{text[:-1]}")).first.click()
    return mara, rhea, post


def test_a_person_says_that_it_is_live_and_gives_the_link(
    visit: Visit, connected: None, site: Any, inspect: Inspect
) -> None:
    _mara, rhea, _post = unclear(visit, site, "Is it live?")
    link = rhea.get_by_role("textbox", name=re.compile("link", re.I))
    # A link of another network is none of this post.
    link.fill("https://example.com/1")
    rhea.get_by_role("button", name="It is live, here is the link").click()
    expect(rhea.locator("#permalink-note .sh-error")).to_be_visible()
    expect(link).to_have_value("https://example.com/1")
    inspect(rhea, "delivery-unclear-wrong-link")
    link.fill(f"{site.practice}/linkedin/feed/update/urn:li:share:7000000000000000001")
    rhea.get_by_role("button", name="It is live, here is the link").click()
    expect(rhea.get_by_role("main")).to_contain_text("Published")
    rhea.goto("/desk/")
    expect(row_of(rhea, LINKEDIN, "Is it live?")).to_have_count(0)


def test_what_is_not_there_is_sent_when_a_person_says_so(
    visit: Visit, connected: None, site: Any
) -> None:
    mara, rhea, post = unclear(visit, site, "Did it arrive?")
    rhea.get_by_role("button", name="It is not there, send it").click()
    expect(rhea.get_by_role("status")).to_be_visible()
    wait_for_state(mara, post, LINKEDIN, "Published")
    mara.goto(f"{site.practice}/panel/linkedin")
    expect(mara.get_by_role("link", name="Did it arrive?")).to_have_count(1)


# -- the fire drill


@SIZES
def test_the_fire_drill_is_done_from_its_own_page(
    size: tuple[int, int], visit: Visit, connected: None, site: Any, inspect: Inspect
) -> None:
    page = visit("ada", size=size)

    def go_to_step(title: str, button: str) -> None:
        page.goto("/fire-drill/")
        found = step(page, title)
        found.get_by_role("link", name=button).or_(
            found.get_by_role("button", name=button)
        ).click()

    page.goto("/fire-drill/")
    expect(step(page, "Connect a practice account")).to_contain_text("done")
    inspect(page, "fire-drill-begun")
    go_to_step("Write a post to it", "Write a post")
    account_box(page, LINKEDIN).check()
    page.get_by_label("Text for all networks").fill(f"Through the fire at {size[0]}")
    page.get_by_label("Date", exact=True).fill(f"2037-01-{size[0] % 27 + 1:02}")
    page.get_by_label("Time", exact=True).fill("09:00")
    waiting = submit(page)

    # The token is no newer than seconds: a refusal of such a one may mean less.
    site.rows(
        "import django; django.setup()\n"
        "from datetime import timedelta\n"
        "from django.utils import timezone\n"
        "from accounts.models import Credential\n"
        "Credential.objects.filter(app__platform='linkedin').update("
        "issued_at=timezone.now() - timedelta(days=1))"
    )
    page.goto("/fire-drill/")
    with page.expect_popup() as opened:
        step(page, "Take the access away").get_by_role("link").click()
    opened.value.close()
    page.goto(f"{site.practice}/panel/linkedin")
    page.get_by_role("button", name="Remove the app: Ana Lopez", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Done.")
    page.goto("/accounts/")
    row_of(page, LINKEDIN).get_by_role("link").first.click()
    account = page.url
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("status")).to_be_visible()
    load_until(page, account, page.locator(".sh-head").get_by_text("Reconnect needed"))
    mailed = step(page, "The mail").filter(has_text="done")
    load_until(page, "/fire-drill/", mailed)
    expect(step(page, "Take the access away")).to_contain_text("done")
    expect(step(page, "Check now")).to_contain_text("done")
    # Ten minutes are long: another one is due at once.
    due = write(page, f"Into the fire at {size[0]}", LINKEDIN)
    wait_for_state(page, due, LINKEDIN, "Held")
    load_until(page, "/fire-drill/", step(page, "is held").filter(has_text="done"))
    inspect(page, "fire-drill-held")
    go_to_step("Reconnect", "Reconnect")
    go_on(page, "LinkedIn")
    consent(page, "Ana Lopez")
    load_until(page, "/fire-drill/", steps_done(page, 8, 8))
    inspect(page, "fire-drill-done")
    wait_for_state(page, due, LINKEDIN, "Published")
    page.goto(waiting)
    expect(row_of(page, LINKEDIN, "Scheduled")).to_be_visible()
