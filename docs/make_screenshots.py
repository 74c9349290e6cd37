"""`make screenshots`: take the README's pictures anew, from the real pages.

A sandbox runs web, both clusters and the practice network. A child process in it makes
a brand, four practice accounts and posts, lets some things go wrong in the practice
network, and waits for what the engine makes of them. Only the times of what has gone
out are moved back afterwards, so that the calendar has a past.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

BASE_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE_DIR))

from PIL import Image, ImageDraw  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from socialhub.sandbox import Sandbox, wait_for  # noqa: E402
from tests import needs  # noqa: E402

FOLDER = BASE_DIR / "docs" / "screenshots"
MAX_BYTES = 150_000
DESKTOP, PHONE = (1280, 800), (390, 844)
ZONE = ZoneInfo("Europe/Berlin")
USER, PASSWORD = "nora", "harbour-and-coffee-1"
ALL = ("mastodon", "bluesky", "x", "linkedin")


@dataclass(frozen=True)
class Story:
    """A post of the world. day: from today on, negative for what has gone out."""

    day: int
    at: time
    text: str
    networks: tuple[str, ...] = ALL
    link: str = ""


PAST = (
    Story(-6, time(9, 0), "New on the bar: Ethiopia Guji, washed. Peach and jasmine."),
    Story(-5, time(12, 30), "Lunch hour tip: the courtyard is open again.", ALL[:2]),
    Story(-4, time(9, 0), "We are hiring a roaster. Four days a week, fair pay."),
    Story(-3, time(17, 0), "Tasting tonight at seven, six cups, free.", ALL[:3]),
    Story(-2, time(9, 0), "How we buy: what a farmer gets of every bag.", ALL),
    Story(-1, time(10, 0), "Saturday is for long breakfasts.", ALL[:3]),
)
AHEAD = (
    Story(1, time(9, 0), "Monday espresso: two for one until eleven."),
    Story(2, time(12, 0), "Brew guide: the V60 in four steps.", ALL[:3]),
    Story(3, time(9, 0), "Winter blend is back on Thursday."),
    Story(4, time(9, 0), "Winter blend is here. Cocoa, orange, a bit of smoke."),
    Story(5, time(16, 0), "Weekend course: milk, steam, patience.", ALL[:2]),
)
DRAFT = Story(
    4,
    time(9, 0),
    "Our winter blend is here: cocoa, orange and a bit of smoke. Roasted this week, "
    "in all three shops from Thursday. #coffee #winterblend",
    ALL,
    "https://harbour-coffee.example/winter",
)


# ------------------------------------------------------------- inside the sandbox


def make_world() -> None:
    """Rows and practice accounts. Runs with the sandbox's settings; ends when all posts
    stand where the pictures want them."""
    import django

    django.setup()

    from accounts.models import ConnectedAccount, Credential
    from monitoring.tasks import check_credential
    from publishing.models import Delivery
    from publishing.tasks import running_pumps
    from socialhub.drills.world import Practice

    Status = Delivery.Status
    practice = Practice()
    world = World(practice)
    wait_for(running_pumps, 60, name="the publishing engine")

    def until(*wanted: str) -> None:
        """Nothing is on its way any more, and all these states are there."""

        def there() -> bool:
            rows = Delivery.objects.filter(due_at__lte=world.now())
            states = set(rows.values_list("status", flat=True))
            on_their_way = {Status.PUBLISHING, Status.PROCESSING, Status.SCHEDULED}
            return not states & on_their_way and states >= set(wanted)

        wait_for(there, 120, name=f"posts in the states {', '.join(wanted)}")

    gone_out = [world.post(story) for story in PAST]
    until(Status.PUBLISHED)
    for post, story in zip(gone_out, PAST, strict=True):
        world.move(post, story)
    for story in AHEAD:
        world.post(story)
    world.draft(DRAFT)

    practice.fault(platform="bluesky", kind="content_refused", times=1)
    world.post(Story(0, time(), "Guess the bean and win a bag!", ALL[1:2]))
    practice.fault(platform="x", kind="drop_answer", times=1)
    world.post(Story(0, time(), "Open until ten tonight.", ALL[2:3]))
    wait_for(
        lambda: Delivery.objects.filter(status=Status.UNCERTAIN).exists(),
        60,
        name="a lost answer",
        every=0.05,
    )
    # So that the look for it goes on while the pictures are taken.
    practice.fault(platform="x", kind="server_error")
    account = ConnectedAccount.objects.get(platform="linkedin")
    assert account.credential is not None
    practice.end_tokens("linkedin", account.external_id, "revoke")
    check_credential(account.credential.pk)
    assert not Credential.objects.get(pk=account.credential.pk).is_active
    world.post(Story(0, time(), "Meet Ines, who runs our new shop.", ALL[3:]))
    until(Status.HELD, Status.FAILED, Status.UNCERTAIN)


class World:
    """The brand, its people and its accounts."""

    def __init__(self, practice: Any) -> None:
        from django.contrib.auth import get_user_model
        from django.utils import timezone

        from accounts.models import Brand, Credential, Profile
        from socialhub.drills.world import adopt

        self.now = timezone.now
        self.brand = Brand.objects.create(name="Harbour Coffee", time_zone=ZONE.key)
        users = get_user_model().objects
        self.user = users.create_superuser(
            USER, "nora@harbour-coffee.example", PASSWORD, first_name="Nora"
        )
        sam = users.create_user("sam", "sam@harbour-coffee.example", PASSWORD)
        Profile.objects.create(user=self.user, time_zone=ZONE.key)
        self.brand.members.add(self.user, sam)
        made = {
            slug: practice.add_account(slug, "harbourcoffee", name="Harbour Coffee")
            for slug in ALL[:3]
        }
        made["linkedin"] = practice.add_account(
            "linkedin", "harbour-coffee", name="Harbour Coffee", kind="organization"
        )
        # X tells a connected account's handle without the sign.
        made["x"]["handle"] = made["x"]["handle"].removeprefix("@")
        self.accounts = {
            slug: adopt(slug, answer, self.brand, self.user)
            for slug, answer in made.items()
        }
        # Connected a while ago: a network may still refuse an access of seconds.
        Credential.objects.update(
            issued_at=self.now() - timedelta(days=12),
            connected_at=self.now() - timedelta(days=12),
            proven_at=self.now() - timedelta(hours=3),
        )
        self.picture = self._picture()

    def _picture(self) -> Any:
        """A drawn cup of coffee, as an uploaded file of the brand."""
        from django.core.files.uploadedfile import SimpleUploadedFile

        from publishing.media import take_upload

        image = Image.new("RGB", (1200, 900), "#e9d8c3")
        draw = ImageDraw.Draw(image)
        draw.ellipse((260, 110, 940, 790), fill="#ffffff", outline="#cdb79c", width=8)
        draw.ellipse((340, 190, 860, 710), fill="#5a3420")
        draw.ellipse((470, 320, 730, 580), fill="#c99a6b")
        draw.polygon([(600, 590), (480, 430), (720, 430)], fill="#f3e3cf")
        draw.ellipse((480, 360, 605, 485), fill="#f3e3cf")
        draw.ellipse((595, 360, 720, 485), fill="#f3e3cf")
        data = io.BytesIO()
        image.save(data, "PNG")
        upload = SimpleUploadedFile("cup.png", data.getvalue(), "image/png")
        return take_upload(upload, self.brand, self.user)

    def _row(self, story: Story, due_at: datetime) -> Any:
        from publishing.models import Post, PostMedia

        post = Post(brand=self.brand, author=self.user, text=story.text)
        post.link_url = story.link
        local = due_at.astimezone(ZONE)
        post.set_time(local.date(), local.time(), ZONE.key)
        post.save()
        post.accounts.set([self.accounts[slug] for slug in story.networks])
        PostMedia.objects.create(
            post=post,
            asset=self.picture,
            position=0,
            alt_text="A cup of coffee with a heart in its foam, seen from above",
        )
        return post

    def _instant(self, story: Story) -> datetime:
        day = self.now().astimezone(ZONE).date() + timedelta(days=story.day)
        return datetime.combine(day, story.at, ZONE)

    def post(self, story: Story) -> Any:
        """Scheduled: ahead at its time, else now."""
        from publishing.models import schedule

        post = self._row(story, self._instant(story) if story.day > 0 else self.now())
        schedule(post, post.accounts.all())
        return post

    def draft(self, story: Story) -> None:
        from publishing.models import Variant

        post = self._row(story, self._instant(story))
        words = "Winter blend is here: cocoa, orange, smoke. #winterblend"
        Variant.objects.create(post=post, platform="x", text=words)

    def move(self, post: Any, story: Story) -> None:
        """To its time in the past, with all that was written down about it."""
        back = self._instant(story) - post.due_at
        local = self._instant(story)
        post.set_time(local.date(), local.time(), ZONE.key)
        post.save()
        for row in post.deliveries.all():
            row.due_at += back
            row.useful_until += back
            row.published_at += back
            row.save()
            for attempt in row.attempts.all():
                attempt.opened_at += back
                attempt.closed_at += back
                attempt.save()


# ------------------------------------------------------------- the pictures


def keep(page: Page, name: str, top: str = "") -> None:
    """What the window shows, in few colours; RuntimeError when it grows too large.

    top: selector of what is scrolled to the top first.
    """
    page.wait_for_load_state("networkidle")
    if top:
        page.locator(top).first.evaluate(
            "e => scrollTo(0, scrollY + e.getBoundingClientRect().y - 20)"
        )
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = FOLDER / f"{name}.png"
    few = shot.quantize(colors=128, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise RuntimeError(f"{path} has {size} bytes; at most {MAX_BYTES} are allowed")
    sys.stderr.write(f"{path.relative_to(BASE_DIR)}: {size} bytes\n")


def sign_in(page: Page, site: str) -> None:
    page.goto(f"{site}/sign-in/login/")
    page.fill("input[name=login]", USER)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{site}/")


def take(site: str, practice: str) -> None:
    with sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=needs.chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        for size, pages in ((DESKTOP, desktop), (PHONE, phone)):
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="light",
                locale="en-GB",
                timezone_id=ZONE.key,
                reduced_motion="reduce",
            )
            page = context.new_page()
            sign_in(page, site)
            pages(page, site, practice)
            context.close()
        browser.close()


def desktop(page: Page, site: str, practice: str) -> None:
    keep(page, "home", "h2:text-is('Needs you')")
    page.goto(f"{site}/calendar/")
    keep(page, "calendar", "#cal tr:has(.fc-day-today)")
    page.goto(f"{site}/posts/?tab=drafts")
    page.get_by_role("link", name="Our winter blend").first.click()
    page.get_by_role("link", name="Edit", exact=True).click()
    keep(page, "composer")
    page.goto(f"{site}/accounts/")
    keep(page, "accounts")
    page.goto(f"{site}/posts/?tab=all")
    page.get_by_role("link", name="Open until ten tonight").first.click()
    page.get_by_role("link", name="Details").first.click()
    keep(page, "checking")
    page.goto(f"{site}/desk/")
    keep(page, "failure-desk")
    page.goto(f"{practice}/")
    keep(page, "practice-network")


def phone(page: Page, site: str, practice: str) -> None:
    keep(page, "phone-home", "h2:text-is('Needs you')")
    page.goto(f"{site}/desk/")
    keep(page, "phone-desk")


def main() -> int:
    if os.environ.get("SOCIALHUB_SANDBOX"):
        make_world()
        return 0
    if not needs.chromium():
        sys.stderr.write(f"No browser: {needs.missing()['browser']}.\n")
        return 2
    FOLDER.mkdir(exist_ok=True)
    with Sandbox() as box:
        sys.stderr.write("Starting SocialHub in a sandbox ...\n")
        box.migrate()
        box.start_practice()
        site = box.start_web()
        box.start_clusters()
        sys.stderr.write("Making a brand, accounts and posts ...\n")
        done = subprocess.call([sys.executable, __file__], env=box.env, cwd=BASE_DIR)  # noqa: S603
        if done:
            return done
        take(site, box.practice_url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
