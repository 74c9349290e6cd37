"""A thread in the composer: split, moved, checked part by part, kept."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]

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
