"""Tiny real files, and hostile ones, made on the fly."""

from __future__ import annotations

import functools
import io
import tempfile
import zipfile
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageCms
from pypdf import PdfWriter

ONE = 0x10000
#: how a phone that is held upright says so: turn it by a quarter, clockwise
QUARTER_TURN = (0, ONE, 0, -ONE, 0, 0, 0, 0, 0x40000000)


def _grey(frame: Any, light: int) -> None:
    for plane, value in zip(frame.planes, (light, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)


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
            _grey(frame, 16 + number * 5 % 220)
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


def _encoded(frames: list[Any], codec: str, rate: int, **context: Any) -> bytes:
    """An MP4 of these pictures, each at its own time where it has one."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as made:
        pictures: Any = made.add_stream(codec, rate=rate)
        pictures.width, pictures.height = frames[0].width, frames[0].height
        pictures.pix_fmt = frames[0].format.name
        for name, value in context.items():
            setattr(pictures.codec_context, name, value)
        for number, frame in enumerate(frames):
            if frame.pts is None:
                frame.pts, frame.time_base = number, Fraction(1, rate)
            made.mux(pictures.encode(frame))
        made.mux(pictures.encode(None))
    return out.getvalue()


@functools.cache
def uneven_video(*times: int) -> bytes:
    """One picture at each time, in tenths of a second; each lighter than the last."""
    frames = []
    for number, at in enumerate(times):
        frame = av.VideoFrame(64, 48, "yuv420p")
        _grey(frame, 20 + 20 * number)
        frame.pts, frame.time_base = at, Fraction(1, 10)
        frames.append(frame)
    return _encoded(frames, "libx264", 10)


@functools.cache
def television_video(frames: int = 12) -> bytes:
    """Interlaced, of pixels wider than high, lower halves first: a bar that moves."""
    made = []
    for number in range(frames):
        frame = av.VideoFrame(160, 96, "yuv420p")
        _grey(frame, 40)
        plane = frame.planes[0]
        lines = []
        for line in range(plane.height):
            left = 4 * (2 * number + (line + 1) % 2)
            light = bytes([40]) * left + bytes([220]) * 16
            lines.append(light.ljust(plane.line_size, bytes([40])))
        plane.update(b"".join(lines))
        made.append(frame)
    return _encoded(
        made,
        "libx264",
        25,
        sample_aspect_ratio=Fraction(3, 2),
        options={"x264-params": "tff=1", "crf": "12"},
    )


#: how light the columns of `bright_video` are, of 0 to 1
LIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@functools.cache
def bright_video(
    *,
    told: bool = True,
    mastered: int | None = None,
    tint: tuple[int, int] = (512, 512),
) -> bytes:
    """HDR (HLG): columns from black to far brighter than paper.

    told: whether it says so; else nothing is known of its colours. mastered: PQ instead,
    made on a screen of so many nits, 0 where it does not say on which. tint: its colour.
    """
    frame = av.VideoFrame(32 * len(LIGHTS), 64, "yuv420p10le")
    # The code of 1,000 nits, where PQ itself goes to 10,000.
    most = 1.0 if mastered is None else 0.7518
    row = [round(64 + 876 * most * light) for light in LIGHTS for _column in range(32)]
    light, *colours = frame.planes
    row += [0] * (light.line_size // 2 - len(row))
    light.update(array("H", row * light.height).tobytes())
    for plane, colour in zip(colours, tint, strict=True):
        plane.update(array("H", [colour] * (plane.buffer_size // 2)).tobytes())
    params = "log-level=none:qp=4:bframes=0"
    context: dict[str, Any] = {}
    if told:
        transfer = "arib-std-b67" if mastered is None else "smpte2084"
        params += f":colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
        if mastered:
            params += (
                ":hdr10=1:repeat-headers=1:master-display=G(8500,39850)B(6550,2300)"
            )
            params += f"R(35400,14600)WP(15635,16450)L({mastered * 10_000},1)"
        number = 18 if mastered is None else 16
        context = {"color_primaries": 9, "color_trc": number, "colorspace": 9}
        context["color_range"] = 1
    context["options"] = {"preset": "ultrafast", "x265-params": params}
    return _encoded([frame], "libx265", 25, **context)


def upright_video() -> bytes:
    """Lying pictures that are to be shown upright, as phones write them."""
    data = video()
    at = data.index(b"tkhd") + 4 + 40
    matrix = b"".join(n.to_bytes(4, "big", signed=True) for n in QUARTER_TURN)
    return data[:at] + matrix + data[at + 36 :]


def sound_only() -> bytes:
    """A film of QuickTime without pictures."""
    out = io.BytesIO()
    with av.open(out, "w", format="mov") as made:
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


def picture(
    kind: str = "JPEG",
    size: tuple[int, int] = (40, 30),
    color: str = "teal",
    **save: Any,
) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind, **save)
    return out.getvalue()


def red_means_green() -> bytes:
    """A colour profile like sRGB, with two of its colours exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    number = int.from_bytes(data[128:132])
    table = b"".join(
        swapped.get(data[at : at + 4], data[at : at + 4]) + data[at + 4 : at + 12]
        for at in range(132, 132 + 12 * number, 12)
    )
    return data[:132] + table + data[132 + 12 * number :]


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
