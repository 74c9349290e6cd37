"""Images: told by content, cleaned of places, seen by their brand only."""

from __future__ import annotations

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import ExifTags, Image

from accounts.models import Brand
from publishing import media
from publishing.media import UploadRefused, measure, take_upload
from publishing.models import MediaAsset
from publishing.tests.pages.conftest import picture


def with_exif(*, gps=False, orientation=0) -> bytes:
    exif = Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    if gps:
        exif[ExifTags.IFD.GPSInfo] = {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0),
        }
    return picture(exif=exif.tobytes())


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


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.jpg", b"", "is empty"),
        ("a.jpg", b"<html>", "is not a JPEG, PNG, GIF or WebP"),
        ("a.pdf", picture(), "is not an image file"),
        ("a.svg", b"<svg onload='alert(1)'/>", "is not an image file"),
        ("noending", picture(), "is not an image file"),
        ("a.png", picture("JPEG"), "is really a JPEG image. Rename it to a.jpg"),
        ("a.png", picture("PNG", (300, 300))[:-60], "damaged or not complete"),
        ("a.jpg", picture("JPEG", (300, 300))[:-400], "damaged or not complete"),
        ("a.png", picture("BMP"), "is not a JPEG, PNG, GIF or WebP"),
    ],
)
def test_what_is_no_whole_honest_image_is_refused_in_words(world, name, data, sentence):
    with pytest.raises(UploadRefused, match=sentence.replace(".", r"\.")):
        take(world, name, data)
    assert not MediaAsset.objects.exists()


def test_too_many_bytes_are_refused_before_they_are_read(world, monkeypatch):
    monkeypatch.setattr(media, "MAX_BYTES", 100)
    with pytest.raises(UploadRefused, match="too large"):
        take(world, "a.jpg", picture(size=(200, 200)))


def test_a_small_file_of_huge_size_is_refused(world):
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(UploadRefused, match="too many pixels"):
        measure(bomb.getvalue(), "bomb.png")


def test_a_turned_photo_is_measured_as_it_is_seen():
    found = measure(with_exif(orientation=6), "a.jpg")
    assert (found.width, found.height) == (30, 40)


def test_the_place_is_taken_out_and_the_orientation_stays():
    found = measure(with_exif(gps=True, orientation=6), "a.jpg")
    exif = Image.open(io.BytesIO(found.data)).getexif()
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert exif[ExifTags.Base.Orientation] == 6
    assert (found.width, found.height) == (30, 40)


def test_a_photo_without_a_place_keeps_its_bytes():
    data = with_exif(orientation=3)
    assert measure(data, "a.jpg").data == data


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
