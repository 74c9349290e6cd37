"""Files come in parts, go on after a break, and are looked after by keyboard; all that a
brand has comes as one file."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from platforms.practice.tests.made_video import sound
from publishing.tests.made_files import pdf, picture, video
from tests.browser.conftest import Site
from tests.browser.guide import MASTODON, X, account_box, load_until
from tests.browser.inspection import DESKTOP, PHONE

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Inspect = Callable[[Page, str], None]

PARTS = re.compile(r"/media/uploads/[0-9a-f-]{36}/$")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of three parts: a real one with nothing behind it."""
    path = tmp_path / "clip.mp4"
    size = 18 << 20
    path.write_bytes(video(sound="aac") + struct.pack(">I4s", size, b"free"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8 + size)
    return path


def test_a_large_file_survives_a_break_and_a_page_that_was_left(
    visit: Visit, connected: None, clip: Path, tmp_path: Path, inspect: Inspect
) -> None:
    page = visit("mara", size=PHONE)
    page.goto("/posts/new/")
    account_box(page, X).check()
    offsets: list[int] = []
    broken: list[int] = []
    here = "first visit"

    def on_the_way(route: Route) -> None:
        if route.request.method != "PUT":
            return route.continue_()
        offsets.append(int(route.request.headers["upload-offset"]))
        if here == "first visit" and offsets[-1]:
            return None  # neither sent nor answered until the page is left
        if here == "second visit" and not broken:
            broken.append(offsets[-1])
            return route.abort("aborted")
        return route.continue_()

    page.route(PARTS, on_the_way)
    page.get_by_label("Add files").set_input_files(clip)
    bar = page.get_by_role("progressbar", name="clip.mp4")
    expect(bar).to_have_attribute("value", re.compile(r"^0\.4"))
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Files are still being sent.")).to_be_visible()
    inspect(page, "compose-uploading")

    page.once("dialog", lambda dialog: dialog.accept())
    page.goto("/posts/new/")
    here = "second visit"
    account_box(page, X).check()
    page.get_by_label("Add files").set_input_files(clip)
    files = page.get_by_role("region", name="Files").get_by_role("listitem")
    # Its line of progress may stand beside it for a moment.
    video_line = files.filter(has_text="Video 1")
    expect(video_line).to_contain_text("Video 1: clip.mp4 0:01, 64 × 48, H264, AAC")
    # The first part was never sent again; the one that broke was, and the last.
    part = 8 << 20
    assert offsets == [0, part, part, part, 2 * part], offsets
    poster = files.locator("img")
    assert (
        poster.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    )
    panel = page.locator("#panel")
    expect(panel).to_contain_text("The network accepts this.")

    picture_path, document = tmp_path / "a.png", tmp_path / "plan.pdf"
    picture_path.write_bytes(picture("PNG"))
    document.write_bytes(pdf(2))
    page.get_by_label("Add files").set_input_files([picture_path, document])
    expect(files).to_have_count(3)
    expect(files.nth(2)).to_contain_text("Document 3: plan.pdf 2 pages")
    expect(panel).to_contain_text("SocialHub does not send documents to X yet")
    later = files.nth(0).get_by_role("button", name="Move back")
    later.focus()
    page.keyboard.press("Enter")
    expect(files.nth(1)).to_contain_text("Video 2: clip.mp4")
    # The focus is on the same button of the same file.
    expect(files.nth(1).get_by_role("button", name="Move back")).to_be_focused()
    files.nth(2).get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    expect(files).to_have_count(2)
    expect(page.locator("#media")).to_be_focused()
    inspect(page, "compose-files")

    page.get_by_label("Text for all networks").fill("With a video")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    expect(page.get_by_role("link", name="Video: clip.mp4")).to_be_visible()
    inspect(page, "post-files")


def test_a_refused_file_holds_no_other_up(
    visit: Visit, connected: None, clip: Path, tmp_path: Path
) -> None:
    """Nor does one that broke off: what is whole is taken in while others are sent."""
    page = visit("mara", expected={404, 422})
    (tmp_path / "nothing.jpg").write_bytes(b"")
    (tmp_path / "sky.jpg").write_bytes(picture("JPEG"))
    (tmp_path / "sea.jpg").write_bytes(picture("JPEG", (50, 30)))
    page.goto("/media/")
    add = page.get_by_label("Add files")
    if not add.is_visible():
        page.get_by_text("Add files", exact=True).first.click()
    is_away = True

    def on_the_way(route: Route) -> None:
        # The clip's parts find nobody, until somebody says "Go on".
        if is_away and route.request.method == "PUT":
            if route.request.headers["upload-offset"] != "0":
                return route.fulfill(status=404)
        return route.continue_()

    page.route(PARTS, on_the_way)
    names = ["nothing.jpg", "sky.jpg", clip.name, "sea.jpg"]
    add.set_input_files([clip if n == clip.name else tmp_path / n for n in names])
    added = page.locator("#media")
    lines = page.locator("#uploads").get_by_role("listitem")
    expect(lines.filter(has_text="nothing.jpg is empty.")).to_be_visible()
    expect(added.get_by_role("link", name="sea.jpg")).to_be_visible()
    expect(lines).to_have_count(2)
    is_away = False
    lines.filter(has_text=clip.name).get_by_role("button", name="Go on").click()
    expect(added.get_by_role("link", name=clip.name)).to_be_visible()
    lines.get_by_role("button", name="Cancel").click()
    expect(lines).to_have_count(0)
    listed = page.locator("#library-list")
    for name in ("sky.jpg", "sea.jpg", clip.name):
        expect(listed.get_by_role("link", name=name)).to_be_visible()
    listed.get_by_role("checkbox", name="All on this page").check()
    expect(listed.get_by_role("checkbox", checked=False)).to_have_count(0)


def test_a_video_plays_when_it_is_opened(
    visit: Visit, connected: None, tmp_path: Path
) -> None:
    path = tmp_path / "open.webm"
    path.write_bytes(video("webm", "libvpx"))
    page = visit("mara")
    page.goto("/posts/new/")
    page.get_by_label("Add files").set_input_files(path)
    files = page.get_by_role("region", name="Files").get_by_role("listitem")
    expect(files.filter(has_text="Video 1: open.webm")).to_be_visible()
    page.get_by_label("Text for all networks").fill("With a video")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))
    page.get_by_role("link", name="Video: open.webm").click()
    expect(page.locator("video")).to_have_js_property("videoWidth", 64)


def test_sound_is_heard_where_it_is_shown(
    visit: Visit, connected: None, tmp_path: Path, inspect: Inspect
) -> None:
    (tmp_path / "rain.mp3").write_bytes(sound("mp3", 90.0, 8000))
    (tmp_path / "cloud.jpg").write_bytes(picture("JPEG", (400, 300)))
    page = visit("mara")
    page.goto("/posts/new/")
    account_box(page, MASTODON).check()
    add = page.get_by_label("Add files")
    add.set_input_files([tmp_path / "rain.mp3", tmp_path / "cloud.jpg"])
    files = page.get_by_role("region", name="Files")
    heard = files.locator("audio")
    expect(heard).to_have_js_property("paused", True)
    heard.evaluate("sound => sound.play()")
    # The list comes anew with each file that is taken in, and each time they change.
    expect(files).to_contain_text("Image 2: cloud.jpg")
    files.get_by_role("button", name="Move forward cloud.jpg").click()
    expect(files).to_contain_text("Image 1: cloud.jpg")
    expect(heard).to_have_js_property("paused", False)
    expect(heard).to_have_js_property("duration", 90)
    shown = page.locator("#previews")
    expect(shown.locator("img")).to_have_js_property("naturalWidth", 400)
    inspect(page, "compose-sound")


def test_sound_of_a_preview_goes_on_while_its_post_is_written(
    visit: Visit, connected: None, tmp_path: Path
) -> None:
    (tmp_path / "rain.mp3").write_bytes(sound("mp3", 90.0, 8000))
    page = visit("mara")
    page.goto("/posts/new/")
    account_box(page, MASTODON).check()
    page.get_by_label("Add files").set_input_files(tmp_path / "rain.mp3")
    shown = page.locator("#previews")
    heard = shown.locator("audio")
    heard.evaluate("sound => sound.play()")
    page.get_by_label("Text for all networks").fill("How rain sounds")
    expect(shown).to_contain_text("How rain sounds")
    expect(heard).to_have_js_property("paused", False)
    page.get_by_label("Alternative text").fill("Rain on a tin roof")
    # Its name follows, though it is the same one that plays.
    expect(shown.get_by_label("Rain on a tin roof")).to_have_js_property(
        "paused", False
    )


def test_a_press_right_after_the_files_came_anew_is_heard(
    visit: Visit, connected: None, tmp_path: Path
) -> None:
    """It was taken for one of a page without scripts, and the page began anew."""
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for n, path in enumerate(paths):
        path.write_bytes(picture("PNG", (20 + n, 20)))
    page = visit("mara")
    page.goto("/posts/new/")
    account_box(page, MASTODON).check()
    page.get_by_label("Add files").set_input_files(paths)
    files = page.get_by_role("region", name="Files").get_by_role("listitem")
    expect(files.filter(has_text="Image 2: two.png")).to_be_visible()
    page.evaluate("""() => {
        window.isSamePage = true;
        document.addEventListener("htmx:afterSwap", ({ target }) => {
            const button = target.querySelector('button[value^="remove:"]');
            if (target.id === "media" && button) setTimeout(() => button.click());
        });
    }""")
    files.nth(0).get_by_role("button", name="Move back").click()
    expect(files).to_have_count(0)
    expect(page.locator("#media")).to_be_focused()
    assert page.evaluate("window.isSamePage")


def test_a_file_of_the_library_is_cut_and_picked_for_a_post(
    visit: Visit, connected: None, tmp_path: Path, inspect: Inspect
) -> None:
    path = tmp_path / "meadow.png"
    path.write_bytes(picture("PNG", (400, 200)))
    page = visit("mara", size=PHONE)
    page.goto("/media/")
    add = page.get_by_text("Add files", exact=True).first
    if not page.get_by_label("Add files").is_visible():
        add.click()
    page.get_by_label("Add files").set_input_files(path)
    page.locator("#media").get_by_role("link", name="meadow.png").click()

    page.get_by_label("Shape").select_option(label="Square, 1:1")
    left = page.get_by_role("img", name="What will be left")
    expect(left).to_have_js_property("naturalWidth", 200)
    page.get_by_role("button", name="Make a new file").click()
    square = "meadow 200x200.png"
    expect(page.get_by_role("heading", level=1)).to_have_text(square)
    expect(page.get_by_role("link", name="meadow.png")).to_be_visible()

    page.goto("/posts/new/")
    page.get_by_text("Choose from the library").click()
    page.get_by_label("Search in names, descriptions and folders").fill("200x200")
    pick = page.get_by_role("button", name=f"Add {square}")
    expect(page.locator("#library-pick").get_by_role("listitem")).to_have_count(1)
    inspect(page, "compose-pick")
    pick.click()
    files = page.get_by_role("region", name="Files").locator(".pub-images")
    expect(files).to_contain_text(f"Image 1: {square}")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_everything_of_a_brand_is_taken_along(
    size: tuple[int, int], visit: Visit, connected: None, inspect: Inspect
) -> None:
    page = visit("mara", size=size, expected={422})
    text = f"Taken along at {size[0]}"
    page.goto("/posts/new/")
    page.get_by_label("Text for all networks").fill(text)
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/posts/\d+/$"))

    page.goto("/export/")
    what = page.get_by_role("group", name="What").get_by_role("checkbox")
    for box in what.all():
        box.uncheck()
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    inspect(page, f"export-refused-{size[0]}")
    for box in what.all():
        box.check()
    page.get_by_role("button", name="Export", exact=True).click()
    fetch = page.get_by_role("link", name=re.compile("^Download"))
    load_until(page, "/export/", fetch)
    inspect(page, f"export-made-{size[0]}")
    with page.expect_download() as download:
        fetch.click()
    whole = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    told = [name for name in whole.namelist() if name.endswith("posts.csv")]
    assert any(text in whole.read(name).decode("utf-8-sig") for name in told)
    page.get_by_role("button", name=re.compile("^Delete")).click()
    expect(fetch).to_have_count(0)


#: A worker has it for the next hour, as far as anybody knows.
UNDER_WAY = """
import django; django.setup()
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from publishing.job_models import Job
Job.objects.create(kind="export", state="running", asked={}, done=1, total=100,
    person=get_user_model().objects.get(username="ada"),
    lease_expires_at=timezone.now() + timedelta(hours=1))
"""


def test_long_work_hears_a_press_while_it_asks_for_itself_anew(
    site: Site, visit: Visit
) -> None:
    site.rows(UNDER_WAY)
    page = visit("ada")
    page.goto("/export/")
    stop = page.get_by_role("button", name=re.compile("^Cancel"))
    stop.hover()
    page.mouse.down()
    for _ in range(2):
        with page.expect_response(re.compile(r"then=reload")) as answer:
            pass
        answer.value.finished()
    page.wait_for_timeout(200)  # the row would have come anew by now
    page.mouse.up()
    expect(page.get_by_role("status").filter(has_text="Stopping")).to_be_visible()
