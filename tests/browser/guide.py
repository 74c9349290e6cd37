"""How a person finds their way: by the words on buttons, links and fields."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time

from playwright.sync_api import Locator, Page, expect

PASSWORD = "correct-horse-battery-9"
#: what Acme connects, as (network, name)
LINKEDIN = ("LinkedIn", "Ana Lopez")
BAKERY = ("LinkedIn", "Acme Bakery")
TOOLS = ("LinkedIn", "Acme Tools")
MASTODON = ("Mastodon", "Acme Tools")
BLUESKY = ("Bluesky", "Acme Tools")
X = ("X", "Acme Tools")
#: what the engine and the practice network may take on a busy machine
PATIENCE_MS = 90_000

Account = tuple[str, str]


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/sign-in/login/")
    page.get_by_label("User name or mail address").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def one_time_code(secret: str) -> str:
    """The six digits of RFC 6238 for now, as an authenticator app shows them."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    start = digest[-1] & 0xF
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


# -- connecting


def begin_connecting(page: Page, platform: str) -> None:
    """From the list of accounts to the page before the platform's own."""
    page.goto("/accounts/")
    page.get_by_role("link", name="Connect an account").first.click()
    page.get_by_role("link", name=f"Connect {platform}, Practice").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Connect {platform}")
    page.get_by_label("Brand").select_option("Acme")


def go_on(page: Page, platform: str) -> None:
    page.get_by_role("button", name=f"Go on to {platform}").click()
    title = re.compile(f"{platform}: give SocialHub access")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def consent(page: Page, person: str) -> None:
    """On the platform's own page: sign in as this person and allow everything."""
    page.get_by_role("radio", name=person).check()
    page.get_by_role("button", name="Allow", exact=True).click()


# -- writing


def account_box(page: Page, account: Account) -> Locator:
    network, name = account
    group = page.get_by_role("group", name=network, exact=True)
    return group.get_by_role("checkbox", name=re.compile(f"^{name}"))


def schedule_button(page: Page) -> Locator:
    words = re.compile(r"^((Schedule|Send) \d+ post|Ask for approval)")
    return page.get_by_role("button", name=words)


def write(
    page: Page, text: str, *accounts: Account, at: tuple[str, str] | None = None
) -> str:
    """Write a post, schedule it; its page's address. at: (date, time); None: now."""
    page.goto("/posts/new/")
    for account in accounts:
        account_box(page, account).check()
    page.get_by_label("Text for all networks").fill(text)
    if at is None:
        page.get_by_role("radio", name="Now").check()
    else:
        page.get_by_label("Date", exact=True).fill(at[0])
        page.get_by_label("Time", exact=True).fill(at[1])
    return submit(page)


def submit(page: Page) -> str:
    """Schedule, once the checks have answered; ends on the post's page."""
    expect(schedule_button(page)).to_be_enabled()
    schedule_button(page).click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    return page.url


# -- looking


def row_of(page: Page, account: Account, words: str = "") -> Locator:
    """The line of an account in a table, where it also says these words."""
    network, name = account
    mark = page.get_by_role("img", name=network, exact=True)
    named = mark.or_(page.get_by_text(network, exact=True))
    return (
        page.get_by_role("row").filter(has=named, has_text=name).filter(has_text=words)
    )


def load_until(page: Page, url: str, there: Locator, tries: int = 180) -> None:
    """Load a page again and again, as an impatient person does."""
    for _ in range(tries):
        page.goto(url)
        if there.count():
            return
        page.wait_for_timeout(PATIENCE_MS / tries)
    raise AssertionError(f"not there: {there}\n{page.get_by_role('main').inner_text()}")


def wait_for_state(page: Page, post: str, account: Account, words: str) -> None:
    load_until(page, post, row_of(page, account, words))


# -- the practice network's panel


def let_go_wrong(
    page: Page, panel: str, platform: str, kind: str, seconds: str = ""
) -> None:
    """Switch a fault on, for one request that publishes."""
    page.goto(panel)
    page.get_by_role("combobox", name="Network", exact=True).select_option(platform)
    choice = page.get_by_role("combobox", name="What goes wrong", exact=True)
    words = choice.get_by_role("option").filter(has_text=f"{kind}:").inner_text()
    choice.select_option(label=words)
    which = page.get_by_role("combobox", name="Which requests", exact=True)
    which.select_option(label="Only what readers would see (publishing)")
    page.get_by_label("Seconds (slow, later)").fill(seconds)
    page.get_by_role("button", name="Let it go wrong").click()
    expect(page.get_by_role("status")).to_have_text("The fault is on.")
