"""The media library: found again, put in order, cut, and never deleted from a post."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from accounts.models import AuditEvent, Brand
from platforms import checks, registry
from platforms.base import Draft, Level, MediaRule
from publishing import editing, fitting, jobs, leftovers, library, media, reshape
from publishing.library import LibraryFilters
from publishing.measuring import UploadRefused
from publishing.models import (
    Delivery,
    Job,
    MediaAsset,
    PartMedia,
    Post,
    PostMedia,
    Variant,
    draft_doc,
)
from publishing.tests.made_files import pdf, red_means_green, video
from publishing.tests.pages.conftest import make_account, make_delivery, picture

LIBRARY = reverse("media_library")
ADD = reverse("media_add")


def upload(name: str, data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def keep(world):
    def make(name="a.jpg", size=(40, 30), brand=None, **fields) -> MediaAsset:
        data = picture("PNG" if name.endswith("png") else "JPEG", size)
        asset = media.take_upload(upload(name, data), brand or world.brand, world.ana)
        for field, value in fields.items():
            setattr(asset, field, value)
        asset.save()
        return asset

    return make


def page_of(asset: MediaAsset) -> str:
    return reverse("media_details", args=[asset.pk])


def use(asset: MediaAsset, world) -> Post:
    post = Post.objects.create(brand=world.brand, author=world.ana, text="Hello")
    PostMedia.objects.create(post=post, asset=asset, position=0)
    return post


# ---------------------------------------------------------------- adding and finding


def test_files_are_added_and_each_refusal_is_said(ana, world):
    files = [upload("a.jpg", picture()), upload("b.exe", b"MZ"), upload("c.pdf", pdf())]
    answer = ana.post(ADD, {"brand": world.brand.pk, "files": files}, follow=True)
    assert {row.name for row in MediaAsset.objects.all()} == {"a.jpg", "c.pdf"}
    assert "2 files are added." in answer.content.decode()
    assert "b.exe is no file that can be posted." in answer.content.decode()


def test_the_page_that_sends_parts_gets_them_named(ana, world):
    answer = ana.post(
        ADD,
        {"brand": world.brand.pk, "files": [upload("a.jpg", picture())]},
        headers={"HX-Request": "true"},
    )
    assert "1 file is in the library:" in answer.content.decode()
    assert page_of(MediaAsset.objects.get()) in answer.content.decode()


@pytest.mark.parametrize(("query", "names"), [("", 2), ("?kind=video", 0)])
def test_what_was_added_stands_in_the_list_of_the_page_at_once(
    ana, world, keep, query, names
):
    keep()
    answer = ana.post(
        ADD,
        {"brand": world.brand.pk, "files": [upload("a.jpg", picture(size=(50, 50)))]},
        headers={
            "HX-Request": "true",
            "HX-Current-URL": f"http://testserver{reverse('media_library')}{query}",
        },
    )
    listed = answer.content.decode().partition('id="library-list"')[2]
    assert 'hx-swap-oob="true"' in listed[:60]
    assert listed.count('name="pick"') == names


def test_only_writers_of_the_brand_see_its_files(world, keep, sign_in, client):
    asset = keep()
    for user, status in ((world.rita, 403), (world.guest, 403), (world.stranger, 404)):
        assert sign_in(user).get(page_of(asset)).status_code == status
    assert asset.name not in sign_in(world.stranger).get(LIBRARY).content.decode()
    assert client.get(LIBRARY).status_code == 302
    other = sign_in(world.stranger).post(ADD, {"brand": world.brand.pk})
    assert other.status_code == 404
    moved = {"pick": [asset.pk], "action": "move", "folder": "Mine"}
    sign_in(world.stranger).post(reverse("media_change"), moved)
    asset.refresh_from_db()
    assert asset.folder == ""


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, {"rose.jpg", "tulip.png", "c.pdf"}),
        ({"q": "ROSE"}, {"rose.jpg"}),
        ({"q": "garden spring"}, {"tulip.png"}),
        ({"folder": "Spring"}, {"tulip.png"}),
        ({"kind": "document"}, {"c.pdf"}),
        ({"show": "unused"}, {"tulip.png", "c.pdf"}),
        ({"show": "no_alt"}, {"rose.jpg"}),
        ({"kind": "nonsense", "brand": "x"}, {"rose.jpg", "tulip.png", "c.pdf"}),
    ],
)
def test_the_address_says_what_is_shown(ana, world, keep, query, names):
    use(keep("rose.jpg"), world)
    keep("tulip.png", folder="Spring", alt_text="A garden")
    media.take_upload(upload("c.pdf", pdf()), world.brand, world.ana)
    answer = ana.get(LIBRARY, query)
    assert {asset.name for asset, _used in answer.context["rows"]} == names


def test_zero_bytes_find_nothing_and_break_nothing(ana, world, keep):
    keep()
    assert ana.get(LIBRARY, {"q": "\x00", "folder": "\x00"}).status_code == 200
    asked = {"brand": world.brand.pk, "library_q": "\x00"}
    assert ana.get(reverse("media_pick"), asked).status_code == 200
    moved = {"pick": [MediaAsset.objects.get().pk], "action": "move", "folder": "\x00A"}
    ana.post(reverse("media_change"), moved)
    assert MediaAsset.objects.get().folder == "A"


def test_more_files_cost_no_more_queries(ana, keep, django_assert_max_num_queries):
    for number in range(3):
        keep(f"{number}.jpg", (40, 30 + number))
    ana.get(LIBRARY)
    with django_assert_max_num_queries(20) as few:
        ana.get(LIBRARY)
    for number in range(3, 9):
        keep(f"{number}.jpg", (40, 30 + number))
    with django_assert_max_num_queries(len(few)):
        ana.get(LIBRARY)


def test_files_of_parts_count_as_used(world, keep):
    asset = keep()
    post = Post.objects.create(brand=world.brand, author=world.ana, text="Hello")
    variant = Variant.objects.create(post=post, platform="x")
    PartMedia.objects.create(variant=variant, part=2, asset=asset, position=0)
    assert library.uses([asset]) == {asset.pk: 1}
    assert list(library.posts_with(asset)) == [post]
    assert not MediaAsset.objects.unused().exists()


def test_a_file_is_judged_by_the_first_connected_account_of_each_network(
    world, keep, django_assert_num_queries
):
    gone = make_account(world.brand, "bluesky", "gone")
    gone.disconnected_at = timezone.now()
    gone.save(update_fields=["disconnected_at"])
    world.mastodon.server_limits = {"image_size_limit": 1}
    world.mastodon.save(update_fields=["server_limits"])
    make_account(world.brand, "mastodon", "mild")
    make_account(Brand.objects.create(name="Another"), "pinterest", "theirs")
    asset = keep()
    fitting.fits_of_brand(asset)
    with django_assert_num_queries(1):
        found = fitting.fits_of_brand(asset)
    taken = {fit.spec.slug: not fit.problems for fit in found}
    assert taken == {"mastodon": False, "x": True}


def test_the_page_of_a_file_shows_the_newest_posts_with_it_and_counts_them_all(
    ana, world, keep
):
    asset, other = keep(), keep("b.jpg", (50, 30))
    posts = [
        Post.objects.create(brand=world.brand, author=world.ana, text=f"Post {n}")
        for n in range(library.SHOWN_POSTS + 2)
    ]
    for post in posts:
        PostMedia.objects.create(post=post, asset=asset, position=0)
    PostMedia.objects.create(post=posts[0], asset=other, position=1)
    shown = ana.get(page_of(asset)).context
    assert shown["posts"] == posts[: -library.SHOWN_POSTS - 1 : -1]
    assert shown["number"] == len(posts)
    few = ana.get(page_of(other)).context
    assert (few["posts"], few["number"]) == ([posts[0]], 1)


def test_words_are_kept_and_an_empty_name_is_refused(ana, keep):
    asset = keep()
    said = {
        "action": "save",
        "name": "Rose",
        "alt_text": "A rose",
        "folder": " In  May ",
    }
    assert ana.post(page_of(asset), said).status_code == 302
    asset.refresh_from_db()
    assert (asset.name, asset.alt_text, asset.folder) == ("Rose", "A rose", "In May")
    refused = ana.post(page_of(asset), {**said, "name": "", "alt_text": "Two roses"})
    assert refused.status_code == 422
    assert "Two roses" in refused.content.decode()


def test_picked_files_move_together(ana, keep):
    one, two = keep("1.jpg"), keep("2.jpg", (50, 30))
    address = reverse("media_change") + "?q=jpg"
    moved = {"pick": [one.pk, two.pk], "action": "move", "folder": "Summer"}
    answer = ana.post(address, moved, follow=True)
    assert "2 files lie in “Summer” now." in answer.content.decode()
    assert answer.redirect_chain[0][0] == f"{LIBRARY}?q=jpg"
    nothing = ana.post(address, {"action": "move", "folder": "X"}, follow=True)
    assert "Tick the files first" in nothing.content.decode()


# ---------------------------------------------------------------- deleting


def test_what_a_post_has_stays_and_the_rest_goes(ana, world, keep):
    used, free = keep("used.jpg"), keep("free.jpg", (50, 30))
    use(used, world)
    stored = Path(free.file.path)
    picked = {"pick": [used.pk, free.pk], "action": "delete"}
    said = ana.post(reverse("media_change"), picked, follow=True).content.decode()
    assert "1 file is deleted." in said
    assert "Kept, because posts have them: used.jpg." in said
    assert list(MediaAsset.objects.all()) == [used]
    assert not stored.exists()
    assert Path(used.file.path).exists()
    assert AuditEvent.objects.filter(verb="media_deleted").count() == 1


def test_bytes_stay_while_another_brand_has_them(world, keep):
    other = Brand.objects.create(name="Other")
    mine, theirs = keep(), keep(brand=other)
    media.remove(mine, world.ana)
    assert Path(theirs.file.path).exists()
    assert Path(theirs.preview.path).exists()
    media.remove(theirs, world.ana)
    assert not Path(theirs.file.path).exists()


def test_a_file_that_is_leaving_with_an_older_version_of_its_post_stays(world, keep):
    asset = keep()
    delivery = make_delivery(world.x, world.ana)
    place = PostMedia(asset=asset, position=0)
    PostMedia.objects.create(post=delivery.post, asset=asset, position=0)
    sent = Post.objects.get(pk=delivery.post_id).draft_for("x")
    PostMedia.objects.filter(asset=place.asset).delete()
    Delivery.objects.update(status=Delivery.Status.UNCERTAIN, draft=draft_doc(sent))
    with pytest.raises(media.StillUsed):
        media.remove(asset, world.ana)
    Delivery.objects.update(status=Delivery.Status.CANCELLED)
    media.remove(asset, world.ana)


# ---------------------------------------------------------------- making others


@pytest.mark.parametrize(
    ("size", "ratio", "focus", "box"),
    [
        ((400, 300), 1, (0.5, 0.5), (50, 0, 350, 300)),
        ((400, 300), 1, (0, 0), (0, 0, 300, 300)),
        ((400, 300), 1, (1, 1), (100, 0, 400, 300)),
        ((400, 300), 2, (0.5, 1), (0, 100, 400, 300)),
    ],
)
def test_the_largest_box_is_cut_around_what_has_to_stay(size, ratio, focus, box):
    assert reshape.cut(size, ratio, focus) == box


def halves(left="red", right="blue", **save) -> bytes:
    image = Image.new("RGB", (200, 100), left)
    image.paste(right, (100, 0, 200, 100))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, **save)
    return out.getvalue()


def test_a_new_file_is_cut_and_the_original_stays(ana, world):
    asset = media.take_upload(upload("a.jpg", halves()), world.brand, world.ana)
    MediaAsset.objects.update(alt_text="Two halves", folder="F")
    wanted = {"action": "make", "shape": "1:1", "x": "100", "y": "50", "mime_type": ""}
    answer = ana.post(page_of(asset), wanted, follow=True)
    made = MediaAsset.objects.get(original=asset)
    assert answer.redirect_chain[0][0] == page_of(made)
    assert (made.width, made.height, made.name) == (100, 100, "a 100x100.jpg")
    assert (made.alt_text, made.folder) == ("Two halves", "F")
    with Image.open(made.file) as image:
        red, _green, blue = image.getpixel((20, 50))
    assert blue > 200 > 60 > red
    asset.refresh_from_db()
    assert (asset.width, asset.focus_x) == (200, 1.0)


def test_the_small_picture_shows_what_will_be_left(ana, world):
    asset = media.take_upload(upload("a.jpg", halves()), world.brand, world.ana)
    address = reverse("media_cut", args=[asset.pk])
    answer = ana.get(address, {"shape": "1:1", "x": "0", "y": "50"})
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (100, 100)
        assert image.convert("RGB").getpixel((80, 50))[0] > 200
    assert ana.get(address, {"shape": "7:1", "x": "0", "y": "50"}).status_code == 404
    assert ana.get(address, {"x": "101", "y": "0"}).status_code == 404
    # Somebody took the file out of the storage.
    asset.preview.storage.delete(asset.preview.name)
    assert ana.get(address, {"shape": "1:1", "x": "0", "y": "50"}).status_code == 404


def test_a_turned_photo_is_upright_and_without_its_notes(world):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker of the camera"
    asset = media.take_upload(
        upload("a.jpg", halves(exif=exif)), world.brand, world.ana
    )
    made = editing.make(asset, editing.Recipe(ratio=1.0), world.ana)
    with Image.open(made.file) as image:
        assert image.size == (100, 100)
        assert not image.getexif()
        assert image.getpixel((50, 10))[0] > 200  # the left half is on top


def test_what_shines_through_becomes_white_as_jpeg(world):
    out = io.BytesIO()
    Image.new("RGBA", (80, 80), (0, 0, 0, 0)).save(out, "PNG")
    asset = media.take_upload(upload("a.png", out.getvalue()), world.brand, world.ana)
    made = editing.make(asset, editing.Recipe(), world.ana)
    with Image.open(made.file) as image:
        assert (image.format, image.getpixel((9, 9))) == ("JPEG", (255, 255, 255))


def test_the_small_picture_shows_the_format_and_any_shape(ana, world):
    out = io.BytesIO()
    Image.new("RGBA", (80, 40), (0, 0, 0, 0)).save(out, "PNG")
    asset = media.take_upload(upload("a.png", out.getvalue()), world.brand, world.ana)
    address = reverse("media_cut", args=[asset.pk])

    def corner(**wanted) -> tuple[int, ...]:
        answer = ana.get(address, {"x": 50, "y": 50, **wanted})
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (20, 40)
            return image.convert("RGBA").getpixel((9, 9))

    assert corner(ratio=0.5)[3] == 0  # a PNG stays one
    assert corner(ratio=0.5, mime_type="image/jpeg") == (255, 255, 255, 255)
    for ratio in ("x", "nan", "0.001", "-1"):
        wrong = ana.get(address, {"x": 50, "y": 50, "ratio": ratio})
        assert wrong.status_code == 404


@pytest.mark.parametrize(
    ("image", "more"),
    [
        (Image.new("I;16", (90, 90), 0x8080), {}),
        (Image.new("RGB", (90, 90), "red"), {"icc_profile": red_means_green()}),
    ],
)
def test_what_is_made_of_an_image_has_the_colours_of_every_screen(world, image, more):
    out = io.BytesIO()
    image.save(out, "PNG", **more)
    asset = media.take_upload(upload("a.png", out.getvalue()), world.brand, world.ana)
    made = editing.make(asset, editing.Recipe(max_side=64), world.ana)
    with Image.open(made.file) as shown:
        assert (shown.format, shown.mode) == ("JPEG", "RGB")
        wanted = (0, 255, 0) if more else (128, 128, 128)
        assert shown.getpixel((9, 9)) == pytest.approx(wanted, abs=4)


def test_too_heavy_an_image_becomes_lighter_or_is_refused(world):
    noise = Image.effect_noise((600, 600), 100)
    out = io.BytesIO()
    noise.save(out, "PNG")
    asset = media.take_upload(upload("a.png", out.getvalue()), world.brand, world.ana)
    made = editing.make(asset, editing.Recipe(max_bytes=60_000), world.ana)
    assert made.size_bytes <= 60_000
    with pytest.raises(UploadRefused, match="cannot be made small enough"):
        editing.make(asset, editing.Recipe(max_bytes=300), world.ana)


def test_each_network_says_whether_it_takes_the_file(ana, world):
    make_account(world.brand, "instagram", "Acme IG")
    data = picture("PNG", (900, 300))
    asset = media.take_upload(upload("wide.png", data), world.brand, world.ana)
    fits = {fit.spec.slug: fit for fit in ana.get(page_of(asset)).context["fits"]}
    assert not fits["x"].problems
    assert len(fits["instagram"].problems) == 2  # its type and its shape
    assert "cut to 1.91 : 1" in fits["instagram"].doing
    answer = ana.post(page_of(asset), {"action": "fit:instagram"}, follow=True)
    made = MediaAsset.objects.get(original=asset)
    assert made.mime_type == "image/jpeg"
    assert made.width / made.height == pytest.approx(1.91, abs=0.004)
    fits = {fit.spec.slug: fit for fit in answer.context["fits"]}
    assert not fits["instagram"].problems


def test_what_is_cut_and_made_smaller_has_no_more_pixels_than_allowed(world):
    asset = MediaAsset(
        pk=1,
        brand=world.brand,
        kind="image",
        mime_type="image/jpeg",
        width=3000,
        height=1000,
        size_bytes=9,
    )
    rule = MediaRule(("image/jpeg",), 10**7, max_pixels=500_000, max_ratio=1.91)
    file = PostMedia(asset=asset, position=0).as_file()
    spec = replace(registry.spec("x"), images=rule)

    def judge(other):
        return [
            one
            for one in checks.media_findings(Draft(text="", media=(other,)), spec)
            if one.level == Level.REFUSED
        ]

    recipe = fitting.cure(file, judge, (0.5, 0.5))
    assert isinstance(recipe, editing.Recipe)
    with Image.new("L", (3000, 1000)) as image:
        made = reshape.reshaped(image, asdict(recipe))
    assert 490_000 < made.width * made.height <= 500_000
    assert made.width / made.height == pytest.approx(1.91, abs=0.005)


def test_a_part_of_a_video_is_made_and_its_shape_is_shown_before(ana, world):
    asset = media.take_upload(
        upload("a.mp4", video(size=(320, 180), frames=60)), world.brand, world.ana
    )
    cut = ana.get(
        reverse("media_cut", args=[asset.pk]), {"shape": "1:1", "x": 0, "y": 0}
    )
    with Image.open(io.BytesIO(cut.content)) as image:
        assert image.size == (180, 180)
    wanted = {"action": "make", "shape": "1:1", "x": "0", "y": "0"}
    late = ana.post(page_of(asset), {**wanted, "start_s": "7"})
    assert "is 2 seconds long" in late.content.decode()
    part = {**wanted, "start_s": "0.5", "end_s": "1.5"}
    answer = ana.post(page_of(asset), part, follow=True)
    assert "Another video of a.mp4" in answer.content.decode()
    ana.post(page_of(asset), part)
    assert Job.objects.count() == 1  # a double click
    while jobs.take_turn():
        pass
    job, made = Job.objects.get(), MediaAsset.objects.get(original=asset)
    assert (job.state, job.result) == ("done", {"media": made.pk})
    assert (made.width, made.height, made.facts["duration_s"]) == (180, 180, 1.0)
    assert not any(job.folder.iterdir())
    asset.refresh_from_db()
    assert (asset.width, asset.facts["duration_s"]) == (320, 2.0)
    assert made.name in ana.get(page_of(asset)).content.decode()


# ---------------------------------------------------------------- the brand's room


def test_a_full_library_says_so_and_what_helps(ana, world, settings, keep):
    keep("big.png", (40, 30))
    MediaAsset.objects.update(size_bytes=1 << 20)
    settings.MEDIA_BRAND_MB = 1
    with pytest.raises(UploadRefused, match=r"library of Acme holds at most 1 MB"):
        keep("one-more.jpg", (9, 9))
    facts = {"brand": world.brand.pk, "name": "c.mp4", "size": "9", "changed": "1"}
    answer = ana.post(reverse("upload_begin"), facts)
    assert "MEDIA_BRAND_MB" in answer.json()["problem"]
    assert "1.0\xa0MB of 1.0\xa0MB used" in ana.get(LIBRARY).content.decode()


# ---------------------------------------------------------------- in the composer


def test_a_file_of_the_library_begins_a_post(ana, world, keep):
    asset = keep(alt_text="A rose")
    page = ana.get(reverse("compose"), {"brand": world.brand.pk, "media": asset.pk})
    assert page.context["form"].attached == [(asset, "A rose")]


def test_a_file_is_picked_while_writing(ana, world, keep):
    asset, other = keep("rose.jpg", alt_text="A rose"), keep("b.jpg", (50, 30))
    offered = ana.get(
        reverse("media_pick"), {"brand": world.brand.pk, "library_q": "rose"}
    ).content.decode()
    assert f"pick:{asset.pk}" in offered
    assert f"pick:{other.pk}" not in offered
    data = {"brand": world.brand.pk, "action": f"pick:{asset.pk}", "media": [other.pk]}
    answer = ana.post(reverse("media_upload"), data)
    kept = answer.context["form"].attached
    assert [row.pk for row, _alt in kept] == [other.pk, asset.pk]
    assert kept[1][1] == "A rose"


def test_a_file_of_another_brand_is_neither_offered_nor_picked(sign_in, world, keep):
    asset = keep()
    stranger: Client = sign_in(world.stranger)
    pick = reverse("media_pick")
    assert stranger.get(pick, {"brand": world.brand.pk}).status_code == 404
    theirs = Brand.objects.create(name="Theirs")
    theirs.members.add(world.stranger)
    data = {"brand": theirs.pk, "action": f"pick:{asset.pk}"}
    answer = stranger.post(reverse("media_upload"), data)
    assert answer.context["form"].attached == []


def test_a_file_that_was_deleted_while_one_wrote_is_said_to_be_gone(ana, world, keep):
    asset = keep()
    media.remove(asset, world.ana)
    data = {"brand": world.brand.pk, "media": [asset.pk], "action": "check"}
    answer = ana.post(reverse("media_upload"), data)
    assert "was deleted from the library meanwhile" in answer.content.decode()


def test_the_address_leads_back_to_itself():
    filters = LibraryFilters.read({"q": "rose", "kind": "image", "junk": "x"})
    assert filters.query(page=2) == "page=2&q=rose&kind=image"


# ---------------------------------------------------------------- what nobody used

DAY = timedelta(days=1)


def test_what_nobody_used_is_told_and_deleted_after_its_time(keep, world, ana):
    loose, used, kept = keep("a.jpg"), keep("b.jpg", (41, 30)), keep("c.jpg", (42, 30))
    use(used, world)
    leftovers.keep([kept.pk])
    now = timezone.now()
    assert leftovers.tidy(now) == 0
    loose.refresh_from_db()
    assert loose.goes_at == now + 30 * DAY
    page = ana.get(LIBRARY).content.decode()
    assert "1 file came in, is in no post, and nobody kept it" in page
    shown = ana.get(f"{LIBRARY}?show=going").content.decode()
    assert "a.jpg" in shown
    assert "b.jpg" not in shown
    name, storage = str(loose.file.name), loose.file.storage
    assert leftovers.tidy(now + 29 * DAY) == 0
    assert leftovers.tidy(now + 31 * DAY) == 1
    assert not storage.exists(name)
    assert set(MediaAsset.objects.values_list("pk", flat=True)) == {used.pk, kept.pk}
    assert AuditEvent.objects.filter(verb="media_deleted", actor=None).count() == 1


def test_a_file_that_leaves_a_post_has_its_whole_time_again(keep, world):
    asset = keep()
    now = timezone.now()
    leftovers.tidy(now)
    post = use(asset, world)
    leftovers.tidy(now + 20 * DAY)
    post.media.all().delete()
    assert leftovers.tidy(now + 40 * DAY) == 0
    asset.refresh_from_db()
    assert asset.loose_since == now + 40 * DAY


@pytest.mark.parametrize(
    "wanted",
    [
        lambda c, pk: c.post(page_of(MediaAsset(pk=pk)), {"action": "keep"}),
        lambda c, pk: c.post(reverse("media_change"), {"pick": pk, "action": "keep"}),
        lambda c, pk: c.post(reverse("media_change"), {"pick": pk, "folder": "Shop"}),
        lambda c, pk: c.post(
            page_of(MediaAsset(pk=pk)), {"action": "save", "name": "a", "alt_text": "b"}
        ),
    ],
    ids=["keep", "keep many", "folder", "words"],
)
def test_what_a_person_does_for_a_file_keeps_it(keep, ana, wanted):
    asset = keep()
    now = timezone.now()
    leftovers.tidy(now)
    wanted(ana, asset.pk)
    assert leftovers.tidy(now + 99 * DAY) == 0
    asset.refresh_from_db()
    assert asset.goes_at is None


def test_nothing_goes_where_an_operator_wants_it_so(keep, ana, settings):
    settings.MEDIA_UNUSED_DAYS = 0
    keep()
    leftovers.tidy(timezone.now())
    assert leftovers.tidy(timezone.now() + 999 * DAY) == 0
    assert "nobody kept it" not in ana.get(LIBRARY).content.decode()
