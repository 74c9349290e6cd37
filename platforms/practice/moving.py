"""What a network's own machines find in a video or an animated image that they got.

Only the headers are read and nothing is decoded. What is refused, and in which words,
is the matter of each twin.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any, cast

from PIL import Image, UnidentifiedImageError

#: Longer files are known by their length and SHA-256 only, or the practice network's
#: own file would grow with every drill.
KEPT_BYTES = 16 * 1024 * 1024


#: By what a file begins with, so that none is taken for a list of other files to open.
STARTS: list[tuple[Callable[[bytes], bool], str]] = [
    (lambda start: start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"), "mp4"),
    (lambda start: start.startswith(b"\x1a\x45\xdf\xa3"), "matroska"),
    (lambda start: start.startswith(b"OggS"), "ogg"),
    (lambda start: start.startswith(b"fLaC"), "flac"),
    (lambda start: start.startswith(b"RIFF") and start[8:12] == b"WAVE", "wav"),
    (lambda start: start.startswith(b"ID3"), "mp3"),
    # Both begin with bits that are set; the layer, two of the next ones, is 0 in AAC.
    (lambda start: start[:1] == b"\xff" and start[1] & 0xF6 == 0xF0, "aac"),
    (lambda start: start[:1] == b"\xff" and start[1] & 0xE6 == 0xE2, "mp3"),
    (lambda start: start.startswith(b"G"), "mpegts"),
]


@dataclass(frozen=True)
class Moving:
    """container and codecs as FFmpeg spells them; "" without such a track."""

    container: str
    width: int = 0
    height: int = 0
    duration_s: float = 0.0
    rate: Fraction = Fraction(0)
    frames: int = 0
    video: str = ""
    audio: str = ""


def measured(file: IO[bytes]) -> Moving | None:
    """What is in a container of video or sound; None when it cannot be read."""
    start = file.read(16)
    file.seek(0)
    kind = next((name for begins, name in STARTS if begins(start)), "")
    if not kind:
        return None
    # Only who sends videos needs the libraries, which take their time to load.
    import av
    from av.error import FFmpegError

    try:
        with av.open(file, "r", format=kind) as opened:
            pictures = next(iter(opened.streams.video), None)
            sound = next(iter(opened.streams.audio), None)
            return Moving(
                container=opened.format.name,
                width=pictures.codec_context.width if pictures else 0,
                height=pictures.codec_context.height if pictures else 0,
                duration_s=(opened.duration or 0) / av.time_base,
                rate=(pictures.average_rate if pictures else None) or Fraction(0),
                frames=pictures.frames if pictures else 0,
                video=pictures.codec_context.name if pictures else "",
                audio=sound.codec_context.name if sound else "",
            )
    except (FFmpegError, OSError, ValueError):
        return None


def animation(file: IO[bytes]) -> Moving | None:
    """What is in an image of one or more pictures; None when it is no image.

    One that unfolds to too much is told as one beyond every limit.
    """
    try:
        with Image.open(file) as image:
            return Moving(
                container=(image.format or "").lower(),
                width=image.width,
                height=image.height,
                frames=int(getattr(image, "n_frames", 1)),
            )
    except Image.DecompressionBombError:
        return Moving("png", 1 << 16, 1 << 16, frames=1)
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
    ):
        return None


class Joined(io.RawIOBase):
    """Parts read as the one file that they make; one of them is in memory at a time."""

    def __init__(self, sizes: list[int], part: Callable[[int], bytes]) -> None:
        """sizes: of each part. part: gives the bytes of the part with this index."""
        self._starts = [sum(sizes[:index]) for index in range(len(sizes) + 1)]
        self._part = part
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._starts[-1]:
            return 0
        index = next(i for i, end in enumerate(self._starts[1:]) if self._at < end)
        if self._held[0] != index:
            self._held = index, self._part(index)
        start = self._at - self._starts[index]
        piece = self._held[1][start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def joined(sizes: list[int], part: Callable[[int], bytes]) -> IO[bytes]:
    return cast(IO[bytes], io.BufferedReader(Joined(sizes, part)))
