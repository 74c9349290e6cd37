"""Files that a network fetches itself, from an address that it was told.

Called from a twin's `prepare`, outside of the world's lock. Nothing but plain public
http(s) is asked, and redirects are not followed.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

import requests
from PIL import Image, UnidentifiedImageError

#: Seconds to connect, then for each wait for bytes.
PATIENCE_S = (3, 10)
BLOCK = 256 * 1024
#: Longer files wait on disk until they have been looked at.
IN_MEMORY = 8 * 1024 * 1024


@dataclass(frozen=True)
class Pulled:
    """`file` stands at its start. too_long: more came than was wanted; the rest was
    left, and `sha256` is of what was read."""

    file: IO[bytes]
    size: int
    sha256: str
    too_long: bool = False

    def read(self) -> bytes:
        self.file.seek(0)
        return self.file.read()


@dataclass(frozen=True)
class Still:
    """format: as Pillow names it."""

    format: str
    width: int
    height: int


def may_be_pulled(url: str) -> bool:
    """Public http(s), US-ASCII, nobody's name in it; loopback is what practice has."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and url.isascii() and "@" not in parts.netloc


def pull(url: str, most_bytes: int, agent: str) -> Pulled | None:
    """What is behind an address; None when there is nothing to be had."""
    if not may_be_pulled(url):
        return None
    # It lives on in what is returned.
    file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
    seen, size = hashlib.sha256(), 0
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["User-Agent"] = agent
            answer = session.get(
                url, timeout=PATIENCE_S, allow_redirects=False, stream=True
            )
            with answer:
                if answer.status_code != 200:
                    return None
                for block in answer.iter_content(BLOCK):
                    size += len(block)
                    seen.update(block)
                    file.write(block)
                    if size > most_bytes:
                        break
    except (requests.RequestException, OSError, ValueError):
        return None
    file.seek(0)
    return Pulled(file, size, seen.hexdigest(), size > most_bytes)


def in_hand(data: bytes) -> Pulled:
    """Bytes that need no fetching, as if they had been fetched."""
    return Pulled(io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())


def still(file: IO[bytes]) -> Still | None:
    """What picture a file holds; None when it holds none."""
    file.seek(0)
    try:
        with Image.open(file) as image:
            found = Still(str(image.format), image.width, image.height)
            image.load()
            return found
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ):
        return None


def stand_in() -> bytes:
    """A picture for an address that is believed without a look."""
    stream = io.BytesIO()
    Image.new("RGB", (1000, 1500), "#8899aa").save(stream, "JPEG")
    return stream.getvalue()
