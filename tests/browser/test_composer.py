"""The composer by keyboard alone, in two hands at once, and without its server; what
networks want to know besides the text; threads."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from publishing.tests.made_files import picture
from tests.browser.conftest import Site, Window
from tests.browser.guide import (
    BLUESKY,
    LINKEDIN,
    MASTODON,
    X,
    account_box,
    load_until,
    row_of,
    schedule_button,
    submit,
)
from tests.browser.inspection import DESKTOP, PHONE, SHIFTED

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
    found = page.get_by_role("status").filter(has_text=re.compile(r"\d of \d+ shown"))
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


# -- nothing that is typed gets lost


#: What a browser says of a server that is gone, and of one that knows nobody.
PROVOKED = re.compile(r"ERR_CONNECTION|htmx:|40[13].*/posts/(check|keep)/")


@pytest.fixture
def provoked(opened: Callable[..., Window]) -> Iterator[Visit]:
    """As `visit`, for tests that bring these faults about."""
    windows: list[Window] = []

    def open_as(name: str) -> Page:
        windows.append(opened(name))
        return windows[-1][1]

    yield open_as
    faults = [fault for *_, watch in windows for fault in watch.faults]
    for context, *_ in windows:
        context.close()
    assert [fault for fault in faults if not PROVOKED.search(fault)] == []


def text_field(page: Page) -> Locator:
    return page.get_by_label("Text for all networks")


def test_the_server_dies_while_somebody_writes_and_nothing_is_lost(
    site: Site, provoked: Visit, connected: None, inspect: Inspect
) -> None:
    page = provoked("mara")
    page.goto("/posts/new/")
    account_box(page, X).check()
    text_field(page).fill("Before the server died")
    state = page.locator("#saved-state")
    expect(state).to_have_text(re.compile(r"^Saved \d\d:\d\d$"))
    draft = page.url
    assert re.search(r"/posts/\d+/edit/$", draft), draft

    restart = kill_web(site)
    text_field(page).fill("Before the server died, and after")
    trouble = page.locator("#saved-trouble")
    expect(trouble).to_contain_text("The server does not answer.")
    # No button leads to the browser's own error page.
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_timeout(500)
    expect(text_field(page)).to_have_value("Before the server died, and after")
    inspect(page, "composer-server-gone")
    # One window waits, another one is closed with what was typed last in it.
    other = page.context.new_page()
    restart()
    expect(trouble).to_be_hidden()
    expect(state).to_have_text(re.compile(r"^Saved"))
    stop = kill_web(site)
    text_field(page).fill("Typed last, when nobody listened")
    expect(trouble).to_be_visible()
    page.close()
    stop()

    other.goto(draft)
    expect(text_field(other)).to_have_value("Before the server died, and after")
    offered = other.locator("#kept-typing")
    expect(offered).to_contain_text("Typed last, when nobody listened")
    inspect(other, "composer-offered")
    offered.get_by_role("button", name="Put it back").click()
    expect(text_field(other)).to_have_value("Typed last, when nobody listened")
    expect(other.locator("#saved-state")).to_have_text(re.compile(r"^Saved"))
    other.goto(draft)
    expect(text_field(other)).to_have_value("Typed last, when nobody listened")
    expect(offered).to_be_hidden()


def kill_web(site: Site) -> Callable[[], None]:
    """The web server is gone at once; call the result to have it back."""
    web = site.box.processes.pop("web")
    os.killpg(web.pid, signal.SIGKILL)
    web.wait(10)
    argv = web.args

    def again() -> None:
        assert isinstance(argv, tuple)
        site.box.spawn("web", *argv)
        site.box._wait_http("web", f"{site.url}/healthz")

    return again


def test_a_session_that_ended_costs_no_word(provoked: Visit, connected: None) -> None:
    page = provoked("toni")
    page.goto("/posts/new/")
    text_field(page).fill("Written in time")
    state, trouble = page.locator("#saved-state"), page.locator("#saved-trouble")
    expect(state).to_have_text(re.compile(r"^Saved"))
    cookies = page.context.cookies()
    page.context.clear_cookies()
    text_field(page).fill("Written in time, and a little later")
    expect(trouble).to_contain_text("You are no longer signed in.")
    page.context.add_cookies(cookies)
    expect(trouble).to_be_hidden()
    expect(state).to_have_text(re.compile(r"^Saved"))
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(page.get_by_role("main")).to_contain_text("and a little later")


def test_two_people_edit_one_post(
    visit: Visit, connected: None, inspect: Inspect
) -> None:
    mara, toni = visit("mara"), visit("toni")
    mara.goto("/posts/new/")
    text_field(mara).fill("Ours")
    expect(mara.locator("#saved-state")).to_have_text(re.compile(r"^Saved"))
    toni.goto(mara.url)
    text_field(toni).fill("Toni's words")
    expect(toni.locator("#saved-state")).to_have_text(re.compile(r"^Saved"))
    text_field(mara).fill("Mara's words")
    expect(mara.locator("#saved-trouble")).to_contain_text(
        "Toni Token changed this post"
    )
    # Beside the sentence that asks for it, wherever on the page one writes.
    bar = mara.locator(".pub-footer")
    bar.get_by_role("button", name="Compare the two").click()
    versions = mara.get_by_role("region", name="Two versions")
    expect(versions).to_contain_text("Toni's words")
    expect(versions).to_contain_text("Mara's words")
    inspect(mara, "composer-two-versions")
    mara.get_by_role("button", name="Save draft").click()
    mara.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(mara.get_by_role("main")).to_contain_text("Mara's words")
    mara.get_by_text("What it replaced").click()
    expect(mara.get_by_role("main")).to_contain_text("Toni's words")


def test_texts_and_link_rules_are_made_and_used(
    visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara")
    page.goto("/texts/")
    inspect(page, "texts-empty")
    page.get_by_role("link", name="Make a hashtag set").click()
    page.get_by_label("Name").fill("Bread")
    page.get_by_label("Text").fill("bread rye")
    inspect(page, "text-form")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Add UTM parameters").click()
    page.get_by_role("textbox", name="Our own sites").fill("example.com")
    inspect(page, "link-rule")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main")).to_contain_text("utm_source=mastodon")
    inspect(page, "texts")

    page.goto("/posts/new/")
    account_box(page, X).check()
    text_field(page).fill("Rye https://example.com/rye")
    page.get_by_label("Campaign").fill("Spring Sale")
    page.get_by_role("button", name="Insert").click()
    expect(text_field(page)).to_have_value("Rye https://example.com/rye\n\n#bread #rye")
    shown = page.get_by_label("Preview for X")
    expect(shown).to_contain_text("utm_source=x&utm_medium=social")
    expect(shown).to_contain_text("utm_campaign=spring-sale")
    inspect(page, "composer-links")


# -- what networks want to know besides the text

#: Olga's brand has two boards of her own and a channel; nothing of it goes out.
BAKERY = """
import django
django.setup()
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from accounts.models import Brand, ConnectedAccount, Credential, PlatformApp
from accounts.roles import MARKETING
from tests.browser.guide import PASSWORD
brand = Brand.objects.create(name="Bakery", time_zone="Europe/Berlin")
olga = get_user_model().objects.create_user("olga", "olga@example.com", PASSWORD)
olga.groups.add(Group.objects.get(name=MARKETING))
brand.members.add(olga)
for platform, name, limits in (
    ("pinterest", "Bread", {"boards": {"b1": "Recipes", "b2": "Shops"}}),
    ("pinterest", "Cakes", {"boards": {"b9": "Weddings"}}),
    ("tiktok", "Bakery live", {}),
    ("youtube", "Bakery films", {"playlists": {"p1": "How to bake"}}),
):
    app, _made = PlatformApp.objects.get_or_create(
        platform=platform, network="live", instance_url="", defaults={"client_id": "1"}
    )
    ConnectedAccount.objects.create(
        brand=brand, platform=platform, external_id=f"{platform}-{name}", name=name,
        credential=Credential.objects.create(app=app, access_token="secret-token"),
        url=f"https://{platform}.example/{name}", server_limits=limits,
    )
"""


def test_each_network_asks_for_what_it_needs_and_keeps_the_answers(
    site: Site, visit: Visit, inspect: Inspect
) -> None:
    site.rows(BAKERY)
    page = visit("olga")
    page.goto("/posts/new/")
    own = page.get_by_role("region", name="Per network")
    pinterest = own.locator('[data-network-section="pinterest"]')
    expect(pinterest).to_be_hidden()
    page.get_by_role("checkbox", name="Bread").check()
    board = pinterest.get_by_label("Board · Bread")
    panel = page.locator("#panel")
    # It has to be chosen: the reason leads to it, on its tab.
    panel.get_by_role("link", name="Board").first.click()
    expect(board).to_be_focused()
    expect(pinterest.get_by_label("Board · Cakes")).to_be_hidden()
    board.select_option(label="Shops")

    # What goes with files of a kind comes into sight with the first of them.
    of_images = pinterest.get_by_label("Titles of the images")
    of_videos = pinterest.get_by_label("Cover: second of the video")
    pinterest.get_by_text("More choices").click()
    expect(of_images).to_be_hidden()
    image = {"name": "loaf.png", "mimeType": "image/png", "buffer": picture("PNG")}
    page.get_by_label("Add files").set_input_files(image)
    expect(of_images).to_be_visible()
    expect(of_videos).to_be_hidden()

    for name in ("Cakes", "Bakery live", "Bakery films"):
        page.get_by_role("checkbox", name=name).check()
    youtube = own.locator('[data-network-section="youtube"]')
    tab = page.get_by_role("tab", name="YouTube")
    tab.click()
    expect(tab).not_to_have_accessible_name(re.compile("differs"))
    youtube.get_by_label("Title", exact=False).fill("Rye bread in a day")
    youtube.get_by_label("Tags").fill("bread, rye")
    expect(youtube.get_by_label("Notify subscribers")).to_be_hidden()
    youtube.get_by_text("More choices").click()
    youtube.get_by_label("Notify subscribers").uncheck()
    expect(tab).to_have_accessible_name(re.compile("differs"))
    page.get_by_role("tab", name="All").click()
    page.get_by_label("Text for all networks").fill("Rye bread.")
    inspect(page, "compose-options")

    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("link", name="Edit").click()
    expect(board).to_have_value("b2")
    expect(youtube.get_by_label("Tags")).to_have_value("bread, rye")
    expect(youtube.get_by_label("Notify subscribers")).not_to_be_checked()
    tab.click()
    expect(youtube.get_by_label("Notify subscribers")).to_be_visible()  # chosen
    expect(youtube.get_by_label("Text for YouTube", exact=True)).to_have_value("")


def test_a_post_is_quoted_by_its_address_and_read_where_it_stands(
    visit: Visit, connected: None, inspect: Inspect
) -> None:
    """Quoted is what the same account said before, at the practice network."""
    page = visit("mara")

    def publish(text: str, quoted: str = "") -> str:
        """At Bluesky; the address of the post there."""
        page.goto("/posts/new/")
        account_box(page, BLUESKY).check()
        page.get_by_label("Text for all networks").fill(text)
        if quoted:
            own = page.get_by_role("region", name="Per network")
            section = own.locator('[data-network-section="bluesky"]')
            page.get_by_role("tab", name=re.compile("Bluesky")).click()
            address = section.get_by_label("Quote this post")
            address.fill("https://example.com/nothing")
            panel = page.locator("#panel")
            wrong = panel.get_by_text("This address names no post to quote")
            expect(wrong.first).to_be_visible()
            address.fill(quoted)
            expect(wrong).to_have_count(0)
            preview = page.get_by_label("Preview for Bluesky")
            expect(preview).to_contain_text(quoted)
            inspect(page, "compose-quote")
        page.get_by_role("radio", name="Now").check()
        there = page.locator('a[href*="/profile/"][href*="/post/"]')
        load_until(page, submit(page), there)
        return str(there.first.get_attribute("href"))

    first = publish("The oven is on")
    second = publish("As we said", quoted=first)
    page.goto(second)
    expect(page.locator("body")).to_contain_text("As we said")
    expect(page.locator("body")).to_contain_text("Quotes at://")


#: Pia has an account at the practice network, which knows no board of it yet.
PINS = """
import django
django.setup()
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from accounts.models import Brand
from accounts.roles import MARKETING
from socialhub.drills.world import Practice, adopt
from tests.browser.guide import PASSWORD
brand = Brand.objects.create(name="Garden", time_zone="Europe/Berlin")
pia = get_user_model().objects.create_user("pia", "pia@example.com", PASSWORD)
pia.groups.add(Group.objects.get(name=MARKETING))
brand.members.add(pia)
practice = Practice(settings.PRACTICE_NETWORK_URL)
made = practice.add_account("pinterest", "garden", name="Garden")
# As Pinterest itself tells it, by which an account's own boards are known.
adopt("pinterest", {**made, "handle": "garden"}, brand, pia)
"""
BOARDS = """
import django, json
django.setup()
from accounts.models import ConnectedAccount
pins = ConnectedAccount.objects.get(platform="pinterest", network="practice")
print(json.dumps(pins.client().server_limits()["boards"]))
"""


def test_a_board_and_a_section_are_made_at_the_network_from_the_composer(
    site: Site, visit: Visit, inspect: Inspect
) -> None:
    site.rows(PINS)
    before = set(site.rows(BOARDS).values())
    page = visit("pia")
    page.goto("/posts/new/")
    page.get_by_label("Text for all networks").fill("Sow now")
    page.get_by_role("checkbox", name="Garden").check()
    page.get_by_role("tab", name="Pinterest").click()
    pinterest = page.locator('[data-network-section="pinterest"]')
    board = pinterest.get_by_label("Board · Garden")
    named = pinterest.get_by_label(re.compile("^New board"))

    def make(name: str) -> None:
        named.fill(name)
        pinterest.get_by_role("button", name="Make it there").click()

    make("Herbs")
    expect(board.locator("option:checked")).to_have_text("Herbs")
    expect(named).to_have_value("")
    make("Herbs › Basil")
    expect(board.locator("option:checked")).to_have_text("Herbs › Basil")
    # What is in the way is said where it was typed, and what was chosen stays.
    make("Nowhere › Basil")
    expect(pinterest.get_by_role("alert")).to_contain_text("make it first")
    expect(board.locator("option:checked")).to_have_text("Herbs › Basil")
    inspect(page, "compose-new-board")
    assert set(site.rows(BOARDS).values()) - before == {"Herbs", "Herbs › Basil"}
    expect(page.get_by_label("Text for all networks")).to_have_value("Sow now")

    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("link", name="Edit").click()
    expect(board.locator("option:checked")).to_have_text("Herbs › Basil")


def test_a_poll_is_made_checked_and_kept(
    visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara")
    page.goto("/posts/new/")
    for account in (X, MASTODON, LINKEDIN):
        account_box(page, account).check()
    text_field(page).fill("Which bread do you want to bake?")
    page.locator("summary", has_text="Poll").click()
    page.get_by_label("Answer 1").fill("Rye")
    page.get_by_label("Answer 2").fill("A sourdough of spelt and rye, baked twice")
    page.get_by_label("How long", exact=True).select_option(label="3 days")
    page.get_by_label("People may choose several answers").check()
    panel, previews = (
        page.locator("#panel"),
        page.get_by_role("region", name="Previews"),
    )
    mastodon = previews.get_by_label("Preview for Mastodon")
    expect(mastodon.get_by_role("listitem")).to_contain_text(["Rye", "A sourdough"])
    expect(mastodon).to_contain_text("several answers, 3 days")
    expect(previews.get_by_label("Preview for X")).not_to_contain_text("several")
    expect(panel).to_contain_text("The answer is too long: 41 / 25 characters")
    expect(panel).to_contain_text("The poll has no question")
    # A reason leads to its field.
    panel.get_by_role("link", name="Poll: Answer 2").first.click()
    expect(page.get_by_label("Answer 2")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Spelt")
    panel.get_by_role("link", name="Poll: Question").first.click()
    page.keyboard.type("Which one?")
    expect(previews.get_by_label("Preview for LinkedIn")).to_contain_text("Which one?")
    expect(panel).not_to_contain_text("too long")
    page.get_by_label("Date", exact=True).fill(TOMORROW)
    inspect(page, "compose-poll")
    schedule_button(page).first.click()
    shown = page.get_by_role("region", name="Content")
    expect(shown.get_by_role("listitem")).to_have_text(["Rye", "Spelt"])

    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Answer 2")).to_have_value("Spelt")
    expect(page.get_by_label("How long", exact=True)).to_have_value("4320")
    expect(page.get_by_label("Question", exact=True)).to_have_value("Which one?")


# -- what the page behind a link says

#: The page was read already: of a test's own server none is, it is on no public net.
LINK_READ = """
import django
django.setup()
import io
from django.utils import timezone
from PIL import Image
from publishing.models import LinkFacts
drawn = io.BytesIO()
Image.new("RGB", (240, 126), "peru").save(drawn, "WEBP")
LinkFacts.objects.update_or_create(key=LinkFacts.key_of({url!r}), defaults=dict(
    url={url!r}, read_at=timezone.now(), title={title!r}, description={teaser!r},
    picture=drawn.getvalue(), has_picture=True))
"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_what_the_page_behind_a_link_says_is_taken_over(
    size: tuple[int, int],
    site: Site,
    visit: Visit,
    connected: None,
    inspect: Inspect,
) -> None:
    url = f"https://bakery.example/rye-{size[0]}"
    title = 'Rye & "spelt": <all> of it'
    teaser = "How we bake it, from the evening before to seven o'clock."
    site.rows(LINK_READ.format(url=url, title=title, teaser=teaser))
    page = visit("mara", size=size)
    page.goto("/posts/new/")
    for account in (LINKEDIN, BLUESKY):
        account_box(page, account).check()
    text_field(page).fill(f"Rye again, {size[0]}")
    preview = page.get_by_label("Preview for LinkedIn")
    own_title, own_teaser = page.get_by_label("Link title"), page.get_by_label("Teaser")
    link = page.locator("#id_link_url")
    link.fill(url)
    link.press("Tab")
    facts = page.locator("#link-facts")
    expect(facts).to_contain_text(title)
    expect(facts).to_contain_text(teaser)
    picture = facts.locator("img")
    expect(picture).to_have_js_property("complete", True)
    expect(picture).not_to_have_js_property("naturalWidth", 0)
    expect(own_title).to_be_hidden()
    # LinkedIn reads no page: without a title of ours its card has none.
    expect(preview).not_to_contain_text(title)
    inspect(page, f"compose-link-{size[0]}")

    facts.get_by_role("button", name="Take over title and teaser").click()
    expect(own_title).to_be_focused()
    expect(own_title).to_have_value(title)
    expect(own_teaser).to_have_value(teaser)
    expect(preview).to_contain_text(title)
    expect(preview).to_contain_text(teaser)
    expect(page.get_by_label("Preview for Bluesky")).to_contain_text(title)
    inspect(page, f"compose-link-taken-{size[0]}")
    # It is kept as if it had been typed, and may be changed.
    own_title.fill("Rye, all of it")
    expect(preview).to_contain_text("Rye, all of it")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(own_title).to_have_value("Rye, all of it")
    expect(own_teaser).to_have_value(teaser)


# -- threads

#: Tove's brand has an account on X; nothing of it goes out.
HARBOUR = """
import django
django.setup()
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from accounts.models import Brand, ConnectedAccount, Credential, PlatformApp
from accounts.roles import MARKETING
from tests.browser.guide import PASSWORD
brand = Brand.objects.create(name="Harbour", time_zone="Europe/Berlin")
tove = get_user_model().objects.create_user("tove", "tove@example.com", PASSWORD)
tove.groups.add(Group.objects.get(name=MARKETING))
brand.members.add(tove)
app, _made = PlatformApp.objects.get_or_create(
    platform="x", network="live", instance_url="", defaults={"client_id": "1"}
)
ConnectedAccount.objects.create(
    brand=brand, platform="x", external_id="77", name="Harbour news", handle="harbour",
    credential=Credential.objects.create(app=app, access_token="secret-token"),
)
"""
LONG = " ".join(
    f"Sentence number {n} tells of ships and their cargo." for n in range(12)
)


def test_a_text_that_is_too_long_becomes_a_thread(
    site: Site, visit: Visit, inspect: Inspect
) -> None:
    site.rows(HARBOUR)
    page = visit("tove")
    page.goto("/posts/new/")
    page.get_by_role("checkbox", name="Harbour news").check()
    page.get_by_label("Text for all networks").fill(LONG)
    panel = page.locator("#panel")
    panel.get_by_role("button", name="Split into parts").click()
    network = page.locator("#network-x")
    second = network.get_by_label("Text of part 2")
    third = network.get_by_label("Text of part 3")
    expect(second).to_be_visible()
    expect(panel).to_contain_text("Part 3:")
    expect(panel).to_contain_text("The network accepts this.")
    was = second.input_value()

    network.get_by_role("button", name="Move back part 2").click()
    expect(third).to_have_value(was)
    network.get_by_role("button", name="Add a part for X").click()
    fourth = network.get_by_label("Text of part 4")
    expect(panel).to_contain_text("Part 4")
    fourth.fill("And that is all.")
    inspect(page, "compose-thread")
    network.get_by_role("button", name="Remove part 2").click()
    expect(third).to_have_value("And that is all.")

    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(page.get_by_text("And that is all.")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    expect(second).to_have_value(was)
    expect(third).to_have_value("And that is all.")


def test_a_press_is_heard_although_the_checks_come_meanwhile(
    visit: Visit, connected: None
) -> None:
    page = visit("mara")
    page.goto("/posts/new/")
    account_box(page, X).check()
    words = page.get_by_label("Text for all networks")
    draft = page.get_by_role("button", name="Save draft")
    preview = page.get_by_label("Preview for X")

    def press_while_checks_come(text: str) -> None:
        page.wait_for_load_state("networkidle")
        expect(preview).to_be_visible()
        words.fill(text)
        draft.hover()
        with page.expect_response("**/posts/check/") as checked:
            page.mouse.down()
        checked.value.finished()
        page.wait_for_timeout(200)  # a look at the answer, had it been taken

    press_while_checks_come("Let go elsewhere")
    expect(preview).not_to_contain_text("Let go elsewhere")
    page.mouse.move(0, 0)
    page.mouse.up()
    expect(preview).to_contain_text("Let go elsewhere")

    press_while_checks_come("Pressed for long")
    page.mouse.up()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(page.locator("h1")).to_contain_text("Pressed for long")


def test_a_press_counts_although_the_check_of_an_empty_form_comes_upon_it(
    visit: Visit, connected: None
) -> None:
    page = visit("mara")
    checks: list[Route] = []
    page.route("**/posts/check/", lambda route: checks.append(route))
    page.goto("/posts/new/")
    account_box(page, X).check()
    page.get_by_label("Text for all networks").fill("Written at once")
    page.get_by_label("Date", exact=True).fill(TOMORROW)
    page.get_by_label("Time", exact=True).fill("04:44")
    asks: list[Route] = []  # whether the server is there, before anything leaves
    page.route("**/posts/keep/", lambda route: asks.append(route))
    schedule_button(page).click()
    for held in (asks, checks):
        while not held:
            page.wait_for_timeout(20)
    checks[0].continue_()
    expect(schedule_button(page)).to_be_disabled()
    for one in asks:
        one.continue_()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(page.get_by_role("status")).to_contain_text("1 post is scheduled")


def test_on_a_mac_the_alt_key_writes_what_it_writes_there(
    visit: Visit, connected: None
) -> None:
    page = visit("mara")
    platform = "Object.defineProperty(navigator, 'platform', {value: 'MacIntel'})"
    page.add_init_script(platform)
    page.goto("/posts/new/")
    account_box(page, X).check()
    text_field(page).fill("Two words")
    for key in ("Alt+Digit5", "Alt+ArrowLeft"):  # [ on German keyboards; a word back
        page.keyboard.press(key)
        expect(text_field(page)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Alt+Digit2")
    expect(text_field(page)).to_be_focused()
    page.get_by_role("button", name="Shortcuts").click()
    expect(page.get_by_role("dialog", name="Shortcuts")).to_contain_text("Option key")


def test_accounts_are_searched_and_what_is_chosen_is_counted(
    visit: Visit, connected: None
) -> None:
    page = visit("mara", size=(390, 500))
    page.goto("/posts/new/")
    # Many of them scroll in a box of their own: the text is not far below.
    accounts = page.locator("#accounts").bounding_box()
    assert accounts
    assert accounts["height"] == 300
    found = page.locator("#account-found")
    search = page.get_by_label("Search accounts")
    expect(search).to_be_visible()
    expect(found).to_be_empty()
    account_box(page, X).check()
    expect(found).to_have_text("1 chosen")
    search.fill("mastodon")
    expect(found).to_have_text(re.compile(r"^1 chosen · 1 of \d+ shown$"))
    expect(account_box(page, X)).to_be_hidden()


#: Whether the first letter of a text stands at its right end.
STARTS_RIGHT = """(node) => {
  const letter = document.createRange();
  letter.setStart(node.firstChild, 0);
  letter.setEnd(node.firstChild, 1);
  const box = node.getBoundingClientRect();
  return letter.getBoundingClientRect().left > box.left + box.width / 2;
}"""


def test_hebrew_and_arabic_run_from_right_to_left(
    visit: Visit, connected: None
) -> None:
    page = visit("mara")
    page.goto("/posts/new/")
    account_box(page, X).check()
    shown = page.get_by_label("Preview for X").locator(".pub-text")
    for text, is_right in (("שלום!", True), ("Hello!", False)):
        text_field(page).fill(text)
        expect(shown).to_have_text(text)
        assert shown.evaluate(STARTS_RIGHT) is is_right
    expect(text_field(page)).to_have_css("unicode-bidi", "plaintext")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_the_composer_stands_still_while_it_loads(
    size: tuple[int, int], visit: Visit, furnished: dict[str, str]
) -> None:
    page = visit("mara", size=size)

    def late(route: Route) -> None:
        time.sleep(2)
        route.continue_()

    # The script that puts tabs in place of what stands below each other.
    page.route("**/composer*.js", late)
    for url in ("/posts/new/", f"{furnished['draft']}edit/"):
        page.goto(url)
        expect(page.locator("#compose-footer")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate(SHIFTED) < 0.02, url


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_names_of_people_are_looked_up_from_the_composer(
    size: tuple[int, int], visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara", size=size)
    page.goto("/posts/new/")
    account_box(page, BLUESKY).check()
    known, unknown = "@acme.practice.example", f"@nobody{size[0]}.practice.example"
    page.get_by_label("Text for all networks").fill(f"With {known} and {unknown}")
    panel = page.locator("#panel")
    # What was looked up once is known from then on.
    expect(panel).to_contain_text(re.compile(f"Not looked up yet: .*{unknown}"))
    panel.get_by_role("button", name="Look the names up").click()
    expect(panel).not_to_contain_text("Not looked up yet")
    expect(panel).to_contain_text(unknown)
    expect(panel).not_to_contain_text(known)
    inspect(page, f"compose-names-{size[0]}")


#: Somebody posted it by hand, where no test's own post comes near.
#: Until tomorrow the network is not read, which does not know of it.
MADE_THERE = """
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from accounts.models import ConnectedAccount
from monitoring.native_models import NativeReading
from publishing.models import NativePost
account = ConnectedAccount.objects.get(platform="x", name="Acme Tools")
NativeReading.objects.update_or_create(account=account,
    defaults={"next_at": timezone.now() + timedelta(days=1)})
NativePost.objects.create(account=account, external_id="by-hand", text="%s",
    permalink="https://x.example/by-hand", posted_at=timezone.now())
"""


def test_what_was_posted_by_hand_is_said_before_it_goes_out_again(
    visit: Visit, connected: None, site: Site, inspect: Inspect
) -> None:
    text = "Our rolls are fresh from seven o'clock on, and there are enough for all of you."
    site.rows(MADE_THERE % text)
    page = visit("mara")
    page.goto("/posts/?tab=native")
    expect(row_of(page, X, "Our rolls")).to_be_visible()
    inspect(page, "posts-native")
    page.goto("/posts/new/")
    account_box(page, X).check()
    page.get_by_label("Text for all networks").fill(text)
    page.get_by_role("radio", name="Now").check()
    checks = page.get_by_role("region", name="Checks")
    expect(checks).to_contain_text("made by somebody at the network itself")
    expect(schedule_button(page)).to_be_disabled()
    inspect(page, "compose-native")
    page.get_by_label("Send it all the same").check()
    expect(schedule_button(page)).to_be_enabled()
