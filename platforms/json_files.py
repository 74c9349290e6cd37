"""A JSON body in which files stand as base64, written while it is sent: never whole in
memory, however many are on their way at once."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Generator
from itertools import zip_longest
from typing import Any

from .base import MediaFile
from .transport import BLOCK


class JsonWithFiles:
    """A stream of a document, in place of whose files their bytes stand.

    length: in bytes; a file has as many as it was measured with.
    """

    def __init__(self, document: Any) -> None:
        self._files: list[MediaFile] = []
        mark = secrets.token_hex(16)

        def place(value: Any) -> str:
            if not isinstance(value, MediaFile):
                raise TypeError(f"{type(value).__name__} is no JSON")
            self._files.append(value)
            return mark

        # From its beginning to its end, so the files come in their order.
        whole = json.dumps(document, allow_nan=False, default=place)
        self._texts = [text.encode() for text in whole.split(mark)]
        self.length = sum(map(len, self._texts))
        self.length += sum(-(-file.size_bytes // 3) * 4 for file in self._files)
        self._blocks = self._all()
        self._left = b""

    def read(self, size: int, /) -> bytes:
        """The next bytes, b"" after the last."""
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._left = block
        block, self._left = self._left[:size], self._left[size:]
        return block

    def close(self) -> None:
        self._blocks.close()

    def _all(self) -> Generator[bytes]:
        for text, file in zip_longest(self._texts, self._files):
            yield text
            if file is not None:
                yield from _encoded(file)


def _encoded(file: MediaFile) -> Generator[bytes]:
    with file.open() as stream:
        rest = b""
        while block := stream.read(BLOCK):
            block = rest + block
            whole = len(block) - len(block) % 3
            rest = block[whole:]
            yield base64.b64encode(block[:whole])
        yield base64.b64encode(rest)
