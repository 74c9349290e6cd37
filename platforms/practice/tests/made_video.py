"""Real videos and animated GIFs, small and quick to make."""

from __future__ import annotations

import io
import tempfile
from array import array
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


#: what a file of sound is called -> container, codec and samples a second
SOUNDS = {
    "mp3": ("mp3", "libmp3lame", 44_100),
    "aac": ("adts", "aac", 44_100),
    "ogg": ("ogg", "libopus", 48_000),
    "wav": ("wav", "pcm_s16le", 44_100),
    "flac": ("flac", "flac", 44_100),
    "m4a": ("mp4", "aac", 44_100),
    "weba": ("webm", "libopus", 48_000),
}


def sound(kind: str = "mp3", seconds: float = 1.0, loud: int = 0) -> bytes:
    """Some seconds of a tone as low as 200 Hz. loud: from 0 (silence) to 30,000."""
    container, codec, rate = SOUNDS[kind]
    out = io.BytesIO()
    with av.open(out, "w", format=container) as made:
        stream: Any = made.add_stream(codec, rate=rate, layout="mono")
        wave = [loud * ((n * 200 // rate) % 2) for n in range(round(rate * seconds))]
        samples = array("h", wave).tobytes()
        fits = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(wave))
        frame.sample_rate, frame.pts = rate, 0
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        queue: Any = av.AudioFifo()
        for part in fits.resample(frame):
            part.pts = None
            queue.write(part)
        at = 0
        while part := queue.read(stream.frame_size or 1024, partial=True):
            part.pts, at = at, at + part.samples
            made.mux(stream.encode(part))
        made.mux(stream.encode(None))
    return out.getvalue()


def animation(frames: int = 3, size: tuple[int, int] = (12, 7)) -> bytes:
    colours = [(number % 256, number // 256 * 90, 90) for number in range(frames)]
    pictures = [Image.new("RGB", size, colour) for colour in colours]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:])
    return out.getvalue()
