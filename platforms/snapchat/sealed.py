"""Snapchat wants each file encrypted: AES-256 in CBC mode, PKCS#7 padding, no header.

Parts are cut from the encrypted file. A block depends only on the one before it, so a
part can be made from the plain file's bytes and the last block of the part before: a
file is never encrypted as a whole, and an upload goes on where it was.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import IO

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from .spec import MAX_PARTS, PART_BYTES

BLOCK = 16


def sealed_bytes(plain: int) -> int:
    """Bytes of the encrypted file: 1 to 16 more."""
    return (plain // BLOCK + 1) * BLOCK


def part_bytes(plain: int) -> int:
    """Bytes of each part but the last: whole blocks."""
    least = -(-sealed_bytes(plain) // MAX_PARTS)
    return max(PART_BYTES, -(-least // BLOCK) * BLOCK)


@dataclass(frozen=True)
class Seal:
    """Key and IV of one upload.

    They are made anew from our app's secret and a random number whenever they are
    needed: the number is stored, they never are.
    """

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str, nonce: str) -> Seal:
        def made(what: str) -> bytes:
            words = f"snapchat media {what} {nonce}".encode()
            return hmac.digest(secret.encode(), words, "sha256")

        return cls(made("key"), made("iv")[:BLOCK])

    @property
    def check(self) -> str:
        """Tells another seal from this one, and nothing of the key."""
        return hashlib.sha256(b"check" + self.key).hexdigest()[:16]


class SealedPart:
    """One part of the encrypted file, encrypted as it is read.

    stream: the plain file from the part's start on. length: bytes of the part. before:
    the last block of the part before it, or the IV. `tail` is its last block, once all
    of it was read.
    """

    def __init__(
        self, seal: Seal, stream: IO[bytes], length: int, before: bytes, *, last: bool
    ) -> None:
        self._stream = stream
        self._left = length
        self._cipher = Cipher(
            algorithms.AES256(seal.key), modes.CBC(before)
        ).encryptor()
        self._padder = PKCS7(BLOCK * 8).padder() if last else None
        self._ready = b""
        self.tail = before

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            size = self._left
        while len(self._ready) < min(size, self._left) and self._more():
            pass
        block, self._ready = self._ready[:size][: self._left], self._ready[size:]
        self._left -= len(block)
        if block:
            self.tail = (self.tail + block[-BLOCK:])[-BLOCK:]
        return block

    def _more(self) -> bool:
        """Encrypt a piece; False: there is no more of the file."""
        plain = self._stream.read(1 << 16)
        if plain:
            padded = self._padder.update(plain) if self._padder else plain
            self._ready += self._cipher.update(padded)
            return True
        if self._padder:
            self._ready += self._cipher.update(self._padder.finalize())
            self._padder = None
            return True
        return False
