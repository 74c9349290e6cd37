"""Images that were made to harm, or that tell where somebody was."""

from __future__ import annotations

import io
import random

import pytest
from PIL import ExifTags, Image

from publishing.media import UploadRefused, measure

GPS = ExifTags.IFD.GPSInfo
ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


def photo(kind: str, orientation: int = 6) -> bytes:
    """A picture with its place, as a phone writes it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    place = exif.get_ifd(GPS)
    place[1], place[2] = "N", (52.0, 30.0, 1.0)
    out = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.effect_mandelbrot((40, 30), (-2, -1, 1, 1), 50).convert("RGB").save(
        out, kind, exif=exif.tobytes(), **options
    )
    return out.getvalue()


@pytest.mark.parametrize("kind", ENDINGS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_no_kind_of_image_tells_where_it_was_taken(kind: str, orientation: int) -> None:
    before = photo(kind, orientation)

    measured = measure(before, f"a.{ENDINGS[kind]}")

    after = Image.open(io.BytesIO(measured.data))
    assert dict(Image.open(io.BytesIO(before)).getexif().get_ifd(GPS))
    assert not dict(after.getexif().get_ifd(GPS))
    assert after.getexif().get(ExifTags.Base.Orientation, 1) == orientation
    assert (after.width, after.height) == (40, 30)
    if kind != "JPEG":  # its tables are kept, its pixels may move by one
        assert after.tobytes() == Image.open(io.BytesIO(before)).tobytes()


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_spoilt_image_is_measured_or_refused_in_words(kind: str) -> None:
    whole = photo(kind)
    chance = random.Random(1)
    for _round in range(400):
        spoilt = bytearray(whole)
        for _byte in range(chance.randint(1, 6)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        try:
            measure(bytes(spoilt), f"a.{ENDINGS[kind]}")
        except UploadRefused:
            continue


def test_a_webp_with_broken_exif_is_refused_in_words() -> None:
    whole = photo("WEBP")
    spoilt = whole.replace(b"MM\x00*", b"MM\xff*").replace(b"II*\x00", b"II\xff\x00")
    assert spoilt != whole

    with pytest.raises(UploadRefused):
        measure(spoilt, "a.webp")
