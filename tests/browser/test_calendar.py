"""Planning together in a browser: the calendar, moved by mouse and by keyboard, undone,
refused; queues and their slots; posts that come again; a table of posts that is imported;
posts that two people approve."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.guide import (
    BLUESKY,
    MASTODON,
    X,
    load_until,
    row_of,
    submit,
    write,
)
from tests.browser.inspection import DESKTOP, PHONE, SHIFTED

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]

#: A week that no other test looks at, within one month.
MONDAY = date.today().replace(day=1) + timedelta(days=70)
MONDAY = MONDAY.replace(day=8) + timedelta(days=-MONDAY.replace(day=8).weekday() % 7)


SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
Size = tuple[int, int]


def said(page: Page, words: str) -> None:
    expect(page.get_by_role("status").filter(has_text=words).first).to_be_visible()


def day_of(page: Page, day: date) -> Locator:
    return page.locator(f'#cal [data-date="{day.isoformat()}"]').first


def see(page: Page, view: str) -> None:
    page.goto(f"/calendar/?view={view}&date={MONDAY.isoformat()}")
    expect(page.locator("#cal")).to_have_attribute("aria-busy", "false")


def card(page: Page, text: str) -> Locator:
    return page.locator("#cal").get_by_role("link").filter(has_text=text)


@SIZES
def test_the_calendar_stands_still_while_it_loads(
    size: Size, visit: Visit, furnished: Any
) -> None:
    page = visit("mara", size=size)

    def late(route: Route) -> None:
        time.sleep(2)
        route.continue_()

    page.route("**/calendar/notes/**", late)
    page.route("**/publishing/calendar*.js", late)
    see(page, "list" if size == PHONE else "month")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#cal-notes")).to_contain_text("X is having trouble")
    assert page.evaluate(SHIFTED) < 0.02


def test_a_post_is_moved_by_keyboard_and_by_mouse_and_back(
    visit: Visit, furnished: Any, inspect: Inspect
) -> None:
    page = visit("mara")
    write(page, f"Moves about {'W' * 44}", X, at=(MONDAY.isoformat(), "09:07"))
    see(page, "month")
    tuesday, thursday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=3)

    # The keyboard alone: the card, M, the date, Enter.
    card(page, "Moves about").focus()
    page.keyboard.press("m")
    dialog = page.get_by_role("dialog", name="Move the post")
    expect(dialog.get_by_label("Date")).to_be_focused()
    inspect(page, "calendar-move")
    assert dialog.evaluate("node => node.scrollWidth <= node.clientWidth")
    dialog.get_by_label("Date").fill(tuesday.isoformat())
    page.keyboard.press("Enter")
    said = page.locator("#cal-toast")
    expect(said).to_contain_text(re.compile(r"Moved to Tue \d+ \w+, \d\d:07 \(UTC\)"))
    moved = day_of(page, tuesday).get_by_role("link").filter(has_text="Moves about")
    expect(moved).to_be_focused()
    page.keyboard.press("z")
    expect(said).to_contain_text("Back at Mon")
    there = day_of(page, MONDAY).get_by_role("link").filter(has_text="Moves about")
    expect(there).to_be_focused()

    # The mouse.
    there.drag_to(day_of(page, thursday))
    expect(said).to_contain_text("Moved to Thu")
    said.get_by_role("button", name="Undo").click()
    expect(said).to_contain_text("Back at Mon")
    expect(there).to_be_visible()

    # In the week two of one hour stand below each other, each as wide as its day; a move
    # goes by whole hours, and the minutes stay.
    write(page, "In the same hour", X, at=(MONDAY.isoformat(), "09:40"))
    see(page, "week")
    first = card(page, "Moves about").bounding_box()
    second = card(page, "In the same hour").bounding_box()
    assert first
    assert second
    assert (first["x"], first["width"]) == (second["x"], second["width"])
    assert first["y"] + first["height"] <= second["y"] + 1
    inspect(page, "calendar-week")
    lane = '.fc-timegrid-slot-lane[data-time="{}:00:00"]'
    page.locator(lane.format("12")).scroll_into_view_if_needed()
    hour_was = int(card(page, "Moves about").inner_text()[:2])
    first = card(page, "Moves about").bounding_box()
    assert first
    hour = page.locator(lane.format("09")).bounding_box()
    assert hour
    x, y = first["x"] + 20, first["y"] + 10
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + hour["height"], steps=10)
    page.mouse.up()
    expect(said).to_contain_text(f"{hour_was + 1:02}:07 (UTC)")
    page.keyboard.press("Control+z")
    expect(said).to_contain_text("Back at Mon")
    see(page, "month")

    # Refused: somebody was faster.
    other = visit("ada", expected={409})
    see(other, "month")
    card(page, "Moves about").focus()
    page.keyboard.press("m")
    dialog.get_by_label("Date").fill(tuesday.isoformat())
    page.keyboard.press("Enter")
    expect(said).to_contain_text("Moved to Tue")
    card(other, "Moves about").drag_to(day_of(other, thursday))
    expect(other.locator("#cal-toast")).to_contain_text("moved it meanwhile")
    there = day_of(other, MONDAY).get_by_role("link").filter(has_text="Moves about")
    expect(there).to_be_visible()


def test_a_full_day_opens_beside_the_calendar_and_a_phone_shows_a_list(
    visit: Visit, furnished: Any, inspect: Inspect
) -> None:
    page = visit("mara")
    day = MONDAY + timedelta(days=2)
    for number, at in enumerate(("10:00", "11:00", "12:00", "23:30")):
        write(page, f"Full day, number {number}", MASTODON, at=(day.isoformat(), at))
    see(page, "month")
    inspect(page, "calendar-full")
    page.get_by_role("link", name=re.compile(r"^\+\d+ more")).first.click()
    panel = page.locator("#cal-day")
    expect(panel).to_contain_text("Full day, number 3")
    inspect(page, "calendar-day")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.goto("/calendar/?platform=mastodon")
    inspect(page, "calendar-filtered")
    see(page, "month")

    # Another view asks anew: a month's cell has cards for three of its posts, and no
    # height for an hour. What is early is shown, and no empty night before it.
    for view in ("List", "Week"):
        page.get_by_role("button", name=view, exact=True).click()
        expect(card(page, "Full day, number 3")).to_be_visible()
        expect(page.locator("#cal")).to_have_attribute("aria-busy", "false")
    box = card(page, "Full day, number 1").bounding_box()
    assert box
    assert box["height"] > 60
    hour = page.locator("#cal .fc-timegrid-slot-lane")
    expect(hour.first).to_have_attribute("data-time", "06:00:00")
    write(page, "Up before dawn", MASTODON, at=(MONDAY.isoformat(), "04:20"))
    see(page, "week")
    expect(card(page, "Up before dawn")).to_be_visible()

    # The same posts in the list, many at once.
    page.goto(f"/posts/?tab=upcoming&day={day.isoformat()}")
    page.get_by_role("checkbox", name=re.compile("Full day, number 1")).check()
    page.get_by_role("checkbox", name="Tick all of this page").check()
    inspect(page, "posts-ticked")
    page.get_by_role("button", name="Show what happens").click()
    inspect(page, "posts-bulk")
    page.get_by_role("button", name="Move: 4 posts").click()
    expect(page.get_by_role("status").first).to_contain_text("4 posts are done.")
    day += timedelta(days=1)

    phone = visit("mara", size=PHONE)
    phone.goto(f"/calendar/?date={day.isoformat()}")
    pressed = phone.get_by_role("button", name="List", exact=True)
    expect(pressed).to_have_attribute("aria-pressed", "true")
    expect(card(phone, "Full day, number 3")).to_be_visible()
    expect(card(phone, "Full day, number 3")).to_have_count(1)  # late, on its day alone


def test_a_session_that_ended_and_a_lost_answer_are_told_in_the_calendar(
    visit: Visit, furnished: Any
) -> None:
    page = visit("toni", expected={403})
    day, next_day = MONDAY + timedelta(days=5), MONDAY + timedelta(days=6)
    write(page, "Moved once more", X, at=(day.isoformat(), "12:00"))
    see(page, "month")
    said = page.locator("#cal-toast")
    target = card(page, "Moved once more")
    target.drag_to(day_of(page, next_day))
    expect(said).to_contain_text("Moved to Sun")
    # The way back stays where nobody has heard of it.
    page.route("**/undo-move/", lambda route: route.abort("aborted"), times=1)
    said.get_by_role("button", name="Undo").click()
    expect(said).to_contain_text("it may have been moved or not")
    said.get_by_role("button", name="Undo").click()
    expect(said).to_contain_text("Back at Sat")

    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.locator(f'a[data-day="{day.isoformat()}"]').click()
    expect(said).to_contain_text("You are no longer signed in")
    expect(page.locator("#cal-day")).to_be_hidden()
    target.focus()
    page.keyboard.press("m")
    dialog = page.get_by_role("dialog", name="Move the post")
    dialog.get_by_label("Date").fill(next_day.isoformat())
    page.keyboard.press("Enter")
    told = dialog.get_by_role("alert")
    expect(told).to_contain_text("You are no longer signed in")
    # Signed in again in another tab, the same press counts; its page's token is new.
    page.context.add_cookies(cookies)
    page.keyboard.press("Enter")
    expect(said).to_contain_text("Moved to Sun")

    page.context.clear_cookies()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#cal-empty")).to_contain_text("You are no longer signed in")
    page.locator("#cal-empty").get_by_role("link", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/sign-in/login/\?next="))


# -- a table of posts


def test_a_table_with_bad_rows_is_mended_on_the_page_and_taken_back(
    visit: Visit, furnished: Any, inspect: Inspect
) -> None:
    page = visit("mara", size=PHONE)
    page.goto("/import/")
    inspect(page, "import-begin")
    day = MONDAY.isoformat()
    table = (
        "accounts,date,time,text\n"
        f"acme.practice.example,{day},09:00,A row that is well\n"
        f"acme.practice.example,{day},25:00,A row without such an hour\n"
        f"nobody.example,{day},11:00,A row for nobody\n"
    )
    page.get_by_label("Table (CSV or XLSX)").set_input_files(
        {"name": "plan.csv", "mimeType": "text/csv", "buffer": table.encode()}
    )
    page.get_by_role("button", name="Read the table").click()
    note = page.locator("#write-note")
    expect(note).to_contain_text("1 row can be imported. 2 rows have to be mended")
    first, second = (page.get_by_role("article", name=f"Row {n}") for n in (3, 4))
    expect(first.get_by_label("time", exact=True)).to_have_attribute(
        "aria-invalid", "true"
    )
    expect(second).to_contain_text("nobody.example")
    inspect(page, "import-looked-at")
    first.get_by_label("time", exact=True).fill("10:00")
    first.get_by_role("button", name="Save and look again").press("Enter")
    expect(note).to_contain_text("2 rows can be imported. 1 row has to be mended")
    page.get_by_role("button", name="Import 2 rows").click()
    done = page.get_by_role("region", name="Undo the import").or_(
        page.get_by_role("form", name="Undo the import")
    )
    expect(done).to_contain_text("2 posts would be taken back")
    inspect(page, "import-done")
    page.goto(f"/posts/?tab=all&day={day}")
    expect(page.get_by_role("main")).to_contain_text("A row without such an hour")
    page.go_back()
    page.get_by_role("button", name="Undo the import").click()
    expect(page.get_by_role("button", name="Forget this table")).to_be_visible()
    page.goto(f"/posts/?tab=all&day={day}")
    cancelled = row_of(page, BLUESKY, "Cancelled")
    expect(cancelled.filter(has_text="A row")).to_have_count(2)


# -- approval


@pytest.fixture
def two_steps(visit: Visit, furnished: dict[str, str]) -> Iterator[None]:
    """The brand wants the yes of two people, as long as the test lasts."""
    page = visit("ada", expected={422})

    def choose(words: str) -> None:
        page.goto(furnished["brand"])
        page.get_by_label("Approval").select_option(label=words)
        save = page.get_by_role("button", name="Save", exact=True)
        save.click()
        # What becomes of posts that are scheduled already is asked then.
        planned = page.get_by_role("radio", name=re.compile("^Let these go as planned"))
        expect(planned.or_(page.get_by_role("status")).first).to_be_visible()
        if planned.is_visible():
            planned.check()
            save.click()
        expect(page.get_by_role("status").first).to_contain_text("Saved.")

    choose("Two steps: two people approve each post, one after the other")
    yield
    choose("None: posts go out as scheduled")


def test_two_people_approve_and_what_was_changed_since_is_shown(
    visit: Visit, two_steps: None, inspect: Inspect
) -> None:
    mara, rhea, ada = visit("mara"), visit("rhea", size=PHONE), visit("ada")
    post = write(mara, "Rolls for everyone", BLUESKY, at=(MONDAY.isoformat(), "08:00"))
    main = mara.get_by_role("main")
    expect(main).to_contain_text("0/2")
    expect(mara.get_by_role("button", name=re.compile("^Approve"))).to_have_count(0)

    rhea.goto("/reviews/")
    inspect(rhea, "reviews")
    rhea.get_by_role("button", name=re.compile(r"Approve \(step 1 of 2\)")).click()
    expect(rhea.get_by_role("status").first).to_be_visible()
    ada.goto(post)
    expect(ada.get_by_role("main")).to_contain_text("approved by Rhea Reviewer")
    ada.get_by_role("button", name=re.compile(r"Approve \(step 2 of 2\)")).click()
    load_until(mara, post, row_of(mara, BLUESKY, "Scheduled"))

    mara.goto(f"{post}edit/")
    mara.get_by_label("Text for all networks").fill("Rolls for nearly everyone")
    save = mara.get_by_role("button", name="Save changes")
    expect(save).to_be_enabled()
    save.click()
    mara.wait_for_url(post)
    expect(main).to_contain_text("0/2")
    rhea.goto("/reviews/")
    changed = rhea.get_by_role("main")
    expect(changed).to_contain_text("Changed since it was approved")
    expect(changed.locator("ins")).to_contain_text("nearly")
    inspect(rhea, "reviews-changed")
    rhea.get_by_label("What you want to say").fill("All of them, please.")
    rhea.get_by_role("button", name="Send back").click()
    expect(rhea.get_by_role("status").first).to_be_visible()
    mara.goto(post)
    expect(main).to_contain_text("All of them, please.")


# -- queues and slots


@SIZES
def test_a_queue_finds_a_time_for_each_post_and_they_change_places(
    size: Size, visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara", size=size, expected={422})
    name = f"Mornings at {size[0]}"
    page.goto("/queues/")
    page.get_by_role("link", name="New queue").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Brand").select_option(label="Acme")
    page.get_by_role("checkbox", name="Acme Tools (X)").check()
    page.get_by_label("Time zone").fill("Europe/Berlin")
    wall = "06:10" if size == DESKTOP else "07:20"
    page.get_by_label("Tuesday").fill(f"{wall}, half past")
    page.get_by_role("button", name="Save").click()
    # What cannot be read is said beside its field, and stands there still.
    refused = page.get_by_label("Tuesday")
    expect(refused).to_have_value(f"{wall}, half past")
    expect(refused).to_have_attribute("aria-invalid", "true")
    inspect(page, f"queue-refused-{size[0]}")
    refused.fill(wall)
    page.get_by_label("Thursday").fill(wall)
    page.get_by_role("button", name="Save").click()
    said(page, f"“{name}” is saved.")

    texts = [f"{number} in line at {size[0]}" for number in ("First", "Second")]
    for text in texts:
        page.goto("/queues/")
        page.get_by_role("link", name=f"Write for it {name}").click()
        expect(page.get_by_label("Time", exact=True)).to_have_value(wall)
        page.get_by_label("Text for all networks").fill(text)
        # A time after which nobody needs it any more lies behind the time itself.
        until = page.get_by_label("Useful until")
        until.fill(f"{date.today().isoformat()}T00:00")
        expect(page.locator("#why-not")).to_contain_text("Useful until")
        until.fill(f"{(date.today() + timedelta(days=20)).isoformat()}T12:30")
        expect(page.locator("#why-not")).to_have_count(0)
        submit(page)
        expect(page.get_by_role("region", name="Time")).to_contain_text("Useful until")
    card = page.get_by_role("region", name=re.compile(name))
    page.goto("/queues/")
    inspect(page, f"queues-{size[0]}")
    card.get_by_role("link", name=f"Reshuffle {name}").click()
    order = page.get_by_role("row").filter(has_text="in line at")
    keep = page.get_by_role("checkbox", name=f"Keep the place of {texts[0]}")
    another = page.get_by_role("button", name="Another order")
    keep.press("Space")
    another.press("Enter")
    expect(keep).to_be_checked()
    expect(order).to_contain_text(["stays", "stays"])
    keep.press("Space")
    for _ in range(40):
        another.click()
        if texts[1] in order.first.inner_text():
            break
    expect(order.first).to_contain_text(texts[1])
    inspect(page, f"queue-reshuffled-{size[0]}")
    page.get_by_role("button", name="Take this order").click()
    said(page, "2 posts")
    page.goto("/posts/?tab=upcoming&q=in+line+at+" + str(size[0]))
    expect(page.get_by_role("row").filter(has_text="in line at")).to_contain_text(
        [texts[1], texts[0]]
    )

    page.goto("/queues/")
    card.get_by_role("link", name=f"Edit {name}").click()
    page.get_by_text("Delete the queue …").click()
    page.get_by_role("button", name="Delete this queue").click()
    said(page, name)
    expect(card).to_have_count(0)


# -- posts that come again


@SIZES
def test_a_post_comes_again_by_a_rule_until_the_series_is_ended(
    size: Size, visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara", size=size, expected={422})
    day = date.today() + timedelta(days=3)
    text = f"Bread every week at {size[0]}"
    write(page, text, MASTODON, at=(day.isoformat(), "05:45"))
    page.get_by_role("link", name="Repeat").click()
    ends = page.get_by_role("group", name="Ends")
    ends.get_by_label("On a date").check()
    page.get_by_role("button", name="Show what it comes to").click()
    expect(page.get_by_role("main")).to_contain_text("Choose the last day.")
    inspect(page, f"repeat-refused-{size[0]}")
    ends.get_by_label("After a number of posts").check()
    page.get_by_role("spinbutton", name="Number of posts").fill("4")
    page.get_by_role("button", name="Show what it comes to").click()
    preview = page.get_by_role("status").filter(has_text="Next:")
    expect(preview.get_by_role("listitem")).to_have_count(4)
    inspect(page, f"repeat-preview-{size[0]}")
    page.get_by_role("button", name="Start the series").click()
    said(page, "The series has begun")
    coming = page.get_by_role("region", name="In the calendar")
    expect(coming.get_by_role("link", name=text)).to_have_count(4)

    # One of them is changed alone, and then all that follow.
    coming.get_by_role("link", name=text).nth(1).click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Text for all networks").fill(f"{text}, with rye")
    page.get_by_role("button", name="Save this and following").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This and following")
    expect(page.get_by_role("main")).to_contain_text("2 following posts get")
    inspect(page, f"series-follow-{size[0]}")
    page.get_by_role("button", name="Change them").click()
    page.wait_for_url(re.compile(r"/series/\d+/$"))
    expect(coming.get_by_role("link", name=f"{text}, with rye")).to_have_count(3)

    page.get_by_role("link", name="Change the rule").click()
    inspect(page, f"series-rule-{size[0]}")
    page.goto("/series/")
    page.get_by_role("link", name=text).first.click()
    page.get_by_role("button", name="End the series").click()
    said(page, "4 posts are cancelled.")
