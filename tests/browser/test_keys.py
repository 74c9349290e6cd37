"""Whole days of work by keys alone: no test here clicks, fills or focuses anything, it
only presses keys, and each stop on the way shows that it has the focus."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.guide import BLUESKY, MASTODON, Account, X, account_box, row_of
from tests.browser.inspection import DESKTOP, PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
#: A week that no other test looks at: a Monday, and the days after it in one month.
MONDAY = date.today().replace(day=1) + timedelta(days=130)
MONDAY = MONDAY.replace(day=8) + timedelta(days=-MONDAY.replace(day=8).weekday() % 7)
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])

HAS_FOCUS = "node => node === document.activeElement"
#: The ring is on the element, or on what stands around a box or a hidden field.
SHOWS_IT = """node => {
  const ring = (at) => { const style = getComputedStyle(at);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)
      || style.boxShadow !== "none"; };
  const box = node.getBoundingClientRect();
  return box.width > 0 && box.height > 0 && (ring(node) || ring(node.parentElement));
}"""


def tab_to(page: Page, there: Locator, *, back: bool = False, most: int = 120) -> None:
    """Press Tab until it has the focus, and see that it has."""
    for _ in range(most):
        if there.count() == 1 and there.evaluate(HAS_FOCUS):
            assert there.evaluate(SHOWS_IT), f"{there} does not show its focus"
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"the keyboard does not reach {there}")


def tick(page: Page, account: Account) -> None:
    box = account_box(page, account)
    tab_to(page, box)
    page.keyboard.press("Space")
    expect(box).to_be_checked()


def type_date(page: Page, day: date) -> None:
    """Into the date field that has the focus. Browsers differ in what comes first, the
    day or the month, and so does one from page to page."""
    field = page.locator("input[type=date]:focus")
    for shape in ("%d%m%Y", "%m%d%Y"):
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        page.keyboard.type(day.strftime(shape))
        if field.input_value() == day.isoformat():
            return
    raise AssertionError(f"{day} cannot be typed; it is {field.input_value()}")


def type_time(page: Page, wall: str) -> None:
    """Into the time field that has the focus, before noon."""
    field = page.locator("input[type=time]:focus")
    page.keyboard.type(wall.replace(":", ""))
    if field.input_value() != wall:
        page.keyboard.press("ArrowUp")  # from "PM" to "AM"
    expect(field).to_have_value(wall)


def ready(page: Page) -> None:
    page.wait_for_load_state("networkidle")


@SIZES
def test_a_post_with_all_that_belongs_to_it_is_written_changed_and_cancelled(
    size: tuple[int, int], visit: Visit, connected: None
) -> None:
    page = visit("mara", size=size)
    press, type_ = page.keyboard.press, page.keyboard.type
    page.goto("/posts/")
    tab_to(page, page.get_by_role("main").get_by_role("link", name="New post").first)
    press("Enter")
    page.wait_for_url(re.compile("/posts/new/"))
    ready(page)

    # Accounts, found by their name; then one that is not meant is taken away again.
    press("Alt+Digit1")
    type_("acme")
    for account in (MASTODON, BLUESKY, X):
        press("Alt+Digit1")
        tick(page, account)
    press("Space")
    expect(account_box(page, X)).not_to_be_checked()
    press("Space")
    expect(account_box(page, X)).to_be_checked()

    # One text, and another one for a network.
    words = f"By keys at {size[0]}"
    press("Alt+Digit2")
    type_(words)
    press("Alt+ArrowRight")
    own = page.get_by_role("tab", selected=True)
    expect(own).not_to_contain_text("All")
    press("Alt+ArrowLeft")
    expect(page.get_by_label("Text for all networks")).to_be_focused()

    # The link, with a title of ours.
    tab_to(
        page, page.get_by_label("Link", exact=False).and_(page.locator("#id_link_url"))
    )
    type_("https://example.com/keys")
    tab_to(page, page.locator("summary", has_text="Title and teaser of the link"))
    press("Enter")
    tab_to(page, page.get_by_label("Link title"))
    type_("Keys")

    # A poll that is begun and given up again.
    tab_to(page, page.locator("summary", has_text="Poll"))
    press("Enter")
    tab_to(page, page.get_by_label("Answer 1"))
    type_("Yes")
    press("Control+a")
    press("Delete")
    tab_to(page, page.get_by_label("Labels"))
    type_("keyboard")

    # When: from "now" back to a time, which is typed.
    press("Alt+Digit4")
    press("ArrowDown")
    press("ArrowUp")
    tab_to(page, page.get_by_label("Date", exact=True))
    type_date(page, MONDAY)
    tab_to(page, page.get_by_label("Time", exact=True))
    type_time(page, "09:05")
    schedule = page.get_by_role("button", name="Schedule 3 posts")
    expect(schedule).to_be_enabled()
    tab_to(page, schedule)
    press("Enter")
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    post = page.url
    expect(page.get_by_role("status").first).to_contain_text("3 posts are scheduled")

    # A reason leads to what it is about, and the way on from there is short.
    tab_to(page, page.get_by_role("link", name="Edit", exact=True))
    press("Enter")
    page.wait_for_url(f"{post}edit/")
    ready(page)
    press("Alt+Digit2")
    press("Control+a")
    type_("x" * 301)
    expect(page.locator("#why-not")).to_be_visible()
    press("Control+Enter")
    expect(page.locator("#why-not a").first).to_be_focused()
    press("Enter")
    expect(page.locator("textarea:focus")).to_have_count(1)
    press("Alt+Digit2")
    press("Control+a")
    type_(f"{words}, changed")
    expect(page.get_by_role("button", name="Save changes")).to_be_enabled()
    press("Control+Enter")
    page.wait_for_url(post)
    expect(page.get_by_role("main")).to_contain_text(f"{words}, changed")

    # And taken back.
    row = row_of(page, BLUESKY, "Scheduled")
    tab_to(page, row.get_by_role("button", name=re.compile("^Cancel")))
    press("Enter")
    expect(row_of(page, BLUESKY, "Cancelled")).to_be_visible()
    expect(row_of(page, MASTODON, "Scheduled")).to_be_visible()


@SIZES
def test_the_calendar_is_looked_through_and_posts_are_moved_and_put_back(
    size: tuple[int, int], visit: Visit, connected: None
) -> None:
    page = visit("mara", size=size, expected={409})  # a move that is refused
    press, type_ = page.keyboard.press, page.keyboard.type
    monday = MONDAY + timedelta(days=7 if size == DESKTOP else 14)
    thursday = monday + timedelta(days=3)
    text = f"Moved by keys at {size[0]}"

    # A post for a day is begun from it: on a phone from the panel of the day, for
    # beside its number there is no room.
    page.goto(f"/calendar/?view=month&date={monday.isoformat()}")
    calendar, main = page.locator("#cal"), page.get_by_role("main")
    expect(calendar).to_have_attribute("aria-busy", "false")
    day = calendar.locator(f'a[data-day="{monday.isoformat()}"]')
    panel = page.locator("#cal-day")
    if size == DESKTOP:
        spoken = f"{monday:%A} {monday.day} {monday:%B}"
        tab_to(page, calendar.get_by_role("link", name=f"New post on {spoken}"))
    else:
        tab_to(page, day)
        press("Enter")
        tab_to(page, panel.get_by_role("link", name="New post"))
    press("Enter")
    page.wait_for_url(re.compile("/posts/new/"))
    ready(page)
    press("Alt+Digit1")
    tick(page, X)
    press("Alt+Digit2")
    type_(text)
    expect(page.get_by_label("Date", exact=True)).to_have_value(monday.isoformat())
    expect(page.get_by_role("button", name="Schedule 1 post")).to_be_enabled()
    press("Control+Enter")
    page.wait_for_url(re.compile(r"/posts/\d+/$"))

    # The views, one after the other, by their buttons.
    page.goto(f"/calendar/?view=month&date={monday.isoformat()}")
    expect(calendar).to_have_attribute("aria-busy", "false")
    card = calendar.get_by_role("link").filter(has_text=text)
    for name, view in (("Week", "week"), ("List", "list"), ("Month", "month")):
        button = main.get_by_role("button", name=name, exact=True)
        tab_to(page, button, back=name == "Month")
        press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(calendar).to_have_attribute("aria-busy", "false")
        expect(card).to_have_count(1)
        # The days are named as this view names them.
        shape = {"month": "{0.day}", "week": "{0:%a} {0.day} {0:%b}"}
        named = shape.get(view, "{0:%A} {0.day} {0:%b}").format(monday)
        expect(day).to_have_text(re.compile(f"^{named} "))
        expect(page).to_have_url(re.compile(f"view={view}"))
        if name == "List":
            continue
        # Moved and put back, in each of them.
        move(page, card, thursday)
        press("z")
        expect(page.locator("#cal-toast")).to_contain_text(f"Back at {monday:%a}")
        expect(card).to_be_focused()
        tab_to(page, main.get_by_role("button", name="Today"), back=True)

    # Undone by the button, and thought better of in the dialog.
    move(page, card, thursday)
    tab_to(page, page.locator("#cal-toast").get_by_role("button", name="Undo"))
    press("Space")
    expect(page.locator("#cal-toast")).to_contain_text(f"Back at {monday:%a}")
    expect(card).to_be_focused()
    press("m")
    dialog = page.get_by_role("dialog", name="Move the post")
    expect(dialog).to_be_visible()
    press("Escape")
    expect(dialog).to_be_hidden()
    expect(card).to_be_focused()

    # What the server refuses is said in the dialog, which stays.
    press("m")
    type_date(page, date.today() - timedelta(days=3))
    press("Enter")
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    press("Escape")
    expect(card).to_be_focused()

    # The day beside the calendar, and from there to the post and back.
    tab_to(page, day, back=True)
    press("Enter")
    expect(panel).to_contain_text(text)
    expect(panel.get_by_role("heading").first).to_be_focused()
    press("Escape")
    expect(panel).to_be_hidden()
    expect(day).to_be_focused()
    tab_to(page, card)
    press("Enter")
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(main).to_contain_text(text)


def test_a_key_pressed_while_the_calendar_reads_is_not_lost(
    visit: Visit, connected: None
) -> None:
    page = visit("mara")
    press, type_ = page.keyboard.press, page.keyboard.type
    monday = MONDAY + timedelta(days=21)
    thursday = monday + timedelta(days=3)
    text = "Moved while it reads"
    page.goto(f"/posts/new/?date={monday.isoformat()}&zone=UTC")
    ready(page)
    press("Alt+Digit1")
    tick(page, X)
    press("Alt+Digit2")
    type_(text)
    expect(page.get_by_role("button", name="Schedule 1 post")).to_be_enabled()
    press("Control+Enter")
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    page.goto(f"/calendar/?view=month&date={monday.isoformat()}")
    calendar = page.locator("#cal")
    expect(calendar).to_have_attribute("aria-busy", "false")
    card = calendar.get_by_role("link").filter(has_text=text)
    move(page, card, thursday)

    # What is read anew tells where the post stands; until then its card is the old one.
    held: list[Route] = []
    page.route("**/calendar/posts/**", lambda route: held.append(route))
    press("z")
    expect(page.locator("#cal-toast")).to_contain_text(f"Back at {monday:%a}")
    expect(calendar).to_have_attribute("aria-busy", "true")
    press("m")
    dialog = page.get_by_role("dialog", name="Move the post")
    expect(dialog).to_be_hidden()
    for route in held:
        route.continue_()
    page.unroute("**/calendar/posts/**")
    expect(dialog.get_by_label("Date")).to_have_value(monday.isoformat())
    # Whoever takes their time finds the card again as well.
    page.wait_for_timeout(2500)
    press("Escape")
    expect(card).to_be_focused()

    # The card is drawn anew, and what had the focus is gone: it is meant still.
    card.evaluate("node => node.blur()")
    press("m")
    expect(dialog.get_by_label("Date")).to_be_focused()
    press("Escape")
    expect(card).to_be_focused()

    # Whoever goes on to something else does not mean it any more.
    page.mouse.click(2, 2)
    press("m")
    expect(dialog).to_be_hidden()


def move(page: Page, card: Locator, day: date) -> None:
    tab_to(page, card)
    page.keyboard.press("m")
    dialog = page.get_by_role("dialog", name="Move the post")
    expect(dialog.get_by_label("Date")).to_be_focused()
    type_date(page, day)
    page.keyboard.press("Enter")
    expect(page.locator("#cal-toast")).to_contain_text(f"Moved to {day:%a}")
    expect(card).to_be_focused()
