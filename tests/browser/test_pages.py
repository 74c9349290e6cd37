"""Every page: for every eye, on a desk and on a phone, by keyboard, without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.guide import X, account_box, schedule_button
from tests.browser.inspection import PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]

#: name of the picture -> address; {words} are filled in from the rows
STAFF_PAGES = {
    "home": "/",
    "settings": "/me/",
    "messages": "/health/alerts/",
    "how-told": "/health/me/",
    "incidents": "/health/incidents/",
    "incident": "{incident}",
    "incidents-soon": "/health/incidents/?tab=ends",
    "incidents-solved": "/health/incidents/?tab=solved",
    "second-factor": "/sign-in/2fa/",
    "change-password": "/sign-in/password/change/",
    "posts": "/posts/?tab=all",
    "posts-nothing-found": "/posts/?tab=all&day=2020-01-01",
    "calendar-month": "/calendar/?view=month",
    "calendar-week": "/calendar/?view=week",
    "calendar-list": "/calendar/?view=list",
    "calendar-empty": "/calendar/?date=2020-01-01",
    "calendar-plain": "/calendar/?plain=1",
    "queues": "/queues/",
    "queue": "{queue}",
    "queue-shuffle": "{queue}shuffle/",
    "series": "{series}",
    "series-rule": "{series}rule/",
    "export": "/export/",
    "post-follow": "{again}following/",
    "post-repeat": "{coming}repeat/",
    "first-post": "/first-post/",
    "compose": "/posts/new/",
    "draft": "{draft}",
    "draft-edit": "{draft}edit/",
    "post-scheduled": "{coming}",
    "delivery-unclear": "{unclear}",
    "delivery-too-late": "{late}",
    "delivery-failed": "{failed}",
    "desk": "/desk/",
    "desk-solved": "/desk/?tab=solved",
    "stop-form": "/stop/",
    "held-too-late": "/held/?hold=too_late",
    "media": "/media/",
    "media-file": "{file}",
    "accounts": "/accounts/",
    "account": "{account}",
    "limits": "/limits/",
    "limits-of-one": "/limits/?platform=x",
    "work": "/work/",
    "reliability": "/health/reports/reliability/",
}
ADMIN_PAGES = {
    "people": "/people/",
    "person-add": "/people/add/",
    "brands": "/brands/",
    "brand-add": "/brands/add/",
    "brand": "{brand}",
    "system-check": "/system/",
    "fire-drill": "/fire-drill/",
    "channels": "/health/channels/",
    "channel-add": "/health/channels/add/",
    "channel": "{channel}",
    "connect": "/accounts/connect/",
    "connect-mastodon": "/accounts/connect/mastodon/?network=live",
    "connect-bluesky": "/accounts/connect/bluesky/?network=practice",
    "connect-x-no-app": "/accounts/connect/x/?network=live",
    "account-people": "{account}people/",
    "account-disconnect": "{account}disconnect/",
    "account-links": "{account}links/",
    "account-standby": "{page}standby/",
    "campaigns": "/accounts/campaigns/",
    "campaign-new": "/accounts/campaigns/new/?days=60",
    "campaign": "{campaign}",
    "platform-apps": "/accounts/apps/",
    "limit-size": "{limit_size}",
    "platform-app": "{app}",
    "permissions": "/accounts/permissions/",
    "permission-review": "{permission_review}",
}
DJANGO_ADMIN_PAGES = {
    "admin": "/admin/",
    "admin-deliveries": "/admin/publishing/delivery/",
    "admin-delivery": "/admin{failed_admin}",
    "admin-accounts": "/admin/accounts/connectedaccount/",
    "admin-credentials": "/admin/accounts/credential/",
    "admin-audit": "/admin/accounts/auditevent/",
    "admin-heartbeats": "/admin/monitoring/heartbeat/",
}
OPEN_PAGES = {
    "sign-in": "/sign-in/login/",
    "password-forgotten": "/sign-in/password/reset/",
    "no-sign-up": "/sign-in/signup/",
}


@pytest.fixture(scope="module")
def addresses(furnished: dict[str, str]) -> dict[str, str]:
    return {
        **furnished,
        "failed_admin": f"/publishing/delivery/{furnished['failed'].split('/')[2]}/change/",
    }


def see(page: Page, url: str) -> None:
    """Load the page until nothing moves any more; it is a page with a heading."""
    page.goto(url)
    page.evaluate("() => document.fonts.ready.then(() => null)")
    expect(
        page.locator("html[x-cloak], .htmx-request, main [aria-busy=true]")
    ).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)


@pytest.mark.parametrize("name", STAFF_PAGES)
def test_every_staff_page_is_accessible_and_fits(
    name: str, visit: Visit, addresses: dict[str, str], inspect: Inspect
) -> None:
    page = visit("mara", seat=True)
    see(page, STAFF_PAGES[name].format_map(addresses))
    inspect(page, name)


@pytest.mark.parametrize("name", [*ADMIN_PAGES, *DJANGO_ADMIN_PAGES])
def test_every_admin_page_is_accessible_and_fits(
    name: str, visit: Visit, addresses: dict[str, str], inspect: Inspect
) -> None:
    page = visit("ada", seat=True)
    see(page, (ADMIN_PAGES | DJANGO_ADMIN_PAGES)[name].format_map(addresses))
    inspect(page, name)


@pytest.mark.parametrize("name", OPEN_PAGES)
def test_every_page_before_signing_in_is_accessible_and_fits(
    name: str, visit: Visit, inspect: Inspect
) -> None:
    page = visit()
    see(page, OPEN_PAGES[name])
    inspect(page, name)


#: Prints the address of a link for an account of a platform.
MAKE_LINK = """
import django; django.setup()
import json
from accounts import links
from accounts.models import ConnectedAccount
account = ConnectedAccount.objects.filter(platform="%s").last()
print(json.dumps(links.make(account, account.owner, email="jo@agency.example")[1]))
"""


#: Gives an account another handle, and prints the former one.
RENAME = """
import django; django.setup()
import json
from accounts.models import ConnectedAccount
account = ConnectedAccount.objects.filter(platform="x").last()
print(json.dumps(account.handle))
account.handle = "%s"
account.save(update_fields=["handle"])
"""


def test_a_handle_of_sixty_letters_breaks_no_page(
    visit: Visit, site: Any, furnished: Any, inspect: Inspect
) -> None:
    former = site.rows(RENAME % ("handlewithoutanyspace" * 3)[:60])
    try:
        page = visit("ada", seat=True)
        for name, url in (("accounts", "/accounts/"), ("compose", "/posts/new/")):
            see(page, url)
            inspect(page, f"long-handle-{name}")
        see(page, "/accounts/")
        table = page.locator(".sh-scroll").first
        assert table.evaluate("it => it.scrollWidth <= it.clientWidth"), (
            "all of it shows"
        )
    finally:
        site.rows(RENAME % former)


#: Prints the addresses of sign-ins that wait for a choice: pages to connect, and
#: another person's access to one that is there, for staff and for a link.
PARK = """
import django; django.setup()
import json
from django.contrib.auth import get_user_model
from accounts import links
from accounts.connect import Grant, park
from accounts.models import ConnectedAccount
from platforms.base import Identity, TokenSet
ada = get_user_model().objects.get(username="ada")
account = ConnectedAccount.objects.filter(
    platform="linkedin", kind="organization").first()
app = account.credential.app
ben = Identity("ben", "user", "Ben Okafor", "", "", can_publish=False)
pages = [Identity(f"p{n}", "page", f"A page with a long name, number {n}", f"page{n}",
    "", tokens=TokenSet(f"token-{n}")) for n in range(12)]
through = [Identity(f"i{n}", "x", f"Through {n}", f"through{n}", "", via=f"p{n}",
    platform="x") for n in range(3)]
less = TokenSet("t", scopes=("w_organization_social",))
new = park(Grant(app, less, (), (ben, *pages, *through)), ada, brand=account.brand)
grant = Grant(app, less, (), (ben, account.identity()))
decide = park(grant, ada, account=account)
link, url = links.make(account, ada, email="ben@agency.example")
by_link = park(grant, None, account=account, link=link)
print(json.dumps({"choose-pages": f"/accounts/choose/?id={new.pk}",
    "decide": f"/accounts/choose/?id={decide.pk}", "link": url,
    "link-decide": f"/accounts/link/choose/?id={by_link.pk}"}))
"""


def test_what_a_sign_in_asks_before_it_is_stored_is_accessible_and_fits(
    visit: Visit, site: Any, furnished: Any, inspect: Inspect
) -> None:
    found = site.rows(PARK)
    page = visit("ada", seat=True)
    for name in ("choose-pages", "decide"):
        see(page, found[name])
        inspect(page, name)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status").first).to_contain_text("Nothing was changed.")
    outside = visit()
    see(outside, found["link"])
    see(outside, found["link-decide"])
    inspect(outside, "link-decide")


def test_pages_for_people_without_a_login_are_accessible_and_fit(
    visit: Visit, site: Any, furnished: Any, inspect: Inspect
) -> None:
    page = visit(expected={410})
    see(page, "/accounts/link/")
    inspect(page, "link-over")
    see(page, furnished["deletion"])
    inspect(page, "data-deletion")
    for name, platform in (("link", "linkedin"), ("link-password", "bluesky")):
        see(page, site.rows(MAKE_LINK % platform))
        expect(page).to_have_url(re.compile(r"/accounts/link/$"))
        inspect(page, name)


def test_pages_of_the_practice_network_are_accessible_and_fit(
    visit: Visit, site: Any, furnished: Any, inspect: Inspect
) -> None:
    page = visit()
    for name, path in (("panel", "/"), ("panel-x", "/panel/x"), ("reader", "/x/")):
        see(page, site.practice + path)
        inspect(page, f"practice-{name}")


def test_what_is_not_there_and_what_one_may_not_have_their_pages(
    visit: Visit, inspect: Inspect
) -> None:
    page = visit("rhea", expected={403, 404})
    see(page, "/posts/new/")
    inspect(page, "may-not")
    see(page, "/posts/999999/")
    inspect(page, "not-found")


def test_refused_forms_say_what_is_wrong_beside_the_field(
    visit: Visit, inspect: Inspect
) -> None:
    page = visit("ada", expected={422})
    see(page, "/people/add/")
    # As a browser without checks of its own would send it.
    page.locator("main form").first.evaluate("form => form.noValidate = true")
    page.locator("main form").get_by_role("button").last.click()
    expect(page.locator(".sh-error").first).to_be_visible()
    inspect(page, "person-add-refused")


# -- the theme and the keyboard


def test_a_chart_s_legend_shows_the_strokes_that_tell_its_lines_apart(
    visit: Visit, furnished: Any
) -> None:
    page = visit("mara")
    page.goto("/accounts/")
    name = "Health over time"
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    strokes = page.evaluate(
        """() => {
          const chart = Chart.getChart(document.querySelector("canvas[data-chart]"));
          return chart.legend.legendItems.map((item) => String(item.lineDash));
        }"""
    )
    assert len(strokes) == len(set(strokes)) == 4


def test_the_theme_can_be_chosen_and_stays(visit: Visit) -> None:
    page = visit("mara")
    page.goto("/")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    page.goto("/posts/")
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    page.get_by_role("button", name="System").click()
    expect(page.locator("html")).not_to_have_class(re.compile(r"\bdark\b"))


def focused(page: Page) -> dict[str, Any]:
    """What has the focus, and whether one can see that it has."""
    return page.evaluate(
        """() => {
          const node = document.activeElement, style = getComputedStyle(node);
          const box = node.getBoundingClientRect();
          const around = node.closest(":focus-within:not(:focus)");
          const ring = (s) => (s.outlineStyle !== "none" && parseFloat(s.outlineWidth))
            || s.boxShadow !== "none";
          return {name: (node.getAttribute("aria-label") || node.innerText || node.name
                         || "").trim().split("\\n")[0],
                  tag: node.tagName.toLowerCase(), seen: box.width > 1 && box.height > 1
                    && box.right > 0 && box.bottom > 0,
                  ring: !!ring(style) || (node.tagName === "INPUT" && !!around
                    && !!ring(getComputedStyle(node.parentElement)))};
        }"""
    )


@pytest.mark.parametrize("url", ["/", "/posts/?tab=all", "/accounts/", "/desk/"])
def test_the_keyboard_goes_everywhere_and_is_seen(
    url: str, visit: Visit, furnished: Any
) -> None:
    page = visit("ada")
    see(page, url)
    page.keyboard.press("Tab")
    assert focused(page)["name"] == "Skip to content"
    assert focused(page)["seen"]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "sh-content"
    reached = 0
    for _ in range(40):
        page.keyboard.press("Tab")
        stop = focused(page)
        if stop["tag"] == "body":
            break
        assert stop["seen"], f"{stop} is reached and not seen"
        assert stop["ring"], f"{stop} does not show that it has the focus"
        reached += 1
    assert reached > 3


def tab_to(page: Page, name: str, most: int = 90) -> None:
    for _ in range(most):
        if focused(page)["name"].startswith(name):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name}")


def test_a_post_is_written_by_keyboard_alone(visit: Visit, furnished: Any) -> None:
    page = visit("mara")
    see(page, "/posts/new/")
    box = account_box(page, X)
    for _ in range(60):
        page.keyboard.press("Tab")
        if box.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Space")
    expect(box).to_be_checked()
    tab_to(page, "text")
    page.keyboard.type("Written without a mouse")
    tab_to(page, "when")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Now")).to_be_checked()
    expect(schedule_button(page)).to_be_enabled()
    expect(schedule_button(page)).to_have_text(re.compile("Send 1 post now"))
    tab_to(page, "Send 1 post now")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_writing_on_and_leaving_while_a_check_is_on_its_way_is_no_error(
    visit: Visit,
) -> None:
    page = visit("mara")
    see(page, "/posts/new/")
    page.wait_for_load_state("networkidle")
    page.route("**/posts/check/", lambda route: None)  # never answered
    with page.expect_request("**/posts/check/"):
        page.locator("#id_text").fill("Half a post")
    page.locator("#id_text").fill("Half a post and more")
    page.wait_for_timeout(700)  # the next check would begin by now
    page.get_by_role("link", name="Calendar").first.click()
    page.wait_for_url(re.compile("/calendar/"))


# -- phones and browsers without scripts


def test_the_menu_opens_on_a_phone(visit: Visit) -> None:
    page = visit("mara", size=PHONE)
    see(page, "/")
    link = page.get_by_role("navigation", name="Pages").get_by_role(
        "link", name="Calendar"
    )
    expect(link).not_to_be_in_viewport()
    page.get_by_role("link", name="Menu").click()
    expect(link).to_be_in_viewport()
    link.click()
    expect(page).to_have_url(re.compile("/calendar/"))


def test_every_staff_page_shows_its_content_without_scripts(
    visit: Visit, addresses: dict[str, str]
) -> None:
    page = visit("mara", java_script_enabled=False)
    for name, address in STAFF_PAGES.items():
        page.goto(address.format_map(addresses))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        words = page.get_by_role("main").inner_text()
        assert len(words.split()) > 8, f"{name}: {words}"


def test_a_post_is_written_without_scripts(visit: Visit, furnished: Any) -> None:
    page = visit("mara", java_script_enabled=False)
    page.goto("/posts/new/")
    account_box(page, X).check()
    page.get_by_label("Text for all networks").fill("Written without scripts")
    page.get_by_role("radio", name="Now").check()
    page.get_by_role("button", name=re.compile("^(Schedule|Send)")).click()
    expect(page).to_have_url(re.compile(r"/posts/\d+/$"))
    # Once it is out, a row of its figures follows.
    row = page.get_by_role("row").filter(has_text="Acme Tools").first
    expect(row).to_be_visible()
