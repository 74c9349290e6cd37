"""Real videos and animated GIFs, small and quick to make."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import av
from PIL import Image


def video(
    frames: int = 15,
    *,
    size: tuple[int, int] = (64, 48),
    rate: int = 15,
    container: str = "mp4",
    codec: str = "libx264",
    index_first: bool = False,
) -> bytes:
    options = {"movflags": "faststart"} if index_first else {}
    with (
        # To put the index first, the file is read again by its name.
        tempfile.NamedTemporaryFile(suffix=f".{container}") as out,
        av.open(out.name, "w", format=container, options=options) as made,
    ):
        stream: Any = made.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            stream.options = {"preset": "ultrafast"}
        for number in range(frames):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 5 % 256]) * plane.buffer_size)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
        made.close()
        return Path(out.name).read_bytes()


def animation(frames: int = 3, size: tuple[int, int] = (12, 7)) -> bytes:
    colours = [(number % 256, number // 256 * 90, 90) for number in range(frames)]
    pictures = [Image.new("RGB", size, colour) for colour in colours]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:])
    return out.getvalue()
