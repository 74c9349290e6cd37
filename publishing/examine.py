"""Looks into one file and tells what it is. Run as a program, in a process of its own.

    python -I examine.py PATH OUTPUT_FOLDER

Whatever the file does to the libraries that read it happens here, where time, memory,
written bytes and open files are bounded, and never in a process that serves people. It
imports nothing of ours and knows no settings. One line of JSON says what was found:
`{"facts": {...}}` or `{"refused": code, "values": {...}}`. Beside it, in the output
folder: `preview.webp`, a small picture of it, and `clean`, the same file without the
place where it was taken. With `card` as a third argument also `card.jpg`.
"""

from __future__ import annotations

import errno
import io
import itertools
import json
import math
import re
import resource
import struct
import sys
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

MEMORY = 2 << 30  # address space; the libraries alone map 400 MB
CPU_S = 40
WRITTEN = 64 << 20
OPEN_FILES = 32

#: A small file can unfold to gigabytes; phones make up to 50 million pixels.
MAX_PIXELS = 50_000_000
#: 8K, a little over
MAX_VIDEO_PIXELS = 8192 * 4352
MAX_VIDEO_S = 12 * 3600
#: Images are decoded whole; these are the largest that any network takes.
MAX_IMAGE_BYTES = 20 << 20
MAX_DOCUMENT_BYTES = 100 << 20
MAX_CAPTIONS_BYTES = 4 << 20
MAX_FRAMES = 10_000
#: of all pictures of an animated image: each is unfolded where a video is made of it
MAX_ANIMATION_PIXELS = 20_000_000_000
MAX_PARTS = 20_000
PREVIEW = (640, 640)
#: as large as networks show the picture of a link, and below what any of them takes
CARD, CARD_BYTES = (1200, 1200), 950_000

#: What these read is fuzzed all day; the hundreds of others that FFmpeg has are not
#: needed, and what is not opened cannot be broken.
VIDEO_CODECS = {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "prores"}
#: and of files of sound alone
SOUND_CODECS = {"mp3", "mp3float", "aac", "flac", "vorbis", "opus", "libopus", "alac"}
SOUND_CODECS |= {f"pcm_{kind}" for kind in ("u8", "s16le", "s24le", "s32le", "f32le")}
#: FFmpeg calls some by the library that decodes them.
CODEC_NAMES = {"libdav1d": "av1", "mp3float": "mp3", "libopus": "opus"}


class Refused(Exception):
    """code: a reason that `measuring` has a sentence for."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


def examine(path: Path, out: Path) -> dict[str, Any]:
    """The file's facts by its content alone; Refused with the reason."""
    size = path.stat().st_size
    if not size:
        raise Refused("empty")
    with path.open("rb") as file:
        head = file.read(4096)
        file.seek(0)
        if is_image(head):
            _at_most(size, MAX_IMAGE_BYTES)
            return _image(file, head, out)
        if head[4:8] in {b"ftyp", b"moov", b"wide", b"mdat", b"free", b"skip"}:
            return _mp4(file, head, size, out)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _webm(file, head, size, out)
        if sound := sound_of(head):
            return _sound(file, *sound, size)
        if head[:5] == b"%PDF-":
            _at_most(size, MAX_DOCUMENT_BYTES)
            return _pdf(file, size)
        if head[:4] == b"PK\x03\x04":
            _at_most(size, MAX_DOCUMENT_BYTES)
            return _office(file)
        if is_captions(head):
            _at_most(size, MAX_CAPTIONS_BYTES)
            return _captions(file.read())
    raise Refused("unknown")


def _at_most(size: int, limit: int) -> None:
    if size > limit:
        raise Refused("too_large", limit=limit >> 20)


# ---------------------------------------------------------------- images

#: Pillow's name of the content -> MIME type. MPO is what phones write when a JPEG
#: holds a second picture.
IMAGE_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
#: What Pillow raises for files that are not what they begin like.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    struct.error,
    zlib.error,
)
#: Browsers show for a tenth of a second what is to be shown for no longer than this.
FASTEST_S, TOO_FAST_S = 0.01, 0.1
#: EXIF orientations that swap width and height for the viewer.
TURNED = {5, 6, 7, 8}


def is_image(head: bytes) -> bool:
    return (
        head[:3] == b"\xff\xd8\xff"
        or head[:8] == b"\x89PNG\r\n\x1a\n"
        or head[:6] in {b"GIF87a", b"GIF89a"}
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    )


def open_image(file: IO[bytes]) -> Any:
    """Pillow's image of bounded size, not decoded yet. Refused."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Our own limit below says it in words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=["JPEG", "PNG", "GIF", "WEBP"])
    except Image.DecompressionBombError:
        raise Refused("pixels", limit=MAX_PIXELS // 1_000_000) from None
    except BROKEN:
        raise Refused("damaged") from None
    if image.width * image.height > MAX_PIXELS:
        raise Refused("pixels", limit=MAX_PIXELS // 1_000_000)
    return image


def _image(file: IO[bytes], head: bytes, out: Path) -> dict[str, Any]:
    from PIL import ExifTags, Image, ImageOps

    image = open_image(file)
    kind = str(image.format)
    mime_type = IMAGE_TYPES[kind]
    try:
        most = min(MAX_FRAMES, MAX_ANIMATION_PIXELS // (image.width * image.height))
        frames, duration_s = _animation(file, kind, most)
        # verify() reads structure and checksums, load() the pixels: a cut file
        # passes the first and not the second.
        file.seek(0)
        Image.open(file, formats=["JPEG" if kind == "MPO" else kind]).verify()
        file.seek(0)
        image = Image.open(file, formats=[kind])
        image.load()
        exif = image.getexif()
        tells_place = bool(exif.get_ifd(ExifTags.IFD.GPSInfo))
    except BROKEN:
        raise Refused("damaged") from None
    width, height = image.size
    orientation = exif.get(ExifTags.Base.Orientation)
    if orientation in TURNED:
        width, height = height, width
    if tells_place:
        (out / "clean").write_bytes(_without_place(file, image, exif, mime_type))
    small = ImageOps.exif_transpose(image)
    _preview(small, out)
    facts: dict[str, Any] = {
        "kind": "gif" if frames > 1 else "image",
        "mime_type": mime_type,
        "width": width,
        "height": height,
        "container": mime_type.partition("/")[2],
    }
    if frames > 1:
        facts["frames"] = frames
        if duration_s:
            facts["duration_s"] = round(duration_s, 3)
            facts["frame_rate"] = round(frames / duration_s, 3)
    return facts


def _preview(image: Any, out: Path) -> None:
    ordinary(image, PREVIEW).save(out / "preview.webp", "WEBP", quality=80)


def ordinary(image: Any, most: tuple[int, int] | None = None) -> Any:
    """The image as every screen shows it: sRGB of 8 bits, with its transparency.

    most: pixels that it is made smaller to. The image itself may be changed.
    """
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    if image.mode.startswith("I"):  # 16 bits of grey; turned into RGB, all are white
        image = image.point(lambda light: light / 256).convert("L")
    elif has_alpha:
        image = image.convert("RGBA")
    elif image.mode not in {"L", "RGB", "CMYK"}:
        image = image.convert("RGB")
    if most:
        image.thumbnail(most)
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        # One that is broken or of other colours tells nothing.
        with suppress(ImageCms.PyCMSError, *BROKEN):
            meant = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            screen = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, meant, screen, outputMode=mode)
    image = image.convert(mode)
    image.info.pop("icc_profile", None)
    return image


def _animation(file: IO[bytes], kind: str, most: int) -> tuple[int, float]:
    """Number of pictures and seconds, by the file's structure; nothing is decoded."""
    file.seek(0)
    read = {"GIF": _gif, "WEBP": _animated_webp, "PNG": _animated_png}.get(kind)
    frames, duration_s = read(file) if read else (1, 0.0)
    if frames > most:
        raise Refused("frames", limit=most)
    return frames, duration_s


def _gif(file: IO[bytes]) -> tuple[int, float]:
    """Source: https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""

    def table(flags: int) -> None:
        if flags & 0x80:
            file.seek(3 << ((flags & 7) + 1), io.SEEK_CUR)

    def blocks() -> bytes:
        first = b""
        while size := _exactly(file, 1)[0]:
            data = _exactly(file, size)
            first = first or data
        return first

    table(_exactly(file, 13)[10])
    frames, hundredths = 0, 0
    while (mark := _exactly(file, 1)) != b";":
        if mark == b"!":
            is_control = _exactly(file, 1) == b"\xf9"
            data = blocks()
            if is_control and len(data) >= 3:
                delay = int.from_bytes(data[1:3], "little")
                hundredths += delay if delay > 1 else 10
        elif mark == b",":
            table(_exactly(file, 9)[8])
            file.seek(1, io.SEEK_CUR)
            blocks()
            frames += 1
        else:
            raise Refused("damaged")
    return frames, hundredths / 100


def _animated_webp(file: IO[bytes]) -> tuple[int, float]:
    """Source: https://developers.google.com/speed/webp/docs/riff_container"""
    end = 8 + int.from_bytes(_exactly(file, 12)[4:8], "little")
    frames, milliseconds = 0, 0
    while file.tell() + 8 <= end:
        kind, size = struct.unpack("<4sI", _exactly(file, 8))
        following = file.tell() + size + size % 2
        if kind == b"ANMF":
            frames += 1
            shown = int.from_bytes(_exactly(file, 16)[12:15], "little")
            milliseconds += shown if shown > 10 else 100
        file.seek(following)
    return max(frames, 1), milliseconds / 1000


def _animated_png(file: IO[bytes]) -> tuple[int, float]:
    """Source: https://www.w3.org/TR/png-3/#apng-frame-based-animation"""
    _exactly(file, 8)
    frames, seconds = 0, 0.0
    while True:
        size, kind = struct.unpack(">I4s", _exactly(file, 8))
        following = file.tell() + size + 4
        if kind == b"IEND":
            return max(frames, 1), seconds
        if kind == b"fcTL":
            frames += 1
            part, whole = struct.unpack(">20xHH2x", _exactly(file, 26))
            shown_s = part / (whole or 100)
            seconds += shown_s if shown_s > FASTEST_S else TOO_FAST_S
        file.seek(following)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise Refused("damaged")
    return data


def _without_place(file: IO[bytes], image: Any, exif: Any, mime_type: str) -> bytes:
    from PIL import ExifTags

    orientation = exif.get(ExifTags.Base.Orientation)
    if mime_type == "image/jpeg":
        return _without_gps(image, exif)
    file.seek(0)
    data = file.read()
    if mime_type == "image/png":
        return _png_without_notes(data, _only_turned(orientation))
    return _webp_without_notes(data, _only_turned(orientation))


def _without_gps(image: Any, exif: Any) -> bytes:
    """The same JPEG without its position; orientation and colours stay."""
    from PIL import ExifTags

    del exif[ExifTags.IFD.GPSInfo]
    out = io.BytesIO()
    # "keep" uses the picture's own tables, so that nothing is lost twice; Pillow
    # offers it for plain JPEG only. XMP can repeat the position, so it goes too.
    image.save(
        out,
        "JPEG",
        quality="keep" if image.format == "JPEG" else 95,
        exif=exif.tobytes(),
        icc_profile=image.info.get("icc_profile"),
        xmp=b"",
    )
    return out.getvalue()


def _only_turned(orientation: Any) -> bytes:
    """EXIF that says how to turn the picture and nothing else; b"" when it need not."""
    from PIL import ExifTags, Image

    if orientation not in TURNED | {2, 3, 4}:
        return b""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _png_without_notes(data: bytes, exif: bytes) -> bytes:
    """The same pixels without EXIF, XMP and other texts.

    Source: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    parts, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind not in {b"eXIf", b"iTXt", b"tEXt", b"zTXt"}:
            parts.append(data[at:end])
        if kind == b"IHDR" and exif:
            body = b"eXIf" + exif
            sum_of_it = zlib.crc32(body).to_bytes(4)
            parts.append(len(exif).to_bytes(4) + body + sum_of_it)
        at = end
    return b"".join(parts)


def _webp_without_notes(data: bytes, exif: bytes) -> bytes:
    """The same pixels without EXIF and XMP.

    Source: https://developers.google.com/speed/webp/docs/riff_container
    """
    parts, at = [b"WEBP"], 12
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        kind, chunk = data[at : at + 4], bytearray(data[at:end])
        if kind == b"VP8X":
            chunk[8] = chunk[8] & ~0x0C | (0x08 if exif else 0)  # EXIF and XMP flags
        if kind not in {b"EXIF", b"XMP "}:
            parts.append(bytes(chunk))
        at = end
    if exif:
        padding = b"\0" * (len(exif) % 2)
        parts.append(b"EXIF" + len(exif).to_bytes(4, "little") + exif + padding)
    body = b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


# ---------------------------------------------------------------- videos


def _mp4(file: IO[bytes], head: bytes, size: int, out: Path) -> dict[str, Any]:
    """MP4 and QuickTime. A cut file is told by its boxes, which say how long they are."""
    order = _boxes(file, size)
    if b"moov" not in order:
        raise Refused("damaged")
    quick = head[4:8] != b"ftyp" or head[8:12] == b"qt  "
    facts = {
        "mime_type": "video/quicktime" if quick else "video/mp4",
        "container": "mov" if quick else "mp4",
        "index_first": b"mdat" not in order
        or order.index(b"moov") < order.index(b"mdat"),
    }
    return _video(file, "mov", size, facts, out)


def _boxes(file: IO[bytes], size: int) -> list[bytes]:
    """Names of the outermost boxes in order."""
    names: list[bytes] = []
    at = 0
    while at < size:
        file.seek(at)
        length, name = struct.unpack(">I4s", _exactly(file, 8))
        if length == 1:
            length = int.from_bytes(_exactly(file, 8), "big")
        elif length == 0:  # to the end of the file
            length = size - at
        if length < 8 or at + length > size or len(names) > MAX_PARTS:
            raise Refused("damaged")
        names.append(name)
        at += length
    return names


def _webm(file: IO[bytes], head: bytes, size: int, out: Path) -> dict[str, Any]:
    if b"webm" not in head[:64]:
        raise Refused("unknown")
    length, at = _ebml_number(head, 4)
    at += length
    if head[at : at + 4] == b"\x18\x53\x80\x67":
        length, start = _ebml_number(head, at + 4)
        unknown = length + 1 == 1 << 7 * (start - at - 4)  # a live recording
        if not unknown and start + length > size:
            raise Refused("damaged")
    facts = {"mime_type": "video/webm", "container": "webm", "index_first": True}
    return _video(file, "matroska", size, facts, out)


def _ebml_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where the next thing begins.

    Source: https://www.rfc-editor.org/rfc/rfc8794#name-variable-size-integer
    """
    if at >= len(data) or not data[at]:
        raise Refused("damaged")
    length = 9 - data[at].bit_length()
    bare = data[at] & ((1 << 8 - length) - 1)
    return int.from_bytes(
        bytes([bare]) + data[at + 1 : at + length], "big"
    ), at + length


def _video(
    file: IO[bytes], demuxer: str, size: int, facts: dict[str, Any], out: Path
) -> dict[str, Any]:
    import av
    from av.error import FFmpegError

    def nothing_else(*args: Any, **kwargs: Any) -> Any:
        # Some containers name further files or addresses to read.
        raise PermissionError("only the file itself is read")

    av.logging.set_level(av.logging.PANIC)
    file.seek(0)
    try:
        container = av.open(file, format=demuxer, io_open=nothing_else)
        films = [one for one in container.streams.video if not _is_cover(one)]
        if not films:
            kind = ONLY_SOUND.get(facts["mime_type"])
            if kind is None or not container.streams.audio:
                raise Refused("no_pictures")
            return _heard(container, *kind, size)
        stream = films[0]
        codec = stream.codec_context
        name = CODEC_NAMES.get(codec.name, codec.name)
        if codec.name not in VIDEO_CODECS:
            raise Refused("codec", codec=name)
        width, height = codec.width, codec.height
        if width * height > MAX_VIDEO_PIXELS:
            raise Refused("video_pixels", width=width, height=height)
        duration_s = _duration(container, stream)
        if duration_s > MAX_VIDEO_S:
            raise Refused("too_long", hours=MAX_VIDEO_S // 3600)
        # Threads would each hold pictures of their own.
        stream.thread_type = "NONE"
        picture = _picture(container, stream, duration_s)
    except Refused:
        raise
    except (FFmpegError, OSError, ValueError, EOFError, AttributeError):
        raise Refused("damaged") from None
    if picture is None or not (picture.width and picture.height):
        raise Refused("damaged")
    turned = round(picture.rotation / 90) * 90
    width, height = seen_size(picture, stream)
    _poster(picture, (width, height), turned, out)
    if turned % 180:
        width, height = height, width
    sound = (
        container.streams.audio[0].codec_context if container.streams.audio else None
    )
    rate = stream.average_rate or stream.guessed_rate
    return facts | {
        "kind": "video",
        "width": width,
        "height": height,
        "duration_s": round(duration_s, 3),
        "frame_rate": round(float(rate), 3) if rate else None,
        "video_codec": name,
        "audio_codec": CODEC_NAMES.get(sound.name, sound.name) if sound else "",
        "audio_channels": sound.channels if sound else None,
        "audio_rate": sound.sample_rate if sound else None,
        "has_audio": sound is not None,
        "bitrate": round(size * 8 / duration_s) if duration_s else None,
        "pixel_format": picture.format.name,
        "interlaced": bool(picture.interlaced_frame),
        "hdr": HDR.get(picture.color_trc),
    }


def _duration(container: Any, stream: Any) -> float:
    """Seconds. What a recording in a browser does not say is read off its packets."""
    if container.duration:
        return float(container.duration) / 1_000_000
    end = 0.0
    for packet in container.demux(stream):
        if packet.pts is not None:
            end = max(
                end, float((packet.pts + (packet.duration or 0)) * packet.time_base)
            )
    container.seek(0)
    if not end:
        raise Refused("damaged")
    return end


def _picture(container: Any, stream: Any, duration_s: float) -> Any:
    """One picture: a tenth into the video, for the first is often black."""
    container.seek(int(min(duration_s / 10, 3) * 1_000_000))
    for frame in container.decode(stream):
        return frame
    # Nothing after that place: a video of one picture.
    container.seek(0)
    return next(container.decode(stream), None)


def seen_size(picture: Any, stream: Any) -> tuple[int, int]:
    """Pixels as a viewer sees them before it is turned: television has some that are
    wider than high."""
    shape = stream.sample_aspect_ratio or 1
    if not WIDEST_PIXEL >= shape >= 1 / WIDEST_PIXEL:
        shape = 1
    return max(1, round(picture.width * shape)), picture.height


def _poster(picture: Any, size: tuple[int, int], turned: int, out: Path) -> None:
    scale = min(1.0, PREVIEW[0] / max(size))
    wide, high = (max(2, round(side * scale)) for side in size)
    graph = filters(picture, [*fit_to(picture, wide, high), ("format", "rgb24")])
    graph.vpush(picture)
    _preview(graph.vpull().to_image().rotate(turned, expand=True), out)


# ---------------------------------------------------------------- sound

#: container of a video -> type and container of one that holds sound alone
ONLY_SOUND = {
    "video/mp4": ("audio/mp4", "m4a"),
    "video/webm": ("audio/webm", "webm"),
}


def sound_of(head: bytes) -> tuple[str, str] | None:
    """Type and FFmpeg's name of the container, by how a file of sound begins; None: it
    is none."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/wav", "wav"
    for start, mime_type, name in (
        (b"OggS", "audio/ogg", "ogg"),
        (b"fLaC", "audio/flac", "flac"),
        (b"ID3", "audio/mpeg", "mp3"),
    ):
        if head.startswith(start):
            return mime_type, name
    # Eleven bits that are set, then version and layer: AAC has layer 0, MP3 the third.
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE0 == 0xE0:
        if head[1] & 0xF6 == 0xF0:
            return "audio/aac", "aac"
        if head[1] & 0x06 == 0x02 and head[1] & 0x18 != 0x08:
            return "audio/mpeg", "mp3"
    return None


def _is_cover(stream: Any) -> bool:
    """A picture that lies in a file of sound, and is no film."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _sound(file: IO[bytes], mime_type: str, demuxer: str, size: int) -> dict[str, Any]:
    import av
    from av.error import FFmpegError

    def nothing_else(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError("only the file itself is read")

    av.logging.set_level(av.logging.PANIC)
    if mime_type == "audio/wav":
        _whole_wav(file, size)
    file.seek(0)
    try:
        container = av.open(file, format=demuxer, io_open=nothing_else)
        films = [one for one in container.streams.video if not _is_cover(one)]
        if films or not container.streams.audio:
            raise Refused("unknown")
        return _heard(container, mime_type, demuxer, size)
    except (FFmpegError, OSError, ValueError, EOFError, AttributeError):
        raise Refused("damaged") from None


def _whole_wav(file: IO[bytes], size: int) -> None:
    """Its first lines say how long it is, unless it was written without an end."""
    file.seek(4)
    length = int.from_bytes(_exactly(file, 4), "little")
    if length != 0xFFFFFFFF and length + 8 > size + 1:
        raise Refused("damaged")


def _heard(container: Any, mime_type: str, name: str, size: int) -> dict[str, Any]:
    """What is told of sound; some of it is decoded, to see that it is."""
    stream = container.streams.audio[0]
    codec = stream.codec_context
    codec_name = CODEC_NAMES.get(codec.name, codec.name)
    if codec.name not in SOUND_CODECS:
        raise Refused("sound_codec", codec=codec_name)
    duration_s = _duration(container, stream)
    if duration_s > MAX_VIDEO_S:
        raise Refused("too_long", hours=MAX_VIDEO_S // 3600)
    if next(container.decode(stream), None) is None:
        raise Refused("damaged")
    return {
        "kind": "audio",
        "mime_type": mime_type,
        "container": name,
        "width": 0,
        "height": 0,
        "duration_s": round(duration_s, 3),
        "audio_codec": codec_name,
        "audio_channels": codec.channels,
        "audio_rate": codec.sample_rate,
        "has_audio": True,
        "bitrate": round(size * 8 / duration_s) if duration_s else None,
    }


# ---------------------------------------------------------------- how videos look

#: What claims more is damaged: nothing is made so.
WIDEST_PIXEL = 4
#: FFmpeg's numbers of what tells how bright a picture's numbers are meant
PQ = 16
HDR = {PQ: "pq", 18: "hlg"}
#: A step of `filters` that is none of FFmpeg's: its table has to be written first.
AS_HLG = "as_hlg"
HLG_PARAMS = "color_trc=arib-std-b67"
CUBE = 33
#: and of colours that no ordinary screen has: BT.2020, and two of the cinema
WIDE_COLOURS = {9, 11, 12}
UNKNOWN_COLOURS = 2
#: Old television told its colours otherwise than new; who says nothing means that of
#: its size.
NEW_FROM = 720


def filters(picture: Any, steps: list[tuple[str, str]]) -> Any:
    """FFmpeg's filters in a row, for pictures like this one."""
    import av

    base = picture.time_base or Fraction(1, 1000)
    source = {
        "video_size": f"{picture.width}x{picture.height}",
        "pix_fmt": picture.format.name,
        "time_base": f"{base.numerator}/{base.denominator}",
        "colorspace": int(picture.colorspace),
        "range": int(picture.color_range),
    }
    graph = av.filter.Graph()
    nodes = [
        graph.add("buffer", ":".join(f"{key}={value}" for key, value in source.items()))
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".cube") as table:
        for name, arguments in steps:
            if name == AS_HLG:
                table.write(hlg_of_pq())
                table.flush()
                name, arguments = "lut3d", f"file={table.name}:interp=tetrahedral"
            nodes.append(graph.add(name, arguments))
        # It is read once.
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def fit_to(picture: Any, wide: int, high: int) -> list[tuple[str, str]]:
    """Filters that scale a picture and give it the colours of every screen (BT.709).

    What is brighter than an ordinary screen can show is mapped into what it can. That is
    worked out with the first picture, and takes seconds.
    """
    usual = "out_color_matrix=bt709:out_range=tv"
    if int(picture.colorspace) == UNKNOWN_COLOURS:
        is_new = min(picture.width, picture.height) >= NEW_FROM
        usual += ":in_color_matrix=" + ("bt709" if is_new else "smpte170m")
    if picture.color_trc not in HDR and picture.color_primaries not in WIDE_COLOURS:
        return [("scale", f"{wide}:{high}:{usual}")]
    mapped = "out_primaries=bt709:out_transfer=bt709:intent=perceptual"
    scaled = [("scale", f"{wide}:{high}")]
    if picture.color_trc == PQ and not says_its_brightness(picture):
        scaled += [("format", "gbrp12"), (AS_HLG, ""), ("setparams", HLG_PARAMS)]
    return [*scaled, ("scale", f"iw:ih:{usual}:{mapped}")]


def says_its_brightness(picture: Any) -> bool:
    """On how bright a screen it was made: PQ alone goes to 10,000 nits, which no picture
    has, so that all would come out dark."""
    from av.sidedata.sidedata import Type

    return any(one.type == Type.MASTERING_DISPLAY_METADATA for one in picture.side_data)


def hlg_of_pq() -> str:
    """A table of colours (.cube) that tells PQ as HLG, of a screen of 1,000 nits, on
    which most is made; what is brighter fades into its white.

    Sources: Recommendation ITU-R BT.2100-3, tables 4 and 5; for the table's form, Adobe's
    Cube LUT Specification 1.0.
    """
    screen, knee = 1000.0, 700.0
    nits = []
    for code in range(CUBE):
        power = (code / (CUBE - 1)) ** (32 / 2523)
        top, bottom = max(0.0, power - 3424 / 4096), 18.8515625 - 18.6875 * power
        nits.append(10_000 * (top / bottom) ** (16384 / 2610))

    def hlg(scene: float) -> float:
        if scene <= 1 / 12:
            return math.sqrt(3 * scene)
        return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073

    lines = [f"LUT_3D_SIZE {CUBE}"]
    for blue, green, red in itertools.product(nits, repeat=3):
        light = 0.2627 * red + 0.6780 * green + 0.0593 * blue
        # Between what fades too late in strong colours, and what fades too early.
        strong = (light + max(red, green, blue)) / 2
        share = 1 / screen
        if strong > knee:
            over = 1 - math.exp((knee - strong) / (screen - knee))
            share *= (knee + (screen - knee) * over) / strong
        colours = [share * one for one in (red, green, blue)]
        white, most = share * light, max(colours)
        if most > 1:
            # As bright as it is, and paler: no channel has more.
            pale = (1 - white) / (most - white)
            colours = [white + pale * (one - white) for one in colours]
        # What the screen adds to the scene's contrast is taken back.
        scene = white ** (1 / 1.2 - 1) if white else 0.0
        codes = (hlg(min(1.0, max(0.0, scene * one))) for one in colours)
        lines.append(" ".join(f"{code:.6f}" for code in codes))
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- documents

#: Main part of an Office file -> type, and where its pages lie as files of their own.
OFFICE = {
    "word/document.xml": (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    "ppt/presentation.xml": (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
    ),
}
MAX_UNPACKED = 1 << 30
MAX_RATIO = 200


def _pdf(file: IO[bytes], size: int) -> dict[str, Any]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    file.seek(max(0, size - 2048))
    if b"%%EOF" not in file.read():
        raise Refused("damaged")
    file.seek(0)
    try:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted:
            raise Refused("locked")
        pages = reader.get_num_pages()
    except Refused:
        raise
    except (PyPdfError, RecursionError, TypeError, AttributeError, *BROKEN):
        raise Refused("damaged") from None
    if not pages:
        raise Refused("damaged")
    return _document("application/pdf", "pdf", pages)


def _office(file: IO[bytes]) -> dict[str, Any]:
    """Only the list of its parts is read: nothing is unpacked."""
    try:
        parts = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, *BROKEN):
        raise Refused("damaged") from None
    names = {part.filename for part in parts}
    main = next((name for name in OFFICE if name in names), None)
    if main is None or "[Content_Types].xml" not in names:
        raise Refused("unknown")
    unpacked = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if (
        len(parts) > MAX_PARTS
        or unpacked > MAX_UNPACKED
        or (unpacked > 100 << 20 and unpacked > packed * MAX_RATIO)
    ):
        raise Refused("bomb")
    if any(part.flag_bits & 1 for part in parts):
        raise Refused("locked")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise Refused("macros")
    mime_type, container = OFFICE[main]
    slides = sum(
        name.startswith("ppt/slides/slide") and name.endswith(".xml") for name in names
    )
    return _document(mime_type, container, slides or None)


def _document(mime_type: str, container: str, pages: int | None) -> dict[str, Any]:
    facts = {
        "kind": "document",
        "mime_type": mime_type,
        "container": container,
        "width": 0,
        "height": 0,
    }
    return facts | ({"pages": pages} if pages else {})


# ---------------------------------------------------------------- captions

#: how captions begin: WebVTT's first line, or the times of a first line of SRT
_CAPTIONS = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:WEBVTT[ \t\r\n]"
    rb"|\s*(?:\d{1,9}\s*[\r\n]\s*)?\d{1,4}:\d\d:\d\d[.,]\d{1,3}\s*-->)"
)


def is_captions(head: bytes) -> bool:
    return bool(_CAPTIONS.match(head))


def _captions(data: bytes) -> dict[str, Any]:
    """Only that there are lines with times: `platforms.captions` reads them, of which
    this program knows nothing."""
    vtt = data.removeprefix(b"\xef\xbb\xbf").startswith(b"WEBVTT")
    if b"\0" in data or b"-->" not in data:
        raise Refused("damaged")
    return {
        "kind": "captions",
        "mime_type": "text/vtt" if vtt else "application/x-subrip",
        "container": "vtt" if vtt else "srt",
        "width": 0,
        "height": 0,
    }


# ---------------------------------------------------------------- the program


def _bound(cpu_s: int, written: int) -> None:
    """From here on the process cannot take more than this, whatever it reads."""
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _soft, hard = resource.getrlimit(what)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (limit, limit))


def answer_with(
    work: Callable[[], dict[str, Any]], *, cpu_s: int = CPU_S, written: int = WRITTEN
) -> None:
    """Do the work within the bounds, and print what it found or why it could not.

    cpu_s: seconds of the processor; written: bytes of the largest file.
    """
    _bound(cpu_s, written)
    try:
        answer: dict[str, Any] = {"facts": work()}
    except Refused as refused:
        answer = {"refused": refused.code, "values": refused.values}
    except MemoryError:
        answer = {"refused": "too_much", "values": {}}
    except OSError as error:
        codes = {errno.ENOSPC: "no_room", errno.EDQUOT: "no_room"}
        codes[errno.EFBIG] = "too_much"
        if error.errno not in codes:
            raise
        answer = {"refused": codes[error.errno], "values": {}}
    sys.stdout.write(json.dumps(answer))


def with_card(path: Path, out: Path) -> dict[str, Any]:
    """As `examine`, and of an image `card.jpg`: what the card of a link shows of it."""
    facts = examine(path, out)
    if facts["kind"] in ("image", "gif"):
        with path.open("rb") as file:
            _card(file, out)
    return facts


def _card(file: IO[bytes], out: Path) -> None:
    from PIL import Image, ImageOps

    image = ordinary(ImageOps.exif_transpose(open_image(file)), CARD)
    if image.mode == "RGBA":
        below = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(below, image).convert("RGB")
    for quality in (85, 70, 50, 30):
        made = io.BytesIO()
        image.save(made, "JPEG", quality=quality, optimize=True)
        if made.tell() <= CARD_BYTES:
            (out / "card.jpg").write_bytes(made.getvalue())
            return


if __name__ == "__main__":
    work = with_card if sys.argv[3:] == ["card"] else examine
    answer_with(lambda: work(Path(sys.argv[1]), Path(sys.argv[2])))
