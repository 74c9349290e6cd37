"""Files that were made to harm, or that tell where somebody was."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from publishing.examine import Refused, examine
from publishing.tests.made_files import animation, pdf, slides, video

GPS = ExifTags.IFD.GPSInfo
KINDS = ("JPEG", "PNG", "WEBP")


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_no_kind_of_image_tells_where_it_was_taken(
    kind: str, orientation: int, tmp_path: Path
) -> None:
    before = photo(kind, orientation)
    (tmp_path / "file").write_bytes(before)

    examine(tmp_path / "file", tmp_path)

    after = Image.open(tmp_path / "clean")
    assert dict(Image.open(io.BytesIO(before)).getexif().get_ifd(GPS))
    assert not dict(after.getexif().get_ifd(GPS))
    assert after.getexif().get(ExifTags.Base.Orientation, 1) == orientation
    assert (after.width, after.height) == (40, 30)
    if kind != "JPEG":  # its tables are kept, its pixels may move by one
        assert after.tobytes() == Image.open(io.BytesIO(before)).tobytes()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    ("make", "rounds"),
    [
        *((partial(photo, kind), 300) for kind in KINDS),
        *((partial(animation, kind), 100) for kind in ("GIF", "WEBP", "PNG")),
        (video, 100),
        (partial(video, "webm", "libvpx"), 100),
        (pdf, 200),
        (slides, 200),
    ],
)
def test_a_spoilt_file_is_measured_or_refused(
    make: Callable[[], bytes], rounds: int, tmp_path: Path
) -> None:
    whole = make()
    chance = random.Random(1)
    path = tmp_path / "file"
    for _round in range(rounds):
        spoilt = bytearray(whole)
        for _byte in range(chance.randint(1, 6)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        path.write_bytes(spoilt)
        try:
            examine(path, tmp_path)
        except Refused:
            continue
