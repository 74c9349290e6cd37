"""Images: told by content, cleaned of places, seen by their brand only."""

from __future__ import annotations

import io
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from PIL import ExifTags, Image

from accounts.models import Brand
from platforms.base import Draft, MediaKind
from publishing.media import UploadRefused, take_upload
from publishing.models import MediaAsset, PostMedia, draft_doc, draft_from
from publishing.tests.made_files import pdf, picture, video
from publishing.tests.pages.conftest import make_delivery


def take(world, name: str, data: bytes) -> MediaAsset:
    return take_upload(SimpleUploadedFile(name, data), world.brand, world.ana)


@pytest.mark.parametrize(
    ("kind", "name", "mime_type"),
    [
        ("JPEG", "a.jpg", "image/jpeg"),
        ("JPEG", "A.JPEG", "image/jpeg"),
        ("PNG", "a.png", "image/png"),
        ("GIF", "a.gif", "image/gif"),
        ("WEBP", "a.webp", "image/webp"),
    ],
)
def test_four_kinds_are_measured_and_kept_by_their_hash(world, kind, name, mime_type):
    asset = take(world, name, picture(kind))
    assert (asset.mime_type, asset.width, asset.height) == (mime_type, 40, 30)
    assert asset.sha256 in asset.file.name
    assert asset.file.size == asset.size_bytes


def test_a_refused_file_leaves_nothing_behind(world, settings):
    with pytest.raises(UploadRefused, match="is no file that can be posted"):
        take(world, "a.svg", b"<svg onload='alert(1)'/>")
    assert not MediaAsset.objects.exists()
    assert [p for p in Path(settings.MEDIA_ROOT).rglob("*") if p.is_file()] == []


def test_too_many_bytes_are_refused_before_they_are_looked_into(world, settings):
    settings.MEDIA_MAX_MB = 0
    with pytest.raises(UploadRefused, match="too large: at most 0 MB"):
        take(world, "a.jpg", picture())


def test_what_a_person_may_add_in_a_day_is_bounded(world, settings):
    settings.MEDIA_DAILY_MB = 1
    asset = take(world, "a.png", picture("PNG"))
    MediaAsset.objects.update(size_bytes=1 << 20)
    with pytest.raises(UploadRefused, match="at most 1 MB in 24 hours"):
        take(world, "b.png", picture("PNG", (41, 30)))
    MediaAsset.objects.update(created_at=asset.created_at - timedelta(days=1))
    assert take(world, "b.png", picture("PNG", (41, 30)))


def test_a_video_is_kept_with_all_that_was_measured(world):
    asset = take(world, "clip.mp4", video(sound="aac"))
    file = PostMedia(asset=asset, position=0).as_file()
    assert (file.kind, file.width, file.height) == (MediaKind.VIDEO, 64, 48)
    assert (file.duration_s, file.frame_rate) == (0.5, 30.0)
    assert (file.container, file.video_codec, file.audio_codec) == (
        "mp4",
        "h264",
        "aac",
    )
    assert file.has_audio
    assert file.index_first
    assert file.file_name.endswith(".mp4")
    with file.open() as stream:
        assert stream.read() == video(sound="aac")
    assert asset.details == "0:01, 64 × 48, H264, AAC"


def test_a_draft_that_was_sent_leads_back_to_the_same_file(world):
    file = PostMedia(asset=take(world, "a.mp4", video()), position=0).as_file()
    draft = Draft("Hi", media=(file,))
    assert draft_from(draft_doc(draft)) == draft


def test_a_draft_of_before_kinds_is_one_of_images(world):
    file = PostMedia(asset=take(world, "a.png", picture("PNG")), position=0).as_file()
    doc = draft_doc(Draft("Hi", media=(file,)))
    known = ("key", "mime_type", "size_bytes", "width", "height", "alt_text")
    doc["media"] = [
        {name: doc["media"][0][name] for name in (*known, "sha256", "file_name")}
    ]
    assert draft_from(doc).media[0].kind is MediaKind.IMAGE


def test_an_original_whose_place_is_taken_out_is_kept_without_it(world):
    exif = Image.Exif()
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    asset = take(world, "a.jpg", picture(exif=exif.tobytes()))
    with asset.file.open() as kept:
        data = kept.read()
    assert not Image.open(io.BytesIO(data)).getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert (asset.size_bytes, asset.sha256) == (len(data), sha256(data).hexdigest())


def test_the_same_bytes_twice_are_one_row_and_one_file(world):
    first = take(world, "a.png", picture("PNG"))
    assert take(world, "b.png", picture("PNG")) == first
    other = Brand.objects.create(name="Other")
    file = SimpleUploadedFile("c.png", picture("PNG"))
    twin = take_upload(file, other, world.ana)
    assert twin != first
    assert twin.file.name == first.file.name


def test_images_are_served_to_their_brand_with_safe_headers(
    world, ana, sign_in, client
):
    asset = take(world, "a.png", picture("PNG"))
    address = reverse("media_file", args=[asset.pk])
    answer = ana.get(address)
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("inline")
    assert b"".join(answer.streaming_content) == picture("PNG")
    assert sign_in(world.stranger).get(address).status_code == 404
    assert client.get(address).status_code == 302


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, None),
        ("bytes=-7", -7, None),
        ("bytes=5-99999999", 5, None),
    ],
)
def test_a_range_of_a_file_is_served_as_it_is_asked_for(world, ana, asked, first, last):
    asset = take(world, "a.mp4", video())
    address = reverse("media_file", args=[asset.pk])
    answer = ana.get(address, headers={"Range": asked})
    wanted = video()[first : last and last + 1]
    start = first % len(video())
    assert b"".join(answer.streaming_content) == wanted
    assert answer.status_code == 206
    assert answer["Content-Length"] == str(len(wanted))
    end = start + len(wanted) - 1
    assert answer["Content-Range"] == f"bytes {start}-{end}/{len(video())}"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=9-3", "bytes=-0"])
def test_a_range_that_is_not_there_is_refused_with_the_size(world, ana, asked):
    asset = take(world, "a.mp4", video())
    answer = ana.get(reverse("media_file", args=[asset.pk]), headers={"Range": asked})
    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{len(video())}"


@pytest.mark.parametrize(
    "asked", ["", "bytes=", "bytes=-", "lines=1-2", "bytes=1-2,4-5"]
)
def test_what_is_no_range_gets_the_whole_file(world, ana, asked):
    asset = take(world, "a.mp4", video())
    answer = ana.get(reverse("media_file", args=[asset.pk]), headers={"Range": asked})
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == video()


def test_the_calendar_shows_a_picture_of_the_post(world, ana):
    asset = take(world, "a.mp4", video())
    row = make_delivery(world.x, world.ana)
    row.post.media.create(asset=asset, position=0)
    page = ana.get(reverse("calendar"), {"plain": "1"}).content.decode()
    day = timezone.localtime(row.due_at).date().isoformat()
    page += ana.get(reverse("calendar"), {"plain": "1", "date": day}).content.decode()
    assert reverse("media_preview", args=[asset.pk]) in page


def test_previews_are_served_to_their_brand_only(world, ana, sign_in):
    asset = take(world, "a.mp4", video())
    address = reverse("media_preview", args=[asset.pk])
    answer = ana.get(address)
    assert answer["Content-Type"] == "image/webp"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"".join(answer.streaming_content)[:4] == b"RIFF"
    assert sign_in(world.stranger).get(address).status_code == 404


def test_an_image_of_before_previews_is_its_own_and_a_document_has_none(world, ana):
    asset = take(world, "a.png", picture("PNG"))
    MediaAsset.objects.update(preview="")
    address = reverse("media_preview", args=[asset.pk])
    assert ana.get(address)["Content-Type"] == "image/png"
    document = take(world, "a.pdf", pdf())
    assert ana.get(reverse("media_preview", args=[document.pk])).status_code == 404


def test_a_document_is_saved_and_never_shown(world, ana):
    asset = take(world, "a.pdf", pdf())
    answer = ana.get(reverse("media_file", args=[asset.pk]))
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith("attachment")


def test_other_types_are_never_shown_inline(world, ana):
    asset = take(world, "a.png", picture("PNG"))
    MediaAsset.objects.update(mime_type="text/html")
    answer = ana.get(reverse("media_file", args=[asset.pk]))
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")


def test_a_file_that_is_gone_is_not_found(world, ana):
    asset = take(world, "a.png", picture("PNG"))
    asset.file.storage.delete(asset.file.name)
    assert ana.get(reverse("media_file", args=[asset.pk])).status_code == 404
