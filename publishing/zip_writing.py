"""A ZIP that is written block by block over many turns, by workers that may be killed.

Where it stands is a small document (`Place`): what a file holds behind that is cut off
when the next worker goes on. Zip64 throughout, so that no size is a limit; sizes and
checksums stand before each file's bytes once it is whole. The list of files lies in a
file of its own until the end.

Source: APPNOTE.TXT 6.3.10 (PKWARE), sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

STORED, DEFLATED = 0, 8
#: Made by Unix; needs version 4.5 (Zip64); names are UTF-8.
MADE_BY, NEEDS, UTF8 = (3 << 8) | 45, 45, 0x800
#: Permissions of a plain file that everybody may read.
MODE = 0o100644 << 16
FULL = 0xFFFFFFFF


class Taken(Exception):
    """Another process still holds the file, alive or stopped: nobody else may write."""


class Lost(Exception):
    """What was written before is not there any more: it has to begin anew."""


@dataclass(frozen=True)
class Place:
    """How far it is. end: bytes of the file; listed: bytes of the list of files; files:
    how many are whole. Of the file in hand: name ("": none is), start, and so far taken
    (plain bytes), written and crc."""

    end: int = 0
    listed: int = 0
    files: int = 0
    name: str = ""
    method: int = STORED
    start: int = 0
    taken: int = 0
    written: int = 0
    crc: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class ZipWriter:
    """at: where it stands; after each `add`, and each `block`, it is a new one.

    Nothing is noted before it is on the disk (`flush`): neither a killed process nor a
    power cut leaves a hole in the middle.
    """

    def __init__(self, file: IO[bytes], listing: IO[bytes], at: Place) -> None:
        self.file, self.listing, self.at = file, listing, at
        for stream, length in ((file, at.end), (listing, at.listed)):
            if stream.seek(0, os.SEEK_END) < length:
                raise Lost(f"{stream.name} is shorter than it was")
            stream.truncate(length)
            stream.seek(length)

    @property
    def in_hand(self) -> str:
        return self.at.name

    def begin(self, name: str, when: datetime, *, packed: bool) -> None:
        assert not self.at.name
        method = DEFLATED if packed else STORED
        self.at = replace(
            self.at,
            name=name,
            method=method,
            start=self.at.end,
            taken=0,
            written=0,
            crc=0,
        )
        self._write(self._head(when))

    def block(self, data: bytes) -> None:
        """The next bytes of the file in hand."""
        body = data
        if self.at.method == DEFLATED:
            # Each block is a stream of its own without an end: they follow each other
            # in one, and any worker can write the next.
            deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
            body = deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH)
        self._write(body)
        self.at = replace(
            self.at,
            taken=self.at.taken + len(data),
            written=self.at.written + len(body),
            crc=zlib.crc32(data, self.at.crc),
        )

    def finish(self, when: datetime) -> None:
        """The file in hand is whole."""
        if self.at.method == DEFLATED:
            end = zlib.compressobj(6, zlib.DEFLATED, -15).flush(zlib.Z_FINISH)
            self._write(end)
            self.at = replace(self.at, written=self.at.written + len(end))
        self.file.seek(self.at.start)
        self.file.write(self._head(when))
        self.file.seek(self.at.end)
        entry = self._entry(when)
        self.listing.write(entry)
        self.at = replace(
            self.at,
            listed=self.at.listed + len(entry),
            files=self.at.files + 1,
            name="",
        )

    def drop(self) -> None:
        """The file in hand cannot be had: as if it had not been begun."""
        self.at = replace(self.at, end=self.at.start, name="")
        self.file.truncate(self.at.end)
        self.file.seek(self.at.end)

    def add(self, name: str, when: datetime, blocks: Iterable[bytes]) -> None:
        """A whole file, packed."""
        self.begin(name, when, packed=True)
        for data in blocks:
            self.block(data)
        self.finish(when)

    def flush(self) -> Place:
        """What `at` says is on the disk, for whoever goes on."""
        for stream in (self.file, self.listing):
            stream.flush()
            os.fsync(stream.fileno())
        return self.at

    def close(self) -> None:
        """Write the list of files behind them, and all of it to the disk."""
        assert not self.at.name
        self.listing.flush()
        start, size = self.at.end, self.at.listed
        self.listing.seek(0)
        while data := self.listing.read(1 << 20):
            self.file.write(data)
        at = start + size
        many = self.at.files
        self.file.write(
            struct.pack(
                "<4sQHHIIQQQQ",
                b"PK\x06\x06",
                44,
                MADE_BY,
                NEEDS,
                0,
                0,
                many,
                many,
                size,
                start,
            )
        )
        self.file.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1))
        few = min(many, 0xFFFF)
        self.file.write(
            struct.pack(
                "<4sHHHHIIH",
                b"PK\x05\x06",
                0,
                0,
                few,
                few,
                min(size, FULL),
                min(start, FULL),
                0,
            )
        )
        self.file.flush()
        os.fsync(self.file.fileno())

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.at = replace(self.at, end=self.at.end + len(data))

    def _head(self, when: datetime) -> bytes:
        name = self.at.name.encode()
        extra = struct.pack("<HHQQ", 1, 16, self.at.taken, self.at.written)
        return (
            struct.pack(
                "<4sHHHHHIIIHH",
                b"PK\x03\x04",
                NEEDS,
                UTF8,
                self.at.method,
                *_dos(when),
                self.at.crc,
                FULL,
                FULL,
                len(name),
                len(extra),
            )
            + name
            + extra
        )

    def _entry(self, when: datetime) -> bytes:
        name = self.at.name.encode()
        extra = struct.pack(
            "<HHQQQ", 1, 24, self.at.taken, self.at.written, self.at.start
        )
        return (
            struct.pack(
                "<4sHHHHHHIIIHHHHHII",
                b"PK\x01\x02",
                MADE_BY,
                NEEDS,
                UTF8,
                self.at.method,
                *_dos(when),
                self.at.crc,
                FULL,
                FULL,
                len(name),
                len(extra),
                0,
                0,
                0,
                MODE,
                FULL,
            )
            + name
            + extra
        )


def _dos(when: datetime) -> tuple[int, int]:
    """Time and date as ZIP has them, on the clock of `when`."""
    year = min(max(when.year, 1980), 2107)
    return (
        when.hour << 11 | when.minute << 5 | when.second // 2,
        (year - 1980) << 9 | when.month << 5 | when.day,
    )


@contextmanager
def opened(path: Path, at: Place) -> Iterator[ZipWriter]:
    """Go on with the file there. Taken; Lost.

    The lock falls with its process: a stopped one that wakes up later has had it all the
    time, and nobody has written beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    listing = path.with_name(f"{path.name}.list")
    listing.touch()
    with path.open("r+b") as file, listing.open("r+b") as lines:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Taken(str(path)) from None
        yield ZipWriter(file, lines, at)


def is_whole(path: Path, files: int) -> bool:
    """Whether what was written can be read: a list of so many files stands at its end."""
    try:
        with zipfile.ZipFile(path) as packed:
            return len(packed.infolist()) == files
    except (zipfile.BadZipFile, OSError):
        return False
