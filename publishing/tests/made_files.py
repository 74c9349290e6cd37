"""Tiny real files, and hostile ones, made on the fly."""

from __future__ import annotations

import functools
import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import av
from PIL import Image
from pypdf import PdfWriter

ONE = 0x10000
#: how a phone that is held upright says so: turn it by a quarter, clockwise
QUARTER_TURN = (0, ONE, 0, -ONE, 0, 0, 0, 0, 0x40000000)


@functools.cache
def video(
    container: str = "mp4",
    codec: str = "libx264",
    *,
    size: tuple[int, int] = (64, 48),
    frames: int = 15,
    rate: int = 30,
    sound: str = "",
    index_first: bool = True,
) -> bytes:
    options = {"movflags": "faststart"} if index_first and container != "webm" else {}
    # To put the index first, the file is read again by its name.
    with (
        tempfile.NamedTemporaryFile() as out,
        av.open(out.name, "w", format=container, options=options) as made,
    ):
        pictures: Any = made.add_stream(codec, rate=rate)
        pictures.width, pictures.height = size
        pictures.pix_fmt = "yuv420p"
        heard: Any = made.add_stream(sound, rate=48_000) if sound else None
        for number in range(frames):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 5 % 256]) * plane.buffer_size)
            made.mux(pictures.encode(frame))
        made.mux(pictures.encode(None))
        if heard:
            silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            silence.sample_rate, silence.pts = 48_000, 0
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            made.mux(heard.encode(silence))
            made.mux(heard.encode(None))
        made.close()
        return Path(out.name).read_bytes()


def upright_video() -> bytes:
    """Lying pictures that are to be shown upright, as phones write them."""
    data = video()
    at = data.index(b"tkhd") + 4 + 40
    matrix = b"".join(n.to_bytes(4, "big", signed=True) for n in QUARTER_TURN)
    return data[:at] + matrix + data[at + 36 :]


def sound_only() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as made:
        heard: Any = made.add_stream("aac", rate=48_000)
        silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        silence.sample_rate, silence.pts = 48_000, 0
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        made.mux(heard.encode(silence))
        made.mux(heard.encode(None))
    return out.getvalue()


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The same MP4, whose sample description claims other dimensions."""
    at = data.index(b"avc1") + 4 + 24
    return (
        data[:at]
        + width.to_bytes(2, "big")
        + height.to_bytes(2, "big")
        + data[at + 4 :]
    )


def picture(kind: str = "JPEG", size: tuple[int, int] = (40, 30), **save: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **save)
    return out.getvalue()


def animation(kind: str = "GIF", frames: int = 3, ms: int = 200) -> bytes:
    pictures = [Image.new("RGB", (20, 10), (n * 40, 0, 90)) for n in range(frames)]
    out = io.BytesIO()
    pictures[0].save(
        out, kind, save_all=True, append_images=pictures[1:], duration=ms, loop=0
    )
    return out.getvalue()


def pdf(pages: int = 2, password: str = "") -> bytes:
    writer = PdfWriter()
    for _page in range(pages):
        writer.add_blank_page(72, 72)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def office(main: str = "word/document.xml", **parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        made.writestr(main, "<main/>")
        for name, data in parts.items():
            made.writestr(name, data)
    return out.getvalue()


def slides(number: int = 3) -> bytes:
    parts = {f"ppt/slides/slide{n}.xml": b"<slide/>" for n in range(1, number + 1)}
    return office("ppt/presentation.xml", **parts)
