"""What is made of videos and animated images that are unlike others."""

from __future__ import annotations

import io
import itertools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image

from publishing import examine, recode, reshape
from publishing.tests.made_files import (
    LIGHTS,
    animation,
    bright_video,
    television_video,
    uneven_video,
    video,
)

PIECE = {
    "do": "pictures",
    "made": "made.mp4",
    "first": 0,
    "count": 10,
    "rate": (25, 1),
    "start_s": 0.0,
    "size": (160, 96),
    "ratio": None,
    "focus": (0.5, 0.5),
    "bitrate": None,
}


@pytest.fixture
def make(tmp_path):
    """Makes a piece of the bytes; returns it opened."""

    def make(data: bytes, **piece: object):
        source = tmp_path / "source"
        source.write_bytes(data)
        recode.make(examine, reshape, source, tmp_path, {**PIECE, **piece})
        return av.open(str(tmp_path / "made.mp4"))

    return make


def lights(container) -> list[int]:
    """How light each picture is, in its corner."""
    return [bytes(one.planes[0])[0] for one in container.decode(video=0)]


def unevenness(frame) -> int:
    """How far neighbouring lines differ: large where two halves do not belong together."""
    plane = frame.planes[0]
    data, wide = bytes(plane), plane.line_size
    return sum(
        abs(data[line * wide + at] - data[(line + 1) * wide + at])
        for line in range(0, frame.height - 2, 2)
        for at in range(frame.width)
    )


def test_half_pictures_become_whole_ones_at_their_times(make):
    made = list(make(television_video()).decode(video=0))
    assert len(made) == 10
    assert not any(one.interlaced_frame for one in made)
    with av.open(io.BytesIO(television_video())) as source:
        torn = min(unevenness(one) for one in source.decode(video=0))
    assert max(unevenness(one) for one in made) < torn / 20


def test_a_piece_in_the_middle_of_half_pictures_is_the_middle(make, tmp_path):
    whole = [bytes(one.planes[0]) for one in make(television_video()).decode(video=0)]
    (part,) = make(television_video(), first=6, count=1).decode(video=0)
    far = [
        sum(abs(a - b) for a, b in zip(one, bytes(part.planes[0]), strict=True))
        for one in whole
    ]
    assert far.index(min(far)) == 6


def test_wide_pixels_are_measured_and_shown_as_wide_as_they_are(make, tmp_path):
    path = tmp_path / "source"
    path.write_bytes(television_video())
    found = examine.examine(path, tmp_path)
    assert (found["width"], found["height"], found["interlaced"]) == (240, 96, True)
    assert Image.open(tmp_path / "preview.webp").size == (240, 96)
    # Cut to a square, the middle stays: of the seen width, not of the stored one.
    made = make(television_video(), ratio=1.0, size=(96, 96), first=6, count=1)
    (frame,) = made.decode(video=0)
    line = bytes(frame.planes[0])[: frame.width]
    bar = [at for at, light in enumerate(line) if light > 130]
    assert (bar[0], bar[-1]) == pytest.approx((0, 23), abs=3)


def test_brighter_pictures_become_ordinary_ones_and_none_is_burnt_out(
    make, tmp_path, monkeypatch
):
    made = make(bright_video(), size=(32 * len(LIGHTS), 64), count=1)
    (frame,) = made.decode(video=0)
    assert frame.format.name == "yuv420p"
    told = (frame.colorspace, frame.color_trc, frame.color_primaries)
    assert tuple(map(int, told)) == (1, 1, 1)
    line = bytes(frame.planes[0])[: 32 * len(LIGHTS)]
    shown = [line[32 * number + 16] for number in range(len(LIGHTS))]
    assert shown[0] <= 18
    assert shown[-1] >= 225
    steps = [after - before for before, after in itertools.pairwise(shown)]
    assert min(steps) > 15
    monkeypatch.setattr(examine, "_poster", lambda *args: None)
    assert examine.examine(tmp_path / "source", tmp_path)["hdr"] == "hlg"


def test_pq_that_does_not_say_how_bright_it_is_looks_like_what_does(make):
    """Most is made on screens of 1,000 nits: without a word FFmpeg takes 10,000."""

    def shown(mastered: int) -> list[tuple[int, int, int]]:
        data = bright_video(mastered=mastered, tint=(480, 600))
        made = make(data, size=(32 * len(LIGHTS), 64), count=1)
        (frame,) = made.decode(video=0)
        planes = [(bytes(plane), plane.line_size) for plane in frame.planes]
        (light, wide), (blue, half), (red, _half) = planes
        return [
            (light[32 * wide + at], blue[16 * half + at // 2], red[16 * half + at // 2])
            for at in range(16, 32 * len(LIGHTS), 32)
        ]

    *ours, most = shown(0)
    *known, most_known = shown(1000)
    for one, other in zip(ours, known, strict=True):
        assert one == pytest.approx(other, abs=12)
    # More than that screen has of one colour: how it fades is a matter of taste.
    assert ours[-1][0] < most[0]
    assert most == pytest.approx(most_known, abs=40)


def test_colours_that_only_dolby_s_players_know_are_refused(make):
    data = bright_video(told=False)
    assert b"hev1" in data
    with pytest.raises(examine.Refused) as refused:
        make(data.replace(b"hev1", b"dvh1"))
    assert refused.value.code == "only_dolby"


def test_pictures_at_uneven_times_stand_as_long_as_they_did(make):
    made = make(uneven_video(0, 1, 5, 6, 9), rate=(10, 1), size=(64, 48))
    shown = [round((light - 20) / 20) for light in lights(made)]
    assert shown == [0, 1, 1, 1, 1, 2, 3, 3, 3, 4]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animated_image_moves_at_its_pace_and_begins_again(make, kind):
    data = animation(kind, frames=3, ms=200)
    shown = lights(make(data, rate=(10, 1), count=12, size=(20, 10)))
    assert shown[0] < shown[2] < shown[4]
    assert shown[:6] == shown[6:]
    later = lights(make(data, rate=(10, 1), first=8, count=2, size=(20, 10)))
    assert later == pytest.approx(shown[8:10], abs=2)


def test_what_is_transparent_in_an_animation_is_white(make):
    pictures = [Image.new("RGBA", (20, 10), (0, 0, 0, alpha)) for alpha in (0, 255)]
    out = io.BytesIO()
    pictures[0].save(
        out, "PNG", save_all=True, append_images=pictures[1:], duration=500, disposal=1
    )
    shown = lights(make(out.getvalue(), rate=(2, 1), count=2, size=(20, 10)))
    assert (shown[0] > 225, shown[1] < 30) == (True, True)


def test_an_animation_that_breaks_off_is_refused(make):
    with pytest.raises(examine.Refused) as refused:
        make(animation("GIF", frames=3)[:-40], count=50)
    assert refused.value.code == "damaged"


@pytest.mark.parametrize(("layout", "rate"), [("5.1", 96_000), ("mono", 22_050)])
def test_sound_of_any_kind_becomes_stereo_that_networks_take(make, layout, rate):
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as source:
        heard = source.add_stream("aac", rate=rate)
        heard.layout = layout
        for number in range(40):
            block = av.AudioFrame(format="fltp", layout=layout, samples=1024)
            for plane in block.planes:
                plane.update(bytes(plane.buffer_size))
            block.sample_rate, block.pts = rate, number * 1024
            source.mux(heard.encode(block))
        source.mux(heard.encode(None))
    made = make(out.getvalue(), do="sound", length_s=0.3)
    sound = made.streams.audio[0].codec_context
    assert (sound.name, sound.sample_rate, sound.channels) == ("aac", 48_000, 2)
    assert float(made.duration) / 1_000_000 == pytest.approx(0.3, abs=0.05)


def test_odd_sides_become_even_ones(make):
    data = video("webm", "libvpx-vp9", size=(161, 91))
    made = make(data, size=(160, 90), count=5)
    assert (made.streams.video[0].width, made.streams.video[0].height) == (160, 90)


@pytest.mark.parametrize("do", ["pictures", "sound", "copy"])
def test_a_disk_that_is_full_in_the_middle_leaves_nothing_half_made(tmp_path, do):
    source = tmp_path / "source"
    source.write_bytes(video(size=(640, 360), frames=75, sound="aac"))
    piece = {**PIECE, "do": do, "count": 75, "size": (640, 360), "length_s": 2.0}
    full = 512
    program = [sys.executable, "-IB", str(Path(recode.__file__)), str(source)]
    made = subprocess.run(
        [*program, str(tmp_path), json.dumps(piece)],
        capture_output=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (full, full)),
    )
    assert made.stdout, made.stderr.decode()
    assert json.loads(made.stdout) == {"refused": "too_much", "values": {}}
    assert os.listdir(tmp_path) == ["source"]
