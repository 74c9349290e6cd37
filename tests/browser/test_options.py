"""What networks want to know besides the text, asked for in the composer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]

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

    for name in ("Cakes", "Bakery live", "Bakery films"):
        page.get_by_role("checkbox", name=name).check()
    youtube = own.locator('[data-network-section="youtube"]')
    page.get_by_role("tab", name="YouTube").click()
    youtube.get_by_label("Title", exact=False).fill("Rye bread in a day")
    youtube.get_by_label("Tags").fill("bread, rye")
    youtube.get_by_label("Notify subscribers").uncheck()
    page.get_by_role("tab", name="All").click()
    page.get_by_label("Text for all networks").fill("Rye bread.")
    inspect(page, "compose-options")

    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("link", name="Edit").click()
    expect(board).to_have_value("b2")
    expect(youtube.get_by_label("Tags")).to_have_value("bread, rye")
    expect(youtube.get_by_label("Notify subscribers")).not_to_be_checked()
    expect(youtube.get_by_label("Text for YouTube", exact=True)).to_have_value("")
