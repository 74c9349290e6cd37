"""Files that every platform takes, in the few shapes that they ask for."""

from __future__ import annotations

import io
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

import av
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image
from pypdf import PdfWriter

from accounts.models import Brand
from platforms import captions
from publishing import media
from publishing.link_facts import card_of
from publishing.models import LinkFacts, MediaAsset

SQUARE, TALL = (1080, 1080), (1080, 1920)
#: 9:16 and half a high definition: what reels, stories and the smallest of all take
FILM = (540, 960)
FILM_S, RATE = 7, 30
#: Larger than one part wherever parts may be small, so that a kill finds parts to go
#: on from.
FILM_BYTES = 5_300_000


def make_all(brand: Brand, user: Any) -> dict[str, MediaAsset]:
    """Name -> asset, measured as an upload is: three or more of each kind."""
    made: dict[str, tuple[bytes, str]] = {}
    for n, size in enumerate((SQUARE, SQUARE, SQUARE, TALL)):
        made[f"image{n}"] = (_image(n, size), "image/jpeg")
    for n in range(3):
        made[f"gif{n}"] = (_animation(n), "image/gif")
        made[f"video{n}"] = (_film(n), "video/mp4")
        made[f"audio{n}"] = (_sound(n), "audio/flac")
    made["document0"] = (_document(), "application/pdf")
    # Their language stands in their name.
    for language in ("de", "en"):
        made[f"captions.{language}"] = (_captions(language), captions.SRT)
    return {
        name: media.take_upload(
            SimpleUploadedFile(name + MediaAsset.SUFFIXES[mime], data, mime),
            brand,
            user,
        )
        for name, (data, mime) in made.items()
    }


def _captions(language: str) -> bytes:
    return f"1\n00:00:01,000 --> 00:00:02,000\n{language}\n".encode()


def make_card(url: str) -> None:
    """A page that was read, with a picture for the card of its link."""
    key, now = LinkFacts.key_of(url), timezone.now()
    known = {"url": url, "title": "A drill", "asked_at": now, "read_at": now}
    card = _image(5, (1200, 630))
    LinkFacts.objects.update_or_create(key=key, defaults={**known, **card_of(card)})


def _image(number: int, size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (40 * number, 120, 120)).save(out, "JPEG")
    return out.getvalue()


def _animation(number: int) -> bytes:
    frames = [Image.new("RGB", (320, 320), (60 * n, 40 * number, 90)) for n in range(4)]
    out = io.BytesIO()
    frames[0].save(
        out, "GIF", save_all=True, append_images=frames[1:], duration=200, loop=0
    )
    return out.getvalue()


def _film(number: int) -> bytes:
    """H.264 with AAC, its index first, with free space behind it up to FILM_BYTES."""
    width, height = FILM
    dice = random.Random(number)  # noqa: S311 - only to look different
    with (
        # To put the index first, the file is read again by its name.
        tempfile.NamedTemporaryFile(suffix=".mp4") as out,
        av.open(out.name, "w", format="mp4", options={"movflags": "faststart"}) as made,
    ):
        pictures: Any = made.add_stream("libx264", rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        pictures.options = {"preset": "ultrafast"}
        sound: Any = made.add_stream("aac", rate=48_000)
        frame = av.VideoFrame(width, height, "yuv420p")
        for n in range(FILM_S * RATE):
            shades = bytes((n + dice.randrange(256)) % 256 for _ in range(16))
            for plane in frame.planes:
                rows = shades * (plane.buffer_size // 16)
                plane.update(rows.ljust(plane.buffer_size, b"\0"))
            frame.pts = n
            made.mux(pictures.encode(frame))
        made.mux(pictures.encode(None))
        for n in range(FILM_S * 48_000 // 1024):
            silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            silence.sample_rate, silence.pts = 48_000, n * 1024
            for heard in silence.planes:
                heard.update(bytes(heard.buffer_size))
            made.mux(sound.encode(silence))
        made.mux(sound.encode(None))
        made.close()
        film = Path(out.name).read_bytes()
    free = max(8, FILM_BYTES - len(film))
    return film + struct.pack(">I4s", free, b"free") + bytes(free - 8)


def _sound(number: int) -> bytes:
    """A second of FLAC, each of another tone."""
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as made:
        stream: Any = made.add_stream("flac", rate=48_000, layout="mono")
        for n in range(10):
            frame = av.AudioFrame(format="s16", layout="mono", samples=4800)
            frame.sample_rate, frame.pts = 48_000, n * 4800
            tone = bytes(20 * number + 1 if at % 200 < 100 else 0 for at in range(9600))
            frame.planes[0].update(tone.ljust(frame.planes[0].buffer_size, b"\0"))
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out.getvalue()


def _document() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(300, 300)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
