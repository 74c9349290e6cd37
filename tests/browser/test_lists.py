"""Around the posts: views that are kept, many posts moved and put back, files that are
deleted safely, what other products exported, reports by mail, and what support is given."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.guide import (
    BLUESKY,
    MASTODON,
    PATIENCE_MS,
    X,
    row_of,
    wait_for_state,
    write,
)
from tests.browser.inspection import DESKTOP, PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
Size = tuple[int, int]

#: Days that no other test looks at.
DAY = date.today() + timedelta(days=160)


def said(page: Page, words: str) -> None:
    expect(page.get_by_role("status").filter(has_text=words).first).to_be_visible()


#: Accounts in trouble, whose words are the longest, for a person who reads German; or as
#: they were.
IN_TROUBLE = """
import django; django.setup()
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from accounts.models import Credential, Profile
now, bad = timezone.now(), {bad}
ada = get_user_model().objects.get(username="ada")
get_user_model().objects.filter(pk=ada.pk).update(
    last_name="Admin-Hohenstein" if bad else "Admin")
Profile.objects.update_or_create(
    user=ada, defaults=dict(language="de" if bad else "", time_zone="Europe/Berlin"))
rows = Credential.objects.filter(accounts__platform="x")
rows.update(state="broken" if bad else "active", broken_at=now if bad else None,
    cause="token_revoked" if bad else "", next_proof_at=now + timedelta(days=1))
"""


def test_the_german_table_of_accounts_covers_nothing_with_its_buttons(
    visit: Visit, furnished: Any, site: Site, inspect: Inspect
) -> None:
    page = visit("ada", size=DESKTOP)
    site.rows(IN_TROUBLE.format(bad=True))
    try:
        page.goto("/accounts/")
        table = page.locator(".sh-scroll").filter(has=page.locator("[id^=account-]"))
        row = table.get_by_role("row").filter(has_text="Neu verbinden nötig").first
        expect(row).to_contain_text("Admin-Hohenstein")
        inspect(page, "accounts-german")
        wider = "node => node.scrollWidth - node.clientWidth"
        assert table.evaluate(wider) == 0
    finally:
        site.rows(IN_TROUBLE.format(bad=False))


@SIZES
def test_a_view_is_kept_shared_and_forgotten(
    size: Size, visit: Visit, furnished: Any, inspect: Inspect
) -> None:
    mara, rhea = visit("mara", size=size), visit("rhea", size=size)
    name = f"Mastodon at {size[0]}"
    mara.goto("/posts/?tab=upcoming")
    mara.locator("summary").filter(has_text="Filters").click()
    mara.get_by_label("Network", exact=True).select_option("Mastodon")
    mara.get_by_role("button", name="Show", exact=True).click()
    mara.wait_for_url(re.compile("platform=mastodon"))
    if not mara.get_by_label("Save this view as").is_visible():
        mara.locator("summary").filter(has_text="Filters").click()
    mara.get_by_label("Save this view as").fill(name)
    mara.get_by_label("Who sees it").select_option(label="Everybody of Acme")
    mara.get_by_role("button", name="Save the view").click()
    kept = mara.get_by_role("list", name="Saved views")
    expect(kept.get_by_role("link", name=name)).to_be_visible()
    inspect(mara, f"posts-view-kept-{size[0]}")

    rhea.goto("/posts/?tab=all")
    shared = rhea.get_by_role("list", name="Saved views").get_by_role("link", name=name)
    expect(shared).to_contain_text("(shared)")
    shared.click()
    rhea.wait_for_url(re.compile("platform=mastodon"))
    expect(row_of(rhea, MASTODON).first).to_be_visible()
    expect(row_of(rhea, X)).to_have_count(0)
    # Whose it is forgets it, for all.
    expect(rhea.get_by_role("button", name=f"Forget the view {name}")).to_have_count(0)
    mara.get_by_role("button", name=f"Forget the view {name}").click()
    expect(mara.get_by_role("link", name=name)).to_have_count(0)
    rhea.goto("/posts/?tab=all")
    expect(rhea.get_by_role("link", name=name)).to_have_count(0)


@SIZES
def test_many_posts_are_moved_and_put_back(
    size: Size, visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara", size=size)
    day = DAY + timedelta(days=0 if size == DESKTOP else 10)
    for number, at in enumerate(("09:00", "10:30")):
        text = f"Moved with others, {number} at {size[0]}"
        write(page, text, X, at=(day.isoformat(), at))
    page.goto(f"/posts/?tab=upcoming&day={day.isoformat()}")
    box = page.locator("summary").filter(has_text="Many posts at once")
    box.click()
    page.get_by_role("checkbox", name="Tick all of this page").check()
    page.get_by_label("By days").fill("2")
    page.get_by_role("button", name="Show what happens").click()
    expect(page.get_by_role("row").filter(has_text="Moved with others")).to_have_count(
        2
    )
    page.get_by_role("button", name="Move: 2 posts").click()
    said(page, "2 posts are done.")
    expect(page.get_by_role("main")).not_to_contain_text("Moved with others")
    note = page.get_by_text("2 of 2 moved posts would go back to their former times.")
    expect(note).to_be_visible()
    inspect(page, f"posts-undo-{size[0]}")
    page.get_by_role("button", name="Undo", exact=True).click()
    page.goto(f"/posts/?tab=upcoming&day={day.isoformat()}")
    rows = page.get_by_role("row").filter(has_text="Moved with others")
    expect(rows).to_have_count(2)
    expect(note).to_have_count(0)

    # They are given to a colleague, and in the end not sent at all.
    for action, does in (("Give to somebody", "Give"), ("Do not send", "Do not send")):
        box.click()
        page.get_by_role("checkbox", name="Tick all of this page").check()
        page.get_by_label("With the ticked posts").select_option(label=action)
        if action == "Give to somebody":
            page.get_by_label("New owner").select_option(label="Rhea Reviewer")
        page.get_by_role("button", name="Show what happens").click()
        expect(rows).to_have_count(2)
        inspect(page, f"posts-many-{does.lower().replace(' ', '-')}-{size[0]}")
        page.get_by_role("button", name=f"{does}: 2 posts").click()
        said(page, "2 posts are done.")
        page.goto(f"/posts/?tab=upcoming&day={day.isoformat()}")
    expect(rows).to_have_count(0)
    page.goto(f"/posts/?tab=all&day={day.isoformat()}")
    rows.first.get_by_role("link").first.click()
    expect(page.get_by_role("main")).to_contain_text("looked after by Rhea Reviewer")
    expect(row_of(page, X, "Cancelled")).to_be_visible()


#: More drafts than a page of the list has.
DRAFTS = """
import django; django.setup()
from django.contrib.auth import get_user_model
from accounts.models import Brand
from publishing.models import Post
brand, ana = Brand.objects.get(name="Acme"), get_user_model().objects.get(username="mara")
label = brand.labels.create(name={name!r})
for number in range(30):
    Post.objects.create(brand=brand, author=ana, text=f"{name} {{number}}").labels.add(label)
print(label.pk)
"""


@SIZES
def test_a_whole_list_is_looked_at_and_then_given_away(
    size: Size, site: Site, visit: Visit, connected: None, inspect: Inspect
) -> None:
    name = f"Whole list at {size[0]}"
    label = site.rows(DRAFTS.format(name=name))
    page = visit("mara", size=size)
    page.goto(f"/posts/?tab=drafts&label={label}")
    page.locator("summary").filter(has_text="Many posts at once").press("Enter")
    page.get_by_label("With the ticked posts").select_option(label="Give to somebody")
    page.get_by_label("New owner").select_option(label="Rhea Reviewer")
    page.get_by_role("checkbox", name="All 30 of this list").press("Space")
    inspect(page, f"posts-bulk-all-{size[0]}")
    page.get_by_role("button", name="Show what happens").press("Enter")
    give = page.get_by_role("button", name="Give: 30 posts")
    expect(give).to_be_visible(timeout=PATIENCE_MS)
    inspect(page, f"bulk-looked-{size[0]}")
    give.press("Enter")
    expect(page.get_by_text("30 posts are done.")).to_be_visible(timeout=PATIENCE_MS)
    inspect(page, f"bulk-done-{size[0]}")
    page.get_by_role("link", name="Back to the list").press("Enter")
    rows = page.get_by_role("row").filter(has_text=name)
    expect(rows.filter(has_text="Rhea Reviewer")).to_have_count(25)


#: Posts to come, so many days from now, of one label.
COMING = """
import django; django.setup()
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from accounts.models import ConnectedAccount
from publishing.models import Post, schedule
account = ConnectedAccount.objects.filter(brand__name="Acme").first()
mara = get_user_model().objects.get(username="mara")
label = account.brand.labels.create(name={name!r})
for number in range({posts}):
    post = Post(brand=account.brand, author=mara, text=f"{name} {{number}}")
    at = timezone.now() + timedelta(days=200 + number)
    post.set_time(at.date(), at.time().replace(second=0, microsecond=0), "UTC")
    post.save()
    post.accounts.add(account)
    post.labels.add(label)
    schedule(post, [account])
print(label.pk)
"""
#: Somebody changes some of them.
CHANGED = """
import django; django.setup()
from publishing.models import Post
for post in Post.objects.filter(text__in=[f"{name} {{n}}" for n in (3, 4)]):
    post.save()
print(1)
"""
SPEAKS = """
import django; django.setup()
from django.contrib.auth import get_user_model
from accounts.models import Profile
mara = get_user_model().objects.get(username="mara")
Profile.objects.update_or_create(user=mara, defaults={{"language": {language!r}}})
print(1)
"""


@SIZES
def test_what_was_done_with_many_is_undone_from_list_and_run(
    size: Size, site: Site, visit: Visit, connected: None, inspect: Inspect
) -> None:
    name = f"To be undone at {size[0]}"
    label = site.rows(COMING.format(name=name, posts=8))
    page = visit("mara", size=size)
    address = f"/posts/?tab=upcoming&label={label}"
    rows = page.get_by_role("row").filter(has_text=name)

    def do(action: str, button: str) -> None:
        page.goto(address)
        page.locator("summary").filter(has_text="Many posts at once").press("Enter")
        page.get_by_label("With the ticked posts").select_option(label=action)
        for box in rows.get_by_role("checkbox").all():
            box.press("Space")
        page.get_by_role("button", name="Show what happens").press("Enter")
        expect(page.get_by_text("It can be undone for 24 hours")).to_be_visible()
        inspect(page, f"bulk-later-{size[0]}")
        page.get_by_role("button", name=button).press("Enter")

    do("Do not send", "Do not send: 8 posts")
    said = page.get_by_text("8 of 8 cancelled posts would be scheduled again.")
    expect(said).to_be_visible()
    inspect(page, f"bulk-undo-in-list-{size[0]}")
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_text("8 posts are as before.")).to_be_visible()
    expect(rows).to_have_count(8)
    do("Move", "Move: 8 posts")
    expect(page.get_by_text("8 of 8 moved posts would go back")).to_be_visible()
    site.rows(CHANGED.format(name=name))
    page.reload()
    page.get_by_role("link", name="Details", exact=True).press("Enter")
    expect(page.get_by_text("6 of 8 moved posts would go back")).to_be_visible()
    inspect(page, f"bulk-undo-run-{size[0]}")
    page.get_by_role("button", name="Undo: 6 posts").press("Enter")
    expect(page.get_by_text("6 posts are as before.")).to_be_visible()
    expect(page.get_by_text("2 × Somebody has changed it since.")).to_be_visible()
    inspect(page, f"bulk-undone-{size[0]}")


def test_undoing_is_said_in_german(
    site: Site, visit: Visit, connected: None, inspect: Inspect
) -> None:
    label = site.rows(COMING.format(name="Zurück damit", posts=3))
    page = visit("mara")
    site.rows(SPEAKS.format(language="de"))
    try:
        page.goto(f"/posts/?tab=upcoming&label={label}")
        page.locator("#bulk-box summary").press("Enter")
        page.locator("#b-action").select_option("cancel")
        for box in page.locator("[name=pick]").all():
            box.press("Space")
        page.locator("#bulk button").first.press("Enter")
        page.locator("button[name=do]").press("Enter")
        offer = page.locator("form.sh-notice")
        expect(offer).to_contain_text("3 von 3 abgesagten Beiträgen")
        inspect(page, "bulk-undo-german")
        offer.get_by_role("link").press("Enter")
        inspect(page, "bulk-undo-run-german")
        page.get_by_role("button", name="Rückgängig").press("Enter")
        expect(page.get_by_text("3 Beiträge sind wie vorher.")).to_be_visible()
    finally:
        site.rows(SPEAKS.format(language=""))


@SIZES
def test_a_file_that_a_post_has_is_not_deleted(
    size: Size, visit: Visit, furnished: Any, inspect: Inspect
) -> None:
    page = visit("mara", size=size)
    used, unused = ("navy", "purple") if size == DESKTOP else ("orange", "teal")
    page.goto("/media/")
    page.get_by_role("link", name=f"A {used} square of the summer.png").click()
    page.get_by_role("link", name="Use in a new post").click()
    page.get_by_label("Text for all networks").fill(f"With a {used} square")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))

    page.goto("/media/")
    for colour in (used, unused):
        page.get_by_role("checkbox", name=re.compile(f"A {colour} square")).check()
    page.get_by_role("button", name="Delete those in no post").click()
    said(page, "1 file is deleted.")
    main = page.get_by_role("main")
    expect(page.get_by_text("Kept, because posts have them")).to_contain_text(used)
    expect(main.get_by_role("link", name=f"A {used} square")).to_have_count(1)
    expect(main.get_by_role("link", name=f"A {unused} square")).to_have_count(0)
    inspect(page, f"media-deleted-{size[0]}")
    # The file's own page says where it is.
    main.get_by_role("link", name=f"A {used} square").click()
    expect(main.get_by_role("link", name=f"With a {used} square")).to_be_visible()


EXPORTS = {
    "Buffer": "Text,Image URL,Tags,Posting Time\n"
    "From Buffer at {w},,bread,{day:%Y-%m-%d} 09:00\n",
    "Sprout Social": "Date,Time_24hr,Message_Text,Link_URL\n"
    "{day:%Y-%m-%d},10:00,From Sprout at {w},https://example.com/sprout\n",
    # Without heads, month first.
    "Hootsuite": '"{day:%m/%d/%Y} 11:00","From Hootsuite at {w}","https://example.com/"\n',
}


@SIZES
def test_what_other_products_exported_is_imported(
    size: Size, visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara", size=size)
    # The 20th is no month: the order of day and month is clear.
    day = DAY.replace(day=20 if size == DESKTOP else 21)
    # On a phone the pages are the same for each of them.
    products = list(EXPORTS)[: 3 if size == DESKTOP else 1]
    for product in products:
        table = EXPORTS[product]
        page.goto("/import/")
        text = table.format(day=day, w=size[0])
        page.get_by_label("Table (CSV or XLSX)").set_input_files(
            {"name": "e.csv", "mimeType": "text/csv", "buffer": text.encode()}
        )
        page.get_by_role("button", name="Read the table").click()
        main = page.get_by_role("main")
        expect(main).to_contain_text(f"in the format of {product}")
        # Their files name no accounts of ours.
        row = page.get_by_role("article", name=re.compile("^Row"))
        expect(row).to_contain_text("account")
        chosen = page.get_by_role("group", name="Accounts of rows that name none")
        chosen.get_by_role("checkbox", name=re.compile("Bluesky.*Acme")).check()
        page.get_by_role("button", name="Look at all rows again").click()
        expect(page.locator("#write-note")).to_contain_text("1 row can be imported.")
        if product == products[0]:
            inspect(page, f"import-from-elsewhere-{size[0]}")
        page.get_by_role("button", name="Import 1 row").click()
        expect(main).to_contain_text("1 post would be taken back")
    page.goto(f"/posts/?tab=all&day={day.isoformat()}")
    for product in products:
        row = row_of(page, BLUESKY, f"From {product.split()[0]} at {size[0]}")
        expect(row).to_contain_text("Scheduled")


@SIZES
def test_the_report_comes_by_mail_and_as_files(
    size: Size, visit: Visit, furnished: Any, inspect: Inspect
) -> None:
    page = visit("rhea", size=size)
    page.goto("/health/reports/reliability/")
    by_mail = page.get_by_role("region", name="By mail, every week")
    by_mail.get_by_role("checkbox").check()
    by_mail.get_by_role("combobox").first.select_option(label="Thursday")
    by_mail.locator("input[type=time]").fill("07:30")
    by_mail.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_be_visible()
    expect(by_mail).to_contain_text("It goes to rhea@example.com, the next one on Thu")
    inspect(page, f"reliability-mail-{size[0]}")
    for name, begins in (("CSV", b"\xef\xbb\xbf"), ("PDF", b"%PDF-")):
        link = page.get_by_role("link", name=name)
        answer = page.request.get(str(link.get_attribute("href")))
        assert answer.ok
        assert answer.body().startswith(begins)


@SIZES
def test_a_post_is_proven_and_support_gets_what_it_needs(
    size: Size, visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("rhea", size=size, permissions=["clipboard-read", "clipboard-write"])
    mara = visit("mara", size=size)
    text = f"Proven at {size[0]}"
    post = write(mara, text, MASTODON)
    wait_for_state(mara, post, MASTODON, "Published")
    page.goto(post)
    row_of(page, MASTODON).get_by_role("link", name=re.compile("^Details")).click()
    proof = page.get_by_role("region", name="Proof of publication")
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    expect(proof).to_contain_text(fingerprint)
    inspect(page, f"delivery-proof-{size[0]}")
    link = proof.get_by_role("link", name="JSON").get_attribute("href")
    found = page.request.get(str(link)).text()
    assert fingerprint in found
    link = proof.get_by_role("link", name="PDF").get_attribute("href")
    assert page.request.get(str(link)).body().startswith(b"%PDF-")

    page.locator("summary").filter(has_text="Copy for support").click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "POST /api/v1/statuses" in copied or "post" in copied
    assert copied == page.locator("textarea[id^=support-]").input_value()
    assert not re.search(r"Bearer|access_token|secret", copied)
