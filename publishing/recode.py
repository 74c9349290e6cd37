"""Makes a piece of a video: of another one, or of an animated image.

A process of its own, a piece at a time.

    python -I recode.py SOURCE FOLDER PIECE

PIECE is JSON; `do` says which, and `made` the name of the file to write in the folder:

- "pictures": `count` pictures from number `first` at `rate` (numerator, denominator),
  counted from `start_s` of the source; cut to `ratio` around `focus`, `size` pixels,
  upright, progressive, in ordinary colours (BT.709); at most `bitrate` bits per second
  (null: as good as it looks). Fewer were made where the source ends before; an animated
  image begins again.
- "sound": as AAC, from `start_s` for `length_s` seconds.
- "join": the `parts` (names, each with `count` pictures but the last) and, if named,
  the `sound`; the index first.
- "copy": the same pictures and sound in an MP4, untouched, the index first.

The answer is `examine`'s; its facts are `pictures`, how many were made. A piece stands
under its name only when it is whole. The bounds: those of `examine`, with more time and
written bytes; the source is read as a stream, and a handful of pictures are in memory.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

CPU_S = 240
WRITTEN = 16 << 30
#: What does not say its rate of sounds well.
SOUND_RATE, SOUND_BITS = 48_000, 128_000
#: what every player can show
PIXELS = "yuv420p"
#: A picture is repeated so long where the source has none; then it has ended.
STILL_S = 1.0
#: 21: hard to tell from the source; a lower number costs bytes for nothing.
QUALITY = "21"

#: A disk that is full, and pieces larger than they may be.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

#: Dolby Vision. Where its pictures say nothing of their brightness (its profile 5), no
#: other player can tell their colours.
DOLBY = {"dvh1", "dvhe"}

#: how a picture lies -> filters that set it upright
UPRIGHT: dict[int, list[tuple[str, str]]] = {
    0: [],
    90: [("transpose", "cclock")],
    180: [("hflip", ""), ("vflip", "")],
    270: [("transpose", "clock")],
}


class Shaper:
    """Sets pictures upright, cuts and scales them; anew when the source changes."""

    def __init__(
        self,
        piece: dict[str, Any],
        examine: Any,
        reshape: Any,
        stream: Any = None,
        only_dolby: bool = False,
    ) -> None:
        """stream: that the pictures come from; None: each pixel is as wide as high."""
        self.piece, self.examine, self.reshape = piece, examine, reshape
        self.stream, self.only_dolby = stream, only_dolby
        self._seen: Any = None
        self._graph: Any = None

    def __call__(self, picture: Any) -> Any:
        turned = round(picture.rotation / 90) * 90 % 360
        seen = (picture.width, picture.height, picture.format.name, turned)
        if seen != self._seen:
            self._graph, self._seen = self._filters(picture, turned), seen
        self._graph.vpush(picture)
        return self._graph.vpull()

    def _filters(self, picture: Any, turned: int) -> Any:
        if self.only_dolby and picture.color_trc not in self.examine.HDR:
            raise self.examine.Refused("only_dolby")
        width, height = stored = picture.width, picture.height
        if self.stream:
            width, height = self.examine.seen_size(picture, self.stream)
        if width * height > self.examine.MAX_VIDEO_PIXELS:
            raise self.examine.Refused("video_pixels", width=width, height=height)
        steps = [] if (width, height) == stored else [("scale", f"{width}:{height}")]
        steps += UPRIGHT[turned]
        if turned % 180:
            width, height = height, width
        if self.piece["ratio"]:
            box = self.reshape.cut(
                (width, height), self.piece["ratio"], self.piece["focus"]
            )
            left, top, right, bottom = box
            steps.append(("crop", f"{right - left}:{bottom - top}:{left}:{top}:0:1"))
        steps += self.examine.fit_to(picture, *self.piece["size"])
        steps += [("format", PIXELS), ("setsar", "1")]
        return self.examine.filters(picture, steps)


def opened(av: Any, path: Path) -> Any:
    """A source of any kind; nothing else than the file itself is read."""

    def nothing_else(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError("only the file itself is read")

    with path.open("rb") as file:
        is_webm = file.read(4) == b"\x1a\x45\xdf\xa3"
    demuxer = "matroska" if is_webm else "mov"
    return av.open(path.open("rb"), format=demuxer, io_open=nothing_else)


def still_waited_for(parent: int) -> None:
    if os.getppid() != parent:
        raise SystemExit("nobody waits for it any more")


def pictures_of(
    source: Any, start_s: float, examine: Any
) -> Iterator[tuple[float, Any]]:
    """(seconds from the source's own beginning, picture), from a little before."""
    stream = source.streams.video[0]
    # Threads would each hold pictures of their own.
    stream.thread_type = "NONE"
    begins_s = (source.start_time or 0) / 1_000_000
    source.seek(int((start_s + begins_s) * 1_000_000))
    parent = os.getppid()
    for picture in progressive(source.decode(stream), examine):
        still_waited_for(parent)
        if picture.pts is not None:
            yield float(picture.pts * picture.time_base) - begins_s, picture


def progressive(pictures: Iterable[Any], examine: Any) -> Iterator[Any]:
    """The pictures, those of two half ones (television) made whole ones."""
    graph, size = None, None
    for picture in pictures:
        seen = (picture.width, picture.height, picture.format.name)
        if graph and seen != size:
            yield from _left_in(graph)
            graph = None
        if graph is None and picture.interlaced_frame:
            wanted = [("bwdif", "mode=send_frame:deint=interlaced")]
            graph, size = examine.filters(picture, wanted), seen
        if graph is None:
            yield picture
        else:
            graph.vpush(picture)
            yield from _ready_in(graph)
    if graph:
        yield from _left_in(graph)


def _left_in(graph: Any) -> Iterator[Any]:
    graph.vpush(None)
    yield from _ready_in(graph)


def _ready_in(graph: Any) -> Iterator[Any]:
    """It looks at the picture after, so that it is one behind."""
    from av.error import BlockingIOError, EOFError

    with suppress(BlockingIOError, EOFError):
        while True:
            yield graph.vpull()


def animated(
    path: Path, start_s: float, examine: Any, reshape: Any
) -> Iterator[tuple[float, Any]]:
    """As `pictures_of`, of an animated image: over and over, on white as on paper."""
    import av
    from PIL import ImageOps, ImageSequence

    at_s, parent = 0.0, os.getppid()
    with path.open("rb") as file:
        image = examine.open_image(file)
        while True:
            for one in ImageSequence.Iterator(image):
                still_waited_for(parent)
                one.load()
                shown_s = (one.info.get("duration") or 0) / 1000
                if shown_s <= examine.FASTEST_S:
                    shown_s = examine.TOO_FAST_S
                if at_s + shown_s > start_s:
                    shown = examine.ordinary(ImageOps.exif_transpose(one))
                    picture = reshape.on_paper(shown)
                    yield at_s, av.VideoFrame.from_image(picture)
                at_s += shown_s


def encoder(av: Any, out: Any, piece: dict[str, Any]) -> Any:
    rate = Fraction(*piece["rate"])
    stream = out.add_stream("libx264", rate=rate)
    stream.width, stream.height = piece["size"]
    stream.pix_fmt = PIXELS
    context = stream.codec_context
    context.time_base = 1 / rate
    # BT.709, as `examine.fit_to` makes them; who is not told has to guess.
    context.color_primaries = context.color_trc = context.colorspace = 1
    context.color_range = 1
    options = {
        "preset": "veryfast",
        "profile": "high",
        "crf": QUALITY,
        "g": str(max(1, round(2 * rate))),
        "threads": "2",
        # Each picture that it looks ahead costs some 25 MB where they are large.
        "rc-lookahead": "4",
        # Pieces are joined: each picture's place is known without the piece before.
        "flags": "+cgop",
    }
    if piece["bitrate"]:
        options |= {"maxrate": str(piece["bitrate"]), "bufsize": str(piece["bitrate"])}
    context.options = options
    return stream


def make_pictures(
    av: Any, pictures: Callable[[float], Any], made: Path, piece: Any, shape: Any
) -> int:
    """pictures: (seconds, picture) from a little before a time on."""
    rate, first, count = Fraction(*piece["rate"]), piece["first"], piece["count"]
    start_s = piece["start_s"]

    def due(number: int) -> float:
        """When the picture stands; a quarter early, for clocks that are rounded."""
        return start_s + float((number + Fraction(1, 4)) / rate)

    written = 0
    with av.open(str(made), "w", format="mp4") as out:
        stream = encoder(av, out, piece)

        def write(picture: Any) -> None:
            nonlocal written
            shaped = shape(picture)
            shaped.pts, shaped.time_base = written, 1 / rate
            shaped.pict_type = 0
            out.mux(stream.encode(shaped))
            written += 1

        before: Any = None
        at_s = 0.0
        for at_s, picture in pictures(due(first)):
            while before is not None and written < count:
                if at_s <= due(first + written):
                    break
                write(before)
            before = picture
            if written >= count:
                break
        while before is not None and written < count:
            if due(first + written) > at_s + STILL_S:
                break
            write(before)
        out.mux(stream.encode(None))
    return written


def make_sound(av: Any, source: Any, made: Path, piece: Any) -> int:
    heard = source.streams.audio[0]
    begins_s = (source.start_time or 0) / 1_000_000
    first = int(piece["start_s"] * SOUND_RATE)
    most = int(piece["length_s"] * SOUND_RATE)
    parent = os.getppid()
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
    written = 0
    with av.open(str(made), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=SOUND_RATE)
        stream.bit_rate = SOUND_BITS
        stream.layout = "stereo"

        def write(block: Any, skip: int, take: int) -> None:
            nonlocal written
            part = av.AudioFrame(format="fltp", layout="stereo", samples=take)
            for from_, to in zip(block.planes, part.planes, strict=True):
                # Four bytes a sample; planes are longer than their sound.
                sound = bytes(from_)[4 * skip : 4 * (skip + take)]
                to.update(sound.ljust(to.buffer_size, b"\0"))
            part.sample_rate, part.pts = SOUND_RATE, written
            part.time_base = Fraction(1, SOUND_RATE)
            out.mux(stream.encode(part))
            written += take

        def silence(samples: int) -> None:
            """Sound that begins later than the pictures stays in its place."""
            while samples > 0:
                empty = av.AudioFrame(
                    format="fltp", layout="stereo", samples=min(samples, SOUND_RATE)
                )
                for plane in empty.planes:
                    plane.update(bytes(plane.buffer_size))
                empty.sample_rate = SOUND_RATE
                write(empty, 0, empty.samples)
                samples -= empty.samples

        source.seek(int((piece["start_s"] + begins_s) * 1_000_000))
        at: int | None = None
        for frame in source.decode(heard):
            still_waited_for(parent)
            if at is None:
                begun_s = float((frame.pts or 0) * frame.time_base) - begins_s
                at = round(begun_s * SOUND_RATE)
                silence(min(at - first, most))
            for block in resampler.resample(frame):
                skip = max(0, first - at)
                take = min(block.samples - skip, most - written)
                if take > 0:
                    write(block, skip, take)
                at += block.samples
            if written >= most:
                break
        out.mux(stream.encode(None))
    return written


def join(av: Any, folder: Path, made: Path, piece: Any, refused: Any) -> int:
    """Puts the pieces after each other, with the sound beside them."""
    rate = Fraction(*piece["rate"])
    pictures = 0
    options = {"movflags": "faststart"}
    sounds = av.open(str(folder / piece["sound"])) if piece["sound"] else None
    with av.open(str(made), "w", format="mp4", options=options) as out:
        stream, known, voice, waiting = None, b"", None, None
        for name in piece["parts"]:
            with av.open(str(folder / name)) as part:
                seen = part.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(seen)
                    known = bytes(seen.codec_context.extradata or b"")
                    if sounds:
                        voice = out.add_stream_from_template(sounds.streams.audio[0])
                        waiting = sounds.demux(sounds.streams.audio[0])
                elif bytes(seen.codec_context.extradata or b"") != known:
                    raise refused("damaged")
                moved, here = int(pictures / rate / seen.time_base), 0
                for packet in part.demux(seen):
                    if packet.dts is None:
                        continue
                    packet.pts += moved
                    packet.dts += moved
                    packet.stream = stream
                    until_s = float(packet.dts * packet.time_base)
                    for sound in _until(waiting, until_s):
                        sound.stream = voice
                        out.mux(sound)
                    out.mux(packet)
                    here += 1
                pictures += here
        for sound in _until(waiting, float("inf")):
            sound.stream = voice
            out.mux(sound)
    if sounds:
        sounds.close()
    return pictures


def _until(packets: Iterator[Any] | None, until_s: float) -> Iterator[Any]:
    """Those up to that time; one too many, which players do not mind."""
    for packet in packets or ():
        if packet.dts is None:
            continue
        at_s = float(packet.dts * packet.time_base)
        yield packet
        if at_s > until_s:
            return


def copy(av: Any, source: Any, made: Path) -> int:
    pictures = 0
    options = {"movflags": "faststart"}
    streams = [source.streams.video[0], *source.streams.audio[:1]]
    with av.open(str(made), "w", format="mp4", options=options) as out:
        to = {one.index: out.add_stream_from_template(one) for one in streams}
        for packet in source.demux(streams):
            if packet.dts is None:
                continue
            pictures += packet.stream.index == streams[0].index
            packet.stream = to[packet.stream.index]
            out.mux(packet)
    return pictures


def is_image(path: Path, examine: Any) -> bool:
    with path.open("rb") as file:
        return bool(examine.is_image(file.read(16)))


def is_dolby(stream: Any) -> bool:
    with suppress(UnicodeDecodeError):
        return stream.codec_context.codec_tag in DOLBY
    return False


def make_of(
    av: Any, source: Any, made: Path, piece: Any, examine: Any, reshape: Any
) -> int:
    """What a piece of an open video is made by."""
    if piece["do"] == "sound":
        return make_sound(av, source, made, piece)
    if piece["do"] == "copy":
        return copy(av, source, made)
    stream = source.streams.video[0]
    shape = Shaper(piece, examine, reshape, stream, is_dolby(stream))
    pictures = partial(pictures_of, source, examine=examine)
    return make_pictures(av, pictures, made, piece, shape)


def make(examine: Any, reshape: Any, path: Path, folder: Path, piece: Any) -> Any:
    import av
    from av.error import FFmpegError

    av.logging.set_level(av.logging.PANIC)
    made = folder / piece["made"]
    whole = made.with_name(f"{made.name}-{os.getpid()}")
    try:
        if piece["do"] == "join":
            number = join(av, folder, whole, piece, examine.Refused)
        elif is_image(path, examine):
            pictures = partial(animated, path, examine=examine, reshape=reshape)
            shape = Shaper(piece, examine, reshape)
            number = make_pictures(av, pictures, whole, piece, shape)
        else:
            with opened(av, path) as source:
                number = make_of(av, source, whole, piece, examine, reshape)
        if number:
            whole.rename(made)
    except OSError as error:
        # A disk without room is no fault of the file; of what is wrong with a file,
        # FFmpeg has numbers of its own and Pillow none.
        of_system = error.errno is not None and not isinstance(error, FFmpegError)
        if of_system or error.errno in NO_ROOM:
            raise
        raise examine.Refused("damaged") from None
    except (FFmpegError, ValueError, EOFError, AttributeError, IndexError):
        raise examine.Refused("damaged") from None
    finally:
        whole.unlink(missing_ok=True)
    return {"pictures": number}


def beside(name: str) -> Any:
    """A neighbour: started alone (-I), a program does not find it by its name."""
    found = importlib.util.spec_from_file_location(
        name, Path(__file__).with_name(f"{name}.py")
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def main() -> None:
    # Posts that are due and pages come first.
    os.nice(10)
    examine, reshape = beside("examine"), beside("reshape")
    path, folder, piece = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    examine.answer_with(
        lambda: make(examine, reshape, path, folder, piece),
        cpu_s=CPU_S,
        written=WRITTEN,
    )


if __name__ == "__main__":
    main()
