"""What does making another video of a 4K one cost, and how long does it take?

A piece as the cluster makes it (`publishing.recode`), in a process of its own, in turns
with a bare decoder, scaler and encoder of PyAV: the same picture, the same quality and
speed of the encoder, none of our care. Memory is the most that the whole process held,
as the system tells it when it has ended.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from threading import Timer
from typing import Any

import av

from publishing import recode

from ..sandbox import Sandbox, SandboxError
from .runner import Part, say

RATE = 30
SOURCE = (3840, 2160)
#: name in the answer -> pixels of what is made
SIZES = {"1080p": (1920, 1080), "4k": SOURCE}
#: What is told of each: memory of ours and of the bare one, seconds, and how often longer.
KEYS = {
    "1080p": (
        "memory_1080p_mb",
        "bare_memory_1080p_mb",
        "seconds_1080p",
        "ratio_to_bare_1080p",
    ),
    "4k": ("memory_4k_mb", "bare_memory_4k_mb", "seconds_4k", "ratio_to_bare_4k"),
}
#: Pictures of a piece; enough for all that an encoder keeps at once.
PICTURES = 45
LIMIT_S = 500.0
BARE = Path(__file__).with_name("bare_recode.py")


class RecodeBench(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        """Files are all it needs."""

    def inside(self, options: dict[str, Any]) -> None:
        folder = Path(os.environ["SOCIALHUB_SANDBOX"])
        source = folder / "source.mp4"
        say("making a video of 3840 x 2160")
        make_source(source)
        told: dict[str, Any] = {}
        for name, size in SIZES.items():
            told |= self._measure(name, size, source, folder, options["rounds"])
        told |= {"pictures": PICTURES, "cpus": os.cpu_count()}
        print(json.dumps(told), flush=True)  # noqa: T201

    def _measure(
        self, name: str, size: tuple[int, int], source: Path, folder: Path, rounds: int
    ) -> dict[str, Any]:
        piece = {
            "do": "pictures",
            "made": "made.mp4",
            "first": 0,
            "count": PICTURES,
            "rate": (RATE, 1),
            "start_s": 0.0,
            "size": size,
            "ratio": None,
            "focus": (0.5, 0.5),
            "bitrate": None,
        }
        program = [sys.executable, "-IB", recode.__file__, str(source), str(folder)]
        bare = [sys.executable, "-IB", str(BARE), str(source), str(folder / "bare.mp4")]
        taken: dict[str, list[float]] = {"ours": [], "bare": []}
        memory = {"ours": 0.0, "bare": 0.0}
        for number in range(rounds):
            for who, command in (
                ("ours", [*program, json.dumps(piece)]),
                ("bare", [*bare, str(size[0]), str(size[1]), recode.QUALITY]),
            ):
                seconds, most = run(command)
                taken[who].append(seconds)
                memory[who] = max(memory[who], most)
            say(f"{name} {number + 1}/{rounds}: {taken}, {memory} MB")
        ours, other = (statistics.median(taken[who]) for who in ("ours", "bare"))
        figures = (
            round(memory["ours"]),
            round(memory["bare"]),
            round(ours, 1),
            round(ours / other, 2),
        )
        return dict(zip(KEYS[name], figures, strict=True))


def run(command: list[str]) -> tuple[float, float]:
    """Seconds, and the most megabytes that the process held. SandboxError."""
    begun = time.perf_counter()
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(command, stdout=told, stderr=told) as child,  # noqa: S603
    ):
        watch = Timer(LIMIT_S, child.kill)
        watch.start()
        _pid, status, used = os.wait4(child.pid, 0)
        watch.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        out = told.read()
    if child.returncode or b"refused" in out:
        said = out[-300:].decode(errors="replace")
        raise SandboxError(f"exit {child.returncode}: {said}")
    return time.perf_counter() - begun, used.ru_maxrss * 1024 / 1e6


def make_source(path: Path) -> None:
    """Colours that move, so that the encoder has something to do."""
    width, height = SOURCE
    with av.open(str(path), "w", format="mp4") as out:
        stream: Any = out.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"preset": "ultrafast", "threads": "2"}
        row = bytes(range(256)) * (2 * width // 256 + 2)
        for number in range(PICTURES + 2):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane in frame.planes:
                wide = plane.line_size
                lines = (
                    row[(line * 3 + number * 7) % 256 :][:wide]
                    for line in range(plane.height)
                )
                plane.update(b"".join(lines))
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
