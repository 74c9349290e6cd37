"""The main job as people do it: connect, write, watch it go out, repair."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from socialhub.sandbox import wait_for
from tests.browser.guide import (
    BAKERY,
    BLUESKY,
    LINKEDIN,
    MASTODON,
    PASSWORD,
    TOOLS,
    X,
    account_box,
    begin_connecting,
    consent,
    go_on,
    let_go_wrong,
    load_until,
    one_time_code,
    row_of,
    schedule_button,
    sign_in,
    submit,
    wait_for_state,
    write,
)
from tests.browser.inspection import DESKTOP, PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]
EVERYWHERE = (MASTODON, BLUESKY, X, LINKEDIN, TOOLS, BAKERY)


def heading(page: Page) -> Any:
    return expect(page.get_by_role("heading", level=1))


@pytest.fixture(scope="module")
def connected(opened: Callable[..., Any]) -> None:
    """As everywhere, but by what a person sees."""
    context, page, watch = opened("ada")
    begin_connecting(page, "LinkedIn")
    go_on(page, "LinkedIn")
    consent(page, "Ana Lopez")
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(3)
    for box in boxes.all():
        box.check()
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("3 accounts are connected.")
    for platform in ("Mastodon", "X"):
        begin_connecting(page, platform)
        go_on(page, platform)
        consent(page, "Acme Tools")
        words = "Acme Tools is connected in the brand Acme."
        expect(page.get_by_role("status")).to_contain_text(words)
    begin_connecting(page, "Bluesky")
    # The page names the practice network's people and their app passwords.
    people = page.get_by_role("region", name="People of the practice network")
    acme = people.get_by_role("listitem").filter(has_text=BLUESKY[1]).inner_text()
    handle, secret = re.findall(r"[\w-]+(?:\.[\w-]+)+|\w+(?:-\w+){3}", acme)
    page.get_by_label("Handle").fill(handle)
    page.get_by_label("App password").fill(secret)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text(words)
    context.close()
    assert not watch.faults, "\n".join(watch.faults)


# -- signing in


def test_a_wrong_password_is_refused_and_the_right_one_leads_home(visit: Visit) -> None:
    page = visit()
    sign_in(page, "mara", "not-my-password")
    expect(page.get_by_role("alert")).to_contain_text("not correct")
    sign_in(page, "mara@example.com")
    heading(page).to_have_text("Home")
    expect(page.get_by_text("Publishing engine: last seen")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    heading(page).not_to_have_text("Home")
    page.goto("/posts/")
    heading(page).to_have_text("Sign in")


def test_an_admin_is_led_through_the_first_steps(visit: Visit) -> None:
    page = visit("ada")
    page.goto("/")
    steps = page.get_by_role("region", name="First steps").get_by_role(
        "heading", level=3
    )
    words = " ".join(steps.all_inner_texts())
    for step in ("brand", "accounts", "deputies", "slots", "fire drill"):
        assert step in words


def test_a_second_factor_is_set_up_and_then_asked_for(
    visit: Visit, inspect: Inspect
) -> None:
    page = visit()
    sign_in(page, "toni")
    page.get_by_role("link", name="Your settings").click()
    page.get_by_role("link", name="second factor").click()
    page.get_by_role("link", name="Set up").click()
    # Who sits at an unlocked screen may not bind the account to a phone of theirs.
    inspect(page, "sign-in-once-more")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    inspect(page, "second-factor-set-up")
    secret = page.get_by_label("Secret, if the app cannot scan").input_value()
    enter_code(page, secret, "Switch on", "/recovery-codes/")
    inspect(page, "second-factor-recovery-codes")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "toni")
    code = page.get_by_label("Code")
    expect(code).to_be_visible()
    inspect(page, "second-factor-asked")
    code.fill("000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    enter_code(page, secret, "Sign in", "/")
    heading(page).to_have_text("Home")


def enter_code(page: Page, secret: str, button: str, leads_to: str) -> None:
    """Twice at most: a code may end between being read and being sent."""
    for _ in range(2):
        page.get_by_label("code").fill(one_time_code(secret))
        page.get_by_role("button", name=button, exact=True).click()
        if page.url.endswith(leads_to):
            return
    raise AssertionError(page.get_by_role("main").inner_text())


# -- connecting


def test_cancelling_at_the_platform_has_its_page_with_the_way_on(
    visit: Visit, inspect: Inspect
) -> None:
    page = visit("ada", expected={400, 403})
    for platform, button in (("X", "Cancel"), ("LinkedIn", "Cancel the sign-in")):
        begin_connecting(page, platform)
        go_on(page, platform)
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.get_by_role("main")).to_contain_text("cancelled")
        expect(page.get_by_role("link", name=re.compile("again", re.I))).to_be_visible()
    inspect(page, "connect-cancelled")


def test_accounts_are_connected_without_signing_anybody_in(
    visit: Visit, connected: None
) -> None:
    page = visit("ada")
    page.goto("/accounts/")
    for account in EVERYWHERE:
        expect(row_of(page, account, "Able to post")).to_be_visible()
    expect(page.locator(".sh-user")).to_contain_text("Ada Admin")
    page.goto("/people/")
    expect(page.get_by_role("main")).not_to_contain_text("Ana Lopez")


def test_connecting_what_is_connected_says_so(visit: Visit, connected: None) -> None:
    page = visit("ada", expected={409})
    begin_connecting(page, "X")
    go_on(page, "X")
    consent(page, "Acme Tools")
    expect(page.get_by_role("main")).to_contain_text("onnected already")


def test_a_server_that_is_not_mastodon_or_private_is_refused(
    visit: Visit, connected: None
) -> None:
    page = visit("ada", expected={422})
    page.goto("/accounts/connect/mastodon/?network=live")
    page.get_by_label("Brand").select_option("Acme")
    page.get_by_label("Server address").fill("http://127.0.0.1:1")
    page.get_by_role("button", name="Go on to Mastodon").click()
    heading(page).to_have_text("Connect Mastodon")
    expect(page.locator(".sh-error, [role=alert]").first).to_be_visible()


# -- writing and publishing


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "seedlings.png"
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(path)
    return path


def test_one_post_goes_to_all_networks(
    visit: Visit, connected: None, picture: Path, inspect: Inspect, site: Any
) -> None:
    page = visit("mara")
    page.goto("/posts/new/")
    for account in EVERYWHERE:
        account_box(page, account).check()
    text = page.get_by_label("Text for all networks")
    checks = page.get_by_role("region", name="Checks")
    text.fill("🌱" * 301)
    expect(checks).to_contain_text("301 / 300 characters")
    expect(schedule_button(page)).to_be_disabled()
    expect(page.get_by_text("It cannot be scheduled yet:")).to_be_visible()
    text.fill("Spring sale starts today #spring\nhttps://example.com/a-long-address")
    expect(checks).to_contain_text("56 / 25000 characters")  # X counts an address as 23
    page.get_by_role("tab", name="X").click()
    page.get_by_label("Text for X", exact=True).fill("Spring sale! #spring")
    expect(checks).to_contain_text("20 / 25000 characters")

    page.get_by_label("Add files").set_input_files(picture)
    expect(checks).to_contain_text("lternative text")
    page.get_by_label("Alternative text").fill("Two seedlings in a pot")
    expect(checks).not_to_contain_text("lternative text")
    inspect(page, "compose-filled")
    page.get_by_role("radio", name="Now").check()
    post = submit(page)

    for account in EVERYWHERE:
        wait_for_state(page, post, account, "Published")
    inspect(page, "post-published")
    for account in EVERYWHERE:
        page.goto(post)
        row_of(page, account).get_by_role("link", name="See it on").click()
        expect(page).to_have_url(re.compile(f"^{re.escape(site.practice)}"))
        expect(page.get_by_role("article")).to_contain_text("Spring sale")
        image = page.get_by_role("img", name="Two seedlings in a pot")
        expect(image).to_be_visible()
        loaded = "image => image.decode().then(() => image.naturalWidth > 0)"
        assert image.evaluate(loaded)
        if account == X:
            expect(page.get_by_role("article")).to_contain_text("Spring sale! #spring")
            inspect(page, "practice-post")

    page.goto("/calendar/")
    page.locator("summary").filter(has_text="Filters").click()
    page.get_by_label("Network", exact=True).select_option("Bluesky")
    page.get_by_role("button", name="Show", exact=True).click()
    card = page.get_by_role("link").filter(has_text="Spring sale starts")
    expect(card).to_contain_text("Published")
    page.goto("/posts/?tab=all")
    listed = row_of(page, BLUESKY, "Spring sale starts")
    expect(listed).to_contain_text("Published")
    expect(listed.get_by_role("link", name="See it on Bluesky")).to_be_visible()

    page.goto(post)
    row_of(page, MASTODON).get_by_role("link", name=re.compile("^Details")).click()
    attempts = page.get_by_role("region", name="Attempts")
    expect(attempts).to_contain_text("Published")
    page.get_by_text(re.compile(r"^\d+ calls?$")).first.click()
    expect(attempts).to_contain_text("POST /api/v1/statuses")
    expect(attempts).to_contain_text("HTTP 200")
    assert not re.search(r"Bearer|access_token", page.content())
    inspect(page, "delivery-published")


# -- access ends


def test_a_revoked_access_is_seen_posts_are_held_and_reconnecting_releases_them(
    visit: Visit, connected: None, site: Any, inspect: Inspect
) -> None:
    mara, ada = visit("mara"), visit("ada")
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    future = write(mara, "Later on LinkedIn", LINKEDIN, at=(tomorrow, "09:00"))

    # Connected a while ago: a token of seconds may be refused without meaning it.
    site.rows(
        "import django; django.setup()\n"
        "from datetime import timedelta\n"
        "from django.utils import timezone\n"
        "from accounts.models import Credential\n"
        "Credential.objects.filter(app__platform='linkedin').update("
        "issued_at=timezone.now() - timedelta(days=1))"
    )
    ada.goto(f"{site.practice}/panel/linkedin")
    inspect(ada, "practice-panel-linkedin")
    ada.get_by_role("button", name="Remove the app: Ana Lopez", exact=True).click()
    expect(ada.get_by_role("status")).to_contain_text("Done.")

    ada.goto("/accounts/")
    row_of(ada, LINKEDIN).get_by_role("link").first.click()
    account = ada.url
    ada.get_by_role("button", name="Check now").click()
    expect(ada.get_by_role("status")).to_be_visible()
    load_until(ada, account, ada.locator(".sh-head").get_by_text("Reconnect needed"))
    inspect(ada, "account-reconnect-needed")
    # What hangs together with it is looked at first; then the mail leaves.
    mail = site.box.dir / "mail"

    def mails() -> list[str]:
        # A file is there before it is written.
        return [text for one in mail.glob("*.log") if (text := one.read_text())]

    wait_for(mails, 60, name="the mail to the owner")
    (first,) = mails()
    assert "ada@example.com" in first

    mara.goto(future)
    expect(row_of(mara, LINKEDIN, "At risk")).to_be_visible()
    inspect(mara, "post-at-risk")
    due = write(mara, "Held on LinkedIn", LINKEDIN)
    wait_for_state(mara, due, LINKEDIN, "Held")
    inspect(mara, "post-held")
    ada.goto("/")
    inspect(ada, "home-with-troubles")
    ada.goto("/accounts/")
    inspect(ada, "accounts-reconnect-needed")

    ada.goto(account)
    ada.get_by_role("link", name="Reconnect", exact=True).first.click()
    inspect(ada, "account-reconnect")
    go_on(ada, "LinkedIn")
    consent(ada, "Ana Lopez")
    wait_for_state(mara, due, LINKEDIN, "Published")
    load_until(ada, account, ada.locator(".sh-head").get_by_text("Able to post"))
    mara.goto(future)
    expect(row_of(mara, LINKEDIN, "Scheduled")).to_be_visible()
    wait_for(lambda: len(mails()) == 2, 60, name="the solved mail")


# -- the answer gets lost


@pytest.mark.parametrize(
    ("size", "kind", "seconds"),
    [
        (DESKTOP, "Accept and drop the answer", ""),
        # Longer than we wait for an answer.
        (PHONE, "Slow answer", "45"),
    ],
    ids=["dropped", "timed-out"],
)
def test_a_lost_answer_is_checked_and_the_post_is_there_once(
    size: tuple[int, int],
    kind: str,
    seconds: str,
    visit: Visit,
    connected: None,
    site: Any,
    inspect: Inspect,
) -> None:
    page = visit("mara", size=size)
    text = f"Did it go out? ({kind})"
    let_go_wrong(page, site.practice, "X", kind, seconds)
    post = write(page, text, X)
    wait_for_state(page, post, X, "Checking whether it went out")
    inspect(page, f"post-checking-{size[0]}")
    wait_for_state(page, post, X, "Published")
    row_of(page, X).get_by_role("link", name=re.compile("^Details")).click()
    attempts = page.get_by_role("region", name="Attempts")
    expect(attempts).to_contain_text("Sent, and the answer was lost")
    inspect(page, f"delivery-found-{size[0]}")
    page.goto(f"{site.practice}/panel/x")
    there = page.get_by_role("region", name="X", exact=True)
    expect(there.get_by_role("link", name=text)).to_have_count(1)
    # It was no failure, so nobody was told of one.
    mails = (site.box.dir / "mail").glob("*.log")
    assert not [mail.name for mail in mails if text in mail.read_text()]


# -- the platform refuses


def test_a_reviewer_repairs_what_a_platform_refused(
    visit: Visit, connected: None, site: Any, inspect: Inspect
) -> None:
    mara, rhea = visit("mara"), visit("rhea")
    let_go_wrong(mara, site.practice, "Mastodon", "Content refused")
    post = write(mara, "Refused by the platform", MASTODON)
    wait_for_state(mara, post, MASTODON, "Failed")

    rhea.goto("/")
    rhea.get_by_role("link", name="Open the failure desk").click()
    row = row_of(rhea, MASTODON, "Refused by the platform")
    row.get_by_text("Details", exact=False).first.click()
    expect(row).to_contain_text("HTTP 403")
    inspect(rhea, "desk-refused")
    row.get_by_role("link", name="Refused by the platform").click()
    inspect(rhea, "delivery-refused")
    rhea.get_by_role("button", name="Send again").click()
    wait_for_state(mara, post, MASTODON, "Published")
    rhea.goto("/desk/")
    expect(row_of(rhea, MASTODON, "Refused by the platform")).to_have_count(0)


# -- strangers and the admin


def test_a_stranger_sees_nothing_of_another_brand(
    visit: Visit, connected: None
) -> None:
    mara, sten = visit("mara"), visit("sten", expected={404})
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    post = write(mara, "Only for Acme", X, at=(tomorrow, "10:00"))
    for url in ("/posts/?tab=all", "/calendar/", "/desk/", "/accounts/", "/"):
        sten.goto(url)
        expect(sten.get_by_role("main")).not_to_contain_text("Acme")
    sten.goto(post)
    heading(sten).to_have_text("Not found")


def test_a_role_that_may_not_is_told_so(visit: Visit) -> None:
    page = visit("rhea", expected={403})
    page.goto("/posts/new/")
    expect(page.get_by_role("main")).to_contain_text("role")


def test_the_admin_shows_rows_that_only_verbs_change(
    visit: Visit, connected: None, site: Any
) -> None:
    mara, page = visit("mara"), visit("ada")
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    write(mara, "Seen in the admin", X, at=(tomorrow, "11:00"))
    page.goto("/admin/publishing/delivery/")
    page.locator("#changelist-search").get_by_role("textbox").fill("Seen in the admin")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=Seen"))
    page.get_by_role("link", name="Seen in the admin").click()
    expect(page.get_by_role("main")).to_contain_text("Scheduled")
    expect(page.locator("#content").get_by_role("textbox")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Save"))).to_have_count(0)
    page.goto("/admin/accounts/credential/")
    page.locator("#result_list tbody").get_by_role("link").first.click()
    expect(page.get_by_role("main")).to_contain_text("Granted scopes")
    secrets = site.rows(
        "import django, json; django.setup()\n"
        "from accounts.models import Credential\n"
        "print(json.dumps([c.access_token for c in Credential.objects.all()]))"
    )
    secrets = [secret for secret in secrets if secret]
    assert secrets
    assert not [secret for secret in secrets if secret in page.content()]
